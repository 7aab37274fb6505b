/* Inodes without a name that are still in use: a list on the disk, from s_last_orphan through i_dtime, so
 * that they are freed after a power cut. The same list in memory, in the same order, is under the file
 * system's lock. */
#include "journal.h"
#include <abi/errno.h>

static u32 next_orphan(struct inode *i) {
    struct list_head *n = i->orphan.next;
    return n == &EXT2_SB(i->sb)->orphans ? 0 : container_of(n, struct inode, orphan)->i_ino;
}
void ext2_set_dtime(struct inode *i, u32 value) {
    struct page *p;
    struct ext2_inode *d = ext2_disk_inode(i->sb, i->i_ino, &p);
    if (d) {
        ext2_will_change(i->sb, p);
        d->i_dtime = value;
        ext2_dirty_put(i->sb, p);
    }
}
/* lock held: the list on the disk says what follows i, or what is first (NULL). */
static void write_orphan_link(struct super_block *sb, struct inode *i, u32 next) {
    if (i) {
        ext2_set_dtime(i, next);
        return;
    }
    ext2_will_change(sb, EXT2_SB(sb)->super_page);
    EXT2_SB(sb)->super->s_last_orphan = next;
    journal_dirty(sb, EXT2_SB(sb)->super_page);
}
void ext2_orphan_add(struct inode *i) {
    struct ext2_sb *s = EXT2_SB(i->sb);
    if (!s->journal || !list_empty(&i->orphan))
        return;
    mutex_lock(&s->lock);
    list_add(&i->orphan, &s->orphans);
    write_orphan_link(i->sb, i, next_orphan(i));
    write_orphan_link(i->sb, NULL, i->i_ino);
    mutex_unlock(&s->lock);
}
void ext2_orphan_del(struct inode *i) {
    struct ext2_sb *s = EXT2_SB(i->sb);
    if (list_empty(&i->orphan))
        return;
    mutex_lock(&s->lock);
    u32 next = next_orphan(i);
    struct inode *before =
        i->orphan.prev == &s->orphans ? NULL : container_of(i->orphan.prev, struct inode, orphan);
    list_del_init(&i->orphan);
    write_orphan_link(i->sb, before, next);
    write_orphan_link(i->sb, i, 0);
    mutex_unlock(&s->lock);
}
void ext2_orphan_cleanup(struct super_block *sb) {
    struct ext2_sb *s = EXT2_SB(sb);
    struct page *p;
    u32 n = 0;
    for (u32 ino = s->super->s_last_orphan; ino;) {
        struct inode *i = ino < s->first_ino ? ERR_PTR(-EUCLEAN) : ext2_iget_reserved(sb, ino);
        struct ext2_inode *d = IS_ERR(i) ? NULL : ext2_disk_inode(sb, ino, &p);
        if (!d || !list_empty(&i->orphan) || n++ > s->inodes_count) {
            if (d)
                put_page(p);
            if (!IS_ERR(i) && list_empty(&i->orphan))
                iput(i);
            ext2_error(sb, "the list of inodes without a name is wrong at inode", ino);
            break;
        }
        list_add_tail(&i->orphan, &s->orphans);
        ino = d->i_dtime;
        put_page(p);
    }
    while (!list_empty(&s->orphans)) {
        struct inode *i = list_first_entry(&s->orphans, struct inode, orphan);
        if (i->i_nlink && !(sb->flags & MS_RDONLY)) { /* a truncation that did not come to its end */
            journal_start(sb);
            ext2_free_blocks_from(i, DIV_ROUND_UP((u64)i->i_size, PAGE_SIZE));
            ext2_orphan_del(i);
            journal_stop(sb);
        }
        if (sb->flags & MS_RDONLY)
            list_del_init(&i->orphan);
        iput(i); /* without a name: it is free then */
    }
    if (n)
        printk("ext2: %s: %u files without a name are gone\n", sb->bdev->name, n);
}
