/* Mounts (C20): which tree is seen at which name, in which namespace. A mount says that the names below
 * `root` of a file system are seen at `mountpoint` of its parent. Each namespace has a list of them, and may
 * have sysctl_mount_max.
 *
 * mount_mutex: who changes the tree holds it. mounts_lock: links, for walks along a path. A mount that has
 * users (paths) is not freed: detached, it is its own parent, and goes with its last path. A tree may be as
 * deep as it is large: nothing here calls itself, next_below goes through one.
 *
 * Mounts with the same `group` are peers: what is mounted on or taken from one, at a name that the others
 * have too, comes and goes on all of them. `master`: it comes from that group, but does not go there. */
#include "../core/task.h"
#include "../core/nsproxy.h"
#include "../debug/debug.h"
#include "fs.h"
#include "inotify.h"
#include "../security/security.h"

spinlock_t mounts_lock = SPINLOCK_INIT(RANK_MOUNT);
static struct mutex mount_mutex = MUTEX_INIT(mount_mutex);
static LIST_HEAD(all_mounts); /* of all namespaces */
LIST_HEAD(super_blocks);
static u32 last_group;
static u64 last_id;
struct mnt_namespace init_mnt_ns = {
    .refcount = {1}, .mounts = LIST_HEAD_INIT(init_mnt_ns.mounts), .user_ns = &init_user_ns};

u32 sysctl_mount_max = 100000;
#define HASH_SIZE 2048
static struct list_head mount_hash[HASH_SIZE]; /* by parent and mountpoint: mounts_lock. The newest first */
static struct list_head *hash_of(const struct mount *parent, const struct dentry *mountpoint) {
    u32 h = (u32)((u64)parent >> 4) * 0x9e3779b1u ^ (u32)((u64)mountpoint >> 4) * 0x85ebca6bu;
    return &mount_hash[(h >> 16 ^ h) % HASH_SIZE];
}
/* mounts_lock or mount_mutex held. */
static struct mount *mounted_at(const struct mount *parent, const struct dentry *d) {
    struct mount *m;
    list_for_each_entry(m, hash_of(parent, d), hash) if (m->parent == parent && m->mountpoint == d) return m;
    return NULL;
}

/* A mount that ns counts and nobody sees yet. mount_mutex held. -ENOSPC, -ENOMEM. */
static struct mount *alloc_mount(struct super_block *sb, struct dentry *root, u32 flags, const char *source,
                                 struct mnt_namespace *ns) {
    if (ns->mounts_nr >= READ_ONCE(sysctl_mount_max))
        return ERR_PTR(-ENOSPC);
    struct mount *m = kzalloc(sizeof(*m), GFP_KERNEL);
    if (!m)
        return ERR_PTR(-ENOMEM);
    m->sb = sb;
    m->root = root;
    dget(root);
    m->flags = flags;
    atomic_set(&m->refcount, 1);
    strlcpy(m->source, source, sizeof(m->source));
    m->parent = m;
    m->mountpoint = root;
    m->ns = ns;
    ns->mounts_nr++;
    INIT_LIST_HEAD(&m->link);
    INIT_LIST_HEAD(&m->all_link);
    INIT_LIST_HEAD(&m->hash);
    INIT_LIST_HEAD(&m->children);
    INIT_LIST_HEAD(&m->sibling);
    m->id = ++last_id;
    sb->active++; /* mount_mutex */
    return m;
}
static void drop_super(struct super_block *sb) {
    if (--sb->active)
        return;
    list_del(&sb->link);
    fsnotify_unmount(sb);
    shrink_dentries(~0UL);
    sb_sync(sb);
    if (sb->ops && sb->ops->drop_names)
        sb->ops->drop_names(sb);
    d_drop(sb->root);
    dput(sb->root);
    if (sb->ops && sb->ops->put_super)
        sb->ops->put_super(sb);
    if (sb->bdev)
        sync_inode(sb->bdev->inode, true);
    kfree(sb);
}
static void destroy(struct mount *m) {
    struct super_block *sb = m->sb;
    dput(m->root);
    kfree(m);
    drop_super(sb);
}
/* The last path is gone, and no namespace has it. */
void mount_free(struct mount *m) {
    mutex_lock(&mount_mutex);
    destroy(m);
    mutex_unlock(&mount_mutex);
}

