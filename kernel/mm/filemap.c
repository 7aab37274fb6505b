/* The page cache: the pages of an inode in a radix tree under mapping->lock. The cache holds one reference
 * to each page. PG_LOCKED guards a page's content state; waiters sleep on a hashed queue. A global list in
 * order of arrival, with a second chance for pages used since, is what reclaim eats. */
#include "../core/cgroup.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "mm.h"
#include <abi/errno.h>

static LIST_HEAD(lru);
static spinlock_t lru_lock = SPINLOCK_INIT(RANK_LRU);
static u64 nr_cached;
static atomic64_t nr_dirty;
static struct wait_queue_head page_waits[64];

void filemap_init(void) {
    for (unsigned int i = 0; i < ARRAY_SIZE(page_waits); i++)
        init_waitqueue(&page_waits[i]);
}
u64 nr_cached_pages(void) { return READ_ONCE(nr_cached); }
u64 nr_dirty_pages(void) { return __atomic_load_n(&nr_dirty.v, __ATOMIC_RELAXED); }

static struct wait_queue_head *page_queue(struct page *p) { return &page_waits[((u64)p >> 6) % 64]; }

void wait_on_page(struct page *p, u32 flag) {
    if (page_test(p, flag))
        wait_event(page_queue(p), !page_test(p, flag));
}
/* For the checker of sleeping locks: file systems read blocks while they hold a file's page. */
static inline __unused const char *page_class(const struct page *p) {
    const struct address_space *m = READ_ONCE(p->mapping);
    return m && S_ISBLK(m->host->i_mode) ? "a block's page" : "a file's page";
}
void lock_page(struct page *p) {
    sleep_lock_wanted(p, page_class(p));
    while (page_set(p, PG_LOCKED))
        wait_on_page(p, PG_LOCKED);
    sleep_lock_taken(p, page_class(p));
}
static bool trylock_page(struct page *p) {
    bool locked = !page_set(p, PG_LOCKED);
    if (locked)
        sleep_lock_taken(p, page_class(p));
    return locked;
}
static void page_flag_done(struct page *p, u32 flag) {
    page_clear(p, flag);
    if (waitqueue_active(page_queue(p)))
        wake_up_all(page_queue(p));
}
void unlock_page(struct page *p) {
    sleep_lock_dropped(p);
    page_flag_done(p, PG_LOCKED);
}
void end_page_read(struct page *p, bool ok) {
    page_set(p, ok ? PG_UPTODATE : PG_ERROR);
    unlock_page(p);
}
/* The mapping's lock is held. Is it the first? */
static bool span_add(struct page_span *s, u64 index) {
    bool first = !s->n++;
    s->low = first ? index : min(s->low, index);
    s->high = first ? index : max(s->high, index);
    return first;
}
/* Before the page ceases to be dirty: whoever finds no dirty page waits for those that are being written, so
 * a page on its way is always one or the other. */
static void start_writeback(struct address_space *m, struct page *p) {
    u64 irq = spin_lock_irqsave(&m->lock);
    span_add(&m->writeback, p->index);
    spin_unlock_irqrestore(&m->lock, irq);
    get_page(p); /* end_page_writeback's */
    page_set(p, PG_WRITEBACK);
}
void mapping_set_error(struct address_space *m, int error) {
    m->error = m->wb_error = error;
    __atomic_fetch_add(&m->wb_errors, 1, __ATOMIC_RELEASE);
}
int file_check_error(struct file *f) {
    struct address_space *m = f->mapping;
    u32 n = smp_load_acquire(&m->wb_errors);
    if (xchg(&f->wb_errors, n) == n)
        return 0;
    return m->wb_error;
}
void end_page_writeback(struct page *p, bool ok) {
    struct address_space *m = p->mapping; /* who takes the page out waits for this */
    u64 irq = spin_lock_irqsave(&m->lock);
    m->writeback.n--;
    if (!ok)
        mapping_set_error(m, -EIO);
    spin_unlock_irqrestore(&m->lock, irq);
    if (!ok)
        page_set(p, PG_ERROR);
    page_flag_done(p, PG_WRITEBACK);
    put_page(p);
}

