"""From fields: none, several, unparsable; each is found by its own verdict."""

import asyncio
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.checks.from_header import FromHeader
from postward.finding import Clear, Finding, Hit
from postward.mail import HeaderField, Mail
from postward.stage import Stage
from tests.pretend import look, tools

Verdict = Literal["none", "several", "unparsable"]
VERDICTS: tuple[Verdict, ...] = ("none", "several", "unparsable")


def _look(verdict: Verdict, *values: bytes, name: bytes = b"From") -> Finding:
    headers = (HeaderField(b"Subject", b" hello"), *(HeaderField(name, value) for value in values))
    mail = Mail().learn(Stage.EOM, headers=headers)
    return asyncio.run(look(FromHeader(verdict), mail, tools()))


CASES: list[tuple[tuple[bytes, ...], set[Verdict]]] = [
    ((b" Alice <alice@example.org>",), set()),
    ((b" alice@example.org, bob@EXAMPLE.org",), set()),
    ((), {"none"}),
    ((b"",), {"none"}),
    ((b" undisclosed-recipients:;",), {"none"}),
    ((b" alice@example.org", b" alice@example.org"), {"several"}),
    ((b" alice@example.org, mallory@example.net",), {"several"}),
    ((b" <alice@example.org>mallory@example.net",), {"unparsable"}),
    ((b" nobody",), {"unparsable"}),
    ((b" alice@example.org", b" <"), {"several", "unparsable"}),
]


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize(("values", "faults"), CASES)
def test_each_fault_is_found_by_its_verdict(
    values: tuple[bytes, ...], faults: set[Verdict], verdict: Verdict
) -> None:
    found = _look(verdict, *values)
    if verdict in faults:
        assert isinstance(found, Hit)
        assert found.reason == verdict
        assert found.values["problem"] == found.detail != ""
    else:
        assert isinstance(found, Clear)


def test_a_sender_field_does_not_stand_in_for_an_author() -> None:
    assert isinstance(_look("none", b" alice@example.org", name=b"Sender"), Hit)


def test_a_name_with_a_blank_counts() -> None:
    assert isinstance(_look("several", b" a@b.org", b" c@d.org", name=b"From "), Hit)


@pytest.mark.parametrize("verdict", VERDICTS)
@given(
    values=st.lists(st.binary(max_size=120), max_size=4), name=st.sampled_from([b"From", b"from ", b"\xff"])
)
def test_no_header_breaks_it(verdict: Verdict, values: list[bytes], name: bytes) -> None:
    found = _look(verdict, *values, name=name)
    assert isinstance(found, Clear | Hit)
