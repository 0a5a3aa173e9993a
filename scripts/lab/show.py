"""`scripts/run`: the whole main job on this machine, shown in a table.

Starts a DNS server, policyd, the milter and a private Postfix on loopback, sends the messages of
`lab.cases`, and compares what became of them with what should have.
"""

import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.markup import escape

from lab import town
from lab.cases import CASES, Answered, Case, send
from lab.daemons import Daemons
from lab.dns import Dns
from lab.owner import give_back
from lab.patience import listens
from lab.postfix import Postfix
from lab.rows import Row, row, table

PORT, SUBMISSION_PORT = 2525, 2587
_RETRY_FOR = 10.0
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
progress = Console(stderr=True, highlight=False)


class Stage:
    """All that runs for the demonstration."""

    def __init__(self, home: Path) -> None:
        self.dns = Dns(home / "dns", town.ZONE)
        self.daemons = Daemons(
            home / "postward",
            dns=self.dns.address,
            rules=town.RULES,
            lists=town.LISTS,
            settings=town.SETTINGS,
        )
        self.postfix = Postfix(
            home / "postfix",
            doors=self.daemons.sockets,
            logins=town.PASSWORDS,
            users=("alice", "bob", "trap"),
            port=PORT,
            submission_port=SUBMISSION_PORT,
        )


@contextmanager
def _stage() -> Iterator[Stage]:
    """Everything started; at the end everything stopped and removed, whatever happened."""
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="postward-run-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        home.chmod(0o755)
        stage = Stage(home)
        for name, part in (
            ("DNS with the demonstration's zones (nsd)", stage.dns),
            ("policyd and milter", stage.daemons),
            (f"a private Postfix on 127.0.0.1:{PORT} and :{SUBMISSION_PORT}", stage.postfix),
        ):
            began = time.monotonic()
            stack.callback(part.stop)
            part.start()
            progress.print(f"started {name} [dim]({time.monotonic() - began:.1f} s)[/dim]")
        yield stage


def _send(case: Case, stage: Stage) -> Answered:
    """Send a letter, after what a person does first; again and again where it says `until`."""
    if case.before:
        done = stage.daemons.postward(*case.before)
        if done.returncode != 0:
            raise click.ClickException(f"postward {shlex.join(case.before)}: {done.stderr or done.stdout}")
    answered = send(case.letter, PORT, SUBMISSION_PORT)
    end = time.monotonic() + _RETRY_FOR
    while case.until not in str(answered.reply) and time.monotonic() < end:
        time.sleep(0.5)
        answered = send(case.letter, PORT, SUBMISSION_PORT)
    return answered


def _run_cases(stage: Stage) -> list[Row]:
    answers = []
    with progress.status("sending") as status:
        for number, case in enumerate(CASES, 1):
            waiting = f" (greylisted for {town.GREYLIST_DELAY} s)" if case.until else ""
            status.update(f"sending {number}/{len(CASES)}: {escape(case.title)}{waiting}")
            answers.append(_send(case, stage))
        status.update("reading the journal")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(
                pool.map(
                    lambda pair: row(pair[0], pair[1], stage.daemons, stage.postfix),
                    zip(CASES, answers, strict=True),
                )
            )


def _hint(stage: Stage, rows: Sequence[Row]) -> None:
    command = Path(sys.executable).with_name("postward")
    shown = os.path.relpath(command) if command.is_relative_to(Path.cwd()) else str(command)
    if "SUDO_UID" in os.environ:
        shown = f"sudo {shown}"  # the journal is root's
    refused = next((one.trace for one in rows if one.trace and not one.answer.startswith("2")), "TRACE")
    lines = f"""
Everything runs on. Send a message of your own, here as the server 203.0.113.5, or with a login:
  swaks --server 127.0.0.1:{PORT} --xclient 'ADDR=203.0.113.5 NAME=[UNAVAILABLE]' \\
    --helo mail.nameless.example --from x@nameless.example --to alice@example.org
  swaks --server 127.0.0.1:{SUBMISSION_PORT} --auth PLAIN --auth-user alice@example.org \\
    --auth-password {town.PASSWORDS["alice@example.org"]} --from alice@example.org --to carol@example.net
Why was it answered so? Ask with the trace id in the answer, a queue id or an address:
  {shown} why {refused} --config {stage.daemons.config}
Delivered mail: {stage.postfix.home}/mail    Logs: {stage.daemons.home}/policyd.log, milter.log
Stop everything with Ctrl-C."""
    console.print(escape(lines), soft_wrap=True)


def _ports_are_free() -> None:
    for port in (PORT, SUBMISSION_PORT):
        if listens(("127.0.0.1", port)):
            raise click.ClickException(
                f"port {port} of 127.0.0.1 is taken (by another scripts/run?): ss -ltnp 'sport = :{port}'"
            )


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(BaseException):
    """Ctrl-C or a signal: leave through every clean-up."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave a Postfix behind
    raise _Stopped


@click.command()
@click.option(
    "--once", is_flag=True, help="End after the table: exit 0 if every answer was as expected, else 1."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the table there."
)
def main(once: bool, json_file: Path | None) -> None:
    """Show Postward at work on real messages through a private Postfix (127.0.0.1:2525 and :2587)."""
    click.get_current_context().call_on_close(give_back)
    _ports_are_free()
    for number in _SIGNALS:
        signal.signal(number, _stop)
    right = False
    try:
        with _stage() as stage:
            rows = _run_cases(stage)
            right = not any(row.wrong for row in rows)
            console.print(table(rows))
            console.print(f"{sum(not row.wrong for row in rows)} of {len(rows)} as expected")
            if json_file is not None:
                json_file.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
            if not once:
                _hint(stage, rows)
                threading.Event().wait()
    except _Stopped:
        progress.print("stopped")
    if once:
        sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
