/* Descriptor tables (C15): finding, dup, close, close-on-exec. A table's lock guards its slots; a slot that
 * is reserved but not yet filled holds RESERVED with its bit in `open` set. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

#define RESERVED ((struct file *)1)
static struct file *slot_file(struct file *f) { return f == RESERVED ? NULL : f; }

struct file *fget_raw(u64 fd) {
    struct files_struct *t = current->files;
    struct file *f = NULL;
    spin_lock(&t->lock);
    if ((u32)fd < t->top && (f = slot_file(t->fd[(u32)fd])))
        get_file(f);
    spin_unlock(&t->lock);
    return f;
}
struct file *fget(u64 fd) { /* here and in fdget O_PATH is refused, and nowhere else */
    struct file *f = fget_raw(fd);
    if (f && (f->mode & FMODE_PATH)) {
        fput(f);
        return NULL;
    }
    return f;
}
struct fd fdget(u64 fd) {
    struct files_struct *t = current->files;
    if (unlikely(smp_load_acquire(&t->refcount.v) != 1)) {
        struct file *f = fget(fd);
        return (struct fd){f, f != NULL};
    }
    struct file *f = (u32)fd < t->top ? slot_file(t->fd[(u32)fd]) : NULL;
    return (struct fd){f && !(f->mode & FMODE_PATH) ? f : NULL, false};
}

static void free_slots(struct files_struct *t, struct file **fd, u64 *cloexec) {
    if (fd == t->first_fd)
        return;
    kfree(fd);
    kfree(cloexec);
}
/* t->lock held; dropped and taken again. */
static int grow(struct files_struct *t, u32 want) {
    u32 size = FIRST_SLOTS;
    while (size <= want)
        size *= 2;
    spin_unlock(&t->lock);
    struct file **fd = kmalloc(size * sizeof(*fd), GFP_KERNEL);
    u64 *bits = kmalloc(size / 8, GFP_KERNEL);
    spin_lock(&t->lock);
    if (!fd || !bits || size <= t->size) {
        bool fine = fd && bits;
        spin_unlock(&t->lock);
        kfree(fd);
        kfree(bits);
        spin_lock(&t->lock);
        return fine ? 0 : -ENOMEM;
    }
    struct file **old = t->fd;
    u64 *old_bits = t->cloexec;
    memcpy(fd, old, t->top * sizeof(*fd));
    memcpy(bits, old_bits, DIV_ROUND_UP(t->top, 64) * 8);
    t->fd = fd;
    t->cloexec = bits;
    t->size = size;
    spin_unlock(&t->lock);
    free_slots(t, old, old_bits);
    spin_lock(&t->lock);
    return 0;
}

/* Slot fd, for which there is room, is about to be used. t->lock held. */
static void reach(struct files_struct *t, u32 fd) {
    for (; t->top <= fd; t->top++)
        t->fd[t->top] = NULL;
}

int take_fd(u32 from, u32 flags) {
    struct files_struct *t = current->files;
    u64 limit = min(rlimit(RLIMIT_NOFILE), 1048576UL);
    int r = -EMFILE;
    spin_lock(&t->lock);
    for (;;) {
        u32 fd = max(from, t->next);
        while (fd < t->top && t->fd[fd])
            fd++;
        if (fd >= limit)
            break;
        if (fd < t->size) {
            reach(t, fd);
            t->fd[fd] = RESERVED;
            if (from <= t->next)
                t->next = fd + 1;
            t->cloexec[fd / 64] =
                (t->cloexec[fd / 64] & ~BIT(fd % 64)) | (flags & O_CLOEXEC ? BIT(fd % 64) : 0);
            r = fd;
            break;
        }
        if ((r = grow(t, fd)))
            break;
        r = -EMFILE;
    }
    spin_unlock(&t->lock);
    return r;
}
int get_unused_fd(u32 flags) { return take_fd(0, flags); }
static struct file *clear_slot(struct files_struct *t, u32 fd) { /* lock held */
    struct file *f = t->fd[fd];
    t->fd[fd] = NULL;
    t->cloexec[fd / 64] &= ~BIT(fd % 64);
    if (fd < t->next)
        t->next = fd;
    return f;
}
void put_unused_fd(int fd) {
    spin_lock(&current->files->lock);
    clear_slot(current->files, fd);
    spin_unlock(&current->files->lock);
}
void fd_install(int fd, struct file *f) {
    spin_lock(&current->files->lock);
    current->files->fd[fd] = f;
    spin_unlock(&current->files->lock);
}
int fd_with_file(struct file *f, u32 flags) {
    if (IS_ERR(f))
        return PTR_ERR(f);
    int fd = get_unused_fd(flags);
    if (fd < 0)
        fput(f);
    else
        fd_install(fd, f);
    return fd;
}

