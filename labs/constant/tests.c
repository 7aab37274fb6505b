/* Lab 10, the public checks. */
#include "lab.h"

enum { BEFORE, CHILD, AFTER, T0, T1 };
#define MB (256 * PAGE)

/* The same tables in both, until somebody stores; then one of them gets another, and only there. */
CHECK(tables) {
    char *p = mmap((char *)0x1000000000, 64 * MB, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    for (size_t i = 0; i < 64 * MB; i += PAGE)
        *(uint64_t *)(p + i) = i;
    HOST_TABLE(BEFORE, p + 10 * MB);
    HOST_TABLE(T0, p + 40 * MB);
    pid_t pid = lab_fork();
    if (!pid) {
        uint64_t a = *(volatile uint64_t *)(p + 10 * MB), b = *(volatile uint64_t *)(p + 40 * MB);
        EXPECT(a == 10 * MB && b == 40 * MB, "the child finds what the parent had");
        HOST_TABLE(CHILD, p + 10 * MB);
        HOST_SAME_FRAME(BEFORE, CHILD, "after a load the child uses the parent's page table itself");
        p[10 * MB] = 1;
        HOST_TABLE(AFTER, p + 10 * MB);
        HOST_OTHER_FRAME(BEFORE, AFTER, "after a store it has one of its own for those two megabytes");
        HOST_TABLE(T1, p + 40 * MB);
        HOST_SAME_FRAME(T0, T1, "and for others still the parent's");
        _exit(0);
    }
    EXPECT_EQ(lab_status(pid), 0, "the child ends well");
    EXPECT_EQ(*(uint64_t *)(p + 10 * MB), 10 * MB, "the child's store is not in the parent's memory");
    p[10 * MB] = 2;
    HOST_TABLE(AFTER, p + 10 * MB);
    HOST_SAME_FRAME(BEFORE, AFTER, "the last that has a table uses it again without a copy");
}

/* What a fork of 32 MB costs: instructions of fork, the child's exit, and wait. */
CHECK(fork_cost) {
    char *p = mmap((char *)0x1000000000, 32 * MB, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    for (size_t i = 0; i < 32 * MB; i += PAGE)
        p[i] = 1;
    for (int i = 0; i < 5; i++)
        lab_status(lab_fork() ?: (_exit(0), 0));
    HOST_COUNT(1);
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (!pid)
            _exit(0);
        waitpid(pid, NULL, 0);
    }
    HOST_COUNT(2);
    HOST_COST(1, 2, 20, "instructions for a fork of 32 MB, exit and wait");
    EXPECT_EQ(lab_status(lab_fork() ?: (_exit(p[31 * MB]), 0)), 1 << 8, "and the child has the memory");
}
