/* Who called whom, without frame pointers: a function's code says where it keeps its caller. gcc's and
 * clang's prologue moves sp down by the frame's size and saves ra in it; an epilogue undoes both. The
 * Makefile forbids what would make a frame's size unknown here (alloca, arrays of variable length, frames of
 * over 4,000 bytes). */
#include "../core/task.h"
#include "debug.h"

extern char from_kernel[], pass_turn_stub[], spin_lock_wait_stub[];

enum insn { OTHER, MOVE_SP, SAVE_RA, LOAD_RA, JUMP };
#define BITS(i, low, n) ((i) >> (low) & ((1u << (n)) - 1))
/* What the instruction at p does, and for MOVE_SP by how much, for SAVE_RA where (from sp). RISC-V
 * unprivileged manual, chapters 2 and 27 (C). */
static enum insn decode(const u16 *p, s32 *n) {
    u32 i = p[0];
    if ((i & 3) != 3) {
        if ((i & 0xef83) == 0x6101) { /* c.addi16sp */
            *n = (s32)(BITS(i, 6, 1) << 4 | BITS(i, 2, 1) << 5 | BITS(i, 5, 1) << 6 | BITS(i, 3, 2) << 7) -
                 (s32)(BITS(i, 12, 1) << 9);
            return MOVE_SP;
        }
        if ((i & 0xef83) == 0x0101) { /* c.addi sp */
            *n = (s32)BITS(i, 2, 5) - (s32)(BITS(i, 12, 1) << 5);
            return MOVE_SP;
        }
        if ((i & 0xe07f) == 0xe006) { /* c.sdsp ra */
            *n = BITS(i, 10, 3) << 3 | BITS(i, 7, 3) << 6;
            return SAVE_RA;
        }
        if ((i & 0xef83) == 0x6082) /* c.ldsp ra */
            return LOAD_RA;
        return (i & 0xe003) == 0xa001 || (i & 0xf07f) == 0x8002 ? JUMP : OTHER; /* c.j, c.jr */
    }
    i |= (u32)p[1] << 16;
    if ((i & 0xfffff) == 0x10113) { /* addi sp,sp,n */
        *n = (s32)i >> 20;
        return MOVE_SP;
    }
    if ((i & 0x1fff07f) == 0x113023) { /* sd ra,n(sp) */
        *n = BITS(i, 25, 7) << 5 | BITS(i, 7, 5);
        return SAVE_RA;
    }
    if ((i & 0xfffff) == 0x13083) /* ld ra,n(sp) */
        return LOAD_RA;
    return (i & 0xfff) == 0x6f || (i & 0xfff) == 0x67 ? JUMP : OTHER; /* jal x0, jalr x0 */
}

static bool load_stack(u64 at, u64 top, u64 *value) {
    if (at < top - STACK_SIZE || at > top - 8 || at & 7)
        return false;
    *value = *(u64 *)at;
    return true;
}

bool unwind(struct frame *f, u64 top) {
    u64 start, end;
    if (!ksym_range(f->called ? f->pc - 1 : f->pc, &start, &end))
        return false;
    if (start == (u64)from_kernel &&
        f->called) { /* do_trap's caller: its frame is what the trap has interrupted */
        struct trapframe *tf = (struct trapframe *)f->sp;
        if (f->sp < top - STACK_SIZE || f->sp > top - sizeof(*tf))
            return false;
        *f = (struct frame){.pc = tf->sepc, .sp = tf->sp, .ra = tf->ra};
        return true;
    }
    if (f->called && (start == (u64)pass_turn_stub || start == (u64)spin_lock_wait_stub)) {
        struct frame up = {.sp = f->sp + 128}; /* called with jal t0, in the middle of anything */
        if (!load_stack(f->sp, top, &up.ra) || !load_stack(f->sp + 8, top, &up.pc))
            return false;
        *f = up;
        return true;
    }
    /* After a call that returns here, the frame is as the prologue has made it. Anywhere else it may not be
     * there yet, or not any more: between an epilogue and the jump that ends it. */
    s32 frame = 0, saved = -1, now_frame = 0, now_saved = -1, n;
    for (u64 at = start; at < (f->called ? end : f->pc); at += (*(u16 *)at & 3) == 3 ? 4 : 2)
        switch (decode((u16 *)at, &n)) {
        case MOVE_SP:
            if (n < 0)
                frame -= n;
            now_frame -= n;
            break;
        case SAVE_RA:
            if (saved < 0)
                saved = frame - n;
            now_saved = saved;
            break;
        case LOAD_RA:
            now_saved = -1;
            break;
        case JUMP:
            now_frame = frame;
            now_saved = saved;
            break;
        default:
            break;
        }
    if (f->called)
        now_frame = frame, now_saved = saved;
    u64 sp = f->sp + now_frame, pc = f->ra;
    if (now_saved >= 0 ? !load_stack(sp - now_saved, top, &pc) : f->called)
        return false;
    if (pc < (u64)kernel_start || pc >= (u64)text_end || sp < f->sp)
        return false;
    *f = (struct frame){.pc = pc, .sp = sp, .called = true};
    return true;
}
