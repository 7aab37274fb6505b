/* Radix tree: the page cache's index and the pid table. See radix.h. */
#include "radix.h"
#include "../mm/slab.h"
#include <abi/errno.h>

#define SHIFT 6
#define SLOTS (1u << SHIFT)
#define MOST_SPARES 2u /* a top and a bottom */

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

void *const *radix_run(const struct radix_tree *t, u64 index, u32 *n) {
    void *node = index <= max_index(t->height) ? t->root : NULL;
    for (unsigned int l = t->height; node && l-- > 1;)
        node = ((struct radix_node *)node)->slot[slot_of(index, l)];
    *n = SLOTS - slot_of(index, 0);
    return node ? &((struct radix_node *)node)->slot[slot_of(index, 0)] : NULL;
}

static struct radix_node *node_alloc(struct radix_tree *t) {
    struct radix_node *n = t->spare;
    if (!n)
        return kzalloc(sizeof(*n), GFP_ATOMIC);
    t->spare = n->slot[0];
    n->slot[0] = NULL;
    t->spares--;
    return n;
}
/* n holds nothing: all of it is zero. */
static void node_free(struct radix_tree *t, struct radix_node *n) {
    if (t->spares == MOST_SPARES) {
        kfree(n);
        return;
    }
    n->slot[0] = t->spare; /* a chain */
    t->spare = n;
    t->spares++;
}
void radix_reserve(struct radix_tree *t) {
    struct radix_node *n;
    while (t->spares < MOST_SPARES && (n = kzalloc(sizeof(*n), GFP_KERNEL)))
        node_free(t, n);
}
void radix_destroy(struct radix_tree *t) {
    for (struct radix_node *n; (n = t->spare); kfree(n))
        t->spare = n->slot[0];
    t->spares = 0;
}

/* Free the nodes on the way to index that hold nothing, and tops that lead to slot 0 alone. */
static void prune(struct radix_tree *t, u64 index) {
    struct radix_node *path[12] = {0};
    unsigned int l = t->height;
    for (struct radix_node *n = t->root; n && l-- > 0; n = n->slot[slot_of(index, l)])
        path[l] = n;
    for (l = 0; l < t->height && (!path[l] || !path[l]->used); l++)
        if (path[l]) {
            node_free(t, path[l]);
            if (l + 1 < t->height) {
                path[l + 1]->slot[slot_of(index, l + 1)] = NULL;
                path[l + 1]->used--;
            } else {
                t->root = NULL;
                t->height = 0;
            }
        }
    while (t->height > 1 && t->root->used == 1 && t->root->slot[0]) {
        struct radix_node *top = t->root;
        t->root = top->slot[0];
        t->height--;
        top->slot[0] = NULL;
        top->used = 0;
        node_free(t, top);
    }
}

int radix_insert(struct radix_tree *t, u64 index, void *item) {
    struct radix_node *n;
    if (!t->root) {
        t->root = node_alloc(t);
        if (!t->root)
            return -ENOMEM;
        t->height = 1;
        while (index > max_index(t->height)) /* an empty node is as good a top as a bottom */
            t->height++;
    }
    while (index > max_index(t->height)) {
        if (!(n = node_alloc(t)))
            goto out_of_memory;
        n->slot[0] = t->root;
        n->used = 1;
        t->root = n;
        t->height++;
    }
    n = t->root;
    for (unsigned int l = t->height - 1; l > 0; l--) {
        void **s = &n->slot[slot_of(index, l)];
        if (!*s) {
            if (!(*s = node_alloc(t)))
                goto out_of_memory;
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

out_of_memory:
    prune(t, index);
    radix_destroy(t); /* others need it now */
    return -ENOMEM;
}

void *radix_delete(struct radix_tree *t, u64 index) {
    if (!t->height || index > max_index(t->height))
        return NULL;
    struct radix_node *n = t->root;
    for (unsigned int l = t->height - 1; n && l > 0; l--)
        n = n->slot[slot_of(index, l)];
    void *item = n ? n->slot[slot_of(index, 0)] : NULL;
    if (!item)
        return NULL;
    n->slot[slot_of(index, 0)] = NULL;
    n->used--;
    t->count--;
    if (!n->used || t->root->used == 1)
        prune(t, index);
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
