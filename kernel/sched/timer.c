/* Timers: a tree per hart, ordered by time; the hart's clock event is set for the first. No tick. */
#include "sched.h"
#include "../debug/debug.h"

static struct timer_base {
    spinlock_t lock;
    struct rb_root tree;
    struct timer *running;
    u64 programmed;
} __aligned(64) bases[MAX_HARTS];

void timers_init(void) {
    for (int h = 0; h < MAX_HARTS; h++) {
        spin_lock_init(&bases[h].lock, RANK_TIMER);
        bases[h].programmed = FOREVER;
    }
}

void timer_setup(struct timer *t, void (*fn)(struct timer *)) {
    t->fn = fn;
    t->hart = -1;
    t->expires = 0;
}

static void program(struct timer_base *b) {
    struct rb_node *n = rb_first(&b->tree);
    u64 first = n ? rb_entry(n, struct timer, node)->expires : FOREVER;
    if (first != b->programmed)
        set_next_event(b->programmed = first);
}

static struct timer_base *lock_base(struct timer *t, u64 *flags) {
    for (;;) {
        s32 h = smp_load_acquire(&t->hart);
        if (h < 0)
            return NULL;
        *flags = spin_lock_irqsave(&bases[h].lock);
        if (t->hart == h)
            return &bases[h];
        spin_unlock_irqrestore(&bases[h].lock, *flags);
    }
}

static bool dequeue(struct timer *t) {
    u64 flags;
    struct timer_base *b = lock_base(t, &flags);
    if (!b)
        return false;
    rb_erase(&b->tree, &t->node);
    WRITE_ONCE(t->hart, -1);
    spin_unlock_irqrestore(&b->lock, flags);
    return true;
}

void timer_start(struct timer *t, u64 expires) {
    dequeue(t);
    u64 irq = local_irq_save();
    unsigned int h = smp_processor_id();
    struct timer_base *b = &bases[h];
    spin_lock(&b->lock);
    t->expires = expires;
    struct rb_node **link = &b->tree.node, *parent = NULL;
    while (*link) {
        parent = *link;
        link = expires < rb_entry(parent, struct timer, node)->expires ? &parent->left : &parent->right;
    }
    rb_insert(&b->tree, &t->node, parent, link);
    WRITE_ONCE(t->hart, h);
    if (rb_first(&b->tree) == &t->node)
        program(b);
    spin_unlock_raw(&b->lock);
    preempt_enable_no_resched();
    local_irq_restore(irq);
}

bool timer_cancel(struct timer *t) {
    bool was = false, running;
    do { /* fn may have started it again while we waited */
        was |= dequeue(t);
        running = false;
        for (unsigned int h = 0; h < nr_harts; h++)
            while (smp_load_acquire(&bases[h].running) == t) {
                running = true;
                cpu_relax();
            }
    } while (running);
    return was;
}

void timer_interrupt(void) {
    struct timer_base *b = &bases[smp_processor_id()];
    spin_lock(&b->lock);
    for (;;) {
        struct rb_node *n = rb_first(&b->tree);
        struct timer *t = n ? rb_entry(n, struct timer, node) : NULL;
        if (!t || t->expires > ktime_get())
            break;
        rb_erase(&b->tree, n);
        /* In this order: timer_cancel reads hart, then running, without the lock. It must see one of them, or
         * it returns and t, on its caller's stack, is gone before fn runs. */
        WRITE_ONCE(b->running, t);
        smp_store_release(&t->hart, -1);
        spin_unlock_raw(&b->lock);
        t->fn(t);
        spin_lock_raw(&b->lock);
        smp_store_release(&b->running, NULL);
    }
    b->programmed = FOREVER - 1; /* the event was used up: program in any case */
    program(b);
    spin_unlock_raw(&b->lock);
    preempt_enable_no_resched();
}
