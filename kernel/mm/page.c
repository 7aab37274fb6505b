/* The page allocator: for each node (NUMA; mostly there is one) a buddy system of orders 0 to MAX_ORDER
 * behind a lock, and before it, for single pages of its own node, a small list per hart used with interrupts
 * off. Free memory is the sum of both. */
#include "../debug/kasan.h"
#include "../core/task.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "../core/cgroup.h"
#include "mempolicy.h"
#include "mm.h"

#define PCP_HIGH 64
#define PCP_BATCH 16

struct page *mem_map;
u64 min_pfn, max_pfn, total_pages;
static struct zone {
    spinlock_t lock;
    struct list_head free_area[MAX_ORDER + 1];
    u64 free, total, low;
    struct zone *order[MAX_NODES]; /* all of them, the nearest first */
} zones[MAX_NODES];
static struct {
    struct list_head list;
    u32 count, node;
    struct zone *zone; /* the hart's own */
} pcp[MAX_HARTS];

static void buddy_put(struct zone *z, struct page *p, unsigned int order) {
    u64 pfn = page_to_pfn(p);
    z->free += 1UL << order;
    for (; order < MAX_ORDER; order++) {
        u64 other = pfn ^ (1UL << order);
        if (other < min_pfn || other + (1UL << order) > max_pfn)
            break;
        struct page *b = pfn_to_page(other);
        if (!(b->flags & PG_BUDDY) || b->order != order || b->node != p->node)
            break;
        list_del(&b->lru);
        b->flags = 0;
        pfn &= other;
    }
    p = pfn_to_page(pfn);
    p->flags = PG_BUDDY;
    p->order = order;
    list_add(&p->lru, &z->free_area[order]);
}

static struct page *buddy_get(struct zone *z, unsigned int order) {
    unsigned int o = order;
    while (o <= MAX_ORDER && list_empty(&z->free_area[o]))
        o++;
    if (o > MAX_ORDER)
        return NULL;
    struct page *p = list_first_entry(&z->free_area[o], struct page, lru);
    list_del(&p->lru);
    p->flags = 0;
    while (o > order) {
        struct page *half = p + (1UL << --o);
        half->flags = PG_BUDDY;
        half->order = o;
        list_add(&half->lru, &z->free_area[o]);
    }
    z->free -= 1UL << order;
    return p;
}

/* The first page of this hart's list. Interrupts off. */
static inline struct page *take_listed(unsigned int h) {
    struct page *p = list_first_entry(&pcp[h].list, struct page, lru);
    list_del(&p->lru);
    pcp[h].count--;
    return p;
}
/* The common case: a page of this hart's list, where its node keeps `low`; or NULL. */
static inline struct page *take_near(void) {
    u64 irq = local_irq_save();
    unsigned int h = smp_processor_id();
    struct page *p = pcp[h].count && READ_ONCE(pcp[h].zone->free) > pcp[h].zone->low ? take_listed(h) : NULL;
    local_irq_restore(irq);
    return p;
}
/* From z, through this hart's list if that is its own. Interrupts off. */
static struct page *take_from(struct zone *z, unsigned int order) {
    unsigned int h = smp_processor_id();
    bool listed = !order && z == pcp[h].zone;
    struct page *p;
    if (listed && pcp[h].count)
        return take_listed(h);
    spin_lock(&z->lock);
    p = buddy_get(z, order);
    for (int i = 1; listed && p && i < PCP_BATCH; i++) {
        struct page *more = buddy_get(z, 0);
        if (!more)
            break;
        list_add_tail(&more->lru, &pcp[h].list);
        pcp[h].count++;
    }
    spin_unlock_raw(&z->lock);
    preempt_enable_no_resched();
    return p;
}
/* From the first of the allowed nodes, as near to `near` as may be, that has it; reserve: and keeps `low`. */
static struct page *take_page(unsigned int order, const struct page_source *from, bool reserve) {
    struct page *p = NULL;
    u64 irq = local_irq_save();
    struct zone *near = from->node < 0 ? pcp[smp_processor_id()].zone : &zones[from->node];
    for (unsigned int i = 0; i < machine.nr_nodes && !p; i++) {
        struct zone *z = near->order[i];
        if ((from->allowed & BIT(z - zones)) && (!reserve || READ_ONCE(z->free) > z->low))
            p = take_from(z, order);
    }
    local_irq_restore(irq);
    return p;
}

