"""Servers out of resolv.conf."""

from pathlib import Path

import pytest

from postward.dns.config import servers_from


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 192.0.2.53\n", (("192.0.2.53", 53),)),
        (
            "search x\nnameserver 192.0.2.53\n nameserver 2001:db8::53 # x\n",
            (("192.0.2.53", 53), ("2001:db8::53", 53)),
        ),
        ("nameserver\nnameserver nobody\n#nameserver 192.0.2.1\n", (("127.0.0.1", 53),)),
        ("", (("127.0.0.1", 53),)),
        ("\xff\xfe\0", (("127.0.0.1", 53),)),
    ],
)
def test_nameserver_lines(tmp_path: Path, text: str, servers: tuple[tuple[str, int], ...]) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(text, encoding="latin-1")
    assert servers_from(file) == servers


def test_no_file_is_the_local_server(tmp_path: Path) -> None:
    assert servers_from(tmp_path / "none") == (("127.0.0.1", 53),)


def test_a_hundred_servers_are_cut(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("".join(f"nameserver 192.0.2.{number}\n" for number in range(100)))
    assert len(servers_from(file)) == 8
