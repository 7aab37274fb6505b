/* Page tables by ranges: what fork, munmap and truncate, mprotect and mremap do to them. The tree and its
 * rules are pgtable.c's. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "pgtable.h"
#include <abi/errno.h>

#define LEAF_SPAN (PAGE_SIZE * PTRS_PER_TABLE)
#define MID_SPAN (LEAF_SPAN * PTRS_PER_TABLE)

/* Pages below a table, and how many of them are files'. */
static void count_table(struct page *t, int level, s64 *pages, s64 *files) {
    u32 left = t->inuse;
    if (!level)
        *pages += left;
    for (pte_t *e = page_address(t); left; e++) {
        if (!*e)
            continue;
        left--;
        if (level && is_huge(*e))
            *pages += PTRS_PER_TABLE;
        else if (level)
            count_table(table_page(*e), level - 1, pages, files);
        else
            *files += pa_to_page(pte_pa(*e))->mapping != NULL;
    }
}
/* Does one entry map the 2 MB around va? page_table_lock held. */
static bool huge_at(struct mm_struct *mm, u64 va) {
    pte_t mid = *user_root(mm, va);
    return mid && is_huge(next_table(mid)[va_index(va, 1)]);
}

/* --- fork --- */
/* What is small is copied at once: a fault later would cost more. A leaf table with up to fork_copy_pages
 * pages is copied; a middle table with up to FORK_COPY_TABLES leaf tables is gone through.
 * docs/page-tables.md has the curves. */
u32 fork_copy_pages = FORK_COPY_PAGES;
//@sol fork,cow,constant copy-page-tables
#define FORK_COPY_TABLES 64

static bool copies_all(void) { return fork_copy_pages >= PTRS_PER_TABLE; }

/* A VMA that the child does not have, or has empty. */
static bool left_out(const struct vm_area *v) { return v->flags & (VM_DONTFORK | VM_WIPEONFORK); }
/* May a table that maps [start, start + span) be shared by fork? Not if a part is left out. */
static bool shareable(struct mm_struct *mm, u64 start, u64 span) {
    if (!mm->leaves_out)
        return true;
    for (struct vm_area *v = find_vma(mm, start); v && v->start < start + span; v = next_vma(v))
        if (left_out(v))
            return false;
    return true;
}

static void fork_entry(pte_t *slot, pte_t e) { /* in the child */
    *slot = e;
    virt_to_page(slot)->inuse++;
}

static void count_range(struct mm_struct *mm, u64 start, u64 end, s64 *pages, s64 *files) {
    spin_lock(&mm->page_table_lock);
    for (u64 va = start; va < end;) {
        pte_t *e = pte_lookup(mm, va);
        u64 next = table_end(va, *user_root(mm, va) ? 0 : 1, end);
        if (huge_at(mm, va))
            *pages += PTRS_PER_TABLE;
        for (; e && va < next; va += PAGE_SIZE, e++)
            if (*e) {
                ++*pages;
                *files += pa_to_page(pte_pa(*e))->mapping != NULL;
            }
        va = next;
    }
    spin_unlock(&mm->page_table_lock);
}

/* Pages [va, end) of a leaf table: read-only in both from now on, unless the mapping is shared. Both locks
 * are held. */
static void copy_leaf(pte_t *d, pte_t *s, u64 pages, bool shared_mapping) {
    u32 copied = 0;
    for (; pages--; s++, d++) {
        pte_t e = READ_ONCE(*s);
        if (!e)
            continue;
        if (!shared_mapping && (e & PTE_W))
            *s = e &= ~(PTE_W | PTE_D | pte_young); /* our caller flushes */
        get_page(pa_to_page(pte_pa(e)));
        *d = e & ~pte_young;
        copied++;
    }
    virt_to_page(d - 1)->inuse += copied;
}

/* The child's tables for [va, v->end), as far as the middle table of va goes; returns where to go on. A table
 * that is shared whole covers other VMAs too. p has two spare tables. */
