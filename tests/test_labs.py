"""Labs: each is what it claims to be; marks cannot be forged; the forms that services read are right. docs/labs.md."""
import json
import os
import subprocess
import sys

import pytest

from conftest import TOP

sys.path.insert(0, os.path.join(TOP, "labs/lib"))
import build
import lab as labs
import prove
import regions


@pytest.mark.parametrize("name", labs.names())
def test_lab_is_what_it_claims(name, tmp_path):
    problems = prove.prove(labs.Lab(name), str(tmp_path))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", labs.names())
def test_what_is_handed_out_has_no_solution_in_it(name, tmp_path):
    out = str(tmp_path / "handout")
    subprocess.run(["labs/export", name, out], cwd=TOP, check=True)
    log = subprocess.run(["git", "-C", out, "log", "--format=%s"], capture_output=True, text=True).stdout
    assert log.count("\n") == 1
    assert not prove.leaks(labs.Lab(name), out)
    assert os.path.exists(f"{out}/docs/labs/{name}.md"), "no handout"


def test_each_region_is_a_labs(tmp_path):
    found = regions.regions(TOP, [p for p in build.tracked() if regions.may_have_regions(p)])
    assert set(found) == set(labs.names())
    for name, here in found.items():
        lab = labs.Lab(name)
        stubs = set(os.listdir(os.path.join(lab.dir, "stubs")))
        assert stubs == set(here), f"{name}: stubs without a region, or regions without a stub"
        assert {path for path, _ in here.values()} <= set(lab.files), f"{name}: a region in a file that is not handed in"


@pytest.mark.parametrize("text, word", [
    ("//@sol cow a\nx\n", "no end"), ("//@end\n", "without"), ("//@sol cow a\n//@sol cow b\n//@end\n//@end\n", "inside"), ("//@sol cow\n//@end\n", "neither")])
def test_a_broken_marker_is_refused(text, word):
    with pytest.raises(regions.RegionError, match=word):
        regions.cut("f.c", text, "cow", lambda name: "")


sys.path.insert(0, os.path.join(TOP, "tests/labs"))
from cheats import CHEATS


class Staff:
    """A lab's starter and programs, built once for the tests of a worker."""

    def __init__(self, name, folder):
        self.lab = labs.Lab(name)
        self.lab.checks = [c for c in self.lab.checks if c.name in ("share", "big", "leak")]
        self.base = build.Base(self.lab, os.path.join(folder, "starter"))
        self.programs = build.programs(self.lab, os.path.join(folder, "programs"), text=0x2f000)


@pytest.fixture(scope="module")
def cow(tmp_path_factory):
    return Staff("cow", str(tmp_path_factory.mktemp("cow")))


@pytest.mark.xdist_group("cow")
@pytest.mark.parametrize("name, what, changes", CHEATS, ids=[c[0] for c in CHEATS])
def test_a_cheat_gets_nothing(cow, name, what, changes):
    files = dict(cow.base.starter)
    for path, change in changes.items():
        files[path] = change(files[path].decode()).encode()
    g = prove.mark(cow.lab, cow.base, cow.programs, files)
    said = [(o.check.name, o.verdict.kind, o.verdict.why, o.verdict.seen[:200]) for o in g.outcomes]
    assert g.score == 0, said
    assert not g.error, said


# --- submissions and what comes out ---
def grade(*args, cwd=TOP, **env):
    return subprocess.run(["labs/grade", *args, *([] if "--collect" in args else ["-j", "1"])], cwd=cwd, text=True, capture_output=True, env={**os.environ, **env}, timeout=600)


def solved(path):
    """A reference's file as a student's: without markers."""
    return regions.cut(path, regions.read(os.path.join(TOP, path)))


FILES = labs.Lab("cow").files


def folder_with(where, texts):
    for path, text in texts.items():
        os.makedirs(os.path.dirname(os.path.join(where, path)), exist_ok=True)
        with open(os.path.join(where, path), "w") as f:
            f.write(text)
    return str(where)


