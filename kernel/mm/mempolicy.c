/* Memory policy: set_mempolicy, get_mempolicy, mbind; see mempolicy.h. */
#include "mempolicy.h"
#include "../core/task.h"
#include "../fs/procfs/procfs.h"
#include <abi/errno.h>
#include <abi/mempolicy.h>

static struct kmem_cache *policy_cache;
void mempolicy_init(void) { policy_cache = kmem_cache_create("mempolicy", sizeof(struct mempolicy)); }

void put_mempolicy(struct mempolicy *p) {
    if (p && atomic_dec_and_test(&p->refcount))
        kmem_cache_free(policy_cache, p);
}

static u32 all_nodes(void) {
    u32 with_memory = 0;
    for (unsigned int i = 0; i < machine.nr_mem; i++)
        with_memory |= BIT(machine.mem[i].node);
    return with_memory;
}
/* The n-th of the nodes, counted around. */
static s32 nth_node(u32 nodes, u64 n) {
    for (n %= __builtin_popcount(nodes); n--;)
        nodes &= nodes - 1;
    return ctz64(nodes);
}

void policy_range(struct mempolicy *p, u64 index) {
    current->range_policy = p;
    current->range_index = index;
}
struct page_source policy_source(void) {
    struct mempolicy *range = current->range_policy, *p = range ? range : current->mempolicy;
    if (!p)
        return (struct page_source){ANY_NODE, ~0u, false};
    switch (p->mode) {
    case MPOL_BIND:
        return (struct page_source){ANY_NODE, p->nodes, false};
    case MPOL_PREFERRED_MANY:
        return (struct page_source){ANY_NODE, p->nodes, true};
    case MPOL_PREFERRED:
        return (struct page_source){ctz64(p->nodes), ~0u, false};
    case MPOL_INTERLEAVE:
    case MPOL_WEIGHTED_INTERLEAVE: /* all weights are 1 */
        return (struct page_source){nth_node(p->nodes, range ? current->range_index : current->next_node++),
                                    ~0u, false};
    default:
        return (struct page_source){ANY_NODE, ~0u, false};
    }
}

/* A user's bit mask of nodes; maxnode is one more than the bits in it, as Linux counts. */
static long read_nodes(u32 *nodes, u64 mask, u64 maxnode) {
    u64 bits = maxnode - 1;
    *nodes = 0;
    if (!mask || !bits || !maxnode)
        return 0;
    if (bits > PAGE_SIZE * 8)
        return -EINVAL;
    for (u64 at = 0; at < bits; at += 64) {
        u64 word;
        if (copy_from_user(&word, mask + at / 8, 8))
            return -EFAULT;
        if (bits - at < 64)
            word &= BIT(bits - at) - 1;
        if (at ? word : word >> MAX_NODES)
            return -EINVAL;
        *nodes |= word;
    }
    return 0;
}
/* A new policy; NULL: the default; or ERR_PTR. */
static struct mempolicy *make_policy(u64 mode, u64 mask, u64 maxnode) {
    u32 flags = mode & MPOL_MODE_FLAGS, nodes;
    mode = (u32)mode & ~(u32)MPOL_MODE_FLAGS;
    if (mode >= MPOL_MAX || ((flags & MPOL_F_STATIC_NODES) && (flags & MPOL_F_RELATIVE_NODES)) ||
        ((flags & MPOL_F_NUMA_BALANCING) && mode != MPOL_BIND && mode != MPOL_PREFERRED_MANY))
        return ERR_PTR(-EINVAL);
    long r = read_nodes(&nodes, mask, maxnode);
    if (r)
        return ERR_PTR(r);
    if (mode == MPOL_DEFAULT)
        return nodes ? ERR_PTR(-EINVAL) : NULL;
    bool mapped = flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES);
    if (mode == MPOL_PREFERRED && !nodes && !mapped)
        mode = MPOL_LOCAL;
    if (mode == MPOL_LOCAL ? nodes || mapped : !nodes)
        return ERR_PTR(-EINVAL);
    u32 there = all_nodes(), use = nodes & there;
    if (flags & MPOL_F_RELATIVE_NODES) { /* the n-th of those that are there */
        use = 0;
        for (u32 n = nodes; n; n &= n - 1)
            use |= BIT(nth_node(there, ctz64(n)));
    }
    if (mode != MPOL_LOCAL && !use)
        return ERR_PTR(-EINVAL);
    if (mode == MPOL_PREFERRED)
        use &= -use;
    struct mempolicy *p = kmem_cache_alloc(policy_cache, GFP_KERNEL);
    if (!p)
        return ERR_PTR(-ENOMEM);
    *p = (struct mempolicy){.mode = mode, .flags = flags, .nodes = use, .user_nodes = nodes};
    atomic_set(&p->refcount, 1);
    return p;
}

long sys_set_mempolicy(u64 mode, u64 mask, u64 maxnode) {
    struct mempolicy *p = make_policy(mode, mask, maxnode);
    if (IS_ERR(p))
        return PTR_ERR(p);
    spin_lock(&current->alloc_lock); /* numa_maps looks */
    struct mempolicy *was = current->mempolicy;
    current->mempolicy = p;
    spin_unlock(&current->alloc_lock);
    current->next_node = 0;
    put_mempolicy(was);
    return 0;
}

