"""The life of a request: its phases, what may happen in each, and where that leads.

Every rule about phases stands in this file: another module that compares a status string has a
defect. `TRANSITIONS` is the whole state machine, in which a final phase has an empty row. An event
that the table does not allow is a bug of this program and raises. The phase says only how far a
request is: how well it went is the reason of its end, and whether that was announced is a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from restore_core.domain.vault import JobEnd
from restore_core.vocabulary import Reason


class Phase(StrEnum):
    """What is true of a request."""

    ACCEPTED = "Accepted"
    """Valid and stored; no try of the current part is at Azure. Earlier parts may have ended."""
    TRIGGERING = "Triggering"
    """The intent is stored; the POST may or may not have reached Azure."""
    OPERATION_PENDING = "OperationPending"
    """Azure answered 202 and the operation id is stored; no job has been seen."""
    JOB_IN_PROGRESS = "JobInProgress"
    """The id of a job is stored, and the job is followed to its end."""
    COMPLETED = "Completed"
    """Final: the job restored everything."""
    COMPLETED_WITH_WARNINGS = "CompletedWithWarnings"
    """Final: the job restored a part. Never a success."""
    FAILED = "Failed"
    """Final: the job failed, Azure refused, or it could not be started in time."""
    CANCELLED = "Cancelled"
    """Final: stopped on request; files that were restored before stay."""
    REFUSED = "Refused"
    """Final: a guard or a check said no; nothing was sent."""
    PLANNED = "Planned"
    """Final: the answer to a dry run; nothing was sent."""
    INDETERMINATE = "Indeterminate"
    """Final for the program: a restore may be running, so a person must look."""


class Event(StrEnum):
    """What can happen to a request."""

    WAITED = "waited"
    """Only the reason to wait changed, or the facts that are known so far."""
    INTENDED = "intended"
    """A try was stored; its POST is sent next."""
    TAKEN_BACK = "taken back"
    """The try certainly started nothing: it was not sent, refused for now, or proven absent."""
    TAKEN = "taken"
    """Azure answered 202."""
    JOB_SEEN = "job seen"
    """A job of one of the request's tries was found."""
    REFUSED_BY_US = "refused by us"
    PLAN_MADE = "plan made"
    COULD_NOT_START = "could not start"
    REFUSED_BY_AZURE = "refused by Azure"
    OPERATION_FAILED = "operation failed"
    CANCELLED = "cancelled"
    JOB_COMPLETED = "job completed"
    JOB_COMPLETED_WITH_WARNINGS = "job completed with warnings"
    JOB_FAILED = "job failed"
    PART_ENDED = "part ended"
    """One part of several has ended: the next part begins, or the request ends."""
    PARTS_COMPLETED = "all parts completed"
    PARTS_COMPLETED_IN_PART = "not all parts completed"
    PARTS_FAILED = "no part restored anything"
    LOST = "lost"
    """Nothing can tell any more whether a restore ran."""


_P, _E = Phase, Event

TRANSITIONS: Mapping[Phase, Mapping[Event, Phase]] = {
    _P.ACCEPTED: {
        _E.WAITED: _P.ACCEPTED,
        _E.INTENDED: _P.TRIGGERING,
        # A job appears after its try was taken for absent.
        _E.JOB_SEEN: _P.JOB_IN_PROGRESS,
        # A 202 arrives after another instance took the try for absent.
        _E.TAKEN: _P.OPERATION_PENDING,
        _E.REFUSED_BY_US: _P.REFUSED,
        _E.PLAN_MADE: _P.PLANNED,
        _E.COULD_NOT_START: _P.FAILED,
        _E.CANCELLED: _P.CANCELLED,
        _E.PART_ENDED: _P.ACCEPTED,
        _E.PARTS_COMPLETED: _P.COMPLETED,
        _E.PARTS_COMPLETED_IN_PART: _P.COMPLETED_WITH_WARNINGS,
        _E.PARTS_FAILED: _P.FAILED,
        # The deadline passed, and no job list could be read to settle an earlier try.
        _E.LOST: _P.INDETERMINATE,
    },
    _P.TRIGGERING: {
        _E.WAITED: _P.TRIGGERING,
        _E.TAKEN_BACK: _P.ACCEPTED,
        _E.TAKEN: _P.OPERATION_PENDING,
        _E.JOB_SEEN: _P.JOB_IN_PROGRESS,
        _E.REFUSED_BY_AZURE: _P.FAILED,
        _E.PART_ENDED: _P.ACCEPTED,
        _E.LOST: _P.INDETERMINATE,
    },
    _P.OPERATION_PENDING: {
        _E.WAITED: _P.OPERATION_PENDING,
        _E.TAKEN: _P.OPERATION_PENDING,
        _E.JOB_SEEN: _P.JOB_IN_PROGRESS,
        _E.OPERATION_FAILED: _P.FAILED,
        _E.PART_ENDED: _P.ACCEPTED,
        _E.CANCELLED: _P.CANCELLED,
        _E.LOST: _P.INDETERMINATE,
    },
    _P.JOB_IN_PROGRESS: {
        _E.WAITED: _P.JOB_IN_PROGRESS,
        _E.TAKEN: _P.JOB_IN_PROGRESS,
        _E.JOB_SEEN: _P.JOB_IN_PROGRESS,
        _E.JOB_COMPLETED: _P.COMPLETED,
        _E.JOB_COMPLETED_WITH_WARNINGS: _P.COMPLETED_WITH_WARNINGS,
        _E.JOB_FAILED: _P.FAILED,
        _E.PART_ENDED: _P.ACCEPTED,
        _E.CANCELLED: _P.CANCELLED,
        _E.LOST: _P.INDETERMINATE,
    },
    _P.COMPLETED: {},
    _P.COMPLETED_WITH_WARNINGS: {},
    _P.FAILED: {},
    _P.CANCELLED: {},
    _P.REFUSED: {},
    _P.PLANNED: {},
    _P.INDETERMINATE: {},
}

FINAL = frozenset(phase for phase, row in TRANSITIONS.items() if not row)
HOLDING = frozenset({_P.TRIGGERING, _P.OPERATION_PENDING, _P.JOB_IN_PROGRESS})
"""The phases in which a request holds its target: something of it is, or may be, at Azure."""


JOB_EVENTS: Mapping[JobEnd, tuple[Event, Reason]] = {
    JobEnd.COMPLETED: (Event.JOB_COMPLETED, Reason.JOB_COMPLETED),
    JobEnd.COMPLETED_WITH_WARNINGS: (
        Event.JOB_COMPLETED_WITH_WARNINGS,
        Reason.JOB_COMPLETED_WITH_WARNINGS,
    ),
    JobEnd.CANCELLED: (Event.CANCELLED, Reason.JOB_CANCELLED),
    JobEnd.FAILED: (Event.JOB_FAILED, Reason.JOB_FAILED),
}
"""What the end of a job means for its request."""


class IllegalTransitionError(Exception):
    """An event was applied in a phase that does not allow it: a bug of this program."""


def next_phase(phase: Phase, event: Event) -> Phase:
    """Look up the transition; raises `IllegalTransitionError` where the table has none."""
    try:
        return TRANSITIONS[phase][event]
    except KeyError:
        raise IllegalTransitionError(f"{event.value!r} cannot happen in {phase.value}") from None
