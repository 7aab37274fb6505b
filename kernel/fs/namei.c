/* Paths: from a name to a dentry, one component at a time, and the system calls that change names. */
#include "../core/task.h"
#include "../core/user_namespace.h"
#include "../debug/debug.h"
#include "fs.h"
#include "inotify.h"
#include "../security/security.h"
#include <abi/landlock.h>

#define MAX_LINKS 40

void path_get(const struct path *p) {
    dget(p->dentry);
    atomic_inc(&p->mnt->refcount);
}
void path_put(struct path *p) {
    dput(p->dentry);
    if (atomic_dec_and_test(&p->mnt->refcount))
        mount_free(p->mnt);
}
void path_put_locked(struct path *p) {
    dput(p->dentry);
    mount_put_locked(p->mnt);
}

char *getname(u64 uname) {
    char *s = kmalloc(PATH_MAX, GFP_KERNEL);
    if (!s)
        return ERR_PTR(-ENOMEM);
    long n = strncpy_from_user(s, uname, PATH_MAX);
    if (n < 0) {
        kfree(s);
        return ERR_PTR(n);
    }
    return s;
}

bool capable_wrt_inode(const struct inode *i, int cap) {
    return ids_mapped(current_user_ns(), i->i_uid, i->i_gid) && ns_capable(current_user_ns(), cap);
}
int permission_as(struct inode *i, u32 mask, bool real) {
    const struct cred *c = current->cred;
    u32 mode = i->i_mode;
    uid_t uid = real ? c->uid : c->fsuid;
    u64 caps = !real ? c->cap_effective : c->uid == make_kuid(c->user_ns, 0) ? c->cap_permitted : 0;
    if ((mask & MAY_WRITE) && (i->sb->flags & MS_RDONLY) && (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode)))
        return -EROFS;
    if (uid == i->i_uid)
        mode >>= 6;
    else if (real ? c->gid == i->i_gid : in_group(c, i->i_gid))
        mode >>= 3;
    if (!(mask & ~mode & 7))
        return 0;
    if ((caps & BIT(CAP_DAC_OVERRIDE)) && ids_mapped(c->user_ns, i->i_uid, i->i_gid) &&
        (!(mask & MAY_EXEC) || S_ISDIR(i->i_mode) || (i->i_mode & 0111)))
        return 0;
    return i->i_op && i->i_op->permission ? i->i_op->permission(i, mask) : -EACCES;
}
int permission(struct inode *i, u32 mask) { return permission_as(i, mask, false); }

/* One name in a directory: from the cache, else asked of the file system. Counted. */
static struct dentry *lookup_one(struct dentry *dir, const char *name, u32 len) {
    struct dentry *d = d_lookup(dir, name, len);
    if (d)
        return d;
    if (len > NAME_MAX)
        return ERR_PTR(-ENAMETOOLONG);
    struct inode *i = dir->inode;
    mutex_lock(&i->lock);
    if (!(d = d_lookup(dir, name, len))) {
        if (!(d = d_alloc(dir, name, len))) {
            d = ERR_PTR(-ENOMEM);
        } else {
            int r = i->i_nlink ? i->i_op->lookup(i, d) : -ENOENT;
            if (r) {
                dput(d);
                d = ERR_PTR(r);
            }
        }
    }
    mutex_unlock(&i->lock);
    return d;
}

static void fs_path(const struct path *src, struct path *out) {
    spin_lock(&current->fs->lock);
    *out = *src;
    path_get(out);
    spin_unlock(&current->fs->lock);
}

/* What a link says, and what comes behind the link: a walk goes on with that when the text is used up. */
struct link_text {
    struct link_text *outer;
    const char *rest;
    bool directory; /* what the link leads to has to be one */
    char text[];
};
struct walk {
    struct path at;
    int links;
    struct link_text *link; /* the innermost that the walk is in */
};

