#!/usr/bin/python3
"""make oracle: the programs of tests/abi and tests/linux on Debian's Linux and on tine, under one QEMU; both must agree, and pass."""
import argparse
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))
sys.path.insert(0, os.path.join(TOP, "tests"))
import checks  # noqa: E402
import conftest  # noqa: E402
import debian  # noqa: E402
import numa  # noqa: E402

NOT_CONTRACTS = {"bad_pointers", "hog", "singlestep", "refuse"}  # they try that tine survives, not what a call means; Linux has no single steps


TWO_NODES = {"mempolicy"}


def programs(only):
    for kind in ("abi", "linux", "pthread"):
        for name in sorted(os.listdir(os.path.join(TOP, "tests", kind))):
            if name.endswith(".c") and name[:-2] not in NOT_CONTRACTS and (not only or only in name):
                yield kind, name[:-2]


def disk(tmp):
    """/disk of both: an ext3 of its own. Not with two nodes: see scripts/numa.py."""
    image = os.path.join(tmp, "disk")
    with open(image, "w") as f:
        f.truncate(512 << 20)
    subprocess.run(["mke2fs", "-q", "-F", "-b", "4096", "-N", "150000", "-t", "ext3", image], check=True)
    return ["-drive", f"file={image},format=raw,if=none,id=data,file.locking=off", "-device", "virtio-blk-device,drive=data"]


def on_linux(files, a, tmp, nodes):
    tree = {"t": (0o40755, b""), "dev": (0o40755, b""), "init": (0o100755, open(a.init, "rb").read())}
    tree.update(debian.disk_modules())
    tree.update({"bin": (0o40755, b""), "bin/busybox": (0o100755, open(debian.busybox(), "rb").read())})
    tree.update({"bin/" + n: (0o120777, b"busybox") for n in "sh true false sleep cat echo ls ps kill env test rm".split()})
    tree.update({f"t/{n}": (0o100755, open(p, "rb").read()) for n, p in files.items()})
    initrd = os.path.join(tmp, "initrd")
    open(initrd, "wb").write(debian.initramfs(tree))
    r = subprocess.run(["qemu-system-riscv64", "-machine", "virt", "-bios", "default", "-display", "none", "-monitor", "none", "-serial", "stdio",
                        "-smp", str(a.cpus), "-m", "1G", *(numa.options(nodes, a.cpus, "1G") if nodes > 1 else disk(tmp)), "-kernel", debian.linux(), "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1",
                        "-global", "virtio-mmio.force-legacy=false"], stdin=subprocess.DEVNULL, capture_output=True, timeout=900)
    return r.stdout.decode(errors="replace").replace("\r", "")


def on_tine(files, a, tmp, nodes):
    m = conftest.Machine(tmp)
    subprocess.run(["debugfs", "-w", "-R", "mkdir /t", m.image], check=True, capture_output=True)
    for target, source in {"/init": a.init, **{f"/t/{n}": p for n, p in files.items()}}.items():
        m.add(source, target)
    return m.qemu("quiet init=/init", timeout=900, cpus=a.cpus, mem="1G", nodes=nodes, extra=disk(tmp) if nodes == 1 else ()).text


def results(text):
    """program -> {test name: ok|not ok|skip}, and its status."""
    out = {}
    for name, body, status in re.findall(r"^### (\S+)\n(.*?)^### status (\w+)$", text, re.M | re.S):
        tests = {}
        for verdict, what in re.findall(r"^(ok|not ok) \d+ (.*)$", body, re.M):
            what, _, note = what.partition(" # ")
            while what in tests:  # the same in another place
                what += "'"
            tests[what] = "skip" if note.startswith("SKIP") else verdict
            if verdict == "not ok":
                tests[what + "\0why"] = note
        tests["exit status"] = "ok" if status == "0" else f"status {status}"
        out[name] = tests
    return out


p = argparse.ArgumentParser()
p.add_argument("--init", required=True)
p.add_argument("--cpus", default=2, type=checks.cpus)
p.add_argument("--only", default="")
p.add_argument("-v", action="store_true")
a = p.parse_args()
files = {n: os.path.join(TOP, "build/tests", k, n) for k, n in programs(a.only)}
allowed = [tuple(x.strip() for x in line.split(":", 2)) for line in open(os.path.join(TOP, "tests/oracle/differences")) if not line.startswith("#")]
texts = ["", ""]
with tempfile.TemporaryDirectory() as tmp:
    for nodes in (1, 2):
        some = {n: p for n, p in files.items() if (n in TWO_NODES) == (nodes == 2)}
        try:
            for k, run in enumerate((on_linux, on_tine) if some else ()):
                texts[k] += run(some, a, tmp, nodes)
        except debian.Unavailable as e:
            sys.exit(str(e))
for name, text in zip(("linux", "tine"), texts):
    open(os.path.join(TOP, "build", f"oracle-{name}.log"), "w").write(text)
linux, tine = map(results, texts)
wrong = agree = 0
for name in sorted(files):
    mine, theirs, lines = tine.get(name, {}), linux.get(name, {}), []
    if "skip" in theirs.values() and len(theirs) == 2:  # not for this Linux: nothing to compare
        print(f"{name:16} skipped on Linux: {[t for t in theirs if theirs[t] == 'skip'][0]}")
        continue
    for test in dict.fromkeys([*theirs, *mine]):
        if test.endswith("\0why"):
            continue
        l, t = theirs.get(test, "missing"), mine.get(test, "missing")
        known = any(name == x[0] and x[1] in test for x in allowed)
        good = known or (l == t and l in ("ok", "skip")) or (l == "skip" and t == "ok")
        wrong, agree = wrong + (not good), agree + good
        if not good or a.v:
            lines.append(f"    {l:10} {t:10} {test}{'  (known)' if known else ''}"
                         f"{''.join('  ' + w + ': ' + d[test + chr(0) + 'why'] for w, d in (('linux', theirs), ('tine', mine)) if test + chr(0) + 'why' in d)}")
    print(f"{name:16} {sum(not k.endswith(chr(0) + 'why') for k in theirs):4} on Linux, {sum(not k.endswith(chr(0) + 'why') for k in mine):4} on tine"
          f"{'' if lines and not a.v else '' if a.v else ', agree'}")
    print("\n".join(lines), end="\n" if lines else "")
print(f"{len(files)} programs, {agree} results agree, {wrong} do not")
sys.exit(wrong > 0 or not files)
