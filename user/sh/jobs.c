/* sh: the table of jobs. */
#include "sh.h"

struct job *new_job(const char *text) {
    struct job *j = need(calloc(1, sizeof(*j))), **p = &jobs;
    j->id = 1;
    for (; *p; p = &(*p)->next)
        if ((*p)->id >= j->id)
            j->id = (*p)->id + 1;
    j->text = need(strdup(text));
    *p = j;
    return j;
}
void drop_job(struct job *j) {
    for (struct job **p = &jobs; *p; p = &(*p)->next)
        if (*p == j) {
            *p = j->next;
            free(j->pids);
            free(j->text);
            free(j);
            return;
        }
}
void add_pid(struct job *j, pid_t pid) {
    j->pids = need(realloc(j->pids, (j->n + 1) * sizeof(pid_t)));
    j->pids[j->n++] = pid;
    j->alive++;
}
static void note(pid_t pid, int st) {
    for (struct job *j = jobs; j; j = j->next)
        for (int i = 0; i < j->n; i++)
            if (j->pids[i] == pid) {
                if (WIFSTOPPED(st)) {
                    j->stopped = true;
                    j->told = false;
                    j->status = 128 + WSTOPSIG(st);
                } else if (WIFCONTINUED(st)) {
                    j->stopped = false;
                } else {
                    j->alive--;
                    if (i == j->n - 1)
                        j->status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
                    if (WIFSIGNALED(st) && interactive && WTERMSIG(st) != SIGINT && WTERMSIG(st) != SIGPIPE)
                        fprintf(stderr, "%s: killed by SIG%s\n", j->text, signal_name(WTERMSIG(st)));
                    else if (WIFSIGNALED(st) && WTERMSIG(st) == SIGINT && interactive)
                        fputs("\n", stderr);
                }
                return;
            }
}
int wait_job(struct job *j) {
    int st;
    while (j->alive && !j->stopped) {
        pid_t pid = waitpid(-1, &st, WUNTRACED);
        if (pid > 0)
            note(pid, st);
        else if (errno != EINTR)
            break;
    }
    int r = j->status;
    if (j->stopped) {
        fprintf(stderr, "\n[%d] stopped  %s\n", j->id, j->text);
        j->told = true;
    } else {
        drop_job(j);
    }
    return r;
}
int foreground(struct job *j) {
    if (interactive)
        tcsetpgrp(0, j->pgid);
    int r = wait_job(j);
    if (interactive) {
        tcsetpgrp(0, shell_pgid);
    }
    return r;
}
void report_jobs(bool all) {
    int st;
    pid_t pid;
    while ((pid = waitpid(-1, &st, WNOHANG | WUNTRACED | WCONTINUED)) > 0)
        note(pid, st);
    for (struct job *j = jobs, *n; j; j = n) {
        n = j->next;
        if (all || !j->alive || (j->stopped && !j->told)) {
            if (all || interactive)
                fprintf(all ? stdout : stderr, "[%d] %s  %s\n", j->id,
                        !j->alive    ? "done"
                        : j->stopped ? "stopped"
                                     : "running",
                        j->text);
            j->told = true;
        }
        if (!j->alive)
            drop_job(j);
    }
}
struct job *find_job(const char *s) {
    struct job *best = NULL;
    for (struct job *j = jobs; j; j = j->next)
        if (!s || j->id == atoi(s + (*s == '%')))
            best = j;
    return best;
}