/* The mount that follows m in the tree below top, parents first; NULL: m was the last. next_beside leaves out
 * what is below m. mount_mutex held. */
static struct mount *next_beside(struct mount *m, struct mount *top) {
    for (; m != top; m = m->parent)
        if (m->sibling.next != &m->parent->children)
            return container_of(m->sibling.next, struct mount, sibling);
    return NULL;
}
static struct mount *next_below(struct mount *m, struct mount *top) {
    return list_empty(&m->children) ? next_beside(m, top)
                                    : list_first_entry(&m->children, struct mount, sibling);
}

/* m gets its place in the tree; nobody sees it there. mount_mutex held. */
static void set_place(struct mount *m, struct mount *parent, struct dentry *mountpoint) {
    path_get(&(struct path){parent, mountpoint});
    spin_lock(&mounts_lock);
    m->parent = parent;
    m->mountpoint = mountpoint;
    spin_unlock(&mounts_lock);
}
static void make_findable(struct mount *m) { /* mounts_lock held */
    m->mountpoint->mountpoints++;
    list_add(&m->hash, hash_of(m->parent, m->mountpoint));
}
/* m, which has its place or is to be the root of its namespace, is seen from now on with all below it: that
 * first, so that nobody sees what it covers. mount_mutex held. */
static void attach(struct mount *m) {
    struct mnt_namespace *ns = m->ns;
    bool top = m->parent == m;
    for (struct mount *o = m; o; o = next_below(o, m)) {
        spin_lock(&mounts_lock);
        if (list_empty(&o->link)) {
            list_add_tail(&o->link, &ns->mounts);
            list_add_tail(&o->all_link, &all_mounts);
            if (o != m)
                make_findable(o);
        }
        spin_unlock(&mounts_lock);
    }
    if (top) {
        ns->root = m;
        return;
    }
    list_add_tail(&m->sibling, &m->parent->children);
    spin_lock(&mounts_lock);
    make_findable(m);
    spin_unlock(&mounts_lock);
}
/* m leaves its place; what m itself and its children hold stays, and its namespace counts it still.
 * mount_mutex held. */
static void leave_place(struct mount *m) {
    struct path at = {m->parent, m->mountpoint};
    if (m->parent == m)
        return;
    list_del_init(&m->sibling);
    spin_lock(&mounts_lock);
    if (!list_empty(&m->hash)) {
        list_del_init(&m->hash);
        m->mountpoint->mountpoints--;
    }
    m->parent = m;
    m->mountpoint = m->root;
    spin_unlock(&mounts_lock);
    path_put_locked(&at);
}
static void detach(struct mount *m) {
    leave_place(m);
    spin_lock(&mounts_lock);
    list_del_init(&m->link);
    list_del_init(&m->all_link);
    m->ns->mounts_nr--;
    m->ns = NULL;
    spin_unlock(&mounts_lock);
}
/* mount_mutex held: one path less. */
void mount_put_locked(struct mount *m) {
    if (atomic_dec_and_test(&m->refcount))
        destroy(m);
}
/* m and all below it, the deepest first. */
static void detach_tree(struct mount *m) {
    for (struct mount *o = m, *up;; o = up) {
        while (!list_empty(&o->children))
            o = list_first_entry(&o->children, struct mount, sibling);
        bool last = o == m;
        up = o->parent;
        detach(o);
        mount_put_locked(o);
        if (last)
            return;
    }
}

/* --- propagation --- */
static bool below(const struct dentry *d, const struct dentry *root) {
    for (; d != root; d = d->parent)
        if (d == d->parent)
            return false;
    return true;
}
/* The next mount, after m, that what happens on `on` at d happens on too. */
static struct mount *next_peer(struct mount *m, struct mount *on, struct dentry *d) {
    struct list_head *l = m ? m->all_link.next : all_mounts.next;
    if (!on->group)
        return NULL;
    for (; l != &all_mounts; l = l->next) {
        m = container_of(l, struct mount, all_link);
        if (m != on && (m->group == on->group || m->master == on->group) && below(d, m->root))
            return m;
    }
    return NULL;
}
/* Copy the mount m, and with `deep` all below it, so that the copy's root is the dentry `root` of m: for ns,
 * and not yet seen. ->copy of the originals leads to the copies. -ENOSPC, -ENOMEM. */
