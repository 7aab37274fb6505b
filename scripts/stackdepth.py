#!/usr/bin/python3
"""The kernel stack that any path can need, from the linked kernel: its instructions say how much each function has taken
at each call, the debug information says which functions a call through a pointer may reach.

A call through a pointer reaches every function whose address is taken somewhere and whose type fits (one that takes fewer
arguments fits too: the table of system calls casts). Circles are cut at the calls that scripts/stackdepth.list names, each
with the number of times it can be on a stack at once and why. A circle that is not named there is an error.

Exit status: 0, 1: a circle or a call that nothing is known of, 2: more than a stack.
usage: stackdepth.py kernel.elf [--list file] [--cross prefix] [--paths n]"""
import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections import defaultdict

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIST = os.path.join(TOP, "scripts/stackdepth.list")
BRANCH = re.compile(r"^(beq|bne|bltu?|bgeu?|bgtu?|bleu?|beqz|bnez|blez|bgez|bltz|bgtz|j|c\.j|c\.beqz|c\.bnez)$")


class Function:
    def __init__(self, address, name):
        self.address, self.name, self.code, self.frame = address, name, [], 0
        self.calls = []     # (bytes taken there, target's address)
        self.pointers = []  # (bytes taken there, the call's own address, it may be a jump table's)
        self.file = ""


