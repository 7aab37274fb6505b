/* File system types, super blocks and mounts. The mount list changes under mount_lock; reading it while
 * walking a path is under dcache's rules: a mount with users is not freed. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

static const struct file_system_type *types[16];
static unsigned int nr_types;
LIST_HEAD(mounts);
struct mount *root_mount;
static spinlock_t mounts_lock = SPINLOCK_INIT(RANK_MOUNT);
static struct mutex mount_mutex = MUTEX_INIT(mount_mutex);
static u64 next_dev = 1;
LIST_HEAD(block_devices);

void register_filesystem(const struct file_system_type *t) {
    BUG_ON(nr_types == ARRAY_SIZE(types));
    types[nr_types++] = t;
}
struct file_system_type *filesystem_at(unsigned int i) {
    return i < nr_types ? (struct file_system_type *)types[i] : NULL;
}

static struct super_block *make_super(const struct file_system_type *t, struct block_device *b, u32 flags,
                                      const char *options, int *err) {
    struct super_block *sb = kzalloc(sizeof(*sb), GFP_KERNEL);
    *err = -ENOMEM;
    if (!sb)
        return NULL;
    sb->type = t;
    sb->bdev = b;
    sb->flags = flags;
    u64 minor = next_dev++;
    sb->dev = b ? b->dev : makedev(0, minor);
    mutex_init(&sb->rename_lock);
    INIT_LIST_HEAD(&sb->inodes);
    *err = t->fill_super(sb, options);
    if (!*err)
        return sb;
    kfree(sb);
    return NULL;
}

static struct mount *add_mount(struct super_block *sb, const struct path *at, u32 flags, const char *source) {
    struct mount *m = kzalloc(sizeof(*m), GFP_KERNEL);
    if (!m)
        return NULL;
    m->sb = sb;
    m->root = sb->root;
    m->flags = flags;
    atomic_set(&m->refcount, 1);
    strlcpy(m->source, source, sizeof(m->source));
    m->parent = m;
    m->mountpoint = sb->root;
    if (at) {
        path_get(at);
        m->parent = at->mnt;
        m->mountpoint = at->dentry;
    }
    spin_lock(&mounts_lock);
    if (at)
        at->dentry->mountpoint = true;
    list_add_tail(&m->link, &mounts);
    spin_unlock(&mounts_lock);
    return m;
}

int do_mount(const char *source, const struct path *at, const char *type, u32 flags, const char *options) {
    const struct file_system_type *t = NULL;
    struct block_device *b = NULL;
    struct mount *m;
    int r = 0;
    for (unsigned int i = 0; i < nr_types; i++)
        if (!strcmp(types[i]->name, type))
            t = types[i];
    if (!t)
        return -ENODEV;
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
    list_for_each_entry(m, &mounts, link) if (b && m->sb->bdev == b) r = -EBUSY;
    struct super_block *sb = r ? NULL : make_super(t, b, flags & MS_RDONLY, options, &r);
    if (sb && !add_mount(sb, at, flags, source)) {
        dput(sb->root);
        r = -ENOMEM;
    }
    mutex_unlock(&mount_mutex);
    return r;
}

int mount_root(struct block_device *b, u32 flags) {
    int r = -ENODEV;
    char source[64];
    for (unsigned int i = 0; i < nr_types; i++) {
        if (types[i]->nodev)
            continue;
        struct super_block *sb = make_super(types[i], b, flags, NULL, &r);
        if (!sb)
            continue;
        snprintf(source, sizeof(source), "/dev/%s", b->name);
        if (!(root_mount = add_mount(sb, NULL, flags, source)))
            return -ENOMEM;
        struct path p = {root_mount, sb->root};
        return set_fs_root_to(&p);
    }
    return r;
}

/* If something is mounted on p, p becomes its root. 1: stepped. */
int lookup_mount(struct path *p) {
    struct mount *m, *found = NULL;
    if (!p->dentry->mountpoint)
        return 0;
    spin_lock(&mounts_lock);
    list_for_each_entry(m, &mounts, link) if (m->mountpoint == p->dentry && m->parent == p->mnt &&
                                              m->parent != m) found = m;
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
    if (m->parent == m)
        return false;
    struct path up = {m->parent, m->mountpoint};
    path_get(&up);
    path_put(p);
    *p = up;
    return true;
}

