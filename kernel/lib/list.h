/* Circular doubly linked lists; a node is embedded in what it links. The caller locks. */
#pragma once
#include "types.h"

struct list_head {
    struct list_head *next, *prev;
};
#define LIST_HEAD_INIT(n)                                                                                    \
    { &(n), &(n) }
#define LIST_HEAD(n) struct list_head n = LIST_HEAD_INIT(n)

static inline void INIT_LIST_HEAD(struct list_head *h) { h->next = h->prev = h; }
static inline void list_insert(struct list_head *n, struct list_head *prev, struct list_head *next) {
    n->prev = prev;
    n->next = next;
    prev->next = n;
    next->prev = n;
}
static inline void list_add(struct list_head *n, struct list_head *h) { list_insert(n, h, h->next); }
static inline void list_add_tail(struct list_head *n, struct list_head *h) { list_insert(n, h->prev, h); }
static inline void list_del(struct list_head *n) {
    n->prev->next = n->next;
    n->next->prev = n->prev;
}
static inline void list_del_init(struct list_head *n) {
    list_del(n);
    INIT_LIST_HEAD(n);
}
static inline bool list_empty(const struct list_head *h) { return READ_ONCE(h->next) == h; }
static inline void list_splice_init(struct list_head *from, struct list_head *to) {
    if (list_empty(from))
        return;
    from->next->prev = to;
    from->prev->next = to->next;
    to->next->prev = from->prev;
    to->next = from->next;
    INIT_LIST_HEAD(from);
}
#define list_entry(p, type, m) container_of(p, type, m)
#define list_first_entry(h, type, m) list_entry((h)->next, type, m)
#define list_for_each_entry(p, h, m)                                                                         \
    for (p = list_entry((h)->next, __typeof__(*p), m); &p->m != (h);                                         \
         p = list_entry(p->m.next, __typeof__(*p), m))
#define list_for_each_entry_safe(p, t, h, m)                                                                 \
    for (p = list_entry((h)->next, __typeof__(*p), m), t = list_entry(p->m.next, __typeof__(*p), m);         \
         &p->m != (h); p = t, t = list_entry(t->m.next, __typeof__(*t), m))
