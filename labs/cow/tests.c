/* Lab 4, the public checks. */
#include "lab.h"

enum { BEFORE, PARENT, CHILD, AFTER, THIRD };

/* Both sides load from the page, so that both have an entry for it, and then it is one frame that nobody may
 * store to. */
CHECK(share) {
    char *p = lab_pages(1);
    lab_fill(p, PAGE, 1);
    HOST_PTE(BEFORE, p);
    pid_t pid = lab_fork();
    if (!pid) {
        EXPECT(lab_holds(p, PAGE, 1), "the child finds in memory what the parent had");
        HOST_PTE(CHILD, p);
        HOST_SAME_FRAME(BEFORE, CHILD, "fork copies no page: the child has the parent's frame");
        HOST_BITS(CHILD, PTE_V | PTE_R | PTE_W | PTE_U, PTE_V | PTE_R | PTE_U,
                  "a page that two have is read-only for the child");
        _exit(3);
    }
    EXPECT(lab_holds(p, PAGE, 1), "the parent's memory is as it was");
    HOST_PTE(PARENT, p);
    HOST_SAME_FRAME(BEFORE, PARENT, "fork leaves the parent's page where it is");
    EXPECT_EQ(lab_status(pid), 3 << 8, "the child's exit status arrives");
}

CHECK(split) {
    char *p = lab_pages(4);
    int ready[2], never[2];
    pipe(ready), pipe(never);
    lab_fill(p, 4 * PAGE, 1);
    uint64_t q = *(uint64_t *)(p + PAGE);
    HOST_PTE(BEFORE, p);
    pid_t pid = lab_fork();
    if (!pid) {
        lab_fill(p, PAGE, 2);
        HOST_PTE(CHILD, p);
        HOST_OTHER_FRAME(BEFORE, CHILD,
                         "the child's first store to a shared page gives it a frame of its own");
        HOST_BITS(CHILD, PTE_W, PTE_W, "after its first store the page is the child's, to write to");
        EXPECT(lab_holds(p, PAGE, 2), "the child sees what it stored");
        EXPECT_EQ(*(volatile uint64_t *)(p + PAGE), q, "the next page stays as it was");
        HOST_PTE(CHILD, p + PAGE);
        write(ready[1], "x", 1);
        read(never[0], p + 2 * PAGE, 1);
        _exit(1);
    }
    char c;
    read(ready[0], &c, 1);
    EXPECT(lab_holds(p, 4 * PAGE, 1), "the child's stores are not seen by the parent");
    HOST_PTE(PARENT, p);
    HOST_SAME_FRAME(BEFORE, PARENT, "the parent keeps its frame when the child stores");
    HOST_PTE(PARENT, p + PAGE);
    HOST_SAME_FRAME(PARENT, CHILD, "a page that nobody stored to is still one frame");
    lab_fill(p + PAGE, PAGE, 5);
    HOST_PTE(AFTER, p + PAGE);
    HOST_OTHER_FRAME(AFTER, CHILD, "the parent's store to a shared page leaves the child's frame alone");
    kill(pid, SIGKILL);
    EXPECT_EQ(lab_status(pid), SIGKILL, "the child was there until it was killed");
}

/* A parent with more than half of all memory. */
CHECK(big) {
    size_t pages = 24 << 8; /* 24 MB of about 40 */
    char *p = lab_pages(pages);
    for (size_t i = 0; i < pages; i++)
        *(uint64_t *)(p + i * PAGE) = i;
    for (int round = 0; round < 3; round++) {
        pid_t pid = lab_fork();
        if (!pid) {
            for (size_t i = 0; i < pages; i += 64)
                if (*(uint64_t *)(p + i * PAGE) != i)
                    _exit(1);
            p[round * PAGE] = 7;
            _exit(0);
        }
        EXPECT_EQ(lab_status(pid), 0, "the child of a large parent finds all of its memory");
    }
    EXPECT_EQ(*(uint64_t *)p, 0, "the parent's memory is as it was");
}

/* The kernel stores to user memory too: read() into a page that is shared. */
CHECK(kernel_store) {
    char *p = lab_pages(2);
    int fd[2];
    pipe(fd);
    memset(p, 'a', 2 * PAGE);
    HOST_PTE(BEFORE, p);
    pid_t pid = lab_fork();
    if (!pid) {
        HOST_PTE(CHILD, p + (*(volatile char *)p == 'a' ? 0 : PAGE));
        HOST_SAME_FRAME(BEFORE, CHILD, "before the read the page is shared");
        EXPECT_EQ(read(fd[0], p + 100, 8), 8, "read() stores to a page that is shared");
        EXPECT(!memcmp(p + 98, "aahellooooaa", 12),
               "the child has what it read, and around it what was there");
        _exit(0);
    }
    write(fd[1], "helloooo", 8);
    EXPECT_EQ(lab_status(pid), 0, "the child ends well");
    bool same = true;
    for (size_t i = 0; i < 2 * PAGE; i++)
        same &= p[i] == 'a';
    EXPECT(same, "what the kernel stored for the child is not in the parent's memory");
}
