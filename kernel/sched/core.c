/* The scheduler. A hart takes from its own run queue: first real-time lists by priority, then the fair
 * tree by virtual deadline; when both are empty it steals, then idles in wfi with no tick.
 *
 * The lock of a run queue is taken by the task that gives the hart up and dropped by the one that gets
 * it (finish_switch). So whoever holds a task's run-queue lock and finds it off the queue knows that its
 * registers are saved. A fair task's share is by weight: it is charged vruntime, and its deadline is
 * vruntime plus a slice scaled by weight; the earliest deadline runs. A timer ends the slice, armed only
 * where more than one task wants the hart. */
#include "rq.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "../fs/fs.h"
#include <abi/errno.h>

struct rq rqs[MAX_HARTS];
u32 sched_child_runs_first = 1;
u32 sched_rt_runtime_us = 950000, sched_rt_period_us = 1000000;

/* Weights of nice -20 to 19: each step is a factor of 1.25, nice 0 is 1024 (as POSIX systems do). */
static const u32 weights[40] = {88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
                                9548,  7620,  6100,  4904,  3906,  3121,  2501,  1991,  1586,  1277,
                                1024,  820,   655,   526,   423,   335,   272,   215,   172,   137,
                                110,   87,    70,    56,    45,    36,    29,    23,    18,    15};

static u32 standing(const struct sched_entity *se) {
    u32 own = se->policy == SCHED_FIFO || se->policy == SCHED_RR ? se->rt_priority : 0;
    return max(own, se->boost);
}
static u32 weight(const struct task_struct *p) {
    return p->se.policy == SCHED_IDLE ? 3 : weights[p->se.nice + 20];
}
/* Virtual time for ns of real time. A user with more than USER_SHARE processes gets the share of that many:
 * a fork bomb slows its own processes, not everybody's. Root is not limited. */
#define USER_SHARE 16
u64 scaled(const struct task_struct *p, u64 ns) {
    //@sol sched scaled
    u64 n = p->se.user_tasks ? (u64)atomic_read(p->se.user_tasks) : 0;
    return ns * 1024 / weight(p) * (n > USER_SHARE ? n / USER_SHARE : 1);
    //@end
}

/* The kernel argument seed=N: scheduling by a generator, so that each N is another interleaving. Under
 * icount, where nothing depends on the host, the same N is the same one. Every hart gets a tick at a random
 * time, a random task of those that wait, and a woken task goes to a random hart. */
u64 sched_seed;
u32 seeded(u32 n) {
    u64 x = __atomic_add_fetch(&sched_seed, 0x9e3779b97f4a7c15UL, __ATOMIC_RELAXED);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebUL;
    return (x ^ x >> 31) % n;
}
#define SEEDED_TICK (5000 + (u64)seeded(195000)) /* ns */

static void slice_end(struct timer *t);
static u64 slice_of(const struct task_struct *p) { return p->se.policy == SCHED_RR ? RR_SLICE_NS : SLICE_NS; }

/* Real-time tasks get sched_rt_runtime_us of each sched_rt_period_us while a fair task waits: one that never
 * sleeps leaves the others enough to stop it. rq->lock held. */
static void charge_rt(struct rq *rq, u64 now, u64 delta) {
    if (now - rq->rt_since >= sched_rt_period_us * 1000UL) {
        rq->rt_since = now;
        rq->rt_used = 0;
    } else if (is_rt(rq->curr)) {
        rq->rt_used += delta;
    }
}
static bool rt_used_up(const struct rq *rq) { return rq->rt_used >= sched_rt_runtime_us * 1000UL; }

/* What p may have now, at least 1 ns. rq->lock held. */
static u64 slice_left(const struct rq *rq, const struct task_struct *p) {
    u64 left = slice_of(p) - min(p->se.slice_used, slice_of(p) - 1);
    if (unlikely(is_rt(p)) && !rt_used_up(rq))
        left = min(left, sched_rt_runtime_us * 1000UL - rq->rt_used);
    return left;
}
/* On this hart, interrupts off. */
void end_slice_by(struct rq *rq, u64 at) {
    if (!timer_queued(&rq->slice) || rq->slice.expires > at)
        timer_start(&rq->slice, at);
}
/* A task wants the hart that p has, from now on: p's slice is to end. One that is being timed already goes
 * on: who has not used its slice up when the time comes gets the rest (slice_end). */
