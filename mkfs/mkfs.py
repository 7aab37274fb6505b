#!/usr/bin/python3
"""Stage tine's root in a folder and make an ext3 image of it with mke2fs. Leaves an image alone that is
newer than all that goes into it and was made with the same options."""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(here, "../scripts"))
import checks  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--out", required=True)
parser.add_argument("--size", default="64M", type=checks.size)
parser.add_argument("--programs", required=True, type=checks.folder)
parser.add_argument("--extra", type=checks.folder)
parser.add_argument("--busybox", action="store_true")
parser.add_argument("--stamp", required=True)
args = parser.parse_args()
ADMIN = {"init", "mount", "umount", "poweroff", "reboot"}


def tree(path):
    for folder, dirs, files in os.walk(path):
        for name in dirs + files:
            yield os.path.join(folder, name)


programs = sorted(n for n in os.listdir(args.programs) if os.path.isfile(os.path.join(args.programs, n)) and "." not in n)
inputs = [os.path.join(args.programs, p) for p in programs] + list(tree(here)) + (list(tree(args.extra)) if args.extra else [])
options = repr((args.size, args.extra and os.path.abspath(args.extra), args.busybox, sorted(inputs)))
if os.path.exists(args.out) and os.path.exists(args.stamp) and open(args.stamp).read() == options:
    newest = max(os.lstat(i).st_mtime for i in inputs)
    if os.stat(args.stamp).st_mtime > newest:
        sys.exit(0)

with tempfile.TemporaryDirectory() as root:
    for d in ("bin", "sbin", "dev", "proc", "tmp", "etc", "root", "usr/bin", "var", "mnt", "home"):
        os.makedirs(os.path.join(root, d))
    os.chmod(root, 0o755)
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    for p in programs:
        target = os.path.join(root, "sbin" if p in ADMIN else "bin", p)
        subprocess.run(["riscv64-unknown-elf-strip", "-o", target, os.path.join(args.programs, p)], check=True)
        os.chmod(target, 0o755)
    shutil.copytree(os.path.join(here, "root"), root, dirs_exist_ok=True)
    os.chmod(os.path.join(root, "root"), 0o700)
    if args.busybox:
        import debian
        try:
            box = debian.busybox()
        except debian.Unavailable as e:
            sys.exit(f"mkfs: BUSYBOX=1: {e}")
        shutil.copy(box, os.path.join(root, "bin/busybox"))
        os.chmod(os.path.join(root, "bin/busybox"), 0o755)
        for name in debian.BUSYBOX_APPLETS:
            if not os.path.exists(os.path.join(root, "bin", name)) and not os.path.exists(os.path.join(root, "sbin", name)):
                os.symlink("busybox", os.path.join(root, "bin", name))
    if args.extra:
        shutil.copytree(args.extra, root, dirs_exist_ok=True, symlinks=True)
    new = f"{args.out}.{os.getpid()}"  # put in place whole: others may be reading the old one
    env = dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin", E2FSPROGS_FAKE_TIME="1700000000")
    run = subprocess.run(["mke2fs", "-q", "-F", "-t", "ext3", "-J", "size=4", "-b", "4096", "-I", "256", "-m", "1", "-L", "tine",
                          "-U", "7469e000-0000-4000-8000-000000000001", "-E", "hash_seed=7469e000-0000-4000-8000-000000000002,root_owner=0:0",
                          "-O", "none,filetype,sparse_super,large_file", "-d", root, new, args.size],
                         env=env, capture_output=True, text=True)
    if run.returncode:
        sys.exit("mkfs: mke2fs failed: " + run.stderr + "\n(is the image too small? give IMGSIZE=256M)")
    if os.getuid() != 0:
        commands = []
        for path in tree(root):
            name = "/" + os.path.relpath(path, root)
            commands += [f'sif "{name}" uid 0', f'sif "{name}" gid 0']
        subprocess.run(["debugfs", "-w", "-f", "-", new], input="\n".join(commands), env=env, capture_output=True, text=True, check=True)
os.replace(new, args.out)
open(args.stamp, "w").write(options)
