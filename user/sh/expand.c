/* sh: expansion: tildes, parameters, commands, arithmetic, fields, globs. */
#include "sh.h"

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

void add(struct words *w, char *s) {
    w->v = need(realloc(w->v, (w->n + 2) * sizeof(char *)));
    w->v[w->n++] = s;
    w->v[w->n] = NULL;
}
int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
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

void expand(struct words *out, const char *w, bool split, bool globs) {
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
char *expand_one(const char *w) {
    struct words o = {0};
    expand(&o, w, false, false);
    return o.n ? o.v[0] : need(strdup(""));
}
