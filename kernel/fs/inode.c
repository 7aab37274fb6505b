/* Inodes in memory: a hash by (super block, number). An inode without users stays cached while it has pages
 * or its dentry refers to it; the flusher writes what is dirty. */
#include "../core/task.h"
#include "../core/user_namespace.h"
#include "../debug/debug.h"
#include "../drivers/drivers.h"
#include "fs.h"
#include "../security/security.h"

#define BUCKETS 1024
static spinlock_t icache_lock = SPINLOCK_INIT(RANK_ICACHE);
static struct list_head table[BUCKETS];
static struct mutex flush_mutex; /* what one who flushes has taken out of a list, the next waits for */
static struct kmem_cache *inode_cache;
static struct wait_queue_head flusher_wait = WAIT_QUEUE_INIT(flusher_wait);
static bool flush_now;
static struct wait_queue_head fresh_wait = WAIT_QUEUE_INIT(fresh_wait);

void inode_init(void) {
    for (int i = 0; i < BUCKETS; i++)
        INIT_LIST_HEAD(&table[i]);
    inode_cache = kmem_cache_create("inode", sizeof(struct inode));
    mutex_init(&flush_mutex);
}
static struct list_head *bucket(struct super_block *sb, u64 ino) {
    return &table[(((u64)sb >> 6) + ino * 0x9e3779b1u) % BUCKETS];
}
struct abi_timespec current_time(void) {
    return ns_to_timespec(ktime_get_real());
}

struct inode *new_inode(struct super_block *sb) {
    struct inode *i = kmem_cache_alloc(inode_cache, GFP_KERNEL | GFP_ZERO);
    if (!i)
        return NULL;
    i->sb = sb;
    i->i_nlink = 1;
    atomic_set(&i->refcount, 1);
    mutex_init(&i->lock);
    address_space_init(&i->i_data, i, NULL);
    i->i_mapping = &i->i_data;
    i->i_atime = i->i_mtime = i->i_ctime = i->i_btime = current_time();
    INIT_LIST_HEAD(&i->hash);
    INIT_LIST_HEAD(&i->dirty_link);
    INIT_LIST_HEAD(&i->locks);
    INIT_LIST_HEAD(&i->watches);
    INIT_LIST_HEAD(&i->orphan);
    spin_lock(&icache_lock);
    list_add(&i->sb_list, &sb->inodes);
    spin_unlock(&icache_lock);
    return i;
}

void inode_init_owner(struct inode *i, const struct inode *dir, u32 mode) {
    i->i_uid = current->cred->fsuid;
    i->i_gid = current->cred->fsgid;
    if (dir && (dir->i_mode & S_ISGID)) {
        i->i_gid = dir->i_gid;
        if (S_ISDIR(mode))
            mode |= S_ISGID;
        else if ((mode & (S_ISGID | 0010)) == (S_ISGID | 0010) && !in_group(current->cred, i->i_gid) &&
                 !capable_wrt_inode(dir, CAP_FSETID))
            mode &= ~S_ISGID;
    }
    i->i_mode = mode;
}
void file_remove_privs(struct inode *i) {
    if ((i->i_mode & (S_ISUID | S_ISGID)) && !capable(CAP_FSETID))
        i->i_mode &= ~(S_ISUID | (i->i_mode & 0010 ? S_ISGID : 0));
}

static void destroy(struct inode *i) {
    radix_destroy(&i->i_data.pages);
    kmem_cache_free(inode_cache, i);
}

struct inode *iget(struct super_block *sb, u64 ino, bool *is_new) {
    struct inode *i, *fresh = NULL;
    struct list_head *b = bucket(sb, ino);
    for (;;) {
        spin_lock(&icache_lock);
        list_for_each_entry(i, b,
                            hash) if (i->sb == sb && i->i_ino == ino && atomic_inc_not_zero(&i->refcount)) {
            spin_unlock(&icache_lock);
            if (fresh) {
                spin_lock(&icache_lock);
                list_del(&fresh->sb_list);
                spin_unlock(&icache_lock);
                destroy(fresh);
            }
            if (unlikely(smp_load_acquire(&i->fresh)))
                wait_event(&fresh_wait, !smp_load_acquire(&i->fresh));
            *is_new = false;
            return i;
        }
        if (fresh) {
            list_add(&fresh->hash, b);
            fresh->hashed = true;
            spin_unlock(&icache_lock);
            *is_new = true;
            return fresh;
        }
        spin_unlock(&icache_lock);
        if (!(fresh = new_inode(sb)))
            return NULL;
        fresh->i_ino = ino;
        fresh->fresh = true;
    }
}
void unlock_new_inode(struct inode *i) {
    smp_store_release(&i->fresh, false);
    wake_up_all(&fresh_wait);
}

/* Make an inode that was created, not read, findable. */
void insert_inode_hash(struct inode *i) {
    spin_lock(&icache_lock);
    list_add(&i->hash, bucket(i->sb, i->i_ino));
    i->hashed = true;
    spin_unlock(&icache_lock);
}

