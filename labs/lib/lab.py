"""A lab as labs/NAME/lab.toml describes it, and the tree it lives in."""
import os
import sys
import tomllib

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(TOP, "scripts"))
import checks  # noqa: E402, F401


class LabError(Exception):
    pass


class Check:
    def __init__(self, lab, name, d):
        known = {"points", "hidden", "property", "hint", "mem", "cpus", "budget", "seeds", "curve"}
        if unknown := set(d) - known:
            raise LabError(f"{lab.name}: check {name}: unknown key {', '.join(sorted(unknown))}")
        self.lab, self.name = lab, name
        self.points, self.hidden = d["points"], d.get("hidden", False)
        self.property, self.hint = d["property"], d.get("hint", "")
        self.mem, self.cpus = d.get("mem", "64M"), d.get("cpus", 1)
        self.budget = d.get("budget", lab.budget)
        self.seeds = d.get("seeds", [1])
        self.seeded = "seeds" in d
        self.curve = d.get("curve")  # [[most instructions, points], ...] from the best down

    def score(self, verdict):
        if not verdict.ok:
            return 0
        if self.curve is None:
            return self.points
        return next((p for most, p in self.curve if verdict.cost is not None and verdict.cost <= most), 0)


class Lab:
    def __init__(self, name, top=TOP):
        self.top, self.name = top, name
        self.dir = os.path.join(top, "labs", name)
        path = os.path.join(self.dir, "lab.toml")
        if not os.path.isfile(path):
            raise LabError(f"there is no lab '{name}'; there are: {', '.join(names(top)) or 'none'}")
        with open(path, "rb") as f:
            d = tomllib.load(f)
        self.number, self.title, self.files = d["number"], d["title"], d["files"]
        self.written, self.budget = d.get("written", 0), d.get("budget", 500)
        self.baseline = d.get("starter", {})
        self.mistakes = d.get("mistakes", [])
        self.checks = [Check(self, n, c) for n, c in d["checks"].items()]
        hidden = os.path.join(self.dir, "hidden.toml")
        if os.path.isfile(hidden):  # not in what students get
            with open(hidden, "rb") as f:
                h = tomllib.load(f)
            self.checks += [Check(self, n, {**c, "hidden": True}) for n, c in h["checks"].items()]
            self.mistakes = h.get("mistakes", [])
            self.baseline = h.get("starter", {})

    def stub(self, region):
        path = os.path.join(self.dir, "stubs", region)
        if not os.path.isfile(path):
            raise LabError(f"{self.name}: region {region} has no file stubs/{region}")
        with open(path, encoding="utf-8") as f:
            return f.read()

    def total(self, hidden=True):
        return sum(c.points for c in self.checks if hidden or not c.hidden)


def names(top=TOP):
    base = os.path.join(top, "labs")
    found = [n for n in os.listdir(base) if os.path.isfile(os.path.join(base, n, "lab.toml"))] if os.path.isdir(base) else []

    def number(n):
        with open(os.path.join(base, n, "lab.toml"), "rb") as f:
            return tomllib.load(f)["number"]
    return sorted(found, key=number)
