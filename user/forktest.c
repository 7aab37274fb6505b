/* forktest: fork until it is refused, then reap every child. -n N: at most N. */
#include <tine.h>

int main(int argc, char **argv) {
    int c, max = 1 << 22, n = 0, e = 0, st, p[2], seen = 0;
    while ((c = options(argc, argv, "n:", "forktest [-n MAX]")) != -1)
        max = atoi(optarg);
    if (pipe(p) < 0)
        die("pipe");
    for (; n < max; n++) {
        pid_t pid = fork();
        if (pid < 0) {
            e = errno;
            break;
        }
        if (!pid) { /* lives until the parent lets go of the pipe */
            char b;
            close(p[1]);
            read(p[0], &b, 1);
            _exit(n & 127);
        }
    }
    printf("%d children alive%s%s\n", n, e ? ", then: " : "", e ? strerror(e) : "");
    close(p[1]);
    while (wait(&st) > 0)
        seen++;
    printf("%d children reaped\n", seen);
    if (seen != n) {
        warnx("%d children were lost", n - seen);
        return 1;
    }
    return 0;
}
