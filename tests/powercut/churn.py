#!/usr/bin/python3
"""make test-powercut KILLS=1000 CUTS=20000: a machine that changes names and files with many processes (churn.c) dies, on its root and on a second
disk at once.

Kills: QEMU is stopped (SIGSTOP) at random moments, and its disks copied: what it has completed is in the host's cache, as if it had been killed
there; at the end of each boot it is killed. Cuts: QEMU's blklogwrites records each write and flush of the second disk; at random ones that disk is
made again as it may have been, all up to the last flush, and of the writes since then all, none, or some.

After each e2fsck must replay the journal without a complaint, then find nothing (-fn), and each file whose fsync was acknowledged on the console
before the kill must be there with its contents. The next boot, by tine, is from the disks of the last kill: every second time tine replays
the journal, else e2fsck has."""
import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tests"), HERE]
import conftest  # noqa: E402
import ext2  # noqa: E402
import powercut  # noqa: E402

KEPT = 20  # as churn.c has it
DIRS = ("/churn", "/mnt/churn")


class Stopped(Exception):
    """The load, or the kernel, ended by itself."""


def fsck(path):
    """None, or what e2fsck says after a replay."""
    r = subprocess.run(["e2fsck", "-p", path], capture_output=True, text=True)
    if r.returncode > 1:
        return "e2fsck -p: " + r.stdout + r.stderr
    r = subprocess.run(["e2fsck", "-fn", path], capture_output=True, text=True)
    return "e2fsck -fn after the replay: " + r.stdout + r.stderr if r.returncode else None


