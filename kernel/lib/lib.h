/* Strings, formatted text, sorting-free small things. Context: any; no locks. */
#pragma once
#include "list.h"
#include "types.h"

void *memset(void *d, int c, size_t n);
void *memcpy(void *restrict d, const void *restrict s, size_t n);
/* Whole pages of 4 KB: the floor of what a fault costs. */
void clear_page(void *page);
void copy_page(void *to, const void *from);
void *memmove(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
/* Copies at most n-1 bytes and always terminates. Returns strlen(s). */
size_t strlcpy(char *d, const char *s, size_t n);
/* Decimal, 0x hex or 0 octal; stops at the first other character and stores it in *end. */
u64 strtoul(const char *s, char **end, int base);
bool starts_with(const char *s, const char *prefix);

/* C's snprintf: %d %i %u %x %X %o %c %s %p with width, precision, flags "-0+ #", l ll z h. */
int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap);
int snprintf(char *buf, size_t n, const char *fmt, ...) __printf(3, 4);

/* The number of the lowest bit that is set; x is not 0. A multiplication by a de Bruijn sequence moves a
 * pattern to the top that only this bit gives: without Zbb the compiler's own is a call of 40 instructions.
 */
extern const u8 debruijn[64];
static inline u32 ctz64(u64 x) { return debruijn[(x & -x) * 0x03f79d71b4cb0a89UL >> 58]; }

/* CRC-32C of n bytes more, from `crc` on (~0 to begin with; not inverted at the end). */
u32 crc32c(u32 crc, const void *data, size_t n);
/* A byte stream of the generator behind /dev/urandom (ChaCha20, keyed at boot). */
void chacha20_block(const u32 key[8], u64 counter, u8 out[64]);
