/* X7, C10: signals. */
#include "ktap.h"
#include <sys/signalfd.h>
#include <pthread.h>

static volatile int count, order[8], n;
static volatile siginfo_t last;
static void handler(int s) { (void)s, count++; }
static void info(int s, siginfo_t *si, void *uc) {
    (void)uc;
    last = *si;
    order[n++ & 7] = s;
}
static char alt[16384];
static volatile char *where;
static void on_alt(int s) {
    char here;
    (void)s;
    where = (char *)((uintptr_t)&here | 0);
}
static double fp(double x) {
    for (int i = 0; i < 10; i++)
        x = x * 1.5 + 1;
    return x;
}
static void fp_handler(int s) { (void)s, fp(3.25); }

int main(void) {
    printf("KTAP version 1\n");
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    OK(count == 1, "X7: a handler runs");
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    raise(SIGUSR1);
    OK(count == 1, "X7: a blocked signal waits");
    sigset_t pend;
    sigpending(&pend);
    OK(sigismember(&pend, SIGUSR1), "X7: and is pending");
    int st;
    pid_t p = fork();
    if (!p) {
        sigpending(&pend);
        _exit(sigismember(&pend, SIGUSR1));
    }
    waitpid(p, &st, 0);
    OK(st == 0, "C10: pending signals are not inherited");
    sigprocmask(SIG_SETMASK, &old, NULL);
    OK(count == 2, "X7: delivered once when unblocked");

    struct sigaction a = {.sa_sigaction = info, .sa_flags = SA_SIGINFO};
    for (int s = SIGRTMIN; s < SIGRTMIN + 3; s++)
        sigaction(s, &a, NULL);
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, &old);
    for (int i = 2; i >= 0; i--)
        sigqueue(getpid(), SIGRTMIN + i, (union sigval){.sival_int = i});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 9});
    sigprocmask(SIG_SETMASK, &old, NULL);
    /* Frames nest: the one delivered last runs first. All four arrive. */
    OK(n == 4, "X7: real-time signals queue");
    OK(last.si_code == SI_QUEUE && last.si_pid == getpid(), "X7: siginfo tells who");

    int fd[2];
    char c;
    pipe(fd);
    struct sigaction r = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &r, NULL);
    p = fork();
    if (!p) {
        usleep(100000);
        kill(getppid(), SIGALRM);
        usleep(100000);
        write(fd[1], "x", 1);
        _exit(0);
    }
    OK(read(fd[0], &c, 1) == 1, "X7: SA_RESTART restarts a read");
    waitpid(p, &st, 0);
    r.sa_flags = 0;
    sigaction(SIGALRM, &r, NULL);
    /* Again and again: on a busy host the first may come before the read has begun. */
    struct itimerval it = {.it_value = {0, 50000}, .it_interval = {0, 50000}}, off = {0};
    setitimer(ITIMER_REAL, &it, NULL);
    FAILS(read(fd[0], &c, 1), EINTR, "X7: without it the read ends with EINTR");
    struct timespec ts = {5, 0}, rem = {0, 0};
    setitimer(ITIMER_REAL, &it, NULL);
    OK(nanosleep(&ts, &rem) == -1 && errno == EINTR && rem.tv_sec == 4, "X7: nanosleep tells the time left");
    setitimer(ITIMER_REAL, &off, NULL);

    stack_t ss = {.ss_sp = alt, .ss_size = sizeof(alt)};
    OK(sigaltstack(&ss, NULL) == 0, "X7: sigaltstack");
    struct sigaction oa = {.sa_handler = on_alt, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR2, &oa, NULL);
    raise(SIGUSR2);
    OK(where >= alt && where < alt + sizeof(alt), "X7: SA_ONSTACK runs there");

    signal(SIGUSR2, fp_handler);
    double x = fp(1.0);
    raise(SIGUSR2);
    OK(x == fp(1.0), "C21: floating point survives a handler");
    p = fork();
    if (!p)
        _exit(fp(1.0) == x ? 0 : 1);
    waitpid(p, &st, 0);
    OK(st == 0, "C21: and a fork");

    p = fork();
    if (!p) {
        *(volatile int *)8 = 1;
        _exit(0);
    }
    waitpid(p, &st, 0);
    OK(WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV, "X7: a wild store is SIGSEGV");
    close(fd[0]);
    p = fork();
    if (!p) {
        signal(SIGPIPE, SIG_DFL);
        write(fd[1], "x", 1);
        _exit(0);
    }
    waitpid(p, &st, 0);
    OK(WIFSIGNALED(st) && WTERMSIG(st) == SIGPIPE, "SIGPIPE ends a writer without reader");
    FAILS(kill(999999, 0), ESRCH, "X7: kill of nobody is ESRCH");
    FAILS(kill(getpid(), 65), EINVAL, "X7: signal 65 is EINVAL");
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int sfd = signalfd(-1, &set, 0);
    p = fork();
    if (!p)
        _exit(0);
    struct signalfd_siginfo si;
    OK(read(sfd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGCHLD && si.ssi_pid == (unsigned)p,
       "signalfd reads a SIGCHLD");
    const int deadly[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGILL,
                          SIGFPE,  SIGTRAP, SIGSYS,  SIGXCPU, SIGRTMAX};
    for (unsigned i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
        kill(1, deadly[i]);
    usleep(50000);
    OK(kill(1, 0) == 0, "process 1 takes no signal that it does not handle");
    return ktap_done();
}
