/* Locks on files: flock of the whole, POSIX of ranges, and those of an open file description. */
#include "ktap.h"
#include <pthread.h>
#include <sys/file.h>
#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif

static int lock(int fd, int cmd, int type, off_t start, off_t len) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, cmd, &l);
}
static struct flock asked;
static int would(int fd, int cmd, int type, off_t start, off_t len) {
    asked = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, cmd, &asked) ? -1 : asked.l_type;
}
/* What another process would find: the type, the first byte and the length of what is in its way. */
static int other(int type, off_t start, off_t len, int want, off_t wstart, off_t wlen) {
    fflush(stdout);
    pid_t parent = getpid(), p = fork();
    if (!p) {
        int fd = open("l", O_RDWR), r = would(fd, F_GETLK, type, start, len);
        _exit(r != want                                        ? 1
              : r == F_UNLCK                                   ? 0
              : asked.l_start != wstart || asked.l_len != wlen ? 2
              : asked.l_pid != parent                          ? 3
                                                               : 0);
    }
    return child_ends(p);
}
static volatile int got;
static void on_alarm(int s) { got = s; }

static void posix_locks(void) {
    int fd = open("l", O_RDWR | O_CREAT, 0600);
    OK(!lock(fd, F_SETLK, F_WRLCK, 10, 10) && other(F_RDLCK, 0, 0, F_WRLCK, 10, 10) == 0,
       "a lock is seen by others, with its range and owner");
    OK(other(F_WRLCK, 0, 10, F_UNLCK, 0, 0) == 0 && other(F_WRLCK, 20, 0, F_UNLCK, 0, 0) == 0,
       "not before nor behind it");
    OK(would(fd, F_GETLK, F_WRLCK, 0, 0) == F_UNLCK, "one's own is in nobody's way");
    OK(!lock(fd, F_SETLK, F_WRLCK, 20, 10) && other(F_RDLCK, 0, 0, F_WRLCK, 10, 20) == 0,
       "two that touch become one");
    OK(!lock(fd, F_SETLK, F_RDLCK, 15, 5) && other(F_RDLCK, 0, 0, F_WRLCK, 10, 5) == 0 &&
           other(F_RDLCK, 15, 5, F_UNLCK, 0, 0) == 0 && other(F_WRLCK, 15, 1, F_RDLCK, 15, 5) == 0,
       "a part becomes a reader's");
    OK(!lock(fd, F_SETLK, F_UNLCK, 12, 2) && other(F_WRLCK, 12, 2, F_UNLCK, 0, 0) == 0 &&
           other(F_WRLCK, 10, 2, F_WRLCK, 10, 2) == 0 && other(F_WRLCK, 14, 1, F_WRLCK, 14, 1) == 0,
       "a part is given up");
    OK(!lock(fd, F_SETLK, F_UNLCK, 0, 0) && other(F_WRLCK, 0, 0, F_UNLCK, 0, 0) == 0, "then all");
    OK(!lock(fd, F_SETLK, F_WRLCK, 100, 0) && other(F_WRLCK, 1L << 40, 1, F_WRLCK, 100, 0) == 0,
       "length 0: to the end, wherever that is");
    OK(!lock(fd, F_SETLK, F_UNLCK, 0, 0) && !lock(fd, F_SETLK, F_WRLCK, 100, -50) &&
           other(F_WRLCK, 0, 0, F_WRLCK, 50, 50) == 0,
       "a length below 0: before");
    FAILS(lock(fd, F_SETLK, F_WRLCK, 10, -11), EINVAL, "before the beginning: EINVAL");
    int again = dup(fd);
    close(again);
    OK(other(F_WRLCK, 0, 0, F_UNLCK, 0, 0) == 0, "closing any descriptor of the file drops them");
    lock(fd, F_SETLK, F_WRLCK, 0, 0);
    again = open("l", O_RDONLY), close(again);
    OK(other(F_WRLCK, 0, 0, F_UNLCK, 0, 0) == 0, "even one that was opened anew");
    lock(fd, F_SETLK, F_WRLCK, 0, 10);
    fflush(stdout);
    pid_t p = fork();
    if (!p)
        _exit(lock(fd, F_SETLK, F_WRLCK, 0, 10) == -1 && errno == EAGAIN ? 0 : 1);
    OK(child_ends(p) == 0, "a child does not have them: EAGAIN");
    int rd = open("l2", O_RDONLY | O_CREAT, 0600), wr = open("l2", O_WRONLY);
    FAILS(lock(rd, F_SETLK, F_WRLCK, 0, 0), EBADF, "a writer's lock of a file opened to read: EBADF");
    FAILS(lock(wr, F_SETLK, F_RDLCK, 0, 0), EBADF, "and the other way: EBADF");
    FAILS(lock(fd, F_SETLK, 7, 0, 0), EINVAL, "a type that is none: EINVAL");
    FAILS(fcntl(fd, F_SETLK, (void *)1), EFAULT, "bad memory: EFAULT");
    OK(would(fd, F_GETLK, F_UNLCK, 0, 0) == -1 && errno == EINVAL, "F_GETLK of F_UNLCK: EINVAL");
    /* The parent waits for the child, and the child would wait for the parent. */
    int up[2], down[2];
    pipe(up), pipe(down);
    fflush(stdout);
    p = fork();
    if (!p) {
        char c;
        lock(fd, F_SETLK, F_WRLCK, 50, 10);
        write(up[1], "x", 1), read(down[0], &c, 1);
        usleep(200000);
        int r = lock(fd, F_SETLKW, F_WRLCK, 0, 10); /* which the parent has */
        _exit(r == -1 && errno == EDEADLK ? 0 : 1);
    }
    char c;
    read(up[0], &c, 1), write(down[1], "x", 1);
    OK(!lock(fd, F_SETLKW, F_WRLCK, 50, 10), "F_SETLKW waits");
    OK(child_ends(p) == 0, "who would wait for who waits for it gets EDEADLK");
    p = fork();
    if (!p) {
        struct sigaction sa = {.sa_handler = on_alarm}; /* no SA_RESTART */
        sigaction(SIGALRM, &sa, NULL);
        struct itimerval t = {.it_value = {0, 50000}};
        setitimer(ITIMER_REAL, &t, NULL);
        _exit(lock(fd, F_SETLKW, F_WRLCK, 0, 10) == -1 && errno == EINTR && got ? 0 : 1);
    }
    OK(child_ends(p) == 0, "a signal ends the wait: EINTR");
    p = fork();
    if (!p) {
        int own = open("l3", O_RDWR | O_CREAT, 0600);
        lock(own, F_SETLK, F_WRLCK, 0, 0);
        write(up[1], "x", 1);
        usleep(50000);
        _exit(0);
    }
    read(up[0], &c, 1);
    int l3 = open("l3", O_RDWR);
    OK(!lock(l3, F_SETLKW, F_WRLCK, 0, 0) && child_ends(p) == 0, "who waits gets it when its owner ends");
    p = fork();
    if (!p) {
        execl("/proc/self/exe", "file_locks", "holds", NULL);
        _exit(99);
    }
    OK(child_ends(p) == 0, "exec keeps locks");
    close(fd), close(rd), close(wr), close(l3), close(up[0]), close(up[1]), close(down[0]), close(down[1]);
}
/* In a program of its own: it takes one, execs, and a child of that looks. */
static int holds(int second) {
    if (!second) {
        int fd = open("l4", O_RDWR | O_CREAT, 0600);
        lock(fd, F_SETLK, F_WRLCK, 3, 4);
        execl("/proc/self/exe", "file_locks", "holds2", NULL);
        return 98;
    }
    pid_t parent = getpid(), p = fork();
    if (!p)
        _exit(would(open("l4", O_RDWR), F_GETLK, F_WRLCK, 0, 0) == F_WRLCK && asked.l_start == 3 &&
                      asked.l_len == 4 && asked.l_pid == parent
                  ? 0
                  : 1);
    return child_ends(p);
}

