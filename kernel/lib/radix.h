/* A map from a 64-bit index to a pointer: a tree of 64-slot nodes, as deep as the largest index.
 * The caller locks. */
#pragma once
#include "types.h"

struct radix_node;
struct radix_tree {
    struct radix_node *root;
    struct radix_node
        *spare; /* the last nodes that became empty: a tree that goes to and fro asks for no memory */
    u32 spares;
    unsigned int height; /* levels below root; 0: empty */
    u64 count;
};

void *radix_lookup(const struct radix_tree *t, u64 index);
/* The *n items from index on, some of them NULL, that are side by side; NULL: these *n are not there. At
 * least one. */
void *const *radix_run(const struct radix_tree *t, u64 index, u32 *n);
/* -ENOMEM, -EEXIST or 0. May allocate without sleeping. */
int radix_insert(struct radix_tree *t, u64 index, void *item);
/* Returns what was there, or NULL. Frees nodes that become empty, but for two. */
void *radix_delete(struct radix_tree *t, u64 index);
/* Have nodes to spare, if there is memory. */
void radix_reserve(struct radix_tree *t);
/* An empty tree is given up. */
void radix_destroy(struct radix_tree *t);
/* The first item with index >= *index; stores its index. NULL if none. */
void *radix_next(const struct radix_tree *t, u64 *index);
