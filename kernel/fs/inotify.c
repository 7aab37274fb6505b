/* inotify: a file to read what happens to the files that it watches. A watch holds its inode. watches_mutex
 * guards all watches: those of an inode, those of an instance; it is taken where inodes' locks may be held.
 * An instance's lock guards its events. While nobody watches anything an event costs its place one load
 * (fsnotify_on). */
#include "inotify.h"
#include "../core/task.h"
#include "../debug/debug.h"
#include <abi/termios.h>

/* Knobs in /proc/sys/fs/inotify: of an instance; of a user. */
u32 inotify_max_queued_events = 16384, inotify_max_user_instances = 128, inotify_max_user_watches = 65536;

struct event {
    struct list_head link;
    u32 size; /* of what is behind */
    struct inotify_event e;
};
struct inotify {
    spinlock_t lock; /* events */
    struct list_head events;
    u32 nr_events;
    struct wait_queue_head wait;
    struct list_head watches; /* watches_mutex */
    s32 last_wd;
    struct user_struct *user; /* counted */
    /* In `events` if its link is not empty: there was no room or no memory for more. Last, as what ends
     * in an array of no size has to be. */
    struct event overflow;
};
struct watch {
    struct list_head of_inode, of_instance;
    struct inotify *instance;
    struct inode *inode;
    s32 wd;
    u32 mask;
};
u32 inotify_watches;
static struct mutex watches_mutex = MUTEX_INIT(watches_mutex);

/* --- events --- */
static bool same(const struct event *a, const struct event *b) {
    return a->size == b->size && a->e.wd == b->e.wd && a->e.mask == b->e.mask && !(a->e.mask & IN_IGNORED) &&
           !memcmp(a->e.name, b->e.name, a->e.len);
}
/* One that is the same as the last is not said twice; where one cannot be kept, that is said. */
static void queue_event(struct inotify *n, s32 wd, u32 mask, u32 cookie, const char *name) {
    u32 len = name ? ALIGN_UP(strlen(name) + 1, sizeof(struct inotify_event)) : 0;
    struct event *ev = kmalloc(sizeof(*ev) + len, GFP_ATOMIC | GFP_ZERO);
    if (ev) {
        INIT_LIST_HEAD(&ev->link);
        ev->size = sizeof(ev->e) + len;
        ev->e = (struct inotify_event){wd, mask, cookie, len};
        if (name)
            strlcpy(ev->e.name, name, len);
    }
    spin_lock(&n->lock);
    struct event *last = list_empty(&n->events) ? NULL : container_of(n->events.prev, struct event, link);
    struct event *add = ev && last && same(last, ev)                                ? NULL
                        : ev && n->nr_events < READ_ONCE(inotify_max_queued_events) ? ev
                                                                                    : &n->overflow;
    if (add && list_empty(&add->link)) {
        list_add_tail(&add->link, &n->events);
        n->nr_events++;
    }
    if (add == ev)
        ev = NULL;
    spin_unlock(&n->lock);
    kfree(ev);
    wake_up_key(&n->wait, 0, POLLIN);
}

/* watches_mutex held: the watch ends; it is left in `dead`. */
static void kill_watch(struct watch *w, struct list_head *dead) {
    queue_event(w->instance, w->wd, IN_IGNORED, 0, NULL);
    list_del(&w->of_inode);
    list_del(&w->of_instance);
    list_add(&w->of_instance, dead);
    inotify_watches--;
    atomic_dec(&w->instance->user->inotify_watches);
}
static void bury(struct list_head *dead) { /* without the mutex: the inode may end with it */
    struct watch *w, *n;
    list_for_each_entry_safe(w, n, dead, of_instance) {
        iput(w->inode);
        kfree(w);
    }
}
/* Who watches i is told; `unlinked`: it happened to something in it that has no name any more. */
static void tell(struct inode *i, u32 mask, u32 cookie, const char *name, bool unlinked) {
    struct watch *w, *n;
    LIST_HEAD(dead);
    if (list_empty(&i->watches))
        return;
    mutex_lock(&watches_mutex);
    list_for_each_entry_safe(w, n, &i->watches, of_inode) {
        if (!(w->mask & mask & IN_ALL_EVENTS) || (unlinked && (w->mask & IN_EXCL_UNLINK)))
            continue;
        queue_event(w->instance, w->wd, mask, cookie, name);
        if (w->mask & IN_ONESHOT)
            kill_watch(w, &dead);
    }
    mutex_unlock(&watches_mutex);
    bury(&dead);
}
static u32 with_type(const struct inode *i, u32 mask) { return S_ISDIR(i->i_mode) ? mask | IN_ISDIR : mask; }

