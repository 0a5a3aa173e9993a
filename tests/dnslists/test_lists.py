"""Asking all lists at the same time."""

import asyncio
import ipaddress
import time

import pytest

from postward.dnslists.lists import AskedLists
from postward.dnslists.statistics import Counts
from postward.mail import IPAddress
from postward.tools import Listing, Listings, Records, Trouble
from tests.dnslists.scripted import KEY, ScriptedDns, Watch, definition, in_order, keyed, org, watched

CLIENT = ipaddress.ip_address("198.51.100.7")
LISTED = "7.100.51.198"


def look(watch: Watch, about: str = "client", what: IPAddress | str = CLIENT) -> Listings:
    return asyncio.run(watch.lists.look(about, what))


def counts(watch: Watch, name: str = "bl") -> Counts:
    return next(each.state.counts for each in watch.lists.watched if each.definition.name == name)


def test_a_client_that_is_listed() -> None:
    each = definition()
    watch = watched(ScriptedDns({**in_order(each), f"{LISTED}.bl.example": ["127.0.0.2"]}), each)
    assert look(watch) == Listings((Listing("bl", "127.0.0.2", "code 127.0.0.2", 2.0),))


def test_a_client_that_is_not() -> None:
    watch = watched(ScriptedDns(in_order(definition())), definition())
    assert look(watch) == Listings()
    assert watch.dns.asked == [f"{LISTED}.bl.example"]


def test_a_list_is_not_asked_before_its_test() -> None:
    dns = ScriptedDns()
    lists = AskedLists([definition()], dns, org)
    assert asyncio.run(lists.look("client", CLIENT)) == Listings()
    assert not lists.asks("client")
    assert dns.asked == []


def test_a_list_is_asked_only_about_what_it_knows() -> None:
    each = definition("dbl", about={"helo", "sender"})
    watch = watched(ScriptedDns(in_order(each)), each)
    assert [about for about in ("client", "helo", "rdns", "sender") if watch.lists.asks(about)] == [
        "helo",
        "sender",
    ]
    look(watch)
    look(watch, "rdns", "mail.shop.example")
    assert watch.dns.asked == []


def test_a_domain_list_is_asked_for_the_owner() -> None:
    each = definition("dbl", about={"sender"})
    watch = watched(ScriptedDns({**in_order(each), "shop.com.dbl.example": ["127.0.0.2"]}), each)
    assert [one.list for one in look(watch, "sender", "Mail.News.SHOP.com").found] == ["dbl"]
    assert watch.dns.asked == ["shop.com.dbl.example"]


def test_both_names_give_one_listing() -> None:
    each = definition("dbl", about={"sender"}, names="both")
    answers = {"shop.com.dbl.example": ["127.0.0.2"], "mail.shop.com.dbl.example": ["127.0.0.2"]}
    watch = watched(ScriptedDns({**in_order(each), **answers}), each)
    assert len(look(watch, "sender", "mail.shop.com").found) == 1
    assert len(watch.dns.asked) == 2


@pytest.mark.parametrize("what", ["localhost", "[192.0.2.1]", "192.0.2.1", "x\0y.com", ""])
def test_a_name_that_is_none_is_not_asked(what: str) -> None:
    each = definition("dbl", about={"helo"})
    watch = watched(ScriptedDns(in_order(each)), each)
    assert look(watch, "helo", what) == Listings()
    assert watch.dns.asked == []


def test_an_ipv6_client_is_asked_where_the_list_knows_ipv6() -> None:
    lists = definition("six"), definition("four", ipv6=False)
    watch = watched(ScriptedDns(in_order(*lists)), *lists)
    look(watch, what=ipaddress.ip_address("2001:db8::1"))
    assert [name.endswith(".six.example") for name in watch.dns.asked] == [True]
    assert watch.dns.asked[0].startswith("1.0.0.0.")


def test_trouble_is_unsure_with_the_name_of_the_list() -> None:
    lists = definition("good"), definition("bad")
    watch = watched(ScriptedDns({**in_order(*lists), f"{LISTED}.good.example": ["127.0.0.2"]}), *lists)
    watch.dns.broken["bad.example"] = Trouble("SERVFAIL")
    listed = look(watch)
    assert [one.list for one in listed.found] == ["good"]
    assert listed.unsure == ("bad: SERVFAIL",)
    assert counts(watch, "bad").unsure == 1


