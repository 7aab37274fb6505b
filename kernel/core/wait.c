/* wait4 and waitid (X3): look through the children for news; sleep if there are children and no news. */
#include "user_namespace.h"
#include "ptrace.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include <abi/errno.h>

struct wait_opts {
    u64 options;
    u32 type;
    pid_t id;
    s32 status;
    pid_t pid;                /* of the child found, as the caller numbers it */
    struct abi_siginfo *info; /* what is wanted of the child, or NULL; */
    struct rusage *ru;        /* filled when one is found */
};

static struct abi_timeval ticks_to_tv(u64 t) {
    return (struct abi_timeval){t / timebase_hz, t % timebase_hz * 1000000 / timebase_hz};
}

/* Caller holds tasklist_lock. who: RUSAGE_SELF, CHILDREN, THREAD; or -2: both, for a reaped child. */
void get_rusage(struct task_struct *t, int who, struct rusage *ru) {
    struct signal_struct *s = t->signal;
    struct task_struct *o;
    u64 ut = 0, st = 0, rss = s->maxrss;
    *ru = (struct rusage){0};
    if (who == RUSAGE_THREAD) {
        ut = t->utime, st = t->stime;
        ru->ru_minflt = t->min_flt, ru->ru_nvcsw = t->se.nvcsw, ru->ru_nivcsw = t->se.nivcsw;
    }
    if (who == RUSAGE_SELF || who == -2) {
        ut = s->utime, st = s->stime;
        ru->ru_minflt = s->min_flt, ru->ru_nvcsw = s->nvcsw, ru->ru_nivcsw = s->nivcsw;
        for_each_thread(o, s) {
            ut += o->utime, st += o->stime;
            ru->ru_minflt += o->min_flt, ru->ru_nvcsw += o->se.nvcsw, ru->ru_nivcsw += o->se.nivcsw;
        }
    }
    if (who == RUSAGE_CHILDREN || who == -2) {
        ut += s->cutime, st += s->cstime;
        ru->ru_minflt += s->cmin_flt, ru->ru_nvcsw += s->cnvcsw, ru->ru_nivcsw += s->cnivcsw;
        rss = who == RUSAGE_CHILDREN ? s->cmaxrss : max(rss, s->cmaxrss);
    } else if (t->mm) {
        rss = max(rss, t->mm->hiwater_rss);
    }
    ru->ru_utime = ticks_to_tv(ut);
    ru->ru_stime = ticks_to_tv(st);
    ru->ru_maxrss = rss * (PAGE_SIZE / 1024);
}

static void add_to_children(struct signal_struct *up, struct task_struct *t) {
    struct signal_struct *s = t->signal;
    up->cutime += t->utime + s->utime + s->cutime;
    up->cstime += t->stime + s->stime + s->cstime;
    up->cmin_flt += t->min_flt + s->min_flt + s->cmin_flt;
    up->cnvcsw += t->se.nvcsw + s->nvcsw + s->cnvcsw;
    up->cnivcsw += t->se.nivcsw + s->nivcsw + s->cnivcsw;
    up->cmaxrss = max(up->cmaxrss, max(s->maxrss, s->cmaxrss));
}

static bool eligible(const struct wait_opts *w, struct task_struct *t, bool traced) {
    //@sol exit eligible
    if (w->type == P_PID && t->pid != w->id)
        return false;
    if (w->type == P_PGID && t->signal->pgid != w->id)
        return false;
    /* A child that signals other than by SIGCHLD is waited for with __WCLONE or __WALL only. */
    return traced || ((t->exit_signal != SIGCHLD) ^ !(w->options & __WCLONE)) || (w->options & __WALL);
    //@end
}

static void fill(struct wait_opts *w, struct task_struct *t, int code, int status) {
    w->pid = pid_vnr(t->pid);
    if (w->info) {
        *w->info = (struct abi_siginfo){.si_signo = SIGCHLD,
                                        .si_code = code,
                                        .pid = w->pid,
                                        .uid = from_kuid_munged(current_user_ns(), t->cred->uid)};
        w->info->status = status;
    }
    if (w->ru)
        get_rusage(t, -2, w->ru);
}

