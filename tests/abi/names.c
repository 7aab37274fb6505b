/* Names: rename, unlink, links, permissions and special directories, as POSIX and Linux have them; in memory
 * and on the disk. */
#include "ktap.h"
#include <dirent.h>
#include <grp.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static int touch(const char *name, int mode) {
    int fd = open(name, O_CREAT | O_WRONLY | O_EXCL, mode);
    return fd < 0 ? -1 : close(fd);
}
static long renameat2_(const char *a, const char *b, unsigned flags) {
    return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags);
}
static struct stat st, st2;
static ino_t ino(const char *name) { return lstat(name, &st) ? 0 : st.st_ino; }
static nlink_t links(const char *name) { return lstat(name, &st) ? 0 : st.st_nlink; }
/* Like `fn` of a user with these ids and no rights. */
static int as(uid_t uid, gid_t gid, int (*fn)(void)) {
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        umask(0);
        if (setgroups(0, NULL) || setgid(gid) || setuid(uid))
            _exit(99);
        _exit(fn());
    }
    return child_ends(p);
}
#define NO(call, e) ((call) == -1 && errno == (e))

static void renames(void) {
    OK(!touch("a", 0644) && !touch("b", 0600) && ino("a") != ino("b"), "two files");
    ino_t a = ino("a");
    OK(!rename("a", "b") && ino("b") == a && !ino("a"), "rename replaces a file");
    OK(!link("b", "c") && !rename("b", "c") && links("b") == 2 && links("c") == 2,
       "rename of one file's two names does nothing");
    OK(!rename("b", "b"), "nor of a name to itself");
    OK(!unlink("c") && links("b") == 1, "unlink of one of them");
    OK(!mkdir("d", 0755) && !mkdir("e", 0755) && links("d") == 2, "directories have two links");
    FAILS(rename("b", "d"), EISDIR, "a file over a directory is EISDIR");
    FAILS(rename("d", "b"), ENOTDIR, "a directory over a file is ENOTDIR");
    OK(!touch("e/x", 0644) && NO(rename("d", "e"), ENOTEMPTY),
       "over a directory that is not empty: ENOTEMPTY");
    OK(!unlink("e/x") && (a = ino("d")) && !rename("d", "e") && ino("e") == a, "over an empty one");
    OK(links(".") == 3, "and the parent has one link less");
    OK(!mkdir("f", 0755) && !mkdir("f/g", 0755) && links("f") == 3, "a directory in it is a link more");
    OK(!rename("f/g", "g") && links("f") == 2 && links(".") == 5,
       "moved out: a link less there, one more here");
    OK(!stat("g/..", &st) && !stat(".", &st2) && st.st_ino == st2.st_ino, "its .. is the new parent");
    FAILS(rename("f", "f/g"), EINVAL, "into itself: EINVAL");
    OK(!mkdir("f/g", 0755) && NO(rename("f", "f/g/h"), EINVAL), "or below itself");
    OK(NO(rename("f/g", "f"), ENOTEMPTY), "over its own parent: ENOTEMPTY");
    FAILS(rename("nothing", "x"), ENOENT, "from a name that is not there: ENOENT");
    FAILS(rename("b", "nowhere/x"), ENOENT, "into a directory that is not there: ENOENT");
    FAILS(rename("b", "b/x"), ENOTDIR, "into a file: ENOTDIR");
    FAILS(rename(".", "x"), EBUSY, "of .: EBUSY");
    FAILS(rename("f/..", "x"), EBUSY, "of ..: EBUSY");
    FAILS(rename("f", "g/."), EBUSY, "to .: EBUSY");
    FAILS(rename("", "x"), ENOENT, "of an empty name: ENOENT");
    FAILS(rename("b", ""), ENOENT, "to an empty name: ENOENT");
    FAILS(rename("b/", "x"), ENOTDIR, "a file with a slash behind it: ENOTDIR");
    FAILS(rename("b", "x/"), ENOTDIR, "or to one: ENOTDIR");
    OK(!rename("g/", "h/") && ino("h"), "a directory may have one");
    FAILS(renameat2_("b", "h", RENAME_NOREPLACE), EEXIST, "RENAME_NOREPLACE: EEXIST");
    OK(!renameat2_("b", "k", RENAME_NOREPLACE) && ino("k"), "and where nothing is it renames");
    FAILS(renameat2_("k", "m", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL, "both flags: EINVAL");
    FAILS(renameat2_("k", "m", 0x80), EINVAL, "a flag that is none: EINVAL");
    FAILS(renameat2_("k", "m", RENAME_EXCHANGE), ENOENT, "RENAME_EXCHANGE with nothing: ENOENT");
    ino_t k = ino("k"), h = ino("h");
    OK(!touch("h/inside", 0600) && !renameat2_("k", "h", RENAME_EXCHANGE) && ino("h") == k && ino("k") == h &&
           ino("k/inside"),
       "RENAME_EXCHANGE of a file and a directory");
    OK(!renameat2_("k", "f/g", RENAME_EXCHANGE) && ino("f/g") == h && ino("f/g/inside") && ino("k") &&
           !ino("k/inside"),
       "of two directories in different ones");
    OK(!renameat2_("h", "f/g", RENAME_EXCHANGE) && ino("h") == h && ino("f/g") == k && links("f") == 2,
       "of a file and a directory in different ones");
    OK(!stat("h/..", &st) && !stat(".", &st2) && st.st_ino == st2.st_ino, "whose .. is right");
    OK(NO(renameat2_("f", "f/g", RENAME_EXCHANGE), EINVAL), "of a directory and what is in it: EINVAL");
    OK(NO(renameat2_("f/g", "f", RENAME_EXCHANGE), EINVAL) || errno == ENOTEMPTY, "and the other way");
    OK(!symlink("f/g", "s") && !rename("s", "t") && !lstat("t", &st) && S_ISLNK(st.st_mode),
       "a symbolic link itself is renamed");
    OK(!symlink("h", "v") && !touch("w", 0600) && !rename("w", "v") && !lstat("v", &st) &&
           S_ISREG(st.st_mode),
       "and replaced");
    int fd = open("v", O_WRONLY);
    OK(!touch("w", 0600) && !rename("w", "v") && !fstat(fd, &st) && st.st_nlink == 0 &&
           write(fd, "x", 1) == 1,
       "a replaced file lives while it is open");
    close(fd);
    struct timespec before;
    stat("v", &st), before = st.st_ctim, usleep(20000);
    OK(!rename("v", "u") && !stat("u", &st) &&
           (st.st_ctim.tv_sec != before.tv_sec || st.st_ctim.tv_nsec != before.tv_nsec),
       "rename changes the file's ctime");
}

static void unlinks(void) {
    OK(!mkdir("d", 0755), "a directory");
    FAILS(unlink("d"), EISDIR, "unlink of it: EISDIR");
    FAILS(rmdir("d/."), EINVAL, "rmdir of .: EINVAL");
    FAILS(rmdir("d/.."), ENOTEMPTY, "of ..: ENOTEMPTY");
    FAILS(rmdir("/"), EBUSY, "of /: EBUSY");
    OK(!touch("f", 0600) && NO(rmdir("f"), ENOTDIR), "of a file: ENOTDIR");
    FAILS(unlink("f/"), ENOTDIR, "a file with a slash: ENOTDIR");
    FAILS(unlink("nothing"), ENOENT, "what is not there: ENOENT");
    FAILS(unlink("f/x"), ENOTDIR, "below a file: ENOTDIR");
    FAILS(unlink(""), ENOENT, "the empty name: ENOENT");
    FAILS(unlink("."), EISDIR, "unlink of .: EISDIR");
    FAILS(unlinkat(AT_FDCWD, "f", 1), EINVAL, "a flag that is none: EINVAL");
    OK(!symlink("d", "l") && NO(rmdir("l"), ENOTDIR) && NO(rmdir("l/"), ENOTDIR),
       "rmdir does not follow a link");
    OK(!unlink("l") && ino("d"), "unlink removes the link");
    int dir = open("d", O_RDONLY | O_DIRECTORY);
    OK(!rmdir("d") && !fstat(dir, &st) && st.st_nlink == 0,
       "a removed directory lives while it is open, with no links");
    FAILS(openat(dir, "x", O_CREAT | O_WRONLY, 0600), ENOENT, "nothing is made in it: ENOENT");
    FAILS(mkdirat(dir, "x", 0700), ENOENT, "no directory either");
    FAILS(symlinkat("x", dir, "x"), ENOENT, "nor link");
    FAILS(linkat(AT_FDCWD, "f", dir, "x", 0), ENOENT, "nor name");
    FAILS(renameat(AT_FDCWD, "f", dir, "x"), ENOENT, "nor moved there");
    FAILS(openat(dir, "x", O_RDONLY), ENOENT, "nothing is found in it");
    OK(openat(dir, ".", O_RDONLY) >= 0, "but . is");
    char buf[512];
    errno = 0;
    long n = syscall(SYS_getdents64, dir, buf, sizeof(buf));
    OK(n == 0 || (n == -1 && errno == ENOENT), "its list is empty");
    close(dir);
    OK(!mkdir("d", 0755) && !chdir("d") && !rmdir("../d"), "the current directory can be removed");
    errno = 0;
    OK(getcwd(buf, sizeof(buf)) == NULL && errno == ENOENT, "getcwd is ENOENT then");
    FAILS(open("x", O_CREAT | O_WRONLY, 0600), ENOENT, "and nothing is made there");
    OK(!chdir(".."), ".. still leads out");
    OK(!access("f", F_OK), "to where it was");
    int fd = open("f", O_RDWR);
    OK(!unlink("f") && NO(access("f", F_OK), ENOENT) && write(fd, "abc", 3) == 3 && !fstat(fd, &st) &&
           st.st_nlink == 0 && st.st_size == 3,
       "an open file without a name");
    snprintf(buf, sizeof(buf), "/proc/self/fd/%d", fd);
    FAILS(linkat(AT_FDCWD, buf, AT_FDCWD, "again", AT_SYMLINK_FOLLOW), ENOENT, "cannot have one again");
    char text[512];
    n = readlink(buf, text, sizeof(text) - 1);
    text[n < 0 ? 0 : n] = 0;
    OK(strstr(text, "/f (deleted)"), "and /proc says that it is deleted");
    close(fd);
}

static void links_(void) {
    char buf[5000];
    OK(!touch("f", 0600) && !link("f", "g") && links("f") == 2 && ino("f") == ino("g"), "link");
    FAILS(link("f", "g"), EEXIST, "to a name that is there: EEXIST");
    FAILS(link("nothing", "x"), ENOENT, "of what is not there: ENOENT");
    OK(!mkdir("d", 0700) && NO(link("d", "x"), EPERM), "of a directory: EPERM");
    FAILS(link("f", "x/"), ENOENT, "to a name with a slash: ENOENT");
    FAILS(link("f/", "x"), ENOTDIR, "of a file with a slash: ENOTDIR");
    OK(!symlink("f", "s") && !link("s", "t") && !lstat("t", &st) && S_ISLNK(st.st_mode) && st.st_nlink == 2,
       "link does not follow a symbolic link");
    OK(!linkat(AT_FDCWD, "s", AT_FDCWD, "u", AT_SYMLINK_FOLLOW) && ino("u") == ino("f"),
       "with AT_SYMLINK_FOLLOW it does");
    OK(symlink("nowhere", "dangling") == 0 &&
           NO(linkat(AT_FDCWD, "dangling", AT_FDCWD, "x", AT_SYMLINK_FOLLOW), ENOENT),
       "one that leads nowhere: ENOENT");
    FAILS(linkat(AT_FDCWD, "f", AT_FDCWD, "x", 1), EINVAL, "a flag that is none: EINVAL");
    int fd = open("f", O_RDONLY);
    OK(!linkat(fd, "", AT_FDCWD, "by-fd", AT_EMPTY_PATH) && ino("by-fd") == ino("f"),
       "AT_EMPTY_PATH gives an open file another name");
    close(fd);
    fd = open(".", O_TMPFILE | O_RDWR, 0640);
    OK(fd >= 0 && !fstat(fd, &st) && st.st_nlink == 0 && (st.st_mode & 07777) == 0640, "O_TMPFILE");
    snprintf(buf, sizeof(buf), "/proc/self/fd/%d", fd);
    OK(write(fd, "temporary", 9) == 9 && !linkat(AT_FDCWD, buf, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) &&
           !stat("named", &st) && st.st_size == 9 && st.st_nlink == 1,
       "is given a name by /proc/self/fd");
    close(fd);
    fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640);
    snprintf(buf, sizeof(buf), "/proc/self/fd/%d", fd);
    OK(fd >= 0 && NO(linkat(AT_FDCWD, buf, AT_FDCWD, "named2", AT_SYMLINK_FOLLOW), ENOENT),
       "with O_EXCL it can not");
    close(fd);
    FAILS(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL, "O_TMPFILE to read alone: EINVAL");
    FAILS(open("f", O_TMPFILE | O_RDWR, 0600), ENOTDIR, "in a file: ENOTDIR");
    OK(!symlink("a-target", "r") && readlink("r", buf, 4) == 4 && !memcmp(buf, "a-ta", 4), "readlink cuts");
    FAILS(readlink("f", buf, 10), EINVAL, "of a file: EINVAL");
    FAILS(readlink("r", buf, 0), EINVAL, "no room: EINVAL");
    OK(!lstat("r", &st) && st.st_size == 8, "its size is the target's length");
    FAILS(symlink("x", "r"), EEXIST, "symlink to a name that is there: EEXIST");
    FAILS(symlink("", "x"), ENOENT, "to nothing: ENOENT");
    FAILS(symlink("x", "y/"), ENOENT, "a name with a slash: ENOENT");
    memset(buf, 'x', sizeof(buf));
    buf[4095] = 0;
    int r = symlink(buf, "long"), e = errno;
    OK(r == 0 || e == ENAMETOOLONG, "a target of 4,095");
    buf[4095] = 'x', buf[4096] = 0;
    FAILS(symlink(buf, "longer"), ENAMETOOLONG, "of 4,096: ENAMETOOLONG");
    buf[100] = 0;
    OK(!symlink(buf, "middle") && readlink("middle", buf + 1000, 200) == 100 && !memcmp(buf, buf + 1000, 100),
       "a target of 100");
    OK(!symlink("loop", "loop") && NO(open("loop", O_RDONLY), ELOOP) && NO(chmod("loop", 0600), ELOOP),
       "a link to itself: ELOOP");
    FAILS(open("loop/x", O_RDONLY), ELOOP, "on the way too");
    OK(!unlink("loop"), "and is removed");
    char from[16], to[16];
    int good = 1;
    touch("l0", 0600);
    for (int i = 1; i <= 41; i++) {
        snprintf(from, sizeof(from), "l%d", i), snprintf(to, sizeof(to), "l%d", i - 1);
        good &= !symlink(to, from);
    }
    OK(good && !access("l40", F_OK) && NO(access("l41", F_OK), ELOOP), "40 links are followed, 41 are ELOOP");
    OK((fd = open("dangling", O_CREAT | O_WRONLY, 0600)) >= 0 && !access("nowhere", F_OK),
       "O_CREAT through a link makes its target");
    close(fd);
    OK(!unlink("nowhere") && NO(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST),
       "not with O_EXCL");
    FAILS(open("dangling", O_CREAT | O_NOFOLLOW | O_WRONLY, 0600), ELOOP, "nor with O_NOFOLLOW");
    FAILS(mkdir("dangling", 0700), EEXIST, "mkdir there: EEXIST");
    FAILS(open("s", O_RDONLY | O_NOFOLLOW), ELOOP, "O_NOFOLLOW of a link: ELOOP");
    fd = open("s", O_PATH | O_NOFOLLOW);
    OK(fd >= 0 && !fstat(fd, &st) && S_ISLNK(st.st_mode) && readlinkat(fd, "", buf, 10) == 1,
       "with O_PATH it is opened");
    FAILS(read(fd, buf, 1), EBADF, "but not to be read");
    FAILS(fchmod(fd, 0600), EBADF, "nor changed");
    close(fd);
    OK(!symlink("d", "dl") && !lstat("dl/", &st) && S_ISDIR(st.st_mode), "a slash behind a link follows it");
    OK(!symlink(".", "dot") && !access("dot/dot/dot/f", F_OK), "through . and . and .");
    OK(!symlink("d/../f", "up") && !access("up", F_OK), "and ..");
    FAILS(open("dl", O_DIRECTORY | O_NOFOLLOW), ENOTDIR, "O_DIRECTORY and O_NOFOLLOW of a link: ENOTDIR");
}

