/* The system calls about signals. */
#include "user_namespace.h"
#include "task.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "../security/security.h"
#include "signal.h"
#include <abi/errno.h>

static long may_kill(struct task_struct *t, int sig) {
    const struct cred *c = current->cred, *o = t->cred;
    if (c->euid == o->suid || c->euid == o->uid || c->uid == o->suid || c->uid == o->uid ||
        ns_capable(o->user_ns, CAP_KILL))
        return 0;
    return sig == SIGCONT && t->signal->sid == current->signal->sid ? 0 : -EPERM;
}
static long kill_one(int sig, const struct abi_siginfo *info, struct task_struct *t, bool group) {
    long r = may_kill(t, sig);
    if (!r)
        r = security_kill(t, sig);
    return r || !sig ? r : send_signal(sig, info, t, group);
}

long sys_kill(u64 upid, u64 usig) {
    s32 pid = upid, sig = usig;
    struct abi_siginfo info = {.si_code = SI_USER, .pid = current->tgid, .uid = current->cred->uid};
    struct task_struct *t;
    if (sig < 0 || sig > _NSIG)
        return -EINVAL;
    if (pid == (s32)0x80000000)
        return -ESRCH;
    long r = -ESRCH;
    pid_t own = pid < -1 ? pid_from_user(-pid) : 0;
    READ_TASKS(irq);
    if (pid > 0) {
        if ((t = find_task(pid)))
            r = kill_one(sig, &info, t, true);
    } else {
        pid_t pgid = pid ? own : current->signal->pgid;
        bool any = false, ok = false;
        for_each_process(t) {
            if (pid == -1
                    ? pid_vnr(t->pid) <= 1 || t->signal == current->signal || (t->task_flags & PF_KTHREAD)
                    : t->signal->pgid != pgid)
                continue;
            any = true;
            r = kill_one(sig, &info, t, true);
            ok |= !r;
        }
        r = ok || (any && pid == -1) ? 0 : any ? r : -ESRCH; /* as on Linux: -1 forgives EPERM */
    }
    READ_TASKS_END(irq);
    return r;
}

static long do_tkill(pid_t tgid, pid_t tid, int sig, const struct abi_siginfo *info) {
    if (tid <= 0 || tgid == 0 || tgid < -1 || sig < 0 || sig > _NSIG)
        return -EINVAL;
    long r = -ESRCH;
    READ_TASKS(irq);
    struct task_struct *t = find_task(tid);
    if (t && (tgid == -1 || pid_vnr(t->tgid) == tgid))
        r = kill_one(sig, info, t, false);
    READ_TASKS_END(irq);
    return r;
}
long sys_tkill(u64 tid, u64 sig) {
    struct abi_siginfo info = {.si_code = SI_TKILL, .pid = current->tgid, .uid = current->cred->uid};
    return do_tkill(-1, (s32)tid, (s32)sig, &info);
}
long sys_tgkill(u64 tgid, u64 tid, u64 sig) {
    struct abi_siginfo info = {.si_code = SI_TKILL, .pid = current->tgid, .uid = current->cred->uid};
    return (s32)tgid <= 0 ? -EINVAL : do_tkill((s32)tgid, (s32)tid, (s32)sig, &info);
}
long sys_rt_sigqueueinfo(u64 pid, u64 usig, u64 uinfo) {
    struct abi_siginfo info;
    s32 sig = usig;
    if (copy_from_user(&info, uinfo, sizeof(info)))
        return -EFAULT;
    if ((info.si_code >= 0 || info.si_code == SI_TKILL) && (s32)pid != current->vtgid)
        return -EPERM; /* nobody may pretend to be the kernel */
    if (sig < 0 || sig > _NSIG)
        return -EINVAL;
    long r = -ESRCH;
    READ_TASKS(irq);
    struct task_struct *t = find_task((s32)pid);
    if (t)
        r = kill_one(sig, &info, t, true);
    READ_TASKS_END(irq);
    return r;
}

long sys_rt_sigaction(u64 usig, u64 uact, u64 uold, u64 size) {
    s32 sig = usig;
    struct abi_sigaction new, old;
    if (size != 8 || sig < 1 || sig > _NSIG || (uact && (M(sig) & UNBLOCKABLE)))
        return -EINVAL;
    if (uact && copy_from_user(&new, uact, sizeof(new)))
        return -EFAULT;
    READ_TASKS(irq);
    spin_lock(&current->sighand->lock);
    old = current->sighand->action[sig - 1];
    if (uact) {
        new.mask &= ~UNBLOCKABLE;
        *change_action(current->sighand, sig) = new;
        if (ignored(current, sig)) {
            struct task_struct *o;
            remove_signals(&current->signal->shared_pending, M(sig));
            for_each_thread(o, current->signal) remove_signals(&o->pending, M(sig));
        } else if (current->signal->has_timers) {
            posix_timers_heeded(sig);
        }
    }
    spin_unlock(&current->sighand->lock);
    READ_TASKS_END(irq);
    return uold ? copy_to_user(uold, &old, sizeof(old)) : 0;
}

