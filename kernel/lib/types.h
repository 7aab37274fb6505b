/* Basic types and the compiler's small helpers. Knows nothing of tasks. */
#pragma once
#include <abi/types.h>
#if __STDC_HOSTED__ /* tests/host: the same files beside a libc */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#else
typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef __builtin_va_list va_list;
#define va_start(ap, last) __builtin_va_start(ap, last)
#define va_arg(ap, type) __builtin_va_arg(ap, type)
#define va_copy(to, from) __builtin_va_copy(to, from)
#define va_end(ap) __builtin_va_end(ap)
#define bool _Bool
#define true 1
#define false 0
#define NULL ((void *)0)
#define INT32_MAX __INT32_MAX__
#define INT64_MAX __INT64_MAX__
#define INT64_MIN (-INT64_MAX - 1)
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef long ssize_t;
typedef s64 loff_t;
typedef s32 pid_t;
typedef u32 uid_t;
typedef u32 gid_t;
typedef u64 sector_t;

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define __packed __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define __noreturn __attribute__((noreturn))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __section(s) __attribute__((section(s)))
#define __unused __attribute__((unused))
#define __weak __attribute__((weak))
#define noinline __attribute__((noinline))
#define __forceinline inline __attribute__((always_inline))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a) (((x) + ((__typeof__(x))(a)-1)) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define BIT(n) (1UL << (n))
#define min(a, b)                                                                                            \
    ({                                                                                                       \
        __typeof__(a) _a = (a);                                                                              \
        __typeof__(b) _b = (b);                                                                              \
        _a < _b ? _a : _b;                                                                                   \
    })
#define max(a, b)                                                                                            \
    ({                                                                                                       \
        __typeof__(a) _a = (a);                                                                              \
        __typeof__(b) _b = (b);                                                                              \
        _a > _b ? _a : _b;                                                                                   \
    })
#define swap(a, b)                                                                                           \
    ({                                                                                                       \
        __typeof__(a) _a = (a);                                                                              \
        (a) = (b);                                                                                           \
        (b) = _a;                                                                                            \
    })
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define barrier() asm volatile("" ::: "memory")

/* A pointer return that may be a negative errno instead (the top 4095 values). */
#define MAX_ERRNO 4095
#define IS_ERR(p) unlikely((unsigned long)(p) >= (unsigned long)-MAX_ERRNO)
#define ERR_PTR(e) ((void *)(long)(e))
#define PTR_ERR(p) ((long)(p))

/* Atomics: C11 memory orders through the compiler's builtins. */
typedef struct {
    s32 v;
} atomic_t;
typedef struct {
    s64 v;
} atomic64_t;
#define atomic_read(a) __atomic_load_n(&(a)->v, __ATOMIC_RELAXED)
#define atomic_set(a, x) __atomic_store_n(&(a)->v, x, __ATOMIC_RELAXED)
#define atomic_add(a, x) ((void)__atomic_fetch_add(&(a)->v, x, __ATOMIC_RELAXED))
#define atomic_inc(a) atomic_add(a, 1)
#define atomic_dec(a) atomic_add(a, -1)
#define atomic_add_return(a, x) __atomic_add_fetch(&(a)->v, x, __ATOMIC_ACQ_REL)
#define atomic_dec_and_test(a) (atomic_add_return(a, -1) == 0)
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define cmpxchg(p, old, new)                                                                                 \
    ({                                                                                                       \
        __typeof__(*(p)) _o = (old);                                                                         \
        __atomic_compare_exchange_n(p, &_o, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                 \
    })
#define xchg(p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)

/* Take a reference unless the count has already reached zero. */
static inline bool atomic_inc_not_zero(atomic_t *a) {
    s32 v = atomic_read(a);
    while (v > 0)
        if (__atomic_compare_exchange_n(&a->v, &v, v + 1, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return true;
    return false;
}
