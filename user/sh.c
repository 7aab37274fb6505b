/* sh: a shell. A line becomes words and operators, those a tree, and the tree is run. Interactive shells
 * give each pipeline a process group of its own, hand it the terminal, and keep a table of jobs. */
#include <tine.h>
#include <fnmatch.h>

/* --- the tree --- */
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
static bool interactive;
static int last_status, subst_status, loop_break, loop_continue, returning;
static pid_t shell_pgid, last_bg;
static struct job *jobs;
static char **args; /* $0, $1... */
static int nargs;
static struct func {
    char *name;
    struct node *body;
    struct func *next;
} * funcs;
static int run(struct node *n);
static int run_text(const char *text);

static void *need(void *p) {
    if (!p)
        die("out of memory");
    return p;
}
/* --- growing text --- */
struct text {
    char *s;
    size_t n, size;
};
static void put(struct text *t, char c) {
    if (t->n + 2 > t->size)
        t->s = need(realloc(t->s, t->size = t->size ? t->size * 2 : 32));
    t->s[t->n++] = c;
    t->s[t->n] = 0;
}
static void puts_to(struct text *t, const char *s) {
    while (*s)
        put(t, *s++);
}
static char *done(struct text *t) { return t->s ? t->s : need(strdup("")); }

/* --- words and operators --- */
static const char *src, *src_error;
static char *tok; /* the current token: an operator or a raw word */
static bool tok_op;
static struct redir *pending_here[8];
static int npending;

