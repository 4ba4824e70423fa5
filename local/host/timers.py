"""Timer triggers: when a function runs.

Runs never overlap. The next run is due at the first tick after the *start* of the last one. If that
tick has passed when the run ends, one run follows at once for all the ticks that have passed, so a
function that takes longer than its interval runs without a pause. Ticks that were missed while no
host ran lead to one run that is past due. As on Azure, no state is kept of schedules that fire
more often than once a minute.
"""

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from local.host.schedule import Schedule
from local.host.status import Monitor, Status

logger = logging.getLogger("host.timers")


class Clock(Protocol):
    """Time, so that tests need none."""

    def now(self) -> datetime: ...

    def wait(self, seconds: float, stop: threading.Event) -> None: ...


class SystemClock:
    """The time of this machine, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, seconds: float, stop: threading.Event) -> None:
        # In slices: the wall clock may be set, and a laptop may sleep, in between.
        stop.wait(min(seconds, 5.0))


def timer_info(status: Status | None, *, past_due: bool) -> str:
    """The JSON that a timer function gets. Without a monitor there is no status."""
    return json.dumps(
        {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status and status.as_json(),
            "IsPastDue": past_due,
        }
    )


class TimerListener:
    """Runs one function on its schedule until it is stopped.

    `run` takes the JSON of the timer and returns when the function has ended, in whatever way.
    """

    def __init__(
        self,
        *,
        name: str,
        schedule: Schedule,
        run: Callable[[str], None],
        monitor: Monitor | None = None,
        run_on_startup: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._name = name
        self._schedule = schedule
        self._run = run
        self._monitor = None if schedule.is_within_a_minute else monitor
        self._run_on_startup = run_on_startup
        self._clock = clock or SystemClock()
        self._status: Status | None = None

    def listen(self, stop: threading.Event) -> None:
        """Run the function at each tick until `stop`."""
        now = self._clock.now()
        due = self._schedule.after(now)
        if due is None:
            logger.error("%s: the schedule never fires", self._name)
            return
        past_due = self._take_up(now, due)
        if past_due or self._run_on_startup:
            due = self._fire(past_due=past_due)
        while due is not None and not stop.is_set():
            ahead = (due - self._clock.now()).total_seconds()
            if ahead > 0:
                self._clock.wait(ahead, stop)
                continue
            due = self._fire(past_due=False)

    def _take_up(self, now: datetime, due: datetime) -> bool:
        """Read what the last process left; whether a tick was missed since."""
        if self._monitor is None:
            return False
        stored = self._monitor.read()
        if stored is not None:
            expected = self._schedule.after(stored.last or stored.updated)
            if expected == stored.next:
                self._status = stored
                return now > stored.next
        # Never run before, or on another schedule, whose ticks are not owed. The last run was on
        # that other schedule: from now on ticks count from this moment.
        self._remember(Status(last=None, next=due, updated=now))
        return False

    def _fire(self, *, past_due: bool) -> datetime | None:
        """Run the function once; when it is due again."""
        started = self._clock.now()
        self._run(timer_info(self._status, past_due=past_due))
        following = self._schedule.after(started)
        if following is not None:
            self._remember(Status(last=started, next=following, updated=started))
        return following

    def _remember(self, status: Status) -> None:
        if self._monitor is not None:
            self._monitor.write(status)
            self._status = status
