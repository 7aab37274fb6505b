/* Red-black trees. The user embeds a node, searches by hand, and links at the place found.
 * The caller locks. */
#pragma once
#include "types.h"

struct rb_node {
    struct rb_node *parent, *left, *right;
    bool red;
};
struct rb_root {
    struct rb_node *node;
};

/* Link n as a child at *link under parent, then rebalance. */
void rb_insert(struct rb_root *root, struct rb_node *n, struct rb_node *parent, struct rb_node **link);
void rb_erase(struct rb_root *root, struct rb_node *n);
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);
#define rb_entry(p, type, m) container_of(p, type, m)
