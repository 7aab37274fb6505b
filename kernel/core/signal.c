/* Signals (X7). Pending sets: one for each thread, one for the process, both under sighand->lock. A signal
 * is taken on the way to user mode by do_signal. Senders hold tasklist_lock, so that the target's sighand
 * stays. */
#include "task.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include <abi/errno.h>

#define M(s) BIT((s)-1)
#define STOP_SIGNALS (M(SIGSTOP) | M(SIGTSTP) | M(SIGTTIN) | M(SIGTTOU))
#define IGNORED_BY_DEFAULT (M(SIGCHLD) | M(SIGCONT) | M(SIGURG) | M(SIGWINCH))
#define CORE_SIGNALS                                                                                         \
    (M(SIGQUIT) | M(SIGILL) | M(SIGTRAP) | M(SIGABRT) | M(SIGFPE) | M(SIGSEGV) | M(SIGBUS) | M(SIGSYS) |     \
     M(SIGXCPU) | M(SIGXFSZ))
#define SYNCHRONOUS (M(SIGSEGV) | M(SIGBUS) | M(SIGILL) | M(SIGTRAP) | M(SIGFPE) | M(SIGSYS))
#define UNBLOCKABLE (M(SIGKILL) | M(SIGSTOP))
#define SIG_DFL_ 0
#define SIG_IGN_ 1
#define QUEUE_MAX 4096

static struct kmem_cache *sigqueue_cache;
static atomic_t queued;
void signals_init(void) { sigqueue_cache = kmem_cache_create("sigqueue", sizeof(struct sigqueue)); }

void flush_sigqueue(struct sigpending *p) {
    struct sigqueue *q, *n;
    list_for_each_entry_safe(q, n, &p->queue, link) {
        atomic_dec(&queued);
        kmem_cache_free(sigqueue_cache, q);
    }
    INIT_LIST_HEAD(&p->queue);
    p->signal = 0;
}
static void remove_signals(struct sigpending *p, u64 mask) {
    struct sigqueue *q, *n;
    list_for_each_entry_safe(q, n, &p->queue, link) if (mask & M(q->info.si_signo)) {
        list_del(&q->link);
        atomic_dec(&queued);
        kmem_cache_free(sigqueue_cache, q);
    }
    p->signal &= ~mask;
}

static u64 pending_for(struct task_struct *t) {
    return (t->pending.signal | t->signal->shared_pending.signal) & ~t->blocked;
}
static void recalc(struct task_struct *t) {
    if (pending_for(t) || t->stop_pending)
        set_tif(t, TIF_SIGPENDING);
    else if (t == current)
        clear_tif(t, TIF_SIGPENDING);
}
void recalc_sigpending(void) { recalc(current); }

void signal_wake_up(struct task_struct *t, bool fatal) {
    set_tif(t, TIF_SIGPENDING);
    if (!try_to_wake_up(t, TASK_INTERRUPTIBLE | (fatal ? TASK_WAKEKILL | TASK_STOPPED : 0)) &&
        READ_ONCE(t->se.on_cpu) && t != current)
        send_ipi(t->ti.cpu, IPI_RESCHED); /* in user mode elsewhere: make it look */
}

static bool ignored(struct task_struct *t, int sig) {
    u64 h = t->sighand->action[sig - 1].handler;
    if (t == child_reaper && h == SIG_DFL_ && !(M(sig) & SYNCHRONOUS))
        return true; /* init takes only what it asked for */
    return h == SIG_IGN_ || (h == SIG_DFL_ && (M(sig) & IGNORED_BY_DEFAULT));
}
bool sig_ignored_by(struct task_struct *t, int sig) { return ignored(t, sig) || (t->blocked & M(sig)); }