static void start_slice(struct rq *rq, const struct task_struct *p) {
    if (!timer_queued(&rq->slice))
        timer_start(&rq->slice, ktime_get() + slice_left(rq, p));
}

/* Timers on processor time: while a process that has some runs, its hart looks at them when it is time. */
static void look_by(struct rq *rq, u64 at) {
    if (at != FOREVER && (!timer_queued(&rq->timer_look) || rq->timer_look.expires > at))
        timer_start(&rq->timer_look, at);
}
static void timer_look(struct timer *t) {
    if (READ_ONCE(current->signal->cpu_look) != FOREVER)
        look_by(container_of(t, struct rq, timer_look), cpu_timers_look());
}
void sched_look_at_timers(const struct signal_struct *s) {
    for (unsigned int h = 0; h < nr_harts; h++) {
        u64 irq = spin_lock_irqsave(&rqs[h].lock);
        if (rqs[h].curr->signal == s) { /* as it passes __schedule */
            set_tif(rqs[h].curr, TIF_NEED_RESCHED);
            if (h != smp_processor_id())
                send_ipi(h, IPI_RESCHED);
        }
        spin_unlock_irqrestore(&rqs[h].lock, irq);
    }
}

void sched_init(void) {
    for (unsigned int h = 0; h < MAX_HARTS; h++) {
        spin_lock_init(&rqs[h].lock, RANK_RQ);
        for (int i = 0; i < RT_LEVELS; i++)
            INIT_LIST_HEAD(&rqs[h].rt[i]);
        timer_setup(&rqs[h].slice, slice_end);
        timer_setup(&rqs[h].timer_look, timer_look);
    }
    groups_init();
}

/* --- queues; rq->lock held --- */
static void advance(struct rq *rq, const struct task_struct *p) {
    if (!is_rt(p) && (s64)(p->se.vruntime - rq->min_vruntime) > 0)
        rq->min_vruntime = p->se.vruntime;
}
void update_curr(struct rq *rq) {
    struct task_struct *p = rq->curr;
    u64 now = ktime_get(), delta = now - p->se.exec_start;
    p->se.exec_start = now;
    if (p == rq->idle) {
        rq->idle_ns += delta;
        return;
    }
    if (unlikely(rq->nr_rt || is_rt(p)))
        charge_rt(rq, now, delta);
    p->se.sum_exec += delta;
    p->se.slice_used += delta;
    if (unlikely(p->se.group))
        delta = group_charge(p, delta);
    //@sol sched charge
    if (!is_rt(p))
        p->se.vruntime += scaled(p, delta);
    if (rq->nr_running == 1)
        advance(rq, p);
    //@end
}

void queue_insert(struct rq *rq, struct task_struct *p, bool head) {
    if (is_rt(p)) {
        u32 i = RT_LEVELS - 1 - p->se.prio;
        (head ? list_add : list_add_tail)(&p->se.rt_link, &rq->rt[i]);
        rq->rt_bits[i / 64] |= BIT(i % 64);
        rq->nr_rt++;
        return;
    }
    struct rb_node **link = &rq->fair.node, *parent = NULL;
    while (*link) {
        parent = *link;
        link = (s64)(p->se.deadline - rb_entry(parent, struct task_struct, se.node)->se.deadline) < 0
                   ? &parent->left
                   : &parent->right;
    }
    rb_insert(&rq->fair, &p->se.node, parent, link);
}
void queue_remove(struct rq *rq, struct task_struct *p) {
    if (!is_rt(p)) {
        rb_erase(&rq->fair, &p->se.node);
        return;
    }
    u32 i = RT_LEVELS - 1 - p->se.prio;
    list_del(&p->se.rt_link);
    rq->nr_rt--;
    if (list_empty(&rq->rt[i]))
        rq->rt_bits[i / 64] &= ~BIT(i % 64);
}

