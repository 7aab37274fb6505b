/* Devices. All addresses and interrupt numbers come from the device tree. */
#pragma once
#include "../riscv/riscv.h"
#include "../sched/wait.h"

void uart_early_init(void); /* output by polling from here on */
void uart_write_polled(const char *s, size_t n);
void uart_putc_start(void); /* there is output in the tty's queue: send it by interrupt */
void tty_init(void);
void tty_receive(const char *s, size_t n); /* interrupt context */
void tty_drain_polled(void);
void uart_write_raw(char c);
bool tty_next_output(char *c); /* interrupt context; false: nothing to send */
void plic_init(void);
void plic_init_hart(unsigned int hart);
void plic_interrupt(void);
/* handler runs in interrupt context. */
void request_irq(u32 irq, void (*handler)(void *arg), void *arg, const char *name);
bool irq_stat(unsigned int i, u32 *irq, const char **name, u64 *count);
void virtio_init(void);
void ramdisk_init(void);
/* Looks at bus 0 of the device tree's host bridge for what there is a driver for. Boot. */
void pci_init(void);
void pvpanic_probe(volatile u32 *config); /* a pvpanic device, with this configuration space */
void pvpanic_notify(
    void);          /* the kernel panics; any context. Where there is such a device the machine stops here. */
u64 rtc_read(void); /* ns since 1970; 0 if there is no clock */
void flusher_start(void);
struct trapframe;
__noreturn void panic_stop_hart(struct trapframe *tf);
void warn_hart(struct trapframe *tf); /* another hart warns: say where this one is */
__noreturn void panic_trap(struct trapframe *tf, const char *fmt, ...) __printf(2, 3);
