/* ext2: allocation, block mapping, inodes. Metadata blocks are pages of the device's own cache; a file's
 * data are pages of its inode. A block that leaves metadata use is forgotten from the device's cache, so
 * that an old copy is never written over what it holds next. */
#include "journal.h"

void insert_inode_hash(struct inode *i);
void forget_page(struct address_space *m, u64 index);

void ext2_error(struct super_block *sb, const char *what, u64 number) {
    printk(KERN_ERR "ext2 on %s: damaged: %s %lu; read-only from now on\n", sb->bdev->name, what, number);
    sb->flags |= MS_RDONLY;
}

struct ext2_group *ext2_group(struct ext2_sb *s, u32 g, struct page **page) {
    u32 per = EXT2_BLOCK_SIZE / sizeof(struct ext2_group);
    *page = bread(s->bdev, s->first_data_block + 1 + g / per);
    return IS_ERR(*page) ? NULL : (struct ext2_group *)page_address(*page) + g % per;
}
/* Find and set a clear bit among the first n, from `from` on; of blocks, bit 0 is block `base`, those that
 * may be taken. -1: none. */
static s64 take_bit(u8 *map, u32 n, u32 from, struct super_block *sb, u64 base) {
    for (u32 k = 0; k < n; k++) {
        u32 i = from + k < n ? from + k : from + k - n;
        if (!(i % 64) && ((u64 *)map)[i / 64] == ~0UL && i + 64 <= n) {
            k += 63;
            continue;
        }
        if (!(i % 8) && map[i / 8] == 0xff && i + 8 <= n) {
            k += 7;
            continue;
        }
        if (!(map[i / 8] >> i % 8 & 1) && (!sb || journal_may_take(sb, base + i))) {
            map[i / 8] |= 1u << i % 8;
            return i;
        }
    }
    return -1;
}

/* s->lock held. A block number, or -errno. */
static s64 alloc_block(struct super_block *sb) {
    struct ext2_sb *s = EXT2_SB(sb);
    u32 start = s->next_block / s->blocks_per_group;
    if (s->super->s_free_blocks_count <= s->super->s_r_blocks_count && !capable(CAP_SYS_RESOURCE))
        return -ENOSPC;
    for (u32 k = 0; k < s->groups; k++) {
        u32 g = (start + k) % s->groups;
        struct page *gp, *bp;
        struct ext2_group *gd = ext2_group(s, g, &gp);
        if (!gd)
            return -EIO;
        if (!gd->bg_free_blocks_count) {
            put_page(gp);
            continue;
        }
        bp = bread(s->bdev, gd->bg_block_bitmap);
        if (IS_ERR(bp)) {
            put_page(gp);
            return -EIO;
        }
        u32 n = min(s->blocks_per_group, s->blocks_count - s->first_data_block - g * s->blocks_per_group);
        u64 base = s->first_data_block + (u64)g * s->blocks_per_group;
        ext2_will_change(sb, bp);
        ext2_will_change(sb, gp);
        ext2_will_change(sb, s->super_page);
        s64 bit = take_bit(page_address(bp), n, k ? 0 : s->next_block % s->blocks_per_group, sb, base);
        if (bit < 0) {
            put_page(bp);
            put_page(gp);
            if (s->journal) /* those that are free become so when the transaction ends */
                continue;
            ext2_error(sb, "free blocks promised and not there in group", g);
            return -EIO;
        }
        gd->bg_free_blocks_count--;
        s->super->s_free_blocks_count--;
        ext2_dirty_put(sb, bp);
        ext2_dirty_put(sb, gp);
        journal_dirty(sb, s->super_page);
        u64 block = base + bit;
        u64 table_end = (u64)gd->bg_inode_table + s->inodes_per_group * s->inode_size / EXT2_BLOCK_SIZE;
        if (block == gd->bg_block_bitmap || block == gd->bg_inode_bitmap ||
            (block >= gd->bg_inode_table && block < table_end)) {
            ext2_error(sb, "metadata marked free: block", block);
            return -EIO;
        }
        s->next_block = block + 1 < s->blocks_count ? block + 1 : 0;
        return block;
    }
    return -ENOSPC;
}

bool ext2_valid_block(struct ext2_sb *s, u64 b) { return b > s->first_data_block && b < s->blocks_count; }

