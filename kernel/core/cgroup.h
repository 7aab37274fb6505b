/* Control groups (version 2): a group of tasks, in a tree of groups, and what they may have: the controllers
 * pids (how many they may be), memory (mm/memcg.c) and cpu (sched/group.c).
 *
 * A task's group changes under tasklist_lock; the tree under cgroup_mutex. A group lives while it has tasks,
 * children or open files (refcount); removed, it is dead and takes nobody in. */
#pragma once
#include "task.h"

#define CGROUP_PIDS 1u
#define CGROUP_MEMORY 2u
#define CGROUP_CPU 4u
struct cgroup {
    atomic_t refcount;
    struct cgroup *parent; /* counted; NULL: the root */
    struct list_head children, sibling;
    char *name;
    u64 id;
    bool dead;
    u32 subtree;     /* CGROUP_*: controllers that the children have */
    u32 processes;   /* in it, and not dead: tasklist_lock */
    atomic64_t pids; /* tasks in it and below */
    s64 max;         /* of them; S64_MAX: no limit */
    atomic64_t hits; /* forks that were refused here or below for it */
    struct {
        atomic64_t pages;            /* charged to it and below; each counts the group */
        s64 max, peak;               /* pages; INT64_MAX: no limit */
        atomic64_t hits, oom, kills; /* times that the limit was met; that nothing could be dropped; ends */
        bool oom_group;              /* who is ended takes the others along */
    } memory;
    struct cpu_group cpu;
};
#define CGROUP_NO_LIMIT INT64_MAX
extern struct cgroup root_cgroup;
extern struct mutex cgroup_mutex;

/* Fork: p, not yet seen, is to be in `into` (counted; taken over) or, NULL, where current is. 0 or -EAGAIN.
 */
int cgroup_can_fork(struct task_struct *p, struct cgroup *into);
void cgroup_cancel_fork(struct task_struct *p);
/* tasklist_lock held: p is about to be linked. If current was moved meanwhile p goes along: 0 or -EAGAIN. */
int cgroup_post_fork(struct task_struct *p, bool into);
/* tasklist_lock held: t is the last of its process to end: the group has one less, though who waits for it
 * counts still. */
void cgroup_exit(struct task_struct *t);
/* tasklist_lock held: t has been reaped. */
void cgroup_release(struct task_struct *t);
void cgroup_free(struct task_struct *t); /* it does not run any more, and is forgotten */

void get_cgroup(struct cgroup *c);
void put_cgroup(struct cgroup *c); /* any context */
/* cgroup_mutex held by the caller of these. A new child: counted, or ERR_PTR(-EEXIST, -ENOMEM, -ENODEV). */
struct cgroup *cgroup_mkdir(struct cgroup *parent, const char *name);
int cgroup_rmdir(struct cgroup *c);                              /* 0 or -EBUSY */
struct cgroup *cgroup_child(struct cgroup *c, const char *name); /* not counted, or NULL */
int cgroup_attach(struct cgroup *c, pid_t pid); /* a process moves there: 0, -ESRCH, -EBUSY, -ENODEV */
void cgroup_kill(struct cgroup *c);             /* all in it and below */
void cgroup_cpu_changed(void); /* somewhere the children got the cpu controller, or lost it */
bool cgroup_is_in(const struct cgroup *c, const struct cgroup *top); /* it is top, or below */

/* --- mm/memcg.c --- */
/* 2^order pages more for current's group: it, or NULL where that is the root; ERR_PTR(-ENOMEM). With
 * GFP_KERNEL what is cached for the group is dropped first, and then the OOM killer runs in it. */
struct cgroup *memory_charge(unsigned int order, unsigned int gfp);
void memory_uncharge(struct cgroup *c, u64 pages);
void memory_shrink(struct cgroup *c); /* its limit may be less than what it has: take it away. May sleep */
bool cgroup_populated(struct cgroup *c);
struct seq;
void cgroup_path(struct seq *s, struct cgroup *c);
struct cgroup *cgroup_of_fd(s32 fd); /* fs/cgroupfs.c: counted, or ERR_PTR */
