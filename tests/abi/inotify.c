/* inotify: what is said of which change, in which order, and to whom. */
#include "ktap.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <utime.h>

static int in; /* the instance that most tests read */
static int wd_dir, wd_file;

static const char *bits(uint32_t mask) {
    static char text[200];
    static const char *names[] = {"ACCESS",      "MODIFY",    "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE",
                                  "OPEN",        "FROM",      "TO",     "CREATE",      "DELETE",
                                  "DELETE_SELF", "MOVE_SELF", "?",      "UNMOUNT",     "OVERFLOW",
                                  "IGNORED"};
    text[0] = 0;
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1)
            strcat(text, names[i]);
    if (mask & IN_ISDIR)
        strcat(text, "/");
    if (mask & ~(0xffffu | IN_ISDIR))
        strcat(text, "!");
    return text;
}
/* All that has come, as a text: "d:CREATE(x) f:OPEN ..." */
static const char *events(void) {
    static char text[8192];
    char buf[8192] __attribute__((aligned(8)));
    text[0] = 0;
    static uint32_t cookie;
    for (ssize_t n; (n = read(in, buf, sizeof(buf))) > 0;)
        for (char *at = buf; at < buf + n;) {
            struct inotify_event *e = (void *)at;
            char one[400];
            int moved = e->mask & (IN_MOVED_FROM | IN_MOVED_TO);
            snprintf(one, sizeof(one), "%s%s:%s%s%s%s%s", *text ? " " : "",
                     e->wd == wd_dir    ? "d"
                     : e->wd == wd_file ? "f"
                     : e->wd == -1      ? "none"
                                        : "x",
                     bits(e->mask), e->len ? "(" : "", e->len ? e->name : "", e->len ? ")" : "",
                     !moved == !e->cookie ? e->mask & IN_MOVED_TO && e->cookie != cookie ? "*" : ""
                                          : "cookie!");
            if (e->mask & IN_MOVED_FROM)
                cookie = e->cookie;
            strcat(text, one);
            if (e->len % sizeof(struct inotify_event) || (e->len && strlen(e->name) >= e->len))
                strcat(text, " BAD LENGTH");
            at += sizeof(*e) + e->len;
        }
    return text;
}
static void said(const char *what, const char *want) {
    const char *got = events();
    int ok = !strcmp(got, want);
    OK(ok, what);
    if (!ok)
        printf("# want %s\n# got  %s\n", want, got);
}
static void touch(const char *name) { close(open(name, O_CREAT | O_WRONLY, 0644)); }

