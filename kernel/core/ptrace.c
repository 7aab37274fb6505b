/* ptrace: attaching and letting go, the stops of a tracee, and the requests of its tracer. */
#include "nsproxy.h"
#include "ptrace.h"
#include "../debug/debug.h"
#include "signal.h"
#include "../security/security.h"
#include <abi/errno.h>

#define OPTIONS                                                                                              \
    (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |                \
     PTRACE_O_TRACEEXEC | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESECCOMP |             \
     PTRACE_O_EXITKILL)

/* --- who may --- */
int lock_task_access(struct task_struct *t, u32 mode) {
    spin_lock(&t->alloc_lock);
    if (__ptrace_may_access(t, mode))
        return 0;
    spin_unlock(&t->alloc_lock);
    return -EACCES;
}
void unlock_task_access(struct task_struct *t) { spin_unlock(&t->alloc_lock); }
bool __ptrace_may_access(struct task_struct *t, u32 mode) {
    const struct cred *c = current->cred, *o = t->cred;
    const struct mm_struct *mm = t->mm;
    bool fs = mode & PTRACE_MODE_FSCREDS;
    if (t->signal == current->signal)
        return true;
    if (!cred_same_ids(o, fs ? c->fsuid : c->uid, fs ? c->fsgid : c->gid) &&
        !ns_capable(o->user_ns, CAP_SYS_PTRACE))
        return false;
    if (mm && mm->undumpable && !ns_capable(mm->user_ns, CAP_SYS_PTRACE))
        return false;
    u64 caps = fs ? c->cap_effective : c->cap_permitted;
    if ((c->user_ns != o->user_ns || (o->cap_permitted & ~caps)) && !ns_capable(o->user_ns, CAP_SYS_PTRACE))
        return false;
    return !security_ptrace(current, t);
}
bool ptrace_may_access(struct task_struct *t, u32 mode) {
    int r = lock_task_access(t, mode);
    if (!r)
        unlock_task_access(t);
    return !r;
}
struct mm_struct *mm_access(struct task_struct *t, u32 mode) {
    int r = lock_task_access(t, mode);
    if (r)
        return ERR_PTR(r);
    struct mm_struct *mm = t->task_flags & PF_KTHREAD ? NULL : t->mm;
    if (mm)
        mmget(mm);
    unlock_task_access(t);
    return mm ? mm : ERR_PTR(-ESRCH);
}

/* --- linking --- */
static void set_syscall_trace(struct task_struct *t, bool on) {
    if (on)
        __atomic_fetch_or(&t->ti.syscall_work, SYSCALL_WORK_TRACE, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&t->ti.syscall_work, ~(SYSCALL_WORK_TRACE | SYSCALL_WORK_STEP), __ATOMIC_SEQ_CST);
}
/* With the rights of cred, for good: what tracer may later, or might before, does not count. */
static void ptrace_link(struct task_struct *t, struct task_struct *tracer, struct cred *cred) {
    list_add_tail(&t->ptrace_entry, &tracer->ptraced);
    t->parent = tracer;
    t->ptracer_cred = get_cred(cred);
}
/* Make t look at its jobctl; out of a trace stop, if it is to leave that. sighand->lock held. */
static void ptrace_signal_wake_up(struct task_struct *t, bool resume) {
    signal_wake_up(t, false);
    if (resume)
        try_to_wake_up(t, TASK_TRACED);
}
void ptrace_trap_notify(struct task_struct *t) {
    t->jobctl |= JOBCTL_TRAP_NOTIFY;
    ptrace_signal_wake_up(t, t->jobctl & JOBCTL_LISTENING);
}
void ptrace_unlink(struct task_struct *t) {
    struct signal_struct *s = t->signal;
    set_syscall_trace(t, false);
    clear_tif(t, TIF_SINGLESTEP);
    t->parent = t->real_parent;
    list_del_init(&t->ptrace_entry);
    put_cred(t->ptracer_cred);
    t->ptracer_cred = NULL;
    spin_lock(&t->sighand->lock);
    t->ptrace = 0;
    t->jobctl = 0;
    /* Back to what the rest of its process does. */
    if (!(t->task_flags & PF_EXITING) && (s->stopped || s->group_stop_count))
        t->stop_pending = true;
    if (t->stop_pending || READ_ONCE(t->state) == TASK_TRACED)
        ptrace_signal_wake_up(t, true);
    spin_unlock(&t->sighand->lock);
}
void ptrace_init_task(struct task_struct *p, bool trace) {
    p->parent = p->real_parent;
    p->ptrace = 0;
    if (!trace || !current->ptrace)
        return;
    p->ptrace = current->ptrace;
    ptrace_link(p, current->parent, current->ptracer_cred);
    if (p->ptrace & PT_SEIZED) /* D5 */
        p->jobctl |= JOBCTL_TRAP_STOP;
    else
        p->pending.signal |= M(SIGSTOP);
    set_tif(p, TIF_SIGPENDING);
}

