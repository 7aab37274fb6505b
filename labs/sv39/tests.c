/* Lab 2, the public checks. */
#include "lab.h"

enum { A, B, C };
#define ALL (PTE_V | PTE_R | PTE_W | PTE_X | PTE_U)

static int store_ends(char *p) { /* how a child ends that stores there */
    pid_t pid = lab_fork();
    if (!pid) {
        *(volatile char *)p = 1;
        _exit(0);
    }
    return lab_status(pid) & 0x7f;
}
static int load_ends(char *p) {
    pid_t pid = lab_fork();
    if (!pid) {
        (void)*(volatile char *)p;
        _exit(0);
    }
    return lab_status(pid) & 0x7f;
}

CHECK(bits) {
    char *rw = lab_pages(1), *r = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
         *rx = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *rw = 1;
    (void)*(volatile char *)r, (void)*(volatile char *)rx;
    HOST_PTE(A, rw), HOST_PTE(B, r), HOST_PTE(C, rx);
    HOST_BITS(A, ALL, PTE_V | PTE_R | PTE_W | PTE_U,
              "memory to read and write is mapped for that, and not to be executed");
    HOST_BITS(B, ALL, PTE_V | PTE_R | PTE_U, "memory to read is mapped for that");
    HOST_BITS(C, ALL, PTE_V | PTE_R | PTE_X | PTE_U, "memory to execute too");
    EXPECT_EQ(store_ends(r), SIGSEGV, "a store to memory that is to be read ends the program");
}

CHECK(unmap) {
    char *p = lab_pages(8);
    for (int i = 0; i < 8; i++)
        p[i * PAGE] = i + 1;
    munmap(p + 2 * PAGE, 3 * PAGE);
    EXPECT(p[PAGE] == 2 && p[5 * PAGE] == 6, "what lies beside unmapped memory is as it was");
    EXPECT_EQ(load_ends(p + 2 * PAGE), SIGSEGV, "unmapped memory is gone");
    EXPECT_EQ(load_ends(p + 4 * PAGE + 4095), SIGSEGV, "to the last byte");
    HOST_PTE(A, p + 3 * PAGE);
    HOST_BITS(A, PTE_V, 0, "its entry is not valid");
    pid_t pid = lab_fork();
    if (!pid) {
        p[7 * PAGE] = 1; /* the TLB has it now */
        munmap(p + 7 * PAGE, PAGE);
        p[7 * PAGE] = 2;
        _exit(0);
    }
    EXPECT_EQ(lab_status(pid) & 0x7f, SIGSEGV, "and the TLB does not have it either");
    char *again =
        mmap(p + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    EXPECT_EQ(*again, 0, "memory that is mapped there anew is zero");
    for (int k = 0; k < 30; k++) {
        if (k == 3)
            HOST_FREE(1);
        char *q = lab_pages(50);
        for (int i = 0; i < 50; i++)
            q[i * PAGE] = 1;
        munmap(q, 50 * PAGE);
    }
    HOST_FREE(2);
    HOST_LOST(1, 2, 4, "pages that were unmapped are free again");
}

CHECK(protect) {
    char *p = lab_pages(4);
    lab_fill(p, 4 * PAGE, 3);
    HOST_PTE(A, p + PAGE);
    syscall(SYS_mprotect, p + PAGE, 2 * PAGE, PROT_READ);
    HOST_PTE(B, p + PAGE);
    HOST_SAME_FRAME(A, B, "mprotect leaves the page where it is");
    HOST_BITS(B, PTE_V | PTE_R | PTE_W, PTE_V | PTE_R, "and takes the permission from its entry");
    EXPECT_EQ(store_ends(p + PAGE), SIGSEGV, "stores end the program then");
    pid_t pid = lab_fork();
    if (!pid) {
        p[3 * PAGE] = 1; /* from now on the TLB knows that this is allowed */
        syscall(SYS_mprotect, p + 3 * PAGE, PAGE, PROT_READ);
        p[3 * PAGE] = 2;
        _exit(0);
    }
    EXPECT_EQ(lab_status(pid) & 0x7f, SIGSEGV, "also right after a store that was allowed");
    EXPECT_EQ(store_ends(p + 3 * PAGE), 0, "beside it they do not");
    EXPECT(lab_holds(p, 4 * PAGE, 3), "the contents are as they were");
    syscall(SYS_mprotect, p + PAGE, PAGE, PROT_NONE);
    EXPECT_EQ(load_ends(p + PAGE), SIGSEGV, "PROT_NONE: not even loads");
    syscall(SYS_mprotect, p + PAGE, PAGE, PROT_READ | PROT_WRITE);
    EXPECT(lab_holds(p, 4 * PAGE, 3), "what was there is there when it may be read again");
    p[PAGE] = 9;
    HOST_PTE(C, p + PAGE);
    HOST_BITS(C, PTE_W, PTE_W, "and written to");
    HOST_SAME_FRAME(A, C, "in the same frame");
}
