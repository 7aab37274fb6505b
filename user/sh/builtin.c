/* sh: built-in commands. */
#include "sh.h"

static int unary(char op, const char *s) {
    struct stat st;
    if (op == 'n' || op == 'z')
        return (*s == 0) == (op == 'z');
    if (op == 't')
        return isatty(atoi(s));
    if (op == 'L' || op == 'h')
        return !lstat(s, &st) && S_ISLNK(st.st_mode);
    if (op == 'r' || op == 'w' || op == 'x')
        return !access(s, op == 'r' ? 4 : op == 'w' ? 2 : 1);
    if (stat(s, &st))
        return 0;
    return op == 'e'   ? 1
           : op == 'f' ? S_ISREG(st.st_mode)
           : op == 'd' ? S_ISDIR(st.st_mode)
           : op == 's' ? st.st_size > 0
           : op == 'p' ? S_ISFIFO(st.st_mode)
           : op == 'b' ? S_ISBLK(st.st_mode)
           : op == 'c' ? S_ISCHR(st.st_mode)
                       : 0;
}
int test_expr(char **v, int n) { /* 0 true, 1 false, 2 error */
    for (int i = n - 1; i > 0; i--)
        if (!strcmp(v[i], "-o"))
            return !(test_expr(v, i) == 0 || test_expr(v + i + 1, n - i - 1) == 0);
    for (int i = n - 1; i > 0; i--)
        if (!strcmp(v[i], "-a"))
            return !(test_expr(v, i) == 0 && test_expr(v + i + 1, n - i - 1) == 0);
    if (!n)
        return 1;
    if (!strcmp(v[0], "!") && n > 1) {
        int r = test_expr(v + 1, n - 1);
        return r == 2 ? 2 : !r;
    }
    if (n == 1)
        return !*v[0];
    if (n == 2 && v[0][0] == '-' && v[0][1] && !v[0][2])
        return !unary(v[0][1], v[1]);
    if (n == 3) {
        long a = atol(v[0]), b = atol(v[2]);
        const char *op = v[1];
        if (!strcmp(op, "=") || !strcmp(op, "=="))
            return strcmp(v[0], v[2]) != 0;
        if (!strcmp(op, "!="))
            return strcmp(v[0], v[2]) == 0;
        static const char *const ops[] = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge"};
        for (int i = 0; i < 6; i++)
            if (!strcmp(op, ops[i]))
                return !(i == 0   ? a == b
                         : i == 1 ? a != b
                         : i == 2 ? a < b
                         : i == 3 ? a <= b
                         : i == 4 ? a > b
                                  : a >= b);
    }
    warnx("test: bad expression");
    return 2;
}
char *history[200];
int nhistory;
static int do_ulimit(int argc, char **argv) {
    static const struct {
        char c;
        int res, unit;
        const char *name;
    } lims[] = {{'c', RLIMIT_CORE, 512, "core file size (blocks)"},
                {'f', RLIMIT_FSIZE, 512, "file size (blocks)"},
                {'n', RLIMIT_NOFILE, 1, "open files"},
                {'s', RLIMIT_STACK, 1024, "stack size (kbytes)"},
                {'t', RLIMIT_CPU, 1, "processor time (seconds)"},
                {'u', RLIMIT_NPROC, 1, "processes"},
                {'v', RLIMIT_AS, 1024, "virtual memory (kbytes)"}};
    char c = argc > 1 && argv[1][0] == '-' ? argv[1][1] : 'f';
    struct rlimit r;
    for (size_t i = 0; i < sizeof(lims) / sizeof(*lims); i++) {
        if (c != 'a' && c != lims[i].c)
            continue;
        syscall(SYS_prlimit64, 0, lims[i].res, 0, &r);
        if (argc > 2) {
            r.rlim_cur = r.rlim_max =
                !strcmp(argv[2], "unlimited") ? RLIM_INFINITY : strtoul(argv[2], NULL, 10) * lims[i].unit;
            if (syscall(SYS_prlimit64, 0, lims[i].res, &r, 0) < 0) {
                warn("ulimit");
                return 1;
            }
        } else {
            if (c == 'a')
                printf("%-26s ", lims[i].name);
            if (r.rlim_cur == RLIM_INFINITY)
                printf("unlimited\n");
            else
                printf("%lu\n", (unsigned long)r.rlim_cur / lims[i].unit);
        }
    }
    return 0;
}
static int do_echo(int argc, char **argv) {
    int i = 1;
    bool nl = true, esc = false;
    for (; i < argc && argv[i][0] == '-' && argv[i][1] && strspn(argv[i] + 1, "neE") == strlen(argv[i] + 1);
         i++)
        for (char *o = argv[i] + 1; *o; o++)
            nl &= *o != 'n', esc |= *o == 'e';
    for (int k = i; k < argc; k++) {
        if (k > i)
            putchar(' ');
        for (char *s = argv[k]; *s; s++) {
            if (!esc || *s != '\\' || !s[1]) {
                putchar(*s);
                continue;
            }
            const char *from = "ntrab\\0", *to = "\n\t\r\a\b\\\0", *f = strchr(from, *++s);
            putchar(f ? to[f - from] : *s);
        }
    }
    if (nl)
        putchar('\n');
    return ferror(stdout) ? 1 : 0;
}
int builtin(int argc, char **argv, bool *was) {
    const char *c = argv[0], *a = argc > 1 ? argv[1] : NULL;
    *was = true;
    if (!strcmp(c, ":") || !strcmp(c, "true") || !strcmp(c, "hash"))
        return 0;
    if (!strcmp(c, "false"))
        return 1;
    if (!strcmp(c, "echo"))
        return do_echo(argc, argv);
    if (!strcmp(c, "test"))
        return test_expr(argv + 1, argc - 1);
    if (!strcmp(c, "[")) {
        if (strcmp(argv[argc - 1], "]")) {
            warnx("[: ] is missing");
            return 2;
        }
        return test_expr(argv + 1, argc - 2);
    }
    if (!strcmp(c, "cd")) {
        char b[512];
        const char *to = a ? a : getenv("HOME");
        if (to && !strcmp(to, "-"))
            to = getenv("OLDPWD");
        if (!to)
            to = "/";
        char *old = getcwd(b, sizeof(b)) ? need(strdup(b)) : NULL;
        if (chdir(to) < 0) {
            warn("cd: %s", to);
            return 1;
        }
        if (old)
            setenv("OLDPWD", old, 1);
        if (getcwd(b, sizeof(b)))
            setenv("PWD", b, 1);
        return 0;
    }
    if (!strcmp(c, "pwd")) {
        char b[1024];
        if (!getcwd(b, sizeof(b))) {
            warn("pwd");
            return 1;
        }
        puts(b);
        return 0;
    }
    if (!strcmp(c, "exit")) {
        if (interactive && jobs && jobs->stopped)
            fprintf(stderr, "there are stopped jobs\n");
        exit(a ? atoi(a) & 255 : last_status);
    }
    if (!strcmp(c, "export") || !strcmp(c, "local")) {
        for (int i = 1; i < argc; i++)
            if (strchr(argv[i], '=')) {
                char *eq = strchr(argv[i], '=');
                *eq = 0;
                setenv(argv[i], eq + 1, 1);
                *eq = '=';
            }
        if (argc == 1)
            for (char **e = environ; *e; e++)
                puts(*e);
        return 0;
    }
    if (!strcmp(c, "unset")) {
        for (int i = 1; i < argc; i++)
            unsetenv(argv[i]);
        return 0;
    }
    if (!strcmp(c, "set")) {
        if (argc == 1)
            for (char **e = environ; *e; e++)
                puts(*e);
        else if (!strcmp(a, "--") || a[0] != '-') {
            int skip = !strcmp(a, "--") ? 1 : 0;
            char **n = need(calloc(argc + 1, sizeof(char *)));
            n[0] = args[0];
            for (int i = 1 + skip; i < argc; i++)
                n[i - skip] = need(strdup(argv[i]));
            args = n;
            nargs = argc - skip;
        }
        return 0;
    }
    if (!strcmp(c, "shift")) {
        int k = a ? atoi(a) : 1;
        if (k >= nargs)
            return 1;
        char **n = need(calloc(nargs - k + 1, sizeof(char *)));
        n[0] = args[0];
        for (int i = 1; i < nargs - k; i++)
            n[i] = args[i + k];
        args = n;
        nargs -= k;
        return 0;
    }
    if (!strcmp(c, "jobs"))
        return report_jobs(true), 0;
    if (!strcmp(c, "fg") || !strcmp(c, "bg")) {
        struct job *j = find_job(a);
        if (!j) {
            warnx("%s: no such job", c);
            return 1;
        }
        j->stopped = false;
        printf("%s\n", j->text);
        fflush(stdout);
        if (*c == 'f' && interactive)
            tcsetpgrp(0, j->pgid);
        kill(-j->pgid, SIGCONT);
        return *c == 'f' ? foreground(j) : 0;
    }
    if (!strcmp(c, "wait")) {
        int r = 0;
        while (jobs && !(a && isdigit((unsigned char)*a))) {
            struct job *j = find_job(a);
            if (!j || j->stopped)
                break;
            r = wait_job(j);
            if (a)
                break;
        }
        if (a && isdigit((unsigned char)*a))
            for (struct job *j = jobs, *n; j; j = n) {
                n = j->next;
                for (int i = 0; i < j->n; i++)
                    if (j->pids[i] == atoi(a)) {
                        r = wait_job(j);
                        break;
                    }
            }
        return r;
    }
    if (!strcmp(c, "kill")) {
        int sig = SIGTERM, i = 1, r = 0;
        if (a && a[0] == '-' && a[1] && (sig = signal_number(a + 1)) < 0) {
            warnx("kill: %s: unknown signal", a);
            return 2;
        }
        i += a && a[0] == '-';
        if (i == argc) {
            fprintf(stderr, "usage: kill [-SIGNAL] PID|%%JOB...\n");
            return 2;
        }
        for (; i < argc; i++) {
            struct job *j = argv[i][0] == '%' ? find_job(argv[i]) : NULL;
            if (kill(j ? -j->pgid : atoi(argv[i]), sig) < 0) {
                warn("kill: %s", argv[i]);
                r = 1;
            }
            if (j && j->stopped) { /* it must run to see the signal */
                if (sig != SIGCONT)
                    kill(-j->pgid, SIGCONT);
                j->stopped = false;
            }
        }
        return r;
    }
    if (!strcmp(c, "read")) {
        struct text t = {0};
        char ch;
        ssize_t n;
        int first = a && !strcmp(a, "-r") ? 2 : 1;
        while ((n = read(0, &ch, 1)) == 1 && ch != '\n')
            put(&t, ch);
        char *s = done(&t);
        for (int i = first; i < argc; i++) {
            s += strspn(s, " \t");
            size_t k = i == argc - 1 ? strlen(s) : strcspn(s, " \t");
            char *v = need(malloc(k + 1));
            memcpy(v, s, k);
            v[k] = 0;
            setenv(argv[i], v, 1);
            s += k;
        }
        return n != 1;
    }
    if (!strcmp(c, "umask")) {
        if (a)
            umask(strtol(a, NULL, 8));
        else {
            unsigned m = umask(0);
            umask(m);
            printf("%04o\n", m);
        }
        return 0;
    }
    if (!strcmp(c, "ulimit"))
        return do_ulimit(argc, argv);
    if (!strcmp(c, "exec")) {
        if (argc > 1)
            exec_command(argv + 1);
        return 0;
    }
    if (!strcmp(c, "command")) {
        if (argc < 2)
            return 0;
        pid_t p = fork();
        if (!p)
            exec_command(argv + 1);
        int st = 0;
        waitpid(p, &st, 0);
        return WEXITSTATUS(st);
    }
    if (!strcmp(c, ".") || !strcmp(c, "source")) {
        char *text = a ? slurp(a, NULL) : NULL;
        if (!text) {
            warn("%s", a ? a : c);
            return 1;
        }
        int r = run_text(text);
        returning = 0;
        return r;
    }
    if (!strcmp(c, "eval")) {
        struct text t = {0};
        for (int i = 1; i < argc; i++)
            puts_to(&t, argv[i]), put(&t, ' ');
        return run_text(done(&t));
    }
    if (!strcmp(c, "history")) {
        for (int i = 0; i < nhistory; i++)
            printf("%4d  %s\n", i + 1, history[i]);
        return 0;
    }
    if (!strcmp(c, "break"))
        return loop_break = 1, 0;
    if (!strcmp(c, "continue"))
        return loop_continue = 1, 0;
    if (!strcmp(c, "return")) {
        last_status = a ? atoi(a) : last_status;
        returning = 1;
        return last_status;
    }
    if (!strcmp(c, "type")) {
        for (int i = 1; i < argc; i++) {
            char full[512];
            bool found = false;
            for (const char *p = getenv("PATH") ? getenv("PATH") : "/bin"; *p && !found;) {
                size_t n = strcspn(p, ":");
                snprintf(full, sizeof(full), "%.*s/%s", (int)n, p, argv[i]);
                found = !access(full, 1);
                p += n + (p[n] == ':');
            }
            printf(found ? "%s is %s\n" : "%s: not found\n", argv[i], full);
        }
        return 0;
    }
    return 1;
}
