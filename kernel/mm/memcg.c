/* The memory controller: how many pages a control group may have. What counts is the pages that its tasks ask
 * for to hold data: anonymous memory, the page cache, pipes (GFP_USER). A page stays charged to who asked for
 * it until it is free, whoever uses it; and it counts its group, which so outlives its directory.
 *
 * A task's group changes under its sighand->lock (and tasklist_lock); counts are atomic. */
#include "../core/cgroup.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "mm.h"
#include <abi/errno.h>

static struct cgroup *current_cgroup(void) {
    u64 irq = spin_lock_irqsave(&current->sighand->lock);
    struct cgroup *c = current->cgroup;
    get_cgroup(c);
    spin_unlock_irqrestore(&current->sighand->lock, irq);
    return c;
}

static void uncharge_below(struct cgroup *c, struct cgroup *end, u64 n) {
    for (; c != end && c->parent; c = c->parent)
        atomic_add(&c->memory.pages, -(s64)n);
}
/* NULL: they are counted. Else the group whose limit is met; nothing is. */
static struct cgroup *try_charge(struct cgroup *c, u64 n, bool force) {
    for (struct cgroup *at = c; at->parent; at = at->parent) {
        s64 now = __atomic_add_fetch(&at->memory.pages.v, n, __ATOMIC_RELAXED);
        if (now > READ_ONCE(at->memory.max) && !force) {
            atomic_add(&at->memory.pages, -(s64)n);
            uncharge_below(c, at, n);
            return at;
        }
        if (now > READ_ONCE(at->memory.peak))
            WRITE_ONCE(at->memory.peak, now);
    }
    return NULL;
}

/* Make room in c, which has met its limit. False: there is none, or current is to end. */
static bool make_room(struct cgroup *c, u64 n) {
    u64 in_work = 0;
    current->in_reclaim = true;
    u64 got = reclaim_pages(max(n, 32UL), c, &in_work);
    current->in_reclaim = false;
    if (got)
        return true;
    if (in_work) { /* dirty: they can go once they are written */
        wake_flusher();
        set_current_state(TASK_KILLABLE);
        schedule_until(ktime_get() + 2000000);
        return !fatal_signal_pending(current);
    }
    atomic_add(&c->memory.oom, 1);
    return out_of_memory(c) && !fatal_signal_pending(current);
}

struct cgroup *memory_charge(unsigned int order, unsigned int gfp) {
    struct cgroup *c = current_cgroup(), *full;
    if (!c->parent)
        return NULL;
    while ((full = try_charge(c, 1UL << order, false))) {
        atomic_add(&full->memory.hits, 1);
        if (!(gfp & GFP_KERNEL) || current->in_reclaim)
            break;
        if (!make_room(full, 1UL << order)) {
            if (fatal_signal_pending(current)) /* it may have what it takes to end */
                full = try_charge(c, 1UL << order, true);
            break;
        }
    }
    if (full) {
        put_cgroup(c);
        return ERR_PTR(-ENOMEM);
    }
    if (order)
        atomic_add(&c->refcount, (1 << order) - 1);
    return c;
}
void memory_uncharge(struct cgroup *c, u64 pages) {
    uncharge_below(c, NULL, pages);
    while (pages--)
        put_cgroup(c);
}
void memory_shrink(struct cgroup *c) {
    while (atomic_read(&c->memory.pages) > READ_ONCE(c->memory.max) && !signal_pending(current))
        if (!make_room(c, atomic_read(&c->memory.pages) - READ_ONCE(c->memory.max)))
            break;
}
