"""Trace points: what they say, what they cost when off, and the pictures that are made of them."""
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import pytest
from conftest import BUILD, TOP, tail

BROWSER = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)


def events(text):
    return [m.groups() for m in re.finditer(r"^(\d+) (\d+) (\d+) (.*?) (\w+) (\w+=.*)$", text, re.M)]


def test_a_fork_in_the_trace(machine):
    r = machine.run("echo fork,switch > /proc/trace; forkdemo > /dev/null; echo off > /proc/trace; cat /proc/trace; echo ---; cat /proc/trace; "
                    "echo clear > /proc/trace; echo; echo ---; cat /proc/trace", cpus=2)
    first, again, cleared = r.text.split("---\n")
    seen = events(first)
    forks = [(int(e[2]), e[3], int(re.search(r"child=(\d+)", e[5]).group(1))) for e in seen if e[4] == "fork"]
    assert [f[1] for f in forks] == ["sh", "forkdemo"] and forks[0][2] == forks[1][0], first
    child = forks[1][2]
    order = [e[4] for e in seen if e[4] == "fork" and f"child={child} " in e[5] or e[4] == "switch" and f"next={child} " in e[5] or
             e[4] == "exit" and int(e[2]) == child or e[4] == "reap" and f"pid={child} " in e[5]]
    assert order[:2] == ["fork", "switch"] and order[-2:] == ["exit", "reap"] and order.count("exit") == 1, first
    times = [int(e[0]) for e in seen]
    assert times == sorted(times) and {e[4] for e in seen} <= {"fork", "exec", "exit", "reap", "switch"}, first
    assert events(again) == seen and not events(cleared), "off: nothing more is written; clear: nothing is left"


def test_trace_commands(machine):
    machine.add("/dev/null", "/etc/rc")
    r = machine.run("cd /proc; echo nonsense > trace; echo fork,nonsense > trace; echo size=100 > trace; echo size=64 > trace; echo syscall > trace; "
                    "echo size=128 > trace; find / > /dev/null; echo off > trace; cat trace | wc -l; head -1 trace; runas 1000 cat /proc/trace", cpus=1)
    assert r.text.count("Invalid argument") == 3 and r.text.count("busy") == 1 and "\n65\n" in r.text, r.text
    assert "# ns hart pid name event; on:\n" in r.text and "Permission denied" in r.text, r.text
    r = machine.qemu("quiet trace=fork init=/bin/sh -- -c 'true; cat /proc/trace; /bin/true'", cpus=2)
    assert [e for e in events(r.text) if e[4] == "fork"], tail(r.text)


def test_a_panic_shows_the_last_events(machine):
    r = machine.qemu("trace=fork init=/bin/sh -- -c 'true; /bin/true; echo a > /proc/sysrq-trigger'", debug=True)
    last = re.search(r"kernel panic.*the last trace events:\n(.*)end of panic", r.text, re.S)
    assert last and re.findall(r"\) (fork|exec|exit|reap) ", last.group(1))[-4:] == ["fork", "exec", "exit", "reap"], tail(r.text)


def calls(text):
    """The function tracer's record as a tree for each task: {pid: [(name, instructions or None, [...])]}"""
    out, open_ = {}, {}
    for line in text.splitlines():
        m = re.match(r"^ *(\d+) +\d+ +(?:(\d+)  )? *(?:(\w[\w.]*)\(\)( \{|;)|\} /\* (\w[\w.]*) \*/)", line)
        if not m:
            assert line.startswith("#") or not line.strip(), line
            continue
        pid, time, name, ends, back = m.groups()
        stack = open_.setdefault(pid, [("", None, out.setdefault(pid, []))])
        if back:
            assert stack[-1][0] == back, line
            stack.pop()
            continue
        call = (name, int(time) if time else None, [])
        stack[-1][2].append(call)
        if ends == " {":
            stack.append(call)
    return out


