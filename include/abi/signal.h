/* Signals of the Linux riscv64 ABI: numbers, codes, siginfo, sigaction, the frame. */
#pragma once
#include <abi/types.h>
#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGILL 4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGBUS 7
#define SIGFPE 8
#define SIGKILL 9
#define SIGUSR1 10
#define SIGSEGV 11
#define SIGUSR2 12
#define SIGPIPE 13
#define SIGALRM 14
#define SIGTERM 15
#define SIGSTKFLT 16
#define SIGCHLD 17
#define SIGCONT 18
#define SIGSTOP 19
#define SIGTSTP 20
#define SIGTTIN 21
#define SIGTTOU 22
#define SIGURG 23
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
#define SIGWINCH 28
#define SIGIO 29
#define SIGPWR 30
#define SIGSYS 31
#define SIGRTMIN 32
#define SIGRTMAX 64
#define _NSIG 64

#define SA_NOCLDSTOP 1u
#define SA_NOCLDWAIT 2u
#define SA_SIGINFO 4u
#define SA_ONSTACK 0x08000000u
#define SA_RESTART 0x10000000u
#define SA_NODEFER 0x40000000u
#define SA_RESETHAND 0x80000000u

#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

#define SS_ONSTACK 1
#define SS_DISABLE 2
#define SS_AUTODISARM (1u << 31)
#define MINSIGSTKSZ 2048

#define SI_USER 0
#define SI_KERNEL 0x80
#define SI_QUEUE (-1)
#define SI_TIMER (-2)
#define SI_TKILL (-6)
#define ILL_ILLOPC 1
#define FPE_INTDIV 1
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define BUS_ADRALN 1
#define BUS_ADRERR 2
#define TRAP_BRKPT 1
#define TRAP_TRACE 2
#define SYS_SECCOMP 1
#define CLD_EXITED 1
#define CLD_KILLED 2
#define CLD_DUMPED 3
#define CLD_TRAPPED 4
#define CLD_STOPPED 5
#define CLD_CONTINUED 6

typedef uint64_t abi_sigset_t;

struct abi_siginfo {
    int32_t si_signo, si_errno, si_code, __pad;
    union {
        struct {
            int32_t pid;
            uint32_t uid;
            union {
                int32_t status;
                uint64_t value;
            };
            int64_t utime, stime;
        };
        uint64_t addr;
        struct { /* SIGSYS */
            uint64_t call_addr;
            int32_t syscall;
            uint32_t arch;
        };
        struct {
            int32_t tid, overrun;
            uint64_t timer_value;
        };
        uint8_t bytes[112];
    };
};

struct abi_sigaction {
    uint64_t handler, flags;
    abi_sigset_t mask;
};
struct abi_stack {
    uint64_t ss_sp;
    int32_t ss_flags, __pad;
    uint64_t ss_size;
};
struct abi_sigcontext {
    uint64_t pc, regs[31]; /* x1 to x31 */
    uint64_t f[32];
    uint32_t fcsr, reserved[3];
    uint8_t q_rest[528 - 32 * 8 - 16];
} __attribute__((aligned(16)));
struct abi_ucontext {
    uint64_t uc_flags, uc_link;
    struct abi_stack uc_stack;
    abi_sigset_t uc_sigmask;
    uint8_t __rest[1024 / 8 - sizeof(abi_sigset_t)];
    struct abi_sigcontext uc_mcontext;
};
struct rt_sigframe {
    struct abi_siginfo info;
    struct abi_ucontext uc;
};
