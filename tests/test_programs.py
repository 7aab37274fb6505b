"""Programs on tine: the checklist's (tests/abi), unmodified Linux binaries, and our own."""
import glob
import os
import re
import subprocess
import sys

import pytest
from conftest import BUILD, TOP, check_ktap, second_disk, tail

ABI = sorted(os.path.basename(p)[:-2] for p in glob.glob(os.path.join(TOP, "tests/abi/*.c")))
sys.path.insert(0, os.path.join(TOP, "scripts"))
import debian  # noqa: E402
import seeds  # noqa: E402

PTHREAD = sorted(os.path.basename(p)[:-2] for p in glob.glob(os.path.join(TOP, "tests/pthread/*.c")))
LINUX = sorted(os.path.basename(p)[:-2] for p in glob.glob(os.path.join(TOP, "tests/linux/*.c")))


@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("name", ABI)
def test_abi(machine, name, cpus):
    machine.ktap(os.path.join(BUILD, "tests/abi", name), cpus=cpus, debug=True)


@pytest.mark.parametrize("cpus", [2, 4])
def test_groups_under_load(machine, cpus):
    machine.add(os.path.join(BUILD, "tests/linux/groups"), "/t")
    r = machine.run(f"/t 10 {cpus}; cat /proc/sys/debug/page_tables", cpus=cpus, debug=True)
    check_ktap(r.text)
    assert r.text.rstrip().endswith("\nok")


@pytest.mark.parametrize("nodes, cpus", [(2, 2), (3, 4)])
def test_memory_policy_on_a_machine_of_nodes(machine, nodes, cpus):
    machine.ktap(os.path.join(BUILD, "tests/abi/mempolicy"), cpus=cpus, nodes=nodes, debug=True)


@pytest.mark.parametrize("name", LINUX)
def test_linux_binary(machine, name):
    machine.ktap(os.path.join(BUILD, "tests/linux", name), cpus=2)


@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("name", PTHREAD)
def test_pthreads_of_glibc(machine, name, cpus):
    machine.ktap(os.path.join(BUILD, "tests/pthread", name), cpus=cpus, debug=True)


@pytest.mark.parametrize("name", PTHREAD)
def test_pthreads_of_musl(machine, name, tmp_path):
    try:
        libc = debian.musl_gcc(os.path.join(TOP, "tests/pthread", name + ".c"), str(tmp_path / "t"), os.path.join(TOP, "tests/abi"))
    except debian.Unavailable as e:
        pytest.skip(str(e))
    machine.library(libc, "ld-musl-riscv64.so.1")
    machine.ktap(str(tmp_path / "t"), cpus=2)


@pytest.mark.parametrize("cpus,tasks", [(1, 4), (2, 5), (8, 24)])
def test_equal_tasks_get_equal_time_within_5_percent(machine, cpus, tasks):
    machine.add(os.path.join(BUILD, "tests/linux/fair"), "/t")
    r = machine.run(f"/t {tasks} 10 5", cpus=cpus)
    check_ktap(r.text)
    assert r.status == 0, r.text


@pytest.mark.parametrize("seed,cpus", [(1, 1), (2, 4), (3, 2)])
def test_page_tables_against_a_model(machine, seed, cpus):
    """With all page tables looked at after each step; sharing, and copying for comparison."""
    machine.add(os.path.join(BUILD, "tests/linux/tables"), "/t")
    r = machine.run(f"/t {seed} 24" + ("; echo copy > /proc/sys/vm/fork_tables; /t 9 10; echo 0 > /proc/sys/vm/fork_copy_pages; /t 10 10" if cpus == 2 else ""),
                    cpus=cpus, debug=True, timeout=120)
    assert "not ok" not in r.text and r.text.count("ok 3 truncation") == (3 if cpus == 2 else 1), tail(r.text)


@pytest.mark.parametrize("seed,cpus,nodes", [(1, 1, 1), (2, 4, 1), (3, 2, 2)])
def test_copy_on_write_against_a_model(machine, seed, cpus, nodes):
    """Every byte of up to five processes after every step, superpages split by any of them. On the second, copied tables too."""
    machine.add(os.path.join(BUILD, "tests/linux/cow"), "/t")
    r = machine.run(f"/t {seed} 70" + ("; echo copy > /proc/sys/vm/fork_tables; /t 12 20" if cpus == 4 else ""),
                    cpus=cpus, nodes=nodes, debug=True, timeout=120)
    assert "not ok" not in r.text and r.text.count("ok 1 every byte") == (2 if cpus == 4 else 1), tail(r.text)


