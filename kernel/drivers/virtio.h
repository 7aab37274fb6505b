/* virtio over virtio-mmio, version 2 (Virtual I/O Device specification 1.1, section 4.2): what its drivers
 * share. */
#pragma once
#include "drivers.h"

#define MMIO(base, off) (*(volatile u32 *)((base) + (off)))
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
#define F_VERSION_1 BIT(32)
#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4
struct desc {
    u64 addr;
    u32 len;
    u16 flags, next;
};
/* The three parts of a split queue of n entries, as members of a structure: what is to be done, what was
 * done. */
#define VIRTQUEUE(n)                                                                                         \
    struct desc desc[n];                                                                                     \
    struct {                                                                                                 \
        u16 flags, idx, ring[n], event;                                                                      \
    } avail;                                                                                                 \
    struct {                                                                                                 \
        u16 flags, idx;                                                                                      \
        struct {                                                                                             \
            u32 id, len;                                                                                     \
        } ring[n];                                                                                           \
        u16 event;                                                                                           \
    } used __aligned(4)

/* Reset the device and agree on those of its features that are in `want`. What was agreed on; 0: it refuses,
 * and that was logged. */
u64 virtio_begin(volatile u8 *base, u64 want);
/* Give queue `index` its `size` entries and the addresses of its three parts. False: it is too short; logged.
 */
bool virtio_queue(volatile u8 *base, u32 index, u32 size, const void *desc, const void *avail,
                  const void *used);
/* All queues are set: the device may work. */
void virtio_go(volatile u8 *base);
/* A device of their kind is at base, with this interrupt. Boot, may sleep. */
void virtio_blk_probe(volatile u8 *base, u32 irq);
void virtio_console_probe(volatile u8 *base, u32 irq);
