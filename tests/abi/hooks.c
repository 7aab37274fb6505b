/* Who waits for something that ends: a poller's hook never outlives the queue that it hangs on. */
#include "ktap.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static int pidfd_open_(pid_t p) { return syscall(SYS_pidfd_open, p, 0); }
static int add(int ep, int fd) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}
static void churn(void) { /* the freed memory is used again */
    for (int i = 0; i < 30; i++) {
        pid_t p = fork();
        if (!p)
            _exit(0);
        waitpid(p, NULL, 0);
    }
}

int main(void) {
    struct epoll_event ev;
    sigset_t s;
    printf("KTAP version 1\n");
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, NULL);

    for (int round = 0; round < 3; round++) {
        int ep = epoll_create1(0), sfd = signalfd(-1, &s, SFD_NONBLOCK);
        pid_t p = fork();
        if (!p) /* hooks onto this child's signals */
            _exit(add(ep, sfd) != 0);
        OK(child_ends(p) == 0, "a child puts a signalfd into an epoll that it shares, and ends");
        churn();
        kill(getpid(), SIGUSR1);
        epoll_wait(ep, &ev, 1, 0); /* who put it there is gone: whether it is told is not said */
        if (round == 0)
            epoll_ctl(ep, EPOLL_CTL_DEL, sfd, NULL);
        if (round == 1)
            close(sfd);
        close(ep);
        churn();
        struct signalfd_siginfo si;
        if (round != 1)
            OK(read(sfd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGUSR1, "the signalfd works on");
        else
            sigwaitinfo(&s, NULL);
        close(sfd);
    }
    OK(1, "the epoll that hung on a process that is gone: removed, its file closed, it closed itself");

    int ep = epoll_create1(0), go[2];
    pipe(go);
    pid_t p = fork();
    if (!p) {
        char c;
        close(go[1]);
        read(go[0], &c, 1);
        _exit(0);
    }
    int pfd = pidfd_open_(p);
    OK(!add(ep, pfd) && epoll_wait(ep, &ev, 1, 0) == 0, "a pidfd in an epoll");
    close(go[1]);
    OK(epoll_wait(ep, &ev, 1, 5000) == 1, "tells that the process has ended");
    waitpid(p, NULL, 0);
    churn();
    OK(epoll_wait(ep, &ev, 1, 0) == 1, "also when it has been waited for");
    close(pfd);
    churn();
    OK(epoll_wait(ep, &ev, 1, 0) == 0, "and is forgotten with its file");
    close(ep);

    int fds[6], n = 0;
    ep = epoll_create1(0);
    pipe(fds);
    fds[2] = eventfd(0, EFD_NONBLOCK);
    fds[3] = timerfd_create(CLOCK_MONOTONIC, 0);
    fds[4] = signalfd(-1, &s, 0);
    fds[5] = epoll_create1(0);
    for (int i = 0; i < 6; i++)
        n += !add(ep, fds[i]);
    OK(n == 6, "both ends of a pipe, an eventfd, a timerfd, a signalfd, an epoll");
    p = fork();
    if (!p) { /* the last reference to each goes in another process, one while somebody polls */
        usleep(100000);
        _exit(0);
    }
    for (int i = 0; i < 6; i++)
        close(fds[i]);
    struct pollfd pf = {ep, POLLIN, 0};
    poll(&pf, 1, 20);
    OK(child_ends(p) == 0, "closed in two processes");
    churn();
    OK(epoll_wait(ep, &ev, 1, 0) == 0, "nothing is left in the epoll");
    close(ep);
    return ktap_done();
}
