"""gdb-multiarch over QEMU's stub, by the project's own .gdbinit, as the README's tour does it."""
import os
import socket
import subprocess

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


def gdb(commands, port, timeout=60):
    lines = [x for c in commands.strip().splitlines() for x in ("-ex", c)]
    r = subprocess.run(["gdb-multiarch", "-nx", "-batch", "-ex", f"set $port = {port}", "-x", ".gdbinit", *lines],
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
