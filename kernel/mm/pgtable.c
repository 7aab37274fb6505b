/* The user half of a process's page table: three levels of 512 entries. Every table page has a reference
 * count (1: nothing shares tables yet) and counts its entries that are not zero, so that a table is freed
 * with its last entry. Tables are unlinked only with mmap_lock held for writing or by the last user, so
 * holding mmap_lock for reading is enough to follow pointers; entries change under page_table_lock.
 *
 * A freed table is all zero: each hart keeps some, and roots apart (their kernel half stays valid). */
#include "../core/task.h"
#include "../debug/debug.h"
#include "mm.h"
#include <abi/errno.h>

#define QUICK 32
static struct quicklist {
    struct page *page[QUICK];
    u32 n;
} tables[MAX_HARTS], roots[MAX_HARTS];

static struct page *quick_get(struct quicklist *lists) {
    u64 irq = local_irq_save();
    struct quicklist *q = &lists[smp_processor_id()];
    struct page *p = q->n ? q->page[--q->n] : NULL;
    local_irq_restore(irq);
    return p;
}

static void quick_put(struct quicklist *lists, struct page *p) {
    u64 irq = local_irq_save();
    struct quicklist *q = &lists[smp_processor_id()];
    bool kept = q->n < QUICK;
    if (kept)
        q->page[q->n++] = p;
    local_irq_restore(irq);
    if (!kept)
        put_page(p);
}

u64 table_cached_pages(void) {
    u64 n = 0;
    for (unsigned int h = 0; h < nr_harts; h++)
        n += READ_ONCE(tables[h].n) + READ_ONCE(roots[h].n);
    return n;
}

static struct page *table_alloc(void) {
    if (should_fail_alloc())
        return NULL;
    struct page *p = quick_get(tables);
    if (!p && (p = alloc_page(GFP_KERNEL | GFP_ZERO)))
        p->flags |= PG_TABLE;
    return p;
}

pte_t *root_alloc(void) {
    if (should_fail_alloc())
        return NULL;
    struct page *p = quick_get(roots);
    if (!p && (p = alloc_page(GFP_KERNEL | GFP_ZERO))) {
        p->flags |= PG_TABLE;
        memcpy((pte_t *)page_address(p) + USER_ROOT_ENTRIES, swapper_pg_dir + USER_ROOT_ENTRIES,
               USER_ROOT_ENTRIES * sizeof(pte_t));
    }
    return p ? page_address(p) : NULL;
}
void root_free(pte_t *root) { quick_put(roots, virt_to_page(root)); }

static pte_t *next_table(pte_t e) { return __va(pte_pa(e)); }

pte_t *pte_lookup(struct mm_struct *mm, u64 va) {
    pte_t *t = mm->pgd;
    for (int level = 2; level > 0; level--) {
        pte_t e = READ_ONCE(t[va_index(va, level)]);
        if (!e)
            return NULL;
        t = next_table(e);
    }
    return &t[va_index(va, 0)];
}

/* The entry for va, tables made as needed: both or none, so that memory running out leaves no empty one. May
 * sleep; page_table_lock not held. */
static pte_t *pte_alloc(struct mm_struct *mm, u64 va) {
    pte_t *t = pte_lookup(mm, va);
    if (t)
        return t;
    bool both = !READ_ONCE(mm->pgd[va_index(va, 2)]); /* mmap_lock is held: what is there stays */
    struct page *spare[2] = {table_alloc()};
    if (spare[0] && both)
        spare[1] = table_alloc();
    if (spare[0] && (spare[1] || !both)) {
        spin_lock(&mm->page_table_lock);
        t = mm->pgd;
        for (int level = 2; level > 0; level--) {
            pte_t *slot = &t[va_index(va, level)];
            if (!*slot) {
                __atomic_store_n(slot, make_pte(page_to_pa(spare[level - 1]), PTE_V), __ATOMIC_RELEASE);
                virt_to_page(t)->inuse++;
                spare[level - 1] = NULL;
            }
            t = next_table(*slot);
        }
        spin_unlock(&mm->page_table_lock);
        t = &t[va_index(va, 0)];
    }
    for (int i = 0; i < 2; i++)
        if (spare[i])
            quick_put(tables, spare[i]);
    return t;
}

/* Store pte at va if the entry still is `expected`. 0, -ENOMEM, or -EAGAIN: it changed meanwhile. */
int set_user_pte(struct mm_struct *mm, u64 va, pte_t pte, pte_t expected) {
    pte_t *p = pte_alloc(mm, va);
    if (!p)
        return -ENOMEM;
    int r = 0;
    spin_lock(&mm->page_table_lock);
    if (((*p ^ expected) & ~(PTE_A | PTE_D)) != 0) {
        r = -EAGAIN;
    } else {
        if (!*p)
            virt_to_page(p)->inuse++;
        __atomic_store_n(p, pte, __ATOMIC_RELEASE);
    }
    spin_unlock(&mm->page_table_lock);
    return r;
}

pte_t vma_pte_flags(u32 f) {
    pte_t e = PTE_V | PTE_U | PTE_A;
    if (f & VM_READ)
        e |= PTE_R;
    if (f & VM_WRITE)
        e |= PTE_R | PTE_W | PTE_D;
    if (f & VM_EXEC)
        e |= PTE_X;
    return e;
}

void flush_tlb_range(struct mm_struct *mm, u64 start, u64 end) {
    smp_mb();
    flush_tlb_harts(READ_ONCE(mm->cpumask), start, end - start);
}

static u64 table_end(u64 va, u64 end) { /* end of the 2 MB that one last-level table maps */
    u64 next = ALIGN_DOWN(va, 2UL << 20) + (2UL << 20);
    return next < end ? next : end;
}

