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
        size_t n;
        char *s = slurp(name, &n);
        if (!s) {
            warn("%s", name);
            r = 1;
            continue;
        }
        if (argc - optind > 1)
            printf("%s==> %s <==\n", i > optind ? "\n" : "", name);
        size_t end = 0;
        if (bytes >= 0)
            end = (size_t)bytes < n ? (size_t)bytes : n;
        else
            for (long k = 0; end < n && k < lines; end++)
                k += s[end] == '\n';
        fwrite(s, 1, end, stdout);
        free(s);
    }
    return r;
}
