/* C20: user namespaces: ids and their maps, capabilities that count only inside, what belongs to whom. */
#include "ktap.h"
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/utsname.h>

static int put_of(pid_t p, const char *file, const char *text) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", p, file);
    return put_text(path, text);
}
/* call gives -1 and that errno. */
#define DENIED(call, e) (errno = 0, (long)(call) == -1 && errno == (e))
/* For a child: it ends with 1 if that is not so. */
#define MUST(cond)                                                                                           \
    do {                                                                                                     \
        if (!(cond))                                                                                         \
            return fprintf(stderr, "# line %d, errno %d\n", __LINE__, errno), 1;                             \
    } while (0)

static int as_user(int (*fn)(void)) {
    fflush(stdout);
    pid_t p = fork();
    if (!p)
        _exit(setgroups(0, 0) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000) ||
                      prctl(PR_SET_DUMPABLE, 1) /* its files in /proc are its own */
                  ? 251
                  : fn());
    return child_ends(p);
}
static int become_root(void) {
    return unshare(CLONE_NEWUSER) || put_text("/proc/self/uid_map", "0 1000 1") ||
           put_text("/proc/self/setgroups", "deny") || put_text("/proc/self/gid_map", "0 1000 1");
}
static int caps(void) {
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    return syscall(SYS_capget, &h, d) ? -1 : d[0].effective == 0xffffffff ? 1 : d[0].effective ? 2 : 0;
}

