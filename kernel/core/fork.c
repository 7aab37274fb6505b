/* The life of a task begins here: do_fork -> copy_process -> copy_thread -> wake_up_new_task, and on the
 * other side ret_from_fork -> schedule_tail. Row numbers (C1, ...) are those of docs/fork-path.md.
 *
 * copy_process: every refusal first, then one copy_* for each thing that CLONE_* can share, then a line
 * from which nothing can fail, then the child is linked and visible. Errors leave by one label for each
 * thing taken, in reverse. Until wake_up_new_task nobody but the caller can reach the child's memory; after
 * it the child may be gone, so its pid is read before. */
#include "cgroup.h"
#include "futex.h"
#include "nsproxy.h"
#include "ptrace.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "../fs/fs.h"
#include "../security/security.h"
#include <abi/errno.h>
#include <clone_flags.h>

void pid_get(pid_t nr), pid_put(pid_t nr);
extern char init_stack[];

static struct fs_struct init_fs = {.refcount = {1}, .lock = SPINLOCK_INIT(RANK_FILES), .umask = 022};
static struct files_struct init_files;
static struct sighand_struct init_sighand = {.refcount = {1}, .lock = SPINLOCK_INIT(RANK_SIGHAND)};
static struct signal_struct init_signal = {.refcount = {1}, .nr_threads = 1};
struct task_struct init_task = {
    .ti = {.preempt_count = 1},
    .active_mm = &init_mm,
    .stack = init_stack + STACK_SLOT,
    .se = {.affinity = ~0UL},
    .refcount = {2},
    .comm = "idle/0",
    .task_flags = PF_KTHREAD | PF_IDLE,
    .cred = &init_cred,
    .files = &init_files,
    .fs = &init_fs,
    .sighand = &init_sighand,
    .signal = &init_signal,
    .nsproxy = &init_nsproxy,
    .cgroup = &root_cgroup,
    .pid_ns = &init_pid_ns,
    .real_parent = &init_task,
    .parent = &init_task,
    .group_leader = &init_task,
    .alloc_lock = SPINLOCK_INIT(RANK_TASK),
    .children = LIST_HEAD_INIT(init_task.children),
    .sibling = LIST_HEAD_INIT(init_task.sibling),
    .ptraced = LIST_HEAD_INIT(init_task.ptraced),
    .ptrace_entry = LIST_HEAD_INIT(init_task.ptrace_entry),
};
struct task_struct *child_reaper = &init_task;
spinlock_t tasklist_lock = SPINLOCK_INIT(RANK_TASKLIST);
LIST_HEAD(task_list);
u32 nr_threads, max_threads;
u64 total_forks;
static struct kmem_cache *task_cache, *signal_cache, *sighand_cache, *files_cache;

