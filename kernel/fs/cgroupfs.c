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
    CPU_STAT,
    CPU_MAX,
    CPU_WEIGHT,
    MEMORY_MAX,
    MEMORY_CURRENT,
    MEMORY_PEAK,
    MEMORY_EVENTS,
    MEMORY_OOM_GROUP,
    PIDS_MAX,
    PIDS_CURRENT,
    PIDS_EVENTS,
    FILES
};
static const struct {
    const char *name;
    u32 mode;
    bool below_root; /* not in the root */
    u32 controller;  /* only where the parent gives that */
} files[FILES] = {[PROCS] = {"cgroup.procs", 0644, false, 0},
                  [CONTROLLERS] = {"cgroup.controllers", 0444, false, 0},
                  [SUBTREE] = {"cgroup.subtree_control", 0644, false, 0},
                  [EVENTS] = {"cgroup.events", 0444, true, 0},
                  [KILL] = {"cgroup.kill", 0200, true, 0},
                  [TYPE] = {"cgroup.type", 0444, true, 0},
                  [CPU_STAT] = {"cpu.stat", 0444, true, CGROUP_CPU},
                  [CPU_MAX] = {"cpu.max", 0644, true, CGROUP_CPU},
                  [CPU_WEIGHT] = {"cpu.weight", 0644, true, CGROUP_CPU},
                  [MEMORY_MAX] = {"memory.max", 0644, true, CGROUP_MEMORY},
                  [MEMORY_CURRENT] = {"memory.current", 0444, true, CGROUP_MEMORY},
                  [MEMORY_PEAK] = {"memory.peak", 0444, true, CGROUP_MEMORY},
                  [MEMORY_EVENTS] = {"memory.events", 0444, true, CGROUP_MEMORY},
                  [MEMORY_OOM_GROUP] = {"memory.oom.group", 0644, true, CGROUP_MEMORY},
                  [PIDS_MAX] = {"pids.max", 0644, true, CGROUP_PIDS},
                  [PIDS_CURRENT] = {"pids.current", 0444, true, CGROUP_PIDS},
                  [PIDS_EVENTS] = {"pids.events", 0444, true, CGROUP_PIDS}};
static const struct {
    const char *name;
    u32 bit;
} controllers[] = {{"cpu", CGROUP_CPU}, {"memory", CGROUP_MEMORY}, {"pids", CGROUP_PIDS}};
#define CGROUP_ALL (CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS)