/* ".." of at: not above the caller's root. -ENOENT: it is not below its mount's root any more. */
static int step_up(struct path *at) {
    int r = 0;
    struct path root;
    fs_path(current->fs->root, &root);
    while (at->dentry != root.dentry || at->mnt != root.mnt) {
        if (at->dentry != at->mnt->root) {
            struct dentry *up = dget_parent(at);
            if (up) {
                dput(at->dentry);
                at->dentry = up;
            } else {
                r = -ENOENT;
            }
            break;
        }
        if (!follow_up(at))
            break;
    }
    path_put(&root);
    while (!r && lookup_mount(at))
        ;
    return r;
}
/* Go on with the link's text, and then with *name behind it; or w->at is where it jumps to. */
static int follow_link(struct walk *w, struct inode *i, struct dentry *link, const char **name, bool dir) {
    if (++w->links > MAX_LINKS)
        return -ELOOP;
    if (i->i_op->get_link) {
        struct path to;
        int r = i->i_op->get_link(link, &to);
        if (r < 0)
            return r;
        if (!r) {
            path_put(&w->at);
            w->at = to;
            return dir && !S_ISDIR(to.dentry->inode->i_mode) ? -ENOTDIR : 0;
        }
    }
    char *target = kmalloc(PATH_MAX, GFP_KERNEL);
    ssize_t n = target ? i->i_op->readlink(i, target) : -ENOMEM;
    struct link_text *t = n > 0 ? kmalloc(sizeof(*t) + n + 1, GFP_KERNEL) : NULL;
    if (t) {
        *t = (struct link_text){w->link, *name, dir};
        memcpy(t->text, target, n);
        t->text[n] = 0;
        w->link = t;
        *name = t->text;
    }
    kfree(target);
    return t ? 0 : n > 0 ? -ENOMEM : n ? n : -ENOENT;
}
/* What comes behind the link whose text is used up. */
static int leave_link(struct walk *w, const char **name) {
    struct link_text *t = w->link;
    bool fits = !t->directory || S_ISDIR(w->at.dentry->inode->i_mode);
    *name = t->rest;
    w->link = t->outer;
    kfree(t);
    return fits ? 0 : -ENOTDIR;
}
/* One name, of len bytes, with `rest` behind it: w->at is what it names, or *name is a link's text. */
static int step(struct walk *w, const char **name, u32 len, const char *rest, bool follow) {
    struct path *at = &w->at;
    struct dentry *d = lookup_one(at->dentry, *name, len);
    if (IS_ERR(d))
        return PTR_ERR(d);
    if (!d->inode) {
        dput(d);
        return -ENOENT;
    }
    struct path next = {at->mnt, d};
    atomic_inc(&at->mnt->refcount);
    while (lookup_mount(&next))
        ;
    struct inode *i = next.dentry->inode;
    bool final = !*rest && rest == *name + len;
    *name = rest;
    if (S_ISLNK(i->i_mode) && (!final || follow)) {
        int r = follow_link(w, i, next.dentry, name, !final);
        path_put(&next);
        return r;
    }
    path_put(at);
    *at = next;
    return final || S_ISDIR(i->i_mode) ? 0 : -ENOTDIR;
}

static int walk_names(struct walk *w, const char *name, u32 flags, char *last, u32 *trailing) {
    struct path *at = &w->at;
    for (bool begin = true;; begin = false) {
        if (*name == '/' && (begin || (w->link && name == w->link->text))) {
            path_put(at);
            fs_path(current->fs->root, at);
        }
        while (*name == '/')
            name++;
        int r;
        if (!*name) {
            if (w->link) {
                if ((r = leave_link(w, &name)))
                    return r;
                continue;
            }
            if (last)
                strlcpy(last, ".", NAME_MAX + 1);
            return 0;
        }
        u32 len = 0;
        while (name[len] && name[len] != '/')
            len++;
        const char *rest = name + len;
        while (*rest == '/')
            rest++;
        if (!at->dentry->inode || !S_ISDIR(at->dentry->inode->i_mode))
            return -ENOTDIR;
        if ((r = permission(at->dentry->inode, MAY_EXEC)))
            return r;
        if (!*rest && last && !w->link) {
            if (len > NAME_MAX)
                return -ENAMETOOLONG;
            memcpy(last, name, len);
            last[len] = 0;
            if (trailing)
                *trailing = rest != name + len;
            return 0;
        }
        if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))) {
            if (len == 2 && (r = step_up(at)))
                return r;
            name = rest;
        } else if ((r = step(w, &name, len, rest, w->link || (flags & LOOKUP_FOLLOW)))) {
            return r;
        }
    }
}
/* From w->at along name. With last: stop before the final component, store it there. w->at stays counted
 * whatever happens. */
static int walk(struct walk *w, const char *name, u32 flags, char *last, u32 *trailing) {
    int r = walk_names(w, name, flags, last, trailing);
    while (w->link)
        leave_link(w, &name);
    return r;
}