/* One that slept may catch up by at most half a slice: sleeping saves no credit. */
static void place_sleeper(struct rq *rq, struct task_struct *p) {
    //@sol sched place-sleeper
    u64 floor = rq->min_vruntime - scaled(p, SLICE_NS) / 2;
    if ((s64)(p->se.vruntime - floor) < 0)
        p->se.vruntime = floor;
    //@end
}
/* The running task is not in the tree or lists; nr_running counts it. */
void enqueue(struct rq *rq, struct task_struct *p) {
    p->se.deadline = p->se.vruntime + scaled(p, SLICE_NS);
    p->se.slice_used = 0;
    queue_insert(rq, p, false);
    p->se.on_rq = true;
    rq->nr_running++;
    if (unlikely(p->se.group))
        group_enqueue(p->se.group);
}

static bool preempts(const struct task_struct *p, const struct task_struct *curr) {
    if (curr->task_flags & PF_IDLE)
        return true;
    //@sol sched preempts
    if (is_rt(p) || is_rt(curr))
        return p->se.prio > curr->se.prio;
    return (s64)(p->se.deadline - curr->se.deadline) < 0;
    //@end
}

/* p was put on rq: make the hart look at it if it should. sync: if this is that hart, it will soon by itself.
 * rq->lock held. */
void check_preempt(struct rq *rq, struct task_struct *p, bool sync) {
    unsigned int hart = rq - rqs;
    sync = sync && hart == smp_processor_id() && rq->curr != rq->idle && !is_rt(p);
    bool yes = !sync && preempts(p, rq->curr), alone = rq->nr_running == 2;
    if (!yes && !alone)
        return; /* a slice timer is running already */
    if (hart == smp_processor_id()) {
        if (yes)
            set_tif(rq->curr, TIF_NEED_RESCHED);
        else
            start_slice(rq, rq->curr);
    } else if (!test_tif(rq->curr, TIF_NEED_RESCHED)) {
        set_tif(rq->curr, TIF_NEED_RESCHED);
        send_ipi(hart, IPI_RESCHED);
    }
}

static struct task_struct *pick(struct rq *rq) {
    struct rb_node *n = rb_first(&rq->fair);
    for (int w = 0; rq->nr_rt && w < 2 && !(n && rt_used_up(rq)); w++)
        if (rq->rt_bits[w])
            return list_first_entry(&rq->rt[w * 64 + ctz64(rq->rt_bits[w])], struct task_struct, se.rt_link);
    for (u32 skip = unlikely(sched_seed) ? seeded(4) : 0; skip && n && rb_next(n); skip--)
        n = rb_next(n);
    return n ? rb_entry(n, struct task_struct, se.node) : rq->idle;
}

static struct rq *task_rq_lock(struct task_struct *p, u64 *flags) {
    for (;;) {
        struct rq *rq = &rqs[READ_ONCE(p->ti.cpu)];
        *flags = spin_lock_irqsave(&rq->lock);
        if (rq == &rqs[p->ti.cpu])
            return rq;
        spin_unlock_irqrestore(&rq->lock, *flags);
    }
}

bool try_to_wake_up(struct task_struct *p, u32 mask) {
    u64 flags;
    smp_mb();
    if (!(READ_ONCE(p->state) & mask))
        return false;
    struct rq *rq = task_rq_lock(p, &flags);
    if (!(p->state & mask)) {
        spin_unlock_irqrestore(&rq->lock, flags);
        return false;
    }
    if (p->se.on_rq) { /* still on its way to schedule() */
        WRITE_ONCE(p->state, TASK_RUNNING);
        spin_unlock_irqrestore(&rq->lock, flags);
        return true;
    }
    unsigned int to = nr_harts > 1 ? select_hart(p, p->ti.cpu) : 0;
    if (to != p->ti.cpu) {
        struct rq *dest = &rqs[to];
        WRITE_ONCE(p->state, TASK_WAKING); /* nobody else wakes it between the locks */
        move_vruntime(p, dest);
        WRITE_ONCE(p->ti.cpu, to);
        spin_unlock_raw(&rq->lock);
        spin_lock_raw(&dest->lock);
        rq = dest;
    }
    WRITE_ONCE(p->state, TASK_RUNNING);
    TRACE(wakeup, p->pid, to, 0);
    place_sleeper(rq, p);
    enqueue(rq, p);
    check_preempt(rq, p, mask & TASK_SYNC);
    spin_unlock_irqrestore(&rq->lock, flags);
    return true;
}

