/* cowdemo: which pages parent and child share after fork, and which were copied, from /proc/PID/pages. */
#include <tine.h>

#define PAGES 8
static char *area;
static void show(const char *who, const char *when) {
    char *s = slurp("/proc/self/pages", NULL);
    printf("%-6s %-22s", who, when);
    for (char *l = s; l && *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL) {
        unsigned long va, frame;
        int count;
        char perm[8];
        if (sscanf(l, "%lx %lx %d %7s", &va, &frame, &count, perm) == 4 && va >= (unsigned long)area &&
            va < (unsigned long)area + PAGES * 4096)
            printf(" %05lx%s", frame & 0xfffff, count > 1 ? "*" : perm[1] == 'w' ? "w" : " ");
    }
    printf("\n");
    fflush(stdout);
    free(s);
}
static long cow_faults(void) {
    char *s = slurp("/proc/self/status", NULL), *p = s ? strstr(s, "CowFaults:") : NULL;
    return p ? atol(p + 10) : -1;
}
int main(int argc, char **argv) {
    int st;
    while (options(argc, argv, "", "cowdemo") != -1)
        ;
    area = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(area, 1, PAGES * 4096);
    printf("page frames of %d pages; * shared, w writable\n", PAGES);
    show("parent", "before fork");
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        show("child", "after fork");
        long before = cow_faults();
        for (int i = 0; i < PAGES; i += 2)
            area[i * 4096] = 2;
        long after = cow_faults();
        show("child", "wrote to pages 0 2 4 6");
        printf("child: the four stores copied at least %d pages\n",
               after - before >= PAGES / 2 ? PAGES / 2 : (int)(after - before));
        exit(after - before < PAGES / 2);
    }
    waitpid(pid, &st, 0);
    show("parent", "child gone");
    for (int i = 0; i < PAGES; i++)
        if (area[i * 4096] != 1)
            return 1;
    printf("the parent's bytes are unchanged\n");
    return st != 0;
}
