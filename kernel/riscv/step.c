/* PTRACE_SINGLESTEP. The machine has no step bit, and a breakpoint behind the instruction would be hit by
 * other threads. So the instruction is executed elsewhere: in a slot of a page that the address space gets
 * for it, with a breakpoint behind it there; or, where it would tell where it is (branches, jumps, auipc),
 * here in C.
 *
 * TIF_SINGLESTEP: step before going on in user mode. Then either step.active: the task's pc is in its slot;
 * or SYSCALL_WORK_STEP: the instruction is an ecall, and the stop comes when that is done. Who is to look at
 * the registers calls step_leave before. */
#include "../core/ptrace.h"
#include "../debug/debug.h"
#include <abi/errno.h>

#define SLOT_SIZE 16UL
#define STEP_BASE (VDSO_BASE + 16 * PAGE_SIZE) /* where the page is, if nothing else is there */
#define EBREAK 0x00100073u
#define ECALL 0x00000073u

struct step_area {
    struct page *page;
    u64 base;                             /* its address */
    u64 used[PAGE_SIZE / SLOT_SIZE / 64]; /* a bit for each slot; atomic */
};

static int insert_step(struct mm_struct *mm, struct step_area *a) {
    const u32 flags = VM_READ | VM_EXEC | VM_DONTFORK;
    a->base = STEP_BASE;
    int r = insert_special(mm, a->base, flags, &a->page, 1);
    if (r != -EEXIST)
        return r;
    a->base = unmapped_area(mm, PAGE_SIZE);
    return (s64)a->base < 0 ? -ENOMEM : insert_special(mm, a->base, flags, &a->page, 1);
}
int step_prepare(struct mm_struct *mm) {
    int r = 0;
    if (down_write_killable(&mm->mmap_lock))
        return -EINTR;
    if (!mm->step) {
        struct step_area *a = kzalloc(sizeof(*a), GFP_KERNEL);
        r = -ENOMEM;
        if (a && (a->page = alloc_page(GFP_KERNEL | GFP_ZERO)))
            r = insert_step(mm, a);
        if (!r) {
            mm->leaves_out = true;
            smp_store_release(&mm->step, a);
        } else if (a) {
            if (a->page)
                put_page(a->page);
            kfree(a);
        }
    }
    up_write(&mm->mmap_lock);
    return r;
}
void step_free(struct mm_struct *mm) {
    put_page(mm->step->page);
    kfree(mm->step);
}

static int take_slot(struct step_area *a) {
    for (unsigned int i = 0; i < ARRAY_SIZE(a->used); i++) {
        u64 old = READ_ONCE(a->used[i]);
        while (~old) {
            u32 bit = ctz64(~old);
            if (__atomic_compare_exchange_n(&a->used[i], &old, old | BIT(bit), false, __ATOMIC_ACQUIRE,
                                            __ATOMIC_RELAXED))
                return i * 64 + bit;
        }
    }
    return -1;
}

/* Bits [hi:lo] of an instruction, put at `to`. */
#define FIELD(i, hi, lo, to) ((u64)((i) >> (lo) & (BIT((hi) - (lo) + 1) - 1)) << (to))
static s64 sign(u64 v, u32 bits) { return (s64)(v << (64 - bits)) >> (64 - bits); }
static u64 get(const struct trapframe *tf, u32 r) { return r ? ((const u64 *)tf)[r - 1] : 0; }
static void put(struct trapframe *tf, u32 r, u64 v) {
    if (r)
        ((u64 *)tf)[r - 1] = v;
    set_tif(current, TIF_RESTORE_ALL);
}

