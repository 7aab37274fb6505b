/* mlock and its kin (C18). Nothing here is ever swapped, and what is mapped is not reclaimed; so to lock
 * memory is to have it all resident, to count it against RLIMIT_MEMLOCK, and to refuse what would discard it.
 * A child's memory is not locked. */
#include "../core/task.h"
#include "mm.h"
#include <abi/errno.h>

static bool may_lock(void) { return rlimit(RLIMIT_MEMLOCK) || capable(CAP_IPC_LOCK); }

u64 locked_pages(struct mm_struct *mm) {
    u64 n = 0;
    for (struct vm_area *v = first_vma(mm); v; v = next_vma(v))
        n += v->flags & VM_LOCKED ? (v->end - v->start) >> PAGE_SHIFT : 0;
    return n;
}
bool lock_limit_ok(struct mm_struct *mm, u64 more) {
    return capable(CAP_IPC_LOCK) || rlimit(RLIMIT_MEMLOCK) == RLIM_INFINITY ||
           locked_pages(mm) + more <= rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
}

int populate(struct mm_struct *mm, u64 start, u64 end) {
    for (u64 va = start; va < end; va += PAGE_SIZE) {
        down_read(&mm->mmap_lock);
        struct vm_area *v = find_vma(mm, va);
        u32 f = v && v->start <= va ? v->flags : 0;
        up_read(&mm->mmap_lock);
        /* a store, so that no later one has to copy; but a shared file page is not to become dirty */
        u32 access = (f & VM_WRITE) && !(f & VM_SHARED) ? VM_WRITE : f & VM_READ ? VM_READ : VM_EXEC;
        if (!f || handle_mm_fault(mm, va, access))
            return -ENOMEM;
        if (fatal_signal_pending(current))
            return -EINTR;
    }
    return 0;
}

/* Set or clear VM_LOCKED in [start, end), all of which must be mapped. Caller holds mmap_lock for writing. */
static long mark(struct mm_struct *mm, u64 start, u64 end, bool lock) {
    u64 at = start, already = 0;
    struct vm_area *v;
    for (v = find_vma(mm, start); v && v->start <= at && at < end; v = next_vma(v)) {
        already += v->flags & VM_LOCKED ? (min(v->end, end) - at) >> PAGE_SHIFT : 0;
        at = v->end;
    }
    if (at < end)
        return -ENOMEM;
    if (lock && !lock_limit_ok(mm, ((end - start) >> PAGE_SHIFT) - already))
        return -ENOMEM;
    long r = split_range(mm, start, end);
    for (v = find_vma(mm, start); !r && v && v->start < end; v = next_vma(v)) {
        v->flags = lock ? v->flags | VM_LOCKED : v->flags & ~VM_LOCKED;
        v = merge_around(mm, v);
    }
    return r;
}
static long do_mlock(u64 start, u64 len, bool lock, bool now) {
    struct mm_struct *mm = current->mm;
    u64 skew = start & (PAGE_SIZE - 1), end;
    if (lock && !may_lock())
        return -EPERM;
    long r = len + skew < len ? -EINVAL : user_pages(start -= skew, len + skew, &end);
    if (r)
        return r;
    if (start == end)
        return 0;
    if (down_write_killable(&mm->mmap_lock))
        return -EINTR;
    r = mark(mm, start, end, lock);
    up_write(&mm->mmap_lock);
    return r || !now ? r : populate(mm, start, end);
}
long sys_mlock(u64 start, u64 len) { return do_mlock(start, len, true, true); }
long sys_mlock2(u64 start, u64 len, u64 flags) {
    return flags & ~(u64)MLOCK_ONFAULT ? -EINVAL : do_mlock(start, len, true, !flags);
}
long sys_munlock(u64 start, u64 len) { return do_mlock(start, len, false, false); }

static long lock_all(bool lock, bool future) {
    struct mm_struct *mm = current->mm;
    if (down_write_killable(&mm->mmap_lock))
        return -EINTR;
    mm->lock_future = future;
    for (struct vm_area *v = first_vma(mm); v; v = next_vma(v))
        if (!v->special)
            v->flags = lock ? v->flags | VM_LOCKED : v->flags & ~VM_LOCKED;
    up_write(&mm->mmap_lock);
    return 0;
}
long sys_mlockall(u64 flags) {
    struct mm_struct *mm = current->mm;
    if (!flags || (flags & ~7UL) || flags == MCL_ONFAULT)
        return -EINVAL;
    if (!may_lock())
        return -EPERM;
    if (!(flags & MCL_CURRENT)) {
        mm->lock_future = true;
        return 0;
    }
    if (!capable(CAP_IPC_LOCK) && rlimit(RLIMIT_MEMLOCK) != RLIM_INFINITY &&
        mm->total_vm > rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT)
        return -ENOMEM;
    long r = lock_all(true, flags & MCL_FUTURE);
    for (u64 at = 0;
         !r && !(flags & MCL_ONFAULT);) { /* as far as it goes: a part that may not be touched is no error */
        down_read(&mm->mmap_lock);
        struct vm_area *v = find_vma(mm, at);
        u64 start = v ? v->start : 0, end = v ? v->end : 0;
        up_read(&mm->mmap_lock);
        if (!v)
            break;
        populate(mm, max(start, at), end);
        at = end;
    }
    return r;
}
long sys_munlockall(void) { return lock_all(false, false); }
