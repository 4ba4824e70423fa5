"""A crash, and an outage of storage, at every call that leaves the app: before it and after it.

Each scenario is run once to count its calls. Then, for each call, it is run again in a new world,
killed there, started with fresh objects on the same storage, and swept until nothing stands open.
The laws must hold every time. A new external call is covered by being made.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from restore_core.errors import ArmAnswer, StoreUnavailable
from restore_core.ports import Completions, Message, RestorePost, Store, Vaults
from tests.simulators.store import rows
from tests.simulators.vaults import Fate
from tests.simulators.world import SHAPES, Calls, Crash, World, cancel, elsewhere, request

Scenario = Callable[[World], list[dict[str, Any] | bytes]]


def _shape(shape: str) -> Scenario:
    return lambda _world: [request(**SHAPES[shape])]


def _lost_answer(world: World) -> list[dict[str, Any] | bytes]:
    world.vaults.fates = [Fate.LOST_ANSWER]
    return [request()]


def _lost_request(world: World) -> list[dict[str, Any] | bytes]:
    world.vaults.fates = [Fate.LOST_REQUEST]
    return [request()]


def _not_sent(world: World) -> list[dict[str, Any] | bytes]:
    world.vaults.fates = [Fate.NOT_SENT]
    return [request()]


def _refused_token(world: World) -> list[dict[str, Any] | bytes]:
    world.vaults.fates = [ArmAnswer(status=401)]
    return [request()]


def _failed_operation(world: World) -> list[dict[str, Any] | bytes]:
    world.vaults.fates = [Fate.NO_JOB]
    return [request()]


def _cancelled(world: World) -> list[dict[str, Any] | bytes]:
    world.vaults.job_seconds = 600
    return [request(), cancel()]


def _cancelled_first(_world: World) -> list[dict[str, Any] | bytes]:
    return [cancel(), request()]


def _two_for_one_target(_world: World) -> list[dict[str, Any] | bytes]:
    return [
        request("r1", target=elsewhere()),
        request("r2", target=elsewhere(), priority="emergency"),
    ]


SCENARIOS: dict[str, Scenario] = {
    **{shape: _shape(shape) for shape in SHAPES},
    "a dry run": lambda _world: [request(dryRun=True)],
    "a rejected message": lambda _world: [b'{"hello": 1}'],
    "the same request twice": lambda _world: [request(), request()],
    "an id used again": lambda _world: [request(), request(copyOptions="Skip")],
    "a lost answer": _lost_answer,
    "a lost request": _lost_request,
    "a POST that was not sent": _not_sent,
    "a refused token": _refused_token,
    "an operation that fails": _failed_operation,
    "a cancel": _cancelled,
    "a cancel before its request": _cancelled_first,
    "two requests for one target": _two_for_one_target,
}


def run(scenario: Scenario, calls: Calls) -> World:
    """Run a scenario to its end; after a crash, start again on what is left and go on.

    Messages that were not acknowledged are delivered again, as the queue does.
    """
    random.seed(0)  # the jitter of waits: every run makes the same calls up to its crash
    world = World()
    bodies = scenario(world)
    waiting: list[Message] = [world.message(body) for body in bodies]
    world.start(calls)
    for _ in range(2):
        try:
            while waiting:
                world.app.handle(waiting[0], world.now)
                waiting.pop(0)
                world.pass_time(12)
                world.app.sweep(world.now)
            world.sweep_until_quiet()
        except Crash:
            world.start()
            world.pass_time(1)
    assert not waiting
    return world


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_any_call_breaks_no_law(name: str) -> None:
    scenario = SCENARIOS[name]
    calls = Calls()
    plain = run(scenario, calls)
    plain.check_laws()
    ends = {event["id"] for event in plain.events()}
    assert calls.names
    for number, call in enumerate(calls.names):
        for crash in (Calls(crash_before=number), Calls(crash_after=number)):
            when = "before" if crash.crash_after is None else "after"
            world = run(scenario, crash)
            assert len(crash.names) == number + 1, f"no crash {when} {number} {call}"
            try:
                world.check_laws()
            except AssertionError as error:
                raise AssertionError(f"crash {when} call {number}, {call}: {error}") from error
            assert _kinds(world) >= _kinds_of(ends), f"crash {when} call {number}, {call}"


def run_through_outage(scenario: Scenario, calls: Calls) -> World:
    """Run a scenario whose storage fails somewhere; messages come again, and so does the sweep."""
    random.seed(0)
    world = World()
    waiting = [world.message(body) for body in scenario(world)]
    world.start(calls)
    for message in waiting:
        while not world.deliver(message):
            world.pass_time(30)
        world.pass_time(12)
        with suppress(StoreUnavailable):
            world.app.sweep(world.now)
    while rows(world.tables, "openrestores"):
        with suppress(StoreUnavailable):
            world.sweep(after=15)
    return world


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("lost", ["request", "answer"])
def test_an_outage_of_storage_at_any_call_breaks_no_law(name: str, lost: str) -> None:
    scenario = SCENARIOS[name]
    calls = Calls()
    ends = {event["id"] for event in run_through_outage(scenario, calls).events()}
    for number, call in enumerate(calls.names):
        if not call.startswith(("table.", "queue.")):
            continue
        struck = Calls()

        def fail(at: int, what: str, number: int = number) -> Exception | None:
            return StoreUnavailable(what) if at == number else None

        setattr(struck, "fail" if lost == "request" else "fail_after", fail)
        world = run_through_outage(scenario, struck)
        assert len(struck.names) > number
        try:
            world.check_laws()
        except AssertionError as error:
            raise AssertionError(f"{lost} of call {number}, {call}, lost: {error}") from error
        assert _kinds(world) >= _kinds_of(ends), f"{lost} of call {number}, {call}, lost"


def _kinds(world: World) -> set[str]:
    return _kinds_of({event["id"] for event in world.events()})


def _kinds_of(ids: set[str]) -> set[str]:
    """Every message is answered, whichever way the race of a cancel goes."""
    return {event_id.partition("/")[0] for event_id in ids}


def _methods(port: type) -> set[str]:
    return {name for name, value in vars(port).items() if callable(value) and name[0] != "_"}


def test_every_external_call_that_exists_is_among_those_that_were_crashed() -> None:
    """A port's method that no scenario calls would be a call at which nobody has crashed."""
    made: set[str] = set()
    for scenario in SCENARIOS.values():
        calls = Calls()
        run(scenario, calls)
        made.update(calls.names)
    stays_inside = {"prepare_restore", "restore_url"}
    assert made == {
        *(f"table.{name}" for name in _methods(Store)),
        *(f"queue.{name}" for name in _methods(Completions)),
        *(f"arm.{name}" for name in _methods(Vaults) - stays_inside),
        *(f"arm.post.{name}" for name in _methods(RestorePost)),
    }
