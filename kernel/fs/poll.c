/* Waiting for many files: poll and select. A poller links an entry to each queue a file names; the first wake
 * ends its sleep. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

struct poll_entry {
    struct wait_queue_entry w;
    struct wait_queue_head *q;
    struct poll_table *pt;
};
void poll_wait(struct file *f, struct wait_queue_head *q, struct poll_table *pt) {
    if (pt)
        pt->add(pt, f, q);
}
static bool poll_wake(struct wait_queue_entry *w, u64 key) {
    struct poll_table *pt = container_of(w, struct poll_entry, w)->pt;
    (void)key;
    WRITE_ONCE(pt->triggered, true);
    wake_up_process(pt->task);
    return true;
}
static void poll_add(struct poll_table *pt, struct file *f, struct wait_queue_head *q) {
    (void)f;
    if (pt->n == pt->max) {
        pt->failed = true;
        return;
    }
    struct poll_entry *e = &pt->entries[pt->n++];
    *e = (struct poll_entry){.w = {.func = poll_wake, .task = pt->task}, .q = q, .pt = pt};
    add_wait_queue(q, &e->w);
}

struct poll_one {
    struct file *f;
    u32 events, revents;
};
/* The number ready; 0 at the deadline; -EINTR. Files are the caller's references. */
static long do_poll(struct poll_one *p, u32 n, u64 deadline) {
    struct poll_table pt = {.add = poll_add, .task = current, .max = n * 2};
    struct poll_entry few[16];
    pt.entries = pt.max <= 16 ? few : kmalloc(pt.max * sizeof(struct poll_entry), GFP_KERNEL);
    if (!pt.entries)
        return -ENOMEM;
    long ready = 0;
    struct poll_table *arg = deadline ? &pt : NULL;
    for (;;) {
        set_current_state(TASK_INTERRUPTIBLE);
        WRITE_ONCE(pt.triggered, false);
        set_current_state(TASK_RUNNING);
        for (u32 i = 0; i < n; i++) {
            if (!p[i].f)
                ready += p[i].revents != 0; /* POLLNVAL */
            else if ((p[i].revents = file_poll(p[i].f, arg) & (p[i].events | POLLERR | POLLHUP)))
                ready++, arg = NULL;
        }
        arg = NULL;
        if (ready || signal_pending(current) || ktime_get() >= deadline)
            break;
        set_current_state(TASK_INTERRUPTIBLE);
        if (!READ_ONCE(pt.triggered))
            schedule_until(deadline);
        set_current_state(TASK_RUNNING);
    }
    for (u32 i = 0; i < pt.n; i++)
        remove_wait_queue(pt.entries[i].q, &pt.entries[i].w);
    if (pt.entries != few)
        kfree(pt.entries);
    return ready ? ready : signal_pending(current) ? -EINTR : 0;
}

static long get_deadline(u64 uts, u64 *deadline) {
    struct abi_timespec ts;
    *deadline = FOREVER;
    if (!uts)
        return 0;
    long r = get_timespec(&ts, uts);
    if (r)
        return r;
    u64 ns = timespec_to_ns(&ts);
    *deadline = ns == FOREVER ? FOREVER : ns ? ktime_get() + ns : 0;
    return 0;
}
void set_temporary_sigmask(u64 mask);
long temporary_mask(u64 uset, u64 size) {
    u64 set;
    if (!uset)
        return 0;
    if (size != 8)
        return -EINVAL;
    if (copy_from_user(&set, uset, 8))
        return -EFAULT;
    set_temporary_sigmask(set);
    return 0;
}
/* No handler will run: put the mask back now. */
long restore_mask(long r) {
    if (current->restore_sigmask && r != -EINTR) {
        current->restore_sigmask = false;
        set_blocked(current->saved_sigmask);
    }
    return r == -EINTR ? -ERESTARTNOHAND : r;
}

long sys_ppoll(u64 ufds, u64 n, u64 uts, u64 uset, u64 size) {
    u64 deadline;
    n = (u32)n;
    if (n > rlimit(RLIMIT_NOFILE))
        return -EINVAL;
    long r = get_deadline(uts, &deadline);
    if (r || (r = temporary_mask(uset, size)))
        return r;
    struct pollfd *fds = kmalloc(n * sizeof(*fds) + 1, GFP_KERNEL);
    struct poll_one *p = kzalloc(n * sizeof(*p) + 1, GFP_KERNEL);
    r = !fds || !p ? -ENOMEM : copy_from_user(fds, ufds, n * sizeof(*fds));
    if (!r) {
        for (u64 i = 0; i < n; i++) {
            p[i].events = (u16)fds[i].events;
            p[i].f = fds[i].fd < 0 ? NULL : fget(fds[i].fd);
            p[i].revents = fds[i].fd >= 0 && !p[i].f ? POLLNVAL : 0;
        }
        r = do_poll(p, n, deadline);
        for (u64 i = 0; i < n; i++) {
            fds[i].revents = p[i].revents;
            if (p[i].f)
                fput(p[i].f);
            if (put_user(ufds + i * sizeof(*fds) + 6, fds[i].revents))
                r = -EFAULT;
        }
    }
    kfree(fds);
    kfree(p);
    return restore_mask(r);
}

long sys_pselect6(u64 un, u64 uin, u64 uout, u64 uex, u64 uts, u64 usig) {
    u64 set[3][16], got[3][16] = {0}, user[3] = {uin, uout, uex}, deadline, sig[2] = {0};
    static const u32 want[3] = {POLLIN | POLLRDNORM | POLLHUP | POLLERR, POLLOUT | POLLWRNORM | POLLERR,
                                POLLPRI};
    s32 n = un;
    if (n < 0)
        return -EINVAL;
    n = min(n, 1024);
    u64 bytes = DIV_ROUND_UP(n, 64) * 8;
    memset(set, 0, sizeof(set));
    for (int k = 0; k < 3; k++)
        if (user[k] && copy_from_user(set[k], user[k], bytes))
            return -EFAULT;
    if (usig && copy_from_user(sig, usig, 16))
        return -EFAULT;
    long r = get_deadline(uts, &deadline);
    if (r || (r = temporary_mask(sig[0], sig[1])))
        return r;
    struct poll_one *p = kzalloc(n * sizeof(*p) + 1, GFP_KERNEL);
    u32 *which = kmalloc(n * 4 + 1, GFP_KERNEL), count = 0;
    r = p && which ? 0 : -ENOMEM;
    for (s32 fd = 0; !r && fd < n; fd++) {
        u32 ev = 0;
        for (int k = 0; k < 3; k++)
            if (set[k][fd / 64] & BIT(fd % 64))
                ev |= want[k];
        if (!ev)
            continue;
        p[count] = (struct poll_one){fget(fd), ev, 0};
        if (!p[count].f)
            r = -EBADF;
        else
            which[count++] = fd;
    }
    if (!r)
        r = do_poll(p, count, deadline);
    long bits = 0;
    for (u32 i = 0; i < count; i++) {
        for (int k = 0; k < 3 && r > 0; k++)
            if ((set[k][which[i] / 64] & BIT(which[i] % 64)) && (p[i].revents & want[k])) {
                got[k][which[i] / 64] |= BIT(which[i] % 64);
                bits++;
            }
        fput(p[i].f);
    }
    kfree(p);
    kfree(which);
    if (r >= 0) {
        r = bits;
        for (int k = 0; k < 3; k++)
            if (user[k] && copy_to_user(user[k], got[k], bytes))
                r = -EFAULT;
    }
    return restore_mask(r);
}
