/* cgroup2: the tree of control groups as directories, and what can be read and set of each as files. Nothing
 * is cached: names are looked up in the tree each time. */
#include "../core/cgroup.h"
#include "../core/nsproxy.h"
#include "../debug/debug.h"
#include "fs.h"
#include "procfs/procfs.h"

enum {
    DIRECTORY,
    PROCS,
    CONTROLLERS,
    SUBTREE,
    EVENTS,
    KILL,
    TYPE,
    PIDS_MAX,
    PIDS_CURRENT,
    PIDS_EVENTS,
    FILES
};
static const struct {
    const char *name;
    u32 mode;
    bool below_root, pids; /* not in the root; only where the parent gives the controller */
} files[FILES] = {[PROCS] = {"cgroup.procs", 0644, false, false},
                  [CONTROLLERS] = {"cgroup.controllers", 0444, false, false},
                  [SUBTREE] = {"cgroup.subtree_control", 0644, false, false},
                  [EVENTS] = {"cgroup.events", 0444, true, false},
                  [KILL] = {"cgroup.kill", 0200, true, false},
                  [TYPE] = {"cgroup.type", 0444, true, false},
                  [PIDS_MAX] = {"pids.max", 0644, true, true},
                  [PIDS_CURRENT] = {"pids.current", 0444, true, true},
                  [PIDS_EVENTS] = {"pids.events", 0444, true, true}};
static bool is_there(const struct cgroup *c, u32 f) {
    return (!files[f].below_root || c->parent) && (!files[f].pids || (c->parent->subtree & CGROUP_PIDS));
}

/* An inode's private. */
struct node {
    struct cgroup *cgroup; /* counted */
    u32 file;
};
#define NODE(i) ((struct node *)(i)->private)
static const struct inode_operations dir_iops, file_iops;
static const struct file_operations dir_fops, file_fops;

static struct inode *make(struct super_block *sb, struct cgroup *c, u32 file) {
    struct node *n = kmalloc(sizeof(*n), GFP_KERNEL);
    struct inode *i = n ? new_inode(sb) : NULL;
    if (!i) {
        kfree(n);
        return ERR_PTR(-ENOMEM);
    }
    get_cgroup(c);
    *n = (struct node){c, file};
    i->private = n;
    i->i_ino = c->id * FILES + file;
    i->i_mode = file ? S_IFREG | files[file].mode : S_IFDIR | 0755;
    i->i_nlink = file ? 1 : 2;
    i->i_op = file ? &file_iops : &dir_iops;
    i->i_fop = file ? &file_fops : &dir_fops;
    return i;
}
static void evict(struct inode *i) {
    if (NODE(i))
        put_cgroup(NODE(i)->cgroup);
    kfree(NODE(i));
}
static int lookup(struct inode *dir, struct dentry *d) {
    struct cgroup *c = NODE(dir)->cgroup, *child;
    struct inode *i = NULL;
    mutex_lock(&cgroup_mutex);
    for (u32 f = 1; f < FILES && !i; f++)
        if (!strcmp(files[f].name, d->name) && is_there(c, f))
            i = make(dir->sb, c, f);
    if (!i && (child = cgroup_child(c, d->name)))
        i = make(dir->sb, child, DIRECTORY);
    mutex_unlock(&cgroup_mutex);
    if (IS_ERR(i))
        return PTR_ERR(i);
    d_add(d, i);
    d_drop(d);
    return 0;
}
static int mkdir(struct inode *dir, struct dentry *d, u32 mode) {
    (void)mode;
    if (strchr(d->name, '\n'))
        return -EINVAL;
    mutex_lock(&cgroup_mutex);
    struct cgroup *c = cgroup_mkdir(NODE(dir)->cgroup, d->name);
    struct inode *i = IS_ERR(c) ? (void *)c : make(dir->sb, c, DIRECTORY);
    if (IS_ERR(i) && !IS_ERR(c))
        cgroup_rmdir(c);
    mutex_unlock(&cgroup_mutex);
    if (!IS_ERR(c))
        put_cgroup(c);
    if (IS_ERR(i))
        return PTR_ERR(i);
    i->i_uid = current->cred->fsuid;
    i->i_gid = current->cred->fsgid;
    d_add(d, i);
    d_drop(d);
    return 0;
}
static int rmdir(struct inode *dir, struct dentry *d) {
    (void)dir;
    mutex_lock(&cgroup_mutex);
    int r = NODE(d->inode)->cgroup->dead ? -ENOENT : cgroup_rmdir(NODE(d->inode)->cgroup);
    mutex_unlock(&cgroup_mutex);
    return r;
}
static const struct inode_operations dir_iops = {.lookup = lookup, .mkdir = mkdir, .rmdir = rmdir},
                                     file_iops = {0};

