/* mv: rename, or move into a directory. */
#include <tine.h>

int main(int argc, char **argv) {
    int r = 0;
    while (options(argc, argv, "f", "mv FROM... TO") != -1)
        ;
    if (argc - optind < 2) {
        warnx("two names are needed: FROM... TO");
        return 2;
    }
    struct stat st;
    const char *to = argv[argc - 1];
    bool dir = !stat(to, &st) && S_ISDIR(st.st_mode);
    for (int i = optind; i < argc - 1; i++) {
        const char *dst = dir ? join(to, base_name(argv[i])) : to;
        if (!rename(argv[i], dst))
            continue;
        if (errno == EXDEV) { /* another file system: copy, then remove */
            int status;
            char *cp[] = {"cp", "-a", argv[i], (char *)dst, NULL}, *rm[] = {"rm", "-r", argv[i], NULL};
            char **steps[] = {cp, rm};
            for (int k = 0; k < 2; k++) {
                pid_t p = fork();
                if (!p) {
                    execvp(steps[k][0], steps[k]);
                    _exit(127);
                }
                waitpid(p, &status, 0);
                if (status) {
                    r = 1;
                    break;
                }
            }
            continue;
        }
        warn("%s to %s", argv[i], dst);
        r = 1;
    }
    return r;
}
