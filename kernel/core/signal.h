/* Signals, inside: what signal.c (sending, stopping), sigframe.c (delivery) and sigcalls.c share. */
#pragma once
#include "task.h"

#define M(s) BIT((s)-1)
#define STOP_SIGNALS (M(SIGSTOP) | M(SIGTSTP) | M(SIGTTIN) | M(SIGTTOU))
#define IGNORED_BY_DEFAULT (M(SIGCHLD) | M(SIGCONT) | M(SIGURG) | M(SIGWINCH))
#define CORE_SIGNALS                                                                                         \
    (M(SIGQUIT) | M(SIGILL) | M(SIGTRAP) | M(SIGABRT) | M(SIGFPE) | M(SIGSEGV) | M(SIGBUS) | M(SIGSYS) |     \
     M(SIGXCPU) | M(SIGXFSZ))
#define SYNCHRONOUS (M(SIGSEGV) | M(SIGBUS) | M(SIGILL) | M(SIGTRAP) | M(SIGFPE) | M(SIGSYS))
/* Process 1 takes only signals that it handles, until it makes a fault of its own. */
static inline bool is_unkillable(const struct task_struct *t) {
    return t->signal->unkillable && !t->signal->at_fault;
}
#define UNBLOCKABLE (M(SIGKILL) | M(SIGSTOP))
#define SIG_DFL_ 0
#define SIG_IGN_ 1

/* sighand->lock held by the caller of all but do_stop. */
void remove_signals(struct sigpending *p, u64 mask); /* forget the pending signals in mask */
bool ignored(struct task_struct *t, int sig);        /* t's action for sig is to do nothing */
/* Take one pending signal of current that is in mask: its number, *info filled in; or 0. */
int dequeue_locked(u64 mask, struct abi_siginfo *info);
void start_group_stop(int sig);    /* ask every thread of current's group to stop */
bool participate_group_stop(void); /* current's stop is counted; true: the whole group has stopped now */
void do_stop(void);                /* current's part in a stop; takes the locks itself, may sleep */
void notify_continued(void);       /* SIGCONT came: tell the parent, once; takes the locks itself */
