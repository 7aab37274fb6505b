/* Interval timers (setitimer), per-process timers (timer_create) and the limit on processor time: all are
 * struct posix_timer. Not inherited by fork (C11); exec keeps those of setitimer alone.
 *
 * signal->timer_lock (a mutex) orders the calls of one process; what a timer is set to is under
 * sighand->lock. A timer never has more than one signal waiting. While it waits nothing is armed: taking the
 * signal counts what was missed, in one step, and arms the timer again (posix_timer_taken). A timer whose
 * signal is ignored rests until an action is set (posix_timers_heeded).
 *
 * Timers on processor time have no clock event of their own. signal->cpu_look is the earliest time at which
 * one of the process's may be due, were it to have all harts; a hart that runs one of its threads then
 * looks at all of them (cpu_timers_look). So a process that sleeps costs nothing. */
#include "task.h"
#include "../debug/debug.h"
#include <abi/errno.h>

#define NSEC 1000000000UL
#define SIGEV_SIGNAL 0
#define SIGEV_NONE 1
#define SIGEV_THREAD_ID 4
#define TIMER_ABSTIME 1
#define TIMERS_MAX 256
#define LOOK_NS 50000UL        /* two looks at a process's timers are at least so far apart, */
#define LOOK_THREAD_NS 10000UL /* and so much for each thread: a look reads the clocks of all */
enum {
    CLOCK_REAL = 0,
    CLOCK_MONO = 1,
    CLOCK_PROCESS = 2,
    CLOCK_THREAD = 3,
    CLOCK_BOOT = 7,
    CLOCK_USER = 100
};
enum { KIND_POSIX, KIND_ITIMER, KIND_LIMIT };

struct posix_timer {
    struct list_head link; /* signal->posix_timers; not for itimers and the limit */
    struct signal_struct *owner;
    struct task_struct *thread; /* counted: whose clock, or who gets the signal; NULL: the process */
    s32 id, clock;
    u32 kind, notify, signo;
    u64 expires, interval; /* ns of the clock; expires 0: off */
    bool parked;           /* expired at `expires` and not armed, until its signal is taken */
    u32 overrun, last_overrun;
    struct sigqueue *sigq; /* its own, of timer_create's; what it says does not change */
    struct timer timer;    /* of clocks that go on by themselves */
};

/* ns that its threads have spent in the kernel, the caller's or the interrupted one's up to now.
 * tasklist_lock held. */
static u64 kernel_time(const struct signal_struct *s) {
    struct task_struct *t;
    u64 ticks = s->stime;
    for_each_thread(t, s) ticks += t->stime + (t == current ? rdtime() - t->acct_stamp : 0);
    return ticks * NSEC / timebase_hz;
}
/* tasklist_lock held, for processor time; sighand->lock may be. */
static u64 clock_now(const struct posix_timer *pt) {
    struct signal_struct *s = pt->owner;
    if (pt->clock == CLOCK_REAL)
        return ktime_get_real();
    if (pt->clock == CLOCK_THREAD)
        return task_runtime(pt->thread);
    if (pt->clock != CLOCK_PROCESS && pt->clock != CLOCK_USER)
        return ktime_get();
    u64 ns = process_runtime(s), kernel = pt->clock == CLOCK_USER ? kernel_time(s) : 0;
    return ns > kernel ? ns - kernel : 0;
}
static bool on_processor_time(const struct posix_timer *pt) {
    return pt->clock == CLOCK_PROCESS || pt->clock == CLOCK_USER || pt->clock == CLOCK_THREAD;
}
static u32 count(u64 n) { return min(n, 0x7fffffffUL); }

