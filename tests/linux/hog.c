/* Takes as many megabytes as it is told, a page at a time. With no argument: a KTAP line for the runner. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    if (argc < 2) {
        printf("KTAP version 1\nok 1 nothing asked, nothing taken\n1..1\n");
        return 0;
    }
    for (long i = 0; i < atol(argv[1]); i++) {
        char *p = malloc(1 << 20);
        if (!p)
            return 1;
        memset(p, i, 1 << 20);
    }
    return 0;
}
