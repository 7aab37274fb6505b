/* ext2 directories: records in the directory's own pages, found by going through them; those of a large
 * directory only where the name may be (dirfilter.c). */
#include "journal.h"
#include <abi/errno.h>

static u32 rec_need(u32 len) { return ALIGN_UP(8 + len, 4u); }

static bool rec_ok(const struct ext2_dirent *e, u32 off) {
    return e->rec_len >= 8 && !(e->rec_len & 3) && off + e->rec_len <= EXT2_BLOCK_SIZE &&
           e->rec_len >= rec_need(e->name_len);
}
static u64 pages(struct inode *dir) { return dir->i_size >> PAGE_SHIFT; }

/* The record of a name, and the one before it in its block; *page is to be put. NULL: none. Caller holds
 * dir's lock. */
static struct ext2_dirent *find(struct inode *dir, const char *name, u32 len, struct page **page,
                                struct ext2_dirent **before) {
    u32 hash = dir_hash(name, len);
    for (u64 n = 0; n < pages(dir); n++) {
        if (!dir_may_have(dir, n, hash))
            continue;
        struct page *p = read_mapping_page(&dir->i_data, n);
        if (IS_ERR(p))
            return (void *)p;
        struct ext2_dirent *prev = NULL;
        for (u32 off = 0; off < EXT2_BLOCK_SIZE;) {
            struct ext2_dirent *e = (void *)((u8 *)page_address(p) + off);
            if (!rec_ok(e, off)) {
                ext2_error(dir->sb, "a bad record in directory", dir->i_ino);
                put_page(p);
                return ERR_PTR(-EUCLEAN);
            }
            if (e->inode && e->name_len == len && !memcmp(e->name, name, len)) {
                *page = p;
                if (before)
                    *before = prev;
                return e;
            }
            prev = e;
            off += e->rec_len;
        }
        dir_learn(dir, n, page_address(p));
        put_page(p);
    }
    return NULL;
}

static int lookup(struct inode *dir, struct dentry *d) {
    struct page *p;
    struct ext2_dirent *e = find(dir, d->name, d->len, &p, NULL);
    if (IS_ERR(e))
        return PTR_ERR(e);
    struct inode *i = NULL;
    if (e) {
        u32 ino = e->inode;
        put_page(p);
        i = ext2_iget(dir->sb, ino);
        if (IS_ERR(i))
            return PTR_ERR(i);
        if (S_ISDIR(i->i_mode) && READ_ONCE(i->i_dentry)) { /* a way around: names would have no end */
            iput(i);
            ext2_error(dir->sb, "a directory with two names: inode", ino);
            return -EUCLEAN;
        }
    }
    d_add(d, i);
    return 0;
}

static void will_change(struct inode *dir, struct page *p) {
    s64 b = dir->sb->journaled ? ext2_map(dir, p->index, false, NULL) : 0;
    if (b > 0)
        journal_access(dir->sb, p, b, false);
}
static void changed(struct inode *dir, struct page *p) {
    lock_page(p);
    wait_on_page(p, PG_WRITEBACK);
    journal_dirty(dir->sb, p);
    unlock_page(p);
    dir->fs_flags &= ~EXT2_INDEX_FL; /* a hash index would be stale */
    inode_update_mtime(dir);
}

static const u8 type_of[16] = {
    [DT_REG] = 1, [DT_DIR] = 2, [DT_CHR] = 3, [DT_BLK] = 4, [DT_FIFO] = 5, [DT_SOCK] = 6, [DT_LNK] = 7};
static const u8 dt_of[8] = {DT_UNKNOWN, DT_REG, DT_DIR, DT_CHR, DT_BLK, DT_FIFO, DT_SOCK, DT_LNK};

