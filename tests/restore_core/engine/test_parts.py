"""Requests of more than 99 items: part after part, under one request and one claim, and one end."""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import chain, pairwise
from typing import Any

import pytest

from restore_core.domain.lifecycle import Event, Phase
from restore_core.domain.ports import Cancel
from restore_core.domain.record import End, FollowedJob, Part, RestoreRecord
from restore_core.domain.vault import JobEnd, ServiceError, Tally
from restore_core.engine.finish import merged, restored_something
from restore_core.errors import ArmAnswer, ArmError, FileInvalid, NotSent, Problem
from restore_core.policy.guards import Guards
from restore_core.policy.patterns import SHARE
from restore_core.vocabulary import Reason
from tests.simulators.store import MAX_ENTITY_BYTES, memory_store, rows
from tests.simulators.vaults import Fate
from tests.simulators.world import (
    ACCOUNTS,
    VAULT,
    Calls,
    Crash,
    World,
    cancel,
    elsewhere,
    request,
    with_settings,
)

Json = dict[str, Any]
HOUR = 3600.0
UNREADABLE = FileInvalid([Problem(path="$", message="cannot be read")])
NO = ArmAnswer(status=400, code="BMSUserErrorInvalidInput", message="no")


@pytest.fixture
def world() -> World:
    return World()


def items(count: int) -> list[Json]:
    kinds = ("File", "File", "Directory")
    # Not in the order of the alphabet: what a sender chose is kept.
    return [
        {"path": f"docs/{(number * 7) % 1000:04}.txt", "type": kinds[number % 3]}
        for number in range(count)
    ]


def large(count: int = 198, name: str = "r1", **fields: Any) -> Json:
    return request(name, items=items(count), **fields)


def bodies(world: World) -> list[Json]:
    """What was sent, in its order."""
    return [json.loads(body) for _, body in world.vaults.sent]


def specs(body: Json) -> list[Json]:
    each: list[Json] = body["properties"]["restoreFileSpecs"]
    return each


def ended(world: World, name: str = "r1", *, step: float = 15) -> tuple[str, str]:
    """Sweep to the end; the phase and the reason."""
    world.sweep_until_quiet(step=step)
    world.check_laws()
    end = world.end_of(name)
    return end["phase"], end["reason"]


def sweep_until(world: World, reached: Callable[[RestoreRecord], bool]) -> None:
    for _ in range(500):
        if reached(world.record("r1")):
            return
        world.sweep(after=5)
    raise AssertionError("it never comes to that")


def is_running(part: int) -> Callable[[RestoreRecord], bool]:
    """Tell whether the job of a part, counted from 0, is followed."""
    return lambda record: record.part_index == part and record.phase is Phase.JOB_IN_PROGRESS


def between_parts(world: World, act: Callable[[], object]) -> None:
    """Let something happen once, just after a part has ended and before the next one begins."""
    left = [act]

    def during(_number: int, name: str) -> None:
        there = name == "table.put_open" and left and rows(world.tables, "restores")
        if there and world.record("r1").is_between_parts:
            left.pop()()

    world.calls.during = during


def guards(**fields: Any) -> Guards:
    shares = f"{ACCOUNTS}/*/fileServices/default/shares/*"
    rule = {
        "name": "the-rule",
        "vaults": [VAULT],
        "sources": [shares],
        "targets": [SHARE.format("*", "*", "*", "*")],
        "originalLocation": "overwrite",
        **fields,
    }
    return Guards.model_validate({"schemaVersion": "1.0", "rules": [rule]})


FORBIDDING = guards(originalLocation="refuse", targets=[])


