"""Wrong use has an answer: one line that says what is wanted, a failing status, and nothing was started. And the kernel is
never silent: where a machine is not what it wants, a line names it."""
import os
import re
import shlex
import struct
import subprocess

import numa
import pytest
from conftest import BUILD, TOP, second_disk

PY = "/usr/bin/python3"
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k not in ("MFLAGS", "T", "J")}


def answer(*words, cwd=TOP):
    """What a wrong command says: one line, a failing status, no traceback. make's own line on a failed recipe is not counted."""
    r = subprocess.run(words, cwd=cwd, env=CLEAN, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    lines = [line for line in (r.stdout + r.stderr).splitlines() if not re.match(r"make: \*\*\* \[.*Error \d+$|usage: | {3}", line)]
    assert r.returncode not in (0, None) and len(lines) == 1, r.stdout + r.stderr
    return lines[0]


WRONG = [
    ("qemu CPUS=abc", "CPUS=abc: a number from 1 to 64 is wanted"), ("qemu CPUS=0", "from 1 to 64"), ("run CMD=ls CPUS=100", "from 1 to 64"),
    ("qemu CPUS=", "CPUS=: a number"), ("qemu-cmd CPUS=-1", "from 1 to 64"), ("qemu MEM=1M", "MEM=1M: a size from 8M"), ("run CMD=ls MEM=junk", "such as 256M"),
    ("qemu MEM=", "such as 256M"), ("qemu MEM=300G", "to 253G"), ("run CMD=ls NODES=3 CPUS=2", "NODES=3 CPUS=2: each node"), ("qemu NODES=9 CPUS=9", "from 1 to 4"),
    ("qemu IMG=nope", "IMG=nope: there is no such file"), ("run CMD=ls IMG=docs", "a disk image is wanted"), ("qemu-record IMG=nope", "no such file"),
    ("run CMD=ls SEED=x", "SEED=x: a number"), ("seeds SEED=0", "a number from 1"), ("run", "make run CMD="), ("run CMD=", "make run CMD="), ("trace", "make trace CMD="),
    ("profile", "make profile CMD="), ("ftrace", "make ftrace CMD="), ("boots N=x", "N=x: a number"), ("fuzz RUNS=x", "RUNS=x"), ("fuzz CALLS=x", "CALLS=x"),
    ("test-powercut POINTS=x", "POINTS=x"), ("test J=x", "J=x: a number"), ("qemu DEBUG=2", "DEBUG=2: 0 or 1"), ("qemu ICOUNT=yes", "ICOUNT=yes: 0 or 1"),
    ("qemu BUSYBOX=yes", "0 or 1"), ("watch ONCE=x", "0 or 1"), ("all V=x", "0 or 1"), ("qemu EXTRA=nope", "EXTRA=nope: there is no such folder"), ("all IMGSIZE=1", "IMGSIZE=1"),
    ("qemu DUMP=no/such/file", "DUMP=no/such/file: a file in a folder that is there"), ("decode LOG=nope", "LOG=nope: there is no such file"),
    ("lab LAB=nope", "no such lab; there are: constant, cow"), ("grade", "make grade LAB="), ("labs-prove LAB=nope", "no such lab"), ("repro LAB=cow", "make repro CHECK="),
    ("gdb LAB=cow", "make gdb CHECK="), ("qemu CPU=3", "CPU= means nothing here: CPUS=?"), ("mem=1G", "mem= means nothing here: MEM=?"), ("all CFLAGS=-O0", "CFLAGS= means"),
    ("test T=no-such-test-as-this", "no test has such a name"), ("test T=and", "names of tests are wanted"), ("seeds T=nope", "no such program"),
    ("oracle T=no-such", "no such program"), ("qemu ICOUNT=1 MEM=64M", "136M is the least"), ("watch IMG=pytest.ini", "no tine runs here")]


@pytest.mark.parametrize("command,said", WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_make_says_what_is_wanted(command, said):
    assert said in answer("make", *command.split(" "))


@pytest.mark.parametrize("command,said", [
    ("run.py --kernel {k} --image {i} --cpus abc true", "--cpus: a number from 1 to 64"), ("run.py --kernel nope --image {i} true", "--kernel: there is no such file"),
    ("run.py --kernel {k} --image nope true", "--image: there is no such file"), ("run.py --kernel {k} --image {i} --mem G true", "--mem: a size such as"),
    ("trace.py --kernel {k} --image {i} --build build --events nope true", "there is no event 'nope'; there are: syscall"),
    ("profile.py --kernel {k} --image {i} --build build --only copy_proces true", "no function copy_proces: copy_process"),
    ("numa.py a b c", "numa: a number from 1 to 4"), ("watch.py --socket nope", "no tine runs here"), ("watch.py --socket nope --every 0", "--every: a number of seconds"),
    ("replay.py record --kernel {k} --image {i} --build build --port x", "--port: a number"), ("bench.py --kernel {k} --image {i} --check nope", "--check: there is no such file"),
    ("dump.py --kernel {k} --out no/such qemu", "--out: a file in a folder"), ("decode_stacktrace.py nope", "decode: nope: No such file"),
    ("../tests/boots.py x {k} {i}", "n: a number"), ("../tests/seeds.py 1 x", "n: a number"), ("../tests/powercut/powercut.py --points x", "--points: a number"),
    ("../mkfs/mkfs.py --out x --programs nope --stamp x", "--programs: there is no such folder"), ("../labs/grade cow --here -j 0", "-j: a number"),
    ("../labs/grade cow x --late much", "what a day costs"), ("../labs/grade --collect nope.json", "No such file"), ("../labs/grade nope x", "there is no lab 'nope'"),
    ("../labs/grade cow x --due soon", "invalid moment"), ("../labs/export nope x", "there is no lab 'nope'"), ("../labs/export cow /proc/x", "No such file")], ids=lambda v: None)
def test_scripts_say_what_is_wanted(command, said):
    words = command.format(k=os.path.join(BUILD, "kernel/tine.elf"), i=os.path.join(BUILD, "fs.img")).split()
    assert said in answer(PY, os.path.join("scripts", words[0]), *words[1:])


def test_what_the_world_does_to_a_script_is_a_line():
    """A tool that fails, a file that is not there."""
    r = subprocess.run([PY, "-c", "import sys; sys.path.insert(0, 'scripts'); import checks, subprocess; subprocess.run(['false'], check=True)"],
                       cwd=TOP, capture_output=True, text=True)
    assert r.returncode == 1 and r.stderr == "-c: false ended with 1\n"
    r = subprocess.run([PY, "-c", "import sys; sys.path.insert(0, 'scripts'); import checks; open('/nope')"], cwd=TOP, capture_output=True, text=True)
    assert r.returncode == 1 and r.stderr == "-c: [Errno 2] No such file or directory: '/nope'\n"


def test_a_flag_that_is_0_is_off():
    """ICOUNT=0, BUSYBOX=0, ONCE=0 and V=0 are what they say."""
    r = subprocess.run(["make", "-n", "run", "CMD=true", "ICOUNT=0", "BUSYBOX=0", "V=0", "-W", "mkfs/mkfs.py"], cwd=TOP, env=CLEAN, capture_output=True, text=True)
    assert r.returncode == 0 and "--icount" not in r.stdout and "--busybox" not in r.stdout
    r = subprocess.run(["make", "-n", "watch", "ONCE=0"], cwd=TOP, env=CLEAN, capture_output=True, text=True)
    assert r.returncode == 0 and "--once" not in r.stdout


def test_arguments_reach_the_kernel_as_they_are():
    r = subprocess.run(["make", "-s", "qemu-cmd", "APPEND=init=\"it's\" $x"], cwd=TOP, env=CLEAN, capture_output=True, text=True)
    words = shlex.split(r.stdout)
    assert words[words.index("-append") + 1] == "init=\"it's\" $x"
    r = subprocess.run(["make", "-s", "qemu-cmd", "APPEND=init=$(x", "CMD=echo $(x"], cwd=TOP, env=CLEAN, capture_output=True, text=True)
    assert r.returncode == 0 and shlex.split(r.stdout)[words.index("-append") + 1] == "init=$(x", r.stderr


def test_a_second_qemu_on_one_image_is_told_so(machine):
    machine.shell()
    said = answer(PY, "scripts/checks.py", "--free", machine.image)
    assert f"{machine.image} is in use" in said and "IMG=other.img" in said
    machine.close()
    assert subprocess.run([PY, "scripts/checks.py", "--free", machine.image], cwd=TOP).returncode == 0


def test_long_work_says_that_it_is_under_way(tmp_path):
    """The first build of a kernel, but not of a plain `make`; the test programs; the tests."""
    def dry(*words):
        return subprocess.run(["make", "-n", f"B={tmp_path}/b", *words], cwd=TOP, env=CLEAN, capture_output=True, text=True).stdout
    building = re.compile(r'echo "building [^"]*the first time[^"]*" >&2')
    assert not building.search(dry())
    assert building.search(dry("run", "CMD=true")) and building.search(dry("qemu")) and building.search(dry("all", "DEBUG=1"))
    text = dry("test")
    assert "the test programs" in text and text.index("first results") < text.index("-m pytest")
    assert re.search(r"^ *echo .*: installing .* >&2", open(os.path.join(TOP, "scripts/deps")).read(), re.M)


def test_home_has_something_to_see_and_it_is_true(machine):
    """Each command of /root/README works, and the tour runs to its end."""
    lines = open(os.path.join(TOP, "mkfs/root/root/README")).read().splitlines()
    commands = [re.split(r" {2,}", line.strip())[0] for line in lines if line.startswith("  ")]
    assert len(commands) > 5
    r = machine.run("cd /root; " + " ".join(f"{c} > /tmp/out 2>&1 || echo 'FAILS: {c}';" for c in commands) + " ls; sh tour.sh", timeout=120)
    assert "FAILS" not in r.text and r.status == 0
    assert "README" in r.text and "tour.sh" in r.text and "the child ended with 3, and x is still parent" in r.text and "Child Complete!" in r.text
    assert "not found" not in r.text and r.text.rstrip().endswith("docs/life-of-a-fork.md")


# --- the kernel ---
def qemu_version():
    return int(re.search(r"version (\d+)", subprocess.run(["qemu-system-riscv64", "--version"], capture_output=True, text=True).stdout).group(1))


def test_a_processor_without_sv39_is_named(machine):
    r = machine.qemu("init=/bin/true", extra=("-cpu", "rv64,mmu=off" if qemu_version() < 8 else "rv64,sv39=off"), timeout=30)
    assert "tine: this processor has no Sv39 paging" in r.text and r.status == 1


def test_a_disk_on_pci_is_named(machine):
    words = machine.command("quiet init=/bin/true")
    words[words.index("virtio-blk-device,drive=root")] = "virtio-blk-pci,drive=root"
    machine.command = lambda *_, **o: [*words, *o["extra"]]
    r = machine.qemu()
    assert "a disk on PCI (slot 1, 1af4:1001) is not used" in r.text and "no root disk: 'vda' was not found" in r.text and r.status == 255


def test_lost_interrupts_of_a_disk_are_named_and_lived_with(machine):
    """QEMU 7 gives a disk on a machine of two nodes an interrupt that never comes. Later ones have it right."""
    r = machine.qemu("quiet init=/bin/sh -- -c 'ls /; cat /bin/* > /dev/null; echo all read'", extra=tuple(numa.options(2, 2, "256M")), timeout=120)
    assert "all read" in r.text and r.status == 0
    assert r.text.count("and its interrupt (") == (1 if qemu_version() < 8 else 0)


def cpus_reversed(blob):
    """The device tree with its cpu nodes in the opposite order."""
    at, names, found = struct.unpack_from(">I", blob, 8)[0], [], []
    while (token := struct.unpack_from(">I", blob, at)[0]) != 9:
        if token == 1:
            end = blob.index(b"\0", at + 4)
            names.append((blob[at + 4:end].decode(), at))
            at = end + 4 & ~3
        elif token == 2:
            name, start = names.pop()
            at += 4
            if name.startswith("cpu@"):
                found.append((start, at))
        else:
            at += 4 if token == 4 else 12 + (struct.unpack_from(">I", blob, at + 4)[0] + 3 & ~3)
    return blob[:found[0][0]] + b"".join(blob[a:b] for a, b in reversed(found)) + blob[found[-1][1]:]


def tree(path, cpus, mem, change):
    """A device tree of QEMU's, changed."""
    subprocess.run(["qemu-system-riscv64", "-machine", f"virt,dumpdtb={path}", "-smp", str(cpus), "-m", mem, "-display", "none"], check=True, capture_output=True)
    with open(path, "rb") as f:
        blob = f.read()
    assert change(blob) != blob
    with open(path, "wb") as f:
        f.write(change(blob))
    return ("-dtb", str(path))


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_more_harts_than_it_takes_are_named_and_it_runs_on_the_others(machine, tmp_path, order):
    """66. Descending: the 64 that are listed first have numbers up to 65, and the hart that boots is likely none of them."""
    extra = tree(tmp_path / "m.dtb", 66, "64M", cpus_reversed) if order == "descending" else ()
    r = machine.qemu("quiet init=/bin/sh -- -c 'ls / | wc -l; grep -c processor /proc/cpuinfo; exit 7'", cpus=66, mem="64M", extra=extra, timeout=240)
    assert r.text.count("the machine has 66 harts: tine uses 64") == 1 and r.status == 7 and re.search(r"^64$", r.text, re.M), r.text


@pytest.mark.parametrize("change,said", [
    (lambda b: b.replace(b"riscv,plic0\0", b"riscv,plic%\0").replace(b"sifive,plic-1.0.0\0", b"sifive,plic-1.0.%\0"), "names no interrupt controller (riscv,plic0)"),
    (lambda b: b.replace(b"ns16550a\0", b"ns16550\0\0"), "names no ns16550a UART")], ids=["plic", "uart"])
def test_a_missing_device_is_named(machine, tmp_path, change, said):
    r = machine.qemu("quiet init=/bin/true", extra=tree(tmp_path / "m.dtb", 2, "256M", change))
    assert "kernel panic: the device tree " + said in r.text and r.status == 255


@pytest.mark.parametrize("words,said", [
    ("bogus", "unknown kernel argument 'bogus': ignored. Known: init="), ("seed=x", "the seed is a number"), ("seed=0", "the seed is a number"),
    ("trace=nope", "trace=nope: no such event"), ("root=" + 40 * "x", "longer than 31 characters"), ("a" * 1100, "characters of kernel arguments: tine uses 1023")],
    ids=["unknown", "seed", "seed0", "trace", "root", "long"])
def test_arguments_that_are_not_taken_are_named_though_quiet(machine, words, said):
    r = machine.qemu(f"quiet init=/bin/true {words}")
    assert said in r.text


def test_arguments_of_init_that_are_too_many_are_named(machine):
    r = machine.qemu("quiet init=/bin/echo -- " + " ".join(f"a{i}" for i in range(64)))
    assert "init's argument 'a62' is one too many" in r.text and "a61" in r.text


def test_root_is_what_was_asked_for_beside_an_initrd(machine):
    r = machine.qemu("quiet root=vda init=/bin/sh -- -c 'mount | head -n 1'", extra=("-initrd", machine.image))
    assert "/dev/vda" in r.text


def test_a_root_that_is_none_is_named_though_quiet(machine, tmp_path):
    junk = tmp_path / "junk"
    junk.write_bytes(os.urandom(1 << 20))
    r = machine.qemu("quiet root=vdb", extra=second_disk(junk))
    assert "vdb: not an ext2 file system" in r.text and "cannot be mounted" in r.text and r.status == 255


@pytest.mark.parametrize("option,said", [("f=off,d=off", "has no floating point of double precision")], ids=["d"])
def test_a_processor_without(machine, option, said):
    r = machine.qemu("quiet init=/bin/true", extra=("-cpu", "rv64," + option))
    assert said in r.text and r.status == 0


def test_a_machine_as_small_as_make_allows_boots(machine):
    assert "hello" in machine.run("echo hello", mem="8M").text
