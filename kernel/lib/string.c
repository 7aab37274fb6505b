/* Memory and string functions. memcpy and memset move 64 bytes a round where alignment allows:
 * page copies and clears are the floor of fork's and the fault's cost. */
#include "lib.h"
#include "../debug/kasan.h"

const u8 debruijn[64] = {0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,
                         62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5,
                         63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11,
                         46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6};

void *memset(void *d, int c, size_t n) {
    u8 *p = d;
    kasan_check(d, n, true);
    u64 w = (u8)c * 0x0101010101010101UL;
    while (n && ((u64)p & 7))
        *p++ = c, n--;
    u64 *q = (u64 *)p;
    for (; n >= 64; n -= 64, q += 8) {
        q[0] = w, q[1] = w, q[2] = w, q[3] = w;
        q[4] = w, q[5] = w, q[6] = w, q[7] = w;
    }
    for (; n >= 8; n -= 8)
        *q++ = w;
    for (p = (u8 *)q; n; n--)
        *p++ = c;
    return d;
}

void clear_page(void *page) {
    kasan_check(page, 4096, true);
    for (u64 *q = page, *end = q + 512; q < end; q += 128) {
#pragma GCC unroll 128
        for (int i = 0; i < 128; i++)
            q[i] = 0;
    }
}
void copy_page(void *to, const void *from) {
    kasan_check(to, 4096, true);
    kasan_check(from, 4096, false);
    const u64 *s = from;
    for (u64 *d = to, *end = d + 512; d < end; d += 128, s += 128) {
#pragma GCC unroll 16
        for (int i = 0; i < 128; i += 8) {
            u64 a = s[i], b = s[i + 1], c = s[i + 2], e = s[i + 3], f = s[i + 4], g = s[i + 5], h = s[i + 6],
                k = s[i + 7];
            d[i] = a, d[i + 1] = b, d[i + 2] = c, d[i + 3] = e, d[i + 4] = f, d[i + 5] = g, d[i + 6] = h,
            d[i + 7] = k;
        }
    }
}

void *memcpy(void *restrict d, const void *restrict s, size_t n) {
    u8 *p = d;
    const u8 *q = s;
    kasan_check(d, n, true);
    kasan_check(s, n, false);
    if ((((u64)p ^ (u64)q) & 7) == 0) {
        while (n && ((u64)p & 7))
            *p++ = *q++, n--;
        u64 *pw = (u64 *)p;
        const u64 *qw = (const u64 *)q;
        for (; n >= 64; n -= 64, pw += 8, qw += 8) {
            u64 a = qw[0], b = qw[1], c = qw[2], e = qw[3];
            u64 f = qw[4], g = qw[5], h = qw[6], i = qw[7];
            pw[0] = a, pw[1] = b, pw[2] = c, pw[3] = e;
            pw[4] = f, pw[5] = g, pw[6] = h, pw[7] = i;
        }
        for (; n >= 8; n -= 8)
            *pw++ = *qw++;
        p = (u8 *)pw;
        q = (const u8 *)qw;
    }
    while (n--)
        *p++ = *q++;
    return d;
}

void *memmove(void *d, const void *s, size_t n) {
    u8 *p = d;
    const u8 *q = s;
    kasan_check(d, n, true);
    kasan_check(s, n, false);
    if (p <= q || p >= q + n)
        return p + n <= q || p >= q + n ? memcpy(d, s, n) : ({
            while (n--)
                *p++ = *q++;
            d;
        });
    while (n--)
        p[n] = q[n];
    return d;
}

int memcmp(const void *a, const void *b, size_t n) {
    const u8 *p = a, *q = b;
    for (; n; n--, p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

size_t strlen(const char *s) {
    const char *p = s;
    while (*p)
        p++;
    return p - s;
}
size_t strnlen(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && s[i])
        i++;
    return i;
}
int strcmp(const char *a, const char *b) {
    while (*a && *a == *b)
        a++, b++;
    return (u8)*a - (u8)*b;
}
int strncmp(const char *a, const char *b, size_t n) {
    for (; n; n--, a++, b++)
        if (*a != *b || !*a)
            return (u8)*a - (u8)*b;
    return 0;
}
char *strchr(const char *s, int c) {
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (!*s)
            return NULL;
    }
}
char *strrchr(const char *s, int c) {
    const char *r = NULL;
    do
        if (*s == (char)c)
            r = s;
    while (*s++);
    return (char *)r;
}
size_t strlcpy(char *d, const char *s, size_t n) {
    size_t len = strlen(s);
    if (n) {
        size_t m = len < n - 1 ? len : n - 1;
        memcpy(d, s, m);
        d[m] = 0;
    }
    return len;
}
u64 strtoul(const char *s, char **end, int base) {
    u64 v = 0;
    if ((!base || base == 16) && s[0] == '0' && (s[1] | 32) == 'x')
        s += 2, base = 16;
    else if (!base)
        base = *s == '0' ? 8 : 10;
    for (;; s++) {
        int c = *s, d = c >= '0' && c <= '9'                 ? c - '0'
                        : (c | 32) >= 'a' && (c | 32) <= 'z' ? (c | 32) - 'a' + 10
                                                             : 99;
        if (d >= base)
            break;
        v = v * base + d;
    }
    if (end)
        *end = (char *)s;
    return v;
}
bool starts_with(const char *s, const char *prefix) { return !strncmp(s, prefix, strlen(prefix)); }
