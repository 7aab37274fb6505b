/* Task life: the task, what tasks share, and the functions of the path from do_fork to release_task. */
#pragma once
#include "../debug/ftrace.h"
#include "../mm/mm.h"
#include "../sched/sched.h"
#include <abi/signal.h>

struct file;
struct path;

/* Supplementary groups: never changed, shared by the credentials that have them (C5). */
struct group_info {
    atomic_t refcount;
    u32 n;
    gid_t gid[];
};
/* Credentials: immutable once published; a change makes a new one (counted). */
struct cred {
    atomic_t refcount;
    uid_t uid, euid, suid, fsuid;
    gid_t gid, egid, sgid, fsgid;
    u64 cap_effective, cap_permitted, cap_inheritable;
    u64 cap_bset; /* the bounding set: what an exec can give */
    struct user_struct *user;
    struct user_namespace *user_ns;  /* counted: where the capabilities are */
    struct group_info *groups;       /* counted */
    struct landlock_layer *landlock; /* counted, or NULL */
};
/* C4: how many processes a real user has. */
struct user_struct {
    uid_t uid;
    atomic_t refcount, processes, inotify_instances, inotify_watches;
    atomic_t pipe_pages; /* what its pipes may hold: fs.pipe-user-pages-soft, -hard */
    atomic_t sigpending; /* queued signals and timers of timer_create: RLIMIT_SIGPENDING */
    atomic_t epoll_watches; /* fs.epoll.max_user_watches */
    atomic64_t ipc_bytes;   /* its messages and sets of semaphores: ipc_charge */
    struct list_head link;
};
#define CAP_CHOWN 0
#define CAP_DAC_OVERRIDE 1
#define CAP_DAC_READ_SEARCH 2
#define CAP_FOWNER 3
#define CAP_FSETID 4
#define CAP_KILL 5
#define CAP_SETGID 6
#define CAP_SETUID 7
#define CAP_SETPCAP 8
#define CAP_IPC_LOCK 14
#define CAP_IPC_OWNER 15
#define CAP_SYS_CHROOT 18
#define CAP_SYS_PTRACE 19
#define CAP_SYS_PACCT 20
#define CAP_SYS_ADMIN 21
#define CAP_SYS_BOOT 22
#define CAP_SYS_NICE 23
#define CAP_SYS_RESOURCE 24
#define CAP_SYS_TIME 25
#define CAP_SYS_TTY_CONFIG 26
#define CAP_MKNOD 27
#define CAP_SETFCAP 31
#define CAP_LAST_CAP 40
#define CAP_FULL (BIT(CAP_LAST_CAP + 1) - 1)
bool capable(int cap); /* in the first user namespace; see user_namespace.h for the others */
static inline struct cred *get_cred(struct cred *c) {
    atomic_inc(&c->refcount);
    return c;
}
void put_cred(struct cred *c);
struct cred *prepare_cred(void); /* a copy of current's, to change; NULL: no memory */
int commit_cred(struct cred *c); /* current's from now on; takes c over. 0 */
long prctl_capbset_read(u64 cap), prctl_capbset_drop(u64 cap);
/* alloc_lock and tasklist_lock held: current's credentials are c, and mm is its memory or NULL, from now on,
 * for every observer at once. If that changes its rights, mm becomes undumpable, and what others chose for it
 * before (its death signal, its children's exit signals) ends. Takes c over; the old ones are the caller's to
 * put.
 */
void publish_cred(struct cred *c, struct mm_struct *mm);
bool in_group(const struct cred *c, gid_t gid);
/* Are c's real, effective and saved ids all these? */
static inline bool cred_same_ids(const struct cred *c, uid_t uid, gid_t gid) {
    return uid == c->uid && uid == c->euid && uid == c->suid && gid == c->gid && gid == c->egid &&
           gid == c->sgid;
}
int copy_creds(u64 flags, struct task_struct *p); /* C5: p's, counted: 0, or create_user_ns's errors */

