"""A crash, and an outage of storage, at every call that leaves the app: before it and after it.

Each scenario is run once to count its calls. Then, for each call, it is run again in a new world,
killed there, started with fresh objects on the same storage, and swept until nothing stands open.
The laws must hold every time. A new external call is covered by being made.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from restore_core.alerting.plans import read_plans
from restore_core.domain.ports import Completions, Holder, Message, RestorePost, Store, Vaults
from restore_core.domain.record import hash_key
from restore_core.errors import ArmAnswer, StoreUnavailable
from restore_core.policy.guards import Guards
from restore_core.times import format_time
from tests.restore_core.given import alert_body, plans_body
from tests.simulators.store import memory_store, rows
from tests.simulators.vaults import Fate
from tests.simulators.world import (
    ACCOUNTS,
    SHAPES,
    VAULT,
    Calls,
    Crash,
    World,
    cancel,
    elsewhere,
    request,
    with_settings,
)

# The same lines thousands of times: measuring which they are would take as long as running them.
pytestmark = pytest.mark.no_cover

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


def _refused_by_a_guard(world: World) -> list[dict[str, Any] | bytes]:
    rule = {
        "name": "beside",
        "vaults": [VAULT],
        "sources": [f"{ACCOUNTS}/*/fileServices/default/shares/*"],
    }
    world.guards = Guards.model_validate({"schemaVersion": "1.0", "rules": [rule]})
    return [request("r1"), request("r2", dryRun=True)]


def _refused_by_a_check(world: World) -> list[dict[str, Any] | bytes]:
    world.vaults.soft_deleted = True
    return [request()]


def _guarded_vault(world: World) -> list[dict[str, Any] | bytes]:
    world.vaults.guard_requests = (f"{VAULT}/guards/one/restoreRequests/default",)
    return [request()]


def _day_that_passes(world: World) -> list[dict[str, Any] | bytes]:
    """What fills the allowance was started nearly a day ago."""
    world.settings = with_settings(daily_limit_per_share=1)
    store = memory_store(world.tables)
    thing = f"starts:{hash_key(f'{ACCOUNTS}/source1', 'share-r1')}"
    since = world.now - timedelta(hours=23, minutes=58)
    store.write_claim(store.read_claim(thing), [Holder(key="r0", request_id="r0", since=since)])
    return [request("r1")]


def _start_that_is_given_back(world: World) -> list[dict[str, Any] | bytes]:
    """The first restore fills the allowance of the share, and of the vault, and is refused."""
    world.settings = with_settings(
        daily_limit_per_share=1, daily_limit_per_vault=1, adoption_grace=timedelta(seconds=60)
    )
    world.vaults.fates = [Fate.LOST_REQUEST, ArmAnswer(status=400)]
    return [
        request("r1", share="one", startDeadline="PT2H"),
        request("r2", share="one", target=elsewhere()),
    ]


def _alerts(*names: str, share: str = "finance") -> Scenario:
    """Alerts for one plan, which stops after its first failure."""
    plan = {
        "name": "the-plan",
        "match": {"alertRule": "*"},
        "vaultId": VAULT,
        "source": {"storageAccountId": f"{ACCOUNTS}/source1", "fileShare": share},
        "recoveryPoint": {"maxAge": "P60D"},
        "target": elsewhere("recovered"),
        "cooldown": "PT6H",
        "breaker": {"failures": 1},
    }

    def scenario(world: World) -> list[dict[str, Any] | bytes]:
        world.plans = read_plans(json.dumps(plans_body(plan)).encode())
        world.vaults.missing_shares = {"gone"}
        fired = format_time(world.now)
        return [alert_body(alertId=name, firedDateTime=fired) for name in names]

    return scenario


def _in_an_event(_world: World) -> list[dict[str, Any] | bytes]:
    event = {
        "specversion": "1.0",
        "type": "com.contoso.restore",
        "source": "/pipelines/refresh",
        "id": "event-1",
        "time": "2026-02-05T06:00:00Z",
        "data": request("r1", requestId=None),
    }
    return [event]


def _reply_queue(world: World) -> list[dict[str, Any] | bytes]:
    share = f"{ACCOUNTS}/*/fileServices/default/shares/*"
    rule = {
        "name": "all",
        "vaults": [VAULT],
        "sources": [share],
        "originalLocation": "overwrite",
    }
    world.guards = Guards.model_validate(
        {"schemaVersion": "1.0", "rules": [rule], "replyQueues": ["replies"]}
    )
    return [request("r1", replyTo="replies"), request("r2", replyTo="not-listed")]


def _items(count: int) -> list[dict[str, str]]:
    return [{"path": f"docs/{number:03}.txt", "type": "File"} for number in range(count)]


def _two_parts(_world: World) -> list[dict[str, Any] | bytes]:
    return [request(items=_items(100), target=elsewhere())]


def _lost_answer_in_the_second_part(world: World) -> list[dict[str, Any] | bytes]:
    world.vaults.fates = [Fate.TAKEN, Fate.LOST_ANSWER]
    return [request(items=_items(100))]


def _cancel_between_parts(world: World) -> list[dict[str, Any] | bytes]:
    """The allowance of the day is used up by the first part, and the second one waits."""
    world.settings = with_settings(daily_limit_per_share=1)
    world.vaults.job_seconds = 10
    return [request(items=_items(100)), cancel()]


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
    "a guard that refuses": _refused_by_a_guard,
    "a check that refuses": _refused_by_a_check,
    "a vault behind a Resource Guard": _guarded_vault,
    "an allowance that a day gives back": _day_that_passes,
    "an allowance that a refused restore gives back": _start_that_is_given_back,
    "an alert": _alerts("a1"),
    "three alerts of a storm": _alerts("a1", "a2", "a3"),
    "two alerts of a plan that fails": _alerts("a1", "a2", share="gone"),
    "a request in an event": _in_an_event,
    "a reply queue": _reply_queue,
    "items in two parts": _two_parts,
    "a lost answer in the second part": _lost_answer_in_the_second_part,
    "a cancel between parts": _cancel_between_parts,
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
    check(plain)
    ends = {event["id"] for event in plain.events()}
    assert calls.names
    for number, call in enumerate(calls.names):
        for crash in (Calls(crash_before=number), Calls(crash_after=number)):
            when = "before" if crash.crash_after is None else "after"
            world = run(scenario, crash)
            assert len(crash.names) == number + 1, f"no crash {when} {number} {call}"
            try:
                check(world)
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
            check(world)
        except AssertionError as error:
            raise AssertionError(f"{lost} of call {number}, {call}, lost: {error}") from error
        assert _kinds(world) >= _kinds_of(ends), f"{lost} of call {number}, {call}, lost"


def check(world: World) -> None:
    """Assert the laws, and that nobody holds what it does not need, or was counted in vain."""
    world.check_laws()
    held = world.holders()
    assert "target" not in held, f"targets that are held for ever: {held}"
    for key in held.get("starts", ()):
        # Each part is a start of its own, and has the name of its request with a number.
        request_id, _, number = key.partition("~")
        part = world.record(request_id).parts[int(number or 1) - 1]
        assert part.tries, f"{key} was counted and started nothing"
    records = {record.key: record for record in world.records()}
    of_plans = {key for key, record in records.items() if record.plan is not None}
    assert len(of_plans) <= 1, "a storm became more than one request"
    assert set(held.get("cooldown", ())) <= of_plans, "alerts are folded into nothing"
    for record in records.values():
        copies = [text for text in world.queue.sent if text == record.event]
        there = [
            (name, text)
            for name, texts in world.queue.replies.items()
            for text in texts
            if text == record.event
        ]
        named = [(record.reply_queue, text) for text in copies] if record.reply_queue else []
        assert there == named, f"{record.key}: its event went elsewhere"


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
