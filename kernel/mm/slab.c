/* Objects of one size cut from pages; see slab.h. Each hart has a small stack of free objects, used with
 * interrupts off; behind it is the cache's lock and its list of partly used slabs. A slab's free objects
 * are linked through their first word. */
#include "../debug/debug.h"
#include "../debug/kasan.h"
#include "mm.h"
#include "../core/task.h"

#define MAG_SIZE 16

struct kmem_cache {
    char name[24];
    u32 size, per_slab, order;
    void (*ctor)(void *obj);
    spinlock_t lock; /* partial, pages */
    struct list_head partial;
    u64 pages;
    atomic64_t active;
    struct {
        u32 n;
        void *obj[MAG_SIZE];
    } mag[MAX_HARTS];
};

static const u16 kmalloc_sizes[] = {16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048};
#define KMALLOC_MAX 2048
static u8 kmalloc_index[KMALLOC_MAX / 16 + 1]; /* by sixteenths of the size: the smallest that does */
static struct kmem_cache kmalloc_caches[ARRAY_SIZE(kmalloc_sizes)];
static struct kmem_cache *caches[64];
static unsigned int nr_caches;

static void cache_init(struct kmem_cache *c, const char *name, size_t size) {
    strlcpy(c->name, name, sizeof(c->name));
    c->size = ALIGN_UP(size, 16);
    c->order = c->size > 1024 ? 2 : c->size > 512 ? 1 : 0;
    c->per_slab = (PAGE_SIZE << c->order) / c->size;
    spin_lock_init(&c->lock, RANK_SLAB);
    INIT_LIST_HEAD(&c->partial);
    if (nr_caches == ARRAY_SIZE(caches))
        panic("too many slab caches");
    caches[nr_caches++] = c;
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size) {
    struct kmem_cache *c = kzalloc(sizeof(*c), GFP_ATOMIC);
    if (!c)
        panic("no memory for slab cache %s", name);
    cache_init(c, name, size);
    return c;
}

struct kmem_cache *kmem_cache_create_ctor(const char *name, size_t size, void (*ctor)(void *obj)) {
    struct kmem_cache *c = kmem_cache_create(name, size);
    c->ctor = ctor;
    return c;
}

static struct page *head_of(const void *obj) {
    struct page *p = virt_to_page(obj);
    return (struct page *)p->private;
}

static bool new_slab(struct kmem_cache *c, unsigned int gfp) {
    struct page *p = alloc_pages(c->order, gfp & GFP_KERNEL);
    if (!p)
        return false;
    void *free = NULL;
    for (u32 i = c->per_slab; i-- > 0;) {
        void **o = page_address(p) + i * c->size;
        if (c->ctor)
            c->ctor(o);
        *o = free;
        free = o;
    }
    kasan_poison(page_address(p), PAGE_SIZE << c->order, KASAN_ROOM);
    for (u32 i = 0; i < 1u << c->order; i++) {
        p[i].flags |= PG_SLAB;
        p[i].private = (u64)p;
    }
    p->slab = c;
    p->freelist = free;
    p->inuse = 0;
    u64 irq = spin_lock_irqsave(&c->lock);
    list_add(&p->lru, &c->partial);
    c->pages += 1u << c->order;
    spin_unlock_irqrestore(&c->lock, irq);
    return true;
}

static no_kasan void *slab_take(struct kmem_cache *c) {
    if (list_empty(&c->partial))
        return NULL;
    struct page *p = list_first_entry(&c->partial, struct page, lru);
    void **o = p->freelist;
    p->freelist = *o;
    if (++p->inuse == c->per_slab)
        list_del_init(&p->lru);
    return o;
}

/* Returns a slab that became empty, for the caller to free without the lock. */
static no_kasan struct page *slab_put(struct kmem_cache *c, void *obj) {
    struct page *p = head_of(obj);
    *(void **)obj = p->freelist;
    p->freelist = obj;
    if (p->inuse-- == c->per_slab)
        list_add(&p->lru, &c->partial);
    if (p->inuse || (p->lru.next == &c->partial && p->lru.prev == &c->partial))
        return NULL; /* keep one */
    list_del(&p->lru);
    c->pages -= 1u << c->order;
    return p;
}