static struct mount *copy_tree(struct mount *m, struct dentry *root, struct mnt_namespace *ns, bool deep) {
    struct mount *top = NULL;
    for (struct mount *o = m, *next; o; o = next) {
        next = deep ? next_below(o, m) : NULL;
        if (o->parent == m && o != m && root != m->root && !below(o->mountpoint, root)) {
            next = next_beside(o, m);
            continue;
        }
        struct mount *c = alloc_mount(o->sb, o == m ? root : o->root, o->flags, o->source, ns);
        if (IS_ERR(c)) {
            if (top)
                detach_tree(top);
            return c;
        }
        c->group = o->group;
        c->master = o->master;
        c->locked_flags = o->locked_flags;
        o->copy = c;
        if (o == m) {
            top = c;
        } else {
            c->locked = o->locked;
            set_place(c, o->parent->copy, o->mountpoint);
            list_add_tail(&c->sibling, &c->parent->children);
        }
    }
    return top;
}
/* m came from a namespace of other users, who may lift nothing that its flags forbid, and with all below m
 * they may not see what that covers. */
static void lock_tree(struct mount *m) {
    for (struct mount *o = m; o; o = next_below(o, m)) {
        o->locked_flags = true;
        o->locked |= o != m;
    }
}
/* m will be attached at `at`: copies of it for all peers of that mount, in their places, not yet seen. 0, or
 * -ENOSPC, -ENOMEM: there are none. */
static int copy_to_peers(struct mount *m, const struct path *at, struct list_head *copies) {
    struct mount *on = at->mnt, *peer = NULL, *c;
    if (on->group && !m->group)
        m->group = ++last_group;
    while ((peer = next_peer(peer, on, at->dentry))) {
        if (IS_ERR(c = copy_tree(m, m->root, peer->ns, true)))
            break;
        if (!peer->group)
            c->master = m->group, c->group = 0;
        if (peer->ns->user_ns != on->ns->user_ns)
            lock_tree(c);
        set_place(c, peer, at->dentry);
        list_add_tail(&c->all_link, copies);
    }
    if (!peer)
        return 0;
    while (!list_empty(copies)) {
        struct mount *o = list_first_entry(copies, struct mount, all_link);
        list_del_init(&o->all_link);
        detach_tree(o);
    }
    return PTR_ERR(c);
}
/* m, in no place, gets one here and on all peers; or nowhere: -ENOSPC, -ENOMEM. mount_mutex held. */
static int attach_and_propagate(struct mount *m, const struct path *at) {
    LIST_HEAD(copies);
    int r = copy_to_peers(m, at, &copies);
    if (r)
        return r;
    set_place(m, at->mnt, at->dentry);
    attach(m);
    while (!list_empty(&copies)) {
        struct mount *c = list_first_entry(&copies, struct mount, all_link);
        list_del_init(&c->all_link);
        attach(c);
    }
    return 0;
}
static void propagate_umount(struct mount *on, struct dentry *d, struct dentry *root) {
    struct mount *peer = NULL;
    while ((peer = next_peer(peer, on, d))) {
        struct mount *m = mounted_at(peer, d);
        if (m && m->root == root && list_empty(&m->children)) {
            detach(m);
            mount_put_locked(m);
        }
    }
}

/* --- namespaces --- */
static bool may_mount(void) { return ns_capable(current->nsproxy->mnt_ns->user_ns, CAP_SYS_ADMIN); }
/* may_mount is about the caller's namespace, but a path may lead into another one: a descriptor from before
 * unshare, or /proc/PID/root. What is changed has to be in the caller's. mount_mutex held. */