/* Accepts O_PATH: the *at calls. */
static int start_at(int dfd, const char *name, struct path *out) {
    if (*name == '/' || dfd == AT_FDCWD) {
        fs_path(current->fs->cwd, out);
        return 0;
    }
    struct file *f = fget_raw(dfd);
    if (!f)
        return -EBADF;
    int r = f->path.dentry ? 0 : -ENOTDIR;
    if (!r) {
        *out = f->path;
        path_get(out);
    }
    fput(f);
    return r;
}

int path_lookup(int dfd, const char *name, u32 flags, struct path *out) {
    struct walk w = {0};
    if (!*name && !(flags & LOOKUP_EMPTY))
        return -ENOENT;
    int r = start_at(dfd, name, &w.at);
    if (r)
        return r;
    r = walk(&w, name, flags, NULL, NULL);
    if (!r && (flags & LOOKUP_DIRECTORY) && !S_ISDIR(w.at.dentry->inode->i_mode))
        r = -ENOTDIR;
    if (r)
        path_put(&w.at);
    else
        *out = w.at;
    return r;
}
int user_path(int dfd, u64 uname, u32 flags, struct path *out) {
    char *name = getname(uname);
    if (IS_ERR(name))
        return PTR_ERR(name);
    int r = path_lookup(dfd, name, flags, out);
    kfree(name);
    return r;
}
int path_parent(int dfd, const char *name, struct path *parent, char *last, u32 *trailing) {
    struct walk w = {0};
    u32 t = 0;
    if (!*name)
        return -ENOENT;
    int r = start_at(dfd, name, &w.at);
    if (r)
        return r;
    r = walk(&w, name, 0, last, &t);
    if (r)
        path_put(&w.at);
    else
        *parent = w.at;
    if (trailing)
        *trailing = t;
    return r;
}

bool dot_name(const char *s) { return !strcmp(s, ".") || !strcmp(s, ".."); }

/* Look up `last` in a locked directory. */
struct dentry *lookup_locked(struct dentry *dir, const char *last) {
    u32 len = strlen(last);
    struct dentry *d = d_lookup(dir, last, len);
    if (d)
        return d;
    if (!(d = d_alloc(dir, last, len)))
        return ERR_PTR(-ENOMEM);
    int r = dir->inode->i_nlink ? dir->inode->i_op->lookup(dir->inode, d) : -ENOENT;
    if (r) {
        dput(d);
        return ERR_PTR(r);
    }
    return d;
}

static const struct file_operations path_fops; /* O_PATH: nothing was opened, so nothing can be done to it */
static struct file *open_path(const struct path *p, u32 flags) {
    struct inode *i = p->dentry->inode;
    struct file *f = alloc_file(flags & O_PATH ? &path_fops : i->i_fop, flags);
    if (!f)
        return ERR_PTR(-ENOMEM);
    f->path = *p;
    path_get(&f->path);
    f->inode = i;
    ihold(i);
    f->mapping = i->i_data.ops ? i->i_mapping : NULL;
    if (flags & O_PATH) {
        f->mode = FMODE_PATH;
        f->mapping = NULL;
        return f;
    }
    u32 acc = flags & O_ACCMODE;
    f->mode = (acc != O_WRONLY ? FMODE_READ : 0) | (acc != O_RDONLY ? FMODE_WRITE : 0) | FMODE_LSEEK;
    int r = 0;
    if ((f->mode & FMODE_WRITE) && S_ISREG(i->i_mode) && !(r = get_write_access(i)))
        f->mode |= FMODE_WRITER;
    r = r ? r : !f->f_op ? -ENXIO : f->f_op->open ? f->f_op->open(i, f) : 0;
    if (r) {
        f->f_op = NULL; /* nothing to release */
        fput(f);
        return ERR_PTR(r);
    }
    fsnotify_file(f, IN_OPEN);
    if (f->mapping)
        f->wb_errors = READ_ONCE(f->mapping->wb_errors);
    return f;
}

/* How long a file may become: 0, or -EFBIG, with a signal if it is the caller's own limit. */
int may_grow(struct inode *i, u64 size) {
    if (size > rlimit(RLIMIT_FSIZE)) {
        send_signal(SIGXFSZ, NULL, current, false);
        return -EFBIG;
    }
    return size > i->sb->max_bytes ? -EFBIG : 0;
}
int do_truncate(struct inode *i, loff_t size) {
    if (size < 0)
        return -EINVAL;
    if (!S_ISREG(i->i_mode) || !i->i_op || !i->i_op->truncate)
        return -EINVAL;
    mutex_lock(&i->lock);
    int r = size > i->i_size ? may_grow(i, size) : 0;
    r = r ? r : i->i_op->truncate(i, size);
    if (!r) {
        file_remove_privs(i);
        i->i_mtime = i->i_ctime = current_time();
        mark_inode_dirty(i);
    }
    mutex_unlock(&i->lock);
    return r;
}