@pytest.mark.parametrize("policy", ["madvise", "always"])
def test_superpages_in_the_checked_build(machine, policy):
    machine.add(os.path.join(BUILD, "tests/linux/huge"), "/t")
    machine.add(os.path.join(BUILD, "tests/linux/tables"), "/u")
    r = machine.run(f"echo {policy} > /proc/sys/vm/transparent_hugepage; cat /proc/sys/vm/transparent_hugepage; /t && /u 12 12 && forktest",
                    cpus=2, mem="512M", debug=True, timeout=120)
    assert f"[{policy}]" in r.text and "not ok" not in r.text and r.status == 0, tail(r.text)


def test_dynamic_linux_binary(machine, tmp_path):
    """With the dynamic loader and shared C library of Debian's cross compiler."""
    out = str(tmp_path / "t")
    subprocess.run(["riscv64-linux-gnu-gcc", "-O1", "-w", "-I", os.path.join(TOP, "tests/abi"), "-o", out, os.path.join(TOP, "tests/linux/programs.c"),
                    "-lpthread", "-Wl,-Bstatic", "-latomic", "-Wl,-Bdynamic"], check=True)
    for lib in ("ld-linux-riscv64-lp64d.so.1", "libc.so.6"):
        machine.library(os.path.join("/usr/riscv64-linux-gnu/lib", lib), lib)
    machine.ktap(out, cpus=2)


def test_static_pie(machine, tmp_path):
    """A position-independent program without interpreter: loaded above its link address 0."""
    source, out = tmp_path / "p.c", str(tmp_path / "t")
    source.write_text("""
void start_c(long *sp) {
    static char text[] = "pie at high address\\n";
    register long a0 asm("a0") = 1, a1 asm("a1") = (long)text, a2 asm("a2") = sizeof(text) - 1, a7 asm("a7") = 64;
    asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    a0 = (long)start_c > 0x1000000 && *sp == 1 ? 6 : 1, a7 = 93;
    asm volatile("ecall" : : "r"(a0), "r"(a7));
}
asm(".globl _start\\n_start: mv a0, sp\\n call start_c");
""")
    subprocess.run(["riscv64-linux-gnu-gcc", "-nostdlib", "-static-pie", "-Wl,--no-dynamic-linker", "-fPIE", "-O1", "-o", out, str(source)], check=True)
    machine.add(out, "/t")
    r = machine.run("/t", cpus=1)
    assert "pie at high address" in r.text and r.status == 6


def test_segments_that_meet_in_a_page(machine, tmp_path):
    """A linker that counts bytes, not pages, lets a segment begin in the page in which the one before it ended (binutils 2.47 does)."""
    (tmp_path / "p.c").write_text("""
__attribute__((section(".variables"))) volatile long there = 5;
static const char text[] = "one page\\n";
void _start(void) {
    there++;
    register long a0 asm("a0") = 1, a1 asm("a1") = (long)text, a2 asm("a2") = sizeof(text) - 1, a7 asm("a7") = 64;
    asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    a0 = there, a7 = 94;
    asm volatile("ecall" : : "r"(a0), "r"(a7));
}
""")
    (tmp_path / "p.ld").write_text("""
PHDRS { t PT_LOAD FLAGS(5); r PT_LOAD FLAGS(4); d PT_LOAD FLAGS(6); }
SECTIONS {
    . = 0x20000 + SIZEOF_HEADERS; .text : { *(.text*) } :t
    . = ALIGN(4096); .rodata : { *(.rodata*) *(.srodata*) } :r
    .variables : { *(.variables) } :d
    /DISCARD/ : { *(.eh_frame) *(.comment) *(.note*) }
}""")
    subprocess.run(["riscv64-linux-gnu-gcc", "-O1", "-nostdlib", "-static", "-no-pie", "-Wl,-T," + str(tmp_path / "p.ld"), "-Wl,--build-id=none", "-o",
                    str(tmp_path / "p"), str(tmp_path / "p.c")], check=True)
    machine.add(str(tmp_path / "p"), "/t")
    r = machine.run("/t", cpus=1)
    assert (r.text.strip().splitlines()[-1], r.status) == ("one page", 6)


def test_host_units():
    r = subprocess.run([os.path.join(BUILD, "tests/host/unit")], capture_output=True, text=True)
    check_ktap(r.stdout)
    assert r.returncode == 0, r.stderr


