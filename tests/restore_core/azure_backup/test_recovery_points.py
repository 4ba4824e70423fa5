"""Which recovery point is chosen: the newest that can serve, and what is said of newer ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.azure_backup.recovery_points import choose
from restore_core.domain.ports import ChosenPoint
from restore_core.domain.vault import RecoveryPoint, Tier
from restore_core.errors import LookupFailed
from restore_core.vocabulary import Reason
from tests.restore_core.given import NOW, Json, request_of


def point(day: int, **more: Any) -> RecoveryPoint:
    given_time = more.pop("time", datetime(2026, 4, day, 7, tzinfo=UTC))
    return RecoveryPoint(id=more.pop("id", f"{day}"), time=given_time, **more)


POINTS = [point(day) for day in (3, 1, 2, 9, 8, 7, 6)]


def chosen_of(points: list[RecoveryPoint], **wanted: str) -> RecoveryPoint:
    request = request_of(recoveryPoint=wanted)
    return choose(points, request, requested_at=NOW, now=NOW).point


def refused(points: list[RecoveryPoint], **wanted: str) -> LookupFailed:
    with pytest.raises(LookupFailed) as raised:
        chosen_of(points, **wanted)
    return raised.value


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2026-04-03T07:00:00Z", 3),
        ("2026-04-03T09:00:00+02:00", 3),
        ("2026-04-03T06:59:59.999999Z", 2),
        ("2026-04-03T07:00:00.000001Z", 3),
        ("2026-04-05T00:00:00Z", 3),
        ("2026-04-01T07:00:00Z", 1),
        ("2030-01-01T00:00:00Z", 9),
    ],
)
def test_latest_before_is_the_newest_at_or_before_a_time(time: str, day: int) -> None:
    assert chosen_of(POINTS, select="latestBefore", time=time) == point(day)


def test_none_before_a_time_names_the_nearest() -> None:
    error = refused(POINTS, select="latestBefore", time="2026-04-01T06:59:59Z")
    assert error.reason == Reason.RECOVERY_POINT_NOT_FOUND
    assert str(error) == (
        "The item has no recovery point at or before 2026-04-01T06:59:59Z. It has 7, from "
        "2026-04-01T07:00:00Z to 2026-04-09T07:00:00Z, among them 1 of 2026-04-01T07:00:00Z, "
        "2 of 2026-04-02T07:00:00Z, 7 of 2026-04-07T07:00:00Z, 8 of 2026-04-08T07:00:00Z, "
        "9 of 2026-04-09T07:00:00Z."
    )


def test_an_id_is_found_and_a_missing_one_says_what_there_is() -> None:
    assert chosen_of(POINTS, id="8") == point(8)
    error = refused(POINTS[:2], id="4")
    assert error.reason == Reason.RECOVERY_POINT_NOT_FOUND
    assert "no recovery point with the id 4. It has 2, from" in str(error)
    assert "1 of 2026-04-01T07:00:00Z, 3 of 2026-04-03T07:00:00Z." in str(error)


@pytest.mark.parametrize(
    "wanted",
    [
        {"id": "1"},
        {"select": "latest"},
        {"select": "latestBefore", "time": "2026-05-01T00:00:00Z"},
    ],
)
def test_an_item_without_points_says_so(wanted: dict[str, str]) -> None:
    error = refused([], **wanted)
    assert error.reason == Reason.RECOVERY_POINT_NOT_FOUND
    assert "its list of recovery points is empty" in str(error)
    error = refused([point(1, soft_deleted=True)], **wanted)
    assert error.reason == Reason.RECOVERY_POINT_NOT_FOUND
    assert "1 of 2026-04-01T07:00:00Z (soft-deleted)" in str(error)


def test_a_point_without_a_time_can_be_named_and_is_never_the_latest() -> None:
    undated = point(5, time=None, id="55")
    assert chosen_of([undated, *POINTS], id="55") == undated
    assert chosen_of([undated, *POINTS], select="latest") == point(9)


def test_points_of_the_same_moment_are_told_apart_the_same_way_every_time() -> None:
    twins = [point(9, id="91"), point(9, id="92")]
    assert chosen_of(twins, select="latest") == chosen_of(twins[::-1], select="latest")


@pytest.mark.parametrize(
    ("max_age", "good"), [("P24DT1H", True), ("P24DT59M59S", False), ("P1D", False)]
)
def test_a_point_older_than_the_longest_age_is_refused(max_age: str, good: bool) -> None:
    wanted: list[dict[str, str]] = [
        {"select": "latest", "maxAge": max_age},
        {"select": "latestBefore", "time": "2026-05-01T00:00:00Z", "maxAge": max_age},
    ]
    requested_at = datetime(2026, 5, 3, 8, tzinfo=UTC)  # 24 days and an hour after the newest
    for one in wanted:
        request = request_of(recoveryPoint=one)
        if good:
            assert choose(
                POINTS, request, requested_at=requested_at, now=requested_at
            ).point == point(9)
        else:
            with pytest.raises(LookupFailed) as raised:
                choose(POINTS, request, requested_at=requested_at, now=requested_at)
            assert raised.value.reason == Reason.RECOVERY_POINT_TOO_OLD
            assert "9 of 2026-04-09T07:00:00Z" in str(raised.value)
            assert "2026-05-03T08:00:00Z" in str(raised.value)


@given(st.permutations(POINTS), st.integers(0, 30 * 24))
def test_no_usable_point_lies_between_the_chosen_one_and_the_time(
    points: list[RecoveryPoint], hours: int
) -> None:
    limit = datetime(2026, 4, 1, 7, tzinfo=UTC) + timedelta(hours=hours)
    chosen = chosen_of(points, select="latestBefore", time=limit.isoformat())
    assert chosen.time is not None
    assert chosen.time <= limit
    assert all(
        one.time <= chosen.time or one.time > limit for one in points if one.time is not None
    )


# What cannot be used is passed over.

SNAPSHOT = Tier(kind="InstantRP", status="Valid")
GONE = Tier(kind="InstantRP", status="Deleted")
BROKEN = Tier(kind="HardenedRP", status="Invalid")
VAULTED = Tier(kind="HardenedRP", status="Valid")
_NO_SNAPSHOT = (
    "it is kept in the vault alone (InstantRP Deleted, HardenedRP Valid), and a snapshot is needed"
)
BACK: Json = {"target": {"location": "original"}, "copyOptions": "Overwrite"}
ITEMS: Json = {"items": [{"path": "a", "type": "Directory"}]}
SKIPPING: Json = {"copyOptions": "Skip"}
LATEST: Json = {"select": "latest"}
BEFORE: Json = {"select": "latestBefore", "time": "2026-05-01T00:00:00Z"}


def newest_of(points: list[RecoveryPoint], wanted: Json = LATEST, **request: Any) -> ChosenPoint:
    asked = request_of(recoveryPoint=wanted, **request)
    return choose(points, asked, requested_at=NOW, now=NOW)


@pytest.mark.parametrize("wanted", [LATEST, BEFORE])
@pytest.mark.parametrize(
    ("broken", "request_fields", "why"),
    [
        (point(9, tiers=(GONE,)), {}, "no copy of it can be used (InstantRP Deleted)"),
        (
            point(9, tiers=(GONE, BROKEN)),
            {},
            "no copy of it can be used (InstantRP Deleted, HardenedRP Invalid)",
        ),
        (point(9, soft_deleted=True), {}, "it is soft-deleted"),
        *(
            (
                point(9, tiers=(GONE, VAULTED)),
                fields,
                _NO_SNAPSHOT,
            )
            for fields in (BACK, ITEMS, SKIPPING)
        ),
    ],
)
def test_a_newer_point_that_cannot_be_used_is_passed_over_and_told(
    broken: RecoveryPoint, request_fields: Json, why: str, wanted: Json
) -> None:
    chosen = newest_of([broken, point(7, tiers=(SNAPSHOT,)), point(8)], wanted, **request_fields)
    assert chosen.point == point(8)
    assert chosen.passed_over == (
        f"The recovery point 9 of 2026-04-09T07:00:00Z was passed over: {why}.",
    )


@pytest.mark.parametrize("tiers", [(), (SNAPSHOT, BROKEN), (VAULTED, SNAPSHOT), (VAULTED,)])
def test_a_point_that_can_serve_is_taken(tiers: tuple[Tier, ...]) -> None:
    chosen = newest_of([point(8), point(9, tiers=tiers)])
    assert (chosen.point.id, chosen.passed_over) == ("9", ())


@pytest.mark.parametrize("wanted", [LATEST, BEFORE, BEFORE | {"time": "9999-01-01T00:00:00Z"}])
def test_a_point_of_the_future_is_never_the_newest(wanted: Json) -> None:
    ahead = point(1, id="99", time=datetime(9998, 1, 1, tzinfo=UTC))
    now = point(1, id="10", time=NOW)
    chosen = newest_of([ahead, now, point(9)], wanted)
    if wanted is BEFORE:
        assert (chosen.point.id, chosen.passed_over) == ("9", ())
        return
    assert chosen.point == now
    assert chosen.passed_over == (
        "The recovery point 99 of 9998-01-01T00:00:00Z was passed over: it is dated in the future.",
    )


def test_what_lies_after_the_time_asked_for_is_not_passed_over() -> None:
    chosen = newest_of(
        [point(9, tiers=(GONE,)), point(3)], BEFORE | {"time": "2026-04-05T00:00:00Z"}
    )
    assert (chosen.point, chosen.passed_over) == (point(3), ())


def test_of_many_that_were_passed_over_some_are_told() -> None:
    broken = [point(day, tiers=(GONE,)) for day in range(2, 21)]
    chosen = newest_of([point(1), *broken])
    assert chosen.point == point(1)
    assert len(chosen.passed_over) == 6
    assert chosen.passed_over[0].startswith("The recovery point 20 of ")
    assert chosen.passed_over[-1] == "14 more recovery points were passed over."


def test_where_none_can_serve_the_newest_of_the_past_is_left_to_the_checks() -> None:
    ahead = point(1, id="99", time=datetime(9998, 1, 1, tzinfo=UTC))
    deleted = point(10, soft_deleted=True)
    chosen = newest_of([point(8, tiers=(BROKEN,)), point(9, tiers=(GONE,)), ahead, deleted])
    assert chosen.point.id == "9"
    assert [told[19:21].strip() for told in chosen.passed_over] == ["99", "10"]


def test_points_of_the_future_alone_are_none_at_all() -> None:
    error = refused([point(1, id="99", time=datetime(9998, 1, 1, tzinfo=UTC))], select="latest")
    assert error.reason is Reason.RECOVERY_POINT_NOT_FOUND
    assert "99 of 9998-01-01T00:00:00Z" in str(error)


def test_a_usable_point_that_is_too_old_tells_of_the_newer_ones() -> None:
    points = [point(1), point(9, tiers=(GONE,))]
    error = refused(points, select="latest", maxAge="P28D")
    assert error.reason is Reason.RECOVERY_POINT_TOO_OLD
    assert "The recovery point 1 of 2026-04-01T07:00:00Z" in str(error)
    assert "The recovery point 9 of 2026-04-09T07:00:00Z was passed over" in str(error)


def test_a_point_that_is_named_is_taken_whatever_it_is() -> None:
    broken = point(9, tiers=(GONE,))
    assert newest_of([point(8), broken], {"id": "9"}) == ChosenPoint(
        point=broken, why="named by its id"
    )
