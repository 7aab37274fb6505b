"""What a student hands in: a folder, a git commit, a zip or tar file, or a patch. Only the files that the lab names are
taken out of it, as bytes; nothing is unpacked, and no link is followed."""
import os
import re
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from datetime import datetime, timezone


MAX_FILE = 1 << 20
MAX_ARCHIVE = 64 << 20


class Unreadable(Exception):
    """The submission cannot be read; the text says why. Its mark is 0, with this text."""


def pick(names, wanted):
    """{wanted path: name}: the same place below one folder, wherever that folder is (archives often have one around)."""
    found = {}
    for path in wanted:
        fits = sorted((n for n in names if n == path or n.endswith("/" + path)), key=lambda n: (n.count("/"), n))
        if not fits:  # a student may hand in the bare file
            fits = sorted((n for n in names if n.rsplit("/", 1)[-1] == path.rsplit("/", 1)[-1] and "/kernel/" not in "/" + n), key=lambda n: (n.count("/"), n))
        if fits:
            found[path] = fits[0]
    return found


def from_folder(path, wanted):
    names = []
    for d, folders, files in os.walk(path):
        folders[:] = [f for f in folders if f not in (".git", "build") and not os.path.islink(os.path.join(d, f))]
        names += [os.path.relpath(os.path.join(d, f), path) for f in files]
        if len(names) > 100000:
            raise Unreadable("more than 100,000 files")
    out = {}
    for want, name in pick(names, wanted).items():
        try:
            fd = os.open(os.path.join(path, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as e:
            raise Unreadable(f"{name}: {e.strerror}") from None
        with os.fdopen(fd, "rb") as f:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise Unreadable(f"{name} is no plain file")
            out[want] = f.read(MAX_FILE + 1)
    return out


def from_zip(path, wanted):
    try:
        with zipfile.ZipFile(path) as z:
            names = [i.filename for i in z.infolist() if not i.is_dir() and not stat.S_ISLNK(i.external_attr >> 16)]
            out = {}
            for want, name in pick(names, wanted).items():
                with z.open(name) as f:
                    out[want] = f.read(MAX_FILE + 1)
            return out
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError, OSError) as e:
        raise Unreadable(f"this is no zip file that can be read: {e}") from None


def from_tar(path, wanted):
    try:
        with tarfile.open(path) as t:
            out, members, size = {}, {}, 0
            for m in t:
                size += m.size
                if size > MAX_ARCHIVE * 4 or len(members) > 100000:
                    raise Unreadable("the archive is too large")
                if m.isreg():
                    members[m.name.removeprefix("./")] = m
            for want, name in pick(list(members), wanted).items():
                out[want] = t.extractfile(members[name]).read(MAX_FILE + 1)
            return out
    except (tarfile.TarError, EOFError, OSError, ValueError) as e:
        raise Unreadable(f"this is no tar file that can be read: {e}") from None


def from_commit(spec, wanted):
    repo, _, commit = spec.rpartition("@")
    out = {}
    safe = ["git", "-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*", "-C", repo or "."]
    if subprocess.run([*safe, "rev-parse", "--verify", "-q", commit + "^{commit}"], capture_output=True).returncode:
        raise Unreadable(f"{spec}: there is no such commit")
    for want in wanted:
        r = subprocess.run([*safe, "cat-file", "blob", f"{commit}:{want}"], capture_output=True)
        if r.returncode == 0:
            out[want] = r.stdout[:MAX_FILE + 1]
    return out


def from_patch(path, wanted, starter):
    """The patch on the starter's files. `starter`: {path: bytes}."""
    with open(path, "rb") as f:
        patch = f.read(MAX_FILE + 1)
    kept, keep = [], False
    for block in re.split(rb"(?m)^(?=diff --git |--- [^\n]*\n\+\+\+ )", patch):
        m = re.search(rb"(?m)^\+\+\+ (?:[^/\n]+/)?([^\t\n]+)", block)
        keep = bool(m) and m.group(1).decode(errors="replace") in wanted
        if keep:
            kept.append(block[block.index(b"--- "):])
    with tempfile.TemporaryDirectory() as d:
        for name, data in starter.items():
            os.makedirs(os.path.dirname(os.path.join(d, name)), exist_ok=True)
            with open(os.path.join(d, name), "wb") as f:
                f.write(data)
        r = subprocess.run(["git", "apply", "-p1", "--whitespace=nowarn", "-"], cwd=d, input=b"".join(kept), capture_output=True,
                           env={**os.environ, "GIT_CEILING_DIRECTORIES": os.path.dirname(os.path.realpath(d))}) if kept else None
        if r is None:
            raise Unreadable("the patch changes none of the files that the lab takes")
        if r.returncode:
            raise Unreadable("the patch does not fit the starter: " + (r.stdout + r.stderr).decode(errors="replace")[:500])
        return {name: open(os.path.join(d, name), "rb").read() for name in starter}


def read(what, lab, starter):
    """({path: bytes}, notes). `what` as given on the command line."""
    wanted = lab.files
    if os.path.isdir(what):
        files = from_folder(what, wanted)
    elif os.path.isfile(what):
        if os.path.getsize(what) > MAX_ARCHIVE:
            raise Unreadable(f"the file is larger than {MAX_ARCHIVE >> 20} MB")
        with open(what, "rb") as f:
            start = f.read(4)
        if start[:2] == b"PK":
            files = from_zip(what, wanted)
        elif what.endswith((".patch", ".diff")):
            files = from_patch(what, wanted, starter)
        elif os.path.basename(what) in [os.path.basename(w) for w in wanted]:
            with open(what, "rb") as f:
                files = {w: f.read(MAX_FILE + 1) for w in wanted if os.path.basename(w) == os.path.basename(what)}
        else:
            files = from_tar(what, wanted)
    elif "@" in what or re.fullmatch(r"[0-9a-f]{7,40}", what):
        files = from_commit(what, wanted)
    else:
        raise Unreadable(f"{what}: there is no such file, folder or commit")
    notes = []
    for path in wanted:
        if path not in files:
            notes.append(f"{path} is not in the submission: the starter's is taken")
        elif len(files[path]) > MAX_FILE:
            raise Unreadable(f"{path} is larger than {MAX_FILE >> 20} MB")
    if not files:
        raise Unreadable("none of the lab's files is in it: " + ", ".join(wanted))
    return {**starter, **{p: d.replace(b"\r\n", b"\n") for p, d in files.items()}}, notes


def when(what):
    """When it was handed in: from its name (student@2026-11-20T10:00:00.zip), a commit's date, or the file's own. UTC."""
    m = re.search(r"@(\d{4}-\d\d-\d\d)[T_](\d\d)[:.-]?(\d\d)(?:[:.-]?(\d\d))?", os.path.basename(what))
    if m:
        return datetime.fromisoformat(f"{m.group(1)}T{m.group(2)}:{m.group(3)}:{m.group(4) or '00'}").replace(tzinfo=timezone.utc)
    if not os.path.exists(what):
        repo, _, commit = what.rpartition("@")
        r = subprocess.run(["git", "-C", repo or ".", "log", "-1", "--format=%ct", commit], capture_output=True, text=True)
        if r.returncode == 0 and r.stdout.strip():
            return datetime.fromtimestamp(int(r.stdout), timezone.utc)
        return None
    return datetime.fromtimestamp(os.stat(what).st_mtime, timezone.utc)


def student(what):
    """Whose it is: the name up to '@' or '__', without an ending."""
    name = os.path.basename(what.rstrip("/"))
    name = re.sub(r"\.(zip|tar|tgz|tar\.[a-z0-9]+|patch|diff)$", "", name)
    return re.split(r"@|__", name)[0] or name