/* SIGCONT undoes stops and stops undo SIGCONT, whether handled or blocked. */
static void prepare_stop_cont(struct task_struct *t, int sig) {
    struct signal_struct *s = t->signal;
    struct task_struct *o;
    if (M(sig) & STOP_SIGNALS) {
        remove_signals(&s->shared_pending, M(SIGCONT));
        for_each_thread(o, s) remove_signals(&o->pending, M(SIGCONT));
    } else if (sig == SIGCONT) {
        remove_signals(&s->shared_pending, STOP_SIGNALS);
        bool was = s->stopped || s->group_stop_count;
        for_each_thread(o, s) {
            remove_signals(&o->pending, STOP_SIGNALS);
            o->stop_pending = false;
            try_to_wake_up(o, TASK_STOPPED);
        }
        s->group_stop_count = 0;
        if (was) {
            s->cont_report = true;
            s->stop_report = false;
            s->stopped = false;
            notify_stop(s->leader, true);
        }
    }
}

void zap_other_threads(struct task_struct *t) {
    struct task_struct *o;
    t->signal->group_stop_count = 0;
    for_each_thread(o, t->signal) {
        o->stop_pending = false;
        if (o == t || o->exit_state)
            continue;
        o->pending.signal |= M(SIGKILL);
        signal_wake_up(o, true);
    }
}

static bool wants(struct task_struct *t, int sig) {
    return !(t->blocked & M(sig)) && !(t->task_flags & PF_EXITING) && !t->exit_state;
}

/* Which thread takes it; a fatal one starts the end of the whole group at once. */
static void complete_signal(int sig, struct task_struct *t, bool group) {
    struct signal_struct *s = t->signal;
    struct task_struct *o;
    if (!wants(t, sig)) {
        if (!group)
            return;
        struct task_struct *found = NULL;
        for_each_thread(o, s) if (!found && wants(o, sig)) found = o;
        if (!found)
            return;
        t = found;
    }
    u64 h = t->sighand->action[sig - 1].handler;
    bool fatal =
        sig == SIGKILL || (h == SIG_DFL_ && !(M(sig) & (IGNORED_BY_DEFAULT | STOP_SIGNALS | CORE_SIGNALS)));
    if (fatal && !s->group_exit && !(t == child_reaper && sig != SIGKILL)) {
        s->group_exit = true;
        s->group_exit_code = sig;
        s->group_stop_count = 0;
        for_each_thread(o, s) {
            o->pending.signal |= M(SIGKILL);
            o->stop_pending = false;
            signal_wake_up(o, true);
        }
        return;
    }
    signal_wake_up(t, sig == SIGKILL);
}

int send_signal_locked(int sig, const struct abi_siginfo *info, struct task_struct *t, bool group) {
    if (!t->sighand || t->exit_state == EXIT_DEAD || (t->task_flags & PF_KTHREAD))
        return 0;
    if (t == child_reaper && sig == SIGKILL)
        return 0;
    prepare_stop_cont(t, sig);
    /* A blocked signal is kept even if ignored: the program may change its mind before it unblocks. */
    if (ignored(t, sig) && !(t->blocked & M(sig)))
        return 0;
    struct sigpending *p = group ? &t->signal->shared_pending : &t->pending;
    if (sig < SIGRTMIN && (p->signal & M(sig)))
        return 0; /* one is pending already */
    if (sig != SIGKILL) {
        struct sigqueue *q =
            atomic_read(&queued) < QUEUE_MAX ? kmem_cache_alloc(sigqueue_cache, GFP_ATOMIC) : NULL;
        if (q) {
            atomic_inc(&queued);
            q->info = info ? *info : (struct abi_siginfo){.si_code = SI_KERNEL};
            q->info.si_signo = sig;
            list_add_tail(&q->link, &p->queue);
        } else if (sig >= SIGRTMIN && info && info->si_code != SI_USER) {
            return -EAGAIN;
        }
    }
    p->signal |= M(sig);
    if (waitqueue_active(&t->signal->sigfd_wait))
        wake_up_key(&t->signal->sigfd_wait, 0, 1);
    complete_signal(sig, t, group);
    return 0;
}

