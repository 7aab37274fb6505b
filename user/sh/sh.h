/* sh, inside: parse.c makes a tree of text, expand.c words of words, run.c runs, jobs.c knows what runs. */
#pragma once
#include <tine.h>

/* A command as parsed. */
enum kind { CMD, PIPE, AND, OR, SEQ, BG, SUBSHELL, GROUP, IF, WHILE, UNTIL, FOR, CASE, NOT, FUNC };
struct redir {
    int fd, flags, dup; /* dup: the word names a descriptor; -2: here text */
    char *word;
    struct redir *next;
};
struct node {
    enum kind kind;
    struct node *a, *b, *c;
    char **words; /* CMD, FOR, CASE's patterns; not expanded yet */
    int n;
    struct redir *redirs;
};
struct job {
    int id, n, alive;
    pid_t pgid, *pids;
    int status;
    bool stopped, told;
    char *text;
    struct job *next;
};

extern bool interactive;
extern int last_status;                          /* $? */
extern int subst_status;                         /* of the last $(...) of a command; -1: there was none */
extern int loop_break, loop_continue, returning; /* levels still to leave; return was said */
extern pid_t shell_pgid, last_bg;
extern struct job *jobs;
extern char **args; /* $0, $1... */
extern int nargs;
void *need(void *p); /* p, or the shell ends: out of memory */

/* parse.c */
struct text {
    char *s;
    size_t n, size;
};
void put(struct text *t, char c);
void puts_to(struct text *t, const char *s);
char *done(struct text *t);                      /* the text, never NULL; the caller's to free */
void skip_paren(const char **p, struct text *t); /* copy up to the closing parenthesis of $( */
struct node *make(enum kind k, struct node *a, struct node *b);
bool incomplete(const char *s); /* more lines must follow s */
int run_text(const char *text); /* parse and run; the status */

/* expand.c */
struct words {
    char **v;
    int n;
};
void add(struct words *w, char *s);
int by_name(const void *a, const void *b);
void expand(struct words *out, const char *w, bool split, bool globs);
char *expand_one(const char *w); /* without splitting into fields */

/* jobs.c */
struct job *new_job(const char *text);
void drop_job(struct job *j);
void add_pid(struct job *j, pid_t pid);
int wait_job(struct job *j);   /* until it ends or stops; its status */
int foreground(struct job *j); /* give it the terminal, wait, take the terminal back */
void report_jobs(bool all);
struct job *find_job(const char *s); /* %1, %+, a pid; NULL: none */

/* run.c */
int run(struct node *n);
void exec_command(char **argv); /* does not return */

/* builtin.c */
int builtin(int argc, char **argv, bool *was); /* *was: argv[0] is one */

/* edit.c */
extern char line[4096]; /* what edit read */
extern char *history[200];
extern int nhistory;
int edit(const char *prompt); /* 1: a line; 0: end of file; -1: interrupted */
void remember(const char *s); /* add to the history */
