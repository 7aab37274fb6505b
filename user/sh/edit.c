/* sh: the line editor, history, completion. */
#include "sh.h"

char line[4096];
size_t len, pos;
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
int edit(const char *prompt) {
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
void remember(const char *s) {
    if (!*s || (nhistory && !strcmp(history[nhistory - 1], s)))
        return;
    if (nhistory == 200) {
        free(history[0]);
        memmove(history, history + 1, 199 * sizeof(char *));
        nhistory--;
    }
    history[nhistory++] = need(strdup(s));
}
