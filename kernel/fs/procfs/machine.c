/* procfs: files about the machine. */
#include "../../core/task.h"
#include "../../debug/debug.h"
#include "../../debug/ftrace.h"
#include "../../debug/trace.h"
#include "../../drivers/drivers.h"
#include "../fs.h"
#include "../../security/security.h"
#include "procfs.h"

static int show_version(struct seq *s, struct task_struct *t) {
    (void)t;
    seq_printf(s, "Linux version 6.12.0-tine (tine " TINE_VERSION ", gcc %s)\n", __VERSION__);
    return 0;
}
static int show_uptime(struct seq *s, struct task_struct *t) {
    u64 up = ktime_get() / 10000000, idle = 0;
    struct rq_stat q;
    (void)t;
    for (unsigned int h = 0; h < nr_harts; h++) {
        rq_stat(h, &q);
        idle += q.idle_ns / 10000000;
    }
    seq_printf(s, "%lu.%02lu %lu.%02lu\n", up / 100, up % 100, idle / 100, idle % 100);
    return 0;
}
static int show_loadavg(struct seq *s, struct task_struct *t) {
    u64 l[3];
    (void)t;
    avenrun(l);
    for (int i = 0; i < 3; i++)
        seq_printf(s, "%lu.%02lu ", l[i] >> 16, (l[i] & 0xffff) * 100 >> 16);
    seq_printf(s, "%lu/%u %d\n", nr_running_all(), nr_threads, current->pid);
    return 0;
}
static int show_meminfo(struct seq *s, struct task_struct *t) {
    u64 slab = 0, size, active, pages;
    const char *name;
    (void)t;
    for (unsigned int i = 0; slab_stat(i, &name, &size, &active, &pages); i++)
        slab += pages;
    u64 free = nr_free_pages(), cached = nr_cached_pages();
    seq_printf(
        s,
        "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\nBuffers:        %8u kB\n"
        "Cached:         %8lu kB\nDirty:          %8lu kB\nSlab:           %8lu kB\nKernelStack:    %8u kB\n"
        "SwapTotal:      %8u kB\nSwapFree:       %8u kB\nAnonHugePages:  %8lu kB\n",
        total_pages * 4, free * 4, (free + cached) * 4, 0, cached * 4, nr_dirty_pages() * 4, slab * 4,
        nr_threads * 16, 0, 0, nr_huge_pages() * 2048);
    return 0;
}
static int show_slabinfo(struct seq *s, struct task_struct *t) {
    const char *name;
    size_t size;
    u64 active, pages;
    (void)t;
    seq_printf(s, "# name            active  size  pages\n");
    for (unsigned int i = 0; slab_stat(i, &name, &size, &active, &pages); i++)
        seq_printf(s, "%-16s %7lu %5lu %6lu\n", name, active, size, pages);
    return 0;
}
static int show_stat(struct seq *s, struct task_struct *t) {
    struct rq_stat q;
    struct task_struct *p, *th;
    u64 user = 0, sys = 0, idle = 0, switches = 0, intr = 0;
    (void)t;
    READ_TASKS(irq);
    for_each_process(p) {
        user += p->signal->utime + p->signal->cutime;
        sys += p->signal->stime + p->signal->cstime;
        for_each_thread(th, p->signal) user += th->utime, sys += th->stime;
    }
    READ_TASKS_END(irq);
    u64 each[MAX_HARTS];
    for (unsigned int h = 0; h < nr_harts; h++) {
        rq_stat(h, &q);
        each[h] = q.idle_ns;
        idle += q.idle_ns;
        switches += q.switches;
        intr += trap_counts(h, 0) + trap_counts(h, 1) + trap_counts(h, 2);
    }
    seq_printf(s, "cpu %lu 0 %lu %lu 0 0 0 0 0 0\n", to_clk(user), to_clk(sys), idle / 10000000);
    for (unsigned int h = 0; h < nr_harts; h++) {
        u64 total = ktime_get() / 10000000, i = each[h] / 10000000;
        u64 busy = total > i ? total - i : 0;
        u64 u = user + sys ? busy * user / (user + sys) : 0;
        seq_printf(s, "cpu%u %lu 0 %lu %lu 0 0 0 0 0 0\n", h, u, busy - u, i);
    }
    seq_printf(s, "intr %lu\nctxt %lu\nbtime %lu\nprocesses %lu\nprocs_running %lu\nprocs_blocked 0\n", intr,
               switches, (ktime_get_real() - ktime_get()) / 1000000000, total_forks, nr_running_all());
    return 0;
}
static int show_cpuinfo(struct seq *s, struct task_struct *t) {
    (void)t;
    for (unsigned int h = 0; h < nr_harts; h++)
        seq_printf(s, "processor\t: %u\nhart\t\t: %lu\nisa\t\t: %s\nmmu\t\t: sv39\n\n", h, hart_ids[h],
                   machine.isa);
    return 0;
}
static int show_interrupts(struct seq *s, struct task_struct *t) {
    static const char *const names[3] = {"timer", "external", "software"};
    u32 n;
    const char *name;
    u64 count;
    (void)t;
    seq_printf(s, "          ");
    for (unsigned int h = 0; h < nr_harts; h++)
        seq_printf(s, "     CPU%-2u", h);
    for (int k = 0; k < 3; k++) {
        seq_printf(s, "\n%9s:", names[k]);
        for (unsigned int h = 0; h < nr_harts; h++)
            seq_printf(s, " %9lu", trap_counts(h, k));
    }
    seq_printf(s, "\n");
    for (unsigned int i = 0; irq_stat(i, &n, &name, &count); i++)
        seq_printf(s, "%9u: %9lu PLIC %s\n", n, count, name);
    return 0;
}
static int show_filesystems(struct seq *s, struct task_struct *t) {
    struct file_system_type *f;
    (void)t;
    for (unsigned int i = 0; (f = filesystem_at(i)); i++)
        seq_printf(s, "%s\t%s\n", f->nodev ? "nodev" : "", f->name);
    return 0;
}
struct mounts_text {
    struct seq *s;
    char *path;
};
static void show_mount(struct mount *m, void *arg) {
    struct mounts_text *x = arg;
    struct path p = {m, m->root};
    seq_printf(x->s, "%s %s %s %s 0 0\n", m->source, d_path(&p, x->path, PATH_MAX), m->sb->type->name,
               (m->sb->flags | m->flags) & MS_RDONLY ? "ro" : "rw");
}
int show_mounts(struct seq *s, struct task_struct *t) {
    struct mounts_text x = {s, kmalloc(PATH_MAX, GFP_KERNEL)};
    struct nsproxy *n = x.path ? get_task_nsproxy(t) : NULL;
    if (n) {
        for_each_mount(n->mnt_ns, show_mount, &x);
        put_nsproxy(n);
    }
    kfree(x.path);
    return x.path ? 0 : -ENOMEM;
}
static int show_cmdline(struct seq *s, struct task_struct *t) {
    (void)t;
    seq_printf(s, "%s\n", machine.bootargs);
    return 0;
}
static pid_t number_in(struct pid_namespace *ns, pid_t nr) {
    READ_TASKS(irq);
    nr = pid_nr_ns(nr, ns);
    READ_TASKS_END(irq);
    return nr;
}
static ssize_t self_link(struct pid_namespace *ns, struct task_struct *t, char *b) {
    (void)t;
    pid_t nr = number_in(ns, current->tgid);
    return nr ? snprintf(b, 16, "%d", nr) : -ENOENT;
}
static ssize_t mounts_link(struct pid_namespace *ns, struct task_struct *t, char *b) {
    (void)ns, (void)t;
    return strlcpy(b, "self/mounts", 16);
}
static ssize_t thread_self_link(struct pid_namespace *ns, struct task_struct *t, char *b) {
    (void)t;
    pid_t nr = number_in(ns, current->tgid);
    return nr ? snprintf(b, 32, "%d/task/%d", nr, number_in(ns, current->pid)) : -ENOENT;
}