/* C15: descriptors. Shared by CLONE_FILES. */
#define FIRST_SLOTS 64
struct files_struct {
    atomic_t refcount;
    spinlock_t lock;
    u32 size; /* slots there is room for */
    u32 top;  /* slots used up to now: those from here on have never been written */
    u32 next; /* no slot below is free */
    struct file **fd;
    u64 *cloexec;                       /* bit map */
    u64 first_cloexec;                  /* for as many slots as most processes use, */
    struct file *first_fd[FIRST_SLOTS]; /* what fd and cloexec point to */
};
/* C16: current directory, root, umask. Shared by CLONE_FS. */
struct fs_struct {
    atomic_t refcount;
    spinlock_t lock;
    u32 umask;
    struct path *cwd, *root;
};
/* C17: what signals do. Shared by CLONE_SIGHAND; lock guards also the pending sets of every task that
 * shares it, and the signal_struct. */
struct sighand_struct {
    atomic_t refcount;
    spinlock_t lock;
    u64 set; /* the actions that may be other than zero: fork copies these alone */
    struct abi_sigaction action[_NSIG];
};
struct sigpending {
    u64 signal;
    struct list_head queue;
};
struct sigqueue {
    struct list_head link; /* empty: it does not wait */
    struct abi_siginfo info;
    struct user_struct *user;  /* whose sigpending counts it */
    struct posix_timer *timer; /* whose own it is, or NULL: it is freed when it is taken */
};
struct tty;
/* What was read [0] and written [1]: by calls, how many of them, and from and to disks. */
struct io_accounting {
    u64 chars[2], calls[2], bytes[2];
};
static inline void add_io(struct io_accounting *to, const struct io_accounting *from) {
    for (int i = 0; i < 2; i++)
        to->chars[i] += from->chars[i], to->calls[i] += from->calls[i], to->bytes[i] += from->bytes[i];
}
/* C17: what all threads of a process share. */
struct signal_struct {
    atomic_t refcount;
    u32 nr_threads;               /* linked threads: tasklist_lock */
    u32 live;                     /* those that have not begun to exit: tasklist_lock */
    struct list_head thread_head; /* tasklist_lock */
    struct wait_queue_head wait_chldexit;
    struct sigpending shared_pending;
    struct wait_queue_head sigfd_wait;
    s32 group_exit_code;
    bool group_exit;                 /* every thread must die */
    bool unkillable;                 /* process 1 of a namespace: it takes only what it handles */
    bool at_fault;                   /* it made a trap that it does not handle: process 1 too may end */
    struct task_struct *group_exec;  /* the thread that execs and survives */
    struct task_struct *core_dumper; /* who writes the core file; the others wait in do_exit */
    u32 core_running;                /* of these, how many have not come there */
    u32 group_stop_count;            /* threads yet to stop */
    bool stopped;                    /* the stop is complete */
    s32 stop_code;
    bool stop_report, cont_report, cont_notify; /* wait has news */
    struct rlimit rlim[RLIM_NLIMITS];
    struct tty *tty; /* tasklist_lock */
    /* itimer.c: timer_lock; the list also sighand->lock */
    struct mutex timer_lock;
    struct list_head posix_timers;
    struct posix_timer *itimer[3], *cpu_limit; /* made at first use */
    u32 nr_timers, next_timer;
    u64 cpu_look;     /* ns: when to look at the timers on processor time; FOREVER: there are none */
    bool has_timers;  /* one was made: the others need not be looked for at the end */
    bool timers_gone; /* the process ended: no more are made */
    struct task_struct *leader;
    pid_t pgid, sid; /* tasklist_lock */
    bool session_leader, child_subreaper, did_exec;
    u64 cutime, cstime, cmin_flt, cnvcsw, cnivcsw, cmaxrss; /* reaped children */
    u64 utime, stime, min_flt, nvcsw, nivcsw;               /* threads already gone */
    u64 maxrss;
    struct io_accounting io; /* threads already gone */
    struct key *keyring;     /* the process's, counted, or NULL: keys_mutex */
    s32 oom_score_adj;
};

struct restart_block {
    long (*fn)(struct restart_block *);
    u64 deadline;
    u32 clock;
    u64 uaddr, a[4];
};

