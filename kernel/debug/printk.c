/* The log: a ring of the newest 128 KB of messages, and the console. */
#include "../core/task.h"
#include "../drivers/drivers.h"
#include "debug.h"

#define LOG_SIZE (1 << 17)
static char log_buf[LOG_SIZE];
static u64 log_end;
static spinlock_t log_lock = SPINLOCK_INIT(RANK_CONSOLE);
bool console_quiet;

int printk(const char *fmt, ...) {
    char line[512];
    static bool at_start = true;
    int n = 0;
    va_list ap;
    bool shown = !console_quiet || fmt[0] == KERN_ERR[0];
    if (fmt[0] == KERN_ERR[0])
        fmt += strlen(KERN_ERR);
    u64 irq = spin_lock_irqsave(&log_lock);
    if (at_start && timebase_hz)
        n = snprintf(line, sizeof(line), "[%5lu.%06lu] ", ktime_get() / 1000000000,
                     ktime_get() / 1000 % 1000000);
    va_start(ap, fmt);
    n += vsnprintf(line + n, sizeof(line) - n, fmt, ap);
    va_end(ap);
    n = min(n, (int)sizeof(line) - 1);
    at_start = n && line[n - 1] == '\n';
    for (int i = 0; i < n; i++)
        log_buf[log_end++ % LOG_SIZE] = line[i];
    if (shown)
        uart_write_polled(line, n);
    spin_unlock_irqrestore(&log_lock, irq);
    return n;
}

size_t log_read(char *buf, size_t n) {
    u64 irq = spin_lock_irqsave(&log_lock);
    n = min(n, min(log_end, (u64)LOG_SIZE));
    for (size_t i = 0; i < n; i++)
        buf[i] = log_buf[(log_end - n + i) % LOG_SIZE];
    spin_unlock_irqrestore(&log_lock, irq);
    return n;
}
void log_break_lock(void) { __atomic_store_n(&log_lock.locked, 0, __ATOMIC_RELEASE); }
