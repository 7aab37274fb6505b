"""One check in one machine: QEMU under icount, stopped where the check states something, judged from outside.

The guest reports nothing: a breakpoint on lab_stop_at (lab.c) stops the machine, and the values are taken from its
registers. A kernel cannot come there by printing, nor by a device; the program's text, its token, the mode and the
places it has passed are looked at too. Time is virtual (instructions), so a verdict never depends on the host."""
import os
import re
import resource
import secrets
import signal
import socket
import struct
import subprocess
import tempfile
import time

DONE, EXPECT, PTE, FRAMES, BITS, FREE, LOST, COUNT, COST, HART, HARTS, ONE_OF, TABLE = range(13)
TRUE, EQ, NE, LE, GE = range(5)
CONSOLE_MAX = 4 << 20
MTIME = 0x0200bff8  # the ACLINT's, 10 MHz; under icount an instruction takes 1 ns
STOPS_MAX = 5000  # of a check; those that there are make a few hundred
IDLE_LOOKS = 6  # looks in a row that find no progress and every thread of QEMU asleep
ENDLESS = 10  # seconds of processor time in which virtual time, which instructions move, stands still


class Infrastructure(Exception):
    """The grader's own failure: rerun, never a mark."""


class Elf:
    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.path, d = path, self.data
        phoff, shoff = struct.unpack_from("<QQ", d, 32)
        phentsize, phnum, shentsize, shnum, shstrndx = struct.unpack_from("<5H", d, 54)
        self.segments = [struct.unpack_from("<IIQQQQQQ", d, phoff + i * phentsize) for i in range(phnum)]
        heads = [struct.unpack_from("<IIQQQQIIQQ", d, shoff + i * shentsize) for i in range(shnum)]
        names = heads[shstrndx][4]
        self.sections = {self._str(names + h[0]): h for h in heads}
        self.symbols = {}
        for h in heads:
            if h[1] == 2:  # SHT_SYMTAB
                strings = heads[h[6]][4]
                for at in range(h[4], h[4] + h[5], 24):
                    name, info, _, _, value, _ = struct.unpack_from("<IBBHQQ", d, at)
                    name = self._str(strings + name)
                    if info >> 4 or name not in self.symbols:  # a local one, of a submission's file, stands for no other's
                        self.symbols[name] = value

    def _str(self, at):
        return self.data[at:self.data.index(b"\0", at)].decode(errors="replace")

    def bytes_at(self, va, n):
        for kind, _, off, vaddr, _, filesz, _, _ in self.segments:
            if kind == 1 and vaddr <= va < vaddr + filesz:
                return self.data[off + va - vaddr:off + va - vaddr + n]
        return b""

    def string_at(self, va):
        return self.bytes_at(va, 4096).split(b"\0")[0].decode(errors="replace")

    def physical(self, va):
        for kind, _, _, vaddr, paddr, _, memsz, _ in self.segments:
            if kind == 1 and vaddr <= va < vaddr + memsz:
                return paddr + va - vaddr
        raise KeyError(hex(va))


class Program:
    """A file of checks, linked: where it stops, and what each check states."""

    def __init__(self, path, source):
        self.path, self.elf = path, Elf(path)
        self.stop_at = self.elf.symbols["lab_stop_at"]
        _, _, _, base, off, size, *_ = self.elf.sections["lab_sites"]
        self.sites = {}
        for at in range(0, size, 16):
            what, line, optional = struct.unpack_from("<QII", self.elf.data, off + at)
            self.sites[base + at] = (self.elf.string_at(what), line, optional)
        owner, lines = None, {}
        self.checks = []
        with open(source) as f:
            for n, line in enumerate(f, 1):  # what a check states: in CHECK(name) { } itself, and in name_body()
                if m := re.match(r"CHECK\((\w+)\)|static void (\w+)_body\(void\)", line):
                    owner = m.group(1) or m.group(2)
                    if m.group(1):
                        self.checks.append(owner)
                lines[n] = owner
                if line.rstrip().endswith("}") and (line.startswith("}") or re.match(r"CHECK\(", line)):
                    owner = None
        self.required = {name: set() for name in self.checks}
        for at, (_, line, optional) in self.sites.items():
            if not optional and lines.get(line) in self.required:
                self.required[lines[line]].add(at)


def connect(path, process, patience=60):
    """To a socket of QEMU's: it makes them one after the other."""
    s, end = socket.socket(socket.AF_UNIX), time.monotonic() + patience
    while True:
        try:
            s.connect(path)
            return s
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                s.close()
                raise Infrastructure("QEMU did not start" if process.poll() is not None else "QEMU does not answer") from None
            time.sleep(0.01)


