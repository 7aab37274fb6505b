/* virtio-blk over virtio-mmio, version 2 (Virtual I/O Device specification 1.1, sections 4.2 and 5.2).
 * One split queue a disk; up to SLOTS requests in flight, each a chain of descriptors: header, data, status.
 * The chain is in a table of its own (indirect, 2.6.5.3), with a piece of data for each request of those that
 * are served as one; or, where the device has no such tables, in the ring, and then requests are served one
 * by one. Requests that find no room wait in a list. The two sides tell each other from where on they want to
 * hear (event index, 2.6.7 and 2.6.8): while the device is at work it needs no notice, and while we take
 * answers no interrupt. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "virtio.h"

#define QUEUE_SIZE 128u /* a power of two: ring indices run modulo 65536 */
#define SLOTS (QUEUE_SIZE / 3)
#define F_RO BIT(5)
#define F_FLUSH BIT(9)
#define F_INDIRECT BIT(28)
#define F_EVENT_IDX BIT(29)
#define MAX_PIECES 30
#define LOOK_AFTER 1000000000UL   /* ns: how often a busy disk is looked at */
#define LOST_LOOK_AFTER 1000000UL /* where its interrupts are lost */
#define SLOW_LOOKS 30

struct queue { /* 4 KB, one page */
    VIRTQUEUE(QUEUE_SIZE);
    struct {
        u32 type, reserved;
        u64 sector;
    } header[SLOTS];
    u8 status[SLOTS];
};
struct virtio_blk {
    volatile u8 *base;
    struct block_device bdev;
    char name[8];
    spinlock_t lock; /* the queue and the lists */
    struct queue *q;
    struct block_request *slot[SLOTS];
    struct desc (*table)[MAX_PIECES + 2]; /* a chain for each slot; NULL: chains are in the ring */
    u16 seen;
    bool can_flush, event_idx;
    struct list_head waiting;
    struct timer watch; /* runs while there are requests, and for one look after */
    bool watching, lost;
    struct {
        u16 seen, times; /* for so many looks it has been that */
        bool answered;   /* and there was an answer then */
    } last_look;
    u32 irq;
};
static unsigned int nr_disks;

/* lock held. */
static void look_later(struct virtio_blk *d) {
    d->watching = true;
    timer_start(&d->watch, ktime_get() + (d->lost ? LOST_LOOK_AFTER : LOOK_AFTER));
}

/* lock held. False: no slot free. */
static bool start(struct virtio_blk *d, struct block_request *r) {
    u32 s = 0;
    while (s < SLOTS && d->slot[s])
        s++;
    if (s == SLOTS)
        return false;
    struct queue *q = d->q;
    u32 first = d->table ? 0 : s * 3, i = first, head = d->table ? s : first;
    struct desc *c = d->table ? d->table[s] : q->desc;
    d->slot[s] = r;
    q->header[s].type = r->flush ? 4 : r->write ? 1 : 0;
    q->header[s].sector = r->flush ? 0 : r->sector;
    q->status[s] = 0xff;
    c[i] = (struct desc){__pa(&q->header[s]), 16, DESC_NEXT, i + 1};
    for (struct block_request *o = r; o && !r->flush; o = o->next) {
        i++;
        c[i] = (struct desc){__pa(o->data), o->len, DESC_NEXT | (r->write ? 0 : DESC_WRITE), i + 1};
    }
    i++;
    c[i] = (struct desc){__pa(&q->status[s]), 1, DESC_WRITE, 0};
    if (d->table)
        q->desc[s] = (struct desc){__pa(c), (i + 1) * sizeof(*c), DESC_INDIRECT, 0};
    u16 old = q->avail.idx;
    q->avail.ring[old % QUEUE_SIZE] = head;
    smp_store_release(&q->avail.idx, (u16)(old + 1));
    smp_mb();
    if (!d->event_idx || READ_ONCE(q->used.event) == old) /* one is added at a time */
        MMIO(d->base, NOTIFY) = 0;
    if (unlikely(!d->watching))
        look_later(d);
    return true;
}

static void submit(struct block_device *b, struct block_request *r);
/* What failed as one is tried piece by piece, so that only what is bad fails. */
static void finish(struct block_device *b, struct block_request *r, bool ok) {
    bool again = !ok && r->next;
    for (struct block_request *next; r; r = next) {
        next = r->next;
        r->next = NULL;
        r->ok = ok;
        if (again)
            submit(b, r);
        else
            r->done(r);
    }
}

static void submit(struct block_device *b, struct block_request *r) {
    struct virtio_blk *d = b->private;
    u64 len = 0;
    for (struct block_request *o = r; o; o = o->next)
        len += o->len;
    bool bad = !r->flush && (r->sector >= b->sectors || len > (b->sectors - r->sector) * 512);
    if (bad || (r->flush && !d->can_flush)) {
        finish(b, r, !bad);
        return;
    }
    u64 irq = spin_lock_irqsave(&d->lock);
    if (!list_empty(&d->waiting) || !start(d, r))
        list_add_tail(&r->link, &d->waiting);
    spin_unlock_irqrestore(&d->lock, irq);
}

