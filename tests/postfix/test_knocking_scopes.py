"""What a person says of an address or a network, or for a time, is no word about the domain for ever."""

from tests.postfix.site import GREYLISTED, HOUR, Site


def test_a_denied_address_is_not_its_whole_domain(site: Site) -> None:
    new = site.poor()
    ticket = site.hold(new)
    site.run("holds", "deny", ticket, "--address")
    site.soon(550, new)
    other = f"other@{new.domain}"
    site.knock(new, sender=other)
    site.later(GREYLISTED)
    reply = site.knock(new, sender=other)
    assert reply.code == 450
    assert f"(ticket {ticket})" in reply.text


def test_a_denied_network_is_not_the_whole_domain(site: Site) -> None:
    new = site.poor()
    ticket = site.hold(new)
    site.run("holds", "deny", ticket, "--network")
    site.soon(550, new)
    assert site.knock(new, client=new.elsewhere).code == 450


def test_a_denial_ends_when_a_person_said_so(site: Site) -> None:
    new = site.poor()
    site.run("holds", "deny", site.hold(new), "--for", "2h")
    site.soon(550, new)
    site.later(2 * HOUR)
    assert "(ticket " in (reply := site.knock(new)).text
    assert reply.code == 450


def test_an_approved_address_is_not_its_whole_domain(site: Site) -> None:
    new = site.poor()
    site.run("holds", "approve", site.hold(new), "--address")
    other = f"other@{new.domain}"
    site.knock(new, sender=other)
    site.later(GREYLISTED)
    assert site.knock(new, sender=other).code == 450
