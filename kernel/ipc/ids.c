/* Ids, keys and permissions of the three kinds. */
#include "../core/nsproxy.h"
#include "../debug/debug.h"
#include "../fs/procfs/procfs.h"
#include <abi/errno.h>

#define LIMITS                                                                                               \
    .shmmax = ~0UL - (1UL << 24), .shmall = ~0UL - (1UL << 24), .shmmni = 4096, .semmsl = 32000,             \
    .semmns = 1024000000, .semopm = 500, .semmni = 32000, .msgmax = 8192, .msgmnb = 16384, .msgmni = 32000
struct ipc_namespace init_ipc_ns = {.refcount = {1}, .user_ns = &init_user_ns, LIMITS};
struct mutex ipc_mutex[IPC_KINDS] = {MUTEX_INIT(ipc_mutex[0]), MUTEX_INIT(ipc_mutex[1]),
                                     MUTEX_INIT(ipc_mutex[2])};

struct ipc_namespace *ipc_ns_new(struct user_namespace *owner) {
    struct ipc_namespace *ns = kmalloc(sizeof(*ns), GFP_KERNEL);
    if (ns)
        *ns = (struct ipc_namespace){.refcount = {1}, .user_ns = get_user_ns(owner), LIMITS};
    return ns;
}
void ipc_remove_all(struct ipc_namespace *ns) {
    static void (*const free[])(struct kern_ipc_perm *) = {sem_free, shm_free, msg_free};
    for (int kind = 0; kind < IPC_KINDS; kind++) {
        struct kern_ipc_perm *p;
        mutex_lock(&ipc_mutex[kind]);
        for (u64 i = 0; (p = radix_next(&ns->ids[kind].objects, &i)); i++)
            free[kind](p);
        radix_destroy(&ns->ids[kind].objects);
        kfree(ns->ids[kind].map);
        ns->ids[kind].map = NULL;
        mutex_unlock(&ipc_mutex[kind]);
    }
}
void put_ipc_ns(struct ipc_namespace *ns) {
    if (!atomic_dec_and_test(&ns->refcount))
        return;
    ipc_remove_all(ns);
    put_user_ns(ns->user_ns);
    kfree(ns);
}

bool ipc_charge(u64 bytes, struct user_struct **payer) {
    struct user_struct *u = *payer = current->cred->user; /* users are never freed */
    u64 all = __atomic_add_fetch(&u->ipc_bytes.v, bytes, __ATOMIC_RELAXED);
    if (all <= total_pages * PAGE_SIZE / 8 || capable(CAP_SYS_RESOURCE))
        return true;
    ipc_uncharge(u, bytes);
    return false;
}
void ipc_uncharge(struct user_struct *payer, u64 bytes) {
    __atomic_sub_fetch(&payer->ipc_bytes.v, bytes, __ATOMIC_RELAXED);
}

/* The lowest index that is free; there is one. */
static u32 free_index(const struct ipc_ids *ids) {
    u32 i = 0;
    while (!~ids->map->full[i])
        i++;
    u32 w = i * 64 + ctz64(~ids->map->full[i]);
    return w * 64 + ctz64(~ids->map->used[w]);
}
static void mark(struct ipc_ids *ids, u32 index, bool used) {
    u64 *w = &ids->map->used[index / 64], *f = &ids->map->full[index / 4096], bit = BIT(index / 64 % 64);
    *w = used ? *w | BIT(index % 64) : *w & ~BIT(index % 64);
    *f = ~*w ? *f & ~bit : *f | bit;
}
static struct kern_ipc_perm *find_key(struct ipc_ids *ids, s32 key, struct rb_node ***link,
                                      struct rb_node **parent) {
    *parent = NULL;
    for (*link = &ids->keys.node; **link;) {
        struct kern_ipc_perm *p = rb_entry(*parent = **link, struct kern_ipc_perm, by_key);
        if (key == p->key)
            return p;
        *link = key < p->key ? &(*parent)->left : &(*parent)->right;
    }
    return NULL;
}

long ipc_add(struct ipc_namespace *ns, enum ipc_kind kind, struct kern_ipc_perm *p, s32 key, u32 flags,
             u32 limit) {
    struct ipc_ids *ids = &ns->ids[kind];
    struct rb_node **link, *parent;
    if (ids->in_use >= min(limit, (u32)IPCMNI))
        return -ENOSPC;
    if (!ids->map && !(ids->map = kzalloc(sizeof(*ids->map), GFP_KERNEL)))
        return -ENOMEM;
    u32 index = free_index(ids);
    int r = radix_insert(&ids->objects, index, p);
    if (r)
        return r;
    mark(ids, index, true);
    ids->in_use++;
    *p = (struct kern_ipc_perm){.ns = ns,
                                .id = ids->seq * IPCMNI + index,
                                .key = key,
                                .uid = current->cred->euid,
                                .cuid = current->cred->euid,
                                .gid = current->cred->egid,
                                .cgid = current->cred->egid,
                                .mode = flags & 0777};
    if (key != IPC_PRIVATE && !find_key(ids, key, &link, &parent))
        rb_insert(&ids->keys, &p->by_key, parent, link);
    return p->id;
}
void ipc_remove_key(enum ipc_kind kind, struct kern_ipc_perm *p) {
    if (p->key != IPC_PRIVATE)
        rb_erase(&p->ns->ids[kind].keys, &p->by_key);
    p->key = IPC_PRIVATE;
}
void ipc_remove(enum ipc_kind kind, struct kern_ipc_perm *p) {
    struct ipc_ids *ids = &p->ns->ids[kind];
    ipc_remove_key(kind, p);
    radix_delete(&ids->objects, p->id % IPCMNI);
    mark(ids, p->id % IPCMNI, false);
    ids->in_use--;
    ids->seq = (ids->seq + 1) % (0x7fffffff / IPCMNI); /* an id does not come back soon */
}

