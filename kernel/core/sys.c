/* System calls about the task itself, its priority, its limits, and the machine. */
#include "user_namespace.h"
#include "task.h"
#include "../debug/debug.h"
#include "../drivers/drivers.h"
#include "../fs/fs.h"
#include "../security/security.h"
#include <abi/errno.h>

void pid_get(pid_t nr), pid_put(pid_t nr);

long sys_getpid(void) { return current->vtgid; }
long sys_gettid(void) { return current->vpid; }
long sys_getppid(void) { return READ_ONCE(current->ppid); }
long sys_sched_yield(void) {
    yield();
    return 0;
}

/* --- process groups and sessions --- */
long sys_setpgid(u64 upid, u64 upgid) {
    s32 pid = (s32)upid ? (s32)upid : current->vtgid, pgid = (s32)upgid ? (s32)upgid : pid;
    if (pid < 0 || pgid < 0)
        return -EINVAL;
    bool own = pgid == pid;
    pgid = pid_from_user(pgid);
    long r = -ESRCH;
    READ_TASKS(irq);
    struct task_struct *t = find_task(pid);
    if (!t || t != t->group_leader)
        goto out;
    if (t->signal != current->signal) {
        if (t->real_parent->signal != current->signal)
            goto out;
        r = -EPERM;
        if (t->signal->sid != current->signal->sid)
            goto out;
        r = -EACCES;
        if (!t->forknoexec)
            goto out;
    }
    r = -EPERM;
    if (t->signal->session_leader || (!own && !pgrp_exists(pgid, current->signal->sid)))
        goto out;
    if (t->signal->pgid != pgid) {
        pid_get(pgid);
        pid_put(t->signal->pgid);
        t->signal->pgid = pgid;
    }
    r = 0;
out:
    READ_TASKS_END(irq);
    return r;
}
static long of_task(s32 pid, bool sid) {
    long r = -ESRCH;
    READ_TASKS(irq);
    struct task_struct *t = pid ? find_task(pid) : current;
    if (t)
        r = pid_vnr(sid ? t->signal->sid : t->signal->pgid);
    READ_TASKS_END(irq);
    return r;
}
long sys_getpgid(u64 pid) { return of_task(pid, false); }
long sys_getsid(u64 pid) { return of_task(pid, true); }
long sys_setsid(void) {
    struct task_struct *t;
    struct signal_struct *s = current->signal;
    long r = current->tgid;
    READ_TASKS(irq);
    if (s->session_leader)
        r = -EPERM;
    for_each_process(t) if (t->signal->pgid == current->tgid) r = -EPERM;
    if (r > 0) {
        pid_get(r);
        pid_get(r);
        pid_put(s->pgid);
        pid_put(s->sid);
        s->pgid = s->sid = r;
        s->session_leader = true;
        s->tty = NULL;
        r = current->vtgid;
    }
    READ_TASKS_END(irq);
    return r;
}

/* --- priorities --- */
/* tasklist_lock held: t's credentials stay. */
static bool may_schedule(struct task_struct *t) {
    return current->cred->euid == t->cred->uid || current->cred->euid == t->cred->euid ||
           ns_capable(t->cred->user_ns, CAP_SYS_NICE);
}
/* Calls fn for each process that (which, who) names. The first error, or -ESRCH for none. */
static long for_prio(u64 which, s32 who, long (*fn)(struct task_struct *, s32), s32 arg, s32 *best) {
    struct task_struct *t;
    long r = -ESRCH;
    if (which > PRIO_USER)
        return -EINVAL;
    if (who && which != PRIO_USER)
        who = pid_from_user(who);
    uid_t user = who ? make_kuid(current_user_ns(), who) : current->cred->uid;
    READ_TASKS(irq);
    for_each_process(t) {
        bool hit = which == PRIO_PROCESS ? t->pid == (who ? who : current->tgid)
                   : which == PRIO_PGRP  ? t->signal->pgid == (who ? who : current->signal->pgid)
                                         : t->cred->uid == user;
        if (!hit)
            continue;
        long e = fn ? fn(t, arg) : 0;
        if (best && t->se.nice < *best)
            *best = t->se.nice;
        r = r == -ESRCH || e ? e : r;
    }
    READ_TASKS_END(irq);
    return r;
}
static long set_nice(struct task_struct *t, s32 nice) {
    if (!may_schedule(t))
        return -EPERM;
    if (nice < t->se.nice && !capable(CAP_SYS_NICE))
        return -EACCES;
    sched_set(t, t->se.policy, nice, t->se.rt_priority, t->se.reset_on_fork);
    return 0;
}
long sys_setpriority(u64 which, u64 who, u64 unice) {
    s32 n = unice;
    return for_prio(which, (s32)who, set_nice, n < -20 ? -20 : n > 19 ? 19 : n, NULL);
}
long sys_getpriority(u64 which, u64 who) {
    s32 best = 20;
    long r = for_prio(which, (s32)who, NULL, 0, &best);
    return r ? r : 20 - best;
}

