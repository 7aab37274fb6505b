/* false: fail. */
#include <tine.h>

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "--help"))
        printf("usage: false\n");
    return 1;
}
