/* Timers that ask for more than a machine has: periods of a nanosecond, hundreds of timers, many who set the
 * same one. The machine goes on, and what was missed is counted. */
#include "ktap.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static void rest(int ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}
/* Ten short sleeps and some system calls: does the machine get that far in ten seconds? */
static int goes_on(void) {
    double begin = now();
    for (int i = 0; i < 10; i++) {
        rest(5);
        for (int k = 0; k < 200; k++)
            getppid();
    }
    return now() - begin < 10;
}

static volatile long hits, overruns;
static void info(int s, siginfo_t *i, void *u) {
    (void)s, (void)u;
    hits++;
    overruns += i->si_overrun;
}
static int make_timers(timer_t *id, int n, int clock, int sig) {
    struct itimerspec fast = {{0, 1}, {0, 1}};
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig};
    for (int i = 0; i < n; i++)
        if (timer_create(clock, &e, &id[i]) || timer_settime(id[i], 0, &fast, NULL))
            return 0;
    return 1;
}
static sigset_t set_of(int sig) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, sig);
    return s;
}

static timer_t id[200];
static int blocked(void) {
    sigset_t s = set_of(SIGRTMIN);
    sigprocmask(SIG_BLOCK, &s, NULL);
    sigaction(SIGRTMIN, &(struct sigaction){.sa_sigaction = info, .sa_flags = SA_SIGINFO}, NULL);
    OK(make_timers(id, 200, CLOCK_MONOTONIC, SIGRTMIN), "200 timers of 1 ns, their signal blocked");
    OK(goes_on(), "a timer whose signal waits is not armed again: the machine goes on");
    struct itimerspec v;
    OK(!timer_gettime(id[7], &v) && v.it_interval.tv_nsec == 1, "its interval is still told");
    struct itimerspec off = {{0, 0}, {0, 0}};
    for (int i = 1; i < 200; i++)
        timer_settime(id[i], 0, &off, NULL);
    siginfo_t got = {0};
    int n = 0, once = 0;
    struct timespec none = {0, 0};
    while (n < 1000 && sigtimedwait(&s, &got, &none) == SIGRTMIN)
        n++, once += got.si_code == SI_TIMER && got.si_overrun > 1000;
    OK(n >= 1 && once >= 1, "when it is taken it tells how many expirations it stands for");
    for (int i = 0; i < 200; i++)
        timer_delete(id[i]);
    return ktap_failed;
}
static int ignored_signal(void) {
    signal(SIGUSR1, SIG_IGN);
    OK(make_timers(id, 200, CLOCK_REALTIME, SIGUSR1), "200 timers of 1 ns, their signal ignored");
    OK(goes_on(), "the machine goes on");
    for (int i = 1; i < 200; i++)
        timer_delete(id[i]);
    hits = 0;
    sigaction(SIGUSR1, &(struct sigaction){.sa_sigaction = info, .sa_flags = SA_SIGINFO}, NULL);
    for (double end = now() + 5; !hits && now() < end;)
        rest(1);
    OK(hits > 0, "with a handler it comes again");
    timer_delete(id[0]);
    return 0;
}
static void sleepers(void) {
    pid_t p[40];
    for (int i = 0; i < 40; i++)
        if (!(p[i] = fork())) {
            sigset_t all;
            sigfillset(&all);
            sigprocmask(SIG_BLOCK, &all, NULL);
            timer_t t[100];
            struct itimerval soon = {{0, 1}, {0, 1}};
            setitimer(ITIMER_PROF, &soon, NULL);
            setitimer(ITIMER_VIRTUAL, &soon, NULL);
            make_timers(t, 100, CLOCK_PROCESS_CPUTIME_ID, SIGUSR1);
            for (;;)
                pause();
        }
    OK(goes_on(), "timers on processor time of processes that sleep cost nothing");
    for (int i = 0; i < 40; i++)
        kill(p[i], SIGKILL), child_ends(p[i]);
}
static void real(void) {
    sigset_t s = set_of(SIGALRM);
    sigprocmask(SIG_BLOCK, &s, NULL);
    struct itimerval it = {{0, 1}, {0, 1}};
    setitimer(ITIMER_REAL, &it, NULL);
    OK(goes_on(), "ITIMER_REAL of 1 us, blocked");
    getitimer(ITIMER_REAL, &it);
    OK(it.it_interval.tv_usec == 1, "its interval is still told");
    struct timespec none = {0, 0};
    int n = 0;
    for (int i = 0; i < 10; i++) {
        n += sigtimedwait(&s, NULL, &none) == SIGALRM;
        rest(2);
    }
    OK(n >= 9, "each taken signal arms it again");
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    sigtimedwait(&s, NULL, &none);
    sigprocmask(SIG_UNBLOCK, &s, NULL);
}