def kept_ok(path, acked):
    """acked: numbers of files whose fsync was acknowledged; those that nobody has removed yet."""
    if not acked:
        return None
    with open(path, "rb") as f:
        image = ext2.Image(f.read())
    try:
        names = image.names(image.names(image.names(2)["churn"])["kept"])
    except KeyError as e:
        return f"a directory is gone: {e}"
    last = max(acked)
    for n in sorted(acked):
        if n <= last + 1 - KEPT:
            continue
        size = n * 1237 % 30000 + 1
        if f"k{n}" not in names:
            return f"file {n} is gone, {last} was acknowledged"
        if image.content(names[f"k{n}"]) != bytes((n + i // 256) & 0xff for i in range(size)):
            return f"file {n} has not what was synced, {last} was acknowledged"
    return None


class Boot:
    """A machine with the load, on these disks."""
    def __init__(self, machine, seed, a, second, extra=()):
        command = machine.command(f"quiet init=/churn.bin -- {a.workers} {seed} {' '.join(DIRS)}", cpus=a.cpus, debug=a.debug, extra=[*second, *extra])
        if a.kernel:
            command[command.index("-kernel") + 1] = a.kernel
        self.log = open(os.path.join(machine.tmp, "console"), "w+b")
        self.p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)

    def text(self):
        self.log.seek(0)
        text = self.log.read().decode(errors="replace").replace("\r", "")
        return text[text.find("MEDELEG"):]  # without the firmware's

    def acked(self, directory):
        return {int(n) for n in re.findall(rf"^ack {directory} (\d+)\n", self.text(), re.M)}

    def run_on(self, acks, limit):
        """Until so many more files are acknowledged; or the time is up."""
        want, end = self.text().count("ack") + acks, time.time() + limit
        while self.text().count("ack") < want and time.time() < end:
            if self.p.poll() is not None or "kernel panic" in self.text() or "churn: FAILED" in self.text():
                raise Stopped(self.text()[-3000:])
            time.sleep(0.03)

    def kill(self):
        self.p.send_signal(signal.SIGKILL)
        self.p.wait()
        self.log.close()


class Findings:
    def __init__(self, a):
        self.a, self.bad, self.causes = a, 0, {}

    def add(self, what, why, *images):
        self.bad += 1
        for line in why.splitlines():  # the kinds, without numbers
            if re.search(r"[a-z]", line) and not line.startswith(("Pass", "e2fsck", "***", "/")):
                kind = re.sub(r"'.*'|\d+", "N", line)[:90]
                self.causes[kind] = self.causes.get(kind, 0) + 1
        print(f"{what}: {why}", flush=True)
        for path in images:
            kept = os.path.join(self.a.keep, f"churn-{self.a.seed}-{self.bad}-{os.path.basename(path)}")
            shutil.copyfile(path, kept)
            print(f"  the disk: {kept}", flush=True)


def fresh(m, a):
    """A root with the load on it, and a second disk."""
    subprocess.run(["cp", "--sparse=always", os.path.join(conftest.BUILD, "fs.img"), m.image], check=True)
    m.add(os.path.join(conftest.BUILD, "tests/powercut-churn"), "/churn.bin")
    subprocess.run(["debugfs", "-w", "-R", "mkdir /churn", m.image], capture_output=True, check=True)
    second = os.path.join(m.tmp, "second")
    if os.path.exists(second):
        os.unlink(second)
    subprocess.run(["truncate", "-s", f"{a.size}M", second], check=True)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext3", "-b", "4096", "-J", f"size={a.journal}", *a.mke2fs.split(), second], check=True)
    return second


def kills(a, findings):
    rng, boots, killed, disks = random.Random(a.seed), 0, 0, 0
    with tempfile.TemporaryDirectory(dir=a.tmp) as tmp:
        m = conftest.Machine(tmp)
        second = fresh(m, a)
        copies = [(os.path.join(tmp, "root.copy"), DIRS[0]), (os.path.join(tmp, "second.copy"), DIRS[1])]
        while killed < a.kills and findings.bad < a.most and time.time() < a.end:
            boots += 1
            boot = Boot(m, a.seed * 1000 + boots, a, conftest.second_disk(second))
            clean = True
            try:
                boot.run_on(1, 60)
                for last in [False] * min(a.stops, a.kills - killed - 1) + [True]:
                    if time.time() >= a.end:
                        break
                    boot.run_on(rng.randrange(1, 40), rng.uniform(0.2, 3))
                    boot.p.send_signal(signal.SIGSTOP)
                    acked = [boot.acked(d) for d in DIRS]
                    if last:
                        boot.p.kill()
                        boot.p.wait()
                    for path, (copy, _) in zip((m.image, second), copies):
                        subprocess.run(["cp", "--sparse=always", path, copy], check=True)
                    if not last:
                        boot.p.send_signal(signal.SIGCONT)
                    killed += 1
                    for (copy, _), acks in zip(copies, acked):
                        disks += 1
                        wrong = fsck(copy) or kept_ok(copy, acks)
                        if wrong:
                            clean = False
                            findings.add(f"boot {boots}, kill {killed}", wrong, copy)
            except Stopped as e:
                findings.add(f"boot {boots}", f"it stopped: {e}")
                clean = False
            finally:
                boot.kill()
            print(f"  boot {boots}: {killed} kills, {disks} disks, {findings.bad} findings", file=sys.stderr, flush=True)
            if clean and boots % 2 and boots % 20 != 19:  # the next boot replays it
                continue
            if clean and boots % 20:
                for path, (copy, _) in zip((m.image, second), copies):
                    shutil.copyfile(copy, path)
            else:
                second = fresh(m, a)
    print(f"seed {a.seed}: {boots} boots, {killed} kills, {disks} disks: {findings.bad} findings", flush=True)


def cuts(a, findings):
    """Of recordings of some seconds each."""
    rng, recordings, tried, writes, flushes = random.Random(a.seed + 1), 0, 0, 0, 0
    with tempfile.TemporaryDirectory(dir=a.tmp) as tmp:
        while tried < a.cuts and findings.bad < a.most and time.time() < a.end:
            m = conftest.Machine(tmp)
            second, log, cut = fresh(m, a), os.path.join(tmp, "log"), os.path.join(tmp, "cut")
            with open(second, "rb") as f:
                safe = bytearray(f.read())
            open(log, "wb").close()
            recordings += 1
            boot = Boot(m, a.seed * 1000 + 500 + recordings, a, [
                "-blockdev", f"driver=file,filename={second},node-name=f", "-blockdev", f"driver=file,filename={log},node-name=l", "-blockdev",
                "driver=blklogwrites,file=f,log=l,log-sector-size=512,log-super-update-interval=1,node-name=w", "-device", "virtio-blk-device,drive=w"])
            try:
                boot.run_on(1, 60)
                boot.run_on(100000, a.seconds)
            except Stopped as e:
                findings.add(f"recording {recordings}", f"it stopped: {e}")
            finally:
                boot.kill()
            ops = powercut.entries(log)
            writes += len(ops)
            flushes += sum(d is None for _, d in ops)
            since, at = [], 0
            for point in sorted(rng.sample(range(len(ops)), min(a.points, len(ops)))):
                for op in ops[at:point + 1]:
                    if op[1] is None:
                        powercut.apply(safe, since)
                        since = []
                    else:
                        since.append(op)
                at = point + 1
                some = [w for w in since if rng.random() < 0.5]
                rng.shuffle(some)
                for kind, chosen in ("all", since), ("none", []), ("some", some):
                    if (kind != "all" and not since) or tried >= a.cuts or findings.bad >= a.most or time.time() >= a.end:
                        continue
                    image = bytearray(safe)
                    powercut.apply(image, chosen)
                    with open(cut, "wb") as f:
                        f.write(image)
                    tried += 1
                    wrong = fsck(cut)
                    if not tried % 200:
                        print(f"  recording {recordings}: {tried} disks, {findings.bad} findings", file=sys.stderr, flush=True)
                    if wrong:
                        findings.add(f"recording {recordings}, cut after {point} of {len(ops)}, {kind} of {len(since)}", wrong, cut)
    print(f"seed {a.seed}: {recordings} recordings, {writes - flushes} writes, {flushes} flushes, {tried} disks cut: {findings.bad} findings", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--kills", type=int, default=0)
    p.add_argument("--stops", type=int, default=6, help="of a boot, before it is killed: as good as a kill")
    p.add_argument("--cuts", type=int, default=0)
    p.add_argument("--points", type=int, default=400, help="of a recording")
    p.add_argument("--seconds", type=float, default=8, help="of a recording: more than the five after which all is written")
    p.add_argument("--workers", type=int, default=4)
    p.add_argument("--cpus", type=int, default=4)
    p.add_argument("--size", type=int, default=48, help="MB of the second disk")
    p.add_argument("--journal", type=int, default=4)
    p.add_argument("--mke2fs", default="", help="options for the second disk: -g 512 makes many small groups, so that truncations take several handles")
    p.add_argument("--kernel", help="another kernel's image")
    p.add_argument("--debug", action="store_true")
    p.add_argument("--most", type=int, default=10, help="findings before it ends")
    p.add_argument("--minutes", type=float, default=10000)
    p.add_argument("--keep", default="/tmp", help="where disks that are wrong go")
    p.add_argument("--tmp", default=None)
    a = p.parse_args()
    a.end = time.time() + a.minutes * 60
    signal.signal(signal.SIGTERM, lambda *_: setattr(a, "end", 0))  # enough: what was found so far
    findings = Findings(a)
    if a.kills:
        kills(a, findings)
    if a.cuts:
        cuts(a, findings)
    for kind, n in sorted(findings.causes.items(), key=lambda c: -c[1]):
        print(f"  {n}: {kind}")
    return findings.bad != 0


if __name__ == "__main__":
    sys.exit(main())
