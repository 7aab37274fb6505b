/* churn WORKERS SEED DIR... : in each directory WORKERS processes change names and files at random and for
 * ever, all in the same few directories, so that what one changes another has in hand; until the machine is
 * killed. Of each directory one more process keeps files that the checker must find: file N is written,
 * fsync'ed, and then "ack DIR N" is printed. Errors that a full or busy directory explains are part of it;
 * others end everything. As process 1 it mounts the second disk. See churn.py. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAMES = 40, DIRS = 5, KEPT = 20 };
static uint64_t state;
static uint32_t rnd(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % n;
}
static void check(const char *what, int failed) {
    static const int fine[] = {ENOENT, EEXIST, ENOSPC, ENOTEMPTY, EISDIR, ENOTDIR,
                               EMLINK, EINVAL, ELOOP,  EFBIG,     EPERM};
    int e = errno;
    if (!failed)
        return;
    for (unsigned i = 0; i < sizeof(fine) / sizeof(*fine); i++)
        if (e == fine[i])
            return;
    printf("churn: FAILED: %s: %s\n", what, strerror(e));
    fflush(stdout);
    _exit(1);
}

/* Some name: in one of the directories, which come and go; long ones make a directory grow fast. */
static const char *name(char *buf) {
    static const char filler[] = "a-rather-long-name-that-fills-blocks-of-a-directory-so-that-it-has-to-grow-"
                                 "by-another-block-soon-and-then-by-one-more-and-so-on";
    uint32_t n = rnd(NAMES), d = rnd(DIRS);
    int length = n % 4 ? 0 : (int)sizeof(filler) - 1 - (int)(n % 16);
    if (d)
        sprintf(buf, "d%u/f%u%.*s", d, n, length, filler);
    else
        sprintf(buf, "f%u%.*s", n, length, filler);
    return buf;
}
/* Where the way to a block changes: the first indirect block, the first double one, one below that. */
static off_t place(void) {
    static const uint32_t edges[] = {0, 12, 12 + 1024, 12 + 2 * 1024};
    uint32_t edge = edges[rnd(8) ? rnd(2) : rnd(4)], near = rnd(8);
    return ((off_t)(edge + near > 4 ? edge + near - 4 : 0)) * 4096 + (rnd(2) ? 0 : rnd(4096));
}
static unsigned char data[160 * 1024];

static void grow(int fd) {
    struct stat s;
    off_t at = rnd(3) && !fstat(fd, &s) ? s.st_size : place();
    size_t n = rnd(4) ? 1 + rnd(9000) : 4096 * (1 + rnd(30));
    if (at < 12 << 20)
        check("pwrite", pwrite(fd, data, n, at) < 0);
}
static void change_file(void) {
    char a[256];
    int fd = open(name(a), O_RDWR | (rnd(3) ? O_CREAT : 0) | (rnd(12) ? 0 : O_TRUNC), 0644);
    if (fd < 0) {
        check("open", 1);
        return;
    }
    for (uint32_t k = rnd(4); k; k--)
        grow(fd);
    switch (rnd(9)) {
    case 0:
        check("ftruncate", ftruncate(fd, place()));
        break;
    case 1: /* without a name, and it still grows */
        check("unlink", unlink(a));
        grow(fd);
        grow(fd);
        break;
    case 2:
        check("fsync", fsync(fd));
        break;
    case 3:
        check("fdatasync", fdatasync(fd));
        break;
    case 4:
        check("fchmod", fchmod(fd, 0600 + rnd(64)));
        break;
    case 5: {
        struct stat s;
        if (!fstat(fd, &s) && s.st_size >= 4096) {
            off_t page = rnd(s.st_size / 4096);
            char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, page * 4096);
            if (p != MAP_FAILED) { /* another may truncate it below us: then write() fails, not we */
                int r = pread(fd, p, 64, 0);
                check("store", r < 0 && errno != EFAULT);
                munmap(p, 4096);
            }
        }
        break;
    }
    }
    close(fd);
}
static void sync_something(void) {
    int fd;
    if (!rnd(3)) {
        sync();
    } else if ((fd = open(".", O_RDONLY)) >= 0) {
        check("fsync of a directory", fsync(fd));
        close(fd);
    }
}
static void change_names(void) {
    char a[256], b[256], target[201];
    int fd;
    switch (rnd(12)) {
    case 0:
    case 1:
        check("link", link(name(a), name(b)));
        break;
    case 2:
    case 3:
    case 4:
        check("rename", rename(name(a), name(b)));
        break;
    case 5:
        check("exchange",
              renameat2(AT_FDCWD, name(a), AT_FDCWD, name(b), RENAME_EXCHANGE) && errno != ENOSYS);
        break;
    case 6: /* within the inode, and in a block */
        memset(target, 'x', 200);
        target[200] = 0;
        check("symlink", symlink(rnd(2) ? "short" : target, name(a)));
        break;
    case 7: /* a directory among the files; another may be moved over it */
        check("mkdir", mkdir(name(a), 0755));
        break;
    case 8:
        check("rmdir", rmdir(name(a)));
        break;
    case 9:
        if ((fd = open(".", O_TMPFILE | O_RDWR, 0644)) >= 0) {
            char path[32];
            sprintf(path, "/proc/self/fd/%d", fd);
            grow(fd);
            if (rnd(2))
                check("linkat", linkat(AT_FDCWD, path, AT_FDCWD, name(a), AT_SYMLINK_FOLLOW));
            close(fd);
        }
        break;
    default:
        check("unlink", unlink(name(a)));
    }
}
static void work(const char *dir) {
    char d[16];
    memset(data, 'x', sizeof(data));
    check("chdir", chdir(dir));
    for (int i = 1; i < DIRS; i++) {
        sprintf(d, "d%d", i);
        check("mkdir", mkdir(d, 0755));
    }
    for (;;) {
        uint32_t k = rnd(100);
        if (k < 55)
            change_names();
        else if (k < 97)
            change_file();
        else
            sync_something();
    }
}
/* File N: N * 1237 % 30000 + 1 bytes, each N + its offset / 256. After N is acknowledged N - KEPT goes. A
 * file "last" says where an earlier run was. */
