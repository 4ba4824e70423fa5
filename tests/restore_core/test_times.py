from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.times import (
    MAX_DURATION,
    format_duration,
    format_time,
    parse_duration,
    parse_time,
)

ZONES = st.integers(min_value=-23 * 60, max_value=23 * 60).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-02-05T07:43:47Z", "2026-02-05T07:43:47Z"),
        ("2026-02-05t07:43:47z", "2026-02-05T07:43:47Z"),
        ("2026-02-05 07:43:47Z", "2026-02-05T07:43:47Z"),
        ("2026-02-05T09:43:47+02:00", "2026-02-05T07:43:47Z"),
        ("2026-02-05T02:13:47-05:30", "2026-02-05T07:43:47Z"),
        ("2026-02-05T07:43:47-00:00", "2026-02-05T07:43:47Z"),
        ("2026-02-05T07:43:47.5Z", "2026-02-05T07:43:47.500000Z"),
        ("2026-02-05T07:43:47.1234567Z", "2026-02-05T07:43:47.123456Z"),
        ("2026-02-05T07:43:47.123456789Z", "2026-02-05T07:43:47.123456Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_read_as_utc_and_written_in_one_spelling(text: str, same: str) -> None:
    time = parse_time(text)
    assert time.tzinfo is UTC
    assert format_time(time) == same


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-02-05", "2026-02-05T07:43:47", "2026-02-05T07:43Z", "20260205T074347Z"),
        *("2026-02-05T07:43:47+0200", "2026-02-05T07:43:47 Z", "2026-02-05T07:43:47.Z"),
        *("2026-02-05T07:43:47.1234567890Z", " 2026-02-05T07:43:47Z", "2026-02-05T07:43:47Z\n"),
        *("\u0662026-02-05T07:43:47Z", "1770277427", "2026-W06-4T07:43:47Z"),
    ],
)
def test_what_is_no_rfc_3339_time_says_how_one_looks(text: str) -> None:
    with pytest.raises(ValueError, match="must be an RFC 3339 time with a zone"):
        parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z"),
        *("2026-02-05T24:00:01Z", "2026-02-05T07:60:00Z", "2026-02-05T07:43:61Z"),
        *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"),
        "2026-02-05T07:43:47+24:00",
    ],
)
def test_a_time_that_does_not_exist_is_no_crash(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time that exists"):
        parse_time(text)


@given(st.datetimes(timezones=ZONES).filter(lambda time: 1 < time.year < 9999))
def test_a_written_time_is_read_as_the_same_moment(time: datetime) -> None:
    assert parse_time(format_time(time)) == time
    assert parse_time(time.isoformat()) == time


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("P1D", timedelta(days=1)),
        ("PT24H", timedelta(days=1)),
        ("P1DT12H", timedelta(hours=36)),
        ("PT4H", timedelta(hours=4)),
        ("PT90M", timedelta(minutes=90)),
        ("PT1H30M", timedelta(minutes=90)),
        ("PT0.5S", timedelta(milliseconds=500)),
        ("PT1M0.000001S", timedelta(seconds=60, microseconds=1)),
        ("P0DT1S", timedelta(seconds=1)),
        ("P36500D", MAX_DURATION),
    ],
)
def test_durations_of_days_hours_minutes_and_seconds(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        *("", "P", "PT", "P1", "P1DT", "1D", "P1Y", "P1M", "P1W", "PT1H1H", "PT1S1M", "-PT1H"),
        *("P-1D", "P1.5D", "PT1.H", "PT.5S", "PT1.1234567S", "p1d", "PT1H ", "PT1H\n", "PT\u0661H"),
        *("P1H", "PT1D", "4 hours", "P1234567D"),
    ],
)
def test_any_other_duration_says_how_one_looks(text: str) -> None:
    with pytest.raises(ValueError, match="must be an ISO 8601 duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["P0D", "PT0S", "PT0.0S", "P36500DT1S", "P999999D"])
def test_a_duration_is_positive_and_no_longer_than_a_life(text: str) -> None:
    with pytest.raises(ValueError, match="longer than nothing and at most 36500 days"):
        parse_duration(text)


@given(st.timedeltas(min_value=timedelta(microseconds=1), max_value=MAX_DURATION))
def test_a_written_duration_is_read_as_the_same(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(alphabet="PT0123456789DHMSZ:-+. ") | st.text())
def test_any_text_is_a_time_a_duration_or_a_value_error(text: str) -> None:
    for parse in (parse_time, parse_duration):
        with contextlib.suppress(ValueError):
            assert parse(text)
