"""How many clients a sender policy lets through: a pass that anybody can have says nothing.

Networks of a policy are counted as they stand in its records, addresses of `a` and `mx` terms with
their prefix length. What is `wide`: real policies of the largest senders allow about 500,000 IPv4
addresses together, in networks of at most a /15; abuse of shared ranges begins above (BreakSPF).
"""

import re
from typing import Literal

Breadth = Literal["", "plus_all", "wide"]
"""`plus_all`: everybody passes; `wide`: far more clients than any sender has; empty: neither."""

WIDEST = {32: 14, 128: 32}
"""By length of an address: the shortest prefix of one term that is `wide` already."""
TOGETHER = {32: 11, 128: 30}
"""More addresses in all terms than a network of this length has are `wide` too."""
# Macros that tell clients apart; a HELO name is whatever the client likes (RFC 7208 7.2).
_OF_CLIENT = re.compile(r"%\{[ip]", re.IGNORECASE)
_COUNTED = {32: ("a", "mx", "ip4"), 128: ("a", "mx", "ip6")}
"""The terms that hold addresses of the client's family."""


class Term(str):
    """The result that a term gives where it matches (`pass`), and what kind of term it is.

    It goes through pyspf in the place of the plain result, and tells at the end which term matched.
    """

    __slots__ = ("kind", "opens")
    kind: str
    opens: Breadth


class Granted:
    """The terms that let clients pass, of all records that were read. `bits`: of the client's address.

    `included`: the record that is read now is one that another includes.
    """

    def __init__(self, bits: int) -> None:
        self.included = False
        self._bits = bits
        self._networks: set[tuple[str, int]] = set()
        self._addresses = 0
        self._all = False
        self._matched: Breadth = ""

    def term(self, text: str, kind: str, argument: str, prefix: int, result: str) -> str:
        """Take note of a term as pyspf read it; what is to stand for its result."""
        if result != "pass":
            return result
        term = Term(result)
        term.kind, term.opens = kind, self._opens(text, kind, prefix)
        if kind == "all" and not self.included:
            self._all = True
        if kind in _COUNTED[self._bits]:
            network = (argument, prefix)
            if network not in self._networks:
                self._networks.add(network)
                self._addresses += 1 << (self._bits - prefix)
        return term

    def matched(self, result: str) -> None:
        """A record gave this result. What its `include` let in was told by the included record."""
        if isinstance(result, Term) and result.kind != "include":
            self._matched = result.opens

    def breadth(self) -> Breadth:
        """Of a policy that gave `pass`."""
        if self._all or self._matched == "plus_all" or self._addresses >= 1 << self._bits:
            return "plus_all"
        if self._matched or self._addresses > 1 << (self._bits - TOGETHER[self._bits]):
            return "wide"
        return ""

    def _opens(self, text: str, kind: str, prefix: int) -> Breadth:
        """How wide the door is that this term opens when it matches."""
        match kind:
            case "all":
                return "plus_all"
            case "exists":  # RFC 7208 5.7: the same answer for every client
                return "" if _OF_CLIENT.search(text) else "plus_all"
            case "a" | "mx" | "ip4" | "ip6":
                if prefix == 0:
                    return "plus_all"
                return "wide" if prefix <= WIDEST[self._bits] else ""
            case _:
                return ""
