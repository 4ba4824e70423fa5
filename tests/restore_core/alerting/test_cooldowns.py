"""One restore for a storm, and none for a plan that keeps failing: what the claims of plans say.

The claims are kept in the real store, over tables in memory, and on Azurite where real concurrency
is asked for. What becomes of the alerts is in `test_responding.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from restore_core.alerting.cooldowns import Cooldowns, cooldown_of
from restore_core.domain.lifecycle import Event, Phase
from restore_core.domain.ports import Claim, Holder, Store
from restore_core.domain.record import (
    End,
    FollowedJob,
    Part,
    RestoreRecord,
    Try,
    TryState,
    hash_key,
)
from restore_core.errors import Conflict, StoreUnavailable
from restore_core.messages.parsing import read_request
from restore_core.messages.request import RestoreRequest
from restore_core.vocabulary import Reason
from tests.simulators.store import MemoryTables, memory_store
from tests.simulators.world import Calls, elsewhere, request
from tests.threads import hammer

NOW = datetime(2026, 2, 5, 7, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86400))
LENGTH = 6 * HOUR
STORM = 1000


class Ticking:
    """A monotonic clock that the test turns."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Watched:
    """A store whose calls are counted, and fail where the test says so."""

    def __init__(self, store: Store) -> None:
        self.calls = Calls()
        self._store = store

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        return lambda *args: self.calls.make(name, lambda: real(*args))

    def lose(self, name: str, *, times: int, error: type[Exception] = StoreUnavailable) -> None:
        """Let so many calls of a kind fail before they do anything."""
        left = [times]

        def fail(_number: int, called: str) -> Exception | None:
            if called != name or not left[0]:
                return None
            left[0] -= 1
            return error("lost")

        self.calls.fail = fail


@pytest.fixture
def store() -> Watched:
    return Watched(memory_store(MemoryTables()))


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def cooldowns(store: Watched, clock: Ticking) -> Cooldowns:
    return Cooldowns(store, monotonic=clock)


@pytest.fixture
def plan() -> str:
    """A name that no other test uses: Azurite is shared."""
    return f"plan-{uuid.uuid4()}"


def asked(request_id: str, **fields: Any) -> RestoreRequest:
    """A request of the plan; all of them are for one share."""
    made = read_request(request(request_id, **{"share": "finance", **fields}))
    assert isinstance(made, RestoreRequest)
    return made


def ended(plan: str, request_id: str, phase: Phase, *, at: datetime = NOW) -> RestoreRecord:
    """A request of the plan that ended, and has started nothing."""
    record = RestoreRecord.accept(
        asked(request_id), message_id="m1", requested_at=NOW, now=NOW, plan=plan
    )
    return replace(record, phase=phase, finished_at=at)


STARTED = (Part(jobs=(FollowedJob(id="job"),)),)
PERHAPS = (
    Part(tries=(Try(client_request_id="c", intended_at=NOW, state=TryState.TAKEN),)),
    Part(tries=(Try(client_request_id="c", intended_at=NOW, state=TryState.UNKNOWN),)),
)


def claim_of(store: Store, plan: str, **fields: Any) -> Claim:
    return store.read_claim(cooldown_of(plan, asked("any", **fields)))


def holders(store: Store, plan: str, **fields: Any) -> list[str]:
    return [one.key for one in claim_of(store, plan, **fields).holders]


def failures(store: Store, plan: str) -> list[str]:
    return [one.key for one in store.read_claim(f"breaker:{hash_key(plan)}").holders]


# Who holds a cooldown.


def test_the_first_begins_the_cooldown_and_all_others_are_told_whose_it_is(
    instances: Callable[[], Store], plan: str
) -> None:
    one, other = Cooldowns(instances()), Cooldowns(instances())
    assert one.holder(plan, asked("r1"), LENGTH, NOW) is None
    assert one.take(plan, asked("r1"), LENGTH, NOW) is None
    for cooldowns in (one, other):
        assert cooldowns.holder(plan, asked("r2"), LENGTH, NOW) == "r1"
        assert cooldowns.take(plan, asked("r2"), LENGTH, NOW) == "r1"
    assert holders(instances(), plan) == ["r1"]


