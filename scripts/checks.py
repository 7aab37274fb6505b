#!/usr/bin/python3
"""What make and the scripts may be given, in one place. Imported, it has types for argparse, and turns what the world
can do to a script (a missing tool, a full disk) into one line. By itself it checks make's goals and variables:

    checks.py GOAL... -- NAME=value... -- NAME...     the last: names that came by the command line

prints the first thing that is wrong, or nothing. make shows that before it builds or starts anything."""
import argparse
import difflib
import fcntl
import glob
import os
import re
import struct
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAX_HARTS = 64   # kernel/riscv/riscv.h
MAX_NODES = 4    # QEMU's virt has no more
MIN_MEM, MAX_MEM = 8, 253 << 10  # MB; the kernel maps 255 GB of addresses, and memory begins at 2 GB


class Wrong(argparse.ArgumentTypeError):
    """What is wanted, as the end of a sentence that begins with the name and the value."""


def tell(kind, error, trace):
    """For sys.excepthook: a line for what is not a fault of the script."""
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    if issubclass(kind, KeyboardInterrupt):
        os._exit(130)
    if issubclass(kind, BrokenPipeError):
        os._exit(141)
    if issubclass(kind, subprocess.CalledProcessError):
        said = error.stderr or b""
        said = (said.decode(errors="replace") if isinstance(said, bytes) else said).strip().splitlines()
        command = error.cmd if isinstance(error.cmd, str) else os.path.basename(str(error.cmd[0]))
        print(f"{name}: {command} ended with {error.returncode}" + (f": {said[-1]}" if said else ""), file=sys.stderr)
    elif issubclass(kind, (OSError, Wrong)):
        print(f"{name}: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = tell


# --- types: each takes a text, and returns it or its value, or raises Wrong ---
def number(least=1, most=None):
    def check(text):
        if not re.fullmatch(r"\d{1,18}", text) or int(text) < least or most is not None and int(text) > most:
            raise Wrong(f"a number from {least} " + (f"to {most} is wanted" if most else "on is wanted"))
        return int(text)
    return check


cpus, nodes = number(1, MAX_HARTS), number(1, MAX_NODES)


def megabytes(text):
    """A size as QEMU has it, in MB."""
    m = re.fullmatch(r"(\d{1,9})([MmGg]?)", text)
    if not m:
        raise Wrong("a size such as 256M or 1G is wanted")
    return int(m.group(1)) << (10 if m.group(2) in ("G", "g") else 0)


def mem(text):
    if not MIN_MEM <= megabytes(text) <= MAX_MEM:
        raise Wrong(f"a size from {MIN_MEM}M to {MAX_MEM >> 10}G is wanted")
    return text


def size(text):
    if megabytes(text) < 4 or text[-1] not in "MmGg":
        raise Wrong("a size from 4M on is wanted, such as 256M")
    return text


def seconds(text):
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text) or not float(text):
        raise Wrong("a number of seconds is wanted")
    return float(text)


def flag(text):
    if text not in ("0", "1"):
        raise Wrong("0 or 1 is wanted")
    return text


def image(text):
    if not os.path.exists(text):
        raise Wrong("there is no such file")
    if not os.path.isfile(text) or not os.path.getsize(text):
        raise Wrong("a disk image is wanted")
    if not os.access(text, os.R_OK | os.W_OK):
        raise Wrong("the image must be readable and writable")
    return text


def folder(text):
    if not os.path.isdir(text):
        raise Wrong("there is no such folder")
    return text


def readable(text):
    if not os.path.isfile(text) or not os.access(text, os.R_OK):
        raise Wrong("there is no such file that can be read")
    return text


def new_file(text):
    where = os.path.dirname(text) or "."
    if os.path.isdir(text) or not os.path.isdir(where) or not os.access(where, os.W_OK):
        raise Wrong("a file in a folder that is there and can be written to is wanted")
    return text


def labs():
    return ", ".join(sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(os.path.join(TOP, "labs/*/lab.toml")))) or "none"


def lab(text):
    if text not in labs().split(", "):
        raise Wrong("there is no such lab; there are: " + labs())
    return text


def tests(expression):
    """For make test T=...: does pytest find any? Where there is no pytest yet, nobody can say."""
    r = subprocess.run([sys.executable, "-m", "pytest", os.path.join(TOP, "tests"), "--collect-only", "-q", "-p", "no:cacheprovider", "-k", expression],
                       capture_output=True, text=True, cwd=TOP)
    if r.returncode == 5:
        raise Wrong("no test has such a name; python3 -m pytest tests --collect-only -q lists them")
    if "Wrong expression" in r.stdout + r.stderr:
        raise Wrong("names of tests are wanted, joined by 'and', 'or', 'not'")