void sched_fork(struct task_struct *p) {
    struct sched_entity *cur = &current->se, *se = &p->se;
    p->state = TASK_NEW;
    p->ti.preempt_count = 1; /* until schedule_tail */
    se->on_rq = se->on_cpu = false;
    se->boost = 0;
    se->sum_exec = se->nvcsw = se->nivcsw = se->slice_used = 0;
    if (cur->reset_on_fork) {
        if (is_rt(current))
            se->policy = SCHED_OTHER, se->rt_priority = 0, se->nice = 0;
        else if (se->nice < 0)
            se->nice = 0;
        se->reset_on_fork = false;
    }
    se->prio = standing(se);
    /* Half of what was left of the parent's slice stays with each: forking gains nothing. */
    se->vruntime = cur->vruntime;
}

void wake_up_new_task(struct task_struct *p, u64 clone_flags) {
    bool first = sched_child_runs_first && !(clone_flags & CLONE_VM);
    u64 irq = local_irq_save();
    preempt_disable();
    unsigned int here = smp_processor_id(), to = here;
    if (!(p->se.affinity & BIT(here)) || (!first && !(clone_flags & CLONE_VFORK) && nr_harts > 1))
        to = select_hart(p, here);
    struct rq *rq = &rqs[to];
    spin_lock(&rq->lock);
    WRITE_ONCE(p->ti.cpu, to);
    TRACE(wakeup_new, p->pid, to, 0);
    if (to != here)
        move_vruntime(p, rq);
    else
        update_curr(rq);
    if (to == here)
        p->se.vruntime = rq->curr->se.vruntime;
    WRITE_ONCE(p->state, TASK_RUNNING);
    place_sleeper(rq, p);
    enqueue(rq, p);
    if (to == here && first && !is_rt(p) && !is_rt(current)) {
        /* The child's deadline goes before the parent's: an exec follows before any page is copied. */
        current->se.deadline = current->se.vruntime + scaled(current, SLICE_NS) + 1;
        queue_remove(rq, p);
        if ((s64)(p->se.deadline - current->se.deadline) >= 0)
            p->se.deadline = current->se.deadline - 1;
        queue_insert(rq, p, true);
        set_tif(current, TIF_NEED_RESCHED);
    } else {
        check_preempt(rq, p, false);
    }
    spin_unlock_raw(&rq->lock);
    preempt_enable_no_resched();
    /* The parent still wants to run. A child that execs or ends soon gives it this hart back; only if it goes
     * on does the parent go to an idle hart (slice_end): an IPI and cold translations for each fork cost more
     * than they gain. */
    if (to == here && nr_harts > 1 && !sched_seed && any_idle(current->se.affinity & ~BIT(here)))
        end_slice_by(rq, ktime_get() + FORK_GRACE_NS);
    local_irq_restore(irq);
    preempt_enable();
}

/* In an interrupt, on the hart that runs current. */
static void slice_end(struct timer *t) {
    //@sol sched slice-end
    struct rq *rq = this_rq();
    spin_lock(&rq->lock);
    update_curr(rq);
    struct task_struct *p = rq->curr;
    bool used =
        p == rq->idle || p->se.slice_used >= slice_of(p) || sched_seed || (is_rt(p) && rt_used_up(rq));
    bool alone = rq->nr_running < 2;
    u64 left = slice_left(rq, p);
    spin_unlock_raw(&rq->lock);
    preempt_enable_no_resched();
    if (alone && !sched_seed)
        return;
    u64 again = push_one();
    if (used)
        set_tif(current, TIF_NEED_RESCHED);
    else
        timer_start(t, min(again, ktime_get() + left));
    //@end
}

