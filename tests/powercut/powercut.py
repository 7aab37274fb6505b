#!/usr/bin/python3
"""make test-powercut: cut the power at every moment. A load runs on a journaled file system while QEMU records all writes and flushes of its disk
(blklogwrites). For each cut point the disk is made again as it may have been: everything up to the last flush, and of what was written since then
all, nothing, or some by lot. e2fsck must replay the journal and then find nothing to mend; and what is there must be a state that the load has been
in, not older than what it had acknowledged: files that were synced, names that change as a whole, no byte that was never written."""
import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tests"), HERE]
import conftest  # noqa: E402

import checks  # noqa: E402
import ext2  # noqa: E402

FS_MB, ACKS = 24, 64 * 1024
PAGE = 4096


# --- the load: steps, and what is there after each ---
def script(rng, steps):
    """Steps as lines, and for each file its identity. Generated against the state, so that every step succeeds."""
    lines, files, dirs, n = [], {}, [], 0
    while len(lines) < steps:
        n += 1
        names = list(files)
        kind = rng.choice("ccaaaaaffrruulldxttommss" if names else "cd")
        name = rng.choice(names) if names else None
        where = rng.choice(dirs) + "/" if dirs and rng.random() < 0.3 else ""
        if kind == "c" and len(files) < 12:
            new = f"{where}f{n}"
            files[new] = f = [n, 0]
            lines.append(f"c {new}")
        elif kind == "a":
            f = files[name]
            to = f[1] + rng.choice([100, 3000, 4096, 9000, 40000])
            if to < 150000:
                lines.append(f"a {name} {f[0]} {f[1]} {to}")
                f[1] = to
        elif kind == "f":
            lines.append(f"f {name}")
        elif kind == "r":
            to = rng.choice(names + [f"{where}r{n}"])
            if files.get(to) is not files[name]:  # between two names of one file rename does nothing
                lines.append(f"r {name} {to}")
                files[to] = files.pop(name)
        elif kind == "u":
            lines.append(f"u {name}")
            del files[name]
        elif kind == "o":
            lines.append(f"o {name} {files[name][0]} {files[name][1]} {files[name][1] + 5000}")
            if sum(f is files[name] for f in files.values()) > 1:  # it grows: only where nobody sees it
                lines.pop()
            else:
                del files[name]
        elif kind == "l":
            lines.append(f"l {name} {where}l{n}")
            files[f"{where}l{n}"] = files[name]
        elif kind == "d" and len(dirs) < 3:
            dirs.append(f"d{n}")
            lines.append(f"d d{n}")
        elif kind == "x" and dirs:
            d = rng.choice(dirs)
            if not any(f.startswith(d + "/") for f in files):
                dirs.remove(d)
                lines.append(f"x {d}")
        elif kind == "t" and files[name][1]:
            files[name][1] = rng.randrange(files[name][1])
            lines.append(f"t {name} {files[name][1]}")
        elif kind in "ms" and files[name][1] >= PAGE:
            lines.append(f"{kind} {name} {n} {rng.randrange(files[name][1] // PAGE)} {files[name][0]}")
    return lines


class File:
    def __init__(self, ident):
        self.ident, self.size, self.pages = ident, 0, {}  # pages that were stored to in place: the last pattern


class State:
    """What a worker's directory holds after some steps."""
    def __init__(self):
        self.files, self.dirs = {}, set()

    def step(self, line):
        w = line.split()
        if w[0] == "c":
            self.files[w[1]] = File(None)
        elif w[0] == "a":
            self.files[w[1]].ident, self.files[w[1]].size = int(w[2]), int(w[4])
        elif w[0] == "r":
            self.files[w[2]] = self.files.pop(w[1])
        elif w[0] in "uo":
            del self.files[w[1]]
        elif w[0] == "l":
            self.files[w[2]] = self.files[w[1]]
        elif w[0] == "d":
            self.dirs.add(w[1])
        elif w[0] == "x":
            self.dirs.remove(w[1])
        elif w[0] == "t":
            f = self.files[w[1]]
            f.size = int(w[2])
            f.pages = {p: i for p, i in f.pages.items() if p * PAGE < f.size}
        elif w[0] in "ms":
            self.files[w[1]].pages[int(w[3])] = int(w[2])


