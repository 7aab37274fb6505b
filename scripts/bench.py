#!/usr/bin/python3
"""Print the table of instruction counts (icount: a nanosecond is an instruction) and wall time for this build."""
import argparse
import os
import re
import subprocess
import sys

p = argparse.ArgumentParser()
p.add_argument("--kernel", required=True)
p.add_argument("--image", required=True)
a = p.parse_args()
# Debian's Linux 6.12 on the same machine, and the targets: docs/performance.md says how they were measured.
ROWS = {"null system call": (445, 150), "fork+exit+wait, small": (228000, 25000), "fork call, small": (75600, 8000),
        "fork+exec+wait": (571000, 80000), "vfork+exec+wait": (408000, 60000), "vfork+exit+wait": (50900, 8000),
        "pipe round trip": (14200, 2500), "zero-fill page fault": (4500, 1200), "copy-on-write fault": (5480, 1800),
        "create, write 4 KB, unlink": (33900, 20000), "append 4 KB": (6700, 4000), "read 4 KB (cached)": (2950, 1500)}
run = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "run.py"), "--kernel", a.kernel, "--image", a.image, "--cpus", "1"]


def bench(extra, command="cd /tmp; bench"):
    out = subprocess.run(run + extra + ["--", command], capture_output=True, text=True, check=True).stdout
    return {m.group(1): int(m.group(2)) for m in re.finditer(r"^(.+?) +(\d+)$", out, re.M)}


count, wall = bench(["--icount", "--mem", "512M"]), bench(["--mem", "512M"])
big = bench(["--icount", "--mem", "2G"], "cd /tmp; bench -m 1024 resident")
print(f"{'operation':34} {'instructions':>12} {'Linux 6.12':>11} {'target':>8} {'ratio':>6} {'wall ns':>10}")
for name, n in {**count, **big}.items():
    linux, target = ROWS.get(name, (None, None))
    print(f"{name:34} {n:12,} {linux or 0:11,} {target or 0:8,} {(linux / n if linux else 0):6.1f} {wall.get(name, 0):10,}")
