"""`postward holds`, on a real store."""

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from postward.state import StoreDown, Ticket, Word
from postward.store import tickets
from postward.store.factory import open_store
from postward.store.sqlite_holds import SqliteHolds
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
    assert result.output.startswith(f"domain new.example: {verdict} for ever\n")
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
    result = postward("holds", word, "1a2b3c4d", "--config", etc)
    assert result.exit_code == 1
    assert "there is no ticket 1a2b3c4d" in result.stderr


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
        ("--client", [("client", "192.0.2.1", "approved")]),
        ("--network", [("network", "192.0.2.0/24", "approved")]),
    ],
)
def test_what_a_word_is_about(
    tmp_path: Path, etc: str, option: str, words: list[tuple[str, str, str]]
) -> None:
    ticket(tmp_path, "new.example", "x", "192.0.2.1", "192.0.2.9")
    postward("holds", "approve", "new.example", option, "--config", etc)
    assert said(etc) == words


def vouched(home: Path, domain: str, client: str) -> None:
    """An attempt of a client that the domain vouches for."""

    async def meet() -> None:
        store = open_store("sqlite", home / "state.db")
        try:
            knock = {"client": client, "sender": f"bob@{domain}"}
            await store.holds.meet(domain, now=OPENED, evidence="", knock=knock, verified=True)
        finally:
            store.close()

    asyncio.run(meet())


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--client", [("client", "198.51.100.2", "denied")]),
        ("--network", [("network", "198.51.100.0/24", "denied")]),
        ("--address", [("address", "bob@new.example", "denied")]),
    ],
)
def test_a_word_is_about_whom_the_domain_vouches_for(
    tmp_path: Path, etc: str, option: str, words: list[tuple[str, str, str]]
) -> None:
    ticket(tmp_path, "new.example", "x", "203.0.113.5", "203.0.113.6")
    vouched(tmp_path, "new.example", "198.51.100.2")
    result = postward("holds", "deny", "new.example", option, "--config", etc)
    assert said(etc) == words
    assert result.output.startswith(f"{words[0][0]} {words[0][1]}: denied for ever\n")
    shown = postward("holds", "show", "new.example", "--config", etc).output
    assert "client           198.51.100.2\n" in shown
    assert "vouched for      198.51.100.2\n" in shown


