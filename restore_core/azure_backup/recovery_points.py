"""Which recovery point a request means: the named one, or the newest that can serve it.

Knows that a newer point is passed over where it cannot be used, or lies in the future, and that
this is told. Refuses to know how the list is read; its own order means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from restore_core.domain.ports import ChosenPoint
from restore_core.domain.usable_points import why_unusable
from restore_core.domain.vault import RecoveryPoint
from restore_core.errors import LookupFailed
from restore_core.messages.request import (
    LatestPoint,
    LatestPointBefore,
    PointById,
    RestoreRequest,
)
from restore_core.times import format_duration, format_time
from restore_core.vocabulary import Reason

_MAX_TOLD = 5
"""Of the points that were passed over: a year of broken ones would fill the event."""


def choose(
    points: Sequence[RecoveryPoint],
    request: RestoreRequest,
    *,
    requested_at: datetime,
    now: datetime,
) -> ChosenPoint:
    """Choose a recovery point; the list's own order means nothing. Raises `LookupFailed`."""
    wanted = request.recovery_point
    match wanted:
        case PointById(id=point_id):
            return _named(points, point_id)
        case LatestPoint(max_age=max_age):
            what, limit = "", None
        case LatestPointBefore(time=limit, max_age=max_age):
            what = f" at or before {format_time(limit)}"
        case _ as never:
            assert_never(never)
    newest = _newest(points, request, limit=limit, now=now)
    if newest is None:
        raise _none(f"recovery point{what}", points)
    if max_age is not None and requested_at - newest.time > max_age:
        passed = " ".join(("", *newest.passed_over))
        raise LookupFailed(
            f"The recovery point {newest.point.id} of {format_time(newest.time)}, the newest"
            f"{what} that can be used, is older than the maxAge of {format_duration(max_age)} "
            f"before {format_time(requested_at)}.{passed}",
            reason=Reason.RECOVERY_POINT_TOO_OLD,
        )
    why = f"the newest of {newest.among}{what}"
    return ChosenPoint(point=newest.point, why=why, passed_over=newest.passed_over)


@dataclass(frozen=True, kw_only=True)
class _Newest:
    """The newest point that can serve, and what is said of those that are newer."""

    point: RecoveryPoint
    time: datetime
    among: int
    passed_over: tuple[str, ...] = ()


def _newest(
    points: Sequence[RecoveryPoint],
    request: RestoreRequest,
    *,
    limit: datetime | None,
    now: datetime,
) -> _Newest | None:
    """Find the newest point that can serve; `None` where there is no point of the past.

    Where none can serve, it is the newest of those that are kept: the checks refuse it and say what
    to change.
    """
    kept = [point for point in points if not point.soft_deleted]
    passed: list[str] = []
    first: _Newest | None = None
    for time, point in reversed(_dated(points)):
        if limit is not None and time > limit:
            continue
        why = "it is dated in the future" if time > now else why_unusable(point, request)
        if why is None:
            told = _told(passed)
            return _Newest(point=point, time=time, among=len(kept), passed_over=told)
        name = f"The recovery point {point.id} of {format_time(time)}"
        passed.append(f"{name} was passed over: {why}.")
        if first is None and time <= now and not point.soft_deleted:
            first = _Newest(point=point, time=time, among=len(kept), passed_over=_told(passed[:-1]))
    return first


def _told(passed: Sequence[str]) -> tuple[str, ...]:
    if len(passed) <= _MAX_TOLD:
        return tuple(passed)
    more = f"{len(passed) - _MAX_TOLD} more recovery points were passed over."
    return (*passed[:_MAX_TOLD], more)


def _named(points: Sequence[RecoveryPoint], point_id: str) -> ChosenPoint:
    # Ids are unique, so a point without a readable time can still be meant.
    for point in points:
        if point.id == point_id and not point.soft_deleted:
            return ChosenPoint(point=point, why="named by its id")
    raise _none(f"recovery point with the id {point_id}", points)


def _none(wanted: str, points: Sequence[RecoveryPoint]) -> LookupFailed:
    """Say what there is, where what was asked for is not."""
    dated = _dated(points)
    if not dated:
        text = f"The item has no {wanted}; its list of recovery points is empty."
    else:
        some = [*dated[:2], *dated[-3:]] if len(dated) > 5 else dated
        near = ", ".join(
            f"{point.id} of {format_time(at)}{' (soft-deleted)' if point.soft_deleted else ''}"
            for at, point in some
        )
        text = (
            f"The item has no {wanted}. It has {len(dated)}, from {format_time(dated[0][0])} to "
            f"{format_time(dated[-1][0])}, among them {near}."
        )
    return LookupFailed(text, reason=Reason.RECOVERY_POINT_NOT_FOUND)


def _dated(points: Sequence[RecoveryPoint]) -> list[tuple[datetime, RecoveryPoint]]:
    """Return the points whose time is known, oldest first."""
    dated = ((point.time, point) for point in points if point.time is not None)
    return sorted(dated, key=lambda pair: (pair[0], pair[1].id))