/* The time has come, n times. sighand->lock held. */
static void notify(struct posix_timer *pt, u64 now, u64 n) {
    struct task_struct *t = pt->thread && pt->notify == SIGEV_THREAD_ID ? pt->thread : pt->owner->leader;
    if (pt->kind == KIND_LIMIT) {
        bool hard = now >= rlim_seconds(pt->owner->rlim[RLIMIT_CPU].rlim_max);
        send_signal_locked(hard ? SIGKILL : SIGXCPU, NULL, t, true);
    } else if (pt->kind == KIND_ITIMER) {
        send_signal_locked(pt->signo, NULL, t, true);
    } else if (!list_empty(&pt->sigq->link)) {
        pt->overrun = count(pt->overrun + n);
    } else if (pt->notify != SIGEV_NONE) {
        pt->overrun = count(n - 1);
        send_sigqueue(pt->sigq, t, pt->notify != SIGEV_THREAD_ID);
    }
}
static void set_event(struct posix_timer *pt, u64 now) {
    timer_start(&pt->timer, ktime_get() + (pt->expires > now ? pt->expires - now : 0));
}
static void fired(struct timer *timer) {
    struct posix_timer *pt = container_of(timer, struct posix_timer, timer);
    READ_TASKS(irq);
    struct sighand_struct *sh = pt->owner->leader->sighand;
    if (sh) {
        spin_lock(&sh->lock);
        u64 now = clock_now(pt);
        if (pt->expires && !pt->parked) {
            if (now < pt->expires) { /* it was set again, or the clock was */
                set_event(pt, now);
            } else {
                notify(pt, now, 1);
                pt->parked = pt->interval;
                if (!pt->interval)
                    pt->expires = 0;
            }
        }
        spin_unlock(&sh->lock);
    }
    READ_TASKS_END(irq);
}
/* A timer that was parked goes on. sighand->lock held. */
static void go_on(struct posix_timer *pt) {
    u64 now = pt->clock == CLOCK_REAL ? ktime_get_real() : ktime_get();
    if (!pt->parked)
        return;
    pt->parked = false;
    u64 n = timer_forward(&pt->expires, pt->interval, now); /* 0: the clock was set back */
    pt->overrun = count(pt->overrun + (n ? n - 1 : 0));
    set_event(pt, now);
}

void posix_timer_taken(struct posix_timer *pt, struct abi_siginfo *info) {
    go_on(pt);
    if (info)
        info->overrun = pt->last_overrun = pt->overrun;
    pt->overrun = 0;
}
void itimer_taken(void) {
    struct posix_timer *pt = READ_ONCE(current->signal->itimer[ITIMER_REAL]);
    if (pt)
        go_on(pt);
}
void posix_timers_heeded(int sig) {
    struct posix_timer *pt;
    list_for_each_entry(pt, &current->signal->posix_timers, link) if (pt->signo == (u32)sig &&
                                                                      list_empty(&pt->sigq->link) &&
                                                                      pt->notify != SIGEV_NONE) go_on(pt);
    if (sig == SIGALRM)
        itimer_taken();
}

/* --- processor time --- */
/* A hart that runs a thread of s looks at once: something was armed. */
static void look_now(struct signal_struct *s) {
    WRITE_ONCE(s->cpu_look, 0);
    sched_look_at_timers(s);
}
/* What pt has to go, after it was told if that is nothing. ns: what its process has had. */
static u64 look_at(struct posix_timer *pt, u64 now) {
    if (!pt || !pt->expires)
        return FOREVER;
    if (now >= pt->expires) {
        u64 n = pt->interval ? timer_forward(&pt->expires, pt->interval, now) : 1;
        if (!pt->interval)
            pt->expires = 0;
        notify(pt, now, n);
    }
    return pt->expires ? pt->expires - now : FOREVER;
}
static u64 look_at_all(struct signal_struct *s) {
    u64 all = process_runtime(s), kernel = kernel_time(s), left = FOREVER;
    struct posix_timer *pt;
    left = min(look_at(s->itimer[ITIMER_PROF], all), look_at(s->cpu_limit, all));
    left = min(left, look_at(s->itimer[ITIMER_VIRTUAL], all > kernel ? all - kernel : 0));
    list_for_each_entry(pt, &s->posix_timers, link) if (on_processor_time(pt)) left =
        min(left, look_at(pt, pt->clock == CLOCK_PROCESS ? all : clock_now(pt)));
    return left;
}
u64 cpu_timers_look(void) {
    struct signal_struct *s = current->signal;
    u64 at = READ_ONCE(s->cpu_look), now = ktime_get();
    u64 apart = LOOK_NS + READ_ONCE(s->nr_threads) * LOOK_THREAD_NS;
    if (now < at || !cmpxchg(&s->cpu_look, at, now + apart)) /* another hart is faster */
        return READ_ONCE(s->cpu_look);
    READ_TASKS(irq);
    u64 left = FOREVER;
    if (current->sighand) {
        spin_lock(&current->sighand->lock);
        left = look_at_all(s);
        spin_unlock(&current->sighand->lock);
    }
    /* Threads spend it side by side. What was armed meanwhile wants a look at once (look_now). */
    u64 next = left == FOREVER ? FOREVER : now + max(left / min(nr_harts, max(s->nr_threads, 1u)), apart);
    cmpxchg(&s->cpu_look, now + apart, next);
    READ_TASKS_END(irq);
    return READ_ONCE(s->cpu_look);
}

