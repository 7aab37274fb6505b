/* User namespaces: see user_namespace.h. */
#include "user_namespace.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "../fs/procfs/procfs.h"
#include <abi/errno.h>

#define MAX_LEVEL 32
#define MAX_EXTENTS 340
static struct mutex map_mutex = MUTEX_INIT(map_mutex);
static struct id_extent everybody = {0, 0, INVALID_ID};
struct user_namespace init_user_ns = {
    .refcount = {1}, .uid_map = {1, &everybody}, .gid_map = {1, &everybody}, .parent_could_setfcap = true};

void put_user_ns(struct user_namespace *ns) {
    while (ns->level && atomic_dec_and_test(&ns->refcount)) {
        struct user_namespace *up = ns->parent;
        kfree(ns->uid_map.extent);
        kfree(ns->gid_map.extent);
        kfree(ns);
        ns = up;
    }
}

/* --- ids --- */
u32 map_id_up(const struct id_map *map, u32 id) {
    u32 n = smp_load_acquire(&map->n);
    for (u32 i = 0; i < n; i++)
        if (id - map->extent[i].lower < map->extent[i].count)
            return id - map->extent[i].lower + map->extent[i].first;
    return INVALID_ID;
}
/* [first, first + count) of a namespace, which must be in one piece. */
static u32 map_range_down(const struct id_map *map, u32 first, u32 count) {
    u32 n = smp_load_acquire(&map->n);
    for (u32 i = 0; i < n; i++) {
        const struct id_extent *e = &map->extent[i];
        if (first - e->first < e->count && count <= e->count - (first - e->first))
            return first - e->first + e->lower;
    }
    return INVALID_ID;
}
u32 map_id_down(const struct id_map *map, u32 id) { return map_range_down(map, id, 1); }

/* --- capabilities --- */
bool in_user_ns(const struct user_namespace *ns, const struct user_namespace *above) {
    while (ns->level > above->level)
        ns = ns->parent;
    return ns == above;
}
bool cred_capable(const struct cred *c, const struct user_namespace *ns, int cap) {
    for (;; ns = ns->parent) {
        if (ns == c->user_ns)
            return c->cap_effective & BIT(cap);
        if (ns->level <= c->user_ns->level)
            return false;
        if (ns->parent == c->user_ns && ns->owner == c->euid)
            return true;
    }
}
bool ns_capable(const struct user_namespace *ns, int cap) {
    bool ok = cred_capable(current->cred, ns, cap);
    if (ok)
        current->task_flags |= PF_SUPERPRIV;
    return ok;
}
bool capable(int cap) { return ns_capable(&init_user_ns, cap); }

/* --- making and entering one --- */
static void all_caps(struct cred *c, struct user_namespace *ns) {
    put_user_ns(c->user_ns);
    c->user_ns = ns;
    c->cap_inheritable = 0;
    c->cap_permitted = c->cap_effective = c->cap_bset = CAP_FULL;
}
int create_user_ns(struct cred *c) {
    struct user_namespace *up = c->user_ns;
    if (up->level > MAX_LEVEL)
        return -ENOSPC;
    if (current_chrooted() || !ids_mapped(up, c->euid, c->egid))
        return -EPERM; /* nobody gets out of a chroot so, and the owner must be somebody */
    struct user_namespace *ns = kzalloc(sizeof(*ns), GFP_KERNEL);
    if (!ns)
        return -ENOMEM;
    atomic_set(&ns->refcount, 1);
    ns->level = up->level + 1;
    ns->parent = get_user_ns(up);
    ns->owner = c->euid;
    ns->group = c->egid;
    ns->setgroups_denied = READ_ONCE(up->setgroups_denied);
    ns->parent_could_setfcap = cred_capable(c, up, CAP_SETFCAP);
    all_caps(c, ns);
    return 0;
}
struct cred *prepare_user_ns(struct user_namespace *ns) {
    if (ns == current_user_ns() || current->signal->nr_threads > 1 || atomic_read(&current->fs->refcount) > 1)
        return ERR_PTR(-EINVAL);
    if (!ns_capable(ns, CAP_SYS_ADMIN))
        return ERR_PTR(-EPERM);
    struct cred *c = prepare_cred();
    if (!c)
        return ERR_PTR(-ENOMEM);
    all_caps(c, get_user_ns(ns));
    return c;
}
bool may_setgroups(const struct user_namespace *ns) {
    return smp_load_acquire(&ns->gid_map.n) && !READ_ONCE(ns->setgroups_denied);
}

/* --- /proc/PID/uid_map, gid_map, setgroups --- */
static struct user_namespace *task_user_ns(struct task_struct *t) {
    READ_TASKS(irq);
    struct user_namespace *ns = get_user_ns(t->cred->user_ns);
    READ_TASKS_END(irq);
    return ns;
}
int show_id_map(struct seq *s, struct task_struct *t, bool gid) {
    struct user_namespace *ns = task_user_ns(t), *seen = current_user_ns();
    const struct id_map *map = gid ? &ns->gid_map : &ns->uid_map;
    if (seen == ns && seen->parent)
        seen = seen->parent;
    u32 n = smp_load_acquire(&map->n);
    for (u32 i = 0; i < n; i++) {
        const struct id_extent *e = &map->extent[i];
        seq_printf(s, "%10u %10u %10u\n", e->first,
                   gid ? from_kgid(seen, e->lower) : from_kuid(seen, e->lower), e->count);
    }
    put_user_ns(ns);
    return 0;
}

