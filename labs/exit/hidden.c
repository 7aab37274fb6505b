/* Lab 5, the hidden checks. */
#include "lab.h"

/* Many parents end with children that run, and with children that have ended: process 1 gets them all. */
static int storm(int parents, int each) {
    int got = 0, status;
    for (int i = 0; i < parents; i++) {
        pid_t p = lab_fork();
        if (!p) {
            for (int j = 0; j < each; j++)
                if (!lab_fork()) {
                    for (volatile int k = lab_random(3000) * (j & 1); k; k--)
                        ;
                    _exit(1);
                }
            _exit(1);
        }
    }
    while (wait(&status) > 0)
        got += status == 1 << 8;
    return got;
}
CHECK(orphan_storm) {
    EXPECT_EQ(storm(4, 5), 24, "process 1 can reap all orphans");
    EXPECT_EQ(storm(12, 8), 12 * 9, "also when a hundred come at once");
    HOST_FREE(1);
    EXPECT_ERRNO(wait(NULL), ECHILD, "after which there are none left");
    /* A zombie whose parent ends, while process 1 sleeps in wait and no child of its own ends. */
    int go[2], status;
    char c;
    pipe(go);
    pid_t grand = lab_fork();
    if (!grand) {
        pid_t parent = lab_fork();
        if (!parent) {
            struct abi_siginfo info;
            pid_t zombie = lab_fork();
            if (!zombie)
                _exit(66);
            syscall(SYS_waitid, P_PID, zombie, &info, WEXITED | WNOWAIT, NULL);
            _exit(0);
        }
        lab_status(parent);
        read(go[0], &c, 1);
        _exit(0);
    }
    EXPECT(wait(&status) != grand && status == 66 << 8, "a zombie that comes to process 1 wakes it");
    write(go[1], "x", 1);
    EXPECT_EQ(lab_status(grand), 0, "the grandparent goes on");
    for (int i = 0; i < 4; i++)
        storm(12, 8);
    HOST_FREE(2);
    HOST_LOST(1, 2, 48, "what ended tasks had is given back");
}

/* The child ends just before, while and after the parent looks: it must always be found. */
CHECK(lost_wakeup) {
    int bad = 0, status;
    for (int i = 0; i < 60; i++) {
        int spin = lab_random(4000), wait_first = lab_random(4000);
        pid_t pid = lab_fork();
        if (!pid) {
            for (volatile int k = spin; k; k--)
                ;
            _exit(i);
        }
        for (volatile int k = wait_first; k; k--)
            ;
        bad += waitpid(i & 1 ? pid : -1, &status, 0) != pid || status != i << 8;
    }
    EXPECT_EQ(bad, 0, "every wait finds its child, whenever that ends");
}

CHECK(groups) {
    pid_t a = lab_fork();
    if (!a)
        _exit(setpgid(0, 0) ? 99 : 1);
    pid_t b = lab_fork();
    if (!b)
        _exit(2);
    /* the first one's group, if it is not there yet */
    setpgid(a, a);
    EXPECT_EQ(waitpid(0, NULL, 0), b, "waitpid(0) waits for children of the caller's process group");
    EXPECT_EQ(waitpid(-a, NULL, 0), a, "waitpid(-group) for those of another");
    EXPECT_ERRNO(waitpid(-a, NULL, 0), ECHILD, "and there is none left");
}

CHECK(peek) {
    pid_t pid = lab_fork();
    struct abi_siginfo info = {0};
    if (!pid)
        _exit(9);
    for (int i = 0; i < 3; i++) {
        info.pid = 0;
        EXPECT_EQ(syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOWAIT, NULL), 0,
                  "waitid with WNOWAIT finds the child");
        EXPECT(info.pid == pid && info.status == 9 && info.si_code == CLD_EXITED,
               "and says who it is and how it ended");
    }
    EXPECT_EQ(lab_status(pid), 9 << 8, "which is left to be waited for");
    pid = lab_fork();
    if (!pid)
        for (;;)
            ;
    kill(pid, SIGKILL);
    info.pid = 0;
    EXPECT_EQ(syscall(SYS_waitid, P_PID, pid, &info, WEXITED, NULL), 0, "a killed child");
    EXPECT(info.pid == pid && info.status == SIGKILL && info.si_code == CLD_KILLED, "is told as killed");
}
