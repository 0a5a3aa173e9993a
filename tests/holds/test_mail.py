"""Notices by mail."""

import asyncio
import email
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from postward.holds.mail import ByMail
from postward.holds.notice import Notice, NotTold, subject
from postward.state import Ticket

TICKET = Ticket(
    "1a2b3c4d", "new.example", "waiting", 1_790_000_000.0, 1_790_003_600.0, 3, "new-domain",
    knock={"client": "192.0.2.9", "sender": "a@new.example"}, card={"mx": "none"}, clients=("192.0.2.9",),
)  # fmt: skip
NOTICE = Notice((TICKET,), (), 1_790_003_600.0, 86_400.0, "accept")
HOSTILE = replace(
    TICKET,
    domain="new.example\r\nBcc: x@example.org",
    evidence="a\n.\nb \u202e\x1b[2J",
    knock={"sender": "x" * 5_000},
)


def by_mail(port: int = 25) -> ByMail:
    to = ("postmaster@example.org", "admin@example.org")
    return ByMail(to, "postward@mx.example.org", ("127.0.0.1", port), "mx.example.org")


@asynccontextmanager
async def smtp(lines: list[bytes], rcpt: bytes = b"250 ok") -> AsyncIterator[int]:
    """A server that takes one mail; `lines`: all that it was told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        in_data = False
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            lines.append(line)
            word = line[:4].upper()
            if in_data:
                in_data = line != b".\r\n"
                answer = b"" if in_data else b"250 queued"
            elif word == b"DATA":
                in_data, answer = True, b"354 go on"
            else:
                answer = {b"RCPT": rcpt, b"QUIT": b"221 bye"}.get(word, b"250 ok")
            writer.write(answer + b"\r\n" if answer else b"")
            if word == b"QUIT":
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def sent(notice: Notice, rcpt: bytes = b"250 ok") -> list[bytes]:
    lines: list[bytes] = []

    async def main() -> None:
        async with smtp(lines, rcpt) as port:
            await by_mail(port).send(notice)

    asyncio.run(main())
    return lines


def test_it_goes_to_all_with_the_null_sender() -> None:
    lines = sent(NOTICE)
    assert any(line.lower().startswith(b"mail from:<>") for line in lines)
    assert [line.strip().lower() for line in lines if line[:4].lower() == b"rcpt"] == [
        b"rcpt to:<postmaster@example.org>",
        b"rcpt to:<admin@example.org>",
    ]


def test_it_says_that_no_person_wrote_it() -> None:
    assert b"Auto-Submitted: auto-generated\r\n" in sent(NOTICE)


def test_it_tells_what_there_is_to_decide() -> None:
    message = email.message_from_string(by_mail().compose(NOTICE))
    assert message["Subject"] == "Postward: 1 domain waits for you (new.example)"
    body = message.get_payload()
    assert "new.example waits since 2026-09-21 14:13 UTC (ticket 1a2b3c4d)" in body
    assert "postward holds approve 1a2b3c4d" in body
    assert "(in 23 h): accept" in body


def test_what_is_hostile_stays_text() -> None:
    lines = sent(replace(NOTICE, tickets=(HOSTILE,), alarms=("one\r\n.\r\nQUIT",)))
    assert lines[-1].upper() == b"QUIT\r\n"
    assert not any(line.lower().startswith(b"bcc") for line in lines)
    assert all(len(line) <= 998 and line.endswith(b"\r\n") and line.isascii() for line in lines)
    assert not any(byte < 32 for line in lines for byte in line[:-2])


def test_a_mail_is_bounded() -> None:
    many = tuple(replace(TICKET, domain=f"n{number}.example") for number in range(50))
    text = by_mail().compose(replace(NOTICE, tickets=many, more=950))
    assert "and 950 more, in the next notices: postward holds list" in text
    assert len(subject(replace(NOTICE, tickets=many))) < 200


def test_an_alarm_alone_is_a_mail_too() -> None:
    message = email.message_from_string(by_mail().compose(Notice((), ("zen is off",), 0.0, 1.0, "accept")))
    assert message["Subject"] == "Postward: zen is off"


def test_a_server_that_refuses_is_trouble() -> None:
    with pytest.raises(NotTold):
        sent(NOTICE, rcpt=b"550 no")


def test_a_server_that_is_down_is_trouble() -> None:
    async def main() -> None:
        async with smtp([]) as port:
            way = by_mail(port)
        await way.send(NOTICE)

    with pytest.raises(NotTold):
        asyncio.run(main())
