/* fcntl; locks on whole files (flock), on ranges for a process (POSIX), on ranges for an open file (OFD). All
 * under locks_mutex, in a list of the inode. */
#include "../core/nsproxy.h"
#include "../debug/debug.h"
#include "fs.h"

#define LAST_BYTE 0x7fffffffffffffff
enum lock_kind { FLOCK, POSIX, OFD };
struct file_lock {
    struct list_head link;
    struct inode *inode;
    void *owner; /* POSIX: the descriptor table; else the open file */
    enum lock_kind kind;
    bool write;
    loff_t start, end; /* inclusive */
    pid_t pid;
};
/* Who waits for a POSIX lock, for whoever would wait for it in a circle. */
struct lock_waiter {
    struct list_head link;
    const struct file_lock *want;
};
static LIST_HEAD(waiters);
static struct mutex locks_mutex = MUTEX_INIT(locks_mutex);
static struct wait_queue_head locks_wait = WAIT_QUEUE_INIT(locks_wait);

static struct file_lock *conflict(const struct file_lock *want) {
    struct file_lock *l;
    list_for_each_entry(l, &want->inode->locks,
                        link) if ((l->kind == FLOCK) == (want->kind == FLOCK) && l->owner != want->owner &&
                                  (l->write || want->write) && l->start <= want->end &&
                                  want->start <= l->end) return l;
    return NULL;
}
/* Does the owner of what is in want's way wait, for one who waits ..., for want's owner? A wait by an open
 * file is nobody's in particular. */
static bool would_deadlock(const struct file_lock *want) {
    const struct file_lock *l = conflict(want);
    for (int n = 0; l && l->kind == POSIX && n < 10; n++) {
        if (l->owner == want->owner)
            return true;
        struct lock_waiter *w;
        const struct file_lock *next = NULL;
        list_for_each_entry(w, &waiters, link) if (w->want->owner == l->owner) next = conflict(w->want);
        l = next;
    }
    return false;
}
/* Take want's range out of what its owner holds, then add it if `add`. 0, -EAGAIN, -ENOMEM; with w, which is
 * in the list of waiters after -EAGAIN, -EDEADLK too. */
static int change_lock(const struct file_lock *want, bool add, struct lock_waiter *w) {
    struct file_lock *l, *n, *tail = kmalloc(sizeof(*tail), GFP_KERNEL),
                             *new = kmalloc(sizeof(*new), GFP_KERNEL);
    int r = 0;
    mutex_lock(&locks_mutex);
    if (!tail || !new)
        r = -ENOMEM;
    else if (add && conflict(want)) {
        r = w && want->kind == POSIX && would_deadlock(want) ? -EDEADLK : -EAGAIN;
        if (w && r == -EAGAIN)
            list_add(&w->link, &waiters);
    } else {
        list_for_each_entry_safe(l, n, &want->inode->locks, link) {
            if (l->owner != want->owner || l->kind != want->kind || l->end < want->start ||
                want->end < l->start)
                continue;
            if (l->start < want->start && l->end > want->end && tail) {
                *tail = *l;
                tail->start = want->end + 1;
                list_add(&tail->link, &l->link);
                tail = NULL;
                l->end = want->start - 1;
            } else if (l->start < want->start) {
                l->end = want->start - 1;
            } else if (l->end > want->end) {
                l->start = want->end + 1;
            } else {
                list_del(&l->link);
                kfree(l);
            }
        }
        if (add) {
            *new = *want;
            list_for_each_entry_safe(l, n, &want->inode->locks,
                                     link) { /* those that it touches are one with it */
                if (l->owner != new->owner || l->kind != new->kind || l->write != new->write ||
                    l->kind == FLOCK ||
                    (l->end != new->start - 1 && (new->end == LAST_BYTE || l->start != new->end + 1)))
                    continue;
                new->start = min(new->start, l->start);
                new->end = max(new->end, l->end);
                list_del(&l->link);
                kfree(l);
            }
            list_for_each_entry(l, &want->inode->locks, link) if (l->start > new->start) break;
            list_add_tail(&new->link, &l->link); /* in order of their first byte */
            new = NULL;
        }
    }
    mutex_unlock(&locks_mutex);
    kfree(tail);
    kfree(new);
    wake_up_all(&locks_wait);
    return r;
}
static bool lock_blocked(const struct file_lock *want) {
    mutex_lock(&locks_mutex);
    bool r = conflict(want) != NULL;
    mutex_unlock(&locks_mutex);
    return r;
}
static long lock_wait(const struct file_lock *want, bool block) {
    struct lock_waiter w = {.want = want};
    for (;;) {
        long r = change_lock(want, true, block ? &w : NULL);
        if (r != -EAGAIN || !block)
            return r;
        r = wait_event_interruptible(&locks_wait, !lock_blocked(want));
        mutex_lock(&locks_mutex);
        list_del(&w.link);
        mutex_unlock(&locks_mutex);
        if (r)
            return -ERESTARTSYS;
    }
}
static void release_locks(struct inode *i, void *owner, enum lock_kind kind) {
    struct file_lock *l, *n;
    if (list_empty(&i->locks)) /* one's own are seen */
        return;
    mutex_lock(&locks_mutex);
    list_for_each_entry_safe(l, n, &i->locks, link) if (l->owner == owner && l->kind == kind) {
        list_del(&l->link);
        kfree(l);
    }
    mutex_unlock(&locks_mutex);
    wake_up_all(&locks_wait);
}
void flock_release(struct file *f) {
    release_locks(f->inode, f, FLOCK);
    release_locks(f->inode, f, OFD);
}
void posix_lock_release(struct inode *i, void *owner) { release_locks(i, owner, POSIX); }

