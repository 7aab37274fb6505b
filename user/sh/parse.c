/* sh: growing text; words and operators, and the tree they make. */
#include "sh.h"

void put(struct text *t, char c) {
    if (t->n + 2 > t->size)
        t->s = need(realloc(t->s, t->size = t->size ? t->size * 2 : 32));
    t->s[t->n++] = c;
    t->s[t->n] = 0;
}
void puts_to(struct text *t, const char *s) {
    while (*s)
        put(t, *s++);
}
char *done(struct text *t) { return t->s ? t->s : need(strdup("")); }

/* --- words and operators --- */
static const char *src, *src_error;
static char *tok; /* the current token: an operator or a raw word */
static bool tok_op;
static struct redir *pending_here[8];
static int npending;

static void skip_quoted(const char **p, struct text *t);
void skip_paren(const char **p, struct text *t) { /* after "(": to its match */
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
static struct node *parse_list(void);
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
struct node *make(enum kind k, struct node *a, struct node *b) {
    struct node *n = need(calloc(1, sizeof(*n)));
    n->kind = k, n->a = a, n->b = b;
    return n;
}
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

bool incomplete(const char *text) {
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

/* Run commands as they are parsed, so that a later syntax error does not undo the earlier lines. */
int run_text(const char *text) {
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