static u64 fork_mid(struct mm_struct *dst, struct mm_struct *src, struct vm_area *v, u64 va,
                    struct table_path *p) {
    u64 mid_end = table_end(va, 1, TASK_SIZE), end = min(v->end, mid_end), next = mid_end;
    spin_lock(&src->page_table_lock);
    spin_lock(&dst->page_table_lock);
    pte_t *s2 = user_root(src, va), *d2 = user_root(dst, va);
    if (!*s2)
        goto unlock;
    bool mid_shared = is_shared(*s2);
    if (!*d2) {
        if (!copies_all() && (mid_shared || table_page(*s2)->inuse > FORK_COPY_TABLES) &&
            shareable(src, ALIGN_DOWN(va, MID_SPAN), MID_SPAN)) {
            fork_entry(d2, share_table(s2));
            goto unlock;
        }
        fork_entry(d2, make_pte(page_to_pa(p->spare[1]), PTE_V));
        p->spare[1] = NULL;
    }
    for (; va < end; va = next) {
        pte_t *s1 = &next_table(*s2)[va_index(va, 1)], *d1 = &next_table(*d2)[va_index(va, 1)];
        next = table_end(va, 0, end);
        if (is_huge(*s1)) {
            fork_entry(d1, share_huge(s1));
            continue;
        }
        if (!*s1 || !table_page(*s1)->inuse)
            continue;
        bool shared = mid_shared || is_shared(*s1);
        if (!*d1) {
            if (!copies_all() && (shared || table_page(*s1)->inuse > fork_copy_pages) &&
                shareable(src, ALIGN_DOWN(va, LEAF_SPAN), LEAF_SPAN)) {
                fork_entry(d1, share_table(s1));
                next = table_end(va, 0, mid_end);
                continue;
            }
            if (!p->spare[0]) {
                next = va;
                break; /* go on here with another */
            }
            fork_entry(d1, make_pte(page_to_pa(p->spare[0]), PTE_V));
            p->spare[0] = NULL;
        }
        if (shared)
            seal(table_page(*s1));
        copy_leaf(&next_table(*d1)[va_index(va, 0)], &next_table(*s1)[va_index(va, 0)],
                  (next - va) >> PAGE_SHIFT, v->flags & VM_SHARED);
    }
unlock:
    spin_unlock(&dst->page_table_lock);
    spin_unlock(&src->page_table_lock);
    return next;
}

int copy_page_tables(struct mm_struct *dst, struct mm_struct *src) {
    struct table_path p = {0};
    s64 out = 0, out_files = 0;
    int r = 0;
    u64 done = 0;
    for (struct vm_area *v = first_vma(src); v && !r; v = next_vma(v)) {
        if (left_out(v)) {
            count_range(src, v->start, v->end, &out, &out_files);
            continue;
        }
        for (u64 va = max(v->start, done); va < v->end; va = done) {
            if (!take_spares(&p, 2)) {
                r = -ENOMEM;
                break;
            }
            done = fork_mid(dst, src, v, va, &p);
        }
    }
    drop_spares(&p);
    atomic_add(&dst->rss, src->rss.v - out);
    atomic_add(&dst->rss_file, src->rss_file.v - out_files);
    dst->leaves_out = src->leaves_out;
    return r;
}
//@end