long sys_flock(u64 fd, u64 op) {
    u32 what = op & ~(u64)LOCK_NB;
    if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN)
        return -EINVAL;
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    struct file_lock l = {.inode = f->inode, .owner = f, .write = what == LOCK_EX, .end = LAST_BYTE};
    long r = what == LOCK_UN ? change_lock(&l, false, NULL) : lock_wait(&l, !(op & LOCK_NB));
    fput(f);
    return r;
}

struct abi_flock { /* without holes: it goes to the program as it lies in the kernel's stack */
    s16 type, whence;
    s32 zero;
    s64 start, len;
    s32 pid, zero_too;
};
static long fcntl_lock(u64 fd, struct file *f, u64 cmd, u64 arg) {
    struct abi_flock u;
    if (copy_from_user(&u, arg, sizeof(u)))
        return -EFAULT;
    bool ofd = cmd >= F_OFD_GETLK, get = cmd == F_GETLK || cmd == F_OFD_GETLK;
    s64 base = u.whence == 0 ? 0 : u.whence == 1 ? f->pos : u.whence == 2 ? f->inode->i_size : -1;
    s64 start, last;
    if (base < 0 || u.type < F_RDLCK || u.type > F_UNLCK || (get && u.type == F_UNLCK && !ofd) ||
        (ofd && u.pid))
        return -EINVAL;
    if (__builtin_add_overflow(base, u.start, &start))
        return -EOVERFLOW;
    if (start < 0)
        return -EINVAL;
    if (__builtin_add_overflow(start, u.len > 0 ? u.len - 1 : u.len,
                               &last)) /* of a length below 0: the first */
        return -EOVERFLOW;
    struct file_lock l = {.inode = f->inode,
                          .owner = ofd ? (void *)f : current->files,
                          .kind = ofd ? OFD : POSIX,
                          .write = u.type == F_WRLCK,
                          .start = u.len < 0 ? last : start,
                          .pid = ofd ? -1 : current->tgid};
    l.end = u.len > 0 ? last : u.len == 0 ? LAST_BYTE : start - 1;
    if (l.start < 0 || l.end < l.start)
        return -EINVAL;
    if (get) {
        mutex_lock(&locks_mutex);
        struct file_lock *c = conflict(&l);
        if (c)
            u = (struct abi_flock){.type = c->write ? F_WRLCK : F_RDLCK,
                                   .start = c->start,
                                   .len = c->end == LAST_BYTE ? 0 : c->end - c->start + 1,
                                   .pid = c->pid};
        else
            u.type = F_UNLCK;
        mutex_unlock(&locks_mutex);
        if (u.type != F_UNLCK && u.pid > 0 && current->pid_ns->level) { /* 0: not seen here */
            READ_TASKS(irq);
            u.pid = pid_nr_ns(u.pid, current->pid_ns);
            READ_TASKS_END(irq);
        }
        return copy_to_user(arg, &u, sizeof(u));
    }
    if (u.type == F_UNLCK)
        return change_lock(&l, false, NULL);
    if (!(f->mode & (l.write ? FMODE_WRITE : FMODE_READ)))
        return -EBADF;
    long r = lock_wait(&l, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
    if (r || ofd)
        return r;
    /* Another thread may have closed the descriptor meanwhile, when there was nothing to drop yet. */
    struct file *now = fget(fd);
    if (now)
        fput(now);
    if (now == f)
        return 0;
    posix_lock_release(f->inode, current->files);
    return -EBADF;
}
long pipe_fcntl(struct file *f, u32 cmd, u64 arg);
/* What fcntl does with a descriptor alone: these accept O_PATH. */
static bool about_descriptor(u32 cmd) {
    return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_GETFD || cmd == F_SETFD || cmd == F_GETFL;
}
long sys_fcntl(u64 fd, u64 cmd, u64 arg) {
    struct file *f = about_descriptor(cmd) ? fget_raw(fd) : fget(fd);
    if (!f)
        return -EBADF;
    long r = -EINVAL;
    u32 n = fd;
    struct files_struct *t = current->files;
    switch ((u32)cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        r = arg >= rlimit(RLIMIT_NOFILE) ? -EINVAL : take_fd(arg, cmd == F_DUPFD ? 0 : O_CLOEXEC);
        if (r >= 0) {
            get_file(f);
            fd_install(r, f);
        }
        break;
    case F_GETFD:
        spin_lock(&t->lock);
        r = t->cloexec[n / 64] >> n % 64 & 1;
        spin_unlock(&t->lock);
        break;
    case F_SETFD:
        spin_lock(&t->lock);
        t->cloexec[n / 64] = (t->cloexec[n / 64] & ~BIT(n % 64)) | (arg & FD_CLOEXEC ? BIT(n % 64) : 0);
        spin_unlock(&t->lock);
        r = 0;
        break;
    case F_GETFL:
        r = f->flags | O_LARGEFILE;
        break;
    case F_SETFL:
        r = (arg & ~(u64)f->flags & O_NOATIME) && !owner_or_capable(f->inode) ? -EPERM : 0;
        if (r)
            break;
        f->flags = (f->flags & ~(u32)(O_APPEND | O_NONBLOCK | O_NOATIME)) |
                   (arg & (O_APPEND | O_NONBLOCK | O_NOATIME));
        break;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        r = fcntl_lock(fd, f, (u32)cmd, arg);
        break;
    case F_GETOWN:
        r = f->owner;
        break;
    case F_SETOWN:
        f->owner = (s32)arg;
        r = 0;
        break;
    case F_SETPIPE_SZ:
    case F_GETPIPE_SZ:
        r = pipe_fcntl(f, cmd, arg);
        break;
    }
    fput(f);
    return r;
}