static bool check_mnt(const struct mount *m) { return m->ns && m->ns == current->nsproxy->mnt_ns; }
struct mnt_namespace *copy_mnt_ns(struct mnt_namespace *old, struct fs_struct *fs,
                                  struct user_namespace *owner) {
    struct mnt_namespace *ns = kzalloc(sizeof(*ns), GFP_KERNEL);
    if (!ns)
        return NULL;
    atomic_set(&ns->refcount, 1);
    INIT_LIST_HEAD(&ns->mounts);
    mutex_lock(&mount_mutex);
    struct mount *m;
    list_for_each_entry(m, &old->mounts, link) m->copy = NULL;
    struct mount *top = copy_tree(old->root, old->root->root, ns, true);
    bool ok = !IS_ERR(top);
    if (ok && owner != old->user_ns)
        lock_tree(top);
    if (ok)
        attach(top);
    if (ok && owner != old->user_ns)
        list_for_each_entry(m, &ns->mounts, link) if (m->group) m->master = m->group, m->group = 0;
    for (int i = 0; ok && i < 2; i++) { /* the paths lead into the new tree from now on */
        struct path *p = i ? fs->root : fs->cwd;
        if (p->mnt->ns == old && p->mnt->copy) {
            struct mount *was = p->mnt;
            atomic_inc(&was->copy->refcount);
            p->mnt = was->copy;
            mount_put_locked(was);
        }
    }
    mutex_unlock(&mount_mutex);
    if (!ok) {
        kfree(ns);
        return NULL;
    }
    ns->user_ns = get_user_ns(owner);
    return ns;
}
void put_mnt_ns(struct mnt_namespace *ns) {
    if (!atomic_dec_and_test(&ns->refcount))
        return;
    mutex_lock(&mount_mutex);
    detach_tree(ns->root);
    mutex_unlock(&mount_mutex);
    put_user_ns(ns->user_ns);
    kfree(ns);
}
void mnt_namespace_root(struct mnt_namespace *ns, struct path *p) {
    mutex_lock(&mount_mutex);
    *p = (struct path){ns->root, ns->root->root};
    path_get(p);
    mutex_unlock(&mount_mutex);
    while (lookup_mount(p))
        ;
}
/* setns: root and working directory are the root of the namespace. */
void enter_mnt_ns(struct mnt_namespace *ns) {
    struct path p;
    mnt_namespace_root(ns, &p);
    set_fs_root_to(&p);
    path_put(&p);
}

/* --- walking --- */
/* If something is mounted on p, p becomes its root. 1: stepped. */
int lookup_mount(struct path *p) {
    if (likely(!READ_ONCE(p->dentry->mountpoints)))
        return 0;
    spin_lock(&mounts_lock);
    struct mount *found = mounted_at(p->mnt, p->dentry);
    if (found)
        atomic_inc(&found->refcount);
    spin_unlock(&mounts_lock);
    if (!found)
        return 0;
    dget(found->root);
    path_put(p);
    *p = (struct path){found, found->root};
    return 1;
}
/* From a mount's root to what it covers. */
bool follow_up(struct path *p) {
    struct mount *m = p->mnt;
    spin_lock(&mounts_lock);
    struct path up = {m->parent, m->mountpoint};
    if (m->parent != m)
        atomic_inc(&up.mnt->refcount);
    spin_unlock(&mounts_lock);
    if (up.mnt == m)
        return false;
    dget(up.dentry); /* the mount held it, and m, which p holds, is still there: but not for long enough
                        without */
    path_put(p);
    *p = up;
    return true;
}

/* --- the calls --- */
int do_mount(const char *source, const struct path *at, const char *type, u32 flags, const char *options) {
    struct block_device *b = NULL;
    struct super_block *sb;
    int r = 0;
    const struct file_system_type *t = find_filesystem(type);
    if (!t)
        return -ENODEV;
    if (!t->any_user && !capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (!S_ISDIR(at->dentry->inode->i_mode))
        return -ENOTDIR;
    if (!t->nodev) {
        struct path p;
        if ((r = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &p)))
            return r;
        r = S_ISBLK(p.dentry->inode->i_mode) ? 0 : -ENOTBLK;
        b = r ? NULL : block_device_by_dev(p.dentry->inode->i_rdev);
        path_put(&p);
        if (r || !b)
            return r ? r : -ENXIO;
    }
    mutex_lock(&mount_mutex);
    list_for_each_entry(sb, &super_blocks, link) if (b && sb->bdev == b) r = -EBUSY;
    sb = r ? NULL : make_super(t, b, flags & MS_RDONLY, options, &r);
    if (sb) {
        list_add_tail(&sb->link, &super_blocks);
        sb->active = 1;
        struct mount *m = check_mnt(at->mnt) ? alloc_mount(sb, sb->root, flags, source, at->mnt->ns)
                                             : ERR_PTR(-EINVAL);
        r = IS_ERR(m) ? PTR_ERR(m) : attach_and_propagate(m, at);
        if (r && !IS_ERR(m))
            detach_tree(m);
        drop_super(sb);
    }
    mutex_unlock(&mount_mutex);
    return r;
}