def disassemble(elf, cross):
    """Functions by address, and the functions whose address the code makes."""
    out = subprocess.run([cross + "objdump", "-d", "--no-show-raw-insn", elf], capture_output=True, text=True, check=True).stdout
    functions, now, refs = {}, None, set()
    for line in out.splitlines():
        m = re.match(r"^([0-9a-f]+) <([^>]+)>:$", line)
        if m:
            if not m[2].startswith((".L", "$")):
                now = functions[int(m[1], 16)] = Function(int(m[1], 16), m[2])
            continue
        m = re.match(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$", line)
        if not m or now is None:
            continue
        rest, _, comment = m[3].partition("#")
        now.code.append((int(m[1], 16), m[2], rest.strip(), comment.strip()))
        if comment and m[2] not in ("jal", "jalr", "jr", "j"):
            refs.add(int(comment.split()[0], 16))
    return functions, refs


def measure(f, functions, no_return):
    """How much is taken at each instruction: along the branches from the entry; then what only a jump table reaches."""
    at = {a: i for i, (a, *_) in enumerate(f.code)}
    taken = {}

    def follow(index, depth):
        todo = [(index, depth)]
        while todo:
            i, d = todo.pop()
            while i < len(f.code) and i not in taken:
                address, op, args, comment = f.code[i]
                op = op.removeprefix("c.")
                m = re.match(r"^sp,(?:sp,)?(-?\d+)$", args) if op in ("add", "addi", "addi16sp") else None
                if m:
                    d = max(0, d - int(m[1]))
                elif re.match(r"^sp,", args) and op in ("sub", "add", "mv", "addi") and not f.name.startswith(("trap_entry", "from_kernel", "stack_overflow")):
                    sys.exit(f"{f.name}: {op} {args}: a frame that this script does not understand")
                if op == "ld" and args.startswith("sp,"):
                    d = 0  # the entry from a trap, to another stack or back to where it was
                taken[i] = d
                f.frame = max(f.frame, d)
                target = re.search(r"([0-9a-f]{8,})(?: <|$)", args or "") or re.match(r"([0-9a-f]{8,})", comment)
                if op == "jalr" and not comment:
                    f.pointers.append((d, address, False))
                elif op == "jr" and not comment:
                    f.pointers.append((d, address, True))
                elif op in ("jal", "jalr", "j", "jr", "tail", "call") and target:
                    to = int(target[1], 16)
                    if to in at and op in ("j", "jr"):
                        i = at[to]
                        continue
                    f.calls.append((d, to))
                    if op in ("jal", "jalr") and to in functions and functions[to].name in no_return:
                        break
                elif BRANCH.match(op) and target and int(target[1], 16) in at:
                    todo.append((at[int(target[1], 16)], d))
                if op in ("j", "jr", "ret", "sret", "ebreak", "unimp", "tail"):
                    break
                i += 1

    follow(0, 0)
    for i in range(len(f.code)):
        if i not in taken:
            follow(i, f.frame)


def data_words(elf):
    """Every 8 bytes of the sections that hold data."""
    blob = open(elf, "rb").read()
    at, size, count = struct.unpack_from("<Q", blob, 40)[0], *struct.unpack_from("<HH", blob, 58)
    words = set()
    for i in range(count):
        _, kind, flags, _, offset, length = struct.unpack_from("<IIQQQQ", blob, at + i * size)
        if kind in (1, 14, 15) and flags & 2 and not flags & 4:  # data, allocated, not to be executed
            words.update(struct.unpack_from(f"<{length // 8}Q", blob, offset))
    return words


def ask_gdb(elf, functions, sites):
    """The types of the functions, and those of the pointers that the sites call."""
    with tempfile.TemporaryDirectory() as tmp:
        question, answer = os.path.join(tmp, "q"), os.path.join(tmp, "a")
        structs = set()
        for folder, _, names in os.walk(os.path.join(TOP, "kernel")):
            for name in names:
                if name.endswith((".c", ".h")):
                    structs.update(re.findall(r"^\s*(?:static )?(?:const )?(?:struct|union) (\w+) {", open(os.path.join(folder, name)).read(), re.M))
        json.dump({"functions": sorted(functions), "sites": sorted(sites), "structs": sorted(structs)}, open(question, "w"))
        env = dict(os.environ, STACKDEPTH=f"{question}\n{answer}")
        r = subprocess.run(["gdb-multiarch", "-nx", "-batch", "-ex", "set confirm off", "-x", os.path.abspath(__file__), elf], capture_output=True, text=True, env=env, cwd=TOP)
        if not os.path.exists(answer):
            sys.exit("gdb said: " + r.stdout + r.stderr)
        return json.load(open(answer))


def in_gdb(question, answer):
    import gdb
    ask = json.load(open(question))

    def norm(t):
        t = t.strip_typedefs().unqualified()
        if t.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_ARRAY):
            to = t.target().strip_typedefs().unqualified()
            return "*" if to.code == gdb.TYPE_CODE_VOID else "*" + (to.tag or str(to)) if to.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) \
                else "*fn" if to.code == gdb.TYPE_CODE_FUNC else "*" + norm(to)
        return "void" if t.code == gdb.TYPE_CODE_VOID else (t.tag or str(t)) if t.code == gdb.TYPE_CODE_STRUCT else f"int{t.sizeof}"

    def signature(t):
        """Of a function, or of a pointer to one (or an array of those); or None."""
        t = t.strip_typedefs()
        while t.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_ARRAY):
            t = t.target().strip_typedefs()
        return [norm(t.target())] + [norm(a.type) for a in t.fields()] if t.code == gdb.TYPE_CODE_FUNC else None

    members = defaultdict(list)

    def collect(t):
        for f in t.fields():
            inner = f.type.strip_typedefs()
            while inner.code == gdb.TYPE_CODE_ARRAY:
                inner = inner.target().strip_typedefs()
            if inner.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) and not inner.tag:
                collect(inner)
            elif f.name and inner.code == gdb.TYPE_CODE_PTR and signature(inner):
                if signature(inner) not in members[f.name]:
                    members[f.name].append(signature(inner))
    for name in ask["structs"]:
        for kind in ("struct ", "union "):
            try:
                collect(gdb.lookup_type(kind + name))
            except gdb.error:
                pass
    types = {}
    for a in ask["functions"]:
        block = gdb.block_for_pc(a)
        while block and not block.function:
            block = block.superblock
        if block and block.start == a:
            types[a] = [signature(block.function.type), os.path.basename(block.function.symtab.filename)]

    def along(chain, block):
        """The type that the last of a chain of members points to, or None."""
        try:
            symbol = gdb.lookup_symbol(chain[0], block)[0] if block else None
            t = symbol.type if symbol else None
            for name in chain[1:]:
                t = t.strip_typedefs()
                while t.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_ARRAY):
                    t = t.target().strip_typedefs()
                t = t[name].type
            return signature(t) if t else None
        except (gdb.error, KeyError, TypeError, AttributeError):
            return None

    def named(text, block):
        """The types of the pointers that a text calls, and the names of those that are members."""
        found = []
        for name in re.findall(r"(\w+)(?:\[[^\]]*\])?\)?\(", text) + re.findall(r"\b[A-Z_]+\((\w+)[,)]", text):
            if re.search(r"(\.|->|\b[A-Z_]+\()%s\b" % name, text):
                m = re.search(r"((?:\w+(?:\[[^\]]*\])?(?:->|\.))+)%s\b" % name, text)
                exact = m and along(re.findall(r"(\w+)(?:\[[^\]]*\])?(?:->|\.)", m[1]) + [name], block)
                found += [[name, t] for t in ([exact] if exact else members.get(name, []))]
            try:
                symbol = gdb.lookup_symbol(name, block)[0] if block else None
            except gdb.error:
                symbol = None
            kind = symbol.type.strip_typedefs().code if symbol else None
            if kind in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_ARRAY) and signature(symbol.type) or \
                    (kind == gdb.TYPE_CODE_FUNC and re.search(r"\b%s\)\(" % name, text)):
                found.append(["", signature(symbol.type)])
        return found

    texts, sites = {}, {}
    for pc in ask["sites"]:
        line = gdb.find_pc_line(pc)
        if not line.symtab:
            continue
        path = line.symtab.fullname()
        if path not in texts:
            texts[path] = open(path).read().split("\n") if os.path.exists(path) else []
        text = ""
        for i in range(line.line - 1, min(line.line + 5, len(texts[path]))):
            text += texts[path][i] + "\n"
            if ";" in texts[path][i]:
                break
        block = gdb.block_for_pc(pc)
        found = named(text, block)
        if not found:  # the line is another's, that was moved here: then all calls of the function
            outer = block
            while outer and outer.superblock and not (outer.function and outer.superblock.is_static):
                outer = outer.superblock
            if outer and outer.function:
                source = outer.function.symtab.fullname()
                lines = texts.setdefault(source, open(source).read().split("\n"))[outer.function.line - 1:]
                found = named("\n".join(lines[:lines.index("}") if "}" in lines else 0]), block)
        sites[pc] = {"line": f"{os.path.relpath(path, os.getcwd())}:{line.line}", "text": text.strip(), "types": found}
    json.dump({"types": types, "sites": sites}, open(answer, "w"))


