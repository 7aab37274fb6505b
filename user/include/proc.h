/* Reading /proc for ps, top and pstree. */
#pragma once
#include <tine.h>

struct proc {
    int pid, ppid, pgrp, session, tty, nice, threads, hart;
    char comm[20], state;
    unsigned long utime, stime, start, vsize, rss;
    unsigned uid;
    char cmd[256];
    unsigned long before; /* top: time at the last look */
};
static inline int proc_by_pid(const void *a, const void *b) {
    return ((const struct proc *)a)->pid - ((const struct proc *)b)->pid;
}
/* Fill p from /proc/PID; false if it is gone. */
static inline bool proc_read(int pid, struct proc *p) {
    char path[64];
    struct stat st;
    size_t n;
    memset(p, 0, sizeof(*p));
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    char *s = slurp(path, NULL);
    if (!s || stat(path, &st) < 0) {
        free(s);
        return false;
    }
    p->uid = st.st_uid;
    char *open = strchr(s, '('), *close = strrchr(s, ')');
    if (!open || !close) {
        free(s);
        return false;
    }
    *close = 0;
    strlcpy(p->comm, open + 1, sizeof(p->comm));
    p->pid = pid;
    sscanf(close + 2, "%c %d %d %d %d %*d %*u %*u %*u %*u %*u %lu %lu %*u %*u %*d %d %d %*u %lu %lu %lu",
           &p->state, &p->ppid, &p->pgrp, &p->session, &p->tty, &p->utime, &p->stime, &p->nice, &p->threads,
           &p->start, &p->vsize, &p->rss);
    free(s);
    snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    s = slurp(path, &n);
    for (size_t i = 0; s && i + 1 < n; i++)
        if (!s[i])
            s[i] = ' ';
    if (s && n)
        strlcpy(p->cmd, s, sizeof(p->cmd));
    else
        snprintf(p->cmd, sizeof(p->cmd), "[%s]", p->comm);
    free(s);
    return true;
}
static inline int proc_all(struct proc **out) {
    int n = 0, size = 0;
    struct proc *v = NULL;
    DIR *d = opendir("/proc");
    if (!d)
        die("/proc");
    for (struct dirent *e; (e = readdir(d));) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        if (n == size && !(v = realloc(v, (size = size ? size * 2 : 64) * sizeof(*v))))
            die("%d processes", n);
        n += proc_read(atoi(e->d_name), &v[n]);
    }
    closedir(d);
    qsort(v, n, sizeof(*v), proc_by_pid);
    *out = v;
    return n;
}
