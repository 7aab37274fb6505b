/* Access to user memory by its own addresses: the only code that runs with sstatus.SUM set. Each instruction that
 * may fault has an entry in __ex_table: a fault that cannot be served goes on at the fixup. */
#include "csr.h"
.macro TRY fixup, insn:vararg
900:  \insn
    .section __ex_table, "a"
    .balign 8
    .dword 900b, \fixup
    .text
.endm

.text
/* 64 bytes at an offset of src (a1) to dst (a0), by t0 to t3 and a4 to a7. */
.macro WORDS_64 op, base, at
    TRY bytes, \op t0, \at(\base)
    TRY bytes, \op t1, \at+8(\base)
    TRY bytes, \op t2, \at+16(\base)
    TRY bytes, \op t3, \at+24(\base)
    TRY bytes, \op a4, \at+32(\base)
    TRY bytes, \op a5, \at+40(\base)
    TRY bytes, \op a6, \at+48(\base)
    TRY bytes, \op a7, \at+56(\base)
.endm
.macro COPY_64 at
    WORDS_64 ld, a1, \at
    WORDS_64 sd, a0, \at
.endm
/* u64 __copy_user(dst, src, n): returns the bytes not copied. */
.globl __copy_user
__copy_user:
    li t6, SSTATUS_SUM
    csrs sstatus, t6
    jal t4, copy
    csrc sstatus, t6
    mv a0, a2
    ret
/* void __copy_linear(dst, src, n): as __copy_user, between kernel addresses. */
.globl __copy_linear
__copy_linear:
    mv t4, ra
/* 512, then 64 bytes a round where both pointers are 8-aligned; a round that faults is done again bytewise, so that
 * the count is exact. Returns to t4. */
copy:
    or t0, a0, a1
    andi t1, t0, 7
    bnez t1, 4f
    li t5, 512
    bltu a2, t5, 7f
1:  .irp at, 0,64,128,192,256,320,384,448
    COPY_64 \at
    .endr
    addi a0, a0, 512
    addi a1, a1, 512
    addi a2, a2, -512
    bgeu a2, t5, 1b
7:  li t5, 64
8:  bltu a2, t5, 2f
    COPY_64 0
    addi a0, a0, 64
    addi a1, a1, 64
    addi a2, a2, -64
    j 8b
2:  li t5, 8
3:  bltu a2, t5, 5f
    TRY bytes, ld t0, 0(a1)
    TRY bytes, sd t0, 0(a0)
    addi a0, a0, 8
    addi a1, a1, 8
    addi a2, a2, -8
    j 3b
4:  andi t0, t0, 3
    bnez t0, bytes
5:  li t5, 4                /* an aligned word is copied whole: a futex's must never be read in pieces */
6:  bltu a2, t5, bytes
    TRY bytes, lw t0, 0(a1)
    TRY bytes, sw t0, 0(a0)
    addi a0, a0, 4
    addi a1, a1, 4
    addi a2, a2, -4
    j 6b
bytes:
    beqz a2, done
    TRY done, lb t0, (a1)
    TRY done, sb t0, (a0)
    addi a0, a0, 1
    addi a1, a1, 1
    addi a2, a2, -1
    j bytes
done:
    jr t4

/* u64 __clear_user(dst, n): bytes not cleared. Where one of eight stores faults, the bytes before it are done one by one. */
.globl __clear_user
__clear_user:
    li t6, SSTATUS_SUM
    csrs sstatus, t6
    li t1, 64
1:  beqz a1, 3f
    andi t0, a0, 7
    bnez t0, 2f
    bltu a1, t1, 2f
    TRY 2f, sd zero, (a0)
    TRY 2f, sd zero, 8(a0)
    TRY 2f, sd zero, 16(a0)
    TRY 2f, sd zero, 24(a0)
    TRY 2f, sd zero, 32(a0)
    TRY 2f, sd zero, 40(a0)
    TRY 2f, sd zero, 48(a0)
    TRY 2f, sd zero, 56(a0)
    addi a0, a0, 64
    addi a1, a1, -64
    j 1b
2:  TRY 3f, sb zero, (a0)
    addi a0, a0, 1
    addi a1, a1, -1
    j 1b
3:  csrc sstatus, t6
    mv a0, a1
    ret

/* long __strncpy_user(dst, src, n): length without the terminator, n if none was found, -1 on a fault. */
.globl __strncpy_user
__strncpy_user:
    li t6, SSTATUS_SUM
    csrs sstatus, t6
    li t1, 0
1:  beq t1, a2, 3f
    TRY 2f, lb t0, (a1)
    sb t0, (a0)
    beqz t0, 3f
    addi a0, a0, 1
    addi a1, a1, 1
    addi t1, t1, 1
    j 1b
2:  li t1, -1
3:  csrc sstatus, t6
    mv a0, t1
    ret

/* long __cmpxchg_user(u32 *p, u32 old, u32 new, u32 *seen): 0, or -1 on a fault. */
.globl __cmpxchg_user
__cmpxchg_user:
    li t6, SSTATUS_SUM
    csrs sstatus, t6
    sext.w a1, a1
1:  TRY 3f, lr.w.aqrl t0, (a0)
    bne t0, a1, 2f
    TRY 3f, sc.w.aqrl t1, a2, (a0)
    bnez t1, 1b
2:  csrc sstatus, t6
    sw t0, (a3)
    li a0, 0
    ret
3:  csrc sstatus, t6
    li a0, -1
    ret