def plain(name):
    """Without what gcc adds to the names of clones."""
    return name.split(".")[0]


def assignments():
    """Functions that the source names in no other way than as `.member = function`, or calls: their members."""
    members, others = defaultdict(set), set()
    for folder, _, names in os.walk(os.path.join(TOP, "kernel")):
        for name in names:
            if not name.endswith((".c", ".h")):
                continue
            text = re.sub(r"/\*.*?\*/|//[^\n]*|\"(\\.|[^\"\\])*\"", " ", open(os.path.join(folder, name)).read(), flags=re.S)
            for m in re.finditer(r"(?:(?:\.|->)(\w+)\s*=\s*&?)?(?<![.>\w])(?<![=!]= )(?<!\(\*)(\w+)\b(?!\s*\()", text):
                if m[1]:
                    members[m[2]].add(m[1])
                else:
                    others.add(m[2])
    return {f: m for f, m in members.items() if f not in others}


class Graph:
    def __init__(self, elf, cross, listing):
        self.functions, refs = disassemble(elf, cross)
        rules = read_list(listing)
        self.rules = rules
        rules["never"].update(f.name for f in self.functions.values() for n in list(rules["never"]) if n[-1] == "*" and f.name.startswith(n[:-1]))
        for f in self.functions.values():
            measure(f, self.functions, rules["never"])
        taken = {a for a in self.functions if a in (refs | data_words(elf))}
        self.assigned = assignments()
        answer = ask_gdb(elf, self.functions, [s for f in self.functions.values() for _, s, _ in f.pointers])
        self.sites, types = answer["sites"], {int(a): t for a, t in answer["types"].items()}
        for a, (_, file) in types.items():
            self.functions[a].file = file
        by_name = defaultdict(list)
        for f in self.functions.values():
            by_name[plain(f.name)].append(f)
        self.by_name = by_name
        self.edges = {a: {} for a in self.functions}  # callee to bytes taken at the call, the most
        self.cuts = defaultdict(dict)
        self.lost = []
        self.reached = defaultdict(set)
        for f in self.functions.values():
            for d, to in f.calls:
                if to not in self.functions:
                    to = max((a for a in self.functions if a <= to), default=to)
                self.add(f, d, to)
            for d, pc, maybe_table in f.pointers:
                site = self.sites.get(str(pc), {"types": [], "line": "?", "text": ""})
                named = rules["pointer"].get(plain(f.name))
                if named is not None:
                    targets = [t.address for n in named for t in by_name.get(n, [])]
                else:
                    targets = [a for a in taken for member, t in site["types"] if a in types and types[a][0] and self.fits(f, member, t, a, types[a][0])]
                    if not site["types"] and not maybe_table:
                        self.lost.append(f"{f.name}, {site['line']}: {site['text'].splitlines()[:1]}")
                for to in targets:
                    self.add(f, d, to)
                    self.reached[f.name].add(to)
        for a, b in rules["also"]:
            for f in by_name.get(a, []):
                for t in by_name.get(b, []):
                    self.add(f, f.frame, t.address)

    def fits(self, caller, member, pointer, to, have):
        """A pointer of that type, a member of that name (or "": it is none), may lead to the function `to`."""
        if pointer != have and not (caller.name in self.rules["casts"] and pointer[:len(have)] == have):
            return False
        only = self.assigned.get(plain(self.functions[to].name))
        return not member or not only or member in only

    def add(self, f, depth, to):
        t = self.functions[to].name
        a, b = plain(f.name), plain(t)
        if a in self.rules["never"] or b in self.rules["never"]:
            return
        if b in self.rules["not"].get(a, ()):
            return
        for cut in (a, b), ("*", b):
            if cut in self.rules["cut"]:
                self.rules["used"].add(cut)
                self.cuts[f.address][to] = (max(self.cuts[f.address].get(to, (0,))[0], depth), cut)
                return
        self.edges[f.address][to] = max(self.edges[f.address].get(to, 0), depth)

    def circles(self):
        """Sets of functions that can reach one another (Tarjan, without recursion)."""
        index, low, stack, on, out = {}, {}, [], set(), []
        for root in self.edges:
            work = [(root, iter(self.edges[root]))] if root not in index else []
            if work:
                index[root] = low[root] = len(index)
                stack.append(root), on.add(root)
            while work:
                v, it = work[-1]
                for w in it:
                    if w not in index:
                        index[w] = low[w] = len(index)
                        stack.append(w), on.add(w)
                        work.append((w, iter(self.edges[w])))
                        break
                    if w in on:
                        low[v] = min(low[v], index[w])
                else:
                    work.pop()
                    if work:
                        low[work[-1][0]] = min(low[work[-1][0]], low[v])
                    if low[v] == index[v]:
                        group = []
                        while not group or group[-1] != v:
                            group.append(stack.pop())
                            on.discard(group[-1])
                        if len(group) > 1 or v in self.edges[v]:
                            out.append(group)
        return out

    def label(self, a):
        f = self.functions[a]
        return f.name if len(self.by_name[plain(f.name)]) == 1 else f"{f.name} ({f.file})"

    def own(self, v):
        """Bytes that the calls of v to itself add."""
        extra = 0
        for w, (d, cut) in self.cuts[v].items():
            if w == v:
                extra = self.rules["cut"][cut][0] * d
        return extra

    def deepest(self, roots, without=()):
        """The path that takes most, from each root on: {root: (bytes, functions)}. A cut call is taken as often as its
        bound allows, counted along the path; those of the groups `without` not at all."""
        names = sorted({c for v in self.cuts for w, (_, c) in self.cuts[v].items() if w != v})
        number = {c: i for i, c in enumerate(names)}
        most = [0 if self.rules["group"].get(c) in without else self.rules["cut"][c][0] for c in names]
        kind = [self.rules["group"].get(c) for c in names]
        reach = self.reachable(number)
        same = [sum(1 << j for j in range(len(names)) if j == i or (kind[i] and kind[j] == kind[i])) for i in range(len(names))]
        memo = {}

        def after(v, used):
            """The calls of v, with what is used then."""
            for w, d in self.edges[v].items():
                yield w, d, used
            for w, (d, c) in self.cuts[v].items():
                i = number.get(c)
                if w != v and used[i] < most[i] and not (kind[i] and any(n and kind[j] == kind[i] for j, n in enumerate(used))):
                    yield w, d, used[:i] + (used[i] + 1,) + used[i + 1:]

        def state(v, used):  # what v cannot reach does not matter
            for i, n in enumerate(used):  # of a group any that is used stands for all
                if n and kind[i] and i != kind.index(kind[i]):
                    used = tuple(1 if j == kind.index(kind[i]) else 0 if j == i else n for j, n in enumerate(used))
            return v, tuple(n if reach[v] & same[i] else 0 for i, n in enumerate(used))
        for root in roots:
            work = [state(root, (0,) * len(names))]
            while work:
                s = work[-1]
                if s in memo:
                    work.pop()
                    continue
                best, missing = (self.functions[s[0]].frame, None), []
                for w, d, used in after(*s):
                    t = state(w, used)
                    if t not in memo:
                        missing.append(t)
                    elif d + memo[t][0] > best[0]:
                        best = (d + memo[t][0], t)
                if missing:
                    work += missing
                    continue
                memo[s] = (best[0] + self.own(s[0]), best[1])
                work.pop()
        out = {}
        for root in roots:
            s, path = state(root, (0,) * len(names)), []
            total = memo[s][0]
            while s is not None:
                n, following = memo[s]
                path.append((self.label(s[0]), n - (memo[following][0] if following else 0)))
                s = following
            out[root] = (total, path)
        return out

    def reachable(self, number):
        """For each function, which cut calls a path from it can meet, as bits."""
        bits = {v: 0 for v in self.edges}
        for v in self.cuts:
            for w, (_, c) in self.cuts[v].items():
                if w != v:
                    bits[v] |= 1 << number[c]
        callers = defaultdict(set)
        for v in self.edges:
            for w in list(self.edges[v]) + list(self.cuts[v]):
                callers[w].add(v)
        todo = list(bits)
        while todo:
            v = todo.pop()
            for u in callers[v]:
                if bits[v] & ~bits[u]:
                    bits[u] |= bits[v]
                    todo.append(u)
        return bits


