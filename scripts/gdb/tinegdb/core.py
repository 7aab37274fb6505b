"""What all commands share: the kernel's lists and tasks, memory of any process, addresses as names."""
import struct

import gdb

from . import unwind

PAGE = 4096
# Kernel addresses are below 0: gdb gives and takes them as unsigned.
MASK = (1 << 64) - 1


class Prefix(gdb.Command):
    """Commands that know tine: `tine ps` for the tasks, `tine fork-walk` to follow a fork. `help tine NAME` explains each."""

    def __init__(self):
        super().__init__("tine", gdb.COMMAND_USER, gdb.COMPLETE_NONE, True)


class Command(gdb.Command):
    """A command `tine NAME`: run(words) does it. What goes wrong is said in one line."""
    name = ""

    def __init__(self):
        super().__init__("tine " + self.name, gdb.COMMAND_DATA)

    def invoke(self, text, tty):
        self.dont_repeat()
        try:
            raise_hart()
            self.run(gdb.string_to_argv(text))
        except gdb.MemoryError as e:
            raise gdb.GdbError(f"tine {self.name}: memory cannot be read: {e}")
        except LookupError as e:
            raise gdb.GdbError(f"tine {self.name}: {e.args[0] if e.args else e}")
        finally:
            lower_hart()


# QEMU reads memory with the rights of the selected hart, and a hart in user mode may not see the kernel. So while a command runs
# such a hart counts as in supervisor mode; before the machine goes on it is what it was.
raised = None


def live():
    """QEMU, and not a core file: CSRs, and memory by address, are there."""
    return gdb.parse_and_eval("$priv").type.code != gdb.TYPE_CODE_VOID


def raise_hart():
    global raised
    t = gdb.selected_thread()
    if t and not raised and live() and reg("priv") == 0:
        gdb.execute("set $priv = 1")
        raised = t


def lower_hart():
    global raised
    if raised and raised.is_valid():
        was = gdb.selected_thread()
        raised.switch()
        gdb.execute("set $priv = 0")
        was.switch()
    raised = None


class Quiet:
    """Stops that are a command's own doing are not announced (gdb 13 and newer)."""

    def __enter__(self):
        self.set("on")

    def __exit__(self, *error):
        self.set("off")

    @staticmethod
    def set(how):
        if int(gdb.VERSION.split(".")[0]) >= 13:
            gdb.execute(f"set suppress-cli-notifications {how}")


def forget_hart():
    """The machine goes: there is nothing to put back."""
    global raised
    raised = None


def number(word):
    try:
        v = gdb.parse_and_eval(word)
        return int(v.address if v.type.code in (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_FUNC) else v) & MASK
    except gdb.error as e:
        raise LookupError(str(e))


def say(text=""):
    gdb.write(text + "\n")


def value(expr):
    return gdb.parse_and_eval(expr)


def static(file, name):
    """A static variable of a file of the kernel."""
    try:
        return gdb.parse_and_eval(f"'kernel/{file}'::{name}")
    except gdb.error:
        raise LookupError(f"this kernel has no {name} in kernel/{file}")


def address(v):
    return int(v.address if v.type.code != gdb.TYPE_CODE_PTR else v) & MASK


def struct_at(at, type_name):
    """The structure at an address."""
    return gdb.Value(at).cast(gdb.lookup_type("struct " + type_name).pointer()).dereference()


def container(link, type_name, member):
    """The structure whose `member`, maybe of a member (se.node), lies at the address link."""
    t = gdb.lookup_type("struct " + type_name)
    offset, at = 0, t
    for part in member.split("."):
        field = next(f for f in at.fields() if f.name == part)
        offset, at = offset + field.bitpos // 8, field.type
    return struct_at((link - offset) & MASK, type_name)


def each(head, type_name, member, most=100000):
    """The entries of a list."""
    first, at = address(head), address(head["next"])
    for _ in range(most):
        if at == first:
            return
        entry = container(at, type_name, member)
        yield entry
        at = address(struct_at(at, "list_head")["next"])
    raise LookupError("a list has no end: it is being changed, or it is broken")


def each_node(root, type_name, member):
    """The entries of a red-black tree, in order."""
    def visit(node):
        if node:
            n = struct_at(node, "rb_node")
            yield from visit(address(n["left"]))
            yield container(node, type_name, member)
            yield from visit(address(n["right"]))
    yield from visit(address(root["node"]))


def harts():
    return int(value("nr_harts"))


def rq(h):
    return static("sched/core.c", f"rqs[{h}]")


def processes():
    yield from each(value("task_list"), "task_struct", "tasks")


def threads(process):
    yield from each(process["signal"]["thread_head"], "task_struct", "thread_link")


def tasks():
    """All tasks, and the idle ones, which have pid 0."""
    seen = set()
    for h in range(harts()):
        idle = rq(h)["idle"]
        if idle:
            seen.add(address(idle))
            yield idle.dereference()
    for p in processes():
        for t in threads(p):
            if address(t) not in seen:
                yield t


def task_of(words):
    """The task that a command's first word names; without one, the one that this hart runs."""
    return find_task(words[0]) if words else current()


def find_task(word):
    """By pid, or an expression whose value is a task's address."""
    n = number(word)
    if n > 1 << 32:
        return struct_at(n, "task_struct")
    for t in tasks():
        if int(t["pid"]) == n:
            return t
    raise LookupError(f"there is no task {n}")


def reg(name):
    return int(gdb.parse_and_eval("$" + name)) & MASK


def in_user():
    t = gdb.selected_thread()
    return live() and reg("priv") == 0 or (raised is not None and t.ptid == raised.ptid)