struct inode *watched_inode(struct super_block *sb) {
    struct inode *i, *found = NULL;
    spin_lock(&icache_lock);
    list_for_each_entry(i, &sb->inodes, sb_list) if (!found && !list_empty(&i->watches) &&
                                                     atomic_inc_not_zero(&i->refcount)) found = i;
    spin_unlock(&icache_lock);
    return found;
}

static bool unwritten(struct inode *i) {
    return i->i_nlink && i->sb->ops && i->sb->ops->write_inode &&
           (i->dirty || READ_ONCE(i->i_data.dirty.n) || (i->sb->journaled && mapping_unwritten(&i->i_data)));
}
void iput(struct inode *i) {
    s32 v = atomic_read(&i->refcount);
    while (v > 1)
        if (__atomic_compare_exchange_n(&i->refcount.v, &v, v - 1, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return;
    /* The last user, it seems. What is dirty is written while the inode can still be found; it goes only
     * when, under the lock, nobody else uses it and nothing is dirty: another may have found, changed and put
     * it meanwhile. */
    for (;;) {
        if (unwritten(i)) {
            if (i->sb->journaled) { /* a commit waits for these pages as for any */
                start_writeback_mapping(&i->i_data);
                wait_for_mapping(&i->i_data);
            } else {
                sync_inode(i, false);
            }
        }
        spin_lock(&icache_lock);
        if (atomic_read(&i->refcount) > 1 || !unwritten(i))
            break;
        spin_unlock(&icache_lock);
    }
    if (!atomic_dec_and_test(&i->refcount)) {
        spin_unlock(&icache_lock);
        return;
    }
    list_del_init(&i->hash);
    list_del(&i->sb_list);
    list_del_init(&i->dirty_link);
    spin_unlock(&icache_lock);
    truncate_pages(&i->i_data, 0);
    if (i->sb->ops && i->sb->ops->evict_inode)
        i->sb->ops->evict_inode(i);
    destroy(i);
}

static void make_dirty(struct inode *i) {
    if (!i->sb->ops || !i->sb->ops->write_inode)
        return;
    spin_lock(&icache_lock);
    if (list_empty(&i->dirty_link))
        list_add_tail(&i->dirty_link, &i->sb->dirty);
    spin_unlock(&icache_lock);
}
void mark_inode_dirty(struct inode *i) {
    if (i->sb->journaled) {
        i->sb->ops->dirty_inode(i);
        return;
    }
    WRITE_ONCE(i->dirty, true);
    smp_mb(); /* leave_dirty's */
    if (list_empty(&i->dirty_link))
        make_dirty(i);
}
/* icache_lock held: out of whichever list it is in; and where there is still something to write, into that of
 * its file system. */
static void leave_dirty(struct inode *i) {
    list_del_init(&i->dirty_link);
    smp_mb(); /* who changes it now sees that it is in no list; or we see the change */
    if (READ_ONCE(i->dirty) || mapping_unwritten(&i->i_data))
        list_add_tail(&i->dirty_link, &i->sb->dirty);
}
void inode_has_dirty_pages(struct inode *i) { make_dirty(i); }
void inode_update_mtime(struct inode *i) {
    i->i_mtime = i->i_ctime = current_time();
    mark_inode_dirty(i);
}
static bool before(const struct abi_timespec *a, const struct abi_timespec *b) {
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}
/* relatime: access times move only past the modification's, or once a day. */
void file_accessed(struct file *f) {
    struct inode *i = f->inode;
    if ((f->flags & O_NOATIME) || (i->sb->flags & MS_RDONLY))
        return;
    struct abi_timespec now = current_time();
    if (before(&i->i_mtime, &i->i_atime) && before(&i->i_ctime, &i->i_atime) &&
        now.tv_sec - i->i_atime.tv_sec < 86400)
        return;
    i->i_atime = now;
    mark_inode_dirty(i);
}

/* Data, then attributes. It leaves the list of dirty ones afterwards, when no page is on its way, so that who
 * syncs meanwhile finds it. */
int sync_inode(struct inode *i, bool wait) {
    int r = writeback_mapping(&i->i_data, wait);
    if (i->dirty && i->sb->ops && i->sb->ops->write_inode) {
        WRITE_ONCE(i->dirty, false);
        int e = i->sb->ops->write_inode(i);
        r = r ? r : e;
    }
    spin_lock(&icache_lock);
    leave_dirty(i);
    spin_unlock(&icache_lock);
    return r;
}

/* For a journal, whose commit writes data. The inodes of sb that have some move to `out`, counted; and back,
 * those whose pages were stored to meanwhile. commit_mutex held from the one to the other, and nobody else
 * takes inodes of a journaled file system out of the list: each that has data is here or there. */
void collect_dirty_inodes(struct super_block *sb, struct list_head *out) {
    struct inode *i, *n;
    spin_lock(&icache_lock);
    list_for_each_entry_safe(i, n, &sb->dirty, dirty_link) {
        if (!atomic_inc_not_zero(&i->refcount)) /* its pages are written: iput */
            continue;
        list_del(&i->dirty_link);
        list_add_tail(&i->dirty_link, out);
    }
    spin_unlock(&icache_lock);
}
void release_dirty_inodes(struct list_head *list) {
    struct inode *i, *n;
    list_for_each_entry_safe(i, n, list, dirty_link) {
        spin_lock(&icache_lock);
        leave_dirty(i);
        spin_unlock(&icache_lock);
        iput(i);
    }
}
void for_each_inode(struct super_block *sb, void (*fn)(struct inode *)) {
    struct inode *i;
    spin_lock(&icache_lock);
    list_for_each_entry(i, &sb->inodes, sb_list) {
        if (atomic_read(&i->refcount) && !i->fresh)
            fn(i);
    }
    spin_unlock(&icache_lock);
}

/* Write every dirty inode of sb. */
static void flush_inodes(struct super_block *sb, bool wait) {
    LIST_HEAD(work);
    if (sb->journaled) /* a commit does that, and knows when it is done */
        return;
    mutex_lock(&flush_mutex);
    spin_lock(&icache_lock);
    list_splice_init(&sb->dirty, &work);
    while (!list_empty(&work)) {
        struct inode *i = list_first_entry(&work, struct inode, dirty_link);
        list_del(&i->dirty_link);
        list_add_tail(&i->dirty_link, &sb->dirty);
        if (!atomic_inc_not_zero(&i->refcount))
            continue;
        spin_unlock(&icache_lock);
        sync_inode(i, wait);
        iput(i);
        spin_lock(&icache_lock);
    }
    spin_unlock(&icache_lock);
    mutex_unlock(&flush_mutex);
}
/* The disks' own caches: they come last. */
static void flush_devices(bool wait) {
    struct block_device *b;
    list_for_each_entry(b, &block_devices, link) sync_inode(b->inode, wait);
}
int sb_sync(struct super_block *sb) {
    flush_inodes(sb, true);
    return sb->ops && sb->ops->sync_fs ? sb->ops->sync_fs(sb) : 0;
}
static void sync_super(struct super_block *sb) { sb_sync(sb); }
void sync_all(void) {
    struct block_device *b;
    for_each_super(sync_super);
    flush_devices(true);
    list_for_each_entry(b, &block_devices, link) block_flush(b);
}

/* Twice: the second commit writes what the first has left to be put in its place. */
static void flush_super(struct super_block *sb) {
    if (!sb->journaled)
        flush_inodes(sb, false);
    else if (!list_empty(&sb->dirty) || xchg(&sb->changed, false))
        for (int i = 0; i < 2 && sb->journaled; i++)
            sb_sync(sb);
}
static int flusher(void *arg) {
    (void)arg;
    for (;;) {
        wait_event_state(&flusher_wait, READ_ONCE(flush_now), TASK_UNINTERRUPTIBLE,
                         ktime_get() + 5000000000UL, false);
        flush_now = false;
        landlock_reap();
        for_each_super(flush_super);
        flush_devices(false);
    }
    return 0;
}
void flusher_start(void) { kernel_thread(flusher, NULL, "kflushd", 0); }
void wake_flusher(void) {
    flush_now = true;
    wake_up_all(&flusher_wait);
}
/* A writer that is too far ahead of the disk helps. */
void balance_dirty(void) {
    wake_flusher();
    for (int i = 0; i < 50 && nr_dirty_pages() > total_pages / 6 && !fatal_signal_pending(current); i++) {
        set_current_state(TASK_KILLABLE);
        schedule_until(ktime_get() + 2000000);
    }
}

/* Unmount: names and inodes of sb that nobody uses go. */
void evict_all(struct super_block *sb) {
    (void)sb;
    shrink_dentries(~0UL);
}

void init_special_inode(struct inode *i) {
    if (S_ISCHR(i->i_mode))
        i->i_fop = &chrdev_fops;
    else if (S_ISBLK(i->i_mode))
        i->i_fop = &blkdev_fops;
    else if (S_ISFIFO(i->i_mode))
        i->i_fop = &fifo_fops;
}

void generic_fillattr(struct inode *i, struct stat *st) {
    *st = (struct stat){.st_dev = i->sb->dev,
                        .st_ino = i->i_ino,
                        .st_mode = i->i_mode,
                        .st_nlink = i->i_nlink,
                        .st_uid = from_kuid_munged(current_user_ns(), i->i_uid),
                        .st_gid = from_kgid_munged(current_user_ns(), i->i_gid),
                        .st_rdev = i->i_rdev,
                        .st_size = i->i_size,
                        .st_blksize = PAGE_SIZE,
                        .st_blocks = i->i_blocks};
    st->st_atime = i->i_atime.tv_sec, st->st_atime_nsec = i->i_atime.tv_nsec;
    st->st_mtime = i->i_mtime.tv_sec, st->st_mtime_nsec = i->i_mtime.tv_nsec;
    st->st_ctime = i->i_ctime.tv_sec, st->st_ctime_nsec = i->i_ctime.tv_nsec;
}
