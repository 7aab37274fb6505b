/* Spinning locks and preemption. A spinlock raises preempt_count; one that an interrupt handler also
 * takes is always taken with interrupts off (spin_lock_irqsave).
 *
 * THE LOCK ORDER. A hart takes spinlocks in rising rank only; debug builds check it at each take. Two
 * locks of one rank are taken by address (run queues) or never. Sleeping locks come before all of these:
 * namespace (rename) -> inode (parent before child) -> mmap_lock -> ext2 allocation -> page lock. */
#pragma once
#include "riscv.h"

enum lock_rank {
    RANK_NONE,
    RANK_TASK,       /* alloc_lock: which memory, files, directories and credentials a task has */
    RANK_TASKLIST,   /* parent/child links, pid table, groups, sessions, exit and wait */
    RANK_SIGHAND,    /* handlers, pending signals, group state, rlimits, itimers */
    RANK_UART,       /* the serial port */
    RANK_TTY,        /* a tty's buffers and modes */
    RANK_FILES,      /* a descriptor table; cwd and root of a task */
    RANK_EPOLL,      /* an epoll set's ready list */
    RANK_FUTEX,      /* a futex bucket's waiters */
    RANK_MOUNT,      /* the list of mounts */
    RANK_DCACHE,     /* all dentries */
    RANK_ICACHE,     /* all inodes' hash and use counts */
    RANK_PAGE_TABLE, /* one mm's page tables */
    RANK_MAPPING,    /* one inode's page tree */
    RANK_LRU,        /* reclaim order of cached pages */
    RANK_OBJECT,     /* leaf objects: eventfd, rings, users */
    RANK_DEVICE,     /* a device's queue, a timerfd: taken by interrupts */
    RANK_WAITQ,      /* a wait queue */
    RANK_RQ,         /* a run queue, and the state of the tasks on that hart */
    RANK_GROUP,      /* what is runnable in which group */
    RANK_TIMER,      /* a hart's timers */
    RANK_SLAB,
    RANK_BUDDY,
    RANK_CONSOLE,
    RANKS
};

/* The first fields of struct task_struct: what assembly and locks need. */
struct thread_info {
    u32 flags; /* TIF_*: non-zero sends the way to user mode through do_work_pending */
    s32 preempt_count;
    u64 kernel_sp; /* the user trapframe's address: the top of the kernel stack */
    u64 trap_sp;   /* scratch of the trap entry */
    struct context ctx;
    u32 cpu;          /* the hart whose run queue it is on; written under that queue's lock */
    u32 fail_nth;     /* /proc/self/fail-nth: this many allocations from now, one fails; 0: none */
    u32 syscall_work; /* SYSCALL_WORK_*: not 0 sends system calls through syscall_with_work; atomic */
#ifdef CONFIG_DEBUG
    u32 work; /* memory accesses since preemption was switched off (debug/work.c) */
#endif
};
#define TIF_NEED_RESCHED 1u
#define TIF_SIGPENDING 2u
#define TIF_RESTORE_ALL 4u         /* the system call has changed the user's s0 to s11 in its frame */
#define TIF_SINGLESTEP 8u          /* one instruction, then SIGTRAP */
#define TIF_THROTTLED 16u          /* its group has used its time up (sched/group.c) */
#define SYSCALL_WORK_TRACEPOINT 1u /* trace events of system calls are on */
#define SYSCALL_WORK_TRACE 2u      /* the tracer wants to see them (PTRACE_SYSCALL) */
#define SYSCALL_WORK_SECCOMP 8u
#define SYSCALL_WORK_AUDIT 16u
#define SYSCALL_WORK_STEP 4u /* the call is all of a single step */

register struct task_struct *current asm("tp");
#define current_thread ((struct thread_info *)current)
#define smp_processor_id() (current_thread->cpu)

void preempt_schedule(void);
static inline void preempt_disable(void) {
#ifdef CONFIG_DEBUG
    if (!current_thread->preempt_count)
        current_thread->work = 0;
#endif
    WRITE_ONCE(current_thread->preempt_count, current_thread->preempt_count + 1);
    barrier();
}
static inline void preempt_enable_no_resched(void) {
    barrier();
    WRITE_ONCE(current_thread->preempt_count, current_thread->preempt_count - 1);
}
static inline void preempt_enable(void) {
    preempt_enable_no_resched();
    if (unlikely(!current_thread->preempt_count && (READ_ONCE(current_thread->flags) & TIF_NEED_RESCHED)))
        preempt_schedule();
}

typedef struct {
    u32 locked;
    u16 rank;
    u16 owner; /* debug: hart + 1 */
} spinlock_t;
#define SPINLOCK_INIT(r)                                                                                     \
    { 0, r, 0 }
static inline void spin_lock_init(spinlock_t *l, enum lock_rank rank) { *l = (spinlock_t){0, rank, 0}; }

#ifdef CONFIG_DEBUG
void lock_check_take(spinlock_t *l);
void lock_check_taken(spinlock_t *l);
void lock_check_drop(spinlock_t *l);
/* Around the handling of an interrupt: its locks are ordered among themselves. */
u32 lock_check_irq_enter(void);
void lock_check_irq_exit(u32 base);
#else
#define lock_check_take(l) ((void)0)
#define lock_check_taken(l) ((void)0)
#define lock_check_drop(l) ((void)0)
static inline u32 lock_check_irq_enter(void) { return 0; }
#define lock_check_irq_exit(base) ((void)(base))
#endif

static inline bool spin_trylock_raw(spinlock_t *l) {
    return !__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE);
}
void spin_lock_wait(spinlock_t *l);
static inline void spin_lock_raw(spinlock_t *l) {
    lock_check_take(l);
    if (__builtin_expect(!spin_trylock_raw(l),
                         0)) { /* spin_lock_wait, by a call that keeps all registers: as cpu_relax's */
        register spinlock_t *lock asm("t1") = l;
        asm volatile("jal t0, spin_lock_wait_stub" ::"r"(lock) : "t0", "memory");
    }
    lock_check_taken(l);
}
static inline void spin_unlock_raw(spinlock_t *l) {
    lock_check_drop(l);
    __atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
}
static inline void spin_lock(spinlock_t *l) {
    preempt_disable();
    spin_lock_raw(l);
}
static inline bool spin_trylock(spinlock_t *l) {
    preempt_disable();
    if (likely(spin_trylock_raw(l))) {
        lock_check_taken(l);
        return true;
    }
    preempt_enable();
    return false;
}
static inline void spin_unlock(spinlock_t *l) {
    spin_unlock_raw(l);
    preempt_enable();
}
static inline u64 spin_lock_irqsave(spinlock_t *l) {
    u64 flags = local_irq_save();
    spin_lock(l);
    return flags;
}
static inline void spin_unlock_irqrestore(spinlock_t *l, u64 flags) {
    spin_unlock_raw(l);
    local_irq_restore(flags);
    preempt_enable();
}
static inline bool spin_is_locked(const spinlock_t *l) { return READ_ONCE(l->locked); }
