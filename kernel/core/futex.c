/* Futexes (X6): sleep on a word of user memory while it has a given value. A private word is named by
 * (address space, address), a shared one by (file, offset). Waiters hash into buckets; the value is read
 * again under the bucket's lock, so a wake between the caller's look and its sleep is not lost. */
#include "futex.h"
#include "ptrace.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "../fs/fs.h"
#include <abi/errno.h>

struct futex_waiter {
    struct list_head link;
    struct task_struct *task;
    struct futex_key key;
    u32 bitset;
    struct bucket *bucket; /* NULL: woken. Changed under the lock of the bucket it names. */
};
#define NR_BUCKETS 256
static struct bucket {
    spinlock_t lock;
    struct list_head waiters;
} buckets[NR_BUCKETS];

void futex_init(void) {
    futex_pi_init();
    for (int i = 0; i < NR_BUCKETS; i++) {
        spin_lock_init(&buckets[i].lock, RANK_FUTEX);
        INIT_LIST_HEAD(&buckets[i].waiters);
    }
}

/* A file's name in a key: not its address, for a waiter may outlast its file, and another would have that
 * address then. It is no address of an mm either. */
static u64 mapping_number(struct address_space *m) {
    static u64 last;
    u64 none = 0;
    if (!READ_ONCE(m->number))
        __atomic_compare_exchange_n(&m->number, &none, __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED), false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return READ_ONCE(m->number);
}
int futex_get_key(u64 uaddr, bool shared, struct futex_key *k) {
    if (uaddr & 3)
        return -EINVAL;
    if (!access_ok(uaddr, 4))
        return -EFAULT;
    struct mm_struct *mm = current->mm;
    *k = (struct futex_key){(u64)mm, uaddr};
    if (!shared)
        return 0;
    down_read(&mm->mmap_lock);
    struct vm_area *v = find_vma(mm, uaddr);
    int r = v && v->start <= uaddr ? 0 : -EFAULT;
    if (!r && (v->flags & VM_SHARED) && v->file)
        *k =
            (struct futex_key){mapping_number(v->file->mapping), (v->pgoff << PAGE_SHIFT) + uaddr - v->start};
    up_read(&mm->mmap_lock);
    return r;
}
static struct bucket *bucket_of(const struct futex_key *k) {
    u64 h = k->object * 0x9e3779b97f4a7c15UL + (k->offset >> 2) * 0xc2b2ae3d27d4eb4fUL;
    return &buckets[(h >> 40) % NR_BUCKETS];
}

//@sol threads futex-wake
/* Bucket lock held. */
static void wake_one(struct futex_waiter *w) {
    struct task_struct *t = w->task;
    get_task(t);
    list_del(&w->link);
    smp_store_release(&w->bucket, NULL); /* w may be gone from here on */
    wake_up_process(t);
    put_task(t);
}
static int wake_bucket(struct bucket *b, const struct futex_key *k, int n, u32 bitset) {
    struct futex_waiter *w, *next;
    int woken = 0;
    list_for_each_entry_safe(w, next, &b->waiters, link) {
        if (woken >= n)
            break;
        if (futex_same(&w->key, k) && (w->bitset & bitset)) {
            wake_one(w);
            woken++;
        }
    }
    return woken;
}
//@end
static long futex_wake(u64 uaddr, bool shared, int n, u32 bitset) {
    struct futex_key k;
    int r = futex_get_key(uaddr, shared, &k);
    TRACE(futex_wake, uaddr, n, 0);
    if (r || !bitset)
        return r ? r : -EINVAL;
    struct bucket *b = bucket_of(&k);
    spin_lock(&b->lock);
    r = wake_bucket(b, &k, n < 1 ? 1 : n, bitset);
    spin_unlock(&b->lock);
    return r;
}
long futex_wake_addr(u64 uaddr, int n, bool shared) {
    return futex_wake(uaddr, shared, n, FUTEX_BITSET_MATCH_ANY);
}

//@sol threads futex-wait
static bool dequeue(struct futex_waiter *w) {
    for (;;) {
        struct bucket *b = smp_load_acquire(&w->bucket);
        if (!b)
            return false;
        spin_lock(&b->lock);
        if (w->bucket == b) {
            list_del(&w->link);
            w->bucket = NULL;
            spin_unlock(&b->lock);
            return true;
        }
        spin_unlock(&b->lock); /* requeued meanwhile */
    }
}

static long futex_wait(u64 uaddr, bool shared, u32 val, u64 deadline, u32 bitset);
static long wait_again(struct restart_block *b) {
    return futex_wait(b->uaddr, b->a[0], b->a[1], b->deadline, b->a[2]);
}

