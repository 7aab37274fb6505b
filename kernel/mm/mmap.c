/* Address spaces: a red-black tree of VMAs that do not overlap, ordered by address. */
#include "../core/user_namespace.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "mm.h"
#include <abi/errno.h>
#include <abi/sched.h>

#define MMAP_MIN 0x10000UL
#define MAX_MAP_COUNT 65530
#define STACK_GUARD (256 * PAGE_SIZE) /* what stays free below a stack that grows */

static struct kmem_cache *vma_cache, *mm_cache;
struct mm_struct init_mm = {.mm_users = {1},
                            .mm_count = {2}, /* its own, and the boot hart's */
                            .pgd = swapper_pg_dir,
                            .user_ns = &init_user_ns};

void mmap_init(void) {
    vma_cache = kmem_cache_create("vm_area", sizeof(struct vm_area));
    mm_cache = kmem_cache_create("mm_struct", sizeof(struct mm_struct));
    spin_lock_init(&init_mm.page_table_lock, RANK_PAGE_TABLE);
    rwsem_init(&init_mm.mmap_lock);
}

struct mm_struct *mm_alloc(struct user_namespace *ns) {
    struct mm_struct *mm = kmem_cache_alloc(mm_cache, GFP_KERNEL | GFP_ZERO);
    if (!mm)
        return NULL;
    if (!(mm->pgd = root_alloc())) {
        kmem_cache_free(mm_cache, mm);
        return NULL;
    }
    atomic_set(&mm->mm_users, 1);
    atomic_set(&mm->mm_count, 1);
    mm->user_ns = get_user_ns(ns);
    spin_lock_init(&mm->page_table_lock, RANK_PAGE_TABLE);
    rwsem_init(&mm->mmap_lock);
    return mm;
}

struct vm_area *first_vma(struct mm_struct *mm) {
    struct rb_node *n = rb_first(&mm->vmas);
    return n ? rb_entry(n, struct vm_area, node) : NULL;
}
struct vm_area *next_vma(struct vm_area *v) {
    struct rb_node *n = rb_next(&v->node);
    return n ? rb_entry(n, struct vm_area, node) : NULL;
}
static struct vm_area *prev_vma(struct vm_area *v) {
    struct rb_node *n = rb_prev(&v->node);
    return n ? rb_entry(n, struct vm_area, node) : NULL;
}