static void drain_pcp(void) {
    u64 irq = local_irq_save();
    unsigned int h = smp_processor_id();
    struct zone *z = pcp[h].zone;
    spin_lock(&z->lock);
    while (pcp[h].count)
        buddy_put(z, take_listed(h), 0);
    spin_unlock_raw(&z->lock);
    preempt_enable_no_resched();
    local_irq_restore(irq);
}

/* As alloc_pages, when there is no page at hand. */
static noinline struct page *find_page(unsigned int order, unsigned int gfp) {
    bool may_reclaim = (gfp & GFP_KERNEL) && !current->in_reclaim;
    struct page *p;
    struct page_source from = {ANY_NODE, ~0u, false};
    if ((gfp & GFP_USER) && machine.nr_nodes > 1)
        from = policy_source();
    for (int tries = 0;; tries++) {
        p = take_page(order, &from, may_reclaim && tries < 8);
        if (p || !may_reclaim || tries >= 16)
            break;
        if (from.soft) { /* the nodes it would like are full: then any */
            from.soft = false;
            from.allowed = ~0u;
            continue;
        }
        current->in_reclaim = true;
        drain_pcp();
        u64 got = reclaim_pages(128, NULL, NULL) + shrink_dentries(64);
        current->in_reclaim = false;
        if (tries >= 6)
            printk("try %d order %u got %lu free %lu cached %lu\n", tries, order, got, nr_free_pages(),
                   nr_cached_pages());
        if (got < 16 && tries >= 4) {
            p = take_page(order, &from, false);
            if (p || fatal_signal_pending(current) || order > 3) /* if it is dying let it end */
                break;
            if (!out_of_memory(NULL))
                break;
        }
    }
    return p;
}

