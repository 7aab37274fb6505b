#!/usr/bin/python3
"""make qemu DUMP=file: QEMU as ever, and when the kernel panics, a core file that gdb opens:
gdb-multiarch -x scripts/gdb/core.gdb build/kernel/tine.elf file. QEMU writes physical memory; here each piece gets the virtual addresses
that the kernel's page tables give it, and pages of zeros take no room on the disk."""
import argparse
import json
import os
import socket
import struct
import subprocess
import sys

import checks

p = argparse.ArgumentParser()
p.add_argument("--kernel", required=True, type=checks.readable)
p.add_argument("--out", required=True, type=checks.new_file)
p.add_argument("--nm", default="riscv64-unknown-elf-nm")
p.add_argument("qemu", nargs="+")
a = p.parse_args()
PAGE, OFFSET = 4096, 0xffffffc000000000  # OFFSET: from physical to the kernel's linear map (kernel/riscv/csr.h)


def pages(memory, root):
    """(va, pa, size) of each page above the linear map: the stacks. memory reads eight bytes of a physical address."""
    def walk(table, level, va):
        for i in range(512):
            entry = memory(table + 8 * i)
            size, at = PAGE << (9 * level), va + (i << (12 + 9 * level))
            if not entry & 1 or level == 2 and i < 256:
                continue
            at |= 0xffffff8000000000 if level == 2 else 0
            pa = (entry >> 10 & (1 << 44) - 1) << 12
            if entry & 0xe == 0:
                yield from walk(pa, level - 1, at)
            elif not 0 <= at - OFFSET - pa < 1:
                yield at, pa, size
    return walk(root, 2, 0)


def make_core(raw, out, symbols):
    """The core file `out` from QEMU's dump `raw`."""
    with open(raw, "rb") as f:
        head = f.read(64)
        phoff, = struct.unpack_from("<Q", head, 32)
        count, = struct.unpack_from("<H", head, 56)
        f.seek(phoff)
        segments = [struct.unpack("<IIQQQQQQ", f.read(56)) for _ in range(count)]
        note = next(s for s in segments if s[0] == 4)
        loads = [(s[4], s[2], s[5]) for s in segments if s[0] == 1]  # physical, offset, size

        def place(pa, size):
            return next((offset + pa - base for base, offset, n in loads if base <= pa and pa + size <= base + n), None)

        def memory(pa, size=8):
            f.seek(place(pa, size))
            return int.from_bytes(f.read(size), "little")
        found = []
        for va, pa, size in [(OFFSET + base, base, n) for base, _, n in loads] + list(pages(memory, symbols["swapper_pg_dir"] - OFFSET)):
            if place(pa, size) is None:
                continue  # a device
            if found and found[-1][0] + found[-1][2] == va and found[-1][1] + found[-1][2] == pa:
                found[-1][2] += size
            else:
                found.append([va, pa, size])
        f.seek(note[2])
        notes = f.read(note[5])
        start = 64 + 56 * (1 + len(found))
        data = (start + len(notes) + PAGE - 1) // PAGE * PAGE
        at = {}  # physical base -> offset in the new file
        for base, _, n in loads:
            at[base] = data
            data += n
        with open(out, "wb") as o:
            o.write(head[:32] + struct.pack("<QQIHHHHHH", 64, 0, 0, 64, 56, 1 + len(found), 0, 0, 0))
            o.write(struct.pack("<IIQQQQQQ", 4, 0, start, 0, 0, len(notes), len(notes), 0))
            for va, pa, size in found:
                base = next(b for b, _, n in loads if b <= pa < b + n)
                o.write(struct.pack("<IIQQQQQQ", 1, 7, at[base] + pa - base, va, pa, size, size, PAGE))
            o.write(notes)
            for base, offset, n in loads:
                f.seek(offset)
                for where in range(at[base], at[base] + n, 1 << 16):
                    block = f.read(min(1 << 16, at[base] + n - where))
                    if block.count(0) != len(block):
                        o.seek(where)
                        o.write(block)
            o.truncate(data)


nm = subprocess.run([a.nm, a.kernel], capture_output=True, text=True, check=True).stdout
symbols = {line.split()[-1]: int(line.split()[0], 16) for line in nm.splitlines() if len(line.split()) == 3}
ours, theirs = socket.socketpair()
qemu = subprocess.Popen([*a.qemu, "-device", "pvpanic-pci", "-action", "panic=pause", "-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"],
                        pass_fds=[theirs.fileno()])
theirs.close()
stream, raw = ours.makefile("rw"), os.path.abspath(a.out) + ".raw"


def tell(command, **arguments):
    stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    stream.flush()
    for line in stream:
        answer = json.loads(line)
        if "error" in answer:
            sys.exit(f"dump: {command}: {answer['error']['desc']}")
        if "return" in answer:
            return


panicked = False
try:
    for line in stream:
        event = json.loads(line)
        if "QMP" in event:
            tell("qmp_capabilities")
        if event.get("event") == "GUEST_PANICKED":
            panicked = True
            tell("dump-guest-memory", paging=False, protocol="file:" + raw)
            make_core(raw, a.out, symbols)
            print(f"core: {a.out}; gdb-multiarch -x scripts/gdb/core.gdb {a.kernel} {a.out}")
            tell("quit")
except (KeyboardInterrupt, ConnectionResetError):
    pass
finally:
    if os.path.exists(raw):
        os.unlink(raw)
code = qemu.wait()
sys.exit(255 if panicked else code)  # as without a core file
