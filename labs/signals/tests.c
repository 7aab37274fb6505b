/* Lab 8, the public checks. What is sent to process 1 itself is special, so each check works in a child. */
#include "lab.h"

static volatile long got, count, told[8];

static void note(int sig) {
    got = sig;
    count++;
}
static void handler_body(void) {
    register double d asm("fs3") = 1.5;
    register long k asm("s5") = 1234;
    lab_act(SIGUSR1, note, 0, 0);
    asm volatile("" : "+f"(d), "+r"(k));
    kill(getpid(), SIGUSR1);
    asm volatile("" : "+f"(d), "+r"(k));
    EXPECT_EQ(got, SIGUSR1, "the handler runs, and is told the signal");
    EXPECT(d * 2 == 3.0 && k == 1234, "afterwards all registers are as they were");
    lab_act(SIGUSR2, note, SA_RESETHAND, 0);
    kill(getpid(), SIGUSR2);
    EXPECT_EQ(count, 2, "another signal, another call");
    for (int i = 0; i < 50; i++)
        kill(getpid(), SIGUSR1);
    EXPECT_EQ(count, 52, "fifty signals, fifty calls");
}
CHECK(handler) { lab_in_child(handler_body); }

static void look_at_mask(int sig) {
    uint64_t m = 0;
    sigprocmask(SIG_BLOCK, NULL, &m);
    told[count++] = m;
    (void)sig;
}
static void mask_body(void) {
    uint64_t set = SIGBIT(SIGUSR1), pending = 0, m = 0;
    lab_act(SIGUSR1, look_at_mask, 0, SIGBIT(SIGTERM));
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    EXPECT_EQ(count, 0, "a blocked signal is not delivered");
    syscall(SYS_rt_sigpending, &pending, 8);
    EXPECT_EQ(pending, set, "it is pending");
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    EXPECT_EQ(count, 1, "and comes when it is unblocked");
    EXPECT_EQ(told[0], SIGBIT(SIGUSR1) | SIGBIT(SIGTERM),
              "while the handler runs, its signal and its mask are blocked");
    sigprocmask(SIG_BLOCK, NULL, &m);
    EXPECT_EQ(m, 0, "afterwards the mask is what it was");
    lab_act(SIGUSR1, look_at_mask, SA_NODEFER, 0);
    kill(getpid(), SIGUSR1);
    EXPECT_EQ(told[1], 0, "with SA_NODEFER the signal itself is not blocked");
}
CHECK(mask) { lab_in_child(mask_body); }

static void with_info(int sig, struct abi_siginfo *si, void *uc) {
    told[0] = si->si_signo, told[1] = si->si_code, told[2] = si->pid, told[3] = uc != NULL;
    told[4 + count++ % 4] = si->value;
    got = sig;
}
static void info_body(void) {
    struct abi_siginfo q = {.si_code = -1};
    lab_act(SIGUSR1, with_info, SA_SIGINFO, 0);
    lab_act(SIGRTMIN, with_info, SA_SIGINFO, 0);
    kill(getpid(), SIGUSR1);
    EXPECT(got == SIGUSR1 && told[0] == SIGUSR1 && told[1] == SI_USER && told[2] == getpid() && told[3],
           "a handler with SA_SIGINFO is told who sent the signal");
    uint64_t set = SIGBIT(SIGRTMIN) | SIGBIT(SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    count = 0;
    for (int i = 0; i < 3; i++) {
        q.value = 10 + i, q.pid = getpid();
        syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &q);
        kill(getpid(), SIGUSR1);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    EXPECT_EQ(count, 4, "a real-time signal that is sent three times comes three times; another one once");
    long first = told[5] == 10 ? 5 : 4; /* SIGUSR1, the lower number, comes first; then the three in order */
    EXPECT(told[first] == 10 && told[first + 1] == 11 && told[4 + (first - 4 + 2) % 4] == 12,
           "in the order in which they were sent");
}
CHECK(info) { lab_in_child(info_body); }

static void skip_it(int sig, struct abi_siginfo *si, struct abi_ucontext *uc) {
    got = sig, told[0] = si->addr, told[1] = si->si_code;
    uc->uc_mcontext.pc += 4;      /* behind the store */
    uc->uc_mcontext.regs[9] = 55; /* a0 */
}
static void fault_body(void) {
    register long a0 asm("a0") = 1;
    lab_act(SIGSEGV, skip_it, SA_SIGINFO, 0);
    asm volatile(".option push\n.option norvc\nsd zero, 16(zero)\n.option pop" : "+r"(a0)::"memory");
    long r = a0;
    EXPECT_EQ(got, SIGSEGV, "a fault can be handled");
    EXPECT(told[0] == 16 && told[1] == SEGV_MAPERR, "the handler is told the address");
    EXPECT_EQ(r, 55, "what it changes in the saved registers is there when it returns");
    lab_act(SIGSEGV, skip_it, SA_SIGINFO, 0);
    static const char constant[16] = "x";
    asm volatile(".option push\n.option norvc\nsd zero, 0(%0)\n.option pop" ::"r"(constant) : "a0", "memory");
    EXPECT(told[0] == (long)constant && told[1] == SEGV_ACCERR,
           "and the reason: a page that is there and may not be written to");
}
CHECK(fault) { lab_in_child(fault_body); }

static void restart_body(void) {
    int fd[2];
    char c = 0;
    pipe(fd);
    lab_act(SIGUSR1, note, SA_RESTART, 0);
    pid_t parent = getpid(), pid = lab_fork();
    if (!pid) {
        for (int i = 0; i < 30; i++)
            syscall(SYS_sched_yield); /* until the parent sleeps */
        kill(parent, SIGUSR1);
        for (int i = 0; i < 30; i++)
            syscall(SYS_sched_yield);
        write(fd[1], "x", 1);
        _exit(0);
    }
    EXPECT_EQ(read(fd[0], &c, 1), 1, "a read that a handler with SA_RESTART interrupted goes on");
    EXPECT_EQ(got, SIGUSR1, "after the handler has run");
    EXPECT_EQ(lab_status(pid), 0, "and the sender is done");
}
CHECK(restart) { lab_in_child(restart_body); }
