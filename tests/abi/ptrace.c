/* D2, D5, D7, D8, C23: tracing. */
#include "ktap.h"
#include <elf.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#undef SA_RESTART
#define SA_RESTART 0x10000000
#include <sys/ptrace.h>

struct regs {
    uint64_t pc, x[31]; /* ra is x[0], a0 x[9], a7 x[16] */
};
struct info {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t ip, sp, nr, args[6];
};
static int st;
static volatile long word = 0x1122334455667788;
static volatile int flag;

static long pt(long request, pid_t pid, unsigned long addr, unsigned long data) {
    return syscall(SYS_ptrace, request, pid, addr, data);
}
static struct regs get(pid_t p) {
    struct regs r = {0};
    struct iovec v = {&r, sizeof(r)};
    pt(PTRACE_GETREGSET, p, NT_PRSTATUS, (long)&v);
    return r;
}
static long put(pid_t p, struct regs *r) {
    struct iovec v = {r, sizeof(*r)};
    return pt(PTRACE_SETREGSET, p, NT_PRSTATUS, (long)&v);
}
static int event(void) { return WIFSTOPPED(st) ? st >> 16 : -1; }
static int stop(void) { return WIFSTOPPED(st) ? WSTOPSIG(st) : -1; }
static int wait_for(pid_t p) { return waitpid(p, &st, __WALL) == p; }
static unsigned long message(pid_t p) {
    unsigned long m = 0;
    pt(PTRACE_GETEVENTMSG, p, 0, (long)&m);
    return m;
}
static int ends(pid_t p) { /* what it exits with, run to its end */
    for (;;) {
        if (!wait_for(p))
            return -1;
        if (WIFEXITED(st))
            return WEXITSTATUS(st);
        if (WIFSIGNALED(st))
            return 1000 + WTERMSIG(st);
        pt(PTRACE_CONT, p, 0, event() || stop() == SIGTRAP || stop() == SIGSTOP ? 0 : stop());
    }
}
/* A child that is traced and stopped; it then runs fn and exits with its result. */
static pid_t tracee(int (*fn)(void), unsigned long options) {
    pid_t p = fork();
    if (!p) {
        pt(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        _exit(fn());
    }
    wait_for(p);
    if (options)
        pt(PTRACE_SETOPTIONS, p, 0, options);
    return p;
}
static int seven(void) { return 7; }
static int on_usr1;
static void handler(int s) { (void)s, on_usr1++; }
static int signals_itself(void) {
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    return 10 + on_usr1;
}
static int calls_getppid(void) { return syscall(SYS_getppid) == 77 ? 1 : 0; }
static int forks(void) {
    pid_t c = fork();
    if (!c)
        _exit(3);
    waitpid(c, &st, 0);
    return WEXITSTATUS(st);
}
static int vforks(void) {
    pid_t c = vfork();
    if (!c)
        _exit(4);
    waitpid(c, &st, 0);
    return WEXITSTATUS(st);
}
static void *thread(void *a) {
    flag = 1;
    return a;
}
static int threads(void) {
    pthread_t t;
    pthread_create(&t, 0, thread, 0);
    pthread_join(t, 0);
    return 20 + flag;
}
static int execs(void) {
    execl("/proc/self/exe", "ptrace", "exits", NULL);
    return 99;
}
static int untraced_fork(void) {
    pid_t c = raw_clone(CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
    if (!c)
        _exit(5);
    waitpid(c, &st, 0);
    return WEXITSTATUS(st);
}
static int ptrace_fork(void) {
    pid_t c = raw_clone(CLONE_PTRACE | SIGCHLD, 0, 0, 0, 0);
    if (!c)
        _exit(6);
    waitpid(c, &st, 0);
    return WEXITSTATUS(st);
}
__attribute__((noinline)) static void breaks(void) { asm volatile("c.ebreak"); }
static int breakpoint(void) {
    breaks();
    return 30;
}
static int pauses(void) {
    while (pause())
        ;
    return 0;
}
__attribute__((noinline, aligned(8))) static int planted(int a) {
    asm volatile("nop; nop; nop; nop");
    return a + 1;
}
static int calls_planted(void) { return planted(40); }
static double half = 0.5;
static int floats(void) {
    register double d asm("fs0") = half * 3;
    asm volatile("c.ebreak" : "+f"(d));
    return d == 42.0 ? 50 : d == 1.5 ? 51 : 52;
}
static int sleeps(void) {
    struct timespec t = {0, 200000000}, left;
    return nanosleep(&t, &left) ? 61 : 60;
}
static int waits_child_stop(pid_t p) { return waitpid(p, &st, WUNTRACED) == p; }

static void registers_and_memory(void) {
    pid_t p = tracee(breakpoint, 0);
    OK(stop() == SIGSTOP, "TRACEME: a signal stops the tracee and its tracer is told");
    pt(PTRACE_CONT, p, 0, 0);
    wait_for(p);
    OK(stop() == SIGTRAP, "a breakpoint stops it with SIGTRAP");
    siginfo_t si;
    OK(!pt(PTRACE_GETSIGINFO, p, 0, (long)&si) && si.si_signo == SIGTRAP && si.si_code == TRAP_BRKPT,
       "GETSIGINFO says why");
    struct regs r = get(p);
    OK(r.pc >= (uintptr_t)breaks && r.pc < (uintptr_t)breaks + 32, "GETREGSET: the pc is at the breakpoint");
    OK((uint16_t)pt(PTRACE_PEEKTEXT, p, r.pc, (long)&(long){0}) == 0, "PEEKTEXT");
    long w = 0;
    OK(!pt(PTRACE_PEEKDATA, p, (long)&word, (long)&w) && w == word, "PEEKDATA reads a word");
    OK(!pt(PTRACE_POKEDATA, p, (long)&word, 5) && word != 5, "POKEDATA writes the child's copy only");
    pt(PTRACE_PEEKDATA, p, (long)&word, (long)&w);
    OK(w == 5, "and it is there");
    FAILS(pt(PTRACE_PEEKDATA, p, 8, (long)&w), EIO, "PEEKDATA of nothing: EIO");
    FAILS(pt(PTRACE_PEEKDATA, p, -8, (long)&w), EIO, "PEEKDATA of the kernel: EIO");
    FAILS(pt(PTRACE_PEEKUSER, p, 0, (long)&w), EIO, "PEEKUSR is not of this machine: EIO");
    FAILS(pt(0x7777, p, 0, 0), EIO, "an unknown request: EIO");
    FAILS(pt(PTRACE_CONT, p, 0, 65), EIO, "CONT with no signal of that number: EIO");
    FAILS(pt(PTRACE_SETOPTIONS, p, 0, 1UL << 30), EINVAL, "an unknown option: EINVAL");
    struct iovec v = {&r, sizeof(r)};
    FAILS(pt(PTRACE_GETREGSET, p, 0x999, (long)&v), EINVAL, "an unknown register set: EINVAL");
    v.iov_len = 20;
    FAILS(pt(PTRACE_GETREGSET, p, NT_PRSTATUS, (long)&v), EINVAL,
          "a length that is no multiple of 8: EINVAL");
    v.iov_len = 4096;
    OK(!pt(PTRACE_GETREGSET, p, NT_PRSTATUS, (long)&v) && v.iov_len == sizeof(r),
       "the length that there is comes back");
    FAILS(pt(PTRACE_GETREGSET, p, NT_PRSTATUS, 8), EFAULT, "a bad pointer: EFAULT");
    r.pc += 2;
    OK(!put(p, &r), "SETREGSET: past it");
    pt(PTRACE_CONT, p, 0, 0);
    OK(ends(p) == 30, "and the program goes on");

    p = tracee(calls_planted, 0);
    uintptr_t at = (uintptr_t)planted;
    long text, code = 0;
    pt(PTRACE_PEEKTEXT, p, at, (long)&text);
    OK(!pt(PTRACE_POKETEXT, p, at, (text & ~0xffffL) | 0x9002), "POKETEXT writes where the program may not");
    pt(PTRACE_CONT, p, 0, 0);
    wait_for(p);
    r = get(p);
    OK(stop() == SIGTRAP && r.pc == at && r.x[9] == 40, "a planted breakpoint is hit, its argument in a0");
    OK(planted(1) == 2, "our own text is untouched");
    pt(PTRACE_POKETEXT, p, at, text);
    pt(PTRACE_PEEKTEXT, p, at, (long)&code);
    OK(code == text, "taken out again");
    r.x[9] = 80;
    put(p, &r);
    pt(PTRACE_CONT, p, 0, 0);
    OK(ends(p) == 81, "SETREGSET: another argument");

    p = tracee(floats, 0);
    pt(PTRACE_CONT, p, 0, 0);
    wait_for(p);
    double f[33];
    v = (struct iovec){f, sizeof(f)};
    OK(!pt(PTRACE_GETREGSET, p, NT_PRFPREG, (long)&v) && v.iov_len == 264 && f[8] == 1.5,
       "GETREGSET: floating-point registers");
    f[8] = 42;
    OK(!pt(PTRACE_SETREGSET, p, NT_PRFPREG, (long)&v), "SETREGSET: floating-point registers");
    r = get(p);
    r.pc += 2;
    put(p, &r);
    pt(PTRACE_CONT, p, 0, 0);
    OK(ends(p) == 50, "and the program computes with them");
}

static void signals(void) {
    pid_t p = tracee(signals_itself, 0);
    pt(PTRACE_CONT, p, 0, 0);
    wait_for(p);
    OK(stop() == SIGUSR1, "a signal is the tracer's first");
    pt(PTRACE_CONT, p, 0, 0);
    OK(ends(p) == 10, "CONT with 0: it is gone");
    p = tracee(signals_itself, 0);
    pt(PTRACE_CONT, p, 0, 0);
    wait_for(p);
    pt(PTRACE_CONT, p, 0, SIGUSR1);
    OK(ends(p) == 11, "CONT with the signal: its handler runs");
    p = tracee(signals_itself, 0);
    pt(PTRACE_CONT, p, 0, SIGTERM);
    OK(ends(p) == 1000 + SIGTERM, "CONT with another: that one comes");
    p = tracee(pauses, 0);
    pt(PTRACE_CONT, p, 0, 0);
    kill(p, SIGCHLD);
    wait_for(p);
    OK(stop() == SIGCHLD, "a signal that would be ignored stops it too");
    siginfo_t si;
    OK(!pt(PTRACE_GETSIGINFO, p, 0, (long)&si) && si.si_pid == getpid() && si.si_code == SI_USER,
       "with its sender");
    uint64_t mask = 0;
    OK(!pt(PTRACE_GETSIGMASK, p, 8, (long)&mask) && !mask, "GETSIGMASK");
    mask = 1UL << (SIGUSR2 - 1) | 1UL << (SIGKILL - 1);
    OK(!pt(PTRACE_SETSIGMASK, p, 8, (long)&mask), "SETSIGMASK");
    pt(PTRACE_GETSIGMASK, p, 8, (long)&mask);
    OK(mask == 1UL << (SIGUSR2 - 1), "SIGKILL cannot be in it");
    FAILS(pt(PTRACE_GETSIGMASK, p, 4, (long)&mask), EINVAL, "a mask of another size: EINVAL");
    kill(p, SIGUSR2);
    struct __ptrace_peeksiginfo_args a = {0, 1, 4};
    siginfo_t q[4];
    OK(pt(PTRACE_PEEKSIGINFO, p, (long)&a, (long)q) == 1 && q[0].si_signo == SIGUSR2,
       "PEEKSIGINFO: what waits");
    pt(PTRACE_CONT, p, 0, SIGTERM);
    OK(ends(p) == 1000 + SIGTERM, "the signal that CONT gives ends it");
    p = tracee(pauses, 0);
    kill(p, SIGKILL);
    OK(ends(p) == 1000 + SIGKILL, "SIGKILL ends a stopped tracee");
    p = tracee(pauses, 0);
    OK(!pt(PTRACE_KILL, p, 0, 0), "KILL");
    OK(ends(p) == 1000 + SIGKILL, "is SIGKILL");
    p = tracee(pauses, 0);
    pt(PTRACE_CONT, p, 0, 0);
    usleep(20000);
    FAILS(pt(PTRACE_PEEKDATA, p, (long)&word, (long)&st), ESRCH, "a tracee that runs answers nothing: ESRCH");
    FAILS(pt(PTRACE_SETOPTIONS, p, 0, 0), ESRCH, "nor takes options");
    kill(p, SIGKILL);
    ends(p);
    FAILS(pt(PTRACE_CONT, p, 0, 0), ESRCH, "nobody of that number: ESRCH");
    FAILS(pt(PTRACE_CONT, getpid(), 0, 0), ESRCH, "not traced by us: ESRCH");
    p = tracee(sleeps, 0);
    pt(PTRACE_CONT, p, 0, 0);
    usleep(50000);
    kill(p, SIGUSR1);
    wait_for(p);
    pt(PTRACE_CONT, p, 0, 0);
    OK(ends(p) == 60, "a call that a suppressed signal broke is made again");
}

static void system_calls(void) {
    pid_t p = tracee(calls_getppid, PTRACE_O_TRACESYSGOOD);
    struct info i;
    int entries = 0, seen = 0;
    long r;
    for (;;) {
        pt(PTRACE_SYSCALL, p, 0, 0);
        wait_for(p);
        if (!WIFSTOPPED(st))
            break;
        if (stop() != (SIGTRAP | 0x80))
            continue;
        r = pt(PTRACE_GET_SYSCALL_INFO, p, sizeof(i), (long)&i);
        if (i.op == 1) {
            entries++;
            if (i.nr == SYS_getppid)
                seen |= r == 80 && message(p) == 1 ? 1 : 0;
            if (i.nr == SYS_exit_group)
                seen |= i.args[0] == 1 ? 8 : 0;
        } else if (seen & 1 && !(seen & 2)) {
            seen |= i.op == 2 && (long)i.nr == getpid() && message(p) == 2 && r == 33 ? 2 : 0;
            struct regs g = get(p);
            g.x[9] = 77;
            put(p, &g);
        }
    }
    OK(seen & 1, "SYSCALL: a stop before the call, GET_SYSCALL_INFO has its number");
    OK(seen & 2, "and one after it, with its result");
    OK(seen & 8 && WEXITSTATUS(st) == 1, "the result can be changed");
    OK(entries >= 2, "each call is seen");
    p = tracee(calls_getppid, PTRACE_O_TRACESYSGOOD);
    for (seen = 0;;) {
        pt(PTRACE_SYSCALL, p, 0, 0);
        wait_for(p);
        if (!WIFSTOPPED(st))
            break;
        struct regs g = get(p);
        pt(PTRACE_GET_SYSCALL_INFO, p, sizeof(i), (long)&i);
        if (stop() == (SIGTRAP | 0x80) && i.op == 1 && i.nr == SYS_getppid) {
            g.x[16] = -1;
            put(p, &g);
            seen = 1;
        } else if (seen == 1) {
            seen = (long)g.x[9] == -ENOSYS ? 2 : 3;
        }
    }
    OK(seen == 2, "a call whose number is made -1 is not made: ENOSYS");
    p = tracee(forks, PTRACE_O_TRACESYSGOOD);
    pt(PTRACE_SYSCALL, p, 0, 0);
    wait_for(p);
    OK(stop() == (SIGTRAP | 0x80), "TRACESYSGOOD marks the stop");
    pt(PTRACE_SETOPTIONS, p, 0, 0);
    pt(PTRACE_SYSCALL, p, 0, 0);
    wait_for(p);
    OK(stop() == SIGTRAP, "without it there is SIGTRAP alone");
    pt(PTRACE_CONT, p, 0, 0);
    OK(ends(p) == 3, "C23: a child that is not traced is not stopped at its calls");
}

static void events(void) {
    pid_t c, p = tracee(forks, PTRACE_O_TRACEFORK);
    pt(PTRACE_CONT, p, 0, 0);
    wait_for(p);
    OK(event() == PTRACE_EVENT_FORK && stop() == SIGTRAP, "D7: TRACEFORK stops the parent");
    c = message(p);
    OK(c > 0 && kill(c, 0) == 0, "D7: GETEVENTMSG is the child");
    OK(wait_for(c) && stop() == SIGSTOP && !event(),
       "D5: the child is traced, and SIGSTOP is its first signal");
    pt(PTRACE_CONT, c, 0, 0);
    pt(PTRACE_CONT, p, 0, 0);
    OK(ends(c) == 3, "the tracer sees the grandchild end");
    OK(ends(p) == 3, "and its parent sees it too, afterwards");

    p = tracee(vforks, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT);
    pt(PTRACE_CONT, p, 0, 0);
    wait_for(p);
    OK(event() == PTRACE_EVENT_VFORK, "D7: TRACEVFORK");
    c = message(p);
    wait_for(c);
    pt(PTRACE_CONT, p, 0, 0);
    pt(PTRACE_CONT, c, 0, 0);
    OK(wait_for(c) && event() == PTRACE_EVENT_EXIT && message(c) == 4 << 8,
       "TRACEEXIT, inherited: the child at its end, with its code");
    pt(PTRACE_CONT, c, 0, 0);
    OK(wait_for(c) && WIFEXITED(st), "it ends");
    OK(wait_for(p) && event() == PTRACE_EVENT_VFORK_DONE && (pid_t)message(p) == c,
       "D8: VFORK_DONE when the parent goes on");
    pt(PTRACE_CONT, p, 0, 0);
    OK(ends(p) == 4, "and the parent ends");

    p = tracee(threads, PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK);
    pt(PTRACE_CONT, p, 0, 0);
    wait_for(p);
    OK(event() == PTRACE_EVENT_CLONE, "D7: TRACECLONE stops at a thread");
    c = message(p);
    OK(wait_for(c) && stop() == SIGSTOP, "D5: the thread is traced");
    pt(PTRACE_CONT, p, 0, 0);
    pt(PTRACE_CONT, c, 0, 0);
    OK(wait_for(c) && WIFEXITED(st), "its end is seen by its number");
    OK(ends(p) == 21, "and the process ends");

    p = tracee(execs, PTRACE_O_TRACEEXEC);
    pt(PTRACE_CONT, p, 0, 0);
    wait_for(p);
    OK(event() == PTRACE_EVENT_EXEC && (pid_t)message(p) == p, "TRACEEXEC");
    pt(PTRACE_CONT, p, 0, 0);
    OK(ends(p) == 8, "the new program runs");
    p = tracee(execs, 0);
    pt(PTRACE_CONT, p, 0, 0);
    wait_for(p);
    OK(stop() == SIGTRAP && !event(), "without it exec sends SIGTRAP");
    pt(PTRACE_CONT, p, 0, 0);
    OK(ends(p) == 8, "which the tracer keeps");

    p = tracee(untraced_fork, PTRACE_O_TRACEFORK);
    pt(PTRACE_CONT, p, 0, 0);
    OK(wait_for(p) && !event() && stop() == SIGCHLD,
       "D2: CLONE_UNTRACED: no event, the parent's next stop is its SIGCHLD");
    pt(PTRACE_CONT, p, 0, 0);
    OK(ends(p) == 5, "D2: nobody traced the child");
    p = tracee(ptrace_fork, 0);
    pt(PTRACE_CONT, p, 0, 0);
    c = waitpid(-1, &st, __WALL);
    OK(c > 0 && c != p && stop() == SIGSTOP, "D2: CLONE_PTRACE: the child is traced without an event");
    pt(PTRACE_CONT, c, 0, 0);
    OK(ends(c) == 6 && ends(p) == 6, "both end");
}

static void attaching(void) {
    siginfo_t si;
    pid_t p = fork();
    if (!p)
        _exit(pauses());
    OK(!pt(PTRACE_ATTACH, p, 0, 0), "ATTACH");
    OK(wait_for(p) && stop() == SIGSTOP, "stops it by SIGSTOP");
    FAILS(pt(PTRACE_ATTACH, p, 0, 0), EPERM, "a second tracer: EPERM");
    char line[256];
    snprintf(line, sizeof(line), "/proc/%d/status", p);
    FILE *f = fopen(line, "r");
    int number = -1, state = 0;
    while (fgets(line, sizeof(line), f)) {
        sscanf(line, "TracerPid: %d", &number);
        state |= strstr(line, "t (tracing stop)") != NULL;
    }
    fclose(f);
    OK(number == getpid() && state, "/proc/PID/status: TracerPid, and its state");
    struct iovec l = {(void *)&st, 4}, r = {(void *)&flag, 4};
    OK(process_vm_readv(p, &l, 1, &r, 1, 0) == 4, "process_vm_readv");
    int nine = 9;
    l.iov_base = &nine;
    OK(process_vm_writev(p, &l, 1, &r, 1, 0) == 4 && flag != 9, "process_vm_writev");
    nine = 0;
    process_vm_readv(p, &l, 1, &r, 1, 0);
    OK(nine == 9, "what was written is read");
    r.iov_base = (void *)8;
    FAILS(process_vm_readv(p, &l, 1, &r, 1, 0), EFAULT, "an address that is not there: EFAULT");
    FAILS(process_vm_readv(p, &l, 1, &r, 1, 1), EINVAL, "a flag: EINVAL");
    FAILS(process_vm_readv(0x3fffff, &l, 1, &r, 1, 0), ESRCH, "nobody: ESRCH");
    struct iovec ls[2] = {{line, 3}, {line + 10, 5}},
                 rs[2] = {{(void *)&word, 6}, {(void *)((char *)&word + 6), 2}};
    memset(line, 0, 20);
    OK(process_vm_readv(p, ls, 2, rs, 2, 0) == 8 && line[0] == (char)0x88 && line[10] == 0x55 &&
           line[14] == 0x11,
       "pieces of other lengths");
    OK(!pt(PTRACE_DETACH, p, 0, 0), "DETACH");
    FAILS(pt(PTRACE_CONT, p, 0, 0), ESRCH, "then it is not ours");
    kill(p, SIGTERM);
    OK(waitpid(p, &st, 0) == p && WTERMSIG(st) == SIGTERM, "and it goes on as before");

    p = fork();
    if (!p)
        _exit(pauses());
    kill(p, SIGSTOP);
    waits_child_stop(p);
    OK(!pt(PTRACE_ATTACH, p, 0, 0) && wait_for(p) && stop() == SIGSTOP, "ATTACH to a stopped process");
    OK(!pt(PTRACE_PEEKDATA, p, (long)&word, (long)&(long){0}), "it answers at once");
    OK(!pt(PTRACE_DETACH, p, 0, 0), "DETACH");
    usleep(20000);
    snprintf(line, sizeof(line), "/proc/%d/stat", p);
    f = fopen(line, "r");
    fgets(line, sizeof(line), f);
    fclose(f);
    OK(strchr(line, ')')[2] == 'T', "it is stopped as it was");
    kill(p, SIGCONT);
    kill(p, SIGKILL);
    waitpid(p, &st, 0);

    p = fork();
    if (!p)
        _exit(pauses());
    usleep(10000);
    FAILS(pt(PTRACE_SEIZE, p, 1, 0), EIO, "SEIZE with an address: EIO");
    OK(!pt(PTRACE_SEIZE, p, 0, PTRACE_O_TRACESYSGOOD), "SEIZE");
    usleep(10000);
    OK(waitpid(p, &st, __WALL | WNOHANG) == 0, "does not stop it");
    OK(!pt(PTRACE_INTERRUPT, p, 0, 0), "INTERRUPT");
    OK(wait_for(p) && stop() == SIGTRAP && event() == PTRACE_EVENT_STOP, "does: EVENT_STOP with SIGTRAP");
    pt(PTRACE_CONT, p, 0, 0);
    kill(p, SIGSTOP);
    OK(wait_for(p) && stop() == SIGSTOP && !event(), "SIGSTOP as a signal");
    pt(PTRACE_CONT, p, 0, SIGSTOP);
    OK(wait_for(p) && stop() == SIGSTOP && event() == PTRACE_EVENT_STOP, "then the stop of the group");
    OK(!pt(PTRACE_LISTEN, p, 0, 0), "LISTEN: it stays stopped");
    FAILS(pt(PTRACE_PEEKDATA, p, (long)&word, (long)&(long){0}), ESRCH, "and answers nothing");
    OK(waitpid(p, &st, __WALL | WNOHANG) == 0, "nor is there news");
    kill(p, SIGCONT);
    int seen = 0; /* the group goes on, and the signal comes; which first is open */
    for (int i = 0; i < 2 && wait_for(p); i++) {
        seen |= stop() == SIGCONT && !event() ? 1 : stop() == SIGTRAP && event() == PTRACE_EVENT_STOP ? 2 : 4;
        pt(PTRACE_CONT, p, 0, 0);
    }
    OK(seen == 3, "SIGCONT: EVENT_STOP says that it goes on, and the signal comes");
    kill(p, SIGKILL);
    OK(waitpid(p, &st, 0) == p && WTERMSIG(st) == SIGKILL, "SIGKILL ends it");

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    p = fork();
    if (!p) {
        pid_t c = fork();
        if (!c)
            _exit(pauses());
        pt(PTRACE_SEIZE, c, 0, PTRACE_O_EXITKILL);
        _exit(c & 0x7f);
    }
    waitpid(p, &st, 0);
    p = waitpid(-1, &st, 0);
    OK(p > 0 && WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL, "EXITKILL: the tracee ends with its tracer");

    p = fork();
    if (!p) {
        setresgid(1000, 1000, 1000);
        setresuid(1000, 1000, 1000);
        errno = 0;
        _exit(pt(PTRACE_ATTACH, getppid(), 0, 0) == -1 && errno == EPERM ? 1 : 0);
    }
    waitpid(p, &st, 0);
    OK(WEXITSTATUS(st) == 1, "another user's process: EPERM");
    p = fork();
    if (!p) {
        setresgid(1000, 1000, 1000);
        setresuid(1000, 1000, 1000);
        prctl(PR_SET_DUMPABLE, 1);
        pid_t c = fork();
        if (!c) {
            prctl(PR_SET_DUMPABLE, 0);
            _exit(pauses());
        }
        usleep(30000);
        errno = 0;
        int ok = pt(PTRACE_ATTACH, c, 0, 0) == -1 && errno == EPERM;
        kill(c, SIGKILL);
        _exit(ok);
    }
    waitpid(p, &st, 0);
    OK(WEXITSTATUS(st) == 1, "one that is not dumpable: EPERM");
    FAILS(pt(PTRACE_ATTACH, getpid(), 0, 0), EPERM, "oneself: EPERM");
    FAILS(pt(PTRACE_ATTACH, 0x3fffff, 0, 0), ESRCH, "nobody: ESRCH");
    p = fork();
    if (!p)
        _exit(pt(PTRACE_TRACEME, 0, 0, 0) ||
              !(errno = 0, pt(PTRACE_TRACEME, 0, 0, 0) == -1 && errno == EPERM));
    OK(ends(p) == 0, "TRACEME twice: EPERM");

    int pipes[2];
    pipe(pipes);
    p = tracee(seven, 0);
    pid_t w = fork(); /* a sibling may not ask, and a dead tracee's parent waits for the tracer */
    if (!w)
        _exit(pt(PTRACE_CONT, p, 0, 0) == -1 && errno == ESRCH ? 9 : 0);
    OK(ends(w) == 9, "only the tracer may ask: ESRCH");
    pt(PTRACE_CONT, p, 0, 0);
    OK(!waitid(P_PID, p, &si, WEXITED) && si.si_code == CLD_EXITED && si.si_status == 7,
       "waitid: the end of a tracee");

    snprintf(line, sizeof(line), "/proc/%d/mem", p = tracee(seven, 0));
    int fd = open(line, O_RDWR);
    long mine = 0;
    OK(fd >= 0 && pread(fd, &mine, 8, (off_t)&word) == 8 && mine == word, "/proc/PID/mem is read");
    mine = 3;
    OK(pwrite(fd, &mine, 8, (off_t)&word) == 8 && !pt(PTRACE_PEEKDATA, p, (long)&word, (long)&mine) &&
           mine == 3,
       "and written");
    FAILS(pread(fd, &mine, 8, 8), EIO, "nothing there: EIO");
    pt(PTRACE_CONT, p, 0, 0);
    ends(p);
    OK(pread(fd, &mine, 8, (off_t)&word) == 0, "when the process has ended, its end");
    close(fd);
}

static void *thread_pauses(void *a) {
    flag = gettid();
    for (;;)
        pause();
    return a;
}
static void thread_group(void) {
    int pipes[2];
    pipe(pipes);
    pid_t t, p = fork();
    if (!p) {
        pthread_t th;
        pthread_create(&th, 0, thread_pauses, 0);
        while (!flag)
            usleep(1000);
        write(pipes[1], (int *)&flag, 4);
        pauses();
    }
    read(pipes[0], &t, 4);
    OK(!pt(PTRACE_SEIZE, t, 0, 0), "one thread of a process can be traced alone");
    kill(p, SIGSTOP);
    OK(wait_for(t) && event() == PTRACE_EVENT_STOP && stop() == SIGSTOP,
       "its part of a group's stop is told");
    OK(waits_child_stop(p) && stop() == SIGSTOP, "and the parent is told of the whole");
    pt(PTRACE_LISTEN, t, 0, 0);
    kill(p, SIGCONT);
    OK(wait_for(t) && event() == PTRACE_EVENT_STOP && stop() == SIGTRAP, "SIGCONT too");
    pt(PTRACE_CONT, t, 0, 0);
    kill(p, SIGTERM);
    int dead = 0;
    for (pid_t w; dead != 3 && (w = waitpid(-1, &st, __WALL)) > 0;)
        dead |= w == t && WIFSIGNALED(st) ? 1 : w == p && WIFSIGNALED(st) ? 2 : 0;
    OK(dead == 3, "a signal that ends the process is seen by the tracer of the thread, and by the parent");
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1)
        return 8;
    printf("KTAP version 1\n");
    fflush(stdout);
    registers_and_memory();
    signals();
    system_calls();
    events();
    attaching();
    thread_group();
    return ktap_done();
}
