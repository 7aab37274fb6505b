/* Audit (C12): who made which of the chosen system calls, with what result. /dev/audit, for root: write
 * "+execve",
 * "-execve" or "off" to choose; read gives a line for each call, and waits for the next.
 *
 * A chosen call is one whose bit is set; while there are any, every task has SYSCALL_WORK_AUDIT, new ones
 * too. The newest records are kept in a ring; who reads too slowly is told how many are lost. */
#include "nsproxy.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "syscall.h"
#include <abi/errno.h>
#include <abi/syscall.h>
#include <syscall_names.h>

#define RING 512u
struct record {
    u64 time, args[4];
    s64 result;
    pid_t pid, tgid;
    uid_t uid, euid;
    u32 nr;
    char comm[16], path[64];
};
static spinlock_t lock = SPINLOCK_INIT(RANK_OBJECT);
static u64 chosen[(SYSCALL_COUNT + 63) / 64];
static u32 nr_chosen;
static struct record *ring; /* made at the first choice, and kept; the rest under lock */
static u64 written, read_from, lost;
static struct wait_queue_head wait = WAIT_QUEUE_INIT(wait);

bool audit_enabled(void) { return READ_ONCE(nr_chosen) != 0; }
static const char *name_of(u32 nr) { return nr < ARRAY_SIZE(syscall_names) ? syscall_names[nr] : NULL; }

/* Which argument is a path: its number and 1; 0: none. */
static u32 path_argument(u32 nr) {
    switch (nr) {
    case SYS_execve:
    case SYS_chdir:
    case SYS_chroot:
    case SYS_truncate:
    case SYS_statfs:
    case SYS_umount2:
        return 1;
    case SYS_openat:
    case SYS_mkdirat:
    case SYS_mknodat:
    case SYS_unlinkat:
    case SYS_fchmodat:
    case SYS_fchownat:
    case SYS_faccessat:
    case SYS_readlinkat:
    case SYS_newfstatat:
    case SYS_execveat:
    case SYS_mount:
        return 2;
    default:
        return 0;
    }
}
/* Before the call, for after it the memory may be another program's: the record's beginning, or NULL: not
 * chosen. */
struct record *audit_entry(const struct trapframe *tf) {
    u32 nr = tf->a7;
    if (tf->a7 >= SYSCALL_COUNT || !(READ_ONCE(chosen[nr / 64]) & BIT(nr % 64)))
        return NULL;
    struct record *r = kzalloc(sizeof(*r), GFP_KERNEL);
    if (!r) {
        u64 irq = spin_lock_irqsave(&lock);
        lost++;
        spin_unlock_irqrestore(&lock, irq);
        return NULL;
    }
    *r = (struct record){.time = ktime_get_real(),
                         .args = {tf->orig_a0, tf->a1, tf->a2, tf->a3},
                         .pid = current->pid,
                         .tgid = current->tgid,
                         .uid = current->cred->uid,
                         .euid = current->cred->euid,
                         .nr = nr};
    memcpy(r->comm, current->comm, sizeof(r->comm));
    u32 at = path_argument(nr);
    if (at && strncpy_from_user(r->path, r->args[at - 1], sizeof(r->path) - 1) < 0)
        r->path[sizeof(r->path) - 1] = 0;
    for (char *c = r->path; *c; c++) /* a line is a record, whatever the name is */
        if (*c < ' ' || *c == 127 || *c == '"')
            *c = '?';
    return r;
}
void audit_exit(struct record *r, s64 result) {
    r->result = result;
    u64 irq = spin_lock_irqsave(&lock);
    if (ring) {
        if (written - read_from == RING) {
            read_from++;
            lost++;
        }
        ring[written++ % RING] = *r;
    }
    spin_unlock_irqrestore(&lock, irq);
    kfree(r);
    wake_up_all(&wait);
}

