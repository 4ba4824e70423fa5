"""Throttling: when Azure asks one call to wait, all calls to the same scope wait.

The scopes are the reads and the writes of a subscription, a vault, and the restores of a vault. A
pause is stored in the claims table, so that other instances keep it, too. Besides, the app uses at
most its share of Azure Resource Manager's allowance. Nothing sleeps here: a call that must wait is
refused with 429, as Azure would refuse it, and a later step makes it again.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from restore_core.azure_backup.failures import by_code
from restore_core.domain import claims
from restore_core.domain.ports import Claim, Holder, Store, is_urgent
from restore_core.domain.record import hash_key
from restore_core.errors import ArmAnswer, StoreError
from restore_core.vocabulary import ErrorClass

_log = logging.getLogger(__name__)

_VAULT = re.compile(
    r"/subscriptions/([^/?]+)(/resourceGroups/[^/?]+/providers/[^/?]+/[^/]+/[^/?]+)?",
    re.IGNORECASE,
)
_REMAINING = (
    "x-ms-ratelimit-remaining-subscription-resource-requests",
    "x-ms-ratelimit-remaining-subscription-reads",
    "x-ms-ratelimit-remaining-subscription-writes",
)
LOW = 20
"""With fewer remaining requests than this, only emergencies call, for the time of `_BRAKE`."""
_BRAKE = timedelta(seconds=5)
"""Enough for the documented refills of 10 and 25 a second to fill the bucket again."""
_PAUSE = timedelta(seconds=30)
"""The pause after a 429 without `Retry-After`."""
_LONGEST = timedelta(hours=6)
_LOOK_SECONDS = 30.0
"""How often an instance reads the pauses that other instances have stored."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A token bucket: its size, and the tokens that come back in a second."""

    size: float
    refill: float


OURS: Mapping[str, Bucket] = {
    "reads": Bucket(size=125, refill=12.5),
    "writes": Bucket(size=100, refill=5),
}
"""Half of the limits that Microsoft documents for a principal in a subscription (reads: 250 and 25
a second, writes: 200 and 10), so that other tools under the same identity have the other half."""


@dataclass(frozen=True, kw_only=True)
class _Pause:
    until: datetime
    code: str


