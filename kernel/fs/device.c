/* Device nodes: character devices by (major, minor), block devices with a page cache each, and the small
 * devices null, zero, full, random, urandom, kmsg. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "../drivers/drivers.h"
#include "fs.h"
#include <abi/termios.h>

static struct {
    u64 dev;
    const char *name;
    const struct file_operations *op;
    u32 mode;
} chrdevs[32];
static unsigned int nr_chrdevs;

void register_chrdev(u32 ma, u32 mi, const char *name, const struct file_operations *op, u32 mode) {
    BUG_ON(nr_chrdevs == ARRAY_SIZE(chrdevs));
    chrdevs[nr_chrdevs].dev = makedev(ma, mi);
    chrdevs[nr_chrdevs].name = name;
    chrdevs[nr_chrdevs].op = op;
    chrdevs[nr_chrdevs++].mode = mode;
}
bool chrdev_at(unsigned int i, const char **name, u32 *mode, u64 *dev) {
    if (i >= nr_chrdevs)
        return false;
    *name = chrdevs[i].name, *mode = chrdevs[i].mode, *dev = chrdevs[i].dev;
    return true;
}
static int chrdev_open(struct inode *i, struct file *f) {
    for (unsigned int k = 0; k < nr_chrdevs; k++)
        if (chrdevs[k].dev == i->i_rdev) {
            f->f_op = chrdevs[k].op;
            return f->f_op->open ? f->f_op->open(i, f) : 0;
        }
    return -ENXIO;
}
const struct file_operations chrdev_fops = {.open = chrdev_open};

static ssize_t null_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    (void)f, (void)it, (void)pos;
    return 0;
}
static ssize_t null_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    (void)f, (void)pos;
    return it->count;
}
static ssize_t zero_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    ssize_t done = 0;
    (void)f, (void)pos;
    while (it->count && !signal_pending(current)) {
        size_t want = min(it->count, 65536UL), n = zero_iter(want, it);
        done += n;
        if (n < want)
            return done ? done : -EFAULT;
    }
    return done ? done : it->count ? -EINTR : 0;
}
static ssize_t full_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    (void)f, (void)it, (void)pos;
    return -ENOSPC;
}

/* --- random --- One ChaCha20 key, replaced by a part of its own output; the rest waits in a pool, and what
 * is given out is wiped there: nothing that was given out can be computed from what is kept. */
static u32 key[8];
static u8 pool[256];
static u32 pool_left; /* bytes at its end; random_lock */
static spinlock_t random_lock = SPINLOCK_INIT(RANK_OBJECT);
void random_init(void) {
    key[0] = rdtime();
    key[1] = rdtime() >> 7;
    u64 rtc = rtc_read();
    key[2] = rtc, key[3] = rtc >> 32;
    for (u32 i = 0; !sched_seed && machine.dtb_pa && i < machine.dtb_size / 4;
         i++) /* QEMU puts an rng-seed in the tree */
        key[4 + i % 4] = key[4 + i % 4] * 31 + ((u32 *)__va(machine.dtb_pa))[i];
}
static void refill(void) {
    key[0] ^= rdtime();
    for (u32 i = 0; i < sizeof(pool) / 64; i++)
        chacha20_block(key, i, pool + 64 * i);
    memcpy(key, pool, sizeof(key));
    memset(pool, 0, sizeof(key));
    pool_left = sizeof(pool) - sizeof(key);
}
void random_bytes(void *buf, size_t n) {
    for (u8 *p = buf; n;) {
        u64 irq = spin_lock_irqsave(&random_lock);
        if (!pool_left)
            refill();
        size_t k = min(n, (size_t)pool_left);
        u8 *from = pool + sizeof(pool) - pool_left;
        memcpy(p, from, k);
        memset(from, 0, k);
        pool_left -= k;
        spin_unlock_irqrestore(&random_lock, irq);
        p += k;
        n -= k;
    }
}
static ssize_t random_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    u8 b[256];
    ssize_t done = 0;
    (void)f, (void)pos;
    while (it->count && !signal_pending(current)) {
        size_t n = min(it->count, sizeof(b));
        random_bytes(b, n);
        size_t c = copy_to_iter(b, n, it);
        done += c;
        if (c < n)
            return done ? done : -EFAULT;
    }
    return done;
}
long sys_getrandom(u64 buf, u64 n, u64 flags) {
    struct iov_iter it;
    struct iovec v;
    if (flags & ~7UL)
        return -EINVAL;
    iter_user(&it, &v, buf, min(n, 0x1ffffffUL));
    return random_read(NULL, &it, NULL);
}
static ssize_t kmsg_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    char line[256];
    (void)f, (void)pos;
    size_t n = it->count, c = copy_from_iter(line, min(n, sizeof(line) - 2), it);
    if (!c)
        return -EFAULT;
    line[c] = 0;
    printk("%s%s", line, line[c - 1] == '\n' ? "" : "\n");
    return n;
}