static int nobody_at_first(void) {
    MUST(getuid() == 1000 && caps() == 0);
    MUST(!unshare(CLONE_NEWUSER));
    MUST(getuid() == 65534 && geteuid() == 65534 && getgid() == 65534 && caps() == 1);
    MUST(!strcmp(get_text("/proc/self/uid_map"), "") && !strcmp(get_text("/proc/self/setgroups"), "allow\n"));
    return 0;
}
static int maps_itself(void) {
    MUST(!unshare(CLONE_NEWUSER));
    MUST(DENIED(put_text("/proc/self/uid_map", "0 1001 1"), EPERM));
    MUST(DENIED(put_text("/proc/self/uid_map", "0 1000 2"), EPERM));
    MUST(DENIED(put_text("/proc/self/uid_map", "0 1000 0"), EINVAL));
    MUST(DENIED(put_text("/proc/self/uid_map", "0 1000"), EINVAL));
    MUST(DENIED(put_text("/proc/self/uid_map", "a b c"), EINVAL));
    MUST(DENIED(put_text("/proc/self/uid_map", "4294967295 1000 1"), EINVAL));
    MUST(DENIED(put_text("/proc/self/uid_map", "0 1000 1 1"), EINVAL));
    MUST(!put_text("/proc/self/uid_map", "0 1000 1\n") && getuid() == 0 && geteuid() == 0);
    MUST(DENIED(put_text("/proc/self/uid_map", "0 1000 1"), EPERM)); /* once */
    MUST(!strcmp(get_text("/proc/self/uid_map"), "         0       1000          1\n"));
    MUST(DENIED(setgroups(0, 0), EPERM)); /* not before there is a map */
    MUST(DENIED(put_text("/proc/self/gid_map", "0 1000 1"), EPERM));
    MUST(!put_text("/proc/self/setgroups", "deny") && !put_text("/proc/self/gid_map", "0 1000 1") &&
         getgid() == 0);
    MUST(DENIED(setgroups(0, 0), EPERM) && DENIED(put_text("/proc/self/setgroups", "allow"), EPERM));
    MUST(DENIED(setuid(1), EINVAL) && !setuid(0));
    return 0;
}
static int root_inside(void) {
    struct utsname u;
    MUST(!become_root());
    MUST(DENIED(sethostname("x", 1), EPERM)); /* that is the first namespace's */
    MUST(!unshare(CLONE_NEWUTS) && !sethostname("inside", 6) && !uname(&u) && !strcmp(u.nodename, "inside"));
    MUST(DENIED(mount("none", "/tmp", "tmpfs", 0, 0), EPERM));
    MUST(!unshare(CLONE_NEWNS) && !mount("none", "/tmp/d", "tmpfs", 0, 0));
    int fd = open("/tmp/d/mine", O_CREAT | O_RDWR, 0600);
    struct stat st;
    MUST(fd >= 0 && !fstat(fd, &st) && st.st_uid == 0 && st.st_gid == 0);
    close(fd);
    MUST(DENIED(mknod("/tmp/d/null", S_IFCHR | 0666, 0x103), EPERM));
    MUST(DENIED(umount("/proc"), EINVAL)); /* what came along stays */
    MUST(!umount("/tmp/d") || errno == EBUSY);
    MUST(DENIED(syscall(SYS_clock_settime, CLOCK_REALTIME, &(struct timespec){1, 0}), EPERM));
    MUST(DENIED(syscall(SYS_setns, open("/proc/1/ns/uts", O_RDONLY), CLONE_NEWUTS), EPERM) || errno == EBADF);
    return 0;
}
/* Descriptors from before lead to the first namespace's mounts, which stay as they are. */
static int mounts_outside(void) {
    char dir[40], file[40];
    snprintf(dir, sizeof(dir), "/proc/self/fd/%d", open("/tmp/d", O_RDONLY));
    snprintf(file, sizeof(file), "/proc/self/fd/%d", open("/", O_RDONLY));
    MUST(!become_root() && !unshare(CLONE_NEWNS) && !mount("none", "/tmp/d", "tmpfs", 0, 0));
    MUST(DENIED(mount("none", dir, "tmpfs", 0, 0), EINVAL));
    MUST(DENIED(mount(dir, dir, 0, MS_BIND, 0), EINVAL));
    MUST(DENIED(mount(dir, dir, 0, MS_BIND | MS_REC, 0), EINVAL));
    MUST(DENIED(mount(dir, "/tmp/d", 0, MS_BIND, 0), EINVAL));
    MUST(DENIED(mount("/tmp/d", dir, 0, MS_BIND, 0), EINVAL));
    MUST(DENIED(mount("/tmp/d", dir, 0, MS_MOVE, 0), EINVAL));
    MUST(DENIED(mount(file, "/tmp/d", 0, MS_MOVE, 0), EINVAL));
    MUST(DENIED(mount(0, file, 0, MS_REMOUNT | MS_BIND | MS_NOSUID, 0), EINVAL));
    MUST(DENIED(mount(0, file, 0, MS_SHARED, 0), EINVAL) || errno == EPERM);
    MUST(DENIED(umount2(file, MNT_DETACH), EINVAL));
    return 0;
}
static int all_at_once(void) {
    pid_t p = raw_clone(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0,
                        0, 0, 0);
    if (!p)
        _exit(getpid() == 1 && getuid() == 65534 && !sethostname("y", 1) ? 0 : 1);
    MUST(child_ends(p) == 0);
    p = raw_clone(CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0); /* without it there is no right to */
    MUST(p == -1 && errno == EPERM);
    return 0;
}
static int files(void) {
    struct stat st;
    MUST(!become_root());
    MUST(!stat("/tmp/roots", &st) && st.st_uid == 65534 && st.st_gid == 65534);
    MUST(DENIED(open("/tmp/roots", O_RDONLY), EACCES)); /* root in here only */
    MUST(DENIED(chown("/tmp/roots", 0, 0), EPERM) && DENIED(chmod("/tmp/roots", 0777), EPERM));
    MUST(!stat("/tmp/users", &st) && st.st_uid == 0 && st.st_gid == 0);
    MUST(open("/tmp/users", O_RDONLY) >= 0); /* mode 0: capabilities count for what is ours */
    MUST(!chown("/tmp/users", 0, 0) && DENIED(chown("/tmp/users", 1, 0), EINVAL));
    MUST(DENIED(access("/tmp/roots", R_OK), EACCES) && !access("/tmp/users", R_OK));
    return 0;
}
static pid_t outsider;
static int others(void) {
    MUST(!become_root());
    MUST(DENIED(kill(outsider, 0), EPERM));
    MUST(DENIED(ptrace(PTRACE_ATTACH, outsider, 0, 0), EPERM));
    pid_t p = fork();
    if (!p)
        while (pause())
            ;
    MUST(!ptrace(PTRACE_ATTACH, p, 0, 0));
    kill(p, SIGKILL);
    return 0;
}
static int same_user_outside(void) {
    pid_t p = fork();
    if (!p)
        while (pause())
            ;
    MUST(!become_root());
    MUST(!kill(p, 0));                                   /* the same user */
    MUST(DENIED(ptrace(PTRACE_ATTACH, p, 0, 0), EPERM)); /* but it has no capabilities there */
    kill(p, SIGKILL);
    return 0;
}
static int levels(void) {
    int n = 0;
    while (!unshare(CLONE_NEWUSER)) {
        MUST(++n < 100);
        MUST(!put_text("/proc/self/uid_map", n == 1 ? "0 1000 1" : "0 0 1"));
        MUST(!put_text("/proc/self/setgroups", "deny") &&
             !put_text("/proc/self/gid_map", n == 1 ? "0 1000 1" : "0 0 1"));
    }
    MUST(errno == ENOSPC && n == 33);
    return 0;
}
/* clone3 with a number for each of two namespaces of processes: the outer one is not its own. */
static int chooses_pids(void) {
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
            cgroup;
    } a = {.exit_signal = SIGCHLD, .set_tid_size = 2};
    pid_t ids[2] = {7, 4242};
    a.set_tid = (uintptr_t)ids;
    MUST(!become_root());
    MUST(DENIED(syscall(SYS_clone3, &a, sizeof(a)), EINVAL)); /* more than there are */
    MUST(!unshare(CLONE_NEWPID));
    pid_t p = fork();
    if (p)
        return child_ends(p);
    pid_t q = syscall(SYS_clone3, &a, sizeof(a));
    if (!q)
        _exit(0);
    MUST(q == -1 && errno == EPERM);
    a.set_tid_size = 1;
    if (!(q = syscall(SYS_clone3, &a, sizeof(a))))
        _exit(0);
    MUST(q == 7 && child_ends(q) == 0);
    return 0;
}
/* Who comes second finds nothing any more. (What it looked at then shows only in the checked build.) */
static int unmount_together(void) {
    pid_t p[3];
    MUST(!become_root() && !unshare(CLONE_NEWNS) && !mount("u", "/tmp/d", "tmpfs", 0, 0));
    MUST(!mkdir("/tmp/d/on", 0755) && !chdir("/tmp/d"));
    for (int i = 0; i < 3; i++)
        if (!(p[i] = fork()))
            for (;;)
                umount2("on", MNT_DETACH);
    for (time_t end = time(NULL) + 3; time(NULL) < end;)
        mount("/tmp/d", "/tmp/d/on", 0, MS_BIND, 0); /* EINVAL: what it was to be on is gone meanwhile */
    for (int i = 0; i < 3; i++)
        MUST(!kill(p[i], SIGKILL) && child_ends(p[i]) == 1000 + SIGKILL);
    return 0;
}
static int in_chroot(void) { /* as root */
    MUST(!chroot("/tmp"));
    MUST(DENIED(unshare(CLONE_NEWUSER), EPERM));
    return 0;
}
static void *sleeps(void *a) {
    sleep(5);
    return a;
}
static int with_threads(void) {
    pthread_t t;
    pthread_create(&t, 0, sleeps, 0);
    MUST(DENIED(unshare(CLONE_NEWUSER), EINVAL));
    return 0;
}