static bool number(char **at, u32 *v) {
    char *end;
    while (**at == ' ' || **at == '\t')
        ++*at;
    u64 x = **at >= '0' && **at <= '9' ? strtoul(*at, &end, 10) : ~0UL;
    if (x > INVALID_ID || (*end && *end != ' ' && *end != '\t' && *end != '\n'))
        return false;
    *v = x;
    *at = end;
    return true;
}
static bool overlap(const struct id_extent *a, const struct id_extent *b) {
    return (a->first < b->first + b->count && b->first < a->first + a->count) ||
           (a->lower < b->lower + b->count && b->lower < a->lower + a->count);
}
/* Lines of: first here, first in the parent, how many. Number of extents, or -EINVAL. */
static int parse(char *at, struct id_extent *e) {
    int n = 0;
    while (*at) {
        struct id_extent *x = &e[n];
        if (n == MAX_EXTENTS || !number(&at, &x->first) || !number(&at, &x->lower) || !number(&at, &x->count))
            return -EINVAL;
        while (*at == ' ' || *at == '\t')
            at++;
        if (*at && *at != '\n')
            return -EINVAL;
        at += *at == '\n';
        if (!x->count || x->first == INVALID_ID || x->lower == INVALID_ID ||
            x->first + x->count <= x->first || x->lower + x->count <= x->lower)
            return -EINVAL;
        for (int i = 0; i < n; i++)
            if (overlap(&e[i], x))
                return -EINVAL;
        n++;
    }
    return n ? n : -EINVAL;
}
/* May current, through f, give ns these ids of its parent? The opener's own one, or any if both have the
 * capability there. */
static bool new_idmap_permitted(const struct file *f, struct user_namespace *ns, const struct id_extent *e,
                                int n, bool gid) {
    const struct cred *c = f->cred;
    int cap = gid ? CAP_SETGID : CAP_SETUID;
    for (int i = 0; i < n && !gid; i++) /* the parent's root may have files with capabilities */
        if (!e[i].lower &&
            !(c->user_ns == ns ? ns->parent_could_setfcap : file_ns_capable(f, ns->parent, CAP_SETFCAP)))
            return false;
    if (n == 1 && e->count == 1 && ns->owner == c->euid) {
        u32 id = gid ? make_kgid(ns->parent, e->lower) : make_kuid(ns->parent, e->lower);
        if (gid ? ns->setgroups_denied && id == c->egid : id == c->euid)
            return true;
    }
    return ns_capable(ns->parent, cap) && file_ns_capable(f, ns->parent, cap);
}
int store_id_map(const struct file *f, char *text, struct task_struct *t, bool gid) {
    struct user_namespace *ns = task_user_ns(t);
    struct id_map *map = gid ? &ns->gid_map : &ns->uid_map;
    struct id_extent *e = NULL;
    int n = 0, r = 0;
    mutex_lock(&map_mutex);
    if (!ns->parent || map->n || !ns_capable(ns, CAP_SYS_ADMIN) || !file_ns_capable(f, ns, CAP_SYS_ADMIN) ||
        (f->cred->user_ns != ns && f->cred->user_ns != ns->parent))
        r = -EPERM;
    else if (!(e = kmalloc(MAX_EXTENTS * sizeof(*e), GFP_KERNEL)))
        r = -ENOMEM;
    else if ((n = parse(text, e)) < 0)
        r = n;
    else if (!new_idmap_permitted(f, ns, e, n, gid))
        r = -EPERM;
    for (int i = 0; !r && i < n; i++) {
        e[i].lower =
            map_range_down(gid ? &ns->parent->gid_map : &ns->parent->uid_map, e[i].lower, e[i].count);
        if (e[i].lower == INVALID_ID)
            r = -EPERM;
    }
    if (!r) {
        map->extent = e;
        smp_store_release(&map->n, n);
        e = NULL;
    }
    mutex_unlock(&map_mutex);
    kfree(e);
    put_user_ns(ns);
    return r;
}
int show_setgroups(struct seq *s, struct task_struct *t) {
    struct user_namespace *ns = task_user_ns(t);
    seq_printf(s, "%s\n", READ_ONCE(ns->setgroups_denied) ? "deny" : "allow");
    put_user_ns(ns);
    return 0;
}
int store_setgroups(const struct file *f, char *text, struct task_struct *t) {
    struct user_namespace *ns = task_user_ns(t);
    bool deny = starts_with(text, "deny");
    char *end = text + (deny ? 4 : 5);
    int r = 0;
    if (!deny && !starts_with(text, "allow"))
        r = -EINVAL;
    else
        while (*end)
            if (!strchr(" \t\n", *end++))
                r = -EINVAL;
    mutex_lock(&map_mutex);
    if (!r && (!ns_capable(ns, CAP_SYS_ADMIN) || !file_ns_capable(f, ns, CAP_SYS_ADMIN) ||
               (deny ? ns->gid_map.n != 0 : ns->setgroups_denied)))
        r = -EPERM;
    if (!r)
        WRITE_ONCE(ns->setgroups_denied, deny);
    mutex_unlock(&map_mutex);
    put_user_ns(ns);
    return r;
}
