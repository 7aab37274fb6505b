/* sync: everything written reaches the disk. */
#include <tine.h>

int main(int argc, char **argv) {
    while (options(argc, argv, "", "sync") != -1)
        ;
    sync();
    return 0;
}
