/* Calls to the firmware (RISC-V SBI specification 1.0; legacy console from chapter 5). */
#include "riscv.h"

#define SBI_EXT_TIME 0x54494d45
#define SBI_EXT_IPI 0x735049
#define SBI_EXT_HSM 0x48534d
#define SBI_EXT_RFENCE 0x52464e43

struct sbiret sbi_call(long ext, long fid, u64 x0, u64 x1, u64 x2, u64 x3) {
    register u64 a0 asm("a0") = x0, a1 asm("a1") = x1, a2 asm("a2") = x2, a3 asm("a3") = x3;
    register long a6 asm("a6") = fid, a7 asm("a7") = ext;
    asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
    return (struct sbiret){a0, a1};
}
void sbi_putchar(char c) { sbi_call(SBI_CONSOLE_PUTCHAR, 0, c, 0, 0, 0); }
void sbi_set_timer(u64 time) { sbi_call(SBI_EXT_TIME, 0, time, 0, 0, 0); }
bool sbi_probe(long ext) { return sbi_call(0x10, 3, ext, 0, 0, 0).value != 0; }
void sbi_send_ipi(u64 hartid) { sbi_call(SBI_EXT_IPI, 0, 1, hartid, 0, 0); }
/* A call takes up to 64 harts from a base on; which, where no number is above 63, is one call. */
void sbi_remote_fence(u64 harts, long fid, u64 start, u64 size) {
    while (harts) {
        u64 ids = 0, base = hart_ids[ctz64(harts)] & ~63UL;
        for (u64 m = harts; m; m &= m - 1)
            if (hart_ids[ctz64(m)] - base < 64) {
                ids |= BIT(hart_ids[ctz64(m)] - base);
                harts &= ~BIT(ctz64(m));
            }
        sbi_call(SBI_EXT_RFENCE, fid, ids, base, start, size);
    }
}
long sbi_hart_start(u64 hartid, u64 pa, u64 opaque) {
    return sbi_call(SBI_EXT_HSM, 0, hartid, pa, opaque, 0).error;
}
__noreturn void sbi_shutdown(bool reboot, bool failed) {
    sbi_call(SBI_EXT_SRST, 0, reboot ? 1 : 0, failed, 0, 0);
    for (;;)
        asm volatile("wfi");
}
