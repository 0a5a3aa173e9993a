"""`postward reload`: have the running daemons take over the configuration, and see that they did."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from postward.console.options import Trouble, config_option
from postward.stage import Door

if TYPE_CHECKING:
    from postward.daemon.config import Settings
    from postward.daemon.state import RunState

_PAUSE = 0.05  # seconds between two looks at a state file


@click.command()
@config_option
@click.option("--within", default=30.0, show_default=True, help="Seconds to wait for the daemons.")
def reload(directory: Path, within: float) -> None:
    """Check the configuration, then have the running daemons take it over; no request is lost.

    Nothing is sent when the configuration is bad. Exit 0 when the daemons of all `doors:` run and
    judge by the new rules.

    \b
    Example:
      postward reload
    """
    from postward.daemon.configuration import configure
    from postward.rules.errors import ConfigErrors

    try:
        configuration = configure(directory)
    except ConfigErrors as errors:
        raise Trouble(str(errors), "nothing was reloaded: the daemons keep their rules") from None
    settings = configuration.settings
    running = have_reloaded(settings, configuration.rules.digest, within, click.echo)
    if not running and not os.access(settings.run_dir, os.X_OK) and settings.run_dir.exists():
        raise Trouble(f"not allowed to look into {settings.run_dir}", "run it as root")
    if not running:
        raise Trouble(f"no daemon of this configuration runs (no state file in {settings.run_dir})")
    missing = settings.doors - running
    if missing:
        names = " and ".join(sorted(door.value for door in missing))
        raise Trouble(
            f"{names}: does not run, though postward.yml names it in doors", "start it, or take it out"
        )


def have_reloaded(
    settings: "Settings", digest: str, within: float, say: Callable[[str], object]
) -> frozenset[Door]:
    """Have the running daemons take over what has this digest; the doors that did, each told by `say`.

    Raises Trouble when one of them keeps its old rules.
    """
    from postward.daemon import state

    found = [state.read(settings.run_dir, door.value) for door in sorted(settings.doors, key=str)]
    running = [each for each in found if each is not None and each.alive]
    for each in running:
        _signal(each)
    failures = [_outcome(settings.run_dir, each, digest, time.monotonic() + within, say) for each in running]
    if any(failures):
        raise Trouble("\n".join(filter(None, failures)), "those daemons keep their old rules")
    return frozenset(Door(each.door) for each in running)


def _signal(daemon: "RunState") -> None:
    try:
        os.kill(daemon.pid, signal.SIGHUP)
    except PermissionError:
        raise Trouble(f"not allowed to signal {daemon.door} ({daemon.pid})", "run it as root") from None
    except ProcessLookupError:  # it ended in this moment; the wait will say so
        return


def _outcome(run_dir: Path, before: "RunState", digest: str, end: float, say: Callable[[str], object]) -> str:
    """Wait until the daemon has tried; empty when it runs by `digest`, else what went wrong."""
    from postward.daemon import state

    while time.monotonic() < end:
        now = state.read(run_dir, before.door)
        if now is None or not now.alive:
            return f"{before.door} ({before.pid}) ended"
        if now.pid != before.pid or now.reloads > before.reloads:
            if now.error:
                return f"{now.door}: {now.error}"
            if now.digest != digest:
                return f"{now.door}: runs {now.digest}, not {digest}: the files changed meanwhile"
            say(f"{now.door}: runs {digest}")
            return ""
        time.sleep(_PAUSE)
    return f"{before.door} ({before.pid}) did not answer in time"
