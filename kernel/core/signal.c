/* Signals (X7). Pending sets: one for each thread, one for the process, both under sighand->lock. A signal
 * is taken on the way to user mode by do_signal. Senders hold tasklist_lock, so that the target's sighand
 * stays. */
#include "task.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "../fs/fs.h"
#include "nsproxy.h"
#include "ptrace.h"
#include "signal.h"
#include <abi/errno.h>

static struct kmem_cache *sigqueue_cache;
void signals_init(void) { sigqueue_cache = kmem_cache_create("sigqueue", sizeof(struct sigqueue)); }

struct sigqueue *sigqueue_alloc(struct task_struct *t, bool forced, u32 gfp) {
    struct user_struct *u = t->cred->user; /* never freed */
    struct sigqueue *q = NULL;
    s32 n = atomic_add_return(&u->sigpending, 1);
    if (forced || (u64)n <= READ_ONCE(t->signal->rlim[RLIMIT_SIGPENDING].rlim_cur))
        q = kmem_cache_alloc(sigqueue_cache, gfp);
    if (!q) {
        atomic_dec(&u->sigpending);
        return NULL;
    }
    INIT_LIST_HEAD(&q->link);
    q->user = u;
    q->timer = NULL;
    return q;
}
static void free_sigqueue(struct sigqueue *q) {
    atomic_dec(&q->user->sigpending);
    kmem_cache_free(sigqueue_cache, q);
}
void sigqueue_release(struct sigqueue *q, struct signal_struct *s) {
    READ_TASKS(irq);
    struct sighand_struct *sh = s->leader->sighand; /* NULL: the process is gone, and nobody else looks */
    if (sh)
        spin_lock(&sh->lock);
    q->timer = NULL;
    bool waits = !list_empty(&q->link);
    if (sh)
        spin_unlock(&sh->lock);
    READ_TASKS_END(irq);
    if (!waits)
        free_sigqueue(q);
}
/* q leaves its queue: taken, what it says going to *info, or dropped (NULL). sighand->lock held, or nobody
 * else has it. */
static void unqueue(struct sigqueue *q, struct abi_siginfo *info) {
    list_del_init(&q->link);
    if (info)
        *info = q->info;
    if (q->timer)
        posix_timer_taken(q->timer, info);
    else
        free_sigqueue(q);
}

void flush_sigqueue(struct sigpending *p) { remove_signals(p, ~0UL); }
void remove_signals(struct sigpending *p, u64 mask) {
    struct sigqueue *q, *n;
    list_for_each_entry_safe(q, n, &p->queue, link) if (mask & M(q->info.si_signo)) unqueue(q, NULL);
    p->signal &= ~mask;
}

static u64 pending_for(struct task_struct *t) {
    return (t->pending.signal | t->signal->shared_pending.signal) & ~t->blocked;
}
static void recalc(struct task_struct *t) {
    if (pending_for(t) || t->stop_pending || (t->jobctl & JOBCTL_TRAP_MASK))
        set_tif(t, TIF_SIGPENDING);
    else if (t == current)
        clear_tif(t, TIF_SIGPENDING);
}
void recalc_sigpending(void) { recalc(current); }

void signal_wake_up(struct task_struct *t, bool fatal) {
    set_tif(t, TIF_SIGPENDING);
    if (!try_to_wake_up(t, TASK_INTERRUPTIBLE | (fatal ? TASK_WAKEKILL | TASK_STOPPED | TASK_TRACED : 0)) &&
        READ_ONCE(t->se.on_cpu) && t != current)
        send_ipi(t->ti.cpu, IPI_RESCHED); /* in user mode elsewhere: make it look */
}

bool ignored(struct task_struct *t, int sig) {
    u64 h = t->sighand->action[sig - 1].handler;
    if (is_unkillable(t) && h == SIG_DFL_)
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
            if (o->ptrace & PT_SEIZED)
                ptrace_trap_notify(o);
            else
                try_to_wake_up(o, TASK_STOPPED);
        }
        s->group_stop_count = 0;
        if (was) {
            s->cont_report = true;
            s->stop_report = false;
            s->stopped = false;
            s->cont_notify =
                true; /* a thread that goes on tells the parent: here its lock may not be taken */
        }
    }
}

void zap_other_threads(struct task_struct *t) {
    //@sol threads zap-other-threads
    struct task_struct *o;
    t->signal->group_stop_count = 0;
    for_each_thread(o, t->signal) {
        o->stop_pending = false;
        if (o == t || o->exit_state)
            continue;
        o->pending.signal |= M(SIGKILL);
        signal_wake_up(o, true);
    }
    //@end
}

