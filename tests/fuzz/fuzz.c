/* A system-call fuzzer: fuzz SEED CALLS [UID] [WORKERS]. It knows what arguments are (descriptors, processes,
 * flags, pointers, paths, sizes), draws them from a seeded generator, and watches over the workers that make
 * the calls. Run as process 1 of a machine of its own, best of the checked build; a panic is a find. The same
 * seed draws the same calls. At the end kernel objects are compared with those at the start. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum kind { END, FD, PID, UID, SIG, FLAGS, MODE, SIZE, PTR, PATH, TIME, CMD, ANY, ADDR, PROT, PTRACE, IPC };
struct call {
    short nr;
    char weight;
    unsigned char args[6];
};
#define C(n, w, ...)                                                                                         \
    {                                                                                                        \
        SYS_##n, w, { __VA_ARGS__ }                                                                          \
    }
static const struct call calls[] = {
    C(getcwd, 1, PTR, SIZE),
    C(mlock, 2, ADDR, SIZE),
    C(munlock, 1, ADDR, SIZE),
    C(mlock2, 1, ADDR, SIZE, FLAGS),
    C(mlockall, 1, CMD),
    C(munlockall, 1),
    C(eventfd2, 2, CMD, FLAGS),
    C(epoll_create1, 2, FLAGS),
    C(epoll_ctl, 4, FD, CMD, FD, PTR),
    C(epoll_pwait, 2, FD, PTR, CMD, CMD, PTR, SIZE),
    C(dup, 2, FD),
    C(dup3, 3, FD, FD, FLAGS),
    C(fcntl, 6, FD, CMD, ANY),
    C(ioctl, 4, FD, ANY, PTR),
    C(flock, 2, FD, CMD),
    C(fallocate, 2, FD, CMD, SIZE, SIZE),
    C(inotify_init1, 2, FLAGS),
    C(inotify_add_watch, 4, FD, PATH, ANY),
    C(inotify_rm_watch, 1, FD, CMD),
    C(copy_file_range, 2, FD, PTR, FD, PTR, SIZE, FLAGS),
    C(preadv2, 1, FD, PTR, CMD, SIZE, SIZE, CMD),
    C(pwritev2, 2, FD, PTR, CMD, SIZE, SIZE, CMD),
    C(sync_file_range, 1, FD, SIZE, SIZE, CMD),
    C(readahead, 1, FD, SIZE, SIZE),
    C(fdatasync, 1, FD),
    C(mknodat, 2, FD, PATH, MODE, CMD),
    C(mkdirat, 3, FD, PATH, MODE),
    C(unlinkat, 4, FD, PATH, FLAGS),
    C(symlinkat, 3, PATH, FD, PATH),
    C(linkat, 3, FD, PATH, FD, PATH, FLAGS),
    C(statfs, 1, PATH, PTR),
    C(fstatfs, 1, FD, PTR),
    C(truncate, 2, PATH, SIZE),
    C(ftruncate, 2, FD, SIZE),
    C(faccessat, 1, FD, PATH, CMD),
    C(chdir, 2, PATH),
    C(fchdir, 2, FD),
    C(fchmod, 2, FD, MODE),
    C(fchmodat, 2, FD, PATH, MODE),
    C(fchownat, 1, FD, PATH, UID, UID, FLAGS),
    C(openat, 12, FD, PATH, FLAGS, MODE),
    C(close, 8, FD),
    C(pipe2, 3, PTR, FLAGS),
    C(getdents64, 2, FD, PTR, SIZE),
    C(lseek, 2, FD, SIZE, CMD),
    C(read, 6, FD, PTR, SIZE),
    C(write, 6, FD, PTR, SIZE),
    C(readv, 3, FD, PTR, CMD),
    C(writev, 3, FD, PTR, CMD),
    C(pread64, 2, FD, PTR, SIZE, SIZE),
    C(pwrite64, 2, FD, PTR, SIZE, SIZE),
    C(sendfile, 2, FD, FD, PTR, SIZE),
    C(pselect6, 2, CMD, PTR, PTR, PTR, TIME, PTR),
    C(ppoll, 2, PTR, CMD, TIME, PTR, SIZE),
    C(signalfd4, 2, FD, PTR, SIZE, FLAGS),
    C(readlinkat, 1, FD, PATH, PTR, SIZE),
    C(newfstatat, 2, FD, PATH, PTR, FLAGS),
    C(fstat, 1, FD, PTR),
    C(fsync, 1, FD),
    C(timerfd_create, 2, CMD, FLAGS),
    C(timerfd_settime, 2, FD, FLAGS, PTR, PTR),
    C(timerfd_gettime, 1, FD, PTR),
    C(utimensat, 1, FD, PATH, TIME, FLAGS),
    C(capget, 1, PTR, PTR),
    C(personality, 1, ANY),
    C(waitid, 5, CMD, PID, PTR, FLAGS, PTR),
    C(set_tid_address, 1, PTR),
    C(futex, 8, PTR, CMD, CMD, TIME, PTR, ANY),
    C(set_robust_list, 1, PTR, SIZE),
    C(get_robust_list, 1, PID, PTR, PTR),
    C(nanosleep, 1, TIME, PTR),
    C(getitimer, 1, CMD, PTR),
    C(setitimer, 2, CMD, PTR, PTR),
    C(clock_gettime, 1, CMD, PTR),
    C(clock_nanosleep, 1, CMD, CMD, TIME, PTR),
    C(sched_setaffinity, 2, PID, SIZE, PTR),
    C(sched_getaffinity, 1, PID, SIZE, PTR),
    C(sched_yield, 1),
    C(kill, 4, PID, SIG),
    C(tkill, 3, PID, SIG),
    C(tgkill, 2, PID, PID, SIG),
    C(sigaltstack, 2, PTR, PTR),
    C(rt_sigsuspend, 1, PTR, SIZE),
    C(rt_sigaction, 4, SIG, PTR, PTR, SIZE),
    C(rt_sigprocmask, 3, CMD, PTR, PTR, SIZE),
    C(rt_sigpending, 1, PTR, SIZE),
    C(rt_sigtimedwait, 2, PTR, PTR, TIME, SIZE),
    C(rt_sigqueueinfo, 3, PID, SIG, PTR),
    C(rt_sigreturn, 1),
    C(setpriority, 1, CMD, PID, CMD),
    C(getpriority, 1, CMD, PID),
    C(setresuid, 1, UID, UID, UID),
    C(setresgid, 1, UID, UID, UID),
    C(setpgid, 3, PID, PID),
    C(getpgid, 1, PID),
    C(getsid, 1, PID),
    C(setsid, 1),
    C(setgroups, 1, CMD, PTR),
    C(getrusage, 1, CMD, PTR),
    C(umask, 1, MODE),
    C(prctl, 4, CMD, ANY, ANY, ANY, ANY),
    C(sysinfo, 1, PTR),
    C(brk, 3, ADDR),
    C(munmap, 3, ADDR, SIZE),
    C(mremap, 4, ADDR, SIZE, SIZE, CMD, ADDR),
    C(clone, 8, FLAGS, ADDR, PTR, PTR, PTR),
    C(execve, 2, PATH, PTR, PTR),
    C(mmap, 8, ADDR, SIZE, PROT, FLAGS, FD, SIZE),
    C(mprotect, 5, ADDR, SIZE, PROT),
    C(msync, 1, ADDR, SIZE, CMD),
    C(madvise, 5, ADDR, SIZE, CMD),
    C(wait4, 5, PID, PTR, FLAGS, PTR),
    C(prlimit64, 2, PID, CMD, PTR, PTR),
    C(renameat2, 4, FD, PATH, FD, PATH, FLAGS),
    C(getrandom, 1, PTR, SIZE, FLAGS),
    C(execveat, 1, FD, PATH, PTR, PTR, FLAGS),
    C(membarrier, 1, CMD, CMD),
    C(statx, 1, FD, PATH, FLAGS, ANY, PTR),
    C(pidfd_open, 3, PID, FLAGS),
    C(clone3, 8, PTR, SIZE),
    C(close_range, 1, FD, FD, FLAGS),
    C(faccessat2, 1, FD, PATH, CMD, FLAGS),
    C(timer_create, 2, CMD, PTR, PTR),
    C(timer_settime, 2, CMD, CMD, PTR, PTR),
    C(timer_delete, 1, CMD),
    C(sched_setattr, 1, PID, PTR, FLAGS),
    C(sched_getattr, 1, PID, PTR, SIZE, FLAGS),
    C(mlock, 1, ADDR, SIZE),
    C(munlock, 1, ADDR, SIZE),
    C(pidfd_send_signal, 2, FD, SIG, PTR, FLAGS),
    C(process_vm_readv, 2, PID, PTR, CMD, PTR, CMD, FLAGS),
    C(process_vm_writev, 1, PID, PTR, CMD, PTR, CMD, FLAGS),
    C(ptrace, 12, PTRACE, PID, ADDR, ANY),
    C(semget, 2, CMD, CMD, IPC),
    C(semop, 4, CMD, PTR, CMD),
    C(semtimedop, 2, CMD, PTR, CMD, TIME),
    C(semctl, 4, CMD, CMD, CMD, PTR),
    C(shmget, 2, CMD, SIZE, IPC),
    C(shmat, 4, CMD, ADDR, IPC),
    C(shmdt, 3, ADDR),
    C(shmctl, 3, CMD, CMD, PTR),
    C(msgget, 2, CMD, IPC),
    C(msgsnd, 4, CMD, PTR, CMD, IPC),
    C(msgrcv, 4, CMD, PTR, CMD, CMD, IPC),
    C(msgctl, 2, CMD, CMD, PTR),
    C(add_key, 3, PATH, PTR, PTR, SIZE, CMD),
    C(request_key, 1, PATH, PTR, PTR, CMD),
    C(keyctl, 5, CMD, CMD, CMD, CMD, CMD),
    C(seccomp, 1, CMD, CMD, PTR),
    C(landlock_create_ruleset, 1, PTR, SIZE, CMD),
    C(landlock_add_rule, 1, FD, CMD, PTR, CMD),
    C(landlock_restrict_self, 1, FD, CMD),
    C(unshare, 3, FLAGS),
    C(setns, 3, FD, FLAGS),
    C(pivot_root, 1, PATH, PATH),
    C(set_mempolicy, 2, CMD, PTR, CMD),
    C(get_mempolicy, 2, PTR, PTR, CMD, ADDR, CMD),
    C(mbind, 3, ADDR, SIZE, CMD, PTR, CMD, CMD),
};
#define NCALLS ((int)(sizeof(calls) / sizeof(*calls)))
/* Not tried by root: what would end or take over the machine that others are being tried on. */
static const short not_root[] = {SYS_reboot,        SYS_sched_setscheduler,
                                 SYS_sched_setattr, SYS_sched_setparam,
                                 SYS_mount,         SYS_umount2,
                                 SYS_chroot,        SYS_pivot_root,
                                 SYS_settimeofday,  SYS_clock_settime,
                                 SYS_sethostname,   SYS_setdomainname};

