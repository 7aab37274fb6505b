/* Formatted text into a bounded buffer. */
#include "lib.h"

struct out {
    char *buf;
    size_t n, len;
};

static void put(struct out *o, char c) {
    if (o->len + 1 < o->n)
        o->buf[o->len] = c;
    o->len++;
}

static void put_padded(struct out *o, const char *s, size_t len, int width, bool left, char pad) {
    int fill = width > (int)len ? width - (int)len : 0;
    while (!left && fill-- > 0)
        put(o, pad);
    for (size_t i = 0; i < len; i++)
        put(o, s[i]);
    while (left && fill-- > 0)
        put(o, ' ');
}

static void put_number(struct out *o, u64 v, int base, const char *prefix, int width, int prec, bool left,
                       bool zero, bool upper) {
    char digits[24], text[64];
    int n = 0, t = 0;
    while (v)
        digits[n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base], v /= base;
    if (prec < 0)
        prec = 1;
    int plen = strlen(prefix);
    if (zero && !left && width - plen > prec)
        prec = width - plen;
    while (*prefix)
        text[t++] = *prefix++;
    for (int i = prec > 40 ? 40 : prec; i > n; i--)
        text[t++] = '0';
    while (n)
        text[t++] = digits[--n];
    put_padded(o, text, t, width, left, ' ');
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) {
    struct out o = {buf, size, 0};
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put(&o, *fmt);
            continue;
        }
        bool left = false, zero = false, alt = false;
        const char *sign = "";
        int width = 0, prec = -1, longs = 0;
        for (fmt++;; fmt++) {
            if (*fmt == '-')
                left = true;
            else if (*fmt == '0')
                zero = true;
            else if (*fmt == '#')
                alt = true;
            else if (*fmt == '+')
                sign = "+";
            else if (*fmt == ' ')
                sign = " ";
            else
                break;
        }
        if (*fmt == '*') {
            width = va_arg(ap, int), fmt++;
            if (width < 0)
                left = true, width = -width;
        } else
            while (*fmt >= '0' && *fmt <= '9')
                width = width * 10 + *fmt++ - '0';
        if (*fmt == '.') {
            prec = 0;
            if (*++fmt == '*')
                prec = va_arg(ap, int), fmt++;
            else
                while (*fmt >= '0' && *fmt <= '9')
                    prec = prec * 10 + *fmt++ - '0';
        }
        while (*fmt == 'l' || *fmt == 'z' || *fmt == 'h')
            longs += *fmt++ != 'h';
        switch (*fmt) {
        case 'd':
        case 'i': {
            s64 v = longs ? va_arg(ap, s64) : va_arg(ap, int);
            put_number(&o, v < 0 ? -(u64)v : (u64)v, 10, v < 0 ? "-" : sign, width, prec, left, zero, false);
            break;
        }
        case 'u':
        case 'x':
        case 'X':
        case 'o': {
            u64 v = longs ? va_arg(ap, u64) : va_arg(ap, u32);
            int base = *fmt == 'u' ? 10 : *fmt == 'o' ? 8 : 16;
            put_number(&o, v, base,
                       alt && v ? (base == 8    ? "0"
                                   : base == 16 ? "0x"
                                                : "")
                                : "",
                       width, prec, left, zero, *fmt == 'X');
            break;
        }
        case 'p':
            put_number(&o, va_arg(ap, u64), 16, "0x", width, -1, left, zero, false);
            break;
        case 'c': {
            char c = va_arg(ap, int);
            put_padded(&o, &c, 1, width, left, ' ');
            break;
        }
        case 's': {
            const char *s = va_arg(ap, const char *);
            if (!s)
                s = "(null)";
            put_padded(&o, s, prec < 0 ? strlen(s) : strnlen(s, prec), width, left, ' ');
            break;
        }
        case '%':
            put(&o, '%');
            break;
        default:
            put(&o, '%');
            if (!*fmt)
                goto done;
            put(&o, *fmt);
        }
    }
done:
    if (size)
        buf[o.len < size ? o.len : size - 1] = 0;
    return o.len;
}

int snprintf(char *buf, size_t n, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int r = vsnprintf(buf, n, fmt, ap);
    va_end(ap);
    return r;
}
