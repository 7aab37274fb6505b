/* C2: seccomp, strict and by filters; inherited by fork, vfork, clone and exec, and not escaped through
 * ptrace. */
#include "ktap.h"
#include <elf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

static int st;
#define NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ARG(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[i]))
#define IS(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no)
#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)
static long load(struct sock_filter *f, int n, unsigned flags) {
    struct sock_fprog p = {n, f};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p);
}
#define LOAD(flags, ...)                                                                                     \
    ({                                                                                                       \
        struct sock_filter _f[] = {__VA_ARGS__};                                                             \
        load(_f, sizeof(_f) / sizeof(*_f), flags);                                                           \
    })
static int nnp(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
/* getppid gives this */
static long deny(unsigned what) {
    return LOAD(0, NR, IS(SYS_getppid, 0, 1), RET(what), RET(SECCOMP_RET_ALLOW));
}

static int strict_lives(void) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0))
        return 1;
    write(-1, "", 0);
    return 3;
}
static int strict_dies(void) {
    syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0);
    syscall(SYS_getpid);
    return 4;
}
static int errnos(void) {
    nnp();
    if (deny(SECCOMP_RET_ERRNO | 99) || syscall(SYS_getppid) != -1 || errno != 99)
        return 1;
    if (prctl(PR_GET_SECCOMP) != 2)
        return 2;
    if (deny(SECCOMP_RET_ERRNO | 7) || syscall(SYS_getppid) != -1 ||
        errno != 7) /* the newest of the same kind */
        return 3;
    return 5;
}
static int needs_rights(void) {
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    if (deny(SECCOMP_RET_ERRNO) != -1 || errno != EACCES)
        return 1;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0 || nnp() || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 2;
    if (prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) != -1 || errno != EINVAL)
        return 3;
    return deny(SECCOMP_RET_ERRNO | 1) ? 4 : 6;
}
static int kills_process(void) {
    nnp();
    deny(SECCOMP_RET_KILL_PROCESS);
    syscall(SYS_getppid);
    return 1;
}
static void *calls(void *a) {
    syscall(SYS_getppid);
    return a;
}
static int kills_thread(void) {
    nnp();
    deny(SECCOMP_RET_KILL_THREAD);
    pthread_t t;
    pthread_create(&t, 0, calls, 0);
    pthread_join(t, 0);
    return 7;
}
static int kills_process_by_thread(void) {
    nnp();
    deny(SECCOMP_RET_KILL_PROCESS);
    pthread_t t;
    pthread_create(&t, 0, calls, 0);
    while (usleep(1000) < 1)
        ;
    return 1;
}
static volatile int trapped, trap_errno, trap_nr, trap_arch_ok;
static void on_sys(int s, siginfo_t *si, void *uc) {
    (void)uc;
    trapped = s == SIGSYS && si->si_code == 1;
    trap_errno = si->si_errno, trap_nr = si->si_syscall, trap_arch_ok = si->si_arch == 0xc00000f3;
}
static int traps(void) {
    struct sigaction a = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &a, 0);
    nnp();
    deny(SECCOMP_RET_TRAP | 42);
    syscall(SYS_getppid);
    return trapped && trap_errno == 42 && trap_nr == SYS_getppid && trap_arch_ok ? 8 : 1;
}
static int lowest_wins(void) {
    nnp();
    deny(SECCOMP_RET_ERRNO | 5);
    deny(SECCOMP_RET_LOG);
    if (syscall(SYS_getppid) != -1 || errno != 5)
        return 1;
    deny(SECCOMP_RET_KILL_PROCESS);
    syscall(SYS_getppid);
    return 2;
}
static int arguments(void) {
    nnp();
    if (LOAD(0, NR, IS(SYS_dup, 0, 3), ARG(0), IS(77, 0, 1), RET(SECCOMP_RET_ERRNO | 33),
             RET(SECCOMP_RET_ALLOW)))
        return 1;
    if (syscall(SYS_dup, 77) != -1 || errno != 33 || syscall(SYS_dup, 78) != -1 || errno != EBADF)
        return 2;
    int fd = dup(1);
    return fd >= 0 ? 9 : 3;
}
/* Each kind of instruction: the errno is what they compute from getpriority's arguments (a, b). */
static int computes(void) {
    nnp();
    struct sock_filter f[] = {NR,
                              IS(SYS_getpriority, 1, 0),
                              RET(SECCOMP_RET_ALLOW),
                              ARG(0),
                              BPF_STMT(BPF_ST, 3),
                              ARG(1),
                              BPF_STMT(BPF_MISC | BPF_TAX, 0),
                              BPF_STMT(BPF_LD | BPF_MEM, 3),
                              BPF_STMT(BPF_ALU | BPF_MUL | BPF_X, 0), /* a * b */
                              BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 100),
                              BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
                              BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 3),
                              BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 2),
                              BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 1),
                              BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 2),
                              BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff),
                              BPF_STMT(BPF_ALU | BPF_NEG, 0),
                              BPF_STMT(BPF_ALU | BPF_NEG, 0),
                              BPF_STMT(BPF_STX, 5),
                              BPF_STMT(BPF_LDX | BPF_MEM, 5),
                              BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x8000, 2, 0),
                              BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 4000, 1, 0),
                              BPF_JUMP(BPF_JMP | BPF_JGE | BPF_X, 0, 1, 0),
                              RET(SECCOMP_RET_KILL_PROCESS),
                              BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
                              BPF_STMT(BPF_JMP | BPF_JA, 1),
                              RET(SECCOMP_RET_KILL_PROCESS),
                              BPF_STMT(BPF_RET | BPF_A, 0)};
    if (load(f, sizeof(f) / sizeof(*f), 0))
        return 1;
    errno = 0;
    syscall(SYS_getpriority, 7, 11);
    int want = (7 * 11 + 100 - 11) ^ 3;
    return errno == want ? 10 : 2;
}
static int bad_programs(void) {
    nnp();
    int bad = 0;
    bad |= !(LOAD(0, NR) == -1 && errno == EINVAL) ? 1 : 0; /* no end */
    bad |= !(LOAD(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RET(0)) == -1 && errno == EINVAL)
               ? 2
               : 0; /* past the data */
    bad |= !(LOAD(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RET(0)) == -1 && errno == EINVAL)
               ? 4
               : 0; /* unaligned */
    bad |= !(LOAD(0, BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RET(0)) == -1 && errno == EINVAL) ? 8
                                                                                              : 0; /* bytes */
    bad |= !(LOAD(0, BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), RET(0)) == -1 && errno == EINVAL)
               ? 16
               : 0; /* out of it */
    bad |= !(LOAD(0, IS(1, 0, 200), RET(0)) == -1 && errno == EINVAL) ? 32 : 0;
    bad |= !(LOAD(0, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0)) == -1 && errno == EINVAL) ? 64 : 0;
    bad |= !(LOAD(0, BPF_STMT(BPF_LD | BPF_MEM, 1), RET(0)) == -1 && errno == EINVAL) ? 1
                                                                                      : 0; /* never written */
    bad |= !(LOAD(0, BPF_STMT(BPF_ST, 16), RET(0)) == -1 && errno == EINVAL) ? 1 : 0;
    bad |= !(LOAD(0, BPF_STMT(0xffff, 0), RET(0)) == -1 && errno == EINVAL) ? 1 : 0;
    struct sock_filter one = RET(SECCOMP_RET_ALLOW);
    bad |= !(load(&one, 0, 0) == -1 && errno == EINVAL) ? 1 : 0;
    bad |= !(load((void *)8, 1, 0) == -1 && errno == EFAULT) ? 1 : 0;
    bad |= !(load(&one, 1, 1 << 20) == -1 && errno == EINVAL) ? 1 : 0;
    bad |= !(syscall(SYS_seccomp, 99, 0, 0) == -1 && errno == EINVAL) ? 1 : 0;
    unsigned action = SECCOMP_RET_TRAP;
    bad |= syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) ? 1 : 0;
    action = 0x12340000;
    bad |= !(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == -1 && errno == EOPNOTSUPP) ? 1 : 0;
    bad |= syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &(struct sock_fprog){1, &one}) ? 1 : 0;
    bad |= !(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == -1 && errno == EINVAL) ? 1 : 0;
    return bad ? bad : 11;
}

