"""`postward list`: what is written, what is refused, and who takes it over."""

import gzip
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.console.site import make, postward
from tests.daemon.running import COMMAND, Running, Smtpd

TODAY = time.strftime("%Y-%m-%d", time.gmtime())
RULES = """
shipped: off
rules:
  - name: deny-client
    check: list
    with: {match: client, list: bad}
    then: reject
    reason: "Your server {client_ip} is not welcome."
"""
BAD = """\
# Ask Eve.
entries:
  - 192.0.2.66   # since spring
  - {value: bad.example, note: "why", expires: 2025-01-31}
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    made = make(tmp_path, rules=RULES)
    (made / "lists/bad.yml").write_text(BAD)
    return made


def _bad(etc: Path) -> str:
    return (etc / "lists/bad.yml").read_text()


def _list(etc: Path, *arguments: str) -> str:
    result = postward("list", *arguments, "--config", str(etc))
    assert result.exit_code == 0, result.stderr
    return result.stdout


def _json(etc: Path, *arguments: str) -> Any:
    return json.loads(_list(etc, *arguments, "--json"))


def _refused(etc: Path, *arguments: str) -> str:
    before = {path: path.read_bytes() for path in (etc / "lists").iterdir()}
    result = postward("list", *arguments, "--config", str(etc))
    assert result.exit_code == 1, result.output
    assert {path: path.read_bytes() for path in (etc / "lists").iterdir()} == before
    return result.stderr


def test_an_entry_is_added_and_nothing_else_is_touched(etc: Path) -> None:
    said = _list(etc, "add", "bad", "198.51.100.0/24", "--note", 'ticket "4711"', "--score", "2.5")
    assert said == "bad: 198.51.100.0/24 added; no daemon was told\n"
    assert _bad(etc) == (
        f'{BAD}  - {{value: 198.51.100.0/24, note: "ticket \\"4711\\"", added: {TODAY}, score: 2.5}}\n'
    )


@pytest.mark.parametrize(("expires", "days"), [("1d", 1), ("30d", 30), ("4w", 28)])
def test_an_entry_for_some_days(etc: Path, expires: str, days: int) -> None:
    added = _json(etc, "add", "bad", "new.example", "--expires", expires)["added"]
    last = time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * 86_400))
    assert added["expires"] == last
    assert f"expires: {last}}}" in _bad(etc)


def test_an_entry_up_to_a_day(etc: Path) -> None:
    _list(etc, "add", "bad", "new.example", "--expires", "2199-01-31")
    assert "expires: 2199-01-31}" in _bad(etc)


def test_json_tells_what_was_written(etc: Path) -> None:
    assert _json(etc, "add", "bad", "new.example") == {
        "list": "bad",
        "file": str(etc / "lists/bad.yml"),
        "added": {"value": "new.example", "added": TODAY},
        "reloaded": [],
    }


def test_a_shipped_list_becomes_one_of_the_site(etc: Path) -> None:
    _list(etc, "add", "hosting", "AS64500", "--note", "reports bounce")
    text = (etc / "lists/hosting.yml").read_text()
    assert text.startswith("description:")
    assert text.endswith(f'entries:\n  - {{value: AS64500, note: "reports bounce", added: {TODAY}}}\n')
    assert [row["value"] for row in _json(etc, "show", "hosting")] == ["AS64500"]


def test_owner_and_mode_stay(etc: Path) -> None:
    path = etc / "lists/bad.yml"
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    before = path.stat()
    _list(etc, "add", "bad", "new.example")
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    assert [each.name for each in path.parent.iterdir()] == ["bad.yml"]


def test_a_new_file_is_readable_for_whom_its_directory_is(etc: Path) -> None:
    (etc / "lists").chmod(0o750)
    _list(etc, "add", "hosting", "AS64500")
    assert (etc / "lists/hosting.yml").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_one(etc: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.yml"
    (etc / "lists/bad.yml").rename(real)
    (etc / "lists/bad.yml").symlink_to(real)
    _list(etc, "add", "bad", "new.example")
    assert (etc / "lists/bad.yml").is_symlink()
    assert "new.example" in real.read_text()


def test_a_byte_order_mark_stays(etc: Path) -> None:
    (etc / "lists/bad.yml").write_bytes(b"\xef\xbb\xbf" + BAD.encode())
    _list(etc, "add", "bad", "new.example")
    assert (etc / "lists/bad.yml").read_bytes().startswith(b"\xef\xbb\xbf# Ask Eve.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "bad", "192.0.2.1/24"), "its network is 192.0.2.0/24"),
        (("add", "bad", "*.example.org"), "write .example.org for all names below it"),
        (("add", "bad", "https://example.org/"), "write example.org"),
        (("add", "bad", "BAD.example."), "bad.example stands in bad already (line 4)"),
        (("add", "bad", "192.0.2.66/32"), "192.0.2.66 stands in bad already (line 3)"),
        (("add", "bad", "x.example", "--expires", "tomorrow"), "write 2027-01-31, or 30d or 4w"),
        (("add", "bad", "x.example", "--expires", "2025-01-31"), "2025-01-31 is over"),
        (("add", "bad", "x.example", "--expires", "2027-02-30"), "is no day"),
        (("add", "bad", "x.example", "--note", "a\nb"), "one line of at most"),
        (("add", "bda", "x.example"), "there is no list bda; did you mean bad?"),
        (("add", "../bad", "x.example"), "there is no list ../bad"),
        (("remove", "bad", "x.example"), "x.example does not stand in bad"),
        (("remove", "hosting", "AS1"), "AS1 does not stand in hosting"),
        (("show", "bad", "a b"), "write one value an entry"),
        (("expire", "bda"), "there is no list bda"),
    ],
)
def test_what_is_refused_changes_nothing(etc: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in _refused(etc, *arguments)


def test_a_configuration_that_is_wrong_elsewhere_is_not_touched(etc: Path) -> None:
    (etc / "rules.d/other.yml").write_text("rules: 5\n")
    said = _refused(etc, "add", "bad", "new.example")
    assert f"{etc}/rules.d/other.yml:1:8: rules: must be a list" in said
    assert "nothing was changed" in said


@pytest.mark.parametrize("text", ["entries: [a.org\n", "entries: 5\n", "[a.org]\n"])
def test_a_list_that_is_wrong_itself_is_not_touched(etc: Path, text: str) -> None:
    (etc / "lists/bad.yml").write_text(text)
    assert f"{etc}/lists/bad.yml:" in _refused(etc, "add", "bad", "new.example")


def test_a_whole_provider_that_stands_there_without_a_word_is_warned_of(etc: Path) -> None:
    (etc / "lists/bad.yml").write_text(BAD + "  - AS64500\n")
    result = postward("list", "add", "bad", "new.example", "--config", str(etc))
    assert result.exit_code == 0
    assert "warning: bad: the rule deny-client refuses a whole provider" in result.stderr
    assert "write whole: true" in result.stderr


def test_an_entry_is_removed_however_it_is_written(etc: Path) -> None:
    said = _list(etc, "remove", "bad", "BAD.example.")
    assert said == "bad: BAD.example. removed; no daemon was told\n"
    assert _bad(etc) == "".join(line for line in BAD.splitlines(keepends=True) if "bad.example" not in line)
    assert _json(etc, "remove", "bad", "192.0.2.66")["removed"] == "192.0.2.66"
    assert _bad(etc) == "# Ask Eve.\nentries: []\n"


def test_entries_whose_time_is_over_are_taken_out(etc: Path) -> None:
    said = _list(etc, "expire", "--dry-run")
    assert said == "bad: bad.example, until 2025-01-31 (why)\n1 entry has expired; nothing was changed\n"
    assert _bad(etc) == BAD
    (row,) = _json(etc, "expire")["expired"]["bad"]
    assert row["value"] == "bad.example"
    assert "bad.example" not in _bad(etc)
    assert _list(etc, "expire") == "no entries have expired\n"


def test_one_list_alone_can_be_cleaned(etc: Path) -> None:
    (etc / "lists/other.yml").write_text("entries: [{value: x.org, expires: 2025-01-31}]\n")
    _list(etc, "expire", "other")
    assert (etc / "lists/other.yml").read_text() == "entries: []\n"
    assert _bad(etc) == BAD


def test_all_lists_are_shown(etc: Path) -> None:
    rows = {row["list"]: row for row in _json(etc, "show")}
    assert rows["bad"] == {"list": "bad", "entries": 2, "expired": 1, "file": str(etc / "lists/bad.yml")}
    assert rows["hosting"] == {"list": "hosting", "entries": 0, "expired": 0, "file": "shipped"}
    assert re.search(r"(?m)^hosting +0 +0 +shipped", _list(etc, "show"))


def test_one_list_is_shown(etc: Path) -> None:
    said = _list(etc, "show", "bad")
    assert re.search(r"(?m)^bad\.example +why +2025-01-31 \(over\)", said)
    assert _list(etc, "show", "hosting") == "no entries\n"


@pytest.fixture
def known(etc: Path, tmp_path: Path) -> Path:
    (tmp_path / "asn.csv.gz").write_bytes(gzip.compress(b"203.0.113.0/24,64500,Example\n"))
    settings = etc / "postward.yml"
    settings.write_text(f"{settings.read_text()}networks: {{asn_file: {tmp_path}/asn.csv.gz}}\n")
    (etc / "lists/bad.yml").write_text(
        "entries: [AS64500, 192.0.2.0/24, {value: .example.org, note: why}, alice@, a@b.org]\n"
    )
    return etc


@pytest.mark.parametrize(
    ("value", "entry", "by"),
    [
        ("192.0.2.7", "192.0.2.0/24", "address"),
        ("192.0.2.0/25", "192.0.2.0/24", "address"),
        ("192.0.0.0/16", None, None),
        ("192.0.2.0/23", None, None),
        ("203.0.113.7", "AS64500", "asn"),
        ("as64500", "AS64500", "asn"),
        ("AS64501", None, None),
        ("mx.example.org", ".example.org", "name"),
        (".example.org", ".example.org", "name"),
        ("alice@any.example", "alice@", "name"),
        ("bob@mx.example.org", ".example.org", "name"),
        ("2001:db8::1", None, None),
    ],
)
def test_which_entry_matches_a_value(known: Path, value: str, entry: str | None, by: str | None) -> None:
    found = _json(known, "show", "bad", value)
    assert (found["entry"] and found["entry"]["value"], found["by"]) == (entry, by)


def test_people_are_told_why(known: Path) -> None:
    assert _list(known, "show", "bad", "203.0.113.7").splitlines() == [
        "203.0.113.7 is in AS64500 Example",
        "203.0.113.7 matches AS64500 in bad, by asn",
    ]
    assert _list(known, "show", "bad", "x.example.org").splitlines() == [
        "x.example.org matches .example.org in bad, by name",
        "  note     why",
    ]
    assert _list(known, "show", "bad", "x.example") == "nothing in bad matches x.example\n"


def test_a_database_that_is_broken_is_told(known: Path, tmp_path: Path) -> None:
    (tmp_path / "asn.csv.gz").write_text("nonsense\n")
    assert "asn.csv.gz:1: neither a header" in _refused(known, "show", "bad", "192.0.2.7")


def test_running_daemons_take_it_over(tmp_path: Path, etc: Path) -> None:
    with Running("policyd", tmp_path), Smtpd(str(tmp_path / "policyd")) as smtpd:
        assert "not welcome" not in smtpd.ask(client_address="198.51.100.7")
        said = _list(etc, "add", "bad", "198.51.100.7")
        assert said == "bad: 198.51.100.7 added; policyd took it over\n"
        assert "not welcome" in smtpd.ask(client_address="198.51.100.7")
        _list(etc, "remove", "bad", "198.51.100.7", "--no-reload")
        assert "not welcome" in smtpd.ask(client_address="198.51.100.7")
        postward("reload", "--config", str(etc))
        assert "not welcome" not in smtpd.ask(client_address="198.51.100.7")


def test_many_at_once_lose_nothing(etc: Path) -> None:
    values = [f"host{number}.example" for number in range(12)]
    adding = [
        subprocess.Popen(
            [*COMMAND, "list", "add", "bad", value, "--config", str(etc)], stdout=subprocess.DEVNULL
        )
        for value in values
    ]
    assert [each.wait(60) for each in adding] == [0] * len(values)
    assert {row["value"] for row in _json(etc, "show", "bad")} == {*values, "192.0.2.66", "bad.example"}
    assert _bad(etc).startswith(BAD)


@pytest.mark.parametrize("command", ["add", "remove", "show", "expire"])
def test_each_command_shows_an_example(command: str) -> None:
    said = postward("list", command, "--help").output
    assert "Example" in said
    assert f"postward list {command}" in said


WHOLE = ["AS15169", "0.0.0.0/0", "::/0", "10.0.0.0/15"]


@pytest.mark.parametrize("value", WHOLE)
def test_a_whole_provider_is_refused_without_a_word_for_it(etc: Path, value: str) -> None:
    said = _refused(etc, "add", "bad", value)
    assert "the rule deny-client would refuse" in said
    assert value in said
    assert "--whole" in said
    assert "nothing was changed" in said


@pytest.mark.parametrize("value", WHOLE)
def test_a_whole_provider_is_refused_by_the_admin_s_word(etc: Path, value: str) -> None:
    _list(etc, "add", "bad", value, "--whole")
    assert f"value: {value}, added: " in _bad(etc).replace('"', "")
    assert _bad(etc).endswith("whole: true}\n")


def test_where_nothing_is_refused_a_whole_provider_may_stand(etc: Path) -> None:
    _list(etc, "add", "hosting", "10.0.0.0/8")


def test_an_override_that_refuses_counts_too(etc: Path) -> None:
    rules = RULES.replace("then: reject", "then: {score: 3}")
    rules += "overrides: [{for: {login: alice}, rules: {deny-client: {then: reject}}}]\n"
    (etc / "rules.d/site.yml").write_text(rules)
    assert "--whole" in _refused(etc, "add", "bad", "AS15169")


def test_an_as_number_without_a_database_is_warned_of(etc: Path) -> None:
    result = postward("list", "add", "hosting", "AS64500", "--config", str(etc))
    assert result.exit_code == 0
    assert "warning: hosting: AS64500: it matches nothing until networks: asn_file" in result.stderr


def test_an_as_number_with_a_database_is_not(tmp_path: Path) -> None:
    (tmp_path / "asn.csv").write_text("network,asn,name,country\n192.0.2.0/24,64500,Example,NL\n")
    etc = make(tmp_path, settings=f"networks: {{asn_file: {tmp_path}/asn.csv}}")
    result = postward("list", "add", "hosting", "AS64500", "--config", str(etc))
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_score_is_a_number(etc: Path) -> None:
    result = postward("list", "add", "bad", "new.example", "--score", "nan", "--config", str(etc))
    assert result.exit_code == 2
    assert "write one from -1000 to 1000" in result.stderr
