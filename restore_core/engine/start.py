"""From `Accepted` to a claimed target: everything that is decided before a restore is sent.

Knows the order: whether to go on at all, what is decided and whether it may be, then the target and
the day's allowance, which others want, last. Refuses to decide, and to send.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from restore_core.azure_backup.failures import hold_until, job_error, says_missing, wait_for
from restore_core.domain.lifecycle import Event
from restore_core.domain.ports import Cancel, StoredRequest, Vaults
from restore_core.domain.record import End, RestoreRecord
from restore_core.engine.adoption import JobsView
from restore_core.engine.decide import Decider, Examined, not_allowed
from restore_core.engine.finish import close
from restore_core.engine.ledger import Advanced, Ledger
from restore_core.engine.schedule import back_off
from restore_core.engine.trigger import Sender
from restore_core.errors import ArmError, FileInvalid, LookupFailed
from restore_core.policy.allowance import OverLimit, UsedUp
from restore_core.policy.guards import Guards
from restore_core.policy.preflight import Check, Outcome
from restore_core.policy.reviewed_file import in_words
from restore_core.policy.target_claims import InTheWay
from restore_core.settings import Settings
from restore_core.times import format_time
from restore_core.vocabulary import Reason, WaitingFor

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
        decider: Decider,
        vaults: Vaults,
        settings: Settings,
        guards: Callable[[], Guards | None],
        monotonic: Callable[[], float],
    ) -> None:
        """Take the ports. `monotonic` measures the send window; it must not be the wall clock."""
        self._ledger = ledger
        self._decider = decider
        self._settings = settings
        self._guards = guards
        self._monotonic = monotonic
        self._sender = Sender(ledger=ledger, vaults=vaults, settings=settings, monotonic=monotonic)

    def advance(self, stored: StoredRequest, view: JobsView, *, now: datetime) -> Advanced:
        """Take one step; raises `Conflict` when somebody else was first, before anything was
        sent.
        """
        begun = self._monotonic()
        record = stored.record
        end = record.pending_end or self._reason_to_stop(record, stored.cancel, now)
        if end is not None:
            return close(self._ledger, stored, record, end, view, now=now)
        if record.hold_until is not None and now < record.hold_until:
            return self._ledger.postpone(stored, due_at=back_off(record, self._settings, now))
        if self._settings.paused and not record.request.dry_run:
            return self._ledger.wait(
                stored, record, WaitingFor.PAUSED, "RESTORE_PAUSED is true.", now
            )
        try:
            guards = self._guards()
        except FileInvalid as error:
            return self._ledger.wait(
                stored, record, WaitingFor.GUARDS_INVALID, in_words(error), now
            )
        reply_to = record.request.reply_to
        if reply_to is not None and record.reply_queue is None:
            if not self._may_reply_to(reply_to, guards):
                refusal = not_allowed("replyQueues", f"No event may go to the queue {reply_to}.")
                return close(self._ledger, stored, record, refusal, view, now=now)
            record = replace(record, reply_queue=reply_to)
        try:
            decided = self._decider.decide(record)
        except LookupFailed as failed:
            end = End(
                event=Event.COULD_NOT_START,
                reason=failed.reason,
                message=str(failed),
                recommendation=_LOOKUP_ADVICE[failed.reason],
            )
            return close(self._ledger, stored, record, end, view, now=now)
        except ArmError as error:
            return self._after_failed_read(stored, record, error, view, now)
        examined = self._decider.examine(decided, guards)
        full = None
        # Who has waited for the allowance looks before it takes the target from others.
        looks = record.request.dry_run or record.waiting_for is WaitingFor.QUOTA
        if looks and examined.refusal is None:
            full = self._ledger.allowance.look(decided, examined.rule, now)
        if record.request.dry_run:
            end = self._planned(decided, examined, full)
            return close(self._ledger, stored, decided, end, view, now=now)
        if examined.refusal is not None:
            return close(self._ledger, stored, decided, examined.refusal, view, now=now)
        if full is not None:
            return self._held_back(stored, decided, full, view, now)
        keys = (record.target_key, record.source_key)
        if keys != (decided.target_key, decided.source_key):
            # They are only known now. Whoever ends the request must know what it may hold.
            stored = self._ledger.save_record(stored, decided)
        record = decided
        claimed = self._claimed(record, now)
        if isinstance(claimed, InTheWay):
            busy = f"The target is in use by the request {claimed.request_id}."
            return self._ledger.wait(stored, record, WaitingFor.TARGET_BUSY, busy, now)
        record = claimed
        # Counted after the target is claimed: what waits for a target has not started.
        over = self._ledger.allowance.take(record, examined.rule, now)
        if over is not None:
            return self._ledger.let_go(
                record, lambda: self._held_back(stored, record, over, view, now), now
            )
        # Reading the lists can take minutes: what follows happens when it happens.
        step, now = now, now + timedelta(seconds=self._monotonic() - begun)
        late = self._reason_to_stop(record, stored.cancel, now)
        if late is not None:
            return self._ledger.let_go(
                record, lambda: close(self._ledger, stored, record, late, view, now=now), now
            )
        return self._sender.trigger(stored, record, now, step=step)

    def _may_reply_to(self, queue: str, guards: Guards | None) -> bool:
        """Tell whether an event may go to a queue; an event must never be read as a request."""
        if queue in {self._settings.request_queue, self._settings.request_poison_queue}:
            return False
        return guards is None or queue in guards.reply_queues

    def _reason_to_stop(
        self, record: RestoreRecord, cancel: Cancel | None, now: datetime
    ) -> End | None:
        if cancel is not None and not record.request.dry_run:
            if cancel.received_at >= record.accepted_at:
                return _cancelled(cancel, Reason.CANCELLED_BY_REQUEST)
            if record.accepted_at - cancel.received_at <= self._settings.start_limit:
                return _cancelled(cancel, Reason.CANCELLED_BEFORE_ARRIVAL)
        deadline = record.start_deadline(self._settings.start_limit)
        if record.parts[0].end is not None and record.triggered_at is not None:
            # The request has started; what is left of it must come to an end some time.
            deadline = record.triggered_at + self._settings.tracking_limit * len(record.parts)
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

    def _held_back(
        self,
        stored: StoredRequest,
        record: RestoreRecord,
        full: OverLimit | UsedUp,
        view: JobsView,
        now: datetime,
    ) -> Advanced:
        """Refuse what a guard's limit stops; let wait what only the day's allowance stops."""
        match full:
            case OverLimit(rule=rule, message=message):
                return close(
                    self._ledger, stored, record, not_allowed(rule, message), view, now=now
                )
            case UsedUp(until=until, message=message):
                return self._ledger.wait(
                    stored, record, WaitingFor.QUOTA, message, now, until=until
                )
        assert_never(full)

    def _planned(
        self, record: RestoreRecord, examined: Examined, full: OverLimit | UsedUp | None
    ) -> End:
        """Answer a dry run: as the real run would end, or with what it would send."""
        end = examined.refusal
        outcome, message = Outcome.PASSED, "It could start now."
        match full:
            case OverLimit():
                outcome, message = Outcome.REFUSED, full.message
                end = not_allowed(full.rule, full.message)
            case UsedUp():
                outcome, message = Outcome.WAITING, full.message
        checks = examined.checks
        if examined.refusal is None:
            checks += (Check(name="allowance", outcome=outcome, message=message),)
        planned = End(
            event=Event.PLAN_MADE,
            reason=Reason.PLANNED,
            message="Dry run: this is what would be sent. Nothing was.",
        )
        return replace(end or planned, plan=self._decider.plan(record, checks))

    def _claimed(self, record: RestoreRecord, now: datetime) -> RestoreRecord | InTheWay:
        """Claim the target, and note how it can be given back."""
        target_key = record.target_key
        if target_key is None:
            raise LookupError("a decided request has a target")
        taken = self._ledger.claims.take(record, target_key, now)
        if isinstance(taken, InTheWay):
            return taken
        return replace(record, target_etag=taken.etag)

    def _after_failed_read(
        self,
        stored: StoredRequest,
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
            return close(self._ledger, stored, record, end, view, now=now)
        held = replace(record, hold_until=hold_until(error, now))
        return self._ledger.wait(stored, held, wait_for(error), str(error), now)


def _cancelled(cancel: Cancel, reason: Reason) -> End:
    said = f" Reason given: {cancel.reason}" if cancel.reason else ""
    when = "arrived" if reason is Reason.CANCELLED_BEFORE_ARRIVAL else "was started"
    return End(
        event=Event.CANCELLED,
        reason=reason,
        message=f"Cancelled before the restore {when}; nothing was restored.{said}",
    )