static void ofd_locks(void) {
    int a = open("l", O_RDWR | O_CREAT, 0600), b = open("l", O_RDWR), c = dup(a);
    OK(!lock(a, F_OFD_SETLK, F_WRLCK, 0, 10), "a lock of an open file description");
    FAILS(lock(b, F_OFD_SETLK, F_WRLCK, 5, 10), EAGAIN,
          "is in the way of another of the same process: EAGAIN");
    OK(!lock(c, F_OFD_SETLK, F_WRLCK, 5, 10), "not of a duplicate");
    OK(would(b, F_OFD_GETLK, F_RDLCK, 0, 0) == F_WRLCK && asked.l_start == 0 && asked.l_len == 15 &&
           asked.l_pid == -1,
       "F_OFD_GETLK says so, and no process");
    OK(would(b, F_GETLK, F_WRLCK, 0, 0) == F_WRLCK && asked.l_pid == -1, "so does F_GETLK");
    FAILS(lock(b, F_SETLK, F_WRLCK, 0, 1), EAGAIN, "it is in the way of a POSIX lock too");
    OK(!lock(b, F_SETLK, F_WRLCK, 20, 5) && lock(a, F_OFD_SETLK, F_RDLCK, 20, 1) == -1 && errno == EAGAIN,
       "and the other way");
    struct flock l = {.l_type = F_WRLCK, .l_len = 1, .l_pid = 5};
    FAILS(fcntl(a, F_OFD_SETLK, &l), EINVAL, "l_pid that is not 0: EINVAL");
    close(c);
    FAILS(lock(b, F_OFD_SETLK, F_WRLCK, 0, 1), EAGAIN, "closing a duplicate drops nothing");
    fflush(stdout);
    pid_t p = fork();
    if (!p)
        _exit(lock(a, F_OFD_SETLK, F_WRLCK, 0, 12) ? 1 : 0);
    OK(child_ends(p) == 0, "a child shares it");
    p = fork();
    if (!p) {
        usleep(50000);
        _exit(lock(a, F_OFD_SETLK, F_UNLCK, 0, 0) != 0);
    }
    OK(!lock(b, F_OFD_SETLKW, F_WRLCK, 0, 10) && child_ends(p) == 0,
       "F_OFD_SETLKW waits, until the child unlocks what is shared");
    close(b);
    OK(!lock(a, F_OFD_SETLK, F_WRLCK, 0, 0), "the last close drops it");
    close(a);
}

