import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from local import process
from local.stack import ROOT
from tests.patience import PATIENCE, eventually

PARENT = """
import pathlib, sys, time
from local import process

folder = pathlib.Path(sys.argv[1])
child = process.start([sys.executable, "-c", "import time; time.sleep(600)"], output=folder / "out")
print(child.pid, flush=True)
time.sleep(600)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        assert is_running(pid)
        parent.kill()

    eventually(lambda: not is_running(pid))


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on'); time.sleep(60)"
    output = tmp_path / "out"
    child = process.start([sys.executable, "-u", "-c", code], output=output)
    process.await_sign(
        lambda: process.first_line(output, "on"), child=child, name="it", seconds=PATIENCE
    )

    process.stop(child, grace=0.2)

    assert child.returncode == -signal.SIGKILL


def test_what_a_child_has_started_ends_with_it(tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
    output = tmp_path / "out"
    child = process.start(python(code), output=output)
    child.wait(PATIENCE)
    grandchild = int(output.read_text())
    assert is_running(grandchild)

    process.stop(child, grace=1)

    eventually(lambda: not is_running(grandchild))


def test_a_child_that_ends_before_it_is_ready_is_an_error(tmp_path: Path) -> None:
    child = process.start(python("raise SystemExit(3)"), output=tmp_path / "out")

    with pytest.raises(process.ChildFailedError, match="it ended with 3"):
        process.await_sign(lambda: None, child=child, name="it", seconds=PATIENCE)


def test_a_child_that_never_gets_ready_is_an_error(tmp_path: Path) -> None:
    child = process.start(python("import time; time.sleep(60)"), output=tmp_path / "out")

    with pytest.raises(process.ChildFailedError, match="was not ready after 0 s"):
        process.await_sign(lambda: None, child=child, name="it", seconds=0.1)
    process.kill(child)


def test_a_wait_ends_when_the_program_does(tmp_path: Path) -> None:
    child = process.start(python("import time; time.sleep(60)"), output=tmp_path / "out")
    cancelled = threading.Event()
    cancelled.set()

    with pytest.raises(process.CancelledError):
        process.await_sign(
            lambda: None, child=child, name="it", seconds=PATIENCE, cancelled=cancelled
        )
    process.kill(child)


def test_only_a_whole_line_is_a_sign(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.write_text("already\nready http://127")
    assert process.first_line(output, "ready ") is None

    output.write_text("already\nready http://127.0.0.1:1\n")
    assert process.first_line(output, "ready ") == "http://127.0.0.1:1"


def test_a_child_is_refused_to_a_thread_that_may_end_before_it(tmp_path: Path) -> None:
    errors: list[RuntimeError] = []

    def start() -> None:
        try:
            process.start(python("pass"), output=tmp_path / "out")
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert len(errors) == 1


def test_killing_a_child_that_has_ended_is_nothing(tmp_path: Path) -> None:
    child = process.start(python("pass"), output=tmp_path / "out")
    child.wait(PATIENCE)

    process.kill(child)

    assert child.returncode == 0
    assert os.getpid() != child.pid
