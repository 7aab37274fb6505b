/* The working and root directories and the umask of a task (C16). */
#include "../core/nsproxy.h"
#include "../debug/debug.h"
#include "fs.h"

struct fs_paths {
    struct fs_struct fs;
    struct path cwd, root;
};
struct fs_struct *dup_fs_struct(struct fs_struct *old) {
    struct fs_paths *n = kzalloc(sizeof(*n), GFP_KERNEL);
    if (!n)
        return NULL;
    atomic_set(&n->fs.refcount, 1);
    spin_lock_init(&n->fs.lock, RANK_FILES);
    n->fs.cwd = &n->cwd;
    n->fs.root = &n->root;
    spin_lock(&old->lock);
    n->fs.umask = old->umask;
    n->cwd = *old->cwd;
    n->root = *old->root;
    if (n->cwd.dentry) {
        path_get(&n->cwd);
        path_get(&n->root);
    }
    spin_unlock(&old->lock);
    return &n->fs;
}
void free_fs_paths(struct fs_struct *fs) {
    if (fs->cwd->dentry) {
        path_put(fs->cwd);
        path_put(fs->root);
    }
}
static void set_path(struct path *slot, const struct path *p) {
    spin_lock(&current->fs->lock);
    struct path old = *slot;
    *slot = *p;
    spin_unlock(&current->fs->lock);
    if (old.dentry)
        path_put(&old);
}
int set_fs_root_to(struct path *p) {
    path_get(p);
    path_get(p);
    set_path(current->fs->root, p);
    set_path(current->fs->cwd, p);
    return 0;
}
void chroot_fs_refs(const struct path *was, const struct path *now) {
    struct task_struct *t;
    for (pid_t nr = 1; (t = next_task(&init_pid_ns, &nr, true)); nr++) {
        u32 moved = 0;
        spin_lock(&t->alloc_lock);
        struct fs_struct *fs = t->fs;
        for (int i = 0; fs && i < 2; i++) {
            spin_lock(&fs->lock);
            struct path *p = i ? fs->root : fs->cwd;
            if (p->mnt == was->mnt && p->dentry == was->dentry) {
                path_get(now);
                *p = *now;
                moved++;
            }
            spin_unlock(&fs->lock);
        }
        spin_unlock(&t->alloc_lock);
        while (moved--) {
            struct path old = *was;
            path_put(&old);
        }
        put_task(t);
    }
}
static long change_dir(struct path *p, struct path *slot) {
    long r = !S_ISDIR(p->dentry->inode->i_mode) ? -ENOTDIR : permission(p->dentry->inode, MAY_EXEC);
    if (r)
        path_put(p);
    else
        set_path(slot, p);
    return r;
}
long sys_chdir(u64 name) {
    struct path p;
    long r = user_path(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
    return r ? r : change_dir(&p, current->fs->cwd);
}
long sys_fchdir(u64 fd) { /* accepts O_PATH */
    struct file *f = fget_raw(fd);
    if (!f)
        return -EBADF;
    long r = -ENOTDIR;
    if (f->path.dentry) {
        struct path p = f->path;
        path_get(&p);
        r = change_dir(&p, current->fs->cwd);
    }
    fput(f);
    return r;
}
/* Its root is not its namespace's. */
bool current_chrooted(void) {
    struct path top, mine;
    mnt_namespace_root(current->nsproxy->mnt_ns, &top);
    spin_lock(&current->fs->lock);
    mine = *current->fs->root;
    path_get(&mine);
    spin_unlock(&current->fs->lock);
    bool other = top.mnt != mine.mnt || top.dentry != mine.dentry;
    path_put(&top);
    path_put(&mine);
    return other;
}
long sys_chroot(u64 name) {
    struct path p;
    long r = user_path(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
    if (r)
        return r;
    if (!ns_capable(current_user_ns(), CAP_SYS_CHROOT)) {
        path_put(&p);
        return -EPERM;
    }
    return change_dir(&p, current->fs->root);
}
long sys_getcwd(u64 buf, u64 size) {
    char *b = kmalloc(PATH_MAX, GFP_KERNEL);
    if (!b)
        return -ENOMEM;
    spin_lock(&current->fs->lock);
    struct path p = *current->fs->cwd;
    path_get(&p);
    spin_unlock(&current->fs->lock);
    long r;
    char *s = d_path(&p, b, PATH_MAX);
    u64 n = strlen(s) + 1;
    if (p.dentry->unhashed && p.dentry != p.dentry->parent)
        r = -ENOENT;
    else
        r = n > size ? -ERANGE : copy_to_user(buf, s, n) ? -EFAULT : (long)n;
    path_put(&p);
    kfree(b);
    return r;
}
long sys_umask(u64 mask) { return xchg(&current->fs->umask, (u32)mask & 0777); }
