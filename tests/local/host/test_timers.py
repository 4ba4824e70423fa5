import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from local.host.schedule import Schedule
from local.host.status import Monitor, Status
from local.host.timers import TimerListener
from tests.local.host.running import Hosts, eventually

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


class FakeClock:
    """Time passes only in waits and where a function says so."""

    def __init__(self, now: datetime = NOON) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def wait(self, seconds: float, stop: threading.Event) -> None:
        self.time += timedelta(seconds=seconds)


class Memory:
    """Keeps a status as a blob would."""

    def __init__(self) -> None:
        self.status: Status | None = None

    def read(self) -> Status | None:
        return self.status

    def write(self, status: Status) -> None:
        self.status = status


class Runs:
    """What a timer function would see, for a number of runs; then the listener is stopped."""

    def __init__(
        self,
        text: str,
        *,
        count: int,
        clock: FakeClock,
        monitor: Monitor | None = None,
        takes: Callable[[int], float] = lambda _: 0.0,
        run_on_startup: bool = False,
    ) -> None:
        self.at: list[str] = []
        self.infos: list[dict[str, Any]] = []
        self._count = count
        self._clock = clock
        self._takes = takes
        self._stop = threading.Event()
        TimerListener(
            name="tick",
            schedule=Schedule.parse(text),
            run=self._run,
            monitor=monitor,
            run_on_startup=run_on_startup,
            clock=clock,
        ).listen(self._stop)

    def _run(self, info: str) -> None:
        self.at.append(f"{self._clock.time:%H:%M:%S}")
        self.infos.append(json.loads(info))
        self._clock.time += timedelta(seconds=self._takes(len(self.at)))
        if len(self.at) == self._count:
            self._stop.set()

    @property
    def past_due(self) -> list[bool]:
        return [info["IsPastDue"] for info in self.infos]


def test_a_timer_runs_at_each_tick() -> None:
    runs = Runs("*/15 * * * * *", count=3, clock=FakeClock())

    assert runs.at == ["12:00:15", "12:00:30", "12:00:45"]
    assert runs.past_due == [False, False, False]
    assert runs.infos[0] == {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": None,
        "IsPastDue": False,
    }


def test_a_run_longer_than_its_interval_is_followed_at_once() -> None:
    takes = [40.0, 20.0, 14.0, 0.0, 0.0]
    runs = Runs(
        "*/15 * * * * *", count=5, clock=FakeClock(), takes=lambda number: takes[number - 1]
    )

    # The tick after each start: 30 and 60 have passed by the end, and 75 has not.
    assert runs.at == ["12:00:15", "12:00:55", "12:01:15", "12:01:30", "12:01:45"]
    assert runs.past_due == [False] * 5


def test_a_timer_that_never_rests_runs_back_to_back() -> None:
    runs = Runs("*/5 * * * * *", count=4, clock=FakeClock(), takes=lambda _: 7.0)

    assert runs.at == ["12:00:05", "12:00:12", "12:00:19", "12:00:26"]
    assert runs.past_due == [False] * 4


def test_runs_back_to_back_are_remembered_by_their_start() -> None:
    memory = Memory()
    runs = Runs("0 * * * * *", count=2, clock=FakeClock(), monitor=memory, takes=lambda _: 70.0)

    assert runs.at == ["12:01:00", "12:02:10"]
    assert memory.status == Status(
        last=NOON + timedelta(seconds=130),
        next=NOON + timedelta(minutes=3),
        updated=NOON + timedelta(seconds=130),
    )


def test_a_tick_that_was_missed_is_made_up_for_once() -> None:
    monitor = Memory()
    Runs("0 */5 * * * *", count=1, clock=FakeClock(), monitor=monitor)

    later = FakeClock(NOON + timedelta(minutes=27))
    runs = Runs("0 */5 * * * *", count=2, clock=later, monitor=monitor)

    assert runs.at == ["12:27:00", "12:30:00"]
    assert runs.past_due == [True, False]
    assert runs.infos[0]["ScheduleStatus"]["Last"] == "2026-01-01T12:05:00+00:00"
    assert runs.infos[1]["ScheduleStatus"]["Last"] == "2026-01-01T12:27:00+00:00"


