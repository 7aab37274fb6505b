/* The scheduler: one run queue per hart; classes real-time (FIFO, RR), fair, idle. */
#pragma once
#include "../lib/rbtree.h"
#include "wait.h"
#include <abi/sched.h>

/* What the scheduler keeps in each task. All under the lock of the run queue of task->ti.cpu. */
struct sched_entity {
    u32 policy;      /* SCHED_* */
    s32 nice;        /* -20 to 19 */
    u32 rt_priority; /* 1 to 99 for FIFO and RR */
    u32 boost;       /* inherited from who waits for its PI futexes; 0: none */
    u32 prio;        /* what it counts as: the better of both; 0: a fair task */
    bool reset_on_fork, on_rq, on_cpu;
    u64 affinity;   /* harts it may run on */
    u64 vruntime;   /* ns, scaled by weight */
    u64 deadline;   /* virtual: the order of the fair queue */
    u64 slice_used; /* ns of the current slice */
    u64 exec_start, sum_exec;
    u64 nvcsw, nivcsw;
    struct rb_node node;
    struct list_head rt_link;
    struct cpu_group *group; /* the nearest with the cpu controller, counted by cgroup.c; NULL: none */
    atomic_t *user_tasks;    /* how many processes its user has; NULL: root. Never freed. */
};

extern u64 sched_seed;             /* not 0: scheduling by a generator that began with this */
extern u32 sched_child_runs_first; /* D6: a knob in /proc/sys/kernel */
/* What real-time tasks may have of each period while others wait: knobs in /proc/sys/kernel. All of it: no
 * limit. */
extern u32 sched_rt_runtime_us, sched_rt_period_us;
void sched_init(void);
/* Give up the hart until woken (if the state says so) or rescheduled. */
void schedule(void);
__noreturn void schedule_exit(void);
/* First thing a new task runs, from ret_from_fork: ends the switch that `prev` began. */
void schedule_tail(struct task_struct *prev);
/* Wake p if its state is in `mask`. Any context. True if it was woken by this call. */
bool try_to_wake_up(struct task_struct *p, u32 mask);
static inline bool wake_up_process(struct task_struct *p) { return try_to_wake_up(p, TASK_NORMAL); }
/* C25: state, priority, vruntime of a new task. */
void sched_fork(struct task_struct *p);
/* The first wake of a new task; D6. flags: the CLONE_* it was made with. */
void wake_up_new_task(struct task_struct *p, u64 flags);
void sched_boost(struct task_struct *p, u32 priority); /* any context that may take a run-queue lock */
void sched_set(struct task_struct *p, u32 policy, s32 nice, u32 rt_priority, bool reset_on_fork);
int sched_setaffinity(struct task_struct *p, u64 mask);
void yield(void);
/* The harts that run threads of s look at its timers on processor time. Any context that may take a run-queue
 * lock. */
struct signal_struct;
void sched_look_at_timers(const struct signal_struct *s);
u64 task_runtime(struct task_struct *p); /* ns on a hart so far */
void cpu_idle(void) __noreturn;
void idle_init(unsigned int hart, struct task_struct *idle);
struct rq_stat {
    u64 switches, nr_running, idle_ns;
    s64 curr_pid;
};
void rq_stat(unsigned int hart, struct rq_stat *s);
u64 nr_running_all(void);
void avenrun(u64 loads[3]); /* fixed point, 1 << 16 is 1.0 */

/* Timers (timer.c): fn runs in interrupt context, on one hart at a time. */
struct timer {
    struct rb_node node;
    u64 expires; /* ns of ktime_get */
    void (*fn)(struct timer *t);
    s32 hart; /* whose lock guards it; -1: it moves */
    bool queued;
};
/* A time that nothing reaches, and that can be added to another. */
#define TIME_MAX (1UL << 62)
void timer_setup(struct timer *t, void (*fn)(struct timer *)); /* t is nobody else's yet */
/* (Re)arm at an absolute time in ns of ktime_get. Any context, any hart, from fn too; of callers at once the
 * last one counts. The caller sees to it that t stays. */
void timer_start(struct timer *t, u64 expires);
/* After return fn is not running and will not. True if it was queued. Not from fn itself, nor with a lock
 * that fn takes. */
bool timer_cancel(struct timer *t);
/* It is not queued; fn may be running. True if it was queued. Any context. */
bool timer_stop(struct timer *t);
static inline bool timer_queued(const struct timer *t) { return READ_ONCE(t->queued); }
/* A periodic timer that was due at *expires: moves that beyond now in one step, however long ago it was. How
 * many expirations there were up to now, 0 if it is not due. interval: 1 to TIME_MAX. */
u64 timer_forward(u64 *expires, u64 interval, u64 now);
void timer_interrupt(void);
void timers_init(void);

/* group.c: the cpu controller's part of a control group. */
struct cpu_group {
    struct cpu_group *parent; /* NULL: none but the root */
    s64 load;                 /* 100 for each runnable task in it, and the weights of the busy groups in it */
    u32 weight;               /* 1 to 10000; 100: counts as one task */
    atomic64_t usage;         /* ns */
    u64 quota, period;        /* ns; quota 0: no limit */
    atomic64_t left;          /* ns of this period; less than 0: a debt */
    u32 timing;               /* the timer runs; atomic */
    bool was_short;
    struct timer timer;
    struct wait_queue_head wait; /* tasks that wait for the next period */
    u64 periods, short_periods;  /* all that began with it busy; those in which it was short */
    atomic64_t short_ns;         /* what tasks have waited */
};
void group_init(struct cpu_group *g, struct cpu_group *parent);
void group_set_weight(struct cpu_group *g, u32 weight);
void group_set_limit(struct cpu_group *g, u64 quota, u64 period); /* may spin, not in interrupts */
/* p is in that group from now on; returns the one it was in. Any context that may take a run-queue lock. */
struct cpu_group *sched_set_group(struct task_struct *p, struct cpu_group *g);
void group_throttle(void); /* on the way to user mode: sleep while a group of current's has nothing left */