/* s->lock held. Free n blocks in a row, all of one group: the bits that are set. */
static void free_in_group(struct super_block *sb, u32 g, u32 bit, u32 n, bool metadata) {
    struct ext2_sb *s = EXT2_SB(sb);
    struct page *gp, *bp;
    struct ext2_group *gd = ext2_group(s, g, &gp);
    if (!gd)
        return;
    bp = bread(s->bdev, gd->bg_block_bitmap);
    if (IS_ERR(bp)) {
        put_page(gp);
        return;
    }
    u64 base = s->first_data_block + (u64)g * s->blocks_per_group;
    u8 *map = page_address(bp);
    ext2_will_change(sb, bp);
    ext2_will_change(sb, gp);
    ext2_will_change(sb, s->super_page);
    while (n) {
        u32 run = 0;
        while (run < n && (map[(bit + run) / 8] >> (bit + run) % 8 & 1))
            run++;
        change_bits(map, bit, run, false);
        gd->bg_free_blocks_count += run;
        s->super->s_free_blocks_count += run;
        journal_freed(sb, base + bit, run, metadata);
        if (run < n)
            ext2_error(sb, "a block freed twice:", base + bit + run++);
        bit += run;
        n -= run;
    }
    ext2_dirty_put(sb, bp);
    ext2_dirty_put(sb, gp);
    journal_dirty(sb, s->super_page);
}
static void free_blocks(struct super_block *sb, u32 block, u32 n, bool metadata) {
    struct ext2_sb *s = EXT2_SB(sb);
    while (n) {
        if (!ext2_valid_block(s, block)) {
            ext2_error(sb, "a block out of range to free:", block);
            return;
        }
        u32 g = (block - s->first_data_block) / s->blocks_per_group,
            bit = (block - s->first_data_block) % s->blocks_per_group;
        u32 run = min(min(n, s->blocks_per_group - bit), s->blocks_count - block);
        free_in_group(sb, g, bit, run, metadata);
        block += run;
        n -= run;
    }
}

/* How a file's block is reached: offsets into i_block and then indirect blocks. Depth, or 0: too far. */
static int path_to(u64 n, u32 off[4]) {
    if (n < 12)
        return off[0] = n, 1;
    n -= 12;
    if (n < PTRS)
        return off[0] = 12, off[1] = n, 2;
    n -= PTRS;
    if (n < (u64)PTRS * PTRS)
        return off[0] = 13, off[1] = n / PTRS, off[2] = n % PTRS, 3;
    n -= (u64)PTRS * PTRS;
    if (n < (u64)PTRS * PTRS * PTRS)
        return off[0] = 14, off[1] = n / PTRS / PTRS, off[2] = n / PTRS % PTRS, off[3] = n % PTRS, 4;
    return 0;
}

/* What pointer k of an inode stands for: through so many indirect blocks, so many blocks. */
static int depth_of(int k) { return k < 12 ? 0 : k - 11; }
static u64 span_of_depth(int depth) {
    static const u64 span[4] = {1, PTRS, (u64)PTRS * PTRS, (u64)PTRS * PTRS * PTRS};
    return span[depth];
}
static u64 span_of(int k) { return span_of_depth(depth_of(k)); }

