/* footprint [COUNT]: what a sleeping process and a sleeping thread take of the machine's memory, kernel and
 * user together, by MemFree before and after COUNT of them. */
#include "ktap.h"
#include <pthread.h>

static long mem_free(void) { /* KB */
    char b[4096] = {0};
    int fd = open("/proc/meminfo", O_RDONLY);
    read(fd, b, sizeof(b) - 1);
    close(fd);
    return atol(strstr(b, "MemFree:") + 8);
}
static void *sleeper(void *a) {
    pause();
    return a;
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 500, st;
    printf("KTAP version 1\n");
    fflush(stdout);
    pid_t *p = calloc(n, sizeof(*p));
    pthread_attr_t attr;
    pthread_t t;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    int ready[2];
    char c;
    pipe(ready);
    long before = mem_free();
    int made = 0;
    for (; made < n && (p[made] = fork()) >= 0; made++)
        if (!p[made]) {
            write(ready[1], "x", 1);
            pause();
            _exit(0);
        }
    for (int i = 0; i < made; i++)
        read(ready[0], &c, 1);
    long a = before - mem_free();
    for (int i = 0; i < made; i++)
        kill(p[i], SIGKILL), waitpid(p[i], &st, 0);
    pid_t host = fork(); /* the threads end with it */
    if (!host) {
        before = mem_free();
        int k = 0;
        while (k < n && !pthread_create(&t, &attr, sleeper, NULL))
            k++;
        usleep(200000);
        printf("# %d processes: %.1f KB each; %d threads: %.1f KB each\n", made, (double)a / made, k,
               (double)(before - mem_free()) / k);
        fflush(stdout);
        _exit(k != n);
    }
    waitpid(host, &st, 0);
    OK(made == n && st == 0 && a > 0 && a / n < 256,
       "processes and threads are there, and a process takes less than 256 KB");
    return ktap_done();
}
