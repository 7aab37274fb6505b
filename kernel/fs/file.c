/* Open files and descriptor tables (C15), cwd and root (C16). A table's lock guards its slots; a slot that
 * is reserved but not yet filled holds NULL with its bit in `open` set. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

static struct kmem_cache *file_cache;
static struct path fs_nowhere[2];

void files_init(void) {
    file_cache = kmem_cache_create("file", sizeof(struct file));
    init_task.fs->cwd = &fs_nowhere[0];
    init_task.fs->root = &fs_nowhere[1];
}

#define RESERVED ((struct file *)1)
static struct file *slot_file(struct file *f) { return f == RESERVED ? NULL : f; }

struct file *fget_raw(u64 fd) {
    struct files_struct *t = current->files;
    struct file *f = NULL;
    spin_lock(&t->lock);
    if ((u32)fd < t->size && (f = slot_file(t->fd[(u32)fd])))
        get_file(f);
    spin_unlock(&t->lock);
    return f;
}
struct file *fget(u64 fd) {
    struct file *f = fget_raw(fd);
    if (f && (f->mode & FMODE_PATH)) {
        fput(f);
        return NULL;
    }
    return f;
}

void flock_release(struct file *f);
void posix_lock_release(struct inode *i, void *owner);

void fput(struct file *f) {
    if (!atomic_dec_and_test(&f->refcount))
        return;
    epoll_forget(f);
    if (f->inode)
        flock_release(f);
    if (f->f_op && f->f_op->release && !(f->mode & FMODE_PATH))
        f->f_op->release(f);
    if (f->path.dentry)
        path_put(&f->path);
    if (f->inode)
        iput(f->inode);
    kmem_cache_free(file_cache, f);
}

struct file *alloc_file(const struct file_operations *op, u32 flags) {
    struct file *f = kmem_cache_alloc(file_cache, GFP_KERNEL | GFP_ZERO);
    if (!f)
        return NULL;
    atomic_set(&f->refcount, 1);
    f->f_op = op;
    f->flags = flags & ~(u32)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
    mutex_init(&f->pos_lock);
    INIT_LIST_HEAD(&f->epoll_links);
    return f;
}

static struct super_block anon_sb;
struct file *anon_file(const struct file_operations *op, void *private, u32 flags, const char *name) {
    if (!anon_sb.dev) {
        static const struct file_system_type type = {"anon", true, NULL};
        anon_sb.type = &type;
        anon_sb.dev = makedev(0, 255);
        mutex_init(&anon_sb.rename_lock);
        INIT_LIST_HEAD(&anon_sb.inodes);
    }
    (void)name;
    struct file *f = alloc_file(op, flags);
    struct inode *i = f ? new_inode(&anon_sb) : NULL;
    if (!i) {
        if (f)
            kmem_cache_free(file_cache, f);
        return ERR_PTR(-ENOMEM);
    }
    i->i_mode = 0600;
    i->i_ino = __atomic_add_fetch(&anon_sb.next_ino, 1, __ATOMIC_RELAXED);
    i->i_uid = current->cred->fsuid;
    i->i_gid = current->cred->fsgid;
    f->inode = i;
    f->private = private;
    f->mode = FMODE_READ | FMODE_WRITE;
    return f;
}

/* --- tables --- */
static int grow(struct files_struct *t, u32 want) { /* t->lock held; dropped and taken again */
    u32 size = max(64u, t->size);
    while (size <= want)
        size *= 2;
    spin_unlock(&t->lock);
    struct file **fd = kzalloc(size * sizeof(*fd), GFP_KERNEL);
    u64 *bits = kzalloc(size / 8, GFP_KERNEL);
    spin_lock(&t->lock);
    if (!fd || !bits || size <= t->size) {
        bool fine = fd && bits;
        spin_unlock(&t->lock);
        kfree(fd);
        kfree(bits);
        spin_lock(&t->lock);
        return fine ? 0 : -ENOMEM;
    }
    if (t->size) {
        memcpy(fd, t->fd, t->size * sizeof(*fd));
        memcpy(bits, t->cloexec, t->size / 8);
    }
    struct file **old = t->fd;
    u64 *old_bits = t->cloexec;
    t->fd = fd;
    t->cloexec = bits;
    t->size = size;
    spin_unlock(&t->lock);
    kfree(old);
    kfree(old_bits);
    spin_lock(&t->lock);
    return 0;
}