@pytest.mark.parametrize("cpus", [1, 4])
def test_the_calls_under_copy_process(machine, cpus):
    r = machine.run("echo copy_process > /proc/ftrace; /bin/true; echo off > /proc/ftrace; cat /proc/ftrace", ftrace=True, icount=True, cpus=cpus)
    tree = calls(r.text)
    assert list(tree) == ["1"] and [c[0] for c in tree["1"]] == ["copy_process"], r.text
    _, time, inner = tree["1"][0]
    names = [c[0] for c in inner]
    path = ["check_flags", "dup_task_struct", "sched_fork", "copy_files", "copy_fs", "copy_sighand", "copy_thread", "alloc_pid"]
    assert [n for n in names if n in path] == path, r.text
    assert 8000 < time < 60000 and sum(c[1] for c in inner) < time and all(c[1] > 0 for c in inner), r.text


def test_function_tracer_commands(machine):
    r = machine.run("cd /proc; echo nonsense > ftrace; echo do_exit depth=x > ftrace; echo > ftrace; echo do_exit depth=1 pid=7 > ftrace; "
                    "for i in 1 2 3 4 5 6 7 8 9; do /bin/true; done; cat ftrace; echo ---; echo do_exit do_wait depth=2 > ftrace; /bin/true; echo off > ftrace; "
                    "cat ftrace; echo ---; echo vfs_read > ftrace; find / > /dev/null; cat ftrace | head -1; echo clear > ftrace; cat ftrace; runas 1000 cat ftrace", ftrace=True)
    one, two, rest = r.text.split("---\n")
    assert one.count("Invalid argument") == 3, r.text
    assert re.findall(r"^ +(\d+) +\d+ +(\w+)\(\) \{ /\* did not return here \*/$", one, re.M) == [("7", "do_exit")] and "# on" in one, r.text
    assert {c[0] for t in calls(two).values() for c in t} == {"do_exit", "do_wait"} and "exit_notify()" in two and "do_notify_parent" not in two, r.text
    assert re.match(r"# (on|off, full)", rest) and rest.count("# off\n") == 1 and not calls(rest.split("# off\n")[1].replace("cat:", "#")), r.text
    assert "Permission denied" in rest


@pytest.mark.parametrize("debug", [False, True])
def test_a_warning_says_where_every_hart_is_and_all_goes_on(machine, debug):
    r = machine.run("echo fork > /proc/trace; sh -c 'while true; do :; done' & sleep 0.3; echo w > /proc/sysrq-trigger; /bin/true; "
                    "grep -c 'fork child' /proc/trace; echo went on", cpus=3, quiet=False, debug=debug)
    m = re.search(r"warning: sysrq\n(.*)end of warning\n(.*)", r.text, re.S)
    assert m and sorted(re.findall(r"^\S* *\S* *hart (\d)", m.group(1), re.M)) == ["0", "1", "2"], r.text
    assert m.group(1).index("store_sysrq+") < m.group(1).index("trap_entry+") and re.search(r"hart \d: pid 3 \(sh\)", m.group(1)), r.text
    assert re.search(r"the last trace events:.*\(sleep\) exit", m.group(1), re.S), r.text
    assert re.match(r"\d+\nwent on", m.group(2)) and int(m.group(2).split()[0]) >= 3 and r.status == 0, "tracing goes on too: " + r.text


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    build = tmp_path_factory.mktemp("build")
    r = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "scripts/trace.py"), "--kernel", os.path.join(BUILD, "kernel/tine.elf"), "--image",
                        os.path.join(BUILD, "fs.img"), "--build", str(build), "--", "forkdemo; sleep 0.01 & ls / | wc -l; wait; exit 7"], capture_output=True, text=True)
    assert r.returncode == 7, r.stdout + r.stderr
    return build / "trace"


def test_trace_for_perfetto(picture):
    trace = json.load(open(picture / "trace.json"))["traceEvents"]
    tracks = {(e["pid"], e["tid"]): e["args"]["name"] for e in trace if e["name"] == "thread_name"}
    assert {"hart 0", "hart 1"} <= set(tracks.values()) and sum(n.startswith("forkdemo ") for n in tracks.values()) == 2, tracks
    last = {}
    for e in sorted((e for e in trace if e["ph"] == "X" and e["pid"] == 1), key=lambda e: e["ts"]):
        assert e["ts"] >= last.get(e["tid"], 0) - 1e-6 and e["dur"] >= 0, "a hart runs one task at a time"
        last[e["tid"]] = e["ts"] + e["dur"]
    begun = {e["id"]: e for e in trace if e["ph"] == "s"}
    ended = {e["id"]: e for e in trace if e["ph"] == "f"}
    forks = [i for i, e in begun.items() if e["name"] == "fork"]
    assert len(forks) >= 5 and set(begun) == set(ended) and all(begun[i]["ts"] <= ended[i]["ts"] for i in begun)
    calls = [e["name"] for e in trace if e["ph"] == "b"]
    assert {"clone", "execve", "wait4", "exit_group"} <= set(calls), set(calls)


