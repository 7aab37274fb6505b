/* head: the first lines (-n) or bytes (-c). */
#include <tine.h>

int main(int argc, char **argv) {
    int c, r = 0;
    long lines = 10, bytes = -1;

    if (argc > 1 && argv[1][0] == '-' && isdigit((unsigned char)argv[1][1])) /* -5 is -n 5 */
        lines = atol(argv[1] + 1), argv[1] = argv[0], argv++, argc--;
    while ((c = options(argc, argv, "n:c:", "head [-n LINES | -c BYTES] [FILE...]")) != -1) {
        if (c == 'n')
            lines = atol(optarg);
        else if (c == 'c')
            bytes = atol(optarg);
    }
    for (int i = optind; i < argc || i == optind; i++) {
        const char *name = i < argc ? argv[i] : "-";
        FILE *f = strcmp(name, "-") ? fopen(name, "r") : stdin;
        if (!f) {
            warn("%s", name);
            r = 1;
            continue;
        }
        if (argc - optind > 1)
            printf("%s==> %s <==\n", i > optind ? "\n" : "", name);
        int ch;
        for (long left = bytes >= 0 ? bytes : lines; left > 0 && (ch = getc(f)) != EOF && putchar(ch) != EOF;)
            left -= bytes >= 0 || ch == '\n';
        if (ferror(f)) {
            warn("%s", name);
            r = 1;
        }
        if (f != stdin)
            fclose(f);
    }
    return r;
}
