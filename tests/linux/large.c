/* large DIR: files of more than 4 GB, with holes. */
#include "ktap.h"

int main(int argc, char **argv) {
    char name[64], b[64] = "";
    const off_t GB = 1L << 30, far[] = {5 * GB + 123, 1500 * GB};
    struct stat st;
    printf("KTAP version 1\n");
    if (argc < 2) {
        printf("ok %d large files # SKIP no disk is given\n", ++ktap_n);
        return ktap_done();
    }
    snprintf(name, sizeof(name), "%s/large", argv[1]);
    int fd = open(name, O_CREAT | O_RDWR, 0600);
    OK(pwrite(fd, "five", 4, far[0]) == 4 && pwrite(fd, "far", 3, far[1]) == 3, "stores at 5 and at 1500 GB");
    OK(!fsync(fd) && !fstat(fd, &st) && st.st_size == far[1] + 3, "the size");
    OK(st.st_blocks < 100, "little is in use");
    OK(pread(fd, b, 4, far[0]) == 4 && !memcmp(b, "five", 4) && pread(fd, b, 3, far[1]) == 3 &&
           !memcmp(b, "far", 3),
       "they are there");
    OK(pread(fd, b, 8, 3 * GB) == 8 && !memcmp(b, "\0\0\0\0\0\0\0", 8), "a hole reads as zeros");
    FAILS(ftruncate(fd, 1L << 42), EFBIG, "more than can be counted: EFBIG");
    OK(!ftruncate(fd, 6 * GB) && !fsync(fd) && pread(fd, b, 4, far[0]) == 4 && !memcmp(b, "five", 4) &&
           !fstat(fd, &st) && st.st_size == 6 * GB,
       "cut to 6 GB");
    OK(!unlink(name) && !close(fd), "and away");
    return ktap_done();
}
