/* Priority-inheritance futexes (X6): the word holds the owner's tid, and FUTEX_WAITERS when somebody waits.
 * The kernel knows of a lock only while it is waited for: each waiter names the owner, who runs at the best
 * real-time priority of all that wait for it, and so does whom the owner waits for. Unlocking hands the lock
 * to the best waiter.
 *
 * One spinlock guards all of it. What is done with it held looks at the waiters of one lock or of one owner,
 * and at a chain of owners. A tid becomes a task before it is taken. */
#include "futex.h"
#include "../debug/debug.h"
#include <abi/errno.h>

#define MAX_LOCK_DEPTH 1024 /* owners in a chain, each waiting for the next; as Linux's */
#define NR_LISTS 64

struct pi_waiter {
    struct list_head link;     /* in its key's list, in the order of arrival */
    struct list_head of_owner; /* owner->pi_waiters; empty unless it WAITS */
    struct futex_key key;
    struct task_struct *task, *owner; /* owner: counted */
    enum { WAITS, HANDED_OVER, OWNER_ENDED } state;
};
static struct list_head lists[NR_LISTS];
static spinlock_t pi_lock = SPINLOCK_INIT(RANK_FUTEX);

void futex_pi_init(void) {
    for (u32 i = 0; i < NR_LISTS; i++)
        INIT_LIST_HEAD(&lists[i]);
}
static struct list_head *list_of(const struct futex_key *k) {
    return &lists[((k->object >> 4) + (k->offset >> 2)) * 0x9e3779b97f4a7c15UL >> 58];
}

static void set_owner(struct pi_waiter *w, struct task_struct *owner) {
    struct task_struct *old = w->owner;
    get_task(owner);
    w->owner = owner;
    if (old) {
        list_del(&w->of_owner);
        put_task(old); /* never the last: it runs, or its exit holds it */
    }
    list_add_tail(&w->of_owner, &owner->pi_waiters);
}
static struct task_struct *waits_for(const struct task_struct *t) {
    struct pi_waiter *w = t->pi_blocked_on;
    return w && w->state == WAITS ? w->owner : NULL;
}
/* Give t the best priority of those that wait for it, and so on along the chain. */
static void inherit(struct task_struct *t) {
    for (int depth = 0; t && depth < MAX_LOCK_DEPTH; depth++, t = waits_for(t)) {
        struct pi_waiter *w;
        u32 best = 0;
        list_for_each_entry(w, &t->pi_waiters, of_owner) best = max(best, w->task->se.prio);
        if (t->se.boost == best)
            return;
        sched_boost(t, best);
    }
}
static struct pi_waiter *best_waiter(const struct futex_key *k) {
    struct pi_waiter *w, *best = NULL;
    list_for_each_entry(w, list_of(k), link) if (w->state == WAITS && futex_same(&w->key, k) &&
                                                 (!best || w->task->se.prio > best->task->se.prio)) best = w;
    return best;
}
/* Who has been given the lock and has not run yet: it owns it, whatever the word says. */
static struct pi_waiter *heir(const struct futex_key *k) {
    struct pi_waiter *w;
    list_for_each_entry(w, list_of(k), link) if (w->state != WAITS && futex_same(&w->key, k)) return w;
    return NULL;
}
static void hand_over(struct pi_waiter *to, int state) {
    struct pi_waiter *w;
    struct task_struct *from = to->owner;
    list_del_init(&to->of_owner);
    to->state = state;
    list_for_each_entry(w, list_of(&to->key), link) if (w->state == WAITS && futex_same(&w->key, &to->key))
        set_owner(w, to->task);
    inherit(to->task);
    inherit(from);
    wake_up_process(to->task);
}
/* Would current wait for itself? Too long a chain counts as one. */
static bool deadlock(const struct task_struct *owner) {
    u32 depth = 0;
    for (const struct task_struct *t = owner; t; t = waits_for(t))
        if (t == current || ++depth > MAX_LOCK_DEPTH)
            return true;
    return false;
}
static int touch(u64 uaddr) {
    u32 v;
    return copy_from_user(&v, uaddr, 4) || handle_mm_fault(current->mm, uaddr, VM_WRITE) ? -EFAULT : 0;
}

/* One look at the word, pi_lock held. 0: the lock is ours; 1: w waits for its owner; -EAGAIN: look again; or
 * an error. */
static long try_lock(struct pi_waiter *w, u64 uaddr, u32 v, struct task_struct *owner, bool try) {
    u32 now, seen, tid = current->vpid;
    if (futex_read_locked(uaddr, &now))
        return -EFAULT;
    if (now != v)
        return -EAGAIN;
    if ((v & FUTEX_TID_MASK) == tid)
        return -EDEADLK;
    struct pi_waiter *next = heir(&w->key);
    if (next)
        owner = next->task;
    if (!next && !(v & FUTEX_TID_MASK)) { /* free */
        u32 new = tid | (v & FUTEX_OWNER_DIED) | (best_waiter(&w->key) ? FUTEX_WAITERS : 0);
        if (cmpxchg_user(uaddr, v, new, &seen))
            return -EFAULT;
        return seen == v ? 0 : -EAGAIN;
    }
    if (!owner)
        return -ESRCH;
    if (try)
        return -EWOULDBLOCK;
    if (deadlock(owner))
        return -EDEADLK;
    if (cmpxchg_user(uaddr, v, v | FUTEX_WAITERS, &seen))
        return -EFAULT;
    if (seen != v)
        return -EAGAIN;
    w->owner = NULL;
    set_owner(w, owner);
    smp_mb(); /* futex_pi_exit looks the other way round */
    if (READ_ONCE(owner->task_flags) & PF_EXITING) {
        list_del(&w->of_owner);
        put_task(owner);
        return -EAGAIN;
    }
    list_add_tail(&w->link, list_of(&w->key));
    current->pi_blocked_on = w;
    inherit(owner);
    return 1;
}
/* The owner ended with the lock: the word becomes ours, and says so. */
static long take_from_the_dead(u64 uaddr, struct pi_waiter *w) {
    u32 v, seen;
    for (;;) {
        if (touch(uaddr) || copy_from_user(&v, uaddr, 4))
            return -EFAULT;
        if (fatal_signal_pending(current))
            return -EINTR;
        spin_lock(&pi_lock);
        u32 new = current->vpid | FUTEX_OWNER_DIED | (best_waiter(&w->key) ? FUTEX_WAITERS : 0);
        long r = cmpxchg_user(uaddr, v, new, &seen);
        spin_unlock(&pi_lock);
        if (!r && seen == v)
            return 0;
    }
}

