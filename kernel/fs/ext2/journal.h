/* The journal of ext3: changes of metadata reach their places on the disk only after all that belongs
 * together is in the log, so that a power cut leaves all of it or nothing (journal.c). Log and recovery are
 * in jbd2's format (recovery.c).
 *
 * Lock order: a handle, then the file system's lock, then pages. Nobody begins a handle with a page locked.
 */
#pragma once
#include "ext2.h"

#define JBD2_MAGIC 0xc03b3998u
#define JBD2_DESCRIPTOR 1u
#define JBD2_COMMIT 2u
#define JBD2_SUPER_V1 3u
#define JBD2_SUPER_V2 4u
#define JBD2_REVOKE 5u
#define JBD2_FLAG_ESCAPE 1u
#define JBD2_FLAG_SAME_UUID 2u
#define JBD2_FLAG_LAST 8u
#define JBD2_INCOMPAT_REVOKE 1u
#define JBD2_INCOMPAT_64BIT 2u
#define JBD2_INCOMPAT_CSUM_V2 8u
#define JBD2_INCOMPAT_CSUM_V3 16u
#define JBD2_CRC32C 4u

struct be32 { /* the format's numbers have their most significant byte first */
    u32 raw;
} __packed;
static inline u32 be32_get(struct be32 v) { return __builtin_bswap32(v.raw); }
static inline struct be32 be32_of(u32 v) { return (struct be32){__builtin_bswap32(v)}; }

struct jbd2_header {
    struct be32 magic, type, sequence;
};
struct jbd2_super {
    struct jbd2_header h;
    struct be32 blocksize, maxlen, first; /* blocks of the log; the first usable one */
    struct be32 sequence, start;          /* of the first transaction that is not in place; 0: none is */
    struct be32 error;
    struct be32 feature_compat, feature_incompat, feature_ro_compat; /* version 2 */
    u8 uuid[16];
    struct be32 users;
    u8 more[12];
    u8 checksum_type; /* JBD2_CRC32C, if the log has checksums */
    u8 unused[171];
    struct be32 checksum; /* of these 1,024 bytes, itself 0 */
    u8 rest[768];
};
_Static_assert(sizeof(struct jbd2_super) == 1024 && offsetof(struct jbd2_super, checksum) == 0xfc,
               "on the disk");
/* A tag is 8 bytes, or with the features CSUM_V2 and 64BIT 10, 12 or 14, with CSUM_V3 16; the first in a
 * descriptor is followed by the journal's uuid. */
struct jbd2_tag {
    struct be32 block;
    u16 checksum, flags; /* big-endian; with CSUM_V3 `flags` is the lower half of 32 bits */
    struct be32 block_high;
    struct be32 checksum3; /* CSUM_V3 */
};
struct jbd2_commit {
    struct jbd2_header h;
    u8 checksum_type, checksum_size, unused[2];
    struct be32 checksum[8];
    struct be32 seconds_high, seconds, nanoseconds;
};
struct jbd2_revoke {
    struct jbd2_header h;
    struct be32 bytes; /* used, with this head */
    struct be32 block[];
};

#define FREED_BITS 32768u
/* A transaction: what handles have changed together. */
struct transaction {
    u32 tid;
    struct list_head pages; /* struct changed_page */
    u32 nr_pages;
    struct radix_tree revoked; /* blocks that are not metadata any more: what older transactions say of them
                                  is void */
    struct radix_tree freed; /* blocks that nobody may have before this is on the disk: maps of FREED_BITS */
};
struct journal {
    struct super_block *sb;
    struct inode *inode; /* where the log is */
    struct page *super_page;
    struct jbd2_super *super;
    u32 checksums; /* 0, or the version: 2, 3 */
    u32 seed;      /* of those: the uuid's */
    u32 tag_size, revoke_size;
    u32 first, end, head, tail; /* blocks of the log: [first, end) in a circle; the next to write; the oldest
                                   that is needed */
    struct mutex commit_mutex;  /* one commit at a time: head, tail, committing; inodes with data */
    spinlock_t lock;            /* all that follows, and PG_JOURNAL */
    u32 handles;
    bool shut; /* no new handle: a commit takes the transaction over */
    struct wait_queue_head wait;
    struct transaction running, committing;
    u32 committed; /* the last tid that is on the disk */
    bool aborted;  /* the log could not be written */
};

void journal_init(void); /* boot */
/* Open the journal of a file system that has one, and if it was not put away recover what is in the log. 0,
 * or -errno with a line that says why. */
