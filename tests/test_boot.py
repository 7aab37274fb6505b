"""Boot, power, and what the kernel says when something is wrong."""
import os
import re
import subprocess
import time

import pexpect
import pytest
from conftest import BUILD, TOP, check_ktap


@pytest.mark.parametrize("cpus", [1, 2, 8])
def test_boots_on_harts(machine, cpus):
    r = machine.qemu("init=/bin/sh -- -c 'exit 3'", cpus=cpus)
    assert r.status == 3
    assert re.search(rf"tine \S+: {cpus} harts?, \d+ MB, .*boot hart \d+, [\d.]+ s since power-on", r.text)


@pytest.mark.parametrize("mem", ["64M", "1G", "8G"])
def test_boots_with_memory(machine, mem):
    r = machine.run("grep MemTotal /proc/meminfo", mem=mem)
    kb = int(re.search(r"MemTotal: +(\d+)", r.text).group(1))
    size = {"64M": 64, "1G": 1024, "8G": 8192}[mem] * 1024
    assert size * 0.9 < kb < size


def test_prompt_within_a_second(machine):
    best = 9
    for _ in range(5):
        start = time.time()
        p = machine.shell(cpus=2)
        best = min(best, time.time() - start)
        p.close(force=True)
    assert best < 1.0, f"{best:.2f} s from QEMU's start to the prompt"


def test_exit_status_of_a_killed_init(machine):
    assert machine.run("kill -TERM $$; sleep 1; exit 9").status == 9  # init ignores what it did not ask for


def test_selftests(machine):
    r = machine.qemu("selftest", debug=True)
    assert r.status == 0
    check_ktap(re.sub(r"^\[[^]]*\] ", "", r.text, flags=re.M))


def test_panic_reports_every_hart(machine):
    r = machine.qemu("init=/bin/sh -- -c 'echo c > /proc/sysrq-trigger'", cpus=3)
    assert r.status not in (0, 1)
    assert "kernel panic: store page fault in the kernel at 8" in r.text
    assert re.search(r"\] crash\+0x", r.text) or re.search(r"\] proc_write\+0x", r.text)
    assert len(re.findall(r"hart \d+: pid", r.text)) == 3
    assert "scause f (store page fault)" in r.text


def test_kernel_stack_overflow_is_reported(machine):
    r = machine.qemu("init=/bin/sh -- -c 'echo x > /proc/sysrq-trigger'", cpus=2)
    assert r.status not in (0, 1)
    assert "kernel panic: kernel stack overflow: sp" in r.text and "] recurse+0x" in r.text


def test_missing_root_is_said(machine):
    r = machine.qemu("root=vdz")
    assert r.status not in (0, 1) and "'vdz' was not found" in r.text


def test_missing_init_is_said(machine):
    r = machine.qemu("init=/nonexistent")
    assert r.status not in (0, 1) and "/nonexistent cannot be run: error 2" in r.text


@pytest.mark.parametrize("name,said", [
    (b"memory", "tine: the device tree describes no memory"),
    (b"mmu-type", "tine: the device tree describes no usable hart"),
    (b"virtio,mmio", "no root disk: 'vda' was not found"),
    (b"google,goldfish-rtc", "it runs")])
def test_device_tree_without(machine, tmp_path, name, said):
    dtb = str(tmp_path / "m.dtb")
    subprocess.run(["qemu-system-riscv64", "-machine", f"virt,dumpdtb={dtb}", "-smp", "2", "-m", "256M", "-display", "none"],
                   check=True, capture_output=True)
    data = open(dtb, "rb").read()
    assert name + b"\0" in data
    with open(dtb, "wb") as f:
        f.write(data.replace(name + b"\0", name[:-1] + b"%\0"))
    r = machine.qemu("init=/bin/echo -- it runs", extra=("-dtb", dtb))
    assert said in r.text


def test_poweroff_leaves_a_clean_file_system(machine):
    r = machine.run("mkdir /root/d; for i in 1 2 3 4 5 6 7 8 9; do cp /bin/sh /root/d/$i; done; rm /root/d/3; mv /root/d/4 /root/x; ln /root/x /root/y; poweroff")
    assert r.status == 0
    e = subprocess.run(["e2fsck", "-fn", machine.image], capture_output=True, text=True)
    assert e.returncode == 0, e.stdout


def test_new_image_is_clean():
    e = subprocess.run(["e2fsck", "-fn", os.path.join(BUILD, "fs.img")], capture_output=True, text=True)
    assert e.returncode == 0, e.stdout


