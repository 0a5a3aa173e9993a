"""The mixed traffic: every kind is in it as it should be, and wrong answers are noticed."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from lab.bench import crowd, mixed
from lab.bench.traffic import MARK

Answerer = Callable[[str], str]


def right(request: str) -> str:
    """What a service answers that knows the crowd by its looks."""
    said = dict(line.split("=", 1) for line in request.splitlines())
    number = int(said["sender"].rpartition("@c")[2].partition(".")[0] or 0) if "@c" in said["sender"] else 0
    becomes = "passes" if said["sasl_username"] else crowd.visitors()[number].kind.becomes
    if said["protocol_state"] == "DATA":
        return "PREPEND X-Found: 1"
    return {"passes": "DUNNO", "waits": "450 4.7.1 later", "refused": "550 5.7.1 no", "either": "DUNNO"}[
        becomes
    ]


@contextmanager
def service(path: Path, answer: Answerer) -> Iterator[str]:
    """Answers one connection."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rw", newline="\n") as stream:
                request = ""
                for line in stream:
                    if line != "\n":
                        request += line
                        continue
                    stream.write(f"action={answer(request)}\n\n")
                    stream.flush()
                    request = ""

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"unix:{path}"
        thread.join(10)


def test_the_kinds_have_their_shares() -> None:
    count = Counter(visitor.kind.name for visitor in crowd.visitors())
    assert count.total() == 2_000
    assert count["clean"] == 1_200
    assert count["correspondent"] + count["odd correspondent"] == 300
    assert count["dial-up"] + count["stranger"] + count["newcomer"] + count["liar"] == 300
    assert count["listed"] + count["doubted"] == count["user"] == 100


def test_kinds_share_no_network() -> None:
    of_network: dict[str, set[str]] = {}
    for visitor in crowd.visitors():
        of_network.setdefault(visitor.address.rpartition(".")[0], set()).add(visitor.kind.name)
    assert all(len(kinds) == 1 for kinds in of_network.values())


def test_clients_that_are_clean_have_names_that_lead_back() -> None:
    lines = set(crowd.zone().splitlines())
    for visitor in crowd.visitors():
        if visitor.kind is crowd.CLEAN:
            reverse = ".".join(reversed(visitor.address.split(".")))
            assert f"{reverse}.in-addr.arpa. PTR {visitor.name}." in lines
            assert f"{visitor.name}. A {visitor.address}" in lines


def test_recipients_of_a_message_follow_each_other(tmp_path: Path) -> None:
    count = mixed.write(tmp_path / "mixed", data=False)
    requests = (tmp_path / "mixed").read_text().split("\n\n")[:-1]
    assert len(requests) == count == sum(len(message.recipients) for message in mixed.messages())
    pairs = [(before, after) for before, after in pairwise(requests) if after.startswith("+\n")]
    assert len(pairs) == count - len(mixed.messages())
    for before, after in pairs:
        sender = next(line for line in before.splitlines() if line.startswith("sender="))
        assert sender in after.splitlines()


def test_at_data_only_those_are_asked_about_that_go_on(tmp_path: Path) -> None:
    extra = mixed.write(tmp_path / "data", data=True) - mixed.write(tmp_path / "rcpt", data=False)
    going_on = [each for each in mixed.messages() if each.visitor.kind.becomes == "passes"]
    assert extra == len(going_on)
    assert (tmp_path / "data").read_text().count(f"queue_id=4{MARK}") == extra


def test_strangers_have_a_sender_of_their_own_each_time() -> None:
    strange = [each for each in mixed.messages() if each.visitor.kind is crowd.STRANGER]
    assert all(each.sender.startswith(MARK) for each in strange)


def test_right_answers_pass(tmp_path: Path) -> None:
    with service(tmp_path / "s", right) as address:
        assert mixed.check(address, 100, data=True) == 100 + len(mixed.messages())


def test_a_service_that_lets_everybody_in_is_noticed(tmp_path: Path) -> None:
    with (
        pytest.raises(mixed.WrongAnswers, match=r"stranger \(waits\): DUNNO"),
        service(tmp_path / "s", lambda request: "DUNNO") as address,
    ):
        mixed.check(address, 0, data=False)


def test_a_service_that_is_in_trouble_is_noticed(tmp_path: Path) -> None:
    with (
        pytest.raises(mixed.WrongAnswers, match=r"clean \(passes\): 451"),
        service(tmp_path / "s", lambda request: "451 4.3.0 no store") as address,
    ):
        mixed.check(address, 0, data=False)
