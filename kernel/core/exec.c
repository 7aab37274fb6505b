/* execve: a new program in the same process (X1, X4). The new address space is built beside the old one;
 * only when all that can fail is done does the old one go. */
#include "nsproxy.h"
#include "ptrace.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "../fs/fs.h"
#include "../security/security.h"
#include "../lib/elfcheck.h"
#include <abi/elf.h>
#include <abi/errno.h>

#define STACK_TOP (TASK_SIZE - PAGE_SIZE)
#define PIE_BASE 0x2000000000UL
#define MAX_ARG_BYTES (2UL << 20)
#define MAX_ARG_STRING (32 * PAGE_SIZE)
#define MAX_ARGS 0x7fff
#define STACK_ROOM (32 * PAGE_SIZE) /* what a stack begins with, below the strings */
#define HWCAP_IMAFDC                                                                                         \
    ((1 << ('i' - 'a')) | (1 << ('m' - 'a')) | (1 << 0) | (1 << ('f' - 'a')) | (1 << ('d' - 'a')) |          \
     (1 << ('c' - 'a')))

void activate_mm(struct mm_struct *mm);
void pid_get(pid_t nr), pid_put(pid_t nr);
void random_bytes(void *buf, size_t n);

/* Strings on their way to the new stack: pages filled from the top down. */
#define ARG_PAGES (MAX_ARG_BYTES / PAGE_SIZE)
struct args {
    struct page *page[ARG_PAGES];
    u64 first; /* pages from here on are there */
    u64 used;  /* bytes, from the top of the stack */
    u32 argc, envc;
    u64 execfn;
};

static int push(struct args *a, const char *s, u64 n) { /* kernel bytes */
    while (n) {
        u64 end = MAX_ARG_BYTES - a->used, off = end & (PAGE_SIZE - 1);
        if (!off)
            off = PAGE_SIZE;
        u64 part = min(n, off), i = (end - 1) >> PAGE_SHIFT;
        if (a->used + part > MAX_ARG_BYTES - PAGE_SIZE)
            return -E2BIG;
        if (i < a->first) {
            if (!(a->page[i] = alloc_page(GFP_KERNEL | GFP_USER | GFP_ZERO)))
                return -ENOMEM;
            a->first = i;
        }
        n -= part;
        memcpy((u8 *)page_address(a->page[i]) + off - part, s + n, part);
        a->used += part;
    }
    return 0;
}
static void free_args(struct args *a) {
    for (u64 i = a->first; i < ARG_PAGES; i++)
        put_page(a->page[i]);
    kfree(a);
}

/* A vector of strings, in user memory or the kernel's. */
struct strings {
    bool user;
    u64 at;
};
static int string_at(struct strings v, u32 i, u64 *s) {
    if (v.user)
        return copy_from_user(s, v.at + i * 8UL, 8);
    *s = ((u64 *)v.at)[i];
    return 0;
}
static int count_strings(struct strings v) {
    u64 s;
    for (u32 n = 0; v.at; n++) {
        if (n > MAX_ARGS)
            return -E2BIG;
        if (string_at(v, n, &s))
            return -EFAULT;
        if (!s)
            return n;
    }
    return 0;
}
/* Pushed from the last to `first`, so that they lie in rising order. Returns how many. */
static int push_strings(struct args *a, struct strings v, int first) {
    int n = count_strings(v), r = 0;
    char *buf = n > first ? kmalloc(MAX_ARG_STRING, GFP_KERNEL) : NULL;
    if (n <= first)
        return n < 0 ? n : 0;
    if (!buf)
        return -ENOMEM;
    for (int i = n; !r && i-- > first;) {
        u64 s;
        if ((r = fatal_signal_pending(current) ? -EINTR : string_at(v, i, &s)))
            break;
        long len = v.user ? strncpy_from_user(buf, s, MAX_ARG_STRING)
                          : (long)strlcpy(buf, (char *)s, MAX_ARG_STRING);
        if (len < 0 || len >= (long)MAX_ARG_STRING)
            r = len == -EFAULT ? -EFAULT : -E2BIG;
        else
            r = push(a, buf, len + 1);
    }
    kfree(buf);
    return r ? r : n - first;
}

