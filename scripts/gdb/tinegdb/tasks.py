"""ps, task, bt, trapframe, vma, files, symbols."""
import os

import gdb

from . import core
from .core import address, say

STATES = {0: "R", 1: "S", 2: "D", 4: "T", 8: "K", 16: "Z", 32: "X", 64: "N", 128: "W", 512: "t"}
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SLEEPS = ("schedule", "__schedule", "schedule_timed", "prepare_to_wait", "finish_wait", "__switch_to", "preempt_schedule", "preempt_schedule_irq")


def state(t):
    if int(t["exit_state"]):
        return "Z" if int(t["exit_state"]) == 1 else "X"
    s = int(t["state"])
    return STATES.get(s & -s, "R") if s else "R"


def kernel_frames(t):
    """The places of a task that does not run, innermost first (core.kernel_backtrace)."""
    top, ctx = int(t["stack"]) & core.MASK, t["ti"]["ctx"]
    return core.kernel_backtrace(int(ctx["ra"]) & core.MASK, int(ctx["sp"]) & core.MASK, top - 16384, top)


def function(pc):
    """The function's name, without what the compiler adds to a part or a copy of one (.part.0)."""
    return core.symbol(pc).split("+")[0].split(" ")[0].split(".")[0]


def waits_in(t):
    """The function that a sleeping task sleeps in, and its caller."""
    names = [function(at) for _, at in kernel_frames(t)]
    names = [n for n in names if n not in SLEEPS]
    return " < ".join(names[:2])


class Ps(core.Command):
    """tine ps: all tasks: pid, process, parent, state, hart, user and system time, name, and what it waits in.

States as in /proc: R runs or is ready (with * on a hart now), S sleeps, D sleeps without signals, T stopped, t stopped for a tracer, Z zombie, N new."""
    name = "ps"

    def run(self, words):
        say(f"{'PID':>6} {'TGID':>6} {'PPID':>6} S  HART {'TASK':18} NAME             WAITS IN")
        for t in core.tasks():
            on = core.running_on(t)
            parent = int(t["real_parent"]["pid"]) if t["real_parent"] else 0
            s = state(t)
            waits = waits_in(t) if s in "SDT" and on is None else ""
            say(f"{int(t['pid']):6} {int(t['tgid']):6} {parent:6} {s}{'*' if on is not None else ' '} "
                f"{int(t['ti']['cpu']):4} {address(t):#018x} {core.comm(t):16} {waits}")


class Task(core.Command):
    """tine task [PID]: a task's identity, what it shares and with how many, signals, limits. Without PID: this hart's."""
    name = "task"

    def run(self, words):
        t = core.task_of(words)
        on, parent = core.running_on(t), t["real_parent"]
        say(f"task {int(t['pid'])} ({core.comm(t)}) at {address(t):#x}, of process {int(t['tgid'])}, child of "
            f"{int(parent['pid']) if parent else 0}")
        say(f"  state {state(t)}, " + (f"runs on hart {on}" if on is not None else f"last on hart {int(t['ti']['cpu'])}, in {waits_in(t) or 'user mode'}")
            + f"; flags {int(t['task_flags']):#x}, preempt_count {int(t['ti']['preempt_count'])}")
        se = t["se"]
        say(f"  scheduling: policy {int(se['policy'])}, nice {int(se['nice'])}, priority {int(se['prio'])}, ran {int(se['sum_exec']) / 1e6:.3f} ms, "
            f"{int(se['nvcsw'])} switches of its own, {int(se['nivcsw'])} forced, affinity {int(se['affinity']):#x}")
        for what, row in (("mm", "mm_users"), ("files", "refcount"), ("fs", "refcount"), ("sighand", "refcount"), ("signal", "refcount"), ("cred", "refcount")):
            p = t[what]
            say(f"  {what:8} " + (f"{address(p):#x}, used by {int(p[row]['v'])}" if p else "none"))
        if t["cred"]:
            c = t["cred"]
            say(f"  uid {int(c['uid'])}, euid {int(c['euid'])}, gid {int(c['gid'])}, capabilities {int(c['cap_effective']):#x}")
        s = t["signal"]
        say(f"  blocked {int(t['blocked']):#x}, pending {int(t['pending']['signal']):#x} and for the process {int(s['shared_pending']['signal']):#x}; "
            f"process group {int(s['pgid'])}, session {int(s['sid'])}, {int(s['nr_threads'])} threads")
        if int(t["exit_state"]):
            say(f"  ended with {int(t['exit_code']):#x}, not waited for")


