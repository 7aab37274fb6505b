/* disk_errors DIR: DIR is on a disk where the first data block of a new file cannot be written. */
#include "ktap.h"

int main(int argc, char **argv) {
    char name[64];
    static char page[4096] = {1};
    printf("KTAP version 1\n");
    if (argc < 2) { /* as one of all programs: there is no such disk */
        printf("ok %d a disk that fails # SKIP none is given\n", ++ktap_n);
        return ktap_done();
    }
    snprintf(name, sizeof(name), "%s/f", argv[1]);
    int a = open(name, O_CREAT | O_RDWR, 0600), b = open(name, O_RDWR);
    OK(write(a, page, sizeof(page)) == sizeof(page), "write: into the cache");
    FAILS(fsync(a), EIO, "fsync: EIO");
    OK(!fsync(a), "once");
    FAILS(fsync(b), EIO, "the other open file is told too");
    OK(!fsync(b), "once");
    int c = open(name, O_RDWR);
    OK(!fsync(c), "who opens it now is not");
    snprintf(name, sizeof(name), "%s/g", argv[1]);
    int d = open(name, O_CREAT | O_RDWR, 0600);
    OK(write(d, page, sizeof(page)) == sizeof(page) && !fsync(d), "another file is well");
    return ktap_done();
}
