/* Files: inodes, dentries, mounts, open files, and what a file system provides.
 *
 * Locks: inode->lock (a sleeping lock) serializes changes of a directory's entries or a file's size and
 * data; parent before child, two directories by address under the super block's rename lock. dcache_lock
 * guards all dentry links, counts of mounts, and the mount list; icache_lock the inode table. */
#pragma once
#include "../mm/mm.h"
#include <abi/errno.h>
#include <abi/fcntl.h>
#include <abi/poll.h>
#include <abi/sched.h>
#include <abi/stat.h>

struct dentry;
struct super_block;
struct file_operations;
struct task_struct;
struct fs_struct;
struct files_struct;

struct inode {
    struct super_block *sb;
    u64 i_ino;
    u32 i_mode, i_nlink;
    atomic_t i_writecount; /* > 0: open for writing so often; < 0: run as a program so often */
    uid_t i_uid;
    gid_t i_gid;
    u64 i_rdev;
    loff_t i_size;
    u64 i_blocks;                                           /* of 512 bytes */
    struct abi_timespec i_atime, i_mtime, i_ctime, i_btime; /* i_btime, of birth: all 0: not known */
    const struct inode_operations *i_op;
    const struct file_operations *i_fop;
    struct address_space i_data, *i_mapping;
    struct mutex lock;
    atomic_t refcount;
    bool dirty; /* not journaled: attributes differ from the disk's cache */
    bool hashed;
    bool fresh;                                 /* iget's caller has yet to fill it: unlock_new_inode */
    bool linkable;                              /* made by O_TMPFILE: it may get a name */
    struct dentry *i_dentry;                    /* a directory's one name in the cache: dcache_lock */
    struct list_head hash, sb_list, dirty_link; /* icache_lock */
    void *private;   /* the file system's: a FIFO's pipe, a device, an ext2 directory's filters */
    u32 fs_data[16]; /* ext2: block numbers */
    u32 fs_flags;
    struct list_head locks;   /* lock.c */
    struct list_head watches; /* inotify.c */
    struct list_head orphan;  /* ext2: unlinked, and in use */
    void *disk;               /* ext2: where it is in its page, as long as */
    u32 journal_tid;          /* this transaction, the last that it was changed in, is the running one */
    u32 datasync_tid;         /* the last one that changed where its data are; */
    loff_t disk_size;         /* and the length that it knows */
};

/* A name in a directory. Negative (inode NULL): known not to exist. A dentry with count 0 stays cached. */
struct dentry {
    atomic_t refcount;
    struct dentry *parent;
    struct inode *inode;
    struct super_block *sb;
    char *name;
    u32 hash_value, len;
    u64 pos;         /* among the children: later ones have greater */
    u32 mountpoints; /* how many mounts have it as their mountpoint: mounts_lock */
    bool unhashed;
    struct list_head hash, child, children, lru;
    char short_name[40];
};
struct mount {
    struct super_block *sb;
    struct dentry *root, *mountpoint;
    struct mount *parent;
    u32 flags;
    atomic_t refcount;
    struct mnt_namespace *ns;  /* which counts it. NULL: detached */
    u32 group, master;         /* peers; see mount.c */
    bool locked, locked_flags; /* it came from another user namespace: it stays, and what it forbids */
    u64 id;                    /* in the order they were made */
    struct mount *copy;        /* scratch, under mount_mutex */
    struct list_head link, all_link, hash;
    struct list_head children, sibling; /* mount_mutex */
    char source[64];
};
struct path {
    struct mount *mnt;
    struct dentry *dentry;
};

