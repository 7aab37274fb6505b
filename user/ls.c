/* ls: names in columns, or one a line with details (-l). */
#include <tine.h>

static bool all, lng, hum, one, dir_itself, by_time, by_size, reverse, inode;
struct item {
    char *name;
    struct stat st;
};
static const char *dirname_;
static int compare(const void *pa, const void *pb) {
    const struct item *a = pa, *b = pb;
    int r = 0;
    if (by_time)
        r = a->st.st_mtime < b->st.st_mtime ? 1 : a->st.st_mtime > b->st.st_mtime ? -1 : 0;
    else if (by_size)
        r = a->st.st_size < b->st.st_size ? 1 : a->st.st_size > b->st.st_size ? -1 : 0;
    if (!r)
        r = strcmp(a->name, b->name);
    return reverse ? -r : r;
}
static const char *user(unsigned id, char *b) {
    static char *passwd;
    if (!passwd && !(passwd = slurp("/etc/passwd", NULL)))
        passwd = "";
    for (char *l = passwd; l && *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL) {
        char *c = strchr(l, ':');
        char *n = c ? strchr(c + 1, ':') : NULL;
        if (n && (unsigned)atoi(n + 1) == id) {
            snprintf(b, 16, "%.*s", (int)(c - l), l);
            return b;
        }
    }
    snprintf(b, 16, "%u", id);
    return b;
}
static void print(struct item *v, int n) {
    qsort(v, n, sizeof(*v), compare);
    if (!lng) {
        struct winsize ws = {24, 80, 0, 0};
        bool tty = ioctl(1, TIOCGWINSZ, &ws) == 0 && isatty(1);
        int width = 1, cols = 1;
        for (int i = 0; i < n; i++)
            if ((int)strlen(v[i].name) + 2 > width)
                width = strlen(v[i].name) + 2;
        if (tty && !one && !inode)
            cols = ws.ws_col / width > 0 ? ws.ws_col / width : 1;
        int rows = (n + cols - 1) / cols;
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < cols; c++) {
                int i = c * rows + r;
                if (i < n && inode)
                    printf("%7lu ", (unsigned long)v[i].st.st_ino);
                if (i < n)
                    printf((c + 1) * rows + r < n && c + 1 < cols ? "%-*s" : "%.0d%s\n",
                           (c + 1) * rows + r < n && c + 1 < cols ? width : 0, v[i].name);
            }
        return;
    }
    unsigned long blocks = 0;
    for (int i = 0; i < n; i++)
        blocks += v[i].st.st_blocks / 2;
    char h[16], m[11], t[32], u[16], g[16];
    if (dirname_)
        printf("total %lu\n", blocks);
    for (int i = 0; i < n; i++) {
        struct stat *s = &v[i].st;
        mode_string(s->st_mode, m);
        time_t tm = s->st_mtime;
        strftime(t, sizeof(t), "%b %e %H:%M", gmtime(&tm));
        if (inode)
            printf("%7lu ", (unsigned long)s->st_ino);
        printf("%s %3u %-8s %-8s ", m, s->st_nlink, user(s->st_uid, u), user(s->st_gid, g));
        if (S_ISCHR(s->st_mode) || S_ISBLK(s->st_mode))
            printf("%4u, %3u", major(s->st_rdev), minor(s->st_rdev));
        else if (hum)
            printf("%9s", human(s->st_size, h));
        else
            printf("%9ld", (long)s->st_size);
        printf(" %s %s", t, v[i].name);
        if (S_ISLNK(s->st_mode)) {
            char b[1024];
            ssize_t k = readlink(dirname_ ? join(dirname_, v[i].name) : v[i].name, b, sizeof(b) - 1);
            b[k < 0 ? 0 : k] = 0;
            printf(" -> %s", b);
        }
        putchar('\n');
    }
}
static int list_dir(const char *p) {
    DIR *d = opendir(p);
    int n = 0, size = 0;
    struct item *v = NULL;
    if (!d) {
        warn("%s", p);
        return 1;
    }
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.' && !all)
            continue;
        if (n == size)
            v = realloc(v, (size = size ? size * 2 : 64) * sizeof(*v));
        v[n].name = strdup(e->d_name);
        if (lng || by_time || by_size || inode) {
            if (lstat(join(p, e->d_name), &v[n].st) < 0)
                memset(&v[n].st, 0, sizeof(v[n].st));
        }
        n++;
    }
    closedir(d);
    dirname_ = p;
    print(v, n);
    return 0;
}
int main(int argc, char **argv) {
    int c, r = 0, nf = 0;
    while ((c = options(argc, argv, "alh1dtSriA", "ls [-alh1dtSri] [FILE...]")) != -1) {
        all |= c == 'a' || c == 'A', lng |= c == 'l', hum |= c == 'h', one |= c == '1',
            dir_itself |= c == 'd';
        by_time |= c == 't', by_size |= c == 'S', reverse |= c == 'r', inode |= c == 'i';
    }
    if (optind == argc && !dir_itself)
        return list_dir(".");
    int n = argc - optind + (optind == argc);
    struct item *files = calloc(n, sizeof(*files));
    char **dirs = calloc(n, sizeof(*dirs));
    int nd = 0;
    for (int i = 0; i < n; i++) {
        char *p = optind == argc ? "." : argv[optind + i];
        struct stat st;
        if ((lng || dir_itself ? lstat(p, &st) : stat(p, &st)) < 0 && lstat(p, &st) < 0) {
            warn("%s", p);
            r = 1;
        } else if (S_ISDIR(st.st_mode) && !dir_itself) {
            dirs[nd++] = p;
        } else {
            files[nf].name = p;
            files[nf++].st = st;
        }
    }
    print(files, nf);
    for (int i = 0; i < nd; i++) {
        if (nf || nd > 1)
            printf("%s%s:\n", i || nf ? "\n" : "", dirs[i]);
        r |= list_dir(dirs[i]);
    }
    return r;
}
