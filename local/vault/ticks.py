"""Time as the service writes it.

The service counts in ticks of 100 ns, so its times have up to seven fractional digits with the
trailing zeros cut. Python's datetime holds six, so a time here is an `int`: ticks since 1970.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

TICKS_PER_SECOND = 10_000_000
NEVER = "0001-01-01T00:00:00"
"""The `endTime` of an operation in progress: the .NET zero time, without a zone."""


def now_ticks() -> int:
    """The host's clock, in ticks since 1970."""
    return time.time_ns() // 100


def from_datetime(moment: datetime) -> int:
    """Ticks of an aware datetime."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10


def to_datetime(ticks: int) -> datetime:
    """The aware datetime of a time; the seventh digit is lost."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)


def span(seconds: float) -> int:
    """A length of time in ticks."""
    return round(seconds * TICKS_PER_SECOND)


def _fraction(ticks: int) -> str:
    digits = f"{ticks % TICKS_PER_SECOND:07d}".rstrip("0")
    return f".{digits}" if digits else ""


def rfc3339(ticks: int) -> str:
    """`2026-09-21T07:07:56.7589257Z`: zero to seven digits."""
    return to_datetime(ticks).strftime("%Y-%m-%dT%H:%M:%S") + _fraction(ticks) + "Z"


def iso_duration(ticks: int) -> str:
    """`PT33.1074771S`, `PT1M6.7008547S`, `PT1H0.5S`, `P1DT2S`: .NET's XmlConvert form."""
    ticks = max(ticks, 0)
    minutes, seconds = divmod(ticks // TICKS_PER_SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    rest = _fraction(ticks)
    clock = (
        (f"{hours}H" if hours else "")
        + (f"{minutes}M" if minutes else "")
        + (f"{seconds}{rest}S" if seconds or rest else "")
    )
    text = (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
    return f"P{text}" if text else "PT0S"


def us_text(ticks: int) -> str:
    """`2/18/2021 5:45:36 AM`: the property bag's form, unpadded, without a zone."""
    moment = to_datetime(ticks)
    hour = moment.hour % 12 or 12
    half = "AM" if moment.hour < 12 else "PM"
    return (
        f"{moment.month}/{moment.day}/{moment.year} "
        f"{hour}:{moment.minute:02d}:{moment.second:02d} {half}"
    )


def parse_rfc3339(text: str) -> int:
    """Ticks of a time with a zone; raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return from_datetime(moment)
