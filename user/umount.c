/* umount: take a mounted file system away. */
#include <tine.h>

int main(int argc, char **argv) {
    int r = 0;
    while (options(argc, argv, "", "umount DIR...") != -1)
        ;
    for (int i = optind; i < argc; i++)
        if (syscall(SYS_umount2, argv[i], 0) < 0) {
            warn("%s", argv[i]);
            r = 1;
        }
    return r;
}
