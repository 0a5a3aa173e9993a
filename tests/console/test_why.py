"""`postward why`, on a real journal."""

import ipaddress
import json
from pathlib import Path

import pytest

from postward import journal
from postward.address import parse
from postward.daemon.start import findings_key
from postward.decision import Continue, Reject, Reply
from postward.finding import Clear, Hit
from postward.journal import Pseudonyms
from postward.mail import Mail
from postward.rules.judgement import Judged, Judgement
from postward.stage import Stage
from postward.store.journal import JournalWriter
from tests.console.site import make, postward

RULES = (
    Judged("helo-bad", "helo", Hit("bare_ip", "\x1b[2J"), "score", 3.0, "enforce", 0.001, ""),
    Judged("quiet", "spf", Clear(), "", 0.0, "enforce", 0.0, ""),
)
NOW = 1_795_000_000.0


def fill(home: Path, pseudonyms: Pseudonyms) -> None:
    """Two mails: one refused by policyd, one that went on to the milter."""
    writer = JournalWriter(
        home / "journal",
        keep_seconds=1e9,
        max_bytes=10**8,
        render=lambda record: journal.row(record, pseudonyms),
    )
    known = {
        "client_address": ipaddress.ip_address("192.0.2.7"),
        "helo_name": "[192.0.2.7]",
        "sender": parse("Alice@example.net"),
        "sasl_username": "",
        "recipient": parse("bob@example.org"),
    }
    rcpt = Mail(Stage.RCPT, known)
    end = Mail(Stage.EOM, {**known, "queue_id": "4bXyZ12345zQq"})
    refused = Reject(Reply(550, "5.7.1", "no"))
    for at, door, mail, trace, decision in (
        (NOW, "policyd", rcpt, "AAAA000001", refused),
        (NOW + 5, "policyd", rcpt, "AAAB000002", Continue()),
        (NOW + 6, "milter", end, "AAAB000002", Continue()),
    ):
        said = Judgement(trace, mail.stage, decision, "helo-bad", 3.0, RULES, (), None, 0.001)
        writer.write(journal.record(at, door, mail, said))
    writer.close()


@pytest.fixture
def etc(tmp_path: Path) -> str:
    etc = str(make(tmp_path))
    fill(tmp_path, Pseudonyms(None))
    return etc


def traces(etc: str, key: str, *more: str) -> list[str]:
    result = postward("why", key, "--json", "--config", etc, *more)
    assert result.exit_code == 0, result.stderr
    return [entry["trace"] for entry in json.loads(result.output)]


def test_a_trace_id_gives_a_timeline(etc: str) -> None:
    text = postward("why", "AAAA000001", "--config", etc).output
    assert "Mail AAAA000001" in text
    assert "REJECT by helo-bad" in text
    assert "answered: 550 5.7.1 no" in text
    assert "\x1b" not in text


def test_the_first_characters_are_enough(etc: str) -> None:
    assert traces(etc, "AAAA") == ["AAAA000001"]
    assert traces(etc, "aaab00") == ["AAAB000002", "AAAB000002"]


def test_a_queue_id_brings_the_whole_mail(etc: str) -> None:
    assert traces(etc, "4bXyZ12345zQq") == ["AAAB000002", "AAAB000002"]


@pytest.mark.parametrize("address", ["alice@example.net", "Bob@Example.org"])
def test_an_address_brings_its_mails_newest_first(etc: str, address: str) -> None:
    assert traces(etc, address) == ["AAAB000002", "AAAB000002", "AAAA000001"]
    assert traces(etc, address, "--limit", "1") == ["AAAB000002", "AAAB000002"]


def test_a_pseudonym_is_found_by_the_address(tmp_path: Path) -> None:
    etc = str(make(tmp_path))
    fill(tmp_path, Pseudonyms(findings_key(tmp_path / "findings.key")))
    assert "alice" not in postward("why", "AAAA000001", "--config", etc).output
    assert traces(etc, "alice@example.net")[-1] == "AAAA000001"


def test_nothing_found_is_said(etc: str) -> None:
    result = postward("why", "ZZZZ999999", "--config", etc)
    assert result.exit_code == 1
    assert "the journal knows nothing of ZZZZ999999" in result.stderr


def test_a_site_without_journal_is_told(tmp_path: Path, etc: str) -> None:
    path = tmp_path / "etc/postward.yml"
    path.write_text(path.read_text().replace(f"journal: {{path: {tmp_path}/journal}}", "journal: off"))
    result = postward("why", "AAAA", "--config", etc)
    assert result.exit_code == 1
    assert "this site keeps no journal" in result.stderr


def test_before_the_first_mail_there_is_no_journal(tmp_path: Path) -> None:
    result = postward("why", "AAAA", "--config", str(make(tmp_path)))
    assert result.exit_code == 1
    assert "there is no journal at" in result.stderr


def test_the_others_are_shown_on_request(etc: str) -> None:
    assert "quiet" in postward("why", "AAAA000001", "--all", "--config", etc).output


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_is_one_or_more(tmp_path: Path, limit: str) -> None:
    result = postward("why", "alice@example.org", "--limit", limit, "--config", str(make(tmp_path)))
    assert result.exit_code == 2
    assert "--limit" in result.stderr


def test_within_a_millisecond_the_stages_tell_the_order(tmp_path: Path) -> None:
    etc = str(make(tmp_path))
    writer = JournalWriter(
        tmp_path / "journal",
        keep_seconds=1e9,
        max_bytes=10**8,
        render=lambda record: journal.row(record, Pseudonyms(None)),
    )
    for stage, door in ((Stage.EOM, "milter"), (Stage.EOM, "policyd"), (Stage.DATA, "policyd")):
        said = Judgement("AAAA000009", stage, Continue(), "", 0.0, RULES, (), None, 0.001)
        writer.write(journal.record(NOW, door, Mail(stage, {"queue_id": "4Q9"}), said))
    writer.close()
    shown = json.loads(postward("why", "4Q9", "--json", "--config", etc).output)
    assert [entry["door"] for entry in shown] == ["policyd", "policyd", "milter"]
