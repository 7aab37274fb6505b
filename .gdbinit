# gdb-multiarch started in this folder: the kernel's symbols, connected to `make qemu-gdb`.
set pagination off
set confirm off
set architecture riscv:rv64
file build/kernel/tine.elf
source scripts/gdb/tine.py
if $_isvoid($port)
    target remote :1234
else
    eval "target remote :%d", $port
end
echo Connected. Try: tine fork-walk, tine ps, help tine; break copy_process; info threads (a thread is a hart).\n
