"""Placement: each rule is judged at one door, at the first stage that knows its facts."""

from pathlib import Path

import pytest

from postward.rules.load import load
from postward.rules.ruleset import Ruleset
from postward.stage import Door, Stage
from tests.house import BOTH, write_config

POLICYD, MILTER = frozenset({Door.POLICYD}), frozenset({Door.MILTER})
NO_ROOM = "{of: login, count: messages, windows: [{limit: 1, seconds: 60}]}"


def _load(tmp_path: Path, line: str, doors: frozenset[Door] = BOTH) -> Ruleset:
    write_config(tmp_path, f"shipped: off\nrules: [{{name: x, {line}}}]\n")
    return load(tmp_path, doors)


@pytest.mark.parametrize(
    ("line", "door", "stage"),
    [
        ("check: list, with: {match: client, list: deny-clients}, then: reject", Door.POLICYD, Stage.CONNECT),
        ("check: list, with: {match: helo, list: deny-helos}, then: reject", Door.POLICYD, Stage.HELO),
        ("check: list, with: {match: sender, list: deny-senders}, then: reject", Door.POLICYD, Stage.MAIL),
        ("check: list, with: {match: recipient, list: deny-senders}, then: defer", Door.POLICYD, Stage.RCPT),
        (f"check: limit, with: {NO_ROOM}, then: defer", Door.POLICYD, Stage.DATA),
        ("check: from_header, with: {verdict: none}, then: reject", Door.MILTER, Stage.EOM),
        ("check: spf, then: tag", Door.MILTER, Stage.EOM),
        ('check: spf, then: {tag: {subject: "[X]"}}', Door.MILTER, Stage.EOM),
        ("check: spf, then: watch, unsure: tag", Door.MILTER, Stage.EOM),
        ("check: spf, then: watch, at: milter", Door.MILTER, Stage.MAIL),
        ("check: spf, then: watch, stage: rcpt", Door.POLICYD, Stage.RCPT),
        ("check: spf, then: watch, stage: eom, at: milter", Door.MILTER, Stage.EOM),
        ("check: rdns, with: {verdict: missing}, then: hold", Door.POLICYD, Stage.MAIL),
        ("check: rdns, with: {verdict: missing}, when: [tls], then: watch", Door.POLICYD, Stage.HELO),
        (
            "check: rdns, with: {verdict: missing}, when: [{recipient_domain: a.org}], then: watch",
            Door.POLICYD,
            Stage.RCPT,
        ),
    ],
)
def test_door_and_stage(tmp_path: Path, line: str, door: Door, stage: Stage) -> None:
    [rule] = _load(tmp_path, line).rules
    assert (rule.door, rule.stage) == (door, stage)


@pytest.mark.parametrize("doors", [POLICYD, MILTER])
def test_a_site_with_one_door_has_its_rules_there(tmp_path: Path, doors: frozenset[Door]) -> None:
    [rule] = _load(tmp_path, "check: spf, then: watch", doors).rules
    assert {rule.door} == doors


@pytest.mark.parametrize(
    ("doors", "without"),
    [(POLICYD, {"from-none", "from-several", "from-unparsable"}), (MILTER, {"greylist"})],
)
def test_a_site_with_one_door_goes_without_what_that_cannot_judge(
    tmp_path: Path, doors: frozenset[Door], without: set[str]
) -> None:
    every = {rule.name for rule in load(tmp_path, BOTH).rules}
    assert every - {rule.name for rule in load(tmp_path, doors).rules} == without


def test_the_stages_at_which_something_may_be_decided(tmp_path: Path) -> None:
    rules = _load(tmp_path, "check: spf, then: watch")
    assert rules.stages(Door.POLICYD) == {Stage.MAIL}


def test_the_milter_decides_at_the_end_what_policyd_scored(tmp_path: Path) -> None:
    assert _load(tmp_path, "check: spf, then: watch").stages(Door.MILTER) == {Stage.EOM}


def test_without_policyd_nothing_is_carried(tmp_path: Path) -> None:
    assert not _load(tmp_path, "check: spf, then: watch", MILTER).carries


def test_a_rule_that_is_off_is_at_no_stage(tmp_path: Path) -> None:
    rules = _load(tmp_path, "check: spf, then: watch, mode: off")
    assert rules.stages(Door.POLICYD) == rules.stages(Door.MILTER) == frozenset()


def test_a_rule_is_due_from_its_stage_on(tmp_path: Path) -> None:
    rules = _load(tmp_path, "check: spf, then: watch")
    due = [stage for stage in Stage if rules.any_due(Door.POLICYD, stage)]
    assert due == [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.EOM]


def test_a_recipients_rule_is_due_at_rcpt_only(tmp_path: Path) -> None:
    rules = _load(tmp_path, "check: list, with: {match: recipient, list: deny-recipients}, then: reject")
    assert [stage for stage in Stage if rules.any_due(Door.POLICYD, stage)] == [Stage.RCPT]


@pytest.mark.parametrize(
    ("line", "door", "facts"),
    [
        ("check: spf, then: watch", Door.POLICYD, {"client_address", "helo_name", "sender"}),
        ("check: from_header, with: {verdict: none}, then: reject", Door.MILTER, {"headers"}),
        ("check: helo, with: {verdict: missing}, when: [tls], then: watch", Door.POLICYD,
         {"helo_name", "encryption_protocol"}),
        ('check: helo, with: {verdict: missing}, then: {tag: {subject: "[X]"}}', Door.MILTER,
         {"helo_name", "headers"}),
        ('check: helo, with: {verdict: missing}, then: reject, reason: "{client_ip}"', Door.POLICYD,
         {"helo_name", "client_address"}),
    ],
)  # fmt: skip
def test_the_facts_that_the_rules_at_a_door_read(
    tmp_path: Path, line: str, door: Door, facts: set[str]
) -> None:
    assert _load(tmp_path, line).needs(door) == facts
