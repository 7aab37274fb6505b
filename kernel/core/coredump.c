/* Core files: a process that dies by a signal whose default action says so leaves its memory and all its
 * threads' registers in ./core, an ELF file that gdb reads, where RLIMIT_CORE allows one and its memory may
 * be seen (not after a set-user-ID exec). The thread that takes the signal writes; the others are killed and
 * wait in do_exit, their user registers saved, until it has done so.
 *
 * What was never touched is a hole in the file; text and other read-only parts of files are left out, for a
 * debugger has them from the file. */
#include "task.h"
#include <abi/ptrace.h>
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "signal.h"
#include <abi/elf.h>
#include <abi/errno.h>

#define ET_CORE 4
#define PT_NOTE 4
#define NT_PRPSINFO 3
#define NT_AUXV 6
#define NT_SIGINFO 0x53494749
#define MAX_AUXV 64                             /* words */
#define TABLE_SPAN (PAGE_SIZE * PTRS_PER_TABLE) /* of one page of entries */

/* Layouts of Linux's asm/elf.h and linux/elfcore.h for riscv64. */
struct elf_prstatus {
    s32 signo, code, error;
    s16 cursig;
    u64 sigpend, sighold;
    s32 pid, ppid, pgrp, sid;
    u64 times[8]; /* user, system, children's: seconds and microseconds */
    struct user_regs_struct regs;
    s32 fpvalid;
};
struct elf_prpsinfo {
    s8 state, sname, zombie, nice;
    u64 flag;
    u32 uid, gid;
    s32 pid, ppid, pgrp, sid;
    char fname[16], psargs[80];
};
_Static_assert(sizeof(struct elf_prstatus) == 376 && sizeof(struct elf_prpsinfo) == 136, "the ABI's sizes");

struct out {
    struct file *file;
    u64 at, limit;
    u8 *page;                     /* room for one */
    struct task_struct **threads; /* the others, that wait in do_exit */
    u32 nr_threads;
    pid_t ppid;
    bool failed;
};
static void emit(struct out *o, const void *data, u64 n) {
    if (o->failed)
        return;
    if (o->at + n > o->limit || kernel_write(o->file, data, n, o->at) != (ssize_t)n)
        o->failed = true;
    o->at += n;
}
static void note(struct out *o, u32 type, const void *data, u64 n) {
    struct {
        u32 namesz, descsz, type;
        char name[8];
    } head = {5, n, type, "CORE"};
    emit(o, &head, sizeof(head));
    emit(o, data, n);
    emit(o, "\0\0\0", ALIGN_UP(n, 4) - n);
}
static u64 note_size(u64 n) { return 20 + ALIGN_UP(n, 4); }

static void put_time(u64 *at, u64 ticks) {
    at[0] = ticks / timebase_hz;
    at[1] = ticks % timebase_hz * 1000000 / timebase_hz;
}
static void thread_notes(struct out *o, struct task_struct *t, const struct abi_siginfo *info) {
    struct elf_prstatus *s = (void *)o->page;
    memset(s, 0, sizeof(*s));
    s->signo = s->cursig = info->si_signo;
    s->sigpend = t->pending.signal;
    s->sighold = t->blocked;
    s->pid = t->pid;
    s->ppid = o->ppid;
    s->pgrp = t->signal->pgid;
    s->sid = t->signal->sid;
    put_time(&s->times[0], t->utime);
    put_time(&s->times[2], t->stime);
    regs_get(t, &s->regs);
    s->fpvalid = 1;
    note(o, NT_PRSTATUS, s, sizeof(*s));
}
static void fp_note(struct out *o, struct task_struct *t) {
    u64 f[33];
    fpregs_get(t, f);
    note(o, NT_PRFPREG, f, sizeof(f));
}
static void process_note(struct out *o) {
    struct elf_prpsinfo *p = (void *)o->page;
    struct mm_struct *mm = current->mm;
    memset(p, 0, sizeof(*p));
    p->sname = 'R';
    p->nice = current->se.nice;
    p->uid = current->cred->uid;
    p->gid = current->cred->gid;
    p->pid = current->tgid;
    p->ppid = o->ppid;
    p->pgrp = current->signal->pgid;
    p->sid = current->signal->sid;
    memcpy(p->fname, current->comm, sizeof(p->fname));
    u64 n = access_process_vm(mm, mm->arg_start, p->psargs,
                              min(mm->arg_end - mm->arg_start, sizeof(p->psargs) - 1), false);
    for (u64 i = 0; i + 1 < n; i++)
        if (!p->psargs[i])
            p->psargs[i] = ' ';
    note(o, NT_PRPSINFO, p, sizeof(*p));
}
static u64 read_auxv(u64 *aux) { /* words */
    struct mm_struct *mm = current->mm;
    u64 n = min(mm->auxv_end - mm->auxv_start, MAX_AUXV * 8UL);
    return copy_from_user(aux, mm->auxv_start, n) ? 0 : n / 8;
}

