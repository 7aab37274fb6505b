/* User memory from C. access_ok keeps kernel addresses out, and what lies below it (user_linear, and the
 * assertions of the checked build) does not leave the user half.
 *
 * A page is mostly reached by its place in the kernel's linear map: the tables are looked at as the hardware
 * would, and their lock held meanwhile; what is missing is brought as by a page fault. Else, where that must
 * not be, where the lock is taken and where nothing is to be had, by its own address (riscv/uaccess.S): a
 * page that cannot be had then goes on at a fixup. That is not done at first because each change of
 * sstatus.SUM makes QEMU forget all translations. */
#include "../core/task.h"
#include "pgtable.h"
#include <abi/errno.h>

/* Where the page table lets a program at va load (need is PTE_R) or store (PTE_W): there in the linear map,
 * with page_table_lock held, which user_done drops. Else NULL. */
static __forceinline void *user_begin(u64 va, pte_t need) {
    struct mm_struct *mm = current->mm;
    if (unlikely(!mm) || unlikely(!spin_trylock(&mm->page_table_lock)))
        return NULL;
    void *at = user_linear(mm, va, need);
    if (unlikely(!at))
        spin_unlock(&mm->page_table_lock);
    return at;
}
static inline void user_done(void) { spin_unlock(&current->mm->page_table_lock); }

static noinline void *bring_page(u64 va, pte_t need) {
    void *at;
    do
        if (!current->mm || current_thread->preempt_count || irqs_disabled() ||
            spin_is_locked(&current->mm->page_table_lock) ||
            handle_mm_fault(current->mm, va, need == PTE_W ? VM_WRITE : VM_READ))
            return NULL;
    while (!(at = user_begin(va, need)));
    return at;
}
/* As user_begin, and where the page is missing it is brought, if the caller may sleep. */
static __forceinline void *user_page(u64 va, pte_t need) {
    void *at = user_begin(va, need);
    return likely(at) ? at : bring_page(va, need);
}
/* What is left is tried by its own address, unless it is nobody's: a task without an address space still has
 * somebody's tables loaded. */
static inline bool has_no_memory(void) {
    DEBUG_ON(!current->mm);
    return unlikely(!current->mm);
}
static noinline u64 from_pages(void *dst, u64 src, u64 n) {
    void *at;
    for (u64 len; n && (at = user_page(src, PTE_R)); dst = (u8 *)dst + len, src += len, n -= len) {
        __copy_linear(dst, at, len = min(n, in_page(src)));
        user_done();
    }
    return likely(!n) ? 0 : has_no_memory() ? n : __copy_user(dst, (void *)src, n);
}
static noinline u64 to_pages(u64 dst, const void *src, u64 n) {
    void *at;
    for (u64 len; n && (at = user_page(dst, PTE_W)); dst += len, src = (u8 *)src + len, n -= len) {
        __copy_linear(at, src, len = min(n, in_page(dst)));
        user_done();
    }
    return likely(!n) ? 0 : has_no_memory() ? n : __copy_user((void *)dst, src, n);
}
u64 raw_copy_from_user(void *dst, u64 src, u64 n) { /* mostly it lies in one page that is there */
    DEBUG_ON(!access_ok(src, n));
    void *at = n <= in_page(src) ? user_begin(src, PTE_R) : NULL;
    if (unlikely(!at))
        return from_pages(dst, src, n);
    __copy_linear(dst, at, n);
    user_done();
    return 0;
}
u64 raw_copy_to_user(u64 dst, const void *src, u64 n) {
    DEBUG_ON(!access_ok(dst, n));
    void *at = n <= in_page(dst) ? user_begin(dst, PTE_W) : NULL;
    if (unlikely(!at))
        return to_pages(dst, src, n);
    __copy_linear(at, src, n);
    user_done();
    return 0;
}
u64 raw_clear_user(u64 dst, u64 n) {
    void *at;
    DEBUG_ON(!access_ok(dst, n));
    for (u64 len; n && (at = user_page(dst, PTE_W)); dst += len, n -= len) {
        memset(at, 0, len = min(n, in_page(dst)));
        user_done();
    }
    return likely(!n) ? 0 : has_no_memory() ? n : __clear_user((void *)dst, n);
}
long raw_strncpy_from_user(char *dst, u64 src, u64 n) {
    const char *at;
    u64 done = 0;
    DEBUG_ON(!access_ok(src, n));
    while (done < n && (at = user_page(src + done, PTE_R))) {
        u64 len = min(n - done, in_page(src + done)), i = 0;
        while (i < len && (dst[done + i] = at[i]))
            i++;
        user_done();
        done += i;
        if (i < len)
            return done;
    }
    if (done == n || has_no_memory())
        return done == n ? (long)n : -1;
    long r = __strncpy_user(dst + done, (char *)src + done, n - done);
    return r < 0 ? r : (long)done + r;
}