static bool wants(struct task_struct *t, int sig) {
    return !(t->blocked & M(sig)) && !(t->task_flags & PF_EXITING) && !t->exit_state;
}

/* Which thread takes it; a fatal one starts the end of the whole group at once. */
static void complete_signal(int sig, struct task_struct *t, bool group) {
    struct signal_struct *s = t->signal;
    struct task_struct *o;
    //@sol signals which-thread
    if (!wants(t, sig)) {
        if (!group)
            return;
        struct task_struct *found = NULL;
        for_each_thread(o, s) if (!found && wants(o, sig)) found = o;
        if (!found)
            return;
        t = found;
    }
    //@end
    u64 h = t->sighand->action[sig - 1].handler;
    bool fatal =
        sig == SIGKILL || (h == SIG_DFL_ && !(M(sig) & (IGNORED_BY_DEFAULT | STOP_SIGNALS | CORE_SIGNALS)));
    if (t->ptrace && sig != SIGKILL) /* the tracer may think otherwise */
        fatal = false;
    if (fatal && !s->group_exit && !(is_unkillable(t) && sig != SIGKILL)) {
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

/* Does sig reach t? As a side effect stops and SIGCONT undo each other. */
static bool reaches(int sig, bool from_kernel, struct task_struct *t) {
    if (!t->sighand || t->exit_state == EXIT_DEAD || (t->task_flags & PF_KTHREAD))
        return false;
    bool forced = false; /* process 1 of a namespace: these two come from outside */
    if (unlikely(t->signal->unkillable) && (M(sig) & UNBLOCKABLE)) {
        forced = t->pid_ns->level && (from_kernel || current->pid_ns->level < t->pid_ns->level);
        if (!forced)
            return false;
    }
    TRACE(signal_send, sig, t->pid, 0);
    prepare_stop_cont(t, sig);
    /* A blocked signal is kept even if ignored: the program may change its mind before it unblocks. */
    return !ignored(t, sig) || (t->blocked & M(sig)) || t->ptrace || forced;
}
static void now_pending(int sig, struct sigpending *p, struct task_struct *t, bool group) {
    p->signal |= M(sig);
    if (waitqueue_active(&t->signal->sigfd_wait))
        wake_up_key(&t->signal->sigfd_wait, 0, 1);
    complete_signal(sig, t, group);
}
static void fill_info(struct sigqueue *q, int sig, const struct abi_siginfo *info, struct task_struct *t) {
    q->info = info ? *info : (struct abi_siginfo){.si_code = SI_KERNEL};
    q->info.si_signo = sig;
    bool who = info && (sig == SIGCHLD || info->si_code == SI_USER || info->si_code == SI_TKILL);
    if (unlikely(t->pid_ns->level) && who)
        q->info.pid = pid_nr_ns(info->pid, t->pid_ns); /* as the receiver numbers it */
    if (unlikely(t->cred->user_ns->level) && who)
        q->info.uid = from_kuid_munged(t->cred->user_ns, info->uid);
}

int send_signal_locked(int sig, const struct abi_siginfo *info, struct task_struct *t, bool group) {
    if (!reaches(sig, !info, t))
        return 0;
    struct sigpending *p = group ? &t->signal->shared_pending : &t->pending;
    if (sig < SIGRTMIN && (p->signal & M(sig)))
        return 0; /* one is pending already */
    if (sig != SIGKILL) {
        struct sigqueue *q = sigqueue_alloc(t, sig < SIGRTMIN && (!info || info->si_code >= 0), GFP_ATOMIC);
        if (q) {
            fill_info(q, sig, info, t);
            list_add_tail(&q->link, &p->queue);
        } else if (sig >= SIGRTMIN && info && info->si_code != SI_USER) {
            return -EAGAIN;
        }
    }
    now_pending(sig, p, t, group);
    return 0;
}
void send_sigqueue(struct sigqueue *q, struct task_struct *t, bool group) {
    int sig = q->info.si_signo;
    if (!reaches(sig, false, t))
        return;
    struct sigpending *p = group ? &t->signal->shared_pending : &t->pending;
    list_add_tail(&q->link, &p->queue);
    now_pending(sig, p, t, group);
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

void force_siginfo(const struct abi_siginfo *info) {
    int sig = info->si_signo;
    READ_TASKS(irq);
    spin_lock(&current->sighand->lock);
    struct abi_sigaction *a = &current->sighand->action[sig - 1];
    if (a->handler == SIG_IGN_ || (current->blocked & M(sig))) {
        a->handler = SIG_DFL_;
        current->blocked &= ~M(sig);
    }
    if (a->handler == SIG_DFL_ && !current->ptrace)
        current->signal->at_fault = true;
    send_signal_locked(sig, info, current, false);
    spin_unlock(&current->sighand->lock);
    READ_TASKS_END(irq);
}
void force_signal(int sig, int code, u64 addr) {
    force_siginfo(&(struct abi_siginfo){.si_signo = sig, .si_code = code, .addr = addr});
}

void notify_continued(void) {
    READ_TASKS(irq);
    if (current->signal->cont_notify) {
        current->signal->cont_notify = false;
        do_notify_parent_cldstop(current, false, CLD_CONTINUED);
    }
    READ_TASKS_END(irq);
}

static bool take_one(struct sigpending *p, u64 mask, struct abi_siginfo *info) {
    //@sol signals take-one
    u64 can = p->signal & mask;
    if (!can)
        return false;
    int sig = ctz64(can & SYNCHRONOUS ? can & SYNCHRONOUS : can) + 1;
    struct sigqueue *q, *found = NULL;
    bool more = false;
    list_for_each_entry(q, &p->queue, link) if (q->info.si_signo == sig) {
        if (found)
            more = true;
        else
            found = q;
    }
    *info = (struct abi_siginfo){.si_signo = sig};
    if (found)
        unqueue(found, info);
    if (!more)
        p->signal &= ~M(sig);
    return true;
    //@end
}
/* sighand lock held. The signal's number, or 0. */
int dequeue_locked(u64 mask, struct abi_siginfo *info) {
    bool took =
        take_one(&current->pending, mask, info) || take_one(&current->signal->shared_pending, mask, info);
    recalc(current); /* also when another thread was faster: or the way to user mode would look for ever */
    if (!took)
        return 0;
    if (info->si_signo == SIGALRM)
        itimer_taken();
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

void copy_actions(struct sighand_struct *to, const struct sighand_struct *from) {
    to->set = from->set;
    for (u64 left = from->set; left; left &= left - 1)
        to->action[ctz64(left)] = from->action[ctz64(left)];
}
void flush_handlers(struct sighand_struct *s) { /* at exec */
    for (u64 left = s->set; left; left &= left - 1) {
        struct abi_sigaction *a = &s->action[ctz64(left)];
        if (a->handler != SIG_IGN_)
            s->set &= ~(left & -left);
        *a = (struct abi_sigaction){.handler = a->handler == SIG_IGN_ ? SIG_IGN_ : SIG_DFL_};
    }
}

/* --- stopping --- */
/* sighand lock held: begin a stop of the whole group. */
void start_group_stop(int sig) {
    struct signal_struct *s = current->signal;
    struct task_struct *o;
    s->stop_code = sig;
    s->group_stop_count = 0;
    for_each_thread(o, s) if (!(o->task_flags & PF_EXITING) && !o->exit_state &&
                              READ_ONCE(o->state) != TASK_STOPPED) {
        o->stop_pending = true;
        s->group_stop_count++;
        if (o->ptrace & PT_SEIZED)
            ptrace_trap_notify(o);
        else if (o != current)
            signal_wake_up(o, false);
    }
}
/* sighand lock held. Current stops with its group; true: it is the last, and the stop is news. */
bool participate_group_stop(void) {
    struct signal_struct *s = current->signal;
    if (!s->group_stop_count || --s->group_stop_count || s->stopped)
        return false;
    s->stopped = s->stop_report = true;
    s->cont_report = false;
    return true;
}

/* This thread's part in a stop. Called with no lock. */
void do_stop(void) {
    struct signal_struct *s = current->signal;
    READ_TASKS(irq);
    spin_lock(&current->sighand->lock);
    if (!current->stop_pending || s->group_exit || current->ptrace) {
        recalc(current);
        spin_unlock(&current->sighand->lock);
        READ_TASKS_END(irq);
        return;
    }
    current->stop_pending = false;
    set_current_state(TASK_STOPPED);
    bool last = participate_group_stop();
    recalc(current);
    spin_unlock(&current->sighand->lock);
    if (last)
        do_notify_parent_cldstop(current, false, CLD_STOPPED);
    READ_TASKS_END(irq);
    schedule();
}
