/* The 16550 UART: polled for the kernel's own messages, by interrupt in both directions for the tty. */
#include "../debug/debug.h"
#include "../riscv/spinlock.h"
#include "drivers.h"

enum { RBR = 0, THR = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5 };
#define IER_RX 1
#define IER_TX 2
#define LSR_DR 1
#define LSR_THRE 0x20
#define FIFO_DEPTH 16

static volatile u8 *base;
static spinlock_t uart_lock = SPINLOCK_INIT(RANK_UART);

static u8 in(int r) { return base[r << machine.uart_shift]; }
static void out(int r, u8 v) { base[r << machine.uart_shift] = v; }

void uart_early_init(void) {
    if (!machine.uart_base)
        return;
    base = ioremap(machine.uart_base, 0x100);
    out(IER, 0);
    out(FCR, 7);
    out(LCR, 3);
    out(MCR, 8 | 3);
}

void uart_write_raw(char c) {
    while (!(in(LSR)&LSR_THRE))
        cpu_relax();
    out(THR, c);
}
void uart_write_polled(const char *s, size_t n) {
    for (; n; n--, s++) {
        if (!base) {
            sbi_putchar(*s);
            continue;
        }
        if (*s == '\n') {
            while (!(in(LSR)&LSR_THRE))
                cpu_relax();
            out(THR, '\r');
        }
        while (!(in(LSR)&LSR_THRE))
            cpu_relax();
        out(THR, *s);
    }
}

/* Fill the transmitter from the tty; ask for an interrupt while there is more. */
static void send(void) {
    u64 irq = spin_lock_irqsave(&uart_lock);
    bool more = true;
    char c;
    if (in(LSR)&LSR_THRE)
        for (int i = 0; i < FIFO_DEPTH && (more = tty_next_output(&c)); i++)
            out(THR, c);
    out(IER, IER_RX | (more ? IER_TX : 0));
    spin_unlock_irqrestore(&uart_lock, irq);
}
void uart_putc_start(void) { send(); }

static void uart_interrupt(void *arg) {
    char buf[64];
    size_t n = 0;
    (void)arg;
    in(IIR);
    while (n < sizeof(buf) && (in(LSR)&LSR_DR))
        buf[n++] = in(RBR);
    if (n)
        tty_receive(buf, n);
    send();
}
void uart_start(void) {
    if (!base)
        panic("the device tree names no ns16550a UART for the console");
    request_irq(machine.uart_irq, uart_interrupt, NULL, "uart");
    out(IER, IER_RX);
}
