"""Who may restore to a target: one request at a time, the better-ranked first.

Azure Backup runs one restore per target share and refuses a second. Waiting for it here instead
keeps the order, costs no refused POSTs, and leaves «refused because busy» as evidence about our own
tries. A target is an account's name and a share: the resource group in an id is the sender's word.

For one release a target is claimed under two keys, the second as the version before this one makes
it, so that instances of both versions keep out of each other's way. Every instance takes the two in
one order, so that no two of them wait for each other.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from restore_core.domain import claims
from restore_core.domain.lifecycle import HOLDING, Phase
from restore_core.domain.ports import Claim, Holder, Store
from restore_core.domain.record import OpenRow, RestoreRecord
from restore_core.errors import Conflict
from restore_core.vocabulary import WaitingFor

_log = logging.getLogger(__name__)
_READY = {None, WaitingFor.TARGET_BUSY}
"""What a waiting request that only wants the target waits for; one that waits for something else,
such as a role, must not hold up the others."""


@dataclass(frozen=True, kw_only=True)
class TargetClaim:
    """The target is claimed. The ETags are those of the two claims, where nobody had asked for
    them.
    """

    etag: str | None
    older_etag: str | None


@dataclass(frozen=True, kw_only=True)
class Blocker:
    """Another request holds the target, or goes first."""

    request_id: str


class TargetClaims:
    """The claims on target shares. Safe to share between threads and instances."""

    def __init__(self, store: Store) -> None:
        """Keep claims in the store."""
        self._store = store

    def claim(self, record: RestoreRecord, now: datetime) -> TargetClaim | Blocker:
        """Claim the target, or return who is in the way.

        Claiming twice is one claim. A holder that does not hold (it went back to waiting, or ended)
        is replaced: its record is touched first, so that one that is just about to store its intent
        loses and never sends.
        """
        target_key, older_key = record.target_key, record.older_target_key
        if target_key is None or older_key is None:
            raise LookupError("a decided request has a target")
        claim = self._claim(record, target_key, now)
        if isinstance(claim, Blocker):
            return claim
        older = self._claim(record, older_key, now)
        if isinstance(older, Blocker):
            # Not kept while it waits: whoever holds the other key must not wait for this one.
            self._release(record, target_key, _untouched(claim), now)
            return older
        return TargetClaim(etag=_untouched(claim), older_etag=_untouched(older))

    def _claim(self, record: RestoreRecord, target_key: str, now: datetime) -> Claim | Blocker:
        """Take the claim under one key, or return who is in the way."""
        me = Holder(key=record.key, request_id=record.request.request_id, since=now)

        def step(claim: Claim) -> tuple[Claim, Blocker | None]:
            rival = self._rival(record, claim, target_key, now)
            if rival is not None:
                return claim, Blocker(request_id=rival.request_id)
            if claim.is_held_by(record.key):
                return claim, None
            holder = next(iter(claim.holders), None)
            if holder is None or self._takes_over(holder):
                return replace(claim, holders=(me,)), None
            return replace(claim, wanted=True), Blocker(request_id=holder.request_id)

        try:
            claim, blocker = claims.change(self._store, _thing(target_key), step)
        except Conflict:
            return Blocker(request_id="another request")
        return blocker or claim

    def _rival(
        self, record: RestoreRecord, claim: Claim, target_key: str, now: datetime
    ) -> OpenRow | None:
        """Return a better-ranked request that wants the target.

        There is one only where somebody has waited, for the target or for what all waited for.
        Between its parts a request keeps the target that it has, whoever waits for it.
        """
        if record.is_between_parts or not (claim.wanted or record.waiting_for is not None):
            return None
        mine = OpenRow.of(record, now)
        for row in self._store.rows_for_target(target_key):
            wants = row.phase is Phase.ACCEPTED and row.waiting_for in _READY
            if wants and row.key != record.key and row.rank < mine.rank:
                return row
        return None

    def release(self, record: RestoreRecord, now: datetime) -> None:
        """Give the target back, if the request holds it, and wake the one that is next."""
        if record.request.dry_run:
            return
        for target_key, etag in (
            (record.target_key, record.share_etag),
            (record.older_target_key, record.target_etag),
        ):
            if target_key is not None:
                self._release(record, target_key, etag, now)

    def _release(
        self, record: RestoreRecord, target_key: str, etag: str | None, now: datetime
    ) -> None:
        if etag is not None:
            untouched = Claim(thing=_thing(target_key), etag=etag)
            with suppress(Conflict):
                # As it was written when the target was taken: nobody waits.
                self._store.write_claim(untouched, [])
                return

        def step(claim: Claim) -> tuple[Claim, list[OpenRow]]:
            if not claim.is_held_by(record.key):
                return claim, []
            # Whoever waits has left its mark in the claim: without one there is nobody to look for.
            waiting = self._waiting(target_key, record.key) if claim.wanted else []
            return replace(claim.without(record.key), wanted=bool(waiting)), waiting

        # A claim that others keep changing may stay: the next request replaces a holder that ended.
        with suppress(Conflict):
            _, waiting = claims.change(self._store, _thing(target_key), step)
            if waiting:
                self._store.pull_forward(min(waiting, key=lambda row: row.rank), now)

    def _waiting(self, target_key: str, key: str) -> list[OpenRow]:
        return [
            row
            for row in self._store.rows_for_target(target_key)
            if row.phase is Phase.ACCEPTED
            and row.waiting_for is WaitingFor.TARGET_BUSY
            and row.key != key
        ]

    def _takes_over(self, holder: Holder) -> bool:
        """Make sure that a holder does not, and from now on cannot, act on its old claim."""
        stored = self._store.load(holder.request_id, holder.key)
        if stored is None or stored.record.is_final:
            return True
        record = stored.record
        if record.phase in HOLDING or record.is_between_parts:
            return False
        try:
            # A new ETag: an instance that read the record before can no longer store its intent.
            self._store.replace(record, stored.etag)
        except Conflict:
            return False
        _log.info("%s: took the target over while it waits", holder.request_id)
        return True


def _untouched(claim: Claim) -> str | None:
    """Return the ETag by which a claim can be given back without a look: nobody waits for it."""
    return None if claim.wanted else claim.etag


def _thing(target_key: str) -> str:
    return f"target:{target_key}"
