/* false: fail. */
#include <tine.h>

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "--help"))
        return printf("usage: false\n") < 0;
    return 1;
}
