#!/usr/bin/python3
"""make trace CMD=...: run a command on tine with the trace points on, and draw what happened: build/trace/trace.json, which
Perfetto (ui.perfetto.dev) and chrome://tracing open, with a track for each hart and each task and arrows from fork and wake to the first
run; and build/trace/tree.svg, the tree of processes over time, for a browser."""
import argparse
import html
import json
import os
import re
import subprocess
import sys

import checks

p = argparse.ArgumentParser()
p.add_argument("--kernel", required=True, type=checks.readable)
p.add_argument("--image", required=True, type=checks.image)
p.add_argument("--build", required=True)
p.add_argument("--cpus", default="2", type=checks.cpus)
p.add_argument("--mem", default="256M", type=checks.mem)
p.add_argument("--events", default="syscall,fork,sched,fault,signal,futex")
p.add_argument("command", nargs="+")
LINE = re.compile(r"^(\d+) (\d+) (\d+) (.*?) (\w+) (\w+=.*)$")
NAMES = {}
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def syscall_names():
    for line in open(os.path.join(TOP, "kernel/core/syscalls.list")):
        m = re.match(r"(\d+)\s+(\w+)", line)
        if m:
            NAMES[int(m.group(1))] = m.group(2)


def known_events():
    with open(os.path.join(TOP, "kernel/debug/trace.h")) as f:
        names = [w for m in re.finditer(r"^ *X\((\w+), (\w+),", f.read(), re.M) for w in m.groups()]
    return list(dict.fromkeys(names))


def parse(text):
    """[(ns, hart, pid, name, event, {key: number})]"""
    out = []
    for line in text.splitlines():
        m = LINE.match(line)
        if m:
            values = {k: int(v, 0) for k, v in re.findall(r"(\w+)=(-?\w+)", m.group(6))}
            out.append((int(m.group(1)), int(m.group(2)), int(m.group(3)), m.group(4), m.group(5), values))
    return out


class History:
    """What each task did: when it was made, by whom, when it ran and where, its calls, when it ended."""

    def __init__(self, events):
        self.events = events
        self.start, self.end = (events[0][0], events[-1][0]) if events else (0, 1)
        self.name, self.parent, self.born, self.died = {0: "idle"}, {}, {}, {}
        self.runs, self.calls, self.marks, self.flows = [], [], [], []
        on, open_calls, waiting = {}, {}, {}
        for t, hart, pid, name, event, v in events:
            if pid:
                self.name[pid] = name
                self.born.setdefault(pid, self.start)
            if event == "fork":
                self.parent[v["child"]], self.born[v["child"]] = pid, t
                self.name.setdefault(v["child"], name)
                waiting[v["child"]] = ("fork", t, pid)
            elif event == "wakeup" and pid:
                waiting.setdefault(v["pid"], ("wake", t, pid))
            elif event == "switch":
                if hart in on:
                    self.runs.append((on[hart][1], t, hart, on[hart][0]))
                on[hart] = (v["next"], t)
                if v["next"] in waiting:
                    self.flows.append((*waiting.pop(v["next"]), t, v["next"], hart))
            elif event == "syscall":
                open_calls[pid] = (t, v)
            elif event == "sysret" and pid in open_calls:
                begin, c = open_calls.pop(pid)
                self.calls.append((begin, t, pid, NAMES.get(c["nr"], f"call {c['nr']}"), v["ret"]))
            elif event == "exit":
                self.died[pid] = (t, v["code"])
            if event not in ("switch", "syscall", "sysret", "wakeup", "wakeup_new", "irq"):
                self.marks.append((t, hart, pid, event, v))
        for hart, (pid, begin) in on.items():
            self.runs.append((begin, self.end, hart, pid))
        for pid, (begin, c) in open_calls.items():
            self.calls.append((begin, self.end, pid, NAMES.get(c["nr"], f"call {c['nr']}"), None))


def chrome(h):
    """The trace event format: times in microseconds; process 1 is the machine, 2 the tasks."""
    us = lambda t: (t - h.start) / 1000  # noqa: E731
    out = [{"ph": "M", "pid": 1, "name": "process_name", "args": {"name": "harts"}}, {"ph": "M", "pid": 2, "name": "process_name", "args": {"name": "tasks"}}]
    for hart in sorted({r[2] for r in h.runs}):
        out.append({"ph": "M", "pid": 1, "tid": hart, "name": "thread_name", "args": {"name": f"hart {hart}"}})
    for pid, name in sorted(h.name.items()):
        if pid:
            out.append({"ph": "M", "pid": 2, "tid": pid, "name": "thread_name", "args": {"name": f"{name} {pid}"}})
    for begin, end, hart, pid in h.runs:
        if pid:
            out.append({"ph": "X", "pid": 1, "tid": hart, "ts": us(begin), "dur": us(end) - us(begin), "name": f"{h.name.get(pid, '?')} {pid}"})
            out.append({"ph": "X", "pid": 2, "tid": pid, "ts": us(begin), "dur": us(end) - us(begin), "name": f"runs on hart {hart}", "cat": "run"})
    for begin, end, pid, name, ret in h.calls:
        out.append({"ph": "b", "cat": "syscall", "id": pid, "pid": 2, "tid": pid, "ts": us(begin), "name": name})
        out.append({"ph": "e", "cat": "syscall", "id": pid, "pid": 2, "tid": pid, "ts": us(end), "name": name, "args": {"ret": ret}})
    for t, hart, pid, event, v in h.marks:
        if pid:
            out.append({"ph": "i", "s": "t", "pid": 2, "tid": pid, "ts": us(t), "name": event, "args": {k: hex(x) if k in ("va", "entry") else x for k, x in v.items()}})
    for i, (kind, t, by, ran, pid, hart) in enumerate(h.flows):
        out.append({"ph": "s", "cat": kind, "id": i, "pid": 2, "tid": by, "ts": us(t), "name": kind})
        out.append({"ph": "f", "bp": "e", "cat": kind, "id": i, "pid": 2, "tid": pid, "ts": us(ran), "name": kind})
    return {"traceEvents": out, "displayTimeUnit": "ns"}


COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#885533", "#555555")


def tree(h, command):
    """A row for each task, below its parent; pale while it lives, coloured by hart while it runs."""
    children = {}
    for pid in sorted(h.born):
        children.setdefault(h.parent.get(pid, 0), []).append(pid)
    rows = []

    def place(pid):
        rows.append(pid)
        for c in children.get(pid, []):
            place(c)
    for top in [p for p in sorted(h.born) if p and h.parent.get(p, 0) not in h.born]:
        place(top)
    left, width, step, top = 170, 1100, 26, 60
    span = max(h.end - h.start, 1)
    x = lambda t: left + width * (min(max(t, h.start), h.end) - h.start) / span  # noqa: E731
    y = {pid: top + i * step for i, pid in enumerate(rows)}
    height = top + step * len(rows) + 40
    s = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 40} {height}" font-family="sans-serif" font-size="12">',
         f'<rect width="100%" height="100%" fill="#fff"/><text x="10" y="22" font-size="15">{html.escape(command)}</text>']
    for i in range(11):
        t = h.start + span * i // 10
        s.append(f'<path d="M{x(t):.1f} 40V{height - 30}" stroke="#ddd"/><text x="{x(t):.1f}" y="{height - 14}" text-anchor="middle">{(t - h.start) / 1e6:.1f} ms</text>')
    for hart in sorted({r[2] for r in h.runs}):
        s.append(f'<rect x="{left + 90 * hart}" y="28" width="10" height="10" fill="{COLORS[hart % 8]}"/><text x="{left + 14 + 90 * hart}" y="37">hart {hart}</text>')
    for pid in rows:
        end = h.died.get(pid, (h.end, None))
        life = f"{h.name.get(pid, '?')} {pid}: from {(h.born[pid] - h.start) / 1e6:.3f} ms to {(end[0] - h.start) / 1e6:.3f} ms" + (
            f", ended with {end[1] >> 8 if not end[1] & 127 else f'signal {end[1] & 127}'}" if end[1] is not None else "")
        s.append(f'<g class="task" id="task-{pid}"><title>{html.escape(life)}</title><text x="10" y="{y[pid] + 13}">{html.escape(h.name.get(pid, "?"))} {pid}</text>'
                 f'<rect x="{x(h.born[pid]):.1f}" y="{y[pid]}" width="{max(x(end[0]) - x(h.born[pid]), 1):.1f}" height="16" fill="#e4e4e4"/></g>')
        if h.parent.get(pid) in y:
            s.append(f'<path class="fork" d="M{x(h.born[pid]):.1f} {y[h.parent[pid]] + 16}V{y[pid]}" stroke="#333" fill="none"/>')
    for begin, end, hart, pid in h.runs:
        if pid in y:
            s.append(f'<rect x="{x(begin):.2f}" y="{y[pid] + 2}" width="{max(x(end) - x(begin), 0.3):.2f}" height="12" fill="{COLORS[hart % 8]}">'
                     f'<title>hart {hart}, {(end - begin) / 1000:.1f} us from {(begin - h.start) / 1e6:.3f} ms</title></rect>')
    for t, hart, pid, event, v in h.marks:
        if pid in y and event == "exec":
            s.append(f'<path d="M{x(t):.1f} {y[pid] - 2}v20" stroke="#000" stroke-width="2"><title>exec, {(t - h.start) / 1e6:.3f} ms</title></path>')
    s.append("</svg>\n")
    return "\n".join(s)


def main():
    a = p.parse_args()
    if unknown := [e for e in a.events.split(",") if e not in known_events()]:
        sys.exit(f"trace: EVENTS={a.events}: there is no event '{unknown[0]}'; there are: {', '.join(known_events())}")
    command = " ".join(a.command)
    folder = os.path.join(a.build, "trace")
    os.makedirs(folder, exist_ok=True)
    kept = os.path.join(folder, "image")
    wrapped = (f"echo size=16384 > /proc/trace; echo {a.events} > /proc/trace; ( {command}\n); status=$?; echo off > /proc/trace; "
               "cat /proc/trace > /.trace; exit $status")
    run = subprocess.run([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "run.py"), "--kernel", a.kernel, "--image", a.image, "--cpus", str(a.cpus),
                          "--mem", a.mem, "--keep", kept, "--", wrapped])
    text = subprocess.run(["debugfs", "-R", "cat /.trace", kept], capture_output=True, env=dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin")).stdout
    os.unlink(kept)
    text = text.decode(errors="replace")
    with open(os.path.join(folder, "trace.txt"), "w") as f:
        f.write(text)
    syscall_names()
    h = History(parse(text))
    if not h.events:
        sys.exit("no trace came back: the command ended the machine, or panicked it")
    with open(os.path.join(folder, "trace.json"), "w") as f:
        json.dump(chrome(h), f)
    with open(os.path.join(folder, "tree.svg"), "w") as f:
        f.write(tree(h, command))
    print(f"{len(h.events)} events in {(h.end - h.start) / 1e6:.1f} ms; {folder}/trace.txt, trace.json (ui.perfetto.dev), tree.svg (a browser)", file=sys.stderr)
    sys.exit(run.returncode)


if __name__ == "__main__":
    main()
