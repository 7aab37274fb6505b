/* tmpfs: files that live in the page cache alone, names in the dentry cache alone. Also unnamed shared
 * memory, and devfs: a tmpfs that comes with nodes for every registered device. */
#include "../../core/task.h"
#include "../../debug/debug.h"
#include "../fs.h"

static const struct inode_operations dir_iops, file_iops, link_iops;
static const struct file_operations file_fops, dir_fops;
void insert_inode_hash(struct inode *i);

/* What a mount may use: size= and nr_inodes=; half of the memory by default. Unnamed shared memory has no
 * limit of its own. All together have three quarters: no process's end brings such pages back, so something must
 * be left to run programs with. */
struct tmpfs_sb {
    atomic64_t pages, inodes; /* in use */
    u64 max_pages, max_inodes;
};
static atomic64_t all_pages;
static void uncharge(atomic64_t *used) { __atomic_sub_fetch(&used->v, 1, __ATOMIC_RELAXED); }
static bool charge(atomic64_t *used, u64 most) {
    if (__atomic_add_fetch(&used->v, 1, __ATOMIC_RELAXED) <= (s64)most)
        return true;
    uncharge(used);
    return false;
}

static int readpage(struct inode *i, struct page *p) {
    (void)i;
    memset(page_address(p), 0, PAGE_SIZE);
    end_page_read(p, true);
    return 0;
}
static int prepare_write(struct inode *i, struct page *p, unsigned int from, unsigned int to) {
    struct tmpfs_sb *s = i->sb->private;
    (void)from, (void)to;
    if (page_test(p, PG_DIRTY))
        return 0;
    if (!charge(&all_pages, total_pages / 4 * 3))
        return -ENOSPC;
    if (s && !charge(&s->pages, s->max_pages)) {
        uncharge(&all_pages);
        return -ENOSPC;
    }
    __atomic_add_fetch(&i->i_blocks, PAGE_SIZE / 512, __ATOMIC_RELAXED);
    if (!page_test(p, PG_UPTODATE)) {
        memset(page_address(p), 0, PAGE_SIZE);
        page_set(p, PG_UPTODATE);
    }
    return 0; /* and the page becomes dirty */
}
static void dropped(struct inode *i) {
    struct tmpfs_sb *s = i->sb->private;
    uncharge(&all_pages);
    if (s)
        uncharge(&s->pages);
    __atomic_sub_fetch(&i->i_blocks, PAGE_SIZE / 512, __ATOMIC_RELAXED);
}
/* No writepage: the cache is the only copy of what is dirty, for good. Clean pages are holes that were read.
 */
static const struct address_space_ops aops = {
    .readpage = readpage, .prepare_write = prepare_write, .dropped = dropped};

static struct inode *make(struct super_block *sb, const struct inode *dir, u32 mode, u64 rdev) {
    struct tmpfs_sb *s = sb->private;
    if (s && !charge(&s->inodes, s->max_inodes))
        return ERR_PTR(-ENOSPC);
    struct inode *i = new_inode(sb);
    if (!i) {
        if (s)
            uncharge(&s->inodes);
        return ERR_PTR(-ENOMEM);
    }
    i->i_ino = __atomic_add_fetch(&sb->next_ino, 1, __ATOMIC_RELAXED);
    inode_init_owner(i, dir, mode);
    i->i_rdev = rdev;
    if (S_ISREG(mode)) {
        i->i_op = &file_iops;
        i->i_fop = &file_fops;
        i->i_data.ops = &aops;
    } else if (S_ISDIR(mode)) {
        i->i_op = &dir_iops;
        i->i_fop = &dir_fops;
        i->i_nlink = 2;
    } else if (S_ISLNK(mode)) {
        i->i_op = &link_iops;
    } else {
        i->i_op = &file_iops;
        init_special_inode(i);
    }
    return i;
}

