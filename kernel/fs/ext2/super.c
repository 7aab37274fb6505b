/* ext2: the super block and the group descriptors; mount, sync, statfs. */
#include "journal.h"

static int statfs(struct super_block *sb, struct statfs *st) {
    struct ext2_super *d = EXT2_SB(sb)->super;
    st->f_type = EXT2_MAGIC;
    st->f_blocks = d->s_blocks_count;
    st->f_bfree = d->s_free_blocks_count;
    st->f_bavail = st->f_bfree > d->s_r_blocks_count ? st->f_bfree - d->s_r_blocks_count : 0;
    st->f_files = d->s_inodes_count;
    st->f_ffree = d->s_free_inodes_count;
    return 0;
}
static int sync_fs(struct super_block *sb) {
    if (sb->journaled)
        return journal_commit(sb);
    int r = sync_inode(sb->bdev->inode, true), e = block_flush(sb->bdev);
    return r ? r : e;
}
/* It is being written to, or is put away: without a journal its state says so, with one the feature. */
static int set_state(struct super_block *sb, bool clean) {
    struct ext2_sb *s = EXT2_SB(sb);
    if (s->journal)
        s->super->s_feature_incompat = clean ? s->super->s_feature_incompat & ~INCOMPAT_RECOVER
                                             : s->super->s_feature_incompat | INCOMPAT_RECOVER;
    else
        s->super->s_state = clean ? s->super->s_state | EXT2_VALID_FS : s->super->s_state & ~EXT2_VALID_FS;
    s->super->s_wtime = current_time().tv_sec;
    set_page_dirty(s->super_page);
    int r = sync_inode(sb->bdev->inode, true), e = block_flush(sb->bdev);
    return r ? r : e;
}
/* Writing begins: 0 or -EIO. */
static int begin(struct super_block *sb) {
    int r = set_state(sb, false);
    if (r || !EXT2_SB(sb)->journal)
        return r;
    return journal_begin(sb);
}
static int end(struct super_block *sb) {
    int r = journal_end(sb);
    return r ? r : set_state(sb, true);
}
static int remount(struct super_block *sb, u32 flags) {
    bool ro = flags & MS_RDONLY, was = sb->flags & MS_RDONLY;
    if (!ro && sb->bdev->read_only)
        return -EROFS;
    int r = 0;
    if (ro && !was) {
        sb_sync(sb);
        sb->flags |= MS_RDONLY; /* nobody begins to write from now on */
        r = end(sb);
    } else if (!ro && was) {
        if (EXT2_SB(sb)->journal && EXT2_SB(sb)->journal->aborted)
            return -EROFS;
        r = begin(sb);
    }
    if (!r)
        sb->flags = flags & MS_RDONLY;
    return r;
}
static void put_super(struct super_block *sb) {
    if (!(sb->flags & MS_RDONLY))
        remount(sb, MS_RDONLY);
    journal_close(sb);
    put_page(EXT2_SB(sb)->super_page);
    kfree(EXT2_SB(sb)->inode_tables);
    kfree(sb->private);
    block_invalidate(sb->bdev);
}
static void dirty_inode(struct inode *i) { ext2_write_inode(i); }
static const struct super_operations sops = {.write_inode = ext2_write_inode,
                                             .evict_inode = ext2_evict,
                                             .dirty_inode = dirty_inode,
                                             .statfs = statfs,
                                             .sync_fs = sync_fs,
                                             .put_super = put_super,
                                             .remount = remount};

static const char *check_super(const struct ext2_super *d, u64 device_blocks) {
    if (d->s_magic != EXT2_MAGIC)
        return "not an ext2 file system";
    if (d->s_log_block_size != 2)
        return "the block size is not 4096 (make it with mke2fs -b 4096)";
    if (d->s_feature_incompat & ~(INCOMPAT_FILETYPE | INCOMPAT_RECOVER))
        return "it uses features that tine does not know (make it with mke2fs -t ext3 or ext2)";
    if ((d->s_feature_compat & COMPAT_HAS_JOURNAL) && (!d->s_journal_inum || d->s_journal_dev))
        return "its journal is on another device";
    if ((d->s_feature_incompat & INCOMPAT_RECOVER) && !(d->s_feature_compat & COMPAT_HAS_JOURNAL))
        return "it is to be recovered and has no journal (run e2fsck)";
    if (!d->s_blocks_count || d->s_blocks_count > device_blocks)
        return "it claims to be larger than its disk";
    if (!d->s_blocks_per_group || d->s_blocks_per_group > EXT2_BLOCK_SIZE * 8 || !d->s_inodes_per_group ||
        d->s_inodes_per_group > EXT2_BLOCK_SIZE * 8 || d->s_first_data_block)
        return "its group sizes make no sense";
    u32 size = d->s_rev_level ? d->s_inode_size : 128;
    if (size < 128 || size > EXT2_BLOCK_SIZE || (size & (size - 1)))
        return "its inode size makes no sense";
    u64 groups = DIV_ROUND_UP((u64)d->s_blocks_count, d->s_blocks_per_group);
    if (d->s_inodes_count != groups * d->s_inodes_per_group || d->s_free_blocks_count > d->s_blocks_count ||
        d->s_free_inodes_count > d->s_inodes_count ||
        (d->s_rev_level && (d->s_first_ino < 11 || d->s_first_ino > d->s_inodes_per_group)))
        return "its counts make no sense";
    return NULL;
}