struct page *alloc_pages(unsigned int order, unsigned int gfp) {
    DEBUG_ON((gfp & GFP_KERNEL) && (current_thread->preempt_count || irqs_disabled()));
    if (should_fail_alloc())
        return NULL;
    struct cgroup *memcg = NULL;
    if ((gfp & GFP_USER) && unlikely(current->cgroup != &root_cgroup) &&
        IS_ERR(memcg = memory_charge(order, gfp)))
        return NULL;
    struct page *p = order || ((gfp & GFP_USER) && machine.nr_nodes > 1) ? NULL : take_near();
    if (!p && !(p = find_page(order, gfp))) {
        if (memcg)
            memory_uncharge(memcg, 1UL << order);
        return NULL;
    }
    if (unlikely(memcg))
        for (u32 i = 0; i < 1u << order; i++)
            p[i].memcg = memcg;
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

static noinline void uncharge(struct page *p, unsigned int order) {
    memory_uncharge(p->memcg, 1UL << order);
    for (u32 i = 0; i < 1u << order; i++)
        p[i].memcg = NULL;
}
void free_pages(struct page *p, unsigned int order) {
    DEBUG_ON(p->flags & (PG_BUDDY | PG_LOCKED));
#ifdef CONFIG_DEBUG
    memset(page_address(p), 0x6b, PAGE_SIZE << order);
    kasan_poison(page_address(p), PAGE_SIZE << order, KASAN_PAGE_FREE);
#endif
    p->flags = 0;
    if (unlikely(p->memcg))
        uncharge(p, order);
    u64 irq = local_irq_save();
    unsigned int h = smp_processor_id();
    bool listed = !order && p->node == pcp[h].node;
    if (listed && pcp[h].count < PCP_HIGH) {
        list_add(&p->lru, &pcp[h].list);
        pcp[h].count++;
    } else {
        struct zone *z = &zones[p->node];
        spin_lock(&z->lock);
        buddy_put(z, p, order);
        for (int i = 0; listed && i < PCP_BATCH; i++) {
            struct page *q = list_entry(pcp[h].list.prev, struct page, lru);
            list_del(&q->lru);
            pcp[h].count--;
            buddy_put(z, q, 0);
        }
        spin_unlock_raw(&z->lock);
        preempt_enable_no_resched();
    }
    local_irq_restore(irq);
}

u64 nr_free_pages(void) {
    u64 n = kstack_cached_pages() + table_cached_pages();
    for (unsigned int i = 0; i < machine.nr_nodes; i++)
        n += READ_ONCE(zones[i].free);
    for (unsigned int h = 0; h < nr_harts; h++)
        n += READ_ONCE(pcp[h].count);
    return n;
}

bool memory_plenty(u64 pages) {
    for (unsigned int i = 0; i < machine.nr_nodes; i++)
        if (READ_ONCE(zones[i].free) > 4 * zones[i].low + pages)
            return true;
    return false;
}

void get_node_info(unsigned int node, struct node_info *info) {
    struct zone *z = &zones[node];
    struct page *p;
    memset(info, 0, sizeof(*info));
    u64 irq = spin_lock_irqsave(&z->lock);
    for (int o = 0; o <= MAX_ORDER; o++)
        list_for_each_entry(p, &z->free_area[o], lru) info->free_runs[o]++;
    info->free = z->free;
    spin_unlock_irqrestore(&z->lock, irq);
    info->total = z->total;
    info->low = z->low;
    for (unsigned int h = 0; h < nr_harts; h++)
        info->free += pcp[h].zone == z ? READ_ONCE(pcp[h].count) : 0;
    for (unsigned int i = 0; i < machine.nr_mem; i++)
        if (machine.mem[i].node == node) {
            u64 first = machine.mem[i].base >> PAGE_SHIFT, end = first + (machine.mem[i].size >> PAGE_SHIFT);
            info->first_pfn = info->end_pfn ? min(info->first_pfn, first) : first;
            info->end_pfn = max(info->end_pfn, end);
        }
}

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
        buddy_put(&zones[pfn_to_page(pfn)->node], pfn_to_page(pfn), order);
        pfn += 1UL << order;
    }
}

/* Zones by their distance from z. */
static void sort_zones(struct zone *z) {
    u8 *distance = machine.distance[z - zones];
    for (unsigned int i = 0; i < machine.nr_nodes; i++) {
        unsigned int at = i;
        for (; at && distance[z->order[at - 1] - zones] > distance[i]; at--)
            z->order[at] = z->order[at - 1];
        z->order[at] = &zones[i];
    }
}

void buddy_init(void) {
    for (unsigned int n = 0; n < machine.nr_nodes; n++) {
        spin_lock_init(&zones[n].lock, RANK_BUDDY);
        for (int o = 0; o <= MAX_ORDER; o++)
            INIT_LIST_HEAD(&zones[n].free_area[o]);
        sort_zones(&zones[n]);
    }
    for (int h = 0; h < MAX_HARTS; h++) {
        INIT_LIST_HEAD(&pcp[h].list);
        pcp[h].node = machine.hart_node[h];
        pcp[h].zone = &zones[pcp[h].node];
    }
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
    for (unsigned int i = 0; i < machine.nr_mem && machine.nr_nodes > 1; i++)
        for (u64 at = machine.mem[i].base >> PAGE_SHIFT;
             at < (machine.mem[i].base + machine.mem[i].size) >> PAGE_SHIFT; at++)
            pfn_to_page(at)->node = machine.mem[i].node;
    each_free_run(give_run);
    for (unsigned int n = 0; n < machine.nr_nodes; n++) {
        zones[n].total = zones[n].free;
        zones[n].low = max(zones[n].total / 128, 64UL);
        total_pages += zones[n].total;
    }
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
