/* Every CLONE_* bit: what it does where it is there, and that it is refused, not ignored, where it is not. */
#include "ktap.h"
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/utsname.h>

static struct shared {
    volatile int var, order, tid;
    volatile unsigned long tp;
    volatile pid_t pid, ppid;
} * s;
static volatile int var;
static int fd;
static char stack[65536] __attribute__((aligned(16)));

static long clone3(unsigned long flags, int sig, int *ctid) {
    struct clone_args a = {.flags = flags, .exit_signal = sig, .child_tid = (uintptr_t)ctid};
    return syscall(SYS_clone3, &a, sizeof(a));
}
static int reap(pid_t p) {
    int st;
    return waitpid(p, &st, __WALL) == p && WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}
static int child(void *arg) {
    (void)arg;
    var = 2;
    chdir("/tmp");
    close(fd);
    signal(SIGUSR1, SIG_IGN);
    s->pid = getpid();
    s->ppid = getppid();
    s->tid = syscall(SYS_gettid);
    s->order = 1;
    return 3;
}
static int run(int flags, pid_t *ptid, void *tls, pid_t *ctid) {
    var = 1;
    chdir("/");
    close(fd);
    fd = open("/dev/null", O_RDONLY);
    signal(SIGUSR1, SIG_DFL);
    memset(s, 0, sizeof(*s));
    return clone(child, stack + sizeof(stack), flags, NULL, ptid, tls, ctid) ?: 0;
}
static int cwd_is_tmp(void) {
    char b[64];
    return !strcmp(getcwd(b, sizeof(b)), "/tmp");
}
static int ignores(void) {
    struct sigaction a;
    sigaction(SIGUSR1, NULL, &a);
    return a.sa_handler == SIG_IGN;
}
static int tls_child(void *arg) {
    (void)arg;
    unsigned long tp;
    asm volatile("mv %0, tp" : "=r"(tp));
    s->tp = tp;
    return 0;
}
static void handler(int sig) { (void)sig; }

/* A flag whose machinery may not be there: a child that does what the flag promises, or EINVAL and no child.
 */
static void refused_or(unsigned long flag, int (*promise)(void), const char *what) {
    errno = 0;
    long p = clone3(flag, SIGCHLD, NULL);
    if (!p)
        _exit(promise() ? 0 : 1);
    OK(p > 0 ? reap(p) == 0 : errno == EINVAL || errno == EPERM || errno == ENOSPC, what);
}
static int lives(void) { return 1; }
static int pid_one(void) { return getpid() == 1; }
static int hostname(void) {
    struct utsname u;
    sethostname("clonebits", 9);
    return !uname(&u) && !strcmp(u.nodename, "clonebits");
}

