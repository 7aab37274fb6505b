/* When an invariant is broken: stop every hart, say what, where, and how each hart got there, power off
 * with a failing status. */
#include "../core/task.h"
#include "../drivers/drivers.h"
#include "../fs/fs.h"
#include "debug.h"
#include "trace.h"

void log_break_lock(void);
static s32 panic_hart = -1;
static u32 stopped, warned; /* how many of the others have reported */
static spinlock_t turn = SPINLOCK_INIT(RANK_NONE);

/* The symbol table that scripts/gen_ksyms.py makes: addresses in order, then names. */
struct ksym {
    u64 address;
    const char *name;
};
extern const struct ksym ksyms[] __weak;
extern const u64 ksyms_count __weak;

static const struct ksym *find(u64 pc) {
    if (!&ksyms_count || pc < (u64)kernel_start || pc >= (u64)text_end)
        return NULL;
    u64 lo = 0, hi = ksyms_count;
    while (hi - lo > 1) {
        u64 mid = (lo + hi) / 2;
        if (ksyms[mid].address <= pc)
            lo = mid;
        else
            hi = mid;
    }
    return ksyms + lo;
}
const char *ksym_lookup(u64 pc, u64 *offset) {
    const struct ksym *s = find(pc);
    if (!s)
        return NULL;
    *offset = pc - s->address;
    return s->name;
}
bool ksym_range(u64 pc, u64 *start, u64 *end) {
    const struct ksym *s = find(pc);
    if (!s)
        return false;
    *start = s->address;
    *end = s + 1 < ksyms + ksyms_count ? s[1].address : (u64)text_end;
    return true;
}
u64 ksym_address(const char *name, size_t n) {
    for (u64 i = 0; &ksyms_count && i < ksyms_count; i++)
        if (strlen(ksyms[i].name) == n && !memcmp(ksyms[i].name, name, n))
            return ksyms[i].address;
    return 0;
}

static void print_frame(u64 pc) {
    u64 off;
    const char *s = ksym_lookup(pc, &off);
    if (s)
        printk("  [%016lx] %s+0x%lx\n", pc, s, off);
    else
        printk("  [%016lx]\n", pc);
}

/* The frames of the stack that ends at top; a return address is shown as the call before it. */
static void backtrace(struct frame f, u64 top) {
    int i = 0;
    do
        print_frame(f.called ? f.pc - 4 : f.pc);
    while (++i < 32 && unwind(&f, top));
}

void dump_sleeper(struct task_struct *t) {
    backtrace((struct frame){.pc = t->ti.ctx.ra, .sp = t->ti.ctx.sp, .called = true}, (u64)t->stack);
}

/* Where the trap was, or, without one, from here on. */
static void report_hart(struct trapframe *tf, const struct frame *here) {
    printk("hart %u: pid %d (%s), preempt_count %d\n", smp_processor_id(), current->pid, current->comm,
           current_thread->preempt_count);
    sleep_lock_dump();
    if (tf)
        show_regs(tf);
    backtrace(tf ? (struct frame){.pc = tf->sepc, .sp = tf->sp, .ra = tf->ra} : *here, (u64)current->stack);
}

/* Another hart panics or warns: report in turn. */
static void report_in_turn(struct trapframe *tf, u32 *count) {
    while (!spin_trylock_raw(&turn))
        cpu_relax();
    if (user_mode(tf))
        printk("hart %u: pid %d (%s) in user mode at %lx\n", smp_processor_id(), current->pid, current->comm,
               tf->sepc);
    else
        report_hart(tf, NULL);
    __atomic_store_n(&turn.locked, 0, __ATOMIC_RELEASE);
    __atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
}
__noreturn void panic_stop_hart(struct trapframe *tf) {
    report_in_turn(tf, &stopped);
    for (;;)
        asm volatile("wfi");
}
void warn_hart(struct trapframe *tf) { report_in_turn(tf, &warned); }

