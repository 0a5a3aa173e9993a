"""Waiting for something to become true, by asking again; never a bare sleep."""

import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class GaveUp(AssertionError):
    """It did not become true in time; the text says what was waited for."""


def until(ask: Callable[[], T], what: str, *, within: float = 10.0, every: float = 0.01) -> T:
    """The first true answer of `ask`, asked each `every` seconds for at most `within` seconds."""
    end = time.monotonic() + within
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise GaveUp(f"{what}: not within {within:g} s")
        time.sleep(every)


def listens(address: tuple[str, int] | Path) -> bool:
    """Whether somebody accepts connections there (TCP address or unix socket)."""
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(address) if isinstance(address, Path) else address)
        except OSError:
            return False
        return True


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