static int add(struct inode *dir, const char *name, u32 len, struct inode *i) {
    u32 need = rec_need(len);
    for (u64 n = 0;; n++) {
        struct page *p;
        u32 most = 0;
        if (n < pages(dir) && dir_room(dir, n) < need)
            continue;
        if (n == pages(dir)) { /* one more block */
            if (!(p = grab_page(&dir->i_data, n)))
                return -ENOMEM;
            bool fresh = false;
            s64 b = ext2_map(dir, n, true, &fresh);
            if (b >= 0) {
                journal_access(dir->sb, p, b, true);
                memset(page_address(p), 0, PAGE_SIZE);
                ((struct ext2_dirent *)page_address(p))->rec_len = EXT2_BLOCK_SIZE;
                journal_dirty(dir->sb, p);
            }
            unlock_page(p);
            if (b < 0) {
                put_page(p);
                return b;
            }
            dir->i_size += EXT2_BLOCK_SIZE;
        } else if (IS_ERR(p = read_mapping_page(&dir->i_data, n))) {
            return PTR_ERR(p);
        }
        for (u32 off = 0; off < EXT2_BLOCK_SIZE;) {
            struct ext2_dirent *e = (void *)((u8 *)page_address(p) + off);
            if (!rec_ok(e, off)) {
                ext2_error(dir->sb, "a bad record in directory", dir->i_ino);
                put_page(p);
                return -EUCLEAN;
            }
            u32 own = e->inode ? rec_need(e->name_len) : 0;
            if (e->rec_len >= own + need) {
                u32 rest = e->rec_len - own;
                will_change(dir, p);
                if (own) {
                    e->rec_len = own;
                    e = (void *)((u8 *)e + own);
                }
                e->rec_len = rest;
                e->name_len = len;
                e->file_type = type_of[IFTODT(i->i_mode)];
                memcpy(e->name, name, len);
                e->inode = i->i_ino;
                dir_added(dir, n, dir_hash(name, len));
                changed(dir, p);
                put_page(p);
                return 0;
            }
            most = max(most, e->rec_len - own);
            off += e->rec_len;
        }
        dir_set_room(dir, n, most);
        put_page(p);
    }
}

static int erase(struct inode *dir, const char *name, u32 len) {
    struct page *p;
    struct ext2_dirent *prev, *e = find(dir, name, len, &p, &prev);
    if (!e || IS_ERR(e))
        return e ? PTR_ERR(e) : -ENOENT;
    will_change(dir, p);
    if (prev)
        prev->rec_len += e->rec_len;
    e->inode = 0;
    dir_set_room(dir, p->index, EXT2_BLOCK_SIZE);
    changed(dir, p);
    put_page(p);
    return 0;
}

