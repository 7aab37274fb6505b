/* virtio-console (Virtual I/O Device specification 1.1, section 5.3): a second line to the host, /dev/hvc0.
 * Bytes as they are: no line discipline, no control characters. One buffer each way is with the device at a
 * time. What nobody takes at the other end is lost. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "virtio.h"

#define QUEUE_SIZE 4u
enum { RX = 0, TX = 1 };

struct queue {
    VIRTQUEUE(QUEUE_SIZE);
};
static struct hvc {
    volatile u8 *base;
    struct queue *q; /* of both ways */
    u16 seen[2];
    bool with_device[2]; /* the buffer of that way; lock */
    u32 have, taken;     /* received, and read of that; reading */
    spinlock_t lock;
    u8 *buf[2]; /* a page each */
    struct mutex reading, writing;
    struct wait_queue_head wait;
} hvc;

/* lock held. */
static void give(int way, u32 len) {
    struct queue *q = &hvc.q[way];
    q->desc[0] = (struct desc){__pa(hvc.buf[way]), len, way == RX ? DESC_WRITE : 0, 0};
    q->avail.ring[q->avail.idx % QUEUE_SIZE] = 0;
    hvc.with_device[way] = true;
    smp_store_release(&q->avail.idx, (u16)(q->avail.idx + 1));
    smp_mb();
    MMIO(hvc.base, NOTIFY) = way;
}
static void interrupt(void *arg) {
    (void)arg;
    MMIO(hvc.base, INT_ACK) = MMIO(hvc.base, INT_STATUS) & 3;
    spin_lock(&hvc.lock);
    for (int way = RX; way <= TX; way++) {
        struct queue *q = &hvc.q[way];
        if (hvc.seen[way] == smp_load_acquire(&q->used.idx))
            continue;
        if (way == RX) {
            hvc.taken = 0;
            WRITE_ONCE(hvc.have, min(q->used.ring[hvc.seen[way] % QUEUE_SIZE].len, (u32)PAGE_SIZE));
        }
        hvc.seen[way]++;
        WRITE_ONCE(hvc.with_device[way], false);
    }
    spin_unlock(&hvc.lock);
    wake_up_all(&hvc.wait);
}

static bool readable(void) { return !READ_ONCE(hvc.with_device[RX]); }
static bool writable(void) { return !READ_ONCE(hvc.with_device[TX]); }

static ssize_t hvc_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    (void)pos;
    mutex_lock(&hvc.reading);
    while (!readable()) {
        mutex_unlock(&hvc.reading);
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        if (wait_event_interruptible(&hvc.wait, readable()))
            return -ERESTARTSYS;
        mutex_lock(&hvc.reading);
    }
    size_t n = min(it->count, (size_t)(hvc.have - hvc.taken)),
           c = copy_to_iter(hvc.buf[RX] + hvc.taken, n, it);
    hvc.taken += c;
    if (hvc.taken == hvc.have) {
        u64 irq = spin_lock_irqsave(&hvc.lock);
        give(RX, PAGE_SIZE);
        spin_unlock_irqrestore(&hvc.lock, irq);
    }
    mutex_unlock(&hvc.reading);
    return c || !n ? (ssize_t)c : -EFAULT;
}
static ssize_t hvc_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    ssize_t done = 0, r = 0;
    (void)pos;
    mutex_lock(&hvc.writing);
    while (it->count && !r) {
        if (!writable()) {
            r = f->flags & O_NONBLOCK                             ? -EAGAIN
                : wait_event_interruptible(&hvc.wait, writable()) ? -ERESTARTSYS
                                                                  : 0;
            continue;
        }
        size_t n = copy_from_iter(hvc.buf[TX], PAGE_SIZE, it);
        if (n) {
            u64 irq = spin_lock_irqsave(&hvc.lock);
            give(TX, n);
            spin_unlock_irqrestore(&hvc.lock, irq);
        } else {
            r = -EFAULT;
        }
        done += n;
    }
    mutex_unlock(&hvc.writing);
    return done ? done : r;
}
static u32 hvc_poll(struct file *f, struct poll_table *pt) {
    poll_wait(f, &hvc.wait, pt);
    return (readable() ? POLLIN | POLLRDNORM : 0) | (writable() ? POLLOUT | POLLWRNORM : 0);
}

void virtio_console_probe(volatile u8 *base, u32 irq) {
    static const struct file_operations fops = {.read = hvc_read, .write = hvc_write, .poll = hvc_poll};
    struct page *p[3];
    if (hvc.base) /* one is enough */
        return;
    for (int i = 0; i < 3; i++)
        if (!(p[i] = alloc_page(GFP_KERNEL | GFP_ZERO)))
            panic("no memory for a virtio console");
    hvc.buf[RX] = page_address(p[RX]), hvc.buf[TX] = page_address(p[TX]), hvc.q = page_address(p[2]);
    spin_lock_init(&hvc.lock, RANK_DEVICE);
    mutex_init(&hvc.reading);
    mutex_init(&hvc.writing);
    init_waitqueue(&hvc.wait);
    if (!virtio_begin(base, F_VERSION_1))
        return;
    for (int way = RX; way <= TX; way++)
        if (!virtio_queue(base, way, QUEUE_SIZE, hvc.q[way].desc, &hvc.q[way].avail, &hvc.q[way].used))
            return;
    hvc.base = base;
    request_irq(irq, interrupt, NULL, "hvc0");
    virtio_go(base);
    u64 flags = spin_lock_irqsave(&hvc.lock);
    give(RX, PAGE_SIZE);
    spin_unlock_irqrestore(&hvc.lock, flags);
    register_chrdev(229, 0, "hvc0", &fops, 0600);
}
