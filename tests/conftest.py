"""Boot tine under QEMU for tests. Each test has its own copy of the image and its own QEMU, killed at the end."""
import os
import re
import subprocess
import sys

import pexpect
import pytest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")
os.environ["PATH"] += ":/sbin:/usr/sbin"
sys.path.insert(0, os.path.join(TOP, "scripts"))
import numa  # noqa: E402


class Panic(AssertionError):
    pass


class Hang(AssertionError):
    pass


class Result:
    def __init__(self, status, text):
        self.status, self.text = status, text


def tail(text, n=40):
    return "\n".join(re.sub("\ufffd+", "\ufffd", text).splitlines()[-n:])


def what_hangs(socket, debug):
    """Of a machine that did not end: its tasks, locks, what each hart and each sleeper is doing."""
    def gdb(*commands):
        r = subprocess.run(["gdb-multiarch", "-nx", "-batch", "-ex", "set architecture riscv:rv64", "-ex", "source scripts/gdb/tine.py", "-ex",
                            f"target remote {socket}", *(w for c in commands for w in ("-ex", c))] +
                           [os.path.join(BUILD, "kernel-debug" if debug else "kernel", "tine.elf")],
                           cwd=TOP, text=True, capture_output=True, timeout=60)
        return r.stdout + r.stderr
    seen = ""
    try:
        seen += gdb("tine rq", "thread apply all bt 16")
        ps = gdb("tine ps", "tine locks", "tine waitq")
        pids = re.findall(r"^ *([1-9]\d*) ", ps, re.M)[:12]
        return seen + ps + gdb(*(f"tine bt {pid}" for pid in pids))
    except subprocess.TimeoutExpired:
        return seen + "gdb did not answer within a minute: many tasks?"


def second_disk(path):
    """QEMU's options for /dev/vdb."""
    return ("-drive", f"file={path},format=raw,if=none,id=second", "-device", "virtio-blk-device,drive=second")


class Machine:
    """One test's machines: files to add to the image, then run() or shell()."""

    def __init__(self, tmp):
        self.tmp, self.image, self.children = str(tmp), os.path.join(str(tmp), "fs.img"), []
        subprocess.run(["cp", "--sparse=always", os.path.join(BUILD, "fs.img"), self.image], check=True)

    def add(self, source, target, mode="0100755"):
        r = subprocess.run(["debugfs", "-w", "-f", "-", self.image], text=True, capture_output=True,
                           input=f"rm {target}\nwrite {source} {target}\nsif {target} mode {mode}\nsif {target} uid 0\nsif {target} gid 0\n")
        assert r.returncode == 0, r.stderr

    def command(self, append="", cpus=2, mem="256M", debug=False, ftrace=False, icount=False, nodes=1, extra=()):
        kernel = os.path.join(BUILD, "kernel-debug" if debug else "kernel-ftrace" if ftrace else "kernel", "tine.elf")
        disk = (["-initrd", self.image, "-icount", "shift=0,sleep=off", "-rtc", "clock=vm,base=2026-01-01"] if icount else
                ["-initrd", self.image] if nodes > 1 else
                ["-drive", f"file={self.image},format=raw,if=none,id=root", "-device", "virtio-blk-device,drive=root"])
        return ["qemu-system-riscv64", "-machine", "virt", "-bios", "default", "-smp", str(cpus), "-m", mem, *numa.options(nodes, cpus, mem), "-display", "none",
                "-monitor", "none", "-chardev", "stdio,id=c,signal=off", "-serial", "chardev:c", "-global", "virtio-mmio.force-legacy=false", "-kernel", kernel, *disk,
                "-append", append, *extra]

    def qemu(self, append="", timeout=60, **options):
        """Run to power-off. Result of QEMU's status and the console."""
        socket = os.path.join(self.tmp, "gdb")
        options["extra"] = (*options.get("extra", ()), "-chardev", f"socket,id=gdb,path={socket},server=on,wait=off", "-gdb", "chardev:gdb")
        p = subprocess.Popen(self.command(append, **options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            state = what_hangs(socket, options.get("debug"))
            p.kill()
            out, err = p.communicate()
            raise Hang(f"no power-off within {timeout} s; gdb sees:\n{state}\nthe console's tail:\n"
                       + tail(out.decode(errors="replace"))) from None
        return Result(p.returncode, out.decode(errors="replace").replace("\r", "") + err.decode(errors="replace"))

    def run(self, command, timeout=60, quiet=True, **options):
        """Run one shell command as init. A panic fails the test."""
        script = os.path.join(self.tmp, "cmd")
        with open(script, "w") as f:
            f.write(command + "\n")
        self.add(script, "/.cmd", "0100644")
        r = self.qemu(("quiet " if quiet else "") + "init=/bin/sh -- /.cmd", timeout, **options)
        if "kernel panic" in r.text:
            raise Panic(r.text[r.text.index("kernel panic"):][:4000])
        at = r.text.find("Boot HART MEDELEG")
        r.text = r.text[r.text.find("\n", at) + 1:]
        return r

    def ktap(self, program, **options):
        """Run a program that prints KTAP: all of it ok, and status 0."""
        self.add(program, "/t")
        r = self.run("/t", **options)
        check_ktap(r.text)
        assert r.status == 0

    def library(self, source, name):
        subprocess.run(["debugfs", "-w", "-R", "mkdir /lib", self.image], check=True, capture_output=True)  # it may be there
        self.add(os.path.realpath(source), "/lib/" + name)

    def shell(self, timeout=20, **options):
        """A pexpect session at the root shell's prompt."""
        c = self.command(**options)
        p = pexpect.spawn(c[0], c[1:], timeout=timeout, encoding="utf-8", codec_errors="replace", echo=False)
        p.logfile_read = open(os.path.join(self.tmp, "console"), "w")
        self.children.append(p)
        p.expect("/root # ")
        return p

    def close(self):
        for p in self.children:
            p.close(force=True)


@pytest.fixture
def machine(tmp_path):
    m = Machine(tmp_path)
    yield m
    m.close()


def check_ktap(text):
    """All lines ok, and as many as the plan says."""
    bad = re.findall(r"^not ok .*", text, re.M)
    assert not bad, "\n".join(bad)
    plan = re.search(r"^1\.\.(\d+)$", text, re.M)
    assert plan, "no plan: the program did not finish\n" + tail(text)
    good = re.findall(r"^ok \d+", text, re.M)
    assert len(good) == int(plan.group(1)) > 0, f"{len(good)} results of {plan.group(1)} planned"
