/* Lab 8, the hidden checks. */
#include "lab.h"

static volatile long got, count, told[8];

/* A handler in which the next signal comes, and so on; on the alternate stack. */
static char alt[65536];
static long deepest, on_alt;
static void deeper(int sig) {
    long here = (long)__builtin_frame_address(0);
    on_alt += here > (long)alt && here <= (long)alt + sizeof(alt);
    if (++count > deepest)
        deepest = count;
    if (sig < 40)
        kill(getpid(), sig + 1);
    count--;
}
static void nested_body(void) {
    struct abi_stack st = {.ss_sp = (uint64_t)alt, .ss_size = sizeof(alt)}, now = {0};
    for (int s = 34; s <= 40; s++)
        lab_act(s, deeper, SA_ONSTACK, 0);
    syscall(SYS_sigaltstack, &st, NULL);
    kill(getpid(), 34);
    EXPECT_EQ(deepest, 7, "a handler can be interrupted by other signals, seven deep");
    EXPECT_EQ(on_alt, 7, "all of them on the alternate stack");
    EXPECT_EQ(count, 0, "and each comes back");
    syscall(SYS_sigaltstack, NULL, &now);
    EXPECT(now.ss_sp == (uint64_t)alt && !now.ss_flags, "the alternate stack is free again");
}
CHECK(nested) { lab_in_child(nested_body); }

static void note(int sig) {
    got = sig;
    count++;
}
static void eintr_body(void) {
    int fd[2];
    char c;
    struct timespec ts = {0, 80000000}, rem = {0};
    pipe(fd);
    lab_act(SIGUSR1, note, 0, 0);
    pid_t parent = getpid(), pid = lab_fork();
    if (!pid) {
        for (int i = 0; i < 30; i++)
            syscall(SYS_sched_yield);
        kill(parent, SIGUSR1);
        usleep(20000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    long r = read(fd[0], &c, 1);
    int e = errno;
    long s = nanosleep(&ts, &rem);
    int e2 = errno;
    EXPECT(r == -1 && e == EINTR, "a read that a handler without SA_RESTART interrupted fails with EINTR");
    EXPECT(s == -1 && e2 == EINTR, "so does a sleep");
    EXPECT(rem.tv_nsec > 10000000 && rem.tv_nsec < 80000000, "which says what was left of its time");
    EXPECT_EQ(count, 2, "the handler ran each time");
    EXPECT_EQ(lab_status(pid), 0, "the sender is done");
}
CHECK(eintr) { lab_in_child(eintr_body); }

static volatile int tid_of, ready, stop;
static void who(int sig) {
    (void)sig;
    tid_of = gettid();
}
static void *blocker(void *arg) {
    uint64_t set = SIGBIT(SIGUSR1);
    sigprocmask((long)arg, &set, NULL);
    ready++;
    while (!stop)
        syscall(SYS_sched_yield);
    return (void *)(long)gettid();
}
static void threads_body(void) {
    thread_t open, closed;
    void *r1, *r2;
    uint64_t set = SIGBIT(SIGUSR1);
    lab_act(SIGUSR1, who, 0, 0);
    thread_create(&closed, blocker, (void *)SIG_BLOCK);
    thread_create(&open, blocker, (void *)SIG_UNBLOCK);
    sigprocmask(SIG_BLOCK, &set, NULL);
    while (ready < 2)
        syscall(SYS_sched_yield);
    kill(getpid(), SIGUSR1);
    for (int i = 0; i < 50 && !tid_of; i++)
        syscall(SYS_sched_yield);
    int first = tid_of;
    tid_of = 0;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
    int second = tid_of;
    stop = 1;
    thread_join(open, &r1);
    thread_join(closed, &r2);
    EXPECT_EQ(first, (long)r1, "a signal for the process goes to a thread that does not block it");
    EXPECT_EQ(second, gettid(), "one for a thread to that thread");
    EXPECT(r1 != r2, "the threads are two");
}
CHECK(threads) { lab_in_child(threads_body); }

/* What a program may do to its frame and stack: it hurts itself only. */
CHECK(hostile) {
    int bad = 0;
    pid_t good = lab_fork();
    if (!good) {
        lab_act(SIGUSR1, note, SA_ONSTACK, 0);
        kill(getpid(), SIGUSR1);
        _exit(count);
    }
    EXPECT_EQ(lab_status(good), 1 << 8, "a frame as it should be does what it should");
    for (int i = 0; i < 6; i++) {
        pid_t pid = lab_fork();
        if (!pid) {
            lab_act(SIGUSR1, note, SA_ONSTACK, 0);
            if (i == 0)
                asm volatile("li sp, 0x7fffff8\nli a7, 139\necall" ::
                                 : "memory"); /* rt_sigreturn from nowhere */
            if (i == 1)
                asm volatile("addi sp, sp, -1\nli a7, 139\necall" ::
                                 : "memory"); /* from a stack pointer that is not aligned */
            if (i == 2)
                asm volatile("li sp, -4096\nli a7, 139\necall" ::: "memory"); /* from the kernel's memory */
            if (i == 3)
                asm volatile("li sp, 64\nli a0, 0\nli a7, 172\necall\nli a1, 10\nli a7, 129\necall" ::
                                 : "memory", "a0", "a1", "a7"); /* kill: no room for a frame */
            if (i == 4) { /* a frame full of ones: every register, the mask, the stack */
                asm volatile("andi sp, sp, -64\naddi sp, sp, -2000\nmv t0, sp\nli t1, 1500\n1: li t2, -1\nsb "
                             "t2, 0(t0)\naddi t0, t0, 1\naddi t1, t1, -1\n"
                             "bnez t1, 1b\nli a7, 139\necall" ::
                                 : "memory");
            }
            if (i == 5) { /* the alternate stack is nowhere */
                struct abi_stack st = {.ss_sp = 0x5000000000, .ss_size = 65536};
                syscall(SYS_sigaltstack, &st, NULL);
                kill(getpid(), SIGUSR1);
            }
            _exit(0);
        }
        bad += (lab_status(pid) & 0x7f) != SIGSEGV;
    }
    EXPECT_EQ(bad, 0, "a frame that cannot be read or written ends the process with SIGSEGV");
    EXPECT_EQ(lab_status(lab_fork() ?: (_exit(3), 0)), 3 << 8, "and nobody else is hurt");
}

/* Faults before others, lower numbers before higher; nothing is left of what was queued. */
static void in_order(int sig) { told[count++ & 7] = sig; }
static void order_body(void) {
    uint64_t all = ~0UL, none = 0;
    for (int s = 1; s < 64; s++)
        if (s != SIGKILL && s != SIGSTOP)
            lab_act(s, in_order, 0, ~0UL);
    sigprocmask(SIG_SETMASK, &all, NULL);
    kill(getpid(), 50), kill(getpid(), SIGTERM), kill(getpid(), SIGSEGV), kill(getpid(), SIGHUP);
    sigprocmask(SIG_SETMASK, &none, NULL);
    EXPECT(told[0] == SIGSEGV && told[1] == SIGHUP && told[2] == SIGTERM && told[3] == 50,
           "what faults send comes first, then by number");
    HOST_FREE(1);
    for (int k = 0; k < 60; k++) {
        pid_t pid = lab_fork();
        if (!pid) {
            sigprocmask(SIG_SETMASK, &all, NULL);
            for (int i = 0; i < 20; i++)
                kill(getpid(), 50);
            _exit(0);
        }
        lab_status(pid);
    }
    HOST_FREE(2);
    HOST_LOST(1, 2, 24, "signals that were queued and never taken are given back");
}
CHECK(order) { lab_in_child(order_body); }
