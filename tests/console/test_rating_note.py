"""`postward rating note`: what other tools tell of senders."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from postward.console.main import cli
from tests.console.site import make, postward
from tests.console.test_rating import note as noted
from tests.console.test_rating import read

CLIENT, NETWORK = "client:192.0.2.7", "network:192.0.2.0/24"


@pytest.fixture
def etc(tmp_path: Path) -> str:
    noted(tmp_path)
    return str(make(tmp_path))


def _points(home: Path, key: str) -> float | None:
    found = read(home, key)
    return None if found is None else round(found.points, 2)


def test_an_outcome_moves_the_client_and_in_part_its_network(tmp_path: Path, etc: str) -> None:
    result = postward("rating", "note", "192.0.2.7", "spam", "--reason", "rspamd 22.5", "--config", etc)
    assert result.output == f"{CLIENT}, {NETWORK}: spam, -2 points\n"
    assert (_points(tmp_path, CLIENT), _points(tmp_path, NETWORK)) == (-2.0, -0.5)
    found = read(tmp_path, CLIENT)
    assert found
    assert (found.reason, found.pinned) == ("spam: rspamd 22.5", False)


def test_the_as_gets_its_share(tmp_path: Path, etc: str) -> None:
    (tmp_path / "asn.csv").write_text("network,asn,name,country\n192.0.2.0/24,64500,Example,NL\n")
    make(tmp_path, settings=f"networks: {{asn_file: {tmp_path}/asn.csv}}")
    postward("rating", "note", "192.0.2.7", "spam", "--config", etc)
    assert _points(tmp_path, "asn:64500") == -0.1


def test_the_points_are_those_of_the_site(tmp_path: Path, etc: str) -> None:
    make(tmp_path, settings="ratings: {complaint: -7}")
    postward("rating", "note", CLIENT, "complaint", "--config", etc)
    assert _points(tmp_path, CLIENT) == -7.0
    assert _points(tmp_path, NETWORK) is None


@pytest.mark.parametrize(
    ("who", "key"),
    [
        ("mail.example.org", "domain:example.org"),
        ("host:example.org", "host:example.org"),
        ("login:alice@example.org", "login:alice@example.org"),
    ],
)
def test_whom_it_is_about(tmp_path: Path, etc: str, who: str, key: str) -> None:
    assert postward("rating", "note", who, "spam", "--config", etc).exit_code == 0
    assert _points(tmp_path, key) == -2.0


def test_what_a_person_set_stays(tmp_path: Path, etc: str) -> None:
    postward("rating", "set", CLIENT, "5", "--reason", "x", "--config", etc)
    postward("rating", "note", CLIENT, "virus", "--config", etc)
    assert _points(tmp_path, CLIENT) == 5.0


def test_a_private_address_is_not_rated(tmp_path: Path, etc: str) -> None:
    result = postward("rating", "note", "10.0.0.7", "spam", "--config", etc)
    assert result.output == "10.0.0.7: a private address is not rated\n"
    assert read(tmp_path, "client:10.0.0.7") is None


def test_a_large_provider_is_rated_by_its_clients_alone(tmp_path: Path, etc: str) -> None:
    result = postward("rating", "note", "gmail.com", "spam", "--config", etc)
    assert result.output == "gmail.com: a large provider of mail is rated by its clients alone\n"
    assert read(tmp_path, "domain:gmail.com") is None


def test_one_client_spoils_its_network_up_to_a_bound_only(tmp_path: Path, etc: str) -> None:
    for _ in range(4):
        postward("rating", "note", "192.0.2.7", "virus", "--config", etc)
    assert (_points(tmp_path, CLIENT), _points(tmp_path, NETWORK)) == (-24.0, -1.0)


def test_within_one_file_too(tmp_path: Path, etc: str) -> None:
    _from(etc, "192.0.2.7 complaint\n" * 20)
    assert (_points(tmp_path, CLIENT), _points(tmp_path, NETWORK)) == (-60.0, -1.0)


def test_the_faults_of_many_clients_are_their_network_s(tmp_path: Path, etc: str) -> None:
    _from(etc, "".join(f"192.0.2.{n} spam\n" for n in range(10, 30)))
    assert _points(tmp_path, NETWORK) == -10.0


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("192.0.2.7", "spamm"), "did you mean spam?"),
        (("nonsense", "spam"), "write 192.0.2.7, example.org"),
        (("alice@example.org", "spam"), "write login:alice@example.org"),
        (("192.0.2.7",), "give who it is and the outcome"),
        ((), "give who it is and the outcome"),
        (("192.0.2.7", "spam", "--file", "-"), "give who it is and the outcome"),
    ],
)
def test_what_cannot_be_meant_is_answered_with_what_to_write(
    etc: str, arguments: tuple[str, ...], hint: str
) -> None:
    result = postward("rating", "note", *arguments, "--config", etc)
    assert result.exit_code != 0
    assert hint in result.stderr


def _from(etc: str, text: str | bytes, *options: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["rating", "note", "--file", "-", "--config", etc, *options], input=text)
    return result.exit_code, result.stdout, result.stderr


def test_many_at_once(tmp_path: Path, etc: str) -> None:
    text = "# of today\n192.0.2.7 spam rspamd 22.5\n\n10.0.0.7 spam\nexample.org\tham\n192.0.2.7 deferred\n"
    assert _from(etc, text) == (
        0,
        "2 of 4 outcomes noted, 1 left out (private addresses, large providers)\n",
        "",
    )
    assert (_points(tmp_path, CLIENT), _points(tmp_path, "domain:example.org")) == (-2.0, 0.2)
    found = read(tmp_path, CLIENT)
    assert found
    assert found.reason == "spam: rspamd 22.5"


def test_programs_get_the_numbers(etc: str) -> None:
    _, out, _ = _from(etc, "192.0.2.7 spam\n10.0.0.7 spam\n", "--json")
    assert json.loads(out) == {"noted": 1, "left_out": 1, "of": 2}


def test_of_more_than_the_store_keeps_waiting_nothing_is_dropped(tmp_path: Path, etc: str) -> None:
    lines = [f"198.{18 + n // 60_000}.{n // 250 % 240}.{n % 250} spam" for n in range(60_000)]
    assert _from(etc, "\n".join(lines)) == (0, "60000 of 60000 outcomes noted\n", "")
    assert _points(tmp_path, "client:198.18.0.0") == -2.0
    assert _points(tmp_path, "client:198.18.239.249") == -2.0


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("192.0.2.7 spam\n192.0.2.7\n", "line 2: '192.0.2.7' without an outcome"),
        ("192.0.2.7 spam\nnonsense spam\n", "line 2: 'nonsense' is no key"),
        ("192.0.2.7 spam\n192.0.2.7 spam " + "x" * 3000, "line 2: more than 2000 characters"),
        ("x x\n" * 30, "and 10 more"),
        (b"192.0.2.7 spam\n\xff\n", "not UTF-8"),
    ],
)
def test_of_lines_that_are_wrong_nothing_is_noted(
    tmp_path: Path, etc: str, text: str | bytes, hint: str
) -> None:
    code, _, said = _from(etc, text)
    assert code == 1
    assert hint in said
    assert read(tmp_path, CLIENT) is None


def test_what_it_says_is_escaped(etc: str) -> None:
    _, _, said = _from(etc, "\x1b[2J spam\n")
    assert "\x1b" not in said
