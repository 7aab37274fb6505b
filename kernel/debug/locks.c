/* The lock checker of the checked build (DEBUG=1). Two rules, by rank (spinlock.h):
 * - within one context, a task's or an interrupt's, locks are taken in rising rank;
 * - a rank that interrupts take is taken by tasks with interrupts off, and while it is held no lock is taken
 * that is held elsewhere with interrupts on: or a hart spins for it under the interrupt that waits for the
 * first. */
#include "../core/task.h"
#include "debug.h"

static struct {
    spinlock_t *held[16];
    u32 n;
    u32 base; /* held[base..] were taken by the interrupt that is being handled */
    bool in_irq;
} held[MAX_HARTS];
static bool by_irq[RANKS], irqs_on[RANKS],
    after[RANKS][RANKS]; /* after[a][b]: b was taken while a was held */

static void unsafe(u32 outer, u32 inner) {
    if (by_irq[outer] && irqs_on[inner] && after[outer][inner])
        panic("lock order: rank %u, which interrupts take, is held while rank %u is taken, which is held "
              "with interrupts on",
              outer, inner);
}

void lock_check_take(spinlock_t *l) {
    u32 h = smp_processor_id();
    BUG_ON(!current_thread->preempt_count || l->rank >= RANKS);
    if (l->locked && l->owner == h + 1)
        panic("lock %p (rank %u) taken twice", (void *)l, l->rank);
    for (u32 i = held[h].base; i < held[h].n; i++) {
        u32 r = held[h].held[i]->rank;
        if (r > l->rank)
            panic("lock order: rank %u taken while rank %u is held", l->rank, r);
        after[r][l->rank] = true;
        unsafe(r, l->rank);
    }
    if (held[h].in_irq && !by_irq[l->rank]) {
        by_irq[l->rank] = true;
        for (u32 r = 0; r < RANKS; r++)
            unsafe(l->rank, r);
    }
    if (!irqs_disabled() && !irqs_on[l->rank]) {
        irqs_on[l->rank] = true;
        for (u32 r = 0; r < RANKS; r++)
            unsafe(r, l->rank);
    }
    if (by_irq[l->rank] && irqs_on[l->rank])
        panic("lock order: rank %u is taken by interrupts and also with interrupts on", l->rank);
}
void lock_check_taken(spinlock_t *l) {
    u32 h = smp_processor_id();
    u64 irq = local_irq_save();
    l->owner = h + 1;
    BUG_ON(held[h].n == ARRAY_SIZE(held[h].held));
    held[h].held[held[h].n++] = l;
    local_irq_restore(irq);
}
void lock_check_drop(spinlock_t *l) {
    u32 h = smp_processor_id();
    u64 irq = local_irq_save();
    BUG_ON(l->owner != h + 1 || !l->locked);
    l->owner = 0;
    for (u32 i = held[h].n; i-- > 0;)
        if (held[h].held[i] == l) {
            held[h].n--;
            for (; i < held[h].n; i++)
                held[h].held[i] = held[h].held[i + 1];
            break;
        }
    local_irq_restore(irq);
}
u32 lock_check_irq_enter(void) {
    u32 h = smp_processor_id(), base = held[h].base;
    held[h].base = held[h].n;
    held[h].in_irq = true;
    return base;
}
void lock_check_irq_exit(u32 base) {
    u32 h = smp_processor_id();
    BUG_ON(held[h].n != held[h].base);
    held[h].base = base;
    held[h].in_irq = false;
}
