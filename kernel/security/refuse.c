/* The checked build's own policy: one process, named by /proc/sys/debug/refuse, is refused at one hook. So
 * tests see what a refusal leaves behind: nothing. "HOOK ERRNO": the hook's place in struct security_ops,
 * from 1; "0": none. */
#include "security.h"
u32 refuse_hook, refuse_errno;
pid_t refuse_tgid;

static int refuse(u32 hook) {
    return READ_ONCE(refuse_hook) == hook && current->tgid == refuse_tgid ? -(int)refuse_errno : 0;
}
static int task_create(u64 flags) {
    (void)flags;
    return refuse(1);
}
static int task_alloc(struct task_struct *p, u64 flags) {
    (void)p, (void)flags;
    return refuse(2);
}
static int exec(const struct path *p) {
    (void)p;
    return refuse(4);
}
static int path(const struct path *p, u32 access) {
    (void)p, (void)access;
    return refuse(5);
}
static int kill(struct task_struct *t, int sig) {
    (void)t, (void)sig;
    return refuse(8);
}
static int ptrace(struct task_struct *tracer, struct task_struct *t) {
    (void)tracer, (void)t;
    return refuse(9);
}
const struct security_ops refuse_ops = {.name = "refuse",
                                        .task_create = task_create,
                                        .task_alloc = task_alloc,
                                        .exec = exec,
                                        .path = path,
                                        .kill = kill,
                                        .ptrace = ptrace};
