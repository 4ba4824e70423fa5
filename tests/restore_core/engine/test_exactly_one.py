"""Exactly one restore, sentence by sentence of its steps: what `test_reconciler.py` does not ask.

On simulators where an order of events has to be forced; on real sockets, with the emulator, where
the service's own lists and clock decide.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import JobListing
from restore_core.domain.record import RestoreRecord, TryState
from restore_core.domain.vault import JobEnd
from restore_core.engine.reconciler import Reconciler
from restore_core.errors import ArmAnswer, ArmError, NoAnswer, NotSent
from tests.patience import PATIENCE, eventually
from tests.restore_core.struck import Case, Range, firing_range
from tests.simulators.store import memory_store, rows
from tests.simulators.vaults import Fate
from tests.simulators.world import START, World, elsewhere, request, with_settings

GRACE = 900.0
LISTS = "list_jobs"
CANCEL = {"schemaVersion": "1.0", "action": "cancel", "requestId": "r1"}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    """An emulator whose lists have three jobs to a page, with a vault for each case."""
    with firing_range(tmp_path_factory.mktemp("once"), vaults=12) as place:
        yield place


def another(world: World, monotonic: Callable[[], float] | None = None) -> Reconciler:
    """One more instance of the app on the same storage."""
    return Reconciler(
        vaults=world.vaults,
        store=memory_store(world.tables),
        completions=world.queue,
        settings=world.settings,
        monotonic=monotonic or (lambda: (world.now - START).total_seconds()),
    )


def when_sent(world: World, *meanwhile: Callable[[], None]) -> None:
    """Let something happen after the service took a POST (the first, the second) and before its
    answer is there.
    """
    real, left = world.vaults.start, list(meanwhile)

    def start(*args: Any) -> str:
        try:
            return real(*args)
        finally:
            if left:
                left.pop(0)()

    world.vaults.start = start  # type: ignore[assignment, method-assign]


def sweep_by(world: World, app: Reconciler, seconds: float, *, step: float = 20) -> None:
    """Let another instance sweep for a time."""
    for _ in range(int(seconds / step)):
        world.pass_time(step)
        app.sweep(world.now)


def states(record: RestoreRecord) -> list[TryState]:
    return [one.state for one in record.tries]


# Steps 3 and 4: the intent, and the window in which it may be sent.


@pytest.mark.parametrize(("frozen", "posts"), [(29.0, 1), (30.0, 0), (7200.0, 0)])
def test_what_wakes_up_after_its_send_window_has_certainly_not_sent(
    world: World, frozen: float, posts: int
) -> None:
    freezes = [frozen]

    def freeze(_number: int, name: str) -> None:
        # The first change of the record is the intent; the window runs from before that write.
        if name == "table.replace" and freezes:
            world.pass_time(freezes.pop())

    world.calls.during = freeze
    world.send(request())
    assert world.vaults.posts == posts
    if not posts:
        record = world.record("r1")
        assert (record.phase, record.waiting_for) == (Phase.ACCEPTED, "ServiceUnavailable")
        assert record.tries == (), "only unknown outcomes are kept"
        assert rows(world.tables, "restoreclaims")[0]["holders_0"] == "[]", "the claim stays"
    world.sweep_until_quiet()
    assert (world.vaults.posts, world.end_of("r1")["attempts"]) == (1, 1)
    world.check_laws()


def test_the_send_window_is_measured_by_the_monotonic_clock(world: World) -> None:
    world.app = another(world, monotonic=lambda: 0.0)
    world.vaults.fates = [ArmAnswer(status=401)]
    # The host's clock is set two hours on between the two sends of one try.
    when_sent(world, lambda: world.pass_time(7200))
    world.send(request())
    assert world.vaults.posts == 2
    world.start()
    world.sweep_until_quiet()
    world.check_laws()


def test_the_second_send_after_a_401_has_the_same_window(world: World) -> None:
    world.vaults.fates = [ArmAnswer(status=401)]
    when_sent(world, lambda: world.pass_time(31))
    world.send(request())
    assert world.vaults.posts == 1
    assert world.record("r1").waiting_for == "ServiceUnavailable"
    world.sweep_until_quiet()
    assert len(world.vaults.jobs_by_id) == 1
    world.check_laws()


def test_one_that_is_held_back_takes_nothing_from_another_that_has_just_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the request holds and counts is shared by all instances that work on it."""
    real, held = world.vaults.prepare_restore, [ArmAnswer(status=429)]

    def prepare(*args: Any) -> Any:
        if held:
            error = held.pop()
            sweep_by(world, another(world), 10, step=10)
            assert world.vaults.posts == 1
            raise error
        return real(*args)

    monkeypatch.setattr(world.vaults, "prepare_restore", prepare)
    world.send(request())
    assert world.holders() == {"target": ["r1"], "starts": ["r1"]}
    world.sweep_until_quiet()
    assert world.vaults.posts == 1
    assert world.holders() == {"starts": ["r1"]}
    world.check_laws()


