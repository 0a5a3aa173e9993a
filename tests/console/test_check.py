"""`postward check`: what is valid, and the place of what is not."""

from pathlib import Path

from tests.console.site import make, postward


def test_a_good_directory_is_ok(tmp_path: Path) -> None:
    result = postward("check", str(make(tmp_path)))
    assert result.exit_code == 0
    assert result.output.startswith("ok: 3 rules (1 shadow), ")
    assert "placed: " in result.output


def test_config_names_the_directory_too(tmp_path: Path) -> None:
    assert postward("check", "--config", str(make(tmp_path))).exit_code == 0


def test_all_that_is_wrong_comes_at_once(tmp_path: Path) -> None:
    etc = make(tmp_path, settings="log: {level: loud}\n")
    (etc / "rules.d" / "zz.yml").write_text("rules:\n  - name: x\n    check: lisst\n    then: watch\n")
    result = postward("check", str(etc))
    assert result.exit_code == 1
    assert result.output == result.stderr
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"{etc}/postward.yml:11:14: log.level: must be one of")
    assert lines[1].startswith(f"{etc}/rules.d/zz.yml:3:12: rules[0].check: ")
    assert lines[-1] == f"postward: {len(lines) - 1} errors; running daemons keep their rules"


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    result = postward("check", str(tmp_path / "no"))
    assert result.exit_code == 1
    assert "there is no such directory" in result.stderr


def test_what_is_surely_not_meant_is_a_warning(tmp_path: Path) -> None:
    etc = make(tmp_path)
    (etc / "rules.d" / "zz.yml").write_text("thresholds: {tag: 20}\n")
    result = postward("check", str(etc))
    assert result.exit_code == 0
    assert result.stderr == (
        f"warning: {etc}/rules.d/zz.yml:1:19: thresholds.tag: tag: 20 is never reached, "
        "for reject: 12 comes first\n"
    )


def test_a_rule_that_has_expired_is_told(tmp_path: Path) -> None:
    etc = make(tmp_path)
    (etc / "rules.d" / "zz.yml").write_text("rules: [{name: odd-helo, until: 2026-01-31}]\n")
    assert postward("check", str(etc)).stdout.splitlines()[1:] == [
        "1 rule has expired (odd-helo, until 2026-01-31)"
    ]


def test_a_database_of_networks_that_is_broken_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "asn.csv").write_text("192.0.2.0/24,64500,A\n192.0.2.0/33,64500,A\n")
    etc = make(tmp_path, settings=f"networks: {{asn_file: [{tmp_path}/asn.csv, {tmp_path}/none.csv]}}")
    result = postward("check", str(etc))
    assert result.exit_code == 0
    assert (
        f"warning: networks: {tmp_path}/asn.csv:2: '192.0.2.0/33' is no network; daemons go on"
        in result.stderr
    )
    assert f"warning: networks: {tmp_path}/none.csv: cannot be read (FileNotFoundError" in result.stderr
