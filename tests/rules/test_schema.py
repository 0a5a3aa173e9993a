"""The JSON Schema: it takes what loading takes, and warns of what it can see."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from postward.rules.document import parse, read
from postward.rules.errors import ConfigErrors
from postward.rules.load import SHIPPED
from postward.rules.schema import schema
from tests.rules.blocks import Block, blocks

VALIDATOR = jsonschema.Draft202012Validator(schema())
WRONG = Path(__file__).parent / "wrong"


def _wrong(name: str) -> list[Block]:
    return list(blocks((WRONG / f"{name}.txt").read_text(encoding="utf-8")))


def _valid(text: str) -> bool:
    return bool(VALIDATOR.is_valid(parse(text.encode(), "f").data))


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_shipped_file_is_this_schema() -> None:
    shipped = (SHIPPED / "rules.schema.json").read_text()
    assert shipped == json.dumps(schema(), indent=2) + "\n", "run scripts/docs"


def test_the_shipped_rules_are_valid() -> None:
    VALIDATOR.validate(read(SHIPPED / "rules.yml").data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shipped: off\nholds: {for: 12h, remind: [1h], on_deadline: defer}\n",
        "thresholds: {greylist: 4.5, reject: off}\n",
        "rules: [{name: greylist, mode: shadow}]\n",
        "rules: [{name: greylist, mode: {canary: 10%}, until: 2027-01-31}]\n",
        "rules: [{name: greylist, mode: canary 0.5%}]\n",
        "rules: [{name: greylist, until: never}]\n",
        "rules: [{name: x, check: greylist, with: {delay: 5m, keep: 35d}, then: defer}]\n",
        "rules: [{name: x, check: spf, then: {reject: {code: 554, enhanced: 5.7.23}}, unsure: defer}]\n",
        "rules: [{name: x, check: spf, then: tag, when: [tls, {score: 3}], unless: [{listener: [a, b]}]}]\n",
        "overrides: [{for: {login: a}, rules: {greylist: {mode: off}}, thresholds: {reject: 20}}]\n",
    ],
)
def test_what_is_right_is_valid(text: str) -> None:
    assert _valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "rule: []",
        "rules: [{check: spf, then: reject}]",
        "rules: [{name: X, check: spf, then: reject}]",
        "rules: [{name: x, check: sfp, then: reject}]",
        "rules: [{name: x, check: rdns, with: {verdict: absent}, then: reject}]",
        "rules: [{name: x, check: greylist, with: {delay: 0}, then: defer}]",
        "rules: [{name: x, check: greylist, with: {delay: 5min}, then: defer}]",
        "rules: [{name: x, check: limit, with: {of: login, count: all, windows: []}, then: defer}]",
        "rules: [{name: x, check: spf, with: {verdict: missing}, then: reject}]",
    ],
)
def test_what_is_wrong_is_not(text: str) -> None:
    assert not _valid(text)


UNSEEN = {
    # What only loading can know: doors, stages, lists, other files, what texts may name.
    "rules": {
        "a hold that lasts for ever",
        "a hold that lasts no time",
        "a name that stands twice",
        "a new rule without a check",
        "a misspelt name of a shipped rule",
        "a rule without then",
        "a date that does not exist",
        "a canary's share above everything",
        "a canary's share of nothing",
    },
    "checks": {
        "an option that is missing",
        "a list that there is not",
        "a list named with its file's ending",
        "a list outside of its folder",
        "a window of no room",
        "another check for a shipped rule, with the old one's options",
    },
    "outcomes": {
        "a tag in a field of MIME",
        "a tag in a field of RFC 5322",
        "a tag in a field of ours",
        "a tag in a field that says who is who",
        "a tag in a trace field",
    },
    "conditions": {
        "a condition that stands in when and in unless",
        "a domain that is none",
        "an address where a domain should be",
        "a list that there is not",
    },
    "overrides": {
        "an override for a domain that is none",
        "an override of a rule that there is not",
        "an outcome in an override that the rule's door cannot spell",
    },
}


@pytest.mark.parametrize("name", UNSEEN)
def test_it_warns_of_what_it_can_see_in_the_wrong_configurations(name: str) -> None:
    passed = {block.name for block in _wrong(name) if all(map(_passes, block.files.items()))}
    assert passed == UNSEEN[name]


def _passes(file: tuple[str, bytes]) -> bool:
    path, octets = file
    if not path.startswith("rules.d/"):
        return True
    try:
        return bool(VALIDATOR.is_valid(parse(octets, path).data))
    except ConfigErrors:
        return False


def test_everything_is_described() -> None:
    made = schema()
    rule: dict[str, Any] = made["$defs"]["rule"]["properties"]
    for each in (*made["properties"].values(), *rule.values()):
        assert each["description"].endswith(".")
    for name, definition in made["$defs"].items():
        if name.startswith("with-"):
            assert all(option["description"] for option in definition["properties"].values())
