/* An ordinary glibc program: the library's own use of the kernel. */
#define _GNU_SOURCE
#include <ktap.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>

extern char **environ;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t full = PTHREAD_COND_INITIALIZER, empty = PTHREAD_COND_INITIALIZER;
static int box, have, got[1000];
static atomic_long total;
static atomic_uchar bytes;
static __thread long tls = 100;

static void *producer(void *a) {
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&lock);
        while (have)
            pthread_cond_wait(&empty, &lock);
        box = i, have = 1;
        pthread_cond_signal(&full);
        pthread_mutex_unlock(&lock);
    }
    return a;
}
static void *consumer(void *a) {
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&lock);
        while (!have)
            pthread_cond_wait(&full, &lock);
        got[i] = box, have = 0;
        pthread_cond_signal(&empty);
        pthread_mutex_unlock(&lock);
    }
    return a;
}
static void *adder(void *a) {
    for (int i = 0; i < 20000; i++) {
        atomic_fetch_add(&total, 1);
        atomic_fetch_add(&bytes, 1);
        tls++;
    }
    return (void *)(tls + (long)a);
}
static int compare(const void *x, const void *y) {
    int a = *(const int *)x, b = *(const int *)y;
    return a < b ? -1 : a > b;
}

int main(void) {
    printf("KTAP version 1\n");
    pthread_t t[8];
    pthread_create(&t[0], NULL, producer, NULL);
    pthread_create(&t[1], NULL, consumer, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    int good = 1;
    for (int i = 0; i < 1000; i++)
        good &= got[i] == i;
    OK(good, "mutex and conditions: 1000 items in order");
    long sum = 0;
    for (long i = 0; i < 8; i++)
        pthread_create(&t[i], NULL, adder, (void *)i);
    for (int i = 0; i < 8; i++) {
        void *r;
        pthread_join(t[i], &r);
        sum += (long)r;
    }
    OK(total == 160000 && bytes == (unsigned char)160000, "C11 atomics from 8 threads");
    OK(sum == 8 * 20100 + 28 && tls == 100, "thread-local variables");

    int *v = malloc(10 << 20), n = (10 << 20) / 4;
    srand(1);
    for (int i = 0; i < n; i++)
        v[i] = rand();
    qsort(v, n, sizeof(int), compare);
    good = 1;
    for (int i = 1; i < n; i++)
        good &= v[i - 1] <= v[i];
    OK(good, "qsort of 10 MB");
    free(v);

    FILE *f = fopen("/root/stdio", "w+");
    for (int i = 0; i < 5000; i++)
        fprintf(f, "line %d %f\n", i, i * 0.5);
    rewind(f);
    int lines = 0, num;
    double d;
    good = 1;
    while (fscanf(f, "line %d %lf\n", &num, &d) == 2)
        good &= num == lines && d == lines++ * 0.5;
    OK(good && lines == 5000 && fclose(f) == 0 && unlink("/root/stdio") == 0, "stdio on a file");

    f = popen("echo popened; exit 3", "r");
    char b[64] = "";
    OK(f && fgets(b, sizeof(b), f) && !strcmp(b, "popened\n") && WEXITSTATUS(pclose(f)) == 3, "popen");
    pid_t p;
    int st;
    char *argv[] = {"sh", "-c", "exit 11", NULL};
    OK(posix_spawn(&p, "/bin/sh", NULL, NULL, argv, environ) == 0 && waitpid(p, &st, 0) == p &&
           WEXITSTATUS(st) == 11,
       "posix_spawn");
    OK(posix_spawn(&p, "/bin/nothing", NULL, NULL, argv, environ) == ENOENT,
       "posix_spawn of nothing is ENOENT");
    OK(WEXITSTATUS(system("exit 4")) == 4, "system");
    struct timespec a, c;
    clock_gettime(CLOCK_MONOTONIC, &a);
    usleep(30000);
    clock_gettime(CLOCK_MONOTONIC, &c);
    long ms = (c.tv_sec - a.tv_sec) * 1000 + (c.tv_nsec - a.tv_nsec) / 1000000;
    OK(ms >= 29 && ms < 2000, "clock_gettime (vDSO) and usleep");
    OK(time(NULL) > 1600000000, "the time of day comes from the RTC");
    return ktap_done();
}