# How items are divided.


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (1, [1]),
        (99, [99]),
        (100, [99, 1]),
        (198, [99, 99]),
        (199, [99, 99, 1]),
        (990, [99] * 10),
    ],
)
def test_items_go_in_parts_of_99_in_the_order_of_the_request(
    world: World, count: int, sizes: list[int]
) -> None:
    world.send(large(count, target=elsewhere(folder="back"), copyOptions=None))
    assert ended(world) == ("Completed", "JobCompleted")
    sent = bodies(world)
    assert [len(specs(body)) for body in sent] == sizes
    assert [
        {"path": one["path"], "type": one["fileSpecType"]}
        for one in chain.from_iterable(map(specs, sent))
    ] == items(count)
    assert {one["targetFolderPath"] for body in sent for one in specs(body)} == {"back"}
    for body in sent:
        body["properties"].pop("restoreFileSpecs")
    assert all(body == sent[0] for body in sent), "parts differ in nothing but their items"
    assert len({url for url, _ in world.vaults.sent}) == 1


def test_a_full_share_and_few_items_are_one_part(world: World) -> None:
    world.send(request("r1"))
    world.send(large(99, "r2"))
    world.sweep_until_quiet()
    assert [len(record.parts) for record in world.records()] == [1, 1]
    assert world.end_of("r2")["message"] == "The restore completed."


def test_more_items_than_ten_parts_hold_are_no_request(world: World) -> None:
    world.send(large(991))
    (event,) = world.events()
    assert event["data"]["reason"] == "Invalid"
    assert "990" in json.dumps(event["data"]["problems"])


def test_parts_run_one_after_the_other_and_their_ends_are_merged(world: World) -> None:
    world.send(large(199))
    assert ended(world) == ("Completed", "JobCompleted")
    end = world.end_of("r1")
    jobs = sorted(world.vaults.jobs_by_id.values(), key=lambda job: job.started)
    assert all(one.ends <= then.started for one, then in pairwise(jobs))
    assert end["jobIds"] == [job.id for job in jobs]
    assert end["counts"] == {"files": {"restored": 21, "skipped": 0, "failed": 0}}
    assert (end["dataTransferredMB"], end["itemCount"], end["attempts"]) == (3, 199, 3)
    assert end["triggeredAt"] == "2026-02-05T07:00:00Z"
    assert end["message"] == "All 3 parts completed."
    assert len(world.queue.sent) == 1


def test_the_body_that_is_stored_with_the_intent_is_what_is_sent(world: World) -> None:
    stored: list[str | None] = []

    def note(_number: int, name: str) -> None:
        if name == "arm.post.send":
            record = world.record("r1")
            assert record.phase is Phase.TRIGGERING
            stored.append(record.part.body)

    world.calls.during = note
    world.send(large(199))
    world.sweep_until_quiet()
    assert stored == [body for _, body in world.vaults.sent]
    assert len(stored) == 3


def test_a_dry_run_shows_every_body_as_the_real_run_sends_it(world: World) -> None:
    world.send(large(199, dryRun=True))
    assert world.vaults.posts == 0
    plan = world.end_of("r1")["plan"]
    world.queue.sent.clear()
    world.send(large(199))
    world.sweep_until_quiet()
    assert plan["bodies"] == bodies(world)
    assert plan["body"] == plan["bodies"][0]


def test_a_dry_run_of_one_part_shows_one_body(world: World) -> None:
    world.send(large(99, dryRun=True))
    assert "bodies" not in world.end_of("r1")["plan"]


def test_a_plan_that_is_too_long_for_an_event_is_cut_and_says_so(world: World) -> None:
    world.send(large(990, dryRun=True))
    (text,) = world.queue.sent
    assert len(text) <= 48 * 1024
    plan = world.end_of("r1")["plan"]
    assert len(plan["bodies"]) == 10
    assert "(cut)" in json.dumps(plan["bodies"][-1])


# How ends add up.


def test_when_every_part_fails_and_nothing_was_restored_the_request_failed(world: World) -> None:
    world.vaults.next_end = JobEnd.FAILED
    world.send(large())
    assert ended(world) == ("Failed", "JobFailed")
    end = world.end_of("r1")
    assert world.vaults.posts == 2, "all parts are tried"
    assert end["error"]["class"] == "Retryable"
    assert "Part 1 of 2: The restore failed." in end["message"]
    assert "Part 2 of 2: The restore failed." in end["message"]