static long futex_wait(u64 uaddr, bool shared, u32 val, u64 deadline, u32 bitset) {
    struct futex_waiter w = {.task = current, .bitset = bitset};
    u32 now;
    if (!bitset)
        return -EINVAL;
    TRACE(futex_wait, uaddr, val, 0);
    for (;;) {
        int r = futex_get_key(uaddr, shared, &w.key);
        if (r)
            return r;
        struct bucket *b = bucket_of(&w.key);
        spin_lock(&b->lock);
        r = futex_read_locked(uaddr, &now);
        if (r) {
            spin_unlock(&b->lock);
            if (copy_from_user(&now, uaddr, 4))
                return -EFAULT;
            continue;
        }
        if (now != val) {
            spin_unlock(&b->lock);
            return -EAGAIN;
        }
        w.bucket = b;
        list_add_tail(&w.link, &b->waiters);
        set_current_state(TASK_INTERRUPTIBLE);
        spin_unlock(&b->lock);
        break;
    }
    for (;;) {
        set_current_state(TASK_INTERRUPTIBLE);
        if (!smp_load_acquire(&w.bucket) || signal_pending(current) ||
            (deadline != FOREVER && ktime_get() >= deadline))
            break;
        schedule_until(deadline);
    }
    set_current_state(TASK_RUNNING);
    if (!dequeue(&w))
        return 0;
    if (!signal_pending(current))
        return -ETIMEDOUT;
    if (deadline == FOREVER)
        return -ERESTARTSYS;
    current->restart = (struct restart_block){wait_again, deadline, 0, uaddr, {shared, val, bitset}};
    return -ERESTART_RESTARTBLOCK;
}
//@end

static void lock_two(struct bucket *a, struct bucket *b) {
    spin_lock(a < b ? &a->lock : &b->lock);
    if (a != b)
        spin_lock(a < b ? &b->lock : &a->lock);
}
static void unlock_two(struct bucket *a, struct bucket *b) {
    spin_unlock(&a->lock);
    if (a != b)
        spin_unlock(&b->lock);
}

static long futex_requeue(u64 from, u64 to, bool shared, int nwake, int nmove, const u32 *expect) {
    struct futex_key k1, k2;
    struct futex_waiter *w, *next;
    int r, woken = 0, moved = 0;
    u32 now;
    if (nwake < 0 || nmove < 0)
        return -EINVAL;
again:
    if ((r = futex_get_key(from, shared, &k1)) || (r = futex_get_key(to, shared, &k2)))
        return r;
    struct bucket *b1 = bucket_of(&k1), *b2 = bucket_of(&k2);
    lock_two(b1, b2);
    if (expect) {
        if (futex_read_locked(from, &now)) {
            unlock_two(b1, b2);
            if (copy_from_user(&now, from, 4))
                return -EFAULT;
            goto again;
        }
        if (now != *expect) {
            unlock_two(b1, b2);
            return -EAGAIN;
        }
    }
    list_for_each_entry_safe(w, next, &b1->waiters, link) {
        if (!futex_same(&w->key, &k1))
            continue;
        if (woken < nwake) {
            wake_one(w);
            woken++;
        } else if (moved < nmove) {
            w->key = k2;
            if (b1 != b2) {
                list_del(&w->link);
                list_add_tail(&w->link, &b2->waiters);
                w->bucket = b2;
            }
            moved++;
        } else {
            break;
        }
    }
    unlock_two(b1, b2);
    return woken + moved;
}

/* FUTEX_WAKE_OP: change the second word atomically; wake on the first, and on the second by its old value. */
static long futex_wake_op(u64 u1, u64 u2, bool shared, int n1, int n2, u32 code) {
    struct futex_key k1, k2;
    s32 op = (code >> 28) & 7, cmp = (code >> 24) & 15;
    s32 oparg = (s32)(code << 8) >> 20, cmparg = (s32)(code << 20) >> 20;
    int r;
    u32 old, seen;
    if (code & (8u << 28))
        oparg = (s32)(1u << (oparg & 31));
    if (op > 4 || cmp > 5)
        return -ENOSYS;
    if ((r = futex_get_key(u1, shared, &k1)) || (r = futex_get_key(u2, shared, &k2)))
        return r;
    struct bucket *b1 = bucket_of(&k1), *b2 = bucket_of(&k2);
again:
    if (copy_from_user(&old, u2, 4))
        return -EFAULT;
    lock_two(b1, b2);
    u32 new = op == 0   ? (u32)oparg
              : op == 1 ? old + oparg
              : op == 2 ? old | oparg
              : op == 3 ? old & ~oparg
                        : old ^ oparg;
    r = cmpxchg_user(u2, old, new, &seen);
    if (r || seen != old) {
        unlock_two(b1, b2);
        if (r && handle_mm_fault(current->mm, u2, VM_WRITE))
            return -EFAULT;
        goto again;
    }
    s32 o = old;
    bool hit = cmp == 0   ? o == cmparg
               : cmp == 1 ? o != cmparg
               : cmp == 2 ? o < cmparg
               : cmp == 3 ? o <= cmparg
               : cmp == 4 ? o > cmparg
                          : o >= cmparg;
    r = wake_bucket(b1, &k1, n1, FUTEX_BITSET_MATCH_ANY);
    if (hit)
        r += wake_bucket(b2, &k2, n2, FUTEX_BITSET_MATCH_ANY);
    unlock_two(b1, b2);
    return r;
}