/* A task: a process or a thread (E7). Fields are grouped under what guards them. */
struct task_struct {
    struct thread_info ti; /* first: assembly knows it */
    /* run-queue lock of ti.cpu */
    u32 state;
    struct sched_entity se;
    struct mm_struct *mm, *active_mm; /* own; active_mm: whose root is loaded */
    /* private to the task itself */
    void *stack; /* top of the slot */
    u32 task_flags;
    struct blk_plug *plug; /* its own: requests that are kept back, or NULL */
    bool in_reclaim;
    u32 journal_depth;              /* handles of a journal, one inside another; */
    struct super_block *journal_sb; /* all of one file system */
    u32 journal_pages;              /* that they brought into the transaction */
    u64 utime, stime, acct_stamp;   /* ns */
    u64 min_flt;
    struct io_accounting io;
    struct restart_block restart;
#ifdef CONFIG_FUNCTION_TRACER
    struct ftrace_task ftrace;
#endif
#ifdef CONFIG_DEBUG
    struct sleep_locks sleep_locks;
#endif
    u64 set_child_tid, clear_child_tid, robust_list;
    u64 saved_sigmask;
    bool restore_sigmask;
    struct abi_stack altstack;
    u32 personality;
    struct mempolicy *mempolicy;    /* counted, or NULL; others look at it under alloc_lock */
    struct mempolicy *range_policy; /* that of the range whose fault is served */
    u64 range_index, next_node;
    /* identity: fixed after creation, but for exec by a thread (tasklist_lock) */
    pid_t pid, tgid;
    pid_t ppid; /* real_parent's tgid as the task sees it; changes under tasklist_lock, is read without */
    pid_t vpid, vtgid;            /* the same as the task itself sees them, in its namespace */
    struct pid_namespace *pid_ns; /* counted */
    atomic_t refcount;
    char comm[16];
    u64 start_time;
    s32 exit_signal; /* -1: a thread */
    s32 pdeath_signal;
    bool forknoexec;
    struct {
        u32 mode;                      /* SECCOMP_MODE_* */
        struct seccomp_filter *filter; /* counted */
    } seccomp;                         /* sighand->lock; see security/seccomp.c */
    bool no_new_privs;                 /* exec gives it no more rights than it has */
    u32 parent_exec_id, self_exec_id;  /* its parent's when it was made; counts execs, changes of rights */
    /* shared objects: task_lock (alloc_lock) to change or to look at another task's */
    spinlock_t alloc_lock;
    struct cred *cred; /* changes under both alloc_lock and tasklist_lock; others hold one of them */
    struct files_struct *files;
    struct fs_struct *fs;
    struct sighand_struct *sighand; /* NULL once reaped: sighand lock and tasklist_lock */
    struct signal_struct *signal;
    struct {
        struct key *thread, *session; /* counted, or NULL: keys_mutex */
    } keyring;
    struct cgroup *cgroup;           /* counted unless the root: tasklist_lock, sighand->lock */
    struct nsproxy *nsproxy;         /* NULL once it has ended */
    struct sem_undo_list *sysvsem;   /* or NULL; ipc/sem.c */
    struct pi_waiter *pi_blocked_on; /* futex_pi.c's lock: what it waits for; who waits for it */
    struct list_head pi_waiters;
    /* sighand->lock */
    u64 blocked;
    struct sigpending pending;
    bool stop_pending, core_parked;
    u32 jobctl;       /* JOBCTL_*: see ptrace.h, as for the next four */
    u32 ptrace;       /* to change: tasklist_lock too */
    struct step step; /* private to the task itself */
    s32 ptrace_code;
    u64 ptrace_message;
    struct abi_siginfo *last_siginfo;
    /* tasklist_lock */
    struct task_struct *real_parent, *group_leader;
    struct task_struct *parent; /* who is told of its stops and its end: the tracer, else real_parent */
    struct list_head ptraced, ptrace_entry; /* whom it traces; itself in its tracer's list */
    struct cred *ptracer_cred; /* counted while it is traced: its tracer's, as of when that began */
    struct list_head children, sibling, thread_link, tasks;
    s32 exit_code, exit_state;
    struct wait_queue_head pidfd_wait;
    /* D4 */
    struct completion *vfork_done; /* alloc_lock */
    /* The last: fork copies it only where it is used, while the frame's sstatus.FS is not off. */
    struct fpu_state fpu;
};
_Static_assert(offsetof(struct task_struct, ti.preempt_count) == TASK_PREEMPT, "csr.h");
_Static_assert(offsetof(struct task_struct, ti.kernel_sp) == TASK_KERNEL_SP, "csr.h");
_Static_assert(offsetof(struct task_struct, ti.trap_sp) == TASK_TRAP_SP, "csr.h");
_Static_assert(offsetof(struct task_struct, ti.ctx) == TASK_CONTEXT, "csr.h");
_Static_assert(sizeof(struct trapframe) == TF_SIZE, "csr.h");
#define PF_KTHREAD 1u
#define PF_EXITING 2u
#define PF_SUPERPRIV 4u
#define PF_IDLE 8u
#define PF_FUTEX_DONE 16u /* it ends, and has said what becomes of its futexes */

