"""How often the checks rdns and helo hit real clients: writes docs/checks/measured/.

`scripts/measure-names` runs it; a test holds the committed files to it. The clients are in
tests/derive/names, with where they come from. What the HELO names resolved to at that time is not known,
so each client is judged under the two assumptions between which the truth lies.
"""

import asyncio
import hashlib
import ipaddress
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postward.daemon.wiring import SystemClock
from postward.derive.generic_name import Grade, how_generic
from postward.finding import Clear, Hit, Unsure
from postward.mail import IPAddress, Mail
from postward.rules.document import read
from postward.rules.load import SHIPPED
from postward.rules.options import adapter
from postward.stage import Stage
from postward.store.memory import MemoryStore
from postward.tools import Answer, NoName, Records, Tools

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/derive/names"
PAGES = Path("docs/checks/measured")
COMMAND = "scripts/measure-names"
COLLECTED = "2026-11-22"
_RULES = read(SHIPPED / "rules.yml").data
SUSPICIOUS = float(_RULES["thresholds"]["greylist"])
"""The score from which on mail is greylisted, and held if its domain is new."""
_TTL = 300


@dataclass(frozen=True, slots=True)
class Client:
    """One client: its verified name, empty without one, and its HELO."""

    address: IPAddress
    name: str
    helo: str

    @property
    def half(self) -> str:
        """`tune` or `test`, by the hash of the address."""
        digest = hashlib.sha256(str(self.address).encode()).digest()
        return "tune" if digest[0] % 2 == 0 else "test"


@dataclass(frozen=True, slots=True)
class _Dns:
    """The DNS as one client sees it; `helo_leads_back`: its HELO name has its address."""

    client: Client
    helo_leads_back: bool

    async def ptr(self, address: IPAddress) -> Answer[str]:
        return Records((self.client.name,), _TTL) if self.client.name else NoName(_TTL)

    async def a(self, name: str) -> Answer[str]:
        return self._address(name, 4)

    async def aaaa(self, name: str) -> Answer[str]:
        return self._address(name, 6)

    async def mx(self, name: str) -> Answer[tuple[int, str]]:
        return NoName(_TTL)

    async def txt(self, name: str) -> Answer[tuple[bytes, ...]]:
        return NoName(_TTL)

    def _address(self, name: str, version: int) -> Answer[str]:
        is_helo = self.helo_leads_back and name == self.client.helo.lower()
        if self.client.address.version == version and (is_helo or name == self.client.name):
            return Records((str(self.client.address),), _TTL)
        return NoName(_TTL)


def spam() -> list[Client]:
    """The clients of spam."""
    return [_client(*row) for row in _rows("spam.tsv")]


def ham(kind: str) -> list[Client]:
    """The clients of honest mail, `sample` or `hard`."""
    return [_client(*row) for which, *row in _rows("ham.tsv") if which == kind]


