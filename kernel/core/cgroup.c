/* Control groups: the tree, who is in which, and the pids controller. */
#include "cgroup.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "../fs/procfs/procfs.h"
#include <abi/errno.h>

struct mutex cgroup_mutex = MUTEX_INIT(cgroup_mutex);
struct cgroup root_cgroup = {.refcount = {1},
                             .children = LIST_HEAD_INIT(root_cgroup.children),
                             .name = "",
                             .id = 1,
                             .max = CGROUP_NO_LIMIT,
                             .memory = {.max = CGROUP_NO_LIMIT}};
static u64 last_id = 1;

void get_cgroup(struct cgroup *c) {
    if (c->parent)
        atomic_inc(&c->refcount);
}
void put_cgroup(struct cgroup *c) {
    while (c->parent && atomic_dec_and_test(&c->refcount)) {
        struct cgroup *up = c->parent;
        timer_cancel(&c->cpu.timer);
        kfree(c->name);
        kfree(c);
        c = up;
    }
}

/* The group whose share of the harts is c's: the nearest that has the controller. Counted, or NULL. */
static struct cpu_group *get_cpu_group(struct cgroup *c) {
    while (c->parent && !(READ_ONCE(c->parent->subtree) & CGROUP_CPU))
        c = c->parent;
    if (!c->parent)
        return NULL;
    get_cgroup(c);
    return &c->cpu;
}
static void put_cpu_group(struct cpu_group *g) {
    if (g)
        put_cgroup(container_of(g, struct cgroup, cpu));
}
/* Its group or the controllers have changed. tasklist_lock held. */
static void set_cpu_group(struct task_struct *t) {
    put_cpu_group(sched_set_group(t, get_cpu_group(t->cgroup)));
}
void cgroup_cpu_changed(void) {
    struct task_struct *p, *t;
    READ_TASKS(irq);
    for_each_process(p) for_each_thread(t, p->signal) if (t->cgroup != &root_cgroup) set_cpu_group(t);
    READ_TASKS_END(irq);
}

/* --- counting; the root counts nothing --- */
static void uncharge(struct cgroup *c, struct cgroup *end) {
    for (; c != end && c->parent; c = c->parent)
        atomic_add(&c->pids, -1);
}
static void charge(struct cgroup *c) {
    for (; c->parent; c = c->parent)
        atomic_add(&c->pids, 1);
}
/* One more, if there is room: the count is never above the limit, not even for who looks meanwhile. */
static bool add_below(struct cgroup *c) {
    for (s64 n = atomic_read(&c->pids); n < READ_ONCE(c->max); n = atomic_read(&c->pids))
        if (cmpxchg(&c->pids.v, n, n + 1))
            return true;
    return false;
}
static bool try_charge(struct cgroup *c) {
    for (struct cgroup *at = c; at->parent; at = at->parent)
        if (!add_below(at)) {
            uncharge(c, at);
            atomic_add(&at->hits, 1);
            return false;
        }
    return true;
}

int cgroup_can_fork(struct task_struct *p, struct cgroup *into) {
    if (likely(!into && READ_ONCE(current->cgroup) == &root_cgroup)) {
        p->cgroup = &root_cgroup;
        p->se.group = NULL;
        return 0;
    }
    if (!into) {
        READ_TASKS(irq);
        get_cgroup(into = current->cgroup);
        READ_TASKS_END(irq);
    }
    p->cgroup = into;
    p->se.group = get_cpu_group(into);
    if (try_charge(into))
        return 0;
    put_cpu_group(p->se.group);
    put_cgroup(into);
    return -EAGAIN;
}
void cgroup_cancel_fork(struct task_struct *p) {
    uncharge(p->cgroup, NULL);
    put_cpu_group(p->se.group);
    put_cgroup(p->cgroup);
}
int cgroup_post_fork(struct task_struct *p, bool into) {
    if (unlikely(!into && p->cgroup != current->cgroup)) {
        if (!try_charge(current->cgroup))
            return -EAGAIN;
        struct cgroup *was = p->cgroup;
        get_cgroup(p->cgroup = current->cgroup);
        uncharge(was, NULL);
        put_cgroup(was);
    }
    if (unlikely(into && p->cgroup->dead))
        return -ENODEV;
    if (unlikely(p->cgroup != &root_cgroup)) { /* the controllers may have changed since */
        put_cpu_group(p->se.group);
        p->se.group = get_cpu_group(p->cgroup);
    }
    p->cgroup->processes += p == p->group_leader;
    return 0;
}
void cgroup_exit(struct task_struct *t) { t->group_leader->cgroup->processes--; }
void cgroup_release(struct task_struct *t) {
    struct cgroup *c = t->cgroup;
    if (likely(c == &root_cgroup))
        return;
    spin_lock(&t->sighand->lock); /* as cgroup_attach */
    t->cgroup = &root_cgroup;
    spin_unlock(&t->sighand->lock);
    uncharge(c, NULL);
    put_cgroup(c);
}
void cgroup_free(struct task_struct *t) { put_cpu_group(t->se.group); }

