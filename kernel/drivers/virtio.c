/* virtio-mmio: which devices are there, and how one is begun (virtio.h). */
#include "virtio.h"
#include "../debug/debug.h"

u64 virtio_begin(volatile u8 *base, u64 want) {
    MMIO(base, STATUS) = 0;
    MMIO(base, STATUS) = ACKNOWLEDGE | DRIVER_UP;
    MMIO(base, FEATURES_SEL) = 0;
    u64 f = MMIO(base, FEATURES);
    MMIO(base, FEATURES_SEL) = 1;
    f |= (u64)MMIO(base, FEATURES) << 32;
    want &= f;
    MMIO(base, DRIVER_SEL) = 0;
    MMIO(base, DRIVER) = want;
    MMIO(base, DRIVER_SEL) = 1;
    MMIO(base, DRIVER) = want >> 32;
    MMIO(base, STATUS) = ACKNOWLEDGE | DRIVER_UP | FEATURES_OK;
    if ((MMIO(base, STATUS) & FEATURES_OK) && (want & F_VERSION_1))
        return want;
    MMIO(base, STATUS) = FAILED;
    printk(KERN_ERR "a virtio device of kind %u refuses our features: not used\n", MMIO(base, DEVICE_ID));
    return 0;
}
bool virtio_queue(volatile u8 *base, u32 index, u32 size, const void *desc, const void *avail,
                  const void *used) {
    u64 a[3] = {__pa(desc), __pa(avail), __pa(used)};
    MMIO(base, QUEUE_SEL) = index;
    if (MMIO(base, QUEUE_MAX) < size) {
        MMIO(base, STATUS) = FAILED;
        printk(KERN_ERR "a virtio device of kind %u has too short a queue: not used\n", MMIO(base, DEVICE_ID));
        return false;
    }
    MMIO(base, QUEUE_NUM) = size;
    MMIO(base, DESC_LO) = a[0], MMIO(base, DESC_HI) = a[0] >> 32;
    MMIO(base, AVAIL_LO) = a[1], MMIO(base, AVAIL_HI) = a[1] >> 32;
    MMIO(base, USED_LO) = a[2], MMIO(base, USED_HI) = a[2] >> 32;
    MMIO(base, QUEUE_READY) = 1;
    return true;
}
void virtio_go(volatile u8 *base) { MMIO(base, STATUS) = ACKNOWLEDGE | DRIVER_UP | FEATURES_OK | DRIVER_OK; }

static void probe(u64 pa, u32 irq) {
    volatile u8 *base = ioremap(pa, 0x200);
    u32 kind = MMIO(base, DEVICE_ID);
    if (MMIO(base, MAGIC) != 0x74726976 || !kind)
        return;
    if (kind != 2 && kind != 3)
        printk("a virtio device of kind %u is not used: tine has drivers for disks (2) and consoles (3)\n",
               kind);
    else if (MMIO(base, VERSION) != 2)
        printk(KERN_ERR "virtio device at %lx is a legacy device: give QEMU -global virtio-mmio.force-legacy=false\n",
               pa);
    else
        (kind == 2 ? virtio_blk_probe : virtio_console_probe)(base, irq);
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