def test_looking_claims_nothing(store: Watched, cooldowns: Cooldowns) -> None:
    assert cooldowns.holder("p", asked("r1"), LENGTH, NOW) is None
    assert store.calls.names == ["read_claim"]
    assert claim_of(store, "p").etag is None


def test_claiming_twice_with_one_id_is_one_claim(instances: Callable[[], Store], plan: str) -> None:
    for later in range(3):
        now = NOW + later * HOUR
        assert Cooldowns(instances()).take(plan, asked("r1"), LENGTH, now) is None
        assert Cooldowns(instances()).holder(plan, asked("r1"), LENGTH, now) is None
    (held,) = claim_of(instances(), plan).holders
    assert held == Holder(key="r1", request_id="r1", since=NOW), "it began when it began"


def test_of_many_that_claim_at_once_one_gets_it(instances: Callable[[], Store], plan: str) -> None:
    told = dict[str, str | None]()

    def act(number: int) -> None:
        cooldowns = Cooldowns(instances())
        for round_ in range(4):
            name = f"r{number}-{round_}"
            told[name] = cooldowns.take(plan, asked(name), LENGTH, NOW)

    hammer(8, act)
    (winner,) = (name for name, holder in told.items() if holder is None)
    assert set(told.values()) == {None, winner}
    assert holders(instances(), plan) == [winner]


def test_of_many_that_find_a_cooldown_over_one_begins_the_next(
    instances: Callable[[], Store], plan: str
) -> None:
    Cooldowns(instances()).take(plan, asked("r0"), LENGTH, NOW)
    shared, told = Cooldowns(instances()), dict[str, str | None]()

    def act(number: int) -> None:
        cooldowns = shared if number % 2 else Cooldowns(instances())
        name = f"r{number + 1}"
        told[name] = cooldowns.take(plan, asked(name), LENGTH, NOW + LENGTH)

    hammer(8, act)
    (winner,) = (name for name, holder in told.items() if holder is None)
    assert set(told.values()) == {None, winner}


def test_copies_of_one_alert_that_claim_at_once_are_one_claim(
    instances: Callable[[], Store], plan: str
) -> None:
    told: list[str | None] = []
    hammer(6, lambda _: told.append(Cooldowns(instances()).take(plan, asked("r1"), LENGTH, NOW)))
    assert told == [None] * 6
    assert holders(instances(), plan) == ["r1"]


def test_a_cooldown_that_is_over_is_the_next_ones(store: Watched, cooldowns: Cooldowns) -> None:
    store.insert(ended("p", "r1", Phase.COMPLETED))
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    last = NOW + LENGTH - SECOND
    assert cooldowns.holder("p", asked("r2"), LENGTH, last) == "r1"
    assert cooldowns.take("p", asked("r2"), LENGTH, last) == "r1"
    assert cooldowns.holder("p", asked("r2"), LENGTH, NOW + LENGTH) is None, "remembered or not"
    assert cooldowns.take("p", asked("r2"), LENGTH, NOW + LENGTH) is None
    assert holders(store, "p") == ["r2"]
    assert cooldowns.take("p", asked("r3"), LENGTH, NOW + LENGTH + MINUTE) == "r2"


def test_a_clock_that_is_behind_that_of_the_holder_folds(
    store: Watched, cooldowns: Cooldowns
) -> None:
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    assert cooldowns.take("p", asked("r2"), LENGTH, NOW - HOUR) == "r1"


def test_each_plan_and_source_has_a_cooldown_in_a_dry_run_too(
    store: Watched, cooldowns: Cooldowns
) -> None:
    assert cooldowns.take("p", asked("r1"), LENGTH, NOW) is None
    assert cooldowns.take("q", asked("r2"), LENGTH, NOW) is None
    assert cooldowns.take("p", asked("r3", share="sales"), LENGTH, NOW) is None
    assert cooldowns.take("p", asked("r4", dryRun=True), LENGTH, NOW) is None
    assert cooldowns.take("p", asked("r5", dryRun=True), LENGTH, NOW) == "r4"
    assert holders(store, "p", dryRun=True) == ["plan~r4"]
    elsewhere_too = asked("r6", target=elsewhere(), priority="emergency", labels={"a": "b"})
    assert cooldowns.take("p", elsewhere_too, LENGTH, NOW) == "r1", "only the source counts"