def test_a_class_in_all_forms_of_submission(tmp_path):
    good, subs = {p: solved(p) for p in FILES}, tmp_path / "subs"
    starter = str(tmp_path / "starter")
    subprocess.run(["labs/export", "cow", starter], cwd=TOP, check=True)
    folder_with(subs / "ann", {"my-project/" + p: t for p, t in good.items()} | {"my-project/Makefile": "all:\n\tfalse\n", "my-project/labs/cow/tests.c": "cheat"})
    folder_with(tmp_path / "b", {f"x/{os.path.basename(p)}": t.replace("\n", "\r\n") for p, t in good.items()})
    subprocess.run(["/usr/bin/python3", "-m", "zipfile", "-c", str(subs / "bob@2026-11-20T10:00.zip"), str(tmp_path / "b/x")], check=True)
    subprocess.run(["tar", "czf", str(subs / "cid@2026-11-22T12:00:00.tgz"), "-C", str(subs / "ann"), "."], check=True)
    folder_with(starter, good)
    diff = subprocess.run(["git", "-C", starter, "diff"], capture_output=True, text=True, check=True).stdout
    (subs / "dan.patch").write_text(diff)
    (subs / "eve.zip").write_bytes(b"PK\3\4 this is none")
    os.makedirs(subs / "fay/kernel/mm")
    for p in FILES:
        os.symlink(os.path.join(TOP, p), subs / "fay" / p)
    folder_with(subs / "gus", {FILES[0]: "int x = ;\n"})
    (subs / "hal.txt").write_text("my dog ate it")
    folder_with(subs / "bob__2", {FILES[0]: good[FILES[0]]})  # a second try, half done
    out = tmp_path / "out.csv"
    r = grade("cow", "--class", str(subs), "--check", "share", "--check", "leak", "--csv", str(out), "--out", str(tmp_path / "json"), "--best",
              "--due", "2026-11-20T12:00", "--late", "10%", "--late-days", "3")
    assert r.returncode == 0, r.stdout + r.stderr
    import csv
    with open(out) as f:
        rows = {row["student"]: row for row in csv.DictReader(f)}
    assert {n: row["score"] for n, row in rows.items()} == dict(ann="21", bob="21", cid="21", dan="21", eve="0", fay="0", gus="0") | {"hal.txt": "0"}, r.stdout
    assert rows["cid"]["days_late"] == "2" and float(rows["cid"]["final"]) == pytest.approx(21 * 0.8)
    assert float(rows["bob"]["final"]) == 21 and rows["bob"]["submissions"] == "2"
    why = {n: json.load(open(tmp_path / "json" / (n + ".json")))["build"] for n in ("eve.zip", "fay", "gus", "hal.txt")}
    assert "zip" in why["eve.zip"] and "error:" in why["gus"] and "none of the lab's files" not in why["gus"]
    collected = grade("--collect", str(tmp_path / "json/*.json"), "--best")
    assert collected.stdout.splitlines()[0].startswith("student,score,final,max") and "cid,21,16.8" in collected.stdout
    # a commit; and the files for copy detection
    subprocess.run(["git", "-C", starter, "-c", "user.name=s", "-c", "user.email=s", "commit", "-qam", "done"], check=True)
    r = grade("cow", starter + "@main", "--check", "share")
    assert r.returncode == 0 and "15 of 15" in r.stdout, r.stdout + r.stderr
    r = grade("cow", "--class", str(subs), "--pack", str(tmp_path / "packed"))
    assert (tmp_path / "packed/students/bob/kernel_mm_fault.c").exists() and (tmp_path / "packed/base/kernel_mm_fault.c").exists(), r.stdout + r.stderr


def test_a_students_folder(tmp_path):
    """What a student sees: points, the reason, a hint; one check; a check that is not there; by hand."""
    out = str(tmp_path / "handout")
    subprocess.run(["make", "lab", "LAB=cow", f"DIR={out}"], cwd=TOP, check=True, capture_output=True)
    clean = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    run = lambda *args: subprocess.run(["make", *args], cwd=out, text=True, capture_output=True, env=clean, timeout=300)
    r = run("grade", "J=1")
    assert r.returncode and "0 of 55 points" in r.stdout, r.stdout + r.stderr
    for word in ("NOT OK  share", "does not hold: fork copies no page", "expected one frame, seen", "hint: ", "make gdb CHECK=share"):
        assert word in r.stdout, r.stdout
    folder_with(out, {p: solved(p) for p in FILES})
    r = run("grade", "J=1")
    assert r.returncode == 0 and "55 of 55 points" in r.stdout, r.stdout + r.stderr
    r = run("grade", "CHECK=nonesuch")
    assert "has no check 'nonesuch'; it has: big, kernel_store, share, split" in r.stderr
    r = run("repro", "CHECK=share")
    assert "share: all that it states holds here" in r.stdout, r.stdout + r.stderr


def services_env(tmp_path, **more):
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tmp_path), "LANG": "C", **more}


def test_gradescopes_zip_as_the_service_runs_it(tmp_path):
    root = tmp_path / "autograder"
    for d in ("source", "submission", "results"):
        os.makedirs(root / d)
    subprocess.run(["labs/gradescope", "cow", str(tmp_path / "a.zip")], cwd=TOP, check=True, env={**os.environ, "GRADE": "-j 1 --check share --check readonly"})
    names = subprocess.run(["unzip", "-o", "-q", str(tmp_path / "a.zip"), "-d", str(root / "source")], capture_output=True, text=True)
    if names.returncode:  # no unzip here
        subprocess.run(["/usr/bin/python3", "-m", "zipfile", "-e", str(tmp_path / "a.zip"), str(root / "source")], check=True)
        for n in ("setup.sh", "run_autograder", "tine/labs/grade"):
            os.chmod(root / "source" / n, 0o755)
    assert not prove.leaks(labs.Lab("cow"), str(root / "source/tine")) or \
        set(prove.leaks(labs.Lab("cow"), str(root / "source/tine"))) == {"labs/cow/hidden.c is handed out", "labs/cow/hidden.toml is handed out"}
    env = services_env(tmp_path, AUTOGRADER_ROOT=str(root))
    subprocess.run(["./setup.sh"], cwd=root / "source", check=True, env=env)
    folder_with(root / "submission", {p: solved(p) for p in FILES})
    (root / "submission_metadata.json").write_text('{"created_at": "2026-11-20T10:00:00.0-08:00"}')
    subprocess.run(["./run_autograder"], cwd=root / "source", check=True, env=env)
    r = json.load(open(root / "results/results.json"))
    assert r["score"] == 22 and r["stdout_visibility"] == "hidden" and r["execution_time"] >= 0
    assert [(t["name"], t["score"], t["max_score"], t["status"], t["visibility"]) for t in r["tests"]] == [
        ("share", 15, 15, "passed", "visible"), ("readonly", 7, 7, "passed", "after_published")]
    (root / "submission" / FILES[1]).write_text("no C at all")
    subprocess.run(["./run_autograder"], cwd=root / "source", check=True, env=env)
    r = json.load(open(root / "results/results.json"))
    assert r["score"] == 0 and "does not build" in r["output"] and "error:" in r["output"]


