/* procfs: what the kernel knows, as files. Directories are made up at each look-up; a file's text is made
 * whole at its first read and kept until the file closes, so that what is read is of one moment. */
#include "../../core/task.h"
#include "../../debug/debug.h"
#include "../../drivers/drivers.h"
#include "../fs.h"

/* Text that grows. */
struct seq {
    char *buf;
    size_t len, size;
    bool failed;
};
static void __printf(2, 3) seq_printf(struct seq *s, const char *fmt, ...) {
    for (;;) {
        va_list ap;
        va_start(ap, fmt);
        size_t n = vsnprintf(s->buf + s->len, s->size - s->len, fmt, ap);
        va_end(ap);
        if (s->len + n < s->size) {
            s->len += n;
            return;
        }
        char *bigger = kmalloc(s->size ? s->size * 2 + n : 1024, GFP_KERNEL);
        if (!bigger) {
            s->failed = true;
            return;
        }
        memcpy(bigger, s->buf, s->len);
        s->size = s->size ? s->size * 2 + n : 1024;
        kfree(s->buf);
        s->buf = bigger;
    }
}

struct entry {
    const char *name;
    u32 mode;
    int (*show)(struct seq *s, struct task_struct *t);
    int (*store)(char *text, struct task_struct *t);
    const struct entry *children; /* ends with a NULL name */
    int (*link)(struct task_struct *t, struct path *out);
    ssize_t (*text_link)(char *buf);
};

/* An inode's private: which entry, for which task, which descriptor. */
struct node {
    const struct entry *e;
    struct task_struct *t; /* counted */
    s32 fd;
    enum { PLAIN, ROOT, PID_DIR, FD_DIR, FD_LINK, TASK_DIR } kind;
};
#define NODE(i) ((struct node *)(i)->private)
static const struct entry root_entries[], pid_entries[];
static const struct inode_operations dir_iops, link_iops, file_iops;
static const struct file_operations dir_fops, file_fops;

static u64 to_clk(u64 ticks) { return ticks * 100 / timebase_hz; }

/* --- files about the machine --- */
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
        "SwapTotal:      %8u kB\nSwapFree:       %8u kB\n",
        total_pages * 4, free * 4, (free + cached) * 4, 0, cached * 4, nr_dirty_pages() * 4, slab * 4,
        nr_threads * 16, 0, 0);
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
static int show_mounts(struct seq *s, struct task_struct *t) {
    struct mount *m;
    (void)t;
    char *b = kmalloc(PATH_MAX, GFP_KERNEL);
    if (!b)
        return -ENOMEM;
    list_for_each_entry(m, &mounts, link) {
        struct path p = {m, m->root};
        seq_printf(s, "%s %s %s %s 0 0\n", m->source, d_path(&p, b, PATH_MAX), m->sb->type->name,
                   (m->sb->flags | m->flags) & MS_RDONLY ? "ro" : "rw");
    }
    kfree(b);
    return 0;
}
static int show_cmdline(struct seq *s, struct task_struct *t) {
    (void)t;
    seq_printf(s, "%s\n", machine.bootargs);
    return 0;
}
static ssize_t self_link(char *b) { return snprintf(b, 16, "%d", current->tgid); }
static ssize_t mounts_link(char *b) { return strlcpy(b, "self/mounts", 16); }
static ssize_t thread_self_link(char *b) {
    return snprintf(b, 32, "%d/task/%d", current->tgid, current->pid);
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
static int show_hostname(struct seq *s, struct task_struct *t) {
    (void)t;
    seq_printf(s, "%s\n", hostname);
    return 0;
}
static int store_drop(char *text, struct task_struct *t) {
    (void)t;
    if (*text < '1' || *text > '3')
        return -EINVAL;
    sync_all(true);
    shrink_dentries(~0UL);
    reclaim_pages(~0UL);
    reclaim_pages(~0UL);
    return 0;
}

/* As on Linux: c crashes (to see and test the report), s syncs, o powers off; and x uses the stack up. */
static noinline void crash(void) { asm volatile("sw zero, 8(zero)" ::: "memory"); }
static noinline int recurse(int n) { /* until the stack's guard stops it */
    volatile char big[512];
    big[0] = n;
    return n < 1000000 ? recurse(n + 1) + big[0] : 0;
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
        sync_all(true);
        return 0;
    case 'o':
        sync_all(true);
        unmount_everything();
        machine_power_off(0);
    default:
        return -EINVAL;
    }
}

