/* The cpu controller: groups of tasks that share the harts as one.
 *
 * By weight: to the others a group counts as one task of `weight`/100. Its tasks' virtual time passes faster
 * by what is runnable in it, divided by its weight, and so on for the groups above; run queues know no
 * groups. By limit: a group may have `quota` ns of each `period`. What its tasks use is taken from `left`,
 * and a timer fills it up; when nothing is left a task sleeps where it would return to user mode, holding
 * nothing. What they used too much, in the kernel or between two looks, is a debt.
 *
 * A task's se.group changes under its run queue's lock. Loads change under group_lock, the other counts are
 * atomic. */
#include "rq.h"
#include "../core/cgroup.h"
#include "../debug/debug.h"

#define LOOK_NS 50000UL /* a hart with a limited task looks at least so far apart */

static spinlock_t group_lock = SPINLOCK_INIT(RANK_GROUP); /* loads and weights; interrupts off */

/* A task of g may run from now on (100), or no longer (-100). Only the first and the last of a group change
 * what the group above has. */
static void add_load(struct cpu_group *g, s64 n) {
    u64 irq = spin_lock_irqsave(&group_lock);
    for (; g; g = g->parent) {
        bool was = g->load;
        WRITE_ONCE(g->load, g->load + n);
        if (was && g->load)
            break;
        n = n > 0 ? (s64)g->weight : -(s64)g->weight;
    }
    spin_unlock_irqrestore(&group_lock, irq);
}
void group_enqueue(struct cpu_group *g) { add_load(g, 100); }
void group_dequeue(struct cpu_group *g) { add_load(g, -100); }
void group_set_weight(struct cpu_group *g, u32 weight) {
    u64 irq = spin_lock_irqsave(&group_lock);
    if (g->parent && g->load)
        WRITE_ONCE(g->parent->load, g->parent->load + (s64)weight - (s64)g->weight);
    WRITE_ONCE(g->weight, weight);
    spin_unlock_irqrestore(&group_lock, irq);
}

static void refill(struct timer *t) {
    struct cpu_group *g = container_of(t, struct cpu_group, timer);
    u64 quota = READ_ONCE(g->quota);
    s64 was = atomic_read(&g->left);
    if (!quota || was == (s64)quota) { /* nobody ran: who runs next starts it again */
        __atomic_store_n(&g->timing, 0u, __ATOMIC_RELEASE);
        return;
    }
    g->periods++;
    while (!cmpxchg(&g->left.v, was, min(was + (s64)quota, (s64)quota)))
        was = atomic_read(&g->left);
    if (g->was_short) {
        g->short_periods++;
        g->was_short = false;
    }
    timer_start(t, ktime_get() + READ_ONCE(g->period));
    wake_up_all(&g->wait);
}

u64 group_charge(struct task_struct *p, u64 ns) {
    u64 scaled_ns = ns;
    for (struct cpu_group *g = p->se.group; g; g = g->parent) {
        atomic_add(&g->usage, ns);
        scaled_ns = scaled_ns * (u64)max(READ_ONCE(g->load), 1L) / READ_ONCE(g->weight);
        if (!READ_ONCE(g->quota))
            continue;
        if (!__atomic_exchange_n(&g->timing, 1u, __ATOMIC_ACQUIRE))
            timer_start(&g->timer, ktime_get() + g->period);
        if (__atomic_sub_fetch(&g->left.v, ns, __ATOMIC_RELAXED) <= 0)
            set_tif(p, TIF_THROTTLED);
    }
    return scaled_ns;
}

/* What is left for p until the next look, at least LOOK_NS; FOREVER: it has no limit. */
static u64 ns_left(const struct task_struct *p) {
    u64 ns = FOREVER;
    for (struct cpu_group *g = p->se.group; g; g = g->parent)
        if (READ_ONCE(g->quota))
            ns = min(ns, (u64)max(atomic_read(&g->left), (s64)LOOK_NS));
    return ns;
}
/* In an interrupt. */
static void look(struct timer *t) {
    struct rq *rq = container_of(t, struct rq, group_look);
    spin_lock(&rq->lock);
    update_curr(rq);
    group_switch(rq, rq->curr);
    spin_unlock_raw(&rq->lock);
    preempt_enable_no_resched();
}
void group_switch(struct rq *rq, struct task_struct *next) {
    u64 ns = ns_left(next);
    if (ns != FOREVER)
        timer_start(&rq->group_look, ktime_get() + ns);
}
void groups_init(void) {
    for (unsigned int h = 0; h < MAX_HARTS; h++)
        timer_setup(&rqs[h].group_look, look);
}

void group_set_limit(struct cpu_group *g, u64 quota, u64 period) {
    WRITE_ONCE(g->quota, 0);
    timer_cancel(&g->timer);
    __atomic_store_n(&g->timing, 0u, __ATOMIC_RELEASE);
    __atomic_store_n(&g->left.v, quota, __ATOMIC_RELAXED);
    WRITE_ONCE(g->period, period);
    smp_store_release(&g->quota, quota);
    wake_up_all(&g->wait);
}
void group_init(struct cpu_group *g, struct cpu_group *parent) {
    g->parent = parent;
    g->weight = 100;
    g->period = 100000000;
    timer_setup(&g->timer, refill);
    init_waitqueue(&g->wait);
}

/* A group of current's, or above it, that has nothing left, counted; or NULL. */
static struct cpu_group *hold_short_group(void) {
    u64 irq = local_irq_save();
    struct rq *rq = this_rq();
    spin_lock(&rq->lock);
    struct cpu_group *g = current->se.group;
    while (g && !(READ_ONCE(g->quota) && atomic_read(&g->left) <= 0))
        g = g->parent;
    if (g)
        get_cgroup(container_of(g, struct cgroup, cpu));
    spin_unlock_raw(&rq->lock);
    preempt_enable_no_resched();
    local_irq_restore(irq);
    return g;
}
void group_throttle(void) {
    clear_tif(current, TIF_THROTTLED);
    for (;;) {
        struct cpu_group *g = hold_short_group();
        if (!g)
            return;
        u64 since = ktime_get();
        WRITE_ONCE(g->was_short, true);
        int r = wait_event_killable(&g->wait, !READ_ONCE(g->quota) || atomic_read(&g->left) > 0);
        atomic_add(&g->short_ns, ktime_get() - since);
        put_cgroup(container_of(g, struct cgroup, cpu));
        if (r)
            return;
    }
}
