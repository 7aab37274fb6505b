/* What is in the blocks of a large directory, roughly, so that most need not be looked at: for each block a
 * Bloom filter of its names (a set bit for each of two hashes), and an upper bound of the room in it. In
 * memory only, learned when a block is gone through, and never wrong but in one direction: what it excludes
 * is not there. A name that goes leaves its bits; a block that was looked at in vain is learned again. A
 * directory's lock guards its filters. */
#include "ext2.h"
#include <abi/errno.h>

#define FEW 4 /* blocks: not worth it */
#define BITS 2048u

struct dir_filter {
    u64 names[BITS / 64];
    u16 room;
    bool known;
};
struct dir_filters {
    u64 blocks;
    struct dir_filter block[];
};

u32 dir_hash(const char *name, u32 len) {
    u32 h = 0x811c9dc5u;
    for (u32 i = 0; i < len; i++)
        h = (h ^ (u8)name[i]) * 0x01000193u;
    return h ^ h >> 15;
}
static void set(struct dir_filter *f, u32 h) {
    f->names[h % BITS / 64] |= BIT(h % 64);
    h = h >> 11;
    f->names[h % BITS / 64] |= BIT(h % 64);
}
static bool has(const struct dir_filter *f, u32 h) {
    u32 k = h >> 11;
    return (f->names[h % BITS / 64] & BIT(h % 64)) && (f->names[k % BITS / 64] & BIT(k % 64));
}

static struct dir_filter *filter(struct inode *dir, u64 n) {
    u64 blocks = dir->i_size >> PAGE_SHIFT;
    struct dir_filters *d = dir->private;
    if (blocks <= FEW)
        return NULL;
    if (!d || d->blocks <= n) {
        u64 room = blocks + blocks / 2;
        struct dir_filters *more = kmalloc(sizeof(*d) + room * sizeof(d->block[0]), GFP_KERNEL);
        if (!more) /* none, or the directory is enormous: then all blocks are looked at */
            return NULL;
        u64 have = d ? d->blocks : 0;
        memcpy(more->block, d ? d->block : NULL, have * sizeof(d->block[0]));
        for (u64 i = have; i < room; i++)
            more->block[i].known = false, more->block[i].room = EXT2_BLOCK_SIZE;
        more->blocks = room;
        kfree(d);
        dir->private = d = more;
    }
    return &d->block[n];
}

bool dir_may_have(struct inode *dir, u64 n, u32 hash) {
    struct dir_filter *f = filter(dir, n);
    return !f || !f->known || has(f, hash);
}
void dir_learn(struct inode *dir, u64 n, const void *block) {
    struct dir_filter *f = filter(dir, n);
    if (!f)
        return;
    memset(f->names, 0, sizeof(f->names));
    for (u32 off = 0; off < EXT2_BLOCK_SIZE;) {
        const struct ext2_dirent *e = (const void *)((const u8 *)block + off);
        if (e->inode)
            set(f, dir_hash(e->name, e->name_len));
        off += e->rec_len;
    }
    f->known = true;
}
void dir_added(struct inode *dir, u64 n, u32 hash) {
    struct dir_filter *f = filter(dir, n);
    if (f)
        set(f, hash);
}
u32 dir_room(struct inode *dir, u64 n) {
    struct dir_filter *f = filter(dir, n);
    return f ? f->room : EXT2_BLOCK_SIZE;
}
void dir_set_room(struct inode *dir, u64 n, u32 room) {
    struct dir_filter *f = filter(dir, n);
    if (f)
        f->room = room;
}
