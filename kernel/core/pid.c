/* Process numbers (D1): a bitmap says which are taken, a radix tree leads from a number to its struct pid.
 * A number stays taken while a task has it or a process group or session is named by it. All under
 * tasklist_lock. */
#include "task.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include <abi/errno.h>

#define PID_MAX_LIMIT (1 << 22)
#define RESERVED_PIDS 300

struct pid {
    u32 refs;
    struct task_struct *task;
};
static u64 pid_bits[PID_MAX_LIMIT / 64];
static struct radix_tree pids;
static pid_t last_pid;
u32 pid_max = 32768;

/* Once the first process is there: from now on what a fork asks for, and leaves behind, does not depend on
 * its number. */
void pid_init(void) { radix_reserve(&pids); }

static bool taken(pid_t n) { return pid_bits[n / 64] & BIT(n % 64); }

pid_t alloc_pid(pid_t want) {
    struct pid *p = kmalloc(sizeof(*p), GFP_KERNEL);
    if (!p)
        return -ENOMEM;
    *p = (struct pid){.refs = 1};
    pid_t nr = -EAGAIN;
    READ_TASKS(flags);
    if (want) {
        nr = want < 0 || (u32)want >= pid_max ? -EINVAL : taken(want) ? -EEXIST : want;
    } else {
        for (u32 i = 0, n = last_pid; i < pid_max; i++) {
            if (++n >= pid_max)
                n = last_pid < RESERVED_PIDS ? 1 : RESERVED_PIDS;
            if (n % 64 == 0 && pid_bits[n / 64] == ~0UL) {
                n += 63, i += 63;
                continue;
            }
            if (!taken(n)) {
                last_pid = nr = n;
                break;
            }
        }
    }
    if (nr > 0) {
        int r = radix_insert(&pids, nr, p);
        if (r)
            nr = r;
        else
            pid_bits[nr / 64] |= BIT(nr % 64);
    }
    READ_TASKS_END(flags);
    if (nr < 0)
        kfree(p);
    return nr;
}

/* Caller holds tasklist_lock. */
void pid_get(pid_t nr) {
    struct pid *p = radix_lookup(&pids, nr);
    BUG_ON(!p);
    p->refs++;
}
void pid_put(pid_t nr) {
    if (!nr)
        return;
    struct pid *p = radix_lookup(&pids, nr);
    BUG_ON(!p);
    if (--p->refs)
        return;
    radix_delete(&pids, nr);
    pid_bits[nr / 64] &= ~BIT(nr % 64);
    kfree(p);
}

void free_pid(pid_t pid) {
    READ_TASKS(flags);
    pid_put(pid);
    READ_TASKS_END(flags);
}
void attach_pid(struct task_struct *t) { ((struct pid *)radix_lookup(&pids, t->pid))->task = t; }
void detach_pid(struct task_struct *t) {
    ((struct pid *)radix_lookup(&pids, t->pid))->task = NULL;
    pid_put(t->pid);
}
struct task_struct *find_task(pid_t nr) {
    struct pid *p = nr > 0 ? radix_lookup(&pids, nr) : NULL;
    return p ? p->task : NULL;
}
struct task_struct *get_task_by_pid(pid_t nr) {
    READ_TASKS(flags);
    struct task_struct *t = find_task(nr);
    if (t)
        get_task(t);
    READ_TASKS_END(flags);
    return t;
}
struct task_struct *next_task(pid_t *nr) {
    READ_TASKS(flags);
    struct task_struct *t = NULL;
    u64 i = *nr;
    for (struct pid *p; (p = radix_next(&pids, &i)); i++)
        if (p->task && p->task->group_leader == p->task) {
            get_task(t = p->task);
            *nr = i;
            break;
        }
    READ_TASKS_END(flags);
    return t;
}

void trace_syscalls_update(void) {
    struct task_struct *p, *t;
    READ_TASKS(flags);
    for_each_process(p) for_each_thread(t, p->signal) {
        if (READ_ONCE(trace_mask) & TRACE_SYSCALLS)
            __atomic_fetch_or(&t->ti.syscall_work, SYSCALL_WORK_TRACEPOINT, __ATOMIC_RELAXED);
        else
            __atomic_fetch_and(&t->ti.syscall_work, ~SYSCALL_WORK_TRACEPOINT, __ATOMIC_RELAXED);
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
