"""Trees and kernels: a starter's tree, and a submission's files put into a copy of it."""
import os
import re
import resource
import shutil
import subprocess
import tempfile

import regions
from lab import TOP, LabError

MAKE_VARS = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "LAB", "DIR", "CHECK", "J")
ENV = {k: v for k, v in os.environ.items() if k not in MAKE_VARS}


class BuildFailure(Exception):
    """The submission's own: it does not compile or link, or asks for what it may not."""


def tracked(top=TOP):
    r = subprocess.run(["git", "-C", top, "ls-files", "-z"], capture_output=True, text=True)
    if r.returncode == 0 and r.stdout:
        files = r.stdout.split("\0")
    else:  # a tree without git: what make made is known by its place
        files = [os.path.relpath(os.path.join(d, f), top) for d, _, names in os.walk(top) for f in names]
        files = [f for f in files if not f.startswith(("build/", ".git/"))]
    return sorted(f for f in files if f and os.path.isfile(os.path.join(top, f)))


def handed_out(path, lab):
    """Does this file of the tree go to students of this lab?"""
    if path.startswith("labs/"):
        return path in ("labs/labs.mk", "labs/grade", f"labs/{lab}/lab.toml", f"labs/{lab}/tests.c") or path.startswith("labs/lib/")
    if path.startswith("docs/labs/"):
        return path == f"docs/labs/{lab}.md"
    return path != "tests/test_labs.py" and not path.startswith("tests/labs/")


def write_tree(lab, dest, top=TOP):
    """The starter of lab: what is handed out, with the lab's regions stubbed."""
    for path in tracked(top):
        if not handed_out(path, lab.name):
            continue
        target = os.path.join(dest, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        source = os.path.join(top, path)
        if regions.may_have_regions(path):
            whole = regions.read(source)
            text = regions.cut(path, whole, lab.name, lab.stub)
            if text != whole:
                with open(target, "w", encoding="utf-8") as f:
                    f.write(text)
                shutil.copymode(source, target)
                continue
        shutil.copy2(source, target, follow_symlinks=False)


# What a kernel is built from; the rest of a tree is not needed for it.
KERNEL_PARTS = ("Makefile", "kernel", "include", "scripts")


class Base:
    """A starter's tree with its kernel built, to put submissions' files into."""

    def __init__(self, lab, dest, jobs=None):
        self.lab, self.dir = lab, dest
        write_tree(lab, dest)
        with open(os.path.join(dest, "labs", "current"), "w") as f:
            f.write(lab.name + "\n")
        os.makedirs(os.path.join(dest, "docs"), exist_ok=True)
        # What the tree itself has built is the same but for the files with regions: those are newer here.
        for part in ("kernel", "include", "vdso.o", "vdso.elf", "vdso.so", "syscall_table.c"):
            made = os.path.join(lab.top, "build", part)
            if os.path.exists(made):
                os.makedirs(os.path.join(dest, "build"), exist_ok=True)
                subprocess.run(["cp", "-a", "--reflink=auto", made, os.path.join(dest, "build", part)], check=True)
        r = make(dest, jobs=jobs)
        if r:
            raise LabError(f"the starter of lab {lab.name} does not build:\n{r}")
        self.starter = {p: regions.read(os.path.join(dest, p)).encode() for p in lab.files}

    def kernel(self, files, into):
        """The kernel with these files ({path: bytes}), in the new folder `into`. BuildFailure: the submission's fault."""
        for path, data in files.items():
            refuse(path, data, self.starter[path])
        for part in (*KERNEL_PARTS, "build"):
            subprocess.run(["cp", "-a", "--reflink=auto", os.path.join(self.dir, part), os.path.join(into, part)], check=True)
        os.makedirs(os.path.join(into, "docs"), exist_ok=True)
        for path, data in files.items():
            if data != self.starter[path]:
                with open(os.path.join(into, path), "wb") as f:
                    f.write(data)
        said = make(into, confined=True)
        if said:
            raise BuildFailure(said)
        return os.path.join(into, "build/kernel/tine.elf")


def refuse(path, data, starter):
    """A source may include the tree's headers and nothing else, and leave the assembler's file directives alone; but for the lines
    that it was given with."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BuildFailure(f"{path}: this is no text") from None
    given = set(starter.decode().splitlines())
    text = "\n".join("" if line in given and not line.endswith("\\") else line for line in text.splitlines())
    text = re.sub(r"\\\r?\n", "", text)
    for m in re.finditer(r"^[ \t]*(?:#|%:|\?\?=)\s*(include|include_next|import|embed)\b([^\n]*)", text, re.M):
        name = re.match(r'\s*(?:"([^"]+)"|<([^>]+)>)', m.group(2))
        where = name and os.path.normpath(os.path.join(os.path.dirname(path), name.group(1) or name.group(2)))
        if not name or where.startswith(("..", "/")) or (name.group(2) or "").startswith("/") or ".." in (name.group(2) or "") or m.group(1) in ("embed", "import"):
            raise BuildFailure(f"{path}: '{m.group(0).strip()}' is not allowed: only headers of the tree, by their names")
    if m := re.search(r"\.\s*(incbin|include|macro|altmacro|irpc?|rept)\b", re.sub(r'"\s*"', "", text)) if path.endswith(".c") else re.search(r"\.(incbin|include)\b", text):
        raise BuildFailure(f"{path}: the assembler's '.{m.group(1)}' is not allowed here")


def have_bwrap():
    return bool(shutil.which("bwrap")) and subprocess.run(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"], capture_output=True).returncode == 0


CONFINE = None


def make(tree, jobs=None, confined=False):
    """Build the kernel of a tree. Returns what was said, if it failed. confined: no network, no file but the tree's and the system's,
    bounded time and memory."""
    global CONFINE
    command = ["make", "build/kernel/tine.elf"] + ([f"-j{jobs}"] if jobs else []) + (["WERROR="] if confined else [])
    limits = None
    if confined:
        if CONFINE is None:
            CONFINE = have_bwrap()
        if CONFINE:
            command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/usr", "/usr", *(w for d in ("/bin", "/lib", "/lib64", "/sbin", "/etc/alternatives")
                       for w in ("--ro-bind-try", d, d)), "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", tree, "/tree", "--chdir", "/tree", *command]

        def limits():
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
            resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
            resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 20, 256 << 20))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    env = dict(ENV, LC_ALL="C")
    try:
        r = subprocess.run(command, cwd=tree, env=env, text=True, errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, preexec_fn=limits, timeout=1200)
    except subprocess.TimeoutExpired:
        return "the build did not end within twenty minutes"
    return None if r.returncode == 0 else (r.stdout[-6000:].replace(tree, ".") or f"make ended with {r.returncode}")


def programs(lab, into=None, top=TOP, text=0x10000):
    """Build the check programs; returns the folder of tests.img, tests/t and the like."""
    lb = into or os.path.join(top, "build/labs")
    r = subprocess.run(["make", "-C", top, "lab-programs", f"LAB={lab.name}", f"LB={lb}", f"LABTEXT={text:#x}"], env=ENV, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode:
        raise LabError(f"the check programs of lab {lab.name} do not build:\n{r.stdout}")
    return os.path.join(lb, lab.name)


def scratch(prefix="lab"):
    return tempfile.TemporaryDirectory(prefix=prefix)
