/* Semaphores: semget, semop, semtimedop, semctl, and what SEM_UNDO takes back at the end of a process (C14).
 */
#include "../core/nsproxy.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "../fs/procfs/procfs.h"
#include <abi/errno.h>

#define SEMVMX 32767
#define SEMAEM SEMVMX
#define MUTEX (&ipc_mutex[IPC_SEM])

struct sem {
    s32 value;
    pid_t pid; /* the last that changed it */
};
struct sem_array {
    struct kern_ipc_perm perm; /* first */
    s64 otime, ctime;
    u32 nsems;
    struct user_struct *payer;
    struct list_head pending; /* sem_queue, in the order they came */
    struct list_head undos;   /* sem_undo */
    struct sem sem[];
};
static u64 array_size(u32 n) { return sizeof(struct sem_array) + n * sizeof(struct sem); }
/* What a process (or several, by CLONE_SYSVSEM) has to undo in one array. */
struct sem_undo {
    struct list_head in_list, in_array;
    struct sem_array *array;
    s16 adjust[];
};
struct sem_undo_list {
    atomic_t refcount;
    struct list_head undos;
};
/* A semop that sleeps. status: -EINTR until somebody else has done it, or the array is gone. */
struct sem_queue {
    struct list_head link;
    struct task_struct *task;
    const struct sembuf *ops;
    u32 n, blocking; /* the operation that waits */
    struct sem_undo *undo;
    pid_t pid;
    s32 status;
};

/* --- undo lists --- */
/* Current's, made if need be; NULL: no memory. */
static struct sem_undo_list *own_list(void) {
    struct sem_undo_list *l = current->sysvsem;
    if (!l && (l = kmalloc(sizeof(*l), GFP_KERNEL))) {
        atomic_set(&l->refcount, 1);
        INIT_LIST_HEAD(&l->undos);
        current->sysvsem = l;
    }
    return l;
}
/* Our undo for an array; made if need be: NULL: no memory. Mutex held. */
static struct sem_undo *find_undo(struct sem_array *a) {
    struct sem_undo_list *l = own_list();
    struct sem_undo *u;
    if (!l)
        return NULL;
    list_for_each_entry(u, &l->undos, in_list) if (u->array == a) return u;
    if ((u = kzalloc(sizeof(*u) + a->nsems * sizeof(s16), GFP_KERNEL))) {
        u->array = a;
        list_add(&u->in_list, &l->undos);
        list_add(&u->in_array, &a->undos);
    }
    return u;
}
static void free_undo(struct sem_undo *u) {
    list_del(&u->in_list);
    list_del(&u->in_array);
    kfree(u);
}

int copy_semundo(u64 flags, struct task_struct *p) {
    p->sysvsem = NULL;
    if (!(flags & CLONE_SYSVSEM))
        return 0;
    struct sem_undo_list *l = own_list(); /* shared from now on, so it must be there */
    if (!l)
        return -ENOMEM;
    atomic_inc(&l->refcount);
    p->sysvsem = l;
    return 0;
}

/* --- operations --- */
/* All of them or none. 0: done; 1: it has to wait, for *blocking; or -errno. */
static int try_ops(struct sem_array *a, const struct sembuf *ops, u32 n, struct sem_undo *undo, pid_t pid,
                   u32 *blocking) {
    u32 i;
    int r = 0;
    for (i = 0; i < n; i++) {
        struct sem *s = &a->sem[ops[i].sem_num];
        s32 v = s->value + ops[i].sem_op;
        *blocking = i;
        if (ops[i].sem_op ? v < 0 : s->value != 0)
            r = ops[i].sem_flg & IPC_NOWAIT ? -EAGAIN : 1;
        else if (v > SEMVMX)
            r = -ERANGE;
        if (!r && (ops[i].sem_flg & SEM_UNDO)) {
            s32 adjust = undo->adjust[ops[i].sem_num] - ops[i].sem_op;
            if (adjust < -SEMAEM - 1 || adjust > SEMAEM)
                r = -ERANGE;
            else
                undo->adjust[ops[i].sem_num] = adjust;
        }
        if (r)
            break;
        s->value = v;
    }
    while (r && i-- > 0) {
        a->sem[ops[i].sem_num].value -= ops[i].sem_op;
        if (ops[i].sem_flg & SEM_UNDO)
            undo->adjust[ops[i].sem_num] += ops[i].sem_op;
    }
    for (i = 0; !r && i < n; i++)
        a->sem[ops[i].sem_num].pid = pid;
    return r;
}
static void finish(struct sem_queue *q, int status) {
    list_del_init(&q->link);
    get_task(q->task); /* once it sees the status it may be gone, and q with it */
    struct task_struct *t = q->task;
    smp_store_release(&q->status, status);
    wake_up_process(t);
    put_task(t);
}
/* Values have changed: who can go on now? Each that does may let others go on. */
static void update_queue(struct sem_array *a) {
    struct sem_queue *q, *next;
    bool again = true;
    while (again) {
        again = false;
        list_for_each_entry_safe(q, next, &a->pending, link) {
            int r = try_ops(a, q->ops, q->n, q->undo, q->pid, &q->blocking);
            if (r > 0)
                continue;
            if (!r)
                a->otime = ipc_time();
            finish(q, r);
            if ((again = !r))
                break;
        }
    }
}