static long ptrace_traceme(void) {
    long r = -EPERM;
    READ_TASKS(irq);
    if (!current->ptrace && !(r = security_ptrace(current->real_parent, current))) {
        if (!(current->real_parent->task_flags & PF_EXITING)) {
            spin_lock(&current->sighand->lock);
            current->ptrace = PT_PTRACED;
            spin_unlock(&current->sighand->lock);
            ptrace_link(current, current->real_parent, current->cred); /* it gives no more than it has */
        }
    }
    READ_TASKS_END(irq);
    return r;
}

static long ptrace_attach(struct task_struct *t, bool seize, u64 addr, u64 options) {
    if (seize && (addr || (options & ~(u64)OPTIONS)))
        return -EIO;
    long r = -EPERM;
    spin_lock(&t->alloc_lock);
    READ_TASKS(irq);
    if ((t->task_flags & PF_KTHREAD) || t->signal == current->signal || t->exit_state || t->ptrace ||
        !__ptrace_may_access(t, PTRACE_MODE_ATTACH_REALCREDS))
        goto out;
    r = 0;
    ptrace_link(t, current, current->cred);
    spin_lock(&t->sighand->lock);
    t->ptrace = PT_PTRACED | (seize ? PT_SEIZED | (u32)options << PT_OPT_SHIFT : 0);
    if (!seize)
        send_signal_locked(SIGSTOP, NULL, t, false);
    if (READ_ONCE(t->state) == TASK_STOPPED) { /* from the stop of its group to one for us */
        t->jobctl |= JOBCTL_TRAP_STOP | JOBCTL_TRAPPING;
        t->stop_pending = false;
        set_tif(t, TIF_SIGPENDING);
        try_to_wake_up(t, TASK_STOPPED);
    }
    spin_unlock(&t->sighand->lock);
out:
    READ_TASKS_END(irq);
    spin_unlock(&t->alloc_lock);
    if (!r) /* it is short; and who is killed does not wait */
        wait_event_killable(&current->signal->wait_chldexit,
                            !(READ_ONCE(t->jobctl) & JOBCTL_TRAPPING) || t->exit_state);
    return r;
}

/* --- stops --- */
void do_notify_parent_cldstop(struct task_struct *t, bool for_tracer, int why) {
    if (!for_tracer)
        t = t->group_leader;
    struct task_struct *parent = for_tracer ? t->parent : t->real_parent;
    struct sighand_struct *sh = parent->sighand;
    struct abi_siginfo info = {.si_code = why, .pid = t->pid, .uid = t->cred->uid};
    info.utime = (t->utime + t->signal->utime) * 100 / timebase_hz;
    info.stime = (t->stime + t->signal->stime) * 100 / timebase_hz;
    info.status = why == CLD_CONTINUED ? SIGCONT
                  : why == CLD_STOPPED ? t->signal->stop_code & 0x7f
                                       : t->ptrace_code & 0x7f;
    if (!sh)
        return;
    spin_lock(&sh->lock);
    struct abi_sigaction *a = &sh->action[SIGCHLD - 1];
    if (a->handler != SIG_IGN_ && !(a->flags & SA_NOCLDSTOP))
        send_signal_locked(SIGCHLD, &info, parent, true);
    spin_unlock(&sh->lock);
    wake_up_all(&parent->signal->wait_chldexit);
}