static bool compare(u32 funct3, u64 a, u64 b) {
    switch (funct3) {
    case 0:
        return a == b;
    case 1:
        return a != b;
    case 4:
        return (s64)a < (s64)b;
    case 5:
        return (s64)a >= (s64)b;
    case 6:
        return a < b;
    default:
        return a >= b;
    }
}
/* An instruction that depends on its own address: done in tf. False: it is none. */
static bool simulate(struct trapframe *tf, u32 i, u32 len) {
    u64 pc = tf->sepc, next = pc + len;
    u32 rd = FIELD(i, 11, 7, 0), rs1 = FIELD(i, 19, 15, 0), rs2 = FIELD(i, 24, 20, 0);
    if (len == 4) {
        switch (i & 0x7f) {
        case 0x17: /* auipc */
            put(tf, rd, pc + sign(i & 0xfffff000, 32));
            break;
        case 0x6f: /* jal */
            put(tf, rd, next);
            next = pc + sign(FIELD(i, 31, 31, 20) | FIELD(i, 19, 12, 12) | FIELD(i, 20, 20, 11) |
                                 FIELD(i, 30, 21, 1),
                             21);
            break;
        case 0x67: /* jalr */
            pc = (get(tf, rs1) + sign(FIELD(i, 31, 20, 0), 12)) & ~1UL;
            put(tf, rd, next);
            next = pc;
            break;
        case 0x63: /* branches */
            if (FIELD(i, 14, 12, 0) == 2 || FIELD(i, 14, 12, 0) == 3)
                return false; /* there is none: let it trap */
            if (compare(FIELD(i, 14, 12, 0), get(tf, rs1), get(tf, rs2)))
                next = pc + sign(FIELD(i, 31, 31, 12) | FIELD(i, 7, 7, 11) | FIELD(i, 30, 25, 5) |
                                     FIELD(i, 11, 8, 1),
                                 13);
            break;
        default:
            return false;
        }
    } else if ((i & 0xe003) == 0xa001) { /* c.j */
        next =
            pc + sign(FIELD(i, 12, 12, 11) | FIELD(i, 11, 11, 4) | FIELD(i, 10, 9, 8) | FIELD(i, 8, 8, 10) |
                          FIELD(i, 7, 7, 6) | FIELD(i, 6, 6, 7) | FIELD(i, 5, 3, 1) | FIELD(i, 2, 2, 5),
                      12);
    } else if ((i & 0xc003) == 0xc001) { /* c.beqz, c.bnez */
        bool zero = !get(tf, 8 + FIELD(i, 9, 7, 0));
        if (zero == !(i & 0x2000))
            next = pc + sign(FIELD(i, 12, 12, 8) | FIELD(i, 11, 10, 3) | FIELD(i, 6, 5, 6) |
                                 FIELD(i, 4, 3, 1) | FIELD(i, 2, 2, 5),
                             9);
    } else if ((i & 0xe07f) == 0x8002 && rd) { /* c.jr, c.jalr */
        pc = get(tf, rd) & ~1UL;
        if (i & 0x1000)
            put(tf, 1, next);
        next = pc;
    } else {
        return false;
    }
    tf->sepc = next;
    return true;
}

void step_report(u64 pc) {
    if (current->ptrace) /* who has lost its tracer just goes on */
        force_signal(SIGTRAP, TRAP_TRACE, pc);
}

/* The instruction at pc: its length, 0 if it cannot be read (then its fetch faults as well). */
static u32 fetch(u64 pc, u32 *insn) {
    u16 half[2] = {0};
    if (copy_from_user(&half[0], pc, 2))
        return 0;
    u32 len = (half[0] & 3) == 3 ? 4 : 2;
    if (len == 4 && copy_from_user(&half[1], pc + 2, 2))
        return 0;
    *insn = half[0] | (u32)half[1] << 16;
    return len;
}

void step_begin(struct trapframe *tf) {
    struct step *s = &current->step;
    struct step_area *a = smp_load_acquire(&current->mm->step);
    u32 insn, len = fetch(tf->sepc, &insn);
    clear_tif(current, TIF_SINGLESTEP);
    if (!len || (len == 4 && insn == EBREAK) || (len == 2 && (insn & 0xffff) == 0x9002))
        return; /* it traps, and that is its stop */
    if (len == 4 && insn == ECALL) {
        __atomic_fetch_or(&current_thread->syscall_work, SYSCALL_WORK_STEP, __ATOMIC_RELAXED);
        return;
    }
    if (simulate(tf, insn, len)) {
        step_report(tf->sepc);
        return;
    }
    int slot = a ? take_slot(a) : -1;
    if (slot < 0) { /* 256 threads are at it */
        set_tif(current, TIF_SINGLESTEP);
        yield();
        return;
    }
    u8 *at = (u8 *)page_address(a->page) + slot * SLOT_SIZE;
    u32 ebreak = EBREAK;
    memcpy(at, &insn, len);
    memcpy(at + len, &ebreak, 4);
    flush_icache_all();
    *s = (struct step){.pc = tf->sepc, .at = a->base + slot * SLOT_SIZE, .len = len, .active = true};
    tf->sepc = s->at;
}

void step_leave(struct trapframe *tf) {
    struct step *s = &current->step;
    if (READ_ONCE(current_thread->syscall_work) & SYSCALL_WORK_STEP) {
        __atomic_fetch_and(&current_thread->syscall_work, ~SYSCALL_WORK_STEP, __ATOMIC_RELAXED);
        set_tif(current, TIF_SINGLESTEP);
    }
    if (!s->active)
        return;
    struct step_area *a = current->mm->step;
    u32 slot = (s->at - a->base) / SLOT_SIZE;
    __atomic_fetch_and(&a->used[slot / 64], ~BIT(slot % 64), __ATOMIC_RELEASE);
    s->active = false;
    if (tf->sepc == s->at) { /* not yet executed */
        tf->sepc = s->pc;
        set_tif(current, TIF_SINGLESTEP);
    } else {
        tf->sepc = s->pc + s->len;
        step_report(tf->sepc);
    }
}

bool step_trap(struct trapframe *tf) {
    struct step *s = &current->step;
    if (tf->scause == EXC_FETCH_PAGE || tf->scause == EXC_LOAD_PAGE || tf->scause == EXC_STORE_PAGE)
        return false; /* it is served, and the instruction done then */
    bool done = tf->scause == EXC_BREAKPOINT && tf->sepc == s->at + s->len;
    step_leave(tf);
    return done;
}
