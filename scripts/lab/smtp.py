"""An SMTP client that sends exactly the octets it is told to, for dialogues with a server.

No library repairs a line end here, waits for a reply that was not asked for, or hides one.
"""

import base64
import socket
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_MAX_REPLY = 64 * 1024


class Closed(ConnectionError):
    """The server closed the connection."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply: the code and its lines without code (RFC 5321 4.2)."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines of the reply in one, with the code in front."""
        return f"{self.code} " + " / ".join(self.lines)

    @property
    def queue_id(self) -> str:
        """The queue id of `250 2.0.0 Ok: queued as ID`, empty in another reply."""
        return self.lines[-1].rpartition("queued as ")[2] if "queued as " in self.lines[-1] else ""

    def __str__(self) -> str:
        return self.text


class Smtp:
    """One connection. Commands are text (UTF-8) or bytes without line end; `send` sends raw bytes."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", timeout: float = 20.0) -> None:
        self._socket = socket.create_connection((host, port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.greeting = self.reply()

    # --- octets -----------------------------------------------------------------------------------
    def send(self, octets: bytes) -> None:
        """Send these octets, nothing else."""
        self._socket.sendall(octets)

    def reply(self) -> Reply:
        """The next reply. Raises `Closed` at the end of the connection."""
        lines = []
        while True:
            line = self._line()
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), tuple(lines))

    def _line(self) -> str:
        while b"\n" not in self._buffer:
            if len(self._buffer) > _MAX_REPLY:
                raise Closed("a reply line without end")
            octets = self._socket.recv(65536)
            if not octets:
                raise Closed(f"closed after {self._buffer!r}")
            self._buffer += octets
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "replace")

    # --- commands ---------------------------------------------------------------------------------
    def command(self, line: str | bytes) -> Reply:
        """Send one command line and read its reply."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def pipeline(self, *lines: str) -> list[Reply]:
        """Send several commands in one write, then read a reply for each (RFC 2920)."""
        self.send("".join(f"{line}\r\n" for line in lines).encode())
        return [self.reply() for _ in lines]

    def xclient(self, address: str, name: str = "", helo: str = "", *, login: str = "") -> Reply:
        """Play another client (Postfix's XCLIENT). `name`: verified and PTR name; empty: none."""
        address = f"IPV6:{address}" if ":" in address else address
        known = name or "[UNAVAILABLE]"
        words = [f"ADDR={address}", f"NAME={known}", f"REVERSE_NAME={known}"]
        words += [f"HELO={helo}"] if helo else []
        words += [f"LOGIN={login}"] if login else []
        return self.command("XCLIENT " + " ".join(words))

    def ehlo(self, name: str) -> Reply:
        """EHLO."""
        return self.command(f"EHLO {name}")

    def mail(self, sender: str, *options: str) -> Reply:
        """MAIL FROM; `sender` without angle brackets, empty for the null sender."""
        return self.command(" ".join([f"MAIL FROM:<{sender}>", *options]))

    def rcpt(self, recipient: str) -> Reply:
        """RCPT TO; without angle brackets."""
        return self.command(f"RCPT TO:<{recipient}>")

    def auth(self, login: str, password: str) -> Reply:
        """AUTH PLAIN (RFC 4616)."""
        words = base64.b64encode(f"\0{login}\0{password}".encode()).decode()
        return self.command(f"AUTH PLAIN {words}")

    def data(self, message: bytes) -> Reply:
        """DATA and the message, dot-stuffed; the reply to DATA itself when that is a refusal."""
        first = self.command("DATA")
        if first.code != 354:
            return first
        stuffed = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
        self.send(stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n"))
        return self.reply()

    def bdat(self, chunk: bytes, *, last: bool) -> Reply:
        """One BDAT chunk (RFC 3030)."""
        self.send(f"BDAT {len(chunk)}{' LAST' if last else ''}\r\n".encode() + chunk)
        return self.reply()

    def quit(self) -> Reply:
        """QUIT and close."""
        answer = self.command("QUIT")
        self.close()
        return answer

    def close(self) -> None:
        """Close without a word."""
        with suppress(OSError):  # the peer may have been faster
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