/* --- ranges of one address space --- */
#define GATHER 128 /* both on the stack: scripts/stackdepth.py */
#define GATHER_TABLES 32
/* Tables and pages that were taken out, to be put once no hart has translations to them. */
struct gather {
    struct page *page[GATHER];
    struct {
        struct page *table;
        int level;
    } table[GATHER_TABLES + 1];
    u32 pages, tables;
    s64 rss, files;
    struct page *only; /* or NULL: all that is mapped */
};
static void gather_begin(struct gather *g, struct page *only) { /* not its arrays, which are large */
    g->only = only;
    g->pages = g->tables = g->rss = g->files = 0;
}
static void gather_table(struct gather *g, pte_t *slot, int level) {
    g->table[g->tables].table = table_page(*slot);
    g->table[g->tables++].level = level;
    *slot = 0;
    virt_to_page(slot)->inuse--;
}
static bool none_of_16(const pte_t *e) { /* a thread's stack is 2,000 pages of which two are there */
    pte_t any = 0;
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        any |= e[i];
    return !any;
}
/* A leaf table that is mm's own: pages from va on go, up to stop. Returns how far it came. */
static u64 zap_leaf(struct gather *g, struct page *leaf, u64 va, u64 stop) {
    pte_t *e = (pte_t *)page_address(leaf) + va_index(va, 0);
    for (; va < stop && g->pages < GATHER && leaf->inuse; va += PAGE_SIZE, e++) {
        if (!*e) {
            while (!((u64)e & 127) && va + 16 * PAGE_SIZE < stop && none_of_16(e))
                va += 16 * PAGE_SIZE, e += 16;
            if (!*e)
                continue;
        }
        //@sol sv39 zap-entry
        struct page *p = pa_to_page(pte_pa(*e));
        if (g->only && p != g->only)
            continue;
        g->files += p->mapping != NULL;
        g->rss++;
        *e = 0;
        leaf->inuse--;
        g->page[g->pages++] = p;
        //@end
    }
    return leaf->inuse ? va : stop;
}

/* One step, under page_table_lock. True: the table of this va is shared, has to go in part, and so must be
 * owned first, as far as *want says. */
static bool zap_step(struct mm_struct *mm, struct gather *g, u64 *va, u64 end, bool exiting,
                     enum reach *want) {
    pte_t *s2 = user_root(mm, *va);
    u64 at = *va, mid_next = table_end(at, 1, end), next = table_end(at, 0, end);
    if (!*s2) {
        *va = mid_next;
        return false;
    }
    if (exiting && table_page(*s2)->inuse > 4) { /* much below it: all goes at once */
        gather_table(g, s2, 1);
        *va = mid_next;
        return false;
    }
    if (is_shared(*s2)) {
        *want = REACH_MID;
        if (!exiting && (g->only || (at & (MID_SPAN - 1)) || mid_next - at < MID_SPAN))
            return true;
        if (!exiting)
            count_table(table_page(*s2), 1, &g->rss, &g->files);
        gather_table(g, s2, 1);
        *va = mid_next;
        return false;
    }
    pte_t *s1 = &next_table(*s2)[va_index(at, 1)];
    *va = next;
    if (is_huge(*s1) && g->only) {
        /* no file's page */
    } else if (is_huge(*s1)) {
        *want = REACH_OWN;
        if (!exiting && ((at & (LEAF_SPAN - 1)) || next - at < LEAF_SPAN)) { /* a part: split it */
            *va = at;
            return true;
        }
        g->rss += PTRS_PER_TABLE;
        gather_table(g, s1, -1);
    } else if (!*s1) {
        /* nothing; an empty middle table is there where fork ran out of memory */
    } else if (is_shared(*s1)) {
        *want = REACH_OWN;
        if (!exiting && ((at & (LEAF_SPAN - 1)) || next - at < LEAF_SPAN)) {
            *va = at;
            return true;
        }
        if (!exiting)
            count_table(table_page(*s1), 0, &g->rss, &g->files);
        gather_table(g, s1, 0);
    } else {
        *va = zap_leaf(g, table_page(*s1), at, next);
        if (!table_page(*s1)->inuse)
            gather_table(g, s1, 0);
    }
    if (!table_page(*s2)->inuse)
        gather_table(g, s2, 1);
    return false;
}

