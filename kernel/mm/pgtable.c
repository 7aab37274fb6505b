/* The user half of page tables: a persistent tree. A root of 256 entries belongs to one address space; below
 * it are middle tables (1 GB each) and leaf tables (2 MB each), and both may be shared: a table's reference
 * count says how many entries point to it. Fork shares (pgrange.c), the first touch resolves. RISC-V has no
 * write permission in entries that point to tables, so such an entry, marked PTE_SHARED, is one of
 *
 *   valid, not marked     the table is this one's alone
 *   marked, not valid     it may be shared: the next touch faults. The address is kept
 *   marked and valid      a leaf table that may be shared and is sealed: no entry in it permits stores
 *
 * A touch owns the middle table, by copying it if somebody else has it too. A load seals the leaf table and
 * makes the entry valid; a store owns the leaf table as well. Who finds itself the last sharer owns a table
 * without copying.
 *
 * What may be done to a shared table: take permissions away (seal a leaf, mark and invalidate the entries of
 * a middle table). That can be done by all sharers at once, for each does the same, and no hart has
 * translations through it but for loads of sealed leaves: fork flushed them. All else needs a table of one's
 * own. So nobody locks a shared table: the count is enough. mm->page_table_lock guards an mm's root and the
 * tables that are its own, and pointers to tables are followed only under it. A replaced table is put after
 * the lock is dropped and harts are flushed.
 *
 * Every table counts its entries that are not zero. A free table is all zero: each hart keeps some, and roots
 * apart (their kernel half stays valid). */
#include "../core/task.h"
#include "../debug/debug.h"
#include "pgtable.h"
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

struct page *table_alloc(void) {
    if (should_fail_alloc())
        return NULL;
    struct page *p = quick_get(tables);
    if (!p && (p = alloc_page(GFP_KERNEL | GFP_ZERO)))
        p->flags |= PG_TABLE;
    return p;
}
void table_free(struct page *t) {
    DEBUG_ON(t->inuse || atomic_read(&t->refcount) != 1);
    page_clear(t, PG_SEALED);
    quick_put(tables, t);
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

void put_table(struct page *t, int level) {
    if (level < 0) {
        huge_put(t);
        return;
    }
    if (!atomic_dec_and_test(&t->refcount))
        return;
    for (pte_t *e = page_address(t); t->inuse; e++)
        if (*e) {
            if (level)
                put_table(table_page(*e), is_huge(*e) ? -1 : level - 1);
            else
                put_page(pa_to_page(pte_pa(*e)));
            *e = 0;
            t->inuse--;
        }
    atomic_set(&t->refcount, 1);
    table_free(t);
}

void seal(struct page *leaf) {
    //@sol constant seal
    if (page_test(leaf, PG_SEALED))
        return;
    u32 left = leaf->inuse;
    for (pte_t *e = page_address(leaf); left; e++) {
        pte_t v = READ_ONCE(*e);
        left -= v != 0;
        if (v & PTE_W) /* atomically: the hardware may set A meanwhile */
            __atomic_fetch_and(e, ~(PTE_W | PTE_D), __ATOMIC_RELAXED);
    }
    page_set(leaf, PG_SEALED);
    //@end
}

//@sol constant copy-table
/* A leaf table's: what they point to gets a reference more, nothing can be stored through either. */
static __forceinline void copy_entries(pte_t *d, pte_t *s, struct page *frames, pte_t keep, bool sealed) {
    for (pte_t *end = s + PTRS_PER_TABLE; s < end; s += 8, d += 8) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            pte_t e = READ_ONCE(s[i]);
            if (!e)
                continue;
            if (!sealed && (e & PTE_W))
                __atomic_fetch_and(&s[i], ~(PTE_W | PTE_D), __ATOMIC_RELAXED);
            d[i] = e & keep;
            atomic_inc(&frames[e >> 10].refcount);
        }
    }
}
/* Fill the empty table n with what `old`, which is shared, has. What the entries point to gets a reference
 * more; a leaf table is sealed on the way. unused: no hart has translations by way of the old one. Unrolled,
 * for a first store to a large process's memory is two of these. */
static void copy_table(struct page *n, struct page *old, int level, bool unused) {
    pte_t *s = page_address(old), *d = page_address(n), *end = s + PTRS_PER_TABLE;
    struct page *frames = mem_map - min_pfn; /* looked up once */
    n->inuse = old->inuse;
    if (level) {
        for (; s < end; s += 8, d += 8) {
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++) {
                pte_t e = s[i];
                if (e)
                    d[i] = likely(!is_huge(e)) ? share_entry(&s[i], e, &frames[e >> 10]) : share_huge(&s[i]);
            }
        }
        return;
    }
    pte_t keep = ~(PTE_W | PTE_D | (unused ? pte_young : 0));
    if (page_test(old, PG_SEALED))
        copy_entries(d, s, frames, keep, true);
    else
        copy_entries(d, s, frames, keep, false);
    page_set(old, PG_SEALED);
}
//@end