@pytest.mark.parametrize("value", ["127.255.255.254", "127.0.0.1", "192.0.2.1", "nonsense"])
def test_refusal_and_nonsense_are_unsure(value: str) -> None:
    watch = watched(ScriptedDns(in_order(definition())), definition())
    watch.dns.broken["bl.example"] = Records((value,), 300)
    listed = look(watch)
    assert listed.found == ()
    assert listed.unsure[0].startswith(f"bl: {value}")


def test_a_slow_list_is_given_up_in_its_own_time() -> None:
    lists = definition("quick"), definition("slow", within=0.05), definition("slower", within=0.1)
    watch = watched(ScriptedDns({**in_order(*lists), f"{LISTED}.quick.example": ["127.0.0.2"]}), *lists)
    watch.dns.hanging = {"slow.example", "slower.example"}
    begun = time.monotonic()
    listed = look(watch)
    assert time.monotonic() - begun < 2
    assert [one.list for one in listed.found] == ["quick"]
    assert listed.unsure == ("slow: no answer in 0.05 s", "slower: no answer in 0.1 s")


def test_who_gives_up_the_look_gives_up_its_questions() -> None:
    watch = watched(ScriptedDns(in_order(definition())), definition(within=60))
    watch.lists.take_over([definition(within=60)])
    asyncio.run(watch.guard.tend())
    watch.dns.hanging = {"bl.example"}

    async def given_up() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await watch.lists.look("client", CLIENT)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(given_up()) == 1


def test_unique_hits_are_of_one_kind() -> None:
    lists = definition("one"), definition("two"), definition("allow", codes={"127.0.0.2": -1.0})
    answers = {f"{LISTED}.{name}.example": ["127.0.0.2"] for name in ("one", "two", "allow")}
    watch = watched(ScriptedDns({**in_order(*lists), **answers}), *lists)
    look(watch)
    assert {name: counts(watch, name).unique for name in ("one", "two", "allow")} == {
        "one": 0,
        "two": 0,
        "allow": 1,
    }
    del watch.dns.answers[f"{LISTED}.two.example"]
    look(watch)
    assert counts(watch, "one") == Counts(queries=2, hits=2, unique=1)


def test_the_verdict_on_the_mail_is_counted() -> None:
    lists = definition("block"), definition("allow", codes={"127.0.0.2": -1.0})
    answers = {f"{LISTED}.{name}.example": ["127.0.0.2"] for name in ("block", "allow")}
    watch = watched(ScriptedDns({**in_order(*lists), **answers}), *lists)
    listed = look(watch)
    watch.lists.verdict(listed, True)
    watch.lists.verdict(listed, True)
    watch.lists.verdict(listed, False)
    assert (counts(watch, "block").agreed, counts(watch, "block").disagreed) == (2, 1)
    assert (counts(watch, "allow").agreed, counts(watch, "allow").disagreed) == (1, 2)


def test_a_reload_keeps_state_and_numbers_of_what_did_not_change() -> None:
    lists = definition("same"), definition("changed"), definition("gone")
    watch = watched(ScriptedDns(in_order(*lists)), *lists)
    look(watch)
    fresh = definition("changed", codes={"127.0.0.3": 1.0})
    watch.guard.take_over([definition("same"), fresh, definition("new")])
    assert watch.on() == {"same": True, "changed": False, "new": False}
    assert {each.definition.name: each.state.counts.queries for each in watch.lists.watched} == {
        "same": 1,
        "changed": 1,
        "new": 0,
    }
    watch.dns.answers |= {name: tuple(values) for name, values in in_order(fresh, definition("new")).items()}
    asyncio.run(watch.guard.tend())
    assert watch.on() == {"same": True, "changed": True, "new": True}


def test_a_verdict_about_a_list_that_is_gone_is_dropped() -> None:
    watch = watched(
        ScriptedDns({**in_order(definition()), f"{LISTED}.bl.example": ["127.0.0.2"]}), definition()
    )
    listed = look(watch)
    watch.lists.take_over([])
    watch.lists.verdict(listed, True)
    assert watch.lists.watched == ()


def test_no_key_stands_in_what_a_look_gives() -> None:
    each = keyed()
    watch = watched(ScriptedDns({**in_order(each), each.asked(LISTED): ["127.0.0.2"]}), each)
    assert KEY.lower() not in repr(look(watch)).lower()
    assert watch.lists.asks("client")
    watch.dns.broken["example"] = Trouble(f"no server for {each.asked(LISTED)}")
    assert look(watch).unsure == ("bl: no server for 7.100.51.198.***.bl.example",)
