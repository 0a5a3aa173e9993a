"""`postward policyd` and `postward milter`: run a daemon in the foreground."""

from collections.abc import Callable
from pathlib import Path

import click

from postward.console.options import Trouble, config_option


@click.command()
@config_option
def policyd(directory: Path) -> None:
    """Run the policy service in the foreground until SIGTERM; SIGHUP reloads the rules.

    \b
    Example:
      postward policyd --config /etc/postward
    """
    from postward.daemon.policyd import main

    _run(main, directory)


@click.command()
@config_option
def milter(directory: Path) -> None:
    """Run the milter in the foreground until SIGTERM; SIGHUP reloads the rules.

    \b
    Example:
      postward milter --config /etc/postward
    """
    from postward.daemon.milter import main

    _run(main, directory)


def _run(main: Callable[[Path], int], directory: Path) -> None:
    from postward.daemon.start import CannotStart
    from postward.rules.errors import ConfigErrors

    try:
        status = main(directory)
    except ConfigErrors as errors:
        raise Trouble(str(errors), f"nothing runs; mend this, then: postward check {directory}") from None
    except CannotStart as error:
        raise Trouble(str(error)) from None
    click.get_current_context().exit(status)
