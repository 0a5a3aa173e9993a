"""What the commands share: where the configuration is, and how they say that they cannot go on."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from postward.printable import printable

DEFAULT_DIRECTORY = Path("/etc/postward")
F = TypeVar("F", bound=Callable[..., Any])


class Trouble(click.ClickException):
    """Something that stops a command: what it is and, in `hint`, what to do. Exit status 1."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def show(self, file: Any = None) -> None:
        """Print it to standard error, nothing of it raw."""
        for line in self.message.splitlines():
            click.echo(f"postward: {printable(line, 2000)}", err=True)
        if self.hint:
            click.echo(f"  {printable(self.hint, 2000)}", err=True)


class Number(click.FloatRange):
    """A number from `min` to `max`; `nan`, which is beyond no bound, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(
                f"{value!r} is no number; write one from {self.min:g} to {self.max:g}, such as 2.5",
                param,
                ctx,
            )
        return number


def config_option(function: F) -> F:
    """`--config DIR`."""
    decorate = click.option(
        "--config",
        "directory",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_DIRECTORY,
        show_default=True,
        help="The configuration directory.",
    )
    return decorate(function)


json_option = click.option("--json", "as_json", is_flag=True, help="For programs: JSON.")
