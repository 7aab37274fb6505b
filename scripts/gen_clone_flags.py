#!/usr/bin/python3
"""kernel/core/clone_flags.list -> the kernel's table of rules, and docs/clone-flags.md."""
import sys

WORDS = {"yes": "yes", "clone3": "yes, by clone3", "ignored": "accepted, without effect", "no": "EINVAL for now"}


def rows(path):
    for line in open(path):
        if line.strip() and not line.startswith("#"):
            name, bit, state, row, requires, excludes, what, test = (x.strip() for x in line.split("|"))
            assert state in WORDS, line
            yield name, int(bit), state, row, requires.replace("-", "").split(), excludes.replace("-", "").split(), what, test


def mask(names, bits):
    return " | ".join(f"1ul << {bits[n]}" for n in names) or "0"


def main(source, header, doc):
    table = list(rows(source))
    bits = {r[0]: r[1] for r in table}
    with open(header, "w") as f:
        f.write("/* Made by scripts/gen_clone_flags.py of kernel/core/clone_flags.list. */\n#pragma once\n")
        f.write(f"#define CLONE_SUPPORTED ({mask([r[0] for r in table if r[2] != 'no'], bits)})\n")
        f.write("static const struct clone_rule {\n    unsigned long requires, excludes;\n} clone_rules[64] = {\n")
        for name, bit, _, _, requires, excludes, _, _ in table:
            if requires or excludes:
                f.write(f"    [{bit}] = {{{mask(requires, bits)}, {mask(excludes, bits)}}}, /* CLONE_{name} */\n")
        f.write("};\n")
    with open(doc, "w") as f:
        f.write("# The CLONE_* flags\n\nMade of `kernel/core/clone_flags.list` by `scripts/gen_clone_flags.py` (`make` does it); the kernel's own check\n"
                "(`check_flags` in kernel/core/fork.c) uses the same list. Row numbers are those of [fork-path.md](fork-path.md). Each\n"
                "flag's test has its name: `CLONE_VM: ...` in the program named last, in tests/abi.\n\n"
                "| flag | value | there? | row | requires | excludes | what it does or shares | test |\n|---|---|---|---|---|---|---|---|\n")
        for name, bit, state, row, requires, excludes, what, test in table:
            f.write(f"| CLONE_{name} | 0x{1 << bit:08x} | {WORDS[state]} | {row} | {' '.join(requires)} | {' '.join(excludes)} | {what} | {test} |\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
