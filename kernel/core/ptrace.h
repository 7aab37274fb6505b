/* Tracing (rows D2, D5, D7, D8, C23): one task, the tracer, watches another stop and tells it how to go on.
 *
 * tasklist_lock guards who traces whom: t->ptrace, t->parent, t->ptraced, t->ptrace_entry. sighand->lock
 * guards what is due: t->jobctl, and t->ptrace too where it is only looked at. A tracee in TASK_TRACED keeps
 * still until its tracer or SIGKILL wakes it: its registers, last_siginfo, ptrace_message and ptrace_code are
 * the tracer's meanwhile. */
#pragma once
#include "task.h"
#include <abi/ptrace.h>

/* t->ptrace: 0, or PT_PTRACED and perhaps more; options are shifted so that an event's bit is
 * PT_EVENT_FLAG(event). */
#define PT_PTRACED 1u
#define PT_SEIZED 2u
#define PT_OPT_SHIFT 3
#define PT_EVENT_FLAG(event) (1u << (PT_OPT_SHIFT + (event)))
#define PT_TRACESYSGOOD PT_EVENT_FLAG(0)
#define PT_EXITKILL (PTRACE_O_EXITKILL << PT_OPT_SHIFT)

/* t->jobctl. */
#define JOBCTL_TRAP_STOP 1u   /* stop for the tracer soon */
#define JOBCTL_TRAP_NOTIFY 2u /* the same, for a seized task: a group stop began or ended */
#define JOBCTL_TRAP_MASK (JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY)
#define JOBCTL_TRAPPING 4u /* on its way from a group stop to a trace stop: the attacher waits */
#define JOBCTL_LISTENING                                                                                     \
    8u /* stopped, and nothing may be asked of it until there is news (PTRACE_LISTEN)                        \
        */

static inline bool ptrace_event_enabled(struct task_struct *t, int event) {
    return t->ptrace & PT_EVENT_FLAG(event);
}
/* Is the tracer outside the parent's process? Then the parent does not see what the tracer has not let pass.
 */
static inline bool ptrace_reparented(struct task_struct *t) {
    return t->ptrace && t->parent->signal != t->real_parent->signal;
}
/* Current is at an event. Stop if the tracer asked for it; without its asking exec is told by SIGTRAP. No
 * lock held; may sleep. */
void ptrace_event(int event, u64 message);
/* Current is about to end, with code: the same for this event, after SIGKILL too. */
void ptrace_exit_event(s32 code);
/* May an exec give current more rights, as far as its tracer goes? And when it has: a tracer that came
 * meanwhile and may not have such a tracee is let go. Both take tasklist_lock. */
bool ptracer_capable(void);
void ptrace_secure_exec(void);
/* A signal was taken from the queue: let the tracer see it. The signal that is to be delivered, *info with
 * it; 0: none. No lock held; may sleep. */
int ptrace_signal(int sig, struct abi_siginfo *info);
/* A single step has led into a signal handler: stop there. No lock held; may sleep. */
void ptrace_handler_step(void);
/* jobctl asks for a stop: do it. No lock held; may sleep. */
void ptrace_trap(void);
/* Stop before and after a system call. True: the call is not to be made. */
bool ptrace_report_syscall(bool exit);
/* sighand->lock held: t, seized, is to look at the state of its group. */
void ptrace_trap_notify(struct task_struct *t);
/* tasklist_lock and t's sighand->lock held: a new task p that current's tracer is to trace too, or not. */
void ptrace_init_task(struct task_struct *p, bool trace);
/* tasklist_lock held, no sighand lock: t has no tracer any more. */
void ptrace_unlink(struct task_struct *t);
/* tasklist_lock held: the tasks that current traces go on without it; dead ones that nobody will wait for go
 * to `dead`. */
void exit_ptrace(struct list_head *dead);
/* tasklist_lock held: tell who waits for t (its tracer, or the parent of its process) that it stopped or went
 * on. why: CLD_STOPPED, CLD_CONTINUED, CLD_TRAPPED. */
void do_notify_parent_cldstop(struct task_struct *t, bool for_tracer, int why);
/* t's memory, counted, if current may look into t and change it, by its real ids (ptrace) or its file-system
 * ids (/proc); or ERR_PTR(-EPERM), ERR_PTR(-ESRCH): it has none. Takes alloc_lock and tasklist_lock. */
enum ptrace_mode { PTRACE_MODE_FSCREDS, PTRACE_MODE_REALCREDS };
struct mm_struct *mm_access(struct task_struct *t, enum ptrace_mode mode);
