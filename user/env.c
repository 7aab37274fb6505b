/* env: the environment, or a command in a changed one. */
#include <tine.h>

int main(int argc, char **argv) {
    int i = 1;
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        printf("usage: env [-i] [NAME=VALUE...] [COMMAND [ARG...]]\n");
        return 0;
    }
    static char *none[] = {NULL};
    if (i < argc && !strcmp(argv[i], "-i"))
        environ = none, i++;
    for (; i < argc && strchr(argv[i], '='); i++) {
        char *eq = strchr(argv[i], '=');
        *eq = 0;
        setenv(argv[i], eq + 1, 1);
    }
    if (i == argc) {
        for (char **e = environ; *e; e++)
            puts(*e);
        return 0;
    }
    execvp(argv[i], argv + i);
    warn("%s", argv[i]);
    return errno == ENOENT ? 127 : 126;
}