/* Stop for the tracer, who sees code in wait's status, message by GETEVENTMSG and info by GETSIGINFO. What it
 * said: the signal to go on with. Without a tracer, or about to die: code. */
static int ptrace_stop(int code, int why, u64 message, struct abi_siginfo *info) {
    struct task_struct *t = current;
    struct signal_struct *s = t->signal;
    READ_TASKS(irq);
    spin_lock(&t->sighand->lock);
    if (!t->ptrace || (t->pending.signal & M(SIGKILL)) || (s->shared_pending.signal & M(SIGKILL))) {
        t->jobctl &= ~JOBCTL_TRAPPING;
        spin_unlock(&t->sighand->lock);
        READ_TASKS_END(irq);
        return code;
    }
    t->last_siginfo = info;
    t->ptrace_message = message;
    t->ptrace_code = code;
    set_current_state(TASK_TRACED);
    bool group_stop = why == CLD_STOPPED && t->stop_pending && participate_group_stop();
    if (why == CLD_STOPPED)
        t->stop_pending = false;
    t->jobctl &= ~(JOBCTL_TRAP_STOP | JOBCTL_TRAPPING);
    if (info && info->si_code >> 8 == PTRACE_EVENT_STOP)
        t->jobctl &= ~JOBCTL_TRAP_NOTIFY;
    spin_unlock(&t->sighand->lock);
    do_notify_parent_cldstop(t, true, why);
    if (group_stop && ptrace_reparented(t))
        do_notify_parent_cldstop(t, false, why);
    READ_TASKS_END(irq);
    schedule();
    irq = spin_lock_irqsave(&t->sighand->lock);
    t->last_siginfo = NULL;
    t->ptrace_message = 0;
    t->jobctl &= ~JOBCTL_LISTENING;
    code = t->ptrace_code;
    t->ptrace_code = 0;
    recalc_sigpending();
    spin_unlock_irqrestore(&t->sighand->lock, irq);
    return code;
}
static int ptrace_notify(int code, int why, u64 message) {
    struct abi_siginfo info = {
        .si_signo = code & 0x7f, .si_code = code, .pid = current->pid, .uid = current->cred->uid};
    return ptrace_stop(code, why, message, &info);
}
void ptrace_event(int event, u64 message) {
    if (event <= PTRACE_EVENT_VFORK_DONE && unlikely(current->pid_ns->level)) { /* a number: the tracer's */
        READ_TASKS(irq);
        message = pid_nr_ns(message, current->parent->pid_ns);
        READ_TASKS_END(irq);
    }
    if (ptrace_event_enabled(current, event))
        ptrace_notify(event << 8 | SIGTRAP, CLD_TRAPPED, message);
    else if (event == PTRACE_EVENT_EXEC && (current->ptrace & (PT_PTRACED | PT_SEIZED)) == PT_PTRACED)
        send_signal(SIGTRAP, &(struct abi_siginfo){.si_code = SI_USER, .pid = current->tgid}, current, false);
}
void ptrace_handler_step(void) {
    clear_tif(current, TIF_SINGLESTEP);
    ptrace_notify(SIGTRAP, CLD_TRAPPED, 0);
}
void ptrace_exit_event(s32 code) {
    if (!ptrace_event_enabled(current, PTRACE_EVENT_EXIT))
        return;
    struct signal_struct *s = current->signal;
    u64 irq = spin_lock_irqsave(&current->sighand->lock);
    current->pending.signal &= ~M(SIGKILL); /* it has done its work; another would end the stop */
    spin_unlock_irqrestore(&current->sighand->lock, irq);
    ptrace_event(PTRACE_EVENT_EXIT, s->group_exit ? s->group_exit_code : code);
}
bool ptracer_capable(const struct user_namespace *ns) {
    READ_TASKS(irq);
    bool ok = !current->ptrace || cred_capable(current->ptracer_cred, ns, CAP_SYS_PTRACE);
    READ_TASKS_END(irq);
    return ok;
}
bool ptrace_report_syscall(bool exit) {
    if (!current->ptrace)
        return false;
    int sig = ptrace_notify(SIGTRAP | (current->ptrace & PT_TRACESYSGOOD ? 0x80 : 0), CLD_TRAPPED,
                            exit ? PTRACE_EVENTMSG_SYSCALL_EXIT : PTRACE_EVENTMSG_SYSCALL_ENTRY);
    if (sig > 0 && sig <= _NSIG && current->ptrace) /* the tracer may send one so */
        send_signal(sig, &(struct abi_siginfo){.si_code = SI_USER, .pid = current->parent->tgid}, current,
                    false);
    return fatal_signal_pending(current);
}