/* Map one program's segments at base. The first may not lie where something is; a later one may take over
 * the page in which the one before it ended, as linkers lay programs out that count their bytes. */
static int map_segments(struct mm_struct *mm, struct file *f, const Elf64_Ehdr *h, const Elf64_Phdr *ph,
                        u64 base, bool main) {
    u64 brk = 0, last = 0;
    for (int i = 0; i < h->e_phnum; i++) {
        const Elf64_Phdr *p = &ph[i];
        if (p->p_type != PT_LOAD || !p->p_memsz)
            continue;
        u64 va = base + p->p_vaddr, start = ALIGN_DOWN(va, PAGE_SIZE), skew = va - start;
        u64 file_end = va + p->p_filesz, mem_end = va + p->p_memsz;
        u32 prot = (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
                   (p->p_flags & PF_X ? PROT_EXEC : 0);
        u32 fixed = start < last ? MAP_FIXED : MAP_FIXED_NOREPLACE;
        long r = 0;
        if (p->p_filesz) {
            r = do_mmap(mm, f, start, p->p_filesz + skew, prot, MAP_PRIVATE | fixed, p->p_offset - skew);
            if (r < 0)
                return r;
        }
        u64 bss = p->p_filesz ? ALIGN_UP(file_end, PAGE_SIZE) : start;
        if (mem_end > file_end && p->p_filesz && (p->p_flags & PF_W) && (file_end & (PAGE_SIZE - 1))) {
            /* The rest of the last file page is zero, past memsz too: the dynamic loader allocates there. */
            if (access_process_vm(mm, file_end, page_address(zero_page), bss - file_end, true) !=
                bss - file_end)
                return -ENOMEM;
        }
        if (mem_end > bss) {
            r = do_mmap(mm, NULL, bss, mem_end - bss, prot, MAP_PRIVATE | fixed | MAP_ANONYMOUS, 0);
            if (r < 0)
                return r;
        }
        if (main && (p->p_flags & PF_X)) {
            mm->start_code = va;
            mm->end_code = file_end;
        }
        last = mem_end;
        brk = max(brk, mem_end);
    }
    if (main)
        mm->start_brk = mm->brk = ALIGN_UP(brk, PAGE_SIZE);
    return 0;
}

/* Read and check an ELF file's headers; *ph is to be freed. */
static int read_elf(struct file *f, Elf64_Ehdr *h, Elf64_Phdr **ph) {
    ssize_t n = kernel_read(f, h, sizeof(*h), 0);
    if (n < 0)
        return n;
    if (n < (ssize_t)sizeof(*h) || !elf_header_ok(h))
        return -ENOEXEC;
    u64 size = h->e_phnum * sizeof(Elf64_Phdr);
    if (!(*ph = kmalloc(size, GFP_KERNEL)))
        return -ENOMEM;
    n = kernel_read(f, *ph, size, h->e_phoff);
    if (n != (ssize_t)size || !elf_segments_ok(h, *ph, TASK_SIZE / 2)) {
        kfree(*ph);
        *ph = NULL;
        return n < 0 ? n : -ENOEXEC;
    }
    return 0;
}

static u64 image_span(const Elf64_Ehdr *h, const Elf64_Phdr *ph) {
    u64 end = 0;
    for (int i = 0; i < h->e_phnum; i++)
        if (ph[i].p_type == PT_LOAD)
            end = max(end, ph[i].p_vaddr + ph[i].p_memsz);
    return ALIGN_UP(end, PAGE_SIZE);
}

static struct file *open_exec(const char *name, int dfd) {
    struct file *f = file_open(dfd, name, O_RDONLY, 0);
    if (IS_ERR(f))
        return f;
    int r = 0;
    if (!S_ISREG(f->inode->i_mode) || (f->path.mnt->flags & MS_NOEXEC))
        r = -EACCES;
    else
        r = permission(f->inode, MAY_EXEC);
    if (!r)
        r = security_exec(&f->path);
    if (r) {
        fput(f);
        return ERR_PTR(r);
    }
    return f;
}

/* X4: the other threads end; a thread that is not the leader becomes it, with its pid. */
static int de_thread(void) {
    struct task_struct *t = current, *leader = t->group_leader;
    struct signal_struct *s = t->signal;
    READ_TASKS(irq);
    spin_lock(&t->sighand->lock);
    bool refused = s->group_exit || s->group_exec;
    if (!refused) {
        s->group_exec = t;
        zap_other_threads(t);
    }
    spin_unlock(&t->sighand->lock);
    bool killed = false;
    while (!refused) {
        set_current_state(TASK_KILLABLE);
        killed = fatal_signal_pending(t);
        if (killed || s->nr_threads == 1 ||
            (s->nr_threads == 2 && t != leader && leader->exit_state == EXIT_ZOMBIE))
            break;
        READ_TASKS_END(irq);
        schedule();
        irq = spin_lock_irqsave(&tasklist_lock);
    }
    set_current_state(TASK_RUNNING);
    if (!refused)
        s->group_exec = NULL;
    if (refused || killed) {
        READ_TASKS_END(irq);
        return -EAGAIN;
    }
    if (t != leader) {
        pid_t own = t->pid;
        t->pid = leader->pid;
        leader->pid = own;
        own = t->vpid;
        t->vpid = leader->vpid;
        leader->vpid = own;
        attach_pid(t);
        attach_pid(leader);
        t->exit_signal = leader->exit_signal;
        leader->exit_signal = -1;
        list_add(&t->sibling, &leader->sibling);
        list_del_init(&leader->sibling);
        list_add(&t->tasks, &leader->tasks);
        list_del_init(&leader->tasks);
        t->start_time = leader->start_time;
        t->group_leader = leader->group_leader = s->leader = t;
        leader->exit_state = EXIT_DEAD;
    }
    READ_TASKS_END(irq);
    if (t != leader)
        release_task(leader);
    return 0;
}

/* Handlers of our own: a sharer outside the group (CLONE_SIGHAND) keeps the old ones. */
static int unshare_sighand(void) {
    struct sighand_struct *old = current->sighand, *new;
    if (atomic_read(&old->refcount) == 1)
        return 0;
    if (!(new = alloc_sighand()))
        return -ENOMEM;
    READ_TASKS(irq);
    spin_lock(&old->lock);
    copy_actions(new, old);
    current->sighand = new;
    spin_unlock(&old->lock);
    READ_TASKS_END(irq);
    put_sighand(old);
    return 0;
}

/* What is known of a program before the point of no return. */
struct image {
    struct file *file, *interp;
    Elf64_Ehdr h, ih;
    Elf64_Phdr *ph, *iph;
    const char *exec_name;
    bool secure, gains; /* see bprm_creds */
    char *prefix[12];   /* for scripts: what goes before the arguments */
    int nprefix;
};
static void put_image(struct image *im) {
    if (im->file)
        fput(im->file);
    if (im->interp)
        fput(im->interp);
    kfree(im->ph);
    kfree(im->iph);
    for (int i = 0; i < im->nprefix; i++)
        kfree(im->prefix[i]);
    kfree(im);
}

static int add_prefix(struct image *im, const char *s) {
    if (im->nprefix == ARRAY_SIZE(im->prefix))
        return -ELOOP;
    char *copy = kstrdup(s);
    if (!copy)
        return -ENOMEM;
    memmove(im->prefix + 1, im->prefix, im->nprefix++ * sizeof(char *));
    im->prefix[0] = copy;
    return 0;
}

/* "#!interpreter [argument]": im->file becomes the interpreter. 1: was a script, 0: was none. */
static int try_script(struct image *im, const char *name) {
    //@sol exec try-script
    char line[256];
    ssize_t n = kernel_read(im->file, line, sizeof(line) - 1, 0);
    if (n < 2 || line[0] != '#' || line[1] != '!')
        return n < 0 ? n : 0;
    line[n] = 0;
    char *end = strchr(line, '\n'), *p = line + 2;
    if (!end)
        return -ENOEXEC; /* a first line too long */
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = 0;
    while (*p == ' ' || *p == '\t')
        p++;
    char *interp = p;
    while (*p && *p != ' ' && *p != '\t')
        p++;
    if (*p)
        *p++ = 0;
    while (*p == ' ' || *p == '\t')
        p++;
    if (!*interp)
        return -ENOEXEC;
    int r = im->nprefix ? 0 : add_prefix(im, name);
    if (!r && *p)
        r = add_prefix(im, p);
    if (!r)
        r = add_prefix(im, interp);
    if (r)
        return r;
    struct file *f = open_exec(interp, AT_FDCWD);
    if (IS_ERR(f))
        return PTR_ERR(f);
    fput(im->file);
    im->file = f;
    return 1;
    //@end
}

static int load_interp(struct image *im) {
    for (int i = 0; i < im->h.e_phnum; i++) {
        char name[256];
        const Elf64_Phdr *p = &im->ph[i];
        if (p->p_type != PT_INTERP)
            continue;
        if (p->p_filesz < 2 || p->p_filesz > sizeof(name) ||
            kernel_read(im->file, name, p->p_filesz, p->p_offset) != (ssize_t)p->p_filesz ||
            name[p->p_filesz - 1])
            return -ENOEXEC;
        struct file *f = open_exec(name, AT_FDCWD);
        if (IS_ERR(f))
            return PTR_ERR(f);
        im->interp = f;
        return read_elf(f, &im->ih, &im->iph);
    }
    return 0;
}

/* Length of the string that will be at this address. */
static u64 length_at(struct args *a, u64 at) {
    for (u64 n = 0;;) {
        u64 off = at + n - (STACK_TOP - MAX_ARG_BYTES), left = PAGE_SIZE - (off & (PAGE_SIZE - 1));
        const char *s = (char *)page_address(a->page[off >> PAGE_SHIFT]) + (off & (PAGE_SIZE - 1));
        u64 k = strnlen(s, left);
        n += k;
        if (k < left)
            return n;
    }
}

/* The stack as the ABI has it: argc, argv, envp, auxv; above them the strings. Returns its pointer. */
static long build_stack(struct mm_struct *mm, struct args *a, const u64 *aux, u64 aux_words, u64 random_at) {
    u64 strings = STACK_TOP - a->used;
    u64 words = 1 + a->argc + 1 + a->envc + 1 + aux_words, n = 0;
    u64 sp = ALIGN_DOWN(random_at - words * 8, 16), at = strings;
    u64 *w = kmalloc(words * 8, GFP_KERNEL);
    if (!w)
        return -ENOMEM;
    w[n++] = a->argc;
    mm->arg_start = at;
    for (u32 i = 0; i < a->argc + a->envc; i++) {
        if (i == a->argc)
            w[n++] = 0;
        w[n++] = at;
        at += length_at(a, at) + 1;
        if (i + 1 == a->argc)
            mm->arg_end = mm->env_start = at;
    }
    mm->env_end = at;
    if (!a->envc)
        w[n++] = 0;
    w[n++] = 0;
    memcpy(&w[n], aux, aux_words * 8);
    mm->auxv_start = sp + n * 8;
    mm->auxv_end = mm->auxv_start + aux_words * 8;
    bool ok = access_process_vm(mm, sp, w, words * 8, true) == words * 8;
    kfree(w);
    return ok ? (long)sp : -ENOMEM;
}

/* Fill the new address space. Returns the stack pointer; *entry is where to begin. */
static long setup_mm(struct mm_struct *mm, struct image *im, struct args *a, const struct cred *c,
                     u64 *entry) {
    u64 bias = im->h.e_type == ET_DYN ? PIE_BASE : 0, interp_base = 0, phdr = 0;
    long r = map_segments(mm, im->file, &im->h, im->ph, bias, true);
    if (r)
        return r;
    *entry = bias + im->h.e_entry;
    if (im->interp) {
        interp_base = im->ih.e_type == ET_DYN ? unmapped_area(mm, image_span(&im->ih, im->iph)) : 0;
        if ((long)interp_base < 0)
            return -ENOMEM;
        if ((r = map_segments(mm, im->interp, &im->ih, im->iph, interp_base, false)))
            return r;
        *entry = interp_base + im->ih.e_entry;
    }
    for (int i = 0; i < im->h.e_phnum; i++) {
        const Elf64_Phdr *p = &im->ph[i];
        if (p->p_type == PT_LOAD && im->h.e_phoff >= p->p_offset && im->h.e_phoff < p->p_offset + p->p_filesz)
            phdr = bias + p->p_vaddr + im->h.e_phoff - p->p_offset;
    }
    if (a->used > max(rlimit(RLIMIT_STACK) / 4, MAX_ARG_STRING))
        return -E2BIG;
    if ((r = stack_vma(mm, STACK_TOP, ALIGN_UP(a->used, PAGE_SIZE) + STACK_ROOM)))
        return r;
    for (u64 i = a->first; i < ARG_PAGES; i++) {
        pte_t e = make_pte(page_to_pa(a->page[i]), vma_pte_flags(VM_READ | VM_WRITE));
        if ((r = set_user_pte(mm, STACK_TOP - MAX_ARG_BYTES + i * PAGE_SIZE, e, 0)))
            return r;
        get_page(a->page[i]);
        atomic_inc(&mm->rss);
    }
    mm->vdso = VDSO_BASE;
    if (insert_special(mm, mm->vdso, VM_READ | VM_EXEC, vdso_pages, vdso_npages))
        return -ENOMEM;
    u8 seed[16];
    random_bytes(seed, sizeof(seed));
    u64 random_at = ALIGN_DOWN(STACK_TOP - a->used - sizeof(seed), 16);
    if (access_process_vm(mm, random_at, seed, sizeof(seed), true) != sizeof(seed))
        return -ENOMEM;
    u64 aux[] = {AT_SYSINFO_EHDR, mm->vdso,
                 AT_HWCAP,        HWCAP_IMAFDC,
                 AT_PAGESZ,       PAGE_SIZE,
                 AT_CLKTCK,       100,
                 AT_PHDR,         phdr,
                 AT_PHENT,        sizeof(Elf64_Phdr),
                 AT_PHNUM,        im->h.e_phnum,
                 AT_BASE,         interp_base,
                 AT_FLAGS,        0,
                 AT_ENTRY,        bias + im->h.e_entry,
                 AT_UID,          from_kuid_munged(c->user_ns, c->uid),
                 AT_EUID,         from_kuid_munged(c->user_ns, c->euid),
                 AT_GID,          from_kgid_munged(c->user_ns, c->gid),
                 AT_EGID,         from_kgid_munged(c->user_ns, c->egid),
                 AT_SECURE,       im->secure,
                 AT_RANDOM,       random_at,
                 AT_EXECFN,       a->execfn,
                 AT_NULL,         0};
    return mm->start_stack = build_stack(mm, a, aux, ARRAY_SIZE(aux), random_at);
}

/* --- the rights of the new program --- */
/* Does a task outside the process share current's directories (CLONE_FS)? A thread that ends drops its count
 * first, so that it never looks like one outside. */
static bool fs_shared(void) {
    struct fs_struct *fs = current->fs;
    struct task_struct *t;
    u32 mine = 0;
    READ_TASKS(irq);
    for_each_thread(t, current->signal) mine += READ_ONCE(t->fs) == fs;
    READ_TASKS_END(irq);
    return atomic_read(&fs->refcount) > mine;
}
/* Could somebody with fewer rights steer the new program from outside? */
static bool unsafe_exec(void) { return current->no_new_privs || fs_shared(); }

/* Do the set-id bits of what is on this mount count for current? Only in its own namespace of mounts, and if
 * that is its users' or those above them. */
static bool mnt_may_suid(const struct mount *m) {
    return !(m->flags & MS_NOSUID) && m->ns == current->nsproxy->mnt_ns &&
           in_user_ns(current_user_ns(), m->ns->user_ns);
}
/* The set-id bits: c's effective ids. */
static void bprm_fill_uid(struct cred *c, struct file *f) {
    struct inode *i = f->inode;
    mutex_lock(&i->lock); /* its owner and its mode belong together */
    u32 mode = i->i_mode;
    uid_t uid = i->i_uid;
    gid_t gid = i->i_gid;
    mutex_unlock(&i->lock);
    if (!mnt_may_suid(f->path.mnt) || current->no_new_privs || !ids_mapped(c->user_ns, uid, gid))
        return;
    if (mode & S_ISUID)
        c->euid = uid;
    if ((mode & (S_ISGID | 0010)) == (S_ISGID | 0010))
        c->egid = gid;
}
/* What the program runs with. im->secure: it has other rights than its user, who may not steer it.
 * im->gains: it has more than current has now. NULL: no memory. */
static struct cred *bprm_creds(struct image *im) {
    const struct cred *old = current->cred;
    struct cred *c = prepare_cred();
    if (!c)
        return NULL;
    bprm_fill_uid(c, im->file);
    uid_t root = make_kuid(c->user_ns, 0);
    bool effective = c->euid == root;
    c->cap_permitted = effective || c->uid == root ? c->cap_bset | c->cap_inheritable : 0;
    bool setid = c->euid != old->uid || c->egid != old->gid;
    im->gains = setid || (c->cap_permitted & ~old->cap_permitted);
    if (im->gains && (unsafe_exec() || !ptracer_capable(c->user_ns))) {
        if (current->no_new_privs || !ns_capable(c->user_ns, CAP_SETUID)) {
            c->euid = c->uid;
            c->egid = c->gid;
        }
        c->cap_permitted &= old->cap_permitted;
        im->gains = false;
    }
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    c->cap_effective = effective ? c->cap_permitted : 0;
    im->secure = setid || (c->uid != root && (effective || c->cap_permitted));
    return c;
}

/* The new memory and the new credentials, at one moment for whoever holds alloc_lock or tasklist_lock: nobody
 * sees the one with the rights to the other. A tracer that came after bprm_creds had looked, and may not have
 * such a tracee, loses it. The old credentials, to be put. */
static struct cred *exec_commit(struct mm_struct *mm, struct image *im, struct cred *c) {
    struct task_struct *t = current;
    struct cred *old = t->cred;
    const char *name = strrchr(im->exec_name, '/');
    spin_lock(&t->alloc_lock);
    READ_TASKS(irq);
    if (im->gains && t->ptrace && !cred_capable(t->ptracer_cred, c->user_ns, CAP_SYS_PTRACE))
        ptrace_unlink(t);
    mm->undumpable = old->euid != old->uid || old->egid != old->gid;
    publish_cred(c, mm);
    activate_mm(mm);
    strlcpy(t->comm, name ? name + 1 : im->exec_name, sizeof(t->comm));
    t->self_exec_id++;
    t->exit_signal = SIGCHLD; /* its parent chose another for another program */
    if (im->secure) { /* nor does its user choose what fails in it */
        t->pdeath_signal = 0;
        t->ti.fail_nth = 0;
    }
    t->task_flags &= ~PF_KTHREAD;
    READ_TASKS_END(irq);
    spin_unlock(&t->alloc_lock);
    return old;
}
/* From here on there is no old program to go back to. */
static void begin_program(struct mm_struct *mm, struct image *im, struct cred *c, u64 sp, u64 entry) {
    struct task_struct *t = current;
    struct mm_struct *old = t->mm;
    mm_release(t, old); /* the vfork parent goes on */
    struct cred *old_cred = exec_commit(mm, im, c);
    //@sol exec begin-program
    if (old) {
        t->signal->maxrss = max(t->signal->maxrss, old->hiwater_rss);
        mmput(old);
    }
    u64 irq = spin_lock_irqsave(&t->sighand->lock);
    flush_handlers(t->sighand);
    spin_unlock_irqrestore(&t->sighand->lock, irq);
    if (t->signal->has_timers)
        timers_release(t->signal, false);
    t->altstack = (struct abi_stack){.ss_flags = SS_DISABLE};
    t->forknoexec = false;
    t->signal->did_exec = true;
    t->restart.fn = NULL;
    close_on_exec(t->files);
    //@end
    put_cred(old_cred);
    exec_keys();
    struct trapframe *tf = task_trapframe(t);
    memset(tf, 0, sizeof(*tf));
    set_tif(current, TIF_RESTORE_ALL);
    tf->sepc = entry;
    tf->sp = sp;
    tf->sstatus = SSTATUS_SPIE | SSTATUS_UXL_64;
    TRACE(exec, entry, 0, 0);
}

static int do_execve(int dfd, const char *name, struct strings argv, struct strings envp) {
    u64 entry;
    long sp;
    struct cred *c = NULL;
    struct mm_struct *mm = NULL;
    struct image *im = kzalloc(sizeof(*im), GFP_KERNEL);
    struct args *a = kmalloc(sizeof(*a), GFP_KERNEL);
    int r = -ENOMEM;
    if (a)
        a->first = ARG_PAGES, a->used = a->execfn = a->argc = a->envc = 0;
    if (!im || !a)
        goto out;
    im->exec_name = name;
    struct file *f = open_exec(name, dfd);
    if (IS_ERR(f)) {
        r = PTR_ERR(f);
        goto out;
    }
    im->file = f;
    while ((r = try_script(im, name)) > 0)
        ;
    if (r || (r = read_elf(im->file, &im->h, &im->ph)) || (r = load_interp(im)))
        goto out;
    r = -ENOMEM;
    if (!(c = bprm_creds(im)) || !(mm = mm_alloc(c->user_ns)))
        goto out;
    if ((r = deny_write_access(im->file->inode)))
        goto out;
    mm->exe_file = im->file; /* from now on it goes, and its right to write comes back, with mm */
    get_file(mm->exe_file);
    if ((r = push(a, name, strlen(name) + 1)))
        goto out;
    a->execfn = STACK_TOP - a->used;
    if ((r = push_strings(a, envp, 0)) < 0)
        goto out;
    a->envc = r;
    if ((r = push_strings(a, argv, im->nprefix ? 1 : 0)) < 0)
        goto out;
    a->argc = r;
    for (int i = im->nprefix; i-- > 0; a->argc++)
        if ((r = push(a, im->prefix[i], strlen(im->prefix[i]) + 1)))
            goto out;
    if (!a->argc) { /* never an empty argv: programs read argv[0] */
        if ((r = push(a, "", 1)))
            goto out;
        a->argc = 1;
    }
    if ((sp = setup_mm(mm, im, a, c, &entry)) < 0) {
        r = sp;
        goto out;
    }
    TEST_POINT("exec-commit");
    pid_t old_pid = current->pid; /* de_thread may give us the leader's */
    if ((r = unshare_files()) || (r = unshare_sighand()) || (r = de_thread()))
        goto out;
    r = -EAGAIN;
    if (im->gains && unsafe_exec()) /* since bprm_creds looked; there are no other threads any more */
        goto out;
    r = 0;
    begin_program(mm, im, c, sp, entry);
    if (unlikely(current->ptrace))
        ptrace_event(PTRACE_EVENT_EXEC, old_pid);
    mm = NULL;
    c = NULL;
out:
    //@sol exec execve-out
    if (mm)
        mmput(mm);
    if (c)
        put_cred(c);
    if (a)
        free_args(a);
    if (im)
        put_image(im);
    return r;
    //@end
}

static long user_execve(int dfd, u64 uname, u64 argv, u64 envp) {
    char *name = getname(uname);
    if (IS_ERR(name))
        return PTR_ERR(name);
    long r = do_execve(dfd, name, (struct strings){true, argv}, (struct strings){true, envp});
    kfree(name);
    return r;
}
long sys_execve(u64 name, u64 argv, u64 envp) { return user_execve(AT_FDCWD, name, argv, envp); }
long sys_execveat(u64 dfd, u64 name, u64 argv, u64 envp, u64 flags) {
    return flags & ~(u64)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) ? -EINVAL
                                                               : user_execve((s32)dfd, name, argv, envp);
}
int kernel_execve(const char *path, const char *const *argv, const char *const *envp) {
    return do_execve(AT_FDCWD, path, (struct strings){false, (u64)argv}, (struct strings){false, (u64)envp});
}