def test_one_that_is_too_late_takes_nothing_from_another_that_has_just_sent(world: World) -> None:
    reads: list[str] = []

    def slow(_number: int, name: str) -> None:
        if name == "table.read_claim":
            reads.append(name)
            if len(reads) == 2:
                sweep_by(world, another(world), 10, step=10)
                world.pass_time(600)

    world.calls.during = slow
    world.send(request(startDeadline="PT5M"))
    assert world.vaults.posts == 1
    assert world.holders() == {"target": ["r1"], "starts": ["r1"]}
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    world.check_laws()


def test_one_that_was_held_back_after_a_cancel_ended_it_leaves_no_claim(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_args: Any) -> Any:
        another(world).handle(world.message(CANCEL), world.now)
        raise ArmAnswer(status=429)

    monkeypatch.setattr(world.vaults, "prepare_restore", prepare)
    world.send(request())
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Cancelled"
    assert world.holders() == {}


# Step 5 and section 4.2: a result is stored, whoever moved the record meanwhile.


def test_a_202_that_comes_after_another_instance_found_the_job_is_stored(world: World) -> None:
    world.vaults.job_seconds = 600
    when_sent(world, lambda: sweep_by(world, another(world), 60))
    world.send(request())
    record = world.record("r1")
    assert record.phase is Phase.JOB_IN_PROGRESS
    assert record.part.operation_id is not None
    world.sweep_until_quiet()
    assert world.vaults.posts == 1
    world.check_laws()


def test_a_202_that_comes_after_another_instance_gave_the_try_up_is_stored(world: World) -> None:
    """The list hides the job for longer than the grace, and the service refuses the second."""
    world.vaults.job_seconds, world.vaults.list_delay = 7200, 2000
    when_sent(world, lambda: sweep_by(world, another(world), GRACE + 200))
    world.send(request())
    assert world.vaults.posts == 2
    assert world.record("r1").part.operation_id is not None
    world.sweep_until_quiet()
    assert len(world.vaults.jobs_by_id) == 1
    assert world.end_of("r1")["phase"] == "Completed"
    world.check_laws()


def test_the_job_of_a_late_202_is_found_beside_the_followed_one(world: World) -> None:
    """Past the grace nothing is promised; what became of it is still not hidden."""
    world.vaults.list_delay = GRACE + 200

    def meanwhile() -> None:
        sweep_by(world, another(world), GRACE - 100)
        # The first job is over by now, so that the service takes a second one.
        world.vaults.list_delay, world.vaults.job_seconds = 0, 3600
        sweep_by(world, another(world), 160)
        assert world.vaults.posts == 2

    when_sent(world, meanwhile)
    world.send(request())
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"], len(end["jobIds"])) == ("Completed", "DuplicateJobs", 2)


LATE_NO: list[ArmError] = [NotSent("refused"), ArmAnswer(status=400), ArmAnswer(status=403)]


