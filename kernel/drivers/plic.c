/* The platform-level interrupt controller (RISC-V PLIC specification 1.0.0). All harts may take any
 * interrupt; the claim register hands each to one. */
#include "../debug/debug.h"
#include "../riscv/spinlock.h"
#include "drivers.h"

#define MAX_IRQS 128
static volatile u8 *base;
static struct {
    void (*handler)(void *);
    void *arg;
    const char *name;
    u64 count;
} irqs[MAX_IRQS];

static volatile u32 *reg(u64 off) { return (volatile u32 *)(base + off); }

void plic_init(void) {
    if (!machine.plic_base)
        panic("the device tree names no interrupt controller (riscv,plic0)");
    base = ioremap(machine.plic_base, machine.plic_size);
}
void plic_init_hart(unsigned int h) {
    if (!machine.plic_context[h])
        return;
    u32 c = machine.plic_context[h] - 1;
    for (u32 w = 0; w <= min(machine.plic_ndev, MAX_IRQS - 1u) / 32; w++)
        *reg(0x2000 + c * 0x80 + w * 4) = 0xffffffff;
    *reg(0x200000 + c * 0x1000) = 0; /* threshold */
}
void request_irq(u32 irq, void (*handler)(void *), void *arg, const char *name) {
    if (irq >= MAX_IRQS)
        panic("interrupt %u of %s is out of range", irq, name);
    irqs[irq].arg = arg;
    irqs[irq].name = name;
    smp_store_release(&irqs[irq].handler, handler);
    *reg(irq * 4) = 1; /* priority: enabled */
}
void plic_interrupt(void) {
    u32 c = machine.plic_context[smp_processor_id()] - 1, irq;
    while ((irq = *reg(0x200004 + c * 0x1000))) {
        if (irq < MAX_IRQS && irqs[irq].handler) {
            __atomic_fetch_add(&irqs[irq].count, 1, __ATOMIC_RELAXED);
            irqs[irq].handler(irqs[irq].arg);
        }
        *reg(0x200004 + c * 0x1000) = irq;
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