pte_t *pte_lookup(struct mm_struct *mm, u64 va) {
    //@sol sv39 pte-lookup
    pte_t *e = user_root(mm, va);
    for (int level = 1; level >= 0; level--) {
        pte_t table = READ_ONCE(*e);
        if (!table || is_huge(table))
            return NULL;
        e = &next_table(table)[va_index(va, level)];
    }
    return e;
    //@end
}

/* The entry of va, that of a 2 MB page's part too, and *sharers as pte_peek says. Where a table on the way is
 * shared an entry in it may still have W, which then says nothing: it is left out. page_table_lock held. */
static pte_t look(struct mm_struct *mm, u64 va, u32 *sharers) {
    u32 most = 0;
    *sharers = 0;
    if (va >= TASK_SIZE)
        return 0;
    pte_t e = 0, says = ~0UL, *at = user_root(mm, va);
    for (int level = 2; level >= 0; level--) {
        e = READ_ONCE(*at);
        if (!level)
            *sharers = most;
        if (!e)
            break;
        if (level == 1 && is_huge(e)) {
            struct page *head = table_page(e);
            *sharers = max(most, head->inuse + atomic_read(&head[va_index(va, 0)].refcount) - 1);
            return (e & says) + (va_index(va, 0) << 10);
        }
        if (level && !(e & PTE_V))
            says = ~(PTE_W | PTE_D);
        most = max(most, (u32)atomic_read(&table_page(e)->refcount)); /* of the table, or at last the page */
        if (level)
            at = &next_table(e)[va_index(va, level - 1)];
        else
            *sharers = most;
    }
    return e & says;
}
pte_t pte_peek(struct mm_struct *mm, u64 va, u32 *sharers) {
    spin_lock(&mm->page_table_lock);
    pte_t e = look(mm, va, sharers);
    spin_unlock(&mm->page_table_lock);
    return e;
}
struct page *follow_page(struct mm_struct *mm, u64 va) {
    struct page *p = NULL;
    u32 sharers;
    spin_lock(&mm->page_table_lock);
    pte_t e = look(mm, va, &sharers);
    if (e & PTE_U)
        get_page(p = pa_to_page(pte_pa(e)));
    spin_unlock(&mm->page_table_lock);
    return p;
}

/* How many tables are needed to reach va. */
static unsigned int needed(struct mm_struct *mm, u64 va, enum reach want) {
    pte_t mid = *user_root(mm, va);
    if (!mid)
        return want == REACH_MAKE ? 2 : want == REACH_HUGE;
    pte_t leaf = next_table(mid)[va_index(va, 1)];
    bool copies = is_shared(mid);
    if (want == REACH_LINK || want == REACH_MID || want == REACH_HUGE)
        return copies;
    if (!leaf)
        return copies + (want == REACH_MAKE);
    if (is_huge(leaf)) /* to be split, or perhaps not */
        return copies ? 2 : 1;
    return copies ? 2 : is_shared(leaf); /* what a shared table points to is shared once that is copied */
}

/* The table that *slot points to becomes the caller's own; NULL where none is and none is to be made. */
static pte_t *own_entry(pte_t *slot, int level, bool make, struct table_path *p) {
    pte_t e = *slot;
    if (likely(e && !(e & (PTE_SHARED | PTE_U))))
        return next_table(e);
    if (!e && !make)
        return NULL;
    struct page *t;
    p->changed = true;
    if (!e || is_huge(e) || is_shared(e)) {
        int k = !p->spare[1] ? 0 : 1;
        t = p->spare[k];
        p->spare[k] = NULL;
        DEBUG_ON(!t);
        if (is_huge(e)) {
            huge_split(e, t);
            p->flush = true;
        } else if (e) {
            copy_table(t, table_page(e), level - 1, !(e & PTE_V));
            p->old[level - 1] = table_page(e);
            p->flush |= (e & PTE_V) != 0;
        } else {
            virt_to_page(slot)->inuse++;
        }
    } else { /* the last sharer */
        t = table_page(e);
        page_clear(t, PG_SEALED);
    }
    __atomic_store_n(slot, make_pte(page_to_pa(t), PTE_V), __ATOMIC_RELEASE);
    return page_address(t);
}

bool take_spares(struct table_path *p, unsigned int n) {
    for (unsigned int i = 0; i < n; i++)
        while (!p->spare[i] && !(p->spare[i] = table_alloc())) {
            if (!p->nofail)
                return false;
            set_current_state(TASK_UNINTERRUPTIBLE); /* the OOM killer is at work: soon there will be some */
            schedule_until(ktime_get() + 1000000);
        }
    return true;
}
void drop_spares(struct table_path *p) {
    for (int i = 0; i < 2; i++)
        if (p->spare[i])
            table_free(p->spare[i]);
}