def _rows(file: str) -> list[list[str]]:
    lines = (DATA / file).read_text(encoding="utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def _client(address: str, name: str, helo: str) -> Client:
    known = "" if name == "-" else name.lower()
    return Client(ipaddress.ip_address(address), known, known if helo == "=" else helo)


def _checks() -> list[tuple[Any, float | None]]:
    """The checks of the shipped rules, each with the score of its rule; None: the finding's own."""
    made = []
    for rule in _RULES["rules"]:
        if rule["check"] in ("rdns", "helo") and isinstance(rule["then"], dict):
            check = adapter(rule["check"]).validate_json(json.dumps(rule["with"]), strict=True)
            score = rule["then"]["score"]
            made.append((check, None if score == "own" else float(score)))
    return made


def hits(client: Client, *, helo_leads_back: bool) -> dict[str, float]:
    """What hits this client by the shipped rules: check and reason, with the score."""

    async def all_of_them() -> dict[str, float]:
        dns = _Dns(client, helo_leads_back)
        kit = Tools(dns, MemoryStore(), SystemClock(), {}, frozenset({"lists.sourceforge.net"}))
        mail = Mail().learn(Stage.HELO, client_address=client.address, helo_name=client.helo)
        found = {}
        for check, score in _checks():
            looked = check.look(mail, kit)
            finding = looked if isinstance(looked, Clear | Hit | Unsure) else await looked
            if isinstance(finding, Hit):
                found[f"{check.name} {finding.reason}"] = finding.score if score is None else score
        return found

    return asyncio.run(all_of_them())


def files() -> dict[Path, str]:
    """Every written file by its path below the checkout."""
    groups = {"spam": spam(), "ham, sample": ham("sample"), "ham, hard": ham("hard")}
    found = {
        leads: {
            group: [(client, hits(client, helo_leads_back=leads)) for client in clients]
            for group, clients in groups.items()
        }
        for leads in (False, True)
    }
    return {PAGES / f"{name}.md": _page(name, groups, found) for name in ("rdns", "helo")}


_Found = dict[bool, dict[str, list[tuple[Client, dict[str, float]]]]]


def _page(name: str, groups: dict[str, list[Client]], found: _Found) -> str:
    parts = [_about(groups)]
    if name == "rdns":
        parts.append(_grades(groups))
    parts += [_verdicts(name, groups, found), _union(groups, found)]
    return "\n\n".join(parts) + "\n"


def _about(groups: dict[str, list[Client]]) -> str:
    counts = ", ".join(f"{len(clients)} of {group}" for group, clients in groups.items())
    return (
        f"Real clients ({counts}), taken on {COLLECTED} from published archives;\n"
        "`tests/derive/names` says from which. "
        f"Written by `{COMMAND}`.\n\n"
        "How far this carries: the spam came to one list that nobody writes to any more, the ham is mail\n"
        "of developers (no newsletters, few small firms); its rates are no promise for another kind of\n"
        "site. `hard` was searched for because of its names: it shows what is spared, not how often such\n"
        "names occur. `tune` and `test` are halves by the hash of the address; who chose the words had seen\n"
        "both, so they show that nothing hangs on a few names, not more. No client on a customer's line is\n"
        "among this spam: the names of such lines are tested with constructed ones only\n"
        "(`tests/derive/test_generic_name.py`). What the HELO names resolved to at that time is not known:\n"
        "`gone` takes them for names that do not exist, `own` for names that lead to the client. A client\n"
        "without a verified name counts as `missing`; the receivers did not tell it from `mismatch`."
    )


def _grades(groups: dict[str, list[Client]]) -> str:
    rows = []
    counted = {
        group: Counter(how_generic(client.name, client.address).grade for client in clients if client.name)
        for group, clients in groups.items()
    }
    for grade in Grade:
        cells = [_share(counts[grade], len(groups[group])) for group, counts in counted.items()]
        rows.append((f"`{grade.name.lower()}`", *cells))
    return "Verified names by grade, before HELO is looked at:\n\n" + _table(("grade", *groups), rows)


def _verdicts(name: str, groups: dict[str, list[Client]], found: _Found) -> str:
    reasons = sorted({key for by in found.values() for rows in by.values() for _, hit in rows for key in hit})
    rows = []
    for key in reasons:
        if key.startswith(f"{name} "):
            cells = [
                _both(
                    [
                        _share(_count(by[group], lambda hit, key=key: key in hit), len(groups[group]))
                        for by in found.values()
                    ]
                )
                for group in groups
            ]
            rows.append((f"`{key.partition(' ')[2]}`", *cells))
    return "Hits by verdict (HELO names `gone` / `own` where it matters):\n\n" + _table(
        ("verdict", *groups), rows
    )


def _union(groups: dict[str, list[Client]], found: _Found) -> str:
    rows = []
    for half in ("both", "tune", "test"):
        cells = []
        for group, clients in groups.items():
            of_half = [client for client in clients if half in ("both", client.half)]
            cells.append(
                _both(
                    [
                        _share(
                            sum(client in of_half and _is_suspicious(hit) for client, hit in by[group]),
                            len(of_half),
                        )
                        for by in found.values()
                    ]
                )
            )
        rows.append((half, *cells))
    return (
        f"The shipped rules of `rdns` and `helo` together reach {SUSPICIOUS} points, at which mail is\n"
        "greylisted, and held if its domain is new (HELO names `gone` / `own`):\n\n"
        + _table(("half", *groups), rows)
        + _AIM
    )


_AIM = """

What is aimed at, on a receiver with all kinds of mail: at least 45 % of the addresses that send
spam, at most 1.0 % of those that send ham (0.2 % of ham messages, with the memory of good names), at
most 0.1 % refused for good (these two checks refuse nobody). On this data it is not reached: fewer
spam addresses here lack a name than at the receiver of docs/defaults.md (28.5 % against 37.5 %), and
two of 107 ham addresses had none at the time of their one message, so no memory could help them."""


def _is_suspicious(hit: dict[str, float]) -> bool:
    return sum(hit.values()) >= SUSPICIOUS


def _count(
    rows: Sequence[tuple[Client, dict[str, float]]], wanted: Callable[[dict[str, float]], bool]
) -> int:
    return sum(wanted(hit) for _, hit in rows)


def _both(shares: list[str]) -> str:
    return shares[0] if len(set(shares)) == 1 else " / ".join(shares)


def _share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.1f} %)" if whole else "0"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Write them."""
    for path, text in files().items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
