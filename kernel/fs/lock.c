/* fcntl; locks on whole files (flock) and on ranges (fcntl), all under locks_mutex. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

struct file_lock {
    struct list_head link;
    struct inode *inode;
    void *owner; /* flock: the open file; fcntl: the descriptor table */
    bool posix, write;
    loff_t start, end; /* inclusive */
    pid_t pid;
};
static LIST_HEAD(file_locks);
static struct mutex locks_mutex = MUTEX_INIT(locks_mutex);
static struct wait_queue_head locks_wait = WAIT_QUEUE_INIT(locks_wait);

static struct file_lock *conflict(const struct file_lock *want) {
    struct file_lock *l;
    list_for_each_entry(l, &file_locks, link) if (l->inode == want->inode && l->posix == want->posix &&
                                                  l->owner != want->owner && (l->write || want->write) &&
                                                  l->start <= want->end && want->start <= l->end) return l;
    return NULL;
}
/* Take want's range out of what its owner holds, then add it if `add`. 0, -EAGAIN, -ENOMEM. */
static int change_lock(const struct file_lock *want, bool add) {
    struct file_lock *l, *n, *tail = kmalloc(sizeof(*tail), GFP_KERNEL),
                             *new = kmalloc(sizeof(*new), GFP_KERNEL);
    int r = 0;
    mutex_lock(&locks_mutex);
    if (!tail || !new)
        r = -ENOMEM;
    else if (add && conflict(want))
        r = -EAGAIN;
    else {
        list_for_each_entry_safe(l, n, &file_locks, link) {
            if (l->inode != want->inode || l->owner != want->owner || l->posix != want->posix ||
                l->end < want->start || want->end < l->start)
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
            list_add_tail(&new->link, &file_locks);
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
    for (;;) {
        long r = change_lock(want, true);
        if (r != -EAGAIN || !block)
            return r;
        if (wait_event_interruptible(&locks_wait, !lock_blocked(want)))
            return -ERESTARTSYS;
    }
}
static void release_locks(struct inode *i, void *owner, bool posix) {
    if (list_empty(&file_locks))
        return;
    struct file_lock all = {.inode = i, .owner = owner, .posix = posix, .end = 0x7fffffffffffffff};
    change_lock(&all, false);
}
void flock_release(struct file *f) { release_locks(f->inode, f, false); }
void posix_lock_release(struct inode *i, void *owner) { release_locks(i, owner, true); }

long sys_flock(u64 fd, u64 op) {
    u32 what = op & ~(u64)LOCK_NB;
    if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN)
        return -EINVAL;
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    struct file_lock l = {.inode = f->inode, .owner = f, .write = what == LOCK_EX, .end = 0x7fffffffffffffff};
    long r = what == LOCK_UN ? change_lock(&l, false) : lock_wait(&l, !(op & LOCK_NB));
    fput(f);
    return r;
}

struct abi_flock {
    s16 type, whence;
    s64 start, len;
    s32 pid;
};
static long fcntl_lock(struct file *f, u64 cmd, u64 arg) {
    struct abi_flock u;
    if (copy_from_user(&u, arg, sizeof(u)))
        return -EFAULT;
    s64 base = u.whence == 0 ? 0 : u.whence == 1 ? f->pos : u.whence == 2 ? f->inode->i_size : -1;
    s64 start, last;
    if (base < 0 || u.type < F_RDLCK || u.type > F_UNLCK)
        return -EINVAL;
    if (__builtin_add_overflow(base, u.start, &start))
        return -EOVERFLOW;
    if (start < 0)
        return -EINVAL;
    if (__builtin_add_overflow(start, u.len > 0 ? u.len - 1 : u.len,
                               &last)) /* of a length below 0: the first */
        return -EOVERFLOW;
    struct file_lock l = {.inode = f->inode,
                          .owner = current->files,
                          .posix = true,
                          .write = u.type == F_WRLCK,
                          .start = u.len < 0 ? last : start,
                          .pid = current->vtgid};
    l.end = u.len > 0 ? last : u.len == 0 ? 0x7fffffffffffffff : start - 1;
    if (l.start < 0 || l.end < l.start)
        return -EINVAL;
    if (cmd == F_GETLK) {
        mutex_lock(&locks_mutex);
        struct file_lock *c = conflict(&l);
        if (c)
            u = (struct abi_flock){c->write ? F_WRLCK : F_RDLCK, 0, c->start,
                                   c->end == 0x7fffffffffffffff ? 0 : c->end - c->start + 1, c->pid};
        else
            u.type = F_UNLCK;
        mutex_unlock(&locks_mutex);
        return copy_to_user(arg, &u, sizeof(u));
    }
    if (u.type == F_UNLCK)
        return change_lock(&l, false);
    if (!(f->mode & (l.write ? FMODE_WRITE : FMODE_READ)))
        return -EBADF;
    return lock_wait(&l, cmd == F_SETLKW);
}
long pipe_fcntl(struct file *f, u32 cmd, u64 arg);
long sys_fcntl(u64 fd, u64 cmd, u64 arg) {
    struct file *f = fget_raw(fd);
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
        r = f->mode & FMODE_PATH ? -EBADF : fcntl_lock(f, cmd, arg);
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
