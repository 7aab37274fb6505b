/* O_PATH: a descriptor of a path alone. The calls that accept one, and that all others refuse it. */
#include "ktap.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#ifndef F_SETPIPE_SZ
#define F_SETPIPE_SZ 1031
#define F_GETPIPE_SZ 1032
#endif

/* Not one of them may do anything with it. */
static void refused(int fd, const char *what) {
    char b[16], said[100];
    struct iovec v = {b, sizeof(b)};
    struct flock l = {.l_type = F_RDLCK};
    struct epoll_event ev = {.events = EPOLLIN};
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    struct timespec t[2] = {0};
    int n, ep = epoll_create1(0), null = open("/dev/null", O_RDWR), bad = 0;
#define REFUSED(call)                                                                                        \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        if ((long)(call) != -1 || errno != EBADF)                                                            \
            printf("# %s: errno %d from " #call "\n", what, errno), bad++;                                   \
    } while (0)
    REFUSED(fcntl(fd, F_GETPIPE_SZ));
    REFUSED(fcntl(fd, F_SETPIPE_SZ, 8192));
    REFUSED(fcntl(fd, F_SETFL, O_NONBLOCK));
    REFUSED(fcntl(fd, F_GETOWN));
    REFUSED(fcntl(fd, F_SETOWN, getpid()));
    REFUSED(fcntl(fd, F_GETLK, &l));
    REFUSED(fcntl(fd, F_SETLK, &l));
    REFUSED(fcntl(fd, 99));
    REFUSED(flock(fd, LOCK_SH));
    REFUSED(read(fd, b, 1));
    REFUSED(write(fd, b, 1));
    REFUSED(pread(fd, b, 1, 0));
    REFUSED(pwrite(fd, b, 1, 0));
    REFUSED(readv(fd, &v, 1));
    REFUSED(writev(fd, &v, 1));
    REFUSED(lseek(fd, 0, SEEK_SET));
    REFUSED(ioctl(fd, FIONREAD, &n));
    REFUSED(fsync(fd));
    REFUSED(fdatasync(fd));
    REFUSED(syncfs(fd));
    REFUSED(ftruncate(fd, 0));
    REFUSED(fallocate(fd, 0, 0, 1));
    REFUSED(fchmod(fd, 0600));
    REFUSED(fchown(fd, -1, -1));
    REFUSED(syscall(SYS_utimensat, fd, NULL, t, 0));
    REFUSED(syscall(SYS_getdents64, fd, b, sizeof(b)));
    REFUSED(sendfile(null, fd, NULL, 1));
    REFUSED(sendfile(fd, null, NULL, 1));
    REFUSED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
    REFUSED(epoll_wait(fd, &ev, 1, 0));
    REFUSED(inotify_rm_watch(fd, 1));
    REFUSED(setns(fd, 0));
    REFUSED(posix_fadvise(fd, 0, 0, 0) ? (errno = posix_fadvise(fd, 0, 0, 0), -1) : 0);
    REFUSED((long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
    n = poll(&p, 1, 0);
    if (n != 1 || p.revents != POLLNVAL)
        printf("# %s: poll says %x\n", what, p.revents), bad++;
    close(ep);
    close(null);
    snprintf(said, sizeof(said), "an O_PATH descriptor of %s is refused by all that would use the file", what);
    OK(!bad, said);
}
static void accepted(int fd, const char *what) {
    struct stat st;
    struct statfs fs;
    char said[100], link[40], to[100];
    int d = dup(fd), e = fcntl(fd, F_DUPFD, 20), f = fcntl(fd, F_DUPFD_CLOEXEC, 20), g = dup3(fd, 30, O_CLOEXEC);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    snprintf(said, sizeof(said), "an O_PATH descriptor of %s can be duplicated, asked about, and closed", what);
    OK(d >= 0 && e >= 20 && f > 20 && g == 30 && fcntl(f, F_GETFD) == FD_CLOEXEC && !fcntl(e, F_SETFD, 1) &&
           (fcntl(d, F_GETFL) & O_PATH) && !fstat(fd, &st) && !fstatfs(fd, &fs) &&
           readlink(link, to, sizeof(to)) > 0 && !close(d) && !close(e) && !close(f) && !close(g) && !close(fd),
       said);
}
static void both(const char *path, const char *what, int flags) {
    int fd = open(path, O_PATH | flags);
    refused(fd, what);
    accepted(fd, what);
}

int main(void) {
    char dir[] = "/tmp/opathXXXXXX";
    if (!mkdtemp(dir) || chdir(dir) || mkfifo("fifo", 0600) || mkdir("sub", 0700) || symlink("fifo", "link"))
        return 1;
    close(open("file", O_CREAT | O_WRONLY, 0600));
    both("fifo", "a FIFO", 0);
    both("file", "a file", 0);
    both("sub", "a directory", 0);
    both("link", "a symbolic link", O_NOFOLLOW);
    both("/dev/null", "a device", 0);
    both("/proc/self/ns/uts", "a namespace", 0);
    both("/proc/self/status", "a file of proc", 0);
    int rw = open("fifo", O_RDWR), path = open("fifo", O_PATH);
    OK(rw >= 0 && write(rw, "x", 1) == 1 && fcntl(rw, F_GETPIPE_SZ) >= 4096, "a FIFO is opened for use");
    refused(path, "a FIFO in use");
    char b[30];
    snprintf(b, sizeof(b), "/proc/self/fd/%d", path);
    int again = open(b, O_RDONLY);
    OK(again >= 0 && read(again, b, 2) == 1, "and opened through /proc it is one like any other");
    int sub = open("sub", O_PATH);
    OK(!close(openat(sub, "new", O_CREAT | O_WRONLY, 0600)) && !fchdir(sub) && !access("new", F_OK),
       "an O_PATH directory is a place to start from");
    chdir("/");
    char rm[60];
    snprintf(rm, sizeof(rm), "rm -rf %s", dir);
    system(rm);
    return ktap_done();
}
