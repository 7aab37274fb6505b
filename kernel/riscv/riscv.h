/* The machine: CSR access, traps, page-table format, harts, SBI. Names are the manuals'. */
#pragma once
#include "../lib/lib.h"
#include "csr.h"

#define csr_read(csr)                                                                                        \
    ({                                                                                                       \
        u64 _v;                                                                                              \
        asm volatile("csrr %0, " #csr : "=r"(_v)::"memory");                                                 \
        _v;                                                                                                  \
    })
#define csr_write(csr, v) asm volatile("csrw " #csr ", %0" ::"rK"(v) : "memory")
#define csr_set(csr, v) asm volatile("csrs " #csr ", %0" ::"rK"(v) : "memory")
#define csr_clear(csr, v) asm volatile("csrc " #csr ", %0" ::"rK"(v) : "memory")

static inline u64 rdtime(void) { return csr_read(time); }
static inline bool irqs_disabled(void) { return !(csr_read(sstatus) & SSTATUS_SIE); }
static inline void local_irq_enable(void) { csr_set(sstatus, SSTATUS_SIE); }
static inline void local_irq_disable(void) { csr_clear(sstatus, SSTATUS_SIE); }
static inline u64 local_irq_save(void) {
    u64 v;
    asm volatile("csrrci %0, sstatus, %1" : "=r"(v) : "i"(SSTATUS_SIE) : "memory");
    return v & SSTATUS_SIE;
}
static inline void local_irq_restore(u64 flags) { csr_set(sstatus, flags); }
/* In a loop that waits for another hart. Where harts take turns (QEMU's icount; the kernel argument `turns`)
 * the turn goes to the next one, which the waiting would else keep for millions of instructions. */
extern bool harts_take_turns;
void pass_turn(void);
void flush_by_turns(u64 mask); /* all translations and instructions of these harts; preemption off */
static inline void cpu_relax(void) {
    asm volatile(".insn i 0x0f, 0, x0, x0, 0x010" ::: "memory"); /* pause */
    if (__builtin_expect(harts_take_turns,
                         0)) /* a call that keeps all registers: else each lock's taker would save some */
        asm volatile("jal t0, pass_turn_stub" ::: "t0", "memory");
}

/* The registers of a task at the moment of a trap; the user's one sits at the top of its stack. */
struct trapframe {
    u64 ra, sp, gp, tp, t0, t1, t2, s0, s1;
    u64 a0, a1, a2, a3, a4, a5, a6, a7;
    u64 s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6;
    u64 sepc, sstatus, scause, stval, orig_a0;
};
static inline bool user_mode(const struct trapframe *tf) { return !(tf->sstatus & SSTATUS_SPP); }

/* regset.c: the registers of a task that is not running, or is current, in the kernel by a trap of its own.
 */
struct task_struct;
struct user_regs_struct;
void regs_get(struct task_struct *t, struct user_regs_struct *r);
void regs_set(struct task_struct *t, const struct user_regs_struct *r);
/* f0 to f31, fcsr; zeros while the task has not used them. Of current only after flush_fpu. */
void fpregs_get(struct task_struct *t, u64 f[33]);
void fpregs_set(struct task_struct *t, const u64 f[33]);

/* step.c: PTRACE_SINGLESTEP. */
struct step {
    u64 pc, at; /* the instruction is here, and is executed there */
    u32 len;
    bool active;
};
struct mm_struct;
int step_prepare(
    struct mm_struct *mm);             /* before a task in mm may step: 0, -ENOMEM, -EINTR. Takes mmap_lock */
void step_free(struct mm_struct *mm);  /* mm ends, and step_prepare was called */
void step_begin(struct trapframe *tf); /* current, about to enter user mode, has TIF_SINGLESTEP. May sleep */
void step_leave(
    struct trapframe *tf); /* tf is to be looked at: as if the instruction were executed in its place */
bool step_trap(struct trapframe *tf); /* a trap while step.active; true: it was the end of the step */
void step_report(u64 pc);             /* current has stepped to pc: SIGTRAP */

/* What __switch_to saves: callee-saved registers. */
struct context {
    u64 ra, sp, s[12];
};
struct fpu_state {
    u64 f[32];
    u64 fcsr;
};
void fpu_save(struct fpu_state *f);
void fpu_restore(const struct fpu_state *f);

struct task_struct *__switch_to(struct task_struct *prev, struct task_struct *next);
extern char ret_from_fork[], trap_entry[], kernel_start[], text_end[], kernel_end[], _start[];
extern char vdso_image[], vdso_image_end[];

/* Sv39 page-table entries (section 4.4). Bits 8 and 9 are the software's. */
typedef u64 pte_t;
#define PTE_V BIT(0)
#define PTE_R BIT(1)
#define PTE_W BIT(2)
#define PTE_X BIT(3)
#define PTE_U BIT(4)
#define PTE_G BIT(5)
#define PTE_A BIT(6)
#define PTE_D BIT(7)
#define PTE_LEAF (PTE_R | PTE_W | PTE_X)
#define PTRS_PER_TABLE 512
#define USER_ROOT_ENTRIES 256
#define TASK_SIZE (1UL << 38)
#define pte_pa(p) (((p) >> 10) << 12)
#define make_pte(pa, flags) (((u64)(pa) >> 12) << 10 | (flags))
#define va_index(va, level) (((u64)(va) >> (12 + 9 * (level))) & 511)
#define __va(pa) ((void *)((u64)(pa) + PAGE_OFFSET))
#define __pa(va) ((u64)(va)-PAGE_OFFSET)

extern pte_t swapper_pg_dir[PTRS_PER_TABLE];
static inline void flush_tlb_page_local(u64 va) { asm volatile("sfence.vma %0" ::"r"(va) : "memory"); }
static inline void flush_tlb_local(void) { asm volatile("sfence.vma" ::: "memory"); }
/* Flush [start, start+size) on every hart whose bit is set in mask, the calling one included. */
void flush_tlb_harts(u64 mask, u64 start, u64 size);
/* Each hart once, before it runs a program: which address space identifiers it has. */
void asid_init(void);
/* This hart uses that root from now on, and nothing that it remembers of another's translations. Interrupts
 * off. */
void load_root(const pte_t *root);
/* Make code written to memory visible to fetches on all harts. */
void flush_icache_all(void);
/* Boot: the final kernel page table, from the memory map. */
void paging_init(void);
/* Device registers, through the linear map. Boot only. */
volatile void *ioremap(u64 pa, u64 size);
/* Map the 4 pages of a kernel stack into its slot. -ENOMEM on failure. */
int map_kernel_page(u64 va, u64 pa);
extern u64 kernel_tables;      /* table pages for stacks; they are kept */
u64 unmap_kernel_page(u64 va); /* returns the physical address */

/* SBI calls (RISC-V SBI specification 1.0). */
struct sbiret {
    long error, value;
};
struct sbiret sbi_call(long ext, long fid, u64 a0, u64 a1, u64 a2, u64 a3);
void sbi_putchar(char c);
void sbi_set_timer(u64 time);
bool sbi_probe(long ext);
void sbi_send_ipi(u64 hartid);
/* Harts (a mask of our numbers) fence: fid is SBI_FENCE_I or SBI_SFENCE_VMA, the latter of [start, +size). */
void sbi_remote_fence(u64 harts, long fid, u64 start, u64 size);
enum { SBI_FENCE_I = 0, SBI_SFENCE_VMA = 1 };
long sbi_hart_start(u64 hartid, u64 pa, u64 opaque);
__noreturn void sbi_shutdown(bool reboot, bool failed);

/* Harts. Numbered 0..nr_harts-1 in device-tree order; hartid is the firmware's number. */
#define MAX_HARTS 64
#define IRQS_PER_PLIC 128 /* interrupt n of the controller i is number i * IRQS_PER_PLIC + n */
#define MAX_NODES 8       /* parts of a machine with memory and harts of their own (NUMA) */
extern unsigned int nr_harts;
extern u64 hart_ids[MAX_HARTS];
extern u64 online_harts; /* bit mask */
void smp_boot(void); /* starts all other harts and waits for them */

enum ipi { IPI_RESCHED, IPI_STOP, IPI_BACKTRACE, IPI_FLUSH };
void send_ipi(unsigned int hart, enum ipi what);
u64 ipi_count(unsigned int hart);
void show_regs(const struct trapframe *tf);

/* Time since power-on in nanoseconds, from the time CSR. */
u64 ktime_get(void);
extern u64 timebase_hz;
/* Ask for a timer interrupt on this hart at ns; ~0 for none. */
void set_next_event(u64 ns);
void timer_hw_init(void);

/* Traps of this hart enter the kernel from now on. */
void trap_init(void);
u64 trap_counts(unsigned int hart, unsigned int which); /* 0 timer, 1 ext, 2 soft */

/* What the device tree said; see devtree.c. */
struct machine {
    struct {
        u64 base, size;
        u32 node;
    } mem[16];
    unsigned int nr_mem;
    u8 hart_node[MAX_HARTS];
    unsigned int nr_nodes;             /* 1 where the tree names none */
    u8 distance[MAX_NODES][MAX_NODES]; /* 10: the same node */
    struct {
        u64 base, size;
    } reserved[32];
    unsigned int nr_reserved;
    u64 uart_base, rtc_base, finisher_base;
    u32 uart_irq, uart_shift;
    struct {
        u64 base, size;
        u32 ndev, phandle;
    } plic[MAX_NODES]; /* with several nodes QEMU gives each its own, for its harts */
    unsigned int nr_plics;
    u8 hart_plic[MAX_HARTS];
    u32 plic_context[MAX_HARTS]; /* there, and one more; 0: none */
    struct {
        u64 base;
        u32 irq;
    } virtio[32];
    unsigned int nr_virtio;
    u64 pci_ecam, pci_mmio; /* configuration space of bus 0; the window for 32-bit memory */
    u64 initrd_start, initrd_end;
    bool sstc;
    char bootargs[1024], model[64], isa[128];
    struct {
        u32 harts, mem, nodes, reserved, bootargs;
    } found; /* as many the tree has, which may be more than the arrays hold */
    u64 dtb_pa, dtb_size;
};
extern struct machine machine;
/* Read the tree at dtb_pa. Returns NULL, or what is wrong with it. */
const char *machine_init(u64 boot_hartid, u64 dtb_pa);
