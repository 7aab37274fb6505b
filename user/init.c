/* init: process 1. Runs /etc/rc, keeps a shell on the console, reaps what is left to it. */
#include <tine.h>

static pid_t start(const char *path, char *const argv[]) {
    pid_t pid = fork();
    if (pid)
        return pid;
    setsid();
    ioctl(0, TIOCSCTTY, (void *)1);
    for (int s = 1; s < 32; s++)
        signal(s, SIG_DFL);
    uint64_t none = 0;
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(path, argv, environ);
    warn("%s", path);
    _exit(127);
}
static void reap_until(pid_t pid) {
    int st;
    for (;;) {
        pid_t p = wait(&st);
        if (p == pid || (p < 0 && errno == ECHILD))
            return;
    }
}
int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        printf("usage: init  (the kernel starts it as process 1)\n");
        return 0;
    }
    if (getpid() != 1) {
        warnx("only the kernel starts init");
        return 1;
    }
    chdir("/root");
    char *rc[] = {"sh", "/etc/rc", NULL}, *sh[] = {"-sh", NULL};
    if (!access("/etc/rc", 4))
        reap_until(start("/bin/sh", rc));
    for (;;) {
        struct timespec a, b;
        clock_gettime(1, &a);
        pid_t pid = start("/bin/sh", sh);
        if (pid < 0)
            warn("cannot start a shell");
        else
            reap_until(pid);
        clock_gettime(1, &b);
        if (b.tv_sec - a.tv_sec < 1)
            sleep(1); /* a shell that ends at once must not keep the machine busy */
    }
}
