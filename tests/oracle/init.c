/* Process 1 of an oracle run, on tine and on Linux alike: run each program of /t, say its status, power off.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "modules.h"

int main(void) {
    struct dirent **list;
    mkdir("/proc", 0755), mkdir("/tmp", 01777), mkdir("/dev", 0755), mkdir("/etc", 0755);
    mount("proc", "/proc", "proc", 0, NULL); /* on tine these are there already */
    mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mkdir("/disk", 0755);
    load_modules();
    if (mount("/dev/vda", "/disk", "ext3", 0, NULL)) /* tine's first disk is its root */
        mount("/dev/vdb", "/disk", "ext3", 0, NULL);
    for (int fd = open("/dev/console", O_RDWR); fd >= 0 && fd < 2; fd = dup(fd))
        ;
    int n = scandir("/t", &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[300];
        int st;
        snprintf(path, sizeof(path), "/t/%s", list[i]->d_name);
        if (list[i]->d_name[0] == '.')
            continue;
        printf("### %s\n", list[i]->d_name);
        fflush(stdout);
        pid_t p = fork();
        if (!p) {
            setsid();
            dup2(open("/dev/null", O_RDWR), 0);
            chdir("/tmp");
            execl(path, path, NULL);
            _exit(127);
        }
        for (int waited = 0; waitpid(p, &st, WNOHANG) != p; usleep(20000))
            if (++waited == 50 * 180)
                kill(-p, SIGKILL), kill(p, SIGKILL);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        printf("### status %x\n", st);
        fflush(stdout);
    }
    printf("### end\n");
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    return 1;
}