/* --- the switch --- */
static void switch_mm(struct rq *rq, struct task_struct *prev, struct task_struct *next) {
    struct mm_struct *old = prev->active_mm, *mm = next->mm;
    if (!mm) { /* a kernel thread: the root that is loaded stays */
        next->active_mm = old;
        if (!prev->mm)
            prev->active_mm = NULL; /* its count moves on */
        else
            mmgrab(old);
        return;
    }
    next->active_mm = mm;
    if (!prev->mm) {
        rq->drop_mm = old;
        prev->active_mm = NULL;
    }
    if (mm == old)
        return;
    u64 bit = BIT(smp_processor_id());
    __atomic_fetch_or(&mm->cpumask, bit, __ATOMIC_SEQ_CST);
    load_root(mm->pgd);
    __atomic_fetch_and(&old->cpumask, ~bit, __ATOMIC_SEQ_CST);
}

/* exec: current leaves its address space for mm. */
void activate_mm(struct mm_struct *mm) {
    u64 irq = local_irq_save();
    struct mm_struct *old = current->active_mm;
    bool lazy = !current->mm;
    u64 bit = BIT(smp_processor_id());
    current->mm = current->active_mm = mm;
    __atomic_fetch_or(&mm->cpumask, bit, __ATOMIC_SEQ_CST);
    load_root(mm->pgd);
    __atomic_fetch_and(&old->cpumask, ~bit, __ATOMIC_SEQ_CST);
    local_irq_restore(irq);
    if (lazy)
        mmdrop(old);
}

/* On next's stack, holding rq->lock taken by prev. */
static void finish_switch(struct task_struct *prev) {
    struct rq *rq = this_rq();
    struct mm_struct *mm = rq->drop_mm;
    bool dead = prev->state == TASK_DEAD;
    rq->drop_mm = NULL;
    prev->se.on_cpu = false;
    current->acct_stamp = rdtime();
    spin_unlock_raw(&rq->lock);
    preempt_enable_no_resched();
    if (task_trapframe(current) && (task_trapframe(current)->sstatus & SSTATUS_FS) &&
        !(current->task_flags & PF_KTHREAD))
        fpu_restore(&current->fpu);
    if (mm)
        mmdrop(mm);
    if (dead)
        put_task(prev);
}

void flush_fpu(struct task_struct *t) {
    struct trapframe *tf = task_trapframe(t);
    if ((tf->sstatus & SSTATUS_FS) == SSTATUS_FS_DIRTY) {
        fpu_save(&t->fpu);
        tf->sstatus = (tf->sstatus & ~(u64)SSTATUS_FS) | SSTATUS_FS_CLEAN;
    }
}

/* Returns with interrupts off. */
static void __schedule(bool preempted) {
    struct task_struct *prev = current, *next;
    local_irq_disable();
    struct rq *rq = this_rq();
    if (rq->nr_running < 2 && nr_harts > 1 &&
        (prev == rq->idle || (!preempted && READ_ONCE(prev->state) != TASK_RUNNING)))
        steal(rq);
    spin_lock(&rq->lock);
    clear_tif(prev, TIF_NEED_RESCHED);
    update_curr(rq);
    if (prev != rq->idle) {
        if (!preempted && prev->state != TASK_RUNNING && !(prev->state & TASK_DEAD) &&
            signal_pending_state(prev->state))
            prev->state = TASK_RUNNING;
        if (preempted || prev->state == TASK_RUNNING) {
            bool used = prev->se.slice_used >= slice_of(prev);
            if (!is_rt(prev) && used)
                prev->se.deadline = prev->se.vruntime + scaled(prev, SLICE_NS);
            queue_insert(rq, prev, prev->se.policy == SCHED_FIFO || !used);
            if (used)
                prev->se.slice_used = 0;
            prev->se.nivcsw++;
        } else {
            prev->se.on_rq = false;
            rq->nr_running--;
            if (unlikely(prev->se.group))
                group_dequeue(prev->se.group);
            prev->se.nvcsw++;
        }
    }
    next = pick(rq);
    if (next != rq->idle) {
        queue_remove(rq, next);
        advance(rq, next);
    }
    rq->is_idle = next == rq->idle;
    if (unlikely(sched_seed))
        timer_start(&rq->slice, ktime_get() + SEEDED_TICK);
    else if (rq->nr_running > 1)
        start_slice(rq, next);
    next->se.exec_start = prev->se.exec_start;
    if (unlikely(next->se.group))
        group_switch(rq, next);
    if (unlikely(READ_ONCE(next->signal->cpu_look) != FOREVER))
        look_by(rq, next->signal->cpu_look);
    if (next == prev) {
        spin_unlock_raw(&rq->lock);
        preempt_enable_no_resched();
        return;
    }
    account_time(true);
    TRACE(switch, prev->pid, next->pid, preempted ? TASK_RUNNING : prev->state);
    rq->curr = next;
    rq->switches++;
    next->se.on_cpu = true;
    if (!(prev->task_flags & PF_KTHREAD))
        flush_fpu(prev);
    switch_mm(rq, prev, next);
    prev = __switch_to(prev, next);
    finish_switch(prev);
}

