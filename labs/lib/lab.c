/* What runs a check; see lab.h. */
#include "lab.h"

extern const struct lab_check __start_lab_checks[], __stop_lab_checks[];
uint64_t lab_seed = 1;
const char *lab_arg = "";
static const char *token = ""; /* of the run: the grader looks for it at each stop */

/* The grader's breakpoint is at lab_stop_at, and it goes on behind the instruction there. It is told the
 * time: at a breakpoint QEMU's clock may jump to the next timer. So a check must not mix stops with sleeping:
 * children that are to wait read from a pipe. */
asm(".text\n.globl lab_stop_here, lab_stop_at\nlab_stop_here:\nrdtime a7\n.option push\n.option "
    "norvc\nlab_stop_at: nop\n"
    ".option pop\nret\n");
void lab_stop_here(enum lab_op op, const struct lab_site *site, uint64_t a, uint64_t b, uint64_t c,
                   const char *token);

void lab_stop(enum lab_op op, const struct lab_site *site, uint64_t a, uint64_t b, uint64_t c) {
    lab_stop_here(op, site, a, b, c, token);
}

void lab_expect(const struct lab_site *site, uint64_t seen, enum lab_relation r, uint64_t expected) {
    bool ok = r == LAB_TRUE ? seen
              : r == LAB_EQ ? seen == expected
              : r == LAB_NE ? seen != expected
              : r == LAB_LE ? seen <= expected
                            : seen >= expected;
    int saved = errno;
    if (!ok || !site->optional)
        lab_stop(LAB_EXPECT, site, seen, r, expected);
    if (!ok) { /* by hand only: the grader has ended the run */
        char line[300];
        static const char *const words[] = {"", "", "other than ", "at most ", "at least "};
        int n = snprintf(line, sizeof(line), "line %u: does not hold: %s (expected %s%ld, seen %ld)\n",
                         (unsigned)site->line, site->what, words[r], (long)expected, (long)seen);
        write(1, line, n);
        _exit(1);
    }
    errno = saved;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (argc > 2)
        lab_seed = strtoul(argv[2], NULL, 10);
    if (argc > 3)
        token = argv[3];
    for (const struct lab_check *c = __start_lab_checks; c < __stop_lab_checks; c++)
        if (!strcmp(c->name, name)) {
            if (argc > 4)
                lab_arg = argv[4];
            c->fn();
            if (c->helper)
                return 0;
            lab_stop(LAB_DONE, NULL, 0, 0, 0);
            printf("%s: all that it states holds here\n", name);
            return 0;
        }
    printf("usage: %s CHECK [SEED]; checks:", argv[0]);
    for (const struct lab_check *c = __start_lab_checks; c < __stop_lab_checks; c++)
        if (!c->helper)
            printf(" %s", c->name);
    printf("\n");
    return 2;
}

uint32_t lab_random(uint32_t n) {
    static uint64_t x;
    x = (x ? x : lab_seed * 0x9e3779b97f4a7c15UL) + 0x9e3779b97f4a7c15UL;
    uint64_t z = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
    return (z ^ z >> 31) % n;
}
char *lab_pages(size_t pages) {
    char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    lab_expect(LAB_SITE("mmap gives memory", 1), p != MAP_FAILED, LAB_TRUE, 1);
    return p;
}
int lab_status(pid_t pid) {
    int status = -1;
    return waitpid(pid, &status, 0) == pid ? status : -1;
}
pid_t lab_fork(void) {
    pid_t p = fork();
    lab_expect(LAB_SITE("fork succeeds (errno is what is seen)", 1), p < 0 ? errno : 0, LAB_EQ, 0);
    return p;
}
static uint64_t word(uint64_t seed, size_t i) { return (seed + i) * 0x9e3779b97f4a7c15UL ^ seed; }
void lab_fill(char *p, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n / 8; i++)
        ((uint64_t *)p)[i] = word(seed, i);
}
bool lab_holds(const char *p, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n / 8; i++)
        if (((const uint64_t *)p)[i] != word(seed, i))
            return false;
    return true;
}
uint64_t lab_now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000UL + ts.tv_nsec;
}
void lab_fail_nth(int n) {
    char s[16];
    int fd = open("/proc/self/fail-nth", O_WRONLY);
    write(fd, s, snprintf(s, sizeof(s), "%d", n));
    close(fd);
}
char **lab_args(const char *helper, const char *arg) {
    static char seed[24], *args[6];
    snprintf(seed, sizeof(seed), "%lu", lab_seed);
    args[0] = "t", args[1] = (char *)helper, args[2] = seed, args[3] = (char *)token, args[4] = (char *)arg;
    return args;
}
static int gate[2];
void lab_gate(void) { pipe(gate); }
void lab_wait_start(void) {
    char c;
    close(gate[1]);
    read(gate[0], &c, 1);
}
void lab_start(void) { close(gate[1]); }

long lab_act(int sig, void *handler, uint64_t flags, uint64_t mask) {
    struct abi_sigaction a = {.handler = (uint64_t)handler, .flags = flags, .mask = mask};
    return syscall(SYS_rt_sigaction, sig, &a, NULL, 8);
}
void lab_in_child(void (*body)(void)) {
    pid_t pid = lab_fork();
    if (!pid) {
        body();
        _exit(0);
    }
    lab_expect(LAB_SITE("the child comes to its end (its wait status is what is seen)", 1), lab_status(pid),
               LAB_EQ, 0);
}

volatile uint64_t *lab_work;
void lab_work_init(void) {
    lab_work = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}
pid_t lab_worker(int i, int nice) {
    pid_t pid = lab_fork();
    if (!pid) {
        syscall(SYS_setpriority, 0, 0, nice);
        for (;;)
            WORK(i)++;
    }
    return pid;
}
static void work_for(int i, uint64_t ns) {
    for (uint64_t t = lab_now() + ns; lab_now() < t;)
        WORK(i)++;
}
void lab_work_on_harts(int i) {
    for (int k = 0; k < 4; k++) {
        work_for(i, 12000000);
        HOST_HART();
    }
    work_for(i, 6000000);
    _exit(0);
}
void lab_end(pid_t *pids, int n) {
    for (int i = 0; i < n; i++)
        kill(pids[i], SIGKILL);
    for (int i = 0; i < n; i++)
        waitpid(pids[i], NULL, 0);
}
