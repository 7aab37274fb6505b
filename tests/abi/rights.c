/* X1, C5, C8, C20, C23, D4: rights are those of the right moment: at exec, of a tracer, of the opener of a
 * file, of a parent that chose a signal. The program is also what it execs: its argument says what to do. */
#include "setid.h"
#include <linux/capability.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#define USER 1000
#define PLAIN "/tmp/rights-plain" /* this program, anybody's to run, */
#define SUID "/tmp/rights-suid"   /* and set-user-ID root */

static volatile int marker = 7777; /* what a program that has just begun has there */
struct caps {
    unsigned long e, p, i;
};
static struct caps caps(void) {
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2] = {{0}};
    syscall(SYS_capget, &h, d);
    return (struct caps){d[0].effective | (unsigned long)d[1].effective << 32,
                         d[0].permitted | (unsigned long)d[1].permitted << 32,
                         d[0].inheritable | (unsigned long)d[1].inheritable << 32};
}
static int set_caps(struct caps c) {
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2] = {{c.e, c.p, c.i}, {c.e >> 32, c.p >> 32, c.i >> 32}};
    return syscall(SYS_capset, &h, d);
}
static void run(const char *program, const char *what) {
    execl(program, "rights", what, NULL);
    _exit(251);
}
static int pdeath(void) {
    int sig = -1;
    prctl(PR_GET_PDEATHSIG, &sig);
    return sig;
}

/* What the program does when it was exec'd: its exit status is the answer. */
static int answer(const char *what) {
    int st;
    switch (what[0]) {
    case 'e':
        return geteuid() == 0 ? 20 : geteuid() == USER ? 21 : 22;
    case 's': /* AT_SECURE and what its user may not look into */
        return 10 + (getauxval(AT_SECURE) != 0) + 2 * (prctl(PR_GET_DUMPABLE) != 1);
    case 'a': /* the same, of a program that this one runs */
        run(PLAIN, "s");
        return 1;
    case 'w': /* write to what it was given as its output */
        return write(3, "0 0 1\n", 6) == 6 ? 0 : errno;
    case 'o':
        return write(3, "0 1000 1\n", 9) == 9 ? 0 : errno;
    case 'p':
        return 30 + pdeath();
    case 'c': /* a child that its parent had before it became this program ends */
        return !(waitpid(-1, &st, __WALL) > 0);
    case 'f': /* what was set for another program fails nothing in this one; 3 is that file of before */
        return write(3, "9", 1) != -1 || errno != EPERM ? 2 : atoi(get_text("/proc/self/fail-nth")) != 0;
    case 'x':
        return 0;
    case 'm': /* a victim: somebody reads memory that has root's rights */
        usleep(3000);
        return 0;
    case 'b': { /* the bounding set */
        struct caps c = caps();
        return (c.p & 1 << CAP_CHOWN) || (c.e & 1 << CAP_CHOWN) ? 1 : c.p & 1 << CAP_KILL ? 0 : 2;
    }
    case 'r': { /* root by its real id alone */
        struct caps c = caps();
        return !(c.e == 0 && (c.p & 1 << CAP_KILL) && getauxval(AT_SECURE));
    }
    }
    return 99;
}

static int fails_in_suid(void) {
    become(USER);
    prctl(PR_SET_DUMPABLE, 1);
    int fd = open("/proc/self/fail-nth", O_RDWR);
    if (fd < 0)
        return 0; /* a kernel without it */
    dup2(fd, 3);
    if (write(3, "1000000", 7) != 7)
        return 100;
    run(SUID, "f");
    return 1;
}
/* --- exec: the memory and the rights at one moment --- */
static int looks_into_exec(void) {
    int found = 0;
    struct rlimit r = {4000, 4000};
    setrlimit(RLIMIT_NOFILE, &r);
    while (fcntl(1, F_DUPFD_CLOEXEC, 10) >= 0) /* what an exec has to close takes a while */
        ;
    for (int i = 0; i < 20 && !found; i++) {
        pid_t victim = fork();
        if (!victim) {
            become(USER);
            prctl(PR_SET_DUMPABLE, 1);
            marker = 1;
            run(SUID, "m");
        }
        pid_t thief = fork();
        if (!thief) {
            char path[64];
            close(10); /* there must be one to open the file with */
            become(USER);
            sprintf(path, "/proc/%d/mem", victim);
            for (;;) {
                int seen = 0, fd = open(path, O_RDWR);
                if (fd >= 0 && pread(fd, &seen, 4, (off_t)&marker) == 4 && seen == 7777)
                    _exit(1); /* the old user has the new program's memory */
                close(fd);
                if (kill(victim, 0) && errno == ESRCH)
                    _exit(0);
            }
        }
        waitpid(victim, NULL, 0);
        found = child_ends(thief) == 1;
    }
    return found;
}