bool fail_nth_alloc(void) { return !irqs_disabled() && --current_thread->fail_nth == 0; }

/* The hart has none: half a stack of them, and one more. */
static noinline void *refill(struct kmem_cache *c, unsigned int gfp) {
    void *o = NULL;
    do {
        u64 irq = local_irq_save();
        unsigned int h = smp_processor_id();
        spin_lock(&c->lock);
        while (c->mag[h].n < MAG_SIZE / 2 && (o = slab_take(c)))
            c->mag[h].obj[c->mag[h].n++] = o;
        spin_unlock_raw(&c->lock);
        preempt_enable_no_resched();
        o = c->mag[h].n ? c->mag[h].obj[--c->mag[h].n] : NULL;
        local_irq_restore(irq);
    } while (!o && new_slab(c, gfp));
    return o;
}
void *kmem_cache_alloc(struct kmem_cache *c, unsigned int gfp) {
    if (should_fail_alloc())
        return NULL;
    void *o = NULL;
    u64 irq = local_irq_save();
    unsigned int h = smp_processor_id(), n = c->mag[h].n;
    if (likely(n)) {
        o = c->mag[h].obj[n - 1];
        c->mag[h].n = n - 1;
    }
    local_irq_restore(irq);
    if (unlikely(!o) && !(o = refill(c, gfp)))
        return NULL;
    __atomic_fetch_add(&c->active.v, 1, __ATOMIC_RELAXED);
    kasan_unpoison(o, c->size);
    if (gfp & GFP_ZERO)
        memset(o, 0, c->size);
    return o;
}

/* The hart has as many as it may: half of them go. Slabs that are empty then go too. */
static noinline void drain(struct kmem_cache *c) {
    LIST_HEAD(empty);
    u64 irq = local_irq_save();
    unsigned int h = smp_processor_id();
    spin_lock(&c->lock);
    while (c->mag[h].n > MAG_SIZE / 2) {
        struct page *p = slab_put(c, c->mag[h].obj[--c->mag[h].n]);
        if (p)
            list_add(&p->lru, &empty);
    }
    spin_unlock_raw(&c->lock);
    preempt_enable_no_resched();
    local_irq_restore(irq);
    while (!list_empty(&empty)) {
        struct page *p = list_first_entry(&empty, struct page, lru);
        list_del(&p->lru);
        for (u32 i = 0; i < 1u << c->order; i++)
            p[i].flags = 0;
        kasan_unpoison(page_address(p), PAGE_SIZE << c->order);
        free_pages(p, c->order);
    }
}
#ifdef CONFIG_DEBUG
/* A wait queue that ends with somebody on it is written to when that one leaves (a poller's hook). A queue is
 * known by its lock's rank and a list whose neighbours point back to it. */
