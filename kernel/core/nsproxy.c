/* The set of namespaces of a task, and the calls that change it: unshare and setns. */
#include "nsproxy.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include <abi/errno.h>

spinlock_t uts_lock = SPINLOCK_INIT(RANK_OBJECT);
struct uts_namespace init_uts_ns = {{1}, "tine", "(none)", &init_user_ns};
struct nsproxy init_nsproxy = {{1}, &init_uts_ns, &init_ipc_ns, &init_mnt_ns, &init_pid_ns};

static struct uts_namespace *copy_uts_ns(struct uts_namespace *old, struct user_namespace *owner) {
    struct uts_namespace *ns = kmalloc(sizeof(*ns), GFP_KERNEL);
    if (!ns)
        return NULL;
    spin_lock(&uts_lock);
    *ns = *old;
    spin_unlock(&uts_lock);
    ns->user_ns = get_user_ns(owner);
    atomic_set(&ns->refcount, 1);
    return ns;
}
void put_uts_ns(struct uts_namespace *ns) {
    if (!atomic_dec_and_test(&ns->refcount))
        return;
    put_user_ns(ns->user_ns);
    kfree(ns);
}

#define MAX_PID_NS_LEVEL 32
static struct pid_namespace *new_pid_ns(struct pid_namespace *parent, struct user_namespace *owner) {
    if (parent->level >= MAX_PID_NS_LEVEL)
        return ERR_PTR(-ENOSPC);
    struct pid_namespace *ns = kzalloc(sizeof(*ns), GFP_KERNEL);
    if (!ns)
        return ERR_PTR(-ENOMEM);
    atomic_set(&ns->refcount, 1);
    ns->level = parent->level + 1;
    get_pid_ns(ns->parent = parent);
    ns->user_ns = get_user_ns(owner);
    return ns;
}

void put_nsproxy(struct nsproxy *n) {
    if (!atomic_dec_and_test(&n->refcount))
        return;
    put_uts_ns(n->uts_ns);
    put_ipc_ns(n->ipc_ns);
    put_mnt_ns(n->mnt_ns);
    put_pid_ns(n->pid_ns_for_children);
    kfree(n);
}
static struct nsproxy *dup_nsproxy(const struct nsproxy *old) {
    struct nsproxy *n = kmalloc(sizeof(*n), GFP_KERNEL);
    if (!n)
        return NULL;
    *n = *old;
    atomic_set(&n->refcount, 1);
    atomic_inc(&n->uts_ns->refcount);
    atomic_inc(&n->ipc_ns->refcount);
    atomic_inc(&n->mnt_ns->refcount);
    get_pid_ns(n->pid_ns_for_children);
    return n;
}
/* A set with the namespaces of the flags new, of the user namespace `owner`. fs: whose paths move to the new
 * mounts. */
static struct nsproxy *create_namespaces(u64 flags, struct fs_struct *fs, struct user_namespace *owner) {
    struct nsproxy *n = dup_nsproxy(current->nsproxy);
    long r = n ? 0 : -ENOMEM;
    if (!r && (flags & CLONE_NEWUTS)) {
        struct uts_namespace *ns = copy_uts_ns(n->uts_ns, owner);
        if (ns) {
            put_uts_ns(n->uts_ns);
            n->uts_ns = ns;
        } else {
            r = -ENOMEM;
        }
    }
    if (!r && (flags & CLONE_NEWIPC)) {
        struct ipc_namespace *ns = ipc_ns_new(owner);
        if (ns) {
            put_ipc_ns(n->ipc_ns);
            n->ipc_ns = ns;
        } else {
            r = -ENOMEM;
        }
    }
    if (!r && (flags & CLONE_NEWPID)) {
        struct pid_namespace *ns = n->pid_ns_for_children == current->pid_ns
                                       ? new_pid_ns(n->pid_ns_for_children, owner)
                                       : ERR_PTR(-EINVAL); /* one step at a time */
        if (!IS_ERR(ns)) {
            put_pid_ns(n->pid_ns_for_children);
            n->pid_ns_for_children = ns;
        } else {
            r = PTR_ERR(ns);
        }
    }
    if (!r && (flags & CLONE_NEWNS)) { /* last: it moves fs */
        struct mnt_namespace *ns = copy_mnt_ns(n->mnt_ns, fs, owner);
        if (ns) {
            put_mnt_ns(n->mnt_ns);
            n->mnt_ns = ns;
        } else {
            r = -ENOMEM;
        }
    }
    if (r && n)
        put_nsproxy(n);
    return r ? ERR_PTR(r) : n;
}

