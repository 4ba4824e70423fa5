"""When a request is looked at again: every rule about the time between two steps.

No rule waits longer than `LONGEST_WAIT` or the interval for reading jobs, so that a lost wake-up
costs minutes and never a request.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from datetime import datetime, timedelta

from restore_core.domain.record import OpenRow, RestoreRecord
from restore_core.errors import ArmAnswer, ArmError
from restore_core.settings import Settings

LONGEST_WAIT = timedelta(minutes=5)
"""A waiting request is due again within this time, even if its wake-up is lost."""
_LONGEST_HOLD = timedelta(hours=1)
"""The longest `Retry-After` that is honoured while a job runs."""


def delayed(record: RestoreRecord, error: ArmError, now: datetime) -> RestoreRecord:
    """Count a failed read, and store the time until which its `Retry-After` asks to wait."""
    after = error.retry_after if isinstance(error, ArmAnswer) else None
    after = min(after, _LONGEST_HOLD) if after else None
    hold_until = now + after if after else record.hold_until
    return replace(record, failures=record.failures + 1, hold_until=hold_until)


def back_off(record: RestoreRecord, settings: Settings, now: datetime) -> datetime:
    """Return when to try again: exponential with jitter, not before `hold_until`, and capped."""
    base, most = settings.retry_base, min(settings.retry_max, LONGEST_WAIT)
    wait = min(base * 2 ** min(record.failures, 16), most)
    jitter = random.uniform(0.75, 1.0)  # noqa: S311  (no secret)
    due: datetime = now + wait * jitter
    if record.hold_until is not None:
        due = max(due, record.hold_until)
    return min(due, now + LONGEST_WAIT)


def next_look(record: RestoreRecord, settings: Settings, now: datetime) -> datetime:
    """Return when to look at a job again: soon at first, then ever later, up to `job_poll`."""
    wait: timedelta = settings.operation_poll * 2 ** min(max(record.failures - 2, 0), 10)
    return now + min(wait, max(settings.job_poll, settings.operation_poll))


def next_list(settings: Settings, now: datetime) -> datetime:
    """Return when to list jobs again: soon enough for a late job and for the end of the grace."""
    tenth: timedelta = settings.adoption_grace / 10
    return now + min(max(settings.operation_poll, tenth), LONGEST_WAIT)


def may_rest(row: OpenRow, now: datetime) -> bool:
    """Tell whether a request may stay unloaded, since it has not been due for long.

    The limit is between half of `LONGEST_WAIT` and all of it, by the row's key, so that requests
    that came together are not all loaded in one sweep.
    """
    share = hashlib.sha256(row.key.encode()).digest()[0] / 255
    overdue: timedelta = LONGEST_WAIT * (0.5 + share / 2)
    return now < row.next_check_at + overdue
