/* Lab 6, the public checks. */
#include "lab.h"

enum { BEFORE, CHILD, AFTER };
static void handler(int sig) { (void)sig; }

/* vfork: the child uses the parent's memory, and the parent waits until it is done with it. */
static pid_t vfork_spin(volatile int *word, int how, char **args) {
    pid_t pid = vfork();
    if (!pid) {
        for (volatile int i = 0; i < 20000; i++)
            ;
        syscall_raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
        *word = 1;
        if (how)
            execve("/bin/t", args, NULL);
        _exit(6);
    }
    return pid;
}
HELPER(waits) {
    int fd = lab_arg[0] - '0';
    char c;
    read(fd, &c, 1); /* until the other end is closed */
    _exit(5);
}
CHECK(vfork_waits) {
    static volatile int word;
    int fd[2];
    pipe(fd);
    fcntl(fd[1], F_SETFD, FD_CLOEXEC);
    char number[2] = {'0' + fd[0], 0};
    pid_t pid = vfork_spin(&word, 0, NULL);
    EXPECT(word == 1, "after vfork the parent goes on when the child has ended, and sees what it stored");
    EXPECT_EQ(lab_status(pid), 6 << 8, "the child's status arrives");
    word = 0;
    pid = vfork_spin(&word, 1, lab_args("waits", number));
    EXPECT(word == 1, "or when the child has called exec");
    EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0, "the new program runs beside the parent then");
    close(fd[1]);
    EXPECT_EQ(lab_status(pid), 5 << 8, "and ends when it wants to");
}

/* The new program must not see these of the old one. */
HELPER(sees) {
    struct abi_sigaction a = {0};
    uint64_t ok = 0;
    syscall(SYS_rt_sigaction, SIGUSR1, NULL, &a, 8);
    ok |= (a.handler == 0) << 0;
    syscall(SYS_rt_sigaction, SIGUSR2, NULL, &a, 8);
    ok |= (a.handler == 1) << 1;
    ok |= (fcntl(8, F_GETFD, 0) == -1) << 2;
    ok |= (fcntl(9, F_GETFD, 0) == 0) << 3;
    struct abi_stack st = {0};
    syscall(SYS_sigaltstack, NULL, &st);
    ok |= !!(st.ss_flags & SS_DISABLE) << 4;
    _exit(ok);
}
CHECK(new_program) {
    static char stack[32768];
    struct abi_stack st = {.ss_sp = (uint64_t)stack, .ss_size = sizeof(stack)};
    pid_t pid = lab_fork();
    if (!pid) {
        signal(SIGUSR1, handler);
        signal(SIGUSR2, SIG_IGN);
        syscall(SYS_sigaltstack, &st, NULL);
        dup2(open("/dev/null", O_RDONLY), 8);
        dup2(8, 9);
        fcntl(8, F_SETFD, FD_CLOEXEC);
        execve("/bin/t", lab_args("sees", "x"), NULL);
        _exit(0);
    }
    int status = lab_status(pid), seen = status >> 8;
    EXPECT_EQ(status & 0xff, 0, "the new program runs");
    EXPECT(seen & 1, "a handler of the old program is gone: the default action is back");
    EXPECT(seen & 2, "a signal that was ignored still is");
    EXPECT(seen & 4, "a descriptor with FD_CLOEXEC is closed");
    EXPECT(seen & 8, "others stay open");
    EXPECT(seen & 16, "the alternate signal stack is gone");
}

static void write_file(const char *path, const char *text, int mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    write(fd, text, strlen(text));
    close(fd);
}
HELPER(interp) {
    _exit(lab_seed == 0 && lab_arg[0] ? 12 : 11);
} /* its second argument is the script's name, no number */
static int run(const char *path, char **args) {
    pid_t pid = lab_fork();
    if (!pid) {
        execve(path, args, NULL);
        _exit(100 + errno);
    }
    return lab_status(pid) >> 8;
}
CHECK(script) {
    char *args[] = {"name", NULL};
    char line[120], **a = lab_args("interp", "");
    snprintf(line, sizeof(line), "#!/bin/t interp\n");
    write_file("/tmp/s", line, 0755);
    /* the interpreter gets: its own name, its argument, the script's path, the script's arguments */
    char *more[] = {"ignored", a[2], a[3], NULL};
    EXPECT_EQ(
        run("/tmp/s", more), 12,
        "#! runs the interpreter, with its argument and the script's name before the script's arguments");
    write_file("/tmp/s2", "#! /bin/t \t interp  \n", 0755);
    EXPECT_EQ(run("/tmp/s2", more), 12, "blanks around its parts do not matter");
    write_file("/tmp/s3", "#!/nonesuch\n", 0755);
    EXPECT_EQ(run("/tmp/s3", args), 100 + ENOENT, "an interpreter that is not there: ENOENT");
    write_file("/tmp/s4", "#!/tmp/s4\n", 0755);
    EXPECT_EQ(run("/tmp/s4", args), 100 + ELOOP, "a script that is its own interpreter: ELOOP");
    write_file("/tmp/s5", "#!\n", 0755);
    EXPECT_EQ(run("/tmp/s5", args), 100 + ENOEXEC, "no interpreter: ENOEXEC");
    write_file("/tmp/s6", "exit 3\n", 0755);
    EXPECT_EQ(run("/tmp/s6", args), 100 + ENOEXEC, "a text without #!: ENOEXEC");
}

HELPER(nothing) { _exit(0); }
CHECK(frees) {
    char *p = lab_pages(64);
    for (int i = 0; i < 64; i++)
        p[i * PAGE] = i;
    for (int i = 0; i < 6; i++)
        run("/bin/t", lab_args("nothing", ""));
    HOST_FREE(1);
    for (int i = 0; i < 12; i++)
        run("/bin/t", lab_args("nothing", ""));
    HOST_FREE(2);
    HOST_LOST(1, 2, 16, "exec gives the old program's memory back");
    EXPECT_EQ(run("/bin/t", lab_args("nothing", "")), 0, "and works as before");
}
