/* cp: copy files; -r directories too, -p keeps times and modes. */
#include <tine.h>

static bool recursive, preserve;
static int copy(const char *from, const char *to) {
    struct stat st;
    if ((recursive ? lstat(from, &st) : stat(from, &st)) < 0) {
        warn("%s", from);
        return 1;
    }
    int r = 0;
    if (S_ISDIR(st.st_mode)) {
        if (!recursive) {
            warnx("%s is a directory: use -r", from);
            return 1;
        }
        if (mkdir(to, 0700) < 0 && errno != EEXIST) {
            warn("%s", to);
            return 1;
        }
        DIR *d = opendir(from);
        for (struct dirent *e; d && (e = readdir(d));)
            if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
                r |= copy(join(from, e->d_name), join(to, e->d_name));
        if (d)
            closedir(d);
        chmod(to, st.st_mode & 07777);
    } else if (S_ISLNK(st.st_mode)) {
        char b[4096];
        ssize_t n = readlink(from, b, sizeof(b) - 1);
        b[n < 0 ? 0 : n] = 0;
        if (symlink(b, to) < 0) {
            warn("%s", to);
            return 1;
        }
        return 0;
    } else {
        struct stat dst;
        if (!stat(to, &dst) && dst.st_ino == st.st_ino && dst.st_dev == st.st_dev) {
            warnx("%s and %s are the same file", from, to);
            return 1;
        }
        int in = open(from, O_RDONLY),
            out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC, st.st_mode & 0777);
        if (in < 0 || out < 0 || copy_fd(in, out) < 0) {
            warn("%s", in < 0 ? from : to);
            r = 1;
        }
        close(in);
        close(out);
    }
    if (preserve) {
        struct timespec ts[2] = {{st.st_atime, st.st_atime_nsec}, {st.st_mtime, st.st_mtime_nsec}};
        utimensat(AT_FDCWD, to, ts, 0);
        chmod(to, st.st_mode & 07777);
    }
    return r;
}
int main(int argc, char **argv) {
    int c, r = 0;
    while ((c = options(argc, argv, "rRpaf", "cp [-rp] FROM... TO")) != -1) {
        recursive |= c == 'r' || c == 'R' || c == 'a';
        preserve |= c == 'p' || c == 'a';
    }
    if (argc - optind < 2) {
        warnx("two names are needed: FROM... TO");
        return 2;
    }
    struct stat st;
    const char *to = argv[argc - 1];
    bool dir = !stat(to, &st) && S_ISDIR(st.st_mode);
    if (argc - optind > 2 && !dir) {
        warnx("%s is not a directory", to);
        return 1;
    }
    for (int i = optind; i < argc - 1; i++)
        r |= copy(argv[i], dir ? join(to, base_name(argv[i])) : to);
    return r;
}
