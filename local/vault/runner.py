"""The one thread that carries restores out: copying, ending, cancelling, each when it is due.

A job's files are copied over its whole duration and not at once, so that a cancel, or the end of
the emulator, finds a restore half done. The job stores the number of steps done, and the steps of a
restore are the same every time, so a restarted emulator goes on where it ended.
"""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from dataclasses import replace

from local.vault.jobs import Counts, Job, JobError, JobStore, Status
from local.vault.options import EmulatorOptions
from local.vault.shares import Layout, Result, SourceNotFoundError, Step, perform, plan_restore
from local.vault.ticks import TICKS_PER_SECOND, now_ticks, span

INTERNAL_ERROR = JobError(
    code=1073871825,
    text="Microsoft Azure Backup encountered an internal error.",
    recommendations=("Wait for a few minutes and then try the operation again.",),
)
"""The one failure of a restore whose number has been seen often (2023 and 2024)."""

# The numbers below are the emulator's own: only the names are published, and a job carries a
# number. Each text starts with the name, so that a reader can tell them apart.
SOURCE_NOT_FOUND = JobError(
    code=570101,
    text="UserErrorDTSSourceUriNotValid: the recovery point does not contain {path}.",
    recommendations=("Choose another recovery point or correct the path.",),
)
TARGET_NOT_FOUND = JobError(
    code=570102,
    text="TargetFileShareNotFound: the target file share {path} was not found.",
    recommendations=("Create the target file share or choose another one.",),
)
TARGET_NOT_EMPTY = JobError(
    code=570103,
    text="The target {path} is not empty: a point kept in the vault restores into nothing else.",
    recommendations=("Choose an empty file share or a new folder.",),
)
SOME_FAILED = JobError(
    code=570104,
    text="UserErrorAFSRecoverySomeFilesNotRestored: {path} files could not be restored.",
    recommendations=("Close the files that are in use and restore the failed ones again.",),
)
ALL_FAILED = JobError(
    code=570105,
    text="DataTransferServiceAllFilesFailedToRecover: none of {path} files could be restored.",
    recommendations=("Check for files in use and for directories of the same name.",),
)
BUSY = JobError(
    code=570106,
    text="UserErrorAnotherRestoreInProgressOnSameTarget: a restore to {path} is in progress.",
    recommendations=("Wait for the running restore to end, cancel it or choose another target.",),
)

_COPY_FROM, _COPY_TO = 0.05, 0.9  # the part of a job's duration in which its files are copied
_LOOKS = 40  # rounds of copying per job: each writes a line to the journal
_PLANS_KEPT = 64


def about(error: JobError, path: object) -> JobError:
    """The error with its `{path}` filled in."""
    return replace(error, text=error.text.replace("{path}", str(path)))