static long wait_for_ops(struct sem_array *a, struct sem_queue *q, u64 deadline) {
    long r = 0;
    list_add_tail(&q->link, &a->pending);
    while (q->status == -EINTR) {
        set_current_state(TASK_INTERRUPTIBLE);
        mutex_unlock(MUTEX);
        if (smp_load_acquire(&q->status) == -EINTR && !signal_pending(current) && ktime_get() < deadline)
            schedule_until(deadline);
        set_current_state(TASK_RUNNING);
        mutex_lock(MUTEX);
        r = q->status;
        if (r == -EINTR && !signal_pending(current)) {
            if (ktime_get() < deadline)
                continue;
            r = -EAGAIN;
        }
        if (q->status == -EINTR) { /* neither done nor dead: the array is there, and we leave its queue */
            list_del_init(&q->link);
            break;
        }
    }
    return r;
}

static long do_semop(s32 id, u64 uops, u64 n, u64 deadline) {
    struct ipc_namespace *ns = current_ipc_ns();
    if (n < 1 || id < 0)
        return -EINVAL;
    if (n > ns->semopm)
        return -E2BIG;
    struct sembuf *ops = kmalloc(n * sizeof(*ops), GFP_KERNEL);
    if (!ops)
        return -ENOMEM;
    long r = copy_from_user(ops, uops, n * sizeof(*ops));
    u32 top = 0;
    bool undo = false, alter = false;
    for (u64 i = 0; i < n; i++) {
        top = max(top, (u32)ops[i].sem_num);
        undo |= (ops[i].sem_flg & SEM_UNDO) != 0;
        alter |= ops[i].sem_op != 0;
    }
    struct sem_queue q = {.task = current, .ops = ops, .n = n, .pid = current->vtgid, .status = -EINTR};
    mutex_lock(MUTEX);
    struct sem_array *a = (void *)ipc_find(ns, IPC_SEM, id);
    if (r) {
    } else if (!a) {
        r = -EINVAL;
    } else if (top >= a->nsems) {
        r = -EFBIG;
    } else if (!(r = ipcperms(&a->perm, alter ? 0222 : 0444))) {
        if (undo && !(q.undo = find_undo(a)))
            r = -ENOMEM;
        else if (!(r = try_ops(a, ops, n, q.undo, q.pid, &q.blocking))) {
            a->otime = ipc_time();
            if (alter)
                update_queue(a);
        } else if (r > 0) {
            r = wait_for_ops(a, &q, deadline);
        }
    }
    mutex_unlock(MUTEX);
    kfree(ops);
    return r;
}
long sys_semop(u64 id, u64 ops, u64 n) { return do_semop(id, ops, n, FOREVER); }
long sys_semtimedop(u64 id, u64 ops, u64 n, u64 uts) {
    struct abi_timespec ts;
    u64 ns = FOREVER;
    if (uts) {
        long r = get_timespec(&ts, uts);
        if (r)
            return r;
        ns = timespec_to_ns(&ts);
        ns = ns == FOREVER ? FOREVER : ktime_get() + ns;
    }
    return do_semop(id, ops, n, ns);
}