static void long_names(void) {
    static char path[5000], name[260];
    memset(name, 'n', 255), name[255] = 0;
    OK(!touch(name, 0600) && !unlink(name), "255 bytes are a name");
    name[255] = 'n';
    FAILS(touch(name, 0600), ENAMETOOLONG, "256 are ENAMETOOLONG");
    FAILS(access(name, F_OK), ENAMETOOLONG, "to look for as well");
    FAILS(mkdir(name, 0700), ENAMETOOLONG, "and to mkdir");
    for (int i = 0; i < 4095; i++)
        path[i] = i % 2 ? '/' : '.';
    path[4095] = 0;
    OK(!access(path, F_OK), "a path of 4,095 bytes");
    path[4095] = '.';
    FAILS(access(path, F_OK), ENAMETOOLONG, "of 4,096: ENAMETOOLONG");
    int good = 1, depth = 0;
    char was[300];
    getcwd(was, sizeof(was));
    memset(name, 'd', 200), name[200] = 0;
    for (; depth < 30 && good; depth++)
        good = !mkdir(name, 0700) && !chdir(name);
    errno = 0;
    OK(good && getcwd(path, sizeof(path)) == NULL && errno == ERANGE
           ? 1
           : !!strstr(path, "ddd") || errno == ENAMETOOLONG,
       "directories deeper than a path is long");
    for (; depth > 0 && good; depth--)
        good = !chdir("..") && !rmdir(name);
    OK(good && getcwd(path, sizeof(path)) && !strcmp(path, was), "and out of them again");
    char odd[256];
    int n = 0;
    for (int c = 1; c < 256; c++)
        if (c != '/')
            odd[n++] = c;
    odd[n] = 0;
    OK(n == 254 && !touch(odd, 0600), "a name of every byte but / and 0");
    DIR *d = opendir(".");
    int found = 0;
    for (struct dirent *e; (e = readdir(d));)
        found += !strcmp(e->d_name, odd);
    closedir(d);
    OK(found == 1 && !unlink(odd), "is listed as it is");
    OK(!touch("\xff\xfe", 0600) && !touch(" ", 0600) && !touch("...", 0600) && !touch("\n", 0600) &&
           !unlink("\xff\xfe") && !unlink(" ") && !unlink("...") && !unlink("\n"),
       "names that are no UTF-8, a space, three dots, a newline");
    for (int i = 60; i <= 68; i++) { /* around a length that ext2's short links and records have */
        memset(odd, 'a' + i % 26, i), odd[i] = 0;
        good &= !touch(odd, 0600) && !symlink(odd, "sl") && readlink("sl", path, sizeof(path)) == i &&
                !memcmp(path, odd, i) && !access("sl", F_OK) && !unlink("sl") && !unlink(odd);
    }
    OK(good, "names and links of 60 to 68 bytes");
}

