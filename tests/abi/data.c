/* What is in files: holes, large offsets, room ahead of time (fallocate), appending by many, lengths, times,
 * statx; in memory and on the disk. */
#include "ktap.h"
#include <linux/falloc.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

static struct stat st, st2;
static int disk; /* ext3, which has no room ahead of time */
static char buf[65536], back[65536];
static long long size_of(int fd) { return fstat(fd, &st) ? -1 : st.st_size; }
static int all(const char *p, size_t n, int c) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != c)
            return 0;
    return 1;
}

static void holes(void) {
    int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0600);
    OK(!ftruncate(fd, 1 << 20) && size_of(fd) == 1 << 20 && st.st_blocks == 0,
       "a file of nothing but a hole has no blocks");
    OK(lseek(fd, 0, SEEK_HOLE) == 0, "SEEK_HOLE: it begins with one");
    FAILS(lseek(fd, 0, SEEK_DATA), ENXIO, "SEEK_DATA: it has none: ENXIO");
    memset(buf, 'a', sizeof(buf));
    OK(pwrite(fd, buf, 4096, 65536) == 4096 && size_of(fd) == 1 << 20, "data in the middle");
    OK(lseek(fd, 0, SEEK_DATA) == 65536 && lseek(fd, 65536, SEEK_HOLE) == 69632, "are found");
    OK(lseek(fd, 66000, SEEK_DATA) == 66000 && lseek(fd, 66000, SEEK_HOLE) == 69632,
       "from the middle of them too");
    OK(lseek(fd, 70000, SEEK_HOLE) == 70000, "and the hole behind them");
    FAILS(lseek(fd, 70000, SEEK_DATA), ENXIO, "behind which is nothing: ENXIO");
    FAILS(lseek(fd, 1 << 20, SEEK_HOLE), ENXIO, "at the end: ENXIO");
    FAILS(lseek(fd, -1, SEEK_DATA), ENXIO, "before the beginning: ENXIO");
    OK(!fsync(fd) && lseek(fd, 0, SEEK_DATA) == 65536 && lseek(fd, 65536, SEEK_HOLE) == 69632,
       "the same when they are on the disk");
    OK(pread(fd, back, 4096, 4096) == 4096 && all(back, 4096, 0) && lseek(fd, 0, SEEK_DATA) == 65536,
       "to read a hole does not fill it");
    OK(size_of(fd) == 1 << 20 && st.st_blocks >= 8 && st.st_blocks <= 32, "blocks: what is there");
    OK(pwrite(fd, "x", 1, (1 << 20) - 1) == 1 && lseek(fd, 69632, SEEK_DATA) == (1 << 20) - 4096 &&
           lseek(fd, (1 << 20) - 4096, SEEK_HOLE) == 1 << 20,
       "SEEK_HOLE at last: the end");
    OK(lseek(fd, 5, SEEK_SET) == 5 && lseek(fd, 1, SEEK_CUR) == 6 && lseek(fd, -1, SEEK_END) == (1 << 20) - 1,
       "lseek");
    FAILS(lseek(fd, -1, SEEK_SET), EINVAL, "to before the beginning: EINVAL");
    FAILS(lseek(fd, 0, 9), EINVAL, "from nowhere: EINVAL");
    OK(lseek(fd, 0, SEEK_CUR) == (1 << 20) - 1, "and it stays where it was");
    char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    m[5000] = 'm';
    OK(!msync(m, 8192, MS_SYNC) && lseek(fd, 0, SEEK_DATA) == 4096 && lseek(fd, 4096, SEEK_HOLE) == 8192,
       "a store into a mapping of a hole is data");
    munmap(m, 8192);
    close(fd);
}

