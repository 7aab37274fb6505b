/* true: succeed. */
#include <tine.h>
int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "--help"))
        printf("usage: true\n");
    return 0;
}
