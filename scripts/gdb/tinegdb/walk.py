"""fork-walk, into, out: along the path of a fork, and through the trap."""
import contextlib
import os
import re

import gdb

from . import core, tasks
from .core import address, say

CLONES = {220: "clone", 435: "clone3", 1071: "vfork", 1079: "fork"}
SHARED = ("mm", "files", "fs", "sighand", "signal", "cred")


def flag_names(flags):
    """CLONE_* of a word, by the kernel's own list (kernel/core/clone_flags.list)."""
    names = []
    for line in open(os.path.join(tasks.TOP, "include/abi/sched.h")):
        m = re.match(r"#define (CLONE_\w+)\s+(0x[0-9a-f]+)", line)
        if m and int(m.group(2), 0) and flags & int(m.group(2), 0) == int(m.group(2), 0) and int(m.group(2), 0) & (int(m.group(2), 0) - 1) == 0:
            names.append(m.group(1))
    return " | ".join(names) or "none"


def task_at(at):
    return core.struct_at(at, "task_struct")


def here():
    try:
        t = core.current()
        return f"hart {int(t['ti']['cpu'])}, task {int(t['pid'])} ({core.comm(t)})"
    except (LookupError, gdb.error):
        return "?"


class At(gdb.Breakpoint):
    """Stops at an address when `wanted` says so."""

    def __init__(self, where, wanted):
        self.wanted, self.hit = wanted, False
        super().__init__(where, type=gdb.BP_HARDWARE_BREAKPOINT, internal=True)
        self.silent = True

    def stop(self):
        try:
            self.hit = bool(self.wanted())
        except (LookupError, gdb.error):
            self.hit = False
        return self.hit


def run_to(*places):
    """Continue to one of (where, wanted), where `wanted` looks at registers alone; which one it was. Another stop ends the walk."""
    stops = [At(where, wanted) for where, wanted in places]
    core.lower_hart()
    try:
        gdb.execute("continue", to_string=True)
        core.raise_hart()
        for i, s in enumerate(stops):
            if s.hit:
                return i
        raise LookupError("something else stopped the machine: the walk ends here")
    finally:
        for s in stops:
            if s.is_valid():
                s.delete()


def is_task(at):
    return lambda: address(core.current()) == at


@contextlib.contextmanager
def alone():
    """The selected hart runs and the others stand still."""
    was = gdb.parameter("scheduler-locking")
    gdb.execute("set scheduler-locking on")
    try:
        yield
    finally:
        gdb.execute(f"set scheduler-locking {was}")


def leaves():
    """The task that the selected hart takes to user mode now, on the last instructions of
    trap_entry; 0: it does something else."""
    name, _ = core.symbol_at(core.reg("pc")) or ("", 0)
    return core.reg("tp") if name == "to_user" else core.reg("sscratch") if name == "restore" else 0


def leaving(tasks_at):
    """The one of the tasks that a hart takes to user mode now, and that hart is selected; or None."""
    was = gdb.selected_thread()
    for t in gdb.selected_inferior().threads():
        t.switch()
        if leaves() in tasks_at:
            return leaves()
    was.switch()
    return None


def to_user(tasks_at, *places):
    """Run until one of the tasks executes in user mode: which. Or until one of the places, as
    run_to has them, is reached: None.

    The address where the task will do so is an address of other tasks too, and a signal or an exec
    may yet change it. So this waits for the task on the last instructions of its way out, where
    interrupts are off. From there its hart continues alone. An interrupt or a fault at its first
    instruction takes it back into the kernel: then this waits again."""
    while True:
        while not (at := leaving(tasks_at)):
            if run_to(*places, ("*(long)&to_user", lambda: core.reg("tp") in tasks_at)) < len(places):
                return None
        pc = int(tasks.trapframe(task_at(at))["sepc"]) & core.MASK
        with alone():
            if run_to((f"*{pc:#x}", core.in_user), ("*trap_entry", lambda: True)) == 0:
                return at