static s64 map_locked(struct inode *i, u64 index, bool create, bool *fresh) {
    struct ext2_sb *s = EXT2_SB(i->sb);
    u32 off[4];
    int depth = path_to(index, off);
    if (!depth)
        return create ? -EFBIG : 0;
    u32 *slot = &i->fs_data[off[0]];
    struct page *holder = NULL;
    s64 block = 0;
    for (int d = 0; d < depth; d++) {
        block = READ_ONCE(*slot);
        if (!block && !create)
            break;
        if (!block) {
            block = alloc_block(i->sb);
            if (block < 0)
                break;
            i->i_blocks += EXT2_BLOCK_SIZE / 512;
            if (d + 1 < depth) { /* a new indirect block is all holes */
                struct page *p = grab_page(&s->bdev->inode->i_data, block);
                if (!p) {
                    free_blocks(i->sb, block, 1, true);
                    i->i_blocks -= EXT2_BLOCK_SIZE / 512;
                    block = -ENOMEM;
                    break;
                }
                wait_on_page(p, PG_WRITEBACK);
                journal_access(i->sb, p, block, true);
                memset(page_address(p), 0, PAGE_SIZE);
                journal_dirty(i->sb, p);
                unlock_page(p);
                put_page(p);
            } else {
                *fresh = true;
            }
            if (holder)
                ext2_will_change(i->sb, holder);
            *slot = block;
            if (holder)
                journal_dirty(i->sb, holder);
            journal_inode_data(i);
            mark_inode_dirty(i);
        }
        if (!ext2_valid_block(s, block)) {
            ext2_error(i->sb, "a block number out of range in inode", i->i_ino);
            block = -EIO;
            break;
        }
        if (d + 1 < depth) {
            if (holder)
                put_page(holder);
            holder = bread(s->bdev, block);
            if (IS_ERR(holder)) {
                block = PTR_ERR(holder);
                holder = NULL;
                break;
            }
            slot = (u32 *)page_address(holder) + off[d + 1];
        }
    }
    if (holder)
        put_page(holder);
    return block;
}
s64 ext2_map(struct inode *i, u64 index, bool create, bool *fresh) {
    bool unused = false;
    if (!create)
        return map_locked(i, index, false, &unused);
    mutex_lock(&EXT2_SB(i->sb)->lock);
    s64 r = map_locked(i, index, true, fresh);
    mutex_unlock(&EXT2_SB(i->sb)->lock);
    return r;
}

/* Below one pointer, which stands for `span` blocks from `at` on: is *index, moved on as far as need be, one
 * with data (without)? 1: it is; 0: not here; -errno. */
static int find_block(struct inode *i, u32 block, u64 at, u64 span, int depth, u64 *index, bool data) {
    if (at + span <= *index)
        return 0;
    if (!block || !depth) {
        if (!block != data)
            return 1;
        *index = at + span;
        return 0;
    }
    if (!ext2_valid_block(EXT2_SB(i->sb), block))
        return -EIO;
    struct page *p = bread(EXT2_SB(i->sb)->bdev, block);
    if (IS_ERR(p))
        return PTR_ERR(p);
    int r = 0;
    for (u64 k = 0, each = span / PTRS; !r && k < PTRS; k++)
        r = find_block(i, READ_ONCE(((u32 *)page_address(p))[k]), at + k * each, each, depth - 1, index,
                       data);
    put_page(p);
    return r;
}
s64 ext2_next_block(struct inode *i, u64 index, bool data) {
    u64 at = 0;
    int r = 0;
    for (int k = 0; !r && k < 15; at += span_of(k), k++)
        r = find_block(i, READ_ONCE(i->fs_data[k]), at, span_of(k), depth_of(k), &index, data);
    return r < 0 ? r : r || !data ? (s64)index : -1;
}

static int readpage(struct inode *i, struct page *p) {
    s64 b = ext2_map(i, p->index, false, NULL);
    if (b > 0)
        return block_read_page(i->sb->bdev, b * 8, p);
    if (!b)
        memset(page_address(p), 0, PAGE_SIZE);
    end_page_read(p, !b);
    return b;
}
static int writepage(struct inode *i, struct page *p) {
    bool fresh;
    loff_t size = READ_ONCE(i->i_size), at = (loff_t)p->index << PAGE_SHIFT;
    /* With a journal the block is there: who made the page dirty has seen to it, in a handle. */
    s64 b = ext2_map(i, p->index, !EXT2_SB(i->sb)->journal, &fresh);
    if (b <= 0) {
        unlock_page(p);
        end_page_writeback(p, false);
        return b;
    }
    if (at + PAGE_SIZE > size && at < size)
        memset((u8 *)page_address(p) + (size - at), 0, PAGE_SIZE - (size - at));
    return block_write_page(i->sb->bdev, b * 8, p);
}
static int prepare_write(struct inode *i, struct page *p, unsigned int from, unsigned int to) {
    bool fresh = false;
    if (i->sb->flags & MS_RDONLY)
        return -EROFS;
    s64 b = ext2_map(i, p->index, true, &fresh);
    if (b < 0)
        return b;
    if (page_test(p, PG_UPTODATE) || (!from && to == PAGE_SIZE))
        return 0;
    if (fresh || ((loff_t)p->index << PAGE_SHIFT) >= i->i_size) {
        memset(page_address(p), 0, PAGE_SIZE);
        page_set(p, PG_UPTODATE);
        return 0;
    }
    readpage(i, p);
    lock_page(p);
    return page_test(p, PG_UPTODATE) ? 0 : -EIO;
}
static void begin_write(struct inode *i) { journal_start(i->sb); }
static bool end_write(struct inode *i, int r) {
    journal_stop(i->sb);
    return r == -ENOSPC && journal_more_space(i->sb);
}
static void write_failed(struct inode *i) {
    u64 first = DIV_ROUND_UP((u64)i->i_size, PAGE_SIZE);
    if (i->sb->flags & MS_RDONLY)
        return;
    truncate_pages(&i->i_data, first);
    ext2_free_blocks_from(i, first);
}
static const struct address_space_ops aops = {.readpage = readpage,
                                              .writepage = writepage,
                                              .prepare_write = prepare_write,
                                              .begin_write = begin_write,
                                              .end_write = end_write,
                                              .write_failed = write_failed};

