/* User memory from C. The range check keeps kernel addresses out; the exception table does the rest. */
#include "../lib/lib.h"
#include "mm.h"
#include <abi/errno.h>

//@sol traps user-copies
int copy_from_user(void *dst, u64 src, u64 n) {
    return access_ok(src, n) && !__copy_user(dst, (void *)src, n) ? 0 : -EFAULT;
}
int copy_to_user(u64 dst, const void *src, u64 n) {
    return access_ok(dst, n) && !__copy_user((void *)dst, src, n) ? 0 : -EFAULT;
}
int clear_user(u64 dst, u64 n) { return access_ok(dst, n) && !__clear_user((void *)dst, n) ? 0 : -EFAULT; }
long strncpy_from_user(char *dst, u64 src, u64 n) {
    u64 room = src < TASK_SIZE ? min(n, TASK_SIZE - src) : 0;
    if (!room)
        return -EFAULT;
    long r = __strncpy_user(dst, (char *)src, room);
    return r < 0 ? -EFAULT : (u64)r < room ? r : room < n ? -EFAULT : -ENAMETOOLONG;
}
//@end

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
            left = op == 0   ? __copy_user((void *)at, b, len)
                   : op == 1 ? __copy_user(b, (void *)at, len)
                             : __clear_user((void *)at, len);
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