static int take_fd(u32 from, u32 flags) {
    struct files_struct *t = current->files;
    u64 limit = min(rlimit(RLIMIT_NOFILE), 1048576UL);
    int r = -EMFILE;
    spin_lock(&t->lock);
    for (;;) {
        u32 fd = max(from, t->next);
        while (fd < t->size && t->fd[fd])
            fd++;
        if (fd >= limit)
            break;
        if (fd < t->size) {
            t->fd[fd] = RESERVED;
            if (from <= t->next)
                t->next = fd + 1;
            t->cloexec[fd / 64] =
                (t->cloexec[fd / 64] & ~BIT(fd % 64)) | (flags & O_CLOEXEC ? BIT(fd % 64) : 0);
            r = fd;
            break;
        }
        if ((r = grow(t, fd)))
            break;
        r = -EMFILE;
    }
    spin_unlock(&t->lock);
    return r;
}
int get_unused_fd(u32 flags) { return take_fd(0, flags); }
static struct file *clear_slot(struct files_struct *t, u32 fd) { /* lock held */
    struct file *f = t->fd[fd];
    t->fd[fd] = NULL;
    t->cloexec[fd / 64] &= ~BIT(fd % 64);
    if (fd < t->next)
        t->next = fd;
    return f;
}
void put_unused_fd(int fd) {
    spin_lock(&current->files->lock);
    clear_slot(current->files, fd);
    spin_unlock(&current->files->lock);
}
void fd_install(int fd, struct file *f) {
    spin_lock(&current->files->lock);
    current->files->fd[fd] = f;
    spin_unlock(&current->files->lock);
}
int fd_with_file(struct file *f, u32 flags) {
    if (IS_ERR(f))
        return PTR_ERR(f);
    int fd = get_unused_fd(flags);
    if (fd < 0)
        fput(f);
    else
        fd_install(fd, f);
    return fd;
}

