/* A program's beginning and end: the thread-local block, the standard streams, main, exit.
 *
 * Of the libc this uses what it documents: FDEV_SETUP_STREAM makes a stream of two functions, and stdin,
 * stdout and stderr are the program's to define. The rest comes from the kernel: the auxiliary vector says
 * where the program headers are, and PT_TLS among them where the initial thread-local data are. */
#include "lib.h"
#include <abi/elf.h>

char **environ;
const char *program = "?";

/* --- streams --- */
static struct {
    char buf[4096];
    size_t n;
    bool lines; /* a terminal: written at each end of a line */
    int error;  /* errno of the first write that failed */
} out;
static struct {
    unsigned char buf[4096];
    size_t n, at;
} in;

static int out_flush(FILE *f) {
    (void)f;
    size_t done = 0;
    for (ssize_t r; done < out.n; done += r)
        if ((r = write(1, out.buf + done, out.n - done)) < 0) {
            if (!out.error)
                out.error = errno;
            out.n = 0;
            return EOF;
        }
    out.n = 0;
    return 0;
}
static int out_put(char c, FILE *f) {
    out.buf[out.n++] = c;
    if (out.n == sizeof(out.buf) || (out.lines && c == '\n'))
        return out_flush(f) ? EOF : (unsigned char)c;
    return (unsigned char)c;
}
static int in_get(FILE *f) {
    (void)f;
    if (in.at == in.n) {
        ssize_t r = read(0, in.buf, sizeof(in.buf));
        in.at = 0;
        in.n = r > 0 ? r : 0;
        if (r <= 0)
            return r ? _FDEV_ERR : _FDEV_EOF;
    }
    return in.buf[in.at++];
}
static int err_put(char c, FILE *f) {
    (void)f;
    return write(2, &c, 1) == 1 ? (unsigned char)c : EOF;
}
static FILE in_f = FDEV_SETUP_STREAM(NULL, in_get, NULL, _FDEV_SETUP_READ),
            out_f = FDEV_SETUP_STREAM(out_put, NULL, out_flush, _FDEV_SETUP_WRITE),
            err_f = FDEV_SETUP_STREAM(err_put, NULL, NULL, _FDEV_SETUP_WRITE);
FILE *const stdin = &in_f, *const stdout = &out_f, *const stderr = &err_f;

int stdout_failed(void) {
    fflush(stdout);
    int e = out.error;
    out.error = 0;
    return e;
}

/* --- thread-local data --- */
struct tls {
    const void *image;
    size_t filled, size, align;
};
static struct tls tls;
static _Alignas(64) char main_block[512];

size_t tls_size(void) { return tls.size; }
size_t tls_align(void) { return tls.align; }
void init_tls(void *block) {
    memcpy(block, tls.image, tls.filled);
    memset((char *)block + tls.filled, 0, tls.size - tls.filled);
}
/* No call of the libc before tp points at the block: it may hold errno and more. */
static void find_tls(const unsigned long *auxv) {
    const unsigned char *ph = NULL;
    unsigned long n = 0, entry = 0;
    for (; auxv[0] != AT_NULL; auxv += 2) {
        if (auxv[0] == AT_PHDR)
            ph = (const unsigned char *)auxv[1];
        else if (auxv[0] == AT_PHNUM)
            n = auxv[1];
        else if (auxv[0] == AT_PHENT)
            entry = auxv[1];
    }
    tls.align = 16;
    for (; ph && n; n--, ph += entry) {
        const Elf64_Phdr *p = (const void *)ph;
        if (p->p_type == PT_TLS) {
            tls = (struct tls){(const void *)p->p_vaddr, p->p_filesz, p->p_memsz, p->p_align};
            return;
        }
    }
}

/* --- the beginning and the end --- */
extern void (*const __init_array_start[])(void), (*const __init_array_end[])(void);
extern void (*const __fini_array_start[])(void), (*const __fini_array_end[])(void);
int main(int argc, char **argv, char **env);
void start_c(long *sp) {
    char **argv = (char **)(sp + 1), **env = argv + *sp + 1, **end = env;
    while (*end)
        end++;
    find_tls((const unsigned long *)(end + 1));
    char *block = main_block;
    if (tls.size > sizeof(main_block) || tls.align > _Alignof(main_block)) {
        static const char wrong[] = "this program's thread-local data are too large\n";
        syscall_raw(SYS_write, 2, (long)wrong, sizeof(wrong) - 1, 0, 0, 0);
        syscall_raw(SYS_exit_group, 127, 0, 0, 0, 0, 0);
    }
    /* By hand: a library's memcpy may not count on anything yet, but this is the ABI's own rule. */
    asm volatile("mv tp, %0" ::"r"(block));
    init_tls(block);
    environ = env;
    if (*sp)
        program = base_name(argv[0]);
    out.lines = isatty(1);
    for (void (*const *f)(void) = __init_array_start; f < __init_array_end; f++)
        (*f)();
    exit(main(*sp, argv, environ));
}
void exit(int status) {
    for (void (*const *f)(void) = __fini_array_end; f > __fini_array_start;)
        (*--f)();
    int e = stdout_failed();
    if (e && e != EPIPE) { /* what was printed and could not be written is no success */
        errno = e;
        warn("write error");
        _exit(1);
    }
    _exit(status);
}