#define KNOB(name, var, low, high)                                                                           \
    static int show_##name(struct seq *s, struct task_struct *t) {                                           \
        (void)t;                                                                                             \
        seq_printf(s, "%u\n", var);                                                                          \
        return 0;                                                                                            \
    }                                                                                                        \
    static int store_##name(char *text, struct task_struct *t) {                                             \
        char *end;                                                                                           \
        (void)t;                                                                                             \
        u64 v = strtoul(text, &end, 10);                                                                     \
        if (end == text || (*end && *end != '\n') || v > (high) || (s64)v < (s64)(low))                      \
            return -EINVAL;                                                                                  \
        var = v;                                                                                             \
        return 0;                                                                                            \
    }
KNOB(pid_max, pid_max, 301, 1u << 22)
KNOB(threads_max, max_threads, 20, 1u << 22)
KNOB(child_first, sched_child_runs_first, 0, 1)
KNOB(rt_runtime, sched_rt_runtime_us, 0, sched_rt_period_us)
KNOB(rt_period, sched_rt_period_us, max(sched_rt_runtime_us, 1000u), 1000000000)
static int show_hostname(struct seq *s, struct task_struct *t) {
    (void)t;
    spin_lock(&uts_lock);
    char name[65];
    memcpy(name, current->nsproxy->uts_ns->nodename, sizeof(name));
    spin_unlock(&uts_lock);
    seq_printf(s, "%s\n", name);
    return 0;
}
static int store_drop(char *text, struct task_struct *t) {
    (void)t;
    if (*text < '1' || *text > '3')
        return -EINVAL;
    drop_caches();
    return 0;
}