int journal_open(struct super_block *sb);
int journal_recover(struct journal *j);
/* From now on changes are logged. And everything in place, the log empty. 0 or -EIO. */
int journal_begin(struct super_block *sb);
int journal_end(struct super_block *sb);
void journal_close(struct super_block *sb);

/* A handle: what is changed between the two goes to the disk as a whole, and so it does with what else the
 * task changes inside another. Nothing where there is no journal. May sleep. */
void __journal_start(struct super_block *sb);
void __journal_stop(struct super_block *sb);
static inline void journal_start(struct super_block *sb) {
    if (!sb->journaled)
        return;
    DEBUG_ON(current->journal_depth && current->journal_sb != sb);
    if (!current->journal_depth++) {
        current->journal_sb = sb;
        __journal_start(sb);
    }
}
static inline void journal_stop(struct super_block *sb) {
    if (current->journal_depth && !--current->journal_depth)
        __journal_stop(sb);
}
/* The handle has changed so much that, if what follows need not count together with it, it should end. */
static inline bool journal_long(struct super_block *sb) {
    return sb->journaled && current->journal_depth == 1 && current->journal_pages >= 20;
}
/* A page with metadata is about to change, which lies at that block; it is not locked, or `locked`. May
 * sleep. */
void __journal_access(struct super_block *sb, struct page *p, u64 block, bool locked);
static inline void journal_access(struct super_block *sb, struct page *p, u64 block, bool locked) {
    if (sb->journaled && !page_test(p, PG_JOURNAL))
        __journal_access(sb, p, block, locked);
}
/* The change is made. */
static inline void journal_dirty(struct super_block *sb, struct page *p) {
    if (!sb->journaled) {
        set_page_dirty(p);
        return;
    }
    DEBUG_ON(!current->journal_depth || !page_test(p, PG_JOURNAL)); /* it is in our handle's transaction */
    if (!page_test(p, PG_UPTODATE))
        page_set(p, PG_UPTODATE);
}
/* The same for a page of the device's cache; and it is put. */
static inline void ext2_will_change(struct super_block *sb, struct page *p) {
    journal_access(sb, p, p->index, false);
}
static inline void ext2_dirty_put(struct super_block *sb, struct page *p) {
    journal_dirty(sb, p);
    put_page(p);
}
/* In a handle: is the inode's page in the transaction, and i->disk where it is in that? Now it is, at d. (The
 * transaction holds the page; it cannot end before the handle does.) */
static inline bool journal_has_inode(const struct inode *i) {
    return i->sb->journaled && smp_load_acquire(&i->journal_tid) == EXT2_SB(i->sb)->journal->running.tid;
}
static inline void journal_inode_joins(struct inode *i, void *d) {
    if (i->sb->journaled) {
        i->disk = d;
        smp_store_release(&i->journal_tid, EXT2_SB(i->sb)->journal->running.tid);
    }
}
/* A change is in memory that cannot get into the transaction: no transaction may end any more. Read-only. */
void journal_lost(struct super_block *sb, const char *what, u64 number);
/* What is needed to find the inode's data has changed: fdatasync waits for this transaction. In a handle. */
void journal_inode_data(struct inode *inode);
bool journal_has_data(struct inode *inode); /* it is on the disk already */
/* n blocks are free; metadata: what was logged for them is void. And may one be taken? */
void journal_freed(struct super_block *sb, u64 block, u32 n, bool metadata);
bool __journal_may_take(struct super_block *sb, u64 block);
static inline bool journal_may_take(struct super_block *sb, u64 block) {
    const struct journal *j = EXT2_SB(sb)->journal;
    return !sb->journaled || !(READ_ONCE(j->running.freed.count) || READ_ONCE(j->committing.freed.count)) ||
           __journal_may_take(sb, block);
}
/* ENOSPC: do others' blocks become free when the transaction ends? Then it has ended: try again. No handle is
 * held. */
bool journal_more_space(struct super_block *sb);
/* All that was changed before is on the disk: 0, -EIO, -EROFS. No handle, page or lock is held. */
int journal_commit(struct super_block *sb);
/* A block of the log: its checksum, if there are any, from what is before it; that is the last 4 bytes of a
 * descriptor or a block of revokes (`at`: 4092), and within a commit block. And of block `data`, for its tag.
 */
u32 journal_block_checksum(const struct journal *j, void *block, u32 at);
u32 journal_data_checksum(const struct journal *j, const void *data, u32 tid);
static inline u32 journal_tail(const struct journal *j) { return j->checksums ? 4 : 0; } /* bytes of it */
/* The disk block of a block of the log. -EIO: it has none. */
s64 journal_block(struct journal *j, u32 block);
int journal_write_super(struct journal *j, u32 sequence, u32 start);
