"""All checks by name: the word after `check:` in a rule. A new check adds one line here."""

from typing import Any

from postward.checks.crowded import Crowded
from postward.checks.decided import Decided
from postward.checks.dns_list import DnsList
from postward.checks.from_header import FromHeader
from postward.checks.greylist import Greylisted
from postward.checks.helo import Helo
from postward.checks.known_correspondent import KnownCorrespondent
from postward.checks.limit import Limit
from postward.checks.listed import Listed
from postward.checks.network import ListedNetwork
from postward.checks.new_domain import NewDomain
from postward.checks.rating import Rated
from postward.checks.rdns import ReverseDns
from postward.checks.remembered import Remembered
from postward.checks.sender_domain import SenderDomain
from postward.checks.spf import Spf
from postward.checks.spf_record import SpfRecord

CHECKS: dict[str, type[Any]] = {
    check.name: check
    for check in (
        Crowded,
        Decided,
        DnsList,
        FromHeader,
        Greylisted,
        Helo,
        KnownCorrespondent,
        Limit,
        Listed,
        ListedNetwork,
        NewDomain,
        Rated,
        Remembered,
        ReverseDns,
        SenderDomain,
        Spf,
        SpfRecord,
    )
}