static void skip_quoted(const char **p, struct text *t);
static void skip_paren(const char **p, struct text *t) { /* after "(": to its match */
    for (int depth = 1; **p;) {
        char c = **p;
        if (c == '\'' || c == '"' || c == '\\') {
            skip_quoted(p, t);
            continue;
        }
        put(t, c);
        ++*p;
        depth += (c == '(') - (c == ')');
        if (!depth)
            return;
    }
    src_error = "unexpected end: ) is missing";
}
static void skip_quoted(const char **p, struct text *t) {
    char q = **p;
    put(t, *(*p)++);
    if (q == '\\') {
        if (**p)
            put(t, *(*p)++);
        return;
    }
    while (**p && **p != q) {
        if (q == '"' && **p == '\\' && (*p)[1])
            put(t, *(*p)++);
        else if (q == '"' && **p == '$' && (*p)[1] == '(') {
            put(t, *(*p)++);
            put(t, *(*p)++);
            skip_paren(p, t);
            continue;
        }
        put(t, *(*p)++);
    }
    if (!**p)
        src_error = "unexpected end: a quote is not closed";
    else
        put(t, *(*p)++);
}
static void read_here(void) {
    for (int i = 0; i < npending; i++) {
        struct text body = {0};
        while (*src) {
            size_t n = strcspn(src, "\n");
            bool end = n == strlen(pending_here[i]->word) && !strncmp(src, pending_here[i]->word, n);
            for (size_t k = 0; !end && k < n + (src[n] == '\n'); k++)
                put(&body, src[k]);
            src += n + (src[n] == '\n');
            if (end)
                break;
        }
        pending_here[i]->word = done(&body);
    }
    npending = 0;
}
static void next(void) {
    struct text t = {0};
    for (;;) {
        while (*src == ' ' || *src == '\t' || (*src == '\\' && src[1] == '\n'))
            src += 1 + (*src == '\\');
        if (*src != '#')
            break;
        src += strcspn(src, "\n");
    }
    tok_op = true;
    if (!*src) {
        tok = "";
        return;
    }
    static const char *const ops[] = {"&&", "||", ";;", ">>", "<<", ">&", "&>", "<&",
                                      "|",  "&",  ";",  "<",  ">",  "(",  ")",  "\n"};
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
        if (!strncmp(src, ops[i], strlen(ops[i]))) {
            tok = (char *)ops[i];
            src += strlen(tok);
            if (*tok == '\n' && npending)
                read_here();
            return;
        }
    tok_op = false;
    while (*src && !strchr(" \t\n|&;<>()", *src)) {
        if (*src == '\'' || *src == '"' || *src == '\\') {
            skip_quoted(&src, &t);
        } else if (*src == '$' && src[1] == '(') {
            put(&t, *src++);
            put(&t, *src++);
            skip_paren(&src, &t);
        } else if (*src == '$' && src[1] == '{') {
            while (*src && *src != '}')
                put(&t, *src++);
            if (*src)
                put(&t, *src++);
        } else if (*src == '`') {
            do
                put(&t, *src++);
            while (*src && *src != '`');
            if (*src)
                put(&t, *src++);
        } else {
            put(&t, *src++);
        }
    }
    tok = done(&t);
}
static bool is(const char *s) {
    return !strcmp(tok, s) && (tok_op || isalpha((unsigned char)*s) || strchr("{}!", *s));
}
static bool take(const char *s) {
    if (!is(s))
        return false;
    next();
    return true;
}
static void newlines(void) {
    while (tok_op && !strcmp(tok, "\n"))
        next();
}
static void expect(const char *s) {
    if (!take(s) && !src_error) {
        static char b[96];
        snprintf(b, sizeof(b), "syntax error near '%.30s': '%s' was expected",
                 *tok == '\n' ? "end of line"
                 : *tok       ? tok
                              : "end",
                 s);
        src_error = b;
    }
}
static struct node *make(enum kind k, struct node *a, struct node *b) {
    struct node *n = need(calloc(1, sizeof(*n)));
    n->kind = k, n->a = a, n->b = b;
    return n;
}
static struct node *parse_list(void);
static void add_word(struct node *n, char *w) {
    n->words = need(realloc(n->words, (n->n + 2) * sizeof(char *)));
    n->words[n->n++] = w;
    n->words[n->n] = NULL;
}
static bool parse_redir(struct node *n) {
    int fd = -1;
    const char *s = src;
    if (!tok_op) { /* "2" directly before > */
        if (strspn(tok, "0123456789") != strlen(tok) || (*src != '<' && *src != '>'))
            return false;
        fd = atoi(tok);
        next();
    }
    (void)s;
    static const struct {
        const char *op;
        int fd, flags, dup;
    } kinds[] = {{"<", 0, O_RDONLY, 0},
                 {">", 1, O_WRONLY | O_CREAT | O_TRUNC, 0},
                 {">>", 1, O_WRONLY | O_CREAT | O_APPEND, 0},
                 {">&", 1, 0, 1},
                 {"<&", 0, 0, 1},
                 {"&>", 1, O_WRONLY | O_CREAT | O_TRUNC, 2},
                 {"<<", 0, 0, -2}};
    for (size_t i = 0; tok_op && i < sizeof(kinds) / sizeof(*kinds); i++)
        if (!strcmp(tok, kinds[i].op)) {
            next();
            struct redir *r = need(calloc(1, sizeof(*r))), **p = &n->redirs;
            *r = (struct redir){fd < 0 ? kinds[i].fd : fd, kinds[i].flags, kinds[i].dup, tok, NULL};
            if (tok_op)
                src_error = "syntax error: a redirection names no file";
            else if (r->dup == -2 && npending < 8)
                pending_here[npending++] = r;
            while (*p)
                p = &(*p)->next;
            *p = r;
            if (!tok_op)
                next();
            return true;
        }
    return false;
}
static struct node *parse_if(void) {
    struct node *n = make(IF, parse_list(), NULL);
    expect("then");
    n->b = parse_list();
    if (take("elif"))
        n->c = parse_if();
    else {
        if (take("else"))
            n->c = parse_list();
        expect("fi");
    }
    return n;
}
static struct node *parse_command(void) {
    struct node *n = NULL;
    if (take("("))
        n = make(SUBSHELL, parse_list(), NULL), expect(")");
    else if (take("{"))
        n = make(GROUP, parse_list(), NULL), expect("}");
    else if (take("if"))
        n = parse_if();
    else if (is("while") || is("until")) {
        enum kind k = is("while") ? WHILE : UNTIL;
        next();
        n = make(k, parse_list(), NULL);
        expect("do");
        n->b = parse_list();
        expect("done");
    } else if (take("for")) {
        n = make(FOR, NULL, NULL);
        add_word(n, tok);
        next();
        newlines();
        if (take("in"))
            while (!tok_op)
                add_word(n, tok), next();
        else
            add_word(n, "\"$@\"");
        if (!take(";") && *tok != '\n')
            expect(";");
        newlines();
        expect("do");
        n->b = parse_list();
        expect("done");
    } else if (take("case")) {
        struct node **tail;
        n = make(CASE, NULL, NULL);
        add_word(n, tok);
        next();
        newlines();
        expect("in");
        newlines();
        for (tail = &n->a; !is("esac") && *tok && !src_error; newlines()) {
            struct node *arm = *tail = make(CASE, NULL, NULL);
            take("(");
            do
                add_word(arm, tok), next();
            while (take("|"));
            expect(")");
            arm->b = parse_list();
            tail = &arm->a;
            if (!take(";;"))
                break;
        }
        newlines();
        expect("esac");
    } else {
        n = make(CMD, NULL, NULL);
        while (!src_error) {
            if (parse_redir(n))
                continue;
            if (tok_op)
                break;
            add_word(n, tok);
            next();
            if (n->n == 1 && tok_op && !strcmp(tok, "(") && !n->redirs) {
                next();
                expect(")");
                newlines();
                n->kind = FUNC;
                n->a = parse_command();
                return n;
            }
        }
        if (!n->n && !n->redirs && !src_error) {
            static char b[64];
            snprintf(b, sizeof(b), "syntax error near '%.30s'",
                     *tok == '\n' ? "end of line"
                     : *tok       ? tok
                                  : "end");
            src_error = b;
        }
        return n;
    }
    while (!src_error && parse_redir(n))
        ;
    return n;
}
static struct node *parse_pipe(void) {
    bool not = take("!");
    struct node *n = parse_command();
    if (!src_error && take("|")) {
        newlines();
        n = make(PIPE, n, parse_pipe());
    }
    return not ? make(NOT, n, NULL) : n;
}
static struct node *parse_and_or(void) {
    struct node *n = parse_pipe();
    while (!src_error && (is("&&") || is("||"))) {
        enum kind k = is("&&") ? AND : OR;
        next();
        newlines();
        n = make(k, n, parse_pipe());
    }
    return n;
}
static bool list_ends(void) {
    static const char *const ends[] = {")", "}", ";;", "then", "elif", "else", "fi", "do", "done", "esac"};
    if (!*tok)
        return true;
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        if (is(ends[i]))
            return true;
    return false;
}
static struct node *parse_list(void) {
    struct node *list = NULL;
    newlines();
    while (!list_ends() && !src_error) {
        struct node *n = parse_and_or();
        if (!src_error && is("&")) {
            next();
            n = make(BG, n, NULL);
        } else if (!take(";") && *tok != '\n' && !list_ends() && !src_error) {
            expect(";");
        }
        newlines();
        list = list ? make(SEQ, list, n) : n;
    }
    return list;
}