struct super_block {
    const struct file_system_type *type;
    u64 dev; /* st_dev */
    u32 flags;
    struct dentry *root;
    struct block_device *bdev;
    bool journaled;        /* each change of an inode joins a transaction, and sync_fs alone takes inodes out
                              of `dirty`: a commit must find all that have data to be written */
    u32 changed;           /* journaled: since the flusher has looked */
    u32 active;            /* mounts of it: mount_mutex */
    struct list_head link; /* all super blocks: mount_mutex */
    struct mutex rename_lock;
    struct list_head inodes; /* icache_lock; */
    struct list_head dirty;  /* so: those with attributes or pages to be written */
    const struct super_operations *ops;
    void *private;
    u64 next_ino;
    u64 max_bytes; /* a file's greatest length */
};
struct super_operations {
    int (*write_inode)(struct inode *inode);  /* attributes to the cache of blocks */
    void (*evict_inode)(struct inode *inode); /* last use ended; nlink 0: free it on disk */
    void (*dirty_inode)(struct inode *inode); /* journaled: it has changed; to its page. May sleep */
    int (*statfs)(struct super_block *sb, struct statfs *st);
    int (*sync_fs)(struct super_block *sb);
    void (*put_super)(struct super_block *sb);  /* after the last inode has gone */
    void (*drop_names)(struct super_block *sb); /* before: those that are nowhere but in dentries. Or NULL */
    int (*remount)(struct super_block *sb, u32 flags);
};
struct file_system_type {
    const char *name;
    bool nodev;
    /* Fill sb (root included). -errno. */
    int (*fill_super)(struct super_block *sb, const char *options);
    bool any_user; /* may be mounted by who is root in a user namespace alone */
};
struct inode_operations {
    /* Sets dentry->inode through d_add; caller holds dir->lock. */
    int (*lookup)(struct inode *dir, struct dentry *d);
    int (*create)(struct inode *dir, struct dentry *d, u32 mode, u64 rdev); /* file, device, fifo */
    int (*mkdir)(struct inode *dir, struct dentry *d, u32 mode);
    int (*symlink)(struct inode *dir, struct dentry *d, const char *target);
    int (*link)(struct inode *dir, struct dentry *d, struct inode *inode);
    int (*unlink)(struct inode *dir, struct dentry *d);
    int (*rmdir)(struct inode *dir, struct dentry *d);
    /* flags: 0 or RENAME_EXCHANGE. */
    int (*rename)(struct inode *od, struct dentry *o, struct inode *nd, struct dentry *n, u32 flags);
    /* The target into buf (PATH_MAX); its length. */
    ssize_t (*readlink)(struct inode *inode, char *buf);
    /* What the mode forbids: 0 to allow it all the same, or -EACCES. Or NULL. */
    int (*permission)(struct inode *inode, u32 mask);
    /* procfs: jump straight to an object (0; out is counted); or 1: it leads where its text says. */
    int (*get_link)(struct dentry *d, struct path *out);
    int (*truncate)(struct inode *inode, loff_t size); /* caller holds inode->lock */
    int (*setattr)(struct inode *inode);
    /* The first block (of 4 KB) from `index` on that has data, or that has none; ~0: there is no more.
     * -errno. Or NULL: all of it has. i->lock held. */
    s64 (*next_block)(struct inode *inode, u64 index, bool data);
    /* Room for, or (FALLOC_FL_PUNCH_HOLE) without, [off, off + len): 0 or -errno. i->lock held. */
    int (*fallocate)(struct inode *inode, u32 mode, u64 off, u64 len);
};

struct poll_table;
struct file {
    atomic_t refcount;
    u32 flags; /* O_* */
    u32 mode;  /* FMODE_* */
    loff_t pos;
    struct mutex pos_lock;
    struct path path;
    struct inode *inode;
    struct address_space *mapping;
    const struct file_operations *f_op;
    void *private;
    struct cred *cred;            /* counted: the opener's, as of then */
    struct list_head epoll_links; /* epoll's own lock */
    pid_t owner;
    u32 wb_errors; /* so many failed writes of its mapping it has been told of */
};
#define FMODE_READ 1u
#define FMODE_WRITE 2u
#define FMODE_LSEEK 4u
#define FMODE_PATH 8u
#define FMODE_WRITER 16u /* counted in i_writecount */
struct dir_context {
    loff_t pos;
    /* False: no room, stop. */
    bool (*emit)(struct dir_context *ctx, const char *name, u32 len, u64 ino, u32 type);
};
struct file_operations {
    ssize_t (*read)(struct file *f, struct iov_iter *it, loff_t *pos);
    ssize_t (*write)(struct file *f, struct iov_iter *it, loff_t *pos);
    int (*iterate)(struct file *f, struct dir_context *ctx);
    u32 (*poll)(struct file *f, struct poll_table *pt);
    long (*ioctl)(struct file *f, u32 cmd, u64 arg);
    int (*open)(struct inode *inode, struct file *f);
    void (*release)(struct file *f);
    int (*fsync)(struct file *f,
                 bool datasync); /* datasync: not what is of no use to find the data, as times */
    loff_t (*llseek)(struct file *f, loff_t off, int whence);
};

