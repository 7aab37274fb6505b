/* D2: PTRACE_SINGLESTEP. Linux has none on this machine (EIO), so this is for tine alone. Instructions that
 * depend on where they are, and those that do not, must do the same stepped as run; other threads must not
 * notice. */
#include "ktap.h"
#include <elf.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

struct regs {
    uint64_t pc, x[31];
};
static int st;
static volatile int caught, stop_now;
static long pt(long request, pid_t pid, unsigned long addr, unsigned long data) {
    return syscall(SYS_ptrace, request, pid, addr, data);
}
static struct regs get(pid_t p) {
    struct regs r = {0};
    struct iovec v = {&r, sizeof(r)};
    pt(PTRACE_GETREGSET, p, NT_PRSTATUS, (long)&v);
    return r;
}

/* From the first label to the second, by every kind of jump, both ways and with both outcomes. */
extern char mix_start[], mix_end[];
__attribute__((noinline)) static long mix(long n) {
    long r;
    asm volatile(
        "mv a0, %1\n li a1, 0\n li t3, 0\n"
        "mix_start: nop\n"
        "1: auipc t0, 0\n la t1, 1b\n sub t0, t0, t1\n add a1, a1, t0\n" /* 0: it knows where it is */
        "c.beqz a0, 2f\n c.addi a0, -1\n addi a1, a1, 3\n c.j 1b\n"
        "2: jal t0, 3f\n addi a1, a1, 100\n"
        "3: bne a1, zero, 4f\n addi a1, a1, 1000\n"
        "4: blt a1, zero, 5f\n bge zero, a1, 5f\n bltu a1, zero, 5f\n bgeu zero, a1, 5f\n beq zero, a1, 5f\n "
        "addi a1, a1, 7\n"
        "5: la t1, 6f\n jr t1\n addi a1, a1, 500\n"
        "6: la t1, 7f\n c.jalr t1\n addi a1, a1, 11\n j 8f\n"
        "7: sub t2, ra, t1\n add a1, a1, t2\n c.jr ra\n"
        "8: la t1, 9f\n jalr t0, 4(t1)\n nop\n"
        "9: addi a1, a1, 900\n .option push\n .option norvc\n fcvt.d.l ft0, a1\n fadd.d ft0, ft0, ft0\n "
        "fcvt.l.d a1, ft0\n .option pop\n"
        "addi sp, sp, -16\n sd a1, 0(sp)\n ld a0, 0(sp)\n amoadd.d a1, a0, (sp)\n ld a1, 0(sp)\n addi sp, "
        "sp, 16\n"
        "li a7, 172\n ecall\n slt a0, zero, a0\n add a1, a1, a0\n c.li a0, 1\n c.bnez a0, 10f\n addi a1, a1, "
        "64\n"
        "10: mv %0, a1\n mix_end: nop\n"
        : "=r"(r)
        : "r"(n)
        : "a0", "a1", "a7", "t0", "t1", "t2", "t3", "ra", "ft0", "memory");
    return r;
}
static void *steps_here(void *a) {
    while (!stop_now)
        if (mix(5) != (long)a)
            return (void *)1;
    return 0;
}
static void handler(int s) { (void)s, caught = 1; }
__attribute__((noinline)) static void *faults(void *a) { return (void *)(long)*(volatile char *)a; }

/* Step p until it is at `to`; how many steps. -1: something else stopped it. */
static int step_to(pid_t p, uintptr_t to, uintptr_t low, uintptr_t high, int most) {
    int n = 0;
    while (n < most) {
        if (pt(PTRACE_SINGLESTEP, p, 0, 0) || waitpid(p, &st, __WALL) != p || !WIFSTOPPED(st) ||
            WSTOPSIG(st) != SIGTRAP)
            return -1;
        n++;
        uintptr_t pc = get(p).pc;
        if (pc == to)
            return n;
        if (low && (pc < low || pc > high))
            return -2;
    }
    return -3;
}
static void plant(pid_t p, uintptr_t at, long *text) {
    pt(PTRACE_PEEKTEXT, p, at & ~7UL, (long)text);
    long with = *text & ~(0xffffL << (at % 8 * 8));
    pt(PTRACE_POKETEXT, p, at & ~7UL, with | 0x9002L << (at % 8 * 8));
}
/* Run p to `at`. */
static int run_to(pid_t p, uintptr_t at) {
    long text;
    plant(p, at, &text);
    pt(PTRACE_CONT, p, 0, 0);
    int ok = waitpid(p, &st, __WALL) == p && WIFSTOPPED(st) && get(p).pc == at;
    pt(PTRACE_POKETEXT, p, at & ~7UL, text);
    return ok;
}

