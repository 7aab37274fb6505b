/* A task's user registers as core files and debuggers see them. */
#include "../core/task.h"
#include <abi/ptrace.h>

void regs_get(struct task_struct *t, struct user_regs_struct *r) {
    const struct trapframe *tf = task_trapframe(t);
    r->pc = tf->sepc;
    memcpy(r->x, tf, sizeof(r->x));
}
void regs_set(struct task_struct *t, const struct user_regs_struct *r) {
    struct trapframe *tf = task_trapframe(t);
    tf->sepc = r->pc;
    memcpy(tf, r->x, sizeof(r->x));
    set_tif(t, TIF_RESTORE_ALL);
}
void fpregs_get(struct task_struct *t, u64 f[33]) {
    memset(f, 0, 33 * 8);
    if (!(task_trapframe(t)->sstatus & SSTATUS_FS)) /* it never used them */
        return;
    memcpy(f, t->fpu.f, 32 * 8);
    f[32] = t->fpu.fcsr & 0xff;
}
void fpregs_set(struct task_struct *t, const u64 f[33]) {
    struct trapframe *tf = task_trapframe(t);
    memcpy(t->fpu.f, f, 32 * 8);
    t->fpu.fcsr = f[32] & 0xff;
    tf->sstatus = (tf->sstatus & ~(u64)SSTATUS_FS) | SSTATUS_FS_CLEAN;
}
