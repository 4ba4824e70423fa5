"""How many restores may start: the guards' limits for a share, and Azure's daily allowance.

Knows one list of starts for each share (and each vault, where that is limited): who started and
when, in one entity of the claims table, changed under its ETag, so that instances cannot count past
one another. A guard's limit refuses, since it is there for senders that run wild; the allowance
lets wait, since time gives it back. Refuses to know whether a restore was sent: whoever is back in
`Accepted`, or ended before the trigger, gives its start back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from restore_core.errors import Conflict, WaitingFor
from restore_core.guards import Rule
from restore_core.ports import Claim, Holder, Store
from restore_core.record import OpenRow, RestoreRecord, hash_key
from restore_core.settings import Settings
from restore_core.times import format_time

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)
_ROUNDS = 10


@dataclass(frozen=True, kw_only=True)
class OverLimit:
    """A guard's limit is reached: the restore is refused. `rule` names the limit."""

    rule: str
    message: str


@dataclass(frozen=True, kw_only=True)
class UsedUp:
    """The daily allowance is used up: the restore waits. `until` is the earliest start."""

    until: datetime | None
    message: str


class Allowance:
    """Counts starts. Safe to share between threads and instances."""

    def __init__(self, store: Store, settings: Settings) -> None:
        """Keep the counts in the store."""
        self._store = store
        self._settings = settings

    def look(
        self, record: RestoreRecord, rule: Rule | None, now: datetime
    ) -> OverLimit | UsedUp | None:
        """Say what keeps a decided request from starting now, without counting it."""
        for scope in self._scopes(record, rule):
            found = self._judged(scope, self._store.read_claim(scope.thing), record, now)
            if found is not None:
                return found
        return None

    def take(
        self, record: RestoreRecord, rule: Rule | None, now: datetime
    ) -> OverLimit | UsedUp | None:
        """Count a start, once for each request; what is in the way is returned instead.

        Raises:
            Conflict: too many others count at the same time.
        """
        me = Holder(key=record.key, request_id=record.request.request_id, since=now)
        for scope in self._scopes(record, rule):
            found = self._take_one(scope, me, record, now)
            if found is not None:
                self.give_back(record, now)
                return found
        return None

    def give_back(self, record: RestoreRecord, now: datetime) -> None:
        """Take a request off the counts, and wake the one that waits first."""
        if record.source_key is None or record.request.dry_run:
            return
        gone = [self._remove(scope.thing, record.key, now) for scope in self._scopes(record, None)]
        if any(gone):
            waiting = self._waiting(record)
            if waiting:
                self._store.pull_forward(min(waiting, key=lambda row: row.rank), now)

    def _scopes(self, record: RestoreRecord, rule: Rule | None) -> list[_Scope]:
        settings = self._settings
        scopes = [
            _Scope(
                thing=f"starts:{record.source_key}",
                what="this share",
                limit=settings.daily_limit_per_share,
                rule=rule,
                source_key=record.source_key,
            )
        ]
        if settings.daily_limit_per_vault:
            vault = record.request.vault
            scopes.append(
                _Scope(
                    thing=f"starts:{hash_key(str(vault))}",
                    what=f"shares in the vault {vault.name}",
                    limit=settings.daily_limit_per_vault,
                )
            )
        return [one for one in scopes if one.limit or one.is_guarded]

    def _take_one(
        self, scope: _Scope, me: Holder, record: RestoreRecord, now: datetime
    ) -> OverLimit | UsedUp | None:
        for _ in range(_ROUNDS):
            claim = self._store.read_claim(scope.thing)
            if any(holder.key == me.key for holder in claim.holders):
                return None
            found = self._judged(scope, claim, record, now)
            if found is not None:
                return found
            kept = [holder for holder in claim.holders if now - holder.since < DAY]
            try:
                self._store.write_claim(claim, [*kept, me])
            except Conflict:
                continue
            return None
        raise Conflict(f"{scope.what}: too many count their starts at once")

    def _judged(
        self, scope: _Scope, claim: Claim, record: RestoreRecord, now: datetime
    ) -> OverLimit | UsedUp | None:
        times = sorted(holder.since for holder in claim.holders if holder.key != record.key)
        times = [time for time in times if now - time < DAY]
        if (over := _over(scope, times, now)) is not None:
            return over
        limit = self._limit(scope.limit, is_emergency=record.is_emergency)
        if limit is None or not times:
            return None
        mine = OpenRow.of(record, now)
        ahead = sum(
            row.rank < mine.rank
            for row in self._waiting(record)
            if scope.source_key is None or row.source_key == scope.source_key
        )
        if len(times) + ahead < limit:
            return None
        due = len(times) + ahead - limit
        until = times[due] + DAY if due < len(times) else None
        start = f"the earliest start is {format_time(until)}" if until else "others wait before it"
        return UsedUp(
            until=until,
            message=f"{len(times)} restores of {scope.what} were started in the last 24 hours, "
            f"and {limit} may be; {start}. Position {ahead + 1}.",
        )

    def _limit(self, limit: int, *, is_emergency: bool) -> int | None:
        """The allowance of a day, less what is kept for emergencies: at most half of it."""
        if not limit:
            return None
        return limit if is_emergency else limit - min(self._settings.emergency_reserve, limit // 2)

    def _waiting(self, record: RestoreRecord) -> list[OpenRow]:
        """The other requests that wait for an allowance in the record's vault."""
        return [
            row
            for row in self._store.rows_waiting(str(record.request.vault), WaitingFor.QUOTA)
            if row.key != record.key
        ]

    def _remove(self, thing: str, key: str, now: datetime) -> bool:
        for _ in range(_ROUNDS):
            claim = self._store.read_claim(thing)
            if all(holder.key != key for holder in claim.holders):
                return False
            kept = [
                holder for holder in claim.holders if holder.key != key and now - holder.since < DAY
            ]
            try:
                self._store.write_claim(claim, kept)
            except Conflict:
                continue
            return True
        raise Conflict("too many count their starts at once")


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """One list of starts, and what limits it."""

    thing: str
    what: str
    limit: int
    rule: Rule | None = None
    source_key: str | None = None
    """Of the share, where only those that wait for the same one are ahead."""

    @property
    def is_guarded(self) -> bool:
        """Whether a guard's limit applies."""
        return self.rule is not None and bool(self.rule.max_per_hour or self.rule.max_per_day)


def _over(scope: _Scope, times: Sequence[datetime], now: datetime) -> OverLimit | None:
    if scope.rule is None:
        return None
    limits = (
        ("maxPerHour", scope.rule.max_per_hour, HOUR, "hour"),
        ("maxPerDay", scope.rule.max_per_day, DAY, "24 hours"),
    )
    for field, limit, window, words in limits:
        count = sum(now - time < window for time in times)
        if limit is not None and count >= limit:
            return OverLimit(
                rule=f"{scope.rule.name}/{field}",
                message=f"The rule {scope.rule.name}: at most {limit} restores of {scope.what} in "
                f"{'an' if window is HOUR else ''} {words}, and {count} were started.".replace(
                    "  ", " "
                ),
            )
    return None
