#!/usr/bin/python3
"""From kernel/core/syscalls.list: the dispatch table (first output) and <abi/syscall.h> (second)."""
import sys

source, table, header = sys.argv[1:4]
calls = [line.split() for line in open(source) if line.strip() and not line.startswith("#")]
with open(header, "w") as f:
    f.write("/* Generated from kernel/core/syscalls.list. */\n#pragma once\n")
    for number, name in calls:
        f.write(f"#define SYS_{name} {number}\n")
with open(table, "w") as f:
    f.write('/* Generated from kernel/core/syscalls.list. */\n#include "core/syscall.h"\n')
    for _, name in calls:
        f.write(f"long sys_{name}();\n")
    for symbol, low, high, base in (("syscall_table[SYSCALL_COUNT]", 0, 1024, 0),
                                    ("syscall_table_legacy[SYSCALL_LEGACY_COUNT]", 1024, 4096, 1024)):
        f.write(f"const syscall_fn {symbol} = {{\n")
        for number, name in calls:
            if low <= int(number) < high:
                f.write(f"    [{int(number) - base}] = (syscall_fn)sys_{name},\n")
        f.write("};\n")
