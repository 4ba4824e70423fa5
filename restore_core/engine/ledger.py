"""How steps are written down: the record under its ETag, then its row, then the announcement.

Knows the write order. Refuses to know what a step decides, and when to look again. The order is
what makes a crash harmless: the record is the truth, the row only says that something is still to
be done, and a row too many costs one look.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from restore_core.alerting.cooldowns import Cooldowns
from restore_core.completions.events import render_end
from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Completions, Store, StoredRequest
from restore_core.domain.record import End, OpenRow, RestoreRecord
from restore_core.engine.schedule import back_off
from restore_core.errors import Conflict
from restore_core.policy.allowance import Allowance
from restore_core.policy.target_claims import TargetClaims
from restore_core.settings import Settings
from restore_core.vocabulary import WaitingFor

_log = logging.getLogger(__name__)
_ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class Advanced:
    """Where a step got to. `due_at` is when to look again, `None` when nothing is left to do."""

    stored: StoredRequest
    due_at: datetime | None


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

    def save(self, stored: StoredRequest, record: RestoreRecord, *, due_at: datetime) -> Advanced:
        """Store a changed record and its row; raises `Conflict` when somebody else was first."""
        saved = self.save_record(stored, record)
        self.store.put_open(_row(stored, record, due_at))
        return Advanced(stored=saved, due_at=due_at)

    def wait(
        self,
        stored: StoredRequest,
        record: RestoreRecord,
        why: WaitingFor,
        message: str,
        now: datetime,
        *,
        until: datetime | None = None,
    ) -> Advanced:
        """Let a request stay in `Accepted`, with the reason, until its back-off is over, or until
        a time that is known and sooner.
        """
        waiting = record.waiting(why, message)
        due_at = back_off(waiting, self.settings, now)
        return self.save(stored, waiting, due_at=min(due_at, until) if until else due_at)

    def give_back(self, record: RestoreRecord, now: datetime) -> None:
        """Give back the target, and the starts where nothing was started."""
        self.claims.give_back(record, now)
        self.allowance.give_back(record, now)

    def let_go(
        self, record: RestoreRecord, store_it: Callable[[], Advanced], now: datetime
    ) -> Advanced:
        """Store that a request which has claimed its target does not start now, and give back
        what it holds.

        In this order: what it holds may be what another instance, which has won the race for the
        record, is just using.
        """
        try:
            advanced = store_it()
        except Conflict:
            self.give_back_if_ended(record, now)
            raise
        settled = advanced.stored.record
        if settled.phase is Phase.ACCEPTED and not settled.is_between_parts:
            self.give_back(settled, now)
        return advanced

    def give_back_if_ended(self, record: RestoreRecord, now: datetime) -> None:
        """Give back a claim that was written after a cancel had ended the request.

        Whoever ended it has looked for a claim before there was one, and nobody looks again. While
        the request is open the claim stays: another instance may be about to act on it.
        """
        current = self.store.load(record.request.request_id, record.key)
        if current is not None and current.record.is_final:
            self.give_back(current.record, now)

    def postpone(self, stored: StoredRequest, *, due_at: datetime) -> Advanced:
        """Leave the record as it is and look again later."""
        self.store.put_open(_row(stored, stored.record, due_at))
        return Advanced(stored=stored, due_at=due_at)

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
        stored: StoredRequest,
        change: Callable[[RestoreRecord], RestoreRecord | None],
        due: Callable[[RestoreRecord], datetime],
    ) -> Advanced | None:
        """Store the result of something that has happened, whoever changed the record meanwhile.

        `change` is applied to the record as it stands; `None` from it means that there is nothing
        to add. Returns `None` then.
        """
        current: StoredRequest | None = stored
        for _ in range(_ROUNDS):
            changed = change(current.record) if current is not None else None
            if current is None or changed is None:
                return None
            try:
                return self.save(current, changed, due_at=due(changed))
            except Conflict:
                current = self.store.load(stored.request_id, changed.key)
        raise Conflict(f"{stored.request_id} changes too fast to store a result")

    def finish(
        self, stored: StoredRequest, record: RestoreRecord, end: End, *, now: datetime
    ) -> Advanced:
        """Make a record final: the phase, the end and the rendered event, in one write.

        The row is left alone: it stands, and the next step takes it off.
        """
        final = replace(
            record.moved(end.event),
            end=end,
            pending_end=None,
            waiting_for=None,
            waiting_message="",
            finished_at=now,
        )
        event = render_end(final, end, source=self.settings.event_source, finished_at=now)
        # The event has the plan; kept twice, a large one would not fit an entity of 1 MiB.
        announced = replace(final, end=replace(end, plan=None), event=event)
        return Advanced(stored=self.save_record(stored, announced), due_at=now)

    def announce(self, stored: StoredRequest, *, now: datetime) -> Advanced:
        """Give the target back, send the event as it was rendered, and close the request.

        A crash anywhere in between repeats the send with the same bytes.
        """
        record = stored.record
        row = OpenRow.of(record, now)
        if record.announced_at is None:
            self.give_back(record, now)
            self.cooldowns.settle(record, now)
            self.send_again(record)
            stored = self.save_record(stored, replace(record, announced_at=now))
        self.store.delete_open(row)
        return Advanced(stored=stored, due_at=None)

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
