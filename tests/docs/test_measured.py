"""The measured rates are those of the code as it is, and within the limits that were set."""

from pathlib import Path

import pytest
from lab import names

from tests.docs.blocks import ROOT


@pytest.mark.parametrize("path", names.files(), ids=str)
def test_a_measured_page_is_the_committed_one(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert text == names.files()[path], f"run {names.COMMAND}, then scripts/docs"


@pytest.mark.parametrize("leads", [False, True])
def test_no_honest_client_with_a_verified_name_is_suspicious(leads: bool) -> None:
    clients = [client for client in names.ham("sample") if client.name]
    totals = {client: sum(names.hits(client, helo_leads_back=leads).values()) for client in clients}
    assert {client for client, total in totals.items() if total >= names.SUSPICIOUS} == set()


def test_honest_clients_with_odd_names_are_spared_if_their_helo_is_their_own() -> None:
    for client in names.ham("hard"):
        if client.name:
            assert sum(names.hits(client, helo_leads_back=True).values()) < names.SUSPICIOUS, client


@pytest.mark.parametrize("leads", [False, True])
def test_a_third_of_the_spam_is_suspicious(leads: bool) -> None:
    totals = [sum(names.hits(client, helo_leads_back=leads).values()) for client in names.spam()]
    assert sum(total >= names.SUSPICIOUS for total in totals) / len(totals) >= 1 / 3