int mount_root(struct block_device *b, u32 flags) {
    int r = -ENODEV;
    char source[64];
    for (u32 i = 0; i < HASH_SIZE; i++)
        INIT_LIST_HEAD(&mount_hash[i]);
    const struct file_system_type *t;
    for (unsigned int i = 0; (t = filesystem_at(i)); i++) {
        if (t->nodev)
            continue;
        struct super_block *sb = make_super(t, b, flags, NULL, &r);
        if (!sb)
            continue;
        snprintf(source, sizeof(source), "/dev/%s", b->name);
        struct mount *m = alloc_mount(sb, sb->root, flags, source, &init_mnt_ns);
        if (IS_ERR(m))
            return PTR_ERR(m);
        list_add_tail(&sb->link, &super_blocks);
        attach(m);
        struct path p = {m, sb->root};
        return set_fs_root_to(&p);
    }
    return r;
}

/* Without what is mounted there one would see what that covers. */
static bool covers_locked(const struct path *p) {
    struct mount *o;
    list_for_each_entry(o, &p->mnt->children,
                        sibling) if (o->locked && below(o->mountpoint, p->dentry)) return true;
    return false;
}
/* MS_BIND: what is at `source` is seen here too. */
static int bind_mount(const char *source, const struct path *at, bool deep) {
    struct path p;
    int r = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &p);
    if (r)
        return r;
    mutex_lock(&mount_mutex);
    if (!check_mnt(p.mnt) || !check_mnt(at->mnt))
        r = -EINVAL;
    else if (S_ISDIR(p.dentry->inode->i_mode) != S_ISDIR(at->dentry->inode->i_mode))
        r = -ENOTDIR;
    else if (!deep && covers_locked(&p))
        r = -EINVAL;
    struct mount *m = r ? ERR_PTR(r) : copy_tree(p.mnt, p.dentry, at->mnt->ns, deep);
    r = IS_ERR(m) ? PTR_ERR(m) : attach_and_propagate(m, at);
    if (r && !IS_ERR(m))
        detach_tree(m);
    mutex_unlock(&mount_mutex);
    path_put(&p);
    return r;
}
/* MS_MOVE: the mount at `source` is seen here, and no longer there. */
static int move_mount(const char *source, const struct path *at) {
    struct path p;
    int r = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &p);
    if (r)
        return r;
    mutex_lock(&mount_mutex);
    struct mount *m = p.mnt;
    if (p.dentry != m->root || m->parent == m || !check_mnt(m) || !check_mnt(at->mnt) || m->parent->group ||
        m->locked)
        r = -EINVAL;
    else if (S_ISDIR(p.dentry->inode->i_mode) != S_ISDIR(at->dentry->inode->i_mode))
        r = -ENOTDIR;
    for (struct mount *o = at->mnt; !r; o = o->parent) {
        if (o == m)
            r = -ELOOP;
        if (o->parent == o)
            break;
    }
    if (!r) {
        struct path was = {m->parent, m->mountpoint};
        path_get(&was);
        leave_place(m);
        if ((r = attach_and_propagate(m, at))) {
            set_place(m, was.mnt, was.dentry);
            attach(m);
        }
        path_put_locked(&was);
    }
    mutex_unlock(&mount_mutex);
    path_put(&p);
    return r;
}
static void set_propagation(struct mount *m, u32 type) {
    if (type == MS_SHARED) {
        m->group = m->group ? m->group : ++last_group;
        return;
    }
    m->master = type == MS_SLAVE ? (m->group ? m->group : m->master) : 0;
    m->group = 0;
}
static int change_propagation(const struct path *at, u64 flags) {
    u32 type = flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE);
    struct mount *m = at->mnt;
    if ((type & (type - 1)) || (type & MS_UNBINDABLE) || at->dentry != m->root)
        return -EINVAL;
    mutex_lock(&mount_mutex);
    int r = check_mnt(m) ? 0 : -EINVAL;
    for (struct mount *o = r ? NULL : m; o; o = flags & MS_REC ? next_below(o, m) : NULL)
        set_propagation(o, type);
    mutex_unlock(&mount_mutex);
    return r;
}
static int remount(const struct path *at, u64 flags) {
    struct super_block *sb = at->mnt->sb;
    mutex_lock(&mount_mutex);
    bool ours = check_mnt(at->mnt);
    mutex_unlock(&mount_mutex);
    if (at->dentry != at->mnt->root || !ours)
        return -EINVAL;
    if ((!(flags & MS_BIND) && !capable(CAP_SYS_ADMIN)) ||
        (at->mnt->locked_flags && (at->mnt->flags & ~flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC))))
        return -EPERM;
    if ((flags & MS_BIND) && (flags & MS_RDONLY) && !(sb->flags & MS_RDONLY))
        return -EINVAL; /* nothing here keeps a single mount from being written through */
    int r = !(flags & MS_BIND) && sb->ops && sb->ops->remount ? sb->ops->remount(sb, flags & MS_RDONLY) : 0;
    if (!r && !(flags & MS_BIND))
        sb->flags = flags & MS_RDONLY;
    if (!r)
        at->mnt->flags = flags & 0xff & ~MS_REMOUNT;
    return r;
}

