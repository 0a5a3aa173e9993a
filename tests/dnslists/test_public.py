"""Public resolvers are known."""

from postward.dnslists.public import doubts


def test_a_public_resolver_is_a_doubt_with_its_remedy() -> None:
    said = doubts([("127.0.0.1", 53), ("8.8.8.8", 53), ("2620:fe::fe", 53)])
    assert [("Google" in each, "Quad9" in each) for each in said] == [(True, False), (False, True)]
    assert all("run a resolver of your own" in each for each in said)


def test_one_of_our_own_is_none() -> None:
    assert doubts([("127.0.0.1", 53), ("192.0.2.53", 53), ("::1", 5353)]) == ()
