"""postward.yml: what is read, and the exact line for each thing that is wrong."""

from pathlib import Path

import pytest

from postward.daemon.config import Settings, load_settings
from postward.daemon.units import Listen
from postward.rules.errors import ConfigErrors
from postward.stage import Door


def settings(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "postward.yml").write_text(text)
    return load_settings(tmp_path)


def errors(tmp_path: Path, text: str) -> list[str]:
    """The lines of the refusal, without the directory."""
    with pytest.raises(ConfigErrors) as caught:
        settings(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def test_a_directory_without_the_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings()


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert settings(tmp_path, "# nothing yet\n") == Settings()


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="there is no such directory"):
        load_settings(tmp_path / "nowhere")


def test_all_that_can_be_written_is_read(tmp_path: Path) -> None:
    read = settings(
        tmp_path,
        """
authserv_id: MX.example.org
own_domains: [example.org, bücher.example]
run_dir: /tmp/run
doors: [policyd]
policyd: {listen: ["unix:/tmp/policyd", "127.0.0.1:10040", "[::1]:10040"], socket_mode: "0600",
          connections: 7, idle: 1.5h, deadline: 250ms}
milter: {listen: "inet:127.0.0.1:10041", transport: libmilter, workers: 3, on_trouble: accept,
         authentication_results: false, verdict_header: false}
dns: {servers: ["127.0.0.1:5353"], timeout: 1s, attempts: 1, cache: 1000}
store: {kind: memory}
journal: off
log: {format: json, level: debug}
""",
    )
    assert read.authserv_id == "mx.example.org"
    assert read.own_domains == {"example.org", "xn--bcher-kva.example"}
    assert read.doors == {Door.POLICYD}
    assert read.policyd.listen == (
        Listen(path="/tmp/policyd"),
        Listen(host="127.0.0.1", port=10040),
        Listen(host="::1", port=10040),
    )
    assert read.policyd.socket_mode == 0o600
    assert (read.policyd.idle, read.policyd.deadline) == (5400.0, 0.25)
    assert read.milter.listen == (Listen(host="127.0.0.1", port=10041),)
    assert read.dns.servers == (("127.0.0.1", 5353),)
    assert read.journal is None


def test_sizes_and_days_are_numbers(tmp_path: Path) -> None:
    journal = settings(tmp_path, "journal: {keep: 2d, max_size: 1.5M}").journal
    assert journal is not None
    assert (journal.keep, journal.max_size) == (172_800.0, 1_500_000)


