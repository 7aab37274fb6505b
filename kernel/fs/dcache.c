/* Names: dentries in a hash table, kept after use so that a path is found without reading directories.
 * dcache_lock guards links, counts at zero, and the list of unused ones. A dentry holds its parent and its
 * inode. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"
#include "inotify.h"

#define BUCKETS 4096
static spinlock_t dcache_lock = SPINLOCK_INIT(RANK_DCACHE);
static struct list_head table[BUCKETS];
static LIST_HEAD(unused);
static u64 nr_unused, next_pos;
static struct kmem_cache *dentry_cache;

void dcache_init(void) {
    for (int i = 0; i < BUCKETS; i++)
        INIT_LIST_HEAD(&table[i]);
    dentry_cache = kmem_cache_create("dentry", sizeof(struct dentry));
}

static u32 hash_name(const struct dentry *parent, const char *name, u32 len) {
    u32 h = (u32)((u64)parent >> 6) * 0x9e3779b1u;
    for (u32 i = 0; i < len; i++)
        h = (h ^ (u8)name[i]) * 0x01000193u;
    return h;
}

struct dentry *d_alloc(struct dentry *parent, const char *name, u32 len) {
    struct dentry *d = kmem_cache_alloc(dentry_cache, GFP_KERNEL | GFP_ZERO);
    if (!d)
        return NULL;
    d->name = d->short_name;
    if (len >= sizeof(d->short_name) && !(d->name = kmalloc(len + 1, GFP_KERNEL))) {
        kmem_cache_free(dentry_cache, d);
        return NULL;
    }
    memcpy(d->name, name, len);
    d->name[len] = 0;
    d->len = len;
    atomic_set(&d->refcount, 1);
    INIT_LIST_HEAD(&d->children);
    INIT_LIST_HEAD(&d->hash);
    INIT_LIST_HEAD(&d->child);
    INIT_LIST_HEAD(&d->lru);
    d->parent = d;
    d->unhashed = true;
    if (parent) {
        dget(parent);
        d->parent = parent;
        d->sb = parent->sb;
        d->hash_value = hash_name(parent, name, len);
    }
    return d;
}
struct dentry *d_alloc_root(struct inode *inode) {
    struct dentry *d = d_alloc(NULL, "/", 1);
    if (d) {
        d->inode = inode;
        inode->i_dentry = d;
        d->sb = inode->sb;
    }
    return d;
}

static void rehash(struct dentry *d) { /* lock held */
    d->unhashed = false;
    d->pos = next_pos++;
    list_add(&d->hash, &table[d->hash_value % BUCKETS]);
    list_add_tail(&d->child, &d->parent->children);
}
/* Give a new dentry its inode (NULL: negative) and make it findable. */
void d_add(struct dentry *d, struct inode *inode) {
    spin_lock(&dcache_lock);
    d->inode = inode;
    if (inode && S_ISDIR(inode->i_mode))
        inode->i_dentry = d;
    if (d->unhashed)
        rehash(d);
    spin_unlock(&dcache_lock);
}

/* One count more, of one that may have had none; lock held. */
static void take(struct dentry *d) {
    if (atomic_add_return(&d->refcount, 1) == 1 && !list_empty(&d->lru)) {
        list_del_init(&d->lru);
        nr_unused--;
    }
}
struct dentry *d_lookup(struct dentry *parent, const char *name, u32 len) {
    u32 h = hash_name(parent, name, len);
    struct dentry *d;
    spin_lock(&dcache_lock);
    list_for_each_entry(d, &table[h % BUCKETS], hash) {
        if (d->hash_value == h && d->parent == parent && d->len == len && !memcmp(d->name, name, len)) {
            take(d);
            spin_unlock(&dcache_lock);
            return d;
        }
    }
    spin_unlock(&dcache_lock);
    return NULL;
}

void dget(struct dentry *d) {
    DEBUG_ON(atomic_read(&d->refcount) <= 0);
    atomic_inc(&d->refcount);
}

/* lock held. */
static void unhash(struct dentry *d) {
    if (!d->unhashed) {
        d->unhashed = true;
        list_del_init(&d->hash);
        list_del_init(&d->child);
    }
}
/* lock held, count 0: off all lists; the caller frees it without the lock. */
static void detach(struct dentry *d) {
    unhash(d);
    if (d->inode && d->inode->i_dentry == d)
        d->inode->i_dentry = NULL;
    if (!list_empty(&d->lru)) {
        list_del_init(&d->lru);
        nr_unused--;
    }
}
static struct dentry *free_dentry(struct dentry *d) { /* returns the parent to dput, or NULL */
    struct dentry *parent = d->parent;
    if (d->inode) {
        if (!d->inode->i_nlink)
            fsnotify_removed(d->inode);
        iput(d->inode);
    }
    if (d->name != d->short_name)
        kfree(d->name);
    kmem_cache_free(dentry_cache, d);
    return parent == d ? NULL : parent;
}

