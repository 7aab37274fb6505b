/* The checked build: who keeps a hart from scheduling? While preemption is off each access to memory that
 * KASAN looks at counts as work, from 0 where preemption was switched off. Accesses and not time, since a
 * hart of QEMU's may stand still while its host does something else: the figure is the same on a busy host.
 * WORK_MOST of them take about 50 ms. Who does more is told with a backtrace, and the end of the system is a
 * panic then. */
#include "../core/task.h"
#include "debug.h"

#define WORK_MOST 2000000u

static struct report {
    u64 pc[16];
    u32 n;
    pid_t pid;
    char comm[16];
} reports[4];
static u32 nr_reports, nr_said, watched;
static struct {
    u32 work;
    u64 pc;
} most;

void work_watch(void) {
    most.work = 0;
    WRITE_ONCE(watched, true);
}

/* Any context, with any lock: it is said later (work_say). */
static noinline void too_much(void) {
    u32 i = __atomic_fetch_add(&nr_reports, 1, __ATOMIC_RELAXED);
    struct frame f;
    if (i >= ARRAY_SIZE(reports))
        return;
    save_frame(&f);
    for (u32 k = 0; k < sizeof(reports[i].comm); k++) /* memcpy is counted, and would come here again */
        reports[i].comm[k] = current->comm[k];
    reports[i].pid = current->pid;
    do
        reports[i].pc[reports[i].n++] = f.called ? f.pc - 4 : f.pc;
    while (reports[i].n < ARRAY_SIZE(reports[i].pc) && unwind(&f, (u64)current->stack));
}
void work_count(u64 n, u64 pc) {
    struct thread_info *t = current_thread;
    u32 was = t->work;
    t->work = was + n;
    if (likely(t->work <= READ_ONCE(most.work)) || !READ_ONCE(watched))
        return;
    most.work = t->work;
    most.pc = pc;
    if (unlikely(was < WORK_MOST && t->work >= WORK_MOST))
        too_much();
}

static void say_place(u64 pc, const char *before) {
    u64 off = 0;
    const char *name = ksym_lookup(pc, &off);
    printk("%s%s+0x%lx\n", before, name ? name : "?", off);
}
void work_say(void) {
    while (nr_said < min(READ_ONCE(nr_reports), (u32)ARRAY_SIZE(reports))) {
        struct report *r = &reports[__atomic_fetch_add(&nr_said, 1, __ATOMIC_RELAXED)];
        console_quiet = false;
        printk("pid %d (%s) has kept a hart from scheduling for more than %u memory accesses:\n", r->pid,
               r->comm, WORK_MOST);
        for (u32 i = 0; i < r->n; i++)
            say_place(r->pc[i], "  ");
    }
}
void work_end(void) {
    work_say();
    printk("most work without scheduling: %u of %u memory accesses", most.work, WORK_MOST);
    say_place(most.pc, ", in ");
    if (nr_reports)
        panic("%u times a hart was kept from scheduling for too long", nr_reports);
}
