/* Credentials and users. A cred is never changed once a task has it: a change makes another. */
#include "task.h"
#include "../debug/debug.h"
#include "../security/security.h"
#include "user_namespace.h"
#include <abi/errno.h>

#define NGROUPS_MAX 65536

static struct group_info no_groups = {.refcount = {1}};
static struct user_struct root_user = {.refcount = {1}};
static LIST_HEAD(users);
static spinlock_t users_lock = SPINLOCK_INIT(RANK_OBJECT);
struct cred init_cred = {.refcount = {2},
                         .cap_effective = CAP_FULL,
                         .cap_permitted = CAP_FULL,
                         .cap_bset = CAP_FULL,
                         .user = &root_user,
                         .user_ns = &init_user_ns,
                         .groups = &no_groups};

void creds_init(void) { list_add(&root_user.link, &users); }

bool in_group(const struct cred *c, gid_t gid) {
    if (c->fsgid == gid || c->egid == gid)
        return true;
    for (u32 i = 0; i < c->groups->n; i++)
        if (c->groups->gid[i] == gid)
            return true;
    return false;
}

struct user_struct *find_user(uid_t uid) {
    struct user_struct *u, *new = kzalloc(sizeof(*new), GFP_KERNEL);
    spin_lock(&users_lock);
    list_for_each_entry(u, &users, link) if (u->uid == uid) {
        atomic_inc(&u->refcount);
        goto out;
    }
    if ((u = new)) {
        u->uid = uid;
        atomic_set(&u->refcount, 1);
        list_add(&u->link, &users);
        new = NULL;
    }
out:
    spin_unlock(&users_lock);
    kfree(new);
    return u;
}
/* A user once seen is remembered: the scheduler reads its process count without a reference. */
void put_user_struct(struct user_struct *u) { atomic_dec(&u->refcount); }
static void put_groups(struct group_info *g) {
    if (atomic_dec_and_test(&g->refcount))
        kfree(g);
}
void put_cred(struct cred *c) {
    if (!atomic_dec_and_test(&c->refcount))
        return;
    put_user_struct(c->user);
    put_groups(c->groups);
    put_landlock(c->landlock);
    put_user_ns(c->user_ns);
    kfree(c);
}

/* A private copy to change; publish with commit_cred or drop with put_cred. */
struct cred *prepare_cred(void) {
    struct cred *c = kmalloc(sizeof(*c), GFP_KERNEL);
    if (!c)
        return NULL;
    *c = *current->cred;
    atomic_set(&c->refcount, 1);
    atomic_inc(&c->user->refcount);
    atomic_inc(&c->groups->refcount);
    get_landlock(c->landlock);
    get_user_ns(c->user_ns);
    return c;
}
int copy_creds(u64 flags, struct task_struct *p) {
    if (likely(!(flags & CLONE_NEWUSER))) {
        get_cred(p->cred);
        return 0;
    }
    struct cred *c = prepare_cred();
    int r = c ? create_user_ns(c) : -ENOMEM;
    if (!r)
        p->cred = c;
    else if (c)
        put_cred(c);
    return r;
}
/* The capability rules of a change of user: leaving root drops them. */
static void adjust_caps(struct cred *c, const struct cred *old) {
    uid_t root = make_kuid(old->user_ns, 0);
    bool had = old->uid == root || old->euid == root || old->suid == root,
         has = c->uid == root || c->euid == root || c->suid == root;
    if (had && !has)
        c->cap_permitted = c->cap_effective = 0;
    if (old->euid == root && c->euid != root)
        c->cap_effective = 0;
    if (old->euid != root && c->euid == root)
        c->cap_effective = c->cap_permitted;
}
/* Has new no capability that old has not? Whoever made a user namespace has them all there. */
static bool cred_cap_issubset(const struct cred *old, const struct cred *new) {
    const struct user_namespace *ns = new->user_ns;
    if (ns == old->user_ns)
        return !(new->cap_permitted & ~old->cap_permitted);
    for (; ns->level > old->user_ns->level; ns = ns->parent)
        if (ns->parent == old->user_ns && ns->owner == old->euid)
            return true;
    return false;
}
void publish_cred(struct cred *c, struct mm_struct *mm) {
    const struct cred *old = current->cred;
    if (c->euid != old->euid || c->egid != old->egid || c->fsuid != old->fsuid || c->fsgid != old->fsgid ||
        !cred_cap_issubset(old, c)) {
        if (mm)
            mm->undumpable = true; /* what it read as somebody else is nobody's to see */
        current->pdeath_signal = 0;
        current->self_exec_id++; /* its children's exit signals were chosen by somebody else */
    }
    current->cred = c;
}
int commit_cred(struct cred *c) {
    struct cred *old = current->cred;
    if (c->uid != old->uid) {
        struct user_struct *u = find_user(c->uid);
        if (!u) {
            put_cred(c);
            return -ENOMEM;
        }
        atomic_inc(&u->processes);
        current->se.user_tasks = c->uid ? &u->processes : NULL;
        atomic_dec(&c->user->processes);
        put_user_struct(c->user);
        c->user = u;
    }
    c->fsuid = c->euid;
    c->fsgid = c->egid;
    spin_lock(&current->alloc_lock);
    READ_TASKS(irq);
    publish_cred(c, current->mm);
    READ_TASKS_END(irq);
    spin_unlock(&current->alloc_lock);
    put_cred(old);
    return 0;
}

