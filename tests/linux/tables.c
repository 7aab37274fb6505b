/* tables [SEED [STEPS]]: a random program of map, touch, fork, exit, protect, move and unmap, in processes
 * that fork processes, held against a model of what each byte should be. Sparse memory of many leaf tables,
 * dense memory of few, memory that is wiped at fork, superpages in seeds that are odd, and two threads that
 * store all the while. In tine's checked build all page tables are looked at after each step. Then truncation
 * of a file that several generations have mapped. */
#include "ktap.h"
#include <pthread.h>

#define LEAF (2UL << 20)
#define SPARSE_LEAVES 160 /* more than fork goes through one by one */
#define SPARSE (SPARSE_LEAVES * 6)
#define DENSE 1400 /* pages: three leaf tables, nearly full */
#define WIPED 40
#define SLOTS (SPARSE + DENSE + WIPED)
#define MAX_DEPTH 4

static unsigned long state;
static unsigned rnd(unsigned n) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (state >> 11) % n;
}
static unsigned char model[SLOTS];
static char *sparse, *dense, *wiped, *common;
static int check_fd = -1, depth, seed_of_run;
static char *slot(unsigned i) {
    return i < SPARSE ? sparse + (i % SPARSE_LEAVES) * LEAF + (i / SPARSE_LEAVES * 73 % 512) * 4096 + i % 4096
           : i < SPARSE + DENSE ? dense + (i - SPARSE) * 4096L + 5
                                : wiped + (i - SPARSE - DENSE) * 4096L;
}
static void wrong(const char *what, unsigned i) {
    printf("# seed %d, depth %d, pid %d: %s, slot %u at %p\n", seed_of_run, depth, getpid(), what, i,
           (void *)slot(i));
    fflush(stdout);
    _exit(1);
}
static void verify(unsigned i) {
    if (*slot(i) != (char)model[i])
        wrong("a byte is not what it should be", i);
}
static void forget(char *from, char *to) { /* what lies there is zero again */
    for (unsigned i = 0; i < SLOTS; i++)
        if (slot(i) >= from && slot(i) < to)
            model[i] = 0;
}
static void look(void) {
    char b[160] = {0};
    if (check_fd >= 0 && pread(check_fd, b, sizeof(b) - 1, 0) > 0 && strcmp(b, "ok\n")) {
        printf("# %s", b);
        wrong("page tables", 0);
    }
}
static char *range(unsigned long *len) { /* some pages, or some leaf tables */
    if (rnd(2)) {
        unsigned first = rnd(DENSE);
        *len = (1 + rnd(rnd(3) ? 20 : DENSE - first)) * 4096UL;
        if (*len > (DENSE - first) * 4096UL)
            *len = (DENSE - first) * 4096UL;
        return dense + first * 4096UL;
    }
    unsigned first = rnd(SPARSE_LEAVES);
    *len = (1 + rnd(rnd(3) ? 3 : SPARSE_LEAVES - first)) * LEAF;
    if (*len > (SPARSE_LEAVES - first) * LEAF)
        *len = (SPARSE_LEAVES - first) * LEAF;
    unsigned long skew = rnd(2) ? rnd(512) * 4096UL : 0;
    *len -= skew < *len ? skew : 0;
    return sparse + first * LEAF + skew;
}
static void work(int steps);
static void do_fork(int steps) {
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        depth++;
        state = state * 6364136223846793005UL + 77;
        memset(model + SPARSE + DENSE, 0, WIPED);
        work(steps / 2);
        _exit(0);
    }
    if (p < 0)
        return;
    int st;
    unsigned long program = state; /* what follows takes as long as the child does */
    /* Side by side: it stores and looks too, until the child's end. */
    for (unsigned n = rnd(6), at_end = 0; !at_end;) {
        for (unsigned k = 0; k < n; k++) {
            unsigned i = rnd(SLOTS);
            *slot(i) = model[i] = rnd(256);
        }
        usleep(2000);
        at_end = waitpid(p, &st, WNOHANG) == p;
        for (unsigned i = 0; i < SLOTS; i++)
            verify(i);
    }
    state = program;
    if (st)
        wrong(WIFSIGNALED(st) ? strsignal(WTERMSIG(st)) : "a child found something", 0);
}
static void step(int steps) {
    unsigned long len;
    char *at = range(&len);
    switch (rnd(10)) {
    case 0:
    case 1:
    case 2:
        for (int k = 0; k < 30; k++) {
            unsigned i = rnd(SLOTS);
            *slot(i) = model[i] = rnd(256);
        }
        break;
    case 3:
        for (int k = 0; k < 60; k++)
            verify(rnd(SLOTS));
        break;
    case 4:
    case 5:
        if (depth < MAX_DEPTH)
            do_fork(steps);
        break;
    case 6:
        munmap(at, len);
        if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) !=
            at)
            wrong("mmap", 0);
        if (seed_of_run % 2 && rnd(3)) /* else there are soon no superpages any more */
            madvise(at, len, MADV_HUGEPAGE);
        forget(at, at + len);
        break;
    case 7:
        if (madvise(at, len, MADV_DONTNEED))
            wrong("madvise", 0);
        forget(at, at + len);
        break;
    case 8:
        if (mprotect(at, len, PROT_READ))
            wrong("mprotect", 0);
        for (unsigned i = 0; i < SLOTS; i += 7)
            verify(i);
        if (syscall(SYS_clock_gettime, CLOCK_REALTIME, at) != -1 || errno != EFAULT)
            wrong("a store to memory that is read-only", 0);
        if (mprotect(at, len, PROT_READ | PROT_WRITE))
            wrong("mprotect", 0);
        break;
    default: {
        char *there = mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, common + LEAF);
        if (there == MAP_FAILED && errno == EFAULT)
            break; /* Linux may have it in several pieces, where tine joins them */
        if (there == MAP_FAILED)
            wrong("mremap", 0);
        for (unsigned i = 0; i < SLOTS; i++)
            if (slot(i) >= at && slot(i) < at + len && there[slot(i) - at] != (char)model[i])
                wrong("a byte that moved", i);
        if (mremap(there, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
            wrong("mremap back", 0);
    }
    }
    look();
}
static void work(int steps) {
    for (int i = 0; i < steps; i++)
        step(steps);
    for (unsigned i = 0; i < SLOTS; i++)
        verify(i);
}

