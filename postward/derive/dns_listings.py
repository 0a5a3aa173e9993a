"""What the DNS lists said of a message, all subjects together; nothing is asked."""

from postward.tools import Listings, Tools

ABOUT = ("client", "helo", "rdns", "sender")
MEMO = {about: f"dns_list {about}" for about in ABOUT}
"""Where the answers are kept, by what was asked about."""


def listings_of(tools: Tools) -> Listings:
    """All that the DNS lists have said of this message so far."""
    said = [made for key in MEMO.values() if (made := tools.made(key)) is not None]
    return Listings(
        tuple(one for each in said for one in each.found), tuple(why for each in said for why in each.unsure)
    )
