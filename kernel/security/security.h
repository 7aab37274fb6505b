/* Security policies (C2). seccomp looks at every system call of a task that asked for it. Landlock
 * (landlock.c) is asked by hooks, where the kernel is about to do something with a path or another task. */
#pragma once
#include "../core/task.h"

/* --- seccomp.c --- */
/* The call in tf, whose first argument is in orig_a0, may be made. Else a0 has its result, or the task has
 * ended. May sleep. */
bool seccomp_allows(struct trapframe *tf);
void copy_seccomp(struct task_struct *p); /* current's sighand->lock held */
void put_seccomp(struct task_struct *t);
long prctl_set_seccomp(u64 mode, u64 prog);
u32 seccomp_filters(struct task_struct *t); /* how many; takes tasklist_lock */

/* --- keys.c --- */
void copy_keys(struct task_struct *p);            /* C19: the session's keyring alone. May sleep */
void exec_keys(void);                             /* current's thread and process keyrings are dropped */
void exit_keys(struct task_struct *t, bool last); /* all of t's; last: its process's. May sleep */
void keys_end(void);

/* --- the hooks --- */
struct path;
/* What a policy may have a say in, in the order of the checklist. A hook gives 0 or -errno; NULL: it does not
 * care. */
struct security_ops {
    const char *name;
    int (*task_create)(u64 flags);                       /* C2: do_fork, before anything is taken */
    int (*task_alloc)(struct task_struct *p, u64 flags); /* C2: p has its credentials; it is not seen yet */
    void (*task_free)(struct task_struct *p);            /* p ends, or was not made; any context */
    int (*exec)(const struct path *p); /* a program, or its interpreter, is about to be run */
    int (*path)(const struct path *p,
                u32 access); /* LANDLOCK_ACCESS_FS_*: a file is opened, a directory changed */
    int (*across)(const struct path *from,
                  const struct path *to);        /* a name goes from one directory to another */
    int (*mount)(void);                          /* the tree of mounts is about to change */
    int (*kill)(struct task_struct *t, int sig); /* tasklist_lock held */
    int (*ptrace)(struct task_struct *tracer,
                  struct task_struct *t); /* it looks into t; alloc_lock or tasklist_lock held */
};
int security_task_create(u64 flags);
int security_task_alloc(struct task_struct *p, u64 flags);
void security_task_free(struct task_struct *p);
int security_exec(const struct path *p);
int security_path(const struct path *p, u32 access);
int security_across(const struct path *from, const struct path *to);
int security_mount(void);
int security_kill(struct task_struct *t, int sig);
int security_ptrace(struct task_struct *tracer, struct task_struct *t);

/* --- landlock.c --- */
extern const struct security_ops landlock_ops;
void put_landlock(struct landlock_layer *l); /* any context: what it holds is put by landlock_reap */
void get_landlock(struct landlock_layer *l);
void landlock_reap(void); /* may sleep */
/* --- refuse.c, in the checked build: /proc/sys/debug/refuse --- */
extern const struct security_ops refuse_ops;
extern u32 refuse_hook, refuse_errno; /* which hook fails, by its place above, and how; 0: none */
extern pid_t refuse_tgid;
