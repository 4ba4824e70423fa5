"""When a request is looked at again: every rule about the time between two steps.

Knows waits and their limits. Refuses to know what a step does. Each rule keeps to `LONGEST_WAIT` or
to the job's own rhythm, so that a lost wake-up costs minutes and never a request.
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
"""No row is due later than this: a lost wake-up then costs minutes, never a request."""
_LONGEST_HOLD = timedelta(hours=1)
"""A job that runs is looked at again after that, whatever `Retry-After` one answer had."""


def delayed(record: RestoreRecord, error: ArmError, now: datetime) -> RestoreRecord:
    """Count a look that failed, and keep the time until which its answer's `Retry-After` asks to
    wait.
    """
    after = error.retry_after if isinstance(error, ArmAnswer) else None
    after = min(after, _LONGEST_HOLD) if after else None
    hold_until = now + after if after else record.hold_until
    return replace(record, failures=record.failures + 1, hold_until=hold_until)


def back_off(record: RestoreRecord, settings: Settings, now: datetime) -> datetime:
    """Return when to try again: capped exponential with jitter, `hold_until` honoured."""
    base, most = settings.retry_base, min(settings.retry_max, LONGEST_WAIT)
    wait = min(base * 2 ** min(record.failures, 16), most)
    jitter = random.uniform(0.75, 1.0)  # noqa: S311  (no secret)
    due: datetime = now + wait * jitter
    if record.hold_until is not None:
        due = max(due, record.hold_until)
    return min(due, now + LONGEST_WAIT)


def next_look(record: RestoreRecord, settings: Settings, now: datetime) -> datetime:
    """Look soon at first, then less and less often, up to the job's own rhythm."""
    wait: timedelta = settings.operation_poll * 2 ** min(max(record.failures - 2, 0), 10)
    return now + min(wait, max(settings.job_poll, settings.operation_poll))


def next_list(settings: Settings, now: datetime) -> datetime:
    """Look often enough to see a late job soon, and to see the end of the grace."""
    tenth: timedelta = settings.adoption_grace / 10
    return now + min(max(settings.operation_poll, tenth), LONGEST_WAIT)


def may_rest(row: OpenRow, now: datetime) -> bool:
    """Whether a request has not been due for so long that it must be loaded.

    Half of the longest wait to all of it, by the key: requests that came together are not all
    loaded in one sweep.
    """
    share = hashlib.sha256(row.key.encode()).digest()[0] / 255
    overdue: timedelta = LONGEST_WAIT * (0.5 + share / 2)
    return now < row.next_check_at + overdue