void address_space_init(struct address_space *m, struct inode *host, const struct address_space_ops *ops) {
    *m = (struct address_space){.host = host, .ops = ops};
    spin_lock_init(&m->lock, RANK_MAPPING);
    mutex_init(&m->i_mmap_lock);
    INIT_LIST_HEAD(&m->i_mmap);
}

struct page *find_get_page(struct address_space *m, u64 index) {
    u64 irq = spin_lock_irqsave(&m->lock);
    struct page *p = radix_lookup(&m->pages, index);
    if (p) {
        get_page(p);
        if (!(p->flags & PG_REFERENCED))
            page_set(p, PG_REFERENCED);
    }
    spin_unlock_irqrestore(&m->lock, irq);
    return p;
}

struct page *grab_page(struct address_space *m, u64 index) {
    for (;;) {
        struct page *p = find_get_page(m, index);
        if (!p) {
            struct page *new = alloc_page(GFP_KERNEL | GFP_USER);
            if (!new)
                return NULL;
            new->flags = PG_LOCKED;
            new->mapping = m;
            new->index = index;
            u64 irq = spin_lock_irqsave(&m->lock);
            int r = radix_insert(&m->pages, index, new);
            if (!r)
                atomic_inc(&new->refcount); /* the cache's own */
            spin_unlock_irqrestore(&m->lock, irq);
            if (!r) {
                irq = spin_lock_irqsave(&lru_lock);
                list_add_tail(&new->lru, &lru);
                nr_cached++;
                spin_unlock_irqrestore(&lru_lock, irq);
                sleep_lock_taken(new, page_class(new));
                return new;
            }
            new->flags = 0;
            new->mapping = NULL;
            put_page(new);
            if (r != -EEXIST)
                return NULL;
            continue;
        }
        lock_page(p);
        if (p->mapping == m)
            return p;
        unlock_page(p);
        put_page(p);
    }
}

/* Start to read n pages, as far as they are not there. The one in the middle is marked: who comes to it has
 * the next ones started (read_ahead), so that a reader in order seldom waits. NULL, or the first one,
 * referenced, if `want`. */
#define READAHEAD 32
static struct page *start_reads(struct address_space *m, u64 index, u64 n, bool want) {
    u64 last = DIV_ROUND_UP((u64)READ_ONCE(m->host->i_size), PAGE_SIZE);
    struct page *first = NULL;
    struct blk_plug plug;
    blk_start_plug(&plug);
    for (u64 i = index; i < index + n && ((want && i == index) || i < last); i++) {
        bool keep = want && i == index;
        struct page *p = keep ? NULL : find_get_page(m, i);
        if (!p && (p = grab_page(m, i))) {
            if (n > 1 && i == index + n / 2)
                page_set(p, PG_READAHEAD);
            if (page_test(p, PG_UPTODATE)) {
                unlock_page(p);
            } else {
                page_clear(p, PG_ERROR);
                current->io.bytes[0] += m->ops->writepage ? PAGE_SIZE : 0; /* from a disk */
                m->ops->readpage(m->host, p);
            }
        }
        if (!p)
            break;
        if (keep)
            first = p;
        else
            put_page(p);
    }
    blk_finish_plug(&plug);
    m->ahead = index + n;
    return first;
}
static void read_ahead(struct address_space *m, struct page *p, u64 index) {
    page_clear(p, PG_READAHEAD);
    u64 from = READ_ONCE(m->ahead);
    start_reads(m, from > index && from <= index + READAHEAD ? from : index + 1, READAHEAD, false);
}
struct page *read_mapping_page(struct address_space *m, u64 index) {
    for (;;) {
        struct page *p = find_get_page(m, index);
        if (p && page_test(p, PG_UPTODATE)) {
            if (unlikely(page_test(p, PG_READAHEAD)))
                read_ahead(m, p, index);
            return p;
        }
        if (p)
            put_page(p);
        if (!(p = start_reads(m, index, S_ISREG(m->host->i_mode) && m->ops->writepage ? READAHEAD / 2 : 1,
                              true)))
            return ERR_PTR(-ENOMEM);
        wait_on_page(p, PG_LOCKED);
        if (page_test(p, PG_UPTODATE))
            return p;
        bool error = page_test(p, PG_ERROR);
        put_page(p);
        if (error)
            return ERR_PTR(-EIO);
    }
}