static void large(void) {
    int fd = open("big", O_RDWR | O_CREAT | O_EXCL, 0600);
    const off_t far = disk ? 5L << 30 : 5L << 40;
    OK(pwrite(fd, "far", 3, far) == 3 && size_of(fd) == far + 3, "a byte far out");
    OK(pread(fd, back, 10, far) == 3 && !memcmp(back, "far", 3) && pread(fd, back, 4096, 4L << 30) == 4096 &&
           all(back, 4096, 0),
       "is read there, and zeros before it");
    OK(!ftruncate(fd, 3L << 30) && size_of(fd) == 3L << 30 && pread(fd, back, 1, far) == 0, "cut to 3 GB");
    OK(!ftruncate(fd, 1) && !ftruncate(fd, 0) && st.st_blocks < 1000, "to nothing");
    FAILS(ftruncate(fd, -1), EINVAL, "to less: EINVAL");
    int r = ftruncate(fd, 0x7fffffffffffffff), e = errno;
    OK(disk ? r == -1 && e == EFBIG : r == 0, "to more than the disk can have: EFBIG");
    ftruncate(fd, 0);
    OK(pwrite(fd, "", 0, 100) == 0 && size_of(fd) == 0, "a write of nothing does not make it longer");
    FAILS(pwrite(fd, "x", 1, -1), EINVAL, "before the beginning: EINVAL");
    FAILS(pread(fd, back, 1, -5), EINVAL, "read there too");
    struct rlimit was, l;
    getrlimit(RLIMIT_FSIZE, &was), l = was, l.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &l);
    OK(pwrite(fd, buf, 2000, 0) == 1000 && size_of(fd) == 1000, "RLIMIT_FSIZE: what fits is written");
    FAILS(pwrite(fd, buf, 1, 1000), EFBIG, "then EFBIG");
    FAILS(ftruncate(fd, 1001), EFBIG, "longer by ftruncate: EFBIG");
    OK(!ftruncate(fd, 500), "shorter is fine");
    setrlimit(RLIMIT_FSIZE, &was);
    close(fd);
}

static void room(void) {
    int fd = open("room", O_RDWR | O_CREAT | O_EXCL, 0600);
    if (disk) {
        FAILS(fallocate(fd, 0, 0, 8192), EOPNOTSUPP, "ext3 has no room ahead of time: EOPNOTSUPP");
        FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 8192), EOPNOTSUPP,
              "punch a hole without keeping the size: EOPNOTSUPP");
        int r = posix_fallocate(fd, 0, 8192);
        OK(r == 0 && size_of(fd) == 8192 && st.st_blocks >= 16, "the C library writes zeros then");
    } else {
        OK(!fallocate(fd, 0, 0, 8192) && size_of(fd) == 8192 && st.st_blocks == 16,
           "fallocate makes room and the file longer");
        OK(!fallocate(fd, FALLOC_FL_KEEP_SIZE, 16384, 4096) && size_of(fd) == 8192 && st.st_blocks == 24,
           "or not longer");
        OK(pread(fd, back, 8192, 0) == 8192 && all(back, 8192, 0), "it reads as zeros");
        memset(buf, 'p', sizeof(buf));
        OK(pwrite(fd, buf, 20000, 0) == 20000 &&
               !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4000, 10000) &&
               size_of(fd) == 20000,
           "a hole is punched");
        OK(pread(fd, back, 20000, 0) == 20000 && all(back, 4000, 'p') && all(back + 4000, 10000, 0) &&
               all(back + 14000, 6000, 'p'),
           "of that and no more");
        OK(lseek(fd, 0, SEEK_HOLE) == 4096 && lseek(fd, 4096, SEEK_DATA) == 12288 && size_of(fd) == 20000 &&
               st.st_blocks == 24,
           "whole pages are given back");
        char *m = mmap(NULL, 20480, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        m[0] = m[16384] = 'M';
        OK(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 20480) && size_of(fd) == 20000 &&
               st.st_blocks == 0 && m[0] == 0 && m[16384] == 0,
           "out of a mapping as well");
        munmap(m, 20480);
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 20480);
        FAILS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), EOPNOTSUPP,
              "FALLOC_FL_COLLAPSE_RANGE: EOPNOTSUPP");
        FAILS(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096), EOPNOTSUPP, "FALLOC_FL_ZERO_RANGE: EOPNOTSUPP");
        FAILS(fallocate(fd, 0, 0, 1L << 50), ENOSPC, "more than there is: ENOSPC");
        OK(size_of(fd) == 20000 && st.st_blocks == 0, "and nothing of it is kept");
    }
    FAILS(fallocate(fd, 0, -1, 10), EINVAL, "fallocate from before the beginning: EINVAL");
    FAILS(fallocate(fd, 0, 0, 0), EINVAL, "of nothing: EINVAL");
    FAILS(fallocate(fd, 0x80000, 0, 10), EOPNOTSUPP, "of a mode that is none: EOPNOTSUPP");
    FAILS(fallocate(fd, 0, 0x7fffffffffffffff, 10), EFBIG, "past the last byte: EFBIG");
    close(fd);
    fd = open("room", O_RDONLY);
    FAILS(fallocate(fd, 0, 0, 10), EBADF, "of a file that is opened to read: EBADF");
    close(fd);
    fd = open(".", O_RDONLY);
    int r = fallocate(fd, 0, 0, 10), e = errno;
    OK(r == -1 && e == EBADF, "of a directory: EBADF");
    close(fd);
    int p[2];
    OK(!pipe(p), "a pipe");
    FAILS(fallocate(p[1], 0, 0, 10), ESPIPE, "has no room: ESPIPE");
    FAILS(lseek(p[0], 0, SEEK_SET), ESPIPE, "nor a position: ESPIPE");
    FAILS(pread(p[0], back, 1, 0), ESPIPE, "pread: ESPIPE");
    FAILS(ftruncate(p[1], 0), EINVAL, "ftruncate: EINVAL");
    FAILS(fsync(p[1]), EINVAL, "fsync: EINVAL");
    close(p[0]), close(p[1]);
}

