/* Landlock: a process gives up rights on files for itself and all that it will make, whoever it is. A ruleset
 * says which rights it handles and, of these, which are left below which directories. A domain is a pile of
 * rulesets, held by the credentials: each must allow what is done. A ruleset allows it if one of its rules is
 * about the file or a directory above it. */
#include "../core/user_namespace.h"
#include "security.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include <abi/errno.h>
#include <abi/landlock.h>

#define ALL ((1UL << 13) - 1)
#define OF_FILES (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE)
#define MAX_LAYERS 16
#define MAX_RULES 4096

struct rule {
    struct path path; /* counted */
    u64 allowed;
};
struct ruleset {
    struct mutex lock;
    u64 handled;
    u32 n, room;
    struct rule *rules;
};
struct landlock_layer {
    atomic_t refcount;
    struct landlock_layer *below, *next_dead;
    u64 handled;
    u32 depth, n;
    struct rule rules[];
};

/* --- domains --- */
static struct landlock_layer *dead;
void get_landlock(struct landlock_layer *l) {
    if (l)
        atomic_inc(&l->refcount);
}
void put_landlock(struct landlock_layer *l) {
    while (l && atomic_dec_and_test(&l->refcount)) {
        struct landlock_layer *below = l->below;
        do
            l->next_dead = READ_ONCE(dead);
        while (!cmpxchg(&dead, l->next_dead, l));
        l = below;
    }
}
void landlock_reap(void) {
    for (struct landlock_layer *l = xchg(&dead, NULL), *next; l; l = next) {
        next = l->next_dead;
        for (u32 i = 0; i < l->n; i++)
            path_put(&l->rules[i].path);
        kfree(l);
    }
}

/* --- the questions --- */
struct walk {
    const struct landlock_layer *layer;
    u64 wanted; /* not yet allowed */
};
static bool step(const struct dentry *d, void *arg) {
    struct walk *w = arg;
    for (u32 i = 0; i < w->layer->n; i++)
        if (w->layer->rules[i].path.dentry->inode == d->inode)
            w->wanted &= ~w->layer->rules[i].allowed;
    return !w->wanted;
}
/* A pipe, a namespace: nowhere in a tree. What was in one that is unmounted now is not that. */
static bool is_internal(const struct path *p) { return !p->mnt || (p->mnt->sb->flags & MS_NOUSER); }
static int path(const struct path *p, u32 access) {
    if (likely(!current->cred->landlock) || is_internal(p))
        return 0;
    for (const struct landlock_layer *l = current->cred->landlock; l; l = l->below) {
        struct walk w = {l, access & l->handled};
        if (w.wanted)
            path_walk_up(p, step, &w);
        if (w.wanted)
            return -EACCES;
    }
    return 0;
}
static int exec(const struct path *p) { return path(p, LANDLOCK_ACCESS_FS_EXECUTE); }
/* Moved elsewhere a file could have other rights: no. */
static int across(const struct path *from, const struct path *to) {
    return current->cred->landlock && from->dentry != to->dentry ? -EXDEV : 0;
}
/* With other mounts the rules would mean something else. */
static int mount(void) { return current->cred->landlock ? -EPERM : 0; }
/* Who is confined looks only into who is at least as confined. */
static int ptrace(struct task_struct *tracer, struct task_struct *t) {
    const struct landlock_layer *mine = tracer->cred->landlock, *l = t->cred->landlock;
    while (l && l != mine)
        l = l->below;
    return l == mine ? 0 : -EPERM;
}
const struct security_ops landlock_ops = {
    .name = "landlock", .exec = exec, .path = path, .across = across, .mount = mount, .ptrace = ptrace};

/* --- the calls --- */
static void release(struct file *f) {
    struct ruleset *s = f->private;
    for (u32 i = 0; i < s->n; i++)
        path_put(&s->rules[i].path);
    kfree(s->rules);
    kfree(s);
}
static const struct file_operations ruleset_fops = {.release = release};

long sys_landlock_create_ruleset(u64 uattr, u64 size, u64 flags) {
    struct landlock_ruleset_attr a = {0};
    if (flags == LANDLOCK_CREATE_RULESET_VERSION)
        return uattr || size ? -EINVAL : 1;
    if (flags)
        return -EINVAL;
    if (size < sizeof(a))
        return -EINVAL;
    if (size > PAGE_SIZE)
        return -E2BIG;
    long r = copy_struct_from_user(&a, sizeof(a), uattr, size);
    if (r)
        return r;
    if (a.handled_access_fs & ~ALL)
        return -EINVAL;
    if (!a.handled_access_fs)
        return -ENOMSG;
    struct ruleset *s = kzalloc(sizeof(*s), GFP_KERNEL);
    if (!s)
        return -ENOMEM;
    mutex_init(&s->lock);
    s->handled = a.handled_access_fs;
    struct file *f = anon_file(&ruleset_fops, s, O_RDWR, "landlock-ruleset");
    if (IS_ERR(f))
        kfree(s);
    return fd_with_file(f, O_CLOEXEC);
}

