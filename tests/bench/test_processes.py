"""What a contender's processes cost is read from /proc."""

import subprocess
import sys
from pathlib import Path

import pytest
from lab.bench.processes import DidNotStart, cpu_seconds, end, family, pss_mb, started, wait_until
from lab.patience import until

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time\\nprint(1, flush=True)\\ntime.sleep(60)"])
print(2, flush=True)
child.wait()
"""
BURN_IN_CHILD = """
import subprocess, sys, time
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.3: pass"])
print("all", flush=True)
time.sleep(60)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ntime.sleep(60)\n"


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs of these tests that do not end by themselves need not be waited for."""
    monkeypatch.setattr("lab.bench.processes.STOP_SECONDS", 0.2)


def test_children_belong_to_the_family(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started([sys.executable, "-c", PARENT], log) as process:
        wait_until(lambda: log.read_text().split() in (["1", "2"], ["2", "1"]), process, log)
        assert len(family([process.pid])) == 2
        assert process.pid in family([process.pid])


def test_leaving_ends_the_whole_family(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started([sys.executable, "-c", PARENT], log) as process:
        wait_until(lambda: len(log.read_text().split()) == 2, process, log)
        everyone = family([process.pid])
        (child,) = everyone - {process.pid}
        end_child = child
    until(lambda: end_child not in family([end_child]) or _is_gone(end_child), "the child to end")


def _is_gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_cpu_is_that_of_the_process(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started([sys.executable, "-c", BURN], log) as process:
        wait_until(lambda: "done" in log.read_text(), process, log)
        assert 0.25 <= cpu_seconds([process.pid]) <= 2.0


def test_cpu_of_a_child_that_ended_is_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started([sys.executable, "-c", BURN_IN_CHILD], log) as process:
        wait_until(lambda: "all" in log.read_text(), process, log)
        assert cpu_seconds([process.pid]) >= 0.25


def test_memory_grows_with_what_is_held(tmp_path: Path) -> None:
    log = tmp_path / "log"
    hold = "held = b'x' * 50_000_000\nprint('held', flush=True)\nimport time\ntime.sleep(60)"
    with started([sys.executable, "-c", hold], log) as process:
        wait_until(lambda: "held" in log.read_text(), process, log)
        assert 50 <= pss_mb([process.pid]) <= 80


def test_a_contender_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        pytest.raises(DidNotStart, match=r"ended with 3: no such thing"),
        started(["sh", "-c", "echo no such thing; exit 3"], log) as process,
    ):
        wait_until(lambda: False, process, log)


def test_one_that_hears_no_sigterm_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "deaf\n"
        end(process.pid)
        assert process.wait(5) == -9