def read_list(path):
    """never NAME: ends the machine, or is not on a stack that counts. pointer NAME: A B: what a call in NAME reaches.
    also A B: A calls B where the code does not show it. cut A B N: why: the call from A (*: anyone) to B is on a stack N
    times at most."""
    rules = {"never": set(), "casts": set(), "not": {}, "pointer": {}, "also": [], "cut": {}, "group": {}, "used": set()}
    for line in open(path):
        line = line.split("#")[0].strip()
        if not line:
            continue
        kind, rest = line.split(None, 1)
        if kind in ("never", "casts"):
            rules[kind].update(rest.split())
        elif kind in ("pointer", "not"):
            name, _, to = rest.partition(":")
            rules[kind][name.strip()] = to.split()
        elif kind == "also":
            rules["also"].append(tuple(rest.split()))
        elif kind == "cut":
            words, _, why = rest.partition(":")
            a, b, n, *group = words.split()
            rules["cut"][a, b] = (int(n), why.strip())
            if group:
                rules["group"][a, b] = group[0]
        else:
            sys.exit(f"{path}: {line}")
    return rules


def main():
    p = argparse.ArgumentParser()
    p.add_argument("elf")
    p.add_argument("--list", default=LIST)
    p.add_argument("--cross", default="riscv64-unknown-elf-")
    p.add_argument("--paths", type=int, default=10)
    a = p.parse_args()
    g = Graph(a.elf, a.cross, a.list)
    bad = bool(g.lost)
    for lost in g.lost:
        print("a call through a pointer that reaches nothing known:", lost)
    circles = g.circles()
    for c in circles:
        bad = True
        print(f"a circle of {len(c)} that no bound is named for:", ", ".join(sorted(g.label(x) for x in c)[:40]))
        inside = set(c)
        for x in c:
            print("   ", g.label(x), "->", ", ".join(g.label(w) for w in g.edges[x] if w in inside))
    if bad:
        return 1
    return report(g, a.paths)