/* --- expansion --- */
static char *capture(const char *cmd) {
    int p[2];
    struct text t = {0};
    if (pipe(p) < 0)
        return need(strdup(""));
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        interactive = false;
        dup2(p[1], 1);
        close(p[0]);
        close(p[1]);
        exit(run_text(cmd));
    }
    close(p[1]);
    char b[512];
    for (ssize_t n; (n = read(p[0], b, sizeof(b))) > 0;)
        for (ssize_t i = 0; i < n; i++)
            if (b[i])
                put(&t, b[i]);
    close(p[0]);
    int st;
    waitpid(pid, &st, 0);
    subst_status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
    while (t.n && t.s[t.n - 1] == '\n')
        t.s[--t.n] = 0;
    return done(&t);
}

/* Arithmetic: a small climbing parser over the text of $((...)). */
static const char *ap;
static long arith(int level);
static long arith_atom(void) {
    while (isspace((unsigned char)*ap))
        ap++;
    if (*ap == '(') {
        ap++;
        long v = arith(0);
        ap += *ap == ')';
        return v;
    }
    if (*ap == '-')
        return ap++, -arith_atom();
    if (*ap == '!')
        return ap++, !arith_atom();
    if (*ap == '$')
        ap++;
    if (isalpha((unsigned char)*ap) || *ap == '_') {
        char name[64];
        size_t n = 0;
        while ((isalnum((unsigned char)*ap) || *ap == '_') && n < 63)
            name[n++] = *ap++;
        name[n] = 0;
        const char *v = getenv(name);
        return v ? strtol(v, NULL, 0) : 0;
    }
    return strtol(ap, (char **)&ap, 0);
}
static long arith(int level) {
    static const char *const ops[][5] = {{"||"},     {"&&"},         {"==", "!="}, {"<=", ">=", "<", ">"},
                                         {"+", "-"}, {"*", "/", "%"}};
    if (level == 6)
        return arith_atom();
    long v = arith(level + 1);
    for (;;) {
        while (isspace((unsigned char)*ap))
            ap++;
        const char *op = NULL;
        for (int i = 0; i < 5 && ops[level][i] && !op; i++)
            if (!strncmp(ap, ops[level][i], strlen(ops[level][i])))
                op = ops[level][i];
        if (!op)
            return v;
        ap += strlen(op);
        long w = arith(level + 1);
        if ((*op == '/' || *op == '%') && !w) {
            warnx("division by zero");
            return 0;
        }
        v = !strcmp(op, "||")   ? v || w
            : !strcmp(op, "&&") ? v && w
            : !strcmp(op, "==") ? v == w
            : !strcmp(op, "!=") ? v != w
            : !strcmp(op, "<=") ? v <= w
            : !strcmp(op, ">=") ? v >= w
            : *op == '<'        ? v < w
            : *op == '>'        ? v > w
            : *op == '+'        ? v + w
            : *op == '-'        ? v - w
            : *op == '*'        ? v * w
            : *op == '/'        ? v / w
                                : v % w;
    }
}

