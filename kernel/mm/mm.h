/* Memory: pages, address spaces, faults, user access, the page cache's index. */
#pragma once
#include "../lib/rbtree.h"
#include "../lib/radix.h"
#include "../riscv/spinlock.h"
#include "../sched/wait.h"
#include "mempolicy.h"
#include "slab.h"
#include <abi/mman.h>

struct inode;
struct file;

/* One per 4 KB of memory. A page is freed when its count reaches zero. */
struct page {
    atomic_t refcount;
    u32 flags; /* PG_*, changed atomically */
    struct list_head lru;
    union {
        struct {
            struct address_space *mapping; /* page cache; NULL for anonymous */
            u64 index;
        };
        struct {
            struct kmem_cache *slab;
            void *freelist;
        };
    };
    u8 order, node;
    u32 inuse; /* slab: objects in use; page table: entries that are not zero; a 2 MB page's first: entries
                  that map it */
    u64 private;
    struct cgroup *memcg; /* it is charged to; or NULL */
#ifdef CONFIG_DEBUG
    u64 found; /* debug/tables.c */
    u32 mapped, writable;
    u64 pad[6];
#endif
};
_Static_assert(!(sizeof(struct page) & (sizeof(struct page) - 1)), "index arithmetic wants a power of two");
#define PG_BUDDY BIT(0)
#define PG_SLAB BIT(1)
#define PG_LOCKED BIT(2)
#define PG_UPTODATE BIT(3)
#define PG_DIRTY BIT(4)
#define PG_WRITEBACK BIT(5)
#define PG_REFERENCED BIT(6)
#define PG_ERROR BIT(7)
#define PG_TABLE BIT(8)
#define PG_JOURNAL                                                                                           \
    BIT(11) /* metadata: part of a transaction that is not in the log; under the journal's lock */
#define PG_READAHEAD BIT(10) /* page cache: whoever comes here wants what follows soon */
#define PG_SEALED BIT(9)     /* a leaf table: no entry permits stores */
static inline bool page_test(const struct page *p, u32 f) {
    return (__atomic_load_n(&p->flags, __ATOMIC_ACQUIRE) & f) != 0;
}
static inline bool page_set(struct page *p, u32 f) {
    return (__atomic_fetch_or(&p->flags, f, __ATOMIC_ACQ_REL) & f) != 0;
}
static inline bool page_clear(struct page *p, u32 f) {
    return (__atomic_fetch_and(&p->flags, ~f, __ATOMIC_ACQ_REL) & f) != 0;
}

extern struct page *mem_map;
extern u64 min_pfn, max_pfn, total_pages;
static inline struct page *pfn_to_page(u64 pfn) { return mem_map + (pfn - min_pfn); }
static inline u64 page_to_pfn(const struct page *p) { return (p - mem_map) + min_pfn; }
static inline u64 page_to_pa(const struct page *p) { return page_to_pfn(p) << PAGE_SHIFT; }
static inline struct page *pa_to_page(u64 pa) { return pfn_to_page(pa >> PAGE_SHIFT); }
static inline void *page_address(const struct page *p) { return __va(page_to_pa(p)); }
static inline struct page *virt_to_page(const void *v) { return pa_to_page(__pa(v)); }

/* Fault injection, per task, by /proc/self/fail-nth as on Linux: true for the allocation that shall fail.
 * What an interrupt allocates is not the task's doing and does not count. */
bool fail_nth_alloc(void);
static inline bool should_fail_alloc(void) { return unlikely(current_thread->fail_nth) && fail_nth_alloc(); }

/* 2^order pages, count 1; NULL when memory is out. With GFP_KERNEL caches are reclaimed first and then
 * the OOM killer runs; may sleep. */
struct page *alloc_pages(unsigned int order, unsigned int gfp);
static inline struct page *alloc_page(unsigned int gfp) { return alloc_pages(0, gfp); }
void free_pages(struct page *p, unsigned int order);
static inline void get_page(struct page *p) { atomic_inc(&p->refcount); }
static inline void put_page(struct page *p) {
    if (atomic_dec_and_test(&p->refcount))
        free_pages(p, p->order);
}
u64 nr_free_pages(void);
/* A node's memory, in pages. */
struct node_info {
    u64 total, free, low; /* low: below it reclaim begins */
    u64 free_runs[11];    /* of 2^i pages */
    u64 first_pfn, end_pfn;
};
#define MAX_ORDER 10
void get_node_info(unsigned int node, struct node_info *info);
/* So many pages are free beyond what reclaim would begin at, for uses that have an alternative. */
bool memory_plenty(u64 pages);
void buddy_init(void);

