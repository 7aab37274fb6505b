/* C4, C20: what a control group may have: memory (a page fault beyond it ends who has most in the group) and
 * the harts (cpu.max, cpu.weight). */
#include "ktap.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#define TOP "/tmp/cl"
#define MB (1UL << 20)

static const char *in_top(const char *file) {
    static char path[64];
    snprintf(path, sizeof(path), TOP "/%s", file);
    return path;
}
static int put(const char *file, const char *text) { return put_text(in_top(file), text); }
static const char *get(const char *file) { return get_text(in_top(file)); }
static int is(const char *file, const char *want) { return !strcmp(get(file), want); }
static long field(const char *file, const char *name) {
    const char *at = strstr(get(file), name);
    return at ? strtol(at + strlen(name), 0, 10) : -1;
}
static int there(const char *file) { return !access(in_top(file), F_OK); }
static void make(const char *group) { mkdir(in_top(group), 0755); }
static void gone(const char *group) {
    for (int i = 0; i < 200 && rmdir(in_top(group)) && errno == EBUSY; i++)
        usleep(10000);
}
static pid_t child_in(const char *group) {
    char file[64];
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        snprintf(file, sizeof(file), "%s/cgroup.procs", group);
        if (put(file, "0"))
            _exit(99);
    }
    return p;
}
static char *eat(unsigned long bytes) {
    char *p = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(p, bytes, MADV_NOHUGEPAGE);
    for (unsigned long i = 0; i < bytes; i += 4096)
        p[i] = 1;
    return p;
}
static double now(clockid_t c) {
    struct timespec t;
    clock_gettime(c, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static void spin(double seconds) {
    for (double end = now(CLOCK_MONOTONIC) + seconds; now(CLOCK_MONOTONIC) < end;)
        for (volatile int i = 0; i < 10000; i++)
            ;
}
static void on_hart_0(void) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof(one), &one);
}
/* What the group's tasks have had, in ms. */
static long usage(const char *group) {
    char file[64];
    snprintf(file, sizeof(file), "%s/cpu.stat", group);
    return field(file, "usage_usec ") / 1000;
}

static void memory(void) {
    make("m");
    OK(there("m/memory.max") && !there("memory.max"), "a group has a limit, the root has none");
    OK(is("m/memory.max", "max\n") && is("m/memory.current", "0\n"), "none is set, and it has nothing");
    OK(!put("m/memory.max", "8M") && is("m/memory.max", "8388608\n"), "8M");
    OK(!put("m/memory.max", "8400000") && is("m/memory.max", "8396800\n"), "whole pages");
    FAILS(put("m/memory.max", "much"), EINVAL, "no number: EINVAL");
    FAILS(put("m/memory.max", "8Q"), EINVAL, "no unit: EINVAL");
    pid_t p = child_in("m");
    if (!p) {
        eat(4 * MB);
        long has = strtol(get("m/memory.current"), 0, 10);
        _exit(has >= (long)(4 * MB) && has <= 8396800 ? 0 : 1);
    }
    OK(child_ends(p) == 0, "what is touched counts");
    for (int i = 0; i < 100 && strtol(get("m/memory.current"), 0, 10) > (long)MB; i++)
        usleep(10000);
    OK(strtol(get("m/memory.current"), 0, 10) <= (long)MB &&
           strtol(get("m/memory.peak"), 0, 10) >= (long)(4 * MB),
       "and is gone with its owner; the peak stays");
    if (!(p = child_in("m"))) {
        eat(32 * MB);
        _exit(0);
    }
    OK(child_ends(p) == 1000 + SIGKILL, "more than the limit: SIGKILL");
    OK(field("m/memory.events", "oom_kill ") == 1 && field("m/memory.events", "max ") > 0,
       "which is counted");
    if (!(p = child_in("m"))) {
        if (!fork()) {
            eat(32 * MB);
            _exit(0);
        }
        int st;
        wait(&st);
        _exit(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL ? 0 : 1);
    }
    OK(child_ends(p) == 0, "who has most ends; its parent does not");
    put("m/memory.oom.group", "1");
    if (!(p = child_in("m"))) {
        if (!fork()) {
            eat(32 * MB);
            _exit(0);
        }
        wait(0);
        sleep(10);
        _exit(0);
    }
    OK(child_ends(p) == 1000 + SIGKILL, "memory.oom.group: all of them");
    while (waitpid(-1, 0, 0) > 0)
        ;
    put("m/memory.oom.group", "0");
    int up[2];
    pipe(up);
    if (!(p = child_in("m"))) {
        eat(6 * MB);
        close(up[1]);
        sleep(10);
        _exit(0);
    }
    close(up[1]);
    char byte;
    read(up[0], &byte, 1);
    OK(!put("m/memory.max", "2M"), "less than it has");
    OK(child_ends(p) == 1000 + SIGKILL, "then somebody ends");
    put("m/memory.max", "8M");
    struct statfs fs;
    if (!statfs(on_disk(), &fs) && fs.f_type == 0xef53) {
        long kills = field("m/memory.events", "oom_kill ");
        if (!(p = child_in("m"))) {
            static char block[65536];
            chdir(on_disk());
            int fd = open("big", O_RDWR | O_CREAT | O_TRUNC, 0600);
            long wrote = 0, got = 0, n;
            for (int i = 0; i < 32 * 16; i++)
                wrote += write(fd, block, sizeof(block));
            lseek(fd, 0, SEEK_SET);
            while ((n = read(fd, block, sizeof(block))) > 0)
                got += n;
            unlink("big");
            _exit(wrote == 32 * (long)MB && got == wrote ? 0 : 1);
        }
        OK(child_ends(p) == 0 && field("m/memory.events", "oom_kill ") == kills,
           "a file of four times the limit is written and read: what is cached of it goes in time");
    } else {
        printf("ok %d a file of four times the limit is written and read: what is cached of it goes in time "
               "# SKIP no "
               "disk\n",
               ++ktap_n);
    }
    OK(!put("m/cgroup.subtree_control", "+memory"), "a group in the group");
    make("m/n");
    if (!(p = child_in("m/n"))) {
        eat(32 * MB);
        _exit(0);
    }
    OK(child_ends(p) == 1000 + SIGKILL, "the outer limit holds");
    OK(field("m/memory.events", "oom_kill ") > 1, "and counts");
    gone("m/n");
    gone("m");
    OK(!there("m"), "the groups can go");
}

