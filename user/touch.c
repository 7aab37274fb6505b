/* touch: make files, or set their times to now. */
#include <tine.h>

int main(int argc, char **argv) {
    int c, r = 0;
    bool no_create = false;
    while ((c = options(argc, argv, "c", "touch [-c] FILE...")) != -1)
        no_create = true;
    for (int i = optind; i < argc; i++)
        if (utimensat(AT_FDCWD, argv[i], NULL, 0) < 0) {
            int fd = errno == ENOENT && !no_create ? open(argv[i], O_WRONLY | O_CREAT, 0666) : -1;
            if (fd >= 0)
                close(fd);
            else if (!(no_create && errno == ENOENT)) {
                warn("%s", argv[i]);
                r = 1;
            }
        }
    return r;
}
