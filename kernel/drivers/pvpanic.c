/* The pvpanic device (QEMU, docs/specs/pvpanic; on PCI 1b36:0011): told of a panic, QEMU stops the machine
 * and reports it, so that who started it can take a core file (scripts/dump.py). It is on the only bus that
 * is looked at, bus 0 of the device tree's host bridge. */
#include "drivers.h"

#define VENDOR_DEVICE 0x00111b36u
enum { ID = 0x00, COMMAND = 0x04, BAR0 = 0x10 };
#define COMMAND_MEMORY 2u
#define PANICKED 1

static volatile u8 *events;

void pvpanic_init(void) {
    for (u32 slot = 0; machine.pci_ecam && machine.pci_mmio && slot < 32; slot++) {
        volatile u32 *config = ioremap(machine.pci_ecam + (slot << 15), 0x1000);
        if (config[ID / 4] != VENDOR_DEVICE)
            continue;
        config[BAR0 / 4] = machine.pci_mmio; /* 32 bits, and nobody else uses the window */
        config[COMMAND / 4] |= COMMAND_MEMORY;
        events = ioremap(machine.pci_mmio, 2);
        return;
    }
}
void pvpanic_notify(void) {
    if (events)
        *events = PANICKED;
}
