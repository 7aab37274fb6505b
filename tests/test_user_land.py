"""What our programs rest on: nothing that a libc's headers happen to bring along, and nothing that it does at their end."""
import glob
import os
import re
import subprocess

import pytest
from conftest import BUILD, TOP


def test_what_is_printed_arrives(machine):
    """Into a pipe, a file, a pipe that is closed early; by main's return, by exit, and from a forked child."""
    r = machine.run("ls / | head -n 2; printf 'a\\n' > /tmp/f; cat /tmp/f; free | head -n 1 | wc -w; cowdemo > /tmp/g; echo $?; wc -l < /tmp/g; "
                    "clonedemo | grep -c CLONE; ls /nonesuch 2> /tmp/e; echo $?; wc -l < /tmp/e; seq 2> /dev/null; env A=b env | grep ^A=; "
                    "cat /bin/sh | cat > /tmp/sh; wc -c < /bin/sh; wc -c < /tmp/sh; cat /bin/sh | head -c 5 | wc -c; echo x | cat | cat | cat; ls / > /dev/full; echo $?", cpus=2)
    lines = [line for line in r.text.strip().splitlines() if not line.startswith(("tine", "["))]
    assert lines[:2] == ["bin", "dev"] and lines[2:4] == ["a", "4"], r.text
    assert lines[4] == "0" and int(lines[5]) > 3 and int(lines[6]) > 5 and lines[7:9] == ["1", "1"], r.text
    assert lines[-7] == "A=b" and lines[-6] == lines[-5] and lines[-4:] == ["5", "x", "ls: write error: No space left on device", "1"], r.text


def hostile_headers(folder):
    """Headers that pass on the libc's, and then have something else under each name that is the ABI's."""
    names = set()
    for header in glob.glob(os.path.join(TOP, "include/abi/*.h")):
        with open(header) as f:
            names |= set(re.findall(r"^#\s*define\s+(\w+)", f.read(), re.M))
    names -= {"EOF"}
    with open(os.path.join(TOP, "user/include/tine.h")) as f:
        headers = re.findall(r"^#include <((?!abi)[\w/]+\.h)>", f.read(), re.M)
    assert len(names) > 500 and len(headers) > 10
    for h in headers:
        path = os.path.join(folder, h)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(f"#pragma GCC system_header\n#include_next <{h}>\n#ifndef once_{re.sub('[/.]', '_', h)}\n#define once_{re.sub('[/.]', '_', h)}\n")
            f.writelines(f"#undef {n}\n#define {n} a_libc_has_another_{n}\n" for n in sorted(names))
            f.write("#endif\n")


@pytest.mark.parametrize("source", sorted(glob.glob(os.path.join(TOP, "user/lib/*.c")) + glob.glob(os.path.join(TOP, "user/sh/*.c"))) +
                         ["every program"])
def test_a_libc_that_has_other_things_under_our_names(tmp_path, source):
    hostile_headers(str(tmp_path))
    r = subprocess.run(["make", "-s", "--no-print-directory", "-C", TOP, "print-ucc"], capture_output=True, text=True, check=True)
    sources = sorted(glob.glob(os.path.join(TOP, "user/*.c"))) if source == "every program" else [source]
    flags = [w for w in r.stdout.split()]
    r = subprocess.run([flags[0], "-isystem", str(tmp_path), *flags[1:], "-fsyntax-only", *sources], cwd=TOP, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr[:3000]


def test_no_other_header_of_the_libc_is_included():
    """tine.h has them all: one that comes after it could bring the libc's names back."""
    own = {"tine.h", "proc.h", "syscall_names.h", "abi_undef.h"}
    for path in glob.glob(os.path.join(TOP, "user/**/*.[ch]"), recursive=True):
        with open(path) as f:
            text = re.sub(r"#ifdef LINUX.*?#e(?:lse|ndif)", "", f.read(), flags=re.S)
        if path.endswith("include/tine.h"):
            continue
        other = {h for h in re.findall(r"^\s*#\s*include <([^>]+)>", text, re.M) if not h.startswith("abi/")} - own
        assert not other, f"{path}: {other}"


def test_programs_lie_where_our_script_puts_them():
    for path in glob.glob(os.path.join(BUILD, "user/*")):
        if os.path.isfile(path):
            out = subprocess.run(["riscv64-linux-gnu-readelf", "-lW", path], capture_output=True, text=True, check=True).stdout
            loads = re.findall(r"^ +LOAD +\S+ 0x(\w+) .*?(R\S*(?: E)?|RW E?) +0x", out, re.M)
            assert int(loads[0][0], 16) == 0x10000 and len(re.findall(r"^ +TLS ", out, re.M)) <= 1, out