/* --- files about a task --- */
static char state_letter(struct task_struct *t) {
    u32 s = READ_ONCE(t->state);
    return t->exit_state            ? 'Z'
           : s == TASK_RUNNING      ? 'R'
           : s & TASK_STOPPED       ? 'T'
           : s & TASK_INTERRUPTIBLE ? 'S'
                                    : 'D';
}
static void task_times(struct task_struct *t, u64 *ut, u64 *st, u64 *cut, u64 *cst) {
    struct task_struct *o;
    READ_TASKS(irq);
    *ut = t->signal->utime, *st = t->signal->stime, *cut = t->signal->cutime, *cst = t->signal->cstime;
    for_each_thread(o, t->signal) *ut += o->utime, *st += o->stime;
    READ_TASKS_END(irq);
}
static int show_pid_stat(struct seq *s, struct task_struct *t) {
    u64 ut, st, cut, cst, vsize = 0, rss = 0;
    struct mm_struct *mm = get_task_mm(t);
    task_times(t, &ut, &st, &cut, &cst);
    if (mm) {
        vsize = mm->total_vm * PAGE_SIZE;
        rss = (u64)__atomic_load_n(&mm->rss.v, __ATOMIC_RELAXED);
    }
    pid_t ppid = t->real_parent->tgid, tpgid = -1;
    seq_printf(s, "%d (%s) %c %d %d %d %d %d %u %lu %lu 0 0 %lu %lu %lu %lu %d %d %u 0 %lu %lu %lu %lu ",
               t->pid, t->comm, state_letter(t), ppid, t->signal->pgid, t->signal->sid,
               t->signal->tty ? 1281 : 0, tpgid, t->task_flags, t->min_flt + t->signal->min_flt,
               t->signal->cmin_flt, to_clk(ut), to_clk(st), to_clk(cut), to_clk(cst),
               t->se.rt_priority ? -1 - (s32)t->se.rt_priority : 20 + t->se.nice, t->se.nice,
               t->signal->nr_threads, t->start_time / 10000000, vsize, rss, ~0UL);
    seq_printf(s, "%lu %lu %lu 0 0 %lu %lu 0 0 0 0 0 %d %u %u %u 0 0 0\n", mm ? mm->start_code : 0,
               mm ? mm->end_code : 0, mm ? mm->start_stack : 0, t->pending.signal, t->blocked, t->exit_signal,
               t->ti.cpu, t->se.rt_priority, t->se.policy);
    if (mm)
        mmput(mm);
    return 0;
}
static int show_pid_status(struct seq *s, struct task_struct *t) {
    static const char *const words[] = {"R (running)", "S (sleeping)", "D (disk sleep)", "T (stopped)",
                                        "Z (zombie)"};
    const char *letters = "RSDTZ";
    struct mm_struct *mm = get_task_mm(t);
    u64 ign = 0, caught = 0, shared = 0;
    READ_TASKS(irq);
    if (t->sighand)
        for (int i = 0; i < _NSIG; i++)
            ign |= t->sighand->action[i].handler == 1 ? BIT(i) : 0,
                caught |= t->sighand->action[i].handler > 1 ? BIT(i) : 0;
    shared = t->signal->shared_pending.signal;
    READ_TASKS_END(irq);
    const struct cred *c = t->cred;
    seq_printf(s,
               "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\nUid:\t%"
               "u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n",
               t->comm, t->fs ? t->fs->umask : 0, words[strchr(letters, state_letter(t)) - letters], t->tgid,
               t->pid, t->real_parent->tgid, c->uid, c->euid, c->suid, c->fsuid, c->gid, c->egid, c->sgid,
               c->fsgid);
    if (mm) {
        s64 rss = __atomic_load_n(&mm->rss.v, __ATOMIC_RELAXED),
            file = __atomic_load_n(&mm->rss_file.v, __ATOMIC_RELAXED);
        seq_printf(s,
                   "VmSize:\t%8lu kB\nVmHWM:\t%8lu kB\nVmRSS:\t%8ld kB\nRssAnon:\t%8ld kB\nRssFile:\t%8ld "
                   "kB\nCowFaults:\t%ld\n",
                   mm->total_vm * 4, mm->hiwater_rss * 4, rss * 4, (rss - file) * 4, file * 4,
                   mm->cow_faults.v);
        mmput(mm);
    }
    seq_printf(s,
               "Threads:\t%u\nSigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%"
               "016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\n",
               t->signal->nr_threads, t->pending.signal, shared, t->blocked, ign, caught, c->cap_permitted,
               c->cap_effective);
    seq_printf(s, "Cpus_allowed:\t%lx\nvoluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n",
               t->se.affinity & online_harts, t->se.nvcsw, t->se.nivcsw);
    return 0;
}
static int show_statm(struct seq *s, struct task_struct *t) {
    struct mm_struct *mm = get_task_mm(t);
    seq_printf(s, "%lu %ld %ld 0 0 0 0\n", mm ? mm->total_vm : 0, mm ? mm->rss.v : 0,
               mm ? mm->rss_file.v : 0);
    if (mm)
        mmput(mm);
    return 0;
}
static void show_vma(struct seq *s, struct vm_area *v, char *b) {
    struct mm_struct *mm = v->mm;
    u32 f = v->flags;
    u64 dev = v->file ? v->file->inode->sb->dev : 0;
    const char *name = v->special                                      ? "[vdso]"
                       : f & VM_STACK                                  ? "[stack]"
                       : v->start <= mm->brk && v->end > mm->start_brk ? "[heap]"
                                                                       : "";
    if (v->file)
        name = v->file->path.dentry ? d_path(&v->file->path, b, PATH_MAX) : "/dev/zero (deleted)";
    seq_printf(s, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu%*s%s\n", v->start, v->end,
               f & VM_READ ? 'r' : '-', f & VM_WRITE ? 'w' : '-', f & VM_EXEC ? 'x' : '-',
               f & VM_SHARED ? 's' : 'p', v->pgoff * PAGE_SIZE, major(dev), minor(dev),
               v->file ? v->file->inode->i_ino : 0, *name ? 20 : 0, "", name);
}
static int each_vma(struct seq *s, struct task_struct *t,
                    void (*fn)(struct seq *, struct vm_area *, char *)) {
    struct mm_struct *mm = get_task_mm(t);
    char *b = kmalloc(PATH_MAX, GFP_KERNEL);
    if (mm && b) {
        down_read(&mm->mmap_lock);
        for (struct vm_area *v = first_vma(mm); v; v = next_vma(v))
            fn(s, v, b);
        up_read(&mm->mmap_lock);
    }
    if (mm)
        mmput(mm);
    kfree(b);
    return b ? 0 : -ENOMEM;
}
static int show_maps(struct seq *s, struct task_struct *t) { return each_vma(s, t, show_vma); }
/* For cowdemo: address, page frame, how many share the page, and its permissions. */
static void show_vma_pages(struct seq *s, struct vm_area *v, char *b) {
    (void)b;
    for (u64 va = v->start; va < v->end; va += PAGE_SIZE) {
        pte_t *p = pte_lookup(v->mm, va), e = p ? READ_ONCE(*p) : 0;
        if (!p)
            va = ALIGN_DOWN(va, 2UL << 20) + (2UL << 20) - PAGE_SIZE;
        else if (e)
            seq_printf(s, "%lx %lx %d %c%c%c\n", va, pte_pa(e) >> PAGE_SHIFT,
                       atomic_read(&pa_to_page(pte_pa(e))->refcount), e & PTE_R ? 'r' : '-',
                       e & PTE_W ? 'w' : '-', e & PTE_X ? 'x' : '-');
    }
}
static int show_pages(struct seq *s, struct task_struct *t) { return each_vma(s, t, show_vma_pages); }
static int user_range(struct seq *s, struct task_struct *t, bool env) {
    struct mm_struct *mm = get_task_mm(t);
    if (!mm)
        return 0;
    u64 at = env ? mm->env_start : mm->arg_start, end = env ? mm->env_end : mm->arg_end;
    char *b = kmalloc(PAGE_SIZE, GFP_KERNEL);
    if (b) {
        size_t n = access_process_vm(mm, at, b, end > at ? min(end - at, PAGE_SIZE) : 0, false);
        seq_printf(s, "%*s", (int)n, "");
        if (!s->failed)
            memcpy(s->buf + s->len - n, b, n);
    }
    kfree(b);
    mmput(mm);
    return 0;
}
static int show_pid_cmdline(struct seq *s, struct task_struct *t) { return user_range(s, t, false); }
static int show_environ(struct seq *s, struct task_struct *t) { return user_range(s, t, true); }
static int show_comm(struct seq *s, struct task_struct *t) {
    seq_printf(s, "%s\n", t->comm);
    return 0;
}
static int store_comm(char *text, struct task_struct *t) {
    if (t->signal != current->signal)
        return -EPERM;
    char *nl = strchr(text, '\n');
    if (nl)
        *nl = 0;
    strlcpy(t->comm, text, sizeof(t->comm));
    return 0;
}
static int show_limits(struct seq *s, struct task_struct *t) {
    static const char *const names[] = {"cpu time",       "file size",    "data size", "stack size",
                                        "core file size", "resident set", "processes", "open files",
                                        "locked memory",  "address space"};
    seq_printf(s, "%-20s %-20s %-20s\n", "Limit", "Soft Limit", "Hard Limit");
    for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
        char v[2][24];
        u64 x[2] = {t->signal->rlim[i].rlim_cur, t->signal->rlim[i].rlim_max};
        for (int k = 0; k < 2; k++)
            x[k] == RLIM_INFINITY ? strlcpy(v[k], "unlimited", 24) : (size_t)snprintf(v[k], 24, "%lu", x[k]);
        seq_printf(s, "Max %-16s %-20s %-20s\n", names[i], v[0], v[1]);
    }
    return 0;
}
static int take_path(struct task_struct *t, struct path *out, bool root) {
    int r = -ENOENT;
    spin_lock(&t->alloc_lock);
    if (t->fs) {
        *out = root ? *t->fs->root : *t->fs->cwd;
        if (out->dentry) {
            path_get(out);
            r = 0;
        }
    }
    spin_unlock(&t->alloc_lock);
    return r;
}
static int link_cwd(struct task_struct *t, struct path *out) { return take_path(t, out, false); }
static int link_root(struct task_struct *t, struct path *out) { return take_path(t, out, true); }
static int link_exe(struct task_struct *t, struct path *out) {
    struct mm_struct *mm = get_task_mm(t);
    int r = -ENOENT;
    if (mm && mm->exe_file) {
        *out = mm->exe_file->path;
        path_get(out);
        r = 0;
    }
    if (mm)
        mmput(mm);
    return r;
}
static struct file *task_file(struct task_struct *t, u32 fd) {
    struct file *f = NULL;
    spin_lock(&t->alloc_lock);
    struct files_struct *fs = t->files;
    if (fs)
        atomic_inc(&fs->refcount);
    spin_unlock(&t->alloc_lock);
    if (!fs)
        return NULL;
    spin_lock(&fs->lock);
    if (fd < fs->size && (u64)fs->fd[fd] > 1)
        get_file(f = fs->fd[fd]);
    spin_unlock(&fs->lock);
    put_files(fs);
    return f;
}

