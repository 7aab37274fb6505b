"""pt, csr."""
from . import core
from .core import say

BITS = (("V", 0), ("R", 1), ("W", 2), ("X", 3), ("U", 4), ("G", 5), ("A", 6), ("D", 7), ("SHARED", 9))
LEVELS = {2: "root, 1 GB each", 1: "middle table, 2 MB each", 0: "leaf table, 4 KB each"}


def bits(e):
    return " ".join(n for n, b in BITS if e >> b & 1) or "none"


def page(pa):
    return core.value(f"mem_map[{pa >> 12} - min_pfn]")


class Pt(core.Command):
    """tine pt PID ADDRESS: the way from a process's root table to ADDRESS: each entry with its bits, how many entries point to the
table or page that it names, and whether that table is shared or sealed (docs/page-tables.md). PID 0: the kernel's tables."""
    name = "pt"

    def run(self, words):
        if len(words) != 2:
            raise LookupError("it wants a pid and an address")
        va = core.number(words[1])
        if words[0] == "0":
            root = core.address(core.value("swapper_pg_dir"))
        else:
            t = core.find_task(words[0])
            if not t["mm"]:
                raise LookupError("a kernel thread has no tables of its own: use pid 0")
            root = core.address(t["mm"]["pgd"])
        say(f"{va:#x} is entry {va >> 30 & 511} of the root, {va >> 21 & 511} of the middle table, {va >> 12 & 511} of the leaf table, byte {va & 4095}")
        for level, slot, e in core.walk(root, va):
            say(f"  {LEVELS[level]}: at {slot:#x} is {e:#018x}: {bits(e)}")
            if not e:
                say("    nothing: a touch here is a page fault, which the VMA decides about")
                return
            pa = core.pte_pa(e)
            user = va < 1 << 38
            if not e & 0x1e:
                if not user:
                    say(f"    a table at {pa:#x}")
                    continue
                p = page(pa)
                refs, flags = int(p["refcount"]["v"]), int(p["flags"])
                say(f"    a table at {pa:#x} with {int(p['inuse'])} entries, reached from {refs} place{'s' if refs != 1 else ''}"
                    + (", sealed: nothing in it permits stores" if flags & 1 << 9 else ""))
                if e & 1 << 9 and not e & 1:
                    say("    marked and not valid: shared by a fork; the next touch resolves it" if refs > 1 else
                        "    marked and not valid, but nobody else has it any more: the next touch takes the mark away")
                elif e & 1 << 9:
                    say("    marked and valid: shared for loads; a store copies the table first")
            else:
                size = core.PAGE << 9 * level
                at = pa + va % size
                say(f"    {'2 MB' if level == 1 else '1 GB' if level == 2 else 'a page'} at physical {pa:#x}; {va:#x} is {at:#x}, in the kernel {core.direct(at):#x}")
                if user:
                    refs = int(page(pa)["inuse"] if level == 1 else page(pa)["refcount"]["v"])
                    say(f"    it is counted {refs} time{'s' if refs != 1 else ''}" + ("" if e & 4 else
                        "; no store is permitted: the next one is a fault" + (", and a copy if the VMA may be written" if refs > 1 else "")))


CAUSES = {(1, 1): "software interrupt", (1, 5): "timer interrupt", (1, 9): "external interrupt", (0, 0): "instruction address misaligned",
          (0, 1): "instruction access fault", (0, 2): "illegal instruction", (0, 3): "breakpoint", (0, 4): "load address misaligned",
          (0, 5): "load access fault", (0, 6): "store address misaligned", (0, 7): "store access fault", (0, 8): "system call from user mode",
          (0, 9): "call from the kernel to the firmware", (0, 12): "instruction page fault", (0, 13): "load page fault", (0, 15): "store page fault"}


class Csr(core.Command):
    """tine csr: the selected hart's control registers, in words: what trapped last, from where, interrupts, which page tables."""
    name = "csr"

    def run(self, words):
        if not core.live():
            raise LookupError("a core file has no control registers: what the panic said of them is in tine dmesg")
        priv = core.reg("priv")
        say(f"hart in {('user', 'supervisor', '?', 'machine')[priv & 3]} mode, pc {core.symbol(core.reg('pc'))}")
        cause = core.reg("scause")
        say(f"  scause   {cause:#018x} {CAUSES.get((cause >> 63, cause & 0xff), 'unknown')}")
        say(f"  sepc     {core.reg('sepc'):#018x} {core.symbol(core.reg('sepc'))}")
        say(f"  stval    {core.reg('stval'):#018x}")
        say(f"  stvec    {core.reg('stvec'):#018x} {core.symbol(core.reg('stvec') & ~3)}")
        s = core.reg("sstatus")
        fs = ("off", "initial", "clean", "dirty")[s >> 13 & 3]
        on = [n for n, b in (("SIE: interrupts on", 1), ("SPIE: they will be after sret", 5), ("SPP: sret stays in the kernel", 8),
                             ("SUM: user memory may be touched", 18), ("MXR", 19)) if s >> b & 1]
        say(f"  sstatus  {s:#018x} {', '.join([*on, 'FS ' + fs])}")
        for name in ("sie", "sip"):
            v = core.reg(name)
            which = [n for n, b in (("software", 1), ("timer", 5), ("external", 9)) if v >> b & 1]
            say(f"  {name:8} {v:#018x} {', '.join(which) or 'none'} {'enabled' if name == 'sie' else 'pending'}")
        satp = core.reg("satp")
        mode = {0: "no translation", 8: "Sv39", 9: "Sv48"}.get(satp >> 60, "?")
        root = core.direct((satp & ((1 << 44) - 1)) << 12)
        owner = "the kernel's own" if root == core.address(core.value("swapper_pg_dir")) else ""
        for t in core.tasks() if not owner and satp >> 60 else ():
            if t["mm"] and core.address(t["mm"]["pgd"]) == root:
                owner = f"of process {int(t['tgid'])} ({core.comm(t)})"
                break
        say(f"  satp     {satp:#018x} {mode}, root table at {root:#x} {owner}")
        say(f"  sscratch {core.reg('sscratch'):#018x} {'the task, for the next trap' if core.reg('sscratch') else 'in the kernel'}")


for c in (Pt, Csr):
    c()
