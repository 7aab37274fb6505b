/* Waiting for many files: poll, select, epoll; and the files made to be waited for: eventfd, timerfd,
 * signalfd, pidfd. A poller links an entry to each queue a file names; the first wake ends its sleep. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

struct poll_entry {
    struct wait_queue_entry w;
    struct wait_queue_head *q;
    struct poll_table *pt;
};
/* add: what to do with each queue. */
struct poll_table {
    void (*add)(struct poll_table *pt, struct file *f, struct wait_queue_head *q);
    struct task_struct *task;
    struct poll_entry *entries;
    u32 n, max;
    bool triggered, failed;
};
void poll_wait(struct file *f, struct wait_queue_head *q, struct poll_table *pt) {
    if (pt)
        pt->add(pt, f, q);
}
static bool poll_wake(struct wait_queue_entry *w, u64 key) {
    struct poll_table *pt = container_of(w, struct poll_entry, w)->pt;
    (void)key;
    WRITE_ONCE(pt->triggered, true);
    wake_up_process(pt->task);
    return true;
}
static void poll_add(struct poll_table *pt, struct file *f, struct wait_queue_head *q) {
    (void)f;
    if (pt->n == pt->max) {
        pt->failed = true;
        return;
    }
    struct poll_entry *e = &pt->entries[pt->n++];
    *e = (struct poll_entry){.w = {.func = poll_wake, .task = pt->task}, .q = q, .pt = pt};
    add_wait_queue(q, &e->w);
}

struct poll_one {
    struct file *f;
    u32 events, revents;
};
/* The number ready; 0 at the deadline; -EINTR. Files are the caller's references. */
static long do_poll(struct poll_one *p, u32 n, u64 deadline) {
    struct poll_table pt = {.add = poll_add, .task = current, .max = n * 2};
    struct poll_entry few[16];
    pt.entries = pt.max <= 16 ? few : kmalloc(pt.max * sizeof(struct poll_entry), GFP_KERNEL);
    if (!pt.entries)
        return -ENOMEM;
    long ready = 0;
    struct poll_table *arg = deadline ? &pt : NULL;
    for (;;) {
        set_current_state(TASK_INTERRUPTIBLE);
        WRITE_ONCE(pt.triggered, false);
        set_current_state(TASK_RUNNING);
        for (u32 i = 0; i < n; i++) {
            if (!p[i].f)
                ready += p[i].revents != 0; /* POLLNVAL */
            else if ((p[i].revents = file_poll(p[i].f, arg) & (p[i].events | POLLERR | POLLHUP)))
                ready++, arg = NULL;
        }
        arg = NULL;
        if (ready || signal_pending(current) || ktime_get() >= deadline)
            break;
        set_current_state(TASK_INTERRUPTIBLE);
        if (!READ_ONCE(pt.triggered))
            schedule_until(deadline);
        set_current_state(TASK_RUNNING);
    }
    for (u32 i = 0; i < pt.n; i++)
        remove_wait_queue(pt.entries[i].q, &pt.entries[i].w);
    if (pt.entries != few)
        kfree(pt.entries);
    return ready ? ready : signal_pending(current) ? -EINTR : 0;
}

static long get_deadline(u64 uts, u64 *deadline) {
    struct abi_timespec ts;
    *deadline = FOREVER;
    if (!uts)
        return 0;
    long r = get_timespec(&ts, uts);
    if (r)
        return r;
    u64 ns = timespec_to_ns(&ts);
    *deadline = ns == FOREVER ? FOREVER : ns ? ktime_get() + ns : 0;
    return 0;
}
void set_temporary_sigmask(u64 mask);
static long temporary_mask(u64 uset, u64 size) {
    u64 set;
    if (!uset)
        return 0;
    if (size != 8)
        return -EINVAL;
    if (copy_from_user(&set, uset, 8))
        return -EFAULT;
    set_temporary_sigmask(set);
    return 0;
}
/* No handler will run: put the mask back now. */
static long restore_mask(long r) {
    if (current->restore_sigmask && r != -EINTR) {
        current->restore_sigmask = false;
        set_blocked(current->saved_sigmask);
    }
    return r == -EINTR ? -ERESTARTNOHAND : r;
}

