/* time: run a command, say what it took. */
#include <tine.h>

int main(int argc, char **argv) {
    struct timespec a, b;
    struct rusage ru;
    int st;
    if (argc < 2 || !strcmp(argv[1], "--help")) {
        printf("usage: time COMMAND [ARG...]\n");
        return argc < 2 ? 2 : 0;
    }
    clock_gettime(1, &a);
    pid_t pid = fork();
    if (!pid) {
        execvp(argv[1], argv + 1);
        warn("%s", argv[1]);
        _exit(127);
    }
    signal(SIGINT, SIG_IGN);
    if (pid < 0 || wait4(pid, &st, 0, &ru) < 0)
        die("%s", argv[1]);
    clock_gettime(1, &b);
    fprintf(stderr, "real %8.3f\nuser %8.3f\nsys  %8.3f\n",
            (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9,
            ru.ru_utime.tv_sec + ru.ru_utime.tv_usec / 1e6, ru.ru_stime.tv_sec + ru.ru_stime.tv_usec / 1e6);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}