static const struct entry pid_entries[] = {
    {"stat", 0444, show_pid_stat, NULL, NULL, NULL, NULL},
    {"status", 0444, show_pid_status, NULL, NULL, NULL, NULL},
    {"statm", 0444, show_statm, NULL, NULL, NULL, NULL},
    {"maps", 0444, show_maps, NULL, NULL, NULL, NULL},
    {"pages", 0444, show_pages, NULL, NULL, NULL, NULL},
    {"cmdline", 0444, show_pid_cmdline, NULL, NULL, NULL, NULL},
    {"environ", 0400, show_environ, NULL, NULL, NULL, NULL},
    {"comm", 0644, show_comm, store_comm, NULL, NULL, NULL},
    {"limits", 0444, show_limits, NULL, NULL, NULL, NULL},
    {"mounts", 0444, show_mounts, NULL, NULL, NULL, NULL},
    {"cwd", S_IFLNK | 0777, NULL, NULL, NULL, link_cwd, NULL},
    {"root", S_IFLNK | 0777, NULL, NULL, NULL, link_root, NULL},
    {"exe", S_IFLNK | 0777, NULL, NULL, NULL, link_exe, NULL},
    {"fd", S_IFDIR | 0500, NULL, NULL, NULL, NULL, NULL},
    {"task", S_IFDIR | 0555, NULL, NULL, NULL, NULL, NULL},
    {0},
};
static const struct entry kernel_entries[] = {
    {"pid_max", 0644, show_pid_max, store_pid_max, NULL, NULL, NULL},
    {"threads-max", 0644, show_threads_max, store_threads_max, NULL, NULL, NULL},
    {"sched_child_runs_first", 0644, show_child_first, store_child_first, NULL, NULL, NULL},
    {"hostname", 0444, show_hostname, NULL, NULL, NULL, NULL},
    {0},
};
static const struct entry vm_entries[] = {{"drop_caches", 0200, NULL, store_drop, NULL, NULL, NULL}, {0}};
static const struct entry sys_entries[] = {{"kernel", S_IFDIR | 0555, NULL, NULL, kernel_entries, NULL, NULL},
                                           {"vm", S_IFDIR | 0555, NULL, NULL, vm_entries, NULL, NULL},
                                           {0}};