static int iterate(struct file *f, struct dir_context *ctx) {
    struct cgroup *c = NODE(f->inode)->cgroup, *o;
    int r = 0;
    if (ctx->pos == 0 && ctx->emit(ctx, ".", 1, f->inode->i_ino, DT_DIR))
        ctx->pos = 1;
    if (ctx->pos == 1 && ctx->emit(ctx, "..", 2, f->path.dentry->parent->inode->i_ino, DT_DIR))
        ctx->pos = 2;
    if (ctx->pos < 2)
        return 0;
    mutex_lock(&cgroup_mutex);
    for (; ctx->pos - 1 < FILES; ctx->pos++)
        if (is_there(c, ctx->pos - 1) &&
            !ctx->emit(ctx, files[ctx->pos - 1].name, strlen(files[ctx->pos - 1].name),
                       c->id * FILES + ctx->pos - 1, DT_REG))
            goto out;
    /* Children in the order they were made: by their numbers, so a position holds. */
    list_for_each_entry(o, &c->children, sibling) {
        if ((loff_t)o->id + FILES < ctx->pos)
            continue;
        if (!ctx->emit(ctx, o->name, strlen(o->name), o->id * FILES, DT_DIR))
            goto out;
        ctx->pos = o->id + FILES + 1;
    }
out:
    mutex_unlock(&cgroup_mutex);
    return r;
}
static const struct file_operations dir_fops = {.iterate = iterate};