static volatile int stop;
static int lost;
static void *storm(void *a) { /* pages of one's own; a fork must not lose a store */
    char *m = (char *)a;
    for (unsigned n = 1; !stop; n++)
        for (int i = 0; i < 50; i++) {
            unsigned *w = (unsigned *)(m + i * 4096L);
            if (*w != n - 1)
                lost = 1;
            *w = n;
        }
    return NULL;
}

static int truncation(void) {
    const long pages = 900; /* two leaf tables */
    char *name = "/tmp/tables", buf[4096];
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600), to[2], from[2], bad = 0, st;
    for (long i = 0; i < pages; i++) {
        memset(buf, i % 200 + 1, sizeof(buf));
        pwrite(fd, buf, sizeof(buf), i * 4096);
    }
    char *priv = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *shr = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (long i = 0; i < pages; i++) {
        bad |= shr[i * 4096] != (char)(i % 200 + 1);
        priv[i * 4096 + 1] = 3;
    }
    pipe(to), pipe(from);
    pid_t p[3];
    for (int k = 0; k < 3; k++)
        if (!(p[k] = fork())) {
            char c;
            read(to[0], &c, 1);
            if (shr[5 * 4096] != 6 || priv[100 * 4096 + 1] != 3)
                bad = 1;
            if (k == 1)
                shr[6 * 4096 + 2] = 99;
            if (k == 2)
                priv[7 * 4096 + 2] = 98;
            for (long i = 301; i < pages; i++) /* gone, and then zero */
                bad |= shr[i * 4096] != 0 || priv[i * 4096 + 1] != 0;
            _exit(bad);
        }
    ftruncate(fd, 300 * 4096);
    ftruncate(fd, pages * 4096);
    write(to[1], "xxx", 3);
    for (int k = 0; k < 3; k++)
        bad |= waitpid(p[k], &st, 0) != p[k] || st;
    bad |= shr[6 * 4096 + 2] != 99 || shr[400 * 4096] != 0 || priv[7 * 4096 + 2] == 98 ||
           priv[299 * 4096 + 1] != 3;
    munmap(priv, pages * 4096), munmap(shr, pages * 4096);
    close(fd), unlink(name);
    look();
    return !bad;
}

int main(int argc, char **argv) {
    seed_of_run = argc > 1 ? atoi(argv[1]) : 1;
    int steps = argc > 2 ? atoi(argv[2]) : 40;
    printf("KTAP version 1\n");
    fflush(stdout);
    check_fd = open("/proc/sys/debug/page_tables", O_RDONLY);
    char b[16] = {0};
    if (check_fd >= 0 && (pread(check_fd, b, 15, 0) < 2 || strncmp(b, "ok", 2)))
        check_fd = -1; /* this kernel does not look */
    state = seed_of_run * 2654435761UL + 12345;
    sparse = mmap((void *)0x1000000000, SPARSE_LEAVES * LEAF, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    dense = mmap((void *)0x1400000000 + LEAF / 2, DENSE * 4096, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    wiped = mmap((void *)0x1400000000 + 16 * LEAF, WIPED * 4096, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    common = (char *)0x1800000000;
    madvise(wiped, WIPED * 4096, 18 /* WIPEONFORK */);
    if (seed_of_run % 2) { /* superpages: some of the sparse memory, and the middle of the dense */
        madvise(sparse, 20 * LEAF, MADV_HUGEPAGE);
        madvise(dense, DENSE * 4096, MADV_HUGEPAGE);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        *slot(i) = model[i] = rnd(256);
    pthread_t t[2];
    for (int k = 0; k < 2; k++)
        pthread_create(&t[k], NULL, storm,
                       mmap(NULL, 50 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    int st;
    pid_t p = fork(); /* a failure ends the whole tree, and is told here */
    if (!p) {
        memset(model + SPARSE + DENSE, 0, WIPED);
        work(steps);
        _exit(0);
    }
    for (int i = 0; i < 30; i++) { /* forks beside the threads that store */
        pid_t q = fork();
        if (!q)
            _exit(0);
        waitpid(q, NULL, 0);
    }
    waitpid(p, &st, 0);
    stop = 1;
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    OK(st == 0, "every byte is what the model says, in all processes");
    OK(!lost, "threads lose no store while their process forks");
    work(3);
    OK(truncation(), "truncation of a file that four processes have mapped");
    return ktap_done();
}
