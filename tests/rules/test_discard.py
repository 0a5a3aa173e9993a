"""A discard is silent, so it must never reach a recipient who was to get the mail."""

from pathlib import Path

import pytest

from postward.decision import Continue, Discard, Reject
from postward.rules.errors import ConfigErrors
from postward.rules.load import load
from postward.rules.ruleset import Ruleset
from postward.stage import Door, Stage
from tests.house import BOTH, write_config
from tests.rules.judging import HIT, Bench, recipient, rule, rules

POLICYD = frozenset({Door.POLICYD})
BY_RECIPIENT = "check: list, with: {match: recipient, list: deny-senders}"
BY_SENDER = "check: list, with: {match: sender, list: deny-senders}"
FOR_BOB = "overrides: [{for: {recipient: bob@example.org}, rules: {x: %s}}]"


def _load(tmp_path: Path, line: str, override: str = "", doors: frozenset[Door] = BOTH) -> Ruleset:
    overrides = FOR_BOB % override if override else ""
    write_config(tmp_path, f"shipped: off\nrules: [{{name: x, {line}}}]\n{overrides}\n")
    return load(tmp_path, doors)


def test_for_one_recipient_it_is_the_milters(tmp_path: Path) -> None:
    [placed] = _load(tmp_path, f"{BY_RECIPIENT}, then: discard").rules
    assert (placed.door, placed.stage) == (Door.MILTER, Stage.RCPT)


def test_for_the_whole_message_policyd_can_say_it(tmp_path: Path) -> None:
    [placed] = _load(tmp_path, f"{BY_SENDER}, then: discard").rules
    assert (placed.door, placed.stage) == (Door.POLICYD, Stage.MAIL)


@pytest.mark.parametrize(
    ("line", "override"),
    [
        (f"{BY_RECIPIENT}, then: discard", ""),
        (f"{BY_RECIPIENT}, then: watch, unsure: discard", ""),
        (f"{BY_SENDER}, then: discard", "{mode: off}"),
        (f"{BY_SENDER}, then: watch", "{then: discard}"),
    ],
)
def test_without_a_milter_it_is_refused(tmp_path: Path, line: str, override: str) -> None:
    with pytest.raises(ConfigErrors, match="policyd: cannot discard for one recipient"):
        _load(tmp_path, line, override, POLICYD)


def test_for_some_recipients_it_cannot_be_at_the_end_of_the_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="cannot discard for some recipients at stage eom"):
        _load(tmp_path, "check: from_header, with: {verdict: none}, then: discard", "{mode: off}")


def _bench(tmp_path: Path, override: str, then: str) -> Bench:
    bench = Bench(tmp_path, rules(rule("x", then), before=FOR_BOB % override), door=Door.MILTER)
    bench.finds["x"] = HIT
    return bench


def test_an_override_discards_for_its_recipient_alone(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "{then: discard}", "watch")
    assert isinstance(bench.decide(**recipient("bob@example.org")), Discard)
    assert isinstance(bench.decide(**recipient("alice@example.org")), Continue)
    assert isinstance(bench.decide(Stage.EOM), Continue)


def test_an_override_spares_its_recipient_alone(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "{mode: off}", "discard")
    assert isinstance(bench.decide(Stage.MAIL), Continue)
    assert isinstance(bench.decide(**recipient("bob@example.org")), Continue)
    assert isinstance(bench.decide(**recipient("alice@example.org")), Discard)
    assert isinstance(bench.decide(Stage.EOM), Continue)


def test_the_score_of_a_recipient_who_does_not_get_it_does_not_count(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        rules(
            rule("x", "discard", reads="recipient"),
            rule("y", "{score: 5}", reads="recipient", at="milter"),
            before="thresholds: {reject: 5}",
        ),
        door=Door.MILTER,
    )
    bench.finds["x"] = bench.finds["y"] = HIT
    assert isinstance(bench.decide(**recipient("bob@example.org")), Discard | Reject)
    bench.finds.clear()
    assert isinstance(bench.decide(**recipient("alice@example.org")), Continue)
    assert isinstance(bench.decide(Stage.EOM), Continue)
