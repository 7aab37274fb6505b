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

#define USER_LINES 10
#define USER_PERIOD 5000000000UL /* ns */

/* One more line that a user causes? *missed: how many were not said before it. */
static bool may_say(u32 *missed) {
    static spinlock_t lock = SPINLOCK_INIT(RANK_CONSOLE);
    static u64 since;
    static u32 said, left_out;
    u64 irq = spin_lock_irqsave(&lock), now = ktime_get();
    *missed = 0;
    if (!since || now - since >= USER_PERIOD) {
        *missed = left_out;
        since = now;
        said = left_out = 0;
    }
    bool ok = said < USER_LINES;
    said += ok;
    left_out += !ok;
    spin_unlock_irqrestore(&lock, irq);
    return ok;
}
int printk_user(const char *fmt, ...) {
    char text[200], line[400];
    u32 missed, n = 0;
    va_list ap;
    if (!may_say(&missed))
        return 0;
    if (missed)
        printk("%u messages were left out\n", missed);
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (const u8 *c = (const u8 *)text; *c && n < sizeof(line) - 5; c++)
        n += snprintf(line + n, sizeof(line) - n, *c < ' ' || *c > '~' || *c == '\\' ? "\\x%02x" : "%c", *c);
    return printk("%s\n", line);
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
