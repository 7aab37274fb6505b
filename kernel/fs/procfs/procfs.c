/* procfs: what the kernel knows, as files. Directories are made up at each look-up; a file's text is made
 * whole at its first read and kept until the file closes, so that what is read is of one moment. */
#include "../../core/ptrace.h"
#include "../../core/user_namespace.h"
#include "../../debug/debug.h"
#include "../../drivers/drivers.h"
#include "../fs.h"
#include "procfs.h"

/* An inode's private: which entry, for which task, which descriptor. */
struct node {
    const struct entry *e;
    struct task_struct *t; /* counted */
    s32 fd;
    enum { PLAIN, ROOT, PID_DIR, TID_DIR, FD_DIR, FD_LINK, TASK_DIR } kind;
};
#define NODE(i) ((struct node *)(i)->private)
static const struct inode_operations dir_iops, link_iops, file_iops;
static const struct file_operations dir_fops, file_fops;

void seq_printf(struct seq *s, const char *fmt, ...) {
    for (;;) {
        va_list ap;
        va_start(ap, fmt);
        size_t n = vsnprintf(s->buf + s->len, s->size - s->len, fmt, ap);
        va_end(ap);
        if (s->len + n < s->size) {
            s->len += n;
            return;
        }
        char *bigger = kmalloc(s->size ? s->size * 2 + n : 1024, GFP_KERNEL);
        if (!bigger) {
            s->failed = true;
            return;
        }
        memcpy(bigger, s->buf, s->len);
        s->size = s->size ? s->size * 2 + n : 1024;
        kfree(s->buf);
        s->buf = bigger;
    }
}

/* Whose t's files are: its effective ids'; those of root of the memory's namespace if that is undumpable, and
 * root's if there is none. Its directories, which show nothing of it, are always its own. */
static void task_dump_owner(struct task_struct *t, u32 mode, uid_t *uid, gid_t *gid) {
    spin_lock(&t->alloc_lock);
    const struct mm_struct *mm = t->task_flags & PF_KTHREAD ? NULL : t->mm;
    *uid = t->cred->euid, *gid = t->cred->egid;
    if (mode != (S_IFDIR | 0555) && (!mm || mm->undumpable)) {
        *uid = mm ? make_kuid(mm->user_ns, 0) : 0;
        *gid = mm ? make_kgid(mm->user_ns, 0) : 0;
        if (*uid == INVALID_ID)
            *uid = 0;
        if (*gid == INVALID_ID)
            *gid = 0;
    }
    spin_unlock(&t->alloc_lock);
}
/* A new inode, or ERR_PTR(-ENOMEM). */
static struct inode *make(struct super_block *sb, const struct node *n, u32 mode, u64 ino) {
    struct inode *i = new_inode(sb);
    struct node *copy = i ? kmalloc(sizeof(*copy), GFP_KERNEL) : NULL;
    if (!copy) {
        if (i)
            iput(i);
        return ERR_PTR(-ENOMEM);
    }
    *copy = *n;
    if (n->t) {
        get_task(n->t);
        task_dump_owner(n->t, mode, &i->i_uid, &i->i_gid);
    }
    i->private = copy;
    i->i_ino = ino;
    i->i_mode = mode & S_IFMT ? mode : mode | S_IFREG;
    i->i_nlink = S_ISDIR(i->i_mode) ? 2 : 1;
    i->i_op = S_ISDIR(i->i_mode) ? &dir_iops : S_ISLNK(i->i_mode) ? &link_iops : &file_iops;
    i->i_fop = S_ISDIR(i->i_mode) ? &dir_fops : n->e && n->e->fops ? n->e->fops : &file_fops;
    return i;
}
struct task_struct *proc_task(struct inode *i) {
    return NODE(i)->t;
}
static void evict(struct inode *i) {
    struct node *n = NODE(i);
    if (n && n->t)
        put_task(n->t);
    kfree(n);
}

static u64 number(const char *s) { /* ~0: not a plain number */
    char *end;
    if (*s < '0' || *s > '9' || (*s == '0' && s[1]))
        return ~0UL;
    u64 v = strtoul(s, &end, 10);
    return *end || v > 0x7fffffff ? ~0UL : v;
}
static u64 make_ino(u64 a, u64 b) { return 1000 + a * 4096 + b; }

