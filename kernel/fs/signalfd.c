/* signalfd: signals read as a file. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

struct signalfd_siginfo {
    u32 signo;
    s32 err, code;
    u32 pid, uid;
    s32 fd;
    u32 tid, band, overrun, trapno;
    s32 status, value_int;
    u64 value_ptr, utime, stime, addr;
    u8 pad[48];
};
static ssize_t sfd_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    u64 mask = (u64)f->private;
    struct abi_siginfo in;
    ssize_t done = 0;
    (void)pos;
    if (it->count < sizeof(struct signalfd_siginfo))
        return -EINVAL;
    while (it->count >= sizeof(struct signalfd_siginfo)) {
        int sig = dequeue_signal(mask, &in);
        if (!sig && !done && !(f->flags & O_NONBLOCK)) {
            if (wait_event_interruptible(&current->signal->sigfd_wait, (sig = dequeue_signal(mask, &in))))
                return -ERESTARTSYS;
        }
        if (!sig)
            break;
        struct signalfd_siginfo o = {.signo = sig,
                                     .code = in.si_code,
                                     .pid = in.pid,
                                     .uid = in.uid,
                                     .status = in.status,
                                     .utime = in.utime,
                                     .stime = in.stime,
                                     .value_ptr = in.value,
                                     .value_int = in.value};
        if (copy_to_iter(&o, sizeof(o), it) != sizeof(o))
            return -EFAULT;
        done += sizeof(o);
    }
    return done ? done : -EAGAIN;
}
static u32 sfd_poll(struct file *f, struct poll_table *pt) {
    poll_wait(f, &current->signal->sigfd_wait, pt);
    return signals_for_fd(current, (u64)f->private) ? POLLIN | POLLRDNORM : 0;
}
static const struct file_operations signalfd_fops = {.read = sfd_read, .poll = sfd_poll};
long sys_signalfd4(u64 fd, u64 umask, u64 size, u64 flags) {
    u64 mask;
    if (size != 8 || (flags & ~(u64)(O_CLOEXEC | O_NONBLOCK)))
        return -EINVAL;
    if (copy_from_user(&mask, umask, 8))
        return -EFAULT;
    mask &= ~(BIT(SIGKILL - 1) | BIT(SIGSTOP - 1));
    if ((s32)fd != -1) {
        struct file *f = fget(fd);
        if (!f)
            return -EBADF;
        long r = f->f_op == &signalfd_fops ? (s32)fd : -EINVAL;
        if (r >= 0)
            f->private = (void *)mask;
        fput(f);
        return r;
    }
    return fd_with_file(anon_file(&signalfd_fops, (void *)mask, O_RDWR | (flags & O_NONBLOCK), "signalfd"),
                        flags);
}