class Remote:
    """As much of gdb's remote protocol as is needed."""

    def __init__(self, path, process):
        self.s, self.buffer = connect(path, process), b""

    def send(self, text):
        data = text.encode("latin1")
        self.s.sendall(b"$" + data + b"#%02x" % (sum(data) & 255))

    def receive(self, timeout=60):
        """A packet; None: none came in time; '': the machine is gone."""
        end = time.monotonic() + timeout
        while True:
            m = re.search(rb"\$([^#]*)#..", self.buffer)
            if m:
                self.buffer = self.buffer[m.end():]
                self.s.sendall(b"+")
                return m.group(1).decode("latin1")
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.s.settimeout(left)
            try:
                data = self.s.recv(65536)
            except TimeoutError:
                return None
            except OSError:
                return ""
            if not data:
                return ""
            self.buffer += data

    def ask(self, text):
        self.send(text)
        r = self.receive()
        if not r and r != "":
            raise Infrastructure("QEMU's gdb stub does not answer")
        return r

    def memory(self, at, n):
        out = b""
        while len(out) < n:
            part = min(n - len(out), 2000)
            r = self.ask(f"m{at + len(out):x},{part:x}")
            if r.startswith("E") or not r:
                raise KeyError(hex(at))
            out += bytes.fromhex(r)
        return out

    def registers(self):
        return struct.unpack("<33Q", bytes.fromhex(self.ask("g"))[:264])

    def csr_numbers(self, *names):
        text, at = "", 0
        while True:
            r = self.ask(f"qXfer:features:read:riscv-csr.xml:{at:x},7f0")
            text, at = text + r[1:], at + len(r) - 1
            if r[:1] != "m":
                break
        found = [re.search(rf'<reg name="{name}"[^>]*regnum="(\d+)"', text) for name in names]
        if not all(found):
            raise Infrastructure(f"QEMU's gdb stub does not tell {' and '.join(names)}")
        return [int(m.group(1)) for m in found]


class Monitor:
    """QEMU's monitor: it tells the time without stopping the machine, which would change whose turn it is among harts."""

    def __init__(self, path, process):
        self.s = connect(path, process)
        self.s.settimeout(30)
        self.prompt()

    def prompt(self):
        text = b""
        while not text.endswith(b"(qemu) "):
            data = self.s.recv(4096)
            if not data:
                raise OSError("the monitor is gone")
            text += data
        return text.decode(errors="replace")

    def now(self):
        """Instructions since power-on, by the machine's clock, or None: the machine is gone. QEMU 7 may spin for ever when one of
        several harts has been stopped and a timer is due: that is seen here, and the run is made again."""
        try:
            self.s.sendall(f"xp /1gx {MTIME:#x}\n".encode())
            return int(re.search(r": (0x[0-9a-f]{16})", self.prompt()).group(1), 16) * 100
        except TimeoutError:
            raise Infrastructure("QEMU spins, or this machine is far too busy: no answer for 30 seconds") from None
        except (OSError, AttributeError):
            return None


class Verdict:
    def __init__(self, kind, why="", seen="", cost=None, instructions=0, console=""):
        # kind: pass, fail, panic, hang, limit, exit, flood, error
        self.kind, self.why, self.seen, self.cost = kind, why, seen, cost
        self.instructions, self.console = instructions, console

    @property
    def ok(self):
        return self.kind == "pass"


def qemu_command(kernel, image, console, more, check, token, seed=1):
    # sleep=off: idle time passes at once, and a run repeats exactly. With several harts QEMU 7 then may spin for ever when one is
    # stopped and the others idle (the timer that passes turns is due again and again), so there idle time is real time.
    words = ["quiet"] + (["turns"] if check.cpus > 1 else []) + ([f"seed={seed}"] if check.seeded else [])
    return ["qemu-system-riscv64", "-machine", "virt", "-bios", "default", "-smp", str(check.cpus), "-m", check.mem, "-display", "none",
            "-serial", console, "-nic", "none", "-global", "virtio-mmio.force-legacy=false", "-kernel", kernel,
            "-initrd", image, "-icount", "shift=0,sleep=" + ("off" if check.cpus == 1 else "on"), "-rtc", "clock=vm,base=2026-01-01", *more,
            "-append", " ".join(words + ["init=/bin/t", "--", check.name, str(seed), token])]