/* What a directory holds, and the entry after e; a thread's directory has no `task`, or there would be no
 * bottom. */
static const struct entry *first_entry(const struct node *dir) {
    return dir->kind == PID_DIR || dir->kind == TID_DIR ? pid_entries : dir->e->children;
}
static bool is_shown(const struct node *dir, const struct entry *e) {
    return dir->kind != TID_DIR || strcmp(e->name, "task");
}

/* The inode of a name in dir, NULL: there is none, or an error. */
static struct inode *find(struct super_block *sb, const struct node *dir, const char *name) {
    u64 v = number(name);
    struct inode *i = NULL;
    if (dir->kind == FD_DIR) {
        struct file *f = v == ~0UL ? ERR_PTR(-ENOENT) : task_file(dir->t, v);
        if (IS_ERR(f))
            return PTR_ERR(f) == -ENOENT ? NULL : (void *)f;
        u32 mode = S_IFLNK | (f->mode & FMODE_READ ? 0500 : 0) | (f->mode & FMODE_WRITE ? 0300 : 0);
        fput(f);
        return make(sb, &(struct node){NULL, dir->t, v, FD_LINK}, mode,
                    make_ino(dir->t->pid, 1024 + v % 3000));
    }
    if ((dir->kind == ROOT || dir->kind == TASK_DIR) && v != ~0UL) {
        struct task_struct *t = get_task_in(sb->private, v);
        if (!t)
            return NULL;
        if (dir->kind == ROOT || t->tgid == dir->t->tgid)
            i = make(sb, &(struct node){NULL, t, 0, dir->kind == ROOT ? PID_DIR : TID_DIR}, S_IFDIR | 0555,
                     make_ino(v, 0));
        put_task(t);
        return i;
    }
    if (dir->kind == TASK_DIR)
        return NULL;
    const struct entry *e = first_entry(dir);
    for (u64 k = 1; e && e->name; e++, k++)
        if (!strcmp(e->name, name) && is_shown(dir, e)) {
            int kind = !strcmp(name, "fd") ? FD_DIR : !strcmp(name, "task") ? TASK_DIR : PLAIN;
            return make(sb, &(struct node){e, dir->t, 0, kind}, e->mode,
                        dir->t ? make_ino(dir->t->pid, k) : (u64)e - (u64)&proc_root + (1UL << 40));
        }
    return NULL;
}
/* Nothing is cached: what is true now may not be later. */
static int lookup(struct inode *dir, struct dentry *d) {
    struct inode *i = find(dir->sb, NODE(dir), d->name);
    if (IS_ERR(i))
        return PTR_ERR(i);
    d_add(d, i);
    d_drop(d);
    return 0;
}
static int get_link(struct dentry *d, struct path *out) {
    struct node *n = NODE(d->inode);
    if (n->kind == FD_LINK) {
        struct file *f = task_file(n->t, n->fd);
        if (IS_ERR(f))
            return PTR_ERR(f);
        int r = -ENOENT;
        if (f->path.dentry) {
            *out = f->path;
            path_get(out);
            r = 0;
        }
        fput(f);
        return r;
    }
    return n->e->link ? n->e->link(n->t, out) : 1;
}
static ssize_t readlink(struct inode *i, char *b) {
    struct node *n = NODE(i);
    struct path p;
    if (n->e && n->e->text_link)
        return n->e->text_link(i->sb->private, n->t, b);
    int r = -ENOENT;
    if (n->kind == FD_LINK) {
        struct file *f = task_file(n->t, n->fd);
        if (IS_ERR(f))
            return PTR_ERR(f);
        if (!f->path.dentry) {
            r = S_ISFIFO(f->inode->i_mode) ? snprintf(b, 64, "pipe:[%lu]", f->inode->i_ino)
                                           : snprintf(b, 64, "anon_inode:[%lu]", f->inode->i_ino);
            fput(f);
            return r;
        }
        p = f->path;
        path_get(&p);
        fput(f);
    } else if ((r = n->e->link(n->t, &p))) {
        return r;
    }
    char *t = kmalloc(PATH_MAX, GFP_KERNEL);
    if (t) {
        char *s = d_path(&p, t, PATH_MAX);
        r = strlcpy(b, s, PATH_MAX);
        kfree(t);
    }
    path_put(&p);
    return t ? r : -ENOMEM;
}
/* A process sees its own descriptors even when it is undumpable, and the directory root's. */
static int may_all_the_same(struct inode *i, u32 mask) {
    (void)mask;
    return NODE(i)->kind == FD_DIR && NODE(i)->t->signal == current->signal ? 0 : -EACCES;
}
static const struct inode_operations dir_iops = {.lookup = lookup, .permission = may_all_the_same},
                                     file_iops = {0};