/* A name holds its dentry: one count more while it exists. */
static int lookup(struct inode *dir, struct dentry *d) {
    (void)dir;
    d_add(d, NULL);
    return 0;
}
static void touch(struct inode *dir) { dir->i_mtime = dir->i_ctime = current_time(); }
static int instantiate(struct inode *dir, struct dentry *d, struct inode *i) {
    if (IS_ERR(i))
        return PTR_ERR(i);
    d_add(d, i);
    dget(d);
    touch(dir);
    return 0;
}
static int create(struct inode *dir, struct dentry *d, u32 mode, u64 rdev) {
    return instantiate(dir, d, make(dir->sb, dir, mode, rdev));
}
static int mkdir(struct inode *dir, struct dentry *d, u32 mode) {
    int r = instantiate(dir, d, make(dir->sb, dir, S_IFDIR | mode, 0));
    dir->i_nlink += !r;
    return r;
}
static int symlink(struct inode *dir, struct dentry *d, const char *target) {
    struct inode *i = make(dir->sb, dir, S_IFLNK | 0777, 0);
    if (!IS_ERR(i) && !(i->private = kstrdup(target))) {
        iput(i);
        i = ERR_PTR(-ENOMEM);
    }
    if (!IS_ERR(i))
        i->i_size = strlen(target);
    return instantiate(dir, d, i);
}
static int link(struct inode *dir, struct dentry *d, struct inode *i) {
    ihold(i);
    i->i_nlink++;
    i->i_ctime = current_time();
    d_add(d, i);
    dget(d);
    touch(dir);
    return 0;
}
static int unlink(struct inode *dir, struct dentry *d) {
    struct inode *i = d->inode;
    i->i_nlink--;
    i->i_ctime = current_time();
    touch(dir);
    d_drop(d);
    dput(d);
    return 0;
}
static bool empty(struct dentry *d) { return !d_has_children(d); }
static int rmdir(struct inode *dir, struct dentry *d) {
    if (!empty(d))
        return -ENOTEMPTY;
    d->inode->i_nlink -= 2;
    dir->i_nlink--;
    touch(dir);
    d_drop(d);
    dput(d);
    return 0;
}
static int rename(struct inode *od, struct dentry *o, struct inode *nd, struct dentry *n, u32 flags) {
    bool is_dir = S_ISDIR(o->inode->i_mode);
    if (flags & RENAME_EXCHANGE) {
        int more = is_dir - S_ISDIR(n->inode->i_mode);
        od->i_nlink -= more;
        nd->i_nlink += more;
        n->inode->i_ctime = current_time();
        return 0;
    }
    if (n->inode) {
        int r = S_ISDIR(n->inode->i_mode) ? rmdir(nd, n) : unlink(nd, n);
        if (r)
            return r;
    }
    if (is_dir && od != nd) {
        od->i_nlink--;
        nd->i_nlink++;
    }
    return 0;
}
static ssize_t readlink(struct inode *i, char *buf) { return strlcpy(buf, i->private, PATH_MAX); }
static int truncate(struct inode *i, loff_t size) {
    if (size < i->i_size) {
        truncate_pages(&i->i_data, DIV_ROUND_UP((u64)size, PAGE_SIZE));
        struct page *p = size & (PAGE_SIZE - 1) ? find_get_page(&i->i_data, size >> PAGE_SHIFT) : NULL;
        if (p) {
            memset((u8 *)page_address(p) + (size & (PAGE_SIZE - 1)), 0, PAGE_SIZE - (size & (PAGE_SIZE - 1)));
            put_page(p);
        }
    }
    WRITE_ONCE(i->i_size, size);
    return 0;
}
static const struct inode_operations dir_iops = {.lookup = lookup,
                                                 .create = create,
                                                 .mkdir = mkdir,
                                                 .symlink = symlink,
                                                 .link = link,
                                                 .unlink = unlink,
                                                 .rmdir = rmdir,
                                                 .rename = rename};
static s64 next_block(struct inode *i, u64 index, bool data) {
    for (u64 hole = index;; index++, hole++) {
        struct page *p = next_cached_page(&i->i_data, &index);
        bool has = p && page_test(p, PG_DIRTY);
        if (p)
            put_page(p);
        if (!data && (!p || !has || index > hole))
            return hole;
        if (data && (!p || has))
            return p ? (s64)index : -1;
    }
}
/* Page n is there, with data. One that is new is marked, until all are there. */
static int add_page(struct inode *i, u64 n) {
    struct page *p = grab_page(&i->i_data, n);
    if (!p)
        return -ENOMEM;
    bool new = !page_test(p, PG_DIRTY);
    int r = prepare_write(i, p, 0, PAGE_SIZE);
    if (!r)
        set_page_dirty(p);
    if (!r && new)
        page_set(p, PG_ERROR);
    unlock_page(p);
    put_page(p);
    return r;
}
/* [first, end) are there, or none that was not before. */
static int make_room(struct inode *i, u64 first, u64 end) {
    struct tmpfs_sb *s = i->sb->private;
    if (s && end - first > s->max_pages)
        return -ENOSPC;
    int r = 0;
    u64 n = first;
    for (; !r && n < end; n++)
        r = fatal_signal_pending(current) ? -EINTR : add_page(i, n);
    while (n-- > first) {
        struct page *p = find_get_page(&i->i_data, n);
        bool added = p && page_clear(p, PG_ERROR);
        if (p)
            put_page(p);
        if (r && added)
            drop_page_range(&i->i_data, n, n + 1);
    }
    return r;
}
static void clear_part(struct inode *i, u64 from, u64 to) { /* within a page */
    struct page *p = from < to ? find_get_page(&i->i_data, from >> PAGE_SHIFT) : NULL;
    if (p) {
        memset((u8 *)page_address(p) + (from & (PAGE_SIZE - 1)), 0, to - from);
        put_page(p);
    }
}
static int fallocate(struct inode *i, u32 mode, u64 off, u64 len) {
    u64 end = off + len, first = off >> PAGE_SHIFT, last = DIV_ROUND_UP(end, PAGE_SIZE);
    if (mode & FALLOC_FL_PUNCH_HOLE) {
        u64 from = ALIGN_UP(off, PAGE_SIZE), to = ALIGN_DOWN(end, PAGE_SIZE);
        clear_part(i, off, min(from, end));
        if (to >= from)
            clear_part(i, to, end);
        if (to > from)
            drop_page_range(&i->i_data, from >> PAGE_SHIFT, to >> PAGE_SHIFT);
        return 0;
    }
    int r = make_room(i, first, last);
    if (!r && !(mode & FALLOC_FL_KEEP_SIZE) && end > (u64)i->i_size)
        WRITE_ONCE(i->i_size, end);
    return r;
}
static const struct inode_operations file_iops = {
    .truncate = truncate, .next_block = next_block, .fallocate = fallocate};
