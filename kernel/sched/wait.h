/* Sleeping: wait queues, completions, mutexes, reader-writer semaphores. See wait.c. */
#pragma once
#include "../lib/list.h"
#include "../riscv/spinlock.h"

struct wait_queue_head {
    spinlock_t lock;
    struct list_head list;
};
struct wait_queue_entry {
    struct list_head link;
    struct task_struct *task;
    /* Called under the queue's lock; true: counts as a wake. Default: wake the task and unlink. */
    bool (*func)(struct wait_queue_entry *w, u64 key);
    bool exclusive;
};
#define WAIT_QUEUE_INIT(n)                                                                                   \
    { SPINLOCK_INIT(RANK_WAITQ), LIST_HEAD_INIT((n).list) }
void init_waitqueue(struct wait_queue_head *q);
bool default_wake(struct wait_queue_entry *w, u64 key);
void add_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *w);
bool remove_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *w); /* was it still there? */
/* Wake all that are not exclusive and up to n exclusive ones (0: all). key: poll events, or 0. */
void wake_up_key(struct wait_queue_head *q, int n, u64 key);
static inline bool waitqueue_active(struct wait_queue_head *q) {
    smp_mb();
    return !list_empty(&q->list);
}
#define wake_up(q) wake_up_key(q, 1, 0)
#define wake_up_all(q) wake_up_key(q, 0, 0)
#define wake_up_poll(q, ev) wake_up_key(q, 1, ev)
/* In a key: the waker is about to sleep, so the woken task does not preempt it. */
#define WAKE_SYNC BIT(32)

#define TASK_RUNNING 0u
#define TASK_INTERRUPTIBLE 1u
#define TASK_UNINTERRUPTIBLE 2u
#define TASK_STOPPED 4u
#define TASK_WAKEKILL 8u
#define TASK_ZOMBIE 16u
#define TASK_DEAD 32u
#define TASK_NEW 64u
#define TASK_WAKING 128u
#define TASK_TRACED 512u /* stopped for its tracer */
#define TASK_SYNC 256u   /* not a state, in try_to_wake_up's mask: WAKE_SYNC */
#define TASK_KILLABLE (TASK_UNINTERRUPTIBLE | TASK_WAKEKILL)
#define TASK_NORMAL (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)

#define FOREVER (~0UL)
/* Prepare, as part of a loop: link the entry and set the state; then test; then schedule. */
void prepare_to_wait(struct wait_queue_head *q, struct wait_queue_entry *w, u32 state);
bool finish_wait(struct wait_queue_head *q, struct wait_queue_entry *w); /* was it woken by the queue? */
/* Sleep in the state set until woken or the absolute time is reached. */
void schedule(void);
void schedule_timed(u64 deadline_ns);
static inline void schedule_until(u64 deadline_ns) {
    if (deadline_ns == FOREVER)
        schedule();
    else
        schedule_timed(deadline_ns);
}
bool signal_pending_state(u32 state);
u64 ktime_get(void);

/* Sleep until cond; 0, -EINTR by a signal that the state lets in, -ETIMEDOUT at the deadline. */
#define wait_event_state(q, cond, state_, deadline, excl)                                                    \
    ({                                                                                                       \
        struct wait_queue_entry _w = {.task = current, .func = default_wake, .exclusive = excl};             \
        long _r = 0;                                                                                         \
        const u64 _until = (deadline);                                                                       \
        INIT_LIST_HEAD(&_w.link);                                                                            \
        for (;;) {                                                                                           \
            prepare_to_wait(q, &_w, state_);                                                                 \
            if (cond)                                                                                        \
                break;                                                                                       \
            if ((READ_ONCE(current_thread->flags) & TIF_SIGPENDING) && signal_pending_state(state_)) {       \
                _r = -4; /* EINTR */                                                                         \
                break;                                                                                       \
            }                                                                                                \
            if (_until != FOREVER && ktime_get() >= _until) {                                                \
                _r = -110; /* ETIMEDOUT */                                                                   \
                break;                                                                                       \
            }                                                                                                \
            schedule_until(_until);                                                                          \
            if (cond) /* mostly: then it need not go back into the queue */                                  \
                break;                                                                                       \
        }                                                                                                    \
        if (finish_wait(q, &_w) && (excl) && _r)                                                             \
            wake_up(q); /* it was woken for what it leaves behind: another's turn */                         \
        _r;                                                                                                  \
    })
