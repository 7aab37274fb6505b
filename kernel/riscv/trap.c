/* Traps in C: interrupts, system calls, faults, and the work due before going back to user mode. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "../drivers/drivers.h"
#include "../security/security.h"
#include "../core/ptrace.h"
#include "../core/syscall.h"
#include <abi/errno.h>

void preempt_schedule_irq(void);
void handle_ipi(struct trapframe *tf);
void count_irq(unsigned int which);

struct ex_entry {
    u64 insn, fixup;
};
extern const struct ex_entry __start_ex_table[], __stop_ex_table[];

static bool fixup_exception(struct trapframe *tf) {
    //@sol traps fixup-exception
    for (const struct ex_entry *e = __start_ex_table; e < __stop_ex_table; e++)
        if (e->insn == tf->sepc) {
            tf->sepc = e->fixup;
            tf->sstatus |= SSTATUS_SUM;
            return true;
        }
    return false;
    //@end
}

static const char *const exception_names[] = {"instruction address misaligned",
                                              "instruction access fault",
                                              "illegal instruction",
                                              "breakpoint",
                                              "load address misaligned",
                                              "load access fault",
                                              "store address misaligned",
                                              "store access fault",
                                              "environment call from U-mode",
                                              "environment call from S-mode",
                                              "reserved",
                                              "reserved",
                                              "instruction page fault",
                                              "load page fault",
                                              "reserved",
                                              "store page fault"};
const char *exception_name(u64 cause) {
    if (cause & SCAUSE_INTERRUPT)
        return "interrupt";
    return cause < ARRAY_SIZE(exception_names) ? exception_names[cause] : "unknown cause";
}

void show_regs(const struct trapframe *tf) {
    static const char names[31][4] = {"ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0", "a1",
                                      "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5", "s6",
                                      "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
    const u64 *x = (const u64 *)tf;
    printk("sepc %016lx sstatus %016lx scause %lx (%s) stval %016lx\n", tf->sepc, tf->sstatus, tf->scause,
           exception_name(tf->scause), tf->stval);
    for (int i = 0; i < 31; i++)
        printk(" %3.3s %016lx%s", names[i], x[i], i % 4 == 3 || i == 30 ? "\n" : "");
}

static void do_irq(struct trapframe *tf) {
    preempt_disable();
    u32 base = lock_check_irq_enter();
    TRACE(irq, tf->scause & ~SCAUSE_INTERRUPT, 0, 0);
    switch (tf->scause & ~SCAUSE_INTERRUPT) {
    case IRQ_S_TIMER:
        count_irq(0);
        timer_interrupt();
        break;
    case IRQ_S_EXT:
        count_irq(1);
        plic_interrupt();
        break;
    case IRQ_S_SOFT:
        count_irq(2);
        handle_ipi(tf);
        break;
    default:
        panic("unknown interrupt, scause %lx", tf->scause);
    }
    lock_check_irq_exit(base);
    preempt_enable_no_resched();
}

/* Floating point is off until a program first uses it. */
static bool enable_fpu(struct trapframe *tf) {
    if (tf->sstatus & SSTATUS_FS)
        return false;
    memset(&current->fpu, 0, sizeof(current->fpu));
    local_irq_disable();
    fpu_restore(&current->fpu);
    tf->sstatus |= SSTATUS_FS_CLEAN;
    local_irq_enable();
    return true;
}

static void user_fault(struct trapframe *tf, u32 access) {
    u32 nth = current_thread->fail_nth; /* the injection of faults is about system calls */
    current_thread->fail_nth = 0;
    int r = handle_mm_fault(current->mm, tf->stval, access);
    current_thread->fail_nth = nth;
    if (!r || fatal_signal_pending(current))
        return;
    if (r == -ENOMEM) {
        printk_user("%s (pid %d): out of memory in a page fault", current->comm, current->pid);
        force_signal(SIGKILL, SI_KERNEL, 0);
    } else if (r == -EIO || r == -ENOSPC) {
        force_signal(SIGBUS, BUS_ADRERR, tf->stval);
    } else {
        force_signal(SIGSEGV, r == -EACCES ? SEGV_ACCERR : SEGV_MAPERR, tf->stval);
    }
}

static void user_trap(struct trapframe *tf) {
    local_irq_enable();
    if (unlikely(current->step.active) && step_trap(tf))
        return;
    switch (tf->scause) {
    case EXC_FETCH_PAGE:
        user_fault(tf, VM_EXEC);
        break;
    case EXC_LOAD_PAGE:
        user_fault(tf, VM_READ);
        break;
    case EXC_STORE_PAGE:
        user_fault(tf, VM_WRITE);
        break;
    case EXC_ILLEGAL:
        if (!enable_fpu(tf))
            force_signal(SIGILL, ILL_ILLOPC, tf->sepc);
        break;
    case EXC_BREAKPOINT:
        force_signal(SIGTRAP, TRAP_BRKPT, tf->sepc);
        break;
    case EXC_FETCH_MISALIGNED:
    case EXC_LOAD_MISALIGNED:
    case EXC_STORE_MISALIGNED:
        force_signal(SIGBUS, BUS_ADRALN, tf->stval);
        break;
    default:
        force_signal(SIGBUS, BUS_ADRERR, tf->stval);
    }
}