def test_an_approval_says_for_whom_it_holds(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example", "x", "203.0.113.5", "198.51.100.2")
    result = postward("holds", "approve", "new.example", "--for", "2h", "--config", etc)
    first, second = result.output.splitlines()
    assert first.startswith("domain new.example: approved until 20")
    assert second == (
        "for clients that the domain vouches for (SPF, own name), 203.0.113.0/24, 198.51.100.0/24"
    )


@pytest.mark.parametrize(
    ("about", "word"),
    [
        ("mail.new-partner.example", ("domain", "new-partner.example", "approved")),
        ("New.Partner@partner.example.", ("address", "new.partner@partner.example", "approved")),
        ("192.0.2.7", ("client", "192.0.2.7", "approved")),
        ("192.0.2.0/24", ("network", "192.0.2.0/24", "approved")),
        ("2001:db8::/64", ("network", "2001:db8::/64", "approved")),
    ],
)
def test_one_may_decide_ahead(tmp_path: Path, etc: str, about: str, word: tuple[str, str, str]) -> None:
    ticket(tmp_path, "old.example")
    result = postward("holds", "approve", about, "--config", etc)
    assert said(etc) == [word]
    assert result.output.startswith(f"{word[0]} {word[1]}: approved for ever\n")
    assert result.output.endswith("there was no ticket: it is remembered for mail to come\n")


@pytest.mark.parametrize("about", ["192.0.2.0/16", "192.0.2.7/24", "a@", "nodot", "[192.0.2.1]"])
def test_what_no_word_can_be_about(tmp_path: Path, etc: str, about: str) -> None:
    ticket(tmp_path, "old.example")
    assert postward("holds", "approve", about, "--config", etc).exit_code == 1
    assert said(etc) == []


def test_an_option_needs_a_ticket(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "old.example")
    result = postward("holds", "deny", "new.example", "--network", "--config", etc)
    assert result.exit_code == 1
    assert "there is no ticket new.example" in result.stderr


@pytest.mark.parametrize("word", ["approve", "deny"])
@pytest.mark.parametrize(
    ("domain", "why"), [("mail.example", "is a mail provider"), ("example.org", "is a domain of ours")]
)
def test_many_users_are_not_decided_about_as_one(
    tmp_path: Path, etc: str, word: str, domain: str, why: str
) -> None:
    (tmp_path / "etc/lists/freemail.yml").write_text("entries: [mail.example]\n")
    ticket(tmp_path, domain, "x", "192.0.2.1")
    result = postward("holds", word, domain, "--config", etc)
    assert result.exit_code == 1
    assert f"{domain} {why}: the word would be about all" in result.stderr
    assert said(etc) == []
    assert postward("holds", word, domain, "--address", "--config", etc).exit_code == 0
    assert postward("holds", word, domain, "--yes", "--config", etc).exit_code == 0


def test_undo_says_until_when_it_waits(tmp_path: Path, etc: str) -> None:
    async def meet() -> None:
        store = open_store("sqlite", tmp_path / "state.db")
        try:
            await store.holds.meet("new.example", now=time.time(), evidence="", knock={})
        finally:
            store.close()

    asyncio.run(meet())
    result = postward("holds", "undo", "new.example", "--config", etc)
    first, second = result.output.splitlines()
    assert first == "nobody had said anything about it"
    assert second.startswith("new.example: waiting until 20")


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
    assert result.output == (
        "domain new.example: forgotten, it was approved\n"
        "new.example: the deadline is over, so on_deadline follows: accept\n"
    )
    assert said(etc) == []
    assert not known(tmp_path, "new.example")
    assert found.id in postward("holds", "list", "--config", etc).output


@pytest.mark.parametrize("option", ["--client", "--network", "--address"])
def test_a_word_about_less_than_the_domain_leaves_it_waiting(tmp_path: Path, etc: str, option: str) -> None:
    ticket(tmp_path, "new.example", "x", "2001:db8::1", "192.0.2.1")
    result = postward("holds", "approve", "new.example", option, "--config", etc)
    [(kind, value, _)] = said(etc)
    first, *_, last = result.output.splitlines()
    assert first == f"{kind} {value}: approved for ever"
    assert last == "new.example goes on waiting for everybody else"
    assert not known(tmp_path, "new.example")
    assert "new.example" in postward("holds", "list", "--config", etc).output


def test_a_domain_approved_for_a_while_is_not_known_for_ever(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example")
    postward("holds", "approve", "new.example", "--for", "90d", "--config", etc)
    assert not known(tmp_path, "new.example")
    shown = postward("holds", "show", "new.example", "--config", etc).output
    assert "\nuntil            " in shown


def test_undo_takes_all_words_of_a_ticket_back_and_no_others(tmp_path: Path, etc: str) -> None:
    for name in ("a.example", "b.example"):
        ticket(tmp_path, name, "x", "192.0.2.1")
    postward("holds", "deny", "b.example", "--network", "--config", etc)
    postward("holds", "deny", "a.example", "--client", "--config", etc)
    postward("holds", "approve", "a.example", "--config", etc)
    result = postward("holds", "undo", "a.example", "--config", etc)
    assert result.output.count(": forgotten, it was ") == 2
    assert said(etc) == [("network", "192.0.2.0/24", "denied")]


def test_undo_finds_its_words_among_many(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example")
    postward("holds", "deny", "new.example", "--config", etc)
    say_many(tmp_path, 1_200)
    result = postward("holds", "undo", "new.example", "--config", etc)
    assert result.output.startswith("domain new.example: forgotten, it was denied\n")


def say_many(home: Path, number: int) -> None:
    async def say() -> None:
        store = open_store("sqlite", home / "state.db")
        try:
            now = time.time() + 60
            for each in range(0, number, 200):
                words = (Word("client", f"c{each + one}", "denied", "root", "", now) for one in range(200))
                await asyncio.gather(*map(store.holds.say, words))
        finally:
            store.close()

    asyncio.run(say())


def test_where_there_are_more_words_it_says_so(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example")
    say_many(tmp_path, 200)
    result = postward("holds", "words", "--limit", "3", "--json", "--config", etc)
    assert len(json.loads(result.stdout)) == 3
    assert "there are more than 3: use --limit" in result.stderr
    result = postward("holds", "words", "--limit", "200", "--config", etc)
    assert "more" not in result.stderr
    assert result.stdout.count("denied") == 200


def test_a_word_whose_ticket_is_gone_can_be_forgotten(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example", "x", "192.0.2.1")
    for option in ("--client", "--network"):
        postward("holds", "deny", "new.example", option, "--config", etc)
    with closing(sqlite3.connect(tmp_path / "state.db")) as store:
        store.execute("DELETE FROM tickets")
        store.commit()
    result = postward("holds", "forget", "network", "192.0.2.0/24", "--config", etc)
    assert result.output == "network 192.0.2.0/24: forgotten\n"
    assert said(etc) == [("client", "192.0.2.1", "denied")]


@pytest.mark.parametrize("word", ["approve", "deny"])
def test_when_a_domains_word_is_forgotten_it_waits_again(tmp_path: Path, etc: str, word: str) -> None:
    ticket(tmp_path, "new.example")
    postward("holds", word, "new.example", "--config", etc)
    postward("holds", "forget", "domain", "new.example", "--config", etc)
    assert "new.example" in postward("holds", "list", "--config", etc).output
    assert not known(tmp_path, "new.example")


def test_what_nobody_said_cannot_be_forgotten(tmp_path: Path, etc: str) -> None:
    ticket(tmp_path, "new.example")
    result = postward("holds", "forget", "domain", "new.example", "--config", etc)
    assert result.exit_code == 1
    assert "nobody has said anything about domain new.example" in result.stderr


def test_too_many_words_are_an_error_of_their_own(
    tmp_path: Path, etc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.example", "b.example"):
        ticket(tmp_path, name)
    monkeypatch.setattr(tickets, "MAX_WORDS", 1)
    postward("holds", "deny", "a.example", "--config", etc)
    result = postward("holds", "deny", "b.example", "--config", etc)
    assert result.exit_code == 1
    assert "there are 1 words already, no more are kept" in result.stderr
    assert "postward holds forget" in result.stderr
    assert "b.example: denied" not in result.stdout
    assert postward("holds", "approve", "a.example", "--config", etc).exit_code == 0


@pytest.mark.parametrize(
    ("word", "verb"), [("approve", "say"), ("deny", "decide"), ("undo", "unsay"), ("undo", "decide")]
)
def test_a_command_that_met_a_store_that_was_down_can_be_said_again(
    tmp_path: Path, etc: str, monkeypatch: pytest.MonkeyPatch, word: str, verb: str
) -> None:
    async def down(*_: object, **__: object) -> None:
        raise StoreDown("disk full")

    ticket(tmp_path, "new.example")
    if word == "undo":
        postward("holds", "approve", "new.example", "--config", etc)
    with monkeypatch.context() as patch:
        patch.setattr(SqliteHolds, verb, down)
        result = postward("holds", word, "new.example", "--config", etc)
    assert result.exit_code == 1
    assert "the store does not answer: disk full" in result.stderr
    assert postward("holds", word, "new.example", "--config", etc).exit_code == 0
    verdict = {"approve": "approved", "deny": "denied", "undo": "waiting"}[word]
    told = json.loads(postward("holds", "show", "new.example", "--json", "--config", etc).output)
    assert told["verdict"] == verdict
    assert said(etc) == ([] if word == "undo" else [("domain", "new.example", verdict)])
    assert known(tmp_path, "new.example") is (word == "approve")


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