#define wait_event(q, cond) wait_event_state(q, cond, TASK_UNINTERRUPTIBLE, FOREVER, false)
#define wait_event_interruptible(q, cond) wait_event_state(q, cond, TASK_INTERRUPTIBLE, FOREVER, false)
#define wait_event_exclusive(q, cond) wait_event_state(q, cond, TASK_INTERRUPTIBLE, FOREVER, true)
#define wait_event_killable(q, cond) wait_event_state(q, cond, TASK_KILLABLE, FOREVER, false)

/* One event that happens once. */
struct completion {
    struct wait_queue_head wait;
    bool done;
};
void init_completion(struct completion *c);
/* The completer's last access to *c is under its lock, so the waiter's stack may hold it. */
void complete(struct completion *c);
void wait_for_completion(struct completion *c);
int wait_for_completion_killable(struct completion *c); /* 0 or -EINTR */

/* The checked build orders sleeping locks by their class, which is the place that makes them
 * (debug/sleeplocks.c). */
#ifdef CONFIG_DEBUG
#define LOCK_CLASS(n) __FILE__ ":" #n
#define LOCK_CLASS_INIT(n) , LOCK_CLASS(n)
struct sleep_locks { /* what a task holds; private to it */
    u32 n;
    struct {
        u32 class;
        const void *lock;
    } held[16];
};
void sleep_lock_wanted(const void *lock, const char *class);
void sleep_lock_taken(const void *lock, const char *class);
void sleep_lock_dropped(const void *lock); /* by who took it; else nothing */
#else
#define LOCK_CLASS(n) NULL
#define LOCK_CLASS_INIT(n)
#define sleep_lock_wanted(lock, class) ((void)0)
#define sleep_lock_taken(lock, class) ((void)0)
#define sleep_lock_dropped(lock) ((void)0)
#endif

/* A sleeping lock with an owner. Not in interrupts. */
struct mutex {
    struct task_struct *owner; /* NULL: free */
    struct wait_queue_head wait;
#ifdef CONFIG_DEBUG
    const char *class;
#endif
};
#define MUTEX_INIT(n)                                                                                        \
    { NULL, WAIT_QUEUE_INIT((n).wait) LOCK_CLASS_INIT(n) }
#define mutex_init(m) mutex_init_class(m, LOCK_CLASS(m))
void mutex_init_class(struct mutex *m, const char *class);
static inline bool mutex_trylock(struct mutex *m) { return cmpxchg(&m->owner, NULL, current); }
/* A lock that is free costs its caller a few instructions; the checked build looks at each. */
#ifdef CONFIG_DEBUG
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
#else
void mutex_lock_slow(struct mutex *m);
static inline void mutex_lock(struct mutex *m) {
    if (unlikely(!mutex_trylock(m)))
        mutex_lock_slow(m);
}
static inline void mutex_unlock(struct mutex *m) {
    __atomic_store_n(&m->owner, NULL, __ATOMIC_RELEASE);
    if (unlikely(waitqueue_active(&m->wait)))
        wake_up(&m->wait);
}
#endif

/* Many readers or one writer; a waiting writer holds new readers off. */
struct rwsem {
    s32 count;           /* readers, or -1; atomic */
    u32 writers_waiting; /* atomic */
    struct wait_queue_head wait;
#ifdef CONFIG_DEBUG
    const char *class;
#endif
};
#define rwsem_init(s) rwsem_init_class(s, LOCK_CLASS(s))
void rwsem_init_class(struct rwsem *s, const char *class);
static inline bool try_read(struct rwsem *s) {
    s32 c = READ_ONCE(s->count);
    while (c >= 0 && !READ_ONCE(s->writers_waiting))
        if (__atomic_compare_exchange_n(&s->count, &c, c + 1, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
            return true;
    return false;
}
#ifdef CONFIG_DEBUG
void down_read(struct rwsem *s);
void up_read(struct rwsem *s);
#else
void down_read_slow(struct rwsem *s);
static inline void down_read(struct rwsem *s) {
    if (unlikely(!try_read(s)))
        down_read_slow(s);
}
static inline void up_read(struct rwsem *s) {
    if (!__atomic_sub_fetch(&s->count, 1, __ATOMIC_SEQ_CST) && unlikely(waitqueue_active(&s->wait)))
        wake_up_all(&s->wait);
}
#endif
void down_write(struct rwsem *s);
int down_write_killable(struct rwsem *s);
void up_write(struct rwsem *s);
