"""What the documents say is held against the source: every flag and every row of the checklist has a test that names it."""
import glob
import os
import re
import subprocess
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
