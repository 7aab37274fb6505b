/* Trace points: what happened, when, on which hart, to whom. Off, each costs a load, a test and a branch not
 * taken. On, an entry goes into the hart's own ring, whose oldest entries are overwritten; no lock is taken,
 * so a point may be anywhere. /proc/trace switches them and shows the rings; the kernel argument
 * trace=fork,sched does so from the start. */
#pragma once
#include "../lib/lib.h"

/* X(event, group, what its three numbers are) */
#define TRACE_EVENTS(X)                                                                                      \
    X(syscall, syscall, "nr=%ld a0=0x%lx a1=0x%lx")                                                          \
    X(sysret, syscall, "nr=%ld ret=%ld")                                                                     \
    X(fork, fork, "child=%ld tgid=%ld flags=0x%lx")                                                          \
    X(fork_fail, fork, "error=%ld")                                                                          \
    X(exec, fork, "entry=0x%lx")                                                                             \
    X(exit, fork, "code=0x%lx")                                                                              \
    X(reap, fork, "pid=%ld code=0x%lx")                                                                      \
    X(switch, sched, "prev=%ld next=%ld state=0x%lx")                                                        \
    X(wakeup, sched, "pid=%ld hart=%ld")                                                                     \
    X(wakeup_new, sched, "pid=%ld hart=%ld")                                                                 \
    X(migrate, sched, "pid=%ld from=%ld to=%ld")                                                             \
    X(fault, fault, "va=0x%lx access=%ld ret=%ld")                                                           \
    X(cow, fault, "va=0x%lx from=0x%lx to=0x%lx")                                                            \
    X(signal_send, signal, "sig=%ld to=%ld")                                                                 \
    X(signal_deliver, signal, "sig=%ld handler=0x%lx")                                                       \
    X(futex_wait, futex, "uaddr=0x%lx val=%ld")                                                              \
    X(futex_wake, futex, "uaddr=0x%lx n=%ld")                                                                \
    X(lock_wait, lock, "lock=0x%lx rank=%ld")                                                                \
    X(lock_got, lock, "lock=0x%lx rank=%ld")                                                                 \
    X(mutex_wait, lock, "mutex=0x%lx")                                                                       \
    X(rwsem_wait, lock, "rwsem=0x%lx write=%ld")                                                             \
    X(irq, irq, "cause=%ld")

enum trace_event {
#define X(event, group, format) TRACE_##event,
    TRACE_EVENTS(X)
#undef X
        TRACE_NR
};

extern u64 trace_mask;                                     /* a bit for each event that is on */
void trace_write(enum trace_event e, u64 a, u64 b, u64 c); /* any context */
#define TRACE_ON(event) (unlikely(READ_ONCE(trace_mask) & (1UL << TRACE_##event)))
#define TRACE(event, a, b, c)                                                                                \
    do {                                                                                                     \
        if (TRACE_ON(event))                                                                                 \
            trace_write(TRACE_##event, (u64)(a), (u64)(b), (u64)(c));                                        \
    } while (0)
/* SYSCALL_WORK_*, for every task: tasklist_lock held. */
#define global_syscall_work()                                                                                \
    ((READ_ONCE(trace_mask) & TRACE_SYSCALLS ? SYSCALL_WORK_TRACEPOINT : 0) |                                \
     (audit_enabled() ? SYSCALL_WORK_AUDIT : 0))
#define TRACE_SYSCALLS (1UL << TRACE_syscall | 1UL << TRACE_sysret)
/* on, off, clear, size=N (entries for each hart, while off), or groups and events with commas between: those
 * are on, the others off. 0, -EINVAL, -EBUSY, -ENOMEM. May sleep. */
int trace_command(char *text);
/* For a panic: the newest entries of all harts go to the log. Any context; nobody writes any more. */
void trace_dump(void);
/* For the account of leaks, when all programs have ended: off, and the rings are given back. May sleep. */
void trace_release(void);
struct seq;
/* The newest entries of all harts by time, a line each: ns, hart, pid, name, event, its numbers. May sleep.
 */
int trace_show(struct seq *s);