void __fsnotify_inode(struct inode *i, u32 mask) {
    tell(i, mask & (IN_MOVE_SELF | IN_DELETE_SELF) ? mask : with_type(i, mask), 0, NULL, false);
}
void __fsnotify_name(struct inode *dir, u32 mask, const char *name) { tell(dir, mask, 0, name, false); }
void __fsnotify_dentry(struct dentry *d, u32 mask) {
    char name[NAME_MAX + 1];
    bool unlinked;
    struct inode *dir = dentry_name(d, name, &unlinked);
    if (dir) {
        tell(dir, with_type(d->inode, mask), 0, name, unlinked);
        iput(dir);
    }
    __fsnotify_inode(d->inode, mask);
}
void __fsnotify_move(struct inode *od, const char *oname, struct inode *nd, const char *nname,
                     struct inode *i) {
    static u32 cookies;
    u32 cookie = __atomic_add_fetch(&cookies, 1, __ATOMIC_RELAXED);
    tell(od, with_type(i, IN_MOVED_FROM), cookie, oname, false);
    tell(nd, with_type(i, IN_MOVED_TO), cookie, nname, false);
}
/* The watches of i, or of all inodes of sb, end. */
static void end_watches(struct inode *i, u32 why) {
    struct watch *w, *n;
    LIST_HEAD(dead);
    mutex_lock(&watches_mutex);
    list_for_each_entry_safe(w, n, &i->watches, of_inode) {
        if (why == IN_UNMOUNT || (w->mask & why))
            queue_event(w->instance, w->wd, why == IN_UNMOUNT ? with_type(i, why) : why, 0, NULL);
        kill_watch(w, &dead);
    }
    mutex_unlock(&watches_mutex);
    bury(&dead);
}
void __fsnotify_removed(struct inode *i) {
    if (!list_empty(&i->watches))
        end_watches(i, IN_DELETE_SELF);
}
void fsnotify_unmount(struct super_block *sb) {
    struct inode *i;
    while (fsnotify_on() && (i = watched_inode(sb))) {
        end_watches(i, IN_UNMOUNT);
        iput(i);
    }
}

/* --- the file --- */
static void drop(struct inotify *n, struct event *ev) {
    if (ev != &n->overflow)
        kfree(ev);
}
static struct event *take(struct inotify *n, size_t room, int *error) {
    spin_lock(&n->lock);
    struct event *ev = list_empty(&n->events) ? NULL : list_first_entry(&n->events, struct event, link);
    *error = !ev ? -EAGAIN : ev->size > room ? -EINVAL : 0;
    if (!*error) {
        list_del_init(&ev->link);
        n->nr_events--;
    }
    spin_unlock(&n->lock);
    return *error ? NULL : ev;
}
static ssize_t in_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct inotify *n = f->private;
    ssize_t done = 0;
    int r;
    (void)pos;
    for (;;) {
        struct event *ev = take(n, it->count, &r);
        if (ev) {
            bool bad = copy_to_iter(&ev->e, ev->size, it) != ev->size;
            done += ev->size;
            drop(n, ev);
            if (bad)
                return -EFAULT;
            continue;
        }
        if (done || r != -EAGAIN || (f->flags & O_NONBLOCK))
            return done ? done : r;
        if (wait_event_interruptible(&n->wait, READ_ONCE(n->nr_events)))
            return -ERESTARTSYS;
    }
}
static u32 in_poll(struct file *f, struct poll_table *pt) {
    struct inotify *n = f->private;
    poll_wait(f, &n->wait, pt);
    return READ_ONCE(n->nr_events) ? POLLIN | POLLRDNORM : 0;
}
static long in_ioctl(struct file *f, u32 cmd, u64 arg) {
    struct inotify *n = f->private;
    struct event *ev;
    s32 bytes = 0;
    if (cmd != FIONREAD)
        return -ENOTTY;
    spin_lock(&n->lock);
    list_for_each_entry(ev, &n->events, link) bytes += ev->size;
    spin_unlock(&n->lock);
    return put_user(arg, bytes);
}
static void in_release(struct file *f) {
    struct inotify *n = f->private;
    struct watch *w, *next;
    struct event *ev, *e;
    LIST_HEAD(dead);
    mutex_lock(&watches_mutex);
    list_for_each_entry_safe(w, next, &n->watches, of_instance) kill_watch(w, &dead);
    mutex_unlock(&watches_mutex);
    bury(&dead);
    list_for_each_entry_safe(ev, e, &n->events, link) drop(n, ev);
    atomic_dec(&n->user->inotify_instances);
    put_user_struct(n->user);
    kfree(n);
}
static const struct file_operations inotify_fops = {
    .read = in_read, .poll = in_poll, .ioctl = in_ioctl, .release = in_release};

