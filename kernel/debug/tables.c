/* The checked build's look at all page tables (mm/pgtable.c has the rules): counts, marks, seals, that every
 * page in them lies in a VMA that permits what its entry does, and that what an entry of a private mapping,
 * of either size, permits to store to is in no file's cache and in no other entry of either size. That is
 * found by going through all entries, not by asking the functions that decide who may store. Read
 * /proc/sys/debug/page_tables: "ok", or what is wrong. An address space that is being made or taken down has
 * tables that nobody can find; so what is wrong must stay wrong for a while to be believed. Not so for who
 * may store: that is decided with mmap_lock held, which the check has of all, and what it does not find could
 * only make it worse. */
#include "../core/task.h"
#include "../mm/pgtable.h"
#include "debug.h"

#define MAX_MMS 4096
static struct mutex busy = MUTEX_INIT(busy);
static char text[128];
static bool certain; /* what is wrong was never right */

/* How many references to it the walk has found; and, of a 2 MB page's first, how often the whole. struct page
 * has room for that. */
static u64 *found(struct page *p) { return &p->found; }
#define WHOLE BIT(32)
/* An entry of v, of either size, maps it. */
static void found_entry(struct page *p, pte_t e, const struct vm_area *v) {
    p->mapped++;
    p->writable += (e & PTE_W) && !(v->flags & VM_SHARED);
}

#define WRONG(...)                                                                                           \
    do {                                                                                                     \
        snprintf(text, sizeof(text), __VA_ARGS__);                                                           \
        return false;                                                                                        \
    } while (0)

static bool look_at_leaf(struct page *leaf, u64 va, struct mm_struct *mm, bool first, bool sealed) {
    pte_t *e = page_address(leaf);
    u32 n = 0;
    struct vm_area *v = NULL;
    for (int i = 0; i < PTRS_PER_TABLE; i++, va += PAGE_SIZE) {
        if (!e[i])
            continue;
        n++;
        struct page *p = pa_to_page(pte_pa(e[i]));
        if (!v || va >= v->end)
            v = find_vma(mm, va);
        if (!v || va < v->start)
            WRONG("a page at %lx, where no VMA is", va);
        if ((e[i] & PTE_W) && !(v->flags & VM_WRITE))
            WRONG("a writable page at %lx in a VMA that is not", va);
        if ((e[i] & PTE_W) && sealed)
            WRONG("a writable page at %lx in a sealed table", va);
        if ((e[i] & PTE_W) && !p->mapping && atomic_read(&p->refcount) != 1)
            WRONG("a writable page at %lx with %d references", va, atomic_read(&p->refcount));
        if (first) {
            ++*found(p);
            found_entry(p, e[i], v);
        }
    }
    if (n != leaf->inuse)
        WRONG("the leaf table of %lx has %u entries and counts %u", va - 1, n, leaf->inuse);
    return true;
}

/* An entry of a middle table that maps 2 MB. */
static bool look_at_huge(pte_t e, u64 va, struct mm_struct *mm, bool first) {
    struct page *p = table_page(e);
    struct vm_area *v = find_vma(mm, va);
    if (!v || va < v->start || va + (2UL << 20) > v->end || v->file)
        WRONG("2 MB at %lx, not all of it in one anonymous VMA", va);
    if (!(e & PTE_V) || !(e & PTE_R) || (e & PTE_SHARED) || (pte_pa(e) & ((2UL << 20) - 1)) ||
        ((e & PTE_W) && !(v->flags & VM_WRITE)))
        WRONG("the entry %lx for the 2 MB at %lx", e, va);
    for (int i = 0; i < PTRS_PER_TABLE && first; i++) {
        found_entry(p + i, e, v);
        if (*found(p) < WHOLE)
            ++*found(p + i); /* what the whole counts of it */
    }
    if (first)
        *found(p) += WHOLE;
    return true;
}

