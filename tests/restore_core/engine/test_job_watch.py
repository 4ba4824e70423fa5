"""Running jobs are watched from the work list and from Azure alone: what that costs, what it sees.

Counted are all calls that leave the app, on simulators and a clock that the test turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from restore_core.domain.lifecycle import Phase
from restore_core.domain.vault import JobEnd
from restore_core.engine.job_watch import MANY_JOBS
from restore_core.errors import ArmAnswer, ArmError, NoAnswer
from tests.simulators.store import memory_store, rows
from tests.simulators.vaults import SimulatedJob
from tests.simulators.world import VAULT, World, cancel, request, with_settings

POLL = 30.0
AN_HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> World:
    world = World()
    world.vaults.job_seconds = 48 * 3600
    return world


def vault(number: int) -> str:
    return VAULT.replace("vault1", f"vault{number}")


def run(world: World, count: int, *, vaults: int = 1, **fields: Any) -> None:
    """Bring so many requests to where their jobs run, spread over vaults, and all are due."""
    for number in range(count):
        world.send(request(f"r{number:03}", vaultId=vault(number % vaults + 1), **fields))
    for _ in range(4):
        world.sweep(after=5)
    assert {record.phase for record in world.records()} == {Phase.JOB_IN_PROGRESS}
    # An instance that has not looked yet.
    world.start()
    world.pass_time(POLL)


def calls_of(world: World, *, after: float = 0) -> Counter[str]:
    """Sweep once; the calls by name, without the cleaning of once an hour."""
    world.calls.names.clear()
    world.sweep(after=after)
    return Counter(name for name in world.calls.names if name != "table.purge")


def job_of(world: World, request_id: str) -> SimulatedJob:
    return world.vaults.jobs_by_id[world.record(request_id).jobs[-1].id]


def end_job(world: World, request_id: str, end: JobEnd = JobEnd.COMPLETED) -> None:
    job = job_of(world, request_id)
    job.ends, job.end = world.now, end


def due_times(world: World) -> dict[str, datetime]:
    return {row.key: row.next_check_at for row in memory_store(world.tables).open_rows()}


# What a look costs.


@pytest.mark.parametrize("count", range(1, MANY_JOBS))
def test_few_jobs_are_read_one_by_one_and_nothing_else(world: World, count: int) -> None:
    run(world, count)
    assert calls_of(world) == {"table.open_rows": 1, "arm.job": count}


@pytest.mark.parametrize("count", [MANY_JOBS, 50])
def test_many_jobs_are_one_list_and_no_record_and_no_write(world: World, count: int) -> None:
    run(world, count)
    assert calls_of(world) == {"table.open_rows": 1, "arm.jobs": 1}


@pytest.mark.parametrize("count", [2, 20])
def test_a_vault_is_read_once_in_a_job_poll_despite_more_sweeps(world: World, count: int) -> None:
    run(world, count)
    looks = [sum(calls_of(world, after=5).values()) - 1 for _ in range(24)]
    assert sum(looks) == 4 * (1 if count >= MANY_JOBS else count)


def test_a_sweep_tells_how_many_requests_were_quiet(world: World) -> None:
    run(world, 5)
    swept = world.app.sweep(world.now)
    assert (swept.open, swept.due, swept.quiet, swept.left) == (5, 0, 5, 0)


def test_reads_do_not_grow_with_open_requests_and_those_that_are_overdue_need_none(
    world: World,
) -> None:
    run(world, 200, vaults=2)
    world.pass_time(-POLL)
    each = [calls_of(world, after=POLL) for _ in range(24)]
    assert [one["arm.jobs"] for one in each] == [2] * 24
    assert sum(one["arm.job"] + one["arm.operation"] for one in each) == 0
    loads = sum(one["table.load"] for one in each)
    assert 200 <= loads <= 1000, "once in 2.5 to 5 minutes, for what no list shows"


def test_requests_of_several_vaults_are_watched_by_a_list_each(world: World) -> None:
    run(world, 30, vaults=3)
    assert calls_of(world) == {"table.open_rows": 1, "arm.jobs": 3}
    assert calls_of(world, after=15) == {"table.open_rows": 1}


def test_few_in_one_vault_and_many_in_another_are_each_watched_in_their_way(world: World) -> None:
    for number in range(MANY_JOBS):
        world.send(request(f"many{number}"))
    world.send(request("few", vaultId=vault(2)))
    for _ in range(4):
        world.sweep(after=5)
    world.start()
    assert calls_of(world, after=POLL) == {"table.open_rows": 1, "arm.jobs": 1, "arm.job": 1}


# What a look sees.


@pytest.mark.parametrize("count", [2, 10])
@pytest.mark.parametrize("end", JobEnd)
def test_a_job_that_ended_is_finished_in_the_sweep_that_saw_it(
    world: World, count: int, end: JobEnd
) -> None:
    run(world, count)
    end_job(world, "r001", end)
    calls = calls_of(world)
    assert world.record("r001").announced_at == world.now
    assert world.end_of("r001")["phase"] == end.value
    assert calls["arm.jobs"] == (1 if count >= MANY_JOBS else 0)
    # The page of the one that ended has the counts; of few, all pages are read, and each once.
    assert calls["arm.job"] == (1 if count >= MANY_JOBS else count)
    assert calls["table.load"] == 1
    left = {row.key for row in memory_store(world.tables).open_rows()}
    assert left == {f"r{number:03}" for number in range(count)} - {"r001"}


def test_all_jobs_that_ended_are_finished_in_one_sweep_with_one_list(world: World) -> None:
    run(world, 12)
    for number in range(0, 12, 2):
        end_job(world, f"r{number:03}")
    calls = calls_of(world)
    assert (calls["arm.jobs"], calls["arm.job"], calls["queue.send"]) == (1, 6, 6)
    assert len(rows(world.tables, "openrestores")) == 6


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_job_that_is_not_on_the_list_is_asked_for_by_itself(
    world: World, has_ended: bool
) -> None:
    run(world, 6)
    job_of(world, "r002").listed = world.now + AN_HOUR
    if has_ended:
        end_job(world, "r002")
    calls = calls_of(world)
    assert (calls["arm.jobs"], calls["arm.job"], calls["table.load"]) == (1, 1, 1)
    phase = Phase.COMPLETED if has_ended else Phase.JOB_IN_PROGRESS
    assert world.record("r002").phase is phase


def test_a_cancel_is_looked_at_though_the_job_runs(world: World) -> None:
    run(world, 8)
    calls_of(world)
    message = world.message(cancel("r003"))
    # Only taken in: whoever was to go on with it has died.
    assert world.app.accept(message, world.now) is not None
    calls = calls_of(world, after=5)
    assert (calls["arm.cancel"], calls["table.load"]) == (1, 1)
    assert calls["arm.jobs"] == 0, "the others were looked at 5 s ago"
    for _ in range(4):
        world.sweep(after=15)
    assert world.end_of("r003")["phase"] == "Cancelled"
    assert len(world.vaults.running()) == 7


def test_a_cancel_before_the_job_is_found_is_sent_afterwards(
    world: World,
) -> None:
    world.send(request("r1"))
    assert world.record("r1").phase is Phase.OPERATION_PENDING
    world.pass_time(2)
    world.send(cancel("r1"))
    # The cancel's own step has found the job, and the cancel itself is still to be sent.
    assert world.record("r1").phase is Phase.JOB_IN_PROGRESS
    assert calls_of(world, after=POLL)["arm.cancel"] == 1


def test_an_end_with_two_jobs_is_seen_and_both_are_followed_to_theirs(world: World) -> None:
    for number in range(5):
        world.send(request(f"r{number:03}"))
    (job,) = [job for job in world.vaults.jobs_by_id.values() if job.item.item.endswith("r001")]
    twin = replace(job, id="twin", ends=job.ends + AN_HOUR)
    world.vaults.jobs_by_id[twin.id] = twin
    for _ in range(4):
        world.sweep(after=5)
    assert {one.id for one in world.record("r001").jobs} == {job.id, "twin"}
    job.ends = world.now
    for _ in range(30):
        world.sweep(after=15)
    record = world.record("r001")
    assert (record.phase, [one.end for one in record.jobs].count(None)) == (
        Phase.JOB_IN_PROGRESS,
        1,
    ), "one ends and the other does not"
    twin.ends = world.now
    for _ in range(30):
        world.sweep(after=15)
    end = world.end_of("r001")
    assert (end["phase"], end["reason"]) == ("Completed", "DuplicateJobs")


def test_a_quiet_endless_job_is_given_up_at_the_tracking_limit(
    world: World,
) -> None:
    world.vaults.job_seconds = 10**9
    run(world, 5)
    world.sweep_until_quiet(step=600)
    assert {record.phase for record in world.records()} == {Phase.INDETERMINATE}
    world.check_laws()


# Once in a while a request is loaded all the same.


def test_requests_are_loaded_after_2_5_to_5_minutes_and_not_all_at_once(world: World) -> None:
    run(world, 60)
    before, came = due_times(world), dict[str, timedelta]()
    most = 0
    for _ in range(40):
        world.sweep(after=15)
        moved = [key for key, at in due_times(world).items() if at != before[key]]
        new = [key for key in moved if key not in came]
        came |= {key: world.now - before[key] for key in new}
        most = max(most, len(new))
    assert came.keys() == before.keys()
    slack = timedelta(seconds=POLL + 15)
    assert min(came.values()) >= timedelta(seconds=150)
    assert max(came.values()) <= timedelta(seconds=300) + slack
    assert most <= 20


def test_a_job_poll_of_many_minutes_keeps_no_request_from_being_loaded() -> None:
    world = World(with_settings(job_poll=timedelta(minutes=20)))
    world.vaults.job_seconds = 48 * 3600
    run(world, 6)
    world.pass_time(20 * 60)
    before = due_times(world)
    for _ in range(24):
        world.sweep(after=15)
    assert all(at != before[key] for key, at in due_times(world).items())


# When Azure does not answer.


def failing(world: World, name: str, error: ArmError) -> None:
    world.calls.fail = lambda _number, called: error if called == name else None


def test_a_list_that_fails_leaves_its_requests_alone_and_is_asked_again(world: World) -> None:
    run(world, 6)
    end_job(world, "r001")
    failing(world, "arm.jobs", NoAnswer("reset"))
    before = world.record("r001")
    assert calls_of(world) == {"table.open_rows": 1, "arm.jobs": 1}
    assert calls_of(world, after=15) == {"table.open_rows": 1}
    assert world.record("r001") == before
    world.calls.fail = lambda _number, _name: None
    world.sweep(after=15)
    assert world.end_of("r001")["phase"] == "Completed"


def test_lists_that_fail_for_long_do_not_hide_an_end(world: World) -> None:
    run(world, 6)
    end_job(world, "r001")
    failing(world, "arm.jobs", ArmAnswer(status=503))
    for _ in range(24):
        world.sweep(after=15)
    assert world.end_of("r001")["phase"] == "Completed"


def test_where_there_is_no_list_each_job_is_read_by_itself(world: World) -> None:
    run(world, 6)
    end_job(world, "r001")
    failing(world, "arm.jobs", ArmAnswer(status=404))
    calls = calls_of(world)
    assert (calls["arm.jobs"], calls["arm.job"], calls["table.load"]) == (1, 6, 1)
    assert world.end_of("r001")["phase"] == "Completed"


def test_a_list_that_fails_in_one_vault_keeps_no_other_waiting(world: World) -> None:
    run(world, 10, vaults=2)
    end_job(world, "r000")
    end_job(world, "r001")
    # The first list that is asked for is that of the first vault.
    errors: Iterator[ArmError] = iter([ArmAnswer(status=500)])
    world.calls.fail = lambda _number, name: next(errors, None) if name == "arm.jobs" else None
    world.sweep()
    phases = Counter(record.phase for record in world.records())
    assert phases == {Phase.COMPLETED: 1, Phase.JOB_IN_PROGRESS: 9}
    world.sweep(after=POLL)
    assert len(rows(world.tables, "openrestores")) == 8


def test_a_page_that_fails_is_read_again_and_counts_against_no_other(world: World) -> None:
    run(world, 2)
    errors: Iterator[ArmError] = iter([ArmAnswer(status=500)])
    world.calls.fail = lambda _number, name: next(errors, None) if name == "arm.job" else None
    calls = calls_of(world)
    assert (calls["arm.job"], calls["table.load"]) == (2, 1)
    assert sorted(record.failures for record in world.records()) == [0, 1]
    for _ in range(5):
        world.sweep(after=15)
    assert [record.failures for record in world.records()] == [0, 0]


def test_a_row_that_makes_no_sense_stops_no_sweep(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    run(world, 5)
    end_job(world, "r001")
    store = memory_store(world.tables)
    (row,) = [row for row in store.open_rows() if row.key == "r000"]
    store.put_open(replace(row, key="odd", vault_id="no vault at all"))
    world.sweep()
    assert world.end_of("r001")["phase"] == "Completed"
    assert "could not be watched" in caplog.text


# Instances, and the end.


def test_a_fresh_instance_in_every_sweep_changes_nothing(world: World) -> None:
    run(world, 6)
    before = [dict(row) for row in rows(world.tables, "openrestores")]
    for _ in range(4):
        world.start()
        assert calls_of(world, after=15) == {"table.open_rows": 1, "arm.jobs": 1}
    assert [dict(row) for row in rows(world.tables, "openrestores")] == before


@pytest.mark.parametrize("count", [3, 30])
def test_every_end_is_announced_once(world: World, count: int) -> None:
    run(world, count, vaults=2)
    for number, job in enumerate(world.vaults.jobs_by_id.values()):
        job.ends = world.now + timedelta(seconds=number * 7)
    for number in range(60):
        if number % 10 == 0:
            world.start()
        world.sweep(after=15)
    assert len(world.queue.sent) == count
    assert {record.phase for record in world.records()} == {Phase.COMPLETED}
    world.check_laws()


def test_an_end_is_announced_within_a_tick_and_a_job_poll(
    world: World,
) -> None:
    run(world, 40)
    jobs = list(world.vaults.jobs_by_id.values())
    for number, job in enumerate(jobs):
        job.ends = world.now + timedelta(seconds=number * 11)
    for _ in range(60):
        world.sweep(after=15)
    by_item = {job.item.item.rpartition("-")[2]: job.ends for job in jobs}
    late = [
        record.announced_at - by_item[record.key]
        for record in world.records()
        if record.announced_at is not None
    ]
    assert len(late) == 40
    assert max(late) <= timedelta(seconds=POLL + 15)


def test_parts_are_watched_like_any_other_job(world: World) -> None:
    items = [{"path": f"{number}.txt", "type": "File"} for number in range(100)]
    world.vaults.job_seconds = 120
    run(world, 5, items=items)
    for _ in range(60):
        world.sweep(after=15)
    assert world.vaults.posts == 10
    assert {record.phase for record in world.records()} == {Phase.COMPLETED}
    world.check_laws()
