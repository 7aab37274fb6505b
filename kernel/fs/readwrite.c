/* read, write and their relatives; seeking, directories, ioctl. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"
#include "inotify.h"
#include <abi/termios.h>

ssize_t vfs_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    if (!(f->mode & FMODE_READ))
        return -EBADF;
    if (!f->f_op->read)
        return S_ISDIR(f->inode->i_mode) ? -EISDIR : -EINVAL;
    ssize_t r = it->count ? f->f_op->read(f, it, pos) : 0;
    if (r > 0)
        fsnotify_file(f, IN_ACCESS);
    return r;
}
ssize_t vfs_write(struct file *f, struct iov_iter *it, loff_t *pos, u32 flags) {
    flags |= f->flags;
    if (!(f->mode & FMODE_WRITE))
        return -EBADF;
    if (!f->f_op->write)
        return -EINVAL;
    if (!it->count)
        return 0;
    if (!f->mapping || !S_ISREG(f->inode->i_mode)) {
        ssize_t r = f->f_op->write(f, it, pos);
        if (r > 0)
            fsnotify_file(f, IN_MODIFY);
        return r;
    }
    struct inode *i = f->inode;
    mutex_lock(&i->lock);
    if (flags & O_APPEND)
        *pos = i->i_size;
    ssize_t r = may_grow(i, (u64)*pos + 1);
    if (!r) {
        it->count = min(it->count, min(rlimit(RLIMIT_FSIZE), i->sb->max_bytes) - *pos);
        file_remove_privs(i);
        r = f->f_op->write(f, it, pos);
    }
    mutex_unlock(&i->lock);
    if (r > 0)
        fsnotify_file(f, IN_MODIFY);
    if (r > 0 && (flags & O_DSYNC)) {
        int e = vfs_fsync(f, (flags & O_SYNC) != O_SYNC);
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
ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t pos) {
    struct iov_iter it;
    struct iovec v;
    iter_kernel(&it, &v, (void *)buf, n);
    return f->f_op->write ? f->f_op->write(f, &it, &pos) : -EINVAL;
}

/* One of these calls: at `at` if positioned, else at the file's own offset; a write with these flags and the
 * file's. */
static long do_rw(u64 fd, struct iov_iter *it, bool write, bool positioned, loff_t at, u32 flags) {
    struct fd slot = fdget(fd);
    struct file *f = slot.file;
    if (!f)
        return -EBADF;
    long r;
    it->count = min(it->count, RW_MAX);
    if (positioned) {
        r = !(f->mode & FMODE_LSEEK) ? -ESPIPE
            : at < 0                 ? -EINVAL
            : write                  ? vfs_write(f, it, &at, flags)
                                     : vfs_read(f, it, &at);
    } else if (f->mode & FMODE_LSEEK) {
        mutex_lock(&f->pos_lock);
        r = write ? vfs_write(f, it, &f->pos, flags) : vfs_read(f, it, &f->pos);
        mutex_unlock(&f->pos_lock);
    } else {
        loff_t none = 0;
        r = write ? vfs_write(f, it, &none, flags) : vfs_read(f, it, &none);
    }
    fdput(slot);
    current->io.calls[write]++;
    if (r > 0)
        current->io.chars[write] += r;
    return r;
}
static long rw_buf(u64 fd, u64 buf, u64 n, bool write, bool positioned, loff_t at) {
    struct iov_iter it;
    struct iovec v;
    iter_user(&it, &v, buf, n);
    if ((s64)n < 0)
        return -EINVAL;
    return do_rw(fd, &it, write, positioned, at, 0);
}
long sys_read(u64 fd, u64 buf, u64 n) { return rw_buf(fd, buf, n, false, false, 0); }
long sys_write(u64 fd, u64 buf, u64 n) { return rw_buf(fd, buf, n, true, false, 0); }
long sys_pread64(u64 fd, u64 buf, u64 n, u64 pos) { return rw_buf(fd, buf, n, false, true, pos); }
long sys_pwrite64(u64 fd, u64 buf, u64 n, u64 pos) { return rw_buf(fd, buf, n, true, true, pos); }