def constant(name):
    text = open(os.path.join(TOP, "kernel/riscv/csr.h")).read()
    return int(re.search(rf"#define {name}\s+\(?(\d+)", text)[1])


def report(g, paths):
    """What is on the stack at once: the frame of the trap from user mode, a system call (or what a trap does), and on top
    an interrupt with its frame, that may end in a change of tasks. 0: it fits."""
    frame, size = constant("TF_SIZE"), constant("STACK_SIZE")
    at = {k: v[0].address for k, v in g.by_name.items()}
    calls = [f.address for f in g.functions.values() if f.name.startswith("sys_")]
    others = [at[x] for x in ("do_syscall", "do_trap", "do_work_pending", "ret_from_fork")]
    inside = [at[x] for x in ("timer_interrupt", "plic_interrupt", "handle_ipi", "preempt_schedule_irq")]
    best = g.deepest(calls + others) | g.deepest(inside, {"@reclaim", "@preempt"})  # an interrupt asks with GFP_ATOMIC, preemption off
    top = max((best[x] for x in inside), key=lambda x: x[0])
    trap = frame + g.functions[at["do_trap"]].frame
    most = max((best[x] for x in calls + others), key=lambda x: x[0])
    need = frame + most[0] + trap + top[0]
    print(f"{len(g.functions)} functions, {sum(len(e) for e in g.edges.values())} calls, "
          f"{sum(len(t) for t in g.reached.values())} of them through pointers; {len(g.rules['used'])} circles cut, none left")
    print(f"at most {need} of {size} bytes: {frame} for the trap, {most[0]} on the deepest path, {trap + top[0]} for an interrupt on top")
    for x in sorted(calls + others, key=lambda x: -best[x][0])[:paths]:
        print(f"{best[x][0]:6} {g.label(x)}")
    for name, (n, path) in (("the deepest path", most), ("the interrupt", top)):
        print(f"{name}: " + ", ".join(f"{f} {d}" for f, d in path))
    big = sorted(g.functions.values(), key=lambda f: -f.frame)[:paths]
    print("largest frames: " + ", ".join(f"{f.name} {f.frame}" for f in big))
    return 2 if need > size else 0


if os.environ.get("STACKDEPTH"):
    in_gdb(*os.environ["STACKDEPTH"].split("\n"))
elif __name__ == "__main__":
    sys.exit(main())
