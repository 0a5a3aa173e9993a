"""The whole private mail host for tests: DNS, Postfix and our daemons, whose rules tests change."""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab import town
from lab.daemons import Daemons
from lab.dns import Dns
from lab.patience import until
from lab.postfix import Postfix

RECIPIENTS = tuple(f"rcpt{number:02}" for number in range(1, 61))
_TROUBLE = re.compile(r"Traceback|^\S+Z (?:error|critical) ")
_QUEUES = ("maildrop", "incoming", "active", "deferred")


class MailHost:
    """One Postfix with alice, bob and rcpt01..rcpt60; the daemons take over the rules of each test."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.dns = Dns(home / "dns", town.ZONE)
        self.daemons = Daemons(home / "pw", dns=self.dns.address)
        self.postfix = Postfix(
            home / "postfix",
            doors=self.daemons.sockets,
            logins=town.PASSWORDS,
            users=("alice", "bob", "dürst", *RECIPIENTS),
        )
        self._serving: tuple[str, str] | None = None
        self._known_trouble = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for part in (self.dns, self.daemons, self.postfix):
            self._stack.callback(part.stop)
        self.dns.start()
        self.postfix.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def serve(
        self,
        *,
        rules: Mapping[str, Any] | None = None,
        lists: Mapping[str, Sequence[Any]] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Daemons:
        """Have the daemons judge by these: by a reload, or by a start where settings differ."""
        running = all(map(self.daemons.is_running, self.daemons.doors))
        wanted = (repr(settings), repr((rules, lists)))
        if running and wanted == self._serving:
            return self.daemons
        by_reload = running and self._serving is not None and wanted[0] == self._serving[0]
        self._serving = None
        if not by_reload:
            self.daemons.stop()
        self.daemons.configure(rules=rules or {}, lists=lists or {}, settings=settings or {})
        if by_reload:
            done = self.daemons.postward("reload")
            if done.returncode != 0:
                raise RuntimeError(f"postward reload: {done.stdout}{done.stderr}")
        else:
            self.daemons.start()
        self._serving = wanted
        return self.daemons

    def forget(self) -> None:
        """The next `serve` starts the daemons anew (after a test that changed them by other ways)."""
        self._serving = None

    def settle(self, *, within: float = 15.0) -> None:
        """Wait until Postfix has delivered what it took."""
        queue = self.postfix.home / "queue"
        until(
            lambda: not any(path.is_file() for name in _QUEUES for path in _files(queue / name)),
            "an empty queue",
            within=within,
        )

    def trouble(self) -> list[str]:
        """Lines of the daemons' logs that no test expects, new since it was asked last."""
        lines = [
            f"{door}: {line}"
            for door in self.daemons.doors
            for line in self.daemons.log(door).splitlines()
            if _TROUBLE.search(line)
        ]
        new, self._known_trouble = len(lines) - self._known_trouble, len(lines)
        return lines if new == len(lines) else lines[-new:] if new else []


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.rglob("*"))
    except FileNotFoundError:  # a queue file that moved on while we looked
        return [folder]
