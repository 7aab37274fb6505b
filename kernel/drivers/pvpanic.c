/* The pvpanic device (QEMU, docs/specs/pvpanic; on PCI 1b36:0011): told of a panic, QEMU stops the machine
 * and reports it, so that who started it can take a core file (scripts/dump.py). */
#include "drivers.h"
#include "pci.h"

#define PANICKED 1

static volatile u8 *events;

void pvpanic_probe(volatile u32 *config) {
    config[PCI_BAR0 / 4] = machine.pci_mmio; /* 32 bits, and nobody else uses the window */
    config[PCI_COMMAND / 4] |= PCI_COMMAND_MEMORY;
    events = ioremap(machine.pci_mmio, 2);
}
void pvpanic_notify(void) {
    if (events)
        *events = PANICKED;
}