def current():
    """What the selected hart runs: tp in the kernel, sscratch while it is in user mode or just leaves it."""
    at = reg("tp")
    if not at >> 63:
        at = reg("sscratch")
    if not at >> 63:
        raise LookupError("this hart runs nothing yet")
    return struct_at(at, "task_struct")


def running_on(task):
    """The hart that runs it, or None."""
    for h in range(harts()):
        if address(rq(h)["curr"]) == address(task):
            return h
    return None


def thread_of(task):
    """The gdb thread (QEMU's hart) that runs the task, or None. The selected thread stays what it is."""
    was, found = gdb.selected_thread(), None
    for t in gdb.selected_inferior().threads():
        t.switch()
        try:
            if address(current()) == address(task):
                found = t
        except LookupError:
            pass
    was.switch()
    return found


def comm(task):
    return task["comm"].string("ascii", "replace")


def symbol_at(pc):
    """The symbol that pc is in, and the offset there; None: there is none."""
    name = gdb.execute(f"info symbol {pc:#x}", to_string=True).split(" in section")[0].strip()
    if name.startswith("No symbol"):
        return None
    name, offset = name.rsplit(" + ", 1) if " + " in name else (name, "0")
    return name, int(offset)


def symbol(pc):
    """`function+offset (file:line)`, as far as it is known."""
    found = symbol_at(pc)
    if not found:
        return f"{pc:#x}"
    line = gdb.find_pc_line(pc)
    at = f" ({line.symtab.filename}:{line.line})" if line.symtab and line.line else ""
    return found[0] + (f"+{found[1]}" if found[1] else "") + at


def read(at, n):
    return bytes(gdb.selected_inferior().read_memory(at, n))


def read_u64(at):
    return struct.unpack("<Q", read(at, 8))[0]


def direct(pa):
    """Where the kernel has the physical address mapped."""
    return (pa + PAGE_OFFSET) & MASK


PAGE_OFFSET = 0xffffffc000000000  # kernel/riscv/csr.h: all memory is mapped from here on


def pte_pa(e):
    return (e >> 10 << 12) & ((1 << 56) - 1)


def walk(root, va):
    """[(level, address of the entry, entry)] from the root down to a leaf, or to where it ends."""
    out, table = [], root
    for level in (2, 1, 0):
        slot = table + ((va >> (12 + 9 * level)) & 511) * 8
        e = read_u64(slot)
        out.append((level, slot, e))
        if not e or e & 0x1e:  # nothing, or a leaf: it has R, W or X, or U
            break
        table = direct(pte_pa(e))
    return out


def physical(mm, va):
    """The physical address of va in an address space, whoever runs; None: nothing is mapped."""
    level, _, e = walk(address(mm["pgd"]), va)[-1]
    if not e & 0x1e:
        return None
    size = PAGE << (9 * level)
    return pte_pa(e) + va % size


def read_user(mm, va, n):
    out = b""
    while n:
        pa, part = physical(mm, va), min(n, PAGE - va % PAGE)
        if pa is None:
            raise LookupError(f"nothing is mapped at {va:#x}")
        out += read(direct(pa), part)
        va, n = va + part, n - part
    return out


def at_entry(pc):
    """pc is in a function's first instructions, before it has a frame of its own."""
    found = symbol_at(pc)
    return found is not None and found[1] < 4


def code_of(pc):
    """Where the kernel's function at pc begins, and its instructions."""
    block = gdb.block_for_pc(pc)
    while block and (not block.function or block.superblock.function or not block.superblock.is_static):  # inlined ones are in others
        block = block.superblock
    if block:
        return block.start, read(block.start, block.end - block.start)
    found = symbol_at(pc)
    if not found:
        return None
    start = pc - found[1]
    return start, read(start, pc + 1 - start) + bytes(4)


def kernel_backtrace(pc, sp, low, high, ra=None, most=50):
    """Places, innermost first, in the stack from low to high: pc, and an address in the instruction that is under way (the call, where
pc is a return address). ra: the register, where pc was interrupted; None: it waits for a call's return."""
    out = [(pc, pc if ra is not None else pc - 1)]
    for _ in range(most):
        place = code_of(pc if ra is not None else pc - 1)
        if not place:
            break
        start, code = place
        if ra is None and symbol(start).startswith("from_kernel"):
            if not low <= sp < high - 8 * 36:
                break
            tf = struct_at(sp, "trapframe")
            pc, sp, ra = (int(tf[r]) & MASK for r in ("sepc", "sp", "ra"))
            out.append((pc, pc))
            continue
        size, saved = unwind.frame(code, None if ra is None else pc - start)
        sp += size
        if saved is not None:
            if not low <= sp - saved <= high - 8:
                break
            pc = read_u64(sp - saved)
        elif ra is not None:
            pc = ra
        else:
            break
        if not code_of(pc - 1):
            break
        ra = None
        out.append((pc, pc - 1))
    return out


def backtrace(fp, pc, load, most=50, ra=None):
    """A program's frames, as kernel_backtrace's, by frame pointers: gcc keeps s0's caller at fp - 16 and the return address at fp - 8. ra: the register, for
a function that has just been called."""
    out = [pc] if pc else []
    if ra and at_entry(pc):
        out.append(ra)
    for _ in range(most):
        if fp < 4096 or fp % 8:
            break
        try:
            frame = load(fp - 16, 16)
        except (gdb.MemoryError, LookupError):
            break
        up, pc = struct.unpack("<QQ", frame)
        if pc < PAGE:
            break
        out.append(pc)
        if up <= fp:
            break
        fp = up
    return [(pc, pc - (i > 0)) for i, pc in enumerate(out)]
