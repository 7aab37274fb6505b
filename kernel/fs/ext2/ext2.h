/* The second extended file system: structures on the disk (little-endian) and in memory. */
#pragma once
#include "../../core/task.h"
#include "../../debug/debug.h"
#include "../fs.h"

struct ext2_super {
    u32 s_inodes_count, s_blocks_count, s_r_blocks_count, s_free_blocks_count, s_free_inodes_count,
        s_first_data_block, s_log_block_size, s_log_frag_size, s_blocks_per_group, s_frags_per_group,
        s_inodes_per_group, s_mtime, s_wtime;
    u16 s_mnt_count, s_max_mnt_count, s_magic, s_state, s_errors, s_minor_rev_level;
    u32 s_lastcheck, s_checkinterval, s_creator_os, s_rev_level;
    u16 s_def_resuid, s_def_resgid;
    u32 s_first_ino;
    u16 s_inode_size, s_block_group_nr;
    u32 s_feature_compat, s_feature_incompat, s_feature_ro_compat;
    u8 s_uuid[16];
    char s_volume_name[16], s_last_mounted[64];
    u32 s_algorithm_usage_bitmap;
    u8 s_prealloc_blocks, s_prealloc_dir_blocks;
    u16 s_padding1;
    u8 s_journal_uuid[16];
    u32 s_journal_inum, s_journal_dev, s_last_orphan;
};
_Static_assert(offsetof(struct ext2_super, s_last_orphan) == 0xe8, "on the disk");
#define COMPAT_HAS_JOURNAL 4u
#define EXT2_MAGIC 0xef53
#define EXT2_VALID_FS 1
#define EXT2_ROOT_INO 2
#define INCOMPAT_FILETYPE 2u
#define INCOMPAT_RECOVER 4u
#define RO_COMPAT_SPARSE_SUPER 1u
#define RO_COMPAT_LARGE_FILE 2u
#define EXT2_INDEX_FL 0x1000u
#define EXT2_BLOCK_SIZE 4096u
#define PTRS (EXT2_BLOCK_SIZE / 4)

struct ext2_group {
    u32 bg_block_bitmap, bg_inode_bitmap, bg_inode_table;
    u16 bg_free_blocks_count, bg_free_inodes_count, bg_used_dirs_count, bg_pad;
    u32 bg_reserved[3];
};
struct ext2_inode {
    u16 i_mode, i_uid;
    u32 i_size, i_atime, i_ctime, i_mtime, i_dtime;
    u16 i_gid, i_links_count;
    u32 i_blocks, i_flags, osd1, i_block[15], i_generation, i_file_acl, i_size_high, i_faddr;
    u16 osd2[2], i_uid_high, i_gid_high;
    u32 reserved;
    /* Where s_inode_size has room, so much of it that i_extra_isize says. */
    u16 i_extra_isize, i_checksum_high;
    u32 i_ctime_extra, i_mtime_extra, i_atime_extra; /* nanoseconds << 2, and two bits more of the seconds */
    u32 i_crtime, i_crtime_extra;
};
#define EXT2_OLD_INODE 128u
#define EXTRA_TIMES 16u /* the least i_extra_isize with these times; and with that of birth */
#define EXTRA_BIRTH 24u
struct ext2_dirent {
    u32 inode;
    u16 rec_len;
    u8 name_len, file_type;
    char name[];
};

struct ext2_sb {
    struct block_device *bdev;
    struct mutex lock; /* bitmaps, groups' and super block's counts, block pointers of all inodes */
    u32 groups, inode_size, first_ino;
    u32 blocks_count, inodes_count, blocks_per_group, inodes_per_group, first_data_block;
    struct page *super_page;
    struct ext2_super *super; /* in super_page */
    u32 next_block;           /* where to look first */
    struct journal *journal;  /* or NULL */
    struct list_head orphans; /* inodes in memory without a name, the first as on the disk: lock */
    u32 *inode_tables;        /* a group's: its first block */
    spinlock_t inode_lock; /* an inode is copied to its page: of two at a time the last copies the latest */
};
static inline struct ext2_sb *EXT2_SB(struct super_block *sb) { return sb->private; }

/* A group's descriptor; *page is to be put, and marked dirty if changed. */
struct ext2_group *ext2_group(struct ext2_sb *s, u32 g, struct page **page);
/* The disk block of a file's block; 0: a hole. create: allocate it (*fresh says so). -errno. */
s64 ext2_map(struct inode *inode, u64 index, bool create, bool *fresh);
struct inode *ext2_iget(struct super_block *sb, u32 ino);
struct inode *ext2_iget_reserved(struct super_block *sb, u32 ino); /* the journal's; or an orphan */
/* The inode has no name any more but is in use: if the power goes it is to be freed. In a handle. And after a
 * power cut: free those that the list on the disk names. */
void ext2_orphan_add(struct inode *inode);
void ext2_orphan_del(struct inode *inode);
void ext2_orphan_cleanup(struct super_block *sb);
/* What i_dtime says on the disk: the next orphan's number, or when the inode was freed. In a handle. */
void ext2_set_dtime(struct inode *inode, u32 value);
/* An inode on the disk; *page is to be put. NULL: there is none, or it cannot be read. */
struct ext2_inode *ext2_disk_inode(struct super_block *sb, u32 ino, struct page **page);
/* Bits of a map. */
static inline void change_bits(u8 *map, u32 from, u32 n, bool set) {
    for (u32 i = from; i < from + n; i++)
        if (!(i % 8) && i + 8 <= from + n)
            map[i / 8] = set ? 0xff : 0, i += 7;
        else
            map[i / 8] = (map[i / 8] & ~(1u << i % 8)) | (u32)set << i % 8;
}
/* Free the file's blocks from that one on, and what is below them. In a handle; where it needs more than one
 * the caller's ends in between, and the inode is an orphan as long. */
void ext2_free_blocks_from(struct inode *inode, u64 first);
struct inode *ext2_new_inode(struct inode *dir, u32 mode, u64 rdev);
int ext2_truncate(struct inode *inode, loff_t size);
s64 ext2_next_block(struct inode *inode, u64 index, bool data); /* see inode_operations */
/* Copy the inode to its page, in a handle. 0, or -EIO: it cannot be read. */
int ext2_write_inode(struct inode *inode);
/* Checked build, while no handle is open: the inode is as its page says, where that is in memory. */
void ext2_check_inode(struct inode *inode);
int ext2_fsync(struct file *f, bool datasync);
void ext2_error(struct super_block *sb, const char *what, u64 number);
bool ext2_valid_block(struct ext2_sb *s, u64 b); /* b may hold a file's data */
void ext2_evict(struct inode *i);                /* the last use of an inode in memory ends */

/* dirfilter.c; the directory's lock is held. May block n have a name with that hash? What a block, whose
 * records are sound, has; and a name that came. An upper bound of the length of a record that finds room in
 * block n. */
u32 dir_hash(const char *name, u32 len);
bool dir_may_have(struct inode *dir, u64 n, u32 hash);
void dir_learn(struct inode *dir, u64 n, const void *block);
void dir_added(struct inode *dir, u64 n, u32 hash);
u32 dir_room(struct inode *dir, u64 n);
void dir_set_room(struct inode *dir, u64 n, u32 room);

extern const struct inode_operations ext2_dir_iops, ext2_file_iops, ext2_link_iops;
extern const struct file_operations ext2_dir_fops, ext2_file_fops;
