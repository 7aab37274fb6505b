/* times DIR set: a file with given times; times DIR get: what they are. */
#include "ktap.h"

int main(int argc, char **argv) {
    char name[64];
    struct stat st;
    if (argc < 3) {
        printf("KTAP version 1\nok %d times # SKIP no disk is given\n", ++ktap_n);
        return ktap_done();
    }
    snprintf(name, sizeof(name), "%s/f", argv[1]);
    if (!strcmp(argv[2], "set")) {
        close(open(name, O_CREAT | O_RDWR, 0600));
        struct timespec t[2] = {{1L << 32, 500000000}, {2000000000, 123456789}};
        return utimensat(AT_FDCWD, name, t, 0) != 0;
    }
    if (stat(name, &st))
        return 1;
    printf("%ld.%09ld %ld.%ld\n", st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_atim.tv_sec,
           st.st_atim.tv_nsec / 100000000);
    return 0;
}