/* As on Linux: c crashes (to see and test the report), s syncs, o powers off; and w warns, x uses the stack
 * up; f, t, i, a, k, l and p do what the checked build must catch: use of freed memory, of a tail, of an
 * index, sleep with a lock held, locks in a circle, an object and a page that are lost. */
static noinline void crash(void) { asm volatile("sw zero, 8(zero)" ::: "memory"); }
static noinline int recurse(int n) { /* until the stack's guard stops it */
    volatile char big[512];
    big[0] = n;
    return n < 1000000 ? recurse(n + 1) + big[0] : 0;
}
static noinline int wrong(char what) {
    static volatile int table[4];
    static struct mutex mutex = MUTEX_INIT(mutex);
    volatile char *p = kmalloc(50, GFP_KERNEL);
    volatile int i = 4;
    if (!p)
        return -ENOMEM;
    if (what == 't')
        p[57] = 1;
    kfree((void *)p);
    if (what == 'f')
        p[3] = 1;
    if (what == 'i')
        table[i]++;
    if (what == 'a') {
        preempt_disable();
        mutex_lock(&mutex);
        mutex_unlock(&mutex);
        preempt_enable();
    }
    if (what == 'k') {
        static struct mutex other = MUTEX_INIT(other);
        for (int k = 0; k < 2; k++) {
            mutex_lock(k ? &other : &mutex);
            mutex_lock(k ? &mutex : &other);
            mutex_unlock(k ? &mutex : &other);
            mutex_unlock(k ? &other : &mutex);
        }
    }
    if (what == 'h') { /* keep the hart for long */
        preempt_disable();
        for (u32 n = 0; n < 4000000; n++)
            WRITE_ONCE(table[n & 3], n);
        preempt_enable();
        return 0;
    }
    if (what == 'q') { /* somebody hangs on it */
        struct wait_queue_head *q = kmalloc(sizeof(*q), GFP_KERNEL);
        struct wait_queue_entry w = {.task = current};
        init_waitqueue(q);
        add_wait_queue(q, &w);
        kfree(q);
        return 0;
    }
    if (what == 'l')
        return alloc_sighand() ? 0 : -ENOMEM;
    if (what == 'p')
        return alloc_page(GFP_KERNEL) ? 0 : -ENOMEM;
    return -EINVAL; /* nobody caught it: this build does not check */
}
static int store_sysrq(char *text, struct task_struct *t) {
    (void)t;
    switch (*text) {
    case 'c':
        crash();
        return 0;
    case 'x':
        return recurse(0);
    case 's':
        sync_all();
        return 0;
    case 'w':
        warn("sysrq");
        return 0;
    case 'o':
        power_off(0);
    case 'f':
    case 't':
    case 'i':
    case 'a':
    case 'h':
    case 'k':
    case 'l':
    case 'p':
    case 'q':
        return IS_DEBUG ? wrong(*text) : -EINVAL;
    default:
        return -EINVAL;
    }
}

