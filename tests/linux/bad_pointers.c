/* Every pointer argument of every system call with null, kernel, unmapped, read-only and page-straddling
 * addresses: an error or success, and the machine and this program go on. Calls that end or block the
 * caller by design are left out and named below. */
#include <ktap.h>
#include <setjmp.h>

/* Left out: what ends the caller or the machine (exit, exit_group, rt_sigreturn, reboot, kill, tkill, tgkill,
 * rt_sigqueueinfo), what may wait for ever (nanosleep, clock_nanosleep, rt_sigtimedwait, epoll_pwait,
 * pselect6, ppoll, rt_sigsuspend, wait4, waitid, flock), what takes the caller's own memory or rights away
 * (munmap, mmap, mremap, mprotect, brk, chroot, mount, umount2, setuid and its like, capset, prlimit64,
 * setrlimit, prctl), the forks, and close, close_range, dup3. */
static int skip(long n) {
    static const short never[] = {101, 115, 137, 22,  93,  94,  139, 142, 129, 130,  131,  138, 72,  73,
                                  133, 260, 95,  32,  214, 215, 216, 222, 226, 51,   40,   39,  143, 144,
                                  145, 146, 147, 149, 159, 91,  261, 164, 167, 1071, 1079, 220, 435, 57,
                                  436, 24,  117, 188, 189, 192, 193, 41,  97,  268}; /* what may wait for
                                                                                        ever, or stops */
    for (unsigned i = 0; i < sizeof(never) / sizeof(*never); i++)
        if (never[i] == n)
            return 1;
    return 0;
}
int main(void) {
    printf("KTAP version 1\n");
    long page = 4096, tried = 0;
    char *two = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *ro = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(two + page, page); /* last: a later mapping might fill the hole */
    unsigned long bad[] = {0,
                           1,
                           8,
                           0x3ffffff000UL,
                           0x4000000000UL,
                           0x7fffffffffffffffUL,
                           0x8000000000000000UL,
                           0x8000000000UL | (unsigned long)two, /* what Sv39 looks at is ours */
                           0x6000003ff8UL,                      /* and here the kernel's */
                           0xffffffc000000000UL,
                           0xffffffc080200000UL,
                           0xffffffe000000000UL,
                           0xffffffffffffffffUL,
                           0xfffffffffffffff8UL,
                           (unsigned long)two + page - 1,
                           (unsigned long)two + page - 4,
                           (unsigned long)two + page,
                           (unsigned long)ro,
                           (unsigned long)ro + page - 2};
    int nb = sizeof(bad) / sizeof(*bad);
    chdir("/tmp");
    for (int s = 1; s < 65; s++)
        if (s != SIGKILL && s != SIGSTOP && s != SIGCHLD) /* or there would be nobody to wait for */
            signal(s, SIG_IGN);
    signal(SIGSEGV, SIG_DFL);
    pid_t p = fork();
    if (!p) {
        for (int i = 0; i < 3; i++)
            dup2(open("/dev/null", O_RDWR), i);
        int zero = open("/dev/zero", O_RDWR), file = open("/tmp/x", O_RDWR | O_CREAT, 0600);
        long fds[] = {zero, file, AT_FDCWD, 3};
        for (long n = 0; n < 460; n++) {
            if (skip(n))
                continue;
            for (int pos = 0; pos < 6; pos++)
                for (int k = 0; k < nb; k++) {
                    long a[6] = {fds[k & 3], (long)two, 16, 0, 8, 0};
                    a[pos] = bad[k];
                    if (pos == 0 && k & 1)
                        a[1] = bad[(k + 3) % nb];
                    syscall(n, a[0], a[1], a[2], a[3], a[4], a[5]);
                    tried++;
                }
        }
        _exit(tried > 10000 ? 0 : 1);
    }
    OK(child_ends(p) == 0, "all calls came back");
    /* The calls whose answer must be EFAULT, one by one. */
    struct {
        const char *name;
        long n, a[4];
        int arg;
    } must[] = {{"read", SYS_read, {0, 0, 8}, 1},
                {"write", SYS_write, {1, 0, 8}, 1},
                {"pipe2", SYS_pipe2, {0, 0}, 0},
                {"fstat", SYS_fstat, {1, 0}, 1},
                {"getrusage", SYS_getrusage, {0, 0}, 1},
                {"uname", SYS_uname, {0}, 0},
                {"clock_gettime", SYS_clock_gettime, {2, 0}, 1},
                {"openat", SYS_openat, {AT_FDCWD, 0, 0}, 1},
                {"execve", SYS_execve, {0, 0, 0}, 0},
                {"getdents64", SYS_getdents64, {-2, 0, 1000}, 1},
                {"times", SYS_times, {0}, 0},
                {"sysinfo", SYS_sysinfo, {0}, 0},
                {"rt_sigaction", SYS_rt_sigaction, {10, 0, 0, 8}, 1},
                {"rt_sigprocmask", SYS_rt_sigprocmask, {0, 0, 0, 8}, 1},
                {"nanosleep", SYS_nanosleep, {0, 0}, 0},
                {"clone3", SYS_clone3, {0, 64}, 0},
                {"sched_getaffinity", SYS_sched_getaffinity, {0, 8, 0}, 2},
                {"statx", SYS_statx, {AT_FDCWD, 0, 0, 0xfff}, 1},
                {"readlinkat", SYS_readlinkat, {AT_FDCWD, 0, 0, 8}, 1}};
    int dir = open("/", O_RDONLY), zero = open("/dev/zero", O_RDONLY),
        f = open("/tmp/y", O_RDWR | O_CREAT, 0600);
    for (unsigned m = 0; m < sizeof(must) / sizeof(*must); m++) {
        int good = 1;
        for (int k = 1; k < 14; k++) {
            long a[6] = {must[m].a[0], must[m].a[1], must[m].a[2], must[m].a[3]};
            a[must[m].arg] = bad[k];
            if (must[m].n == SYS_read)
                a[0] = zero;
            if (must[m].n == SYS_write)
                a[0] = f;
            if (a[0] == -2)
                a[0] = dir;
            errno = 0;
            if (syscall(must[m].n, a[0], a[1], a[2], a[3], 0, 0) != -1 || errno != EFAULT)
                good = 0;
        }
        OK(good, must[m].name);
    }
    OK(syscall(SYS_read, zero, ro, 8) == -1 && errno == EFAULT, "a read-only page is EFAULT");
    OK(write(f, two + page - 4, 8) == 4 || errno == EFAULT, "a straddling write is short or EFAULT");
    return ktap_done();
}
