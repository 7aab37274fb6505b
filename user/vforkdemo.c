/* vforkdemo: the child of vfork runs in its parent's memory, and the parent waits until it execs. */
#include <tine.h>

int main(int argc, char **argv) {
    static volatile int memory;
    struct timespec a, b;
    int st;
    while (options(argc, argv, "", "vforkdemo") != -1)
        ;
    clock_gettime(1, &a);
    pid_t pid = vfork();
    if (pid < 0)
        die("vfork");
    if (pid == 0) {
        memory = getpid();
        struct timespec ts = {0, 100000000};
        nanosleep(&ts, NULL);
        char *v[] = {"echo", "the child has exec'd: the parent goes on", NULL};
        execve("/bin/echo", v, environ);
        _exit(127);
    }
    clock_gettime(1, &b);
    long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
    waitpid(pid, &st, 0);
    printf("the child wrote %d into our memory (its pid is %d); we waited %s 100 ms\n", memory, pid,
           ms >= 100 ? "at least" : "less than");
    return memory != pid || ms < 100 || st;
}
