"""From `Accepted` to the POST: the gates that a request passes, one after the other.

Each gate lets the turn pass, perhaps changed, or says that the request waits or ends. What others
want, the target and the day's allowance, is claimed last, so that a request which does not start
blocks nobody. Refuses to decide what is restored, and to send.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from restore_core.azure_backup.failures import hold_until, job_error, says_missing, wait_for
from restore_core.domain.lifecycle import Event
from restore_core.domain.ports import Cancel, Vaults, urgent
from restore_core.domain.record import End, RestoreRecord
from restore_core.engine.decide import Decider, Examined, not_allowed
from restore_core.engine.finish import finish
from restore_core.engine.ledger import Ledger
from restore_core.engine.schedule import back_off
from restore_core.engine.trigger import Sender
from restore_core.engine.turn import StepResult, Turn
from restore_core.errors import ArmError, FileInvalid, LookupFailed
from restore_core.policy.allowance import OverLimit, UsedUp
from restore_core.policy.guards import Guards
from restore_core.policy.judging import NotAllowed
from restore_core.policy.preflight import Check, Outcome
from restore_core.policy.reviewed_file import in_words
from restore_core.policy.target_claims import Blocker
from restore_core.settings import Settings
from restore_core.times import format_time
from restore_core.vocabulary import Reason, WaitingFor

_LOOKUP_ADVICE = {
    Reason.SOURCE_NOT_FOUND: "Send a new request that names a share which the vault protects.",
    Reason.SOURCE_AMBIGUOUS: "Send a new request with source.protectedItemId.",
    Reason.RECOVERY_POINT_NOT_FOUND: "Send a new request for a recovery point that the item has.",
    Reason.RECOVERY_POINT_TOO_OLD: "Send a new request with a longer maxAge, or without one.",
}


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A gate's answer: the request waits. Without `why`, for what its record says already."""

    turn: Turn
    why: WaitingFor | None = None
    message: str = ""
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A gate's answer: the request ends."""

    turn: Turn
    end: End


Gate = Callable[[Turn], Turn | Wait | Stop]
"""A question about a request. The turn that it returns goes on to the next gate."""


