/* echo: its arguments. */
#include <tine.h>

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        printf("usage: echo [-n] [WORD...]\n");
        return 0;
    }
    int i = 1;
    bool nl = !(argc > 1 && !strcmp(argv[1], "-n"));
    for (i += !nl; i < argc; i++)
        printf("%s%s", argv[i], i + 1 < argc ? " " : "");
    if (nl)
        putchar('\n');
    return 0;
}
