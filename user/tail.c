/* tail: the last lines (-n) or bytes (-c); -f goes on as the file grows. */
#include <tine.h>

int main(int argc, char **argv) {
    int c, r = 0;
    long lines = 10, bytes = -1;
    bool follow = false;
    if (argc > 1 && argv[1][0] == '-' && isdigit((unsigned char)argv[1][1])) /* -5 is -n 5 */
        lines = atol(argv[1] + 1), argv[1] = argv[0], argv++, argc--;
    while ((c = options(argc, argv, "n:c:f", "tail [-n LINES | -c BYTES] [-f] [FILE...]")) != -1) {
        if (c == 'n')
            lines = atol(optarg);
        else if (c == 'c')
            bytes = atol(optarg);
        else
            follow = true;
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
        size_t from = n;
        if (bytes >= 0)
            from = (size_t)bytes < n ? n - bytes : 0;
        else
            for (long k = 0; from > 0; from--)
                if (s[from - 1] == '\n' && from != n && ++k == lines)
                    break;
        fwrite(s + from, 1, n - from, stdout);
        if (follow) {
            int fd = open(name, O_RDONLY);
            if (fd < 0) {
                warn("%s", name);
                return 1;
            }
            lseek(fd, n, 0);
            fflush(stdout);
            for (;; usleep(200000))
                copy_fd(fd, 1);
        }
        free(s);
    }
    return r;
}