static int fill_super(struct super_block *sb, const char *options) {
    (void)options;
    struct block_device *b = sb->bdev;
    block_invalidate(b);
    struct page *p = bread(b, 0);
    if (IS_ERR(p)) {
        printk(KERN_ERR "ext2: %s cannot be read\n", b->name);
        return PTR_ERR(p);
    }
    struct ext2_super *d = (void *)((u8 *)page_address(p) + 1024);
    const char *wrong = check_super(d, b->sectors / 8);
    struct ext2_sb *s = wrong ? NULL : kzalloc(sizeof(*s), GFP_KERNEL);
    if (!s) {
        if (wrong)
            printk(KERN_ERR "ext2: %s: %s\n", b->name, wrong);
        put_page(p);
        return wrong ? -EINVAL : -ENOMEM;
    }
    *s = (struct ext2_sb){.bdev = b,
                          .super_page = p,
                          .super = d,
                          .inode_size = d->s_rev_level ? d->s_inode_size : 128,
                          .first_ino = d->s_rev_level ? d->s_first_ino : 11,
                          .blocks_count = d->s_blocks_count,
                          .inodes_count = d->s_inodes_count,
                          .blocks_per_group = d->s_blocks_per_group,
                          .inodes_per_group = d->s_inodes_per_group};
    s->groups = DIV_ROUND_UP(s->blocks_count, s->blocks_per_group);
    s->inode_tables = kmalloc(s->groups * sizeof(u32), GFP_KERNEL);
    mutex_init(&s->lock);
    spin_lock_init(&s->inode_lock, RANK_OBJECT);
    INIT_LIST_HEAD(&s->orphans);
    sb->private = s;
    sb->ops = &sops;
    sb->max_bytes = 1UL << 41; /* i_blocks, which counts in 512 bytes, cannot say more */
    if (b->read_only || (d->s_feature_ro_compat & ~(RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE)))
        sb->flags |= MS_RDONLY;
    int r = s->inode_tables ? 0 : -ENOMEM;
    for (u32 g = 0; !r && g < s->groups; g++) {
        struct page *gp;
        struct ext2_group *gd = ext2_group(s, g, &gp);
        if (!gd)
            r = -EIO;
        else {
            if (!ext2_valid_block(s, gd->bg_block_bitmap) || !ext2_valid_block(s, gd->bg_inode_bitmap) ||
                !ext2_valid_block(s, gd->bg_inode_table) ||
                (u64)gd->bg_inode_table + (u64)s->inodes_per_group * s->inode_size / EXT2_BLOCK_SIZE >
                    s->blocks_count) {
                printk(KERN_ERR "ext2: %s: group %u has its tables outside the disk\n", b->name, g);
                r = -EUCLEAN;
            }
            s->inode_tables[g] = gd->bg_inode_table;
            put_page(gp);
        }
    }
    if (!r && (d->s_feature_compat & COMPAT_HAS_JOURNAL)) {
        bool dirty = d->s_feature_incompat & INCOMPAT_RECOVER;
        if (dirty && b->read_only) {
            printk(KERN_ERR "ext2: %s: its journal is to be recovered, and the disk cannot be written to\n",
                   b->name);
            r = -EROFS;
        } else if (!(r = journal_open(sb)) && dirty && (wrong = check_super(d, b->sectors / 8))) {
            printk(KERN_ERR "ext2: %s: after recovery %s\n", b->name, wrong);
            r = -EUCLEAN;
        }
    }
    struct inode *root = r ? ERR_PTR(r) : ext2_iget(sb, EXT2_ROOT_INO);
    if (IS_ERR(root) || !S_ISDIR(root->i_mode) || !(sb->root = d_alloc_root(root))) {
        printk(KERN_ERR "ext2: %s: the root directory cannot be read\n", b->name);
        if (!IS_ERR(root))
            iput(root);
        journal_close(sb);
        put_page(p);
        kfree(s->inode_tables);
        kfree(s);
        return IS_ERR(root) ? PTR_ERR(root) : -EUCLEAN;
    }
    if (!(d->s_state & EXT2_VALID_FS))
        printk(KERN_ERR "ext2: %s was not unmounted cleanly: run e2fsck\n", b->name);
    if ((sb->flags & MS_RDONLY) || begin(sb)) {
        sb->flags |= MS_RDONLY;
        if (!b->read_only && s->journal) /* what the log had is in place */
            set_state(sb, true);
    } else if (s->journal) {
        ext2_orphan_cleanup(sb);
    }
    return 0;
}
/* One implementation: ext3 is what has a journal. */
static const struct file_system_type ext2 = {"ext2", false, fill_super, false},
                                     ext3 = {"ext3", false, fill_super, false};
void ext2_init(void) {
    journal_init();
    register_filesystem(&ext2);
    register_filesystem(&ext3);
}
