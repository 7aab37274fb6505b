/* virtio-blk over virtio-mmio, version 2 (Virtual I/O Device specification 1.1, sections 4.2 and 5.2).
 * One split queue a disk; up to SLOTS requests in flight, each a chain of descriptors: header, data, status. The chain is in a
 * table of its own (indirect, 2.6.5.3), with a piece of data for each request of those that are served as one; or, where the
 * device has no such tables, in the ring, and then requests are served one by one. Requests that find no room wait in a
 * list. The two sides tell each other from where on they want to hear (event index, 2.6.7 and 2.6.8): while the device
 * is at work it needs no notice, and while we take answers no interrupt. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "drivers.h"

#define QUEUE_SIZE 128u /* a power of two: ring indices run modulo 65536 */
#define SLOTS (QUEUE_SIZE / 3)
#define MMIO(d, off) (*(volatile u32 *)((d)->base + (off)))
enum {
    MAGIC = 0x00,
    VERSION = 0x04,
    DEVICE_ID = 0x08,
    FEATURES = 0x10,
    FEATURES_SEL = 0x14,
    DRIVER = 0x20,
    DRIVER_SEL = 0x24,
    QUEUE_SEL = 0x30,
    QUEUE_MAX = 0x34,
    QUEUE_NUM = 0x38,
    QUEUE_READY = 0x44,
    NOTIFY = 0x50,
    INT_STATUS = 0x60,
    INT_ACK = 0x64,
    STATUS = 0x70,
    DESC_LO = 0x80,
    DESC_HI = 0x84,
    AVAIL_LO = 0x90,
    AVAIL_HI = 0x94,
    USED_LO = 0xa0,
    USED_HI = 0xa4,
    CONFIG = 0x100
};
enum { ACKNOWLEDGE = 1, DRIVER_UP = 2, DRIVER_OK = 4, FEATURES_OK = 8, FAILED = 128 };
#define F_RO BIT(5)
#define F_FLUSH BIT(9)
#define F_INDIRECT BIT(28)
#define F_EVENT_IDX BIT(29)
#define F_VERSION_1 BIT(32)
#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4
#define MAX_PIECES 30

struct desc {
    u64 addr;
    u32 len;
    u16 flags, next;
};
struct queue { /* 4 KB, one page */
    struct desc desc[QUEUE_SIZE];
    struct {
        u16 flags, idx, ring[QUEUE_SIZE], event;
    } avail;
    struct {
        u16 flags, idx;
        struct {
            u32 id, len;
        } ring[QUEUE_SIZE];
        u16 event;
    } used __aligned(4);
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
};
static unsigned int nr_disks;

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
        MMIO(d, NOTIFY) = 0;
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
    MMIO(d, INT_ACK) = MMIO(d, INT_STATUS) & 3;
    spin_lock(&d->lock);
again:
    while (d->seen != smp_load_acquire(&d->q->used.idx)) {
        u32 id = d->q->used.ring[d->seen++ % QUEUE_SIZE].id, s = d->table ? id : id / 3;
        struct block_request *r = s < SLOTS ? d->slot[s] : NULL;
        if (!r)
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

static void probe(u64 pa, u32 irq) {
    volatile u8 *base = ioremap(pa, 0x200);
    volatile u32 *m = (volatile u32 *)base;
    if (m[MAGIC / 4] != 0x74726976 || m[DEVICE_ID / 4] != 2)
        return;
    if (m[VERSION / 4] != 2) {
        printk("virtio-blk at %lx is a legacy device: give QEMU -global virtio-mmio.force-legacy=false\n",
               pa);
        return;
    }
    struct virtio_blk *d = kzalloc(sizeof(*d), GFP_KERNEL);
    struct page *p = alloc_pages(1, GFP_KERNEL | GFP_ZERO);
    struct desc(*tables)[MAX_PIECES + 2] = kmalloc(SLOTS * sizeof(*tables), GFP_KERNEL);
    if (!d || !p || !tables)
        panic("no memory for a disk");
    _Static_assert(sizeof(struct queue) <= 2 * PAGE_SIZE, "queue");
    d->base = base;
    d->q = page_address(p);
    spin_lock_init(&d->lock, RANK_DEVICE);
    INIT_LIST_HEAD(&d->waiting);
    MMIO(d, STATUS) = 0;
    MMIO(d, STATUS) = ACKNOWLEDGE | DRIVER_UP;
    MMIO(d, FEATURES_SEL) = 0;
    u64 f = MMIO(d, FEATURES);
    MMIO(d, FEATURES_SEL) = 1;
    f |= (u64)MMIO(d, FEATURES) << 32;
    u64 want = f & (F_RO | F_FLUSH | F_INDIRECT | F_EVENT_IDX | F_VERSION_1);
    MMIO(d, DRIVER_SEL) = 0;
    MMIO(d, DRIVER) = want;
    MMIO(d, DRIVER_SEL) = 1;
    MMIO(d, DRIVER) = want >> 32;
    MMIO(d, STATUS) = ACKNOWLEDGE | DRIVER_UP | FEATURES_OK;
    MMIO(d, QUEUE_SEL) = 0;
    if (!(MMIO(d, STATUS) & FEATURES_OK) || MMIO(d, QUEUE_MAX) < QUEUE_SIZE) {
        MMIO(d, STATUS) = FAILED;
        printk("virtio-blk at %lx refuses our features or has too short a queue: not used\n", pa);
        return;
    }
    MMIO(d, QUEUE_NUM) = QUEUE_SIZE;
    u64 a[3] = {__pa(d->q->desc), __pa(&d->q->avail), __pa(&d->q->used)};
    MMIO(d, DESC_LO) = a[0], MMIO(d, DESC_HI) = a[0] >> 32;
    MMIO(d, AVAIL_LO) = a[1], MMIO(d, AVAIL_HI) = a[1] >> 32;
    MMIO(d, USED_LO) = a[2], MMIO(d, USED_HI) = a[2] >> 32;
    MMIO(d, QUEUE_READY) = 1;
    MMIO(d, STATUS) = ACKNOWLEDGE | DRIVER_UP | FEATURES_OK | DRIVER_OK;
    d->can_flush = want & F_FLUSH;
    d->event_idx = want & F_EVENT_IDX;
    d->table = want & F_INDIRECT ? tables : NULL;
    snprintf(d->name, sizeof(d->name), "vd%c", 'a' + nr_disks);
    d->bdev = (struct block_device){.name = d->name,
                                    .dev = makedev(254, nr_disks * 16),
                                    .sectors = MMIO(d, CONFIG) | (u64)MMIO(d, CONFIG + 4) << 32,
                                    .read_only = want & F_RO,
                                    .max_pieces = d->table ? MAX_PIECES : 1,
                                    .submit = submit,
                                    .private = d};
    nr_disks++;
    request_irq(irq, interrupt, d, d->name);
    register_block_device(&d->bdev);
}

void virtio_init(void) {
    /* QEMU fills slots from the top: the first disk on its command line has the highest address. Sort so. */
    u64 below = ~0UL;
    for (unsigned int n = 0; n < machine.nr_virtio; n++) {
        unsigned int best = 0;
        u64 top = 0;
        for (unsigned int i = 0; i < machine.nr_virtio; i++)
            if (machine.virtio[i].base < below && machine.virtio[i].base >= top)
                top = machine.virtio[i].base, best = i;
        below = top;
        probe(top, machine.virtio[best].irq);
    }
}
