"""Our daemons as a contender."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.bench.processes import DidNotStart
from lab.daemons import DaemonDied, Daemons
from lab.patience import GaveUp


@contextmanager
def serving(daemons: Daemons) -> Iterator[None]:
    """Start and stop our daemons. Raises DidNotStart."""
    try:
        daemons.start()
    except (DaemonDied, GaveUp) as error:
        daemons.stop()
        raise DidNotStart(str(error).splitlines()[-1]) from error
    try:
        yield
    finally:
        daemons.stop()
