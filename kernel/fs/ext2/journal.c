/* The journal: handles, transactions, commit, checkpoint; see journal.h.
 *
 * A page of metadata that is changed joins the running transaction (PG_JOURNAL) and is not written to its
 * place as long as it is in it. An inode that is changed is copied to its page by the same handle, after the
 * change (mark_inode_dirty): while no handle is open each inode is as its page says. A commit
 *   1. writes the data of the inodes that are dirty, so that no block of a file shows what another left
 * there,
 *   2. waits until no handle is open, and lets none begin,
 *   3. writes what data came meanwhile,
 *   4. copies the transaction's pages to the log's, which are pages of the device's cache, and opens the next
 * one,
 *   5. writes the log, and when all of it is on the disk, the commit block,
 * after which the pages are dirty as any, and find to their places in time. When the log is nearly full, a
 * commit keeps handles out until all is in its place (checkpoint), and the log is empty. */
#include "journal.h"
#include <abi/errno.h>

static struct kmem_cache *changed_cache;
struct changed_page {
    struct list_head link;
    struct page *page; /* counted */
    u64 block;
    struct inode *inode; /* a directory, counted: its pages stay until they are dirty; or NULL */
};

static struct journal *journal_of(struct super_block *sb) { return EXT2_SB(sb)->journal; }

static void txn_init(struct transaction *t, u32 tid) {
    *t = (struct transaction){.tid = tid};
    INIT_LIST_HEAD(&t->pages);
}
static void radix_clear(struct radix_tree *t) {
    u64 i = 0;
    while (radix_next(t, &i))
        radix_delete(t, i);
    radix_destroy(t);
    *t = (struct radix_tree){0};
}
static void pause(void) { /* until there is memory */
    set_current_state(TASK_UNINTERRUPTIBLE);
    schedule_until(ktime_get() + 1000000);
}

/* --- handles --- */
/* So many pages a transaction may have; and so many are kept free for each handle that is open, which is more
 * than any change but a long truncation needs. */
static u32 most_pages(const struct journal *j) { return (j->end - j->first) / 4; }
static u32 handle_pages(const struct journal *j) { return min(32u, most_pages(j) / 4); }
static bool enter(struct journal *j) {
    u64 irq = spin_lock_irqsave(&j->lock);
    bool room = j->running.nr_pages + (j->handles + 1) * handle_pages(j) <= most_pages(j);
    bool ok = !j->shut && (room || j->aborted);
    j->handles += ok;
    spin_unlock_irqrestore(&j->lock, irq);
    return ok;
}
static bool full(const struct journal *j) { /* even without others' handles */
    return READ_ONCE(j->running.nr_pages) + handle_pages(j) > most_pages(j) && !j->aborted;
}
void __journal_start(struct super_block *sb) {
    struct journal *j = journal_of(sb);
    current->journal_pages = 0;
    for (bool in = false; !in;) {
        wait_event(&j->wait, (in = enter(j)) || full(j));
        if (!in) {
            current->journal_depth = 0;
            journal_commit(sb);
            current->journal_depth = 1;
        }
    }
}
void __journal_stop(struct super_block *sb) {
    struct journal *j = journal_of(sb);
    u64 irq = spin_lock_irqsave(&j->lock);
    j->handles--;
    spin_unlock_irqrestore(&j->lock, irq);
    if (waitqueue_active(&j->wait))
        wake_up_all(&j->wait);
}

