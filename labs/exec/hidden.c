/* Lab 6, the hidden checks. */
#include "lab.h"

enum { BEFORE, CHILD, AFTER };

static void write_file(const char *path, const char *text, int mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    write(fd, text, strlen(text));
    close(fd);
}
CHECK(exec_fails) {
    static char kept[3 * PAGE], *huge[8];
    char *none[] = {"x", NULL}, **volatile bad = (char **)16;
    lab_fill(kept, sizeof(kept), 4);
    write_file("/tmp/notx", "#!/bin/t\n", 0644);
    write_file("/tmp/elf", "\177ELF and then something else", 0755);
    for (int i = 0; i < 7; i++) {
        huge[i] = malloc(400000);
        memset(huge[i], 'a', 399999);
        huge[i][399999] = 0;
    }
    int wrong = 0;
    for (int round = 0; round < 12; round++) {
        if (round == 2)
            HOST_FREE(1);
        wrong += execve("/nonesuch", none, NULL) != -1 || errno != ENOENT;
        wrong += execve("/tmp/notx", none, NULL) != -1 || errno != EACCES;
        wrong += execve("/tmp", none, NULL) != -1 || errno != EACCES;
        wrong += execve("/tmp/elf", none, NULL) != -1 || errno != ENOEXEC;
        wrong += execve("/bin/t", bad, NULL) != -1 || errno != EFAULT;
        wrong += execve((char *)bad, none, NULL) != -1 || errno != EFAULT;
        wrong += execve("/bin/t", huge, NULL) != -1 || errno != E2BIG;
    }
    EXPECT_EQ(wrong, 0, "an exec that cannot be done fails with the right error, and the program goes on");
    EXPECT(lab_holds(kept, sizeof(kept), 4), "with its memory");
    HOST_FREE(2);
    HOST_LOST(1, 2, 8, "and nothing is lost");
}

HELPER(fine) { _exit(42); }
CHECK(no_memory) {
    int n, status = 0, bad = 0;
    for (int round = 0; round < 2; round++) {
        if (round)
            HOST_FREE(1);
        for (n = 1; n < 300; n++) {
            pid_t pid = lab_fork();
            if (!pid) {
                char **a = lab_args("fine", "");
                lab_fail_nth(n);
                execve("/bin/t", a, NULL);
                int e = errno;
                lab_fail_nth(0);
                _exit(e == ENOMEM ? 1 : 2);
            }
            status = lab_status(pid);
            if (status == 42 << 8)
                break;
            bad += status != 1 << 8;
        }
    }
    EXPECT(n > 5 && n < 300, "an exec whose n-th allocation fails, fails; for n large enough it succeeds");
    EXPECT_EQ(bad, 0, "until then with ENOMEM, in the old program");
    HOST_FREE(2);
    HOST_LOST(1, 2, 12, "and nothing is lost, wherever it failed");
}

/* A child of vfork that a signal ends lets its parent go on too. */
CHECK(child_killed) {
    static volatile int word;
    int status = 0;
    pid_t pid = vfork();
    if (!pid) {
        for (volatile int i = 0; i < 20000; i++)
            ;
        syscall_raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
        word = 1;
        syscall_raw(SYS_kill, syscall_raw(SYS_getpid, 0, 0, 0, 0, 0, 0), SIGKILL, 0, 0, 0, 0);
        for (;;)
            ;
    }
    EXPECT(word == 1, "the parent waited until the child was killed");
    EXPECT_EQ(waitpid(pid, &status, 0), pid, "and goes on");
    EXPECT_EQ(status, SIGKILL, "the child was killed");
    /* and the waiting parent itself can be killed */
    pid_t parent = lab_fork();
    if (!parent) {
        pid = vfork();
        if (!pid) {
            int fd[2];
            char c;
            pipe(fd);
            read(fd[0], &c, 1); /* for ever: the other end is our own */
            _exit(0);
        }
        _exit(9);
    }
    for (int i = 0; i < 50; i++)
        syscall(SYS_sched_yield);
    kill(parent, SIGKILL);
    EXPECT_EQ(lab_status(parent), SIGKILL, "a parent that waits in vfork can be killed");
}

/* vfork copies no page, and takes no permission away. */
CHECK(no_copy) {
    static volatile int word;
    char *p = lab_pages(4);
    lab_fill(p, 4 * PAGE, 8);
    HOST_PTE(BEFORE, p);
    pid_t pid = vfork();
    if (!pid) {
        HOST_PTE(CHILD, p);
        HOST_SAME_FRAME(BEFORE, CHILD, "the child of vfork has the parent's frames");
        HOST_BITS(CHILD, PTE_W, PTE_W, "and may store to them");
        p[0] = 1;
        for (volatile int i = 0; i < 20000; i++)
            ;
        syscall_raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
        word = 1;
        _exit(0);
    }
    EXPECT(word == 1, "the parent waits");
    EXPECT_EQ(lab_status(pid), 0, "the child ends");
    EXPECT_EQ(p[0], 1, "its stores are the parent's");
    HOST_PTE(AFTER, p);
    HOST_SAME_FRAME(BEFORE, AFTER, "no page was copied");
}
