"""The database of networks behind the daemons: read at the start, again at a reload, kept when it breaks."""

from pathlib import Path

import pytest

from postward.daemon.configuration import configure
from tests.console.site import make
from tests.daemon.running import Running, Smtpd, milter_session

RULES = """
shipped: off
rules:
  - name: tolerant
    check: network
    with: {list: hosting}
    then: reject
    reason: "Your server {client_ip} stands in {network_entry} ({network_note})."
"""
LIST = "entries:\n  - {value: AS64500, note: test, whole: true}\n"


def _make(home: Path, doors: str = "[policyd, milter]") -> Path:
    etc = make(home, rules=RULES, settings=f"networks: {{asn_file: {home}/asn.csv}}\ndoors: {doors}\n")
    (etc / "lists/hosting.yml").write_text(LIST)
    (home / "asn.csv").write_text("192.0.2.0/24,64500,A\n")
    return etc


def test_policyd_reads_it_again_at_a_reload_and_keeps_it_when_it_breaks(tmp_path: Path) -> None:
    _make(tmp_path)
    with Running("policyd", tmp_path) as policyd, Smtpd(str(tmp_path / "policyd")) as smtpd:
        assert "stands in AS64500 (test)" in smtpd.ask()
        (tmp_path / "asn.csv").write_text("198.51.100.0/24,64500,A\n")
        assert "stands in" in smtpd.ask()
        policyd.reload()
        assert "stands in" not in smtpd.ask()
        assert "stands in" in smtpd.ask(client_address="198.51.100.1")
        (tmp_path / "asn.csv").write_text("198.51.100.0/24,64500,A\nnonsense,1\n")
        assert policyd.reload().error == ""
        assert "stands in" in smtpd.ask(client_address="198.51.100.1")
    assert f"{tmp_path}/asn.csv:2: 'nonsense' is no address; the one read before stays" in policyd.log


def test_a_milter_alone_reads_it_too(tmp_path: Path) -> None:
    _make(tmp_path, "[milter]")
    with Running("milter", tmp_path) as milter:
        session = milter_session(str(tmp_path / "milter"))
        session.close()
    assert f"{tmp_path}/asn.csv read" in milter.log


def test_a_milter_behind_policyd_does_not(tmp_path: Path) -> None:
    _make(tmp_path)
    with Running("milter", tmp_path) as milter:
        pass
    assert "asn.csv" not in milter.log


@pytest.mark.parametrize(("settings", "doubts"), [("", 1), ("networks: {asn_file: /x/asn.csv}", 0)])
def test_as_numbers_without_a_database_are_doubtful(tmp_path: Path, settings: str, doubts: int) -> None:
    etc = make(tmp_path, rules=RULES, settings=settings)
    (etc / "lists/hosting.yml").write_text(LIST)
    said = [str(doubt) for doubt in configure(etc).rules.doubts]
    assert len(said) == doubts
    assert all(
        "networks: AS numbers in lists (hosting) match nothing without asn_file" in each for each in said
    )
