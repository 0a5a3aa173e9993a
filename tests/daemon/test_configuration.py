"""A configuration directory as a whole."""

from pathlib import Path

import pytest

from postward.daemon import configuration
from postward.daemon.configuration import configure, reconfigure
from postward.rules.errors import ConfigErrors
from tests.console.site import make


def test_settings_and_rules_come_together(tmp_path: Path) -> None:
    read = configure(make(tmp_path))
    assert read.settings.authserv_id == "mx.example.org"
    assert [rule.name for rule in read.rules.rules] == ["deny-client", "odd-helo", "shadow-sender"]


def test_errors_of_both_come_at_once(tmp_path: Path) -> None:
    etc = make(tmp_path, rules="rules: 5\n", settings="zzz: 1\n")
    with pytest.raises(ConfigErrors) as caught:
        configure(etc)
    assert [Path(each.mark.file).name for each in caught.value.problems] == ["postward.yml", "site.yml"]


def test_a_fault_of_ours_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(directory: Path) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(configuration, "configure", broken)
    with pytest.raises(ConfigErrors, match="by a fault of Postward"):
        reconfigure(tmp_path)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("settings", "rules", "doubt"),
    [
        ("", "", "new-domain holds domains until a person decides, and nobody is told of it"),
        ("", "rules: [{name: new-domain, mode: shadow}]", ""),
        ("notify: {mail: {to: [a@example.org], from: b@example.org}}", "", ""),
        (
            "doors: [milter]\nnotify: {mail: {to: [a@example.org], from: b@example.org}}",
            "",
            "has no effect without policyd, which is not among the doors",
        ),
    ],
)
def test_a_hold_of_which_nobody_hears_is_doubted(
    tmp_path: Path, settings: str, rules: str, doubt: str
) -> None:
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "postward.yml").write_text(settings)
    (tmp_path / "rules.d" / "a.yml").write_text(rules)
    said = [each.text for each in configure(tmp_path).rules.doubts if each.path == ("notify",)]
    assert said == ([doubt] if doubt else [])