void exit_sem(struct task_struct *t) {
    struct sem_undo_list *l = t->sysvsem;
    struct sem_undo *u, *next;
    t->sysvsem = NULL;
    if (!l || !atomic_dec_and_test(&l->refcount))
        return;
    mutex_lock(MUTEX);
    list_for_each_entry_safe(u, next, &l->undos, in_list) {
        struct sem_array *a = u->array;
        for (u32 i = 0; i < a->nsems; i++)
            if (u->adjust[i]) {
                s32 v = a->sem[i].value + u->adjust[i];
                a->sem[i].value = v < 0 ? 0 : min(v, SEMVMX);
                a->sem[i].pid = t->vtgid;
            }
        free_undo(u);
        update_queue(a);
    }
    mutex_unlock(MUTEX);
    kfree(l);
}

/* --- making and control --- */
long sys_semget(u64 ukey, u64 un, u64 flags) {
    struct ipc_namespace *ns = current_ipc_ns();
    s32 key = ukey, n = un;
    if (n < 0 || (u32)n > ns->semmsl)
        return -EINVAL;
    mutex_lock(MUTEX);
    struct sem_array *a = (void *)ipc_lookup(ns, IPC_SEM, key, flags);
    long r = PTR_ERR(a);
    if (a && !IS_ERR(a)) {
        r = (u32)n > a->nsems ? -EINVAL : a->perm.id;
    } else if (!a) {
        r = !n ? -EINVAL : ns->sems + n > ns->semmns ? -ENOSPC : 0;
        struct user_struct *payer = NULL;
        if (!r && !ipc_charge(array_size(n), &payer))
            r = -ENOMEM, payer = NULL;
        if (!r && !(a = kzalloc(array_size(n), GFP_KERNEL)))
            r = -ENOMEM;
        if (!r && (r = ipc_add(ns, IPC_SEM, &a->perm, key, flags, ns->semmni)) < 0)
            kfree(a);
        if (r < 0 && payer)
            ipc_uncharge(payer, array_size(n));
        if (r >= 0) {
            a->payer = payer;
            a->nsems = n;
            a->ctime = ipc_time();
            INIT_LIST_HEAD(&a->pending);
            INIT_LIST_HEAD(&a->undos);
            ns->sems += n;
        }
    }
    mutex_unlock(MUTEX);
    return r;
}

void sem_free(struct kern_ipc_perm *p) {
    struct sem_array *a = container_of(p, struct sem_array, perm);
    struct sem_queue *q, *nq;
    struct sem_undo *u, *nu;
    list_for_each_entry_safe(u, nu, &a->undos, in_array) free_undo(u);
    list_for_each_entry_safe(q, nq, &a->pending, link) finish(q, -EIDRM);
    p->ns->sems -= a->nsems;
    ipc_remove(IPC_SEM, p);
    ipc_uncharge(a->payer, array_size(a->nsems));
    kfree(a);
}

static void fill(struct sem_array *a, struct semid64_ds *d) {
    *d = (struct semid64_ds){.sem_otime = a->otime, .sem_ctime = a->ctime, .sem_nsems = a->nsems};
    ipc_to_user(&a->perm, &d->sem_perm);
}
static u32 waiters(struct sem_array *a, u32 num, bool for_zero) {
    struct sem_queue *q;
    u32 n = 0;
    list_for_each_entry(q, &a->pending, link) {
        const struct sembuf *op = &q->ops[q->blocking];
        n += op->sem_num == num && (op->sem_op == 0) == for_zero;
    }
    return n;
}
static void set_value(struct sem_array *a, u32 i, s32 v) {
    struct sem_undo *u;
    list_for_each_entry(u, &a->undos, in_array) u->adjust[i] = 0;
    a->sem[i].value = v;
    a->sem[i].pid = current->vtgid;
    a->ctime = ipc_time();
}

/* GETALL, SETALL: values of all. Room is made before the mutex is taken, for as many as there were then. */
static long all_values(struct ipc_namespace *ns, s32 id, u64 at, bool set) {
    mutex_lock(MUTEX);
    struct sem_array *a = (void *)ipc_find(ns, IPC_SEM, id);
    long r = !a ? -EINVAL : ipcperms(&a->perm, set ? 0222 : 0444);
    u32 n = r ? 0 : a->nsems;
    mutex_unlock(MUTEX);
    if (r)
        return r;
    u16 *v = kmalloc(n * sizeof(*v), GFP_KERNEL);
    if (!v)
        return -ENOMEM;
    if (set)
        r = copy_from_user(v, at, n * sizeof(*v));
    for (u32 i = 0; set && !r && i < n; i++)
        r = v[i] > SEMVMX ? -ERANGE : 0;
    mutex_lock(MUTEX);
    if (!r) { /* whatever has that id now */
        a = (void *)ipc_find(ns, IPC_SEM, id);
        r = !a || a->nsems != n ? -EIDRM : ipcperms(&a->perm, set ? 0222 : 0444);
    }
    for (u32 i = 0; !r && i < n; i++)
        if (set)
            set_value(a, i, v[i]);
        else
            v[i] = a->sem[i].value;
    if (!r && set)
        update_queue(a);
    mutex_unlock(MUTEX);
    if (!r && !set)
        r = copy_to_user(at, v, n * sizeof(*v));
    kfree(v);
    return r;
}

