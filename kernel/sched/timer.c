/* Timers: a tree per hart, ordered by time; the hart's clock event is set for the first. No tick.
 *
 * A timer belongs to one hart, whose lock guards it, from timer_setup on. Starting it moves it to the
 * caller's hart, unless its function runs just then: a function never runs on two harts at once. So any
 * number of callers on any harts may start and cancel one timer.
 *
 * An interrupt serves what was due when it began, at most MOST of it, and the next one comes no sooner than
 * this one took: whatever programs ask for, timers have half of a hart and tasks the other half. */
#include "sched.h"
#include "../debug/debug.h"

#define MOST 64              /* functions in one interrupt */
#define PAUSE_MOST 1000000UL /* ns */

static struct timer_base {
    spinlock_t lock;
    struct rb_root tree;
    struct timer *running;
    u64 programmed;
    u64 not_before; /* ns: no event of the clock is set for an earlier time */
} __aligned(64) bases[MAX_HARTS];

void timers_init(void) {
    for (int h = 0; h < MAX_HARTS; h++) {
        spin_lock_init(&bases[h].lock, RANK_TIMER);
        bases[h].programmed = FOREVER;
    }
}

void timer_setup(struct timer *t, void (*fn)(struct timer *)) {
    t->fn = fn;
    t->hart = smp_processor_id();
    t->queued = false;
    t->expires = 0;
}

static struct timer *first_of(struct timer_base *b) {
    struct rb_node *n = rb_first(&b->tree);
    return n ? rb_entry(n, struct timer, node) : NULL;
}
static void program(struct timer_base *b) {
    struct timer *t = first_of(b);
    u64 at = t ? max(t->expires, b->not_before) : FOREVER;
    if (at != b->programmed)
        set_next_event(b->programmed = at);
}

/* Interrupts off, as for all that follows: the hart that moves a timer is not interrupted. */
static struct timer_base *lock_base(struct timer *t) {
    for (;; cpu_relax()) {
        s32 h = READ_ONCE(t->hart);
        if (h < 0) /* another hart moves it */
            continue;
        spin_lock(&bases[h].lock);
        if (t->hart == h)
            return &bases[h];
        spin_unlock_raw(&bases[h].lock);
        preempt_enable_no_resched();
    }
}
static void unlock_base(struct timer_base *b, u64 irq) {
    spin_unlock_raw(&b->lock);
    preempt_enable_no_resched();
    local_irq_restore(irq);
}
static bool dequeue(struct timer_base *b, struct timer *t) {
    bool was = t->queued;
    if (was)
        rb_erase(&b->tree, &t->node);
    WRITE_ONCE(t->queued, false);
    return was;
}
static void queue(struct timer_base *b, struct timer *t) {
    struct rb_node **link = &b->tree.node, *parent = NULL;
    while (*link) {
        parent = *link;
        link = t->expires < rb_entry(parent, struct timer, node)->expires ? &parent->left : &parent->right;
    }
    rb_insert(&b->tree, &t->node, parent, link);
    WRITE_ONCE(t->queued, true);
}

void timer_start(struct timer *t, u64 expires) {
    u64 irq = local_irq_save();
    unsigned int h = smp_processor_id();
    struct timer_base *b = lock_base(t), *here = &bases[h];
    dequeue(b, t);
    if (b != here && b->running != t) {
        WRITE_ONCE(t->hart, -1);
        spin_unlock_raw(&b->lock);
        spin_lock_raw(&here->lock);
        WRITE_ONCE(t->hart, h);
        b = here;
    }
    WRITE_ONCE(t->expires, expires);
    queue(b, t);
    if (b == here && !b->running && first_of(b) == t) /* else the interrupt that is being served sets it */
        program(b);
    unlock_base(b, irq);
}

bool timer_stop(struct timer *t) {
    u64 irq = local_irq_save();
    struct timer_base *b = lock_base(t);
    bool was = dequeue(b, t);
    unlock_base(b, irq);
    return was;
}
bool timer_cancel(struct timer *t) {
    for (bool was = false;;) {
        u64 irq = local_irq_save();
        struct timer_base *b = lock_base(t);
        was |= dequeue(b, t);
        bool running = b->running == t;
        unlock_base(b, irq);
        if (!running)
            return was;
        while (smp_load_acquire(&b->running) == t)
            cpu_relax();
    }
}

u64 timer_forward(u64 *expires, u64 interval, u64 now) {
    if (now < *expires)
        return 0;
    u64 n = (now - *expires) / interval + 1;
    *expires += n * interval;
    return n;
}

void timer_interrupt(void) {
    struct timer_base *b = &bases[smp_processor_id()];
    u64 began = ktime_get();
    spin_lock(&b->lock);
    struct timer *t;
    for (u32 n = 0; n < MOST && (t = first_of(b)) && t->expires <= began; n++) {
        dequeue(b, t);
        WRITE_ONCE(b->running, t);
        spin_unlock_raw(&b->lock);
        t->fn(t);
        spin_lock_raw(&b->lock);
        smp_store_release(&b->running, NULL);
    }
    u64 now = ktime_get();
    b->not_before = now + min(now - began, PAUSE_MOST);
    b->programmed = FOREVER - 1; /* the event was used up: program in any case */
    program(b);
    spin_unlock_raw(&b->lock);
    preempt_enable_no_resched();
}
