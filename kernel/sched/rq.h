/* Run queues, for the files of the scheduler: core.c keeps them, balance.c says which hart a task goes to. */
#pragma once
#include "../core/task.h"

#define SLICE_NS 3000000UL
#define RR_SLICE_NS 100000000UL
#define FORK_GRACE_NS 500000UL
#define RT_LEVELS 100

struct rq {
    spinlock_t lock;
    u32 nr_running; /* queued, the running one included, idle not */
    u32 nr_rt;
    u64 rt_since, rt_used; /* ns: when the period began, what real-time tasks had of it */
    struct rb_root fair;
    struct list_head rt[RT_LEVELS];
    u64 rt_bits[2];
    u64 min_vruntime;
    struct task_struct *curr, *idle;
    struct mm_struct *drop_mm; /* to mmdrop once the switch is over */
    struct timer slice;
    struct timer timer_look; /* the running task's process has timers on processor time */
    struct timer group_look; /* the running task's group has a limit */
    u64 switches, idle_ns;
    bool is_idle;
} __aligned(64);
extern struct rq rqs[MAX_HARTS];
#define this_rq() (&rqs[smp_processor_id()])

static inline bool is_rt(const struct task_struct *p) { return p->se.prio > 0; }

/* --- core.c; each with rq->lock held --- */
void update_curr(struct rq *rq); /* what the running task has had up to now */
/* Into and out of the tree or list; a task that runs is in neither. */
void queue_insert(struct rq *rq, struct task_struct *p, bool head);
void queue_remove(struct rq *rq, struct task_struct *p);
void enqueue(struct rq *rq, struct task_struct *p); /* and counted: it is runnable there */
/* p was put on rq: make the hart look at it if it should. sync: if this is that hart, it will soon by itself.
 */
void check_preempt(struct rq *rq, struct task_struct *p, bool sync);
u64 scaled(const struct task_struct *p, u64 ns); /* virtual time */
/* This hart's slice ends no later than that. Interrupts off, no lock needed. */
void end_slice_by(struct rq *rq, u64 at);
u32 seeded(u32 n); /* with seed=: the generator's next number below n */

/* --- group.c; for tasks that are in a group --- */
void groups_init(void);
/* One task of g may run from now on; no longer. The task's rq->lock held. */
void group_enqueue(struct cpu_group *g), group_dequeue(struct cpu_group *g);
/* p, which runs, has had ns. What that is to count as. rq->lock held. */
u64 group_charge(struct task_struct *p, u64 ns);
void group_switch(struct rq *rq, struct task_struct *next); /* next runs from now on. On its hart */

/* --- balance.c --- */
bool any_idle(u64 mask);
/* The hart for p, which is to run and ran on `prev`. No lock needed: it is a guess. */
unsigned int select_hart(const struct task_struct *p, unsigned int prev);
void move_vruntime(struct task_struct *p, struct rq *to);
u64 push_one(void);
bool steal(struct rq *rq);