/* A child in a namespace that its parent, root, maps: 0 to 999 there are 100000 to 100999 here. */
static int go[2], back[2];
static volatile uid_t from;
static void on_signal(int sig, siginfo_t *i, void *c) {
    (void)sig, (void)c;
    from = i->si_uid;
}
static int mapped_child(void) {
    char b;
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &sa, 0);
    MUST(read(go[0], &b, 1) == 1);
    MUST(getuid() == 65534 && setuid(0) == 0 && setgid(0) == 0 && getuid() == 0);
    MUST(!setgroups(1, (gid_t[]){7}) && DENIED(setgroups(1, (gid_t[]){1000}), EINVAL));
    MUST(DENIED(setresuid(1000, -1, -1), EINVAL));
    pid_t p = fork();
    if (!p) {
        if (setresgid(5, 5, 5) || setresuid(5, 5, 5) || caps() != 0)
            _exit(1);
        int fd = open("/tmp/five", O_CREAT | O_RDWR, 0600);
        kill(getpid(), SIGUSR1);
        _exit(fd < 0 ? 2 : from != 5 ? 3 : 0);
    }
    MUST(child_ends(p) == 0);
    struct stat st;
    MUST(!stat("/tmp/five", &st) && st.st_uid == 5 && st.st_gid == 5);
    MUST(!chown("/tmp/five", 6, 6) && open("/tmp/five", O_RDONLY) >= 0);
    from = 0;
    MUST(write(back[1], "x", 1) == 1);
    MUST(read(go[0], &b, 1) == 1 || read(go[0], &b, 1) == 1);
    MUST(from == 65534); /* root out there is nobody in here */
    return 0;
}