/* A block that leaves the file. */
static void free_of(struct inode *i, u32 block, u32 n, bool metadata) {
    free_blocks(i->sb, block, n, metadata || S_ISDIR(i->i_mode));
    i->i_blocks -= min(i->i_blocks, (u64)n * (EXT2_BLOCK_SIZE / 512));
}
/* Blocks of data, runs of them at a time. */
static void free_pointers(struct inode *i, const u32 *slot, u32 n) {
    for (u32 k = 0, run; k < n; k += run) {
        for (run = 1; slot[k] && k + run < n && slot[k + run] == slot[k] + run;)
            run++;
        if (slot[k])
            free_of(i, slot[k], run, false);
    }
}
static bool free_branch(struct inode *i, u32 *slot, u64 at, int depth, u64 first);
/* What lies at or after file block `first` below an indirect block, which stands for those from `at` on. One
 * that goes as a whole is not changed, but forgotten. false: the rest is for another handle. */
static bool free_below(struct inode *i, struct page *p, u64 at, int depth, u64 first) {
    u32 *slot = page_address(p), k = 0;
    u64 each = span_of_depth(depth - 1);
    bool all = true;
    if (at < first)
        k = (first - at) / each;
    if (at < first || depth > 1)
        ext2_will_change(i->sb, p);
    if (depth == 1) {
        free_pointers(i, slot + k, PTRS - k);
        if (at < first)
            memset(slot + k, 0, (PTRS - k) * sizeof(*slot));
    }
    for (; depth > 1 && all && k < PTRS; k++)
        all = free_branch(i, &slot[k], at + k * each, depth - 1, first);
    if (at < first || depth > 1)
        journal_dirty(i->sb, p);
    return all;
}
/* The same of one pointer. */
static bool free_branch(struct inode *i, u32 *slot, u64 at, int depth, u64 first) {
    struct ext2_sb *s = EXT2_SB(i->sb);
    u32 block = *slot;
    if (!block || at + span_of_depth(depth) <= first)
        return true;
    if (depth && ext2_valid_block(s, block)) {
        if (journal_long(i->sb))
            return false;
        struct page *p = bread(s->bdev, block);
        if (IS_ERR(p))
            return true;
        bool all = free_below(i, p, at, depth, first);
        put_page(p);
        if (!all)
            return false;
    }
    if (at < first)
        return true;
    if (depth)
        forget_page(&s->bdev->inode->i_data, block);
    free_of(i, block, 1, depth);
    *slot = 0;
    return true;
}
static bool free_from(struct inode *i, u64 first) {
    u64 at = 0;
    bool all = true;
    mutex_lock(&EXT2_SB(i->sb)->lock);
    for (int k = 0; all && k < 15; at += span_of_depth(depth_of(k)), k++)
        all = free_branch(i, &i->fs_data[k], at, depth_of(k), first);
    mutex_unlock(&EXT2_SB(i->sb)->lock);
    return all;
}
static void free_in_handles(struct inode *i, u64 first) {
    while (!free_from(i, first)) {
        ext2_orphan_add(i); /* if the power goes the rest is freed at the next mount: i_size says so */
        ext2_write_inode(i);
        journal_stop(i->sb);
        journal_start(i->sb);
    }
}
void ext2_free_blocks_from(struct inode *i, u64 first) {
    free_in_handles(i, first);
    if (i->i_nlink)
        ext2_orphan_del(i);
    mark_inode_dirty(i);
}
static bool has_blocks(struct inode *i) {
    return S_ISREG(i->i_mode) || S_ISDIR(i->i_mode) || (S_ISLNK(i->i_mode) && i->i_size >= 60);
}
static int truncate_to(struct inode *i, loff_t size) {
    if (size < i->i_size) {
        u64 off = size & (PAGE_SIZE - 1);
        struct page *p = off ? read_mapping_page(&i->i_data, size >> PAGE_SHIFT) : NULL;
        if (IS_ERR(p))
            return PTR_ERR(p);
        WRITE_ONCE(i->i_size, size);
        if (p) {
            lock_page(p);
            wait_on_page(p, PG_WRITEBACK);
            memset((u8 *)page_address(p) + off, 0, PAGE_SIZE - off);
            if (ext2_map(i, p->index, false, NULL) > 0)
                set_page_dirty(p);
            unlock_page(p);
            put_page(p);
        }
        truncate_pages(&i->i_data, DIV_ROUND_UP((u64)size, PAGE_SIZE));
        ext2_free_blocks_from(i, DIV_ROUND_UP((u64)size, PAGE_SIZE));
    }
    WRITE_ONCE(i->i_size, size);
    journal_inode_data(i);
    mark_inode_dirty(i);
    return 0;
}

