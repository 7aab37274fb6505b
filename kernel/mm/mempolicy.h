/* Memory policy (C12): on which nodes of the machine the pages of a program are to be. A task has one, and a
 * range of its addresses may have another; both are counted, never changed, and inherited by fork. NULL: near
 * to the hart that runs. */
#pragma once
#include "../lib/types.h"

struct mempolicy {
    atomic_t refcount;
    u16 mode, flags;       /* MPOL_*, MPOL_F_* */
    u32 nodes, user_nodes; /* bit masks: what it means, and as it was given */
};
static inline struct mempolicy *get_mempolicy(struct mempolicy *p) {
    if (p)
        atomic_inc(&p->refcount);
    return p;
}
void put_mempolicy(struct mempolicy *p); /* or NULL */
static inline bool same_mempolicy(const struct mempolicy *a, const struct mempolicy *b) {
    return a == b || (a && b && a->mode == b->mode && a->flags == b->flags && a->nodes == b->nodes &&
                      a->user_nodes == b->user_nodes);
}

#define ANY_NODE (-1)
/* Where a page may come from: nodes, the nearest to `node` (ANY_NODE: to this hart) first. soft: if they are
 * full, from any. */
struct page_source {
    s32 node;
    u32 allowed;
    bool soft;
};
/* For a page of current's: by the policy of the range whose fault is being served, or current's own. */
struct page_source policy_source(void);
/* Pages that current allocates from now on are for page `index` of a range with policy p, until the next
 * call; NULL: for no range. */
void policy_range(struct mempolicy *p, u64 index);
/* A policy as text, for numa_maps. */
struct seq;
void show_mempolicy(struct seq *s, const struct mempolicy *p);
