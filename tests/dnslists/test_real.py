"""policyd asks lists of all kinds through a real unbound, which asks a real nsd (and one server that lies).

Skipped where the servers are not installed; it needs no root.
"""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from lab.dns import Dns, Unbound

from tests.console.site import make, postward
from tests.daemon.running import Running, Smtpd, until
from tests.dns_server import DnsServer

KEY = "k3yk3yk3y"
LISTED, KEYED, CLEAN = "198.51.100.7", "198.51.100.8", "198.51.100.9"
ZONE = f"""
2.0.0.127.good.list.                A 127.0.0.2
7.100.51.198.good.list.             A 127.0.0.2
2.0.0.127.{KEY}.keyed.list.         A 127.0.0.2
8.100.51.198.{KEY}.keyed.list.      A 127.0.0.2
2.0.0.127.allow.list.               A 127.0.10.0
7.100.51.198.allow.list.            A 127.0.5.3
test.names.list.                    A 127.0.0.2
spam-shop.com.names.list.           A 127.0.0.2
*.everything.list.                  A 127.0.0.2
*.refusing.list.                    A 127.255.255.254
*.limit.list.                       A 127.255.255.255
*.parked.list.                      A 192.0.2.80
*.loopback.list.                    A 127.0.0.1
nothing.list.                       A 192.0.2.1
"""
SPAM = "codes: {127.0.0.2: {score: 5, means: spam}}"
LISTS = f"""
dns_lists:
  good: {{zone: good.list, about: client, {SPAM}}}
  keyed: {{zone: "{{key}}.keyed.list", key: {KEY}, about: client, {SPAM}}}
  allow: {{zone: allow.list, about: client, codes: {{127.0.*.3: {{score: -1, means: high}}}}}}
  names: {{zone: names.list, about: [helo, sender], {SPAM}}}
  everything: {{zone: everything.list, about: client, {SPAM}}}
  refusing: {{zone: refusing.list, about: client, {SPAM}}}
  limit: {{zone: limit.list, about: client, {SPAM}}}
  parked: {{zone: parked.list, about: client, {SPAM}}}
  loopback: {{zone: loopback.list, about: client, {SPAM}}}
  nothing: {{zone: nothing.list, about: client, {SPAM}}}
  broken: {{zone: broken.list, about: client, {SPAM}}}
  silent: {{zone: silent.list, within: 500ms, about: client, {SPAM}}}
"""
IN_ORDER = ["allow", "good", "keyed", "names"]
RULES = """
shipped: off
thresholds: {reject: 4}
rules:
  - name: client-on-dns-list
    check: dns_list
    with: {of: client}
    then: {score: own}
    reason: "Your server {client_ip} is on the block list {dns_list} ({dns_list_code})."
  - name: client-on-allow-list
    check: dns_list
    with: {of: client, kind: allow}
    then: {score: own}
  - name: sender-on-dns-list
    check: dns_list
    with: {of: sender}
    then: {score: own}
    reason: "{dns_list} has your domain."
"""


