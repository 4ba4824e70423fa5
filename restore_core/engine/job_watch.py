"""Which jobs just run on, by the work list and Azure alone, so that their records are not read.

Refuses to act: a request that is not called quiet is loaded and takes a step of its own. A stale
list is harmless here: it is used only to confirm that a known job still runs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
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
class JobNews:
    """What a look at running jobs showed."""

    quiet: set[str] = field(default_factory=set)
    """The keys of the requests whose jobs run on."""
    jobs: dict[str, Job | ArmError] = field(default_factory=dict)
    """The other jobs by their ids: those that have ended with their details, those that run and
    whose requests are loaded all the same, and what reading one failed with."""


class JobWatch:
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

    def look(self, rows: Sequence[OpenRow], now: datetime, pool: Executor) -> JobNews:
        """Look at the jobs of the due requests that are known to run.

        A request is loaded every few minutes all the same, for what its job does not show: its
        limits, or a second job.
        """
        running: dict[str, list[OpenRow]] = {}
        for row in rows:
            if row.phase is Phase.JOB_IN_PROGRESS and row.job_id and not row.needs_attention:
                running.setdefault(row.vault_id.casefold(), []).append(row)
        watched = {
            vault: due
            for vault, those in running.items()
            if (due := [row for row in those if row.next_check_at <= now])
        }
        for vault in self._looked.keys() - watched.keys():
            self._looked.pop(vault, None)

        def watch(vault: str) -> JobNews:
            many = len(running[vault]) >= MANY_JOBS
            with urgent(is_emergency=any(row.is_emergency for row in watched[vault])):
                try:
                    return self._news_of(vault, watched[vault], now, many=many)
                except Exception:  # noqa: BLE001  (one bad row must not stop a sweep)
                    _log.exception("%s: its jobs could not be watched", vault)
                    return JobNews()

        found = list(pool.map(watch, watched))
        return JobNews(
            quiet=set().union(*(one.quiet for one in found)),
            jobs={job_id: job for one in found for job_id, job in one.jobs.items()},
        )

    def _news_of(
        self, vault: str, rows: Sequence[OpenRow], now: datetime, *, many: bool
    ) -> JobNews:
        if self._monotonic() - self._looked.get(vault, float("-inf")) < self._every:
            return JobNews(quiet={row.key for row in rows})
        self._looked[vault] = self._monotonic()
        return self._by_list(rows, now) if many else self._by_page(rows, now)

    def _by_list(self, rows: Sequence[OpenRow], now: datetime) -> JobNews:
        vault_id = VaultId.parse(rows[0].vault_id)
        since = min(row.accepted_at for row in rows)
        try:
            listing = self._vaults.jobs(vault_id, since=since, now=now)
        except ArmError as error:
            if is_unsupported(error):
                return self._by_page(rows, now)
            _log.warning("%s: the job list could not be read: %s", vault_id.name, error)
            return JobNews(quiet={row.key for row in rows if may_rest(row, now)})
        news = JobNews()
        for row in rows:
            job = listing.get(row.job_id or "")
            # What has ended is read by its request's own step: a list has no counts.
            if job is not None and job.end is None:
                _add(news, row, job, now)
        return news

    def _by_page(self, rows: Sequence[OpenRow], now: datetime) -> JobNews:
        """Read each job; what failed is left to its request's own step."""
        news = JobNews()
        for row in rows:
            job_id = row.job_id or ""
            try:
                job = self._vaults.job(VaultId.parse(row.vault_id), job_id)
            except ArmError as error:
                news.jobs[job_id] = error
            else:
                _add(news, row, job, now)
        return news


def _add(news: JobNews, row: OpenRow, job: Job, now: datetime) -> None:
    if job.end is None and may_rest(row, now):
        news.quiet.add(row.key)
    else:
        news.jobs[row.job_id or ""] = job
