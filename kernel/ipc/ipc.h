/* System V IPC (C14): sets of semaphores, segments of shared memory, queues of messages, found by a key or an
 * id.
 *
 * One mutex for each of the three kinds guards all of its objects, in every namespace: ids, permissions,
 * contents. It is never held across access to user memory, nor while somebody sleeps for an event. It comes
 * after mmap_lock, for the last unmapping of a segment may end it. */
#pragma once
#include "../core/task.h"
#include <abi/ipc.h>

#define IPCMNI 32768 /* ids are made of an index below this and a sequence number */

enum ipc_kind { IPC_SEM, IPC_SHM, IPC_MSG, IPC_KINDS };
#define IPC_WORDS (IPCMNI / 64)
/* Making, finding and removing one costs the same however many there are, or a logarithm of it. */
struct ipc_ids {
    struct radix_tree objects; /* by index */
    struct rb_root keys;       /* those that have one (not IPC_PRIVATE), by key */
    struct {
        u64 used[IPC_WORDS], full[IPC_WORDS / 64]; /* indexes; words of these that are all ones */
    } * map;                                       /* made with the first object */
    u32 in_use;
    u16 seq;
};
struct ipc_namespace {
    atomic_t refcount;
    struct ipc_ids ids[IPC_KINDS];
    /* Limits, knobs in /proc/sys/kernel. */
    u64 shmmax, shmall, shm_tot; /* bytes; pages; pages there are */
    u32 shmmni, semmsl, semmns, semopm, semmni, msgmax, msgmnb, msgmni;
    u32 sems;                       /* semaphores there are */
    struct user_namespace *user_ns; /* counted */
};
extern struct ipc_namespace init_ipc_ns;

/* The head of every object. */
struct kern_ipc_perm {
    struct ipc_namespace *ns;
    struct rb_node by_key;
    s32 id, key;
    uid_t uid, cuid;
    gid_t gid, cgid;
    u32 mode;
};
extern struct mutex ipc_mutex[IPC_KINDS];

/* Kernel memory that an object takes, and that stays when the process ends that made it, counts for the caller's user:
 * true, and *payer is whose it is until ipc_uncharge; false if that were more than an eighth of the machine's memory
 * and the caller has no CAP_SYS_RESOURCE. */
bool ipc_charge(u64 bytes, struct user_struct **payer);
void ipc_uncharge(struct user_struct *payer, u64 bytes);

/* All with the kind's mutex held. */
/* A new object's head p, of the caller's: its id, or -ENOSPC, -ENOMEM. limit: how many there may be. */
long ipc_add(struct ipc_namespace *ns, enum ipc_kind kind, struct kern_ipc_perm *p, s32 key, u32 flags,
             u32 limit);
void ipc_remove(enum ipc_kind kind, struct kern_ipc_perm *p);
void ipc_remove_key(enum ipc_kind kind, struct kern_ipc_perm *p); /* nobody finds it by its key any more */
/* The object of an id, or of an index (for *_STAT); NULL: there is none. */
struct kern_ipc_perm *ipc_find(struct ipc_namespace *ns, enum ipc_kind kind, s32 id);
struct kern_ipc_perm *ipc_at(struct ipc_namespace *ns, enum ipc_kind kind, s32 index);
/* What the *get calls do for a key: the object there, NULL: to be made now, or ERR_PTR(-ENOENT, -EEXIST,
 * -EACCES). */
struct kern_ipc_perm *ipc_lookup(struct ipc_namespace *ns, enum ipc_kind kind, s32 key, u32 flags);
int ipcperms(const struct kern_ipc_perm *p, u32 wanted); /* S_IRUGO, S_IWUGO: 0 or -EACCES */
int ipc_may_change(const struct kern_ipc_perm *p);       /* IPC_SET, IPC_RMID: 0 or -EPERM */
void ipc_to_user(const struct kern_ipc_perm *p, struct ipc64_perm *u);
int ipc_set(struct kern_ipc_perm *p, const struct ipc64_perm *u);
s32 ipc_max_index(struct ipc_namespace *ns, enum ipc_kind kind);
static inline s64 ipc_time(void) { return ktime_get_real() / 1000000000; }

struct seq;
int ipc_show(struct seq *s, enum ipc_kind kind); /* /proc/sysvipc */
void sem_show(struct seq *s, struct kern_ipc_perm *p);
void shm_show(struct seq *s, struct kern_ipc_perm *p);
void msg_show(struct seq *s, struct kern_ipc_perm *p);
/* The namespace ends: its objects go. */
void sem_free(struct kern_ipc_perm *p);
void shm_free(struct kern_ipc_perm *p);
void msg_free(struct kern_ipc_perm *p);
struct user_namespace;
struct ipc_namespace *ipc_ns_new(struct user_namespace *owner); /* counted, or NULL: no memory */
void put_ipc_ns(struct ipc_namespace *ns);
void ipc_remove_all(struct ipc_namespace *ns); /* takes the mutexes */