/* Fork: share v's private pages, read-only in both from now on. Caller holds src's mmap_lock for writing
 * and flushes src's translations afterwards; dst is not visible to anyone yet. */
int copy_page_range(struct mm_struct *dst, struct mm_struct *src, struct vm_area *v) {
    u64 next;
    s64 total = 0, files = 0;
    for (u64 va = v->start; va < v->end; va = next) {
        next = table_end(va, v->end);
        pte_t *s = pte_lookup(src, va);
        if (!s || !virt_to_page(s)->inuse)
            continue;
        pte_t *d = NULL;
        for (u64 at = va; at < next; at += PAGE_SIZE, s++, d += d != NULL) {
            if (!READ_ONCE(*s))
                continue;
            if (!d && !(d = pte_alloc(dst, at)))
                return -ENOMEM;
            spin_lock(&src->page_table_lock);
            pte_t e = *s;
            if (e && !(v->flags & VM_SHARED) && (e & PTE_W))
                *s = e &= ~(PTE_W | PTE_D);
            if (e)
                get_page(pa_to_page(pte_pa(e)));
            spin_unlock(&src->page_table_lock);
            if (!e)
                continue;
            *d = e;
            virt_to_page(d)->inuse++;
            total++;
            files += pa_to_page(pte_pa(e))->mapping != NULL;
        }
    }
    atomic_add(&dst->rss, total);
    atomic_add(&dst->rss_file, files);
    return 0;
}

/* Unlink the tables on the path to va that have become empty, from the leaf up. */
static void free_empty_tables(struct mm_struct *mm, u64 va, struct page **freed, int *nfreed) {
    pte_t *path[3] = {mm->pgd};
    int depth = 0;
    for (int level = 2; level > 0; level--) {
        pte_t e = path[depth][va_index(va, level)];
        if (!e)
            return;
        path[++depth] = next_table(e);
    }
    for (; depth > 0 && !virt_to_page(path[depth])->inuse; depth--) {
        path[depth - 1][va_index(va, 3 - depth)] = 0;
        virt_to_page(path[depth - 1])->inuse--;
        freed[(*nfreed)++] = virt_to_page(path[depth]);
    }
}

#define GATHER 128
/* Take all pages out of [start, end), flush, then drop them. free_tables: the caller holds mmap_lock for
 * writing, or is the last user. */
void zap_page_range(struct mm_struct *mm, u64 start, u64 end, bool free_tables) {
    struct page *batch[GATHER], *freed[GATHER + 4];
    u64 va = start;
    while (va < end) {
        int n = 0, nfreed = 0;
        s64 files = 0;
        u64 from = va;
        spin_lock(&mm->page_table_lock);
        while (va < end && n < GATHER && nfreed < GATHER) {
            pte_t *p = pte_lookup(mm, va);
            u64 stop = table_end(va, end);
            if (!p) {
                if (!mm->pgd[va_index(va, 2)])
                    stop = min(end, ALIGN_DOWN(va, 1UL << 30) + (1UL << 30));
                va = stop;
                continue;
            }
            struct page *table = virt_to_page(p);
            u64 here = va;
            for (; va < stop && n < GATHER && table->inuse; va += PAGE_SIZE, p++) {
                if (!*p)
                    continue;
                struct page *pg = pa_to_page(pte_pa(*p));
                files += pg->mapping != NULL;
                *p = 0;
                table->inuse--;
                batch[n++] = pg;
            }
            if (!table->inuse) {
                va = stop;
                if (free_tables)
                    free_empty_tables(mm, here, freed, &nfreed);
            }
        }
        spin_unlock(&mm->page_table_lock);
        if (n || nfreed)
            flush_tlb_range(mm, from, va);
        for (int i = 0; i < n; i++)
            put_page(batch[i]);
        for (int i = 0; i < nfreed; i++)
            quick_put(tables, freed[i]);
        atomic_add(&mm->rss, -n);
        atomic_add(&mm->rss_file, -files);
    }
}

/* After mprotect: entries get the VMA's permissions; write permission only where no copy or dirty
 * tracking is due, that is, never here: the next store faults and decides. */
void protect_page_range(struct vm_area *v, u64 start, u64 end) {
    pte_t flags = vma_pte_flags(v->flags) & ~(PTE_W | PTE_D);
    if (!(v->flags & (VM_READ | VM_WRITE | VM_EXEC)))
        flags = PTE_U | PTE_A; /* PROT_NONE: not valid, the page kept */
    u64 next;
    spin_lock(&v->mm->page_table_lock);
    for (u64 va = start; va < end; va = next) {
        next = table_end(va, end);
        pte_t *p = pte_lookup(v->mm, va);
        for (u64 at = va; p && at < next; at += PAGE_SIZE, p++)
            if (*p)
                *p = make_pte(pte_pa(*p), flags);
    }
    spin_unlock(&v->mm->page_table_lock);
    flush_tlb_range(v->mm, start, end);
}

/* mremap: move entries. Caller holds mmap_lock for writing and zaps `from` afterwards. */
int move_page_tables(struct mm_struct *mm, u64 from, u64 to, u64 len) {
    for (u64 off = 0; off < len; off += PAGE_SIZE) {
        pte_t *s = pte_lookup(mm, from + off);
        if (!s) {
            off = table_end(from + off, from + len) - from - PAGE_SIZE;
            continue;
        }
        if (!*s)
            continue;
        pte_t *d = pte_alloc(mm, to + off);
        if (!d)
            return -ENOMEM;
        spin_lock(&mm->page_table_lock);
        *d = *s;
        *s = 0;
        virt_to_page(d)->inuse++;
        virt_to_page(s)->inuse--;
        spin_unlock(&mm->page_table_lock);
    }
    flush_tlb_range(mm, from, from + len);
    return 0;
}
