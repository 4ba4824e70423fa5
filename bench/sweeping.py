"""Sweeps of many open restores: what they read, what they cost, and the plain reads beside them.

Each job runs and none changes. The clock that the engine is given goes on by far more than the job
poll between two sweeps, so that every restore is due in each of them: the worst that a tick meets.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import estate
from bench.counting import Counted, titles
from bench.machine import cpu_seconds
from bench.scale import Crowd
from bench.stage import FOR_EVER, Emulated, by_kind, emulated
from local.stack import Stack
from local.storage import tables_of
from restore_core.engine.reconciler import Reconciler
from restore_core.wiring import build

_STEP = timedelta(seconds=15)
"""A tick: what was due stays due while its job runs on."""
_LOOK_EACH_TIME = {"RESTORE_JOB_POLL_SECONDS": "0.05"}
"""The sweeps follow one another faster than ticks; each must look, as every second one does."""


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What one sweep took."""

    seconds: float
    reads: Mapping[str, int]
    """Of ARM, by kind."""
    transactions: Mapping[str, int]
    """With storage, by kind."""
    cpu: Mapping[str, float]
    """Seconds of processor time, by process; the children's only where the system tells it."""

    @property
    def arm_reads(self) -> int:
        """All reads of ARM."""
        return sum(self.reads.values())

    @property
    def all_reads(self) -> int:
        """All reads of ARM and all transactions with storage."""
        return self.arm_reads + sum(self.transactions.values())


class Sweeper:
    """An engine on a storage, swept again and again."""

    def __init__(self, stack: Stack, arm: Emulated, counting: Counted) -> None:
        """Build the engine."""
        self._engine: Reconciler = build({**stack.settings, **_LOOK_EACH_TIME})
        self._arm = arm
        self._counting = counting
        self._now = datetime.now(UTC)
        self._children = {"azurite": stack.pids["azurite"], "emulator": arm.pid}

    def sweep(self) -> Swept:
        """Sweep once, everything being due."""
        self._now += _STEP
        self._arm.clear()
        self._counting.take()
        before, begun = self._cpu(), time.perf_counter()
        self._engine.sweep(self._now)
        seconds = time.perf_counter() - begun
        after = self._cpu()
        return Swept(
            seconds=seconds,
            reads=by_kind(self._arm.calls()),
            transactions=titles(self._counting.take()),
            cpu={name: round(after[name] - before[name], 3) for name in after},
        )

    def _cpu(self) -> dict[str, float]:
        children = {name: cpu_seconds(pid) for name, pid in self._children.items()}
        return {"app": time.process_time(), **children}


def median_seconds(swept: Sequence[Swept]) -> float:
    """The middle one of the times."""
    return statistics.median(one.seconds for one in swept)


def usual(swept: Sequence[Swept]) -> Swept:
    """The sweep with the fewest reads: once an hour one also looks for what is too old to keep."""
    return min(swept, key=lambda one: one.all_reads)


@contextmanager
def crowd(size: Crowd) -> Iterator[Emulated]:
    """Run an emulator with jobs that never end."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder) / "vault"
        estate.build(root, shares=size.vaults, vaults=size.vaults, files=False)
        with emulated(root, job_seconds=FOR_EVER, jobs_in_each=size.each) as arm:
            yield arm


def plain_reads(stack: Stack, arm: Emulated, *, threads: int) -> float:
    """Read the work list, then each vault's job list, by plain clients; the seconds of both."""
    with (
        tables_of(stack.storage) as tables,
        ThreadPoolExecutor(threads) as pool,
    ):
        rows = tables.get_table_client("openrestores")
        begun = time.perf_counter()
        vaults = {str(row["vaultId"]) for row in rows.list_entities()}
        list(pool.map(lambda vault: _jobs(arm, vault), vaults))
        return time.perf_counter() - begun


def _jobs(arm: Emulated, vault: str) -> int:
    url: str | None = f"{arm.url}{vault}/backupJobs?api-version=2026-07-01"
    count = 0
    while url:
        page: dict[str, Any] = arm.session.get(url, timeout=60).json()
        count += len(page["value"])
        url = page.get("nextLink")
    return count