int ptrace_signal(int sig, struct abi_siginfo *info) {
    int to = ptrace_stop(sig, CLD_TRAPPED, 0, info);
    if (to <= 0 || to > _NSIG)
        return 0;
    READ_TASKS(irq);
    if (to != sig) /* the tracer's own; SETSIGINFO may have said more */
        if (info->si_signo != to)
            *info = (struct abi_siginfo){.si_signo = to,
                                         .si_code = SI_USER,
                                         .pid = current->parent->tgid,
                                         .uid = current->parent->cred->uid};
    spin_lock(&current->sighand->lock);
    if (current->blocked & M(to)) { /* it waits again */
        send_signal_locked(to, info, current, false);
        to = 0;
    }
    spin_unlock(&current->sighand->lock);
    READ_TASKS_END(irq);
    return to;
}

void ptrace_trap(void) {
    struct signal_struct *s = current->signal;
    int sig = s->stop_code ? s->stop_code : SIGSTOP;
    if (!(current->ptrace & PT_SEIZED)) {
        ptrace_stop(sig, CLD_STOPPED, 0, NULL);
        return;
    }
    if (!READ_ONCE(s->group_stop_count) && !READ_ONCE(s->stopped))
        sig = SIGTRAP;
    ptrace_notify(sig | PTRACE_EVENT_STOP << 8, CLD_STOPPED, 0);
}

/* --- the end of a tracer --- */
/* tasklist_lock held. Is t, dead, nobody's business any more? */
static bool detach_dead(struct task_struct *t) {
    if (t->exit_state != EXIT_ZOMBIE)
        return false;
    if (t != t->group_leader) {
        t->exit_state = EXIT_DEAD;
        return true;
    }
    if (t->signal->nr_threads == 1 && t->real_parent->signal != current->signal)
        do_notify_parent(t, t->exit_signal);
    return t->exit_state == EXIT_DEAD;
}
void exit_ptrace(struct list_head *dead) {
    struct task_struct *t, *n;
    list_for_each_entry_safe(t, n, &current->ptraced, ptrace_entry) {
        if (t->ptrace & PT_EXITKILL)
            send_signal(SIGKILL, NULL, t, false);
        ptrace_unlink(t);
        if (detach_dead(t))
            list_add(&t->ptrace_entry, dead);
    }
}
static long ptrace_detach(struct task_struct *t, u64 sig) {
    if (sig > _NSIG)
        return -EIO;
    READ_TASKS(irq);
    bool mine = t->ptrace && t->parent == current, dead = false;
    if (mine) {
        t->ptrace_code = sig;
        ptrace_unlink(t);
        dead = detach_dead(t);
    }
    READ_TASKS_END(irq);
    if (dead)
        release_task(t);
    return mine ? 0 : -ESRCH;
}

