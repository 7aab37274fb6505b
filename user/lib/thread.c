/* Threads on clone and futex: create, join, mutex, condition. A thread's stack holds, at its top, its
 * thread-local block, and its struct below; join frees the whole once the kernel has cleared the tid. */
#include "lib.h"

#define STACK (64 * 1024)
struct thread {
    uint32_t tid; /* CLONE_CHILD_CLEARTID: zero when it is gone */
    void *(*fn)(void *);
    void *arg, *result;
    char *stack;
};

static long futex(uint32_t *p, int op, uint32_t v) { return syscall_raw(SYS_futex, (long)p, op, v, 0, 0, 0); }

static void run(void *arg) {
    struct thread *t = arg;
    t->result = t->fn(t->arg);
}
int thread_create(thread_t *out, void *(*fn)(void *), void *arg) {
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        return ENOMEM;
    char *tls = (char *)((uintptr_t)(stack + STACK - tls_size()) & -tls_align());
    struct thread *t = (struct thread *)((uintptr_t)(tls - sizeof(*t)) & -16UL);
    t->fn = fn;
    t->arg = arg;
    t->stack = stack;
    t->tid = 1;
    init_tls(tls);
    long r = clone_thread(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                              CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
                          t, &t->tid, tls, &t->tid, run, t);
    if (r < 0) {
        munmap(stack, STACK);
        return -r;
    }
    *out = t;
    return 0;
}
int thread_join(thread_t t, void **result) {
    for (uint32_t v; (v = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE));)
        futex(&t->tid, FUTEX_WAIT, v);
    if (result)
        *result = t->result;
    return munmap(t->stack, STACK) ? errno : 0;
}

void mutex_lock(mutex_t *m) {
    uint32_t free = 0;
    if (__atomic_compare_exchange_n(&m->state, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&m->state, 2, __ATOMIC_ACQUIRE))
        futex(&m->state, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2);
}
void mutex_unlock(mutex_t *m) {
    if (__atomic_exchange_n(&m->state, 0, __ATOMIC_RELEASE) == 2)
        futex(&m->state, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}
void cond_wait(cond_t *c, mutex_t *m) {
    uint32_t seq = __atomic_load_n(&c->seq, __ATOMIC_RELAXED);
    mutex_unlock(m);
    futex(&c->seq, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, seq);
    mutex_lock(m);
}
static void notify(cond_t *c, int n) {
    __atomic_add_fetch(&c->seq, 1, __ATOMIC_RELEASE);
    futex(&c->seq, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n);
}
void cond_signal(cond_t *c) { notify(c, 1); }
void cond_broadcast(cond_t *c) { notify(c, 0x7fffffff); }
