"""Timer triggers: when a function runs, and what is remembered between two processes.

Runs never overlap: ticks that pass while the function runs are skipped. A tick that was missed
while no host ran is made up for by one run that is past due. Schedules that fire within a minute
are not remembered, as on Azure.
"""

import contextlib
import fcntl
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from local.host.schedule import Schedule

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


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is remembered of a schedule. `last` is None before the first run."""

    last: datetime | None
    next: datetime
    updated: datetime


class Monitor:
    """Keeps the status of one timer in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Status | None:
        """What was written last; a file that cannot be read counts as none."""
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            return Status(
                last=datetime.fromisoformat(stored["last"]) if stored["last"] else None,
                next=datetime.fromisoformat(stored["next"]),
                updated=datetime.fromisoformat(stored["updated"]),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            logger.warning("%s cannot be read: starting afresh", self._path)
            return None

    def write(self, status: Status) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.write_text(
            json.dumps(
                {
                    "last": status.last.isoformat() if status.last else None,
                    "next": status.next.isoformat(),
                    "updated": status.updated.isoformat(),
                }
            ),
            encoding="utf-8",
        )
        draft.replace(self._path)


def timer_info(status: Status | None, *, past_due: bool) -> str:
    """The JSON that a timer function gets. Without a monitor there is no status."""
    never = datetime.min.replace(tzinfo=UTC)
    return json.dumps(
        {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status
            and {
                "Last": (status.last or never).isoformat(),
                "Next": status.next.isoformat(),
                "LastUpdated": status.updated.isoformat(),
            },
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
            self._fire(past_due=past_due)
            due = self._schedule.after(self._clock.now())
        while due is not None and not stop.is_set():
            ahead = (due - self._clock.now()).total_seconds()
            if ahead > 0:
                self._clock.wait(ahead, stop)
                continue
            self._fire(past_due=False)
            due = self._schedule.after(max(due, self._clock.now()))

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
        # Never run before, or on another schedule: its ticks are not owed.
        last = stored.last if stored else None
        self._remember(Status(last=last, next=due, updated=now))
        return False

    def _fire(self, *, past_due: bool) -> None:
        started = self._clock.now()
        self._run(timer_info(self._status, past_due=past_due))
        following = self._schedule.after(started)
        if following is not None:
            now = self._clock.now()
            self._remember(Status(last=started, next=following, updated=now))

    def _remember(self, status: Status) -> None:
        if self._monitor is not None:
            self._monitor.write(status)
            self._status = status


@contextlib.contextmanager
def sole_listener(folder: Path, stop: threading.Event) -> Iterator[bool]:
    """Hold the right to run the app's timers; another host waits here until this one ends.

    On Azure a blob lease does this. The kernel gives a file lock back the moment its holder dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "timers.lock").open("w") as lock:
        while not stop.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stop.wait(0.2)
                continue
            yield True
            return
    yield False
