/* The checked build's other lock checker: mutexes, rwsems and page locks, by class (where the lock is made).
 * A lock that is wanted while another is held is an edge between their classes; edges that close a circle can
 * hang the machine, and are reported the first time they are seen, long before the right tasks meet. Two
 * locks of one class (directories, parent first) are not looked at. */
#include "../core/task.h"
#include "debug.h"

#define CLASSES 64u
static const char *class_name[CLASSES];
static u64 before[CLASSES]; /* bit b of before[a]: a was held when b was wanted */
static u32 nr_classes;
static spinlock_t graph_lock = SPINLOCK_INIT(RANK_CONSOLE);

static u32 class_of(const char *name) {
    for (u32 i = 0; i < nr_classes; i++)
        if (class_name[i] == name || !strcmp(class_name[i], name))
            return i;
    if (nr_classes == CLASSES)
        panic("more than %u classes of sleeping locks", CLASSES);
    class_name[nr_classes] = name;
    return nr_classes++;
}
/* The classes that come after those in `set`, these included. */
static u64 reach(u64 set) {
    for (u64 todo = set; todo; todo &= todo - 1) {
        u64 more = before[ctz64(todo)] & ~set;
        set |= more;
        todo |= more;
    }
    return set;
}
void sleep_lock_wanted(const void *lock, const char *name) {
    struct sleep_locks *h = &current->sleep_locks;
    for (u32 i = 0; i < h->n; i++)
        if (h->held[i].lock == lock)
            panic("%s at %p is wanted by the task that holds it", name, (void *)lock);
    if (!h->n)
        return;
    u64 irq = spin_lock_irqsave(&graph_lock);
    u32 c = class_of(name);
    for (u32 i = 0; i < h->n; i++) {
        u32 o = h->held[i].class;
        if (o == c || (before[o] & BIT(c)))
            continue;
        if (reach(BIT(c)) & BIT(o)) {
            spin_unlock_irqrestore(&graph_lock, irq);
            panic("locks in a circle: %s is wanted while %s is held, and elsewhere %s, or what is taken "
                  "under it, is held first",
                  name, class_name[o], name);
        }
        before[o] |= BIT(c);
    }
    spin_unlock_irqrestore(&graph_lock, irq);
}
void sleep_lock_taken(const void *lock, const char *name) {
    struct sleep_locks *h = &current->sleep_locks;
    BUG_ON(h->n == ARRAY_SIZE(h->held));
    u64 irq = spin_lock_irqsave(&graph_lock);
    h->held[h->n].class = class_of(name);
    spin_unlock_irqrestore(&graph_lock, irq);
    h->held[h->n++].lock = lock;
}
void sleep_lock_dump(void) {
    const struct sleep_locks *h = &current->sleep_locks;
    for (u32 i = 0; i < h->n; i++)
        printk("  holds %s at %p\n", class_name[h->held[i].class], (void *)h->held[i].lock);
}
void sleep_lock_dropped(const void *lock) {
    struct sleep_locks *h = &current->sleep_locks;
    for (u32 i = h->n; i-- > 0;)
        if (h->held[i].lock == lock) {
            h->n--;
            for (; i < h->n; i++)
                h->held[i] = h->held[i + 1];
            return;
        }
}