class Starter:
    """Takes requests in `Accepted` through the gates to the POST. Safe to share between threads."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        vaults: Vaults,
        settings: Settings,
        guards: Callable[[], Guards | None],
    ) -> None:
        """Take the ports. `guards` raises `FileInvalid`."""
        self._ledger = ledger
        self._decider = Decider(vaults=vaults, settings=settings)
        self._settings = settings
        self._guards = guards
        self._sender = Sender(ledger=ledger, vaults=vaults, settings=settings)

    def start(self, turn: Turn) -> StepResult:
        """Take one step; raises `Conflict` when another instance was first, before anything
        was sent.
        """
        gates: tuple[Gate, ...] = (
            self._stopped,
            self._held,
            self._paused,
            self._guards_read,
            self._reply_allowed,
            self._covered,
            self._decided,
            # Reading the lists can take minutes: the rules of before may be gone by now.
            self._guards_read,
            self._allowed,
            self._within_allowance,
            self._target_claimed,
            self._start_counted,
            self._still_allowed,
            # What was in time when this step began may be too late now.
            self._stopped,
        )
        for gate in gates:
            # Not before a guard has let it say so does a request go where only emergencies may.
            with urgent(is_emergency=turn.record.is_emergency):
                outcome = gate(turn)
            if isinstance(outcome, Wait):
                return self._wait(outcome)
            if isinstance(outcome, Stop):
                return finish(self._ledger, outcome.turn, outcome.end)
            turn = outcome
        with urgent(is_emergency=turn.record.is_emergency):
            return self._sender.trigger(turn)

    def _wait(self, wait: Wait) -> StepResult:
        if wait.why is None:
            due_at = back_off(wait.turn.record, self._settings, wait.turn.now)
            return self._ledger.postpone(wait.turn, due_at=due_at)
        return self._ledger.wait(wait.turn, wait.why, wait.message, until=wait.until)

    def _stopped(self, turn: Turn) -> Turn | Stop:
        """Stop for an end that was decided before, for a cancel, and at the start deadline."""
        turn = turn.at_present()
        end = turn.record.pending_end or self._reason_to_stop(turn)
        return turn if end is None else Stop(turn=turn, end=end)

    def _held(self, turn: Turn) -> Turn | Wait:
        """Wait as long as Azure asked to; the record says already why."""
        until = turn.record.hold_until
        return turn if until is None or turn.now >= until else Wait(turn=turn)

    def _paused(self, turn: Turn) -> Turn | Wait:
        if not self._settings.paused or turn.record.request.dry_run:
            return turn
        return Wait(turn=turn, why=WaitingFor.PAUSED, message="RESTORE_PAUSED is true.")

    def _guards_read(self, turn: Turn) -> Turn | Wait:
        """Read the guards; while they cannot be read nothing starts."""
        try:
            return replace(turn, guards=self._guards())
        except FileInvalid as error:
            return Wait(turn=turn, why=WaitingFor.GUARDS_INVALID, message=in_words(error))

    def _reply_allowed(self, turn: Turn) -> Turn | Stop:
        """Keep the queue that the request wants its event on, if the guards let it pass."""
        record, settings = turn.record, self._settings
        reply_to = record.request.reply_to
        if reply_to is None or record.reply_queue is not None:
            return turn
        listed = turn.guards is None or reply_to in turn.guards.reply_queues
        # An event must never be read as a request.
        if listed and reply_to not in {settings.request_queue, settings.request_poison_queue}:
            return turn.with_record(replace(record, reply_queue=reply_to))
        message = f"No event may go to the queue {reply_to}."
        return Stop(turn=turn, end=not_allowed("replyQueues", message))

    def _covered(self, turn: Turn) -> Turn | Stop:
        """Ask the guards about the request alone, before anything is read for it.

        What Azure says of a vault that no rule covers is told to nobody, in a dry run neither.
        """
        seen = self._decider.foresee(turn.record, turn.guards)
        return Stop(turn=turn, end=seen) if isinstance(seen, End) else turn.with_record(seen)

    def _decided(self, turn: Turn) -> Turn | Wait | Stop:
        """Resolve item and recovery point, unless an earlier step has."""
        try:
            decided = self._decider.decide(turn.record, turn.guards)
        except LookupFailed as failed:
            end = End(
                event=Event.COULD_NOT_START,
                reason=failed.reason,
                message=str(failed),
                recommendation=_LOOKUP_ADVICE[failed.reason],
            )
            return Stop(turn=turn, end=end)
        except ArmError as error:
            if says_missing(error):
                return Stop(turn=turn, end=_no_vault(error))
            held = replace(turn.record, hold_until=hold_until(error, turn.now))
            return Wait(turn=turn.with_record(held), why=wait_for(error), message=str(error))
        if isinstance(decided, NotAllowed):
            return Stop(turn=turn, end=not_allowed(decided.rule, decided.message))
        return turn.with_record(decided)

    def _allowed(self, turn: Turn) -> Turn | Stop:
        """Ask guards and checks; a dry run ends here, with all that they say."""
        record = turn.record
        examined = self._decider.examine(record, turn.guards)
        if not record.request.dry_run:
            if examined.refusal is not None:
                return Stop(turn=turn, end=examined.refusal)
            return replace(turn, rule=examined.rule)
        full = None
        if examined.refusal is None:
            full = self._ledger.allowance.look(record, examined.rule, turn.now)
        return Stop(turn=turn, end=self._planned(record, examined, full))

    def _within_allowance(self, turn: Turn) -> Turn | Wait | Stop:
        """Check the allowance before the target is claimed, where it was used up the last time, so
        that a request which must wait for it blocks nobody.
        """
        if turn.record.waiting_for is not WaitingFor.QUOTA:
            return turn
        return _limited(turn, self._ledger.allowance.look(turn.record, turn.rule, turn.now))

    def _target_claimed(self, turn: Turn) -> Turn | Wait:
        """Claim the target, and note how it can be given back."""
        stored, record = turn.stored.record, turn.record
        if (stored.target_key, stored.source_key) != (record.target_key, record.source_key):
            # They are only known now. Whoever ends the request must know what it may hold.
            turn = self._ledger.write(turn)
        claim = self._ledger.claims.claim(record, turn.now)
        if isinstance(claim, Blocker):
            message = f"The target is in use by the request {claim.request_id}."
            return Wait(turn=turn, why=WaitingFor.TARGET_BUSY, message=message)
        claimed = replace(record, share_etag=claim.etag, target_etag=claim.older_etag)
        return replace(turn, record=claimed, holds_claims=True)

    def _start_counted(self, turn: Turn) -> Turn | Wait | Stop:
        """Count the start after the target is claimed: what waits for a target has not started."""
        return _limited(turn, self._ledger.allowance.take(turn.record, turn.rule, turn.now))

    def _still_allowed(self, turn: Turn) -> Turn | Wait | Stop:
        """Read the guards once more, right before the intent: what they say now is what counts."""
        again = self._guards_read(turn)
        if isinstance(again, Wait) or again.guards == turn.guards:
            return again
        judged = self._allowed(again)
        if isinstance(judged, Stop) or judged.rule == turn.rule:
            return judged
        # The start was counted under the limits of another rule.
        self._ledger.allowance.give_back(judged.record, judged.now)
        return self._start_counted(judged)

    def _reason_to_stop(self, turn: Turn) -> End | None:
        record, cancel = turn.record, turn.stored.cancel
        if cancel is not None and not record.request.dry_run:
            if cancel.received_at >= record.accepted_at:
                return _cancelled(cancel, Reason.CANCELLED_BY_REQUEST)
            if record.accepted_at - cancel.received_at <= self._settings.start_limit:
                return _cancelled(cancel, Reason.CANCELLED_BEFORE_ARRIVAL)
        deadline = record.start_deadline(self._settings.start_limit)
        if record.parts[0].end is not None and record.triggered_at is not None:
            # The request has started; what is left of it must come to an end some time.
            deadline = record.triggered_at + self._settings.tracking_limit * len(record.parts)
        if turn.now < deadline:
            return None
        waited = f" It waited for {record.waiting_for}." if record.waiting_for else ""
        return End(
            event=Event.COULD_NOT_START,
            reason=Reason.START_DEADLINE_EXCEEDED,
            message=f"The restore was not started by {format_time(deadline)}.{waited}"
            + (f" {record.waiting_message}" if record.waiting_message else ""),
            recommendation="Remove what it waited for, then send a request with a new id.",
        )

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


def _limited(turn: Turn, full: OverLimit | UsedUp | None) -> Turn | Wait | Stop:
    """Refuse what a guard's limit stops; let wait what only the day's allowance stops."""
    match full:
        case None:
            return turn
        case OverLimit(rule=rule, message=message):
            return Stop(turn=turn, end=not_allowed(rule, message))
        case UsedUp(until=until, message=message):
            return Wait(turn=turn, why=WaitingFor.QUOTA, message=message, until=until)
    assert_never(full)


def _no_vault(error: ArmError) -> End:
    return End(
        event=Event.COULD_NOT_START,
        reason=Reason.SOURCE_NOT_FOUND,
        message=f"Azure knows no such vault: {error}",
        recommendation="Check vaultId: subscription, resource group and name.",
        error=job_error(error),
    )


def _cancelled(cancel: Cancel, reason: Reason) -> End:
    said = f" Reason given: {cancel.reason}" if cancel.reason else ""
    when = "arrived" if reason is Reason.CANCELLED_BEFORE_ARRIVAL else "was started"
    return End(
        event=Event.CANCELLED,
        reason=reason,
        message=f"Cancelled before the restore {when}; nothing was restored.{said}",
    )