static bool next(struct record *r, u64 *missing) {
    u64 irq = spin_lock_irqsave(&lock);
    bool there = read_from != written;
    if (there) {
        *r = ring[read_from++ % RING];
        *missing = lost;
        lost = 0;
    }
    spin_unlock_irqrestore(&lock, irq);
    return there;
}
static ssize_t audit_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct record r;
    u64 missing;
    char line[320];
    (void)pos;
    if (it->count < sizeof(line))
        return -EINVAL; /* a line is not cut */
    if (!next(&r, &missing)) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        if (wait_event_interruptible(&wait, next(&r, &missing)))
            return -ERESTARTSYS;
    }
    size_t n = missing ? snprintf(line, sizeof(line), "lost=%lu ", missing) : 0;
    n += snprintf(line + n, sizeof(line) - n,
                  "time=%lu.%09lu pid=%d tgid=%d uid=%u euid=%u comm=\"%.16s\" call=%s", r.time / 1000000000,
                  r.time % 1000000000, r.pid, r.tgid, r.uid, r.euid, r.comm,
                  name_of(r.nr) ? name_of(r.nr) : "?");
    n += snprintf(line + n, sizeof(line) - n, " a0=%lx a1=%lx a2=%lx a3=%lx", r.args[0], r.args[1], r.args[2],
                  r.args[3]);
    if (*r.path)
        n += snprintf(line + n, sizeof(line) - n, " path=\"%s\"", r.path);
    n += snprintf(line + n, sizeof(line) - n, " result=%ld\n", r.result);
    size_t done = copy_to_iter(line, n, it);
    return done == n ? (ssize_t)n : -EFAULT;
}
static u32 audit_poll(struct file *f, struct poll_table *pt) {
    poll_wait(f, &wait, pt);
    return (READ_ONCE(read_from) != READ_ONCE(written) ? POLLIN | POLLRDNORM : 0) | POLLOUT | POLLWRNORM;
}

static int choose(u32 nr, bool on) {
    struct record *more = ring ? NULL : kmalloc(RING * sizeof(*ring), GFP_KERNEL);
    if (!ring && !more)
        return -ENOMEM;
    u64 irq = spin_lock_irqsave(&lock);
    if (!ring) {
        ring = more;
        more = NULL;
    }
    bool was = chosen[nr / 64] & BIT(nr % 64);
    if (on != was) {
        chosen[nr / 64] ^= BIT(nr % 64);
        nr_chosen += on ? 1 : -1;
    }
    spin_unlock_irqrestore(&lock, irq);
    kfree(more);
    return 0;
}
/* "+name", "-name", or "off" for all. */
static int choose_by_name(const char *s) {
    bool off = !strcmp(s, "off");
    int r = off ? 0 : -EINVAL;
    for (u32 nr = 0; nr < SYSCALL_COUNT; nr++) {
        if (off)
            r = READ_ONCE(chosen[nr / 64]) & BIT(nr % 64) ? choose(nr, false) : 0;
        else if ((*s == '+' || *s == '-') && name_of(nr) && !strcmp(s + 1, name_of(nr)))
            return choose(nr, *s == '+');
        if (off && r)
            break;
    }
    return r;
}
static ssize_t audit_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    char text[128], *end;
    size_t n = it->count;
    (void)f, (void)pos;
    if (n >= sizeof(text))
        return -EINVAL;
    if (copy_from_iter(text, n, it) != n)
        return -EFAULT;
    text[n] = 0;
    int r = -EINVAL;
    for (char *s = text; *s; s = end) {
        while (*s == ' ' || *s == '\n')
            s++;
        for (end = s; *end && *end != ' ' && *end != '\n'; end++)
            ;
        if (end == s)
            break;
        char after = *end;
        *end = 0;
        r = choose_by_name(s);
        *end = after;
        if (r)
            break;
    }
    syscall_work_update();
    return r ? r : (ssize_t)n;
}
void audit_init(void) {
    static const struct file_operations fops = {.read = audit_read, .write = audit_write, .poll = audit_poll};
    register_chrdev(10, 224, "audit", &fops, 0600);
}
void audit_stop(void) { /* for the account of leaks */
    u64 irq = spin_lock_irqsave(&lock);
    struct record *old = ring;
    ring = NULL;
    read_from = written;
    spin_unlock_irqrestore(&lock, irq);
    kfree(old);
}