static int instantiate(struct inode *dir, struct dentry *d, struct inode *i) {
    int r = add(dir, d->name, d->len, i);
    if (r) {
        i->i_nlink = 0;
        mark_inode_dirty(i);
        iput(i);
        return r;
    }
    d_add(d, i);
    return 0;
}
static int create(struct inode *dir, struct dentry *d, u32 mode, u64 rdev) {
    struct inode *i = ext2_new_inode(dir, mode, rdev);
    return IS_ERR(i) ? PTR_ERR(i) : instantiate(dir, d, i);
}
static int mkdir(struct inode *dir, struct dentry *d, u32 mode) {
    if (dir->i_nlink >= 32000)
        return -EMLINK;
    struct inode *i = ext2_new_inode(dir, S_IFDIR | mode, 0);
    if (IS_ERR(i))
        return PTR_ERR(i);
    i->i_nlink = 2;
    int r = add(i, ".", 1, i);
    if (!r)
        r = add(i, "..", 2, dir);
    if (r) {
        i->i_nlink = 0;
        iput(i);
        return r;
    }
    r = instantiate(dir, d, i);
    if (!r) {
        dir->i_nlink++;
        mark_inode_dirty(dir);
    }
    return r;
}
static int symlink(struct inode *dir, struct dentry *d, const char *target) {
    u32 len = strlen(target);
    if (len >= EXT2_BLOCK_SIZE)
        return -ENAMETOOLONG;
    struct inode *i = ext2_new_inode(dir, S_IFLNK | 0777, 0);
    if (IS_ERR(i))
        return PTR_ERR(i);
    i->i_size = len;
    int r = 0;
    if (len < 60) {
        memcpy(i->fs_data, target, len);
    } else {
        bool fresh = false;
        struct page *p = grab_page(&i->i_data, 0);
        s64 b = p ? ext2_map(i, 0, true, &fresh) : -ENOMEM;
        if (b > 0) {
            memset(page_address(p), 0, PAGE_SIZE);
            memcpy(page_address(p), target, len);
            set_page_dirty(p);
        }
        if (p) {
            unlock_page(p);
            put_page(p);
        }
        r = b < 0 ? b : 0;
    }
    if (r) {
        i->i_nlink = 0;
        iput(i);
        return r;
    }
    mark_inode_dirty(i); /* its length, and the target within it */
    return instantiate(dir, d, i);
}
static ssize_t readlink(struct inode *i, char *buf) {
    u64 n = i->i_size;
    if (n >= PATH_MAX)
        return -EUCLEAN;
    if (n < 60 && !i->i_blocks) {
        memcpy(buf, i->fs_data, n);
        return n;
    }
    struct page *p = read_mapping_page(&i->i_data, 0);
    if (IS_ERR(p))
        return PTR_ERR(p);
    memcpy(buf, page_address(p), n);
    put_page(p);
    return n;
}
static int link(struct inode *dir, struct dentry *d, struct inode *i) {
    if (i->i_nlink >= 32000)
        return -EMLINK;
    int r = add(dir, d->name, d->len, i);
    if (r)
        return r;
    if (!i->i_nlink) /* made without a name */
        ext2_orphan_del(i);
    i->i_nlink++;
    i->i_ctime = current_time();
    mark_inode_dirty(i);
    ihold(i);
    d_add(d, i);
    return 0;
}
static void drop_link(struct inode *i, u32 n) {
    i->i_nlink -= min(n, i->i_nlink);
    i->i_ctime = current_time();
    if (!i->i_nlink)
        ext2_orphan_add(i);
    mark_inode_dirty(i);
}
static int unlink(struct inode *dir, struct dentry *d) {
    int r = erase(dir, d->name, d->len);
    if (!r)
        drop_link(d->inode, 1);
    return r;
}
static int is_empty(struct inode *dir) { /* 1, 0, -errno */
    for (u64 n = 0; n < pages(dir); n++) {
        struct page *p = read_mapping_page(&dir->i_data, n);
        if (IS_ERR(p))
            return PTR_ERR(p);
        for (u32 off = 0; off < EXT2_BLOCK_SIZE;) {
            struct ext2_dirent *e = (void *)((u8 *)page_address(p) + off);
            bool dots = e->name_len && e->name_len <= 2 && e->name[0] == '.' &&
                        (e->name_len == 1 || e->name[1] == '.');
            if (!rec_ok(e, off) || (e->inode && !dots)) {
                put_page(p);
                return 0;
            }
            off += e->rec_len;
        }
        put_page(p);
    }
    return 1;
}
static int rmdir(struct inode *dir, struct dentry *d) {
    struct inode *i = d->inode;
    mutex_lock(&i->lock);
    int r = is_empty(i);
    r = r == 1 ? erase(dir, d->name, d->len) : r ? r : -ENOTEMPTY;
    if (!r) {
        drop_link(i, i->i_nlink);
        drop_link(dir, 1);
    }
    mutex_unlock(&i->lock);
    return r;
}
static int set_dotdot(struct inode *i, struct inode *parent) {
    struct page *p;
    struct ext2_dirent *e = find(i, "..", 2, &p, NULL);
    if (!e || IS_ERR(e))
        return -EUCLEAN;
    will_change(i, p);
    e->inode = parent->i_ino;
    changed(i, p);
    put_page(p);
    return 0;
}
/* A name gets another file, in one store. */
static int change_entry(struct inode *dir, struct dentry *d, struct inode *to) {
    struct page *p;
    struct ext2_dirent *e = find(dir, d->name, d->len, &p, NULL);
    if (!e || IS_ERR(e))
        return -EUCLEAN;
    will_change(dir, p);
    e->inode = to->i_ino;
    e->file_type = type_of[IFTODT(to->i_mode)];
    changed(dir, p);
    put_page(p);
    return 0;
}
static int exchange(struct inode *od, struct dentry *o, struct inode *nd, struct dentry *n) {
    struct inode *oi = o->inode, *ni = n->inode;
    int more = S_ISDIR(oi->i_mode) - S_ISDIR(ni->i_mode), r = change_entry(od, o, ni);
    if (r || (r = change_entry(nd, n, oi)))
        return r;
    ni->i_ctime = current_time();
    mark_inode_dirty(ni);
    if (od == nd)
        return 0;
    od->i_nlink -= more;
    nd->i_nlink += more;
    mark_inode_dirty(od);
    mark_inode_dirty(nd);
    if (S_ISDIR(oi->i_mode))
        r = set_dotdot(oi, nd);
    return !r && S_ISDIR(ni->i_mode) ? set_dotdot(ni, od) : r;
}
static int rename(struct inode *od, struct dentry *o, struct inode *nd, struct dentry *n, u32 flags) {
    if (flags & RENAME_EXCHANGE)
        return exchange(od, o, nd, n);
    struct inode *oi = o->inode, *ni = n->inode;
    bool is_dir = S_ISDIR(oi->i_mode);
    int r;
    if (ni) {
        if (is_dir && (r = is_empty(ni)) != 1)
            return r ? r : -ENOTEMPTY;
        if ((r = change_entry(nd, n, oi)))
            return r;
        drop_link(ni, is_dir ? ni->i_nlink : 1);
        if (is_dir)
            drop_link(nd, 1);
    } else if ((r = add(nd, n->name, n->len, oi))) {
        return r;
    }
    if ((r = erase(od, o->name, o->len)))
        return r;
    if (is_dir && od != nd) {
        drop_link(od, 1);
        nd->i_nlink++;
        mark_inode_dirty(nd);
        return set_dotdot(oi, nd);
    }
    return 0;
}

