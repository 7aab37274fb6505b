/* Helpers that tine's programs share. */
#include <tine.h>

static const char *const errors[] = {[EPERM] = "Operation not permitted",
                                     [ENOENT] = "No such file or directory",
                                     [ESRCH] = "No such process",
                                     [EINTR] = "Interrupted system call",
                                     [EIO] = "Input/output error",
                                     [ENXIO] = "No such device or address",
                                     [E2BIG] = "Argument list too long",
                                     [ENOEXEC] = "Exec format error",
                                     [EBADF] = "Bad file descriptor",
                                     [ECHILD] = "No child processes",
                                     [EAGAIN] = "Resource temporarily unavailable",
                                     [ENOMEM] = "Cannot allocate memory",
                                     [EACCES] = "Permission denied",
                                     [EFAULT] = "Bad address",
                                     [ENOTBLK] = "Block device required",
                                     [EBUSY] = "Device or resource busy",
                                     [EEXIST] = "File exists",
                                     [EXDEV] = "Invalid cross-device link",
                                     [ENODEV] = "No such device",
                                     [ENOTDIR] = "Not a directory",
                                     [EISDIR] = "Is a directory",
                                     [EINVAL] = "Invalid argument",
                                     [ENFILE] = "Too many open files in system",
                                     [EMFILE] = "Too many open files",
                                     [ENOTTY] = "Inappropriate ioctl for device",
                                     [ETXTBSY] = "Text file busy",
                                     [EFBIG] = "File too large",
                                     [ENOSPC] = "No space left on device",
                                     [ESPIPE] = "Illegal seek",
                                     [EROFS] = "Read-only file system",
                                     [EMLINK] = "Too many links",
                                     [EPIPE] = "Broken pipe",
                                     [EDOM] = "Argument out of domain",
                                     [ERANGE] = "Result out of range",
                                     [EDEADLK] = "Resource deadlock avoided",
                                     [ENAMETOOLONG] = "File name too long",
                                     [ENOLCK] = "No locks available",
                                     [ENOSYS] = "Function not implemented",
                                     [ENOTEMPTY] = "Directory not empty",
                                     [ELOOP] = "Too many levels of symbolic links"};
char *strerror(int e) {
    static char other[32];
    if (e == 0)
        return "Success";
    if (e > 0 && e < (int)(sizeof(errors) / sizeof(*errors)) && errors[e])
        return (char *)errors[e];
    snprintf(other, sizeof(other),
             e == EUCLEAN     ? "Structure needs cleaning"
             : e == ETIMEDOUT ? "Connection timed out"
                              : "Error %d",
             e);
    return other;
}

static void message(const char *fmt, va_list ap, bool with_errno) {
    char b[512];
    int e = errno, n = snprintf(b, sizeof(b), "%s: ", program);
    fflush(stdout);
    n += vsnprintf(b + n, sizeof(b) - n, fmt, ap);
    if (n > (int)sizeof(b) - 80)
        n = sizeof(b) - 80;
    n += with_errno ? snprintf(b + n, sizeof(b) - n, ": %s\n", strerror(e))
                    : snprintf(b + n, sizeof(b) - n, "\n");
    write(2, b, n);
}
void warn(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    message(fmt, ap, true);
    va_end(ap);
}
void warnx(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    message(fmt, ap, false);
    va_end(ap);
}
void die(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    message(fmt, ap, true);
    exit(1);
}

int options(int argc, char **argv, const char *letters, const char *usage) {
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        printf("usage: %s\n", usage);
        exit(0);
    }
    opterr = 0;
    int c = getopt(argc, argv, letters);
    if (c == '?' || c == ':') {
        if (argv[optind - 1] && !strcmp(argv[optind - 1], "--help")) {
            printf("usage: %s\n", usage);
            exit(0);
        }
        warnx(c == ':' ? "option -%c needs an argument" : "unknown option -%c", optopt ? optopt : '-');
        fprintf(stderr, "usage: %s\n", usage);
        exit(2);
    }
    return c;
}

const char *human(uint64_t n, char b[16]) {
    const char *unit = "BKMGT";
    uint64_t tenths = n * 10;
    while (tenths >= 10240 && unit[1])
        tenths = (tenths + 1023) / 1024, unit++;
    if (*unit == 'B')
        snprintf(b, 16, "%lu", (unsigned long)n);
    else if (tenths < 100)
        snprintf(b, 16, "%lu.%lu%c", (unsigned long)tenths / 10, (unsigned long)tenths % 10, *unit);
    else
        snprintf(b, 16, "%lu%c", (unsigned long)(tenths + 9) / 10, *unit);
    return b;
}

char *slurp(const char *path, size_t *n) {
    int fd = strcmp(path, "-") ? open(path, O_RDONLY) : dup(0);
    size_t size = 4096, len = 0;
    char *b = fd < 0 ? NULL : malloc(size + 1);
    if (!b)
        return NULL;
    for (ssize_t r; (r = read(fd, b + len, size - len)) > 0;)
        if ((len += r) == size)
            b = realloc(b, (size *= 2) + 1);
    close(fd);
    b[len] = 0;
    if (n)
        *n = len;
    return b;
}

int copy_fd(int from, int to) {
    static char b[16384];
    ssize_t r;
    while ((r = read(from, b, sizeof(b))) > 0)
        for (ssize_t w, off = 0; off < r; off += w)
            if ((w = write(to, b + off, r - off)) < 0)
                return -1;
    return r;
}

void mode_string(unsigned m, char s[11]) {
    strcpy(s, S_ISDIR(m)    ? "d"
              : S_ISLNK(m)  ? "l"
              : S_ISCHR(m)  ? "c"
              : S_ISBLK(m)  ? "b"
              : S_ISFIFO(m) ? "p"
              : S_ISSOCK(m) ? "s"
                            : "-");
    for (int i = 8; i >= 0; i--)
        s[9 - i] = m >> i & 1 ? "xwr"[i % 3] : '-';
    if (m & S_ISUID)
        s[3] = m & 0100 ? 's' : 'S';
    if (m & S_ISGID)
        s[6] = m & 010 ? 's' : 'S';
    if (m & S_ISVTX)
        s[9] = m & 1 ? 't' : 'T';
    s[10] = 0;
}
char *join(const char *dir, const char *name) {
    size_t n = strlen(dir);
    char *s = malloc(n + strlen(name) + 2);
    sprintf(s, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
    return s;
}
const char *base_name(const char *p) {
    const char *s = strrchr(p, '/');
    return s && s[1] ? s + 1 : p;
}

static const char *const signals[] = {"0",      "HUP",  "INT",    "QUIT", "ILL",   "TRAP", "ABRT", "BUS",
                                      "FPE",    "KILL", "USR1",   "SEGV", "USR2",  "PIPE", "ALRM", "TERM",
                                      "STKFLT", "CHLD", "CONT",   "STOP", "TSTP",  "TTIN", "TTOU", "URG",
                                      "XCPU",   "XFSZ", "VTALRM", "PROF", "WINCH", "IO",   "PWR",  "SYS"};
int signal_number(const char *s) {
    if (isdigit((unsigned char)*s)) {
        int n = atoi(s);
        return n <= 64 ? n : -1;
    }
    if (!strncmp(s, "SIG", 3))
        s += 3;
    for (int i = 1; i < 32; i++)
        if (!strcmp(s, signals[i]))
            return i;
    return -1;
}
const char *signal_name(int sig) { return sig > 0 && sig < 32 ? signals[sig] : "RT"; }