/* What is known of a VMA when the dump begins. The others of the process stand still in do_exit, but one
 * outside of it may share the memory and change it meanwhile: then holes are written, and nothing is followed
 * that may be gone. */
struct piece {
    u64 start, end;
    u32 flags;
    bool file;
};
static u64 dumped_size(const struct piece *v) { /* how much of it is in the file */
    return (v->flags & VM_WRITE) || !v->file ? v->end - v->start : 0;
}
static struct piece *take_pieces(struct mm_struct *mm, u32 *n) {
    u32 room = READ_ONCE(mm->map_count) + 16;
    struct piece *p = kmalloc(room * sizeof(*p), GFP_KERNEL);
    *n = 0;
    down_read(&mm->mmap_lock);
    for (struct vm_area *v = p ? first_vma(mm) : NULL; v && *n < room; v = next_vma(v))
        p[(*n)++] = (struct piece){v->start, v->end, v->flags, v->file != NULL};
    up_read(&mm->mmap_lock);
    return p;
}
/* Somebody has no patience. */
static bool killed(void) {
    return (current->pending.signal | current->signal->shared_pending.signal) & M(SIGKILL);
}
static void dump_memory(struct out *o, const struct piece *v) {
    struct mm_struct *mm = current->mm;
    u64 end = v->start + dumped_size(v), step;
    for (u64 va = v->start; va < end && !o->failed; va += step) {
        u64 at = o->at;
        u32 tables = 1;
        step = PAGE_SIZE;
        bool there = v->file || pte_peek(mm, va, &tables);
        if (!there && !tables) /* a hole as large as a table */
            step = min(ALIGN_DOWN(va, TABLE_SPAN) + TABLE_SPAN, end) - va;
        if (there && access_process_vm(mm, va, o->page, PAGE_SIZE, false) == PAGE_SIZE)
            emit(o, o->page, PAGE_SIZE);
        o->at = at + step;
        o->failed |= killed();
    }
}

static void dump(struct out *o, const struct abi_siginfo *info, const struct piece *v, u32 n) {
    u64 aux[MAX_AUXV], words = read_auxv(aux);
    Elf64_Ehdr h = {.e_ident = "\177ELF\2\1\1",
                    .e_type = ET_CORE,
                    .e_machine = EM_RISCV,
                    .e_version = 1,
                    .e_phoff = sizeof(h),
                    .e_flags = 5, /* RVC, double-float ABI */
                    .e_ehsize = sizeof(h),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = n + 1};
    u64 notes = (1 + o->nr_threads) * (note_size(sizeof(struct elf_prstatus)) + note_size(33 * 8)) +
                note_size(sizeof(struct elf_prpsinfo)) + note_size(sizeof(*info)) + note_size(words * 8);
    Elf64_Phdr p = {
        .p_type = PT_NOTE, .p_offset = sizeof(h) + h.e_phnum * sizeof(p), .p_filesz = notes, .p_align = 4};
    u64 at = ALIGN_UP(p.p_offset + notes, PAGE_SIZE);
    emit(o, &h, sizeof(h));
    emit(o, &p, sizeof(p));
    for (u32 i = 0; i < n; i++) {
        p = (Elf64_Phdr){.p_type = PT_LOAD,
                         .p_flags = (v[i].flags & VM_READ ? PF_R : 0) | (v[i].flags & VM_WRITE ? PF_W : 0) |
                                    (v[i].flags & VM_EXEC ? PF_X : 0),
                         .p_offset = at,
                         .p_vaddr = v[i].start,
                         .p_filesz = dumped_size(&v[i]),
                         .p_memsz = v[i].end - v[i].start,
                         .p_align = PAGE_SIZE};
        at += p.p_filesz;
        emit(o, &p, sizeof(p));
    }
    thread_notes(o, current, info);
    process_note(o);
    note(o, NT_SIGINFO, info, sizeof(*info));
    note(o, NT_AUXV, aux, words * 8);
    fp_note(o, current);
    for (u32 i = 0; i < o->nr_threads; i++) {
        thread_notes(o, o->threads[i], info);
        fp_note(o, o->threads[i]);
    }
    o->at = ALIGN_UP(o->at, PAGE_SIZE);
    for (u32 i = 0; i < n; i++)
        dump_memory(o, &v[i]);
    if (!o->failed)
        do_truncate(o->file->inode, o->at); /* the holes at the end are part of it */
}

