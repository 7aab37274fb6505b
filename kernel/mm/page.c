/* The page allocator: a buddy system of orders 0 to MAX_ORDER behind one lock, and before it, for single
 * pages, a small list per hart used with interrupts off. Free memory is the sum of both. */
#include "../debug/kasan.h"
#include "../core/task.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "mm.h"

#define MAX_ORDER 10
#define PCP_HIGH 64
#define PCP_BATCH 16

struct page *mem_map;
u64 min_pfn, max_pfn, total_pages;
static spinlock_t buddy_lock = SPINLOCK_INIT(RANK_BUDDY);
static struct list_head free_area[MAX_ORDER + 1];
static u64 buddy_free, low_watermark;
static struct {
    struct list_head list;
    u32 count;
} pcp[MAX_HARTS];

static void buddy_put(struct page *p, unsigned int order) {
    u64 pfn = page_to_pfn(p);
    buddy_free += 1UL << order;
    for (; order < MAX_ORDER; order++) {
        u64 other = pfn ^ (1UL << order);
        if (other < min_pfn || other + (1UL << order) > max_pfn)
            break;
        struct page *b = pfn_to_page(other);
        if (!(b->flags & PG_BUDDY) || b->order != order)
            break;
        list_del(&b->lru);
        b->flags = 0;
        pfn &= other;
    }
    p = pfn_to_page(pfn);
    p->flags = PG_BUDDY;
    p->order = order;
    list_add(&p->lru, &free_area[order]);
}

static struct page *buddy_get(unsigned int order) {
    unsigned int o = order;
    while (o <= MAX_ORDER && list_empty(&free_area[o]))
        o++;
    if (o > MAX_ORDER)
        return NULL;
    struct page *p = list_first_entry(&free_area[o], struct page, lru);
    list_del(&p->lru);
    p->flags = 0;
    while (o > order) {
        struct page *half = p + (1UL << --o);
        half->flags = PG_BUDDY;
        half->order = o;
        list_add(&half->lru, &free_area[o]);
    }
    buddy_free -= 1UL << order;
    return p;
}

static struct page *take_page(unsigned int order) {
    struct page *p = NULL;
    u64 irq = local_irq_save();
    unsigned int h = smp_processor_id();
    if (!order && pcp[h].count) {
        p = list_first_entry(&pcp[h].list, struct page, lru);
        list_del(&p->lru);
        pcp[h].count--;
    } else {
        spin_lock(&buddy_lock);
        p = buddy_get(order);
        for (int i = 1; !order && p && i < PCP_BATCH; i++) {
            struct page *more = buddy_get(0);
            if (!more)
                break;
            list_add_tail(&more->lru, &pcp[h].list);
            pcp[h].count++;
        }
        spin_unlock_raw(&buddy_lock);
        preempt_enable_no_resched();
    }
    local_irq_restore(irq);
    return p;
}

static void drain_pcp(void) {
    u64 irq = spin_lock_irqsave(&buddy_lock);
    unsigned int h = smp_processor_id();
    while (pcp[h].count) {
        struct page *p = list_first_entry(&pcp[h].list, struct page, lru);
        list_del(&p->lru);
        pcp[h].count--;
        buddy_put(p, 0);
    }
    spin_unlock_irqrestore(&buddy_lock, irq);
}

struct page *alloc_pages(unsigned int order, unsigned int gfp) {
    bool may_reclaim = (gfp & GFP_KERNEL) && !current->in_reclaim;
    DEBUG_ON((gfp & GFP_KERNEL) && (current_thread->preempt_count || irqs_disabled()));
    struct page *p = NULL;
    if (should_fail_alloc())
        return NULL;
    for (int tries = 0;; tries++) {
        if (!may_reclaim || READ_ONCE(buddy_free) > low_watermark || tries >= 8)
            p = take_page(order);
        if (p || !may_reclaim || tries >= 16)
            break;
        current->in_reclaim = true;
        drain_pcp();
        u64 got = reclaim_pages(128) + shrink_dentries(64);
        current->in_reclaim = false;
        if (got < 16 && tries >= 4) {
            if (fatal_signal_pending(current)) {
                p = take_page(order); /* it is dying: let it end */
                break;
            }
            p = take_page(order);
            if (p || order > 3)
                break;
            if (!out_of_memory())
                break;
        }
    }
    if (!p)
        return NULL;
    kasan_unpoison(page_address(p), PAGE_SIZE << order);
    atomic_set(&p->refcount, 1);
    p->flags = 0;
    p->order = order;
    p->mapping = NULL;
    p->inuse = 0;
    p->private = 0;
    for (u32 i = 0; (gfp & GFP_ZERO) && i < 1u << order; i++)
        clear_page(page_address(p + i));
    return p;
}

void free_pages(struct page *p, unsigned int order) {
    DEBUG_ON(p->flags & (PG_BUDDY | PG_LOCKED));
#ifdef CONFIG_DEBUG
    memset(page_address(p), 0x6b, PAGE_SIZE << order);
    kasan_poison(page_address(p), PAGE_SIZE << order, KASAN_PAGE_FREE);
#endif
    p->flags = 0;
    u64 irq = local_irq_save();
    unsigned int h = smp_processor_id();
    if (!order && pcp[h].count < PCP_HIGH) {
        list_add(&p->lru, &pcp[h].list);
        pcp[h].count++;
    } else {
        spin_lock(&buddy_lock);
        buddy_put(p, order);
        for (int i = 0; !order && i < PCP_BATCH; i++) {
            struct page *q = list_entry(pcp[h].list.prev, struct page, lru);
            list_del(&q->lru);
            pcp[h].count--;
            buddy_put(q, 0);
        }
        spin_unlock_raw(&buddy_lock);
        preempt_enable_no_resched();
    }
    local_irq_restore(irq);
}

