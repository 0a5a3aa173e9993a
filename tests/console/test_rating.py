"""`postward rating`, on a real store."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from postward.state import Rating
from postward.store.factory import open_store
from tests.console.site import make, postward

CLIENT, NETWORK = "client:192.0.2.7", "network:192.0.2.0/24"


def note(home: Path, *keys: str, points: float = -2.0, times: int = 1, reason: str = "refused") -> None:
    """What the daemon learns."""

    async def run() -> None:
        store = open_store("sqlite", home / "state.db")
        try:
            for _ in range(times):
                store.ratings.note(keys, points, now=time.time(), reason=reason)
        finally:
            store.close()

    asyncio.run(run())


def read(home: Path, key: str) -> Rating | None:
    async def run() -> Rating | None:
        store = open_store("sqlite", home / "state.db")
        try:
            return (await store.ratings.read((key,), now=time.time()))[0]
        finally:
            store.close()

    return asyncio.run(run())


@pytest.fixture
def etc(tmp_path: Path) -> str:
    note(tmp_path)
    return str(make(tmp_path))


def test_an_address_shows_client_and_network(tmp_path: Path, etc: str) -> None:
    note(tmp_path, CLIENT, NETWORK)
    text = postward("rating", "show", "192.0.2.7", "--config", etc).output
    assert CLIENT in text
    assert NETWORK in text
    assert "-2.00" in text
    assert "refused (postward)" in text


def test_an_address_shows_its_as_too(tmp_path: Path) -> None:
    (tmp_path / "asn.csv").write_text("network,asn,name,country\n192.0.2.0/24,64500,Example,NL\n")
    note(tmp_path, "asn:64500")
    etc = str(make(tmp_path, settings=f"networks: {{asn_file: {tmp_path}/asn.csv}}"))
    told = json.loads(postward("rating", "show", "192.0.2.7", "--json", "--config", etc).output)
    assert [each["key"] for each in told] == [CLIENT, NETWORK, "asn:64500"]
    assert told[2]["points"] == pytest.approx(-2, abs=0.01)


def test_what_is_not_rated_is_said(etc: str) -> None:
    text = postward("rating", "show", "example.org", "--config", etc).output
    assert text.count("not rated") == 2


def test_the_worst_come_first(tmp_path: Path, etc: str) -> None:
    for number, points in enumerate((-1.0, -9.0, 3.0)):
        note(tmp_path, f"asn:{number + 1}", points=points)
    told = json.loads(postward("rating", "show", "--worst", "2", "--json", "--config", etc).output)
    assert [each["key"] for each in told] == ["asn:2", "asn:1"]


def test_nobody_is_rated_yet(etc: str) -> None:
    assert postward("rating", "show", "--config", etc).output == "nobody is rated yet\n"


def test_a_word_stands_with_who_and_why(tmp_path: Path, etc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "carol")
    note(tmp_path, CLIENT)
    result = postward("rating", "set", CLIENT, "-8", "--reason", "they sell lists", "--config", etc)
    assert result.output == f"{CLIENT}: -8.00 until it is cleared (was -2.00)\n"
    (told,) = json.loads(postward("rating", "show", CLIENT, "--json", "--config", etc).output)
    assert (told["points"], told["pinned"], told["reason"]) == (-8.0, True, "they sell lists")
    assert (told["history"][0]["by"], told["history"][0]["reason"]) == ("carol", "they sell lists")


def test_what_is_cleared_is_gone_but_not_its_history(tmp_path: Path, etc: str) -> None:
    note(tmp_path, CLIENT)
    result = postward("rating", "clear", CLIENT, "--reason", "mended", "--config", etc)
    assert result.output == f"{CLIENT}: cleared (was -2.00)\n"
    assert read(tmp_path, CLIENT) is None
    assert "mended" in postward("rating", "show", CLIENT, "--config", etc).output


def test_clearing_what_is_not_rated_is_an_error(etc: str) -> None:
    result = postward("rating", "clear", CLIENT, "--reason", "x", "--config", etc)
    assert result.exit_code == 1
    assert "is not rated" in result.stderr


@pytest.mark.parametrize("word", ["set", "clear"])
def test_a_reason_must_be_given(word: str, etc: str) -> None:
    points = ["-8"] if word == "set" else []
    result = postward("rating", word, CLIENT, *points, "--config", etc)
    assert "--reason" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("set", "192.0.2.7", "-8", "--reason", "x"), "such as client:192.0.2.7"),
        (("clear", "host:mx.example.org", "--reason", "x"), "write host:example.org"),
        (("show", "nonsense"), "is no key, address or domain"),
        (("show", "nonsense@@"), "write 192.0.2.7, example.org, alice@example.org or client:"),
        (("set", CLIENT, "nan", "--reason", "x"), "write one from -100 to 100"),
        (("set", CLIENT, "inf", "--reason", "x"), "-100<=x<=100"),
        (("set", CLIENT, "-inf", "--reason", "x"), "-100<=x<=100"),
        (("set", CLIENT, "-8", "--reason", ""), "say why, such as"),
        (("clear", CLIENT, "--reason", "  "), "say why, such as"),
        (("set", CLIENT, "101", "--reason", "x"), "-100<=x<=100"),
        (("show", CLIENT, "--worst", "3"), "not both"),
    ],
)
def test_what_cannot_be_meant_is_answered_with_what_to_write(
    etc: str, arguments: tuple[str, ...], hint: str
) -> None:
    result = postward("rating", *arguments, "--config", etc)
    assert result.exit_code != 0
    assert hint in result.stderr


def test_reasons_are_escaped(tmp_path: Path, etc: str) -> None:
    note(tmp_path, CLIENT, reason="HELO \x1b[2J")
    assert "\x1b" not in postward("rating", "show", CLIENT, "--config", etc).output


def test_another_site_takes_over_what_was_exported(tmp_path: Path, etc: str) -> None:
    note(tmp_path, CLIENT, points=-1.0, times=7)
    postward("rating", "set", NETWORK, "-8", "--reason", "bought", "--config", etc)
    file, other = tmp_path / "ratings.jsonl", tmp_path / "other"
    assert postward("rating", "export", str(file), "--config", etc).exit_code == 0
    other.mkdir()
    note(other)
    result = postward("rating", "import", str(file), "--config", str(make(other)))
    assert f"{NETWORK}: -8.00 until it is cleared (was not rated)\n" in result.stdout
    assert f"{CLIENT}: -7.00\n" in result.stdout
    client, network = read(other, CLIENT), read(other, NETWORK)
    assert client
    assert network
    assert (client.points, client.samples) == (pytest.approx(-7, abs=0.01), pytest.approx(7, abs=0.01))
    assert (network.points, network.pinned, network.reason) == (-8.0, True, "bought")


def test_taking_over_again_changes_nothing(tmp_path: Path, etc: str) -> None:
    note(tmp_path, CLIENT, points=-1.0, times=7)
    postward("rating", "set", NETWORK, "-8", "--reason", "bought", "--config", etc)
    file = tmp_path / "ratings.jsonl"
    postward("rating", "export", str(file), "--config", etc)
    result = postward("rating", "import", str(file), "--config", etc)
    assert result.stdout.splitlines() == [f"{CLIENT}: kept at -7.00"]
    assert result.stderr == "2 ratings: 0 taken, 1 kept, 1 unchanged\n"


def test_of_a_large_file_the_first_are_shown_and_all_counted(tmp_path: Path, etc: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("".join(f'{{"key": "asn:{n}", "points": -1, "reason": "x"}}\n' for n in range(1, 1201)))
    result = postward("rating", "import", str(file), "--config", etc)
    assert len(result.stdout.splitlines()) == 21
    assert result.stdout.endswith("and 1180 more\n")
    assert result.stderr == "1200 ratings: 1200 taken, 0 kept, 0 unchanged\n"
    assert (rated := read(tmp_path, "asn:1200"))
    assert rated.points == -1


def test_a_person_may_write_yaml(tmp_path: Path, etc: str) -> None:
    file = tmp_path / "mine.yml"
    file.write_text("- {key: asn:64500, points: -6, reason: snowshoe}\n")
    result = postward("rating", "import", str(file), "--config", etc)
    assert result.stdout == "asn:64500: -6.00 until it is cleared (was not rated)\n"


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("x.jsonl", '{"key": "x", "points": 1}\n{"key": "asn:1"}\n', "x.jsonl:2: points must be a number"),
        ("x.jsonl", '{"key": "asn:1", "points": NaN}', "points must be a number"),
        ("x.jsonl", '{"key": "asn:1", "points": 1, "samples": -1}', "samples must be 0 to"),
        ("x.jsonl", '{"key": "asn:1", "points": 1, "who": "me"}', "unknown who"),
        ("x.jsonl", '{"key": "asn:1", "points": 1, "reason": 5}', "reason must be text"),
        ("x.jsonl", '{"points": 1}', "needs a key"),
        ("x.jsonl", "[" * 100_000, "x.jsonl:1: "),
        ("x.jsonl", "[1]", "must be a mapping"),
        ("x.jsonl", "nonsense", "x.jsonl:1: Expecting value"),
        ("x.yml", "key: x\n", "must be a list"),
        ("x.yml", "[", "x.yml:"),
    ],
)
def test_of_a_file_that_is_wrong_nothing_is_taken(
    tmp_path: Path, etc: str, name: str, text: str, hint: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    result = postward("rating", "import", str(file), "--config", etc)
    assert result.exit_code == 1
    assert hint in result.stderr
    assert postward("rating", "show", "--config", etc).output == "nobody is rated yet\n"


def test_bytes_that_are_no_text_are_refused(tmp_path: Path, etc: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in postward("rating", "import", str(file), "--config", etc).stderr
