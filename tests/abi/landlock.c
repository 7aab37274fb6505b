/* C2: Landlock: rights on files that a process has given up, for itself and all that it makes. */
#include "ktap.h"
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#define EXECUTE (1UL << 0)
#define WRITE_FILE (1UL << 1)
#define READ_FILE (1UL << 2)
#define READ_DIR (1UL << 3)
#define REMOVE_DIR (1UL << 4)
#define REMOVE_FILE (1UL << 5)
#define MAKE_DIR (1UL << 7)
#define MAKE_REG (1UL << 8)
#define MAKE_FIFO (1UL << 10)
#define MAKE_SYM (1UL << 12)
#define V1 ((1UL << 13) - 1)

static int st;
static int ruleset(unsigned long handled) {
    uint64_t a = handled;
    return syscall(SYS_landlock_create_ruleset, &a, sizeof(a), 0);
}
static long rule(int set, const char *path, unsigned long allowed) {
    struct {
        uint64_t allowed;
        int32_t fd;
    } __attribute__((packed)) a = {allowed, open(path, O_PATH | O_CLOEXEC)};
    long r = syscall(SYS_landlock_add_rule, set, 1, &a, 0);
    int e = errno;
    close(a.fd);
    errno = e;
    return r;
}
static long restrict_self(int set) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    long r = syscall(SYS_landlock_restrict_self, set, 0);
    close(set);
    return r;
}
static int is(long r, int e) { return r == -1 && errno == e; }
static int make(const char *path) {
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    return fd < 0 ? -1 : close(fd);
}
#define D "/tmp/ll"