static const struct inode_operations link_iops = {.readlink = readlink};
static const struct file_operations file_fops = {.read = generic_file_read, .write = generic_file_write};

/* Names come in the order they were made, so that a position holds while others come and go. */
static int iterate(struct file *f, struct dir_context *ctx) {
    struct dentry *dir = f->path.dentry;
    if (ctx->pos == 0) {
        if (!ctx->emit(ctx, ".", 1, f->inode->i_ino, DT_DIR))
            return 0;
        ctx->pos = 1;
    }
    if (ctx->pos == 1) {
        if (!ctx->emit(ctx, "..", 2, dir->parent->inode->i_ino, DT_DIR))
            return 0;
        ctx->pos = 2;
    }
    struct dentry *d = NULL;
    while ((d = d_next_child(dir, d, ctx->pos - 2))) {
        ctx->pos = d->pos + 2;
        if (!ctx->emit(ctx, d->name, d->len, d->inode->i_ino, IFTODT(d->inode->i_mode)))
            break;
        ctx->pos++;
    }
    dput(d);
    return 0;
}
static const struct file_operations dir_fops = {.iterate = iterate};

static void evict(struct inode *i) {
    struct tmpfs_sb *s = i->sb->private;
    if (S_ISLNK(i->i_mode))
        kfree(i->private);
    if (s)
        uncharge(&s->inodes);
}
static int statfs(struct super_block *sb, struct statfs *st) {
    struct tmpfs_sb *s = sb->private;
    st->f_type = 0x01021994;
    if (s) {
        st->f_blocks = s->max_pages;
        st->f_bfree = st->f_bavail = s->max_pages - __atomic_load_n(&s->pages.v, __ATOMIC_RELAXED);
        st->f_files = s->max_inodes;
        st->f_ffree = s->max_inodes - __atomic_load_n(&s->inodes.v, __ATOMIC_RELAXED);
    }
    return 0;
}
static void put_super(struct super_block *sb) { kfree(sb->private); }
static const struct super_operations sops = {
    .evict_inode = evict, .statfs = statfs, .put_super = put_super, .drop_names = d_release_tree};

