/* Making and removing names: mknod, mkdir, link, symlink, unlink, rmdir, rename. */
#include "../core/task.h"
#include "../core/user_namespace.h"
#include "../debug/debug.h"
#include "fs.h"
#include "inotify.h"
#include "../security/security.h"
#include <abi/landlock.h>

enum make { MAKE_NODE, MAKE_DIR, MAKE_SYMLINK, MAKE_LINK };
static u32 make_right(u32 mode) {
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return LANDLOCK_ACCESS_FS_MAKE_DIR;
    case S_IFLNK:
        return LANDLOCK_ACCESS_FS_MAKE_SYM;
    case S_IFCHR:
        return LANDLOCK_ACCESS_FS_MAKE_CHAR;
    case S_IFBLK:
        return LANDLOCK_ACCESS_FS_MAKE_BLOCK;
    case S_IFIFO:
        return LANDLOCK_ACCESS_FS_MAKE_FIFO;
    case S_IFSOCK:
        return LANDLOCK_ACCESS_FS_MAKE_SOCK;
    default:
        return LANDLOCK_ACCESS_FS_MAKE_REG;
    }
}
static int link_locked(struct inode *dir, struct dentry *d, struct inode *from) {
    if (from->sb != dir->sb)
        return -EXDEV;
    mutex_lock(&from->lock); /* for its count of names */
    int r = !dir->i_op->link                    ? -EPERM
            : !from->i_nlink && !from->linkable ? -ENOENT
                                                : dir->i_op->link(dir, d, from);
    mutex_unlock(&from->lock);
    return r;
}
static int make_at(int dfd, u64 uname, enum make what, u32 mode, u64 rdev, const char *target,
                   const struct path *link) {
    struct inode *from = link ? link->dentry->inode : NULL;
    char last[NAME_MAX + 1];
    struct path parent;
    u32 trailing;
    char *name = getname(uname);
    if (IS_ERR(name))
        return PTR_ERR(name);
    int r = path_parent(dfd, name, &parent, last, &trailing);
    kfree(name);
    if (r)
        return r;
    struct inode *dir = parent.dentry->inode;
    mutex_lock(&dir->lock);
    struct dentry *d = dot_name(last) ? ERR_PTR(-EEXIST) : lookup_locked(parent.dentry, last);
    r = IS_ERR(d)                      ? PTR_ERR(d)
        : d->inode                     ? -EEXIST
        : trailing && what != MAKE_DIR ? -ENOENT
                                       : may_create(dir);
    if (!r && what == MAKE_NODE && (S_ISCHR(mode) || S_ISBLK(mode)) && !capable(CAP_MKNOD))
        r = -EPERM;
    if (!r && link) {
        struct path up = {link->mnt, link->dentry->parent};
        r = security_across(&up, &parent);
    }
    if (!r)
        r = security_path(&parent, make_right(what == MAKE_DIR       ? S_IFDIR
                                              : what == MAKE_SYMLINK ? S_IFLNK
                                              : what == MAKE_LINK    ? from->i_mode
                                                                     : mode));
    const struct inode_operations *op = dir->i_op;
    if (!r)
        switch (what) {
        case MAKE_NODE:
            r = op->create ? op->create(dir, d, mode, rdev) : -EPERM;
            break;
        case MAKE_DIR:
            r = op->mkdir ? op->mkdir(dir, d, mode) : -EPERM;
            break;
        case MAKE_SYMLINK:
            r = op->symlink ? op->symlink(dir, d, target) : -EPERM;
            break;
        case MAKE_LINK:
            r = link_locked(dir, d, from);
        }
    if (!r && link)
        fsnotify_inode(from, IN_ATTRIB);
    if (!r)
        fsnotify_name(dir, IN_CREATE | (what == MAKE_DIR ? IN_ISDIR : 0), last);
    mutex_unlock(&dir->lock);
    if (!IS_ERR(d))
        dput(d);
    path_put(&parent);
    return r;
}
long sys_mkdirat(u64 dfd, u64 name, u64 mode) {
    return make_at((s32)dfd, name, MAKE_DIR, mode & 01777 & ~current->fs->umask, 0, NULL, NULL);
}
long sys_mknodat(u64 dfd, u64 name, u64 mode, u64 dev) {
    u32 m = mode & ~current->fs->umask, type = m & S_IFMT;
    if (!type)
        m |= type = S_IFREG;
    if (type != S_IFREG && type != S_IFIFO && type != S_IFCHR && type != S_IFBLK && type != S_IFSOCK)
        return type == S_IFDIR ? -EPERM : -EINVAL;
    return make_at((s32)dfd, name, MAKE_NODE, m, dev, NULL, NULL);
}
long sys_symlinkat(u64 utarget, u64 dfd, u64 name) {
    char *t = getname(utarget);
    if (IS_ERR(t))
        return PTR_ERR(t);
    long r = *t ? make_at((s32)dfd, name, MAKE_SYMLINK, 0, 0, t, NULL) : -ENOENT;
    kfree(t);
    return r;
}
long sys_linkat(u64 odfd, u64 oname, u64 ndfd, u64 nname, u64 flags) {
    struct path p;
    if (flags & ~(u64)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if ((flags & AT_EMPTY_PATH) && !capable(CAP_DAC_READ_SEARCH))
        return -ENOENT;
    long r = user_path(
        (s32)odfd, oname,
        (flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), &p);
    if (r)
        return r;
    if (S_ISDIR(p.dentry->inode->i_mode))
        r = -EPERM;
    else
        r = make_at((s32)ndfd, nname, MAKE_LINK, 0, 0, NULL, &p);
    path_put(&p);
    return r;
}

/* In a sticky directory only the owner of the file or directory removes. */
static int may_delete(struct inode *dir, struct inode *victim) {
    int r = permission(dir, MAY_WRITE | MAY_EXEC);
    if (r)
        return r;
    uid_t uid = current->cred->fsuid;
    if ((dir->i_mode & S_ISVTX) && victim->i_uid != uid && dir->i_uid != uid &&
        !capable_wrt_inode(victim, CAP_FOWNER))
        return -EPERM;
    return 0;
}

static long unlink_locked(struct inode *dir, struct dentry *d) {
    struct inode *i = d->inode;
    mutex_lock(&i->lock); /* for its count of names */
    long r = dir->i_op->unlink ? dir->i_op->unlink(dir, d) : -EPERM;
    mutex_unlock(&i->lock);
    return r;
}
long do_unlink(int dfd, const char *name, bool rmdir) {
    char last[NAME_MAX + 1];
    struct path parent;
    u32 trailing;
    long r = path_parent(dfd, name, &parent, last, &trailing);
    if (r)
        return r;
    if (dot_name(last)) {
        r = !rmdir ? -EISDIR : !strcmp(last, ".") ? -EINVAL : -ENOTEMPTY;
        if (parent.dentry == parent.mnt->root && rmdir && !strcmp(last, "."))
            r = -EBUSY;
        path_put(&parent);
        return r;
    }
    struct inode *dir = parent.dentry->inode;
    mutex_lock(&dir->lock);
    struct dentry *d = lookup_locked(parent.dentry, last);
    if (IS_ERR(d)) {
        r = PTR_ERR(d);
    } else {
        struct inode *i = d->inode;
        if (!i)
            r = -ENOENT;
        else if ((r = may_delete(dir, i)) ||
                 (r = security_path(&parent, S_ISDIR(i->i_mode) ? LANDLOCK_ACCESS_FS_REMOVE_DIR
                                                                : LANDLOCK_ACCESS_FS_REMOVE_FILE)))
            ;
        else if (is_mountpoint_here(d))
            r = -EBUSY;
        else if (rmdir)
            r = !S_ISDIR(i->i_mode) ? -ENOTDIR : dir->i_op->rmdir ? dir->i_op->rmdir(dir, d) : -EPERM;
        else
            r = S_ISDIR(i->i_mode) ? -EISDIR : trailing ? -ENOTDIR : unlink_locked(dir, d);
        if (!r) {
            dir->i_mtime = dir->i_ctime = current_time();
            mark_inode_dirty(dir);
            u32 what = IN_DELETE | (S_ISDIR(i->i_mode) ? IN_ISDIR : 0);
            if (!(what & IN_ISDIR))
                fsnotify_inode(i, IN_ATTRIB);
            d_delete(d);
            fsnotify_name(dir, what, last);
        }
    }
    mutex_unlock(&dir->lock);
    if (!IS_ERR(d)) {
        if (!r)
            detach_mounts(d);
        dput(d);
    }
    path_put(&parent);
    return r;
}

long sys_unlinkat(u64 dfd, u64 uname, u64 flags) {
    if (flags & ~(u64)AT_REMOVEDIR)
        return -EINVAL;
    char *name = getname(uname);
    if (IS_ERR(name))
        return PTR_ERR(name);
    long r = do_unlink((s32)dfd, name, flags & AT_REMOVEDIR);
    kfree(name);
    return r;
}

/* To another directory: that changes its "..", if it is a directory itself. */
static int may_move(struct inode *i) { return S_ISDIR(i->i_mode) ? permission(i, MAY_WRITE) : 0; }

static bool is_below(struct dentry *d, struct dentry *top) {
    for (; d != d->parent; d = d->parent)
        if (d == top)
            return true;
    return d == top;
}

/* *gone: what had the new name, counted; or NULL. */
static long rename_locked(struct path *op, const char *olast, struct path *np, const char *nlast, u64 flags,
                          bool slash, bool to_slash, struct dentry **gone) {
    struct inode *od = op->dentry->inode, *nd = np->dentry->inode;
    struct dentry *o = lookup_locked(op->dentry, olast), *n;
    if (IS_ERR(o))
        return PTR_ERR(o);
    n = lookup_locked(np->dentry, nlast);
    if (IS_ERR(n)) {
        dput(o);
        return PTR_ERR(n);
    }
    struct inode *oi = o->inode, *ni = n->inode;
    bool exchange = flags & RENAME_EXCHANGE;
    long r;
    if (!oi || (exchange && !ni))
        r = -ENOENT;
    else if ((slash && !S_ISDIR(oi->i_mode)) || (to_slash && !S_ISDIR(exchange ? ni->i_mode : oi->i_mode)))
        r = -ENOTDIR;
    else if ((flags & RENAME_NOREPLACE) && ni)
        r = -EEXIST;
    else if (is_mountpoint_here(o) || is_mountpoint_here(n))
        r = -EBUSY;
    else if (oi == ni)
        r = 1; /* two names of one file: nothing to do */
    else if (is_below(np->dentry, o))
        r = -EINVAL;
    else if (ni && is_below(op->dentry, n))
        r = exchange ? -EINVAL : -ENOTEMPTY;
    else if (!exchange && ni && S_ISDIR(oi->i_mode) && !S_ISDIR(ni->i_mode))
        r = -ENOTDIR;
    else if (!exchange && ni && !S_ISDIR(oi->i_mode) && S_ISDIR(ni->i_mode))
        r = -EISDIR;
    else if ((r = may_delete(od, oi)) || (r = ni ? may_delete(nd, ni) : may_create(nd)) ||
             (od != nd && ((r = may_move(oi)) || (exchange && (r = may_move(ni))))))
        ;
    else if ((r = security_across(op, np)) || (exchange && (r = security_across(np, op))) ||
             (exchange && (r = security_path(op, make_right(ni->i_mode)))) ||
             (r = security_path(op, S_ISDIR(oi->i_mode) ? LANDLOCK_ACCESS_FS_REMOVE_DIR
                                                        : LANDLOCK_ACCESS_FS_REMOVE_FILE)) ||
             (r = security_path(np, make_right(oi->i_mode))) ||
             (ni && (r = security_path(np, S_ISDIR(ni->i_mode) ? LANDLOCK_ACCESS_FS_REMOVE_DIR
                                                               : LANDLOCK_ACCESS_FS_REMOVE_FILE))))
        ;
    else {
        bool loses = ni && !exchange && !S_ISDIR(ni->i_mode); /* a name: its count of them */
        if (loses)
            mutex_lock(&ni->lock);
        r = od->i_op->rename ? od->i_op->rename(od, o, nd, n, flags & RENAME_EXCHANGE) : -EPERM;
        if (loses)
            mutex_unlock(&ni->lock);
    }
    if (!r) {
        od->i_mtime = od->i_ctime = nd->i_mtime = nd->i_ctime = oi->i_ctime = current_time();
        mark_inode_dirty(od);
        mark_inode_dirty(nd);
        mark_inode_dirty(oi);
        if (exchange)
            d_exchange(o, n);
        else
            d_move(o, n);
        fsnotify_move(od, olast, nd, nlast, oi);
        if (ni && !exchange)
            fsnotify_inode(ni, IN_ATTRIB);
        fsnotify_inode(oi, IN_MOVE_SELF);
        if (exchange) {
            fsnotify_move(nd, nlast, od, olast, ni);
            fsnotify_inode(ni, IN_MOVE_SELF);
        }
    }
    if (!r && ni && !exchange)
        *gone = n;
    else
        dput(n);
    dput(o);
    return r == 1 ? 0 : r;
}

long sys_renameat2(u64 odfd, u64 uold, u64 ndfd, u64 unew, u64 flags) {
    char olast[NAME_MAX + 1], nlast[NAME_MAX + 1];
    struct path op, np;
    u32 t1 = 0, t2 = 0;
    if ((flags & ~(u64)(RENAME_NOREPLACE | RENAME_EXCHANGE)) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    char *old = getname(uold), *new;
    if (IS_ERR(old))
        return PTR_ERR(old);
    new = getname(unew);
    long r = IS_ERR(new) ? PTR_ERR(new) : path_parent((s32)odfd, old, &op, olast, &t1);
    if (!r) {
        r = path_parent((s32)ndfd, new, &np, nlast, &t2);
        if (!r) {
            struct super_block *sb = op.mnt->sb;
            if (op.mnt != np.mnt) {
                r = -EXDEV;
            } else if (dot_name(olast) || dot_name(nlast)) {
                r = -EBUSY;
            } else {
                struct inode *a = op.dentry->inode, *b = np.dentry->inode;
                struct dentry *gone = NULL;
                mutex_lock(&sb->rename_lock);
                if (is_below(op.dentry, np.dentry) ||
                    (a < b && !is_below(np.dentry, op.dentry))) { /* parent first */
                    mutex_lock(&b->lock);
                    if (a != b)
                        mutex_lock(&a->lock);
                } else {
                    mutex_lock(&a->lock);
                    mutex_lock(&b->lock);
                }
                r = rename_locked(&op, olast, &np, nlast, flags, t1, t2, &gone);
                mutex_unlock(&a->lock);
                if (a != b)
                    mutex_unlock(&b->lock);
                mutex_unlock(&sb->rename_lock);
                if (gone) {
                    detach_mounts(gone);
                    dput(gone);
                }
            }
            path_put(&np);
        }
        path_put(&op);
    }
    if (!IS_ERR(new))
        kfree(new);
    kfree(old);
    return r;
}

long sys_readlinkat(u64 dfd, u64 uname, u64 buf, u64 size) {
    struct path p;
    if ((s64)size <= 0)
        return -EINVAL;
    long r = user_path((s32)dfd, uname, LOOKUP_EMPTY, &p);
    if (r)
        return r;
    struct inode *i = p.dentry->inode;
    char *t = kmalloc(PATH_MAX, GFP_KERNEL);
    if (!t)
        r = -ENOMEM;
    else if (!S_ISLNK(i->i_mode))
        r = -EINVAL;
    else if (i->i_op->readlink)
        r = i->i_op->readlink(i, t);
    else { /* procfs's jumping links: say where */
        struct path to;
        r = i->i_op->get_link(p.dentry, &to);
        if (!r) {
            char *name = d_path(&to, t, PATH_MAX);
            r = strlen(name);
            memmove(t, name, r);
            path_put(&to);
        }
    }
    if (r > 0) {
        r = min((u64)r, size);
        if (copy_to_user(buf, t, r))
            r = -EFAULT;
    }
    kfree(t);
    path_put(&p);
    return r;
}

long sys_faccessat2(u64 dfd, u64 uname, u64 mode, u64 flags) {
    struct path p;
    if ((mode & ~7UL) || (flags & ~(u64)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
        return -EINVAL;
    long r = user_path(
        (s32)dfd, uname,
        (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), &p);
    if (r)
        return r;
    r = permission_as(p.dentry->inode, mode, !(flags & AT_EACCESS));
    path_put(&p);
    return r;
}
long sys_faccessat(u64 dfd, u64 name, u64 mode) { return sys_faccessat2(dfd, name, mode, 0); }
