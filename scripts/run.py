#!/usr/bin/python3
"""Run one shell command on tine in a fresh copy of the image: its output alone, its exit status."""
import argparse
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile

import checks
import numa

p = argparse.ArgumentParser()
p.add_argument("--kernel", required=True, type=checks.readable)
p.add_argument("--image", required=True, type=checks.image)
p.add_argument("--cpus", default="2", type=checks.cpus)
p.add_argument("--mem", default="256M", type=checks.mem)
p.add_argument("--nodes", default="1", type=checks.nodes)
p.add_argument("--append", default="")
p.add_argument("--icount", action="store_true")
p.add_argument("--plugin", help="a QEMU plugin and its arguments")
p.add_argument("--keep", help="leave the image, as the command left it, there")
p.add_argument("command", nargs="+")
a = p.parse_args()
command = " ".join(a.command)
with tempfile.TemporaryDirectory() as d:
    root, extra = os.path.join(d, "root.img"), os.path.join(d, "out")
    subprocess.run(["cp", "--sparse=always", a.image, root], check=True)
    # The command travels as a file: no quoting can go wrong on the kernel's command line. Another file runs
    # it, and says first where the firmware's lines end and the command's begin.
    mark = "tine-run-" + secrets.token_hex(8)
    for name, text in (("cmd", command), ("run", f"echo {mark}\nexec /bin/sh /.cmd")):
        with open(os.path.join(d, name), "w") as f:
            f.write(text + "\n")
    subprocess.run(["debugfs", "-w", "-f", "-", root], capture_output=True, check=True, text=True,
                   input=f"write {d}/cmd /.cmd\nwrite {d}/run /.run\n",
                   env=dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin", E2FSPROGS_FAKE_TIME="1767225600"))
    disk = (["-initrd", root, "-icount", "shift=0,sleep=off", "-rtc", "clock=vm,base=2026-01-01"] if a.icount else
            ["-initrd", root] if a.nodes > 1 else
            ["-drive", f"file={root},format=raw,if=none,id=root", "-device", "virtio-blk-device,drive=root"])
    cmd = ["qemu-system-riscv64", "-machine", "virt", "-bios", "default", "-smp", str(a.cpus), "-m", a.mem, *numa.options(a.nodes, a.cpus, a.mem), "-display", "none",
           "-monitor", "none", "-serial", "stdio", "-global", "virtio-mmio.force-legacy=false", "-kernel", a.kernel, *disk,
           "-append", f"quiet {'turns ' if a.icount else ''}{a.append} init=/bin/sh -- /.run".strip()]
    if a.plugin:
        cmd += ["-plugin", a.plugin]
    proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL if not sys.stdin.isatty() else None, stdout=subprocess.PIPE)
    started, tail, held = False, b"", b""
    while chunk := os.read(proc.stdout.fileno(), 65536):
        if not started:
            tail += chunk
            at = tail.find(mark.encode())
            end = tail.find(b"\n", at) if at >= 0 else -1
            if end < 0:
                continue
            started, chunk = True, tail[end + 1:]
        chunk = held + chunk
        held = chunk[len(chunk.rstrip(b"\r")):]  # a line's end may come in two pieces
        sys.stdout.buffer.write(re.sub(rb"\r+\n", b"\n", chunk[:len(chunk) - len(held)]))
        sys.stdout.buffer.flush()
    status = proc.wait()
    if a.keep:
        shutil.move(root, a.keep)
    if not started:
        sys.stdout.buffer.write(tail)
sys.exit(status)
