"""All policy requests that a real Postfix 3.7.11 sent: whole, and split at each byte."""

import base64
import ipaddress
import json
import lzma
from functools import cache
from pathlib import Path

import pytest

from policyd.intake import mail_of
from policyd.wire import Framer, parse
from postward.stage import Stage

TRACES = Path(__file__).parent.parent / "traces"
CONFIGURATIONS = ("no", "normalize", "strict")


@cache
def recorded(configuration: str) -> list[tuple[str, bytes]]:
    """(case, bytes on the socket) of every request."""
    with lzma.open(TRACES / configuration / "policy.jsonl.xz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return [(row["case"], base64.b64decode(row["raw_b64"])) for row in rows]


def test_all_914_are_there() -> None:
    assert sum(len(recorded(configuration)) for configuration in CONFIGURATIONS) == 914


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_request_gives_facts(configuration: str) -> None:
    for case, raw in recorded(configuration):
        requests = Framer().feed(raw)
        assert len(requests) == 1, case
        attributes = parse(requests[0])
        mail = mail_of(attributes)
        assert str(mail.client_address) == str(ipaddress.ip_address(attributes["client_address"])), case
        if mail.stage is Stage.RCPT:
            assert mail.recipient.domain == "test.example", case
        if mail.stage >= Stage.MAIL:
            assert mail.sender.text == attributes["sender"].removeprefix("<").removesuffix(">"), case


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_stream_of_all_requests_in_odd_pieces_gives_the_same(configuration: str) -> None:
    raws = [raw for _, raw in recorded(configuration)]
    stream, framer, got = b"".join(raws), Framer(), []
    for start in range(0, len(stream), 997):
        got.extend(framer.feed(stream[start : start + 997]))
    assert got == [raw.removesuffix(b"\n\n") for raw in raws]
    assert framer.unfinished == 0


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_each_split_of_a_sample_gives_the_same_facts(configuration: str) -> None:
    for case, raw in recorded(configuration)[::29]:
        whole = mail_of(parse(raw.removesuffix(b"\n\n")))
        for cut in range(1, len(raw)):
            framer = Framer()
            requests = framer.feed(raw[:cut]) + framer.feed(raw[cut:])
            assert [mail_of(parse(request)) for request in requests] == [whole], (case, cut)


def test_one_message_keeps_its_instance_from_connect_to_end() -> None:
    by_case = {raw for case, raw in recorded("normalize") if case == "normal" and b"END-OF-MESSAGE" in raw}
    mail = mail_of(parse(by_case.pop().removesuffix(b"\n\n")))
    assert (mail.stage, mail.instance != "", mail.queue_id != "") == (Stage.EOM, True, True)


@pytest.mark.parametrize("case", ["helo-control-chars", "helo-html", "helo-8bit"])
def test_the_helo_name_is_the_same_at_every_stage(case: str) -> None:
    mails = [mail_of(parse(raw.removesuffix(b"\n\n"))) for name, raw in recorded("no") if name == case]
    client = [mail for mail in mails if mail.stage >= Stage.HELO and mail.helo_name != "xclient.test"]
    assert len({mail.stage for mail in client}) > 2
    assert len({mail.helo_name for mail in client}) == 1