class Walk:
    """The stops of one fork, in order."""

    def __init__(self):
        self.parent = self.child = None
        self.steps = self.go()

    def title(self, n, what):
        say(f"{n}. {what}   [{here()}]")

    def go(self):
        def at_ecall():
            # at the vector's first instruction tp is still the program's: the task is in sscratch
            return core.reg("scause") == 8 and core.reg("a7") in CLONES and core.reg("sscratch") >> 63
        run_to(("*trap_entry", at_ecall))
        self.parent = core.reg("sscratch")
        t = task_at(self.parent)
        call = core.reg("a7")
        say(f"1. trap_entry   [hart {int(t['ti']['cpu'])}, task {int(t['pid'])} ({core.comm(t)})]")
        say(f"   ecall at {core.symbol(core.reg('sepc'))}: a7 = {call} ({CLONES[call]}), a0 = {core.reg('a0'):#x}, a1 = {core.reg('a1'):#x}")
        say(f"   sp is the program's, {core.reg('sp'):#x}; the frame will go to {int(t['ti']['kernel_sp']) & core.MASK:#x}, the top of the kernel stack")
        yield

        run_to((f"*sys_{CLONES[call]}", is_task(self.parent)))
        self.title(2, f"sys_{CLONES[call]}")
        tf = tasks.trapframe(t)
        say(f"   registers are saved: a0 {int(tf['a0']):#x}, a7 {int(tf['a7'])}, sepc {int(tf['sepc']):#x} (after the ecall); interrupts are on")
        if call == 220:
            say(f"   flags {core.reg('a0'):#x}: {flag_names(core.reg('a0'))}, signal at its end {core.reg('a0') & 0xff}, stack {core.reg('a1'):#x}")
        yield

        run_to(("*copy_process", is_task(self.parent)))
        self.title(3, "copy_process")
        args = core.struct_at(core.reg("a0"), "kernel_clone_args")
        say(f"   kernel_clone_args: flags {int(args['flags']):#x}, {flag_names(int(args['flags']))}, exit_signal {int(args['exit_signal'])}")
        say(f"   {int(core.value('nr_threads'))} threads are there, {int(core.value('max_threads'))} may be; {int(core.value('total_forks'))} forks so far")
        yield

        run_to(("*copy_thread", is_task(self.parent)))
        self.child = core.reg("a0")
        self.title(4, "copy_thread")
        c = task_at(self.child)
        say(f"   the child's task is {self.child:#x}, its kernel stack ends at {int(c['stack']) & core.MASK:#x}")
        self.what_is_shared(t, c)
        yield

        run_to(("*wake_up_new_task", is_task(self.parent)))
        self.title(5, "wake_up_new_task")
        say(f"   pid {int(c['pid'])}, process {int(c['tgid'])}, linked, state {tasks.state(c)}")
        mine, its = tasks.trapframe(t), tasks.trapframe(c)
        for f in mine.type.fields():
            if int(mine[f.name]) != int(its[f.name]):
                say(f"   trapframe: {f.name} {int(mine[f.name]) & core.MASK:#x} in the parent, {int(its[f.name]) & core.MASK:#x} in the child")
        ctx = c["ti"]["ctx"]
        say(f"   __switch_to will load ra = {core.symbol(int(ctx['ra']) & core.MASK)}, sp = {int(ctx['sp']) & core.MASK:#x}")
        self.page_tables(t, c)
        yield

        # From here on the two run side by side: what comes first is shown first.
        ahead = [("*ret_from_fork", lambda: core.reg("tp") == self.child, self.ret_from_fork),
                 ("*schedule_tail", is_task(self.child), self.schedule_tail)]
        left, n = [self.parent], 6
        while left or ahead:
            which = to_user(left, *(place[:2] for place in ahead[:1]))
            if which:
                who = "child" if which == self.child else "parent"
                say(f"{n}. user mode   [hart {int(task_at(which)['ti']['cpu'])}, the {who}]")
                say(f"   pc {core.symbol(core.reg('pc'))}, a0 = {core.reg('a0')}, sp {core.reg('sp'):#x}")
                left.remove(which)
            else:
                ahead.pop(0)[2](n, c)
                left += [] if ahead else [self.child]
            n += 1
            if left or ahead:
                yield
        say("the fork is over")

    def ret_from_fork(self, n, c):
        self.title(n, "ret_from_fork")
        prev = task_at(core.reg("a0"))
        say(f"   the child's first instruction in the kernel; before it ran {int(prev['pid'])} ({core.comm(prev)}); satp {core.reg('satp'):#x} is its own")

    def schedule_tail(self, n, c):
        self.title(n, "schedule_tail")
        rq = core.rq(int(c["ti"]["cpu"]))
        say(f"   the run queue's lock, taken by the task before, is {'held' if int(rq['lock']['locked']) else 'free'}; preempt_count {int(c['ti']['preempt_count'])}")

    @staticmethod
    def what_is_shared(t, c):
        for what in SHARED:
            a, b = t[what], c[what]
            if not b:
                say(f"   {what:8} none")
            elif address(a) == address(b):
                count = b["mm_users"] if what == "mm" else b["refcount"]
                say(f"   {what:8} shared, {int(count['v'])} users")
            else:
                say(f"   {what:8} a copy, {address(b):#x}")

    @staticmethod
    def page_tables(t, c):
        if not c["mm"] or address(c["mm"]) == address(t["mm"]):
            say("   page tables: the parent's")
            return
        shared = own = 0
        root = address(c["mm"]["pgd"])
        for i in range(256):
            e = core.read_u64(root + 8 * i)
            if not e:
                continue
            shared, own = shared + (e >> 9 & 1), own + (~e >> 9 & 1)
            if e >> 9 & 1 == 0:
                middle = core.direct(core.pte_pa(e))
                for word in memoryview(core.read(middle, 4096)).cast("Q"):
                    if word and not word & 0x1e:
                        shared, own = shared + (word >> 9 & 1), own + (~word >> 9 & 1)
        say(f"   page tables: {own} of the child's own, {shared} shared with the parent; {int(c['mm']['rss']['v'])} pages, none copied yet")


