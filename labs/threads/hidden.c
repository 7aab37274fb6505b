/* Lab 7, the hidden checks. */
#include "lab.h"

static long futex(volatile uint32_t *p, int op, uint32_t v, struct timespec *t) {
    return syscall(SYS_futex, p, op, v, t, 0, 0);
}

/* Two threads on two harts hand a turn to each other: a wake between the look and the sleep must not be lost.
 */
static volatile uint32_t turn;
static void *other(void *arg) {
    for (long i = 0; i < (long)arg; i++) {
        while (turn != 1)
            futex(&turn, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL);
        for (volatile uint32_t k = lab_random(60); k; k--)
            ;
        __atomic_store_n(&turn, 0, __ATOMIC_SEQ_CST);
        futex(&turn, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL);
    }
    return NULL;
}
CHECK(wake_race) {
    thread_t t;
    EXPECT_EQ(thread_create(&t, other, (void *)6000), 0, "a thread is made");
    for (int i = 0; i < 6000; i++) {
        __atomic_store_n(&turn, 1, __ATOMIC_SEQ_CST);
        futex(&turn, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL);
        while (turn != 0)
            futex(&turn, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, NULL);
    }
    thread_join(t, NULL);
    EXPECT_EQ(turn, 0, "six thousand turns, and no wake is lost");
}

static int never[2];
static void *reader(void *arg) {
    char c;
    read(never[0], &c, 1);
    return arg;
}
static void *spinner(void *arg) {
    for (;;)
        ;
    return arg;
}
static void *ender(void *arg) {
    syscall(SYS_exit_group, (long)arg);
    return NULL;
}
CHECK(exit_group) {
    thread_t t;
    pipe(never);
    for (int round = 0; round < 6; round++) {
        if (round == 2)
            HOST_FREE(1);
        pid_t pid = lab_fork();
        if (!pid) {
            thread_create(&t, reader, NULL);
            thread_create(&t, spinner, NULL);
            thread_create(&t, reader, NULL);
            if (round & 1) {
                thread_create(&t, ender, (void *)(long)(40 + round));
                reader(NULL);
            }
            _exit(40 + round);
        }
        EXPECT_EQ(lab_status(pid), (40 + round) << 8,
                  "exit_group in any thread ends all of them, wherever they are");
    }
    HOST_FREE(2);
    HOST_LOST(1, 2, 12, "and nothing is left");
}

static void *nothing(void *arg) { return arg; }
CHECK(flags) {
    static char stack[4096];
    static const uint64_t bad[] = {CLONE_THREAD, CLONE_THREAD | CLONE_SIGHAND, CLONE_SIGHAND,
                                   CLONE_THREAD | CLONE_VM, CLONE_VM | CLONE_PARENT};
    thread_t t;
    int wrong = 0;
    for (int i = 0; i < 5; i++) {
        long r = syscall_raw(SYS_clone, (long)bad[i], (long)(stack + 4096), 0, 0, 0, 0);
        if (!r)
            syscall_raw(SYS_exit, 0, 0, 0, 0, 0, 0);
        wrong += r != -EINVAL;
    }
    EXPECT_EQ(wrong, 0, "flags that make no sense together are refused with EINVAL");
    EXPECT_EQ(thread_create(&t, nothing, NULL), 0, "what a thread library asks for is not");
    thread_join(t, NULL);
}

HELPER(after_exec) { _exit(getpid() == atoi(lab_arg) ? 21 : 22); }
static void *execer(void *arg) {
    char number[12];
    snprintf(number, sizeof(number), "%d", (int)getpid());
    execve("/bin/t", lab_args("after_exec", number), NULL);
    return arg;
}
CHECK(exec_in_thread) {
    thread_t t;
    pipe(never);
    for (int round = 0; round < 2; round++) {
        pid_t pid = lab_fork();
        if (!pid) {
            thread_create(&t, reader, NULL);
            thread_create(&t, spinner, NULL);
            if (round)
                execer(NULL);
            thread_create(&t, execer, NULL);
            reader(NULL);
            _exit(1);
        }
        EXPECT_EQ(lab_status(pid), 21 << 8,
                  "exec in any thread ends the others, and the process keeps its pid");
    }
}
