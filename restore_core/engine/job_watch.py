"""Which running jobs have no news: known from the work list and Azure, without reading a record.

Knows how to tell from the work list alone that a request needs nothing now. Refuses to act: what it
does not call quiet is loaded and followed by itself. A list is old news for whoever looks for a job
that is not there; here it only ever says that a job which is known still runs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime

from restore_core.arm_ids import VaultId
from restore_core.azure_backup.failures import is_unsupported
from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Vaults, urgent
from restore_core.domain.record import OpenRow
from restore_core.domain.vault import Job
from restore_core.engine.schedule import LONGEST_WAIT, may_rest
from restore_core.errors import ArmError
from restore_core.settings import Settings

_log = logging.getLogger(__name__)

MANY_JOBS = 4
"""From this many running jobs of a vault on, one list replaces a read for each."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a look at running jobs showed."""

    quiet: set[str] = field(default_factory=set)
    """The keys of the requests whose jobs run on."""
    jobs: dict[str, Job | ArmError] = field(default_factory=dict)
    """The other jobs by their ids: those that have ended with their details, those that run and
    whose requests are loaded all the same, and what reading one failed with."""


class Watch:
    """Watches running jobs. Safe to share between threads."""

    def __init__(
        self,
        *,
        vaults: Vaults,
        settings: Settings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the port. An instance remembers when it looked, so that it does not look too
        often."""
        self._vaults = vaults
        self._every = min(settings.job_poll, LONGEST_WAIT / 2).total_seconds()
        self._monotonic = monotonic
        self._looked: dict[str, float] = {}

    def look(self, rows: Sequence[OpenRow], now: datetime, pool: Executor) -> Seen:
        """Look at the jobs of the due requests that are known to run.

        A request is loaded every few minutes all the same, for what its job does not show: its
        limits, or a second job.
        """
        running: dict[str, list[OpenRow]] = {}
        for row in rows:
            if row.phase is Phase.JOB_IN_PROGRESS and row.job_id and not row.needs_attention:
                running.setdefault(row.vault_id.casefold(), []).append(row)
        due = {
            vault: [row for row in those if row.next_check_at <= now]
            for vault, those in running.items()
        }
        watched = {vault: those for vault, those in due.items() if those}
        self._forget(watched)

        def seen_in(vault: str) -> Seen:
            many = len(running[vault]) >= MANY_JOBS
            with urgent(is_emergency=any(row.is_emergency for row in watched[vault])):
                try:
                    return self._seen_in(vault, watched[vault], now, many=many)
                except Exception:  # noqa: BLE001  (one bad row must not stop a sweep)
                    _log.exception("%s: its jobs could not be watched", vault)
                    return Seen()

        found = list(pool.map(seen_in, watched))
        return Seen(
            quiet=set().union(*(one.quiet for one in found)),
            jobs={job_id: job for one in found for job_id, job in one.jobs.items()},
        )

    def _seen_in(self, vault: str, rows: Sequence[OpenRow], now: datetime, *, many: bool) -> Seen:
        if self._monotonic() - self._looked.get(vault, float("-inf")) < self._every:
            return Seen(quiet={row.key for row in rows})
        self._looked[vault] = self._monotonic()
        return self._by_list(rows, now) if many else self._by_page(rows, now)

    def _by_list(self, rows: Sequence[OpenRow], now: datetime) -> Seen:
        vault_id = VaultId.parse(rows[0].vault_id)
        since = min(row.accepted_at for row in rows)
        try:
            listing = self._vaults.jobs(vault_id, since=since, now=now)
        except ArmError as error:
            if is_unsupported(error):
                return self._by_page(rows, now)
            _log.warning("%s: the job list could not be read: %s", vault_id.name, error)
            return Seen(quiet={row.key for row in rows if may_rest(row, now)})
        seen = Seen()
        for row in rows:
            job = listing.get(row.job_id or "")
            # What has ended is read by its request's own step: a list has no counts.
            if job is not None and job.end is None:
                _add(seen, row, job, now)
        return seen

    def _by_page(self, rows: Sequence[OpenRow], now: datetime) -> Seen:
        """Read each job; what failed is left to its request's own step."""
        seen = Seen()
        for row in rows:
            job_id = row.job_id or ""
            try:
                job = self._vaults.job(VaultId.parse(row.vault_id), job_id)
            except ArmError as error:
                seen.jobs[job_id] = error
            else:
                _add(seen, row, job, now)
        return seen

    def _forget(self, watched: Mapping[str, object]) -> None:
        for vault in [one for one in self._looked if one not in watched]:
            del self._looked[vault]


def _add(seen: Seen, row: OpenRow, job: Job, now: datetime) -> None:
    if job.end is None and may_rest(row, now):
        seen.quiet.add(row.key)
    else:
        seen.jobs[row.job_id or ""] = job