static int reads_only(void) {
    int s = ruleset(V1);
    if (s < 0 || rule(s, D "/a", READ_FILE | READ_DIR) || restrict_self(s))
        return 1;
    int fd = open(D "/a/sub/file", O_RDONLY);
    if (fd < 0 || open(D "/a", O_RDONLY | O_DIRECTORY) < 0)
        return 2;
    if (!is(open(D "/a/sub/file", O_WRONLY), EACCES) || !is(open(D "/a/sub/file", O_RDWR), EACCES) ||
        !is(open(D "/b/file", O_RDONLY), EACCES) || !is(open(D, O_RDONLY | O_DIRECTORY), EACCES))
        return 3;
    if (!is(make(D "/a/new"), EACCES) || !is(mkdir(D "/a/newdir", 0700), EACCES) ||
        !is(unlink(D "/a/sub/file"), EACCES) || !is(rmdir(D "/a/empty"), EACCES) ||
        !is(symlink("x", D "/a/link"), EACCES) || !is(mkfifo(D "/a/fifo", 0600), EACCES))
        return 4;
    if (!is(open(D "/b/../a/../b/file", O_RDONLY), EACCES) || open(D "/b/to_a/sub/file", O_RDONLY) < 0 ||
        !is(open(D "/a/to_b", O_RDONLY), EACCES))
        return 5;                                                   /* by another way, and by links */
    if (access(D "/b/file", R_OK) || open(D "/b/file", O_PATH) < 0) /* to look at names is not handled */
        return 6;
    struct stat sb;
    return stat(D "/b/file", &sb) ? 7 : 11;
}
static int writes_there(void) {
    int s = ruleset(V1);
    if (rule(s, D "/a", V1 & ~EXECUTE) || rule(s, D "/b/file", READ_FILE) || restrict_self(s))
        return 1;
    if (make(D "/a/new") || unlink(D "/a/new") || mkdir(D "/a/newdir", 0700) || rmdir(D "/a/newdir") ||
        symlink("x", D "/a/link") || rename(D "/a/link", D "/a/link2") || unlink(D "/a/link2"))
        return 2;
    if (open(D "/b/file", O_RDONLY) < 0 || !is(open(D "/b/file", O_WRONLY), EACCES) ||
        !is(open(D "/b/other", O_RDONLY), EACCES))
        return 3;
    make(D "/a/moved");
    if (!is(rename(D "/a/moved", D "/a/sub/moved"), EXDEV) ||
        !is(link(D "/a/moved", D "/a/sub/moved"), EXDEV) || link(D "/a/moved", D "/a/again"))
        return 4;
    unlink(D "/a/moved"), unlink(D "/a/again");
    return is(make(D "/b/new"), EACCES) ? 12 : 5;
}
static int only_what_is_handled(void) {
    int s = ruleset(WRITE_FILE);
    if (restrict_self(s))
        return 1;
    if (open(D "/b/file", O_RDONLY) < 0 || mkdir(D "/b/dir", 0700) || rmdir(D "/b/dir"))
        return 2;
    return is(open(D "/b/file", O_WRONLY), EACCES) ? 13 : 3;
}
static int layers(void) {
    int s = ruleset(V1);
    if (rule(s, D, READ_FILE | READ_DIR | WRITE_FILE) || restrict_self(s))
        return 1;
    s = ruleset(READ_FILE);
    if (s < 0 || rule(s, D "/a", READ_FILE) || restrict_self(s))
        return 2;
    if (open(D "/a/sub/file", O_RDWR) < 0 || !is(open(D "/b/file", O_RDONLY), EACCES) ||
        open(D "/b/file", O_WRONLY) < 0)
        return 3;
    s = ruleset(V1); /* a new one cannot give back */
    if (rule(s, "/", V1) || restrict_self(s) || !is(open(D "/b/file", O_RDONLY), EACCES))
        return 4;
    for (int i = 3; i < 16; i++)
        if (restrict_self(ruleset(MAKE_FIFO)))
            return 5;
    return is(restrict_self(ruleset(MAKE_FIFO)), E2BIG) ? 14 : 6;
}
static int inherited(void) {
    int s = ruleset(V1);
    if (rule(s, D "/a", READ_FILE | READ_DIR) || rule(s, "/proc/self/exe", EXECUTE | READ_FILE) ||
        restrict_self(s))
        return 1;
    pid_t p = fork();
    if (!p)
        _exit(is(open(D "/b/file", O_RDONLY), EACCES) ? 0 : 1);
    if (child_ends(p))
        return 2;
    if (!(p = vfork())) {
        execl("/proc/self/exe", "landlock", "child", NULL);
        _exit(3);
    }
    if (child_ends(p) != 21)
        return 3;
    if (!is(execl(D "/a/sub/prog", "x", NULL), EACCES))
        return 4;
    return 15;
}
static int executes(void) {
    int s = ruleset(EXECUTE);
    if (rule(s, D "/a", EXECUTE) || restrict_self(s))
        return 1;
    pid_t p = fork();
    if (!p) {
        execl(D "/a/sub/prog", "landlock", "exits", NULL);
        _exit(1);
    }
    if (child_ends(p) != 22)
        return 2;
    return is(execl(D "/b/prog", "landlock", "exits", NULL), EACCES) ? 16 : 3;
}
static int stays_put(void) {
    if (restrict_self(ruleset(WRITE_FILE)))
        return 1;
    if (!is(mount("none", D "/b", "tmpfs", 0, NULL), EPERM) || !is(umount("/proc"), EPERM) ||
        !is(syscall(SYS_pivot_root, D, D), EPERM))
        return 2;
    return 17;
}
static int no_ptrace(void) {
    pid_t outside = getppid(), p = fork();
    if (!p) {
        if (restrict_self(ruleset(WRITE_FILE)))
            _exit(1);
        if (!is(ptrace(PTRACE_ATTACH, outside, 0, 0), EPERM) ||
            !is(ptrace(PTRACE_ATTACH, getppid(), 0, 0), EPERM))
            _exit(2);
        pid_t c = fork(); /* its own child is as confined as it is */
        if (!c)
            for (;;)
                pause();
        if (ptrace(PTRACE_ATTACH, c, 0, 0))
            _exit(3);
        kill(c, SIGKILL);
        waitpid(c, &st, 0);
        _exit(0);
    }
    if (child_ends(p))
        return 1;
    int go[2];
    pipe(go);
    if (!(p = fork())) { /* the parent confines itself, and then may not be our tracer */
        char b;
        read(go[0], &b, 1);
        _exit(is(ptrace(PTRACE_TRACEME, 0, 0, 0), EPERM) ? 0 : 1);
    }
    restrict_self(ruleset(WRITE_FILE));
    write(go[1], "x", 1);
    return child_ends(p) == 0 ? 18 : 2;
}
static int bad_calls(void) {
    int bad = 0;
    uint64_t a[2] = {V1, 0};
    bad |= syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 1 ? 1 : 0;
    bad |= !is(syscall(SYS_landlock_create_ruleset, a, 8, 2), EINVAL) &&
                   !is(syscall(SYS_landlock_create_ruleset, a, 8, 1 << 20), EINVAL)
               ? 2
               : 0;
    bad |= !is(syscall(SYS_landlock_create_ruleset, a, 4, 0), EINVAL) ? 2 : 0;
    bad |= !is(syscall(SYS_landlock_create_ruleset, (void *)8, 8, 0), EFAULT) ? 4 : 0;
    bad |= !is(ruleset(0), ENOMSG) ? 8 : 0;
    bad |= !is(ruleset(1UL << 60), EINVAL) ? 8 : 0;
    int s = ruleset(READ_FILE | READ_DIR);
    bad |= !is(rule(s, D "/a", WRITE_FILE), EINVAL) ? 16 : 0;
    bad |= !is(rule(s, D "/a", 0), ENOMSG) ? 16 : 0;
    bad |= !is(rule(s, D "/b/file", READ_DIR), EINVAL) ? 32 : 0;
    bad |= !is(rule(s, "/nothing", READ_DIR), EBADF) ? 32 : 0;
    bad |= !is(rule(0, D "/a", READ_DIR), EBADFD) ? 64 : 0;
    bad |= !is(rule(99, D "/a", READ_DIR), EBADF) ? 64 : 0;
    bad |= !is(syscall(SYS_landlock_add_rule, s, 77, a, 0), EINVAL) ? 1 : 0;
    bad |= !is(syscall(SYS_landlock_restrict_self, 0, 0), EBADFD) ? 1 : 0;
    bad |= !is(syscall(SYS_landlock_restrict_self, s, 1 << 20), EINVAL) ? 1 : 0;
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    bad |= !is(syscall(SYS_landlock_restrict_self, s, 0), EPERM) ? 2 : 0;
    return bad ? bad : 19;
}