/* --- tracers --- */
static int traced_exec_ends(pid_t p) {
    int st;
    for (;;) {
        if (waitpid(p, &st, 0) != p)
            return -1;
        if (!WIFSTOPPED(st))
            return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
        int sig = WSTOPSIG(st);
        ptrace(PTRACE_CONT, p, NULL, (long)(sig == SIGTRAP || sig == SIGSTOP ? 0 : sig));
    }
}
static int traceme_of_a_user(void) { /* the parent has root's rights, for now */
    if (setresuid(USER, 0, 0))
        return 1;
    pid_t p = fork();
    if (!p) {
        become(USER);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        run(SUID, "e");
    }
    return traced_exec_ends(p) == 21 ? 0 : 2;
}
static int attached_as_root(void) { /* and then a user: the rights of the attaching count */
    int go[2];
    char c;
    pipe(go);
    pid_t p = fork();
    if (!p) {
        become(USER);
        close(go[1]);
        read(go[0], &c, 1);
        run(SUID, "e");
    }
    usleep(20000);
    if (ptrace(PTRACE_SEIZE, p, NULL, NULL))
        return 1;
    become(USER);
    close(go[1]);
    return traced_exec_ends(p) == 20 ? 0 : 2;
}
static int attached_as_user(void) {
    become(USER);
    prctl(PR_SET_DUMPABLE, 1);
    pid_t p = fork();
    if (!p) {
        raise(SIGSTOP);
        run(SUID, "e");
    }
    int st;
    waitpid(p, &st, WUNTRACED);
    if (ptrace(PTRACE_ATTACH, p, NULL, NULL))
        return 1;
    kill(p, SIGCONT);
    return traced_exec_ends(p) == 21 ? 0 : 2;
}
static int child_of_a_tracee(void) { /* its tracer has the rights that it has over the parent */
    if (setresuid(USER, 0, 0))
        return 1;
    pid_t p = fork();
    if (!p) {
        become(USER);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        pid_t q = fork();
        if (!q)
            run(SUID, "e");
        _exit(child_ends(q));
    }
    int st;
    waitpid(p, &st, 0);
    ptrace(PTRACE_SETOPTIONS, p, NULL, (long)PTRACE_O_TRACEFORK);
    ptrace(PTRACE_CONT, p, NULL, NULL);
    for (pid_t q; (q = waitpid(-1, &st, __WALL)) > 0;) {
        if (q == p && !WIFSTOPPED(st))
            return WIFEXITED(st) && WEXITSTATUS(st) == 21 ? 0 : 2;
        if (WIFSTOPPED(st))
            ptrace(PTRACE_CONT, q, NULL, (long)(WSTOPSIG(st) == SIGCHLD ? SIGCHLD : 0));
    }
    return 3;
}

/* --- who opened the file --- */
static int given_to_root(const char *what, int expected) { /* as a user */
    become(USER);
    prctl(PR_SET_DUMPABLE, 1);
    int go[2];
    char c, path[64];
    pipe(go);
    pid_t p = fork();
    if (!p) {
        if (unshare(CLONE_NEWUSER))
            _exit(1);
        write(go[1], "x", 1);
        pause();
    }
    read(go[0], &c, 1);
    sprintf(path, "/proc/%d/uid_map", p);
    int fd = open(path, O_WRONLY);
    if (fd < 0)
        return 1;
    dup2(fd, 3);
    pid_t q = fork();
    if (!q)
        run(SUID, what);
    int r = child_ends(q);
    kill(p, SIGKILL);
    waitpid(p, NULL, 0);
    return r != expected;
}
static int map_of_root(void) { return given_to_root("w", EPERM); }
static int map_of_oneself(void) { return given_to_root("o", 0); }

