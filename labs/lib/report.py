"""One grade, in the forms that people and services read."""
import base64
import json
from xml.etree import ElementTree

VERDICTS = {"pass": "ok", "fail": "NOT OK", "panic": "PANIC", "hang": "HANG", "limit": "TOO LONG", "exit": "ENDED", "flood": "FLOOD",
            "build": "BUILD", "error": "ERROR (the grader's)"}


def tail(text, n=8):
    return [line[:200] for line in text.strip().splitlines()[-n:]]


def check_text(o, console=True):
    c, v = o.check, o.verdict
    lines = [f"{VERDICTS[v.kind]:7} {c.name:18} {o.score:3}/{c.points:<3} {c.property}" +
             (f" [{v.cost} instructions]" if v.cost is not None else "")]
    if v.ok:
        return lines
    lines.append(f"        {'does not hold: ' if v.kind == 'fail' else ''}{v.why}")
    if v.kind != "build":
        lines += [f"        {s}" for s in v.seen.splitlines()[:16]]
    if c.hint:
        lines.append(f"        hint: {c.hint}")
    if console and v.console.strip() and v.kind not in ("build", "panic"):
        lines.append("        the console's last lines:")
        lines += [f"        | {s}" for s in tail(v.console)]
    if not c.hidden and v.kind not in ("build", "error"):
        lines.append(f"        again by hand: make repro CHECK={c.name}; under gdb: make gdb CHECK={c.name}")
    return lines


def text(g):
    lines = [f"note: {n}" for n in g.notes]
    if g.build:
        lines += ["it does not build:"] + [f"    {s}" for s in g.build.splitlines()[-30:]]
    else:
        for o in g.outcomes:
            lines += check_text(o)
    lines.append(f"{g.lab.title}: {g.score} of {g.max} points" + (f"; {g.lab.written} more for the written answers, by hand" if g.lab.written else "") +
                 ("; some checks could not be run: that is no mark, run it again" if g.error else ""))
    return "\n".join(lines)


def as_json(g):
    return json.dumps(g.as_dict(), indent=1)


def junit(g):
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", name=g.lab.name, tests=str(len(g.outcomes)), skipped="0",
                                   failures=str(sum(not o.verdict.ok and o.verdict.kind != "error" for o in g.outcomes)),
                                   errors=str(sum(o.verdict.kind == "error" for o in g.outcomes)), time="0")
    for o in g.outcomes:
        case = ElementTree.SubElement(suite, "testcase", name=o.check.name, classname=f"tine.{g.lab.name}", time="0")
        properties = ElementTree.SubElement(case, "properties")
        for name, value in (("score", o.score), ("points", o.check.points)):
            ElementTree.SubElement(properties, "property", name=name, value=str(value))
        if not o.verdict.ok:
            tag = "error" if o.verdict.kind == "error" else "failure"
            ElementTree.SubElement(case, tag, message=clean(o.verdict.why), type=o.verdict.kind).text = clean("\n".join(check_text(o)))
    return ElementTree.tostring(suites, encoding="unicode")


def clean(s):
    return "".join(c if c in "\n\t" or ord(c) >= 32 else "?" for c in s)


def gradescope(g, seconds=0, leaderboard=True):
    """https://gradescope-autograders.readthedocs.io: results.json. A failed try of the grader's own gives no score at all."""
    tests = []
    for i, o in enumerate(g.outcomes, 1):
        tests.append({"name": o.check.name, "number": str(i), "score": o.score, "max_score": o.check.points,
                      "status": "passed" if o.verdict.ok else "failed", "output_format": "text", "tags": [o.verdict.kind],
                      "output": "\n".join(check_text(o, console=not o.check.hidden)), "visibility": "after_published" if o.check.hidden else "visible"})
    r = {"execution_time": int(seconds), "stdout_visibility": "hidden", "tests": tests, "output_format": "text",
         "output": ("it does not build:\n" + g.build) if g.build else "\n".join(g.notes), "extra_data": {"lab": g.lab.name, "error": g.error}}
    if not g.error:
        r["score"] = g.score
    else:
        r["output"] += "\nsome checks could not be run; this is no mark: please run the autograder again"
    costs = [o for o in g.outcomes if o.verdict.cost is not None]
    if costs and leaderboard:
        r["leaderboard"] = [{"name": f"{o.check.name} (instructions)", "value": o.verdict.cost, "order": "asc"} for o in costs]
    return json.dumps(r, indent=1)


def classroom(g):
    """GitHub Classroom's result: base64 of JSON, the output of a step."""
    r = {"version": 1, "status": "error" if g.error else "pass" if g.score == g.max else "fail", "max_score": g.max,
         "tests": [{"name": o.check.name, "status": "pass" if o.verdict.ok else "error" if o.verdict.kind == "error" else "fail",
                    "score": o.score, "message": "\n".join(check_text(o)), "test_code": f"make grade CHECK={o.check.name}",
                    "filename": f"labs/{g.lab.name}/tests.c", "line_no": 0, "duration": 0} for o in g.outcomes]}
    return base64.b64encode(json.dumps(r).encode()).decode()


WRITERS = {"json": as_json, "junit": junit, "gradescope": gradescope, "classroom": classroom, "text": text}