/* --- the tree --- */
struct cgroup *cgroup_child(struct cgroup *c, const char *name) {
    struct cgroup *o;
    list_for_each_entry(o, &c->children, sibling) if (!strcmp(o->name, name)) return o;
    return NULL;
}
struct cgroup *cgroup_mkdir(struct cgroup *parent, const char *name) {
    if (parent->dead)
        return ERR_PTR(-ENODEV);
    if (cgroup_child(parent, name))
        return ERR_PTR(-EEXIST);
    struct cgroup *c = kzalloc(sizeof(*c), GFP_KERNEL);
    if (!c || !(c->name = kstrdup(name))) {
        kfree(c);
        return ERR_PTR(-ENOMEM);
    }
    atomic_set(&c->refcount, 2); /* the tree's, and the caller's */
    INIT_LIST_HEAD(&c->children);
    c->id = ++last_id;
    c->max = c->memory.max = CGROUP_NO_LIMIT;
    group_init(&c->cpu, parent->parent ? &parent->cpu : NULL);
    get_cgroup(c->parent = parent);
    list_add_tail(&c->sibling, &parent->children);
    return c;
}
int cgroup_rmdir(struct cgroup *c) {
    READ_TASKS(irq);
    bool busy = c->processes || !list_empty(&c->children) || !c->parent;
    if (!busy)
        c->dead = true;
    READ_TASKS_END(irq);
    if (busy)
        return -EBUSY;
    list_del_init(&c->sibling);
    put_cgroup(c);
    return 0;
}
bool cgroup_populated(struct cgroup *c) {
    for (struct cgroup *o = c;;) { /* it, then all below it */
        if (READ_ONCE(o->processes))
            return true;
        if (!list_empty(&o->children)) {
            o = list_first_entry(&o->children, struct cgroup, sibling);
            continue;
        }
        while (o != c && o->sibling.next == &o->parent->children)
            o = o->parent;
        if (o == c)
            return false;
        o = container_of(o->sibling.next, struct cgroup, sibling);
    }
}
int cgroup_attach(struct cgroup *c, pid_t pid) {
    struct task_struct *t;
    int r = 0;
    READ_TASKS(irq);
    struct task_struct *p = pid ? find_task(pid) : current;
    if (!p || !p->signal->live || (p->task_flags & PF_KTHREAD))
        r = -ESRCH;
    else if (c->dead)
        r = -ENODEV;
    else if (c->parent && c->subtree) /* tasks are at the leaves, where controllers share out */
        r = -EBUSY;
    if (!r)
        for_each_thread(t, p->signal) if (t->cgroup != c) {
            struct cgroup *was = t->cgroup;
            charge(c); /* a limit holds back forks, not who is moved */
            get_cgroup(c);
            spin_lock(&t->sighand->lock); /* memcg.c looks */
            t->cgroup = c;
            spin_unlock(&t->sighand->lock);
            set_cpu_group(t);
            was->processes -= t == t->group_leader;
            c->processes += t == t->group_leader;
            uncharge(was, NULL);
            put_cgroup(was);
        }
    READ_TASKS_END(irq);
    return r;
}
bool cgroup_is_in(const struct cgroup *c, const struct cgroup *top) {
    while (c && c != top)
        c = c->parent;
    return c == top;
}
void cgroup_kill(struct cgroup *c) {
    struct task_struct *t;
    READ_TASKS(irq);
    for_each_process(t) if (cgroup_is_in(t->cgroup, c) && !(t->task_flags & PF_KTHREAD))
        send_signal(SIGKILL, NULL, t, true);
    READ_TASKS_END(irq);
}
void cgroup_path(struct seq *s, struct cgroup *c) {
    u64 n = 0;
    for (struct cgroup *at = c; at->parent; at = at->parent)
        n += strlen(at->name) + 1;
    char *path = kmalloc(n + 1, GFP_KERNEL);
    if (!path) {
        s->failed = true;
        return;
    }
    path[n] = 0;
    for (; c->parent; c = c->parent) {
        u64 len = strlen(c->name);
        memcpy(path + (n -= len), c->name, len);
        path[--n] = '/';
    }
    seq_printf(s, "%s", path);
    kfree(path);
}
int show_cgroup(struct seq *s, struct task_struct *t) {
    mutex_lock(&cgroup_mutex);
    READ_TASKS(irq);
    struct cgroup *c = t->cgroup;
    get_cgroup(c);
    READ_TASKS_END(irq);
    seq_printf(s, "0::%s", c->parent ? "" : "/");
    cgroup_path(s, c);
    seq_printf(s, "%s\n", c->dead ? " (deleted)" : "");
    mutex_unlock(&cgroup_mutex);
    put_cgroup(c);
    return 0;
}
