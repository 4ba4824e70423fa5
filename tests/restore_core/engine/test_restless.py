"""Sweeps that never rest: a sweep that takes longer than the timer's interval is followed by the
next one at once.
"""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest

from restore_core.domain.lifecycle import Phase
from restore_core.errors import NoAnswer
from restore_core.settings import Settings
from tests.simulators.store import rows
from tests.simulators.world import SETTINGS, World, request

TICK = timedelta(seconds=15)


class Timer:
    """Sweeps when the host does: at the first tick after the last start, or at once after it."""

    def __init__(self, world: World, *, arm_seconds: float) -> None:
        self.world = world
        self.swept: list[tuple[datetime, datetime]] = []
        self.asked: list[tuple[datetime, str]] = []
        self._arm_seconds = arm_seconds
        world.calls.during = self._during

    def _during(self, _number: int, name: str) -> None:
        if name.startswith("arm."):
            self.asked.append((self.world.now, name))
            self.world.pass_time(self._arm_seconds)

    def sweep(self) -> None:
        began = self.world.now
        self.world.app.sweep(began)
        self.swept.append((began, self.world.now))
        self.world.now = max(self.world.now, began + TICK)

    def sweep_for(self, length: timedelta) -> None:
        until = self.world.now + length
        while self.world.now < until:
            self.sweep()

    @property
    def rests(self) -> int:
        """How many sweeps were not followed at once by the next one."""
        pairs = itertools.pairwise(self.swept)
        return sum(following[0] > last[1] for last, following in pairs)

    def times_of(self, name: str) -> list[datetime]:
        return [when for when, each in self.asked if each == name]


@pytest.fixture
def world() -> World:
    return World()


def settle(world: World, timer: Timer) -> None:
    for _ in range(2000):
        if not rows(world.tables, "openrestores"):
            return
        timer.sweep()
    pytest.fail("a request is left due for ever")


def test_a_slow_service_makes_sweeps_restless_and_every_request_ends_once(world: World) -> None:
    timer = Timer(world, arm_seconds=20)
    for number in range(12):
        world.send(request(f"r{number}"))

    settle(world, timer)

    assert timer.rests < len(timer.swept) / 4, "most sweeps were followed by one at once"
    assert world.vaults.posts == 12
    assert {record.phase for record in world.records()} == {Phase.COMPLETED}
    world.check_laws()


def test_a_restless_sweep_stops_when_its_time_is_up_and_the_next_goes_on(world: World) -> None:
    world.vaults.job_seconds = 24 * 3600
    timer = Timer(world, arm_seconds=1)
    for number in range(40):
        world.send(request(f"r{number}"))
    timer = Timer(world, arm_seconds=30)

    timer.sweep_for(timedelta(hours=2))

    budget = SETTINGS.sweep_budget
    longest = max(ended - began for began, ended in timer.swept)
    # What runs when the time is up is a request's own chain of calls; nothing is begun after it.
    assert longest < budget + timedelta(seconds=5 * 30)
    running = {record.phase for record in world.records()}
    assert running == {Phase.JOB_IN_PROGRESS}


def test_restless_sweeps_ask_for_jobs_no_more_often_than_the_setting_says(world: World) -> None:
    world.vaults.job_seconds = 24 * 3600
    for number in range(12):
        world.send(request(f"r{number}"))
    timer = Timer(world, arm_seconds=20)
    timer.sweep_for(timedelta(minutes=30))
    timer.asked.clear()

    timer.sweep_for(timedelta(hours=2))

    looks = timer.times_of("arm.jobs")
    assert looks, "the jobs are watched"
    apart = [after - before for before, after in itertools.pairwise(looks)]
    assert min(apart) >= SETTINGS.job_poll
    # Beside that, each request is loaded every few minutes, and its operation or job is read.
    assert len(timer.asked) - len(looks) <= 12 * 120 / 2.5


@pytest.mark.parametrize("phase", [Phase.OPERATION_PENDING, Phase.JOB_IN_PROGRESS])
def test_a_service_that_never_answers_is_asked_less_and_less(world: World, phase: Phase) -> None:
    world.vaults.job_seconds = 3 * 3600
    world.send(request())
    while world.record("r1").phase is not phase:
        world.sweep(after=15)
    timer = Timer(world, arm_seconds=0)
    world.calls.fail = lambda _number, name: _late(world, timer, name)

    timer.sweep_for(timedelta(hours=2))
    asked = len(timer.asked)
    world.calls.fail = lambda _number, _name: None
    settle(world, timer)

    # Two questions of a minute each, every five minutes or so. Without a back-off it would be one
    # question after the other, 120 in all, and the sweeps would never rest.
    assert asked < 80
    assert timer.rests > len(timer.swept) / 2
    assert world.vaults.posts == 1, "no restore was sent a second time"
    assert world.record("r1").phase is Phase.COMPLETED
    world.check_laws()


def _late(world: World, timer: Timer, name: str) -> Exception | None:
    if not name.startswith("arm."):
        return None
    timer.asked.append((world.now, name))
    world.pass_time(60)
    return NoAnswer("no answer in time")


def test_an_emergency_is_the_first_that_the_next_sweep_takes(world: World) -> None:
    settings: Settings = world.settings
    world.vaults.job_seconds = 24 * 3600
    for number in range(20):
        world.send(request(f"r{number}"))
    timer = Timer(world, arm_seconds=25)
    timer.sweep()
    world.send(request("urgent", priority="emergency"))
    arrived = world.now

    for _ in range(6):
        timer.sweep()

    record = world.record("urgent")
    assert record.phase is Phase.JOB_IN_PROGRESS
    assert record.jobs[0].start_time is not None
    assert record.jobs[0].start_time - arrived < settings.sweep_budget
