#!/usr/bin/python3
"""make qemu-record: a run of one hart whose every input is written down, in build/record. make qemu-replay: that run again, exactly, as
often as wanted, each time halted for gdb; Ctrl-C ends it. The root is in memory, so nothing but the console is input."""
import argparse
import os
import shutil
import socket
import subprocess
import sys
import time

import checks

p = argparse.ArgumentParser()
p.add_argument("what", choices=["record", "replay"])
p.add_argument("--kernel", required=True, type=checks.readable)
p.add_argument("--image", required=True, type=checks.image)
p.add_argument("--build", required=True)
p.add_argument("--mem", default="256M", type=checks.mem)
p.add_argument("--append", default="")
p.add_argument("--port", default="1234", type=checks.number(1, 65535))
a = p.parse_args()
folder = os.path.join(a.build, "record")
kernel, image, log, words = (os.path.join(folder, n) for n in ("tine.elf", "fs.img", "replay.bin", "words"))
if a.what == "record":
    os.makedirs(folder, exist_ok=True)
    shutil.copy(a.kernel, kernel)
    shutil.copy(a.image, image)
    with open(words, "w") as f:
        f.write(f"{a.mem}\n{a.append}")
elif not os.path.exists(log):
    sys.exit("nothing is recorded: make qemu-record first")
mem, append = open(words).read().split("\n", 1)
qemu = ["qemu-system-riscv64", "-machine", "virt", "-bios", "default", "-smp", "1", "-m", mem, "-display", "none", "-serial", "stdio",
        "-global", "virtio-mmio.force-legacy=false", "-kernel", kernel, "-initrd", image, "-append", append, "-icount", f"shift=0,rr={a.what},rrfile={log}"]


def nudge(q, monitor):
    """While a replayed machine waits for input, QEMU 7.2 at times sleeps where it should go on; an empty line to its monitor wakes it."""
    monitor.setblocking(False)
    while q.poll() is None:
        try:
            monitor.send(b"\n")
            monitor.recv(1 << 16)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
        time.sleep(0.02)
    monitor.close()


try:
    if a.what == "record":
        sys.exit(subprocess.run([*qemu, "-monitor", "none"]).returncode)
    print("waiting for gdb: run gdb-multiarch in this folder; then tine when, rstep, rcontinue, when-changed. Ctrl-C here ends.", flush=True)
    while True:  # a step back in time is a replay from the start to just before
        ours, theirs = socket.socketpair()
        monitor = ["-chardev", f"socket,id=m,fd={theirs.fileno()}", "-mon", "chardev=m"]
        q = subprocess.Popen([*qemu, *monitor, "-gdb", f"tcp:127.0.0.1:{a.port}", "-S"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()
        nudge(q, ours)
except KeyboardInterrupt:
    pass
