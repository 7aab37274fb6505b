/* Self-tests of the scheduler and its friends, run by the kernel argument `selftest` (each subsystem may have
 * its own beside its code; these need several). */
#include "../core/task.h"
#include "debug.h"

static struct completion finished;
static struct mutex test_mutex = MUTEX_INIT(test_mutex);
static int shared, fired;
static u64 fired_at;

static int adder(void *arg) {
    for (int i = 0; i < 1000; i++) {
        mutex_lock(&test_mutex);
        int v = shared;
        if (i % 100 == 0)
            yield();
        shared = v + 1;
        mutex_unlock(&test_mutex);
    }
    atomic_t *left = arg;
    if (atomic_dec_and_test(left))
        complete(&finished);
    return 0;
}
SELFTEST(kernel_threads_and_mutex) {
    static atomic_t left = {4};
    u32 before = nr_threads;
    init_completion(&finished);
    for (int i = 0; i < 4; i++)
        EXPECT(kernel_thread(adder, &left, "selftest", CLONE_FS | CLONE_FILES) > 0);
    wait_for_completion(&finished);
    EXPECT(shared == 4000);
    for (int i = 0; i < 200 && nr_threads > before; i++) {
        set_current_state(TASK_UNINTERRUPTIBLE);
        schedule_until(ktime_get() + 1000000);
    }
    return NULL;
}

static void on_timer(struct timer *t) {
    (void)t;
    fired++;
    fired_at = ktime_get();
}
SELFTEST(timers) {
    struct timer t;
    timer_setup(&t, on_timer);
    u64 at = ktime_get() + 3000000;
    timer_start(&t, at);
    while (!READ_ONCE(fired))
        cpu_relax();
    EXPECT(fired_at >= at);
    timer_start(&t, ktime_get() + 1000000000);
    EXPECT(timer_cancel(&t));
    EXPECT(!timer_cancel(&t));
    EXPECT(fired == 1);
    return NULL;
}

SELFTEST(kernel_text_is_read_only) {
    pte_t root = swapper_pg_dir[va_index((u64)kernel_start, 2)];
    pte_t text = ((pte_t *)__va(pte_pa(root)))[va_index((u64)kernel_start, 1)];
    pte_t data = ((pte_t *)__va(pte_pa(root)))[va_index((u64)&fired, 1)];
    EXPECT((text & (PTE_X | PTE_W)) == PTE_X);
    EXPECT((data & (PTE_X | PTE_W)) == PTE_W);
    return NULL;
}

SELFTEST(lock_state_is_clean) {
    EXPECT(current_thread->preempt_count == 0);
    EXPECT(!irqs_disabled());
    return NULL;
}