static bool look_at_entry(pte_t e, int level, u64 va, struct mm_struct *mm, bool first);
static bool look_at_table(struct page *t, int level, u64 va, struct mm_struct *mm, bool first) {
    pte_t *e = page_address(t);
    u32 n = 0;
    for (int i = 0; i < (level == 2 ? USER_ROOT_ENTRIES : PTRS_PER_TABLE); i++) {
        if (!e[i])
            continue;
        n++;
        if (level == 1 && is_huge(e[i])) {
            if (!look_at_huge(e[i], va + ((u64)i << 21), mm, first))
                return false;
            continue;
        }
        if (!look_at_entry(e[i], level - 1, va + ((u64)i << (12 + 9 * level)), mm, first))
            return false;
    }
    if (n != t->inuse)
        WRONG("the table of %lx, level %d, has %u entries and counts %u", va, level, n, t->inuse);
    return true;
}
/* e points to a table of this level. first: the table that e is in was not seen before. */
static bool look_at_entry(pte_t e, int level, u64 va, struct mm_struct *mm, bool first) {
    struct page *t = table_page(e);
    bool valid = e & PTE_V, marked = e & PTE_SHARED;
    if (!page_test(t, PG_TABLE) || (e & (PTE_LEAF | PTE_U | PTE_A | PTE_D)) || (!valid && !marked) ||
        (valid && marked && (level || !page_test(t, PG_SEALED))))
        WRONG("the entry %lx for the table of %lx, level %d", e, va, level);
    if (!marked && atomic_read(&t->refcount) != 1)
        WRONG("an entry that is not marked, for a table of %lx with %d references", va,
              atomic_read(&t->refcount));
    if (first)
        first = ++*found(t) == 1;
    return level ? look_at_table(t, level, va, mm, first)
                 : look_at_leaf(t, va, mm, first, page_test(t, PG_SEALED));
}

static bool look_at_all(struct mm_struct **mms, u32 n) {
    for (u64 pfn = min_pfn; pfn < max_pfn; pfn++) {
        struct page *p = pfn_to_page(pfn);
        *found(p) = p->mapped = p->writable = 0;
    }
    for (u32 i = 0; i < n; i++)
        if (!look_at_table(virt_to_page(mms[i]->pgd), 2, 0, mms[i], true))
            return false;
    for (u64 pfn = min_pfn; pfn < max_pfn; pfn++) {
        struct page *p = pfn_to_page(pfn);
        u64 want = *found(p) & (WHOLE - 1), whole = *found(p) / WHOLE, have = atomic_read(&p->refcount);
        if (whole && whole != p->inuse)
            WRONG("2 MB at frame %lx: counted %u times, mapped %lu times", pfn, p->inuse, whole);
        if (want && (page_test(p, PG_TABLE) ? have != want : have < want))
            WRONG("page frame %lx: %lu references, %lu found%s", pfn, have, want,
                  page_test(p, PG_TABLE) ? ", a table" : "");
        if (p->writable && (p->mapped != 1 || p->mapping || p == zero_page)) {
            certain = true;
            WRONG("page frame %lx: %u entries map it, and %u may store to it%s", pfn, p->mapped, p->writable,
                  p->mapping ? ", which is a file's" : "");
        }
    }
    return true;
}

const char *check_page_tables(void) {
    struct mm_struct **mms = kmalloc(MAX_MMS * sizeof(*mms), GFP_KERNEL);
    if (!mms)
        return "no memory for the check";
    bool ok = false;
    mutex_lock(&busy);
    certain = false;
    for (int tries = 0; tries < 400 && !ok && !certain; tries++) {
        u32 n = 0;
        struct task_struct *t, *o;
        if (tries) {
            set_current_state(TASK_UNINTERRUPTIBLE);
            schedule_until(ktime_get() + 2000000);
        }
        READ_TASKS(irq);
        for_each_process(t) for_each_thread(o, t->signal) {
            struct mm_struct *mm = o->task_flags & PF_KTHREAD ? NULL : READ_ONCE(o->mm);
            bool had = !mm || n == MAX_MMS;
            for (u32 i = 0; i < n && !had; i++)
                had = mms[i] == mm;
            if (!had && atomic_inc_not_zero(&mm->mm_users))
                mms[n++] = mm;
        }
        READ_TASKS_END(irq);
        for (u32 i = 0; i < n; i++)
            down_write(&mms[i]->mmap_lock);
        ok = look_at_all(mms, n);
        if (certain) { /* unless a truncation, which needs no mmap_lock, was just under way */
            certain = false;
            ok = look_at_all(mms, n);
        }
        for (u32 i = n; i-- > 0;)
            up_write(&mms[i]->mmap_lock);
        for (u32 i = 0; i < n; i++)
            mmput(mms[i]);
    }
    mutex_unlock(&busy);
    kfree(mms);
    return ok ? "ok" : text;
}
