/* Interval timers (setitimer), per-process timers (timer_create) and the limit on processor time: all are
 * struct posix_timer. Not inherited by fork (C11); exec keeps those of setitimer alone.
 *
 * signal->timer_lock (a mutex) orders the calls of one process. When a timer fires, in an interrupt, it takes
 * tasklist_lock and sighand->lock; the list, overrun and queued are under sighand->lock. What measures
 * processor time fires by a guess, so early, looks, and sets itself again. */
#include "task.h"
#include "../debug/debug.h"
#include <abi/errno.h>

#define NSEC 1000000000UL
#define SIGEV_SIGNAL 0
#define SIGEV_NONE 1
#define SIGEV_THREAD_ID 4
#define TIMER_ABSTIME 1
#define TIMERS_MAX 256
#define SHORTEST                                                                                             \
    50000UL /* ns between two interrupts of one timer; what comes faster is counted as overrun               \
             */
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
    u64 value;             /* for the handler */
    u64 expires, interval; /* ns of the clock; expires 0: off */
    u32 overrun, last_overrun;
    bool queued; /* its signal waits to be taken */
    struct timer timer;
};

/* tasklist_lock held. */
static u64 clock_now(const struct posix_timer *pt) {
    struct signal_struct *s = pt->owner;
    struct task_struct *t;
    if (pt->clock == CLOCK_REAL)
        return ktime_get_real();
    if (pt->clock == CLOCK_THREAD)
        return task_runtime(pt->thread);
    if (pt->clock != CLOCK_PROCESS && pt->clock != CLOCK_USER)
        return ktime_get();
    u64 ns = process_runtime(s), kernel = s->stime;
    if (pt->clock == CLOCK_PROCESS)
        return ns;
    for_each_thread(t, s) kernel += t->stime;
    kernel = kernel * NSEC / timebase_hz;
    return ns > kernel ? ns - kernel : 0;
}
/* Set the interrupt for pt, now being the time on its clock. */
static void set_event(struct posix_timer *pt, u64 now) {
    u64 left = pt->expires > now ? pt->expires - now : 0;
    if (pt->clock == CLOCK_PROCESS || pt->clock == CLOCK_USER) /* threads spend it side by side */
        left /= min(nr_harts, max(READ_ONCE(pt->owner->nr_threads), 1u));
    u64 at = ktime_get() + max(left, SHORTEST);
    timer_start(&pt->timer, at < left ? FOREVER - 2 : at);
}

/* The time has come. sighand->lock held. */
static void notify(struct posix_timer *pt, u64 now, u32 missed) {
    struct task_struct *t = pt->thread && pt->notify == SIGEV_THREAD_ID ? pt->thread : pt->owner->leader;
    struct abi_siginfo info = {.si_code = SI_TIMER, .tid = pt->id, .timer_value = pt->value};
    if (pt->kind == KIND_LIMIT) {
        bool hard = now >= rlim_seconds(pt->owner->rlim[RLIMIT_CPU].rlim_max);
        send_signal_locked(hard ? SIGKILL : SIGXCPU, NULL, t, true);
    } else if (pt->kind == KIND_ITIMER) {
        send_signal_locked(pt->signo, NULL, t, true);
    } else if (pt->queued) {
        pt->overrun += 1 + missed;
    } else if (pt->notify != SIGEV_NONE) {
        pt->queued = true;
        pt->overrun = missed;
        send_signal_locked(pt->signo, &info, t, pt->notify != SIGEV_THREAD_ID);
    }
}
static void fired(struct timer *timer) {
    struct posix_timer *pt = container_of(timer, struct posix_timer, timer);
    READ_TASKS(irq);
    struct sighand_struct *sh = pt->owner->leader->sighand;
    u64 now = clock_now(pt);
    if (pt->expires && now >= pt->expires && sh) {
        u64 n = pt->interval ? (now - pt->expires) / pt->interval : 0;
        pt->expires = pt->interval ? pt->expires + (n + 1) * pt->interval : 0;
        spin_lock(&sh->lock);
        notify(pt, now, min(n, 0x7fffffffUL));
        spin_unlock(&sh->lock);
    }
    if (pt->expires && sh)
        set_event(pt, now);
    READ_TASKS_END(irq);
}

/* A timer's signal is taken: fill in how many expirations it stands for. sighand->lock held. */
void posix_timer_taken(struct abi_siginfo *info) {
    struct posix_timer *pt;
    list_for_each_entry(pt, &current->signal->posix_timers, link) if (pt->id == info->tid && pt->queued) {
        info->overrun = pt->last_overrun = pt->overrun;
        pt->overrun = 0;
        pt->queued = false;
    }
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
/* Off, and not firing any more. */
static void disarm(struct posix_timer *pt) {
    WRITE_ONCE(pt->expires, 0);
    timer_cancel(&pt->timer);
}
static void free_timer(struct posix_timer *pt) {
    disarm(pt);
    if (pt->thread)
        put_task(pt->thread);
    kfree(pt);
}
/* The deadline on the clock for a time that the user gave. */
static void arm(struct posix_timer *pt, u64 value, u64 interval, bool absolute) {
    READ_TASKS(irq);
    u64 now = clock_now(pt);
    pt->interval = interval;
    pt->expires = absolute ? max(value, 1UL) : value > FOREVER - 2 - now ? FOREVER - 2 : now + value;
    set_event(pt, now);
    READ_TASKS_END(irq);
}
static u64 remaining(struct posix_timer *pt) {
    READ_TASKS(irq);
    u64 now = clock_now(pt), at = pt->expires;
    READ_TASKS_END(irq);
    return !at ? 0 : at > now ? at - now : 1000;
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
    disarm(s->cpu_limit);
    if (soft != RLIM_INFINITY)
        arm(s->cpu_limit, rlim_seconds(soft), NSEC, true);
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
    if (pt)
        v = (struct abi_itimerval){ns_to_tv(pt->interval), ns_to_tv(remaining(pt))};
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
    if (pt) {
        disarm(pt);
        pt->interval = 0;
        if (first)
            arm(pt, first, interval, false);
    }
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
    if (!pt) {
        if (t)
            put_task(t);
        return -EAGAIN;
    }
    pt->thread = t;
    pt->notify = e.notify;
    mutex_lock(&s->timer_lock);
    long r = s->nr_timers < TIMERS_MAX ? 0 : -EAGAIN;
    while (!r && find_timer(pt->id = s->next_timer++ & 0x7fffffff))
        ;
    pt->value = uevent ? e.value : (u64)pt->id;
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
        disarm(pt);
        pt->interval = 0;
        u64 irq = spin_lock_irqsave(&current->sighand->lock);
        pt->overrun = pt->last_overrun = 0;
        pt->queued = false;
        spin_unlock_irqrestore(&current->sighand->lock, irq);
        if (n.value.tv_sec || n.value.tv_nsec)
            arm(pt, timespec_to_ns(&n.value), timespec_to_ns(&n.interval), flags & TIMER_ABSTIME);
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