long sys_mount(u64 usource, u64 uat, u64 utype, u64 flags, u64 udata) {
    char type[32] = "";
    (void)udata;
    if (!may_mount())
        return -EPERM;
    struct path at;
    long r = security_mount();
    if (r)
        return r;
    r = user_path(AT_FDCWD, uat, LOOKUP_FOLLOW, &at);
    if (r)
        return r;
    char *source = usource ? getname(usource) : kstrdup("none");
    if (!source || IS_ERR(source)) {
        r = source ? PTR_ERR(source) : -ENOMEM;
    } else if (flags & MS_REMOUNT) {
        r = remount(&at, flags);
    } else if (flags & MS_BIND) {
        r = usource ? bind_mount(source, &at, flags & MS_REC) : -EINVAL;
    } else if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)) {
        r = change_propagation(&at, flags);
    } else if (flags & MS_MOVE) {
        r = usource ? move_mount(source, &at) : -EINVAL;
    } else {
        long n = strncpy_from_user(type, utype, sizeof(type));
        r = n < 0 ? (n == -ENAMETOOLONG ? -ENODEV : n) : do_mount(source, &at, type, flags & 0xff, NULL);
    }
    if (!IS_ERR(source))
        kfree(source);
    path_put(&at);
    return r;
}

/* m is in the caller's namespace, and the caller's path to its root is put. MNT_DETACH: now, whoever uses it. */
static int do_umount(struct mount *m, bool lazy) {
    if (m->locked)
        return -EINVAL;
    if (m == m->ns->root)
        return -EBUSY;
    struct mount *on = m->parent;
    struct dentry *d = m->mountpoint, *root = m->root;
    if (!lazy && (atomic_read(&m->refcount) > 1 || !list_empty(&m->children)))
        return -EBUSY;
    struct path keep = {on, d};
    path_get(&keep);
    detach_tree(m);
    propagate_umount(on, d, root);
    path_put_locked(&keep);
    return 0;
}
/* Is something mounted on d in the caller's namespace? */
bool is_mountpoint_here(const struct dentry *d) {
    struct mount *m, *found = NULL;
    if (likely(!READ_ONCE(d->mountpoints)))
        return false;
    spin_lock(&mounts_lock);
    list_for_each_entry(m, &current->nsproxy->mnt_ns->mounts, link) if (m->mountpoint == d && m->parent != m) {
        found = m;
        break;
    }
    spin_unlock(&mounts_lock);
    return found != NULL;
}
/* d's name is gone: so is what other namespaces mounted on it. */
void detach_mounts(struct dentry *d) {
    if (likely(!READ_ONCE(d->mountpoints)))
        return;
    mutex_lock(&mount_mutex);
    for (struct list_head *l = all_mounts.next; d->mountpoints && l != &all_mounts;) {
        struct mount *m = container_of(l, struct mount, all_link);
        l = l->next;
        if (m->mountpoint == d && m->parent != m) {
            detach_tree(m);
            l = all_mounts.next; /* others may have gone with it */
        }
    }
    mutex_unlock(&mount_mutex);
}
#define MNT_FORCE 1
#define MNT_DETACH 2
#define UMOUNT_NOFOLLOW 8
long sys_umount2(u64 uat, u64 flags) {
    struct path at;
    if (!may_mount())
        return -EPERM;
    if (flags & ~(u64)(MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW))
        return -EINVAL;
    int r = security_mount();
    if (r)
        return r;
    r = user_path(AT_FDCWD, uat, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &at);
    if (r)
        return r;
    mutex_lock(&mount_mutex);
    struct mount *m = at.mnt;
    bool may = at.dentry == m->root && check_mnt(m);
    path_put_locked(&at); /* the namespace, if m is in one, has it still; else it may be gone */
    r = may ? do_umount(m, flags & MNT_DETACH) : -EINVAL;
    mutex_unlock(&mount_mutex);
    return r;
}