def test_a_claim_that_others_keep_changing_is_a_conflict_and_no_claim(
    store: Watched, cooldowns: Cooldowns
) -> None:
    store.lose("write_claim", times=1000, error=Conflict)
    with pytest.raises(Conflict):
        cooldowns.take("p", asked("r1"), LENGTH, NOW)
    assert holders(store, "p") == []


@pytest.mark.parametrize("call", ["read_claim", "write_claim"])
def test_an_outage_is_said_and_claims_nothing(
    store: Watched, cooldowns: Cooldowns, call: str
) -> None:
    store.lose(call, times=1)
    with pytest.raises(StoreUnavailable):
        cooldowns.take("p", asked("r1"), LENGTH, NOW)
    assert cooldowns.take("p", asked("r2"), LENGTH, NOW) is None


# A holder whose request is not there, or has come to nothing.


def test_a_cooldown_whose_request_was_never_made_is_the_next_ones_after_a_while(
    store: Watched, cooldowns: Cooldowns, clock: Ticking
) -> None:
    """An instance died between the claim and the record, and its alert never came again."""
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    while_it_may_come = NOW + 15 * MINUTE
    assert cooldowns.holder("p", asked("r2"), LENGTH, while_it_may_come) == "r1"
    assert cooldowns.take("p", asked("r2"), LENGTH, while_it_may_come) == "r1"
    clock.seconds += 6
    later = while_it_may_come + SECOND
    assert cooldowns.holder("p", asked("r2"), LENGTH, later) is None
    assert cooldowns.take("p", asked("r2"), LENGTH, later) is None
    assert cooldowns.take("p", asked("r1"), LENGTH, later) == "r2", "it is folded like the others"


def test_a_cooldown_whose_request_was_made_lasts(store: Watched, cooldowns: Cooldowns) -> None:
    store.insert(ended("p", "r1", Phase.ACCEPTED))
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    assert cooldowns.take("p", asked("r2"), LENGTH, NOW + LENGTH - SECOND) == "r1"


def test_a_copy_of_an_alert_whose_request_failed_keeps_no_cooldown(
    store: Watched, cooldowns: Cooldowns
) -> None:
    failed = ended("p", "r1", Phase.REFUSED)
    store.insert(replace(failed, announced_at=NOW))
    cooldowns.settle(failed, NOW)
    assert cooldowns.take("p", asked("r1"), LENGTH, NOW) is None, "the copy claims it once more"
    assert cooldowns.holder("p", asked("r2"), LENGTH, NOW) is None
    assert cooldowns.take("p", asked("r2"), LENGTH, NOW) is None
    assert holders(store, "p") == ["r2"]


def test_nothing_is_folded_into_a_request_that_came_of_no_plan(
    store: Watched, cooldowns: Cooldowns
) -> None:
    """Somebody used the id of the alert's request for a request of their own."""
    store.insert(replace(ended("p", "r1", Phase.ACCEPTED), plan=None))
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    assert cooldowns.take("p", asked("r2"), LENGTH, NOW) is None


# What an instance remembers.


def test_a_holder_is_believed_for_five_seconds_without_a_look(
    store: Watched, cooldowns: Cooldowns, clock: Ticking
) -> None:
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    assert cooldowns.take("p", asked("r2"), LENGTH, NOW) == "r1"
    looked = len(store.calls.names)
    clock.seconds += 5
    for number in range(STORM):
        assert cooldowns.holder("p", asked(f"a{number}"), LENGTH, NOW) == "r1"
    assert len(store.calls.names) == looked
    clock.seconds += 0.1
    assert cooldowns.holder("p", asked("r3"), LENGTH, NOW) == "r1"
    assert len(store.calls.names) > looked
    looked = len(store.calls.names)
    clock.seconds += 5
    assert cooldowns.holder("p", asked("r4"), LENGTH, NOW) == "r1", "the look counts anew"
    assert len(store.calls.names) == looked


