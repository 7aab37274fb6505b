#!/usr/bin/python3
"""make curve (or curve.py --plot, of the figures that are there): what fork+exit+wait costs against resident memory, in instructions (icount, one hart): tine sharing tables, tine
copying them, Linux with huge pages and without. Writes docs/fork-curve.csv and docs/fork-curve.svg."""
import csv
import math
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "scripts"), os.path.join(TOP, "tests")]
import conftest  # noqa: E402
import debian  # noqa: E402

SIZES = [1, 4, 16, 64, 256, 1024]
BENCH = os.path.join(conftest.BUILD, "tests", "bench-linux")
ICOUNT = ["-icount", "shift=0,sleep=off"]


def figure(text):
    return int(re.search(r"^fork\+exit\+wait, \d+ MB resident +(\d+)", text, re.M).group(1))


def linux(mb, huge, tmp):
    initrd = os.path.join(tmp, "initrd")
    open(initrd, "wb").write(debian.initramfs({"dev": (0o40755, b""), "tmp": (0o41777, b""), "init": (0o100755, open(BENCH, "rb").read())}))
    r = subprocess.run(["qemu-system-riscv64", "-machine", "virt", "-bios", "default", "-display", "none", "-monitor", "none", "-serial", "stdio",
                        "-smp", "1", "-m", "3G", "-no-reboot", "-kernel", debian.linux(), "-initrd", initrd, *ICOUNT, "-append",
                        f"console=ttyS0 quiet panic=-1 transparent_hugepage={huge} -- -m {mb} resident"], stdin=subprocess.DEVNULL, capture_output=True, timeout=1200)
    return figure(r.stdout.decode(errors="replace"))


def tine(mb, how, tmp):
    m = conftest.Machine(tmp)
    m.add(BENCH, "/bench-linux")
    return figure(m.run(f"echo {how} > /proc/sys/vm/fork_tables; cd /tmp; /bench-linux -m {mb} resident", timeout=1200, cpus=1, mem="3G", icount=True).text)


CURVES = [("tine, shared tables", "#0b7a3b", lambda mb, d: tine(mb, "share", d)), ("tine, copied tables", "#c47a00", lambda mb, d: tine(mb, "copy", d)),
          ("Linux 6.12, huge pages", "#2455b8", lambda mb, d: linux(mb, "always", d)), ("Linux 6.12, 4 KB pages", "#a02020", lambda mb, d: linux(mb, "never", d))]
CSV = os.path.join(TOP, "docs/fork-curve.csv")
if "--plot" not in sys.argv:  # else the figures are there
    table = {}
    for name, _, measure in CURVES:
        for mb in SIZES:
            with tempfile.TemporaryDirectory() as d:
                table[name, mb] = measure(mb, d)
            print(f"{name:24} {mb:5} MB {table[name, mb]:12,}", flush=True)
    with open(CSV, "w", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(["resident MB", *(name for name, *_ in CURVES)])
        w.writerows([mb, *(table[name, mb] for name, *_ in CURVES)] for mb in SIZES)
with open(CSV, newline="") as f:
    rows = list(csv.reader(f))
table = {(name, int(row[0])): int(n) for row in rows[1:] for name, n in zip(rows[0][1:], row[1:])}

# --- the plot: both axes by powers ---
W, H, L, R, T, B = 800, 420, 100, 190, 30, 50
lo, hi = 4, 8  # 10^4 to 10^8 instructions


def x(mb):
    return L + (W - L - R) * math.log2(mb) / math.log2(SIZES[-1])


def y(n):
    return T + (H - T - B) * (hi - math.log10(n)) / (hi - lo)


with open(os.path.join(TOP, "docs/fork-curve.svg"), "w") as f:
    f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="12">\n<rect width="{W}" height="{H}" fill="white"/>\n'
            f'<text x="{L}" y="18" font-size="14">fork, exit and wait: instructions against resident memory</text>\n')
    for p in range(lo, hi + 1):
        f.write(f'<line x1="{L}" x2="{W - R}" y1="{y(10 ** p):.1f}" y2="{y(10 ** p):.1f}" stroke="#ddd"/><text x="{L - 8}" y="{y(10 ** p) + 4:.1f}" text-anchor="end">{10 ** p:,}</text>\n')
    for mb in SIZES:
        f.write(f'<text x="{x(mb):.1f}" y="{H - B + 20}" text-anchor="middle">{mb} MB</text>\n')
    last = []
    for name, colour, _ in sorted(CURVES, key=lambda c: -table[c[0], SIZES[-1]]):
        points = " ".join(f"{x(mb):.1f},{y(table[name, mb]):.1f}" for mb in SIZES)
        at = max([y(table[name, SIZES[-1]]) + 4] + [v + 15 for v in last])
        last.append(at)
        f.write(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
                + "".join(f'<circle cx="{x(mb):.1f}" cy="{y(table[name, mb]):.1f}" r="3" fill="{colour}"/>' for mb in SIZES)
                + f'<text x="{W - R + 10}" y="{at:.1f}" fill="{colour}">{name}</text>\n')
    f.write("</svg>\n")
