/* truncate [DIR]: a file of 40 MB over many groups of a disk is cut to pieces; what is free is so again. */
#include "../abi/ktap.h"
#include <sys/statfs.h>

enum { MB = 1 << 20 };
static char block[MB];
static long in_use(int fd) {
    struct stat s;
    return fstat(fd, &s) ? -1 : s.st_blocks / 8;
}
static int filled(int fd, off_t from, off_t to, char c) { /* all of [from, to) is c */
    for (off_t at = from; at < to; at += 4096) {
        char b[4096];
        if (pread(fd, b, sizeof(b), at) <= 0 || b[0] != c || b[100] != c)
            return 0;
    }
    return 1;
}
int main(int argc, char **argv) {
    struct statfs before, after;
    OK(!chdir(argc > 1 ? argv[1] : "."), "the disk");
    sync();
    statfs(".", &before);
    memset(block, 'a', MB);
    int fd = open("large", O_RDWR | O_CREAT, 0600), written = 0;
    for (int i = 0; i < 40; i++)
        written += write(fd, block, MB) == MB;
    OK(fd >= 0 && written == 40, "40 MB");
    OK(!ftruncate(fd, 21 * MB + 5000) && filled(fd, 0, 21 * MB, 'a'), "cut below the double indirect block");
    OK(in_use(fd) == 5378 + 1 + 1 + 5, "the blocks of 21 MB and 5,000 bytes, and what leads to them");
    OK(!ftruncate(fd, 3 * MB) && !ftruncate(fd, 8 * MB) && filled(fd, 0, 3 * MB, 'a') &&
           filled(fd, 3 * MB, 8 * MB, 0),
       "cut within the first indirect block, and longer again: zeros");
    OK(in_use(fd) == 768 + 1, "the blocks of 3 MB");
    close(fd);
    unlink("large");
    sync();
    statfs(".", &after);
    OK(before.f_bfree == after.f_bfree, "what was free is free again");
    return ktap_done();
}
