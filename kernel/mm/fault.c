/* Page faults: a page is made, found in the cache, or copied, at the first touch. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "../fs/fs.h"
#include "pgtable.h"
#include <abi/errno.h>

struct page *zero_page;

pte_t pte_young;
/* An entry without A, at address 0 of the boot table: does a load work, and is A there then? */
void young_init(void) {
    pte_t *mid = page_address(table_alloc()), *leaf = page_address(table_alloc());
    u64 word;
    leaf[0] = make_pte(page_to_pa(zero_page), PTE_V | PTE_R | PTE_U);
    mid[0] = make_pte(__pa(leaf), PTE_V);
    swapper_pg_dir[0] = make_pte(__pa(mid), PTE_V);
    flush_tlb_local();
    if (!__copy_user(&word, NULL, sizeof(word)) && (leaf[0] & PTE_A))
        pte_young = PTE_A;
    swapper_pg_dir[0] = mid[0] = leaf[0] = 0;
    flush_tlb_local();
    table_free(virt_to_page(leaf));
    table_free(virt_to_page(mid));
}
void fault_init(void) { zero_page = alloc_page(GFP_KERNEL | GFP_ZERO); }

/* Map `page` (its reference is taken over) where the entry was `old`. cache: the mapping that the page
 * must still belong to. -EAGAIN: the world changed, look again. */
static int install(struct vm_area *v, u64 va, struct page *page, pte_t flags, pte_t old,
                   struct address_space *cache) {
    struct mm_struct *mm = v->mm;
    int r = replace_user_pte(mm, va, make_pte(page_to_pa(page), flags), &old);
    if (r) {
        put_page(page);
        return r;
    }
    if (!old) {
        s64 rss = __atomic_add_fetch(&mm->rss.v, 1, __ATOMIC_RELAXED);
        if ((u64)rss > mm->hiwater_rss)
            mm->hiwater_rss = rss;
        if (page->mapping)
            atomic_inc(&mm->rss_file);
    } else {
        if (old & PTE_A)
            flush_tlb_range(mm, va, va + PAGE_SIZE);
        struct page *was = pa_to_page(pte_pa(old));
        if (was != page) {
            if (was->mapping)
                atomic_dec(&mm->rss_file);
            put_page(was);
        }
    }
    /* Truncated between look-up and here? Its second unmap pass may have come before our entry. */
    if (cache && READ_ONCE(page->mapping) != cache) {
        zap_page_range(mm, va, va + PAGE_SIZE);
        return -EAGAIN;
    }
    return 0;
}

static int anon_fault(struct vm_area *v, u64 va, u32 access) {
    if (huge_wanted(v, va)) {
        int r = huge_fault(v, va);
        if (r != -ENOMEM)
            return r;
    }
    pte_t flags = vma_pte_flags(v->flags);
    struct page *p;
    if (access == VM_WRITE) {
        if (!(p = alloc_page(GFP_KERNEL | GFP_USER | GFP_ZERO)))
            return -ENOMEM;
    } else {
        get_page(p = zero_page);
        flags &= ~(PTE_W | PTE_D);
    }
    return install(v, va, p, flags, 0, NULL);
}

/* A store to a shared file page: give it a block, mark it dirty. */
static int make_writable(struct address_space *m, struct page *p) {
    if (m->ops->begin_write)
        m->ops->begin_write(m->host);
    lock_page(p);
    int r = p->mapping != m ? -EAGAIN : m->ops->prepare_write(m->host, p, 0, PAGE_SIZE);
    if (!r)
        set_page_dirty(p);
    unlock_page(p);
    if (!r)
        inode_update_mtime(m->host);
    if (m->ops->end_write && m->ops->end_write(m->host, r))
        return -EAGAIN;
    return r;
}

/* A page of a file was just mapped at va for loads: its neighbours that are in the cache are too, as far as
 * they are in the same leaf table and nothing is mapped there. A program is mostly faulted in so, a few
 * faults for all of its text. */
