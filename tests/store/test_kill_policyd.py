"""kill -9 of a real policyd, and of the console, at any moment under 200 requests a second.

Everything that was answered is noted here, beside the store: which ticket a domain was told, how
often, and what a person's command said it had decided. None of it may be lost, the file is never
corrupt, and policyd is back and answering within two seconds of each restart.
"""

import asyncio
import contextlib
import os
import random
import re
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from statistics import median

import pytest

from tests.console.site import make
from tests.daemon.running import COMMAND

RULES = """
shipped: off
thresholds: {greylist: 4, tag: 6, reject: 12}
rules:
  - name: nobody-knows-them
    check: list
    with: {match: client, list: bad}
    then: hold
"""
CONNECTIONS = 16
A_SECOND = 200
BACK_WITHIN = 2.0
ROUNDS = 200
CONSOLES = 2
RECENT = 500
TICKET = re.compile(rb"ticket ([0-9a-f]{8})")
REQUEST = (
    "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.66\n"
    "client_name=unknown\nreverse_client_name=unknown\nhelo_name=mx.example.net\nrecipient=b@example.org\n"
    "sender=a@{domain}\ninstance={instance}\n\n"
)


class Site:
    """A policyd that is killed and started again, and all that it and the console ever answered."""

    def __init__(self, home: Path, rounds: int) -> None:
        self.home = home
        self.rounds = rounds
        self.etc = make(home, rules=RULES)
        self.moments = random.Random(11)
        self.daemon: subprocess.Popen[bytes] | None = None
        self.first_answer = asyncio.Event()
        self.ended = False
        self.domain_of: dict[str, str] = {}
        self.answered: Counter[str] = Counter()
        self.decided: dict[str, str] = {}
        self.tickets: list[str] = []
        self.taken: set[str] = set()
        self.killed_consoles = 0
        self.refused = 0
        self.slowest = 0.0
        self.back_after: list[float] = []
        self.integrity_checks = 0
        self.asked = 0

    # --- The daemon ------------------------------------------------------------------------------
    def start(self) -> None:
        self.first_answer.clear()
        with (self.home / "policyd.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                [*COMMAND, "policyd", "--config", str(self.etc)], stdout=log, stderr=log
            )

    def kill(self) -> None:
        assert self.daemon is not None
        assert self.daemon.poll() is None, "it died by itself"
        self.daemon.kill()
        self.daemon.wait()

    async def live_and_die(self) -> None:
        """All rounds. One start in eight is killed before it answers anything."""
        for number in range(self.rounds):
            began = time.monotonic()
            self.start()
            if number % 8 == 7:
                await asyncio.sleep(self.moments.uniform(0, 0.4))
                self.kill()
                began = time.monotonic()
                self.start()
            await asyncio.wait_for(self.first_answer.wait(), 20)
            self.note_back(time.monotonic() - began)
            alive = asyncio.get_running_loop().time() + self.moments.uniform(0.05, 0.9)
            await asyncio.to_thread(self.look)
            await asyncio.sleep(max(0.0, alive - asyncio.get_running_loop().time()))
            self.kill()
        self.ended = True

    def note_back(self, seconds: float) -> None:
        """On a machine where more processes want to run than it has cores, a start takes so much longer."""
        crowd = os.getloadavg()[0] / (os.cpu_count() or 1)
        self.slowest = max(self.slowest, seconds / max(1.0, crowd))
        self.back_after.append(seconds)

    # --- Those who ask ---------------------------------------------------------------------------
    async def knock(self, number: int) -> None:
        """One connection, as an smtpd process keeps it; a new one whenever it breaks."""
        count = 0
        while not self.ended:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self.home / "policyd"))
            except OSError:
                await asyncio.sleep(0.02)
                continue
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while not self.ended:
                    count += 1
                    due = asyncio.get_running_loop().time() + CONNECTIONS / A_SECOND
                    await self.ask(reader, writer, f"{number}.{count}")
                    await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, instance: str) -> None:
        """A new domain, or one that has a ticket already."""
        if self.tickets and self.moments.random() < 0.5:
            domain = self.domain_of[self.moments.choice(self.tickets[-RECENT:])]
        else:
            domain = f"d{instance.replace('.', '-')}.example"
        self.asked += 1
        writer.write(REQUEST.format(domain=domain, instance=instance).encode())
        answer = await reader.readuntil(b"\n\n")
        self.first_answer.set()
        told = TICKET.search(answer)
        if told is not None:
            ticket = told.group(1).decode()
            if ticket not in self.domain_of:
                self.tickets.append(ticket)
            assert self.domain_of.setdefault(ticket, domain) == domain
            self.answered[ticket] += 1

    # --- The console -----------------------------------------------------------------------------
    async def decide(self) -> None:
        """Approve or deny one ticket after another; one command in four is killed."""
        while not self.ended:
            ready = [each for each in self.tickets[-RECENT:] if each not in self.taken]
            if not ready:
                await asyncio.sleep(0.02)
                continue
            ticket = self.moments.choice(ready)
            self.taken.add(ticket)
            verb, verdict = self.moments.choice([("approve", "approved"), ("deny", "denied")])
            command = await asyncio.create_subprocess_exec(
                *[*COMMAND, "holds", verb, ticket, "--config", str(self.etc)],
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            if self.moments.random() < 0.25:
                await asyncio.sleep(self.moments.uniform(0.1, 0.6))
                with contextlib.suppress(ProcessLookupError):
                    command.kill()
            told, _ = await command.communicate()
            if command.returncode == 0:
                self.decided[ticket] = verdict
            elif b"the store does not answer" in told:
                self.refused += 1  # it waited for the lock for too long, and said so
            else:
                self.killed_consoles += command.returncode == -9
                assert command.returncode == -9, told.decode()

    # --- What must hold --------------------------------------------------------------------------
    def look(self) -> None:
        """The file is sound and has all that was answered before this."""
        answered, decided = dict(self.answered), dict(self.decided)
        with closing(sqlite3.connect(self.home / "state.db", timeout=10)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            rows = connection.execute("SELECT id, domain, attempts, verdict FROM tickets").fetchall()
        self.integrity_checks += 1
        held = {ticket: (domain, attempts, verdict) for ticket, domain, attempts, verdict in rows}
        for ticket, times in answered.items():
            assert ticket in held, f"ticket {ticket} is lost"
            assert held[ticket][0] == self.domain_of[ticket]
            assert held[ticket][1] >= times
        for ticket, verdict in decided.items():
            assert held[ticket][2] == verdict, f"the word about {ticket} is lost"


async def run(site: Site) -> None:
    others = [asyncio.ensure_future(site.knock(number)) for number in range(CONNECTIONS)]
    others += [asyncio.ensure_future(site.decide()) for _ in range(CONSOLES)]
    try:
        await site.live_and_die()
        await asyncio.gather(*others)
    finally:
        site.ended = True
        for each in others:
            each.cancel()
        if site.daemon is not None and site.daemon.poll() is None:
            site.daemon.kill()
            site.daemon.wait()
    site.look()


def check(home: Path, rounds: int) -> None:
    site = Site(home, rounds)
    began = time.monotonic()
    asyncio.run(run(site))
    took = time.monotonic() - began
    print(
        f"{rounds} kills of policyd, {site.killed_consoles} of the console in {took:.0f} s;"
        f" answered: {site.asked} requests, {len(site.domain_of)} tickets, {len(site.decided)} decisions;"
        f" commands told to try again: {site.refused}; lost: 0; integrity checks: {site.integrity_checks};"
        f" back after {median(site.back_after):.2f} s, at most {max(site.back_after):.2f} s"
    )
    assert site.slowest <= BACK_WITHIN
    assert len(site.domain_of) > 5 * rounds
    assert len(site.decided) > rounds / 4
    assert site.refused <= 1 + len(site.decided) / 50
    assert not list(home.glob("*corrupt*"))
    log = (home / "policyd.log").read_text()
    assert "Traceback" not in log, log[-5_000:]


def test_what_policyd_and_console_answered_survives(tmp_path: Path) -> None:
    check(tmp_path, 10)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_what_policyd_and_console_answered_survives_200_kills(tmp_path: Path) -> None:
    check(tmp_path, int(os.environ.get("POSTWARD_KILLS", str(ROUNDS))))
