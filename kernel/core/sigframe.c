/* Signal delivery: choosing a signal, its action, the frame on the user stack, rt_sigreturn. */
#include "ptrace.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "../fs/fs.h"
#include "signal.h"
#include <abi/errno.h>

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
    //@sol signals setup-frame
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
    //@end
}

long sys_rt_sigreturn(void) {
    //@sol signals sigreturn
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
    set_tif(current, TIF_RESTORE_ALL);
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
    //@end
}

/* A call that a signal interrupted: -EINTR, or done again. */
static void restart_call(struct trapframe *tf, const struct abi_sigaction *a) {
    if (tf->scause != EXC_ECALL_U)
        return;
    //@sol signals restart-call
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
    //@end
}

void do_signal(struct trapframe *tf) {
    struct abi_siginfo info;
    for (;;) {
        if (unlikely(current->ptrace || READ_ONCE(current->jobctl))) {
            if (READ_ONCE(current->stop_pending) || (READ_ONCE(current->jobctl) & JOBCTL_TRAP_MASK))
                ptrace_trap();
        } else if (READ_ONCE(current->stop_pending)) {
            do_stop();
        }
        if (READ_ONCE(current->signal->cont_notify))
            notify_continued();
        u64 irq = spin_lock_irqsave(&current->sighand->lock);
        if (current->signal->group_exit || (current->pending.signal & M(SIGKILL))) {
            s32 code = current->signal->group_exit ? current->signal->group_exit_code : SIGKILL;
            spin_unlock_irqrestore(&current->sighand->lock, irq);
            if (current->signal->group_exec && current->signal->group_exec != current)
                do_exit(0);
            do_group_exit(code);
        }
        if (current->stop_pending || (current->jobctl & JOBCTL_TRAP_MASK)) {
            spin_unlock_irqrestore(&current->sighand->lock, irq);
            continue;
        }
        int sig = dequeue_locked(~current->blocked, &info);
        if (!sig) {
            spin_unlock_irqrestore(&current->sighand->lock, irq);
            break;
        }
        if (unlikely(current->ptrace) && sig != SIGKILL) {
            spin_unlock_irqrestore(&current->sighand->lock, irq);
            if (!(sig = ptrace_signal(sig, &info)))
                continue;
            irq = spin_lock_irqsave(&current->sighand->lock);
        }
        struct abi_sigaction *act = &current->sighand->action[sig - 1], a = *act;
        if (a.handler > SIG_IGN_ && (a.flags & SA_RESETHAND))
            act->handler = SIG_DFL_;
        spin_unlock_irqrestore(&current->sighand->lock, irq);
        if (a.handler == SIG_IGN_)
            continue;
        if (a.handler == SIG_DFL_) {
            if ((M(sig) & IGNORED_BY_DEFAULT) || (is_unkillable(current) && sig != SIGSTOP))
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
                printk_user("%s[%d]: SIG%d at address %lx, pc %lx, ra %lx, sp %lx", current->comm,
                            current->pid, sig, info.addr, tf->sepc, tf->ra, tf->sp);
            do_group_exit(M(sig) & CORE_SIGNALS ? do_coredump(&info) : sig);
        }
        u64 mask = current->restore_sigmask ? current->saved_sigmask : current->blocked;
        current->restore_sigmask = false;
        restart_call(tf, &a);
        TRACE(signal_deliver, sig, a.handler, 0);
        if (setup_frame(sig, &a, &info, mask, tf)) {
            if (sig == SIGSEGV) {
                u64 fl = spin_lock_irqsave(&current->sighand->lock);
                current->sighand->action[SIGSEGV - 1].handler = SIG_DFL_;
                spin_unlock_irqrestore(&current->sighand->lock, fl);
            }
            force_signal(SIGSEGV, SEGV_MAPERR, tf->sp);
            continue;
        }
        //@sol signals handler-mask
        set_blocked(current->blocked | a.mask | (a.flags & SA_NODEFER ? 0 : M(sig)));
        //@end
        if (unlikely(test_tif(current, TIF_SINGLESTEP)))
            ptrace_handler_step();
        return;
    }
    restart_call(tf, NULL);
    if (current->restore_sigmask) {
        current->restore_sigmask = false;
        set_blocked(current->saved_sigmask);
    }
}