/* The flag and the mapping's count of dirty pages change together, under the mapping's lock: a span that
 * begins anew must have every page in it whose flag is set. Caller holds the page's lock, or (mapped store) a
 * reference. */
void set_page_dirty(struct page *p) {
    struct address_space *m = p->mapping;
    page_set(p, PG_UPTODATE);
    if (page_test(p, PG_DIRTY))
        return;
    if (!m->ops->writepage) {
        page_set(p, PG_DIRTY);
        return;
    }
    u64 irq = spin_lock_irqsave(&m->lock);
    bool was = page_set(p, PG_DIRTY), first = !was && span_add(&m->dirty, p->index);
    spin_unlock_irqrestore(&m->lock, irq);
    if (was)
        return;
    current->io.bytes[1] += PAGE_SIZE;
    atomic_inc(&nr_dirty);
    if (first)
        inode_has_dirty_pages(m->host);
}
static void clear_dirty(struct address_space *m, struct page *p) {
    if (!m->ops->writepage) {
        page_clear(p, PG_DIRTY);
        return;
    }
    if (!page_test(p, PG_DIRTY))
        return;
    u64 irq = spin_lock_irqsave(&m->lock);
    bool was = page_clear(p, PG_DIRTY);
    m->dirty.n -= was;
    spin_unlock_irqrestore(&m->lock, irq);
    if (was)
        atomic_dec(&nr_dirty);
}

/* Take a locked page out of its cache. Caller drops its own reference afterwards. */
static void remove_page(struct address_space *m, struct page *p) {
    u64 irq = spin_lock_irqsave(&m->lock);
    radix_delete(&m->pages, p->index);
    spin_unlock_irqrestore(&m->lock, irq);
    irq = spin_lock_irqsave(&lru_lock);
    list_del(&p->lru);
    nr_cached--;
    spin_unlock_irqrestore(&lru_lock, irq);
    p->mapping = NULL;
    put_page(p);
}

struct page *next_cached_page(struct address_space *m, u64 *index) {
    u64 irq = spin_lock_irqsave(&m->lock);
    struct page *p = radix_next(&m->pages, index);
    if (p)
        get_page(p);
    spin_unlock_irqrestore(&m->lock, irq);
    return p;
}

void drop_page_range(struct address_space *m, u64 first, u64 end) {
    struct page *p;
    for (u64 i = first; (p = next_cached_page(m, &i)); i++) {
        if (i >= end) {
            put_page(p);
            break;
        }
        lock_page(p);
        wait_on_page(p, PG_WRITEBACK);
        bool ours = p->mapping == m;
        if (ours) {
            if (m->ops->dropped && page_test(p, PG_DIRTY))
                m->ops->dropped(m->host);
            clear_dirty(m, p);
            remove_page(m, p);
        }
        unlock_page(p);
        if (ours && end != ~0UL && !list_empty(&m->i_mmap)) /* from now on it is mapped nowhere anew */
            unmap_mapping_page(m, p);
        put_page(p);
    }
}
void truncate_pages(struct address_space *m, u64 first) {
    if (!list_empty(&m->i_mmap))
        unmap_mapping_pages(m, first);
    drop_page_range(m, first, ~0UL);
    if (!list_empty(&m->i_mmap))
        unmap_mapping_pages(m, first);
}

