/* E1 to E4, D3, D9, C13, C22, C28: how a process begins. */
#include "ktap.h"
#include <linux/sched.h>

int main(void) {
    printf("KTAP version 1\n");
    int st;
    pid_t me = getpid(), p = fork();
    if (!p)
        _exit(getppid() == me ? 7 : 8);
    OK(p > 0 && waitpid(p, &st, 0) == p && WIFEXITED(st) && WEXITSTATUS(st) == 7,
       "E3 D9: the child gets 0, the parent its pid");

    volatile int seen = 0;
    p = vfork();
    if (!p) {
        seen = 1;
        _exit(0);
    }
    OK(seen == 1, "E2 D8: the vfork child ran in our memory before we went on");
    waitpid(p, &st, 0);

    static int ptid, ctid;
    ptid = ctid = -1;
    p = raw_clone(SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, NULL, &ptid, NULL, &ctid);
    if (!p)
        _exit(ctid == getpid() ? 0 : 1);
    OK(ptid == p, "C9: CLONE_PARENT_SETTID stores the child's pid");
    OK(waitpid(p, &st, 0) == p && st == 0, "C22: CLONE_CHILD_SETTID is stored before the child runs");
    OK(ctid == -1, "C22: and not in the parent's memory");

    struct clone_args a = {.exit_signal = SIGCHLD};
    p = syscall(SYS_clone3, &a, sizeof(a));
    if (!p)
        _exit(3);
    OK(p > 0 && waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 3, "E4: clone3 forks");
    struct {
        struct clone_args a;
        uint64_t more;
    } big = {.a = {.exit_signal = SIGCHLD}, .more = 1};
    FAILS(syscall(SYS_clone3, &big, sizeof(big)), E2BIG, "E4: an unknown field that is not zero is E2BIG");
    FAILS(syscall(SYS_clone3, &a, 8), EINVAL, "E4: a structure too short is EINVAL");
    a.flags = SIGCHLD;
    FAILS(syscall(SYS_clone3, &a, sizeof(a)), EINVAL, "E4: the exit signal does not belong into the flags");

    int pidfd = -1;
    a = (struct clone_args){.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    p = syscall(SYS_clone3, &a, sizeof(a));
    if (!p)
        _exit(9);
    siginfo_t si = {0};
    OK(pidfd >= 0 && waitid(3 /* P_PIDFD */, pidfd, &si, WEXITED) == 0 && si.si_pid == p && si.si_status == 9,
       "E4 X3: CLONE_PIDFD, waited for by P_PIDFD");

    FAILS(raw_clone(SIGCHLD | CLONE_PARENT_SETTID, NULL, (void *)8, NULL, NULL), EFAULT,
          "C9: a bad parent_tid is EFAULT");
    OK(waitpid(-1, &st, WNOHANG) == -1 && errno == ECHILD, "C9: and leaves no child");
    return ktap_done();
}
