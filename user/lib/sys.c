/* System calls under their POSIX names, and what picolibc needs from below: read, write, sbrk. start.c has
 * the beginning and the end of a program. */
#include "lib.h"

long set_errno(long r) {
    if (r < 0 && r >= -4095) {
        errno = -r;
        return -1;
    }
    return r;
}
long syscall(long n, ...) {
    __builtin_va_list ap;
    long a[6];
    __builtin_va_start(ap, n);
    for (int i = 0; i < 6; i++)
        a[i] = __builtin_va_arg(ap, long);
    return set_errno(syscall_raw(n, a[0], a[1], a[2], a[3], a[4], a[5]));
}
#define CALL(n, ...) CALL_(n, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(n, a, b, c, d, e, f, ...)                                                                      \
    set_errno(syscall_raw(SYS_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))

int open(const char *p, int flags, ...) {
    __builtin_va_list ap;
    __builtin_va_start(ap, flags);
    int mode = __builtin_va_arg(ap, int);
    return CALL(openat, AT_FDCWD, p, flags, mode);
}
int close(int fd) { return CALL(close, fd); }
ssize_t read(int fd, void *b, size_t n) { return CALL(read, fd, b, n); }
ssize_t write(int fd, const void *b, size_t n) { return CALL(write, fd, b, n); }
off_t lseek(int fd, off_t off, int whence) { return CALL(lseek, fd, off, whence); }
int dup(int fd) { return CALL(dup, fd); }
int dup2(int fd, int to) {
    return fd == to ? (fcntl(fd, F_GETFD, 0) < 0 ? -1 : to) : (int)CALL(dup3, fd, to, 0);
}
int pipe2(int fd[2], int flags) { return CALL(pipe2, fd, flags); }
int pipe(int fd[2]) { return pipe2(fd, 0); }
int fcntl(int fd, int cmd, long arg) { return CALL(fcntl, fd, cmd, arg); }
int ioctl(int fd, unsigned long cmd, void *arg) { return CALL(ioctl, fd, cmd, arg); }
int isatty(int fd) {
    struct abi_termios t;
    return ioctl(fd, TCGETS, &t) == 0;
}
int stat(const char *p, struct stat *st) { return CALL(newfstatat, AT_FDCWD, p, st, 0); }
int lstat(const char *p, struct stat *st) { return CALL(newfstatat, AT_FDCWD, p, st, AT_SYMLINK_NOFOLLOW); }
int fstat(int fd, struct stat *st) { return CALL(fstat, fd, st); }
int mkdir(const char *p, unsigned mode) { return CALL(mkdirat, AT_FDCWD, p, mode); }
int rmdir(const char *p) { return CALL(unlinkat, AT_FDCWD, p, AT_REMOVEDIR); }
int unlink(const char *p) { return CALL(unlinkat, AT_FDCWD, p, 0); }
int chdir(const char *p) { return CALL(chdir, p); }
int link(const char *a, const char *b) { return CALL(linkat, AT_FDCWD, a, AT_FDCWD, b, 0); }
int symlink(const char *t, const char *p) { return CALL(symlinkat, t, AT_FDCWD, p); }
int rename(const char *a, const char *b) { return CALL(renameat2, AT_FDCWD, a, AT_FDCWD, b, 0); }
int chmod(const char *p, unsigned mode) { return CALL(fchmodat, AT_FDCWD, p, mode); }
int access(const char *p, int mode) { return CALL(faccessat, AT_FDCWD, p, mode); }
int mknod(const char *p, unsigned mode, uint64_t dev) { return CALL(mknodat, AT_FDCWD, p, mode, dev); }
ssize_t readlink(const char *p, char *b, size_t n) { return CALL(readlinkat, AT_FDCWD, p, b, n); }
char *getcwd(char *b, size_t n) { return CALL(getcwd, b, n) < 0 ? NULL : b; }
int utimensat(int dfd, const char *p, const struct timespec ts[2], int flags) {
    return CALL(utimensat, dfd, p, ts, flags);
}
int fsync(int fd) { return CALL(fsync, fd); }
void sync(void) { CALL(sync, 0); }
int ftruncate(int fd, off_t size) { return CALL(ftruncate, fd, size); }
pid_t fork(void) { return CALL(clone, SIGCHLD, 0, 0, 0, 0); }
pid_t getpid(void) { return CALL(getpid, 0); }
pid_t getppid(void) { return CALL(getppid, 0); }
pid_t gettid(void) { return CALL(gettid, 0); }
pid_t getpgrp(void) { return CALL(getpgid, 0); }
pid_t setsid(void) { return CALL(setsid, 0); }
int setpgid(pid_t pid, pid_t pgid) { return CALL(setpgid, pid, pgid); }
void _exit(int status) {
    for (;;)
        CALL(exit_group, status);
}
int execve(const char *p, char *const argv[], char *const env[]) { return CALL(execve, p, argv, env); }
int execvp(const char *name, char *const argv[]) {
    char full[512];
    const char *path = getenv("PATH");
    if (strchr(name, '/'))
        return execve(name, argv, environ);
    int best = ENOENT;
    for (const char *p = path ? path : "/bin"; *p;) {
        size_t n = strcspn(p, ":");
        snprintf(full, sizeof(full), "%.*s/%s", (int)n, p, name);
        execve(full, argv, environ);
        if (errno != ENOENT && errno != ENOTDIR)
            best = errno;
        p += n + (p[n] == ':');
    }
    errno = best;
    return -1;
}
pid_t wait4(pid_t pid, int *status, int options, struct rusage *ru) {
    return CALL(wait4, pid, status, options, ru);
}
pid_t waitpid(pid_t pid, int *status, int options) { return wait4(pid, status, options, NULL); }
pid_t wait(int *status) { return waitpid(-1, status, 0); }
int kill(pid_t pid, int sig) { return CALL(kill, pid, sig); }
int raise(int sig) { return CALL(tgkill, getpid(), gettid(), sig); }
sighandler signal(int sig, sighandler h) {
    struct abi_sigaction a = {.handler = (uint64_t)h, .flags = SA_RESTART}, o;
    return CALL(rt_sigaction, sig, &a, &o, 8) < 0 ? (sighandler)-1 : (sighandler)o.handler;
}
int sigprocmask(int how, const uint64_t *set, uint64_t *old) {
    return CALL(rt_sigprocmask, how, set, old, 8);
}
int tcgetattr(int fd, struct abi_termios *t) { return ioctl(fd, TCGETS, t); }
int tcsetattr(int fd, int when, const struct abi_termios *t) { return ioctl(fd, TCSETS + when, (void *)t); }
int tcsetpgrp(int fd, pid_t pgid) { return ioctl(fd, TIOCSPGRP, &pgid); }
pid_t tcgetpgrp(int fd) {
    pid_t p;
    return ioctl(fd, TIOCGPGRP, &p) < 0 ? -1 : p;
}
int poll(struct pollfd *p, unsigned n, int ms) {
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};
    return CALL(ppoll, p, n, ms < 0 ? NULL : &ts, 0, 8);
}
void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off) {
    return (void *)set_errno(syscall_raw(SYS_mmap, (long)at, n, prot, flags, fd, off));
}
int munmap(void *at, size_t n) { return CALL(munmap, at, n); }
int madvise(void *at, size_t n, int advice) { return CALL(madvise, at, n, advice); }
int nanosleep(const struct timespec *ts, struct timespec *rem) { return CALL(nanosleep, ts, rem); }
unsigned sleep(unsigned s) {
    struct timespec ts = {s, 0}, rem = {0, 0};
    return nanosleep(&ts, &rem) < 0 ? rem.tv_sec + 1 : 0;
}
int usleep(unsigned us) {
    struct timespec ts = {us / 1000000, us % 1000000 * 1000L};
    return nanosleep(&ts, NULL);
}
int clock_gettime(clockid_t id, struct timespec *ts) { return CALL(clock_gettime, id, ts); }
int gettimeofday(struct timeval *restrict tv, void *restrict tz) { return CALL(gettimeofday, tv, tz); }
int getuid(void) { return CALL(getuid, 0); }
int geteuid(void) { return CALL(geteuid, 0); }
int getgid(void) { return CALL(getgid, 0); }
int setuid(int uid) { return CALL(setuid, uid); }
int setgid(int gid) { return CALL(setgid, gid); }
unsigned umask(unsigned mask) { return CALL(umask, mask); }
void *sbrk(ptrdiff_t n) {
    static char *end;
    if (!end)
        end = (char *)syscall_raw(SYS_brk, 0, 0, 0, 0, 0, 0);
    char *old = end, *now = (char *)syscall_raw(SYS_brk, (long)(end + n), 0, 0, 0, 0, 0);
    if (now != end + n) {
        errno = ENOMEM;
        return (void *)-1;
    }
    end = now;
    return old;
}

struct dir {
    int fd;
    long n, at;
    struct dirent ent;
    char buf[4096];
};
DIR *opendir(const char *p) {
    int fd = open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : calloc(1, sizeof(*d));
    if (d)
        d->fd = fd;
    return d;
}
struct dirent *readdir(DIR *d) {
    if (d->at >= d->n) {
        d->n = CALL(getdents64, d->fd, d->buf, sizeof(d->buf));
        d->at = 0;
        if (d->n <= 0)
            return NULL;
    }
    struct linux_dirent64 *e = (void *)(d->buf + d->at);
    d->at += e->d_reclen;
    d->ent.d_ino = e->d_ino;
    d->ent.d_type = e->d_type;
    strlcpy(d->ent.d_name, e->d_name, sizeof(d->ent.d_name));
    return &d->ent;
}
int closedir(DIR *d) {
    int r = close(d->fd);
    free(d);
    return r;
}
