/* The checked build's account at power-off. Before the first program runs, what the kernel holds is counted;
 * when init ends (a program given by init=), all processes are ended and reaped, caches are dropped, and it
 * is counted again. What is left over was leaked: a panic names it. Dentries, inodes and kmalloc's sizes are
 * not compared, for mounted file systems keep some; everything that a task can hold is.
 *
 * Also how deep kernel stacks went: a stack is filled with a pattern when it is new and searched when its
 * task ends. */
#include "../core/ptrace.h"
#include "../fs/fs.h"
#include "../ipc/ipc.h"
#include "../security/security.h"
#include "debug.h"
#include "trace.h"

#define PATTERN 0x5a5a5a5a5a5a5a5aUL

static const char *const exact[] = {"task_struct", "signal_struct", "sighand_struct", "files_struct",
                                    "vm_area",     "mm_struct",     "file",           "pipe",
                                    "sigqueue",    "epitem"};
static struct account {
    u64 objects[ARRAY_SIZE(exact)];
    u64 tables, pages; /* page-table pages; pages that are neither tables, slabs, stacks nor cached files */
    u32 threads;
} first;

static struct {
    u64 bytes;
    char comm[16];
} deepest;

void stack_fill(void *top) {
    u64 *w = (u64 *)top - STACK_SIZE / 8;
    for (u64 i = 0; i < STACK_SIZE / 8; i++)
        w[i] = PATTERN;
}
void stack_measure(struct task_struct *t) {
    u64 *w = (u64 *)t->stack - STACK_SIZE / 8, i = 0;
    while (i < STACK_SIZE / 8 && w[i] == PATTERN)
        i++;
    u64 used = STACK_SIZE - i * 8;
    if (used > READ_ONCE(deepest.bytes)) { /* two at once: the report is a few bytes off */
        deepest.bytes = used;
        strlcpy(deepest.comm, t->comm, sizeof(deepest.comm));
    }
}

static u64 nr_tables(void) {
    u64 n = 0;
    for (u64 pfn = min_pfn; pfn < max_pfn; pfn++)
        n += page_test(pfn_to_page(pfn), PG_TABLE);
    return n;
}
static void take_account(struct account *a) {
    const char *name;
    size_t size;
    u64 active, pages;
    memset(a, 0, sizeof(*a));
    a->pages = total_pages - nr_free_pages() - nr_cached_pages();
    for (unsigned int i = 0; slab_stat(i, &name, &size, &active, &pages); i++) {
        a->pages -= pages;
        for (unsigned int k = 0; k < ARRAY_SIZE(exact); k++)
            if (!strcmp(name, exact[k]))
                a->objects[k] = active;
    }
    a->threads = nr_threads;
    a->tables = nr_tables() - table_cached_pages() - kernel_tables;
    a->pages -= a->tables + kernel_tables + a->objects[0] * (STACK_SIZE / PAGE_SIZE);
}

void leak_baseline(void) {
    take_account(&first);
    work_watch();
}

/* Kill every process, this one's other threads too, and reap what there is. True: nothing is left. */
static bool end_all(void) {
    struct task_struct *t, *n, *dead = NULL, *self = current;
    LIST_HEAD(traced);
    READ_TASKS(irq);
    exit_ptrace(&traced);
    spin_lock(&self->sighand->lock);
    change_action(self->sighand, SIGCHLD)->handler = 1; /* SIG_IGN: those that come are not waited for */
    zap_other_threads(self);
    flush_sigqueue(&self->pending);
    flush_sigqueue(&self->signal->shared_pending);
    spin_unlock(&self->sighand->lock);
    for_each_process(t) if (t->signal != self->signal) {
        send_signal(SIGKILL, NULL, t, true);
        if (t->real_parent->signal == self->signal && t->exit_state == EXIT_ZOMBIE &&
            t->signal->nr_threads == 1)
            dead = t;
    }
    if (dead)
        dead->exit_state = EXIT_DEAD;
    u32 own = self->signal->nr_threads, left = nr_threads;
    READ_TASKS_END(irq);
    if (dead)
        release_task(dead);
    list_for_each_entry_safe(t, n, &traced, ptrace_entry) {
        list_del_init(&t->ptrace_entry);
        release_task(t);
    }
    return !dead && left == first.threads + own - 1 &&
           (own == 1 || self->group_leader->exit_state == EXIT_ZOMBIE);
}

void end_init(void) {
    READ_TASKS(irq);
    init_may_end = true;
    spin_lock(&child_reaper->sighand->lock);
    child_reaper->signal->group_exit = true;
    child_reaper->signal->group_exit_code = 0;
    zap_other_threads(child_reaper);
    child_reaper->pending.signal |= BIT(SIGKILL - 1);
    signal_wake_up(child_reaper, true);
    spin_unlock(&child_reaper->sighand->lock);
    READ_TASKS_END(irq);
    while (!fatal_signal_pending(current)) {
        set_current_state(TASK_KILLABLE);
        schedule();
    }
}

static void pause_ms(void) {
    set_current_state(TASK_UNINTERRUPTIBLE);
    schedule_until(ktime_get() + 1000000);
}

/* What there is too much of, or NULL. */
static const char *compare(char *text, size_t size) {
    struct account now;
    drop_caches();
    take_account(&now);
    for (unsigned int k = 0; k < ARRAY_SIZE(exact); k++) {
        u64 may = first.objects[k];
        if (!k) /* a leader that is dead beside its last thread */
            may += current->group_leader != current;
        if (!strcmp(exact[k], "mm_struct"))
            may += nr_harts; /* an idle hart keeps the last one's root loaded */
        if (now.objects[k] > may) {
            snprintf(text, size, "%lu of %s", now.objects[k] - may, exact[k]);
            return text;
        }
    }
    if (now.tables > first.tables + nr_harts || now.pages > first.pages) {
        snprintf(text, size, "%ld page tables, %ld pages", (s64)(now.tables - first.tables),
                 (s64)(now.pages - first.pages));
        return text;
    }
    return NULL;
}

void leak_check(void) {
    char text[64];
    u64 patience = ktime_get() + 10000000000;
    while (!end_all()) {
        if (ktime_get() > patience) {
            struct task_struct *t, *o;
            console_quiet = false;
            for_each_process(t) for_each_thread(o, t->signal) {
                printk("still there: pid %d of %d (%s), state %u, exit_state %d, flags %x, SIGKILL %s\n",
                       o->pid, o->tgid, o->comm, o->state, o->exit_state, o->task_flags,
                       o->pending.signal & BIT(SIGKILL - 1) ? "pending" : "not pending");
                dump_sleeper(o);
            }
            panic("power-off: processes that SIGKILL does not end");
        }
        pause_ms();
    }
    trace_release();
    ipc_remove_all(&init_ipc_ns);
    landlock_reap();
    acct_stop();
    keys_end();
    audit_stop();
    /* The last references go when harts have switched away from what ended. */
    const char *wrong;
    patience = ktime_get() + 2000000000;
    while ((wrong = compare(text, sizeof(text))) && ktime_get() < patience)
        pause_ms();
    if (wrong)
        panic("leaked: %s", wrong);
    work_end();
    stack_measure(current);
    printk("nothing leaked; deepest kernel stack: %lu of %d bytes, in %s\n", deepest.bytes, STACK_SIZE,
           deepest.comm);
}
