"""From `Accepted` to the answer of the restore POST.

Knows the order that makes a restore run exactly once: decide and store what was decided, claim the
target last, make everything ready, write the intent, send once, store what came of it. Refuses to
know how a job is followed.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from restore_core.arm_ids import ArmIdError
from restore_core.errors import (
    ArmAnswer,
    ArmError,
    Conflict,
    ErrorClass,
    LookupFailed,
    NotSent,
    SendOutcome,
    WaitingFor,
    classify,
    says_missing,
    send_outcome,
    wait_for,
)
from restore_core.ledger import Advanced, Ledger, record_of
from restore_core.lifecycle import Event, Phase, Reason
from restore_core.looking import JobsView, close
from restore_core.payload import body_text, restore_body
from restore_core.ports import Cancel, Loaded, RestorePost, Vaults
from restore_core.record import (
    Decision,
    End,
    JobError,
    RestoreRecord,
    Try,
    TryState,
    source_account,
)
from restore_core.request import AlternateTarget
from restore_core.settings import SEND_WINDOW, Settings
from restore_core.times import format_time

_log = logging.getLogger(__name__)

_LOOKUP_ADVICE = {
    Reason.SOURCE_NOT_FOUND: "Send a new request that names a share which the vault protects.",
    Reason.SOURCE_AMBIGUOUS: "Send a new request with source.protectedItemId.",
    Reason.RECOVERY_POINT_NOT_FOUND: "Send a new request for a recovery point that the item has.",
    Reason.RECOVERY_POINT_TOO_OLD: "Send a new request with a longer maxAge, or without one.",
}

ROLE_PATIENCE = timedelta(minutes=30)
"""How long a 403 is taken for a role that is still being applied."""


class Starter:
    """Advances requests in `Accepted`. Safe to share between threads."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        vaults: Vaults,
        settings: Settings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the ports. `monotonic` measures the send window; it must not be the wall clock."""
        self._ledger = ledger
        self._vaults = vaults
        self._settings = settings
        self._monotonic = monotonic

    def advance(self, loaded: Loaded, view: JobsView, *, now: datetime) -> Advanced:
        """Take one step; raises `Conflict` when somebody else was first, before anything was
        sent.
        """
        begun = self._monotonic()
        record = record_of(loaded)
        end = record.pending_end or self._reason_to_stop(record, loaded.cancel, now)
        if end is not None:
            return self._close(loaded, record, end, view, now)
        if record.hold_until is not None and now < record.hold_until:
            return self._ledger.postpone(loaded, due_at=self._ledger.back_off(record, now))
        if self._settings.paused and not record.request.dry_run:
            return self._wait(loaded, record, WaitingFor.PAUSED, "RESTORE_PAUSED is true.", now)
        try:
            decided = self._decided(record)
        except LookupFailed as failed:
            reason = Reason(failed.reason)
            end = End(
                event=Event.COULD_NOT_START,
                reason=reason,
                message=str(failed),
                recommendation=_LOOKUP_ADVICE[reason],
            )
            return self._close(loaded, record, end, view, now)
        except ArmError as error:
            return self._after_failed_read(loaded, record, error, view, now)
        if record.request.dry_run:
            return self._ledger.finish(loaded, decided, self._plan(decided), now=now)
        if decided.target_key != record.target_key:
            # The target is only known now. Whoever ends the request must know what it may hold.
            loaded = self._ledger.save_record(loaded, decided)
        record = decided
        if (busy := self._claimed(record, now)) is not None:
            return self._wait(loaded, record, WaitingFor.TARGET_BUSY, busy, now)
        # Reading the lists can take minutes: what follows happens when it happens.
        step, now = now, now + timedelta(seconds=self._monotonic() - begun)
        if (end := self._reason_to_stop(record, loaded.cancel, now)) is not None:
            self._ledger.claims.give_back(record, now)
            return self._close(loaded, record, end, view, now)
        return self._trigger(loaded, record, now, step=step)

    def _reason_to_stop(
        self, record: RestoreRecord, cancel: Cancel | None, now: datetime
    ) -> End | None:
        if cancel is not None and not record.request.dry_run:
            if cancel.received_at >= record.accepted_at:
                return _cancelled(cancel, Reason.CANCELLED_BY_REQUEST)
            if record.accepted_at - cancel.received_at <= self._settings.start_limit:
                return _cancelled(cancel, Reason.CANCELLED_BEFORE_ARRIVAL)
        deadline = record.start_deadline(self._settings.start_limit)
        if now < deadline:
            return None
        waited = f" It waited for {record.waiting_for}." if record.waiting_for else ""
        return End(
            event=Event.COULD_NOT_START,
            reason=Reason.START_DEADLINE_EXCEEDED,
            message=f"The restore was not started by {format_time(deadline)}.{waited}"
            + (f" {record.waiting_message}" if record.waiting_message else ""),
            recommendation="Remove what it waited for, then send a request with a new id.",
        )

    def _decided(self, record: RestoreRecord) -> RestoreRecord:
        """Resolve item and recovery point, once: a retry must not choose another «latest»."""
        if record.decision is not None:
            return record
        request = record.request
        item = self._vaults.find_item(request)
        chosen = self._vaults.choose_point(item, request, requested_at=record.requested_at)
        try:
            account_id = str(source_account(item.id, item.account))
        except ArmIdError as error:
            raise LookupFailed(
                f"The item {item.id} names no storage account: {error}.",
                reason=Reason.SOURCE_NOT_FOUND,
            ) from error
        target = request.target
        alternate = target if isinstance(target, AlternateTarget) else None
        decision = Decision(
            item_id=str(item.id),
            share=item.share,
            account_id=account_id,
            point_id=chosen.point.id,
            point_time=chosen.point.time,
            why=chosen.why,
            target_account_id=alternate.storage_account_id if alternate else account_id,
            target_share=alternate.file_share if alternate else item.share,
        )
        body = body_text(restore_body(request, source_account_id=account_id))
        decided = replace(record, decision=decision, failures=0)
        return decided.with_part(replace(decided.part, body=body))

    def _claimed(self, record: RestoreRecord, now: datetime) -> str | None:
        """Claim the target; return what is in the way, in words."""
        target_key = record.target_key
        if target_key is None:
            raise LookupError("a decided request has a target")
        holder = self._ledger.claims.take(record, target_key, now)
        return None if holder is None else f"The target is in use by the request {holder}."

    def _trigger(
        self, loaded: Loaded, record: RestoreRecord, now: datetime, *, step: datetime
    ) -> Advanced:
        """Write the intent, send, and store what came of it. `step` is when this step began: what
        is due then is done next.
        """
        decision, body = record.decision, record.part.body
        if decision is None or body is None:
            raise LookupError("a decided request has a body")
        one = Try(client_request_id=str(uuid.uuid4()), intended_at=now)
        try:
            post = self._vaults.prepare_restore(
                decision.item, decision.point_id, body, one.client_request_id
            )
        except ArmError as error:
            self._ledger.claims.give_back(record, now)
            return self._wait(loaded, record, wait_for(error), str(error), now)
        intended = replace(
            record.with_part(record.part.with_try(one)).moved(Event.INTENDED),
            waiting_for=None,
            waiting_message="",
            hold_until=None,
        )
        begun = self._monotonic()
        try:
            loaded = self._ledger.save_record(loaded, intended)
        except Conflict:
            self._give_back_if_ended(intended, now)
            raise
        answer = self._send(post, begun)
        advanced = self._ledger.apply(
            loaded,
            lambda current: self._settled(current, one, answer, now),
            lambda current: self._due_after_send(current, now, step),
        )
        if advanced is None:
            return Advanced(loaded=loaded, due_at=now + self._settings.operation_poll)
        settled = record_of(advanced.loaded)
        if settled.phase is Phase.ACCEPTED:
            self._ledger.claims.give_back(settled, now)
        return advanced

    def _give_back_if_ended(self, record: RestoreRecord, now: datetime) -> None:
        """Give back a claim that was written after a cancel had ended the request.

        Whoever ended it has looked for a claim before there was one, and nobody looks again. While
        the request is open the claim stays: another instance may be about to act on it.
        """
        current = self._ledger.store.load(record.request.request_id, record.key).record
        if current is not None and current.is_final:
            self._ledger.claims.give_back(record, now)

    def _send(self, post: RestorePost, begun: float) -> str | ArmError:
        """Send within the window; return the operation's id, or the error that it was."""
        window = SEND_WINDOW.total_seconds()
        fresh_token = False
        while True:
            if self._monotonic() - begun >= window:
                return NotSent("the send window closed before the restore was sent")
            try:
                return post.send(fresh_token=fresh_token)
            except ArmError as error:
                if fresh_token or send_outcome(error) is not SendOutcome.TOKEN_REFUSED:
                    return error
                # 401: nothing happened. The same try goes once more with a new token.
                fresh_token = True

    def _settled(
        self, record: RestoreRecord, one: Try, answer: str | ArmError, now: datetime
    ) -> RestoreRecord | None:
        """Apply the answer to a record that may have moved on; `None` when it adds nothing."""
        if one.client_request_id not in {kept.client_request_id for kept in record.tries}:
            return None
        if record.is_final:
            _log.error("%s: an answer came after its end: %s", record.key, answer)
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
            case SendOutcome.DELAYED if why is WaitingFor.TARGET_BUSY and record.in_doubt:
                # Busy with what, if not with the restore that an earlier try started?
                for one in record.in_doubt:
                    again = replace(one, state=TryState.UNKNOWN, absent_since=None)
                    record = record.with_part(record.part.with_try(again))
                return record.moved(Event.WAITED)
            case SendOutcome.DELAYED:
                hold = _hold(error)
                return replace(
                    _taken_back(record, why, error), hold_until=now + hold if hold else None
                )
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

    def _due_after_send(self, record: RestoreRecord, now: datetime, step: datetime) -> datetime:
        if record.pending_end is not None:
            return step
        if record.phase is Phase.ACCEPTED:
            return self._ledger.back_off(record, now)
        return now + self._settings.operation_poll

    def _after_failed_read(
        self,
        loaded: Loaded,
        record: RestoreRecord,
        error: ArmError,
        view: JobsView,
        now: datetime,
    ) -> Advanced:
        if says_missing(error):
            end = End(
                event=Event.COULD_NOT_START,
                reason=Reason.SOURCE_NOT_FOUND,
                message=f"Azure knows no such vault: {error}",
                recommendation="Check vaultId: subscription, resource group and name.",
                error=_job_error(error),
            )
            return self._close(loaded, record, end, view, now)
        hold = error.retry_after if isinstance(error, ArmAnswer) else None
        held = replace(record, hold_until=now + hold if hold else None)
        return self._wait(loaded, held, wait_for(error), str(error), now)

    def _wait(
        self, loaded: Loaded, record: RestoreRecord, why: WaitingFor, message: str, now: datetime
    ) -> Advanced:
        waiting = record.waiting(why, message[:2000])
        return self._ledger.save(loaded, waiting, due_at=self._ledger.back_off(waiting, now))

    def _close(
        self, loaded: Loaded, record: RestoreRecord, end: End, view: JobsView, now: datetime
    ) -> Advanced:
        return close(self._ledger, loaded, record, end, view, now=now, settings=self._settings)

    def _plan(self, record: RestoreRecord) -> End:
        """Say what the real run would send, to the letter."""
        decision, body = record.decision, record.part.body
        if decision is None or body is None:
            raise LookupError("a plan is made of a decision")
        return End(
            event=Event.PLAN_MADE,
            reason=Reason.PLANNED,
            message="Dry run: this is what would be sent. Nothing was.",
            plan={
                "recoveryPoint": {"id": decision.point_id, "why": decision.why},
                "protectedItemId": decision.item_id,
                "method": "POST",
                "url": self._vaults.restore_url(decision.item, decision.point_id),
                "body": json.loads(body),
            },
        )


