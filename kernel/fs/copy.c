/* From file to file: sendfile, copy_file_range. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

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
            w = vfs_write(out, &it, to, 0);
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
/* A position: the user's, at ufrom or uto, or the file's own, under its lock. apart: ranges of one file may
 * not overlap. */
static long copy_between(struct file *in, u64 ufrom, struct file *out, u64 uto, u64 count, bool apart) {
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
    loff_t *f = own_in ? &in->pos : &from, *t = own_out ? &out->pos : &to;
    count = min(count, RW_MAX);
    if (apart && in->inode == out->inode)
        count = *f < in->inode->i_size ? min(count, (u64)(in->inode->i_size - *f)) : 0;
    bool overlap = apart && in->inode == out->inode && count > (u64)(*f > *t ? *f - *t : *t - *f);
    long r = overlap ? -EINVAL : copy_data(in, f, out, t, count);
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
    long r = in && out ? copy_between(in, upos, out, 0, count, false) : -EBADF;
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
    return copy_between(in, ufrom, out, uto, count, true);
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
