/* Trap entry and exit, ret_from_fork, the context switch. sscratch is `current` while in user mode and 0
 * in the kernel; tp is `current` in the kernel. */
#include "csr.h"

.macro SAVE_REGS
    sd x1, 0(sp)
    sd x3, 16(sp)
    .irp n, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd x\n, 8*(\n-1)(sp)
    .endr
.endm

.text
.balign 4
.globl trap_entry
trap_entry:
    csrrw tp, sscratch, tp
    beqz tp, from_kernel

    sd sp, TASK_TRAP_SP(tp)
    ld sp, TASK_KERNEL_SP(tp)
    SAVE_REGS
    csrrw t0, sscratch, zero        /* the user's tp */
    ld t1, TASK_TRAP_SP(tp)
    sd t0, 24(sp)
    sd t1, 8(sp)
    csrr t0, sepc
    csrr t1, sstatus
    csrr t2, scause
    sd t1, TF_SSTATUS(sp)
    sd t2, TF_SCAUSE(sp)
    li t3, 8                        /* EXC_ECALL_U */
    mv a0, sp
    bne t2, t3, 1f
    //@sol traps behind-the-ecall
    addi t0, t0, 4                  /* behind the ecall */
    sd t0, TF_SEPC(sp)
    //@end
    csrsi sstatus, SSTATUS_SIE
    call do_syscall
ret_to_user:
    csrci sstatus, SSTATUS_SIE
    lw t0, TASK_FLAGS(tp)
    bnez t0, work_pending
to_user:
    csrw sscratch, tp
restore:                            /* not s0 to s11: C code has kept them */
    ld t0, TF_SEPC(sp)
    ld t1, TF_SSTATUS(sp)
    csrw sepc, t0
    csrw sstatus, t1
    .irp n, 1,3,4,5,6,7,10,11,12,13,14,15,16,17,28,29,30,31
    ld x\n, 8*(\n-1)(sp)
    .endr
    ld sp, 8(sp)
    sret
1:  csrr t1, stval
    sd t0, TF_SEPC(sp)
    sd t1, TF_STVAL(sp)
    call do_trap
    j ret_to_user
work_pending:                       /* and what has changed the frame; interrupts off on entry and return */
    mv a0, sp
    call do_work_pending
    .irp n, 8,9,18,19,20,21,22,23,24,25,26,27
    ld x\n, 8*(\n-1)(sp)
    .endr
    j to_user

.globl from_kernel
from_kernel:
    csrr tp, sscratch
    sd sp, TASK_TRAP_SP(tp)
    addi sp, sp, -TF_SIZE
    slli sp, sp, 63-STACK_BIT
    bgez sp, stack_overflow
    ld sp, TASK_TRAP_SP(tp)
    addi sp, sp, -TF_SIZE
    csrw sscratch, zero
    SAVE_REGS
    sd x4, 24(sp)
    ld t1, TASK_TRAP_SP(tp)
    sd t1, 8(sp)
    li t0, SSTATUS_SUM
    csrrc t0, sstatus, t0
    csrr t1, sepc
    csrr t2, scause
    csrr t3, stval
    sd t0, TF_SSTATUS(sp)
    sd t1, TF_SEPC(sp)
    sd t2, TF_SCAUSE(sp)
    sd t3, TF_STVAL(sp)
    mv a0, sp
    call do_trap
    j restore

/* The stack is used up: report on the overflow stack, never return. One hart at a time. */
stack_overflow:
    la sp, overflow_stack + STACK_SLOT - TF_SIZE
    SAVE_REGS
    sd x4, 24(sp)
    ld t1, TASK_TRAP_SP(tp)
    sd t1, 8(sp)
    csrr t0, sepc
    sd t0, TF_SEPC(sp)
    csrr t0, sstatus
    sd t0, TF_SSTATUS(sp)
    csrr t0, scause
    sd t0, TF_SCAUSE(sp)
    csrr t0, stval
    sd t0, TF_STVAL(sp)
    csrw sscratch, zero
    mv a0, sp
    call kernel_stack_overflow
    j .

/* The first switch to a new task arrives here with a0 = the task that ran before. A kernel thread has
 * its function in s0 and its argument in s1. */
.globl ret_from_fork
ret_from_fork:
    mv s2, s0
    li s0, 0
    call schedule_tail
    beqz s2, 1f
    mv a0, s1
    jalr s2
    call kthread_return             /* exits, or returns after an exec to enter user mode */
1:  csrci sstatus, SSTATUS_SIE
    j work_pending

/* void save_frame(struct frame *): where it was called from (debug/unwind.c). */
.globl save_frame
save_frame:
    sd ra, 0(a0)
    sd sp, 8(a0)
    sd zero, 16(a0)
    li t0, 1
    sb t0, 24(a0)
    ret

/* struct task_struct *__switch_to(prev, next): returns prev, on next's stack. */
.globl __switch_to
__switch_to:
    sd ra, TASK_CONTEXT+0(a0)
    sd sp, TASK_CONTEXT+8(a0)
    sd s0, TASK_CONTEXT+16(a0)
    sd s1, TASK_CONTEXT+24(a0)
    .irp n, 2,3,4,5,6,7,8,9,10,11
    sd s\n, TASK_CONTEXT+16+8*\n(a0)
    .endr
    ld ra, TASK_CONTEXT+0(a1)
    ld sp, TASK_CONTEXT+8(a1)
    ld s0, TASK_CONTEXT+16(a1)
    ld s1, TASK_CONTEXT+24(a1)
    .irp n, 2,3,4,5,6,7,8,9,10,11
    ld s\n, TASK_CONTEXT+16+8*\n(a1)
    .endr
    mv tp, a1
    ret

.macro CALLERS_REGS op
    \op ra, 0(sp)
    .irp n, 0,1,2,3,4,5,6
    \op t\n, 8+8*\n(sp)
    .endr
    .irp n, 0,1,2,3,4,5,6,7
    \op a\n, 64+8*\n(sp)
    .endr
.endm
/* Called with jal t0, all other registers are kept: pass_turn for cpu_relax, spin_lock_wait of the lock in t1. */
.globl pass_turn_stub, spin_lock_wait_stub
pass_turn_stub:
    addi sp, sp, -128
    CALLERS_REGS sd
    call pass_turn
    j 1f
spin_lock_wait_stub:
    addi sp, sp, -128
    CALLERS_REGS sd
    mv a0, t1
    call spin_lock_wait
1:  CALLERS_REGS ld
    addi sp, sp, 128
    jr t0

.section .bss
.balign STACK_SLOT
overflow_stack:
    .space STACK_SLOT
.section .rodata
.balign 4096
.globl vdso_image, vdso_image_end
vdso_image:
    .incbin VDSO_PATH
.balign 4096
vdso_image_end:
