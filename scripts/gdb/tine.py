"""gdb commands for tine: `help tine`. Loaded by .gdbinit."""
import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tinegdb.core as core  # noqa: E402

# gdb takes the kernel for a Linux program by default. It then passes a breakpoint that is not
# for it by taking it out and letting the hart run, interrupts on, to a second one behind it;
# meanwhile another task may come through the place. Without an ABI QEMU executes one instruction.
gdb.execute("set osabi none")
core.Prefix()
import tinegdb.memory  # noqa: E402
import tinegdb.replay  # noqa: E402
import tinegdb.sched  # noqa: E402
import tinegdb.tasks  # noqa: E402
import tinegdb.walk  # noqa: E402,F401