int truncate_path(struct inode *i, u64 size) {
    int r = get_write_access(i);
    if (r)
        return r;
    r = do_truncate(i, size);
    put_write_access(i);
    return r;
}

static u32 open_access(u32 flags) {
    u32 acc = flags & O_ACCMODE;
    return (acc != O_WRONLY ? LANDLOCK_ACCESS_FS_READ_FILE : 0) |
           (acc != O_RDONLY ? LANDLOCK_ACCESS_FS_WRITE_FILE : 0);
}
static int may_open(const struct path *p, u32 flags) {
    struct inode *i = p->dentry->inode;
    u32 acc = flags & O_ACCMODE,
        mask = (acc != O_WRONLY ? MAY_READ : 0) | (acc != O_RDONLY || (flags & O_TRUNC) ? MAY_WRITE : 0);
    if (S_ISLNK(i->i_mode))
        return -ELOOP;
    if (S_ISDIR(i->i_mode) && ((mask & MAY_WRITE) || (flags & O_CREAT)))
        return -EISDIR;
    if ((flags & O_DIRECTORY) && !S_ISDIR(i->i_mode))
        return -ENOTDIR;
    if ((S_ISCHR(i->i_mode) || S_ISBLK(i->i_mode)) && (p->mnt->flags & MS_NODEV))
        return -EACCES;
    if ((flags & O_NOATIME) && !owner_or_capable(i))
        return -EPERM;
    int r = permission(i, mask);
    return r ? r
             : security_path(p, S_ISDIR(i->i_mode)
                                    ? LANDLOCK_ACCESS_FS_READ_DIR
                                    : (mask & MAY_READ ? LANDLOCK_ACCESS_FS_READ_FILE : 0) |
                                          (mask & MAY_WRITE ? LANDLOCK_ACCESS_FS_WRITE_FILE : 0));
}

int may_create(struct inode *dir) {
    int r = permission(dir, MAY_WRITE | MAY_EXEC);
    return r ? r : dir->i_nlink ? 0 : -ENOENT;
}

static struct file *open_tmpfile(const struct path *dir, u32 flags, u32 mode);

