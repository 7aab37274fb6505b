/* scale [FORKS [MB [TIMES]]]: so many forks one after another, and a process with so much memory that forks
 * so many times; free memory is afterwards what it was. */
#include "ktap.h"

static long slack = 2048; /* kB that caches may take */
static long free_kb(void) {
    char b[4096] = {0};
    int fd = open("/proc/meminfo", O_RDONLY);
    read(fd, b, sizeof(b) - 1);
    close(fd);
    char *f = strstr(b, "MemFree:"), *c = strstr(b, "\nCached:"), *all = strstr(b, "MemTotal:");
    slack = all ? atol(all + 9) / 32 : slack;
    return f && c ? atol(f + 8) + atol(c + 8) : -1;
}
static int comes_back(long kb) { /* Linux keeps pages by hart for a while */
    for (int i = 0; i < 150 && free_kb() <= kb; i++)
        usleep(20000);
    return free_kb() > kb;
}
static int forks(long n) {
    int st, bad = 0;
    while (n-- > 0 && !bad) {
        pid_t p = fork();
        if (!p)
            _exit(n & 63);
        bad = p < 0 || waitpid(p, &st, 0) != p || WEXITSTATUS(st) != (n & 63);
    }
    return !bad;
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    long n = argc > 1 ? atol(argv[1]) : 2000, mb = argc > 2 ? atol(argv[2]) : 100,
         times = argc > 3 ? atol(argv[3]) : 20;
    printf("KTAP version 1\n");
    fflush(stdout);
    forks(100);
    long before = free_kb();
    double t = now();
    int ok = forks(n);
    printf("# %ld forks: %.1f s, free memory %ld -> %ld kB\n", n, now() - t, before, free_kb());
    OK(ok, "every child is waited for");
    OK(comes_back(before - slack), "and memory does not shrink");

    before = free_kb();
    char *m = mmap(NULL, mb << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (long i = 0; i < mb << 8; i++)
        *(long *)(m + i * 4096) = i;
    t = now();
    int bad = 0, st;
    for (long i = 0; i < times; i++) {
        pid_t p = fork();
        if (!p) {
            long at = (i * 7919) % (mb << 8);
            *(long *)(m + at * 4096) += 1;
            _exit(*(long *)(m + at * 4096) != at + 1 || *(long *)m != (at ? 0 : 1));
        }
        bad |= p < 0 || waitpid(p, &st, 0) != p || st;
    }
    printf("# %ld MB, forked %ld times: %.3f s\n", mb, times, now() - t);
    for (long i = 0; i < mb << 8; i++)
        bad |= *(long *)(m + i * 4096) != i;
    OK(!bad, "each child has its own store, and the parent none of them");
    munmap(m, mb << 20);
    OK(comes_back(before - slack - (mb << 10) / 4), "all of it is free again");
    return ktap_done();
}