static void *waits(void *arg) { return (void *)(long)flock((int)(long)arg, LOCK_EX); }
static void flocks(void) {
    int a = open("l", O_RDWR | O_CREAT, 0600), b = open("l", O_RDONLY), c = dup(a);
    OK(!flock(a, LOCK_SH) && !flock(b, LOCK_SH), "two readers");
    FAILS(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK, "a writer: EWOULDBLOCK");
    OK(!flock(b, LOCK_UN) && !flock(a, LOCK_EX | LOCK_NB), "when it is alone it may");
    OK(!flock(c, LOCK_EX | LOCK_NB), "a duplicate has the same lock");
    FAILS(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK, "no reader: EWOULDBLOCK");
    OK(!lock(a, F_SETLK, F_WRLCK, 0, 0), "POSIX locks are another matter");
    fflush(stdout);
    pid_t p = fork();
    if (!p)
        _exit(lock(b, F_SETLK, F_RDLCK, 0, 0) == -1 && flock(a, LOCK_EX | LOCK_NB) == 0 &&
                      flock(c, LOCK_UN) == 0
                  ? 0
                  : 1);
    OK(child_ends(p) == 0 && !flock(b, LOCK_EX | LOCK_NB), "a child shares it, and may unlock it");
    pthread_t t;
    void *r = (void *)1;
    pthread_create(&t, NULL, waits, (void *)(long)a);
    usleep(50000);
    flock(b, LOCK_UN);
    pthread_join(t, &r);
    OK(r == NULL, "who waits gets it");
    close(c);
    FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK, "closing a duplicate keeps it");
    close(a);
    OK(!flock(b, LOCK_EX | LOCK_NB), "the last close does not");
    FAILS(flock(b, 77), EINVAL, "an operation that is none: EINVAL");
    FAILS(flock(99, LOCK_SH), EBADF, "a descriptor that is none: EBADF");
    close(b);
    int d = open(".", O_RDONLY);
    OK(!flock(d, LOCK_EX), "a directory can be locked");
    close(d);
    /* Many at once: each takes, counts, and gives; the count must be right. */
    close(open("count", O_CREAT | O_WRONLY | O_TRUNC, 0600));
    int kinds[] = {0, 1, 2}, wrong = 0;
    for (int k = 0; k < 3; k++) {
        int shared = open("count", O_RDWR);
        long zero = 0, n = 0;
        pwrite(shared, &zero, 8, 0);
        pid_t kids[4];
        for (int i = 0; i < 4; i++)
            if (!(kids[i] = fork())) {
                int fd = open("count", O_RDWR);
                for (int j = 0; j < 50; j++) {
                    long v;
                    kinds[k] == 0 ? flock(fd, LOCK_EX)
                                  : lock(fd, kinds[k] == 1 ? F_SETLKW : F_OFD_SETLKW, F_WRLCK, 0, 8);
                    pread(fd, &v, 8, 0), v++, sched_yield(), pwrite(fd, &v, 8, 0);
                    kinds[k] == 0 ? flock(fd, LOCK_UN)
                                  : lock(fd, kinds[k] == 1 ? F_SETLK : F_OFD_SETLK, F_UNLCK, 0, 8);
                }
                _exit(0);
            }
        for (int i = 0; i < 4; i++)
            wrong += child_ends(kids[i]) != 0;
        pread(shared, &n, 8, 0);
        wrong += n != 200;
        close(shared);
    }
    OK(!wrong, "four processes that count under each kind of lock lose nothing");
}

int main(int argc, char **argv) {
    if (argc > 1)
        return holds(!strcmp(argv[1], "holds2"));
    printf("KTAP version 1\n");
    const char *dirs[] = {"/tmp", on_disk()};
    for (int i = 0; i < 2; i++) {
        in_folder(dirs[i], "posix", posix_locks);
        in_folder(dirs[i], "ofd", ofd_locks);
        in_folder(dirs[i], "flock", flocks);
    }
    return ktap_done();
}