class ForkWalk(core.Command):
    """tine fork-walk [all | stop]: follow the next fork, one stop a call: trap entry, system call, copy_process, copy_thread,
wake_up_new_task, ret_from_fork, schedule_tail, and the return of child and parent to user mode, each with what matters there.
`all` goes through all of them at once, `stop` gives the walk up."""
    name = "fork-walk"
    walk = None

    def run(self, words):
        if words and words[0] == "stop":
            ForkWalk.walk = None
            return
        if not ForkWalk.walk:
            ForkWalk.walk = Walk().steps
        try:
            next(ForkWalk.walk)
            while words and words[0] == "all":
                next(ForkWalk.walk)
        except StopIteration:
            ForkWalk.walk = None
        except (LookupError, gdb.error):
            ForkWalk.walk = None
            raise


class Into(core.Command):
    """tine into: from a program's code to the kernel: run to this task's next trap, be it an ecall, a fault or an interrupt."""
    name = "into"

    def run(self, words):
        if not core.in_user():
            raise LookupError("this hart is in the kernel already")
        t = core.reg("sscratch")
        run_to(("*trap_entry", lambda: core.reg("sscratch") == t))
        say(f"{here()} at {core.symbol(core.reg('pc'))}, scause {core.reg('scause'):#x}, from {core.symbol(core.reg('sepc'))}")


class Out(core.Command):
    """tine out: from the kernel back to the program: run until this task executes its next instruction in user mode."""
    name = "out"

    def run(self, words):
        if core.in_user():
            raise LookupError("this hart is in user mode already")
        t = core.current()
        to_user([address(t)])
        say(f"task {int(t['pid'])} ({core.comm(t)}) in user mode at {core.symbol(core.reg('pc'))}, a0 = {core.reg('a0'):#x}")


for c in (ForkWalk, Into, Out):
    c()
