/* Pipes and FIFOs: a ring of pages. Writes of up to PIPE_BUF bytes are atomic. The lock is a mutex: copies
 * to and from user memory happen under it.
 *
 * What a pipe may hold counts for the user who made it, in pages, whether they are there or not. Beyond
 * pipe-user-pages-soft a new pipe is small and none grows; beyond pipe-user-pages-hard there is no new one.
 */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"
#include <abi/termios.h>

#define PIPE_BUF 4096u
#define DEFAULT_SIZE 65536u
#define SMALL_SIZE (2 * (u32)PAGE_SIZE)

/* Knobs in /proc/sys/fs. Of pages 0 is no limit. */
u32 pipe_max_size = 1 << 20, pipe_user_pages_soft = 16384, pipe_user_pages_hard;

struct pipe {
    struct mutex lock;
    struct wait_queue_head rd_wait, wr_wait;
    u32 size, head, tail; /* bytes; head - tail are readable; size is a power of two */
    u8 **page;
    struct user_struct *user; /* who pays; never freed */
    u32 readers, writers, opens_r, opens_w;
    u32 users; /* files and the fifo's inode */
};
static struct kmem_cache *pipe_cache;
static struct mutex fifo_mutex = MUTEX_INIT(fifo_mutex);
void pipe_init(void) { pipe_cache = kmem_cache_create("pipe", sizeof(struct pipe)); }

/* u's pipes hold so many pages more, or less: how many then. */
static u32 account(struct user_struct *u, u32 was, u32 size) {
    return atomic_add_return(&u->pipe_pages, (s32)(size / PAGE_SIZE) - (s32)(was / PAGE_SIZE));
}
static bool too_many(u32 pages, u32 limit) { return limit && pages > limit; }
static bool unlimited(void) { return capable(CAP_SYS_RESOURCE) || capable(CAP_SYS_ADMIN); }

/* Or ERR_PTR(-ENOMEM, -ENFILE). */
static struct pipe *pipe_alloc(void) {
    struct user_struct *u = current->cred->user;
    u32 size = DEFAULT_SIZE;
    while (size > READ_ONCE(pipe_max_size) && !capable(CAP_SYS_RESOURCE))
        size /= 2;
    u32 pages = account(u, 0, size);
    if (size > SMALL_SIZE && too_many(pages, READ_ONCE(pipe_user_pages_soft)) && !unlimited()) {
        pages = account(u, size, SMALL_SIZE);
        size = SMALL_SIZE;
    }
    bool refuse = too_many(pages, READ_ONCE(pipe_user_pages_hard)) && !unlimited();
    struct pipe *p = refuse ? NULL : kmem_cache_alloc(pipe_cache, GFP_KERNEL | GFP_ZERO);
    if (!p || !(p->page = kzalloc(size / PAGE_SIZE * sizeof(u8 *), GFP_KERNEL))) {
        if (p)
            kmem_cache_free(pipe_cache, p);
        account(u, size, 0);
        return ERR_PTR(refuse ? -ENFILE : -ENOMEM);
    }
    mutex_init(&p->lock);
    init_waitqueue(&p->rd_wait);
    init_waitqueue(&p->wr_wait);
    p->size = size;
    p->user = u;
    return p;
}
static void pipe_free(struct pipe *p) {
    for (u32 i = 0; i < p->size / PAGE_SIZE; i++)
        if (p->page[i])
            put_page(virt_to_page(p->page[i]));
    account(p->user, p->size, 0);
    kfree(p->page);
    kmem_cache_free(pipe_cache, p);
}
static u32 used(struct pipe *p) { return READ_ONCE(p->head) - READ_ONCE(p->tail); }
static u32 room(struct pipe *p) { return p->size - used(p); }

static ssize_t pipe_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct pipe *p = f->private;
    ssize_t done = 0;
    (void)pos;
    for (;;) {
        bool open = __atomic_load_n(&p->writers, __ATOMIC_ACQUIRE); /* before what the last has written */
        if (used(p)) {
            mutex_lock(&p->lock);
            if (used(p))
                break;
            mutex_unlock(&p->lock); /* another reader was first */
            continue;
        }
        if (!open)
            return 0;
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        if (wait_event_exclusive(&p->rd_wait, used(p) || !READ_ONCE(p->writers)))
            return -ERESTARTSYS;
    }
    bool was_full = room(p) < PIPE_BUF;
    while (it->count && used(p)) {
        u32 at = p->tail & (p->size - 1), off = at & (PAGE_SIZE - 1);
        u32 n = min(min((u64)used(p), PAGE_SIZE - (u64)off), it->count);
        u32 c = copy_to_iter(p->page[at / PAGE_SIZE] + off, n, it);
        p->tail += c;
        done += c;
        if (c < n) {
            done = done ? done : -EFAULT;
            break;
        }
    }
    if (!used(p) && done > 0)
        p->head = p->tail = 0; /* start over: small messages reuse one page */
    bool more = used(p) != 0;
    mutex_unlock(&p->lock);
    if ((was_full || !more) && waitqueue_active(&p->wr_wait))
        wake_up_poll(&p->wr_wait, POLLOUT | WAKE_SYNC);
    if (more && waitqueue_active(&p->rd_wait))
        wake_up_poll(&p->rd_wait, POLLIN | WAKE_SYNC);
    return done;
}