/* What a user mounts in namespaces of his own is in nobody's way outside. */
static int ready[2], done[2];
static int covers(void) {
    char b;
    const char *what[] = {"/tmp/c/file", "/tmp/c/dir", "/tmp/c/moved", "/tmp/c/target"};
    MUST(!become_root() && !unshare(CLONE_NEWNS));
    for (int i = 0; i < 4; i++)
        MUST(!mount(what[i], what[i], 0, MS_BIND, 0));
    MUST(write(ready[1], "x", 1) == 1 && read(done[0], &b, 1) == 1);
    MUST(access("/tmp/c/file", F_OK) && access("/tmp/c/dir", F_OK) && access("/tmp/c/moved", F_OK));
    MUST(!umount2("/tmp/c/target", MNT_DETACH)); /* it went along with the file, to its new name */
    MUST(DENIED(umount2("/tmp/c/target", MNT_DETACH), EINVAL)); /* that of the old target is gone */
    return 0;
}
static int removes_what_is_covered(void) {
    char b;
    MUST(!mkdir("/tmp/c", 0755) && !mkdir("/tmp/c/dir", 0755) && !pipe(ready) && !pipe(done));
    close(open("/tmp/c/file", O_CREAT, 0600)), close(open("/tmp/c/moved", O_CREAT, 0600));
    close(open("/tmp/c/target", O_CREAT, 0600));
    fflush(stdout);
    pid_t p = fork();
    if (!p)
        _exit(as_user(covers));
    MUST(read(ready[0], &b, 1) == 1);
    MUST(!unlink("/tmp/c/file") && !rmdir("/tmp/c/dir") && !rename("/tmp/c/moved", "/tmp/c/target"));
    MUST(write(done[1], "x", 1) == 1 && child_ends(p) == 0);
    MUST(!unlink("/tmp/c/target") && !rmdir("/tmp/c"));
    return 0;
}