#define PATH_MAX 4096
#define MAX_LFS_FILESIZE 0x7fffffffffffffffUL
#define NAME_MAX 255

/* --- namei.c --- */
#define LOOKUP_FOLLOW 1u
#define LOOKUP_DIRECTORY 2u
#define LOOKUP_EMPTY 4u
/* Walk a path; out is counted. name in kernel memory. */
int path_lookup(int dfd, const char *name, u32 flags, struct path *out);
int user_path(int dfd, u64 uname, u32 flags, struct path *out);
char *getname(u64 uname); /* PATH_MAX buffer or ERR_PTR; free with kfree */
int path_parent(int dfd, const char *name, struct path *parent, char *last, u32 *trailing);
struct file *file_open(int dfd, const char *name, u32 flags, u32 mode);
/* Set a file's length: 0, -EINVAL, -EFBIG, -ENOSPC... truncate_path is for who has not opened it for writing:
 * -ETXTBSY when it is a program that runs. */
int do_truncate(struct inode *i, loff_t size);
int truncate_path(struct inode *i, u64 size);
int may_grow(struct inode *i, u64 size);
/* A file is written or run, not both: -ETXTBSY when the other is the case. get and put, deny and allow come
 * in pairs. */
int get_write_access(struct inode *i);
int deny_write_access(struct inode *i);
static inline void put_write_access(struct inode *i) { atomic_dec(&i->i_writecount); }
static inline void allow_write_access(struct inode *i) { atomic_inc(&i->i_writecount); }
int permission(struct inode *inode, u32 mask);           /* MAY_*; 0 or -EACCES */
bool current_chrooted(void);                             /* fs_struct.c. May sleep */
int permission_as(struct inode *i, u32 mask, bool real); /* real: by the real ids, as access(2) asks */
bool dot_name(const char *s);                            /* "." or ".." */
/* The entry `last` of dir, maybe negative, counted, or an error. dir's inode is locked. */
struct dentry *lookup_locked(struct dentry *dir, const char *last);
bool owner_or_capable(const struct inode *i); /* the caller may change its attributes */
int may_create(struct inode *dir);            /* 0, -EACCES, -EROFS, or -ENOENT when dir is gone */
#define MAY_EXEC 1u
#define MAY_WRITE 2u
#define MAY_READ 4u
void path_get(const struct path *p);
void path_put(struct path *p);
/* The path's name as seen from the caller's root, written at the end of buf. */
char *d_path(const struct path *p, char *buf, size_t n);

/* --- dcache.c --- */
struct dentry *d_alloc(struct dentry *parent, const char *name, u32 len);
struct dentry *d_alloc_root(struct inode *inode);
void d_add(struct dentry *d, struct inode *inode);                         /* takes the inode's reference */
struct dentry *d_lookup(struct dentry *parent, const char *name, u32 len); /* counted or NULL */
void d_delete(struct dentry *d); /* the name is gone: negative or unhashed */
void d_move(struct dentry *d, struct dentry *target);
void d_exchange(struct dentry *a, struct dentry *b); /* rename: each takes the other's name and place */
void d_drop(struct dentry *d);
void dget(struct dentry *d);
void dput(struct dentry *d);
/* The directory that p, not its mount's root, is in, counted. NULL: the mount does not show it any more, as
 * after a rename out of a directory that was bound. */
struct dentry *dget_parent(const struct path *p);
u64 shrink_dentries(u64 want);
void drop_caches(void); /* write everything back, then give up what can be read again. May sleep. */
void dcache_init(void);
/* d's directory's inode, counted, its name in it (NAME_MAX + 1 bytes), and whether that is gone. NULL: a
 * root. */
struct inode *dentry_name(struct dentry *d, char *name, bool *unlinked);
bool d_has_children(struct dentry *d);
/* The child, with an inode, at position `from` or the first one behind it, counted; NULL: none. prev, or
 * NULL, is what the caller had from the last call, and is put. */