static ssize_t pipe_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct pipe *p = f->private;
    ssize_t done = 0, r = 0;
    (void)pos;
    mutex_lock(&p->lock);
    while (it->count && !r) {
        u32 need = it->count <= PIPE_BUF && !done ? it->count : 1;
        if (!p->readers) {
            mutex_unlock(&p->lock);
            if (!done)
                send_signal(SIGPIPE, NULL, current, false);
            return done ? done : -EPIPE;
        }
        if (room(p) < need) {
            mutex_unlock(&p->lock);
            if (waitqueue_active(&p->rd_wait))
                wake_up_poll(&p->rd_wait, POLLIN | WAKE_SYNC);
            if (f->flags & O_NONBLOCK)
                return done ? done : -EAGAIN;
            if (wait_event_exclusive(&p->wr_wait, room(p) >= need || !READ_ONCE(p->readers)))
                return done ? done : -ERESTARTSYS;
            mutex_lock(&p->lock);
            continue;
        }
        u32 at = p->head & (p->size - 1), off = at & (PAGE_SIZE - 1);
        u8 **page = &p->page[at / PAGE_SIZE];
        if (!*page) {
            struct page *new = alloc_page(GFP_KERNEL | GFP_USER);
            if (!new) {
                r = -ENOMEM;
                break;
            }
            *page = page_address(new);
        }
        u32 n = min(min((u64)room(p), PAGE_SIZE - (u64)off), it->count);
        u32 c = copy_from_iter(*page + off, n, it);
        p->head += c;
        done += c;
        if (c < n)
            r = -EFAULT;
    }
    mutex_unlock(&p->lock);
    if (done && waitqueue_active(&p->rd_wait))
        wake_up_poll(&p->rd_wait, POLLIN | WAKE_SYNC);
    if (waitqueue_active(&p->wr_wait) && room(p) >= PIPE_BUF)
        wake_up_poll(&p->wr_wait, POLLOUT | WAKE_SYNC);
    return done ? done : r;
}

static u32 pipe_poll(struct file *f, struct poll_table *pt) {
    struct pipe *p = f->private;
    u32 m = 0;
    if (f->mode & FMODE_READ) {
        poll_wait(f, &p->rd_wait, pt);
        m |= (used(p) ? POLLIN | POLLRDNORM : 0) | (!READ_ONCE(p->writers) && p->opens_w ? POLLHUP : 0);
    }
    if (f->mode & FMODE_WRITE) {
        poll_wait(f, &p->wr_wait, pt);
        m |= (room(p) >= PIPE_BUF ? POLLOUT | POLLWRNORM : 0) | (!READ_ONCE(p->readers) ? POLLERR : 0);
    }
    return m;
}

static void pipe_release(struct file *f) {
    struct pipe *p = f->private;
    struct inode *i = f->inode;
    mutex_lock(&fifo_mutex);
    mutex_lock(&p->lock);
    if (f->mode & FMODE_READ)
        p->readers--;
    if (f->mode & FMODE_WRITE)
        p->writers--;
    bool last = !--p->users;
    if (last && i->private == p)
        i->private = NULL;
    mutex_unlock(&p->lock);
    if (last) {
        pipe_free(p);
    } else { /* before fifo_mutex is dropped: then the other end may free p */
        wake_up_key(&p->rd_wait, 0, POLLIN | POLLHUP);
        wake_up_key(&p->wr_wait, 0, POLLOUT | POLLERR);
    }
    mutex_unlock(&fifo_mutex);
}

static long pipe_ioctl(struct file *f, u32 cmd, u64 arg) {
    return cmd == FIONREAD ? put_user(arg, (s32)used(f->private)) : -ENOTTY;
}
static int fifo_open_op(struct inode *i, struct file *f) { return fifo_open(i, f); }
static const struct file_operations pipe_fops = {
    .read = pipe_read, .write = pipe_write, .poll = pipe_poll, .release = pipe_release, .ioctl = pipe_ioctl};
const struct file_operations fifo_fops = {.read = pipe_read,
                                          .write = pipe_write,
                                          .poll = pipe_poll,
                                          .release = pipe_release,
                                          .ioctl = pipe_ioctl,
                                          .open = fifo_open_op};