#define EXIT_ZOMBIE 1
#define EXIT_DEAD 2

extern struct task_struct init_task;     /* the boot hart's idle task, pid 0 */
extern struct task_struct *child_reaper; /* pid 1 */
extern spinlock_t tasklist_lock;         /* taken with interrupts off */
extern struct list_head task_list;       /* group leaders, through tasks */
extern u32 nr_threads, max_threads, pid_max;
extern u64 total_forks;

#define task_trapframe(t) ((struct trapframe *)(t)->ti.kernel_sp)
static inline void get_task(struct task_struct *t) { atomic_inc(&t->refcount); }
void put_task(struct task_struct *t);
static inline bool test_tif(struct task_struct *t, u32 f) {
    return (__atomic_load_n(&t->ti.flags, __ATOMIC_RELAXED) & f) != 0;
}
static inline void set_tif(struct task_struct *t, u32 f) {
    __atomic_fetch_or(&t->ti.flags, f, __ATOMIC_SEQ_CST);
}
static inline void clear_tif(struct task_struct *t, u32 f) {
    __atomic_fetch_and(&t->ti.flags, ~f, __ATOMIC_SEQ_CST);
}
static inline bool signal_pending(struct task_struct *t) { return test_tif(t, TIF_SIGPENDING); }
static inline bool fatal_signal_pending(struct task_struct *t) {
    return signal_pending(t) && (t->pending.signal & BIT(SIGKILL - 1));
}
static inline void set_current_state(u32 s) { __atomic_store_n(&current->state, s, __ATOMIC_SEQ_CST); }
static inline u64 rlimit(int which) { return READ_ONCE(current->signal->rlim[which].rlim_cur); }

/* --- fork.c --- */
struct kernel_clone_args {
    u64 flags; /* CLONE_*, exit signal not included */
    s32 exit_signal;
    u64 pidfd, child_tid, parent_tid, stack, stack_size, tls;
    const pid_t *set_tid; /* numbers to have, from the innermost namespace outwards */
    u32 set_tid_size;
    int (*fn)(void *); /* a kernel thread's function */
    void *fn_arg;
    const char *name;      /* and its comm */
    struct cgroup *cgroup; /* CLONE_INTO_CGROUP: counted, do_fork's caller's; or NULL */
    int trace_event;       /* PTRACE_EVENT_* that the caller's tracer wants to see, or 0; do_fork finds it */
};
/* Make a task as args say and start it. Its pid, or -errno. May sleep. */
long do_fork(struct kernel_clone_args *args);
/* The new task, not yet running, or ERR_PTR. Not inlined: `tine fork-walk` stops at its first
 * instruction. */
noinline struct task_struct *copy_process(struct kernel_clone_args *args);
void copy_thread(struct task_struct *p, const struct kernel_clone_args *args);
/* A task in the kernel alone, by do_fork: fn(arg), then exit with its result. Its pid or -errno. */
pid_t kernel_thread(int (*fn)(void *), void *arg, const char *name, u64 flags);
struct task_struct *fork_idle(unsigned int hart);
void fork_init(void);
void pid_init(void);                                          /* boot, process 1 */
void mm_release(struct task_struct *t, struct mm_struct *mm); /* X1 */
void flush_fpu(struct task_struct *t);                        /* the live registers to t->fpu; t is current */

/* --- exit.c, wait.c --- */
/* tasklist_lock held: t's real parent is `parent` from now on, and its tracer stays. */
void set_real_parent(struct task_struct *t, struct task_struct *parent);
void reap_children(void); /* current's dead children, with nobody told. May sleep */
__noreturn void do_exit(s32 code);
__noreturn void do_group_exit(s32 code);
void release_task(struct task_struct *t);
void do_notify_parent(struct task_struct *t, s32 sig); /* tasklist_lock held */
void put_files(struct files_struct *f);
void put_fs(struct fs_struct *f);
void free_fs_struct(struct fs_struct *f); /* its last count is gone */
void put_sighand(struct sighand_struct *s);
struct sighand_struct *alloc_sighand(void);
/* main.c: init is gone: power off. It may go if it was told to (end_init). */
extern bool init_may_end;
__noreturn void init_ended(s32 code);
__noreturn void power_off(s32 status); /* everything written; 0 to 255, QEMU's exit status. May sleep. */
__noreturn void restart(void);         /* everything written. May sleep. */
void put_signal(struct signal_struct *s);
struct mm_struct *get_task_mm(struct task_struct *t); /* counted, or NULL */

