/* Shared memory: a segment is an unnamed tmpfs file; each shmat maps it through an open file of its own,
 * whose release tells that this attach, and what forks made of it, are gone. */
#include "../core/nsproxy.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "../fs/procfs/procfs.h"
#include <abi/errno.h>
#include <abi/mman.h>

#define SHMMIN 1
#define MUTEX (&ipc_mutex[IPC_SHM])

struct shmid_kernel {
    struct kern_ipc_perm perm; /* first */
    struct file *file;         /* counted */
    u64 size;
    u32 attached; /* open files of shmat */
    s64 atime, dtime, ctime;
    pid_t cpid, lpid;
};

void shm_free(struct kern_ipc_perm *p) {
    struct shmid_kernel *s = container_of(p, struct shmid_kernel, perm);
    p->ns->shm_tot -= DIV_ROUND_UP(s->size, PAGE_SIZE);
    ipc_remove(IPC_SHM, p);
    struct file *f = s->file;
    if (s->attached) /* the last attach frees it (shm_release) */
        s->perm.ns = NULL;
    else
        kfree(s);
    fput(f);
}
static void shm_release(struct file *f) {
    struct shmid_kernel *s = f->private;
    mutex_lock(MUTEX);
    s->attached--;
    s->dtime = ipc_time();
    s->lpid = current->vtgid;
    if (!s->attached && !s->perm.ns) /* its namespace ended before */
        kfree(s);
    else if (!s->attached && (s->perm.mode & SHM_DEST))
        shm_free(&s->perm);
    mutex_unlock(MUTEX);
}
static const struct file_operations shm_fops = {.release = shm_release};

long sys_shmget(u64 ukey, u64 size, u64 flags) {
    struct ipc_namespace *ns = current_ipc_ns();
    s32 key = ukey;
    u64 pages = DIV_ROUND_UP(size, PAGE_SIZE);
    mutex_lock(MUTEX);
    struct shmid_kernel *s = (void *)ipc_lookup(ns, IPC_SHM, key, flags);
    long r = PTR_ERR(s);
    if (s && !IS_ERR(s)) {
        r = s->size < size ? -EINVAL : s->perm.id;
    } else if (!s) {
        struct file *f = NULL;
        r = size < SHMMIN || size > ns->shmmax || pages << PAGE_SHIFT < size || (flags & SHM_HUGETLB)
                ? -EINVAL
            : ns->shm_tot + pages < pages || ns->shm_tot + pages > ns->shmall ? -ENOSPC
                                                                              : 0;
        if (!r && !(s = kzalloc(sizeof(*s), GFP_KERNEL)))
            r = -ENOMEM;
        if (!r && IS_ERR(f = shmem_file(size)))
            r = PTR_ERR(f);
        if (!r && (r = ipc_add(ns, IPC_SHM, &s->perm, key, flags, ns->shmmni)) < 0)
            fput(f);
        if (r < 0) {
            kfree(s);
        } else {
            s->file = f;
            s->size = size;
            s->ctime = ipc_time();
            s->cpid = current->vtgid;
            ns->shm_tot += pages;
        }
    }
    mutex_unlock(MUTEX);
    return r;
}

/* An open file for one attach of s. */
static struct file *attach_file(struct shmid_kernel *s, bool write) {
    struct file *f = alloc_file(&shm_fops, write ? O_RDWR : O_RDONLY);
    if (!f)
        return ERR_PTR(-ENOMEM);
    ihold(f->inode = s->file->inode);
    f->mapping = s->file->mapping;
    f->mode = FMODE_READ | (write ? FMODE_WRITE : 0);
    f->private = s;
    s->attached++;
    s->atime = ipc_time();
    s->lpid = current->vtgid;
    return f;
}

long sys_shmat(u64 uid, u64 addr, u64 uflags) {
    u32 flags = uflags;
    bool write = !(flags & SHM_RDONLY);
    if ((s32)uid < 0)
        return -EINVAL;
    if (addr && (addr & (PAGE_SIZE - 1))) {
        if (!(flags & SHM_RND))
            return -EINVAL;
        addr = ALIGN_DOWN(addr, PAGE_SIZE);
    }
    if (!addr && (flags & SHM_REMAP))
        return -EINVAL;
    mutex_lock(MUTEX);
    struct shmid_kernel *s = (void *)ipc_find(current_ipc_ns(), IPC_SHM, uid);
    long r = !s ? -EINVAL : ipcperms(&s->perm, 0444 | (write ? 0222 : 0) | (flags & SHM_EXEC ? 0111 : 0));
    struct file *f = r ? ERR_PTR(r) : attach_file(s, write);
    u64 size = IS_ERR(f) ? 0 : s->size;
    mutex_unlock(MUTEX);
    if (IS_ERR(f))
        return PTR_ERR(f);
    r = do_mmap(current->mm, f, addr, size,
                PROT_READ | (write ? PROT_WRITE : 0) | (flags & SHM_EXEC ? PROT_EXEC : 0),
                MAP_SHARED | (!addr               ? 0
                              : flags & SHM_REMAP ? MAP_FIXED
                                                  : MAP_FIXED_NOREPLACE),
                0);
    fput(f);
    return r == -EEXIST ? -EINVAL : r;
}

