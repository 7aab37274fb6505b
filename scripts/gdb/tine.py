"""gdb commands for tine: `help tine`. Loaded by .gdbinit."""
import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tinegdb.core as core  # noqa: E402

core.Prefix()
import tinegdb.memory  # noqa: E402
import tinegdb.replay  # noqa: E402
import tinegdb.sched  # noqa: E402
import tinegdb.tasks  # noqa: E402
import tinegdb.walk  # noqa: E402,F401