static void directory(void) {
    char buf[100];
    touch("old");
    wd_dir = inotify_add_watch(in, ".", IN_ALL_EVENTS);
    wd_file = -2;
    OK(wd_dir > 0, "a directory is watched");
    int fd = open("new", O_CREAT | O_RDWR, 0644);
    said("a file is made", "d:CREATE(new) d:OPEN(new)");
    write(fd, "hello", 5);
    said("written", "d:MODIFY(new)");
    write(fd, "hello", 5), write(fd, "hello", 5), write(fd, "", 0);
    said("three times, told once", "d:MODIFY(new)");
    pread(fd, buf, 5, 0);
    said("read", "d:ACCESS(new)");
    pread(fd, buf, 5, 1000);
    said("read behind its end", "");
    ftruncate(fd, 2);
    said("cut", "d:MODIFY(new)");
    fchmod(fd, 0600);
    said("its mode", "d:ATTRIB(new)");
    fchown(fd, 0, 0);
    said("its owner", "d:ATTRIB(new)");
    struct timespec t[2] = {{1, 0}, {2, 0}};
    futimens(fd, t);
    said("its times", "d:ATTRIB(new)");
    t[0].tv_nsec = UTIME_OMIT;
    futimens(fd, t);
    said("the time of its change", "d:MODIFY(new)");
    t[0].tv_nsec = 0, t[1].tv_nsec = UTIME_OMIT;
    futimens(fd, t);
    said("of its use", "d:ACCESS(new)");
    close(fd);
    said("closed", "d:CLOSE_WRITE(new)");
    close(open("new", O_RDONLY));
    said("opened to read and closed", "d:OPEN(new) d:CLOSE_NOWRITE(new)");
    close(open("new", O_WRONLY | O_TRUNC));
    said("opened and emptied", "d:OPEN(new) d:MODIFY(new) d:CLOSE_WRITE(new)");
    close(open("new", O_PATH));
    said("O_PATH opens nothing", "");
    fd = open("new", O_RDONLY);
    int two = dup(fd);
    close(fd);
    said("of two descriptors one is closed", "d:OPEN(new)");
    close(two);
    said("then the other", "d:CLOSE_NOWRITE(new)");
    rename("new", "newer");
    said("renamed", "d:FROM(new) d:TO(newer)");
    rename("newer", "old");
    said("over another", "d:FROM(newer) d:TO(old)");
    link("old", "hard");
    said("a hard link", "d:CREATE(hard)");
    unlink("hard");
    said("removed", "d:DELETE(hard)");
    symlink("old", "soft"), chmod("soft", 0644);
    said("a symbolic link, and through it", "d:CREATE(soft) d:ATTRIB(old)");
    truncate("soft", 1);
    said("cut through it", "d:MODIFY(old)");
    unlink("soft");
    said("the link goes", "d:DELETE(soft)");
    mkdir("dir", 0755);
    said("a directory", "d:CREATE/(dir)");
    touch("dir/inside");
    said("what happens in it is not told", "");
    chmod("dir", 0700);
    said("its mode is", "d:ATTRIB/(dir)");
    rename("old", "dir/old");
    said("moved into it", "d:FROM(old)");
    rename("dir/old", "old2");
    said("and out of it", "d:TO(old2)*"); /* its cookie is not the last one told */
    rename("dir", "dir2");
    said("a directory is renamed", "d:FROM/(dir) d:TO/(dir2)");
    unlink("dir2/inside"), rmdir("dir2");
    said("removed", "d:DELETE/(dir2)");
    mkfifo("fifo", 0600), unlink("fifo");
    said("a FIFO", "d:CREATE(fifo) d:DELETE(fifo)");
    fd = open(".", O_RDONLY);
    syscall(SYS_getdents64, fd, buf, sizeof(buf));
    close(fd);
    said("the directory itself is read", "d:OPEN/ d:ACCESS/ d:CLOSE_NOWRITE/");
    fd = open("old2", O_RDWR);
    unlink("old2");
    said("an open file is unlinked", "d:OPEN(old2) d:DELETE(old2)");
    write(fd, "x", 1);
    said("and written", "d:MODIFY(old2)");
    close(fd);
    said("and closed", "d:CLOSE_WRITE(old2)");
    inotify_add_watch(in, ".", IN_ALL_EVENTS | IN_EXCL_UNLINK);
    fd = open("old2", O_RDWR | O_CREAT, 0600);
    unlink("old2"), write(fd, "x", 1), close(fd);
    said("not with IN_EXCL_UNLINK", "d:CREATE(old2) d:OPEN(old2) d:DELETE(old2)");
    inotify_add_watch(in, ".", IN_CREATE);
    touch("a");
    said("a watch can be changed", "d:CREATE(a)");
    inotify_add_watch(in, ".", IN_DELETE | IN_MASK_ADD);
    unlink("a"), touch("b");
    said("and added to", "d:DELETE(a) d:CREATE(b)");
    FAILS(inotify_add_watch(in, ".", IN_DELETE | IN_MASK_CREATE), EEXIST, "IN_MASK_CREATE: EEXIST");
    OK(!renameat2(AT_FDCWD, "b", AT_FDCWD, "b", 0), "a rename to itself");
    said("is nothing", "");
    inotify_add_watch(in, ".", IN_MOVE);
    touch("c");
    renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_EXCHANGE);
    said("an exchange is two moves", "d:FROM(b) d:TO(c) d:FROM(c) d:TO(b)");
    OK(!inotify_rm_watch(in, wd_dir), "no more");
    said("says so", "d:IGNORED");
    FAILS(inotify_rm_watch(in, wd_dir), EINVAL, "it is gone: EINVAL");
    touch("d");
    said("and is silent", "");
}