/* All of the attach that begins at addr; parts of it may be gone or protected otherwise. */
long sys_shmdt(u64 addr) {
    struct mm_struct *mm = current->mm;
    if (addr & (PAGE_SIZE - 1))
        return -EINVAL;
    down_read(&mm->mmap_lock);
    struct vm_area *v = find_vma(mm, addr);
    struct file *f = NULL;
    while (v && !(v->file && v->file->f_op == &shm_fops && v->start - v->pgoff * PAGE_SIZE == addr))
        v = v->start > addr && v->start - addr > TASK_SIZE / 2 ? NULL : next_vma(v);
    if (v)
        get_file(f = v->file);
    up_read(&mm->mmap_lock);
    if (!f)
        return -EINVAL;
    u64 end = addr + ALIGN_UP(((struct shmid_kernel *)f->private)->size, PAGE_SIZE);
    long r = 0;
    for (u64 at = addr; !r && at < end;) {
        down_read(&mm->mmap_lock);
        v = find_vma(mm, at);
        while (v && v->start < end && !(v->file == f && v->start - v->pgoff * PAGE_SIZE == addr))
            v = next_vma(v);
        u64 from = v && v->start < end ? v->start : end, to = from < end ? v->end : end;
        up_read(&mm->mmap_lock);
        if (from < end)
            r = do_munmap(mm, from, to - from);
        at = to;
    }
    fput(f);
    return r;
}

static u64 nattch(struct shmid_kernel *s) {
    struct vm_area *v;
    u64 n = 0;
    mutex_lock(&s->file->mapping->i_mmap_lock);
    list_for_each_entry(v, &s->file->mapping->i_mmap, map_link) n++;
    mutex_unlock(&s->file->mapping->i_mmap_lock);
    return n;
}
static void fill(struct shmid_kernel *s, struct shmid64_ds *d) {
    *d = (struct shmid64_ds){.shm_segsz = s->size,
                             .shm_atime = s->atime,
                             .shm_dtime = s->dtime,
                             .shm_ctime = s->ctime,
                             .shm_cpid = s->cpid,
                             .shm_lpid = s->lpid,
                             .shm_nattch = nattch(s)};
    ipc_to_user(&s->perm, &d->shm_perm);
}
static long info(struct ipc_namespace *ns, bool limits, u64 at) {
    mutex_lock(MUTEX);
    struct shminfo64 l = {.shmmax = ns->shmmax,
                          .shmmin = SHMMIN,
                          .shmmni = ns->shmmni,
                          .shmseg = ns->shmmni,
                          .shmall = ns->shmall};
    struct shm_info i = {.used_ids = ns->ids[IPC_SHM].in_use, .shm_tot = ns->shm_tot};
    struct kern_ipc_perm *p;
    for (u64 k = 0; !limits && (p = radix_next(&ns->ids[IPC_SHM].objects, &k)); k++)
        i.shm_rss += container_of(p, struct shmid_kernel, perm)->file->mapping->pages.count;
    long last = ipc_max_index(ns, IPC_SHM);
    mutex_unlock(MUTEX);
    return (limits ? copy_to_user(at, &l, sizeof(l)) : copy_to_user(at, &i, sizeof(i))) ? -EFAULT : last;
}

long sys_shmctl(u64 uid, u64 ucmd, u64 arg) {
    struct ipc_namespace *ns = current_ipc_ns();
    s32 id = uid, cmd = ucmd;
    struct shmid64_ds d;
    if (id < 0 || cmd < 0)
        return -EINVAL;
    if (cmd == IPC_INFO || cmd == SHM_INFO)
        return info(ns, cmd == IPC_INFO, arg);
    if (cmd == IPC_SET && copy_from_user(&d, arg, sizeof(d)))
        return -EFAULT;
    bool by_index = cmd == SHM_STAT || cmd == SHM_STAT_ANY, stat = by_index || cmd == IPC_STAT;
    mutex_lock(MUTEX);
    struct shmid_kernel *s = (void *)(by_index ? ipc_at : ipc_find)(ns, IPC_SHM, id);
    long r = -EINVAL;
    if (!s) {
    } else if (stat) {
        if (cmd == SHM_STAT_ANY || !(r = ipcperms(&s->perm, 0444))) {
            fill(s, &d);
            r = by_index ? s->perm.id : 0;
        }
    } else if (cmd == IPC_SET) {
        if (!(r = ipc_may_change(&s->perm)) && !(r = ipc_set(&s->perm, &d.shm_perm))) {
            s->ctime = ipc_time();
        }
    } else if (cmd == IPC_RMID) {
        if (!(r = ipc_may_change(&s->perm)) && s->attached) {
            s->perm.mode |= SHM_DEST;
            ipc_remove_key(IPC_SHM, &s->perm);
        } else if (!r) {
            shm_free(&s->perm);
        }
    } else if (cmd == SHM_LOCK || cmd == SHM_UNLOCK) { /* nothing is ever swapped: the mark is all there is */
        uid_t euid = current->cred->euid;
        r = ns_capable(s->perm.ns->user_ns, CAP_IPC_LOCK) || ((euid == s->perm.uid || euid == s->perm.cuid) &&
                                                              (cmd == SHM_UNLOCK || rlimit(RLIMIT_MEMLOCK)))
                ? 0
                : -EPERM;
        if (!r)
            s->perm.mode = cmd == SHM_LOCK ? s->perm.mode | SHM_LOCKED : s->perm.mode & ~(u32)SHM_LOCKED;
    }
    mutex_unlock(MUTEX);
    return stat && r >= 0 && copy_to_user(arg, &d, sizeof(d)) ? -EFAULT : r;
}

void shm_show(struct seq *q, struct kern_ipc_perm *p) {
    struct shmid_kernel *s = container_of(p, struct shmid_kernel, perm);
    seq_printf(q, "%10d %10d  %4o %21lu %5d %5d  %5lu %5u %5u %5u %5u %10lu %10lu %10lu %21lu %21d\n", p->key,
               p->id, p->mode, s->size, s->cpid, s->lpid, nattch(s), p->uid, p->gid, p->cuid, p->cgid,
               s->atime, s->dtime, s->ctime, s->file->mapping->pages.count * PAGE_SIZE, 0);
}
