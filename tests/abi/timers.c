/* C11: timers are not inherited; setitimer's three, timer_create's, and the limit on processor time. */
#include "ktap.h"
#include <pthread.h>

static volatile int hits, code, overrun, value, tid;
static void count(int s) {
    (void)s;
    hits++;
}
static void info(int s, siginfo_t *i, void *u) {
    (void)s, (void)u;
    hits++;
    code = i->si_code;
    value = i->si_value.sival_int;
    if (hits == 1) /* the timer goes on */
        overrun = i->si_overrun;
    tid = syscall(SYS_gettid);
}
static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static void burn(double s) {
    for (double end = cpu() + s; cpu() < end;)
        ;
}
static void user_burn(void) { /* without a system call: the vDSO has no clock of processor time */
    for (volatile long i = 0; i < 3000000 && !hits; i++)
        ;
}
static void rest(int ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}
static void *wait_here(void *p) {
    *(pid_t *)p = syscall(SYS_gettid);
    __atomic_store_n(&code, 1000, __ATOMIC_RELEASE);
    while (!hits)
        usleep(1000);
    return NULL;
}

int main(int argc, char **argv) {
    struct itimerval it = {{0, 0}, {5, 0}}, got;
    struct itimerspec ts = {{0, 0}, {0, 20000000}}, tgot;
    timer_t id;
    int st;
    if (argc > 1) { /* after exec */
        ktap_n = 22;
        FAILS(syscall(SYS_timer_delete, atoi(argv[1])), EINVAL, "exec deletes timer_create's timers");
        getitimer(ITIMER_REAL, &got);
        OK(got.it_value.tv_sec >= 3, "exec keeps setitimer's");
        _exit(ktap_failed);
    }
    printf("KTAP version 1\n");
    setitimer(ITIMER_REAL, &it, NULL);
    pid_t p = fork();
    if (!p) {
        getitimer(ITIMER_REAL, &got);
        _exit(got.it_value.tv_sec || got.it_value.tv_usec);
    }
    waitpid(p, &st, 0);
    getitimer(ITIMER_REAL, &got);
    OK(st == 0 && got.it_value.tv_sec >= 3, "C11: an interval timer is not inherited");
    setitimer(ITIMER_REAL, &(struct itimerval){0}, &got);
    OK(got.it_value.tv_sec >= 3, "setitimer gives the old value");

    signal(SIGALRM, count);
    it = (struct itimerval){{0, 10000}, {0, 10000}};
    setitimer(ITIMER_REAL, &it, NULL);
    while (hits < 5)
        pause();
    OK(1, "ITIMER_REAL goes on by its interval");
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);

    signal(SIGVTALRM, count);
    hits = 0;
    it = (struct itimerval){{0, 0}, {0, 30000}};
    setitimer(ITIMER_VIRTUAL, &it, NULL);
    rest(100);
    OK(hits == 0, "ITIMER_VIRTUAL does not run in sleep");
    for (int i = 0; i < 200 && !hits; i++)
        user_burn();
    OK(hits == 1, "ITIMER_VIRTUAL runs in user mode");
    signal(SIGPROF, count);
    hits = 0;
    setitimer(ITIMER_PROF, &it, NULL);
    double from = cpu();
    burn(0.2);
    OK(hits == 1 && cpu() - from < 1, "ITIMER_PROF runs in user and kernel mode");
    FAILS(setitimer(3, &it, NULL), EINVAL, "a fourth timer is EINVAL");
    it.it_value.tv_usec = 1000000;
    FAILS(setitimer(0, &it, NULL), EINVAL, "a million microseconds is EINVAL");

    struct sigaction sa = {.sa_sigaction = info, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN, &sa, NULL);
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 77};
    OK(timer_create(CLOCK_MONOTONIC, &ev, &id) == 0, "timer_create");
    hits = 0;
    timer_settime(id, 0, &ts, NULL);
    timer_gettime(id, &tgot);
    OK(tgot.it_value.tv_nsec > 0 && tgot.it_value.tv_nsec <= 20000000, "timer_gettime says what is left");
    while (!hits)
        pause();
    OK(hits == 1 && code == SI_TIMER && value == 77, "its signal has SI_TIMER and the value");
    timer_gettime(id, &tgot);
    OK(tgot.it_value.tv_sec == 0 && tgot.it_value.tv_nsec == 0, "then it is off");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    ts = (struct itimerspec){{0, 1000000}, {0, 1000000}};
    hits = 0;
    timer_settime(id, 0, &ts, NULL);
    rest(50);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    int first = overrun;
    ts = (struct itimerspec){0};
    timer_settime(id, 0, &ts, &tgot);
    OK(first >= 10 && tgot.it_interval.tv_nsec == 1000000,
       "blocked: one signal, and the overrun counts the rest");
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ts = (struct itimerspec){{0, 0}, {now.tv_sec, now.tv_nsec}};
    hits = 0;
    timer_settime(id, TIMER_ABSTIME, &ts, NULL);
    for (int i = 0; i < 1000 && !hits; i++)
        usleep(1000);
    OK(hits == 1, "an absolute time that is past fires at once");
    OK(timer_delete(id) == 0, "timer_delete");
    FAILS(syscall(SYS_timer_settime, 12345, 0, &ts, NULL), EINVAL, "a timer that is not there is EINVAL");
    FAILS(timer_create(99, &ev, &id), EINVAL, "a clock that is not there is EINVAL");

    pid_t other = 0;
    pthread_t th;
    hits = code = 0;
    pthread_create(&th, NULL, wait_here, &other);
    while (__atomic_load_n(&code, __ATOMIC_ACQUIRE) != 1000)
        usleep(1000);
    struct {
        long value;
        int signo, notify, tid, pad[11];
    } tev = {5, SIGRTMIN, 4 /* SIGEV_THREAD_ID */, other, {0}};
    int kid;
    OK(syscall(SYS_timer_create, CLOCK_REALTIME, &tev, &kid) == 0, "timer_create for a thread");
    ts = (struct itimerspec){{0, 0}, {0, 1000000}};
    syscall(SYS_timer_settime, kid, 0, &ts, NULL);
    pthread_join(th, NULL);
    OK(hits == 1 && tid == other, "the thread that was named gets the signal");

    sa.sa_sigaction = info;
    sigaction(SIGUSR1, &sa, NULL);
    ev.sigev_signo = SIGUSR1;
    timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &id);
    ts = (struct itimerspec){{0, 0}, {0, 40000000}};
    hits = 0;
    timer_settime(id, 0, &ts, NULL);
    rest(100);
    int asleep = hits;
    burn(0.2);
    OK(!asleep && hits == 1, "a timer on the process's processor time");

    p = fork();
    if (!p) {
        struct rlimit r = {1, 2};
        setrlimit(RLIMIT_CPU, &r);
        signal(SIGXCPU, count);
        hits = 0;
        for (;;)
            if (hits == 1) {
                hits = 100;
                write(1, "# SIGXCPU\n", 10);
            }
    }
    struct rusage ru;
    wait4(p, &st, 0, &ru);
    long ms =
        (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 + (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000;
    OK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL && ms > 1500 && ms < 4000,
       "RLIMIT_CPU: the hard limit kills");
    p = fork();
    if (!p) {
        struct rlimit r = {1, 5};
        setrlimit(RLIMIT_CPU, &r);
        if (fork() == 0)
            for (;;)
                ;
        wait(&st);
        _exit(WTERMSIG(st));
    }
    waitpid(p, &st, 0);
    OK(WEXITSTATUS(st) == SIGXCPU, "RLIMIT_CPU: inherited, and the soft limit's SIGXCPU ends a process");

    p = fork();
    if (!p) {
        char b[16];
        it = (struct itimerval){{0, 0}, {5, 0}};
        setitimer(ITIMER_REAL, &it, NULL);
        syscall(SYS_timer_create, CLOCK_REALTIME, NULL, &kid);
        sprintf(b, "%d", kid);
        execl("/proc/self/exe", "timers", b, NULL);
        _exit(9);
    }
    waitpid(p, &st, 0);
    ktap_n += 2;
    OK(st == 0, "exec: timers as said");
    return ktap_done();
}