/* Files that no name leads to any more: of a mount that was detached, or moved out of what a mount shows. */
static int detached_mount(void) {
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mkdir(D "/m", 0755) ||
        mount("none", D "/m", "tmpfs", 0, NULL) || mkdir(D "/m/d", 0755) || make(D "/m/file") ||
        make(D "/m/d/file"))
        return 1;
    int dir = open(D "/m", O_RDONLY | O_DIRECTORY), s = ruleset(READ_FILE);
    struct {
        uint64_t allowed;
        int32_t fd;
    } __attribute__((packed)) a = {READ_FILE, open(D "/m/d", O_PATH | O_CLOEXEC)};
    int gone = umount2(D "/m", MNT_DETACH);
    rmdir(D "/m");
    if (gone || syscall(SYS_landlock_add_rule, s, 1, &a, 0) || restrict_self(s))
        return 2;
    if (!is(openat(dir, "file", O_RDONLY), EACCES))
        return 3;
    return openat(dir, "d/file", O_RDONLY) < 0 ? 4 : 20;
}
static int moved_out_of_a_mount(void) {
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mkdir(D "/from", 0755) ||
        mkdir(D "/from/d", 0755) || make(D "/from/d/file") || mkdir(D "/at", 0755) ||
        mount(D "/from", D "/at", NULL, MS_BIND, NULL))
        return 1;
    int dir = open(D "/at/d", O_RDONLY | O_DIRECTORY), s = ruleset(READ_FILE);
    if (rename(D "/from/d", D "/d") || restrict_self(s))
        return 2;
    int bad = !is(openat(dir, "file", O_RDONLY), EACCES);
    return bad ? 3 : 23;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return !strcmp(argv[1], "exits") ? 22 : is(open(D "/b/file", O_RDONLY), EACCES) ? 21 : 1;
    printf("KTAP version 1\n");
    mkdir("/tmp", 0777), mkdir(D, 0755), mkdir(D "/a", 0755), mkdir(D "/b", 0755), mkdir(D "/a/sub", 0755),
        mkdir(D "/a/empty", 0755);
    make(D "/a/sub/file"), make(D "/b/file"), make(D "/b/other");
    symlink("../a", D "/b/to_a"), symlink("../b/file", D "/a/to_b");
    char b[65536];
    for (int i = 0; i < 2; i++) {
        int from = open("/proc/self/exe", O_RDONLY),
            to = open(i ? D "/b/prog" : D "/a/sub/prog", O_CREAT | O_TRUNC | O_WRONLY, 0755);
        for (ssize_t n; (n = read(from, b, sizeof(b))) > 0;)
            write(to, b, n);
        close(from), close(to);
    }
    OK(in_child(reads_only) == 11, "what no rule allows is EACCES, by whatever way");
    OK(in_child(writes_there) == 12,
       "below one directory all, of one file a little; nothing goes across: EXDEV");
    OK(in_child(only_what_is_handled) == 13, "what is not handled stays as it was");
    OK(in_child(layers) == 14, "rulesets add up, sixteen at most: E2BIG");
    OK(in_child(inherited) == 15, "fork, vfork and exec inherit");
    OK(in_child(executes) == 16, "programs");
    OK(in_child(stays_put) == 17, "mounts stay as they are: EPERM");
    OK(in_child(no_ptrace) == 18, "ptrace of who is less confined: EPERM");
    OK(in_child(bad_calls) == 19, "bad calls");
    OK(in_child(detached_mount) == 20, "below a mount that was detached the rules hold");
    OK(in_child(moved_out_of_a_mount) == 23, "and where a mount's root is not above any more");
    unlink(D "/d/file"), rmdir(D "/d"), rmdir(D "/from"), rmdir(D "/at");
    OK(open(D "/b/file", O_RDWR) >= 0, "and we are as free as before");
    const char *files[] = {"/a/sub/file", "/a/sub/prog", "/b/file", "/b/other",
                           "/b/prog",     "/b/to_a",     "/a/to_b"};
    for (int i = 0; i < 7; i++) {
        snprintf(b, sizeof(b), D "%s", files[i]);
        unlink(b);
    }
    rmdir(D "/a/sub"), rmdir(D "/a/empty"), rmdir(D "/a"), rmdir(D "/b"), rmdir(D);
    return ktap_done();
}
