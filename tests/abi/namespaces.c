/* C20: namespaces of host names, IPC objects, process numbers and mounts; unshare, setns, /proc/PID/ns,
 * pivot_root. */
#include "ktap.h"
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/utsname.h>

static int st;
/* fn in a child made with these flags; what it exits with. */
static int in_clone(unsigned long flags, int (*fn)(void)) {
    fflush(stdout);
    pid_t p = raw_clone(flags | SIGCHLD, 0, 0, 0, 0);
    if (!p)
        _exit(fn());
    return child_ends(p);
}
static const char *host(void) {
    static struct utsname u;
    uname(&u);
    return u.nodename;
}
static unsigned long ns_number(const char *of, const char *kind) {
    char path[64], text[64] = "";
    unsigned long n = 0;
    snprintf(path, sizeof(path), "/proc/%s/ns/%s", of, kind);
    readlink(path, text, sizeof(text) - 1);
    sscanf(strchr(text, '[') ?: "[0", "[%lu", &n);
    return n;
}

/* --- host names, IPC --- */
static unsigned long outer[4];
static int rename_host(void) {
    int other = ns_number("self", "uts") != outer[0] && ns_number("self", "ipc") == outer[1];
    return sethostname("inside", 6) || strcmp(host(), "inside") || setdomainname("dom", 3) ? 1
           : other                                                                         ? 5
                                                                                           : 2;
}
static int key = 0x5eed, outer_sem;
static int no_semaphores(void) {
    int id = semget(key, 1, 0);
    if (id != -1 || errno != ENOENT || semctl(outer_sem, 0, GETVAL) != -1)
        return 1;
    id = semget(key, 1, IPC_CREAT | 0600);
    int shm = shmget(key, 4096, IPC_CREAT | 0600);
    int *at = shmat(shm, 0, 0);
    *at = 5;
    return id < 0 || shm < 0 ? 2 : 6;
}
static int unshares_uts(void) {
    if (unshare(CLONE_NEWUTS) || sethostname("other", 5))
        return 1;
    int fd = open("/proc/1/ns/uts", O_RDONLY);
    if (fd < 0 || setns(fd, CLONE_NEWIPC) != -1 || errno != EINVAL)
        return 2;
    if (strcmp(host(), "other") || setns(fd, 0))
        return 3;
    return strcmp(host(), "outside") ? 4 : 7;
}
static int as_user(void) {
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    int bad = !(unshare(CLONE_NEWUTS) == -1 && errno == EPERM);
    bad |= !(raw_clone(CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0) == -1 && errno == EPERM);
    bad |= !(raw_clone(CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0) == -1 && errno == EPERM);
    bad |= !(sethostname("x", 1) == -1 && errno == EPERM);
    return bad ? 1 : 8;
}
static void names_and_ipc(void) {
    sethostname("outside", 7);
    outer[0] = ns_number("self", "uts"), outer[1] = ns_number("self", "ipc");
    OK(outer[0] && ns_number("1", "uts") == outer[0], "/proc/PID/ns/uts is the same for two that share it");
    OK(in_clone(CLONE_NEWUTS, rename_host) == 5 && !strcmp(host(), "outside"),
       "CLONE_NEWUTS: a host name of its own");
    outer_sem = semget(key, 1, IPC_CREAT | 0600);
    OK(in_clone(CLONE_NEWIPC, no_semaphores) == 6,
       "CLONE_NEWIPC: none of ours is there, and room for others");
    OK(semget(key, 1, 0) == outer_sem && shmget(key, 1, 0) == -1, "which are not here");
    semctl(outer_sem, 0, IPC_RMID);
    OK(in_clone(0, unshares_uts) == 7, "unshare, and back by setns");
    OK(in_clone(0, as_user) == 8, "not without the right: EPERM");
    FAILS(unshare(0x1000), EINVAL, "unshare of what is nothing: EINVAL");
    FAILS(setns(0, CLONE_NEWUTS), EINVAL, "setns to what is no namespace: EINVAL");
    FAILS(setns(99, CLONE_NEWUTS), EBADF, "or no file: EBADF");
    OK(!unshare(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM), "unshare of the files and directories");
}