struct words {
    char **v;
    int n;
};
static void add(struct words *w, char *s) {
    w->v = need(realloc(w->v, (w->n + 2) * sizeof(char *)));
    w->v[w->n++] = s;
    w->v[w->n] = NULL;
}
static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
/* Match pattern's components one by one below dir. */
static void glob(struct words *out, const char *dir, const char *pat) {
    char part[256];
    size_t n = strcspn(pat, "/");
    const char *rest = pat + n;
    while (*rest == '/')
        rest++;
    if (n >= sizeof(part))
        return;
    memcpy(part, pat, n);
    part[n] = 0;
    DIR *d = opendir(*dir ? dir : ".");
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        if ((e->d_name[0] == '.' && part[0] != '.') || fnmatch(part, e->d_name, 0))
            continue;
        char *full = *dir ? join(dir, e->d_name) : need(strdup(e->d_name));
        struct stat st;
        if (*rest && stat(full, &st) == 0 && S_ISDIR(st.st_mode))
            glob(out, full, rest);
        else if (!*rest && !pat[n])
            add(out, need(strdup(full)));
        free(full);
    }
    closedir(d);
}

/* One finished field: glob it if it has unquoted wildcards (marked by \1 before quoted ones). */
static void finish(struct words *out, struct text *t, bool any_quote, bool globs) {
    if (!t->n && !any_quote)
        return;
    bool wild = false;
    struct text plain = {0}, pat = {0};
    for (size_t i = 0; i < t->n; i++) {
        bool quoted = t->s[i] == 1;
        i += quoted;
        if (!quoted && strchr("*?[", t->s[i]))
            wild = true;
        put(&plain, t->s[i]);
        if (quoted && strchr("*?[\\", t->s[i]))
            put(&pat, '\\');
        put(&pat, t->s[i]);
    }
    int before = out->n;
    if (wild && globs) {
        const char *p = pat.s;
        while (*p == '/')
            p++;
        glob(out, p == pat.s ? "" : "/", p);
        qsort(out->v + before, out->n - before, sizeof(char *), by_name);
    }
    if (out->n == before)
        add(out, done(&plain));
    free(t->s);
    *t = (struct text){0};
}
static void put_quoted(struct text *t, char c) {
    put(t, 1);
    put(t, c);
}
static char *expand_one(const char *w);

