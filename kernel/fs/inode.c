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
static LIST_HEAD(dirty_list);
static struct kmem_cache *inode_cache;
static struct wait_queue_head flusher_wait = WAIT_QUEUE_INIT(flusher_wait);
static bool flush_now;
static struct wait_queue_head fresh_wait = WAIT_QUEUE_INIT(fresh_wait);

void inode_init(void) {
    for (int i = 0; i < BUCKETS; i++)
        INIT_LIST_HEAD(&table[i]);
    inode_cache = kmem_cache_create("inode", sizeof(struct inode));
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

void iput(struct inode *i) {
    s32 v = atomic_read(&i->refcount);
    while (v > 1)
        if (__atomic_compare_exchange_n(&i->refcount.v, &v, v - 1, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return;
    /* The last user. Write what is dirty while it can still be found, then let go. A commit that comes
     * meanwhile must find it among the dirty ones, until what it has changed is in its pages. */
    if (i->sb->journaled) {
        if (i->i_nlink && i->i_data.dirty.n) {
            start_writeback_mapping(&i->i_data);
            wait_for_mapping(&i->i_data);
        }
        if (i->dirty)
            i->sb->ops->write_inode(i);
    } else if (i->i_nlink && i->sb->ops && i->sb->ops->write_inode && (i->dirty || i->i_data.dirty.n))
        sync_inode(i, false);
    spin_lock(&icache_lock);
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
        list_add_tail(&i->dirty_link, &dirty_list);
    spin_unlock(&icache_lock);
}
void mark_inode_dirty(struct inode *i) {
    if (i->sb->journaled)
        i->sb->ops->dirty_inode(i);
    i->dirty = true;
    if (list_empty(&i->dirty_link))
        make_dirty(i);
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

/* Data, then attributes. */
int sync_inode(struct inode *i, bool wait) {
    spin_lock(&icache_lock);
    list_del_init(&i->dirty_link);
    spin_unlock(&icache_lock);
    int r = writeback_mapping(&i->i_data, wait);
    if (i->dirty && i->sb->ops && i->sb->ops->write_inode) {
        i->dirty = false;
        int e = i->sb->ops->write_inode(i);
        r = r ? r : e;
    }
    if (READ_ONCE(i->i_data.dirty.n))
        make_dirty(i); /* pages that were stored to behind us: it is not the first, so nobody else says so */
    return r;
}

/* For a journal, whose commit writes inodes. Those of sb that are dirty move to `out`, counted; and back:
 * what was changed meanwhile is in the list of all again. */
void collect_dirty_inodes(struct super_block *sb, struct list_head *out) {
    struct inode *i, *n;
    spin_lock(&icache_lock);
    list_for_each_entry_safe(i, n, &dirty_list,
                             dirty_link) if (i->sb == sb && atomic_inc_not_zero(&i->refcount)) {
        list_del(&i->dirty_link);
        list_add_tail(&i->dirty_link, out);
    }
    spin_unlock(&icache_lock);
}
void release_dirty_inodes(struct list_head *list) {
    struct inode *i, *n;
    list_for_each_entry_safe(i, n, list, dirty_link) {
        spin_lock(&icache_lock);
        list_del_init(&i->dirty_link);
        spin_unlock(&icache_lock);
        if (i->dirty || READ_ONCE(i->i_data.dirty.n))
            make_dirty(i);
        iput(i);
    }
}

/* Write every dirty inode of sb (NULL: of all). Block devices' own caches come last. */
static void flush_inodes(struct super_block *sb, bool wait) {
    for (int pass = 0; pass < 2; pass++) {
        LIST_HEAD(work);
        spin_lock(&icache_lock);
        list_splice_init(&dirty_list, &work);
        spin_unlock(&icache_lock);
        for (;;) {
            spin_lock(&icache_lock);
            struct inode *i = list_empty(&work) ? NULL : list_first_entry(&work, struct inode, dirty_link);
            if (i) {
                list_del_init(&i->dirty_link);
                bool skip = (sb && i->sb != sb && !S_ISBLK(i->i_mode)) || (pass == 0 && S_ISBLK(i->i_mode)) ||
                            i->sb->journaled; /* a commit does that, and knows when it is done */
                if (skip || !atomic_inc_not_zero(&i->refcount)) {
                    if (skip)
                        list_add_tail(&i->dirty_link, &dirty_list);
                    spin_unlock(&icache_lock);
                    continue;
                }
            }
            spin_unlock(&icache_lock);
            if (!i)
                break;
            sync_inode(i, wait);
            iput(i);
        }
    }
}
int sb_sync(struct super_block *sb) {
    flush_inodes(sb, true);
    return sb->ops && sb->ops->sync_fs ? sb->ops->sync_fs(sb) : 0;
}
static void sync_super(struct super_block *sb) {
    if (sb->ops && sb->ops->sync_fs)
        sb->ops->sync_fs(sb);
}
void sync_all(bool wait) {
    struct block_device *b;
    for_each_super(sync_super);
    flush_inodes(NULL, wait);
    if (wait)
        list_for_each_entry(b, &block_devices, link) block_flush(b);
}

/* Twice: the second commit writes what the first has left to be put in its place. */
static void sync_journaled(struct super_block *sb) {
    for (int i = 0; i < 2 && sb->journaled; i++)
        sync_super(sb);
}
static int flusher(void *arg) {
    (void)arg;
    for (;;) {
        wait_event_state(&flusher_wait, READ_ONCE(flush_now), TASK_UNINTERRUPTIBLE,
                         ktime_get() + 5000000000UL, false);
        flush_now = false;
        landlock_reap();
        if (!list_empty(&dirty_list)) {
            for_each_super(sync_journaled);
            flush_inodes(NULL, false);
        }
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