void __journal_access(struct super_block *sb, struct page *p, u64 block, bool locked) {
    struct journal *j = journal_of(sb);
    DEBUG_ON(!current->journal_depth);
    struct changed_page *c;
    while (!(c = kmem_cache_alloc(changed_cache, GFP_KERNEL)))
        pause();
    if (!locked)
        lock_page(p);
    wait_on_page(p, PG_WRITEBACK); /* what the device reads now is the last transaction's */
    cancel_dirty_page(p);
    u64 irq = spin_lock_irqsave(&j->lock);
    bool was = page_set(p, PG_JOURNAL);
    if (!was) {
        struct inode *host = p->mapping->host;
        get_page(p);
        *c = (struct changed_page){.page = p, .block = block, .inode = S_ISDIR(host->i_mode) ? host : NULL};
        if (c->inode)
            ihold(host);
        list_add_tail(&c->link, &j->running.pages);
        j->running.nr_pages++;
        current->journal_pages++;
        sb->changed = 1;
        radix_delete(&j->running.revoked, block); /* it is metadata again */
    }
    spin_unlock_irqrestore(&j->lock, irq);
    if (!locked)
        unlock_page(p);
    if (was)
        kmem_cache_free(changed_cache, c);
}
void journal_inode_data(struct inode *i) {
    if (i->sb->journaled)
        i->datasync_tid = journal_of(i->sb)->running.tid;
}
bool journal_has_data(struct inode *i) {
    return i->disk_size == i->i_size && (s32)(READ_ONCE(journal_of(i->sb)->committed) - i->datasync_tid) >= 0;
}
static void revoke(struct journal *j, u64 block) {
    for (int r = -ENOMEM; r == -ENOMEM;) {
        u64 irq = spin_lock_irqsave(&j->lock);
        r = radix_insert(&j->running.revoked, block, j);
        spin_unlock_irqrestore(&j->lock, irq);
        if (r == -ENOMEM)
            pause();
    }
}
/* Those blocks, of one map. */
static void remember_freed(struct journal *j, u64 block, u32 n) {
    u8 *fresh = NULL, *map = NULL;
    while (!map) {
        u64 irq = spin_lock_irqsave(&j->lock);
        map = radix_lookup(&j->running.freed, block / FREED_BITS);
        if (!map && fresh && !radix_insert(&j->running.freed, block / FREED_BITS, fresh)) {
            map = fresh;
            fresh = NULL;
        }
        if (map)
            change_bits(map, block % FREED_BITS, n, true);
        spin_unlock_irqrestore(&j->lock, irq);
        if (!map && (fresh || !(fresh = kzalloc(FREED_BITS / 8, GFP_KERNEL))))
            pause();
    }
    kfree(fresh);
}
void journal_freed(struct super_block *sb, u64 block, u32 n, bool metadata) {
    struct journal *j = journal_of(sb);
    if (!sb->journaled)
        return;
    for (u32 k = 0; metadata && k < n; k++)
        revoke(j, block + k);
    while (n) {
        u32 here = min(n, (u32)(FREED_BITS - block % FREED_BITS));
        remember_freed(j, block, here);
        block += here;
        n -= here;
    }
}
static bool was_freed(const struct transaction *t, u64 block) {
    const u8 *map = t->freed.count ? radix_lookup(&t->freed, block / FREED_BITS) : NULL;
    u32 bit = block % FREED_BITS;
    return map && (map[bit / 8] >> bit % 8 & 1);
}
static void freed_clear(struct radix_tree *t) {
    u64 i = 0;
    void *map;
    while ((map = radix_next(t, &i))) {
        radix_delete(t, i);
        kfree(map);
    }
    radix_destroy(t);
    *t = (struct radix_tree){0};
}
bool __journal_may_take(struct super_block *sb, u64 block) {
    struct journal *j = journal_of(sb);
    u64 irq = spin_lock_irqsave(&j->lock);
    bool held = was_freed(&j->running, block) || was_freed(&j->committing, block);
    spin_unlock_irqrestore(&j->lock, irq);
    return !held;
}
bool journal_more_space(struct super_block *sb) {
    struct journal *j = journal_of(sb);
    return sb->journaled && !current->journal_depth &&
           (READ_ONCE(j->running.freed.count) || READ_ONCE(j->committing.freed.count)) && !journal_commit(sb);
}