/* --- requests --- */
/* Is t current's tracee, and does it keep still? 0 or -ESRCH. Then its registers are in memory. */
static int ptrace_check_attach(struct task_struct *t, bool any_state) {
    READ_TASKS(irq);
    bool ok = t->ptrace && t->parent == current && t->sighand;
    if (ok && !any_state)
        ok = READ_ONCE(t->state) == TASK_TRACED && !(t->jobctl & JOBCTL_LISTENING);
    READ_TASKS_END(irq);
    while (ok && !any_state && READ_ONCE(t->se.on_cpu)) /* on its way to schedule() */
        cpu_relax();
    smp_mb();
    return ok ? 0 : -ESRCH;
}

static long ptrace_resume(struct task_struct *t, u64 request, u64 sig) {
    if (sig > _NSIG)
        return -EIO;
    if (request == PTRACE_SINGLESTEP) {
        struct mm_struct *mm = get_task_mm(t);
        int r = mm ? step_prepare(mm) : -EIO;
        if (mm)
            mmput(mm);
        if (r)
            return -EIO;
    }
    set_syscall_trace(t, request == PTRACE_SYSCALL);
    request == PTRACE_SINGLESTEP ? set_tif(t, TIF_SINGLESTEP) : clear_tif(t, TIF_SINGLESTEP);
    READ_TASKS(irq);
    if (t->sighand) {
        spin_lock(&t->sighand->lock);
        t->ptrace_code = sig;
        try_to_wake_up(t, TASK_TRACED);
        spin_unlock(&t->sighand->lock);
    }
    READ_TASKS_END(irq);
    return 0;
}

/* The siginfo of the stop that t is in: read or written. */
static long siginfo(struct task_struct *t, struct abi_siginfo *info, bool set) {
    long r = -ESRCH;
    READ_TASKS(irq);
    if (t->sighand) {
        spin_lock(&t->sighand->lock);
        r = t->last_siginfo ? 0 : -EINVAL;
        if (!r && set)
            *t->last_siginfo = *info;
        else if (!r)
            *info = *t->last_siginfo;
        spin_unlock(&t->sighand->lock);
    }
    READ_TASKS_END(irq);
    return r;
}

static long get_syscall_info(struct task_struct *t, u64 size, u64 at) {
    const struct trapframe *tf = task_trapframe(t);
    struct ptrace_syscall_info i = {
        .arch = AUDIT_ARCH_RISCV64, .instruction_pointer = tf->sepc, .stack_pointer = tf->sp};
    u64 n = offsetof(struct ptrace_syscall_info, entry);
    struct abi_siginfo info;
    u64 message = t->ptrace_message;
    int code = siginfo(t, &info, false) ? 0 : info.si_code;
    if (code != (SIGTRAP | 0x80) && code != SIGTRAP)
        message = 0;
    bool seccomp = code >> 8 == PTRACE_EVENT_SECCOMP;
    if (seccomp || message == PTRACE_EVENTMSG_SYSCALL_ENTRY) {
        i.op = seccomp ? PTRACE_SYSCALL_INFO_SECCOMP : PTRACE_SYSCALL_INFO_ENTRY;
        i.entry.nr = tf->a7;
        memcpy(i.entry.args, &tf->a0, sizeof(i.entry.args));
        i.entry.args[0] = tf->orig_a0;
        n = offsetof(struct ptrace_syscall_info, entry) + sizeof(i.entry);
        if (seccomp) {
            i.seccomp.ret_data = t->ptrace_message;
            n = offsetof(struct ptrace_syscall_info, seccomp.ret_data) + sizeof(i.seccomp.ret_data);
        }
    } else if (message == PTRACE_EVENTMSG_SYSCALL_EXIT) {
        i.op = PTRACE_SYSCALL_INFO_EXIT;
        i.exit.rval = tf->a0;
        i.exit.is_error = tf->a0 >= (u64)-MAX_ERRNO;
        n = offsetof(struct ptrace_syscall_info, exit.is_error) + 1;
    }
    return copy_to_user(at, &i, min(size, n)) ? -EFAULT : (long)n;
}