/* Kernel stacks with a guard: the address of the slot's top, or NULL. */
void *kstack_alloc(void);
void kstack_free(void *top);
u64 kstack_cached_pages(void); /* kept for reuse */

/* --- page cache --- */
struct address_space_ops {
    /* Start reading a locked page; it is unlocked when done (PG_UPTODATE or PG_ERROR set). */
    int (*readpage)(struct inode *inode, struct page *page);
    /* Start writing a locked page (PG_WRITEBACK set, ended with end_page_writeback); unlocks it. */
    int (*writepage)(struct inode *inode, struct page *page);
    /* Make sure [from, to) of the locked page can be stored: allocate its block. May sleep. */
    int (*prepare_write)(struct inode *inode, struct page *page, unsigned int from, unsigned int to);
    /* Around prepare_write, the store and what follows from it, before any page is locked; or NULL. The
     * second is true where -ENOSPC is worth another try. */
    void (*begin_write)(struct inode *inode);
    bool (*end_write)(struct inode *inode, int r);
    /* Between the two, the inode locked, no page locked: nothing was stored after all, so what prepare_write
     * has put behind the end of the file goes. Or NULL. */
    void (*write_failed)(struct inode *inode);
    /* Of a cache that is the only copy (no writepage), or NULL: a page with data in it is gone. */
    void (*dropped)(struct inode *inode);
};
/* So many pages, and indices between which they lie. */
struct page_span {
    u64 n, low, high;
};
struct address_space {
    struct inode *host;
    const struct address_space_ops *ops;
    spinlock_t lock; /* pages, dirty, writeback */
    struct radix_tree pages;
    struct page_span dirty, writeback;
    struct mutex i_mmap_lock;
    struct list_head i_mmap; /* the VMAs that map it */
    s32 error;               /* a write that failed, until who writes all of it is told */
    s32 wb_error;            /* the last one that failed; */
    u32 wb_errors;           /* how many did: an open file knows how many it has been told of */
    u64 ahead;               /* the page after the last that was read ahead; a hint */
    u64 number;              /* of all that there have been: what a shared futex is named by; 0: not yet */
};
void address_space_init(struct address_space *m, struct inode *host, const struct address_space_ops *ops);
/* A referenced page or NULL. */
struct page *find_get_page(struct address_space *m, u64 index);
/* A referenced, locked page, made if missing; NULL: no memory. */
/* The first page at *index, which is moved to it, or behind, counted; NULL: none. */
struct page *next_cached_page(struct address_space *m, u64 *index);
struct page *grab_page(struct address_space *m, u64 index);
/* A referenced, up-to-date page, read if needed, or ERR_PTR. */
struct page *read_mapping_page(struct address_space *m, u64 index);
void lock_page(struct page *p);
void unlock_page(struct page *p);
void wait_on_page(struct page *p, u32 flag);
void end_page_read(struct page *p, bool ok);
void end_page_writeback(struct page *p, bool ok);
void set_page_dirty(struct page *p);
/* Drop the cached pages from index first on, dirty or not. Caller holds the inode's lock. */
/* Take the pages from `first` on, or those before `end` too, out of a cache, unwritten. truncate_pages takes
 * them out of all mappings too, with what was copied of them; drop_page_range out of all mappings unless end
 * is ~0. May sleep. */
void truncate_pages(struct address_space *m, u64 first);
void drop_page_range(struct address_space *m, u64 first, u64 end);
/* Write dirty pages; wait: until they are on the device. First error or 0. */
int writeback_mapping(struct address_space *m, bool wait);
/* Free up to `want` clean, unused, unmapped pages, of a control group and those below it, or (NULL) of all:
 * how many were. in_work: how many of the group's are dirty or being written. */