static void file(void) {
    touch("f");
    wd_dir = -2;
    wd_file = inotify_add_watch(in, "f", IN_ALL_EVENTS);
    int fd = open("f", O_RDWR);
    write(fd, "1", 1), close(fd);
    said("a file is watched", "f:OPEN f:MODIFY f:CLOSE_WRITE");
    link("f", "g");
    said("linked", "f:ATTRIB");
    rename("f", "h");
    said("moved", "f:MOVE_SELF");
    unlink("h");
    said("one of two names goes", "f:ATTRIB");
    unlink("g");
    said("the last one", "f:ATTRIB f:DELETE_SELF f:IGNORED");
    touch("f");
    wd_file = inotify_add_watch(in, "f", IN_ALL_EVENTS);
    fd = open("f", O_RDWR);
    unlink("f");
    said("while it is open", "f:OPEN f:ATTRIB");
    close(fd);
    said("its end comes with the close", "f:CLOSE_WRITE f:DELETE_SELF f:IGNORED");
    touch("f"), touch("over");
    wd_file = inotify_add_watch(in, "f", IN_ALL_EVENTS);
    rename("over", "f");
    said("replaced by a rename", "f:ATTRIB f:DELETE_SELF f:IGNORED");
    wd_file = inotify_add_watch(in, "f", IN_OPEN | IN_ONESHOT);
    close(open("f", O_RDONLY)), close(open("f", O_RDONLY));
    said("IN_ONESHOT", "f:OPEN f:IGNORED");
    wd_dir = inotify_add_watch(in, ".", IN_OPEN);
    wd_file = inotify_add_watch(in, "f", IN_OPEN);
    close(open("f", O_RDONLY));
    said("both are watched", "d:OPEN(f) f:OPEN");
    mkdir("sub", 0755);
    int wd_sub = inotify_add_watch(in, "sub", IN_ALL_EVENTS);
    OK(wd_sub > wd_file, "a new number for each");
    wd_file = wd_sub;
    rename("sub", "sub2"), chmod("sub2", 0700);
    said("a directory moves", "f:MOVE_SELF f:ATTRIB/");
    rmdir("sub2");
    said("and is removed", "f:DELETE_SELF f:IGNORED");
    FAILS(inotify_add_watch(in, "nothing", IN_OPEN), ENOENT, "what is not there: ENOENT");
    FAILS(inotify_add_watch(in, "f", IN_OPEN | IN_ONLYDIR), ENOTDIR, "IN_ONLYDIR: ENOTDIR");
    FAILS(inotify_add_watch(in, "f", 0), EINVAL, "no event: EINVAL");
    FAILS(inotify_add_watch(in, "f", IN_ONLYDIR), ENOTDIR, "a flag alone is taken");
    FAILS(inotify_add_watch(in, "f", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL,
          "two flags that exclude each other: EINVAL");
    FAILS(inotify_add_watch(in, (char *)1, IN_OPEN), EFAULT, "bad memory: EFAULT");
    FAILS(inotify_add_watch(0, "f", IN_OPEN), EINVAL, "a file that is none: EINVAL");
    FAILS(inotify_add_watch(99, "f", IN_OPEN), EBADF, "a descriptor that is none: EBADF");
    FAILS(inotify_init1(1), EINVAL, "inotify_init1 with a flag that is none: EINVAL");
    symlink("f", "s");
    int l = inotify_add_watch(in, "s", IN_ATTRIB | IN_DONT_FOLLOW);
    wd_file = inotify_add_watch(in, "f", IN_ATTRIB);
    OK(l > 0 && l != wd_file, "IN_DONT_FOLLOW: the link itself");
    chmod("s", 0600);
    said("not what it points to", "f:ATTRIB");
    inotify_rm_watch(in, l), inotify_rm_watch(in, wd_file), inotify_rm_watch(in, wd_dir), events();
}

static void reading(void) {
    char buf[4096] __attribute__((aligned(8)));
    int n = -1;
    wd_dir = inotify_add_watch(in, ".", IN_CREATE | IN_DELETE);
    FAILS(read(in, buf, sizeof(buf)), EAGAIN, "nothing came: EAGAIN");
    struct pollfd p = {in, POLLIN, 0};
    OK(poll(&p, 1, 0) == 0 && !ioctl(in, FIONREAD, &n) && n == 0, "poll and FIONREAD say so");
    touch("a"), touch("a-name-of-twenty-five-byte");
    OK(poll(&p, 1, 0) == 1 && p.revents == POLLIN && !ioctl(in, FIONREAD, &n) && n == 16 + 16 + 16 + 32,
       "two events: 32 and 48 bytes");
    FAILS(read(in, buf, 31), EINVAL, "no room for the first: EINVAL");
    OK(read(in, buf, 40) == 32 && read(in, buf, sizeof(buf)) == 48, "as many as there is room for");
    FAILS(write(in, buf, 16), EBADF, "write: EBADF");
    int other = inotify_init();
    OK(inotify_add_watch(other, ".", IN_DELETE) == 1, "another instance counts from 1");
    fflush(stdout);
    pid_t k = fork();
    if (!k) {
        usleep(50000);
        unlink("a");
        _exit(0);
    }
    OK(read(other, buf, sizeof(buf)) == 32 && ((struct inotify_event *)buf)->mask == IN_DELETE, "read waits");
    OK(child_ends(k) == 0, "for what another process does");
    said("both are told", "d:DELETE(a)");
    close(other);
    char name[32];
    for (int i = 0; i < 9000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        touch(name), unlink(name);
    }
    int got = 0, over = 0, last = 0;
    for (ssize_t r; (r = read(in, buf, sizeof(buf))) > 0;)
        for (char *at = buf; at < buf + r;
             at += sizeof(struct inotify_event) + ((struct inotify_event *)at)->len) {
            struct inotify_event *e = (void *)at;
            got++, last = e->mask == IN_Q_OVERFLOW && e->wd == -1;
            over += last;
        }
    OK(got == 16385 && over == 1 && last, "16,384 events, then one that says that there were more");
    touch("after");
    said("and it goes on", "d:CREATE(after)");
    int many = 0, fds[200];
    while (many < 200 && (fds[many] = inotify_init1(IN_CLOEXEC)) >= 0)
        many++;
    OK(many == 127 && errno == EMFILE, "128 instances for a user: EMFILE");
    while (many > 0)
        close(fds[--many]);
    mkdir("mnt", 0755);
    OK(!mount("t", "mnt", "tmpfs", 0, NULL), "a file system");
    wd_file = inotify_add_watch(in, "mnt", IN_DELETE_SELF);
    OK(!umount("mnt"), "that is watched is unmounted");
    said("and says so", "d:CREATE/(mnt) f:UNMOUNT/ f:IGNORED");
    wd_file = inotify_add_watch(in, "after", IN_OPEN);
    k = fork();
    if (!k) {
        setuid(1000);
        chmod("after", 0600);
        _exit(inotify_add_watch(in, "/proc/1/mem", IN_OPEN) == -1 && errno == EACCES ? 0 : 1);
    }
    chmod("after", 0600);
    OK(child_ends(k) == 0, "who may not read may not watch: EACCES");
    inotify_rm_watch(in, wd_dir), inotify_rm_watch(in, wd_file), events();
}

int main(void) {
    printf("KTAP version 1\n");
    const char *dirs[] = {"/tmp", on_disk()};
    in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    OK(in >= 0, "inotify_init1");
    for (int i = 0; i < 2; i++) {
        in_folder(dirs[i], "directory", directory);
        in_folder(dirs[i], "file", file);
        in_folder(dirs[i], "reading", reading);
    }
    /* Watches come and go while files do, on all harts. */
    mkdir("/tmp/stress", 0755), chdir("/tmp/stress");
    fflush(stdout);
    pid_t kids[4];
    for (int k = 0; k < 4; k++)
        if (!(kids[k] = fork())) {
            char a[16], b[16], buf[4096];
            int own = inotify_init1(IN_NONBLOCK), w = -1;
            for (int i = 0; i < 400; i++) {
                snprintf(a, sizeof(a), "%d", i % 5), snprintf(b, sizeof(b), "%d", (i + k) % 5);
                touch(a);
                if (w < 0)
                    w = inotify_add_watch(own, i % 3 ? "." : b, IN_ALL_EVENTS);
                rename(a, b), unlink(b);
                if (i % 7 == 0 && w >= 0)
                    inotify_rm_watch(own, w), w = -1;
                read(own, buf, sizeof(buf));
            }
            _exit(0);
        }
    int bad = 0;
    for (int k = 0; k < 4; k++)
        bad += child_ends(kids[k]) != 0;
    OK(!bad, "four processes that watch each other's files");
    chdir("/");
    system("rm -rf /tmp/stress");
    return ktap_done();
}
