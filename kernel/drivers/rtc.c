/* The goldfish real-time clock: 64 bits of nanoseconds since 1970; reading the low word latches the high. */
#include "drivers.h"

u64 rtc_read(void) {
    if (!machine.rtc_base)
        return 0;
    volatile u32 *r = ioremap(machine.rtc_base, 0x100);
    u64 low = r[0];
    return (u64)r[1] << 32 | low;
}