/* The value of what follows a $; *p moves past it. */
static char *value_of(const char **p) {
    char name[64], num[24];
    size_t n = 0;
    if (**p == '(' && (*p)[1] == '(') {
        struct text t = {0};
        const char *end = strstr(*p, "))");
        for (*p += 2; end && *p < end; ++*p)
            put(&t, **p);
        if (end)
            *p = end + 2;
        char *e = expand_one(done(&t));
        ap = e;
        snprintf(num, sizeof(num), "%ld", arith(0));
        return need(strdup(num));
    }
    if (**p == '(') {
        struct text t = {0};
        ++*p;
        skip_paren(p, &t);
        t.s[--t.n] = 0;
        return capture(t.s);
    }
    bool brace = **p == '{';
    *p += brace;
    bool length = brace && **p == '#' && (*p)[1] != '}';
    *p += length;
    if (**p && strchr("?$!#@*-", **p))
        name[n++] = *(*p)++;
    else if (isdigit((unsigned char)**p))
        do
            name[n++] = *(*p)++;
        while (brace && isdigit((unsigned char)**p) && n < 8);
    else
        while ((isalnum((unsigned char)**p) || **p == '_') && n < sizeof(name) - 1)
            name[n++] = *(*p)++;
    name[n] = 0;
    const char *v = NULL;
    struct text all = {0};
    if (!n)
        return need(strdup(brace ? "" : "$"));
    switch (name[0]) {
    case '?':
        snprintf(num, sizeof(num), "%d", last_status), v = num;
        break;
    case '$':
        snprintf(num, sizeof(num), "%d", shell_pgid ? shell_pgid : getpid()), v = num;
        break;
    case '!':
        snprintf(num, sizeof(num), "%d", last_bg), v = num;
        break;
    case '#':
        snprintf(num, sizeof(num), "%d", nargs - 1), v = num;
        break;
    case '-':
        v = interactive ? "i" : "";
        break;
    case '@':
    case '*':
        for (int i = 1; i < nargs; i++) {
            if (i > 1)
                put(&all, ' ');
            puts_to(&all, args[i]);
        }
        v = done(&all);
        break;
    default:
        v = isdigit((unsigned char)name[0]) ? (atoi(name) < nargs ? args[atoi(name)] : NULL) : getenv(name);
    }
    char *result;
    if (length) {
        snprintf(num, sizeof(num), "%lu", (unsigned long)strlen(v ? v : ""));
        result = need(strdup(num));
        *p += **p == '}';
        return result;
    }
    result = need(strdup(v ? v : ""));
    if (brace) {
        bool colon = **p == ':';
        char op = (*p)[colon];
        if (op == '-' || op == '=' || op == '+' || op == '#' || op == '%') {
            struct text t = {0};
            for (*p += colon + 1; **p && **p != '}'; ++*p)
                put(&t, **p);
            char *arg = expand_one(done(&t));
            bool unset = !v || (colon && !*v);
            if (op == '+' ? !unset : unset && (op == '-' || op == '=')) {
                result = arg;
                if (op == '=')
                    setenv(name, arg, 1);
            } else if (op == '%' || op == '#') {
                size_t len = strlen(result);
                for (size_t i = 0; i <= len; i++) {
                    char *piece = op == '%' ? result + len - i : need(strdup(result));
                    if (op == '#')
                        piece[i] = 0;
                    if (!fnmatch(arg, piece, 0)) {
                        if (op == '%')
                            result[len - i] = 0;
                        else
                            result += i;
                        break;
                    }
                }
            }
        }
        while (**p && **p != '}')
            ++*p;
        *p += **p == '}';
    }
    return result;
}

