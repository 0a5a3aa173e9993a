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
