/* Lab 2, the hidden checks. */
#include "lab.h"

enum { A, B, C, D };

/* At the edges of tables: 2 MB, 1 GB, and the end. */
CHECK(edges) {
    static const uint64_t at[] = {0x200000UL * 37, 0x40000000UL * 3, 0x40000000UL * 100,
                                  (1UL << 38) - 0x4000000UL};
    int bad = 0;
    for (int i = 0; i < 4; i++) {
        char *p = mmap((char *)at[i] - 2 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (p == MAP_FAILED) {
            bad += 100;
            continue;
        }
        lab_fill(p, 4 * PAGE, i);
        HOST_PTE(A, p + PAGE), HOST_PTE(B, p + 2 * PAGE);
        HOST_OTHER_FRAME(A, B, "two pages on the two sides of a boundary are two frames");
        bad += syscall(SYS_mprotect, p + PAGE, 2 * PAGE, PROT_READ) != 0 || !lab_holds(p, 4 * PAGE, i);
        HOST_PTE(C, p + PAGE), HOST_PTE(D, p + 2 * PAGE);
        HOST_BITS(C, PTE_R | PTE_W, PTE_R, "mprotect over a boundary: the page before it");
        HOST_BITS(D, PTE_R | PTE_W, PTE_R, "and the page behind it");
        bad += munmap(p + PAGE, 2 * PAGE) != 0 || !lab_holds(p, PAGE, i);
        HOST_PTE(C, p + PAGE), HOST_PTE(D, p + 2 * PAGE);
        HOST_BITS(C, PTE_V, 0, "munmap over a boundary: the page before it");
        HOST_BITS(D, PTE_V, 0, "and the page behind it");
    }
    EXPECT_EQ(bad, 0, "memory can be mapped, protected and unmapped across the edges of tables");
    EXPECT(mmap((char *)(1UL << 38), PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
               MAP_FAILED,
           "not beyond the end of user memory");
    EXPECT(syscall(SYS_mprotect, (char *)-PAGE, PAGE * 2, PROT_READ) == -1,
           "and not round the address space");
}

CHECK(move) {
    char *p = lab_pages(6);
    lab_fill(p, 6 * PAGE, lab_seed);
    HOST_PTE(A, p + 3 * PAGE);
    char *q =
        (char *)syscall(SYS_mremap, p, 6 * PAGE, 6 * PAGE, 3 /* MAYMOVE | FIXED */, (char *)0x3456000000);
    EXPECT_EQ(q, 0x3456000000, "mremap moves memory to where it is told");
    EXPECT(lab_holds(q, 6 * PAGE, lab_seed), "with what is in it");
    HOST_PTE(B, q + 3 * PAGE), HOST_PTE(C, p + 3 * PAGE);
    HOST_SAME_FRAME(A, B, "without copying a page");
    HOST_BITS(C, PTE_V, 0, "the old place is not mapped any more");
    char *others = lab_pages(200);
    for (int i = 0; i < 200; i++)
        others[i * PAGE] = 1;
    EXPECT(lab_holds(q, 6 * PAGE, lab_seed), "nobody else is given the pages");
    q[3 * PAGE] = 1;
    EXPECT_EQ(munmap(q, 6 * PAGE), 0, "and it can be unmapped there");
}

CHECK(random) {
    enum { N = 64 };
    static unsigned char model[N], prot[N];
    char *base = mmap((char *)0x2000000000 - N / 2 * PAGE, N * PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    int bad = 0;
    memset(prot, 3, N);
    for (int k = 0; k < 3000; k++) {
        if (k == 500)
            HOST_FREE(1);
        int i = lab_random(N), n = 1 + lab_random(8), op = lab_random(8);
        if (i + n > N)
            n = N - i;
        if (op == 0) {
            munmap(base + i * PAGE, n * PAGE);
            mmap(base + i * PAGE, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                 -1, 0);
            memset(model + i, 0, n), memset(prot + i, 3, n);
        } else if (op == 1) {
            int p = lab_random(2) ? PROT_READ : PROT_READ | PROT_WRITE;
            syscall(SYS_mprotect, base + i * PAGE, n * PAGE, p);
            memset(prot + i, p, n);
        } else if (prot[i] & PROT_WRITE) {
            base[i * PAGE] = model[i] = k;
        }
        bad += (unsigned char)base[i * PAGE] != model[i];
    }
    EXPECT_EQ(bad, 0,
              "three thousand steps of mapping, protecting and storing, and each byte is what it should be");
    HOST_FREE(2);
    HOST_LOST(1, 2, 70, "and no page is lost");
}
