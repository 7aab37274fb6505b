/* epoll: sets of files that tell when they are ready. One mutex guards all sets' trees and
 * links: changes are rare. Ready lists have their own. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

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
        if (i->hook[k].q)
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
void epoll_forget_queue(struct wait_queue_head *q) {
    struct wait_queue_entry *w, *n;
    if (list_empty(&q->list))
        return;
    mutex_lock(&epoll_mutex);
    u64 irq = spin_lock_irqsave(&q->lock);
    list_for_each_entry_safe(w, n, &q->list, link) {
        list_del_init(&w->link);
        container_of(w, struct ep_hook, w)->q = NULL;
    }
    spin_unlock_irqrestore(&q->lock, irq);
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
