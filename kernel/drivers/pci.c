/* PCI: bus 0 of the device tree's host bridge, through its configuration space in memory (ECAM). One driver is
 * for a device there, pvpanic; disks are driven on virtio-mmio alone, and one that is here is named. */
#include "pci.h"
#include "../debug/debug.h"
#include "drivers.h"

#define PVPANIC 0x00111b36u /* device, vendor */
#define NOTHING 0xffffffffu
#define CLASS_STORAGE 1

void pci_init(void) {
    for (u32 slot = 0; machine.pci_ecam && machine.pci_mmio && slot < 32; slot++) {
        volatile u32 *config = ioremap(machine.pci_ecam + (slot << 15), 0x1000);
        u32 id = config[PCI_ID / 4];
        if (id == PVPANIC)
            pvpanic_probe(config);
        else if (id != NOTHING && config[PCI_CLASS / 4] >> 24 == CLASS_STORAGE)
            printk(KERN_ERR "a disk on PCI (slot %u, %04x:%04x) is not used: tine drives virtio disks on mmio; "
                            "give QEMU -device virtio-blk-device\n",
                   slot, id & 0xffff, id >> 16);
    }
}
