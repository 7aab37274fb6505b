/* Clocks, sleeping, interval timers, and the vDSO. The real-time clock is the monotonic one plus an offset,
 * read from the RTC at boot. */
#include "task.h"
#include "../debug/debug.h"
#include "../drivers/drivers.h"
#include "../fs/fs.h"
#include <abi/errno.h>
#include <vdso-offsets.h>

#define NSEC 1000000000UL
#define CPUCLOCK_SCHED 2 /* the kind of processor time that is there */
static u64 real_offset;  /* ns */

/* What user mode's clock_gettime reads: one page beside the vDSO's code. */
struct vvar {
    u64 real_offset, timebase_hz;
};
struct page *vdso_pages[8];
unsigned int vdso_npages;
u64 vdso_sigreturn_offset;

u64 ktime_get_real(void) { return ktime_get() + READ_ONCE(real_offset); }
static void set_real(u64 ns) {
    real_offset = ns - ktime_get();
    ((struct vvar *)page_address(vdso_pages[vdso_npages - 1]))->real_offset = real_offset;
}

void vdso_init(void) {
    u64 size = vdso_image_end - vdso_image;
    vdso_npages = size / PAGE_SIZE + 1;
    for (u64 i = 0; i < size / PAGE_SIZE; i++)
        vdso_pages[i] = virt_to_page(vdso_image + i * PAGE_SIZE);
    struct page *v = alloc_page(GFP_KERNEL | GFP_ZERO);
    vdso_pages[vdso_npages - 1] = v;
    ((struct vvar *)page_address(v))->timebase_hz = timebase_hz;
    vdso_sigreturn_offset = VDSO_RT_SIGRETURN;
}
void clock_init(void) { set_real(rtc_read()); }

u64 timespec_to_ns(const struct abi_timespec *ts) {
    return (u64)ts->tv_sec >= 9000000000UL ? FOREVER : ts->tv_sec * NSEC + ts->tv_nsec;
}
struct abi_timespec ns_to_timespec(u64 ns) {
    return (struct abi_timespec){ns / NSEC, ns % NSEC};
}
int get_timespec(struct abi_timespec *ts, u64 uaddr) {
    if (copy_from_user(ts, uaddr, sizeof(*ts)))
        return -EFAULT;
    return ts->tv_sec < 0 || (u64)ts->tv_nsec >= NSEC ? -EINVAL : 0;
}

u64 process_runtime(struct signal_struct *s) {
    struct task_struct *t;
    u64 r = (s->utime + s->stime) * NSEC / timebase_hz;
    for_each_thread(t, s) r += task_runtime(t);
    return r;
}
/* A clock of processor time: pid (0: the caller) in the upper bits, inverted; bit 2: of one thread. */
static long cpu_clock(s32 pid, bool thread, u64 *ns) {
    struct task_struct *t = pid ? get_task_by_pid(pid) : current;
    if (!t)
        return -EINVAL;
    READ_TASKS(irq);
    *ns = thread ? task_runtime(t) : process_runtime(t->signal);
    READ_TASKS_END(irq);
    if (pid)
        put_task(t);
    return 0;
}
static long read_clock(u64 id, u64 *ns) {
    switch ((s32)id) {
    case CLOCK_REALTIME_ID:
    case CLOCK_REALTIME_COARSE_ID:
        *ns = ktime_get_real();
        return 0;
    case CLOCK_MONOTONIC_ID:
    case CLOCK_MONOTONIC_RAW_ID:
    case CLOCK_MONOTONIC_COARSE_ID:
    case CLOCK_BOOTTIME_ID:
        *ns = ktime_get();
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID_:
        return cpu_clock(0, false, ns);
    case CLOCK_THREAD_CPUTIME_ID_:
        return cpu_clock(0, true, ns);
    default:
        return (s32)id < 0 && (id & 3) == CPUCLOCK_SCHED ? cpu_clock(~((s32)id >> 3), id & 4, ns) : -EINVAL;
    }
}
long sys_clock_gettime(u64 id, u64 uts) {
    u64 ns;
    long r = read_clock(id, &ns);
    return r ? r : put_user(uts, ns_to_timespec(ns));
}
long sys_clock_getres(u64 id, u64 uts) {
    u64 ns;
    long r = read_clock(id, &ns);
    return r || !uts ? r : put_user(uts, ns_to_timespec(1));
}
long sys_clock_settime(u64 id, u64 uts) {
    struct abi_timespec ts;
    if (id != CLOCK_REALTIME_ID)
        return -EINVAL;
    long r = get_timespec(&ts, uts);
    if (r)
        return r;
    if (!capable(CAP_SYS_TIME))
        return -EPERM;
    set_real(timespec_to_ns(&ts));
    return 0;
}
long sys_gettimeofday(u64 utv, u64 utz) {
    u64 ns = ktime_get_real();
    if (utv && put_user(utv, ((struct abi_timeval){ns / NSEC, ns % NSEC / 1000})))
        return -EFAULT;
    return utz ? put_user(utz, 0UL) : 0;
}
long sys_settimeofday(u64 utv) {
    struct abi_timeval tv;
    if (copy_from_user(&tv, utv, sizeof(tv)))
        return -EFAULT;
    if (tv.tv_sec < 0 || (u64)tv.tv_usec >= 1000000)
        return -EINVAL;
    if (!capable(CAP_SYS_TIME))
        return -EPERM;
    set_real(tv.tv_sec * NSEC + tv.tv_usec * 1000);
    return 0;
}

static long sleep_until(u64 deadline, u64 urem);
static long sleep_again(struct restart_block *b) { return sleep_until(b->deadline, b->uaddr); }
static long sleep_until(u64 deadline, u64 urem) {
    for (;;) {
        set_current_state(TASK_INTERRUPTIBLE);
        if (ktime_get() >= deadline || signal_pending(current))
            break;
        schedule_until(deadline);
    }
    set_current_state(TASK_RUNNING);
    u64 now = ktime_get();
    if (now >= deadline)
        return 0;
    if (urem && put_user(urem, ns_to_timespec(deadline - now)))
        return -EFAULT;
    current->restart = (struct restart_block){.fn = sleep_again, .deadline = deadline, .uaddr = urem};
    return -ERESTART_RESTARTBLOCK;
}
static u64 add_ns(u64 a, u64 b) { return a + b < a ? FOREVER : a + b; }
long sys_nanosleep(u64 uts, u64 urem) {
    struct abi_timespec ts;
    long r = get_timespec(&ts, uts);
    return r ? r : sleep_until(add_ns(ktime_get(), timespec_to_ns(&ts)), urem);
}
long sys_clock_nanosleep(u64 id, u64 flags, u64 uts, u64 urem) {
    struct abi_timespec ts;
    u64 clock;
    long r = read_clock(id, &clock);
    if (r || (r = get_timespec(&ts, uts)))
        return r;
    if (id == CLOCK_THREAD_CPUTIME_ID_)
        return -EINVAL;
    u64 ns = timespec_to_ns(&ts);
    if (!(flags & TIMER_ABSTIME_FLAG))
        return sleep_until(add_ns(ktime_get(), ns), urem);
    if (id == CLOCK_REALTIME_ID)
        ns = ns == FOREVER ? ns : ns > real_offset ? ns - real_offset : 0;
    r = sleep_until(ns, 0);
    return r == -ERESTART_RESTARTBLOCK ? -ERESTARTNOHAND : r;
}
