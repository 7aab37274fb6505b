"""The stack that any path of the kernel can need fits, and every circle of its calls has a bound (scripts/stackdepth.list)."""
import os
import re
import subprocess

from conftest import BUILD, TOP


def depth(elf, *more):
    return subprocess.run(["/usr/bin/python3", os.path.join(TOP, "scripts/stackdepth.py"), elf, *more], cwd=TOP, capture_output=True, text=True)


def test_the_deepest_path_fits_the_stack():
    r = depth(os.path.join(BUILD, "kernel", "first.elf"))
    assert r.returncode == 0, r.stdout[:4000] + r.stderr
    need, size = map(int, re.search(r"at most (\d+) of (\d+) bytes", r.stdout).groups())
    through_pointers = int(re.search(r"(\d+) of them through pointers", r.stdout)[1])
    assert 4096 < need <= size == 16384 and through_pointers > 400, r.stdout[:4000]


def test_the_checked_build_has_no_other_circles():
    """Its own checks make frames larger: what it can need by this count is more than a stack, and it measures what it needs."""
    r = depth(os.path.join(BUILD, "kernel-debug", "first.elf"))
    assert r.returncode in (0, 2) and "none left" in r.stdout, r.stdout[:4000] + r.stderr


def test_a_circle_without_a_bound_is_found(tmp_path):
    """Without its line in the list the wake of sets in sets is one."""
    with open(os.path.join(TOP, "scripts/stackdepth.list")) as f:
        lines = f.readlines()
    less = tmp_path / "list"
    less.write_text("".join(line for line in lines if not line.startswith("cut ep_wake")))
    assert len(less.read_text().splitlines()) == len(lines) - 1
    r = depth(os.path.join(BUILD, "kernel", "first.elf"), "--list", str(less))
    assert r.returncode == 1 and re.search(r"a circle .*ep_wake", r.stdout), r.stdout[:2000] + r.stderr
