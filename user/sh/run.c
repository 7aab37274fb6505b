/* sh: running the tree. */
#include "sh.h"

static struct func {
    char *name;
    struct node *body;
    struct func *next;
} * funcs;

static void describe(struct node *n, struct text *t) {
    if (!n || t->n > 60)
        return;
    if (n->kind == CMD)
        for (int i = 0; i < n->n; i++) {
            if (i)
                put(t, ' ');
            puts_to(t, n->words[i]);
        }
    else {
        describe(n->a, t);
        puts_to(t, n->kind == PIPE  ? " | "
                   : n->kind == AND ? " && "
                   : n->kind == OR  ? " || "
                   : n->b           ? "; "
                                    : "");
        describe(n->b, t);
    }
}
static int redirect(struct redir *r) {
    for (; r; r = r->next) {
        if (r->dup == -2) {
            int p[2];
            char *text = expand_one(r->word);
            if (pipe(p) < 0)
                return -1;
            if (fork() == 0) {
                write(p[1], text, strlen(text));
                _exit(0);
            }
            dup2(p[0], r->fd);
            close(p[0]);
            close(p[1]);
            continue;
        }
        char *w = expand_one(r->word);
        if (r->dup == 1) {
            if (!strcmp(w, "-"))
                close(r->fd);
            else if (!isdigit((unsigned char)*w) || dup2(atoi(w), r->fd) < 0) {
                warnx("%s: bad descriptor", w);
                return -1;
            }
            continue;
        }
        int fd = open(w, r->flags, 0666);
        if (fd < 0) {
            warn("%s", w);
            return -1;
        }
        if (fd != r->fd) {
            dup2(fd, r->fd);
            close(fd);
        }
        if (r->dup == 2)
            dup2(r->fd, 2);
    }
    return 0;
}
static void child_setup(struct job *j, bool fg) {
    if (interactive) {
        pid_t pid = getpid();
        setpgid(0, j && j->pgid ? j->pgid : pid);
        if (fg)
            tcsetpgrp(0, j && j->pgid ? j->pgid : pid);
        for (int s = 1; s < 32; s++)
            if (s == SIGINT || s == SIGQUIT || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU)
                signal(s, SIG_DFL);
    }
    interactive = false;
}
static bool
    one_command; /* this process was made for one command: it becomes the program, with no other fork */
static pid_t spawn(struct job *j, struct node *n, bool fg, int in, int out, int other) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        warn("fork");
        return -1;
    }
    if (!pid) {
        child_setup(j, fg);
        if (in >= 0)
            dup2(in, 0), close(in);
        if (out >= 0)
            dup2(out, 1), close(out);
        if (other >= 0)
            close(other);
        jobs = NULL;
        one_command = n->kind == CMD;
        exit(run(n));
    }
    if (!j->pgid)
        j->pgid = pid;
    if (interactive)
        setpgid(pid, j->pgid);
    add_pid(j, pid);
    return pid;
}
static int run_job(struct node *n, bool fg) {
    struct text t = {0};
    describe(n, &t);
    struct job *j = new_job(done(&t));
    int in = -1;
    struct node *at = n;
    for (; at && at->kind == PIPE; at = at->b) {
        int p[2];
        if (pipe(p) < 0 || spawn(j, at->a, fg, in, p[1], p[0]) < 0)
            break;
        if (in >= 0)
            close(in);
        close(p[1]);
        in = p[0];
    }
    pid_t pid = spawn(j, at, fg, in, -1, -1);
    if (in >= 0)
        close(in);
    if (pid < 0 && !j->n) {
        drop_job(j);
        return 1;
    }
    if (fg)
        return foreground(j);
    last_bg = pid;
    if (interactive)
        fprintf(stderr, "[%d] %d\n", j->id, pid);
    return 0;
}

