/* procfs: files about a task. */
#include "../../core/ptrace.h"
#include "../../debug/debug.h"
#include "../../drivers/drivers.h"
#include "../../security/security.h"
#include "../fs.h"
#include "procfs.h"

static char state_letter(struct task_struct *t) {
    u32 s = READ_ONCE(t->state);
    return t->exit_state            ? 'Z'
           : s == TASK_RUNNING      ? 'R'
           : s & TASK_STOPPED       ? 'T'
           : s & TASK_TRACED        ? 't'
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
    bool permitted = mm && ptrace_may_access(t, PTRACE_MODE_READ_FSCREDS); /* to know addresses */
    task_times(t, &ut, &st, &cut, &cst);
    if (mm) {
        vsize = mm->total_vm * PAGE_SIZE;
        rss = (u64)__atomic_load_n(&mm->rss.v, __ATOMIC_RELAXED);
    }
    READ_TASKS(irq);
    pid_t pid = pid_nr_ns(t->pid, s->ns), ppid = pid_nr_ns(t->real_parent->tgid, s->ns), tpgid = -1;
    pid_t pgid = pid_nr_ns(t->signal->pgid, s->ns), sid = pid_nr_ns(t->signal->sid, s->ns);
    READ_TASKS_END(irq);
    seq_printf(s, "%d (%s) %c %d %d %d %d %d %u %lu %lu 0 0 %lu %lu %lu %lu %d %d %u 0 %lu %lu %lu %lu ", pid,
               t->comm, state_letter(t), ppid, pgid, sid, t->signal->tty ? 1281 : 0, tpgid, t->task_flags,
               t->min_flt + t->signal->min_flt, t->signal->cmin_flt, to_clk(ut), to_clk(st), to_clk(cut),
               to_clk(cst), t->se.rt_priority ? -1 - (s32)t->se.rt_priority : 20 + t->se.nice, t->se.nice,
               t->signal->nr_threads, t->start_time / 10000000, vsize, rss, ~0UL);
    seq_printf(s, "%lu %lu %lu 0 0 %lu %lu 0 0 0 0 0 %d %u %u %u 0 0 0\n", permitted ? mm->start_code : !!mm,
               permitted ? mm->end_code : !!mm, permitted ? mm->start_stack : 0, t->pending.signal,
               t->blocked, t->exit_signal, t->ti.cpu, t->se.rt_priority, t->se.policy);
    if (mm)
        mmput(mm);
    return 0;
}
static int show_pid_status(struct seq *s, struct task_struct *t) {
    static const char *const words[] = {"R (running)", "S (sleeping)",     "D (disk sleep)",
                                        "T (stopped)", "t (tracing stop)", "Z (zombie)"};
    const char *letters = "RSDTtZ";
    struct mm_struct *mm = get_task_mm(t);
    u64 ign = 0, caught = 0, shared = 0;
    spin_lock(&t->alloc_lock);
    u32 umask = t->fs ? t->fs->umask : 0;
    spin_unlock(&t->alloc_lock);
    READ_TASKS(irq);
    if (t->sighand)
        for (int i = 0; i < _NSIG; i++)
            ign |= t->sighand->action[i].handler == 1 ? BIT(i) : 0,
                caught |= t->sighand->action[i].handler > 1 ? BIT(i) : 0;
    shared = t->signal->shared_pending.signal;
#define UID(id) from_kuid_munged(current_user_ns(), id)
#define GID(id) from_kgid_munged(current_user_ns(), id)
    struct cred now = *t->cred, *c = &now; /* the numbers: c's pointers may be gone */
    pid_t ppid = pid_nr_ns(t->real_parent->tgid, s->ns),
          tracer = t->ptrace ? pid_nr_ns(t->parent->pid, s->ns) : 0;
    pid_t pid = pid_nr_ns(t->pid, s->ns), tgid = pid_nr_ns(t->tgid, s->ns);
    READ_TASKS_END(irq);
    seq_printf(s,
               "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\nUid:\t%"
               "u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n",
               t->comm, umask, words[strchr(letters, state_letter(t)) - letters], tgid, pid, ppid, tracer,
               UID(c->uid), UID(c->euid), UID(c->suid), UID(c->fsuid), GID(c->gid), GID(c->egid),
               GID(c->sgid), GID(c->fsgid));
#undef UID
#undef GID
    if (mm) {
        down_read(&mm->mmap_lock);
        u64 locked = locked_pages(mm);
        up_read(&mm->mmap_lock);
        s64 rss = __atomic_load_n(&mm->rss.v, __ATOMIC_RELAXED),
            file = __atomic_load_n(&mm->rss_file.v, __ATOMIC_RELAXED);
        seq_printf(s,
                   "VmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmHWM:\t%8lu kB\nVmRSS:\t%8ld kB\nRssAnon:\t%8ld "
                   "kB\nRssFile:\t%8ld "
                   "kB\nCowFaults:\t%ld\n",
                   mm->total_vm * 4, locked * 4, mm->hiwater_rss * 4, rss * 4, (rss - file) * 4, file * 4,
                   mm->cow_faults.v);
        mmput(mm);
    }
    seq_printf(s,
               "Threads:\t%u\nSigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%"
               "016lx\nCapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nNoNewPrivs:\t%"
               "d\nSeccomp:\t%u\nSeccomp_filters:\t%u\n",
               t->signal->nr_threads, t->pending.signal, shared, t->blocked, ign, caught, c->cap_inheritable,
               c->cap_permitted, c->cap_effective, c->cap_bset, t->no_new_privs, t->seccomp.mode,
               seccomp_filters(t));
    seq_printf(s,
               "Cpus_allowed:\t%lx\nMems_allowed:\t%lx\nvoluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_"
               "switches:\t%lu\n",
               t->se.affinity & online_harts, BIT(machine.nr_nodes) - 1, t->se.nvcsw, t->se.nivcsw);
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
static const char *vma_name(const struct vm_area *v, char *b) {
    const struct mm_struct *mm = v->mm;
    if (v->file)
        return v->file->path.dentry ? d_path(&v->file->path, b, PATH_MAX) : "/dev/zero (deleted)";
    return v->special && v->start != mm->vdso                        ? "[step]"
           : v->special                                              ? "[vdso]"
           : v->start <= mm->start_stack && mm->start_stack < v->end ? "[stack]"
           : v->start <= mm->brk && v->end > mm->start_brk           ? "[heap]"
                                                                     : "";
}
static void show_vma(struct seq *s, struct vm_area *v, char *b) {
    u32 f = v->flags;
    u64 dev = v->file ? v->file->inode->sb->dev : 0;
    const char *name = vma_name(v, b);
    seq_printf(s, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu%*s%s\n", v->start, v->end,
               f & VM_READ ? 'r' : '-', f & VM_WRITE ? 'w' : '-', f & VM_EXEC ? 'x' : '-',
               f & VM_SHARED ? 's' : 'p', v->pgoff * PAGE_SIZE, major(dev), minor(dev),
               v->file ? v->file->inode->i_ino : 0, *name ? 20 : 0, "", name);
}
static int each_vma(struct seq *s, void (*fn)(struct seq *, struct vm_area *, char *)) {
    struct mm_struct *mm = s->mm;
    char *b = kmalloc(PATH_MAX, GFP_KERNEL);
    if (!b)
        return -ENOMEM;
    down_read(&mm->mmap_lock);
    for (struct vm_area *v = first_vma(mm); v; v = next_vma(v))
        fn(s, v, b);
    up_read(&mm->mmap_lock);
    kfree(b);
    return 0;
}
static int show_maps(struct seq *s, struct task_struct *t) {
    (void)t;
    return each_vma(s, show_vma);
}
/* For cowdemo: address, page frame, how many share the page or its table, and its permissions. */
static void show_vma_pages(struct seq *s, struct vm_area *v, char *b) {
    (void)b;
    for (u64 va = v->start; va < v->end; va += PAGE_SIZE) {
        u32 sharers;
        pte_t e = pte_peek(v->mm, va, &sharers);
        if (!sharers)
            va = ALIGN_DOWN(va, 2UL << 20) + (2UL << 20) - PAGE_SIZE;
        else if (e)
            seq_printf(s, "%lx %lx %u %c%c%c\n", va, s->show_pfn ? pte_pa(e) >> PAGE_SHIFT : 0, sharers,
                       e & PTE_R ? 'r' : '-', e & PTE_W ? 'w' : '-', e & PTE_X ? 'x' : '-');
    }
}
static int show_pages(struct seq *s, struct task_struct *t) {
    (void)t;
    return each_vma(s, show_vma_pages);
}
/* How many of its pages are on which node, and by what policy they came there. */
static void show_vma_nodes(struct seq *s, struct vm_area *v, char *b) {
    u64 on[MAX_NODES] = {0}, anon = 0, mapped = 0;
    const char *name = vma_name(v, b);
    for (u64 va = v->start; va < v->end; va += PAGE_SIZE) {
        u32 sharers;
        pte_t e = pte_peek(v->mm, va, &sharers);
        struct page *p = e ? pa_to_page(pte_pa(e)) : NULL;
        if (!sharers)
            va = ALIGN_DOWN(va, 2UL << 20) + (2UL << 20) - PAGE_SIZE;
        else if (p && p != zero_page && !v->special) {
            on[p->node]++;
            mapped++;
            anon += !p->mapping;
        }
    }
    seq_printf(s, "%08lx ", v->start);
    show_mempolicy(s, v->policy ? v->policy : s->private);
    if (*name == '[')
        seq_printf(s, " %.*s", (int)strlen(name) - 2, name + 1);
    else if (*name)
        seq_printf(s, " file=%s", name);
    if (anon)
        seq_printf(s, " anon=%lu", anon);
    if (mapped > anon)
        seq_printf(s, " mapped=%lu", mapped);
    for (unsigned int n = 0; n < machine.nr_nodes; n++)
        if (on[n])
            seq_printf(s, " N%u=%lu", n, on[n]);
    seq_printf(s, " kernelpagesize_kB=4\n");
}
static int show_numa_maps(struct seq *s, struct task_struct *t) {
    spin_lock(&t->alloc_lock);
    struct mempolicy *p = get_mempolicy(t->mempolicy);
    spin_unlock(&t->alloc_lock);
    s->private = p;
    int r = each_vma(s, show_vma_nodes);
    put_mempolicy(p);
    return r;
}
/* A piece of a task's memory, a page at most. */
static int user_range(struct seq *s, struct mm_struct *mm, u64 at, u64 end) {
    char *b = kmalloc(PAGE_SIZE, GFP_KERNEL);
    if (b) {
        size_t n = access_process_vm(mm, at, b, end > at ? min(end - at, PAGE_SIZE) : 0, false);
        seq_printf(s, "%*s", (int)n, "");
        if (!s->failed)
            memcpy(s->buf + s->len - n, b, n);
    }
    kfree(b);
    return b ? 0 : -ENOMEM;
}
static int show_pid_cmdline(struct seq *s, struct task_struct *t) { /* everybody's to see */
    struct mm_struct *mm = get_task_mm(t);
    int r = mm ? user_range(s, mm, mm->arg_start, mm->arg_end) : 0;
    if (mm)
        mmput(mm);
    return r;
}
static int show_environ(struct seq *s, struct task_struct *t) {
    (void)t;
    return user_range(s, s->mm, s->mm->env_start, s->mm->env_end);
}
static int show_auxv(struct seq *s, struct task_struct *t) {
    (void)t;
    return user_range(s, s->mm, s->mm->auxv_start, s->mm->auxv_end);
}

/* /proc/PID/mem: the memory that t had when the file was opened, at its addresses. */
static int mem_open(struct inode *i, struct file *f) {
    struct mm_struct *mm = mm_access(proc_task(i), PTRACE_MODE_ATTACH_FSCREDS);
    if (IS_ERR(mm) && PTR_ERR(mm) != -ESRCH)
        return PTR_ERR(mm);
    f->private = NULL;
    if (!IS_ERR(mm)) {
        mmgrab(f->private = mm);
        mmput(mm);
    }
    return 0;
}
static void mem_release(struct file *f) {
    if (f->private)
        mmdrop(f->private);
}
static ssize_t mem_rw(struct file *f, struct iov_iter *it, loff_t *pos, bool write) {
    struct mm_struct *mm = f->private;
    ssize_t done = 0, r = 0;
    if (!mm || !atomic_inc_not_zero(&mm->mm_users)) /* it has ended */
        return 0;
    u8 *b = kmalloc(PAGE_SIZE, GFP_KERNEL);
    if (!b)
        r = -ENOMEM;
    while (!r && it->count) {
        size_t n = min(it->count, PAGE_SIZE - (*pos & (PAGE_SIZE - 1)));
        if (write && copy_from_iter(b, n, it) != n)
            r = -EFAULT;
        else if ((write ? poke_process_vm(mm, *pos, b, n) : access_process_vm(mm, *pos, b, n, false)) != n)
            r = -EIO;
        else if (!write && copy_to_iter(b, n, it) != n)
            r = -EFAULT;
        else
            done += n, *pos += n;
        if (fatal_signal_pending(current))
            break;
    }
    kfree(b);
    mmput(mm);
    return done ? done : r;
}
static ssize_t mem_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    return mem_rw(f, it, pos, false);
}
static ssize_t mem_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    return mem_rw(f, it, pos, true);
}
static const struct file_operations proc_mem_fops = {
    .open = mem_open, .release = mem_release, .read = mem_read, .write = mem_write};

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
static int show_fail_nth(struct seq *s, struct task_struct *t) {
    seq_printf(s, "%u\n", t->ti.fail_nth);
    return 0;
}
/* By f, which may be the output of a program with more rights than its opener's. */
static int store_fail_nth(const struct file *f, char *text, struct task_struct *t) {
    const struct cred *c = current->cred;
    char *end;
    u64 n = strtoul(text, &end, 10);
    if (end == text || (*end && *end != '\n') || n > 0x7fffffff)
        return -EINVAL;
    if (t != current || ((c->euid != f->cred->euid || c->egid != f->cred->egid) &&
                         !file_ns_capable(f, c->user_ns, CAP_SETUID)))
        return -EPERM;
    t->ti.fail_nth = n;
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
    int r = lock_task_access(t, PTRACE_MODE_READ_FSCREDS);
    if (r)
        return r;
    struct fs_struct *fs = t->fs;
    r = -ENOENT;
    if (fs) {
        spin_lock(&fs->lock);
        *out = root ? *fs->root : *fs->cwd;
        if (out->dentry) {
            path_get(out);
            r = 0;
        }
        spin_unlock(&fs->lock);
    }
    unlock_task_access(t);
    return r;
}
static int link_cwd(struct task_struct *t, struct path *out) { return take_path(t, out, false); }
static int link_root(struct task_struct *t, struct path *out) { return take_path(t, out, true); }
static int link_exe(struct task_struct *t, struct path *out) {
    struct mm_struct *mm = mm_access(t, PTRACE_MODE_READ_FSCREDS);
    if (IS_ERR(mm))
        return PTR_ERR(mm) == -ESRCH ? -ENOENT : PTR_ERR(mm);
    int r = -ENOENT;
    if (mm->exe_file) {
        *out = mm->exe_file->path;
        path_get(out);
        r = 0;
    }
    mmput(mm);
    return r;
}
struct file *task_file(struct task_struct *t, u32 fd) {
    int r = lock_task_access(t, PTRACE_MODE_READ_FSCREDS);
    if (r)
        return ERR_PTR(r);
    struct file *f = ERR_PTR(-ENOENT);
    struct files_struct *fs = t->files;
    if (fs) {
        spin_lock(&fs->lock);
        if (fd < fs->top && (u64)fs->fd[fd] > 1)
            get_file(f = fs->fd[fd]);
        spin_unlock(&fs->lock);
    }
    unlock_task_access(t);
    return f;
}

