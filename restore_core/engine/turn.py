"""One step of one request as a value, and what comes of it.

A turn goes from hand to hand within a step: what is stored, what the step has made of it so far,
and the time. Each hand returns another turn, so that nothing but the ledger writes.
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
    """A step at work. `now` is the time that counts for all of it."""

    stored: StoredRequest
    """As it was read, or last written."""
    record: RestoreRecord
    """As this step has it; nothing of it need be stored yet."""
    view: JobsView
    clock: Callable[[], datetime]
    """Goes by the monotonic clock, so that a host whose time is set sends nothing too late."""
    now: datetime
    guards: Guards | None = None
    """As they were read in this step; `None` where there are none."""
    rule: Rule | None = None
    """The rule that allows the restore, once it was found."""
    holds_claims: bool = False
    """Whether this step has claimed the target: if it leaves the request in `Accepted`, the target
    is given back.
    """

    def with_record(self, record: RestoreRecord) -> Self:
        """Go on with a changed record."""
        return replace(self, record=record)

    def at_present(self) -> Self:
        """Read the clock again, after calls that may have taken minutes."""
        return replace(self, now=self.clock())


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step has stored, and whether the next one need not wait."""

    stored: StoredRequest
    goes_on: bool
