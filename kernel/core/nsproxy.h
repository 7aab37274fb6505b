/* Namespaces (C20): which host name, IPC objects, mounts and process numbers a task has. They are counted
 * objects; a task points to a set of them, nsproxy, which most tasks share. A set never changes: a change
 * makes another. */
#pragma once
#include "../ipc/ipc.h"
#include "task.h"
#include "user_namespace.h"

struct uts_namespace {
    atomic_t refcount;
    char nodename[65], domainname[65]; /* uts_lock */
    struct user_namespace *user_ns;    /* counted: whose capabilities count for it; so in the others */
};
extern struct uts_namespace init_uts_ns;
extern spinlock_t uts_lock;

/* Numbers of processes: one of its own in each namespace from its task's up to the first. `level` 0 is the
 * first, whose numbers the kernel itself uses everywhere: t->pid, pgid, siginfo on its way. */
struct pid_namespace {
    atomic_t refcount; /* of the nested ones */
    u32 level;
    struct pid_namespace *parent; /* counted */
    /* tasklist_lock */
    struct radix_tree pids; /* number to struct pid */
    pid_t last;
    u32 processes;                /* numbers in use */
    struct signal_struct *reaper; /* process 1; NULL: not yet there */
    bool dying;                   /* process 1 has ended: no more are made */
    struct user_namespace *user_ns;
};
extern struct pid_namespace init_pid_ns;

struct mnt_namespace {
    atomic_t refcount;
    struct mount *root;
    struct list_head mounts; /* see fs/mount.c for the locks */
    u32 mounts_nr;           /* those that are on their way in or out too: mount_mutex */
    struct user_namespace *user_ns;
};
extern struct mnt_namespace init_mnt_ns;

struct nsproxy {
    atomic_t refcount;
    struct uts_namespace *uts_ns;
    struct ipc_namespace *ipc_ns;
    struct mnt_namespace *mnt_ns;
    struct pid_namespace *pid_ns_for_children;
};
extern struct nsproxy init_nsproxy;
#define current_ipc_ns() (current->nsproxy->ipc_ns)
#define CLONE_NEW_ALL (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID)

/* p, new, gets current's namespaces, those of the flags anew, which belong to p's user namespace. 0, -EPERM,
 * -ENOMEM, -EINVAL. */
int copy_namespaces(u64 flags, struct task_struct *p);
void put_nsproxy(struct nsproxy *n);
/* Another task's, counted, or NULL: it has ended. */
struct nsproxy *get_task_nsproxy(struct task_struct *t);
/* current's from now on; takes over the reference. */
void switch_task_namespaces(struct nsproxy *n);

void put_uts_ns(struct uts_namespace *ns);
static inline void get_pid_ns(struct pid_namespace *ns) {
    if (ns->level)
        atomic_inc(&ns->refcount);
}
void put_pid_ns(struct pid_namespace *ns);
/* fs/mount.c. A copy of all mounts; root and working directory in fs follow. NULL: no memory. */
struct mnt_namespace *copy_mnt_ns(struct mnt_namespace *old, struct fs_struct *fs,
                                  struct user_namespace *owner);
void put_mnt_ns(struct mnt_namespace *ns);
void enter_mnt_ns(struct mnt_namespace *ns);
void mnt_namespace_root(struct mnt_namespace *ns, struct path *p); /* counted: what is seen at / in it */

/* fs/nsfs.c: a namespace as a file. */
enum ns_kind { NS_UTS, NS_IPC, NS_MNT, NS_USER, NS_PID, NS_PID_FOR_CHILDREN, NS_KINDS };
int ns_get_path(struct task_struct *t, enum ns_kind kind,
                struct path *out);                                       /* /proc/PID/ns; out is counted */
ssize_t ns_read_link(struct task_struct *t, enum ns_kind kind, char *b); /* its name into b; or -ENOENT */
struct file;
void *ns_of_file(struct file *f, enum ns_kind *kind); /* NULL: it is none. Not counted: f counts it */
