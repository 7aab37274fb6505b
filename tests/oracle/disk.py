#!/usr/bin/python3
"""make bench-disk: one static Linux program on a virtio disk of Debian's Linux (its ext4 driver, on ext4 and on ext3) and of tine
(ext3 and ext2), one hart of the same QEMU machine, in microseconds of wall time, the best of three."""
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "scripts"), os.path.join(TOP, "tests")]
import conftest  # noqa: E402
import debian  # noqa: E402

PROGRAM = os.path.join(conftest.BUILD, "tests/oracle-disk")


def disk(tmp, kind):
    image = os.path.join(tmp, "disk")
    with open(image, "w") as f:
        f.truncate(512 << 20)
    subprocess.run(["mke2fs", "-q", "-F", "-b", "4096", "-t", kind, image], check=True)
    return ["-drive", f"file={image},format=raw,if=none,id=data", "-device", "virtio-blk-device,drive=data"]


def rows(text):
    return {m.group(1): int(m.group(2)) for m in re.finditer(r"^(\S[^:\n]+?) +(\d+)\r?$", text, re.M)}


def on_linux(tmp, kind):
    kernel = debian.linux()
    tree = {"dev": (0o40755, b""), "proc": (0o40755, b""), "init": (0o100755, open(PROGRAM, "rb").read()), **debian.disk_modules()}
    initrd = os.path.join(tmp, "initrd")
    open(initrd, "wb").write(debian.initramfs(tree))
    r = subprocess.run(["qemu-system-riscv64", "-machine", "virt", "-bios", "default", "-display", "none", "-monitor", "none", "-serial", "stdio",
                        "-smp", "1", "-m", "1G", "-no-reboot", "-global", "virtio-mmio.force-legacy=false", "-kernel", kernel, "-initrd", initrd,
                        "-append", "console=ttyS0 quiet panic=-1", *disk(tmp, kind)], stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    return rows(r.stdout.decode(errors="replace"))


def on_tine(tmp, kind):
    m = conftest.Machine(tmp)
    m.add(PROGRAM, "/disk")
    return rows(m.run("mount -t ext2 /dev/vdb /mnt && /disk /mnt && umount /mnt", timeout=300, cpus=1, mem="1G", extra=disk(tmp, kind)).text)


def best(run, kind):
    found = {}
    for _ in range(3):
        with tempfile.TemporaryDirectory() as d:
            for name, v in run(d, kind).items():
                found[name] = min(v, found.get(name, v))
    return found


columns = [best(on_linux, "ext4"), best(on_linux, "ext3"), best(on_tine, "ext3"), best(on_tine, "ext2")]
print(f"{'microseconds':44} {'Linux ext4':>11} {'Linux ext3':>11} {'tine ext3':>11} {'tine ext2':>11} {'ext4/tine':>9} {'ext3/tine':>9}")
for name in columns[2]:
    v = [c.get(name, 0) for c in columns]
    print(f"{name:44} {v[0]:11,} {v[1]:11,} {v[2]:11,} {v[3]:11,} {v[0] / v[2] if v[2] else 0:9.1f} {v[1] / v[2] if v[2] else 0:9.1f}")
