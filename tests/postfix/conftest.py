"""The site that the tests about who is knocking share."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postfix.site import Site

ZONE = """
2.0.0.127.good.list.    A 127.0.0.2
10.99.18.198.good.list. A 127.0.0.2
11.99.18.198.good.list. A 127.0.0.2
2.0.0.127.wild.list.    A 127.0.0.2
rdap.example.           A 127.0.0.1
plain.example.          MX 10 mail.plain.example.
mail.plain.example.     A 198.18.252.10

shop.registry.          MX 10 mail.shop.registry.
shop.registry.          A 198.19.250.10
shop.registry.          TXT "v=spf1 ip4:198.19.250.10 -all"
_dmarc.shop.registry.   TXT "v=DMARC1; p=quarantine"
10.250.19.198.good.list. A 127.0.0.2

hostile.example.        MX 10 mail.hostile.example.
hostile.example.        TXT "v=spf1 exists:%{h}.hostile.example -all"
_dmarc.hostile.example. TXT "v=DMARC1; p=none\\013\\010Bcc: bob@example.org\\013\\010\\013\\010<script>"
10.251.19.198.in-addr.arpa. PTR x\\013\\010Bcc:\\032bob@example\\.org.hostile.example.
"""
SHOP, HOSTILE = "198.19.250.10", "198.19.251.10"
"""Clients of `shop.registry`, whose age RDAP tells, and of `hostile.example`."""
LISTED = "198.18.99.10"
"""The client that the DNS list `good` has."""
_CODES = {"127.0.0.2": {"score": 4, "means": "sends spam"}}
_LISTS = {name: {"zone": f"{name}.list", "about": ["client"], "codes": _CODES} for name in ("good", "wild")}


@pytest.fixture(scope="session")
def whole_site() -> Iterator[Site]:
    """Everything started once."""
    missing = [name for name in ("nsd", "unbound") if shutil.which(f"/usr/sbin/{name}") is None]
    if os.geteuid() != 0 or missing:
        pytest.skip("a private Postfix needs root, and the packages nsd and unbound")
    home = Path(tempfile.mkdtemp(prefix="pw-"))
    home.chmod(0o755)
    try:
        with Site(home, ZONE, {"dns_lists": _LISTS}) as site:
            yield site
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def site(whole_site: Site) -> Iterator[Site]:
    """It, judging by the shipped rules alone; no test may leave a traceback in the logs."""
    yield whole_site
    whole_site.judge_by({})
    for door in whole_site.daemons.doors:
        assert "Traceback" not in whole_site.daemons.log(door)