@pytest.mark.parametrize("answer", LATE_NO)
def test_a_late_refusal_of_a_try_takes_back_only_that_try(world: World, answer: ArmError) -> None:
    world.vaults.job_seconds = 3600
    world.vaults.fates = [answer]
    when_sent(world, lambda: sweep_by(world, another(world), GRACE + 100))
    world.send(request())
    assert world.vaults.posts == 2
    record = world.record("r1")
    assert record.phase in {Phase.OPERATION_PENDING, Phase.JOB_IN_PROGRESS}
    assert states(record) == [TryState.TAKEN]
    world.sweep_until_quiet()
    assert (world.end_of("r1")["phase"], world.end_of("r1")["attempts"]) == ("Completed", 1)
    world.check_laws()


@pytest.mark.parametrize("answer", [*LATE_NO, NoAnswer("reset")])
def test_a_late_answer_leaves_the_try_alone_that_another_instance_is_sending(
    world: World, answer: ArmError
) -> None:
    """The first instance wakes up while the second one's POST is on its way."""
    world.vaults.job_seconds = 3600
    world.vaults.fates = [answer]
    gave_up, woke = threading.Event(), threading.Event()

    def second_is_sending() -> None:
        gave_up.set()
        assert woke.wait(PATIENCE)
        record = world.record("r1")
        assert record.phase is Phase.TRIGGERING
        assert states(record)[-1] is TryState.OPEN
        # A third instance finds nothing that it may send.
        world.pass_time(20)
        another(world).sweep(world.now)
        assert world.vaults.posts == 2

    when_sent(world, lambda: _wait(gave_up), second_is_sending)
    message = world.message(request())
    first = threading.Thread(target=world.app.handle, args=(message, world.now))
    first.start()
    eventually(lambda: world.vaults.posts, every=0.001)

    def wake() -> None:
        _wait(gave_up)
        first.join(PATIENCE)
        woke.set()

    waker = threading.Thread(target=wake)
    waker.start()
    sweep_by(world, another(world), GRACE + 100)
    waker.join(PATIENCE)
    world.sweep_until_quiet()
    assert world.vaults.posts == 2
    assert world.end_of("r1")["phase"] == "Completed"
    world.check_laws()


def test_an_unknown_outcome_that_comes_after_the_try_was_given_up_is_settled_again() -> None:
    """A frozen process may have sent it just now: nothing else goes out before that is known."""
    world = World()
    world.vaults.fates = [Fate.LOST_ANSWER]
    world.vaults.list_delay, world.vaults.job_seconds = GRACE + 300, 7200

    def meanwhile() -> None:
        world.settings = with_settings(paused=True)  # so that it rests in `Accepted`
        sweep_by(world, another(world), GRACE + 100)
        assert world.record("r1").phase is Phase.ACCEPTED
        world.settings = with_settings()

    when_sent(world, meanwhile)
    world.send(request())
    record = world.record("r1")
    assert (record.phase, states(record)) == (Phase.TRIGGERING, [TryState.UNKNOWN])
    assert record.waiting_for is None
    world.sweep_until_quiet()
    assert world.vaults.posts == 1
    assert world.end_of("r1")["phase"] == "Completed"
    world.check_laws()


def test_an_answer_that_comes_after_the_end_changes_no_byte_of_it(world: World) -> None:
    when_sent(world, lambda: sweep_by(world, another(world), 300))
    world.send(request())
    assert world.record("r1").phase is Phase.COMPLETED
    assert len(world.queue.sent) == 1
    world.check_laws()


# Steps 6 and 7: what a list proves.


@pytest.mark.parametrize("missing", [{"started"}, {"ended"}, {"started", "ended"}])
def test_a_list_without_a_date_proves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, missing: set[str]
) -> None:
    def jobs(*_args: Any, **_more: Any) -> JobListing:
        dates = dict.fromkeys({"started", "ended"} - missing, world.now)
        return JobListing(jobs=(), **dates)

    world.vaults.fates = [Fate.LOST_REQUEST]
    world.send(request())
    with monkeypatch.context() as patch:
        patch.setattr(world.vaults, "jobs", jobs)
        sweep_by(world, world.app, 3 * GRACE)
        record = world.record("r1")
        assert (record.phase, record.tries[0].absent_since) == (Phase.TRIGGERING, None)
    sweep_by(world, world.app, GRACE - 100)
    assert world.vaults.posts == 1, "the grace runs from the first list with a date"
    world.sweep_until_quiet()
    assert world.vaults.posts == 2
    world.check_laws()


