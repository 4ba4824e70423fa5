"""When a request is looked at again: never later than the limits, whatever an answer asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.domain.lifecycle import Phase
from restore_core.domain.record import OpenRow, RestoreRecord
from restore_core.engine.schedule import (
    LONGEST_WAIT,
    back_off,
    delayed,
    may_rest,
    next_list,
    next_look,
)
from restore_core.errors import ArmAnswer, NoAnswer
from restore_core.settings import Settings, Storage
from tests.restore_core.given import NOW, request_of

SETTINGS = Settings(storage=Storage(connection_string="UseDevelopmentStorage=true"))
RECORD = RestoreRecord.accept(request_of(), message_id="m", requested_at=NOW, now=NOW)


@given(failures=st.integers(min_value=0, max_value=10**6))
def test_the_wait_grows_with_the_failures_up_to_the_longest(failures: int) -> None:
    wait = back_off(replace(RECORD, failures=failures), SETTINGS, NOW) - NOW
    whole = min(SETTINGS.retry_base * 2 ** min(failures, 20), SETTINGS.retry_max, LONGEST_WAIT)
    assert whole * 0.75 <= wait <= whole


def test_a_hold_is_waited_for_but_looked_at_meanwhile() -> None:
    soon = replace(RECORD, hold_until=NOW + timedelta(minutes=2))
    assert back_off(soon, SETTINGS, NOW) == NOW + timedelta(minutes=2)
    late = replace(RECORD, hold_until=NOW + timedelta(hours=3))
    assert back_off(late, SETTINGS, NOW) == NOW + LONGEST_WAIT


def test_a_failed_look_is_counted_and_its_retry_after_kept() -> None:
    asked = delayed(RECORD, ArmAnswer(status=429, retry_after=timedelta(minutes=9)), NOW)
    assert (asked.failures, asked.hold_until) == (1, NOW + timedelta(minutes=9))
    again = delayed(asked, NoAnswer("timed out"), NOW)
    assert (again.failures, again.hold_until) == (2, asked.hold_until)


def test_a_running_job_is_looked_at_within_the_hour() -> None:
    asked = delayed(RECORD, ArmAnswer(status=503, retry_after=timedelta(hours=9)), NOW)
    assert asked.hold_until == NOW + timedelta(hours=1)


@pytest.mark.parametrize("failures", [0, 1, 2, 3, 7, 1000])
def test_looks_get_rarer_up_to_the_rhythm_of_the_job(failures: int) -> None:
    wait = next_look(replace(RECORD, failures=failures), SETTINGS, NOW) - NOW
    later = next_look(replace(RECORD, failures=failures + 1), SETTINGS, NOW) - NOW
    assert SETTINGS.operation_poll <= wait <= later
    assert later <= max(SETTINGS.job_poll, SETTINGS.operation_poll)


def test_an_unsettled_try_is_looked_for_often_within_its_grace() -> None:
    grace = timedelta(minutes=10)
    assert next_list(replace(SETTINGS, adoption_grace=grace), NOW) == NOW + timedelta(minutes=1)
    endless = replace(SETTINGS, adoption_grace=timedelta(days=1))
    assert next_list(endless, NOW) == NOW + LONGEST_WAIT


def test_requests_rest_half_the_longest_wait_to_all_of_it() -> None:
    row = OpenRow.of(replace(RECORD, phase=Phase.JOB_IN_PROGRESS), NOW)
    rows = [replace(row, key=f"r{number}") for number in range(100)]
    assert all(may_rest(one, NOW + LONGEST_WAIT * 0.49) for one in rows)
    middle = [may_rest(one, NOW + LONGEST_WAIT * 0.75) for one in rows]
    assert 20 < sum(middle) < 80
    assert not any(may_rest(one, NOW + LONGEST_WAIT) for one in rows)
