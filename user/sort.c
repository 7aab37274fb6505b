/* sort: lines in order; -r reversed, -n by number, -u each once. */
#include <tine.h>

static bool numeric, reverse;
static int compare(const void *a, const void *b) {
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    int r = 0;
    if (numeric) {
        double p = strtod(x, NULL), q = strtod(y, NULL);
        r = p < q ? -1 : p > q;
    }
    if (!r)
        r = strcmp(x, y);
    return reverse ? -r : r;
}
int main(int argc, char **argv) {
    int c, n = 0, size = 0;
    bool unique = false;
    char **v = NULL;
    while ((c = options(argc, argv, "rnu", "sort [-rnu] [FILE...]")) != -1)
        reverse |= c == 'r', numeric |= c == 'n', unique |= c == 'u';
    for (int i = optind; i < argc || i == optind; i++) {
        char *s = slurp(i < argc ? argv[i] : "-", NULL);
        if (!s)
            die("%s", argv[i]);
        while (*s) {
            if (n == size && !(v = realloc(v, (size = size ? size * 2 : 256) * sizeof(*v))))
                die("%d lines", n);
            v[n++] = s;
            s += strcspn(s, "\n");
            if (*s)
                *s++ = 0;
        }
    }
    qsort(v, n, sizeof(*v), compare);
    for (int i = 0; i < n; i++)
        if (!unique || !i || strcmp(v[i], v[i - 1]))
            puts(v[i]);
    return 0;
}
