/* bench: what the fork path and its neighbours cost, in nanoseconds (under icount: instructions). Builds
 * for Linux too: riscv64-linux-gnu-gcc -static -DLINUX. Prints a row a line: name, median. */
#ifdef LINUX
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#else
#include <tine.h>
#endif

static unsigned long now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000UL + ts.tv_nsec;
}
static int compare(const void *a, const void *b) {
    unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;
    return x < y ? -1 : x > y;
}
static const char *only;
static void row(const char *name, unsigned long (*fn)(void), int rounds) {
    unsigned long t[64];
    if (only && !strstr(name, only))
        return;
    fn();
    for (int i = 0; i < rounds; i++)
        t[i] = fn();
    qsort(t, rounds, sizeof(*t), compare);
    printf("%-38s %10lu\n", name, t[rounds / 2]);
    fflush(stdout);
}

static unsigned long null_call(void) {
    unsigned long a = now();
    for (int i = 0; i < 1000; i++)
#ifdef LINUX
        syscall(SYS_getppid);
#else
        syscall_raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
#endif
    return (now() - a) / 1000;
}
static unsigned long fork_exit_wait(void) {
    unsigned long a = now();
    for (int i = 0; i < 20; i++) {
        pid_t p = fork();
        if (!p)
            _exit(0);
        waitpid(p, NULL, 0);
    }
    return (now() - a) / 20;
}
static unsigned long fork_call(void) {
    unsigned long sum = 0;
    for (int i = 0; i < 20; i++) {
        int fd[2];
        char c;
        if (pipe(fd))
            exit(1);
        unsigned long a = now();
        pid_t p = fork();
        if (!p) {
            c = read(fd[0], &c, 1);
            _exit(0);
        }
        sum += now() - a;
        close(fd[0]);
        close(fd[1]);
        kill(p, SIGKILL);
        waitpid(p, NULL, 0);
    }
    return sum / 20;
}
static char *const true_argv[] = {"true", NULL};
static const char *true_path = "/bin/true";
extern char **environ;
static unsigned long fork_exec_wait(void) {
    unsigned long a = now();
    for (int i = 0; i < 10; i++) {
        pid_t p = fork();
        if (!p) {
            execve(true_path, true_argv, environ);
            _exit(1);
        }
        waitpid(p, NULL, 0);
    }
    return (now() - a) / 10;
}
static unsigned long vfork_exec_wait(void) {
    unsigned long a = now();
    for (int i = 0; i < 10; i++) {
        pid_t p = vfork();
        if (!p) {
            execve(true_path, true_argv, environ);
            _exit(1);
        }
        waitpid(p, NULL, 0);
    }
    return (now() - a) / 10;
}
static unsigned long vfork_exit_wait(void) {
    unsigned long a = now();
    for (int i = 0; i < 20; i++) {
        pid_t p = vfork();
        if (!p)
            _exit(0);
        waitpid(p, NULL, 0);
    }
    return (now() - a) / 20;
}
#ifdef LINUX
static unsigned long spawn_wait(void) {
    unsigned long a = now();
    for (int i = 0; i < 10; i++) {
        pid_t p;
        if (posix_spawn(&p, true_path, NULL, NULL, true_argv, environ))
            exit(1);
        waitpid(p, NULL, 0);
    }
    return (now() - a) / 10;
}
static char stack[16384] __attribute__((aligned(16)));
static int ends(void *a) { return a != NULL; }
static unsigned long clone_wait(void) {
    unsigned long a = now();
    for (int i = 0; i < 20; i++) {
        pid_t p = clone(ends, stack + sizeof(stack),
                        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | SIGCHLD, NULL);
        waitpid(p, NULL, 0);
    }
    return (now() - a) / 20;
}
static void *returns(void *a) { return a; }
static unsigned long thread_join(void) {
    unsigned long a = now();
    for (int i = 0; i < 20; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, returns, NULL))
            exit(1);
        pthread_join(t, NULL);
    }
    return (now() - a) / 20;
}
#endif
static int up[2], down[2];
static unsigned long pipe_round(void) {
    char c = 'x';
    unsigned long a = now();
    for (int i = 0; i < 200; i++)
        if (write(down[1], &c, 1) != 1 || read(up[0], &c, 1) != 1)
            exit(1);
    return (now() - a) / 200;
}
static char page[4096];
static unsigned long pipe_4k(void) { /* a child that reads as fast as it can */
    int fd[2];
    if (pipe(fd))
        exit(1);
    pid_t p = fork();
    if (!p) {
        static char into[65536];
        close(fd[1]);
        while (read(fd[0], into, sizeof(into)) > 0)
            ;
        _exit(0);
    }
    close(fd[0]);
    unsigned long a = now();
    for (int i = 0; i < 256; i++)
        if (write(fd[1], page, sizeof(page)) != sizeof(page))
            exit(1);
    a = now() - a;
    close(fd[1]);
    waitpid(p, NULL, 0);
    return a / 256;
}
static char *big; /* resident memory */
static unsigned long *shared_word;
static unsigned long first_write(void) { /* in a child: tables and a page become its own */
    unsigned long sum = 0;
    for (int i = 0; i < 10; i++) {
        pid_t p = fork();
        if (!p) {
            *(volatile unsigned long *)shared_word =
                now(); /* what the stores around it need is there from now on */
            unsigned long a = now();
            big[i * 8192] = 1;
            *shared_word = now() - a;
            _exit(0);
        }
        waitpid(p, NULL, 0);
        sum += *shared_word;
    }
    return sum / 10;
}
static unsigned long zero_fault(void) {
    char *m = mmap(NULL, 256 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long a = now();
    for (int i = 0; i < 256; i++)
        m[i * 4096] = 1;
    a = now() - a;
    munmap(m, 256 * 4096);
    return a / 256;
}
static unsigned long superpage(void) {
    unsigned long size = 8UL << 20, pages = (size - (2UL << 20)) / 4096;
    char *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *at = (char *)(((unsigned long)m + (2UL << 20) - 1) & ~((2UL << 20) - 1));
    madvise(m, size, MADV_HUGEPAGE);
    unsigned long a = now();
    for (unsigned long i = 0; i < pages; i++)
        at[i * 4096] = 1;
    a = now() - a;
    munmap(m, size);
    return a / pages;
}
static unsigned long cow_fault(void) {
    char *m = mmap(NULL, 256 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long *r = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 256; i++)
        m[i * 4096] = 1;
    pid_t p = fork();
    if (!p) {
        unsigned long a = now();
        for (int i = 0; i < 256; i++)
            m[i * 4096] = 2;
        *r = now() - a;
        _exit(0);
    }
    waitpid(p, NULL, 0);
    unsigned long t = *r / 256;
    munmap(m, 256 * 4096);
    munmap(r, 4096);
    return t;
}
static unsigned long create_unlink(void) {
    unsigned long a = now();
    for (int i = 0; i < 10; i++) {
        int fd = open("bench.tmp", O_RDWR | O_CREAT, 0600);
        if (fd < 0 || write(fd, page, 4096) != 4096)
            exit(1);
        close(fd);
        unlink("bench.tmp");
    }
    return (now() - a) / 10;
}
static int rw_fd;
static unsigned long append(void) {
    unsigned long a = now();
    for (int i = 0; i < 20; i++)
        if (write(rw_fd, page, 4096) != 4096)
            exit(1);
    return (now() - a) / 20;
}
static unsigned long reread(void) {
    lseek(rw_fd, 0, 0);
    unsigned long a = now();
    for (int i = 0; i < 20; i++)
        if (read(rw_fd, page, 4096) != 4096)
            exit(1);
    return (now() - a) / 20;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--help")) {
        printf("usage: bench [-m MEGABYTES] [NAME]\n");
        return 0;
    }
    unsigned long mb = 0;
    if (argc > 2 && !strcmp(argv[1], "-m"))
        mb = atoi(argv[2]), argc -= 2, argv += 2;
    only = argc > 1 ? argv[1] : NULL;
#ifdef LINUX
    true_path = getenv("TRUE") ? getenv("TRUE") : true_path;
#endif
    row("null system call", null_call, 15);
    row("fork+exit+wait, small", fork_exit_wait, 15);
    row("fork call, small", fork_call, 11);
    row("fork+exec+wait", fork_exec_wait, 11);
    row("vfork+exec+wait", vfork_exec_wait, 11);
    row("vfork+exit+wait", vfork_exit_wait, 15);
    if (pipe(up) || pipe(down))
        return 1;
    pid_t echo = fork();
    if (!echo) {
        char c;
        close(down[1]);
        while (read(down[0], &c, 1) == 1 && write(up[1], &c, 1) == 1)
            ;
        _exit(0);
    }
    row("pipe round trip", pipe_round, 15);
    close(down[1]);
    waitpid(echo, NULL, 0);
#ifdef LINUX
    row("posix_spawn+wait", spawn_wait, 11);
    row("clone(VM|FS|FILES|SIGHAND)+exit+wait", clone_wait, 15);
    row("pthread_create+join", thread_join, 15);
#endif
    row("pipe, per 4 KB", pipe_4k, 11);
    row("zero-fill page fault", zero_fault, 11);
    row("zero-fill by superpages, per 4 KB", superpage, 5);
    row("copy-on-write fault", cow_fault, 11);
    row("create, write 4 KB, unlink", create_unlink, 11);
    rw_fd = open("bench.dat", O_RDWR | O_CREAT | O_TRUNC, 0600);
    row("append 4 KB", append, 11);
    row("read 4 KB (cached)", reread, 11);
    close(rw_fd);
    unlink("bench.dat");
    if (mb) {
        char name[64];
        big = mmap(NULL, mb << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        shared_word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (big == MAP_FAILED || shared_word == MAP_FAILED)
            return 1;
        for (unsigned long i = 0; i < mb << 20; i += 4096)
            big[i] = 1;
        snprintf(name, sizeof(name), "fork call, %lu MB resident", mb);
        row(name, fork_call, 5);
        snprintf(name, sizeof(name), "fork+exit+wait, %lu MB resident", mb);
        row(name, fork_exit_wait, 5);
        snprintf(name, sizeof(name), "first write in the child, %lu MB resident", mb);
        row(name, first_write, 5);
    }
    return 0;
}