static void expand(struct words *out, const char *w, bool split, bool globs) {
    struct text t = {0};
    bool quoted = false;
    char q = 0;
    if (*w == '~' && (!w[1] || w[1] == '/')) {
        const char *h = getenv("HOME");
        for (; h && *h; h++)
            put_quoted(&t, *h);
        w++;
    }
    while (*w) {
        char c = *w;
        if (q == '\'') {
            if (c == '\'')
                q = 0;
            else
                put_quoted(&t, c);
            w++;
        } else if (c == '\'' && !q) {
            q = c, quoted = true, w++;
        } else if (c == '"') {
            q = q ? 0 : '"', quoted = true, w++;
        } else if (c == '\\' && w[1]) {
            if (q && !strchr("$`\"\\\n", w[1]))
                put_quoted(&t, c);
            put_quoted(&t, w[1]);
            w += 2;
        } else if (c == '$' && q == '"' && w[1] == '@') { /* each argument a word */
            w += 2;
            for (int i = 1; i < nargs; i++) {
                for (const char *s = args[i]; *s; s++)
                    put_quoted(&t, *s);
                if (i + 1 < nargs && split)
                    finish(out, &t, true, false);
            }
            quoted = nargs > 1;
        } else if (c == '$' || c == '`') {
            char *v;
            w++;
            if (c == '$') {
                v = value_of(&w);
            } else {
                struct text cmd = {0};
                while (*w && *w != '`')
                    put(&cmd, *w++);
                w += *w == '`';
                v = capture(done(&cmd));
            }
            for (const char *s = v; *s; s++) {
                if (q)
                    put_quoted(&t, *s);
                else if (split && isspace((unsigned char)*s))
                    finish(out, &t, false, globs);
                else
                    put(&t, *s);
            }
            free(v);
        } else {
            if (q)
                put_quoted(&t, c);
            else
                put(&t, c);
            w++;
        }
    }
    finish(out, &t, quoted, globs);
}
static char *expand_one(const char *w) {
    struct words o = {0};
    expand(&o, w, false, false);
    return o.n ? o.v[0] : need(strdup(""));
}