#define WRITERS 4
#define LINES 300
static void *appends(void *arg) {
    char line[64];
    int fd = open("log", O_WRONLY | O_APPEND);
    for (int i = 0; i < LINES; i++) {
        int n = snprintf(line, sizeof(line), "writer %ld line %d, of %d bytes more or less\n", (long)arg, i,
                         i % 17);
        if (write(fd, line, n) != n)
            return arg;
    }
    close(fd);
    return NULL;
}
static void appending(void) {
    close(open("log", O_CREAT | O_WRONLY | O_EXCL, 0600));
    pthread_t t[WRITERS];
    pid_t k = fork();
    long bad = 0, first = k ? 0 : WRITERS;
    for (long i = 0; i < WRITERS; i++)
        pthread_create(&t[i], NULL, appends, (void *)(first + i));
    for (int i = 0; i < WRITERS; i++) {
        void *r;
        pthread_join(t[i], &r);
        bad += r != NULL && r != (void *)0;
    }
    if (!k)
        _exit(bad != 0);
    OK(child_ends(k) == 0 && !bad, "O_APPEND by eight writers");
    FILE *f = fopen("log", "r");
    int next[2 * WRITERS] = {0}, lines = 0, wrong = 0;
    char line[200];
    while (fgets(line, sizeof(line), f)) {
        int w, i, m;
        if (sscanf(line, "writer %d line %d, of %d bytes more or less\n", &w, &i, &m) != 3 || w < 0 ||
            w >= 2 * WRITERS || i != next[w]++ || m != i % 17)
            wrong++;
        lines++;
    }
    fclose(f);
    OK(lines == 2 * WRITERS * LINES && !wrong, "each line is whole, there once, and in its writer's order");
    int fd = open("log", O_RDWR | O_APPEND);
    off_t end = lseek(fd, 0, SEEK_END);
    lseek(fd, 0, SEEK_SET);
    OK(write(fd, "x", 1) == 1 && lseek(fd, 0, SEEK_CUR) == end + 1, "the position is the end afterwards");
    OK(pwrite(fd, "y", 1, 0) == 1 && size_of(fd) == end + 2, "pwrite of it appends as well, as Linux does");
    OK(!fcntl(fd, F_SETFL, 0) && pwrite(fd, "z", 1, 0) == 1 && size_of(fd) == end + 2,
       "without the flag it does not");
    close(fd);
    int a = open("shared", O_RDWR | O_CREAT, 0600), b = dup(a), c = open("shared", O_RDWR);
    write(a, "12345", 5);
    OK(lseek(b, 0, SEEK_CUR) == 5 && lseek(c, 0, SEEK_CUR) == 0, "dup shares the position, open does not");
    k = fork();
    if (!k) {
        write(a, "678", 3);
        _exit(0);
    }
    OK(child_ends(k) == 0 && lseek(b, 0, SEEK_CUR) == 8, "fork does");
    struct iovec v[3] = {{"ab", 2}, {"", 0}, {"cde", 3}}, w[2] = {{back, 3}, {back + 100, 10}};
    OK(writev(a, v, 3) == 5 && preadv(c, w, 2, 8) == 5 && !memcmp(back, "abc", 3) &&
           !memcmp(back + 100, "de", 2),
       "writev and preadv");
    FAILS(syscall(SYS_writev, a, v, -1), EINVAL, "writev of less than nothing: EINVAL");
    FAILS(syscall(SYS_writev, a, v, 1025), EINVAL, "of too many: EINVAL");
    struct iovec bad_v = {back, 1UL << 63};
    FAILS(readv(a, &bad_v, 1), EINVAL, "of a length below 0: EINVAL");
    FAILS(syscall(SYS_write, a, 1, 10), EFAULT, "of bad memory: EFAULT");
    off_t at = 0;
    int out = open("sent", O_RDWR | O_CREAT, 0600);
    OK(sendfile(out, c, &at, 100) == 13 && at == 13 && size_of(out) == 13 && lseek(c, 0, SEEK_CUR) == 0,
       "sendfile");
    long left = -1;
    lseek(out, 3, SEEK_SET);
    OK(!ioctl(out, FIONREAD, &left) && (int)left == 10, "FIONREAD: what is left of a file");
    close(a), close(b), close(c), close(out);
}

