/* Kernel stacks: 16 KB in the upper half of a 32 KB slot of kernel address space, so that running over
 * the end faults. Freed stacks stay mapped for reuse; past a limit their pages go back. */
#include "../debug/debug.h"
#include "../core/task.h"
#include "mm.h"

#define NR_SLOTS (VSTACK_GIGAS * 0x40000000UL / STACK_SLOT)
#define CACHE_MAX 32

static spinlock_t kstack_lock = SPINLOCK_INIT(RANK_OBJECT);
static u64 slot_map[NR_SLOTS / 64];
static u64 next_slot;
static void *cache[CACHE_MAX];
static u32 cached;

static long take_slot(void) {
    for (u64 n = 0; n < NR_SLOTS / 64; n++) {
        u64 w = (next_slot + n) % (NR_SLOTS / 64);
        if (~slot_map[w]) {
            u64 b = ctz64(~slot_map[w]);
            slot_map[w] |= BIT(b);
            next_slot = w;
            return w * 64 + b;
        }
    }
    return -1;
}

static void release(u64 top, unsigned int pages) {
    u64 pa[STACK_SIZE / PAGE_SIZE];
    for (unsigned int i = 0; i < pages; i++)
        pa[i] = unmap_kernel_page(top - STACK_SIZE + i * PAGE_SIZE);
    flush_tlb_harts(online_harts, top - STACK_SIZE, STACK_SIZE);
    for (unsigned int i = 0; i < pages; i++)
        put_page(pa_to_page(pa[i]));
    u64 slot = (top - VSTACK_BASE) / STACK_SLOT - 1;
    spin_lock(&kstack_lock);
    slot_map[slot / 64] &= ~BIT(slot % 64);
    spin_unlock(&kstack_lock);
}

void *kstack_alloc(void) {
    if (should_fail_alloc())
        return NULL;
    spin_lock(&kstack_lock);
    void *top = cached ? cache[--cached] : NULL;
    long slot = top ? 0 : take_slot();
    spin_unlock(&kstack_lock);
    if (top)
        stack_fill(top);
    if (top || slot < 0)
        return top;
    u64 end = VSTACK_BASE + (slot + 1) * STACK_SLOT;
    for (unsigned int i = 0; i < STACK_SIZE / PAGE_SIZE; i++) {
        struct page *p = alloc_page(GFP_KERNEL);
        if (!p || map_kernel_page(end - STACK_SIZE + i * PAGE_SIZE, page_to_pa(p))) {
            if (p)
                put_page(p);
            release(end, i);
            return NULL;
        }
    }
    stack_fill((void *)end);
    return (void *)end;
}

void kstack_free(void *top) {
    spin_lock(&kstack_lock);
    bool keep = cached < CACHE_MAX;
    if (keep)
        cache[cached++] = top;
    spin_unlock(&kstack_lock);
    if (!keep)
        release((u64)top, STACK_SIZE / PAGE_SIZE);
}

u64 kstack_cached_pages(void) { return READ_ONCE(cached) * (STACK_SIZE / PAGE_SIZE); }