long sys_ppoll(u64 ufds, u64 n, u64 uts, u64 uset, u64 size) {
    u64 deadline;
    n = (u32)n;
    if (n > rlimit(RLIMIT_NOFILE))
        return -EINVAL;
    long r = get_deadline(uts, &deadline);
    if (r || (r = temporary_mask(uset, size)))
        return r;
    struct pollfd *fds = kmalloc(n * sizeof(*fds) + 1, GFP_KERNEL);
    struct poll_one *p = kzalloc(n * sizeof(*p) + 1, GFP_KERNEL);
    r = !fds || !p ? -ENOMEM : copy_from_user(fds, ufds, n * sizeof(*fds));
    if (!r) {
        for (u64 i = 0; i < n; i++) {
            p[i].events = (u16)fds[i].events;
            p[i].f = fds[i].fd < 0 ? NULL : fget(fds[i].fd);
            p[i].revents = fds[i].fd >= 0 && !p[i].f ? POLLNVAL : 0;
        }
        r = do_poll(p, n, deadline);
        for (u64 i = 0; i < n; i++) {
            fds[i].revents = p[i].revents;
            if (p[i].f)
                fput(p[i].f);
            if (put_user(ufds + i * sizeof(*fds) + 6, fds[i].revents))
                r = -EFAULT;
        }
    }
    kfree(fds);
    kfree(p);
    return restore_mask(r);
}

long sys_pselect6(u64 un, u64 uin, u64 uout, u64 uex, u64 uts, u64 usig) {
    u64 set[3][16], got[3][16] = {0}, user[3] = {uin, uout, uex}, deadline, sig[2] = {0};
    static const u32 want[3] = {POLLIN | POLLRDNORM | POLLHUP | POLLERR, POLLOUT | POLLWRNORM | POLLERR,
                                POLLPRI};
    s32 n = un;
    if (n < 0)
        return -EINVAL;
    n = min(n, 1024);
    u64 bytes = DIV_ROUND_UP(n, 64) * 8;
    memset(set, 0, sizeof(set));
    for (int k = 0; k < 3; k++)
        if (user[k] && copy_from_user(set[k], user[k], bytes))
            return -EFAULT;
    if (usig && copy_from_user(sig, usig, 16))
        return -EFAULT;
    long r = get_deadline(uts, &deadline);
    if (r || (r = temporary_mask(sig[0], sig[1])))
        return r;
    struct poll_one *p = kzalloc(n * sizeof(*p) + 1, GFP_KERNEL);
    u32 *which = kmalloc(n * 4 + 1, GFP_KERNEL), count = 0;
    r = p && which ? 0 : -ENOMEM;
    for (s32 fd = 0; !r && fd < n; fd++) {
        u32 ev = 0;
        for (int k = 0; k < 3; k++)
            if (set[k][fd / 64] & BIT(fd % 64))
                ev |= want[k];
        if (!ev)
            continue;
        p[count] = (struct poll_one){fget(fd), ev, 0};
        if (!p[count].f)
            r = -EBADF;
        else
            which[count++] = fd;
    }
    if (!r)
        r = do_poll(p, count, deadline);
    long bits = 0;
    for (u32 i = 0; i < count; i++) {
        for (int k = 0; k < 3 && r > 0; k++)
            if ((set[k][which[i] / 64] & BIT(which[i] % 64)) && (p[i].revents & want[k])) {
                got[k][which[i] / 64] |= BIT(which[i] % 64);
                bits++;
            }
        fput(p[i].f);
    }
    kfree(p);
    kfree(which);
    if (r >= 0) {
        r = bits;
        for (int k = 0; k < 3; k++)
            if (user[k] && copy_to_user(user[k], got[k], bytes))
                r = -EFAULT;
    }
    return restore_mask(r);
}