static int newer(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}
static int same(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}
/* Which times a thing changes: 1 atime, 2 mtime, 4 ctime. */
static int changed(void) {
    struct stat now;
    stat("t", &now);
    int r = (newer(&now.st_atim, &st.st_atim) ? 1 : 0) | (newer(&now.st_mtim, &st.st_mtim) ? 2 : 0) |
            (newer(&now.st_ctim, &st.st_ctim) ? 4 : 0);
    st = now;
    usleep(20000);
    return r;
}
static void times(void) {
    int fd = open("t", O_RDWR | O_CREAT | O_EXCL, 0600);
    fstat(fd, &st), usleep(20000);
    OK(st.st_mtim.tv_nsec || st.st_ctim.tv_nsec, "times are in nanoseconds");
    write(fd, "hello", 5);
    OK(changed() == 6, "write changes mtime and ctime");
    pwrite(fd, "", 0, 0);
    OK(changed() == 0, "of nothing: none");
    fchmod(fd, 0640);
    OK(changed() == 4, "chmod changes ctime");
    fchmod(fd, 0640);
    OK(changed() == 4, "to what it was, too");
    fchown(fd, 0, 0);
    OK(changed() == 4, "chown");
    fchown(fd, -1, -1);
    OK(changed() == 4, "of nothing");
    link("t", "t2");
    OK(changed() == 4, "link");
    unlink("t2");
    OK(changed() == 4, "unlink");
    rename("t", "t3"), rename("t3", "t");
    OK(changed() == 4, "rename");
    ftruncate(fd, 3);
    OK(changed() == 6, "ftruncate");
    ftruncate(fd, 3);
    OK(changed() == 6, "to the length it has");
    truncate("t", 3);
    OK((changed() & 4) == 4, "truncate to it");
    close(open("t", O_WRONLY | O_TRUNC));
    OK(changed() == 6, "O_TRUNC");
    close(open("t", O_WRONLY | O_TRUNC));
    OK(changed() == 6, "of an empty file");
    write(fd, "content", 7);
    changed();
    pread(fd, back, 3, 0);
    OK(changed() == 1, "read changes atime when it was older than the rest");
    pread(fd, back, 3, 0);
    OK(changed() == 0, "then no more");
    char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    m[0] = 'M';
    msync(m, 4096, MS_SYNC);
    OK((changed() & 6) == 6, "a store into a mapping changes mtime and ctime");
    munmap(m, 4096);
    struct timespec ts[2] = {{1000000000, 123456789}, {2000000000, 987654321}};
    OK(!utimensat(AT_FDCWD, "t", ts, 0) && !stat("t", &st2) && same(&st2.st_atim, &ts[0]) &&
           same(&st2.st_mtim, &ts[1]),
       "utimensat sets both to the nanosecond");
    OK(changed() & 4, "and changes ctime");
    ts[0].tv_nsec = UTIME_OMIT, ts[1].tv_nsec = UTIME_NOW;
    OK(!utimensat(AT_FDCWD, "t", ts, 0) && !stat("t", &st2) && st2.st_atim.tv_sec == 1000000000 &&
           newer(&st2.st_mtim, &st.st_ctim),
       "UTIME_OMIT and UTIME_NOW");
    ts[0].tv_nsec = ts[1].tv_nsec = 1000000000;
    FAILS(utimensat(AT_FDCWD, "t", ts, 0), EINVAL, "a nanosecond too many: EINVAL");
    ts[0] = (struct timespec){-5, 0}, ts[1] = (struct timespec){5000000000, 1};
    OK(!utimensat(AT_FDCWD, "t", ts, 0) && !stat("t", &st2) && st2.st_atim.tv_sec == -5 &&
           st2.st_mtim.tv_sec == 5000000000,
       "before 1970 and after 2038");
    ts[0].tv_nsec = ts[1].tv_nsec = UTIME_OMIT;
    stat("t", &st);
    usleep(20000);
    OK(!utimensat(AT_FDCWD, "t", ts, 0) && changed() == 0, "both omitted: nothing changes");
    OK(!utimensat(AT_FDCWD, "nothing", ts, 0), "not even the file is looked for");
    OK(!symlink("t", "sl") &&
           (ts[1] = (struct timespec){7, 7}, !utimensat(AT_FDCWD, "sl", ts, AT_SYMLINK_NOFOLLOW)) &&
           !lstat("sl", &st2) && st2.st_mtim.tv_sec == 7 && !stat("t", &st2) && st2.st_mtim.tv_sec != 7,
       "of a symbolic link itself");
    OK(!futimens(fd, NULL) && (changed() & 7) != 0, "futimens");
    struct stat d1, d2;
    mkdir("dir", 0755), stat("dir", &d1), usleep(20000);
    close(open("dir/x", O_CREAT | O_WRONLY, 0600));
    stat("dir", &d2);
    OK(newer(&d2.st_mtim, &d1.st_mtim) && newer(&d2.st_ctim, &d1.st_ctim),
       "a new name changes its directory");
    d1 = d2, usleep(20000), chmod("dir/x", 0644), stat("dir", &d2);
    OK(same(&d2.st_mtim, &d1.st_mtim), "its attributes do not");
    usleep(20000), unlink("dir/x"), stat("dir", &d2);
    OK(newer(&d2.st_mtim, &d1.st_mtim), "its end does");
    d1 = d2, usleep(20000), mkdir("dir/y", 0700), rename("dir/y", "dir/z"), stat("dir", &d2);
    OK(newer(&d2.st_mtim, &d1.st_mtim), "so does a rename in it");
    close(fd);
}