void fdtable_init(struct files_struct *t) {
    spin_lock_init(&t->lock, RANK_FILES);
    atomic_set(&t->refcount, 1);
    t->fd = t->first_fd;
    t->cloexec = &t->first_cloexec;
    t->size = FIRST_SLOTS;
    t->top = t->next = 0;
}
int dup_fd(struct files_struct *from, struct files_struct *to) {
    fdtable_init(to);
    spin_lock(&from->lock);
    for (u32 top; (top = from->top) > to->size; spin_lock(&from->lock)) {
        spin_unlock(&from->lock);
        spin_lock(&to->lock);
        int r = grow(to, top - 1);
        spin_unlock(&to->lock);
        if (r) {
            free_slots(to, to->fd, to->cloexec);
            return r;
        }
    }
    for (u32 i = 0; i < from->top; i++)
        if ((to->fd[i] = slot_file(from->fd[i])))
            get_file(to->fd[i]);
    memcpy(to->cloexec, from->cloexec, DIV_ROUND_UP(from->top, 64) * 8);
    to->top = from->top;
    spin_unlock(&from->lock);
    return 0;
}
static void close_file(struct file *f) {
    if (f->inode)
        posix_lock_release(f->inode, current->files);
    fput(f);
}
void put_files(struct files_struct *t) {
    if (!t || !atomic_dec_and_test(&t->refcount))
        return;
    for (u32 i = 0; i < t->top; i++)
        if (slot_file(t->fd[i])) {
            if (t->fd[i]->inode)
                posix_lock_release(t->fd[i]->inode, t);
            fput(t->fd[i]);
        }
    free_slots(t, t->fd, t->cloexec);
    free_files_struct(t);
}
int unshare_files(void) {
    struct files_struct *old = current->files, *new;
    if (atomic_read(&old->refcount) == 1)
        return 0;
    new = alloc_files_struct();
    int r = new ? dup_fd(old, new) : -ENOMEM;
    if (r) {
        if (new)
            free_files_struct(new);
        return r;
    }
    spin_lock(&current->alloc_lock);
    current->files = new;
    spin_unlock(&current->alloc_lock);
    put_files(old);
    return 0;
}
void close_on_exec(struct files_struct *t) {
    for (u32 fd = 0; fd < t->top; fd++) {
        if (!(fd % 64) && !READ_ONCE(t->cloexec[fd / 64])) { /* nobody else changes an exec's table */
            fd += 63;
            continue;
        }
        spin_lock(&t->lock);
        bool go = (t->cloexec[fd / 64] & BIT(fd % 64)) && slot_file(t->fd[fd]);
        struct file *f = go ? clear_slot(t, fd) : NULL;
        spin_unlock(&t->lock);
        if (f)
            close_file(f);
    }
}
static long do_close(u32 fd) {
    struct files_struct *t = current->files;
    spin_lock(&t->lock);
    struct file *f = fd < t->top && slot_file(t->fd[fd]) ? clear_slot(t, fd) : NULL;
    spin_unlock(&t->lock);
    if (!f)
        return -EBADF;
    close_file(f);
    return 0;
}
long sys_close(u64 fd) { return do_close(fd); }
long sys_close_range(u64 first, u64 last, u64 flags) {
    struct files_struct *t = current->files;
    if ((u32)first > (u32)last || (flags & ~4UL))
        return -EINVAL;
    for (u32 fd = first; fd <= (u32)last && fd < t->top; fd++) {
        if (!(flags & 4)) {
            do_close(fd);
            continue;
        }
        spin_lock(&t->lock);
        if (fd < t->top && t->fd[fd])
            t->cloexec[fd / 64] |= BIT(fd % 64);
        spin_unlock(&t->lock);
    }
    return 0;
}
long sys_dup(u64 fd) { /* accepts O_PATH */
    struct file *f = fget_raw(fd);
    return f ? fd_with_file(f, 0) : -EBADF;
}
long sys_dup3(u64 ofd, u64 nfd, u64 flags) { /* accepts O_PATH */
    struct files_struct *t = current->files;
    u32 to = nfd;
    if ((flags & ~(u64)O_CLOEXEC) || (u32)ofd == to)
        return -EINVAL;
    if (to >= rlimit(RLIMIT_NOFILE) || to >= 1048576)
        return -EBADF;
    struct file *f = fget_raw(ofd);
    if (!f)
        return -EBADF;
    spin_lock(&t->lock);
    int r = 0;
    while (to >= t->size && !r)
        r = grow(t, to);
    if (!r)
        reach(t, to);
    if (!r && t->fd[to] == RESERVED)
        r = -EBUSY;
    struct file *old = NULL;
    if (!r) {
        old = t->fd[to];
        t->fd[to] = f;
        t->cloexec[to / 64] = (t->cloexec[to / 64] & ~BIT(to % 64)) | (flags ? BIT(to % 64) : 0);
    }
    spin_unlock(&t->lock);
    if (old)
        close_file(old);
    if (r)
        fput(f);
    return r ? r : (long)to;
}
