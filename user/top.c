/* top: the busiest processes, again every few seconds. -n N looks, -d SECONDS between; q quits. */
#include <tine.h>

#include <proc.h>
static int by_use(const void *a, const void *b) {
    const struct proc *x = a, *y = b;
    return x->before < y->before ? 1 : x->before > y->before ? -1 : x->pid - y->pid;
}
int main(int argc, char **argv) {
    int c, looks = -1, delay = 2, nold = 0;
    bool batch = false;
    struct proc *old = NULL, *v;
    while ((c = options(argc, argv, "n:d:b", "top [-b] [-n LOOKS] [-d SECONDS]")) != -1) {
        if (c == 'n')
            looks = atoi(optarg);
        else if (c == 'd')
            delay = atoi(optarg);
        else
            batch = true;
    }
    struct abi_termios save, raw;
    bool tty = !batch && !tcgetattr(0, &save);
    if (tty) {
        raw = save;
        raw.c_lflag &= ~(ICANON | ECHO);
        tcsetattr(0, 0, &raw);
    }
    for (int k = 0; looks < 0 || k < looks; k++) {
        char *up = slurp("/proc/uptime", NULL), *load = slurp("/proc/loadavg", NULL),
             *mem = slurp("/proc/meminfo", NULL);
        unsigned long total = 0, free_kb = 0;
        sscanf(mem, "MemTotal: %lu kB MemFree: %lu", &total, &free_kb);
        int n = proc_all(&v), running = 0;
        for (int i = 0; i < n; i++) {
            unsigned long t = v[i].utime + v[i].stime, was = 0;
            for (int j = 0; j < nold; j++)
                if (old[j].pid == v[i].pid)
                    was = old[j].utime + old[j].stime;
            v[i].before = k ? t - was : 0;
            running += v[i].state == 'R';
        }
        struct proc *shown = malloc(n * sizeof(*shown));
        memcpy(shown, v, n * sizeof(*shown));
        qsort(shown, n, sizeof(*shown), by_use);
        printf("%stop - up %ld s, load %.14s, %d tasks, %d running\nMem: %lu KB total, %lu KB free\n\n  PID  "
               "UID S  NI    VSZ    RSS  %%CPU     TIME COMMAND\n",
               tty ? "\033[H\033[2J" : "", atol(up), load, n, running, total, free_kb);
        for (int i = 0; i < n && i < 18; i++) {
            unsigned long t = shown[i].utime + shown[i].stime;
            printf("%5d %4u %c %3d %6lu %6lu %5lu %5lu.%02lu %s\n", shown[i].pid, shown[i].uid,
                   shown[i].state, shown[i].nice, shown[i].vsize / 1024, shown[i].rss * 4,
                   shown[i].before / delay, t / 100, t % 100, shown[i].comm);
        }
        fflush(stdout);
        free(shown);
        free(old);
        free(up), free(load), free(mem);
        old = v;
        nold = n;
        if (looks >= 0 && k + 1 == looks)
            break;
        struct pollfd p = {0, POLLIN, 0};
        char ch;
        if (tty ? poll(&p, 1, delay * 1000) > 0 && read(0, &ch, 1) == 1 && ch == 'q' : sleep(delay) != 0)
            break;
    }
    if (tty)
        tcsetattr(0, 0, &save);
    return 0;
}
