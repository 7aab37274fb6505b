"""The marked regions of the tree, and what a starter has in their place.

    //@sol cow,fork name        also #@ in make and linker scripts; the comment stands alone on its line
    ...solution...
    //@end

In the starter of a lab the solution is replaced by what labs/LAB/stubs/name holds; all markers go, and so do the
solutions of no other lab. Regions do not nest."""
import os
import re

OPEN = re.compile(r"^\s*(?://|#)@sol ([a-z0-9,]+) ([a-z0-9-]+)\s*$")
END = re.compile(r"^\s*(?://|#)@end\s*$")
ANY = re.compile(r"^\s*(?://|#)@(sol|end)\b")


class RegionError(Exception):
    pass


def parse(path, text):
    """Yields (labs, name, lines): labs is None outside a region."""
    labs = name = None
    lines = []
    for n, line in enumerate(text.splitlines(keepends=True), 1):
        if m := OPEN.match(line):
            if labs:
                raise RegionError(f"{path}:{n}: a region inside region {name}")
            yield None, None, lines
            labs, name, lines = m.group(1).split(","), m.group(2), []
        elif END.match(line):
            if not labs:
                raise RegionError(f"{path}:{n}: @end without @sol")
            yield labs, name, lines
            labs, name, lines = None, None, []
        elif ANY.match(line):
            raise RegionError(f"{path}:{n}: a marker that is neither '@sol LAB,... NAME' nor '@end': {line.strip()}")
        else:
            lines.append(line)
    if labs:
        raise RegionError(f"{path}: region {name} has no end")
    yield None, None, lines


def cut(path, text, lab=None, stub=None):
    """The text without markers, and where a region is lab's with stub(name) for its solution."""
    out = []
    for labs, name, lines in parse(path, text):
        out.append(stub(name) if labs and lab in labs else "".join(lines))
    return "".join(out)


def regions(top, files):
    """{lab: {region: (file, lines of the solution)}} of these files."""
    found = {}
    for path in files:
        for labs, name, lines in parse(path, read(os.path.join(top, path))):
            for lab in labs or ():
                if name in found.setdefault(lab, {}):
                    raise RegionError(f"{path}: region {name} of lab {lab} is there twice")
                found[lab][name] = (path, lines)
    return found


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def may_have_regions(path):
    return path.startswith("kernel/") and path.endswith((".c", ".h", ".S", ".ld"))