class SharedThrottle:
    """Stops calls that must wait. Safe to share between threads."""

    def __init__(
        self,
        store: Store,
        *,
        buckets: Mapping[str, Bucket] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep pauses in the store. `buckets` are given for an endpoint that has limits."""
        self._store = store
        self._buckets = buckets or {}
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pauses: dict[str, _Pause] = {}
        self._looked: dict[str, float] = {}
        self._braked: dict[str, float] = {}
        self._levels: dict[str, tuple[float, float]] = {}

    def admit(self, url: str, *, writes: bool) -> None:
        """Let a call pass, or refuse it as Azure would.

        A pause stops every call; an emergency passes the brake and overdraws the bucket.

        Raises:
            ArmAnswer: 429, with the time to wait.
        """
        scopes = _scopes(url, writes=writes)
        if not scopes:
            return
        self._learn(scopes[0])
        now = self._clock()
        with self._lock:
            held = [one for scope in scopes if (one := self._pauses.get(scope)) and one.until > now]
        if held:
            longest = max(held, key=lambda one: one.until)
            raise _refusal(longest.until - now, code=longest.code)
        if is_urgent.get():
            self._take_anyway(scopes[1])
        elif self._monotonic() < self._braked.get(scopes[1], 0):
            raise _refusal(_BRAKE)
        elif (wait := self._take(scopes[1])) is not None:
            raise _refusal(wait)

    def note(self, url: str, headers: Mapping[str, str], *, writes: bool) -> None:
        """Read from an answer's headers how much is left, and brake when it is little."""
        scopes = _scopes(url, writes=writes)
        told = (headers.get(name, "") for name in _REMAINING)
        left = min((int(text) for text in told if re.fullmatch(r"\d{1,9}", text)), default=None)
        if scopes and left is not None and left < LOW:
            with self._lock:
                self._braked[scopes[1]] = self._monotonic() + _BRAKE.total_seconds()

    def note_refusal(self, url: str, error: ArmAnswer, *, writes: bool) -> None:
        """Store the pause that a refusal asks for, for all calls of its scope."""
        scopes = _scopes(url, writes=writes)
        failure = by_code(error.code)
        pause = error.retry_after
        scope: str | None = None
        if len(scopes) < 3:
            return
        subscription, kind, vault = scopes[0], scopes[1], scopes[2]
        if failure.kind is ErrorClass.QUOTA and failure.hold is not None:
            if writes:
                scope, pause = f"restores:{vault}", max(failure.hold, pause or timedelta())
        elif error.status == 429:
            scope, pause = kind, pause or _PAUSE
        elif error.status >= 500 and pause is not None:
            scope = vault
        if scope is not None and pause is not None:
            until = self._clock() + min(pause, _LONGEST)
            self._keep(subscription, scope, _Pause(until=until, code=error.code))

    def _take(self, scope: str) -> timedelta | None:
        """Take a token; return the time to wait if there is none."""
        bucket = self._buckets.get(scope.partition(":")[0])
        if bucket is None:
            return None
        now = self._monotonic()
        with self._lock:
            level = self._level(scope, bucket, now)
            if level < 1:
                return timedelta(seconds=(1 - level) / bucket.refill)
            self._levels[scope] = (level - 1, now)
        return None

    def _take_anyway(self, scope: str) -> None:
        """Take a token, on credit where there is none.

        The credit is one bucket: that is what other tools were left, and what is above it, Azure
        refuses by itself. So the others wait for one filling at most, however many emergencies
        came.
        """
        bucket = self._buckets.get(scope.partition(":")[0])
        if bucket is None:
            return
        now = self._monotonic()
        with self._lock:
            level = self._level(scope, bucket, now)
            self._levels[scope] = (max(level - 1, -bucket.size), now)

    def _level(self, scope: str, bucket: Bucket, now: float) -> float:
        """Say how much is in a bucket now."""
        level, at = self._levels.get(scope, (bucket.size, now))
        return min(bucket.size, level + (now - at) * bucket.refill)

    def _learn(self, subscription: str) -> None:
        """Read the pauses of other instances, at most every `_LOOK_SECONDS`."""
        with self._lock:
            if self._monotonic() - self._looked.get(subscription, float("-inf")) < _LOOK_SECONDS:
                return
            self._looked[subscription] = self._monotonic()
        try:
            claim = self._store.read_claim(_thing(subscription))
        except StoreError as error:
            _log.warning("the pauses of a subscription could not be read: %s", error)
            return
        with self._lock:
            for holder in claim.holders:
                known = self._pauses.get(holder.key)
                if known is None or known.until < holder.since:
                    code = holder.request_id.removeprefix("-")
                    self._pauses[holder.key] = _Pause(until=holder.since, code=code)

    def _keep(self, subscription: str, scope: str, pause: _Pause) -> None:
        with self._lock:
            known = self._pauses.get(scope)
            if known is not None and known.until >= pause.until - timedelta(seconds=1):
                return
            self._pauses[scope] = pause
        _log.warning("calls to %s wait until %s", scope, pause.until)
        me = Holder(key=scope, request_id=pause.code or "-", since=pause.until)
        now = self._clock()

        def step(claim: Claim) -> tuple[Claim, None]:
            if any(one.key == scope and one.since > pause.until for one in claim.holders):
                # Another instance has stored a longer pause, which the next read brings here.
                return claim, None
            others = (one for one in claim.holders if one.key != scope and one.since > now)
            return replace(claim, holders=(*others, me)), None

        try:
            claims.change(self._store, _thing(subscription), step)
        except StoreError as error:
            _log.warning("a pause could not be kept for other instances: %s", error)


def _scopes(url: str, *, writes: bool) -> list[str]:
    """Name a call's scopes: the subscription, its reads or writes, the vault, its restores."""
    match = _VAULT.search(url)
    if match is None:
        return []
    subscription = match.group(1).casefold()
    scopes = [subscription, f"{'writes' if writes else 'reads'}:{subscription}"]
    if match.group(2):
        vault = match.group(0).casefold()
        scopes.append(vault)
        if writes and url.partition("?")[0].endswith("/restore"):
            scopes.append(f"restores:{vault}")
    return scopes


def _thing(subscription: str) -> str:
    return f"throttle:{hash_key(subscription)}"


def _refusal(wait: timedelta, *, code: str = "") -> ArmAnswer:
    return ArmAnswer(
        status=429,
        code=code,
        message="not sent: Azure asked for a pause, or our share of its limits is used up",
        retry_after=max(wait, timedelta(seconds=1)),
    )
