"""Where our items go in a list that a server has."""

import pytest

from postward.console.restrictions import final_in, join, split

OURS = "reject_unlisted_recipient, $postward_policyd"


@pytest.mark.parametrize(
    ("present", "value", "before"),
    [
        ("", OURS, ""),
        ("permit_mynetworks", f"permit_mynetworks, {OURS}", ""),
        ("permit_mynetworks\n\treject", f"permit_mynetworks, {OURS}, reject", "reject"),
        ("a, PERMIT, b", f"a, {OURS}, PERMIT, b", "PERMIT"),
        ("defer", f"{OURS}, defer", "defer"),
        ("reject_unlisted_recipient", OURS, ""),
        # Behind an end it stood in vain: it is moved.
        ("permit, $postward_policyd", f"{OURS}, permit", "permit"),
        ("permit, reject_unlisted_recipient", f"{OURS}, permit, reject_unlisted_recipient", "permit"),
        ("reject_unlisted_recipient, a", "reject_unlisted_recipient, a, $postward_policyd", ""),
        # No end: it is only warned of, or it is what an access list is given.
        ("warn_if_reject reject", f"warn_if_reject reject, {OURS}", ""),
        ("check_client_access hash:/etc/x, a", f"check_client_access hash:/etc/x, a, {OURS}", ""),
        ("permit_mynetworks, reject_unauth_destination",
         f"permit_mynetworks, reject_unauth_destination, {OURS}", ""),
        ("check_policy_service { unix:x, default_action=reject }",
         f"check_policy_service {{ unix:x, default_action=reject }}, {OURS}", ""),
    ],
)  # fmt: skip
def test_ours_is_where_it_is_asked(present: str, value: str, before: str) -> None:
    joined = join(present, OURS)
    assert (joined.value, joined.before) == (value, before)


@pytest.mark.parametrize("present", ["", "permit", "a, reject", "a b, c", OURS])
def test_joining_again_changes_nothing(present: str) -> None:
    once = join(present, OURS).value
    assert join(once, OURS).value == once


def test_a_milter_with_options_is_one_item() -> None:
    ours = "{ unix:p, default_action=tempfail }"
    assert join(f"inet:localhost:8891 {ours}", ours).value == f"inet:localhost:8891, {ours}"


def test_braces_that_are_not_closed_end_with_the_text() -> None:
    assert split("a { b, c") == ["a", "{ b, c"]


def test_the_end_of_a_list_is_found() -> None:
    assert final_in("a, reject, permit") == "reject"
    assert final_in("permit_mynetworks") == ""
