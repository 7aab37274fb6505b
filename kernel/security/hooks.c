/* The table of policies, and the hooks that ask each of them in turn: the first that refuses decides. */
#include "security.h"
#include "../debug/debug.h"
#include <abi/errno.h>

static const struct security_ops *const policies[] = {&landlock_ops, &refuse_ops};
#define POLICIES (IS_DEBUG ? 2u : 1u)
#define ASK(hook, ...)                                                                                       \
    for (unsigned int i = 0; i < POLICIES; i++) {                                                            \
        int r = policies[i]->hook ? policies[i]->hook(__VA_ARGS__) : 0;                                      \
        if (r)                                                                                               \
            return r;                                                                                        \
    }                                                                                                        \
    return 0

int security_task_create(u64 flags) { ASK(task_create, flags); }
int security_task_alloc(struct task_struct *p, u64 flags) { ASK(task_alloc, p, flags); }
void security_task_free(struct task_struct *p) {
    for (unsigned int i = POLICIES; i-- > 0;)
        if (policies[i]->task_free)
            policies[i]->task_free(p);
}
int security_exec(const struct path *p) { ASK(exec, p); }
int security_path(const struct path *p, u32 access) { ASK(path, p, access); }
int security_across(const struct path *from, const struct path *to) { ASK(across, from, to); }
int security_mount(void) { ASK(mount); }
int security_kill(struct task_struct *t, int sig) { ASK(kill, t, sig); }
int security_ptrace(struct task_struct *tracer, struct task_struct *t) { ASK(ptrace, tracer, t); }