static void keep(const char *dir) {
    static unsigned char kept[30000];
    char path[64], line[64];
    long n = 0;
    check("chdir", chdir(dir));
    check("mkdir", mkdir("kept", 0755));
    FILE *f = fopen("kept/last", "r");
    if (f) {
        if (fscanf(f, "%ld", &n) != 1)
            n = 0;
        fclose(f);
    }
    for (n += 2 * KEPT;; n++) {
        size_t size = n * 1237 % 30000 + 1;
        for (size_t i = 0; i < size; i++)
            kept[i] = n + i / 256;
        sprintf(path, "kept/k%ld", n);
        int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
        if (fd < 0) {
            check(path, 1);
            continue;
        }
        ssize_t r = write(fd, kept, size);
        check("write", r < 0);
        int bad = r == (ssize_t)size && fsync(fd);
        check("fsync", bad);
        close(fd);
        int l = open("kept/last", O_CREAT | O_WRONLY, 0644);
        check("last", l < 0 || pwrite(l, line, sprintf(line, "%ld\n", n), 0) < 0);
        close(l);
        if (r == (ssize_t)size && write(1, line, sprintf(line, "ack %s %ld\n", dir, n)) < 0)
            _exit(1);
        for (long old = n - KEPT; old > n - 3 * KEPT && old >= 0; old--) { /* what an earlier run left too */
            sprintf(path, "kept/k%ld", old);
            if (unlink(path) && errno == ENOENT && old < n - KEPT)
                break;
        }
        usleep(20000);
    }
}
int main(int argc, char **argv) {
    int workers = atoi(argv[1]);
    uint64_t seed = strtoull(argv[2], NULL, 0);
    if (getpid() == 1) {
        mkdir("/proc", 0755);
        mkdir("/mnt", 0755);
        mount("proc", "/proc", "proc", 0, NULL);
        check("mount", mount("/dev/vdb", "/mnt", "ext3", 0, NULL));
    }
    for (int d = 3; d < argc; d++) {
        mkdir(argv[d], 0755);
        for (int w = 0; w <= workers; w++)
            if (!fork()) {
                state = (seed * 100 + d) * 1000003 + w;
                for (int i = 0; i < 8; i++)
                    rnd(2);
                if (w)
                    work(argv[d]);
                keep(argv[d]);
            }
    }
    int st;
    wait(&st); /* nobody ends but by a failure */
    printf("churn: ended: %x\n", st);
    fflush(stdout);
    return 1;
}
