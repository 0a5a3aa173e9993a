"""The demonstration's messages: how each is sent, and what must become of it.

Expectations name rules that Postward ships and the two of `lab.town`; a row is right only if the
answer, the rules that hit and the delivered message are.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from lab.smtp import Reply, Smtp
from lab.town import (
    BLOCKED,
    CROOKED,
    DIALUP,
    HONEST,
    LIAR,
    LISTED,
    NAMELESS,
    NEWSLETTER,
    PARTNER,
    PASSWORDS,
    SIGNED,
    STRANGER,
    TRAPPED,
    Client,
)

_TAKEN = (250, "end of data")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent. `client` None: a submission with the login `login`. `raw`: sent as it stands."""

    client: Client | None
    sender: str
    message: bytes
    recipient: str = "alice@example.org"
    login: str = ""
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """What the server said: the reply that ended it, to which command, and all replies after DATA."""

    reply: Reply
    at: str
    after_data: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A letter and what is expected. `delivered` looks at the delivered octets: empty, or what is wrong.

    `until`: sent again and again (at most ten seconds) until the answer holds this. `before`: arguments
    of a `postward` command that a person gives first.
    """

    title: str
    letter: Letter
    answer: tuple[int, str] = _TAKEN
    rules: frozenset[str] = frozenset()
    delivered: Callable[[bytes], str] | None = None
    until: str = ""
    before: tuple[str, ...] = ()
    also_fine: frozenset[str] = field(default_factory=frozenset)
    """Rules that may hit too; those that only say who is no stranger always may."""


def mail(
    author: str, subject: str, *fields: str, body: str = "Hello,\r\n\r\nthis is a message.\r\n"
) -> bytes:
    """A message with the usual fields, and `fields` before them."""
    usual = (f"From: {author}", "To: alice@example.org", f"Subject: {subject}")
    more = ("Date: Sun, 22 Nov 2026 09:00:00 +0000", f"Message-ID: <{abs(hash(subject))}@client.example>")
    return ("\r\n".join([*fields, *usual, *more]) + "\r\n\r\n" + body).encode()


def send(letter: Letter, port: int, submission_port: int) -> Answered:
    """Send it as a client would, up to the first refusal."""
    with Smtp(port if letter.client else submission_port) as smtp:
        if letter.client is not None:
            smtp.xclient(letter.client.address, letter.client.name)
            steps = [("EHLO", smtp.ehlo(letter.client.helo))]
        else:
            steps = [("EHLO", smtp.ehlo("laptop.example.org"))]
            steps += [("AUTH", smtp.auth(letter.login, PASSWORDS[letter.login]))]
        steps += [("MAIL", smtp.mail(letter.sender))] if steps[-1][1].code < 400 else []
        steps += [("RCPT", smtp.rcpt(letter.recipient))] if steps[-1][1].code < 400 else []
        at, reply = steps[-1]
        if reply.code >= 400:
            return Answered(reply, at)
        if letter.raw:
            return _send_raw(smtp, letter.message)
        return Answered(smtp.data(letter.message), "end of data")


def _send_raw(smtp: Smtp, octets: bytes) -> Answered:
    """The octets and an end of data, then a command that nobody knows: what is answered before it counts."""
    answer = smtp.command("DATA")
    if answer.code != 354:
        return Answered(answer, "DATA")
    smtp.send(octets + b"\r\n.\r\n")
    first = smtp.reply()
    smtp.send(b"XMARK\r\n")
    replies = [first]
    while (reply := smtp.reply()).code not in (500, 502):
        replies.append(reply)
    return Answered(first, "end of data", tuple(replies))


# --- what the delivered message must look like ----------------------------------------------------
def _header(delivered: bytes) -> bytes:
    return delivered.partition(b"\n\n")[0]


def has(*words: bytes) -> Callable[[bytes], str]:
    """The header holds all of these."""

    def look(delivered: bytes) -> str:
        missing = [word.decode() for word in words if word not in _header(delivered)]
        return f"the delivered header lacks {', '.join(missing)}" if missing else ""

    return look


def lacks(*words: bytes) -> Callable[[bytes], str]:
    """The header holds none of these."""

    def look(delivered: bytes) -> str:
        there = [word.decode() for word in words if word in _header(delivered)]
        return f"the delivered header still has {', '.join(there)}" if there else ""

    return look


def both(*looks: Callable[[bytes], str]) -> Callable[[bytes], str]:
    """All of these."""
    return lambda delivered: "; ".join(word for look in looks if (word := look(delivered)))


def one_message(delivered: bytes) -> str:
    """The smuggled commands are text in the body of the one message."""
    return "" if b"MAIL FROM:<ceo@bank.example>" in delivered.partition(b"\n\n")[2] else "the body was cut"


_SMUGGLED = (
    b"MAIL FROM:<ceo@bank.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n"
    b"From: ceo@bank.example\r\nSubject: Pay this\r\n\r\nAt once.\r\n"
)
_FORGED_RESULTS = tuple(
    f"{name}: {identity}; spf=pass smtp.mailfrom=ceo@bank.example; dkim=pass header.d=forged.example"
    for name, identity in (
        ("Authentication-Results", "mx.example.org"),
        ("authentication-results", "MX.Example.ORG. 1"),
        ("Authentication-Results", '(really)\r\n "mx.example.org" (1) 1'),
    )
)
_DIALUP = Letter(DIALUP, "friend@isp.example", mail("friend@isp.example", "From a line, not a server"))
_NEW = Letter(NAMELESS, "x@nameless.example", mail("x@nameless.example", "We have not met"))
_BORROWED = Letter(NAMELESS, "news@example.com", mail("news@example.com", "News, by another server"))

CASES = (
    Case(
        "signed mail from a well-kept server",
        Letter(HONEST, "carol@example.net", SIGNED),
        delivered=has(b"spf=pass", b"X-Postward-Verdict", b"DKIM-Signature"),
    ),
    Case(
        "newsletter, nothing wrong",
        Letter(NEWSLETTER, "news@example.com", mail("news@example.com", "News of November")),
        delivered=has(b"spf=pass"),
    ),
    Case(
        "bounce (null sender)",
        Letter(HONEST, "", mail("MAILER-DAEMON@mail.example.net", "Undelivered mail")),
        delivered=has(b"smtp.helo=mail.example.net"),
    ),
    Case(
        "server without reverse DNS: suspicious, so it has to try again",
        _NEW,
        answer=(450, "RCPT"),
        rules=frozenset({"client-without-rdns", "greylist"}),
    ),
    Case(
        "it does, but its domain is new: a person has to look",
        _NEW,
        until="ticket",
        answer=(450, "RCPT"),
        rules=frozenset({"client-without-rdns", "new-domain"}),
    ),
    Case(
        "the domain is approved: its next attempt passes at once",
        _NEW,
        before=("holds", "approve", "nameless.example", "--note", "asked them by telephone"),
        rules=frozenset({"client-without-rdns"}),
        also_fine=frozenset({"new-domain"}),
        delivered=has(b"client-without-rdns"),
    ),
    Case(
        "that server again, with the sender of a domain that is known",
        _BORROWED,
        answer=(450, "RCPT"),
        rules=frozenset({"client-without-rdns", "spf-fail", "greylist"}),
    ),
    Case(
        "the same, tried again until it is taken",
        _BORROWED,
        until="queued as",
        rules=frozenset({"client-without-rdns", "spf-fail"}),
    ),
    Case(
        "dial-up line: its domain waits for a person, too",
        _DIALUP,
        until="ticket",
        answer=(450, "RCPT"),
        rules=frozenset({"new-domain", "helo-not-fqdn", "spf-softfail", "client-rdns-generic"}),
    ),
    Case(
        "the domain is denied",
        _DIALUP,
        before=("holds", "deny", "isp.example", "--note", "no mail server of theirs"),
        answer=(550, "RCPT"),
        rules=frozenset({"helo-not-fqdn", "spf-softfail", "client-rdns-generic"}),
        also_fine=frozenset({"denied", "new-domain"}),  # the ticket knows at once, the rest of policyd soon
    ),
    Case(
        "own user writes to somebody with a badly kept server",
        Letter(
            None,
            "alice@example.org",
            mail("Alice <alice@example.org>", "A question"),
            recipient="dave@crooked.example",
            login="alice@example.org",
        ),
    ),
    Case(
        "the reply: a known correspondent never waits",
        Letter(CROOKED, "dave@crooked.example", mail("dave@crooked.example", "Re: A question")),
        rules=frozenset({"client-rdns-mismatch", "known-correspondent"}),
    ),
    Case(
        "a spam trap is answered like any unknown user",
        Letter(TRAPPED, "offer@trapped.example", mail("offer@trapped.example", "Buy"), "trap@example.org"),
        answer=(550, "RCPT"),
        rules=frozenset({"spam-trap"}),
    ),
    Case(
        "and the client is remembered for it",
        Letter(TRAPPED, "offer@trapped.example", mail("offer@trapped.example", "Buy")),
        answer=(450, "RCPT"),
        rules=frozenset({"trapped-client", "greylist"}),
    ),
    Case(
        "client on a DNS list, and its domain is new",
        Letter(BLOCKED, "x@blocked.example", mail("x@blocked.example", "On a list")),
        until="ticket",
        answer=(450, "RCPT"),
        rules=frozenset({"dns-block-client", "new-domain"}),
    ),
    Case(
        "sender's domain takes no mail (null MX)",
        Letter(STRANGER, "no-reply@mute.example", mail("no-reply@mute.example", "Do not answer")),
        answer=(550, "RCPT"),
        rules=frozenset({"sender-domain-null-mx"}),
    ),
    Case(
        "SPF fail: not the bank's server",
        Letter(STRANGER, "ceo@bank.example", mail("ceo@bank.example", "Your account")),
        rules=frozenset({"spf-fail"}),
        delivered=has(b"spf=fail"),
    ),
    Case(
        "our own domain as sender, from outside",
        Letter(STRANGER, "bob@example.org", mail("bob@example.org", "From your colleague")),
        answer=(550, "RCPT"),
        rules=frozenset({"our-domain-from-outside"}),
        also_fine=frozenset({"spf-fail"}),
    ),
    Case(
        "greets with our name, no PTR, SPF fail",
        Letter(LIAR, "ceo@bank.example", mail("ceo@bank.example", "HELO lies")),
        answer=(550, "RCPT"),
        rules=frozenset({"helo-ours", "helo-other-address", "client-without-rdns", "spf-fail"}),
    ),
    Case(
        "client on the deny list",
        Letter(LISTED, "win@spammer.example", mail("win@spammer.example", "You have won")),
        answer=(550, "RCPT"),
        rules=frozenset({"deny-client"}),
    ),
    Case(
        "badly kept server on the allow list",
        Letter(PARTNER, "office@partner.example", mail("office@partner.example", "Contract 17")),
        rules=frozenset({"allow-client"}),
    ),
    Case(
        "no From field",
        Letter(HONEST, "carol@example.net", b"To: alice@example.org\r\nSubject: Who am I?\r\n\r\nGuess.\r\n"),
        answer=(550, "end of data"),
        rules=frozenset({"from-none"}),
    ),
    Case(
        "two From fields",
        Letter(
            HONEST, "carol@example.net", mail("carol@example.net", "Two authors", "From: ceo@bank.example")
        ),
        answer=(550, "end of data"),
        rules=frozenset({"from-several"}),
    ),
    Case(
        "forged Authentication-Results, findings, verdict",
        Letter(
            HONEST,
            "carol@example.net",
            mail(
                "carol@example.net",
                "All verified, honestly",
                *_FORGED_RESULTS,
                "Authentication-Results: elsewhere.example; spf=pass smtp.mailfrom=kept.example",
                "X-Postward-Findings: v=1; q=forged; t=forged; s=-100; m=00",
                "X-Postward-Verdict: accept; score=-100",
            ),
        ),
        delivered=both(
            lacks(b"forged", b"score=-100"), has(b"Authentication-Results: elsewhere.example", b"spf=pass")
        ),
    ),
    Case(
        "smuggling: <LF>.<CR><LF> inside the data",
        Letter(
            HONEST,
            "carol@example.net",
            mail("carol@example.net", "Smuggled 1", body="Hello.\n.\r\n") + _SMUGGLED,
            raw=True,
        ),
        delivered=one_message,
    ),
    Case(
        "smuggling: <LF>.<LF> inside the data",
        Letter(
            HONEST,
            "carol@example.net",
            mail("carol@example.net", "Smuggled 2", body="Hello.\n.\n") + _SMUGGLED,
            raw=True,
        ),
        delivered=one_message,
    ),
    Case(
        "relay attempt (Postfix alone)",
        Letter(
            STRANGER, "x@bank.example", mail("x@bank.example", "Relay"), recipient="victim@elsewhere.example"
        ),
        answer=(554, "RCPT"),
    ),
    Case(
        "own user by submission, to the world",
        Letter(
            None,
            "alice@example.org",
            mail("Alice <alice@example.org>", "Outbound"),
            recipient="carol@example.net",
            login="alice@example.org",
        ),
    ),
    Case(
        "own user by submission, to a colleague",
        Letter(
            None,
            "alice@example.org",
            mail("Alice <alice@example.org>", "Lunch"),
            recipient="bob@example.org",
            login="alice@example.org",
        ),
        delivered=has(b"auth=pass"),
    ),
)