def test_a_tick_missed_before_the_first_run_is_made_up_for_too() -> None:
    monitor = Memory()
    monitor.write(Status(last=None, next=NOON + timedelta(minutes=5), updated=NOON))

    later = FakeClock(NOON + timedelta(minutes=7))
    runs = Runs("0 */5 * * * *", count=1, clock=later, monitor=monitor)

    assert runs.at == ["12:07:00"]
    assert runs.past_due == [True]


def test_a_restart_between_two_ticks_owes_nothing() -> None:
    monitor = Memory()
    Runs("0 */5 * * * *", count=1, clock=FakeClock(), monitor=monitor)

    soon = FakeClock(NOON + timedelta(minutes=6))
    runs = Runs("0 */5 * * * *", count=1, clock=soon, monitor=monitor)

    assert runs.at == ["12:10:00"]
    assert runs.past_due == [False]


def test_a_changed_schedule_owes_no_ticks() -> None:
    monitor = Memory()
    Runs("0 */5 * * * *", count=1, clock=FakeClock(), monitor=monitor)

    later = FakeClock(NOON + timedelta(minutes=27))
    runs = Runs("0 */20 * * * *", count=1, clock=later, monitor=monitor)

    assert runs.at == ["12:40:00"]
    assert runs.past_due == [False]


def test_a_tick_missed_after_the_schedule_changed_is_made_up_for() -> None:
    memory = Memory()
    Runs("0 */5 * * * *", count=1, clock=FakeClock(), monitor=memory)
    stopped = threading.Event()
    stopped.set()
    changed = FakeClock(NOON + timedelta(minutes=6))
    TimerListener(
        name="tick",
        schedule=Schedule.parse("0 */20 * * * *"),
        run=lambda _: None,
        monitor=memory,
        clock=changed,
    ).listen(stopped)
    assert memory.status == Status(
        last=None, next=NOON + timedelta(minutes=20), updated=changed.time
    )

    later = FakeClock(NOON + timedelta(minutes=27))
    runs = Runs("0 */20 * * * *", count=2, clock=later, monitor=memory)

    assert runs.at == ["12:27:00", "12:40:00"]
    assert runs.past_due == [True, False]


def test_a_schedule_within_a_minute_is_not_remembered() -> None:
    memory = Memory()
    Runs("*/15 * * * * *", count=1, clock=FakeClock(), monitor=memory)

    assert memory.status is None


def test_run_on_startup_runs_at_once_and_is_not_past_due() -> None:
    runs = Runs("0 0 * * * *", count=2, clock=FakeClock(), run_on_startup=True)

    assert runs.at == ["12:00:00", "13:00:00"]
    assert runs.past_due == [False, False]


def test_a_schedule_that_never_fires_ends_the_listener() -> None:
    assert Runs("0 0 0 31 2 *", count=1, clock=FakeClock()).at == []


TICKING = """
@app.timer_trigger(arg_name="timer", schedule="%WHEN%")
def tick(timer: func.TimerRequest) -> None:
    record(past_due=timer.past_due, schedule=timer.schedule)
    raise ValueError("every time")
"""


def test_a_timer_function_runs_on_its_schedule_whatever_its_outcome(hosts: Hosts) -> None:
    hosts.write(TICKING)
    host = hosts.start(WHEN="* * * * * *")

    eventually(lambda: len(hosts.recorded()) >= 3)

    first, second, third = (entry["at"] for entry in hosts.recorded()[:3])
    assert second - first > 0.5
    assert third - second > 0.5
    assert hosts.recorded()[0]["past_due"] is False
    assert host.logged("ERROR tick")


def test_a_schedule_that_is_none_is_refused(hosts: Hosts) -> None:
    hosts.write(TICKING)

    assert "tick: 'hourly' is no NCRONTAB expression" in hosts.refusal(WHEN="hourly")


def test_a_host_does_not_rest_while_a_function_takes_too_long(hosts: Hosts) -> None:
    hosts.write(
        """
@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def slow(timer: func.TimerRequest) -> None:
    record(began=time.time(), past_due=timer.past_due)
    time.sleep(1.3)
    record(ended=time.time())
"""
    )
    hosts.start()

    eventually(lambda: len(hosts.recorded()) >= 7)

    entries = hosts.recorded()[:7]
    pauses = [entries[i + 1]["began"] - entries[i]["ended"] for i in (1, 3, 5)]
    # A host that waited for the next tick would rest for 0.7 s of every run.
    assert min(pauses) < 0.5
    assert not any(entry["past_due"] for entry in entries[::2])
