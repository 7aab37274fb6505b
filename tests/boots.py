#!/usr/bin/python3
"""A campaign: boot many times, several QEMUs beside one another, so that harts start late and race. make boots N=500."""
import argparse
import concurrent.futures
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRIPT = "/bin/true; ls /bin >/dev/null; /bin/true; echo done"
sys.path.append(os.path.join(TOP, "scripts"))
import checks  # noqa: E402

p = argparse.ArgumentParser()
p.add_argument("n", type=checks.number())
p.add_argument("kernel", type=checks.readable)
p.add_argument("image", type=checks.image)
a = p.parse_args()


def boot(i):
    cpus = "2 2 4 8 1".split()[i % 5]
    try:
        r = subprocess.run([sys.executable, os.path.join(TOP, "scripts/run.py"), "--kernel", a.kernel, "--image", a.image, "--cpus", cpus,
                            "--", SCRIPT], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired as e:
        return f"boot {i}, {cpus} harts: hangs\n{(e.stdout or b'').decode(errors='replace')[-2000:]}"
    return "" if r.returncode == 0 and r.stdout == "done\n" else f"boot {i}, {cpus} harts: status {r.returncode}\n{r.stdout[-2000:]}"


start, bad = time.time(), 0
with concurrent.futures.ThreadPoolExecutor(2 * os.cpu_count() + 1) as pool:
    for said in pool.map(boot, range(a.n)):
        if said:
            bad += 1
            print(said, flush=True)
print(f"{a.n} boots, {bad} failed, {time.time() - start:.0f} s")
sys.exit(bad > 0)