struct dentry *d_next_child(struct dentry *dir, struct dentry *prev, u64 from);
void d_release_tree(struct super_block *sb);

/* --- inode.c --- */
struct inode *new_inode(struct super_block *sb); /* counted, not hashed */
/* A new inode's mode, and whose it is: the caller's, and of the directory's group where that has the
 * set-group-id bit. */
void inode_init_owner(struct inode *i, const struct inode *dir, u32 mode);
/* The caller changes what is in a file: who may not keep the set-id bits loses them. i->lock held; the inode
 * is to be marked dirty afterwards. */
void file_remove_privs(struct inode *i);
/* The inode with that number, from the cache or new: *is_new, and others wait until the caller has filled it
 * and says so (unlock_new_inode). NULL: no memory. May sleep. */
struct inode *iget(struct super_block *sb, u64 ino, bool *is_new);
void unlock_new_inode(struct inode *inode);
void iput(struct inode *inode);
static inline void ihold(struct inode *i) { atomic_inc(&i->refcount); }
/* The inode has changed: after the change. On a journaled file system the change is in the page of its inode
 * when this returns, and in the transaction of the caller's handle; without a handle it is one of its own, so
 * what must count together (length, blocks, names) is changed inside one. May sleep; no page is locked. */
void mark_inode_dirty(struct inode *inode);
void inode_has_dirty_pages(struct inode *inode);
void inode_update_mtime(struct inode *inode);
void file_accessed(struct file *f);
void init_special_inode(struct inode *inode);
int sync_inode(struct inode *inode, bool wait);
void sync_all(void);
void wake_flusher(void);
void balance_dirty(void);
void inode_init(void);
/* fn for each inode of sb that is in use and filled. fn may not sleep. */
void for_each_inode(struct super_block *sb, void (*fn)(struct inode *inode));
void evict_all(struct super_block *sb);              /* forget every unused inode */
struct inode *watched_inode(struct super_block *sb); /* some inode of sb with watches, counted, or NULL */
struct abi_timespec current_time(void);
int sb_sync(struct super_block *sb);

/* --- super.c --- */
void register_filesystem(const struct file_system_type *t);
const struct file_system_type *find_filesystem(const char *name);
struct super_block *make_super(const struct file_system_type *t, struct block_device *b, u32 flags,
                               const char *options, int *err); /* no root mount yet; NULL: *err */
/* --- mount.c --- */
extern spinlock_t mounts_lock;
extern u32 sysctl_mount_max; /* so many in one namespace: /proc/sys/fs/mount-max */
int do_mount(const char *source, const struct path *at, const char *type, u32 flags, const char *options);
int mount_root(struct block_device *bdev, u32 flags);
int lookup_mount(struct path *p); /* step onto what is mounted at p; counted */
bool follow_up(struct path *p);
/* Is something mounted on d, by any path, in the caller's namespace of mounts? Takes mounts_lock. */
bool is_mountpoint_here(const struct dentry *d);
/* d, counted, has lost its name: what is mounted on it in any namespace goes. Takes mount_mutex: no inode's lock
 * held. */
void detach_mounts(struct dentry *d);
struct file_system_type *filesystem_at(unsigned int i);
void unmount_everything(void);
void mount_free(struct mount *m);       /* path_put: its last user is gone */
void mount_put_locked(struct mount *m); /* one user less; mount_mutex held */
void path_put_locked(struct path *p);
void for_each_super(void (*fn)(struct super_block *)); /* under mount_mutex */
void for_each_mount(struct mnt_namespace *ns, void (*fn)(struct mount *, void *), void *arg);
/* fn for p's dentry and those above it, across mounts, until it says true or the root is done. fn may not
 * sleep. */
void path_walk_up(const struct path *p, bool (*fn)(const struct dentry *, void *), void *arg);
void chroot_fs_refs(const struct path *was,
                    const struct path *now); /* whoever has `was` as root or directory */
void nsfs_init(void), cgroupfs_init(void);
struct task_struct *pidfd_task(struct file *f); /* not counted; NULL: f is no pidfd */

