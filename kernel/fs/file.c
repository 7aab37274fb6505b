/* Open file descriptions: one for each open, counted, shared by descriptors and across fork (C15). */
#include "../core/user_namespace.h"
#include "../debug/debug.h"
#include "fs.h"
#include "inotify.h"

static struct kmem_cache *file_cache;
static struct path fs_nowhere[2];

/* Of pipes, eventfds and what else has no name. */
static struct super_block anon_sb = {.dirty = {&anon_sb.dirty, &anon_sb.dirty}};
void files_init(void) {
    static const struct file_system_type type = {"anon", true, NULL, false};
    anon_sb.type = &type;
    anon_sb.dev = makedev(0, 255);
    mutex_init(&anon_sb.rename_lock);
    INIT_LIST_HEAD(&anon_sb.inodes);
    file_cache = kmem_cache_create("file", sizeof(struct file));
    init_task.fs->cwd = &fs_nowhere[0];
    init_task.fs->root = &fs_nowhere[1];
}

static int move_from(struct inode *i, s32 limit, s32 by) {
    s32 v = atomic_read(&i->i_writecount);
    do {
        if (by > 0 ? v < limit : v > limit)
            return -ETXTBSY;
    } while (!__atomic_compare_exchange_n(&i->i_writecount.v, &v, v + by, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    return 0;
}
int get_write_access(struct inode *i) { return move_from(i, 0, 1); }
int deny_write_access(struct inode *i) { return move_from(i, 0, -1); }

bool file_ns_capable(const struct file *f, const struct user_namespace *ns, int cap) {
    return cred_capable(f->cred, ns, cap);
}

static void free_file(struct file *f) {
    put_cred(f->cred);
    kmem_cache_free(file_cache, f);
}
void fput(struct file *f) {
    if (!atomic_dec_and_test(&f->refcount))
        return;
    epoll_forget(f);
    if (f->f_op)
        fsnotify_file(f, f->mode & FMODE_WRITE ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
    if (f->inode)
        flock_release(f);
    if (f->mode & FMODE_WRITER)
        put_write_access(f->inode);
    if (f->f_op && f->f_op->release)
        f->f_op->release(f);
    if (f->inode)
        iput(f->inode);
    if (f->path.dentry) /* after the inode: it can be the last that keeps the file system */
        path_put(&f->path);
    free_file(f);
}

struct file *alloc_file(const struct file_operations *op, u32 flags) {
    struct file *f = kmem_cache_alloc(file_cache, GFP_KERNEL | GFP_ZERO);
    if (!f)
        return NULL;
    atomic_set(&f->refcount, 1);
    f->f_op = op;
    f->cred = get_cred(current->cred);
    f->flags = flags & ~(u32)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
    mutex_init(&f->pos_lock);
    INIT_LIST_HEAD(&f->epoll_links);
    return f;
}

struct file *anon_file(const struct file_operations *op, void *private, u32 flags, const char *name) {
    (void)name;
    struct file *f = alloc_file(op, flags);
    struct inode *i = f ? new_inode(&anon_sb) : NULL;
    if (!i) {
        if (f)
            free_file(f);
        return ERR_PTR(-ENOMEM);
    }
    i->i_mode = 0600;
    i->i_ino = __atomic_add_fetch(&anon_sb.next_ino, 1, __ATOMIC_RELAXED);
    i->i_uid = current->cred->fsuid;
    i->i_gid = current->cred->fsgid;
    f->inode = i;
    f->private = private;
    f->mode = FMODE_READ | FMODE_WRITE;
    return f;
}
