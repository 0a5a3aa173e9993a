"""Whose policy is asked, what hostile policies can do, and how long a result is remembered."""

import asyncio
import ipaddress
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postward.address import parse
from postward.derive.spf import RESULTS, SpfResult, spf
from postward.derive.spf_record import MAX_QUERIES
from postward.mail import Mail
from postward.stage import Stage
from tests.dns_zone import ZoneDns
from tests.pretend import Clock, tools

CLIENT = "192.0.2.1"


def _mail(
    sender: str = "alice@example.org", helo: str = "mx.example.net", client: str | None = CLIENT
) -> Mail:
    return Mail().learn(
        Stage.MAIL,
        client_address=ipaddress.ip_address(client) if client else None,
        helo_name=helo,
        sender=parse(sender),
    )


def _spf(dns: ZoneDns | str, mail: Mail | None = None, clock: Clock | None = None) -> SpfResult:
    zone = ZoneDns(dns) if isinstance(dns, str) else dns
    return asyncio.run(spf(mail or _mail(), tools(zone, clock=clock)))


def test_the_senders_domain_is_asked() -> None:
    found = _spf('example.org. TXT "v=spf1 ip4:192.0.2.0/24 -all"')
    assert found == SpfResult("pass", "mailfrom", "example.org")


def test_a_bounce_is_asked_for_by_its_helo() -> None:
    found = _spf('mx.example.net. TXT "v=spf1 a:mx.example.net -all"', _mail("<>"))
    assert found == SpfResult("fail", "helo", "mx.example.net")


@pytest.mark.parametrize(
    "sender", ["<(any@legit.example>", "any", "<@>", "a@b@", "a@-", "a@[192.0.2.1]", "a@x\0y.z"]
)
def test_an_odd_sender_never_gets_the_pass_of_its_helo(sender: str) -> None:
    found = _spf('mx.example.net. TXT "v=spf1 +all"', _mail(sender))
    assert (found.result, found.identity) == ("none", "mailfrom")


@pytest.mark.parametrize("helo", ["", "[192.0.2.1]", "localhost", "bad name", "x" * 500, "\udcff\0.example"])
def test_a_bounce_with_an_odd_helo_has_no_policy(helo: str) -> None:
    assert _spf("", _mail("<>", helo)).result == "none"


def test_mail_by_sendmail_has_no_client_to_ask_about() -> None:
    assert _spf("", _mail(client=None)).result == "none"


def test_a_wrapped_ipv4_client_is_an_ipv4_client() -> None:
    assert (
        _spf('example.org. TXT "v=spf1 ip4:192.0.2.1 -all"', _mail(client="::ffff:192.0.2.1")).result
        == "pass"
    )


def test_a_quoted_at_does_not_move_the_domain() -> None:
    found = _spf('example.org. TXT "v=spf1 +all"', _mail('"a@evil.example"@example.org'))
    assert (found.result, found.value) == ("pass", "example.org")


@pytest.mark.parametrize(
    "query", ["example.org TXT", "mail.example.org A", "other.example TXT", "example.org MX"]
)
@pytest.mark.parametrize("why", ["SERVFAIL", "timeout"])
def test_trouble_is_temperror(query: str, why: str) -> None:
    zone = """
        example.org.      TXT "v=spf1 a:mail.example.org include:other.example mx -all"
        mail.example.org. A   192.0.2.9
        other.example.    TXT "v=spf1 ?all"
        example.org.      MX  10 mail.example.org.
    """
    found = _spf(ZoneDns(zone, failing={query: why}))
    assert found.result == "temperror"
    assert why in found.problem


def test_trouble_behind_a_match_does_not_matter() -> None:
    dns = ZoneDns(
        'example.org. TXT "v=spf1 ip4:192.0.2.1 a:bad.example -all"', failing={"bad.example": "timeout"}
    )
    assert _spf(dns).result == "pass"


def test_trouble_under_ptr_passes_over_the_name() -> None:
    zone = """
        example.org. TXT "v=spf1 ptr -all"
        1.2.0.192.in-addr.arpa. PTR bad.example.
        1.2.0.192.in-addr.arpa. PTR mx.example.org.
        mx.example.org. A 192.0.2.1
    """
    assert _spf(ZoneDns(zone, failing={"bad.example": "SERVFAIL"})).result == "pass"