static struct posix_timer *new_timer(struct signal_struct *s, u32 kind, s32 clock, u32 signo) {
    struct posix_timer *pt = kzalloc(sizeof(*pt), GFP_KERNEL);
    if (!pt)
        return NULL;
    timer_setup(&pt->timer, fired);
    INIT_LIST_HEAD(&pt->link);
    pt->owner = s;
    pt->kind = kind;
    pt->clock = clock;
    pt->signo = signo;
    s->has_timers = true;
    return pt;
}
/* Not in any list any more. A signal of its that waits becomes one like others. */
static void free_timer(struct posix_timer *pt) {
    timer_cancel(&pt->timer);
    if (pt->sigq)
        sigqueue_release(pt->sigq, pt->owner);
    if (pt->thread)
        put_task(pt->thread);
    kfree(pt);
}
/* The time on its clock that the user gave; 0: off. */
static void arm(struct posix_timer *pt, u64 value, u64 interval, bool absolute) {
    READ_TASKS(irq);
    struct sighand_struct *sh = pt->owner->leader->sighand;
    if (sh) {
        spin_lock(&sh->lock);
        u64 now = clock_now(pt);
        pt->interval = min(interval, TIME_MAX);
        pt->expires = value ? min(value, TIME_MAX) + (absolute ? 0 : now) : 0;
        pt->parked = false;
        pt->overrun = pt->last_overrun = 0;
        if (!value || (pt->notify == SIGEV_NONE && pt->kind == KIND_POSIX)) /* the clock says enough */
            timer_stop(&pt->timer);
        else if (!on_processor_time(pt))
            set_event(pt, now);
        spin_unlock(&sh->lock);
        if (value && on_processor_time(pt))
            look_now(pt->owner);
    }
    READ_TASKS_END(irq);
}
static u64 remaining(struct posix_timer *pt) {
    READ_TASKS(irq);
    spin_lock(&current->sighand->lock);
    u64 now = clock_now(pt), at = pt->expires;
    if (at && pt->interval && (pt->parked || pt->notify == SIGEV_NONE))
        timer_forward(&at, pt->interval, now);
    spin_unlock(&current->sighand->lock);
    READ_TASKS_END(irq);
    return !at ? 0 : at > now ? at - now : pt->kind == KIND_POSIX && pt->notify == SIGEV_NONE ? 0 : 1000;
}

/* --- exec, exit, the limit --- */
/* exec: what timer_create made is gone. All: the process is gone, or never was. */
void timers_release(struct signal_struct *s, bool all) {
    struct posix_timer *pt, *n;
    LIST_HEAD(gone);
    mutex_lock(&s->timer_lock);
    u64 irq = local_irq_save();
    struct sighand_struct *sh = all ? NULL : current->sighand;
    if (sh)
        spin_lock(&sh->lock);
    list_splice_init(&s->posix_timers, &gone);
    if (sh)
        spin_unlock(&sh->lock);
    local_irq_restore(irq);
    list_for_each_entry_safe(pt, n, &gone, link) free_timer(pt);
    s->nr_timers = 0;
    struct posix_timer **rest[] = {&s->itimer[0], &s->itimer[1], &s->itimer[2], &s->cpu_limit};
    for (u32 i = 0; all && i < ARRAY_SIZE(rest); i++)
        if (*rest[i]) {
            free_timer(*rest[i]);
            *rest[i] = NULL;
        }
    if (all)
        s->has_timers = false, s->timers_gone = true;
    mutex_unlock(&s->timer_lock);
}
/* RLIMIT_CPU is finite, or has changed: watch it. 0 or -ENOMEM. */
int cpu_limit_start(struct signal_struct *s) {
    int r = 0;
    mutex_lock(&s->timer_lock); /* it may be another process, which may be ending */
    u64 soft = s->rlim[RLIMIT_CPU].rlim_cur;
    if (s->timers_gone || (soft == RLIM_INFINITY && !s->cpu_limit))
        goto out;
    if (!s->cpu_limit && !(s->cpu_limit = new_timer(s, KIND_LIMIT, CLOCK_PROCESS, SIGXCPU))) {
        r = -ENOMEM;
        goto out;
    }
    arm(s->cpu_limit, soft == RLIM_INFINITY ? 0 : max(rlim_seconds(soft), 1UL), NSEC, true);
out:
    mutex_unlock(&s->timer_lock);
    return r;
}