/* The node of the page at addr, which is there from now on, or -EFAULT. */
static long node_at(u64 addr) {
    struct page *p = NULL;
    while (!p) {
        if (handle_mm_fault(current->mm, addr, VM_READ))
            return -EFAULT;
        p = follow_page(current->mm, addr);
    }
    long node = p->node;
    put_page(p);
    return node;
}
static long write_nodes(u64 mask, u64 maxnode, u64 nodes) {
    u64 bytes = ALIGN_UP(maxnode - 1, 64) / 8;
    if (bytes > 8) {
        if (bytes > PAGE_SIZE)
            return -EINVAL;
        if (clear_user(mask + 8, bytes - 8))
            return -EFAULT;
    }
    return copy_to_user(mask, &nodes, min(bytes, 8UL)) ? -EFAULT : 0;
}
long sys_get_mempolicy(u64 upolicy, u64 mask, u64 maxnode, u64 addr, u64 flags) {
    struct mempolicy *p = NULL;
    s32 policy = 0;
    u32 nodes = 0;
    long r = 0;
    if ((mask && maxnode < machine.nr_nodes) || (flags & ~7UL))
        return -EINVAL;
    if (flags & MPOL_F_MEMS_ALLOWED) {
        if (flags & (MPOL_F_NODE | MPOL_F_ADDR))
            return -EINVAL;
        nodes = all_nodes();
    } else if (flags & MPOL_F_ADDR) {
        down_read(&current->mm->mmap_lock);
        struct vm_area *v = find_vma(current->mm, addr);
        r = v && v->start <= addr ? 0 : -EFAULT;
        p = get_mempolicy(r ? NULL : v->policy ? v->policy : current->mempolicy);
        up_read(&current->mm->mmap_lock);
    } else if (addr) {
        return -EINVAL;
    } else {
        p = get_mempolicy(current->mempolicy);
    }
    if (!r && (flags & MPOL_F_NODE)) {
        bool spread = p && (p->mode == MPOL_INTERLEAVE || p->mode == MPOL_WEIGHTED_INTERLEAVE);
        r = flags & MPOL_F_ADDR ? node_at(addr) : spread ? nth_node(p->nodes, current->next_node) : -EINVAL;
        policy = r;
        r = min(r, 0L);
    } else if (p) {
        policy = p->mode | p->flags;
    }
    if (p && !(flags & MPOL_F_MEMS_ALLOWED))
        nodes = p->flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES) ? p->user_nodes : p->nodes;
    put_mempolicy(p);
    if (!r && upolicy)
        r = put_user(upolicy, policy);
    return r || !mask ? r : write_nodes(mask, maxnode, nodes);
}

/* [start, end), which lies in one VMA, gets policy p; what is there already moves if it may. 0, -ENOMEM, or
 * 1: some pages lie where they should not. */
static long set_range(struct mm_struct *mm, u64 start, u64 end, struct mempolicy *p, u64 flags) {
    long r = split_range(mm, start, end), misplaced = 0;
    if (r)
        return r;
    struct vm_area *v = find_vma(mm, start);
    put_mempolicy(v->policy);
    v->policy = get_mempolicy(p);
    if (p && flags && p->mode != MPOL_LOCAL) {
        misplaced = migrate_page_range(v, p->nodes, flags & (MPOL_MF_MOVE | MPOL_MF_MOVE_ALL));
        if (misplaced < 0)
            return misplaced;
    }
    merge_around(mm, v);
    return misplaced;
}
long sys_mbind(u64 start, u64 len, u64 mode, u64 mask, u64 maxnode, u64 flags) {
    struct mm_struct *mm = current->mm;
    u64 end, at = start;
    struct mempolicy *p = make_policy(mode, mask, maxnode);
    if (IS_ERR(p))
        return PTR_ERR(p);
    long r = user_pages(start, len, &end);
    r = flags & ~7UL                                           ? -EINVAL
        : (flags & MPOL_MF_MOVE_ALL) && !capable(CAP_SYS_NICE) ? -EPERM
        : (start & (PAGE_SIZE - 1))                            ? -EINVAL
        : r == -ENOMEM                                         ? -EFAULT
                                                               : r;
    if (r || start == end)
        goto put;
    if (down_write_killable(&mm->mmap_lock)) {
        r = -EINTR;
        goto put;
    }
    struct vm_area *v = find_vma(mm, start);
    for (; p && at < end; at = v->end, v = next_vma(v)) /* the default may be set where holes are */
        if (!v || v->start > at) {
            r = -EFAULT;
            break;
        }
    bool misplaced = false;
    if (!r && !(v = find_vma(mm, start)))
        r = -EFAULT;
    for (at = start; !r && at < end && (v = find_vma(mm, at)) && v->start < end;) {
        u64 from = max(v->start, at);
        r = set_range(mm, from, at = min(v->end, end), p, flags);
        misplaced |= r > 0;
        r = min(r, 0L);
    }
    up_write(&mm->mmap_lock);
    if (!r && misplaced && (flags & MPOL_MF_STRICT))
        r = -EIO;
put:
    put_mempolicy(p);
    return r;
}

void show_mempolicy(struct seq *s, const struct mempolicy *p) {
    static const char *const names[MPOL_MAX] = {
        "default", "prefer", "bind", "interleave", "local", "prefer (many)", "weighted interleave"};
    seq_printf(s, "%s", names[p ? p->mode : MPOL_DEFAULT]);
    if (p && p->flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES))
        seq_printf(s, "=%s", p->flags & MPOL_F_STATIC_NODES ? "static" : "relative");
    for (u32 n = p ? p->nodes : 0, first = 1; n; first = 0) {
        u32 from = ctz64(n), to = from;
        while (n & BIT(to + 1))
            to++;
        n &= ~(BIT(to + 1) - 1);
        seq_printf(s, to > from ? "%c%u-%u" : "%c%u", first ? ':' : ',', from, to);
    }
}