def _taken_back(record: RestoreRecord, why: WaitingFor, error: ArmError) -> RestoreRecord:
    return replace(
        record.moved(Event.TAKEN_BACK),
        waiting_for=why,
        waiting_message=str(error)[:2000],
        failures=record.failures + 1,
    )


def _hold(error: ArmError) -> timedelta | None:
    if not isinstance(error, ArmAnswer):
        return None
    return error.retry_after or classify(error.code, error.message).hold


def _refused(error: ArmError, reason: Reason) -> End:
    failure = classify(*_code_and_message(error))
    return End(
        event=Event.REFUSED_BY_AZURE,
        reason=reason,
        message=f"Azure Backup refused the restore: {error}",
        recommendation=failure.advice,
        error=_job_error(error),
    )


def _job_error(error: ArmError) -> JobError:
    code, message = _code_and_message(error)
    kind = classify(code, message).kind
    if kind is ErrorClass.UNKNOWN and isinstance(error, ArmAnswer):
        by_status = {401: ErrorClass.CONFIGURATION, 403: ErrorClass.CONFIGURATION}
        kind = by_status.get(error.status, ErrorClass.REQUEST)
    return JobError(code=code, message=message, kind=kind)


def _code_and_message(error: ArmError) -> tuple[str, str]:
    if isinstance(error, ArmAnswer):
        return error.code or f"HTTP{error.status}", error.message or str(error)
    return type(error).__name__, str(error)


def _cancelled(cancel: Cancel, reason: Reason) -> End:
    said = f" Reason given: {cancel.reason}" if cancel.reason else ""
    when = "arrived" if reason is Reason.CANCELLED_BEFORE_ARRIVAL else "was started"
    return End(
        event=Event.CANCELLED,
        reason=reason,
        message=f"Cancelled before the restore {when}; nothing was restored.{said}",
    )
