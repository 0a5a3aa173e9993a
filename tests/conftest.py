"""What all tests share: the private mail host, one a test session, and what marks tests get."""

import logging
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


class _Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


@pytest.fixture(autouse=True)
def _no_check_fails(request: pytest.FixtureRequest) -> Iterator[None]:
    """A check that fails is `Unsure` and the test may pass all the same: it fails here.

    A test that is about such checks is marked `checks_fail`.
    """
    kept, judge = _Kept(), logging.getLogger("postward.judge")
    judge.addHandler(kept)
    yield
    judge.removeHandler(kept)
    if request.node.get_closest_marker("checks_fail") is None:
        assert not kept.said


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
