"""rq, waitq, locks, dmesg, trace."""
import re
import struct

import gdb

from . import core
from .core import address, say
from .tasks import kernel_frames, function, state, waits_in


class Rq(core.Command):
    """tine rq: the run queue of each hart: what runs, what waits (real-time tasks first, then by virtual deadline)."""
    name = "rq"

    def run(self, words):
        for h in range(core.harts()):
            rq = core.rq(h)
            now = rq["curr"].dereference()
            say(f"hart {h}: {int(rq['nr_running'])} runnable, runs {int(now['pid'])} ({core.comm(now)}), {int(rq['switches'])} switches, "
                f"min_vruntime {int(rq['min_vruntime']) / 1e6:.3f} ms{', locked' if int(rq['lock']['locked']) else ''}")
            for level in range(100):
                if int(rq["rt_bits"][level // 64]) >> level % 64 & 1:
                    for t in core.each(rq["rt"][level], "task_struct", "se.rt_link"):
                        say(f"    priority {99 - level:3}  {int(t['pid']):6} {core.comm(t)}")
            for t in core.each_node(rq["fair"], "task_struct", "se.node"):
                se = t["se"]
                say(f"    deadline {int(se['deadline']) / 1e6:12.3f} ms, vruntime {int(se['vruntime']) / 1e6:12.3f} ms, nice {int(se['nice']):3}  "
                    f"{int(t['pid']):6} {core.comm(t)}")


class Waitq(core.Command):
    """tine waitq [EXPRESSION]: the tasks that sleep, by what they sleep in; or who waits in the wait queue EXPRESSION."""
    name = "waitq"

    def run(self, words):
        if words:
            q = gdb.parse_and_eval(words[0])
            q = q.dereference() if q.type.code == gdb.TYPE_CODE_PTR else q
            if q.type.strip_typedefs().name != "wait_queue_head":
                raise LookupError(f"{words[0]} is no wait queue")
            n = 0
            for w in core.each(q["list"], "wait_queue_entry", "link"):
                t, n = w["task"], n + 1
                say(f"  {int(t['pid']):6} {core.comm(t.dereference()):16} {'exclusive' if w['exclusive'] else ''} {core.symbol(address(w['func'])).split(' ')[0]}")
            say(f"{n} wait there")
            return
        where = {}
        for t in core.tasks():
            if state(t) in "SD" and core.running_on(t) is None:
                where.setdefault(waits_in(t), []).append(f"{int(t['pid'])} ({core.comm(t)})")
        for name, who in sorted(where.items()):
            say(f"  {name:40} {', '.join(who)}")


class Locks(core.Command):
    """tine locks: spinlocks, mutexes, rwsems and pages that are held, by whom where the checked build (DEBUG=1) knows; harts that spin
for one; tasks that wait for a mutex or rwsem."""
    name = "locks"

    def run(self, words):
        n = 0
        try:
            held = core.static("debug/locks.c", "held")
        except LookupError:
            held = None
            for name in ("tasklist_lock",):
                if int(core.value(name)["locked"]):
                    say(f"  {name} is held (who holds it: make DEBUG=1)")
                    n += 1
            for h in range(core.harts()):
                if int(core.rq(h)["lock"]["locked"]):
                    say(f"  the run queue's of hart {h} is held")
                    n += 1
        for h in range(core.harts() if held else 0):
            for i in range(int(held[h]["n"])):
                lock = held[h]["held"][i]
                rank = core.static("debug/locks.c", "rank_names")[int(lock["rank"])].string()
                say(f"  hart {h} holds {rank} {core.symbol(address(lock))}")
                n += 1
        for t in core.tasks() if held else ():
            own = t["sleep_locks"]
            for i in range(int(own["n"])):
                lock = own["held"][i]
                say(f"  task {int(t['pid'])} ({core.comm(t)}) holds {core.static('debug/sleeplocks.c', 'class_name')[int(lock['class'])].string()} at {address(lock['lock']):#x}")
                n += 1
        was = gdb.selected_thread()
        for t in gdb.selected_inferior().threads():
            t.switch()
            try:
                if not core.in_user() and core.reg("pc") >> 63 and "spin_lock" in core.symbol(core.reg("pc")):
                    say(f"  hart of gdb thread {t.num} spins in {core.symbol(core.reg('pc'))}")
                    n += 1
            except gdb.error:
                pass
        was.switch()
        for t in core.tasks():
            if state(t) == "D" and core.running_on(t) is None:
                names = [function(at) for _, at in kernel_frames(t)]
                for want in ("mutex_lock", "down_read", "down_write", "wait_write", "down_write_killable"):
                    if want in names:
                        caller = names[names.index(want) + 1] if names.index(want) + 1 < len(names) else "?"
                        say(f"  task {int(t['pid'])} ({core.comm(t)}) waits in {want} for {caller}")
                        n += 1
                        break
        say(f"{n} held or waited for")


class Dmesg(core.Command):
    """tine dmesg [LINES]: the kernel's log, also of a machine that hangs."""
    name = "dmesg"

    def run(self, words):
        end = int(core.static("debug/printk.c", "log_end"))
        buf = core.static("debug/printk.c", "log_buf")
        size = buf.type.sizeof
        data = core.read(address(buf), size)
        text = data[:end] if end <= size else data[end % size:] + data[:end % size]
        lines = text.decode("utf-8", "replace").splitlines()
        for line in lines[-(core.number(words[0]) if words else len(lines)):]:
            say(line)


class Trace(core.Command):
    """tine trace [LINES]: the trace points' newest entries of all harts by time, as /proc/trace has them."""
    name = "trace"

    def run(self, words):
        names = core.static("debug/trace.c", "events")
        rings, size = core.static("debug/trace.c", "rings"), int(core.static("debug/trace.c", "ring_size"))
        entries = []
        for h in range(core.harts() if size else 0):
            first = rings[h]["entry"]
            raw = core.read(address(first), size * first.dereference().type.sizeof)
            for at in range(0, len(raw), len(raw) // size):
                number, time, a, b, c, name, pid, event = struct.unpack_from("<QQQQQ16siI", raw, at)
                if number:
                    entries.append((time, h, pid, name.split(b"\0")[0].decode("utf-8", "replace"), event, (a, b, c)))
        entries.sort()
        for time, h, pid, name, event, numbers in entries[-(core.number(words[0]) if words else len(entries)):]:
            form = names[event]["format"].string()
            values = [n - (1 << 64) if n >> 63 and kind == "d" else n for n, kind in zip(numbers, re.findall(r"%l([dx])", form))]
            say(f"{time} {h} {pid} {name} {names[event]['name'].string()} " + form.replace("%l", "%") % tuple(values))
        if not entries:
            say("nothing is recorded: echo on > /proc/trace, or the kernel argument trace=on")


for c in (Rq, Waitq, Locks, Dmesg, Trace):
    c()
