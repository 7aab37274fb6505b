/* ptrace of the Linux riscv64 ABI: requests, options, events, and the structures they fill. */
#pragma once
#include <abi/types.h>
#define PTRACE_TRACEME 0
#define PTRACE_PEEKTEXT 1
#define PTRACE_PEEKDATA 2
#define PTRACE_PEEKUSR 3
#define PTRACE_POKETEXT 4
#define PTRACE_POKEDATA 5
#define PTRACE_POKEUSR 6
#define PTRACE_CONT 7
#define PTRACE_KILL 8
#define PTRACE_SINGLESTEP 9
#define PTRACE_ATTACH 16
#define PTRACE_DETACH 17
#define PTRACE_SYSCALL 24
#define PTRACE_SETOPTIONS 0x4200
#define PTRACE_GETEVENTMSG 0x4201
#define PTRACE_GETSIGINFO 0x4202
#define PTRACE_SETSIGINFO 0x4203
#define PTRACE_GETREGSET 0x4204
#define PTRACE_SETREGSET 0x4205
#define PTRACE_SEIZE 0x4206
#define PTRACE_INTERRUPT 0x4207
#define PTRACE_LISTEN 0x4208
#define PTRACE_PEEKSIGINFO 0x4209
#define PTRACE_GETSIGMASK 0x420a
#define PTRACE_SETSIGMASK 0x420b
#define PTRACE_GET_SYSCALL_INFO 0x420e

#define PTRACE_PEEKSIGINFO_SHARED 1
struct ptrace_peeksiginfo_args {
    uint64_t off;
    uint32_t flags;
    int32_t nr;
};

#define PTRACE_EVENT_FORK 1
#define PTRACE_EVENT_VFORK 2
#define PTRACE_EVENT_CLONE 3
#define PTRACE_EVENT_EXEC 4
#define PTRACE_EVENT_VFORK_DONE 5
#define PTRACE_EVENT_EXIT 6
#define PTRACE_EVENT_SECCOMP 7
#define PTRACE_EVENT_STOP 128
#define PTRACE_EVENTMSG_SYSCALL_ENTRY 1
#define PTRACE_EVENTMSG_SYSCALL_EXIT 2

#define PTRACE_O_TRACESYSGOOD 1u
#define PTRACE_O_TRACEFORK (1u << PTRACE_EVENT_FORK)
#define PTRACE_O_TRACEVFORK (1u << PTRACE_EVENT_VFORK)
#define PTRACE_O_TRACECLONE (1u << PTRACE_EVENT_CLONE)
#define PTRACE_O_TRACEEXEC (1u << PTRACE_EVENT_EXEC)
#define PTRACE_O_TRACEVFORKDONE (1u << PTRACE_EVENT_VFORK_DONE)
#define PTRACE_O_TRACEEXIT (1u << PTRACE_EVENT_EXIT)
#define PTRACE_O_TRACESECCOMP (1u << PTRACE_EVENT_SECCOMP)
#define PTRACE_O_EXITKILL (1u << 20)

struct user_regs_struct {
    uint64_t pc, x[31]; /* ra to t6 */
};
#define NT_PRSTATUS 1
#define NT_PRFPREG 2

#define AUDIT_ARCH_RISCV64 0xc00000f3u
#define PTRACE_SYSCALL_INFO_NONE 0
#define PTRACE_SYSCALL_INFO_ENTRY 1
#define PTRACE_SYSCALL_INFO_EXIT 2
#define PTRACE_SYSCALL_INFO_SECCOMP 3
struct ptrace_syscall_info {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t instruction_pointer, stack_pointer;
    union {
        struct {
            uint64_t nr, args[6];
        } entry;
        struct {
            int64_t rval;
            uint8_t is_error;
        } exit;
        struct {
            uint64_t nr, args[6];
            uint32_t ret_data;
        } seccomp;
    };
};
