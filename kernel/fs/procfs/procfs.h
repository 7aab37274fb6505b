/* procfs, inside: the tables that say which files there are, and the text they are made of. */
#pragma once
#include "../../core/nsproxy.h"
#include "../fs.h"

/* Text that grows. */
struct seq {
    struct mutex lock;        /* readers of one open file, by pread at the same time too */
    struct pid_namespace *ns; /* numbers of tasks are those of the mount's */
    char *buf;
    size_t len, size;
    bool failed;
    bool show_pfn;        /* whoever opened it may know of page frames */
    struct mm_struct *mm; /* of entries with mm: what the task had when the file was opened, or NULL */
    const void *private;  /* a show function's own */
};

/* open and release of files whose text is made when they are read, in f->private; and what is left of it from
 * *pos: bytes copied, 0 at the end, or -EFAULT. */
int seq_open(struct inode *i, struct file *f);
void seq_release(struct file *f);
ssize_t seq_copy(struct seq *s, struct iov_iter *it, loff_t *pos);
/* Grows the text; when memory is short, `failed` is set and reading gives ENOMEM. */
void __printf(2, 3) seq_printf(struct seq *s, const char *fmt, ...);

/* One name in a directory. show writes the file's text for task t (NULL outside /proc/PID); store takes what
 * was written, ended by a zero byte; both give 0 or -errno. link and text_link: where a symbolic link leads.
 */
struct entry {
    const char *name;
    u32 mode;
    int (*show)(struct seq *s, struct task_struct *t);
    bool mm; /* it shows s->mm, the task's memory: whoever opens it must be allowed to look into that */
    int (*store)(char *text, struct task_struct *t);
    /* As store, for what grants rights: those of f's opener count too (file_ns_capable). */
    int (*grant)(const struct file *f, char *text, struct task_struct *t);
    const struct entry *children; /* ends with a NULL name */
    int (*link)(struct task_struct *t, struct path *out);
    ssize_t (*text_link)(struct pid_namespace *ns, struct task_struct *t, char *buf); /* alone: below /proc */
    const struct file_operations *fops; /* not text: these serve it */
};

#define PROC_FILE(n, m, f)                                                                                   \
    { .name = (n), .mode = (m), .show = (f) }
#define PROC_MM(n, m, f)                                                                                     \
    { .name = (n), .mode = (m), .show = (f), .mm = true }
#define PROC_KNOB(n, m, f, g)                                                                                \
    { .name = (n), .mode = (m), .show = (f), .store = (g) }
#define PROC_GRANT(n, m, f, g)                                                                               \
    { .name = (n), .mode = (m), .show = (f), .grant = (g) }
#define PROC_DIR(n, m, c)                                                                                    \
    { .name = (n), .mode = S_IFDIR | (m), .children = (c) }
#define PROC_LINK(n, ...)                                                                                    \
    { .name = (n), .mode = S_IFLNK | 0777, __VA_ARGS__ }

extern const struct entry proc_root, pid_entries[];
int show_cgroup(struct seq *s, struct task_struct *t); /* core/cgroup.c */
int show_keys(struct seq *s, struct task_struct *t);   /* security/keys.c */
int show_io(struct seq *s, struct task_struct *t);     /* core/acct.c */
/* node.c */
int show_zoneinfo(struct seq *s, struct task_struct *t), show_buddyinfo(struct seq *s, struct task_struct *t);
/* ipc.c */
extern const struct entry sysvipc_entries[];
int show_shmmax(struct seq *s, struct task_struct *t), store_shmmax(char *text, struct task_struct *t);
int show_shmall(struct seq *s, struct task_struct *t), store_shmall(char *text, struct task_struct *t);
int show_shmmni(struct seq *s, struct task_struct *t), store_shmmni(char *text, struct task_struct *t);
int show_msgmax(struct seq *s, struct task_struct *t), store_msgmax(char *text, struct task_struct *t);
int show_msgmnb(struct seq *s, struct task_struct *t), store_msgmnb(char *text, struct task_struct *t);
int show_msgmni(struct seq *s, struct task_struct *t), store_msgmni(char *text, struct task_struct *t);
int show_sem(struct seq *s, struct task_struct *t), store_sem(char *text, struct task_struct *t);
struct task_struct *proc_task(struct inode *i); /* whose file it is */
int show_mounts(struct seq *s, struct task_struct *t);
/* Ticks of the time CSR in the hundredths of a second that user programs expect. */
static inline u64 to_clk(u64 ticks) { return ticks * 100 / timebase_hz; }
/* t's descriptor, counted; or ERR_PTR: -ENOENT, or -EACCES: current may not look into t. */
struct file *task_file(struct task_struct *t, u32 fd);
