/* seccomp: a task gives up system calls for good. Strict: it keeps read, write, exit and rt_sigreturn.
 * Filter: programs of classic BPF look at the number and the arguments of each call and say what becomes of
 * it.
 *
 * Filters form a tree: each points to the one that was there before, and a child shares its parent's.
 * t->seccomp changes under t's sighand->lock, by the task itself or by another thread of its process (TSYNC).
 */
#include "security.h"
#include "../core/nsproxy.h"
#include "../core/ptrace.h"
#include "../core/signal.h"
#include "../debug/debug.h"
#include <abi/errno.h>
#include <abi/seccomp.h>
#include <abi/syscall.h>

#define MAX_INSNS_PER_PATH 32768 /* of all filters of a task; each counts 4 more than it has */

struct seccomp_filter {
    atomic_t refcount; /* tasks, and filters put on top */
    struct seccomp_filter *prev;
    bool log;
    u32 len, path_len;
    struct sock_filter insn[];
};

/* --- BPF --- */
/* Is it a program that always ends, by a return, and touches nothing but its data and its 16 words? */
static bool check(const struct sock_filter *f, u32 len) {
    u16 *written = kmalloc(len * sizeof(*written), GFP_KERNEL); /* words that every way here has written */
    if (!written)
        return false;
    memset(written, 0xff, len * sizeof(*written));
    u16 now = 0; /* on this way */
    bool ok = true;
    for (u32 i = 0; ok && i < len; i++) {
        const struct sock_filter *p = &f[i];
        now &= written[i];
        switch (p->code) {
        case BPF_LD | BPF_ABS:
            ok = p->k < sizeof(struct seccomp_data) && !(p->k & 3);
            break;
        case BPF_LD | BPF_LEN:
        case BPF_LDX | BPF_LEN:
        case BPF_LD | BPF_IMM:
        case BPF_LDX | BPF_IMM:
        case BPF_RET | BPF_K:
        case BPF_RET | BPF_A:
        case BPF_MISC | BPF_TAX:
        case BPF_MISC | BPF_TXA:
        case BPF_ALU | BPF_NEG:
        case BPF_ALU | BPF_ADD | BPF_K:
        case BPF_ALU | BPF_ADD | BPF_X:
        case BPF_ALU | BPF_SUB | BPF_K:
        case BPF_ALU | BPF_SUB | BPF_X:
        case BPF_ALU | BPF_MUL | BPF_K:
        case BPF_ALU | BPF_MUL | BPF_X:
        case BPF_ALU | BPF_DIV | BPF_X:
        case BPF_ALU | BPF_AND | BPF_K:
        case BPF_ALU | BPF_AND | BPF_X:
        case BPF_ALU | BPF_OR | BPF_K:
        case BPF_ALU | BPF_OR | BPF_X:
        case BPF_ALU | BPF_XOR | BPF_K:
        case BPF_ALU | BPF_XOR | BPF_X:
        case BPF_ALU | BPF_LSH | BPF_X:
        case BPF_ALU | BPF_RSH | BPF_X:
            break;
        case BPF_ALU | BPF_DIV | BPF_K:
            ok = p->k != 0;
            break;
        case BPF_ALU | BPF_LSH | BPF_K:
        case BPF_ALU | BPF_RSH | BPF_K:
            ok = p->k < 32;
            break;
        case BPF_ST:
        case BPF_STX:
            ok = p->k < BPF_MEMWORDS;
            now |= ok ? BIT(p->k) : 0;
            break;
        case BPF_LD | BPF_MEM:
        case BPF_LDX | BPF_MEM:
            ok = p->k < BPF_MEMWORDS && (now & BIT(p->k));
            break;
        case BPF_JMP | BPF_JA:
            ok = p->k < len - i - 1;
            if (ok)
                written[i + 1 + p->k] &= now;
            now = 0xffff;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
        case BPF_JMP | BPF_JEQ | BPF_X:
        case BPF_JMP | BPF_JGE | BPF_K:
        case BPF_JMP | BPF_JGE | BPF_X:
        case BPF_JMP | BPF_JGT | BPF_K:
        case BPF_JMP | BPF_JGT | BPF_X:
        case BPF_JMP | BPF_JSET | BPF_K:
        case BPF_JMP | BPF_JSET | BPF_X:
            ok = i + 1 + p->jt < len && i + 1 + p->jf < len;
            if (ok) {
                written[i + 1 + p->jt] &= now;
                written[i + 1 + p->jf] &= now;
            }
            now = 0xffff;
            break;
        default:
            ok = false;
        }
    }
    kfree(written);
    return ok && (f[len - 1].code == (BPF_RET | BPF_K) || f[len - 1].code == (BPF_RET | BPF_A));
}
static u32 alu(u32 op, u32 a, u32 b) {
    switch (op) {
    case BPF_ADD:
        return a + b;
    case BPF_SUB:
        return a - b;
    case BPF_MUL:
        return a * b;
    case BPF_DIV:
        return b ? a / b : 0;
    case BPF_OR:
        return a | b;
    case BPF_AND:
        return a & b;
    case BPF_LSH:
        return a << (b & 31);
    case BPF_RSH:
        return a >> (b & 31);
    case BPF_XOR:
        return a ^ b;
    default:
        return -a;
    }
}
static u32 run(const struct seccomp_filter *f, const struct seccomp_data *d) {
    u32 a = 0, x = 0, mem[BPF_MEMWORDS] = {0};
    for (const struct sock_filter *p = f->insn;; p++) {
        u32 operand = p->code & BPF_X ? x : p->k;
        switch (BPF_CLASS(p->code)) {
        case BPF_LD:
            a = p->code & BPF_LEN             ? sizeof(*d)
                : (p->code & 0xe0) == BPF_ABS ? ((const u32 *)d)[p->k / 4]
                : (p->code & 0xe0) == BPF_MEM ? mem[p->k]
                                              : p->k;
            break;
        case BPF_LDX:
            x = p->code & BPF_LEN ? sizeof(*d) : (p->code & 0xe0) == BPF_MEM ? mem[p->k] : p->k;
            break;
        case BPF_ST:
            mem[p->k] = a;
            break;
        case BPF_STX:
            mem[p->k] = x;
            break;
        case BPF_ALU:
            if (BPF_OP(p->code) == BPF_DIV && !operand)
                return 0;
            a = alu(BPF_OP(p->code), a, operand);
            break;
        case BPF_JMP: {
            u32 op = BPF_OP(p->code);
            if (op == BPF_JA) {
                p += p->k;
                break;
            }
            bool yes = op == BPF_JEQ   ? a == operand
                       : op == BPF_JGT ? a > operand
                       : op == BPF_JGE ? a >= operand
                                       : (a & operand) != 0;
            p += yes ? p->jt : p->jf;
            break;
        }
        case BPF_RET:
            return p->code & BPF_A ? a : p->k;
        default:
            if (p->code & BPF_TXA)
                a = x;
            else
                x = a;
        }
    }
}

