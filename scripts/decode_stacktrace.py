#!/usr/bin/python3
"""make decode LOG=file: a console log with panics or warnings in it, and behind each address of the kernel its function, file and
line, with what was inlined there. Reads standard input where there is no file."""
import argparse
import os
import re
import subprocess
import sys

import checks

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
p = argparse.ArgumentParser()
p.add_argument("--kernel", type=checks.readable, help="build/kernel/tine.elf; left out: that of the builds here whose symbols are the log's")
p.add_argument("--cross", default="riscv64-unknown-elf-")
p.add_argument("log", nargs="?")
a = p.parse_args()
try:
    text = (open(a.log, errors="replace") if a.log else sys.stdin).read()
except OSError as e:
    sys.exit(f"decode: {a.log}: {e.strerror}")
FRAME = re.compile(r"\[([0-9a-f]{16})\] ([\w.]+)\+0x([0-9a-f]+)")


def wrong(kernel):
    """How many of the log's frames are not where this kernel has them."""
    nm = subprocess.run([a.cross + "nm", kernel], capture_output=True, text=True)
    if nm.returncode:
        sys.exit(f"decode: {nm.stderr.strip()}")
    at = {(int(m.group(1), 16), m.group(2)) for m in re.finditer(r"^(\w+) \w (.+)$", nm.stdout, re.M)}
    return sum((int(pc, 16) - int(off, 16), name) not in at for pc, name, off in FRAME.findall(text))


if not FRAME.search(text):
    sys.exit("decode: no backtrace in " + (a.log or "standard input"))
builds = [os.path.join(TOP, "build", d, "tine.elf") for d in ("kernel", "kernel-debug", "kernel-ftrace")]
kernels = [a.kernel] if a.kernel else [k for k in builds if os.path.exists(k)]
if not kernels:
    sys.exit("decode: no kernel here: run make, or name one with --kernel")
kernel = min(kernels, key=wrong)
if n := wrong(kernel):
    print(f"decode: {n} of {len(FRAME.findall(text))} addresses are not what {os.path.relpath(kernel)} has there: is the log another build's?", file=sys.stderr)
found = sorted({pc for pc, _, _ in FRAME.findall(text)})
out = subprocess.run([a.cross + "addr2line", "-a", "-i", "-f", "-e", kernel], input="\n".join(found), capture_output=True, text=True, check=True).stdout
lines, pc = {}, None
names = iter(out.splitlines())
for line in names:
    if re.match(r"0x[0-9a-f]{16}$", line):
        pc = line[2:]
        lines[pc] = []
    else:
        file, number = next(names).split(" ")[0].rsplit(":", 1)
        lines[pc].append((line, os.path.relpath(os.path.normpath(file), TOP) if file != "??" else file, number))
for line in text.splitlines():
    m = FRAME.search(line)
    print(line + (" " + ", in ".join(f"{file}:{n}" + (f" ({f})" if f != m.group(2) else "") for f, file, n in lines[m.group(1)]) if m else ""))
