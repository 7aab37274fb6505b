"""when, goto, rstep, rcontinue, when-changed: backwards in time, in a recording that make qemu-replay plays. A moment is a count of
instructions since power-on. Back is: play again from the start, to the moment. (gdb's own reverse commands hang in QEMU 7.2.)"""
import re
import time

import gdb

from . import core
from .core import say


def count():
    """Instructions so far."""
    m = re.search(r"instruction count = (\d+)", gdb.execute("monitor info replay", to_string=True))
    if not m:
        raise LookupError("this is no replay: make qemu-record, then make qemu-replay")
    return int(m.group(1))


def restart():
    """Halted at power-on. Breakpoints stay."""
    port = gdb.convenience_variable("port")
    core.forget_hart()
    with core.Quiet():
        try:
            gdb.execute("kill", to_string=True)
        except gdb.error:
            pass  # it ended by itself
        for tries in range(50):
            try:
                gdb.execute(f"target remote :{int(port) if port is not None else 1234}", to_string=True)
                return
            except gdb.error:
                time.sleep(0.1)
    raise LookupError("the replay did not start again")


class Disabled:
    """No breakpoint of the user's, and one that is ours, for a while."""

    def __enter__(self):
        self.were = [b for b in gdb.breakpoints() or () if b.enabled and b.is_valid() and b.visible]
        for b in self.were:
            b.enabled = False

    def __exit__(self, *error):
        for b in self.were:
            if b.is_valid():
                b.enabled = True


def go_on():
    core.lower_hart()
    with core.Quiet():
        gdb.execute("continue", to_string=True)


def to(moment):
    restart()
    if moment > 0:
        gdb.execute(f"monitor replay_break {moment}", to_string=True)
        with Disabled():
            try:
                go_on()
                count()
            except gdb.error:  # the machine is gone
                restart()
                raise LookupError(f"the recording ends before instruction {moment}: this is its start")
    core.raise_hart()


def show():
    try:
        t = core.current()
        who = f"task {int(t['pid'])} ({core.comm(t)})"
    except (LookupError, gdb.error):
        who = "no task yet"
    say(f"instruction {count()}: {core.symbol(core.reg('pc'))}, {who}")


def last_stop(before):
    """Play from the start with the breakpoints that are set; the last moment before `before` at which one stopped, or None."""
    last = None
    restart()
    while True:
        try:
            go_on()
            now = count()
        except gdb.error:
            break  # the end of the recording
        if now >= before or now == last:
            break
        last = now
    return last


class When(core.Command):
    """tine when: how many instructions have run since power-on, and what runs."""
    name = "when"

    def run(self, words):
        show()


class Goto(core.Command):
    """tine goto N: to the moment when N instructions have run, before or behind."""
    name = "goto"

    def run(self, words):
        count()
        to(core.number(words[0]) if words else 0)
        show()


class Rstep(core.Command):
    """tine rstep [N]: N instructions back (1)."""
    name = "rstep"

    def run(self, words):
        now = count()
        to(max(now - (core.number(words[0]) if words else 1), 0))
        show()


class Rcontinue(core.Command):
    """tine rcontinue: back to the last stop at a breakpoint or watchpoint before this moment."""
    name = "rcontinue"

    def run(self, words):
        last = last_stop(count())
        if last is None:
            restart()
            raise LookupError("no breakpoint was hit before: this is the start")
        to(last)
        show()


class WhenChanged(core.Command):
    """tine when-changed ADDRESS [BYTES]: back to the instruction that last changed the memory there (8 bytes), a kernel address or an
expression: who cleared this entry, who took this lock."""
    name = "when-changed"

    def run(self, words):
        if not words:
            raise LookupError("it wants an address")
        at, size, now = core.number(words[0]), core.number(words[1]) if len(words) > 1 else 8, count()
        kind = {1: "char", 2: "short", 4: "int", 8: "long"}.get(size)
        if not kind:
            raise LookupError("1, 2, 4 or 8 bytes")
        after = gdb.parse_and_eval(f"*(unsigned {kind} *){at:#x}")
        after = int(after)
        with Disabled():
            w = gdb.Breakpoint(f"*(unsigned {kind} *){at:#x}", gdb.BP_WATCHPOINT, gdb.WP_WRITE, internal=True)
            w.silent = True
            try:
                last = last_stop(now)
            finally:
                w.delete()
        if last is None:
            restart()
            raise LookupError("nothing was stored there before this moment, since gdb could see it")
        to(last)
        say(f"{at:#x} was stored to just before this; at the moment where you were it was {after:#x}")
        show()


for c in (When, Goto, Rstep, Rcontinue, WhenChanged):
    c()
