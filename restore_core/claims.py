"""Who may restore to a target: one request at a time, the better-ranked first.

Azure Backup runs one restore per target share and refuses a second. Waiting for it here instead
keeps the order, costs no refused POSTs, and leaves «refused because busy» as evidence about our own
tries.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from restore_core.errors import Conflict, WaitingFor
from restore_core.lifecycle import HOLDING, Phase
from restore_core.ports import Claim, Holder, Loaded, Store
from restore_core.record import OpenRow, RestoreRecord

_log = logging.getLogger(__name__)
_ROUNDS = 3
_READY = {None, WaitingFor.TARGET_BUSY}
"""What a waiting request that only wants the target waits for; one that waits for something else,
such
as a role, must not hold up the others."""


class TargetClaims:
    """The claims on target shares. Safe to share between threads and instances."""

    def __init__(self, store: Store) -> None:
        """Keep claims in the store."""
        self._store = store

    def take(self, record: RestoreRecord, target_key: str, now: datetime) -> str | None:
        """Claim the target; return the request id that is in the way, `None` when it was claimed.

        Claiming twice is one claim. A holder that does not hold (it went back to waiting, or ended)
        is replaced: its record is touched first, so that one that is just about to store its intent
        loses and never sends.
        """
        mine = OpenRow.of(record, now)
        for row in self._store.rows_for_target(target_key):
            wants = row.phase is Phase.ACCEPTED and row.waiting_for in _READY
            if wants and row.key != record.key and row.rank < mine.rank:
                return row.request_id
        me = Holder(key=record.key, request_id=record.request.request_id, since=now)
        for _ in range(_ROUNDS):
            claim = self._store.read_claim(_thing(target_key))
            holder = next(iter(claim.holders), None)
            if holder is not None and holder.key == record.key:
                return None
            if holder is not None and not self._let_go(holder):
                return holder.request_id
            try:
                self._store.write_claim(claim, [me])
            except Conflict:
                continue
            return None
        return "another request"

    def give_back(self, record: RestoreRecord, now: datetime) -> None:
        """Give the target back, if the request holds it, and wake the one that is next."""
        target_key = record.target_key
        if target_key is None or record.request.dry_run:
            return
        for _ in range(_ROUNDS):
            claim = self._store.read_claim(_thing(target_key))
            if all(holder.key != record.key for holder in claim.holders):
                return
            try:
                self._write_without(claim, record.key)
            except Conflict:
                continue
            break
        self._wake_next(target_key, record.key, now)

    def _write_without(self, claim: Claim, key: str) -> None:
        self._store.write_claim(claim, [one for one in claim.holders if one.key != key])

    def _wake_next(self, target_key: str, key: str, now: datetime) -> None:
        waiting = [
            row
            for row in self._store.rows_for_target(target_key)
            if row.phase is Phase.ACCEPTED
            and row.waiting_for is WaitingFor.TARGET_BUSY
            and row.key != key
        ]
        if waiting:
            self._store.pull_forward(min(waiting, key=lambda row: row.rank), now)

    def _let_go(self, holder: Holder) -> bool:
        """Make sure that a holder does not, and from now on cannot, act on its old claim."""
        loaded: Loaded = self._store.load(holder.request_id, holder.key)
        record = loaded.record
        if record is None or record.is_final:
            return True
        if record.phase in HOLDING:
            return False
        try:
            # A new ETag: an instance that read the record before can no longer store its intent.
            self._store.replace(replace(record), loaded.etag)
        except Conflict:
            return False
        _log.info("%s: took the target over while it waits", holder.request_id)
        return True


def _thing(target_key: str) -> str:
    return f"target:{target_key}"
