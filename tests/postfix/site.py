"""A whole site for the heuristics: Postfix, unbound before nsd, both daemons, RDAP; time is played.

The rules are the shipped ones. Senders come from a supply, each with a domain, a network and names of
its own, so that no test meets what another one has left.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

from lab import town
from lab.daemons import Daemons
from lab.dns import Dns, Unbound, host
from lab.patience import free_port, until
from lab.postfix import Postfix
from lab.smtp import Reply, Smtp

from tests.holds.web import AUTHORITY
from tests.postfix.rdap import RdapServer

_LATER_PROGRAM = Path(__file__).with_name("later_program.py")
_SUPPLY = 100
GREYLISTED = 301
"""Seconds after which a retry passes greylisting as shipped."""
HOUR = 3600.0
DOMAINS = ("example.org", "club.example", "strict.example")
USERS = ("alice", "bob", "postmaster", "trap")


@dataclass(frozen=True, slots=True)
class Sender:
    """A mail server and its domain. `named`: its addresses have names that resolve back.

    `address` and `neighbour` are of one /24, `elsewhere` is of another; the domain's SPF record has
    them all.
    """

    number: int
    named: bool

    @property
    def domain(self) -> str:
        """The sender's domain."""
        return f"{'well' if self.named else 'poor'}{self.number}.example"

    @property
    def host(self) -> str:
        """The server's name, for HELO."""
        return f"mail.{self.domain}"

    @property
    def mailbox(self) -> str:
        """The usual sender address."""
        return f"anna@{self.domain}"

    @property
    def address(self) -> str:
        """The usual client address."""
        return f"198.{18 if self.named else 19}.{self.number}.10"

    @property
    def neighbour(self) -> str:
        """Another client of the network."""
        return f"{self.address[:-2]}11"

    @property
    def elsewhere(self) -> str:
        """A client of another network."""
        return f"198.{18 if self.named else 19}.{self.number + 128}.10"

    @property
    def network(self) -> str:
        """The network of the first two."""
        return f"{self.address[:-2]}0/24"

    def zone(self, *, named: bool) -> str:
        """The records. `named`: with PTR records."""
        clients = (self.address, self.neighbour, self.elsewhere)
        records = f'{self.domain}. MX 10 {self.host}.\n{self.domain}. TXT "v=spf1 a:{self.host} -all"\n'
        lines = (host(self.host, each) if named else f"{self.host}. A {each}\n" for each in clients)
        return records + "".join(lines)


WELL = tuple(Sender(number, True) for number in range(1, _SUPPLY))
POOR = tuple(Sender(number, False) for number in range(1, _SUPPLY))


