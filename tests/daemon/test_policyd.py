"""`postward policyd` as a real process: it serves, reloads without losing a request, and stops."""

import socket
import threading
from pathlib import Path

import pytest

from tests.console.site import RULES, make
from tests.daemon.running import COMMAND, Running, Smtpd

OTHER = RULES.replace("is not welcome", "has to stay outside")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    make(tmp_path)
    return tmp_path


def test_it_judges_by_the_rules(site: Path) -> None:
    with Running("policyd", site) as daemon, Smtpd(daemon.socket_path) as smtpd:
        assert smtpd.ask() == "DUNNO"
        refused = smtpd.ask(client_address="192.0.2.66")
        assert refused.startswith("550 5.7.1 Your server 192.0.2.66 is not welcome.")


def test_each_decision_is_one_log_line(site: Path) -> None:
    with Running("policyd", site) as daemon:
        with Smtpd(daemon.socket_path) as smtpd:
            smtpd.ask(client_address="192.0.2.66", helo_name="x\x1by", sender='"a b"@example.net')
        daemon.stop()
        (line,) = [line for line in daemon.log.splitlines() if " decision " in line]
    assert "decision=reject by=deny-client" in line
    assert "\x1b" not in line


def test_good_rules_are_taken_over_on_open_connections(site: Path) -> None:
    with Running("policyd", site) as daemon, Smtpd(daemon.socket_path) as smtpd:
        smtpd.ask()
        (site / "etc/rules.d/site.yml").write_text(OTHER)
        after = daemon.reload()
        assert (after.reloads, after.error) == (1, "")
        assert "has to stay outside" in smtpd.ask(client_address="192.0.2.66")


def test_bad_rules_leave_the_old_ones_in_force(site: Path) -> None:
    with Running("policyd", site) as daemon, Smtpd(daemon.socket_path) as smtpd:
        before = daemon.state
        assert before is not None
        (site / "etc/rules.d/site.yml").write_text(RULES + "  - name: broken\n")
        after = daemon.reload()
        assert after.digest == before.digest
        assert f"{site}/etc/rules.d/site.yml:19:5: rules[3]: " in after.error
        assert "is not welcome" in smtpd.ask(client_address="192.0.2.66")
        assert "the old rules go on" in daemon.log


def test_a_changed_socket_waits_for_a_restart(site: Path) -> None:
    with Running("policyd", site) as daemon:
        text = (site / "etc/postward.yml").read_text()
        (site / "etc/postward.yml").write_text(text.replace("deadline: 2s", "deadline: 3s", 1))
        assert daemon.reload().error == ""
        assert "policyd changed: this takes a restart" in daemon.log


def test_the_half_life_of_ratings_waits_for_a_restart(site: Path) -> None:
    with Running("policyd", site) as daemon:
        with (site / "etc/postward.yml").open("a") as file:
            file.write("ratings: {half_life: 7d, spam: -3}\n")
        assert daemon.reload().error == ""
        assert "ratings.half_life changed: this takes a restart" in daemon.log
        assert "ratings changed: this takes a restart" not in daemon.log


def test_reloads_under_load_lose_no_request(site: Path) -> None:
    with Running("policyd", site) as daemon:
        done = threading.Event()
        answers: list[list[str]] = [[] for _ in range(4)]

        def load(into: list[str]) -> None:
            with Smtpd(daemon.socket_path) as smtpd:
                while not done.is_set():
                    into.append(smtpd.ask(client_address="192.0.2.66"))

        threads = [threading.Thread(target=load, args=(into,)) for into in answers]
        for thread in threads:
            thread.start()
        rules = site / "etc/rules.d/site.yml"
        for number in range(10):
            rules.write_text([OTHER, RULES, RULES + "  - bad\n"][number % 3])
            daemon.reload()
        done.set()
        for thread in threads:
            thread.join()
    assert all(len(each) > 10 for each in answers)
    assert all(answer.startswith("550 5.7.1 Your server") for each in answers for answer in each)


def test_term_ends_it_cleanly(site: Path) -> None:
    with Running("policyd", site) as daemon:
        with Smtpd(daemon.socket_path) as smtpd:
            smtpd.ask()
            assert daemon.stop() == 0
        assert not Path(daemon.socket_path).exists()
        assert daemon.state is None
        assert "Traceback" not in daemon.log


def test_systemd_hears_of_it(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(site / "notify"))
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(site / "notify"))
        with Running("policyd", site) as daemon:
            assert systemd.recv(999).startswith(b"READY=1\nSTATUS=3 rules (")
            daemon.reload()
            assert systemd.recv(999).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert systemd.recv(999).startswith(b"READY=1\n")
            daemon.stop()
            assert systemd.recv(999) == b"STOPPING=1"


def test_a_bad_configuration_starts_nothing(site: Path) -> None:
    import subprocess

    (site / "etc/rules.d/site.yml").write_text("rules: 5\n")
    command = [*COMMAND, "policyd", "--config", str(site / "etc")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f"postward: {site}/etc/rules.d/site.yml:1:8: rules: ")
    assert "Traceback" not in done.stderr


def test_a_second_daemon_on_the_same_socket_is_refused(site: Path) -> None:
    import subprocess

    with Running("policyd", site):
        command = [*COMMAND, "policyd", "--config", str(site / "etc")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "another process answers there already" in done.stderr
