/* timerfd: timers read as files. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

/* The next expiration counts, not the timer's: a tfd_fire that comes too late or too soon, since the file was
 * set again meanwhile, does nothing. One that was seen is not armed again until somebody reads or asks: that
 * counts what was missed, in one step. */
struct timerfd {
    struct timer timer;
    spinlock_t lock;
    u64 expires, interval; /* ns of ktime_get; 0: it is off, it does not repeat */
    u64 ticks;
    bool expired; /* ticks has the expiration at `expires`, and the timer is not armed */
    s32 clock;
    struct wait_queue_head wait;
};
static void tfd_fire(struct timer *t) {
    struct timerfd *d = container_of(t, struct timerfd, timer);
    spin_lock(&d->lock);
    bool due = d->expires && !d->expired && d->expires <= ktime_get();
    if (due) {
        d->ticks++;
        d->expired = true;
    }
    spin_unlock(&d->lock);
    if (due)
        wake_up_key(&d->wait, 0, POLLIN);
}
/* Bring a periodic one that has expired up to date. d->lock held. */
static void tfd_forward(struct timerfd *d) {
    if (!d->expired || !d->interval)
        return;
    d->ticks += timer_forward(&d->expires, d->interval, ktime_get()) - 1;
    d->expired = false;
    timer_start(&d->timer, d->expires);
}
static bool tfd_take(struct timerfd *d, u64 *v) {
    u64 irq = spin_lock_irqsave(&d->lock);
    if (d->ticks)
        tfd_forward(d);
    *v = d->ticks;
    d->ticks = 0;
    spin_unlock_irqrestore(&d->lock, irq);
    return *v != 0;
}
static ssize_t tfd_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct timerfd *d = f->private;
    u64 v;
    (void)pos;
    if (it->count < 8)
        return -EINVAL;
    if (!tfd_take(d, &v)) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        if (wait_event_interruptible(&d->wait, tfd_take(d, &v)))
            return -ERESTARTSYS;
    }
    return copy_to_iter(&v, 8, it) == 8 ? 8 : -EFAULT;
}
static u32 tfd_poll(struct file *f, struct poll_table *pt) {
    struct timerfd *d = f->private;
    poll_wait(f, &d->wait, pt);
    return READ_ONCE(d->ticks) ? POLLIN | POLLRDNORM : 0;
}
static void tfd_release(struct file *f) {
    struct timerfd *d = f->private;
    timer_cancel(&d->timer);
    kfree(d);
}
static const struct file_operations timerfd_fops = {
    .read = tfd_read, .poll = tfd_poll, .release = tfd_release};
long sys_timerfd_create(u64 clock, u64 flags) {
    if ((clock != CLOCK_REALTIME_ID && clock != CLOCK_MONOTONIC_ID && clock != CLOCK_BOOTTIME_ID) ||
        (flags & ~(u64)(O_CLOEXEC | O_NONBLOCK)))
        return -EINVAL;
    struct timerfd *d = kzalloc(sizeof(*d), GFP_KERNEL);
    if (!d)
        return -ENOMEM;
    spin_lock_init(&d->lock, RANK_DEVICE);
    init_waitqueue(&d->wait);
    timer_setup(&d->timer, tfd_fire);
    d->clock = clock;
    struct file *f = anon_file(&timerfd_fops, d, O_RDWR | (flags & O_NONBLOCK), "timerfd");
    if (IS_ERR(f))
        kfree(d);
    return fd_with_file(f, flags);
}
/* d->lock held. */
static struct abi_itimerspec tfd_value(struct timerfd *d) {
    tfd_forward(d);
    u64 now = ktime_get(), left = !d->expires || d->expired ? 0 : d->expires > now ? d->expires - now : 1;
    return (struct abi_itimerspec){ns_to_timespec(d->interval), ns_to_timespec(left)};
}
static void tfd_set(struct timerfd *d, u64 at, u64 interval, struct abi_itimerspec *old) {
    u64 irq = spin_lock_irqsave(&d->lock);
    *old = tfd_value(d);
    d->ticks = 0;
    d->expired = false;
    d->expires = at;
    d->interval = interval;
    if (at)
        timer_start(&d->timer, at);
    else
        timer_stop(&d->timer);
    spin_unlock_irqrestore(&d->lock, irq);
}
long sys_timerfd_settime(u64 fd, u64 flags, u64 unew, u64 uold) {
    struct abi_itimerspec n, o;
    if (copy_from_user(&n, unew, sizeof(n)))
        return -EFAULT;
    if ((flags & ~3UL) || (u64)n.it_value.tv_nsec >= 1000000000 || (u64)n.it_interval.tv_nsec >= 1000000000 ||
        n.it_value.tv_sec < 0 || n.it_interval.tv_sec < 0)
        return -EINVAL;
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    long r = -EINVAL;
    if (f->f_op == &timerfd_fops) {
        struct timerfd *d = f->private;
        u64 v = min(timespec_to_ns(&n.it_value), TIME_MAX), at = 0;
        u64 shift = d->clock == CLOCK_REALTIME_ID ? ktime_get_real() - ktime_get() : 0;
        if (v)
            at = !(flags & 1) ? ktime_get() + v : v > shift ? v - shift : 1;
        tfd_set(d, at, at ? min(timespec_to_ns(&n.it_interval), TIME_MAX) : 0, &o);
        r = uold ? copy_to_user(uold, &o, sizeof(o)) : 0;
    }
    fput(f);
    return r;
}
long sys_timerfd_gettime(u64 fd, u64 ucur) {
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    struct abi_itimerspec v;
    long r = -EINVAL;
    if (f->f_op == &timerfd_fops) {
        struct timerfd *d = f->private;
        u64 irq = spin_lock_irqsave(&d->lock);
        v = tfd_value(d);
        spin_unlock_irqrestore(&d->lock, irq);
        r = copy_to_user(ucur, &v, sizeof(v));
    }
    fput(f);
    return r;
}