void chrdev_init(void) {
    static const struct file_operations null = {.read = null_read, .write = null_write},
                                        zero = {.read = zero_read, .write = null_write},
                                        full = {.read = zero_read, .write = full_write},
                                        random = {.read = random_read, .write = null_write},
                                        kmsg = {.write = kmsg_write};
    register_chrdev(1, 3, "null", &null, 0666);
    register_chrdev(1, 5, "zero", &zero, 0666);
    register_chrdev(1, 7, "full", &full, 0666);
    register_chrdev(1, 8, "random", &random, 0666);
    register_chrdev(1, 9, "urandom", &random, 0666);
    register_chrdev(1, 11, "kmsg", &kmsg, 0600);
}

/* --- block devices --- */
static struct super_block bdev_sb;
static struct kmem_cache *request_cache;

struct page_io {
    struct block_request r;
    struct page *page;
};
static void page_io_done(struct block_request *r) {
    struct page_io *io = container_of(r, struct page_io, r);
    struct page *p = io->page;
    bool write = r->write, ok = r->ok;
    kmem_cache_free(request_cache, io);
    if (write)
        end_page_writeback(p, ok);
    else
        end_page_read(p, ok);
}
void blk_start_plug(struct blk_plug *plug) {
    *plug = (struct blk_plug){0};
    if (!current->plug)
        current->plug = plug;
}
void blk_flush_plug(struct blk_plug *plug) {
    struct block_request *r = plug->first;
    plug->first = NULL;
    if (r)
        plug->b->submit(plug->b, r);
}
void blk_finish_plug(struct blk_plug *plug) {
    if (current->plug != plug)
        return;
    current->plug = NULL;
    blk_flush_plug(plug);
}
static void submit(struct block_device *b, struct block_request *r) {
    struct blk_plug *plug = current->plug;
    if (!plug || b->max_pieces < 2) {
        b->submit(b, r);
        return;
    }
    if (plug->first && plug->b == b && plug->pieces < b->max_pieces && plug->last->write == r->write &&
        plug->last->sector + plug->last->len / 512 == r->sector) {
        plug->last = plug->last->next = r;
        plug->pieces++;
        return;
    }
    blk_flush_plug(plug);
    plug->b = b;
    plug->first = plug->last = r;
    plug->pieces = 1;
}
static int page_io(struct block_device *b, sector_t sector, struct page *p, bool write) {
    struct page_io *io = kmem_cache_alloc(request_cache, GFP_KERNEL | GFP_ZERO);
    if (!io) {
        if (write)
            end_page_writeback(p, false);
        else
            end_page_read(p, false);
        return -ENOMEM;
    }
    if (!write)
        sleep_lock_dropped(p); /* it is the device's */
    io->page = p;
    io->r = (struct block_request){
        .sector = sector, .data = page_address(p), .len = PAGE_SIZE, .write = write, .done = page_io_done};
    if (sector + PAGE_SIZE / 512 > b->sectors && sector < b->sectors) { /* the device's odd end */
        io->r.len = (b->sectors - sector) * 512;
        if (!write)
            memset((u8 *)page_address(p) + io->r.len, 0, PAGE_SIZE - io->r.len);
    }
    submit(b, &io->r);
    return 0;
}
int block_read_page(struct block_device *b, sector_t s, struct page *p) { return page_io(b, s, p, false); }
/* The page stays PG_WRITEBACK until the device has it; unlocked at once. */
int block_write_page(struct block_device *b, sector_t s, struct page *p) {
    unlock_page(p);
    return page_io(b, s, p, true);
}
struct flush_io {
    struct block_request r;
    struct completion done;
};
static void flush_done(struct block_request *r) { complete(&container_of(r, struct flush_io, r)->done); }
int block_flush(struct block_device *b) {
    struct flush_io io = {.r = {.flush = true, .write = true, .done = flush_done}};
    init_completion(&io.done);
    if (current->plug)
        blk_flush_plug(current->plug);
    b->submit(b, &io.r);
    wait_for_completion(&io.done);
    return io.r.ok ? 0 : -EIO;
}

