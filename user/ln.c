/* ln: another name for a file; -s a symbolic link, -f over an existing name. */
#include <tine.h>

int main(int argc, char **argv) {
    int c, r = 0;
    bool s = false, f = false;
    while ((c = options(argc, argv, "sf", "ln [-sf] TARGET... NAME|DIR")) != -1)
        s |= c == 's', f |= c == 'f';
    if (argc - optind < 2) {
        warnx("two names are needed: TARGET... NAME");
        return 2;
    }
    struct stat st;
    const char *to = argv[argc - 1];
    bool dir = !stat(to, &st) && S_ISDIR(st.st_mode);
    for (int i = optind; i < argc - 1; i++) {
        const char *n = dir ? join(to, base_name(argv[i])) : to;
        if (f)
            unlink(n);
        if ((s ? symlink(argv[i], n) : link(argv[i], n)) < 0) {
            warn("%s", n);
            r = 1;
        }
    }
    return r;
}
