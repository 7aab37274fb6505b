/* A program's addresses are the user half's. Every call that takes one is given those that are not: the
 * kernel's half (its first, a device's, its text, a stack, its last page), the hole between the halves, a
 * valid address with a high bit set, and lengths that run out of the half or around. Each is refused, and
 * nothing changes. Then what is there is reached right in pages of each size, and in tables that fork shared.
 */
#include <ktap.h>
#include <elf.h>
#include <linux/futex.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <setjmp.h>
#include <stddef.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/uio.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define RW (PROT_READ | PROT_WRITE)

static unsigned long word = 0x1234567;
static unsigned long bad[] = {
    0xffffffc000000000, /* tine's linear map: a leaf of 1 GB, devices */
    0xffffffc010000000, /* the UART */
    0xffffffc080200000, /* text: a leaf of 2 MB */
    0xffffffc081000000, /* data */
    0xffffffc0c0000000, /* with more memory, a leaf of 1 GB */
    0xffffffe000003ff8, /* stacks: leaves of 4 KB */
    0xffffffe00000fee0,
    0xffffffff80000000,
    0xfffffffffffff000, /* the last page, and the last word */
    0xfffffffffffffff8,
    0xffffffbffffffff8, /* the hole between the halves, from both ends */
    0x8000000000000000,
    0x7ffffffffffffff8,
    0x7ffffffffffff000,
    0x8000000000,
    0x7ffffffff8, /* here the 39 bits that Sv39 looks at are the kernel's */
    0x6000003ff8,
    0x4080200000,
    0x4010000000,
    0x4000000000,
    0, /* and here those of a word of ours: see find_aliases */
    0,
    0,
};
#define NR_BAD (sizeof(bad) / sizeof(*bad))
static void find_aliases(void) {
    bad[NR_BAD - 3] = (unsigned long)&word | 1UL << 39;
    bad[NR_BAD - 2] = (unsigned long)&word | 1UL << 63;
    bad[NR_BAD - 1] = (unsigned long)&word | ~0UL << 39;
}
#define FOR_BAD(at) for (unsigned long *_p = bad, at; _p < bad + NR_BAD && ((at = *_p), 1); _p++)
static int is_kernels(unsigned long at) { return at >> 63; }

/* The call fails for each address, with this error or one of two. */
static int failed;
static void refused(long r, int err, int other, unsigned long at, int line) {
    if (r == -1 && (errno == err || errno == other))
        return;
    printf("# line %d: %lx: %ld, errno %d\n", line, at, r, r == -1 ? errno : 0);
    failed++;
}
#define REFUSED(call, err, other, at)                                                                        \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        long _r = (long)(call);                                                                              \
        refused(_r, err, other, at, __LINE__);                                                               \
    } while (0)
#define ALL_REFUSED(what) (OK(!failed && word == 0x1234567, what), failed = 0)