/* --- unsafe execs --- */
static int shares_directories(unsigned long flags, int expected) {
    become(USER);
    pid_t p = raw_clone(flags | SIGCHLD, 0, 0, 0, 0);
    if (!p)
        run(SUID, "e");
    return child_ends(p) != expected;
}
static int with_fs_of_another(void) { return shares_directories(CLONE_FS, 21); }
static int with_files_of_another(void) { return shares_directories(CLONE_FILES, 20); }
static int no_new_privs(void) {
    become(USER);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    run(SUID, "e");
    return 1;
}

/* --- what the program is told, and others about it --- */
static int status_of(const char *program, const char *what, uid_t uid) {
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        become(uid);
        run(program, what);
    }
    return child_ends(p);
}
static int real_root_only(void) {
    if (setresuid(0, USER, USER))
        return 1;
    run(PLAIN, "r");
    return 1;
}
static int changes_rights(void) {
    if (prctl(PR_GET_DUMPABLE) != 1 || setresuid(USER, 0, 0))
        return 1;
    if (prctl(PR_GET_DUMPABLE) != 1) /* not by the real id alone */
        return 2;
    if (setresuid(USER, USER, 0) || prctl(PR_GET_DUMPABLE) == 1)
        return 3;
    return 0;
}

/* --- signals that somebody chose --- */
static volatile int usr1, chld;
static void count(int sig) {
    if (sig == SIGUSR1)
        usr1++;
    else
        chld++;
}
static int exit_signal_over_exec(void) { /* the parent becomes another program: it is not to be killed */
    become(USER);
    pid_t p = raw_clone(SIGKILL, 0, 0, 0, 0);
    if (!p) {
        usleep(300000);
        _exit(0);
    }
    run(SUID, "c");
    return 1;
}
static int exit_signal_kept(void) {
    signal(SIGUSR1, count), signal(SIGCHLD, count);
    pid_t p = raw_clone(SIGUSR1, 0, 0, 0, 0);
    if (!p)
        _exit(0);
    int st;
    waitpid(p, &st, __WALL);
    return !(usr1 == 1 && chld == 0);
}
static int exit_signal_of_an_exec(void) {
    signal(SIGUSR1, count), signal(SIGCHLD, count);
    pid_t p = raw_clone(SIGUSR1, 0, 0, 0, 0);
    if (!p)
        run(PLAIN, "x");
    int st;
    while (waitpid(p, &st, __WALL) != p)
        ;
    return !(usr1 == 0 && chld == 1);
}
static int pdeath_by_exec(const char *program, int expected) {
    become(USER);
    pid_t p = fork();
    if (!p) {
        prctl(PR_SET_PDEATHSIG, SIGUSR2);
        run(program, "p");
    }
    return child_ends(p) != 30 + expected;
}
static int pdeath_plain(void) { return pdeath_by_exec(PLAIN, SIGUSR2); }
static int pdeath_suid(void) { return pdeath_by_exec(SUID, 0); }
static int pdeath_setuid(void) {
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
    if (pdeath() != SIGUSR2 || setresuid(-1, USER, -1))
        return 1;
    return pdeath() != 0;
}