class Site:
    """All of it. `zone`: further records, beside those of the senders."""

    def __init__(self, home: Path, zone: str, settings: Mapping[str, Any]) -> None:
        self._zone = zone
        self._home = home
        self._later = home / "later"
        self._seconds = 0.0
        self._write_later()
        self._senders = {True: iter(WELL), False: iter(POOR)}
        self.nsd = Dns(home / "nsd", self._all_records())
        self.unbound = Unbound(home / "unbound", self.nsd.port)
        port = free_port()
        self.rdap = RdapServer()
        notify = {"mail": {"to": ["postmaster@example.org"], "server": f"127.0.0.1:{port}"}}
        authority = home / "authority.pem"
        AUTHORITY.cert_pem.write_to_path(str(authority))
        self._settings = {"notify": notify, **settings}
        self.daemons = Daemons(
            home / "pw",
            dns=self.unbound.address,
            program=(sys.executable, str(_LATER_PROGRAM), str(self._later)),
            environment={"SSL_CERT_FILE": str(authority)},
        )
        boxes = ", ".join(f"{{{user}@{domain}={user}/}}" for user in USERS for domain in DOMAINS)
        self.postfix = Postfix(
            home / "postfix",
            doors=self.daemons.sockets,
            logins=town.PASSWORDS,
            users=USERS,
            port=port,
            settings={
                "virtual_mailbox_domains": ", ".join(DOMAINS),
                "virtual_mailbox_maps": f"inline:{{{boxes}}}",
                "smtputf8_autodetect_classes": "all",
            },
        )
        self._rules: Mapping[str, Any] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.rdap)
            rdap = {"url": f"https://rdap.example:{self.rdap.port}/v1", "private": True}
            self._settings["rdap"] = {"servers": {"registry": rdap}}
            self.configure()
            for part in (self.nsd, self.unbound, self.daemons, self.postfix):
                stack.callback(part.stop)
                part.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # --- what tests change --------------------------------------------------------------------------
    def configure(self, *, rules: Mapping[str, Any] | None = None) -> None:
        """Write the configuration anew, with these rules beside the shipped ones."""
        lists = {"spam-traps": ["trap@example.org"]}
        self.daemons.configure(rules=rules or {}, lists=lists, settings=self._settings)

    def judge_by(self, rules: Mapping[str, Any]) -> None:
        """Have the daemons judge by the shipped rules and these."""
        if rules != self._rules:
            self.configure(rules={"site.yml": rules})
            self.run("reload")
            self._rules = rules

    def later(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._seconds += seconds
        self._write_later()

    def _write_later(self) -> None:
        new = self._later.with_suffix(".new")
        new.write_text(str(self._seconds))
        new.replace(self._later)

    def zone_has(self, *records: str, nameless: Sequence[Sender] = ()) -> None:
        """The DNS has these records more, and no PTR records of `nameless`, once its answers are old."""
        self.unbound.stop()
        self.nsd.stop()
        self.nsd.write(self._all_records(nameless) + "".join(records))
        self.nsd.start()
        self.unbound.start()
        self.later(GREYLISTED)

    def _all_records(self, nameless: Sequence[Sender] = ()) -> str:
        senders = (each.zone(named=each.named and each not in nameless) for each in (*WELL, *POOR))
        return self._zone + "".join(senders)

    # --- what happens --------------------------------------------------------------------------------
    def well(self) -> Sender:
        """A sender that keeps its server well, and never came before."""
        return next(self._senders[True])

    def poor(self) -> Sender:
        """A suspicious sender (its clients have no names) that never came before."""
        return next(self._senders[False])

    def knock(
        self,
        who: Sender,
        *,
        sender: str | None = None,
        recipient: str = "alice@example.org",
        client: str = "",
        helo: str = "",
        options: str = "",
    ) -> Reply:
        """Send a mail; the first refusal, or the answer to its end. `options`: of MAIL."""
        sender = who.mailbox if sender is None else sender
        with Smtp(self.postfix.port) as smtp:
            smtp.xclient(client or who.address, who.host if who.named else "")
            steps = [smtp.ehlo(helo or who.host), smtp.mail(sender, *options.split()), smtp.rcpt(recipient)]
            refused = next((reply for reply in steps if reply.code >= 400), None)
            return refused or smtp.data(letter(sender))

    def hold(self, who: Sender) -> str:
        """Have the sender greylisted, then held; its ticket's id."""
        assert "a little suspicious" in (first := self.knock(who)).text, first
        self.later(GREYLISTED)
        reply = self.knock(who)
        assert reply.code == 450, reply
        ticket = self.ticket(who.domain)
        assert f"(ticket {ticket['id']})" in reply.text
        assert ticket["verdict"] == "waiting"
        return str(ticket["id"])

    def soon(self, code: int, who: Sender, **how: str) -> Reply:
        """The answer with this code, which must come within a second: a person's word counts by then."""
        deadline = monotonic() + 1.0
        while (reply := self.knock(who, **how)).code != code:
            assert monotonic() < deadline, reply
        return reply

    # --- what people ask ------------------------------------------------------------------------------
    def run(self, *arguments: str) -> str:
        """What a `postward` command says; it must succeed."""
        done = self.daemons.postward(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, *arguments: str) -> Any:
        """The same for programs."""
        return json.loads(self.run(*arguments, "--json"))

    def ticket(self, key: str) -> dict[str, Any]:
        """The ticket of this id or domain."""
        found: dict[str, Any] = self.ask("holds", "show", key)
        return found

    def has_ticket(self, domain: str) -> bool:
        """Whether the domain was ever held."""
        return domain in {each["domain"] for each in self.ask("holds", "list", "--verdict", "all")}

    def finding(self, reply: Reply, rule: str) -> dict[str, Any]:
        """What the rule found in the mail of this reply, by the journal."""
        return next(each for each in self.findings(reply) if each["rule"] == rule)

    def findings(self, reply: Reply) -> list[dict[str, Any]]:
        """What all rules found in it, by the journal."""
        key = reply.queue_id or reply.text.rpartition("[")[2].rstrip("]")
        entries = until(lambda: self.daemons.why(key), f"{key} in the journal")
        return [each for entry in entries for each in entry["rules"]]

    def told(self, words: str, *, within: float = 15.0) -> str:
        """The first notice in the postmaster's mailbox that holds these words."""
        return until(
            lambda: next((m for m in self.notices() if words in m), ""),
            f"{words!r} in a notice",
            within=within,
        )

    def notices(self) -> list[str]:
        """All mails in the postmaster's mailbox."""
        return [mail.decode("ascii") for mail in self.postfix.delivered("postmaster")]


def letter(sender: str) -> bytes:
    """A small mail of this sender."""
    fields = (
        f"From: {sender or 'mailer-daemon@client.example'}",
        "To: alice@example.org",
        "Subject: Hello",
        "Date: Sun, 22 Nov 2026 09:00:00 +0000",
        "Message-ID: <1@client.example>",
    )
    return ("\r\n".join(fields) + "\r\n\r\nHello.\r\n").encode()
