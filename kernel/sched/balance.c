/* Which hart a task goes to: when it wakes (select_hart), when a hart has nothing to do (steal), when a slice
 * ends where others have less (push_one). Two run queues are locked in the order of their addresses. */
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "rq.h"

static bool hart_idle(unsigned int h) { return READ_ONCE(rqs[h].is_idle) && !READ_ONCE(rqs[h].nr_running); }

bool any_idle(u64 mask) {
    for (u64 m = mask & online_harts; m; m &= m - 1)
        if (hart_idle(ctz64(m)))
            return true;
    return false;
}
unsigned int select_hart(const struct task_struct *p, unsigned int prev) {
    u64 allowed = p->se.affinity & online_harts;
    if (!allowed)
        allowed = online_harts;
    if (unlikely(sched_seed)) {
        u64 m = allowed;
        for (u32 skip = seeded(__builtin_popcountl(m)); skip; skip--)
            m &= m - 1;
        return ctz64(m);
    }
    //@sol sched select-hart
    unsigned int best = ctz64(allowed), self = smp_processor_id();
    if ((allowed & BIT(prev)) && hart_idle(prev))
        return prev;
    /* A child that ends wakes its parent: this hart is as good as free. */
    if (prev == self && (allowed & BIT(self)) && (current->task_flags & PF_EXITING) &&
        READ_ONCE(rqs[self].nr_running) == 1)
        return self;
    u32 least = ~0u;
    for (u64 m = allowed; m; m &= m - 1) {
        unsigned int h = ctz64(m);
        if (hart_idle(h))
            return h;
        u32 n = READ_ONCE(rqs[h].nr_running) * 4 + (h == prev ? 0 : h == self ? 1 : 2);
        if (n < least)
            least = n, best = h;
    }
    return best;
    //@end
}

/* Virtual time is one for all harts as far as they agree: what a task has had stays with it when it moves,
 * but not more than MAX_LAG ahead of or behind those it comes to. */
#define MAX_LAG (8 * SLICE_NS)
void move_vruntime(struct task_struct *p, struct rq *to) {
    s64 lag = p->se.vruntime - to->min_vruntime, most = scaled(p, MAX_LAG);
    p->se.vruntime = to->min_vruntime + (u64)(lag > most ? most : lag < -most ? -most : lag);
}

/* A task that ran a moment ago stays beside the one that runs: its turn may come at once (a parent whose
 * child ends), and what it needs is there. */
static u64 may_go_at(const struct task_struct *p, const struct rq *from) {
    return from->nr_running > 2 ? 0 : p->se.exec_start + FORK_GRACE_NS;
}

/* A task waiting in `from` that hart `self` may run now, or NULL; *soon is when there may be one. from->lock
 * held. */
static struct task_struct *stealable(struct rq *from, unsigned int self, u64 *soon) {
    struct task_struct *p;
    u64 now = ktime_get();
    for (int l = 0; from->nr_rt && l < RT_LEVELS; l++)
        list_for_each_entry(p, &from->rt[l],
                            se.rt_link) if ((p->se.affinity & BIT(self)) && !p->se.on_cpu) return p;
    for (struct rb_node *n = rb_first(&from->fair); n; n = rb_next(n)) {
        p = rb_entry(n, struct task_struct, se.node);
        if (!(p->se.affinity & BIT(self)) || p->se.on_cpu)
            continue;
        u64 at = may_go_at(p, from);
        if (at <= now)
            return p;
        *soon = min(*soon, at);
    }
    return NULL;
}

/* Two run queues are locked in the order of their addresses. Interrupts off. */
static void lock_both(struct rq *a, struct rq *b) {
    spin_lock(a < b ? &a->lock : &b->lock);
    spin_lock_raw(a < b ? &b->lock : &a->lock);
}
static void unlock_both(struct rq *a, struct rq *b) {
    spin_unlock_raw(&a->lock);
    spin_unlock_raw(&b->lock);
    preempt_enable_no_resched();
}
/* A task that waits in one queue goes to another; both are locked. */
static void migrate(struct task_struct *p, struct rq *from, struct rq *to) {
    queue_remove(from, p);
    from->nr_running--;
    if (unlikely(p->se.group))
        group_dequeue(p->se.group);
    move_vruntime(p, to);
    WRITE_ONCE(p->ti.cpu, to - rqs);
    TRACE(migrate, p->pid, from - rqs, to - rqs);
    enqueue(to, p);
}

//@sol sched push-one
/* At a slice's end: the waiting task that has had least goes where there are fewer tasks. Where the
 * difference is one, only if those there have had more: so the surplus task wanders between the harts at the
 * pace at which they drift apart, and in the long run all tasks get the same. Returns when to look again, or
 * FOREVER. */
u64 push_one(void) {
    struct rq *rq = this_rq(), *dest = rq;
    unsigned int self = rq - rqs;
    u64 again = FOREVER;
    for (unsigned int i = 1; i < nr_harts && READ_ONCE(rq->nr_running) > 1; i++) {
        struct rq *other = &rqs[(self + i) % nr_harts];
        u32 n = READ_ONCE(other->nr_running), least = READ_ONCE(dest->nr_running);
        if (n < least || (n == least && dest != rq && (s64)(other->min_vruntime - dest->min_vruntime) > 0))
            dest = other;
    }
    if (dest == rq)
        return again;
    /* In an interrupt, and nothing that must be done now: it does not wait for the other hart. (Where harts
     * take turns that one could hold its lock at each of our turns.) */
    spin_lock(&rq->lock);
    if (!spin_trylock_raw(&dest->lock)) {
        spin_unlock_raw(&rq->lock);
        preempt_enable_no_resched();
        return again;
    }
    lock_check_taken(&dest->lock);
    update_curr(dest); /* a task alone there has no slices */
    struct rb_node *n = rb_first(&rq->fair);
    while (n && !(rb_entry(n, struct task_struct, se.node)->se.affinity & BIT(dest - rqs)))
        n = rb_next(n);
    if (n && (dest->nr_running + 1 < rq->nr_running ||
              (dest->nr_running < rq->nr_running && (s64)(dest->min_vruntime - rq->min_vruntime) > 0))) {
        struct task_struct *p = rb_entry(n, struct task_struct, se.node);
        u64 at = may_go_at(p, rq);
        if (at <= ktime_get()) {
            migrate(p, rq, dest);
            check_preempt(dest, p, false);
        } else {
            again = at;
        }
    }
    unlock_both(rq, dest);
    return again;
}
//@end

/* An idle hart takes a task that waits elsewhere. Called with no lock, interrupts off. */
bool steal(struct rq *rq) {
    //@sol sched steal
    unsigned int self = rq - rqs;
    u64 soon = FOREVER;
    for (unsigned int i = 1; i < nr_harts; i++) {
        struct rq *from = &rqs[(self + i) % nr_harts];
        if (READ_ONCE(from->nr_running) < 2)
            continue;
        lock_both(from, rq);
        struct task_struct *p = stealable(from, self, &soon);
        if (p)
            migrate(p, from, rq);
        unlock_both(from, rq);
        if (p)
            return true;
    }
    if (soon != FOREVER) /* idle until then, and another look */
        end_slice_by(rq, soon);
    return false;
    //@end
}
