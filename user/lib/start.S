/* A program's first instructions, the bare system call, vfork, and clone with a new stack. */
#include <abi/syscall.h>
.text
.globl _start
_start:
    .option push
    .option norelax
    lla gp, __global_pointer$
    .option pop
    mv a0, sp
    andi sp, sp, -16
    call start_c

/* long syscall_raw(number, a, b, c, d, e, f): the kernel's answer as it is. */
.globl syscall_raw
syscall_raw:
    mv a7, a0
    mv a0, a1
    mv a1, a2
    mv a2, a3
    mv a3, a4
    mv a4, a5
    mv a5, a6
    ecall
    ret

/* The child returns first, on this same stack: nothing may be kept there. */
.globl vfork
vfork:
    li a7, SYS_vfork
    ecall
    bltz a0, 1f
    ret
1:  tail set_errno

/* long clone_thread(flags, stack, ptid, tls, ctid, fn, arg): the child runs fn(arg) on stack. */
.globl clone_thread
clone_thread:
    addi a1, a1, -16
    sd a5, 0(a1)
    sd a6, 8(a1)
    li a7, SYS_clone
    ecall
    beqz a0, 1f
    ret
1:  ld t0, 0(sp)
    ld a0, 8(sp)
    li s0, 0
    jalr t0
    li a0, 0
    li a7, SYS_exit
    ecall