/* --- the log --- */
s64 journal_block(struct journal *j, u32 block) {
    s64 b = ext2_map(j->inode, block, false, NULL);
    return b > 0 ? b : -EIO;
}
/* The locked page of the log's block, to be filled and written by log_write. NULL: no memory or no block. */
static struct page *log_page(struct journal *j, u32 block) {
    s64 b = journal_block(j, block);
    struct page *p = b < 0 ? NULL : grab_page(&j->sb->bdev->inode->i_data, b);
    if (p)
        wait_on_page(p, PG_WRITEBACK);
    return p;
}
/* Pages on their way to the log. */
struct log_write {
    struct journal *j;
    struct list_head pages; /* struct changed_page: written, to be waited for */
    u32 at;                 /* the next block of the log */
    int error;
};
static u32 next_block(const struct journal *j, u32 block) {
    return block + 1 < j->end ? block + 1 : j->first;
}
static struct page *log_next(struct log_write *w) {
    struct page *p = log_page(w->j, w->at);
    w->at = next_block(w->j, w->at);
    if (!p)
        w->error = -EIO;
    return p;
}
static void log_submit(struct log_write *w, struct page *p) {
    struct changed_page *c;
    while (!(c = kmem_cache_alloc(changed_cache, GFP_KERNEL)))
        pause();
    c->page = p;
    list_add_tail(&c->link, &w->pages);
    write_cached_page(p);
}
static void log_wait(struct log_write *w) {
    struct changed_page *c, *n;
    list_for_each_entry_safe(c, n, &w->pages, link) {
        wait_on_page(c->page, PG_WRITEBACK);
        if (page_test(c->page, PG_ERROR))
            w->error = -EIO;
        put_page(c->page);
        kmem_cache_free(changed_cache, c);
    }
    INIT_LIST_HEAD(&w->pages);
}
static void set_header(void *at, u32 type, u32 tid) {
    *(struct jbd2_header *)at = (struct jbd2_header){be32_of(JBD2_MAGIC), be32_of(type), be32_of(tid)};
}

/* --- checksums --- */
#define TAIL (EXT2_BLOCK_SIZE - 4)
u32 journal_block_checksum(const struct journal *j, void *block, u32 at) {
    static const u32 zero;
    u32 crc = crc32c(j->seed, block, at);
    return crc32c(crc32c(crc, &zero, 4), (u8 *)block + at + 4, EXT2_BLOCK_SIZE - at - 4);
}
u32 journal_data_checksum(const struct journal *j, const void *data, u32 tid) {
    struct be32 sequence = be32_of(tid);
    return crc32c(crc32c(j->seed, &sequence, 4), data, EXT2_BLOCK_SIZE);
}
static void seal(const struct journal *j, void *block, u32 at) {
    if (j->checksums)
        *(struct be32 *)((u8 *)block + at) = be32_of(journal_block_checksum(j, block, at));
}
static u32 super_checksum(const struct jbd2_super *s) {
    struct jbd2_super copy = *s;
    copy.checksum = be32_of(0);
    return crc32c(~0u, &copy, sizeof(copy));
}

static u32 tags(const struct journal *j) {
    return (EXT2_BLOCK_SIZE - sizeof(struct jbd2_header) - 16 - journal_tail(j)) / j->tag_size;
}
static u32 revokes(const struct journal *j) {
    return (EXT2_BLOCK_SIZE - sizeof(struct jbd2_revoke) - journal_tail(j)) / j->revoke_size;
}
static u32 blocks_needed(const struct journal *j, const struct transaction *t) {
    return t->nr_pages + DIV_ROUND_UP(t->nr_pages, tags(j)) + DIV_ROUND_UP(t->revoked.count, revokes(j)) + 1;
}
static u32 log_free(const struct journal *j) {
    u32 size = j->end - j->first, used = j->head >= j->tail ? j->head - j->tail : size - (j->tail - j->head);
    return size - used - 1;
}

static void write_revokes(struct log_write *w, struct transaction *t) {
    u64 block = 0;
    while (!w->error && radix_next(&t->revoked, &block)) {
        struct page *p = log_next(w);
        if (!p)
            return;
        struct jbd2_revoke *r = page_address(p);
        const struct journal *j = w->j;
        u32 n = 0, words = j->revoke_size / 4;
        memset(r, 0, EXT2_BLOCK_SIZE);
        set_header(r, JBD2_REVOKE, t->tid);
        for (; n < revokes(j) && radix_next(&t->revoked, &block); block++)
            r->block[++n * words - 1] = be32_of(block);
        r->bytes = be32_of(sizeof(*r) + j->revoke_size * n);
        seal(j, r, TAIL);
        log_submit(w, p);
    }
}
static void end_descriptor(struct log_write *w, struct page *p, struct jbd2_tag *last) {
    last->flags |= __builtin_bswap16(JBD2_FLAG_LAST);
    seal(w->j, page_address(p), TAIL);
    log_submit(w, p);
}
/* Copies of the transaction's pages, each run of them behind a block that says where they belong. No handle
 * is open. */
static void freeze(struct log_write *w, struct transaction *t) {
    const struct journal *j = w->j;
    struct page *descriptor = NULL;
    u8 *at = NULL;
    struct jbd2_tag *tag = NULL;
    struct changed_page *c;
    u32 n = 0;
    list_for_each_entry(c, &t->pages, link) {
        page_clear(c->page, PG_JOURNAL);
        if (w->error)
            continue;
        if (!descriptor || n == tags(j)) {
            if (descriptor)
                end_descriptor(w, descriptor, tag);
            if (!(descriptor = log_next(w)))
                continue;
            memset(page_address(descriptor), 0, EXT2_BLOCK_SIZE);
            set_header(page_address(descriptor), JBD2_DESCRIPTOR, t->tid);
            at = page_address(descriptor) + sizeof(struct jbd2_header);
            n = 0;
        }
        struct page *copy = log_next(w);
        if (!copy)
            continue;
        u32 *words = page_address(copy);
        memcpy(words, page_address(c->page), EXT2_BLOCK_SIZE);
        u16 flags = n ? JBD2_FLAG_SAME_UUID : 0;
        if (*words == __builtin_bswap32(JBD2_MAGIC)) { /* it must not look like a block of the log's own */
            *words = 0;
            flags |= JBD2_FLAG_ESCAPE;
        }
        tag = (void *)at;
        tag->block = be32_of(c->block);
        tag->flags = __builtin_bswap16(flags);
        u32 sum = j->checksums ? journal_data_checksum(j, words, t->tid) : 0;
        if (j->checksums == 3)
            tag->checksum3 = be32_of(sum);
        else
            tag->checksum = __builtin_bswap16(sum);
        at += j->tag_size;
        if (!n++) {
            memcpy(at, j->super->uuid, 16);
            at += 16;
        }
        log_submit(w, copy);
    }
    if (descriptor && n) {
        end_descriptor(w, descriptor, tag);
    } else if (descriptor) { /* the log has no block for the first copy: w->error */
        unlock_page(descriptor);
        put_page(descriptor);
    }
}

/* What makes the transaction count. */
static void write_commit_block(struct log_write *w, u32 tid) {
    struct page *p = log_next(w);
    if (!p)
        return;
    memset(page_address(p), 0, EXT2_BLOCK_SIZE);
    set_header(page_address(p), JBD2_COMMIT, tid);
    struct abi_timespec now = current_time();
    struct jbd2_commit *c = page_address(p);
    c->seconds = be32_of(now.tv_sec), c->nanoseconds = be32_of(now.tv_nsec);
    seal(w->j, c, offsetof(struct jbd2_commit, checksum));
    log_submit(w, p);
    log_wait(w);
}

int journal_write_super(struct journal *j, u32 sequence, u32 start) {
    struct page *p = j->super_page;
    lock_page(p);
    wait_on_page(p, PG_WRITEBACK);
    j->super->sequence = be32_of(sequence);
    j->super->start = be32_of(start);
    if (j->checksums)
        j->super->checksum = be32_of(super_checksum(j->super));
    get_page(p);
    write_cached_page(p);
    wait_on_page(p, PG_WRITEBACK);
    int r = page_test(p, PG_ERROR) ? -EIO : block_flush(j->sb->bdev);
    put_page(p);
    return r;
}

