/* pidfd: a process as a file. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

static u32 pfd_poll(struct file *f, struct poll_table *pt) {
    struct task_struct *t = f->private;
    poll_wait(f, &t->pidfd_wait, pt);
    /* A process has ended with its last thread, a thread alone. */
    bool ended = t->exit_state && (t != t->group_leader || t->signal->nr_threads <= 1);
    return ended ? POLLIN | POLLRDNORM : 0;
}
static void pfd_release(struct file *f) { put_task(f->private); }
static const struct file_operations pidfd_fops = {.poll = pfd_poll, .release = pfd_release};
struct file *pidfd_file(struct task_struct *t) {
    struct file *f = anon_file(&pidfd_fops, t, O_RDWR, "pidfd");
    if (!IS_ERR(f))
        get_task(t);
    return f;
}
struct task_struct *pidfd_task(struct file *f) {
    return f->f_op == &pidfd_fops ? f->private : NULL;
}
pid_t pidfd_to_pid(s32 fd) {
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    struct task_struct *t = pidfd_task(f);
    pid_t r = t ? t->pid : -EINVAL;
    fput(f);
    return r;
}
long sys_pidfd_open(u64 pid, u64 flags) {
    if ((s32)pid <= 0 || (flags & ~(u64)O_NONBLOCK))
        return -EINVAL;
    struct task_struct *t = get_task_by_pid((s32)pid);
    if (!t)
        return -ESRCH;
    long r = t == t->group_leader ? fd_with_file(pidfd_file(t), O_CLOEXEC) : -EINVAL;
    put_task(t);
    return r;
}
