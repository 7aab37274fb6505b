/* Process numbers (D1, C20). A task has a struct pid with its number in each namespace that it is seen in;
 * the first namespace's is the one that the kernel uses. There a bitmap says which are taken; in each
 * namespace a radix tree leads from a number to its struct pid. A number stays taken while a task has it or a
 * process group or session is named by it. All under tasklist_lock. */
#include "nsproxy.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include <abi/errno.h>

#define PID_MAX_LIMIT (1 << 22)
#define RESERVED_PIDS 300

struct pid {
    u32 refs;
    struct task_struct *task;
    struct pid_namespace *ns; /* the innermost; counted */
    pid_t nr[];               /* by level */
};
static u64 pid_bits[PID_MAX_LIMIT / 64];
struct pid_namespace init_pid_ns = {.refcount = {1}, .user_ns = &init_user_ns};
u32 pid_max = 32768;

/* Once the first process is there: from now on what a fork asks for, and leaves behind, does not depend on
 * its number. */
void pid_init(void) { radix_reserve(&init_pid_ns.pids); }

void put_pid_ns(struct pid_namespace *ns) {
    while (ns->level && atomic_dec_and_test(&ns->refcount)) {
        struct pid_namespace *up = ns->parent;
        radix_destroy(&ns->pids);
        put_user_ns(ns->user_ns);
        kfree(ns);
        ns = up;
    }
}

static bool taken(pid_t n) { return pid_bits[n / 64] & BIT(n % 64); }
/* A free number, or `want` if that is one. */
static pid_t choose(struct pid_namespace *ns, pid_t want) {
    if (want)
        return want < 0 || (u32)want >= pid_max ? -EINVAL
               : ns->level                      ? radix_lookup(&ns->pids, want) ? -EEXIST : want
               : taken(want)                    ? -EEXIST
                                                : want;
    for (u32 i = 0, n = ns->last; i < pid_max; i++) {
        if (++n >= pid_max)
            n = ns->last < RESERVED_PIDS ? 1 : RESERVED_PIDS;
        if (!ns->level && n % 64 == 0 && pid_bits[n / 64] == ~0UL) {
            n += 63, i += 63;
            continue;
        }
        if (ns->level ? !radix_lookup(&ns->pids, n) : !taken(n))
            return ns->last = n;
    }
    return -EAGAIN;
}
static pid_t take(struct pid_namespace *ns, struct pid *p, pid_t want) {
    pid_t nr = choose(ns, want);
    if (nr < 0)
        return nr;
    if (ns->level && nr != 1 && !ns->reaper) /* the first must be number 1 */
        return -EINVAL;
    int r = radix_insert(&ns->pids, nr, p);
    if (r)
        return r;
    if (!ns->level)
        pid_bits[nr / 64] |= BIT(nr % 64);
    ns->processes++;
    return p->nr[ns->level] = nr;
}
static void give_back(struct pid_namespace *ns, struct pid *p) {
    pid_t nr = p->nr[ns->level];
    radix_delete(&ns->pids, nr);
    if (!ns->level)
        pid_bits[nr / 64] &= ~BIT(nr % 64);
    if (!--ns->processes && !ns->reaper) /* its first process was not made: try again */
        ns->last = 0;
    if (ns->dying && ns->reaper) /* zap_pid_ns_processes waits for the last */
        wake_up_all(&ns->reaper->wait_chldexit);
}

/* want: n numbers, from the innermost namespace outwards; the others are free ones. The first namespace's
 * number. */
pid_t alloc_pid(struct pid_namespace *ns, const pid_t *want, u32 n) {
    struct pid_namespace *at = ns;
    for (u32 i = 0; i < n; at = at->parent, i++) /* n is no more than there are namespaces */
        if (!ns_capable(at->user_ns, CAP_SYS_ADMIN))
            return -EPERM;
    struct pid *p = kmalloc(sizeof(*p) + (ns->level + 1) * sizeof(pid_t), GFP_KERNEL);
    if (!p)
        return -ENOMEM;
    p->refs = 1;
    p->task = NULL;
    get_pid_ns(p->ns = ns);
    at = ns;
    pid_t r = 0;
    READ_TASKS(flags);
    if (ns->dying)
        r = -ENOMEM;
    for (u32 i = 0; r >= 0; at = at->parent, i++)
        if ((r = take(at, p, i < n ? want[i] : 0)) < 0 || !at->level)
            break;
    for (struct pid_namespace *o = ns; r < 0 && o != at; o = o->parent)
        give_back(o, p);
    READ_TASKS_END(flags);
    if (r < 0) {
        put_pid_ns(ns);
        kfree(p);
    }
    return r;
}

static struct pid *pid_of(pid_t nr) { return nr > 0 ? radix_lookup(&init_pid_ns.pids, nr) : NULL; }
/* Caller holds tasklist_lock. */
void pid_get(pid_t nr) {
    struct pid *p = pid_of(nr);
    BUG_ON(!p);
    p->refs++;
}
void pid_put(pid_t nr) {
    if (!nr)
        return;
    struct pid *p = pid_of(nr);
    BUG_ON(!p);
    if (--p->refs)
        return;
    struct pid_namespace *ns = p->ns;
    for (struct pid_namespace *at = ns; at; at = at->parent)
        give_back(at, p);
    put_pid_ns(ns);
    kfree(p);
}

