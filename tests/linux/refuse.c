/* C2: a policy refuses at a hook (/proc/sys/debug/refuse, in the checked build): the call says so, and
 * nothing is left. */
#include "ktap.h"
#include <sys/ptrace.h>

static void refuse(int hook, int error) {
    static int fd = -1; /* open all the while: opening is one of the hooks */
    char b[32];
    if (fd < 0)
        fd = open("/proc/sys/debug/refuse", O_WRONLY);
    write(fd, b, sprintf(b, "%d %d", hook, error));
}
static long free_kb(void) {
    char b[4096] = "";
    int fd = open("/proc/meminfo", O_RDONLY);
    read(fd, b, sizeof(b) - 1);
    close(fd);
    return atol(strstr(b, "MemFree:") + 8);
}

int main(void) {
    printf("KTAP version 1\n");
    if (access("/proc/sys/debug/refuse", F_OK)) {
        printf("ok 1 C2 # SKIP this build has no such policy\n1..1\n");
        return 0;
    }
    int st;
    pid_t p = fork();
    if (!p)
        for (;;)
            pause();
    for (int hook = 1; hook <= 2; hook++) {
        int bad = 0;
        long before = 0, after = 0;
        for (int i = 0; i < 600; i++) {
            if (i == 100)
                before = free_kb();
            refuse(hook, EPERM);
            pid_t c = fork();
            bad |= c != -1 || errno != EPERM;
            c = raw_clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, alloca(64), 0, 0,
                          0);
            bad |= c != -1 || errno != EPERM;
            refuse(0, 0);
        }
        after = free_kb();
        OK(!bad,
           hook == 1 ? "task_create: fork and clone are EPERM" : "task_alloc: fork and clone are EPERM");
        OK(before - after < 64, "and leave nothing behind");
    }
    refuse(4, EACCES);
    FAILS(execl("/proc/self/exe", "x", NULL), EACCES, "exec");
    refuse(5, EACCES);
    FAILS(open("/etc/passwd", O_RDONLY), EACCES, "file open");
    refuse(0, 0);
    refuse(8, EPERM);
    FAILS(kill(p, SIGTERM), EPERM, "kill");
    refuse(9, EPERM);
    FAILS(ptrace(PTRACE_ATTACH, p, 0, 0), EPERM, "ptrace");
    refuse(0, 0);
    OK(!kill(p, SIGTERM) && waitpid(p, &st, 0) == p && WTERMSIG(st) == SIGTERM, "then all is as before");
    p = fork();
    if (!p)
        _exit(3);
    OK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 3, "fork too");
    return ktap_done();
}
