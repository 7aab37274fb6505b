#!/usr/bin/python3
"""compile_commands.json for clangd: compile_commands.py OUTPUT 'COMMAND' FILES... [-- 'COMMAND' FILES...]... Names of extensions that
clang 14 does not know are left out; they change nothing that an editor shows."""
import json
import os
import re
import shlex
import sys

entries, command = [], None
for word in sys.argv[2:]:
    if word == "--":
        command = None
    elif command is None:
        command = [re.sub(r"^(-march=\w+?)(_z\w+)+$", r"\1", w) for w in shlex.split(word)]
    else:
        entries.append({"directory": os.getcwd(), "file": word, "arguments": [*command, "-c", word]})
with open(sys.argv[1], "w") as f:
    json.dump(entries, f, indent=0)