long sys_inotify_init1(u64 flags) {
    if (flags & ~(u64)(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    struct user_struct *u = current->cred->user;
    if ((u32)atomic_add_return(&u->inotify_instances, 1) > READ_ONCE(inotify_max_user_instances)) {
        atomic_dec(&u->inotify_instances);
        return -EMFILE;
    }
    struct inotify *n = kzalloc(sizeof(*n), GFP_KERNEL);
    struct file *f =
        n ? anon_file(&inotify_fops, n, O_RDONLY | (flags & O_NONBLOCK), "inotify") : ERR_PTR(-ENOMEM);
    if (IS_ERR(f)) {
        atomic_dec(&u->inotify_instances);
        kfree(n);
        return PTR_ERR(f);
    }
    spin_lock_init(&n->lock, RANK_OBJECT);
    INIT_LIST_HEAD(&n->events);
    INIT_LIST_HEAD(&n->watches);
    INIT_LIST_HEAD(&n->overflow.link);
    n->overflow.size = sizeof(struct inotify_event);
    n->overflow.e = (struct inotify_event){-1, IN_Q_OVERFLOW, 0, 0};
    init_waitqueue(&n->wait);
    atomic_inc(&u->refcount);
    n->user = u;
    f->mode = FMODE_READ;
    return fd_with_file(f, flags);
}

static long watch_inode(struct inotify *n, struct inode *i, u32 mask) {
    struct watch *w, *old = NULL, *new = kzalloc(sizeof(*new), GFP_KERNEL);
    long r;
    if (!new)
        return -ENOMEM;
    mutex_lock(&watches_mutex);
    list_for_each_entry(w, &i->watches, of_inode) if (w->instance == n) old = w;
    if (old) {
        r = mask & IN_MASK_CREATE ? -EEXIST : old->wd;
        if (r >= 0)
            old->mask = mask & IN_MASK_ADD ? old->mask | mask : mask;
    } else if ((u32)atomic_add_return(&n->user->inotify_watches, 1) > READ_ONCE(inotify_max_user_watches) ||
               n->last_wd == 0x7fffffff) {
        atomic_dec(&n->user->inotify_watches);
        r = -ENOSPC;
    } else {
        *new = (struct watch){.instance = n, .inode = i, .wd = ++n->last_wd, .mask = mask};
        ihold(i);
        list_add_tail(&new->of_inode, &i->watches);
        list_add_tail(&new->of_instance, &n->watches);
        inotify_watches++;
        r = new->wd;
        new = NULL;
    }
    mutex_unlock(&watches_mutex);
    kfree(new);
    return r;
}
/* The instance of a descriptor, its file counted; or -errno. */
static struct file *instance_file(u64 fd) {
    struct file *f = fget(fd);
    if (!f)
        return ERR_PTR(-EBADF);
    if (f->f_op == &inotify_fops)
        return f;
    fput(f);
    return ERR_PTR(-EINVAL);
}
long sys_inotify_add_watch(u64 fd, u64 uname, u64 flags) {
    u32 mask = flags;
    struct path p;
    if (!mask || (mask & ~IN_ALL_BITS))
        return -EINVAL;
    if ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE))
        return -EINVAL;
    struct file *f = instance_file(fd);
    if (IS_ERR(f))
        return PTR_ERR(f);
    long r = user_path(
        AT_FDCWD, uname,
        (mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) | (mask & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0), &p);
    if (!r) {
        r = permission(p.dentry->inode, MAY_READ);
        r = r ? r : watch_inode(f->private, p.dentry->inode, mask);
        path_put(&p);
    }
    fput(f);
    return r;
}
long sys_inotify_rm_watch(u64 fd, u64 wd) {
    struct file *f = instance_file(fd);
    if (IS_ERR(f))
        return PTR_ERR(f);
    struct inotify *n = f->private;
    struct watch *w, *next;
    LIST_HEAD(dead);
    mutex_lock(&watches_mutex);
    list_for_each_entry_safe(w, next, &n->watches, of_instance) if (w->wd == (s32)wd) kill_watch(w, &dead);
    mutex_unlock(&watches_mutex);
    long r = list_empty(&dead) ? -EINVAL : 0;
    bury(&dead);
    fput(f);
    return r;
}
