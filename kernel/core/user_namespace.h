/* User namespaces (C20): which users and groups there are, and where capabilities count.
 *
 * Everywhere in the kernel a uid or gid is that of the first namespace, and init_user_ns maps all to
 * themselves. What a program says and is told are its namespace's: these functions translate at the edge.
 * A capability counts in the namespace that the credentials belong to, and in those below it; who made a
 * namespace has all of them in it. */
#pragma once
#include "task.h"

struct id_extent {
    u32 first, lower, count; /* in it; in the first namespace */
};
struct id_map {
    u32 n; /* 0: not yet written; then never changed */
    struct id_extent *extent;
};
struct user_namespace {
    atomic_t refcount; /* of the nested ones */
    u32 level;
    struct user_namespace *parent; /* counted */
    uid_t owner;
    gid_t group;
    struct id_map uid_map, gid_map; /* map_mutex to set; n is stored last */
    bool setgroups_denied;          /* map_mutex */
    bool parent_could_setfcap;      /* its maker might map the parent's root */
};
extern struct user_namespace init_user_ns;
#define current_user_ns() (current->cred->user_ns)
static inline struct user_namespace *get_user_ns(struct user_namespace *ns) {
    if (ns->level)
        atomic_inc(&ns->refcount);
    return ns;
}
void put_user_ns(struct user_namespace *ns); /* any context */

#define INVALID_ID 0xffffffffu
#define OVERFLOW_ID 65534u
/* A namespace's id as the kernel's, or INVALID_ID; and back: OVERFLOW_ID: it has none there (munged), or
 * INVALID_ID. */
u32 map_id_down(const struct id_map *map, u32 id);
u32 map_id_up(const struct id_map *map, u32 id);
static inline uid_t make_kuid(const struct user_namespace *ns, u32 id) {
    return likely(ns == &init_user_ns) ? id : map_id_down(&ns->uid_map, id);
}
static inline gid_t make_kgid(const struct user_namespace *ns, u32 id) {
    return likely(ns == &init_user_ns) ? id : map_id_down(&ns->gid_map, id);
}
static inline u32 from_kuid(const struct user_namespace *ns, uid_t id) {
    return likely(ns == &init_user_ns) ? id : map_id_up(&ns->uid_map, id);
}
static inline u32 from_kgid(const struct user_namespace *ns, gid_t id) {
    return likely(ns == &init_user_ns) ? id : map_id_up(&ns->gid_map, id);
}
static inline u32 munged(u32 id) { return id == INVALID_ID ? OVERFLOW_ID : id; }
static inline u32 from_kuid_munged(const struct user_namespace *ns, uid_t id) {
    return likely(ns == &init_user_ns) ? id : munged(map_id_up(&ns->uid_map, id));
}
static inline u32 from_kgid_munged(const struct user_namespace *ns, gid_t id) {
    return likely(ns == &init_user_ns) ? id : munged(map_id_up(&ns->gid_map, id));
}

/* Are both somebody there? */
static inline bool ids_mapped(const struct user_namespace *ns, uid_t uid, gid_t gid) {
    return likely(ns == &init_user_ns) ||
           (map_id_up(&ns->uid_map, uid) != INVALID_ID && map_id_up(&ns->gid_map, gid) != INVALID_ID);
}

/* Do these credentials have the capability in ns? */
bool cred_capable(const struct cred *c, const struct user_namespace *ns, int cap);
bool ns_capable(const struct user_namespace *ns, int cap); /* current's; and it counts as use of it */
struct inode;
/* In current's namespace, over an inode whose owner and group are known there. */
bool capable_wrt_inode(const struct inode *i, int cap);                               /* fs/namei.c */
bool in_user_ns(const struct user_namespace *ns, const struct user_namespace *above); /* or the same */

/* c, not yet anybody's, gets a new namespace below its own, and all capabilities there. 0, -EPERM, -ENOSPC,
 * -ENOMEM. */
int create_user_ns(struct cred *c);
/* setns: the credentials with which current is in ns, for commit_cred; or -EINVAL, -EPERM, -ENOMEM. */
struct cred *prepare_user_ns(struct user_namespace *ns);
/* setgroups may be used in it. */
bool may_setgroups(const struct user_namespace *ns);
/* /proc/PID/uid_map, gid_map, setgroups: t's namespace's; text as it was written to f. The writer and the
 * opener of f must both have the rights. */
struct seq;
struct file;
int show_id_map(struct seq *s, struct task_struct *t, bool gid);
int store_id_map(const struct file *f, char *text, struct task_struct *t, bool gid);
int show_setgroups(struct seq *s, struct task_struct *t);
int store_setgroups(const struct file *f, char *text, struct task_struct *t);
