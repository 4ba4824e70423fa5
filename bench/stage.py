"""What a measurement runs on: an emulator process, and storage with or without the app's host.

Knows how they are started and what the emulator's log says. Azurite, the emulator, the host and the
measuring process are four processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from bench.scale import JOB_SECONDS
from local import process
from local.stack import ROOT, Stack
from restore_core import __version__

REQUESTS, COMPLETIONS = "restore-requests", "restore-completions"
OWN_AGENT = f"azure-files-restore/{__version__}"
FOR_EVER = 1e7
"""Seconds that no measurement sees the end of."""
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Emulated:
    """A running emulator."""

    url: str
    pid: int
    session: requests.Session

    def calls(self) -> list[Json]:
        """The ARM calls since the log was cleared."""
        return self._admin("GET", "log")

    def clear(self) -> None:
        """Forget the calls so far."""
        self._admin("DELETE", "log")

    def jobs(self) -> list[Json]:
        """Every job, as the emulator keeps it; times are in ticks."""
        return self._admin("GET", "jobs")

    def _admin(self, method: str, name: str) -> list[Json]:
        answer = self.session.request(method, f"{self.url}/_emulator/{name}", timeout=60)
        answer.raise_for_status()
        found: list[Json] = answer.json()
        return found


def by_kind(calls: list[Json]) -> dict[str, int]:
    """How many calls there were of each kind."""
    return dict(Counter(str(call["operation"]) for call in calls).most_common())


def arrived(call: Json) -> float:
    """When a call had been read, in seconds since 1970."""
    return datetime.fromisoformat(call["time"]).timestamp()


@contextmanager
def emulated(
    root: Path,
    *,
    time_scale: float = 1.0,
    job_seconds: float = JOB_SECONDS,
    jobs_in_each: int = 0,
) -> Iterator[Emulated]:
    """Run an emulator over the vaults below a folder."""
    command = [
        *(sys.executable, "-m", "bench.emulated", "--root", str(root)),
        *("--time-scale", f"{time_scale:g}", "--job-seconds", f"{job_seconds:g}"),
        *("--jobs-in-each", str(jobs_in_each)),
    ]
    output = root.parent / f"{root.name}.out"
    child = process.start(command, output=output, directory=ROOT)
    try:
        url = process.await_sign(
            lambda: process.first_line(output, "ready "),
            child=child,
            name="the emulator",
            seconds=60,
        )
        with requests.Session() as session:
            session.trust_env = False
            yield Emulated(url=url, pid=child.pid, session=session)
    finally:
        process.stop(child, grace=5)


@contextmanager
def stored(arm: Emulated, settings: Mapping[str, str]) -> Iterator[Stack]:
    """Run storage, with the app's settings for it; the host is not started."""
    with Stack(arm_endpoint=arm.url, host=False, settings=settings) as stack:
        yield stack


@contextmanager
def hosted(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    """Run the app's host on a storage; its log goes beside its data."""
    output = stack.data / "host.out"
    child = process.start(
        stack.host_command(),
        output=output,
        errors=stack.data / "host.err",
        environment={**os.environ, **stack.settings},
        directory=ROOT,
    )
    try:
        process.await_sign(
            lambda: process.first_line(output, "ready "), child=child, name="the host", seconds=60
        )
        yield child
    finally:
        process.stop(child, grace=15)