static void abort_journal(struct journal *j) {
    if (!j->aborted)
        printk(KERN_ERR "ext2 on %s: the journal cannot be written; read-only from now on\n",
               j->sb->bdev->name);
    j->aborted = true;
    j->sb->flags |= MS_RDONLY;
}
void journal_lost(struct super_block *sb, const char *what, u64 number) {
    ext2_error(sb, what, number);
    if (sb->journaled)
        abort_journal(journal_of(sb));
}

/* --- commit --- */
/* The data of all inodes that have some to be written; they join `dirty`. */
static void write_data(struct super_block *sb, struct list_head *dirty) {
    struct inode *i;
    collect_dirty_inodes(sb, dirty);
    list_for_each_entry(i, dirty, dirty_link) start_writeback_mapping(&i->i_data);
    list_for_each_entry(i, dirty, dirty_link) wait_for_mapping(&i->i_data);
}
/* Everything to its place; no handle is open, and the transaction is empty. */
static int checkpoint(struct journal *j, struct list_head *dirty) {
    write_data(j->sb, dirty);
    int r = sync_inode(j->sb->bdev->inode, true);
    if (!r)
        r = block_flush(j->sb->bdev);
    if (!r)
        r = journal_write_super(j, j->running.tid, j->head);
    if (!r)
        j->tail = j->head;
    return r;
}
static void shut(struct journal *j) {
    u64 irq = spin_lock_irqsave(&j->lock);
    j->shut = true;
    spin_unlock_irqrestore(&j->lock, irq);
    wait_event(&j->wait, !READ_ONCE(j->handles));
}
static void reopen(struct journal *j) {
    u64 irq = spin_lock_irqsave(&j->lock);
    j->shut = false;
    spin_unlock_irqrestore(&j->lock, irq);
    wake_up_all(&j->wait);
}
/* The pages of a transaction that is in the log are dirty as any, but for those that the next one has.
 * Directories are left in `dirs`, to be put where that may need a handle. */
static void release_pages(struct transaction *t, bool ok, struct list_head *dirs) {
    struct changed_page *c, *n;
    list_for_each_entry_safe(c, n, &t->pages, link) {
        lock_page(c->page);
        if (c->page->mapping && ok && !page_test(c->page, PG_JOURNAL))
            set_page_dirty(c->page);
        unlock_page(c->page);
        put_page(c->page);
        list_del(&c->link);
        if (c->inode)
            list_add(&c->link, dirs);
        else
            kmem_cache_free(changed_cache, c);
    }
}
static void put_dirs(struct list_head *dirs) {
    struct changed_page *c, *n;
    list_for_each_entry_safe(c, n, dirs, link) {
        iput(c->inode);
        kmem_cache_free(changed_cache, c);
    }
}

