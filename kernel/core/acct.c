/* Accounting (C11): acct(2) writes a record of each process that ends to a file; what a task has read and
 * written is in /proc/PID/io. */
#include "ptrace.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "../fs/procfs/procfs.h"
#include <abi/errno.h>

#define AFORK 1 /* has not exec'd */
#define ASU 2   /* used a privilege */
#define ACORE 8
#define AXSIG 16
#define AHZ 100

struct acct_v3 {
    u8 flag, version;
    u16 tty;
    u32 exitcode, uid, gid, pid, ppid, btime, etime;
    u16 utime, stime, mem, io, rw, minflt, majflt, swaps; /* comp_t */
    char comm[16];
};
_Static_assert(sizeof(struct acct_v3) == 64, "the ABI's size");

static struct mutex acct_mutex = MUTEX_INIT(acct_mutex);
static struct file *acct_file; /* counted; to write: acct_mutex */

/* 13 bits and an exponent of 3 bits, base 8; rounded. */
static u16 comp(u64 v) {
    u32 exp = 0;
    bool round = false;
    while (v > 0x1fff) {
        round = v & 4;
        v >>= 3;
        exp++;
    }
    if (round && ++v > 0x1fff) {
        v >>= 3;
        exp++;
    }
    return exp > 7 ? 0xffff : exp << 13 | v;
}
/* A whole number as the bits of a float; the kernel has no such registers. */
static u32 float_bits(u64 v) {
    u32 exp = 190;
    if (!v)
        return 0;
    for (; !(v >> 63); v <<= 1)
        exp--;
    return exp << 23 | ((v >> 40) & 0x7fffff);
}
static u64 to_ahz(u64 ticks) { return ticks * AHZ / timebase_hz; }

void acct_process(s32 code) {
    struct signal_struct *s = current->signal;
    struct task_struct *t;
    u64 ut = s->utime, st = s->stime, faults = s->min_flt;
    READ_TASKS(irq);
    for_each_thread(t, s) ut += t->utime, st += t->stime, faults += t->min_flt;
    pid_t ppid = current->ppid;
    READ_TASKS_END(irq);
    u64 age = ktime_get() - s->leader->start_time;
    struct acct_v3 a = {.flag = (current->forknoexec ? AFORK : 0) |
                                (current->task_flags & PF_SUPERPRIV ? ASU : 0) | (code & 0x80 ? ACORE : 0) |
                                (code & 0x7f ? AXSIG : 0),
                        .version = 3,
                        .tty = s->tty ? 0x0501 : 0,
                        .exitcode = code,
                        .uid = current->cred->uid,
                        .gid = current->cred->gid,
                        .pid = current->vtgid,
                        .ppid = ppid,
                        .btime = (ktime_get_real() - age) / 1000000000,
                        .etime = float_bits(age / (1000000000 / AHZ)),
                        .utime = comp(to_ahz(ut)),
                        .stime = comp(to_ahz(st)),
                        .mem = comp(current->mm ? current->mm->total_vm * (PAGE_SIZE / 1024) : 0),
                        .minflt = comp(faults)};
    memcpy(a.comm, current->comm, sizeof(a.comm));
    mutex_lock(&acct_mutex);
    struct file *f = acct_file;
    if (f) {
        mutex_lock(&f->inode->lock);
        kernel_write(f, &a, sizeof(a), f->inode->i_size); /* a full disk loses the record, as it must */
        mutex_unlock(&f->inode->lock);
    }
    mutex_unlock(&acct_mutex);
}
bool acct_on(void) { return READ_ONCE(acct_file) != NULL; }

long sys_acct(u64 uname) {
    struct file *f = NULL;
    if (!capable(CAP_SYS_PACCT))
        return -EPERM;
    if (uname) {
        char *name = getname(uname);
        if (IS_ERR(name))
            return PTR_ERR(name);
        f = file_open(AT_FDCWD, name, O_WRONLY | O_APPEND, 0);
        kfree(name);
        if (IS_ERR(f))
            return PTR_ERR(f);
        if (!S_ISREG(f->inode->i_mode)) {
            fput(f);
            return -EACCES;
        }
    }
    mutex_lock(&acct_mutex);
    struct file *old = acct_file;
    WRITE_ONCE(acct_file, f);
    mutex_unlock(&acct_mutex);
    if (old)
        fput(old);
    return 0;
}
void acct_stop(void) { /* power-off */
    mutex_lock(&acct_mutex);
    if (acct_file)
        fput(acct_file);
    WRITE_ONCE(acct_file, NULL);
    mutex_unlock(&acct_mutex);
}

int show_io(struct seq *s, struct task_struct *t) {
    struct task_struct *o;
    int r = lock_task_access(t, PTRACE_MODE_READ_FSCREDS);
    if (r)
        return r;
    READ_TASKS(irq);
    struct io_accounting sum = t->signal->io;
    for_each_thread(o, t->signal) add_io(&sum, &o->io);
    READ_TASKS_END(irq);
    unlock_task_access(t);
    seq_printf(s,
               "rchar: %lu\nwchar: %lu\nsyscr: %lu\nsyscw: %lu\nread_bytes: %lu\nwrite_bytes: "
               "%lu\ncancelled_write_bytes: 0\n",
               sum.chars[0], sum.chars[1], sum.calls[0], sum.calls[1], sum.bytes[0], sum.bytes[1]);
    return 0;
}