static struct task_struct *sched_target(s32 pid) {
    return pid < 0 ? NULL : get_task_by_pid(pid ? pid : current->vpid);
}
static bool rt_policy(u32 p) { return p == SCHED_FIFO || p == SCHED_RR; }
/* The checks that all ways to change a task's standing share. */
static long change_standing(struct task_struct *t, u32 policy, s32 nice, s32 prio, bool reset) {
    bool known = policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE || rt_policy(policy);
    if (!known || prio < 0 || prio > 99 || (rt_policy(policy) != (prio != 0)))
        return -EINVAL;
    bool up = (rt_policy(policy) && (!rt_policy(t->se.policy) || (u32)prio > t->se.rt_priority)) ||
              nice < t->se.nice || (t->se.reset_on_fork && !reset);
    READ_TASKS(irq);
    bool may = may_schedule(t);
    READ_TASKS_END(irq);
    if (!may || (up && !capable(CAP_SYS_NICE)))
        return -EPERM;
    sched_set(t, policy, nice, prio, reset);
    return 0;
}
static long set_scheduler(s32 pid, s32 policy, u64 uparam) {
    s32 prio;
    if (pid < 0)
        return -EINVAL;
    if (copy_from_user(&prio, uparam, 4))
        return -EFAULT;
    struct task_struct *t = sched_target(pid);
    if (!t)
        return -ESRCH;
    bool reset = policy == -1 ? t->se.reset_on_fork : (policy & SCHED_RESET_ON_FORK) != 0;
    u32 p = policy == -1 ? t->se.policy : (u32)policy & ~SCHED_RESET_ON_FORK;
    long r = change_standing(t, p, t->se.nice, prio, reset);
    put_task(t);
    return r;
}
struct sched_attr { /* as Linux has it, version 0; a longer one must have zeros behind */
    u32 size, policy;
    u64 flags;
    s32 nice;
    u32 priority;
    u64 runtime, deadline, period;
};
#define SCHED_FLAG_RESET_ON_FORK 1
long sys_sched_setattr(u64 pid, u64 uattr, u64 flags) {
    struct sched_attr a = {0};
    u32 size;
    if ((s32)pid < 0 || !uattr || flags)
        return -EINVAL;
    if (copy_from_user(&size, uattr, 4))
        return -EFAULT;
    size = size ? size : sizeof(a);
    long r =
        size < sizeof(a) || size > PAGE_SIZE ? -E2BIG : copy_struct_from_user(&a, sizeof(a), uattr, size);
    if (r == -E2BIG) /* say how long ours is */
        return put_user(uattr, (u32)sizeof(a)) ? -EFAULT : r;
    if (r)
        return r;
    if (a.flags & ~(u64)SCHED_FLAG_RESET_ON_FORK)
        return -EINVAL;
    struct task_struct *t = sched_target(pid);
    if (!t)
        return -ESRCH;
    s32 nice = rt_policy(a.policy) ? t->se.nice : a.nice < -20 ? -20 : a.nice > 19 ? 19 : a.nice;
    r = a.priority > 99 ? -EINVAL
                        : change_standing(t, a.policy, nice, a.priority, a.flags & SCHED_FLAG_RESET_ON_FORK);
    put_task(t);
    return r;
}
long sys_sched_getattr(u64 pid, u64 uattr, u64 size, u64 flags) {
    if ((s32)pid < 0 || !uattr || flags || (u32)size < sizeof(struct sched_attr) || (u32)size > PAGE_SIZE)
        return -EINVAL;
    struct task_struct *t = sched_target(pid);
    if (!t)
        return -ESRCH;
    struct sched_attr a = {.size = sizeof(a),
                           .policy = t->se.policy,
                           .flags = t->se.reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0,
                           .nice = rt_policy(t->se.policy) ? 0 : t->se.nice,
                           .priority = t->se.rt_priority};
    put_task(t);
    return copy_to_user(uattr, &a, sizeof(a));
}
long sys_sched_setscheduler(u64 pid, u64 policy, u64 param) {
    return (s32)policy < 0 ? -EINVAL : set_scheduler(pid, policy, param);
}
long sys_sched_setparam(u64 pid, u64 param) { return set_scheduler(pid, -1, param); }
long sys_sched_getscheduler(u64 pid) {
    struct task_struct *t = sched_target(pid);
    if (!t)
        return (s32)pid < 0 ? -EINVAL : -ESRCH;
    long r = t->se.policy | (t->se.reset_on_fork ? SCHED_RESET_ON_FORK : 0);
    put_task(t);
    return r;
}
long sys_sched_getparam(u64 pid, u64 param) {
    struct task_struct *t = sched_target(pid);
    if (!t)
        return (s32)pid < 0 ? -EINVAL : -ESRCH;
    u32 prio = t->se.rt_priority;
    put_task(t);
    return put_user(param, prio);
}
long sys_sched_get_priority_max(u64 p) { return rt_policy(p) ? 99 : p <= 5 && p != 4 ? 0 : -EINVAL; }
long sys_sched_get_priority_min(u64 p) { return rt_policy(p) ? 1 : p <= 5 && p != 4 ? 0 : -EINVAL; }
long sys_sched_rr_get_interval(u64 pid, u64 uts) {
    struct task_struct *t = sched_target(pid);
    if (!t)
        return (s32)pid < 0 ? -EINVAL : -ESRCH;
    u64 ns = t->se.policy == SCHED_RR ? 100000000 : t->se.policy == SCHED_FIFO ? 0 : 3000000;
    put_task(t);
    return put_user(uts, ns_to_timespec(ns));
}
long sys_sched_setaffinity(u64 pid, u64 len, u64 umask) {
    u64 mask = 0;
    if (copy_from_user(&mask, umask, min(len, 8UL)))
        return -EFAULT;
    struct task_struct *t = sched_target(pid);
    if (!t)
        return -ESRCH;
    READ_TASKS(irq);
    bool may = may_schedule(t);
    READ_TASKS_END(irq);
    long r = may ? sched_setaffinity(t, mask) : -EPERM;
    put_task(t);
    return r;
}
long sys_sched_getaffinity(u64 pid, u64 len, u64 umask) {
    if (len < 8 || (len & 7))
        return -EINVAL;
    struct task_struct *t = sched_target(pid);
    if (!t)
        return -ESRCH;
    u64 mask = t->se.affinity & online_harts;
    put_task(t);
    return copy_to_user(umask, &mask, 8) ? -EFAULT : 8;
}
long sys_getcpu(u64 ucpu, u64 unode) {
    if ((ucpu && put_user(ucpu, smp_processor_id())) ||
        (unode && put_user(unode, (u32)machine.hart_node[smp_processor_id()])))
        return -EFAULT;
    return 0;
}

