"""make watch: the host's view of a running system, over the virtio console."""
import os
import re
import socket
import subprocess

import pytest
from conftest import TOP


def console(machine):
    path = os.path.join(machine.tmp, "watch")
    return path, ("-chardev", f"socket,id=watch,path={path},server=on,wait=off", "-device", "virtio-serial-device", "-device", "virtconsole,chardev=watch")


def watch(path):
    return subprocess.run(["/usr/bin/python3", os.path.join(TOP, "scripts/watch.py"), "--socket", path, "--once"], capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("options", [{"cpus": 1}, {"cpus": 4, "debug": True}])
def test_watch_shows_what_runs(machine, options):
    path, extra = console(machine)
    p = machine.shell(extra=extra, **options)
    p.sendline("sh -c 'while true; do :; done' & threads > /dev/null; sleep 77 & echo started")
    p.expect(r"\nstarted")
    r = watch(path)
    assert r.returncode == 0 and len(re.findall(r"^hart \d+ ", r.stdout, re.M)) == options["cpus"], r.stdout + r.stderr
    rows = [line.split() for line in r.stdout.splitlines()[r.stdout.splitlines().index("  PID  PPID S HART NICE   RSS KB  % CPU  FAULTS/S NAME") + 1:]]
    names = [" ".join(row[8:]) for row in rows]
    assert {"init", "kflushd", "watchd", "sh", "sleep"} <= set(names), r.stdout
    assert names[0] == "sh" and int(rows[0][6]) > 50, "the one that spins is the first: " + r.stdout
    assert max(int(m) for m in re.findall(r"^hart .*\] +(\d+) %", r.stdout, re.M)) > 80 and re.search(r"^memory .* of \d\d+ MB used", r.stdout, re.M), r.stdout
    # Nobody asks: nothing runs. A client that goes away in the middle, and noise, do no harm.
    used = [row for row in rows if row[8] == "watchd"][0]
    assert used[2] in "SR" and int(used[6]) < 20
    for noise in (b"\n" * 200, os.urandom(5000), b"\n"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        s.sendall(noise)
        s.close()
    r = watch(path)
    assert r.returncode == 0 and "watchd" in r.stdout, r.stdout + r.stderr
    p.sendline("kill %1 %2; runas 1000 cat /dev/hvc0; poweroff")
    p.expect("Permission denied")
    p.expect("nothing leaked" if options.get("debug") else "", timeout=30)


def test_watch_without_a_system(machine):
    r = watch(os.path.join(machine.tmp, "nothing"))
    assert r.returncode == 1 and r.stderr == "watch: no tine runs here: make qemu in another terminal first\n"