/* --- what one user may do to another's --- */
static int cannot(void) {
    return !NO(open("secret", O_RDONLY), EACCES)                              ? 1
           : !NO(open("secret", O_WRONLY), EACCES)                            ? 2
           : !NO(access("secret", R_OK), EACCES)                              ? 3
           : !NO(chmod("secret", 0777), EPERM)                                ? 4
           : !NO(chown("secret", 1000, -1), EPERM)                            ? 5
           : !NO(truncate("secret", 0), EACCES)                               ? 6
           : !NO(utimensat(AT_FDCWD, "secret", NULL, 0), EACCES)              ? 7
           : !NO(unlink("secret"), EACCES)                                    ? 8
           : !NO(rename("secret", "x"), EACCES)                               ? 9
           : !NO(mkdir("x", 0700), EACCES)                                    ? 10
           : !NO(symlink("x", "x"), EACCES)                                   ? 11
           : link("public", "x") != -1 || (errno != EACCES && errno != EPERM) ? 12
           : !NO(open("x", O_CREAT | O_WRONLY, 0600), EACCES)                 ? 13
           : !NO(open("closed/f", O_RDONLY), EACCES)                          ? 14
           : !NO(access("closed/nothing", F_OK), EACCES)                      ? 15
           : !NO(open("public", O_RDWR), EACCES)                              ? 16
           : !NO(open("public", O_RDONLY | O_TRUNC), EACCES)                  ? 17
           : !NO(mknod("x", S_IFCHR | 0600, 0x103), EACCES)                   ? 18
                                                                              : 0;
}
static int can(void) {
    int fd = open("public", O_RDONLY);
    struct timespec t[2] = {{1, 0}, {2, 0}};
    return fd < 0                                              ? 1
           : access("public", R_OK)                            ? 2
           : stat("secret", &st)                               ? 3
           : !NO(utimensat(AT_FDCWD, "public", t, 0), EPERM)   ? 4
           : open("noread/f", O_RDONLY) < 0                    ? 5
           : !NO(open("noread", O_RDONLY), EACCES)             ? 6
           : utimensat(AT_FDCWD, "writable", NULL, 0)          ? 7
           : !NO(utimensat(AT_FDCWD, "writable", t, 0), EPERM) ? 8
           : !NO(open("public", O_RDONLY | O_NOATIME), EPERM)  ? 9
                                                               : 0;
}
static int owner(void) { /* who owns and has no bits is refused, though all others may */
    return !NO(open("ours", O_RDONLY), EACCES)   ? 1
           : chmod("ours", 0400)                 ? 2
           : open("ours", O_RDONLY) < 0          ? 3
           : !NO(chown("ours", 1001, -1), EPERM) ? 4
           : chown("ours", -1, 2000)             ? 5
           : !NO(chown("ours", -1, 3000), EPERM) ? 6
           : chmod("ours", 0044)                 ? 7
                                                 : 0;
}
static int group(void) {
    return !NO(open("ours", O_WRONLY), EACCES) ? 1 : open("ours", O_RDONLY) < 0 ? 2 : 0;
}
static int sticky(void) {
    return !NO(unlink("sticky/root"), EPERM)                        ? 1
           : !NO(rename("sticky/root", "sticky/x"), EPERM)          ? 2
           : !NO(mknod("sticky/dev", S_IFCHR | 0600, 0x103), EPERM) ? 10
           : touch("sticky/mine", 0600)                             ? 3
           : rename("sticky/mine", "sticky/mine2")                  ? 4
           : !NO(rename("sticky/mine2", "sticky/root"), EPERM)      ? 5
           : unlink("sticky/mine2")                                 ? 6
           : !NO(rmdir("sticky/dir"), EPERM)                        ? 7
                                                                    : 0;
}
static int sticky_owner(void) { return unlink("sticky/root"); }
static int in_setgid(void) {
    if (touch("sgid/f", 02755) || mkdir("sgid/d", 0755) || symlink("x", "sgid/l"))
        return 1;
    if (stat("sgid/f", &st) || st.st_gid != 5000 || (st.st_mode & 07777) != 0755)
        return 2; /* not of that group: no set-group-id program */
    if (stat("sgid/d", &st) || st.st_gid != 5000 || (st.st_mode & 07777) != 02755)
        return 3;
    return lstat("sgid/l", &st) || st.st_gid != 5000                                       ? 4
           : chmod("sgid/f", 02755) || stat("sgid/f", &st) || (st.st_mode & 07777) != 0755 ? 5
                                                                                           : 0;
}
static int loses(void) { /* a write takes the set-id bits */
    int fd = open("suid", O_WRONLY);
    return fd < 0 || write(fd, "x", 1) != 1 || fstat(fd, &st) || (st.st_mode & 07777) != 0777 ? 1 : 0;
}
static int loses_truncate(void) {
    return truncate("suid", 0) || stat("suid", &st) || (st.st_mode & 07777) != 0777;
}
static void permissions(void) {
    umask(0);
    OK(!touch("secret", 0600) && !touch("public", 0644) && !touch("writable", 0666) &&
           !mkdir("closed", 0700) && !touch("closed/f", 0666) && !mkdir("noread", 0711) &&
           !touch("noread/f", 0644) && !chmod(".", 0755),
       "files of root");
    int r = as(1000, 1000, cannot);
    OK(r == 0, "what another user may not");
    printf("# %d\n", r);
    OK(as(1000, 1000, can) == 0, "what it may");
    OK(!touch("ours", 0044) && !chown("ours", 1000, 2000) && as(1000, 2000, owner) == 0,
       "the owner's bits count for the owner alone");
    OK(as(1001, 2000, group) == 0, "the group's for the group");
    OK(!mkdir("sticky", 01777) && !touch("sticky/root", 0666) && !mkdir("sticky/dir", 0777) &&
           as(1000, 1000, sticky) == 0,
       "a sticky directory");
    OK(!chown("sticky", 1001, 0) && as(1001, 1001, sticky_owner) == 0, "whose owner may remove");
    OK(!mkdir("sgid", 0777) && !chown("sgid", 0, 5000) && !chmod("sgid", 02777) &&
           as(1000, 1000, in_setgid) == 0,
       "a set-group-id directory gives its group");
    OK(!touch("suid", 0600) && !chmod("suid", 06777) && as(1000, 1000, loses) == 0,
       "a write takes the set-id bits");
    OK(!chmod("suid", 06777) && as(1000, 1000, loses_truncate) == 0, "so does truncate");
    OK(!chmod("suid", 06777) && !chown("suid", 1, 1) && !stat("suid", &st) && (st.st_mode & 07777) == 0777,
       "and chown, by root too");
    OK(!chmod("suid", 06767) && !chown("suid", 1, 1) && !stat("suid", &st) && (st.st_mode & 07777) == 02767,
       "but not the group's of a file that its group cannot run");
    OK(!chmod("sgid", 02777) && !chown("sgid", 1, 1) && !stat("sgid", &st) && (st.st_mode & 07777) == 02777,
       "nor a directory's");
    umask(027);
    OK(!touch("masked", 0666) && !stat("masked", &st) && (st.st_mode & 07777) == 0640 &&
           !mkdir("mdir", 0777) && !stat("mdir", &st) && (st.st_mode & 07777) == 0750,
       "umask");
    umask(022);
    int fd = open("secret", O_RDWR | O_CREAT, 0600);
    OK(fd >= 0 && !chmod("secret", 0) && write(fd, "x", 1) == 1, "an open file stays open");
    close(fd);
    fd = open("readonly", O_RDWR | O_CREAT | O_EXCL, 0444);
    OK(fd >= 0 && write(fd, "x", 1) == 1,
       "a file made without write permission can be written by who made it");
    close(fd);
    OK(!mkfifo("fifo", 0600) && !stat("fifo", &st) && S_ISFIFO(st.st_mode), "mkfifo");
    OK(!mknod("null", S_IFCHR | 0666, 0x103) && (fd = open("null", O_WRONLY)) >= 0 ? write(fd, "x", 1) == 1
                                                                                   : errno == EACCES,
       "a device of root's");
    FAILS(mknod("bad", S_IFDIR | 0700, 0), EPERM, "mknod of a directory: EPERM");
    FAILS(mknod("bad", S_IFLNK | 0700, 0), EINVAL, "of a link: EINVAL");
    OK(!mknod("plain", 0600, 0) && !stat("plain", &st) && S_ISREG(st.st_mode), "of no type: a file");
    FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO, "a FIFO that nobody reads: ENXIO");
}

