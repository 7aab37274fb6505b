"""Packages of Debian's riscv64 archive (trixie), fetched by apt and unpacked under build/debian, never committed.
Unavailable is raised when the archive cannot be reached."""
import fcntl
import glob
import lzma
import os
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(TOP, "build", "debian")
BUSYBOX_APPLETS = ["awk", "sed", "tar", "gzip", "gunzip", "md5sum", "vi", "less", "cut", "tr", "uniq", "seq", "xargs", "diff", "du", "dd", "cmp",
                   "basename", "dirname", "which", "yes", "od", "expr", "sha256sum", "bc", "ash", "nl", "rev", "fold", "split", "watch", "whoami"]


class Unavailable(Exception):
    pass


def package(name):
    """The folder that the package was unpacked into."""
    target = os.path.join(FOLDER, name)
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, "lock"), "w") as lock:  # tests run side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(target):
            download(name, target)
    return target


def download(name, target):
    state = os.path.join(FOLDER, "apt")
    os.makedirs(os.path.join(state, "lists/partial"), exist_ok=True)
    os.makedirs(os.path.join(state, "cache/archives/partial"), exist_ok=True)
    mirror = "http://deb.debian.org/debian"
    for f in glob.glob("/etc/apt/sources.list") + glob.glob("/etc/apt/sources.list.d/*"):
        m = re.search(r"(https?://\S+/debian/?)(?=\s|$)", open(f).read())
        if m:
            mirror = m.group(1)
            break
    sources = os.path.join(state, "sources.list")
    with open(sources, "w") as f:
        f.write(f"deb [arch=riscv64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} trixie main\n")
    options = ["-oAPT::Architecture=riscv64", "-oAPT::Architectures=riscv64", f"-oDir::State::Lists={state}/lists", f"-oDir::Etc::sourcelist={sources}",
               "-oDir::Etc::sourceparts=/nonexistent", f"-oDir::Cache={state}/cache", "-oAPT::Sandbox::User=root"]
    try:
        if not glob.glob(os.path.join(state, "lists/*Packages*")):
            subprocess.run(["apt-get", *options, "-qq", "update"], check=True, capture_output=True, timeout=180)
        subprocess.run(["apt-get", *options, "-qq", "download", name], check=True, capture_output=True, timeout=300, cwd=FOLDER)
        deb = glob.glob(os.path.join(FOLDER, glob.escape(name) + "_*.deb"))[0]
        subprocess.run(["dpkg-deb", "-x", deb, target + ".new"], check=True)
        with open(os.path.join(target + ".new", "depends"), "w") as f:
            subprocess.run(["dpkg-deb", "-f", deb, "Depends"], check=True, stdout=f)
        os.unlink(deb)
        os.rename(target + ".new", target)
    except (subprocess.SubprocessError, IndexError, OSError) as e:
        raise Unavailable(f"Debian's riscv64 archive cannot be reached: {getattr(e, 'stderr', None) or e}") from e


def disk_modules():
    """What Linux loads for a virtio disk with ext3 or ext4, in order, as files of an initramfs."""
    root, tree = os.path.dirname(os.path.dirname(linux())), {"mod": (0o40755, b"")}
    for i, name in enumerate(["virtio_ring", "virtio", "virtio_mmio", "virtio_blk", "crc16", "crc32c_generic", "mbcache", "jbd2", "ext4"]):
        for path in glob.glob(os.path.join(root, "usr/lib/modules/*/kernel/**", name + ".ko.xz"), recursive=True):
            tree[f"mod/{i}-{name}.ko"] = (0o100644, lzma.open(path).read())
    return tree


def busybox():
    return os.path.join(package("busybox-static"), "usr/bin/busybox")


def linux():
    """Debian's kernel image for riscv64."""
    meta = package("linux-image-riscv64")
    real = re.search(r"linux-image-\S+-riscv64", open(os.path.join(meta, "depends")).read()).group(0)
    return glob.glob(os.path.join(package(real), "boot/vmlinu*"))[0]


def initramfs(files):
    """For Linux: a newc archive of name -> (mode, data)."""
    out = bytearray()
    for ino, (name, (mode, data)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], 1):
        fields = [ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        out += b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def musl_gcc(source, out, include):
    """Build a program with musl; it runs with musl's libc.so as /lib/ld-musl-riscv64.so.1, whose path is returned. (Debian 12's
    linker cannot read trixie's static library.)"""
    root = os.path.join(package("musl-dev"), "usr")
    headers = os.path.join(root, "include/riscv64-linux-musl")
    libc = os.path.join(package("musl"), "usr/lib/riscv64-linux-musl/libc.so")
    gcc = "riscv64-linux-gnu-gcc"
    own = subprocess.run([gcc, "-print-file-name=include"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([gcc, "-O1", "-w", "-no-pie", "-nostdinc", "-isystem", headers, "-isystem", own, "-I", include, "-nostdlib", "-o", out,
                    "-Wl,-dynamic-linker,/lib/ld-musl-riscv64.so.1", "-Wl,--no-relax", os.path.join(TOP, "tests/pthread/musl/start.c"), source,
                    "-L", os.path.dirname(libc), "-lc", "-lgcc"], check=True)
    return libc
