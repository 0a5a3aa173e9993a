"""`postward postfix-conf`: the snippets, what the server has already, and the way back."""

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from postward.console import postfix_conf
from postward.console.postfix_conf import BEGIN, END, SOCKETS, main_cf, master_cf, settings

MINIMAL = "compatibility_level = 3.6\nqueue_directory = /var/spool/postfix\n"


@pytest.mark.parametrize(
    ("name", "text"), [("main.cf", main_cf(settings(), {})), ("master.cf", master_cf(settings()))]
)
def test_the_committed_snippet_is_what_the_source_says(name: str, text: str) -> None:
    assert (postfix_conf.folder() / "snippets" / name).read_text() == text


def test_every_setting_says_why() -> None:
    for one in (*settings().main, *settings().submission):
        assert one.why.rstrip().endswith("."), one.name


def test_a_door_that_is_not_used_leaves_nothing() -> None:
    text = main_cf(settings({"milter": SOCKETS["milter"]}), {})
    assert "policyd" not in text
    assert "smtpd_milters = { unix:postward/milter," in text
    assert "smtpd_forbid_bare_newline = normalize" in text


def test_lists_that_are_there_stay_in_front() -> None:
    text = main_cf(settings(), {"smtpd_milters": "inet:localhost:8891"})
    assert "smtpd_milters = inet:localhost:8891, { unix:postward/milter," in text


def test_rendering_over_its_own_block_says_nothing_twice() -> None:
    once = {one.name: one.value for one in settings().main}
    assert main_cf(settings(), once) == main_cf(settings(), {})
    behind = {"smtpd_recipient_restrictions": "permit_mynetworks, " + once["smtpd_recipient_restrictions"]}
    assert main_cf(settings(), behind).count("$postward_policyd") == main_cf(settings(), {}).count(
        "$postward_policyd"
    )


@pytest.mark.skipif(shutil.which("postconf") is None, reason="needs postconf(1) of the postfix package")
def test_postconf_takes_the_block_and_has_the_old_values_after_undo(tmp_path: Path) -> None:
    main = tmp_path / "main.cf"
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    main.write_text(MINIMAL + "smtpd_recipient_restrictions = reject_unknown_sender_domain\n")
    before = main.read_text()
    done = CliRunner().invoke(postfix_conf.postfix_conf, ["--postfix", str(tmp_path), "main.cf"])
    assert done.exit_code == 0, done.output
    main.write_text(before + done.stdout)
    in_force = _postconf(tmp_path, "-hx", "smtpd_recipient_restrictions")
    assert in_force.startswith(
        "reject_unknown_sender_domain, reject_unlisted_recipient, check_policy_service {"
    )
    subprocess.run(["sed", "-i", f"/^{BEGIN}/,/^{END}/d", str(main)], check=True)
    assert main.read_text() == before


def test_all_parts_tell_how_to_take_it_out_again(tmp_path: Path) -> None:
    done = CliRunner().invoke(postfix_conf.postfix_conf, ["--postfix", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert f"sed -i '/^{BEGIN}/,/^{END}/d' {tmp_path}/main.cf && postfix reload" in done.output


def test_a_server_whose_settings_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "main.cf").mkdir()
    done = CliRunner().invoke(postfix_conf.postfix_conf, ["--postfix", str(tmp_path)])
    assert done.exit_code == 1
    assert "cannot read the present settings" in done.output


def _block(tmp_path: Path, lists: str) -> tuple[str, str]:
    """What is printed for a server with these lines, and what is said beside it."""
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    (tmp_path / "main.cf").write_text(MINIMAL + lists)
    done = CliRunner().invoke(postfix_conf.postfix_conf, ["--postfix", str(tmp_path), "main.cf"])
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


needs_postconf = pytest.mark.skipif(shutil.which("postconf") is None, reason="needs postconf(1)")


@needs_postconf
def test_ours_stands_before_a_final_permit_and_that_is_said(tmp_path: Path) -> None:
    text, said = _block(
        tmp_path, "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, permit\n"
    )
    assert (
        "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, "
        "reject_unlisted_recipient, $postward_policyd, permit\n"
    ) in text
    assert "smtpd_recipient_restrictions: put before your `permit`" in said


@needs_postconf
def test_an_end_that_a_variable_hides_is_warned_of(tmp_path: Path) -> None:
    _, said = _block(tmp_path, "mine = permit_mynetworks, reject\nsmtpd_data_restrictions = $mine\n")
    assert (
        "WARNING: smtpd_data_restrictions ends with `reject` inside $mine, so Postward is never asked" in said
    )


@needs_postconf
def test_an_ordinary_server_is_told_nothing(tmp_path: Path) -> None:
    _, said = _block(tmp_path, "smtpd_recipient_restrictions = permit_mynetworks reject_unauth_destination\n")
    assert said == ""


@needs_postconf
def test_what_is_there_is_not_repeated(tmp_path: Path) -> None:
    text, _ = _block(tmp_path, "smtpd_data_restrictions = reject_unauth_pipelining\n")
    assert "smtpd_data_restrictions = reject_unauth_pipelining, $postward_policyd\n" in text


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(postfix_conf.postfix_conf, ["--postfix", str(tmp_path / "no")])
    assert done.exit_code == 1
    assert f"there is no directory {tmp_path}/no" in done.stderr
    assert done.stdout == ""


def test_without_a_main_cf_that_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(postfix_conf.postfix_conf, ["--postfix", str(tmp_path), "main.cf"])
    assert f"there is no {tmp_path}/main.cf" in done.stderr
    assert done.stdout.startswith(BEGIN)


def _postconf(directory: Path, *arguments: str) -> str:
    return subprocess.run(
        ["postconf", "-c", str(directory), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()