struct cgroup;
u64 reclaim_pages(u64 want, struct cgroup *of, u64 *in_work);
u64 nr_cached_pages(void), nr_dirty_pages(void);
/* For a journal. A locked page is not to be written, though it was dirty. A locked page, counted by the
 * caller, is written now: unlocked, PG_WRITEBACK until it is done, PG_ERROR then if that failed. All dirty
 * pages on their way; and all that are on their way done. Errors stay for fsync. */
void cancel_dirty_page(struct page *p);
void write_cached_page(struct page *p);
/* A write of m failed. And fsync's result: each open file is told once of what has failed since. */
void mapping_set_error(struct address_space *m, int error);
struct file;
int file_check_error(struct file *f);
void start_writeback_mapping(struct address_space *m), wait_for_mapping(struct address_space *m);
bool mapping_unwritten(struct address_space *m); /* some page is dirty, or on its way to the disk */

/* --- address spaces --- */
#define VM_READ 1u
#define VM_WRITE 2u
#define VM_EXEC 4u
#define VM_SHARED 8u
#define VM_GROWSDOWN 16u /* a stack: grows down when touched below its start */
#define VM_DONTFORK 32u
#define VM_WIPEONFORK 64u
#define VM_MAYWRITE 128u
#define VM_LOCKED 512u    /* mlock */
#define VM_HUGEPAGE 1024u /* madvise: 2 MB pages are wanted, or not */
#define VM_NOHUGEPAGE 2048u
#define VM_SPECIAL 256u /* vDSO: pages are not ours to free or swap */

struct vm_area {
    u64 start, end; /* page-aligned, end exclusive */
    struct mm_struct *mm;
    u32 flags;
    struct file *file; /* NULL: anonymous. Counted. */
    u64 pgoff;         /* of start in the file, in pages */
    struct rb_node node;
    struct list_head map_link; /* mapping->i_mmap, under i_mmap_lock */
    struct page **special;     /* VM_SPECIAL: the pages */
    struct mempolicy *policy;  /* counted, or NULL: the task's */
};

/* An address space. mm_users: tasks that run in it; mm_count: 1 for all users, and 1 for each hart that
 * still has its root loaded. */
struct mm_struct {
    atomic_t mm_users, mm_count;
    pte_t *pgd;
    spinlock_t page_table_lock; /* all user entries of the tables below pgd */
    u64 cpumask;                /* harts that may hold its translations; atomic */
    struct rwsem mmap_lock;     /* everything below; fault: read; change: write */
    struct rb_root vmas;
    struct vm_area *cached;
    u32 map_count;
    u64 gap_top, gap_len;     /* where to look for room first: see find_gap */
    u64 total_vm;             /* pages */
    atomic64_t rss, rss_file; /* pages mapped; of these, from files */
    u64 hiwater_rss;
    u64 start_code, end_code, start_brk, brk, start_stack, arg_start, arg_end, env_start, env_end;
    u64 auxv_start, auxv_end; /* the auxiliary vector on its stack */
    u64 vdso;
    struct file *exe_file;
    struct step_area *step; /* made for the first single step; mmap_lock to set */
    bool leaves_out;        /* it had a VMA with DONTFORK or WIPEONFORK */
    bool lock_future;       /* mlockall: what is mapped from now on is locked */
    bool undumpable;        /* it runs, or ran, with rights that its user has not: no core file, and only
                             * CAP_SYS_PTRACE in user_ns looks into it. tasklist_lock to set */
    struct user_namespace *user_ns; /* counted: in which its program was started */
    atomic64_t cow_faults;          /* pages copied on write, for /proc and the tests of D6 */
};
extern struct mm_struct init_mm;

/* The last GB is for the vDSO, at its start, and the stack, at its end; mappings grow down from below. So a
 * child that touches its stack needs a middle table with few entries, and not the one that large mappings
 * fill: fork shares that. */
#define MMAP_TOP (TASK_SIZE - (1UL << 30))
#define VDSO_BASE MMAP_TOP
struct user_namespace;
struct mm_struct *mm_alloc(struct user_namespace *ns); /* takes a count of ns */
/* A copy for fork: VMAs duplicated, private pages shared until written. NULL: no memory. May sleep. */
struct mm_struct *dup_mm(struct mm_struct *old);
void mmput(struct mm_struct *mm);  /* drop a user; the last unmaps all. May sleep. */
void mmdrop(struct mm_struct *mm); /* drop a count; the last frees the root */
static inline void mmget(struct mm_struct *mm) { atomic_inc(&mm->mm_users); }
static inline void mmgrab(struct mm_struct *mm) { atomic_inc(&mm->mm_count); }

