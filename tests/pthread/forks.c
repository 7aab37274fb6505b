/* Real use of pthreads, 4: fork in a threaded program, atfork handlers, exec, many forking threads. */
#include "ktap.h"
#include <pthread.h>
#include <spawn.h>

static char order[16];
static volatile int quiet; /* many fork at once: their order is of no interest */
static void note(char c) {
    if (!quiet)
        order[strlen(order)] = c;
}
static void prepare1(void) { note('p'); }
static void prepare2(void) { note('P'); }
static void parent1(void) { note('a'); }
static void parent2(void) { note('A'); }
static void child1(void) { note('c'); }
static void child2(void) { note('C'); }
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static volatile int stop;
static void *allocator(void *a) {
    (void)a;
    while (!stop) {
        char *p = malloc(1000 + rand() % 5000);
        pthread_mutex_lock(&m);
        p[0] = 1;
        pthread_mutex_unlock(&m);
        free(p);
    }
    return NULL;
}
static int failed;
static void *forker(void *a) {
    (void)a;
    for (int i = 0; i < 40; i++) {
        int st;
        pid_t p = fork();
        if (!p) {
            char *q = malloc(100000); /* the allocator's locks must be usable */
            memset(q, 1, 100000);
            free(q);
            _exit(7);
        }
        if (waitpid(p, &st, 0) != p || WEXITSTATUS(st) != 7)
            failed = 1;
    }
    return NULL;
}
static void *sleeper(void *a) {
    pause();
    return a;
}
int main(int argc, char **argv) {
    if (argc > 1)
        return 33;
    printf("KTAP version 1\n");
    int st;
    pthread_t t[8];
    pthread_atfork(prepare1, parent1, child1);
    pthread_atfork(prepare2, parent2, child2);
    pid_t p = fork();
    if (!p)
        _exit(strcmp(order, "PpcC") != 0);
    waitpid(p, &st, 0);
    OK(st == 0 && !strcmp(order, "PpaA"), "atfork handlers run in their order, on both sides");
    quiet = 1;
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, allocator, NULL);
    for (int i = 0; i < 30; i++) {
        p = fork();
        if (!p) {
            char *q = malloc(5000);
            memset(q, 1, 5000);
            free(q);
            _exit(3);
        }
        if (waitpid(p, &st, 0) != p || WEXITSTATUS(st) != 3)
            failed = 1;
    }
    stop = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    OK(!failed, "fork while other threads allocate: the child can allocate");
    p = fork();
    if (!p) {
        pthread_t f[6];
        for (int i = 0; i < 6; i++)
            pthread_create(&f[i], NULL, sleeper, NULL);
        char *v[] = {argv[0], "again", NULL};
        execv("/proc/self/exe", v);
        _exit(1);
    }
    waitpid(p, &st, 0);
    OK(WEXITSTATUS(st) == 33, "exec in a child that has threads");
    pid_t sp;
    char *v[] = {argv[0], "again", NULL}, *env[] = {NULL};
    OK(posix_spawn(&sp, "/proc/self/exe", NULL, NULL, v, env) == 0 && waitpid(sp, &st, 0) == sp &&
           WEXITSTATUS(st) == 33,
       "posix_spawn");
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, forker, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    OK(!failed, "four threads fork at once");
    return ktap_done();
}