/* Caller holds tasklist_lock or t is current. */
int send_signal(int sig, const struct abi_siginfo *info, struct task_struct *t, bool group) {
    struct sighand_struct *sh = t->sighand;
    if (!sh)
        return -ESRCH;
    u64 irq = spin_lock_irqsave(&sh->lock);
    int r = send_signal_locked(sig, info, t, group);
    spin_unlock_irqrestore(&sh->lock, irq);
    return r;
}

int kill_pgrp_locked(int sig, const struct abi_siginfo *info, pid_t pgid) {
    struct task_struct *t;
    int r = -ESRCH;
    for_each_process(t) if (t->signal->pgid == pgid) {
        send_signal(sig, info, t, true);
        r = 0;
    }
    return r;
}
int kill_pgrp(int sig, const struct abi_siginfo *info, pid_t pgid) {
    READ_TASKS(irq);
    int r = kill_pgrp_locked(sig, info, pgid);
    READ_TASKS_END(irq);
    return r;
}

void force_signal(int sig, int code, u64 addr) {
    struct abi_siginfo info = {.si_signo = sig, .si_code = code, .addr = addr};
    READ_TASKS(irq);
    spin_lock(&current->sighand->lock);
    struct abi_sigaction *a = &current->sighand->action[sig - 1];
    if (a->handler == SIG_IGN_ || (current->blocked & M(sig))) {
        a->handler = SIG_DFL_;
        current->blocked &= ~M(sig);
    }
    send_signal_locked(sig, &info, current, false);
    spin_unlock(&current->sighand->lock);
    READ_TASKS_END(irq);
}

/* Tell the parent that t's process stopped or went on. tasklist_lock held; sighand lock may be. */
void notify_stop(struct task_struct *t, bool continued) {
    struct task_struct *parent = t->group_leader->real_parent;
    struct sighand_struct *sh = parent->sighand;
    struct abi_siginfo info = {
        .si_code = continued ? CLD_CONTINUED : CLD_STOPPED, .pid = t->tgid, .uid = t->cred->uid};
    info.status = continued ? SIGCONT : t->signal->stop_code;
    if (!sh)
        return;
    bool nest = sh == t->sighand; /* parent shares handlers (CLONE_SIGHAND without CLONE_THREAD) */
    u64 irq = nest ? 0 : local_irq_save();
    if (!nest) {
        /* Two sighand locks: the child's is held here only when SIGCONT is sent; parents are above
         * children, so the order is acyclic. */
        preempt_disable();
        while (!spin_trylock_raw(&sh->lock))
            cpu_relax();
    }
    struct abi_sigaction *a = &sh->action[SIGCHLD - 1];
    if (a->handler != SIG_IGN_ && !(a->flags & SA_NOCLDSTOP))
        send_signal_locked(SIGCHLD, &info, parent, true);
    if (!nest) {
        __atomic_store_n(&sh->lock.locked, 0, __ATOMIC_RELEASE);
        preempt_enable_no_resched();
        local_irq_restore(irq);
    }
    wake_up_all(&parent->signal->wait_chldexit);
}

static bool take_one(struct sigpending *p, u64 mask, struct abi_siginfo *info) {
    u64 can = p->signal & mask;
    if (!can)
        return false;
    int sig = __builtin_ctzl(can & SYNCHRONOUS ? can & SYNCHRONOUS : can) + 1;
    struct sigqueue *q, *found = NULL;
    bool more = false;
    list_for_each_entry(q, &p->queue, link) if (q->info.si_signo == sig) {
        if (found)
            more = true;
        else
            found = q;
    }
    *info = found ? found->info : (struct abi_siginfo){.si_signo = sig};
    if (found) {
        list_del(&found->link);
        atomic_dec(&queued);
        kmem_cache_free(sigqueue_cache, found);
    }
    if (!more)
        p->signal &= ~M(sig);
    return true;
}
/* sighand lock held. The signal's number, or 0. */
static int dequeue_locked(u64 mask, struct abi_siginfo *info) {
    if (!take_one(&current->pending, mask, info) && !take_one(&current->signal->shared_pending, mask, info))
        return 0;
    recalc(current);
    return info->si_signo;
}
int dequeue_signal(u64 mask, struct abi_siginfo *info) {
    u64 irq = spin_lock_irqsave(&current->sighand->lock);
    int r = dequeue_locked(mask, info);
    spin_unlock_irqrestore(&current->sighand->lock, irq);
    return r;
}
u64 signals_for_fd(struct task_struct *t, u64 mask) {
    return (t->pending.signal | t->signal->shared_pending.signal) & mask;
}

