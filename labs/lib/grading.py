"""Run a lab's checks on a kernel and add up."""
import concurrent.futures
import os

from machine import Elf, Program, Run, Verdict

TRIES = 3  # of what fails for a reason of the grader's own


class Outcome:
    def __init__(self, check, verdict, seed):
        self.check, self.verdict, self.seed = check, verdict, seed
        self.score = check.score(verdict)

    def public(self):
        c, v = self.check, self.verdict
        return {"name": c.name, "points": c.points, "score": self.score, "verdict": v.kind, "hidden": c.hidden, "property": c.property,
                "why": v.why, "seen": v.seen, "hint": "" if v.ok else c.hint, "seed": self.seed, "cost": v.cost}


class Grade:
    """What one submission got. build: what the compiler said, if nothing could be run."""

    def __init__(self, lab, checks, outcomes, build=None, notes=()):
        self.lab, self.checks, self.outcomes, self.build, self.notes = lab, checks, outcomes, build, list(notes)
        self.score = sum(o.score for o in outcomes)
        self.max = sum(c.points for c in checks)
        self.error = any(o.verdict.kind == "error" for o in outcomes)

    def as_dict(self):
        return {"lab": self.lab.name, "score": self.score, "max": self.max, "written": self.lab.written, "error": self.error,
                "build": self.build, "notes": self.notes, "checks": [o.public() for o in self.outcomes]}


def run_check(kernel, folder, programs, check):
    """All of its seeds on this kernel (an Elf); the first that fails decides."""
    which = "hidden" if check.hidden else "tests"
    for seed in check.seeds:
        for _ in range(TRIES):
            v = Run(kernel, os.path.join(folder, which + ".img"), programs[which], check, seed).verdict
            if v.kind != "error":
                break
        if not v.ok:
            break
    return Outcome(check, v, seed)


def load_programs(lab, folder):
    found = {}
    for which in ("tests", "hidden"):
        path, source = os.path.join(folder, which, "t"), os.path.join(lab.dir, which + ".c")
        if os.path.exists(path) and os.path.exists(source):
            found[which] = Program(path, source)
    return found


def grade(lab, kernel, folder, checks=None, jobs=1, progress=None, notes=()):
    programs, kernel = load_programs(lab, folder), Elf(kernel)
    checks = lab.checks if checks is None else checks
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for o in pool.map(lambda c: run_check(kernel, folder, programs, c), checks):
            outcomes.append(o)
            if progress:
                progress(outcomes)
    return Grade(lab, checks, outcomes, notes=notes)


def not_built(lab, checks, said, notes=()):
    v = Verdict("build", "it does not build", said)
    return Grade(lab, checks, [Outcome(c, v, 1) for c in checks], build=said, notes=notes)