void dput(struct dentry *d) {
    while (d) {
        s32 v = atomic_read(&d->refcount);
        while (v > 1) /* not the last: no lock */
            if (__atomic_compare_exchange_n(&d->refcount.v, &v, v - 1, true, __ATOMIC_ACQ_REL,
                                            __ATOMIC_RELAXED))
                return;
        spin_lock(&dcache_lock);
        if (!atomic_dec_and_test(&d->refcount)) {
            spin_unlock(&dcache_lock);
            return;
        }
        if (!d->unhashed) { /* keep it */
            if (list_empty(&d->lru)) {
                list_add_tail(&d->lru, &unused);
                nr_unused++;
            }
            spin_unlock(&dcache_lock);
            return;
        }
        detach(d);
        spin_unlock(&dcache_lock);
        d = free_dentry(d);
    }
}

/* The name was removed from its directory. In use elsewhere: unhash; else it becomes negative. */
void d_delete(struct dentry *d) {
    struct inode *gone = NULL;
    spin_lock(&dcache_lock);
    if (atomic_read(&d->refcount) == 1 && list_empty(&d->children)) {
        gone = d->inode;
        gone->i_dentry = NULL;
        d->inode = NULL;
    } else {
        unhash(d);
    }
    spin_unlock(&dcache_lock);
    if (gone) {
        if (!gone->i_nlink)
            fsnotify_removed(gone);
        iput(gone);
    }
}
void d_drop(struct dentry *d) {
    spin_lock(&dcache_lock);
    unhash(d);
    spin_unlock(&dcache_lock);
}

/* Names and places of two that are not in the table; lock held. */
static void swap_places(struct dentry *d, struct dentry *target) {
    struct dentry *old_parent = d->parent;
    char *name = target->name, *own = d->name, tmp[sizeof(d->short_name)];
    bool own_short = own == d->short_name, t_short = name == target->short_name;
    memcpy(tmp, d->short_name, sizeof(tmp));
    memcpy(d->short_name, target->short_name, sizeof(tmp));
    memcpy(target->short_name, tmp, sizeof(tmp));
    d->name = t_short ? d->short_name : name;
    target->name = own_short ? target->short_name : own;
    u32 len = d->len, hash = d->hash_value;
    d->len = target->len;
    target->len = len;
    d->hash_value = target->hash_value;
    target->hash_value = hash;
    d->parent = target->parent;
    target->parent = old_parent;
}
/* Rename: d takes target's name and place; target leaves the table. Both directories are locked. */
void d_move(struct dentry *d, struct dentry *target) {
    spin_lock(&dcache_lock);
    unhash(target);
    unhash(d);
    swap_places(d, target);
    rehash(d);
    spin_unlock(&dcache_lock);
}
void d_exchange(struct dentry *a, struct dentry *b) {
    spin_lock(&dcache_lock);
    unhash(a);
    unhash(b);
    swap_places(a, b);
    rehash(a);
    rehash(b);
    spin_unlock(&dcache_lock);
}

struct inode *dentry_name(struct dentry *d, char *name, bool *unlinked) {
    struct inode *dir = NULL;
    spin_lock(&dcache_lock);
    if (d->parent != d && (dir = d->parent->inode)) {
        ihold(dir);
        memcpy(name, d->name, d->len + 1);
    }
    *unlinked = d->unhashed;
    spin_unlock(&dcache_lock);
    return dir;
}
bool d_has_children(struct dentry *d) {
    struct dentry *c;
    bool any = false;
    spin_lock(&dcache_lock);
    list_for_each_entry(c, &d->children, child) any |= atomic_read(&c->refcount) > 0;
    spin_unlock(&dcache_lock);
    return any;
}