class Runner:
    """Carries out the running jobs of a store; `start` and `stop` it once each."""

    def __init__(self, layout: Layout, store: JobStore, options: EmulatorOptions) -> None:
        self._layout = layout
        self._store = store
        self._options = options
        self._due: list[tuple[int, str]] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._plans: OrderedDict[str, tuple[Step, ...]] = OrderedDict()
        self._thread = threading.Thread(target=self._run, name="vault-runner", daemon=True)

    def start(self) -> None:
        """Begin, with the jobs that an earlier emulator left running."""
        for job in self._store.running():
            self.watch(job)
        self._thread.start()

    def stop(self) -> None:
        """End after the step in hand."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    def watch(self, job: Job) -> None:
        """Look at a new or changed job now."""
        with self._wake:
            heapq.heappush(self._due, (now_ticks(), job.id))
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._stopping and (not self._due or self._due[0][0] > now_ticks()):
                    wait = None
                    if self._due:
                        wait = max((self._due[0][0] - now_ticks()) / TICKS_PER_SECOND, 0.0005)
                    self._wake.wait(wait)
                if self._stopping:
                    return
                _, job_id = heapq.heappop(self._due)
            try:
                next_look = self._advance(job_id)
            except OSError as error:  # a snapshot that cannot be read, say
                self._break_off(job_id, error)
                continue
            if next_look is not None:
                with self._wake:
                    heapq.heappush(self._due, (next_look, job_id))

    def _break_off(self, job_id: str, error: OSError) -> None:
        job = self._store.get(job_id)
        if job is not None:
            self._end(
                job, "Failed", (replace(INTERNAL_ERROR, text=f"{INTERNAL_ERROR.text} {error}"),)
            )

    def _advance(self, job_id: str) -> int | None:
        """Do what is due for one job; when to look again, or None when it has ended."""
        job = self._store.get(job_id)
        now = now_ticks()
        if job is None or not job.running:
            return None
        if job.status == "Cancelling":
            if job.cancel_ends is not None and now < job.cancel_ends:
                return job.cancel_ends
            self._end(job, "Cancelled", ())
            return None
        if job.synthetic:
            if job.ends is None or now < job.ends:
                return job.ends
            self._end(job, job.outcome.status or "Completed", ())
            return None
        return self._copy(job, now)

    def _copy(self, job: Job, now: int) -> int | None:
        """One round of copying; a failure found by planning ends the job at its time."""
        found = self._plan(job)
        if isinstance(found, JobError):
            if job.ends is not None and now < job.ends:
                return job.ends
            self._end(job, "Failed", (found,))
            return None
        length = self._options.ticks(self._options.job_duration)
        if job.ends is not None:
            length = job.ends - job.start
        first = job.start + round(length * _COPY_FROM)
        window = max(round(length * (_COPY_TO - _COPY_FROM)), 1)
        due = len(found)
        if job.ends is None or now < job.ends:
            due = min(max((now - first) * len(found) // window, 0), len(found))
        if job.progress < due:
            job = self._perform(job, found, due)
            if not job.running or job.status == "Cancelling":
                return now_ticks()
        if job.progress == len(found) and job.ends is not None and now_ticks() >= job.ends:
            self._finish(job)
            return None
        if job.progress == len(found):
            return job.ends
        upcoming = first + (job.progress + 1) * window // len(found)
        return max(upcoming, now_ticks() + max(span(0.01), length // _LOOKS))

    def _plan(self, job: Job) -> tuple[Step, ...] | JobError:
        share = self._layout.share(job.target_account, job.target_share)
        if job.outcome.status == "Failed" and not job.outcome.locked:
            return job.outcome.error or INTERNAL_ERROR
        if not share.is_dir():
            return about(TARGET_NOT_FOUND, f"{job.target_account}/{job.target_share}")
        cached = self._plans.get(job.id)
        if cached is not None:
            return cached
        snapshot = self._layout.snapshot(job.source_account, job.source_share, job.point_id)
        try:
            plan = plan_restore(
                snapshot,
                job.specs,
                job.folder,
                keep_path=self._options.item_layout == "path" or not job.alternate,
            )
        except SourceNotFoundError as error:
            return about(SOURCE_NOT_FOUND, error)
        destination = share / job.folder
        if job.vault_only and job.progress == 0 and _has_content(self._layout, job):
            return about(TARGET_NOT_EMPTY, destination.relative_to(share.parent))
        self._plans[job.id] = plan
        while len(self._plans) > _PLANS_KEPT:
            self._plans.popitem(last=False)
        return plan

    def _perform(self, job: Job, plan: tuple[Step, ...], due: int) -> Job:
        """Steps up to `due`, but for at most a twentieth of a second, so that all jobs move."""
        until = now_ticks() + span(0.05)
        counts, progress = job.counts, job.progress
        while progress < due and now_ticks() < until:
            step = plan[progress]
            result, size = perform(
                step,
                snapshot=self._layout.snapshot(job.source_account, job.source_share, job.point_id),
                share=self._layout.share(job.target_account, job.target_share),
                scratch=self._layout.scratch,
                copy_option=job.copy_option,
                locked=job.outcome.locked,
            )
            counts = _count(counts, step, result, size)
            progress += 1
        return self._store.change(
            job.id, lambda current: replace(current, counts=counts, progress=progress)
        )

    def _finish(self, job: Job) -> None:
        """The end that the counts, or the wanted outcome, call for."""
        counts = job.counts
        status: Status = "Completed"
        errors: tuple[JobError, ...] = ()
        if counts.files_failed:
            total = counts.files_failed + counts.files_restored + counts.files_skipped
            if counts.files_failed == total:
                status, errors = "Failed", (about(ALL_FAILED, total),)
            else:
                status, errors = "CompletedWithWarnings", (about(SOME_FAILED, counts.files_failed),)
        if job.outcome.status is not None:
            status = job.outcome.status
            if job.outcome.error is not None:
                errors = (job.outcome.error,)
        self._end(job, status, errors)

    def _end(self, job: Job, status: Status, errors: tuple[JobError, ...]) -> None:
        end = now_ticks()

        def ended(current: Job) -> Job:
            if current.status == "Cancelling" and status != "Cancelled":
                return current  # a cancel came in between, and is looked at again
            return replace(current, status=status, errors=errors, end=end)

        changed = self._store.change(job.id, ended)
        self._plans.pop(job.id, None)
        if changed.running:
            self.watch(changed)


def _has_content(layout: Layout, job: Job) -> bool:
    destination = layout.share(job.target_account, job.target_share) / job.folder
    return destination.is_dir() and any(destination.iterdir())


def _count(counts: Counts, step: Step, result: Result, size: int) -> Counts:
    name = f"{'directories' if step.directory else 'files'}_{result}"
    return replace(
        counts,
        **{name: getattr(counts, name) + 1},
        bytes_written=counts.bytes_written + size,
    )
