/* Lab 7, the public checks. */
#include "lab.h"

enum { BEFORE, THREAD, AFTER };
static long futex(volatile uint32_t *p, int op, uint32_t v, struct timespec *t) {
    return syscall(SYS_futex, p, op, v, t, 0, 0);
}

static char *page;
static volatile long seen[4];
static void *sharer(void *arg) {
    page[1] = 7;
    seen[0] = getpid(), seen[1] = gettid(), seen[2] = (long)arg;
    HOST_PTE(THREAD, page);
    HOST_SAME_FRAME(BEFORE, THREAD, "a thread has the memory of its process");
    return (void *)99;
}
CHECK(share) {
    thread_t t;
    void *result = NULL;
    page = lab_pages(1);
    page[0] = 1;
    HOST_PTE(BEFORE, page);
    EXPECT_EQ(thread_create(&t, sharer, (void *)5), 0, "a thread is made");
    for (long i = 0; i < 100000 && !seen[1]; i++)
        syscall(SYS_sched_yield);
    EXPECT_EQ(seen[0], getpid(), "a thread has its process's pid");
    EXPECT(seen[1] && seen[1] != gettid(), "and a tid of its own");
    EXPECT_EQ(page[1], 7, "its stores are seen at once");
    thread_join(t, &result);
    EXPECT_EQ(result, (void *)99, "join gives what it returned");
}

static _Thread_local int mine = 3;
static void *local(void *arg) {
    int on_stack = 0;
    seen[0] = mine;
    mine = (long)arg;
    errno = 77;
    seen[1] = (long)&on_stack, seen[2] = (long)&mine;
    return NULL;
}
CHECK(stack_and_tls) {
    thread_t t;
    int here = 0;
    mine = 4, errno = 5;
    EXPECT_EQ(thread_create(&t, local, (void *)8), 0, "a thread is made");
    thread_join(t, NULL);
    EXPECT_EQ(seen[0], 3, "a thread-local variable has its first value in a new thread");
    EXPECT(mine == 4 && seen[2] != (long)&mine, "and each thread has its own");
    EXPECT_EQ(errno, 5, "errno is such a variable");
    EXPECT(labs(seen[1] - (long)&here) > 65536 / 2, "a thread runs on the stack that it was given");
}

/* join as C libraries do it: the kernel clears the word when the thread is gone, and wakes who waits there.
 */
static void *slow(void *arg) {
    for (volatile long i = 0; i < (long)arg; i++)
        ;
    return arg;
}
CHECK(join) {
    thread_t t[6];
    void *r;
    long sum = 0;
    for (long i = 0; i < 6; i++)
        EXPECT_EQ(thread_create(&t[i], slow, (void *)(i * 3000)), 0, "threads are made");
    for (int i = 5; i >= 0; i--) {
        thread_join(t[i], &r);
        sum += (long)r;
    }
    EXPECT_EQ(sum, 15 * 3000, "all are joined, those that run and those that have ended");
    HOST_FREE(1);
    for (int k = 0; k < 40; k++) {
        thread_create(&t[0], slow, NULL);
        thread_join(t[0], NULL);
    }
    HOST_FREE(2);
    HOST_LOST(1, 2, 8, "threads that have ended leave nothing behind");
}

static mutex_t lock;
static long counter;
static void *adder(void *arg) {
    for (long i = 0; i < (long)arg; i++) {
        mutex_lock(&lock);
        long c = counter;
        if (i % 7 == 0)
            syscall(SYS_sched_yield); /* so that others come and wait */
        counter = c + 1;
        mutex_unlock(&lock);
    }
    return NULL;
}
CHECK(mutex) {
    thread_t t[4];
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(thread_create(&t[i], adder, (void *)300), 0, "threads are made");
    for (int i = 0; i < 4; i++)
        thread_join(t[i], NULL);
    EXPECT_EQ(counter, 1200, "four threads add up under one mutex");
}

static volatile uint32_t word;
static void *waiter(void *arg) {
    (void)arg;
    __atomic_add_fetch(&seen[0], 1, __ATOMIC_SEQ_CST);
    futex(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL);
    __atomic_add_fetch(&seen[1], 1, __ATOMIC_SEQ_CST);
    return NULL;
}
CHECK(futex_calls) {
    thread_t t[3];
    struct timespec ts = {0, 2000000};
    EXPECT_ERRNO(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, NULL), EAGAIN,
                 "a word that has another value: no sleep");
    EXPECT_ERRNO(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, &ts), ETIMEDOUT, "a wait ends at its time");
    EXPECT_ERRNO(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL), EINVAL,
                 "a word lies at a multiple of four");
    EXPECT_EQ(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL), 0, "nobody waits: nobody is woken");
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(thread_create(&t[i], waiter, NULL), 0, "threads are made");
    for (int i = 0; i < 300 || seen[0] < 3; i++)
        syscall(SYS_sched_yield); /* until all three sleep */
    EXPECT_EQ(seen[1], 0, "who waits sleeps");
    EXPECT_EQ(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 2, NULL), 2,
              "wake says how many it woke: as many as it was asked to");
    EXPECT_EQ(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 10, NULL), 1, "or as there are");
    for (int i = 0; i < 3; i++)
        thread_join(t[i], NULL);
    EXPECT_EQ(seen[1], 3, "all go on");
}