static const struct entry root_entries[] = {
    {"self", S_IFLNK | 0777, NULL, NULL, NULL, NULL, self_link},
    {"thread-self", S_IFLNK | 0777, NULL, NULL, NULL, NULL, thread_self_link},
    {"mounts", S_IFLNK | 0777, NULL, NULL, NULL, NULL, mounts_link},
    {"version", 0444, show_version, NULL, NULL, NULL, NULL},
    {"uptime", 0444, show_uptime, NULL, NULL, NULL, NULL},
    {"loadavg", 0444, show_loadavg, NULL, NULL, NULL, NULL},
    {"meminfo", 0444, show_meminfo, NULL, NULL, NULL, NULL},
    {"slabinfo", 0444, show_slabinfo, NULL, NULL, NULL, NULL},
    {"stat", 0444, show_stat, NULL, NULL, NULL, NULL},
    {"cpuinfo", 0444, show_cpuinfo, NULL, NULL, NULL, NULL},
    {"interrupts", 0444, show_interrupts, NULL, NULL, NULL, NULL},
    {"filesystems", 0444, show_filesystems, NULL, NULL, NULL, NULL},
    {"cmdline", 0444, show_cmdline, NULL, NULL, NULL, NULL},
    {"sysrq-trigger", 0200, NULL, store_sysrq, NULL, NULL, NULL},
    {"sys", S_IFDIR | 0555, NULL, NULL, sys_entries, NULL, NULL},
    {0},
};
static const struct entry root_entry = {"/", S_IFDIR | 0555, NULL, NULL, root_entries, NULL, NULL};