void schedule(void) {
    DEBUG_ON(current_thread->preempt_count || irqs_disabled());
    if (unlikely(current->plug))
        blk_flush_plug(current->plug);
    do {
        __schedule(false);
        local_irq_enable();
    } while (test_tif(current, TIF_NEED_RESCHED) && current->state == TASK_RUNNING);
}

/* The last switch away. From the new state to the switch no interrupt may preempt: a preempted task is
 * queued again, and a dead one must not be. */
__noreturn void schedule_exit(void) {
    local_irq_disable();
    WRITE_ONCE(current->state, TASK_DEAD);
    __schedule(false);
    panic("a dead task runs");
}

/* A lock was dropped or an interrupt ends, and a better task waits. */
noinline void preempt_schedule(void) { /* not inlined: scripts/stackdepth.list names it */
    if (irqs_disabled() || current_thread->preempt_count)
        return;
    __schedule(true);
    local_irq_enable();
}
/* At the end of an interrupt: interrupts stay off, so that frames do not pile up on one stack. */
void preempt_schedule_irq(void) { __schedule(true); }

void schedule_tail(struct task_struct *prev) {
    finish_switch(prev);
    DEBUG_ON(current_thread->preempt_count);
    local_irq_enable();
    if (current->set_child_tid)
        put_user(current->set_child_tid, (u32)current->vpid);
}

void yield(void) {
    u64 flags;
    struct rq *rq = task_rq_lock(current, &flags);
    update_curr(rq);
    if (!is_rt(current)) {
        struct rb_node *last = rb_last(&rq->fair);
        u64 d = last ? rb_entry(last, struct task_struct, se.node)->se.deadline + 1 : 0;
        if (last && (s64)(d - current->se.deadline) > 0)
            current->se.deadline = d;
    }
    current->se.slice_used = RR_SLICE_NS;
    spin_unlock_irqrestore(&rq->lock, flags);
    schedule();
}

/* What p counts as is changed between these two: off its queue, if it waits in one, and its queue locked. */
static struct rq *change_begin(struct task_struct *p, u64 *flags) {
    struct rq *rq = task_rq_lock(p, flags);
    if (rq->curr == p)
        update_curr(rq);
    else if (p->se.on_rq)
        queue_remove(rq, p);
    return rq;
}
static void change_end(struct rq *rq, struct task_struct *p, u64 flags) {
    p->se.prio = standing(&p->se);
    p->se.deadline = p->se.vruntime + scaled(p, SLICE_NS);
    if (rq->curr == p) {
        set_tif(p, TIF_NEED_RESCHED);
        if (rq != this_rq())
            send_ipi(rq - rqs, IPI_RESCHED);
    } else if (p->se.on_rq) {
        queue_insert(rq, p, false);
        check_preempt(rq, p, false);
    }
    spin_unlock_irqrestore(&rq->lock, flags);
}
void sched_set(struct task_struct *p, u32 policy, s32 nice, u32 rt_priority, bool reset) {
    u64 flags;
    struct rq *rq = change_begin(p, &flags);
    p->se.policy = policy;
    p->se.nice = nice;
    p->se.rt_priority = rt_priority;
    p->se.reset_on_fork = reset;
    change_end(rq, p, flags);
}
void sched_boost(struct task_struct *p, u32 priority) {
    u64 flags;
    struct rq *rq = change_begin(p, &flags);
    p->se.boost = priority;
    change_end(rq, p, flags);
}

struct cpu_group *sched_set_group(struct task_struct *p, struct cpu_group *g) {
    u64 flags;
    struct rq *rq = change_begin(p, &flags);
    struct cpu_group *was = p->se.group;
    if (p->se.on_rq && was)
        group_dequeue(was);
    p->se.group = g;
    if (p->se.on_rq && g)
        group_enqueue(g);
    change_end(rq, p, flags);
    return was;
}

