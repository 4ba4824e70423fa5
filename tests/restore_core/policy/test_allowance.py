"""How many restores may start: limits, ranks, what is given back, and counts that race.

The counts are kept in the real store, over tables in memory, and on Azurite where real concurrency
is asked for.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Holder, Store
from restore_core.domain.record import OpenRow, RestoreRecord, hash_key
from restore_core.engine.reconciler import Reconciler
from restore_core.errors import Conflict
from restore_core.messages.parsing import read_request
from restore_core.messages.request import RestoreRequest
from restore_core.policy.allowance import Allowance, OverLimit, UsedUp
from restore_core.policy.guards import MAX_STARTS, Guards, Rule
from restore_core.policy.patterns import SHARE
from restore_core.vocabulary import WaitingFor
from tests.simulators.store import MemoryTables, memory_store, rows
from tests.simulators.world import VAULT, Calls, Crash, World, elsewhere, request, with_settings
from tests.threads import hammer

NOW = datetime(2026, 2, 5, 7, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
SECOND = timedelta(seconds=1)
OTHER_VAULT = VAULT.replace("vault1", "vault2")


@pytest.fixture
def store() -> Store:
    return memory_store(MemoryTables())


def counting(store: Store, **settings: Any) -> Allowance:
    """An allowance without a reserve, unless one is given."""
    return Allowance(store, with_settings(**{"emergency_reserve": 0, **settings}))


def a_record(
    request_id: str, *, share: str = "share1", at: datetime = NOW, **fields: Any
) -> RestoreRecord:
    made = read_request(request(request_id, share=share, **fields))
    assert isinstance(made, RestoreRequest)
    return RestoreRecord.accept(made, message_id="m1", requested_at=at, now=at)


def urgent(request_id: str, **fields: Any) -> RestoreRecord:
    """An emergency that a guard has allowed."""
    record = a_record(request_id, priority="emergency", **fields)
    return replace(record, emergency_allowed=True)


def waits(store: Store, record: RestoreRecord, why: WaitingFor = WaitingFor.QUOTA) -> OpenRow:
    """Let a request stand on the work list as one that waits, with the mark that it left where it
    was told to.
    """
    row = OpenRow.of(record.waiting(why), NOW + HOUR)
    store.put_open(row)
    if why is WaitingFor.QUOTA and not record.request.dry_run:
        for name in (record.source_key, hash_key(str(record.request.vault))):
            claim = store.read_claim(f"starts:{name}")
            store.write_claim(replace(claim, wanted=True), claim.holders)
    return row


def woken(store: Store) -> set[str]:
    return {row.key for row in store.open_rows() if row.next_check_at <= NOW}


def counted(store: Store, record: RestoreRecord) -> list[str]:
    return [holder.key for holder in store.read_claim(f"starts:{record.source_key}").holders]


def a_rule(**fields: Any) -> Rule:
    account = f"{VAULT.partition('/providers')[0]}/providers/Microsoft.Storage/storageAccounts/*"
    share = f"{account}/fileServices/default/shares/*"
    return Rule.model_validate(
        {
            "name": "often",
            "vaults": [VAULT],
            "sources": [share],
            "targets": [SHARE.format("*", "*", "*", "*")],
            "originalLocation": "overwrite",
            **fields,
        }
    )


# The limit of a day.


def test_a_share_starts_as_often_as_its_limit_says_and_no_more(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=3)
    for number in range(3):
        assert allowance.take(a_record(f"r{number}"), None, NOW) is None
    assert isinstance(allowance.look(a_record("r3"), None, NOW), UsedUp)
    assert isinstance(allowance.take(a_record("r3"), None, NOW), UsedUp)
    assert counted(store, a_record("r3")) == ["r0", "r1", "r2"]
    assert allowance.take(a_record("r3", share="share2"), None, NOW) is None


def test_looking_counts_nothing(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=1)
    for _ in range(3):
        assert allowance.look(a_record("r1"), None, NOW) is None
    assert counted(store, a_record("r1")) == []


def test_a_start_counts_for_24_hours_and_is_then_dropped_from_the_entity(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=1)
    assert allowance.take(a_record("r1"), None, NOW) is None
    assert isinstance(allowance.take(a_record("r2"), None, NOW + DAY - SECOND), UsedUp)
    assert allowance.take(a_record("r2"), None, NOW + DAY) is None
    assert counted(store, a_record("r2")) == ["r2"]


def test_what_is_old_is_dropped_when_a_start_is_given_back_too(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=2)
    allowance.take(a_record("r1"), None, NOW)
    allowance.take(a_record("r2"), None, NOW + HOUR)
    allowance.give_back(a_record("r2"), NOW + DAY)
    assert counted(store, a_record("r2")) == []


def test_taking_twice_counts_once(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=2)
    for _ in range(3):
        assert allowance.take(a_record("r1"), None, NOW) is None
    assert counted(store, a_record("r1")) == ["r1"]
    assert allowance.take(a_record("r2"), None, NOW) is None


def test_a_start_of_the_day_before_counts_anew(store: Store) -> None:
    """Counted, then held up for a day by something else: now it starts, and not yesterday."""
    allowance = counting(store, daily_limit_per_share=1)
    allowance.take(a_record("r1"), None, NOW)
    assert allowance.take(a_record("r1"), None, NOW + DAY) is None
    assert isinstance(allowance.take(a_record("r2"), None, NOW + DAY + HOUR), UsedUp)


def test_a_limit_of_0_is_off_and_counts_nothing(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=0)
    for number in range(30):
        assert allowance.take(a_record(f"r{number}"), None, NOW) is None
    assert counted(store, a_record("r0")) == []


# Who waits, until when, and behind whom.


def test_what_waits_is_told_its_earliest_start_and_its_position(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=2)
    allowance.take(a_record("r1"), None, NOW)
    allowance.take(a_record("r2"), None, NOW + 2 * HOUR)
    later = NOW + 3 * HOUR

    first = allowance.look(a_record("r3", at=later), None, later)
    waits(store, a_record("r3", at=later))
    second = allowance.look(a_record("r4", at=later), None, later)
    waits(store, a_record("r4", at=later))
    third = allowance.look(a_record("r5", at=later), None, later)

    assert isinstance(first, UsedUp)
    assert first.until == NOW + DAY
    assert first.message == (
        "2 restores of this share were started in the last 24 hours, and 2 may be; the earliest "
        "start is 2026-02-06T07:00:00Z. Position 1."
    )
    assert isinstance(second, UsedUp)
    assert second.until == NOW + DAY + 2 * HOUR
    assert "Position 2." in second.message
    assert isinstance(third, UsedUp)
    assert third.until is None, "nobody knows when those before it will have started"
    assert "others wait before it. Position 3." in third.message


def test_a_better_ranked_waiter_goes_first_when_a_day_has_passed(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=1)
    allowance.take(a_record("r1"), None, NOW)
    first, second = a_record("r2", at=NOW + HOUR), a_record("r3", at=NOW + 2 * HOUR)
    for record in (first, second):
        waits(store, record)
    assert isinstance(allowance.take(second, None, NOW + DAY), UsedUp)
    assert allowance.take(first, None, NOW + DAY) is None


def test_a_newcomer_does_not_take_the_place_that_somebody_waits_for(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=2)
    allowance.take(a_record("r1"), None, NOW)
    waits(store, a_record("r2"))
    assert isinstance(allowance.take(a_record("r3", at=NOW + HOUR), None, NOW + HOUR), UsedUp)
    said = a_record("r5", at=NOW + HOUR, priority="emergency")
    assert isinstance(allowance.take(said, None, NOW + HOUR), UsedUp), "no guard has allowed it"
    assert allowance.take(urgent("r4", at=NOW + HOUR), None, NOW + HOUR) is None


@pytest.mark.parametrize(
    "other",
    [
        {"share": "share2"},
        {"vaultId": OTHER_VAULT},
        {"dryRun": True},
        {"at": NOW + 2 * HOUR},
    ],
    ids=["another share", "another vault", "a dry run", "who came later"],
)
def test_who_is_not_before_it_keeps_nobody_waiting(store: Store, other: dict[str, Any]) -> None:
    allowance = counting(store, daily_limit_per_share=2)
    allowance.take(a_record("r1"), None, NOW)
    waits(store, a_record("r2", **other))
    assert allowance.take(a_record("r3", at=NOW + HOUR), None, NOW + HOUR) is None


def test_who_waits_for_something_else_keeps_nobody_waiting(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=2)
    allowance.take(a_record("r1"), None, NOW)
    waits(store, a_record("r2"), WaitingFor.TARGET_BUSY)
    assert allowance.take(a_record("r3", at=NOW + HOUR), None, NOW + HOUR) is None


def test_who_is_counted_does_not_wait_for_those_who_wait_for_it(store: Store) -> None:
    """It was counted and its process died: an emergency that came meanwhile waits for its place."""
    allowance = counting(store, daily_limit_per_share=2)
    allowance.take(a_record("r1"), None, NOW)
    allowance.take(a_record("r2"), None, NOW)
    waits(store, urgent("r3"))
    assert allowance.look(a_record("r2"), None, NOW) is None
    assert allowance.take(a_record("r2"), None, NOW) is None
    assert isinstance(allowance.look(urgent("r3"), None, NOW), UsedUp)


def test_a_waiting_request_leaves_a_mark_without_which_nobody_searches(
    store: Store,
) -> None:
    allowance, thing = counting(store, daily_limit_per_share=1), a_record("r1").source_key
    assert allowance.take(a_record("r1"), None, NOW) is None
    assert not store.read_claim(f"starts:{thing}").wanted
    assert isinstance(allowance.take(a_record("r2"), None, NOW), UsedUp)
    assert store.read_claim(f"starts:{thing}").wanted
    waits(store, a_record("r2"))
    assert allowance.take(a_record("r2"), None, NOW + DAY) is None
    assert not store.read_claim(f"starts:{thing}").wanted, "nobody else waits"


def test_a_dry_run_leaves_no_mark(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=1)
    allowance.take(a_record("r1"), None, NOW)
    assert isinstance(allowance.look(a_record("r2", dryRun=True), None, NOW), UsedUp)
    assert not store.read_claim(f"starts:{a_record('r1').source_key}").wanted


# The reserve.


@pytest.mark.parametrize(
    ("limit", "reserve", "normal"),
    [(20, 4, 16), (20, 0, 20), (8, 4, 4), (5, 4, 3), (3, 4, 2), (2, 4, 1), (1, 4, 1)],
)
def test_emergencies_may_use_a_reserve_that_is_at_most_half_of_the_limit(
    store: Store, limit: int, reserve: int, normal: int
) -> None:
    allowance = counting(store, daily_limit_per_share=limit, emergency_reserve=reserve)
    for number in range(normal):
        assert allowance.take(a_record(f"r{number}"), None, NOW) is None
    found = allowance.take(a_record("over"), None, NOW)
    assert isinstance(found, UsedUp)
    assert f"and {normal} may be" in found.message
    for number in range(limit - normal):
        assert allowance.take(urgent(f"e{number}"), None, NOW) is None
    assert isinstance(allowance.take(urgent("last"), None, NOW), UsedUp)


def test_what_emergencies_used_of_the_reserve_must_be_free_again_for_the_others(
    store: Store,
) -> None:
    allowance = counting(store, daily_limit_per_share=4, emergency_reserve=2)
    for number in range(4):
        at = NOW + number * HOUR
        assert allowance.take(urgent(f"e{number}"), None, at) is None
    found = allowance.look(a_record("r1"), None, NOW + 4 * HOUR)
    assert isinstance(found, UsedUp)
    # Of four starts and two allowed, three must go.
    assert found.until == NOW + 2 * HOUR + DAY


# The limits of a guard.


def test_a_guards_limit_of_an_hour_refuses_and_names_the_rule(store: Store) -> None:
    allowance, rule = counting(store), a_rule(maxPerHour=2)
    allowance.take(a_record("r1"), rule, NOW)
    allowance.take(a_record("r2"), rule, NOW + HOUR / 2)
    found = allowance.take(a_record("r3"), rule, NOW + HOUR - SECOND)
    assert found == OverLimit(
        rule="often/maxPerHour",
        message="The rule often: at most 2 restores of this share in an hour, and 2 were started.",
    )
    assert allowance.look(a_record("r3"), rule, NOW + HOUR - SECOND) == found
    assert allowance.take(a_record("r3"), rule, NOW + HOUR) is None


def test_a_guards_limit_of_a_day_refuses_and_names_the_rule(store: Store) -> None:
    allowance, rule = counting(store), a_rule(maxPerHour=2, maxPerDay=3)
    for number in range(3):
        allowance.take(a_record(f"r{number}"), rule, NOW + number * HOUR)
    found = allowance.take(a_record("r3"), rule, NOW + DAY - SECOND)
    assert found == OverLimit(
        rule="often/maxPerDay",
        message="The rule often: at most 3 restores of this share in 24 hours, and 3 were started.",
    )
    assert allowance.take(a_record("r3"), rule, NOW + DAY) is None


def test_a_guards_limit_holds_for_emergencies_and_counts_what_others_started(
    store: Store,
) -> None:
    allowance, rule = counting(store), a_rule(maxPerHour=1)
    allowance.take(a_record("r1"), None, NOW)
    assert isinstance(allowance.take(urgent("e1"), rule, NOW), OverLimit)
    assert allowance.take(urgent("e1", share="share2"), rule, NOW) is None


def test_a_guards_limit_holds_where_the_daily_limit_is_off_and_is_given_back(
    store: Store,
) -> None:
    allowance, rule = counting(store, daily_limit_per_share=0), a_rule(maxPerHour=1)
    assert allowance.take(a_record("r1"), rule, NOW) is None
    assert isinstance(allowance.take(a_record("r2"), rule, NOW), OverLimit)
    allowance.give_back(a_record("r1"), NOW)
    assert allowance.take(a_record("r2"), rule, NOW) is None


# The limit of a vault.


def test_a_vaults_limit_holds_beside_that_of_the_share(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=2, daily_limit_per_vault=3)
    for name, share in (("r1", "share1"), ("r2", "share1"), ("r3", "share2")):
        assert allowance.take(a_record(name, share=share), None, NOW) is None
    own = allowance.take(a_record("r4", share="share1"), None, NOW)
    assert isinstance(own, UsedUp)
    assert "of this share" in own.message
    found = allowance.take(a_record("r4", share="share2"), None, NOW)
    assert isinstance(found, UsedUp)
    assert "3 restores of shares in the vault vault1 were started" in found.message
    assert counted(store, a_record("r4", share="share2")) == ["r3"], "the share's count stays"
    elsewhere_ = a_record("r4", share="share2", vaultId=OTHER_VAULT)
    assert allowance.take(elsewhere_, None, NOW) is None


def test_a_vaults_limit_holds_without_one_of_the_share(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=0, daily_limit_per_vault=1)
    assert allowance.take(a_record("r1"), None, NOW) is None
    assert isinstance(allowance.take(a_record("r2", share="share2"), None, NOW), UsedUp)


def test_who_waits_for_its_own_share_keeps_no_other_share_of_the_vault_waiting(
    store: Store,
) -> None:
    allowance = counting(store, daily_limit_per_share=2, daily_limit_per_vault=4)
    for number in range(2):
        allowance.take(a_record(f"r{number}"), None, NOW)
    for number in range(2, 9):
        waits(store, a_record(f"r{number}"))
    assert allowance.take(a_record("s1", share="share2", at=NOW + HOUR), None, NOW) is None


def test_who_waits_for_the_vault_goes_before_who_came_later(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=2, daily_limit_per_vault=2)
    allowance.take(a_record("r1"), None, NOW)
    waits(store, a_record("s1", share="share2"))
    late = a_record("t1", share="share3", at=NOW + HOUR)
    found = allowance.take(late, None, NOW + HOUR)
    assert isinstance(found, UsedUp)
    assert "Position 2." in found.message
    assert allowance.take(a_record("s1", share="share2"), None, NOW + HOUR) is None


# Giving back.


def test_what_is_given_back_can_be_taken_by_another(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=1, daily_limit_per_vault=1)
    allowance.take(a_record("r1"), None, NOW)
    allowance.give_back(a_record("r1"), NOW)
    assert allowance.take(a_record("r2"), None, NOW) is None


def test_giving_back_wakes_the_one_that_waits_first(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=1)
    allowance.take(a_record("r1"), None, NOW)
    waits(store, urgent("another-share", share="share2"))
    waits(store, urgent("for-its-target"), WaitingFor.TARGET_BUSY)
    waits(store, a_record("r2", at=NOW + HOUR))
    waits(store, urgent("r3", at=NOW + 2 * HOUR))
    waits(store, urgent("r4", at=NOW + 3 * HOUR))
    allowance.give_back(a_record("r1"), NOW)
    assert woken(store) == {"r3"}


def test_giving_back_wakes_another_share_that_waits_for_the_vault(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=1, daily_limit_per_vault=1)
    allowance.take(a_record("r1"), None, NOW)
    waits(store, a_record("r2", at=NOW + HOUR))
    waits(store, urgent("s1", share="share2"))
    allowance.give_back(a_record("r1"), NOW)
    assert woken(store) == {"r2", "s1"}


def test_giving_back_what_was_not_taken_changes_nothing_and_wakes_nobody(store: Store) -> None:
    allowance = counting(store, daily_limit_per_share=1)
    allowance.take(a_record("r1"), None, NOW)
    waits(store, a_record("r2"))
    before = store.read_claim(f"starts:{a_record('r1').source_key}")
    allowance.give_back(a_record("r2"), NOW)
    allowance.give_back(a_record("r1", dryRun=True), NOW)
    assert store.read_claim(before.thing) == before
    assert woken(store) == set()


# Sizes.


def test_as_many_starts_as_a_limit_can_be_fit_into_one_entity(
    instances: Callable[[], Store],
) -> None:
    store = instances()
    allowance = counting(store, daily_limit_per_share=MAX_STARTS)
    share = f"share-{uuid.uuid4().hex}"
    ids = [f"{number:04}-{'i' * 123}" for number in range(MAX_STARTS + 1)]
    assert {len(one) for one in ids} == {128}
    last, late = (a_record(one, share=share) for one in ids[-2:])
    claim = store.read_claim(f"starts:{last.source_key}")
    since = NOW.replace(microsecond=123456)
    store.write_claim(claim, [Holder(key=one, request_id=one, since=since) for one in ids[:-2]])
    assert allowance.take(last, None, NOW + HOUR) is None
    assert counted(store, last) == ids[:-1]
    assert isinstance(allowance.take(late, None, NOW + HOUR), UsedUp)


def test_an_hourly_limit_keeps_no_more_starts_than_the_highest_limit(store: Store) -> None:
    allowance, rule = counting(store, daily_limit_per_share=0), a_rule(maxPerHour=MAX_STARTS)
    holders = [
        Holder(key=f"old{number}", request_id="old", since=NOW) for number in range(MAX_STARTS)
    ]
    claim = store.read_claim(f"starts:{a_record('r1').source_key}")
    store.write_claim(claim, holders)
    assert allowance.take(a_record("r1"), rule, NOW + HOUR) is None
    kept = counted(store, a_record("r1"))
    assert len(kept) == MAX_STARTS
    assert kept[-1] == "r1"


# Races.


def test_instances_that_count_at_once_never_exceed_the_limit(
    instances: Callable[[], Store],
) -> None:
    limit, share = 7, f"share-{uuid.uuid4().hex}"
    taken: list[str] = []

    def act(number: int) -> None:
        allowance = counting(instances(), daily_limit_per_share=limit)
        for round_ in range(6):
            record = a_record(f"t{number}-{round_}", share=share)
            while True:
                try:
                    found = allowance.take(record, None, NOW)
                except Conflict:
                    continue  # a sweep comes again
                break
            if found is None:
                taken.append(record.key)

    hammer(5, act)
    assert len(taken) == limit
    assert sorted(counted(instances(), a_record("r", share=share))) == sorted(taken)


def test_instances_that_take_and_give_back_at_once_lose_no_count(
    instances: Callable[[], Store],
) -> None:
    share = f"share-{uuid.uuid4().hex}"
    kept: list[str] = []

    def act(number: int) -> None:
        store = instances()
        allowance = counting(store, daily_limit_per_share=100, daily_limit_per_vault=1000)
        for round_ in range(6):
            record = a_record(f"t{number}-{round_}", share=share)
            taken = False
            while not taken:
                try:
                    taken = allowance.take(record, None, NOW) is None
                    if round_ % 2:
                        allowance.give_back(record, NOW)
                except Conflict:
                    taken = False
            if round_ % 2 == 0:
                kept.append(record.key)

    hammer(4, act)
    store = instances()
    assert sorted(counted(store, a_record("r", share=share))) == sorted(kept)


def starts_of_a_day(world: World) -> int:
    """The most jobs that started within any 24 hours."""
    times = [job.started for job in world.vaults.jobs_by_id.values()]
    return max(sum(timedelta(0) <= time - first < DAY for time in times) for first in times)


def test_two_instances_on_one_storage_never_start_more_than_the_limit() -> None:
    """Each message reaches both at once, and their sweeps overlap."""
    world = World(
        with_settings(daily_limit_per_share=5, emergency_reserve=0, start_limit=timedelta(hours=96))
    )
    apps = [
        Reconciler(
            vaults=world.vaults,
            store=memory_store(world.tables),
            completions=world.queue,
            settings=world.settings,
            monotonic=lambda: 0.0,
        )
        for _ in range(2)
    ]
    for number in range(14):
        message = world.message(
            request(
                f"r{number:02}",
                share="share-1",
                target=elsewhere(f"target-{number}"),
                copyOptions=None,
            )
        )
        hammer(2, lambda at, message=message: apps[at].handle(message, world.now))  # type: ignore[misc]
    assert world.vaults.posts == 5
    while rows(world.tables, "openrestores"):
        assert world.now - NOW < timedelta(hours=80)
        world.pass_time(900)
        hammer(2, lambda at: apps[at].sweep(world.now))
    assert world.vaults.posts == 14
    assert starts_of_a_day(world) == 5
    assert {record.phase for record in world.records()} == {Phase.COMPLETED}
    # Two instances that announce one end at once may both send its event, with the same bytes.
    assert len(set(world.queue.sent)) == 14


def test_a_count_that_others_change_again_and_again_is_taken_at_a_later_sweep() -> None:
    world = World()
    world.send(request("r0"))
    store = memory_store(world.tables)
    busy = [True]

    def meddle(_number: int, name: str) -> None:
        if name == "table.write_claim" and busy:
            claim = store.read_claim(f"starts:{a_record('r1', share='share-r0').source_key}")
            store.write_claim(claim, claim.holders)

    world.calls.during = meddle
    target = elsewhere()
    world.send(request("r1", share="share-r0", target=target, copyOptions=None))
    assert world.vaults.posts == 1
    assert world.record("r1").phase is Phase.ACCEPTED
    busy.clear()
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    assert world.vaults.posts == 2


# Crashes.


def crash_after_the_count(world: World, name: str, **fields: Any) -> None:
    """Let a process die between the count of a start and the intent to send it."""
    calls = Calls()
    world.start(calls)
    writes = [0]

    def second(number: int, call: str) -> None:
        # The target is claimed first, under two keys, and the start is counted then.
        if call == "table.write_claim":
            writes[0] += 1
            calls.crash_after = number if writes[0] == 3 else None

    calls.during = second
    with pytest.raises(Crash):
        world.send(request(name, share="share-1", **fields))
    assert calls.names[-1] == "table.write_claim"
    world.start()


def test_a_crash_after_the_count_and_before_the_intent_counts_once() -> None:
    world = World(with_settings(daily_limit_per_share=2, emergency_reserve=0))
    crash_after_the_count(world, "r1")
    assert world.vaults.posts == 0
    assert world.holders()["starts"] == ["r1"]
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    assert world.holders() == {"starts": ["r1"]}
    world.send(request("r2", share="share-1"))
    assert world.record("r2").phase is Phase.OPERATION_PENDING


def test_a_count_of_a_crash_is_given_back_when_the_request_ends_otherwise() -> None:
    world = World(with_settings(daily_limit_per_share=1))
    crash_after_the_count(world, "r1", startDeadline="PT1H")
    world.pass_time(3600)
    world.sweep_until_quiet()
    assert world.end_of("r1")["reason"] == "StartDeadlineExceeded"
    assert world.holders() == {}


def test_an_emergency_that_waits_for_a_crashed_one_does_not_hold_it_up() -> None:
    world = World(with_settings(daily_limit_per_share=2, emergency_reserve=0))
    world.send(request("r0", share="share-1", target=elsewhere("target-0")))
    crash_after_the_count(world, "r1")
    fields: dict[str, Any] = {"target": elsewhere(), "priority": "emergency"}
    world.send(request("r2", share="share-1", **fields))
    assert world.record("r2").waiting_for is WaitingFor.QUOTA
    world.sweep(after=60)
    assert world.record("r1").phase is Phase.OPERATION_PENDING


# What a request does with its count.


def test_a_start_is_counted_once_the_target_is_claimed_and_not_before() -> None:
    world = World()
    world.vaults.job_seconds = 600
    world.send(request("r1", target=elsewhere()))
    world.send(request("r2", target=elsewhere()))
    assert world.record("r2").waiting_for is WaitingFor.TARGET_BUSY
    assert world.holders() == {"target": ["r1"], "starts": ["r1"]}


def test_who_is_over_the_limit_gives_the_target_back() -> None:
    world = World(with_settings(daily_limit_per_share=1))
    world.send(request("r1"))
    world.sweep_until_quiet()
    world.send(request("r2", share="share-r1", target=elsewhere()))
    record = world.record("r2")
    assert record.waiting_for is WaitingFor.QUOTA
    assert world.holders() == {"starts": ["r1"]}


def test_a_guards_limit_refuses_on_the_whole_way_and_names_the_rule() -> None:
    guards = Guards.model_validate({"schemaVersion": "1.0", "rules": [a_rule(maxPerHour=2)]})
    world = World(guards=guards)
    for number in range(3):
        world.send(request(f"r{number}", share="share-1", target=elsewhere(f"target-{number}")))
    end = world.end_of("r2")
    assert (end["phase"], end["reason"], end["rule"]) == (
        "Refused",
        "NotAllowed",
        "often/maxPerHour",
    )
    assert "and 2 were started" in end["message"]
    world.sweep_until_quiet()
    assert world.vaults.posts == 2
    world.pass_time(3600)
    world.send(request("r3", share="share-1", target=elsewhere("target-3")))
    world.sweep_until_quiet()
    assert world.end_of("r3")["phase"] == "Completed"