/* If t is dead and it is time to say so: true. *reap then is a task to release. traced: current is its
 * tracer. */
static bool take_zombie(struct wait_opts *w, struct task_struct *t, bool traced, struct task_struct **reap) {
    //@sol exit consider-zombie
    if (t->exit_state != EXIT_ZOMBIE || (t->signal->nr_threads > 1 && t == t->group_leader))
        return false;
    if (!(w->options & WEXITED) || (t->ptrace && !traced))
        return false;
    int sig = t->exit_code & 0x7f;
    fill(w, t,
         t->exit_code & 0x80 ? CLD_DUMPED
         : sig               ? CLD_KILLED
                             : CLD_EXITED,
         sig ? sig : (t->exit_code >> 8) & 0xff);
    w->status = t->exit_code;
    if (w->options & WNOWAIT) /* only looked at */
        return true;
    if (unlikely(ptrace_reparented(t)) &&
        t == t->group_leader) { /* the tracer has seen it: the parent's turn */
        ptrace_unlink(t);
        do_notify_parent(t, t->exit_signal);
    } else {
        t->exit_state = EXIT_DEAD;
        if (t == t->group_leader)
            add_to_children(current->signal, t);
    }
    if (t->exit_state == EXIT_DEAD)
        *reap = t;
    return true;
    //@end
}
/* A stop for the tracer, who is told whatever it asked for. */
static bool take_trace_stop(struct wait_opts *w, struct task_struct *t) {
    spin_lock(&t->sighand->lock);
    s32 code = READ_ONCE(t->state) == TASK_TRACED && !(t->jobctl & JOBCTL_LISTENING) ? t->ptrace_code : 0;
    if (code && !(w->options & WNOWAIT))
        t->ptrace_code = 0;
    spin_unlock(&t->sighand->lock);
    if (!code)
        return false;
    fill(w, t, CLD_TRAPPED, code);
    w->status = code << 8 | 0x7f;
    return true;
}

/* tasklist_lock held. True: found, in w; *reap then is a task to release. */
static bool consider(struct wait_opts *w, struct task_struct *t, bool traced, struct task_struct **reap) {
    bool peek = w->options & WNOWAIT;
    struct signal_struct *s = t->signal;
    if (unlikely(t->ptrace) && !traced &&
        !ptrace_reparented(t)) /* our child and our tracee: once is enough */
        traced = true;
    if (take_zombie(w, t, traced, reap))
        return true;
    if (unlikely(traced)) {
        if (!t->exit_state && take_trace_stop(w, t))
            return true;
    } else if ((w->options & WSTOPPED) && s->stop_report && s->stopped) {
        fill(w, t, CLD_STOPPED, s->stop_code);
        w->status = s->stop_code << 8 | 0x7f;
        s->stop_report = peek;
        return true;
    }
    if ((w->options & WCONTINUED) && s->cont_report) {
        fill(w, t, CLD_CONTINUED, SIGCONT);
        w->status = 0xffff;
        s->cont_report = peek;
        return true;
    }
    return false;
}

/* The pid found, 0 for no news, -ECHILD. */
static long look(struct wait_opts *w) {
    struct task_struct *t, *c, *reap = NULL;
    long r = -ECHILD;
    READ_TASKS(irq);
    //@sol exit look
    for_each_thread(t, current->signal) {
        if ((w->options & __WNOTHREAD) && t != current)
            continue;
        list_for_each_entry(c, &t->children, sibling) {
            if (!eligible(w, c, false) || c->exit_state == EXIT_DEAD)
                continue;
            r = 0;
            if (consider(w, c, false, &reap)) {
                r = w->pid;
                goto out;
            }
        }
        list_for_each_entry(c, &t->ptraced, ptrace_entry) {
            if (!eligible(w, c, true) || c->exit_state == EXIT_DEAD)
                continue;
            r = 0;
            if (consider(w, c, true, &reap)) {
                r = w->pid;
                goto out;
            }
        }
    }
out:
    //@end
    READ_TASKS_END(irq);
    if (reap)
        release_task(reap);
    return r;
}

