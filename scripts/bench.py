#!/usr/bin/python3
"""Print the table of instruction counts (icount: a nanosecond is an instruction) and wall time for this build."""
import argparse
import os
import re
import subprocess
import sys

import checks

p = argparse.ArgumentParser()
p.add_argument("--kernel", required=True, type=checks.readable)
p.add_argument("--image", required=True, type=checks.image)
p.add_argument("--check", type=checks.readable, help="a file of figures: fail where a count grew by more than 5 %%")
p.add_argument("--update", type=checks.new_file, help="write the counts to such a file")
a = p.parse_args()
# Debian's Linux 6.12 on the same machine, and the targets: docs/performance.md says how they were measured.
ROWS = {"null system call": (445, 150), "fork+exit+wait, small": (228000, 25000), "fork call, small": (75600, 8000),
        "fork+exec+wait": (571000, 80000), "vfork+exec+wait": (408000, 60000), "vfork+exit+wait": (50900, 8000),
        "pipe round trip": (14200, 2500), "zero-fill page fault": (4500, 1200), "copy-on-write fault": (5480, 1800),
        "create, write 4 KB, unlink": (33900, 20000), "append 4 KB": (6700, 4000), "read 4 KB (cached)": (2950, 1500),
        "pipe, per 4 KB": (8850, 3000), "fork call, 1024 MB resident": (1900000, 10000), "fork+exit+wait, 1024 MB resident": (1910000, 40000),
        "first write in the child, 1024 MB resident": (14700, 14000)}
run = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "run.py"), "--kernel", a.kernel, "--image", a.image, "--cpus", "1"]


def bench(extra, command="cd /tmp; bench"):
    out = subprocess.run(run + extra + ["--", command], capture_output=True, text=True, check=True).stdout
    return {m.group(1): int(m.group(2)) for m in re.finditer(r"^(.+?) +(\d+)$", out, re.M)}


def compiler():
    return subprocess.run(["riscv64-unknown-elf-gcc", "-dumpfullversion"], capture_output=True, text=True).stdout.strip()


count = bench(["--icount", "--mem", "512M"])
big = bench(["--icount", "--mem", "2G"], "cd /tmp; bench -m 1024 resident")
if a.update:
    with open(a.update, "w") as f:
        f.write(f"# Instruction counts of make bench, by scripts/bench.py --update; make test fails where one grows by more than 5 %.\ncompiler {compiler()}\n")
        f.writelines(f"{n:10} {name}\n" for name, n in {**count, **big}.items())
    print(f"{a.update} written: commit it with the reason")
    sys.exit()
if a.check:
    lines = [line.split(None, 1) for line in open(a.check) if not line.startswith("#")]
    if lines[0][1].strip() != compiler():
        print(f"figures of gcc {lines[0][1].strip()}, this is {compiler()}: not compared")
        sys.exit(0)
    now, worse = {**count, **big}, []
    for n, name in lines[1:]:
        got = now.get(name.strip())
        if got is None or got > int(n) * 1.05:
            worse.append(f"{name.strip()}: {got} instructions, {n} are checked in")
    print("\n".join(worse) or f"{len(now)} rows within 5 % of {a.check}")
    sys.exit(bool(worse))
wall = bench(["--mem", "512M"])
print(f"{'operation':34} {'instructions':>12} {'Linux 6.12':>11} {'target':>8} {'ratio':>6} {'wall ns':>10}")
for name, n in {**count, **big}.items():
    linux, target = ROWS.get(name, (None, None))
    print(f"{name:34} {n:12,} {linux or 0:11,} {target or 0:8,} {(linux / n if linux else 0):6.1f} {wall.get(name, 0):10,}")