static int iterate(struct file *f, struct dir_context *ctx) {
    struct inode *dir = f->inode;
    while (ctx->pos < dir->i_size) {
        struct page *p = read_mapping_page(&dir->i_data, ctx->pos >> PAGE_SHIFT);
        if (IS_ERR(p))
            return PTR_ERR(p);
        /* From the block's start: a position may lie inside a record that was joined meanwhile. */
        u32 want = ctx->pos & (PAGE_SIZE - 1);
        loff_t base = ctx->pos - want;
        bool room = true;
        for (u32 off = 0; room && off < EXT2_BLOCK_SIZE;) {
            struct ext2_dirent *e = (void *)((u8 *)page_address(p) + off);
            if (!rec_ok(e, off)) {
                put_page(p);
                ext2_error(dir->sb, "a bad record in directory", dir->i_ino);
                return -EUCLEAN;
            }
            if (off >= want && e->inode) {
                ctx->pos = base + off + e->rec_len - 1; /* d_off: where the next one is looked for */
                room = ctx->emit(ctx, e->name, e->name_len, e->inode, dt_of[e->file_type & 7]);
                ctx->pos = room ? base + off + e->rec_len : base + off;
            }
            off += e->rec_len;
        }
        put_page(p);
        if (!room)
            return 0;
        ctx->pos = base + EXT2_BLOCK_SIZE;
    }
    return 0;
}

/* Each change of names is one handle. */
#define IN_HANDLE(name, dir, params, args)                                                                   \
    static int name##_in_handle params {                                                                     \
        struct super_block *sb = (dir)->sb;                                                                  \
        int r;                                                                                               \
        do {                                                                                                 \
            journal_start(sb);                                                                               \
            r = name args;                                                                                   \
            journal_stop(sb);                                                                                \
        } while (r == -ENOSPC && journal_more_space(sb));                                                    \
        return r;                                                                                            \
    }
IN_HANDLE(create, dir, (struct inode * dir, struct dentry *d, u32 mode, u64 rdev), (dir, d, mode, rdev))
IN_HANDLE(mkdir, dir, (struct inode * dir, struct dentry *d, u32 mode), (dir, d, mode))
IN_HANDLE(symlink, dir, (struct inode * dir, struct dentry *d, const char *target), (dir, d, target))
IN_HANDLE(link, dir, (struct inode * dir, struct dentry *d, struct inode *i), (dir, d, i))
IN_HANDLE(unlink, dir, (struct inode * dir, struct dentry *d), (dir, d))
IN_HANDLE(rmdir, dir, (struct inode * dir, struct dentry *d), (dir, d))
IN_HANDLE(rename, od, (struct inode * od, struct dentry *o, struct inode *nd, struct dentry *n, u32 flags),
          (od, o, nd, n, flags))
const struct inode_operations ext2_dir_iops = {.lookup = lookup,
                                               .create = create_in_handle,
                                               .mkdir = mkdir_in_handle,
                                               .symlink = symlink_in_handle,
                                               .link = link_in_handle,
                                               .unlink = unlink_in_handle,
                                               .rmdir = rmdir_in_handle,
                                               .rename = rename_in_handle};
const struct inode_operations ext2_file_iops = {.truncate = ext2_truncate, .next_block = ext2_next_block};
const struct inode_operations ext2_link_iops = {.readlink = readlink};
const struct file_operations ext2_dir_fops = {.iterate = iterate, .fsync = ext2_fsync};
const struct file_operations ext2_file_fops = {
    .read = generic_file_read, .write = generic_file_write, .fsync = ext2_fsync};
