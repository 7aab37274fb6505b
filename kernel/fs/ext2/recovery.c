/* Recovery: what is in the log of a journal and not yet in its place, by jbd2's rules. Transactions follow
 * each other in the log by number; the last that counts is the last with its commit block. First it is found
 * where that is, then which blocks were revoked, and last everything else is copied to its place. Whatever is
 * not as it should be ends the log: nothing in it can lead out of it, or out of the disk. */
#include "journal.h"
#include <abi/errno.h>

enum pass { SCAN, REVOKE, REPLAY };
struct recovery {
    struct journal *j;
    u32 first_tid, end_tid;    /* [first, end) count */
    struct radix_tree revoked; /* block to the last tid that revoked it, and one */
    u32 replayed, skipped;
};
static u32 wrap(const struct journal *j, u32 block) {
    return block < j->end ? block : block - j->end + j->first;
}
static struct page *read_log(struct journal *j, u32 block) {
    s64 b = journal_block(j, block);
    return b < 0 ? ERR_PTR(b) : bread(j->sb->bdev, b);
}

/* One block of the log to its place. */
static int put_in_place(struct recovery *r, u32 from, u32 tid, const struct jbd2_tag *tag) {
    u32 block = be32_get(tag->block);
    bool escaped = __builtin_bswap16(tag->flags) & JBD2_FLAG_ESCAPE;
    struct journal *j = r->j;
    if (block >= EXT2_SB(j->sb)->blocks_count) {
        printk(KERN_ERR "ext2: %s: the journal has a block out of range: %u\n", j->sb->bdev->name, block);
        return -EUCLEAN;
    }
    struct page *p = read_log(j, from);
    if (IS_ERR(p))
        return PTR_ERR(p);
    u32 sum = j->checksums ? journal_data_checksum(j, page_address(p), tid) : 0;
    if (j->checksums == 3 ? be32_get(tag->checksum3) != sum
                          : j->checksums && __builtin_bswap16(tag->checksum) != (u16)sum) {
        printk(KERN_ERR "ext2: %s: the journal's copy of block %u is damaged\n", j->sb->bdev->name, block);
        put_page(p);
        return -EUCLEAN;
    }
    struct page *to = grab_page(&j->sb->bdev->inode->i_data, block);
    if (to) {
        wait_on_page(to, PG_WRITEBACK);
        memcpy(page_address(to), page_address(p), EXT2_BLOCK_SIZE);
        if (escaped)
            *(u32 *)page_address(to) = __builtin_bswap32(JBD2_MAGIC);
        set_page_dirty(to);
        unlock_page(to);
        put_page(to);
        r->replayed++;
    }
    put_page(p);
    return to ? 0 : -ENOMEM;
}
/* The blocks that a descriptor describes lie behind it: how many, or -errno. */
static int descriptor(struct recovery *r, struct page *p, u32 at, u32 tid, enum pass pass) {
    const u8 *b = page_address(p);
    u32 off = sizeof(struct jbd2_header);
    int n = 0;
    while (off + r->j->tag_size + journal_tail(r->j) <= EXT2_BLOCK_SIZE) {
        const struct jbd2_tag *tag = (const void *)(b + off);
        u32 flags = __builtin_bswap16(tag->flags), block = be32_get(tag->block);
        bool high = r->j->tag_size >= 12 && r->j->checksums != 2 && be32_get(tag->block_high);
        if (++n > (int)(r->j->end - r->j->first) || high)
            return -EUCLEAN;
        if (pass == REPLAY) {
            u64 by = (u64)radix_lookup(&r->revoked, block);
            int e = by && (s32)(by - 1 - tid) >= 0 ? (r->skipped++, 0)
                                                   : put_in_place(r, wrap(r->j, at + n), tid, tag);
            if (e)
                return e;
        }
        off += r->j->tag_size + (flags & JBD2_FLAG_SAME_UUID ? 0 : 16);
        if (flags & JBD2_FLAG_LAST)
            break;
    }
    return n;
}
static int revoke(struct recovery *r, struct page *p, u32 tid) {
    const struct jbd2_revoke *v = page_address(p);
    u32 bytes = be32_get(v->bytes), words = r->j->revoke_size / 4;
    if (bytes > EXT2_BLOCK_SIZE - journal_tail(r->j) || bytes < sizeof(*v))
        return -EUCLEAN;
    for (u32 i = 0; i < (bytes - sizeof(*v)) / 4 / words; i++) {
        u32 block = be32_get(v->block[i * words + words - 1]);
        radix_delete(&r->revoked, block); /* passes go by number: this is the later one */
        if (radix_insert(&r->revoked, block, (void *)((u64)tid + 1)))
            return -ENOMEM;
    }
    return 0;
}
/* Its checksum is right, if it has one. */
static bool sound(const struct journal *j, void *block, u32 type) {
    u32 at = type == JBD2_COMMIT ? offsetof(struct jbd2_commit, checksum) : EXT2_BLOCK_SIZE - 4;
    return !j->checksums ||
           be32_get(*(struct be32 *)((u8 *)block + at)) == journal_block_checksum(j, block, at);
}
static int go_through(struct recovery *r, enum pass pass) {
    struct journal *j = r->j;
    u32 at = be32_get(j->super->start), tid = r->first_tid, seen = 0;
    while (pass == SCAN || tid != r->end_tid) {
        struct page *p = read_log(j, at);
        if (IS_ERR(p))
            return pass == SCAN ? 0 : PTR_ERR(p);
        const struct jbd2_header *h = page_address(p);
        u32 type = be32_get(h->type);
        int n = be32_get(h->magic) != JBD2_MAGIC || be32_get(h->sequence) != tid ||
                        !sound(j, page_address(p), type)
                    ? -1
                : type == JBD2_DESCRIPTOR ? descriptor(r, p, at, tid, pass)
                : type == JBD2_REVOKE     ? (pass == REVOKE ? revoke(r, p, tid) : 0)
                : type == JBD2_COMMIT     ? 0
                                          : -1;
        put_page(p);
        if (n < 0)
            return pass == SCAN ? 0 : n;
        if (type == JBD2_COMMIT) {
            tid++;
            if (pass == SCAN)
                r->end_tid = tid;
        }
        at = wrap(j, at + n + 1);
        if ((seen += n + 1) > j->end - j->first) /* around once */
            return pass == SCAN ? 0 : -EUCLEAN;
    }
    return 0;
}

int journal_recover(struct journal *j) {
    struct super_block *sb = j->sb;
    struct recovery r = {.j = j, .first_tid = be32_get(j->super->sequence)};
    r.end_tid = r.first_tid;
    int e = go_through(&r, SCAN);
    if (!e)
        e = go_through(&r, REVOKE);
    if (!e)
        e = go_through(&r, REPLAY);
    u64 i = 0;
    while (radix_next(&r.revoked, &i))
        radix_delete(&r.revoked, i);
    radix_destroy(&r.revoked);
    if (!e && (e = sync_inode(sb->bdev->inode, true)) == 0 && (e = block_flush(sb->bdev)) == 0)
        e = journal_write_super(j, r.end_tid + 1, 0);
    if (e)
        printk(KERN_ERR "ext2: %s: its journal cannot be recovered: error %d (run e2fsck)\n", sb->bdev->name, -e);
    else
        printk("ext2: %s: recovered %u transactions: %u blocks, %u revoked\n", sb->bdev->name,
               r.end_tid - r.first_tid, r.replayed, r.skipped);
    return e ? -EUCLEAN : 0;
}
