/* C25, C27: what a child's standing with the scheduler is; sched_setattr. */
#include "ktap.h"

struct attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};
static int nice_of(void) { return getpriority(PRIO_PROCESS, 0) + 20; }
static int policy_of(void) { return sched_getscheduler(0); }
static int prio_of(void) {
    struct sched_param p;
    sched_getparam(0, &p);
    return p.sched_priority;
}
static int affinity_of(void) {
    cpu_set_t c;
    sched_getaffinity(0, sizeof(c), &c);
    return CPU_COUNT(&c);
}
static int as_user(void) {
    struct attr a = {.size = sizeof(a), .nice = -5};
    setgid(1000);
    setuid(1000);
    if (syscall(SYS_sched_setattr, 0, &a, 0) != -1 || errno != EPERM)
        return 1;
    a.nice = 7;
    if (syscall(SYS_sched_setattr, 0, &a, 0))
        return 2;
    struct sched_param p = {5};
    if (sched_setscheduler(0, SCHED_FIFO, &p) != -1 || errno != EPERM)
        return 3;
    if (setpriority(PRIO_PROCESS, getppid(), 10) != -1 || (errno != EPERM && errno != EACCES))
        return 4;
    cpu_set_t c;
    CPU_ZERO(&c);
    CPU_SET(0, &c);
    return sched_setaffinity(getppid(), sizeof(c), &c) != -1 || errno != EPERM ? 5 : 0;
}
int main(void) {
    printf("KTAP version 1\n");
    setpriority(PRIO_PROCESS, 0, 5);
    OK(in_child(nice_of) == 25, "C25: nice is inherited");
    struct sched_param p = {7};
    OK(sched_setscheduler(0, SCHED_RR, &p) == 0 && in_child(policy_of) == SCHED_RR && in_child(prio_of) == 7,
       "C25: policy and priority are inherited");
    sched_setscheduler(0, SCHED_RR | 0x40000000, &p);
    OK((policy_of() & 0x40000000) && in_child(policy_of) == SCHED_OTHER,
       "C25: SCHED_RESET_ON_FORK: the child is an ordinary one");
    p.sched_priority = 0;
    sched_setscheduler(0, SCHED_OTHER, &p);
    setpriority(PRIO_PROCESS, 0, -5);
    struct attr a = {.size = sizeof(a), .nice = -5, .flags = 1};
    OK(syscall(SYS_sched_setattr, 0, &a, 0) == 0 && in_child(nice_of) == 20,
       "C25: reset takes a negative nice away too");
    struct attr g = {0};
    OK(syscall(SYS_sched_getattr, 0, &g, sizeof(g), 0) == 0 && g.size >= sizeof(g) - 8 && g.policy == 0 &&
           g.nice == -5 && g.flags == 1,
       "sched_getattr gives it back");
    a = (struct attr){.size = sizeof(a), .policy = SCHED_FIFO, .priority = 3};
    OK(syscall(SYS_sched_setattr, 0, &a, 0) == 0 && policy_of() == SCHED_FIFO && prio_of() == 3,
       "sched_setattr sets FIFO");
    a.priority = 100;
    FAILS(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL, "a priority of 100 is EINVAL");
    a.priority = 0;
    FAILS(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL, "FIFO without a priority is EINVAL");
    a.size = 8;
    FAILS(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG, "a size that is too small is E2BIG");
    FAILS(syscall(SYS_sched_setattr, 0, &a, 1), EINVAL, "flags are EINVAL");
    a = (struct attr){.size = sizeof(a)};
    syscall(SYS_sched_setattr, 0, &a, 0);
    cpu_set_t c;
    CPU_ZERO(&c);
    CPU_SET(0, &c);
    sched_setaffinity(0, sizeof(c), &c);
    OK(in_child(affinity_of) == 1, "C27: affinity is inherited");
    CPU_ZERO(&c);
    FAILS(sched_setaffinity(0, sizeof(c), &c), EINVAL, "no hart is EINVAL");
    OK(in_child(as_user) == 0, "a user may lower its own standing, not raise it, nor touch another's");
    return ktap_done();
}