#define FAULT_AROUND (16 * PAGE_SIZE)
static void map_around(struct vm_area *v, u64 va, pte_t flags) {
    struct mm_struct *mm = v->mm;
    struct address_space *m = v->file->mapping;
    u64 start = max(ALIGN_DOWN(va, FAULT_AROUND), v->start),
        end = min(ALIGN_DOWN(va, FAULT_AROUND) + FAULT_AROUND, v->end);
    u64 index = v->pgoff + ((start - v->start) >> PAGE_SHIFT),
        limit = DIV_ROUND_UP((u64)READ_ONCE(m->host->i_size), PAGE_SIZE);
    s64 mapped = 0;
    void *const *run = NULL;
    u32 left = 0;
    spin_lock(&mm->page_table_lock);
    pte_t *e = own_leaf(mm, start);
    if (e) {
        struct page *table = virt_to_page(e); /* the loop may end at once, or in the next page */
        u64 irq = spin_lock_irqsave(
            &m->lock); /* what is in the tree has not been truncated; if it is, our entry is found */
        for (; start < end && index < limit; start += PAGE_SIZE, index++, e++) {
            if (!left--) {
                run = radix_run(&m->pages, index, &left);
                left--;
            }
            struct page *p = run ? *run++ : NULL;
            if (*e || !p || !page_test(p, PG_UPTODATE))
                continue;
            get_page(p);
            *e = make_pte(page_to_pa(p), flags);
            mapped++;
        }
        spin_unlock_irqrestore(&m->lock, irq);
        table->inuse += mapped;
    }
    spin_unlock(&mm->page_table_lock);
    atomic_add(&mm->rss, mapped);
    atomic_add(&mm->rss_file, mapped);
}

static int file_fault(struct vm_area *v, u64 va, u32 access) {
    struct address_space *m = v->file->mapping;
    u64 index = v->pgoff + ((va - v->start) >> PAGE_SHIFT);
    pte_t flags = vma_pte_flags(v->flags);
    if (index >= DIV_ROUND_UP((u64)READ_ONCE(m->host->i_size), PAGE_SIZE))
        return -EIO;
    struct page *p = read_mapping_page(m, index);
    if (IS_ERR(p))
        return PTR_ERR(p) == -ENOMEM ? -ENOMEM : -EIO;
    if (!(v->flags & VM_SHARED)) {
        if (access != VM_WRITE) {
            int r = install(v, va, p, flags & ~(PTE_W | PTE_D), 0, m);
            if (!r)
                map_around(v, va, flags & ~(PTE_W | PTE_D | pte_young));
            return r;
        }
        struct page *copy = alloc_page(GFP_KERNEL | GFP_USER);
        if (copy)
            copy_page(page_address(copy), page_address(p));
        put_page(p);
        return copy ? install(v, va, copy, flags, 0, NULL) : -ENOMEM;
    }
    if (access != VM_WRITE)
        return install(v, va, p, flags & ~(PTE_W | PTE_D), 0, m);
    int r = make_writable(m, p);
    if (r) {
        put_page(p);
        return r;
    }
    return install(v, va, p, flags, 0, m);
}

/* A store to a page mapped read-only in a VMA that may be written: copy on write, or the first store to
 * a clean shared page. The caller holds a reference to the page: another thread's fault may replace the entry
 * meanwhile, and who else has the page may let it go. */
static int write_fault(struct vm_area *v, u64 va, pte_t old) {
    struct mm_struct *mm = v->mm;
    struct page *p = pa_to_page(pte_pa(old));
    pte_t flags = vma_pte_flags(v->flags);
    if (v->flags & VM_SHARED) {
        get_page(p);
        int r = make_writable(v->file->mapping, p);
        if (!r)
            r = set_user_pte(mm, va, make_pte(page_to_pa(p), flags), old);
        put_page(p);
        return r;
    }
    //@sol cow write-fault
    /* Sole owner: no copy is left that could see the store, for the table is our own (resolve_fault). The
     * count cannot rise meanwhile: only a fork of this mm could raise it, and that takes mmap_lock for
     * writing. */
    if (page_sole(p, 2)) /* the entry's and ours */
        return set_user_pte(mm, va, make_pte(page_to_pa(p), flags), old);
    struct page *copy = alloc_page(GFP_KERNEL | GFP_USER | (p == zero_page ? GFP_ZERO : 0));
    if (!copy)
        return -ENOMEM;
    if (p != zero_page)
        copy_page(page_address(copy), page_address(p));
    atomic_inc(&mm->cow_faults);
    TRACE(cow, va, page_to_pa(p), page_to_pa(copy));
    TEST_POINT("cow-copied");
    return install(v, va, copy, flags, old, NULL);
    //@end
}