bool path_reach(struct mm_struct *mm, u64 va, enum reach want, struct table_path *p, pte_t **leaf) {
    for (;;) {
        spin_lock(&mm->page_table_lock);
        unsigned int n = needed(mm, va, want), have = (p->spare[0] != NULL) + (p->spare[1] != NULL);
        if (likely(n <= have))
            break;
        spin_unlock(&mm->page_table_lock);
        if (!take_spares(p, n)) {
            drop_spares(p);
            return false;
        }
    }
    bool make = want == REACH_MAKE || want == REACH_HUGE;
    pte_t *slot, *mid = own_entry(user_root(mm, va), 2, make, p);
    *leaf = NULL;
    if (!mid || want == REACH_MID)
        return true;
    slot = &mid[va_index(va, 1)];
    if (want == REACH_HUGE) {
        *leaf = slot;
        return true;
    }
    if (is_huge(*slot) &&
        (want == REACH_LINK || (want == REACH_STORE && ((*slot & PTE_W) || huge_sole(*slot))))) {
        if (want == REACH_STORE)
            p->changed |= !(__atomic_fetch_or(slot, PTE_W | PTE_D, __ATOMIC_RELAXED) & PTE_W);
        *leaf = slot;
        p->huge = true;
        return true;
    }
    if (want != REACH_LINK) {
        *leaf = own_entry(slot, 1, make, p);
    } else if (*slot) {
        //@sol constant reach-link
        if (is_shared(*slot)) {
            seal(table_page(*slot));
            if (!(*slot & PTE_V)) {
                __atomic_store_n(slot, *slot | PTE_V, __ATOMIC_RELEASE);
                p->changed = true;
            }
            *leaf = next_table(*slot);
        } else {
            *leaf = own_entry(slot, 1, false, p);
        }
        //@end
    }
    if (*leaf)
        *leaf += va_index(va, 0);
    return true;
}

void path_done(struct mm_struct *mm, struct table_path *p) {
    spin_unlock(&mm->page_table_lock);
    if (p->flush)
        flush_tlb_range(mm, 0, TASK_SIZE);
    for (int i = 0; i < 2; i++)
        if (p->old[i])
            put_table(p->old[i], i);
    drop_spares(p);
}

static void take_entry(pte_t *leaf, pte_t *pte, struct page **held) {
    *pte = READ_ONCE(*leaf);
    if (held && *pte)
        get_page(*held = pa_to_page(pte_pa(*pte)));
}
int resolve_fault(struct vm_area *v, u64 va, struct page **held, pte_t *pte) {
    struct mm_struct *mm = v->mm;
    spin_lock(&mm->page_table_lock);
    pte_t *leaf = own_leaf(mm, va);
    if (likely(leaf))
        take_entry(leaf, pte, held);
    spin_unlock(&mm->page_table_lock);
    if (likely(leaf))
        return 0;
    struct table_path p = {0};
    enum reach want = !held ? REACH_LINK : v->flags & VM_WRITE ? REACH_STORE : REACH_OWN;
    if (!path_reach(mm, va, want, &p, &leaf))
        return -ENOMEM;
    *pte = 0;
    if (leaf)
        take_entry(leaf, pte, p.huge ? NULL : held); /* a 2 MB page is either served now, or was split */
    path_done(mm, &p);
    return p.changed;
}

static __forceinline int store_pte(pte_t *e, pte_t pte, pte_t *old) {
    if (((*e ^ *old) & ~(PTE_A | PTE_D)) != 0)
        return -EAGAIN;
    if (!*e)
        virt_to_page(e)->inuse++;
    *old = __atomic_exchange_n(e, pte, __ATOMIC_RELEASE); /* the hardware may have set A meanwhile */
    return 0;
}
int replace_user_pte(struct mm_struct *mm, u64 va, pte_t pte, pte_t *old) {
    spin_lock(&mm->page_table_lock);
    pte_t *e = own_leaf(mm, va);
    int r = e ? store_pte(e, pte, old) : 0;
    spin_unlock(&mm->page_table_lock);
    if (likely(e))
        return r;
    struct table_path p = {0};
    if (!path_reach(mm, va, REACH_MAKE, &p, &e))
        return -ENOMEM;
    r = store_pte(e, pte, old);
    path_done(mm, &p);
    return r;
}

int set_huge_pte(struct mm_struct *mm, u64 va, pte_t pte) {
    struct table_path p = {0};
    pte_t *slot;
    if (!path_reach(mm, va, REACH_HUGE, &p, &slot))
        return -ENOMEM;
    pte_t old = 0;
    int r = store_pte(slot, pte, &old);
    path_done(mm, &p);
    return r;
}

pte_t vma_pte_flags(u32 f) {
    //@sol sv39 vma-pte-flags
    pte_t e = PTE_U | PTE_A;
    if (f & (VM_READ | VM_WRITE | VM_EXEC)) /* a valid entry without any would point to a table */
        e |= PTE_V;
    if (f & VM_READ)
        e |= PTE_R;
    if (f & VM_WRITE)
        e |= PTE_R | PTE_W | PTE_D;
    if (f & VM_EXEC)
        e |= PTE_X;
    return e;
    //@end
}

void flush_tlb_range(struct mm_struct *mm, u64 start, u64 end) {
    smp_mb();
    flush_tlb_harts(READ_ONCE(mm->cpumask), start, end - start);
}