void cancel_dirty_page(struct page *p) {
    if (p->mapping)
        clear_dirty(p->mapping, p);
}
void write_cached_page(struct page *p) {
    struct address_space *m = p->mapping;
    page_set(p, PG_UPTODATE);
    page_clear(p, PG_ERROR);
    start_writeback(m, p);
    clear_dirty(m, p);
    m->ops->writepage(m->host, p);
}
void start_writeback_mapping(struct address_space *m) {
    struct page *p;
    struct blk_plug plug;
    if (!m->ops || !m->ops->writepage) /* a FIFO has no pages */
        return;
    blk_start_plug(&plug);
    for (u64 i = READ_ONCE(m->dirty.low);
         READ_ONCE(m->dirty.n) && i <= READ_ONCE(m->dirty.high) && (p = next_cached_page(m, &i)); i++) {
        if (page_test(p, PG_DIRTY)) {
            lock_page(p);
            wait_on_page(p, PG_WRITEBACK);
            if (p->mapping == m && page_test(p, PG_DIRTY)) {
                start_writeback(m, p);
                clear_dirty(m, p);
                if (!list_empty(&m->i_mmap))
                    page_mkclean(m, p);
                int r = m->ops->writepage(m->host, p);
                if (r)
                    mapping_set_error(m, r);
            } else {
                unlock_page(p);
            }
        }
        put_page(p);
    }
    blk_finish_plug(&plug);
}
bool mapping_unwritten(struct address_space *m) {
    u64 irq = spin_lock_irqsave(&m->lock);
    bool r = m->dirty.n || m->writeback.n;
    spin_unlock_irqrestore(&m->lock, irq);
    return r;
}
void wait_for_mapping(struct address_space *m) {
    struct page *p;
    smp_mb(); /* after the count of dirty ones: start_writeback */
    for (u64 i = READ_ONCE(m->writeback.low);
         READ_ONCE(m->writeback.n) && i <= READ_ONCE(m->writeback.high) && (p = next_cached_page(m, &i));
         i++) {
        wait_on_page(p, PG_WRITEBACK);
        put_page(p);
    }
}
int writeback_mapping(struct address_space *m, bool wait) {
    start_writeback_mapping(m);
    if (!wait)
        return 0;
    wait_for_mapping(m);
    return xchg(&m->error, 0);
}

u64 reclaim_pages(u64 want, struct cgroup *of, u64 *in_work) {
    u64 got = 0, scan = nr_cached_pages();
    while (got < want && scan-- > 0) {
        u64 irq = spin_lock_irqsave(&lru_lock);
        struct page *p = list_empty(&lru) ? NULL : list_first_entry(&lru, struct page, lru);
        if (p) {
            list_del(&p->lru);
            list_add_tail(&p->lru, &lru);
            if (!atomic_inc_not_zero(&p->refcount))
                p = NULL;
        }
        spin_unlock_irqrestore(&lru_lock, irq);
        if (!p)
            continue;
        if (of && !(p->memcg && cgroup_is_in(p->memcg, of))) {
            put_page(p);
            continue;
        }
        if (in_work && p->mapping && p->mapping->ops->writepage && page_test(p, PG_DIRTY | PG_WRITEBACK))
            ++*in_work;
        if ((page_clear(p, PG_REFERENCED) && !of) || !trylock_page(p)) {
            put_page(p);
            continue;
        }
        struct address_space *m = p->mapping;
        bool ours = false;
        if (m &&
            !(p->flags & (PG_DIRTY | PG_WRITEBACK))) { /* one without data in it, if this is the only copy */
            irq = spin_lock_irqsave(&m->lock);         /* no new reference can come from the tree now */
            ours = atomic_read(&p->refcount) == 2 && !(p->flags & PG_DIRTY);
            if (ours)
                radix_delete(&m->pages, p->index);
            spin_unlock_irqrestore(&m->lock, irq);
        }
        if (ours) {
            irq = spin_lock_irqsave(&lru_lock);
            list_del(&p->lru);
            nr_cached--;
            spin_unlock_irqrestore(&lru_lock, irq);
            p->mapping = NULL;
            got++;
        }
        unlock_page(p);
        put_page(p);
        if (ours)
            put_page(p);
    }
    if (nr_dirty_pages() > total_pages / 16)
        wake_flusher();
    return got;
}

