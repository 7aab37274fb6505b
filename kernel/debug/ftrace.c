/* The function tracer: see ftrace.h. Recording stops when the record is full, so that a call is seen from its
 * beginning. Times are the hart's retired instructions (under icount exact), less what the tracer itself
 * took. */
#include "ftrace.h"
#include "../core/task.h"
#include "../fs/procfs/procfs.h"
#include "debug.h"
#include <abi/errno.h>

#define QUIET __attribute__((no_instrument_function))
#define ENTRIES 32768u
#define MAX_CHOSEN 8u

static struct record {
    u64 time;
    u64 function; /* | 1: its return */
    pid_t pid;
    u16 depth;
    u16 hart;
} record[ENTRIES];
static u32 used;
static bool on;
static u64 chosen[MAX_CHOSEN];
static u32 nr_chosen, max_depth;
static pid_t only_pid;

/* What others read while it is on is written while it is off. */
static QUIET void note(u64 function, u64 depth, u64 now) {
    u32 at = __atomic_fetch_add(&used, 1, __ATOMIC_RELAXED);
    if (at >= ENTRIES) {
        WRITE_ONCE(used, ENTRIES);
        WRITE_ONCE(on, false);
        return;
    }
    record[at] = (struct record){now - current->ftrace.lost, function, current->pid, depth, current->ti.cpu};
}
static QUIET bool is_chosen(u64 function) {
    for (u32 i = 0; i < nr_chosen; i++)
        if (chosen[i] == function)
            return !only_pid || current->pid == only_pid;
    return false;
}

QUIET void __cyg_profile_func_enter(void *function, void *site);
QUIET void __cyg_profile_func_exit(void *function, void *site);
void __cyg_profile_func_enter(void *function, void *site) {
    (void)site;
    if (likely(!READ_ONCE(on)))
        return;
    u64 now = csr_read(instret);
    struct ftrace_task *t = &current->ftrace;
    if (t->depth || is_chosen((u64)function)) {
        if (++t->depth <= max_depth)
            note((u64)function, t->depth, now);
    }
    t->lost += csr_read(instret) - now;
}
void __cyg_profile_func_exit(void *function, void *site) {
    (void)site;
    struct ftrace_task *t;
    if (likely(!READ_ONCE(on)) || !(t = &current->ftrace)->depth)
        return;
    u64 now = csr_read(instret);
    if (t->depth-- <= max_depth)
        note((u64)function | 1, t->depth + 1, now);
    t->lost += csr_read(instret) - now;
}

static void clear(void) {
    struct task_struct *p, *t;
    READ_TASKS(irq);
    for_each_process(p) for_each_thread(t, p->signal) t->ftrace.depth = 0;
    READ_TASKS_END(irq);
    current->ftrace.depth = 0; /* this call itself is not to be seen */
    used = 0;
}

int ftrace_command(char *text) {
    static struct mutex lock = MUTEX_INIT(lock);
    u64 functions[MAX_CHOSEN];
    u32 n = 0, depth = 64;
    pid_t pid = 0;
    for (char *s = text, *end; *s; s = end) {
        while (*s == ' ' || *s == ',' || *s == '\n')
            s++;
        for (end = s; *end && *end != ' ' && *end != ',' && *end != '\n'; end++)
            ;
        size_t len = end - s;
        char *stop = end;
        if (!len)
            break;
        if (len == 3 && !memcmp(s, "off", 3)) {
            WRITE_ONCE(on, false);
            return 0;
        }
        if (len == 5 && !memcmp(s, "clear", 5)) {
            WRITE_ONCE(on, false);
            clear();
            return 0;
        }
        if (starts_with(s, "pid="))
            pid = strtoul(s + 4, &stop, 10);
        else if (starts_with(s, "depth="))
            depth = strtoul(s + 6, &stop, 10);
        else if (n == MAX_CHOSEN)
            return -E2BIG;
        else if (!(functions[n++] = ksym_address(s, len)))
            return -EINVAL;
        if (stop != end)
            return -EINVAL;
    }
    if (!n || !depth)
        return -EINVAL;
    mutex_lock(&lock);
    WRITE_ONCE(on, false);
    clear();
    memcpy(chosen, functions, sizeof(chosen));
    nr_chosen = n, max_depth = depth, only_pid = pid;
    smp_store_release(&on, true);
    mutex_unlock(&lock);
    return 0;
}

/* The return that belongs to the call at `at`. Its index, or 0. */
static u32 return_of(u32 at, u32 end) {
    for (u32 i = at + 1; i < end; i++) {
        if (record[i].pid != record[at].pid)
            continue;
        if (record[i].depth == record[at].depth && record[i].function == (record[at].function | 1))
            return i;
        if (record[i].depth <= record[at].depth)
            return 0;
    }
    return 0;
}
static bool same_call(const struct record *a, const struct record *b) {
    return a->pid == b->pid && a->depth == b->depth && a->function == b->function;
}
int ftrace_show(struct seq *s) {
    u32 end = min(READ_ONCE(used), ENTRIES);
    seq_printf(s, "# %s%s\n#   pid hart instructions  function\n", READ_ONCE(on) ? "on" : "off",
               end == ENTRIES ? ", full: what came later is not here" : "");
    for (u32 i = 0; i < end && !s->failed; i++) {
        const struct record *r = &record[i];
        bool is_return = r->function & 1;
        u64 offset;
        const char *name = ksym_lookup(r->function & ~1UL, &offset);
        u32 back = is_return ? i : return_of(i, end);
        int indent = (r->depth - 1) * 2;
        if (is_return) {
            seq_printf(s, "%7d %4d              %*s} /* %s */\n", r->pid, r->hart, indent, "", name);
        } else if (back == i + 1) { /* calls nothing; and as often as it is called in a row */
            u64 time = record[back].time - r->time;
            u32 calls = 1;
            for (; back + 2 < end && same_call(r, &record[back + 1]) &&
                   record[back + 2].function == (r->function | 1);
                 calls++, back += 2)
                time += record[back + 2].time - record[back + 1].time;
            seq_printf(s, "%7d %4d %12lu  %*s%s();", r->pid, r->hart, time, indent, "", name);
            seq_printf(s, calls > 1 ? " /* %u times */\n" : "\n", calls);
            i = back;
        } else if (back) {
            seq_printf(s, "%7d %4d %12lu  %*s%s() {\n", r->pid, r->hart, record[back].time - r->time, indent,
                       "", name);
        } else {
            seq_printf(s, "%7d %4d              %*s%s() { /* did not return here */\n", r->pid, r->hart,
                       indent, "", name);
        }
    }
    return s->failed ? -ENOMEM : 0;
}