int main(void) {
    printf("KTAP version 1\n");
    s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fd = open("/dev/null", O_RDONLY);
    pid_t p = run(SIGCHLD, NULL, NULL, NULL), tid = 0;
    OK(reap(p) == 3 && var == 1 && !cwd_is_tmp() && fcntl(fd, F_GETFD) >= 0 && !ignores(),
       "no flag: nothing is shared");
    p = run(SIGCHLD | CLONE_VM, NULL, NULL, NULL);
    OK(reap(p) == 3 && var == 2 && !cwd_is_tmp() && fcntl(fd, F_GETFD) >= 0 && !ignores(),
       "CLONE_VM: memory is shared, and nothing else");
    p = run(SIGCHLD | CLONE_FS, NULL, NULL, NULL);
    OK(reap(p) == 3 && var == 1 && cwd_is_tmp() && fcntl(fd, F_GETFD) >= 0 && !ignores(),
       "CLONE_FS: the working directory is shared, and nothing else");
    p = run(SIGCHLD | CLONE_FILES, NULL, NULL, NULL);
    OK(reap(p) == 3 && var == 1 && !cwd_is_tmp() && fcntl(fd, F_GETFD) < 0 && !ignores(),
       "CLONE_FILES: descriptors are shared, and nothing else");
    p = run(SIGCHLD | CLONE_VM | CLONE_SIGHAND, NULL, NULL, NULL);
    OK(reap(p) == 3 && !cwd_is_tmp() && ignores(), "CLONE_SIGHAND: handlers are shared");
    FAILS(raw_clone(CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL, "CLONE_SIGHAND: not without VM");

    int pfd = -1;
    p = run(SIGCHLD | CLONE_PIDFD, &pfd, NULL, NULL);
    struct pollfd pl = {.fd = pfd, .events = POLLIN};
    OK(pfd >= 0 && poll(&pl, 1, 5000) == 1 && (fcntl(pfd, F_GETFD) & FD_CLOEXEC),
       "CLONE_PIDFD: a descriptor, closed at exec, readable when the child has ended");
    siginfo_t si = {0};
    OK(!waitid(3, pfd, &si, WEXITED) && si.si_pid == p && si.si_status == 3, "CLONE_PIDFD: waitid takes it");
    close(pfd);
    FAILS(raw_clone(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &tid, 0, 0), EINVAL,
          "CLONE_PIDFD: not with PARENT_SETTID in clone");
    FAILS(raw_clone(CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, 0, &tid, 0, 0), EINVAL,
          "CLONE_PIDFD: not with DETACHED");

    p = run(SIGCHLD | CLONE_VM | CLONE_VFORK, NULL, NULL, NULL);
    int order = s->order;
    OK(order == 1 && reap(p) == 3, "CLONE_VFORK: the parent goes on after the child has ended");

    p = fork();
    if (!p) {
        pid_t c = raw_clone(CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        if (!c) {
            s->ppid = getppid();
            _exit(4);
        }
        s->pid = c;
        _exit(waitpid(c, NULL, 0) == -1 && errno == ECHILD ? 0 : 1);
    }
    OK(reap(p) == 0 && reap(s->pid) == 4 && s->ppid == getpid(),
       "CLONE_PARENT: the child is the parent's child");

    tid = 77;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    p = run(flags | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID, &pfd, NULL, &tid);
    while (__atomic_load_n(&tid, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, &tid, FUTEX_WAIT, 77, NULL, NULL, 0);
    OK(s->pid == getpid() && s->tid == p && p != getpid() && s->ppid == getppid(),
       "CLONE_THREAD: the pid and the parent are the caller's, the tid is its own");
    FAILS(waitpid(p, NULL, __WALL), ECHILD, "CLONE_THREAD: nobody waits for a thread");
    OK(pfd == p, "CLONE_PARENT_SETTID: the tid is in the parent's memory");
    OK(tid == 0, "CLONE_CHILD_CLEARTID: the word is zeroed and its waiters are woken");
    pfd = -1;
    p = run(flags | CLONE_PIDFD, &pfd, NULL, NULL);
    pl = (struct pollfd){.fd = pfd, .events = POLLIN};
    OK(p > 0 && poll(&pl, 1, 5000) == 1, "CLONE_PIDFD: of a thread, readable when it has ended");
    close(pfd);
    FAILS(raw_clone(CLONE_THREAD | CLONE_VM, 0, 0, 0, 0), EINVAL, "CLONE_THREAD: not without SIGHAND");
    FAILS(raw_clone(flags | CLONE_NEWPID, 0, 0, 0, 0), EINVAL, "CLONE_NEWPID: not with THREAD");
    FAILS(raw_clone((flags & ~CLONE_FS) | CLONE_NEWUSER, 0, 0, 0, 0), EINVAL,
          "CLONE_NEWUSER: not with THREAD");
    FAILS(raw_clone(CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL, "CLONE_NEWUSER: not with FS");
    FAILS(raw_clone(CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL, "CLONE_NEWNS: not with FS");
    FAILS(raw_clone(CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, 0, 0, 0, 0), EINVAL,
          "CLONE_NEWIPC: not with SYSVSEM");
    p = run(SIGCHLD | CLONE_SYSVSEM, NULL, NULL, NULL);
    OK(reap(p) == 3, "CLONE_SYSVSEM: accepted");

    memset(s, 0, sizeof(*s));
    p = clone(tls_child, stack + sizeof(stack), CLONE_VM | CLONE_SETTLS | SIGCHLD, NULL, NULL, (void *)s,
              NULL);
    OK(reap(p) == 0 && s->tp == (unsigned long)s, "CLONE_SETTLS: tp is what was given");
    tid = 0;
    p = raw_clone(CLONE_CHILD_SETTID | SIGCHLD, 0, 0, 0, &tid);
    if (!p)
        _exit(tid == syscall(SYS_gettid) ? 0 : 1);
    OK(reap(p) == 0 && tid == 0, "CLONE_CHILD_SETTID: the tid is in the child's memory alone");

    p = run(SIGCHLD | CLONE_DETACHED, NULL, NULL, NULL);
    OK(reap(p) == 3, "CLONE_DETACHED: clone ignores it");
    FAILS(clone3(CLONE_DETACHED, SIGCHLD, NULL), EINVAL, "CLONE_DETACHED: clone3 refuses it");
    p = run(SIGCHLD | CLONE_UNTRACED, NULL, NULL, NULL);
    OK(reap(p) == 3, "CLONE_UNTRACED: no effect without a tracer");

    signal(SIGUSR2, handler);
    signal(SIGUSR1, SIG_IGN);
    p = clone3(0x100000000UL, SIGCHLD, NULL);
    if (!p) {
        struct sigaction a, b;
        sigaction(SIGUSR2, NULL, &a);
        sigaction(SIGUSR1, NULL, &b);
        _exit(a.sa_handler == SIG_DFL && b.sa_handler == SIG_IGN ? 0 : 1);
    }
    OK(reap(p) == 0, "CLONE_CLEAR_SIGHAND: handled signals are default in the child, ignored ones ignored");
    FAILS(clone3(0x100000000UL | CLONE_VM | CLONE_SIGHAND, SIGCHLD, NULL), EINVAL,
          "CLONE_CLEAR_SIGHAND: not with SIGHAND");
    struct clone_args a = {.flags = 0x200000000UL, .exit_signal = SIGCHLD, .cgroup = 1000};
    errno = 0;
    OK(syscall(SYS_clone3, &a, sizeof(a)) == -1 && (errno == EBADF || errno == EINVAL),
       "CLONE_INTO_CGROUP: not without a cgroup");

    refused_or(CLONE_PTRACE, lives, "CLONE_PTRACE: no effect without a tracer, or refused");
    refused_or(0x80, lives, "CLONE_NEWTIME: as promised, or refused");
    refused_or(CLONE_NEWNS, lives, "CLONE_NEWNS: as promised, or refused");
    refused_or(CLONE_NEWCGROUP, lives, "CLONE_NEWCGROUP: as promised, or refused");
    refused_or(CLONE_NEWUTS, hostname, "CLONE_NEWUTS: as promised, or refused");
    struct utsname u;
    OK(!uname(&u) && strcmp(u.nodename, "clonebits"), "CLONE_NEWUTS: the parent's name stays");
    refused_or(CLONE_NEWIPC, lives, "CLONE_NEWIPC: as promised, or refused");
    refused_or(CLONE_NEWUSER, lives, "CLONE_NEWUSER: as promised, or refused");
    refused_or(CLONE_NEWPID, pid_one, "CLONE_NEWPID: as promised, or refused");
    refused_or(CLONE_NEWNET, lives, "CLONE_NEWNET: as promised, or refused");
    refused_or(0x80000000UL, lives, "CLONE_IO: as promised, or refused");
    OK(waitpid(-1, NULL, __WALL) == -1 && errno == ECHILD, "no child is left");
    return ktap_done();
}
