"""How steps are written down: the record under its ETag, then its row, then the announcement.

Knows the write order. Refuses to know what a step decides, and when to look again. The order is
what makes a crash harmless: the record is the truth, the row only says that something is still to
be done, and a row too many costs one look.
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
    """Writes what steps decide. Safe to share between threads."""

    def __init__(
        self,
        *,
        store: Store,
        completions: Completions,
        settings: Settings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the ports. `monotonic` says how old what an instance remembers is."""
        self.store = store
        self.claims = TargetClaims(store)
        self.allowance = Allowance(store, settings)
        self.cooldowns = Cooldowns(store, monotonic=monotonic)
        self._completions = completions
        self.settings = settings

    def save(self, turn: Turn, *, due_at: datetime) -> StepResult:
        """Store the turn's record and its row; raises `Conflict` when another instance was first.

        A request that has claimed its target in this step and does not start now gives it back:
        after the write, since the winner of a race for the record is using the same claim.
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
        """Let a request stay in `Accepted`, with the reason, until its back-off is over, or until
        a time that is known and sooner.
        """
        waiting = turn.record.waiting(why, message)
        due_at = back_off(waiting, self.settings, turn.now)
        due_at = min(due_at, until) if until else due_at
        return self.save(turn.with_record(waiting), due_at=due_at)

    def postpone(self, turn: Turn, *, due_at: datetime) -> StepResult:
        """Leave what is stored as it is and look again later."""
        self.store.put_open(_row(turn.stored, turn.stored.record, due_at))
        return StepResult(stored=turn.stored, goes_on=False)

    def write(self, turn: Turn) -> Turn:
        """Store the turn's record alone; raises `Conflict` when another instance was first.

        Whoever ended the request meanwhile has looked for a claim before this step made one, and
        nobody looks again: then it is given back here. While the request is open the claim stays,
        since another instance may be about to act on it.
        """
        try:
            return replace(turn, stored=self.save_record(turn.stored, turn.record))
        except Conflict:
            current = turn.holds_claims and self.store.load(turn.stored.request_id, turn.record.key)
            if current and current.record.is_final:
                self.release(current.record, turn.now)
            raise

    def release(self, record: RestoreRecord, now: datetime) -> None:
        """Give back the target, and the starts where nothing was started."""
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
        """Store the result of something that has happened, whoever changed the record meanwhile.

        `change` is applied to the record as it stands; `None` from it means that there is nothing
        to add. Returns `None` then.
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
        """Give the target back, send the event as it was rendered, and close the request.

        A crash anywhere in between repeats the send with the same bytes.
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
        """Send a final record's event."""
        if record.event is None:
            raise LookupError(f"the final request {record.key} has no event")
        self._completions.send(record.event, reply_queue=record.reply_queue)

    def send_text(self, event: str) -> None:
        """Send an event that belongs to no record."""
        self._completions.send(event)


def _row(stored: StoredRequest, record: RestoreRecord, due_at: datetime) -> OpenRow:
    """Return the row of a record. A cancel that has not been sent needs the record's own step: a
    look at jobs alone would find the job running and leave the request for minutes.
    """
    row = OpenRow.of(record, due_at)
    unsent = stored.cancel is not None and record.cancel_sent_at is None
    return replace(row, needs_attention=True) if unsent else row
