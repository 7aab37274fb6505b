/* Radix tree: the page cache's index and the pid table. See radix.h. */
#include "radix.h"
#include "../mm/slab.h"
#include <abi/errno.h>

#define SHIFT 6
#define SLOTS (1u << SHIFT)

struct radix_node {
    u32 used;
    void *slot[SLOTS];
};

static u64 max_index(unsigned int height) {
    return height * SHIFT >= 64 ? ~0UL : (1UL << (height * SHIFT)) - 1;
}
static unsigned int slot_of(u64 index, unsigned int level) {
    return (index >> (level * SHIFT)) & (SLOTS - 1);
}

void *radix_lookup(const struct radix_tree *t, u64 index) {
    if (!t->height || index > max_index(t->height))
        return NULL;
    void *n = t->root;
    for (unsigned int l = t->height; n && l-- > 0;)
        n = ((struct radix_node *)n)->slot[slot_of(index, l)];
    return n;
}

int radix_insert(struct radix_tree *t, u64 index, void *item) {
    if (!t->root) {
        t->root = kzalloc(sizeof(struct radix_node), GFP_ATOMIC);
        if (!t->root)
            return -ENOMEM;
        t->height = 1;
    }
    while (index > max_index(t->height)) {
        if (!t->root->used) { /* still empty: as good a top as a bottom */
            t->height++;
            continue;
        }
        struct radix_node *n = kzalloc(sizeof(*n), GFP_ATOMIC);
        if (!n)
            return -ENOMEM;
        n->slot[0] = t->root;
        n->used = 1;
        t->root = n;
        t->height++;
    }
    struct radix_node *n = t->root;
    for (unsigned int l = t->height - 1; l > 0; l--) {
        void **s = &n->slot[slot_of(index, l)];
        if (!*s) {
            *s = kzalloc(sizeof(*n), GFP_ATOMIC);
            if (!*s)
                return -ENOMEM; /* an empty path may remain; the next insert or delete uses it */
            n->used++;
        }
        n = *s;
    }
    void **s = &n->slot[slot_of(index, 0)];
    if (*s)
        return -EEXIST;
    *s = item;
    n->used++;
    t->count++;
    return 0;
}

void *radix_delete(struct radix_tree *t, u64 index) {
    struct radix_node *path[12];
    if (!t->height || index > max_index(t->height))
        return NULL;
    struct radix_node *n = t->root;
    for (unsigned int l = t->height; l-- > 0;) {
        if (!n)
            return NULL;
        path[l] = n;
        n = n->slot[slot_of(index, l)];
    }
    void *item = n;
    if (!item)
        return NULL;
    t->count--;
    for (unsigned int l = 0; l < t->height; l++) {
        path[l]->slot[slot_of(index, l)] = NULL;
        if (--path[l]->used)
            return item;
        kfree(path[l]);
    }
    t->root = NULL;
    t->height = 0;
    return item;
}

static void *next_in(const struct radix_node *n, unsigned int level, u64 base, u64 *index) {
    for (unsigned int i = *index > base ? slot_of(*index, level) : 0; i < SLOTS; i++) {
        u64 at = base + ((u64)i << (level * SHIFT));
        if (!n->slot[i])
            continue;
        if (!level) {
            *index = at;
            return n->slot[i];
        }
        void *item = next_in(n->slot[i], level - 1, at, index);
        if (item)
            return item;
    }
    return NULL;
}

void *radix_next(const struct radix_tree *t, u64 *index) {
    if (!t->height || *index > max_index(t->height))
        return NULL;
    return next_in(t->root, t->height - 1, 0, index);
}
