/* Real use of pthreads, 1: producers and consumers, a barrier, a read-write lock, semaphores, spin locks.
 * Built with glibc and musl. */
#include "ktap.h"
#include <pthread.h>
#include <semaphore.h>

#define N 4
#define ITEMS 2000
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static int queue[16], head, count;
static long produced, consumed;
static void *producer(void *a) {
    for (long i = 0; i < ITEMS; i++) {
        pthread_mutex_lock(&m);
        while (count == 16)
            pthread_cond_wait(&not_full, &m);
        queue[(head + count++) % 16] = i + (long)a;
        produced += i + (long)a;
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&m);
    }
    return NULL;
}
static void *consumer(void *a) {
    (void)a;
    for (int i = 0; i < ITEMS; i++) {
        pthread_mutex_lock(&m);
        while (!count)
            pthread_cond_wait(&not_empty, &m);
        consumed += queue[head];
        head = (head + 1) % 16, count--;
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&m);
    }
    return NULL;
}
static pthread_barrier_t barrier;
static int phase[N], serial, ahead;
static void *stepper(void *a) {
    long me = (long)a;
    for (int i = 1; i <= 100; i++) {
        phase[me] = i;
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED);
        for (int k = 0; k < N; k++)
            if (phase[k] < i)
                ahead = 1;
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static long pair[2];
static int torn, readers, most;
static void *reader(void *a) {
    (void)a;
    for (int i = 0; i < 500; i++) {
        pthread_rwlock_rdlock(&rw);
        int now = __atomic_add_fetch(&readers, 1, __ATOMIC_SEQ_CST);
        if (now > most)
            most = now;
        if (pair[0] != pair[1])
            torn = 1;
        sched_yield();
        __atomic_sub_fetch(&readers, 1, __ATOMIC_SEQ_CST);
        pthread_rwlock_unlock(&rw);
    }
    return NULL;
}
static void *writer(void *a) {
    (void)a;
    for (int i = 0; i < 500; i++) {
        pthread_rwlock_wrlock(&rw);
        if (readers)
            torn = 1;
        pair[0]++;
        sched_yield();
        pair[1]++;
        pthread_rwlock_unlock(&rw);
    }
    return NULL;
}
static sem_t sem;
static int inside, too_many;
static void *guest(void *a) {
    (void)a;
    for (int i = 0; i < 300; i++) {
        sem_wait(&sem);
        if (__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) > 2)
            too_many = 1;
        sched_yield();
        __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
        sem_post(&sem);
    }
    return NULL;
}
static void all(int n, void *(*f)(void *), int m, void *(*g)(void *)) {
    pthread_t t[2 * N];
    for (long i = 0; i < n; i++)
        pthread_create(&t[i], NULL, f, (void *)i);
    for (long i = 0; i < m; i++)
        pthread_create(&t[n + i], NULL, g, (void *)i);
    for (int i = 0; i < n + m; i++)
        pthread_join(t[i], NULL);
}
int main(void) {
    printf("KTAP version 1\n");
    all(N, producer, N, consumer);
    OK(produced == consumed && count == 0, "producers and consumers: all arrives");
    pthread_barrier_init(&barrier, NULL, N);
    all(N, stepper, 0, NULL);
    OK(!ahead && serial == 100, "barrier: nobody runs ahead, one is told in each round");
    all(N, reader, 2, writer);
    OK(!torn && pair[0] == 1000 && pair[1] == 1000, "rwlock: writers alone");
    sem_init(&sem, 0, 2);
    all(N, guest, 0, NULL);
    OK(!too_many, "semaphore: two at a time");
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 20000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_nsec -= 1000000000, t.tv_sec++;
    pthread_mutex_lock(&m);
    OK(pthread_cond_timedwait(&not_full, &m, &t) == ETIMEDOUT, "a wait with a deadline ends");
    pthread_mutex_unlock(&m);
    return ktap_done();
}