/* --- file.c --- */
/* A descriptor's file, counted, or NULL. fget refuses O_PATH, of whose file there is the path and no more.
 * fget_raw accepts it: which calls use that says each at its beginning. */
struct file *fget(u64 fd);
struct file *fget_raw(u64 fd);
/* A file for one system call. While no other task has the descriptor table nobody can take the file out of
 * it: then it is not counted. fdget refuses O_PATH; .file is NULL for a bad descriptor. Not to be kept beyond
 * the call. */
struct fd {
    struct file *file;
    bool counted;
};
struct fd fdget(u64 fd);
static inline void get_file(struct file *f) { atomic_inc(&f->refcount); }
void fput(struct file *f);
static inline void fdput(struct fd f) {
    if (f.counted)
        fput(f.file);
}
struct file *alloc_file(const struct file_operations *op, u32 flags);
/* A write that grants something asks this beside ns_capable: whoever opened f must have had the capability in
 * ns too, for a descriptor can be another program's standard output. */
struct user_namespace;
bool file_ns_capable(const struct file *f, const struct user_namespace *ns, int cap);
/* A file with no name, for pipes, eventfd and so on. */
struct file *anon_file(const struct file_operations *op, void *private, u32 flags, const char *name);
int get_unused_fd(u32 flags); /* O_CLOEXEC counts */
int take_fd(u32 from,
            u32 flags); /* the lowest free descriptor from `from` on, reserved; or -EMFILE, -ENOMEM */
void put_unused_fd(int fd);
void fd_install(int fd, struct file *f);                        /* takes the reference */
int fd_with_file(struct file *f, u32 flags);                    /* installs, or drops f and returns -errno */
void fdtable_init(struct files_struct *t);                      /* an empty table, counted once */
int dup_fd(struct files_struct *from, struct files_struct *to); /* to: not initialised yet */
void close_on_exec(struct files_struct *f);
int unshare_files(void);
#define RW_MAX 0x7ffff000UL /* the most that one call moves */
ssize_t vfs_read(struct file *f, struct iov_iter *it, loff_t *pos);
/* flags: O_APPEND, O_SYNC, O_DSYNC for this write, beside the file's own. */
ssize_t vfs_write(struct file *f, struct iov_iter *it, loff_t *pos, u32 flags);
/* Remove a name, of a directory if rmdir; seen from dfd (AT_FDCWD). 0 or -errno. May sleep. */
long do_unlink(int dfd, const char *name, bool rmdir);
/* Kernel memory from or to a file at pos: bytes, or -errno. May sleep. */
ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t pos);
ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t pos);
int vfs_fsync(struct file *f, bool datasync);
ssize_t generic_file_read(struct file *f, struct iov_iter *it, loff_t *pos);
ssize_t generic_file_write(struct file *f, struct iov_iter *it, loff_t *pos);
loff_t generic_llseek(struct file *f, loff_t off, int whence);
void generic_fillattr(struct inode *inode, struct stat *st);
struct fs_struct *dup_fs_struct(struct fs_struct *old);
void free_fs_paths(struct fs_struct *fs);
struct files_struct *alloc_files_struct(void);
void free_files_struct(struct files_struct *f);
void files_init(void);
void flock_release(struct file *f);                    /* the last reference to f goes */
void posix_lock_release(struct inode *i, void *owner); /* owner (a files_struct) closes a descriptor of i */
int set_fs_root_to(struct path *p);

/* --- poll.c, epoll.c --- */
/* A poller's way to remember a queue. */
/* add: what to do with each queue that a file's poll operation names. */
struct poll_table {
    void (*add)(struct poll_table *pt, struct file *f, struct wait_queue_head *q);
    struct task_struct *task;
    struct poll_entry *entries;
    u32 n, max;
    bool triggered, failed;
};
/* pselect6, ppoll, epoll_pwait: block the signals of user mask `uset` until restore_mask(result of the wait).
 */
long temporary_mask(u64 uset, u64 size);
long restore_mask(long r);
/* Called by a file's poll operation: wake this poller when q is woken. */
void poll_wait(struct file *f, struct wait_queue_head *q, struct poll_table *pt);
static inline u32 file_poll(struct file *f, struct poll_table *pt) {
    return f->f_op->poll ? f->f_op->poll(f, pt) : POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}
