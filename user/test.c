/* test: conditions for scripts, as the shell evaluates them. */
#include <tine.h>

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        printf("usage: test EXPRESSION\n");
        return 0;
    }
    char **v = calloc(argc + 4, sizeof(char *));
    v[0] = "sh", v[1] = "-c", v[2] = "test \"$@\"", v[3] = "test";
    memcpy(v + 4, argv + 1, (argc - 1) * sizeof(char *));
    execvp("sh", v);
    die("sh");
}