@pytest.mark.parametrize("command,want", [
    ("forkdemo", "Child Complete!"), ("threads", "counter 40000 of 40000"), ("vforkdemo", "we waited at least 100 ms"),
    ("cowdemo", "the parent's bytes are unchanged"), ("clonedemo", "pid 1     parent nobody"),
    ("pstree -p", "sh(1)"), ("ps -l", "/bin/sh /.cmd"), ("top -b -n 1", "COMMAND"), ("free -h", "Mem:"), ("df -h", "/dev/vda"),
])
def test_demo(machine, command, want):
    r = machine.run(command, cpus=2)
    assert want in r.text and r.status == 0, tail(r.text)


def test_every_program_answers_help(machine):
    r = machine.run("for p in /bin/* /sbin/*; do $p --help > /tmp/o || echo BAD $p; grep -q usage: /tmp/o || echo SILENT $p; done; echo all asked")
    assert "BAD" not in r.text and "SILENT" not in r.text and "all asked" in r.text, r.text


def test_proc_is_a_tree_with_a_bottom(machine):
    r = machine.run("find /proc > /tmp/all; grep -c task /tmp/all; grep task/.*/task /tmp/all; for f in $(find /proc -type f); do "
                    "case $f in */sysrq-trigger) ;; *) cat $f > /dev/null 2>&1;; esac; done; echo all read", cpus=2)
    assert "all read" in r.text and "/task/" not in r.text, tail(r.text)


def test_forktest_2000_processes_in_256_mb(machine):
    r = machine.run("forktest -n 2000; grep MemFree /proc/meminfo", mem="256M", timeout=120)
    assert "2000 children alive\n2000 children reaped" in r.text and r.status == 0, r.text


@pytest.mark.parametrize("cpus,debug,rounds", [(2, False, 120), (4, True, 24)])
def test_a_copied_page_is_seen_by_harts_that_had_the_old_one(machine, cpus, debug, rounds):
    machine.add(os.path.join(BUILD, "tests/linux/stale"), "/t")
    check_ktap(machine.run(f"/t {rounds}", cpus=cpus, debug=debug).text)


def test_10000_threads_in_1_gb(machine):
    machine.add(os.path.join(BUILD, "tests/linux/threads10k"), "/t")
    r = machine.run("echo 12000 > /proc/sys/kernel/threads-max; /t 10000", cpus=2, mem="1G", timeout=120)
    check_ktap(r.text)
    assert "10000 threads made" in r.text and r.status == 0, tail(r.text)


def test_fork_bomb_of_a_user_leaves_root_usable(machine):
    r = machine.run("echo 'while true; do sh /tmp/bomb & done' > /tmp/bomb; runas 1000 sh /tmp/bomb 2>/dev/null & sleep 4; "
                    "n=$(ps -l | grep -c '^ *1000'); echo there are $n of them; forkdemo; runas 1000 kill -KILL -1; exit 0", timeout=200, cpus=2)
    assert "Child Complete!" in r.text
    assert int(r.text.split("there are ")[1].split()[0]) > 100, tail(r.text)


@pytest.mark.parametrize("cpus,debug", [(1, True), (2, False), (8, True)])
def test_stress_leaks_nothing(machine, cpus, debug):
    """Objects exactly; pages but for what harts keep for themselves: an address space each, tables, dentries of /proc."""
    look = "echo 3 > /proc/sys/vm/drop_caches; cat /proc/meminfo /proc/slabinfo"
    r = machine.run(f"stress -t 1 -p 4; {look}; stress -t 6 -p 12 || exit 1; {look}; wait", cpus=cpus, debug=debug, timeout=150)
    assert "12 workers, 6 s, 0 failed" in r.text and r.status == 0, tail(r.text)
    before, after = r.text.split("12 workers, 6 s")
    def count(text, name):
        return int(re.search(rf"^{name}:? +(\d+)", text, re.M).group(1))
    for name in ("task_struct", "signal_struct", "sighand_struct", "files_struct", "vm_area", "file", "pipe", "sigqueue", "epitem"):
        assert count(after, name) <= count(before, name), f"{name}: {count(before, name)} before, {count(after, name)} after"
    assert count(after, "mm_struct") <= count(before, "mm_struct") + cpus
    lost = sum(count(before, x) - count(after, x) for x in ("MemFree", "Slab"))
    assert lost < 64 + 32 * cpus, f"{lost} KB are gone"
    subprocess.run(["e2fsck", "-fn", machine.image], check=True, capture_output=True)


def test_kernel_stacks_stay_below_three_quarters(machine):
    """The checked build measures each stack when its task ends; its own checks make frames larger."""
    machine.add(os.path.join(BUILD, "tests/linux/programs"), "/t")
    r = machine.run("/t; stress -t 5 -p 8; find / > /dev/null", cpus=4, debug=True, timeout=150, quiet=False)
    said = re.search(r"nothing leaked; deepest kernel stack: (\d+) of 16384 bytes", r.text)
    assert said and int(said.group(1)) < 12288, tail(r.text)