//@sol traps user-copies
int copy_from_user(void *dst, u64 src, u64 n) {
    return access_ok(src, n) && !raw_copy_from_user(dst, src, n) ? 0 : -EFAULT;
}
int copy_to_user(u64 dst, const void *src, u64 n) {
    return access_ok(dst, n) && !raw_copy_to_user(dst, src, n) ? 0 : -EFAULT;
}
int clear_user(u64 dst, u64 n) { return access_ok(dst, n) && !raw_clear_user(dst, n) ? 0 : -EFAULT; }
long strncpy_from_user(char *dst, u64 src, u64 n) {
    u64 room = user_room(src, n);
    if (!room)
        return -EFAULT;
    long r = raw_strncpy_from_user(dst, src, room);
    return r < 0 ? -EFAULT : (u64)r < room ? r : room < n ? -EFAULT : -ENAMETOOLONG;
}
//@end

int user_pages(u64 start, u64 len, u64 *end) {
    u64 n = ALIGN_UP(len, PAGE_SIZE);
    *end = start + n;
    return n < len || *end < start ? -EINVAL : *end > TASK_SIZE ? -ENOMEM : 0;
}

long cmpxchg_user(u64 va, u32 old, u32 new, u32 *seen) {
    if (!access_ok(va, sizeof(old)) || (va & 3) || has_no_memory())
        return -EFAULT;
    return __cmpxchg_user((u32 *)va, old, new, seen) ? -EFAULT : 0;
}

int fault_in_readable(u64 va, u64 n) {
    u8 b;
    if (!access_ok(va, n))
        return -EFAULT;
    for (u64 at = va; at < va + n; at = ALIGN_DOWN(at, PAGE_SIZE) + PAGE_SIZE)
        if (copy_from_user(&b, at, 1))
            return -EFAULT;
    return 0;
}

void iter_user(struct iov_iter *it, struct iovec *v, u64 base, u64 len) {
    *v = (struct iovec){base, len};
    *it = (struct iov_iter){v, 0, len, false};
}
void iter_kernel(struct iov_iter *it, struct iovec *v, void *base, u64 len) {
    *v = (struct iovec){(u64)base, len};
    *it = (struct iov_iter){v, 0, len, true};
}

/* One step for each piece: op 0 to the iterator, 1 from it, 2 zeros to it. */
static inline __attribute__((always_inline)) size_t iterate(void *buf, size_t n, struct iov_iter *it,
                                                            int op) {
    //@sol traps iterate
    size_t done = 0;
    n = min(n, it->count);
    while (done < n) {
        if (it->off == it->iov->len) {
            it->iov++;
            it->off = 0;
            continue;
        }
        size_t len = min(n - done, it->iov->len - it->off), left = 0;
        u64 at = it->iov->base + it->off;
        u8 *b = (u8 *)buf + done;
        if (it->kernel)
            op == 0   ? memcpy((void *)at, b, len)
            : op == 1 ? memcpy(b, (void *)at, len)
                      : memset((void *)at, 0, len);
        else if (!access_ok(at, len))
            left = len;
        else
            left = op == 0   ? raw_copy_to_user(at, b, len)
                   : op == 1 ? raw_copy_from_user(b, at, len)
                             : raw_clear_user(at, len);
        done += len - left;
        it->off += len - left;
        it->count -= len - left;
        if (left)
            break;
    }
    return done;
    //@end
}
size_t copy_to_iter(const void *src, size_t n, struct iov_iter *it) { return iterate((void *)src, n, it, 0); }
size_t copy_from_iter(void *dst, size_t n, struct iov_iter *it) { return iterate(dst, n, it, 1); }
size_t zero_iter(size_t n, struct iov_iter *it) { return iterate(NULL, n, it, 2); }

/* Make the next n bytes resident, so that a copy with page faults disabled will do. */
int fault_in_iter(const struct iov_iter *it, size_t n) {
    const struct iovec *v = it->iov;
    u64 off = it->off;
    n = min(n, it->count);
    while (!it->kernel && n) {
        u64 len = min(n, v->len - off);
        if (len && fault_in_readable(v->base + off, len))
            return -EFAULT;
        n -= len;
        v++;
        off = 0;
    }
    return 0;
}

long copy_struct_from_user(void *dst, u64 known, u64 src, u64 size) {
    //@sol traps copy-struct
    u8 byte;
    if (copy_from_user(dst, src, min(known, size)))
        return -EFAULT;
    for (u64 i = known; i < size; i++) {
        if (copy_from_user(&byte, src + i, 1))
            return -EFAULT;
        if (byte)
            return -E2BIG;
    }
    return 0;
    //@end
}
