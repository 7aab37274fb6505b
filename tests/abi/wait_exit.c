/* X2, X3, C24: exit, zombies, wait's options, reparenting. */
#include "ktap.h"
#include <sys/prctl.h>

static int got_usr1;
static void usr1(int s) { (void)s, got_usr1++; }

int main(void) {
    printf("KTAP version 1\n");
    int st;
    siginfo_t si;
    FAILS(waitpid(-1, &st, 0), ECHILD, "X3: no child is ECHILD");
    FAILS(waitpid(-1, &st, 0x1000), EINVAL, "X3: an unknown option is EINVAL");
    pid_t p = fork();
    if (!p) {
        pause();
        _exit(0);
    }
    OK(waitpid(p, &st, WNOHANG) == 0, "X3: WNOHANG with nothing to tell is 0");
    kill(p, SIGSTOP);
    OK(waitpid(p, &st, WUNTRACED) == p && WIFSTOPPED(st) && WSTOPSIG(st) == SIGSTOP,
       "X3: WUNTRACED tells of a stop");
    kill(p, SIGCONT);
    OK(waitpid(p, &st, WCONTINUED) == p && WIFCONTINUED(st), "X3: WCONTINUED tells that it goes on");
    kill(p, SIGTERM);
    OK(waitid(P_PID, p, &si, WEXITED | WNOWAIT) == 0 && si.si_code == CLD_KILLED && si.si_status == SIGTERM,
       "X3: WNOWAIT looks and leaves");
    OK(waitpid(p, &st, 0) == p && WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM, "X3: killed by a signal");

    signal(SIGUSR1, usr1);
    p = raw_clone(SIGUSR1, 0, 0, 0, 0);
    if (!p)
        _exit(1);
    FAILS(({
              long r;
              while ((r = waitpid(p, &st, 0)) == -1 && errno == EINTR)
                  ;
              r;
          }),
          ECHILD, "C24: a child with another exit signal needs __WALL");
    OK(waitpid(p, &st, __WALL) == p, "C24: and is found by __WALL");
    OK(got_usr1 == 1, "C24: its exit signal was sent");

    signal(SIGCHLD, SIG_IGN);
    p = fork();
    if (!p)
        _exit(0);
    FAILS(waitpid(p, &st, 0), ECHILD, "X2: with SIGCHLD ignored no zombie is left");
    signal(SIGCHLD, SIG_DFL);

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int fds[2];
    pipe(fds);
    p = fork();
    if (!p) {
        pid_t g = fork();
        if (!g) {
            usleep(50000);
            pid_t up = getppid();
            write(fds[1], &up, sizeof(up));
            _exit(5);
        }
        _exit(0);
    }
    waitpid(p, &st, 0);
    pid_t up = 0;
    read(fds[0], &up, sizeof(up));
    OK(up == getpid(), "X2: an orphan goes to the nearest subreaper");
    OK(wait(&st) > 0 && WEXITSTATUS(st) == 5, "X2: which reaps it");
    struct rusage ru;
    p = fork();
    if (!p) {
        for (volatile long i = 0; i < 30000000; i++)
            ;
        _exit(0);
    }
    OK(wait4(p, &st, 0, &ru) == p && ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec > 1000,
       "X3: wait4 tells the child's time");
    p = fork();
    if (!p) {
        setpgid(0, 0);
        pause();
    }
    while (getpgid(p) != p)
        usleep(1000);
    kill(-p, SIGKILL);
    OK(waitpid(-p, &st, 0) == p && WTERMSIG(st) == SIGKILL, "X3 C30: kill and wait by process group");
    return ktap_done();
}
