/* tee: standard input to standard output and to files (-a appends). */
#include <tine.h>

int main(int argc, char **argv) {
    int c, fds[32], n = 0, r = 0, flags = O_TRUNC;
    while ((c = options(argc, argv, "a", "tee [-a] [FILE...]")) != -1)
        flags = O_APPEND;
    fds[n++] = 1;
    for (int i = optind; i < argc && n < 32; i++) {
        int fd = open(argv[i], O_WRONLY | O_CREAT | flags, 0666);
        if (fd < 0) {
            warn("%s", argv[i]);
            r = 1;
        } else {
            fds[n++] = fd;
        }
    }
    char b[4096];
    for (ssize_t k; (k = read(0, b, sizeof(b))) > 0;)
        for (int i = 0; i < n; i++)
            if (write(fds[i], b, k) != k)
                r = 1;
    return r;
}