def limit_resources():
    os.setsid()
    resource.setrlimit(resource.RLIMIT_FSIZE, (CONSOLE_MAX, CONSOLE_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Run:
    def __init__(self, kernel, image, program, check, seed=1):
        self.kernel, self.program, self.check = kernel, program, check  # the kernel's Elf
        self.slots, self.passed, self.cost, self.jumped, self.harts, self.hart = {}, set(), None, 0, set(), 0
        self.token, self.stops = secrets.token_hex(16), 0
        with tempfile.TemporaryDirectory(prefix="lab") as d:
            console, gdb, monitor = (os.path.join(d, n) for n in ("console", "gdb", "monitor"))
            command = qemu_command(kernel.path, image, f"file:{console}", ["-S", "-chardev", f"socket,id=gdb,path={gdb},server=on,wait=off", "-gdb", "chardev:gdb",
                                   "-chardev", f"socket,id=monitor,path={monitor},server=on,wait=off", "-mon", "monitor", "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"], check, self.token, seed)
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                            preexec_fn=limit_resources)
            self.instructions = 0
            try:
                self.remote = Remote(gdb, self.process)
                self.monitor = Monitor(monitor, self.process)
                self.verdict = self.watch(console)
            except Infrastructure as e:
                error = ""
                if self.process.poll() is not None:
                    error = self.process.stderr.read().decode(errors="replace")
                self.verdict = Verdict("error", f"{e}. {error[-500:]}".strip())
            except (OSError, struct.error, ValueError) as e:
                self.verdict = Verdict("error", f"the grader lost the machine: {e!r}")
            finally:
                try:
                    os.killpg(self.process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                self.process.wait()
                self.process.stderr.close()
                for peer in ("remote", "monitor"):
                    if hasattr(self, peer):
                        getattr(self, peer).s.close()
            v = self.verdict
            v.console, v.instructions = self.read_console(console), self.instructions
            if v.kind == "pass":
                v.cost = self.cost

    @staticmethod
    def read_console(path):
        try:
            with open(path, "rb") as f:
                text = f.read(CONSOLE_MAX).decode(errors="replace").replace("\r", "")
        except OSError:
            return ""
        return text[max(text.find("\n", text.find("Boot HART MEDELEG")) + 1, 0):]

    # --- the loop ---
    def watch(self, console):
        r = self.remote
        self.satp_number, self.scounteren_number = r.csr_numbers("satp", "scounteren")
        r.ask("Qqemu.PhyMemMode:1")
        if r.ask(f"Z0,{self.program.stop_at:x},4") != "OK":
            raise Infrastructure("no breakpoint could be set")
        budget, idle, last, spent = self.check.budget * 1000000, 0, None, 0
        r.send("c")
        while True:
            stop = r.receive(0.25)
            if stop is None:  # is there time left, and does it go on?
                now = self.monitor.now()
                idle = idle + 1 if now == last and self.asleep() else 0
                if now != last:
                    spent = self.processor_time()
                endless = now is not None and self.processor_time() - spent > ENDLESS
                last = now
                if now is None or (now - self.jumped <= budget and idle < IDLE_LOOKS and not endless):
                    continue
                r.s.sendall(b"\3")
                stop = r.receive()
                if endless:
                    return Verdict("hang", "no instruction is executed any more: the first one of the trap's own code traps, without end "
                                   "(is the kernel still mapped in this address space?)", self.where() if stop else "")
                if stop is None:
                    raise Infrastructure("QEMU does not answer")
            if not stop or stop[0] in "WX":
                return self.ended(console)
            if stop[0] not in "TS":
                continue
            at_stop, now = self.at_stop(stop), self.now()
            if at_stop:
                now = self.account(at_stop[17] * 100, now)
                if now is None:
                    return Verdict("fail", "the kernel keeps programs from reading the time (scounteren.TM), or does it for them")
            else:
                now -= self.jumped
            self.instructions = now
            if now > budget:
                where = self.where()
                if where.count("in cpu_idle") == self.check.cpus:
                    return Verdict("hang", "every hart idles: who should go on was never woken", where)
                return Verdict("limit", f"the check is not done after {self.check.budget} million instructions; the reference needs a fraction of that", where)
            if at_stop:
                idle, self.stops = 0, self.stops + 1
                if self.stops > STOPS_MAX:
                    return Verdict("fail", "the program reports again and again")
                try:
                    v = self.judge(at_stop)
                except KeyError as e:
                    v = Verdict("fail", f"what slot {e} of the check is to hold was never looked at")
                if v:
                    return v
                r.ask(f"P20={struct.pack('<Q', self.program.stop_at + 4).hex()}")
            elif idle >= IDLE_LOOKS:
                return Verdict("hang", "every hart waits, and nothing will wake them", self.where())
            r.send("c")

    def now(self):
        """Instructions since power-on, by the machine's clock, which only the firmware could set."""
        return struct.unpack("<Q", self.remote.memory(MTIME, 8))[0] * 100

    def account(self, told, now):
        """The time at a stop. QEMU 7 lets virtual time jump to the next timer when a breakpoint stops the last hart that ran; the
        program read the time just before (told), and by no trap: the kernel has left the counter to it."""
        if told > now or not self.csr(self.scounteren_number) & 2:
            return None
        told, self.jumped = told - self.jumped, now - (told - self.jumped)
        return told

    def csr(self, number):
        return struct.unpack("<Q", bytes.fromhex(self.remote.ask(f"p{number:x}"))[:8])[0]

    def processor_time(self):
        """Seconds that QEMU has had."""
        try:
            with open(f"/proc/{self.process.pid}/stat") as f:
                return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            return 0

    def asleep(self):
        try:
            for t in os.listdir(f"/proc/{self.process.pid}/task"):
                with open(f"/proc/{self.process.pid}/task/{t}/stat") as f:
                    if f.read().rsplit(")", 1)[1].split()[0] != "S":
                        return False
        except OSError:
            return False
        return True

    def where(self):
        """The function each hart is in."""
        kernel = sorted((v, k) for k, v in self.kernel.symbols.items() if v >> 63 and k and not k.startswith(("$", ".L")))
        out = []
        for hart in range(1, self.check.cpus + 1):
            if self.remote.ask(f"Hg{hart:x}") not in ("OK", ""):
                self.remote.ask(f"Hgp1.{hart:x}")
            pc = self.remote.registers()[32]
            below = [k for v, k in kernel if v <= pc]
            out.append(f"hart {hart - 1} at {pc:#x}" + (f" in {below[-1]}" if pc >> 63 and below else " in user mode" if not pc >> 63 else ""))
        return "; ".join(out)

    def ended(self, console):
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            raise Infrastructure("QEMU neither runs nor ends") from None
        text = self.read_console(console)
        if status < 0:
            if os.path.exists(console) and os.path.getsize(console) >= CONSOLE_MAX:
                return Verdict("flood", f"the kernel printed more than {CONSOLE_MAX >> 20} MB")
            raise Infrastructure(f"QEMU was ended by signal {-status}")
        if "kernel panic" in text:
            return Verdict("panic", "the kernel panicked", text[text.index("kernel panic"):][:3000])
        by = f" by signal {status - 128}" if status > 128 else f" with status {status}"
        return Verdict("exit", f"the machine ended{by} before the check was done")

    # --- what the guest cannot write to ---
    def at_stop(self, stop):
        """The registers, if this is the program at lab_stop_at in user mode."""
        m = re.search(r"thread:([^;]+);", stop)
        if m:
            self.remote.ask("Hg" + m.group(1))
            self.hart = int(m.group(1).rsplit(".", 1)[-1], 16) - 1
        regs = self.remote.registers()
        if regs[32] != self.program.stop_at:
            return None
        self.satp = self.csr(self.satp_number)
        if not self.walk(self.program.stop_at)[0] & 16 or self.user_memory(self.program.stop_at, 4) != self.program.elf.bytes_at(self.program.stop_at, 4):
            return None  # not user mode, which alone can run a page with the U bit; or another program has other code there
        return regs

    def walk(self, va):
        """The leaf entry of va, as the hardware finds it, and its level; 0 if there is none."""
        table = (self.satp & ((1 << 44) - 1)) << 12
        for level in (2, 1, 0):
            try:
                e = struct.unpack("<Q", self.remote.memory(table + (va >> (12 + 9 * level) & 511) * 8, 8))[0]
            except KeyError:
                return 0, 0
            if not e & 1:
                return 0, 0
            if e & 0xe:
                self.table = table
                return e, level
            table = (e >> 10 & ((1 << 44) - 1)) << 12
        return 0, 0

    def frame(self, va):
        e, level = self.walk(va)
        return ((e >> 10 & ((1 << 44) - 1)) << 12) + (va & ((4096 << 9 * level) - 1) & ~4095) if e else None

    def user_memory(self, va, n):
        out = b""
        while n > 0:
            part, frame = min(n, 4096 - (va & 4095)), self.frame(va)
            if frame is None:
                return out
            try:
                out += self.remote.memory(frame + (va & 4095), part)
            except KeyError:
                return out
            va, n = va + part, n - part
        return out

    def text_is_ours(self):
        for _, _, flags, start, off, size, *_ in self.program.elf.sections.values():
            if not flags & 4:  # SHF_EXECINSTR
                continue
            for at in range(start & ~4095, start + size, 4096):
                low, high = max(at, start), min(at + 4096, start + size)
                seen = self.user_memory(low, high - low)
                if seen and seen != self.program.elf.data[off + low - start:off + high - start]:
                    return False
        return True

    def free_pages(self):
        k, m = self.kernel, self.remote
        word = lambda name: struct.unpack("<Q", m.memory(k.physical(k.symbols[name]), 8))[0]
        base = k.physical(k.symbols["_start"]) - k.symbols["_start"]
        low, high, at = word("min_pfn"), word("max_pfn"), word("mem_map")
        pages = m.memory((at + base) & ((1 << 64) - 1), (high - low) * 64)
        return sum(pages[i:i + 4] == b"\0\0\0\0" for i in range(0, len(pages), 64))

    def judge(self, regs):
        op, site, a, b, c, token = regs[10:16]
        if self.user_memory(token, 32) != self.token.encode():
            return Verdict("fail", "a report came that this run's program did not make (its token is wrong)")
        if not self.text_is_ours():
            return Verdict("fail", "the program's code in memory is not the program's")
        what = None
        if site:
            if site not in self.program.sites:
                return Verdict("fail", "a report came from nowhere in the program")
            what = self.program.sites[site][0]
        fail = lambda seen: Verdict("fail", what, seen)
        if op == DONE:
            missing = self.program.required[self.check.name] - self.passed
            if missing:
                return Verdict("fail", self.program.sites[min(missing)][0], "this was never reached, though the check returned")
            return Verdict("pass")
        if op == EXPECT:
            signed = lambda x: x - (1 << 64) if x >> 63 else x
            ok = {TRUE: a != 0, EQ: a == c, NE: a != c, LE: a <= c, GE: a >= c}.get(b, False)
            if not ok:
                words = {EQ: "", NE: "other than ", LE: "at most ", GE: "at least "}
                return fail("" if b == TRUE else f"expected {words.get(b, '')}{signed(c)}, seen {signed(a)}")
        elif op == PTE:
            self.slots[a] = (*self.walk(b), b, self.frame(b))
        elif op == TABLE:
            e, level = self.walk(b)
            self.slots[a] = (e, level, b, self.table if e and level == 0 else None)
        elif op == FRAMES:
            x, y = self.slots[a], self.slots[c]
            if x[3] is None or y[3] is None:
                return fail("a page is not mapped: frames " + ", ".join("none" if s[3] is None else hex(s[3]) for s in (x, y)))
            if (x[3] == y[3]) != (b == EQ):
                return fail(f"expected {'one frame' if b == EQ else 'two frames'}, seen {x[3]:#x} and {y[3]:#x}")
        elif op == BITS:
            e = self.slots[a][0]
            if e & b != c:
                names = lambda v: "".join(n if v >> i & 1 else "-" for i, n in enumerate("VRWXU") if b >> i & 1)
                return fail(f"expected bits {names(c)}, seen {names(e)} (entry {e:#x} of {self.slots[a][2]:#x})")
        elif op == FREE:
            self.slots[a] = self.free_pages()
        elif op == LOST:
            lost = self.slots[a] - self.slots[b]
            if lost > c:
                return fail(f"{lost} pages are lost, at most {c} may be")
        elif op == COUNT:
            self.slots[a] = self.instructions
        elif op == COST:
            self.cost = (self.slots[a >> 32] - self.slots[a & 0xffffffff]) // max(b, 1)
        elif op == HART:
            self.harts.add(self.hart)
        elif op == HARTS:
            if len(self.harts) < a:
                return fail(f"expected at least {a} harts, seen {len(self.harts)}: {sorted(self.harts)}")
        elif op == ONE_OF:
            if not a >> self.hart & 1:
                return fail(f"seen on hart {self.hart}, allowed are {[h for h in range(self.check.cpus) if a >> h & 1]}")
        else:
            return Verdict("fail", "a report came that the program cannot have made")
        if site:
            self.passed.add(site)
        return None
