"""Times and durations in messages and events: RFC 3339 times and ISO 8601 durations.

The clock is never read here; `now` is always passed in. The service writes times in another form,
which `azure_backup/wire.py` reads.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_DURATION = re.compile(
    r"P(?=[\dT])(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,10})(?:\.(\d{1,6}))?S)?)?",
    re.ASCII,
)
MAX_DURATION = timedelta(days=36500)


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time with a zone as aware UTC; raises `ValueError` with what to change."""
    if not _TIME.fullmatch(text):
        raise ValueError("must be an RFC 3339 time with a zone, such as 2026-02-05T07:43:47Z")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is not a time that exists") from None


def format_time(time: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC: `…Z`, with a fraction only if it has one."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_duration(text: str) -> timedelta:
    """Read a positive ISO 8601 duration of days down to seconds; raises `ValueError`."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(
            "must be an ISO 8601 duration of days, hours, minutes and seconds, such as P1DT12H"
        )
    days, hours, minutes, seconds, fraction = match.groups()
    duration = timedelta(
        days=int(days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0),
        microseconds=int(((fraction or "") + "000000")[:6]),
    )
    if not timedelta(0) < duration <= MAX_DURATION:
        raise ValueError(f"must be longer than nothing and at most {MAX_DURATION.days} days")
    return duration


def format_duration(duration: timedelta) -> str:
    """Write a duration as ISO 8601 seconds, so that each duration has one spelling."""
    return f"PT{duration.total_seconds():f}".rstrip("0").rstrip(".") + "S"