/* --- inodes and names --- */
static struct inode *make(struct super_block *sb, const struct node *n, u32 mode, u64 ino) {
    struct inode *i = new_inode(sb);
    struct node *copy = i ? kmalloc(sizeof(*copy), GFP_KERNEL) : NULL;
    if (!copy) {
        if (i)
            iput(i);
        return NULL;
    }
    *copy = *n;
    if (n->t) {
        get_task(n->t);
        i->i_uid = n->t->cred->euid;
        i->i_gid = n->t->cred->egid;
    }
    i->private = copy;
    i->i_ino = ino;
    i->i_mode = mode & S_IFMT ? mode : mode | S_IFREG;
    i->i_nlink = S_ISDIR(i->i_mode) ? 2 : 1;
    i->i_op = S_ISDIR(i->i_mode) ? &dir_iops : S_ISLNK(i->i_mode) ? &link_iops : &file_iops;
    i->i_fop = S_ISDIR(i->i_mode) ? &dir_fops : &file_fops;
    return i;
}
static void evict(struct inode *i) {
    struct node *n = NODE(i);
    if (n && n->t)
        put_task(n->t);
    kfree(n);
}

static u64 number(const char *s) { /* ~0: not a plain number */
    char *end;
    if (*s < '0' || *s > '9' || (*s == '0' && s[1]))
        return ~0UL;
    u64 v = strtoul(s, &end, 10);
    return *end || v > 0x7fffffff ? ~0UL : v;
}
static u64 make_ino(u64 a, u64 b) { return 1000 + a * 4096 + b; }