/* --- pid.c --- Caller of find_task holds tasklist_lock. */
struct pid_namespace;
/* -EAGAIN, -EEXIST, -EINVAL, -ENOMEM, -EPERM */
pid_t alloc_pid(struct pid_namespace *ns, const pid_t *want, u32 n);
/* What number nr of the first namespace is in another, in current's (which may be less deep): 0: it is not
 * seen there. tasklist_lock held; task_pid_vnr takes it. And back: -1: there is none. */
pid_t pid_nr_ns(pid_t nr, const struct pid_namespace *ns);
pid_t nested_pid_vnr(struct task_struct *t), nested_pid_from_user(pid_t nr);
#define pid_vnr(nr) (likely(current->pid_ns == &init_pid_ns) ? (nr) : pid_nr_ns(nr, current->pid_ns))
#define task_pid_vnr(t) (likely(current->pid_ns == &init_pid_ns) ? (t)->pid : nested_pid_vnr(t))
#define pid_from_user(nr) (likely(current->pid_ns == &init_pid_ns) ? (nr) : nested_pid_from_user(nr))
extern struct pid_namespace init_pid_ns;
void zap_pid_ns_processes(void);
struct task_struct *get_task_in(struct pid_namespace *ns, pid_t nr); /* counted */
void free_pid(pid_t pid);
void attach_pid(struct task_struct *t);
void detach_pid(struct task_struct *t);
struct task_struct *find_task(pid_t pid);       /* by current's numbers */
struct task_struct *get_task_by_pid(pid_t pid); /* the same, counted; takes the lock itself */
struct task_struct *next_task(struct pid_namespace *ns, pid_t *pid,
                              bool threads); /* counted, with a number >= *pid */
bool pgrp_exists(pid_t pgid, pid_t sid);
void syscall_work_update(void); /* trace_mask or what is audited changed: tell every task */
bool is_orphaned_pgrp(pid_t pgid, struct task_struct *ignoring);
#define for_each_process(t) list_for_each_entry(t, &task_list, tasks)
#define for_each_thread(t, sig) list_for_each_entry(t, &(sig)->thread_head, thread_link)
#define READ_TASKS(flags) u64 flags = spin_lock_irqsave(&tasklist_lock)
#define READ_TASKS_END(flags) spin_unlock_irqrestore(&tasklist_lock, flags)

/* --- signal.c --- */
/* Send to a thread (group false) or a process. info NULL: from the kernel. 0 or -errno. */
/* As send_signal, for who holds t's sighand->lock. */
int send_signal_locked(int sig, const struct abi_siginfo *info, struct task_struct *t, bool group);
/* itimer.c. The timers of s end: at exec those of timer_create, at exit all. */
void timers_release(struct signal_struct *s, bool all);
int cpu_limit_start(struct signal_struct *s); /* RLIMIT_CPU has a value: 0 or -ENOMEM */
/* With sighand->lock held, current's but for the first: the signal of a timer is taken (info: filled in: how
 * many expirations it stands for) or dropped (NULL); a SIGALRM is taken; sig is no longer ignored. */
void posix_timer_taken(struct posix_timer *pt, struct abi_siginfo *info);
void itimer_taken(void);
void posix_timers_heeded(int sig);
/* In an interrupt: current's process has timers on processor time; look, if it is time. When to look again,
 * in ns of ktime_get, or FOREVER. */
u64 cpu_timers_look(void);
/* A limit in seconds as ns. */
static inline u64 rlim_seconds(u64 s) { return s > 4000000000UL ? ~0UL : s * 1000000000UL; }
int send_signal(int sig, const struct abi_siginfo *info, struct task_struct *t, bool group);
int send_signal_locked(int sig, const struct abi_siginfo *info, struct task_struct *t, bool group);
/* A queue entry that counts for t's user, whose number is limited unless forced; or NULL. tasklist_lock held,
 * or t is current. */
struct sigqueue *sigqueue_alloc(struct task_struct *t, bool forced, u32 gfp);
/* A timer's own: queue it, unless t ignores it. t's sighand->lock held. And the timer, of s, ends: q is
 * freed, now or when it is taken. */