void set_blocked(u64 mask) {
    u64 irq = spin_lock_irqsave(&current->sighand->lock);
    current->blocked = mask & ~UNBLOCKABLE;
    recalc(current);
    spin_unlock_irqrestore(&current->sighand->lock, irq);
}

void flush_handlers(struct sighand_struct *s) { /* at exec */
    for (int i = 0; i < _NSIG; i++) {
        if (s->action[i].handler != SIG_IGN_)
            s->action[i].handler = SIG_DFL_;
        s->action[i].flags = s->action[i].mask = 0;
    }
}

/* --- stopping --- */
/* sighand lock held: begin a stop of the whole group. */
static void start_group_stop(int sig) {
    struct signal_struct *s = current->signal;
    struct task_struct *o;
    s->stop_code = sig;
    s->group_stop_count = 0;
    for_each_thread(o, s) if (!(o->task_flags & PF_EXITING) && !o->exit_state) {
        o->stop_pending = true;
        s->group_stop_count++;
        if (o != current)
            signal_wake_up(o, false);
    }
}

/* This thread's part in a stop. Called with no lock. */
static void do_stop(void) {
    struct signal_struct *s = current->signal;
    READ_TASKS(irq);
    spin_lock(&current->sighand->lock);
    if (!current->stop_pending || s->group_exit) {
        recalc(current);
        spin_unlock(&current->sighand->lock);
        READ_TASKS_END(irq);
        return;
    }
    current->stop_pending = false;
    set_current_state(TASK_STOPPED);
    bool last = s->group_stop_count && !--s->group_stop_count;
    if (last) {
        s->stopped = true;
        s->stop_report = true;
        s->cont_report = false;
    }
    recalc(current);
    spin_unlock(&current->sighand->lock);
    if (last)
        notify_stop(current, false);
    READ_TASKS_END(irq);
    schedule();
}

/* --- delivery --- */
extern u64 vdso_sigreturn_offset;

static void save_regs(struct abi_sigcontext *sc, struct trapframe *tf) {
    sc->pc = tf->sepc;
    memcpy(sc->regs, tf, sizeof(sc->regs));
    memset(sc->f, 0, sizeof(*sc) - offsetof(struct abi_sigcontext, f));
    if (tf->sstatus & SSTATUS_FS) {
        local_irq_disable();
        flush_fpu(current);
        local_irq_enable();
        memcpy(sc->f, current->fpu.f, sizeof(sc->f));
        sc->fcsr = current->fpu.fcsr;
    }
}

