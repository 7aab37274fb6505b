/* disk [MOUNTPOINT]: what a disk and its file system give, in wall time. As process 1 of Linux it first loads
 * the modules that it finds in /mod, in the order of their names, and mounts /dev/vda. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "modules.h"

#define MB 100
#define FILES 1000
#define MANY 10000
static char buf[65536];
static double started;
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static void begin(void) { started = now(); }
static void row(const char *name) { printf("%-44s %10.0f\n", name, (now() - started) * 1e6); }
static void fail(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    if (getpid() == 1)
        reboot(RB_POWER_OFF);
    exit(1);
}
static void cold(void) {
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
    sync();
    if (fd < 0 || write(fd, "3\n", 2) != 2)
        fail("drop_caches");
    close(fd);
}
static void whole(int fd) {
    lseek(fd, 0, SEEK_SET);
    while (read(fd, buf, sizeof(buf)) > 0)
        ;
}

static void linux_start(void) {
    mkdir("/proc", 0755), mkdir("/dev", 0755), mkdir("/mnt", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    if (load_modules())
        fail("/mod");
    for (int i = 0; i < 100 && access("/dev/vda", F_OK); i++)
        usleep(50000);
    if (mount("/dev/vda", "/mnt", "ext4", 0, NULL)) /* Linux's driver for ext2 too */
        fail("/dev/vda");
}

int main(int argc, char **argv) {
    char name[64];
    if (getpid() == 1)
        linux_start();
    if (chdir(getpid() == 1 || argc < 2 ? "/mnt" : argv[1]))
        fail("chdir");
    memset(buf, 7, sizeof(buf));

    int fd = open("big", O_RDWR | O_CREAT | O_TRUNC, 0600);
    begin();
    for (int i = 0; i < MB * 16; i++)
        if (write(fd, buf, sizeof(buf)) != sizeof(buf))
            fail("write");
    if (fsync(fd))
        fail("fsync");
    row("write 100 MB in order, fsync");
    cold();
    begin(), whole(fd), row("read 100 MB in order, cold");
    begin(), whole(fd), row("read 100 MB in order, cached");
    cold();
    begin();
    for (unsigned i = 0, x = 1; i < 2000; i++, x = x * 1103515245 + 12345)
        pread(fd, buf, 4096, (x >> 8) % (MB * 256) * 4096L);
    row("read 4 KB at 2,000 random places, cold");
    begin();
    for (unsigned i = 0, x = 1; i < 100; i++, x = x * 1103515245 + 12345)
        if (pwrite(fd, buf, 4096, (x >> 8) % (MB * 256) * 4096L) != 4096 || fsync(fd))
            fail("fsync");
    row("write 4 KB and fsync, 100 times");
    close(fd);
    begin(), unlink("big"), row("unlink 100 MB");

    mkdir("d", 0755);
    begin();
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "d/file%d", i);
        fd = open(name, O_WRONLY | O_CREAT, 0600);
        if (write(fd, buf, 4096) != 4096)
            fail(name);
        close(fd);
    }
    sync();
    row("create 1,000 files of 4 KB, sync");
    cold();
    begin();
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "d/file%d", i);
        fd = open(name, O_RDONLY);
        if (read(fd, buf, sizeof(buf)) != 4096)
            fail(name);
        close(fd);
    }
    row("read them, cold");
    begin();
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "d/file%d", i);
        unlink(name);
    }
    row("unlink them");

    mkdir("many", 0755);
    begin();
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "many/a-file-in-a-large-directory-%d", i);
        close(open(name, O_WRONLY | O_CREAT, 0600));
    }
    row("create 10,000 files in one directory");
    cold();
    struct stat st;
    begin();
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "many/a-file-in-a-large-directory-%d", (i * 7919) % MANY);
        if (stat(name, &st))
            fail(name);
    }
    row("stat all of them, cold");
    begin();
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "many/a-file-in-a-large-directory-%d", (i * 7919) % MANY);
        if (unlink(name))
            fail(name);
    }
    row("unlink them all");
    rmdir("many"), rmdir("d");
    fflush(stdout);
    if (getpid() == 1) {
        sync();
        reboot(RB_POWER_OFF);
    }
    return 0;
}