void copy_stack_page(struct mm_struct *dst, struct mm_struct *src, u64 sp) {
    u64 va = ALIGN_DOWN(sp, PAGE_SIZE);
    struct vm_area *v = find_vma(src, va);
    if (!v || v->start > va || !(v->flags & VM_WRITE) ||
        (v->flags & (VM_SHARED | VM_DONTFORK | VM_WIPEONFORK)))
        return;
    struct page *copy = alloc_page(GFP_KERNEL | GFP_USER);
    if (!copy)
        return;
    spin_lock(&src->page_table_lock);
    spin_lock(&dst->page_table_lock);
    pte_t *s = own_leaf(src, va), *d = own_leaf(dst, va);
    struct page *p = s && d && *s && *s == *d ? pa_to_page(pte_pa(*s)) : NULL;
    if (p && page_sole(p, 2)) { /* theirs alone */
        copy_page(page_address(copy), page_address(p));
        *s = make_pte(page_to_pa(p), vma_pte_flags(v->flags));
        *d = make_pte(page_to_pa(copy), vma_pte_flags(v->flags));
        copy = p; /* it loses the child's reference */
    }
    spin_unlock(&dst->page_table_lock);
    spin_unlock(&src->page_table_lock);
    put_page(copy);
}

/* mmap_lock held: make the page of v at `page` fit for the access, which v allows. Where more is permitted
 * now and the page is the same nobody is flushed: a hart that remembers less faults again, finds it permitted
 * and flushes itself. */
static int fault_page(struct vm_area *v, u64 page, u32 access) {
    struct mm_struct *mm = v->mm;
    pte_t old, need = access == VM_WRITE ? PTE_W : access == VM_EXEC ? PTE_X : PTE_R;
    struct page *held = NULL;
    int r = 0, changed = resolve_fault(v, page, access == VM_WRITE ? &held : NULL, &old);
    if (changed < 0)
        return changed;
    if ((old & PTE_V) && (old & need)) {
        if (!changed)
            flush_tlb_local(); /* it was permitted before: this hart did not know */
    } else if (old && access == VM_WRITE) {
        r = write_fault(v, page, old);
    } else if (old) {
        r = set_user_pte(mm, page, make_pte(pte_pa(old), vma_pte_flags(v->flags) & ~(PTE_W | PTE_D)), old);
    } else if (v->special) {
        struct page *p = v->special[(page - v->start) >> PAGE_SHIFT];
        get_page(p);
        r = install(v, page, p, vma_pte_flags(v->flags), 0, NULL);
    } else if (v->file) {
        r = file_fault(v, page, access);
    } else {
        r = anon_fault(v, page, access);
    }
    if (held)
        put_page(held);
    if (r == 0 && access == VM_EXEC)
        asm volatile("fence.i" ::: "memory");
    return r;
}

/* -EAGAIN: look again. */
static noinline int fault_once(struct mm_struct *mm, u64 va, u32 access) {
    u64 page = ALIGN_DOWN(va, PAGE_SIZE);
    int r;
    down_read(&mm->mmap_lock);
    struct vm_area *v = find_vma(mm, va);
    if (unlikely(!v || v->start > page)) {
        bool stack = v && (v->flags & VM_GROWSDOWN);
        up_read(&mm->mmap_lock);
        return !stack || grow_stack(mm, va) ? -EFAULT : -EAGAIN;
    }
    if (unlikely(!(v->flags & access)) && !(access == VM_READ && (v->flags & VM_WRITE))) {
        r = -EACCES;
    } else if (unlikely(v->policy)) {
        policy_range(v->policy, vma_page_index(v, page));
        r = fault_page(v, page, access);
        policy_range(NULL, 0);
    } else {
        r = fault_page(v, page, access);
    }
    up_read(&mm->mmap_lock);
    return r;
}
int handle_mm_fault(struct mm_struct *mm, u64 va, u32 access) {
    int r;
    current->min_flt++;
    if (va >= TASK_SIZE)
        return -EFAULT;
    while (unlikely((r = fault_once(mm, va, access)) == -EAGAIN) && !fatal_signal_pending(current))
        ;
    TRACE(fault, va, access, r);
    return r;
}