static long regset(struct task_struct *t, u64 type, u64 uiov, bool set) {
    struct iovec v;
    u64 buf[33];
    u64 size = type == NT_PRSTATUS ? sizeof(struct user_regs_struct) : sizeof(buf);
    if (type != NT_PRSTATUS && type != NT_PRFPREG)
        return -EINVAL;
    if (copy_from_user(&v, uiov, sizeof(v)))
        return -EFAULT;
    if (v.len % 8)
        return -EINVAL;
    v.len = min(v.len, size);
    type == NT_PRSTATUS ? regs_get(t, (void *)buf) : fpregs_get(t, buf);
    if (set && copy_from_user(buf, v.base, v.len))
        return -EFAULT;
    if (set)
        type == NT_PRSTATUS ? regs_set(t, (void *)buf) : fpregs_set(t, buf);
    else if (copy_to_user(v.base, buf, v.len))
        return -EFAULT;
    return put_user(uiov + offsetof(struct iovec, len), v.len);
}

static long peeksiginfo(struct task_struct *t, u64 uargs, u64 at) {
    struct ptrace_peeksiginfo_args a;
    if (copy_from_user(&a, uargs, sizeof(a)))
        return -EFAULT;
    if ((a.flags & ~PTRACE_PEEKSIGINFO_SHARED) || a.nr < 0)
        return -EINVAL;
    for (s32 i = 0; i < a.nr; i++) {
        struct sigqueue *q;
        struct abi_siginfo info;
        u64 k = 0;
        bool found = false;
        READ_TASKS(irq);
        if (t->sighand) {
            spin_lock(&t->sighand->lock);
            list_for_each_entry(q, a.flags ? &t->signal->shared_pending.queue : &t->pending.queue, link) {
                if (k++ == a.off + i) {
                    info = q->info;
                    found = true;
                    break;
                }
            }
            spin_unlock(&t->sighand->lock);
        }
        READ_TASKS_END(irq);
        if (!found || fatal_signal_pending(current))
            return i;
        if (copy_to_user(at + i * sizeof(info), &info, sizeof(info)))
            return i ? i : -EFAULT;
    }
    return a.nr;
}

static long interrupt(struct task_struct *t) {
    long r = -EIO;
    READ_TASKS(irq);
    if ((t->ptrace & PT_SEIZED) && t->sighand) {
        spin_lock(&t->sighand->lock);
        if (!t->exit_state) {
            t->jobctl |= JOBCTL_TRAP_STOP;
            ptrace_signal_wake_up(t, t->jobctl & JOBCTL_LISTENING);
        }
        spin_unlock(&t->sighand->lock);
        r = 0;
    }
    READ_TASKS_END(irq);
    return r;
}
/* A seized task that stopped with its group stays so, and tells us when that changes. */
static long listen(struct task_struct *t) {
    long r = -EIO;
    READ_TASKS(irq);
    if ((t->ptrace & PT_SEIZED) && t->sighand) {
        spin_lock(&t->sighand->lock);
        if (t->last_siginfo && t->last_siginfo->si_code >> 8 == PTRACE_EVENT_STOP) {
            t->jobctl |= JOBCTL_LISTENING;
            if (t->jobctl & JOBCTL_TRAP_NOTIFY) /* it changed already */
                ptrace_signal_wake_up(t, true);
            r = 0;
        }
        spin_unlock(&t->sighand->lock);
    }
    READ_TASKS_END(irq);
    return r;
}