u64 shrink_dentries(u64 want) {
    u64 got = 0, all = READ_ONCE(nr_unused), scan = all;
    while (got < want && scan) {
        spin_lock(&dcache_lock);
        struct dentry *d = list_empty(&unused) ? NULL : list_first_entry(&unused, struct dentry, lru);
        bool busy = d && current->in_reclaim && d->inode && d->inode->sb->journaled &&
                    (!d->inode->i_nlink || READ_ONCE(d->inode->i_data.dirty.n));
        if (busy) /* its end would need a handle, and who needs memory may have one, or a page locked */
            list_del(&d->lru), list_add_tail(&d->lru, &unused);
        else if (d)
            detach(d);
        spin_unlock(&dcache_lock);
        if (!d)
            break;
        if (busy) {
            scan--;
            continue;
        }
        dput(free_dentry(d));
        got++;
    }
    if (scan < all) /* those in the way are clean soon */
        wake_flusher();
    return got;
}

void drop_caches(void) {
    sync_all();
    shrink_dentries(~0UL);
    reclaim_pages(~0UL, NULL, NULL);
    reclaim_pages(~0UL, NULL, NULL); /* what the first pass found referenced */
}

struct dentry *dget_parent(const struct path *p) {
    struct dentry *root = p->mnt->root, *up, *d;
    spin_lock(&dcache_lock);
    up = d = p->dentry->parent;
    while (root != p->mnt->sb->root && d != root && d != d->parent)
        d = d->parent;
    if (root != p->mnt->sb->root && d != root)
        up = NULL;
    else
        dget(up);
    spin_unlock(&dcache_lock);
    return up;
}

void path_walk_up(const struct path *p, bool (*fn)(const struct dentry *, void *), void *arg) {
    const struct dentry *d = p->dentry;
    const struct mount *m = p->mnt;
    spin_lock(&mounts_lock);
    spin_lock(&dcache_lock);
    while (!fn(d, arg)) {
        if (d != m->root) {
            if (d == d->parent) /* the mount does not show it any more */
                break;
            d = d->parent;
        } else if (m->parent != m) {
            d = m->mountpoint;
            m = m->parent;
        } else {
            break;
        }
    }
    spin_unlock(&dcache_lock);
    spin_unlock(&mounts_lock);
}

/* The name of p as seen from the caller's root, written backwards from the end of buf. */
char *d_path(const struct path *p, char *buf, size_t n) {
    char *at = buf + n - 1;
    struct dentry *d = p->dentry;
    struct mount *m = p->mnt;
    *at = 0;
    spin_lock(&current->fs->lock);
    struct path root = *current->fs->root;
    spin_unlock(&current->fs->lock);
    spin_lock(&mounts_lock);
    spin_lock(&dcache_lock);
    bool deleted = d->unhashed && d != d->parent;
    while (m && !(d == root.dentry && m == root.mnt)) {
        if (d == m->root) {
            if (!m->parent || m->parent == m)
                break;
            d = m->mountpoint;
            m = m->parent;
            continue;
        }
        if (d == d->parent || (size_t)(at - buf) < d->len + 1u)
            break;
        at -= d->len;
        memcpy(at, d->name, d->len);
        *--at = '/';
        d = d->parent;
    }
    spin_unlock(&dcache_lock);
    spin_unlock(&mounts_lock);
    if (!*at)
        *--at = '/';
    if (deleted && (size_t)(at - buf) >= 11) {
        size_t len = strlen(at);
        memmove(at - 10, at, len);
        memcpy(at - 10 + len, " (deleted)", 10);
        at -= 10;
    }
    return at;
}

struct dentry *d_next_child(struct dentry *dir, struct dentry *prev, u64 from) {
    struct dentry *found = NULL;
    spin_lock(&dcache_lock);
    bool follows = prev && !prev->unhashed && prev->parent == dir && prev->pos < from;
    struct list_head *at = follows ? prev->child.next : dir->children.next;
    for (; !found && at != &dir->children; at = at->next) {
        struct dentry *d = container_of(at, struct dentry, child);
        if (d->inode && d->pos >= from)
            found = d;
    }
    if (found)
        take(found);
    spin_unlock(&dcache_lock);
    dput(prev);
    return found;
}

/* tmpfs is unmounted: drop the count that each name held, leaves first. */
void d_release_tree(struct super_block *sb) {
    struct dentry *d = sb->root;
    while (d) {
        spin_lock(&dcache_lock);
        struct dentry *c =
            list_empty(&d->children) ? NULL : list_first_entry(&d->children, struct dentry, child);
        spin_unlock(&dcache_lock);
        if (c) {
            d = c;
            continue;
        }
        struct dentry *up = d == d->parent ? NULL : d->parent;
        d_drop(d);
        if (d->inode && up)
            dput(d);
        d = up;
    }
}
