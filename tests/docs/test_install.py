"""The installation of README and how-to, line by line, below a prefix: what comes out serves.

Played by stand-ins: what needs the network (apt-get, venv and pip), other users (useradd, runuser,
the owners of `install`) and a running Postfix.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from postward.console.postfix_conf import BEGIN, END
from tests.daemon.running import COMMAND, Smtpd, milter_session, until
from tests.docs.blocks import ROOT

HOWTO = "docs/howto/put-into-postfix.md"
_PREFIXED = re.compile(r"(?<![\w./])/(?:opt|usr/local|var|run|etc)/")
_STAND_INS = {
    "apt-get": "exit 0",
    "useradd": "exit 0",
    "postfix": 'echo "$@" >> "$PREFIX/told-postfix"',
    "runuser": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
    "install": 'set -- $(echo " $* " | sed -E "s/ -[og] [a-z]+//g"); exec /usr/bin/install "$@"',
    "python3": 'mkdir -p "$3/bin"; cp "$PREFIX/postward" "$3/bin/"; ln -s /bin/true "$3/bin/pip"',
    "postward": """case $1 in
postfix-conf) set -- "$@" --postfix "$PREFIX/etc/postfix";;
*) set -- "$@" --config "$PREFIX/etc/postward";;
esac
exec """
    + shlex.join(COMMAND)
    + ' "$@"',
}
_SETTINGS = """
run_dir: {0}/run/postward
policyd: {{listen: "unix:{0}/var/spool/postfix/postward/policyd"}}
milter: {{listen: "unix:{0}/var/spool/postfix/postward/milter", workers: 1}}
store: {{path: {0}/var/lib/postward/state.db}}
journal: {{path: {0}/var/lib/postward/journal}}
findings_key: {0}/var/lib/postward/findings.key
"""


def _commands(page: str, section: str = "") -> list[str]:
    """The lines of the blocks without a language that are commands, from the heading `section` on."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = text[text.index(section) :]
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    plain = [body for kind, body in blocks if not kind and not body.startswith("[Unit]")]
    return [line.partition(" #")[0].rstrip() for line in "".join(plain).splitlines()]


README_LINES = _commands("README.md", "## Into a server that runs")
HOWTO_LINES = _commands(HOWTO)


@pytest.fixture
def prefix() -> Iterator[Path]:
    """A server with a Postfix, the stand-ins and short paths (a socket's may have 107 octets)."""
    prefix = Path(tempfile.mkdtemp(prefix="pw-"))
    for folder in ("stand-ins", "etc/postfix", "usr/local/bin", "var/lib", "var/spool/postfix", "run", "opt"):
        (prefix / folder).mkdir(parents=True)
    for name, script in _STAND_INS.items():
        path = prefix / "stand-ins" / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
    (prefix / "stand-ins/postward").rename(prefix / "postward")
    (prefix / "etc/postfix/main.cf").write_text("compatibility_level = 3.6\n")
    (prefix / "etc/postfix/master.cf").write_text("smtp inet n - n - - smtpd\n")
    yield prefix
    shutil.rmtree(prefix)


@pytest.mark.skipif(shutil.which("postconf") is None, reason="needs postconf(1) of the postfix package")
@pytest.mark.parametrize("lines", [README_LINES, HOWTO_LINES], ids=["README", "howto"])
def test_its_lines_make_daemons_that_serve(lines: list[str], prefix: Path) -> None:
    assert lines
    settings = prefix / "etc/postward/postward.yml"
    with _Following(lines, prefix) as said:
        until(lambda: (prefix / "told-postfix").exists() or said.poll() is not None, "the last line")
        sockets = prefix / "var/spool/postfix/postward"
        until(lambda: {each.name for each in sockets.iterdir()} == {"policyd", "milter"}, "both sockets")
        with Smtpd(str(sockets / "policyd")) as smtpd:
            assert smtpd.ask()
        milter_session(str(sockets / "milter")).close()
        until(lambda: (prefix / "told-postfix").read_text() == "check\nreload\n", "Postfix to be told")
    assert settings.exists()
    main = (prefix / "etc/postfix/main.cf").read_text()
    assert main.startswith("compatibility_level") and main.count(BEGIN) == main.count(END) == 1


class _Following:
    """The lines in a shell; at the end everything that they started is stopped."""

    def __init__(self, lines: list[str], prefix: Path) -> None:
        script = [_PREFIXED.sub(lambda match: f"{prefix}{match[0]}", line) for line in lines]
        after = next(number for number, line in enumerate(script) if "rules.d" in line) + 1
        written = shlex.quote(_SETTINGS.format(prefix))
        script.insert(after, f"echo {written} > {prefix}/etc/postward/postward.yml")
        self._script = "\n".join(["trap : TERM", "set -eu", *script, "wait || true", "wait"])
        self._prefix = prefix

    def __enter__(self) -> "subprocess.Popen[bytes]":
        path = f"{self._prefix}/stand-ins:{self._prefix}/usr/local/bin:{os.environ['PATH']}"
        self._shell = subprocess.Popen(
            ["bash", "-c", self._script],
            env={**os.environ, "PREFIX": str(self._prefix), "PATH": path, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        return self._shell

    def __exit__(self, *_: object) -> None:
        os.killpg(self._shell.pid, signal.SIGTERM)
        self._shell.wait(60)


def test_the_readme_has_only_lines_of_the_howto() -> None:
    assert set(README_LINES) - set(HOWTO_LINES) == {"postward check"}


def test_the_unit_uses_what_the_steps_made() -> None:
    text = (ROOT / HOWTO).read_text(encoding="utf-8")
    unit = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    assert f"useradd --system --home-dir /var/lib/postward --shell /usr/sbin/nologin {unit['User']}" in text
    assert f"-g {unit['Group']} -m 0750 /var/spool/postfix/postward" in text
    assert unit["ReadWritePaths"].split() == ["/var/lib/postward", "/var/spool/postfix/postward"]
    assert unit["ExecStart"].split()[0] in text.replace(unit["ExecStart"], "")
