/* A disk in memory, from the initrd that the boot loader put there: served without delay or interrupt, so
 * that instruction counts repeat. */
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "drivers.h"

static u8 *disk;
static struct block_device ram0 = {.name = "ram0", .dev = makedev(1, 0)};

static void submit(struct block_device *b, struct block_request *r) {
    u64 at = r->sector * 512;
    r->ok = r->flush || (at < b->sectors * 512 && r->len <= b->sectors * 512 - at);
    if (r->ok && !r->flush)
        r->write ? memcpy(disk + at, r->data, r->len) : memcpy(r->data, disk + at, r->len);
    r->done(r);
}
void ramdisk_init(void) {
    if (machine.initrd_end <= machine.initrd_start)
        return;
    disk = __va(machine.initrd_start);
    ram0.sectors = (machine.initrd_end - machine.initrd_start) / 512;
    ram0.submit = submit;
    register_block_device(&ram0);
}
