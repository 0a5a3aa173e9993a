"""SPF: may this client send for the sender's domain? (RFC 7208)

The identity is the envelope sender; for bounces, and only for those, the HELO name (2.4). A sender
that is not null and has no usable domain gets `none`: to fall back to HELO then would give its pass
to whoever writes an odd sender (THREATS A2).
"""

from collections import OrderedDict
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from postward.address import normal_domain
from postward.derive.spf_breadth import Breadth
from postward.derive.spf_record import Subject, client_of, evaluate
from postward.mail import Mail
from postward.tools import Dns, Tools

RESULTS = ("pass", "fail", "softfail", "neutral", "none", "temperror", "permerror")
"""RFC 7208 2.6."""
CACHE_SIZE = 20_000
_MAX_HELO = 255
_MAX_LOCAL = 64  # RFC 5321 4.5.3.1.1; a result for a longer one is not kept


@dataclass(frozen=True, slots=True)
class SpfResult:
    """One of `RESULTS` for the domain `value`, as Authentication-Results tells it (RFC 8601 2.7.2).

    `identity`: `mailfrom` or `helo`. `value` is empty when there is no usable domain. `explanation`
    is the domain owner's own text for a fail: hostile, but bounded and printable ASCII. `problem`
    says why nothing better could be found. `breadth`, of a pass: how many others pass too.
    """

    result: str
    identity: str
    value: str
    explanation: str = ""
    problem: str = ""
    breadth: Breadth = ""

    @property
    def trustworthy(self) -> bool:
        """The sender's own domain names this client, and not half the Internet too (THREATS A19).

        Even then the domain can be one that was bought for spam: it is known, it is not good.
        """
        return self.result == "pass" and self.identity == "mailfrom" and not self.breadth


async def spf(mail: Mail, tools: Tools) -> SpfResult:
    """The SPF result for this mail, worked out once. Reads client_address, helo_name and sender."""
    return await tools.once_for_domain("spf", lambda: _spf(mail, tools))


async def _spf(mail: Mail, tools: Tools) -> SpfResult:
    address, sender = mail.client_address, mail.sender
    helo = mail.helo_name[:_MAX_HELO]
    if sender.is_null:
        identity, domain, local = "helo", normal_domain(helo), "postmaster"
    else:
        identity, domain, local = "mailfrom", sender.domain, sender.local or "postmaster"
    if address is None:
        return SpfResult("none", identity, domain or "", problem="no client address")
    if domain is None or domain[0] == "[" or "." not in domain:  # RFC 7208 4.3
        return SpfResult("none", identity, domain or "", problem="no domain that could have a policy")
    return await _of_domain(Subject(client_of(address), domain, local, helo), identity, tools)


async def _of_domain(subject: Subject, identity: str, tools: Tools) -> SpfResult:
    results = _RESULTS.get(tools.dns)
    if results is None:
        results = _RESULTS[tools.dns] = _Results()
    now = tools.clock.monotonic()
    key: _Key = (subject.client.version, int(subject.client), subject.domain, identity)
    own_key: _Key = (*key, subject.local, subject.helo)
    held = results.get(key, now)
    if held == PERSONAL:
        held = results.get(own_key, now)
        tools.personal = True
    if isinstance(held, SpfResult):
        return held
    outcome = await evaluate(subject, tools.dns, tools.clock)
    result = SpfResult(
        outcome.result, identity, subject.domain, outcome.explanation, outcome.problem, outcome.breadth
    )
    if outcome.result == "temperror" or len(subject.local) > _MAX_LOCAL:
        tools.personal = True
        return result
    until = tools.clock.monotonic() + outcome.ttl
    if outcome.personal:
        tools.personal = True
        results.put(key, PERSONAL, until)
        results.put(own_key, result, until)
    else:
        results.put(key, result, until)
    return result


PERSONAL = "personal"
"""Stands for a result that differs between local parts or HELO names of one domain."""

_Key = tuple[int | str, ...]


class _Results:
    """Results that still hold: as long as the shortest-lived answer they rest on."""

    def __init__(self) -> None:
        self._held: OrderedDict[_Key, tuple[SpfResult | str, float]] = OrderedDict()

    def get(self, key: _Key, now: float) -> SpfResult | str | None:
        held = self._held.get(key)
        if held is None:
            return None
        if held[1] <= now:
            del self._held[key]
            return None
        self._held.move_to_end(key)
        return held[0]

    def put(self, key: _Key, result: SpfResult | str, until: float) -> None:
        self._held[key] = result, until
        if len(self._held) > CACHE_SIZE:
            self._held.popitem(last=False)


# The results belong to the DNS that they were read from: a reload that changes servers begins anew.
_RESULTS: WeakKeyDictionary[Dns, _Results] = WeakKeyDictionary()