long sys_rt_sigprocmask(u64 how, u64 uset, u64 uold, u64 size) {
    u64 set, old = current->blocked;
    if (size != 8)
        return -EINVAL;
    if (uset) {
        if (copy_from_user(&set, uset, 8))
            return -EFAULT;
        switch ((s32)how) {
        case SIG_BLOCK:
            set_blocked(old | set);
            break;
        case SIG_UNBLOCK:
            set_blocked(old & ~set);
            break;
        case SIG_SETMASK:
            set_blocked(set);
            break;
        default:
            return -EINVAL;
        }
    }
    return uold ? put_user(uold, old) : 0;
}
long sys_rt_sigpending(u64 uset, u64 size) {
    if (size != 8)
        return -EINVAL;
    u64 irq = spin_lock_irqsave(&current->sighand->lock);
    u64 p = (current->pending.signal | current->signal->shared_pending.signal) & current->blocked;
    spin_unlock_irqrestore(&current->sighand->lock, irq);
    return put_user(uset, p);
}

/* Block by `mask` until the way back to user mode, where a handler runs first. */
void set_temporary_sigmask(u64 mask) {
    current->saved_sigmask = current->blocked;
    current->restore_sigmask = true;
    set_blocked(mask);
}
long sys_rt_sigsuspend(u64 uset, u64 size) {
    u64 set;
    if (size != 8)
        return -EINVAL;
    if (copy_from_user(&set, uset, 8))
        return -EFAULT;
    set_temporary_sigmask(set);
    for (;;) {
        set_current_state(TASK_INTERRUPTIBLE);
        if (signal_pending(current))
            break;
        schedule();
    }
    set_current_state(TASK_RUNNING);
    return -ERESTARTNOHAND;
}

long sys_rt_sigtimedwait(u64 uset, u64 uinfo, u64 uts, u64 size) {
    u64 set, deadline = FOREVER;
    struct abi_siginfo info;
    struct abi_timespec ts;
    if (size != 8)
        return -EINVAL;
    if (copy_from_user(&set, uset, 8))
        return -EFAULT;
    if (uts) {
        long r = get_timespec(&ts, uts);
        if (r)
            return r;
        u64 ns = timespec_to_ns(&ts);
        deadline = ns == FOREVER ? FOREVER : ktime_get() + ns;
    }
    set &= ~UNBLOCKABLE;
    int sig = dequeue_signal(set, &info);
    if (!sig) {
        u64 blocked = current->blocked;
        set_blocked(blocked & ~set); /* so that they wake us */
        for (;;) {
            set_current_state(TASK_INTERRUPTIBLE);
            if (signal_pending(current) || ktime_get() >= deadline)
                break;
            schedule_until(deadline);
        }
        set_current_state(TASK_RUNNING);
        sig = dequeue_signal(set, &info);
        bool other = signal_pending(current);
        set_blocked(blocked);
        if (!sig)
            return other ? -EINTR : -EAGAIN;
    }
    return uinfo && copy_to_user(uinfo, &info, sizeof(info)) ? -EFAULT : sig;
}

long sys_sigaltstack(u64 uss, u64 uold) {
    struct abi_stack ss, old = current->altstack;
    u64 sp = task_trapframe(current)->sp;
    bool on = old.ss_size && !(old.ss_flags & SS_DISABLE) && sp > old.ss_sp && sp - old.ss_sp <= old.ss_size;
    if (uss) {
        if (copy_from_user(&ss, uss, sizeof(ss)))
            return -EFAULT;
        if (on)
            return -EPERM;
        u32 mode = ss.ss_flags & ~SS_AUTODISARM;
        if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK)
            return -EINVAL;
        if (mode == SS_DISABLE)
            ss.ss_sp = ss.ss_size = 0;
        else if (ss.ss_size < MINSIGSTKSZ)
            return -ENOMEM;
        else
            ss.ss_flags &= ~SS_ONSTACK;
        current->altstack = ss;
    }
    if (!old.ss_size)
        old.ss_flags = SS_DISABLE;
    else if (on)
        old.ss_flags |= SS_ONSTACK;
    old.__pad = 0;
    return uold ? copy_to_user(uold, &old, sizeof(old)) : 0;
}
long sys_restart_syscall(void) {
    struct restart_block *b = &current->restart;
    return b->fn ? b->fn(b) : -EINTR;
}
