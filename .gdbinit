# gdb-multiarch started in this folder: the kernel's symbols, connected to `make qemu-gdb`.
set pagination off
set confirm off
set architecture riscv:rv64
file build/kernel/tine.elf
if $_isvoid($port)
    target remote :1234
else
    eval "target remote :%d", $port
end
echo Connected. Try: break copy_process, continue, backtrace, info threads (a thread is a hart).\n
