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
static void ktap_result(int ok, const char *what, int line) {
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
