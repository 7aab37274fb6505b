/* KTAP for programs that run on tine and on Linux alike. A check states what must hold. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int ktap_n, ktap_failed;
__attribute__((unused)) static void ktap_result(int ok, const char *what, int line) {
    printf("%sok %d %s", ok ? "" : "not ", ++ktap_n, what);
    if (!ok)
        printf(" # line %d, errno %d (%s)", line, errno, strerror(errno)), ktap_failed++;
    printf("\n");
    fflush(stdout);
}
#define OK(cond, what) ktap_result(!!(cond), what, __LINE__)
#define FAILS(call, err, what) (errno = 0, OK((long)(call) == -1 && errno == (err), what))
static int ktap_done(void) {
    printf("1..%d\n", ktap_n);
    return ktap_failed != 0;
}
__attribute__((unused)) static long raw_clone(unsigned long flags, void *sp, void *ptid, void *tls,
                                              void *ctid) {
    return syscall(SYS_clone, flags, sp, ptid, tls, ctid);
}
/* Write a text to a file: 0 or -1. And what a file says, up to 4 KB; "?": it cannot be read. */
__attribute__((unused)) static int put_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0)
        return -1;
    int r = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1, e = errno;
    close(fd);
    errno = e;
    return r;
}
__attribute__((unused)) static const char *get_text(const char *path) {
    static char text[4096];
    memset(text, 0, sizeof(text));
    int fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
        strcpy(text, "?");
    if (fd >= 0)
        close(fd);
    return text;
}
/* A directory of a disk: ext3 of an oracle's run, else the root's. */
__attribute__((unused)) static const char *on_disk(void) { return access("/disk", W_OK) ? "/root" : "/disk"; }
/* fn in a new directory of `dir`, which is removed afterwards. */
__attribute__((unused)) static void in_folder(const char *dir, const char *name, void (*fn)(void)) {
    char path[300];
    snprintf(path, sizeof(path), "%s/ktap-%s", dir, name);
    printf("# %s in %s\n", name, dir);
    if (mkdir(path, 0755) || chdir(path))
        OK(0, "a directory for the test");
    else
        fn();
    chdir("/");
    snprintf(path, sizeof(path), "rm -rf %s/ktap-%s", dir, name);
    system(path);
}
/* What a child ends with: its exit status, 1000 + the signal, -1: there is none. */
__attribute__((unused)) static int child_ends(pid_t p) {
    int st;
    if (p < 0 || waitpid(p, &st, __WALL) != p)
        return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}
/* fn in a child: what that ends with. */
__attribute__((unused)) static int in_child(int (*fn)(void)) {
    fflush(stdout);
    pid_t p = fork();
    if (!p)
        syscall(SYS_exit, fn());
    return child_ends(p);
}
