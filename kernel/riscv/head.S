/* The first instructions, of every hart. OpenSBI enters _start with a0 = hartid and address translation
 * off; the first hart to come is the boot hart, with a1 = device tree. The others come after smp_boot asked
 * for them. Their a1 is not to be trusted, nor would another entry address be: OpenSBI 1.1 (Debian 12) marks a
 * hart as starting before it stores the new address and argument, and a hart that was about to wait takes
 * the old ones, which are the boot hart's. So there is one entry, and which hart comes first decides.
 *
 * The linear map of the first 255 GB is built with 1 GB pages, so that all else is C. */
#include "csr.h"
.section .head.text, "ax"
.globl _start
_start:
    csrw sie, zero
    csrw sscratch, zero
    li t0, SSTATUS_FS | SSTATUS_SUM
    csrc sstatus, t0
    la t0, boot_lottery
    li t1, 1
    amoswap.w.aqrl t1, t1, (t0)
    bnez t1, secondary_start
    la t0, bss_start
    la t1, bss_end
1:  sd zero, (t0)
    addi t0, t0, 8
    bltu t0, t1, 1b

    la t0, swapper_pg_dir
    li t1, 2048                 /* entry 256: the first of the kernel's half */
    add t0, t0, t1
    li t1, 0xef                 /* D A G X W R V */
    li t2, 0x10000000           /* 1 GB in an entry's address field */
    li t3, 255
2:  sd t1, (t0)
    add t1, t1, t2
    addi t0, t0, 8
    addi t3, t3, -1
    bnez t3, 2b

    mv s0, a0
    mv s1, a1
    jal enable_mmu
    la tp, init_task
    la sp, init_stack + STACK_SLOT
    addi sp, sp, -TF_SIZE
    sd sp, TASK_KERNEL_SP(tp)
    sd zero, TF_SIZE-8(sp)
    la t0, trap_entry
    csrw stvec, t0
    mv a0, s0
    mv a1, s1
    li s0, 0
    call start_kernel
    j .

/* Turn translation on and return to the caller's address in the linear map: the fetch after the satp
 * write faults, and stvec is where it goes. A processor that does not have the mode ignores the write, and
 * goes on. Clobbers t0 to t2. */
enable_mmu:
    li t2, PAGE_OFFSET
    add ra, ra, t2
    la t0, 1f
    add t0, t0, t2
    csrw stvec, t0
    la t0, swapper_pg_dir
    srli t0, t0, PAGE_SHIFT
    li t1, SATP_SV39
    or t0, t0, t1
    sfence.vma
    csrw satp, t0
    j no_sv39
    .balign 4
1:  ret

/* The firmware prints why, and the machine ends as failed: by QEMU's test device, which passes a status, or where
 * there is none at that address, by the firmware. */
no_sv39:
    la s0, no_sv39_text
    li a7, SBI_CONSOLE_PUTCHAR
1:  lbu a0, (s0)
    beqz a0, 2f
    ecall
    addi s0, s0, 1
    j 1b
2:  la t0, 3f
    csrw stvec, t0
    li t0, QEMU_VIRT_TEST
    li t1, 0x13333              /* fail, status 1 */
    sw t1, (t0)
    j 4f                        /* QEMU ends in a moment; a second request could win */
    .balign 4
3:  li a7, SBI_EXT_SRST
    li a6, 0
    li a0, 0                    /* shut down */
    li a1, 1                    /* reason: system failure */
    ecall
4:  wfi
    j 4b

/* A hart that smp_boot started; it starts one at a time, and waits for it. */
secondary_start:
    fence rw, rw
    la t0, secondary_idle
    ld tp, (t0)
    jal enable_mmu
    ld sp, TASK_KERNEL_SP(tp)
    la t0, trap_entry
    csrw stvec, t0
    li s0, 0
    call secondary_main
    j .

.section .data
.balign 4
boot_lottery:
    .word 0                     /* not in bss, which the winner clears */
no_sv39_text:
    .asciz "tine: this processor has no Sv39 paging: satp does not take the mode\n"

.section .bss
.balign 4096
.globl swapper_pg_dir
swapper_pg_dir:
    .space 4096
.balign STACK_SLOT
.globl init_stack
init_stack:
    .space STACK_SLOT
