"""Looking for the jobs of our tries in a vault's job list.

Knows when a list proves something. A job is found by its `activityId`, the client request id of the
POST that made it. A list counts only when it was read to its last page, and two lists a grace
apart, by the service's own clock, are needed to say that a try did not happen. Host clocks decide
nothing here.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from restore_core.azure_backup.failures import classify
from restore_core.domain.ports import JobListing, Vaults
from restore_core.domain.record import FollowedJob, JobError, RestoreRecord, Try, TryState
from restore_core.domain.vault import Job
from restore_core.errors import ArmError

_MAX_TEXT = 2000
"""Of a job's words: a record must fit its entity, whatever the service has to say."""


class JobsView:
    """One vault's job list, read at most once, for all records that were stored before it was made.

    A list proves the absence of a try only if it was asked for after that try was on the record. So
    a view is made after its records are stored, and a record that sent a POST meanwhile must wait
    for another.
    """

    def __init__(
        self,
        vaults: Vaults,
        records: Sequence[RestoreRecord],
        *,
        now: datetime,
        seen: Mapping[str, Job | ArmError] = MappingProxyType({}),
    ) -> None:
        """Make the view that serves these records, which are all of one vault; nothing is read
        yet. `seen` has the jobs whose pages were read.
        """
        intended = [one.intended_at for record in records for one in record.part.tries]
        self._since = min(intended, default=now)
        self._vault = records[0].request.vault
        self._seen = seen
        self._vaults = vaults
        self._now = now
        self._lock = threading.Lock()
        self._answer: JobListing | ArmError | None = None

    def job(self, job_id: str) -> Job:
        """Return a job with its details; raises `ArmError`."""
        seen = self._seen.get(job_id)
        if isinstance(seen, ArmError):
            raise seen
        return seen or self._vaults.job(self._vault, job_id)

    def listing(self) -> JobListing:
        """Return the list; raises `ArmError`, the same to everybody who asks."""
        with self._lock:
            if self._answer is None:
                try:
                    self._answer = self._vaults.jobs(self._vault, since=self._since, now=self._now)
                except ArmError as error:
                    self._answer = error
        if isinstance(self._answer, ArmError):
            raise self._answer
        return self._answer


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """A record after a complete list: with the jobs that were found, or with what their absence
    says.
    """

    record: RestoreRecord
    found: bool
    """Whether a job was seen that the record did not have."""
    ended: bool
    """Whether one of those has ended already."""


def adopt(record: RestoreRecord, listing: JobListing, *, grace: timedelta) -> Adoption:
    """Hold a record's tries against a complete list."""
    known = {job.id for job in record.part.jobs}
    part, found, ended = record.part, False, False
    for one in part.tries:
        jobs = listing.of(one.client_request_id)
        for job in jobs:
            if job.id not in known:
                found, ended = True, ended or job.end is not None
                # Ended or not, its own page is still wanted: a list has no counts.
                part = part.with_job(replace(followed(job), end=None))
        part = part.with_try(_after_listing(one, listing, seen=bool(jobs), grace=grace))
    return Adoption(record=record.with_part(part), found=found, ended=ended)


def _after_listing(one: Try, listing: JobListing, *, seen: bool, grace: timedelta) -> Try:
    if seen:
        return replace(one, state=TryState.TAKEN, absent_since=None)
    if not one.is_unsettled or listing.started is None or listing.ended is None:
        return one
    if one.absent_since is None:
        # Its last page's time: nothing that came later can have been on it.
        return replace(one, absent_since=listing.ended)
    if listing.started - one.absent_since >= grace:
        return replace(one, state=TryState.ABSENT)
    return one


def followed(job: Job) -> FollowedJob:
    """Keep of a job what its request needs, with the first of its errors put into words."""
    error, advice = None, ""
    if job.errors:
        first = job.errors[0]
        failure = classify(first.code, first.message)
        error = JobError(code=first.code, message=first.message[:_MAX_TEXT], kind=failure.kind)
        advice = " ".join(dict.fromkeys([failure.advice, *first.recommendations]))[:_MAX_TEXT]
    return FollowedJob(
        id=job.id,
        status=job.status[:100],
        end=job.end,
        start_time=job.start_time,
        end_time=job.end_time,
        files=job.files,
        directories=job.directories,
        transferred_mb=job.transferred_mb,
        error=error,
        advice=advice,
    )