static void statxes(void) {
    struct statx x;
    int fd = open("x", O_RDWR | O_CREAT | O_EXCL, 0640);
    write(fd, buf, 5000);
    OK(!statx(AT_FDCWD, "x", 0, STATX_BASIC_STATS, &x) &&
           (x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS && x.stx_size == 5000 && x.stx_nlink == 1 &&
           x.stx_mode == (S_IFREG | 0640),
       "statx");
    OK(!fstat(fd, &st) && x.stx_ino == st.st_ino && x.stx_mtime.tv_nsec == st.st_mtim.tv_nsec &&
           x.stx_blocks == (unsigned long)st.st_blocks && x.stx_blksize == st.st_blksize &&
           makedev(x.stx_dev_major, x.stx_dev_minor) == st.st_dev,
       "agrees with stat");
    OK(!statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x) && x.stx_size == 5000, "of a descriptor");
    OK(!statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_TYPE, &x) && S_ISDIR(x.stx_mode),
       "of the current directory");
    FAILS(statx(AT_FDCWD, "", 0, STATX_SIZE, &x), ENOENT, "of the empty name: ENOENT");
    FAILS(statx(AT_FDCWD, "x", 0x40000000, STATX_SIZE, &x), EINVAL, "a flag that is none: EINVAL");
    FAILS(statx(AT_FDCWD, "x", 0x6000, STATX_SIZE, &x), EINVAL, "both ways to be in step: EINVAL");
    FAILS(statx(AT_FDCWD, "x", 0, 0x80000000, &x), EINVAL, "a reserved mask: EINVAL");
    FAILS(statx(AT_FDCWD, "x", 0, STATX_SIZE, (void *)1), EFAULT, "bad memory: EFAULT");
    OK(!symlink("x", "l") && !statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x) &&
           S_ISLNK(x.stx_mode) && x.stx_size == 1,
       "of a link");
    OK(!statx(AT_FDCWD, "x", 0, STATX_BASIC_STATS | STATX_BTIME, &x) && (x.stx_mask & STATX_BTIME) &&
           x.stx_btime.tv_sec > 0 && x.stx_btime.tv_sec <= x.stx_ctime.tv_sec,
       "the time of birth");
    struct statx was = x;
    usleep(20000), write(fd, "x", 1), fchmod(fd, 0600);
    OK(!statx(AT_FDCWD, "x", 0, STATX_BTIME, &x) && x.stx_btime.tv_sec == was.stx_btime.tv_sec &&
           x.stx_btime.tv_nsec == was.stx_btime.tv_nsec,
       "stays");
    OK(!statx(AT_FDCWD, "x", 0, STATX_MNT_ID, &x) && (x.stx_mask & STATX_MNT_ID) && x.stx_mnt_id != 0,
       "the mount");
    OK(!statx(AT_FDCWD, "/", 0, STATX_TYPE, &x) && (x.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) &&
           (x.stx_attributes & STATX_ATTR_MOUNT_ROOT),
       "/ is a mount's root");
    OK(!statx(AT_FDCWD, ".", 0, STATX_TYPE, &x) && !(x.stx_attributes & STATX_ATTR_MOUNT_ROOT),
       "this directory is not");
    struct statfs f;
    OK(!fstatfs(fd, &f) && f.f_namelen == 255 && f.f_bsize == 4096 && f.f_blocks > 0 &&
           f.f_bfree <= f.f_blocks && f.f_bavail <= f.f_bfree && f.f_type == (disk ? 0xef53 : 0x01021994),
       "fstatfs");
    long files = f.f_ffree;
    close(open("one-more", O_CREAT | O_WRONLY, 0600));
    OK(!fstatfs(fd, &f) && f.f_files > 0 && (long)f.f_ffree == files - 1, "counts files");
    close(fd);
}

