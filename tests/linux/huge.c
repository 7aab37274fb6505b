/* Superpages: what madvise asks for is there, and nothing of it can be told from small pages but by the
 * counts. */
#include "ktap.h"
#include <sys/resource.h>

#define HUGE (2UL << 20)
static long figure(const char *file, const char *name) {
    char b[8192];
    int fd = open(file, O_RDONLY);
    long n = read(fd, b, sizeof(b) - 1);
    close(fd);
    b[n > 0 ? n : 0] = 0;
    char *at = strstr(b, name);
    return at ? atol(at + strlen(name)) : -1;
}
static long huge(void) { return figure("/proc/meminfo", "AnonHugePages:") / 2048; }
static long faults(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_minflt;
}
static char *region(unsigned long n) { /* n superpages, aligned; with room before and behind */
    char *m = mmap(NULL, (n + 2) * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    m = (char *)(((unsigned long)m + HUGE - 1) & ~(HUGE - 1));
    if (madvise(m, n * HUGE, MADV_HUGEPAGE))
        return NULL;
    return m;
}
static int bad;
static void is(const char *m, int seed, unsigned long n) {
    for (unsigned long i = 0; i < n * 512; i++)
        if (*(unsigned *)(m + i * 4096) != (unsigned)(i * 7 + seed))
            bad++;
}
static void fill(char *m, int seed, unsigned long n) {
    for (unsigned long i = 0; i < n * 512; i++)
        *(unsigned *)(m + i * 4096) = i * 7 + seed;
}
static int child(int (*fn)(char *), char *m) {
    int st;
    pid_t p = fork();
    if (!p)
        _exit(fn(m));
    waitpid(p, &st, 0);
    return st;
}
static int child_writes(char *m) {
    m[3 * HUGE + 100 * 4096] = 1;
    m[3 * HUGE + 101 * 4096] = 1;
    long split = huge();
    m[5 * HUGE] = 1;
    return split < 0;
}
static int child_unmaps(char *m) {
    munmap(m + HUGE / 2, HUGE);
    mprotect(m + 2 * HUGE + 4096, 4096, PROT_NONE);
    return *(unsigned *)(m + 4096) != 1 * 7 + 5u || *(unsigned *)(m + 2 * HUGE) != 1024 * 7 + 5u;
}
static int grandchildren(char *m) {
    int st = child(child_writes, m) | child(child_unmaps, m);
    is(m, 5, 8);
    return st || bad;
}

/* The rule of who may store: one side has split a 2 MB page, the other has it in one piece; a part of it is
 * somebody else's. `splits` and `stores` are 0 for the parent, 1 for the child, 2 for a child of that. */
struct turns {
    volatile int turn, bad;
};
static void wait_for(struct turns *t, int turn) {
    while (t->turn != turn)
        usleep(1000);
}
static int stays_apart(char *m, int splits, int stores, int last) {
    struct turns *t = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int me = 0;
    pid_t p[3] = {0};
    fill(m, 2, 1);
    while (me < last && !(p[me + 1] = fork()))
        me++;
    if (me == splits)
        m[9 * 4096 + 7] = 99, t->turn = 1;
    wait_for(t, 1);
    if (me == stores) {
        for (int i = 0; i < 512; i++)
            m[i * 4096 + 70] = 55;
        t->turn = 2;
    }
    wait_for(t, 2);
    for (int i = 0; i < 512; i++)
        if (m[i * 4096 + 70] != (me == stores ? 55 : 0) ||
            m[i * 4096 + 7] != (me == splits && i == 9 ? 99 : 0) ||
            *(unsigned *)(m + i * 4096) != (unsigned)(i * 7 + 2))
            t->bad = 1;
    if (me < last)
        waitpid(p[me + 1], NULL, 0);
    if (me)
        _exit(0);
    int good = !t->bad;
    munmap((void *)t, 4096);
    madvise(m, HUGE, MADV_DONTNEED);
    return good;
}
static int poked_read_only(char *m) { /* a debugger's store makes nothing writable */
    char c = 5;
    int fd = open("/proc/self/mem", O_RDWR);
    mprotect(m, HUGE, PROT_READ);
    int good = !m[0] && pwrite(fd, &c, 1, (long)m + 4097) == 1 && m[4097] == 5;
    close(fd);
    good &= syscall(SYS_clock_gettime, CLOCK_REALTIME, m + 8192) == -1 && errno == EFAULT && !m[8192];
    mprotect(m, HUGE, PROT_READ | PROT_WRITE);
    return good;
}

static int left_out(char *m) { return *(unsigned *)(m + 3 * HUGE + 8192) != 1538 * 7 + 9u; }

int main(void) {
    printf("KTAP version 1\n");
    fflush(stdout);
    long before = huge(), f = faults();
    char *m = region(8);
    fill(m, 5, 8);
    f = faults() - f;
    printf("# %ld superpages, %ld faults\n", huge() - before, f);
    OK(huge() - before == 8, "8 superpages are there");
    OK(f < 60, "a fault for each, not 512");
    is(m, 5, 8);
    OK(!bad, "what was stored is there");
    OK(!child(child_writes, m) && !(is(m, 5, 8), bad), "a child's store is the child's");
    OK(huge() - before == 8, "and all are in one piece again when it has ended");
    OK(!child(child_unmaps, m) && !(is(m, 5, 8), bad), "a child unmaps and protects parts of its own");
    OK(!child(grandchildren, m) && !(is(m, 5, 8), bad), "three generations");

    pid_t p = fork(); /* the parent stores while a child has all */
    if (!p) {
        usleep(100000);
        is(m, 5, 8);
        _exit(bad != 0);
    }
    fill(m, 6, 8);
    int st;
    waitpid(p, &st, 0);
    OK(!st && !(is(m, 6, 8), bad), "a parent's store is the parent's");
    munmap(m, 8 * HUGE);
    OK(huge() == before, "and the whole is gone with it");

    m = region(4);
    fill(m, 9, 4);
    OK(madvise(m + HUGE + 4096, 10 * 4096, MADV_DONTNEED) == 0 && m[HUGE + 4096] == 0 &&
           *(unsigned *)(m + HUGE) == 512 * 7 + 9u,
       "a part let go is zero");
    OK(huge() - before == 3, "which splits that one");
    char *to = mmap(NULL, 6 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    to = (char *)(((unsigned long)to + HUGE - 1) & ~(HUGE - 1));
    OK(mremap(m + 2 * HUGE, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 4096) == to + 4096 &&
           *(unsigned *)(to + 4096 + 4096) == 1025 * 7 + 9u,
       "mremap to where it does not fit");
    OK(mprotect(m, 4096, PROT_READ) == 0 && *(unsigned *)(m + 8192) == 2 * 7 + 9u, "mprotect of a page");
    OK(!madvise(m + 3 * HUGE, 8192, MADV_DONTFORK) && !child(left_out, m),
       "DONTFORK of a part leaves out that part");
    munmap(m, 4 * HUGE);
    munmap(to, 5 * HUGE);
    OK(huge() == before, "nothing is left");

    m = region(1);
    OK(stays_apart(m, 1, 0, 1), "a child splits, the parent stores");
    OK(stays_apart(m, 0, 1, 1), "the parent splits, a child stores");
    OK(stays_apart(m, 2, 0, 2) && stays_apart(m, 2, 1, 2) && stays_apart(m, 0, 2, 2) &&
           stays_apart(m, 1, 2, 2),
       "and with three generations");
    OK(poked_read_only(m), "a store by /proc/self/mem into one that is read-only leaves it so");
    munmap(m, HUGE);

    m = region(2);
    madvise(m, 2 * HUGE, MADV_NOHUGEPAGE);
    fill(m, 3, 2);
    OK(huge() == before, "NOHUGEPAGE: small pages");
    return ktap_done();
}