@pytest.mark.parametrize("first,least,most", [(1, 0, 2), (0, 10, 1000)])
def test_a_child_that_runs_first_saves_its_parent_the_copies(machine, first, least, most):
    """D6: how many pages a shell copied while it started ten programs, its child being put first or not."""
    r = machine.run(f"echo {first} > /proc/sys/kernel/sched_child_runs_first; grep CowFaults /proc/$$/status; "
                    "for i in 1 2 3 4 5 6 7 8 9 10; do /bin/true; done; grep CowFaults /proc/$$/status", cpus=1, icount=True)
    before, after = (int(n) for n in re.findall(r"CowFaults:\s+(\d+)", r.text))
    assert least <= after - before <= most, r.text


def test_out_of_memory_kills_one_process_and_says_so(machine):
    source = os.path.join(BUILD, "tests/linux/hog")
    if not os.path.exists(source):
        pytest.fail("tests/linux/hog was not built")
    machine.add(source, "/hog")
    r = machine.run("/hog 400; echo hog left with $?; dmesg | grep 'out of memory'", mem="128M", timeout=120)
    assert "hog left with 137" in r.text and "killing pid" in r.text, tail(r.text)


def test_images_keep_modes(machine, tmp_path):
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "script").write_text("#!/bin/sh\necho from extra\n")
    (extra / "script").chmod(0o751)
    out = tmp_path / "x.img"
    subprocess.run(["/usr/bin/python3", os.path.join(TOP, "mkfs/mkfs.py"), "--out", str(out), "--programs", os.path.join(BUILD, "user"),
                    "--extra", str(extra), "--stamp", str(tmp_path / "stamp")], check=True)
    machine.image = str(out)
    r = machine.run("/script; stat /script")
    assert "from extra" in r.text and "0751" in r.text


def test_what_was_written_is_on_the_disk_five_seconds_later(machine):
    """Nobody syncs and the machine is killed: the flusher has written the file by then."""
    p = machine.shell()
    p.sendline("cat /bin/sh > /root/kept; sleep 6; grep Dirty /proc/meminfo")
    p.expect(r"Dirty: +0 kB")
    p.close(force=True)
    on_disk = [subprocess.run(["debugfs", "-R", f"cat {path}", machine.image], capture_output=True).stdout for path in ("/root/kept", "/bin/sh")]
    assert on_disk[0] == on_disk[1] != b""


@pytest.mark.parametrize("seed", range(6))
def test_damaged_images(machine, seed):
    """Bits flipped in the super block, groups, inodes and directories: a message or an errno, never a panic."""
    import random
    rnd = random.Random(seed)
    bad = machine.image + ".bad"
    subprocess.run(["cp", machine.image, bad], check=True)
    with open(bad, "r+b") as f:
        for _ in range(40):
            where = rnd.choice([1024 + rnd.randrange(1024), 4096 + rnd.randrange(4096), rnd.randrange(8, 500) * 4096 + rnd.randrange(4096)])
            f.seek(where)
            f.write(bytes([rnd.randrange(256)]))
    disk = second_disk(bad)
    r = machine.run("mount -t ext2 /dev/vdb /mnt && { find /mnt | wc -l; ls -lR /mnt > /dev/null; cat /mnt/bin/* > /dev/null; "
                    "rm -rf /mnt/bin; cp -r /bin /mnt/new; echo x > /mnt/y; umount /mnt; }; echo survived", debug=True, extra=disk, timeout=120)
    assert "survived" in r.text


def test_not_an_ext2_image_is_refused_with_words(machine, tmp_path):
    junk = tmp_path / "junk"
    junk.write_bytes(os.urandom(1 << 20))
    disk = second_disk(junk)
    r = machine.run("mount -t ext2 /dev/vdb /mnt; echo $?; dmesg | tail -n 1", extra=disk)
    assert "not an ext2 file system" in r.text and "\n1\n" in r.text


@pytest.mark.parametrize("seed,uid,cpus", [(1, 1000, 2), (2, 0, 4)])
def test_fuzz(machine, seed, uid, cpus):
    machine.add(os.path.join(BUILD, "tests/fuzz"), "/fuzz")
    r = machine.qemu(f"init=/fuzz -- {seed} 40000 {uid}", cpus=cpus, debug=True, timeout=120)
    assert "kernel panic" not in r.text, r.text[r.text.index("kernel panic"):][:3000]
    assert r.status == 0, tail(r.text)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_seeded_schedules(seed):
    said, _ = seeds.run(seed, "races")
    assert not said, said