u64 nr_free_pages(void) {
    u64 n = READ_ONCE(buddy_free) + kstack_cached_pages() + table_cached_pages();
    for (unsigned int h = 0; h < nr_harts; h++)
        n += READ_ONCE(pcp[h].count);
    return n;
}

bool memory_plenty(u64 pages) { return READ_ONCE(buddy_free) > 4 * low_watermark + pages; }

/* Call fn for each run of free memory: the device tree's memory less what is reserved. */
static void each_free_run(void (*fn)(u64 start, u64 end)) {
    for (unsigned int i = 0; i < machine.nr_mem; i++) {
        u64 at = ALIGN_UP(machine.mem[i].base, PAGE_SIZE);
        u64 end = ALIGN_DOWN(machine.mem[i].base + machine.mem[i].size, PAGE_SIZE);
        while (at < end) {
            u64 stop = end, skip = 0;
            for (unsigned int r = 0; r < machine.nr_reserved; r++) {
                u64 rs = ALIGN_DOWN(machine.reserved[r].base, PAGE_SIZE);
                u64 re = ALIGN_UP(machine.reserved[r].base + machine.reserved[r].size, PAGE_SIZE);
                if (rs <= at && at < re)
                    skip = max(skip, re);
                else if (rs > at && rs < stop)
                    stop = rs;
            }
            if (skip) {
                at = skip;
                continue;
            }
            fn(at, stop);
            at = stop;
        }
    }
}

static u64 map_bytes, map_pa;
static void find_map_room(u64 start, u64 end) {
    if (!map_pa && end - start >= map_bytes)
        map_pa = start;
}
static void give_run(u64 start, u64 end) {
    for (u64 pfn = start >> PAGE_SHIFT; pfn < end >> PAGE_SHIFT;) {
        unsigned int order = 0;
        while (order < MAX_ORDER && !(pfn & (1UL << order)) && pfn + (2UL << order) <= end >> PAGE_SHIFT)
            order++;
        for (u64 i = 0; i < 1UL << order; i++)
            atomic_set(&pfn_to_page(pfn + i)->refcount, 0);
        buddy_put(pfn_to_page(pfn), order);
        pfn += 1UL << order;
    }
}

void buddy_init(void) {
    for (int o = 0; o <= MAX_ORDER; o++)
        INIT_LIST_HEAD(&free_area[o]);
    for (int h = 0; h < MAX_HARTS; h++)
        INIT_LIST_HEAD(&pcp[h].list);
    min_pfn = ~0UL;
    for (unsigned int i = 0; i < machine.nr_mem; i++) {
        min_pfn = min(min_pfn, machine.mem[i].base >> PAGE_SHIFT);
        max_pfn = max(max_pfn, (machine.mem[i].base + machine.mem[i].size) >> PAGE_SHIFT);
    }
    u64 low = min_pfn << PAGE_SHIFT, kend = __pa(kernel_end);
    machine.reserved[machine.nr_reserved].base = low; /* the firmware, then the kernel */
    machine.reserved[machine.nr_reserved++].size = kend - low;
    u64 map = ALIGN_UP((max_pfn - min_pfn) * sizeof(struct page), PAGE_SIZE);
    map_bytes = map + ALIGN_UP(kasan_shadow_size((max_pfn - min_pfn) << PAGE_SHIFT), PAGE_SIZE);
    each_free_run(find_map_room);
    if (!map_pa)
        panic("no room for the page map: %lu bytes", map_bytes);
    machine.reserved[machine.nr_reserved].base = map_pa;
    machine.reserved[machine.nr_reserved++].size = map_bytes;
    mem_map = __va(map_pa);
    memset(mem_map, 0, map);
    kasan_init((u8 *)mem_map + map, (u64)__va(low), (max_pfn - min_pfn) << PAGE_SHIFT);
    for (u64 i = 0; i < max_pfn - min_pfn; i++)
        atomic_set(&mem_map[i].refcount, 1);
    each_free_run(give_run);
    total_pages = buddy_free;
    low_watermark = max(total_pages / 128, 64UL);
}

SELFTEST(buddy) {
    struct page *p[64];
    u64 before = nr_free_pages();
    for (int i = 0; i < 64; i++) {
        EXPECT((p[i] = alloc_pages(i % 4, GFP_KERNEL)));
        EXPECT(!(page_to_pfn(p[i]) & ((1UL << (i % 4)) - 1)));
        memset(page_address(p[i]), i, PAGE_SIZE << (i % 4));
    }
    for (int i = 0; i < 64; i++) {
        u8 *b = page_address(p[i]);
        EXPECT(b[0] == i && b[(PAGE_SIZE << (i % 4)) - 1] == i);
        put_page(p[i]);
    }
    EXPECT(nr_free_pages() == before);
    return NULL;
}
