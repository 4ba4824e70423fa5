"""From `Accepted` to a claimed target: everything that is decided before a restore is sent.

Knows the order: whether to go on at all, which item and recovery point, and the target last. What
was decided is kept, so that a retry cannot decide otherwise. Refuses to send.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from restore_core.arm_ids import ArmIdError
from restore_core.errors import (
    ArmAnswer,
    ArmError,
    LookupFailed,
    WaitingFor,
    says_missing,
    wait_for,
)
from restore_core.ledger import Advanced, Ledger, record_of
from restore_core.lifecycle import Event, Reason
from restore_core.looking import JobsView, close
from restore_core.payload import body_text, restore_body
from restore_core.ports import Cancel, Loaded, Vaults
from restore_core.record import (
    Decision,
    End,
    RestoreRecord,
    source_account,
)
from restore_core.request import AlternateTarget
from restore_core.sending import Sender, job_error
from restore_core.settings import Settings
from restore_core.times import format_time

_log = logging.getLogger(__name__)

_LOOKUP_ADVICE = {
    Reason.SOURCE_NOT_FOUND: "Send a new request that names a share which the vault protects.",
    Reason.SOURCE_AMBIGUOUS: "Send a new request with source.protectedItemId.",
    Reason.RECOVERY_POINT_NOT_FOUND: "Send a new request for a recovery point that the item has.",
    Reason.RECOVERY_POINT_TOO_OLD: "Send a new request with a longer maxAge, or without one.",
}


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
        self._sender = Sender(ledger=ledger, vaults=vaults, settings=settings, monotonic=monotonic)

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
            return self._ledger.wait(
                loaded, record, WaitingFor.PAUSED, "RESTORE_PAUSED is true.", now
            )
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
            return self._ledger.wait(loaded, record, WaitingFor.TARGET_BUSY, busy, now)
        # Reading the lists can take minutes: what follows happens when it happens.
        step, now = now, now + timedelta(seconds=self._monotonic() - begun)
        if (end := self._reason_to_stop(record, loaded.cancel, now)) is not None:
            self._ledger.claims.give_back(record, now)
            return self._close(loaded, record, end, view, now)
        return self._sender.trigger(loaded, record, now, step=step)

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
                error=job_error(error),
            )
            return self._close(loaded, record, end, view, now)
        hold = error.retry_after if isinstance(error, ArmAnswer) else None
        held = replace(record, hold_until=now + hold if hold else None)
        return self._ledger.wait(loaded, held, wait_for(error), str(error), now)

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


def _cancelled(cancel: Cancel, reason: Reason) -> End:
    said = f" Reason given: {cancel.reason}" if cancel.reason else ""
    when = "arrived" if reason is Reason.CANCELLED_BEFORE_ARRIVAL else "was started"
    return End(
        event=Event.CANCELLED,
        reason=reason,
        message=f"Cancelled before the restore {when}; nothing was restored.{said}",
    )
