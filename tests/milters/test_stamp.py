"""Our own fields, and the forged ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters import stamp
from milters.actions import ChangeHeader, InsertHeader
from milters.answer import spell
from milters.field import MAX_LINE
from milters.settings import MilterSettings
from postward.carried import Carried, CarriedSpf, seal
from postward.decision import AddHeader, Continue
from postward.finding import Hit
from postward.mail import HeaderField, Mail
from postward.rules.judgement import Judged, Judgement
from postward.stage import Stage

SETTINGS = MilterSettings("mx.example.org")
KEY = b"key"
OURS = [
    b" mx.example.org; dkim=pass",
    b" MX.example.org.; dkim=pass",
    b' "mx.example.org" 1; dkim=pass',
    b" (x) mx.example.org (y) 1; dkim=pass",
    b"\r\n\tmx.example.org;\r\n\tdkim=pass",
    b"",
]
NAMES = [b"Authentication-Results", b"authentication-RESULTS", b"Authentication-Results "]


def results(value: bytes, name: bytes = b"Authentication-Results") -> HeaderField:
    return HeaderField(name, value)


def left(headers: list[HeaderField]) -> list[HeaderField]:
    """What an MTA has left after it has done our changes, one after the other."""
    kept = list(headers)
    for change in spell(stamp.forged(headers, SETTINGS), (), True):
        assert isinstance(change, ChangeHeader)
        same = [
            at for at, field in enumerate(kept) if field.name.strip().lower() == change.name.lower().encode()
        ]
        del kept[same[change.occurrence - 1]]
    return kept


@pytest.mark.parametrize("copies", [1, 3, 5, 8, 60, 300])
def test_no_forged_copy_survives_and_every_other_does(copies):
    """THREATS A13."""
    other = results(b" other.example; dkim=pass")
    forged = [results(OURS[at % len(OURS)], NAMES[at % len(NAMES)]) for at in range(copies)]
    mixed = [field for each in forged for field in (other, each)]
    assert left(mixed) == [other] * copies


@given(st.lists(st.sampled_from([*OURS, b" a.example; x", b" b.example"]), max_size=30))
def test_whatever_the_order_only_other_ids_are_left(values):
    assert left([results(value) for value in values]) == [
        results(value) for value in values if value not in OURS
    ]


def test_foreign_results_stay_where_ours_are_not_wanted():
    settings = MilterSettings("mx.example.org", authentication_results=False)
    assert stamp.forged([results(OURS[0])], settings) == ()


def test_genuine_findings_are_told():
    told = Carried("0TRACE0000", 2.5, hits=(("rdns", 2.5),))
    field = HeaderField(b"X-Postward-Findings", b" " + seal(KEY, "4ABC", told).encode())
    assert stamp.unseal([field], KEY, "4ABC") == told
    assert stamp.unseal([HeaderField(b"Received-SPF", b" pass"), field], KEY, "4ABC") == told


@pytest.mark.parametrize("queue_id", ["4OTHER", ""])
def test_findings_of_another_message_are_nothing(queue_id):
    field = HeaderField(b"X-Postward-Findings", b" " + seal(KEY, "4ABC", Carried("t")).encode())
    assert stamp.unseal([field], KEY, queue_id) is None


def test_findings_after_the_message_began_are_nothing():
    field = HeaderField(b"X-Postward-Findings", b" " + seal(KEY, "4ABC", Carried("t")).encode())
    assert stamp.unseal([HeaderField(b"From", b" x"), field], KEY, "4ABC") is None


@given(st.binary(max_size=300))
def test_any_findings_are_read_without_an_exception(value):
    assert stamp.unseal([HeaderField(b"X-Postward-Findings", value)], KEY, "4ABC") is None


def test_the_verdict_names_the_rules_of_both_doors():
    judged = (
        Judged("from-header", "from", Hit("several"), "score", 1.5, "enforce", 0.0),
        Judged("shadow", "x", Hit("y"), "score", 9.0, "shadow", 0.0),
        Judged("silent", "x", None, "", 0.0, "enforce", 0.0),
    )
    judgement = Judgement("0TRACE0000", Stage.EOM, Continue(), "", 4.0, judged)
    told = Carried("0TRACE0000", 2.5, hits=(("rdns", 2.5),))
    assert stamp.verdict(judgement, Continue(), told) == AddHeader(
        "X-Postward-Verdict", "continue; score=4; rules=rdns:2.5,from-header:1.5; trace=0TRACE0000"
    )


def test_spf_is_told_with_its_identity():
    mail = Mail(Stage.EOM, {"sasl_username": ""})
    spf = CarriedSpf("fail", "helo", "client.example", "not permitted")
    assert stamp.results("mx.example.org", mail, spf).value == (
        'mx.example.org; spf=fail reason="not permitted" smtp.helo=client.example'
    )


def test_a_login_is_told_instead_of_spf():
    mail = Mail(Stage.EOM, {"sasl_username": "joe"})
    value = stamp.results("mx.example.org", mail, CarriedSpf("fail", "helo", "x")).value
    assert value == "mx.example.org; auth=pass"


@given(st.text(max_size=400), st.text(max_size=400), st.text(max_size=400))
def test_no_field_of_ours_breaks_a_line(login, value, reason):
    """THREATS B3."""
    mail = Mail(Stage.EOM, {"sasl_username": login})
    judged = (Judged(value, "x", Hit("y"), "score", 1.0, "enforce", 0.0),)
    judgement = Judgement(reason, Stage.EOM, Continue(), "", 1.0, judged)
    edits = [
        stamp.verdict(judgement, Continue(), None),
        stamp.results("mx.example.org", mail, CarriedSpf("pass", "mailfrom", value, reason)),
    ]
    for action in spell((), edits, True):
        assert isinstance(action, InsertHeader)
        assert action.value.isascii()
        for line in f"{action.name}:{action.value}".split("\n"):
            assert line.isprintable()
            assert len(line) <= MAX_LINE