/* The harts are flushed once for all that was gathered from [start, end), then it is put. */
static void gather_end(struct mm_struct *mm, struct gather *g, u64 start, u64 end) {
    if (g->tables) /* entries for tables may be cached too */
        flush_tlb_range(mm, 0, TASK_SIZE);
    else if (g->pages)
        flush_tlb_range(mm, start, end);
    for (u32 i = 0; i < g->pages; i++)
        put_page(g->page[i]);
    for (u32 i = 0; i < g->tables; i++)
        put_table(g->table[i].table, g->table[i].level);
    atomic_add(&mm->rss, -g->rss);
    atomic_add(&mm->rss_file, -g->files);
    gather_begin(g, g->only);
}
static bool gather_full(const struct gather *g) { return g->pages >= GATHER || g->tables >= GATHER_TABLES; }

static void zap(struct mm_struct *mm, u64 start, u64 end, struct page *only) {
    struct gather g;
    gather_begin(&g, only);
    for (u64 va = start; va < end;) {
        u64 from = va;
        enum reach want;
        bool own = false;
        spin_lock(&mm->page_table_lock);
        while (va < end && !own && !gather_full(&g))
            own = zap_step(mm, &g, &va, end, false, &want);
        spin_unlock(&mm->page_table_lock);
        gather_end(mm, &g, from, va);
        if (own) {
            struct table_path p = {.nofail = true};
            pte_t *leaf;
            path_reach(mm, va, want, &p, &leaf);
            path_done(mm, &p);
        }
    }
}
void zap_page_range(struct mm_struct *mm, u64 start, u64 end) { zap(mm, start, end, NULL); }
void zap_page(struct mm_struct *mm, u64 va, struct page *p) { zap(mm, va, va + PAGE_SIZE, p); }

void zap_all(struct mm_struct *mm) {
    struct gather g;
    enum reach want;
    gather_begin(&g, NULL);
    for (struct vm_area *v = first_vma(mm); v; v = next_vma(v))
        for (u64 va = v->start; va < v->end;) {
            spin_lock(&mm->page_table_lock);
            while (va < v->end && !gather_full(&g))
                zap_step(mm, &g, &va, v->end, true, &want);
            spin_unlock(&mm->page_table_lock);
            if (gather_full(&g))
                gather_end(mm, &g, 0, TASK_SIZE);
        }
    gather_end(mm, &g, 0, TASK_SIZE);
}

/* Own the table of va, as far as one is there. */
static int own_path(struct mm_struct *mm, u64 va, enum reach want) {
    struct table_path p = {0};
    pte_t *leaf;
    spin_lock(&mm->page_table_lock);
    pte_t e = *user_root(mm, va);
    if (e && !(e & PTE_SHARED))
        e = next_table(e)[va_index(va, 1)];
    spin_unlock(&mm->page_table_lock);
    if (!(e & (PTE_SHARED | PTE_U))) /* mostly: it is, or none is there */
        return 0;
    if (!path_reach(mm, va, want, &p, &leaf))
        return -ENOMEM;
    path_done(mm, &p);
    return 0;
}
int split_huge_at(struct mm_struct *mm, u64 va) {
    if (!(va & (LEAF_SPAN - 1)))
        return 0;
    spin_lock(&mm->page_table_lock);
    bool huge = huge_at(mm, va);
    spin_unlock(&mm->page_table_lock);
    return huge ? own_path(mm, va, REACH_OWN) : 0;
}
int zap_prepare(struct mm_struct *mm, u64 start, u64 end) {
    const u64 edge[2] = {start, end - 1};
    int r = 0;
    for (int i = 0; i < 2 && !r; i++) {
        u64 leaf = ALIGN_DOWN(edge[i], LEAF_SPAN), mid = ALIGN_DOWN(edge[i], MID_SPAN);
        if (leaf < start || leaf + LEAF_SPAN > end)
            r = own_path(mm, edge[i], REACH_OWN);
        else if (mid < start || mid + MID_SPAN > end)
            r = own_path(mm, edge[i], REACH_MID);
    }
    return r;
}
int own_page_range(struct mm_struct *mm, u64 start, u64 end) {
    int r = 0;
    for (u64 va = start; va < end && !r;) {
        bool there = READ_ONCE(*user_root(mm, va));
        if (there)
            r = own_path(mm, va, REACH_OWN);
        va = table_end(va, there ? 0 : 1, end);
    }
    return r;
}

