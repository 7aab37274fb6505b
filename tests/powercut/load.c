/* load DISK ACKS SCRIPT... : what powercut.py wrote, each script by a process of its own, in /mnt. One step a
 * line, a system call or two each; what was made durable (f; m and s: of the data alone) is then acknowledged
 * in a block of the disk behind the file system (at byte ACKS), so that whoever looks at the disk after a
 * power cut knows what must be there. As process 1 of Linux it first loads the modules that it finds in /mod,
 * and mounts the disk. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../oracle/modules.h"

static long ack_base;
static const char *disk;
static void pattern(unsigned char *b, uint32_t id, uint64_t off, size_t n) { /* as powercut.py has it */
    for (size_t i = 0; i < n; i++)
        b[i] = (id * 37 + (off + i) * 11 + ((off + i) >> 9) * 5 + 1) & 0xff;
}
static void die(const char *what, int line) {
    printf("load: step %d, %s: %s\n", line, what, strerror(errno));
    _exit(1);
}
static void acknowledge(int dev, int worker, uint64_t step, int data_alone) {
    static uint64_t block[512] __attribute__((aligned(4096)));
    block[0] = 0x6b6361656e6974UL; /* "tineack" */
    block[1 + data_alone] = step;
    if (pwrite(dev, block, sizeof(block), ack_base + worker * 4096L) != sizeof(block) || fsync(dev))
        die("acknowledge", step);
}
static void run(int worker, const char *script) {
    static char text[1 << 20];
    char dir[64], op, a[64], b[64];
    unsigned long x, y;
    int fd, step = 0, dev = open(disk, O_RDWR), s = open(script, O_RDONLY);
    if (dev < 0 || s < 0 || read(s, text, sizeof(text) - 1) <= 0)
        die(script, 0);
    snprintf(dir, sizeof(dir), "/mnt/w%d", worker);
    if (mkdir(dir, 0755) || chdir(dir))
        die(dir, 0);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), step++) {
        int n = sscanf(line, "%c %63s %63s", &op, a, b);
        x = n > 2 ? strtoul(b, 0, 10) : 0;
        y = 0;
        if (n > 2)
            sscanf(line, "%*c %*s %*s %lu", &y);
        switch (op) {
        case 'c': /* create NAME */
            if ((fd = open(a, O_CREAT | O_EXCL | O_WRONLY, 0644)) < 0)
                die(line, step);
            close(fd);
            break;
        case 'a': { /* append NAME ID FROM TO */
            unsigned long from, to;
            sscanf(line, "%*c %*s %lu %lu %lu", &x, &from, &to);
            unsigned char *data = malloc(to - from);
            pattern(data, x, from, to - from);
            if ((fd = open(a, O_WRONLY | O_APPEND)) < 0 || write(fd, data, to - from) != (ssize_t)(to - from))
                die(line, step);
            close(fd);
            free(data);
            break;
        }
        case 'f': /* fsync NAME */
            if ((fd = open(a, O_RDONLY)) < 0 || fsync(fd))
                die(line, step);
            close(fd);
            acknowledge(dev, worker, step + 1, 0);
            break;
        case 'r':
            if (rename(a, b))
                die(line, step);
            break;
        case 'u':
            if (unlink(a))
                die(line, step);
            break;
        case 'l':
            if (link(a, b))
                die(line, step);
            break;
        case 'd':
            if (mkdir(a, 0755))
                die(line, step);
            break;
        case 'x':
            if (rmdir(a))
                die(line, step);
            break;
        case 't': /* truncate NAME SIZE */
            if (truncate(a, x))
                die(line, step);
            break;
        case 'o': { /* unlink NAME while it is open, and append more to it, as a */
            unsigned long from, to;
            unsigned char data[5000];
            sscanf(line, "%*c %*s %lu %lu %lu", &x, &from, &to);
            pattern(data, x, from, sizeof(data));
            if ((fd = open(a, O_RDWR | O_APPEND)) < 0 || unlink(a) ||
                write(fd, data, sizeof(data)) != sizeof(data))
                die(line, step);
            usleep(1000);
            close(fd);
            break;
        }
        case 'm': { /* store page Y of NAME with the pattern of ID X through a mapping, and msync */
            unsigned char *p;
            if ((fd = open(a, O_RDWR)) < 0 ||
                (p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, y * 4096)) == MAP_FAILED)
                die(line, step);
            pattern(p, x, y * 4096, 4096);
            if (msync(p, 4096, MS_SYNC))
                die(line, step);
            munmap(p, 4096);
            close(fd);
            acknowledge(dev, worker, step + 1, 1);
            break;
        }
        case 's': { /* the same by a write, and fdatasync */
            unsigned char data[4096];
            pattern(data, x, y * 4096, 4096);
            if ((fd = open(a, O_RDWR)) < 0 || pwrite(fd, data, 4096, y * 4096) != 4096 || fdatasync(fd))
                die(line, step);
            close(fd);
            acknowledge(dev, worker, step + 1, 1);
            break;
        }
        default:
            die("an unknown step", step);
        }
    }
    _exit(0);
}
static void prepare_linux(void) {
    load_modules();
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    for (int i = 0; i < 100 && access(disk, F_OK); i++)
        usleep(50000);
    if (mount(disk, "/mnt", "ext3", 0, NULL))
        printf("load: mount: %s\n", strerror(errno));
}
int main(int argc, char **argv) {
    int st, bad = 0;
    disk = argv[1];
    ack_base = strtol(argv[2], 0, 10);
    if (getpid() == 1)
        prepare_linux();
    for (int i = 3; i < argc; i++)
        if (!fork())
            run(i - 3, argv[i]);
    while (wait(&st) > 0)
        bad |= st;
    printf("load: %s\n", bad ? "FAILED" : "done");
    fflush(stdout);
    while (getpid() == 1)
        sleep(1);
    return bad != 0;
}
