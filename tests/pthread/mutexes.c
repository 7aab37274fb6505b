/* Real use of pthreads, 2: kinds of mutexes: recursive, error-checking, robust, priority-inheriting, shared
 * by processes. */
#include "ktap.h"
#include <pthread.h>

static pthread_mutex_t make(int type, int protocol, int robust, int shared) {
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, type);
    if (protocol && pthread_mutexattr_setprotocol(&a, protocol))
        printf("# no such protocol\n");
    if (robust)
        pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    if (shared)
        pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&m, &a);
    return m;
}
static void *lock_and_die(void *m) {
    pthread_mutex_lock(m);
    return NULL;
}
static long counter;
static void *add(void *m) {
    for (int i = 0; i < 3000; i++) {
        pthread_mutex_lock(m);
        counter++;
        pthread_mutex_unlock(m);
    }
    return NULL;
}
static int race(pthread_mutex_t *m) {
    pthread_t t[6];
    counter = 0;
    for (int i = 0; i < 6; i++)
        pthread_create(&t[i], NULL, add, m);
    for (int i = 0; i < 6; i++)
        pthread_join(t[i], NULL);
    return counter == 18000;
}
/* A futex's word is read whole, or a value is seen that it never had. (Thread ids above 255 found this, by a
 * PI lock.) */
static volatile int toggling;
static unsigned word __attribute__((aligned(8)));
static void *toggle(void *a) {
    while (toggling)
        __atomic_store_n(&word, word ? 0 : 0x11223344, __ATOMIC_SEQ_CST);
    return a;
}
static int never_torn(void) {
    const unsigned torn[] = {0x44, 0x3344, 0x223344, 0x11000000, 0x11220000, 0x11223300};
    struct timespec none = {0};
    pthread_t t;
    int bad = 0;
    toggling = 1;
    pthread_create(&t, NULL, toggle, NULL);
    for (int i = 0; i < 60000; i++)
        bad |= syscall(SYS_futex, &word, 128 /* WAIT, private */, torn[i % 6], &none, NULL, 0) != -1 ||
               errno != EAGAIN;
    toggling = 0;
    pthread_join(t, NULL);
    return !bad;
}
static pthread_mutex_t pi;
static volatile int stage, spun, done;
static void rt(int prio) {
    struct sched_param p = {prio};
    sched_setscheduler(0, SCHED_FIFO, &p);
}
static void one_hart(void) {
    cpu_set_t c;
    CPU_ZERO(&c);
    CPU_SET(0, &c);
    sched_setaffinity(0, sizeof(c), &c);
}
/* The classic inversion on one hart: low holds, high waits, medium would run for ever. */
static void *low(void *a) {
    (void)a;
    one_hart();
    rt(10);
    pthread_mutex_lock(&pi);
    stage = 1;
    while (stage < 2)
        usleep(1000);
    for (volatile long i = 0; i < 20000000; i++)
        ;
    pthread_mutex_unlock(&pi);
    return NULL;
}
static void *medium(void *a) {
    (void)a;
    one_hart();
    rt(20);
    while (stage < 2)
        usleep(1000);
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (!done) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - from.tv_sec > 5) {
            spun = 1;
            break;
        }
    }
    return NULL;
}
static void *high(void *a) {
    (void)a;
    one_hart();
    rt(30);
    while (stage < 1)
        usleep(1000);
    stage = 2;
    pthread_mutex_lock(&pi);
    done = 1;
    pthread_mutex_unlock(&pi);
    return NULL;
}

int main(void) {
    printf("KTAP version 1\n");
    pthread_t t;
    pthread_mutex_t m = make(PTHREAD_MUTEX_RECURSIVE, 0, 0, 0);
    pthread_mutex_lock(&m);
    OK(pthread_mutex_lock(&m) == 0 && pthread_mutex_unlock(&m) == 0 && pthread_mutex_unlock(&m) == 0 &&
           race(&m),
       "recursive: its owner locks it again");
    m = make(PTHREAD_MUTEX_ERRORCHECK, 0, 0, 0);
    pthread_mutex_lock(&m);
    OK(pthread_mutex_lock(&m) == EDEADLK, "error-checking: a second lock is EDEADLK");
    pthread_mutex_unlock(&m);
    OK(pthread_mutex_unlock(&m) == EPERM, "error-checking: unlocking what one does not hold is EPERM");

    m = make(PTHREAD_MUTEX_NORMAL, 0, 1, 0);
    pthread_create(&t, NULL, lock_and_die, &m);
    pthread_join(t, NULL);
    OK(pthread_mutex_lock(&m) == EOWNERDEAD, "robust: the next owner is told that the last one died");
    OK(pthread_mutex_consistent(&m) == 0 && pthread_mutex_unlock(&m) == 0 && pthread_mutex_lock(&m) == 0,
       "robust: made consistent");
    pthread_mutex_unlock(&m);

    pthread_mutex_t *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *s = make(PTHREAD_MUTEX_NORMAL, 0, 1, 1);
    pid_t p = fork();
    if (!p) {
        pthread_mutex_lock(s);
        usleep(50000);
        kill(getpid(), SIGKILL);
    }
    usleep(20000);
    OK(pthread_mutex_lock(s) == EOWNERDEAD, "robust: also when a process is killed while another waits");
    waitpid(p, NULL, 0);

    OK(never_torn(), "a futex's word is never read in pieces");
    for (int i = 0; i < 300; i++) /* ids of more than one byte */
        if (!(p = fork()))
            _exit(0);
        else
            waitpid(p, NULL, 0);
    pi = make(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, 0, 0);
    pthread_mutex_lock(&pi);
    OK(pthread_mutex_trylock(&pi) == EBUSY, "priority-inheriting: trylock of a held one is EBUSY");
    pthread_mutex_unlock(&pi);
    OK(race(&pi), "priority-inheriting: six threads count");
    pthread_t l, h, me;
    pthread_create(&l, NULL, low, NULL);
    while (stage < 1)
        usleep(1000);
    pthread_create(&me, NULL, medium, NULL);
    pthread_create(&h, NULL, high, NULL);
    pthread_join(l, NULL), pthread_join(h, NULL), pthread_join(me, NULL);
    OK(done && !spun, "priority-inheriting: the owner runs before what is between");
    m = make(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, 1, 0);
    pthread_create(&t, NULL, lock_and_die, &m);
    pthread_join(t, NULL);
    OK(pthread_mutex_lock(&m) == EOWNERDEAD, "priority-inheriting and robust: the owner died");
    return ktap_done();
}