def test_process_tree_picture(picture):
    svg = xml.etree.ElementTree.parse(picture / "tree.svg").getroot()
    ns = "{http://www.w3.org/2000/svg}"
    tasks = [g.find(ns + "text").text for g in svg.iter(ns + "g") if g.get("class") == "task"]
    assert tasks[0].startswith("sh ") and sum(t.startswith("forkdemo") for t in tasks) == 2 and any(t.startswith("wc ") for t in tasks), tasks
    assert len([p for p in svg.iter(ns + "path") if p.get("class") == "fork"]) == len(tasks) - 1, "a line from each parent to its child"


@pytest.mark.skipif(not BROWSER, reason="no Chromium here (apt install chromium)")
def test_process_tree_picture_in_a_browser(picture, tmp_path):
    """The browser lays it out: each task's bar is visible, inside the picture, and a child's begins where its parent's is."""
    look = """<script>addEventListener('load', () => {
        const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom].map(Math.round); };
        document.title = JSON.stringify({all: box(document.querySelector('svg')), tasks: [...document.querySelectorAll('g.task')].map(g => [g.id, box(g.querySelector('rect'))]),
            run: [...document.querySelectorAll('svg > rect title')].length, errors: document.querySelectorAll('parsererror').length}); });</script>"""
    page = tmp_path / "page.html"
    page.write_text(f"<html><body>{(picture / 'tree.svg').read_text()}{look}</body></html>")
    r = subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,900", f"--user-data-dir={tmp_path}/profile", "--dump-dom", f"file://{page}"],
                       capture_output=True, text=True, timeout=90)
    seen = json.loads(re.search(r"<title>(.*?)</title>\s*</head>", r.stdout, re.S).group(1))
    left, top, right, bottom = seen["all"]
    assert not seen["errors"] and seen["run"] > 5 and len(seen["tasks"]) >= 6, seen
    rows = [box for _, box in seen["tasks"]]
    for l, t, r_, b in rows:
        assert left <= l < r_ <= right and top <= t < b <= bottom, seen
    assert all(a[3] <= b[1] for a, b in zip(rows, rows[1:])), "rows do not overlap"
    assert all(rows[0][0] <= l for l, _, _, _ in rows), "nothing is older than the shell"


@pytest.mark.parametrize("build", [{}, {"debug": True}])
def test_source_lines_of_a_panic(machine, build):
    r = machine.qemu("init=/bin/sh -- -c 'echo c > /proc/sysrq-trigger'", cpus=2, **build)
    d = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "scripts/decode_stacktrace.py")], input=r.text, capture_output=True, text=True)
    assert d.returncode == 0 and not d.stderr, d.stderr
    frames = re.findall(r"\] (\w+)\+0x\w+ (\S+):(\d+)", d.stdout)
    assert [f[0] for f in frames[:5]] == ["crash", "store_sysrq", "proc_write", "vfs_write", "do_rw"], d.stdout
    crash = open(os.path.join(TOP, "kernel/fs/procfs/machine.c")).read().splitlines()[int(frames[0][2]) - 1]
    assert frames[0][1] == "kernel/fs/procfs/machine.c" and "void crash(void)" in crash and ("trap_entry", "kernel/riscv/entry.S") in [f[:2] for f in frames], d.stdout
    assert "(call_table), in kernel/riscv/trap.c" in d.stdout and len([f for f in frames if f[0] == "cpu_idle"]) == 1, d.stdout
    r = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "scripts/decode_stacktrace.py"), "/dev/null"], capture_output=True, text=True)
    assert r.returncode == 1 and r.stderr == "decode: no backtrace in /dev/null\n"