static void files(void) {
    struct itimerspec fast = {{0, 1}, {0, 1}}, v;
    uint64_t n = 0;
    int fd[8], ep = epoll_create1(0);
    for (int i = 0; i < 8; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = i};
        fd[i] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e);
        timerfd_settime(fd[i], 0, &fast, NULL);
    }
    OK(goes_on(), "timerfds of 1 ns: the machine goes on");
    OK(read(fd[0], &n, 8) == 8 && n > 1000000, "a read gives what was missed");
    OK(!timerfd_gettime(fd[0], &v) && v.it_interval.tv_nsec == 1, "timerfd_gettime");
    struct pollfd p = {fd[0], POLLIN, 0};
    rest(1);
    OK(poll(&p, 1, 1000) == 1, "and it is ready again");
    struct itimerspec slow = {{0, 0}, {100, 0}};
    OK(!timerfd_settime(fd[0], 0, &slow, &v) && read(fd[0], &n, 8) == -1 && errno == EAGAIN,
       "set again: the old expirations are gone");
    OK(!timerfd_gettime(fd[0], &v) && v.it_value.tv_sec >= 98 && !v.it_interval.tv_nsec, "and the new time is told");
    struct itimerspec ever = {{0, 0}, {INT64_MAX, 999999999}};
    OK(!timerfd_settime(fd[0], 0, &ever, NULL) && read(fd[0], &n, 8) == -1 && errno == EAGAIN,
       "the longest time there is does not wrap around");
    for (int i = 0; i < 8; i++)
        close(fd[i]);
    close(ep);
}

static int shared[4];
static volatile int stop;
static void *sets(void *arg) {
    unsigned seed = (long)arg;
    for (long i = 0; !stop; i++) {
        struct itimerspec v = {{0, rand_r(&seed) % 3 ? 0 : 1 + rand_r(&seed) % 5000}, {0, rand_r(&seed) % 20000}};
        uint64_t n;
        int fd = shared[rand_r(&seed) % 4];
        timerfd_settime(fd, 0, &v, i & 1 ? &v : NULL);
        if (!(i & 7))
            read(fd, &n, 8);
    }
    return NULL;
}
static timer_t one[2];
static void *sets_posix(void *arg) {
    unsigned seed = (long)arg;
    while (!stop) {
        struct itimerspec v = {{0, rand_r(&seed) % 5000}, {0, rand_r(&seed) % 20000}};
        timer_settime(one[rand_r(&seed) % 2], 0, &v, NULL);
    }
    return NULL;
}
static void many_set_one(void) {
    pthread_t t[6];
    sigset_t s = set_of(SIGRTMIN + 1);
    sigaction(SIGRTMIN + 1, &(struct sigaction){.sa_sigaction = info, .sa_flags = SA_SIGINFO | SA_RESTART}, NULL);
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
    timer_create(CLOCK_MONOTONIC, &e, &one[0]);
    timer_create(CLOCK_MONOTONIC, &e, &one[1]);
    for (int i = 0; i < 4; i++)
        shared[i] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    pthread_sigmask(SIG_BLOCK, &s, NULL);
    for (long i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, sets, (void *)(i + 1));
    for (long i = 4; i < 6; i++)
        pthread_create(&t[i], NULL, sets_posix, (void *)(i + 1));
    pthread_sigmask(SIG_UNBLOCK, &s, NULL);
    int ok = 1;
    for (double end = now() + 2; now() < end;)
        ok &= goes_on();
    stop = 1;
    for (int i = 0; i < 6; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < 4; i++)
        close(shared[i]);
    timer_delete(one[0]), timer_delete(one[1]);
    OK(ok, "six threads set the same timers, two seconds long");
}

static int pending_limit(void) {
    struct rlimit r = {20, 20};
    sigset_t s = set_of(SIGRTMIN + 2), other = set_of(SIGRTMIN + 3);
    sigprocmask(SIG_BLOCK, &s, NULL);
    sigprocmask(SIG_BLOCK, &other, NULL);
    setrlimit(RLIMIT_SIGPENDING, &r);
    if (setuid(12345))
        return 1;
    union sigval v = {0};
    int n = 0;
    while (n < 100 && !sigqueue(getpid(), SIGRTMIN + 2, v))
        n++;
    if (n != 20 || errno != EAGAIN)
        return 2;
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    if (timer_create(CLOCK_MONOTONIC, &e, &id[0]) != -1 || errno != EAGAIN)
        return 3; /* a timer counts, too */
    struct timespec none = {0, 0};
    if (sigtimedwait(&s, NULL, &none) < 0 || timer_create(CLOCK_MONOTONIC, &e, &id[0]))
        return 4;
    if (sigqueue(getpid(), SIGRTMIN + 2, v) != -1 || errno != EAGAIN)
        return 5;
    return kill(getpid(), SIGRTMIN + 3) ? 6 : 0; /* without what it would say */
}

int main(void) {
    printf("KTAP version 1\n");
    files();
    blocked();
    ignored_signal();
    real();
    sleepers();
    many_set_one();
    OK(in_child(pending_limit) == 0, "RLIMIT_SIGPENDING: queued signals and timers of a user");
    OK(goes_on(), "and the machine still goes on");
    return ktap_done();
}