/* --- epoll --- One mutex guards all sets' trees and links: changes are rare. Ready lists have their own. */
struct epoll {
    spinlock_t lock; /* ready, and the flags of items */
    struct list_head items, ready;
    struct wait_queue_head wait;
};
struct epitem {
    struct list_head link, ready, file_link;
    struct epoll *ep;
    struct file *f; /* not counted: gone with the file */
    s32 fd;
    struct epoll_event ev;
    bool queued, disabled;
    u32 nq;
    struct ep_hook {
        struct wait_queue_entry w;
        struct wait_queue_head *q;
        struct epitem *item;
    } hook[2];
};
struct ep_table {
    struct poll_table pt;
    struct epitem *item;
};
static struct mutex epoll_mutex = MUTEX_INIT(epoll_mutex);
static struct kmem_cache *epitem_cache;
void epoll_init(void) { epitem_cache = kmem_cache_create("epitem", sizeof(struct epitem)); }

static bool ep_wake(struct wait_queue_entry *w, u64 key) {
    struct epitem *i = container_of(w, struct ep_hook, w)->item;
    struct epoll *ep = i->ep;
    if (key && !(key & (i->ev.events | POLLERR | POLLHUP)))
        return false;
    bool wake = false;
    while (!spin_trylock_raw(&ep->lock)) /* inside a queue's lock: leaf by construction */
        cpu_relax();
    if (!i->queued && !i->disabled) {
        i->queued = wake = true;
        list_add_tail(&i->ready, &ep->ready);
    }
    __atomic_store_n(&ep->lock.locked, 0, __ATOMIC_RELEASE);
    if (wake && !list_empty(&ep->wait.list))
        wake_up_poll(&ep->wait, POLLIN);
    return true;
}
static void ep_add(struct poll_table *pt, struct file *f, struct wait_queue_head *q) {
    struct epitem *i = container_of(pt, struct ep_table, pt)->item;
    (void)f;
    if (i->nq == ARRAY_SIZE(i->hook))
        return;
    struct ep_hook *h = &i->hook[i->nq++];
    *h = (struct ep_hook){.w = {.func = ep_wake}, .q = q, .item = i};
    add_wait_queue(q, &h->w);
}
static u64 ep_lock(struct epoll *ep) {
    u64 irq = local_irq_save();
    preempt_disable();
    while (!spin_trylock_raw(&ep->lock))
        cpu_relax();
    return irq;
}
static void ep_unlock(struct epoll *ep, u64 irq) {
    __atomic_store_n(&ep->lock.locked, 0, __ATOMIC_RELEASE);
    preempt_enable_no_resched();
    local_irq_restore(irq);
}
static void ep_queue(struct epitem *i) {
    u64 irq = ep_lock(i->ep);
    if (!i->queued) {
        i->queued = true;
        list_add_tail(&i->ready, &i->ep->ready);
    }
    ep_unlock(i->ep, irq);
    wake_up_poll(&i->ep->wait, POLLIN);
}
static void ep_remove(struct epitem *i) { /* epoll_mutex held */
    for (u32 k = 0; k < i->nq; k++)
        remove_wait_queue(i->hook[k].q, &i->hook[k].w);
    u64 irq = ep_lock(i->ep);
    if (i->queued)
        list_del(&i->ready);
    ep_unlock(i->ep, irq);
    list_del(&i->link);
    list_del(&i->file_link);
    kmem_cache_free(epitem_cache, i);
}
void epoll_forget(struct file *f) {
    struct epitem *i, *n;
    if (list_empty(&f->epoll_links))
        return;
    mutex_lock(&epoll_mutex);
    list_for_each_entry_safe(i, n, &f->epoll_links, file_link) ep_remove(i);
    mutex_unlock(&epoll_mutex);
}
static void ep_release(struct file *f) {
    struct epoll *ep = f->private;
    struct epitem *i, *n;
    mutex_lock(&epoll_mutex);
    list_for_each_entry_safe(i, n, &ep->items, link) ep_remove(i);
    mutex_unlock(&epoll_mutex);
    kfree(ep);
}
static u32 ep_poll(struct file *f, struct poll_table *pt) {
    struct epoll *ep = f->private;
    poll_wait(f, &ep->wait, pt);
    return list_empty(&ep->ready) ? 0 : POLLIN | POLLRDNORM;
}
static const struct file_operations epoll_fops = {.poll = ep_poll, .release = ep_release};

