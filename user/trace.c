/* trace: run a program and show each system call and event of it and of all that it makes. -e: events alone.
 *
 * The whole of it is one loop: wait for a task that stopped, say why it stopped, tell it to go on. The kernel
 * stops it before and after each call (PTRACE_SYSCALL), when it makes a task, execs or ends
 * (PTRACE_O_TRACE*), and when a signal comes, which then is ours to pass on. */
#include <syscall_names.h>
#include <tine.h>
#include <abi/ptrace.h>

static bool only_events;
static char **command;

static long ptrace(long request, pid_t pid, unsigned long addr, unsigned long data) {
    return syscall(SYS_ptrace, request, pid, addr, data);
}

/* In a line of its own, for the calls of several tasks would else mix. */
static void show_call(pid_t pid) {
    struct ptrace_syscall_info i;
    static struct {
        pid_t pid;
        uint64_t nr, args[6];
    } open[64]; /* calls that have begun: who has no room there is shown with its result alone */
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(i), (long)&i) < 0)
        return;
    unsigned at = 0;
    while (at < 64 && open[at].pid != (i.op == PTRACE_SYSCALL_INFO_ENTRY ? 0 : pid))
        at++;
    if (i.op == PTRACE_SYSCALL_INFO_ENTRY) {
        const char *name =
            i.entry.nr < sizeof(syscall_names) / sizeof(*syscall_names) ? syscall_names[i.entry.nr] : 0;
        if (at < 64) {
            open[at].pid = pid, open[at].nr = i.entry.nr;
            memcpy(open[at].args, i.entry.args, sizeof(i.entry.args));
        }
        if (name && !strncmp(name, "exit", 4)) { /* it does not come back */
            fprintf(stderr, "%5d %s(%ld)\n", pid, name, (long)i.entry.args[0]);
            if (at < 64)
                open[at].pid = 0;
        }
        return;
    }
    if (at == 64) {
        fprintf(stderr, "%5d ... = %ld\n", pid, (long)i.exit.rval);
        return;
    }
    const uint64_t *a = open[at].args;
    const char *name =
        open[at].nr < sizeof(syscall_names) / sizeof(*syscall_names) ? syscall_names[open[at].nr] : 0;
    open[at].pid = 0;
    if (name)
        fprintf(stderr, "%5d %s", pid, name);
    else
        fprintf(stderr, "%5d call %ld", pid, (long)open[at].nr);
    fprintf(stderr, "(%#lx, %#lx, %#lx, %#lx) = ", (long)a[0], (long)a[1], (long)a[2], (long)a[3]);
    if (i.exit.is_error)
        fprintf(stderr, "-1 (%s)\n", strerror(-i.exit.rval));
    else
        fprintf(stderr, (uint64_t)i.exit.rval > 0xffff ? "%#lx\n" : "%ld\n", (long)i.exit.rval);
}

static void show_event(pid_t pid, int event) {
    static const char *const made[] = {"", "fork", "vfork", "clone"};
    unsigned long m = 0;
    ptrace(PTRACE_GETEVENTMSG, pid, 0, (long)&m);
    if (event <= PTRACE_EVENT_CLONE)
        fprintf(stderr, "%5d -- %s made task %ld\n", pid, made[event], m);
    else if (event == PTRACE_EVENT_EXEC)
        fprintf(stderr, "%5d -- runs a new program\n", pid);
    else if (event == PTRACE_EVENT_VFORK_DONE)
        fprintf(stderr, "%5d -- its vfork child %ld has let go of its memory\n", pid, m);
    else if (event == PTRACE_EVENT_STOP)
        fprintf(stderr, "%5d -- begins\n", pid);
}

static int trace(pid_t first) {
    long go_on = only_events ? PTRACE_CONT : PTRACE_SYSCALL;
    int st, status = 0;
    for (pid_t pid; (pid = waitpid(-1, &st, __WALL)) > 0;) {
        int sig = WSTOPSIG(st), event = st >> 16, pass = 0;
        if (!WIFSTOPPED(st)) {
            if (WIFSIGNALED(st))
                fprintf(stderr, "%5d -- killed by SIG%s\n", pid, signal_name(WTERMSIG(st)));
            else
                fprintf(stderr, "%5d -- ended with %d\n", pid, WEXITSTATUS(st));
            if (pid == first)
                status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
            continue;
        }
        if (sig == (SIGTRAP | 0x80)) {
            show_call(pid);
        } else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) { /* stopped with its process: it stays so */
            ptrace(PTRACE_LISTEN, pid, 0, 0);
            continue;
        } else if (event) {
            show_event(pid, event);
        } else {
            fprintf(stderr, "%5d -- SIG%s\n", pid, signal_name(sig));
            pass = sig;
        }
        ptrace(go_on, pid, 0, pass);
    }
    return status;
}

int main(int argc, char **argv) {
    int c, ready[2];
    char b;
    while ((c = options(argc, argv, "+e", "trace [-e] COMMAND [ARG...]")) != -1)
        only_events = true;
    command = argv + optind;
    if (!*command) {
        warnx("which program?");
        return 2;
    }
    if (pipe(ready) < 0)
        die("pipe");
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (!pid) {
        close(ready[1]);
        read(ready[0], &b, 1); /* until we are watched */
        close(ready[0]);
        execvp(*command, command);
        warn("%s", *command);
        _exit(127);
    }
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                   PTRACE_O_TRACEEXEC | PTRACE_O_TRACEVFORKDONE | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, pid, 0, options) < 0 ||
        (!only_events && ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)) {
        kill(pid, SIGKILL);
        die("cannot trace %d", pid);
    }
    close(ready[0]);
    close(ready[1]);
    signal(SIGINT, SIG_IGN); /* the program's */
    return trace(pid);
}