def programs(kinds, exact):
    def check(text):
        names = {os.path.basename(p)[:-2] for k in kinds for p in glob.glob(os.path.join(TOP, "tests", k, "*.c"))}
        if text not in names and (exact or not any(text in n for n in names)):
            raise Wrong("there is no such program in " + ", ".join(f"tests/{k}" for k in kinds))
    return check


# --- make's variables ---
TYPES = {"CPUS": cpus, "MEM": mem, "NODES": nodes, "IMG": image, "EXTRA": folder, "IMGSIZE": size, "DUMP": new_file, "LOG": readable, "LAB": lab,
         **dict.fromkeys(("SEED", "N", "RUNS", "CALLS", "POINTS", "J"), number()),
         **dict.fromkeys(("ICOUNT", "DEBUG", "FTRACE", "BUSYBOX", "ONCE", "V", "SMOKE", "FRESH"), flag)}
NEVER_EMPTY = {"CPUS", "MEM"}
NEEDS = [(("run", "trace", "profile", "ftrace"), "CMD", "a command is wanted: make {} CMD='ls /'"),
         (("lab", "grade", "repro", "gdb"), "LAB", "a lab is wanted: make {} LAB=name; there are: " + labs()),
         (("repro", "gdb"), "CHECK", "a check is wanted: make {} CHECK=name; make grade lists them")]
NAMED = {"test": tests, "oracle": programs(("abi", "linux", "pthread"), False), "seeds": programs(("abi",), True)}


def known(name):
    """Does any makefile use it? What nobody reads was meant to be another's name."""
    if re.match(r"[-.%]|MAKE|GNUMAKE|SHELL$|CURDIR$", name):
        return True
    used = re.compile(rf"\$[({{](value )?{re.escape(name)}[:)}}]|^{re.escape(name)} *[?:+]?=", re.M)
    return any(used.search(open(f).read()) for f in [os.path.join(TOP, "Makefile"), *glob.glob(os.path.join(TOP, "*/*.mk"))])


def in_memory(values):
    return values.get("ICOUNT") == "1" or values.get("SEED") or values.get("NODES") not in (None, "", "1")


def wrong(goals, values, typed):
    for name in typed:
        if not known(name):
            near = difflib.get_close_matches(name.upper(), [*TYPES, "CMD", "T", "APPEND", "CHECK", "EVENTS", "FUNC", "ONLY", "DIR", "CROSS"], 1)
            return f"{name}= means nothing here" + (f": {near[0]}=?" if near else "") + " (make help lists the variables)"
    for name, check in TYPES.items():
        value = values.get(name)
        if value is None or not value and name not in NEVER_EMPTY:
            continue
        try:
            check(value)
        except Wrong as e:
            return f"{name}={value}: {e}"
    for goal in goals:
        for who, name, what in NEEDS:
            if goal in who and not values.get(name, "").strip():
                return what.format(goal)
        if goal in NAMED and values.get("T"):
            try:
                NAMED[goal](values["T"])
            except Wrong as e:
                return f"T={values['T']}: {e}"
    if int(values.get("NODES") or 1) > int(values.get("CPUS") or 1):
        return f"NODES={values['NODES']} CPUS={values['CPUS']}: each node has a hart, so as many CPUS are wanted"
    disk = values.get("IMG") or os.path.join(TOP, "build/fs.img")
    if in_memory(values) and {"qemu", "qemu-gdb", "qemu-cmd", "run"} & set(goals) and os.path.exists(disk):
        least = 2 * (os.path.getsize(disk) >> 20) + 8  # QEMU puts it in the upper half
        if megabytes(values["MEM"]) < least:
            return f"MEM={values['MEM']}: with ICOUNT=1, SEED= or NODES= the disk is in memory too, and {least}M is the least"
    return None


# --- before QEMU starts ---
def in_use(path):
    """Does another process hold a lock on the image? QEMU locks bytes 100 to 300."""
    lock = struct.Struct("hhqqi4x")  # struct flock
    with open(path, "r+b") as f:
        answer = fcntl.fcntl(f, fcntl.F_GETLK, lock.pack(fcntl.F_WRLCK, os.SEEK_SET, 100, 200, 0))
    return lock.unpack(answer)[0] != fcntl.F_UNLCK


def main(words):
    if words[:1] == ["--free"]:  # the images that QEMU would write to
        for path in words[1:]:
            if in_use(path):
                sys.exit(f"{path} is in use: does another make qemu run here? For a second machine give it an image of its own: "
                         f"cp {path} other.img; make qemu IMG=other.img")
        return
    first = words.index("--")
    second = words.index("--", first + 1)
    said = wrong(words[:first], dict(w.split("=", 1) for w in words[first + 1:second]), words[second + 1:])
    if said:
        print(" ".join(said.split()))


if __name__ == "__main__":
    main(sys.argv[1:])
