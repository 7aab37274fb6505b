/* Scheduling: equal tasks get equal time, nice is a weight, a FIFO task goes first, select works, and the
 * clock is read without a system call. */
#include "ktap.h"
#include <sys/prctl.h>
#include <sys/select.h>

static void pin(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    sched_setaffinity(0, sizeof(set), &set);
}
static pid_t spinner(int nice_) {
    pid_t p = fork();
    if (!p) {
        pin();
        setpriority(PRIO_PROCESS, 0, nice_);
        for (;;)
            __asm__ volatile("" ::: "memory");
    }
    return p;
}
/* Each forks the next and ends: a fork bomb that never is more than two tasks. */
static void fork_chain(void) {
    pin();
    for (;;)
        if (fork() > 0)
            _exit(0);
}
static void run(int n, const int *nices, int ms, unsigned long *got) {
    pid_t p[8];
    struct rusage ru;
    for (int i = 0; i < n; i++)
        p[i] = spinner(nices[i]);
    usleep(ms * 1000);
    for (int i = 0; i < n; i++)
        kill(p[i], SIGKILL);
    for (int i = 0; i < n; i++) { /* the time on the hart, not the work done: the host may be busy */
        wait4(p[i], NULL, 0, &ru);
        got[i] = ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec;
    }
}

int main(void) {
    printf("KTAP version 1\n");
    unsigned long g[8];
    run(3, (int[]){0, 0, 0}, 1500, g);
    unsigned long lo = g[0], hi = g[0];
    for (int i = 1; i < 3; i++)
        lo = g[i] < lo ? g[i] : lo, hi = g[i] > hi ? g[i] : hi;
    printf("# three equal tasks, us: %lu %lu %lu\n", g[0], g[1], g[2]);
    OK(lo > 0 && hi * 100 < lo * 125, "equal tasks get equal shares");
    run(2, (int[]){0, 5}, 1500, g);
    printf("# nice 0 and 5, us: %lu %lu\n", g[0], g[1]);
    OK(g[0] > 2 * g[1] && g[0] < 5 * g[1], "nice 5 gets about a third of nice 0");

    volatile pid_t *group = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t keeper = fork(); /* its descendants come to it when they are orphans, and are not waited for */
    if (!keeper) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        signal(SIGCHLD, SIG_IGN);
        if (!fork()) {
            setpgid(0, 0);
            *group = getpid();
            fork_chain();
        }
        for (;;)
            pause();
    }
    while (!*group)
        usleep(1000);
    run(1, (int[]){0}, 1500, g);
    int ended = 0;
    for (int i = 0; i < 5000 && !ended; i++) {
        ended = kill(-*group, SIGKILL) == -1 && errno == ESRCH;
        usleep(1000);
    }
    kill(keeper, SIGKILL);
    waitpid(keeper, NULL, 0);
    printf("# beside a chain of forks, us: %lu\n", g[0]);
    OK(g[0] > 200000 && ended, "C25: forking gains no time: a task beside a chain of forks keeps its part");

    pid_t hog = spinner(0);
    sched_setscheduler(hog, SCHED_FIFO, &(struct sched_param){.sched_priority = 10});
    run(1, (int[]){0}, 3000, g);
    struct rusage ru;
    kill(hog, SIGKILL);
    wait4(hog, NULL, 0, &ru);
    g[1] = ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec;
    printf("# beside a FIFO task that never sleeps, us: %lu of %lu\n", g[0], g[0] + g[1]);
    OK(g[0] > 20000 && g[0] * 8 < g[0] + g[1],
       "a FIFO task that never sleeps leaves a twentieth to the others");

    struct timespec a, b;
    int n = 0;
    clock_gettime(CLOCK_MONOTONIC, &a);
    do {
        clock_gettime(CLOCK_MONOTONIC, &b);
        n++;
    } while ((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec < 20000000);
    struct timespec r1, r2;
    clock_gettime(CLOCK_REALTIME, &r1);
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &r2);
    long d = (r2.tv_sec - r1.tv_sec) * 1000000000L + r2.tv_nsec - r1.tv_nsec;
    OK(n > 100 && d >= 0 && d < 1000000000, "the vDSO's clock and the system call's agree");

    int fd[2];
    pipe(fd);
    fd_set rd;
    FD_ZERO(&rd);
    FD_SET(fd[0], &rd);
    struct timeval tv = {0, 20000};
    OK(select(fd[0] + 1, &rd, NULL, NULL, &tv) == 0, "select times out");
    write(fd[1], "x", 1);
    FD_SET(fd[0], &rd);
    tv = (struct timeval){1, 0};
    OK(select(fd[0] + 1, &rd, NULL, NULL, &tv) == 1 && FD_ISSET(fd[0], &rd), "select: readable");
    return ktap_done();
}
