/* The end of a task (X2, X4, X5): what it holds is put, children get a new parent, the parent is told,
 * and the last trace goes when somebody has read the exit status. */
#include "cgroup.h"
#include "nsproxy.h"
#include "ptrace.h"
#include "signal.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "../fs/fs.h"
#include "../security/security.h"
#include <abi/errno.h>

void pid_put(pid_t nr);

struct mm_struct *get_task_mm(struct task_struct *t) {
    spin_lock(&t->alloc_lock);
    struct mm_struct *mm = t->task_flags & PF_KTHREAD ? NULL : t->mm;
    if (mm)
        mmget(mm);
    spin_unlock(&t->alloc_lock);
    return mm;
}

static void exit_mm(void) {
    struct mm_struct *mm = current->mm;
    mm_release(current, mm);
    if (!mm)
        return;
    current->signal->maxrss = max(current->signal->maxrss, mm->hiwater_rss);
    mmgrab(mm); /* as active_mm: its root stays loaded on this hart for now */
    spin_lock(&current->alloc_lock);
    u64 irq = local_irq_save();
    current->mm = NULL;
    local_irq_restore(irq);
    spin_unlock(&current->alloc_lock);
    mmput(mm);
}

/* tasklist_lock held: a dead task leaves the pid table and its group; the caller puts it afterwards. */
static void unlink_task(struct task_struct *t) {
    struct signal_struct *s = t->signal;
    if (unlikely(t->ptrace))
        ptrace_unlink(t);
    nr_threads--;
    s->nr_threads--;
    list_del_init(&t->thread_link);
    if (t == t->group_leader) {
        list_del_init(&t->sibling);
        list_del_init(&t->tasks);
        pid_put(s->pgid);
        pid_put(s->sid);
        s->pgid = s->sid = 0;
    }
    s->utime += t->utime;
    s->stime += t->stime;
    s->min_flt += t->min_flt;
    add_io(&s->io, &t->io);
    s->nvcsw += t->se.nvcsw;
    s->nivcsw += t->se.nivcsw;
    detach_pid(t);
    cgroup_release(t);
}

void release_task(struct task_struct *t) {
    struct task_struct *leader = NULL;
    TRACE(reap, t->pid, t->exit_code, 0);
    READ_TASKS(irq);
    struct signal_struct *s = t->signal;
    struct sighand_struct *sighand = t->sighand;
    unlink_task(t);
    spin_lock(&sighand->lock);
    flush_sigqueue(&t->pending);
    t->sighand = NULL;
    spin_unlock(&sighand->lock);
    /* The last thread: its leader may have been a zombie all the while. */
    if (t != t->group_leader && s->nr_threads == 1 && t->group_leader->exit_state == EXIT_ZOMBIE) {
        do_notify_parent(leader = t->group_leader, t->group_leader->exit_signal);
        wake_up_key(&leader->pidfd_wait, 0, 1);
    }
    bool reap = leader && leader->exit_state == EXIT_DEAD;
    if (s->group_exec) /* it counts threads: tell it now that there is one less */
        wake_up_process(s->group_exec);
    READ_TASKS_END(irq);
    wake_up_key(&t->pidfd_wait, 0, 1);
    atomic_dec(&t->cred->user->processes);
    if (t == t->group_leader) { /* while it is there: a timer that fires looks at it */
        timers_release(s, true);
        epoll_forget_queue(&s->sigfd_wait);
    }
    put_sighand(sighand);
    put_task(t);
    if (reap)
        release_task(leader);
}

/* Another thread of the father's group, else the nearest subreaper above, else init. */
static struct task_struct *new_reaper(struct task_struct *father) {
    struct task_struct *t;
    for_each_thread(t, father->signal) if (t != father && !(t->task_flags & PF_EXITING)) return t;
    for (t = father->real_parent; t && t->pid > 1 && t->pid_ns == father->pid_ns; t = t->real_parent)
        if (t->signal->child_subreaper) {
            struct task_struct *u;
            for_each_thread(u, t->signal) if (!(u->task_flags & PF_EXITING)) return u;
        }
    struct signal_struct *init = father->pid_ns->reaper;
    if (father->pid_ns->level && init && init != father->signal)
        for_each_thread(t, init) if (!(t->task_flags & PF_EXITING)) return t;
    return child_reaper;
}