int main(void) {
    printf("KTAP version 1\n");
    mkdir("/tmp", 01777);
    chmod("/tmp", 01777);
    mkdir("/tmp/d", 0777);
    close(open("/tmp/roots", O_CREAT | O_RDWR, 0600));
    close(open("/tmp/users", O_CREAT | O_RDWR, 0));
    chmod("/tmp/users", 0), chown("/tmp/users", 1000, 1000);
    fflush(stdout);
    outsider = fork();
    if (!outsider)
        while (pause())
            ;
#define USER(fn, what) OK(as_user(fn) == 0, what)
    USER(nobody_at_first, "a user makes one: all capabilities, and nobody's ids until there are maps");
    USER(maps_itself, "it maps itself to root, once; another id, more, or nonsense it may not");
    USER(root_inside, "root inside: its own host name and mounts, and nothing of outside");
    USER(mounts_outside, "nor by descriptors from before: the mounts outside stay as they are");
    USER(all_at_once, "clone with all namespaces, for any user; without NEWUSER: EPERM");
    USER(files, "files of outside stay closed, its own belong to root; an id without a map: EINVAL");
    USER(others, "processes of others are out of reach, its own are not");
    USER(same_user_outside, "of the same user outside: signals, but no ptrace");
    USER(chooses_pids, "clone3's set_tid: numbers of its own namespace, EPERM for those outside");
    USER(unmount_together, "several processes that unmount the same mounts");
    USER(levels, "33 levels; then ENOSPC");
    USER(with_threads, "not with threads: EINVAL");
    OK(in_child(removes_what_is_covered) == 0, "what it mounts on is removed and renamed outside all the same");
    OK(in_child(in_chroot) == 0, "nor in a chroot: EPERM");

    pipe(go), pipe(back);
    pid_t p = raw_clone(CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (!p)
        _exit(mapped_child());
    FAILS(put_of(p, "uid_map", "0 100000 1000\n0 200000 10\n"), EINVAL, "maps that overlap: EINVAL");
    FAILS(put_of(p, "uid_map", "0 100000 10\n20 100005 10\n"), EINVAL, "also outside: EINVAL");
    OK(!put_of(p, "uid_map", "0 100000 500\n500 100500 500\n") && !put_of(p, "gid_map", "0 100000 1000"),
       "root maps a thousand ids for a child");
    char b, path[64];
    close(back[1]);
    write(go[1], "x", 1);
    OK(read(back[0], &b, 1) == 1, "which are its own: setuid, setgroups, files, si_uid");
    struct stat st;
    OK(!stat("/tmp/five", &st) && st.st_uid == 100006 && st.st_gid == 100006, "outside they are others");
    kill(p, SIGUSR1);
    usleep(50000);
    snprintf(path, sizeof(path), "/proc/%d/ns/user", p);
    int fd = open(path, O_RDONLY);
    pid_t q = fork();
    if (!q) {
        int mine = open("/proc/self/ns/user", O_RDONLY);
        if (!DENIED(setns(mine, 0), EINVAL))
            _exit(1);
        if (setns(fd, CLONE_NEWUSER) || getuid() != 65534 || caps() != 1 || setuid(3) || getuid() != 3)
            _exit(2);
        _exit(DENIED(setns(mine, 0), EPERM) ? 0 : 3);
    }
    OK(child_ends(q) == 0, "setns: in, but not out");
    write(go[1], "x", 1);
    OK(child_ends(p) == 0, "a signal from who is not known there: si_uid 65534");
    /* By a pidfd, several at once: all of them or none. */
    pid_t target = raw_clone(CLONE_NEWUSER | CLONE_NEWUTS | SIGCHLD, NULL, NULL, NULL, NULL);
    if (!target) {
        sethostname("there", 5);
        pause();
    }
    usleep(50000);
    int pidfd = syscall(SYS_pidfd_open, target, 0);
    q = fork();
    if (!q) {
        char name[65] = {0};
        if (setns(pidfd, CLONE_NEWUSER | CLONE_NEWUTS) || getuid() != 65534)
            _exit(1);
        gethostname(name, 64);
        _exit(strcmp(name, "there") ? 2 : 0);
    }
    OK(child_ends(q) == 0, "setns by a pidfd: users and host name");
    q = fork();
    if (!q) {
        if (unshare(CLONE_NEWPID))
            _exit(1);
        pid_t in = fork();
        if (in)
            _exit(child_ends(in));
        if (!DENIED(setns(pidfd, CLONE_NEWUSER | CLONE_NEWPID), EINVAL)) /* it would lead up */
            _exit(2);
        _exit(getuid() == 0 && !setns(pidfd, CLONE_NEWUSER) && getuid() == 65534 ? 0 : 3);
    }
    OK(child_ends(q) == 0, "one that is refused leaves the caller where it was");
    close(pidfd), kill(target, SIGKILL), waitpid(target, NULL, 0);
    kill(outsider, SIGKILL);
    waitpid(outsider, 0, 0);
    unlink("/tmp/five"), unlink("/tmp/roots"), unlink("/tmp/users"), rmdir("/tmp/d");
    return ktap_done();
}
