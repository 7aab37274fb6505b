/* find: walk trees; -name PATTERN, -type LETTER, -maxdepth N. */
#include <tine.h>

static const char *name;
static char type;
static int maxdepth = 1000;
static int walk(const char *p, int depth) {
    struct stat st;
    int r = 0;
    if (lstat(p, &st) < 0) {
        warn("%s", p);
        return 1;
    }
    static const char letters[] = " pc d b f l s";
    bool ok = (!name || !fnmatch(name, base_name(p), 0)) && (!type || letters[IFTODT(st.st_mode)] == type);
    if (ok)
        puts(p);
    if (!S_ISDIR(st.st_mode) || depth >= maxdepth)
        return 0;
    DIR *d = opendir(p);
    if (!d) {
        warn("%s", p);
        return 1;
    }
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
            char *full = join(p, e->d_name);
            r |= walk(full, depth + 1);
            free(full);
        }
    closedir(d);
    return r;
}
int main(int argc, char **argv) {
    int n = 1, r = 0;
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        printf("usage: find [PATH...] [-name PATTERN] [-type f|d|l|c|b|p] [-maxdepth N]\n");
        return 0;
    }
    while (n < argc && argv[n][0] != '-')
        n++;
    for (int i = n; i < argc; i += 2) {
        if (i + 1 == argc) {
            warnx("%s needs an argument", argv[i]);
            return 2;
        }
        if (!strcmp(argv[i], "-name"))
            name = argv[i + 1];
        else if (!strcmp(argv[i], "-type"))
            type = argv[i + 1][0];
        else if (!strcmp(argv[i], "-maxdepth"))
            maxdepth = atoi(argv[i + 1]);
        else {
            warnx("unknown test %s", argv[i]);
            return 2;
        }
    }
    if (n == 1)
        return walk(".", 0);
    for (int i = 1; i < n; i++)
        r |= walk(argv[i], 0);
    return r;
}
