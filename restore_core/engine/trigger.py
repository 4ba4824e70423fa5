"""The restore POST: written down, sent once, and its answer stored.

Knows what makes a restore run exactly once: token and body are ready first, the intent is stored
under the ETag, the send happens within its window or not at all, and whatever comes back is applied
to the record as it stands by then. Refuses to decide what is restored, and to look for jobs.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from restore_core.azure_backup.failures import (
    SendOutcome,
    classify,
    code_and_message,
    hold_until,
    job_error,
    send_outcome,
    wait_for,
)
from restore_core.domain.lifecycle import Event, Phase
from restore_core.domain.ports import RestorePost, Vaults
from restore_core.domain.record import End, RestoreRecord, Try, TryState
from restore_core.engine.ledger import Ledger
from restore_core.engine.schedule import back_off
from restore_core.engine.turn import StepResult, Turn
from restore_core.errors import ArmError, NotSent
from restore_core.settings import SEND_WINDOW, Settings
from restore_core.vocabulary import Reason, WaitingFor

_log = logging.getLogger(__name__)

ROLE_PATIENCE = timedelta(minutes=30)
"""How long a 403 is taken for a role that is still being applied."""


class Sender:
    """Sends restores. Safe to share between threads."""

    def __init__(self, *, ledger: Ledger, vaults: Vaults, settings: Settings) -> None:
        """Take the ports."""
        self._ledger = ledger
        self._vaults = vaults
        self._settings = settings

    def trigger(self, turn: Turn) -> StepResult:
        """Write the intent, send, and store what came of it; raises `Conflict` when another
        instance was first, before anything was sent.
        """
        record, now = turn.record, turn.now
        decision, body = record.decision, record.part.body
        if decision is None or body is None:
            raise LookupError("a decided request has a body")
        one = Try(client_request_id=str(uuid.uuid4()), intended_at=now)
        try:
            post = self._vaults.prepare_restore(
                decision.item, decision.point_id, body, one.client_request_id
            )
        except ArmError as error:
            held = replace(record, hold_until=hold_until(error, now))
            return self._ledger.wait(turn.with_record(held), wait_for(error), str(error))
        intended = replace(
            record.with_part(record.part.with_try(one)).moved(Event.INTENDED),
            waiting_for=None,
            waiting_message="",
            hold_until=None,
        )
        # The window counts from before the write: another instance may see the intent from then on.
        closes_at = turn.clock() + SEND_WINDOW
        written = self._ledger.write(turn.with_record(intended))
        answer = _send(post, lambda: turn.clock() >= closes_at)
        result = self._ledger.apply(
            written,
            lambda current: self._settled(current, one, answer, now),
            lambda current: self._due(current, now),
        )
        return result or StepResult(stored=written.stored, goes_on=False)

    def _settled(
        self, record: RestoreRecord, one: Try, answer: str | ArmError, now: datetime
    ) -> RestoreRecord | None:
        """Apply the answer to a record that may have moved on; `None` when it adds nothing."""
        known = record.tries if record.is_final else record.part.tries
        if one.client_request_id not in {kept.client_request_id for kept in known}:
            if one.client_request_id in {kept.client_request_id for kept in record.tries}:
                _log.error("%s: an answer came after its part's end: %s", record.key, answer)
            return None
        if record.is_final:
            # With a job on record the try was adopted and has ended before its own answer came.
            level = logging.INFO if record.jobs else logging.ERROR
            _log.log(level, "%s: an answer came after its end: %s", record.key, answer)
            return None
        if isinstance(answer, str):
            taken = replace(one, state=TryState.TAKEN, operation_id=answer)
            moved = record.with_part(record.part.with_try(taken)).moved(Event.TAKEN)
            return replace(moved, failures=0, forbidden_since=None, waiting_for=None)
        outcome = send_outcome(answer)
        _log.warning("%s: the restore POST: %s: %s", record.key, outcome.value, answer)
        if outcome is SendOutcome.UNKNOWN:
            unknown = replace(one, state=TryState.UNKNOWN)
            # In `Accepted` another instance has given this try up; it must be settled after all.
            given_up = record.phase is Phase.ACCEPTED
            moved = record.moved(Event.INTENDED if given_up else Event.WAITED)
            return replace(moved.with_part(record.part.with_try(unknown)), waiting_for=None)
        current = record.part.current_try
        dropped = record.with_part(record.part.without_try(one.client_request_id))
        if record.phase is not Phase.TRIGGERING or current is None:
            return dropped
        if current.client_request_id != one.client_request_id:
            # Another instance has a later try on its way: only its answer moves the record.
            return dropped
        return self._after_no(dropped, outcome, answer, now)

    def _after_no(
        self, record: RestoreRecord, outcome: SendOutcome, error: ArmError, now: datetime
    ) -> RestoreRecord:
        """Go on from `Triggering` after an answer that certainly started nothing."""
        why = wait_for(error)
        match outcome:
            case SendOutcome.DELAYED if why is WaitingFor.TARGET_BUSY and record.part.in_doubt:
                # A busy target is evidence that an earlier POST started a restore, so the tries are
                # settled first.
                for one in record.part.in_doubt:
                    again = replace(one, state=TryState.UNKNOWN, absent_since=None)
                    record = record.with_part(record.part.with_try(again))
                return record.moved(Event.WAITED)
            case SendOutcome.DELAYED:
                back = _taken_back(record, why, error)
                return replace(back, hold_until=hold_until(error, now))
            case SendOutcome.NOT_SENT:
                return _taken_back(record, WaitingFor.SERVICE_UNAVAILABLE, error)
            case SendOutcome.FORBIDDEN | SendOutcome.TOKEN_REFUSED:
                since = record.forbidden_since or now
                if now - since < ROLE_PATIENCE:
                    back = _taken_back(record, WaitingFor.NOT_AUTHORIZED_YET, error)
                    return replace(back, forbidden_since=since)
                return replace(record, pending_end=_refused(error, Reason.NOT_AUTHORIZED))
            case SendOutcome.REFUSED:
                return replace(record, pending_end=_refused(error, Reason.TRIGGER_REFUSED))
            case SendOutcome.UNKNOWN:
                raise LookupError("an unknown outcome keeps its try")
        assert_never(outcome)

    def _due(self, record: RestoreRecord, now: datetime) -> datetime:
        if record.pending_end is not None:
            return now
        if record.phase is Phase.ACCEPTED:
            return back_off(record, self._settings, now)
        return now + self._settings.operation_poll


def _send(post: RestorePost, is_closed: Callable[[], bool]) -> str | ArmError:
    """Send while the window is open; return the operation's id, or the error that it was."""
    renewed = False
    while True:
        # Directly before the send, and after anything that takes time.
        if is_closed():
            return NotSent("the send window closed before the restore was sent")
        try:
            return post.send()
        except ArmError as error:
            if renewed or send_outcome(error) is not SendOutcome.TOKEN_REFUSED:
                return error
        # 401: nothing happened. The same try goes once more with a new token.
        renewed = True
        try:
            post.renew_token()
        except ArmError as error:
            return error


def _taken_back(record: RestoreRecord, why: WaitingFor, error: ArmError) -> RestoreRecord:
    return record.waiting(why, str(error), event=Event.TAKEN_BACK)


def _refused(error: ArmError, reason: Reason) -> End:
    failure = classify(*code_and_message(error))
    return End(
        event=Event.REFUSED_BY_AZURE,
        reason=reason,
        message=f"Azure Backup refused the restore: {error}",
        recommendation=failure.advice,
        error=job_error(error),
    )
