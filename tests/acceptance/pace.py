"""Time of a run: what it may still use, and every wait.

All waits of a run go through `Pace`, so that none can outlast the deadline: work ends early enough
that what was made can be taken away in the time that is kept for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

Seen = TypeVar("Seen")


class OutOfTimeError(RuntimeError):
    """The run's time, or a wait's own, is used up; the text says what was waited for."""


class Clock(Protocol):
    """The time of day and how to let some of it pass."""

    def now(self) -> datetime:
        """The time, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """This machine's clock. `speed` makes waits shorter, for a service that is faster, too."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds / self._speed)


@dataclass(kw_only=True)
class Pace:
    """The time that a run has: `work` seconds for everything up to the teardown, `total` in all."""

    clock: Clock
    work: float
    total: float

    def __post_init__(self) -> None:
        self.begun = self.clock.now()
        self._limit = self.work

    @property
    def spent(self) -> float:
        """Seconds since the run began."""
        return (self.clock.now() - self.begun).total_seconds()

    @property
    def left(self) -> float:
        """Seconds that the present part of the run may still take."""
        return self._limit - self.spent

    def begin_teardown(self) -> None:
        """From here on the time that was kept counts as well."""
        self._limit = self.total

    def sleep(self, seconds: float, what: str) -> None:
        """Wait, unless the time is used up."""
        if self.left <= 0:
            raise OutOfTimeError(f"the run's time is used up, waiting for {what}")
        self.clock.sleep(min(seconds, max(self.left, 0.0)))

    def wait_for(
        self, look: Callable[[], Seen | None], *, what: str, seconds: float, every: float = 10.0
    ) -> Seen:
        """Look until there is something to see, for at most so many seconds."""
        begun = self.spent
        while (seen := look()) is None:
            if self.spent - begun >= seconds:
                raise OutOfTimeError(f"not within {seconds:g} s: {what}")
            self.sleep(every, what)
        return seen