/* A page's number for its memory policy: of its file, or of the address space. */
static inline u64 vma_page_index(const struct vm_area *v, u64 va) {
    return v->file ? v->pgoff + ((va - v->start) >> PAGE_SHIFT) : va >> PAGE_SHIFT;
}
/* The VMA that contains va, or the first above it; NULL if none. Caller holds mmap_lock. */
struct vm_area *find_vma(struct mm_struct *mm, u64 va);
struct vm_area *next_vma(struct vm_area *v);
struct vm_area *first_vma(struct mm_struct *mm);
/* Map; returns the address or -errno. off in bytes, page-aligned. Takes mmap_lock. */
long do_mmap(struct mm_struct *mm, struct file *file, u64 addr, u64 len, u32 prot, u32 flags, u64 off);
int do_munmap(struct mm_struct *mm, u64 addr, u64 len);
int insert_special(struct mm_struct *mm, u64 addr, u32 flags, struct page **pages, u64 n);
/* Make VMA boundaries at start and end: 0 or -ENOMEM. Join v with neighbours that are alike; what is left of
 * it. Caller holds mmap_lock for writing. */
int split_range(struct mm_struct *mm, u64 start, u64 end);
struct vm_area *merge_around(struct mm_struct *mm, struct vm_area *v);
/* mlock.c. Pages in VMAs that are locked; may so many more be (caller holds mmap_lock)? Touch all pages of a
 * range: 0, or -ENOMEM at the first that cannot be, or -EINTR. Takes mmap_lock, may sleep. */
u64 locked_pages(struct mm_struct *mm);
bool lock_limit_ok(struct mm_struct *mm, u64 more);
int populate(struct mm_struct *mm, u64 start, u64 end);
/* A stack that ends at top and grows from size (bytes) to RLIMIT_STACK. Caller holds mmap_lock or is alone.
 */
int stack_vma(struct mm_struct *mm, u64 top, u64 size);
/* Make the stack above va, if one is there, reach down to it: 0, or -EFAULT: there is none, RLIMIT_STACK or
 * RLIMIT_AS forbids it, or the gap below would be too small. Takes mmap_lock. */
int grow_stack(struct mm_struct *mm, u64 va);
u64 unmapped_area(struct mm_struct *mm, u64 len);
long do_brk_area(struct mm_struct *mm, u64 addr, u64 len, u32 flags);
/* Take pages [first, ...) of a truncated file out of every address space. */
void unmap_mapping_pages(struct address_space *m, u64 first);
/* Take a page that has left m, where it was at p->index, out of every address space; what a private mapping
 * has copied of it stays. */
void unmap_mapping_page(struct address_space *m, struct page *p);

extern struct page *zero_page; /* what a load of untouched memory finds */
/* 0 served; -EFAULT no mapping, -EACCES wrong permission, -ENOMEM, -EIO past the file's end, -EAGAIN: the
 * task is to die before it was. `access` is one of VM_READ, VM_WRITE, VM_EXEC. Caller holds nothing; may
 * sleep. */
int handle_mm_fault(struct mm_struct *mm, u64 va, u32 access);
/* Fork, after copy_page_tables: parent and child will both store to the page of their stack pointer, and at
 * once. The child gets a copy of it here, the parent keeps it: two faults less. Does nothing where that
 * cannot be. Caller holds src's mmap_lock for writing. */
void copy_stack_page(struct mm_struct *dst, struct mm_struct *src, u64 sp);
/* Read or write an address space's memory, whose ever it is, as far as its program may. Any address is
 * allowed: what is not the user half's is not there. Bytes done. May sleep. */
size_t access_process_vm(struct mm_struct *mm, u64 va, void *buf, size_t n, bool write);
/* For a debugger: write it even where the program itself may not, if the mapping is private: the page becomes
 * its own. Bytes done. What runs there sees it. */