int ext2_truncate(struct inode *i, loff_t size) {
    if (i->sb->flags & MS_RDONLY)
        return -EROFS;
    journal_start(i->sb);
    int r = truncate_to(i, size);
    journal_stop(i->sb);
    return r;
}

/* --- inodes --- */
static u64 inode_place(const struct ext2_sb *s, u32 ino, u32 *offset) { /* the block, and where in it */
    u64 byte = (u64)((ino - 1) % s->inodes_per_group) * s->inode_size;
    *offset = byte % EXT2_BLOCK_SIZE;
    return s->inode_tables[(ino - 1) / s->inodes_per_group] + byte / EXT2_BLOCK_SIZE;
}
struct ext2_inode *ext2_disk_inode(struct super_block *sb, u32 ino, struct page **page) {
    struct ext2_sb *s = EXT2_SB(sb);
    u32 offset;
    if (!ino || ino > s->inodes_count)
        return NULL;
    *page = bread(s->bdev, inode_place(s, ino, &offset));
    return IS_ERR(*page) ? NULL : (struct ext2_inode *)((u8 *)page_address(*page) + offset);
}

static void set_ops(struct inode *i) {
    i->i_op = &ext2_file_iops;
    if (S_ISREG(i->i_mode)) {
        i->i_fop = &ext2_file_fops;
        i->i_data.ops = &aops;
    } else if (S_ISDIR(i->i_mode)) {
        i->i_op = &ext2_dir_iops;
        i->i_fop = &ext2_dir_fops;
        i->i_data.ops = &aops;
    } else if (S_ISLNK(i->i_mode)) {
        i->i_op = &ext2_link_iops;
        i->i_data.ops = &aops;
    } else {
        init_special_inode(i);
    }
}

/* Times: seconds as they always were, and where the inode has room nanoseconds and what is after 2038. */
static bool has_extra(struct super_block *sb, const struct ext2_inode *d, u32 size) {
    return EXT2_SB(sb)->inode_size >= EXT2_OLD_INODE + size && d->i_extra_isize >= size;
}
static struct abi_timespec get_time(u32 seconds, u32 extra) {
    return (struct abi_timespec){(s64)(s32)seconds + ((s64)(extra & 3) << 32), min(extra >> 2, 999999999u)};
}
static u32 time_extra(const struct abi_timespec *t) {
    return (u32)((t->tv_sec - (s32)t->tv_sec) >> 32 & 3) | (u32)t->tv_nsec << 2;
}