struct kern_ipc_perm *ipc_at(struct ipc_namespace *ns, enum ipc_kind kind, s32 index) {
    return index < 0 ? NULL : radix_lookup(&ns->ids[kind].objects, index % IPCMNI);
}
struct kern_ipc_perm *ipc_find(struct ipc_namespace *ns, enum ipc_kind kind, s32 id) {
    struct kern_ipc_perm *p = ipc_at(ns, kind, id);
    return p && p->id == id ? p : NULL;
}
s32 ipc_max_index(struct ipc_namespace *ns, enum ipc_kind kind) {
    const struct ipc_ids *ids = &ns->ids[kind];
    u32 i = ids->in_use ? IPCMNI - 1 : 0;
    while (i && !ids->map->used[i / 64])
        i -= 64;
    while (i && !(ids->map->used[i / 64] >> i % 64 & 1))
        i--;
    return i;
}

struct kern_ipc_perm *ipc_lookup(struct ipc_namespace *ns, enum ipc_kind kind, s32 key, u32 flags) {
    struct rb_node **link, *parent;
    if (key == IPC_PRIVATE)
        return NULL;
    struct kern_ipc_perm *p = find_key(&ns->ids[kind], key, &link, &parent);
    if (!p)
        return flags & IPC_CREAT ? NULL : ERR_PTR(-ENOENT);
    if ((flags & IPC_CREAT) && (flags & IPC_EXCL))
        return ERR_PTR(-EEXIST);
    int r = ipcperms(p, flags);
    return r ? ERR_PTR(r) : p;
}

int ipcperms(const struct kern_ipc_perm *p, u32 wanted) {
    const struct cred *c = current->cred;
    u32 granted = p->mode;
    wanted |= wanted >> 3 | wanted >> 6;
    if (c->euid == p->cuid || c->euid == p->uid)
        granted >>= 6;
    else if (in_group(c, p->cgid) || in_group(c, p->gid))
        granted >>= 3;
    return (wanted & ~granted & 7) && !ns_capable(p->ns->user_ns, CAP_IPC_OWNER) ? -EACCES : 0;
}
int ipc_may_change(const struct kern_ipc_perm *p) {
    uid_t euid = current->cred->euid;
    return euid == p->cuid || euid == p->uid || ns_capable(p->ns->user_ns, CAP_SYS_ADMIN) ? 0 : -EPERM;
}
void ipc_to_user(const struct kern_ipc_perm *p, struct ipc64_perm *u) {
    *u = (struct ipc64_perm){.key = p->key,
                             .uid = from_kuid_munged(current_user_ns(), p->uid),
                             .gid = from_kgid_munged(current_user_ns(), p->gid),
                             .cuid = from_kuid_munged(current_user_ns(), p->cuid),
                             .cgid = from_kgid_munged(current_user_ns(), p->cgid),
                             .mode = p->mode,
                             .seq = p->id / IPCMNI};
}
int ipc_set(struct kern_ipc_perm *p, const struct ipc64_perm *u) {
    uid_t uid = make_kuid(current_user_ns(), u->uid);
    gid_t gid = make_kgid(current_user_ns(), u->gid);
    if (uid == INVALID_ID || gid == INVALID_ID)
        return -EINVAL;
    p->uid = uid;
    p->gid = gid;
    p->mode = (p->mode & ~0777u) | (u->mode & 0777);
    return 0;
}

int ipc_show(struct seq *s, enum ipc_kind kind) {
    static void (*const show[])(struct seq *, struct kern_ipc_perm *) = {sem_show, shm_show, msg_show};
    static const char *const heads[] = {
        "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n",
        "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      "
        "atime      "
        "dtime      ctime                   rss                  swap\n",
        "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime   "
        "   rtime "
        "     ctime\n"};
    struct kern_ipc_perm *p = NULL;
    seq_printf(s, "%s", heads[kind]);
    for (u64 i = 0; i < IPCMNI; i += 64) { /* so many at a time: the mutex is everybody's */
        mutex_lock(&ipc_mutex[kind]);
        for (u64 k = i; (p = radix_next(&current_ipc_ns()->ids[kind].objects, &k)) && k < i + 64; k++)
            show[kind](s, p);
        mutex_unlock(&ipc_mutex[kind]);
        if (!p || fatal_signal_pending(current))
            break;
    }
    return 0;
}
