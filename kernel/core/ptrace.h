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
/* May an exec give current more rights in ns, as far as its tracer goes, with the rights that the tracer had
 * when it began? Takes tasklist_lock. */
bool ptracer_capable(const struct user_namespace *ns);
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
/* May current look into t (READ), or change it (ATTACH), by its real ids (system calls) or its file-system
 * ids
 * (/proc)? As Linux has it, the two ask the same unless a policy says otherwise; a place says what it does.
 * Who may: t's own process; else a task with t's ids and at least its capabilities, unless t's memory is
 * undumpable; or one with CAP_SYS_PTRACE. docs/security.md lists who asks. */
#define PTRACE_MODE_READ 1u
#define PTRACE_MODE_ATTACH 2u
#define PTRACE_MODE_FSCREDS 8u
#define PTRACE_MODE_REALCREDS 16u
#define PTRACE_MODE_READ_FSCREDS (PTRACE_MODE_READ | PTRACE_MODE_FSCREDS)
#define PTRACE_MODE_READ_REALCREDS (PTRACE_MODE_READ | PTRACE_MODE_REALCREDS)
#define PTRACE_MODE_ATTACH_FSCREDS (PTRACE_MODE_ATTACH | PTRACE_MODE_FSCREDS)
#define PTRACE_MODE_ATTACH_REALCREDS (PTRACE_MODE_ATTACH | PTRACE_MODE_REALCREDS)
bool ptrace_may_access(struct task_struct *t, u32 mode);   /* takes t's alloc_lock */
bool __ptrace_may_access(struct task_struct *t, u32 mode); /* the caller holds it */
/* The same, and until unlock_task_access what t has and its credentials stay as they are (it is t's
 * alloc_lock that is held): 0, or -EACCES and nothing is locked. */
int lock_task_access(struct task_struct *t, u32 mode);
void unlock_task_access(struct task_struct *t);
/* t's memory, counted, if current may; or ERR_PTR(-EACCES), ERR_PTR(-ESRCH): it has none. */
struct mm_struct *mm_access(struct task_struct *t, u32 mode);