class Trapframe(core.Command):
    """tine trapframe [PID]: the registers that the task had when it last left user mode, and the ones in its saved context."""
    name = "trapframe"

    def run(self, words):
        t = core.task_of(words)
        if int(t["task_flags"]) & 1:
            say("a kernel thread: it has no user registers")
        else:
            show_trapframe(t)
        ctx = t["ti"]["ctx"]
        say(f"  saved by __switch_to: ra {core.symbol(int(ctx['ra']) & core.MASK)}, sp {int(ctx['sp']) & core.MASK:#x}")


def trapframe(t):
    return core.struct_at(int(t["ti"]["kernel_sp"]) & core.MASK, "trapframe")


def show_trapframe(t):
    tf, row = trapframe(t), []
    for f in tf.type.fields():
        row.append(f"{f.name:>7} {int(tf[f.name]) & core.MASK:016x}")
        if len(row) == 4:
            say("  " + "  ".join(row))
            row = []
    say("  " + "  ".join(row))


class Bt(core.Command):
    """tine bt [PID]: where a task is, in the kernel and in its program, whether it runs or not.

The kernel's frames are found by its functions' code (unwind.py), the program's by frame pointers (tine's own programs keep them, others
mostly do not: then there is the first frame alone). `tine symbols PID` gives the program's functions names."""
    name = "bt"

    def run(self, words):
        t = core.task_of(words)
        say(f"task {int(t['pid'])} ({core.comm(t)}):")
        user = None
        if core.running_on(t) is not None:
            thread, was = core.thread_of(t), gdb.selected_thread()
            if not thread:
                raise LookupError("it is being switched to or from: step a little")
            thread.switch()
            pc, fp, sp, ra, inside = *(core.reg(r) for r in ("pc", "s0", "sp", "ra")), core.in_user()
            was.switch()
            if inside:
                user = (pc, fp, ra)
            else:
                top = int(t["stack"]) & core.MASK
                self.frames("kernel", core.kernel_backtrace(pc, sp, top - 16384, top, ra=ra))
        else:
            self.frames("kernel", kernel_frames(t))
        if not t["mm"]:
            return
        if not user:
            tf = trapframe(t)
            user = (int(tf["sepc"]) & core.MASK, int(tf["s0"]) & core.MASK, int(tf["ra"]) & core.MASK)
        self.frames("user", core.backtrace(user[1], user[0], lambda at, n: core.read_user(t["mm"], at, n), ra=user[2]))

    @staticmethod
    def frames(what, places):
        for i, (pc, at) in enumerate(places):
            say(f"  {what:6} #{i:<2} {pc:#018x} {core.symbol(at)}")


class Vma(core.Command):
    """tine vma [PID]: the parts of a task's address space: permissions, what is mapped, and how many page tables and pages are there."""
    name = "vma"

    def run(self, words):
        t = core.task_of(words)
        mm = t["mm"]
        if not mm:
            raise LookupError("a kernel thread has no address space of its own")
        say(f"mm {address(mm):#x}: {int(mm['mm_users']['v'])} users, {int(mm['total_vm'])} pages mapped, {int(mm['rss']['v'])} there, "
            f"{int(mm['cow_faults']['v'])} copied on write, root table {address(mm['pgd']):#x}")
        for v in core.each_node(mm["vmas"], "vm_area", "node"):
            f = int(v["flags"])
            bits = "".join(c if f & b else "-" for c, b in (("r", 1), ("w", 2), ("x", 4))) + ("s" if f & 8 else "p")
            more = [n for n, b in (("grows down", 16), ("DONTFORK", 32), ("WIPEONFORK", 64), ("special", 256), ("locked", 512), ("HUGEPAGE", 1024)) if f & b]
            name = path_of(v["file"]["path"]["dentry"]) if v["file"] else "[vdso]" if f & 256 else ""
            say(f"  {int(v['start']):012x}-{int(v['end']):012x} {bits} {name}{' ' + ', '.join(more) if more else ''}")


def path_of(dentry):
    """The name of a dentry from its file system's root on."""
    parts = []
    for _ in range(64):
        if not dentry or address(dentry["parent"]) == address(dentry):
            break
        parts.append(dentry["name"].string("utf-8", "replace"))
        dentry = dentry["parent"]
    return "/" + "/".join(reversed(parts))