static int fill(struct super_block *sb, u32 mode) {
    sb->ops = &sops;
    struct inode *i = make(sb, NULL, S_IFDIR | mode, 0);
    if (IS_ERR(i))
        return PTR_ERR(i);
    if (!(sb->root = d_alloc_root(i))) {
        iput(i);
        return -ENOMEM;
    }
    return 0;
}
/* A number with k, m, g, or % of the memory behind it; *bad if it is none. */
static u64 number(const char **s, u32 base, bool *bad) {
    const char *start = *s;
    u64 n = 0;
    for (; **s >= '0' && **s < '0' + (s32)base; ++*s)
        if (__builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, (u64)(**s - '0'), &n))
            *bad = true;
    *bad |= *s == start;
    u32 shift = **s == 'k' ? 10 : **s == 'm' ? 20 : **s == 'g' ? 30 : 0;
    if (**s == '%') {
        n = n > 100 ? (*bad = true, 0) : total_pages * PAGE_SIZE / 100 * n;
        ++*s;
    } else if (shift) {
        *bad |= n >> (64 - shift) != 0;
        n <<= shift;
        ++*s;
    }
    return n;
}
static int tmpfs_fill(struct super_block *sb, const char *options) {
    struct tmpfs_sb *s = kzalloc(sizeof(*s), GFP_KERNEL);
    if (!s)
        return -ENOMEM;
    u32 mode = 01777;
    bool bad = false;
    s->max_pages = s->max_inodes = total_pages / 2;
    for (const char *at = options ? options : ""; *at && !bad;) {
        if (!strncmp(at, "size=", 5))
            at += 5, s->max_pages = DIV_ROUND_UP(number(&at, 10, &bad), PAGE_SIZE);
        else if (!strncmp(at, "nr_blocks=", 10))
            at += 10, s->max_pages = number(&at, 10, &bad);
        else if (!strncmp(at, "nr_inodes=", 10))
            at += 10, s->max_inodes = number(&at, 10, &bad);
        else if (!strncmp(at, "mode=", 5))
            at += 5, mode = number(&at, 8, &bad) & 07777;
        else
            bad = true;
        bad |= *at && *at != ',';
        at += *at == ',';
    }
    s->max_pages = s->max_pages ? s->max_pages : ~0UL >> 1; /* 0: no limit */
    s->max_inodes = s->max_inodes ? s->max_inodes : ~0UL >> 1;
    sb->private = s;
    int r = bad ? -EINVAL : fill(sb, mode);
    if (r)
        kfree(s);
    return r;
}

static struct super_block *shm_sb;
struct file *shmem_file(u64 size) {
    struct inode *i = make(shm_sb, NULL, S_IFREG | 0600, 0);
    struct file *f = IS_ERR(i) ? NULL : alloc_file(&file_fops, O_RDWR);
    if (!f) {
        if (!IS_ERR(i))
            iput(i);
        return ERR_PTR(-ENOMEM);
    }
    i->i_nlink = 0;
    i->i_size = ALIGN_UP(size, PAGE_SIZE);
    f->inode = i;
    f->mapping = &i->i_data;
    f->mode = FMODE_READ | FMODE_WRITE;
    return f;
}

static struct super_block *devfs_sb;
static void add_node(struct super_block *sb, const char *name, u32 mode, u64 dev) {
    struct dentry *d = d_alloc(sb->root, name, strlen(name));
    if (d && !create(sb->root->inode, d, mode, dev))
        dput(d);
}
static int devfs_fill(struct super_block *sb, const char *options) {
    (void)options;
    struct tmpfs_sb *s = sb->private = kzalloc(sizeof(*s), GFP_KERNEL);
    if (!s)
        return -ENOMEM;
    s->max_pages = s->max_inodes = total_pages / 2;
    int r = fill(sb, 0755);
    if (r)
        kfree(s);
    const char *name;
    u32 mode;
    u64 dev;
    struct block_device *b;
    for (unsigned int i = 0; !r && chrdev_at(i, &name, &mode, &dev); i++)
        add_node(sb, name, S_IFCHR | mode, dev);
    if (!r)
        list_for_each_entry(b, &block_devices, link) add_node(sb, b->name, S_IFBLK | 0660, b->dev);
    struct {
        const char *name, *to;
    } links[] = {{"fd", "/proc/self/fd"},
                 {"stdin", "/proc/self/fd/0"},
                 {"stdout", "/proc/self/fd/1"},
                 {"stderr", "/proc/self/fd/2"}};
    for (int i = 0; !r && i < 4; i++) {
        struct dentry *d = d_alloc(sb->root, links[i].name, strlen(links[i].name));
        if (d && !symlink(sb->root->inode, d, links[i].to))
            dput(d);
    }
    struct dentry *shm = r ? NULL : d_alloc(sb->root, "shm", 3);
    if (shm && !mkdir(sb->root->inode, shm, 01777))
        dput(shm);
    devfs_sb = sb;
    return r;
}

static const struct file_system_type tmpfs = {"tmpfs", true, tmpfs_fill, true},
                                     devfs = {"devfs", true, devfs_fill, false};
void tmpfs_init(void) {
    register_filesystem(&tmpfs);
    shm_sb = kzalloc(sizeof(*shm_sb), GFP_KERNEL);
    shm_sb->type = &tmpfs;
    shm_sb->max_bytes = MAX_LFS_FILESIZE;
    shm_sb->dev = makedev(0, 254);
    mutex_init(&shm_sb->rename_lock);
    INIT_LIST_HEAD(&shm_sb->inodes);
    shm_sb->ops = &sops;
}
void devfs_init(void) { register_filesystem(&devfs); }
