/* Real use of pthreads, 3: cancellation, clean-up, thread-specific data, once, detach, stacks, signals to
 * threads. */
#include "ktap.h"
#include <pthread.h>

static volatile int cleaned, destroyed, reached, onced;
static pthread_key_t key;
static void cleanup(void *a) { cleaned += (int)(long)a; }
static void destroy(void *a) { destroyed += (int)(long)a; }
static void once_only(void) { onced++; }
static void *sleeper(void *a) {
    (void)a;
    pthread_cleanup_push(cleanup, (void *)5L);
    reached = 1;
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return NULL;
}
static void *deaf(void *a) {
    (void)a;
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    reached = 1;
    usleep(50000);
    reached = 2;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    pthread_testcancel();
    reached = 3;
    return NULL;
}
static void *busy(void *a) {
    (void)a;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    reached = 1;
    for (;;)
        ;
    return NULL;
}
static void *tsd(void *a) {
    pthread_setspecific(key, a);
    return pthread_getspecific(key);
}
static void *once_thread(void *once) {
    pthread_once(once, once_only);
    return NULL;
}
static void *deep(void *a) {
    volatile char room[100000];
    memset((char *)room, 1, sizeof(room));
    return (void *)(long)(room[5000] + (a != NULL));
}
static volatile pid_t got_it;
static void handler(int s) {
    (void)s;
    got_it = syscall(SYS_gettid);
}
static void *receiver(void *a) {
    *(volatile pid_t *)a = syscall(SYS_gettid);
    while (!got_it)
        usleep(1000);
    return NULL;
}
static pthread_t start(void *(*f)(void *)) {
    pthread_t t;
    reached = 0;
    pthread_create(&t, NULL, f, NULL);
    while (!reached)
        usleep(1000);
    return t;
}
int main(void) {
    printf("KTAP version 1\n");
    void *r;
    pthread_t t = start(sleeper), many[50];
    pthread_cancel(t);
    OK(pthread_join(t, &r) == 0 && r == PTHREAD_CANCELED && cleaned == 5,
       "a sleeping thread is cancelled and cleans up");
    t = start(deaf);
    pthread_cancel(t);
    pthread_join(t, &r);
    OK(r == PTHREAD_CANCELED && reached == 2, "cancellation waits while it is disabled");
    t = start(busy);
    pthread_cancel(t);
    OK(pthread_join(t, &r) == 0 && r == PTHREAD_CANCELED,
       "a busy thread is cancelled at once when it allows that");
    pthread_key_create(&key, destroy);
    pthread_create(&t, NULL, tsd, (void *)9L);
    pthread_join(t, &r);
    OK(r == (void *)9L && destroyed == 9 && !pthread_getspecific(key),
       "thread-specific data, and its destructor");
    pthread_once_t once = PTHREAD_ONCE_INIT;
    for (int i = 0; i < 50; i++)
        pthread_create(&many[i], NULL, once_thread, &once);
    for (int i = 0; i < 50; i++)
        pthread_join(many[i], NULL);
    OK(onced == 1, "once, among 50 threads");
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 256 * 1024);
    pthread_create(&t, &a, deep, &once);
    pthread_join(t, &r);
    OK(r == (void *)2L, "a stack of a given size");
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 200; i++)
        if (pthread_create(&t, &a, tsd, NULL))
            usleep(1000);
    OK(1, "200 detached threads");
    volatile pid_t tid = 0;
    signal(SIGUSR1, handler);
    pthread_create(&t, NULL, receiver, (void *)&tid);
    while (!tid)
        usleep(1000);
    pthread_kill(t, SIGUSR1);
    pthread_join(t, NULL);
    OK(got_it == tid, "pthread_kill reaches its thread");
    return ktap_done();
}
