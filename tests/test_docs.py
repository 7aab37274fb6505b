"""What the documents say is held against the source: every flag and every row of the checklist has a test that names it."""
import os
import re
import sys

from conftest import TOP

sys.path.insert(0, os.path.join(TOP, "scripts"))
import gen_clone_flags  # noqa: E402


def test_every_clone_flag_has_a_test(tmp_path):
    rows = list(gen_clone_flags.rows(os.path.join(TOP, "kernel/core/clone_flags.list")))
    assert len(rows) == 27
    for name, *_, program in rows:
        source = open(os.path.join(TOP, "tests/abi", program + ".c")).read()
        assert f'"CLONE_{name}: ' in source, f"tests/abi/{program}.c has no test named CLONE_{name}"
    doc = tmp_path / "doc"
    gen_clone_flags.main(os.path.join(TOP, "kernel/core/clone_flags.list"), str(tmp_path / "h"), str(doc))
    assert doc.read_text() == open(os.path.join(TOP, "docs/clone-flags.md")).read(), "docs/clone-flags.md is not of this list: make"


def test_every_row_of_the_checklist_has_a_proof_that_exists():
    """Of docs/fork-path.md: a row that is there names a program of tests/ or user/, or the place where every fork proves it."""
    proven, later = [], []
    for line in open(os.path.join(TOP, "docs/fork-path.md")):
        cells = [c.strip() for c in line.split("|")[1:-1]]
        if len(cells) != 4 or not re.match(r"[EDCRX]\d", cells[0]):
            continue
        rows = cells[0].split()
        if cells[2] == "later":
            later += rows
            continue
        assert cells[3], f"{cells[0]} has no proof"
        for kind, name in re.findall(r"\b(abi|pthread|linux|user)/(\w+)", cells[3]):
            folder = "user" if kind == "user" else "tests/" + kind
            assert os.path.exists(os.path.join(TOP, folder, name + ".c")), f"{cells[0]}: there is no {kind}/{name}"
        proven += rows
    want = [f"{s}{n}" for s, last in (("E", 7), ("D", 9), ("C", 31), ("R", 4), ("X", 7)) for n in range(1, last + 1)]
    assert sorted(proven + later) == sorted(want), set(want) ^ set(proven + later)
    assert not later, later


def test_every_file_of_a_process_says_who_may_see_it():
    """Of docs/security.md: the table has each entry of /proc/PID, and no other."""
    source = open(os.path.join(TOP, "kernel/fs/procfs/task.c")).read()
    entries = set(re.findall(r'"([\w-]+)"', source[source.index("const struct entry pid_entries[]"):]))
    text = open(os.path.join(TOP, "docs/security.md")).read()
    table = text[text.index("| file of /proc/PID |"):].split("\n\n")[0]
    named = {n.split("/")[0] for row in table.splitlines()[2:] for n in row.split("|")[1].strip().split(", ")}
    assert entries == named, entries ^ named