/* orphan: it may have no name. */
static struct inode *get_inode(struct super_block *sb, u32 ino, bool orphan) {
    bool is_new;
    struct inode *i = iget(sb, ino, &is_new);
    if (!i)
        return ERR_PTR(-ENOMEM);
    if (!is_new)
        return i->i_mode ? i : (iput(i), ERR_PTR(-EIO));
    struct page *p;
    struct ext2_inode *d = ext2_disk_inode(sb, ino, &p);
    if (d) {
        i->i_mode = d->i_mode;
        i->i_nlink = d->i_links_count;
        i->i_uid = d->i_uid | (u32)d->i_uid_high << 16;
        i->i_gid = d->i_gid | (u32)d->i_gid_high << 16;
        i->i_size = i->disk_size = d->i_size | (S_ISREG(d->i_mode) ? (u64)d->i_size_high << 32 : 0);
        i->i_blocks = d->i_blocks;
        bool extra = has_extra(i->sb, d, EXTRA_TIMES);
        i->i_atime = get_time(d->i_atime, extra ? d->i_atime_extra : 0);
        i->i_mtime = get_time(d->i_mtime, extra ? d->i_mtime_extra : 0);
        i->i_ctime = get_time(d->i_ctime, extra ? d->i_ctime_extra : 0);
        i->i_btime = has_extra(i->sb, d, EXTRA_BIRTH) ? get_time(d->i_crtime, d->i_crtime_extra)
                                                      : (struct abi_timespec){0};
        i->fs_flags = d->i_flags;
        memcpy(i->fs_data, d->i_block, sizeof(d->i_block));
        if (S_ISCHR(i->i_mode) || S_ISBLK(i->i_mode)) {
            u32 old = d->i_block[0], new = d->i_block[1];
            i->i_rdev = old ? makedev(old >> 8 & 0xff, old & 0xff)
                            : makedev((new & 0xfff00) >> 8, (new & 0xff) | (new >> 12 & 0xfff00));
        }
        put_page(p);
    }
    bool bad = !d || (!i->i_nlink && !orphan) || !(i->i_mode & S_IFMT) || i->i_size < 0 ||
               (S_ISDIR(i->i_mode) && (i->i_size & 4095));
    if (bad) {
        i->i_mode = 0;
        i->i_nlink = 1; /* not ours to free */
        unlock_new_inode(i);
        iput(i);
        if (d)
            ext2_error(sb, "a directory names a bad inode:", ino);
        return ERR_PTR(d ? -EUCLEAN : -EIO);
    }
    set_ops(i);
    unlock_new_inode(i);
    return i;
}

struct inode *ext2_iget(struct super_block *sb, u32 ino) {
    struct ext2_sb *s = EXT2_SB(sb);
    if ((ino != EXT2_ROOT_INO && ino < s->first_ino) || ino > s->inodes_count) {
        ext2_error(sb, "an inode number out of range:", ino);
        return ERR_PTR(-EUCLEAN);
    }
    return get_inode(sb, ino, false);
}
struct inode *ext2_iget_reserved(struct super_block *sb, u32 ino) {
    return !ino || ino > EXT2_SB(sb)->inodes_count ? ERR_PTR(-EUCLEAN) : get_inode(sb, ino, true);
}