static struct inode *find(struct super_block *sb, const struct node *dir, const char *name) {
    u64 v = number(name);
    struct inode *i = NULL;
    if (dir->kind == FD_DIR) {
        struct file *f = v == ~0UL ? NULL : task_file(dir->t, v);
        if (!f)
            return NULL;
        u32 mode = S_IFLNK | (f->mode & FMODE_READ ? 0500 : 0) | (f->mode & FMODE_WRITE ? 0300 : 0);
        fput(f);
        return make(sb, &(struct node){NULL, dir->t, v, FD_LINK}, mode,
                    make_ino(dir->t->pid, 1024 + v % 3000));
    }
    if ((dir->kind == ROOT || dir->kind == TASK_DIR) && v != ~0UL) {
        struct task_struct *t = get_task_by_pid(v);
        if (!t)
            return NULL;
        if (dir->kind == ROOT || t->tgid == dir->t->tgid)
            i = make(sb, &(struct node){NULL, t, 0, PID_DIR}, S_IFDIR | 0555, make_ino(v, 0));
        put_task(t);
        return i;
    }
    if (dir->kind == TASK_DIR)
        return NULL;
    const struct entry *e = dir->kind == PID_DIR ? pid_entries : dir->e->children;
    for (u64 k = 1; e && e->name; e++, k++)
        if (!strcmp(e->name, name)) {
            int kind = !strcmp(name, "fd") ? FD_DIR : !strcmp(name, "task") ? TASK_DIR : PLAIN;
            return make(sb, &(struct node){e, dir->t, 0, kind}, e->mode,
                        dir->t ? make_ino(dir->t->pid, k) : (u64)e - (u64)&root_entry + (1UL << 40));
        }
    return NULL;
}
/* Nothing is cached: what is true now may not be later. */
static int lookup(struct inode *dir, struct dentry *d) {
    struct inode *i = find(dir->sb, NODE(dir), d->name);
    d_add(d, i);
    d_drop(d);
    return 0;
}
static int get_link(struct dentry *d, struct path *out) {
    struct node *n = NODE(d->inode);
    if (n->kind == FD_LINK) {
        struct file *f = task_file(n->t, n->fd);
        int r = -ENOENT;
        if (f && f->path.dentry) {
            *out = f->path;
            path_get(out);
            r = 0;
        }
        if (f)
            fput(f);
        return r;
    }
    if (n->e->link)
        return n->e->link(n->t, out);
    char b[64];
    n->e->text_link(b);
    char full[80];
    snprintf(full, sizeof(full), "/proc/%s", b);
    return path_lookup(AT_FDCWD, full, LOOKUP_FOLLOW, out);
}
static ssize_t readlink(struct inode *i, char *b) {
    struct node *n = NODE(i);
    struct path p;
    if (n->e && n->e->text_link)
        return n->e->text_link(b);
    int r = -ENOENT;
    if (n->kind == FD_LINK) {
        struct file *f = task_file(n->t, n->fd);
        if (!f)
            return -ENOENT;
        if (!f->path.dentry) {
            r = S_ISFIFO(f->inode->i_mode) ? snprintf(b, 64, "pipe:[%lu]", f->inode->i_ino)
                                           : snprintf(b, 64, "anon_inode:[%lu]", f->inode->i_ino);
            fput(f);
            return r;
        }
        p = f->path;
        path_get(&p);
        fput(f);
    } else if ((r = n->e->link(n->t, &p))) {
        return r;
    }
    char *t = kmalloc(PATH_MAX, GFP_KERNEL);
    if (t) {
        char *s = d_path(&p, t, PATH_MAX);
        r = strlcpy(b, s, PATH_MAX);
        kfree(t);
    }
    path_put(&p);
    return t ? r : -ENOMEM;
}
static const struct inode_operations dir_iops = {.lookup = lookup}, file_iops = {0};
static const struct inode_operations link_iops = {.readlink = readlink, .get_link = get_link};

