/* Lab 5, the public checks. Each runs as process 1: it is init, too. */
#include "lab.h"

CHECK(status) {
    static const int codes[] = {0, 1, 42, 127, 255};
    bool all = true;
    for (int i = 0; i < 5; i++) {
        pid_t pid = lab_fork();
        if (!pid)
            _exit(codes[i]);
        all &= lab_status(pid) == codes[i] << 8;
    }
    EXPECT(all, "wait gives the exit status of a child that has ended by itself");
    pid_t pid = lab_fork();
    if (!pid)
        for (;;)
            ;
    kill(pid, SIGTERM);
    EXPECT_EQ(lab_status(pid), SIGTERM, "and the signal of one that a signal has ended");
    pid = lab_fork();
    if (!pid)
        *(volatile int *)0 = 1;
    EXPECT_EQ(lab_status(pid) & 0x7f, SIGSEGV, "also when that came from a fault");
    EXPECT_ERRNO(wait(NULL), ECHILD, "with all children waited for, wait says that there are none");
}

CHECK(which) {
    pid_t kid[4];
    for (int i = 0; i < 4; i++)
        if (!(kid[i] = lab_fork()))
            _exit(10 + i);
    EXPECT_EQ(lab_status(kid[2]), 12 << 8, "waitpid waits for the child that it is asked for");
    EXPECT_EQ(lab_status(kid[0]), 10 << 8, "whatever the order is");
    EXPECT_ERRNO(waitpid(kid[2], NULL, 0), ECHILD, "a child is reaped once");
    int sum = 0, status;
    for (int i = 0; i < 2; i++) {
        pid_t pid = wait(&status);
        sum += pid == kid[1] || pid == kid[3] ? status >> 8 : 1000;
    }
    EXPECT_EQ(sum, 11 + 13, "wait takes any of the others");
    EXPECT_ERRNO(waitpid(1, NULL, 0), ECHILD, "a process that is no child cannot be waited for");
}

CHECK(nohang) {
    int fd[2];
    char c;
    pipe(fd);
    pid_t pid = lab_fork();
    if (!pid) {
        close(fd[1]);
        read(fd[0], &c, 1); /* until the parent closes its end */
        _exit(5);
    }
    int status = 77;
    EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0, "WNOHANG: a child that runs is no news");
    EXPECT_EQ(status, 77, "and the status is left alone");
    close(fd[1]);
    EXPECT_EQ(waitpid(pid, &status, 0), pid, "without WNOHANG wait sleeps until the child ends");
    EXPECT_EQ(status, 5 << 8, "and gives its status");
    EXPECT_ERRNO(waitpid(-1, &status, WNOHANG), ECHILD, "WNOHANG without children is an error");
}

static volatile int told;
static void on_chld(int sig) { told = sig; }
CHECK(sigchld) {
    signal(SIGCHLD, on_chld);
    pid_t pid = lab_fork();
    if (!pid)
        _exit(0);
    EXPECT_EQ(lab_status(pid), 0, "the child ends well");
    EXPECT_EQ(told, SIGCHLD, "the parent is sent SIGCHLD when a child ends");
    signal(SIGCHLD, SIG_IGN);
    int fd[2];
    char c;
    pipe(fd);
    for (int i = 0; i < 5; i++)
        if (!lab_fork())
            _exit(0);
    pid_t last = lab_fork();
    if (!last) {
        close(fd[1]);
        read(fd[0], &c, 1);
        _exit(0);
    }
    close(fd[1]);
    EXPECT_ERRNO(wait(NULL), ECHILD,
                 "who ignores SIGCHLD waits until all children are gone, and gets none of them");
    for (int i = 0; i < 100 && !kill(last, 0); i++)
        syscall(SYS_sched_yield); /* it may be on its way out still */
    EXPECT_ERRNO(kill(last, 0), ESRCH, "they leave no zombies");
}

/* A parent that ends before its child: init becomes the parent. */
CHECK(orphan) {
    int up[2], go[2];
    pid_t pids[3] = {0};
    pipe(up), pipe(go);
    pid_t parent = lab_fork();
    if (!parent) {
        pid_t child = lab_fork();
        if (!child) {
            char c;
            close(go[1]);
            read(go[0], &c, 1); /* until process 1 has seen the parent end */
            pids[0] = getpid(), pids[1] = getppid();
            write(up[1], pids, sizeof(pids));
            _exit(33);
        }
        _exit(0);
    }
    EXPECT_EQ(lab_status(parent), 0, "the parent ends first");
    close(go[1]);
    EXPECT_EQ(read(up[0], pids, sizeof(pids)), sizeof(pids), "the orphan lives on");
    EXPECT_EQ(pids[1], 1, "its parent is process 1 now");
    EXPECT_EQ(lab_status(pids[0]), 33 << 8, "process 1 can wait for it, and gets its status");
}
