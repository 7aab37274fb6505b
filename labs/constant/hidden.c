/* Lab 10, the hidden checks. */
#include "lab.h"

#define MB (256 * PAGE)

/* The first store after a fork: one table is copied, and one page. */
CHECK(store_cost) {
    char *p = mmap((char *)0x1000000000, 32 * MB, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    int fd[2];
    char c;
    for (size_t i = 0; i < 32 * MB; i += PAGE)
        p[i] = 1;
    pipe(fd);
    HOST_TABLE(3, p + 5 * MB);
    pid_t pid = lab_fork();
    if (!pid) {
        (void)*(volatile char *)(p + 5 * MB);
        HOST_TABLE(4, p + 5 * MB);
        HOST_SAME_FRAME(3, 4, "tables are shared");
        close(fd[1]);
        read(fd[0], &c, 1);
        _exit(p[5 * MB] == 1 ? 0 : 1);
    }
    p[31 * MB + 5] = 2; /* the tables above are resolved by it */
    HOST_COUNT(1);
    for (int i = 0; i < 10; i++)
        p[3 * MB + i * 2 * MB] = 2;
    HOST_COUNT(2);
    HOST_COST(1, 2, 10, "instructions for the first store to two megabytes after a fork");
    close(fd[1]);
    EXPECT_EQ(lab_status(pid), 0, "the child has its own memory");
}

/* A random program of stores, forks, unmapping, protecting and ends, over several tables; each byte has a
 * model. */
enum { N = 96, STEP = 37 }; /* pages at i * STEP: some in one table, some not */
static unsigned char model[N];
static char *base;
#define AT(i) (base + (size_t)(i)*STEP * PAGE)
static int steps(int n, int depth) {
    int bad = 0;
    for (int k = 0; k < n; k++) {
        int i = lab_random(N), op = lab_random(16);
        if (op == 0 && depth < 3) {
            pid_t pid = lab_fork();
            if (!pid)
                _exit(steps(n / 4, depth + 1) != 0);
            if (lab_random(2)) {
                *AT(i) = ++model[i]; /* beside the child */
                bad += steps(n / 8, depth + 1);
            }
            bad += lab_status(pid) != 0;
        } else if (op == 1) {
            munmap(AT(i), PAGE);
            mmap(AT(i), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            model[i] = 0;
        } else if (op == 2) {
            syscall(SYS_mprotect, AT(i), PAGE, PROT_READ);
            bad += (unsigned char)*AT(i) != model[i];
            syscall(SYS_mprotect, AT(i), PAGE, PROT_READ | PROT_WRITE);
        } else if (op < 10) {
            *AT(i) = ++model[i];
        }
        bad += (unsigned char)*AT(i) != model[i];
    }
    for (int i = 0; i < N; i++)
        bad += (unsigned char)*AT(i) != model[i];
    return bad;
}
CHECK(mixed) {
    base = mmap((char *)0x1000000000, (size_t)N * STEP * PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    HOST_TABLE(0, AT(lab_random(N)));
    memset(model, 0, sizeof(model));
    for (int i = 0; i < N; i++)
        *AT(i) = model[i] = i;
    for (int i = 0; i < 512; i++)
        base[i * PAGE + 8] = 1;
    HOST_TABLE(1, base);
    pid_t pid = lab_fork();
    if (!pid) {
        bool ok = *(volatile char *)base == 0;
        HOST_TABLE(2, base);
        HOST_SAME_FRAME(1, 2, "tables are shared");
        _exit(!ok);
    }
    EXPECT_EQ(lab_status(pid), 0, "the child finds its memory");
    steps(200, 0);
    HOST_FREE(1);
    EXPECT_EQ(steps(500, 0), 0,
              "a random program over shared tables, in four generations: each byte is what it should be");
    HOST_FREE(2);
    HOST_LOST(1, 2, 60, "and no page or table is lost");
}

CHECK(no_memory) {
    char *p = mmap((char *)0x1000000000, 24 * MB, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    for (size_t i = 0; i < 24 * MB; i += PAGE)
        *(uint64_t *)(p + i) = i;
    HOST_TABLE(1, p + 2 * MB);
    pid_t pid = lab_fork();
    if (!pid) {
        (void)*(volatile char *)(p + 2 * MB);
        HOST_TABLE(2, p + 2 * MB);
        HOST_SAME_FRAME(1, 2, "tables are shared");
        _exit(0);
    }
    lab_status(pid);
    lab_status(lab_fork() ?: (_exit(0), 0));
    HOST_FREE(1);
    int n, wrong = 0;
    for (n = 1; n < 200; n++) {
        lab_fail_nth(n);
        pid = fork();
        int e = errno;
        lab_fail_nth(0);
        if (!pid)
            _exit(0);
        if (pid > 0)
            break;
        wrong += e != ENOMEM;
        p[n * 8 * PAGE + 9] = 1;
    }
    EXPECT(n > 4 && n < 200 && !wrong, "a fork that runs out of memory anywhere says ENOMEM");
    EXPECT_EQ(lab_status(pid), 0, "the last one succeeds");
    bool same = true;
    for (size_t i = 0; i < 24 * MB; i += PAGE)
        same &= *(uint64_t *)(p + i) == i;
    EXPECT(same, "the parent has all of its memory");
    HOST_FREE(2);
    HOST_LOST(1, 2, 8, "and nothing is lost");
}
