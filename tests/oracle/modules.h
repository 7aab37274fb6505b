/* For process 1 of a Linux with modules in /mod: load them, in the order of their names. What could not be
 * loaded is said; nothing is done where there are none. 0, or how many failed. */
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load_modules(void) {
    struct dirent **list;
    int n = scandir("/mod", &list, NULL, alphasort), bad = 0;
    for (int i = 0; i < n; i++) {
        char path[300];
        snprintf(path, sizeof(path), "/mod/%s", list[i]->d_name);
        int fd = open(path, O_RDONLY);
        if (list[i]->d_name[0] != '.' && syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
            printf("%s: %s\n", path, strerror(errno)), bad++;
        close(fd);
    }
    return bad;
}