void free_pid(pid_t pid) {
    READ_TASKS(flags);
    pid_put(pid);
    READ_TASKS_END(flags);
}
void attach_pid(struct task_struct *t) { pid_of(t->pid)->task = t; }
void detach_pid(struct task_struct *t) {
    pid_of(t->pid)->task = NULL;
    pid_put(t->pid);
}

/* --- numbers of one namespace, of the caller's mostly --- */
pid_t pid_nr_ns(pid_t nr, const struct pid_namespace *ns) {
    if (!ns->level)
        return nr;
    struct pid *p = pid_of(nr);
    if (!p || p->ns->level < ns->level)
        return 0;
    const struct pid_namespace *at = p->ns;
    while (at->level > ns->level)
        at = at->parent;
    return at == ns ? p->nr[ns->level] : 0;
}
pid_t nested_pid_vnr(struct task_struct *t) {
    READ_TASKS(flags);
    pid_t nr = pid_vnr(t->pid);
    READ_TASKS_END(flags);
    return nr;
}
static struct pid *pid_in(struct pid_namespace *ns, pid_t nr) {
    return nr > 0 ? radix_lookup(&ns->pids, nr) : NULL;
}
pid_t nested_pid_from_user(pid_t nr) {
    READ_TASKS(flags);
    struct pid *p = pid_in(current->pid_ns, nr);
    pid_t own = p ? p->nr[0] : -1;
    READ_TASKS_END(flags);
    return own;
}
struct task_struct *find_task(pid_t nr) {
    struct pid *p = pid_in(current->pid_ns, nr);
    return p ? p->task : NULL;
}
struct task_struct *get_task_in(struct pid_namespace *ns, pid_t nr) {
    READ_TASKS(flags);
    struct pid *p = pid_in(ns, nr);
    struct task_struct *t = p ? p->task : NULL;
    if (t)
        get_task(t);
    READ_TASKS_END(flags);
    return t;
}
struct task_struct *get_task_by_pid(pid_t nr) {
    return get_task_in(current->pid_ns, nr);
}
struct task_struct *next_task(struct pid_namespace *ns, pid_t *nr, bool threads) {
    READ_TASKS(flags);
    struct task_struct *t = NULL;
    u64 i = *nr;
    for (struct pid *p; (p = radix_next(&ns->pids, &i)); i++)
        if (p->task && (threads || p->task->group_leader == p->task)) {
            get_task(t = p->task);
            *nr = i;
            break;
        }
    READ_TASKS_END(flags);
    return t;
}

void syscall_work_update(void) {
    struct task_struct *p, *t;
    READ_TASKS(flags);
    u32 work = global_syscall_work();
    for_each_process(p) for_each_thread(t, p->signal) {
        __atomic_fetch_or(&t->ti.syscall_work, work, __ATOMIC_RELAXED);
        __atomic_fetch_and(&t->ti.syscall_work, work | ~(SYSCALL_WORK_TRACEPOINT | SYSCALL_WORK_AUDIT),
                           __ATOMIC_RELAXED);
    }
    READ_TASKS_END(flags);
}

bool pgrp_exists(pid_t pgid, pid_t sid) {
    struct task_struct *t;
    for_each_process(t) if (t->signal->pgid == pgid && t->signal->sid == sid) return true;
    return false;
}

/* A group is orphaned when no member has a parent in another group of its session. */
bool is_orphaned_pgrp(pid_t pgid, struct task_struct *ignoring) {
    struct task_struct *t;
    for_each_process(t) {
        if (t->signal->pgid != pgid || t == ignoring || t->exit_state || t->real_parent->pid <= 1)
            continue;
        struct signal_struct *up = t->real_parent->signal;
        if (up->pgid != pgid && up->sid == t->signal->sid)
            return false;
    }
    return true;
}

/* --- the end of a namespace --- */
/* Current is the last thread of process 1 of its namespace: with it all others end. May sleep. */
void zap_pid_ns_processes(void) {
    struct pid_namespace *ns = current->pid_ns;
    struct pid *p;
    READ_TASKS(irq);
    ns->dying = true;
    spin_lock(&current->sighand->lock);
    change_action(current->sighand, SIGCHLD)->handler = 1; /* SIG_IGN: who ends now is nobody's to wait for */
    spin_unlock(&current->sighand->lock);
    for (u64 i = 2; (p = radix_next(&ns->pids, &i)); i++)
        if (p->task && p->task->signal != current->signal)
            send_signal(SIGKILL, NULL, p->task, true);
    READ_TASKS_END(irq);
    /* Those that are children of a process outside are reaped there. */
    wait_event(&current->signal->wait_chldexit, (reap_children(), READ_ONCE(ns->processes) <= 1));
    irq = spin_lock_irqsave(&tasklist_lock);
    ns->reaper = NULL;
    READ_TASKS_END(irq);
}
