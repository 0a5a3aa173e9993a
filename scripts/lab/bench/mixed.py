"""The mixed traffic: what the crowd sends, and whether the answers are what they should be.

10,000 messages in an order that mixes the kinds; one of five has two recipients, one of twenty four.
With `data`, each message that goes on is asked about at DATA too, as the shipped main.cf lines do.
"""

import random
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.bench import crowd
from lab.bench.crowd import Becomes, Visitor
from lab.bench.traffic import MARK, OWN_DOMAIN, request

MESSAGES_EACH = 5
PEOPLE = 50
TRAPS = 10
_PIECE = 65536


class WrongAnswers(RuntimeError):
    """The service does not answer as it should: a reading would measure something else."""


@dataclass(frozen=True)
class Message:
    """One message of a visitor, and whom it is for."""

    visitor: Visitor
    sender: str
    recipients: tuple[str, ...]

    def requests(self, *, data: bool) -> Iterator[str]:
        """What Postfix asks about it."""
        for recipient in self.recipients:
            yield self._request(recipient=recipient)
        if data and self.visitor.kind.becomes == "passes":
            count = len(self.recipients)
            yield self._request(
                protocol_state="DATA",
                recipient=self.recipients[0] if count == 1 else "",
                recipient_count=str(count),
                queue_id=f"4{MARK}",
            )

    def _request(self, **said: str) -> str:
        visitor, login = self.visitor, {}
        if visitor.kind is crowd.USER:
            login = {"sasl_method": "PLAIN", "sasl_username": self.sender}
        return request(
            client_address=visitor.address,
            client_name=visitor.verified,
            reverse_client_name=visitor.name or "unknown",
            helo_name=visitor.helo,
            sender=self.sender,
            encryption_protocol="TLSv1.3",
            encryption_cipher="TLS_AES_256_GCM_SHA384",
            encryption_keysize="256",
            **login,
            **said,
        )


def messages() -> list[Message]:
    """All of them, in the order in which they come."""
    every = [_message(visitor, turn) for visitor in crowd.visitors() for turn in range(MESSAGES_EACH)]
    random.Random(7).shuffle(every)  # noqa: S311  # the same order each time
    return every


def _message(visitor: Visitor, turn: int) -> Message:
    seed = visitor.number * MESSAGES_EACH + turn
    count = 4 if seed % 20 == 0 else 2 if seed % 5 == 1 else 1
    if visitor.kind is crowd.USER:
        friends = [f"friend@c{(seed * 7 + each) % crowd.CLEAN.clients}.example" for each in range(count)]
        return Message(visitor, f"user{visitor.number}@{OWN_DOMAIN}", tuple(friends))
    people = [f"person{(seed + each) % PEOPLE}@{OWN_DOMAIN}" for each in range(count)]
    if visitor.kind is crowd.LIAR and turn % 2:
        people[-1] = f"trap{seed % TRAPS}@{OWN_DOMAIN}"
    who = MARK if visitor.kind is crowd.STRANGER else f"user{turn}"
    return Message(visitor, f"{who}@{visitor.domain}", tuple(people))


def correspondents() -> Iterator[tuple[str, str]]:
    """(theirs, ours): whom our users have written to, of those in the traffic."""
    for message in messages():
        if message.visitor.kind in (crowd.CORRESPONDENT, crowd.ODD_CORRESPONDENT):
            yield from ((message.sender, recipient) for recipient in message.recipients)


def write(path: Path, *, data: bool) -> int:
    """Write the requests for `policyload`; how many."""
    count = 0
    with path.open("w") as file:
        for message in messages():
            requests = list(message.requests(data=data))
            file.write("+\n".join(requests))
            count += len(requests)
    return count


def check(address: str, first: int, *, data: bool) -> int:
    """Ask about each message once. Gives the next number to use; raises WrongAnswers."""
    wrong: Counter[str] = Counter()
    with socket.socket(socket.AF_UNIX) as service:
        service.settimeout(10)
        service.connect(address.removeprefix("unix:"))
        for number, message in enumerate(messages(), first):
            for asked in message.requests(data=data):
                service.sendall(asked.replace(MARK, f"{number:012x}").encode())
                answer = _answer(service)
                kind = message.visitor.kind
                if not _fits(answer, kind.becomes):
                    wrong[f"{kind.name} ({kind.becomes}): {answer[:160]}"] += 1
    if wrong.total():
        worst = "; ".join(f"{count} x {what}" for what, count in wrong.most_common(3))
        raise WrongAnswers(f"{wrong.total()} answers are not what they should be: {worst}")
    return first + len(crowd.visitors()) * MESSAGES_EACH


def _answer(service: socket.socket) -> str:
    answer = b""
    while not answer.endswith(b"\n\n"):
        piece = service.recv(_PIECE)
        if not piece:
            raise WrongAnswers("the service closed the connection")
        answer += piece
    return answer.decode().removeprefix("action=").strip()


def _fits(answer: str, becomes: Becomes) -> bool:
    match becomes:
        case "passes":
            return answer.startswith(("DUNNO", "PREPEND"))
        case "waits":
            return answer.startswith("4")
        case "refused":
            return answer.startswith("5")
    return True
