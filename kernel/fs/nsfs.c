/* nsfs: namespaces as files, behind the links of /proc/PID/ns. An open one keeps its namespace, and setns
 * enters it. */
#include "../core/nsproxy.h"
#include "../debug/debug.h"
#include "fs.h"

static struct super_block *ns_sb;
static struct mount *ns_mount;
static const struct file_operations ns_fops;
static const struct inode_operations ns_iops;
static const char *const names[] = {"uts", "ipc", "mnt", "user", "pid", "pid"};

struct ns_ref {
    enum ns_kind kind;
    void *ns; /* counted */
};

static void put_ns(enum ns_kind kind, void *ns) {
    switch (kind) {
    case NS_UTS:
        put_uts_ns(ns);
        break;
    case NS_IPC:
        put_ipc_ns(ns);
        break;
    case NS_MNT:
        put_mnt_ns(ns);
        break;
    case NS_USER:
        put_user_ns(ns);
        break;
    default:
        put_pid_ns(ns);
    }
}
/* t's namespace, counted. */
static void *get_ns(struct task_struct *t, enum ns_kind kind) {
    void *ns = NULL;
    if (kind == NS_PID) {
        if (READ_ONCE(t->sighand))
            get_pid_ns(ns = t->pid_ns);
        return ns;
    }
    if (kind == NS_USER) {
        READ_TASKS(irq);
        ns = get_user_ns(t->cred->user_ns);
        READ_TASKS_END(irq);
        return ns;
    }
    struct nsproxy *n = get_task_nsproxy(t);
    if (!n)
        return NULL;
    switch (kind) {
    case NS_UTS:
        atomic_inc(&n->uts_ns->refcount);
        ns = n->uts_ns;
        break;
    case NS_IPC:
        atomic_inc(&n->ipc_ns->refcount);
        ns = n->ipc_ns;
        break;
    case NS_MNT:
        atomic_inc(&n->mnt_ns->refcount);
        ns = n->mnt_ns;
        break;
    default:
        get_pid_ns(ns = n->pid_ns_for_children);
    }
    put_nsproxy(n);
    return ns;
}
static void evict(struct inode *i) {
    struct ns_ref *r = i->private;
    if (r)
        put_ns(r->kind, r->ns);
    kfree(r);
}
static int statfs(struct super_block *sb, struct statfs *st) {
    (void)sb;
    st->f_type = 0x6e736673;
    return 0;
}
static const struct super_operations sops = {.evict_inode = evict, .statfs = statfs};

/* Two files are the same namespace if their numbers are: that of the address, which others may know,
 * scrambled. */
static u64 number(const void *ns) { return 0xf0000000u | (((u64)ns >> 4) * 2654435761u >> 4 & 0xfffffff); }
ssize_t ns_read_link(struct task_struct *t, enum ns_kind kind, char *b) {
    void *ns = get_ns(t, kind);
    if (!ns)
        return -ENOENT;
    ssize_t n = snprintf(b, 64, "%s:[%lu]", names[kind], number(ns));
    put_ns(kind, ns);
    return n;
}

int ns_get_path(struct task_struct *t, enum ns_kind kind, struct path *out) {
    void *ns = get_ns(t, kind);
    if (!ns)
        return -ENOENT;
    struct ns_ref *r = kmalloc(sizeof(*r), GFP_KERNEL);
    struct inode *i = r ? new_inode(ns_sb) : NULL;
    if (!i) {
        kfree(r);
        put_ns(kind, ns);
        return -ENOMEM;
    }
    *r = (struct ns_ref){kind, ns};
    i->private = r;
    i->i_ino = number(ns);
    i->i_mode = S_IFREG | 0444;
    i->i_nlink = 1;
    i->i_op = &ns_iops;
    i->i_fop = &ns_fops;
    struct dentry *d = d_alloc_root(i);
    if (!d)
        return -ENOMEM;
    d_drop(d);
    *out = (struct path){ns_mount, d};
    atomic_inc(&ns_mount->refcount);
    return 0;
}
void *ns_of_file(struct file *f, enum ns_kind *kind) {
    if (f->f_op != &ns_fops)
        return NULL;
    struct ns_ref *r = f->inode->private;
    *kind = r->kind;
    return r->ns;
}
static const struct file_operations ns_fops = {0};
static const struct inode_operations ns_iops = {0};

void nsfs_init(void) {
    static const struct file_system_type nsfs = {"nsfs", true, NULL, false};
    ns_sb = kzalloc(sizeof(*ns_sb), GFP_KERNEL);
    ns_mount = kzalloc(sizeof(*ns_mount), GFP_KERNEL);
    ns_sb->type = &nsfs;
    ns_sb->flags = MS_NOUSER;
    ns_sb->dev = makedev(0, 253);
    mutex_init(&ns_sb->rename_lock);
    INIT_LIST_HEAD(&ns_sb->inodes);
    ns_sb->ops = &sops;
    ns_mount->sb = ns_sb;
    ns_mount->parent = ns_mount;
    atomic_set(&ns_mount->refcount, 1);
}
