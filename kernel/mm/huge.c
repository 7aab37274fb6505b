/* Superpages: 2 MB of anonymous memory, mapped by one entry of a middle table. One fault instead of 512, and
 * one translation. It is 512 pages in a row, each counted once for the whole; and the first page's `inuse`
 * says how many entries map the whole. An entry is made and goes as a whole, at a fault and at exit or
 * munmap; fork shares it, and takes write permission away. What touches a part of it (a store while others
 * have a part of it too, munmap or mprotect of some pages) makes a leaf table of it first: each entry of that
 * counts its page, as anywhere. So the last entry that maps the whole may not be the last that maps its
 * frames: who may store is asked of all 512 (pgtable.h). With it goes the whole's count of each page: those
 * that nothing else holds are free then, and the others are pages like all. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "pgtable.h"
#include <abi/errno.h>

#define HUGE_ORDER 9
#define HUGE_SIZE (PAGE_SIZE << HUGE_ORDER)

enum thp_mode thp_mode = THP_MADVISE;
static atomic64_t nr_huge;
u64 nr_huge_pages(void) { return nr_huge.v; }

static struct page *huge_alloc(void) {
    struct page *p = memory_plenty(PTRS_PER_TABLE) ? alloc_pages(HUGE_ORDER, GFP_ATOMIC | GFP_USER) : NULL;
    if (!p)
        return NULL;
    for (int i = 0; i < PTRS_PER_TABLE; i++) {
        atomic_set(&p[i].refcount, 1);
        p[i].flags = p[i].order = p[i].inuse = 0;
        p[i].mapping = NULL;
        p[i].private = 0;
        clear_page(page_address(p + i));
    }
    p->inuse = 1;
    atomic_inc(&nr_huge);
    return p;
}

void huge_put(struct page *head) {
    if (__atomic_sub_fetch(&head->inuse, 1, __ATOMIC_ACQ_REL))
        return;
    for (int i = 0; i < PTRS_PER_TABLE; i++)
        put_page(head + i);
    atomic_dec(&nr_huge);
}

/* No other entry maps the whole; but its frames may be elsewhere. Stable if the caller's own table has one.
 */
static bool huge_last(struct page *head) { return __atomic_load_n(&head->inuse, __ATOMIC_ACQUIRE) == 1; }

bool huge_sole(pte_t e) {
    struct page *head = table_page(e);
    s32 counts = huge_last(head); /* none of those to come is 0, for the whole counts each */
    for (int i = 0; counts == 1 && i < PTRS_PER_TABLE; i += 16) {
#pragma GCC unroll 16
        for (int k = 0; k < 16; k++)
            counts |= atomic_read(&head[i + k].refcount);
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE); /* what others did there is done */
    return counts == 1;
}

void huge_split(pte_t e, struct page *leaf) {
    struct page *head = table_page(e);
    pte_t *d = page_address(leaf);
    bool last = huge_last(head); /* then each entry takes the whole's count over */
    for (int i = 0; i < PTRS_PER_TABLE; i++) {
        d[i] = e + ((u64)i << 10);
        if (!last)
            get_page(head + i);
    }
    leaf->inuse = PTRS_PER_TABLE;
    if (!last) {
        huge_put(head);
        return;
    }
    head->inuse = 0;
    atomic_dec(&nr_huge);
}

bool huge_wanted(struct vm_area *v, u64 va) {
    u64 start = ALIGN_DOWN(va, HUGE_SIZE);
    if (likely(thp_mode < THP_ALWAYS && !(v->flags & VM_HUGEPAGE)))
        return false;
    if (thp_mode == THP_NEVER || (v->flags & (VM_SHARED | VM_GROWSDOWN | VM_NOHUGEPAGE)) ||
        !(v->flags & (VM_READ | VM_WRITE)) || start < v->start || v->end < start + HUGE_SIZE)
        return false;
    u32 there;
    pte_peek(v->mm, va, &there);
    return !there; /* not where some pages are already */
}

int huge_fault(struct vm_area *v, u64 va) {
    struct mm_struct *mm = v->mm;
    struct page *p = huge_alloc();
    if (!p)
        return -ENOMEM;
    int r = set_huge_pte(mm, ALIGN_DOWN(va, HUGE_SIZE), make_pte(page_to_pa(p), vma_pte_flags(v->flags)));
    if (r) {
        huge_put(p);
        return r;
    }
    s64 rss = __atomic_add_fetch(&mm->rss.v, PTRS_PER_TABLE, __ATOMIC_RELAXED);
    if ((u64)rss > mm->hiwater_rss)
        mm->hiwater_rss = rss;
    return 0;
}
