"""`postward reload`, with real daemons."""

from pathlib import Path

import pytest

from tests.console.site import RULES, make, postward
from tests.daemon.running import Running

OTHER = RULES.replace("is not welcome", "has to stay outside")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    return make(tmp_path)


def test_both_daemons_take_the_new_rules_over(tmp_path: Path, etc: Path) -> None:
    with Running("policyd", tmp_path) as policyd, Running("milter", tmp_path) as milter:
        (etc / "rules.d/site.yml").write_text(OTHER)
        result = postward("reload", "--config", str(etc))
        assert result.exit_code == 0, result.stderr
        states = [policyd.state, milter.state]
        digests = {state.digest for state in states if state is not None}
        assert len(digests) == 1
        (digest,) = digests
        assert result.output == f"milter: runs {digest}\npolicyd: runs {digest}\n"


def test_bad_rules_are_not_even_sent(tmp_path: Path, etc: Path) -> None:
    with Running("policyd", tmp_path) as policyd:
        (etc / "rules.d/site.yml").write_text("rules: 5\n")
        result = postward("reload", "--config", str(etc))
        assert result.exit_code == 1
        assert "site.yml:1:8: rules: " in result.stderr
        assert "nothing was reloaded: the daemons keep their rules" in result.stderr
        assert policyd.state is not None
        assert policyd.state.reloads == 0


def test_without_a_daemon_it_says_so(etc: Path) -> None:
    result = postward("reload", "--config", str(etc))
    assert result.exit_code == 1
    assert "no daemon of this configuration runs" in result.stderr


def test_a_daemon_that_was_killed_is_not_counted(tmp_path: Path, etc: Path) -> None:
    with Running("policyd", tmp_path) as policyd:
        policyd.process.kill()
        policyd.process.wait(20)
        assert policyd.state is not None
        result = postward("reload", "--config", str(etc))
    assert result.exit_code == 1
    assert "no daemon of this configuration runs" in result.stderr


def test_a_door_that_is_down_is_told_after_the_others_are_done(tmp_path: Path, etc: Path) -> None:
    with Running("policyd", tmp_path):
        result = postward("reload", "--config", str(etc))
    assert result.exit_code == 1
    assert result.stdout.startswith("policyd: runs ")
    assert "milter: does not run, though postward.yml names it in doors" in result.stderr