size_t poke_process_vm(struct mm_struct *mm, u64 va, const void *buf, size_t n);
/* Page tables of user addresses; see pgtable.c. They may sleep, and take page_table_lock themselves. */
/* The entry of va, 0 if none, and the largest number of entries that point to its page or a table on the way
 * there; 0: there is no leaf table. */
pte_t pte_peek(struct mm_struct *mm, u64 va, u32 *sharers);
/* A fault at va in v: make the way there fit for a load, or with `held` for a store (a debugger's too, which
 * v does not permit: nothing becomes writable that v says is not), and say what the entry is; *held is its
 * page, counted, where there is one. 0; 1: it was not fit before; -ENOMEM. Caller holds mmap_lock. */
int resolve_fault(struct vm_area *v, u64 va, struct page **held, pte_t *pte);
/* Store pte at va if the entry still is *old, but for A and D; *old is what it was. 0, -ENOMEM, or -EAGAIN:
 * it changed meanwhile. */
int replace_user_pte(struct mm_struct *mm, u64 va, pte_t pte, pte_t *old);
static inline int set_user_pte(struct mm_struct *mm, u64 va, pte_t pte, pte_t expected) {
    return replace_user_pte(mm, va, pte, &expected);
}
/* Map 2 MB by one entry. 0, -ENOMEM, or -EAGAIN: something is mapped there. Caller holds mmap_lock. */
int set_huge_pte(struct mm_struct *mm, u64 va, pte_t pte);
/* The page that is mapped at va, counted, whoever may access it; or NULL. Any address is allowed. Any context
 * that may take page_table_lock. */
struct page *follow_page(struct mm_struct *mm, u64 va);
/* huge.c. Should a fault at va, where nothing is mapped, map 2 MB? And do it: 0, -EAGAIN: look again,
 * -ENOMEM: small pages are to serve. Caller holds mmap_lock. */
bool huge_wanted(struct vm_area *v, u64 va);
int huge_fault(struct vm_area *v, u64 va);
u64 nr_huge_pages(void); /* 2 MB pages that are in one piece */
enum thp_mode { THP_NEVER, THP_MADVISE, THP_ALWAYS };
extern enum thp_mode thp_mode; /* a knob: /proc/sys/vm/transparent_hugepage */
/* Fork: all of src's tables, shared or copied. Caller holds src's mmap_lock for writing, has given dst its
 * VMAs, and flushes src's translations afterwards. 0 or -ENOMEM: dst has a part of them. */
int copy_page_tables(struct mm_struct *dst, struct mm_struct *src);
#define FORK_COPY_PAGES 192
extern u32
    fork_copy_pages; /* leaf tables with at most so many pages are copied by fork; 512: all tables are */
/* Take all pages out of [start, end), flush, then drop them. Never fails: where a shared table has to be
 * copied and memory is out it waits; who can fail calls zap_prepare before, with mmap_lock held for writing.
 * zap_all: nobody uses the mm any more. */
void zap_page_range(struct mm_struct *mm, u64 start, u64 end);
void zap_page(struct mm_struct *mm, u64 va, struct page *p); /* if it is p that is mapped there */
void zap_all(struct mm_struct *mm);
int zap_prepare(struct mm_struct *mm, u64 start, u64 end);
/* A VMA is to end at va: if a 2 MB page lies across, it is split. 0 or -ENOMEM. Caller holds mmap_lock for
 * writing. */
int split_huge_at(struct mm_struct *mm, u64 va);
/* All tables of [start, end) become mm's own. 0 or -ENOMEM. Caller holds mmap_lock for writing. */
int own_page_range(struct mm_struct *mm, u64 start, u64 end);
/* The entries get the permissions of v, less write permission. The tables are mm's own. */
void protect_page_range(struct vm_area *v, u64 start, u64 end);
/* mremap: entries move; caller holds mmap_lock for writing, zaps `from` afterwards, and moves back after
 * -ENOMEM. */
int move_page_tables(struct mm_struct *mm, u64 from, u64 to, u64 len);
/* Private pages of v that lie on other nodes than `nodes` are moved there, by v's policy, if `move`;
 * what something else uses too stays. 0; 1: some should be elsewhere; -ENOMEM. Caller holds mmap_lock for
 * writing. */
