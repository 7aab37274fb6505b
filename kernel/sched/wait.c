/* Sleeping. The sleeper links itself to a queue and sets its state before it tests its condition; the
 * waker changes the condition before it looks at the queue. So one of the two sees the other. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include <abi/errno.h>

void init_waitqueue(struct wait_queue_head *q) {
    spin_lock_init(&q->lock, RANK_WAITQ);
    INIT_LIST_HEAD(&q->list);
}

bool default_wake(struct wait_queue_entry *w, u64 key) {
    bool woken = try_to_wake_up(w->task, TASK_NORMAL | TASK_WAKEKILL | (key & WAKE_SYNC ? TASK_SYNC : 0));
    if (woken)
        list_del_init(&w->link);
    return woken;
}

void add_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *w) {
    u64 flags = spin_lock_irqsave(&q->lock);
    (w->exclusive ? list_add_tail : list_add)(&w->link, &q->list);
    spin_unlock_irqrestore(&q->lock, flags);
}
bool remove_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *w) {
    u64 flags = spin_lock_irqsave(&q->lock);
    bool there = !list_empty(&w->link);
    if (there)
        list_del_init(&w->link);
    spin_unlock_irqrestore(&q->lock, flags);
    return there;
}

void wake_up_key(struct wait_queue_head *q, int n, u64 key) {
    struct wait_queue_entry *w, *next;
    u64 flags = spin_lock_irqsave(&q->lock);
    list_for_each_entry_safe(w, next, &q->list, link) {
        bool exclusive = w->exclusive;
        if (w->func(w, key) && exclusive && n && !--n)
            break;
    }
    spin_unlock_irqrestore(&q->lock, flags);
}

void prepare_to_wait(struct wait_queue_head *q, struct wait_queue_entry *w, u32 state) {
    u64 flags = spin_lock_irqsave(&q->lock);
    if (list_empty(&w->link))
        (w->exclusive ? list_add_tail : list_add)(&w->link, &q->list);
    set_current_state(state);
    spin_unlock_irqrestore(&q->lock, flags);
}
bool finish_wait(struct wait_queue_head *q, struct wait_queue_entry *w) {
    WRITE_ONCE(current->state, TASK_RUNNING);
    /* Who took the entry out is done with it when both ends point to itself. */
    bool woken = READ_ONCE(w->link.next) == &w->link && READ_ONCE(w->link.prev) == &w->link;
    return woken || !remove_wait_queue(q, w);
}

bool signal_pending_state(u32 state) {
    if (state & TASK_INTERRUPTIBLE)
        return signal_pending(current);
    return (state & TASK_WAKEKILL) && fatal_signal_pending(current);
}

struct sleeper {
    struct timer timer;
    struct task_struct *task;
};
static void sleeper_wake(struct timer *t) {
    try_to_wake_up(container_of(t, struct sleeper, timer)->task, TASK_NORMAL);
}
void schedule_timed(u64 deadline) {
    struct sleeper s = {.task = current};
    timer_setup(&s.timer, sleeper_wake);
    timer_start(&s.timer, deadline);
    schedule();
    timer_cancel(&s.timer);
}

void init_completion(struct completion *c) {
    init_waitqueue(&c->wait);
    c->done = false;
}
void complete(struct completion *c) {
    struct wait_queue_entry *w, *next;
    u64 flags = spin_lock_irqsave(&c->wait.lock);
    c->done = true;
    list_for_each_entry_safe(w, next, &c->wait.list, link) w->func(w, 0);
    spin_unlock_irqrestore(&c->wait.lock, flags);
}
/* The waiter looks at `done` under the lock: complete() is over when it sees it. */
static bool completed(struct completion *c) {
    u64 flags = spin_lock_irqsave(&c->wait.lock);
    bool done = c->done;
    spin_unlock_irqrestore(&c->wait.lock, flags);
    return done;
}
void wait_for_completion(struct completion *c) { wait_event(&c->wait, completed(c)); }
int wait_for_completion_killable(struct completion *c) { return wait_event_killable(&c->wait, completed(c)); }

void mutex_init_class(struct mutex *m, const char *class) {
    (void)class;
    m->owner = NULL;
    init_waitqueue(&m->wait);
#ifdef CONFIG_DEBUG
    m->class = class;
#endif
}
void mutex_lock_slow(struct mutex *m) {
    TRACE(mutex_wait, m, 0, 0);
    wait_event_state(&m->wait, mutex_trylock(m), TASK_UNINTERRUPTIBLE, FOREVER, true);
}
#ifdef CONFIG_DEBUG
void mutex_lock(struct mutex *m) {
    DEBUG_ON(current_thread->preempt_count || irqs_disabled() || m->owner == current);
    sleep_lock_wanted(m, m->class);
    if (!mutex_trylock(m))
        mutex_lock_slow(m);
    sleep_lock_taken(m, m->class);
}
void mutex_unlock(struct mutex *m) {
    DEBUG_ON(m->owner != current);
    sleep_lock_dropped(m);
    __atomic_store_n(&m->owner, NULL, __ATOMIC_RELEASE);
    if (waitqueue_active(&m->wait))
        wake_up(&m->wait);
}
#endif

void rwsem_init_class(struct rwsem *s, const char *class) {
    (void)class;
    s->count = 0;
    s->writers_waiting = 0;
    init_waitqueue(&s->wait);
#ifdef CONFIG_DEBUG
    s->class = class;
#endif
}
static bool try_write(struct rwsem *s) { return cmpxchg(&s->count, 0, -1); }
void down_read_slow(struct rwsem *s) {
    TRACE(rwsem_wait, s, 0, 0);
    wait_event(&s->wait, try_read(s));
}
/* Free: those that wait look again. They put themselves on the queue before they look. */
static void released(struct rwsem *s) {
    if (waitqueue_active(&s->wait))
        wake_up_all(&s->wait);
}
#ifdef CONFIG_DEBUG
void down_read(struct rwsem *s) {
    DEBUG_ON(current_thread->preempt_count || irqs_disabled());
    sleep_lock_wanted(s, s->class);
    if (unlikely(!try_read(s)))
        down_read_slow(s);
    sleep_lock_taken(s, s->class);
}
void up_read(struct rwsem *s) {
    sleep_lock_dropped(s);
    if (!__atomic_sub_fetch(&s->count, 1, __ATOMIC_SEQ_CST))
        released(s);
}
#endif
static int wait_write(struct rwsem *s, u32 state) {
    int r = 0;
    sleep_lock_wanted(s, s->class);
    if (!try_write(s)) {
        TRACE(rwsem_wait, s, 1, 0);
        __atomic_fetch_add(&s->writers_waiting, 1, __ATOMIC_SEQ_CST);
        r = wait_event_state(&s->wait, try_write(s), state, FOREVER, false);
        __atomic_fetch_sub(&s->writers_waiting, 1, __ATOMIC_SEQ_CST);
        if (r)
            wake_up_all(&s->wait);
    }
    if (!r)
        sleep_lock_taken(s, s->class);
    return r;
}
void down_write(struct rwsem *s) {
    DEBUG_ON(current_thread->preempt_count || irqs_disabled());
    wait_write(s, TASK_UNINTERRUPTIBLE);
}
int down_write_killable(struct rwsem *s) { return wait_write(s, TASK_KILLABLE); }
void up_write(struct rwsem *s) {
    DEBUG_ON(s->count != -1);
    sleep_lock_dropped(s);
    __atomic_store_n(&s->count, 0, __ATOMIC_SEQ_CST);
    released(s);
}
