/* The platform-level interrupt controller (RISC-V PLIC specification 1.0.0). All its harts may take any of
 * its interrupts; the claim register hands each to one. A machine of several nodes has one for each. */
#include "../debug/debug.h"
#include "../riscv/spinlock.h"
#include "drivers.h"

#define MAX_IRQS (MAX_NODES * IRQS_PER_PLIC)
static volatile u8 *base[MAX_NODES];
static struct {
    void (*handler)(void *);
    void *arg;
    const char *name;
    u64 count;
} irqs[MAX_IRQS];

static volatile u32 *reg(unsigned int plic, u64 off) { return (volatile u32 *)(base[plic] + off); }

void plic_init(void) {
    if (!machine.nr_plics)
        panic("the device tree names no interrupt controller (riscv,plic0)");
    for (unsigned int i = 0; i < machine.nr_plics; i++)
        base[i] = ioremap(machine.plic[i].base, machine.plic[i].size);
}
void plic_init_hart(unsigned int h) {
    if (!machine.plic_context[h])
        return;
    unsigned int plic = machine.hart_plic[h];
    u32 c = machine.plic_context[h] - 1;
    for (u32 w = 0; w <= min(machine.plic[plic].ndev, IRQS_PER_PLIC - 1u) / 32; w++)
        *reg(plic, 0x2000 + c * 0x80 + w * 4) = 0xffffffff;
    *reg(plic, 0x200000 + c * 0x1000) = 0; /* threshold */
}
void request_irq(u32 irq, void (*handler)(void *), void *arg, const char *name) {
    if (irq / IRQS_PER_PLIC >= machine.nr_plics)
        panic("interrupt %u of %s is out of range", irq, name);
    irqs[irq].arg = arg;
    irqs[irq].name = name;
    smp_store_release(&irqs[irq].handler, handler);
    *reg(irq / IRQS_PER_PLIC, irq % IRQS_PER_PLIC * 4) = 1; /* priority: enabled */
}
void plic_interrupt(void) {
    unsigned int plic = machine.hart_plic[smp_processor_id()];
    volatile u32 *claim = reg(plic, 0x200004 + (machine.plic_context[smp_processor_id()] - 1) * 0x1000UL);
    u32 n;
    while ((n = *claim)) {
        u32 irq = plic * IRQS_PER_PLIC + n;
        if (n < IRQS_PER_PLIC && irqs[irq].handler) {
            __atomic_fetch_add(&irqs[irq].count, 1, __ATOMIC_RELAXED);
            irqs[irq].handler(irqs[irq].arg);
        }
        *claim = n;
    }
}
bool irq_stat(unsigned int i, u32 *irq, const char **name, u64 *count) {
    for (u32 n = 1; n < MAX_IRQS; n++)
        if (irqs[n].name && !i--) {
            *irq = n, *name = irqs[n].name, *count = irqs[n].count;
            return true;
        }
    return false;
}