static int iterate(struct file *f, struct dir_context *ctx) {
    struct node *n = NODE(f->inode);
    char name[16];
    if (ctx->pos == 0) {
        if (!ctx->emit(ctx, ".", 1, f->inode->i_ino, DT_DIR))
            return 0;
        ctx->pos = 1;
    }
    if (ctx->pos == 1) {
        if (!ctx->emit(ctx, "..", 2, f->path.dentry->parent->inode->i_ino, DT_DIR))
            return 0;
        ctx->pos = 2;
    }
    if (n->kind == FD_DIR) {
        for (; ctx->pos - 2 < 65536; ctx->pos++) {
            struct file *o = task_file(n->t, ctx->pos - 2);
            if (!o) {
                if (!n->t->files || ctx->pos - 2 >= n->t->files->size)
                    return 0;
                continue;
            }
            fput(o);
            u32 len = snprintf(name, sizeof(name), "%ld", ctx->pos - 2);
            if (!ctx->emit(ctx, name, len, make_ino(n->t->pid, 1024 + ctx->pos), DT_LNK))
                return 0;
        }
        return 0;
    }
    if (n->kind == TASK_DIR) {
        for (;;) {
            struct task_struct *t;
            pid_t best = 0x7fffffff;
            READ_TASKS(irq);
            for_each_thread(t, n->t->signal) if (t->pid + 1 >= ctx->pos && t->pid < best) best = t->pid;
            READ_TASKS_END(irq);
            if (best == 0x7fffffff)
                return 0;
            u32 len = snprintf(name, sizeof(name), "%d", best);
            loff_t keep = ctx->pos;
            if (!ctx->emit(ctx, name, len, make_ino(best, 0), DT_DIR)) {
                ctx->pos = keep;
                return 0;
            }
            ctx->pos = best + 2;
        }
    }
    const struct entry *e = n->kind == PID_DIR ? pid_entries : n->e->children;
    for (loff_t k = 2; e->name; e++, k++)
        if (k >= ctx->pos) {
            u32 mode = e->mode & S_IFMT ? e->mode : S_IFREG;
            if (!ctx->emit(ctx, e->name, strlen(e->name), make_ino(n->t ? n->t->pid : 0, k), IFTODT(mode)))
                return 0;
            ctx->pos = k + 1;
        }
    if (n->kind != ROOT)
        return 0;
    if (ctx->pos < 256)
        ctx->pos = 256;
    for (;;) {
        pid_t pid = ctx->pos - 255;
        struct task_struct *t = next_task(&pid);
        if (!t)
            return 0;
        put_task(t);
        u32 len = snprintf(name, sizeof(name), "%d", pid);
        ctx->pos = 255 + pid;
        if (!ctx->emit(ctx, name, len, make_ino(pid, 0), DT_DIR))
            return 0;
        ctx->pos = 256 + pid;
    }
}
static const struct file_operations dir_fops = {.iterate = iterate};

static ssize_t proc_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct node *n = NODE(f->inode);
    struct seq *s = f->private;
    if (!n->e->show)
        return -EINVAL;
    if (!s || *pos == 0) {
        if (s) {
            kfree(s->buf);
            memset(s, 0, sizeof(*s));
        } else if (!(s = f->private = kzalloc(sizeof(*s), GFP_KERNEL))) {
            return -ENOMEM;
        }
        if (n->t && !n->t->sighand && n->t->exit_state == EXIT_DEAD)
            return -ESRCH;
        int r = n->e->show(s, n->t);
        if (r || s->failed)
            return r ? r : -ENOMEM;
    }
    if (*pos < 0 || (u64)*pos >= s->len)
        return 0;
    size_t want = min(it->count, s->len - *pos), c = copy_to_iter(s->buf + *pos, want, it);
    *pos += c;
    return c ? (ssize_t)c : -EFAULT;
}
static ssize_t proc_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct node *n = NODE(f->inode);
    char text[128];
    size_t want = it->count;
    (void)pos;
    if (!n->e->store)
        return -EACCES;
    if (want >= sizeof(text))
        return -EINVAL;
    if (copy_from_iter(text, want, it) != want)
        return -EFAULT;
    text[want] = 0;
    int r = n->e->store(text, n->t);
    return r ? r : (ssize_t)want;
}
static void proc_release(struct file *f) {
    struct seq *s = f->private;
    if (s)
        kfree(s->buf);
    kfree(s);
}
static const struct file_operations file_fops = {
    .read = proc_read, .write = proc_write, .release = proc_release};

static int statfs(struct super_block *sb, struct statfs *st) {
    (void)sb;
    st->f_type = 0x9fa0;
    return 0;
}
static const struct super_operations sops = {.evict_inode = evict, .statfs = statfs};
static int fill(struct super_block *sb, const char *options) {
    (void)options;
    sb->ops = &sops;
    struct inode *i = make(sb, &(struct node){&root_entry, NULL, 0, ROOT}, S_IFDIR | 0555, 1);
    return i && (sb->root = d_alloc_root(i)) ? 0 : -ENOMEM;
}
static const struct file_system_type type = {"proc", true, fill};
void procfs_init(void) { register_filesystem(&type); }
