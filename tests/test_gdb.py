"""gdb-multiarch over QEMU's stub, by the project's own .gdbinit, as the README's tour does it."""
import os
import re
import socket
import subprocess
import sys
import time

import pexpect
import pytest

import conftest

WALK = """
break copy_process
continue
info threads
backtrace 4
print current->comm
break copy_thread
continue
break wake_up_new_task
continue
break schedule_tail
continue
print current->comm
delete
detach
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def gdb(commands, port, timeout=60, first=()):
    lines = [x for c in commands.strip().splitlines() for x in ("-ex", c)]
    r = subprocess.run(["gdb-multiarch", "-nx", "-batch", *first, "-ex", f"set $port = {port}", "-x", ".gdbinit", *lines],
                       cwd=conftest.TOP, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    return r.stdout + r.stderr


def test_a_fork_in_gdb(machine):
    port = free_port()
    console = open(os.path.join(machine.tmp, "console"), "w")
    p = subprocess.Popen(machine.command("quiet init=/bin/forkdemo", cpus=2, extra=("-gdb", f"tcp:127.0.0.1:{port}", "-S")),
                         stdin=subprocess.DEVNULL, stdout=console, stderr=console)
    try:
        # kernel_thread makes process 1 and the flusher first: every stop is hit by those already.
        out = gdb(WALK, port)
        at = 0
        for want in ["Breakpoint 1, copy_process", "Thread 1.2", "kernel_thread", '"idle/0',
                     "copy_thread", "wake_up_new_task", "schedule_tail", '"init']:
            assert want in out[at:], f"{want!r} is not in gdb's output after what came before it:\n{out}"
            at = out.index(want, at)
        assert p.wait(20) == 0, "forkdemo ends well after gdb has gone"
    finally:
        p.kill()
        p.wait()


class Session:
    """A machine that waits for gdb, and the output of one gdb on it."""

    def __init__(self, machine, append, cpus, commands, debug=False, first=()):
        port = free_port()
        with open(os.path.join(machine.tmp, "console"), "w") as console:
            p = subprocess.Popen(machine.command(append, cpus=cpus, debug=debug, extra=("-gdb", f"tcp:127.0.0.1:{port}", "-S")),
                                 stdin=subprocess.DEVNULL, stdout=console, stderr=console)
            try:
                self.text = gdb(commands, port, first=first)
                self.status = p.wait(20)
            finally:
                p.kill()
                p.wait()
        with open(os.path.join(machine.tmp, "console"), errors="replace") as console:
            self.console = console.read()

    def expect(self, *wanted):
        """These, in this order; regular expressions."""
        at = 0
        for want in wanted:
            m = re.compile(want, re.M).search(self.text, at)
            assert m, f"{want!r} is not in gdb's output after what came before it:\n{self.text}\nQEMU's status {self.status}, console:\n{self.console[-1500:]}"
            at = m.end()


@pytest.mark.parametrize("cpus", [1, 4])
def test_fork_walk(machine, cpus):
    s = Session(machine, "quiet init=/bin/forkdemo", cpus, "tine fork-walk\ntine fork-walk all\ntine symbols 1\ntine bt 1\ntine bt 3\ndetach")
    s.expect(r"^1\. trap_entry .*task 1 \(forkdemo\)", r"ecall at .*\(fork\)", r"^2\. sys_fork", r"sepc 0x\w+ \(after the ecall\)", r"^3\. copy_process", r"exit_signal 17",
             r"^4\. copy_thread", r"mm +a copy", r"cred +shared, 2 users", r"^5\. wake_up_new_task", r"pid 3, process 3, linked, state N",
             r"ra = ret_from_fork", r"page tables: [1-9]\d* of the child's own", r"^[67]\. ret_from_fork .*task 3", r"before it ran", r"^[78]\. schedule_tail .*task 3",
             r"lock, .* is held; preempt_count 1", r"^[89]\. user mode .*the child", "the fork is over", "symbols of .*forkdemo", r"task 1 \(forkdemo\)",
             r"task 3 \(forkdemo\)")
    assert len(re.findall(r"the child\]\n.*a0 = 0, ", s.text)) == 1 and len(re.findall(r"the parent\]\n.*a0 = 3, ", s.text)) == 1, s.text
    assert re.search(r"user   #0 .* main\+\d+ \(user/forkdemo.c", s.text), s.text
    assert s.status == 0, "forkdemo ends well after gdb has gone"


LOOK = """
break sys_fork
continue
tine ps
tine task 1
tine task
tine bt
tine trapframe 1
tine vma 1
tine files 1
tine pt 1 0x10000
tine pt 0 swapper_pg_dir
tine pt 1 0x20000000
tine csr
tine rq
tine waitq
tine waitq &child_reaper->signal->wait_chldexit
tine locks
tine dmesg 2
tine trace 1
tine out
tine ps
tine into
delete
tine task 77
tine pt 1
tine waitq init_task
tine bt nonsense(
detach
"""


@pytest.mark.parametrize("cpus", [1, 4])
def test_every_command_in_gdb(machine, cpus):
    s = Session(machine, """init=/bin/sh -- -c 'sleep 9 & sh -c "sleep 0.2; forkdemo; true"; kill %1; wait'""", cpus, LOOK)
    s.expect("Breakpoint 1, sys_fork", r"^ +0 +0 +0 R", r"^ +1 +1 +0 [SD] .* sh +\S*wait", r"flusher", r"forkdemo",
             r"^task 1 \(sh\)", r"state S", r"mm .*used by 1$", r"uid 0", r"^task \d+ \(forkdemo\)", r"runs on hart", r"kernel #0 .*sys_fork", r"kernel #1",
             r"user   #0", r"a7 0{13}104", r"^mm 0x", r"r-xp /bin/sh", r"\[vdso\]", r"grows down", r"^  +0 rw .*/console", r"cwd /",
             r"root, 1 GB each", r"leaf table", r"counted \d+ times?", r"root, 1 GB each: at \S+ is \S+: V", r"2 MB at physical|a page at physical", r"nothing: a touch here",
             r"supervisor mode", r"system call from user mode", r"stvec .*trap_entry", r"Sv39.*of process \d+ \(forkdemo\)", r"^hart 0: \d+ runnable",
             r"do_wait|wait", r"1 wait there", r"\d+ held or waited for", r"vda:", "nothing is recorded", r"\(forkdemo\) in user mode at", r"forkdemo", r"at trap_entry", "there is no task 77",
             "wants a pid and an address", "init_task is no wait queue", "tine bt: ")
    assert "Python Exception" not in s.text, s.text


@pytest.mark.parametrize("cpus", [1, 4])
def test_out_where_many_others_come_by(machine, cpus):
    """Processes of the same program return from system calls to the very address where the wanted one will, all the time while it sleeps."""
    s = Session(machine, "quiet init=/bin/sh -- -c 'for i in 1 2 3; do cat /dev/zero > /dev/null & done; sleep 0.5 | cat; poweroff'", cpus,
                "break pipe_read if $_streq((char *)current->comm, \"cat\")\ncontinue\ndelete\ntine task\ntine out\ntine into\ndetach")
    s.expect("hit Breakpoint 1|Breakpoint 1, pipe_read", r"^task (\d+) \(cat\)", r"^task \d+ \(cat\) in user mode at .*, a0 = 0x0$", r"\(cat\) at trap_entry")
    assert len(set(re.findall(r"task (\d+) \(cat\)", s.text))) == 1, s.text


def test_out_of_an_exec(machine):
    """To the first instruction of the new program, not to where the old one made the call."""
    s = Session(machine, "quiet init=/bin/sh -- -c 'true; forkdemo; true'", 2, "break sys_execve if current->pid > 1\ncontinue\ndelete\ntine out\ntine symbols\ninfo symbol $pc\ndetach")
    s.expect("hit Breakpoint 1|Breakpoint 1, sys_execve", r"^task \d+ \(forkdemo\) in user mode at ", "^_start in section .text")


def test_a_breakpoint_is_passed_by_one_instruction_of_one_hart(machine, tmp_path):
    """What gdb does at a breakpoint that is not for it. Were the hart to run to a second breakpoint behind the first, which is taken out
meanwhile, an interrupt could bring another task through."""
    log = tmp_path / "remote"
    s = Session(machine, "quiet init=/bin/forkdemo", 2, "break do_syscall if tf->a7 == 1079\ncontinue\ndelete\ndetach", first=("-ex", f"set remotelogfile {log}"))
    s.expect("Breakpoint 1, do_syscall")
    alone = re.findall(r"^w \+?\$vCont;(\w):p1\.[1-9]", log.read_text(), re.M)
    assert set(alone) == {"s"}, alone


def test_a_programs_own_breakpoint_in_gdb(machine):
    """In one process alone, though its parent and its sibling run the same code; and its symbols come at exec."""
    s = Session(machine, "quiet init=/bin/sh -- -c 'true; forkdemo; true'", 2, "tine symbols auto\nbreak sys_fork\ncontinue\n"
                "tine ubreak current->pid snprintf\ninfo symbol main\ndelete 1\ncontinue\ntine bt\ndelete\ncontinue")
    s.expect("symbols of each program", "hit Breakpoint 1", "main in section .text of .*forkdemo", "hit Breakpoint .*snprintf", r"user   #0 .*snprintf", r"user   #1 .*main")


def test_locks_of_the_checked_build_in_gdb(machine):
    s = Session(machine, "quiet init=/bin/forkdemo", 2, "file build/kernel-debug/tine.elf\nbreak *attach_pid\ncontinue\ncontinue\ntine locks\ndelete\ndetach", debug=True)
    s.expect("hit Breakpoint 1", r"hart \d holds tasklist tasklist_lock")


@pytest.fixture
def recording(machine):
    """A run with a shell that was typed into, recorded."""
    words = ["/usr/bin/python3", os.path.join(conftest.TOP, "scripts/replay.py"), "--kernel", os.path.join(conftest.BUILD, "kernel/tine.elf"), "--image", machine.image,
             "--build", machine.tmp]
    p = pexpect.spawn(words[0], [*words[1:], "record"], timeout=60, encoding="utf-8", codec_errors="replace", echo=False)
    p.expect("/root # ")
    for c in "forkdemo\r":  # QEMU's recording takes a key at a time
        p.send(c)
        time.sleep(0.02)
    p.expect("Child Complete.*/root # ")
    for c in "poweroff\r":
        p.send(c)
        time.sleep(0.02)
    p.expect(pexpect.EOF)
    p.close()
    assert p.exitstatus == 0
    port = free_port()
    with open(os.path.join(machine.tmp, "replayed"), "w") as out:
        r = subprocess.Popen([*words, "replay", "--port", str(port)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        yield port, os.path.join(machine.tmp, "replayed")
        os.killpg(r.pid, 9)
        r.wait()


def test_backwards_in_time(recording):
    port, console = recording
    for _ in range(100):
        if "waiting for gdb" in open(console).read():
            break
        time.sleep(0.1)
    time.sleep(0.3)
    out = gdb("tine when\nbreak sys_fork\ncontinue\ntine when\nprint/x $sp\ntine rstep\ntine rstep 9\nbreak copy_thread\ntine rcontinue\n"
              "tine rcontinue\ndelete\nbreak sys_fork\ntine goto 1000000\ncontinue\ntine when\nprint/x $sp\ntine when-changed &total_forks\nbt 3\ntine when-changed &saved_nothing\n"
              "tine goto 9000000000\ndelete\ncontinue", port, timeout=120)
    n = [int(x) for x in re.findall(r"^instruction (\d+)", out, re.M)]
    assert len(n) == 9, out
    at = n[1]
    assert n[0] == 0 and at > 1000000 and n[2:4] == [at - 1, at - 10], out
    back = re.findall(r"^instruction \d+: (\w+)", out, re.M)[4:6]
    assert n[5] < n[4] < n[3] and back == ["copy_thread"] * 2, out
    assert n[6] == 1000000 and n[7] == at and len(set(re.findall(r"^\$\d+ = (0x\w+)$", out, re.M))) == 1, "the same moment, the same stack: " + out
    assert n[8] < at and re.search(r"was stored to just before this(.*\n)+?#0 .*link_child", out) and "No symbol" in out, out
    assert "the recording ends before instruction 9000000000" in out, out
    assert "I am the child: fork gave me 0" in open(console).read(), "the replay has the typed command's output"


def test_core_file_in_gdb(machine, tmp_path):
    """A program with two threads dies; its core file, taken from the image, shows gdb where each was."""
    source, program, core = tmp_path / "crash.c", str(tmp_path / "crash"), str(tmp_path / "core")
    source.write_text("""
#include <pthread.h>
#include <unistd.h>
volatile int ready, answer = 42;
__attribute__((noinline)) void waits_here(void) { ready = 1; for (;;) pause(); }
static void *other(void *a) { waits_here(); return a; }
__attribute__((noinline)) void falls_here(int *p, double half) { *p = answer + (half > 1); }
int main(void) {
    pthread_t t;
    pthread_create(&t, 0, other, 0);
    while (!ready) ;
    falls_here((int *)16, 0.5);
}
""")
    subprocess.run(["riscv64-linux-gnu-gcc", "-static", "-O1", "-g", "-o", program, str(source), "-lpthread"], check=True)
    machine.add(program, "/crash")
    r = machine.run("cd /root; ulimit -c unlimited; /crash; echo left with $?; ls -l core", cpus=2, debug=True)
    assert "left with 139" in r.text, r.text
    subprocess.run(["debugfs", "-R", f"dump /root/core {core}", machine.image], check=True, capture_output=True)
    g = subprocess.run(["gdb-multiarch", "-nx", "-batch", "-ex", "bt", "-ex", "print answer", "-ex", "info threads", "-ex", "thread apply all bt", program, core],
                       capture_output=True, text=True, timeout=60)
    for said in ("SIGSEGV", "in main ()", "falls_here (", " = 42", "waits_here ("):
        assert said in g.stdout, g.stdout + g.stderr


def with_core(machine, append, **options):
    """(QEMU's status, the console, the core file or None) by scripts/dump.py, as make qemu DUMP=file has it."""
    core = os.path.join(machine.tmp, "core")
    command = machine.command(append, **options)
    kernel = command[command.index("-kernel") + 1]
    r = subprocess.run(["/usr/bin/python3", os.path.join(conftest.TOP, "scripts/dump.py"), "--kernel", kernel, "--out", core, "--", *command],
                       capture_output=True, text=True, errors="replace", timeout=60, stdin=subprocess.DEVNULL)
    assert not [f for f in os.listdir(machine.tmp) if f.endswith(".raw")]
    return r.returncode, r.stdout + r.stderr, core if os.path.exists(core) else None


ON_THE_WAY = ["do_trap", "from_kernel", "crash", "store_sysrq", "proc_write", "sys_write", "do_syscall", "trap_entry"]


@pytest.mark.parametrize("options", [{"cpus": 1}, {"cpus": 4, "debug": True, "mem": "128M"}])
def test_a_core_file_of_the_kernel(machine, options):
    status, text, core = with_core(machine, "trace=fork init=/bin/sh -- -c 'sleep 100 & true; sleep 0.2; echo c > /proc/sysrq-trigger'", **options)
    assert status == 255 and "kernel panic" in text and f"core: {core}" in text, text
    assert os.stat(core).st_blocks * 512 < 40 << 20 < os.stat(core).st_size, "pages of zeros take no room"
    commands = ["info threads", "bt", "tine ps", "tine bt 1", "tine bt 3", "tine dmesg 1", "tine vma 1", "tine trace 8", "tine csr", "tine rq", "tine locks",
                "tine pt 1 0x10000", "tine files 1", "print current->comm"]
    kernel = os.path.join(conftest.BUILD, "kernel-debug" if options.get("debug") else "kernel", "tine.elf")
    r = subprocess.run(["gdb-multiarch", "-nx", "-batch", "-x", "scripts/gdb/core.gdb", kernel, core, *(w for c in commands for w in ("-ex", f"echo --{c}\\n", "-ex", c))],
                       cwd=conftest.TOP, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    out = dict(p.partition("\n")[::2] for p in re.split(r"^--", r.stdout, flags=re.M)[1:])
    assert len(re.findall(r"LWP \d", out["info threads"])) == options["cpus"], r.stdout
    assert re.search(r"die .*panic_trap .*kernel_trap", out["bt"], re.S), r.stdout
    assert re.search(r"^ +1 +1 +0 R\*? .* sh ", out["tine ps"], re.M) and re.search(r"^ +3 +3 +1 S .* sleep .*sys_nanosleep", out["tine ps"], re.M), r.stdout
    assert "sys_nanosleep" in out["tine bt 3"] and "trap_entry" in out["tine bt 3"], r.stdout
    # Those that no compiler inlines: called from assembly or by a pointer, or told not to be.
    named = [f for f in re.findall(r"kernel #\d+ +0x\w+ (\w+)", out["tine bt 1"]) if f in ON_THE_WAY]
    assert named == ON_THE_WAY, r.stdout
    assert "end of panic" in out["tine dmesg 1"] and "/bin/sh" in out["tine vma 1"] and "leaf table" in out["tine pt 1 0x10000"], r.stdout
    events = [line.split()[4] for line in out["tine trace 8"].splitlines()]
    assert sorted(events) == ["exec"] * 3 + ["exit", "fork", "fork", "reap"] and events[-1] == "reap", r.stdout
    assert "hart 0:" in out["tine rq"] and "/console" in out["tine files 1"] and not re.search("Python Exception|Traceback", r.stdout + r.stderr), r.stdout + r.stderr
    assert "a core file has no control registers" in r.stderr, r.stderr


def test_no_core_file_without_a_panic(machine):
    status, text, core = with_core(machine, "init=/bin/sh -- -c 'echo fine; exit 3'", cpus=2)
    assert status == 3 and "fine" in text and not core, text


def test_locks_that_are_held(machine):
    """The checked build knows who holds what: a task in the middle of a read of a file holds its descriptor's position."""
    s = Session(machine, "quiet init=/bin/sh -- -c 'cat /etc/rc > /tmp/x; cat /tmp/x'", 2, "file build/kernel-debug/tine.elf\nbreak generic_file_read if *pos == 0 && f->mapping->host->i_size < 1000\ncontinue\ntine locks\ndelete\ndetach", debug=True)
    s.expect("Breakpoint 1, generic_file_read", r"task \d+ \(cat\) holds kernel/fs/file.c:&f->pos_lock at 0x", r"^\d+ held or waited for")
    assert s.status == 0


@pytest.mark.parametrize("kind", ["kernel", "kernel-debug"])
def test_frames_are_as_the_compiler_says(kind):
    """scripts/gdb/tinegdb/unwind.py (kernel/debug/unwind.c in Python) beside the debug information: at every call in the kernel, and, but
for a few that gcc has moved, at every instruction."""
    elf = os.path.join(conftest.BUILD, kind, "tine.elf")
    sys.path.insert(0, os.path.join(conftest.TOP, "scripts/gdb/tinegdb"))
    import unwind
    sections = subprocess.run(["riscv64-unknown-elf-readelf", "-SW", elf], capture_output=True, text=True, check=True).stdout
    base, offset, size = (int(x, 16) for x in re.search(r" \.text +PROGBITS +(\w+) (\w+) (\w+)", sections).groups())
    with open(elf, "rb") as f:
        f.seek(offset)
        text = f.read(size)
    out = subprocess.run(["riscv64-unknown-elf-readelf", "-wF", elf], capture_output=True, text=True, check=True).stdout
    calls = places = wrong = 0
    for entry in re.finditer(r" FDE cie=\S+ pc=(\w+)\.\.(\w+)\n(?: +LOC(.*)\n((?:\w.*\n)*))?", out):
        low, high = (int(x, 16) for x in entry.groups()[:2])
        code, rows = text[low - base:high - base], {low: (0, None)}
        at_ra = (entry.group(3) or "").split().index("ra") if " ra " in (entry.group(3) or "") else None
        for row in (entry.group(4) or "").splitlines():
            place, cfa, *rest = row.split()
            ra = rest[at_ra - 1] if at_ra is not None else "u"
            rows[int(place, 16)] = int(re.fullmatch(r"sp\+(\d+)", cfa).group(1)), None if ra == "u" else -int(ra[1:])
        at = 0
        while at < len(code):
            want = rows[low + at] if low + at in rows else want
            length, _, _ = unwind.decode(code, at)
            insn = int.from_bytes(code[at:at + length], "little")
            if (insn & 0xF07F == 0x9002 and insn != 0x9002) if length == 2 else insn & 0xFFF in (0xEF, 0xE7):
                calls += 1
                assert unwind.frame(code) == want, hex(low + at)
            there = unwind.frame(code, at)
            places += 1
            wrong += there[0] != want[0] or (want[1] is not None and there != want)
            at += length
    assert calls > 4000 and places > 80000 and wrong < places / 200, (calls, places, wrong)