def test_lists_that_fail_for_ever_leave_the_outcome_unknown_and_say_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_more: Any) -> JobListing:
        raise ArmAnswer(status=404)

    world.vaults.fates = [Fate.LOST_ANSWER]
    monkeypatch.setattr(world.vaults, "jobs", fail)
    world.send(request())
    world.sweep_until_quiet(step=600)
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Indeterminate", "TrackingLimitReached")
    assert end["restoreStarted"] == "unknown"
    assert world.vaults.posts == 1


def given_up(world: World) -> None:
    """Bring a request back to `Accepted` whose first POST was taken, and is listed only later."""
    world.vaults.fates = [Fate.LOST_ANSWER]
    world.vaults.list_delay, world.vaults.job_seconds = GRACE + 300, 7200
    world.send(request(startDeadline="PT25M"))
    world.settings = with_settings(paused=True)
    world.start()
    sweep_by(world, world.app, GRACE + 80)
    assert states(world.record("r1")) == [TryState.ABSENT]
    assert world.record("r1").phase is Phase.ACCEPTED


def refused(world: World) -> None:
    world.vaults.fates = [ArmAnswer(status=400, code="BMSUserErrorInvalidInput")]
    world.settings = with_settings()
    world.start()
    world.sweep(after=300)
    assert world.vaults.posts == 2


def cancelled(world: World) -> None:
    world.pass_time(240)
    world.send(CANCEL)


def too_late(world: World) -> None:
    world.sweep(after=540)