#define NS_LINK(name, kind)                                                                                  \
    static int link_##name(struct task_struct *t, struct path *out) {                                        \
        return ptrace_may_access(t, PTRACE_MODE_READ_FSCREDS) ? ns_get_path(t, kind, out) : -EACCES;         \
    }                                                                                                        \
    static ssize_t text_##name(struct pid_namespace *ns, struct task_struct *t, char *b) {                   \
        (void)ns;                                                                                            \
        return ptrace_may_access(t, PTRACE_MODE_READ_FSCREDS) ? ns_read_link(t, kind, b) : -EACCES;          \
    }
NS_LINK(uts, NS_UTS)
NS_LINK(ipc, NS_IPC)
NS_LINK(mnt, NS_MNT)
NS_LINK(user, NS_USER)
NS_LINK(pid, NS_PID)
NS_LINK(pid_for_children, NS_PID_FOR_CHILDREN)
static const struct entry ns_entries[] = {
    PROC_LINK("ipc", .link = link_ipc, .text_link = text_ipc),
    PROC_LINK("mnt", .link = link_mnt, .text_link = text_mnt),
    PROC_LINK("pid", .link = link_pid, .text_link = text_pid),
    PROC_LINK("pid_for_children", .link = link_pid_for_children, .text_link = text_pid_for_children),
    PROC_LINK("user", .link = link_user, .text_link = text_user),
    PROC_LINK("uts", .link = link_uts, .text_link = text_uts),
    {0},
};