static int setup_frame(int sig, const struct abi_sigaction *a, const struct abi_siginfo *info, u64 mask,
                       struct trapframe *tf) {
    u64 sp = tf->sp;
    struct abi_stack *alt = &current->altstack;
    bool on_alt =
        alt->ss_size && !(alt->ss_flags & SS_DISABLE) && sp > alt->ss_sp && sp - alt->ss_sp <= alt->ss_size;
    if ((a->flags & SA_ONSTACK) && alt->ss_size && !(alt->ss_flags & SS_DISABLE) && !on_alt)
        sp = alt->ss_sp + alt->ss_size;
    u64 at = ALIGN_DOWN(sp - sizeof(struct rt_sigframe), 16);
    if (on_alt && at < alt->ss_sp)
        return -EFAULT; /* the alternate stack is full: do not grow out of it */
    struct rt_sigframe *f = kzalloc(sizeof(*f), GFP_KERNEL);
    if (!f)
        return -ENOMEM;
    f->info = *info;
    f->uc.uc_stack = *alt;
    if (on_alt)
        f->uc.uc_stack.ss_flags |= SS_ONSTACK;
    f->uc.uc_sigmask = mask;
    save_regs(&f->uc.uc_mcontext, tf);
    int r = copy_to_user(at, f, sizeof(*f));
    kfree(f);
    if (r)
        return r;
    if (alt->ss_flags & (s32)SS_AUTODISARM)
        *alt = (struct abi_stack){.ss_flags = SS_DISABLE};
    tf->ra = current->mm->vdso + vdso_sigreturn_offset;
    tf->sepc = a->handler;
    tf->sp = at;
    tf->a0 = sig;
    tf->a1 = at + offsetof(struct rt_sigframe, info);
    tf->a2 = at + offsetof(struct rt_sigframe, uc);
    return 0;
}

long sys_rt_sigreturn(void) {
    struct trapframe *tf = task_trapframe(current);
    struct rt_sigframe *f = kmalloc(sizeof(*f), GFP_KERNEL);
    current->restart.fn = NULL;
    if (!f || (tf->sp & 15) || copy_from_user(f, tf->sp, sizeof(*f))) {
        kfree(f);
        force_signal(SIGSEGV, SEGV_MAPERR, tf->sp);
        return 0;
    }
    const struct abi_sigcontext *sc = &f->uc.uc_mcontext;
    memcpy(tf, sc->regs, sizeof(sc->regs));
    tf->sepc = sc->pc;
    local_irq_disable();
    memcpy(current->fpu.f, sc->f, sizeof(sc->f));
    current->fpu.fcsr = sc->fcsr;
    if (tf->sstatus & SSTATUS_FS) {
        fpu_restore(&current->fpu);
        tf->sstatus = (tf->sstatus & ~(u64)SSTATUS_FS) | SSTATUS_FS_CLEAN;
    }
    local_irq_enable();
    set_blocked(f->uc.uc_sigmask);
    current->altstack = f->uc.uc_stack;
    current->altstack.ss_flags &= ~SS_ONSTACK;
    tf->scause = 0; /* no system call to restart */
    kfree(f);
    return tf->a0;
}

/* A call that a signal interrupted: -EINTR, or done again. */
static void restart_call(struct trapframe *tf, const struct abi_sigaction *a) {
    if (tf->scause != EXC_ECALL_U)
        return;
    long r = tf->a0;
    bool again;
    switch (r) {
    case -ERESTARTSYS:
        again = !a || (a->flags & SA_RESTART);
        break;
    case -ERESTARTNOINTR:
        again = true;
        break;
    case -ERESTARTNOHAND:
    case -ERESTART_RESTARTBLOCK:
        again = !a;
        break;
    default:
        return;
    }
    tf->scause = 0;
    if (!again) {
        tf->a0 = -EINTR;
        return;
    }
    tf->a0 = tf->orig_a0;
    if (r == -ERESTART_RESTARTBLOCK)
        tf->a7 = 128; /* restart_syscall */
    tf->sepc -= 4;
}

