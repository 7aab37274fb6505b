/* The shadow memory of the checked build; nothing in the other. See kasan.c. */
#pragma once
#include "../lib/types.h"

enum kasan_state { KASAN_PAGE_FREE = 0xf0, KASAN_FREED, KASAN_ROOM };
#ifdef CONFIG_DEBUG
u64 kasan_shadow_size(u64 memory); /* bytes that the shadow of so much memory takes */
/* Begin to check the linear map's [start, start + size); room is the shadow. Before other harts run. */
void kasan_init(void *room, u64 start, u64 size);
/* p is aligned to 8, for poison the size too. */
void kasan_poison(const void *p, u64 size, enum kasan_state what);
void kasan_unpoison(const void *p, u64 size);
/* May the caller use these bytes? A panic says no. */
void kasan_check(const void *p, u64 size, bool write);
#define no_kasan __attribute__((no_sanitize("kernel-address")))
#else
static inline u64 kasan_shadow_size(u64 memory) { return memory * 0; }
#define kasan_init(room, start, size) ((void)0)
#define kasan_poison(p, size, what) ((void)0)
#define kasan_unpoison(p, size) ((void)0)
#define kasan_check(p, size, write) ((void)0)
#define no_kasan
#endif