int migrate_page_range(struct vm_area *v, u32 nodes, bool move);
pte_t vma_pte_flags(u32 vm_flags);
/* Boot, before a program runs: does the hardware set A? */
void young_init(void);
void flush_tlb_range(struct mm_struct *mm, u64 start, u64 end);

/* --- user addresses --- What a program gives as an address is a u64 that nobody trusts, until one of these
 * has been asked. Below them the lookups (user_root in pgtable.h) stay in the user half whatever they get. */
/* Are the n bytes at va all in the user half? */
static inline bool access_ok(u64 va, u64 n) { return n <= TASK_SIZE && va <= TASK_SIZE - n; }
/* How many of the n bytes at va are, from the first on. */
static inline u64 user_room(u64 va, u64 n) { return va < TASK_SIZE ? min(n, TASK_SIZE - va) : 0; }
/* The pages that the len bytes at start, which is the beginning of one, lie in: up to *end. 0; -EINVAL: they
 * wrap around; -ENOMEM: they leave the user half. */
int user_pages(u64 start, u64 len, u64 *end);

/* --- user memory --- Any address is allowed: a bad one is -EFAULT. May sleep, unless page faults are
 * disabled, when a page that is not mapped is -EFAULT too. */
/* riscv/uaccess.S, for uaccess.c: by user addresses, and between kernel addresses. */
u64 __copy_user(void *dst, const void *src, u64 n);
u64 __clear_user(void *dst, u64 n);
long __strncpy_user(char *dst, const char *src, u64 n);
void __copy_linear(void *dst, const void *src, u64 n);
/* The number of bytes that could not be reached; the range is access_ok. Words of 4 and 8 bytes that are
 * aligned on both sides are copied whole. The last one: the length without the terminator, n if none was
 * found, -1. */
u64 raw_copy_from_user(void *dst, u64 src, u64 n);
u64 raw_copy_to_user(u64 dst, const void *src, u64 n);
u64 raw_clear_user(u64 dst, u64 n);
long raw_strncpy_from_user(char *dst, u64 src, u64 n);
/* A structure that may grow: `known` bytes of it, when the user's has `size`. A longer one is fine if what we
 * do not know is zero: 0, -E2BIG, -EFAULT. */
long copy_struct_from_user(void *dst, u64 known, u64 src, u64 size);
long __cmpxchg_user(u32 *p, u32 old, u32 new, u32 *seen);
/* If the word at va is `old` it becomes `new`, in one step; *seen is what it was. 0, or -EFAULT. Where the
 * caller may not sleep, "touch it and come again". */
long cmpxchg_user(u64 va, u32 old, u32 new, u32 *seen);
int copy_from_user(void *dst, u64 src, u64 n);
int copy_to_user(u64 dst, const void *src, u64 n);
int clear_user(u64 dst, u64 n);
/* Length, -EFAULT, or -ENAMETOOLONG if no terminator within n. */
long strncpy_from_user(char *dst, u64 src, u64 n);
#define put_user(va, v)                                                                                      \
    ({                                                                                                       \
        __typeof__(v) _pv = (v);                                                                             \
        copy_to_user(va, &_pv, sizeof(_pv));                                                                 \
    })
int fault_in_readable(u64 va, u64 n);
static inline void pagefault_disable(void) { preempt_disable(); }
static inline void pagefault_enable(void) { preempt_enable(); }

struct iovec {
    u64 base, len;
};
/* A place to copy to or from: user memory in pieces, or one kernel buffer. */
struct iov_iter {
    const struct iovec *iov;
    u64 off, count; /* in the first piece; left in all */
    bool kernel;
};
void iter_user(struct iov_iter *it, struct iovec *v, u64 base, u64 len);
void iter_kernel(struct iov_iter *it, struct iovec *v, void *base, u64 len);
/* Bytes copied; short only where user memory cannot be reached. */
size_t copy_to_iter(const void *src, size_t n, struct iov_iter *it);
size_t copy_from_iter(void *dst, size_t n, struct iov_iter *it);
size_t zero_iter(size_t n, struct iov_iter *it);
int fault_in_iter(const struct iov_iter *it, size_t n);
void iter_revert(struct iov_iter *it, size_t n, const struct iovec *iov, u64 off, u64 count);
