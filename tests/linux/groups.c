/* Control groups under load: processes fork, touch memory, write files, spin and end while others move them
 * between groups, set and lift limits, switch controllers, and remove groups. At the end all can be removed,
 * and no group has anything. */
#include "ktap.h"
#include <sys/mount.h>
#include <sys/prctl.h>
#define TOP "/tmp/g"
static void put(const char *file, const char *text) {
    char path[64];
    snprintf(path, sizeof(path), TOP "/%s", file);
    int fd = open(path, O_WRONLY);
    write(fd, text, strlen(text));
    close(fd);
}
static unsigned seed;
static unsigned rnd(unsigned n) { return (seed = seed * 1103515245 + 12345) / 65536 % n; }
static const char *groups[] = {"a", "b", "a/x", "a/y"};

static void worker(void) {
    char file[32], *p = mmap(0, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    snprintf(file, sizeof(file), "/tmp/file%d", getpid());
    for (int i = 0; i < 30; i++) {
        for (int k = rnd(64); k > 0; k--)
            p[k * 4096]++;
        pid_t c = fork();
        if (!c) {
            p[4096 * rnd(64)]++;
            _exit(0);
        }
        if (c > 0)
            waitpid(c, 0, 0);
        int fd = open(file, O_RDWR | O_CREAT, 0600);
        write(fd, p, 4096 * rnd(16));
        close(fd);
        if (rnd(4) == 0)
            unlink(file);
    }
    unlink(file);
    _exit(0);
}
static void shuffle(pid_t *w, int n) {
    char file[64], number[16];
    const char *g = groups[rnd(4)];
    switch (rnd(8)) {
    case 0:
        put("cgroup.subtree_control", rnd(2) ? "+cpu +memory +pids" : "-cpu -memory -pids");
        break;
    case 1:
        put("a/cgroup.subtree_control", rnd(2) ? "+cpu +memory" : "-cpu -memory");
        break;
    case 2:
        snprintf(file, sizeof(file), "%s/cpu.max", g);
        put(file, rnd(2) ? "2000 10000" : "max");
        break;
    case 3:
        snprintf(file, sizeof(file), "%s/memory.max", g);
        put(file, rnd(3) ? "max" : "400K");
        break;
    case 4:
        snprintf(file, sizeof(file), "%s/cpu.weight", g);
        put(file, rnd(2) ? "20" : "400");
        break;
    case 5:
        snprintf(file, sizeof(file), TOP "/%s", g);
        if (rmdir(file))
            mkdir(file, 0755);
        break;
    default:
        snprintf(file, sizeof(file), "%s/cgroup.procs", g);
        snprintf(number, sizeof(number), "%d", w[rnd(n)]);
        put(file, number);
    }
}
int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 20;
    pid_t w[6];
    seed = argc > 2 ? atoi(argv[2]) : 1;
    printf("KTAP version 1\n");
    mkdir("/tmp", 0777), mkdir(TOP, 0755);
    OK(!mount("none", TOP, "cgroup2", 0, NULL), "mount cgroup2");
    fflush(stdout);
    while (rounds--) {
        for (int i = 0; i < 6; i++) {
            seed++;
            if (!(w[i] = fork()))
                worker();
        }
        for (int left = 6; left;) {
            for (int i = 0; i < 6; i++)
                if (w[i] > 0 && waitpid(w[i], 0, WNOHANG) == w[i])
                    w[i] = -1, left--;
            shuffle(w, 6);
        }
    }
    put("a/cgroup.kill", "1"), put("b/cgroup.kill", "1");
    usleep(100000);
    for (int i = 4; i-- > 0;) {
        char path[64];
        snprintf(path, sizeof(path), TOP "/%s", groups[i]);
        for (int k = 0; k < 100 && rmdir(path) && errno == EBUSY; k++)
            usleep(10000);
        OK(access(path, F_OK), "a group is gone");
    }
    OK(!umount(TOP), "umount");
    return ktap_done();
}
