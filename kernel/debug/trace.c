/* The rings behind the trace points (trace.h). An entry is written by its hart with interrupts off. A reader
 * copies what is there: an entry that is overwritten meanwhile is left out, for its number has changed. */
#include "trace.h"
#include "../core/task.h"
#include "../fs/procfs/procfs.h"
#include "debug.h"
#include <abi/errno.h>

#define DEFAULT_SIZE 4096u
#define MAX_LINES 16384u

struct trace_entry {
    u64 number, time, a, b, c; /* number: from 1 on; 0 while it is being written */
    char comm[16];
    s32 pid;
    u32 event;
};
static struct ring {
    struct trace_entry *entry;
    u64 next; /* how many were written */
} rings[MAX_HARTS];
static u32 ring_size; /* entries, a power of two; 0: none are there */
static struct mutex lock = MUTEX_INIT(lock);
u64 trace_mask;

static const struct {
    const char *name, *group, *format;
} events[TRACE_NR] = {
#define X(event, group, format) {#event, #group, format},
    TRACE_EVENTS(X)
#undef X
};

void trace_write(enum trace_event event, u64 a, u64 b, u64 c) {
    u64 irq = local_irq_save();
    struct ring *r = &rings[smp_processor_id()];
    struct trace_entry *e = &r->entry[r->next & (ring_size - 1)];
    WRITE_ONCE(e->number, 0);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    e->time = ktime_get();
    e->a = a, e->b = b, e->c = c;
    memcpy(e->comm, current->comm, sizeof(e->comm));
    e->pid = current->pid;
    e->event = event;
    smp_store_release(&e->number, ++r->next);
    local_irq_restore(irq);
}

static int make_rings(u32 size) {
    for (unsigned int h = 0; h < nr_harts; h++) {
        struct trace_entry *more = kzalloc(size * sizeof(*more), GFP_KERNEL);
        if (!more)
            return -ENOMEM; /* those that were made are of the new size; ring_size is the smaller of both */
        kfree(rings[h].entry);
        rings[h].entry = more;
        rings[h].next = 0;
    }
    ring_size = size;
    return 0;
}

static void set_mask(u64 mask) {
    WRITE_ONCE(trace_mask, mask);
    syscall_work_update();
}

void trace_release(void) {
    set_mask(0);
    set_current_state(TASK_UNINTERRUPTIBLE);
    schedule_until(ktime_get() + 1000000); /* who is writing an entry has written it by then */
    ring_size = 0;
    for (unsigned int h = 0; h < nr_harts; h++) {
        kfree(rings[h].entry);
        rings[h].entry = NULL;
        rings[h].next = 0;
    }
}

static u64 mask_of(const char *name, size_t n) {
    u64 mask = 0;
    for (u32 i = 0; i < TRACE_NR; i++)
        if ((strlen(events[i].name) == n && !memcmp(events[i].name, name, n)) ||
            (strlen(events[i].group) == n && !memcmp(events[i].group, name, n)))
            mask |= BIT(i);
    return mask;
}

static int command(char *s) {
    u64 mask = 0;
    if (!strcmp(s, "off")) {
        set_mask(0);
        return 0;
    }
    if (starts_with(s, "size=")) {
        char *end;
        u64 n = strtoul(s + 5, &end, 10);
        if (*end || n < 16 || n > 65536 || (n & (n - 1)))
            return -EINVAL;
        /* A hart may still be in trace_write: only before the first use is that sure not to be. */
        return trace_mask || ring_size ? -EBUSY : make_rings(n);
    }
    if (!strcmp(s, "clear")) {
        for (unsigned int h = 0; ring_size && h < nr_harts; h++)
            for (u32 i = 0; i < ring_size; i++)
                WRITE_ONCE(rings[h].entry[i].number, 0);
        return 0;
    }
    if (!strcmp(s, "on"))
        mask = BIT(TRACE_NR) - 1;
    else
        for (char *end; *s; s = *end ? end + 1 : end) {
            for (end = s; *end && *end != ','; end++)
                ;
            u64 more = mask_of(s, end - s);
            if (!more)
                return -EINVAL;
            mask |= more;
        }
    int r = ring_size ? 0 : make_rings(DEFAULT_SIZE);
    if (!r)
        set_mask(mask);
    return r;
}
int trace_command(char *text) {
    size_t n = strlen(text);
    if (n && text[n - 1] == '\n')
        text[n - 1] = 0;
    if (!*text)
        return -EINVAL;
    mutex_lock(&lock);
    int r = command(text);
    mutex_unlock(&lock);
    return r;
}

/* The entry number n of a ring, if it is still there. */
static bool get(const struct ring *r, u64 n, struct trace_entry *e) {
    const struct trace_entry *from = &r->entry[(n - 1) & (ring_size - 1)];
    if (__atomic_load_n(&from->number, __ATOMIC_ACQUIRE) != n)
        return false;
    *e = *from;
    smp_mb();
    return READ_ONCE(from->number) == n;
}

void trace_dump(void) {
    static struct trace_entry last[20]; /* by time, newest first */
    u64 at[MAX_HARTS];
    u32 n = 0;
    WRITE_ONCE(trace_mask, 0);
    for (unsigned int h = 0; h < nr_harts; h++)
        at[h] = ring_size ? rings[h].next : 0;
    for (; n < ARRAY_SIZE(last); n++) {
        int best = -1;
        struct trace_entry e;
        for (unsigned int h = 0; h < nr_harts; h++)
            if (at[h] && get(&rings[h], at[h], &e) && (best < 0 || e.time > last[n].time))
                last[n] = e, best = h;
        if (best < 0)
            break;
        at[best]--;
    }
    if (n)
        printk("the last trace events:\n");
    while (n-- > 0) {
        char text[96];
        snprintf(text, sizeof(text), events[last[n].event].format, last[n].a, last[n].b, last[n].c);
        printk("  %lu pid %d (%s) %s %s\n", last[n].time, last[n].pid, last[n].comm,
               events[last[n].event].name, text);
    }
}

int trace_show(struct seq *s) {
    struct merge {
        u64 at, end; /* the last that was shown, or skipped; where to end */
        bool have;
        struct trace_entry e;
    } *m = kzalloc(nr_harts * sizeof(*m), GFP_KERNEL);
    if (!m)
        return -ENOMEM;
    mutex_lock(&lock);
    seq_printf(s, "# ns hart pid name event; on:");
    for (u32 i = 0; i < TRACE_NR; i++)
        if (trace_mask & BIT(i))
            seq_printf(s, " %s", events[i].name);
    seq_printf(s, "\n");
    for (unsigned int h = 0; h < nr_harts; h++) {
        m[h].end = ring_size ? READ_ONCE(rings[h].next) : 0;
        u64 most = min(ring_size, MAX_LINES / nr_harts);
        m[h].at = m[h].end > most ? m[h].end - most : 0;
    }
    for (;;) {
        int best = -1;
        for (unsigned int h = 0; h < nr_harts; h++) {
            while (!m[h].have && m[h].at < m[h].end)
                m[h].have = get(&rings[h], ++m[h].at, &m[h].e);
            if (m[h].have && (best < 0 || m[h].e.time < m[best].e.time))
                best = h;
        }
        if (best < 0)
            break;
        m[best].have = false;
        const struct trace_entry *b = &m[best].e;
        seq_printf(s, "%lu %d %d %s %s ", b->time, best, b->pid, b->comm, events[b->event].name);
        seq_printf(s, events[b->event].format, b->a, b->b, b->c);
        seq_printf(s, "\n");
        if (s->failed)
            break;
    }
    mutex_unlock(&lock);
    kfree(m);
    return 0;
}
