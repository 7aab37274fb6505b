#!/usr/bin/python3
"""A class of synthetic submissions, marked twice, the second time on a machine that is busy with other things: the same marks?
class_run.py [N] [LAB]. What each kind must get is known."""
import csv
import os
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "labs/lib"), os.path.join(TOP, "tests/labs")]
import prove
import regions
from cheats import CHEATS
from lab import Lab

n, lab = int(sys.argv[1]) if len(sys.argv) > 1 else 200, Lab(sys.argv[2] if len(sys.argv) > 2 else "cow")
starter = {p: regions.cut(p, regions.read(os.path.join(TOP, p)), lab.name, lab.stub).encode() for p in lab.files}
full, base = lab.total(), sum(lab.baseline.values())
points = {c.name: c.points for c in lab.checks}
kinds = [("reference", prove.reference(lab), full), ("starter", starter, base)]
kinds += [(f"answer-{a}", prove.answer(lab, a), full) for a in prove.answers(lab)]
kinds += [("m-" + m["name"], prove.mistaken(lab, m), 0 if m["fails"] == "all" else full - sum(points[f] for f in m["fails"])) for m in lab.mistakes]
kinds += [("broken", {**starter, lab.files[0]: b"int x = ;\n"}, 0)]
if lab.name == "cow":
    for name, _, changes in CHEATS:
        if name != "compiler-bomb":
            kinds.append((name, {p: changes[p](t.decode()).encode() if p in changes else t for p, t in starter.items()}, 0))


def marks(folder, out):
    start = time.monotonic()
    r = subprocess.run(["labs/grade", lab.name, "--class", folder, "--csv", out], cwd=TOP, text=True, capture_output=True)
    seconds = time.monotonic() - start
    if r.returncode:
        sys.exit(f"labs/grade ended with {r.returncode}:\n{r.stdout[-3000:]}{r.stderr}")
    with open(out) as f:
        return {row["student"]: row for row in csv.DictReader(f)}, seconds


with tempfile.TemporaryDirectory() as d:
    want, folder = {}, os.path.join(d, "class")
    for i in range(n):
        kind, files, score = kinds[i % len(kinds)]
        name = f"s{i:03}-{kind}"
        want[name] = score
        for path, data in files.items():
            os.makedirs(os.path.dirname(os.path.join(folder, name, path)), exist_ok=True)
            with open(os.path.join(folder, name, path), "wb") as f:
                f.write(data)
    first, t1 = marks(folder, os.path.join(d, "1.csv"))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count())]
    try:
        second, t2 = marks(folder, os.path.join(d, "2.csv"))
    finally:
        for p in busy:
            p.kill()
    wrong = [f"{k}: {first[k]['score']}, should be {s}" for k, s in want.items() if int(first[k]["score"]) != s]
    differ = [k for k in want if {c: v for c, v in first[k].items() if c != "taken"} != {c: v for c, v in second[k].items() if c != "taken"}]
    print(f"lab {lab.name}: {n} submissions of {len(kinds)} kinds in {t1:.0f} s on {os.cpu_count()} cores, and in {t2:.0f} s beside {os.cpu_count()} busy processes; "
          f"{len(wrong)} marks are not what they should be, {len(differ)} differ between the runs")
    print("\n".join(wrong + differ))
    sys.exit(bool(wrong or differ))
