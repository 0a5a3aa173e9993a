"""What systemd wants to hear from a service (sd_notify(3)): a datagram to `$NOTIFY_SOCKET`.

Without the variable nothing is sent. A message that cannot be delivered is dropped: the service
works just as well, and systemd has its own timeouts.
"""

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """The service manager at the other end of `$NOTIFY_SOCKET`, if there is one."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog = _watchdog(environ)
        """Seconds between two `alive()`, 0.0 when systemd does not watch."""

    def ready(self, status: str) -> None:
        """The service accepts work, after start or after a reload."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload began (Type=notify-reload wants the time of CLOCK_MONOTONIC in microseconds)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The service is about to end."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(message.replace("\r", " ").encode("utf-8", "replace"), self._address)
            except OSError:
                # Nobody listens any more: see above.
                return


def _address(name: str) -> bytes | None:
    """The socket's address; a leading `@` stands for Linux's abstract names."""
    if name.startswith("@"):
        return b"\0" + os.fsencode(name[1:])
    return os.fsencode(name) if name.startswith("/") else None


def _watchdog(environ: Mapping[str, str]) -> float:
    """Half of systemd's limit, as sd_watchdog_enabled(3) advises."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    try:
        return int(environ.get("WATCHDOG_USEC", "0")) / 2e6
    except ValueError:
        return 0.0
