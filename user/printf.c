/* printf: formatted text; the format is used again while arguments are left. */
#include <tine.h>

static char *escape(char *s) {
    static const char from[] = "ntrabfv\\0", to[] = "\n\t\r\a\b\f\v\\\0";
    const char *f = s[1] ? strchr(from, s[1]) : NULL;
    putchar(f ? to[f - from] : '\\');
    return s + (f ? 1 : 0);
}
int main(int argc, char **argv) {
    if (argc < 2 || !strcmp(argv[1], "--help")) {
        printf("usage: printf FORMAT [ARG...]\n");
        return argc < 2 ? 2 : 0;
    }
    int a = 2, before;
    do {
        before = a;
        for (char *s = argv[1]; *s; s++) {
            if (*s == '\\') {
                s = escape(s);
            } else if (*s != '%') {
                putchar(*s);
            } else if (s[1] == '%') {
                putchar(*s++);
            } else {
                char spec[32];
                size_t n = strcspn(s + 1, "diouxXcsfgeb") + 2;
                if (n > 24 || !s[n - 1])
                    return warnx("bad format"), 1;
                char conv = s[n - 1], *arg = a < argc ? argv[a++] : NULL;
                snprintf(spec, sizeof(spec), "%.*s%s%c", (int)n - 1, s, strchr("diouxX", conv) ? "l" : "",
                         conv);
                if (conv == 's' || conv == 'b')
                    printf(spec, arg ? arg : "");
                else if (conv == 'c')
                    printf(spec, arg ? arg[0] : 0);
                else if (strchr("fge", conv))
                    printf(spec, arg ? strtod(arg, NULL) : 0.0);
                else
                    printf(spec, arg ? (arg[0] == '\'' ? (long)arg[1] : strtol(arg, NULL, 0)) : 0L);
                s += n - 1;
            }
        }
    } while (a < argc && a > before);
    return 0;
}