int copy_namespaces(u64 flags, struct task_struct *p) {
    struct nsproxy *n = current->nsproxy;
    if (likely(!(flags & CLONE_NEW_ALL))) {
        if (unlikely(n->pid_ns_for_children != current->pid_ns) && (flags & CLONE_THREAD))
            return -EINVAL; /* a process is in one namespace */
        atomic_inc(&n->refcount);
        return 0;
    }
    if (!ns_capable(p->cred->user_ns, CAP_SYS_ADMIN))
        return -EPERM;
    n = create_namespaces(flags, p->fs, p->cred->user_ns);
    if (IS_ERR(n))
        return PTR_ERR(n);
    p->nsproxy = n;
    return 0;
}
void switch_task_namespaces(struct nsproxy *n) {
    spin_lock(&current->alloc_lock);
    struct nsproxy *old = current->nsproxy;
    current->nsproxy = n;
    spin_unlock(&current->alloc_lock);
    if (old)
        put_nsproxy(old);
}
struct nsproxy *get_task_nsproxy(struct task_struct *t) {
    spin_lock(&t->alloc_lock);
    struct nsproxy *n = t->nsproxy;
    if (n)
        atomic_inc(&n->refcount);
    spin_unlock(&t->alloc_lock);
    return n;
}

/* --- unshare and setns --- */
#define UNSHARE_FLAGS                                                                                        \
    (CLONE_NEW_ALL | CLONE_NEWUSER | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_THREAD | CLONE_SIGHAND | \
     CLONE_VM)
int unshare_files(void);
long sys_unshare(u64 flags) {
    if (flags & ~(u64)UNSHARE_FLAGS)
        return -EINVAL;
    if (flags & CLONE_NEWUSER)
        flags |= CLONE_THREAD | CLONE_FS;
    if (flags & CLONE_VM)
        flags |= CLONE_SIGHAND;
    if (flags & CLONE_SIGHAND)
        flags |= CLONE_THREAD;
    if (flags & CLONE_NEWNS)
        flags |= CLONE_FS;
    if (flags & CLONE_NEWIPC)
        flags |= CLONE_SYSVSEM;
    /* A thread cannot leave its process, nor what others share with it: there must be nothing to leave. */
    if ((flags & CLONE_THREAD) && current->signal->nr_threads > 1)
        return -EINVAL;
    if ((flags & CLONE_SIGHAND) && atomic_read(&current->sighand->refcount) > 1)
        return -EINVAL;
    if ((flags & CLONE_VM) && atomic_read(&current->mm->mm_users) > 1)
        return -EINVAL;
    if ((flags & CLONE_NEW_ALL) && !(flags & CLONE_NEWUSER) && !ns_capable(current_user_ns(), CAP_SYS_ADMIN))
        return -EPERM;
    long r = 0;
    struct cred *c = NULL; /* with a new user namespace */
    if (flags & CLONE_NEWUSER) {
        if (!(c = prepare_cred()))
            return -ENOMEM;
        if ((r = create_user_ns(c)))
            goto put_cred;
    }
    if ((flags & CLONE_FS) && atomic_read(&current->fs->refcount) > 1) {
        struct fs_struct *fs = dup_fs_struct(current->fs), *old = current->fs;
        r = -ENOMEM;
        if (!fs)
            goto put_cred;
        r = 0;
        spin_lock(&current->alloc_lock);
        current->fs = fs;
        spin_unlock(&current->alloc_lock);
        put_fs(old);
    }
    if (flags & CLONE_FILES)
        r = unshare_files();
    if (!r && (flags & CLONE_NEW_ALL)) {
        struct nsproxy *n = create_namespaces(flags, current->fs, c ? c->user_ns : current_user_ns());
        r = IS_ERR(n) ? PTR_ERR(n) : 0;
        if (!r)
            switch_task_namespaces(n);
    }
    if (!r && (flags & CLONE_SYSVSEM))
        exit_sem(current);
    if (!r && c)
        return commit_cred(c);
put_cred:
    if (c)
        put_cred(c);
    return r;
}