/* Pages whose blocks are free again are not logged. No handle is open. */
static void prune(struct transaction *t) {
    struct changed_page *c, *n;
    list_for_each_entry_safe(c, n, &t->pages, link) if (!READ_ONCE(c->page->mapping)) {
        page_clear(c->page, PG_JOURNAL);
        list_del(&c->link);
        put_page(c->page);
        kmem_cache_free(changed_cache, c);
        t->nr_pages--;
    }
}
/* commit_mutex held. all_in_place: and a checkpoint. */
static int commit_locked(struct journal *j, bool all_in_place) {
    LIST_HEAD(dirty);
    LIST_HEAD(dirs);
    write_data(j->sb, &dirty);
    shut(j);
    write_data(j->sb, &dirty); /* what came meanwhile */
    if (IS_DEBUG)
        for_each_inode(j->sb, ext2_check_inode);
    struct transaction *t = &j->committing;
    prune(&j->running);
    u32 needed = blocks_needed(j, &j->running);
    bool empty = !j->running.nr_pages && !j->running.revoked.count;
    int r = 0;
    if (WARN_ON(!empty && needed > log_free(j))) /* journal_start and checkpoints see to it */
        r = -EIO;
    struct log_write w = {.j = j, .at = j->head, .error = r};
    INIT_LIST_HEAD(&w.pages);
    *t = j->running;
    INIT_LIST_HEAD(&t->pages);
    list_splice_init(&j->running.pages, &t->pages);
    struct blk_plug plug;
    blk_start_plug(&plug);
    if (!empty && !r) {
        write_revokes(&w, t);
        freeze(&w, t);
    }
    u64 irq = spin_lock_irqsave(&j->lock);
    txn_init(&j->running, t->tid + !empty);
    spin_unlock_irqrestore(&j->lock, irq);
    bool keep_shut = all_in_place || (!empty && log_free(j) - needed < (j->end - j->first) / 3);
    if (!keep_shut)
        reopen(j);
    blk_finish_plug(&plug);
    log_wait(&w);
    if (!w.error && block_flush(j->sb->bdev))
        w.error = -EIO;
    if (!empty && !w.error) {
        write_commit_block(&w, t->tid);
        if (!w.error && block_flush(j->sb->bdev))
            w.error = -EIO;
        if (!w.error)
            j->head = w.at;
    }
    if (w.error)
        abort_journal(j);
    else if (!empty)
        WRITE_ONCE(j->committed, t->tid);
    release_pages(t, !w.error, &dirs);
    irq = spin_lock_irqsave(&j->lock);
    struct radix_tree freed = t->freed, revoked = t->revoked;
    t->freed = t->revoked = (struct radix_tree){0};
    spin_unlock_irqrestore(&j->lock, irq);
    freed_clear(&freed);
    radix_clear(&revoked);
    if (keep_shut) {
        if (!w.error && checkpoint(j, &dirty)) {
            w.error = -EIO;
            abort_journal(j);
        }
        reopen(j);
    }
    put_dirs(&dirs);
    release_dirty_inodes(&dirty); /* after: their last use may need a handle */
    return w.error;
}
static int commit(struct journal *j, bool all_in_place) {
    DEBUG_ON(current->journal_depth);
    u32 tid = READ_ONCE(j->running.tid);
    mutex_lock(&j->commit_mutex);
    int r = j->aborted                                                   ? -EROFS
            : !all_in_place && (s32)(READ_ONCE(j->committed) - tid) >= 0 ? 0 /* another's was ours too */
                                                                         : commit_locked(j, all_in_place);
    mutex_unlock(&j->commit_mutex);
    return r;
}
int journal_commit(struct super_block *sb) { return commit(journal_of(sb), false); }

