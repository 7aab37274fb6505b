#!/usr/bin/python3
"""The README's two commands on machines that are not ours: for each suite of Debian a minimal root with git, make and sudo,
into which an ordinary user, or root, clones the last commit, types into the shell, and runs the tests."""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time

import pexpect

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# A dozen tests that take a minute or two together: boot, the shell, fork, threads, signals, storage, gdb.
SMOKE = ("host_units or boots_on_harts or selftests or make_run_prints or typing or cannot_be_written or segments_that_meet or "
         "(test_abi and (fork_entry or fork_copies or wait_exit or signals)) or fork_walk")
VERSIONS = [("gcc", "riscv64-unknown-elf-gcc -dumpfullversion"),
            ("picolibc", "dpkg-query -W -f'${Version}' picolibc-riscv64-unknown-elf"),
            ("binutils", "riscv64-unknown-elf-ld --version | head -n 1 | grep -oE '[0-9.]+$'"),
            ("QEMU", "qemu-system-riscv64 --version | grep -oE '[0-9]+[.][0-9.]+' | head -n 1"),
            ("OpenSBI", "dpkg-query -W -f'${Version}' opensbi"),
            ("gdb", "gdb-multiarch --version | head -n 1 | grep -oE '[0-9.]+$'"),
            ("python", "/usr/bin/python3 -c 'import platform; print(platform.python_version())'"),
            ("clang", "clang -dumpversion")]


class Failed(Exception):
    pass


class CannotBeHad(Exception):
    """Nothing is said about tine: there is no such root here."""


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def mirror():
    """Where this machine's apt gets Debian from."""
    folder = "/etc/apt/sources.list.d"
    files = ["/etc/apt/sources.list"] + [os.path.join(folder, n) for n in sorted(os.listdir(folder))]
    for f in files:
        if os.path.exists(f):
            with open(f) as text:
                m = re.search(r"^(?:URIs:|deb(?: \[.*?\])?)\s*(\S+/debian)/?(?:\s|$)", text.read(), re.M)
            if m:
                return m.group(1)
    raise CannotBeHad("apt's sources name no mirror of Debian")


