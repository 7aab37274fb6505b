#!/usr/bin/python3
"""make fuzz-images N=1000: damaged disks. Images that mke2fs made and a load has used, some with a journal to be recovered, get bits changed where it hurts: super
block, groups, inodes, directories, indirect blocks, the log. The checked build mounts each, looks at everything and writes to it: an errno and a line in the
log, never a panic or a hang. Six disks a boot."""
import argparse
import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tests"), HERE]
import conftest  # noqa: E402

import checks  # noqa: E402
import powercut  # noqa: E402

LOOK = "find /mnt | wc -l; ls -lR /mnt > /dev/null; cat /mnt/*/* /mnt/* > /dev/null; cp -r /bin /mnt/new; echo x > /mnt/y; mv /mnt/w0 /mnt/v0; rm -rf /mnt/new /mnt/v0; sync; umount /mnt"


def spots(rng, log_start):
    """Where a change does most: the first bytes of structures."""
    return rng.choice([lambda: 1024 + rng.randrange(300), lambda: 4096 + rng.randrange(256), lambda: rng.randrange(2, 12) * 4096 + rng.randrange(4096),
                       lambda: rng.randrange(12, 400) * 4096 + rng.randrange(256), lambda: log_start + rng.randrange(80),
                       lambda: log_start + rng.randrange(120) * 4096 + rng.randrange(40), lambda: rng.randrange(400, 6000) * 4096 + rng.randrange(64)])()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("n", type=checks.number())
    p.add_argument("seed", type=checks.number())
    a = p.parse_args()
    n, seed = a.n, a.seed
    rng = random.Random(seed)
    bases, done, bad = [], 0, 0
    with tempfile.TemporaryDirectory() as tmp:
        for k in range(3):
            _, before, log = powercut.record(tmp, 3, 120, seed * 10 + k, 2, 4)
            ops, image = powercut.entries(log), bytearray(open(before, "rb").read())
            powercut.apply(image, [op for op in (ops if k == 0 else ops[:len(ops) * (k + 1) // 4]) if op[1] is not None])
            block = subprocess.run(["debugfs", "-R", "bmap <8> 0", before], capture_output=True, text=True).stdout
            bases.append((image, int(block.split()[-1]) * 4096))
        while done < n:
            disks, extra, commands = [], [], []
            for i in range(6):
                image, log_start = rng.choice(bases)
                image = bytearray(image)
                for _ in range(rng.choice([1, 3, 10, 40])):
                    at = spots(rng, log_start)
                    image[at] = rng.choice([0, 255, image[at] ^ (1 << rng.randrange(8)), rng.randrange(256)])
                path = os.path.join(tmp, f"bad{i}")
                open(path, "wb").write(image)
                disks.append(path)
                extra += ["-drive", f"file={path},format=raw,if=none,id=b{i},snapshot=on", "-device", f"virtio-blk-device,drive=b{i}"]
                commands.append(f"mount -t ext2 /dev/vd{'bcdefg'[i]} /mnt && {{ {LOOK}; }}")
            m = conftest.Machine(tmp)
            try:
                r = m.run("mkdir /mnt; " + "; ".join(commands) + "; echo survived", timeout=240, debug=True, extra=extra)
                wrong = None if "survived" in r.text else r.text[-1500:]
            except (conftest.Panic, conftest.Hang) as e:
                wrong = str(e)[:3000]
            done += len(disks)
            if wrong:
                bad += 1
                keep = f"/tmp/images-{seed}-{done}"
                os.makedirs(keep, exist_ok=True)
                for d in disks:
                    subprocess.run(["cp", d, keep], check=True)
                print(f"disks {done - 5} to {done} (kept in {keep}): {wrong}", flush=True)
                if bad > 3:
                    break
    print(f"seed {seed}: {done} damaged disks, {bad} boots of six found something")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