/* POSIX: opening one end waits for the other, unless non-blocking or for both. */
int fifo_open(struct inode *i, struct file *f) {
    bool rd = f->mode & FMODE_READ, wr = f->mode & FMODE_WRITE;
    f->mode &= ~FMODE_LSEEK;
    mutex_lock(&fifo_mutex);
    struct pipe *p = i->private;
    if (!p) {
        p = pipe_alloc();
        if (IS_ERR(p)) {
            mutex_unlock(&fifo_mutex);
            return PTR_ERR(p);
        }
        i->private = p;
    }
    if (wr && !rd && (f->flags & O_NONBLOCK) && !p->readers) {
        if (!p->users) {
            i->private = NULL;
            pipe_free(p);
        }
        mutex_unlock(&fifo_mutex);
        return -ENXIO;
    }
    f->private = p;
    p->users++;
    p->readers += rd;
    p->writers += wr;
    p->opens_r += rd;
    p->opens_w += wr;
    /* Is the other end here now? It may open, write and be gone before we look again: so look under the
     * mutex, and else wait for the count of opens to change. */
    bool there = rd ? p->writers : p->readers;
    u32 seen = rd ? p->opens_w : p->opens_r;
    mutex_unlock(&fifo_mutex);
    wake_up_key(&p->rd_wait, 0, 0);
    wake_up_key(&p->wr_wait, 0, 0);
    if ((rd && wr) || (f->flags & O_NONBLOCK))
        return 0;
    int r =
        there ? 0
        : rd  ? wait_event_interruptible(&p->rd_wait, READ_ONCE(p->writers) || READ_ONCE(p->opens_w) != seen)
              : wait_event_interruptible(&p->wr_wait, READ_ONCE(p->readers) || READ_ONCE(p->opens_r) != seen);
    if (r) {
        pipe_release(f);
        return -ERESTARTSYS;
    }
    return 0;
}

long sys_pipe2(u64 ufds, u64 flags) {
    s32 fd[2] = {-1, -1};
    if (flags & ~(u64)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
        return -EINVAL;
    struct pipe *p = pipe_alloc();
    if (IS_ERR(p))
        return PTR_ERR(p);
    struct file *r = anon_file(&pipe_fops, p, O_RDONLY | (flags & O_NONBLOCK), "pipe");
    struct file *w = IS_ERR(r) ? r : anon_file(&pipe_fops, p, O_WRONLY | (flags & O_NONBLOCK), "pipe");
    if (IS_ERR(w)) {
        if (!IS_ERR(r)) {
            r->f_op = NULL;
            fput(r);
        }
        pipe_free(p);
        return PTR_ERR(w);
    }
    r->mode = FMODE_READ;
    w->mode = FMODE_WRITE;
    r->inode->i_mode = w->inode->i_mode = S_IFIFO | 0600;
    w->inode->i_ino = r->inode->i_ino;
    p->readers = p->writers = p->opens_r = p->opens_w = 1;
    p->users = 2;
    long e = fd[0] = get_unused_fd(flags);
    if (e >= 0)
        e = fd[1] = get_unused_fd(flags);
    if (e >= 0)
        e = copy_to_user(ufds, fd, sizeof(fd));
    if (e < 0) {
        for (int k = 0; k < 2; k++)
            if (fd[k] >= 0)
                put_unused_fd(fd[k]);
        fput(r);
        fput(w);
        return e;
    }
    fd_install(fd[0], r);
    fd_install(fd[1], w);
    return 0;
}

/* p, which is empty or keeps its size, is to have that size, and *page; the old ones are left there. */
static long resize(struct pipe *p, u32 size, u8 ***page) {
    if (used(p))
        return size == p->size ? (long)size : -EBUSY;
    u32 pages = account(p->user, p->size, size);
    if (size > p->size && !unlimited() &&
        (too_many(pages, READ_ONCE(pipe_user_pages_soft)) ||
         too_many(pages, READ_ONCE(pipe_user_pages_hard)))) {
        account(p->user, size, p->size);
        return -EPERM;
    }
    for (u32 i = 0; i < p->size / PAGE_SIZE; i++)
        if (p->page[i])
            put_page(virt_to_page(p->page[i]));
    swap(p->page, *page);
    p->size = size;
    p->head = p->tail = 0;
    return size;
}
long pipe_fcntl(struct file *f, u32 cmd, u64 arg) {
    if (!f->f_op || f->f_op->read != pipe_read)
        return -EBADF;
    struct pipe *p = f->private;
    if (cmd == F_GETPIPE_SZ)
        return p->size;
    u64 size = PAGE_SIZE;
    if (arg > BIT(31))
        return -EINVAL;
    while (size < arg)
        size *= 2;
    if (size > READ_ONCE(p->size) && size > READ_ONCE(pipe_max_size) && !capable(CAP_SYS_RESOURCE))
        return -EPERM;
    u8 **page = kzalloc(size / PAGE_SIZE * sizeof(u8 *), GFP_KERNEL);
    if (!page)
        return -ENOMEM;
    mutex_lock(&p->lock);
    long r = resize(p, size, &page);
    mutex_unlock(&p->lock);
    kfree(page);
    return r;
}