void exec_command(char **argv) {
    execvp(argv[0], argv);
    int e = errno;
    if (e == ENOEXEC) { /* a script without #! */
        char *full = argv[0];
        size_t n;
        char *text = slurp(full, &n);
        if (text && !memchr(text, 0, n)) {
            args = argv;
            for (nargs = 0; argv[nargs]; nargs++)
                ;
            exit(run_text(text));
        }
    }
    if (e == ENOENT)
        warnx("%s: command not found", argv[0]);
    else
        errno = e, warn("%s", argv[0]);
    exit(e == ENOENT ? 127 : 126);
}
static bool is_assignment(const char *w) {
    size_t n = 0;
    while (isalpha((unsigned char)w[n]) || w[n] == '_' || (n && isdigit((unsigned char)w[n])))
        n++;
    return n && w[n] == '=';
}
static void assign(const char *w) {
    char name[64];
    size_t n = strcspn(w, "=");
    snprintf(name, sizeof(name), "%.*s", (int)n, w);
    setenv(name, expand_one(w + n + 1), 1);
}
static int run_command(struct node *n) {
    int first = 0;
    bool direct = one_command;
    one_command = false;
    while (first < n->n && is_assignment(n->words[first]))
        first++;
    struct words w = {0};
    for (int i = first; i < n->n; i++)
        expand(&w, n->words[i], true, true);
    if (!w.n) {
        subst_status = 0; /* an assignment's status is that of its last $(command) */
        for (int i = 0; i < first; i++)
            assign(n->words[i]);
        last_status = subst_status;
        if (n->redirs) {
            int save[3] = {dup(0), dup(1), dup(2)};
            last_status = redirect(n->redirs) ? 1 : 0;
            for (int i = 0; i < 3; i++)
                dup2(save[i], i), close(save[i]);
        }
        return last_status;
    }
    /* Built-ins and functions run here, with descriptors put back after. */
    struct func *f = funcs;
    while (f && strcmp(f->name, w.v[0]))
        f = f->next;
    static const char *const names[] = {"cd",       "exit",   "export",  "unset",   "set",   "jobs",  "fg",
                                        "bg",       "wait",   "read",    "pwd",     "umask", "exec",  ".",
                                        "source",   "ulimit", "history", "type",    ":",     "shift", "break",
                                        "continue", "return", "eval",    "test",    "[",     "true",  "false",
                                        "echo",     "local",  "kill",    "command", "hash"};
    bool inside = f != NULL;
    for (size_t i = 0; !inside && i < sizeof(names) / sizeof(*names); i++)
        inside = !strcmp(names[i], w.v[0]);
    if (inside) {
        bool is_exec = !strcmp(w.v[0], "exec");
        int save[3];
        for (int i = 0; i < 3; i++)
            save[i] = n->redirs && !is_exec ? fcntl(i, F_DUPFD_CLOEXEC, 10) : -1;
        for (int i = 0; i < first; i++)
            assign(n->words[i]);
        int r = 1;
        if (!redirect(n->redirs)) {
            if (f) {
                char **old = args;
                int old_n = nargs;
                args = w.v, nargs = w.n;
                r = run(f->body);
                if (returning)
                    r = last_status;
                returning = 0;
                args = old, nargs = old_n;
            } else {
                bool was;
                r = builtin(w.n, w.v, &was);
                int e = stdout_failed();
                if (e) {
                    errno = e;
                    warn("%s: write error", w.v[0]);
                    r = r ? r : 1;
                }
            }
        }
        fflush(stdout);
        for (int i = 0; i < 3; i++)
            if (save[i] >= 0)
                dup2(save[i], i), close(save[i]);
        return r;
    }
    if (direct) {
        for (int i = 0; i < first; i++)
            assign(n->words[i]);
        if (redirect(n->redirs))
            exit(1);
        exec_command(w.v);
    }
    struct job *j = new_job(w.v[0]);
    struct text t = {0};
    for (int i = 0; i < w.n; i++) {
        if (i)
            put(&t, ' ');
        puts_to(&t, w.v[i]);
    }
    free(j->text);
    j->text = done(&t);
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        warn("fork");
        drop_job(j);
        return 1;
    }
    if (!pid) {
        child_setup(NULL, true);
        for (int i = 0; i < first; i++)
            assign(n->words[i]);
        if (redirect(n->redirs))
            exit(1);
        exec_command(w.v);
    }
    j->pgid = pid;
    if (interactive)
        setpgid(pid, pid);
    add_pid(j, pid);
    return foreground(j);
}

int run(struct node *n) {
    int r = 0;
    if (!n)
        return 0;
    if (returning || loop_break || loop_continue)
        return last_status;
    switch (n->kind) {
    case CMD:
        r = run_command(n);
        break;
    case SEQ:
        last_status = run(n->a);
        r = returning || loop_break || loop_continue ? last_status : run(n->b);
        break;
    case AND:
        r = last_status = run(n->a);
        if (!r)
            r = run(n->b);
        break;
    case OR:
        r = last_status = run(n->a);
        if (r)
            r = run(n->b);
        break;
    case NOT:
        r = !run(n->a);
        break;
    case PIPE:
        r = run_job(n, true);
        break;
    case BG:
        r = run_job(n->a, false);
        break;
    case SUBSHELL: {
        struct node *body = make(GROUP, n->a, NULL);
        body->redirs = n->redirs;
        r = run_job(body, true);
        break;
    }
    case GROUP:
    case IF:
    case WHILE:
    case UNTIL:
    case FOR:
    case CASE: {
        int save[3];
        for (int i = 0; i < 3; i++)
            save[i] = n->redirs ? fcntl(i, F_DUPFD_CLOEXEC, 10) : -1;
        if (redirect(n->redirs)) {
            r = 1;
        } else if (n->kind == GROUP) {
            r = run(n->a);
        } else if (n->kind == IF) {
            r = run(n->a) == 0 ? run(n->b) : n->c ? run(n->c) : 0;
        } else if (n->kind == WHILE || n->kind == UNTIL) {
            while ((run(n->a) == 0) == (n->kind == WHILE) && !returning && !loop_break) {
                r = last_status = run(n->b);
                loop_continue = 0;
                if (loop_break || returning || r == 128 + SIGINT)
                    break;
            }
            loop_break = 0;
        } else if (n->kind == FOR) {
            struct words w = {0};
            for (int i = 1; i < n->n; i++)
                expand(&w, n->words[i], true, true);
            for (int i = 0; i < w.n; i++) {
                setenv(n->words[0], w.v[i], 1);
                r = last_status = run(n->b);
                loop_continue = 0;
                if (loop_break || returning || r == 128 + SIGINT)
                    break;
            }
            loop_break = 0;
        } else {
            char *v = expand_one(n->words[0]);
            bool hit = false;
            for (struct node *arm = n->a; arm && !hit; arm = arm->a)
                for (int i = 0; i < arm->n && !hit; i++)
                    if ((hit = !fnmatch(expand_one(arm->words[i]), v, 0)))
                        r = run(arm->b);
        }
        fflush(stdout);
        for (int i = 0; i < 3; i++)
            if (save[i] >= 0)
                dup2(save[i], i), close(save[i]);
        break;
    }
    case FUNC: {
        struct func *f = need(malloc(sizeof(*f)));
        *f = (struct func){n->words[0], n->a, funcs};
        funcs = f;
    }
    }
    return last_status = r;
}
