/* epoll: sets of files that tell when they are ready. One mutex guards all sets' trees and
 * links: changes are rare. Ready lists have their own.
 *
 * A set may be watched by others: a wake goes up from one to the next inside the locks of their queues. So
 * there is no circle, no chain of more than MAX_NESTS + 1 sets, and no file with more ways up from it than
 * path_limits says. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

#define MAX_NESTS 4
struct epoll {
    spinlock_t lock; /* ready, and the flags of items */
    struct list_head items, ready;
    struct wait_queue_head wait;
    struct file *file;
    struct user_struct *user; /* counted: whose watches the items are */
    /* For walks, epoll_mutex: which has seen it, who is next at this depth and at the next one, and how many
     * ways of each length lead up from it. */
    u64 seen, counted;
    struct epoll *next[2];
    u32 paths[MAX_NESTS + 1];
};
struct epitem {
    struct list_head link, ready, file_link;
    struct epoll *ep;
    struct file *f; /* not counted: gone with the file */
    s32 fd;
    struct epoll_event ev;
    bool queued, disabled;
    u32 nq;
    u64 counted; /* of a file's first item: when the ways up from the file were */
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
u32 sysctl_max_user_watches;
void epoll_init(void) {
    epitem_cache = kmem_cache_create("epitem", sizeof(struct epitem));
    sysctl_max_user_watches = total_pages * PAGE_SIZE / 25 / sizeof(struct epitem); /* 4 % of memory */
}

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
    atomic_dec(&i->ep->user->epoll_watches);
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
    put_user_struct(ep->user);
    kfree(ep);
}
static u32 ep_poll(struct file *f, struct poll_table *pt) {
    struct epoll *ep = f->private;
    poll_wait(f, &ep->wait, pt);
    return list_empty(&ep->ready) ? 0 : POLLIN | POLLRDNORM;
}
static const struct file_operations epoll_fops = {.poll = ep_poll, .release = ep_release};

