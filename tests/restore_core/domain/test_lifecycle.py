from __future__ import annotations

import itertools

import pytest

from restore_core.domain.lifecycle import (
    FINAL,
    HOLDING,
    JOB_EVENTS,
    TRANSITIONS,
    Event,
    IllegalTransitionError,
    Phase,
    next_phase,
)
from restore_core.domain.record import RestoreRecord
from restore_core.domain.vault import JobEnd
from restore_core.vocabulary import Reason
from tests.restore_core.given import NOW, request_of


def reachable(phase: Phase) -> set[Phase]:
    """Every phase that some chain of events leads to."""
    seen = {phase}
    ahead = [phase]
    while ahead:
        for following in TRANSITIONS[ahead.pop()].values():
            if following not in seen:
                seen.add(following)
                ahead.append(following)
    return seen


def a_record() -> RestoreRecord:
    return RestoreRecord.accept(request_of(), message_id="m", requested_at=NOW, now=NOW)


def test_every_phase_has_a_row_and_the_final_ones_are_empty() -> None:
    assert set(TRANSITIONS) == set(Phase)
    assert {
        Phase.COMPLETED,
        Phase.COMPLETED_WITH_WARNINGS,
        Phase.FAILED,
        Phase.CANCELLED,
        Phase.REFUSED,
        Phase.PLANNED,
        Phase.INDETERMINATE,
    } == FINAL
    assert all(not TRANSITIONS[phase] for phase in FINAL)


def test_every_phase_is_reached_from_the_first() -> None:
    assert reachable(Phase.ACCEPTED) == set(Phase)


@pytest.mark.parametrize("phase", sorted(set(Phase) - FINAL))
def test_no_phase_is_a_trap(phase: Phase) -> None:
    assert reachable(phase) & FINAL


@pytest.mark.parametrize("phase", sorted(set(Phase) - FINAL))
def test_waiting_stays(phase: Phase) -> None:
    assert next_phase(phase, Event.WAITED) is phase


def test_every_event_happens_somewhere() -> None:
    assert {event for row in TRANSITIONS.values() for event in row} == set(Event)


def test_success_is_what_a_job_said_and_nothing_else() -> None:
    into = {
        (event, following)
        for row in TRANSITIONS.values()
        for event, following in row.items()
        if following in {Phase.COMPLETED, Phase.COMPLETED_WITH_WARNINGS}
    }
    assert into == {
        (Event.JOB_COMPLETED, Phase.COMPLETED),
        (Event.JOB_COMPLETED_WITH_WARNINGS, Phase.COMPLETED_WITH_WARNINGS),
        (Event.PARTS_COMPLETED, Phase.COMPLETED),
        (Event.PARTS_COMPLETED_IN_PART, Phase.COMPLETED_WITH_WARNINGS),
    }


def test_what_is_at_azure_is_never_refused_by_us_nor_planned() -> None:
    for phase in HOLDING:
        assert not {Phase.REFUSED, Phase.PLANNED} & set(TRANSITIONS[phase].values())


def test_only_an_unknown_trigger_goes_back_and_the_end_of_a_part() -> None:
    back = {
        (phase, event)
        for phase in HOLDING
        for event, following in TRANSITIONS[phase].items()
        if following is Phase.ACCEPTED
    }
    assert back == {
        (Phase.TRIGGERING, Event.TAKEN_BACK),
        *((phase, Event.PART_ENDED) for phase in HOLDING),
    }


@pytest.mark.parametrize(
    ("phase", "event"),
    [
        (phase, event)
        for phase, event in itertools.product(Phase, Event)
        if event not in TRANSITIONS[phase]
    ],
)
def test_an_event_that_cannot_be_raises_and_changes_nothing(phase: Phase, event: Event) -> None:
    with pytest.raises(IllegalTransitionError, match=f"cannot happen in {phase.value}"):
        next_phase(phase, event)


def test_a_record_moves_along_the_table_only() -> None:
    record = a_record()
    with pytest.raises(IllegalTransitionError):
        record.moved(Event.JOB_COMPLETED)
    assert record.phase is Phase.ACCEPTED
    moved = record.moved(Event.INTENDED)
    assert (moved.phase, record.phase) == (Phase.TRIGGERING, Phase.ACCEPTED)


def test_every_end_of_a_job_means_an_end_of_its_request() -> None:
    assert set(JOB_EVENTS) == set(JobEnd)
    for event, reason in JOB_EVENTS.values():
        assert next_phase(Phase.JOB_IN_PROGRESS, event) in FINAL
        assert reason in Reason


def test_the_phases_are_those_of_the_contract() -> None:
    assert [phase.value for phase in Phase] == [
        *("Accepted", "Triggering", "OperationPending", "JobInProgress"),
        *("Completed", "CompletedWithWarnings", "Failed", "Cancelled"),
        *("Refused", "Planned", "Indeterminate"),
    ]
