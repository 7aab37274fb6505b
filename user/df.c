/* df: space on mounted file systems; -h human sizes. */
#include <tine.h>

int main(int argc, char **argv) {
    int c;
    bool h = false;
    while ((c = options(argc, argv, "h", "df [-h]")) != -1)
        h = true;
    char *s = slurp("/proc/mounts", NULL);
    if (!s)
        die("/proc/mounts");
    printf("%-16s %10s %10s %10s %4s %s\n", "Filesystem", h ? "Size" : "1K-blocks", "Used", "Available",
           "Use%", "Mounted on");
    for (char *l = strtok(s, "\n"); l; l = strtok(NULL, "\n")) {
        char src[64], at[256], a[16], b[16], d[16];
        struct statfs st;
        if (sscanf(l, "%63s %255s", src, at) != 2 || syscall(SYS_statfs, at, &st) < 0 || !st.f_blocks)
            continue;
        uint64_t total = st.f_blocks * st.f_bsize, used = (st.f_blocks - st.f_bfree) * st.f_bsize,
                 avail = st.f_bavail * st.f_bsize;
        if (h)
            printf("%-16s %10s %10s %10s", src, human(total, a), human(used, b), human(avail, d));
        else
            printf("%-16s %10lu %10lu %10lu", src, (unsigned long)total / 1024, (unsigned long)used / 1024,
                   (unsigned long)avail / 1024);
        printf(" %3lu%% %s\n",
               (unsigned long)(used + avail ? (used * 100 + used + avail - 1) / (used + avail) : 0), at);
    }
    return 0;
}
