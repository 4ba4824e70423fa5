from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from local.host.schedule import Schedule

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday


def after(text: str, moment: datetime = NEW_YEAR) -> str | None:
    found = Schedule.parse(text).after(moment)
    return f"{found:%Y-%m-%d %H:%M:%S}" if found else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * * *", "2026-01-01 00:00:01"),
        ("*/15 * * * * *", "2026-01-01 00:00:15"),
        ("0 */5 * * * *", "2026-01-01 00:05:00"),
        ("*/5 * * * *", "2026-01-01 00:05:00"),
        ("30 20 10 * * *", "2026-01-01 10:20:30"),
        ("0 0 0 1 * *", "2026-02-01 00:00:00"),
        ("0 0 9-17/4 * * mon-fri", "2026-01-01 09:00:00"),
        ("0 0 0 * February Sunday", "2026-02-01 00:00:00"),
        ("0 50/5 * * * *", "2026-01-01 00:50:00"),
        ("0 0 0 29 2 *", "2028-02-29 00:00:00"),
        ("0 0 0 29 2 mon", "2044-02-29 00:00:00"),
    ],
)
def test_the_next_time_matches_all_fields(text: str, expected: str) -> None:
    assert after(text) == expected


def test_a_day_of_the_month_and_a_day_of_the_week_restrict_each_other() -> None:
    # cron would fire on the first Friday.
    assert after("0 0 0 13 * fri") == "2026-02-13 00:00:00"


def test_a_time_that_never_comes_is_none() -> None:
    assert after("0 0 0 31 2 *") is None


def test_a_tick_is_strictly_later_whatever_the_fraction() -> None:
    assert after("* * * * * *", NEW_YEAR + timedelta(microseconds=1)) == "2026-01-01 00:00:01"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * * *",
        "60 * * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * * 13 *",
        "* * * * * 7",
        "a * * * * *",
        "1,,2 * * * * *",
        "@daily",
        "0 0 0 L * *",
        "0 0 0 ? * *",
    ],
)
def test_what_is_no_ncrontab_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no "):
        Schedule.parse(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("0 0 0 * * FRI-MON", "0 0 0 * * 1-5"),
        ("0 0 10-5 * * *", "0 0 5-10 * * *"),
        ("*/0 * * * * *", "* * * * * *"),
        ("0 0 0 1 j *", "0 0 0 1 1 *"),
        ("0 0 0 1 ju *", "0 0 0 1 6 *"),
        ("0 0 0 * * t", "0 0 0 * * 2"),
    ],
)
def test_what_the_real_parser_takes_is_taken(text: str, plain: str) -> None:
    assert Schedule.parse(text) == Schedule.parse(plain)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * * *", True),
        ("*/5 * * * * *", True),
        ("10,20,45 * * * * *", True),
        ("0 * * * * *", False),
        ("30 * * * * *", False),
        ("0 */5 * * * *", False),
        ("* 30 * * * *", False),
        ("* * 12 * * mon", False),
    ],
)
def test_a_schedule_within_a_minute_has_only_its_seconds_restricted(
    text: str, *, expected: bool
) -> None:
    assert Schedule.parse(text).is_within_a_minute is expected


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    # croniter takes 0-0 for a whole week.
    pair = st.lists(number, min_size=2, max_size=2, unique=True).map(sorted)
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.integers(1, 30).map(lambda n: f"*/{n}"),
        pair.map(lambda p: f"{p[0]}-{p[1]}"),
        st.lists(number, min_size=1, max_size=4, unique=True).map(
            lambda values: ",".join(map(str, sorted(values)))
        ),
    )


@given(
    fields=st.tuples(
        field(0, 59), field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)
    ),
    moment=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_it_agrees_with_croniter_where_all_fields_must_match(
    fields: tuple[str, ...], moment: datetime
) -> None:
    text = " ".join(fields)
    oracle = croniter(text, moment, second_at_beginning=True, day_or=False)

    assert Schedule.parse(text).after(moment) == oracle.get_next(datetime)
