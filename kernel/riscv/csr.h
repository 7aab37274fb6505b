/* Supervisor CSRs and their fields (RISC-V Privileged Architecture, version 1.12), and the offsets
 * that assembly shares with C. Included by both. */
#pragma once

#define SSTATUS_SIE (1 << 1)
#define SSTATUS_SPIE (1 << 5)
#define SSTATUS_SPP (1 << 8)
#define SSTATUS_FS (3 << 13)
#define SSTATUS_FS_INITIAL (1 << 13)
#define SSTATUS_FS_CLEAN (2 << 13)
#define SSTATUS_FS_DIRTY (3 << 13)
#define SSTATUS_SUM (1 << 18)
#define SSTATUS_UXL_64 (2UL << 32)

#define SIE_SSIE (1 << 1)
#define SIE_STIE (1 << 5)
#define SIE_SEIE (1 << 9)

#define SCAUSE_INTERRUPT (1UL << 63)
#define IRQ_S_SOFT 1
#define IRQ_S_TIMER 5
#define IRQ_S_EXT 9
#define EXC_FETCH_MISALIGNED 0
#define EXC_FETCH_ACCESS 1
#define EXC_ILLEGAL 2
#define EXC_BREAKPOINT 3
#define EXC_LOAD_MISALIGNED 4
#define EXC_LOAD_ACCESS 5
#define EXC_STORE_MISALIGNED 6
#define EXC_STORE_ACCESS 7
#define EXC_ECALL_U 8
#define EXC_FETCH_PAGE 12
#define EXC_LOAD_PAGE 13
#define EXC_STORE_PAGE 15

/* SBI extensions (specification 1.0) that assembly calls too. */
#define SBI_CONSOLE_PUTCHAR 1
#define SBI_EXT_SRST 0x53525354
#define QEMU_VIRT_TEST 0x100000 /* for head.S, which cannot read the device tree */

#define SATP_SV39 (8UL << 60)
#define SATP_ASID_SHIFT 44
#define SATP_ASID_MAX 0xffffu
#define CSR_STIMECMP 0x14d

/* The kernel's half of Sv39: all of physical memory and devices, then stacks. */
#define PAGE_OFFSET 0xffffffc000000000
#define VSTACK_BASE 0xffffffe000000000
#define VSTACK_GIGAS 4
#define PAGE_SHIFT 12
#define PAGE_SIZE 4096
#define KERNEL_BASE_PA 0x80200000

/* A kernel stack is the upper half of a 32 KB slot; the lower half is never mapped. So bit 14 of a
 * valid kernel stack pointer, after a frame is pushed, is always 1: the trap entry tests it. */
#define STACK_SIZE 16384
#define STACK_SLOT 32768
#define STACK_BIT 14

/* Fields at the start of struct task_struct. */
#define TASK_FLAGS 0
#define TASK_PREEMPT 4
#define TASK_KERNEL_SP 8
#define TASK_TRAP_SP 16
#define TASK_CONTEXT 24 /* ra, sp, s0 to s11 */

/* struct trapframe: x1 to x31 at 8*(n-1), then these. */
#define TF_SEPC 248
#define TF_SSTATUS 256
#define TF_SCAUSE 264
#define TF_STVAL 272
#define TF_ORIG_A0 280
#define TF_SIZE 288