/* --- the bounding set --- */
static int bounding_set(void) {
    if (prctl(PR_CAPBSET_READ, CAP_CHOWN) != 1 || prctl(PR_CAPBSET_DROP, CAP_CHOWN) ||
        prctl(PR_CAPBSET_READ, CAP_CHOWN) != 0 || prctl(PR_CAPBSET_READ, CAP_KILL) != 1)
        return 1;
    struct caps c = caps();
    if (!(c.p & 1 << CAP_CHOWN)) /* what one has stays until exec */
        return 2;
    c.i = 1 << CAP_CHOWN;
    if (set_caps(c) != -1 || errno != EPERM)
        return 3;
    pid_t p = fork();
    if (!p) {
        if (prctl(PR_CAPBSET_READ, CAP_CHOWN) != 0)
            _exit(4);
        run(PLAIN, "b");
    }
    return child_ends(p);
}
static int bset_of_a_user(void) {
    become(USER);
    if (prctl(PR_CAPBSET_DROP, CAP_CHOWN) != -1 || errno != EPERM)
        return 1;
    return prctl(PR_CAPBSET_READ, 64) != -1 || errno != EINVAL;
}
static int inheritable_set(void) {
    struct caps c = caps();
    c.i = 1 << CAP_KILL; /* with CAP_SETPCAP any of the bounding set */
    if (set_caps(c) || caps().i != 1 << CAP_KILL)
        return 1;
    c.e = c.p = 1 << CAP_CHOWN; /* without it, of what one is permitted or has there */
    if (set_caps(c))
        return 2;
    c.i = 1 << CAP_KILL | 1 << CAP_CHOWN;
    if (set_caps(c))
        return 3;
    c.i |= 1 << CAP_FOWNER;
    return set_caps(c) != -1 || errno != EPERM;
}

static const struct {
    int (*fn)(void);
    const char *what;
} tests[] = {
    {looks_into_exec, "X1: nobody sees a set-id program's memory with the rights of before"},
    {traceme_of_a_user, "C23: set-id exec of a user's tracee, whose tracer has rights for a while: none"},
    {attached_as_root, "C23: a tracer's rights are those of when it attached: it had them"},
    {attached_as_user, "C23: or it had not: no new rights"},
    {child_of_a_tracee, "C23: a tracee's child has the same tracer with the same rights"},
    {map_of_root, "C20: a user's uid_map, as a set-id program's output: EPERM"},
    {map_of_oneself, "C20: but what the user himself may say"},
    {with_fs_of_another, "C16: set-id exec with directories that another task shares: no new rights"},
    {with_files_of_another, "C15: descriptors are never shared with the new program"},
    {real_root_only, "C5: root by the real id alone: permitted, not effective, and AT_SECURE"},
    {changes_rights, "C5: a change of the effective id makes undumpable"},
    {exit_signal_over_exec, "X3: a parent that is another program now gets SIGCHLD for what was SIGKILL"},
    {exit_signal_kept, "X3: one that is not gets the signal it chose"},
    {exit_signal_of_an_exec, "X3: a child that execs ends with SIGCHLD"},
    {pdeath_plain, "C22: PR_SET_PDEATHSIG stays at an ordinary exec"},
    {pdeath_suid, "C22: and goes at one that gains rights"},
    {pdeath_setuid, "C22: and at a change of the effective id"},
    {bounding_set, "C5: the bounding set: kept by fork, obeyed by exec, bounds the inheritable set"},
    {fails_in_suid, "C31: a user does not choose what fails in a set-id program"},
    {bset_of_a_user, "C5: a user may not change it"},
    {inheritable_set, "C5: the inheritable set: of what is permitted, or with CAP_SETPCAP"},
};

int main(int argc, char **argv) {
    if (argc > 1)
        return answer(argv[1]);
    printf("KTAP version 1\n");
    mkdir("/tmp", 01777);
    chmod("/tmp", 01777);
    copy_self(PLAIN, 0755);
    copy_self(SUID, 04755);
    OK(status_of(SUID, "e", USER) == 20 && status_of(PLAIN, "e", USER) == 21, "a set-user-ID program runs");
    OK(in_child(no_new_privs) == 21, "C8: not after PR_SET_NO_NEW_PRIVS");
    OK(status_of(PLAIN, "s", USER) == 10, "an ordinary program: not AT_SECURE, dumpable");
    OK(status_of(SUID, "s", USER) == 13, "a set-id program: AT_SECURE, undumpable");
    OK(status_of(SUID, "a", USER) == 13, "and what it runs, with effective rights that the user has not");
    OK(status_of(SUID, "s", 0) == 10, "for root it is an ordinary program");
    for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        int r = in_child(tests[i].fn);
        if (r)
            printf("# ends with %d\n", r);
        OK(r == 0, tests[i].what);
    }
    unlink(PLAIN), unlink(SUID);
    return ktap_done();
}
