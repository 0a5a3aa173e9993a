"""A held domain from the first knock to its approval, with real processes."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.console.site import make, postward
from tests.daemon.running import Running, Smtpd, until

RULES = """
shipped: off
rules:
  - name: approved-domain
    check: decided
    with: {verdict: approved}
    then: watch
  - name: denied-domain
    check: decided
    with: {verdict: denied}
    then: reject
    reason: "{value} is not welcome here."
  - name: new-domain
    check: new_domain
    unless: [{hit: [approved-domain]}]
    then: hold
    reason: "We do not know {domain} yet."
    remedy: "Your server tries again by itself."
"""


class _Sink(socketserver.StreamRequestHandler):
    """An SMTP server that takes everything."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        lines: list[bytes] | None = None
        for line in self.rfile:
            if lines is not None:
                lines.append(line)
                if line == b".\r\n":
                    self.server.mails.append(b"".join(lines).decode())  # type: ignore[attr-defined]
                    lines = None
                    self.wfile.write(b"250 queued\r\n")
            elif line[:4].upper() == b"DATA":
                lines = []
                self.wfile.write(b"354 go on\r\n")
            else:
                self.wfile.write(b"250 ok\r\n")


@contextmanager
def sink() -> Iterator[tuple[int, list[str]]]:
    """Its port, and the mails that it took."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Sink) as server:
        server.mails = mails = []  # type: ignore[attr-defined]
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1], mails
        server.shutdown()
        thread.join()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    make(tmp_path, rules=RULES)
    return tmp_path


def holds(site: Path, *arguments: str) -> Any:
    result = postward("holds", *arguments, "--json", "--config", str(site / "etc"))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_it_waits_until_a_person_has_approved_it(site: Path) -> None:
    with Running("policyd", site) as daemon, Smtpd(daemon.socket_path) as smtpd:
        first = smtpd.ask(sender="a@new.example")
        [ticket] = holds(site, "list")
        assert first.startswith(
            "450 4.7.1 We do not know new.example yet. Your server tries again by itself."
        )
        assert f"(ticket {ticket['id']})" in first
        smtpd.ask(sender="b@mail.new.example", client_address="198.51.100.9")
        assert holds(site, "show", "new.example")["clients"] == ["192.0.2.1", "198.51.100.9"]
        holds(site, "approve", ticket["id"])
        assert smtpd.ask(sender="a@new.example") == "DUNNO"


def test_it_is_refused_once_a_person_has_denied_it(site: Path) -> None:
    with Running("policyd", site) as daemon, Smtpd(daemon.socket_path) as smtpd:
        smtpd.ask(sender="a@new.example")
        holds(site, "deny", "new.example")
        assert smtpd.ask(sender="a@new.example").startswith("550 5.7.1 ")
        holds(site, "undo", "new.example")
        until(lambda: smtpd.ask(sender="a@new.example").startswith("450 4.7.1 "), "the word is forgotten")


def test_people_are_told_once_with_the_card_even_over_a_crash(tmp_path: Path) -> None:
    with sink() as (port, mails):
        mail = f'{{to: [postmaster@example.org], server: "127.0.0.1:{port}"}}'
        make(tmp_path, rules=RULES, settings=f"notify: {{mail: {mail}}}")
        with Running("policyd", tmp_path) as daemon:
            with Smtpd(daemon.socket_path) as smtpd:
                smtpd.ask(sender="a@new.example")
            until(lambda: mails, "a mail")
            until(lambda: holds(tmp_path, "show", "new.example")["reminded"], "it is noted")
            daemon.process.kill()
            daemon.process.wait()
        with Running("policyd", tmp_path) as daemon:
            until(lambda: daemon.log.count("policyd runs") == 2, "the daemon serves again")
            with Smtpd(daemon.socket_path) as smtpd:
                smtpd.ask(sender="a@other.example")
            until(lambda: len(mails) == 2, "another mail")
    assert "Subject: Postward: 1 domain waits for you (new.example)" in mails[0]
    assert "could not tell: " in mails[0]  # this site's DNS answers nothing
    assert "other.example waits since" in mails[1]
    assert "new.example waits" not in mails[1]