/* --- the files --- */
static void show_procs(struct seq *s, struct cgroup *c) {
    pid_t nr = 1;
    for (struct task_struct *t; (t = next_task(current->pid_ns, &nr, false)); nr++) {
        if (READ_ONCE(t->cgroup) == c && !t->exit_state && !(t->task_flags & PF_KTHREAD))
            seq_printf(s, "%d\n", nr);
        put_task(t);
    }
}
static void show(struct seq *s, struct cgroup *c, u32 file) {
    switch (file) {
    case PROCS:
        show_procs(s, c);
        break;
    case CONTROLLERS:
        seq_printf(s, "%s\n", !c->parent || (c->parent->subtree & CGROUP_PIDS) ? "pids" : "");
        break;
    case SUBTREE:
        seq_printf(s, "%s\n", c->subtree & CGROUP_PIDS ? "pids" : "");
        break;
    case EVENTS:
        seq_printf(s, "populated %d\nfrozen 0\n", cgroup_populated(c));
        break;
    case TYPE:
        seq_printf(s, "domain\n");
        break;
    case PIDS_MAX:
        if (c->max == CGROUP_NO_LIMIT)
            seq_printf(s, "max\n");
        else
            seq_printf(s, "%ld\n", c->max);
        break;
    case PIDS_CURRENT:
        seq_printf(s, "%ld\n", c->pids.v);
        break;
    case PIDS_EVENTS:
        seq_printf(s, "max %ld\n", c->hits.v);
        break;
    }
}
static int store_subtree(struct cgroup *c, char *text) {
    while (*text) {
        char *end = text;
        while (*end && *end != ' ')
            end++;
        bool more = *end;
        *end = 0;
        if (*text && strcmp(text, "+pids") && strcmp(text, "-pids"))
            return -EINVAL;
        if (*text == '+') {
            if (c->parent && !(c->parent->subtree & CGROUP_PIDS))
                return -ENOENT;
            if (c->parent && c->processes)
                return -EBUSY;
            c->subtree |= CGROUP_PIDS;
        } else if (*text) {
            struct cgroup *o;
            list_for_each_entry(o, &c->children, sibling) if (o->subtree & CGROUP_PIDS) return -EBUSY;
            list_for_each_entry(o, &c->children, sibling) o->max = CGROUP_NO_LIMIT;
            c->subtree &= ~CGROUP_PIDS;
        }
        text = more ? end + 1 : end;
    }
    return 0;
}
static int store(struct cgroup *c, u32 file, char *text) {
    char *end;
    u64 v = strtoul(text, &end, 10);
    bool number = end != text && !*end;
    switch (file) {
    case PROCS:
        return number && v <= INT32_MAX ? cgroup_attach(c, v) : -EINVAL;
    case SUBTREE:
        return store_subtree(c, text);
    case KILL:
        if (!number || v != 1)
            return number ? -ERANGE : -EINVAL;
        cgroup_kill(c);
        return 0;
    case PIDS_MAX:
        if (strcmp(text, "max") && (!number || v > 1UL << 31))
            return -EINVAL;
        WRITE_ONCE(c->max, number ? (s64)v : CGROUP_NO_LIMIT);
        return 0;
    default:
        return -EINVAL;
    }
}
static ssize_t file_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct node *n = NODE(f->inode);
    struct seq *s = f->private;
    mutex_lock(&s->lock);
    ssize_t r = 0;
    if (!s->buf || *pos == 0) {
        s->len = 0;
        s->failed = false;
        mutex_lock(&cgroup_mutex);
        if (n->cgroup->dead)
            r = -ENODEV;
        else
            show(s, n->cgroup, n->file);
        mutex_unlock(&cgroup_mutex);
        if (s->failed)
            r = -ENOMEM;
    }
    if (!r)
        r = seq_copy(s, it, pos);
    mutex_unlock(&s->lock);
    return r;
}
static ssize_t file_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct node *n = NODE(f->inode);
    char text[128];
    size_t len = it->count, wrote = len;
    (void)pos;
    if (len >= sizeof(text))
        return -EINVAL;
    if (copy_from_iter(text, len, it) != len)
        return -EFAULT;
    text[len] = 0;
    while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
        text[--len] = 0;
    mutex_lock(&cgroup_mutex);
    int r = n->cgroup->dead ? -ENODEV : store(n->cgroup, n->file, text);
    mutex_unlock(&cgroup_mutex);
    return r ? r : (ssize_t)wrote;
}
static const struct file_operations file_fops = {
    .open = seq_open, .read = file_read, .write = file_write, .release = seq_release};

struct cgroup *cgroup_of_fd(s32 fd) {
    struct file *f = fget_raw(fd);
    struct cgroup *c = ERR_PTR(-EBADF);
    if (!f)
        return c;
    if (f->inode && f->inode->i_op == &dir_iops) {
        c = NODE(f->inode)->cgroup;
        get_cgroup(c);
    }
    fput(f);
    return c;
}

static int statfs(struct super_block *sb, struct statfs *st) {
    (void)sb;
    st->f_type = 0x63677270;
    return 0;
}
static const struct super_operations sops = {.evict_inode = evict, .statfs = statfs};
static int fill(struct super_block *sb, const char *options) {
    (void)options;
    sb->ops = &sops;
    struct inode *i = make(sb, &root_cgroup, DIRECTORY);
    return !IS_ERR(i) && (sb->root = d_alloc_root(i)) ? 0 : -ENOMEM;
}
void cgroupfs_init(void) {
    static const struct file_system_type type = {"cgroup2", true, fill};
    register_filesystem(&type);
}
