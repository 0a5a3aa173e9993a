"""What all tests share: the private mail host, one a test session, and what marks tests get."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.host import MailHost
from lab.owner import give_back

_POSTFIX = Path(__file__).parent / "postfix"


def pytest_configure() -> None:
    """A TERM stops the tests as Ctrl-C does: what they started is stopped too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_unconfigure() -> None:
    """The last word, when all files are written."""
    give_back()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything below tests/postfix drives a real Postfix."""
    for item in items:
        if item.path.is_relative_to(_POSTFIX):
            item.add_marker(pytest.mark.postfix)


@pytest.fixture(scope="session")
def mail_host() -> Iterator[MailHost]:
    """A private Postfix, DNS and our daemons; `mail_host.serve(rules=...)` says by what they judge."""
    if os.geteuid() != 0:
        pytest.skip("a private Postfix needs root")
    home = Path(tempfile.mkdtemp(prefix="pw-"))
    home.chmod(0o755)
    try:
        with MailHost(home) as host:
            yield host
    finally:
        shutil.rmtree(home, ignore_errors=True)