long sys_futex(u64 uaddr, u64 uop, u64 uval, u64 utime, u64 uaddr2, u64 uval3) {
    u32 cmd = (u32)uop & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME), val = uval, val3 = uval3;
    bool shared = !(uop & FUTEX_PRIVATE_FLAG), real = uop & FUTEX_CLOCK_REALTIME;
    u64 deadline = FOREVER;
    struct abi_timespec ts;
    if (cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET) {
        if (utime) {
            long r = get_timespec(&ts, utime);
            if (r)
                return r;
            u64 ns = timespec_to_ns(&ts);
            if (ns == FOREVER)
                deadline = FOREVER;
            else if (cmd == FUTEX_WAIT)
                deadline = ktime_get() + ns;
            else if (!real)
                deadline = ns;
            else
                deadline = ns > ktime_get_real() ? ktime_get() + (ns - ktime_get_real()) : 0;
        }
        return futex_wait(uaddr, shared, val, deadline, cmd == FUTEX_WAIT ? FUTEX_BITSET_MATCH_ANY : val3);
    }
    if (cmd == FUTEX_LOCK_PI ||
        cmd == FUTEX_LOCK_PI2) { /* an absolute time; the first's clock is the real one */
        if (utime) {
            long r = get_timespec(&ts, utime);
            if (r)
                return r;
            u64 ns = timespec_to_ns(&ts),
                off = cmd == FUTEX_LOCK_PI || real ? ktime_get_real() - ktime_get() : 0;
            deadline = ns == FOREVER ? ns : ns > off ? ns - off : 0;
        }
        return futex_lock_pi(uaddr, shared, deadline, false);
    }
    if (real)
        return -ENOSYS;
    switch (cmd) {
    case FUTEX_WAKE:
        return futex_wake(uaddr, shared, (s32)val, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE_BITSET:
        return futex_wake(uaddr, shared, (s32)val, val3);
    case FUTEX_REQUEUE:
        return futex_requeue(uaddr, uaddr2, shared, (s32)val, (s32)utime, NULL);
    case FUTEX_CMP_REQUEUE:
        return futex_requeue(uaddr, uaddr2, shared, (s32)val, (s32)utime, &val3);
    case FUTEX_WAKE_OP:
        return futex_wake_op(uaddr, uaddr2, shared, (s32)val, (s32)utime, val3);
    case FUTEX_UNLOCK_PI:
        return futex_unlock_pi(uaddr, shared);
    case FUTEX_TRYLOCK_PI:
        return futex_lock_pi(uaddr, shared, 0, true);
    default:
        return -ENOSYS;
    }
}

/* --- robust lists: locks that a dying thread still holds --- */
static void owner_died(u64 uaddr, pid_t tid, bool pi) {
    u32 v, seen;
    if ((uaddr & 3) || !access_ok(uaddr, 4))
        return;
    do {
        if (copy_from_user(&v, uaddr, 4) || (v & FUTEX_TID_MASK) != (u32)tid)
            return;
        if (handle_mm_fault(current->mm, uaddr, VM_WRITE))
            return;
    } while (cmpxchg_user(uaddr, v, (v & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &seen) || seen != v);
    if ((v & FUTEX_WAITERS) && !pi) {
        futex_wake_addr(uaddr, 1, true);
        futex_wake_addr(uaddr, 1, false);
    }
}
void exit_robust_list(struct task_struct *t) {
    struct {
        u64 next;
        s64 offset;
        u64 pending;
    } head;
    if (copy_from_user(&head, t->robust_list, sizeof(head)))
        return;
    u64 entry = head.next;
    for (int limit = 2048; limit > 0 && (entry & ~1UL) != t->robust_list; limit--) {
        u64 next;
        bool ok = !copy_from_user(&next, entry & ~1UL, 8);
        if ((entry & ~1UL) != (head.pending & ~1UL))
            owner_died((entry & ~1UL) + head.offset, t->vpid, entry & 1);
        if (!ok)
            return;
        entry = next;
    }
    if (head.pending & ~1UL)
        owner_died((head.pending & ~1UL) + head.offset, t->vpid, head.pending & 1);
}
long sys_set_robust_list(u64 head, u64 len) {
    if (len != 24)
        return -EINVAL;
    current->robust_list = head;
    return 0;
}
long sys_get_robust_list(u64 pid, u64 uhead, u64 ulen) {
    struct task_struct *t = get_task_by_pid((s32)pid ? (s32)pid : current->vpid);
    if (!t)
        return -ESRCH;
    u64 head = t->robust_list;
    bool may = ptrace_may_access(t, PTRACE_MODE_READ_REALCREDS);
    put_task(t);
    if (!may)
        return -EPERM;
    return put_user(uhead, head) || put_user(ulen, 24UL) ? -EFAULT : 0;
}
long sys_set_tid_address(u64 addr) {
    current->clear_child_tid = addr;
    return current->vpid;
}
