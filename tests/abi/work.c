/* Long work looks for fatal signals, and limits hold on every way to what they limit. */
#include "ktap.h"
#include <sys/prctl.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* A core dump of 200 GB that was never touched, but for a page. */
static void huge_core(void) {
    pid_t p = fork();
    if (!p) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
        char *m = mmap(NULL, 200UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (m == MAP_FAILED)
            _exit(1);
        m[0] = 1;
        abort();
    }
    double begin = now();
    usleep(300000);
    kill(p, SIGKILL);
    int st = child_ends(p);
    printf("# ended with %d after %.1f s\n", st, now() - begin);
    OK(st > 1000 && now() - begin < 10, "a core dump of a huge sparse mapping ends by SIGKILL");
    unlink("core");
}

static int locked_grows(void) {
    struct rlimit r = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_MEMLOCK, &r);
    if (setuid(12345))
        return 1;
    char *m = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(m + (512 << 10), (4 << 20) - (512 << 10));
    if (mlock(m, 512 << 10))
        return 2;
    if (mremap(m, 512 << 10, 2 << 20, 0) != MAP_FAILED || errno != EAGAIN)
        return 3;
    if (mremap(m, 512 << 10, 2 << 20, MREMAP_MAYMOVE) != MAP_FAILED || errno != EAGAIN)
        return 4;
    char *n = mremap(m, 512 << 10, 1 << 20, MREMAP_MAYMOVE);
    if (n == MAP_FAILED)
        return 5;
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < 256; i++)
        n[i << 12] = 1;
    getrusage(RUSAGE_SELF, &after);
    if (after.ru_minflt - before.ru_minflt > 20)
        return 6; /* what grew is not resident */
    return mlock(&r, 1) != -1 || errno != ENOMEM ? 7 : 0;
}

static void in_there(void) { huge_core(); }
int main(void) {
    printf("KTAP version 1\n");
    in_folder("/tmp", "work", in_there);
    int r = in_child(locked_grows);
    printf("# %d\n", r);
    OK(r == 0, "mremap of locked memory keeps to RLIMIT_MEMLOCK");
    return ktap_done();
}
