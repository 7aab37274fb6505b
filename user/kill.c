/* kill: send a signal to processes; -l lists names. */
#include <tine.h>

int main(int argc, char **argv) {
    int sig = SIGTERM, i = 1, r = 0;
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        printf("usage: kill [-SIGNAL] PID... | kill -l\n");
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "-l")) {
        for (int s = 1; s < 32; s++)
            printf("%2d %s\n", s, signal_name(s));
        return 0;
    }
    if (argc > 1 && argv[1][0] == '-' && (sig = signal_number(argv[i++] + 1)) < 0) {
        warnx("%s: unknown signal", argv[1]);
        return 2;
    }
    if (i == argc) {
        warnx("no process was named");
        return 2;
    }
    for (; i < argc; i++) {
        char *end;
        long pid = strtol(argv[i], &end, 10);
        if (*end || end == argv[i]) {
            warnx("%s: not a process id", argv[i]);
            r = 1;
        } else if (kill(pid, sig) < 0) {
            warn("%s", argv[i]);
            r = 1;
        }
    }
    return r;
}
