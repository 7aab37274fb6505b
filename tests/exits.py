#!/usr/bin/python3
"""A campaign: end the machine many times, by a program's end and by a panic, several QEMUs beside one another, and look at QEMU's
exit status each time. make exits N=1000."""
import argparse
import collections
import concurrent.futures
import os
import subprocess
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts"))
import checks  # noqa: E402

WAYS = [("exit 7", 7), ("exit 0", 0), ("exit 255", 255), ("kill -KILL $$; exit 3", 3), ("echo c > /proc/sysrq-trigger; exit 0", 255),
        ("poweroff; sleep 9", 0)]


def end(i, kernel, image):
    command, status = WAYS[i % len(WAYS)]
    try:
        r = subprocess.run(["qemu-system-riscv64", "-machine", "virt", "-bios", "default", "-smp", "1 2 4".split()[i // len(WAYS) % 3], "-m", "128M",
                            "-display", "none", "-monitor", "none", "-serial", "stdio", "-global", "virtio-mmio.force-legacy=false", "-kernel", kernel,
                            "-drive", f"file={image},format=raw,if=none,id=root,snapshot=on", "-device", "virtio-blk-device,drive=root",
                            "-append", f"init=/bin/sh -- -c '{command}'"], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    except subprocess.TimeoutExpired as e:
        return f"'{command}' does not end\n{(e.stdout or b'').decode(errors='replace')[-1500:]}"
    return "" if r.returncode == status else f"'{command}' ended with {r.returncode}, not {status}\n{r.stdout.decode(errors='replace')[-1500:]}"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("n", type=checks.number())
    p.add_argument("kernel", type=checks.readable)
    p.add_argument("image", type=checks.image)
    a = p.parse_args()
    n, kernel, image = a.n, a.kernel, a.image
    start, wrong = time.time(), collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(2 * os.cpu_count() + 1) as pool:
        for said in pool.map(lambda i: end(i, kernel, image), range(n)):
            if said:
                wrong[said.split("\n")[0]] += 1
                print(said, flush=True)
    print(f"{n} ends, {sum(wrong.values())} wrong, {time.time() - start:.0f} s")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
