/* cat: files to standard output. */
#include <tine.h>

int main(int argc, char **argv) {
    int r = 0;
    while (options(argc, argv, "u", "cat [FILE...]  (- is standard input)") != -1)
        ;
    for (int i = optind; i < argc || i == optind; i++) {
        const char *name = i < argc ? argv[i] : "-";
        int fd = strcmp(name, "-") ? open(name, O_RDONLY) : 0;
        if (fd < 0 || copy_fd(fd, 1) < 0) {
            warn("%s", name);
            r = 1;
        }
        if (fd > 0)
            close(fd);
    }
    return r;
}
