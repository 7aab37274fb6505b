/* process_vm_readv, process_vm_writev: between our memory and another process's, piece by piece. */
#include "ptrace.h"
#include "../debug/debug.h"
#include <abi/errno.h>

#define IOV_MAX 1024
static long take_iov(struct iovec **v, u64 at, u64 n) {
    if (n > IOV_MAX)
        return -EINVAL;
    if (!(*v = kmalloc(max(n, 1UL) * sizeof(**v), GFP_KERNEL)))
        return -ENOMEM;
    return copy_from_user(*v, at, n * sizeof(**v));
}
static long copy_pieces(struct mm_struct *mm, const struct iovec *l, u64 nl, const struct iovec *r, u64 nr,
                        void *page, bool write) {
    u64 li = 0, lo = 0, ri = 0, ro = 0, done = 0;
    while (li < nl && ri < nr) {
        u64 n = min(min(l[li].len - lo, r[ri].len - ro), PAGE_SIZE - ((r[ri].base + ro) & (PAGE_SIZE - 1)));
        if (!n) {
            if (lo == l[li].len)
                li++, lo = 0;
            else
                ri++, ro = 0;
            continue;
        }
        if (write && copy_from_user(page, l[li].base + lo, n))
            return done ? (long)done : -EFAULT;
        if (access_process_vm(mm, r[ri].base + ro, page, n, write) != n ||
            (!write && copy_to_user(l[li].base + lo, page, n)))
            return done ? (long)done : -EFAULT;
        lo += n, ro += n, done += n;
        if (fatal_signal_pending(current))
            break;
    }
    return done;
}
static long process_vm_rw(u64 pid, u64 ulocal, u64 nl, u64 uremote, u64 nr, u64 flags, bool write) {
    struct iovec *l = NULL, *r = NULL;
    void *page = NULL;
    struct task_struct *t = NULL;
    long e = flags ? -EINVAL : 0;
    if (e || (e = take_iov(&l, ulocal, nl)) || (e = take_iov(&r, uremote, nr)))
        goto out;
    u64 total = 0;
    for (u64 i = 0; i < nl; i++) {
        e = l[i].len > (u64)INT64_MAX - total ? -EINVAL : 0;
        if (e)
            goto out;
        total += l[i].len;
    }
    e = -ENOMEM;
    if (!(page = kmalloc(PAGE_SIZE, GFP_KERNEL)))
        goto out;
    e = -ESRCH;
    if (!(t = get_task_by_pid((s32)pid)))
        goto out;
    struct mm_struct *mm = mm_access(t, PTRACE_MODE_ATTACH_REALCREDS);
    e = PTR_ERR(mm) == -EACCES ? -EPERM : PTR_ERR(mm);
    if (IS_ERR(mm))
        goto out;
    e = copy_pieces(mm, l, nl, r, nr, page, write);
    mmput(mm);
out:
    if (t)
        put_task(t);
    kfree(page);
    kfree(l);
    kfree(r);
    return e;
}
long sys_process_vm_readv(u64 pid, u64 l, u64 nl, u64 r, u64 nr, u64 flags) {
    return process_vm_rw(pid, l, nl, r, nr, flags, false);
}
long sys_process_vm_writev(u64 pid, u64 l, u64 nl, u64 r, u64 nr, u64 flags) {
    return process_vm_rw(pid, l, nl, r, nr, flags, true);
}