def test_classrooms_workflow_as_the_service_runs_it(tmp_path):
    import base64
    import re
    template, work = str(tmp_path / "template"), str(tmp_path / "work")
    subprocess.run(["labs/classroom", "cow", template], cwd=TOP, check=True)
    subprocess.run(["git", "clone", "-q", template, work], check=True)
    # the student does the lab, and changes the tests and the grader too
    folder_with(work, {p: solved(p) for p in FILES} | {"labs/grade": "#!/bin/sh\necho all is well\n", "labs/cow/tests.c": "", "Makefile": "deps:\n\t@true\n"})
    subprocess.run(["git", "-C", work, "-c", "user.name=s", "-c", "user.email=s", "commit", "-qam", "done"], check=True)
    workflow = open(work + "/.github/workflows/classroom.yml").read()
    steps = re.findall(r"run: (?:\|\n((?:          .*\n)+)|(.*)\n)", workflow)
    assert len(steps) == 2
    out = tmp_path / "output"
    os.makedirs(tmp_path / "runner")
    env = services_env(tmp_path, GITHUB_WORKSPACE=work, GITHUB_OUTPUT=str(out), RUNNER_TEMP=str(tmp_path / "runner"))
    for block, line in steps:
        r = subprocess.run(["bash", "-e", "-c", line or re.sub(r"(?m)^          ", "", block)], cwd=work, env=env, text=True, capture_output=True)
        assert r.returncode == 0, r.stdout + r.stderr
    result = json.loads(base64.b64decode(out.read_text().strip().removeprefix("result=")))
    assert result["status"] == "pass" and result["max_score"] == 55 and result["version"] == 1
    assert {t["name"]: t["status"] for t in result["tests"]} == dict(share="pass", split="pass", big="pass", kernel_store="pass")


def test_junit_and_json(tmp_path):
    from xml.etree import ElementTree
    sub = folder_with(tmp_path / "s", {FILES[0]: solved(FILES[0])})  # half a lab: writes fail
    r = grade("cow", sub, "--check", "share", "--check", "last_owner", "--junit", str(tmp_path / "j.xml"), "--json", str(tmp_path / "j.json"))
    assert r.returncode == 1 and os.path.exists(tmp_path / "j.xml"), r.stdout + r.stderr
    suite = ElementTree.parse(tmp_path / "j.xml").getroot().find("testsuite")
    assert suite.get("tests") == "2" and suite.get("errors") == "0" and int(suite.get("failures")) >= 1
    g = json.load(open(tmp_path / "j.json"))
    assert g["notes"] == ["kernel/mm/fault.c is not in the submission: the starter's is taken"]
    assert {c["verdict"] for c in g["checks"]} <= {"fail", "exit", "hang", "limit", "panic", "pass"} and g["score"] < g["max"] == 23


@pytest.mark.xdist_group("cow")
def test_the_same_marks_twenty_times(cow):
    """To the instruction, on a machine that is busy with itself."""
    g = [prove.mark(cow.lab, cow.base, cow.programs, prove.reference(cow.lab), 2) for _ in range(2)]
    seen = {tuple((o.score, o.verdict.instructions) for o in x.outcomes) for x in g}
    with build.scratch() as tree:
        kernel = cow.base.kernel(prove.reference(cow.lab), tree)
        for _ in range(18):
            x = prove.grading.grade(cow.lab, kernel, cow.programs, jobs=2)
            seen.add(tuple((o.score, o.verdict.instructions) for o in x.outcomes))
    assert len(seen) == 1, seen


def test_handouts_name_every_public_check():
    for name in labs.names():
        lab, text = labs.Lab(name), " ".join(regions.read(os.path.join(TOP, f"docs/labs/{name}.md")).split())
        assert text.startswith(f"# Lab {lab.number}: "), name
        for c in lab.checks:
            assert c.hidden or f"| {c.name} | {c.points} |" in text, f"{name}: {c.name}"
        assert f"{lab.total(False)} of them you can run" in text and f"{lab.total()} points are marked" in text, name
