/* grep: lines that match a regular expression. */
#include <tine.h>

static bool invert, number, count, quiet, recursive, names_only, fixed;
static regex_t re;
static const char *pattern;
static bool matches(const char *l) {
    return (fixed ? strstr(l, pattern) != NULL : regexec(&re, l, 0, NULL, 0) == 0) != invert;
}
static int search(const char *path, bool show_name) { /* 0 found, 1 not, 2 error */
    struct stat st;
    if (recursive && !stat(path, &st) && S_ISDIR(st.st_mode)) {
        int r = 1;
        DIR *d = opendir(path);
        for (struct dirent *e; d && (e = readdir(d));)
            if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
                r = search(join(path, e->d_name), true) == 0 ? 0 : r;
        if (d)
            closedir(d);
        return r;
    }
    FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;
    if (!f) {
        warn("%s", path);
        return 2;
    }
    static char line[65536];
    int r = 1, hits = 0;
    for (int n = 1; fgets(line, sizeof(line), f); n++) {
        line[strcspn(line, "\n")] = 0;
        if (!matches(line))
            continue;
        r = 0;
        hits++;
        if (quiet)
            break;
        if (names_only) {
            printf("%s\n", path);
            break;
        }
        if (count)
            continue;
        if (show_name)
            printf("%s:", path);
        if (number)
            printf("%d:", n);
        puts(line);
    }
    if (count)
        printf(show_name ? "%s:%d\n" : "%.0s%d\n", path, hits);
    if (f != stdin)
        fclose(f);
    return r;
}
int main(int argc, char **argv) {
    int c, flags = REG_NOSUB, r = 1;
    while ((c = options(argc, argv, "ivncqrlEFe:", "grep [-ivncqrlEF] PATTERN [FILE...]")) != -1) {
        invert |= c == 'v', number |= c == 'n', count |= c == 'c', quiet |= c == 'q', recursive |= c == 'r',
            names_only |= c == 'l', fixed |= c == 'F';
        flags |= c == 'i' ? REG_ICASE : c == 'E' ? REG_EXTENDED : 0;
        if (c == 'e')
            pattern = optarg;
    }
    if (!pattern && optind == argc) {
        warnx("a pattern is needed");
        return 2;
    }
    if (!pattern)
        pattern = argv[optind++];
    if (!fixed && regcomp(&re, pattern, flags)) {
        warnx("bad pattern: %s", pattern);
        return 2;
    }
    if (optind == argc)
        return search(recursive ? "." : "-", false);
    for (int i = optind; i < argc; i++) {
        int k = search(argv[i], argc - optind > 1);
        r = k == 2 ? 2 : k == 0 && r != 2 ? 0 : r;
    }
    return r;
}