static long rw_vec(u64 fd, u64 uvec, u64 n, bool write, bool positioned, loff_t at, u32 flags) {
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
        r = do_rw(fd, &it, write, positioned, at, flags);
    kfree(v);
    return r;
}
long sys_readv(u64 fd, u64 vec, u64 n) { return rw_vec(fd, vec, n, false, false, 0, 0); }
long sys_writev(u64 fd, u64 vec, u64 n) { return rw_vec(fd, vec, n, true, false, 0, 0); }
long sys_preadv(u64 fd, u64 vec, u64 n, u64 pos) { return rw_vec(fd, vec, n, false, true, pos, 0); }
long sys_pwritev(u64 fd, u64 vec, u64 n, u64 pos) { return rw_vec(fd, vec, n, true, true, pos, 0); }
/* RWF_NOWAIT is for files that can say beforehand that they would wait: none can. */
static long rw_vec2(u64 fd, u64 vec, u64 n, bool write, u64 pos, u64 rwf) {
    if (rwf & ~(u64)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND))
        return -EOPNOTSUPP;
    u32 flags = (rwf & RWF_SYNC ? O_SYNC : rwf & RWF_DSYNC ? O_DSYNC : 0) | (rwf & RWF_APPEND ? O_APPEND : 0);
    return rw_vec(fd, vec, n, write, pos != ~0UL, pos, flags);
}
long sys_preadv2(u64 fd, u64 vec, u64 n, u64 pos, u64 high, u64 flags) {
    (void)high;
    return rw_vec2(fd, vec, n, false, pos, flags);
}
long sys_pwritev2(u64 fd, u64 vec, u64 n, u64 pos, u64 high, u64 flags) {
    (void)high;
    return rw_vec2(fd, vec, n, true, pos, flags);
}

/* The next data or hole from off on, which is within the file. The end of the file counts as a hole. */
static loff_t seek_data(struct inode *i, loff_t off, bool data) {
    if (!i->i_op || !i->i_op->next_block)
        return data ? off : i->i_size;
    mutex_lock(&i->lock);
    s64 n = i->i_op->next_block(i, off >> PAGE_SHIFT, data);
    loff_t size = i->i_size, at = n < 0 || (u64)n > (u64)size >> PAGE_SHIFT ? size : n << PAGE_SHIFT;
    mutex_unlock(&i->lock);
    if (n < -1)
        return n;
    return at < size || !data ? min(max(at, off), size) : -ENXIO;
}
loff_t generic_llseek(struct file *f, loff_t off, int whence) {
    loff_t size = f->inode->i_size, base = whence == 0 ? 0 : whence == 1 ? f->pos : whence == 2 ? size : -1;
    if (whence == SEEK_DATA || whence == SEEK_HOLE) {
        if (off < 0 || off >= size)
            return -ENXIO;
        off = seek_data(f->inode, off, whence == SEEK_DATA);
        return off < 0 ? off : (f->pos = off);
    }
    if (whence > 4 || whence < 0 || __builtin_add_overflow(base, off, &off) || off < 0)
        return -EINVAL;
    return f->pos = off;
}
long sys_lseek(u64 fd, u64 off, u64 whence) {
    struct fd slot = fdget(fd);
    struct file *f = slot.file;
    if (!f)
        return -EBADF;
    long r = -ESPIPE;
    if (f->mode & FMODE_LSEEK) {
        mutex_lock(&f->pos_lock);
        r = (f->f_op->llseek ? f->f_op->llseek : generic_llseek)(f, off, (s32)whence);
        mutex_unlock(&f->pos_lock);
    }
    fdput(slot);
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
        r = f->inode->i_nlink ? f->f_op->iterate(f, &g.ctx) : -ENOENT; /* a directory that was removed */
        f->pos = g.ctx.pos;
        mutex_unlock(&f->inode->lock);
        mutex_unlock(&f->pos_lock);
        file_accessed(f);
        if (r >= 0)
            fsnotify_file(f, IN_ACCESS);
        r = g.used ? (long)g.used : g.error ? g.error : r;
    }
    fput(f);
    return r;
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
        if (r == -ENOTTY && (u32)cmd == FIONREAD && S_ISREG(f->inode->i_mode))
            r = put_user(arg, (s32)(f->inode->i_size - f->pos));
    }
    fput(f);
    return r;
}