def test_what_may_be_needed_is_asked_for_at_the_same_time() -> None:
    zone = 'example.org. TXT "v=spf1 a:a.example include:b.example mx:c.example exists:d.example -all"'
    zone += "".join(f"\n{name}.example. A 192.0.2.9" for name in "abcd")
    zone += '\nb.example. TXT "v=spf1 ?all"\nc.example. MX 1 a.example.'
    rounds: list[int] = []

    class Rounds(ZoneDns):
        """Answers all that was asked in one turn of the loop together."""

        async def _ask(self, name: str, kind: str) -> object:  # type: ignore[override]  # any answer
            self.queries.append((kind, name))
            rounds.append(turn)
            await asyncio.sleep(0)
            return self._answer(name, kind)

    turn = 0

    async def main() -> SpfResult:
        nonlocal turn
        task = asyncio.ensure_future(spf(_mail(), tools(dns)))
        while not task.done():
            turn += 1
            await asyncio.sleep(0)
        return task.result()

    dns = Rounds(zone)
    assert asyncio.run(main()).result == "pass"
    assert len(dns.queries) == 5
    assert len(set(rounds)) == 2


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 " + " ".join(f"include:i{n}.example.org" for n in range(11)) + " -all",
        "v=spf1 redirect=example.org",
        "v=spf1 include:example.org -all",
        "v=spf1 a:" + "x" * 600 + ".example -all",
        "v=spf1 " + "ip4:192.0.2.9 " * 700,
        "v=spf1 exists:%{" + "9" * 400 + "}.example.org -all",
        "v=spf1 exists:%{d99999999999999999999}.example.org exists:%{x} -all",
        "v=spf1 a:%(x) -all",
        "v=spf1 ip4:999.1.1.1 -all",
        "v=spf1 ip6:::::1 -all",
        "v=spf1 a/99 -all",
        "v=spf1 \x7f\x01 -all",
    ],
)
def test_a_broken_or_greedy_policy_is_permerror(record: str) -> None:
    dns = ZoneDns()
    dns.add("example.org", "TXT", (record.encode(),))
    for number in range(11):
        dns.add(f"i{number}.example.org", "TXT", (b"v=spf1 ?all",))
    found = _spf(dns)
    assert found.result == "permerror"
    assert found.problem.isprintable()


def test_queries_are_bounded() -> None:
    dns = ZoneDns()
    dns.add(
        "example.org", "TXT", (b"v=spf1 " + b" ".join(b"mx:m%d.example" % n for n in range(10)) + b" -all",)
    )
    for mx in range(10):
        dns.add(f"m{mx}.example", "MX", *((1, f"h{mx}-{n}.example") for n in range(10)))
        for host in range(10):
            dns.add(f"h{mx}-{host}.example", "A", "192.0.2.200")
    assert _spf(dns).result == "fail"
    assert len(dns.queries) == MAX_QUERIES


def test_more_than_two_void_look_ups_are_permerror() -> None:
    found = _spf('example.org. TXT "v=spf1 a:a.example a:b.example a:c.example -all"')
    assert found.result == "permerror"


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 a:" + ("." + "a" * 500) + "! -all",
        "v=spf1 " + " ".join("a:." + "a" * 500 + "!" for _ in range(15)),
        "v=spf1 " + " ".join("x=" + "%{" * 250 for _ in range(15)),
        "v=spf1 " + " ".join("x=" + "%{l}" * 120 for _ in range(15)) + " -all",
        "v=spf1 " + "a=b" * 2700,
    ],
)
def test_a_crafted_policy_costs_little(record: str) -> None:
    dns = ZoneDns()
    dns.add("example.org", "TXT", (record.encode(),))
    began = time.process_time()
    _spf(dns, _mail("x" * 900 + "@example.org"))
    assert time.process_time() - began < 0.5


def test_a_name_with_a_thousand_addresses_costs_little() -> None:
    dns = ZoneDns('b.example. TXT "v=spf1 a:many.example -all"')
    dns.add("many.example", "A", *(f"10.0.{number // 250}.{number % 250}" for number in range(1_000)))
    dns.add("many.example", "A", "192.0.2.1")  # beyond what is looked at
    assert _spf(dns, _mail("a@b.example")).result == "fail"


def test_a_policy_that_takes_for_ever_is_temperror() -> None:
    clock = Clock()

    class Slow(ZoneDns):
        async def _ask(self, name: str, kind: str) -> object:  # type: ignore[override]  # any answer
            await asyncio.sleep(0)
            clock.pass_by(9)
            return self._answer(name, kind)

    zone = "\n".join(f'n{n}.example. TXT "v=spf1 include:n{n + 1}.example"' for n in range(9))
    found = _spf(Slow(zone), _mail("a@n0.example"), clock)
    assert found == SpfResult("temperror", "mailfrom", "n0.example", problem="took longer than 20 s")


