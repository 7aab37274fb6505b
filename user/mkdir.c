/* mkdir: make directories; -p with their parents, -m with a mode. */
#include <tine.h>

int main(int argc, char **argv) {
    int c, r = 0, mode = 0777;
    bool parents = false;
    while ((c = options(argc, argv, "pm:", "mkdir [-p] [-m MODE] DIR...")) != -1)
        if (c == 'p')
            parents = true;
        else
            mode = strtol(optarg, NULL, 8);
    if (optind == argc) {
        warnx("no directory was named");
        return 2;
    }
    for (int i = optind; i < argc; i++) {
        for (char *s = argv[i] + 1; parents && *s; s++)
            if (*s == '/') {
                *s = 0;
                mkdir(argv[i], 0777);
                *s = '/';
            }
        struct stat st;
        if (mkdir(argv[i], mode) < 0 &&
            !(parents && errno == EEXIST && !stat(argv[i], &st) && S_ISDIR(st.st_mode))) {
            warn("%s", argv[i]);
            r = 1;
        }
    }
    return r;
}