static struct shared {
    volatile long made[16];
    char tables[160]; /* what a look at the page tables said that was not ok */
} * shared;
static uint64_t state;
static char *pool, *arena, *ro, *edge; /* arena: to be mapped and unmapped at will */
static char *big;                      /* as arena, of superpages */
static int uid;
#define POOL 65536
#define HUGE (2UL << 20)
#define BIG (2 * HUGE)

static uint32_t rnd(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state * 0x2545f4914f6cdd1dUL >> 32;
}
static unsigned pick(unsigned n) { return rnd() % n; }
static uint64_t any(void) {
    switch (pick(8)) {
    case 0:
        return 0;
    case 1:
        return pick(16);
    case 2:
        return 1UL << pick(64);
    case 3:
        return -1UL - pick(64);
    case 4:
        return (uint64_t)rnd() << 32 | rnd();
    case 5:
        return 0x7fffffff + pick(3);
    default:
        return rnd() & 0xffff;
    }
}
/* An address in memory of superpages, mostly in few of its pages. */
static uint64_t in_big(void) { return (uint64_t)big + pick(2) * HUGE + pick(pick(2) ? 8 : 512) * 4096; }
static uint64_t pointer(void) {
    switch (pick(16)) {
    case 0:
        return 0;
    case 1:
        return (uint64_t)ro + pick(4096);
    case 2:
        return (uint64_t)edge + 4096 - pick(64);
    case 3:
        return 0xffffffc080200000UL + pick(1 << 20) * 8;
    case 4:
        return any();
    case 5:
        return pick(3) == 0 ? in_big() + pick(4096) : (uint64_t)(pick(2) ? pool : arena) + pick(POOL);
    default:
        return (uint64_t)pool + pick(POOL / 64) * 64;
    }
}
static const char *const paths[] = {"user",
                                    "keyring",
                                    "a",
                                    "/proc/self/ns/pid",
                                    "/proc/1/ns/uts",
                                    "/proc/self/ns/mnt",
                                    "b",
                                    "d",
                                    "d/a",
                                    "d/../b",
                                    "l",
                                    ".",
                                    "..",
                                    "",
                                    "/",
                                    "/tmp",
                                    "/dev/null",
                                    "/dev/zero",
                                    "/dev/full",
                                    "/dev/random",
                                    "/dev/tty",
                                    "/proc/self/status",
                                    "/proc/self/maps",
                                    "/proc/self/fd",
                                    "/proc/self/fd/3",
                                    "/proc/self/exe",
                                    "/proc/self/cwd",
                                    "/proc/self/task",
                                    "/proc/meminfo",
                                    "/proc/stat",
                                    "/proc/self/stat",
                                    "/proc/self/environ",
                                    "/proc/self/fail-nth",
                                    "/bin/true",
                                    "/etc/passwd",
                                    "fifo",
                                    "nothing/here"};
