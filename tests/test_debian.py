"""Debian's own riscv64 strace, gdbserver, keyctl, ipcs and ipcrm, unmodified. Skipped, with the reason, where the archive cannot be reached."""
import glob
import os
import re
import subprocess
import sys
import time

import conftest
import pytest

sys.path.insert(0, os.path.join(conftest.TOP, "scripts"))
import debian  # noqa: E402

LIBRARIES = {"libc6": ("libc.so.6", "ld-linux-riscv64-lp64d.so.1", "libm.so.6"), "libgcc-s1": ("libgcc_s.so.1",), "libstdc++6": ("libstdc++.so.6",), "libkeyutils1": ("libkeyutils.so.1",),
             "libext2fs2t64": ("libext2fs.so.2", "libe2p.so.2"), "libcom-err2": ("libcom_err.so.2",), "libss2": ("libss.so.2",),
             "libblkid1": ("libblkid.so.1",), "libuuid1": ("libuuid.so.1",)}


def install(machine, package, *libraries, programs=None):
    """The program of a package of the same name, or others of it, in /bin, with the libraries of these packages."""
    try:
        for name in programs or (package,):
            machine.add(glob.glob(os.path.join(debian.package(package), "usr/*bin", name))[0], "/bin/" + name)
        for p in libraries:
            for name in LIBRARIES[p]:
                machine.library(glob.glob(os.path.join(debian.package(p), "usr/lib/**", name), recursive=True)[0], name)
    except debian.Unavailable as e:
        pytest.skip(str(e))


@pytest.mark.parametrize("options", [{"cpus": 1}, {"cpus": 4, "debug": True}])
def test_strace_follows_forks_vforks_and_threads(machine, options):
    install(machine, "strace", "libc6")
    r = machine.run("strace -f -o /log sh -c 'echo one two | cat | wc -w; vforkdemo; threads'; echo left with $?; cat /log", **options)
    assert "left with 0" in r.text and "\n2\n" in "\n" + r.text.replace(" ", ""), r.text
    assert "counter 40000 of 40000" in r.text and "the child wrote" in r.text
    log = r.text[r.text.index("left with 0"):]
    assert len(re.findall(r"clone\(child_stack=NULL, flags=SIGCHLD", log)) == 5, log
    assert len(re.findall(r"clone\(child_stack=0x\w+, flags=CLONE_VM\|CLONE_FS\|CLONE_FILES\|CLONE_SIGHAND\|CLONE_THREAD", log)) == 4, log
    assert re.search(r'execve\("/bin/wc", \["wc", "-w"\], 0x\w+ /\* \d+ vars \*/', log), log
    assert re.search(r"^(\d+) +(vfork\(|syscall_0x42f\(|.*0x42f)", log, re.M), "vfork has a number of its own, 1071, that strace does not know\n" + log
    tasks = set(re.findall(r"^(\d+) ", log, re.M))
    ended = set(re.findall(r"^(\d+) +\+\+\+ exited with 0 \+\+\+", log, re.M))
    assert len(tasks) == 11 and ended == tasks, (tasks - ended, log)  # sh, 3 of the pipeline, vforkdemo and its child, threads and 4 of them


def test_strace_attaches_and_lets_go(machine):
    install(machine, "strace", "libc6")
    r = machine.run("sh -c 'while true; do sleep 0.1; done' & P=$!; strace -f -o /log -p $P & S=$!; sleep 2; kill -INT $S; wait $S; "
                    "grep TracerPid /proc/$P/status; kill $P; grep -c nanosleep /log; grep -c 'execve(\"/bin/sleep\"' /log", cpus=2)
    assert re.search(r"TracerPid:\t0\n", r.text), r.text
    counts = [int(n) for n in re.findall(r"^(\d+)$", r.text, re.M)]
    assert len(counts) == 2 and min(counts) >= 2, r.text


PROGRAM = """
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
volatile int counter;
__attribute__((noinline)) void in_thread(int n) { __atomic_add_fetch(&counter, n, 5); }
__attribute__((noinline)) void in_child(int n) { counter = 100 + n; }
__attribute__((noinline)) double in_main(double x) { return x * 2; }
static void *thread(void *a) { in_thread((long)a); return a; }
int main(void) {
    pthread_t t[3];
    int st;
    for (long i = 0; i < 3; i++) pthread_create(&t[i], 0, thread, (void *)(i + 1));
    for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
    if (!fork()) { in_child(5); _exit(7); }
    wait(&st);
    printf("%.1f, the child left %d, counter %d\\n", in_main(1.5), WEXITSTATUS(st), counter);
    return 3;
}
"""