@pytest.mark.parametrize(
    "ends",
    [
        (JobEnd.COMPLETED, JobEnd.FAILED),
        (JobEnd.FAILED, JobEnd.COMPLETED),
        (JobEnd.COMPLETED, JobEnd.COMPLETED_WITH_WARNINGS),
        (JobEnd.COMPLETED_WITH_WARNINGS, JobEnd.COMPLETED_WITH_WARNINGS),
        (JobEnd.COMPLETED_WITH_WARNINGS, JobEnd.FAILED),
    ],
)
def test_when_parts_end_differently_it_is_no_success_and_each_part_is_told(
    world: World, ends: tuple[JobEnd, JobEnd]
) -> None:
    world.vaults.ends = list(ends)
    world.send(large())
    assert ended(world) == ("CompletedWithWarnings", "JobCompletedWithWarnings")
    end = world.end_of("r1")
    words = {
        JobEnd.COMPLETED: "The restore completed.",
        JobEnd.FAILED: "The restore failed.",
        JobEnd.COMPLETED_WITH_WARNINGS: "The restore completed in part",
    }
    for number, one in enumerate(ends, 1):
        assert f"Part {number} of 2: {words[one]}" in end["message"]
    bad = ", ".join(str(at) for at, one in enumerate(ends, 1) if one is not JobEnd.COMPLETED)
    assert end["recommendation"].endswith(f"not restored as a whole: {bad}.")
    assert end["error"]["code"] == "1073871825"


def test_a_failed_job_that_restored_some_files_has_restored_something(world: World) -> None:
    world.vaults.next_end, world.vaults.restored_by_failed = JobEnd.FAILED, 3
    world.send(large())
    assert ended(world) == ("CompletedWithWarnings", "JobCompletedWithWarnings")
    assert world.end_of("r1")["counts"]["files"]["restored"] == 6


@pytest.mark.parametrize(
    ("job", "restored"),
    [
        (FollowedJob(id="1", end=JobEnd.COMPLETED), True),
        (FollowedJob(id="1", end=JobEnd.COMPLETED_WITH_WARNINGS), True),
        (FollowedJob(id="1", end=JobEnd.FAILED), False),
        (FollowedJob(id="1", end=JobEnd.CANCELLED), False),
        (FollowedJob(id="1", end=JobEnd.FAILED, files=Tally(restored=0)), False),
        (FollowedJob(id="1", end=JobEnd.FAILED, files=Tally(restored=1)), True),
        (FollowedJob(id="1", end=JobEnd.FAILED, directories=Tally(restored=1)), True),
    ],
)
def test_a_part_restored_something_when_its_job_completed_or_counted_something(
    job: FollowedJob, restored: bool
) -> None:
    assert restored_something(Part(jobs=(job,))) is restored
    assert not restored_something(Part())


def test_two_jobs_of_a_part_are_told_though_all_completed() -> None:
    fine = End(event=Event.JOB_COMPLETED, reason=Reason.JOB_COMPLETED, message="Fine.")
    twice = replace(fine, reason=Reason.DUPLICATE_JOBS, message="2 jobs ran (a, b).")
    end = merged([Part(end=fine), Part(end=twice)])
    assert (end.event, end.reason) == (Event.PARTS_COMPLETED, Reason.DUPLICATE_JOBS)
    assert "Part 2 of 2: 2 jobs ran (a, b)." in end.message


@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_azure_refuses_at_one_part_does_not_keep_the_others(world: World, at: int) -> None:
    world.vaults.fates = [NO if part == at else Fate.TAKEN for part in range(3)]
    world.send(large(199))
    assert ended(world) == ("CompletedWithWarnings", "JobCompletedWithWarnings")
    assert world.vaults.posts == 3
    end = world.end_of("r1")
    assert f"Part {at + 1} of 3: Azure Backup refused the restore" in end["message"]
    assert end["error"]["code"] == "BMSUserErrorInvalidInput"
    counted = [name for number, name in enumerate(("r1", "r1~2", "r1~3")) if number != at]
    assert world.holders() == {"starts": counted}, "what was not started is not counted"