static void opens(void) {
    OK(!touch("f", 0644) && !mkdir("d", 0755), "a file and a directory");
    FAILS(open("d", O_WRONLY), EISDIR, "a directory to write: EISDIR");
    FAILS(open("d", O_RDWR), EISDIR, "both ways: EISDIR");
    FAILS(open("d", O_RDONLY | O_CREAT, 0600), EISDIR, "with O_CREAT: EISDIR");
    FAILS(open("d", O_RDONLY | O_TRUNC), EISDIR, "with O_TRUNC: EISDIR");
    FAILS(open("new/", O_CREAT | O_WRONLY, 0600), EISDIR, "O_CREAT with a slash: EISDIR");
    FAILS(open("f/", O_RDONLY), ENOTDIR, "a file with a slash: ENOTDIR");
    FAILS(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR, "O_DIRECTORY of a file: ENOTDIR");
    FAILS(open("f/.", O_RDONLY), ENOTDIR, "f/.: ENOTDIR");
    FAILS(open("", O_RDONLY), ENOENT, "the empty name: ENOENT");
    FAILS(open("none", O_RDONLY), ENOENT, "what is not there: ENOENT");
    FAILS(open(".", O_CREAT | O_RDWR, 0600), EISDIR, ". with O_CREAT: EISDIR");
    FAILS(open("d", O_RDONLY | O_DIRECTORY | O_CREAT, 0600), EINVAL, "O_DIRECTORY and O_CREAT: EINVAL");
    int fd = open("f", O_RDONLY);
    FAILS(write(fd, "x", 1), EBADF, "write of a file opened to read: EBADF");
    FAILS(ftruncate(fd, 0), EINVAL, "ftruncate of it: EINVAL");
    FAILS(openat(fd, "x", O_RDONLY), ENOTDIR, "a file is no directory to start at");
    close(fd);
    FAILS(openat(999, "x", O_RDONLY), EBADF, "nor a descriptor that is none");
    OK((fd = openat(999, "/", O_RDONLY)) >= 0, "which an absolute path does not need");
    close(fd);
    fd = open("f", O_WRONLY);
    char c;
    FAILS(read(fd, &c, 1), EBADF, "read of one opened to write: EBADF");
    close(fd);
    fd = open("d", O_RDONLY);
    FAILS(read(fd, &c, 1), EISDIR, "read of a directory: EISDIR");
    FAILS(write(fd, &c, 1), EBADF, "write: EBADF");
    FAILS(ftruncate(fd, 0), EINVAL, "ftruncate: EINVAL");
    FAILS(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0, ENODEV, "mmap: ENODEV");
    OK(!fchdir(fd) && !chdir(".."), "fchdir");
    close(fd);
    fd = open("f", O_RDONLY);
    FAILS(fchdir(fd), ENOTDIR, "to a file: ENOTDIR");
    FAILS(truncate("f", -1), EINVAL, "truncate to less than nothing: EINVAL");
    FAILS(truncate("d", 0), EISDIR, "of a directory: EISDIR");
    FAILS(chdir("f"), ENOTDIR, "chdir to a file: ENOTDIR");
    FAILS(mkdir("f", 0700), EEXIST, "mkdir over a file: EEXIST");
    FAILS(mkdir("f/x", 0700), ENOTDIR, "below a file: ENOTDIR");
    FAILS(mkdir("none/x", 0700), ENOENT, "below nothing: ENOENT");
    FAILS(mkdir(".", 0700), EEXIST, "of .: EEXIST");
    FAILS(mkdir("/", 0700), EEXIST, "of /: EEXIST");
    OK(!mkdir("slash/", 0755), "with a slash");
    OK(!mkdir("bits", 07777) && !stat("bits", &st) && (st.st_mode & 07777) == (01777 & ~022),
       "mkdir takes the sticky bit and no others");
    FAILS(chroot("f"), ENOTDIR, "chroot to a file: ENOTDIR");
    OK(NO(open((char *)1, O_RDONLY), EFAULT) && NO(rename("f", (char *)1), EFAULT) &&
           NO(symlink((char *)1, "x"), EFAULT),
       "bad pointers: EFAULT");
    OK(!faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS) && NO(access("f", X_OK), EACCES) && !access("d", X_OK),
       "access, by root");
    OK(NO(access("f", 8), EINVAL), "of a bit that is none: EINVAL");
}

int main(void) {
    printf("KTAP version 1\n");
    const char *dirs[] = {"/tmp", on_disk()};
    for (int i = 0; i < 2; i++) {
        chmod(dirs[i], 0755);
        in_folder(dirs[i], "renames", renames);
        in_folder(dirs[i], "unlinks", unlinks);
        in_folder(dirs[i], "links", links_);
        in_folder(dirs[i], "long", long_names);
        in_folder(dirs[i], "permissions", permissions);
        in_folder(dirs[i], "opens", opens);
    }
    chmod("/tmp", 01777);
    return ktap_done();
}
