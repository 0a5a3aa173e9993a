"""What policyd found, carried to the milter in a signed header field.

policyd prepends it at DATA; the milter verifies and removes it. It is signed with a key that both
daemons share and bound to the queue id, so that a client can neither forge nor replay one.

Form: `v=1; q=<queue id>; t=<trace>; s=<score>; a=<accepting rule>; k=<quarantining rule>;
h=<rule>:<score>,...;
spf=<base64 of JSON>; m=<hmac>`; printable ASCII without line breaks, at most `MAX_OCTETS` long.
A field that does not fit is left out, hits last to first, and `+` marks that some were.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

FIELD_NAME = "X-Postward-Findings"
MAX_OCTETS = 900  # one line with its name: below RFC 5322 2.1.1's 998
_MAC_OCTETS = 16


@dataclass(frozen=True, slots=True)
class CarriedSpf:
    """An SPF result as Authentication-Results tells it (RFC 8601 2.7.2)."""

    result: str
    identity: str
    """`mailfrom` or `helo` (RFC 7208 2.3, 2.4)."""
    value: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """policyd's findings on one message."""

    trace: str
    score: float = 0.0
    accepted_by: str = ""
    hits: tuple[tuple[str, float], ...] = ()
    spf: CarriedSpf | None = None
    quarantined_by: str = ""
    """The rule or threshold for which the message goes to the hold queue, whatever else is found."""


def seal(key: bytes, queue_id: str, carried: Carried) -> str:
    """The field's value for `carried`, signed for this queue id."""
    hits = list(carried.hits)
    spf = carried.spf
    while True:
        body = _body(queue_id, carried, hits, spf)
        if len(body) <= MAX_OCTETS - 2 * _MAC_OCTETS:
            return f"{body}; m={_mac(key, body)}"
        if hits:
            hits.pop()
        elif spf is not None:
            spf = None
        else:
            raise ValueError("a queue id, trace or rule name of several hundred octets")


def unseal(key: bytes, queue_id: str, value: str) -> Carried | None:
    """What `value` carries, `None` when it was not made by `seal` with this key for this queue id."""
    body, sep, mac = value.strip().rpartition("; m=")
    if not sep or len(value) > 2 * MAX_OCTETS:
        return None
    if not hmac.compare_digest(_mac(key, body).encode(), mac.encode("utf-8", "surrogateescape")):
        return None
    parts = dict(part.split("=", 1) for part in body.split("; "))
    if parts["q"] != queue_id or parts["v"] != "1":
        return None
    hits = tuple(_hit(item) for item in parts.get("h", "").split(",") if item and item != "+")
    spf = CarriedSpf(*json.loads(base64.b64decode(parts["spf"]))) if "spf" in parts else None
    return Carried(parts["t"], float(parts["s"]), parts.get("a", ""), hits, spf, parts.get("k", ""))


def _hit(item: str) -> tuple[str, float]:
    rule, _, score = item.rpartition(":")
    return rule, float(score)


def _body(queue_id: str, carried: Carried, hits: list[tuple[str, float]], spf: CarriedSpf | None) -> str:
    parts = ["v=1", f"q={queue_id}", f"t={carried.trace}", f"s={carried.score:g}"]
    if carried.accepted_by:
        parts.append(f"a={carried.accepted_by}")
    if carried.quarantined_by:
        parts.append(f"k={carried.quarantined_by}")
    if carried.hits:
        words = [f"{rule}:{score:g}" for rule, score in hits]
        if len(hits) < len(carried.hits):
            words.append("+")
        parts.append("h=" + ",".join(words))
    if spf is not None:
        fields = [spf.result, spf.identity, spf.value, spf.reason]
        parts.append("spf=" + base64.b64encode(json.dumps(fields).encode()).decode())
    return "; ".join(parts)


def _mac(key: bytes, body: str) -> str:
    text = body.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, key=key[:64], digest_size=_MAC_OCTETS, person=b"postward-findin").hexdigest()