static long setoptions(struct task_struct *t, u64 options) {
    if (options & ~(u64)OPTIONS)
        return -EINVAL;
    READ_TASKS(irq);
    if (t->sighand) {
        spin_lock(&t->sighand->lock);
        t->ptrace = (t->ptrace & (PT_PTRACED | PT_SEIZED)) | (u32)options << PT_OPT_SHIFT;
        spin_unlock(&t->sighand->lock);
    }
    READ_TASKS_END(irq);
    return 0;
}
static long sigmask(struct task_struct *t, u64 size, u64 at, bool set) {
    u64 mask;
    if (size != sizeof(mask))
        return -EINVAL;
    if (!set)
        return put_user(at, t->blocked);
    if (copy_from_user(&mask, at, sizeof(mask)))
        return -EFAULT;
    READ_TASKS(irq);
    if (t->sighand) {
        spin_lock(&t->sighand->lock);
        t->blocked = mask & ~UNBLOCKABLE; /* its TIF_SIGPENDING is made anew when it goes on */
        spin_unlock(&t->sighand->lock);
    }
    READ_TASKS_END(irq);
    return 0;
}

/* A word of t's memory. */
static long peek_poke(struct task_struct *t, u64 addr, u64 data, bool poke) {
    struct mm_struct *mm = get_task_mm(t);
    u64 word = data;
    if (!mm)
        return -EIO;
    size_t n = poke ? poke_process_vm(mm, addr, &word, 8) : access_process_vm(mm, addr, &word, 8, false);
    mmput(mm);
    if (n != 8)
        return -EIO;
    return poke ? 0 : put_user(data, word);
}

static long ptrace_request(struct task_struct *t, u64 request, u64 addr, u64 data) {
    struct abi_siginfo info;
    long r;
    switch (request) {
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
        return peek_poke(t, addr, data, false);
    case PTRACE_POKETEXT:
    case PTRACE_POKEDATA:
        return peek_poke(t, addr, data, true);
    case PTRACE_CONT:
    case PTRACE_SYSCALL:
    case PTRACE_SINGLESTEP:
        return ptrace_resume(t, request, data);
    case PTRACE_KILL: {
        READ_TASKS(irq);
        send_signal(SIGKILL, NULL, t, false);
        READ_TASKS_END(irq);
        return 0;
    }
    case PTRACE_DETACH:
        return ptrace_detach(t, data);
    case PTRACE_SETOPTIONS:
        return setoptions(t, data);
    case PTRACE_GETEVENTMSG:
        return put_user(data, t->ptrace_message);
    case PTRACE_GETSIGINFO:
        r = siginfo(t, &info, false);
        return r ? r : copy_to_user(data, &info, sizeof(info));
    case PTRACE_SETSIGINFO:
        return copy_from_user(&info, data, sizeof(info)) ? -EFAULT : siginfo(t, &info, true);
    case PTRACE_PEEKSIGINFO:
        return peeksiginfo(t, addr, data);
    case PTRACE_GETSIGMASK:
    case PTRACE_SETSIGMASK:
        return sigmask(t, addr, data, request == PTRACE_SETSIGMASK);
    case PTRACE_GETREGSET:
    case PTRACE_SETREGSET:
        return regset(t, addr, data, request == PTRACE_SETREGSET);
    case PTRACE_GET_SYSCALL_INFO:
        return get_syscall_info(t, addr, data);
    case PTRACE_INTERRUPT:
        return interrupt(t);
    case PTRACE_LISTEN:
        return listen(t);
    default:
        return -EIO;
    }
}

long sys_ptrace(u64 request, u64 pid, u64 addr, u64 data) {
    if (request == PTRACE_TRACEME)
        return ptrace_traceme();
    struct task_struct *t = get_task_by_pid((s32)pid);
    if (!t)
        return -ESRCH;
    long r;
    if (request == PTRACE_ATTACH || request == PTRACE_SEIZE) {
        r = ptrace_attach(t, request == PTRACE_SEIZE, addr, data);
    } else {
        r = ptrace_check_attach(t, request == PTRACE_KILL || request == PTRACE_INTERRUPT);
        if (!r)
            r = ptrace_request(t, request, addr, data);
    }
    put_task(t);
    return r;
}
