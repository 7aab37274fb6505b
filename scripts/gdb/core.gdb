# For a core file of the kernel (make qemu DUMP=file): the tine commands, and where it stands.
set pagination off
set confirm off
source scripts/gdb/tine.py
eval "thread %d", hart_ids['kernel/debug/panic.c'::panic_hart] + 1