/* Take the file's pages from index first on out of every address space that maps them. */
void unmap_mapping_pages(struct address_space *m, u64 first) {
    struct vm_area *v;
    mutex_lock(&m->i_mmap_lock);
    list_for_each_entry(v, &m->i_mmap, map_link) {
        u64 start = v->start;
        if (first > v->pgoff)
            start += (first - v->pgoff) << PAGE_SHIFT;
        if (start < v->end && (first <= v->pgoff || start > v->start))
            zap_page_range(v->mm, start, v->end);
    }
    mutex_unlock(&m->i_mmap_lock);
}

void unmap_mapping_page(struct address_space *m, struct page *p) {
    struct vm_area *v;
    mutex_lock(&m->i_mmap_lock);
    list_for_each_entry(v, &m->i_mmap, map_link) {
        u64 va = v->start + ((p->index - v->pgoff) << PAGE_SHIFT);
        if (p->index >= v->pgoff && va < v->end)
            zap_page(v->mm, va, p);
    }
    mutex_unlock(&m->i_mmap_lock);
}

/* Before a page is written out: take write permission from all mappings, so that the next store is seen. */
void page_mkclean(struct address_space *m, struct page *p) {
    struct vm_area *v;
    mutex_lock(&m->i_mmap_lock);
    list_for_each_entry(v, &m->i_mmap, map_link) {
        if (!(v->flags & VM_SHARED) || p->index < v->pgoff)
            continue;
        u64 va = v->start + ((p->index - v->pgoff) << PAGE_SHIFT);
        if (va >= v->end)
            continue;
        spin_lock(&v->mm->page_table_lock);
        pte_t *e = pte_lookup(v->mm, va);
        bool clean = e && (*e & PTE_W) && pte_pa(*e) == page_to_pa(p);
        if (clean)
            *e &= ~(PTE_W | PTE_D); /* a shared table's too: permission may always be taken away */
        spin_unlock(&v->mm->page_table_lock);
        if (clean)
            flush_tlb_range(v->mm, va, va + PAGE_SIZE);
    }
    mutex_unlock(&m->i_mmap_lock);
}

size_t access_process_vm(struct mm_struct *mm, u64 va, void *buf, size_t n, bool write) {
    size_t done = 0;
    n = user_room(va, n);
    while (done < n) {
        u64 len = min(n - done, in_page(va + done));
        u8 *b = (u8 *)buf + done;
        spin_lock(&mm->page_table_lock);
        void *at = user_linear(mm, va + done, write ? PTE_W : PTE_R);
        if (at)
            memcpy(write ? at : b, write ? b : at, len);
        spin_unlock(&mm->page_table_lock);
        if (at)
            done += len;
        else if (handle_mm_fault(mm, va + done, write ? VM_WRITE : VM_READ))
            break;
    }
    return done;
}

/* A piece of one page in a private mapping that may not be written. mmap_lock is held from the fault to the
 * store: no fork comes between that would share the page. 2 MB are split first: the program gets no right to
 * store. */
static int force_write(struct mm_struct *mm, u64 va, const void *buf, size_t len) {
    int r;
    do {
        down_read(&mm->mmap_lock);
        struct vm_area *v = find_vma(mm, va);
        u64 page = ALIGN_DOWN(va, PAGE_SIZE);
        r = !v || v->start > page || (v->flags & VM_SHARED) ? -EFAULT : 0;
        if (!r)
            r = fault_page(v, page, VM_WRITE);
        struct page *p = r ? NULL : follow_page(mm, va);
        if (p && (p->mapping || p == zero_page ||
                  (v->special && p == v->special[(page - v->start) >> PAGE_SHIFT])))
            r = -EAGAIN; /* not yet a copy */
        else if (p)
            memcpy((u8 *)page_address(p) + (va & (PAGE_SIZE - 1)), buf, len);
        else if (!r)
            r = -EAGAIN;
        if (p)
            put_page(p);
        up_read(&mm->mmap_lock);
    } while (r == -EAGAIN && !fatal_signal_pending(current));
    return r;
}
size_t poke_process_vm(struct mm_struct *mm, u64 va, const void *buf, size_t n) {
    size_t done = 0;
    n = user_room(va, n);
    while (done < n) {
        u64 len = min(n - done, in_page(va + done));
        if (access_process_vm(mm, va + done, (void *)((u8 *)buf + done), len, true) != len &&
            force_write(mm, va + done, (u8 *)buf + done, len))
            break;
        done += len;
    }
    if (done)
        flush_icache_all();
    return done;
}