ssize_t generic_file_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct inode *inode = f->mapping->host;
    ssize_t done = 0;
    if (*pos < 0)
        return -EINVAL;
    while (it->count) {
        loff_t size = READ_ONCE(inode->i_size);
        u64 off = *pos & (PAGE_SIZE - 1);
        if (*pos >= size)
            break;
        u64 n = min(min(PAGE_SIZE - off, (u64)(size - *pos)), it->count);
        struct page *p = read_mapping_page(f->mapping, *pos >> PAGE_SHIFT);
        if (IS_ERR(p))
            return done ? done : PTR_ERR(p);
        size_t c = copy_to_iter((u8 *)page_address(p) + off, n, it);
        put_page(p);
        *pos += c;
        done += c;
        if (c < n)
            return done ? done : -EFAULT;
        if (fatal_signal_pending(current))
            break;
    }
    if (done)
        file_accessed(f);
    return done;
}

/* Caller holds the inode's lock. */
ssize_t generic_file_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    struct address_space *m = f->mapping;
    struct inode *inode = m->host;
    ssize_t done = 0, r = 0;
    while (it->count) {
        u64 off = *pos & (PAGE_SIZE - 1), n = min(PAGE_SIZE - off, it->count);
        if (fault_in_iter(it, n)) {
            r = -EFAULT;
            break;
        }
        if (m->ops->begin_write)
            m->ops->begin_write(inode);
        struct page *p = grab_page(m, *pos >> PAGE_SHIFT);
        if (!p) {
            r = -ENOMEM;
            if (m->ops->end_write)
                m->ops->end_write(inode, r);
            break;
        }
        wait_on_page(p, PG_WRITEBACK);
        r = m->ops->prepare_write(inode, p, off, off + n);
        size_t c = 0;
        if (!r) {
            pagefault_disable();
            c = copy_from_iter((u8 *)page_address(p) + off, n, it);
            pagefault_enable();
            if (c == n || page_test(p, PG_UPTODATE)) {
                set_page_dirty(p);
            } else {
                memset((u8 *)page_address(p) + off + c, 0, n - c);
                set_page_dirty(p);
            }
            /* While the page is locked: who writes it to the disk clears what is beyond the file's end. */
            if (*pos + (loff_t)c > inode->i_size)
                WRITE_ONCE(inode->i_size, *pos + c);
        }
        unlock_page(p);
        put_page(p);
        if (c) /* the length, inside the handle that has the block */
            inode_update_mtime(inode);
        else if (m->ops->write_failed)
            m->ops->write_failed(inode);
        if (m->ops->end_write && m->ops->end_write(inode, r))
            continue;
        if (r)
            break;
        *pos += c;
        done += c;
        if (fatal_signal_pending(current))
            break;
    }
    if (done && nr_dirty_pages() > total_pages / 8)
        balance_dirty();
    return done ? done : r;
}

/* Drop one page from a cache, unwritten: its block means something else from now on. */
void forget_page(struct address_space *m, u64 index) {
    struct page *p = find_get_page(m, index);
    if (!p)
        return;
    lock_page(p);
    wait_on_page(p, PG_WRITEBACK);
    if (p->mapping == m) {
        clear_dirty(m, p);
        remove_page(m, p);
    }
    unlock_page(p);
    put_page(p);
}
