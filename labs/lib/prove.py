"""Is a lab what it claims to be? The starter gets its recorded score, the reference and each other answer all points, each
seeded mistake loses exactly the checks it names (but for those that depend on who comes first: `may`), and nothing of the solution is in what is handed out."""
import os

import build
import grading
import regions
from lab import LabError


def reference(lab):
    return {p: regions.cut(p, regions.read(os.path.join(lab.top, p))).encode() for p in lab.files}


def answer(lab, name):
    def stub(region):
        path = os.path.join(lab.dir, "answers", name, region)
        return regions.read(path) if os.path.isfile(path) else lab.stub(region)
    return {p: regions.cut(p, regions.read(os.path.join(lab.top, p)), lab.name, stub).encode() for p in lab.files}


def mistaken(lab, m):
    files = {p: d.decode() for p, d in (answer(lab, m["answer"]) if "answer" in m else reference(lab)).items()}
    if m["file"] not in files:
        raise LabError(f"{lab.name}: mistake {m['name']}: {m['file']} is no file of the lab's")
    if files[m["file"]].count(m["old"]) != 1:
        raise LabError(f"{lab.name}: mistake {m['name']}: its old text is there {files[m['file']].count(m['old'])} times, not once")
    files[m["file"]] = files[m["file"]].replace(m["old"], m["new"])
    return {p: d.encode() for p, d in files.items()}


def answers(lab):
    folder = os.path.join(lab.dir, "answers")
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def mark(lab, base, folder, files, jobs=1):
    with build.scratch("prove") as tree:
        try:
            kernel = base.kernel(files, tree)
        except build.BuildFailure as e:
            return grading.not_built(lab, lab.checks, str(e))
        return grading.grade(lab, kernel, folder, jobs=jobs)


def lost(g):
    return [o.check.name for o in g.outcomes if o.score < o.check.points]


def leaks(lab, exported):
    """Lines of the solution, or of what only staff may have, that are in a folder to hand out."""
    given = {}
    for d, dirs, names in os.walk(exported):
        dirs[:] = [x for x in dirs if x != ".git"]
        for n in names:
            with open(os.path.join(d, n), encoding="utf-8", errors="replace") as f:
                given[os.path.relpath(os.path.join(d, n), exported)] = f.read()
    problems = [f"{p}: a marker" for p, t in given.items() if p.startswith("kernel/") and regions.may_have_regions(p) for line in t.splitlines() if regions.ANY.match(line)]
    problems += [f"{p} is handed out" for p in given if os.path.basename(p) in ("hidden.c", "hidden.toml") or "/stubs/" in p or "/answers/" in p]
    rest = {line.strip() for p in build.tracked(lab.top) if p.startswith("kernel/") for labs, _, lines in regions.parse(p, regions.read(os.path.join(lab.top, p)))
            if not labs or lab.name not in labs for line in lines}  # said elsewhere too: no secret
    for p in build.tracked(lab.top):
        if p.startswith(("user/", "tests/")) and p.endswith((".c", ".h")):
            rest.update(line.strip() for line in regions.read(os.path.join(lab.top, p)).splitlines())
    everywhere = {line.strip() for t in given.values() for line in t.splitlines()}
    for name, (path, lines) in regions.regions(lab.top, [p for p in build.tracked(lab.top) if regions.may_have_regions(p)]).get(lab.name, {}).items():
        stub = {line.strip() for line in lab.stub(name).splitlines()}
        for line in {line.strip() for line in lines} - rest - stub:
            if len(line) > 24 and line in everywhere:
                problems.append(f"region {name}: {line}")
    return problems


def prove(lab, folder, jobs=1, say=lambda *_: None):
    """Problems found, as text. say(kind, name, grade): each variant's result."""
    problems = []
    used = {c.name for c in lab.checks}
    base = build.Base(lab, os.path.join(folder, "starter"), jobs)
    programs = build.programs(lab, os.path.join(folder, "programs"))
    for which, p in grading.load_programs(lab, programs).items():
        want = {c.name for c in lab.checks if c.hidden == (which == "hidden")}
        if set(p.checks) != want:
            problems.append(f"{which}.c and its toml name other checks: {set(p.checks) ^ want}")

    def expect(kind, name, files, fails, may=()):
        g = mark(lab, base, programs, files, jobs)
        say(kind, name, g)
        got = lost(g)
        if g.build:
            problems.append(f"{kind} {name} does not build: {g.build[-1500:]}")
        elif fails is not None and set(got) - set(may) != set(fails) - set(may):
            odd = [o for o in g.outcomes if o.check.name in (set(got) ^ set(fails)) - set(may)]
            problems.append(f"{kind} {name} should lose {sorted(fails)} and loses {sorted(got)}: " +
                            "; ".join(f"{o.check.name}: {o.verdict.kind} {o.verdict.why} {o.verdict.seen[:300]}" for o in odd))
        return g
    g = expect("starter", "", base.starter, None)
    if lab.baseline:
        public = sum(o.score for o in g.outcomes if not o.check.hidden)
        if (public, g.score - public) != (lab.baseline["public"], lab.baseline["hidden"]):
            problems.append(f"the starter gets {public} public and {g.score - public} hidden points, recorded are {lab.baseline}")
    expect("reference", "", reference(lab), [])
    for name in answers(lab):
        expect("answer", name, answer(lab, name), [])
    for m in lab.mistakes:
        fails = [c.name for c in lab.checks] if m["fails"] == "all" else m["fails"]
        if not fails:
            problems.append(f"mistake {m['name']} names no check that it fails")
        if unknown := set(fails) - used:
            problems.append(f"mistake {m['name']} names unknown checks {unknown}")
        expect("mistake", m["name"], mistaken(lab, m), fails, m.get("may", ()))
    if lab.total() + lab.written != 100:
        problems.append(f"points add up to {lab.total()} + {lab.written}, not 100")
    return problems