def test_what_azure_refuses_at_every_part_failed_and_nothing_is_counted(world: World) -> None:
    world.vaults.fates = [NO] * 3
    world.send(large(199))
    assert ended(world) == ("Failed", "TriggerRefused")
    end = world.end_of("r1")
    assert (end["restoreStarted"], world.vaults.posts) == ("no", 3)
    assert world.holders() == {}


def test_an_operation_that_fails_is_the_end_of_its_part_alone(world: World) -> None:
    world.vaults.fates = [Fate.NO_JOB]
    world.send(large())
    assert ended(world) == ("CompletedWithWarnings", "JobCompletedWithWarnings")
    assert (
        "Part 1 of 2: Azure Backup took the request and then failed it"
        in (world.end_of("r1")["message"])
    )


def test_a_missing_share_ends_all_of_it_before_any_part(world: World) -> None:
    world.vaults.missing_shares = {"share-r1"}
    world.send(large())
    assert ended(world) == ("Failed", "SourceNotFound")
    assert "Part" not in world.end_of("r1")["message"]


# Cancels.


def test_a_cancel_while_a_part_runs_stops_it_and_the_parts_that_are_left(world: World) -> None:
    world.vaults.job_seconds = 60
    world.send(large(297))
    sweep_until(world, is_running(1))
    world.send(cancel())
    assert ended(world) == ("Cancelled", "JobCancelled")
    end = world.end_of("r1")
    assert world.vaults.posts == 2
    assert end["restoreStarted"] == "yes"
    assert end["counts"]["files"]["restored"] == 7, "what came before stays, and is counted"
    assert "Part 1 of 3: The restore completed." in end["message"]
    assert "Part 2 of 3: The restore was cancelled." in end["message"]
    assert end["message"].endswith("1 of 3 parts were not begun.")


def test_a_cancel_between_parts_sends_no_other(world: World) -> None:
    between_parts(world, lambda: world.send(cancel(reason="enough")))
    world.send(large())
    assert ended(world) == ("Cancelled", "CancelledByRequest")
    end = world.end_of("r1")
    assert (world.vaults.posts, end["restoreStarted"]) == (1, "yes")
    assert end["counts"]["files"]["restored"] == 7
    assert "enough" in end["message"]
    assert world.holders() == {"starts": ["r1"]}


def test_a_cancel_that_comes_too_late_for_the_last_part_changes_nothing(world: World) -> None:
    world.send(large())
    sweep_until(world, is_running(1))
    world.pass_time(60)
    world.send(cancel())
    assert ended(world) == ("Completed", "JobCompleted")


def test_a_cancel_that_azure_does_not_take_still_stops_the_parts_that_are_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: Any) -> None:
        raise ArmAnswer(status=400, code="BMSUserErrorJobNotCancellable")

    monkeypatch.setattr(world.vaults, "cancel", refuse)
    world.vaults.job_seconds = 60
    world.send(large())
    sweep_until(world, is_running(0))
    world.send(cancel())
    assert ended(world) == ("Cancelled", "CancelledByRequest")
    assert world.vaults.posts == 1
    assert "Part 1 of 2: The restore completed." in world.end_of("r1")["message"]


def test_a_cancel_before_the_first_part_ends_the_request_as_a_whole() -> None:
    world = World(with_settings(paused=True))
    world.send(large())
    world.send(cancel())
    assert ended(world) == ("Cancelled", "CancelledByRequest")
    end = world.end_of("r1")
    assert (world.vaults.posts, end["restoreStarted"]) == (0, "no")
    assert "Part" not in end["message"]


@pytest.mark.parametrize("part", [0, 1])
def test_a_job_that_is_cancelled_in_the_portal_stops_the_parts_that_are_left(
    world: World, part: int
) -> None:
    world.vaults.job_seconds = 60
    world.send(large(199))
    sweep_until(world, is_running(part))
    (job,) = world.vaults.running()
    world.vaults.cancel(job.item.vault, job.id)
    assert ended(world) == ("Cancelled", "JobCancelled")
    assert world.vaults.posts == part + 1


# What nobody can know.


