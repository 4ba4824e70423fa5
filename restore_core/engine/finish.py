"""How a request ends: the last look for a job that nobody saw, then the next part or the one end.

A request of more items than Azure takes at once runs part after part, and each part is a restore
like any other, under one request and one claim on the target. Knows when the next part begins and
how the ends of the parts add up to one. Refuses to know how a part is sent and followed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from restore_core.completions.events import render_end
from restore_core.domain.lifecycle import Event
from restore_core.domain.record import End, Part, RestoreRecord
from restore_core.domain.vault import JobEnd
from restore_core.engine.adoption import adopt
from restore_core.engine.ledger import Ledger
from restore_core.engine.schedule import back_off, delayed
from restore_core.engine.turn import StepResult, Turn
from restore_core.errors import ArmError
from restore_core.messages.request import PART_ITEMS
from restore_core.times import format_time
from restore_core.vocabulary import Reason

_log = logging.getLogger(__name__)

_BEFORE_ANYTHING = {
    Event.CANCELLED,
    Event.COULD_NOT_START,
    Event.REFUSED_BY_US,
    Event.PLAN_MADE,
}
"""What ends a request as a whole, as long as none of its parts was sent."""
_MAX_TEXT = 500
"""Of the words about a part that has ended."""
_RESTORED = {JobEnd.COMPLETED, JobEnd.COMPLETED_WITH_WARNINGS}


def finish(ledger: Ledger, turn: Turn, end: End) -> StepResult:
    """End a request, or a part of it, unless an earlier try did start a restore after all.

    A record with a try in doubt takes one more complete list before its last phase is written: a
    job found there is followed, and its end counts instead.
    """
    record, settings = turn.record, ledger.settings
    if not record.part.may_have_more_jobs:
        return _finish_part(ledger, turn, end)
    try:
        listing = turn.view.listing()
    except ArmError as error:
        if turn.now - (record.part.triggered_at or turn.now) > settings.tracking_limit:
            return finish_now(ledger, turn, lost_track(record))
        _log.warning("%s: cannot end before a job list is read: %s", record.key, error)
        waiting = replace(delayed(record, error, turn.now), pending_end=end)
        due_at = back_off(waiting, settings, turn.now)
        return ledger.save(turn.with_record(waiting), due_at=due_at)
    adoption = adopt(record, listing, grace=settings.adoption_grace)
    if adoption.found:
        running = replace(adoption.record.moved(Event.JOB_SEEN), pending_end=None, failures=0)
        return ledger.save(turn.with_record(running), due_at=turn.now)
    return _finish_part(ledger, turn.with_record(adoption.record), end)


def finish_now(ledger: Ledger, turn: Turn, end: End) -> StepResult:
    """Make a record final: the phase, the end and the rendered event, in one write.

    The row is left alone: it stands, and the next step takes it off.
    """
    final = replace(
        turn.record.moved(end.event),
        end=end,
        pending_end=None,
        waiting_for=None,
        waiting_message="",
        finished_at=turn.now,
    )
    event = render_end(final, end, source=ledger.settings.event_source, finished_at=turn.now)
    # The event has the plan; kept twice, a large one would not fit an entity of 1 MiB.
    written = ledger.write(
        turn.with_record(replace(final, end=replace(end, plan=None), event=event))
    )
    return StepResult(stored=written.stored, goes_on=True)


def lost_track(record: RestoreRecord) -> End:
    """Put into words that nobody saw the end, and where to look."""
    since = format_time(record.triggered_at or record.accepted_at)
    ids = ", ".join(job.id for job in record.jobs) or "none was seen"
    return End(
        event=Event.LOST,
        reason=Reason.TRACKING_LIMIT_REACHED,
        message=f"Followed since {since} without seeing an end. Jobs: {ids}. Look in the vault "
        f"{record.request.vault.name}.",
        recommendation="Look at the job in the portal; it may still be running.",
    )


def _finish_part(ledger: Ledger, turn: Turn, end: End) -> StepResult:
    """End a part: go on with the next, or end the request with what all parts come to.

    All parts are tried, whatever became of one; a cancel stops those that are left.
    """
    record = turn.record
    if len(record.parts) == 1 or (record.parts[0].end is None and end.event in _BEFORE_ANYTHING):
        return finish_now(ledger, turn, end)
    ended = record.with_part(_outline(record.part, end))
    # In the one phase from which every end of a request can be reached.
    ended = replace(
        ended.moved(Event.PART_ENDED),
        waiting_for=None,
        waiting_message="",
        failures=0,
        forbidden_since=None,
        hold_until=None,
        pending_end=None,
        cancel_sent_at=None,
    )
    turn = turn.with_record(ended)
    if ended.part.end is None and end.event is not Event.CANCELLED:
        result = ledger.save(turn, due_at=turn.now)
    else:
        result = finish_now(ledger, turn, merged(ended.parts))
    # Not before it is stored that nothing of the part will be sent.
    ledger.allowance.give_back(record, turn.now)
    return result


def _outline(part: Part, end: End) -> Part:
    """Keep of a part that has ended what its request still needs: ten whole ones, with all that
    the service had to say, would outgrow the record.
    """
    error = end.error and replace(end.error, message=end.error.message[:_MAX_TEXT])
    kept = replace(
        end,
        message=end.message[:_MAX_TEXT],
        recommendation=end.recommendation[:_MAX_TEXT],
        error=error,
        plan=None,
    )
    jobs = tuple(replace(job, error=None, advice="") for job in part.jobs)
    return replace(part, body=None, end=kept, jobs=jobs)


def merged(parts: Sequence[Part]) -> End:
    """Make the end of a request out of those of its parts."""
    ends = [(number, part.end) for number, part in enumerate(parts, 1) if part.end is not None]
    message = " ".join(f"Part {number} of {len(parts)}: {end.message}" for number, end in ends)
    bad = [(number, end) for number, end in ends if end.event is not Event.JOB_COMPLETED]
    if not bad:
        twice = any(end.reason is Reason.DUPLICATE_JOBS for _, end in ends)
        all_of_them = f"All {len(parts)} parts completed."
        return End(
            event=Event.PARTS_COMPLETED,
            reason=Reason.DUPLICATE_JOBS if twice else Reason.JOB_COMPLETED,
            message=f"{all_of_them} {message}" if twice else all_of_them,
        )
    cancelled = next((end for _, end in bad if end.event is Event.CANCELLED), None)
    first = cancelled or bad[0][1]
    numbers = ", ".join(str(number) for number, _ in bad)
    advice = " ".join(dict.fromkeys(end.recommendation for _, end in bad if end.recommendation))
    end = replace(first, message=message, recommendation=advice)
    if cancelled is not None:
        left = len(parts) - len(ends)
        rest = f" {left} of {len(parts)} parts were not begun." if left else ""
        return replace(end, message=message + rest)
    if any(map(restored_something, parts)):
        return replace(
            end,
            event=Event.PARTS_COMPLETED_IN_PART,
            reason=Reason.JOB_COMPLETED_WITH_WARNINGS,
            recommendation=f"{advice} Parts of {PART_ITEMS} items, in the order of the request, "
            f"that were not restored as a whole: {numbers}.".strip(),
        )
    return replace(end, event=Event.PARTS_FAILED)


def restored_something(part: Part) -> bool:
    """Tell whether a part brought anything back, a job that failed in the middle included."""
    return any(
        job.end in _RESTORED or job.files.restored or job.directories.restored for job in part.jobs
    )
