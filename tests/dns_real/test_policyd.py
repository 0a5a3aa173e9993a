"""`postward policyd` with the shipped rules and stricter ones: an answer in time, whatever the DNS does."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from postward.console.options import Trouble
from postward.console.why import find
from postward.daemon.config import Settings, load_settings
from postward.journal import Entry
from tests.daemon.running import Running, Smtpd, until
from tests.dns_real.world import HONEST, HOSTILE, LYING, Case, World

IN_TIME = 5.0
"""Seconds for the whole decision, as Postfix sees it."""


# Every verdict that rests on look-ups, each refused for good: one that guesses shows in the reply.
STRICT = {
    "rdns": ("verdict", ["missing", "mismatch"]),
    "helo": ("verdict", ["unresolvable"]),
    "sender_domain": ("verdict", ["unknown", "null_mx", "bad_mx"]),
    "spf": ("results", ["fail", "softfail", "none", "permerror"]),
    "spf_record": ("verdict", ["plus_all", "wide"]),
}


def _strict() -> dict[str, Any]:
    return {
        "rules": [
            {
                "name": f"strict-{check}-{word}".replace("_", "-"),
                "check": check,
                "with": {option: [word] if option == "results" else word},
                "then": "reject",
                "reason": f"{check} {word}",
            }
            for check, (option, words) in STRICT.items()
            for word in words
        ]
    }


def _configure(home: Path, *servers: str) -> Path:
    """All by default, but for the paths, the DNS servers and the strict rules."""
    etc = home / "etc"
    (etc / "rules.d").mkdir(parents=True)
    (etc / "rules.d" / "strict.yml").write_text(json.dumps(_strict()))
    (etc / "postward.yml").write_text(
        f"""
authserv_id: mx.example.org
own_domains: [example.org]
run_dir: {home}/run
policyd: {{listen: "unix:{home}/policyd"}}
milter: {{listen: "unix:{home}/milter"}}
dns: {{servers: {json.dumps(servers)}}}
store: {{path: {home}/state.db}}
journal: {{path: {home}/journal}}
findings_key: {home}/findings.key
"""
    )
    return home


@pytest.fixture(scope="module")
def policyd(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    host, port = world.address
    with Running("policyd", _configure(tmp_path_factory.mktemp("pw"), f"{host}:{port}")) as daemon:
        yield daemon


@pytest.fixture
def silence() -> Iterator[str]:
    """A server that takes all questions and answers none, by UDP and by TCP."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with closing(socket.create_server(("127.0.0.1", 0))) as tcp, closing(udp):
        udp.bind(tcp.getsockname())
        yield f"127.0.0.1:{tcp.getsockname()[1]}"


def _ask(daemon: Running, case: Case) -> tuple[str, float]:
    """The action for a recipient, and the seconds until it was there."""
    with Smtpd(daemon.socket_path) as smtpd:
        began = time.monotonic()
        action = smtpd.ask(client_address=case.client, helo_name=case.domain, sender=f"a@{case.domain}")
        return action, time.monotonic() - began


def _answers(daemon: Running, cases: tuple[Case, ...]) -> dict[str, tuple[str, float]]:
    """Of all at the same time."""
    with ThreadPoolExecutor(len(cases)) as pool:
        asked = pool.map(lambda case: _ask(daemon, case), cases)
        return dict(zip((case.name for case in cases), asked, strict=True))


def test_nobody_is_punished_for_what_the_dns_does(policyd: Running) -> None:
    answers = _answers(policyd, (*HOSTILE, *HONEST))
    assert {name: action for name, (action, _) in answers.items() if action != "DUNNO"} == {}
    assert max(took for _, took in answers.values()) < IN_TIME
    assert "Traceback" not in policyd.log


def test_the_journal_tells_what_could_not_be_told(policyd: Running) -> None:
    settings = load_settings(policyd.home / "etc")
    for case in HOSTILE:
        _ask(policyd, case)
    for case in HOSTILE:
        until(lambda case=case: _stories(settings, case), f"the journal knows {case.name}")  # type: ignore[misc]
        rules = [rule for story in _stories(settings, case) for entry in story for rule in entry.rules]
        unsure = [rule for rule in rules if rule.finding == "unsure"]
        assert unsure, case.name
        assert all(rule.detail and rule.detail.isprintable() for rule in unsure)
        assert sum(rule.score for rule in rules) == 0


def _stories(settings: Settings, case: Case) -> list[tuple[Entry, ...]]:
    try:
        return find(settings, case.client, 10)
    except Trouble:  # the journal is written a little later
        return []


@pytest.mark.parametrize("servers", [1, 3])
def test_a_recipient_is_answered_in_time_if_every_server_hangs(
    servers: int, silence: str, tmp_path: Path
) -> None:
    cases = tuple(Case(str(n), f"192.0.2.{n}", f"d{n}.example") for n in range(1, 51))
    with Running("policyd", _configure(tmp_path, *[silence] * servers)) as daemon:
        answers = _answers(daemon, cases)
        again = _answers(daemon, cases[:5])
    assert {action for action, _ in (*answers.values(), *again.values())} == {"DUNNO"}
    assert max(took for _, took in (*answers.values(), *again.values())) < IN_TIME


def test_a_flood_with_slow_zones_leaves_the_others_their_share(world: World, tmp_path: Path) -> None:
    (slow,) = (case for case in LYING if case.name == "silence")
    flood = [Case(slow.name, slow.client, f"d{number}.{slow.domain}") for number in range(150)]
    host, port = world.address
    begun = threading.Semaphore(0)

    def ask(case: Case) -> tuple[str, float]:
        begun.release()
        return _ask(daemon, case)

    policyd = Running("policyd", _configure(tmp_path, f"{host}:{port}"))
    with policyd as daemon, ThreadPoolExecutor(len(flood)) as pool:
        answers = pool.map(ask, flood)
        for _ in flood:
            begun.acquire()
        action, took = _ask(daemon, HONEST[0])
        slowest = max(took for _, took in answers)
    assert action == "DUNNO"
    # Of 450 queries that hang for 1.5 s each, 50 are at the servers, and 150 places are left.
    assert took < 1.0
    assert 1.0 < slowest < IN_TIME
