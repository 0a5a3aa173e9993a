"""`postward explain`: every rule, hit or not, and the final answer; nothing is written."""

import json
from pathlib import Path

import pytest

from tests.console.site import make, postward


@pytest.fixture
def message(tmp_path: Path) -> Path:
    path = tmp_path / "message.eml"
    path.write_bytes(
        b"Return-Path: <evil@bad.example>\r\nDelivered-To: bob@example.org\r\n"
        b"From: Evil <evil@bad.example>\r\nSubject: \x1b[2Jx\r\n\r\nhello\r\n"
    )
    return path


def test_every_rule_is_shown_with_what_followed(tmp_path: Path, message: Path) -> None:
    etc = make(tmp_path)
    result = postward(
        "explain", str(message), "--client", "192.0.2.1", "--helo", "bad.example", "--config", str(etc)
    )
    assert result.exit_code == 0, result.stderr
    text = result.output
    assert "from <evil@bad.example> to <bob@example.org>" in text
    assert "assumed: sender <evil@bad.example>, recipient bob@example.org" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    assert rows["deny-client"][2] == "clear"
    assert "+2.5" in rows["odd-helo"]
    assert "(shadow:" in rows["shadow-sender"]
    assert "Final answer: ACCEPT" in text


def test_a_refusal_names_its_reply(tmp_path: Path, message: Path) -> None:
    result = postward("explain", str(message), "--client", "192.0.2.66", "--config", str(make(tmp_path)))
    assert "Final answer: REJECT  550 5.7.1 Your server 192.0.2.66 is not welcome." in result.output


def test_json_holds_rules_steps_and_answer(tmp_path: Path, message: Path) -> None:
    arguments = ["explain", str(message), "--client", "192.0.2.66", "--json", "--config", str(make(tmp_path))]
    told = json.loads(postward(*arguments).output)
    assert (told["answer"], told["sender"]) == ("reject", "evil@bad.example")
    assert [rule["rule"] for rule in told["rules"]] == ["deny-client", "odd-helo", "shadow-sender"]
    assert told["rules"][0]["judged"]["finding"] == "hit"
    assert told["steps"][0]["decision"] == "reject"


def test_nothing_is_written(tmp_path: Path, message: Path) -> None:
    etc = make(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    postward("explain", str(message), "--client", "192.0.2.66", "--config", str(etc))
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_what_a_mail_says_cannot_move_the_cursor(tmp_path: Path, message: Path) -> None:
    arguments = ["--helo", "a\x1b[2Jb", "--from", "x\x9b@bad.example", "--config", str(make(tmp_path))]
    result = postward("explain", str(message), "--client", "192.0.2.1", *arguments)
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "\x9b" not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--client", "nonsense"], "not an IP address"),
        ([], "Missing option '--client'"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, message: Path, arguments: list[str], said: str) -> None:
    result = postward("explain", str(message), *arguments, "--config", str(make(tmp_path)))
    assert result.exit_code in (1, 2)
    assert said in result.stderr
