"""What .vscode has: each task's command is run, and each launch configuration is done over gdb's machine interface as the C/C++ extension
does it: the task before, program, set-up commands, server, a breakpoint."""
import json
import os
import re
import shutil
import socket
import subprocess

import pexpect
import pytest
from conftest import TOP


def load(name):
    return json.load(open(os.path.join(TOP, ".vscode", name)))


def fill(text):
    return text.replace("${workspaceFolder}", TOP)


TASKS = {t["label"]: t for t in load("tasks.json")["tasks"]}


def test_tasks(machine):
    assert subprocess.run(TASKS["build"]["command"], shell=True, cwd=TOP, capture_output=True).returncode == 0
    p = pexpect.spawn("/bin/sh", ["-c", TASKS["run"]["command"]], cwd=TOP, timeout=30, encoding="utf-8", env=dict(os.environ, IMG=machine.image))
    p.expect("/root # ")
    p.sendline("poweroff")
    p.expect(pexpect.EOF)
    p.close()
    assert p.exitstatus == 0
    r = subprocess.run(["make", "-n", *TASKS["test"]["command"].split()[1:]], cwd=TOP, capture_output=True, text=True)
    assert TASKS["test"]["command"].split()[0] == "make" and "pytest" in r.stdout, r.stdout + r.stderr


def launch(machine, name, stops):
    """stops: (what to break at, what to type in the system before, what the frames show)"""
    c = next(c for c in load("launch.json")["configurations"] if c["name"] == name)
    task = TASKS[c["preLaunchTask"]]
    vm = pexpect.spawn("/bin/sh", ["-c", "exec " + task["command"]], cwd=TOP, timeout=30, encoding="utf-8", codec_errors="replace", env=dict(os.environ, IMG=machine.image))
    gdb = pexpect.spawn(c["miDebuggerPath"], ["-nx", "--interpreter=mi2"], cwd=fill(c["cwd"]), timeout=30, encoding="utf-8", echo=False)
    try:
        vm.expect(task["problemMatcher"]["background"]["endsPattern"])

        def say(command, answer="done"):
            gdb.sendline(command)
            gdb.expect(r"\^(done|running|connected|error)[^\n]*\n")
            assert gdb.match.group(1) == answer, gdb.before + gdb.after
        for s in c["setupCommands"]:
            say(f'-interpreter-exec console "{fill(s["text"])}"')
        say(f"-file-exec-and-symbols {fill(c['program'])}")
        say(f"-target-select remote {c['miDebuggerServerAddress']}", "connected")
        for s in c.get("postRemoteConnectCommands", ()):
            say(f'-interpreter-exec console "{fill(s["text"])}"')
        for where, typed, shown in stops:
            say(f"-break-insert -f {where}")
            say("-exec-continue", "running")
            if typed:
                vm.expect("/root # ")
                vm.sendline(typed)
            gdb.expect(r"\*stopped,reason=\"breakpoint-hit\"")
            say("-stack-list-frames")
            assert re.search(shown, gdb.after), gdb.after
            say("-break-delete")
        say('-interpreter-exec console "tine ps"')
        assert "idle/0" in gdb.before, gdb.before
        gdb.sendline("-gdb-exit")
    finally:
        gdb.close(force=True)
        vm.sendcontrol("a")
        vm.send("x")
        vm.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=5)
        vm.close(force=True)


def test_launch_configurations(machine):
    with socket.socket() as s:
        if not s.connect_ex(("127.0.0.1", 1234)):
            pytest.skip("port 1234, which they name, is in use")
    launch(machine, "kernel", [("copy_process", None, "do_fork"), ("sys_execve", None, "do_syscall")])
    launch(machine, "kernel and programs of user/", [("forkdemo.c:main", "forkdemo", r"forkdemo\.c")])


@pytest.mark.skipif(not shutil.which("clangd"), reason="clangd is not installed")
def test_clangd_has_no_complaint():
    files = {e["file"] for e in json.load(open(os.path.join(TOP, "compile_commands.json")))}
    kernel = {os.path.join(d, f) for d, _, names in os.walk(os.path.join(TOP, "kernel")) for f in names if f.endswith(".c")}
    assert {os.path.join(TOP, f) for f in files} >= kernel
    for f in ("kernel/core/fork.c", "kernel/debug/ftrace.c", "kernel/debug/kasan.c", "kernel/drivers/hvc.c", "user/watchd.c"):
        r = subprocess.run(["clangd", "--check=" + os.path.join(TOP, f)], cwd=TOP, capture_output=True, text=True)
        assert r.returncode == 0 and not re.search(r"^E\[|: (error|warning):", r.stderr, re.M), f + r.stderr[-2000:]
