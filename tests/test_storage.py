"""Nothing written is lost: power cuts, failing and full disks, damaged images, other systems' journals and tools."""
import os
import random
import subprocess
import sys
import time

import pytest
from conftest import BUILD, TOP, check_ktap, second_disk

sys.path[:0] = [os.path.join(TOP, "scripts"), os.path.join(TOP, "tests/powercut"), os.path.join(TOP, "tests/oracle")]
import debian  # noqa: E402
import powercut  # noqa: E402


def make_fs(path, size="16M", kind="ext3", *options):
    subprocess.run(["truncate", "-s", size, path], check=True)
    subprocess.run(["mke2fs", "-q", "-F", "-t", kind, "-b", "4096", *(("-J", "size=4") if kind == "ext3" else ()), *options, path], check=True)
    return str(path)


def clean(path):
    r = subprocess.run(["e2fsck", "-fn", path], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout
    return True


@pytest.mark.parametrize("seed, cpus, checksums", [(11, 1, 0), (12, 4, 0), (13, 2, 3)])
def test_power_cuts(seed, cpus, checksums):
    """make test-powercut in short; also with checksums in the log, which e2fsck looks at."""
    r = subprocess.run([sys.executable, os.path.join(TOP, "tests/powercut/powercut.py"), "--seed", str(seed), "--cpus", str(cpus), "--points", "40", "--tine", "2",
                        "--checksums", str(checksums)],
                       capture_output=True, text=True)
    assert r.returncode == 0 and "0 wrong" in r.stdout, r.stdout + r.stderr


@pytest.mark.parametrize("seed, debug", [(51, False), (52, True)])
def test_kills_and_cuts_under_churn(tmp_path, seed, debug):
    """make test-powercut in short: many processes change the same names and files of two disks, and the machine dies."""
    r = subprocess.run([sys.executable, os.path.join(TOP, "tests/powercut/churn.py"), "--seed", str(seed), "--kills", "16", "--stops", "15", "--cuts", "90", "--points", "30",
                        "--keep", str(tmp_path), *(["--debug"] if debug else [])], capture_output=True, text=True)
    assert r.returncode == 0 and "16 kills, 32 disks: 0 findings" in r.stdout, r.stdout[-4000:] + r.stderr


def test_a_truncation_that_takes_several_handles(machine, tmp_path):
    """A file over many small groups is cut, and removed: its blocks are free, and the journal has had room."""
    image = make_fs(tmp_path / "d", "96M", "ext3", "-g", "256", "-O", "^resize_inode,^meta_bg", "-i", "8192")
    machine.add(os.path.join(BUILD, "tests/linux/truncate"), "/t")
    r = machine.run("mount -t ext3 /dev/vdb /mnt && /t /mnt; umount /mnt; echo fine", debug=True, timeout=120, extra=second_disk(image))
    check_ktap(r.text)
    assert "fine" in r.text and clean(image)


def test_the_journals_protocol():
    """Explored (tests/powercut/model.py): in no state can a cut leave half of what belongs together; and each broken rule is found."""
    r = subprocess.run([sys.executable, os.path.join(TOP, "tests/powercut/model.py")], capture_output=True, text=True)
    assert r.returncode == 0 and r.stdout.count("all as they should be") == 2 and "NOT" not in r.stdout, r.stdout + r.stderr


def test_the_checker_sees_what_is_wrong(tmp_path):
    """A byte that nobody wrote, a file that was synced and is gone, a directory that leads nowhere: each is found."""
    scripts, before, log = powercut.record(str(tmp_path), 2, 80, 21, 2, 4)
    image = bytearray(open(before, "rb").read())
    powercut.apply(image, [op for op in powercut.entries(log) if op[1] is not None])
    assert powercut.check(image, scripts, str(tmp_path)) is None
    img = powercut.ext2.Image(image)
    worker = img.names(2)["w0"]
    files, _ = powercut.tree(img, worker)
    name, (ino, size) = max(files.items(), key=lambda f: f[1][1])
    block = img.map(img.inode(ino)[3], 0)
    one = bytearray(image)
    one[block * 4096 + 5] ^= 0x40
    assert "in no state" in powercut.check(one, scripts, str(tmp_path))
    two = bytearray(image)
    d = img.map(img.inode(worker)[3], 0) * 4096
    at = two.index(max(img.names(worker)).encode(), d)
    two[at] ^= 1
    assert powercut.check(two, scripts, str(tmp_path)) is not None
    three = bytearray(image)
    three[d:d + 4] = b"\xff\xff\xff\x7f"
    assert "e2fsck" in powercut.check(three, scripts, str(tmp_path))


def contents(path):
    image = powercut.ext2.Image(open(path, "rb").read())
    top = image.names(2)
    return {f"{w}/{n}": (size, image.content(ino)) for w in top if w.startswith("w") for n, (ino, size) in powercut.tree(image, top[w])[0].items()}


def test_a_journal_that_linux_left(machine, tmp_path):
    """Linux's ext4 driver writes to an ext3 disk until the power goes; tine recovers its journal, to what e2fsck
    makes of it too."""
    try:
        kernel, modules = debian.linux(), debian.disk_modules()
    except debian.Unavailable as e:
        pytest.skip(str(e))
    disk, scripts = powercut.prepare(str(tmp_path), 3, 400, 31, 4)
    tree = {"dev": (0o40755, b""), "mnt": (0o40755, b""), **modules}
    tree["load"] = (0o100755, open(os.path.join(BUILD, "tests/powercut-load"), "rb").read())
    for w, lines in enumerate(scripts):
        tree[f"s{w}"] = (0o100644, ("\n".join(lines) + "\n").encode())
    initrd = tmp_path / "initrd"
    initrd.write_bytes(debian.initramfs(tree))
    p = subprocess.Popen(["qemu-system-riscv64", "-machine", "virt", "-bios", "default", "-display", "none", "-monitor", "none", "-serial", "stdio", "-smp", "2",
                          "-m", "512M", "-global", "virtio-mmio.force-legacy=false", "-kernel", kernel, "-initrd", initrd, "-append",
                          f"console=ttyS0 quiet rdinit=/load -- /dev/vda {powercut.FS_MB << 20} /s0 /s1 /s2", *second_disk(disk)],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):  # until it has acknowledged something, and a little more
            time.sleep(0.1)
            with open(disk, "rb") as f:
                acks = powercut.acks_of(f.read())
            if min(a[1] for a in acks[:3]) > 60:
                break
    finally:
        p.kill()
        p.wait()
    assert min(a[1] for a in powercut.acks_of(open(disk, "rb").read())[:3]) > 60
    other = disk + ".e2fsck"
    subprocess.run(["cp", disk, other], check=True)
    assert "recovered" in powercut.by_tine(disk, str(tmp_path))
    assert clean(disk)
    subprocess.run(["e2fsck", "-p", other], capture_output=True)
    assert contents(disk) == contents(other) != {}


def test_times_in_nanoseconds(machine, tmp_path):
    """Where the inode has room; and e2fsck and debugfs agree on them. Inodes of 128 bytes have seconds."""
    for size, exact in (("256", True), ("128", False)):
        image = make_fs(tmp_path / f"d{size}", "16M", "ext3", "-I", size)
        machine.add(os.path.join(BUILD, "tests/linux/times"), "/t")
        r = machine.run("mount -t ext2 /dev/vdb /mnt && /t /mnt set; umount /mnt; mount -t ext2 /dev/vdb /mnt && /t /mnt get; umount /mnt", debug=True, timeout=60,
                        extra=second_disk(image))
        assert (("2000000000.123456789 4294967296.5" if exact else "2000000000.000000000 0.") in r.text), r.text
        assert clean(image)
        seen = subprocess.run(["debugfs", "-R", "stat /f", image], capture_output=True, text=True).stdout
        assert not exact or f"{123456789 << 2:08x}" in seen, seen


def test_a_file_of_more_than_4_gb(machine, tmp_path):
    """With holes: what is at 5 and at 1,500 GB is there, and the rest is zeros."""
    image = make_fs(tmp_path / "d", "16M")
    machine.add(os.path.join(BUILD, "tests/linux/large"), "/t")
    r = machine.run("mount -t ext2 /dev/vdb /mnt && /t /mnt; umount /mnt; echo fine", debug=True, timeout=60, extra=second_disk(image))
    assert "not ok" not in r.text and "ok 7" in r.text and "fine" in r.text, r.text
    assert clean(image)


@pytest.mark.parametrize("files, debug, cpus", [(100000, False, 2), (3000, True, 4)])
def test_large_directories_and_renames_under_load(machine, tmp_path, files, debug, cpus):
    image = make_fs(tmp_path / "d", "512M", "ext3", "-N", "150000")
    machine.add(os.path.join(BUILD, "tests/linux/dirs"), "/t")
    r = machine.run(f"mkdir /disk; mount -t ext3 /dev/vdb /disk && /t {files}; umount /disk", debug=debug, cpus=cpus, mem="1G", timeout=240, extra=second_disk(image))
    check_ktap(r.text)
    assert clean(image)


FILL = """mount -t ext2 /dev/vdb /mnt || exit 1
cd /mnt
i=0; while cat /bin/sh > f$i 2>/dev/null; do i=$((i+1)); done
while echo x > g$i 2>/dev/null; do i=$((i+1)); done
while mkdir d$i 2>/dev/null; do i=$((i+1)); done
ln -s /aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg long; echo y >> f0; mv f1 f2; mv g* /mnt/d1 2>/dev/null
cat /bin/ls > f3 2>/dev/null; rm -f f4 f5; cat /bin/sh > f4 && echo again
cd /; umount /mnt; echo fine"""


@pytest.mark.parametrize("kind, options", [("ext3", ()), ("ext2", ()), ("ext3", ("-N", "64"))])
def test_full(machine, tmp_path, kind, options):
    """No block, or no inode, is left, at whatever is tried: ENOSPC and nothing damaged; what is removed can be used again."""
    image = make_fs(tmp_path / "d", "12M" if kind == "ext3" else "4M", kind, *options)
    r = machine.run(FILL, debug=True, timeout=120, extra=second_disk(image))
    assert "fine" in r.text and clean(image), r.text
    assert "again" in r.text


def blkdebug(path, *rules):
    out = []
    for i, rule in enumerate(rules):
        out += [f"inject-error.{i}.{k}={v}" for k, v in rule.items()]
    return ("-blockdev", f"driver=file,filename={path},node-name=bare", "-blockdev", ",".join(["driver=blkdebug,image=bare,node-name=bad", *out]),
            "-device", "virtio-blk-device,drive=bad")


def test_a_write_that_fails_reaches_fsync(machine, tmp_path):
    """Data blocks that cannot be written: EIO from fsync, once for each open file; the file system goes on."""
    image = make_fs(tmp_path / "d", "16M")
    # The first data block of a new file: after the tables, the journal and lost+found.
    machine.add(os.path.join(BUILD, "tests/linux/disk_errors"), "/t")
    free = subprocess.run(["debugfs", "-R", "ffb 1", image], capture_output=True, text=True).stdout.split()[-1]
    r = machine.run("mount -t ext2 /dev/vdb /mnt && /t /mnt; umount /mnt; echo fine", debug=True, timeout=60,
                    extra=blkdebug(image, {"event": "none", "iotype": "write", "errno": 5, "sector": int(free) * 8, "once": "off"}))
    assert "not ok" not in r.text and "fine" in r.text and "ok 4" in r.text, r.text
    assert clean(image)


def journal_block(image, n):
    r = subprocess.run(["debugfs", "-R", f"bmap <8> {n}", image], capture_output=True, text=True)
    return int(r.stdout.split()[-1])


@pytest.mark.parametrize("where", ["journal", "flush", "super"])
def test_metadata_that_cannot_be_written(machine, tmp_path, where):
    """The journal, a barrier, or the super block cannot be written: EIO, then a file system that is read-only; no panic, no hang, and what was
    on the disk before is there."""
    image = make_fs(tmp_path / "d", "16M")
    rule = {"journal": {"event": "none", "iotype": "write", "errno": 5, "sector": journal_block(image, 30) * 8, "once": "off"},
            "flush": {"event": "none", "iotype": "flush", "errno": 5, "once": "off"}, "super": {"event": "none", "iotype": "write", "errno": 5, "sector": 0, "once": "off"}}[where]
    r = machine.run("mount -t ext2 /dev/vdb /mnt; cd /mnt; i=0; while test $i -lt 60; do i=$((i+1)); echo $i > f$i; sync; done 2>&1 | tail -n 1; echo z > z; "
                    "echo status $?; cd /; umount /mnt; dmesg | grep ext2; echo fine", debug=True, timeout=120, extra=blkdebug(image, rule))
    assert "fine" in r.text and "read-only" in r.text.lower(), r.text
    assert "status 0" not in r.text
    r = subprocess.run(["e2fsck", "-p", image], capture_output=True, text=True)
    assert r.returncode <= 1, r.stdout
    assert clean(image)


def test_blocks_that_cannot_be_read(machine, tmp_path):
    """EIO to who asks for them; the rest can be used."""
    image = make_fs(tmp_path / "d", "16M")
    open(tmp_path / "f", "wb").write(os.urandom(200000))
    subprocess.run(["debugfs", "-w", "-R", f"write {tmp_path}/f bad", image], check=True, capture_output=True)
    subprocess.run(["debugfs", "-w", "-R", f"write {tmp_path}/f good", image], check=True, capture_output=True)
    block = int(subprocess.run(["debugfs", "-R", "bmap /bad 20", image], capture_output=True, text=True).stdout.split()[-1])
    r = machine.run("mount -t ext2 /dev/vdb /mnt; cat /mnt/bad > /dev/null; echo bad $?; cat /mnt/good | wc -c; echo new > /mnt/new; rm /mnt/bad; umount /mnt; echo fine",
                    debug=True, timeout=60, extra=blkdebug(image, {"event": "none", "iotype": "read", "errno": 5, "sector": block * 8, "once": "off"}))
    assert "bad 1" in r.text and "200000" in r.text and "fine" in r.text, r.text
    assert clean(image)


def test_a_log_with_checksums_that_are_wrong(machine, tmp_path):
    """One bit of a copy in the log, of what describes it, of the log's super block: each is noticed."""
    scripts, before, log = powercut.record(str(tmp_path), 1, 60, 61, 1, 4, checksums=3)
    image = bytearray(open(before, "rb").read())
    ops = powercut.entries(log)
    powercut.apply(image, [op for op in ops[:len(ops) * 3 // 4] if op[1] is not None])
    first = int.from_bytes(image[journal_block(before, 0) * 4096 + 28:][:4], "big")  # where the log begins

    def mounted(at):
        bad = tmp_path / "bad"
        damaged = bytearray(image)
        if at:
            damaged[at] ^= 4
        bad.write_bytes(damaged)
        return machine.run("mount -t ext3 /dev/vdb /mnt && umount /mnt; dmesg | grep ext2", debug=True, extra=second_disk(bad), timeout=60).text
    block = [journal_block(before, n) * 4096 for n in (0, first, first + 1)]
    assert "recovered" in mounted(0) and "recovered 0" not in mounted(0)
    assert "the checksum of its journal's super block is wrong" in mounted(block[0] + 300)
    assert "recovered 0 transactions" in mounted(block[1] + 2000)
    assert "the journal's copy of block" in mounted(block[2] + 2000)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_journals(machine, tmp_path, seed):
    """Bits flipped in the super block, the groups, the inodes and the log of a disk whose journal is to be recovered: a message or an errno."""
    rng = random.Random(seed)
    scripts, before, log = powercut.record(str(tmp_path), 2, 60, 40 + seed, 2, 4)
    image = bytearray(open(before, "rb").read())
    ops = powercut.entries(log)
    powercut.apply(image, [op for op in ops[:len(ops) * 3 // 4] if op[1] is not None])
    start = journal_block(before, 0) * 4096
    for _ in range(30):
        at = rng.choice([1024 + rng.randrange(300), 4096 + rng.randrange(200), start + rng.randrange(80), start + rng.randrange(60) * 4096 + rng.randrange(40),
                         start + rng.randrange(400000), rng.randrange(2, 300) * 4096 + rng.randrange(256)])
        image[at] = rng.randrange(256)
    bad = tmp_path / "bad"
    bad.write_bytes(image)
    r = machine.run("mount -t ext2 /dev/vdb /mnt && { find /mnt | wc -l; cat /mnt/w0/* > /dev/null; cp -r /bin /mnt/new; rm -rf /mnt/w0; sync; umount /mnt; }; echo survived",
                    debug=True, extra=second_disk(bad), timeout=120)
    assert "survived" in r.text