_patterns = {}


def pattern(ident, page):
    key = ident, page
    if key not in _patterns:
        _patterns[key] = bytes((ident * 37 + o * 11 + (o >> 9) * 5 + 1) & 0xff for o in range(page * PAGE, page * PAGE + PAGE))
    return _patterns[key]


def content_ok(data, f, later, cuts, synced):
    """synced: pages of files whose last pattern, or one of those that came later, must be there. later: patterns that may be in a page already, because what is stored in place needs no transaction; cuts: from where on in a page there may
    be zeros, because a truncation that is to come has cleared its last page."""
    if any(i == f.ident and p * PAGE >= len(data) for i, p in synced):
        return False
    for p in range((len(data) + PAGE - 1) // PAGE):
        have = data[p * PAGE:(p + 1) * PAGE]
        if (f.ident, p) in synced:
            if not mixed(have, synced[f.ident, p], p, PAGE):
                return False
            continue
        idents = {f.pages.get(p, f.ident), *later.get(p, ())}
        # A page that was cut and written again has two patterns in it, where one was stored in place before.
        if not any(i is not None and have == pattern(i, p)[:len(have)] for i in idents) and not mixed(have, {f.ident, *idents}, p, cuts.get(p, PAGE)):
            return False
    return True


def mixed(have, idents, page, cut):
    whole = [pattern(i, page) for i in idents if i is not None]
    return all(any(w[o] == b for w in whole) or (not b and o >= cut) for o, b in enumerate(have))


def tree(image, ino):
    """name -> (inode, size) of all files below, and the set of directories."""
    files, dirs = {}, set()
    for name, child in image.names(ino).items():
        mode, size, _, _ = image.inode(child)
        if mode & 0xf000 == 0x4000:
            dirs.add(name)
            files.update({f"{name}/{n}": (c, image.inode(c)[1]) for n, c in image.names(child).items()})
        else:
            files[name] = child, size
    return files, dirs


def worker_ok(image, ino, lines, acked, data_acked):
    """None, or what is wrong. ino: its directory, or None."""
    if ino is None:
        return f"its directory is gone, and {acked} steps were acknowledged" if acked else None
    files, dirs = tree(image, ino)
    state, contents = State(), {}
    for m in range(len(lines) + 1):
        if m >= acked and state.dirs == dirs and state.files.keys() == files.keys():
            nxt = lines[m].split() if m < len(lines) else [""]
            grows = state.files.get(nxt[1]) if nxt[0] == "a" else None
            fits = all(size == state.files[n].size or (state.files[n] is grows and grows.size < size <= int(nxt[4]))
                       for n, (_, size) in files.items())
            same = {}
            fits = fits and all(same.setdefault(id(state.files[n]), c) == c for n, (c, _) in files.items())  # links
            if fits:
                later, cuts, synced = {}, {}, {}
                for k, line in enumerate(lines[m:], m):
                    w = line.split()
                    if w[0] == "t":
                        page = int(w[2]) // PAGE
                        cuts[page] = min(cuts.get(page, PAGE), int(w[2]) % PAGE)
                        synced = {key: v for key, v in synced.items() if key[1] < page}  # of whichever file
                    if w[0] in ("m", "s"):
                        key = int(w[4]), int(w[3])
                        if k < data_acked:
                            synced[key] = {int(w[2])}
                        elif key in synced:
                            synced[key].add(int(w[2]))
                        later.setdefault(int(w[3]), set()).add(int(w[2]))
                for n, (c, _) in files.items():
                    if c not in contents:
                        contents[c] = image.content(c)
                    f = state.files[n]
                    if f.ident is None and f is grows:
                        f.ident = int(nxt[2])
                    if not content_ok(contents[c], f, later, cuts, synced):
                        break
                else:
                    return None
        if m < len(lines):
            state.step(lines[m])
    return f"it is in no state that the load was in since step {acked}: {sorted((n, s) for n, (_, s) in files.items())} {sorted(dirs)}"


# --- recording and cutting ---
def crc32c(data):
    crc = 0xffffffff
    for b in data:
        crc ^= b
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc


def add_checksums(disk, version):
    """The log of a fresh disk has them from now on: mke2fs gives them to ext4 alone."""
    block = int(subprocess.run(["debugfs", "-R", "bmap <8> 0", disk], capture_output=True, text=True).stdout.split()[-1])
    with open(disk, "r+b") as f:
        f.seek(block * 4096)
        sb = bytearray(f.read(1024))
        struct.pack_into(">I", sb, 40, struct.unpack_from(">I", sb, 40)[0] | {2: 8, 3: 16}[version])
        sb[0x50] = 4  # by CRC-32C
        struct.pack_into(">I", sb, 0xfc, 0)
        struct.pack_into(">I", sb, 0xfc, crc32c(sb))
        f.seek(block * 4096)
        f.write(sb)


def prepare(tmp, workers, steps, seed, journal_mb, checksums=0):
    """A fresh disk and scripts for it."""
    rng = random.Random(seed)
    disk = os.path.join(tmp, "disk")
    subprocess.run(["truncate", "-s", str(FS_MB * 1024 * 1024 + ACKS), disk], check=True)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext3", "-b", "4096", "-J", f"size={journal_mb}", disk, str(FS_MB * 256)], check=True)
    if checksums:
        add_checksums(disk, checksums)
    return disk, [script(rng, steps) for _ in range(workers)]


def acks_of(image):
    return [struct.unpack_from("<QQQ", image, FS_MB * 1024 * 1024 + w * PAGE) for w in range(ACKS // PAGE)]


def record(tmp, workers, steps, seed, cpus, journal_mb, checksums=0):
    disk, scripts = prepare(tmp, workers, steps, seed, journal_mb, checksums)
    log = os.path.join(tmp, "log")
    subprocess.run(["cp", disk, disk + ".before"], check=True)
    open(log, "wb").close()
    m = conftest.Machine(tmp)
    m.add(os.path.join(conftest.BUILD, "tests/powercut-load"), "/load")
    for w, lines in enumerate(scripts):
        path = os.path.join(tmp, f"s{w}")
        open(path, "w").write("\n".join(lines) + "\n")
        m.add(path, f"/s{w}", "0100644")
    blockdev = ["-blockdev", f"driver=file,filename={disk},node-name=f", "-blockdev", f"driver=file,filename={log},node-name=l",
                "-blockdev", "driver=blklogwrites,file=f,log=l,log-sector-size=512,log-super-update-interval=1,node-name=w", "-device", "virtio-blk-device,drive=w"]
    r = m.run(f"mkdir /mnt; mount -t ext2 /dev/vdb /mnt && /load /dev/vdb {FS_MB * 1024 * 1024} {' '.join(f'/s{w}' for w in range(workers))}; umount /mnt",
              timeout=600, cpus=cpus, extra=blockdev)
    if "load: done" not in r.text:
        sys.exit(f"the load failed:\n{r.text[-2000:]}")
    return scripts, disk + ".before", log


def entries(log):
    """(sector, data or None for a flush) in order."""
    with open(log, "rb") as f:
        magic, version, n, size = struct.unpack("<QQQI", f.read(28))
        assert (magic, version, size) == (0x6a736677736872, 1, 512), "not a log of blklogwrites"
        at, out = size, []
        for _ in range(n):
            f.seek(at)
            sector, sectors, flags, length = struct.unpack("<QQQQ", f.read(32))
            at += size
            data = None
            if sectors and not flags & 4:
                f.seek(at)
                data = f.read(sectors * 512)
                at += sectors * 512
            if data is not None:
                out.append((sector, data))
            if flags & 1:
                out.append((0, None))
        return out


def apply(image, writes):
    for sector, data in writes:
        image[sector * 512:sector * 512 + len(data)] = data


def check(image, scripts, tmp):
    """None, or what is wrong with the disk after a cut."""
    path = os.path.join(tmp, "cut")
    with open(path, "wb") as f:
        f.write(image)
    acks = acks_of(image)
    r = subprocess.run(["e2fsck", "-p", path], capture_output=True, text=True)
    if r.returncode > 1:
        return "e2fsck -p: " + r.stdout + r.stderr
    r = subprocess.run(["e2fsck", "-fn", path], capture_output=True, text=True)
    if r.returncode:
        return "e2fsck finds after the replay: " + r.stdout + r.stderr
    return state_ok(path, scripts, acks)


def state_ok(path, scripts, acks):
    with open(path, "rb") as f:
        img = ext2.Image(f.read())
    top = img.names(2)
    for w, lines in enumerate(scripts):
        acked, data_acked = acks[w][1:] if acks[w][0] == 0x6b6361656e6974 else (0, 0)
        wrong = worker_ok(img, top.get(f"w{w}"), lines, acked, data_acked)
        if wrong:
            return f"worker {w}, acknowledged {acked}, of data {data_acked}: {wrong}"
    return None


def by_tine(path, tmp):
    """tine itself replays the journal."""
    m = conftest.Machine(tmp)
    r = m.run("mkdir /mnt; mount -t ext2 /dev/vdb /mnt && umount /mnt; dmesg | grep ext2", timeout=60,
              extra=conftest.second_disk(path), debug=True)
    return r.text


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=checks.number(), default=1)
    p.add_argument("--workers", type=checks.number(), default=3)
    p.add_argument("--steps", type=checks.number(), default=150)
    p.add_argument("--points", type=checks.number(0), default=100, help="cut points, drawn by lot; 0: each write")
    p.add_argument("--tine", type=checks.number(0), default=3, help="of these, so many are replayed by tine too")
    p.add_argument("--cpus", type=checks.number(), default=2)
    p.add_argument("--journal", type=checks.number(), default=4, help="MB")
    p.add_argument("--checksums", type=int, default=0, choices=(0, 2, 3), help="version of those in the log")
    a = p.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as tmp:
        scripts, before, log = record(tmp, a.workers, a.steps, a.seed, a.cpus, a.journal, a.checksums)
        ops = entries(log)
        rng = random.Random(a.seed + 1000)
        flushes = sum(d is None for _, d in ops)
        points = sorted(rng.sample(range(len(ops)), min(a.points, len(ops)))) if a.points else range(len(ops))
        with open(before, "rb") as f:
            safe = bytearray(f.read())  # as of the last flush
        since, at, tried, tines = [], 0, 0, set(rng.sample(range(len(points)), min(a.tine, len(points))))
        for k, point in enumerate(points):
            while at <= point:
                if ops[at][1] is None:
                    apply(safe, since)
                    since = []
                else:
                    since.append(ops[at])
                at += 1
            some = [w for w in since if rng.random() < 0.5]
            rng.shuffle(some)
            for kind, writes in ("all", since), ("none", []), ("some", some):
                if kind != "all" and not since:
                    continue
                image = bytearray(safe)
                apply(image, writes)
                wrong = check(image, scripts, tmp)
                tried += 1
                if wrong is None and k in tines and kind == "some":
                    path = os.path.join(tmp, "mine")
                    open(path, "wb").write(image)
                    said = by_tine(path, tmp)
                    acks = acks_of(image)
                    r = subprocess.run(["e2fsck", "-fn", path], capture_output=True, text=True)
                    wrong = f"after tine's replay: {r.stdout}{said}" if r.returncode else state_ok(path, scripts, acks)
                if wrong:
                    bad += 1
                    print(f"cut after write {point} of {len(ops)}, {kind} of the {len(since)} since the last flush: {wrong}", flush=True)
                    keep = f"/tmp/powercut-{a.seed}-{point}-{kind}"
                    open(keep, "wb").write(image)
                    print(f"  the disk: {keep}")
                    if bad > 5:
                        break
            if bad > 5:
                break
        print(f"seed {a.seed}: {len(ops) - flushes} writes, {flushes} flushes; {len(points)} cut points, {tried} disks, {len(tines)} replayed by tine too: {bad} wrong")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