/* A group that loses its last outside parent while it has stopped members is sent SIGHUP and SIGCONT. */
static void check_orphaned(struct task_struct *t, struct task_struct *parent) {
    pid_t pgid = t->signal->pgid;
    struct task_struct *m;
    if (parent->signal->pgid == pgid || parent->signal->sid != t->signal->sid)
        return;
    bool has_stopped = false;
    for_each_process(m) if (m->signal->pgid == pgid && m->signal->stopped) has_stopped = true;
    if (has_stopped && is_orphaned_pgrp(pgid, t)) {
        kill_pgrp_locked(SIGHUP, NULL, pgid);
        kill_pgrp_locked(SIGCONT, NULL, pgid);
    }
}

void set_real_parent(struct task_struct *t, struct task_struct *parent) {
    t->real_parent = parent;
    if (!t->ptrace)
        t->parent = parent;
    WRITE_ONCE(t->ppid, pid_nr_ns(parent->tgid, t->pid_ns));
}
/* tasklist_lock held. Dead children that nobody will wait for go to `dead`. */
static void forget_children(struct task_struct *father, struct list_head *dead) {
    struct task_struct *c, *n;
    if (list_empty(&father->children))
        return;
    //@sol exit forget-children
    struct task_struct *reaper = new_reaper(father);
    if (reaper == father)
        panic("init ended with children left");
    bool same = reaper->signal == father->signal;
    list_for_each_entry_safe(c, n, &father->children, sibling) {
        struct task_struct *t;
        for_each_thread(t, c->signal) {
            set_real_parent(t, reaper);
            if (t->pdeath_signal)
                send_signal(t->pdeath_signal, NULL, t, true);
        }
        list_del(&c->sibling);
        list_add_tail(&c->sibling, &reaper->children);
        if (same)
            continue;
        c->exit_signal = SIGCHLD;
        if (c->exit_state == EXIT_ZOMBIE && c->signal->nr_threads == 1 && !c->ptrace) {
            do_notify_parent(c, c->exit_signal);
            if (c->exit_state == EXIT_DEAD) {
                list_del_init(&c->sibling);
                list_add(&c->sibling, dead);
            }
        }
        check_orphaned(c, father);
    }
    //@end
}

/* tasklist_lock held. May set t->exit_state to EXIT_DEAD: the parent does not want to know. */
void do_notify_parent(struct task_struct *t, s32 sig) {
    struct task_struct *parent = t->parent;
    struct sighand_struct *sh = parent->sighand;
    wake_up_key(&t->pidfd_wait, 0, 1);
    if (sig != SIGCHLD && t->parent_exec_id != parent->self_exec_id)
        sig = SIGCHLD; /* the parent is not any more who chose the other one, or who could be sent it */
    //@sol exit notify-parent
    spin_lock(&sh->lock);
    if (sig == SIGCHLD) {
        struct abi_sigaction *a = &sh->action[SIGCHLD - 1];
        if (!t->ptrace && (a->handler == 1 || (a->flags & SA_NOCLDWAIT))) {
            t->exit_state = EXIT_DEAD;
            if (a->handler == 1)
                sig = 0;
        }
        if (ignored(parent, SIGCHLD) && !(parent->blocked & M(SIGCHLD)) &&
            !parent->ptrace) /* mostly: it only waits */
            sig = 0;
    }
    if (sig > 0 && sig <= _NSIG) {
        struct abi_siginfo info = {.si_signo = sig, .pid = t->pid, .uid = t->cred->uid};
        info.utime = (t->utime + t->signal->utime) * 100 / timebase_hz;
        info.stime = (t->stime + t->signal->stime) * 100 / timebase_hz;
        info.status = t->exit_code & 0x7f ? t->exit_code & 0x7f : t->exit_code >> 8;
        info.si_code = t->exit_code & 0x80 ? CLD_DUMPED : t->exit_code & 0x7f ? CLD_KILLED : CLD_EXITED;
        send_signal_locked(sig, &info, parent, true);
    }
    spin_unlock(&sh->lock);
    wake_up_all(&parent->signal->wait_chldexit);
    //@end
}

static void exit_notify(bool last) {
    struct task_struct *t = current, *c, *n;
    LIST_HEAD(dead);
    LIST_HEAD(traced);
    bool autoreap = false;
    READ_TASKS(irq);
    exit_ptrace(&traced);
    forget_children(t, &dead);
    if (last) {
        cgroup_exit(t);
        check_orphaned(t->group_leader, t->group_leader->real_parent);
    }
    t->exit_state = EXIT_ZOMBIE;
    if (unlikely(t->ptrace)) { /* its tracer is to see it, whatever the parent will say */
        bool whole = t == t->group_leader && t->signal->nr_threads == 1;
        do_notify_parent(t, whole && !ptrace_reparented(t) ? t->exit_signal : SIGCHLD);
    } else if (t == t->group_leader) {
        if (t->signal->nr_threads == 1) {
            do_notify_parent(t, t->exit_signal);
            autoreap = t->exit_state == EXIT_DEAD;
        }
    } else {
        autoreap = true;
    }
    if (autoreap)
        t->exit_state = EXIT_DEAD;
    if (t == t->group_leader &&
        t->signal->group_exec) /* a leader stays as a zombie until the exec takes its place */
        wake_up_process(t->signal->group_exec);
    READ_TASKS_END(irq);
    if (autoreap)
        release_task(t);
    list_for_each_entry_safe(c, n, &dead, sibling) {
        list_del_init(&c->sibling);
        release_task(c);
    }
    list_for_each_entry_safe(c, n, &traced, ptrace_entry) {
        list_del_init(&c->ptrace_entry);
        release_task(c);
    }
}

