"""`postward holds`, on a real store."""

import asyncio
import json
from pathlib import Path

import pytest

from postward.state import Ticket
from postward.store.factory import open_store
from tests.console.site import make, postward

OPENED = 1_795_000_000.0


def ticket(home: Path, domain: str, evidence: str = "SPF fail", *clients: str) -> Ticket:
    async def meet() -> Ticket:
        store = open_store("sqlite", home / "state.db")
        try:
            for client in clients or ("",):
                knock = {"client": client, "sender": f"Alice@{domain}"} if client else {}
                found = await store.holds.meet(domain, now=OPENED, evidence=evidence, knock=knock)
            return found
        finally:
            store.close()

    return asyncio.run(meet())


@pytest.fixture
def etc(tmp_path: Path) -> str:
    return str(make(tmp_path))


def test_what_waits_is_listed(tmp_path: Path, etc: str) -> None:
    found = ticket(tmp_path, "new.example")
    text = postward("holds", "list", "--config", etc).output
    assert found.id in text
    assert "new.example" in text
    assert "SPF fail" in text


def test_when_nothing_waits_it_says_so(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example")
    postward("holds", "deny", "new.example", "--config", etc)
    assert postward("holds", "list", "--config", etc).output == "nothing waits\n"


def test_json_for_programs(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example")
    (told,) = json.loads(postward("holds", "list", "--json", "--config", etc).output)
    assert (told["domain"], told["verdict"]) == ("new.example", "waiting")


@pytest.mark.parametrize(("word", "verdict"), [("approve", "approved"), ("deny", "denied")])
def test_a_word_is_kept_with_who_and_why(
    tmp_path: Path, etc: str, word: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "carol")
    found = ticket(tmp_path, "new.example")
    result = postward("holds", word, found.id, "--note", "called them", "--config", etc)
    assert result.output == f"new.example: {verdict}\n"
    told = json.loads(postward("holds", "show", "new.example", "--json", "--config", etc).output)
    assert (told["verdict"], told["decided_by"], told["note"]) == (verdict, "carol", "called them")


def test_show_escapes_the_evidence(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example", "HELO \x1b[2J")
    text = postward("holds", "show", "new.example", "--config", etc).output
    assert "evidence         HELO \\x1b[2J" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("word", ["show", "approve", "deny", "undo"])
def test_an_unknown_ticket_is_an_error(tmp_path: Path, etc: str, word: str) -> None:
    ticket(tmp_path, "new.example")
    result = postward("holds", word, "old.example", "--config", etc)
    assert result.exit_code == 1
    assert "there is no ticket old.example" in result.stderr


def test_before_the_first_start_there_is_no_store(etc: str) -> None:
    result = postward("holds", "list", "--config", etc)
    assert result.exit_code == 1
    assert "there is no store at" in result.stderr


def test_a_store_in_memory_cannot_be_asked(tmp_path: Path, etc: str) -> None:
    path = tmp_path / "etc/postward.yml"
    path.write_text(
        path.read_text().replace(f"store: {{path: {tmp_path}/state.db}}", "store: {kind: memory}")
    )
    result = postward("holds", "list", "--config", etc)
    assert result.exit_code == 1
    assert "store.kind is memory" in result.stderr


def said(etc: str) -> list[tuple[str, str, str]]:
    words = json.loads(postward("holds", "words", "--json", "--config", etc).output)
    return sorted((word["kind"], word["value"], word["verdict"]) for word in words)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--domain", [("domain", "new.example", "approved")]),
        ("--address", [("address", "alice@new.example", "approved")]),
        ("--client", [("client", "192.0.2.1", "approved"), ("client", "192.0.2.9", "approved")]),
        ("--network", [("network", "192.0.2.0/24", "approved")]),
    ],
)
def test_what_a_word_is_about(
    tmp_path: Path, etc: str, option: str, words: list[tuple[str, str, str]]
) -> None:
    ticket(tmp_path, "new.example", "x", "192.0.2.1", "192.0.2.9")
    postward("holds", "approve", "new.example", option, "--config", etc)
    assert said(etc) == words


def test_a_word_may_end(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example")
    postward("holds", "approve", "new.example", "--for", "90d", "--config", etc)
    [word] = json.loads(postward("holds", "words", "--json", "--config", etc).output)
    assert word["expires"] - word["at"] == 90 * 86_400


def test_how_long_must_be_a_time(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example")
    result = postward("holds", "approve", "new.example", "--for", "long", "--config", etc)
    assert result.exit_code == 2
    assert "must be a duration such as" in result.stderr


def test_a_ticket_without_a_client_has_no_network(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example")
    result = postward("holds", "approve", "new.example", "--network", "--config", etc)
    assert result.exit_code == 1
    assert "has no client address" in result.stderr
    assert said(etc) == []


def test_an_approved_domain_is_known(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example")
    postward("holds", "approve", "new.example", "--config", etc)
    assert known(tmp_path, "new.example")


def known(home: Path, domain: str) -> bool:
    async def find() -> bool:
        store = open_store("sqlite", home / "state.db")
        try:
            return await store.seen.find(f"domain {domain}", now=OPENED) is not None
        finally:
            store.close()

    return asyncio.run(find())


def test_undo_takes_everything_back(tmp_path: Path, etc: str) -> None:
    found = ticket(tmp_path, "new.example")
    postward("holds", "approve", found.id, "--config", etc)
    result = postward("holds", "undo", found.id, "--config", etc)
    assert result.output == "new.example: waiting, 1 word forgotten\n"
    assert said(etc) == []
    assert not known(tmp_path, "new.example")
    assert found.id in postward("holds", "list", "--config", etc).output


def test_undo_leaves_other_words_alone(tmp_path: Path, etc: str) -> None:
    for name in ("a.example", "b.example"):
        ticket(tmp_path, name)
        postward("holds", "deny", name, "--config", etc)
    postward("holds", "undo", "a.example", "--config", etc)
    assert said(etc) == [("domain", "b.example", "denied")]


def test_nobody_has_said_anything(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example")
    assert postward("holds", "words", "--config", etc).output == "nobody has said anything\n"


def test_show_prints_the_card(tmp_path: Path, etc: str) -> None:
    found = ticket(tmp_path, "new.example", "x", "192.0.2.1", "192.0.2.9")

    async def put() -> None:
        store = open_store("sqlite", tmp_path / "state.db")
        try:
            await store.holds.put_card(found.id, {"mx": "none", "registered": "could not tell: 429"})
        finally:
            store.close()

    asyncio.run(put())
    text = postward("holds", "show", "new.example", "--config", etc).output
    assert "all clients      192.0.2.1, 192.0.2.9\n" in text
    assert "registered       could not tell: 429\n" in text


def test_stats(tmp_path: Path, etc: str) -> None:
    for name in ("a.example", "b.example"):
        ticket(tmp_path, name, "x", "192.0.2.1")
    postward("holds", "deny", "a.example", "--config", etc)
    numbers = json.loads(postward("holds", "stats", "--json", "--config", etc).output)
    assert (numbers["waiting"], numbers["denied"], numbers["by_people"]) == (1, 1, 1)
    text = postward("holds", "stats", "--config", etc).output
    assert "top networks     192.0.2.0/24 (2)\n" in text