static char *pages(unsigned long n, int prot) {
    return mmap(NULL, n, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
/* A stopped tracee that has run fn. */
static pid_t tracee(void (*fn)(void)) {
    pid_t p = fork();
    if (!p) {
        if (fn)
            fn();
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(p, NULL, 0);
    return p;
}
static void end_tracee(pid_t p) {
    kill(p, SIGKILL);
    waitpid(p, NULL, 0);
}
static long pt(long request, pid_t p, unsigned long addr, unsigned long data) {
    return syscall(SYS_ptrace, request, p, addr, data);
}

/* --- another's memory --- */
static void vm_calls_to(pid_t p) {
    char buf[2 * PAGE];
    FOR_BAD(at) {
        for (unsigned long n = 1; n <= sizeof(buf); n += n == 1 ? 7 : n == 8 ? PAGE - 8 : PAGE) {
            struct iovec l = {buf, n}, r = {(void *)at, n};
            REFUSED(process_vm_readv(p, &l, 1, &r, 1, 0), EFAULT, 0, at);
            memset(buf, 0x5a, sizeof(buf));
            REFUSED(process_vm_writev(p, &l, 1, &r, 1, 0), EFAULT, 0, at);
        }
        struct iovec l = {(void *)at, 8}, r = {&word, 8};
        REFUSED(process_vm_readv(p, &l, 1, &r, 1, 0), EFAULT, 0, at);
        REFUSED(process_vm_writev(p, &l, 1, &r, 1, 0), EFAULT, 0, at);
        REFUSED(process_vm_readv(p, (void *)at, 1, &r, 1, 0), EFAULT, 0, at);
        REFUSED(process_vm_readv(p, &r, 1, (void *)at, 1, 0), EFAULT, 0, at);
        struct iovec two[2] = {{&word, 8}, {(void *)at, 8}}, to = {buf, 16};
        if (process_vm_readv(p, &to, 1, two, 2, 0) != 8 || memcmp(buf, &word, 8))
            failed++, printf("# a good piece before %lx\n", at);
    }
}
static void test_vm_calls(void) {
    vm_calls_to(getpid());
    ALL_REFUSED("process_vm_readv and writev: one's own");
    pid_t p = tracee(NULL);
    vm_calls_to(p);
    ALL_REFUSED("process_vm_readv and writev: a child's");
    end_tracee(p);
}

static void test_ptrace(void) {
    pid_t p = tracee(NULL);
    char buf[1024];
    struct iovec v = {buf, sizeof(buf)};
    FOR_BAD(at) {
        REFUSED(pt(PTRACE_PEEKDATA, p, at, (long)buf), EIO, EFAULT, at);
        REFUSED(pt(PTRACE_PEEKTEXT, p, at + 1, (long)buf), EIO, EFAULT, at);
        REFUSED(pt(PTRACE_POKEDATA, p, at, 0), EIO, EFAULT, at);
        REFUSED(pt(PTRACE_POKETEXT, p, at - 4, 0), EIO, EFAULT, at);
        REFUSED(pt(PTRACE_PEEKDATA, p, (long)&word, at), EFAULT, 0, at);
        REFUSED(pt(PTRACE_GETREGSET, p, NT_PRSTATUS, at), EFAULT, 0, at);
        REFUSED(pt(PTRACE_SETREGSET, p, NT_PRSTATUS, at), EFAULT, 0, at);
        v = (struct iovec){(void *)at, 256};
        REFUSED(pt(PTRACE_GETREGSET, p, NT_PRSTATUS, (long)&v), EFAULT, 0, at);
        REFUSED(pt(PTRACE_SETREGSET, p, NT_PRSTATUS, (long)&v), EFAULT, 0, at);
        REFUSED(pt(PTRACE_GETSIGINFO, p, 0, at), EFAULT, 0, at);
        REFUSED(pt(PTRACE_SETSIGINFO, p, 0, at), EFAULT, 0, at);
        REFUSED(pt(PTRACE_GETEVENTMSG, p, 0, at), EFAULT, 0, at);
        REFUSED(pt(PTRACE_GETSIGMASK, p, 8, at), EFAULT, 0, at);
        REFUSED(pt(PTRACE_SETSIGMASK, p, 8, at), EFAULT, 0, at);
        REFUSED(pt(PTRACE_PEEKSIGINFO, p, at, (long)buf), EFAULT, 0, at);
    }
    ALL_REFUSED("ptrace: words and what is written to the tracer");
    end_tracee(p);
    for (int reg = 0; reg < 2; reg++)
        FOR_BAD(at) { /* its pc; its stack pointer, for a signal's frame */
            unsigned long regs[32];
            v = (struct iovec){regs, sizeof(regs)};
            p = tracee(NULL);
            pt(PTRACE_GETREGSET, p, NT_PRSTATUS, (long)&v);
            regs[reg ? 2 : 0] = at;
            pt(PTRACE_SETREGSET, p, NT_PRSTATUS, (long)&v);
            pt(PTRACE_DETACH, p, 0, 0);
            int end = child_ends(p);
            if (end != 1000 + SIGSEGV && end != 1000 + SIGILL && !(reg && !end))
                failed++, printf("# %s %lx: ends with %d\n", reg ? "sp" : "pc", at, end);
        }
    ALL_REFUSED("ptrace: a tracee's registers lead nowhere else");
}

/* --- files of /proc --- */
static void mem_file(int fd) {
    char buf[PAGE];
    FOR_BAD(at) {
        REFUSED(pread(fd, buf, 8, at), EIO, is_kernels(at) ? EINVAL : 0, at);
        REFUSED(pread(fd, buf, PAGE, at), EIO, is_kernels(at) ? EINVAL : 0, at);
        REFUSED(pwrite(fd, &word, 8, at), EIO, is_kernels(at) ? EINVAL : 0, at);
        REFUSED(pread(fd, (void *)at, 8, (long)&word), EFAULT, 0, at);
        REFUSED(pwrite(fd, (void *)at, 8, (long)&word), EFAULT, 0, at);
        if (lseek(fd, at, SEEK_SET) != -1 || errno != EINVAL) {
            REFUSED(read(fd, buf, 8), EIO, 0, at);
            REFUSED(write(fd, &word, 8), EIO, 0, at);
        }
    }
}
static void open_and_try_mem(const char *path) {
    int fd = open(path, O_RDWR);
    unsigned long w = 0;
    if (fd < 0 || pread(fd, &w, 8, (long)&word) != 8 || w != word)
        failed++;
    mem_file(fd);
    close(fd);
}
static int as_a_user(void) {
    if (setgid(1000) || setuid(1000) || prctl(PR_SET_DUMPABLE, 1))
        return 1;
    char buf[8], path[40];
    struct iovec l = {buf, 8};
    sprintf(path, "/proc/%d/mem", getppid());
    open_and_try_mem("/proc/self/mem");
    REFUSED(open(path, O_RDONLY), EACCES, EPERM, 0);
    REFUSED(open("/proc/1/mem", O_RDONLY), EACCES, EPERM, 0);
    vm_calls_to(getpid());
    FOR_BAD(at) {
        struct iovec r = {(void *)at, 8};
        REFUSED(process_vm_readv(getppid(), &l, 1, &r, 1, 0), EPERM, 0, at);
        REFUSED(process_vm_writev(getppid(), &l, 1, &r, 1, 0), EPERM, 0, at);
        REFUSED(pt(PTRACE_PEEKDATA, getppid(), at, (long)buf), ESRCH, 0, at);
    }
    return failed;
}
static void test_mem(void) {
    char path[40];
    open_and_try_mem("/proc/self/mem");
    ALL_REFUSED("/proc/self/mem");
    pid_t p = tracee(NULL);
    sprintf(path, "/proc/%d/mem", p);
    open_and_try_mem(path);
    end_tracee(p);
    ALL_REFUSED("/proc/PID/mem of a child");
    p = fork();
    if (!p)
        _exit(as_a_user());
    OK(child_ends(p) == 0, "the same as an ordinary user, and others' memory not at all");
}

/* --- futexes, and what is written when a thread begins and ends --- */
static void test_futex(void) {
    struct timespec soon = {0, 1000};
    for (int private = 0; private <= FUTEX_PRIVATE_FLAG; private += FUTEX_PRIVATE_FLAG)
        FOR_BAD(raw) {
            unsigned long at = raw & ~3UL;
#define FUTEX(op, a, val, t, b, c) syscall(SYS_futex, a, (op) | private, val, t, b, c)
            REFUSED(FUTEX(FUTEX_WAIT, at, 0, &soon, 0, 0), EFAULT, 0, at);
            REFUSED(FUTEX(FUTEX_WAIT_BITSET, at, 0, &soon, 0, 1), EFAULT, 0, at);
            if (is_kernels(at))
                REFUSED(FUTEX(FUTEX_WAKE, at, 1, 0, 0, 0), EFAULT, 0, at);
            REFUSED(FUTEX(FUTEX_CMP_REQUEUE, at, 1, 1, &word, 0), EFAULT, 0, at);
            REFUSED(FUTEX(FUTEX_WAKE_OP, &word, 1, 1, at, FUTEX_OP(FUTEX_OP_SET, 0, 0, 0)), EFAULT, 0, at);
            REFUSED(FUTEX(FUTEX_LOCK_PI, at, 0, &soon, 0, 0), EFAULT, 0, at);
            REFUSED(FUTEX(FUTEX_UNLOCK_PI, at, 0, 0, 0, 0), EFAULT, EPERM, at);
            REFUSED(FUTEX(FUTEX_WAIT, &word, (unsigned)word, at, 0, 0), EFAULT, 0, at);
        }
    ALL_REFUSED("futex: every operation, private and shared");
}
/* Somebody waits by a file that goes: what comes after it, at the same place in memory, is another. */
static char *shared_page(void) { return mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0); }
static volatile pid_t waiter;
static void *waits_on(void *at) {
    waiter = syscall(SYS_gettid);
    struct timespec long_enough = {20, 0};
    return (void *)syscall(SYS_futex, at, FUTEX_WAIT, 0, &long_enough, 0, 0);
}
static int waits_for_what_goes(void) {
    pthread_t t;
    char *at = shared_page(), name[64], state[200] = "";
    pthread_create(&t, NULL, waits_on, at);
    for (int i = 0; i < 1000 && !strstr(state, ") S"); i++) { /* until it waits */
        usleep(1000);
        sprintf(name, "/proc/self/task/%d/stat", waiter);
        strncpy(state, get_text(name), sizeof(state) - 1);
    }
    munmap(at, PAGE);
    for (int i = 0; i < 100; i++)
        if (syscall(SYS_futex, shared_page(), FUTEX_WAKE, 1, 0, 0, 0))
            return 1;
    return 0;
}
static void test_futex_of_a_file_that_went(void) {
    pid_t p = fork();
    if (!p)
        _exit(waits_for_what_goes());
    OK(child_ends(p) == 0, "futex: a waiter by a file that went is not another file's");
}
static unsigned long end_at;
static int robust_how;
static int ends_with_list(void *unused) {
    struct {
        unsigned long next, offset, pending;
    } head = {(long)&head, 0, 0};
    unsigned long entry = (unsigned long)&head;
    (void)unused;
    switch (robust_how) {
    case 0: /* the list itself, and the word that is cleared */
        syscall(SYS_set_robust_list, end_at, 24);
        syscall(SYS_set_tid_address, end_at);
        break;
    case 1: /* the first entry */
        head.next = end_at;
        syscall(SYS_set_robust_list, &head, 24);
        break;
    case 2: /* the word of an entry */
        head.next = (unsigned long)&entry;
        head.offset = end_at - (unsigned long)&entry;
        syscall(SYS_set_robust_list, &head, 24);
        break;
    default: /* that of the lock that is being taken */
        head.pending = end_at;
        syscall(SYS_set_robust_list, &head, 24);
    }
    syscall(SYS_exit, 0);
    return 0;
}
static void test_thread_words(void) {
    char *stack = pages(16 * PAGE, RW);
    FOR_BAD(at) for (robust_how = 0; robust_how < 4; robust_how++) {
        end_at = at;
        pid_t p = clone(ends_with_list, stack + 16 * PAGE, CLONE_VM | SIGCHLD, 0);
        if (child_ends(p))
            failed++, printf("# a list of %lx, %d\n", at, robust_how);
    }
    ALL_REFUSED("robust lists and clear_child_tid");
    FOR_BAD(at) {
        pid_t p = raw_clone(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, NULL,
                            (void *)at, NULL, (void *)at);
        if (!p)
            _exit(0);
        if (p > 0 ? child_ends(p) != 0 : errno != EFAULT)
            failed++;
        REFUSED(raw_clone(CLONE_PIDFD | SIGCHLD, NULL, (void *)at, NULL, NULL), EFAULT, 0, at);
        REFUSED(syscall(SYS_clone3, at, 64), EFAULT, 0, at);
        REFUSED(syscall(SYS_get_robust_list, 0, at, &word), EFAULT, 0, at);
    }
    ALL_REFUSED("clone's words for thread ids");
}

/* --- signal frames, and what a program does by itself --- */
static void nothing(int s) { (void)s; }
static int on_alternate_stack(unsigned long at) {
    stack_t ss = {.ss_sp = (void *)at, .ss_size = 64 << 10};
    struct sigaction a = {.sa_handler = nothing, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &a, NULL);
    if (sigaltstack(&ss, NULL))
        return 1000 + SIGSEGV;
    raise(SIGUSR1);
    return 0;
}
static int with_stack_pointer(unsigned long at) {
    signal(SIGUSR1, nothing);
    asm volatile("mv t3, sp\n mv sp, %0\n mv a0, %1\n mv a1, %2\n li a7, 129\n ecall\n mv sp, t3\n"
                 :
                 : "r"(at), "r"((long)getpid()), "r"((long)SIGUSR1)
                 : "a0", "a1", "a7", "t3", "memory");
    return 0;
}
static int returns_from(unsigned long at) {
    asm volatile("mv sp, %0\n li a7, 139\n ecall\n" : : "r"(at) : "a7", "memory");
    __builtin_unreachable();
}
static int loads(unsigned long at) { return *(volatile char *)at, 0; }
static int stores(unsigned long at) { return *(volatile char *)at = 1, 0; }
static int jumps(unsigned long at) { return ((int (*)(void))(at & ~1UL))(); }
static void test_signals(void) {
    static const struct {
        const char *name;
        int (*fn)(unsigned long);
    } how[] = {{"a signal on an alternate stack", on_alternate_stack},
               {"a signal on the stack", with_stack_pointer},
               {"rt_sigreturn", returns_from},
               {"a load", loads},
               {"a store", stores},
               {"a jump", jumps}};
    for (unsigned i = 0; i < sizeof(how) / sizeof(*how); i++) {
        FOR_BAD(at) {
            pid_t p = fork();
            if (!p)
                _exit(how[i].fn(at));
            int end = child_ends(p);
            if (end != 1000 + SIGSEGV && end != 1000 + SIGBUS && end != ((1000 + SIGSEGV) & 255))
                failed++, printf("# %lx: ends with %d\n", at, end);
        }
        ALL_REFUSED(how[i].name);
    }
}

/* --- ranges of pages --- */
static void ranges(unsigned long at, unsigned long n) {
    unsigned long mask = 1, brk_was = syscall(SYS_brk, 0);
#define RANGE(nr, ...) REFUSED(syscall(nr, at, n, ##__VA_ARGS__), EINVAL, ENOMEM, at)
    RANGE(SYS_munmap);
    RANGE(SYS_mprotect, PROT_NONE);
    RANGE(SYS_madvise, MADV_DONTNEED);
    RANGE(SYS_madvise, MADV_WILLNEED);
    RANGE(SYS_madvise, MADV_DONTFORK);
    RANGE(SYS_madvise, MADV_HUGEPAGE);
    RANGE(SYS_mlock);
    RANGE(SYS_mlock2, MLOCK_ONFAULT);
    RANGE(SYS_munlock);
    RANGE(SYS_msync, MS_SYNC);
    REFUSED(syscall(SYS_mbind, at, n, MPOL_BIND, &mask, 64, 0), EINVAL, EFAULT, at);
    REFUSED(syscall(SYS_mremap, at, n, PAGE, MREMAP_MAYMOVE, 0), EINVAL, EFAULT, at);
    REFUSED(mmap((void *)at, n, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL, ENOMEM, at);
    if (syscall(SYS_brk, at) != (long)brk_was)
        failed++, printf("# brk %lx\n", at);
}
static void one_page(unsigned long at, int id) {
    char *p = pages(PAGE, RW);
    int mode;
    REFUSED(syscall(SYS_mremap, p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at), EINVAL, ENOMEM, at);
    REFUSED(shmat(id, (void *)at, 0), EINVAL, ENOMEM, at);
    REFUSED(shmat(id, (void *)at, SHM_REMAP), EINVAL, ENOMEM, at);
    REFUSED(shmdt((void *)at), EINVAL, 0, at);
    if (is_kernels(at))
        REFUSED(syscall(SYS_get_mempolicy, &mode, NULL, 0, at, MPOL_F_ADDR | MPOL_F_NODE), EFAULT, 0, at);
    munmap(p, PAGE);
}
static void test_ranges(void) {
    static const unsigned long lengths[] = {1, PAGE, HUGE, 1UL << 38, 1UL << 62, 1UL << 63};
    int id = shmget(IPC_PRIVATE, PAGE, 0600);
    FOR_BAD(raw) {
        unsigned long at = raw & ~(PAGE - 1);
        if (!is_kernels(at) && at != 1UL << 39 && getenv("WIDE"))
            continue; /* with Sv48 that is the user half too */
        for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
            ranges(at, lengths[i]);
        one_page(at, id);
    }
    ALL_REFUSED("munmap, mprotect, madvise, mlock, msync, mbind, mremap, mmap, brk, shmat, shmdt");
    shmctl(id, IPC_RMID, NULL);
    char *p = pages(4 * PAGE, RW);
    memset(p, 7, 4 * PAGE);
    static const unsigned long around[] = {1UL << 38, 1UL << 63, -3 * PAGE, -PAGE - 1, 0x3ffffff000UL};
    for (unsigned i = 0; i < sizeof(around) / sizeof(*around); i++)
        ranges((unsigned long)p, around[i]);
    OK(p[0] == 7 && p[4 * PAGE - 1] == 7 && !(*p = 8, 0), "and what lies before such a range is untouched");
    failed = 0; /* there is a hole, so what begins may say ENOMEM or EFAULT: all that counts is above */
    munmap(p, 4 * PAGE);
}

/* All of this process from `low` on goes; then a mapping is asked for that would reach beyond the half. */
static int maps_beyond(void *low) {
    unsigned long at = (unsigned long)low, end = 1UL << 38;
    if (munmap(low, end - at))
        syscall(SYS_exit, 3);
    for (unsigned long n = end - at; n <= end; n += (end - PAGE - at) / 8 & ~(PAGE - 1)) {
        long m =
            syscall(SYS_mmap, at + PAGE, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (m >= 0 && (unsigned long)m + n > end)
            syscall(SYS_exit, 4);
        if (m >= 0)
            syscall(SYS_munmap, m, n);
    }
    syscall(SYS_exit, 0);
    return 0;
}
static void test_hints(void) {
    FOR_BAD(at) {
        char *m = mmap((void *)at, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (m == MAP_FAILED || is_kernels((unsigned long)m))
            failed++, printf("# %lx: %p\n", at, m);
        else
            *m = 1, munmap(m, PAGE);
    }
    ALL_REFUSED("mmap: a place that cannot be is another");
    FAILS(mmap((void *)(8 * HUGE), 1UL << 62, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM,
          "and a length that cannot be ENOMEM");
    char *low = mmap((void *)0x20000000, 16 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    pid_t p = clone(maps_beyond, low + 16 * PAGE, SIGCHLD, (void *)0x2000000000UL);
    int end = child_ends(p);
    OK(end == 0 || end == 3, "a mapping does not reach out of the half, where nothing else is in its way");
    munmap(low, 16 * PAGE);
}

/* --- vectors --- */
static void test_vectors(void) {
    int zero = open("/dev/zero", O_RDONLY), file = open("/tmp/addresses", O_RDWR | O_CREAT, 0600), fd[2];
    pipe(fd);
    char b[8];
    FOR_BAD(at) {
        struct iovec v[2] = {{b, 4}, {(void *)at, 4}}, w = {(void *)at, 8};
        REFUSED(readv(zero, &w, 1), EFAULT, 0, at);
        REFUSED(writev(file, &w, 1), EFAULT, 0, at);
        REFUSED(writev(fd[1], &w, 1), EFAULT, 0, at);
        REFUSED(preadv(file, (void *)at, 1, 0), EFAULT, 0, at);
        errno = 0; /* the first piece may have been done */
        long r = readv(zero, v, 2);
        if (r != 4 && !(r == -1 && errno == EFAULT))
            failed++;
        REFUSED(syscall(SYS_execve, at, NULL, NULL), EFAULT, 0, at);
        REFUSED(syscall(SYS_execve, "/bin/sh", at, NULL), EFAULT, ENOENT, at);
        REFUSED(prctl(PR_SET_NAME, at), EFAULT, 0, at);
        REFUSED(syscall(SYS_seccomp, 1, 0, at), EFAULT, EINVAL, at);
    }
    ALL_REFUSED("readv, writev, preadv, execve, prctl, seccomp");
    struct iovec over[2] = {{b, 1UL << 62}, {b, 1UL << 62}};
    FAILS(readv(zero, over, 2), EINVAL, "lengths whose sum is negative");
    close(zero), close(file), close(fd[0]), close(fd[1]);
    unlink("/tmp/addresses");
}

/* --- what is there: pages of each size, and shared tables --- */
static char *area; /* 3 * 2 MB, then 2 MB of small pages; each word is its address */
static void make_area(void) {
    if (area)
        return;
    char *m = mmap(NULL, 8 * HUGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    area = (char *)(((unsigned long)m + HUGE - 1) & ~(HUGE - 1)) + HUGE;
    madvise(area, 3 * HUGE, MADV_HUGEPAGE);
    for (unsigned long i = 0; i < 4 * HUGE; i += 8)
        *(unsigned long *)(area + i) = (unsigned long)area + i;
}
static void test_reads(void) {
    make_area();
    pid_t p = tracee(NULL);
    char path[40], *b = malloc(4 * HUGE);
    sprintf(path, "/proc/%d/mem", p);
    int fd = open(path, O_RDONLY);
    struct iovec l = {b, 4 * HUGE}, r = {area, 4 * HUGE};
    OK(process_vm_readv(p, &l, 1, &r, 1, 0) == 4 * HUGE && !memcmp(b, area, 4 * HUGE),
       "a child's memory reads as one's own, in 2 MB and small pages");
    memset(b, 0, 4 * HUGE);
    OK(pread(fd, b, 4 * HUGE - 100, (long)area + 100) == 4 * HUGE - 100 &&
           !memcmp(b, area + 100, 4 * HUGE - 100),
       "and so it does by /proc/PID/mem");
    int same = 1;
    for (unsigned long i = 4; i < 4 * HUGE - 8; i += 66 * PAGE + 4) {
        unsigned long w = 0;
        same &= !pt(PTRACE_PEEKDATA, p, (long)area + i, (long)&w) && !memcmp(&w, area + i, 8);
    }
    OK(same, "and by PTRACE_PEEKDATA");
    close(fd);
    end_tracee(p);
    free(b);
}
/* A store to a child's memory is the child's alone, whatever tables and pages fork lets them share; and
 * before either has touched them, for that would be a fault, which sets right what is shared. */
static void test_stores(void) {
    make_area();
    static const unsigned long places[] = {3 * HUGE + 99 * PAGE, 3 * HUGE, 0, HUGE - 8, HUGE + 5 * PAGE};
    for (int how = 0; how < 3; how++) {
        pid_t p = tracee(NULL);
        char path[40];
        sprintf(path, "/proc/%d/mem", p);
        int fd = open(path, O_RDWR), good = 1;
        for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
            unsigned long *at = (void *)(area + places[i]), was = (unsigned long)at, new = ~was, now = 0;
            struct iovec l = {&new, 8}, r = {at, 8};
            good &= how == 0   ? process_vm_writev(p, &l, 1, &r, 1, 0) == 8
                    : how == 1 ? pt(PTRACE_POKEDATA, p, (long)at, new) == 0
                               : pwrite(fd, &new, 8, (long)at) == 8;
            l.iov_base = &now;
            good &= *(volatile unsigned long *)at == was && process_vm_readv(p, &l, 1, &r, 1, 0) == 8 &&
                    now == new;
        }
        close(fd);
        end_tracee(p);
        OK(good, how == 0   ? "process_vm_writev after fork: not in the parent"
                 : how == 1 ? "PTRACE_POKEDATA after fork: not in the parent"
                            : "/proc/PID/mem after fork: not in the parent");
    }
}
static sigjmp_buf back;
static void go_back(int s) { siglongjmp(back, s); }
static int trap_of_store(char *m) { /* the signal, or 0. By this process: fork would take rights away */
    int s = sigsetjmp(back, 1);
    signal(SIGSEGV, go_back);
    if (!s)
        *(volatile char *)m = 1;
    signal(SIGSEGV, SIG_DFL);
    return s;
}
static void test_forced(void) {
    static const int prots[] = {PROT_READ, PROT_NONE, PROT_READ | PROT_EXEC};
    int fd = open("/proc/self/mem", O_RDWR);
    for (int touched = 0; touched < 2; touched++)
        for (int i = 0; i < 3; i++) {
            char *m = mmap(NULL, 4 * HUGE, prots[i], MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            m = (char *)(((unsigned long)m + HUGE - 1) & ~(HUGE - 1));
            madvise(m, 2 * HUGE, MADV_HUGEPAGE);
            if (touched && prots[i])
                (void)*(volatile char *)(m + PAGE);
            if (pwrite(fd, "hello", 5, (long)m + HUGE - 2) != 5)
                failed++;
            if (trap_of_store(m + HUGE - 2) != SIGSEGV || trap_of_store(m + HUGE - 4) != SIGSEGV ||
                trap_of_store(m + HUGE + 3) != SIGSEGV)
                failed++, printf("# prot %d may be stored to\n", prots[i]);
            mprotect(m, 2 * HUGE, PROT_READ);
            if (memcmp(m + HUGE - 2, "hello", 5) || m[HUGE - 3] || m[HUGE + 3])
                failed++;
        }
    close(fd);
    ALL_REFUSED("what a debugger writes to memory that may not be written stays that");
}

/* Stores by process_vm_writev while others fork: each child's copy stands still. */
static volatile int stop_storing;
static char *moving;
static void *storer(void *unused) {
    static char from[2][PAGE];
    memset(from[1], 1, PAGE);
    for (int i = 0; !stop_storing; i++) {
        struct iovec l = {from[i & 1], PAGE}, r = {moving, PAGE};
        process_vm_writev(getpid(), &l, 1, &r, 1, 0);
    }
    return unused;
}
static void test_fork_meanwhile(void) {
    pthread_t t;
    moving = pages(PAGE, RW);
    pthread_create(&t, NULL, storer, NULL);
    int changed = 0;
    for (int i = 0; i < 100; i++) {
        pid_t p = fork();
        if (!p) {
            char was[PAGE];
            memcpy(was, moving, PAGE);
            usleep(10000); /* the storer was perhaps interrupted between finding the page and storing */
            _exit(memcmp(was, moving, PAGE) != 0);
        }
        changed += child_ends(p) != 0;
    }
    stop_storing = 1;
    pthread_join(t, NULL);
    OK(!changed, "process_vm_writev while others fork: a child's memory stands still");
}

static const struct {
    const char *name;
    void (*fn)(void);
} tests[] = {{"vm_calls", test_vm_calls},
             {"ptrace", test_ptrace},
             {"mem", test_mem},
             {"futex", test_futex},
             {"futex_gone", test_futex_of_a_file_that_went},
             {"thread_words", test_thread_words},
             {"signals", test_signals},
             {"ranges", test_ranges},
             {"hints", test_hints},
             {"vectors", test_vectors},
             {"reads", test_reads},
             {"stores", test_stores},
             {"forced", test_forced},
             {"fork_meanwhile", test_fork_meanwhile}};
int main(int argc, char **argv) { /* all, or the one that is named */
    struct rlimit no_core = {0, 0};
    printf("KTAP version 1\n");
    setrlimit(RLIMIT_CORE, &no_core);
    find_aliases();
    for (unsigned i = 0; i < sizeof(tests) / sizeof(*tests); i++)
        if (argc < 2 || !strcmp(argv[1], tests[i].name))
            tests[i].fn();
    return ktap_done();
}
