"""One step of one request as a value, and its result.

A turn holds the stored request, the record as the step has changed it so far, and the time. The
functions of a step pass it on and return a changed copy, and only the ledger writes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from restore_core.domain.ports import StoredRequest
from restore_core.domain.record import RestoreRecord
from restore_core.engine.adoption import JobsView
from restore_core.policy.guards import Guards, Rule


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The state of a running step. All decisions of the step use the same `now`."""

    stored: StoredRequest
    """The request as last read or written."""
    record: RestoreRecord
    """The record with this step's changes, which may not be stored yet."""
    view: JobsView
    clock: Callable[[], datetime]
    """Advances with the monotonic clock, so that setting the host's time lets no POST out late."""
    now: datetime
    guards: Guards | None = None
    """The guards as read in this step; `None` when there are none."""
    rule: Rule | None = None
    """The rule that allows the restore, once it is found."""
    holds_claims: bool = False
    """Whether this step claimed the target, to be released if the request stays `Accepted`."""

    def with_record(self, record: RestoreRecord) -> Self:
        """Return the turn with a changed record."""
        return replace(self, record=record)

    def at_present(self) -> Self:
        """Return the turn with the present time, after calls that may have taken minutes."""
        return replace(self, now=self.clock())


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """The request as the step has stored it, and whether the next step can follow at once."""

    stored: StoredRequest
    goes_on: bool