/* --- setitimer --- */
static struct abi_timeval ns_to_tv(u64 ns) { return (struct abi_timeval){ns / NSEC, ns % NSEC / 1000}; }
static bool get_tv(const struct abi_timeval *tv, u64 *ns) {
    *ns = min((u64)tv->tv_sec, 4000000000UL) * NSEC + (u64)tv->tv_usec * 1000;
    return tv->tv_sec >= 0 && (u64)tv->tv_usec < 1000000;
}
static struct abi_itimerval read_itimer(struct posix_timer *pt) {
    struct abi_itimerval v = {0};
    if (pt) {
        u64 left = remaining(pt);
        v = (struct abi_itimerval){ns_to_tv(pt->interval), ns_to_tv(left ? max(left, 1000UL) : 0)};
    }
    return v;
}
long sys_getitimer(u64 which, u64 uval) {
    if ((u32)which > 2)
        return -EINVAL;
    mutex_lock(&current->signal->timer_lock);
    struct abi_itimerval v = read_itimer(current->signal->itimer[(u32)which]);
    mutex_unlock(&current->signal->timer_lock);
    return copy_to_user(uval, &v, sizeof(v));
}
long sys_setitimer(u64 which, u64 unew, u64 uold) {
    static const s32 clocks[] = {CLOCK_MONO, CLOCK_USER, CLOCK_PROCESS},
                     signals[] = {SIGALRM, SIGVTALRM, SIGPROF};
    struct signal_struct *s = current->signal;
    struct abi_itimerval n = {0}, o;
    u64 first, interval;
    if ((u32)which > 2)
        return -EINVAL;
    if (unew && copy_from_user(&n, unew, sizeof(n)))
        return -EFAULT;
    if (!get_tv(&n.it_value, &first) || !get_tv(&n.it_interval, &interval))
        return -EINVAL;
    which = (u32)which;
    mutex_lock(&s->timer_lock);
    o = read_itimer(s->itimer[which]);
    long r = 0;
    if (!s->itimer[which] && first &&
        !(s->itimer[which] = new_timer(s, KIND_ITIMER, clocks[which], signals[which])))
        r = -ENOMEM;
    struct posix_timer *pt = s->itimer[which];
    if (pt)
        arm(pt, first, first ? interval : 0, false);
    mutex_unlock(&s->timer_lock);
    return !r && uold ? copy_to_user(uold, &o, sizeof(o)) : r;
}

