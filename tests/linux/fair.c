/* fair [TASKS [SECONDS]]: equal tasks that want a hart all the time, more of them than harts. What each got,
 * and how far the least and the most of it are from the mean. The harts' time counts, not the work done: the
 * host may be busy. */
#include "ktap.h"

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 4, seconds = argc > 2 ? atoi(argv[2]) : 2;
    int limit = argc > 3 ? atoi(argv[3]) : 20; /* per cent; over a few seconds each task has few slices */
    pid_t p[64];
    double got[64], sum = 0, lo = 1e9, hi = 0;
    int start[2];
    char c;
    printf("KTAP version 1\n");
    if (n < 1 || n > 64 || pipe(start))
        return 2;
    for (int i = 0; i < n; i++)
        if (!(p[i] = fork())) {
            close(start[1]);
            c = read(start[0], &c, 1); /* until all are there */
            for (;;)
                __asm__ volatile("" ::: "memory");
        }
    close(start[0]);
    close(start[1]);
    sleep(seconds);
    for (int i = 0; i < n; i++)
        kill(p[i],
             SIGSTOP); /* first stop all: the last to be killed should not get the harts of the others */
    for (int i = 0; i < n; i++)
        kill(p[i], SIGKILL);
    for (int i = 0; i < n; i++) {
        struct rusage ru;
        wait4(p[i], NULL, 0, &ru);
        got[i] = ru.ru_utime.tv_sec + ru.ru_utime.tv_usec / 1e6;
        sum += got[i];
        lo = got[i] < lo ? got[i] : lo;
        hi = got[i] > hi ? got[i] : hi;
    }
    double off = 100 * (hi * n / sum - 1 > 1 - lo * n / sum ? hi * n / sum - 1 : 1 - lo * n / sum);
    printf("# %d tasks, %d s: %.3f to %.3f s each, at most %.1f %% from the mean\n", n, seconds, lo, hi, off);
    OK(off <= limit, "equal tasks get equal time");
    return ktap_done();
}
