/* C5, C16, C20: what one task may see of another, and do to its names: /proc/PID, limits, directories, "..".
 * The program is also what it execs. */
#include "setid.h"
#include <dirent.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#define USER 1000
#define OTHER 2000
#define SUID "/tmp/access-suid"


/* --- /proc/PID --- */
static pid_t target;
static int owns_files; /* by its effective ids */
static int ready[2];
static void wait_for_target(void) {
    char c;
    close(ready[1]);
    while (read(ready[0], &c, 1) > 0)
        ;
    close(ready[0]);
}
static void wait_here(void) {
    close(ready[0]), close(ready[1]);
    for (;;)
        pause();
}
static const char *in_target(const char *name) {
    static char path[64];
    sprintf(path, "/proc/%d/%s", target, name);
    return path;
}
static int reads(const char *name) { /* 0, or errno of the open or the read */
    char b[64];
    int fd = open(in_target(name), O_RDONLY), r = 0;
    if (fd < 0)
        return errno;
    if (read(fd, b, sizeof(b)) < 0)
        r = errno;
    close(fd);
    return r;
}
static int links(const char *name) {
    char b[300];
    return readlink(in_target(name), b, sizeof(b)) < 0 ? errno : 0;
}
static int lists(const char *name) {
    DIR *d = opendir(in_target(name));
    if (!d)
        return errno;
    closedir(d);
    return 0;
}
static int remote(void) {
    char b[8];
    struct iovec l = {b, 8}, r = {(void *)&target, 8};
    return process_vm_readv(target, &l, 1, &r, 1, 0) == 8 ? 0 : errno;
}
static int limit_of(void) {
    struct rlimit r;
    return prlimit(target, RLIMIT_NOFILE, NULL, &r) ? errno : 0;
}
static int robust(void) {
    void *head;
    size_t len;
    return syscall(SYS_get_robust_list, target, &head, &len) ? errno : 0;
}
static int has_addresses(void) { /* of stat: start_code, the 26th */
    char b[1024] = {0};
    int fd = open(in_target("stat"), O_RDONLY);
    read(fd, b, sizeof(b) - 1);
    close(fd);
    char *p = strrchr(b, ')');
    for (int i = 2; p && i < 26; i++)
        p = strchr(p + 1, ' ');
    return p && strtoul(p, NULL, 10) > 1;
}
/* What is wrong when current may, or may not, look into target. */
static int looks(int may) {
    static const char *const files[] = {"maps", "numa_maps", "pages", "auxv", "environ", "mem", "io"};
    static const char *const links_[] = {"cwd",    "root",   "exe",    "fd/0",    "ns/uts",
                                         "ns/pid", "ns/mnt", "ns/ipc", "ns/user", "ns/pid_for_children"};
    static const char *const open_to_all[] = {"stat",   "status", "statm", "cmdline",
                                              "limits", "comm",   "mounts"};
    int bad = 0;
#define EXPECT(name, call, e)                                                                                \
    do {                                                                                                     \
        int _r = call, _e = may ? 0 : (e);                                                                   \
        if (_r != _e)                                                                                        \
            printf("# %s: %d, not %d\n", name, _r, _e), bad++;                                               \
    } while (0)
    for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (!access(in_target(files[i]), F_OK)) {
            int r = reads(files[i]);
            if (!(may && !strcmp(files[i], "mem") && r == EIO)) /* there is nothing at 0 */
                EXPECT(files[i], r, EACCES);
        }
    for (unsigned i = 0; i < sizeof(links_) / sizeof(*links_); i++)
        EXPECT(links_[i], links(links_[i]), EACCES);
    if (!owns_files) /* the directory alone shows numbers */
        EXPECT("fd", lists("fd"), EACCES);
    EXPECT("open of exe", reads("exe"), EACCES);
    EXPECT("list of root", lists("root"), EACCES);
    EXPECT("process_vm_readv", remote(), EPERM);
    EXPECT("get_robust_list", robust(), EPERM);
    EXPECT("addresses in stat", !has_addresses(), 1);
    for (unsigned i = 0; i < sizeof(open_to_all) / sizeof(*open_to_all); i++) {
        int r = reads(open_to_all[i]);
        if (r)
            printf("# %s: %d\n", open_to_all[i], r), bad++;
    }
    fflush(stdout);
    return bad;
}
static int as_user_looks(int may, int limit) {
    wait_for_target();
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        become(USER);
        int bad = looks(may);
        if (limit_of() != limit)
            printf("# prlimit: %d\n", limit_of()), bad++;
        fflush(stdout);
        _exit(bad);
    }
    int r = child_ends(p);
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
    return r;
}
static void start(void) {
    fflush(stdout);
    pipe2(ready, 0);
    target = fork();
}
static int ones_own(void) {
    start();
    if (!target) {
        become(USER);
        prctl(PR_SET_DUMPABLE, 1);
        wait_here();
    }
    return as_user_looks(1, 0);
}
static int anothers(void) {
    start();
    if (!target) {
        become(OTHER);
        prctl(PR_SET_DUMPABLE, 1);
        wait_here();
    }
    return as_user_looks(0, EPERM);
}
static int of_root_once(void) { /* the same user, who was somebody else: undumpable */
    start();
    if (!target) {
        become(USER);
        wait_here();
    }
    return as_user_looks(0, 0);
}
static int saved_id_differs(void) {
    owns_files = 1;
    start();
    if (!target) {
        setgroups(0, NULL), setresgid(USER, USER, USER), setresuid(USER, USER, 0);
        prctl(PR_SET_DUMPABLE, 1);
        wait_here();
    }
    return as_user_looks(0, EPERM);
}
static int set_id_program(void) {
    start();
    if (!target) {
        fcntl(ready[1], F_SETFD, FD_CLOEXEC), fcntl(ready[0], F_SETFD, FD_CLOEXEC);
        become(USER);
        execl(SUID, "access", "pause", NULL);
        _exit(1);
    }
    return as_user_looks(0, EPERM);
}
static int own_descriptors(void) { /* an undumpable process sees its own all the same */
    char b[100];
    become(USER);
    DIR *d = opendir("/proc/self/fd");
    return !d || readlink("/proc/self/fd/0", b, sizeof(b)) < 0 || open("/proc/self/uid_map", O_WRONLY) != -1;
}
/* What was opened before an exec of a set-id program. */
static int opened_before(void) {
    int go[2];
    char c, b[4096];
    become(USER);
    prctl(PR_SET_DUMPABLE, 1);
    pipe(go);
    start();
    if (!target) {
        close(go[1]), close(ready[0]);
        fcntl(ready[1], F_SETFD, FD_CLOEXEC);
        read(go[0], &c, 1);
        execl(SUID, "access", "pause", NULL);
        _exit(1);
    }
    int fds = open(in_target("fd"), O_RDONLY | O_DIRECTORY),
        dir = open(in_target(""), O_RDONLY | O_DIRECTORY);
    int maps = open(in_target("maps"), O_RDONLY), bad = 0;
    int self = open(in_target("stat"), O_RDONLY);
    if (fds < 0 || dir < 0 || maps < 0 || faccessat(fds, "0", F_OK, AT_SYMLINK_NOFOLLOW))
        return 1;
    close(go[1]);
    wait_for_target();
    bad |= openat(fds, "0", O_RDONLY) != -1 || errno != EACCES ? 2 : 0;
    bad |= readlinkat(fds, "0", b, sizeof(b)) != -1 ? 4 : 0;
    bad |= readlinkat(dir, "exe", b, sizeof(b)) != -1 || errno != EACCES ? 8 : 0;
    bad |= openat(dir, "mem", O_RDONLY) != -1 || errno != EACCES ? 16 : 0;
    bad |= read(maps, b, sizeof(b)) > 0 ? 32 : 0; /* the memory of before, which is gone */
    close(self);
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
    return bad;
}

