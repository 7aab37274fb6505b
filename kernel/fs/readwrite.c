/* read, write and their relatives; seeking, directories, ioctl, sync. */
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
/* flags: O_APPEND, O_DSYNC of this write. */
static ssize_t write_as(struct file *f, struct iov_iter *it, loff_t *pos, u32 flags) {
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
ssize_t vfs_write(struct file *f, struct iov_iter *it, loff_t *pos) { return write_as(f, it, pos, f->flags); }
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
            : write                  ? write_as(f, it, &at, f->flags | flags)
                                     : vfs_read(f, it, &at);
    } else if (f->mode & FMODE_LSEEK) {
        mutex_lock(&f->pos_lock);
        r = write ? write_as(f, it, &f->pos, f->flags | flags) : vfs_read(f, it, &f->pos);
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

/* Up to count bytes from *from of `in` to *to of `out`: how many, or -errno if none. */
static long copy_data(struct file *in, loff_t *from, struct file *out, loff_t *to, u64 count) {
    const u64 piece = 4 * PAGE_SIZE;
    void *buf = kmalloc(piece, GFP_KERNEL);
    long done = 0, r = buf ? 0 : -ENOMEM;
    while (!r && (u64)done < count) {
        struct iov_iter it;
        struct iovec v;
        iter_kernel(&it, &v, buf, min(count - done, piece));
        loff_t at = *from;
        long n = vfs_read(in, &it, &at), w = n;
        if (n > 0) {
            iter_kernel(&it, &v, buf, n);
            w = vfs_write(out, &it, to);
        }
        if (w <= 0) {
            r = w;
            break;
        }
        *from += w;
        done += w;
        current->io.chars[0] += w;
        current->io.chars[1] += w;
        if (signal_pending(current)) /* /dev/zero to /dev/null has no end */
            r = -ERESTARTSYS;
    }
    kfree(buf);
    return done ? done : r;
}
/* A position: the user's, at upos, or the file's own, under its lock. */
static long copy_between(struct file *in, u64 ufrom, struct file *out, u64 uto, u64 count) {
    loff_t from = 0, to = 0;
    if ((ufrom && copy_from_user(&from, ufrom, 8)) || (uto && copy_from_user(&to, uto, 8)))
        return -EFAULT;
    if (from < 0 || to < 0)
        return -EINVAL;
    bool own_in = !ufrom && (in->mode & FMODE_LSEEK), own_out = !uto && (out->mode & FMODE_LSEEK);
    /* Two positions: by address, and one of one file once. */
    struct file *first = own_in ? in : NULL, *second = own_out && out != first ? out : NULL;
    if (first && second && first > second)
        swap(first, second);
    if (first)
        mutex_lock(&first->pos_lock);
    if (second)
        mutex_lock(&second->pos_lock);
    long r = copy_data(in, own_in ? &in->pos : &from, out, own_out ? &out->pos : &to, min(count, RW_MAX));
    if (second)
        mutex_unlock(&second->pos_lock);
    if (first)
        mutex_unlock(&first->pos_lock);
    if ((ufrom && put_user(ufrom, from)) || (uto && put_user(uto, to)))
        return -EFAULT;
    return r;
}
long sys_sendfile(u64 ofd, u64 ifd, u64 upos, u64 count) {
    struct file *in = fget(ifd), *out = fget(ofd);
    long r = in && out ? copy_between(in, upos, out, 0, count) : -EBADF;
    if (in)
        fput(in);
    if (out)
        fput(out);
    return r;
}
static long copy_range(struct file *in, u64 ufrom, struct file *out, u64 uto, u64 count) {
    if (S_ISDIR(in->inode->i_mode) || S_ISDIR(out->inode->i_mode))
        return -EISDIR;
    if (!S_ISREG(in->inode->i_mode) || !S_ISREG(out->inode->i_mode))
        return -EINVAL;
    if (!(in->mode & FMODE_READ) || !(out->mode & FMODE_WRITE) || (out->flags & O_APPEND))
        return -EBADF;
    if (in->inode == out->inode) { /* the ranges may not overlap */
        loff_t from = in->pos, to = out->pos;
        if ((ufrom && copy_from_user(&from, ufrom, 8)) || (uto && copy_from_user(&to, uto, 8)))
            return -EFAULT;
        count = from < in->inode->i_size ? min(count, (u64)(in->inode->i_size - from)) : 0;
        if (count > (u64)(from > to ? from - to : to - from))
            return -EINVAL;
    }
    return copy_between(in, ufrom, out, uto, count);
}
long sys_copy_file_range(u64 ifd, u64 ufrom, u64 ofd, u64 uto, u64 count, u64 flags) {
    struct file *in = fget(ifd), *out = fget(ofd);
    long r = !in || !out ? -EBADF : flags ? -EINVAL : copy_range(in, ufrom, out, uto, count);
    if (in)
        fput(in);
    if (out)
        fput(out);
    return r;
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

int vfs_fsync(struct file *f, bool datasync) {
    if (f->f_op->fsync)
        return f->f_op->fsync(f, datasync);
    return S_ISREG(f->inode->i_mode) || S_ISDIR(f->inode->i_mode) || S_ISBLK(f->inode->i_mode) ? 0 : -EINVAL;
}
long sys_fsync(u64 fd) { return ON_FILE(fd, vfs_fsync(f, false)); }
long sys_fdatasync(u64 fd) { return ON_FILE(fd, vfs_fsync(f, true)); }
long sys_sync(void) {
    sync_all(true);
    return 0;
}
/* The data alone, and no barrier: for who writes back bit by bit. */
static int sync_range(struct file *f, s64 off, s64 len, u32 flags) {
    s64 end;
    if ((flags & ~7u) || off < 0 || len < 0 || __builtin_add_overflow(off, len, &end))
        return -EINVAL;
    if (!S_ISREG(f->inode->i_mode) && !S_ISBLK(f->inode->i_mode) && !S_ISDIR(f->inode->i_mode))
        return -ESPIPE;
    if (!f->mapping || !f->mapping->ops->writepage)
        return 0;
    if (flags & SYNC_FILE_RANGE_WAIT_BEFORE)
        wait_for_mapping(f->mapping);
    if (flags & SYNC_FILE_RANGE_WRITE)
        start_writeback_mapping(f->mapping);
    if (flags & SYNC_FILE_RANGE_WAIT_AFTER)
        wait_for_mapping(f->mapping);
    return file_check_error(f);
}
long sys_sync_file_range(u64 fd, u64 off, u64 len, u64 flags) {
    return ON_FILE(fd, sync_range(f, off, len, flags));
}
long sys_readahead(u64 fd, u64 off, u64 n) { /* advice: reading in order starts it anyway */
    (void)off, (void)n;
    return ON_FILE(fd, !(f->mode & FMODE_READ)                  ? -EBADF
                       : !f->mapping || !S_ISREG(inode->i_mode) ? -EINVAL
                                                                : 0);
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
    if (S_ISFIFO(i->i_mode) || !S_ISREG(i->i_mode))
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
        if (r == -ENOTTY && (u32)cmd == FIONREAD && S_ISREG(f->inode->i_mode))
            r = put_user(arg, (s32)(f->inode->i_size - f->pos));
    }
    fput(f);
    return r;
}