/* --- timer_create and its kin --- */
struct sigevent {
    u64 value;
    s32 signo, notify, tid, pad[11];
};
struct itimerspec {
    struct abi_timespec interval, value;
};
/* timer_lock held. */
static struct posix_timer *find_timer(s32 id) {
    struct posix_timer *pt;
    list_for_each_entry(pt, &current->signal->posix_timers, link) if (pt->id == id) return pt;
    return NULL;
}
long sys_timer_create(u64 clock, u64 uevent, u64 uid) {
    struct signal_struct *s = current->signal;
    struct sigevent e = {.signo = SIGALRM};
    if (uevent && copy_from_user(&e, uevent, sizeof(e)))
        return -EFAULT;
    s32 c = (s32)clock;
    if ((c & ~4) == -6) /* the caller's own processor time, as clock_getcpuclockid names it */
        c = c & 4 ? CLOCK_THREAD : CLOCK_PROCESS;
    if (c != CLOCK_REAL && c != CLOCK_MONO && c != CLOCK_BOOT && c != CLOCK_PROCESS && c != CLOCK_THREAD)
        return -EINVAL;
    if ((e.notify != SIGEV_SIGNAL && e.notify != SIGEV_NONE && e.notify != SIGEV_THREAD_ID) ||
        (e.notify != SIGEV_NONE && (e.signo < 1 || e.signo > _NSIG)))
        return -EINVAL;
    struct task_struct *t = NULL;
    if (e.notify == SIGEV_THREAD_ID) {
        t = get_task_by_pid(e.tid);
        if (!t || t->signal != s) {
            if (t)
                put_task(t);
            return -EINVAL;
        }
    } else if (c == CLOCK_THREAD) {
        get_task(t = current);
    }
    struct posix_timer *pt = new_timer(s, KIND_POSIX, c, e.signo);
    if (!pt || !(pt->sigq = sigqueue_alloc(current, false, GFP_KERNEL))) {
        kfree(pt);
        if (t)
            put_task(t);
        return -EAGAIN;
    }
    pt->thread = t;
    pt->notify = e.notify;
    pt->sigq->timer = pt;
    mutex_lock(&s->timer_lock);
    long r = s->nr_timers < TIMERS_MAX ? 0 : -EAGAIN;
    while (!r && find_timer(pt->id = s->next_timer++ & 0x7fffffff))
        ;
    pt->sigq->info = (struct abi_siginfo){.si_signo = e.signo,
                                          .si_code = SI_TIMER,
                                          .tid = pt->id,
                                          .timer_value = uevent ? e.value : (u64)pt->id};
    if (!r && !(r = put_user(uid, pt->id))) {
        u64 irq = spin_lock_irqsave(&current->sighand->lock);
        list_add_tail(&pt->link, &s->posix_timers);
        spin_unlock_irqrestore(&current->sighand->lock, irq);
        s->nr_timers++;
    }
    mutex_unlock(&s->timer_lock);
    if (r)
        free_timer(pt);
    return r;
}
static struct itimerspec read_timer(struct posix_timer *pt) {
    return (struct itimerspec){ns_to_timespec(pt->interval), ns_to_timespec(remaining(pt))};
}
long sys_timer_settime(u64 id, u64 flags, u64 unew, u64 uold) {
    struct itimerspec n, o = {0};
    if (copy_from_user(&n, unew, sizeof(n)))
        return -EFAULT;
    if (n.value.tv_sec < 0 || (u64)n.value.tv_nsec >= NSEC || n.interval.tv_sec < 0 ||
        (u64)n.interval.tv_nsec >= NSEC)
        return -EINVAL;
    mutex_lock(&current->signal->timer_lock);
    struct posix_timer *pt = find_timer((s32)id);
    if (pt) {
        o = read_timer(pt);
        u64 value = timespec_to_ns(&n.value);
        arm(pt, value, value ? timespec_to_ns(&n.interval) : 0, flags & TIMER_ABSTIME);
    }
    mutex_unlock(&current->signal->timer_lock);
    return !pt ? -EINVAL : uold ? copy_to_user(uold, &o, sizeof(o)) : 0;
}
long sys_timer_gettime(u64 id, u64 uval) {
    struct itimerspec v = {0};
    mutex_lock(&current->signal->timer_lock);
    struct posix_timer *pt = find_timer((s32)id);
    if (pt)
        v = read_timer(pt);
    mutex_unlock(&current->signal->timer_lock);
    return pt ? copy_to_user(uval, &v, sizeof(v)) : -EINVAL;
}
long sys_timer_getoverrun(u64 id) {
    mutex_lock(&current->signal->timer_lock);
    struct posix_timer *pt = find_timer((s32)id);
    long r = pt ? (long)pt->last_overrun : -EINVAL;
    mutex_unlock(&current->signal->timer_lock);
    return r;
}
long sys_timer_delete(u64 id) {
    struct signal_struct *s = current->signal;
    mutex_lock(&s->timer_lock);
    struct posix_timer *pt = find_timer((s32)id);
    if (pt) {
        u64 irq = spin_lock_irqsave(&current->sighand->lock);
        list_del(&pt->link);
        spin_unlock_irqrestore(&current->sighand->lock, irq);
        s->nr_timers--;
    }
    mutex_unlock(&s->timer_lock);
    if (!pt)
        return -EINVAL;
    free_timer(pt);
    return 0;
}
