/* procfs: System V IPC: its limits in /proc/sys/kernel, its objects in /proc/sysvipc. */
#include "../../core/nsproxy.h"
#include "../../debug/debug.h"
#include "procfs.h"

static int store_number(char *text, u64 *to, u64 max) {
    char *end;
    u64 v = strtoul(text, &end, 10);
    if (end == text || (*end && *end != '\n') || v > max)
        return -EINVAL;
    WRITE_ONCE(*to, v);
    return 0;
}
#define LIMIT(field, type, top)                                                                              \
    int show_##field(struct seq *s, struct task_struct *t) {                                                 \
        (void)t;                                                                                             \
        seq_printf(s, "%lu\n", (u64)current_ipc_ns()->field);                                                \
        return 0;                                                                                            \
    }                                                                                                        \
    int store_##field(char *text, struct task_struct *t) {                                                   \
        u64 v;                                                                                               \
        (void)t;                                                                                             \
        int r = store_number(text, &v, top);                                                                 \
        if (!r)                                                                                              \
            WRITE_ONCE(current_ipc_ns()->field, (type)v);                                                    \
        return r;                                                                                            \
    }
LIMIT(shmmax, u64, ~0UL)
LIMIT(shmall, u64, ~0UL)
LIMIT(shmmni, u32, IPCMNI)
LIMIT(msgmax, u32, 1u << 20)
LIMIT(msgmnb, u32, 0x7fffffff)
LIMIT(msgmni, u32, IPCMNI)

int show_sem(struct seq *s, struct task_struct *t) {
    struct ipc_namespace *ns = current_ipc_ns();
    (void)t;
    seq_printf(s, "%u\t%u\t%u\t%u\n", ns->semmsl, ns->semmns, ns->semopm, ns->semmni);
    return 0;
}
int store_sem(char *text, struct task_struct *t) {
    struct ipc_namespace *ns = current_ipc_ns();
    u64 v[4] = {ns->semmsl, ns->semmns, ns->semopm, ns->semmni};
    static const u64 most[4] = {32000, 0x7fffffff, 4096, IPCMNI};
    (void)t;
    for (int i = 0; i < 4 && *text; i++) {
        char *end;
        v[i] = strtoul(text, &end, 10);
        if (end == text || v[i] > most[i])
            return -EINVAL;
        for (text = end; *text == ' ' || *text == '\t' || *text == '\n'; text++)
            ;
    }
    if (*text)
        return -EINVAL;
    ns->semmsl = v[0], ns->semmns = v[1], ns->semopm = v[2], ns->semmni = v[3];
    return 0;
}

static int show_sems(struct seq *s, struct task_struct *t) {
    (void)t;
    return ipc_show(s, IPC_SEM);
}
static int show_shms(struct seq *s, struct task_struct *t) {
    (void)t;
    return ipc_show(s, IPC_SHM);
}
static int show_msgs(struct seq *s, struct task_struct *t) {
    (void)t;
    return ipc_show(s, IPC_MSG);
}
const struct entry sysvipc_entries[] = {
    PROC_FILE("sem", 0444, show_sems),
    PROC_FILE("shm", 0444, show_shms),
    PROC_FILE("msg", 0444, show_msgs),
    {0},
};