int dup_fd(struct files_struct *from, struct files_struct *to) {
    spin_lock_init(&to->lock, RANK_FILES);
    atomic_set(&to->refcount, 1);
    for (;;) {
        u32 size = READ_ONCE(from->size);
        struct file **fd = size ? kzalloc(size * sizeof(*fd), GFP_KERNEL) : NULL;
        u64 *bits = size ? kzalloc(size / 8, GFP_KERNEL) : NULL;
        if (size && (!fd || !bits)) {
            kfree(fd);
            kfree(bits);
            return -ENOMEM;
        }
        spin_lock(&from->lock);
        if (size != from->size) {
            spin_unlock(&from->lock);
            kfree(fd);
            kfree(bits);
            continue;
        }
        for (u32 i = 0; i < size; i++) {
            if (from->fd[i] && (fd[i] = slot_file(from->fd[i])))
                get_file(fd[i]);
        }
        if (size)
            memcpy(bits, from->cloexec, size / 8);
        to->next = 0;
        spin_unlock(&from->lock);
        to->fd = fd;
        to->cloexec = bits;
        to->size = size;
        return 0;
    }
}
static void close_file(struct file *f) {
    if (f->inode)
        posix_lock_release(f->inode, current->files);
    fput(f);
}
void put_files(struct files_struct *t) {
    if (!t || !atomic_dec_and_test(&t->refcount))
        return;
    for (u32 i = 0; i < t->size; i++)
        if (slot_file(t->fd[i])) {
            if (t->fd[i]->inode)
                posix_lock_release(t->fd[i]->inode, t);
            fput(t->fd[i]);
        }
    kfree(t->fd);
    kfree(t->cloexec);
    free_files_struct(t);
}
int unshare_files(void) {
    struct files_struct *old = current->files, *new;
    if (atomic_read(&old->refcount) == 1)
        return 0;
    new = alloc_files_struct();
    int r = new ? dup_fd(old, new) : -ENOMEM;
    if (r) {
        if (new)
            free_files_struct(new);
        return r;
    }
    spin_lock(&current->alloc_lock);
    current->files = new;
    spin_unlock(&current->alloc_lock);
    put_files(old);
    return 0;
}
void close_on_exec(struct files_struct *t) {
    for (u32 fd = 0; fd < t->size; fd++) {
        spin_lock(&t->lock);
        bool go = (t->cloexec[fd / 64] & BIT(fd % 64)) && slot_file(t->fd[fd]);
        struct file *f = go ? clear_slot(t, fd) : NULL;
        spin_unlock(&t->lock);
        if (f)
            close_file(f);
    }
}
static long do_close(u32 fd) {
    struct files_struct *t = current->files;
    spin_lock(&t->lock);
    struct file *f = fd < t->size && slot_file(t->fd[fd]) ? clear_slot(t, fd) : NULL;
    spin_unlock(&t->lock);
    if (!f)
        return -EBADF;
    close_file(f);
    return 0;
}
long sys_close(u64 fd) { return do_close(fd); }
long sys_close_range(u64 first, u64 last, u64 flags) {
    struct files_struct *t = current->files;
    if ((u32)first > (u32)last || (flags & ~4UL))
        return -EINVAL;
    for (u32 fd = first; fd <= (u32)last && fd < t->size; fd++) {
        if (!(flags & 4)) {
            do_close(fd);
            continue;
        }
        spin_lock(&t->lock);
        if (fd < t->size && t->fd[fd])
            t->cloexec[fd / 64] |= BIT(fd % 64);
        spin_unlock(&t->lock);
    }
    return 0;
}
long sys_dup(u64 fd) {
    struct file *f = fget_raw(fd);
    return f ? fd_with_file(f, 0) : -EBADF;
}
long sys_dup3(u64 ofd, u64 nfd, u64 flags) {
    struct files_struct *t = current->files;
    u32 to = nfd;
    if ((flags & ~(u64)O_CLOEXEC) || (u32)ofd == to)
        return -EINVAL;
    if (to >= rlimit(RLIMIT_NOFILE) || to >= 1048576)
        return -EBADF;
    struct file *f = fget_raw(ofd);
    if (!f)
        return -EBADF;
    spin_lock(&t->lock);
    int r = 0;
    while (to >= t->size && !r)
        r = grow(t, to);
    if (!r && t->fd[to] == RESERVED)
        r = -EBUSY;
    struct file *old = NULL;
    if (!r) {
        old = t->fd[to];
        t->fd[to] = f;
        t->cloexec[to / 64] = (t->cloexec[to / 64] & ~BIT(to % 64)) | (flags ? BIT(to % 64) : 0);
    }
    spin_unlock(&t->lock);
    if (old)
        close_file(old);
    if (r)
        fput(f);
    return r ? r : (long)to;
}

