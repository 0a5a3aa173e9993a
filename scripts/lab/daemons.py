"""Our daemons as children: a configuration directory of their own, started, reloaded, stopped.

The configuration is written from plain values; the daemons run with the same command that an
admin uses, and everything they keep stands below one directory.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from lab.patience import listens, until

DOORS = ("policyd", "milter")
CHECKOUT = Path(__file__).resolve().parents[2]
POSTWARD = (sys.executable, "-c", "from postward.console.main import main; main()")
"""The `postward` command of this very interpreter."""


class DaemonDied(RuntimeError):
    """A daemon ended by itself; the text holds its last words."""


class Daemons:
    """policyd and milter below `home`, with the configuration in `home`/etc.

    `rules`: file name -> content of `rules.d` (plain values or YAML text); `lists`: name -> entries,
    each a value or a mapping; `settings`: sections laid over the generated `postward.yml`. `program`:
    what stands for the `postward` command; `environment`: variables beside our own.
    """

    def __init__(
        self,
        home: Path,
        *,
        dns: str,
        rules: Mapping[str, Any] | None = None,
        lists: Mapping[str, Sequence[Any]] | None = None,
        own_domains: Sequence[str] = ("example.org",),
        doors: Sequence[str] = DOORS,
        settings: Mapping[str, Any] | None = None,
        program: Sequence[str] = POSTWARD,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.doors = tuple(doors)
        self.config = home / "etc"
        self._dns = dns
        self._program = tuple(program)
        self._environment = {**os.environ, **(environment or {})}
        self._own_domains = list(own_domains)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self.configure(rules=rules or {}, lists=lists or {}, settings=settings or {})

    # --- configuration ----------------------------------------------------------------------------
    def socket(self, door: str) -> Path:
        """The unix socket of a door."""
        return self.home / door

    @property
    def sockets(self) -> dict[str, str]:
        """The sockets in Postfix's spelling, for `lab.postfix.Postfix(doors=...)`."""
        return {door: f"unix:{self.socket(door)}" for door in self.doors}

    def configure(
        self, *, rules: Mapping[str, Any], lists: Mapping[str, Sequence[Any]], settings: Mapping[str, Any]
    ) -> None:
        """Write the configuration directory anew; running daemons learn of it by `postward reload`."""
        self._settings = dict(settings)
        for name in ("rules.d", "lists"):
            folder = self.config / name
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.iterdir():
                old.unlink()
        (self.config / "postward.yml").write_text(_yaml(self._postward_yml()))
        for name, content in rules.items():
            text = content if isinstance(content, str) else _yaml(content)
            (self.config / "rules.d" / name).write_text(text)
        for name, entries in lists.items():
            items = [entry if isinstance(entry, Mapping) else {"value": entry} for entry in entries]
            (self.config / "lists" / f"{name}.yml").write_text(
                _yaml({"entries": [dict(item) for item in items]})
            )

    def _postward_yml(self) -> dict[str, Any]:
        values: dict[str, Any] = {
            "authserv_id": "mx.example.org",
            "own_domains": self._own_domains,
            "run_dir": str(self.home / "run"),
            "doors": list(self.doors),
            "dns": {"servers": [self._dns], "timeout": "2s", "attempts": 1},
            "store": {"kind": "sqlite", "path": str(self.home / "state.db")},
            "journal": {"path": str(self.home / "journal")},
            "findings_key": str(self.home / "findings.key"),
        }
        for door in self.doors:
            values[door] = {"listen": [f"unix:{self.socket(door)}"], "socket_mode": "0666"}
        for section, given in self._settings.items():
            present = values.get(section)
            both = isinstance(present, dict) and isinstance(given, Mapping)
            values[section] = {**present, **given} if both else given  # type: ignore[dict-item]
        return values

    # --- life -------------------------------------------------------------------------------------
    def start(self, *doors: str) -> Self:
        """Start the daemons (all, or those named) and wait until each listens."""
        (self.home / "run").mkdir(parents=True, exist_ok=True)
        for door in doors or self.doors:
            with self.log_path(door).open("ab") as log:
                self._children[door] = subprocess.Popen(
                    [*self._program, door, "--config", str(self.config)],
                    stdout=log,
                    stderr=log,
                    cwd=self.home,
                    env=self._environment,
                    start_new_session=True,
                )
        for door in doors or self.doors:
            until(lambda door=door: self._ready(door), f"{door} listening", within=20)  # type: ignore[misc]
        return self

    def _ready(self, door: str) -> bool:
        code = self._children[door].poll()
        if code is not None:
            raise DaemonDied(f"{door} ended with {code}:\n{self.log(door)[-4000:]}")
        return listens(self.socket(door))

    def stop(self, *doors: str, within: float = 40.0) -> dict[str, int]:
        """Stop them cleanly (SIGTERM); the exit codes by door. Safe to call twice."""
        chosen = [door for door in doors or self.doors if door in self._children]
        for door in chosen:
            if self._children[door].poll() is None:
                self._children[door].send_signal(signal.SIGTERM)
        codes = {}
        for door in chosen:
            child = self._children.pop(door)
            try:
                codes[door] = child.wait(within)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                codes[door] = child.wait()
        return codes

    def restart(self, *doors: str) -> None:
        """Stop, then start."""
        self.stop(*doors)
        self.start(*doors)

    def pid(self, door: str) -> int:
        """The daemon's process id (of the milter: the parent of its workers)."""
        return self._children[door].pid

    def signal(self, door: str, number: signal.Signals) -> None:
        """Send a signal to a daemon."""
        self._children[door].send_signal(number)

    def is_running(self, door: str) -> bool:
        """Whether the daemon has not ended."""
        return door in self._children and self._children[door].poll() is None

    def wait(self, door: str, within: float) -> int:
        """Wait for the daemon's end; its exit code."""
        return self._children[door].wait(within)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- questions --------------------------------------------------------------------------------
    def log_path(self, door: str) -> Path:
        """Where the daemon's standard error goes."""
        return self.home / f"{door}.log"

    def log(self, door: str) -> str:
        """What the daemon logged so far."""
        path = self.log_path(door)
        return path.read_text(errors="replace") if path.exists() else ""

    def postward(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a `postward` command on this configuration (`--config` is added)."""
        return subprocess.run(
            [*self._program, *arguments, "--config", str(self.config)],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def why(self, key: str) -> list[dict[str, Any]]:
        """The journal's entries for a trace id, queue id or address; empty when there are none."""
        done = self.postward("why", key, "--json")
        if done.returncode != 0:
            return []
        entries: list[dict[str, Any]] = json.loads(done.stdout)
        return entries


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