static void sighand_ctor(void *s) { memset(s, 0, sizeof(struct sighand_struct)); }
void fork_init(void) {
    task_cache = kmem_cache_create("task_struct", sizeof(struct task_struct));
    signal_cache = kmem_cache_create("signal_struct", sizeof(struct signal_struct));
    sighand_cache = kmem_cache_create_ctor("sighand_struct", sizeof(struct sighand_struct), sighand_ctor);
    fdtable_init(&init_files);
    files_cache = kmem_cache_create("files_struct", sizeof(struct files_struct));
    max_threads = (max_pfn - min_pfn) / (8 * STACK_SIZE / PAGE_SIZE); /* C6: stacks take at most 1/8 */
    max_threads = max(max_threads, 64u);
    for (int i = 0; i < RLIM_NLIMITS; i++)
        init_signal.rlim[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    init_signal.rlim[RLIMIT_STACK].rlim_cur = 8 << 20;
    init_signal.rlim[RLIMIT_NOFILE] = (struct rlimit){1024, 4096};
    init_signal.rlim[RLIMIT_MEMLOCK] = (struct rlimit){8 << 20, 8 << 20};
    init_signal.rlim[RLIMIT_CORE].rlim_cur = 0;
    init_signal.rlim[RLIMIT_NPROC] = (struct rlimit){max_threads / 2, max_threads / 2};
    init_signal.rlim[RLIMIT_SIGPENDING] = init_signal.rlim[RLIMIT_NPROC];
    init_signal.cpu_look = FOREVER;
    INIT_LIST_HEAD(&init_signal.thread_head);
    INIT_LIST_HEAD(&init_signal.shared_pending.queue);
    INIT_LIST_HEAD(&init_signal.posix_timers);
    INIT_LIST_HEAD(&init_task.pending.queue);
    INIT_LIST_HEAD(&init_task.pi_waiters);
    init_waitqueue(&init_signal.wait_chldexit);
    init_waitqueue(&init_signal.sigfd_wait);
    init_waitqueue(&init_task.pidfd_wait);
    init_signal.leader = &init_task;
}

/* --- the shared objects and their puts --- */
void put_sighand(struct sighand_struct *s) {
    if (!atomic_dec_and_test(&s->refcount))
        return;
    for (; s->set; s->set &= s->set - 1)
        s->action[ctz64(s->set)] = (struct abi_sigaction){0};
    for (u32 i = 0; IS_DEBUG && i < _NSIG; i++) /* who stored one without change_action? */
        DEBUG_ON(s->action[i].handler || s->action[i].flags || s->action[i].mask);
    kmem_cache_free(sighand_cache, s);
}
void put_signal(struct signal_struct *s) {
    if (!atomic_dec_and_test(&s->refcount))
        return;
    if (s->has_timers) /* a fork that failed; else release_task did it, and no more were made */
        timers_release(s, true);
    flush_sigqueue(&s->shared_pending);
    kmem_cache_free(signal_cache, s);
}
void free_fs_struct(struct fs_struct *fs) {
    free_fs_paths(fs);
    kfree(fs);
}
void put_fs(struct fs_struct *fs) {
    if (atomic_dec_and_test(&fs->refcount))
        free_fs_struct(fs);
}

void put_task(struct task_struct *t) {
    if (!atomic_dec_and_test(&t->refcount))
        return;
    DEBUG_ON(t == current || t->se.on_rq);
    put_cred(t->cred);
    put_signal(t->signal);
    if (unlikely(t->pid_ns != &init_pid_ns))
        put_pid_ns(t->pid_ns);
    if (unlikely(t->seccomp.filter))
        put_seccomp(t);
    put_mempolicy(t->mempolicy);
    if (unlikely(t->se.group))
        cgroup_free(t);
    security_task_free(t);
    stack_measure(t);
    kstack_free(t->stack);
    kmem_cache_free(task_cache, t);
}

struct files_struct *alloc_files_struct(void) {
    return kmem_cache_alloc(files_cache, GFP_KERNEL);
}

static long copy_files(u64 flags, struct task_struct *p) { /* C15 */
    if (flags & CLONE_FILES) {
        atomic_inc(&p->files->refcount);
        return 0;
    }
    //@sol fork copy-files
    struct files_struct *f = alloc_files_struct();
    long r = f ? dup_fd(current->files, f) : -ENOMEM;
    if (r && f)
        kmem_cache_free(files_cache, f);
    p->files = f;
    return r;
    //@end
}
void free_files_struct(struct files_struct *f) { kmem_cache_free(files_cache, f); }

static long copy_fs(u64 flags, struct task_struct *p) { /* C16 */
    if (flags & CLONE_FS) {
        atomic_inc(&p->fs->refcount);
        return 0;
    }
    //@sol fork copy-fs
    p->fs = dup_fs_struct(current->fs);
    return p->fs ? 0 : -ENOMEM;
    //@end
}

struct sighand_struct *alloc_sighand(void) {
    struct sighand_struct *s = kmem_cache_alloc(sighand_cache, GFP_KERNEL);
    if (s) {
        atomic_set(&s->refcount, 1);
        spin_lock_init(&s->lock, RANK_SIGHAND);
    }
    return s;
}

static long copy_sighand(u64 flags, struct task_struct *p) { /* C17 */
    if (flags & CLONE_SIGHAND) {
        atomic_inc(&p->sighand->refcount);
        return 0;
    }
    struct sighand_struct *s = alloc_sighand();
    if (!s)
        return -ENOMEM;
    u64 irq = spin_lock_irqsave(&current->sighand->lock);
    copy_actions(s, current->sighand);
    spin_unlock_irqrestore(&current->sighand->lock, irq);
    if (flags & CLONE_CLEAR_SIGHAND)
        flush_handlers(s);
    p->sighand = s;
    return 0;
}

static long copy_signal(u64 flags, struct task_struct *p) { /* C17, C11 */
    if (flags & CLONE_THREAD) {
        atomic_inc(&p->signal->refcount);
        return 0;
    }
    struct signal_struct *s = kmem_cache_alloc(signal_cache, GFP_KERNEL | GFP_ZERO);
    if (!s)
        return -ENOMEM;
    atomic_set(&s->refcount, 1);
    INIT_LIST_HEAD(&s->thread_head);
    INIT_LIST_HEAD(&s->shared_pending.queue);
    init_waitqueue(&s->wait_chldexit);
    init_waitqueue(&s->sigfd_wait);
    mutex_init(&s->timer_lock);
    INIT_LIST_HEAD(&s->posix_timers);
    memcpy(s->rlim, current->signal->rlim, sizeof(s->rlim));
    s->oom_score_adj = current->signal->oom_score_adj;
    s->leader = p;
    s->cpu_look = FOREVER;
    p->signal = s;
    if (s->rlim[RLIMIT_CPU].rlim_cur != RLIM_INFINITY && cpu_limit_start(s)) {
        put_signal(s);
        return -ENOMEM;
    }
    return 0;
}

static long copy_mm(u64 flags, struct task_struct *p) { /* C18 */
    struct mm_struct *mm = current->mm;
    p->active_mm = NULL;
    p->mm = NULL;
    if (!mm || (p->task_flags & PF_KTHREAD))
        return 0;
    //@sol threads copy-mm
    if (flags & CLONE_VM)
        mmget(p->mm = mm);
    else if (!(p->mm = dup_mm(mm)))
        return -ENOMEM;
    //@end
    p->active_mm = p->mm;
    return 0;
}

void copy_thread(struct task_struct *p, const struct kernel_clone_args *args) { /* C21 */
    struct trapframe *tf = (struct trapframe *)((u64)p->stack - sizeof(*tf));
    p->ti.kernel_sp = (u64)tf;
    p->ti.ctx.ra = (u64)ret_from_fork;
    p->ti.ctx.sp = (u64)tf;
    p->ti.ctx.s[0] = (u64)args->fn; /* NULL: on to user mode */
    p->ti.ctx.s[1] = (u64)args->fn_arg;
    if (args->fn) {
        memset(tf, 0, sizeof(*tf));
        return;
    }
    //@sol fork,threads copy-thread
    *tf = *task_trapframe(current);
    tf->a0 = 0;
    if (args->stack)
        tf->sp = args->stack + args->stack_size;
    if (args->flags & CLONE_SETTLS)
        tf->tp = args->tls;
    //@end
}

/* C3: the task and its stack. */
static struct task_struct *dup_task_struct(void) {
    struct task_struct *p = kmem_cache_alloc(task_cache, GFP_KERNEL);
    if (!p)
        return NULL;
    void *stack = kstack_alloc();
    if (!stack) {
        kmem_cache_free(task_cache, p);
        return NULL;
    }
    local_irq_disable();
    memcpy(p, current, offsetof(struct task_struct, fpu));
    if (!(current->task_flags & PF_KTHREAD) && (task_trapframe(current)->sstatus & SSTATUS_FS)) {
        flush_fpu(current); /* the live floating-point registers are the child's too */
        p->fpu = current->fpu;
    }
    local_irq_enable();
    p->stack = stack;
    atomic_set(&p->refcount, 2); /* the task list's, and the hart's until the last switch */
    p->ti.flags = 0;
#ifdef CONFIG_FUNCTION_TRACER
    p->ftrace.depth = 0;
#endif
#ifdef CONFIG_DEBUG
    p->sleep_locks.n = 0;
#endif
    return p;
}

/* C1: what is not there, and combinations that make no sense: the rules of clone_flags.list. */
static long check_flags(const struct kernel_clone_args *args) {
    u64 f = args->flags;
    if (f & ~CLONE_SUPPORTED)
        return -EINVAL;
    //@sol threads check-flags
    for (u64 m = f; m; m &= m - 1) {
        const struct clone_rule *rule = &clone_rules[ctz64(m)];
        if ((f & rule->requires) != rule->requires || (f & rule->excludes))
            return -EINVAL;
    }
    //@end
    if ((f & CLONE_PARENT) && current->signal->unkillable) /* init's siblings would have no reaper */
        return -EINVAL;
    return 0;
}

/* C10, C11, C22 to C24, C26: what a new task starts with. */
static void init_child(struct task_struct *p, const struct kernel_clone_args *args) {
    u64 f = args->flags;
    p->task_flags &= ~(PF_SUPERPRIV | PF_IDLE | PF_EXITING); /* C8 */
    p->task_flags |= args->fn ? PF_KTHREAD : 0;
    if (args->name)
        strlcpy(p->comm, args->name, sizeof(p->comm));
    p->forknoexec = true;
    INIT_LIST_HEAD(&p->children);
    INIT_LIST_HEAD(&p->sibling);
    INIT_LIST_HEAD(&p->thread_link);
    INIT_LIST_HEAD(&p->tasks);
    INIT_LIST_HEAD(&p->ptraced);
    INIT_LIST_HEAD(&p->ptrace_entry);
    init_waitqueue(&p->pidfd_wait);
    INIT_LIST_HEAD(&p->pi_waiters);
    spin_lock_init(&p->alloc_lock, RANK_TASK);
    p->vfork_done = NULL;
    p->ti.fail_nth = 0;
    p->pending.signal = 0;
    INIT_LIST_HEAD(&p->pending.queue);
    p->stop_pending = p->core_parked = p->restore_sigmask = p->in_reclaim = false;
    p->journal_depth = 0;
    p->ptrace = p->jobctl = 0;
    p->ptracer_cred = NULL;
    p->ptrace_code = p->ptrace_message = 0;
    p->step.active = false;
    p->seccomp.filter = NULL; /* copy_seccomp */
    p->last_siginfo = NULL;
    p->utime = p->stime = p->min_flt = 0;
    p->io = (struct io_accounting){0};
    p->restart.fn = NULL;
    p->robust_list = 0;
    p->exit_code = p->exit_state = 0;
    p->start_time = ktime_get();
    p->set_child_tid = f & CLONE_CHILD_SETTID ? args->child_tid : 0;
    p->clear_child_tid = f & CLONE_CHILD_CLEARTID ? args->child_tid : 0;
    p->exit_signal = f & CLONE_THREAD ? -1 : args->exit_signal;
    p->pdeath_signal = 0;
    p->parent_exec_id = current->self_exec_id;
    if ((f & CLONE_VM) && !(f & CLONE_VFORK)) /* the parent's alternate stack is in use by the parent */
        p->altstack = (struct abi_stack){.ss_flags = SS_DISABLE};
}

/* C20: p's own numbers, where that is not the first namespace. */
static void enter_pid_ns(struct task_struct *p) {
    get_pid_ns(p->pid_ns = p->nsproxy->pid_ns_for_children);
    READ_TASKS(irq);
    p->vpid = pid_nr_ns(p->pid, p->pid_ns);
    READ_TASKS_END(irq);
}

/* C27 to C30, under tasklist_lock: refused at the last moment, or linked and visible. */
static long link_child(struct task_struct *p, const struct kernel_clone_args *args) {
    u64 f = args->flags;
    struct signal_struct *s = p->signal;
    long r = 0;
    READ_TASKS(irq);
    spin_lock(&current->sighand->lock);
    p->se.affinity = current->se.affinity;
    if (fatal_signal_pending(current))
        r = -EINTR;
    else if ((f & CLONE_THREAD) && (s->group_exit || s->group_exec)) /* C29 */
        r = -EAGAIN;
    p->group_leader = f & CLONE_THREAD ? current->group_leader : p;
    if (!r)
        r = cgroup_post_fork(p, args->cgroup);
    if (!r) {
        if (f & CLONE_THREAD) {
            if (s->group_stop_count || s->stopped) { /* C29: it stops before it runs */
                p->stop_pending = true;
                s->group_stop_count += s->stopped ? 0 : 1;
                set_tif(p, TIF_SIGPENDING);
            }
            s->nr_threads++;
            s->live++;
        } else {
            if (unlikely(p->pid_ns->level && p->vpid == 1)) {
                p->pid_ns->reaper = s;
                s->unkillable = true;
            }
            s->nr_threads = s->live = 1;
            s->pgid = current->signal->pgid;
            s->sid = current->signal->sid;
            s->tty = current->signal->tty;
            if (s->pgid)
                pid_get(s->pgid);
            if (s->sid)
                pid_get(s->sid);
            list_add_tail(&p->tasks, &task_list);
            s->child_subreaper = false;
        }
        list_add_tail(&p->thread_link, &s->thread_head);
        if (f & (CLONE_PARENT | CLONE_THREAD)) { /* C28 */
            set_real_parent(p, current->real_parent);
            p->parent_exec_id = current->parent_exec_id;
        } else {
            set_real_parent(p, current);
        }
        if ((f & CLONE_PARENT) && !(f & CLONE_THREAD))
            p->exit_signal = current->group_leader->exit_signal;
        if (!(f & CLONE_THREAD))
            list_add_tail(&p->sibling, &p->real_parent->children);
        p->ti.syscall_work = global_syscall_work(); /* C23 */
        copy_seccomp(p);
        ptrace_init_task(p, (f & CLONE_PTRACE) || args->trace_event); /* D2, C26 */
        attach_pid(p);
        nr_threads++;
        total_forks++;
    }
    spin_unlock(&current->sighand->lock);
    READ_TASKS_END(irq);
    return r;
}

struct task_struct *copy_process(struct kernel_clone_args *args) {
    u64 f = args->flags;
    int pidfd = -1;
    struct file *pidfile = NULL;

    long r = check_flags(args);
    if (r || (r = security_task_create(f))) /* C1, C2 */
        return ERR_PTR(r);
    r = -ENOMEM;
    struct task_struct *p = dup_task_struct();
    if (!p)
        return ERR_PTR(r);
    get_mempolicy(p->mempolicy); /* C12 */
    if ((r = copy_creds(f, p)))  /* C5 */
        goto bad_fork_task;
    r = -EAGAIN;
    s32 processes = atomic_add_return(&p->cred->user->processes, 1); /* C4 */
    if ((u64)processes > rlimit(RLIMIT_NPROC) && p->cred->user->uid && !capable(CAP_SYS_RESOURCE) &&
        !capable(CAP_SYS_ADMIN))
        goto bad_fork_count;
    if (READ_ONCE(nr_threads) >= max_threads) /* C6 */
        goto bad_fork_count;
    init_child(p, args);
    if (args->cgroup)
        get_cgroup(args->cgroup);
    if ((r = cgroup_can_fork(p, args->cgroup)))
        goto bad_fork_count;
    if ((r = security_task_alloc(p, f))) /* C2 */
        goto bad_fork_cgroup;
    sched_fork(p);                /* C25 */
    if ((r = copy_semundo(f, p))) /* C14 */
        goto bad_fork_security;
    if ((r = copy_files(f, p))) /* C15 */
        goto bad_fork_semundo;
    if ((r = copy_fs(f, p))) /* C16 */
        goto bad_fork_files;
    if ((r = copy_sighand(f, p))) /* C17 */
        goto bad_fork_fs;
    if ((r = copy_signal(f, p)))
        goto bad_fork_sighand;
    if ((r = copy_mm(f, p))) /* C18 */
        goto bad_fork_signal;
    copy_keys(p);                    /* C19 */
    if ((r = copy_namespaces(f, p))) /* C20 */
        goto bad_fork_keys;
    copy_thread(p, args);                                                              /* C21 */
    r = alloc_pid(p->nsproxy->pid_ns_for_children, args->set_tid, args->set_tid_size); /* D1 */
    if (r < 0)
        goto bad_fork_namespaces;
    p->pid = r;
    if (likely(!p->nsproxy->pid_ns_for_children->level))
        p->vpid = r;
    else
        enter_pid_ns(p);
    p->tgid = f & CLONE_THREAD ? current->tgid : p->pid; /* C13 */
    p->vtgid = f & CLONE_THREAD ? current->vtgid : p->vpid;
    if (f & CLONE_PIDFD) {
        if ((r = pidfd = get_unused_fd(O_CLOEXEC)) < 0)
            goto bad_fork_pid;
        pidfile = pidfd_file(p);
        r = PTR_ERR(pidfile);
        if (IS_ERR(pidfile))
            goto bad_fork_pidfd;
        if ((r = put_user(args->pidfd, pidfd)))
            goto bad_fork_pidfile;
    }
    if ((f & CLONE_PARENT_SETTID) && (r = put_user(args->parent_tid, (s32)task_pid_vnr(p)))) /* C9 */
        goto bad_fork_pidfile;
    TEST_POINT("fork-link");
    if ((r = link_child(p, args)))
        goto bad_fork_pidfile;

    /* From here nothing can fail: the child is linked and others may see it. */
    if (pidfile)
        fd_install(pidfd, pidfile);
    return p;

    //@sol fork copy-process-errors
bad_fork_pidfile:
    if (pidfile)
        fput(pidfile);
bad_fork_pidfd:
    if (pidfd >= 0)
        put_unused_fd(pidfd);
bad_fork_pid:
    put_pid_ns(p->pid_ns);
    free_pid(p->pid);
bad_fork_namespaces:
    put_nsproxy(p->nsproxy);
bad_fork_keys:
    exit_keys(p, false);
    if (p->mm)
        mmput(p->mm);
bad_fork_signal:
    put_signal(p->signal);
bad_fork_sighand:
    put_sighand(p->sighand);
bad_fork_fs:
    put_fs(p->fs);
bad_fork_files:
    put_files(p->files);
bad_fork_semundo:
    exit_sem(p);
bad_fork_security:
    security_task_free(p);
bad_fork_cgroup:
    cgroup_cancel_fork(p);
bad_fork_count:
    atomic_dec(&p->cred->user->processes);
    put_cred(p->cred);
bad_fork_task:
    put_mempolicy(p->mempolicy);
    kstack_free(p->stack);
    kmem_cache_free(task_cache, p);
    return ERR_PTR(r);
    //@end
}

/* D8: until the child lets go of our memory. Killable: then the child is told that nobody waits. */
static void wait_for_vfork_done(struct task_struct *child, struct completion *vfork) {
    //@sol exec vfork-wait
    if (wait_for_completion_killable(vfork)) {
        spin_lock(&child->alloc_lock);
        child->vfork_done = NULL;
        spin_unlock(&child->alloc_lock);
    }
    put_task(child);
    //@end
}

long do_fork(struct kernel_clone_args *args) {
    struct completion vfork;                                            /* D4 */
    if (unlikely(current->ptrace) && !(args->flags & CLONE_UNTRACED)) { /* D2 */
        int event = args->flags & CLONE_VFORK      ? PTRACE_EVENT_VFORK
                    : args->exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE
                                                   : PTRACE_EVENT_FORK;
        args->trace_event = ptrace_event_enabled(current, event) ? event : 0;
    }
    struct task_struct *p = copy_process(args);
    if (IS_ERR(p)) {
        TRACE(fork_fail, PTR_ERR(p), 0, 0);
        return PTR_ERR(p);
    }
    TRACE(fork, p->pid, p->tgid, args->flags);
    pid_t pid = p->pid, seen = task_pid_vnr(p); /* D3: p may be gone once it is woken */
    if (args->flags & CLONE_VFORK) {
        //@sol exec vfork-prepare
        init_completion(&vfork);
        p->vfork_done = &vfork;
        get_task(p);
        //@end
    }
    TEST_POINT("fork-wake");
    wake_up_new_task(p, args->flags); /* D6 */
    TEST_POINT("fork-woken");
    if (args->trace_event) /* D7 */
        ptrace_event(args->trace_event, pid);
    if (args->flags & CLONE_VFORK) {
        wait_for_vfork_done(p, &vfork);
        if (current->ptrace) /* D8 */
            ptrace_event(PTRACE_EVENT_VFORK_DONE, pid);
    }
    return seen; /* D9 */
}

/* X1: the task no longer uses mm. */
void mm_release(struct task_struct *t, struct mm_struct *mm) {
    TEST_POINT("mm-release");
    if (t->robust_list && mm)
        exit_robust_list(t);
    t->robust_list = 0;
    futex_pi_exit(t);
    //@sol threads clear-child-tid
    if (t->clear_child_tid && mm) {
        if (atomic_read(&mm->mm_users) > 1) { /* somebody is left to see it */
            put_user(t->clear_child_tid, 0u);
            futex_wake_addr(t->clear_child_tid, 1, true);
            futex_wake_addr(t->clear_child_tid, 1, false);
        }
        t->clear_child_tid = 0;
    }
    //@end
    //@sol exec vfork-done
    spin_lock(&t->alloc_lock);
    struct completion *v = t->vfork_done;
    t->vfork_done = NULL;
    if (v)
        complete(v);
    spin_unlock(&t->alloc_lock);
    //@end
}

long sys_fork(void) { /* E1 */
    struct kernel_clone_args args = {.exit_signal = SIGCHLD};
    return do_fork(&args);
}
long sys_vfork(void) { /* E2 */
    struct kernel_clone_args args = {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};
    return do_fork(&args);
}
long sys_clone(u64 flags, u64 newsp, u64 parent_tid, u64 tls, u64 child_tid) { /* E3 */
    flags &= 0xffffffffUL;
    if ((flags & CLONE_PIDFD) && (flags & CLONE_PARENT_SETTID))
        return -EINVAL;
    struct kernel_clone_args args = {
        .flags = flags & ~(u64)CSIGNAL,
        .exit_signal = flags & CSIGNAL,
        .pidfd = parent_tid,
        .parent_tid = parent_tid,
        .child_tid = child_tid,
        .stack = newsp,
        .tls = tls,
    };
    return do_fork(&args);
}

long sys_clone3(u64 uargs, u64 size) { /* E4 */
    struct clone_args a = {0};
    if (size > PAGE_SIZE)
        return -E2BIG;
    if (size < CLONE_ARGS_SIZE_VER0)
        return -EINVAL;
    long r = copy_struct_from_user(&a, sizeof(a), uargs, size);
    if (r)
        return r;
    if ((a.flags & (CSIGNAL | CLONE_DETACHED)) || a.exit_signal > _NSIG ||
        ((a.flags & CLONE_INTO_CGROUP) && (a.cgroup >> 31 || size < sizeof(a))) ||
        ((a.flags & (CLONE_THREAD | CLONE_PARENT)) && a.exit_signal) || (!a.set_tid != !a.set_tid_size) ||
        a.set_tid_size > 32 || (!a.stack != !a.stack_size) || (a.stack && !access_ok(a.stack, a.stack_size)))
        return -EINVAL;
    pid_t set_tid[32];
    if (a.set_tid_size) {
        if (a.set_tid_size > current->nsproxy->pid_ns_for_children->level + 1 + !!(a.flags & CLONE_NEWPID))
            return -EINVAL;
        if (copy_from_user(set_tid, a.set_tid, a.set_tid_size * sizeof(pid_t)))
            return -EFAULT;
        for (u64 i = 0; i < a.set_tid_size; i++)
            if (set_tid[i] < 1)
                return -EINVAL;
    }
    struct kernel_clone_args args = {
        .flags = a.flags,
        .exit_signal = a.exit_signal,
        .pidfd = a.pidfd,
        .child_tid = a.child_tid,
        .parent_tid = a.parent_tid,
        .stack = a.stack,
        .stack_size = a.stack_size,
        .tls = a.tls,
        .set_tid = set_tid,
        .set_tid_size = a.set_tid_size,
    };
    if (!(a.flags & CLONE_INTO_CGROUP))
        return do_fork(&args);
    args.cgroup = cgroup_of_fd(a.cgroup);
    if (IS_ERR(args.cgroup))
        return PTR_ERR(args.cgroup);
    r = args.cgroup->parent && args.cgroup->subtree ? -EBUSY : args.cgroup->dead ? -ENODEV : do_fork(&args);
    put_cgroup(args.cgroup);
    return r;
}

pid_t kernel_thread(int (*fn)(void *), void *arg, const char *name, u64 flags) { /* E5 */
    struct kernel_clone_args args = {
        .flags = flags | CLONE_VM | CLONE_UNTRACED, .fn = fn, .fn_arg = arg, .name = name};
    return do_fork(&args);
}

/* A kernel thread's function returned: it ends, or it exec'd and enters user mode. */
void kthread_return(int code) {
    if (!current->mm)
        do_exit((code & 0xff) << 8);
}

struct task_struct *fork_idle(unsigned int hart) {
    struct kernel_clone_args args = {.flags = CLONE_FS | CLONE_FILES, .fn = (void *)1};
    struct task_struct *p = dup_task_struct();
    if (!p)
        panic("no memory for the idle task of hart %u", hart);
    init_child(p, &args);
    copy_thread(p, &args);
    p->pid = p->tgid = 0;
    p->active_mm = &init_mm;
    mmgrab(&init_mm);
    p->group_leader = p->real_parent = p->parent = p;
    p->ti.preempt_count = 1;
    p->state = TASK_RUNNING;
    snprintf(p->comm, sizeof(p->comm), "idle/%u", hart);
    idle_init(hart, p);
    return p;
}
