"""Debian's busybox-static for riscv64, fetched by apt into build/, never committed. fetch() gives its path;
raises Unavailable when the archive cannot be reached."""
import fcntl
import glob
import os
import re
import subprocess

APPLETS = ["awk", "sed", "tar", "gzip", "gunzip", "md5sum", "vi", "less", "cut", "tr", "uniq", "seq", "xargs", "diff", "du", "dd", "cmp",
           "basename", "dirname", "which", "yes", "od", "expr", "sha256sum", "bc", "ash", "nl", "rev", "fold", "split", "watch", "whoami"]


class Unavailable(Exception):
    pass


def fetch(folder):
    target = os.path.abspath(os.path.join(folder, "busybox"))
    if os.path.exists(target) and os.path.getsize(target) > 100000:
        return target
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w") as lock:  # tests run side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        return target if os.path.exists(target) else download(folder, target)


def download(folder, target):
    state = os.path.abspath(os.path.join(folder, "apt"))
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
        subprocess.run(["apt-get", *options, "-qq", "update"], check=True, capture_output=True, timeout=180)
        subprocess.run(["apt-get", *options, "-qq", "download", "busybox-static"], check=True, capture_output=True, timeout=180, cwd=folder)
        deb = glob.glob(os.path.join(folder, "busybox-static_*.deb"))[0]
        subprocess.run(["dpkg-deb", "-x", deb, os.path.join(folder, "x")], check=True)
        found = [p for p in glob.glob(os.path.join(folder, "x/**/*busybox*"), recursive=True) if os.path.isfile(p) and os.path.getsize(p) > 100000][0]
        os.rename(found, target)
    except (subprocess.SubprocessError, IndexError, OSError) as e:
        raise Unavailable(f"Debian's riscv64 archive cannot be reached: {getattr(e, 'stderr', None) or e}") from e
    return target