/* The threads that wait stay until we let them go; others, that were ending before, leave the list at any
 * time. */
static bool take_threads(struct out *o) {
    struct signal_struct *s = current->signal;
    struct task_struct *t;
    u32 room = READ_ONCE(s->nr_threads);
    if (!(o->threads = kmalloc(room * sizeof(t), GFP_KERNEL)))
        return false;
    READ_TASKS(irq);
    o->ppid = current->real_parent->tgid;
    for_each_thread(t, s) if (t != current && t->core_parked && o->nr_threads < room)
        o->threads[o->nr_threads++] = t;
    READ_TASKS_END(irq);
    return true;
}

/* A new file, in the place of what was there: nothing of others is written to. */
static bool write_core(const struct abi_siginfo *info) {
    struct out o = {.limit = rlimit(RLIMIT_CORE)};
    if (o.limit < PAGE_SIZE || current->mm->undumpable)
        return false;
    do_unlink(AT_FDCWD, "core", false);
    o.file = file_open(AT_FDCWD, "core", O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (IS_ERR(o.file))
        return false;
    u32 n;
    struct piece *pieces = take_pieces(current->mm, &n);
    bool ok = pieces && n < 0xffff && take_threads(&o) && (o.page = kmalloc(PAGE_SIZE, GFP_KERNEL));
    if (ok) {
        local_irq_disable();
        flush_fpu(current);
        local_irq_enable();
        dump(&o, info, pieces, n);
    }
    kfree(pieces);
    kfree(o.threads);
    kfree(o.page);
    fput(o.file);
    return ok && !o.failed;
}

s32 do_coredump(const struct abi_siginfo *info) {
    struct signal_struct *s = current->signal;
    struct task_struct *t;
    s32 sig = info->si_signo;
    READ_TASKS(irq);
    spin_lock(&current->sighand->lock);
    bool first = !s->group_exit && !s->group_exec;
    if (first) {
        s->group_exit = true;
        s->group_exit_code = sig;
        s->core_dumper = current;
        for_each_thread(t, s) s->core_running += t != current && !(t->task_flags & PF_EXITING);
        zap_other_threads(current);
    }
    spin_unlock(&current->sighand->lock);
    READ_TASKS_END(irq);
    if (!first)
        return sig;
    wait_event(&s->wait_chldexit, !READ_ONCE(s->core_running));
    bool ok = write_core(info);
    irq = spin_lock_irqsave(&current->sighand->lock);
    s->group_exit_code = sig |= ok ? 0x80 : 0; /* WCOREDUMP */
    s->core_dumper = NULL;
    spin_unlock_irqrestore(&current->sighand->lock, irq);
    wake_up_all(&s->wait_chldexit);
    return sig;
}

void coredump_park(void) {
    struct signal_struct *s = current->signal;
    current->core_parked = true;
    s->core_running--;
    spin_unlock(&current->sighand->lock);
    local_irq_enable();
    wake_up_all(&s->wait_chldexit);
    wait_event(&s->wait_chldexit, !READ_ONCE(s->core_dumper));
    local_irq_disable();
    spin_lock(&current->sighand->lock);
}
