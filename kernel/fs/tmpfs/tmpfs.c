/* tmpfs: files that live in the page cache alone, names in the dentry cache alone. Also unnamed shared
 * memory, and devfs: a tmpfs that comes with nodes for every registered device. */
#include "../../core/task.h"
#include "../../debug/debug.h"
#include "../fs.h"

static const struct inode_operations dir_iops, file_iops, link_iops;
static const struct file_operations file_fops, dir_fops;
void insert_inode_hash(struct inode *i);

static int readpage(struct inode *i, struct page *p) {
    (void)i;
    memset(page_address(p), 0, PAGE_SIZE);
    end_page_read(p, true);
    return 0;
}
static int prepare_write(struct inode *i, struct page *p, unsigned int from, unsigned int to) {
    if (!page_test(p, PG_UPTODATE)) {
        memset(page_address(p), 0, PAGE_SIZE);
        page_set(p, PG_UPTODATE);
        (void)from, (void)to;
        i->i_blocks += PAGE_SIZE / 512;
    }
    return 0;
}
/* No writepage: the cache is the only copy, and reclaim leaves it. */
static const struct address_space_ops aops = {.readpage = readpage, .prepare_write = prepare_write};

static struct inode *make(struct super_block *sb, const struct inode *dir, u32 mode, u64 rdev) {
    struct inode *i = new_inode(sb);
    if (!i)
        return NULL;
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
    if (!i)
        return -ENOMEM;
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
    if (i && !(i->private = kstrdup(target))) {
        iput(i);
        i = NULL;
    }
    if (i)
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
        i->i_blocks = min(i->i_blocks, DIV_ROUND_UP((u64)size, PAGE_SIZE) * 8);
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
static const struct inode_operations file_iops = {.truncate = truncate};
static const struct inode_operations link_iops = {.readlink = readlink};
static const struct file_operations file_fops = {.read = generic_file_read, .write = generic_file_write};

/* Names come in the order of their inode numbers, so that a position holds while others come and go. */
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
    for (;;) {
        struct dentry *d = d_next_child(dir, ctx->pos - 2);
        if (!d)
            return 0;
        bool ok = ctx->emit(ctx, d->name, d->len, d->inode->i_ino, IFTODT(d->inode->i_mode));
        loff_t next = d->inode->i_ino + 3;
        dput(d);
        if (!ok)
            return 0;
        ctx->pos = next;
    }
}
static const struct file_operations dir_fops = {.iterate = iterate};

static void evict(struct inode *i) {
    if (S_ISLNK(i->i_mode))
        kfree(i->private);
}
static int statfs(struct super_block *sb, struct statfs *st) {
    (void)sb;
    st->f_type = 0x01021994;
    st->f_blocks = total_pages / 2;
    st->f_bfree = st->f_bavail = min(nr_free_pages(), total_pages / 2);
    return 0;
}
static void put_super(struct super_block *sb) { d_release_tree(sb); }
static const struct super_operations sops = {.evict_inode = evict, .statfs = statfs, .put_super = put_super};

static int fill(struct super_block *sb, u32 mode) {
    sb->ops = &sops;
    struct inode *i = make(sb, NULL, S_IFDIR | mode, 0);
    if (!i || !(sb->root = d_alloc_root(i)))
        return -ENOMEM;
    return 0;
}
static int tmpfs_fill(struct super_block *sb, const char *options) {
    (void)options;
    return fill(sb, 01777);
}

static struct super_block *shm_sb;
struct file *shmem_file(u64 size) {
    struct inode *i = make(shm_sb, NULL, S_IFREG | 0600, 0);
    struct file *f = i ? alloc_file(&file_fops, O_RDWR) : NULL;
    if (!f) {
        if (i)
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
    int r = fill(sb, 0755);
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
