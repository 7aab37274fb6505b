/* When no page is left, or none that a control group may have, and no cache to drop: the process with the
 * most memory ends, with a line that says so. Its memory comes back when it dies; the caller tries again
 * meanwhile. */
#include "cgroup.h"
#include "../debug/debug.h"
#include "../fs/fs.h"

bool out_of_memory(struct cgroup *in) {
    struct task_struct *t, *worst = NULL;
    u64 most = 0;
    bool dying = false, all = in && in->memory.oom_group;
    READ_TASKS(irq);
    for_each_process(t) {
        struct mm_struct *mm = t->mm;
        if (!mm || t->pid == 1 || (in && !cgroup_is_in(t->cgroup, in)))
            continue;
        if (t->signal->group_exit) {
            dying = true;
            continue;
        }
        u64 rss = (u64)atomic_read(&mm->rss) + 16;
        if (t->signal->oom_score_adj > -1000 && rss > most)
            most = rss, worst = t;
    }
    if (!dying && worst) {
        printk_user(
            "out of memory%s%s: killing pid %d (%s) of user %u, %lu KB resident; asked for by pid %d (%s)",
            in ? " in control group " : "", in ? in->name : "", worst->pid, worst->comm, worst->cred->uid,
            most * 4, current->pid, current->comm);
        send_signal(SIGKILL, NULL, worst, true);
        if (in)
            atomic_add(&in->memory.kills, 1);
    }
    READ_TASKS_END(irq);
    if (all && !dying && worst)
        cgroup_kill(in);
    if (dying || worst) {
        set_current_state(TASK_UNINTERRUPTIBLE);
        schedule_until(ktime_get() + 2000000);
    }
    return dying || worst;
}
