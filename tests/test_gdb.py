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
