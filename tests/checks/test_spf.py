"""The SPF check: hits on the results that it is asked for, unsure where the DNS was in trouble."""

import asyncio
import ipaddress
from typing import Any

import pytest

from postward.address import parse
from postward.checks.spf import Spf
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from tests.dns_zone import ZoneDns
from tests.pretend import look, tools

ZONE = """
pass.example.       TXT "v=spf1 +all"
fail.example.       TXT "v=spf1 -all exp=why.fail.example"
why.fail.example.   TXT "Send through mx.fail.example."
softfail.example.   TXT "v=spf1 ~all"
neutral.example.    TXT "v=spf1 ?all"
permerror.example.  TXT "v=spf1 what -all"
"""
RESULTS: list[Any] = ["pass", "fail", "softfail", "neutral", "none", "permerror", "temperror"]


def _look(check: Spf, sender: str, helo: str = "mx.example.net") -> Finding:
    mail = Mail().learn(
        Stage.MAIL,
        client_address=ipaddress.ip_address("192.0.2.1"),
        helo_name=helo,
        sender=parse(sender),
    )
    return asyncio.run(look(check, mail, tools(ZoneDns(ZONE, failing={"temperror.example": "SERVFAIL"}))))


@pytest.mark.parametrize("result", RESULTS)
def test_each_result_hits_when_asked_for(result: Any) -> None:
    found = _look(Spf((result,)), f"a@{result}.example")
    assert isinstance(found, Hit)
    assert found.reason == result
    assert (found.values["spf_result"], found.values["spf_domain"]) == (result, f"{result}.example")


@pytest.mark.parametrize("result", [each for each in RESULTS if each != "temperror"])
def test_other_results_are_clear(result: Any) -> None:
    others = tuple(each for each in RESULTS if each != result)
    assert _look(Spf(others), f"a@{result}.example") == Clear(result)


def test_trouble_is_unsure() -> None:
    found = _look(Spf(("fail", "none")), "a@temperror.example")
    assert isinstance(found, Unsure)
    assert "SERVFAIL" in found.why


def test_fail_is_what_it_looks_for_unasked() -> None:
    assert isinstance(_look(Spf(), "a@fail.example"), Hit)


def test_the_domains_own_words_are_offered() -> None:
    found = _look(Spf(), "a@fail.example")
    assert isinstance(found, Hit)
    assert found.values["spf_explanation"] == "Send through mx.fail.example."


def test_a_bounce_is_judged_by_its_helo() -> None:
    found = _look(Spf(), "<>", "fail.example")
    assert isinstance(found, Hit)
    assert found.detail == "fail helo=fail.example"