/* --- names --- */
static int moves_anothers_directory(void) {
    mkdir("/tmp/acc", 0777), chmod("/tmp/acc", 0777);
    mkdir("/tmp/acc/a", 0777), chmod("/tmp/acc/a", 0777);
    mkdir("/tmp/acc/b", 0777), chmod("/tmp/acc/b", 0777);
    mkdir("/tmp/acc/a/his", 0755), chown("/tmp/acc/a/his", OTHER, OTHER);
    mkdir("/tmp/acc/b/mine", 0755), chown("/tmp/acc/b/mine", USER, USER);
    close(open("/tmp/acc/a/file", O_CREAT | O_RDWR, 0644));
    become(USER);
    int bad = 0;
    bad |= rename("/tmp/acc/a/his", "/tmp/acc/b/his") != -1 || errno != EACCES ? 1 : 0;
    bad |= syscall(SYS_renameat2, AT_FDCWD, "/tmp/acc/b/mine", AT_FDCWD, "/tmp/acc/a/his", 2) != -1 ||
                   errno != EACCES
               ? 2
               : 0;
    bad |= rename("/tmp/acc/a/his", "/tmp/acc/a/his2") ? 4 : 0; /* its ".." stays */
    bad |= rename("/tmp/acc/b/mine", "/tmp/acc/a/mine") ? 8 : 0;
    bad |= rename("/tmp/acc/a/file", "/tmp/acc/b/file") ? 16 : 0; /* a file has none */
    return bad;
}
static int leaves_a_bind_mount(void) {
    int down[2], up[2];
    char c, b[5000];
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return 1;
    mkdir("/tmp/acc/jail", 0755), mkdir("/tmp/acc/jail/d", 0755), mkdir("/tmp/acc/jail/d/e", 0755);
    mkdir("/tmp/acc/at", 0755), mkdir("/tmp/acc/out", 0755);
    if (mount("/tmp/acc/jail", "/tmp/acc/at", NULL, MS_BIND, NULL))
        return 2;
    pipe(down), pipe(up);
    pid_t p = fork();
    if (!p) {
        if (chroot("/tmp/acc/at") || chdir("/d/e"))
            _exit(1);
        write(up[1], "x", 1);
        read(down[0], &c, 1);
        int bad = 0;
        bad |= chdir("..") != -1 || errno != ENOENT ? 4 : 0;
        bad |= open("../../../../etc", O_RDONLY) != -1 || errno != ENOENT ? 8 : 0;
        bad |= open("../jail", O_RDONLY) != -1 || errno != ENOENT ? 16 : 0;
        bad |= syscall(SYS_getcwd, b, sizeof(b)) > 300 ? 32 : 0;
        bad |= chdir("/") || chdir("..") ? 64 : 0;
        _exit(bad);
    }
    read(up[0], &c, 1);
    if (rename("/tmp/acc/jail/d/e", "/tmp/acc/out/e"))
        return 3;
    write(down[1], "x", 1);
    int r = child_ends(p);
    rmdir("/tmp/acc/out/e");
    return r;
}

