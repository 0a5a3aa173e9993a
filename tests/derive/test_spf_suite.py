"""The openspf.org test suite for RFC 7208, through the code path that judges mail."""

import asyncio
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from postward.address import parse
from postward.derive.spf import spf
from postward.mail import Mail
from postward.stage import Stage
from tests.dns_zone import ZoneDns
from tests.pretend import tools

SUITE = Path(__file__).parent / "rfc7208-tests.yml"
_TIMEOUT = "TIMEOUT"


def _cases() -> Iterator[Any]:
    for scenario in yaml.safe_load_all(SUITE.read_text(encoding="utf-8")):
        for name, case in scenario["tests"].items():
            yield pytest.param(case, scenario["zonedata"], id=name)


def _dns(zone: dict[str, list[Any]]) -> ZoneDns:
    dns = ZoneDns()
    for name, records in zone.items():
        pairs = [pair for record in records if record != _TIMEOUT for pair in record.items()]
        if not any(kind == "TXT" for kind, _ in pairs):
            # The suite gives policies as type SPF and leaves it to us to publish them as TXT.
            pairs += [("TXT", value) for kind, value in pairs if kind == "SPF"]
        held = [(kind, value) for kind, value in pairs if kind != "SPF" and value != "NONE"]
        for kind, value in held:
            _add(dns, name.lower(), kind, value)
        if _TIMEOUT in records:  # for all that the zone does not hold
            for kind in {"A", "AAAA", "MX", "TXT", "PTR"} - {kind for kind, _ in held}:
                dns.fail(f"{name} {kind}", "timeout")
    return dns


def _add(dns: ZoneDns, name: str, kind: str, value: Any) -> None:
    if value == _TIMEOUT:
        dns.fail(f"{name} {kind}", "timeout")
    elif kind == "TXT":
        strings = [value] if isinstance(value, str) else value
        dns.add(name, "TXT", tuple(text.encode("utf-8") for text in strings))
    elif kind == "MX":
        dns.add(name, "MX", (value[0], value[1].removesuffix(".")))
    else:
        dns.add(name, kind, value.removesuffix("."))


@pytest.mark.parametrize("delay", [pytest.param(0.0, id="cached"), pytest.param(1e-6, id="asked")])
@pytest.mark.parametrize(("case", "zone"), list(_cases()))
def test_rfc7208_suite(case: dict[str, Any], zone: dict[str, list[Any]], delay: float) -> None:
    mail = Mail().learn(
        Stage.MAIL,
        client_address=ipaddress.ip_address(case["host"]),
        helo_name=case["helo"],
        sender=parse(case["mailfrom"]),
    )
    dns = _dns(zone)
    dns.delay = delay
    found = asyncio.run(spf(mail, tools(dns)))
    accepted = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert found.result in accepted, found
    if "explanation" in case:
        wanted = case["explanation"]
        assert found.explanation == ("" if wanted == "DEFAULT" else wanted)


def test_the_suite_is_whole() -> None:
    assert len(list(_cases())) == 203
