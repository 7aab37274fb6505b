/* C4, C8, C25, C28, D1: limits, inheritance, priorities. */
#include "ktap.h"

int main(void) {
    printf("KTAP version 1\n");
    int st;
    pid_t p = fork();
    if (!p) {
        struct rlimit r = {3, 3};
        setrlimit(RLIMIT_NPROC, &r);
        setuid(1000);
        int n = 0, e;
        pid_t k[50];
        while (n < 50 && (k[n] = fork()) > 0)
            n++;
        e = errno;
        if (!k[n])
            pause();
        for (int i = 0; i < n; i++)
            kill(k[i], SIGKILL);
        _exit(e == EAGAIN && n == 2 ? 0 : 10 + n);
    }
    waitpid(p, &st, 0);
    OK(WIFEXITED(st) && WEXITSTATUS(st) == 0, "C4: RLIMIT_NPROC counts a user's processes: EAGAIN");
    setpriority(PRIO_PROCESS, 0, 5);
    p = fork();
    if (!p)
        _exit(getpriority(PRIO_PROCESS, 0));
    waitpid(p, &st, 0);
    OK(WEXITSTATUS(st) == 5, "C25: nice is inherited");
    struct sched_param sp = {.sched_priority = 10};
    OK(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &sp) == 0, "C25: SCHED_FIFO for root");
    p = fork();
    if (!p)
        _exit(sched_getscheduler(0) == SCHED_OTHER ? 0 : 1);
    waitpid(p, &st, 0);
    OK(st == 0, "C25: SCHED_RESET_ON_FORK resets the child");
    sp.sched_priority = 0;
    sched_setscheduler(0, SCHED_OTHER, &sp);
    p = fork();
    if (!p) {
        execl("/bin/sleep", "sleep", "5", NULL);
        _exit(1);
    }
    usleep(100000);
    FAILS(setpgid(p, p), EACCES, "C8: setpgid of a child that has exec'd is EACCES");
    kill(p, SIGKILL);
    waitpid(p, &st, 0);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    sched_setaffinity(0, sizeof(set), &set);
    p = fork();
    if (!p) {
        CPU_ZERO(&set);
        sched_getaffinity(0, sizeof(set), &set);
        _exit(CPU_COUNT(&set) == 1 && CPU_ISSET(0, &set) ? 0 : 1);
    }
    waitpid(p, &st, 0);
    OK(st == 0, "C27: affinity is inherited");
    struct rlimit nf = {10, 10};
    setrlimit(RLIMIT_NOFILE, &nf);
    int last = 0;
    while (last >= 0 && last < 20)
        last = dup(0);
    OK(last == -1 && errno == EMFILE, "RLIMIT_NOFILE: EMFILE");
    FAILS(syscall(9999), ENOSYS, "an unknown system call is ENOSYS");
    return ktap_done();
}
