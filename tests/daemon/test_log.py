"""The log: one line an event, nothing raw from mail, never a wait."""

import asyncio
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.daemon import log as daemon_log
from postward.daemon.log import MAX_WAITING, Log, Sink, quoted, set_up


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logging.captureWarnings(False)


def text_log(fd: int, level: str = "info") -> Log:
    return Log(Sink(fd), "text", level)


def test_an_event_is_one_line_of_words(pipe: tuple[int, int]) -> None:
    text_log(pipe[1]).event("info", "decision", [("trace", "0123456789"), ("score", 2.5), ("by", "a b")])
    stamp, level, *rest = os.read(pipe[0], 4096).decode().split(" ", 2)
    assert stamp.endswith("Z")
    assert level == "info"
    assert rest == ['decision trace=0123456789 score=2.5 by="a b"\n']


def test_an_event_is_one_json_object(pipe: tuple[int, int]) -> None:
    Log(Sink(pipe[1]), "json", "info").event("info", "decision", [("helo", "a\x1b\n"), ("ms", 0.5)])
    record = json.loads(os.read(pipe[0], 4096))
    assert record.pop("time").endswith("Z")
    assert record == {"level": "info", "event": "decision", "helo": "a\\x1b\\n", "ms": 0.5}


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("mx.example.org", "mx.example.org"),
        ("", '""'),
        ("a b", '"a b"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("a\nb", '"a\\nb"'),
        ("\x1b]0;x\x07", '"\\x1b]0;x\\x07"'),
        ('\\" decision=accept "', '"\\\\\\" decision=accept \\""'),
        ("\\x1b", '"\\\\x1b"'),
        ("x" * 9999, "x" * 509 + "..."),
    ],
)
def test_a_value_is_one_word(value: str, word: str) -> None:
    assert quoted(value) == word


@given(st.text(alphabet=st.characters(categories=None)))
def test_any_value_stays_in_its_line(text: str) -> None:
    word = quoted(text)
    assert word.isprintable()
    assert " " not in word or (word[0] == word[-1] == '"')


def test_a_traceback_stays_in_one_line(pipe: tuple[int, int], root: logging.Logger) -> None:
    set_up("text", "info", pipe[1])
    try:
        raise ValueError("evil\x1b\n")
    except ValueError:
        logging.getLogger("postward.x").exception("it failed: %s", "a\nb")
    lines = os.read(pipe[0], 65536).decode().splitlines()
    assert len(lines) == 1
    assert "error postward.x: it failed: a\\nb | Traceback" in lines[0]
    assert "\x1b" not in lines[0]


def test_a_record_with_wrong_arguments_does_not_raise(pipe: tuple[int, int], root: logging.Logger) -> None:
    set_up("text", "info", pipe[1])
    logging.getLogger("postward.x").warning("%d of %d", "one")  # noqa: PLE1206  # that is the point
    assert b"a record that cannot be spelled (TypeError)" in os.read(pipe[0], 4096)


def test_the_level_is_kept(pipe: tuple[int, int], root: logging.Logger) -> None:
    set_up("text", "warning", pipe[1])
    logging.getLogger("postward.x").info("quiet")
    logging.getLogger("postward.x").warning("loud")
    assert b"quiet" not in os.read(pipe[0], 4096)


def test_the_lines_of_one_turn_are_one_write(monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]) -> None:
    writes: list[bytes] = []

    def note(octets: bytes) -> int:
        writes.append(octets)
        return len(octets)

    monkeypatch.setattr(daemon_log, "_writer", lambda fd: (note, lambda: None))
    sink = Sink(pipe[1])

    async def turn() -> None:
        sink.attach(asyncio.get_running_loop())
        for number in range(5):
            sink.line(str(number))
        assert writes == []
        await asyncio.sleep(0)

    asyncio.run(turn())
    assert writes == [b"0\n1\n2\n3\n4\n"]


def test_another_thread_can_log_while_the_loop_runs(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1])

    async def turn() -> None:
        sink.attach(asyncio.get_running_loop())
        await asyncio.to_thread(sink.line, "from a thread")
        await asyncio.sleep(0)

    asyncio.run(turn())
    assert os.read(pipe[0], 100) == b"from a thread\n"


def test_a_full_pipe_does_not_block_and_loses_nothing_small(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1])
    for number in range(3000):
        sink.line(f"{number:060d}")
    lines: list[bytes] = []
    rest = b""
    while len(lines) < 3000:
        *whole, rest = (rest + os.read(pipe[0], 65536)).split(b"\n")
        lines += whole
        sink.flush()
    assert [int(line) for line in lines] == list(range(3000))


def test_a_reader_that_sleeps_costs_bounded_memory_and_is_told(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1])
    for _ in range(3 * MAX_WAITING // 1000):
        sink.line("x" * 999)
    received = b""
    while b"lost" not in received:
        received += os.read(pipe[0], 65536)
        sink.flush()
    assert b"log lines lost: their reader was too slow\n" in received
    assert len(received) < 1.2 * MAX_WAITING


def test_the_descriptor_itself_stays_as_it_was(pipe: tuple[int, int]) -> None:
    Sink(pipe[1]).line("x")
    assert os.get_blocking(pipe[1])


def test_a_socket_is_written_without_blocking() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sink = Sink(ours.fileno())
        for _ in range(2000):
            sink.line("y" * 999)  # far more than the buffers take
        sink.close()
        assert theirs.recv(1000) == b"y" * 999 + b"\n"


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    with path.open("ab") as file:
        Sink(file.fileno()).line("after")
    assert path.read_text() == "before\nafter\n"


def test_a_reader_that_left_is_no_trouble() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    Sink(writer).line("nobody hears")
    os.close(writer)


def test_under_systemd_the_journal_stamps_the_lines(
    pipe: tuple[int, int], root: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = os.fstat(pipe[1])
    monkeypatch.setenv("JOURNAL_STREAM", f"{state.st_dev}:{state.st_ino}")
    set_up("text", "info", pipe[1])
    logging.getLogger("postward.x").warning("hello")
    assert os.read(pipe[0], 100) == b"<4>warning postward.x: hello\n"


def test_many_threads_lose_no_line(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1])
    threads = [threading.Thread(target=lambda: [sink.line("z" * 9) for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.flush()
    assert os.read(pipe[0], sys.maxsize >> 40) == b"zzzzzzzzz\n" * 800