long sys_epoll_create1(u64 flags) {
    if (flags & ~(u64)O_CLOEXEC)
        return -EINVAL;
    struct epoll *ep = kzalloc(sizeof(*ep), GFP_KERNEL);
    if (!ep)
        return -ENOMEM;
    spin_lock_init(&ep->lock, RANK_NONE);
    INIT_LIST_HEAD(&ep->items);
    INIT_LIST_HEAD(&ep->ready);
    init_waitqueue(&ep->wait);
    struct file *f = anon_file(&epoll_fops, ep, O_RDWR, "eventpoll");
    if (IS_ERR(f))
        kfree(ep);
    return fd_with_file(f, flags);
}
long sys_epoll_ctl(u64 epfd, u64 op, u64 fd, u64 uev) {
    struct epoll_event ev = {0};
    if ((s32)op != EPOLL_CTL_DEL && copy_from_user(&ev, uev, sizeof(ev)))
        return -EFAULT;
    struct file *e = fget(epfd), *f = fget(fd);
    long r = -EBADF;
    struct epitem *i, *found = NULL;
    if (!e || !f)
        goto out;
    r = -EINVAL;
    if (e->f_op != &epoll_fops || e == f)
        goto out;
    r = f->f_op->poll ? 0 : -EPERM;
    if (r)
        goto out;
    struct epoll *ep = e->private;
    bool ready = false;
    mutex_lock(&epoll_mutex);
    list_for_each_entry(i, &ep->items, link) if (i->f == f && i->fd == (s32)fd) found = i;
    if ((s32)op == EPOLL_CTL_ADD) {
        if (found)
            r = -EEXIST;
        else if (f->f_op == &epoll_fops &&
                 ((struct epoll *)f->private)->items.next != &((struct epoll *)f->private)->items)
            r = -ELOOP; /* one level of nesting */
        else if (!(i = kmem_cache_alloc(epitem_cache, GFP_KERNEL | GFP_ZERO)))
            r = -ENOMEM;
        else {
            i->ep = ep, i->f = f, i->fd = (s32)fd, i->ev = ev;
            list_add_tail(&i->link, &ep->items);
            list_add(&i->file_link, &f->epoll_links);
            struct ep_table t = {{.add = ep_add}, i};
            found = i;
            ready = file_poll(f, &t.pt) & (ev.events | POLLERR | POLLHUP);
        }
    } else if (!found) {
        r = -ENOENT;
    } else if ((s32)op == EPOLL_CTL_DEL) {
        ep_remove(found);
        found = NULL;
    } else if ((s32)op == EPOLL_CTL_MOD) {
        found->ev = ev;
        found->disabled = false;
        ready = file_poll(f, NULL) & (ev.events | POLLERR | POLLHUP);
    } else {
        r = -EINVAL;
    }
    if (!r && ready && found)
        ep_queue(found);
    mutex_unlock(&epoll_mutex);
out:
    if (e)
        fput(e);
    if (f)
        fput(f);
    return r;
}
static long ep_collect(struct epoll *ep, u64 uev, s32 max) {
    LIST_HEAD(again);
    long n = 0;
    mutex_lock(&epoll_mutex);
    while (n < max) {
        u64 irq = ep_lock(ep);
        struct epitem *i = list_empty(&ep->ready) ? NULL : list_first_entry(&ep->ready, struct epitem, ready);
        if (i) {
            list_del(&i->ready);
            i->queued = false;
        }
        ep_unlock(ep, irq);
        if (!i)
            break;
        u32 now = file_poll(i->f, NULL) & (i->ev.events | POLLERR | POLLHUP);
        if (!now || i->disabled)
            continue;
        struct epoll_event out = {.events = now, .data = i->ev.data};
        if (copy_to_user(uev + n * sizeof(out), &out, sizeof(out))) {
            n = n ? n : -EFAULT;
            break;
        }
        n++;
        if (i->ev.events & EPOLLONESHOT)
            i->disabled = true;
        else if (!(i->ev.events & EPOLLET)) { /* level: it stays ready until polled otherwise */
            irq = ep_lock(ep);
            if (!i->queued) {
                i->queued = true;
                list_add_tail(&i->ready, &again);
            }
            ep_unlock(ep, irq);
        }
    }
    u64 irq = ep_lock(ep);
    list_splice_init(&again, &ep->ready);
    ep_unlock(ep, irq);
    mutex_unlock(&epoll_mutex);
    return n;
}
long sys_epoll_pwait(u64 epfd, u64 uev, u64 max, u64 timeout, u64 uset, u64 size) {
    s32 ms = timeout;
    if ((s32)max <= 0)
        return -EINVAL;
    struct file *f = fget(epfd);
    if (!f)
        return -EBADF;
    long r = -EINVAL;
    if (f->f_op == &epoll_fops && !(r = temporary_mask(uset, size))) {
        struct epoll *ep = f->private;
        u64 deadline = ms < 0 ? FOREVER : ktime_get() + ms * 1000000UL;
        while (!(r = ep_collect(ep, uev, max)) && ms) {
            long e = wait_event_state(&ep->wait, !list_empty(&ep->ready), TASK_INTERRUPTIBLE, deadline, true);
            if (e) {
                r = e == -EINTR ? -EINTR : 0;
                break;
            }
        }
        r = restore_mask(r);
        r = r == -ERESTARTNOHAND ? -EINTR : r;
    }
    fput(f);
    return r;
}

