#!/usr/bin/python3
"""nm output on standard input -> assembly of the table that panic's backtraces use."""
import sys

symbols = []
for line in sys.stdin:
    parts = line.split()
    if len(parts) == 3 and parts[1] in "tT" and not parts[2].startswith((".L", "$")):
        symbols.append((int(parts[0], 16), parts[2]))
symbols.sort()
print('.section .ksyms, "a"\n.balign 8\n.globl ksyms_count\nksyms_count: .dword', len(symbols))
print(".globl ksyms\nksyms:")
for i, (address, _) in enumerate(symbols):
    print(f".dword {address:#x}, ksym_{i}")
for i, (_, name) in enumerate(symbols):
    print(f'ksym_{i}: .asciz "{name}"')