def test_a_part_whose_outcome_stays_unknown_ends_the_request_at_once(world: World) -> None:
    world.vaults.fates = [Fate.TAKEN, *[Fate.LOST_REQUEST] * 3]
    world.send(large(199))
    assert ended(world) == ("Indeterminate", "TriggerOutcomeUnknown")
    end = world.end_of("r1")
    assert world.vaults.posts == 4, "the third part is not sent"
    assert end["restoreStarted"] == "yes"
    assert len(end["jobIds"]) == 1
    lost = world.record("r1").parts[1].tries
    assert all(one.client_request_id in end["message"] for one in lost)


def test_a_part_whose_job_never_ends_is_given_up_at_its_own_tracking_limit(world: World) -> None:
    world.vaults.job_seconds = 150 * HOUR
    world.send(large())
    sweep_until_late(world)
    world.vaults.jobs_by_id[world.record("r1").jobs[-1].id].ends += timedelta(days=99)
    assert ended(world, step=600) == ("Indeterminate", "TrackingLimitReached")
    end = world.end_of("r1")
    assert world.vaults.posts == 2
    assert 341 * HOUR < end["recoveryTimeSeconds"] < 344 * HOUR


def sweep_until_late(world: World) -> None:
    for _ in range(2000):
        if is_running(1)(world.record("r1")):
            return
        world.sweep(after=600)
    raise AssertionError("the second part never runs")


def test_a_lost_answer_of_a_later_part_is_adopted(world: World) -> None:
    world.vaults.fates = [Fate.TAKEN, Fate.LOST_ANSWER]
    world.send(large())
    assert ended(world) == ("Completed", "JobCompleted")
    assert (world.vaults.posts, world.end_of("r1")["attempts"]) == (2, 2)


def test_a_later_part_that_never_arrived_is_sent_once_more_after_the_grace(world: World) -> None:
    world.vaults.fates = [Fate.TAKEN, Fate.LOST_REQUEST]
    world.send(large())
    sweep_until(world, lambda _: world.vaults.posts == 2)
    sent_at = world.now
    sweep_until(world, lambda _: world.vaults.posts == 3)
    assert world.now - sent_at >= world.settings.adoption_grace
    assert ended(world) == ("Completed", "JobCompleted")
    assert len(world.vaults.jobs_by_id) == 2
    first, second, third = bodies(world)
    assert first != second == third


