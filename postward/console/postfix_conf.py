"""`postward postfix-conf`: what Postfix must be told, from one source, and how to take it out again.

The source is `postfix-conf/settings.yml` of the checkout, packaged as `postward/postfix_conf`.
The block for main.cf stands at its end between two marks; a later line wins over an earlier one, so
what was there stays untouched and comes back when the block is deleted. What an admin must know of
his own lists goes to standard error, so that the block can be appended to main.cf at once.
"""

import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import yaml

from postward.console.options import Trouble
from postward.console.restrictions import final_in, join
from postward.printable import printable

BEGIN, END = "# BEGIN postward", "# END postward"
SOCKETS: Mapping[str, str] = {"policyd": "unix:postward/policyd", "milter": "unix:postward/milter"}
"""Sockets below Postfix's queue directory, where chrooted and other services find them alike."""

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter. `adds`: its value goes into the list that the server has there already."""

    name: str
    value: str
    why: str
    door: str | None = None
    adds: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """`main`: for main.cf; `submission`: `-o` lines of that entry in master.cf."""

    main: tuple[Setting, ...]
    submission: tuple[Setting, ...]


def folder() -> Path:
    """Where settings.yml and the snippets are: in the installed package, else in the checkout."""
    packaged = Path(__file__).resolve().parents[1] / "postfix_conf"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "postfix-conf"


def settings(sockets: Mapping[str, str] = SOCKETS) -> Settings:
    """The source, for the doors in `sockets` (Postfix's spelling, e.g. `unix:postward/milter`)."""
    source = yaml.safe_load((folder() / "settings.yml").read_text(encoding="utf-8"))
    return Settings(*(_chosen(source[part], sockets) for part in ("main", "submission")))


def _chosen(items: list[dict[str, object]], sockets: Mapping[str, str]) -> tuple[Setting, ...]:
    chosen = [Setting(**item) for item in items]  # type: ignore[arg-type]  # our own file, held by a test
    return tuple(
        Setting(one.name, _filled(one.value, sockets), one.why, one.door, one.adds)
        for one in chosen
        if one.door is None or one.door in sockets
    )


def _filled(value: str, sockets: Mapping[str, str]) -> str:
    for door, socket in sockets.items():
        value = value.replace(f"@{door}@", socket)
    return value


def main_cf(chosen: Settings, present: Mapping[str, str]) -> str:
    """The marked block for main.cf. `present`: the lists that the server has, by name."""
    lines = [BEGIN + ": to undo, remove all up to the END line and run `postfix reload`"]
    for one in chosen.main:
        lines += _comment(one.why)
        lines.append(f"{one.name} = {_joined(one, present.get(one.name, ''))}")
    return "\n".join([*lines, END, ""])


def master_cf(chosen: Settings) -> str:
    """The `-o` lines for the submission entries of master.cf."""
    lines = []
    for one in chosen.submission:
        lines += _comment(one.why)
        lines.append(f"  -o {{ {one.name} = {one.value} }}")
    return "\n".join([*lines, ""])


def _comment(why: str) -> list[str]:
    return textwrap.wrap(why, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _joined(setting: Setting, present: str) -> str:
    """The server's own list with ours in it; said once, however often it is rendered."""
    return join(present, setting.value).value if setting.adds else setting.value


def remarks(chosen: Settings, present: Mapping[str, str], expanded: Mapping[str, str]) -> list[str]:
    """What to tell of lists that end unconditionally. `expanded`: `present` without `$name`s."""
    said = []
    for one in chosen.main:
        if not (one.adds and one.name.endswith("_restrictions")):
            continue
        final = join(present.get(one.name, ""), one.value).before
        if final:
            said.append(f"{one.name}: put before your `{final}`; nothing behind that would be asked")
        elif hidden := final_in(expanded.get(one.name, "")):
            said.append(
                f"WARNING: {one.name} ends with `{hidden}` inside {present[one.name]}, so Postward is never "
                f"asked: put its items ({one.value}) before that yourself"
            )
    return said


def present_lists(directory: Path, names: tuple[str, ...], *, expand: bool = False) -> dict[str, str]:
    """The values in force in the Postfix whose configuration is in `directory`; OSError without postconf.

    `expand`: with the values of `$name`s in their place.
    """
    found = {}
    for name in names:
        done = subprocess.run(  # noqa: S603  # a fixed program and names of our own file
            ["postconf", "-c", str(directory), "-hx" if expand else "-h", name],  # noqa: S607  # where the admin's PATH has it
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise OSError(done.stderr.strip() or f"postconf ended with {done.returncode}")
        found[name] = done.stdout.strip()
    return found


@click.command("postfix-conf")
@click.option(
    "--postfix",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/etc/postfix"),
    show_default=True,
    help="Postfix's configuration directory, asked for the lists that are there.",
)
@click.option("--policyd", default=SOCKETS["policyd"], show_default=True, help="Its socket; empty: without.")
@click.option("--milter", default=SOCKETS["milter"], show_default=True, help="Its socket; empty: without.")
@click.argument("part", type=click.Choice(["all", "main.cf", "master.cf"]), default="all")
def postfix_conf(postfix: Path, policyd: str, milter: str, part: str) -> None:
    """Print the lines for main.cf and master.cf, and how to take them out again.

    Lists that the server has already (restrictions, milters) are kept, with ours behind them, or
    before a final permit, reject or defer; standard error tells of that.

    \b
    Example: postward postfix-conf main.cf >> /etc/postfix/main.cf && postfix reload
    """
    sockets = {door: socket for door, socket in (("policyd", policyd), ("milter", milter)) if socket}
    chosen = settings(sockets)
    if not postfix.is_dir():
        raise Trouble(f"there is no directory {postfix}", "--postfix DIR: where Postfix's main.cf is")
    present: dict[str, str] = {}
    if (postfix / "main.cf").exists():
        names = tuple(one.name for one in chosen.main if one.adds)
        try:
            present = present_lists(postfix, names)
            expanded = present_lists(postfix, names, expand=True)
        except OSError as error:
            raise Trouble(f"cannot read the present settings: {error}") from error
        said = remarks(chosen, present, expanded) if part != "master.cf" else []
    else:
        said = [f"there is no {postfix}/main.cf: this is for one that has no lists of its own"]
    for line in said:
        click.echo(f"postward: {printable(line, 2000)}", err=True)
    parts = {"main.cf": main_cf(chosen, present), "master.cf": master_cf(chosen)}
    click.echo(parts[part] if part != "all" else _all(parts, postfix), nl=False)


def _all(parts: Mapping[str, str], postfix: Path) -> str:
    return f"""\
# 1. At the end of {postfix}/main.cf:

{parts["main.cf"]}
# 2. Below the entries `submission` and `submissions` of {postfix}/master.cf, if there are any:

{parts["master.cf"]}
# 3. Then: postfix check && postfix reload
#
# To take it out again: delete the -o lines, and
#   sed -i '/^{BEGIN}/,/^{END}/d' {postfix}/main.cf && postfix reload
"""