/* The page that steps are made in: where it is, of p or (0) of us. */
static char *step_page(pid_t p) {
    char path[40], line[200];
    unsigned long at = 0, start;
    sprintf(path, p ? "/proc/%d/maps" : "/proc/self/maps", p);
    FILE *f = fopen(path, "r");
    while (fgets(line, sizeof(line), f))
        if (strstr(line, "[step]") && sscanf(line, "%lx", &start) == 1)
            at = start;
    fclose(f);
    return (char *)at;
}
#define USUAL_PLACE ((char *)0x3fc0010000UL)
#define OURS 64
/* The program has put something of its own where that page would go: both stay what they are. */
static void test_place_taken(void) {
    pid_t p = fork();
    if (!p) {
        char *m = mmap(USUAL_PLACE, OURS * 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        *m = 7;
        pt(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        _exit(mix(5) == mix(5) && *m == 7 ? 20 : 1);
    }
    waitpid(p, &st, 0);
    run_to(p, (uintptr_t)mix_start);
    OK(step_to(p, (uintptr_t)mix_end, (uintptr_t)mix_start, (uintptr_t)mix_end, 400) > 80,
       "stepped, though the usual place is taken");
    char *at = step_page(p);
    OK(at && (at < USUAL_PLACE || at >= USUAL_PLACE + OURS * 4096), "the page is elsewhere");
    int zero = 1;
    for (long i = 1; i < OURS; i++) {
        long w = 1;
        zero &= !pt(PTRACE_PEEKDATA, p, (long)USUAL_PLACE + i * 4096, (long)&w) && !w;
    }
    OK(zero, "and the program's memory is its own");
    pt(PTRACE_DETACH, p, 0, 0);
    OK(child_ends(p) == 20, "it ends well");
}
/* That page goes with the address space it was made for: no child has it, and it is not moved or joined. */
static void test_page_stays(void) {
    pid_t p = fork();
    if (!p) {
        pt(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        char *at = step_page(0);
        if (!at || !madvise(at, 4096, MADV_DOFORK) || errno != EINVAL ||
            !madvise(at, 4096, MADV_KEEPONFORK) ||
            mremap(at, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, at + 8 * 4096) != MAP_FAILED ||
            mremap(at, 4096, 3 * 4096, 0) != MAP_FAILED)
            _exit(1);
        madvise(at, 4096, MADV_DONTNEED);
        pid_t c = fork();
        if (!c)
            _exit(*(volatile char *)at);
        _exit(child_ends(c) == 1000 + SIGSEGV ? 21 : 2);
    }
    waitpid(p, &st, 0);
    pt(PTRACE_SINGLESTEP, p, 0, 0);
    waitpid(p, &st, 0);
    pt(PTRACE_DETACH, p, 0, 0);
    OK(child_ends(p) == 21, "the page of steps cannot be given to a child, moved or made larger");
}

int main(void) {
    printf("KTAP version 1\n");
    fflush(stdout);
    long want = mix(5);
    pid_t p = fork();
    if (!p) {
        pt(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        _exit(mix(5) == want && mix(0) == mix(0) ? 17 : 1);
    }
    waitpid(p, &st, 0);
    OK(run_to(p, (uintptr_t)mix_start), "a breakpoint before the piece");
    int n = step_to(p, (uintptr_t)mix_end, (uintptr_t)mix_start, (uintptr_t)mix_end, 400);
    OK(n > 80, "each instruction is one step, and the pc is always in the program");
    printf("# %d steps\n", n);
    siginfo_t si;
    OK(!pt(PTRACE_GETSIGINFO, p, 0, (long)&si) && si.si_code == 2 && si.si_addr == (void *)mix_end,
       "GETSIGINFO: TRAP_TRACE");
    pt(PTRACE_CONT, p, 0, 0);
    waitpid(p, &st, 0);
    OK(WIFEXITED(st) && WEXITSTATUS(st) == 17, "what was stepped computes what runs freely");

    int pipes[2];
    pipe(pipes);
    p = fork();
    if (!p) { /* two threads run the piece freely, the first is stepped through it */
        pthread_t t[2];
        for (int i = 0; i < 2; i++)
            pthread_create(&t[i], 0, steps_here, (void *)want);
        pt(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        long bad = 0;
        void *r;
        for (int i = 0; i < 20; i++)
            bad |= mix(5) != want;
        stop_now = 1;
        for (int i = 0; i < 2; i++)
            pthread_join(t[i], &r), bad |= (long)r;
        _exit(bad ? 1 : 18);
    }
    waitpid(p, &st, 0);
    for (n = 0; n < 1500; n++)
        if (pt(PTRACE_SINGLESTEP, p, 0, 0) || waitpid(p, &st, __WALL) != p || !WIFSTOPPED(st))
            break;
    OK(n == 1500, "1500 steps of one thread");
    pt(PTRACE_CONT, p, 0, 0);
    waitpid(p, &st, 0);
    OK(WIFEXITED(st) && WEXITSTATUS(st) == 18,
       "the others ran the same text meanwhile, and nothing hit them");

    p = fork();
    if (!p) {
        signal(SIGUSR1, handler);
        pt(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        mix(1);
        faults((void *)8);
        _exit(0);
    }
    waitpid(p, &st, 0);
    run_to(p, (uintptr_t)mix_start);
    OK(!pt(PTRACE_SINGLESTEP, p, 0, SIGUSR1) && waitpid(p, &st, 0) == p && get(p).pc == (uintptr_t)handler,
       "a step with a signal ends at its handler");
    n = step_to(p, (uintptr_t)mix_end, 0, 0, 4000);
    OK(n > 20, "stepped through it and back");
    for (n = 0; n < 200 && !pt(PTRACE_SINGLESTEP, p, 0, 0) && waitpid(p, &st, 0) == p && WIFSTOPPED(st) &&
                WSTOPSIG(st) == SIGTRAP;
         n++)
        ;
    struct regs r = get(p);
    pt(PTRACE_GETSIGINFO, p, 0, (long)&si);
    OK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGSEGV && si.si_addr == (void *)8 && r.pc >= (uintptr_t)faults &&
           r.pc < (uintptr_t)faults + 40,
       "an instruction that faults: SIGSEGV, at its own address");
    kill(p, SIGKILL);
    waitpid(p, &st, 0);

    p = fork();
    if (!p) {
        pt(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        pid_t c = fork();
        if (!c)
            _exit(9);
        waitpid(c, &st, 0);
        _exit(WEXITSTATUS(st) + 10);
    }
    waitpid(p, &st, 0);
    for (n = 0; n < 20000; n++) {
        if (pt(PTRACE_SINGLESTEP, p, 0,
               WIFSTOPPED(st) && WSTOPSIG(st) == SIGTRAP ? 0
               : WSTOPSIG(st) == SIGCHLD                 ? SIGCHLD
                                                         : 0))
            break;
        waitpid(p, &st, 0);
        if (!WIFSTOPPED(st))
            break;
    }
    OK(WIFEXITED(st) && WEXITSTATUS(st) == 19, "a fork is stepped over, and the child runs freely");
    printf("# %d steps\n", n);

    p = fork();
    if (!p) {
        pt(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        for (;;)
            mix(3);
    }
    waitpid(p, &st, 0);
    for (n = 0; n < 100; n++)
        pt(PTRACE_SINGLESTEP, p, 0, 0), waitpid(p, &st, 0);
    pt(PTRACE_SINGLESTEP, p, 0, 0);
    kill(p, SIGKILL);
    OK(waitpid(p, &st, 0) == p, "killed in the middle of a step");
    test_place_taken();
    test_page_stays();
    return ktap_done();
}
