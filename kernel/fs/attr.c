/* stat, chmod, chown, utimes, truncate, fallocate. */
#include "../core/task.h"
#include "../core/user_namespace.h"
#include "../debug/debug.h"
#include "fs.h"
#include "inotify.h"

/* x, or NULL: what statx says beyond stat. */
static void fill_stat(struct inode *i, const struct path *p, struct stat *st, struct statx *x) {
    generic_fillattr(i, st);
    if (!x)
        return;
    if (i->i_btime.tv_sec || i->i_btime.tv_nsec) {
        x->stx_mask |= STATX_BTIME;
        x->stx_btime = (struct statx_timestamp){i->i_btime.tv_sec, i->i_btime.tv_nsec, 0};
    }
    x->stx_attributes_mask = STATX_ATTR_MOUNT_ROOT;
    if (p && p->mnt) {
        x->stx_mask |= STATX_MNT_ID;
        x->stx_mnt_id = p->mnt->id;
        x->stx_attributes = p->dentry == p->mnt->root ? STATX_ATTR_MOUNT_ROOT : 0;
    }
}
/* Accepts O_PATH. */
static int stat_at(s32 dfd, u64 name, u64 flags, struct stat *st, struct statx *x) {
    if ((flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE)) ||
        (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
        return -EINVAL;
    if (flags & AT_EMPTY_PATH) {
        char c = 0;
        if (name && copy_from_user(&c, name, 1))
            return -EFAULT;
        if (!c && dfd != AT_FDCWD) {
            struct file *f = fget_raw(dfd);
            if (!f)
                return -EBADF;
            fill_stat(f->inode, &f->path, st, x);
            fput(f);
            return 0;
        }
    }
    struct path p;
    int r = user_path(
        dfd, name,
        (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), &p);
    if (r)
        return r;
    fill_stat(p.dentry->inode, &p, st, x);
    path_put(&p);
    return 0;
}
long sys_newfstatat(u64 dfd, u64 name, u64 buf, u64 flags) {
    struct stat st;
    int r = stat_at(dfd, name, flags, &st, NULL);
    return r ? r : copy_to_user(buf, &st, sizeof(st));
}
long sys_fstat(u64 fd, u64 buf) { /* accepts O_PATH */
    struct stat st;
    struct file *f = fget_raw(fd);
    if (!f)
        return -EBADF;
    generic_fillattr(f->inode, &st);
    fput(f);
    return copy_to_user(buf, &st, sizeof(st));
}
long sys_statx(u64 dfd, u64 name, u64 flags, u64 mask, u64 buf) {
    struct stat s;
    struct statx x = {0};
    if (mask & 0x80000000u)
        return -EINVAL;
    int r = stat_at(dfd, name, flags, &s, &x);
    if (r)
        return r;
    x.stx_mask |= STATX_BASIC_STATS;
    x.stx_blksize = s.st_blksize;
    x.stx_nlink = s.st_nlink;
    x.stx_uid = s.st_uid, x.stx_gid = s.st_gid;
    x.stx_mode = s.st_mode;
    x.stx_ino = s.st_ino;
    x.stx_size = s.st_size, x.stx_blocks = s.st_blocks;
    x.stx_atime = (struct statx_timestamp){s.st_atime, s.st_atime_nsec, 0};
    x.stx_mtime = (struct statx_timestamp){s.st_mtime, s.st_mtime_nsec, 0};
    x.stx_ctime = (struct statx_timestamp){s.st_ctime, s.st_ctime_nsec, 0};
    x.stx_rdev_major = major(s.st_rdev), x.stx_rdev_minor = minor(s.st_rdev);
    x.stx_dev_major = major(s.st_dev), x.stx_dev_minor = minor(s.st_dev);
    return copy_to_user(buf, &x, sizeof(x));
}

static int changed(struct inode *i) {
    i->i_ctime = current_time();
    mark_inode_dirty(i);
    return i->i_op && i->i_op->setattr ? i->i_op->setattr(i) : 0;
}
bool owner_or_capable(const struct inode *i) {
    return current->cred->fsuid == i->i_uid || capable_wrt_inode(i, CAP_FOWNER);
}
static int do_chmod(struct inode *i, u32 mode) {
    if (i->sb->flags & MS_RDONLY)
        return -EROFS;
    if (!owner_or_capable(i))
        return -EPERM;
    mutex_lock(&i->lock);
    if (!in_group(current->cred, i->i_gid) && !capable_wrt_inode(i, CAP_FSETID))
        mode &= ~S_ISGID;
    i->i_mode = (i->i_mode & S_IFMT) | (mode & 07777);
    int r = changed(i);
    mutex_unlock(&i->lock);
    return r;
}
static int do_chown(struct inode *i, u32 uid, u32 gid) {
    const struct cred *c = current->cred;
    if (i->sb->flags & MS_RDONLY)
        return -EROFS;
    if (uid != ~0u && (uid = make_kuid(c->user_ns, uid)) == INVALID_ID)
        return -EINVAL;
    if (gid != ~0u && (gid = make_kgid(c->user_ns, gid)) == INVALID_ID)
        return -EINVAL;
    bool ok = (uid == ~0u && gid == ~0u) || capable_wrt_inode(i, CAP_CHOWN) ||
              (c->fsuid == i->i_uid && (uid == ~0u || uid == i->i_uid) && (gid == ~0u || in_group(c, gid)));
    if (!ok)
        return -EPERM;
    mutex_lock(&i->lock);
    if (!S_ISDIR(i->i_mode) &&
        (uid != ~0u || gid != ~0u)) { /* first: nobody sees a program of the new owner's */
        i->i_mode &= ~S_ISUID;
        if (i->i_mode & 0010)
            i->i_mode &= ~S_ISGID;
    }
    smp_mb();
    if (uid != ~0u)
        i->i_uid = uid;
    if (gid != ~0u)
        i->i_gid = gid;
    int r = changed(i);
    mutex_unlock(&i->lock);
    return r;
}
/* Who watches d is told, if it went well. */
static long notify(long r, struct dentry *d, u32 mask) {
    if (!r)
        fsnotify_dentry(d, mask);
    return r;
}
#define ON_PATH(dfd, name, lflags, expr)                                                                     \
    ({                                                                                                       \
        struct path _p;                                                                                      \
        long _r = user_path((s32)(dfd), name, lflags, &_p);                                                  \
        if (!_r) {                                                                                           \
            struct inode *inode = _p.dentry->inode;                                                          \
            _r = (expr);                                                                                     \
            path_put(&_p);                                                                                   \
        }                                                                                                    \
        _r;                                                                                                  \
    })
long sys_fchmod(u64 fd, u64 mode) {
    return ON_FILE(fd, notify(do_chmod(inode, mode), f->path.dentry, IN_ATTRIB));
}
long sys_fchmodat(u64 dfd, u64 name, u64 mode) {
    return ON_PATH(dfd, name, LOOKUP_FOLLOW, notify(do_chmod(inode, mode), _p.dentry, IN_ATTRIB));
}
long sys_fchown(u64 fd, u64 uid, u64 gid) {
    return ON_FILE(fd, notify(do_chown(inode, uid, gid), f->path.dentry, IN_ATTRIB));
}
long sys_fchownat(u64 dfd, u64 name, u64 uid, u64 gid, u64 flags) {
    return ON_PATH(dfd, name,
                   (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
                       (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
                   notify(do_chown(inode, uid, gid), _p.dentry, IN_ATTRIB));
}

#define UTIME_NOW 0x3fffffff
#define UTIME_OMIT 0x3ffffffe
static int do_utimes(struct inode *i, const struct abi_timespec *ts) {
    if (i->sb->flags & MS_RDONLY)
        return -EROFS;
    bool now = !ts || (ts[0].tv_nsec == UTIME_NOW && ts[1].tv_nsec == UTIME_NOW);
    if (!owner_or_capable(i) && (!now || permission(i, MAY_WRITE)))
        return now ? -EACCES : -EPERM;
    struct abi_timespec t = current_time();
    mutex_lock(&i->lock);
    if (!ts || ts[0].tv_nsec != UTIME_OMIT)
        i->i_atime = !ts || ts[0].tv_nsec == UTIME_NOW ? t : ts[0];
    if (!ts || ts[1].tv_nsec != UTIME_OMIT)
        i->i_mtime = !ts || ts[1].tv_nsec == UTIME_NOW ? t : ts[1];
    int r = changed(i);
    mutex_unlock(&i->lock);
    return r;
}
long sys_utimensat(u64 dfd, u64 name, u64 uts, u64 flags) {
    struct abi_timespec ts[2];
    if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (uts) {
        if (copy_from_user(ts, uts, sizeof(ts)))
            return -EFAULT;
        if (ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
            return 0;
        for (int k = 0; k < 2; k++)
            if ((u64)ts[k].tv_nsec >= 1000000000 && ts[k].tv_nsec != UTIME_NOW && ts[k].tv_nsec != UTIME_OMIT)
                return -EINVAL;
    }
    const struct abi_timespec *t = uts ? ts : NULL;
    u32 what = !t                            ? IN_ATTRIB
               : ts[0].tv_nsec == UTIME_OMIT ? IN_MODIFY
               : ts[1].tv_nsec == UTIME_OMIT ? IN_ACCESS
                                             : IN_ATTRIB;
    if (!name)
        return ON_FILE(dfd, notify(do_utimes(inode, t), f->path.dentry, what));
    return ON_PATH(dfd, name, flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW,
                   notify(do_utimes(inode, t), _p.dentry, what));
}

long sys_truncate(u64 name, u64 size) {
    return ON_PATH(AT_FDCWD, name, LOOKUP_FOLLOW,
                   S_ISDIR(inode->i_mode) ? -EISDIR
                   : (_r = permission(inode, MAY_WRITE))
                       ? _r
                       : notify(truncate_path(inode, size), _p.dentry, IN_MODIFY));
}
long sys_ftruncate(u64 fd, u64 size) {
    return ON_FILE(fd, !(f->mode & FMODE_WRITE) || !S_ISREG(inode->i_mode)
                           ? -EINVAL
                           : notify(do_truncate(inode, size), f->path.dentry, IN_MODIFY));
}

static int do_fallocate(struct file *f, u32 mode, s64 off, s64 len) {
    struct inode *i = f->inode;
    u64 end;
    if (off < 0 || len <= 0)
        return -EINVAL;
    if ((mode & ~(u32)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) || mode == FALLOC_FL_PUNCH_HOLE)
        return -EOPNOTSUPP;
    if (!(f->mode & FMODE_WRITE))
        return -EBADF;
    if (!S_ISREG(i->i_mode))
        return S_ISDIR(i->i_mode) ? -EISDIR : !(f->mode & FMODE_LSEEK) ? -ESPIPE : -ENODEV;
    if (__builtin_add_overflow((u64)off, (u64)len, &end) || end > i->sb->max_bytes)
        return -EFBIG;
    if (!i->i_op->fallocate)
        return -EOPNOTSUPP;
    mutex_lock(&i->lock);
    int r = !(mode & FALLOC_FL_KEEP_SIZE) && end > (u64)i->i_size ? may_grow(i, end) : 0;
    if (!r && !(r = i->i_op->fallocate(i, mode, off, len))) {
        file_remove_privs(i);
        inode_update_mtime(i);
    }
    mutex_unlock(&i->lock);
    if (!r)
        fsnotify_file(f, IN_MODIFY);
    return r;
}
long sys_fallocate(u64 fd, u64 mode, u64 off, u64 len) {
    return ON_FILE(fd, do_fallocate(f, mode, off, len));
}
