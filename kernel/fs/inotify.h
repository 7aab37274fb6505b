/* What happens to files, for who watches them (inotify.c). Each place that changes or uses a file says so
 * here, after it is done and without spinlocks; inodes' locks may be held. Nothing fails: who cannot be told
 * finds IN_Q_OVERFLOW. */
#pragma once
#include "fs.h"
#include <abi/inotify.h>

extern u32 inotify_watches; /* of all */
static inline bool fsnotify_on(void) { return unlikely(READ_ONCE(inotify_watches)); }

void __fsnotify_inode(struct inode *i, u32 mask);
void __fsnotify_name(struct inode *dir, u32 mask, const char *name);
void __fsnotify_dentry(struct dentry *d, u32 mask);
void __fsnotify_move(struct inode *od, const char *oname, struct inode *nd, const char *nname,
                     struct inode *i);
void __fsnotify_removed(struct inode *i);

/* To an inode, whichever name it has. */
static inline void fsnotify_inode(struct inode *i, u32 mask) {
    if (fsnotify_on())
        __fsnotify_inode(i, mask);
}
/* A name in dir came or went; IN_ISDIR if it is a directory's. */
static inline void fsnotify_name(struct inode *dir, u32 mask, const char *name) {
    if (fsnotify_on())
        __fsnotify_name(dir, mask, name);
}
/* To what was reached by that name (d, which may be NULL: it has none): who watches its directory is told
 * too. */
static inline void fsnotify_dentry(struct dentry *d, u32 mask) {
    if (fsnotify_on() && d && d->inode)
        __fsnotify_dentry(d, mask);
}
static inline void fsnotify_file(struct file *f, u32 mask) {
    if (fsnotify_on() && !(f->mode & FMODE_PATH))
        fsnotify_dentry(f->path.dentry, mask);
}
/* i, whose name was oname in od, has that of nname in nd. */
static inline void fsnotify_move(struct inode *od, const char *oname, struct inode *nd, const char *nname,
                                 struct inode *i) {
    if (fsnotify_on())
        __fsnotify_move(od, oname, nd, nname, i);
}
/* The last name and the last use of i are gone: its watches end. */
static inline void fsnotify_removed(struct inode *i) {
    if (fsnotify_on())
        __fsnotify_removed(i);
}
void fsnotify_unmount(struct super_block *sb);
