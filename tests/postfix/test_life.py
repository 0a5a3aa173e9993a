"""Stops, deaths and reloads of the daemons while mail is under way: nothing is lost."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from lab.daemons import Daemons
from lab.host import RECIPIENTS, MailHost
from lab.patience import until
from lab.smtp import Reply, Smtp

NO_RULES = {"none.yml": {"shipped": "off"}}
DENY = {
    "deny.yml": {
        "shipped": "off",
        "rules": [
            {"name": "deny", "check": "list", "with": {"match": "sender", "list": "bad"}, "then": "reject"},
            {"name": "no-from", "check": "from_header", "with": {"verdict": "none"}, "then": "reject"},
        ],
    }
}
LISTS = {"bad": ["bad.example"]}
HEAD = b"From: x@example.net\r\nSubject: under way\r\n\r\nfirst line\r\n"


@pytest.fixture(autouse=True)
def _fresh_daemons_afterwards(mail_host: MailHost) -> Iterator[None]:
    yield
    mail_host.forget()
    mail_host.trouble()


def _begin(host: MailHost, user: str) -> Smtp:
    """A connection that has sent the half of a message."""
    smtp = Smtp(host.postfix.port)
    smtp.xclient("198.51.100.10", "mail.example.net")
    smtp.ehlo("mail.example.net")
    smtp.mail("x@example.net")
    assert smtp.rcpt(f"{user}@example.org").code == 250
    assert smtp.command("DATA").code == 354
    smtp.send(HEAD)
    return smtp


def _finish(smtp: Smtp) -> Reply:
    smtp.send(b"last line\r\n.\r\n")
    return smtp.reply()


def _send(host: MailHost, user: str = "alice", sender: str = "x@example.net") -> Reply:
    with Smtp(host.postfix.port) as smtp:
        smtp.xclient("198.51.100.10", "mail.example.net")
        smtp.ehlo("mail.example.net")
        for reply in (smtp.mail(sender), smtp.rcpt(f"{user}@example.org")):
            if reply.code >= 400:
                return reply
        return smtp.data(HEAD + b"last line\r\n")


def _workers(daemons: Daemons) -> set[int]:
    parent = daemons.pid("milter")
    return {int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}


def test_thirty_messages_under_way_finish_after_term(mail_host: MailHost) -> None:
    daemons = mail_host.serve(rules=NO_RULES)
    mail_host.postfix.forget_mail()
    users = RECIPIENTS[:30]
    with ThreadPoolExecutor(30) as pool:
        under_way = list(pool.map(lambda user: _begin(mail_host, user), users))
        daemons.signal("milter", signal.SIGTERM)
        until(lambda: not daemons.socket("milter").exists(), "the milter to stop listening")
        replies = list(pool.map(_finish, under_way))
        for smtp in under_way:
            smtp.close()
    assert {reply.code for reply in replies} == {250}, replies
    assert daemons.wait("milter", 30) == 0
    mail_host.settle()
    for user in users:
        (mail,) = mail_host.postfix.delivered(user)
        assert b"Authentication-Results: mx.example.org" in mail


@contextmanager
def _silent_dns() -> Iterator[str]:
    """A DNS server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{silent.getsockname()[1]}"


def test_thirty_requests_under_way_are_answered_after_term(mail_host: MailHost) -> None:
    rules = {
        "spf.yml": {
            "shipped": "off",
            "rules": [{"name": "spf", "check": "spf", "with": {"results": ["fail"]}, "then": "reject"}],
        }
    }
    with _silent_dns() as dns, ExitStack() as stack:
        daemons = mail_host.serve(
            rules=rules, settings={"dns": {"servers": [dns], "timeout": "1500ms", "attempts": 1}}
        )
        asking = [stack.enter_context(Smtp(mail_host.postfix.port)) for _ in range(30)]
        for number, smtp in enumerate(asking):
            smtp.xclient("198.51.100.10", "mail.example.net")
            smtp.ehlo("mail.example.net")
            smtp.mail(f"x@case{number}.example")
            smtp.send(b"RCPT TO:<alice@example.org>\r\n")
        until(lambda: _connections(daemons.socket("policyd")) >= 30, "thirty requests at policyd")
        daemons.signal("policyd", signal.SIGTERM)
        assert {smtp.reply().code for smtp in asking} == {250}
        assert daemons.wait("policyd", 30) == 0