/* --- cwd, root --- */
struct fs_paths {
    struct fs_struct fs;
    struct path cwd, root;
};
struct fs_struct *dup_fs_struct(struct fs_struct *old) {
    struct fs_paths *n = kzalloc(sizeof(*n), GFP_KERNEL);
    if (!n)
        return NULL;
    atomic_set(&n->fs.refcount, 1);
    spin_lock_init(&n->fs.lock, RANK_FILES);
    n->fs.cwd = &n->cwd;
    n->fs.root = &n->root;
    spin_lock(&old->lock);
    n->fs.umask = old->umask;
    n->cwd = *old->cwd;
    n->root = *old->root;
    if (n->cwd.dentry) {
        path_get(&n->cwd);
        path_get(&n->root);
    }
    spin_unlock(&old->lock);
    return &n->fs;
}
void free_fs_paths(struct fs_struct *fs) {
    if (fs->cwd->dentry) {
        path_put(fs->cwd);
        path_put(fs->root);
    }
}
static void set_path(struct path *slot, const struct path *p) {
    spin_lock(&current->fs->lock);
    struct path old = *slot;
    *slot = *p;
    spin_unlock(&current->fs->lock);
    if (old.dentry)
        path_put(&old);
}
int set_fs_root_to(struct path *p) {
    path_get(p);
    path_get(p);
    set_path(current->fs->root, p);
    set_path(current->fs->cwd, p);
    return 0;
}
static long change_dir(struct path *p, struct path *slot) {
    long r = !S_ISDIR(p->dentry->inode->i_mode) ? -ENOTDIR : permission(p->dentry->inode, MAY_EXEC);
    if (r)
        path_put(p);
    else
        set_path(slot, p);
    return r;
}
long sys_chdir(u64 name) {
    struct path p;
    long r = user_path(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
    return r ? r : change_dir(&p, current->fs->cwd);
}
long sys_fchdir(u64 fd) {
    struct file *f = fget_raw(fd);
    if (!f)
        return -EBADF;
    long r = -ENOTDIR;
    if (f->path.dentry) {
        struct path p = f->path;
        path_get(&p);
        r = change_dir(&p, current->fs->cwd);
    }
    fput(f);
    return r;
}
long sys_chroot(u64 name) {
    struct path p;
    long r = user_path(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
    if (r)
        return r;
    if (!capable(CAP_SYS_CHROOT)) {
        path_put(&p);
        return -EPERM;
    }
    return change_dir(&p, current->fs->root);
}
long sys_getcwd(u64 buf, u64 size) {
    char *b = kmalloc(PATH_MAX, GFP_KERNEL);
    if (!b)
        return -ENOMEM;
    spin_lock(&current->fs->lock);
    struct path p = *current->fs->cwd;
    path_get(&p);
    spin_unlock(&current->fs->lock);
    long r;
    char *s = d_path(&p, b, PATH_MAX);
    u64 n = strlen(s) + 1;
    if (p.dentry->unhashed && p.dentry != p.dentry->parent)
        r = -ENOENT;
    else
        r = n > size ? -ERANGE : copy_to_user(buf, s, n) ? -EFAULT : (long)n;
    path_put(&p);
    kfree(b);
    return r;
}
long sys_umask(u64 mask) { return xchg(&current->fs->umask, (u32)mask & 0777); }

/* --- attributes --- */
static int stat_at(s32 dfd, u64 name, u64 flags, struct stat *st) {
    if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | 0x6000))
        return -EINVAL;
    if (flags & AT_EMPTY_PATH) {
        char c = 0;
        if (name && copy_from_user(&c, name, 1))
            return -EFAULT;
        if (!c && dfd != AT_FDCWD) {
            struct file *f = fget_raw(dfd);
            if (!f)
                return -EBADF;
            generic_fillattr(f->inode, st);
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
    generic_fillattr(p.dentry->inode, st);
    path_put(&p);
    return 0;
}
long sys_newfstatat(u64 dfd, u64 name, u64 buf, u64 flags) {
    struct stat st;
    int r = stat_at(dfd, name, flags, &st);
    return r ? r : copy_to_user(buf, &st, sizeof(st));
}
long sys_fstat(u64 fd, u64 buf) {
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
    if (mask & 0x80000000u)
        return -EINVAL;
    int r = stat_at(dfd, name, flags, &s);
    if (r)
        return r;
    struct statx x = {.stx_mask = STATX_BASIC_STATS,
                      .stx_blksize = s.st_blksize,
                      .stx_nlink = s.st_nlink,
                      .stx_uid = s.st_uid,
                      .stx_gid = s.st_gid,
                      .stx_mode = s.st_mode,
                      .stx_ino = s.st_ino,
                      .stx_size = s.st_size,
                      .stx_blocks = s.st_blocks};
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
static bool owner_or_capable(struct inode *i) {
    return current->cred->fsuid == i->i_uid || capable(CAP_FOWNER);
}
static int do_chmod(struct inode *i, u32 mode) {
    if (i->sb->flags & MS_RDONLY)
        return -EROFS;
    if (!owner_or_capable(i))
        return -EPERM;
    mutex_lock(&i->lock);
    if (!in_group(current->cred, i->i_gid) && !capable(CAP_FSETID))
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
    bool ok = capable(CAP_CHOWN) ||
              (c->fsuid == i->i_uid && (uid == ~0u || uid == i->i_uid) && (gid == ~0u || in_group(c, gid)));
    if (!ok)
        return -EPERM;
    mutex_lock(&i->lock);
    if (uid != ~0u)
        i->i_uid = uid;
    if (gid != ~0u)
        i->i_gid = gid;
    if (!S_ISDIR(i->i_mode) && (uid != ~0u || gid != ~0u)) {
        i->i_mode &= ~S_ISUID;
        if (i->i_mode & 0010)
            i->i_mode &= ~S_ISGID;
    }
    int r = changed(i);
    mutex_unlock(&i->lock);
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
#define ON_FILE(fd, expr)                                                                                    \
    ({                                                                                                       \
        struct file *f = fget(fd);                                                                           \
        long _r = -EBADF;                                                                                    \
        if (f) {                                                                                             \
            struct inode *inode = f->inode;                                                                  \
            (void)inode;                                                                                     \
            _r = (expr);                                                                                     \
            fput(f);                                                                                         \
        }                                                                                                    \
        _r;                                                                                                  \
    })
long sys_fchmod(u64 fd, u64 mode) { return ON_FILE(fd, do_chmod(inode, mode)); }
long sys_fchmodat(u64 dfd, u64 name, u64 mode) {
    return ON_PATH(dfd, name, LOOKUP_FOLLOW, do_chmod(inode, mode));
}
long sys_fchown(u64 fd, u64 uid, u64 gid) { return ON_FILE(fd, do_chown(inode, uid, gid)); }
long sys_fchownat(u64 dfd, u64 name, u64 uid, u64 gid, u64 flags) {
    return ON_PATH(dfd, name,
                   (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
                       (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
                   do_chown(inode, uid, gid));
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
        for (int k = 0; k < 2; k++)
            if ((u64)ts[k].tv_nsec >= 1000000000 && ts[k].tv_nsec != UTIME_NOW && ts[k].tv_nsec != UTIME_OMIT)
                return -EINVAL;
    }
    const struct abi_timespec *t = uts ? ts : NULL;
    if (!name)
        return ON_FILE(dfd, do_utimes(inode, t));
    return ON_PATH(dfd, name, flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW, do_utimes(inode, t));
}

int do_truncate(struct inode *i, loff_t size);
long sys_truncate(u64 name, u64 size) {
    return ON_PATH(AT_FDCWD, name, LOOKUP_FOLLOW,
                   S_ISDIR(inode->i_mode)                ? -EISDIR
                   : (_r = permission(inode, MAY_WRITE)) ? _r
                                                         : do_truncate(inode, size));
}
long sys_ftruncate(u64 fd, u64 size) {
    return ON_FILE(fd,
                   !(f->mode & FMODE_WRITE) || !S_ISREG(inode->i_mode) ? -EINVAL : do_truncate(inode, size));
}

/* --- reading and writing --- */
ssize_t vfs_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    if (!(f->mode & FMODE_READ))
        return -EBADF;
    if (!f->f_op->read)
        return S_ISDIR(f->inode->i_mode) ? -EISDIR : -EINVAL;
    return it->count ? f->f_op->read(f, it, pos) : 0;
}
ssize_t vfs_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    if (!(f->mode & FMODE_WRITE))
        return -EBADF;
    if (!f->f_op->write)
        return -EINVAL;
    if (!it->count)
        return 0;
    if (!f->mapping || !S_ISREG(f->inode->i_mode))
        return f->f_op->write(f, it, pos);
    struct inode *i = f->inode;
    mutex_lock(&i->lock);
    if (f->flags & O_APPEND)
        *pos = i->i_size;
    ssize_t r = -EFBIG;
    u64 limit = min(rlimit(RLIMIT_FSIZE), 1UL << 42);
    if (*pos >= 0 && (u64)*pos < limit) {
        it->count = min(it->count, limit - *pos);
        if (i->i_mode & (S_ISUID | S_ISGID) && !capable(CAP_FSETID))
            i->i_mode &= ~(S_ISUID | (i->i_mode & 0010 ? S_ISGID : 0));
        r = f->f_op->write(f, it, pos);
    } else if (rlimit(RLIMIT_FSIZE) != RLIM_INFINITY) {
        send_signal(SIGXFSZ, NULL, current, false);
    }
    mutex_unlock(&i->lock);
    if (r > 0 && (f->flags & O_DSYNC)) {
        int e = vfs_fsync(f);
        r = e ? e : r;
    }
    return r;
}
ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t pos) {
    struct iov_iter it;
    struct iovec v;
    iter_kernel(&it, &v, buf, n);
    return f->f_op->read ? f->f_op->read(f, &it, &pos) : -EINVAL;
}

#define RW_MAX 0x7ffff000UL
/* One of the eight calls: at `pos` if positioned, else at the file's own offset. */
static long do_rw(u64 fd, struct iov_iter *it, bool write, bool positioned, loff_t at) {
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    long r;
    it->count = min(it->count, RW_MAX);
    if (positioned) {
        r = !(f->mode & FMODE_LSEEK) ? -ESPIPE
            : at < 0                 ? -EINVAL
            : write                  ? vfs_write(f, it, &at)
                                     : vfs_read(f, it, &at);
    } else if (f->mode & FMODE_LSEEK) {
        mutex_lock(&f->pos_lock);
        r = write ? vfs_write(f, it, &f->pos) : vfs_read(f, it, &f->pos);
        mutex_unlock(&f->pos_lock);
    } else {
        loff_t none = 0;
        r = write ? vfs_write(f, it, &none) : vfs_read(f, it, &none);
    }
    fput(f);
    return r;
}
static long rw_buf(u64 fd, u64 buf, u64 n, bool write, bool positioned, loff_t at) {
    struct iov_iter it;
    struct iovec v;
    iter_user(&it, &v, buf, n);
    if ((s64)n < 0)
        return -EINVAL;
    return do_rw(fd, &it, write, positioned, at);
}
long sys_read(u64 fd, u64 buf, u64 n) { return rw_buf(fd, buf, n, false, false, 0); }
long sys_write(u64 fd, u64 buf, u64 n) { return rw_buf(fd, buf, n, true, false, 0); }
long sys_pread64(u64 fd, u64 buf, u64 n, u64 pos) { return rw_buf(fd, buf, n, false, true, pos); }
long sys_pwrite64(u64 fd, u64 buf, u64 n, u64 pos) { return rw_buf(fd, buf, n, true, true, pos); }

static long rw_vec(u64 fd, u64 uvec, u64 n, bool write, bool positioned, loff_t at) {
    if (n > 1024)
        return -EINVAL;
    struct iovec *v = kmalloc(n * sizeof(*v) + 1, GFP_KERNEL);
    if (!v)
        return -ENOMEM;
    long r = copy_from_user(v, uvec, n * sizeof(*v));
    struct iov_iter it = {v, 0, 0, false};
    for (u64 i = 0; !r && i < n; i++) {
        if ((s64)v[i].len < 0 || (s64)(it.count + v[i].len) < 0)
            r = -EINVAL;
        it.count += v[i].len;
    }
    if (!r)
        r = do_rw(fd, &it, write, positioned, at);
    kfree(v);
    return r;
}
long sys_readv(u64 fd, u64 vec, u64 n) { return rw_vec(fd, vec, n, false, false, 0); }
long sys_writev(u64 fd, u64 vec, u64 n) { return rw_vec(fd, vec, n, true, false, 0); }
long sys_preadv(u64 fd, u64 vec, u64 n, u64 pos) { return rw_vec(fd, vec, n, false, true, pos); }
long sys_pwritev(u64 fd, u64 vec, u64 n, u64 pos) { return rw_vec(fd, vec, n, true, true, pos); }

long sys_sendfile(u64 ofd, u64 ifd, u64 upos, u64 count) {
    struct file *in = fget(ifd);
    void *buf = kmalloc(PAGE_SIZE * 4, GFP_KERNEL);
    long done = 0, r = 0;
    loff_t pos = 0;
    if (!in || !buf) {
        r = in ? -ENOMEM : -EBADF;
    } else if (upos && copy_from_user(&pos, upos, 8)) {
        r = -EFAULT;
    } else {
        if (!upos)
            pos = in->pos;
        while (count && !r) {
            struct iov_iter it;
            struct iovec v;
            iter_kernel(&it, &v, buf, min(count, PAGE_SIZE * 4UL));
            loff_t at = pos;
            long n = vfs_read(in, &it, &at);
            if (n <= 0) {
                r = n;
                break;
            }
            iter_kernel(&it, &v, buf, n);
            long w = do_rw(ofd, &it, true, false, 0);
            if (w <= 0) {
                r = w;
                break;
            }
            pos += w;
            done += w;
            count -= w;
        }
        if (upos)
            r = put_user(upos, pos) ? -EFAULT : r;
        else
            in->pos = pos;
    }
    kfree(buf);
    if (in)
        fput(in);
    return done ? done : r;
}

loff_t generic_llseek(struct file *f, loff_t off, int whence) {
    loff_t size = f->inode->i_size, base = whence == 0 ? 0 : whence == 1 ? f->pos : whence == 2 ? size : -1;
    if (whence == 3 || whence == 4) /* SEEK_DATA, SEEK_HOLE: the whole file counts as data */
        return off < 0 || off >= size ? -ENXIO : (f->pos = whence == 3 ? off : size);
    if (whence > 4 || whence < 0 || __builtin_add_overflow(base, off, &off) || off < 0)
        return -EINVAL;
    return f->pos = off;
}
long sys_lseek(u64 fd, u64 off, u64 whence) {
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    long r = -ESPIPE;
    if (f->mode & FMODE_LSEEK) {
        mutex_lock(&f->pos_lock);
        r = (f->f_op->llseek ? f->f_op->llseek : generic_llseek)(f, off, (s32)whence);
        mutex_unlock(&f->pos_lock);
    }
    fput(f);
    return r;
}

struct getdents {
    struct dir_context ctx;
    u64 buf;
    u64 room, used;
    int error;
};
static bool emit_dirent(struct dir_context *c, const char *name, u32 len, u64 ino, u32 type) {
    struct getdents *g = container_of(c, struct getdents, ctx);
    u8 rec[sizeof(struct linux_dirent64) + NAME_MAX + 9] = {0};
    struct linux_dirent64 *d = (void *)rec;
    u64 size = ALIGN_UP(offsetof(struct linux_dirent64, d_name) + len + 1, 8UL);
    if (size > g->room - g->used) {
        if (!g->used)
            g->error = -EINVAL;
        return false;
    }
    d->d_ino = ino;
    d->d_off = c->pos + 1;
    d->d_reclen = size;
    d->d_type = type;
    memcpy(d->d_name, name, len);
    if (copy_to_user(g->buf + g->used, rec, size)) {
        g->error = -EFAULT;
        return false;
    }
    g->used += size;
    return true;
}
long sys_getdents64(u64 fd, u64 buf, u64 n) {
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    long r = -ENOTDIR;
    if (f->f_op->iterate) {
        mutex_lock(&f->pos_lock);
        mutex_lock(&f->inode->lock);
        struct getdents g = {{f->pos, emit_dirent}, buf, (u32)n, 0, 0};
        r = f->f_op->iterate(f, &g.ctx);
        f->pos = g.ctx.pos;
        mutex_unlock(&f->inode->lock);
        mutex_unlock(&f->pos_lock);
        file_accessed(f);
        r = g.used ? (long)g.used : g.error ? g.error : r;
    }
    fput(f);
    return r;
}

int vfs_fsync(struct file *f) {
    if (f->f_op->fsync)
        return f->f_op->fsync(f);
    return S_ISREG(f->inode->i_mode) || S_ISDIR(f->inode->i_mode) || S_ISBLK(f->inode->i_mode) ? 0 : -EINVAL;
}
long sys_fsync(u64 fd) { return ON_FILE(fd, vfs_fsync(f)); }
long sys_fdatasync(u64 fd) { return ON_FILE(fd, vfs_fsync(f)); }
long sys_sync(void) {
    sync_all(true);
    return 0;
}
long sys_syncfs(u64 fd) { return ON_FILE(fd, sb_sync(inode->sb)); }
long sys_fadvise64(u64 fd, u64 off, u64 len, u64 advice) {
    (void)off, (void)len;
    return ON_FILE(fd, !(f->mode & FMODE_LSEEK) ? -ESPIPE : advice > 5 ? -EINVAL : 0);
}

long sys_ioctl(u64 fd, u64 cmd, u64 arg) {
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    long r;
    u32 on;
    switch ((u32)cmd) {
    case 0x5451: /* FIOCLEX */
    case 0x5450: /* FIONCLEX */
        spin_lock(&current->files->lock);
        if ((u32)cmd == 0x5451)
            current->files->cloexec[(u32)fd / 64] |= BIT(fd % 64);
        else
            current->files->cloexec[(u32)fd / 64] &= ~BIT(fd % 64);
        spin_unlock(&current->files->lock);
        r = 0;
        break;
    case 0x5421: /* FIONBIO */
        r = copy_from_user(&on, arg, 4);
        if (!r)
            f->flags = on ? f->flags | O_NONBLOCK : f->flags & ~O_NONBLOCK;
        break;
    default:
        r = f->f_op->ioctl ? f->f_op->ioctl(f, cmd, arg) : -ENOTTY;
        if (r == -ENOTTY && (u32)cmd == 0x541b && S_ISREG(f->inode->i_mode))
            r = put_user(arg, (s32)(f->inode->i_size - f->pos));
    }
    fput(f);
    return r;
}

/* --- locks on whole files (flock) and on ranges (fcntl) --- all under locks_mutex. */
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
    if (base < 0 || u.type < F_RDLCK || u.type > F_UNLCK || base + u.start < 0)
        return -EINVAL;
    struct file_lock l = {.inode = f->inode,
                          .owner = current->files,
                          .posix = true,
                          .write = u.type == F_WRLCK,
                          .start = base + u.start,
                          .pid = current->tgid};
    l.end = u.len > 0 ? l.start + u.len - 1 : u.len == 0 ? 0x7fffffffffffffff : l.start - 1;
    if (u.len < 0)
        l.start += u.len;
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
        f->flags = (f->flags & ~(u32)(O_APPEND | O_NONBLOCK | O_NOATIME)) |
                   (arg & (O_APPEND | O_NONBLOCK | O_NOATIME));
        r = 0;
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