static long about_one(struct sem_array *a, s32 num, s32 cmd, s32 value) {
    long r = ipcperms(&a->perm, cmd == SETVAL ? 0222 : 0444);
    if (r)
        return r;
    if (num < 0 || (u32)num >= a->nsems)
        return -EINVAL;
    switch (cmd) {
    case GETVAL:
        return a->sem[num].value;
    case GETPID:
        return a->sem[num].pid;
    case GETNCNT:
    case GETZCNT:
        return waiters(a, num, cmd == GETZCNT);
    default:
        set_value(a, num, value);
        update_queue(a);
        return 0;
    }
}

long sys_semctl(u64 uid, u64 unum, u64 ucmd, u64 arg) {
    struct ipc_namespace *ns = current_ipc_ns();
    s32 id = uid, cmd = ucmd;
    struct semid64_ds d;
    if (id < 0)
        return -EINVAL;
    if (cmd == GETALL || cmd == SETALL)
        return all_values(ns, id, arg, cmd == SETALL);
    if (cmd == IPC_INFO || cmd == SEM_INFO) {
        mutex_lock(MUTEX);
        struct seminfo i = {.semmap = ns->semmns,
                            .semmni = ns->semmni,
                            .semmns = ns->semmns,
                            .semmnu = ns->semmns,
                            .semmsl = ns->semmsl,
                            .semopm = ns->semopm,
                            .semume = ns->semopm,
                            .semusz = cmd == SEM_INFO ? ns->ids[IPC_SEM].in_use : 20,
                            .semvmx = SEMVMX,
                            .semaem = cmd == SEM_INFO ? ns->sems : SEMAEM};
        long last = ipc_max_index(ns, IPC_SEM);
        mutex_unlock(MUTEX);
        return copy_to_user(arg, &i, sizeof(i)) ? -EFAULT : last;
    }
    if (cmd == SETVAL && ((s32)arg < 0 || (s32)arg > SEMVMX))
        return -ERANGE;
    if (cmd == IPC_SET && copy_from_user(&d, arg, sizeof(d)))
        return -EFAULT;
    bool by_index = cmd == SEM_STAT || cmd == SEM_STAT_ANY, stat = by_index || cmd == IPC_STAT;
    mutex_lock(MUTEX);
    struct sem_array *a = (void *)(by_index ? ipc_at : ipc_find)(ns, IPC_SEM, id);
    long r = -EINVAL;
    if (!a) {
    } else if (stat) {
        if (cmd == SEM_STAT_ANY || !(r = ipcperms(&a->perm, 0444))) {
            fill(a, &d);
            r = by_index ? a->perm.id : 0;
        }
    } else if (cmd == IPC_RMID || cmd == IPC_SET) {
        if (!(r = ipc_may_change(&a->perm)) && cmd == IPC_RMID) {
            sem_free(&a->perm);
        } else if (!r && !(r = ipc_set(&a->perm, &d.sem_perm))) {
            a->ctime = ipc_time();
        }
    } else if (cmd >= GETPID && cmd <= SETVAL) {
        r = about_one(a, unum, cmd, arg);
    }
    mutex_unlock(MUTEX);
    return stat && r >= 0 && copy_to_user(arg, &d, sizeof(d)) ? -EFAULT : r;
}

void sem_show(struct seq *s, struct kern_ipc_perm *p) {
    struct sem_array *a = container_of(p, struct sem_array, perm);
    seq_printf(s, "%10d %10d  %4o %10u %5u %5u %5u %5u %10lu %10lu\n", p->key, p->id, p->mode, a->nsems,
               p->uid, p->gid, p->cuid, p->cgid, a->otime, a->ctime);
}
