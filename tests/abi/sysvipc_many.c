/* As many System V objects as there may be: making and finding one costs the same at the end as at the beginning. */
#include "ktap.h"
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
#define N 32000
static int id[N];

static void sets(void) {
    int made = 0, part = 2000;
    double begin = now(), first = 0, last = 0, before;
    for (int i = 0; i < N; i++) {
        if (i == N - part)
            last = now();
        id[i] = semget(i & 1 ? 0x10000000 + i * 7919 : IPC_PRIVATE, 1, IPC_CREAT | IPC_EXCL | 0600);
        if (id[i] < 0)
            break;
        made++;
        if (i == part)
            first = now() - begin;
    }
    last = now() - last;
    struct seminfo si;
    semctl(0, 0, SEM_INFO, &si);
    OK(made > N - 10, "32,000 sets of semaphores");
    printf("# the first 2,000: %.3f s, the last: %.3f s\n", first, last);
    OK(last < first * 8 + 1, "the last take as long as the first");
    FAILS(semget(IPC_PRIVATE, 1, 0600), ENOSPC, "one more than semmni");
    before = now();
    int good = 0;
    for (int i = 1; i < 4000; i += 2)
        good += semget(0x10000000 + (N - i) * 7919, 1, 0) == id[N - i];
    printf("# 2,000 found by their key: %.3f s\n", now() - before);
    OK(good == 2000 && now() - before < first * 8 + 1, "found by key");
    /* the lowest index that is free is used again, wherever it is */
    before = now();
    good = 0;
    for (int k = 0; k < 2000; k++) {
        int i = k * 7919 % N;
        semctl(id[i], 0, IPC_RMID);
        id[i] = semget(IPC_PRIVATE, 1, 0600);
        good += id[i] >= 0;
    }
    printf("# 2,000 removed and made: %.3f s\n", now() - before);
    OK(good == 2000 && now() - before < first * 12 + 1, "removed and made again");
    for (int i = 0; i < made; i++)
        semctl(id[i], 0, IPC_RMID);
    OK(semget(IPC_PRIVATE, 1, 0600) >= 0, "and room again");
}

static int queue;
static volatile int stop;
static void *limits(void *a) {
    (void)a;
    while (!stop)
        put_text("/proc/sys/kernel/msgmax", "8192"), put_text("/proc/sys/kernel/msgmax", "64");
    return NULL;
}
struct big {
    long type;
    char text[8192];
};
static void copies(void) {
    static struct big m = {.type = 1};
    queue = msgget(IPC_PRIVATE, 0600);
    memset(m.text, 'x', sizeof(m.text));
    put_text("/proc/sys/kernel/msgmax", "8192");
    OK(!msgsnd(queue, &m, 8000, 0), "a message of 8,000 bytes");
    pthread_t t;
    pthread_create(&t, NULL, limits, NULL);
    int ok = 1;
    for (int i = 0; i < 4000; i++) {
        long r = msgrcv(queue, &m, 8192, 0, IPC_NOWAIT | MSG_NOERROR | 040000 /* MSG_COPY */);
        ok &= (r >= 0 && r <= 8000) || (r == -1 && (errno == ENOSYS || errno == EINVAL || errno == E2BIG));
    }
    stop = 1;
    pthread_join(t, NULL);
    put_text("/proc/sys/kernel/msgmax", "8192");
    OK(ok, "MSG_COPY while the limit changes");
    msgctl(queue, IPC_RMID, NULL);
}

int main(void) {
    printf("KTAP version 1\n");
    sets();
    copies();
    return ktap_done();
}
