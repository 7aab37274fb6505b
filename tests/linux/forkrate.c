/* forkrate [WORKERS [SECONDS [pin]]]: independent loops of fork, exit and wait; how many a second they all
 * make together. The scaling figures of docs/performance.md are this on 1, 2 and 8 harts. */
#include "ktap.h"

int main(int argc, char **argv) {
    int workers = argc > 1 ? atoi(argv[1]) : 2, seconds = argc > 2 ? atoi(argv[2]) : 1, bad = 0, st;
    long *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), total = 0;
    volatile int *stop = (int *)(count + 500);
    pid_t p[64];
    printf("KTAP version 1\n");
    fflush(stdout);
    if (workers < 1 || workers > 60)
        return 2;
    for (int w = 0; w < workers; w++)
        if (!(p[w] = fork())) {
            cpu_set_t set;
            CPU_ZERO(&set);
            CPU_SET(w % sysconf(_SC_NPROCESSORS_ONLN), &set);
            if (argc > 3)
                sched_setaffinity(0, sizeof(set), &set);
            for (; !*stop; count[w * 8]++) {
                pid_t c = fork();
                if (!c)
                    _exit(7);
                if (waitpid(c, &st, 0) != c || WEXITSTATUS(st) != 7)
                    _exit(1);
            }
            _exit(0);
        }
    sleep(seconds);
    *stop = 1;
    for (int w = 0; w < workers; w++) {
        bad |= waitpid(p[w], &st, 0) != p[w] || st;
        total += count[w * 8];
    }
    printf("# %d workers: %ld forks a second\n", workers, total / seconds);
    OK(!bad && total > 0, "every child is waited for");
    return ktap_done();
}
