/* What the parts of the library share among themselves. */
#pragma once
#include <tine.h>

/* The thread-local block: its size and alignment in bytes, and its initial contents written to `block`,
 * which is where tp of the thread will point (the psABI's variant I). */
size_t tls_size(void), tls_align(void);
void init_tls(void *block);
/* clone with a stack: the child runs fn(arg) there and ends. The child's tid, or a negative errno. */
long clone_thread(long flags, void *stack, uint32_t *ptid, void *tls, uint32_t *ctid, void (*fn)(void *),
                  void *arg);
long set_errno(long r); /* -1 and errno, if r is a negative errno; else r */
