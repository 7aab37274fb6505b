/* PCI configuration space, type 0 header (PCI Local Bus Specification 3.0, section 6.1). */
#pragma once

enum { PCI_ID = 0x00, PCI_COMMAND = 0x04, PCI_CLASS = 0x08, PCI_BAR0 = 0x10 };
#define PCI_COMMAND_MEMORY 2u