static const struct inode_operations link_iops = {.readlink = readlink, .get_link = get_link};

/* How many descriptors t has had at a time. */
static u32 fd_top(struct task_struct *t) {
    spin_lock(&t->alloc_lock);
    u32 top = t->files ? READ_ONCE(t->files->top) : 0;
    spin_unlock(&t->alloc_lock);
    return top;
}
static int iterate(struct file *f, struct dir_context *ctx) {
    struct node *n = NODE(f->inode);
    char name[16];
    if (ctx->pos == 0) {
        if (!ctx->emit(ctx, ".", 1, f->inode->i_ino, DT_DIR))
            return 0;
        ctx->pos = 1;
    }
    if (ctx->pos == 1) {
        if (!ctx->emit(ctx, "..", 2, f->path.dentry->parent->inode->i_ino, DT_DIR))
            return 0;
        ctx->pos = 2;
    }
    if (n->kind == FD_DIR) {
        for (; ctx->pos - 2 < 65536; ctx->pos++) {
            struct file *o = task_file(n->t, ctx->pos - 2);
            if (IS_ERR(o)) {
                if (PTR_ERR(o) != -ENOENT)
                    return PTR_ERR(o);
                if (ctx->pos - 2 >= fd_top(n->t))
                    return 0;
                continue;
            }
            fput(o);
            u32 len = snprintf(name, sizeof(name), "%ld", ctx->pos - 2);
            if (!ctx->emit(ctx, name, len, make_ino(n->t->pid, 1024 + ctx->pos), DT_LNK))
                return 0;
        }
        return 0;
    }
    if (n->kind == TASK_DIR) {
        for (;;) {
            struct task_struct *t;
            pid_t best = 0x7fffffff;
            READ_TASKS(irq);
            for_each_thread(t, n->t->signal) {
                pid_t nr = pid_nr_ns(t->pid, f->inode->sb->private);
                if (nr > 0 && nr + 1 >= ctx->pos && nr < best)
                    best = nr;
            }
            READ_TASKS_END(irq);
            if (best == 0x7fffffff)
                return 0;
            u32 len = snprintf(name, sizeof(name), "%d", best);
            loff_t keep = ctx->pos;
            if (!ctx->emit(ctx, name, len, make_ino(best, 0), DT_DIR)) {
                ctx->pos = keep;
                return 0;
            }
            ctx->pos = best + 2;
        }
    }
    const struct entry *e = first_entry(n);
    for (loff_t k = 2; e->name; e++, k++)
        if (k >= ctx->pos && is_shown(n, e)) {
            u32 mode = e->mode & S_IFMT ? e->mode : S_IFREG;
            if (!ctx->emit(ctx, e->name, strlen(e->name), make_ino(n->t ? n->t->pid : 0, k), IFTODT(mode)))
                return 0;
            ctx->pos = k + 1;
        }
    if (n->kind != ROOT)
        return 0;
    if (ctx->pos < 256)
        ctx->pos = 256;
    for (;;) {
        pid_t pid = ctx->pos - 255;
        struct task_struct *t = next_task(f->inode->sb->private, &pid, false);
        if (!t)
            return 0;
        put_task(t);
        u32 len = snprintf(name, sizeof(name), "%d", pid);
        ctx->pos = 255 + pid;
        if (!ctx->emit(ctx, name, len, make_ino(pid, 0), DT_DIR))
            return 0;
        ctx->pos = 256 + pid;
    }
}
static const struct file_operations dir_fops = {.iterate = iterate};

