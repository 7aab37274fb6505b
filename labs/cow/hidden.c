/* Lab 4, the hidden checks. */
#include "lab.h"

enum { BEFORE, PARENT, CHILD, AFTER, THIRD };

/* The last one that has a page stores to it where it is. */
CHECK(last_owner) {
    char *p = lab_pages(8);
    lab_fill(p, 8 * PAGE, lab_seed);
    int page = lab_random(8);
    HOST_PTE(BEFORE, p + page * PAGE);
    pid_t pid = lab_fork();
    if (!pid) {
        bool ok = lab_holds(p, 8 * PAGE, lab_seed);
        HOST_PTE(CHILD, p + page * PAGE);
        HOST_SAME_FRAME(BEFORE, CHILD, "the page is shared");
        _exit(ok ? 0 : 1);
    }
    EXPECT_EQ(lab_status(pid), 0, "the child finds its memory");
    p[page * PAGE] = 1;
    HOST_PTE(AFTER, p + page * PAGE);
    HOST_SAME_FRAME(BEFORE, AFTER, "the last that has a page stores to it without a copy");
    HOST_BITS(AFTER, PTE_W, PTE_W, "and may write to it from then on");
}

CHECK(three) {
    enum { N = 3, P = 16 };
    char *p = lab_pages(P);
    int up[2], down[2];
    pipe(up), pipe(down);
    lab_fill(p, P * PAGE, lab_seed);
    HOST_PTE(BEFORE, p);
    pid_t first = lab_fork();
    if (!first) {
        pid_t second = lab_fork();
        if (!second) {
            pid_t third = lab_fork();
            if (!third) {
                EXPECT(lab_holds(p, P * PAGE, lab_seed), "the child of a child of a child finds the memory");
                HOST_PTE(THIRD, p);
                HOST_SAME_FRAME(BEFORE, THIRD, "four processes have one frame");
                lab_fill(p, P * PAGE / 2, 77);
                HOST_PTE(THIRD, p);
                HOST_OTHER_FRAME(BEFORE, THIRD, "one stores: it gets a frame of its own");
                EXPECT(lab_holds(p, P * PAGE / 2, 77), "and sees its stores");
                _exit(0);
            }
            EXPECT_EQ(lab_status(third), 0, "the third ends well");
            EXPECT(lab_holds(p, P * PAGE, lab_seed), "the second does not see the third's stores");
            HOST_PTE(CHILD, p);
            HOST_SAME_FRAME(BEFORE, CHILD, "the second still has the first frame");
            _exit(0);
        }
        lab_fill(p, PAGE, 5);
        EXPECT_EQ(lab_status(second), 0, "the second ends well");
        EXPECT(lab_holds(p, PAGE, 5), "the first sees its own stores");
        _exit(0);
    }
    EXPECT_EQ(lab_status(first), 0, "the first ends well");
    EXPECT(lab_holds(p, P * PAGE, lab_seed), "nobody's stores are in the parent's memory");
    HOST_PTE(PARENT, p);
    HOST_SAME_FRAME(BEFORE, PARENT, "which stays where it was");
}

/* Copy-on-write is for pages that may be written to: a read-only page stays one. */
CHECK(readonly) {
    char *p = lab_pages(2);
    lab_fill(p, 2 * PAGE, 9);
    syscall(SYS_mprotect, p, PAGE, PROT_READ);
    HOST_PTE(BEFORE, p);
    pid_t pid = lab_fork();
    if (!pid) {
        (void)*(volatile char *)p;
        HOST_PTE(CHILD, p);
        HOST_SAME_FRAME(BEFORE, CHILD, "a read-only page is shared by fork");
        *(volatile char *)p = 1;
        _exit(0);
    }
    int status = lab_status(pid);
    EXPECT_EQ(status & 0x7f, SIGSEGV, "a store to a page that is mapped read-only ends the child");
    EXPECT(lab_holds(p, 2 * PAGE, 9), "and changes nothing");
    p[PAGE] = 1;
    HOST_PTE(AFTER, p + PAGE);
    HOST_BITS(AFTER, PTE_W, PTE_W, "the page beside it can be written to");
}

/* MAP_SHARED is not copied: all see the stores of all. A private page beside it is shared until the first
 * store. */
CHECK(shared_mapping) {
    char *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *p = lab_pages(1);
    s[0] = 1, p[0] = 1;
    HOST_PTE(BEFORE, s);
    HOST_PTE(PARENT, p);
    pid_t pid = lab_fork();
    if (!pid) {
        (void)*(volatile char *)p;
        HOST_PTE(CHILD, p);
        HOST_SAME_FRAME(PARENT, CHILD, "the private page is shared before a store");
        s[1] = 2, p[1] = 2;
        HOST_PTE(CHILD, s);
        HOST_SAME_FRAME(BEFORE, CHILD, "a page of a shared mapping is never copied");
        _exit(0);
    }
    EXPECT_EQ(lab_status(pid), 0, "the child ends well");
    EXPECT_EQ(s[1], 2, "stores to a shared mapping are seen by the parent");
    EXPECT_EQ(p[1], 0, "stores to private memory are not");
}

/* Many forks and many copies: all is given back. */
static void round_of_stores(char *p, size_t pages) {
    pid_t pid = lab_fork();
    if (!pid) {
        for (size_t i = 0; i < pages; i += 1 + lab_random(3))
            p[i * PAGE] = 2;
        _exit(0);
    }
    for (size_t i = 0; i < pages; i += 1 + lab_random(5))
        p[i * PAGE] = 3;
    lab_status(pid);
}
CHECK(leak) {
    enum { PAGES = 64 };
    char *p = lab_pages(PAGES);
    lab_fill(p, PAGES * PAGE, 1);
    HOST_PTE(BEFORE, p);
    pid_t pid = lab_fork();
    if (!pid) {
        (void)*(volatile char *)p;
        HOST_PTE(CHILD, p);
        HOST_SAME_FRAME(BEFORE, CHILD, "pages are shared");
        _exit(0);
    }
    lab_status(pid);
    for (int i = 0; i < 8; i++)
        round_of_stores(p, PAGES);
    HOST_FREE(1);
    for (int i = 0; i < 40; i++)
        round_of_stores(p, PAGES);
    HOST_FREE(2);
    HOST_LOST(1, 2, 16, "after forty forks with stores on both sides as much memory is free as before");
}
