/* The lock checker of the checked build (DEBUG=1). Two rules, by rank (spinlock.h):
 * - within one context, a task's or an interrupt's, locks are taken in rising rank;
 * - a rank that interrupts take is taken by tasks with interrupts off, and while it is held no lock is taken
 * that is held elsewhere with interrupts on: or a hart spins for it under the interrupt that waits for the
 * first. */
#include "../core/task.h"
#include "debug.h"
#include "trace.h"

static struct {
    spinlock_t *held[16];
    u64 since[16];    /* ticks: when each was taken */
    u64 waited_since; /* when the one that it waits for was wanted; 0: it is free */
    u32 n;
    u32 base; /* held[base..] were taken by the interrupt that is being handled */
    bool in_irq;
} held[MAX_HARTS];
static bool by_irq[RANKS], irqs_on[RANKS],
    after[RANKS][RANKS]; /* after[a][b]: b was taken while a was held */

/* What /proc/lock_stat shows, for each rank, counted by each hart for itself. Times in ticks. */
static struct lock_stat {
    u64 taken, contended, waited, waited_most, held, held_most;
} stats[MAX_HARTS][RANKS];
static const char *const rank_names[RANKS] = {
    [RANK_NONE] = "none",
    [RANK_TASKLIST] = "tasklist",
    [RANK_SIGHAND] = "sighand",
    [RANK_UART] = "uart",
    [RANK_TTY] = "tty",
    [RANK_TASK] = "task",
    [RANK_FILES] = "files",
    [RANK_EPOLL] = "epoll",
    [RANK_FUTEX] = "futex",
    [RANK_MOUNT] = "mount",
    [RANK_DCACHE] = "dcache",
    [RANK_ICACHE] = "icache",
    [RANK_PAGE_TABLE] = "page_table",
    [RANK_MAPPING] = "mapping",
    [RANK_LRU] = "lru",
    [RANK_OBJECT] = "object",
    [RANK_DEVICE] = "device",
    [RANK_WAITQ] = "waitq",
    [RANK_RQ] = "rq",
    [RANK_GROUP] = "group",
    [RANK_TIMER] = "timer",
    [RANK_SLAB] = "slab",
    [RANK_BUDDY] = "buddy",
    [RANK_CONSOLE] = "console",
};
static u64 ticks_to_us(u64 t) { return t * 1000000 / timebase_hz; }
bool lock_stat(u32 rank, char *line, size_t size) {
    struct lock_stat s = {0};
    if (rank >= RANKS)
        return false;
    for (u32 h = 0; h < nr_harts; h++) {
        const struct lock_stat *o = &stats[h][rank];
        s.taken += o->taken, s.contended += o->contended, s.waited += o->waited, s.held += o->held;
        s.waited_most = max(s.waited_most, o->waited_most), s.held_most = max(s.held_most, o->held_most);
    }
    snprintf(line, size, "%-12s %12lu %12lu %12lu %12lu %12lu %12lu\n", rank_names[rank], s.taken,
             s.contended, ticks_to_us(s.waited), ticks_to_us(s.waited_most), ticks_to_us(s.held),
             ticks_to_us(s.held_most));
    return true;
}
void lock_dump(void) {
    for (u32 h = 0; h < nr_harts; h++)
        for (u32 i = 0; i < held[h].n; i++)
            printk("hart %u holds %s at %p\n", h, rank_names[held[h].held[i]->rank], (void *)held[h].held[i]);
}
void lock_stat_reset(void) { memset(stats, 0, sizeof(stats)); }

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
    held[h].waited_since = READ_ONCE(l->locked) ? rdtime() : 0;
}
void lock_check_taken(spinlock_t *l) {
    u32 h = smp_processor_id();
    u64 irq = local_irq_save();
    u64 now = rdtime(), waited = held[h].waited_since ? now - held[h].waited_since : 0;
    struct lock_stat *s = &stats[h][l->rank];
    s->taken++;
    s->contended += held[h].waited_since != 0;
    s->waited += waited;
    s->waited_most = max(s->waited_most, waited);
    held[h].waited_since = 0;
    l->owner = h + 1;
    BUG_ON(held[h].n == ARRAY_SIZE(held[h].held));
    held[h].since[held[h].n] = now;
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
            u64 ticks = rdtime() - held[h].since[i];
            stats[h][l->rank].held += ticks;
            stats[h][l->rank].held_most = max(stats[h][l->rank].held_most, ticks);
            held[h].n--;
            for (; i < held[h].n; i++)
                held[h].held[i] = held[h].held[i + 1], held[h].since[i] = held[h].since[i + 1];
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