static uint64_t argument(int kind) {
    switch (kind) {
    case FD:
        return pick(8) ? pick(12) + 3 * (pick(3) == 0) : pick(2) ? (uint64_t)AT_FDCWD : any();
    case PID:
        switch (pick(8)) {
        case 0:
            return 0;
        case 1:
            return getpid();
        case 2:
            return any();
        case 3:
            return -(uint64_t)getpid();
        case 4:
            return -1UL;
        default:
            return getpid() + pick(8) - 3;
        }
    case UID:
        return pick(3) ? (uint64_t)uid : any();
    case SIG:
        return pick(6) ? pick(66) : any();
    case FLAGS:
        switch (pick(6)) {
        case 0:
            return 0;
        case 1:
            return any();
        case 2:
            return (1UL << pick(34)) | (1UL << pick(34)) | 17;
        case 3:
            return 0x3d0f00; /* as pthread_create has it */
        case 4:
            return 0x42 | pick(2) << 9 | pick(2) << 10 | pick(2) << 11;
        default:
            return 1UL << pick(32) | pick(4);
        }
    case MODE:
        return pick(4) ? 0700 | (pick(2) ? S_IFIFO : S_IFREG) : any();
    case SIZE:
        switch (pick(8)) {
        case 0:
            return any();
        case 1:
            return 8;
        case 2:
            return 64 + pick(64);
        case 3:
            return pick(4) ? 4096 * pick(20) : HUGE * (1 + pick(2)) - 4096 * pick(3);
        default:
            return pick(300);
        }
    case PATH:
        if (pick(12) == 0)
            return pointer();
        return (uint64_t)paths[pick(sizeof(paths) / sizeof(*paths))];
    case PTRACE: {
        static const short seldom[] = {16, 17, 24, 0x4206, 0x4207, 0x4208};
        return pick(3) ? pick(2) ? pick(10) : (unsigned)seldom[pick(6)] : 0x4200 + pick(16);
    }
    case IPC:
        return (pick(4) ? 0600 : 0) | (pick(2) ? 01000 : 0) | (pick(3) ? 04000 : 0) | (pick(8) ? 0 : 020000);
    case TIME: { /* never long */
        if (pick(6) == 0)
            return pointer();
        struct timespec *t = (void *)(pool + 512);
        *t = (struct timespec){0, pick(300000)};
        return (uint64_t)t;
    }
    case CMD:
        return pick(5) ? pick(20) : any();
    case ADDR:
        return pick(4) == 0 ? in_big()
               : pick(3)    ? (uint64_t)arena + pick(POOL / 4096) * 4096
               : pick(2)    ? 0x3000000000UL + pick(64) * 4096
                            : pointer();
    case PROT:
        return pick(4) ? pick(8) : any();
    case PTR:
        return pointer();
    default:
        return pick(2) ? any() : pointer();
    }
}
static void on_alarm(int s) { (void)s; }
static void rearm(void) {
    struct sigaction a = {.sa_handler = on_alarm};
    sigset_t none;
    sigemptyset(&none);
    sigaction(SIGALRM, &a, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    struct itimerval it = {{0, 3000}, {0, 3000}};
    setitimer(ITIMER_REAL, &it, NULL);
}
static int skipped(long nr) {
    if (nr == SYS_exit || nr == SYS_exit_group || nr == SYS_reboot)
        return 1;
    for (unsigned i = 0; !uid && i < sizeof(not_root) / sizeof(*not_root); i++)
        if (not_root[i] == nr)
            return 1;
    return 0;
}
/* Fill part of the pool with small numbers, pointers, descriptors: what structures are made of. */
static void scribble(void) {
    uint64_t *w = (uint64_t *)(pool + pick(POOL / 64 - 8) * 64);
    for (int i = 0; i < 12; i++)
        w[i] = pick(3) == 0 ? any() : pick(2) ? pick(16) : pointer();
}
/* What the checked build says of all page tables, while they are as this process has made them. Opened by
 * process 1, and there unless somebody closed it. */
#define TABLES 63
static void look_at_tables(void) {
    char b[160] = {0};
    if (pread(TABLES, b, sizeof(b) - 1, 0) > 0 && strcmp(b, "ok\n"))
        memcpy(shared->tables, b, sizeof(b));
}
/* A fork whose child stays for a moment; both store to what they share. By a call, which fails where nothing
 * is mapped. What came of it the checked build's look at the page tables says. */
static void store_some(void) {
    for (int i = 0; i < 6; i++)
        syscall(SYS_getrandom, in_big(), 8, 0);
}
static void fork_and_store(void) {
    if (pick(2))
        madvise(big, BIG, MADV_HUGEPAGE);
    store_some();
    if (!syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) {
        if (pick(2))
            store_some();
        usleep(pick(4) * 1000);
        store_some();
        if (pick(8) == 0)
            look_at_tables();
        syscall(SYS_exit_group, 0);
    }
    if (pick(2))
        store_some();
}
static void batch(int n, int me) {
    static int total;
    if (!total)
        for (int i = 0; i < NCALLS; i++)
            total += calls[i].weight;
    for (int k = 0; k < n; k++) {
        if (k % 32 == 0)
            rearm();
        if (pick(4) == 0)
            scribble();
        if (pick(40) == 0)
            fork_and_store();
        uint64_t a[6];
        long nr;
        if (pick(40) == 0) { /* any number, any arguments */
            nr = pick(2) ? pick(460) : pick(2) ? 1071 : 1079;
            for (int i = 0; i < 6; i++)
                a[i] = pick(2) ? any() : pointer();
        } else {
            int at = pick(total), c = 0;
            while ((at -= calls[c].weight) >= 0)
                c++;
            nr = calls[c].nr;
            for (int i = 0; i < 6; i++)
                a[i] = argument(i && !calls[c].args[i] ? ANY : calls[c].args[i]);
        }
        if (skipped(nr))
            continue;
        shared->made[me]++;
        pid_t self = getpid();
        long r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (r == 0 && (nr == SYS_clone || nr == SYS_clone3 || nr > 1000))
            syscall(SYS_exit, getpid() == self ? 0 : 1); /* a child or a thread: it has done its part */
    }
}
static void child(uint64_t seed, int n, int me) {
    state = seed * 0x9e3779b97f4a7c15UL + 1;
    rnd(), rnd();
    setpgid(0, 0);
    signal(SIGALRM, on_alarm);
    struct rlimit procs = {48, 48}, mem = {128 << 20, 128 << 20}, file = {1 << 20, 1 << 20}, fds = {64, 64};
    setrlimit(RLIMIT_NPROC, &procs), setrlimit(RLIMIT_AS, &mem), setrlimit(RLIMIT_FSIZE, &file),
        setrlimit(RLIMIT_NOFILE, &fds);
    pool = mmap((void *)0x2000000000, POOL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                -1, 0);
    arena = mmap((void *)0x2800000000, POOL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                 -1, 0);
    big = mmap((void *)0x3800000000, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0);
    ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(edge + 4096, 4096);
    char dir[64];
    sprintf(dir, "/tmp/fuzz%d", me);
    chdir(dir);
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    open("a", O_RDWR | O_CREAT, 0600);
    int p[2];
    pipe(p);
    fcntl(p[0], F_SETFL, O_NONBLOCK), fcntl(p[1], F_SETFL, O_NONBLOCK);
    mkfifo("fifo", 0600);
    if (uid) {
        setgroups(0, NULL);
        if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
            _exit(1);
    }
    batch(n, me);
    _exit(0);
}

static char slabs[2][8192];
static void objects(char *out) {
    int fd = open("/proc/slabinfo", O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, out, 8191);
    out[n > 0 ? n : 0] = 0;
    close(fd);
}
static long active(const char *text, const char *name) {
    const char *l = strstr(text, name);
    return l ? atol(l + strlen(name)) : 0;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: fuzz SEED CALLS [UID] [WORKERS]\n");
        return 2;
    }
    long seed = atol(argv[1]), want = atol(argv[2]), made = 0, batches = 0, slow = 0, refused = 0;
    uid = argc > 3 ? atoi(argv[3]) : 0;
    int workers = argc > 4 ? atoi(argv[4]) : 3, per = 400;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int s = 1; s < 65; s++)
        if (s != SIGCHLD)
            signal(s, SIG_IGN);
    pid_t pids[16] = {0};
    long since[16] = {0}, at[16] = {0}, counted[16] = {0};
    for (int w = 0; w < workers; w++) {
        char dir[64];
        sprintf(dir, "/tmp/fuzz%d", w);
        mkdir(dir, 0777);
        chmod(dir, 0777);
    }
    objects(slabs[0]);
    struct rlimit limits[RLIM_NLIMITS];
    for (int r = 0; r < RLIM_NLIMITS; r++)
        getrlimit(r, &limits[r]);
    sigset_t chld;
    sigemptyset(&chld), sigaddset(&chld, SIGCHLD), sigprocmask(SIG_BLOCK, &chld, NULL);
    struct timespec last = {0}, now, tick = {0, 5000000};
    int look = open("/proc/sys/debug/page_tables", O_RDONLY); /* the checked build's, and no other's */
    if (look >= 0)
        dup2(look, TABLES), close(look);
    look_at_tables();
    if (shared->tables[0]) /* "not checked" */
        close(TABLES), memset(shared->tables, 0, sizeof(shared->tables));
    while (made < want && !shared->tables[0]) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        int ticked = (now.tv_sec - last.tv_sec) * 1000000000L + now.tv_nsec - last.tv_nsec >= tick.tv_nsec;
        last = ticked ? now : last;
        for (int w = 0; w < workers; w++) {
            if (!pids[w]) {
                uint64_t s = seed * 1000003 + batches++;
                for (int r = 0; r < RLIM_NLIMITS;
                     r++) /* root's workers may have lowered them: prlimit of process 1 */
                    setrlimit(r, &limits[r]);
                fflush(stdout);
                if (!(pids[w] = fork())) {
                    sigprocmask(SIG_UNBLOCK, &chld, NULL);
                    for (int sig = 1; sig < 65; sig++)
                        signal(sig, SIG_DFL);
                    child(s, per, w);
                }
                if (pids[w] < 0) /* no room: what batches left behind goes, and the slot is tried again */
                    pids[w] = 0, refused++, kill(-1, SIGKILL);
                since[w] = 0, at[w] = shared->made[w];
            } else if (ticked && at[w] == shared->made[w]) {
                if (++since[w] > 50) /* stopped, or waiting with its alarm gone: a quarter second is enough */
                    kill(-pids[w], SIGKILL), kill(pids[w], SIGKILL), slow++, since[w] = 0;
            } else if (ticked) {
                since[w] = 0, at[w] = shared->made[w];
            }
        }
        pid_t p;
        int st;
        while ((p = waitpid(-1, &st, WNOHANG | __WALL)) > 0)
            for (int w = 0; w < workers; w++)
                if (pids[w] == p) {
                    kill(-p, SIGKILL); /* and what it left behind */
                    pids[w] = 0;
                }
        sigtimedwait(&chld, NULL, &tick); /* a worker has ended, or it is time to look after them */
        made = 0;
        for (int w = 0; w < workers; w++) {
            if (shared->made[w] < counted[w] ||
                shared->made[w] > counted[w] + 100000) /* a call wrote there */
                shared->made[w] = counted[w];
            made += counted[w] = shared->made[w];
        }
    }
    sigprocmask(SIG_UNBLOCK, &chld, NULL);
    kill(-1, SIGKILL);
    for (int i = 0; i < 200; i++) {
        while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
            ;
        usleep(5000);
    }
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY), lost = shared->tables[0] != 0;
    if (lost)
        printf("page tables: %s", shared->tables);
    write(fd, "3", 1);
    close(fd);
    objects(slabs[1]);
    static const char *const must[] = {"task_struct", "signal_struct", "sighand_struct", "files_struct",
                                       "mm_struct",   "vm_area",       "epitem",         "sigqueue"};
    for (unsigned i = 0; i < sizeof(must) / sizeof(*must); i++) {
        long a = active(slabs[0], must[i]), b = active(slabs[1], must[i]);
        if (b > a + (i == 4 ? sysconf(_SC_NPROCESSORS_ONLN)
                            : 0)) /* a hart may hold the address space it ran last */
            printf("leak: %s %ld -> %ld\n", must[i], a, b), lost = 1;
    }
    printf("fuzz: seed %ld, uid %d: %ld calls in %ld batches, %ld stuck and ended, %ld forks refused%s\n",
           seed, uid, made, batches, slow, refused, lost ? ", WRONG" : "");
    return lost;
}