static void interrupt(void *arg) {
    struct virtio_blk *d = arg;
    LIST_HEAD(finished);
    MMIO(d->base, INT_ACK) = MMIO(d->base, INT_STATUS) & 3;
    spin_lock(&d->lock);
again:
    while (d->seen != smp_load_acquire(&d->q->used.idx)) {
        u32 id = d->q->used.ring[d->seen++ % QUEUE_SIZE].id, s = d->table ? id : id / 3;
        struct block_request *r = s < SLOTS ? d->slot[s] : NULL;
        if (WARN_ON(!r))
            continue; /* a device that answers what was not asked */
        r->ok = d->q->status[s] == 0;
        d->slot[s] = NULL;
        list_add_tail(&r->link, &finished);
    }
    WRITE_ONCE(d->q->avail.event, d->seen); /* an interrupt for the next; or is it there already? */
    smp_mb();
    if (d->seen != READ_ONCE(d->q->used.idx))
        goto again;
    while (!list_empty(&d->waiting)) {
        struct block_request *r = list_first_entry(&d->waiting, struct block_request, link);
        list_del(&r->link);
        if (!start(d, r)) {
            list_add(&r->link, &d->waiting);
            break;
        }
    }
    spin_unlock(&d->lock);
    while (!list_empty(&finished)) {
        struct block_request *r = list_first_entry(&finished, struct block_request, link);
        list_del(&r->link);
        finish(&d->bdev, r, r->ok);
    }
}

/* Is there anything that an interrupt should have told and did not, or that takes too long? An answer that was
 * there at the last look and still waits had no interrupt: they are lost, and from now on it looks often. */
static void watch(struct timer *t) {
    struct virtio_blk *d = container_of(t, struct virtio_blk, watch);
    spin_lock(&d->lock);
    bool busy = d->q->avail.idx != d->seen, answered = READ_ONCE(d->q->used.idx) != d->seen;
    bool stands = busy && d->last_look.seen == d->seen;
    d->last_look.times = stands ? d->last_look.times + 1 : 0;
    if (stands && answered && d->last_look.answered && !d->lost) {
        d->lost = true;
        printk(KERN_ERR "%s answers, and its interrupt (%u) does not come: looked at by a timer from now on, "
                        "which is slow. QEMU 7 loses it on a machine of several NUMA nodes: give it the root "
                        "with -initrd\n",
               d->name, d->irq);
    }
    if (stands && !answered && d->last_look.times == SLOW_LOOKS && !d->lost)
        printk(KERN_ERR "%s has not answered for %u s\n", d->name, SLOW_LOOKS);
    d->last_look.seen = d->seen;
    d->last_look.answered = answered;
    d->watching = false;
    if (busy)
        look_later(d);
    spin_unlock(&d->lock);
    if (answered && d->lost)
        interrupt(d);
}

void virtio_blk_probe(volatile u8 *base, u32 irq) {
    struct virtio_blk *d = kzalloc(sizeof(*d), GFP_KERNEL);
    struct page *p = alloc_pages(1, GFP_KERNEL | GFP_ZERO);
    struct desc(*tables)[MAX_PIECES + 2] = kmalloc(SLOTS * sizeof(*tables), GFP_KERNEL);
    if (!d || !p || !tables)
        panic("no memory for a disk");
    _Static_assert(sizeof(struct queue) <= 2 * PAGE_SIZE, "queue");
    d->base = base;
    d->irq = irq;
    timer_setup(&d->watch, watch);
    d->q = page_address(p);
    spin_lock_init(&d->lock, RANK_DEVICE);
    INIT_LIST_HEAD(&d->waiting);
    u64 features = virtio_begin(base, F_RO | F_FLUSH | F_INDIRECT | F_EVENT_IDX | F_VERSION_1);
    if (!features || !virtio_queue(base, 0, QUEUE_SIZE, d->q->desc, &d->q->avail, &d->q->used))
        return;
    virtio_go(base);
    d->can_flush = features & F_FLUSH;
    d->event_idx = features & F_EVENT_IDX;
    d->table = features & F_INDIRECT ? tables : NULL;
    snprintf(d->name, sizeof(d->name), "vd%c", 'a' + nr_disks);
    d->bdev = (struct block_device){.name = d->name,
                                    .dev = makedev(254, nr_disks * 16),
                                    .sectors = MMIO(base, CONFIG) | (u64)MMIO(base, CONFIG + 4) << 32,
                                    .read_only = features & F_RO,
                                    .max_pieces = d->table ? MAX_PIECES : 1,
                                    .submit = submit,
                                    .private = d};
    nr_disks++;
    request_irq(irq, interrupt, d, d->name);
    register_block_device(&d->bdev);
}