/* --- sets in sets; epoll_mutex held --- */
static u64 walks, counts;
static struct epoll *set_of(const struct file *f) { return f->f_op == &epoll_fops ? f->private : NULL; }
/* One depth of a walk after the other, each set once in each. */
struct walk {
    struct epoll *at, *next; /* linked by next[n & 1], and by the other */
    u32 n;
};
static void walk_add(struct walk *w, struct epoll *ep) {
    if (!ep || ep->seen == walks)
        return;
    ep->seen = walks;
    ep->next[~w->n & 1] = w->next;
    w->next = ep;
}
/* To the next depth, of the sets in these or of those that these are in; false: there is none. */
static bool walk_on(struct walk *w, bool up) {
    struct epitem *i;
    w->next = NULL;
    walks++;
    for (struct epoll *ep = w->at; ep; ep = ep->next[w->n & 1])
        if (up)
            list_for_each_entry(i, &ep->file->epoll_links, file_link) walk_add(w, i->ep);
        else
            list_for_each_entry(i, &ep->items, link) walk_add(w, set_of(i->f));
    w->at = w->next;
    w->n++;
    return w->at != NULL;
}
static struct walk walk_from(struct epoll *ep) {
    ep->next[0] = NULL;
    return (struct walk){.at = ep};
}
/* `in` is to be watched by ep: -ELOOP if that makes a circle or too long a chain. */
static int check_nesting(struct epoll *ep, struct epoll *in) {
    u32 depth = 1;
    for (int up = 0; up < 2; up++)
        for (struct walk w = walk_from(up ? ep : in); walk_on(&w, up); depth++)
            if (depth >= MAX_NESTS || (!up && ep->seen == walks))
                return -ELOOP;
    return 0;
}
/* How many ways lead up from ep to sets that nobody watches, by length. As deep as sets are nested. */
static const u32 *paths_above(struct epoll *ep) {
    struct epitem *i;
    if (ep->counted == counts)
        return ep->paths;
    ep->counted = counts;
    memset(ep->paths, 0, sizeof(ep->paths));
    ep->paths[0] = list_empty(&ep->file->epoll_links);
    list_for_each_entry(i, &ep->file->epoll_links, file_link) {
        const u32 *p = paths_above(i->ep);
        for (u32 d = 0; d < MAX_NESTS; d++)
            ep->paths[d + 1] = min(ep->paths[d + 1] + p[d], 1u << 30);
    }
    return ep->paths;
}
static bool too_many_paths(struct file *f) {
    static const u32 limits[MAX_NESTS + 1] = {~0U, 500, 100, 50, 10};
    u32 n[MAX_NESTS + 1] = {0};
    struct epitem *i, *first = list_first_entry(&f->epoll_links, struct epitem, file_link);
    if (set_of(f) || first->counted == counts)
        return false;
    first->counted = counts;
    list_for_each_entry(i, &f->epoll_links, file_link) {
        const u32 *p = paths_above(i->ep);
        for (u32 d = 0; d <= MAX_NESTS; d++)
            if ((n[d] = min(n[d] + p[d], 1u << 30)) > limits[d])
                return true;
    }
    return false;
}
/* f is watched by ep since now: -EINVAL if too many ways lead up from f, or from what it watches. */
static int check_paths(struct epoll *ep, struct file *f) {
    struct epitem *i;
    if (!set_of(f) && list_empty(&ep->file->epoll_links))
        return 0;
    counts++;
    if (too_many_paths(f))
        return -EINVAL;
    if (set_of(f)) {
        struct walk w = walk_from(set_of(f));
        do
            for (struct epoll *in = w.at; in; in = in->next[w.n & 1])
                list_for_each_entry(i, &in->items, link) if (too_many_paths(i->f)) return -EINVAL;
        while (walk_on(&w, false));
    }
    return 0;
}
/* ep watches f from now on: 0; or -ELOOP, -EINVAL, -ENOSPC, -ENOMEM. */
static int ep_insert(struct epoll *ep, struct file *f, s32 fd, const struct epoll_event *ev) {
    int r = set_of(f) ? check_nesting(ep, set_of(f)) : 0;
    if (r)
        return r;
    if ((u32)atomic_add_return(&ep->user->epoll_watches, 1) > READ_ONCE(sysctl_max_user_watches))
        r = -ENOSPC;
    struct epitem *i = r ? NULL : kmem_cache_alloc(epitem_cache, GFP_KERNEL | GFP_ZERO);
    if (!i) {
        atomic_dec(&ep->user->epoll_watches);
        return r ? r : -ENOMEM;
    }
    i->ep = ep, i->f = f, i->fd = fd, i->ev = *ev;
    list_add_tail(&i->link, &ep->items);
    list_add(&i->file_link, &f->epoll_links);
    if ((r = check_paths(ep, f))) {
        ep_remove(i);
        return r;
    }
    struct ep_table t = {{.add = ep_add}, i};
    if (file_poll(f, &t.pt) & (ev->events | POLLERR | POLLHUP))
        ep_queue(i);
    return 0;
}

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
    if (IS_ERR(f)) {
        kfree(ep);
        return PTR_ERR(f);
    }
    ep->file = f;
    ep->user = current->cred->user;
    atomic_inc(&ep->user->refcount);
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
    mutex_lock(&epoll_mutex);
    list_for_each_entry(i, &ep->items, link) if (i->f == f && i->fd == (s32)fd) found = i;
    if ((s32)op == EPOLL_CTL_ADD) {
        r = found ? -EEXIST : ep_insert(ep, f, (s32)fd, &ev);
    } else if (!found) {
        r = -ENOENT;
    } else if ((s32)op == EPOLL_CTL_DEL) {
        ep_remove(found);
    } else if ((s32)op == EPOLL_CTL_MOD) {
        found->ev = ev;
        found->disabled = false;
        if (file_poll(f, NULL) & (ev.events | POLLERR | POLLHUP))
            ep_queue(found);
    } else {
        r = -EINVAL;
    }
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