/* --- eventfd --- */
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

/* --- timerfd --- */
struct timerfd {
    struct timer timer;
    spinlock_t lock;
    u64 interval, ticks;
    s32 clock;
    struct wait_queue_head wait;
};
static void tfd_fire(struct timer *t) {
    struct timerfd *d = container_of(t, struct timerfd, timer);
    spin_lock(&d->lock);
    d->ticks++;
    u64 again = d->interval ? t->expires + d->interval : 0;
    spin_unlock(&d->lock);
    if (again)
        timer_start(t, again);
    wake_up_key(&d->wait, 0, POLLIN);
}
static bool tfd_take(struct timerfd *d, u64 *v) {
    u64 irq = spin_lock_irqsave(&d->lock);
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
    d->interval = 0;
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
    spin_lock_init(&d->lock, RANK_NONE);
    init_waitqueue(&d->wait);
    timer_setup(&d->timer, tfd_fire);
    d->clock = clock;
    struct file *f = anon_file(&timerfd_fops, d, O_RDWR | (flags & O_NONBLOCK), "timerfd");
    if (IS_ERR(f))
        kfree(d);
    return fd_with_file(f, flags);
}
static struct abi_itimerspec tfd_value(struct timerfd *d) {
    u64 now = ktime_get(), left = d->timer.hart < 0 ? 0 : d->timer.expires > now ? d->timer.expires - now : 1;
    return (struct abi_itimerspec){ns_to_timespec(d->interval), ns_to_timespec(left)};
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
        o = tfd_value(d);
        d->interval = 0;
        timer_cancel(&d->timer);
        d->ticks = 0;
        u64 v = timespec_to_ns(&n.it_value);
        if (v) {
            u64 shift = d->clock == CLOCK_REALTIME_ID ? ktime_get_real() - ktime_get() : 0;
            u64 at = flags & 1 ? (v > shift ? v - shift : 1) : ktime_get() + v;
            d->interval = timespec_to_ns(&n.it_interval);
            timer_start(&d->timer, at);
        }
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
        v = tfd_value(f->private);
        r = copy_to_user(ucur, &v, sizeof(v));
    }
    fput(f);
    return r;
}