int sched_setaffinity(struct task_struct *p, u64 mask) {
    u64 flags;
    mask &= online_harts;
    if (!mask)
        return -EINVAL;
    struct rq *rq = task_rq_lock(p, &flags);
    p->se.affinity = mask;
    unsigned int hart = p->ti.cpu;
    bool move = !(mask & BIT(hart));
    if (move && p->se.on_rq && rq->curr != p) { /* waiting in a queue it may not use */
        unsigned int to = ctz64(mask);
        queue_remove(rq, p);
        rq->nr_running--;
        if (p->se.group)
            group_dequeue(p->se.group);
        p->se.on_rq = false;
        WRITE_ONCE(p->state, TASK_WAKING);
        move_vruntime(p, &rqs[to]);
        WRITE_ONCE(p->ti.cpu, to);
        spin_unlock_raw(&rq->lock);
        rq = &rqs[to];
        spin_lock_raw(&rq->lock);
        WRITE_ONCE(p->state, TASK_RUNNING);
        enqueue(rq, p);
        check_preempt(rq, p, false);
        move = false;
    }
    spin_unlock_irqrestore(&rq->lock, flags);
    if (move && p == current) /* sleep a moment: the wake picks an allowed hart */
        while (!(READ_ONCE(p->se.affinity) & BIT(smp_processor_id()))) {
            set_current_state(TASK_UNINTERRUPTIBLE);
            schedule_until(ktime_get() + 100000); /* long enough to be asleep when it ends */
        }
    return 0;
}

u64 task_runtime(struct task_struct *p) {
    u64 flags;
    struct rq *rq = task_rq_lock(p, &flags);
    if (rq->curr == p)
        update_curr(rq);
    u64 r = p->se.sum_exec;
    spin_unlock_irqrestore(&rq->lock, flags);
    return r;
}

void idle_init(unsigned int h, struct task_struct *idle) {
    rqs[h].curr = rqs[h].idle = idle;
    idle->ti.cpu = h;
    idle->task_flags |= PF_IDLE | PF_KTHREAD;
    idle->se.on_cpu = true;
    idle->se.exec_start = ktime_get();
}

__noreturn void cpu_idle(void) {
    for (;;) {
        local_irq_disable();
        this_rq()->is_idle = true;
        if (!test_tif(current, TIF_NEED_RESCHED))
            asm volatile("wfi"); /* wakes on a pending interrupt even with SIE off */
        local_irq_enable();
        schedule();
    }
}

void rq_stat(unsigned int h, struct rq_stat *s) {
    u64 flags = spin_lock_irqsave(&rqs[h].lock);
    if (rqs[h].curr == rqs[h].idle)
        update_curr(&rqs[h]);
    *s = (struct rq_stat){rqs[h].switches, rqs[h].nr_running, rqs[h].idle_ns, rqs[h].curr->pid};
    spin_unlock_irqrestore(&rqs[h].lock, flags);
}
u64 nr_running_all(void) {
    u64 n = 0;
    for (unsigned int h = 0; h < nr_harts; h++)
        n += READ_ONCE(rqs[h].nr_running);
    return n;
}

/* Load averages decay towards the number of runnable tasks; brought up to date when read. */
void avenrun(u64 loads[3]) {
    static u64 avg[3], last;
    static spinlock_t lock = SPINLOCK_INIT(RANK_OBJECT);
    static const u32 period[3] = {60, 300, 900};
    u64 irq = spin_lock_irqsave(&lock), now = ktime_get() / 1000000000;
    u64 steps = min((now - last) / 5, 400UL);
    for (u64 s = 0; s < steps; s++)
        for (int i = 0; i < 3; i++) {
            u64 target = nr_running_all() << 16;
            avg[i] += ((s64)(target - avg[i]) * 5) / (s64)period[i];
        }
    last += steps < 400 ? steps * 5 : now - last;
    for (int i = 0; i < 3; i++)
        loads[i] = avg[i];
    spin_unlock_irqrestore(&lock, irq);
}