/* The ruleset of a descriptor; *f is to be put. */
static struct ruleset *get_ruleset(u64 fd, struct file **f) {
    if (!(*f = fget(fd)))
        return ERR_PTR(-EBADF);
    if ((*f)->f_op == &ruleset_fops)
        return (*f)->private;
    fput(*f);
    return ERR_PTR(-EBADFD);
}
static long add(struct ruleset *s, const struct path *p, u64 allowed) {
    for (u32 i = 0; i < s->n; i++)
        if (s->rules[i].path.dentry->inode == p->dentry->inode) {
            s->rules[i].allowed |= allowed;
            return 0;
        }
    if (s->n == MAX_RULES)
        return -E2BIG;
    if (s->n == s->room) {
        struct rule *more = kmalloc((s->room * 2 + 4) * sizeof(*more), GFP_KERNEL);
        if (!more)
            return -ENOMEM;
        memcpy(more, s->rules, s->n * sizeof(*more));
        kfree(s->rules);
        s->rules = more;
        s->room = s->room * 2 + 4;
    }
    path_get(p);
    s->rules[s->n++] = (struct rule){*p, allowed};
    return 0;
}
/* Accepts O_PATH for the file that the rule is about. */
long sys_landlock_add_rule(u64 fd, u64 type, u64 uattr, u64 flags) {
    struct landlock_path_beneath_attr a;
    struct file *f, *at;
    if (flags)
        return -EINVAL;
    struct ruleset *s = get_ruleset(fd, &f);
    if (IS_ERR(s))
        return PTR_ERR(s);
    long r = 0;
    if (type != LANDLOCK_RULE_PATH_BENEATH)
        r = -EINVAL;
    else if (copy_from_user(&a, uattr, sizeof(a)))
        r = -EFAULT;
    else if (!a.allowed_access)
        r = -ENOMSG;
    else if (a.allowed_access & ~s->handled)
        r = -EINVAL;
    else if (!(at = fget_raw(a.parent_fd)))
        r = -EBADF;
    else {
        if (!at->path.dentry || is_internal(&at->path))
            r = -EBADFD;
        else if (!S_ISDIR(at->inode->i_mode) && (a.allowed_access & ~(u64)OF_FILES))
            r = -EINVAL;
        else {
            mutex_lock(&s->lock);
            r = add(s, &at->path, a.allowed_access);
            mutex_unlock(&s->lock);
        }
        fput(at);
    }
    fput(f);
    return r;
}
long sys_landlock_restrict_self(u64 fd, u64 flags) {
    struct file *f;
    landlock_reap();
    if (!current->no_new_privs && !ns_capable(current_user_ns(), CAP_SYS_ADMIN))
        return -EPERM;
    if (flags)
        return -EINVAL;
    struct ruleset *s = get_ruleset(fd, &f);
    if (IS_ERR(s))
        return PTR_ERR(s);
    struct landlock_layer *below = current->cred->landlock, *l = NULL;
    mutex_lock(&s->lock);
    long r = below && below->depth >= MAX_LAYERS ? -E2BIG : 0;
    if (!r && !(l = kmalloc(sizeof(*l) + s->n * sizeof(*l->rules), GFP_KERNEL)))
        r = -ENOMEM;
    struct cred *c = r ? NULL : prepare_cred();
    if (!r && !c) {
        kfree(l);
        r = -ENOMEM;
    }
    if (!r) {
        /* c's reference to what is below is the new layer's now. */
        *l = (struct landlock_layer){.refcount = {1},
                                     .below = below,
                                     .handled = s->handled,
                                     .depth = below ? below->depth + 1 : 1,
                                     .n = s->n};
        memcpy(l->rules, s->rules, s->n * sizeof(*l->rules));
        for (u32 i = 0; i < l->n; i++)
            path_get(&l->rules[i].path);
        c->landlock = l;
    }
    mutex_unlock(&s->lock);
    fput(f);
    return r ? r : commit_cred(c);
}