/* --- filters --- */
static void put_filter(struct seccomp_filter *f) {
    while (f && atomic_dec_and_test(&f->refcount)) {
        struct seccomp_filter *prev = f->prev;
        kfree(f);
        f = prev;
    }
}
void put_seccomp(struct task_struct *t) { put_filter(t->seccomp.filter); }
/* sighand->lock held: a new task begins as its parent is now. */
void copy_seccomp(struct task_struct *p) {
    p->seccomp = current->seccomp;
    if (p->seccomp.filter)
        atomic_inc(&p->seccomp.filter->refcount);
    p->no_new_privs = current->no_new_privs;
    if (p->seccomp.mode)
        __atomic_fetch_or(&p->ti.syscall_work, SYSCALL_WORK_SECCOMP, __ATOMIC_RELAXED);
}
static void set_mode(struct task_struct *t, u32 mode) {
    t->seccomp.mode = mode;
    __atomic_fetch_or(&t->ti.syscall_work, SYSCALL_WORK_SECCOMP, __ATOMIC_SEQ_CST);
}
static struct seccomp_filter *read_filter(u64 uprog, u32 flags) {
    struct sock_fprog prog;
    if (copy_from_user(&prog, uprog, sizeof(prog)))
        return ERR_PTR(-EFAULT);
    if (!prog.len || prog.len > BPF_MAXINSNS)
        return ERR_PTR(-EINVAL);
    if (!current->no_new_privs && !ns_capable(current_user_ns(), CAP_SYS_ADMIN))
        return ERR_PTR(-EACCES);
    struct seccomp_filter *f = kmalloc(sizeof(*f) + prog.len * sizeof(*f->insn), GFP_KERNEL);
    if (!f)
        return ERR_PTR(-ENOMEM);
    *f = (struct seccomp_filter){.refcount = {1}, .len = prog.len, .log = flags & SECCOMP_FILTER_FLAG_LOG};
    long r = copy_from_user(f->insn, prog.filter, prog.len * sizeof(*f->insn));
    if (!r && !check(f->insn, f->len))
        r = -EINVAL;
    if (r) {
        kfree(f);
        return ERR_PTR(r);
    }
    return f;
}
static bool is_ancestor(const struct seccomp_filter *up, const struct seccomp_filter *f) {
    while (f && f != up)
        f = f->prev;
    return f == up;
}
/* Which thread of the process is in the way of all having current's filter? NULL: none. */
static struct task_struct *cannot_sync(void) {
    struct task_struct *t;
    for_each_thread(t,
                    current->signal) if (t != current &&
                                         !t->exit_state) if (t->seccomp.mode == SECCOMP_MODE_STRICT ||
                                                             !is_ancestor(t->seccomp.filter,
                                                                          current->seccomp.filter)) return t;
    return NULL;
}
static long set_filter(u64 flags, u64 uprog) {
    struct task_struct *t, *in_the_way = NULL;
    if (flags & ~(u64)(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW |
                       SECCOMP_FILTER_FLAG_TSYNC_ESRCH))
        return -EINVAL;
    struct seccomp_filter *f = read_filter(uprog, flags);
    if (IS_ERR(f))
        return PTR_ERR(f);
    long r = 0;
    READ_TASKS(irq);
    spin_lock(&current->sighand->lock);
    struct seccomp_filter *prev = current->seccomp.filter;
    f->path_len = f->len + 4 + (prev ? prev->path_len : 0);
    if (current->seccomp.mode == SECCOMP_MODE_STRICT)
        r = -EINVAL;
    else if (f->path_len - 4 > MAX_INSNS_PER_PATH)
        r = -ENOMEM;
    else if ((flags & SECCOMP_FILTER_FLAG_TSYNC) && (in_the_way = cannot_sync()))
        r = flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH ? -ESRCH : pid_vnr(in_the_way->pid);
    if (!r) {
        f->prev = prev; /* whose reference was ours */
        current->seccomp.filter = f;
        set_mode(current, SECCOMP_MODE_FILTER);
        if (flags & SECCOMP_FILTER_FLAG_TSYNC)
            for_each_thread(t, current->signal) if (t != current && !t->exit_state) {
                atomic_inc(&f->refcount);
                put_filter(t->seccomp.filter); /* f's ancestor: not the last reference */
                t->seccomp.filter = f;
                t->no_new_privs |= current->no_new_privs;
                set_mode(t, SECCOMP_MODE_FILTER);
            }
        f = NULL;
    }
    spin_unlock(&current->sighand->lock);
    READ_TASKS_END(irq);
    kfree(f);
    return r;
}
static long set_strict(void) {
    u64 irq = spin_lock_irqsave(&current->sighand->lock);
    long r = current->seccomp.mode == SECCOMP_MODE_FILTER ? -EINVAL : 0;
    if (!r)
        set_mode(current, SECCOMP_MODE_STRICT);
    spin_unlock_irqrestore(&current->sighand->lock, irq);
    return r;
}
static long action_avail(u64 flags, u64 at) {
    u32 a;
    if (flags)
        return -EINVAL;
    if (copy_from_user(&a, at, sizeof(a)))
        return -EFAULT;
    switch (a) {
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_TRAP:
    case SECCOMP_RET_ERRNO:
    case SECCOMP_RET_TRACE:
    case SECCOMP_RET_LOG:
    case SECCOMP_RET_ALLOW:
        return 0;
    default:
        return -EOPNOTSUPP;
    }
}
long sys_seccomp(u64 op, u64 flags, u64 args) {
    switch ((u32)op) {
    case SECCOMP_SET_MODE_STRICT:
        return flags || args ? -EINVAL : set_strict();
    case SECCOMP_SET_MODE_FILTER:
        return set_filter((u32)flags, args);
    case SECCOMP_GET_ACTION_AVAIL:
        return action_avail((u32)flags, args);
    default:
        return -EINVAL;
    }
}
long prctl_set_seccomp(u64 mode, u64 prog) {
    return mode == SECCOMP_MODE_STRICT   ? set_strict()
           : mode == SECCOMP_MODE_FILTER ? set_filter(0, prog)
                                         : -EINVAL;
}
u32 seccomp_filters(struct task_struct *t) {
    u32 n = 0;
    READ_TASKS(irq);
    for (struct seccomp_filter *f = t->sighand ? t->seccomp.filter : NULL; f; f = f->prev)
        n++;
    READ_TASKS_END(irq);
    return n;
}