static bool may_read(u64 va) {
    const pte_t *t = swapper_pg_dir;
    if ((va & 7) || va < PAGE_OFFSET)
        return false;
    for (int level = 2; level >= 0; level--) {
        pte_t e = t[va_index(va, level)];
        if (!(e & PTE_V) || (e & PTE_LEAF))
            return e & PTE_R;
        t = __va(pte_pa(e));
    }
    return false;
}
static no_kasan noinline void no_queue_in_use(struct kmem_cache *c, const void *obj) {
    for (size_t at = 0; at + sizeof(struct wait_queue_head) <= c->size; at += sizeof(u64)) {
        const struct wait_queue_head *q = obj + at;
        const struct list_head *n = q->list.next, *p = q->list.prev;
        if (q->lock.rank == RANK_WAITQ && n != &q->list && may_read((u64)n) && may_read((u64)p) &&
            n->prev == &q->list && p->next == &q->list)
            panic("%s at %p is freed with a wait queue at %lu that somebody hangs on", c->name, obj, at);
    }
}
#endif
void kmem_cache_free(struct kmem_cache *c, void *obj) {
#ifdef CONFIG_DEBUG
    BUG_ON(head_of(obj)->slab != c);
    kasan_check(obj, 1, true);    /* freed before? */
    kasan_unpoison(obj, c->size); /* kmalloc's tail */
    no_queue_in_use(c, obj);
    if (!c->ctor)
        memset(obj, 0x6b, c->size);
    kasan_poison(obj, c->size, KASAN_FREED);
#endif
    __atomic_fetch_add(&c->active.v, -1, __ATOMIC_RELAXED);
    u64 irq = local_irq_save();
    unsigned int h, n;
    while (unlikely((n = c->mag[h = smp_processor_id()].n) == MAG_SIZE)) {
        local_irq_restore(irq);
        drain(c);
        irq = local_irq_save();
    }
    c->mag[h].obj[n] = obj;
    c->mag[h].n = n + 1;
    local_irq_restore(irq);
}

void *kmalloc(size_t size, unsigned int gfp) {
    if (likely(size <= KMALLOC_MAX)) {
        struct kmem_cache *c = &kmalloc_caches[kmalloc_index[DIV_ROUND_UP(size, 16)]];
        void *o = kmem_cache_alloc(c, gfp);
        if (o) /* the tail is out of bounds */
            kasan_poison((void *)ALIGN_UP((u64)o + size, 8), ALIGN_DOWN(c->size - size, 8), KASAN_ROOM);
        return o;
    }
    unsigned int order = 0;
    if (size > PAGE_SIZE << MAX_ORDER)
        return NULL;
    while (PAGE_SIZE << order < size)
        order++;
    struct page *p = alloc_pages(order, gfp);
    return p ? page_address(p) : NULL;
}

void kfree(const void *v) {
    if (!v)
        return;
    struct page *p = virt_to_page(v);
    if (p->flags & PG_SLAB)
        kmem_cache_free(head_of(v)->slab, (void *)v);
    else
        free_pages(p, p->order);
}

char *kstrdup(const char *s) {
    size_t n = strlen(s) + 1;
    char *d = kmalloc(n, GFP_KERNEL);
    return d ? memcpy(d, s, n) : NULL;
}

void slab_init(void) {
    char name[24];
    for (unsigned int i = 0; i < ARRAY_SIZE(kmalloc_sizes); i++) {
        snprintf(name, sizeof(name), "kmalloc-%u", kmalloc_sizes[i]);
        cache_init(&kmalloc_caches[i], name, kmalloc_sizes[i]);
        for (u32 n = i ? kmalloc_sizes[i - 1] / 16 + 1 : 0; n <= kmalloc_sizes[i] / 16u; n++)
            kmalloc_index[n] = i;
    }
}

bool slab_stat(unsigned int i, const char **name, size_t *size, u64 *active, u64 *pages) {
    if (i >= nr_caches)
        return false;
    *name = caches[i]->name;
    *size = caches[i]->size;
    *active = __atomic_load_n(&caches[i]->active.v, __ATOMIC_RELAXED);
    *pages = caches[i]->pages;
    return true;
}

SELFTEST(slab) {
    void *p[200];
    for (int i = 0; i < 200; i++) {
        EXPECT((p[i] = kmalloc(i * 11 + 1, GFP_KERNEL)));
        EXPECT(((u64)p[i] & 15) == 0);
        memset(p[i], i, i * 11 + 1);
    }
    EXPECT(!kmalloc((PAGE_SIZE << MAX_ORDER) + 1, GFP_KERNEL) && !kmalloc(~0UL, GFP_KERNEL));
    for (int i = 0; i < 200; i++) {
        EXPECT(*(u8 *)p[i] == i && ((u8 *)p[i])[i * 11] == i);
        kfree(p[i]);
    }
    return NULL;
}
