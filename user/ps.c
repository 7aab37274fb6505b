/* ps: processes. -l adds parent, group, state and memory; -e is the default. */
#include <tine.h>

#include <proc.h>
int main(int argc, char **argv) {
    int c;
    bool lng = false;
    struct proc *v;
    while ((c = options(argc, argv, "lefaux", "ps [-l]")) != -1)
        lng |= c == 'l' || c == 'f';
    int n = proc_all(&v);
    printf(lng ? "  UID   PID  PPID  PGRP   SID S  NI THR    VSZ    RSS     TIME CMD\n"
               : "  PID TTY      STAT     TIME CMD\n");
    for (int i = 0; i < n; i++) {
        struct proc *p = &v[i];
        unsigned long t = (p->utime + p->stime) / 100;
        if (lng)
            printf("%5u %5d %5d %5d %5d %c %3d %3d %6lu %6lu ", p->uid, p->pid, p->ppid, p->pgrp, p->session,
                   p->state, p->nice, p->threads, p->vsize / 1024, p->rss * 4);
        else
            printf("%5d %-8s %c    ", p->pid, p->tty ? "console" : "?", p->state);
        printf("%02lu:%02lu:%02lu %s\n", t / 3600, t / 60 % 60, t % 60, p->cmd);
    }
    return 0;
}
