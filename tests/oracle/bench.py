#!/usr/bin/python3
"""make bench-linux: one static Linux binary, user/bench.c, on Debian's Linux and on tine, one hart of the same QEMU machine: instruction
counts under icount, and wall time without, side by side: each kernel a few times, in turns, and the best of each row, for a host is
not always as fast. Linux's root is its initramfs, tine's its tmpfs."""
import argparse
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "scripts"), os.path.join(TOP, "tests")]
import checks  # noqa: E402
import conftest  # noqa: E402
import debian  # noqa: E402

p = argparse.ArgumentParser()
p.add_argument("--mb", default=1024, type=checks.number(), help="resident memory for the rows of a large process")
p.add_argument("--only", default="")
p.add_argument("--no-wall", action="store_true")
p.add_argument("--runs", type=checks.number(), default=3, help="of each for wall time")
a = p.parse_args()
BENCH, TRUE = (os.path.join(conftest.BUILD, "tests", n) for n in ("bench-linux", "true-linux"))
ICOUNT = ["-icount", "shift=0,sleep=off"]


def rows(text):
    return {m.group(1): int(m.group(2)) for m in re.finditer(r"^(\S[^:\n]+?) +(\d+)\r?$", text, re.M)}


def on_linux(tmp, icount):
    initrd = os.path.join(tmp, "initrd")
    tree = {"dev": (0o40755, b""), "proc": (0o40755, b""), "tmp": (0o41777, b""), "bin": (0o40755, b""),
            "bin/true": (0o100755, open(TRUE, "rb").read()), "init": (0o100755, open(BENCH, "rb").read())}
    open(initrd, "wb").write(debian.initramfs(tree))
    r = subprocess.run(["qemu-system-riscv64", "-machine", "virt", "-bios", "default", "-display", "none", "-monitor", "none", "-serial", "stdio",
                        "-smp", "1", "-m", "3G", "-no-reboot", "-kernel", debian.linux(), "-initrd", initrd, *(ICOUNT if icount else []),
                        "-append", f"console=ttyS0 quiet panic=-1 -- -m {a.mb} {a.only}"], stdin=subprocess.DEVNULL, capture_output=True, timeout=1200)
    return rows(r.stdout.decode(errors="replace"))


def on_tine(tmp, icount):
    m = conftest.Machine(tmp)
    m.add(BENCH, "/bench-linux")
    m.add(TRUE, "/true-linux")
    return rows(m.run(f"cp /true-linux /tmp; cd /tmp; export TRUE=/tmp/true-linux; /bench-linux -m {a.mb} {a.only}", timeout=1200, cpus=1, mem="3G", icount=icount).text)


with tempfile.TemporaryDirectory() as d:
    counts = [on_linux(d, True), on_tine(d, True)]
    walls = [{}, {}]
    for _ in range(0 if a.no_wall else a.runs):
        for best, run in zip(walls, (on_linux, on_tine)):
            for name, ns in run(d, False).items():
                best[name] = min(best.get(name, ns), ns)
print(f"{'operation':38} {'Linux':>12} {'tine':>12} {'ratio':>6}   {'Linux ns':>12} {'tine ns':>12} {'ratio':>6}")
for name in counts[0]:
    values = [c.get(name, 0) for c in counts] + [w.get(name, 0) for w in walls]
    ratio = [f"{x / y:6.1f}" if y else "     -" for x, y in (values[:2], values[2:])]
    print(f"{name:38} {values[0]:12,} {values[1]:12,} {ratio[0]}   {values[2]:12,} {values[3]:12,} {ratio[1]}")