static void kernel_trap(struct trapframe *tf) {
    u64 cause = tf->scause;
    bool page = cause == EXC_LOAD_PAGE || cause == EXC_STORE_PAGE;
    if (page && tf->stval >= VSTACK_BASE && tf->stval < VSTACK_BASE + ((u64)VSTACK_GIGAS << 30)) {
        pte_t *t = swapper_pg_dir, e = 0;
        for (int level = 2; level >= 0; level--) {
            e = t[va_index(tf->stval, level)];
            if (!(e & PTE_V) || level == 0)
                break;
            t = __va(pte_pa(e));
        }
        if (e & PTE_V) { /* mapped by another hart since: its entry was cached as not valid */
            flush_tlb_page_local(tf->stval);
            return;
        }
    }
    if (page && tf->stval < TASK_SIZE && current->mm && (tf->sstatus & SSTATUS_SUM)) {
        /* User memory, from the functions that may touch it. Sleep only where the caller could. */
        if (!current_thread->preempt_count && (tf->sstatus & SSTATUS_SPIE)) {
            local_irq_enable();
            int r = handle_mm_fault(current->mm, tf->stval, cause == EXC_STORE_PAGE ? VM_WRITE : VM_READ);
            local_irq_disable();
            if (!r)
                return;
        }
        if (fixup_exception(tf))
            return;
    } else if (page || cause == EXC_LOAD_ACCESS || cause == EXC_STORE_ACCESS) {
        if ((tf->sstatus & SSTATUS_SUM) && tf->stval < TASK_SIZE && fixup_exception(tf))
            return;
    }
    panic_trap(tf, "%s in the kernel at %lx", exception_name(cause), tf->stval);
}

void account_time(bool to_user) {
    u64 now = rdtime(), d = now - current->acct_stamp;
    current->acct_stamp = now;
    if (to_user)
        current->stime += d;
    else
        current->utime += d;
}

void do_trap(struct trapframe *tf) {
    bool user = user_mode(tf);
    if (user)
        account_time(false);
    if (tf->scause & SCAUSE_INTERRUPT) {
        do_irq(tf);
        if (!user && !current_thread->preempt_count && test_tif(current, TIF_NEED_RESCHED) &&
            (tf->sstatus & SSTATUS_SPIE))
            preempt_schedule_irq();
    } else if (user) {
        user_trap(tf);
    } else {
        kernel_trap(tf);
    }
    if (user) {
        local_irq_disable();
        account_time(true);
    }
}

/* Interrupts off on entry and return. Loops until nothing is due. */
void do_work_pending(struct trapframe *tf) {
    while (READ_ONCE(current_thread->flags)) {
        if (test_tif(current, TIF_NEED_RESCHED)) {
            local_irq_enable();
            schedule();
        }
        if (unlikely(test_tif(current, TIF_THROTTLED))) {
            local_irq_enable();
            group_throttle();
        }
        if (test_tif(current, TIF_SIGPENDING)) {
            local_irq_enable();
            step_leave(tf);
            do_signal(tf);
        }
        if (test_tif(current, TIF_SINGLESTEP)) {
            local_irq_enable();
            step_begin(tf);
        }
        local_irq_disable();
        clear_tif(current, TIF_RESTORE_ALL);
    }
}

long sys_ni_syscall(void) { return -ENOSYS; }
static inline void call_table(struct trapframe *tf) {
    //@sol traps call-table
    u64 n = tf->a7;
    const syscall_fn *table = syscall_table;
    account_time(false);
    tf->orig_a0 = tf->a0;
    if (unlikely(n >= SYSCALL_COUNT)) {
        table = syscall_table_legacy;
        n = min(n - SYSCALL_LEGACY_BASE, (u64)SYSCALL_LEGACY_COUNT); /* the last one: none has this number */
    }
    tf->a0 = table[n](tf->a0, tf->a1, tf->a2, tf->a3, tf->a4, tf->a5);
    account_time(true);
    //@end
}
/* For who is watched. The watcher may change the call and its result: skipped, it gives what is in a0 then.
 */
static noinline void syscall_with_work(struct trapframe *tf) {
    u64 n = tf->a7;
    TRACE(syscall, n, tf->a0, tf->a1);
    tf->orig_a0 = tf->a0;
    if (READ_ONCE(current_thread->syscall_work) & SYSCALL_WORK_TRACE) {
        tf->a0 = -ENOSYS;
        if (ptrace_report_syscall(false) || tf->a7 == ~0UL)
            goto out;
    }
    if ((READ_ONCE(current_thread->syscall_work) & SYSCALL_WORK_SECCOMP) && !seccomp_allows(tf))
        goto out;
    tf->a0 = tf->orig_a0;
    struct record *audit =
        READ_ONCE(current_thread->syscall_work) & SYSCALL_WORK_AUDIT ? audit_entry(tf) : NULL;
    call_table(tf);
    if (audit)
        audit_exit(audit, tf->a0);
out:
    TRACE(sysret, n, tf->a0, 0);
    if (READ_ONCE(current_thread->syscall_work) & SYSCALL_WORK_TRACE)
        ptrace_report_syscall(true);
    if (READ_ONCE(current_thread->syscall_work) & SYSCALL_WORK_STEP) {
        __atomic_fetch_and(&current_thread->syscall_work, ~SYSCALL_WORK_STEP, __ATOMIC_RELAXED);
        step_report(tf->sepc);
    }
}
void do_syscall(struct trapframe *tf) {
    if (unlikely(READ_ONCE(current_thread->syscall_work)))
        syscall_with_work(tf);
    else
        call_table(tf);
    work_say();
}