/* Everything but i_dtime, which is the orphans' (orphan.c) and evict's. */
static void copy_inode(const struct inode *i, struct ext2_inode *d) {
    d->i_mode = i->i_mode;
    d->i_links_count = i->i_nlink;
    d->i_uid = i->i_uid, d->i_uid_high = i->i_uid >> 16;
    d->i_gid = i->i_gid, d->i_gid_high = i->i_gid >> 16;
    d->i_size = i->i_size;
    if (S_ISREG(i->i_mode))
        d->i_size_high = i->i_size >> 32;
    d->i_blocks = i->i_blocks;
    d->i_atime = i->i_atime.tv_sec;
    d->i_mtime = i->i_mtime.tv_sec;
    d->i_ctime = i->i_ctime.tv_sec;
    if (has_extra(i->sb, d, EXTRA_TIMES)) {
        d->i_atime_extra = time_extra(&i->i_atime);
        d->i_mtime_extra = time_extra(&i->i_mtime);
        d->i_ctime_extra = time_extra(&i->i_ctime);
    }
    if (has_extra(i->sb, d, EXTRA_BIRTH)) {
        d->i_crtime = i->i_btime.tv_sec;
        d->i_crtime_extra = time_extra(&i->i_btime);
    }
    d->i_flags = i->fs_flags;
    if (S_ISCHR(i->i_mode) || S_ISBLK(i->i_mode)) {
        u32 ma = major(i->i_rdev), mi = minor(i->i_rdev);
        bool old = ma < 256 && mi < 256;
        d->i_block[0] = old ? ma << 8 | mi : 0;
        d->i_block[1] = old ? 0 : (mi & 0xff) | ma << 8 | (mi & ~0xffu) << 12;
    } else {
        memcpy(d->i_block, i->fs_data, sizeof(d->i_block));
    }
}
/* The first time in a transaction its page joins; and stays in memory, so that afterwards the copy is all. */
static int write_inode(struct inode *i) {
    struct super_block *sb = i->sb;
    struct page *p = NULL;
    struct ext2_inode *d = journal_has_inode(i) ? i->disk : NULL;
    if (!d) {
        if (!(d = ext2_disk_inode(sb, i->i_ino, &p))) {
            journal_lost(sb, "an inode that has changed cannot be read:", i->i_ino);
            return -EIO;
        }
        ext2_will_change(sb, p);
        journal_inode_joins(i, d);
    }
    if (i->disk_size != i->i_size) {
        journal_inode_data(i);
        i->disk_size = i->i_size;
    }
    spin_lock(&EXT2_SB(sb)->inode_lock);
    copy_inode(i, d);
    spin_unlock(&EXT2_SB(sb)->inode_lock);
    if (p)
        ext2_dirty_put(sb, p);
    return 0;
}
int ext2_write_inode(struct inode *i) {
    if (!i->i_mode || !i->i_ino)
        return 0;
    journal_start(i->sb);
    int r = write_inode(i);
    journal_stop(i->sb);
    return r;
}
/* What must count together. The rest (rights, owner, times) is changed before its own handle begins. */
static void keep_structure(struct ext2_inode *d) {
    d->i_mode &= S_IFMT;
    d->i_uid = d->i_gid = d->i_uid_high = d->i_gid_high = 0;
    d->i_atime = d->i_mtime = d->i_ctime = d->i_dtime = 0;
    if (S_ISCHR(d->i_mode) || S_ISBLK(d->i_mode)) /* two ways to write a number */
        d->i_block[0] = d->i_block[1] = 0;
}
void ext2_check_inode(struct inode *i) {
    struct ext2_sb *s = EXT2_SB(i->sb);
    u32 offset;
    if (!i->i_mode || !i->i_ino)
        return;
    struct page *p = find_get_page(&s->bdev->inode->i_data, inode_place(s, i->i_ino, &offset));
    if (p && page_test(p, PG_UPTODATE)) {
        struct ext2_inode now, disk;
        memcpy(&disk, (u8 *)page_address(p) + offset, EXT2_OLD_INODE);
        now = disk;
        now.i_extra_isize = 0;
        copy_inode(i, &now);
        keep_structure(&now);
        keep_structure(&disk);
        if (memcmp(&now, &disk, EXT2_OLD_INODE))
            panic("inode %lu is not as its page: mode %o links %u/%u size %u/%u blocks %u/%u flags %x/%x",
                  i->i_ino, i->i_mode, now.i_links_count, disk.i_links_count, now.i_size, disk.i_size,
                  now.i_blocks, disk.i_blocks, now.i_flags, disk.i_flags);
    }
    if (p)
        put_page(p);
}