class Files(core.Command):
    """tine files [PID]: the open descriptors: number, mode, position, how many share the open file, what it is."""
    name = "files"

    def run(self, words):
        t = core.task_of(words)
        files = t["files"]
        if not files:
            raise LookupError("it has no descriptors (it ended)")
        say(f"files {address(files):#x}, shared by {int(files['refcount']['v'])}, {int(files['top'])} slots")
        for fd in range(int(files["top"])):
            f = files["fd"][fd]
            if not f:
                continue
            cloexec = int(files["cloexec"][fd // 64]) >> fd % 64 & 1
            mode = ("r" if int(f["mode"]) & 1 else "-") + ("w" if int(f["mode"]) & 2 else "-")
            op = core.symbol(address(f["f_op"])).split(" ")[0] if f["f_op"] else "none"
            name = path_of(f["path"]["dentry"]) if f["path"]["dentry"] else op
            say(f"  {fd:3} {mode} at {int(f['pos']):8} shared by {int(f['refcount']['v']):3} {'cloexec ' if cloexec else ''}{name}")
        say(f"  cwd {path_of(t['fs']['cwd']['dentry'])}, umask {int(t['fs']['umask']):03o}")


def program(t):
    """The host's file, with symbols, of the program that a task runs."""
    mm = t["mm"]
    if not mm or not mm["exe_file"]:
        raise LookupError("it runs no program")
    path = path_of(mm["exe_file"]["path"]["dentry"])
    name = os.path.basename(path)
    places = [p for p in str(gdb.convenience_variable("tine_programs") or "").strip('"').split(":") if p]
    for at in [*places, os.path.join(TOP, "build/user"), os.path.join(TOP, "build/tests/abi"), os.path.join(TOP, "build/tests/linux")]:
        for found in (os.path.join(at, name), os.path.join(at, path.lstrip("/"))):
            if os.path.isfile(found):
                return found
    raise LookupError(f"no file with the symbols of {path} is known: set $tine_programs = \"DIR:DIR\"")


loaded = None


def load_symbols(t):
    global loaded
    host = program(t)
    if loaded == host:
        return host
    if loaded:
        try:
            gdb.execute(f"remove-symbol-file {loaded}", to_string=True)
        except gdb.error:
            pass
    with open(host, "rb") as f:
        head = f.read(20)
    bias = 0
    if head[16] == 3:  # ET_DYN: it was placed where the kernel chose
        bias = int(t["mm"]["start_code"]) & ~(core.PAGE - 1)
    gdb.execute(f"add-symbol-file {host} -o {bias:#x}", to_string=True)
    loaded = host
    return host


def follow_exec():
    """At each exec, where the new address space is the task's already."""
    try:
        load_symbols(core.current())
    except (LookupError, gdb.error):
        pass


class Symbols(core.Command):
    """tine symbols [PID | auto]: load the symbols of the program that the task runs, so that its functions have names and take
breakpoints (`tine ubreak`). auto: from now on at each exec, for the program that was started last.

Programs are looked for in build/user, build/tests and the folders of $tine_programs ("DIR:DIR")."""
    name = "symbols"
    at_exec = None

    def run(self, words):
        if words and words[0] == "auto":
            if not Symbols.at_exec:
                Symbols.at_exec = gdb.Breakpoint("*close_on_exec", internal=True)
                Symbols.at_exec.silent = True
                Symbols.at_exec.commands = "silent\npython tinegdb.tasks.follow_exec()\ncontinue"
            say("the symbols of each program that is started will be loaded")
            return
        say(f"symbols of {load_symbols(core.task_of(words))}")


class UserBreak(gdb.Breakpoint):
    """Holds where satp names the process's root table: a register, for here no memory of the kernel can be read."""

    def __init__(self, spec, mm):
        self.root = (address(mm["pgd"]) - core.PAGE_OFFSET) >> 12
        super().__init__(spec, type=gdb.BP_HARDWARE_BREAKPOINT)

    def stop(self):
        return core.reg("satp") & ((1 << 44) - 1) == self.root


class Ubreak(core.Command):
    """tine ubreak PID WHERE: a breakpoint at WHERE (a function, *ADDRESS, file:line) of the program of process PID, which holds for
that process alone, until it execs: others that run the same code, or other code at the same address, go on."""
    name = "ubreak"

    def run(self, words):
        if len(words) != 2:
            raise LookupError("it wants a pid and a place")
        t = core.find_task(words[0])
        try:
            load_symbols(t)
        except LookupError as e:
            say(str(e))
        if not t["mm"]:
            raise LookupError("a kernel thread runs no program")
        UserBreak(words[1], t["mm"])


for c in (Ps, Task, Trapframe, Bt, Vma, Files, Symbols, Ubreak):
    c()
