"""Conditions of `when:` and `unless:`: a small fixed set, each over facts alone or over the score.

In YAML a condition is a word (`authenticated`) or a word with its argument (`{listener: submission}`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from postward.mail import Mail
from postward.network import is_local
from postward.rules.thresholds import Thresholds
from postward.tools import Tools

_LOCAL = "is local"


class Standing(Protocol):
    """How the mail stands after the rules that were judged before."""

    score: float
    thresholds: Thresholds
    hits: set[str]
    """The names of the rules that have hit and are enforced."""


_Test = Callable[[Mail, Tools, Standing], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition. `by_score`: it looks at what the rules judged before it came to."""

    word: str
    argument: str
    """Its argument as text: conditions with equal words and arguments say the same."""
    needs: frozenset[str]
    test: _Test
    by_score: bool = False
    rules: tuple[str, ...] = ()
    """The rules that it is about."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A condition's word: what it means, and what argument it takes.

    None: none; else `words`, `rules`, `list` or `number`.
    """

    doc: str
    needs: frozenset[str]
    argument: str | None
    make: Callable[[Any], _Test]
    by_score: bool = False


def _constant(test: _Test) -> Callable[[Any], _Test]:
    return lambda _argument: test


def _local(mail: Mail, tools: Tools, _standing: Standing) -> bool:
    held: bool | None = tools.client.get(_LOCAL)  # nearly every rule asks
    if held is None:
        held = tools.client[_LOCAL] = _is_local(mail)
    return held


def _is_local(mail: Mail) -> bool:
    address = mail.client_address
    return address is None or is_local(address)


def _suspicious(_mail: Mail, _tools: Tools, standing: Standing) -> bool:
    limit = standing.thresholds.greylist
    return limit is not None and standing.score >= limit


def _listener(names: Any) -> _Test:
    wanted = frozenset(names)
    return lambda mail, _tools, _standing: mail.listener in wanted


def _sender_domain(names: Any) -> _Test:
    wanted = frozenset(name.lower() for name in names)
    return lambda mail, _tools, _standing: mail.sender.domain in wanted


def _recipient_domain(names: Any) -> _Test:
    wanted = frozenset(name.lower() for name in names)
    return lambda mail, _tools, _standing: mail.recipient.domain in wanted


def _client_in(name: Any) -> _Test:
    return lambda mail, tools, _standing: (
        tools.lists[name].match_network(
            mail.client_address, mail.client_name, tools.networks, tools.clock.wall()
        )
        is not None
    )


def _sender_in(name: Any) -> _Test:
    return lambda mail, tools, _standing: (
        tools.lists[name].match_address(mail.sender, tools.clock.wall()) is not None
    )


def _recipient_in(name: Any) -> _Test:
    return lambda mail, tools, _standing: (
        tools.lists[name].match_address(mail.recipient, tools.clock.wall()) is not None
    )


def _hit(names: Any) -> _Test:
    wanted = frozenset(names)
    return lambda _mail, _tools, standing: not wanted.isdisjoint(standing.hits)


def _score_at_least(number: Any) -> _Test:
    least = float(number)
    return lambda _mail, _tools, standing: standing.score >= least


KINDS: dict[str, Kind] = {
    "authenticated": Kind(
        "The client has logged in (SASL).",
        frozenset({"sasl_username"}),
        None,
        _constant(lambda mail, _tools, _standing: bool(mail.sasl_username)),
    ),
    "null_sender": Kind(
        "The envelope sender is `<>`: a bounce or notification.",
        frozenset({"sender"}),
        None,
        _constant(lambda mail, _tools, _standing: mail.sender.is_null),
    ),
    "tls": Kind(
        "The session is encrypted.",
        frozenset({"encryption_protocol"}),
        None,
        _constant(lambda mail, _tools, _standing: bool(mail.encryption_protocol)),
    ),
    "local_client": Kind(
        "The client is this host or has a private address.",
        frozenset({"client_address"}),
        None,
        _constant(_local),
    ),
    "listener": Kind(
        "The mail came by this `policy_context` or `{daemon_name}`.",
        frozenset({"listener"}),
        "words",
        _listener,
    ),
    "sender_domain": Kind(
        "The envelope sender's domain is one of these.", frozenset({"sender"}), "words", _sender_domain
    ),
    "recipient_domain": Kind(
        "The recipient's domain is one of these.", frozenset({"recipient"}), "words", _recipient_domain
    ),
    "client_in": Kind(
        "The client is on this list.", frozenset({"client_address", "client_name"}), "list", _client_in
    ),
    "sender_in": Kind("The envelope sender is on this list.", frozenset({"sender"}), "list", _sender_in),
    "recipient_in": Kind("The recipient is on this list.", frozenset({"recipient"}), "list", _recipient_in),
    "suspicious": Kind(
        "The score so far has reached `thresholds: greylist`.",
        frozenset(),
        None,
        _constant(_suspicious),
        by_score=True,
    ),
    "hit": Kind(
        "One of these rules, judged before, has hit; a rule that is off or in shadow never has.",
        frozenset(),
        "rules",
        _hit,
        by_score=True,
    ),
    "score": Kind(
        "The score so far is at least this.", frozenset(), "number", _score_at_least, by_score=True
    ),
}