static const struct entry kernel_entries[] = {
    PROC_KNOB("pid_max", 0644, show_pid_max, store_pid_max),
    PROC_KNOB("threads-max", 0644, show_threads_max, store_threads_max),
    PROC_KNOB("sched_child_runs_first", 0644, show_child_first, store_child_first),
    PROC_KNOB("sched_rt_runtime_us", 0644, show_rt_runtime, store_rt_runtime),
    PROC_KNOB("sched_rt_period_us", 0644, show_rt_period, store_rt_period),
    PROC_FILE("hostname", 0444, show_hostname),
    PROC_KNOB("shmmax", 0644, show_shmmax, store_shmmax),
    PROC_KNOB("shmall", 0644, show_shmall, store_shmall),
    PROC_KNOB("shmmni", 0644, show_shmmni, store_shmmni),
    PROC_KNOB("msgmax", 0644, show_msgmax, store_msgmax),
    PROC_KNOB("msgmnb", 0644, show_msgmnb, store_msgmnb),
    PROC_KNOB("msgmni", 0644, show_msgmni, store_msgmni),
    PROC_KNOB("sem", 0644, show_sem, store_sem),
    {0},
};
/* How fork makes the child's page tables: `share` them (small ones are copied), or `copy` all, to compare. */
static int show_fork_tables(struct seq *s, struct task_struct *t) {
    (void)t;
    seq_printf(s, "%s\n", fork_copy_pages < PTRS_PER_TABLE ? "share" : "copy");
    return 0;
}
static int store_fork_tables(char *text, struct task_struct *t) {
    (void)t;
    bool share = starts_with(text, "share");
    if (!share && !starts_with(text, "copy"))
        return -EINVAL;
    WRITE_ONCE(fork_copy_pages, share ? FORK_COPY_PAGES : PTRS_PER_TABLE);
    return 0;
}
/* As Linux's /sys/kernel/mm/transparent_hugepage/enabled. */
static const char *const thp_names[] = {"never", "madvise", "always"};
static int show_thp(struct seq *s, struct task_struct *t) {
    (void)t;
    for (unsigned int i = 3; i-- > 0;)
        seq_printf(s, i == thp_mode ? "[%s]%c" : "%s%c", thp_names[i], i ? ' ' : '\n');
    return 0;
}
static int store_thp(char *text, struct task_struct *t) {
    (void)t;
    for (unsigned int i = 0; i < 3; i++)
        if (starts_with(text, thp_names[i])) {
            WRITE_ONCE(thp_mode, i);
            return 0;
        }
    return -EINVAL;
}
static int show_fork_copy(struct seq *s, struct task_struct *t) {
    (void)t;
    seq_printf(s, "%u\n", fork_copy_pages);
    return 0;
}
static int store_fork_copy(char *text, struct task_struct *t) {
    (void)t;
    char *end;
    u64 n = strtoul(text, &end, 10);
    if (end == text || (*end && *end != '\n') || n > PTRS_PER_TABLE)
        return -EINVAL;
    WRITE_ONCE(fork_copy_pages, n);
    return 0;
}
static const struct entry vm_entries[] = {
    PROC_KNOB("drop_caches", 0200, NULL, store_drop),
    PROC_KNOB("transparent_hugepage", 0644, show_thp, store_thp),
    PROC_KNOB("fork_tables", 0644, show_fork_tables, store_fork_tables),
    PROC_KNOB("fork_copy_pages", 0644, show_fork_copy, store_fork_copy),
    {0},
};
KNOB(mount_max, sysctl_mount_max, 1, 0x7fffffff)
KNOB(max_watches, sysctl_max_user_watches, 0, 0x7fffffff)
static const struct entry epoll_entries[] = {
    PROC_KNOB("max_user_watches", 0644, show_max_watches, store_max_watches), {0}};
KNOB(pipe_max, pipe_max_size, PAGE_SIZE, 1UL << 31)
KNOB(pipe_soft, pipe_user_pages_soft, 0, 0x7fffffff)
KNOB(pipe_hard, pipe_user_pages_hard, 0, 0x7fffffff)
KNOB(in_events, inotify_max_queued_events, 0, 0x7fffffff)
KNOB(in_instances, inotify_max_user_instances, 0, 0x7fffffff)
KNOB(in_watches, inotify_max_user_watches, 0, 0x7fffffff)
static const struct entry inotify_entries[] = {
    PROC_KNOB("max_queued_events", 0644, show_in_events, store_in_events),
    PROC_KNOB("max_user_instances", 0644, show_in_instances, store_in_instances),
    PROC_KNOB("max_user_watches", 0644, show_in_watches, store_in_watches),
    {0}};
static const struct entry fs_entries[] = {
    PROC_KNOB("mount-max", 0644, show_mount_max, store_mount_max),
    PROC_KNOB("pipe-max-size", 0644, show_pipe_max, store_pipe_max),
    PROC_KNOB("pipe-user-pages-soft", 0644, show_pipe_soft, store_pipe_soft),
    PROC_KNOB("pipe-user-pages-hard", 0644, show_pipe_hard, store_pipe_hard),
    PROC_DIR("epoll", 0555, epoll_entries),
    PROC_DIR("inotify", 0555, inotify_entries),
    {0}};