/* new becomes the root of the namespace, and the old root is seen at put_old. Who had the old root as its
 * root or working directory has the new one. */
static long do_pivot(const struct path *new, const struct path *put_old) {
    struct mnt_namespace *ns = current->nsproxy->mnt_ns;
    struct path root;
    spin_lock(&current->fs->lock);
    root = *current->fs->root;
    path_get(&root);
    spin_unlock(&current->fs->lock);
    struct mount *old = root.mnt, *m = new->mnt;
    long r = 0;
    if (m->ns != ns || put_old->mnt->ns != ns || old->ns != ns || m->locked || m->parent->group ||
        put_old->mnt->group || (old->parent != old && old->parent->group))
        r = -EINVAL;
    else if (m == old || put_old->mnt == old)
        r = -EBUSY;
    else if (new->dentry != m->root || root.dentry != old->root || m->parent == m)
        r = -EINVAL;
    bool under = false;
    struct dentry *d = put_old->dentry;
    for (struct mount *o = put_old->mnt; !r && !under; d = o->mountpoint, o = o->parent) {
        under = o == m && below(d, new->dentry);
        if (o->parent == o)
            break;
    }
    if (!r && !under)
        r = -EINVAL;
    if (!r) {
        bool top = old->parent == old;
        struct path up = {old->parent, old->mountpoint};
        if (!top)
            path_get(&up);
        leave_place(m);
        leave_place(old);
        if (!top)
            set_place(m, up.mnt, up.dentry);
        attach(m);
        set_place(old, put_old->mnt, put_old->dentry);
        attach(old);
        if (!top)
            path_put_locked(&up);
    }
    path_put_locked(&root);
    return r;
}
long sys_pivot_root(u64 unew, u64 uold) {
    struct path new, old, was;
    if (!may_mount())
        return -EPERM;
    long r = security_mount();
    if (r)
        return r;
    r = user_path(AT_FDCWD, unew, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &new);
    if (r)
        return r;
    if (!(r = user_path(AT_FDCWD, uold, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &old))) {
        spin_lock(&current->fs->lock);
        was = *current->fs->root;
        path_get(&was);
        spin_unlock(&current->fs->lock);
        mutex_lock(&mount_mutex);
        r = do_pivot(&new, &old);
        mutex_unlock(&mount_mutex);
        if (!r)
            chroot_fs_refs(&was, &new);
        path_put(&was);
        path_put(&old);
    }
    path_put(&new);
    return r;
}

/* --- all of them --- */
/* Before power-off: every file system is left clean on its disk. */
void unmount_everything(void) {
    struct super_block *sb;
    mutex_lock(&mount_mutex);
    list_for_each_entry(sb, &super_blocks, link) if (sb->bdev && sb->ops->remount)
        sb->ops->remount(sb, MS_RDONLY);
    mutex_unlock(&mount_mutex);
    sync_all();
}
void for_each_super(void (*fn)(struct super_block *)) {
    struct super_block *sb;
    mutex_lock(&mount_mutex);
    list_for_each_entry(sb, &super_blocks, link) fn(sb);
    mutex_unlock(&mount_mutex);
}
void for_each_mount(struct mnt_namespace *ns, void (*fn)(struct mount *, void *), void *arg) {
    struct mount *m;
    mutex_lock(&mount_mutex);
    list_for_each_entry(m, &ns->mounts, link) fn(m, arg);
    mutex_unlock(&mount_mutex);
}