int seq_open(struct inode *i, struct file *f) {
    (void)i;
    struct seq *s = f->private = kzalloc(sizeof(*s), GFP_KERNEL);
    if (!s)
        return -ENOMEM;
    mutex_init(&s->lock);
    return 0;
}
ssize_t seq_copy(struct seq *s, struct iov_iter *it, loff_t *pos) {
    if (*pos < 0 || (u64)*pos >= s->len)
        return 0;
    size_t want = min(it->count, s->len - *pos), c = copy_to_iter(s->buf + *pos, want, it);
    *pos += c;
    return c ? (ssize_t)c : -EFAULT;
}
static int show_text(struct node *n, struct seq *s) {
    if (!n->e->mm)
        return n->e->show(s, n->t);
    if (!s->mm || !atomic_inc_not_zero(&s->mm->mm_users)) /* it has ended */
        return 0;
    int r = n->e->show(s, n->t);
    mmput(s->mm);
    return r;
}
static ssize_t read_text(struct node *n, struct seq *s, struct iov_iter *it, loff_t *pos) {
    if (!s->buf || *pos == 0) { /* from the start: of this moment */
        s->len = 0;
        s->failed = false;
        if (n->t && !n->t->sighand && n->t->exit_state == EXIT_DEAD)
            return -ESRCH;
        int r = show_text(n, s);
        if (r || s->failed)
            return r ? r : -ENOMEM;
    }
    return seq_copy(s, it, pos);
}
static ssize_t proc_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct node *n = NODE(f->inode);
    struct seq *s = f->private;
    if (!n->e->show)
        return -EINVAL;
    s->ns = f->inode->sb->private;
    mutex_lock(&s->lock);
    ssize_t r = read_text(n, s, it, pos);
    mutex_unlock(&s->lock);
    return r;
}
static ssize_t proc_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct node *n = NODE(f->inode);
    size_t want = it->count;
    if (!n->e->store && !n->e->grant)
        return -EACCES;
    if (want >= PAGE_SIZE || *pos)
        return -EINVAL;
    char *text = kmalloc(want + 1, GFP_KERNEL);
    if (!text)
        return -ENOMEM;
    ssize_t r = copy_from_iter(text, want, it) == want ? 0 : -EFAULT;
    text[want] = 0;
    if (!r)
        r = n->e->grant ? n->e->grant(f, text, n->t) : n->e->store(text, n->t);
    kfree(text);
    return r ? r : (ssize_t)want;
}
void seq_release(struct file *f) {
    struct seq *s = f->private;
    if (s)
        kfree(s->buf);
    kfree(s);
}
static int proc_open(struct inode *i, struct file *f) {
    struct node *n = NODE(i);
    struct mm_struct *mm = n->e->mm ? mm_access(n->t, PTRACE_MODE_READ_FSCREDS) : ERR_PTR(-ESRCH);
    if (IS_ERR(mm) && PTR_ERR(mm) != -ESRCH)
        return PTR_ERR(mm);
    int r = seq_open(i, f);
    struct seq *s = f->private;
    if (!r)
        s->show_pfn = capable(CAP_SYS_ADMIN);
    if (!r && !IS_ERR(mm))
        mmgrab(s->mm = mm); /* until it is closed, but not as a user */
    if (!IS_ERR(mm))
        mmput(mm);
    return r;
}
static void proc_release(struct file *f) {
    struct seq *s = f->private;
    if (s && s->mm)
        mmdrop(s->mm);
    seq_release(f);
}
static const struct file_operations file_fops = {
    .open = proc_open, .read = proc_read, .write = proc_write, .release = proc_release};

static int statfs(struct super_block *sb, struct statfs *st) {
    (void)sb;
    st->f_type = 0x9fa0;
    return 0;
}
static void put_super(struct super_block *sb) { put_pid_ns(sb->private); }
static const struct super_operations sops = {.evict_inode = evict, .statfs = statfs, .put_super = put_super};
static int fill(struct super_block *sb, const char *options) {
    (void)options;
    sb->ops = &sops;
    get_pid_ns(sb->private = current->pid_ns);
    struct inode *i = make(sb, &(struct node){&proc_root, NULL, 0, ROOT}, S_IFDIR | 0555, 1);
    return !IS_ERR(i) && (sb->root = d_alloc_root(i)) ? 0 : -ENOMEM;
}
const struct file_system_type type = {"proc", true, fill, true};
void procfs_init(void) { register_filesystem(&type); }