def test_what_is_remembered_folds_a_little_longer_and_never_starts_anything(
    store: Watched, cooldowns: Cooldowns, clock: Ticking
) -> None:
    other = Cooldowns(store, monotonic=clock)
    other.take("p", asked("r1"), LENGTH, NOW)
    assert cooldowns.holder("p", asked("r2"), LENGTH, NOW) == "r1"
    failed = ended("p", "r1", Phase.FAILED)
    store.insert(replace(failed, announced_at=NOW))
    other.settle(failed, NOW)
    assert cooldowns.holder("p", asked("r2"), LENGTH, NOW) == "r1", "for five seconds"
    assert other.take("p", asked("r3"), LENGTH, NOW) is None
    assert cooldowns.holder("p", asked("r4"), LENGTH, NOW) == "r1"
    assert cooldowns.take("p", asked("r4"), LENGTH, NOW) == "r3", "who claims looks"
    clock.seconds += 6
    assert cooldowns.holder("p", asked("r4"), LENGTH, NOW) == "r3"


def test_who_settles_a_request_forgets_it_at_once(store: Watched, cooldowns: Cooldowns) -> None:
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    cooldowns.holder("p", asked("r2"), LENGTH, NOW)
    cooldowns.settle(ended("p", "r1", Phase.FAILED), NOW)
    assert cooldowns.holder("p", asked("r2"), LENGTH, NOW) is None


def test_the_holders_own_alert_is_never_folded_into_it(
    store: Watched, cooldowns: Cooldowns
) -> None:
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    cooldowns.holder("p", asked("r2"), LENGTH, NOW)
    assert cooldowns.holder("p", asked("r1"), LENGTH, NOW) is None


def test_more_cooldowns_than_an_instance_remembers_are_looked_up(
    store: Watched, cooldowns: Cooldowns
) -> None:
    for number in range(1100):
        name = f"p{number}"
        cooldowns.take(name, asked("r1"), LENGTH, NOW)
        assert cooldowns.holder(name, asked("r2"), LENGTH, NOW) == "r1"
    assert cooldowns.holder("p0", asked("r2"), LENGTH, NOW) == "r1"


# How many were folded.


def fold(cooldowns: Cooldowns, plan: str, times: int = 1, *, now: datetime = NOW) -> None:
    for number in range(times):
        another = asked(f"folded-{number}")
        assert cooldowns.holder(plan, another, LENGTH, now) is not None
        cooldowns.count_folded(plan, another)


def test_what_is_folded_is_counted_in_few_writes_and_a_sweep_adds_the_rest(
    store: Watched, cooldowns: Cooldowns, clock: Ticking
) -> None:
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    store.calls.names.clear()
    for _ in range(STORM):
        fold(cooldowns, "p")
        clock.seconds += 0.01
    writes = store.calls.names.count("write_claim")
    assert 8 <= writes <= 12, "about one a second, for ten seconds"
    assert STORM - 100 <= claim_of(store, "p").folded <= STORM
    cooldowns.flush()
    assert claim_of(store, "p").folded == STORM
    assert holders(store, "p") == ["r1"]
    writes = store.calls.names.count("write_claim")
    cooldowns.flush()
    assert store.calls.names.count("write_claim") == writes, "there is nothing to add"


def test_a_single_folded_alert_is_counted_at_once(store: Watched, cooldowns: Cooldowns) -> None:
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    fold(cooldowns, "p")
    assert claim_of(store, "p").folded == 1


def test_instances_that_count_at_once_add_up(instances: Callable[[], Store], plan: str) -> None:
    Cooldowns(instances()).take(plan, asked("r0"), LENGTH, NOW)
    each = [Cooldowns(instances()) for _ in range(3)]

    def act(number: int) -> None:
        for _ in range(5):
            fold(each[number % 3], plan, 10)
            each[number % 3].flush()

    hammer(6, act)
    for cooldowns in each:
        cooldowns.flush()
    assert claim_of(instances(), plan).folded == 6 * 5 * 10
    assert holders(instances(), plan) == ["r0"]


@pytest.mark.parametrize(
    ("call", "error", "times"),
    [
        ("read_claim", StoreUnavailable, 1),
        ("write_claim", StoreUnavailable, 1),
        ("write_claim", Conflict, 3),
        ("write_claim", Conflict, 10),
    ],
)
def test_a_count_that_could_not_be_written_is_added_later(
    store: Watched,
    cooldowns: Cooldowns,
    call: str,
    error: type[Exception],
    times: int,
) -> None:
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    cooldowns.holder("p", asked("r2"), LENGTH, NOW)
    store.lose(call, times=times, error=error)
    fold(cooldowns, "p", 3)
    cooldowns.flush()
    cooldowns.flush()
    assert claim_of(store, "p").folded == 3