def test_qemu_cmd_is_one_line_and_runs_nothing():
    r = subprocess.run(["make", "-s", "-C", TOP, "qemu-cmd", "CPUS=3", "MEM=128M"], capture_output=True, text=True)
    lines = r.stdout.strip().splitlines()
    assert r.returncode == 0 and len(lines) == 1 and "-smp 3" in lines[0] and "-m 128M" in lines[0]


@pytest.mark.parametrize("command,status,said", [("echo a, b; exit 7", 7, "a, b\n"), ("true", 0, ""), ("no-such-program 2>/dev/null", 127, "")])
def test_make_run_prints_the_output_alone_and_ends_with_the_status(command, status, said):
    r = subprocess.run(["make", "-C", TOP, "run", f"CMD={command}"], capture_output=True, text=True)
    assert (r.returncode, r.stdout) == (status, said), r.stderr


def test_nothing_is_rebuilt():
    r = subprocess.run(["make", "-C", TOP], capture_output=True, text=True)
    assert r.returncode == 0 and r.stdout.strip() in ("", "make: Nothing to be done for 'all'.")


@pytest.mark.parametrize("key,said", [
    ("f", "KASAN: write of 1 bytes at .*, a freed object, in wrong"),
    ("t", "KASAN: write of 1 bytes at .*, a slab's room past an object's end, in wrong"),
    ("i", "UBSAN: an index past an array's end at kernel/fs/procfs/machine.c"),
    ("a", "mutex_lock: .*preempt_count"),
    ("k", "locks in a circle: kernel/fs/procfs/machine.c:mutex is wanted while kernel/fs/procfs/machine.c:other is held"),
    ("h", r"has kept a hart from scheduling .*:\r?\n(.*\n){1,3}?.* wrong\+"),
    ("q", "kmalloc-.* is freed with a wait queue at 0 that somebody hangs on"),
    ("l", "leaked: 1 of sighand_struct"),
    ("p", "leaked: .* 1 pages")])
def test_the_checked_build_catches(machine, key, said):
    machine.add("/dev/null", "/etc/rc")
    r = machine.qemu("init=/bin/sh -- -c 'echo %s > /proc/sysrq-trigger'" % key, debug=True)
    assert "kernel panic" in r.text and re.search(said, r.text), r.text[-2000:]


def test_poweroff_from_a_shell_takes_the_account(machine):
    p = machine.shell(debug=True, cpus=2)
    p.sendline("sleep 100 & cat /dev/zero | sort > /dev/null &")
    p.sendline("(exec 3< /etc/passwd; poweroff); echo still here")
    p.expect("nothing leaked; deepest kernel stack: ")
    p.expect(pexpect.EOF)
    p.wait()
    assert p.exitstatus == 0 and "still here\n" not in p.before


def test_lock_counters(machine):
    r = machine.run("cat /proc/sys/debug/lock_stat; stress -t 1 -p 4 > /dev/null; cat /proc/sys/debug/lock_stat; echo 0 > /proc/sys/debug/lock_stat; "
                    "cat /proc/sys/debug/lock_stat", cpus=4, debug=True)
    taken = [int(n) for n in re.findall(r"^tasklist +(\d+)", r.text, re.M)]
    assert len(taken) == 3 and taken[1] > taken[0] + 50 and taken[2] < taken[1], r.text


def test_profile_counts_every_instruction_and_draws(tmp_path):
    r = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "scripts/profile.py"), "--kernel", os.path.join(BUILD, "kernel/tine.elf"), "--image",
                        os.path.join(BUILD, "fs.img"), "--build", str(tmp_path), "--only", "sys_fork", "--", "forkdemo"], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    rows = {m.group(1): int(m.group(2).replace(",", "")) for m in re.finditer(r"^(\w+) .*?([\d,]+)$", r.stdout, re.M)}
    total = int(re.search(r"([\d,]+) instructions in the kernel under sys_fork", r.stdout).group(1).replace(",", ""))
    assert total > rows["copy_page_tables"] > 500, r.stdout
    svg = (tmp_path / "profile/flame.svg").read_text()
    assert "<title>copy_page_tables: " in svg and svg.endswith("</svg>\n")


def test_no_row_of_the_bench_costs_5_percent_more_than_is_checked_in():
    """tests/figures; `make bench-update` writes it, on purpose. Counts under icount depend on the compiler alone."""
    r = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "scripts/bench.py"), "--kernel", os.path.join(BUILD, "kernel/tine.elf"), "--image",
                        os.path.join(BUILD, "fs.img"), "--check", os.path.join(TOP, "tests/figures")], capture_output=True, text=True)
    if "not compared" in r.stdout:
        pytest.skip(r.stdout.strip())
    assert r.returncode == 0, r.stdout + r.stderr
