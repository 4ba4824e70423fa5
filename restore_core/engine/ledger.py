"""Writes the result of a step: the record under its ETag, then its row, then the announcement.

This order makes a crash harmless: the record is the truth, the row only says that the request is
still open, and a row too many costs one read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from restore_core.alerting.cooldowns import Cooldowns
from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Completions, Store, StoredRequest
from restore_core.domain.record import OpenRow, RestoreRecord
from restore_core.engine.schedule import back_off
from restore_core.engine.turn import StepResult, Turn
from restore_core.errors import Conflict
from restore_core.policy.allowance import Allowance
from restore_core.policy.target_claims import TargetClaims
from restore_core.settings import Settings
from restore_core.vocabulary import WaitingFor

_log = logging.getLogger(__name__)
_ROUNDS = 4


class Ledger:
    """Stores the results of steps. Safe to share between threads."""

    def __init__(
        self,
        *,
        store: Store,
        completions: Completions,
        settings: Settings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the ports. `monotonic` measures the age of an instance's cached cooldowns."""
        self.store = store
        self.claims = TargetClaims(store)
        self.allowance = Allowance(store, settings)
        self.cooldowns = Cooldowns(store, monotonic=monotonic)
        self._completions = completions
        self.settings = settings

    def save(self, turn: Turn, *, due_at: datetime) -> StepResult:
        """Store the turn's record and its row; raises `Conflict` when another instance was first.

        If the step claimed the target and the request does not start now, the claim is released
        after the write: when the write loses, the winner is using the same claim.
        """
        written = self.write(turn)
        record = turn.record
        self.store.put_open(_row(turn.stored, record, due_at))
        if turn.holds_claims and record.phase is Phase.ACCEPTED and not record.is_between_parts:
            self.release(record, turn.now)
        return StepResult(stored=written.stored, goes_on=due_at <= turn.now)

    def wait(
        self, turn: Turn, why: WaitingFor, message: str, *, until: datetime | None = None
    ) -> StepResult:
        """Keep a request in `Accepted` with the reason to wait, due after its back-off, or at
        `until` if that is sooner.
        """
        waiting = turn.record.waiting(why, message)
        due_at = back_off(waiting, self.settings, turn.now)
        due_at = min(due_at, until) if until else due_at
        return self.save(turn.with_record(waiting), due_at=due_at)

    def postpone(self, turn: Turn, *, due_at: datetime) -> StepResult:
        """Leave the stored record unchanged and set only when its row is due."""
        self.store.put_open(_row(turn.stored, turn.stored.record, due_at))
        return StepResult(stored=turn.stored, goes_on=False)

    def write(self, turn: Turn) -> Turn:
        """Store the turn's record alone; raises `Conflict` when another instance was first.

        If another instance ended the request meanwhile, it released the claims before this step
        made one, so this step's claim is released here. While the request is open the claim stays,
        since another instance may be acting on it.
        """
        try:
            return replace(turn, stored=self.save_record(turn.stored, turn.record))
        except Conflict:
            current = turn.holds_claims and self.store.load(turn.stored.request_id, turn.record.key)
            if current and current.record.is_final:
                self.release(current.record, turn.now)
            raise

    def release(self, record: RestoreRecord, now: datetime) -> None:
        """Release the claim on the target, and give back counted starts that started nothing."""
        self.claims.release(record, now)
        self.allowance.give_back(record, now)

    def save_record(self, stored: StoredRequest, record: RestoreRecord) -> StoredRequest:
        """Store a changed record alone; raises `Conflict`."""
        before = stored.record
        etag = self.store.replace(record, stored.etag)
        if before.phase is not record.phase:
            _log.info(
                "%s: %s -> %s%s",
                record.key,
                before.phase.value,
                record.phase.value,
                f" ({record.waiting_for.value})" if record.waiting_for else "",
            )
        return replace(stored, record=record, etag=etag)

    def apply(
        self,
        turn: Turn,
        change: Callable[[RestoreRecord], RestoreRecord | None],
        due: Callable[[RestoreRecord], datetime],
    ) -> StepResult | None:
        """Store a fact, such as Azure's 202, even if another instance changed the record meanwhile.

        `change` is applied to the record as now stored, and again after a conflict. When it returns
        `None` there is nothing to add, and `None` is returned.
        """
        for _ in range(_ROUNDS):
            changed = change(turn.stored.record)
            if changed is None:
                return None
            try:
                return self.save(turn.with_record(changed), due_at=due(changed))
            except Conflict:
                stored = self.store.load(turn.stored.request_id, changed.key)
            if stored is None:
                return None
            turn = replace(turn, stored=stored)
        raise Conflict(f"{turn.stored.request_id} changes too fast to store a result")

    def announce(self, turn: Turn) -> StepResult:
        """Release the target, send the stored event, mark it as announced, and delete the row.

        After a crash in between, the next step sends the same bytes again.
        """
        record = turn.record
        if record.announced_at is None:
            self.release(record, turn.now)
            self.cooldowns.settle(record, turn.now)
            self.send_again(record)
            turn = self.write(turn.with_record(replace(record, announced_at=turn.now)))
        self.store.delete_open(OpenRow.of(record, turn.now))
        return StepResult(stored=turn.stored, goes_on=False)

    def send_again(self, record: RestoreRecord) -> None:
        """Send the stored event of a final record."""
        if record.event is None:
            raise LookupError(f"the final request {record.key} has no event")
        self._completions.send(record.event, reply_queue=record.reply_queue)

    def send_text(self, event: str) -> None:
        """Send an event that belongs to no record."""
        self._completions.send(event)


def _row(stored: StoredRequest, record: RestoreRecord, due_at: datetime) -> OpenRow:
    """Return the row of a record. A cancel that was not sent yet needs the record loaded: a look
    at the job alone would find it running and leave the request for minutes.
    """
    row = OpenRow.of(record, due_at)
    unsent = stored.cancel is not None and record.cancel_sent_at is None
    return replace(row, needs_attention=True) if unsent else row
