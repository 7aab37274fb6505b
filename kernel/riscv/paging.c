/* The kernel's own page table and TLB flushes. Physical memory is mapped by 1 GB pages, except the GB
 * that holds the kernel: there, 2 MB pages make text read-only and all else not executable. */
#include "../debug/debug.h"
#include "../mm/mm.h"
#include "../core/task.h"

#define KERNEL_LEAF (PTE_V | PTE_R | PTE_G | PTE_A | PTE_D)
#define GIGA (1UL << 30)
#define MEGA (2UL << 20)

static pte_t kernel_mega[PTRS_PER_TABLE] __aligned(PAGE_SIZE);
static pte_t stack_mid[VSTACK_GIGAS][PTRS_PER_TABLE] __aligned(PAGE_SIZE);
u64 kernel_tables;
static spinlock_t kernel_table_lock = SPINLOCK_INIT(RANK_PAGE_TABLE);

static bool is_memory(u64 start, u64 end) {
    for (unsigned int i = 0; i < machine.nr_mem; i++)
        if (start < machine.mem[i].base + machine.mem[i].size && machine.mem[i].base < end)
            return true;
    return false;
}

volatile void *ioremap(u64 pa, u64 size) {
    for (u64 g = pa / GIGA; g <= (pa + size - 1) / GIGA; g++)
        if (!swapper_pg_dir[256 + g])
            swapper_pg_dir[256 + g] = make_pte(g * GIGA, KERNEL_LEAF | PTE_W);
    flush_tlb_local();
    return __va(pa);
}

void paging_init(void) {
    u64 kpa = KERNEL_BASE_PA, kg = kpa / GIGA;
    for (u64 i = 0; i < PTRS_PER_TABLE; i++) {
        u64 pa = kg * GIGA + i * MEGA;
        if (!is_memory(pa, pa + MEGA))
            continue;
        bool text = pa >= kpa && pa < __pa(text_end);
        kernel_mega[i] = make_pte(pa, KERNEL_LEAF | (text ? PTE_X : PTE_W));
    }
    for (u64 g = 0; g < 255; g++) {
        pte_t e = 0;
        if (g == kg)
            e = make_pte(__pa(kernel_mega), PTE_V);
        else if (is_memory(g * GIGA, (g + 1) * GIGA))
            e = make_pte(g * GIGA, KERNEL_LEAF | PTE_W);
        swapper_pg_dir[256 + g] = e;
    }
    for (u64 g = 0; g < VSTACK_GIGAS; g++)
        swapper_pg_dir[va_index(VSTACK_BASE, 2) + g] = make_pte(__pa(stack_mid[g]), PTE_V);
    flush_tlb_local();
}

static pte_t *stack_pte(u64 va, bool alloc) {
    pte_t *mid = &stack_mid[(va - VSTACK_BASE) / GIGA][va_index(va, 1)];
    if (!*mid && alloc) {
        struct page *t = alloc_page(GFP_KERNEL | GFP_ZERO);
        if (!t)
            return NULL;
        t->flags |= PG_TABLE;
        spin_lock(&kernel_table_lock);
        if (!*mid) {
            __atomic_store_n(mid, make_pte(page_to_pa(t), PTE_V), __ATOMIC_RELEASE);
            kernel_tables++;
            t = NULL;
        }
        spin_unlock(&kernel_table_lock);
        if (t)
            put_page(t);
    }
    return (pte_t *)__va(pte_pa(*mid)) + va_index(va, 0);
}

int map_kernel_page(u64 va, u64 pa) {
    pte_t *p = stack_pte(va, true);
    if (!p)
        return -12; /* ENOMEM */
    *p = make_pte(pa, KERNEL_LEAF | PTE_W);
    flush_tlb_page_local(va);
    return 0;
}

u64 unmap_kernel_page(u64 va) {
    pte_t *p = stack_pte(va, false), old = *p;
    *p = 0;
    return pte_pa(old);
}

/* Address space identifiers. A hart gives each root that it loads the next one, and begins again when they
 * are used up: so nothing that it remembers of another address space, or of this one from before, is found,
 * and only then has it to be flushed. */
static u32 last_asid = SATP_ASID_MAX; /* the smallest of all harts'; 0: they have none */
static struct { u32 next; } __aligned(64) asids[MAX_HARTS];

void asid_init(void) {
    u64 was = csr_read(satp);
    csr_write(satp, was | (u64)SATP_ASID_MAX << SATP_ASID_SHIFT);
    last_asid = min(last_asid, (u32)(csr_read(satp) >> SATP_ASID_SHIFT & SATP_ASID_MAX));
    csr_write(satp, was);
    flush_tlb_local();
}

void load_root(const pte_t *root) {
    u32 *asid = &asids[smp_processor_id()].next;
    csr_write(satp, SATP_SV39 | (u64)*asid << SATP_ASID_SHIFT | __pa(root) >> PAGE_SHIFT);
    if (!*asid) /* the first, again */
        flush_tlb_local();
    *asid = *asid < last_asid ? *asid + 1 : 0;
}

void flush_tlb_harts(u64 mask, u64 start, u64 size) {
    preempt_disable();
    u64 self = BIT(smp_processor_id());
    if (mask & self) {
        if (size == PAGE_SIZE) /* more: one of these costs QEMU as much as all, and each time */
            flush_tlb_page_local(start);
        else
            flush_tlb_local();
    }
    u64 others = mask & ~self & online_harts;
    if (others && unlikely(harts_take_turns))
        flush_by_turns(others);
    else if (others)
        sbi_remote_fence(others, SBI_SFENCE_VMA, start, size);
    preempt_enable();
}

void flush_icache_all(void) {
    asm volatile("fence.i" ::: "memory");
    preempt_disable();
    u64 others = online_harts & ~BIT(smp_processor_id());
    if (others && unlikely(harts_take_turns))
        flush_by_turns(others);
    else if (others)
        sbi_remote_fence(others, SBI_FENCE_I, 0, 0);
    preempt_enable();
}
