/* sleep: wait some seconds; fractions are fine. */
#include <tine.h>

int main(int argc, char **argv) {
    while (options(argc, argv, "", "sleep SECONDS") != -1)
        ;
    char *end;
    double s = optind < argc ? strtod(argv[optind], &end) : -1;
    if (s < 0 || *end) {
        warnx("a number of seconds is needed");
        return 2;
    }
    struct timespec ts = {(long)s, (long)((s - (long)s) * 1e9)};
    while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
        ;
    return 0;
}
