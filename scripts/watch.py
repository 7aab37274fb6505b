#!/usr/bin/python3
"""make watch: harts, memory, faults and tasks of the tine that `make qemu` runs in this folder, again each second; q or Ctrl-C ends.
--once: one picture, as text. It asks watchd in the system through a virtio console; while nobody asks, nothing runs there."""
import argparse
import os
import re
import select
import shutil
import socket
import sys
import termios
import time
import tty

import checks

p = argparse.ArgumentParser()
p.add_argument("--socket", required=True)
p.add_argument("--once", action="store_true")
p.add_argument("--every", type=checks.seconds, default=1.0, help="seconds between two looks")
a = p.parse_args()


def connect():
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(a.socket)
    except OSError:
        sys.exit("watch: no tine runs here: make qemu in another terminal first")
    s.settimeout(5)
    return s


class Files:
    """What watchd answers: {name: text}."""

    def __init__(self, s):
        self.s, self.rest = s, b""

    def read(self, until):
        while not until(self.rest):
            try:
                more = self.s.recv(65536)
            except socket.timeout:
                sys.exit("watch: no answer: is watchd running there (/etc/rc starts it)?")
            if not more:
                sys.exit("watch: the system has ended")
            self.rest += more

    def look(self):
        files = {}
        self.s.sendall(b"\n")
        while True:
            self.read(lambda b: b"\n" in b)
            head, self.rest = self.rest.split(b"\n", 1)
            m = re.match(rb"(\d+) (/proc/[\w/]+|end)$", head)
            if not m:
                continue  # the middle of what was on the way when an earlier watch ended
            n, name = int(m.group(1)), m.group(2).decode()
            if name == "end":
                if {"/proc/uptime", "/proc/loadavg", "/proc/stat", "/proc/meminfo"} <= set(files):
                    return files
                continue  # the end of such an answer
            if name == "/proc/uptime":  # every answer's first
                files = {}
            self.read(lambda b: len(b) >= n)
            files[name], self.rest = self.rest[:n].decode("utf-8", "replace"), self.rest[n:]


class Look:
    def __init__(self, files):
        stat = files["/proc/stat"]
        self.at = float(files["/proc/uptime"].split()[0])
        self.load = " ".join(files["/proc/loadavg"].split()[:3])
        self.harts = [tuple(map(int, m.group(1).split())) for m in re.finditer(r"^cpu\d+ (.*)$", stat, re.M)]
        self.forks, self.switches = (int(re.search(rf"^{k} (\d+)", stat, re.M).group(1)) for k in ("processes", "ctxt"))
        self.mem = {k: int(v) for k, v in re.findall(r"^(\w+): +(\d+) kB", files["/proc/meminfo"], re.M)}
        self.tasks = {}
        for name, text in files.items():
            m = re.match(r"(\d+) \((.*)\) (.*)", text, re.S) if name.endswith("/stat") and name.count("/") > 2 else None
            if m:
                f = m.group(3).split()
                self.tasks[int(m.group(1))] = {"comm": m.group(2), "process": int(name.split("/")[2]), "state": f[0], "ppid": int(f[1]), "faults": int(f[7]),
                                               "time": int(f[11]) + int(f[12]), "nice": int(f[16]), "rss": int(f[21]) * 4, "hart": int(f[36])}


def bar(part, width=24):
    full = round(max(0.0, min(1.0, part)) * width)
    return "[" + "#" * full + " " * (width - full) + "]"


def picture(old, new, rows):
    span = max(new.at - old.at, 0.01)
    faults = sum(max(0, t["faults"] - old.tasks.get(pid, {"faults": 0})["faults"]) for pid, t in new.tasks.items())
    out = [f"tine: up {new.at:.0f} s, load {new.load}; {len(new.tasks)} tasks, {sum(t['state'] == 'R' for t in new.tasks.values())} running",
           f"in a second: {(new.forks - old.forks) / span:.0f} forks, {(new.switches - old.switches) / span:.0f} switches, {faults / span:.0f} faults of what lives"]
    for h, (was, now) in enumerate(zip(old.harts, new.harts)):
        d = [max(0, n - w) for w, n in zip(was, now)]  # rounded to ticks, one may step back
        busy, total = d[0] + d[1] + d[2], sum(d[:4]) or 1
        out.append(f"hart {h}  {bar(busy / total)} {100 * busy / total:3.0f} %   user {100 * (d[0] + d[1]) / total:3.0f}, kernel {100 * d[2] / total:3.0f}")
    total, free, cached = (new.mem.get(k, 0) for k in ("MemTotal", "MemFree", "Cached"))
    used = total - free
    out.append(f"memory  {bar(used / (total or 1))} {used / 1024:.1f} of {total / 1024:.0f} MB used, {cached / 1024:.1f} MB of it by cached files, {new.mem.get('Dirty', 0)} KB to be written")
    out += ["", "  PID  PPID S HART NICE   RSS KB  % CPU  FAULTS/S NAME"]

    def use(pid):
        return new.tasks[pid]["time"] - old.tasks.get(pid, {"time": 0})["time"]
    for pid in sorted(new.tasks, key=lambda p: (-use(p), p))[:rows]:
        t = new.tasks[pid]
        f = t["faults"] - old.tasks.get(pid, {"faults": 0})["faults"]
        thread = "" if t["process"] == pid else f" (thread of {t['process']})"
        out.append(f"{pid:5} {t['ppid']:5} {t['state']} {t['hart']:4} {t['nice']:4} {t['rss']:8} {use(pid) / span:6.0f} {f / span:9.0f} {t['comm']}{thread}")
    return out


files = Files(connect())
old = Look(files.look())
if a.once:
    time.sleep(a.every)
    print("\n".join(picture(old, Look(files.look()), 1000)))
    sys.exit()
keyboard = sys.stdin.isatty()
if keyboard:
    saved = termios.tcgetattr(0)
    tty.setcbreak(0)
sys.stdout.write("\033[?1049h\033[?25l")  # the other screen, no cursor
try:
    new = old
    while True:
        size = shutil.get_terminal_size()
        lines = picture(old, new, max(1, size.lines - 8 - len(new.harts)))
        sys.stdout.write("\033[H" + "".join(line[:size.columns] + "\033[K\n" for line in lines) + "\033[J")
        sys.stdout.flush()
        ready = select.select([0] if keyboard else [], [], [], a.every)[0]
        if ready and os.read(0, 1) in (b"q", b"\3"):
            break
        old, new = new, Look(files.look())
except KeyboardInterrupt:
    pass
finally:
    sys.stdout.write("\033[?1049l\033[?25h")
    sys.stdout.flush()
    if keyboard:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)
