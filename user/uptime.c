/* uptime: how long, how busy. */
#include <tine.h>

int main(int argc, char **argv) {
    while (options(argc, argv, "", "uptime") != -1)
        ;
    char *u = slurp("/proc/uptime", NULL), *l = slurp("/proc/loadavg", NULL);
    if (!u || !l)
        die("/proc");
    long s = atol(u);
    time_t now = time(NULL);
    char t[16];
    strftime(t, sizeof(t), "%H:%M:%S", gmtime(&now));
    printf(" %s up %ld:%02ld:%02ld, load average: %.14s\n", t, s / 3600, s / 60 % 60, s % 60, l);
    return 0;
}