def test_a_new_holder_begins_at_none_and_takes_over_no_count(
    store: Watched, cooldowns: Cooldowns
) -> None:
    store.insert(ended("p", "r1", Phase.COMPLETED))
    other = Cooldowns(store, monotonic=Ticking())
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    fold(cooldowns, "p", 5)
    assert other.take("p", asked("r2"), LENGTH, NOW + LENGTH) is None
    assert claim_of(store, "p").folded == 0
    cooldowns.flush()
    assert claim_of(store, "p").folded == 0, "what was folded into the last one is not its"
    fold(cooldowns, "p", 2, now=NOW + LENGTH)
    cooldowns.flush()
    assert claim_of(store, "p").folded == 2


def test_a_cooldown_that_was_given_back_begins_at_none(
    store: Watched, cooldowns: Cooldowns
) -> None:
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    fold(cooldowns, "p", 5)
    cooldowns.settle(ended("p", "r1", Phase.FAILED), NOW)
    cooldowns.flush()
    cooldowns.take("p", asked("r2"), LENGTH, NOW)
    assert (holders(store, "p"), claim_of(store, "p").folded) == (["r2"], 0)


# How a request ends.


@pytest.mark.parametrize(
    ("phase", "parts", "keeps", "is_failure"),
    [
        (Phase.COMPLETED, STARTED, True, False),
        (Phase.COMPLETED_WITH_WARNINGS, STARTED, True, False),
        (Phase.CANCELLED, None, True, False),
        (Phase.CANCELLED, STARTED, True, False),
        (Phase.PLANNED, None, True, False),
        (Phase.FAILED, None, False, True),
        (Phase.FAILED, STARTED, True, True),
        (Phase.FAILED, PERHAPS[:1], True, True),
        (Phase.FAILED, PERHAPS[1:], True, True),
        (Phase.REFUSED, None, False, True),
        (Phase.INDETERMINATE, None, True, True),
        (Phase.INDETERMINATE, PERHAPS, True, True),
    ],
)
def test_only_a_failure_that_started_nothing_gives_the_cooldown_back(
    store: Watched,
    cooldowns: Cooldowns,
    phase: Phase,
    parts: tuple[Part, ...] | None,
    keeps: bool,
    is_failure: bool,
) -> None:
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    record = ended("p", "r1", phase)
    record = replace(record, parts=parts or record.parts)
    store.insert(replace(record, announced_at=NOW))
    for _ in range(2):
        cooldowns.settle(record, NOW)
    assert holders(store, "p") == (["r1"] if keeps else [])
    assert cooldowns.take("p", asked("r2"), LENGTH, NOW) == ("r1" if keeps else None)
    assert failures(store, "p") == (["r1"] if is_failure else [])


def test_what_came_of_no_plan_settles_nothing(store: Watched, cooldowns: Cooldowns) -> None:
    cooldowns.settle(replace(ended("p", "r1", Phase.FAILED), plan=None), NOW)
    assert store.calls.names == []


def test_a_request_that_fails_late_takes_the_cooldown_from_nobody(
    store: Watched, cooldowns: Cooldowns
) -> None:
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    store.insert(ended("p", "r1", Phase.ACCEPTED))
    cooldowns.take("p", asked("r2"), LENGTH, NOW + LENGTH)
    cooldowns.settle(ended("p", "r1", Phase.FAILED), NOW + LENGTH)
    assert holders(store, "p") == ["r2"]


def test_an_end_that_cannot_be_settled_is_said_and_comes_again(
    store: Watched, cooldowns: Cooldowns
) -> None:
    cooldowns.take("p", asked("r1"), LENGTH, NOW)
    store.lose("write_claim", times=11, error=Conflict)
    with pytest.raises(Conflict):
        cooldowns.settle(ended("p", "r1", Phase.FAILED), NOW)
    cooldowns.settle(ended("p", "r1", Phase.FAILED), NOW)
    assert (holders(store, "p"), failures(store, "p")) == ([], ["r1"])


# The breaker.


def fail(cooldowns: Cooldowns, plan: str, request_id: str, at: datetime) -> None:
    cooldowns.settle(ended(plan, request_id, Phase.FAILED, at=at), at)


