#!/usr/bin/python3
"""make profile CMD="command": every instruction that the kernel ran for a command, by function and by call stack. A table, and
a flame graph as SVG that a browser shows with no network. Under icount on one hart: the counts are exact and repeat."""
import argparse
import bisect
import collections
import difflib
import html
import os
import re
import subprocess
import sys

import checks

HERE = os.path.dirname(os.path.abspath(__file__))
p = argparse.ArgumentParser()
p.add_argument("--kernel", required=True, type=checks.readable)
p.add_argument("--image", required=True, type=checks.image)
p.add_argument("--build", required=True)
p.add_argument("--cross", default="riscv64-unknown-elf-")
p.add_argument("--only", help="count what has this function on its stack")
p.add_argument("--mem", default="512M", type=checks.mem)
p.add_argument("command", nargs="+")
a = p.parse_args()
os.makedirs(os.path.join(a.build, "profile"), exist_ok=True)
plugin, table, raw, svg = (os.path.join(a.build, "profile", n) for n in ("plugin.so", "table", "raw", "flame.svg"))
PROBE_TAKEN = 77  # the status of a QEMU that has taken the plugin and was asked no more
NEWEST = 7        # the last version of the plugin interface that profile/plugin.c knows, QEMU 11.1's


def build_plugin():
    """The plugin, for the oldest version of the interface that this QEMU takes."""
    for version in range(1, NEWEST + 1):
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror",
                        f"-DPLUGIN_VERSION={version}", f"-DPROBE_TAKEN={PROBE_TAKEN}",
                        "-o", plugin, os.path.join(HERE, "profile/plugin.c")], check=True)
        r = subprocess.run(["qemu-system-riscv64", "-machine", "none", "-display", "none", "-monitor",
                            "none", "-serial", "none", "-S", "-plugin", f"{plugin},probe=on"],
                           capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        if r.returncode == PROBE_TAKEN:
            return
    reason = (r.stderr.strip() or "no reason given").splitlines()[-1]
    sys.exit(f"make profile: this QEMU takes no plugin of version 1 to {NEWEST}: {reason}")


build_plugin()

# --- where the kernel calls and returns ---
symbols = sorted((int(m.group(1), 16), m.group(2)) for m in re.finditer(
    r"^(\w+) [tT] ([\w.]+)$", subprocess.run([a.cross + "nm", a.kernel], check=True, capture_output=True, text=True).stdout, re.M)
    if not m.group(2).startswith(".L") and not m.group(2).startswith("$"))
starts = [s for s, _ in symbols]
if a.only and a.only not in (n for _, n in symbols):
    near = difflib.get_close_matches(a.only, [n for _, n in symbols], 3)
    sys.exit(f"profile: the kernel has no function {a.only}" + (f": {', '.join(near)}?" if near else ", or it is inlined everywhere"))
letters = {}
for m in re.finditer(r"^\s*([0-9a-f]{8,16}):\s+[0-9a-f ]+\t(\S+)\s*([^#\n]*)", subprocess.run(
        [a.cross + "objdump", "-d", "-M", "no-aliases", a.kernel], check=True, capture_output=True, text=True).stdout, re.M):
    op, args = m.group(2), m.group(3).strip()
    kind = "s" if op == "sret" else "c" if (op in ("jal", "jalr") and args.startswith("ra,")) or op == "c.jalr" else \
        "r" if (op == "jalr" and args.startswith("zero,") and "(ra)" in args) or (op == "c.jr" and args == "ra") else None
    if kind:
        letters[int(m.group(1), 16)] = kind
first, last = starts[0], starts[-1] + 4096
with open(table, "w") as f:
    f.write(f"{dict((n, s) for s, n in symbols)['trap_entry']:x} {first:x} {last - first:x} ")
    f.write("".join(letters.get(at, ".") for at in range(first, last, 2)))

# --- run ---
run = [sys.executable, os.path.join(HERE, "run.py"), "--icount", "--cpus", "1", "--mem", a.mem, "--kernel", a.kernel, "--image", a.image,
       "--plugin", f"{plugin},table={table},out={raw}", "--", *a.command]
status = subprocess.run(run).returncode


def name(address):
    i = bisect.bisect_right(starts, address) - 1
    return symbols[i][1] if i >= 0 else hex(address)


stacks = collections.Counter()
for line in open(raw):
    path, n = line.split()
    frames = []
    for f in (name(int(x, 16)) for x in path.split(";")):
        if not frames or frames[-1] != f:
            frames.append(f)
    if not a.only or a.only in frames:
        stacks[tuple(frames[frames.index(a.only):] if a.only else frames)] += int(n)
total = sum(stacks.values()) or 1
own, below = collections.Counter(), collections.Counter()
for frames, n in stacks.items():
    own[frames[-1]] += n
    for f in set(frames):
        below[f] += n
print(f"{total:,} instructions in the kernel" + (f" under {a.only}" if a.only else "") + f"\n{'function':32} {'own':>12} {'%':>6} {'with callees':>14}")
for f, n in own.most_common(30):
    print(f"{f:32} {n:12,} {100 * n / total:6.1f} {below[f]:14,}")

# --- the picture ---
WIDTH, ROW = 1200, 17
boxes, depth = [], 0


def layout(items, level, x):
    """items: [(frames, n)] below one frame; boxes in order of name."""
    global depth
    depth = max(depth, level)
    groups = collections.defaultdict(list)
    for frames, n in items:
        if len(frames) > level:
            groups[frames[level]].append((frames, n))
    for f in sorted(groups):
        n = sum(k for _, k in groups[f])
        w = WIDTH * n / total
        if w >= 0.3:
            boxes.append((x, level, w, f, n))
            layout(groups[f], level + 1, x)
        x += w


layout(list(stacks.items()), 0, 0.0)
height = (depth + 1) * ROW + 30
with open(svg, "w") as f:
    f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">\n'
            f'<rect width="{WIDTH}" height="{height}" fill="#fffdf7"/>\n<text x="6" y="14">{html.escape(" ".join(a.command))}: {total:,} kernel instructions</text>\n')
    for x, level, w, fn, n in boxes:
        y = height - (level + 1) * ROW - 4
        hue = 20 + hash_of % 40 if (hash_of := sum(map(ord, fn)) * 7) else 0
        f.write(f'<g><title>{html.escape(fn)}: {n:,} ({100 * n / total:.1f} %)</title><rect x="{x:.2f}" y="{y}" width="{max(w - 0.5, 0.2):.2f}" height="{ROW - 1}" '
                f'fill="hsl({hue},75%,{62 + hash_of % 12}%)"/>')
        if w > 30:
            f.write(f'<text x="{x + 3:.2f}" y="{y + 12}">{html.escape(fn[:int(w / 6.8)])}</text>')
        f.write("</g>\n")
    f.write("</svg>\n")
print(f"flame graph: {os.path.relpath(svg)}")
sys.exit(status)