void reap_children(void) {
    for (;;) {
        struct task_struct *t, *c, *dead = NULL;
        READ_TASKS(irq);
        for_each_thread(t, current->signal)
            list_for_each_entry(c, &t->children, sibling) if (c->exit_state == EXIT_ZOMBIE &&
                                                              c->signal->nr_threads == 1 && !c->ptrace) dead =
                c;
        if (dead)
            dead->exit_state = EXIT_DEAD;
        READ_TASKS_END(irq);
        if (!dead)
            return;
        release_task(dead);
    }
}

/* The last thread of a session leader that goes gives the terminal up. */
void disassociate_tty(void);

__noreturn void do_exit(s32 code) {
    struct task_struct *t = current;
    if (t->task_flags & PF_IDLE)
        panic("the idle task ends");
    TRACE(exit, code, 0, 0);
    bool init = t == child_reaper || (t->tgid == 1 && t->signal->nr_threads == 1);
    u64 irq = spin_lock_irqsave(&t->sighand->lock);
    if (unlikely(t->signal->core_dumper && t->signal->core_dumper != t))
        coredump_park();
    if (unlikely(t->ptrace)) {
        spin_unlock_irqrestore(&t->sighand->lock, irq);
        ptrace_exit_event(code);
        irq = spin_lock_irqsave(&t->sighand->lock);
    }
    t->task_flags |= PF_EXITING;
    /* Signals meant for the process go to the threads that stay. */
    if (t->signal->group_stop_count && t->stop_pending && !--t->signal->group_stop_count)
        t->signal->stopped = true;
    t->stop_pending = false;
    struct task_struct *o;
    spin_unlock_irqrestore(&t->sighand->lock, irq);
    READ_TASKS(flags);
    bool last = --t->signal->live == 0;
    if (!last && t->signal->shared_pending.signal)
        for_each_thread(o, t->signal) if (!(o->task_flags & PF_EXITING)) signal_wake_up(o, false);
    READ_TASKS_END(flags);
    t->exit_code = t->signal->group_exit ? t->signal->group_exit_code : code;
    if (unlikely(last && acct_on()))
        acct_process(t->exit_code);
    exit_mm();
    if (t->sysvsem)
        exit_sem(t);
    struct files_struct *files = t->files;
    struct fs_struct *fs = t->fs;
    spin_lock(&t->alloc_lock);
    t->files = NULL;
    spin_unlock(&t->alloc_lock);
    put_files(files);
    if (last && t->signal->session_leader)
        disassociate_tty();
    spin_lock(&t->alloc_lock);
    bool last_fs = atomic_dec_and_test(&fs->refcount); /* before t->fs: see fs_shared */
    WRITE_ONCE(t->fs, NULL);
    struct nsproxy *namespaces = t->nsproxy;
    t->nsproxy = NULL;
    spin_unlock(&t->alloc_lock);
    if (last_fs)
        free_fs_struct(fs);
    if (unlikely(last && t->pid_ns->reaper == t->signal && t->pid_ns->level))
        zap_pid_ns_processes();
    put_nsproxy(namespaces);
    exit_keys(t, last);
    if (unlikely(init))
        init_ended(code);
    exit_notify(last);
    schedule_exit();
}

__noreturn void do_group_exit(s32 code) { /* X5 */
    struct signal_struct *s = current->signal;
    READ_TASKS(flags);
    spin_lock(&current->sighand->lock);
    if (s->group_exit) {
        code = s->group_exit_code;
    } else if (s->group_exec) {
        code = 0;
    } else {
        s->group_exit = true;
        s->group_exit_code = code;
        zap_other_threads(current);
    }
    spin_unlock(&current->sighand->lock);
    READ_TASKS_END(flags);
    do_exit(code);
}

long sys_exit(u64 code) { do_exit((code & 0xff) << 8); }
long sys_exit_group(u64 code) { do_group_exit((code & 0xff) << 8); }
