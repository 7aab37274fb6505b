/* read, write and their relatives; seeking, directories, ioctl, sync. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

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
    ssize_t r = may_grow(i, (u64)*pos + 1);
    if (!r) {
        it->count = min(it->count, min(rlimit(RLIMIT_FSIZE), i->sb->max_bytes) - *pos);
        file_remove_privs(i);
        r = f->f_op->write(f, it, pos);
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
ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t pos) {
    struct iov_iter it;
    struct iovec v;
    iter_kernel(&it, &v, (void *)buf, n);
    return f->f_op->write ? f->f_op->write(f, &it, &pos) : -EINVAL;
}

#define RW_MAX 0x7ffff000UL
/* One of the eight calls: at `pos` if positioned, else at the file's own offset. */
static long do_rw(u64 fd, struct iov_iter *it, bool write, bool positioned, loff_t at) {
    struct fd slot = fdget(fd);
    struct file *f = slot.file;
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
    count = min(count, RW_MAX);
    if (!in || !buf) {
        r = in ? -ENOMEM : -EBADF;
    } else if (upos && copy_from_user(&pos, upos, 8)) {
        r = -EFAULT;
    } else {
        if (!upos)
            pos = in->pos;
        while (count && !r) {
            if (signal_pending(current)) { /* /dev/zero to /dev/null has no end */
                r = -ERESTARTSYS;
                break;
            }
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
