/* rmdir: remove empty directories. */
#include <tine.h>

int main(int argc, char **argv) {
    int r = 0;
    while (options(argc, argv, "", "rmdir DIR...") != -1)
        ;
    for (int i = optind; i < argc; i++)
        if (rmdir(argv[i]) < 0) {
            warn("%s", argv[i]);
            r = 1;
        }
    return r;
}
