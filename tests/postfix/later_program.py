"""The `postward` command at a later time: the first argument is a file that says by how many seconds.

The file is read at each look at a clock, so that a test plays days while the daemons run. Timeouts of
the event loop stay real.
"""

import sys
import time
from pathlib import Path

_LATER = Path(sys.argv.pop(1))
_wall, _monotonic, _clock = time.time, time.monotonic, time.clock_gettime


def _later() -> float:
    return float(_LATER.read_text())


# Before anybody takes them over. The store's own time is that of CLOCK_BOOTTIME.
time.time = lambda: _wall() + _later()
time.clock_gettime = lambda clock: _clock(clock) + _later()

from postward.console.main import main  # noqa: E402
from postward.daemon.wiring import SystemClock  # noqa: E402

SystemClock.monotonic = staticmethod(lambda: _monotonic() + _later())

if __name__ == "__main__":
    main()
