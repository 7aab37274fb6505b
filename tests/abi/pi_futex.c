/* PI futexes whose owner does not do its part: it has ended, never was, or waits itself. */
#include "ktap.h"
#include <linux/futex.h>
#include <pthread.h>

static uint32_t *word; /* in memory that processes share */
static long futex(uint32_t *w, int op, const struct timespec *t) {
    return syscall(SYS_futex, w, op, 0, t, NULL, 0);
}
static struct timespec soon(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += 3;
    return t;
}
/* FUTEX_LOCK_PI in a child, that is killed if it does not come back within five seconds: its errno. */
static int lock_by_child(uint32_t *w) {
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        alarm(5);
        struct timespec t = soon();
        _exit(futex(w, FUTEX_LOCK_PI, &t) ? errno : 0);
    }
    return child_ends(p);
}

static pthread_mutex_t ring[3];
static pthread_barrier_t all;
static void *takes_two(void *a) {
    long i = (long)a;
    pthread_mutex_lock(&ring[i]);
    pthread_barrier_wait(&all);
    uint32_t *next = (uint32_t *)&ring[(i + 1) % 3];
    struct timespec t = soon();
    long r = futex(next, FUTEX_LOCK_PI_PRIVATE, &t) ? errno : 0;
    if (!r)
        futex(next, FUTEX_UNLOCK_PI_PRIVATE, NULL);
    pthread_mutex_unlock(&ring[i]);
    return (void *)r;
}

/* A chain of threads, each with a lock that the one before it wants. */
#define LINKS 300
static uint32_t link_[LINKS + 1];
static pthread_barrier_t ready;
static void *chain(void *a) {
    long i = (long)a;
    futex(&link_[i], FUTEX_LOCK_PI_PRIVATE, NULL);
    pthread_barrier_wait(&ready);
    long r = futex(&link_[i + 1], FUTEX_LOCK_PI_PRIVATE, NULL) ? errno : 0;
    if (!r)
        futex(&link_[i + 1], FUTEX_UNLOCK_PI_PRIVATE, NULL);
    futex(&link_[i], FUTEX_UNLOCK_PI_PRIVATE, NULL);
    return (void *)r;
}

int main(void) {
    printf("KTAP version 1\n");
    fflush(stdout);
    word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t p = fork();
    if (!p) {
        word[0] = getpid();
        _exit(0);
    }
    siginfo_t si;
    waitid(P_PID, p, &si, WEXITED | WNOWAIT);
    OK(lock_by_child(&word[0]) == ESRCH, "the owner is a zombie: ESRCH");
    OK(word[0] == (uint32_t)p, "and the word is as it was");
    waitpid(p, NULL, 0);
    OK(lock_by_child(&word[0]) == ESRCH, "the owner is gone: ESRCH");

    p = fork();
    if (!p) {
        futex(&word[1], FUTEX_LOCK_PI, NULL);
        usleep(300000);
        _exit(0);
    }
    usleep(100000);
    OK(lock_by_child(&word[1]) == 0, "the owner ends while it is waited for: who waits gets the lock");
    OK(word[1] & FUTEX_OWNER_DIED, "and sees that the owner has died");
    waitpid(p, NULL, 0);

    p = fork(); /* holds it, and ends while six others fight for it */
    if (!p) {
        futex(&word[2], FUTEX_LOCK_PI, NULL);
        usleep(200000);
        _exit(0);
    }
    usleep(50000);
    pid_t q[6];
    for (int i = 0; i < 6; i++)
        if (!(q[i] = fork())) {
            alarm(30);
            for (int k = 0; k < 50; k++) {
                struct timespec t = soon();
                t.tv_sec += 20;
                long r = futex(&word[2], FUTEX_LOCK_PI, &t) ? errno : 0;
                if (r)
                    _exit(r);
                word[3]++;
                if (futex(&word[2], FUTEX_UNLOCK_PI, NULL))
                    _exit(errno);
            }
            _exit(0);
        }
    int bad = 0;
    for (int i = 0; i < 6; i++)
        bad |= child_ends(q[i]);
    if (bad || word[3] != 300)
        printf("# %d, count %u, word %x\n", bad, word[3], word[2]);
    OK(!bad && word[3] == 300, "six processes go on where the dead owner left off");
    waitpid(p, NULL, 0);

    pthread_t t[LINKS];
    void *r;
    pthread_mutexattr_t at;
    pthread_mutexattr_init(&at);
    pthread_mutexattr_setprotocol(&at, PTHREAD_PRIO_INHERIT);
    pthread_barrier_init(&all, NULL, 3);
    for (int i = 0; i < 3; i++)
        pthread_mutex_init(&ring[i], &at);
    int deadlocks = 0, others = 0;
    for (long i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, takes_two, (void *)i);
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], &r);
        deadlocks += (long)r == EDEADLK;
        others += (long)r && (long)r != EDEADLK;
    }
    OK(deadlocks == 1 && !others, "a ring of three: one EDEADLK, and the others get on");

    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 32768);
    pthread_barrier_init(&ready, NULL, LINKS);
    int made = 0, wrong = 0;
    for (long i = 0; i < LINKS; i++)
        made += !pthread_create(&t[i], &small, chain, (void *)i);
    for (int i = 0; i < made; i++)
        pthread_join(t[i], &r), wrong += (long)r != 0;
    OK(made == LINKS && !wrong, "a chain of 300 owners");
    return ktap_done();
}
