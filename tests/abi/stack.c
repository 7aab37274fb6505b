/* RLIMIT_STACK, stacks that grow, MAP_GROWSDOWN, the signal stack beside a stack that is used up; and what of
 * a stack a fork copies. */
#include "ktap.h"

static char other[65536] __attribute__((aligned(16)));
static volatile char sink;
static __attribute__((noinline)) int deep(long bytes) {
    volatile char frame[4000];
    frame[0] = bytes;
    sink = frame[0];
    return bytes < (long)sizeof(frame) ? 0 : deep(bytes - (long)sizeof(frame)) + (frame[0] != (char)bytes);
}
static void on_segv(int s, siginfo_t *si, void *u) {
    (void)s, (void)u;
    char here;
    /* on the signal stack, with the address that could not be reached */
    _exit(&here >= other && &here < other + sizeof(other) && si->si_addr && si->si_code > 0 ? 33 : 34);
}
static int status_of(pid_t p) {
    int st;
    waitpid(p, &st, 0);
    return st;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return deep(atol(argv[1]));
    (void)argv;
    printf("KTAP version 1\n");
    OK(deep(4 << 20) == 0, "a stack grows to 4 MB of 8");
    pid_t p = fork();
    if (!p)
        _exit(deep(6 << 20));
    OK(status_of(p) == 0, "C18: a child's grows from where its parent's was");
    struct rlimit r = {256 << 10, 16 << 20};
    p = fork();
    if (!p) {
        setrlimit(RLIMIT_STACK, &r);
        execl("/proc/self/exe", "stack", "100000", NULL);
        _exit(1);
    }
    OK(status_of(p) == 0, "RLIMIT_STACK of 256 KB: 100 KB are there after exec");
    p = fork();
    if (!p) {
        setrlimit(RLIMIT_STACK, &r);
        execl("/proc/self/exe", "stack", "1000000", NULL);
        _exit(1);
    }
    int st = status_of(p);
    OK(WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV, "and 1 MB is SIGSEGV");
    p = fork();
    if (!p) {
        r.rlim_cur = 16 << 20;
        setrlimit(RLIMIT_STACK, &r);
        execl("/proc/self/exe", "stack", "12000000", NULL);
        _exit(1);
    }
    OK(status_of(p) == 0, "RLIMIT_STACK of 16 MB: 12 MB are there");
    p = fork();
    if (!p) {
        stack_t ss = {.ss_sp = other, .ss_size = sizeof(other)};
        struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigaltstack(&ss, NULL);
        sigaction(SIGSEGV, &sa, NULL);
        deep(100 << 20);
        _exit(1);
    }
    st = status_of(p);
    OK(WIFEXITED(st) && WEXITSTATUS(st) == 33, "a stack used up: SIGSEGV, on the signal stack");

    char *room = mmap(NULL, 8 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(room, 8 << 20); /* nothing is near below */
    char *m = mmap(room + (8 << 20) - 4096, 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    OK(m != MAP_FAILED, "MAP_GROWSDOWN");
    m[0] = 1;
    for (int i = 1; i < 64; i++)
        m[-4096 * i] = i;
    int bad = 0;
    for (int i = 1; i < 64; i++)
        bad |= m[-4096 * i] != i;
    OK(!bad, "touched below its start it grows");
    p = fork();
    if (!p) {
        m[-4096 * 70] = 1;
        _exit(m[-4096 * 10] != 10);
    }
    OK(status_of(p) == 0, "C18: in a child too");
    char *near =
        mmap(m - 200 * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    p = fork();
    if (!p) {
        m[-4096 * 65] = 1;
        _exit(0);
    }
    st = status_of(p);
    OK(near == m - 200 * 4096 && WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV,
       "not into the gap above another mapping");
    FAILS(mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0), EINVAL,
          "MAP_GROWSDOWN of shared memory: EINVAL");
    return ktap_done();
}