static bool is_ancestor(const struct pid_namespace *up, const struct pid_namespace *ns) {
    while (ns->level > up->level)
        ns = ns->parent;
    return ns == up;
}
/* A namespace of a kind, or the set `from`'s of the kinds in flags. */
static long enter(u64 flags, struct uts_namespace *uts, struct ipc_namespace *ipc, struct mnt_namespace *mnt,
                  struct pid_namespace *pid, struct user_namespace *mine) {
    if (!ns_capable(mine, CAP_SYS_ADMIN) || ((flags & CLONE_NEWNS) && !ns_capable(mine, CAP_SYS_CHROOT)) ||
        ((flags & CLONE_NEWUTS) && !ns_capable(uts->user_ns, CAP_SYS_ADMIN)) ||
        ((flags & CLONE_NEWIPC) && !ns_capable(ipc->user_ns, CAP_SYS_ADMIN)) ||
        ((flags & CLONE_NEWNS) && !ns_capable(mnt->user_ns, CAP_SYS_ADMIN)) ||
        ((flags & CLONE_NEWPID) && !ns_capable(pid->user_ns, CAP_SYS_ADMIN)))
        return -EPERM;
    if ((flags & CLONE_NEWNS) && atomic_read(&current->fs->refcount) > 1)
        return -EINVAL;
    if ((flags & CLONE_NEWPID) && !is_ancestor(current->pid_ns, pid)) /* down only: nobody gets out so */
        return -EINVAL;
    struct nsproxy *n = dup_nsproxy(current->nsproxy);
    if (!n)
        return -ENOMEM;
    if (flags & CLONE_NEWUTS) {
        atomic_inc(&uts->refcount);
        put_uts_ns(n->uts_ns);
        n->uts_ns = uts;
    }
    if (flags & CLONE_NEWIPC) {
        atomic_inc(&ipc->refcount);
        put_ipc_ns(n->ipc_ns);
        n->ipc_ns = ipc;
    }
    if (flags & CLONE_NEWPID) {
        get_pid_ns(pid);
        put_pid_ns(n->pid_ns_for_children);
        n->pid_ns_for_children = pid;
    }
    if (flags & CLONE_NEWNS) {
        atomic_inc(&mnt->refcount);
        put_mnt_ns(n->mnt_ns);
        n->mnt_ns = mnt;
    }
    switch_task_namespaces(n);
    if (flags & CLONE_NEWIPC)
        exit_sem(current);
    if (flags & CLONE_NEWNS)
        enter_mnt_ns(mnt);
    return 0;
}
/* Of a file's namespace, or those of a process: all or none. The caller's rights are those that it comes
 * with; users, or NULL: the user namespace that it is in then. */
static long enter_with_users(u64 flags, struct uts_namespace *uts, struct ipc_namespace *ipc,
                             struct mnt_namespace *mnt, struct pid_namespace *pid,
                             struct user_namespace *users) {
    struct cred *c = users ? prepare_user_ns(users) : NULL;
    if (IS_ERR(c))
        return PTR_ERR(c);
    long r = flags & CLONE_NEW_ALL ? enter(flags, uts, ipc, mnt, pid, users ? users : current_user_ns()) : 0;
    if (!c)
        return r;
    if (!r)
        return commit_cred(c);
    put_cred(c);
    return r;
}
static long enter_those_of(struct task_struct *t, u64 flags) {
    struct nsproxy *n = get_task_nsproxy(t);
    struct user_namespace *users = NULL;
    if (!n)
        return -ESRCH;
    if (flags & CLONE_NEWUSER) {
        READ_TASKS(irq);
        users = get_user_ns(t->cred->user_ns);
        READ_TASKS_END(irq);
    }
    long r = enter_with_users(flags, n->uts_ns, n->ipc_ns, n->mnt_ns, t->pid_ns, users);
    if (users)
        put_user_ns(users);
    put_nsproxy(n);
    return r;
}
long sys_setns(u64 fd, u64 type) {
    static const u64 flag_of[] = {CLONE_NEWUTS,  CLONE_NEWIPC, CLONE_NEWNS,
                                  CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWPID};
    enum ns_kind kind;
    struct file *f = fget(fd);
    if (!f)
        return -EBADF;
    void *ns = ns_of_file(f, &kind);
    long r = -EINVAL;
    if (ns) {
        if (type && type != flag_of[kind])
            r = -EINVAL;
        else
            r = enter_with_users(flag_of[kind], ns, ns, ns, ns, kind == NS_USER ? ns : NULL);
    } else if (pidfd_task(f) && type && !(type & ~(u64)(CLONE_NEW_ALL | CLONE_NEWUSER))) {
        r = enter_those_of(pidfd_task(f), type);
    }
    fput(f);
    return r;
}

/* --- the host's name --- */
static long set_name(char *name, u64 uname, u64 len) {
    char new[65] = {0};
    if (!ns_capable(current->nsproxy->uts_ns->user_ns, CAP_SYS_ADMIN))
        return -EPERM;
    if (len > 64)
        return -EINVAL;
    if (copy_from_user(new, uname, len))
        return -EFAULT;
    spin_lock(&uts_lock);
    memcpy(name, new, sizeof(new));
    spin_unlock(&uts_lock);
    return 0;
}
long sys_sethostname(u64 name, u64 len) { return set_name(current->nsproxy->uts_ns->nodename, name, len); }
long sys_setdomainname(u64 name, u64 len) {
    return set_name(current->nsproxy->uts_ns->domainname, name, len);
}
long sys_uname(u64 buf) {
    struct abi_utsname u = {.sysname = "Linux", .release = "6.12.0-tine", .machine = "riscv64"};
    struct uts_namespace *ns = current->nsproxy->uts_ns;
    spin_lock(&uts_lock);
    memcpy(u.nodename, ns->nodename, sizeof(u.nodename));
    memcpy(u.domainname, ns->domainname, sizeof(u.domainname));
    spin_unlock(&uts_lock);
    strlcpy(u.version, "tine " TINE_VERSION, sizeof(u.version));
    return copy_to_user(buf, &u, sizeof(u));
}
