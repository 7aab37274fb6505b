/* sh: a shell. A line becomes words and operators, those a tree, and the tree is run. Interactive shells
 * give each pipeline a process group of its own, hand it the terminal, and keep a table of jobs. */
#include "sh.h"

bool interactive;
int last_status, subst_status, loop_break, loop_continue, returning;
pid_t shell_pgid, last_bg;
struct job *jobs;
char **args; /* $0, $1... */
int nargs;
void *need(void *p) {
    if (!p)
        die("out of memory");
    return p;
}

static void interact(void) {
    char prompt[300], cwd[200];
    shell_pgid = getpid();
    setpgid(0, shell_pgid);
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGTSTP, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    tcsetpgrp(0, shell_pgid);
    struct text whole = {0};
    for (;;) {
        report_jobs(false);
        if (!getcwd(cwd, sizeof(cwd)))
            strcpy(cwd, "?");
        snprintf(prompt, sizeof(prompt), "%s%s ", whole.n ? "" : cwd,
                 whole.n     ? ">"
                 : geteuid() ? " $"
                             : " #");
        int r = edit(prompt);
        if (r == 0 && !whole.n) {
            if (jobs) {
                report_jobs(true);
            }
            break;
        }
        if (r <= 0) {
            whole.n = 0;
            last_status = 130;
            continue;
        }
        puts_to(&whole, line);
        put(&whole, '\n');
        if (incomplete(whole.s))
            continue;
        whole.s[--whole.n] = 0;
        remember(whole.s);
        char *text = need(strdup(whole.s));
        whole.n = 0;
        run_text(text);
        loop_break = loop_continue = returning = 0;
    }
    exit(last_status);
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        printf("usage: sh [-c COMMAND | FILE] [ARG...]\n");
        return 0;
    }
    if (!getenv("PATH"))
        setenv("PATH", "/bin:/sbin", 1);
    if (argc > 3 && !strcmp(argv[1], "-c") && !strcmp(argv[2], "--")) { /* as popen of glibc calls it */
        argv[2] = argv[1];
        argv++, argc--;
    }
    if (argc > 2 && !strcmp(argv[1], "-c")) {
        args = argc > 3 ? argv + 3 : argv;
        nargs = argc > 3 ? argc - 3 : 1;
        exit(run_text(argv[2]));
    }
    args = argc > 1 ? argv + 1 : argv;
    nargs = argc > 1 ? argc - 1 : 1;
    if (argc > 1 && argv[1][0] != '-') {
        char *text = slurp(argv[1], NULL);
        if (!text) {
            warn("%s", argv[1]);
            return 127;
        }
        exit(run_text(text));
    }
    if (isatty(0)) {
        interactive = true;
        interact();
    }
    char *text = slurp("-", NULL);
    exit(text ? run_text(text) : 1);
}