@pytest.mark.parametrize("options", [{"cpus": 1}, {"cpus": 4, "debug": True}])
def test_gdbserver_debugs_threads_and_a_fork(machine, tmp_path, options):
    """Over the virtio console, from gdb-multiarch: a breakpoint that three threads hit, then one in a forked child, then its parent."""
    install(machine, "gdbserver", "libc6", "libgcc-s1", "libstdc++6")
    source, program, script, socket = tmp_path / "p.c", str(tmp_path / "p"), tmp_path / "cmd", str(tmp_path / "line")
    source.write_text(PROGRAM)
    subprocess.run(["riscv64-linux-gnu-gcc", "-O1", "-g", "-static", "-o", program, str(source), "-lpthread"], check=True)
    machine.add(program, "/p")
    script.write_text("gdbserver /dev/hvc0 /p\n")  # it stays: the end of gdb is nothing that a console could tell
    machine.add(str(script), "/.cmd", "0100644")
    line = ("-chardev", f"socket,id=line,path={socket},server=on,wait=off", "-device", "virtio-serial-device", "-device", "virtconsole,chardev=line")
    q = subprocess.Popen(machine.command("init=/bin/sh -- /.cmd", extra=line, **options), stdin=subprocess.DEVNULL, stdout=open(tmp_path / "console", "w"), stderr=subprocess.STDOUT)
    try:
        while not os.path.exists(socket):
            time.sleep(0.05)
        commands = ["set remotetimeout 30", f"target remote {socket}", "set detach-on-fork off", "break in_thread", "break in_main", "continue", "info threads",
                    "continue", "continue", "print counter", "delete 1", "break in_child", "set follow-fork-mode child", "continue", "bt", "info inferiors",
                    "finish", "print counter", "continue", "inferior 1", "print counter", "continue", "print $fa0.double", "finish", "continue"]
        g = subprocess.run(["gdb-multiarch", "-nx", "-batch", "-ex", "set sysroot /", *(w for c in commands for w in ("-ex", c)), program],
                           capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL)
    finally:
        q.kill()
        q.wait()
    console = (tmp_path / "console").read_text(errors="replace")
    said = g.stdout + g.stderr + console
    assert len(re.findall(r'hit Breakpoint 1, in_thread \(n=', g.stdout)) == 3, said
    assert len(re.findall(r"Thread \d+\.\d+ \"p\"", g.stdout.split("Breakpoint 1, in_thread")[1])) >= 2, said
    assert "in_child (n=n@entry=5)" in g.stdout and re.search(r"process \d+ +1 \(remote", g.stdout), said
    assert re.search(r"Inferior 2 \(process \d+\) exited with code 07", g.stdout), said
    values = re.findall(r"^\$\d+ = (\S+)", g.stdout, re.M)
    assert values[1:] == ["105", "6", "1.5"], said
    assert "Value returned is" in g.stdout and "= 3" in g.stdout, said
    assert re.search(r"Inferior 1 \(process \d+\) exited with code 03", g.stdout), said
    assert "3.0, the child left 7, counter 6" in console, said


def test_keyctl(machine):
    install(machine, "keyutils", "libc6", "libkeyutils1", programs=("keyctl",))
    r = machine.run("keyctl add user name content @u; keyctl print $(keyctl search @u user name); keyctl show @u; keyctl newring ring @u; "
                    "keyctl session - keyctl add user inside x @s; keyctl revoke $(keyctl search @u user name); keyctl print $(keyctl search @u user name); "
                    "keyctl request user nothing", cpus=2, debug=True)
    assert "\ncontent\n" in r.text and re.search(r"\d+ --alswrv +0 +0 +\\_ user: name", r.text) and "Joined session keyring" in r.text, r.text
    assert "Key has been revoked" in r.text and "Required key not available" in r.text, r.text


def test_ipcs_and_ipcrm(machine):
    install(machine, "util-linux", "libc6", programs=("ipcs", "ipcrm", "ipcmk"))
    r = machine.run("ipcmk -M 10000; ipcmk -S 3; ipcmk -Q; ipcs; ipcs -l; ipcrm -a; ipcs; cat /proc/sysvipc/shm", cpus=2, debug=True)
    before, after = r.text.split("Limits", 1)
    assert re.search(r"0x\w+ +0 +root +644 +10000 +0", before) and re.search(r"0x\w+ +0 +root +644 +3", before) and re.search(r"0x\w+ +0 +root +644 +0 +0", before), r.text
    assert "max message size" in after or "max size of message" in after, r.text
    assert not re.search(r"^0x", after, re.M), r.text


def test_e2fsprogs(machine, tmp_path):
    """mke2fs, debugfs and e2fsck on a second disk, with tine's own files on what they made; a damage that e2fsck mends."""
    install(machine, "e2fsprogs", "libc6", "libext2fs2t64", "libcom-err2", "libss2", "libblkid1", "libuuid1", programs=("mke2fs", "debugfs", "e2fsck"))
    disk = tmp_path / "d"
    subprocess.run(["truncate", "-s", "24M", str(disk)], check=True)
    r = machine.run("export PAGER=cat; mke2fs -t ext3 -b 4096 /dev/vdb && mount -t ext2 /dev/vdb /mnt && cp /bin/sh /mnt/sh && mkdir /mnt/d && umount /mnt && "
                    "debugfs -R 'ls -l /' /dev/vdb && e2fsck -fn /dev/vdb; echo status $?; debugfs -w -R 'clri /sh' /dev/vdb; e2fsck -fy /dev/vdb; echo mended $?; "
                    "e2fsck -fn /dev/vdb; echo clean $?; mount -t ext2 /dev/vdb /mnt; ls /mnt", timeout=120,
                    extra=conftest.second_disk(disk))
    assert "status 0" in r.text and re.search(r" sh\b", r.text) and "mended 1" in r.text and "clean 0" in r.text, r.text
    assert subprocess.run(["e2fsck", "-fn", str(disk)], capture_output=True).returncode == 0
