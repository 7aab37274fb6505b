#!/usr/bin/python3
"""make seeds SEED=1 N=1000 [T=program]: the small programs of tests/abi under seeded schedules, on 2 to 4 harts that take turns. Each
seed is one interleaving, which the command that is said repeats exactly."""
import argparse
import concurrent.futures
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import conftest  # noqa: E402

import checks  # noqa: E402

PROGRAMS = ["races", "fork_entry", "wait_exit", "exec_threads"]


def run(seed, program):
    """None, or what went wrong; and the console."""
    cpus = 2 + seed % 3
    with tempfile.TemporaryDirectory() as d:
        m = conftest.Machine(d)
        m.add(os.path.join(conftest.BUILD, "tests/abi", program), "/t")
        try:
            r = m.qemu(f"quiet seed={seed} init=/t", timeout=120, cpus=cpus, debug=True, icount=True)
            text = r.text[r.text.find("KTAP"):]
            bad = r.status != 0 or re.search(r"^not ok|kernel panic", text, re.M)
        except conftest.Hang as e:
            text, bad = str(e), True
    return (f"seed {seed}, {program}, {cpus} harts:\n{text[-2500:]}\nagain: make seeds SEED={seed} N=1 T={program}" if bad else None), text


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("first", type=checks.number())
    p.add_argument("n", type=checks.number())
    p.add_argument("only", nargs="*", metavar="program of tests/abi")
    a = p.parse_args()
    first, n, only = a.first, a.n, a.only
    start, bad = time.time(), 0
    work = [(s, p) for s in range(first, first + n) for p in (only or [PROGRAMS[s % len(PROGRAMS)]])]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for said, _ in pool.map(lambda w: run(*w), work):
            if said:
                bad += 1
                print(said, flush=True)
    print(f"{len(work)} seeded runs, {bad} failed, {time.time() - start:.0f} s")
    sys.exit(bad > 0)