/* --- opening and closing --- */
void journal_init(void) { changed_cache = kmem_cache_create("journal_page", sizeof(struct changed_page)); }
int journal_open(struct super_block *sb) {
    struct ext2_sb *s = EXT2_SB(sb);
    const char *name = sb->bdev->name;
    struct journal *j = kzalloc(sizeof(*j), GFP_KERNEL);
    if (!j)
        return -ENOMEM;
    j->sb = sb;
    mutex_init(&j->commit_mutex);
    spin_lock_init(&j->lock, RANK_OBJECT);
    init_waitqueue(&j->wait);
    s->journal = j;
    j->inode = ext2_iget_reserved(sb, s->super->s_journal_inum);
    s64 b = IS_ERR(j->inode) ? PTR_ERR(j->inode) : journal_block(j, 0);
    struct page *p = b < 0 ? ERR_PTR(b) : bread(sb->bdev, b);
    if (IS_ERR(p)) {
        printk(KERN_ERR "ext2: %s: its journal cannot be read (run e2fsck)\n", name);
        return -EUCLEAN;
    }
    struct jbd2_super *js = page_address(p);
    j->super_page = p;
    j->super = js;
    j->first = be32_get(js->first);
    j->end = be32_get(js->maxlen);
    u32 type = be32_get(js->h.type);
    if (be32_get(js->h.magic) != JBD2_MAGIC || (type != JBD2_SUPER_V1 && type != JBD2_SUPER_V2) ||
        be32_get(js->blocksize) != EXT2_BLOCK_SIZE || !j->first || j->end <= j->first + 64 ||
        (u64)j->end > (u64)j->inode->i_size / EXT2_BLOCK_SIZE || be32_get(js->start) >= j->end ||
        (be32_get(js->start) && be32_get(js->start) < j->first)) {
        printk(KERN_ERR "ext2: %s: its journal makes no sense (run e2fsck)\n", name);
        return -EUCLEAN;
    }
    if (type == JBD2_SUPER_V1) { /* the fields of version 2 are not there */
        js->h.type = be32_of(JBD2_SUPER_V2);
        js->feature_compat = js->feature_incompat = js->feature_ro_compat = be32_of(0);
    }
    u32 incompat = be32_get(js->feature_incompat);
    const u32 known =
        JBD2_INCOMPAT_REVOKE | JBD2_INCOMPAT_64BIT | JBD2_INCOMPAT_CSUM_V2 | JBD2_INCOMPAT_CSUM_V3;
    j->checksums = incompat & JBD2_INCOMPAT_CSUM_V3 ? 3 : incompat & JBD2_INCOMPAT_CSUM_V2 ? 2 : 0;
    j->seed = crc32c(~0u, js->uuid, 16);
    j->tag_size =
        j->checksums == 3 ? 16 : 8 + (j->checksums ? 2 : 0) + (incompat & JBD2_INCOMPAT_64BIT ? 4 : 0);
    j->revoke_size = incompat & JBD2_INCOMPAT_64BIT ? 8 : 4;
    if (j->checksums && (js->checksum_type != JBD2_CRC32C || be32_get(js->checksum) != super_checksum(js))) {
        printk(KERN_ERR "ext2: %s: the checksum of its journal's super block is wrong (run e2fsck)\n", name);
        return -EUCLEAN;
    }
    if ((incompat & ~known) || be32_get(js->feature_ro_compat)) {
        printk(KERN_ERR "ext2: %s: its journal uses features that tine does not know: %x (run e2fsck)\n",
               name, be32_get(js->feature_incompat));
        return -EINVAL;
    }
    return be32_get(js->start) ? journal_recover(j) : 0;
}

int journal_begin(struct super_block *sb) {
    struct journal *j = journal_of(sb);
    u32 tid = be32_get(j->super->sequence);
    txn_init(&j->running, tid);
    txn_init(&j->committing, tid - 1);
    j->committed = tid - 1;
    j->head = j->tail = j->first;
    j->super->feature_incompat = be32_of(be32_get(j->super->feature_incompat) | JBD2_INCOMPAT_REVOKE);
    if (journal_write_super(j, tid, j->first))
        return -EIO;
    sb->journaled = true;
    return 0;
}
int journal_end(struct super_block *sb) {
    struct journal *j = journal_of(sb);
    if (!sb->journaled)
        return 0;
    int r = commit(j, true);
    if (!r)
        r = journal_write_super(j, j->running.tid, 0);
    sb->journaled = false;
    return r;
}
void journal_close(struct super_block *sb) {
    struct journal *j = journal_of(sb);
    if (!j)
        return;
    if (j->super_page)
        put_page(j->super_page);
    if (j->inode && !IS_ERR(j->inode))
        iput(j->inode);
    if (j->aborted) {
        LIST_HEAD(dirs);
        struct changed_page *c;
        list_for_each_entry(c, &j->running.pages, link) page_clear(c->page, PG_JOURNAL);
        release_pages(&j->running, false, &dirs);
        put_dirs(&dirs);
    }
    freed_clear(&j->running.freed);
    radix_clear(&j->running.revoked);
    kfree(j);
    EXT2_SB(sb)->journal = NULL;
}
