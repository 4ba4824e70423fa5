import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.host.schedule import Schedule
from local.host.timers import Monitor, Status, TimerListener, sole_listener
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


def test_ticks_that_pass_while_the_function_runs_are_skipped() -> None:
    runs = Runs(
        "*/15 * * * * *", count=3, clock=FakeClock(), takes=lambda n: 40.0 if n == 1 else 0.0
    )

    assert runs.at == ["12:00:15", "12:01:00", "12:01:15"]
    assert runs.past_due == [False, False, False]


def test_a_tick_that_was_missed_is_made_up_for_once(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "tick.json")
    Runs("0 */5 * * * *", count=1, clock=FakeClock(), monitor=monitor)

    later = FakeClock(NOON + timedelta(minutes=27))
    runs = Runs("0 */5 * * * *", count=2, clock=later, monitor=monitor)

    assert runs.at == ["12:27:00", "12:30:00"]
    assert runs.past_due == [True, False]
    assert runs.infos[0]["ScheduleStatus"]["Last"] == "2026-01-01T12:05:00+00:00"
    assert runs.infos[1]["ScheduleStatus"]["Last"] == "2026-01-01T12:27:00+00:00"


def test_a_tick_missed_before_the_first_run_is_made_up_for_too(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "tick.json")
    monitor.write(Status(last=None, next=NOON + timedelta(minutes=5), updated=NOON))

    later = FakeClock(NOON + timedelta(minutes=7))
    runs = Runs("0 */5 * * * *", count=1, clock=later, monitor=monitor)

    assert runs.at == ["12:07:00"]
    assert runs.past_due == [True]


def test_a_restart_between_two_ticks_owes_nothing(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "tick.json")
    Runs("0 */5 * * * *", count=1, clock=FakeClock(), monitor=monitor)

    soon = FakeClock(NOON + timedelta(minutes=6))
    runs = Runs("0 */5 * * * *", count=1, clock=soon, monitor=monitor)

    assert runs.at == ["12:10:00"]
    assert runs.past_due == [False]


def test_a_changed_schedule_owes_no_ticks(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "tick.json")
    Runs("0 */5 * * * *", count=1, clock=FakeClock(), monitor=monitor)

    later = FakeClock(NOON + timedelta(minutes=27))
    runs = Runs("0 */20 * * * *", count=1, clock=later, monitor=monitor)

    assert runs.at == ["12:40:00"]
    assert runs.past_due == [False]


def test_a_schedule_within_a_minute_is_not_remembered(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "tick.json")
    Runs("*/15 * * * * *", count=1, clock=FakeClock(), monitor=monitor)

    assert monitor.read() is None


def test_a_memory_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "tick.json"
    path.write_text("{}")

    assert Monitor(path).read() is None


def test_run_on_startup_runs_at_once_and_is_not_past_due() -> None:
    runs = Runs("0 0 * * * *", count=2, clock=FakeClock(), run_on_startup=True)

    assert runs.at == ["12:00:00", "13:00:00"]
    assert runs.past_due == [False, False]


def test_a_schedule_that_never_fires_ends_the_listener() -> None:
    assert Runs("0 0 0 31 2 *", count=1, clock=FakeClock()).at == []


def test_only_one_listener_holds_the_timers(tmp_path: Path) -> None:
    stop = threading.Event()
    with sole_listener(tmp_path, stop) as first:
        assert first
        stop.set()
        with sole_listener(tmp_path, stop) as second:
            assert not second
    with sole_listener(tmp_path, threading.Event()) as third:
        assert third


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

    first, _, third = (entry["at"] for entry in hosts.recorded()[:3])
    # A late run is followed by one that is in time: only over two ticks is a whole second certain.
    assert third - first > 0.9
    assert hosts.recorded()[0]["past_due"] is False
    assert host.logged("ERROR tick")


def test_a_host_makes_up_for_a_tick_that_it_missed(hosts: Hosts, tmp_path: Path) -> None:
    hosts.write(TICKING)
    now = datetime.now(UTC).replace(microsecond=0)
    schedule = Schedule.parse("0 0 * * * *")
    last = now - timedelta(hours=3)
    missed = schedule.after(last)
    assert missed is not None
    Monitor(tmp_path / "state" / "tick.json").write(Status(last=last, next=missed, updated=last))

    hosts.start("--state", str(tmp_path / "state"), WHEN="0 0 * * * *")
    eventually(hosts.recorded)

    assert hosts.recorded()[0]["past_due"] is True


def test_a_schedule_that_is_none_is_refused(hosts: Hosts) -> None:
    hosts.write(TICKING)

    assert "tick: 'hourly' is no NCRONTAB expression" in hosts.refusal(WHEN="hourly")


def test_a_run_that_the_end_of_the_host_waited_for_is_remembered(
    hosts: Hosts, tmp_path: Path
) -> None:
    hosts.write(
        """
@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def slow(timer: func.TimerRequest) -> None:
    record(ran=True)
    time.sleep(0.7)
"""
    )
    host = hosts.start("--state", str(tmp_path / "state"))
    eventually(hosts.recorded)

    assert host.terminate() == 0

    status = Monitor(tmp_path / "state" / "slow.json").read()
    assert status is not None
    assert status.last is not None
