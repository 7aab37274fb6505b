/* Harts: starting them (SBI HSM), inter-processor interrupts, the clock event. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "../drivers/drivers.h"

u64 online_harts = 1;
static u32 ipi_pending[MAX_HARTS];
static u64 counts[MAX_HARTS][4]; /* timer, external, software, IPIs sent */

void send_ipi(unsigned int hart, enum ipi what) {
    if (!(__atomic_fetch_or(&ipi_pending[hart], BIT(what), __ATOMIC_SEQ_CST)))
        sbi_send_ipi(hart_ids[hart]);
}

void count_irq(unsigned int which) { counts[smp_processor_id()][which]++; }
u64 trap_counts(unsigned int hart, unsigned int which) { return counts[hart][which]; }

/* Nanoseconds a tick where that is whole, else 0; a division of 128 bits costs as much as a system call. */
static u64 ns_per_tick;
u64 ktime_get(void) {
    u64 t = rdtime();
    if (unlikely(!ns_per_tick)) {
        if (1000000000 % timebase_hz)
            return (unsigned __int128)t * 1000000000 / timebase_hz;
        ns_per_tick = 1000000000 / timebase_hz;
    }
    return t * ns_per_tick;
}

void set_next_event(u64 ns) {
    u64 t = ns == FOREVER ? ~0UL
            : ns_per_tick ? ns / ns_per_tick + 1
                          : (u64)(((unsigned __int128)ns * timebase_hz) / 1000000000) + 1;
    if (machine.sstc)
        csr_write(0x14d, t);
    else
        sbi_set_timer(t);
}

bool harts_take_turns;
/* Where harts take turns the firmware's remote fences are no help: it spins for the other hart with the turn
 * in its hand. So the others are asked by IPI, and whoever waits answers what it is asked meanwhile. */
static u64 flush_asked[MAX_HARTS], flush_done[MAX_HARTS];
static void serve_flush(void) {
    unsigned int h = smp_processor_id();
    u64 asked = smp_load_acquire(&flush_asked[h]);
    if (flush_done[h] != asked) {
        flush_tlb_local();
        asm volatile("fence.i" ::: "memory");
        smp_store_release(&flush_done[h], asked);
    }
}
void flush_by_turns(u64 mask) {
    u64 want[MAX_HARTS];
    for (u64 m = mask; m; m &= m - 1) {
        unsigned int h = ctz64(m);
        want[h] = __atomic_add_fetch(&flush_asked[h], 1, __ATOMIC_SEQ_CST);
        send_ipi(h, IPI_FLUSH);
    }
    for (u64 m = mask; m; m &= m - 1)
        while (smp_load_acquire(&flush_done[ctz64(m)]) < want[ctz64(m)])
            cpu_relax();
}

/* A moment in wfi. The event that ends it is early for whatever was set before: timer_interrupt sets that
 * again. With interrupts off, or one that is taken before the wfi could leave nothing to end it. */
void pass_turn(void) {
    u64 irq = local_irq_save();
    serve_flush();
    set_next_event(ktime_get() + 1000);
    asm volatile("wfi");
    local_irq_restore(irq);
}

/* A spinlock that is held: until it is ours. The way there is spin_lock_wait_stub. Who holds it for so long
 * has lost its processor to another of QEMU's harts: it may have this one's for a moment. */
void spin_lock_wait(spinlock_t *l) {
    TRACE(lock_wait, l, l->rank, 0);
    u32 spins = 0;
    do
        while (READ_ONCE(l->locked)) {
            cpu_relax();
            if (++spins % 16384 == 0)
                pass_turn();
        }
    while (!spin_trylock_raw(l));
    TRACE(lock_got, l, l->rank, 0);
}

void handle_ipi(struct trapframe *tf) {
    csr_clear(sip, SIE_SSIE);
    u32 what = __atomic_exchange_n(&ipi_pending[smp_processor_id()], 0, __ATOMIC_SEQ_CST);
    /* IPI_RESCHED needs no more than to have happened: the way out of the trap looks at the flag. */
    if (what & BIT(IPI_FLUSH))
        serve_flush();
    if (what & BIT(IPI_BACKTRACE))
        warn_hart(tf);
    if (what & BIT(IPI_STOP))
        panic_stop_hart(tf);
}

static void hart_enable(void) {
    csr_write(scounteren, 2); /* user mode reads time, and neither cycle nor instret */
    asid_init();
    set_next_event(FOREVER);
    csr_write(sie, SIE_SSIE | SIE_STIE | SIE_SEIE);
    plic_init_hart(smp_processor_id());
}
void timer_hw_init(void) { hart_enable(); }

void secondary_main(void) {
    hart_enable();
    __atomic_fetch_or(&online_harts, BIT(smp_processor_id()), __ATOMIC_SEQ_CST);
    send_ipi(0, IPI_RESCHED);
    preempt_enable_no_resched();
    cpu_idle();
}

struct task_struct *secondary_idle; /* the task of the hart that is being started: head.S takes it */

/* A host that is short of processors may leave a hart waiting for long, and one that comes after it was given up
 * would begin on another's stack. So smp_boot waits for as long as it takes, and says for whom. */
#define PATIENCE 10000000000UL /* ns */
static u64 awaited;
static void still_waiting(struct timer *t) {
    printk(KERN_ERR "hart %lu was started and does not answer: waiting for it\n", awaited);
    timer_start(t, ktime_get() + PATIENCE);
}
void smp_boot(void) {
    struct timer patience;
    timer_setup(&patience, still_waiting);
    for (unsigned int h = 1; h < nr_harts; h++) {
        struct task_struct *idle = fork_idle(h);
        smp_store_release(&secondary_idle, idle);
        long r = sbi_hart_start(hart_ids[h], __pa(_start), 0);
        if (r) {
            printk(KERN_ERR "hart %lu did not start: SBI error %ld; going on with %u\n", hart_ids[h], r, h);
            nr_harts = h;
            break;
        }
        /* Waiting in wfi lets the other hart run where they take turns (icount); its IPI ends the wait. */
        awaited = hart_ids[h];
        timer_start(&patience, ktime_get() + PATIENCE);
        for (local_irq_disable(); !(READ_ONCE(online_harts) & BIT(h)); local_irq_disable()) {
            asm volatile("wfi");
            local_irq_enable();
        }
        local_irq_enable();
        timer_cancel(&patience);
    }
}
