/* Message queues: msgget, msgsnd, msgrcv, msgctl. Who finds no room or no message sleeps on the queue's wait
 * queue, and looks again when something changed. */
#include "../core/nsproxy.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "../fs/procfs/procfs.h"
#include <abi/errno.h>

#define MUTEX (&ipc_mutex[IPC_MSG])

struct msg {
    struct list_head link;
    struct user_struct *payer;
    s64 type;
    u64 size;
    u8 text[];
};
struct msg_queue {
    struct kern_ipc_perm perm; /* first */
    atomic_t refcount;         /* the id's, and one for each sleeper */
    bool removed;
    struct list_head messages; /* in the order they came */
    u64 bytes, count, max_bytes;
    s64 stime, rtime, ctime;
    pid_t lspid, lrpid;
    struct wait_queue_head senders, receivers;
};

/* NULL: no memory, or the user has too much of it. */
static struct msg *alloc_msg(u64 size) {
    struct user_struct *payer;
    if (!ipc_charge(sizeof(struct msg) + size, &payer))
        return NULL;
    struct msg *m = kmalloc(sizeof(*m) + size, GFP_KERNEL);
    if (m)
        m->size = size, m->payer = payer;
    else
        ipc_uncharge(payer, sizeof(*m) + size);
    return m;
}
static void free_msg(struct msg *m) {
    if (!m)
        return;
    ipc_uncharge(m->payer, sizeof(*m) + m->size);
    kfree(m);
}
static void put_queue(struct msg_queue *q) {
    if (atomic_dec_and_test(&q->refcount))
        kfree(q);
}
void msg_free(struct kern_ipc_perm *p) {
    struct msg_queue *q = container_of(p, struct msg_queue, perm);
    struct msg *m, *n;
    list_for_each_entry_safe(m, n, &q->messages, link) {
        list_del(&m->link);
        free_msg(m);
    }
    ipc_remove(IPC_MSG, p);
    q->removed = true;
    wake_up_all(&q->senders);
    wake_up_all(&q->receivers);
    put_queue(q);
}

long sys_msgget(u64 ukey, u64 flags) {
    struct ipc_namespace *ns = current_ipc_ns();
    mutex_lock(MUTEX);
    struct msg_queue *q = (void *)ipc_lookup(ns, IPC_MSG, ukey, flags);
    long r = PTR_ERR(q);
    if (q && !IS_ERR(q)) {
        r = q->perm.id;
    } else if (!q) {
        r = -ENOMEM;
        if ((q = kzalloc(sizeof(*q), GFP_KERNEL)) &&
            (r = ipc_add(ns, IPC_MSG, &q->perm, ukey, flags, ns->msgmni)) < 0) {
            kfree(q);
        } else if (q) {
            atomic_set(&q->refcount, 1);
            INIT_LIST_HEAD(&q->messages);
            q->max_bytes = ns->msgmnb;
            q->ctime = ipc_time();
            init_waitqueue(&q->senders);
            init_waitqueue(&q->receivers);
        }
    }
    mutex_unlock(MUTEX);
    return r;
}

/* Sleep until *wq is woken. Mutex held, and dropped meanwhile; the queue stays. 0, -EIDRM, -EINTR, or
 * -EACCES: rights have changed. */
static int sleep_on(struct msg_queue *q, struct wait_queue_head *wq, u32 wanted) {
    struct wait_queue_entry w = {.task = current, .func = default_wake};
    INIT_LIST_HEAD(&w.link);
    atomic_inc(&q->refcount);
    prepare_to_wait(wq, &w, TASK_INTERRUPTIBLE);
    mutex_unlock(MUTEX);
    if (!signal_pending(current))
        schedule();
    finish_wait(wq, &w);
    mutex_lock(MUTEX);
    int r = q->removed ? -EIDRM : signal_pending(current) ? -EINTR : ipcperms(&q->perm, wanted);
    put_queue(q); /* not the last, unless it was removed */
    return r;
}

