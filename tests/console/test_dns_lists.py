"""`postward dns-lists`, without and with a DNS that answers."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from postward.dnslists.statistics import Counts, State, save
from tests.console.site import make, postward
from tests.dns_server import DnsServer

OURS = """
dns_lists:
  ours: {zone: bl.example, about: client, codes: {127.0.0.2: {score: 1, means: spam}}}
  keyed: {zone: "{key}.bl.example", key: SecretKey42, about: client, codes: {127.0.0.2: {score: 1, means: x}}}
  mailspike: off
"""
ZONE = """
2.0.0.127.bl.example. A 127.0.0.2
1.0.0.127.secretkey42.bl.example. A 127.0.0.2
2.0.0.127.secretkey42.bl.example. A 127.0.0.2
"""


@pytest.fixture
def etc(tmp_path: Path) -> str:
    return str(make(tmp_path, settings=OURS))


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[str]:
    """A configuration whose DNS server answers from a thread of its own."""
    ready, done = threading.Event(), threading.Event()
    port: list[int] = []

    async def serve() -> None:
        async with DnsServer(ZONE) as server:
            port.append(server.address[1])
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(5)
    etc = make(tmp_path, settings=OURS)
    file = etc / "postward.yml"
    file.write_text(file.read_text().replace("127.0.0.1:1", f"127.0.0.1:{port[0]}").replace("100ms", "2s"))
    yield str(etc)
    done.set()
    thread.join()


def test_every_list_is_shown_with_its_state_and_numbers(tmp_path: Path, etc: str) -> None:
    counts = Counts(queries=1201, hits=37, unique=5, disagreed=2)
    save(tmp_path / "state.db-dns-lists.json", {"ours": State(True, "", 5.0, 1_795_000_000.0, counts=counts)})
    lines = postward("dns-lists", "--config", etc).output.splitlines()
    words = {line.split()[0]: line.split() for line in lines[1:]}
    assert words["ours"] == ["ours", "on", "2026-11-18T11:06:40Z", "1201", "37", "5", "0", "2", "0", "0"]
    assert words["keyed"][1:3] == ["off", "never"]
    assert " ".join(words["mailspike"]).endswith("not switched on in postward.yml")


def test_json_for_programs(etc: str) -> None:
    rows = {row["list"]: row for row in json.loads(postward("dns-lists", "--json", "--config", etc).output)}
    assert (rows["ours"]["switched_on"], rows["ours"]["state"], rows["ours"]["queries"]) == (True, "off", 0)
    assert rows["ours"]["why"] == "not tested yet"
    assert not rows["spamhaus-zen"]["switched_on"]


def test_a_list_that_did_not_answer_its_first_test_was_tested(tmp_path: Path, etc: str) -> None:
    save(tmp_path / "state.db-dns-lists.json", {"ours": State(tested=1_795_000_000.0)})
    rows = {row["list"]: row for row in json.loads(postward("dns-lists", "--json", "--config", etc).output)}
    assert rows["ours"]["why"] == "no answer to its first test; it is tested again"


def test_a_test_shows_each_step(answering: str) -> None:
    result = postward("dns-lists", "test", "ours", "--config", answering)
    assert result.exit_code == 0, result.output
    first, listed, clear, chance, unused = result.output.splitlines()
    assert first == "ours: in order"
    assert listed == "  ok     2.0.0.127.bl.example: 127.0.0.2"
    assert clear == "  ok     1.0.0.127.bl.example: not listed"
    assert chance.endswith(".127.bl.example: not listed")
    assert unused.endswith(".bl.example: not listed")


def test_all_that_are_on_are_tested_and_one_that_fails_is_the_exit_status(answering: str) -> None:
    result = postward("dns-lists", "test", "--config", answering)
    assert result.exit_code == 1
    assert "keyed: it lists 127.0.0.1, which no list may: it lists everything" in result.output
    assert "  FAILED 1.0.0.127.***.bl.example: 127.0.0.2" in result.output
    assert "failed: keyed" in result.output
    assert "secretkey42" not in result.output.lower()


def test_a_test_as_json(answering: str) -> None:
    (told,) = json.loads(postward("dns-lists", "test", "ours", "--json", "--config", answering).output)
    assert (told["list"], told["passed"], len(told["steps"])) == ("ours", True, 4)


def test_a_list_that_is_not_switched_on_can_be_tested(etc: str) -> None:
    result = postward("dns-lists", "test", "dnswl", "--config", etc)
    assert result.exit_code == 1
    assert "2.0.0.127.list.dnswl.org" in result.output


def test_a_name_that_is_none(etc: str) -> None:
    result = postward("dns-lists", "test", "our", "--config", etc)
    assert result.exit_code == 1
    assert "there is no DNS list our; did you mean ours?" in result.output


def test_no_name_is_told_twice(etc: str) -> None:
    said = postward("dns-lists", "test", "nosuch", "--config", etc).stderr
    assert said.count("ours") == said.count("mailspike") == 1


def test_without_a_list_there_is_nothing_to_test(tmp_path: Path) -> None:
    result = postward("dns-lists", "test", "--config", str(make(tmp_path)))
    assert result.exit_code == 1
    assert "no DNS list is switched on" in result.output


def test_a_bad_configuration_is_said(tmp_path: Path) -> None:
    result = postward("dns-lists", "--config", str(make(tmp_path, settings="dns_lists: 3")))
    assert result.exit_code == 1
    assert "dns_lists: must hold keys and values" in result.output


def test_a_public_resolver_is_warned_of(tmp_path: Path) -> None:
    etc = make(tmp_path, settings="dns_lists: {mailspike: on}")
    file = etc / "postward.yml"
    file.write_text(file.read_text().replace("127.0.0.1:1", "1.1.1.1:53"))
    assert (
        "warning: DNS lists are asked through 1.1.1.1" in postward("dns-lists", "--config", str(etc)).output
    )