/* --- a call --- */
static void __noreturn kill(u64 nr, bool process) {
    struct abi_siginfo info = {.si_signo = SIGSYS, .si_code = SYS_SECCOMP};
    printk_user("%s[%d]: seccomp: killed for system call %lu", current->comm, current->pid, nr);
    if (process || current->signal->nr_threads == 1)
        do_group_exit(do_coredump(&info));
    do_exit(SIGSYS);
}
static bool filter(struct trapframe *tf, bool again) {
    struct seccomp_data d = {
        tf->a7, AUDIT_ARCH_RISCV64, tf->sepc, {tf->orig_a0, tf->a1, tf->a2, tf->a3, tf->a4, tf->a5}};
    u32 ret = SECCOMP_RET_ALLOW;
    bool log = false;
    for (struct seccomp_filter *f = READ_ONCE(current->seccomp.filter); f; f = f->prev) {
        u32 r = run(f, &d);
        if ((s32)(r & SECCOMP_RET_ACTION_FULL) < (s32)(ret & SECCOMP_RET_ACTION_FULL)) {
            ret = r;
            log = f->log;
        }
    }
    u32 data = ret & SECCOMP_RET_DATA;
    if (log && (ret & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ALLOW)
        printk_user("%s[%d]: seccomp: system call %d: %x", current->comm, current->pid, d.nr, ret);
    switch (ret & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
        return true;
    case SECCOMP_RET_LOG:
        printk_user("%s[%d]: seccomp: system call %d at %lx", current->comm, current->pid, d.nr, tf->sepc);
        return true;
    case SECCOMP_RET_ERRNO:
        tf->a0 = -(s64)min(data, (u32)MAX_ERRNO);
        return false;
    case SECCOMP_RET_TRAP: {
        struct abi_siginfo info = {.si_signo = SIGSYS, .si_code = SYS_SECCOMP, .si_errno = data};
        info.call_addr = tf->sepc;
        info.syscall = d.nr;
        info.arch = d.arch;
        tf->a0 = tf->orig_a0; /* a handler may make the call again */
        force_siginfo(&info);
        return false;
    }
    case SECCOMP_RET_TRACE:
        if (again) /* the tracer has had its say */
            return true;
        tf->a0 = -ENOSYS;
        if (!ptrace_event_enabled(current, PTRACE_EVENT_SECCOMP))
            return false;
        ptrace_event(PTRACE_EVENT_SECCOMP, data);
        if (fatal_signal_pending(current) || tf->a7 == ~0UL)
            return false;
        return filter(tf, true); /* it may have changed the call */
    default:
        kill(d.nr, (ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_KILL_PROCESS ||
                       (ret & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_KILL_THREAD);
    }
}
bool seccomp_allows(struct trapframe *tf) {
    u64 nr = tf->a7;
    if (current->seccomp.mode == SECCOMP_MODE_FILTER)
        return filter(tf, false);
    if (nr == SYS_read || nr == SYS_write || nr == SYS_exit || nr == SYS_rt_sigreturn)
        return true;
    do_exit(SIGKILL);
}