def test_a_seed_repeats_exactly(machine):
    command = "for i in 1 2 3 4 5 6; do echo $i & done; wait; threads; cat /proc/interrupts"
    script = os.path.join(machine.tmp, "cmd")
    with open(script, "w") as f:
        f.write(command + "\n")
    machine.add(script, "/.cmd", "0100644")
    out = [machine.qemu(f"quiet seed={s} init=/bin/sh -- /.cmd", cpus=3, icount=True).text for s in (7, 7, 8)]
    assert out[0] == out[1] != out[2] and "timer:" in out[0]


def test_a_container(machine):
    """unshare gives a shell a host name, process numbers, IPC, mounts and a root of its own; nothing of it is left afterwards."""
    r = machine.run("""mkdir -p /tmp/root
mount -t tmpfs none /tmp/root
mkdir /tmp/root/bin
cp /bin/sh /bin/ps /bin/ls /bin/echo /bin/uname /bin/kill /bin/sleep /bin/mkdir /tmp/root/bin
unshare -h box -i -p -r /tmp/root sh -c 'echo "[$(uname -n) $$]"; ls /; ps; sleep 100 & kill -9 1; echo still there; mkdir /made; (sleep 1000 &)'
echo left with $?
uname -n
ls /tmp/root
ps
unshare -u sh -c 'exit 5'
echo left with $?
runas 1000 unshare -u true
unshare -r /nothing true
umount /tmp/root && echo gone""", cpus=2, debug=True)
    inside, outside = r.text.split("left with 0\n")
    assert "[box 1]" in inside and re.search(r"^bin +proc$", inside, re.M) and "still there" in inside, r.text
    assert re.findall(r"^ +(\d+) .* (?:sh -c|ps)", inside, re.M)[0] == "1" and "kflushd" not in inside, r.text
    assert "tine\nbin   made  proc" in outside and "sleep" not in outside and "kflushd" in outside, r.text
    assert "left with 5" in outside and "Operation not permitted" in outside and "cannot mount /nothing" in outside and "gone" in outside, r.text


def test_trace_shows_calls_and_events(machine):
    r = machine.run("trace sh -c 'echo a | cat' 2>/log; echo left with $?; grep -c 'fork made task' /log; grep -c 'runs a new program' /log; "
                    "grep 'execve(' /log | head -n 1; grep -c 'ended with 0' /log; trace -e threads 2>&1 | grep -c 'clone made task'; "
                    "trace sh -c 'kill -9 $$' 2>&1 | tail -n 1; trace -e nothing; echo left with $?; trace; echo left with $?", cpus=2)
    assert re.search(r"^a\nleft with 0\n2\n2\n +\d+ execve\(0x\w+, .*\) = 0\n3\n4\n +\d+ -- killed by SIGKILL\n", r.text, re.M), r.text
    assert "trace: nothing: No such file" in r.text and "left with 127" in r.text and "which program?\nleft with 2" in r.text, r.text


def test_a_policy_that_refuses(machine):
    machine.ktap(os.path.join(BUILD, "tests/linux/refuse"), cpus=2, debug=True)


def test_audit_tells_who_did_what(machine):
    """Chosen system calls alone, of every process, with who, what and the result; by who may read the device."""
    r = machine.run("""echo '+execve +unlinkat' > /dev/audit
touch /tmp/a
rm /tmp/a
runas 1000 rm /etc/passwd
runas 1000 cat /dev/audit
echo off > /dev/audit
rm -f /tmp/b
head -n 8 /dev/audit
echo '+nothing' > /dev/audit || echo refused""", cpus=2, debug=True)
    lines = re.findall(r"^(?:lost=\d+ )?time=\d+\.\d{9} pid=\d+ tgid=\d+ uid=(\d+) euid=\d+ comm=\"(\w+)\" call=(\w+) .* path=\"(\S*)\" result=(-?\d+)$", r.text, re.M)
    assert ("0", "sh", "execve", "/bin/touch", "0") in lines and ("0", "rm", "unlinkat", "/tmp/a", "0") in lines, r.text
    assert ("1000", "rm", "unlinkat", "/etc/passwd", "-13") in lines and ("1000", "runas", "execve", "/bin/cat", "0") in lines, r.text
    assert not [line for line in lines if line[2] not in ("execve", "unlinkat") or "/tmp/b" in line[3]], r.text
    assert "Permission denied" in r.text and "refused" in r.text, r.text
