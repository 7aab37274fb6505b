/* C4, E4: control groups: how many tasks may be in one, CLONE_INTO_CGROUP, and a fork bomb that stays inside.
 */
#include "ktap.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#define TOP "/tmp/cg"

static int waits(void) {
    while (pause())
        ;
    return 0;
}
static int is(const char *file, const char *want) { return !strcmp(get_text(file), want); }
static void enter(const char *group) {
    char b[64];
    snprintf(b, sizeof(b), TOP "/%s/cgroup.procs", group);
    put_text(b, "0");
}
static void *thread(void *a) {
    usleep(100000);
    return a;
}

int main(void) {
    printf("KTAP version 1\n");
    fflush(stdout);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* so that what is left behind can be waited for */
    mkdir("/tmp", 0777), mkdir(TOP, 0755);
    OK(!mount("none", TOP, "cgroup2", 0, NULL), "mount cgroup2");
    OK(strstr(get_text(TOP "/cgroup.controllers"), "pids") != NULL, "the pids controller is there");
    OK(!put_text(TOP "/cgroup.subtree_control", "+pids"), "for the children of the root");
    FAILS(put_text(TOP "/cgroup.subtree_control", "+nonsense"), EINVAL, "one that is not there: EINVAL");
    OK(!mkdir(TOP "/a", 0755) && !access(TOP "/a/pids.max", F_OK) && access(TOP "/pids.max", F_OK),
       "a group, with its limit; the root has none");
    FAILS(mkdir(TOP "/a", 0755), EEXIST, "twice: EEXIST");
    OK(is(TOP "/a/pids.max", "max\n") && is(TOP "/a/pids.current", "0\n") &&
           is(TOP "/a/cgroup.events", "populated 0\nfrozen 0\n"),
       "it is empty, and has no limit");
    OK(!put_text(TOP "/a/pids.max", "5") && is(TOP "/a/pids.max", "5\n"), "pids.max");
    FAILS(put_text(TOP "/a/pids.max", "-5"), EINVAL, "less than none: EINVAL");
    FAILS(put_text(TOP "/a/cgroup.procs", "x"), EINVAL, "no number: EINVAL");
    FAILS(put_text(TOP "/a/cgroup.procs", "4194000"), ESRCH, "nobody: ESRCH");
    pid_t p = fork();
    if (!p) {
        enter("a");
        pid_t c[8];
        int n = 0;
        while (n < 8 && (c[n] = fork()) > 0)
            n++;
        if (n < 8 && !c[n])
            _exit(waits());
        int refused = n < 8 && errno == EAGAIN;
        pthread_t t;
        refused &= pthread_create(&t, 0, thread, 0) == EAGAIN;
        kill(c[0], SIGKILL);
        waitpid(c[0], 0, 0);
        refused &= pthread_create(&t, 0, thread, 0) == 0;
        pthread_join(t, 0);
        for (int i = 1; i < n; i++)
            kill(c[i], SIGKILL), waitpid(c[i], 0, 0);
        _exit(refused ? n : 20);
    }
    OK(child_ends(p) == 4,
       "five tasks and no more: EAGAIN, for threads too; and when one has gone, one more");
    OK(is(TOP "/a/pids.current", "0\n") && strcmp(get_text(TOP "/a/pids.events"), "max 0\n"),
       "all are uncounted, and the refusals counted");
    OK(!put_text(TOP "/a/cgroup.subtree_control", "+pids") && !mkdir(TOP "/a/b", 0755) &&
           !put_text(TOP "/a/b/pids.max", "100"),
       "a group in a group");
    p = fork();
    if (!p) {
        enter("a/b");
        int n = 0;
        for (pid_t c; n < 20 && (c = fork()) >= 0; n++)
            if (!c)
                _exit(waits());
        _exit(n);
    }
    OK(child_ends(p) == 4, "the outer one's limit counts");
    OK(is(TOP "/a/pids.current", "4\n") && is(TOP "/a/b/pids.current", "4\n") &&
           is(TOP "/a/cgroup.events", "populated 1\nfrozen 0\n"),
       "its children are there still, in both");
    FAILS(rmdir(TOP "/a/b"), EBUSY, "a group with tasks is not removed: EBUSY");
    FAILS(put_text(TOP "/a/cgroup.procs", "0"), EBUSY, "nor may tasks be where controllers share out: EBUSY");
    FAILS(put_text(TOP "/a/cgroup.kill", "2"), ERANGE, "cgroup.kill wants 1: ERANGE");
    OK(!put_text(TOP "/a/cgroup.kill", "1"), "cgroup.kill");
    for (int i = 0; i < 200 && !is(TOP "/a/cgroup.events", "populated 0\nfrozen 0\n"); i++)
        usleep(10000);
    OK(is(TOP "/a/cgroup.events", "populated 0\nfrozen 0\n"), "ends all of them");
    while (waitpid(-1, NULL, 0) > 0)
        ;
    for (int i = 0; i < 200 && !is(TOP "/a/b/pids.current", "0\n"); i++)
        usleep(10000);

    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
            set_tid_size, cgroup;
    } a = {.flags = 0x200000000UL, .exit_signal = SIGCHLD};
    a.cgroup = open(TOP "/a/b", O_RDONLY | O_DIRECTORY);
    p = syscall(SYS_clone3, &a, sizeof(a));
    if (!p)
        _exit(strcmp(get_text("/proc/self/cgroup"), "0::/a/b\n") ? 1 : 7);
    OK(child_ends(p) == 7, "CLONE_INTO_CGROUP: the child begins there; /proc/PID/cgroup");
    put_text(TOP "/a/b/pids.max", "0");
    FAILS(syscall(SYS_clone3, &a, sizeof(a)), EAGAIN, "and its limit counts: EAGAIN");
    close(a.cgroup);
    a.cgroup = open("/tmp", O_RDONLY | O_DIRECTORY);
    FAILS(syscall(SYS_clone3, &a, sizeof(a)), EBADF, "a directory that is none: EBADF");
    a.cgroup = 1000;
    FAILS(syscall(SYS_clone3, &a, sizeof(a)), EBADF, "a descriptor that is none: EBADF");

    /* A bomb: every process makes others as fast as it can. */
    put_text(TOP "/a/pids.max", "30"), put_text(TOP "/a/b/pids.max", "max");
    p = fork();
    if (!p) {
        enter("a/b");
        for (;;)
            fork();
    }
    for (int i = 0; i < 2000 && atoi(get_text(TOP "/a/pids.current")) < 30; i++)
        usleep(5000);
    int calm = 0;
    for (int i = 0; i < 20; i++) {
        pid_t c = fork();
        if (!c)
            _exit(3);
        calm += child_ends(c) == 3;
    }
    int n = atoi(get_text(TOP "/a/pids.current"));
    OK(calm == 20 && n <= 30 && n > 20, "a fork bomb stays inside, and we go on");
    put_text(TOP "/a/cgroup.kill", "1");
    child_ends(p);
    for (int i = 0; i < 500 && !is(TOP "/a/pids.current", "0\n"); i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        usleep(10000);
    }
    OK(is(TOP "/a/pids.current", "0\n"), "and is ended as a whole");

    int names = 0;
    DIR *d = opendir(TOP "/a");
    for (struct dirent *e; (e = readdir(d));)
        names |= !strcmp(e->d_name, "b")              ? 1
                 : !strcmp(e->d_name, "pids.max")     ? 2
                 : !strcmp(e->d_name, "cgroup.procs") ? 4
                                                      : 0;
    closedir(d);
    OK(names == 7, "a directory lists its files and groups");
    FAILS(rmdir(TOP "/a"), EBUSY, "a group with groups: EBUSY");
    int fd = open(TOP "/a/b/pids.max", O_RDONLY);
    OK(!rmdir(TOP "/a/b") && !rmdir(TOP "/a"), "rmdir");
    char text[10];
    FAILS(read(fd, text, 10), ENODEV, "a file of what is gone: ENODEV");
    close(fd);
    put_text(TOP "/cgroup.subtree_control", "-pids");
    OK(!umount(TOP), "umount");
    rmdir(TOP);
    return ktap_done();
}