struct file *file_open(int dfd, const char *name, u32 flags, u32 mode) {
    struct path p;
    bool created = false;
    int r;
    if (flags & O_PATH)
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if ((flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT))
        return ERR_PTR(-EINVAL);
    if (!(flags & O_CREAT)) {
        u32 lf = (flags & O_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & O_DIRECTORY ? LOOKUP_DIRECTORY : 0);
        if ((r = path_lookup(dfd, name, lf, &p)))
            return ERR_PTR(r);
        if ((flags & O_TMPFILE) == O_TMPFILE) {
            struct file *f = open_tmpfile(&p, flags, mode);
            path_put(&p);
            return f;
        }
    } else {
        char last[NAME_MAX + 1];
        char *target = NULL;
        struct path parent;
        u32 trailing;
        for (int links = 0;; links++) { /* the last component may be a link to what is to be made */
            if ((r = path_parent(dfd, target ? target : name, &parent, last, &trailing)))
                goto fail;
            if (dot_name(last) || trailing) {
                path_put(&parent);
                r = -EISDIR;
                goto fail;
            }
            struct inode *dir = parent.dentry->inode;
            mutex_lock(&dir->lock);
            struct dentry *d = lookup_locked(parent.dentry, last);
            if (!IS_ERR(d) && !d->inode) {
                r = may_create(dir);
                if (!r)
                    r = security_path(&parent, LANDLOCK_ACCESS_FS_MAKE_REG);
                if (!r)
                    r = dir->i_op->create
                            ? dir->i_op->create(dir, d, S_IFREG | (mode & 07777 & ~current->fs->umask), 0)
                            : -EACCES;
                created = !r;
                if (created)
                    fsnotify_name(dir, IN_CREATE, last);
                if (r) {
                    dput(d);
                    d = ERR_PTR(r);
                }
            }
            mutex_unlock(&dir->lock);
            if (IS_ERR(d)) {
                path_put(&parent);
                r = PTR_ERR(d);
                goto fail;
            }
            p = (struct path){parent.mnt, d};
            atomic_inc(&p.mnt->refcount);
            while (lookup_mount(&p))
                ;
            if (!created && (flags & O_EXCL)) {
                path_put(&p);
                path_put(&parent);
                r = -EEXIST;
                goto fail;
            }
            if (!S_ISLNK(p.dentry->inode->i_mode) || (flags & O_NOFOLLOW)) {
                path_put(&parent);
                break;
            }
            /* Go on from the link's directory: resolve an existing target, or make the missing one. */
            char *t = kmalloc(PATH_MAX, GFP_KERNEL);
            ssize_t n = t ? p.dentry->inode->i_op->readlink
                                ? p.dentry->inode->i_op->readlink(p.dentry->inode, t)
                                : -ELOOP
                          : -ENOMEM;
            if (links >= MAX_LINKS)
                n = -ELOOP;
            if (n >= 0) {
                t[n] = 0;
                if (t[0] != '/') { /* make it absolute by the parent's own name */
                    char *abs = kmalloc(PATH_MAX, GFP_KERNEL), *tmp = kmalloc(PATH_MAX, GFP_KERNEL);
                    if (abs && tmp)
                        n = snprintf(abs, PATH_MAX, "%s/%s", d_path(&parent, tmp, PATH_MAX), t) < PATH_MAX
                                ? n
                                : -ENAMETOOLONG;
                    else
                        n = -ENOMEM;
                    kfree(tmp);
                    kfree(t);
                    t = abs;
                }
            }
            path_put(&p);
            path_put(&parent);
            kfree(target);
            target = t;
            if (n < 0) {
                r = n;
                goto fail;
            }
        }
        kfree(target);
        goto opened;
    fail:
        kfree(target);
        return ERR_PTR(r);
    }
opened:
    r = flags & O_PATH ? 0 : created ? security_path(&p, open_access(flags)) : may_open(&p, flags);
    if (!r && (flags & O_NOFOLLOW) && !(flags & O_PATH) && S_ISLNK(p.dentry->inode->i_mode))
        r = -ELOOP;
    struct file *f = r ? ERR_PTR(r) : open_path(&p, flags);
    if (!IS_ERR(f) && (flags & O_TRUNC) && !(flags & O_PATH) && !created &&
        S_ISREG(p.dentry->inode->i_mode) && p.dentry->inode->i_op->truncate) { /* procfs has none */
        r = truncate_path(p.dentry->inode, 0);
        if (r) {
            fput(f);
            f = ERR_PTR(r);
        } else {
            fsnotify_dentry(p.dentry, IN_MODIFY);
        }
    }
    path_put(&p);
    return f;
}

/* O_TMPFILE: made under a name nobody can guess, and unlinked before anyone could. */
static struct file *open_tmpfile(const struct path *dirp, u32 flags, u32 mode) {
    static u64 serial;
    char name[32];
    struct inode *dir = dirp->dentry->inode;
    if (!(flags & (O_WRONLY | O_RDWR)))
        return ERR_PTR(-EINVAL);
    snprintf(name, sizeof(name), ".tmp-%lx-%lx", ktime_get(),
             __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED));
    mutex_lock(&dir->lock);
    struct dentry *d = lookup_locked(dirp->dentry, name);
    int r = IS_ERR(d) ? PTR_ERR(d) : may_create(dir);
    if (!r)
        r = security_path(dirp, LANDLOCK_ACCESS_FS_MAKE_REG);
    if (!r)
        r = dir->i_op->create ? dir->i_op->create(dir, d, S_IFREG | (mode & 07777 & ~current->fs->umask), 0)
                              : -EOPNOTSUPP;
    struct file *f = ERR_PTR(r);
    if (!r) {
        struct path p = {dirp->mnt, d};
        f = open_path(&p, flags & ~O_DIRECTORY);
        if (!dir->i_op->unlink(dir, d)) {
            d->inode->linkable = !(flags & O_EXCL);
            d_delete(d);
        }
    }
    mutex_unlock(&dir->lock);
    if (!IS_ERR(d))
        dput(d);
    return f;
}

long sys_openat(u64 dfd, u64 uname, u64 flags, u64 mode) {
    char *name = getname(uname);
    if (IS_ERR(name))
        return PTR_ERR(name);
    long r = PTR_ERR(name);
    int fd = get_unused_fd(flags);
    if (fd >= 0) {
        struct file *f = file_open((s32)dfd, name, flags, mode);
        if (IS_ERR(f)) {
            put_unused_fd(fd);
            r = PTR_ERR(f);
        } else {
            fd_install(fd, f);
            r = fd;
        }
    } else {
        r = fd;
    }
    kfree(name);
    return r;
}
