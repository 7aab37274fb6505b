/* eventfd: a counter to wait on. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

struct eventfd {
    spinlock_t lock;
    u64 count;
    bool semaphore;
    struct wait_queue_head wait;
};
static bool ev_take(struct eventfd *e, u64 *v) {
    spin_lock(&e->lock);
    bool ok = e->count != 0;
    *v = !ok ? 0 : e->semaphore ? 1 : e->count;
    e->count -= *v;
    spin_unlock(&e->lock);
    return ok;
}
static ssize_t ev_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct eventfd *e = f->private;
    u64 v;
    (void)pos;
    if (it->count < 8)
        return -EINVAL;
    if (!ev_take(e, &v)) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        if (wait_event_interruptible(&e->wait, ev_take(e, &v)))
            return -ERESTARTSYS;
    }
    wake_up_key(&e->wait, 0, POLLOUT);
    return copy_to_iter(&v, 8, it) == 8 ? 8 : -EFAULT;
}
static bool ev_give(struct eventfd *e, u64 v) {
    spin_lock(&e->lock);
    bool ok = v < ~0UL - e->count;
    if (ok)
        e->count += v;
    spin_unlock(&e->lock);
    return ok;
}
static ssize_t ev_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct eventfd *e = f->private;
    u64 v;
    (void)pos;
    if (it->count < 8)
        return -EINVAL;
    if (copy_from_iter(&v, 8, it) != 8)
        return -EFAULT;
    if (v == ~0UL)
        return -EINVAL;
    if (!ev_give(e, v)) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        if (wait_event_interruptible(&e->wait, ev_give(e, v)))
            return -ERESTARTSYS;
    }
    wake_up_key(&e->wait, 0, POLLIN);
    return 8;
}
static u32 ev_poll(struct file *f, struct poll_table *pt) {
    struct eventfd *e = f->private;
    poll_wait(f, &e->wait, pt);
    return (e->count ? POLLIN | POLLRDNORM : 0) | (e->count < ~0UL - 1 ? POLLOUT | POLLWRNORM : 0);
}
static void private_release(struct file *f) { kfree(f->private); }
static const struct file_operations eventfd_fops = {
    .read = ev_read, .write = ev_write, .poll = ev_poll, .release = private_release};
long sys_eventfd2(u64 count, u64 flags) {
    if (flags & ~(u64)(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE))
        return -EINVAL;
    struct eventfd *e = kzalloc(sizeof(*e), GFP_KERNEL);
    if (!e)
        return -ENOMEM;
    spin_lock_init(&e->lock, RANK_OBJECT);
    init_waitqueue(&e->wait);
    e->count = (u32)count;
    e->semaphore = flags & EFD_SEMAPHORE;
    struct file *f = anon_file(&eventfd_fops, e, O_RDWR | (flags & O_NONBLOCK), "eventfd");
    if (IS_ERR(f))
        kfree(e);
    return fd_with_file(f, flags);
}