static int show_uid_map(struct seq *s, struct task_struct *t) { return show_id_map(s, t, false); }
static int show_gid_map(struct seq *s, struct task_struct *t) { return show_id_map(s, t, true); }
static int grant_uid_map(const struct file *f, char *text, struct task_struct *t) {
    return store_id_map(f, text, t, false);
}
static int grant_gid_map(const struct file *f, char *text, struct task_struct *t) {
    return store_id_map(f, text, t, true);
}
const struct entry pid_entries[] = {
    PROC_FILE("stat", 0444, show_pid_stat),
    PROC_FILE("status", 0444, show_pid_status),
    PROC_FILE("statm", 0444, show_statm),
    PROC_MM("maps", 0444, show_maps),
    PROC_MM("pages", 0444, show_pages),
    PROC_MM("numa_maps", 0444, show_numa_maps),
    PROC_FILE("cmdline", 0444, show_pid_cmdline),
    {.name = "mem", .mode = 0600, .fops = &proc_mem_fops},
    PROC_MM("auxv", 0400, show_auxv),
    PROC_MM("environ", 0400, show_environ),
    PROC_KNOB("comm", 0644, show_comm, store_comm),
    PROC_GRANT("fail-nth", 0644, show_fail_nth, store_fail_nth),
    PROC_FILE("limits", 0444, show_limits),
    PROC_FILE("io", 0400, show_io),
    PROC_FILE("cgroup", 0444, show_cgroup),
    PROC_GRANT("uid_map", 0644, show_uid_map, grant_uid_map),
    PROC_GRANT("gid_map", 0644, show_gid_map, grant_gid_map),
    PROC_GRANT("setgroups", 0644, show_setgroups, store_setgroups),
    PROC_FILE("mounts", 0444, show_mounts),
    PROC_LINK("cwd", .link = link_cwd),
    PROC_LINK("root", .link = link_root),
    PROC_LINK("exe", .link = link_exe),
    PROC_DIR("fd", 0500, NULL),
    PROC_DIR("ns", 0511, ns_entries),
    PROC_DIR("task", 0555, NULL),
    {0},
};