def test_an_answer_after_its_parts_end_is_logged_and_changes_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The first instance sleeps over its 202 until the second part runs."""
    real, sleeping = world.vaults.start, [True]
    awake = threading.Event()

    def start(*args: Any) -> str:
        try:
            return real(*args)
        finally:
            if sleeping:
                sleeping.pop()
                for _ in range(12):
                    world.pass_time(10)
                    other.sweep(world.now)
                    if is_running(1)(world.record("r1")):
                        break
                awake.set()

    other = world.start(Calls())
    world.start()
    world.vaults.start = start  # type: ignore[assignment, method-assign]
    with caplog.at_level(logging.ERROR):
        world.send(large())
    assert awake.is_set()
    assert "an answer came after its part's end" in caplog.text
    assert is_running(1)(world.record("r1"))
    assert ended(world) == ("Completed", "JobCompleted")
    assert world.vaults.posts == 2


# Guards.


def test_guards_refuse_all_of_it_before_the_first_part(world: World) -> None:
    world.guards = FORBIDDING
    world.send(large())
    assert ended(world) == ("Refused", "NotAllowed")
    assert world.vaults.sent == []
    assert rows(world.tables, "restoreclaims") == []


@pytest.mark.parametrize(
    ("first", "wanted"),
    [
        (JobEnd.COMPLETED, ("CompletedWithWarnings", "JobCompletedWithWarnings")),
        (JobEnd.FAILED, ("Failed", "JobFailed")),
    ],
)
def test_guards_that_change_between_parts_refuse_what_is_left(
    world: World, first: JobEnd, wanted: tuple[str, str]
) -> None:
    world.vaults.ends = [first]
    between_parts(world, lambda: setattr(world, "guards", FORBIDDING))
    world.send(large())
    assert ended(world) == wanted
    end = world.end_of("r1")
    assert world.vaults.posts == 1
    assert "Part 2 of 2: The rule the-rule" in end["message"]
    assert world.holders() == {"starts": ["r1"]}
    if first is JobEnd.COMPLETED:
        assert end["rule"] == "the-rule/originalLocation"


def test_guards_that_cannot_be_read_let_a_later_part_wait(world: World) -> None:
    between_parts(world, lambda: setattr(world, "guards", UNREADABLE))
    world.send(large())
    sweep_until(world, lambda record: record.waiting_for is not None)
    assert world.record("r1").waiting_for == "GuardsInvalid"
    world.pass_time(HOUR)
    world.guards = None
    assert ended(world) == ("Completed", "JobCompleted")


# The allowance: each part is a restore.


def test_each_part_is_counted(world: World) -> None:
    world.send(large(199))
    world.sweep_until_quiet()
    assert world.holders() == {"starts": ["r1", "r1~2", "r1~3"]}


def test_a_part_waits_for_the_allowance_and_starts_a_day_later() -> None:
    world = World(with_settings(daily_limit_per_share=2, emergency_reserve=0))
    world.send(large(199, target=elsewhere()))
    sweep_until(world, lambda record: record.waiting_for is not None)
    assert world.record("r1").waiting_for == "Quota"
    assert (world.vaults.posts, world.holders()) == (2, {"starts": ["r1", "r1~2"]})
    waited_from = world.now
    assert ended(world) == ("Completed", "JobCompleted")
    assert world.now - waited_from > timedelta(hours=23), "longer than a request may wait to start"
    assert world.vaults.posts == 3


def test_a_limit_of_a_guard_refuses_the_part_that_goes_beyond_it(world: World) -> None:
    world.guards = guards(maxPerHour=1)
    world.send(large())
    assert ended(world) == ("CompletedWithWarnings", "JobCompletedWithWarnings")
    assert world.end_of("r1")["rule"] == "the-rule/maxPerHour"
    assert world.vaults.posts == 1


def test_a_count_of_a_crash_is_given_back_when_its_part_is_never_started() -> None:
    world = World()
    calls = Calls()

    def die(number: int, name: str) -> None:
        # The target is claimed still: what is written between the parts is the count.
        if name == "table.write_claim" and world.record("r1").is_between_parts:
            calls.crash_after = number

    calls.during = die
    world.start(calls)
    world.send(large())
    with pytest.raises(Crash):
        world.sweep_until_quiet()
    assert world.holders()["starts"] == ["r1", "r1~2"]
    world.start()
    stop = Cancel(received_at=world.now, message_id="m2")
    memory_store(world.tables).insert_cancel("r1", stop)
    assert ended(world) == ("Cancelled", "CancelledByRequest")
    assert world.holders() == {"starts": ["r1"]}


def test_a_start_is_given_back_after_its_parts_end_is_stored() -> None:
    """One instance cancels between the parts while another one is about to send."""
    world = World(with_settings(daily_limit_per_share=1, emergency_reserve=0))
    world.settings = with_settings()
    world.start()
    meddled: list[str] = []

    def cancel_late(_number: int, name: str) -> None:
        # The intent is written next; the cancel of the other instance must lose or win whole.
        if name == "table.replace" and not meddled and world.record("r1").is_between_parts:
            meddled.append(name)
            calls = world.calls
            world.start()
            world.send(cancel())
            world.calls = calls

    world.calls.during = cancel_late
    world.send(large())
    sweep_until(world, lambda _: bool(meddled))
    world.start()
    assert ended(world) == ("Cancelled", "CancelledByRequest")
    assert world.vaults.posts == 1
    assert world.holders() == {"starts": ["r1"]}


# The target.


def starts(world: World) -> list[str]:
    """The sources of the jobs, in the order in which they were started."""
    jobs = sorted(world.vaults.jobs_by_id.values(), key=lambda job: job.started)
    return [job.item.item.rpartition("-")[2] for job in jobs]


def test_an_emergency_does_not_get_in_between_the_parts_of_another(world: World) -> None:
    world.send(large(199, target=elsewhere()))
    world.pass_time(1)
    world.send(request("e1", target=elsewhere(), priority="emergency"))
    assert world.record("e1").waiting_for == "TargetBusy"
    assert ended(world) == ("Completed", "JobCompleted")
    assert starts(world) == ["r1", "r1", "r1", "e1"]
    jobs = sorted(world.vaults.jobs_by_id.values(), key=lambda job: job.started)
    waited = jobs[-1].started - jobs[-2].ends
    assert waited < timedelta(seconds=45), "it is woken, and does not sleep its back-off"


def test_an_emergency_gets_the_target_when_a_later_part_must_wait_for_something_else() -> None:
    world = World(with_settings(daily_limit_per_share=1, emergency_reserve=0))
    world.send(large(target=elsewhere()))
    world.pass_time(1)
    world.send(request("e1", target=elsewhere(), priority="emergency"))
    assert ended(world) == ("Completed", "JobCompleted")
    assert starts(world) == ["r1", "e1", "r1"]
    assert world.end_of("e1")["recoveryTimeSeconds"] < 300


def test_an_emergency_takes_the_target_of_one_that_is_paused_between_its_parts(
    world: World,
) -> None:
    between_parts(world, lambda: setattr(world, "guards", UNREADABLE))
    world.send(large(target=elsewhere()))
    sweep_until(world, lambda record: record.waiting_for is not None)
    world.guards = None
    world.send(request("e1", target=elsewhere(), priority="emergency"))
    assert world.record("e1").phase is Phase.OPERATION_PENDING
    assert ended(world) == ("Completed", "JobCompleted")
    assert starts(world) == ["r1", "e1", "r1"]


def test_the_target_is_claimed_from_the_first_part_to_the_end_of_the_last(world: World) -> None:
    held: list[list[str] | None] = []
    between_parts(world, lambda: held.append(world.holders().get("target")))
    world.send(large())
    sweep_until(world, is_running(1))
    held.append(world.holders().get("target"))
    world.sweep_until_quiet()
    held.append(world.holders().get("target"))
    assert held == [["r1"], ["r1"], None]


# Deadlines.


def test_the_start_deadline_is_for_the_first_part(world: World) -> None:
    world.vaults.job_seconds = 600
    world.send(large(startDeadline="PT1M"))
    assert ended(world) == ("Completed", "JobCompleted")
    assert world.vaults.posts == 2


def test_the_start_deadline_ends_all_of_it_before_the_first_part() -> None:
    world = World(with_settings(paused=True))
    world.send(large(startDeadline="PT1M"))
    assert ended(world) == ("Failed", "StartDeadlineExceeded")
    assert "Part" not in world.end_of("r1")["message"]


def test_a_part_that_can_never_start_comes_to_an_end(world: World) -> None:
    between_parts(world, lambda: setattr(world, "guards", UNREADABLE))
    world.send(large())
    assert ended(world, step=HOUR) == ("CompletedWithWarnings", "JobCompletedWithWarnings")
    end = world.end_of("r1")
    assert "Part 2 of 2: The restore was not started by" in end["message"]
    assert "GuardsInvalid" in end["message"]
    assert end["recoveryTimeSeconds"] >= 2 * 192 * HOUR


# One restore for each part, whatever happens.

FATES: Sequence[Fate | ArmError] = (
    Fate.TAKEN,
    Fate.TAKEN,
    Fate.TAKEN,
    Fate.LOST_ANSWER,
    Fate.LOST_REQUEST,
    Fate.NOT_SENT,
    Fate.NO_JOB,
    NO,
    NotSent("no route"),
    ArmAnswer(status=401),
    ArmAnswer(status=429),
    ArmAnswer(status=409, code="UserErrorAnotherRestoreInProgressOnSameTarget"),
)


@pytest.mark.parametrize("seed", range(25))
def test_every_part_is_restored_at_most_once_whatever_happens(seed: int) -> None:
    chance = random.Random(seed)
    world = World(with_settings(adoption_grace=timedelta(seconds=300)))
    world.vaults.fates = [chance.choice(FATES) for _ in range(chance.randint(1, 12))]
    world.vaults.ends = [chance.choice(list(JobEnd)) for _ in range(6)]
    world.vaults.list_delay = chance.choice([0, 0, 20, 200])
    world.vaults.job_seconds = chance.choice([5, 30, 1000])
    world.calls.crash_after = chance.choice([None, chance.randint(10, 60)])
    messages = [
        world.message(large(chance.choice([100, 199, 250]), target=elsewhere())),
        world.message(large(150, "r2", target=elsewhere(), priority="emergency")),
    ]
    if chance.random() < 0.3:
        messages.insert(chance.randint(0, 2), world.message(cancel()))
    for message in messages:
        if not world.deliver(message):
            world.start()
            assert world.deliver(message)
        world.pass_time(chance.choice([0, 7, 40]))
    with suppress(Crash):
        world.sweep_until_quiet()
    world.start()
    world.sweep_until_quiet()
    world.check_laws()
    for record in world.records():
        tries = {one.client_request_id for one in record.tries}
        assert record.phase is Phase.INDETERMINATE or {job.id for job in record.jobs} == {
            job.id for job in world.vaults.jobs_by_id.values() if job.activity_id in tries
        }
    assert "target" not in world.holders()


# Sizes.


def entity_bytes(world: World) -> int:
    """The size of the largest record, as Azure counts it."""
    return max(
        sum(2 * (len(name) + len(str(value))) + 8 for name, value in row.items())
        for row in rows(world.tables, "restores")
    )


@pytest.mark.no_cover
@pytest.mark.parametrize("letter", ["a", "é", "字", "🎉"])
@pytest.mark.parametrize("end", [JobEnd.COMPLETED, JobEnd.FAILED])
def test_the_largest_message_fits_its_entity_in_every_phase(
    world: World, letter: str, end: JobEnd
) -> None:
    size = len(letter.encode())
    segment = letter * 100
    folder = "/".join([segment] * (2048 // (100 * size + 1)))
    names = [f"{number:03}{letter * (30 // size)}" for number in range(990)]
    body = large(target=elsewhere(folder=folder), copyOptions=None)
    body["items"] = [{"path": name, "type": "File"} for name in names]
    raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    assert 59_000 < len(raw) <= 64 * 1024
    world.vaults.next_end = end
    world.vaults.job_error = ServiceError(
        code="C" * 200, message=letter * 5000, recommendations=(letter * 5000,)
    )
    sizes: dict[Phase, int] = {}

    def measure(_number: int, name: str) -> None:
        if rows(world.tables, "restores"):
            phase = world.record("r1").phase
            sizes[phase] = max(sizes.get(phase, 0), entity_bytes(world))

    world.calls.during = measure
    world.send(raw)
    phase, _ = ended(world)
    measure(0, "")
    assert phase == end.value
    assert world.vaults.posts == 10
    assert {json.loads(body)["properties"]["copyOptions"] for _, body in world.vaults.sent}
    wanted = {Phase.ACCEPTED, Phase.TRIGGERING, Phase.OPERATION_PENDING, Phase.JOB_IN_PROGRESS}
    assert sizes.keys() >= wanted
    assert max(sizes.values()) < MAX_ENTITY_BYTES, sizes


def test_a_long_body_is_stored_packed_and_read_back_unchanged(
    world: World,
) -> None:
    world.vaults.job_seconds = 600
    folder = "/".join(["für Grüße und mehr"] * 20)
    world.send(large(99, target=elsewhere(folder=folder), copyOptions=None))
    ((_, sent),) = world.vaults.sent
    record = world.record("r1")
    assert len(sent) > 32_000
    assert record.part.body == sent
    assert len(record.to_json()) < len(sent) / 2


def test_a_short_body_stands_in_the_record_as_it_is_sent(world: World) -> None:
    world.send(request())
    ((_, sent),) = world.vaults.sent
    stored = json.loads(world.record("r1").to_json())
    assert stored["parts"][0]["body"] == sent