void send_sigqueue(struct sigqueue *q, struct task_struct *t, bool group);
void sigqueue_release(struct sigqueue *q, struct signal_struct *s);
int kill_pgrp(int sig, const struct abi_siginfo *info, pid_t pgid); /* takes tasklist_lock */
int kill_pgrp_locked(int sig, const struct abi_siginfo *info, pid_t pgid);
void force_signal(int sig, int code, u64 addr); /* to current; cannot be blocked or ignored */
void force_siginfo(const struct abi_siginfo *info);
void do_signal(struct trapframe *tf);
void recalc_sigpending(void);
void flush_sigqueue(struct sigpending *p);
void flush_handlers(struct sighand_struct *s);
/* sighand lock held, or nobody else has it: who stores an action says so. */
static inline struct abi_sigaction *change_action(struct sighand_struct *s, int sig) {
    s->set |= BIT(sig - 1);
    return &s->action[sig - 1];
}
void copy_actions(struct sighand_struct *to,
                  const struct sighand_struct *from); /* to: new. from's lock held */
void zap_other_threads(struct task_struct *t);        /* sighand lock held */
void signal_wake_up(struct task_struct *t, bool fatal);
bool sig_ignored_by(struct task_struct *t, int sig);
void set_blocked(u64 mask);
void signals_init(void);
u64 signals_for_fd(struct task_struct *t, u64 mask);
int dequeue_signal(u64 mask, struct abi_siginfo *info); /* takes the lock */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

/* --- acct.c --- */
bool acct_on(void);
void acct_process(s32 code); /* current's process ends with code: its record is written. May sleep */
void acct_stop(void);
/* --- audit.c --- */
struct record;
bool audit_enabled(void);
/* Around a system call of a task with SYSCALL_WORK_AUDIT. entry: NULL if it is not to be recorded; else exit
 * takes it over. */
struct record *audit_entry(const struct trapframe *tf);
void audit_exit(struct record *r, s64 result);
void audit_init(void), audit_stop(void);
/* --- coredump.c --- */
/* A signal whose action is to dump core: write one if allowed. The group is ending from now on. The exit
 * code: the signal, with 0x80 where there is a core file. May sleep. */
s32 do_coredump(const struct abi_siginfo *info);
/* In do_exit while another thread dumps: wait for it. Holds sighand->lock, interrupts off, and drops it
 * meanwhile. */
void coredump_park(void);
/* --- ipc/sem.c --- */
int copy_semundo(u64 flags,
                 struct task_struct *p); /* C14: p's undo list, shared with current's or none. 0 or -ENOMEM */
void exit_sem(struct task_struct *t);    /* t lets go of it; the last to do so undoes. May sleep */
/* --- exec.c --- */
int kernel_execve(const char *path, const char *const *argv, const char *const *envp);
/* --- futex.c --- */
void futex_init(void);
long futex_wake_addr(u64 uaddr, int n, bool shared);
void exit_robust_list(struct task_struct *t);
/* --- cred.c --- */
extern struct cred init_cred;
struct user_struct *find_user(uid_t uid);
void put_user_struct(struct user_struct *u);
void creds_init(void);
/* --- time.c --- */
u64 ktime_get_real(void);
/* Processor time of all threads, gone ones too, in ns. tasklist_lock held. */
u64 process_runtime(struct signal_struct *s);
void clock_init(void);
void account_time(bool to_user);
u64 timespec_to_ns(const struct abi_timespec *ts); /* FOREVER when too large */
struct abi_timespec ns_to_timespec(u64 ns);
int get_timespec(struct abi_timespec *ts, u64 uaddr); /* -EFAULT, -EINVAL */
extern struct page *vdso_pages[];
extern unsigned int vdso_npages;
extern u64 vdso_sigreturn_offset;
void vdso_init(void);
/* --- others' needs --- */
u64 table_cached_pages(void);
pte_t *root_alloc(void);
void root_free(pte_t *root);
void mmap_init(void), mempolicy_init(void), fault_init(void), filemap_init(void);
void page_mkclean(struct address_space *m, struct page *p);
struct cgroup;
bool out_of_memory(struct cgroup *in); /* in that group, or (NULL) of all; true: something is being killed */
__noreturn void machine_power_off(int status);
__noreturn void machine_restart(void);
