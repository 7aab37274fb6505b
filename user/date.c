/* date: the time in UTC; +FORMAT as strftime has it; -s SECONDS sets it. */
#include <tine.h>

int main(int argc, char **argv) {
    int c;
    char b[256];
    struct timespec ts;
    while ((c = options(argc, argv, "us:", "date [-s SECONDS] [+FORMAT]")) != -1)
        if (c == 's') {
            ts = (struct timespec){atol(optarg), 0};
            if (syscall(SYS_clock_settime, 0, &ts) < 0)
                die("cannot set the clock");
        }
    clock_gettime(0, &ts);
    const char *fmt = optind < argc && argv[optind][0] == '+' ? argv[optind] + 1 : "%a %b %e %H:%M:%S UTC %Y";
    strftime(b, sizeof(b), fmt, gmtime(&ts.tv_sec));
    puts(b);
    return 0;
}
