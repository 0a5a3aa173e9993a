"""The traffic: well-formed requests, names that are in the zone, signatures that hold."""

import base64
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lab.bench import traffic
from lab.bench.__main__ import arguments, picked
from lab.bench.policy import contenders
from lab.bench.programs import Programs
from lab.bench.signing import SigningKey


def test_requests_differ_in_all_but_the_mark(tmp_path: Path) -> None:
    count = traffic.policy_requests(tmp_path / "known", unique_sender=False)
    requests = (tmp_path / "known").read_text().split("\n\n")[:-1]
    assert count == len(requests) == len(set(requests)) == traffic.DOMAINS * traffic.LOCAL_PARTS


def test_each_request_has_an_instance_of_its_own(tmp_path: Path) -> None:
    count = traffic.policy_requests(tmp_path / "new", unique_sender=True)
    text = (tmp_path / "new").read_text()
    assert len(re.findall(f"^instance=.*{traffic.MARK}", text, re.MULTILINE)) == count
    assert len(re.findall(f"^sender={traffic.MARK}@", text, re.MULTILINE)) == count


def test_clients_have_names_that_lead_back() -> None:
    lines = set(traffic.zone().splitlines())
    for sender in traffic.senders():
        reverse = ".".join(reversed(sender.address.split(".")))
        assert f"{reverse}.in-addr.arpa. PTR {sender.name}." in lines
        assert f"{sender.name}. A {sender.address}" in lines


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_signature_holds(tmp_path: Path) -> None:
    key = SigningKey(tmp_path)
    body = b"Hello\r\n"
    field = key.sign("d.example", [("From", "a@d.example"), ("Subject", "x y")], body)
    assert base64.b64encode(hashlib.sha256(body).digest()).decode() in field
    value, _, signature = field.partition(": ")[2].rpartition("b=")
    signed = f"from:a@d.example\r\nsubject:x y\r\ndkim-signature:{value}b="
    (tmp_path / "signature").write_bytes(base64.b64decode(signature))
    command = [
        "openssl",
        "dgst",
        "-sha256",
        "-prverify",
        tmp_path / "dkim.pem",
        "-signature",
        tmp_path / "signature",
    ]
    done = subprocess.run(command, input=signed.encode(), capture_output=True)
    assert done.stdout.strip() == b"Verified OK"


def test_only_picks_by_the_beginning_of_the_name() -> None:
    names = [one.name for one in picked(contenders(Programs(Path())), "postgrey (new, echo")]
    assert "echo in C" in names
    assert "postgrey (new)" in names
    assert not any(name.startswith("postfwd") for name in names)


def test_quick_is_one_short_round() -> None:
    chosen = arguments(["policy", "--quick"])
    assert (chosen.rounds, chosen.seconds) == (1, 1)


def test_names_of_contenders_are_unique() -> None:
    names = [one.name for one in contenders(Programs(Path()))]
    assert len(names) == len(set(names))