/* Ask the others by IPI, and give them so long to count themselves. Interrupts off. */
static void ask_others(enum ipi what, u32 *count, u64 ns) {
    u32 others = 0;
    for (unsigned int h = 0; h < nr_harts; h++)
        if (h != smp_processor_id() && (online_harts & BIT(h)))
            send_ipi(h, what), others++;
    u64 until = ktime_get() + ns;
    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < others && ktime_get() < until)
        cpu_relax();
    if (*count < others)
        printk("%u hart(s) did not answer\n", others - *count);
}

void warn(const char *fmt, ...) {
    static u32 busy;
    char text[256];
    struct frame here;
    va_list ap;
    save_frame(&here);
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    printk("\nwarning: %s\n", text);
    if (__atomic_exchange_n(&busy, 1, __ATOMIC_SEQ_CST))
        return; /* another hart reports: this one is in its report */
    u64 irq = local_irq_save(), mask = READ_ONCE(trace_mask);
    report_hart(NULL, &here);
    warned = 0;
    ask_others(IPI_BACKTRACE, &warned, 100000000);
    lock_dump();
    trace_dump();
    WRITE_ONCE(trace_mask, mask);
    printk("end of warning\n");
    local_irq_restore(irq);
    __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
}

static __noreturn void die(struct trapframe *tf, const char *fmt, va_list ap) {
    char text[256];
    struct frame here;
    local_irq_disable();
    save_frame(&here);
    s32 self = smp_processor_id();
    if (!cmpxchg(&panic_hart, -1, self)) {
        if (panic_hart == self) /* a fault while reporting */
            machine_power_off(255);
        for (;;) /* somebody else is at it */
            asm volatile("wfi");
    }
    console_quiet = false;
    log_break_lock();
    vsnprintf(text, sizeof(text), fmt, ap);
    printk("\nkernel panic: %s\n", text);
    report_hart(tf, &here);
    ask_others(IPI_STOP, &stopped, 500000000);
    lock_dump();
    trace_dump();
    printk("end of panic\n");
    pvpanic_notify();
    machine_power_off(255);
}

__noreturn void panic(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    die(NULL, fmt, ap);
}
__noreturn void panic_trap(struct trapframe *tf, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    die(tf, fmt, ap);
}
__noreturn void kernel_stack_overflow(struct trapframe *tf) {
    panic_trap(tf, "kernel stack overflow: sp %lx, stack %lx to %lx", tf->sp,
               (u64)current->stack - STACK_SIZE, (u64)current->stack);
}

/* Ends the machine: the first caller decides how. QEMU takes a request some time after it was made, and
 * of two that are made until then the later one counts: a second one, by another hart or by the firmware,
 * could turn a failure into a success. So nobody else asks, and the one who did waits. */
static __noreturn void machine_end(bool restart, int status) {
    static u32 asked;
    local_irq_disable();
    if (!__atomic_exchange_n(&asked, 1, __ATOMIC_SEQ_CST)) {
        if (restart || !machine.finisher_base)
            sbi_shutdown(restart, status != 0);
        *(volatile u32 *)ioremap(machine.finisher_base, 4) = status ? (u32)status << 16 | 0x3333 : 0x5555;
    }
    for (;;)
        asm volatile("wfi");
}
/* The finisher device passes a status to QEMU; the firmware's shutdown cannot. */
__noreturn void machine_power_off(int status) { machine_end(false, status); }
__noreturn void machine_restart(void) { machine_end(true, 0); }

extern const struct selftest __start_selftests[], __stop_selftests[];
int run_selftests(void) {
    int failed = 0, n = 0;
    printk("KTAP version 1\n1..%ld\n", __stop_selftests - __start_selftests);
    for (const struct selftest *t = __start_selftests; t < __stop_selftests; t++) {
        const char *wrong = t->run();
        printk("%sok %d %s%s%s\n", wrong ? "not " : "", ++n, t->name, wrong ? " # did not hold: " : "",
               wrong ? wrong : "");
        failed += wrong != NULL;
    }
    return failed;
}
