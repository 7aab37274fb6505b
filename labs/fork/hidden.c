/* Lab 3, the hidden checks. */
#include "lab.h"

/* A tree of processes, five deep; each adds up what its children found. */
static int tree(int depth, char *p) {
    int n = 1;
    if (!depth)
        return n;
    for (int i = 0; i < 2; i++) {
        pid_t pid = lab_fork();
        if (!pid) {
            p[depth * PAGE] = depth + i;
            _exit(tree(depth - 1, p));
        }
        int status = lab_status(pid);
        if (status < 0 || status & 0xff || p[depth * PAGE])
            return 0;
        n += status >> 8;
    }
    return n;
}
CHECK(many) {
    char *p = lab_pages(8);
    lab_fork() ? (void)wait(NULL) : _exit(0);
    EXPECT_EQ(tree(5, p), 63, "children of children are processes like others: 63 in a tree");
    HOST_FREE(1);
    EXPECT_EQ(tree(5, p), 63, "and again");
    for (int i = 0; i < 60; i++)
        lab_status(lab_fork() ?: (_exit(0), 0));
    HOST_FREE(2);
    HOST_LOST(1, 2, 16, "as much memory is free as before");
}

/* Each allocation that fork makes fails once. */
CHECK(no_memory) {
    char *p = lab_pages(20);
    lab_fill(p, 20 * PAGE, 5);
    lab_status(lab_fork() ?: (_exit(0), 0));
    int n = 0, wrong = 0;
    for (int round = 0; round < 2; round++) { /* the first fills the kernel's caches */
        if (round)
            HOST_FREE(1);
        for (n = 1; n < 400; n++) {
            lab_fail_nth(n);
            pid_t pid = fork();
            int e = errno;
            lab_fail_nth(0);
            if (!pid)
                _exit(lab_holds(p, 20 * PAGE, 5) ? 0 : 1);
            if (pid > 0) {
                EXPECT_EQ(lab_status(pid), 0, "the fork that succeeds at last is whole");
                break;
            }
            wrong += e != ENOMEM;
        }
    }
    EXPECT(n > 4 && n < 400, "a fork whose n-th allocation fails, fails; for n large enough it succeeds");
    EXPECT_EQ(wrong, 0, "errno is ENOMEM each time");
    HOST_FREE(2);
    HOST_LOST(1, 2, 8, "a fork that fails gives back all that it took");
    EXPECT(lab_holds(p, 20 * PAGE, 5), "and leaves the parent's memory alone");
}

/* A user at the limit of processes: EAGAIN, many times, and nothing is used up. */
CHECK(refused) {
    uint64_t lim[2] = {3, 3};
    int fd[2];
    pipe(fd);
    pid_t user = lab_fork();
    if (!user) {
        close(fd[1]);
        syscall(SYS_prlimit64, 0, RLIMIT_NPROC, lim, NULL);
        setuid(1000);
        pid_t kid[8];
        int n = 0;
        while (n < 8 && (kid[n] = fork()) >= 0) {
            if (!kid[n]) {
                char c;
                read(fd[0], &c, 1);
                _exit(0);
            }
            n++;
        }
        EXPECT_EQ(n, 2, "with a limit of three processes a user's process has two children");
        EXPECT_EQ(errno, EAGAIN, "the next is refused with EAGAIN");
        HOST_FREE(1);
        for (int i = 0; i < 300; i++)
            if (fork() != -1 || errno != EAGAIN)
                _exit(1);
        HOST_FREE(2);
        HOST_LOST(1, 2, 4, "three hundred refused forks use nothing up");
        kill(kid[0], SIGKILL);
        waitpid(kid[0], NULL, 0);
        pid_t again = fork();
        if (!again)
            _exit(0);
        EXPECT(again > 0, "when one has ended, there is room again");
        waitpid(again, NULL, 0);
        _exit(0);
    }
    EXPECT_EQ(lab_status(user), 0, "the user's process ends well");
    close(fd[1]);
    EXPECT_EQ(lab_status(lab_fork() ?: (_exit(0), 0)), 0, "others can fork as ever");
}
