/* pstree: processes as a tree of parents and children; -p with pids. */
#include <tine.h>

#include <proc.h>
static struct proc *v;
static int n;
static bool pids;
static void show(int parent, char *indent, size_t len) {
    for (int i = 0; i < n; i++) {
        if (v[i].ppid != parent || v[i].pid == parent)
            continue;
        bool more = false;
        for (int k = i + 1; k < n; k++)
            more |= v[k].ppid == parent;
        printf("%s%s%s", indent, len ? (more ? "|-" : "`-") : "", v[i].comm);
        if (pids)
            printf("(%d)", v[i].pid);
        if (v[i].threads > 1)
            printf(" {%d threads}", v[i].threads);
        putchar('\n');
        if (len < 200) {
            strcpy(indent + len, len ? (more ? "| " : "  ") : " ");
            show(v[i].pid, indent, len + (len ? 2 : 1));
            indent[len] = 0;
        }
    }
}
int main(int argc, char **argv) {
    char indent[256] = "";
    while (options(argc, argv, "p", "pstree [-p]") != -1)
        pids = true;
    n = proc_all(&v);
    show(0, indent, 0);
    return 0;
}
