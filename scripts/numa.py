#!/usr/bin/python3
"""QEMU's options for a machine of several NUMA nodes: each has its share of the memory and of the harts. By itself it prints them, for make.
Such a machine gets its root from memory (-initrd): QEMU before version 8 loses the disk's interrupts."""
import sys

import checks


def options(nodes, cpus, mem):
    nodes, cpus = int(nodes), int(cpus)
    if nodes < 2:
        return []
    megabytes = checks.megabytes(mem)
    out = []
    for n in range(nodes):
        first, end = n * cpus // nodes, (n + 1) * cpus // nodes
        size = megabytes // nodes + (megabytes % nodes if n == 0 else 0)
        out += ["-object", f"memory-backend-ram,id=node{n},size={size}M", "-numa", f"node,nodeid={n},memdev=node{n}" + (f",cpus={first}-{end - 1}" if end > first else "")]
    return out


if __name__ == "__main__":
    print(*options(checks.nodes(sys.argv[1]), checks.cpus(sys.argv[2]), checks.mem(sys.argv[3])))