static long do_wait(struct wait_opts *w) {
    //@sol exit do-wait
    long r, e;
    e = wait_event_state(&current->signal->wait_chldexit, (r = look(w)) != 0 || (w->options & WNOHANG),
                         TASK_INTERRUPTIBLE, FOREVER, false);
    return e ? -ERESTARTSYS : r;
    //@end
}

long sys_wait4(u64 upid, u64 ustatus, u64 options, u64 uru) {
    s32 pid = upid;
    if (options & ~(u64)(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
        return -EINVAL;
    if (pid == (s32)0x80000000)
        return -ESRCH;
    struct rusage ru;
    struct wait_opts w = {.options = options | WEXITED, .ru = uru ? &ru : NULL};
    w.type = pid == -1 ? P_ALL : pid > 0 ? P_PID : P_PGID;
    w.id = pid == 0 ? current->signal->pgid : pid == -1 ? 0 : pid_from_user(pid > 0 ? pid : -pid);
    long r = do_wait(&w);
    if (r > 0) {
        if (ustatus && put_user(ustatus, w.status))
            return -EFAULT;
        if (uru && copy_to_user(uru, &ru, sizeof(ru)))
            return -EFAULT;
    }
    return r;
}

long sys_waitid(u64 type, u64 uid, u64 uinfo, u64 options, u64 uru) {
    s32 id = uid;
    if ((options &
         ~(u64)(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)) ||
        !(options & (WEXITED | WSTOPPED | WCONTINUED)) || type > P_PIDFD)
        return -EINVAL;
    if ((type == P_PID && id <= 0) || (type == P_PGID && id < 0))
        return -EINVAL;
    bool of_pidfd = type == P_PIDFD;
    if (of_pidfd) {
        id = pidfd_to_pid(id);
        if (id < 0)
            return id;
        type = P_PID;
    }
    struct rusage ru;
    struct abi_siginfo info = {0}; /* si_signo 0: nothing found */
    struct wait_opts w = {.options = options, .type = type, .info = &info, .ru = uru ? &ru : NULL};
    w.id = type == P_PGID && !id ? current->signal->pgid
           : type == P_ALL       ? 0
           : of_pidfd            ? id
                                 : pid_from_user(id);
    long r = do_wait(&w);
    if (r < 0)
        return r;
    if (uru && r > 0 && copy_to_user(uru, &ru, sizeof(ru)))
        return -EFAULT;
    return uinfo && copy_to_user(uinfo, &info, sizeof(info)) ? -EFAULT : 0;
}

long sys_getrusage(u64 who, u64 uru) {
    struct rusage ru;
    if ((s32)who != RUSAGE_SELF && (s32)who != RUSAGE_CHILDREN && (s32)who != RUSAGE_THREAD)
        return -EINVAL;
    READ_TASKS(irq);
    get_rusage(current, (s32)who, &ru);
    READ_TASKS_END(irq);
    return copy_to_user(uru, &ru, sizeof(ru));
}

long sys_times(u64 buf) {
    struct rusage s, c;
    READ_TASKS(irq);
    get_rusage(current, RUSAGE_SELF, &s);
    get_rusage(current, RUSAGE_CHILDREN, &c);
    READ_TASKS_END(irq);
#define CLK(tv) ((tv).tv_sec * 100 + (tv).tv_usec / 10000)
    s64 t[4] = {CLK(s.ru_utime), CLK(s.ru_stime), CLK(c.ru_utime), CLK(c.ru_stime)};
    if (buf && copy_to_user(buf, t, sizeof(t)))
        return -EFAULT;
    return ktime_get() / 10000000;
}