long sys_msgsnd(u64 uid, u64 umsg, u64 size, u64 flags) {
    struct ipc_namespace *ns = current_ipc_ns();
    s64 type;
    if ((s64)size < 0 || size > ns->msgmax || (s32)uid < 0)
        return -EINVAL;
    if (copy_from_user(&type, umsg, 8))
        return -EFAULT;
    if (type < 1)
        return -EINVAL;
    struct msg *m = alloc_msg(size);
    if (!m)
        return -ENOMEM;
    m->type = type;
    long r = copy_from_user(m->text, umsg + 8, size);
    mutex_lock(MUTEX);
    struct msg_queue *q = NULL;
    if (!r)
        r = (q = (void *)ipc_find(ns, IPC_MSG, uid)) ? ipcperms(&q->perm, 0222) : -EINVAL;
    while (!r && (q->bytes + size > q->max_bytes || q->count + 1 > q->max_bytes))
        r = flags & IPC_NOWAIT ? -EAGAIN : sleep_on(q, &q->senders, 0222);
    if (!r) {
        list_add_tail(&m->link, &q->messages);
        q->bytes += size;
        q->count++;
        q->stime = ipc_time();
        q->lspid = current->vtgid;
        wake_up_all(&q->receivers);
        m = NULL;
    }
    mutex_unlock(MUTEX);
    free_msg(m);
    return r;
}

/* The message that msgrcv's type asks for, or NULL. */
static struct msg *choose(struct msg_queue *q, s64 type, u32 flags) {
    struct msg *m, *best = NULL;
    s64 n = 0;
    list_for_each_entry(m, &q->messages, link) {
        if (flags & MSG_COPY) {
            if (n++ == type)
                return m;
        } else if (type < 0) { /* the lowest type that is not above */
            if (m->type <= -type && (!best || m->type < best->type))
                best = m;
        } else if (!type || (flags & MSG_EXCEPT ? m->type != type : m->type == type)) {
            return m;
        }
    }
    return best;
}

long sys_msgrcv(u64 uid, u64 umsg, u64 size, u64 utype, u64 flags) {
    struct ipc_namespace *ns = current_ipc_ns();
    s64 type = utype;
    struct msg *m = NULL;
    if ((s32)uid < 0 || (s64)size < 0)
        return -EINVAL;
    if ((flags & MSG_COPY) && ((flags & MSG_EXCEPT) || !(flags & IPC_NOWAIT)))
        return -EINVAL;
    if (type == INT64_MIN)
        type = -INT64_MAX;
    u64 room = min(size, (u64)READ_ONCE(ns->msgmax)); /* of the copy: root may change the limit meanwhile */
    u8 *copy = flags & MSG_COPY ? kmalloc(sizeof(*m) + room, GFP_KERNEL) : NULL;
    if ((flags & MSG_COPY) && !copy)
        return -ENOMEM;
    mutex_lock(MUTEX);
    struct msg_queue *q = (void *)ipc_find(ns, IPC_MSG, uid);
    long r = q ? ipcperms(&q->perm, 0444) : -EINVAL;
    while (!r && !(m = choose(q, type, flags)))
        r = flags & IPC_NOWAIT ? -ENOMSG : sleep_on(q, &q->receivers, 0444);
    if (!r && m->size > size && !(flags & MSG_NOERROR))
        r = -E2BIG;
    if (r) {
        m = NULL;
    } else if (flags & MSG_COPY) {
        u64 n = min(m->size, room);
        memcpy(copy, m, sizeof(*m) + n);
        m = (struct msg *)copy;
        m->size = n;
    } else {
        list_del(&m->link);
        q->bytes -= m->size;
        q->count--;
        q->rtime = ipc_time();
        q->lrpid = current->vtgid;
        wake_up_all(&q->senders);
    }
    mutex_unlock(MUTEX);
    if (m) {
        r = min(m->size, size);
        if (put_user(umsg, m->type) || copy_to_user(umsg + 8, m->text, r))
            r = -EFAULT;
    }
    if (m != (struct msg *)copy)
        free_msg(m);
    kfree(copy);
    return r;
}

