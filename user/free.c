/* free: memory; -h human sizes. */
#include <tine.h>

int main(int argc, char **argv) {
    int c;
    bool h = false;
    while ((c = options(argc, argv, "hk", "free [-h]")) != -1)
        h |= c == 'h';
    char *s = slurp("/proc/meminfo", NULL), b[4][16];
    unsigned long v[3] = {0};
    const char *names[] = {"MemTotal:", "MemFree:", "Cached:"};
    if (!s)
        die("/proc/meminfo");
    for (int i = 0; i < 3; i++) {
        char *p = strstr(s, names[i]);
        v[i] = p ? strtoul(p + strlen(names[i]), NULL, 10) : 0;
    }
    unsigned long n[4] = {v[0], v[0] - v[1] - v[2], v[1], v[2]};
    for (int i = 0; i < 4; i++)
        h ? (void)human(n[i] * 1024, b[i]) : (void)snprintf(b[i], 16, "%lu", n[i]);
    printf("%16s %11s %11s %11s\nMem: %11s %11s %11s %11s\n", "total", "used", "free", "cached", b[0], b[1],
           b[2], b[3]);
    return 0;
}
