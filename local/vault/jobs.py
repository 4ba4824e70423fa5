"""Jobs, their operations, and the journal that lets a restarted emulator go on.

Jobs are kept in memory, ordered by start. Each change is appended as one line to a journal, in
which the last line for an id counts; the journal is rewritten when the emulator starts. The runner
copies files and reads the clock.
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from local.vault.restore_request import Spec

Status = Literal[
    "InProgress", "Cancelling", "Completed", "CompletedWithWarnings", "Failed", "Cancelled"
]
RUNNING: tuple[Status, ...] = ("InProgress", "Cancelling")


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a restore did. Bytes become whole megabytes on the wire."""

    files_restored: int = 0
    files_skipped: int = 0
    files_failed: int = 0
    directories_restored: int = 0
    directories_skipped: int = 0
    directories_failed: int = 0
    bytes_written: int = 0


@dataclass(frozen=True, kw_only=True)
class JobError:
    """An entry of errorDetails: the code is a number on the wire."""

    code: int
    text: str
    recommendations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job is to end instead of by itself; None leaves each to the copy.

    `locked` are patterns of target paths that cannot be written; `duration` is in service seconds;
    `shown_status` is what the service says in place of the true status.
    """

    status: Status | None = None
    error: JobError | None = None
    locked: tuple[str, ...] = ()
    duration: float | None = None
    never_ends: bool = False
    shown_status: str | None = None


@dataclass(frozen=True, kw_only=True)
class OperationError:
    """An operation that ends without a job, with this error."""

    status: str = "Failed"
    code: str = "CloudInternalError"
    message: str = "The operation failed."


@dataclass(frozen=True, kw_only=True)
class Job:
    """A restore job and the operation that made it. Times are in ticks; `ends` None is never.

    With an `operation_error` there is only the operation: no call shows the job. A synthetic job
    copies nothing, holds no target and is not kept on disk.
    """

    id: str
    operation_id: str
    activity_id: str
    vault_id: str
    source_account: str
    source_share: str
    target_account: str
    target_share: str
    point_id: str
    point_time: int
    alternate: bool
    folder: str = ""
    copy_option: str = "Overwrite"
    specs: tuple[Spec, ...] | None = None
    vault_only: bool = False
    synthetic: bool = False
    start: int
    operation_ready: int
    listed_from: int
    ends: int | None
    status: Status = "InProgress"
    end: int | None = None
    progress: int = 0
    counts: Counts = field(default_factory=Counts)
    errors: tuple[JobError, ...] = ()
    outcome: Outcome = field(default_factory=Outcome)
    operation_error: OperationError | None = None
    cancel_operations: tuple[str, ...] = ()
    cancel_ends: int | None = None

    @property
    def running(self) -> bool:
        """Neither ended nor cancelled."""
        return self.status in RUNNING

    @property
    def key(self) -> tuple[int, str]:
        """The place in lists: by start, then id."""
        return (self.start, self.id)

    @property
    def shown_folder(self) -> str:
        """The folder that the job names: of several items' folders the first."""
        return self.specs[0].folder if self.specs else self.folder

    @property
    def target(self) -> tuple[str, str]:
        """The share that is written to: one restore at a time."""
        return (self.target_account, self.target_share)