def test_the_breaker_opens_after_so_many_failures_and_closes_by_itself(
    cooldowns: Cooldowns,
) -> None:
    def stopped(now: datetime) -> datetime | None:
        return cooldowns.stopped_until("p", 3, DAY, now)

    assert stopped(NOW) is None
    for hours in range(2):
        fail(cooldowns, "p", f"r{hours}", NOW + hours * HOUR)
        assert stopped(NOW + hours * HOUR) is None
    fail(cooldowns, "p", "r2", NOW + 2 * HOUR)
    assert stopped(NOW + 2 * HOUR) == NOW + DAY
    assert stopped(NOW + DAY - SECOND) == NOW + DAY
    assert stopped(NOW + DAY) is None
    fail(cooldowns, "p", "r3", NOW + DAY)
    assert stopped(NOW + DAY) == NOW + HOUR + DAY, "until the third last is old enough"
    assert cooldowns.stopped_until("q", 1, DAY, NOW) is None, "each plan has its own"


@pytest.mark.parametrize(
    ("reason", "rule", "counts"),
    [
        (Reason.RECOVERY_POINT_NOT_FOUND, None, False),
        (Reason.RECOVERY_POINT_TOO_OLD, None, False),
        (Reason.PREFLIGHT_FAILED, "recoveryPointTier", False),
        (Reason.PREFLIGHT_FAILED, "target", True),
        (Reason.NOT_ALLOWED, "a-rule/targets", True),
        (Reason.SOURCE_NOT_FOUND, None, True),
    ],
)
def test_a_request_for_which_there_was_no_point_does_not_count(
    cooldowns: Cooldowns, reason: Reason, rule: str | None, counts: bool
) -> None:
    end = End(event=Event.REFUSED_BY_US, reason=reason, message="no", rule=rule)
    cooldowns.settle(replace(ended("p", "r1", Phase.REFUSED), end=end), NOW)
    assert (cooldowns.stopped_until("p", 1, DAY, NOW) is not None) is counts


def test_failures_that_lie_apart_stop_nothing(cooldowns: Cooldowns) -> None:
    for days in range(5):
        fail(cooldowns, "p", f"r{days}", NOW + days * DAY)
        assert cooldowns.stopped_until("p", 2, DAY, NOW + days * DAY) is None


def test_one_failure_is_enough_where_the_plan_says_so(cooldowns: Cooldowns) -> None:
    fail(cooldowns, "p", "r1", NOW)
    assert cooldowns.stopped_until("p", 1, HOUR, NOW + MINUTE) == NOW + HOUR


def test_a_failure_counts_once_and_from_its_end_however_often_it_is_announced(
    instances: Callable[[], Store], plan: str
) -> None:
    record = ended(plan, "r1", Phase.FAILED)
    for later in range(4):
        Cooldowns(instances()).settle(record, NOW + later * HOUR)
    assert failures(instances(), plan) == ["r1"]
    stopped = Cooldowns(instances()).stopped_until(plan, 1, DAY, NOW + 4 * HOUR)
    assert stopped == NOW + DAY


def test_failures_that_are_noted_at_once_all_count(
    instances: Callable[[], Store], plan: str
) -> None:
    def act(number: int) -> None:
        record = ended(plan, f"r{number}", Phase.FAILED)
        while True:
            try:
                Cooldowns(instances()).settle(record, NOW)
            except Conflict:
                continue  # the sweep comes again
            return

    hammer(8, act)
    assert sorted(failures(instances(), plan)) == [f"r{number}" for number in range(8)]


def test_the_latest_ten_failures_are_kept(store: Watched, cooldowns: Cooldowns) -> None:
    for number in range(15):
        fail(cooldowns, "p", f"r{number}", NOW + number * MINUTE)
    assert failures(store, "p") == [f"r{number}" for number in range(5, 15)]
    fail(cooldowns, "p", "r0", NOW)
    assert failures(store, "p") == [f"r{number}" for number in range(5, 15)], "it is older"
    assert cooldowns.stopped_until("p", 10, DAY, NOW + HOUR) == NOW + 5 * MINUTE + DAY


def test_a_breaker_that_cannot_be_read_is_said(store: Watched, cooldowns: Cooldowns) -> None:
    store.lose("read_claim", times=1)
    with pytest.raises(StoreUnavailable):
        cooldowns.stopped_until("p", 3, DAY, NOW)