static void limit(void) {
    make("c");
    OK(is("c/cpu.max", "max 100000\n") && is("c/cpu.weight", "100\n"), "no limit, a weight of 100");
    FAILS(put("c/cpu.max", "500"), EINVAL, "less than 1 ms: EINVAL");
    FAILS(put("c/cpu.max", "10000 100"), EINVAL, "a period of less than 1 ms: EINVAL");
    FAILS(put("c/cpu.max", "10000 2000000"), EINVAL, "of more than 1 s: EINVAL");
    FAILS(put("c/cpu.max", "fast"), EINVAL, "no number: EINVAL");
    FAILS(put("c/cpu.weight", "0"), ERANGE, "a weight of 0: ERANGE");
    FAILS(put("c/cpu.weight", "10001"), ERANGE, "of more than 10000: ERANGE");
    OK(!put("c/cpu.max", "10000 50000") && is("c/cpu.max", "10000 50000\n"), "10 of 50 ms");
    OK(!put("c/cpu.max", "20000") && is("c/cpu.max", "20000 50000\n"), "the period stays");
    put("c/cpu.max", "10000 50000");
    pid_t p = child_in("c");
    if (!p) {
        double from = now(CLOCK_PROCESS_CPUTIME_ID), since = now(CLOCK_MONOTONIC);
        spin(1.0);
        double had = (now(CLOCK_PROCESS_CPUTIME_ID) - from) / (now(CLOCK_MONOTONIC) - since);
        _exit(had > 0.05 && had < 0.3 ? 0 : 1 + (int)(had * 100));
    }
    int had = child_ends(p);
    OK(had == 0, "a fifth of a hart, and not more");
    OK(field("c/cpu.stat", "nr_throttled ") > 5 && field("c/cpu.stat", "throttled_usec ") > 300000,
       "cpu.stat says how often it had to wait");
    long before = usage("c");
    pid_t q[3];
    double since = now(CLOCK_MONOTONIC);
    for (int i = 0; i < 3; i++)
        if (!(q[i] = child_in("c"))) {
            spin(1.0);
            _exit(0);
        }
    for (int i = 0; i < 3; i++)
        child_ends(q[i]);
    double share = (usage("c") - before) / 1000. / (now(CLOCK_MONOTONIC) - since);
    OK(share > 0.05 && share < 0.3, "three of them have no more together");
    put("c/cpu.max", "1000 1000000");
    if (!(p = child_in("c"))) {
        spin(1000);
        _exit(0);
    }
    usleep(50000);
    kill(p, SIGKILL);
    since = now(CLOCK_MONOTONIC);
    OK(child_ends(p) == 1000 + SIGKILL && now(CLOCK_MONOTONIC) - since < 5, "one that waits can be killed");
    if (!(p = child_in("c"))) {
        spin(0.2);
        _exit(0);
    }
    usleep(50000);
    since = now(CLOCK_MONOTONIC);
    OK(!put("c/cpu.max", "max") && child_ends(p) == 0 && now(CLOCK_MONOTONIC) - since < 0.9,
       "and goes on when the limit is gone");
    gone("c");
}

static void weights(void) {
    make("a");
    make("b");
    put("b/cpu.weight", "300");
    pid_t p[4];
    for (int i = 0; i < 4; i++) /* three in a, one in b */
        if (!(p[i] = child_in(i ? "a" : "b"))) {
            on_hart_0();
            spin(1.5);
            _exit(0);
        }
    usleep(300000);
    long a = usage("a"), b = usage("b");
    usleep(900000);
    a = usage("a") - a;
    b = usage("b") - b;
    for (int i = 0; i < 4; i++)
        child_ends(p[i]);
    OK(a > 0 && b > 2 * a && b < 5 * a,
       "a weight of 300 against 100: three times as much, however many share it");
    gone("a");
    gone("b");
}

int main(void) {
    printf("KTAP version 1\n");
    fflush(stdout);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    mkdir("/tmp", 0777), mkdir(TOP, 0755);
    OK(!mount("none", TOP, "cgroup2", 0, NULL), "mount cgroup2");
    OK(!put("cgroup.subtree_control", "+memory +cpu"), "memory and cpu for the children of the root");
    memory();
    limit();
    weights();
    make("d");
    OK(!put("cgroup.subtree_control", "-memory -cpu") && !there("d/memory.max") && !there("d/cpu.max"),
       "and no longer");
    gone("d");
    umount(TOP);
    return ktap_done();
}