/* --- a lock's owner, from another namespace of pids --- */
static int owner_of_a_lock(void) {
    int fd = open("/tmp/access-lock", O_CREAT | O_RDWR, 0600);
    struct flock l = {.l_type = F_WRLCK}, seen = l;
    if (fcntl(fd, F_SETLK, &l))
        return 1;
    if (unshare(CLONE_NEWPID))
        return 2;
    pid_t outside = fork(); /* process 1 of the new one */
    if (!outside) {
        if (fcntl(fd, F_GETLK, &seen) || seen.l_type != F_WRLCK || seen.l_pid != 0)
            _exit(3); /* its owner is not seen here */
        int to[2];
        char c;
        pipe(to);
        pid_t in = fork();
        if (!in) {
            l.l_start = 100, l.l_len = 1;
            int own = open("/tmp/access-lock2", O_CREAT | O_RDWR, 0600);
            fcntl(own, F_SETLK, &l);
            write(to[1], "x", 1);
            pause();
        }
        read(to[0], &c, 1);
        int own = open("/tmp/access-lock2", O_RDWR);
        seen = (struct flock){.l_type = F_WRLCK};
        int r = fcntl(own, F_GETLK, &seen) || seen.l_pid != in ? 4 : 0;
        kill(in, SIGKILL);
        _exit(r);
    }
    int r = child_ends(outside);
    unlink("/tmp/access-lock"), unlink("/tmp/access-lock2");
    return r;
}

static const struct {
    int (*fn)(void);
    const char *what;
} tests[] = {
    {ones_own, "/proc/PID of one's own process: all of it"},
    {anothers, "of another user's: what is everybody's"},
    {of_root_once, "of one that was somebody else: the same, but its limits"},
    {saved_id_differs, "of one with another saved id: the same"},
    {set_id_program, "of a set-id program: the same"},
    {own_descriptors, "an undumpable process: its own descriptors, but files of root"},
    {opened_before, "what was opened before a set-id exec shows nothing of the new program"},
    {moves_anothers_directory, "another's directory to another parent: its .. changes: EACCES"},
    {leaves_a_bind_mount, "no .. out of a bind mount that a directory was moved out of: ENOENT"},
    {owner_of_a_lock, "F_GETLK: a pid of the caller's namespace, or 0"},
};

int main(int argc, char **argv) {
    if (argc > 1)
        for (;;)
            pause();
    (void)argv;
    printf("KTAP version 1\n");
    mkdir("/tmp", 01777);
    chmod("/tmp", 01777);
    copy_self(SUID, 04755);
    for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        int r = in_child(tests[i].fn);
        if (r)
            printf("# ends with %d\n", r);
        OK(r == 0, tests[i].what);
    }
    system("rm -rf /tmp/acc");
    unlink(SUID);
    return ktap_done();
}