ENDINGS = {
    "Failed, TriggerRefused": refused,
    "Cancelled, CancelledByRequest": cancelled,
    "Failed, StartDeadlineExceeded": too_late,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_job_in_one_more_list_counts_instead_of_the_end(world: World, ending: str) -> None:
    given_up(world)
    ENDINGS[ending](world)
    assert world.record("r1").phase is Phase.JOB_IN_PROGRESS
    world.sweep_until_quiet()
    end = world.end_of("r1")
    wanted = "Cancelled, JobCancelled" if "Cancelled" in ending else "Completed, JobCompleted"
    assert f"{end['phase']}, {end['reason']}" == wanted
    assert len(world.vaults.jobs_by_id) == 1
    world.check_laws()


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_end_is_written_once_a_readable_list_is_empty(
    world: World, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    given_up(world)
    world.vaults.jobs_by_id.clear()

    def fail(*_args: Any, **_more: Any) -> JobListing:
        raise ArmAnswer(status=503)

    with monkeypatch.context() as patch:
        patch.setattr(world.vaults, "jobs", fail)
        ENDINGS[ending](world)
        sweep_by(world, world.app, 600)
        record = world.record("r1")
        assert record.pending_end is not None
        assert world.queue.sent == []
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert f"{end['phase']}, {end['reason']}" == ending
    assert end["restoreStarted"] == "no"
    world.check_laws()


@pytest.mark.parametrize(
    ("first", "second", "phase"),
    [
        (JobEnd.COMPLETED, JobEnd.FAILED, "Failed"),
        (JobEnd.FAILED, JobEnd.COMPLETED, "Failed"),
        (JobEnd.COMPLETED_WITH_WARNINGS, JobEnd.COMPLETED, "CompletedWithWarnings"),
        (JobEnd.CANCELLED, JobEnd.COMPLETED_WITH_WARNINGS, "Cancelled"),
    ],
)
def test_of_two_jobs_both_are_followed_and_the_worse_end_counts(
    world: World, first: JobEnd, second: JobEnd, phase: str
) -> None:
    world.vaults.next_end = first
    world.send(request())
    (job,) = world.vaults.jobs_by_id.values()
    twin = type(job)(**(vars(job) | {"id": "twin", "end": second}))
    twin.ends += timedelta(minutes=10)
    world.vaults.jobs_by_id[twin.id] = twin
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == (phase, "DuplicateJobs")
    assert set(end["jobIds"]) == {job.id, "twin"}
    assert datetime.fromisoformat(end["finishedAt"]) >= twin.ends
    assert all(job_id in end["message"] for job_id in end["jobIds"])


# Cancel.


def test_a_cancel_that_never_gets_through_does_not_hide_the_jobs_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise ArmAnswer(status=500, code="RestApiInternalError")

    world.vaults.job_seconds = 600
    world.send(request())
    world.sweep(after=10)
    monkeypatch.setattr(world.vaults, "cancel", fail)
    world.send(CANCEL)
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert end["phase"] == "Completed"
    assert end["recoveryTimeSeconds"] < 1500
    world.check_laws()


# Several instances, and clocks that are wrong.


def test_three_instances_on_one_storage_restore_everything_once(world: World) -> None:
    """Each message reaches all three at once, and their sweeps overlap."""
    chance = random.Random(7)
    world.settings = with_settings(sweep_threads=3)
    apps = [another(world) for _ in range(3)]
    fates = [Fate.TAKEN, Fate.TAKEN, Fate.LOST_ANSWER, Fate.LOST_REQUEST, Fate.NOT_SENT]
    world.vaults.fates = [chance.choice(fates) for _ in range(60)]
    world.vaults.list_delay = 20
    messages = [
        world.message(
            request(f"r{number}", target=elsewhere(f"shared-{number % 7}"), copyOptions=None)
            if number % 2
            else request(f"r{number}")
        )
        for number in range(24)
    ]

    def together(act: Callable[[Reconciler], object]) -> None:
        gate, raised = threading.Barrier(len(apps)), []

        def run(app: Reconciler) -> None:
            gate.wait(PATIENCE)
            try:
                act(app)
            except BaseException as error:  # noqa: BLE001  (shown by the test)
                raised.append(error)

        threads = [threading.Thread(target=run, args=(app,)) for app in apps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert raised == []

    for message in messages:
        together(lambda app, message=message: app.handle(message, world.now))  # type: ignore[misc]
    for _ in range(2000):
        if not rows(world.tables, "openrestores"):
            break
        world.pass_time(15)
        together(lambda app: app.sweep(world.now))
    world.check_laws()
    assert len(world.records()) == 24
    assert all(record.phase is Phase.COMPLETED for record in world.records())
    assert len(world.vaults.jobs_by_id) == 24


HOURS = [-20.0, -6.0, 6.0, 20.0]


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("fate", [Fate.TAKEN, Fate.LOST_ANSWER, Fate.LOST_REQUEST])
def test_a_host_clock_that_is_hours_off_changes_nothing(
    world: World, hours: float, fate: Fate
) -> None:
    off = timedelta(hours=hours)
    world.vaults.fates = [fate]
    world.app.handle(world.message(request()), world.now + off)
    posted_again: datetime | None = None
    while rows(world.tables, "openrestores"):
        world.pass_time(15)
        world.app.sweep(world.now + off)
        if posted_again is None and world.vaults.posts == 2:
            posted_again = world.now
    assert world.vaults.posts == (2 if fate is Fate.LOST_REQUEST else 1)
    if posted_again is not None:
        waited = (posted_again - START).total_seconds()
        assert GRACE <= waited <= GRACE + 120, "the grace is the service's own time"
    assert world.end_of("r1")["phase"] == "Completed"
    world.check_laws()


def test_two_hosts_whose_clocks_are_half_a_day_apart_restore_once(world: World) -> None:
    world.vaults.fates = [Fate.LOST_REQUEST, Fate.LOST_ANSWER]
    fast, slow = world.app, another(world)
    fast.handle(world.message(request("r1")), world.now + timedelta(hours=6))
    slow.handle(world.message(request("r2")), world.now - timedelta(hours=6))
    begun = world.now
    while rows(world.tables, "openrestores"):
        assert world.now - begun < timedelta(hours=3)
        world.pass_time(15)
        slow.sweep(world.now - timedelta(hours=6))
        fast.sweep(world.now + timedelta(hours=6))
        if world.now - begun < timedelta(seconds=GRACE):
            assert world.vaults.posts == 2
    assert world.vaults.posts == 3
    world.check_laws()


# The same on real sockets, where the emulator's lists and its Date decide.


def restored_once(case: Case, *, posts: int = 1) -> None:
    seen = case.to_the_end()
    assert (seen.end["phase"], seen.end["reason"]) == ("Completed", "JobCompleted")
    assert (seen.jobs, len(seen.posts), seen.events, seen.open_rows) == (1, posts, 1, 0)


def test_a_list_whose_second_page_fails_proves_nothing(place: Range) -> None:
    with Case(place) as case:
        case.inject("restore", {"kind": "reset", "processed": False})
        vault_id, nothing = case.request()["vaultId"], "00000000-0000-4000-8000-000000000000"
        link = f"{place.emulator.url}{vault_id}/backupOperations/{nothing}?api-version=2026-07-01"
        first = case.inject(LISTS, {"kind": "merge", "patch": {"nextLink": link}}, times=None)
        second = case.inject("operation", {"kind": "status", "status": 500}, times=None)
        case.deliver(case.request())
        record = case.sweep_for(2.5)
        assert case.used(first) == case.used(second) > 3
        assert (record.phase, record.tries[0].absent_since) == (Phase.TRIGGERING, None)
        for number in (first, second):
            place.emulator.faults.remove(number)
        restored_once(case, posts=2)


def test_a_list_whose_date_cannot_be_read_proves_nothing(place: Range) -> None:
    with Case(place) as case:
        case.inject("restore", {"kind": "reset", "processed": False})
        broken = {"kind": "merge", "headers": {"Date": "some day"}}
        number = case.inject(LISTS, broken, times=None)
        case.deliver(case.request())
        record = case.sweep_for(2.5)
        assert (record.phase, record.tries[0].absent_since) == (Phase.TRIGGERING, None)
        place.emulator.faults.remove(number)
        restored_once(case, posts=2)


def test_a_second_post_that_is_refused_as_busy_shows_that_the_first_one_runs(place: Range) -> None:
    with Case(place) as case:
        # The list hides the job for 4 s, longer than the grace; it runs for 6.
        case.inject("restore", {"kind": "late_job", "seconds": 4 * 200})
        case.inject("restore", {"kind": "outcome", "duration": 6 * 200})
        case.inject("restore", {"kind": "reset", "processed": True})
        case.deliver(case.request())
        case.sweep_until(lambda _: len(place.calls(case.vault, "restore")) == 2)
        record = case.record()
        assert (record.phase, states(record)) == (Phase.TRIGGERING, [TryState.UNKNOWN])
        seen = case.to_the_end()
    assert (seen.end["phase"], seen.end["reason"]) == ("Completed", "JobCompleted")
    assert (seen.jobs, seen.end["attempts"], seen.events, seen.open_rows) == (1, 1, 1, 0)


def test_two_jobs_of_one_post_are_both_followed(place: Range) -> None:
    with Case(place) as case:
        case.inject("restore", {"kind": "duplicate_job"})
        case.deliver(case.request())
        seen = case.to_the_end()
    assert (seen.end["phase"], seen.end["reason"]) == ("Completed", "DuplicateJobs")
    assert set(seen.end["jobIds"]) == {job.id for job in place.jobs(case.vault)}
    assert (seen.jobs, len(seen.posts)) == (2, 1)


@pytest.mark.parametrize("hours", [-20, 20])
@pytest.mark.parametrize("processed", [True, False])
def test_the_services_clock_decides_and_not_the_hosts(
    place: Range, hours: int, processed: bool
) -> None:
    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(hours=hours)

    with Case(place, clock=clock) as case:
        case.inject("restore", {"kind": "reset", "processed": processed})
        case.deliver(case.request())
        restored_once(case, posts=1 if processed else 2)


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE)