struct vm_area *find_vma(struct mm_struct *mm, u64 va) {
    struct vm_area *best = READ_ONCE(mm->cached);
    if (best && best->start <= va && va < best->end)
        return best;
    best = NULL;
    for (struct rb_node *n = mm->vmas.node; n;) {
        struct vm_area *v = rb_entry(n, struct vm_area, node);
        if (va < v->end) {
            best = v;
            if (va >= v->start)
                break;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    if (best && best->start <= va)
        WRITE_ONCE(mm->cached, best);
    return best;
}

static void tree_insert(struct mm_struct *mm, struct vm_area *v) {
    struct rb_node **link = &mm->vmas.node, *parent = NULL;
    while (*link) {
        parent = *link;
        link = v->start < rb_entry(parent, struct vm_area, node)->start ? &parent->left : &parent->right;
    }
    rb_insert(&mm->vmas, &v->node, parent, link);
    mm->map_count++;
}
static void tree_erase(struct mm_struct *mm, struct vm_area *v) {
    rb_erase(&mm->vmas, &v->node);
    mm->map_count--;
    if (mm->cached == v)
        mm->cached = NULL;
}

/* Truncation looks at a file's VMAs under i_mmap_lock alone: a change of what they map, and of which there
 * are, is one step under that lock, and so is the move of their pages. */
static void lock_mapping(struct vm_area *v) {
    if (v->file)
        mutex_lock(&v->file->mapping->i_mmap_lock);
}
static void unlock_mapping(struct vm_area *v) {
    if (v->file)
        mutex_unlock(&v->file->mapping->i_mmap_lock);
}
static void link_mapping(struct vm_area *v) {
    lock_mapping(v);
    if (v->file)
        list_add_tail(&v->map_link, &v->file->mapping->i_mmap);
    unlock_mapping(v);
}
static void unlink_mapping(struct vm_area *v) {
    lock_mapping(v);
    if (v->file)
        list_del(&v->map_link);
    unlock_mapping(v);
}

static struct vm_area *vma_alloc(struct mm_struct *mm, u64 start, u64 end, u32 flags) {
    struct vm_area *v = kmem_cache_alloc(vma_cache, GFP_KERNEL | GFP_ZERO);
    if (v)
        v->mm = mm, v->start = start, v->end = end, v->flags = flags;
    return v;
}
static void vma_free(struct vm_area *v) {
    if (v->file)
        fput(v->file);
    put_mempolicy(v->policy);
    kmem_cache_free(vma_cache, v);
}

/* Cut v in two at addr. The new VMA is the upper part. */
static int split_vma(struct vm_area *v, u64 addr) {
    if (v->mm->map_count >= MAX_MAP_COUNT)
        return -ENOMEM;
    struct vm_area *n = vma_alloc(v->mm, addr, v->end, v->flags);
    if (!n)
        return -ENOMEM;
    if ((n->file = v->file))
        get_file(n->file);
    n->pgoff = v->pgoff + ((addr - v->start) >> PAGE_SHIFT);
    n->policy = get_mempolicy(v->policy);
    n->special = v->special ? v->special + ((addr - v->start) >> PAGE_SHIFT) : NULL;
    lock_mapping(v);
    v->end = addr;
    TEST_POINT("vma-split");
    if (n->file)
        list_add_tail(&n->map_link, &n->file->mapping->i_mmap);
    unlock_mapping(v);
    tree_insert(v->mm, n);
    return 0;
}

/* Make VMA boundaries at start and end. */
int split_range(struct mm_struct *mm, u64 start, u64 end) {
    struct vm_area *v = find_vma(mm, start);
    int r = split_huge_at(mm, start);
    if (r || (r = split_huge_at(mm, end)))
        return r;
    if (v && v->start < start && (r = split_vma(v, start)))
        return r;
    v = find_vma(mm, end);
    if (v && v->start < end && (r = split_vma(v, end)))
        return r;
    return 0;
}

static bool can_merge(struct vm_area *a, struct vm_area *b) {
    return a->end == b->start && a->flags == b->flags && a->file == b->file &&
           same_mempolicy(a->policy, b->policy) && !(a->flags & (VM_GROWSDOWN | VM_SPECIAL)) &&
           (!a->file || a->pgoff + ((a->end - a->start) >> PAGE_SHIFT) == b->pgoff);
}

/* Join b to a, which it follows. */
static void merge(struct mm_struct *mm, struct vm_area *a, struct vm_area *b) {
    tree_erase(mm, b);
    lock_mapping(b);
    if (b->file)
        list_del(&b->map_link);
    a->end = b->end;
    unlock_mapping(b);
    vma_free(b);
}
/* Join v with its neighbours where they are alike. What is left of it: v or the one before. */
struct vm_area *merge_around(struct mm_struct *mm, struct vm_area *v) {
    struct vm_area *n = next_vma(v), *p = prev_vma(v);
    if (n && can_merge(v, n))
        merge(mm, v, n);
    if (!p || !can_merge(p, v))
        return v;
    merge(mm, p, v);
    return p;
}

/* Caller holds mmap_lock for writing. */
static int munmap_locked(struct mm_struct *mm, u64 start, u64 end) {
    struct vm_area *v = find_vma(mm, start);
    if (!v || v->start >= end)
        return 0;
    int r = zap_prepare(mm, start, end);
    if (r || (r = split_range(mm, start, end)))
        return r;
    if (end > mm->gap_top)
        mm->gap_top = 0;
    zap_page_range(mm, start, end);
    for (v = find_vma(mm, start); v && v->start < end;) {
        struct vm_area *n = next_vma(v);
        unlink_mapping(v);
        tree_erase(mm, v);
        mm->total_vm -= (v->end - v->start) >> PAGE_SHIFT;
        vma_free(v);
        v = n;
    }
    return 0;
}

int do_munmap(struct mm_struct *mm, u64 addr, u64 len) {
    u64 end;
    if ((addr & (PAGE_SIZE - 1)) || !len || user_pages(addr, len, &end))
        return -EINVAL;
    if (down_write_killable(&mm->mmap_lock))
        return -EINTR;
    int r = munmap_locked(mm, addr, end);
    up_write(&mm->mmap_lock);
    return r;
}

/* The highest gap of len bytes below `top`; -ENOMEM if none. Caller holds mmap_lock. */
static u64 gap_below(struct mm_struct *mm, u64 top, u64 len) {
    struct rb_node *n = rb_last(&mm->vmas);
    if (top < MMAP_TOP) { /* from the first VMA that ends above it */
        struct vm_area *v = find_vma(mm, top);
        n = v ? &v->node : n;
    }
    for (; n; n = rb_prev(n)) {
        struct vm_area *v = rb_entry(n, struct vm_area, node);
        if (v->end <= top && top - v->end >= len)
            break;
        u64 below = v->start - (v->flags & VM_GROWSDOWN ? min(STACK_GUARD, v->start) : 0);
        if (below < top)
            top = below;
    }
    return top >= MMAP_MIN + len ? top - len : (u64)-ENOMEM;
}
/* Above gap_top there was no gap of gap_len when last looked for; munmap forgets it. Else the search for the
 * place of the ten-thousandth stack would pass all the others. */
static u64 find_gap(struct mm_struct *mm, u64 len) {
    u64 at = (u64)-ENOMEM;
    if (mm->gap_top && len >= mm->gap_len)
        at = gap_below(mm, mm->gap_top, len);
    if ((s64)at < 0)
        at = gap_below(mm, MMAP_TOP, len);
    if ((s64)at >= 0) {
        mm->gap_top = at + len;
        mm->gap_len = len;
    }
    return at;
}
u64 unmapped_area(struct mm_struct *mm, u64 len) { return find_gap(mm, ALIGN_UP(len, PAGE_SIZE)); }

static u32 prot_flags(u32 prot) {
    return (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE : 0) |
           (prot & PROT_EXEC ? VM_EXEC : 0);
}

static bool is_free(struct mm_struct *mm, u64 start, u64 end) {
    struct vm_area *v = find_vma(mm, start);
    return !v || v->start >= end;
}

/* Link a new VMA over [start, end), which is free. Takes the file's reference over. */
static int add_vma(struct mm_struct *mm, u64 start, u64 end, u32 flags, struct file *file, u64 pgoff,
                   struct mempolicy *policy) {
    u64 pages = (end - start) >> PAGE_SHIFT, limit = rlimit(RLIMIT_AS);
    DEBUG_ON(start >= end || end > TASK_SIZE || ((start | end) & (PAGE_SIZE - 1)) ||
             !is_free(mm, start, end));
    if (mm->map_count >= MAX_MAP_COUNT ||
        (limit != RLIM_INFINITY && mm->total_vm + pages > limit >> PAGE_SHIFT))
        return -ENOMEM;
    struct vm_area *v = vma_alloc(mm, start, end, flags);
    if (!v)
        return -ENOMEM;
    v->file = file;
    v->pgoff = pgoff;
    v->policy = get_mempolicy(policy);
    tree_insert(mm, v);
    link_mapping(v);
    mm->total_vm += pages;
    merge_around(mm, v);
    return 0;
}

long do_mmap(struct mm_struct *mm, struct file *file, u64 addr, u64 len, u32 prot, u32 flags, u64 off) {
    u32 type = flags & MAP_TYPE, vm = prot_flags(prot);
    bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
    if (!len || (off & (PAGE_SIZE - 1)) || (prot & ~7u))
        return -EINVAL;
    if (len > TASK_SIZE)
        return -ENOMEM;
    len = ALIGN_UP(len, PAGE_SIZE);
    if (off + len < off)
        return -EOVERFLOW;
    if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
        return -EINVAL;
    vm |= VM_MAYWRITE;
    if (flags & MAP_STACK) /* a thread's stack: little of it is touched */
        vm |= VM_NOHUGEPAGE;
    if (flags & MAP_GROWSDOWN) {
        if (file || type != MAP_PRIVATE)
            return -EINVAL;
        vm |= VM_GROWSDOWN;
    }
    if (file) {
        if (!(file->mode & FMODE_READ))
            return -EACCES;
        if (type != MAP_PRIVATE && !(file->mode & FMODE_WRITE)) {
            if (vm & VM_WRITE)
                return -EACCES;
            vm &= ~VM_MAYWRITE;
        }
        if (!file->mapping || S_ISDIR(file->inode->i_mode))
            return -ENODEV;
        if ((vm & VM_EXEC) && (file->path.mnt && (file->path.mnt->flags & MS_NOEXEC)))
            return -EPERM;
        get_file(file);
    } else if (type != MAP_PRIVATE) {
        file = shmem_file(len); /* shared anonymous memory is an unnamed tmpfs file */
        if (IS_ERR(file))
            return PTR_ERR(file);
        off = 0;
    }
    if (type != MAP_PRIVATE)
        vm |= VM_SHARED;
    long r = -EINTR;
    if (down_write_killable(&mm->mmap_lock))
        goto put;
    r = -EAGAIN;
    if ((flags & MAP_LOCKED) || mm->lock_future) {
        vm |= VM_LOCKED;
        if (!lock_limit_ok(mm, len >> PAGE_SHIFT))
            goto unlock;
    }
    r = -EINVAL;
    if (fixed) {
        if (addr & (PAGE_SIZE - 1))
            goto unlock;
        r = -ENOMEM;
        if (addr > TASK_SIZE - len)
            goto unlock;
        r = addr < MMAP_MIN ? -EPERM : 0;
        if (r)
            goto unlock;
        if ((flags & MAP_FIXED_NOREPLACE) && !is_free(mm, addr, addr + len)) {
            r = -EEXIST;
            goto unlock;
        }
        if ((r = munmap_locked(mm, addr, addr + len)))
            goto unlock;
    } else {
        addr = ALIGN_UP(addr, PAGE_SIZE);
        if (addr < MMAP_MIN || len > MMAP_TOP || addr > MMAP_TOP - len || !is_free(mm, addr, addr + len))
            addr = find_gap(mm, len);
        if ((r = (long)addr) < 0)
            goto unlock;
    }
    r = add_vma(mm, addr, addr + len, vm, file, off >> PAGE_SHIFT, NULL);
    if (!r) {
        up_write(&mm->mmap_lock);
        if ((flags & MAP_POPULATE) || (vm & VM_LOCKED))
            populate(mm, addr, addr + len);
        return addr;
    }
unlock:
    up_write(&mm->mmap_lock);
put:
    if (file)
        fput(file);
    return r;
}

int insert_special(struct mm_struct *mm, u64 addr, u32 flags, struct page **pages, u64 n) {
    if (!is_free(mm, addr, addr + n * PAGE_SIZE))
        return -EEXIST;
    int r = add_vma(mm, addr, addr + n * PAGE_SIZE, flags | VM_SPECIAL, NULL, 0, NULL);
    if (!r)
        find_vma(mm, addr)->special = pages; /* the new one: such VMAs are not joined with others */
    return r;
}

int stack_vma(struct mm_struct *mm, u64 top, u64 size) {
    return add_vma(mm, top - size, top, VM_READ | VM_WRITE | VM_MAYWRITE | VM_GROWSDOWN, NULL, 0, NULL);
}
int grow_stack(struct mm_struct *mm, u64 va) {
    int r = -EFAULT;
    if (down_write_killable(&mm->mmap_lock))
        return -EINTR;
    struct vm_area *v = find_vma(mm, va), *below = v ? prev_vma(v) : NULL;
    u64 start = ALIGN_DOWN(va, PAGE_SIZE);
    if (v && v->start <= start) { /* another thread was first */
        r = 0;
    } else if (v && (v->flags & VM_GROWSDOWN) && start >= MMAP_MIN &&
               v->end - start <= rlimit(RLIMIT_STACK) &&
               (!below || (below->flags & VM_GROWSDOWN) || start >= below->end + STACK_GUARD)) {
        u64 pages = (v->start - start) >> PAGE_SHIFT, limit = rlimit(RLIMIT_AS);
        if ((limit == RLIM_INFINITY || mm->total_vm + pages <= limit >> PAGE_SHIFT) &&
            (!(v->flags & VM_LOCKED) || lock_limit_ok(mm, pages))) {
            v->start = start;
            mm->total_vm += pages;
            r = 0;
        }
    }
    up_write(&mm->mmap_lock);
    return r;
}
/* Anonymous private memory at a fixed place (heap, bss). Caller holds mmap_lock or is alone. */
long do_brk_area(struct mm_struct *mm, u64 addr, u64 len, u32 flags) {
    return add_vma(mm, addr, addr + len, flags | VM_MAYWRITE, NULL, 0, NULL);
}

long sys_brk(u64 brk) {
    struct mm_struct *mm = current->mm;
    if (down_write_killable(&mm->mmap_lock))
        return -EINTR;
    u64 old = ALIGN_UP(mm->brk, PAGE_SIZE), new = ALIGN_UP(brk, PAGE_SIZE);
    if (brk >= mm->start_brk && brk < MMAP_TOP && rlimit(RLIMIT_DATA) >= brk - mm->start_brk) {
        struct vm_area *v;
        if (new < old) {
            if (!munmap_locked(mm, new, old))
                mm->brk = brk;
        } else if (new == old) {
            mm->brk = brk;
        } else if (!((v = find_vma(mm, old)) && v->start < new + PAGE_SIZE) &&
                   (!mm->lock_future || lock_limit_ok(mm, (new - old) >> PAGE_SHIFT))) {
            if (!do_brk_area(mm, old, new - old, VM_READ | VM_WRITE | (mm->lock_future ? VM_LOCKED : 0)))
                mm->brk = brk;
        }
    }
    brk = mm->brk;
    bool lock = mm->lock_future;
    up_write(&mm->mmap_lock);
    if (lock)
        populate(mm, old, ALIGN_UP(brk, PAGE_SIZE));
    return brk;
}

long sys_mmap(u64 addr, u64 len, u64 prot, u64 flags, u64 fd, u64 off) {
    if (off & (PAGE_SIZE - 1)) /* of anonymous memory too */
        return -EINVAL;
    if (flags & MAP_ANONYMOUS)
        return do_mmap(current->mm, NULL, addr, len, prot, flags, 0);
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    long r = do_mmap(current->mm, f, addr, len, prot, flags, off);
    fput(f);
    return r;
}
long sys_munmap(u64 addr, u64 len) { return do_munmap(current->mm, addr, len); }

long sys_mprotect(u64 start, u64 len, u64 prot) {
    struct mm_struct *mm = current->mm;
    u64 end, at = start;
    bool down = prot & PROT_GROWSDOWN; /* from where the stack now begins */
    prot &= ~(u64)PROT_GROWSDOWN;
    if ((start & (PAGE_SIZE - 1)) || (prot & ~7UL))
        return -EINVAL;
    if (!len)
        return 0;
    if (user_pages(start, len, &end))
        return -ENOMEM;
    if (down_write_killable(&mm->mmap_lock))
        return -EINTR;
    long r = 0;
    struct vm_area *v = find_vma(mm, start);
    if (down && v && v->start < end) {
        if (!(v->flags & VM_GROWSDOWN))
            r = -EINVAL;
        start = at = v->start;
    }
    for (v = find_vma(mm, start); !r && v && v->start <= at && at < end; v = next_vma(v)) {
        at = v->end;
        if ((prot & PROT_WRITE) && !(v->flags & VM_MAYWRITE))
            r = -EACCES;
    }
    if (!r && at < end)
        r = -ENOMEM;
    if (!r && !(r = own_page_range(mm, start, end)) && !(r = split_range(mm, start, end)))
        for (v = find_vma(mm, start); v && v->start < end; v = next_vma(v)) {
            v->flags = (v->flags & ~7u) | prot_flags(prot);
            protect_page_range(v, v->start, v->end);
            struct vm_area *p = prev_vma(v);
            if (p && can_merge(p, v)) {
                merge(mm, p, v);
                v = p;
            }
        }
    if (!r && (v = find_vma(mm, end)) && v->start == end)
        merge_around(mm, v);
    up_write(&mm->mmap_lock);
    return r;
}

long sys_mremap(u64 old, u64 old_len, u64 new_len, u64 flags, u64 new_addr) {
    struct mm_struct *mm = current->mm;
    if ((flags & ~3UL) || (old & (PAGE_SIZE - 1)) || !new_len || new_len > TASK_SIZE ||
        !access_ok(old, old_len))
        return -EINVAL;
    old_len = ALIGN_UP(old_len, PAGE_SIZE);
    new_len = ALIGN_UP(new_len, PAGE_SIZE);
    if ((flags & MREMAP_FIXED) &&
        (!(flags & MREMAP_MAYMOVE) || (new_addr & (PAGE_SIZE - 1)) || new_addr > TASK_SIZE - new_len ||
         new_addr < MMAP_MIN || (new_addr < old + old_len && old < new_addr + new_len)))
        return -EINVAL;
    if (down_write_killable(&mm->mmap_lock))
        return -EINTR;
    long r = -EFAULT;
    bool lock = false; /* what is new is to be there */
    struct vm_area *v = find_vma(mm, old), *n;
    if (!v || v->start > old || !old_len || v->end < old + old_len || (v->flags & VM_SPECIAL))
        goto out;
    if (new_len > old_len && (v->flags & VM_LOCKED)) {
        r = -EAGAIN;
        if (!lock_limit_ok(mm, (new_len - old_len) >> PAGE_SHIFT))
            goto out;
        lock = true;
    }
    if (!(flags & MREMAP_FIXED)) {
        if (new_len <= old_len) {
            r = new_len < old_len ? munmap_locked(mm, old + new_len, old + old_len) : 0;
            r = r ? r : (long)old;
            goto out;
        }
        n = next_vma(v);
        if (v->end == old + old_len && old + new_len <= TASK_SIZE && (!n || n->start >= old + new_len)) {
            if (v->file)
                get_file(v->file);
            r = add_vma(mm, old + old_len, old + new_len, v->flags, v->file,
                        v->pgoff + ((v->end - v->start) >> PAGE_SHIFT), v->policy);
            if (r && v->file)
                fput(v->file);
            r = r ? r : (long)old;
            goto out;
        }
        r = -ENOMEM;
        if (!(flags & MREMAP_MAYMOVE))
            goto out;
        new_addr = find_gap(mm, new_len);
        if ((long)new_addr < 0)
            goto out;
    } else if ((r = munmap_locked(mm, new_addr, new_addr + new_len))) {
        goto out;
    }
    v = find_vma(mm, old);
    if (v->file)
        get_file(v->file);
    u64 pgoff = v->pgoff + ((old - v->start) >> PAGE_SHIFT);
    if ((r = add_vma(mm, new_addr, new_addr + new_len, v->flags & ~VM_GROWSDOWN, v->file, pgoff,
                     v->policy))) {
        if (v->file)
            fput(v->file);
        goto out;
    }
    u64 moved = min(old_len, new_len);
    v = find_vma(mm, old);
    lock_mapping(v);
    if ((r = move_page_tables(mm, old, new_addr, moved)))
        move_page_tables(mm, new_addr, old, moved);
    unlock_mapping(v);
    if (r) {
        munmap_locked(mm, new_addr, new_addr + new_len);
        goto out;
    }
    munmap_locked(mm, old, old + old_len);
    r = new_addr;
out:
    up_write(&mm->mmap_lock);
    if (lock && r >= 0)
        populate(mm, r + old_len, r + new_len);
    return r;
}

long sys_madvise(u64 start, u64 len, u64 advice) {
    struct mm_struct *mm = current->mm;
    u64 end, at = start;
    u32 set = 0, clear = 0;
    if ((start & (PAGE_SIZE - 1)) || user_pages(start, len, &end))
        return -EINVAL;
    switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTNEED:
    case MADV_FREE:
        break;
    case MADV_DONTFORK:
        set = VM_DONTFORK;
        break;
    case MADV_DOFORK:
        clear = VM_DONTFORK;
        break;
    case MADV_WIPEONFORK:
        set = VM_WIPEONFORK;
        break;
    case MADV_KEEPONFORK:
        clear = VM_WIPEONFORK;
        break;
    case MADV_HUGEPAGE:
        set = VM_HUGEPAGE;
        clear = VM_NOHUGEPAGE;
        break;
    case MADV_NOHUGEPAGE:
        set = VM_NOHUGEPAGE;
        clear = VM_HUGEPAGE;
        break;
    default:
        return -EINVAL;
    }
    if (start == end)
        return 0;
    if (down_write_killable(&mm->mmap_lock))
        return -EINTR;
    long r = 0;
    if ((set | clear) && (r = split_range(mm, start, end)))
        goto out;
    for (struct vm_area *v = find_vma(mm, start); v && v->start < end; v = next_vma(v)) {
        if (v->start > at)
            r = -ENOMEM; /* a hole: the rest is done all the same */
        at = v->end;
        if (((set & VM_WIPEONFORK) && (v->file || (v->flags & VM_SHARED))) ||
            ((v->flags & VM_SPECIAL) && (clear || (set & ~VM_DONTFORK)))) {
            r = -EINVAL; /* special pages may go with this mm: whether a child has them is not its to say */
            break;
        }
        v->flags = (v->flags | set) & ~clear;
        mm->leaves_out |= (set & (VM_DONTFORK | VM_WIPEONFORK)) != 0;
        if (advice == MADV_DONTNEED && (v->flags & VM_LOCKED)) {
            r = -EINVAL;
            break;
        }
        u64 from = max(v->start, start), to = min(v->end, end);
        if (advice == MADV_DONTNEED || (advice == MADV_FREE && !v->file)) {
            if (zap_prepare(mm, from, to)) {
                r = -EAGAIN;
                break;
            }
            zap_page_range(mm, from, to);
        }
    }
    if (at < end && !r)
        r = -ENOMEM;
out:
    up_write(&mm->mmap_lock);
    return r;
}

long sys_msync(u64 start, u64 len, u64 flags) {
    struct mm_struct *mm = current->mm;
    u64 end, at = start;
    if ((start & (PAGE_SIZE - 1)) || (flags & ~7UL) || ((flags & MS_ASYNC) && (flags & MS_SYNC)))
        return -EINVAL;
    if (user_pages(start, len, &end))
        return -ENOMEM;
    while (at < end) {
        struct file *f = NULL;
        down_read(&mm->mmap_lock);
        struct vm_area *v = find_vma(mm, at);
        bool hole = !v || v->start > at;
        if (!hole) {
            at = v->end;
            if (v->file && (v->flags & VM_SHARED) && (flags & MS_SYNC))
                get_file(f = v->file);
        }
        up_read(&mm->mmap_lock);
        if (hole)
            return -ENOMEM;
        if (f) {
            long r = vfs_fsync(f, true);
            fput(f);
            if (r)
                return r;
        }
    }
    return 0;
}

static void exit_mmap(struct mm_struct *mm) {
    struct vm_area *v, *n;
    zap_all(mm);
    for (v = first_vma(mm); v; v = n) {
        n = next_vma(v);
        unlink_mapping(v);
        tree_erase(mm, v);
        vma_free(v);
    }
    if (mm->exe_file) {
        allow_write_access(mm->exe_file->inode);
        fput(mm->exe_file);
    }
    mm->exe_file = NULL;
    if (mm->step)
        step_free(mm);
    mm->step = NULL;
}

void mmdrop(struct mm_struct *mm) {
    if (!atomic_dec_and_test(&mm->mm_count))
        return;
    BUG_ON(mm == &init_mm);
    DEBUG_ON(virt_to_page(mm->pgd)->inuse);
    root_free(mm->pgd);
    put_user_ns(mm->user_ns);
    kmem_cache_free(mm_cache, mm);
}

void mmput(struct mm_struct *mm) {
    if (!atomic_dec_and_test(&mm->mm_users))
        return;
    exit_mmap(mm);
    mmdrop(mm);
}

struct mm_struct *dup_mm(struct mm_struct *old) {
    struct mm_struct *mm = mm_alloc(old->user_ns);
    if (!mm)
        return NULL;
    bool failed = false;
    down_write(&old->mmap_lock);
    mm->total_vm = 0;
    for (struct vm_area *v = first_vma(old); v; v = next_vma(v)) {
        if (v->flags & VM_DONTFORK)
            continue;
        struct vm_area *n = vma_alloc(mm, v->start, v->end, v->flags & ~VM_LOCKED);
        if (!n) {
            failed = true;
            break;
        }
        n->pgoff = v->pgoff;
        n->special = v->special;
        n->policy = get_mempolicy(v->policy);
        if ((n->file = v->file))
            get_file(n->file);
        tree_insert(mm, n);
        link_mapping(n);
        mm->total_vm += (v->end - v->start) >> PAGE_SHIFT;
    }
    /* After all VMAs, for a table may serve several: truncation must find each of them. */
    if (!failed)
        failed = copy_page_tables(mm, old);
    if (!failed)
        copy_stack_page(mm, old, task_trapframe(current)->sp);
    flush_tlb_range(old, 0, TASK_SIZE); /* the parent's stores must fault from now on */
    mm->start_code = old->start_code, mm->end_code = old->end_code;
    mm->start_brk = old->start_brk, mm->brk = old->brk, mm->start_stack = old->start_stack;
    mm->arg_start = old->arg_start, mm->arg_end = old->arg_end;
    mm->env_start = old->env_start, mm->env_end = old->env_end;
    mm->auxv_start = old->auxv_start, mm->auxv_end = old->auxv_end;
    mm->vdso = old->vdso;
    mm->undumpable = old->undumpable;
    if ((mm->exe_file = old->exe_file)) {
        get_file(mm->exe_file);
        deny_write_access(mm->exe_file->inode); /* as the old one does, so it cannot fail */
    }
    up_write(&old->mmap_lock);
    if (failed) {
        mmput(mm);
        return NULL;
    }
    return mm;
}
