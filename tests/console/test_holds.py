"""`postward holds`, on a real store."""

import asyncio
import json
from pathlib import Path

import pytest

from postward.state import Ticket
from postward.store.factory import open_store
from tests.console.site import make, postward


def ticket(home: Path, domain: str, evidence: str = "SPF fail") -> Ticket:
    async def meet() -> Ticket:
        store = open_store("sqlite", home / "state.db")
        try:
            return await store.holds.meet(domain, now=1_795_000_000.0, evidence=evidence)
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
    assert "evidence   HELO" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("word", ["show", "approve", "deny"])
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