class JobStore:
    """All jobs of all vaults, thread-safe. `journal` None keeps nothing on disk."""

    def __init__(self, journal: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._order: list[tuple[int, str]] = []
        self._operations: dict[str, str] = {}
        self._running: set[str] = set()
        self._journal = journal
        if journal is not None and journal.exists():
            self._load(journal)
        self._lines = None if journal is None else journal.open("a", encoding="utf-8")

    def __len__(self) -> int:
        return len(self._jobs)

    def close(self) -> None:
        """End writing; the store can still be read."""
        with self._lock:
            if self._lines is not None:
                self._lines.close()
                self._lines = None

    def add(self, job: Job) -> None:
        """A new job. Raises KeyError when the id is taken."""
        with self._lock:
            if job.id in self._jobs:
                raise KeyError(job.id)
            self._index(job)
            self._write(job)

    def add_unless_busy(self, job: Job) -> Job | None:
        """Add a job unless a running one writes to the same share: then that one."""
        with self._lock:
            holder = self.holder(job.target)
            if holder is None:
                self.add(job)
            return holder

    def holder(self, target: tuple[str, str]) -> Job | None:
        """The running job that writes to a share."""
        with self._lock:
            running = (self._jobs[job_id] for job_id in self._running)
            return next(
                (
                    job
                    for job in running
                    if job.target == target and not job.synthetic and job.operation_error is None
                ),
                None,
            )

    def get(self, job_id: str) -> Job | None:
        """The job of that id, in any casing."""
        with self._lock:
            return self._jobs.get(job_id.lower())

    def by_operation(self, operation_id: str) -> Job | None:
        """The job that an operation made (or tried to make, or cancels)."""
        with self._lock:
            job_id = self._operations.get(operation_id.lower())
            return None if job_id is None else self._jobs[job_id]

    def change(self, job_id: str, alter: Callable[[Job], Job]) -> Job:
        """Replace a job by what `alter` makes of it, in one step."""
        with self._lock:
            old = self._jobs[job_id]
            new = alter(old)
            if new is not old:
                self._jobs[job_id] = new
                self._note(new)
                self._write(new)
            return new

    def running(self) -> list[Job]:
        """Jobs that have not ended, oldest first."""
        with self._lock:
            return sorted((self._jobs[job_id] for job_id in self._running), key=lambda job: job.key)

    def newest_first(self, before: tuple[int, str] | None = None) -> Iterator[Job]:
        """Jobs from the newest back, or from the one before a key back: how lists are paged."""
        with self._lock:
            stop = len(self._order) if before is None else bisect_left(self._order, before)
            keys = self._order[:stop]
            jobs = self._jobs
        for _, job_id in reversed(keys):
            yield jobs[job_id]

    def _index(self, job: Job) -> None:
        self._jobs[job.id] = job
        insort(self._order, job.key)
        self._note(job)

    def _note(self, job: Job) -> None:
        self._operations[job.operation_id] = job.id
        for operation in job.cancel_operations:
            self._operations[operation] = job.id
        if job.running:
            self._running.add(job.id)
        else:
            self._running.discard(job.id)

    def _write(self, job: Job) -> None:
        if self._lines is not None and not job.synthetic:
            self._lines.write(json.dumps(asdict(job), ensure_ascii=False) + "\n")
            self._lines.flush()

    def _load(self, journal: Path) -> None:
        latest: dict[str, Job] = {}
        for line in journal.read_text("utf-8").splitlines():
            try:
                job = _from_json(json.loads(line))
            except (ValueError, TypeError, KeyError):
                continue  # the last line of a killed emulator may be cut
            latest[job.id] = job
        for job in latest.values():
            self._index(job)
        fresh = journal.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as lines:
            for job in latest.values():
                lines.write(json.dumps(asdict(job), ensure_ascii=False) + "\n")
        fresh.replace(journal)


def _from_json(entry: dict[str, Any]) -> Job:
    """A job from its journal line; raises KeyError or TypeError for anything else."""
    known = {each.name for each in fields(Job)}
    values = {name: value for name, value in entry.items() if name in known}
    specs = values.get("specs")
    operation_error = values.get("operation_error")
    job = Job(**values)
    return replace(
        job,
        specs=None if specs is None else tuple(Spec(**spec) for spec in specs),
        counts=Counts(**values["counts"]),
        errors=tuple(_error(error) for error in values["errors"]),
        outcome=outcome_from_json(values["outcome"]),
        operation_error=None if operation_error is None else OperationError(**operation_error),
        cancel_operations=tuple(values["cancel_operations"]),
    )


def _error(entry: dict[str, Any]) -> JobError:
    return JobError(
        code=entry["code"],
        text=entry["text"],
        recommendations=tuple(entry.get("recommendations", ())),
    )


def outcome_from_json(entry: dict[str, Any]) -> Outcome:
    """An outcome from its JSON form (same field names); raises KeyError, TypeError or
    ValueError.
    """
    error = entry.get("error")
    if entry.get("status") not in (None, *get_args(Status)):
        raise ValueError(f"{entry['status']!r} is no status of a job")
    return Outcome(
        **{
            **entry,
            "error": None if error is None else _error(error),
            "locked": tuple(entry.get("locked", ())),
        }
    )