/* --- limits --- */
static long do_prlimit(struct task_struct *t, u64 res, const struct rlimit *new, struct rlimit *old) {
    struct rlimit *r = &t->signal->rlim[res];
    if (new &&new->rlim_cur > new->rlim_max)
        return -EINVAL;
    if (new &&res == RLIMIT_NOFILE &&new->rlim_max > 1048576)
        return -EPERM;
    long e = 0;
    u64 irq = spin_lock_irqsave(&tasklist_lock);
    *old = *r;
    if (new &&new->rlim_max > r->rlim_max && !capable(CAP_SYS_RESOURCE))
        e = -EPERM;
    else if (new)
        *r = *new;
    spin_unlock_irqrestore(&tasklist_lock, irq);
    if (new && !e && res == RLIMIT_CPU)
        e = cpu_limit_start(t->signal);
    return e;
}
long sys_prlimit64(u64 pid, u64 res, u64 unew, u64 uold) {
    struct rlimit new, old;
    if ((u32)res >= RLIM_NLIMITS)
        return -EINVAL;
    if (unew && copy_from_user(&new, unew, sizeof(new)))
        return -EFAULT;
    struct task_struct *t = get_task_by_pid((s32)pid ? (s32)pid : current->vpid);
    if (!t)
        return -ESRCH;
    const struct cred *c = current->cred;
    READ_TASKS(irq);
    bool ok = t == current || cred_same_ids(t->cred, c->uid, c->gid) ||
              ns_capable(t->cred->user_ns, CAP_SYS_RESOURCE);
    READ_TASKS_END(irq);
    long r = ok ? do_prlimit(t, (u32)res, unew ? &new : NULL, &old) : -EPERM;
    put_task(t);
    return r ? r : uold ? copy_to_user(uold, &old, sizeof(old)) : 0;
}
long sys_getrlimit(u64 res, u64 uold) { return sys_prlimit64(0, res, 0, uold); }
long sys_setrlimit(u64 res, u64 unew) { return unew ? sys_prlimit64(0, res, unew, 0) : -EFAULT; }

