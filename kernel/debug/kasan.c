/* KASAN: the compiler calls a check before each load and store of the checked build (DEBUG=1). One shadow
 * byte stands for 8 bytes of memory: 0 all may be used, 1 to 7 the first so many, otherwise what the memory
 * is. The shadow covers RAM in the linear map, so pages, slab objects and kmalloc's tails; what lies
 * elsewhere (stacks, devices, user memory) is not checked here, page tables do that. Not compiled with checks
 * itself. */
#include "debug.h"
#include "kasan.h"
#include "../mm/mm.h"

static s8 *shadow;
static u64 first, bytes; /* the memory that the shadow covers */

u64 kasan_shadow_size(u64 memory) { return memory / 8; }
void kasan_init(void *room, u64 start, u64 size) {
    memset(room, 0, size / 8);
    first = start;
    bytes = size;
    smp_store_release(&shadow, room);
}

void kasan_poison(const void *p, u64 size, enum kasan_state what) {
    u64 off = (u64)p - first;
    if (shadow && off < bytes)
        memset(shadow + off / 8, what, size / 8);
}
void kasan_unpoison(const void *p, u64 size) {
    u64 off = (u64)p - first;
    if (!shadow || off >= bytes)
        return;
    memset(shadow + off / 8, 0, size / 8);
    if (size & 7)
        shadow[(off + size) / 8] = size & 7;
}

static noinline void report(u64 p, u64 size, bool write, u64 pc, s8 state) {
    static const char *const names[] = {"a free page", "a freed object",
                                        "a slab's room past an object's end"};
    u64 off;
    const char *fn = ksym_lookup(pc, &off);
    unsigned int i = (u8)state - KASAN_PAGE_FREE;
    shadow = NULL; /* the report must not report */
    panic("KASAN: %s of %lu bytes at %lx, %s, in %s+0x%lx", write ? "write" : "read", size, p,
          i < ARRAY_SIZE(names) ? names[i] : "past the end of an allocation", fn ? fn : "?", fn ? off : pc);
}
static inline bool allowed(u64 at, u64 last) { /* bytes at..last of one group of 8 */
    s8 s = shadow[(at - first) / 8];
    return !s || (s > 0 && (last & 7) < (u64)s);
}
static inline void check(u64 p, u64 size, bool write, u64 pc) {
    if (!shadow || p - first >= bytes || !size)
        return;
    if (current_thread->preempt_count)
        work_count(1 + size / 64, pc);
    for (u64 at = p, last; at < p + size; at = last + 1) {
        last = min((at | 7), p + size - 1);
        if (unlikely(!allowed(at, last)))
            report(p, size, write, pc, shadow[(at - first) / 8]);
    }
}
void kasan_check(const void *p, u64 size, bool write) {
    check((u64)p, size, write, (u64)__builtin_return_address(0));
}

#define CHECKS(n)                                                                                            \
    void __asan_load##n##_noabort(u64 p) { check(p, n, false, (u64)__builtin_return_address(0)); }           \
    void __asan_store##n##_noabort(u64 p) { check(p, n, true, (u64)__builtin_return_address(0)); }
CHECKS(1)
CHECKS(2)
CHECKS(4)
CHECKS(8)
CHECKS(16)
void __asan_loadN_noabort(u64 p, u64 n) { check(p, n, false, (u64)__builtin_return_address(0)); }
void __asan_storeN_noabort(u64 p, u64 n) { check(p, n, true, (u64)__builtin_return_address(0)); }
void __asan_handle_no_return(void) {}
