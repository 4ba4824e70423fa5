"""How many restores may start: the guards' limits for a share, and Azure's daily allowance.

Knows one list of starts for each share (and each vault, where that is limited): who started and
when, in one entity of the claims table, changed under its ETag, so that instances cannot count past
one another. A guard's limit refuses, since it is there for senders that run wild; the allowance
lets wait, since time gives it back. Refuses to know whether a restore was sent: whoever is back in
`Accepted`, or ended before the trigger, gives its start back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from restore_core.domain import claims
from restore_core.domain.ports import Claim, Holder, Store
from restore_core.domain.record import OpenRow, RestoreRecord, hash_key
from restore_core.policy.guards import MAX_STARTS, Rule
from restore_core.settings import Settings
from restore_core.times import format_time
from restore_core.vocabulary import WaitingFor

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)


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
        for scope in self._limited(record, rule):
            if (found := self._ask(scope, record, now, is_start=False)) is not None:
                return found
        return None

    def take(
        self, record: RestoreRecord, rule: Rule | None, now: datetime
    ) -> OverLimit | UsedUp | None:
        """Count a start, once for each request; what is in the way is returned instead.

        Raises:
            Conflict: too many others count at the same time.
        """
        for scope in self._limited(record, rule):
            found = self._ask(scope, record, now, is_start=True)
            if found is not None:
                self.give_back(record, now)
                return found
        return None

    def give_back(self, record: RestoreRecord, now: datetime) -> None:
        """Take what a request has not started off the counts, and wake those that wait first for
        what became free.
        """
        keys = record.unused_starts
        if record.source_key is None or record.request.dry_run or not keys:
            return
        # Whatever is limited now: it may have been counted for a guard, whose rule is not known.
        scopes = self._scopes(record, None)
        free = [scope for scope in scopes if self._remove(scope.thing, keys, now)]
        waiting = self._waiting(record) if free else []
        for scope in free:
            may = [row for row in waiting if scope.source_key in {None, row.source_key}]
            if may:
                self._store.pull_forward(min(may, key=lambda row: row.rank), now)

    def _limited(self, record: RestoreRecord, rule: Rule | None) -> list[_Scope]:
        return [one for one in self._scopes(record, rule) if one.limit or one.is_guarded]

    def _scopes(self, record: RestoreRecord, rule: Rule | None) -> list[_Scope]:
        settings = self._settings
        scopes = [
            _Scope(
                thing=_share_thing(record.source_key),
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
        return scopes

    def _ask(
        self, scope: _Scope, record: RestoreRecord, now: datetime, *, is_start: bool
    ) -> OverLimit | UsedUp | None:
        """Ask one list of starts, and count a start on it; one that waits leaves its mark."""
        me = Holder(key=record.start_key, request_id=record.request.request_id, since=now)

        def step(claim: Claim) -> tuple[Claim, OverLimit | UsedUp | None]:
            found = self._judged(scope, claim, record, now)
            if isinstance(found, UsedUp) and not record.request.dry_run:
                return replace(claim, wanted=True), found
            counted = _counted(claim, now)
            if found is not None or not is_start or any(one.key == me.key for one in counted):
                return claim, found
            # No limit is higher: what is older than so many starts cannot change an answer.
            newest = counted[-(MAX_STARTS - 1) :]
            others = claim.wanted and any(
                scope.source_key in {None, row.source_key} for row in self._waiting(record)
            )
            return replace(claim, wanted=others, holders=(*newest, me)), None

        return claims.change(self._store, scope.thing, step)[1]

    def _judged(
        self, scope: _Scope, claim: Claim, record: RestoreRecord, now: datetime
    ) -> OverLimit | UsedUp | None:
        counted = _counted(claim, now)
        if any(holder.key == record.start_key for holder in counted):
            # Counted before a crash. It must not wait for those that may wait for it.
            return None
        times = [holder.since for holder in counted]
        if (over := _over(scope, times, now)) is not None:
            return over
        limit = self._limit(scope.limit, is_emergency=record.is_emergency)
        if limit is None:
            return None
        # Whoever waits has left its mark in the claim: without one there is nobody to look for.
        ahead = self._ahead(scope, record, now) if claim.wanted else 0
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

    def _ahead(self, scope: _Scope, record: RestoreRecord, now: datetime) -> int:
        """Count the better-ranked that wait and will start before the record.

        Of a vault's, those whose own share has nothing left do not: they wait for time to pass,
        and keep no other share waiting.
        """
        mine = OpenRow.of(record, now)
        better = [row for row in self._waiting(record) if row.rank < mine.rank]
        if scope.source_key is not None:
            return sum(row.source_key == scope.source_key for row in better)
        groups = Counter((row.source_key, row.is_emergency) for row in better)
        return sum(
            self._startable(count, source_key, now, is_emergency=is_emergency)
            for (source_key, is_emergency), count in groups.items()
        )

    def _startable(
        self, count: int, source_key: str | None, now: datetime, *, is_emergency: bool
    ) -> int:
        """Say how many of so many restores the allowance of their own share lets start."""
        limit = self._limit(self._settings.daily_limit_per_share, is_emergency=is_emergency)
        if limit is None or source_key is None:
            return count
        started = _counted(self._store.read_claim(_share_thing(source_key)), now)
        return min(count, max(limit - len(started), 0))

    def _waiting(self, record: RestoreRecord) -> list[OpenRow]:
        """The other requests that wait for an allowance in the record's vault."""
        return [
            row
            for row in self._store.rows_waiting(str(record.request.vault), WaitingFor.QUOTA)
            # A dry run has another key than its request, and starts nothing.
            if row.key not in {record.key, f"plan~{row.request_id}"}
        ]

    def _remove(self, thing: str, keys: Collection[str], now: datetime) -> bool:
        def step(claim: Claim) -> tuple[Claim, bool]:
            if all(holder.key not in keys for holder in claim.holders):
                return claim, False
            kept = tuple(holder for holder in _counted(claim, now) if holder.key not in keys)
            return replace(claim, holders=kept), True

        return claims.change(self._store, thing, step)[1]


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


def _share_thing(source_key: str | None) -> str:
    return f"starts:{source_key}"


def _counted(claim: Claim, now: datetime) -> list[Holder]:
    """The starts of the last 24 hours, oldest first."""
    counted = (holder for holder in claim.holders if now - holder.since < DAY)
    return sorted(counted, key=lambda holder: holder.since)


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
