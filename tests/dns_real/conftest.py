"""One hostile world for all tests of this folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dns_real.world import World

_PROGRAMS = ("/usr/sbin/nsd", "/usr/sbin/unbound")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Skipped where the servers are not installed; it needs no root."""
    if not all(map(shutil.which, _PROGRAMS)):
        pytest.skip("needs the packages nsd and unbound")
    home: Path = tmp_path_factory.mktemp("dns")
    with World(home) as made:
        yield made
