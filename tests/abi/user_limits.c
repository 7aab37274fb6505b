/* What a user makes the kernel hold has limits, by Linux's names, in /proc/sys/fs. */
#include "ktap.h"
#include <sys/inotify.h>

static void put(const char *name, const char *value) {
    char path[100];
    snprintf(path, sizeof(path), "/proc/sys/fs/%s", name);
    if (put_text(path, value))
        printf("# %s: errno %d\n", path, errno);
}
static long size(int fd) { return fcntl(fd, F_GETPIPE_SZ); }

static int pipes_soft(void) {
    int p[2], n = 0, last[2];
    if (setuid(23456))
        return 1;
    for (; n < 100 && !pipe(p) && size(p[0]) == 65536; n++)
        ;
    if (n != 4) /* 64 pages */
        return 10 + n;
    if (size(p[0]) != 8192)
        return 2;
    if (pipe(last) || size(last[0]) != 8192)
        return 3;
    if (fcntl(last[0], F_SETPIPE_SZ, 16384) != -1 || errno != EPERM)
        return 4;
    if (fcntl(last[0], F_SETPIPE_SZ, 4096) != 4096)
        return 5;
    if (fcntl(last[0], F_SETPIPE_SZ, 2 << 20) != -1 || errno != EPERM)
        return 6;
    char c[5000] = {0};
    return write(last[1], c, 4096) != 4096 || read(last[0], c, 5000) != 4096 ? 7 : 0;
}
static int pipes_hard(void) {
    int p[2], n = 0;
    if (setuid(23457))
        return 1;
    while (n < 100 && !pipe(p))
        n++;
    return errno != ENFILE || n < 4 || n > 40 ? 10 + n : 0;
}
static int instances(void) {
    int n = 0;
    if (setuid(23458))
        return 1;
    while (n < 100 && inotify_init() >= 0)
        n++;
    return n != 3 || errno != EMFILE ? 10 + n : 0;
}
static int watches(void) {
    int n = 0, fd = inotify_init();
    char path[64];
    if (setuid(23459) || (fd = inotify_init()) < 0)
        return 1;
    for (; n < 100; n++) {
        snprintf(path, sizeof(path), "/tmp/watch-%d", n);
        close(open(path, O_CREAT | O_RDWR, 0600));
        if (inotify_add_watch(fd, path, IN_MODIFY) < 0)
            break;
    }
    int e = errno;
    for (int i = 0; i <= n; i++)
        snprintf(path, sizeof(path), "/tmp/watch-%d", i), unlink(path);
    return n != 5 || e != ENOSPC ? 10 + n : 0;
}
static void check(int (*fn)(void), const char *what) {
    int r = in_child(fn);
    if (r)
        printf("# %d\n", r);
    OK(r == 0, what);
}

int main(void) {
    printf("KTAP version 1\n");
    OK(atoi(get_text("/proc/sys/fs/pipe-user-pages-soft")) == 16384, "fs.pipe-user-pages-soft is 16384");
    OK(atoi(get_text("/proc/sys/fs/pipe-max-size")) == 1 << 20, "fs.pipe-max-size is 1 MB");
    put("pipe-user-pages-soft", "64");
    check(pipes_soft, "beyond the soft limit pipes are small and do not grow");
    put("pipe-user-pages-hard", "80");
    check(pipes_hard, "beyond the hard limit there are none");
    int p[2];
    OK(!pipe(p) && size(p[0]) == 65536, "what a process had comes back with its end, and root is not limited");
    put("pipe-user-pages-soft", "16384");
    put("pipe-user-pages-hard", "0");
    put("inotify/max_user_instances", "3");
    check(instances, "fs.inotify.max_user_instances");
    put("inotify/max_user_instances", "128");
    put("inotify/max_user_watches", "5");
    check(watches, "fs.inotify.max_user_watches");
    put("inotify/max_user_watches", "65536");
    return ktap_done();
}