/* --- escapes --- */
static int after_fork(void) {
    nnp();
    deny(SECCOMP_RET_ERRNO | 61);
    pid_t p = fork();
    if (!p)
        _exit(syscall(SYS_getppid) == -1 && errno == 61 ? 0 : 1);
    if (child_ends(p))
        return 1;
    p = vfork();
    if (!p)
        _exit(syscall(SYS_getppid) == -1 && errno == 61 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0
                                                                                                       : 1);
    return child_ends(p) ? 2 : 12;
}
static int after_exec(void) {
    nnp();
    deny(SECCOMP_RET_ERRNO | 61);
    execl("/proc/self/exe", "seccomp", "child", NULL);
    return 1;
}
static int by_ptrace(void) { /* a tracer without filters of its own changes the call that was let through */
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        nnp();
        deny(SECCOMP_RET_ERRNO | 61);
        raise(SIGSTOP);
        _exit(syscall(SYS_getpgid, 0) == -1 && errno == 61 ? 14 : 1);
    }
    waitpid(p, &st, 0);
    for (int changed = 0;;) {
        ptrace(PTRACE_SYSCALL, p, 0, 0);
        waitpid(p, &st, 0);
        if (!WIFSTOPPED(st))
            return WEXITSTATUS(st);
        uint64_t r[32];
        struct iovec v = {r, sizeof(r)};
        ptrace(PTRACE_GETREGSET, p, NT_PRSTATUS, &v);
        if (r[17] == SYS_getpgid && !changed) {
            r[17] = SYS_getppid;
            ptrace(PTRACE_SETREGSET, p, NT_PRSTATUS, &v);
            changed = 1;
        }
    }
}
static int tracer_decides(void) {
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        nnp();
        deny(SECCOMP_RET_TRACE | 17);
        raise(SIGSTOP);
        _exit(syscall(SYS_getppid) == 4321 ? 15 : 1);
    }
    waitpid(p, &st, 0);
    ptrace(PTRACE_SETOPTIONS, p, 0, 1 << 7);
    ptrace(PTRACE_CONT, p, 0, 0);
    waitpid(p, &st, 0);
    unsigned long m = 0;
    ptrace(PTRACE_GETEVENTMSG, p, 0, &m);
    if (st >> 16 != 7 || m != 17)
        return 2;
    struct {
        uint8_t op, pad[3];
        uint32_t arch;
        uint64_t ip, sp, nr, args[6];
        uint32_t data;
    } i;
    if (syscall(SYS_ptrace, 0x420e, p, sizeof(i), &i) != 84 || i.op != 3 || i.nr != SYS_getppid ||
        i.data != 17)
        return 3;
    uint64_t r[32];
    struct iovec v = {r, sizeof(r)};
    ptrace(PTRACE_GETREGSET, p, NT_PRSTATUS, &v);
    r[17] = -1, r[10] = 4321;
    ptrace(PTRACE_SETREGSET, p, NT_PRSTATUS, &v);
    ptrace(PTRACE_CONT, p, 0, 0);
    return child_ends(p);
}
static int no_tracer(void) {
    nnp();
    deny(SECCOMP_RET_TRACE | 17);
    return syscall(SYS_getppid) == -1 && errno == ENOSYS ? 16 : 1;
}
static volatile int go, results[2];
static void *late(void *a) {
    while (!go)
        sched_yield();
    results[(long)a] =
        syscall(SYS_getppid) == -1 && errno == 62 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 1 : 2;
    return 0;
}
static int tsync(void) {
    pthread_t t[2];
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], 0, late, (void *)i);
    nnp();
    long r = LOAD(SECCOMP_FILTER_FLAG_TSYNC, NR, IS(SYS_getppid, 0, 1), RET(SECCOMP_RET_ERRNO | 62),
                  RET(SECCOMP_RET_ALLOW));
    go = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], 0);
    return !r && results[0] == 1 && results[1] == 1 ? 17 : 1;
}
static volatile pid_t own_filter;
static void *has_its_own(void *a) {
    nnp();
    deny(SECCOMP_RET_ERRNO | 1);
    own_filter = gettid();
    while (!go)
        sched_yield();
    return a;
}
static int tsync_refused(void) {
    pthread_t t;
    pthread_create(&t, 0, has_its_own, 0);
    while (!own_filter)
        sched_yield();
    nnp();
    long r = LOAD(SECCOMP_FILTER_FLAG_TSYNC, RET(SECCOMP_RET_ALLOW));
    long e = LOAD(SECCOMP_FILTER_FLAG_TSYNC | (1 << 4), RET(SECCOMP_RET_ALLOW));
    int esrch = e == -1 && errno == ESRCH;
    go = 1;
    pthread_join(t, 0);
    return r == own_filter && esrch ? 18 : 1;
}
static int setuid_is_nothing(void) { /* a set-uid program under no_new_privs runs as who calls it */
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    nnp();
    execl("/tmp/seccomp_suid", "seccomp", "euid", NULL);
    return 1;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "euid"))
        return geteuid() == 1000 ? 19 : 2;
    if (argc > 1)
        return syscall(SYS_getppid) == -1 && errno == 61 ? 13 : 2;
    printf("KTAP version 1\n");
    OK(in_child(strict_lives) == 3, "strict: write and exit are left");
    OK(in_child(strict_dies) == 1000 + SIGKILL, "strict: any other call is SIGKILL");
    OK(in_child(errnos) == 5, "a filter gives an errno; the newest counts");
    OK(in_child(needs_rights) == 6, "EACCES without no_new_privs; with it anybody may");
    OK(in_child(kills_process) == 1000 + SIGSYS, "KILL_PROCESS");
    OK(in_child(kills_thread) == 7, "KILL_THREAD ends the thread alone");
    OK(in_child(kills_process_by_thread) == 1000 + SIGSYS, "KILL_PROCESS in a thread ends all");
    OK(in_child(traps) == 8, "TRAP: SIGSYS says which call");
    OK(in_child(lowest_wins) == 1000 + SIGSYS, "of several filters the strictest wins");
    OK(in_child(arguments) == 9, "a filter sees arguments");
    OK(in_child(computes) == 10, "and computes");
    OK(in_child(bad_programs) == 11, "programs that are none: EINVAL");
    OK(in_child(after_fork) == 12, "fork and vfork inherit");
    OK(in_child(after_exec) == 13, "exec keeps");
    OK(in_child(by_ptrace) == 14, "a tracer's change of the call is looked at too");
    OK(in_child(tracer_decides) == 15, "TRACE: the tracer decides");
    OK(in_child(no_tracer) == 16, "TRACE without one: ENOSYS");
    OK(in_child(tsync) == 17, "TSYNC: all threads");
    OK(in_child(tsync_refused) == 18, "TSYNC: a thread with a filter of its own is named");
    char b[65536];
    int from = open("/proc/self/exe", O_RDONLY),
        to = open("/tmp/seccomp_suid", O_CREAT | O_TRUNC | O_WRONLY, 0755);
    for (ssize_t n; (n = read(from, b, sizeof(b))) > 0;)
        write(to, b, n);
    close(to);
    chmod("/tmp/seccomp_suid", 04755);
    OK(in_child(setuid_is_nothing) == 19, "no_new_privs: a set-uid program gets nothing");
    unlink("/tmp/seccomp_suid");
    return ktap_done();
}