static struct block_device *of_inode(struct inode *i) { return i->private; }
static int bdev_readpage(struct inode *i, struct page *p) {
    return block_read_page(of_inode(i), p->index * (PAGE_SIZE / 512), p);
}
static int bdev_writepage(struct inode *i, struct page *p) {
    return block_write_page(of_inode(i), p->index * (PAGE_SIZE / 512), p);
}
static int bdev_prepare(struct inode *i, struct page *p, unsigned int from, unsigned int to) {
    if (p->index >= DIV_ROUND_UP((u64)i->i_size, PAGE_SIZE))
        return -ENOSPC;
    if (page_test(p, PG_UPTODATE) || (!from && to == PAGE_SIZE))
        return 0;
    bdev_readpage(i, p);
    lock_page(p);
    return page_test(p, PG_UPTODATE) ? 0 : -EIO;
}
static const struct address_space_ops bdev_aops = {
    .readpage = bdev_readpage, .writepage = bdev_writepage, .prepare_write = bdev_prepare};
static int bdev_sync_inode(struct inode *i) {
    (void)i;
    return 0;
}
static const struct super_operations bdev_sops = {.write_inode = bdev_sync_inode};

void block_invalidate(struct block_device *b) {
    sync_inode(b->inode, true);
    truncate_pages(&b->inode->i_data, 0);
}
struct page *bread(struct block_device *b, u64 block) {
    if (block >= b->sectors / 8)
        return ERR_PTR(-EIO);
    return read_mapping_page(&b->inode->i_data, block);
}

void register_block_device(struct block_device *b) {
    if (!request_cache) {
        request_cache = kmem_cache_create("block_request", sizeof(struct page_io));
        static const struct file_system_type type = {"bdev", true, NULL, false};
        bdev_sb.type = &type;
        bdev_sb.dev = makedev(0, 253);
        bdev_sb.ops = &bdev_sops;
        mutex_init(&bdev_sb.rename_lock);
        INIT_LIST_HEAD(&bdev_sb.inodes);
        INIT_LIST_HEAD(&bdev_sb.dirty);
    }
    struct inode *i = new_inode(&bdev_sb);
    if (!i)
        panic("no memory for block device %s", b->name);
    i->i_mode = S_IFBLK | 0600;
    i->i_rdev = b->dev;
    i->i_size = b->sectors * 512;
    i->private = b;
    i->i_data.ops = &bdev_aops;
    b->inode = i;
    list_add_tail(&b->link, &block_devices);
    printk("%s: %lu MB%s\n", b->name, b->sectors >> 11, b->read_only ? ", read-only" : "");
}
struct block_device *find_block_device(const char *name) {
    struct block_device *b;
    list_for_each_entry(b, &block_devices, link) if (!strcmp(b->name, name)) return b;
    return NULL;
}
struct block_device *block_device_by_dev(u64 dev) {
    struct block_device *b;
    list_for_each_entry(b, &block_devices, link) if (b->dev == dev) return b;
    return NULL;
}

static int bdev_open(struct inode *i, struct file *f) {
    struct block_device *b = block_device_by_dev(i->i_rdev);
    if (!b)
        return -ENXIO;
    if ((f->mode & FMODE_WRITE) && b->read_only)
        return -EROFS;
    f->private = b;
    f->mapping = &b->inode->i_data;
    return 0;
}
static ssize_t bdev_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct inode *i = f->mapping->host;
    if (*pos >= i->i_size)
        return -ENOSPC;
    it->count = min(it->count, (u64)(i->i_size - *pos));
    mutex_lock(&i->lock);
    ssize_t r = generic_file_write(f, it, pos);
    mutex_unlock(&i->lock);
    return r;
}
static int bdev_fsync(struct file *f, bool datasync) {
    (void)datasync;
    struct block_device *b = f->private;
    writeback_mapping(f->mapping, true);
    int e = block_flush(b), r = file_check_error(f);
    return r ? r : e;
}
static long bdev_ioctl(struct file *f, u32 cmd, u64 arg) {
    return cmd == BLKGETSIZE64 ? put_user(arg, (u64)f->mapping->host->i_size) : -ENOTTY;
}
static loff_t bdev_llseek(struct file *f, loff_t off, int whence) {
    loff_t size = f->mapping->host->i_size, base = whence == 0   ? 0
                                                   : whence == 1 ? f->pos
                                                   : whence == 2 ? size
                                                                 : -1;
    if (base < 0 || base + off < 0)
        return -EINVAL;
    return f->pos = base + off;
}
const struct file_operations blkdev_fops = {.read = generic_file_read,
                                            .write = bdev_write,
                                            .open = bdev_open,
                                            .fsync = bdev_fsync,
                                            .ioctl = bdev_ioctl,
                                            .llseek = bdev_llseek};
