"""Child processes that never outlive the process that started them.

Each child gets a session of its own, so that a terminal's Ctrl-C reaches the parent alone, which
then ends its children in order. On Linux the kernel ends the child when the parent dies, even by
SIGKILL; on other systems the children of a killed parent stay.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

Sign = TypeVar("Sign")

# Set between fork and exec by a program of its own rather than by `preexec_fn`, which may deadlock
# in a process with threads. The setting survives exec; the look at the parent closes the window in
# which it may already be gone.
_DIE_WITH_PARENT = """
import ctypes, os, sys
number, parent, *command = sys.argv[1:]
ctypes.CDLL(None, use_errno=True).prctl(1, int(number))
if os.getppid() != int(parent):
    sys.exit(1)
os.execv(command[0], command)
"""


class ChildFailedError(RuntimeError):
    """A child ended, or said nothing in time, before it was ready."""


class CancelledError(RuntimeError):
    """The wait was given up because the whole program ends."""


def start(
    command: Sequence[str],
    *,
    output: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    errors: Path | None = None,
    on_parent_death: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start `command` with its standard output in a file; standard error is ours unless given.

    A file, not a pipe: nothing has to be drained, and a child never blocks on a dead reader.
    """
    if sys.platform == "linux":
        if threading.current_thread() is not threading.main_thread():
            # The kernel means the *thread* that started the child when it says parent.
            raise RuntimeError("children must be started from the main thread")
        wrapper = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT]
        command = [*wrapper, str(int(on_parent_death)), str(os.getpid()), *command]
    with contextlib.ExitStack() as files:
        stdout = files.enter_context(output.open("wb"))
        stderr = files.enter_context(errors.open("wb")) if errors else None
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=None if environment is None else dict(environment),
            cwd=directory,
            start_new_session=True,
        )


def await_sign(
    look: Callable[[], Sign | None],
    *,
    child: subprocess.Popen[bytes],
    name: str,
    seconds: float,
    cancelled: threading.Event | None = None,
) -> Sign:
    """Wait until `look` sees what it looks for; a child that ends first is an error."""
    give_up = time.monotonic() + seconds
    while True:
        ended = child.poll()  # before the look: a sign given just before the end still counts
        sign = look()
        if sign is not None:
            return sign
        if ended is not None:
            raise ChildFailedError(f"{name} ended with {ended} before it was ready")
        if cancelled is not None and cancelled.is_set():
            raise CancelledError(name)
        if time.monotonic() > give_up:
            raise ChildFailedError(f"{name} was not ready after {seconds:.0f} s")
        time.sleep(0.02)


def stop(child: subprocess.Popen[bytes], *, grace: float) -> None:
    """Ask the child to end, insist after `grace` seconds, and leave none of its own behind."""
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace)
    kill(child)


def kill(child: subprocess.Popen[bytes]) -> None:
    """SIGKILL for the child and everything in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def first_line(output: Path, prefix: str) -> str | None:
    """What follows `prefix` on the first complete line that starts with it."""
    text = output.read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines(keepends=True):
        if line.startswith(prefix) and line.endswith("\n"):
            return line.removeprefix(prefix).strip()
    return None