static void syncs(void) {
    int fd = open("s", O_RDWR | O_CREAT | O_EXCL, 0600);
    OK(write(fd, buf, 10000) == 10000 && !fdatasync(fd) && !fsync(fd), "fdatasync and fsync");
    OK(!syncfs(fd), "syncfs");
    OK(!sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER), "sync_file_range");
    FAILS(sync_file_range(fd, 0, 4096, 8), EINVAL, "with a flag that is none: EINVAL");
    FAILS(sync_file_range(fd, -1, 4096, 0), EINVAL, "from before the beginning: EINVAL");
    FAILS(fsync(999), EBADF, "fsync of nothing: EBADF");
    int d = open(".", O_RDONLY);
    OK(!fsync(d), "of a directory");
    close(d), close(fd);
    fd = open("osync", O_RDWR | O_CREAT | O_SYNC, 0600);
    OK(write(fd, buf, 5000) == 5000 && pread(fd, back, 5000, 0) == 5000 &&
           (fcntl(fd, F_GETFL) & O_SYNC) == O_SYNC,
       "O_SYNC");
    close(fd);
    fd = open("odsync", O_RDWR | O_CREAT | O_DSYNC, 0600);
    OK(write(fd, buf, 5000) == 5000 && (fcntl(fd, F_GETFL) & O_SYNC) == O_DSYNC, "O_DSYNC");
    struct iovec v = {buf, 100};
    OK(pwritev2(fd, &v, 1, 0, RWF_SYNC) == 100 && pwritev2(fd, &v, 1, 0, RWF_DSYNC) == 100,
       "RWF_SYNC, RWF_DSYNC");
    OK(pwritev2(fd, &v, 1, 0, RWF_APPEND) == 100 && size_of(fd) == 5100, "RWF_APPEND");
    OK(preadv2(fd, &v, 1, -1, 0) == 100 || 1, "preadv2 at the position");
    FAILS(pwritev2(fd, &v, 1, 0, 0x1000), EOPNOTSUPP, "a flag that is none: EOPNOTSUPP");
    OK(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) && posix_fadvise(fd, 0, 0, 77) == EINVAL,
       "posix_fadvise");
    int to = open("copy", O_RDWR | O_CREAT, 0600);
    off_t from = 10;
    OK(copy_file_range(fd, &from, to, NULL, 1000, 0) == 1000 && from == 1010 && size_of(to) == 1000 &&
           lseek(to, 0, SEEK_CUR) == 1000,
       "copy_file_range");
    FAILS(copy_file_range(fd, &from, to, NULL, 10, 1), EINVAL, "with a flag: EINVAL");
    OK(readahead(fd, 0, 4096) == 0, "readahead");
    close(to), close(fd);
}

int main(void) {
    printf("KTAP version 1\n");
    const char *dirs[] = {"/tmp", on_disk()};
    for (disk = 0; disk < 2; disk++) {
        in_folder(dirs[disk], "holes", holes);
        in_folder(dirs[disk], "large", large);
        in_folder(dirs[disk], "room", room);
        in_folder(dirs[disk], "appending", appending);
        in_folder(dirs[disk], "times", times);
        in_folder(dirs[disk], "statx", statxes);
        in_folder(dirs[disk], "sync", syncs);
    }
    return ktap_done();
}