#define KEEP 0xffffffffu
static bool may_uid(const struct cred *c, u32 id) {
    return id == KEEP || id == c->uid || id == c->euid || id == c->suid ||
           (c->cap_effective & BIT(CAP_SETUID));
}
static bool may_gid(const struct cred *c, u32 id) {
    return id == KEEP || id == c->gid || id == c->egid || id == c->sgid ||
           (c->cap_effective & BIT(CAP_SETGID));
}
/* The kernel's number of an argument; KEEP stays. False: current's namespace has no such id. */
static bool to_kernel(u32 *id, bool uid) {
    const struct user_namespace *ns = current_user_ns();
    if (*id == KEEP)
        return true;
    *id = uid ? make_kuid(ns, *id) : make_kgid(ns, *id);
    return *id != INVALID_ID;
}
static long set_ids(u32 r, u32 e, u32 s, bool uid) {
    const struct cred *old = current->cred;
    if (!to_kernel(&r, uid) || !to_kernel(&e, uid) || !to_kernel(&s, uid))
        return -EINVAL;
    bool ok = uid ? may_uid(old, r) && may_uid(old, e) && may_uid(old, s)
                  : may_gid(old, r) && may_gid(old, e) && may_gid(old, s);
    if (!ok)
        return -EPERM;
    struct cred *c = prepare_cred();
    if (!c)
        return -ENOMEM;
    u32 *rp = uid ? &c->uid : &c->gid, *ep = uid ? &c->euid : &c->egid, *sp = uid ? &c->suid : &c->sgid;
    *rp = r == KEEP ? *rp : r;
    *ep = e == KEEP ? *ep : e;
    *sp = s == KEEP ? *sp : s;
    if (uid)
        adjust_caps(c, old);
    return commit_cred(c);
}
long sys_setresuid(u64 r, u64 e, u64 s) { return set_ids(r, e, s, true); }
long sys_setresgid(u64 r, u64 e, u64 s) { return set_ids(r, e, s, false); }
long sys_setuid(u64 id) {
    bool all = ns_capable(current_user_ns(), CAP_SETUID);
    return (u32)id == KEEP ? -EINVAL : set_ids(all ? id : KEEP, id, all ? id : KEEP, true);
}
long sys_setgid(u64 id) {
    bool all = ns_capable(current_user_ns(), CAP_SETGID);
    return (u32)id == KEEP ? -EINVAL : set_ids(all ? id : KEEP, id, all ? id : KEEP, false);
}
long sys_setreuid(u64 r, u64 e) {
    const struct cred *c = current->cred;
    u32 ke = e;
    if (!to_kernel(&ke, true))
        return -EINVAL;
    bool save = (u32)r != KEEP || (ke != KEEP && ke != c->uid);
    u32 eff = ke == KEEP ? from_kuid(c->user_ns, c->euid) : (u32)e;
    return set_ids(r, e, save && may_uid(c, ke) ? eff : KEEP, true);
}
long sys_setregid(u64 r, u64 e) {
    const struct cred *c = current->cred;
    u32 ke = e;
    if (!to_kernel(&ke, false))
        return -EINVAL;
    bool save = (u32)r != KEEP || (ke != KEEP && ke != c->gid);
    u32 eff = ke == KEEP ? from_kgid(c->user_ns, c->egid) : (u32)e;
    return set_ids(r, e, save && may_gid(c, ke) ? eff : KEEP, false);
}
static long put3(u64 a, u64 b, u64 c, u32 x, u32 y, u32 z) {
    return put_user(a, x) || put_user(b, y) || put_user(c, z) ? -EFAULT : 0;
}
long sys_getresuid(u64 a, u64 b, u64 c) {
    const struct cred *o = current->cred;
    return put3(a, b, c, from_kuid_munged(o->user_ns, o->uid), from_kuid_munged(o->user_ns, o->euid),
                from_kuid_munged(o->user_ns, o->suid));
}
long sys_getresgid(u64 a, u64 b, u64 c) {
    const struct cred *o = current->cred;
    return put3(a, b, c, from_kgid_munged(o->user_ns, o->gid), from_kgid_munged(o->user_ns, o->egid),
                from_kgid_munged(o->user_ns, o->sgid));
}
long sys_getuid(void) { return from_kuid_munged(current_user_ns(), current->cred->uid); }
long sys_geteuid(void) { return from_kuid_munged(current_user_ns(), current->cred->euid); }
long sys_getgid(void) { return from_kgid_munged(current_user_ns(), current->cred->gid); }
long sys_getegid(void) { return from_kgid_munged(current_user_ns(), current->cred->egid); }
long sys_getgroups(u64 n, u64 list) {
    const struct group_info *g = current->cred->groups;
    if ((s32)n < 0 || ((s32)n && (u32)n < g->n))
        return -EINVAL;
    for (u32 i = 0; (s32)n && i < g->n; i++)
        if (put_user(list + 4 * i, from_kgid_munged(current_user_ns(), g->gid[i])))
            return -EFAULT;
    return g->n;
}
long sys_setgroups(u64 n, u64 list) {
    if (!may_setgroups(current_user_ns()) || !ns_capable(current_user_ns(), CAP_SETGID))
        return -EPERM;
    if ((u32)n > NGROUPS_MAX)
        return -EINVAL;
    struct group_info *g = kmalloc(sizeof(*g) + (u32)n * sizeof(gid_t), GFP_KERNEL);
    if (!g)
        return -ENOMEM;
    atomic_set(&g->refcount, 1);
    g->n = n;
    long r = copy_from_user(g->gid, list, (u32)n * sizeof(gid_t)) ? -EFAULT : 0;
    for (u32 i = 0; !r && i < (u32)n; i++)
        if ((g->gid[i] = make_kgid(current_user_ns(), g->gid[i])) == INVALID_ID)
            r = -EINVAL;
    struct cred *c = r ? NULL : prepare_cred();
    if (!c) {
        put_groups(g);
        return r ? r : -ENOMEM;
    }
    put_groups(c->groups);
    c->groups = g;
    return commit_cred(c);
}

