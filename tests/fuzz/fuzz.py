#!/usr/bin/python3
"""make fuzz SEED=1 RUNS=10 CALLS=1000000: the system-call fuzzer on the checked build, as a user and as root by turns, on 1 to
4 harts. A find is said with the command that repeats it, and its console is kept in build/fuzz-SEED.log."""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests"))
import conftest  # noqa: E402

import checks  # noqa: E402

p = argparse.ArgumentParser()
p.add_argument("--seed", type=checks.number(), default=1)
p.add_argument("--runs", type=checks.number(), default=10)
p.add_argument("--calls", type=checks.number(), default=1000000)
a = p.parse_args()
total = bad = 0
for seed in range(a.seed, a.seed + a.runs):
    start = time.time()
    with tempfile.TemporaryDirectory() as d:
        m = conftest.Machine(d)
        m.add(os.path.join(conftest.BUILD, "tests/fuzz"), "/fuzz")
        uid, cpus = (0, 1000)[seed % 2], (2, 1, 4)[seed % 3]
        with open(os.path.join(conftest.BUILD, f"fuzz-{seed}.log"), "w+", errors="replace") as log:
            try:
                r = subprocess.run(m.command(f"quiet init=/fuzz -- {seed} {a.calls} {uid}", cpus=cpus, debug=True), stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, timeout=60 + a.calls / 500)
                status = r.returncode
            except subprocess.TimeoutExpired:
                status = "hang"
            log.seek(0)
            text = log.read().replace("\0", "")
    said = re.search(r"fuzz: seed.*", text)
    made = re.search(r"(\d+) calls", said.group(0)) if said else None
    total += int(made.group(1)) if made else 0
    good = status == 0 and said
    bad += not good
    print(f"seed {seed}, uid {uid}, {cpus} harts, {time.time() - start:.0f} s: {said.group(0) if said else ''} {'' if good else f'FOUND: status {status}'}", flush=True)
    if not good:
        at = text.find("kernel panic")
        print(text[at:at + 1500] if at >= 0 else text[-1500:], flush=True)
print(f"{total} calls, {bad} of {a.runs} runs found something")
sys.exit(bad > 0)
