/* Page tables of user addresses, inside: what pgtable.c (tables and paths), pgrange.c (ranges) and the
 * checker share. */
#pragma once
#include "../debug/debug.h"
#include "mm.h"

/* In an entry that points to a table: other entries may point to that table too. Hardware ignores the bit. */
#define PTE_SHARED BIT(9)

/* PTE_A where the hardware sets it, else 0. An entry that was made without it and has not got it since is one
 * that no hart remembers: it can be replaced without a flush. So copies that fork makes, and pages that are
 * mapped before they are wanted, are without. */
extern pte_t pte_young;

/* The root's entry for a user address. It is one of the user half whatever va is: no lookup of a program's
 * address leaves that half. Everything that walks an address space begins here. */
static inline pte_t *user_root(struct mm_struct *mm, u64 va) {
    DEBUG_ON(va >= TASK_SIZE);
    return &mm->pgd[va_index(va, 2) % USER_ROOT_ENTRIES];
}
/* The table that e points to. A leaf, of whatever size, points to none. */
static inline pte_t *next_table(pte_t e) {
    DEBUG_ON(e & (PTE_LEAF | PTE_U));
    return __va(pte_pa(e));
}
static inline struct page *table_page(pte_t e) { return pa_to_page(pte_pa(e)); }
/* Others do point to it. Only what is reached through entries of the caller's own tables can be asked: the
 * last reference of all then is the caller's, and nobody can add one. */
static inline bool is_shared(pte_t e) {
    return (e & PTE_SHARED) && __atomic_load_n(&table_page(e)->refcount.v, __ATOMIC_ACQUIRE) > 1;
}
/* In a middle table, an entry that maps 2 MB itself (huge.c). Entries that point to tables never have U. */
static inline bool is_huge(pte_t e) { return e & PTE_U; }
static inline u64 table_end(u64 va, int level, u64 end) { /* of what a table of this level maps */
    u64 size = PAGE_SIZE << (9 * (level + 1)), next = ALIGN_DOWN(va, size) + size;
    return next < end ? next : end;
}

/* --- Who may store: the one rule of copy on write, for entries of both sizes ---
 * Who has the entry of an anonymous page in a table of its own may store to it, without a copy, if nothing
 * else refers to any frame that the entry maps: no other entry of either size, and no reference of another's.
 * A frame's count says it all, for what maps it is counted there: each entry of a leaf table, and once, for
 * all entries that map it as a part of 2 MB, the whole; how many those are, its first page says. It cannot
 * rise under who is alone: another reference can only come from its own fork, which takes mmap_lock for
 * writing, or under its page_table_lock. Every place that gives PTE_W to what fork shared, or takes a page
 * for its own, asks one of the two. */
/* 4 KB: `ours` are the caller's entries and references, which it knows. */
static inline bool page_sole(struct page *p, s32 ours) {
    return !p->mapping && __atomic_load_n(&p->refcount.v, __ATOMIC_ACQUIRE) == ours;
}
/* 2 MB (huge.c), by the caller's entry: looks at each of its frames. */
bool huge_sole(pte_t e);

/* huge.c: its entry in a table that this one is copied from, or in a parent: it loses write permission, and
 * one more points to the 2 MB page. Returns what the other entry shall be. */
static inline pte_t share_huge(pte_t *e) {
    __atomic_fetch_add(&table_page(*e)->inuse, 1, __ATOMIC_RELAXED);
    return __atomic_and_fetch(e, ~(PTE_W | PTE_D), __ATOMIC_RELAXED);
}
/* An entry less points to it: the last makes it 512 pages, which go unless something else holds them. */
void huge_put(struct page *head);
/* Fill the empty leaf table with what the entry e maps, whose place it takes. */
void huge_split(pte_t e, struct page *leaf);

/* An empty table, count 1; NULL: no memory. May sleep. */
struct page *table_alloc(void);
/* An empty table that is nobody's. */
void table_free(struct page *t);
/* Drop a reference; with the last one go the table and what it holds. level 1: of tables, 0: of pages; -1: it
 * is no table but a 2 MB page. */
