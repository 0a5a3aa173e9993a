"""How a mail's decisions are shown to a person."""

import io

from rich.console import Console

from postward.console import timeline
from postward.journal import Entry, RuleEntry

HIT = RuleEntry("helo-bad", "helo", "hit", "[192.0.2.7]", "enforce", 0.2, "bare_ip", "score", 3.0)
SHADOW = RuleEntry("try-it", "rdns", "hit", "", "shadow", 1.0, "missing", "reject")
CLEAR = RuleEntry("quiet", "spf", "clear")


def entry(**changes: object) -> Entry:
    plain = Entry(
        time=1_795_000_000.25,
        trace="7QK2M8XW4T",
        door="policyd",
        stage="rcpt",
        queue_id="",
        client="192.0.2.7",
        client_name="unknown",
        helo="[192.0.2.7]",
        listener="inbound",
        login="",
        sender="a@example.net",
        recipients=("b@example.org",),
        decision="reject",
        reply="550 5.7.1 no",
        by="helo-bad",
        score=3.0,
        would="",
        ms=1.5,
        rules=(HIT, SHADOW, CLEAR),
    )
    return plain._replace(**changes)  # type: ignore[arg-type]


def shown(*mails: tuple[Entry, ...], every: bool = False) -> str:
    out = io.StringIO()
    timeline.show(mails, every=every, console=Console(file=out, width=160, highlight=False))
    return out.getvalue()


def test_the_decision_its_rule_its_reply_and_its_time() -> None:
    text = shown((entry(),))
    assert "Mail 7QK2M8XW4T" in text
    assert "REJECT by helo-bad  score 3  1.5 ms" in text
    assert "answered: 550 5.7.1 no" in text
    assert "hit: bare_ip" in text
    assert "+3" in text


def test_a_shadow_rule_is_marked_as_not_done() -> None:
    assert "reject (shadow: not done)" in shown((entry(would="reject"),))
    assert "with every rule enforced: REJECT" in shown((entry(would="reject"),))


def test_rules_that_found_nothing_are_counted_or_shown() -> None:
    assert "1 other rules found nothing" in shown((entry(),))
    assert "quiet" not in shown((entry(),))
    assert "quiet" in shown((entry(),), every=True)


def test_the_queue_id_of_a_later_decision_stands_at_the_head() -> None:
    later = entry(
        stage="eom", door="milter", queue_id="4bXyZ12345zQq", decision="continue", reply="", rules=()
    )
    assert "queue id 4bXyZ12345zQq" in shown((entry(), later))


def test_several_mails_are_kept_apart() -> None:
    assert shown((entry(),), (entry(trace="0000000000"),)).count("Mail ") == 2


def test_nothing_from_mail_is_markup_or_moves_the_cursor() -> None:
    evil = "[bold red]x[/]\x1b[2J\x9b"
    text = shown((entry(helo=evil, sender=evil, reply=evil, rules=(HIT._replace(detail=evil),)),))
    assert "\x1b" not in text
    assert "\x9b" not in text
    assert text.count("[bold red]x[/]\\x1b[2J\\x9b") >= 3
