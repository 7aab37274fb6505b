/* threads: a POSIX-like thread layer at work: workers, a mutex, a condition, thread-local data. */
#include <tine.h>

static mutex_t lock;
static cond_t ready;
static int started, counter;
static _Thread_local int mine;
static int total_mine;
static void *worker(void *arg) {
    mutex_lock(&lock);
    started++;
    cond_signal(&ready);
    mutex_unlock(&lock);
    for (int i = 0; i < 10000; i++) {
        mutex_lock(&lock);
        counter++;
        mutex_unlock(&lock);
        mine++;
    }
    mutex_lock(&lock);
    total_mine += mine;
    mutex_unlock(&lock);
    return (void *)((long)arg * (long)arg);
}
int main(int argc, char **argv) {
    int c, n = 4;
    thread_t t[64];
    while ((c = options(argc, argv, "n:", "threads [-n THREADS]")) != -1)
        n = atoi(optarg);
    if (n < 1 || n > 64) {
        warnx("1 to 64 threads");
        return 2;
    }
    for (long i = 0; i < n; i++) {
        int e = thread_create(&t[i], worker, (void *)i);
        if (e) {
            errno = e;
            die("thread %ld", i);
        }
    }
    mutex_lock(&lock);
    while (started < n)
        cond_wait(&ready, &lock);
    mutex_unlock(&lock);
    printf("%d threads of process %d started\n", started, getpid());
    long sum = 0, want = 0;
    for (long i = 0; i < n; i++) {
        void *r;
        thread_join(t[i], &r);
        sum += (long)r;
        want += i * i;
    }
    printf("counter %d of %d, thread-local sum %d, results %ld of %ld\n", counter, n * 10000, total_mine, sum,
           want);
    return counter != n * 10000 || total_mine != counter || sum != want || mine != 0;
}