/* --- process numbers --- */
static int first(void) {
    return getpid() == 1 && gettid() == 1 && getppid() == 0 && getpgid(0) == 0 && getsid(0) == 0 ? 11 : 1;
}
static volatile int hit;
static void handler(int s) { hit = s; }
static int cannot_be_killed(void) {
    kill(getpid(), SIGKILL);
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGSTOP);
    pid_t p = fork();
    if (!p) {
        if (getpid() != 2 || getppid() != 1)
            _exit(1);
        kill(1, SIGKILL);
        kill(1, SIGTERM);
        _exit(kill(3, 0) == -1 && errno == ESRCH ? 2 : 3);
    }
    if (p != 2 || child_ends(p) != 2)
        return 2;
    signal(SIGTERM, handler);
    p = fork();
    if (!p) {
        kill(1, SIGTERM);
        _exit(0);
    }
    child_ends(p);
    return hit == SIGTERM ? 12 : 3;
}
static int adopts(void) {
    int pipes[2], n = 0;
    pipe(pipes);
    pid_t p = fork();
    if (!p) {
        pid_t c = fork();
        if (!c) {
            while (getppid() != 1)
                usleep(1000);
            _exit(33);
        }
        _exit(0);
    }
    if (child_ends(p) != 0)
        return 1;
    n = waitpid(-1, &st, 0);
    return n == 3 && WEXITSTATUS(st) == 33 ? 13 : 2;
}
static int pipe_fd[2];
static int leaves_others(void) {
    for (int i = 0; i < 4; i++)
        if (!fork()) {
            if (i == 3) {
                signal(SIGTERM, SIG_IGN);
                setsid();
            }
            close(pipe_fd[0]);
            for (;;)
                pause();
        }
    return 14;
}
static int waits(void) {
    while (pause())
        ;
    return 0;
}
static void info_handler(int s, siginfo_t *si, void *uc) {
    (void)s, (void)uc;
    hit = si->si_pid;
}
static int sees_outer_as_0(void) {
    struct sigaction a = {.sa_sigaction = info_handler, .sa_flags = SA_SIGINFO};
    hit = -1;
    sigaction(SIGUSR1, &a, NULL);
    write(pipe_fd[1], "x", 1);
    while (hit == -1)
        usleep(1000);
    return hit == 0 ? 15 : 1;
}
static int nested(void) {
    pid_t p = raw_clone(CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (!p)
        _exit(getpid() == 1 && getppid() == 0 ? 44 : 1);
    if (p != 2)
        return 1;
    return child_ends(p) == 44 ? 16 : 2;
}
static int own_proc(void) {
    char text[64] = "";
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("proc", "/proc", "proc", 0, NULL))
        return 1;
    readlink("/proc/self", text, sizeof(text) - 1);
    if (strcmp(text, "1"))
        return 2;
    pid_t p = fork();
    if (!p) {
        readlink("/proc/self", text, sizeof(text) - 1);
        _exit(strcmp(text, "2") || access("/proc/2/stat", F_OK) || !access("/proc/3", F_OK) ? 1 : 0);
    }
    return child_ends(p) == 0 ? 17 : 3;
}
static int groups(void) {
    if (setsid() != 1 || getpgid(0) != 1 || getsid(0) != 1)
        return 1;
    pid_t p = fork();
    if (!p) {
        if (getpgid(0) != 1 || setpgid(0, 0) || getpgid(0) != getpid())
            _exit(1);
        for (;;)
            pause();
    }
    while (getpgid(p) != p)
        usleep(1000);
    kill(-p, SIGTERM);
    siginfo_t si = {0};
    if (waitid(P_PGID, p, &si, WEXITED) || si.si_pid != p || si.si_status != SIGTERM)
        return 2;
    return kill(-p, 0) == -1 && errno == ESRCH ? 18 : 3;
}
static int unshares_pid(void) {
    pid_t me = getpid();
    if (unshare(CLONE_NEWPID) || getpid() != me)
        return 1;
    if (ns_number("self", "pid") == ns_number("self", "pid_for_children") &&
        access("/proc/self/ns/pid_for_children", F_OK) == 0 && ns_number("self", "pid_for_children"))
        return 5;
    pid_t p = fork();
    if (!p)
        _exit(getpid() == 1 ? 55 : 1);
    if (child_ends(p) != 55)
        return 2;
    errno = 0; /* its process 1 has ended: there are no more */
    p = fork();
    if (!p)
        _exit(0);
    return p == -1 && errno == ENOMEM ? 19 : 3;
}
static int set_tids(void) {
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
            set_tid_size, cgroup;
    } a = {.exit_signal = SIGCHLD, .set_tid_size = 1};
    pid_t tids[3] = {77};
    a.set_tid = (uintptr_t)tids;
    pid_t p = syscall(SYS_clone3, &a, sizeof(a));
    if (!p)
        _exit(getpid() == 77 ? 0 : 1);
    if (p != 77 || child_ends(p) != 0)
        return 1;
    tids[0] = 78, tids[1] = 30123;
    a.set_tid_size = 2;
    p = syscall(SYS_clone3, &a, sizeof(a));
    if (!p)
        _exit(getpid() == 78 ? 0 : 1);
    if (p != 78 || child_ends(p) != 0)
        return 2;
    tids[0] = 1, tids[1] = 0;
    a.set_tid_size = 1;
    p = syscall(SYS_clone3, &a, sizeof(a));
    if (!p)
        _exit(0);
    if (p != -1 || errno != EEXIST)
        return 3;
    a.set_tid_size = 4;
    tids[0] = 79, tids[1] = tids[2] = 30124;
    p = syscall(SYS_clone3, &a, sizeof(a));
    if (!p)
        _exit(0);
    return p == -1 && (errno == EINVAL || errno == EFAULT) ? 20 : 4;
}
static void process_numbers(void) {
    OK(in_clone(CLONE_NEWPID, first) == 11, "CLONE_NEWPID: process 1, its parent is nobody");
    OK(in_clone(CLONE_NEWPID, cannot_be_killed) == 12, "process 1 takes from inside only what it handles");
    OK(in_clone(CLONE_NEWPID, adopts) == 13, "orphans are its children");
    pipe(pipe_fd);
    fflush(stdout);
    pid_t p = raw_clone(CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (!p)
        _exit(leaves_others());
    OK(child_ends(p) == 14, "process 1 ends");
    close(pipe_fd[1]);
    char b;
    OK(read(pipe_fd[0], &b, 1) == 0, "and all of its namespace with it, before it is waited for");
    close(pipe_fd[0]);
    p = raw_clone(CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (!p)
        _exit(waits());
    usleep(10000);
    kill(p, SIGTERM);
    usleep(20000);
    OK(waitpid(p, &st, WNOHANG) == 0, "a signal from outside that it does not handle is nothing to it");
    kill(p, SIGSTOP);
    OK(waitpid(p, &st, WUNTRACED) == p && WIFSTOPPED(st), "but SIGSTOP from outside stops it");
    kill(p, SIGKILL);
    OK(child_ends(p) == 1000 + SIGKILL, "and SIGKILL ends it");
    pipe(pipe_fd);
    p = raw_clone(CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (!p)
        _exit(sees_outer_as_0());
    read(pipe_fd[0], &b, 1);
    kill(p, SIGUSR1);
    OK(child_ends(p) == 15, "a sender from outside has the number 0");
    OK(in_clone(CLONE_NEWPID, nested) == 16, "namespaces in namespaces");
    OK(in_clone(CLONE_NEWPID | CLONE_NEWNS, own_proc) == 17, "a /proc that is mounted there has its numbers");
    OK(in_clone(CLONE_NEWPID, groups) == 18, "sessions and groups, signals and waits for them");
    OK(in_clone(0, unshares_pid) == 19,
       "unshare: the next child is process 1, and after its end there is none");
    OK(in_clone(CLONE_NEWPID, set_tids) == 20, "clone3: set_tid, in each namespace");
    p = raw_clone(CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (!p)
        _exit(waits());
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/pid", p);
    int fd = open(path, O_RDONLY);
    pid_t q = fork();
    if (!q) {
        if (setns(fd, CLONE_NEWPID))
            _exit(1);
        pid_t c = fork();
        if (!c)
            _exit(getpid() == 2 && getppid() == 0 ? 21 : 2);
        _exit(child_ends(c));
    }
    OK(child_ends(q) == 21, "setns: the next child is in that namespace");
    kill(p, SIGKILL);
    child_ends(p);
    q = fork();
    if (!q) {
        int r = setns(fd, CLONE_NEWPID);
        errno = 0;
        pid_t c = r ? 0 : fork();
        if (!c)
            _exit(1);
        _exit(c == -1 && errno == ENOMEM ? 22 : 2);
    }
    OK(child_ends(q) == 22, "one that has died takes nobody in");
    close(fd);
}

/* --- mounts --- */
static int mounts_inside(void) {
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", "/tmp/ns_a", "tmpfs", 0, NULL))
        return 1;
    close(open("/tmp/ns_a/file", O_CREAT | O_RDWR, 0600));
    return access("/tmp/ns_a/file", F_OK) ? 2 : 31;
}
static int binds(void) {
    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    close(open("/tmp/ns_a/seen", O_CREAT | O_RDWR, 0600));
    if (mount("/tmp/ns_a", "/tmp/ns_b", NULL, MS_BIND, NULL) || access("/tmp/ns_b/seen", F_OK))
        return 1;
    int fd = open("/tmp/ns_b/seen", O_RDONLY);
    if (umount2("/tmp/ns_b", 0) != -1 || errno != EBUSY)
        return 2;
    if (umount2("/tmp/ns_b", MNT_DETACH) || !access("/tmp/ns_b/seen", F_OK))
        return 3;
    char b;
    if (read(fd, &b, 1) != 0)
        return 4;
    close(fd);
    if (mount("none", "/tmp/ns_a", "tmpfs", 0, NULL) || mkdir("/tmp/ns_a/sub", 0700) ||
        mount("none", "/tmp/ns_a/sub", "tmpfs", 0, NULL))
        return 5;
    close(open("/tmp/ns_a/sub/deep", O_CREAT | O_RDWR, 0600));
    if (mount("/tmp/ns_a", "/tmp/ns_b", NULL, MS_BIND, NULL) || !access("/tmp/ns_b/sub/deep", F_OK) ||
        umount("/tmp/ns_b"))
        return 6;
    if (mount("/tmp/ns_a", "/tmp/ns_b", NULL, MS_BIND | MS_REC, NULL) || access("/tmp/ns_b/sub/deep", F_OK))
        return 7;
    if (umount("/tmp/ns_b") != -1 || errno != EBUSY || umount("/tmp/ns_b/sub") || umount("/tmp/ns_b"))
        return 8;
    if (mount("/tmp/ns_a/sub", "/tmp/ns_b", NULL, MS_MOVE, NULL) || access("/tmp/ns_b/deep", F_OK) ||
        !access("/tmp/ns_a/sub/deep", F_OK))
        return 9;
    if (mount("/tmp/ns_a/sub", "/tmp/ns_b", NULL, MS_MOVE, NULL) != -1 || errno != EINVAL)
        return 10;
    return 32;
}
/* A shared mount at /tmp/ns_a; what the child mounts below it is seen here, if it stays a peer. */
static int mounts_below(void) {
    return mount("none", "/tmp/ns_a/sub", "tmpfs", 0, NULL) || mkdir("/tmp/ns_a/sub/made", 0700) ? 1 : 33;
}
static int mounts_below_private(void) {
    mount("none", "/tmp/ns_a", NULL, MS_PRIVATE, NULL);
    return mounts_below();
}
static int mounts_below_slave(void) {
    if (mount("none", "/tmp/ns_a", NULL, MS_SLAVE, NULL))
        return 1;
    write(pipe_fd[1], "x", 1);
    while (access("/tmp/ns_a/sub/by_parent", F_OK))
        usleep(1000);
    return mount("none", "/tmp/ns_a/sub2", "tmpfs", 0, NULL) || mkdir("/tmp/ns_a/sub2/made", 0700) ? 2 : 34;
}
static int propagation(void) {
    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (mount("none", "/tmp/ns_a", "tmpfs", 0, NULL) || mkdir("/tmp/ns_a/sub", 0700) ||
        mkdir("/tmp/ns_a/sub2", 0700) || mount("none", "/tmp/ns_a", NULL, MS_SHARED, NULL))
        return 1;
    if (in_clone(CLONE_NEWNS, mounts_below) != 33 || access("/tmp/ns_a/sub/made", F_OK))
        return 2;
    if (umount("/tmp/ns_a/sub") || !access("/tmp/ns_a/sub/made", F_OK))
        return 3;
    if (in_clone(CLONE_NEWNS, mounts_below_private) != 33 || !access("/tmp/ns_a/sub/made", F_OK))
        return 4;
    pipe(pipe_fd);
    pid_t p = raw_clone(CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    if (!p)
        _exit(mounts_below_slave());
    char b;
    read(pipe_fd[0], &b, 1);
    if (mount("none", "/tmp/ns_a/sub", "tmpfs", 0, NULL) || mkdir("/tmp/ns_a/sub/by_parent", 0700) ||
        child_ends(p) != 34)
        return 5;
    return access("/tmp/ns_a/sub2/made", F_OK) == -1 ? 35 : 6;
}
static int pivots(void) {
    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (mount("none", "/tmp/ns_a", "tmpfs", 0, NULL) || chdir("/tmp/ns_a") || chroot("."))
        return 1;
    mkdir("/new", 0700), mkdir("/plain", 0700), mkdir("/in_old", 0700);
    if (mount("none", "/new", "tmpfs", 0, NULL) || mkdir("/new/old", 0700) || mkdir("/new/mark", 0700))
        return 2;
    if (syscall(SYS_pivot_root, "/plain", "/plain") != -1 || errno != EBUSY)
        return 3;
    if (syscall(SYS_pivot_root, "/new", "/in_old") != -1 || errno != EBUSY)
        return 4;
    if (syscall(SYS_pivot_root, "/new/mark", "/new/old") != -1 || errno != EINVAL)
        return 8;
    if (syscall(SYS_pivot_root, "/new", "/new/old"))
        return 5;
    char here[64];
    if (access("/mark", F_OK) || access("/old/in_old", F_OK) || !getcwd(here, sizeof(here)) ||
        strcmp(here, "/"))
        return 6;
    if (umount2("/old", MNT_DETACH) || !access("/old/in_old", F_OK) || chdir("/..") || access("mark", F_OK))
        return 7;
    return 36;
}
static int enters(void) {
    char path[64];
    fflush(stdout);
    pipe(pipe_fd);
    pid_t p = raw_clone(CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    if (!p) {
        int r = mounts_inside();
        write(pipe_fd[1], "x", 1);
        for (; r == 31;)
            pause();
        _exit(r);
    }
    char b;
    read(pipe_fd[0], &b, 1);
    snprintf(path, sizeof(path), "/proc/%d/ns/mnt", p);
    int fd = open(path, O_RDONLY);
    if (fd < 0 || !access("/tmp/ns_a/file", F_OK))
        return 1;
    kill(p, SIGKILL);
    child_ends(p); /* the open file keeps the namespace */
    if (setns(fd, CLONE_NEWNS) || access("/tmp/ns_a/file", F_OK))
        return 2;
    return 37;
}
static void mount_namespaces(void) {
    mkdir("/tmp", 0777), mkdir("/tmp/ns_a", 0700), mkdir("/tmp/ns_b", 0700);
    OK(in_clone(CLONE_NEWNS, mounts_inside) == 31 && access("/tmp/ns_a/file", F_OK) == -1,
       "CLONE_NEWNS: what is mounted inside is not seen here");
    OK(in_clone(CLONE_NEWNS, binds) == 32, "MS_BIND, MS_REC, MS_MOVE, MNT_DETACH");
    OK(in_clone(CLONE_NEWNS, propagation) == 35, "MS_SHARED, MS_PRIVATE, MS_SLAVE");
    OK(in_clone(CLONE_NEWNS, pivots) == 36, "pivot_root");
    OK(in_clone(0, enters) == 37, "setns: the mounts of a namespace whose processes have ended");
    FAILS(raw_clone(CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL,
          "C1: CLONE_NEWNS with CLONE_FS: EINVAL");
    FAILS(mount("none", "/tmp/ns_a", NULL, MS_SHARED, NULL), EINVAL, "MS_SHARED of what is no mount: EINVAL");
    unlink("/tmp/ns_a/seen");
    rmdir("/tmp/ns_a"), rmdir("/tmp/ns_b");
}

int main(void) {
    printf("KTAP version 1\n");
    fflush(stdout);
    mkdir("/proc", 0555);
    mount("proc", "/proc", "proc", 0, NULL); /* it may be there */
    names_and_ipc();
    process_numbers();
    mount_namespaces();
    return ktap_done();
}
