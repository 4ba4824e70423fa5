"""Which running jobs have no news: known from one list for each vault, without reading a record.

Knows how to tell from the work list alone that a request needs nothing now. Refuses to act: what it
does not call quiet is loaded and followed by itself. A list is old news for whoever looks for a job
that is not there; here it only ever says that a job which is known still runs.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta

from restore_core.arm_ids import VaultId
from restore_core.errors import ArmError
from restore_core.ledger import LONGEST_WAIT
from restore_core.lifecycle import Phase
from restore_core.looking import is_unsupported
from restore_core.ports import Vaults
from restore_core.record import OpenRow
from restore_core.settings import Settings

_log = logging.getLogger(__name__)

MANY_JOBS = 4
"""From this many running jobs of a vault on, one list replaces a read for each."""


class Watch:
    """Watches the vaults in which many jobs run. Safe to share between threads."""

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
        self._every = settings.job_poll.total_seconds()
        self._monotonic = monotonic
        self._looked: dict[str, float] = {}

    def quiet(self, rows: Sequence[OpenRow], now: datetime, pool: Executor) -> set[str]:
        """Return the keys of the due requests whose jobs run on, as their vaults' lists say.

        A request is loaded every few minutes all the same, for what no list shows: its limits, or
        a second job.
        """
        running: dict[str, list[OpenRow]] = {}
        for row in rows:
            if row.phase is Phase.JOB_IN_PROGRESS and row.job_id and not row.needs_attention:
                running.setdefault(row.vault_id.casefold(), []).append(row)
        watched = {
            vault: due
            for vault, those in running.items()
            if len(those) >= MANY_JOBS and (due := [row for row in those if _may_rest(row, now)])
        }
        self._forget(watched)
        found = pool.map(lambda vault: self._quiet_in(vault, watched[vault], now), watched)
        return set().union(*found)

    def _quiet_in(self, vault: str, rows: Sequence[OpenRow], now: datetime) -> set[str]:
        everyone = {row.key for row in rows}
        if self._monotonic() - self._looked.get(vault, float("-inf")) < self._every:
            return everyone
        vault_id = VaultId.parse(rows[0].vault_id)
        since = min(row.requested_at for row in rows)
        try:
            listing = self._vaults.jobs(vault_id, since=since, now=now)
        except ArmError as error:
            if is_unsupported(error):
                return set()
            _log.warning("%s: the job list could not be read: %s", vault_id.name, error)
            return everyone
        self._looked[vault] = self._monotonic()
        jobs = {row.key: listing.get(row.job_id or "") for row in rows}
        return {key for key, job in jobs.items() if job is not None and job.end is None}

    def _forget(self, watched: Mapping[str, object]) -> None:
        for vault in [one for one in self._looked if one not in watched]:
            del self._looked[vault]


def _may_rest(row: OpenRow, now: datetime) -> bool:
    """Whether a request is due, and not for so long that it must be loaded.

    Half of the longest wait to all of it, by the key: requests that came together are not all
    loaded in one sweep.
    """
    share = hashlib.sha256(row.key.encode()).digest()[0] / 255
    overdue: timedelta = LONGEST_WAIT * (0.5 + share / 2)
    return row.next_check_at <= now < row.next_check_at + overdue