/* After mprotect: entries get the VMA's permissions; write permission only where no copy or dirty
 * tracking is due, that is, never here: the next store faults and decides. */
void protect_page_range(struct vm_area *v, u64 start, u64 end) {
    //@sol sv39 protect-page-range
    pte_t flags = vma_pte_flags(v->flags) & ~(PTE_W | PTE_D);
    u64 next;
    spin_lock(&v->mm->page_table_lock);
    for (u64 va = start; va < end; va = next) {
        next = table_end(va, *user_root(v->mm, va) ? 0 : 1, end);
        pte_t *p = pte_lookup(v->mm, va);
        for (u64 at = va; p && at < next; at += PAGE_SIZE, p++)
            if (*p)
                *p = make_pte(pte_pa(*p), flags);
    }
    spin_unlock(&v->mm->page_table_lock);
    flush_tlb_range(v->mm, start, end);
    //@end
}

/* The entry of va is taken out; 0 if there is none. The table is mm's own (own_page_range). */
static pte_t take_pte(struct mm_struct *mm, u64 va) {
    spin_lock(&mm->page_table_lock);
    pte_t *p = pte_lookup(mm, va), e = p ? *p : 0;
    if (e) {
        *p = 0;
        virt_to_page(p)->inuse--;
    }
    spin_unlock(&mm->page_table_lock);
    TEST_POINT("pte-taken");
    return e;
}
/* The page of va, to another that is allocated as v's policy says; it stays if something else uses it. False:
 * no memory. */
static bool migrate_page(struct vm_area *v, u64 va) {
    struct mm_struct *mm = v->mm;
    policy_range(v->policy, vma_page_index(v, va));
    struct page *new = alloc_page(GFP_KERNEL | GFP_USER);
    policy_range(NULL, 0);
    pte_t e = new ? take_pte(mm, va) : 0;
    if (!e) {
        if (new)
            put_page(new);
        return new;
    }
    flush_tlb_range(mm, va, va + PAGE_SIZE); /* from here on nobody stores to it */
    struct page *p = pa_to_page(pte_pa(e));
    bool ours = page_sole(p, 1); /* of the zero page the kernel has one more */
    if (ours)
        copy_page(page_address(new), page_address(p));
    set_user_pte(mm, va, ours ? make_pte(page_to_pa(new), e & 0x3ff) : e, 0); /* its table is still there */
    put_page(ours ? p : new);
    return true;
}
int migrate_page_range(struct vm_area *v, u32 nodes, bool move) {
    struct mm_struct *mm = v->mm;
    int r = move ? own_page_range(mm, v->start, v->end) : 0, misplaced = 0;
    if (r || v->special)
        return r;
    for (u64 va = v->start; va < v->end; va += PAGE_SIZE) {
        u32 there;
        struct page *p = follow_page(mm, va);
        if (!p) {                                    /* nothing is there */
            if (!pte_peek(mm, va, &there) && !there) /* and there is no table */
                va = ALIGN_DOWN(va, LEAF_SPAN) + LEAF_SPAN - PAGE_SIZE;
            continue;
        }
        bool wrong = p != zero_page && !(nodes & BIT(p->node)), file = p->mapping;
        put_page(p);
        if (wrong && (!move || file || !migrate_page(v, va)))
            misplaced = 1;
    }
    return misplaced;
}
int move_page_tables(struct mm_struct *mm, u64 from, u64 to, u64 len) {
    //@sol sv39 move-page-tables
    int r = own_page_range(mm, from, from + len);
    for (u64 off = 0; off < len && !r; off += PAGE_SIZE) {
        pte_t e = take_pte(mm, from + off);
        if (e && (r = set_user_pte(mm, to + off, e, 0)))
            set_user_pte(mm, from + off, e, 0); /* its table is still there */
    }
    flush_tlb_range(mm, from, from + len);
    return r;
    //@end
}
