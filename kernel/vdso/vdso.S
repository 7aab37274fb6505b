/* The vDSO: code of the kernel's that runs in user mode. The signal trampoline, and the clocks that need no
 * system call. The page after the image holds struct vvar: real_offset, timebase_hz (core/time.c). */
#include <abi/syscall.h>
.text
.balign 4
.globl __vdso_rt_sigreturn
.type __vdso_rt_sigreturn, @function
    nop                             /* unwinders look one instruction back */
__vdso_rt_sigreturn:
    .cfi_startproc
    .cfi_signal_frame
    li a7, SYS_rt_sigreturn
    ecall
    .cfi_endproc
.size __vdso_rt_sigreturn, .-__vdso_rt_sigreturn

/* int clock_gettime(clockid, struct timespec *) */
.globl __vdso_clock_gettime
.type __vdso_clock_gettime, @function
__vdso_clock_gettime:
    .cfi_startproc
    li t0, 7
    bgtu a0, t0, 9f                 /* clocks 0, 1, 4 to 7; the CPU-time clocks ask the kernel */
    li t0, 0x0c
    srl t0, t0, a0
    andi t0, t0, 1
    bnez t0, 9f
    lla t1, vvar
    ld t2, 8(t1)                    /* timebase_hz */
    rdtime t3
    li t4, 1000000000
    divu t5, t4, t2                 /* ns a tick: whole for every timebase that divides 1 GHz */
    remu t6, t4, t2
    bnez t6, 9f
    mul t5, t5, t3
    beqz a0, 1f                     /* 0 and 5 are real time */
    li t0, 5
    bne a0, t0, 2f
1:  ld t0, 0(t1)
    add t5, t5, t0
2:  divu t0, t5, t4
    remu t5, t5, t4
    sd t0, 0(a1)
    sd t5, 8(a1)
    li a0, 0
    ret
9:  li a7, SYS_clock_gettime
    ecall
    ret
    .cfi_endproc
.size __vdso_clock_gettime, .-__vdso_clock_gettime

.globl __vdso_gettimeofday
.type __vdso_gettimeofday, @function
__vdso_gettimeofday:
    .cfi_startproc
    li a7, SYS_gettimeofday
    ecall
    ret
    .cfi_endproc
.size __vdso_gettimeofday, .-__vdso_gettimeofday

.globl __vdso_getcpu
.type __vdso_getcpu, @function
__vdso_getcpu:
    .cfi_startproc
    li a7, SYS_getcpu
    ecall
    ret
    .cfi_endproc
.size __vdso_getcpu, .-__vdso_getcpu
