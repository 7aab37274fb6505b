#!/usr/bin/python3
"""From kernel/core/syscalls.list: the dispatch table (first output), <abi/syscall.h> (second), and names for user/trace.c (third)."""
import sys

source, table, header, names = sys.argv[1:5]
calls = [line.split() for line in open(source) if line.strip() and not line.startswith("#")]
with open(header, "w") as f:
    f.write("/* Generated from kernel/core/syscalls.list. */\n#pragma once\n")
    for number, name in calls:
        f.write(f"#define SYS_{name} {number}\n")
with open(names, "w") as f:
    f.write("/* Generated from kernel/core/syscalls.list: number to name. */\n#pragma once\nstatic const char *const syscall_names[] = {\n")
    for number, name in calls:
        f.write(f'    [{number}] = "{name}",\n')
    f.write("};\n")
with open(table, "w") as f:
    f.write('/* Generated from kernel/core/syscalls.list. */\n#include "core/syscall.h"\n')
    for name in ["ni_syscall"] + [name for _, name in calls]:
        f.write(f"long sys_{name}();\n")
    of = {int(number): name for number, name in calls}
    for symbol, base, count in (("syscall_table", 0, "SYSCALL_COUNT"), ("syscall_table_legacy", 1024, "SYSCALL_LEGACY_COUNT")):
        size = {"SYSCALL_COUNT": 460, "SYSCALL_LEGACY_COUNT": 64}[count]
        f.write(f"_Static_assert({count} == {size}, \"scripts/gen_syscalls.py and syscall.h agree\");\n")
        f.write(f"const syscall_fn {symbol}[{count} + 1] = {{\n")
        for n in range(size + 1):
            f.write(f"    (syscall_fn)sys_{of.get(n + base, 'ni_syscall') if n < size else 'ni_syscall'},\n")
        f.write("};\n")