static bool is_there(const struct cgroup *c, u32 f) {
    return (!files[f].below_root || c->parent) &&
           (!files[f].controller || (c->parent->subtree & files[f].controller));
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
static void show_controllers(struct seq *s, u32 set) {
    const char *space = "";
    for (unsigned int i = 0; i < ARRAY_SIZE(controllers); i++)
        if (set & controllers[i].bit) {
            seq_printf(s, "%s%s", space, controllers[i].name);
            space = " ";
        }
    seq_printf(s, "\n");
}
static void show_limit(struct seq *s, s64 limit, u64 unit) {
    if (limit == CGROUP_NO_LIMIT)
        seq_printf(s, "max\n");
    else
        seq_printf(s, "%lu\n", limit * unit);
}
static void show(struct seq *s, struct cgroup *c, u32 file) {
    switch (file) {
    case PROCS:
        show_procs(s, c);
        break;
    case CONTROLLERS:
        show_controllers(s, c->parent ? c->parent->subtree : CGROUP_ALL);
        break;
    case SUBTREE:
        show_controllers(s, c->subtree);
        break;
    case EVENTS:
        seq_printf(s, "populated %d\nfrozen 0\n", cgroup_populated(c));
        break;
    case TYPE:
        seq_printf(s, "domain\n");
        break;
    case CPU_STAT:
        seq_printf(s, "usage_usec %lu\nnr_periods %lu\nnr_throttled %lu\nthrottled_usec %lu\n",
                   c->cpu.usage.v / 1000, c->cpu.periods, c->cpu.short_periods, c->cpu.short_ns.v / 1000);
        break;
    case CPU_MAX:
        if (c->cpu.quota)
            seq_printf(s, "%lu %lu\n", c->cpu.quota / 1000, c->cpu.period / 1000);
        else
            seq_printf(s, "max %lu\n", c->cpu.period / 1000);
        break;
    case CPU_WEIGHT:
        seq_printf(s, "%u\n", c->cpu.weight);
        break;
    case MEMORY_MAX:
        show_limit(s, c->memory.max, PAGE_SIZE);
        break;
    case MEMORY_CURRENT:
        seq_printf(s, "%lu\n", c->memory.pages.v * PAGE_SIZE);
        break;
    case MEMORY_PEAK:
        seq_printf(s, "%lu\n", c->memory.peak * PAGE_SIZE);
        break;
    case MEMORY_EVENTS:
        seq_printf(s, "low 0\nhigh 0\nmax %ld\noom %ld\noom_kill %ld\noom_group_kill %ld\n", c->memory.hits.v,
                   c->memory.oom.v, c->memory.kills.v, c->memory.oom_group ? c->memory.kills.v : 0);
        break;
    case MEMORY_OOM_GROUP:
        seq_printf(s, "%d\n", c->memory.oom_group);
        break;
    case PIDS_MAX:
        show_limit(s, c->max, 1);
        break;
    case PIDS_CURRENT:
        seq_printf(s, "%ld\n", c->pids.v);
        break;
    case PIDS_EVENTS:
        seq_printf(s, "max %ld\n", c->hits.v);
        break;
    }
}
/* The children of c lose a controller: what was set by it. */
static void forget_limits(struct cgroup *c, u32 controller) {
    struct cgroup *o;
    list_for_each_entry(o, &c->children, sibling) {
        if (controller == CGROUP_PIDS)
            o->max = CGROUP_NO_LIMIT;
        if (controller == CGROUP_MEMORY)
            o->memory.max = CGROUP_NO_LIMIT, o->memory.oom_group = false;
        if (controller == CGROUP_CPU) {
            group_set_limit(&o->cpu, 0, 100000000);
            group_set_weight(&o->cpu, 100);
        }
    }
}
/* One word of cgroup.subtree_control: +name or -name. */
static int store_controller(struct cgroup *c, const char *word) {
    struct cgroup *o;
    u32 bit = 0;
    for (unsigned int i = 0; i < ARRAY_SIZE(controllers); i++)
        if (!strcmp(word + 1, controllers[i].name))
            bit = controllers[i].bit;
    if (!bit || (*word != '+' && *word != '-'))
        return -EINVAL;
    u32 was = c->subtree;
    if (*word == '+') {
        if (c->parent && !(c->parent->subtree & bit))
            return -ENOENT;
        if (c->parent && c->processes)
            return -EBUSY;
        c->subtree |= bit;
    } else {
        list_for_each_entry(o, &c->children, sibling) if (o->subtree & bit) return -EBUSY;
        c->subtree &= ~bit;
    }
    if ((was ^ c->subtree) & CGROUP_CPU)
        cgroup_cpu_changed();
    if (was & ~c->subtree)
        forget_limits(c, bit);
    return 0;
}
static int store_subtree(struct cgroup *c, char *text) {
    int r = 0;
    while (*text && !r) {
        char *end = text;
        while (*end && *end != ' ')
            end++;
        bool more = *end;
        *end = 0;
        if (*text)
            r = store_controller(c, text);
        text = more ? end + 1 : end;
    }
    return r;
}
/* "max" or microseconds, and the period in microseconds. */
static int store_cpu_max(struct cgroup *c, const char *text) {
    char *end = (char *)text + 3;
    bool limited = !starts_with(text, "max");
    u64 quota = limited ? strtoul(text, &end, 10) : 0, period = c->cpu.period / 1000;
    if (end == text)
        return -EINVAL;
    if (*end == ' ') {
        const char *second = end + 1;
        period = strtoul(second, &end, 10);
        if (end == second)
            return -EINVAL;
    }
    if (*end || period < 1000 || period > 1000000 || (limited && (quota < 1000 || quota > 1UL << 44)))
        return -EINVAL;
    group_set_limit(&c->cpu, quota * 1000, period * 1000);
    return 0;
}
/* "max" or bytes, with K, M, G or T. */
static int store_memory_max(struct cgroup *c, const char *text) {
    static const char units[] = "KMGT";
    char *end;
    u64 bytes = strtoul(text, &end, 10);
    const char *unit = end != text && *end ? strchr(units, *end & ~0x20) : NULL;
    if (strcmp(text, "max") && (end == text || (*end && (!unit || end[1]))))
        return -EINVAL;
    if (unit)
        bytes <<= 10 * (unit - units + 1);
    WRITE_ONCE(c->memory.max, strcmp(text, "max") ? (s64)(bytes >> PAGE_SHIFT) : CGROUP_NO_LIMIT);
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
    case CPU_MAX:
        return store_cpu_max(c, text);
    case CPU_WEIGHT:
        if (!number || v < 1 || v > 10000)
            return number ? -ERANGE : -EINVAL;
        group_set_weight(&c->cpu, v);
        return 0;
    case MEMORY_MAX:
        return store_memory_max(c, text);
    case MEMORY_OOM_GROUP:
        if (!number || v > 1)
            return -EINVAL;
        c->memory.oom_group = v;
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
    if (!r && n->file == MEMORY_MAX)
        memory_shrink(n->cgroup);
    return r ? r : (ssize_t)wrote;
}
static const struct file_operations file_fops = {
    .open = seq_open, .read = file_read, .write = file_write, .release = seq_release};

/* May current put processes into c? Whoever may write to its cgroup.procs. */
static int cgroup_may_write(struct super_block *sb, struct cgroup *c) {
    struct inode *procs = make(sb, c, PROCS);
    if (IS_ERR(procs))
        return PTR_ERR(procs);
    int r = permission(procs, MAY_WRITE);
    iput(procs);
    return r;
}
struct cgroup *cgroup_of_fd(s32 fd) { /* accepts O_PATH */
    struct file *f = fget_raw(fd);
    struct cgroup *c = ERR_PTR(-EBADF);
    if (!f)
        return c;
    if (f->inode && f->inode->i_op == &dir_iops) {
        int r = cgroup_may_write(f->inode->sb, NODE(f->inode)->cgroup);
        c = r ? ERR_PTR(r) : NODE(f->inode)->cgroup;
        if (!r)
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
    static const struct file_system_type type = {"cgroup2", true, fill, true};
    register_filesystem(&type);
}