/* --- prctl, personality --- */
#define PR_SET_PDEATHSIG 1
#define PR_GET_PDEATHSIG 2
#define PR_GET_DUMPABLE 3
#define PR_SET_DUMPABLE 4
#define PR_SET_NAME 15
#define PR_GET_NAME 16
#define PR_CAPBSET_READ 23
#define PR_CAPBSET_DROP 24
#define PR_SET_CHILD_SUBREAPER 36
#define PR_GET_CHILD_SUBREAPER 37
#define PR_GET_SECCOMP 21
#define PR_SET_SECCOMP 22
#define PR_SET_NO_NEW_PRIVS 38
#define PR_GET_NO_NEW_PRIVS 39
long sys_prctl(u64 op, u64 a, u64 b, u64 c, u64 d) {
    char name[16] = {0};
    switch ((s32)op) {
    case PR_SET_PDEATHSIG:
        if (a > _NSIG)
            return -EINVAL;
        current->pdeath_signal = a;
        return 0;
    case PR_GET_PDEATHSIG:
        return put_user(a, current->pdeath_signal);
    case PR_GET_DUMPABLE:
        return !current->mm->undumpable;
    case PR_SET_DUMPABLE:
        if (a > 1)
            return -EINVAL;
        current->mm->undumpable = !a;
        return 0;
    case PR_SET_NAME: {
        long r = strncpy_from_user(name, a, 15);
        if (r < 0 && r != -ENAMETOOLONG)
            return r;
        name[15] = 0;
        memcpy(current->comm, name, sizeof(name));
        return 0;
    }
    case PR_GET_NAME:
        strlcpy(name, current->comm, sizeof(name));
        return copy_to_user(a, name, sizeof(name));
    case PR_CAPBSET_READ:
        return prctl_capbset_read(a);
    case PR_CAPBSET_DROP:
        return prctl_capbset_drop(a);
    case PR_SET_CHILD_SUBREAPER:
        current->signal->child_subreaper = a != 0;
        return 0;
    case PR_GET_CHILD_SUBREAPER:
        return put_user(a, (s32)current->signal->child_subreaper);
    case PR_GET_SECCOMP:
        return current->seccomp.mode;
    case PR_SET_SECCOMP:
        return prctl_set_seccomp(a, b);
    case PR_SET_NO_NEW_PRIVS:
        if (a != 1 || b || c || d)
            return -EINVAL;
        current->no_new_privs = true;
        return 0;
    case PR_GET_NO_NEW_PRIVS:
        return a || b || c || d ? -EINVAL : current->no_new_privs;
    default:
        return -EINVAL;
    }
}
long sys_personality(u64 p) {
    u32 old = current->personality;
    if ((u32)p != 0xffffffffu)
        current->personality = p;
    return old;
}

/* --- the machine --- */
long sys_sysinfo(u64 buf) {
    struct sysinfo s = {.uptime = ktime_get() / 1000000000, .mem_unit = 1};
    s.totalram = total_pages * PAGE_SIZE;
    s.freeram = nr_free_pages() * PAGE_SIZE;
    s.bufferram = nr_cached_pages() * PAGE_SIZE;
    s.procs = min(nr_threads, 65535u);
    avenrun(s.loads);
    return copy_to_user(buf, &s, sizeof(s));
}
long sys_membarrier(u64 cmd) { return (s32)cmd == 0 ? 0 : -EINVAL; }
long sys_riscv_flush_icache(u64 start, u64 end, u64 flags) {
    (void)start, (void)end;
    if (flags & ~1UL)
        return -EINVAL;
    flush_icache_all();
    return 0;
}
long sys_syslog(u64 type, u64 ubuf, u64 ulen) {
    s32 len = ulen;
    static const u32 log_size = 1 << 17;
    switch ((s32)type) {
    case 2:
    case 3:
    case 4: {
        if (len < 0 || !ubuf)
            return -EINVAL;
        char *b = kmalloc(log_size, GFP_KERNEL);
        if (!b)
            return -ENOMEM;
        long n = log_read(b, min((u32)len, log_size));
        long r = copy_to_user(ubuf, b, n) ? -EFAULT : n;
        kfree(b);
        return r;
    }
    case 8: /* the console's level: below 4 is quiet */
        if (!capable(CAP_SYS_ADMIN))
            return -EPERM;
        console_quiet = len < 4;
        return 0;
    case 10:
        return log_size;
    default:
        return -EINVAL;
    }
}
#define REBOOT_MAGIC1 0xfee1dead
long sys_reboot(u64 m1, u64 m2, u64 cmd, u64 arg) {
    (void)arg;
    if (!capable(CAP_SYS_BOOT))
        return -EPERM;
    if ((u32)m1 != REBOOT_MAGIC1 ||
        ((u32)m2 != 672274793 && (u32)m2 != 85072278 && (u32)m2 != 369367448 && (u32)m2 != 537993216))
        return -EINVAL;
    switch ((u32)cmd) {
    case 0x01234567:
        restart();
    case 0x4321fedc:
    case 0xcdef0123:
        if (!IS_DEBUG)
            power_off(0);
        end_init(); /* which takes the account of what leaked, and then powers off */
        return 0;
    case 0:
    case 0x89abcdef: /* what Ctrl-Alt-Del does: there is no such key */
        return 0;
    default:
        return -EINVAL;
    }
}