/* --- signalfd --- */
struct signalfd_siginfo {
    u32 signo;
    s32 err, code;
    u32 pid, uid;
    s32 fd;
    u32 tid, band, overrun, trapno;
    s32 status, value_int;
    u64 value_ptr, utime, stime, addr;
    u8 pad[48];
};
static ssize_t sfd_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    u64 mask = (u64)f->private;
    struct abi_siginfo in;
    ssize_t done = 0;
    (void)pos;
    if (it->count < sizeof(struct signalfd_siginfo))
        return -EINVAL;
    while (it->count >= sizeof(struct signalfd_siginfo)) {
        int sig = dequeue_signal(mask, &in);
        if (!sig && !done && !(f->flags & O_NONBLOCK)) {
            if (wait_event_interruptible(&current->signal->sigfd_wait, (sig = dequeue_signal(mask, &in))))
                return -ERESTARTSYS;
        }
        if (!sig)
            break;
        struct signalfd_siginfo o = {.signo = sig,
                                     .code = in.si_code,
                                     .pid = in.pid,
                                     .uid = in.uid,
                                     .status = in.status,
                                     .utime = in.utime,
                                     .stime = in.stime,
                                     .value_ptr = in.value,
                                     .value_int = in.value};
        if (copy_to_iter(&o, sizeof(o), it) != sizeof(o))
            return -EFAULT;
        done += sizeof(o);
    }
    return done ? done : -EAGAIN;
}
static u32 sfd_poll(struct file *f, struct poll_table *pt) {
    poll_wait(f, &current->signal->sigfd_wait, pt);
    return signals_for_fd(current, (u64)f->private) ? POLLIN | POLLRDNORM : 0;
}
static const struct file_operations signalfd_fops = {.read = sfd_read, .poll = sfd_poll};
long sys_signalfd4(u64 fd, u64 umask, u64 size, u64 flags) {
    u64 mask;
    if (size != 8 || (flags & ~(u64)(O_CLOEXEC | O_NONBLOCK)))
        return -EINVAL;
    if (copy_from_user(&mask, umask, 8))
        return -EFAULT;
    mask &= ~(BIT(SIGKILL - 1) | BIT(SIGSTOP - 1));
    if ((s32)fd != -1) {
        struct file *f = fget(fd);
        if (!f)
            return -EBADF;
        long r = f->f_op == &signalfd_fops ? (s32)fd : -EINVAL;
        if (r >= 0)
            f->private = (void *)mask;
        fput(f);
        return r;
    }
    return fd_with_file(anon_file(&signalfd_fops, (void *)mask, O_RDWR | (flags & O_NONBLOCK), "signalfd"),
                        flags);
}

/* --- pidfd --- */
static u32 pfd_poll(struct file *f, struct poll_table *pt) {
    struct task_struct *t = f->private;
    poll_wait(f, &t->pidfd_wait, pt);
    return t->exit_state && t->signal->nr_threads <= 1 ? POLLIN | POLLRDNORM : 0;
}
static void pfd_release(struct file *f) { put_task(f->private); }
static const struct file_operations pidfd_fops = {.poll = pfd_poll, .release = pfd_release};
struct file *pidfd_file(struct task_struct *t) {
    struct file *f = anon_file(&pidfd_fops, t, O_RDWR, "pidfd");
    if (!IS_ERR(f))
        get_task(t);
    return f;
}
pid_t pidfd_to_pid(s32 fd) {
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    pid_t r = f->f_op == &pidfd_fops ? ((struct task_struct *)f->private)->pid : -EINVAL;
    fput(f);
    return r;
}
long sys_pidfd_open(u64 pid, u64 flags) {
    if ((s32)pid <= 0 || (flags & ~(u64)O_NONBLOCK))
        return -EINVAL;
    struct task_struct *t = get_task_by_pid((s32)pid);
    if (!t)
        return -ESRCH;
    long r = t == t->group_leader ? fd_with_file(pidfd_file(t), O_CLOEXEC) : -EINVAL;
    put_task(t);
    return r;
}