static void fill(struct msg_queue *q, struct msqid64_ds *d) {
    *d = (struct msqid64_ds){.msg_stime = q->stime,
                             .msg_rtime = q->rtime,
                             .msg_ctime = q->ctime,
                             .msg_cbytes = q->bytes,
                             .msg_qnum = q->count,
                             .msg_qbytes = q->max_bytes,
                             .msg_lspid = q->lspid,
                             .msg_lrpid = q->lrpid};
    ipc_to_user(&q->perm, &d->msg_perm);
}
static long info(struct ipc_namespace *ns, bool limits, u64 at) {
    struct msginfo i = {
        .msgmax = ns->msgmax, .msgmnb = ns->msgmnb, .msgmni = ns->msgmni, .msgssz = 16, .msgseg = 0xffff};
    struct kern_ipc_perm *p;
    mutex_lock(MUTEX);
    if (limits) {
        i.msgpool = ns->msgmni * ns->msgmnb / 1024;
        i.msgmap = i.msgtql = ns->msgmnb;
    } else {
        i.msgpool = ns->ids[IPC_MSG].in_use;
        for (u64 k = 0; (p = radix_next(&ns->ids[IPC_MSG].objects, &k)); k++) {
            i.msgmap += container_of(p, struct msg_queue, perm)->count;
            i.msgtql += container_of(p, struct msg_queue, perm)->bytes;
        }
    }
    long last = ipc_max_index(ns, IPC_MSG);
    mutex_unlock(MUTEX);
    return copy_to_user(at, &i, sizeof(i)) ? -EFAULT : last;
}

static long set(struct msg_queue *q, const struct msqid64_ds *d) {
    long r = ipc_may_change(&q->perm);
    if (r)
        return r;
    if (d->msg_qbytes > q->perm.ns->msgmnb && !ns_capable(q->perm.ns->user_ns, CAP_SYS_RESOURCE))
        return -EPERM;
    if ((r = ipc_set(&q->perm, &d->msg_perm)))
        return r;
    q->max_bytes = d->msg_qbytes;
    q->ctime = ipc_time();
    wake_up_all(&q->senders); /* there may be room now, or less right to be there */
    wake_up_all(&q->receivers);
    return 0;
}

long sys_msgctl(u64 uid, u64 ucmd, u64 arg) {
    struct ipc_namespace *ns = current_ipc_ns();
    s32 id = uid, cmd = ucmd;
    struct msqid64_ds d;
    if (id < 0 || cmd < 0)
        return -EINVAL;
    if (cmd == IPC_INFO || cmd == MSG_INFO)
        return info(ns, cmd == IPC_INFO, arg);
    if (cmd == IPC_SET && copy_from_user(&d, arg, sizeof(d)))
        return -EFAULT;
    bool by_index = cmd == MSG_STAT || cmd == MSG_STAT_ANY, stat = by_index || cmd == IPC_STAT;
    mutex_lock(MUTEX);
    struct msg_queue *q = (void *)(by_index ? ipc_at : ipc_find)(ns, IPC_MSG, id);
    long r = -EINVAL;
    if (!q) {
    } else if (stat) {
        if (cmd == MSG_STAT_ANY || !(r = ipcperms(&q->perm, 0444))) {
            fill(q, &d);
            r = by_index ? q->perm.id : 0;
        }
    } else if (cmd == IPC_SET) {
        r = set(q, &d);
    } else if (cmd == IPC_RMID && !(r = ipc_may_change(&q->perm))) {
        msg_free(&q->perm);
    }
    mutex_unlock(MUTEX);
    return stat && r >= 0 && copy_to_user(arg, &d, sizeof(d)) ? -EFAULT : r;
}

void msg_show(struct seq *s, struct kern_ipc_perm *p) {
    struct msg_queue *q = container_of(p, struct msg_queue, perm);
    seq_printf(s, "%10d %10d  %4o  %10lu %10lu %5d %5d %5u %5u %5u %5u %10lu %10lu %10lu\n", p->key, p->id,
               p->mode, q->bytes, q->count, q->lspid, q->lrpid, p->uid, p->gid, p->cuid, p->cgid, q->stime,
               q->rtime, q->ctime);
}