WRONG = [
    (
        "run_dirr: /run\n",
        "postward.yml:1:1: run_dirr: unknown key; did you mean run_dir?",
    ),
    (
        "policyd:\n  conections: 5\n",
        "postward.yml:2:3: policyd.conections: unknown key; did you mean connections?",
    ),
    (
        "log: {x: 1}\n",
        "postward.yml:1:7: log.x: unknown key; known: format, level",
    ),
    ("own_domains: [example.org, 'x y']\n", "postward.yml:1:28: own_domains[1]: not a domain name"),
    ("own_domains: example.org\n", "postward.yml:1:14: own_domains: must be a list"),
    ("own_domains: ['[192.0.2.1]']\n", "postward.yml:1:15: own_domains[0]: not a domain name"),
    ("doors: []\n", "postward.yml:1:8: doors: must hold at least one"),
    ("doors: [front]\n", "postward.yml:1:9: doors[0]: must be one of: 'policyd' or 'milter'"),
    (
        "policyd: {listen: []}\n",
        "postward.yml:1:19: policyd.listen: must hold at least one",
    ),
    (
        "policyd: {listen: ['unix:run/x']}\n",
        "postward.yml:1:20: policyd.listen[0]: the path of a unix socket must be absolute, such as "
        "unix:/run/postward/milter",
    ),
    (
        "milter: {listen: ['mail.example.org:1']}\n",
        "postward.yml:1:19: milter.listen[0]: write address:port, such as 127.0.0.1:10040",
    ),
    (
        "milter: {listen: ['127.0.0.1:99999']}\n",
        "postward.yml:1:19: milter.listen[0]: the port must be a number from 1 to 65535",
    ),
    (
        "milter: {listen: ['::1:9']}\n",
        "postward.yml:1:19: milter.listen[0]: write an IPv6 address in brackets, such as [::1]:10040",
    ),
    (
        "policyd: {idle: 330}\n",
        "postward.yml:1:17: policyd.idle: write a number and a unit (ms, s, m, h, d, w), such as 30s",
    ),
    (
        "policyd: {deadline: 8x}\n",
        "postward.yml:1:21: policyd.deadline: write a number and a unit (ms, s, m, h, d, w), such as 30s",
    ),
    (
        "policyd: {deadline: 10s}\n",
        "postward.yml:1:21: policyd.deadline: must be above 0s and up to 9s: Postfix waits 10s (the "
        "service's timeout in main.cf)",
    ),
    (
        "milter: {deadline: 0s}\n",
        "postward.yml:1:20: milter.deadline: must be above 0s and up to 50s: Postfix waits 60s (the "
        "milter's timeouts in main.cf)",
    ),
    (
        "milter: {deadline: 70s}\n",
        "postward.yml:1:20: milter.deadline: must be above 0s and up to 50s: Postfix waits 60s (the "
        "milter's timeouts in main.cf)",
    ),
    (
        "policyd: {socket_mode: 660}\n",
        'postward.yml:1:24: policyd.socket_mode: write the mode in quotes, such as "0660"',
    ),
    ("milter: {workers: two}\n", "postward.yml:1:19: milter.workers: must be a whole number"),
    (
        "milter: {workers: 0}\n",
        "postward.yml:1:19: milter.workers: must be greater than or equal to 1",
    ),
    (
        "milter: {transport: uv}\n",
        "postward.yml:1:21: milter.transport: must be one of: 'asyncio' or 'libmilter'",
    ),
    (
        "milter: {verdict_header: perhaps}\n",
        "postward.yml:1:26: milter.verdict_header: must be true or false",
    ),
    (
        "milter: {on_trouble: ignore}\n",
        "postward.yml:1:22: milter.on_trouble: must be one of: 'tempfail', 'accept' or 'reject'",
    ),
    (
        "journal: {max_size: 500}\n",
        "postward.yml:1:21: journal.max_size: write a number and a unit (k, M, G), such as 500M",
    ),
    ("journal: {path: j.db}\n", "postward.yml:1:17: journal.path: write an absolute path"),
    ("store: sqlite\n", "postward.yml:1:8: store: must hold keys and values"),
    ("- policyd\n", "postward.yml:1:1: must hold keys and values"),
    ("journal: no\n", "postward.yml:1:10: journal: must hold keys and values"),
    ("authserv_id: 'a b'\n", "postward.yml:1:14: authserv_id: not a domain name"),
    (
        "dns: {servers: [127.0.0.1]}\n",
        "postward.yml:1:17: dns.servers[0]: write address:port, such as 127.0.0.1:10040",
    ),
]


@pytest.mark.parametrize(("text", "line"), WRONG, ids=[line.split(": ", 1)[1][:50] for _, line in WRONG])
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, line: str) -> None:
    assert errors(tmp_path, text) == [line]


def test_all_errors_come_at_once_in_order(tmp_path: Path) -> None:
    lines = errors(tmp_path, "milter: {workers: 0}\nlog: {level: loud}\nzzz: 1\n")
    assert [line.split(": ")[0] for line in lines] == [
        "postward.yml:1:19",
        "postward.yml:2:14",
        "postward.yml:3:1",
    ]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().run_dir = Path("/")  # type: ignore[misc]


def test_a_key_that_stands_twice_hides_nothing_else(tmp_path: Path) -> None:
    assert errors(tmp_path, "doors: [policy]\ndoors: [policyd]\nmilter: {deadline: 07, worker: 1}\n") == [
        "postward.yml:1:9: doors[0]: must be one of: 'policyd' or 'milter'",
        "postward.yml:2:1: doors: stands twice (first in line 1); keep one",
        "postward.yml:3:20: milter.deadline: 07 could be octal; write it without the zero or in quotes",
        "postward.yml:3:24: milter.worker: unknown key; did you mean workers?",
    ]