/* s->lock held: one inode's bit, and the counts. */
static s64 take_inode(struct super_block *sb, bool dir, u32 parent_group) {
    struct ext2_sb *s = EXT2_SB(sb);
    for (u32 k = 0; k < s->groups; k++) {
        u32 g = (parent_group + k) % s->groups;
        struct page *gp, *bp;
        struct ext2_group *gd = ext2_group(s, g, &gp);
        if (!gd)
            return -EIO;
        if (!gd->bg_free_inodes_count || IS_ERR(bp = bread(s->bdev, gd->bg_inode_bitmap))) {
            put_page(gp);
            continue;
        }
        ext2_will_change(sb, bp);
        ext2_will_change(sb, gp);
        ext2_will_change(sb, s->super_page);
        s64 bit = take_bit(page_address(bp), s->inodes_per_group, g ? 0 : s->first_ino - 1, NULL, 0);
        u32 ino = g * s->inodes_per_group + bit + 1;
        if (bit < 0 || ino < s->first_ino) {
            put_page(bp);
            put_page(gp);
            ext2_error(sb, "free inodes promised and not there in group", g);
            return -EIO;
        }
        gd->bg_free_inodes_count--;
        gd->bg_used_dirs_count += dir;
        s->super->s_free_inodes_count--;
        ext2_dirty_put(sb, bp);
        ext2_dirty_put(sb, gp);
        journal_dirty(sb, s->super_page);
        return ino;
    }
    return -ENOSPC;
}
static void give_inode(struct super_block *sb, u32 ino, bool dir) {
    struct ext2_sb *s = EXT2_SB(sb);
    u32 g = (ino - 1) / s->inodes_per_group, bit = (ino - 1) % s->inodes_per_group;
    struct page *gp, *bp;
    mutex_lock(&s->lock);
    struct ext2_group *gd = ext2_group(s, g, &gp);
    if (gd && !IS_ERR(bp = bread(s->bdev, gd->bg_inode_bitmap))) {
        ext2_will_change(sb, bp);
        ext2_will_change(sb, gp);
        ext2_will_change(sb, s->super_page);
        ((u8 *)page_address(bp))[bit / 8] &= ~(1u << bit % 8);
        gd->bg_free_inodes_count++;
        gd->bg_used_dirs_count -= dir;
        s->super->s_free_inodes_count++;
        ext2_dirty_put(sb, bp);
        journal_dirty(sb, gp);
        journal_dirty(sb, s->super_page);
    }
    if (gd)
        put_page(gp);
    mutex_unlock(&s->lock);
}

struct inode *ext2_new_inode(struct inode *dir, u32 mode, u64 rdev) {
    struct super_block *sb = dir->sb;
    struct ext2_sb *s = EXT2_SB(sb);
    struct inode *i = new_inode(sb);
    if (!i)
        return ERR_PTR(-ENOMEM);
    mutex_lock(&s->lock);
    s64 ino = take_inode(sb, S_ISDIR(mode), (dir->i_ino - 1) / s->inodes_per_group);
    mutex_unlock(&s->lock);
    if (ino < 0) {
        iput(i);
        return ERR_PTR(ino);
    }
    i->i_ino = ino;
    journal_inode_data(i);
    inode_init_owner(i, dir, mode);
    i->i_rdev = rdev;
    /* Clear what an earlier file left in the disk inode. */
    struct page *p;
    struct ext2_inode *d = ext2_disk_inode(sb, ino, &p);
    if (d) {
        ext2_will_change(sb, p);
        memset(d, 0, s->inode_size);
        if (s->inode_size >= EXT2_OLD_INODE + 32)
            d->i_extra_isize = 32;
        else
            i->i_btime = (struct abi_timespec){0}; /* no room for it */
        ext2_dirty_put(sb, p);
    }
    set_ops(i);
    insert_inode_hash(i);
    mark_inode_dirty(i);
    return i;
}

/* The last use ended. No names left: the inode and its blocks are free. */
void ext2_evict(struct inode *i) {
    if (S_ISDIR(i->i_mode)) {
        kfree(i->private);
        i->private = NULL;
    }
    if (!i->i_ino || i->i_nlink || !i->i_mode || (i->sb->flags & MS_RDONLY)) {
        list_del_init(&i->orphan);
        return;
    }
    journal_start(i->sb);
    if (has_blocks(i)) {
        i->i_size = 0;
        free_in_handles(i, 0);
    }
    ext2_orphan_del(i);
    ext2_write_inode(i);
    ext2_set_dtime(i, current_time().tv_sec);
    give_inode(i->sb, i->i_ino, S_ISDIR(i->i_mode));
    journal_stop(i->sb);
}

/* fsync: data, the inode, then all metadata of the disk, then the disk's own cache. With a journal the data,
 * then what is in the running transaction. */
int ext2_fsync(struct file *f, bool datasync) {
    struct block_device *b = f->inode->sb->bdev;
    if (f->inode->sb->journaled) {
        writeback_mapping(&f->inode->i_data, true);
        if (datasync && journal_has_data(f->inode)) {
            int e = block_flush(b), r = file_check_error(f);
            return r ? r : e;
        }
        int e = journal_commit(f->inode->sb), r = file_check_error(f);
        return r ? r : e;
    }
    sync_inode(f->inode, true);
    int e = sync_inode(b->inode, true), k = block_flush(b), r = file_check_error(f);
    return r ? r : e ? e : k;
}