def test_giving_up_leaves_nothing_under_way() -> None:
    async def main() -> int:
        task = asyncio.create_task(spf(_mail(), tools(ZoneDns("", delay=60))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1


# --- Explanations --------------------------------------------------------------------------------
def _explained(text: bytes, sender: str = "alice@example.org") -> str:
    dns = ZoneDns('example.org. TXT "v=spf1 -all exp=why.example.org"')
    dns.add("why.example.org", "TXT", (text,))
    return _spf(dns, _mail(sender)).explanation


def test_a_fail_is_explained() -> None:
    assert (
        _explained(b"%{i} is not one of %{d}'s servers.") == "192.0.2.1 is not one of example.org's servers."
    )


def test_a_pass_costs_no_query_for_an_explanation() -> None:
    dns = ZoneDns('example.org. TXT "v=spf1 +all exp=why.example.org"')
    _spf(dns)
    assert dns.queries == [("TXT", "example.org")]


@pytest.mark.parametrize("text", [b"caf\xc3\xa9", b"\xff", b"%{x} broken", b"100%"])
def test_an_explanation_that_breaks_the_rules_is_left_out(text: bytes) -> None:
    assert _explained(text) == ""


def test_an_explanation_is_printable_and_short() -> None:
    found = _explained(b"a\r\n250 ok\x1b[2J " + b"%{s}" * 100, "x" * 900 + "@example.org")
    assert found.isprintable()
    assert found.isascii()
    assert len(found) <= 300
    assert found.startswith("a??250 ok?[2J ")


def test_a_long_explanation_keeps_its_beginning() -> None:
    assert _explained(b"Dear sender. " * 30).startswith("Dear sender. Dear")


# --- What is remembered --------------------------------------------------------------------------
def test_a_result_is_remembered_for_client_and_domain() -> None:
    dns = ZoneDns('example.org. TXT "v=spf1 a -all"\nexample.org. A 192.0.2.1')
    clock = Clock()
    first = _spf(dns, _mail("alice@example.org"), clock)
    asked = len(dns.queries)
    assert _spf(dns, _mail("bob@example.org"), clock) == first
    assert len(dns.queries) == asked


def test_another_client_gets_its_own_result() -> None:
    dns = ZoneDns('example.org. TXT "v=spf1 ip4:192.0.2.1 -all"')
    assert _spf(dns).result == "pass"
    assert _spf(dns, _mail(client="192.0.2.2")).result == "fail"


def test_a_result_is_remembered_as_long_as_its_shortest_answer() -> None:
    dns = ZoneDns('example.org. 3600 TXT "v=spf1 a -all"\nexample.org. 60 A 192.0.2.1')
    clock = Clock()
    _spf(dns, clock=clock)
    clock.pass_by(59)
    _spf(dns, clock=clock)
    assert len(dns.queries) == 2
    clock.pass_by(2)
    _spf(dns, clock=clock)
    assert len(dns.queries) == 4


@pytest.mark.parametrize("macro", ["%{l}", "%{S}", "%{h}", "%{lr-}"])
def test_a_policy_that_looks_at_the_person_is_asked_for_each(macro: str) -> None:
    dns = ZoneDns()
    dns.add("example.org", "TXT", (f"v=spf1 exists:{macro}.ok.example -all".encode(),))
    for name in ("alice", "alice%40example.org", "mx-a.example"):
        dns.add(f"{name}.ok.example", "A", "127.0.0.2")
    clock = Clock()
    assert _spf(dns, _mail("alice@example.org", "mx-a.example"), clock).result == "pass"
    assert _spf(dns, _mail("mallory@example.org", "mx-b.example"), clock).result == "fail"
    assert _spf(dns, _mail("alice@example.org", "mx-a.example"), clock).result == "pass"


def test_trouble_is_not_remembered() -> None:
    dns = ZoneDns(
        'example.org. TXT "v=spf1 +all"', failing={"mx.example": "SERVFAIL", "a.example": "SERVFAIL"}
    )
    dns.add("b.example", "TXT", (b"v=spf1 a:a.example +all",))
    clock = Clock()
    _spf(dns, _mail("x@b.example"), clock)
    asked = len(dns.queries)
    _spf(dns, _mail("x@b.example"), clock)
    assert len(dns.queries) > asked


def test_it_is_worked_out_once_a_message() -> None:
    dns = ZoneDns(failing={"example.org": "SERVFAIL"})

    async def main() -> None:
        kit = tools(dns)
        await asyncio.gather(*(spf(_mail(), kit) for _ in range(10)))

    asyncio.run(main())
    assert len(dns.queries) == 1


_TERM = st.one_of(
    st.sampled_from(
        ["a", "mx", "ptr", "-all", "~all", "exists:%{i}.x.example", "include:example.org", "exp=e.example"]
    ),
    st.from_regex(r"\A[+?~-]?(a|mx|ptr|include|exists|ip4|ip6|redirect|exp)[:=/][!-~]{0,30}\Z"),
    st.text(st.characters(max_codepoint=255), max_size=40),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_TERM, max_size=12), st.text(max_size=30), st.text(max_size=30), st.booleans())
def test_no_policy_and_no_sender_breaks_it(terms: list[str], local: str, helo: str, null: bool) -> None:
    dns = ZoneDns()
    record = ("v=spf1 " + " ".join(terms)).encode("latin-1", "replace")
    for name in ("example.org", "mx.example", "e.example"):
        dns.add(name, "TXT", (record,))
    mail = _mail("<>", "mx.example") if null else _mail(f"{local}@example.org", helo)
    assert _spf(dns, mail).result in RESULTS