def _connected(path: Path) -> set[str]:
    """Inodes of the accepted connections of a unix socket (proc(5): state 03 is connected)."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    fields = [line.split() for line in lines if line.endswith(f" {path}")]
    return {each[6] for each in fields if each[5] == "03"}


def _connections(path: Path) -> int:
    """How many connections of a unix socket were accepted or wait for it."""
    return len(_connected(path))


def _connections_of(pid: int, path: Path) -> int:
    """How many of them a process has accepted."""
    links = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed while we looked
            links.add(str(each.readlink()))
    return sum(f"socket:[{each}]" in links for each in _connected(path))


def _on_both(host: MailHost, workers: set[int]) -> tuple[list[Smtp], dict[int, int]]:
    """Sessions in the middle of a message, some at each worker; how many each of them has."""
    under_way: list[Smtp] = []
    for user in RECIPIENTS[:40]:
        under_way.append(_begin(host, user))
        counts = {pid: _connections_of(pid, host.daemons.socket("milter")) for pid in workers}
        if len(under_way) >= 12 and min(counts.values()) > 0:
            return under_way, counts
    raise AssertionError(f"one worker gets everything: {counts}")


def test_a_killed_worker_costs_a_tempfail_at_worst_and_comes_back(mail_host: MailHost) -> None:
    daemons = mail_host.serve(rules=NO_RULES, settings={"milter": {"workers": 2}})
    mail_host.postfix.forget_mail()
    before = until(lambda: pids if len(pids := _workers(daemons)) == 2 else None, "two workers")
    assert before is not None
    under_way, counts = _on_both(mail_host, before)
    killed, living = sorted(before)
    with ThreadPoolExecutor(1) as watch:
        again = watch.submit(
            until, lambda: len(_workers(daemons) - {killed}) == 2, "two workers again", within=2.0
        )
        os.kill(killed, signal.SIGKILL)
        replies = [_finish(smtp) for smtp in under_way]
        again.result()
    for smtp in under_way:
        smtp.close()
    assert [reply.code for reply in replies].count(250) == counts[living]
    assert [reply.code for reply in replies].count(451) == counts[killed]
    assert [_send(mail_host, "bob").code for _ in range(10)] == [250] * 10
    mail_host.settle()
    delivered = sum(len(mail_host.postfix.delivered(user)) for user in RECIPIENTS[: len(under_way)])
    assert delivered == counts[living]


def test_while_a_worker_is_gone_the_other_serves(mail_host: MailHost) -> None:
    daemons = mail_host.serve(rules=NO_RULES, settings={"milter": {"workers": 2}})
    before = until(lambda: pids if len(pids := _workers(daemons)) == 2 else None, "two workers")
    assert before is not None
    os.kill(daemons.pid("milter"), signal.SIGSTOP)  # so that the parent starts nobody meanwhile
    try:
        os.kill(min(before), signal.SIGKILL)
        until(lambda: _state(min(before)) == "Z", "the death of the worker")
        assert [_send(mail_host).code for _ in range(10)] == [250] * 10
    finally:
        os.kill(daemons.pid("milter"), signal.SIGCONT)
    until(lambda: len(_workers(daemons) - {min(before)}) == 2, "two workers again")


def _state(pid: int) -> str:
    """The letter of a process's state (proc(5), stat)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_without_milter_postfix_tempfails_and_goes_on_afterwards(mail_host: MailHost) -> None:
    daemons = mail_host.serve(rules=NO_RULES)
    daemons.stop("milter")
    assert _send(mail_host).text == "451 4.7.1 Service unavailable - try again later"
    daemons.start("milter")
    assert _send(mail_host).code == 250


def test_without_policyd_the_services_default_action_follows(mail_host: MailHost) -> None:
    daemons = mail_host.serve(rules=NO_RULES)
    daemons.stop("policyd")
    assert "451 4.3.5" in _send(mail_host).text
    daemons.start("policyd")
    assert _send(mail_host).code == 250


class _Load:
    """Senders that go on until told to stop; what was answered stands in `replies`."""

    def __init__(self, host: MailHost, senders: int) -> None:
        self.replies: list[Reply] = []
        self._host = host
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(senders)
        self._senders = [self._pool.submit(self._go_on) for _ in range(senders)]

    def _go_on(self) -> None:
        while not self._over.is_set():
            self.replies.append(_send(self._host, "bob"))

    def end(self) -> list[Reply]:
        """Stop; all replies. An exception of a sender is raised here."""
        self._over.set()
        for sender in self._senders:
            sender.result(30)
        self._pool.shutdown()
        return self.replies


def test_reload_under_load_loses_nothing(mail_host: MailHost) -> None:
    daemons = mail_host.serve(rules=NO_RULES, lists=LISTS)
    load = _Load(mail_host, 6)
    for rules in (DENY, NO_RULES, DENY, NO_RULES, DENY):
        daemons.configure(rules=rules, lists=LISTS, settings={})
        done = daemons.postward("reload")
        assert done.returncode == 0, done.stderr
        wanted = 550 if rules is DENY else 250
        assert _send(mail_host, sender="x@bad.example").code == wanted
    replies = load.end()
    assert len(replies) > 20
    assert {reply.code for reply in replies} == {250}
    assert mail_host.trouble() == []


def test_bad_rules_keep_the_old_ones_under_load(mail_host: MailHost) -> None:
    daemons = mail_host.serve(rules=DENY, lists=LISTS)
    load = _Load(mail_host, 6)
    daemons.configure(
        rules={"bad.yml": "rules:\n  - {name: x, check: nosuch, then: reject}\n"}, lists={}, settings={}
    )
    done = daemons.postward("reload")
    assert done.returncode == 1
    assert "bad.yml:2:" in done.stderr
    for door in daemons.doors:
        daemons.signal(door, signal.SIGHUP)  # as an admin who does not know the command
        until(lambda door=door: "bad.yml:2:" in daemons.log(door), f"{door} to say what is wrong")  # type: ignore[misc]
    assert _send(mail_host, sender="x@bad.example").code == 550
    assert {reply.code for reply in load.end()} == {250}
