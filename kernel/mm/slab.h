/* Kernel objects. kmalloc gives memory aligned to 16; a kmem_cache gives objects of one size. */
#pragma once
#include "../lib/types.h"

/* GFP_KERNEL may sleep to reclaim; GFP_ATOMIC never does. GFP_ZERO clears. */
#define GFP_ATOMIC 0u
#define GFP_KERNEL 1u
#define GFP_ZERO 2u
#define GFP_USER 4u /* with GFP_KERNEL: a page for a program's data: its memory policy says where from */

struct kmem_cache;
struct kmem_cache *kmem_cache_create(const char *name, size_t size);
/* Its objects are made by ctor once, and freed as it made them but for their first 8 bytes. */
struct kmem_cache *kmem_cache_create_ctor(const char *name, size_t size, void (*ctor)(void *obj));
/* NULL when memory is out. Any context with GFP_ATOMIC. */
void *kmem_cache_alloc(struct kmem_cache *c, unsigned int gfp);
void kmem_cache_free(struct kmem_cache *c, void *p);
void *kmalloc(size_t size, unsigned int gfp);
void kfree(const void *p); /* NULL is fine */
static inline void *kzalloc(size_t size, unsigned int gfp) { return kmalloc(size, gfp | GFP_ZERO); }
char *kstrdup(const char *s);
void slab_init(void);
/* For /proc/slabinfo: the i-th cache; false past the last. */
bool slab_stat(unsigned int i, const char **name, size_t *size, u64 *active, u64 *pages);
