"""Debian's own riscv64 busybox, unmodified. Skipped, with the reason, where the archive cannot be reached."""
import os
import sys

import pytest
from conftest import TOP, tail

sys.path.insert(0, os.path.join(TOP, "scripts"))
import debian  # noqa: E402


@pytest.fixture(scope="session")
def box():
    try:
        return debian.busybox()
    except debian.Unavailable as e:
        pytest.skip(str(e))


def test_busybox(machine, box):
    machine.add(box, "/bin/busybox")
    script = r"""
b=/bin/busybox
$b ash -c 'for i in 1 2 3; do echo ash$i; done'
$b ls -l / | $b grep -c ^d
$b find /etc -name passwd
$b awk -F: '{print "awk", $1}' /etc/passwd
echo abc | $b sed s/b/X/
mkdir /tmp/t; cp /bin/sh /bin/ls /tmp/t; cd /tmp; $b tar cf t.tar t; $b md5sum t/sh > sums; rm -r t; $b gzip t.tar; $b gunzip t.tar.gz; $b tar xf t.tar; $b md5sum -c sums
$b top -b -n 1 | $b head -n 4 | $b grep -c Mem
$b ps | $b grep -c busybox
$b seq 1 1000 | $b awk '{s+=$1} END {print "sum", s}'
"""
    r = machine.run(script, timeout=120)
    for want in ("ash1\nash2\nash3", "/etc/passwd", "awk root", "aXc", "t/sh: OK", "sum 500500"):
        assert want in r.text, want + " is missing in:\n" + tail(r.text)


def test_busybox_vi(machine, box):
    machine.add(box, "/bin/busybox")
    p = machine.shell()
    p.sendline("busybox vi /root/text")
    p.expect("- /root/text")
    p.send("i")
    p.expect("I /root/text")
    p.send("hello from vi")
    p.send("\x1b")
    p.expect("Modified")
    p.send(":wq\r")
    p.expect("# ")
    p.sendline("cat /root/text")
    p.expect("hello from vi\r+\n")