struct cap_header {
    u32 version;
    s32 pid;
};
#define CAP_VERSION_3 0x20080522
static long cap_check(u64 hdr, struct cap_header *h) {
    if (copy_from_user(h, hdr, sizeof(*h)))
        return -EFAULT;
    if (h->version != CAP_VERSION_3) {
        put_user(hdr, (u32)CAP_VERSION_3);
        return -EINVAL;
    }
    return h->pid < 0 ? -EINVAL : 0;
}
long sys_capget(u64 hdr, u64 data) {
    struct cap_header h;
    long r = cap_check(hdr, &h);
    if (r || !data)
        return r;
    struct task_struct *t = get_task_by_pid(h.pid ? h.pid : current->vpid);
    if (!t)
        return -ESRCH;
    READ_TASKS(irq);
    u64 e = t->cred->cap_effective, p = t->cred->cap_permitted, i = t->cred->cap_inheritable;
    READ_TASKS_END(irq);
    put_task(t);
    u32 out[6] = {e, p, i, e >> 32, p >> 32, i >> 32};
    return copy_to_user(data, out, sizeof(out));
}
long sys_capset(u64 hdr, u64 data) {
    struct cap_header h;
    u32 in[6];
    long r = cap_check(hdr, &h);
    if (r)
        return r;
    if (h.pid && h.pid != current->vpid)
        return -EPERM;
    if (copy_from_user(in, data, sizeof(in)))
        return -EFAULT;
    u64 e = in[0] | (u64)in[3] << 32, p = in[1] | (u64)in[4] << 32, i = in[2] | (u64)in[5] << 32;
    e &= CAP_FULL, p &= CAP_FULL, i &= CAP_FULL;
    const struct cred *old = current->cred;
    if ((p & ~old->cap_permitted) || (e & ~p) || (i & ~(old->cap_inheritable | old->cap_bset)))
        return -EPERM;
    if ((i & ~(old->cap_inheritable | old->cap_permitted)) && !ns_capable(old->user_ns, CAP_SETPCAP))
        return -EPERM;
    struct cred *c = prepare_cred();
    if (!c)
        return -ENOMEM;
    c->cap_effective = e, c->cap_permitted = p, c->cap_inheritable = i;
    return commit_cred(c);
}
/* The bounding set: what an exec can give, and what the inheritable set can get. */
long prctl_capbset_read(u64 cap) {
    return cap > CAP_LAST_CAP ? -EINVAL : (current->cred->cap_bset & BIT(cap)) != 0;
}
long prctl_capbset_drop(u64 cap) {
    if (!ns_capable(current_user_ns(), CAP_SETPCAP))
        return -EPERM;
    if (cap > CAP_LAST_CAP)
        return -EINVAL;
    struct cred *c = prepare_cred();
    if (!c)
        return -ENOMEM;
    c->cap_bset &= ~BIT(cap);
    return commit_cred(c);
}
