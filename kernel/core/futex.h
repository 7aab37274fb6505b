/* Futexes, inside: what names a word of user memory. */
#pragma once
#include "task.h"
#include "../mm/mm.h"
#include <abi/errno.h>

struct futex_key {
    u64 object, offset;
};
/* The name of a word: by address space and address, or (shared, in a shared mapping) by file and offset. 0,
 * -EINVAL, -EFAULT. May sleep. */
int futex_get_key(u64 uaddr, bool shared, struct futex_key *k);
static inline bool futex_same(const struct futex_key *a, const struct futex_key *b) {
    return a->object == b->object && a->offset == b->offset;
}
/* Read the word with a spinlock held: no sleep; -EFAULT then means "touch it and come again". */
static inline int futex_read_locked(u64 uaddr, u32 *v) {
    return raw_copy_from_user(v, uaddr, 4) ? -EFAULT : 0;
}

/* futex_pi.c. deadline: ns of ktime_get. */
long futex_lock_pi(u64 uaddr, bool shared, u64 deadline, bool try);
long futex_unlock_pi(u64 uaddr, bool shared);
void futex_pi_init(void);
void futex_pi_exit(struct task_struct *t); /* t ends: who waits for its locks gets them */