static int do_umount(struct mount *m) {
    struct mount *o;
    if (m == root_mount)
        return -EBUSY;
    shrink_dentries(~0UL);
    sb_sync(m->sb);
    spin_lock(&mounts_lock);
    bool busy =
        atomic_read(&m->refcount) > 1 || d_has_children(m->root) || atomic_read(&m->root->refcount) > 1;
    list_for_each_entry(o, &mounts, link) busy |= o != m && o->parent == m;
    if (!busy) {
        list_del(&m->link);
        m->mountpoint->mountpoint = false;
        list_for_each_entry(o, &mounts, link) if (o->mountpoint == m->mountpoint) m->mountpoint->mountpoint =
            true;
    }
    spin_unlock(&mounts_lock);
    if (busy)
        return -EBUSY;
    struct path at = {m->parent, m->mountpoint};
    d_drop(m->root);
    dput(m->root);
    if (m->sb->ops && m->sb->ops->put_super)
        m->sb->ops->put_super(m->sb);
    if (m->sb->bdev)
        sync_inode(m->sb->bdev->inode, true);
    path_put(&at);
    kfree(m->sb);
    kfree(m);
    return 0;
}

/* Before power-off: every file system is left clean on its disk. */
void unmount_everything(void) {
    struct mount *m;
    list_for_each_entry(m, &mounts, link) if (m->sb->bdev && m->sb->ops->remount)
        m->sb->ops->remount(m->sb, MS_RDONLY);
    sync_all(true);
}

long sys_mount(u64 usource, u64 uat, u64 utype, u64 flags, u64 udata) {
    char type[32] = "";
    (void)udata;
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    struct path at;
    int r = user_path(AT_FDCWD, uat, LOOKUP_FOLLOW, &at);
    if (r)
        return r;
    char *source = usource ? getname(usource) : kstrdup("none");
    if (flags & MS_REMOUNT) {
        struct super_block *sb = at.mnt->sb;
        r = at.dentry != at.mnt->root     ? -EINVAL
            : sb->ops && sb->ops->remount ? sb->ops->remount(sb, flags & MS_RDONLY)
                                          : 0;
        if (!r) {
            sb->flags = flags & MS_RDONLY;
            at.mnt->flags = flags & ~MS_REMOUNT;
        }
    } else if (IS_ERR(source)) {
        r = PTR_ERR(source);
    } else {
        long n = strncpy_from_user(type, utype, sizeof(type));
        r = n < 0 ? (n == -ENAMETOOLONG ? -ENODEV : (int)n) : do_mount(source, &at, type, flags & 0xff, NULL);
    }
    if (!IS_ERR(source))
        kfree(source);
    path_put(&at);
    return r;
}
long sys_umount2(u64 uat, u64 flags) {
    struct path at;
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (flags & ~3UL)
        return -EINVAL;
    int r = user_path(AT_FDCWD, uat, LOOKUP_FOLLOW, &at);
    if (r)
        return r;
    struct mount *m = at.mnt;
    bool is_root = at.dentry == m->root;
    path_put(&at);
    if (!is_root)
        return -EINVAL;
    mutex_lock(&mount_mutex);
    r = do_umount(m);
    mutex_unlock(&mount_mutex);
    return r;
}

static long do_statfs(struct super_block *sb, u64 buf) {
    struct statfs st = {.f_bsize = PAGE_SIZE, .f_frsize = PAGE_SIZE, .f_namelen = NAME_MAX};
    if (sb->ops && sb->ops->statfs)
        sb->ops->statfs(sb, &st);
    return copy_to_user(buf, &st, sizeof(st));
}
long sys_statfs(u64 path, u64 buf) {
    struct path p;
    int r = user_path(AT_FDCWD, path, LOOKUP_FOLLOW, &p);
    if (r)
        return r;
    r = do_statfs(p.mnt->sb, buf);
    path_put(&p);
    return r;
}
long sys_fstatfs(u64 fd, u64 buf) {
    struct file *f = fget_raw(fd);
    if (!f)
        return -EBADF;
    long r = do_statfs(f->inode->sb, buf);
    fput(f);
    return r;
}