/* --- jobs --- */
static struct job *new_job(const char *text) {
    struct job *j = need(calloc(1, sizeof(*j))), **p = &jobs;
    j->id = 1;
    for (; *p; p = &(*p)->next)
        if ((*p)->id >= j->id)
            j->id = (*p)->id + 1;
    j->text = need(strdup(text));
    *p = j;
    return j;
}
static void drop_job(struct job *j) {
    for (struct job **p = &jobs; *p; p = &(*p)->next)
        if (*p == j) {
            *p = j->next;
            free(j->pids);
            free(j->text);
            free(j);
            return;
        }
}
static void add_pid(struct job *j, pid_t pid) {
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
static int wait_job(struct job *j) {
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
static int foreground(struct job *j) {
    if (interactive)
        tcsetpgrp(0, j->pgid);
    int r = wait_job(j);
    if (interactive) {
        tcsetpgrp(0, shell_pgid);
    }
    return r;
}
static void report_jobs(bool all) {
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
static struct job *find_job(const char *s) {
    struct job *best = NULL;
    for (struct job *j = jobs; j; j = j->next)
        if (!s || j->id == atoi(s + (*s == '%')))
            best = j;
    return best;
}

/* --- running --- */
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

static int test_expr(char **v, int n);
static int builtin(int argc, char **argv, bool *was);
static void exec_command(char **argv) {
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
            save[i] = n->redirs && !is_exec ? fcntl(i, F_DUPFD_CLOEXEC, 50) : -1;
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
            }
        }
        fflush(stdout);
        for (int i = 0; i < 3; i++)
            if (save[i] >= 0)
                dup2(save[i], i), close(save[i]);
        return r;
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

static int run(struct node *n) {
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
            save[i] = n->redirs ? fcntl(i, F_DUPFD_CLOEXEC, 50) : -1;
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

/* Run commands as they are parsed, so that a later syntax error does not undo the earlier lines. */
static int run_text(const char *text) {
    const char *save = src, *save_err = src_error;
    char *save_tok = tok;
    bool save_op = tok_op;
    int r = 0;
    src = text;
    src_error = NULL;
    next();
    for (newlines(); *tok && !src_error; newlines()) {
        struct node *n = parse_and_or();
        if (!src_error && take("&"))
            n = make(BG, n, NULL);
        else if (!src_error && !take(";") && *tok && *tok != '\n')
            expect(";");
        if (src_error)
            break;
        if (*tok == '\n' && npending)
            read_here();
        const char *at = src;
        char *t = tok;
        bool op = tok_op;
        r = run(n);
        src = at, tok = t, tok_op = op;
        if (returning)
            break;
    }
    if (src_error) {
        warnx("%s", src_error);
        r = last_status = 2;
    }
    src = save, src_error = save_err, tok = save_tok, tok_op = save_op;
    return r;
}

/* --- built-in commands --- */
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
static int test_expr(char **v, int n) { /* 0 true, 1 false, 2 error */
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
static char *history[200];
static int nhistory;
static int do_ulimit(int argc, char **argv) {
    static const struct {
        char c;
        int res, unit;
        const char *name;
    } lims[] = {{'c', RLIMIT_CORE, 512, "core file size (blocks)"},
                {'f', RLIMIT_FSIZE, 512, "file size (blocks)"},
                {'n', RLIMIT_NOFILE, 1, "open files"},
                {'s', RLIMIT_STACK, 1024, "stack size (kbytes)"},
                {'u', RLIMIT_NPROC, 1, "processes"},
                {'v', RLIMIT_AS, 1024, "virtual memory (kbytes)"}};
    char c = argc > 1 && argv[1][0] == '-' ? argv[1][1] : 'f';
    struct rlimit r;
    for (size_t i = 0; i < 6; i++) {
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
static int builtin(int argc, char **argv, bool *was) {
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
            if (j && j->stopped && sig != SIGCONT)
                kill(-j->pgid, SIGCONT);
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

/* --- the line editor --- */
static char line[4096];
static size_t len, pos;
static void show(const char *prompt) {
    struct winsize ws = {24, 80, 0, 0};
    ioctl(0, TIOCGWINSZ, &ws);
    size_t width = ws.ws_col > 20 ? ws.ws_col : 80, plen = strlen(prompt), room = width - plen - 1;
    size_t from = pos > room ? pos - room : 0, n = len - from > room ? room : len - from;
    char b[5000];
    int k = snprintf(b, sizeof(b), "\r%s%.*s\033[K\r\033[%luC", prompt, (int)n, line + from,
                     (unsigned long)(plen + pos - from));
    write(1, b, k);
}
static void insert(char c) {
    if (len >= sizeof(line) - 2)
        return;
    memmove(line + pos + 1, line + pos, len - pos);
    line[pos++] = c;
    len++;
}
static void erase(size_t from, size_t to) {
    memmove(line + from, line + to, len - to);
    len -= to - from;
    pos = from;
}
static void complete(const char *prompt) {
    size_t start = pos;
    while (start && line[start - 1] != ' ' && line[start - 1] != '|' && line[start - 1] != ';')
        start--;
    char word[256];
    snprintf(word, sizeof(word), "%.*s", (int)(pos - start), line + start);
    char *slash = strrchr(word, '/');
    bool cmd = !start && !slash;
    struct words m = {0};
    char dir[256];
    snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - word) + 1 : 0, word);
    const char *stem = slash ? slash + 1 : word;
    const char *path = cmd ? getenv("PATH") : NULL;
    for (const char *p = path ? path : *dir ? dir : "."; *p;) {
        size_t n = path ? strcspn(p, ":") : strlen(p);
        char d[256];
        snprintf(d, sizeof(d), "%.*s", (int)n, p);
        DIR *h = opendir(d);
        for (struct dirent *e; h && (e = readdir(h));)
            if (!strncmp(e->d_name, stem, strlen(stem)) && (e->d_name[0] != '.' || stem[0] == '.')) {
                char name[300];
                snprintf(name, sizeof(name), "%s%s", e->d_name, e->d_type == DT_DIR ? "/" : "");
                add(&m, need(strdup(name)));
            }
        if (h)
            closedir(h);
        p += n + (path && p[n] == ':');
    }
    if (!m.n)
        return;
    qsort(m.v, m.n, sizeof(char *), by_name);
    size_t common = strlen(m.v[0]);
    for (int i = 1; i < m.n; i++) {
        size_t k = 0;
        while (k < common && m.v[i][k] == m.v[0][k])
            k++;
        common = k;
    }
    for (size_t i = strlen(stem); i < common; i++)
        insert(m.v[0][i]);
    if (m.n == 1 && m.v[0][common - 1] != '/')
        insert(' ');
    if (m.n > 1 && common == strlen(stem)) {
        write(1, "\n", 1);
        for (int i = 0; i < m.n; i++)
            printf("%s%s", m.v[i], i + 1 < m.n ? "  " : "\n");
        fflush(stdout);
    }
    show(prompt);
}
/* 1: a line; 0: end of input; -1: given up with ^C. */
static int edit(const char *prompt) {
    struct abi_termios old, raw;
    if (tcgetattr(0, &old) < 0)
        return 0;
    raw = old;
    raw.c_lflag &= ~(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~IXON;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(0, 1, &raw);
    len = pos = 0;
    int at = nhistory, r = 1;
    write(1, prompt, strlen(prompt));
    for (;;) {
        char c;
        ssize_t n = read(0, &c, 1);
        if (n <= 0) {
            r = n < 0 && errno == EINTR ? -1 : 0;
            break;
        }
        if (c == '\r' || c == '\n')
            break;
        if (c == 3) {
            write(1, "^C", 2);
            r = -1;
            break;
        }
        if (c == 4 && !len) {
            r = 0;
            break;
        }
        int move = 0;
        switch (c) {
        case 1:
            pos = 0;
            break;
        case 5:
            pos = len;
            break;
        case 2:
            pos -= pos > 0;
            break;
        case 6:
            pos += pos < len;
            break;
        case 4:
            if (pos < len)
                erase(pos, pos + 1);
            break;
        case 8:
        case 127:
            if (pos)
                erase(pos - 1, pos);
            break;
        case 11:
            len = pos;
            break;
        case 21:
            erase(0, pos);
            break;
        case 23: {
            size_t p = pos;
            while (p && line[p - 1] == ' ')
                p--;
            while (p && line[p - 1] != ' ')
                p--;
            erase(p, pos);
            break;
        }
        case 12:
            write(1, "\033[H\033[2J", 7);
            break;
        case 9:
            complete(prompt);
            continue;
        case 16:
            move = -1;
            break;
        case 14:
            move = 1;
            break;
        case 27: {
            char s[3] = {0};
            if (read(0, s, 1) != 1 || (s[0] != '[' && s[0] != 'O') || read(0, s + 1, 1) != 1)
                break;
            if (isdigit((unsigned char)s[1]))
                read(0, s + 2, 1);
            if (s[1] == 'A')
                move = -1;
            else if (s[1] == 'B')
                move = 1;
            else if (s[1] == 'C')
                pos += pos < len;
            else if (s[1] == 'D')
                pos -= pos > 0;
            else if (s[1] == 'H' || s[1] == '1')
                pos = 0;
            else if (s[1] == 'F' || s[1] == '4')
                pos = len;
            else if (s[1] == '3' && pos < len)
                erase(pos, pos + 1);
            break;
        }
        default:
            if ((unsigned char)c >= 32) {
                insert(c);
                if (pos == len && len + strlen(prompt) < 70) { /* typing at the end: just echo */
                    write(1, &c, 1);
                    continue;
                }
            }
        }
        if (move && at + move >= 0 && at + move <= nhistory) {
            at += move;
            len = pos = at < nhistory ? strlcpy(line, history[at], sizeof(line) - 1) : 0;
        }
        show(prompt);
    }
    write(1, "\n", 1);
    tcsetattr(0, 1, &old);
    line[len] = 0;
    return r;
}
static void remember(const char *s) {
    if (!*s || (nhistory && !strcmp(history[nhistory - 1], s)))
        return;
    if (nhistory == 200) {
        free(history[0]);
        memmove(history, history + 1, 199 * sizeof(char *));
        nhistory--;
    }
    history[nhistory++] = need(strdup(s));
}
static bool incomplete(const char *text) {
    const char *save = src;
    src = text;
    src_error = NULL;
    npending = 0;
    next();
    parse_list();
    bool r = (src_error && !*tok && !*src) || npending;
    npending = 0;
    src = save;
    src_error = NULL;
    return r;
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
