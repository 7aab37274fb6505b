/* What tine's programs use: picolibc, the ABI's headers, and prototypes of the system calls under their
 * POSIX names. All calls return -1 and set errno on failure unless said otherwise.
 *
 * All headers of the libc that a program may use are included here and nowhere else. What they bring along
 * differs from version to version, so each one that we need something of is named, and whatever they have
 * under the ABI's names gives way to the ABI's own. */
#pragma once
#include <stdarg.h> /* these four first: some of the others need them and do not say so */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <abi_undef.h>
#include <abi/errno.h>
#include <abi/fcntl.h>
#include <abi/mman.h>
#include <abi/poll.h>
#include <abi/sched.h>
#include <abi/signal.h>
#include <abi/stat.h>
#include <abi/syscall.h>
#include <abi/termios.h>

extern char **environ;

long syscall(long number, ...); /* sets errno */
long syscall_raw(long number, long a, long b, long c, long d, long e, long f);

int open(const char *path, int flags, ...);
int close(int fd);
ssize_t read(int fd, void *buf, size_t n);
ssize_t write(int fd, const void *buf, size_t n);
off_t lseek(int fd, off_t off, int whence);
int dup(int fd), dup2(int fd, int to), pipe(int fd[2]), pipe2(int fd[2], int flags),
    fcntl(int fd, int cmd, long arg);
int ioctl(int fd, unsigned long cmd, void *arg), isatty(int fd);
int stat(const char *path, struct stat *st), lstat(const char *path, struct stat *st),
    fstat(int fd, struct stat *st);
int mkdir(const char *path, unsigned mode), rmdir(const char *path), unlink(const char *path),
    chdir(const char *path);
int link(const char *a, const char *b), symlink(const char *target, const char *path),
    rename(const char *a, const char *b);
int chmod(const char *path, unsigned mode), access(const char *path, int mode),
    mknod(const char *path, unsigned mode, uint64_t dev);
ssize_t readlink(const char *path, char *buf, size_t n);
char *getcwd(char *buf, size_t n);
int utimensat(int dfd, const char *path, const struct timespec ts[2], int flags);
int fsync(int fd);
void sync(void);
int ftruncate(int fd, off_t size);

pid_t fork(void), vfork(void) __attribute__((returns_twice)), getpid(void), getppid(void), gettid(void),
    getpgrp(void), setsid(void);
int setpgid(pid_t pid, pid_t pgid);
void _exit(int status) __attribute__((noreturn));
int execve(const char *path, char *const argv[], char *const env[]);
int execvp(const char *name, char *const argv[]); /* along PATH */
pid_t waitpid(pid_t pid, int *status, int options), wait(int *status),
    wait4(pid_t pid, int *status, int options, struct rusage *ru);
int kill(pid_t pid, int sig), raise(int sig);
typedef void (*sighandler)(int);
sighandler signal(int sig, sighandler h); /* with SA_RESTART */
#define SIG_DFL ((sighandler)0)
#define SIG_IGN ((sighandler)1)
int sigprocmask(int how, const uint64_t *set, uint64_t *old);
#define SIGBIT(s) (1UL << ((s)-1))
int tcgetattr(int fd, struct abi_termios *t), tcsetattr(int fd, int when, const struct abi_termios *t);
int tcsetpgrp(int fd, pid_t pgid);
pid_t tcgetpgrp(int fd);
int poll(struct pollfd *p, unsigned n, int ms);
void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off);
int munmap(void *at, size_t n), madvise(void *at, size_t n, int advice);
#define MAP_FAILED ((void *)-1)
#undef CLOCK_MONOTONIC /* Linux's number is not every libc's */
#define CLOCK_MONOTONIC CLOCK_MONOTONIC_ID
int clock_gettime(clockid_t id, struct timespec *ts);
unsigned sleep(unsigned s);
int usleep(unsigned us), nanosleep(const struct timespec *ts, struct timespec *rem);
int getuid(void), geteuid(void), getgid(void), setuid(int uid), setgid(int gid);
unsigned umask(unsigned mask);

struct dirent {
    uint64_t d_ino;
    uint8_t d_type;
    char d_name[256];
};
typedef struct dir DIR;
DIR *opendir(const char *path);
struct dirent *readdir(DIR *d);
int closedir(DIR *d);

/* A program ends by exit() or by main's return: stdout is written, and the status is at least 1 if that
 * failed (but for a broken pipe). Streams of fopen that were written to must be closed before. Nothing is
 * run at exit: which handlers a libc runs, and how, rests on its own linker script. */
#pragma GCC poison atexit on_exit

/* Helpers that the programs share. */
extern const char *program;                                            /* its name, for messages */
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* "name: text: strerror(errno)" */
void warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int stdout_failed(void); /* write what is buffered; errno of the first write of stdout that failed since the
                            last call, or 0 */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn)); /* warn, exit 1 */
/* Options as single letters, getopt style; --help prints `usage` and exits 0; a wrong one exits 2. */
int options(int argc, char **argv, const char *letters, const char *usage);
const char *human(uint64_t bytes, char buf[16]); /* 1.5K, 20M */
char *slurp(const char *path, size_t *n);        /* a whole file, terminated; NULL: errno */
ssize_t read_line(int fd, char *buf, size_t n);
int copy_fd(int from, int to); /* until the end; -1: errno */
void mode_string(unsigned mode, char out[11]);
char *join(const char *dir, const char *name); /* malloc'ed */
const char *base_name(const char *path);
int signal_number(const char *name); /* "9", "KILL", "SIGKILL"; -1 */
const char *signal_name(int sig);

/* Threads: a small layer on clone and futex; see lib/thread.c. */
typedef struct thread *thread_t;
int thread_create(thread_t *t, void *(*fn)(void *), void *arg); /* 0 or an error number */
int thread_join(thread_t t, void **result);
typedef struct {
    uint32_t state;
} mutex_t; /* 0 free, 1 held, 2 held and waited for */
void mutex_lock(mutex_t *m), mutex_unlock(mutex_t *m);
typedef struct {
    uint32_t seq;
} cond_t;
void cond_wait(cond_t *c, mutex_t *m), cond_signal(cond_t *c), cond_broadcast(cond_t *c);