static int show_test_point(struct seq *s, struct task_struct *t) {
    (void)t;
    seq_printf(s, "%s\n", test_point_state());
    return 0;
}
static int store_test_point(char *text, struct task_struct *t) {
    (void)t;
    return test_point_command(text);
}
static int show_refuse(struct seq *s, struct task_struct *t) {
    (void)t;
    seq_printf(s, "%u %u\n", refuse_hook, refuse_errno);
    return 0;
}
static int store_refuse(char *text, struct task_struct *t) {
    char *end;
    (void)t;
    u64 hook = strtoul(text, &end, 10), error = *end == ' ' ? strtoul(end + 1, &end, 10) : 0;
    if (hook > 9 || error > MAX_ERRNO || (hook && !error))
        return -EINVAL;
    refuse_tgid = current->tgid;
    refuse_errno = error;
    WRITE_ONCE(refuse_hook, hook);
    return 0;
}
static int show_page_tables(struct seq *s, struct task_struct *t) {
    (void)t;
    seq_printf(s, "%s\n", check_page_tables());
    return 0;
}
static int show_lock_stat(struct seq *s, struct task_struct *t) {
    char line[128];
    (void)t;
    seq_printf(s, "%-12s %12s %12s %12s %12s %12s %12s\n", "rank", "taken", "contended", "wait-us",
               "wait-max", "held-us", "held-max");
    for (u32 r = 1; lock_stat(r, line, sizeof(line)); r++)
        seq_printf(s, "%s", line);
    return 0;
}
static int store_lock_stat(char *text, struct task_struct *t) {
    (void)t;
    if (*text != '0')
        return -EINVAL;
    lock_stat_reset();
    return 0;
}
static const struct entry debug_entries[] = {PROC_KNOB("lock_stat", 0600, show_lock_stat, store_lock_stat),
                                             PROC_FILE("page_tables", 0400, show_page_tables),
                                             PROC_KNOB("refuse", 0600, show_refuse, store_refuse),
                                             PROC_KNOB("test_point", 0600, show_test_point, store_test_point),
                                             {0}};
static const struct entry sys_entries[] = {PROC_DIR("kernel", 0555, kernel_entries),
                                           PROC_DIR("vm", 0555, vm_entries),
                                           PROC_DIR("fs", 0555, fs_entries),
                                           PROC_DIR(IS_DEBUG ? "debug" : NULL, 0555, debug_entries),
                                           {0}};
static int show_trace(struct seq *s, struct task_struct *t) {
    (void)t;
    return trace_show(s);
}
static int store_trace(char *text, struct task_struct *t) {
    (void)t;
    return trace_command(text);
}
#ifdef CONFIG_FUNCTION_TRACER
static int show_ftrace(struct seq *s, struct task_struct *t) {
    (void)t;
    return ftrace_show(s);
}
static int store_ftrace(char *text, struct task_struct *t) {
    (void)t;
    return ftrace_command(text);
}
#endif
static const struct entry root_entries[] = {
#ifdef CONFIG_FUNCTION_TRACER
    PROC_KNOB("ftrace", 0600, show_ftrace, store_ftrace),
#endif
    PROC_KNOB("trace", 0600, show_trace, store_trace),
    PROC_LINK("self", .text_link = self_link),
    PROC_LINK("thread-self", .text_link = thread_self_link),
    PROC_LINK("mounts", .text_link = mounts_link),
    PROC_FILE("version", 0444, show_version),
    PROC_FILE("uptime", 0444, show_uptime),
    PROC_FILE("loadavg", 0444, show_loadavg),
    PROC_FILE("meminfo", 0444, show_meminfo),
    PROC_FILE("zoneinfo", 0444, show_zoneinfo),
    PROC_FILE("buddyinfo", 0444, show_buddyinfo),
    PROC_FILE("slabinfo", 0444, show_slabinfo),
    PROC_FILE("stat", 0444, show_stat),
    PROC_FILE("cpuinfo", 0444, show_cpuinfo),
    PROC_FILE("interrupts", 0444, show_interrupts),
    PROC_FILE("filesystems", 0444, show_filesystems),
    PROC_FILE("keys", 0444, show_keys),
    PROC_FILE("cmdline", 0444, show_cmdline),
    PROC_KNOB("sysrq-trigger", 0200, NULL, store_sysrq),
    PROC_DIR("sys", 0555, sys_entries),
    PROC_DIR("sysvipc", 0555, sysvipc_entries),
    {0},
};
const struct entry proc_root = PROC_DIR("/", 0555, root_entries);