void put_table(struct page *t, int level);
/* A reference more, from an entry that is *e: both will be marked. The table's owner must flush if *e was
 * valid. Returns what the other entry shall be. */
static inline pte_t share_entry(pte_t *e, pte_t was, struct page *table) {
    get_page(table);
    if (!(was & PTE_SHARED)) /* marked and valid is sealed, and may stay */
        __atomic_store_n(e, was = (was & ~PTE_V) | PTE_SHARED, __ATOMIC_RELAXED);
    return was;
}
static inline pte_t share_table(pte_t *e) { return share_entry(e, *e, table_page(*e)); }
/* Make a leaf table one through which nothing can be written; any sharer may. */
void seal(struct page *leaf);

/* What of the path to an address a caller wants. */
enum reach {
    REACH_LINK,  /* the middle table its own, the leaf table valid, or a 2 MB page, for loads */
    REACH_MID,   /* the middle table its own */
    REACH_OWN,   /* both its own, where they exist */
    REACH_MAKE,  /* both its own, made if missing */
    REACH_STORE, /* as REACH_OWN; but a 2 MB page that is the caller's alone (huge_sole) stays one, and may be
                    written to: the VMA permits it */
    REACH_HUGE,  /* the middle table its own, made if missing; what is found is its entry */
};
/* Tables on their way in and out: spare ones, and those that were replaced. */
struct table_path {
    struct page *spare[2], *old[2];
    bool flush, nofail;
    bool huge;    /* what was found is an entry of a middle table */
    bool changed; /* some entry on the way was not fit and is now */
};
/* Have spare tables [0, n); false: no memory. May sleep. And give back those that were not needed. */
bool take_spares(struct table_path *p, unsigned int n);
void drop_spares(struct table_path *p);
/* The leaf entry of va, its path as wanted, with page_table_lock held; NULL and locked too where no leaf
 * table is (not with REACH_MAKE). false: no memory, and not locked. May sleep before. Ends with path_done. */
bool path_reach(struct mm_struct *mm, u64 va, enum reach want, struct table_path *p, pte_t **leaf);
/* Unlock; flush and put what was replaced. */
void path_done(struct mm_struct *mm, struct table_path *p);
/* The leaf entry of va if its tables are there and mm's own; else NULL. page_table_lock held. */
static inline pte_t *own_leaf(struct mm_struct *mm, u64 va) {
    pte_t e = *user_root(mm, va);
    if (!e || (e & PTE_SHARED))
        return NULL;
    e = next_table(e)[va_index(va, 1)];
    return !e || (e & (PTE_SHARED | PTE_U)) ? NULL : &next_table(e)[va_index(va, 0)];
}
/* The leaf entry of va, whoever's it is, or NULL, also where 2 MB are mapped. page_table_lock held. */
pte_t *pte_lookup(struct mm_struct *mm, u64 va);
/* Where a program at va may load (need is PTE_R) or store (PTE_W), in the kernel's linear map, up to the end
 * of the page; NULL where it may not, or a fault has to come first. Through a shared table nothing is stored.
 * page_table_lock held: for so long nobody unmaps the page, shares it or finds it clean. */
static __forceinline void *user_linear(struct mm_struct *mm, u64 va, pte_t need) {
    pte_t table = need == PTE_W ? PTE_V : PTE_V | PTE_SHARED, e = READ_ONCE(*user_root(mm, va));
    u64 mask = PAGE_SIZE - 1;
    need |= PTE_V | PTE_U;
    if (likely(e & table)) {
        e = READ_ONCE(next_table(e)[va_index(va, 1)]);
        if (unlikely(is_huge(e)))
            mask = (PAGE_SIZE << 9) - 1;
        else if (likely(e & table))
            e = READ_ONCE(next_table(e)[va_index(va, 0)]);
    }
    return likely((e & need) == need) ? __va(pte_pa(e) + (va & mask)) : NULL;
}
static inline u64 in_page(u64 va) { return PAGE_SIZE - (va & (PAGE_SIZE - 1)); } /* bytes from va on */