void do_signal(struct trapframe *tf) {
    struct abi_siginfo info;
    for (;;) {
        if (READ_ONCE(current->stop_pending))
            do_stop();
        u64 irq = spin_lock_irqsave(&current->sighand->lock);
        if (current->signal->group_exit || (current->pending.signal & M(SIGKILL))) {
            s32 code = current->signal->group_exit ? current->signal->group_exit_code : SIGKILL;
            spin_unlock_irqrestore(&current->sighand->lock, irq);
            if (current->signal->group_exec && current->signal->group_exec != current)
                do_exit(0);
            do_group_exit(code);
        }
        if (current->stop_pending) {
            spin_unlock_irqrestore(&current->sighand->lock, irq);
            continue;
        }
        int sig = dequeue_locked(~current->blocked, &info);
        if (!sig) {
            spin_unlock_irqrestore(&current->sighand->lock, irq);
            break;
        }
        struct abi_sigaction *act = &current->sighand->action[sig - 1], a = *act;
        if (a.handler > SIG_IGN_ && (a.flags & SA_RESETHAND))
            act->handler = SIG_DFL_;
        spin_unlock_irqrestore(&current->sighand->lock, irq);
        if (a.handler == SIG_IGN_)
            continue;
        if (a.handler == SIG_DFL_) {
            if ((M(sig) & IGNORED_BY_DEFAULT) ||
                (current->group_leader == child_reaper && !(M(sig) & SYNCHRONOUS)))
                continue;
            if (M(sig) & STOP_SIGNALS) {
                READ_TASKS(f);
                bool orphan = sig != SIGSTOP && is_orphaned_pgrp(current->signal->pgid, NULL);
                spin_lock(&current->sighand->lock);
                if (!orphan && !current->signal->group_exit)
                    start_group_stop(sig);
                spin_unlock(&current->sighand->lock);
                READ_TASKS_END(f);
                continue;
            }
            if (M(sig) & SYNCHRONOUS && info.si_code > 0)
                printk("%s[%d]: SIG%d at address %lx, pc %lx, ra %lx, sp %lx\n", current->comm, current->pid,
                       sig, info.addr, tf->sepc, tf->ra, tf->sp);
            do_group_exit(sig);
        }
        u64 mask = current->restore_sigmask ? current->saved_sigmask : current->blocked;
        current->restore_sigmask = false;
        restart_call(tf, &a);
        if (setup_frame(sig, &a, &info, mask, tf)) {
            if (sig == SIGSEGV) {
                u64 fl = spin_lock_irqsave(&current->sighand->lock);
                current->sighand->action[SIGSEGV - 1].handler = SIG_DFL_;
                spin_unlock_irqrestore(&current->sighand->lock, fl);
            }
            force_signal(SIGSEGV, SEGV_MAPERR, tf->sp);
            continue;
        }
        set_blocked(current->blocked | a.mask | (a.flags & SA_NODEFER ? 0 : M(sig)));
        return;
    }
    restart_call(tf, NULL);
    if (current->restore_sigmask) {
        current->restore_sigmask = false;
        set_blocked(current->saved_sigmask);
    }
}

/* --- system calls --- */
static long may_kill(struct task_struct *t, int sig) {
    const struct cred *c = current->cred, *o = t->cred;
    if (c->euid == o->suid || c->euid == o->uid || c->uid == o->suid || c->uid == o->uid || capable(CAP_KILL))
        return 0;
    return sig == SIGCONT && t->signal->sid == current->signal->sid ? 0 : -EPERM;
}
static long kill_one(int sig, const struct abi_siginfo *info, struct task_struct *t, bool group) {
    long r = may_kill(t, sig);
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
    READ_TASKS(irq);
    if (pid > 0) {
        if ((t = find_task(pid)))
            r = kill_one(sig, &info, t, true);
    } else {
        pid_t pgid = pid ? -pid : current->signal->pgid;
        bool any = false, ok = false;
        for_each_process(t) {
            if (pid == -1 ? t->pid <= 1 || t->signal == current->signal || (t->task_flags & PF_KTHREAD)
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
    if (t && (tgid == -1 || t->tgid == tgid))
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
    if ((info.si_code >= 0 || info.si_code == SI_TKILL) && (s32)pid != current->tgid)
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
        current->sighand->action[sig - 1] = new;
        if (ignored(current, sig)) {
            struct task_struct *o;
            remove_signals(&current->signal->shared_pending, M(sig));
            for_each_thread(o, current->signal) remove_signals(&o->pending, M(sig));
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
