/* stat: all that is known of a file. */
#include <tine.h>

int main(int argc, char **argv) {
    int r = 0;
    while (options(argc, argv, "", "stat FILE...") != -1)
        ;
    for (int i = optind; i < argc; i++) {
        struct stat s;
        char m[11], t[64];
        if (lstat(argv[i], &s) < 0) {
            warn("%s", argv[i]);
            r = 1;
            continue;
        }
        mode_string(s.st_mode, m);
        printf("  File: %s\n  Size: %-12ld Blocks: %-8ld IO Block: %d\nDevice: %u,%u  Inode: %lu  Links: "
               "%u\nAccess: (%04o/%s)  Uid: %u  Gid: %u\n",
               argv[i], (long)s.st_size, (long)s.st_blocks, s.st_blksize, major(s.st_dev), minor(s.st_dev),
               (unsigned long)s.st_ino, s.st_nlink, s.st_mode & 07777, m, s.st_uid, s.st_gid);
        const char *names[] = {"Access", "Modify", "Change"};
        time_t times[] = {s.st_atime, s.st_mtime, s.st_ctime};
        for (int k = 0; k < 3; k++) {
            strftime(t, sizeof(t), "%Y-%m-%d %H:%M:%S +0000", gmtime(&times[k]));
            printf("%s: %s\n", names[k], t);
        }
    }
    return r;
}