extern u32 pipe_max_size, pipe_user_pages_soft, pipe_user_pages_hard; /* pipe.c */
extern u32 inotify_max_queued_events, inotify_max_user_instances, inotify_max_user_watches;
void epoll_forget(struct file *f);
/* q's owner ends, and nobody but sets of epoll is on q: they let go of it. No new ones come. May sleep.
 *
 * A queue that a file's poll names is one of the file's own (what it holds: a pipe, a task, a counter), which
 * outlives the hooks: they go before the file is released. A signalfd alone names another's: the caller's. */
void epoll_forget_queue(struct wait_queue_head *q);
extern u32 sysctl_max_user_watches; /* fs.epoll.max_user_watches: so many files one user's sets may watch */

/* --- the rest --- */
struct file *shmem_file(u64 size);
struct file *pidfd_file(struct task_struct *t);
pid_t pidfd_to_pid(s32 fd);
int fifo_open(struct inode *inode, struct file *f);
extern const struct file_operations fifo_fops, blkdev_fops, chrdev_fops;
/* Character devices: who serves (major, minor)? */
void register_chrdev(u32 major, u32 minor, const char *name, const struct file_operations *op, u32 mode);
bool chrdev_at(unsigned int i, const char **name, u32 *mode, u64 *dev);
void devfs_init(void), tmpfs_init(void), procfs_init(void), ext2_init(void), pipe_init(void),
    chrdev_init(void), epoll_init(void);

/* --- block devices --- */
struct block_request {
    struct list_head link;
    struct block_request *next; /* served as one with this: the sectors that follow, the same direction */
    sector_t sector;            /* 512 bytes */
    void *data;
    u32 len;
    bool write, flush;
    bool ok;
    void (*done)(struct block_request *r); /* any context */
    void *private;
};
struct block_device;
/* The device's cache is written and forgotten: a file system keeps its files' blocks elsewhere, so who reads
 * the device before and after it was mounted must not find what was there then. May sleep. */
void block_invalidate(struct block_device *b);
void collect_dirty_inodes(struct super_block *sb, struct list_head *out);
void release_dirty_inodes(struct list_head *list);
struct block_device {
    const char *name;
    u64 dev; /* makedev */
    u64 sectors;
    bool read_only;
    u32 max_pieces; /* so many requests may be served as one */
    void (*submit)(struct block_device *b, struct block_request *r);
    void *private;
    struct inode *inode; /* its page cache: blocks of file systems, and /dev/NAME */
    struct list_head link;
};
/* Between start and finish the caller's requests for sectors in a row are kept back, and go to the device as
 * one. They go at once when it sleeps. One inside another: the outer counts. */
struct blk_plug {
    struct block_device *b;
    struct block_request *first, *last; /* a chain, or NULL */
    u32 pieces;
};
void blk_start_plug(struct blk_plug *plug);
void blk_finish_plug(struct blk_plug *plug);
void blk_flush_plug(struct blk_plug *plug); /* any context */
void register_block_device(struct block_device *b);
struct block_device *find_block_device(const char *name);
struct block_device *block_device_by_dev(u64 dev);
extern struct list_head block_devices;
/* Start moving a locked page from or to the device; ends the read or the writeback. */
int block_read_page(struct block_device *b, sector_t sector, struct page *p);
int block_write_page(struct block_device *b, sector_t sector, struct page *p);
int block_flush(struct block_device *b); /* sleeps until written data is safe */
/* Block n (4 KB) of the device, up to date; -EIO, -ENOMEM. */
struct page *bread(struct block_device *b, u64 block);

/* expr on the file of descriptor fd, as `f` and `inode`: its value, or -EBADF. */
#define ON_FILE(fd, expr)                                                                                    \
    ({                                                                                                       \
        struct file *f = fget(fd);                                                                           \
        long _r = -EBADF;                                                                                    \
        if (f) {                                                                                             \
            struct inode *inode = f->inode;                                                                  \
            (void)inode;                                                                                     \
            _r = (expr);                                                                                     \
            fput(f);                                                                                         \
        }                                                                                                    \
        _r;                                                                                                  \
    })