/* w waits no longer. Its owner, for the caller to put, has one less to inherit from. pi_lock held. */
static void leave(struct pi_waiter *w) {
    list_del(&w->link);
    list_del(&w->of_owner);
    current->pi_blocked_on = NULL;
    inherit(w->owner);
}
/* The owner is about to end, and its exit will say what becomes of the lock. 0, or a signal is to be seen to.
 */
static long wait_for_exit(void) {
    set_current_state(TASK_INTERRUPTIBLE);
    if (!signal_pending(current))
        schedule_until(ktime_get() + 1000000);
    set_current_state(TASK_RUNNING);
    return signal_pending(current) ? -ERESTARTNOINTR : 0;
}

long futex_lock_pi(u64 uaddr, bool shared, u64 deadline, bool try) {
    struct pi_waiter w = {.task = current};
    u32 v;
    long r = futex_get_key(uaddr, shared, &w.key);
    while (!r) {
        if (touch(uaddr) || copy_from_user(&v, uaddr, 4))
            return -EFAULT;
        struct task_struct *owner = v & FUTEX_TID_MASK ? get_task_by_pid(v & FUTEX_TID_MASK) : NULL;
        u32 flags = owner ? READ_ONCE(owner->task_flags) : 0;
        if (flags & PF_EXITING) { /* done: whatever the word says now stays so, unless there is an heir */
            put_task(owner);
            owner = NULL;
            if (!(flags & PF_FUTEX_DONE)) {
                r = wait_for_exit();
                continue;
            }
        }
        spin_lock(&pi_lock);
        r = try_lock(&w, uaddr, v, owner, try);
        spin_unlock(&pi_lock);
        if (owner)
            put_task(owner);
        if (r == -EFAULT || r == -EAGAIN) {
            if (r == -EAGAIN && try && (v & FUTEX_TID_MASK))
                return r;
            r = fatal_signal_pending(current) ? -EINTR : 0;
            continue;
        }
        break;
    }
    if (r <= 0)
        return r;
    for (;;) {
        set_current_state(TASK_INTERRUPTIBLE);
        if (READ_ONCE(w.state) != WAITS || signal_pending(current) ||
            (deadline != FOREVER && ktime_get() >= deadline))
            break;
        schedule_until(deadline);
    }
    set_current_state(TASK_RUNNING);
    spin_lock(&pi_lock);
    int state = w.state;
    if (state != OWNER_ENDED)
        leave(&w);
    spin_unlock(&pi_lock);
    if (state == OWNER_ENDED) { /* still in the list: who comes now waits behind us, whatever the word says */
        r = take_from_the_dead(uaddr, &w);
        spin_lock(&pi_lock);
        leave(&w);
        spin_unlock(&pi_lock);
    }
    put_task(w.owner);
    return state == HANDED_OVER      ? 0
           : state == OWNER_ENDED    ? r
           : signal_pending(current) ? -ERESTARTNOINTR
                                     : -ETIMEDOUT;
}

long futex_unlock_pi(u64 uaddr, bool shared) {
    struct futex_key k;
    u32 v, seen;
    long r = futex_get_key(uaddr, shared, &k);
    while (!r) {
        if (touch(uaddr) || copy_from_user(&v, uaddr, 4))
            return -EFAULT;
        if ((v & FUTEX_TID_MASK) != (u32)current->vpid)
            return -EPERM;
        spin_lock(&pi_lock);
        struct pi_waiter *w = best_waiter(&k), *o;
        u32 new = w ? (u32)w->task->vpid : 0;
        list_for_each_entry(o, list_of(&k), link) if (o != w && o->state == WAITS &&
                                                      futex_same(&o->key, &k)) new |= FUTEX_WAITERS;
        r = cmpxchg_user(uaddr, v, new, &seen) ? -EFAULT : seen != v ? -EAGAIN : 1;
        if (r == 1 && w)
            hand_over(w, HANDED_OVER);
        spin_unlock(&pi_lock);
        if (r == -EAGAIN || r == -EFAULT) /* touch says whether the fault is for good */
            r = fatal_signal_pending(current) ? -EINTR : 0;
    }
    return r == 1 ? 0 : r;
}

void futex_pi_exit(struct task_struct *t) {
    smp_mb();
    while (!list_empty(&t->pi_waiters)) { /* of an exit: no new ones come (try_lock) */
        spin_lock(&pi_lock);
        if (!list_empty(&t->pi_waiters))
            hand_over(best_waiter(&list_first_entry(&t->pi_waiters, struct pi_waiter, of_owner)->key),
                      OWNER_ENDED);
        spin_unlock(&pi_lock);
    }
    if (t->task_flags & PF_EXITING) {
        smp_mb(); /* what became of its locks is seen before */
        t->task_flags |= PF_FUTEX_DONE;
    }
}