class _Silent:
    """A server that hears every question and answers none, in a thread of its own."""

    def __enter__(self) -> int:
        self._up, self._port = threading.Event(), 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._up.wait(10)
        return self._port

    async def _serve(self) -> None:
        async with DnsServer("", "silence") as server:
            self._port = server.address[1]
            self._up.set()
            await asyncio.to_thread(self._end.wait)

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an unbound."""
    if not all(map(shutil.which, ("/usr/sbin/nsd", "/usr/sbin/unbound"))):
        pytest.skip("needs the packages nsd and unbound")
    home = tmp_path_factory.mktemp("dns")
    with ExitStack() as stack:
        silent = stack.enter_context(_Silent())
        nsd = stack.enter_context(Dns(home / "nsd", ZONE, broken=("broken.list",)))
        yield stack.enter_context(Unbound(home / "unbound", nsd.port, {"silent.list": silent})).port


@pytest.fixture
def site(tmp_path: Path, resolver: int) -> Path:
    etc = make(tmp_path, rules=RULES, settings=LISTS)
    file = etc / "postward.yml"
    dns = f'dns: {{servers: ["127.0.0.1:{resolver}"], timeout: 2s, attempts: 1}}'
    lines = [dns if line.startswith("dns: ") else line for line in file.read_text().splitlines()]
    file.write_text("\n".join([*lines, ""]))
    return tmp_path


def states(site: Path) -> dict[str, dict[str, Any]]:
    output = postward("dns-lists", "--json", "--config", str(site / "etc")).output
    return {row["list"]: row for row in json.loads(output) if row["switched_on"]}


def all_tested(site: Path) -> bool:
    return all(row["tested"] for row in states(site).values())


def test_lists_in_order_are_asked_and_no_other(site: Path) -> None:
    with Running("policyd", site) as daemon, Smtpd(daemon.socket_path) as smtpd:
        until(lambda: all_tested(site), "each list has its first test")
        found = states(site)
        assert sorted(name for name, row in found.items() if row["state"] == "on") == IN_ORDER
        refused = smtpd.ask(client_address=LISTED)
        assert f"Your server {LISTED} is on the block list good (127.0.0.2)." in refused
        assert smtpd.ask(client_address=CLEAN) == "DUNNO"
        assert "names has your domain." in smtpd.ask(client_address=CLEAN, sender="a@mail.spam-shop.com")


def test_why_a_list_is_off_is_told_once_in_the_log(site: Path) -> None:
    with Running("policyd", site) as daemon:
        until(lambda: all_tested(site), "each list has its first test")
        found = states(site)
        log = daemon.log
    for name, words in {
        "everything": "lists everything",
        "refusing": "run a resolver of your own",
        "limit": "too many queries",
        "parked": "192.0.2.80 is no answer of a list",
        "loopback": "127.0.0.1 is no answer of a list",
        "nothing": "127.0.0.2 is not listed",
    }.items():
        assert words in found[name]["why"]
        assert log.count(f"DNS list {name} fails its test") == 1
    # Silence must last before it is an alarm.
    assert {found[name]["why"] for name in ("broken", "silent")} == {
        "no answer to its first test; it is tested again"
    }


def test_no_key_leaves_the_daemon(site: Path) -> None:
    with Running("policyd", site) as daemon:
        with Smtpd(daemon.socket_path) as smtpd:
            until(lambda: all_tested(site), "each list has its first test")
            said = smtpd.ask(client_address=KEYED)
        daemon.stop()
        said += daemon.log
    assert "is on the block list keyed" in said
    for path in site.rglob("*"):
        if path.is_file() and path.parent.name != "etc":
            said += path.read_bytes().decode("utf-8", "replace")
    said += postward("dns-lists", "test", "--config", str(site / "etc")).output
    said += postward("why", KEYED, "--config", str(site / "etc")).output
    assert "***.keyed.list" in said
    assert KEY not in said.lower()


def test_a_reload_switches_lists_and_keeps_the_numbers(site: Path) -> None:
    with Running("policyd", site) as daemon, Smtpd(daemon.socket_path) as smtpd:
        until(lambda: all_tested(site), "each list has its first test")
        assert smtpd.ask(client_address=LISTED).startswith("5")
        file = site / "etc/postward.yml"
        file.write_text(file.read_text().replace("  good: {", "  good: {on: off, "))
        assert daemon.reload().error == ""
        assert smtpd.ask(client_address=LISTED) == "DUNNO"
        assert "takes a restart" not in daemon.log
        daemon.stop()
    found = states(site)
    assert "good" not in found
    assert found["allow"]["hits"] == 2


def test_hanging_lists_cost_an_answer_no_time(site: Path) -> None:
    with Running("policyd", site) as daemon, Smtpd(daemon.socket_path) as smtpd:
        until(lambda: all_tested(site), "each list has its first test")
        begun = time.monotonic()
        assert smtpd.ask(client_address=LISTED).startswith("5")
        assert time.monotonic() - begun < 2


def test_explain_asks_the_lists_too(site: Path) -> None:
    (site / "mail.eml").write_text("From: a@example.net\n\nx\n")
    result = postward("explain", str(site / "mail.eml"), "--client", LISTED, "--config", str(site / "etc"))
    assert "good 127.0.0.2 (spam)" in result.output
    assert KEY not in result.output.lower()
