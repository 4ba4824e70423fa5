"""One restore for a storm of alerts, and none for a plan that keeps failing.

Knows two claims for each plan: the request that its alerts are folded into until the cooldown is
over, and its failures of late. Refuses to know alerts and plans' conditions. Folding is made to be
cheap: ten thousand alerts must not become ten thousand changes of one entity, so an instance
remembers for a moment who holds a cooldown, and adds up what it folds.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from restore_core.domain import claims
from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Claim, Holder, Store
from restore_core.domain.record import RestoreRecord, hash_key, restore_started
from restore_core.errors import StoreError
from restore_core.messages.request import RestoreRequest
from restore_core.policy.preflight import lacked_a_point

_log = logging.getLogger(__name__)
_TRUST_SECONDS = 5.0
"""How long a holder is believed without another look: it only ever folds more, and starts none."""
_FLUSH_SECONDS = 1.0
_MADE_WITHIN = timedelta(minutes=15)
"""A request is made right after its claim, or when its alert comes again, ten minutes later."""
_FAILED = frozenset({Phase.FAILED, Phase.REFUSED, Phase.INDETERMINATE})
_MAX_FAILURES = 10
_MEMORY = 1000


@dataclass(kw_only=True)
class _Remembered:
    """What an instance remembers of a cooldown."""

    holder: Holder
    read_at: float
    unwritten: int = 0
    """Messages that were folded and are not in the claim yet."""
    written_at: float = 0.0


class Cooldowns:
    """The claims of plans. Safe to share between threads and instances."""

    def __init__(self, store: Store, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Keep claims in the store."""
        self._store = store
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._memory: dict[str, _Remembered] = {}

    def holder(
        self, plan: str, request: RestoreRequest, cooldown: timedelta, now: datetime
    ) -> str | None:
        """Return the other request id that a cooldown belongs to, without a look where one was had
        a moment ago.

        Raises:
            StoreError: nothing is known; the message must come again.
        """
        thing = cooldown_of(plan, request)
        held = self._remembered(thing, cooldown, now)
        if held is None or held.key == request.record_key:
            claim = self._store.read_claim(thing)
            held = self._other(claim, request.record_key, cooldown, now)
        return None if held is None else held.request_id

    def take(
        self, plan: str, request: RestoreRequest, cooldown: timedelta, now: datetime
    ) -> str | None:
        """Begin a cooldown with a request; return the request id that one belongs to already.

        Claiming twice is one claim.

        Raises:
            StoreError: nothing is known; the message must come again.
        """
        thing = cooldown_of(plan, request)
        me = Holder(key=request.record_key, request_id=request.request_id, since=now)

        def step(claim: Claim) -> tuple[Claim, str | None]:
            if claim.is_held_by(me.key):
                return claim, None
            other = self._other(claim, me.key, cooldown, now)
            if other is not None:
                return claim, other.request_id
            return replace(claim, holders=(me,), folded=0), None

        return claims.change(self._store, thing, step)[1]

    def count_folded(self, plan: str, request: RestoreRequest) -> None:
        """Count a message that was folded. The claim has the count within a second or a sweep; what
        an instance has not written when it dies is lost, and each message has its own answer.
        """
        thing = cooldown_of(plan, request)
        with self._lock:
            known = self._memory.get(thing)
            if known is None:
                return
            known.unwritten += 1
            due = self._monotonic() - known.written_at >= _FLUSH_SECONDS
            if due:
                known.written_at = self._monotonic()
        if due:
            self._write_count(thing)

    def flush(self) -> None:
        """Write the counts that are not written yet; never raises."""
        with self._lock:
            due = [thing for thing, known in self._memory.items() if known.unwritten]
        for thing in due:
            self._write_count(thing)

    def stopped_until(
        self, plan: str, failures: int, within: timedelta, now: datetime
    ) -> datetime | None:
        """Tell until when a plan's breaker keeps it from starting anything, `None` when it does
        not.
        """
        claim = self._store.read_claim(_breaker_of(plan))
        late = sorted(one.since for one in claim.holders if now - one.since < within)
        return late[-failures] + within if len(late) >= failures else None

    def settle(self, record: RestoreRecord, now: datetime) -> None:
        """Note how a plan's request ended: a failure counts for the breaker, and one that started
        nothing ends the cooldown, so that a later alert may try again.

        One for which there was no recovery point does not count: that is no fault of the plan's.
        A request that a person cancelled keeps it: the rest of the storm must not start another.
        """
        if record.plan is None or record.phase not in _FAILED:
            return
        since = record.finished_at or now
        me = Holder(key=record.key, request_id=record.request.request_id, since=since)
        if record.end is None or not lacked_a_point(record.end):
            breaker = _breaker_of(record.plan)
            claims.change(self._store, breaker, lambda claim: _with_failure(claim, me))
        if _started_nothing(record):
            thing = cooldown_of(record.plan, record.request)
            with self._lock:
                self._memory.pop(thing, None)
            claims.change(self._store, thing, lambda claim: (claim.without(me.key), None))

    def _other(self, claim: Claim, key: str, cooldown: timedelta, now: datetime) -> Holder | None:
        """Return, and remember, the other request that a cooldown belongs to, as it was read."""
        held = next(iter(claim.holders), None)
        if held is None or held.key == key or now - held.since >= cooldown:
            return None
        if self._is_free(held, now):
            return None
        self._remember(claim.thing, held)
        return held

    def _is_free(self, holder: Holder, now: datetime) -> bool:
        """Tell whether alerts must not be folded into a request: it was never made, since whoever
        claimed the cooldown died and the alert did not come again, or it has started nothing.
        """
        stored = self._store.load(holder.request_id, holder.key)
        if stored is None:
            return now - holder.since > _MADE_WITHIN
        record = stored.record
        return record.plan is None or (record.announced_at is not None and _started_nothing(record))

    def _remembered(self, thing: str, cooldown: timedelta, now: datetime) -> Holder | None:
        with self._lock:
            known = self._memory.get(thing)
            if known is None or self._monotonic() - known.read_at > _TRUST_SECONDS:
                return None
            return known.holder if now - known.holder.since < cooldown else None

    def _remember(self, thing: str, holder: Holder) -> None:
        with self._lock:
            known = self._memory.get(thing)
            if known is None or known.holder != holder:
                if len(self._memory) >= _MEMORY:
                    self._memory.clear()
                self._memory[thing] = _Remembered(holder=holder, read_at=self._monotonic())
            else:
                known.read_at = self._monotonic()

    def _write_count(self, thing: str) -> None:
        with self._lock:
            known = self._memory.get(thing)
            if known is None or not known.unwritten:
                return
            holder, count, known.unwritten = known.holder, known.unwritten, 0

        def step(claim: Claim) -> tuple[Claim, None]:
            if not claim.is_held_by(holder.key):
                return claim, None
            return replace(claim, folded=claim.folded + count), None

        try:
            claims.change(self._store, thing, step)
        except StoreError as error:
            _log.warning("the count of folded alerts could not be written: %s", error)
            with self._lock:
                known.unwritten += count


def _with_failure(claim: Claim, me: Holder) -> tuple[Claim, None]:
    if claim.is_held_by(me.key):
        return claim, None
    failures = sorted([*claim.holders, me], key=lambda one: one.since)
    return replace(claim, holders=tuple(failures[-_MAX_FAILURES:])), None


def _started_nothing(record: RestoreRecord) -> bool:
    return record.phase in _FAILED and restore_started(record) == "no"


def cooldown_of(plan: str, request: RestoreRequest) -> str:
    """Name the cooldown of a plan and its source; a plan that only plans has another."""
    source = json.dumps(request.given()["source"], sort_keys=True)
    kind = "plan" if request.dry_run else "run"
    return f"cooldown:{hash_key(plan, source, kind)}"


def _breaker_of(plan: str) -> str:
    return f"breaker:{hash_key(plan)}"