class Root:
    """A suite's root folder, with /proc and /dev in it while it is used."""

    def __init__(self, folder, suite):
        self.path, self.suite, self.mounted = os.path.join(folder, suite), suite, []
        self.log = open(os.path.join(folder, suite + ".log"), "a")

    def make(self, fresh):
        """A new copy of the minimal root; what debootstrap made is kept beside it for the next time."""
        base = self.path + ".base"
        if fresh:
            shutil.rmtree(base, ignore_errors=True)
        if not os.path.exists(os.path.join(base, "made")):
            shutil.rmtree(base, ignore_errors=True)
            say(f"{self.suite}: debootstrap (some minutes)")
            r = subprocess.run(["debootstrap", "--variant=minbase", "--include=git,make,sudo", self.suite, base, mirror()],
                               stdout=self.log, stderr=self.log)
            if r.returncode:
                raise CannotBeHad("debootstrap could not make it: see " + self.log.name)
            open(os.path.join(base, "made"), "w").close()
        for d in ("proc", "dev"):  # left by a run that was killed
            subprocess.run(["umount", "-Rl", os.path.join(self.path, d)], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.path, ignore_errors=True)
        subprocess.run(["cp", "-a", base, self.path], check=True)
        self.enter()
        with open(os.path.join(self.path, "etc/apt/apt.conf.d/90matrix"), "w") as f:  # a mirror may lag behind the clock
            f.write('Acquire::Check-Valid-Until "false";\n')
        shutil.copy("/etc/resolv.conf", os.path.join(self.path, "etc/resolv.conf"))
        with open(os.path.join(self.path, "etc/hosts"), "w") as f:
            f.write(f"127.0.0.1 localhost {os.uname().nodename}\n")
        self.run("root", "useradd -m -s /bin/bash stranger && echo 'stranger ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/stranger")
        for user in ("root", "stranger"):
            into = os.path.join(self.path, "srv", user + ".git")
            subprocess.run(["git", "clone", "-q", "--bare", TOP, into], check=True)
            self.run("root", f"chown -R {user} /srv/{user}.git")
            self.run(user, f"git clone -q /srv/{user}.git tine")

    def enter(self):
        for options, what, d in ((["-t", "proc"], "proc", "proc"), (["--rbind"], "/dev", "dev")):
            at = os.path.join(self.path, d)
            if subprocess.run(["mount", *options, what, at]).returncode:
                raise CannotBeHad("nothing can be mounted here")
            self.mounted.append(at)
        subprocess.run(["mount", "--make-rslave", os.path.join(self.path, "dev")], check=True)

    def leave(self):
        for at in reversed(self.mounted):
            subprocess.run(["umount", "-Rl", at])
        self.mounted = []
        self.log.close()

    def command(self, user, line, folder=""):
        home = "/root" if user == "root" else "/home/" + user
        return ["chroot", self.path, "/usr/bin/env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin" + (":/usr/sbin:/sbin" if user == "root" else ""),
                "HOME=" + home, "TERM=xterm", "LANG=C.UTF-8", *(() if user == "root" else ("/usr/sbin/runuser", "-u", user, "--")),
                "sh", "-c", f"cd {home}/{folder} && {line}"]

    def run(self, user, line, folder="", check=True, timeout=3600):
        """Run a line there. Its output, which also goes to the log."""
        r = subprocess.run(self.command(user, line, folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, errors="replace", timeout=timeout)
        self.log.write(f"--- {user}: {line}\n{r.stdout}\n")
        self.log.flush()
        if check and r.returncode:
            raise Failed(f"'{line}' as {user} ended with {r.returncode}: {' / '.join(r.stdout.strip().splitlines()[-2:])}")
        return r.stdout


def typed(root, user):
    """The first command, and what a newcomer types."""
    c = root.command(user, "make deps qemu", "tine")
    p = pexpect.spawn(c[0], c[1:], timeout=1800, encoding="utf-8", codec_errors="replace", dimensions=(24, 80))
    p.logfile_read = root.log
    prompt = "/root # "
    try:
        p.expect(prompt)
        p.timeout = 60
        steps = [("ls /", r"bin\s.*etc"), ("echo one two | wc -w", r"\r\n2\r"), ("printf 'a\\n' > /tmp/f; cat /tmp/f", r"\r\na\r"),
                 ("ls / | head -n 1", r"\r\nbin\r"), ("clonedemo", r"CLONE_THREAD +memory shared"), ("forkdemo", r"Child Complete!"),
                 ("nonesuch", r"not found")]
        for line, expected in steps:
            p.sendline(line)
            p.expect(expected)
            p.expect(prompt)
        p.sendline("sleep 100")
        p.expect("sleep 100")
        time.sleep(1)
        p.sendcontrol("c")
        p.expect(prompt)
        p.sendline("sleep 2")
        p.expect("sleep 2")
        time.sleep(0.5)
        p.sendcontrol("z")
        p.expect("(?i)stopped")
        p.expect(prompt)
        p.sendline("fg; echo back")
        p.expect(r"\nback\r")
        p.expect(prompt)
        p.sendline("poweroff")
        p.expect(pexpect.EOF)
        p.close()
        if p.exitstatus:
            raise Failed(f"make deps qemu as {user} ended with {p.exitstatus}")
    except (pexpect.TIMEOUT, pexpect.EOF):
        seen = (p.before if isinstance(p.before, str) else "").strip().splitlines()
        p.close(force=True)
        lost = [line for line in seen if re.search("(Failed|Unable) to fetch|failure resolving|not connect to", line)]
        if lost:
            raise CannotBeHad("its packages: " + lost[0].strip()) from None
        raise Failed(f"typing as {user}: expected {p.searcher}, saw {' / '.join(seen[-3:])}".replace("\n", " ")) from None


def tests(root, user, only, row):
    line = "make deps test" + (f" T='{only}'" if only else "")
    out = root.run(user, line, "tine", check=False, timeout=5400)
    summary = re.findall(r"^=*\s*(\d+ (?:passed|failed)[^=\n]*?)\s*=*$", out, re.M)
    row[("smoke as " if only else "tests as ") + user] = summary[-1] if summary else "no summary"
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", out, re.M)
    if failed or not summary:
        raise Failed(f"{line} as {user}: {' '.join(failed) or ' / '.join(out.strip().splitlines()[-3:])}")


def with_clang(root, row):
    """The kernel by that suite's clang: built without a warning, booted, one command run."""
    root.run("root", "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends clang")
    root.run("stranger", "make clean && make -j2 CC=clang", "tine")
    out = root.run("stranger", "make run CC=clang CMD='forkdemo && ls / | head -n 1'", "tine")
    row["clang builds"] = "yes" if "Child Complete!" in out and out.endswith("bin\n") else "no: " + out.strip()[-60:]
    if row["clang builds"] != "yes":
        raise Failed("the kernel that clang built does not run forkdemo")


def one_suite(suite, folder, a):
    row, root = {"suite": suite}, Root(folder, suite)
    try:
        root.make(a.fresh)
        for user in a.users.split(","):
            say(f"{suite}: make deps qemu as {user}")
            typed(root, user)
            row["typed as " + user] = "yes"
            for name, line in VERSIONS[:-1]:
                row[name] = root.run(user, line, check=False).strip()
            if user == "stranger" or not a.smoke:
                say(f"{suite}: make deps test as {user}{' (a dozen)' if a.smoke else ''}")
                tests(root, user, SMOKE if a.smoke else "", row)
        if not a.smoke:
            say(f"{suite}: clang")
            with_clang(root, row)
            row["clang"] = root.run("root", VERSIONS[-1][1], check=False).strip()
        row["result"] = "passed"
    except Failed as e:
        row["result"] = "FAILED: " + str(e)
    except CannotBeHad as e:
        row["result"] = f"could not be had: {e}"
    except (OSError, subprocess.SubprocessError) as e:
        row["result"] = f"FAILED: {e}"
    finally:
        root.leave()
    return row


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("suites", nargs="*", default=[])
    p.add_argument("--folder", default="/var/tmp/tine-matrix")
    p.add_argument("--users", default="stranger,root")
    p.add_argument("--smoke", action="store_true", help="a dozen tests, gcc alone")
    p.add_argument("--fresh", action="store_true", help="debootstrap again")
    a = p.parse_args()
    if os.getuid():
        sys.exit("make matrix: it makes roots and enters them: run it as root")
    if not shutil.which("debootstrap"):
        sys.exit("make matrix: debootstrap is missing: run 'make deps'")
    os.makedirs(a.folder, exist_ok=True)
    rows = [one_suite(s, a.folder, a) for s in a.suites or ["bookworm", "trixie", "forky", "sid"]]
    columns = list(dict.fromkeys(c for r in rows for c in r))
    columns.sort(key="result".__eq__)
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for r in rows:
        print("| " + " | ".join(r.get(c, "") for c in columns) + " |")
    sys.exit(any(r["result"].startswith("FAILED") for r in rows))


if __name__ == "__main__":
    main()
