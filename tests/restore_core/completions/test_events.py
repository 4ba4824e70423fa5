from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.completions.events import CUT_MARK, MAX_EVENT_BYTES, render_end, render_rejection
from restore_core.domain.lifecycle import Event, Phase
from restore_core.domain.record import (
    Decision,
    End,
    FollowedJob,
    JobError,
    Part,
    RestoreRecord,
    Try,
    TryState,
    restore_started,
)
from restore_core.domain.vault import JobEnd, Tally
from restore_core.errors import Problem
from restore_core.vocabulary import ErrorClass, Reason, Rejection
from tests.restore_core.given import (
    ACCOUNT,
    ITEM,
    NOW,
    OTHER_ACCOUNT,
    VAULT,
    Json,
    request_of,
)

FINISHED = NOW + timedelta(minutes=12, seconds=3, microseconds=450_000)
POINT_TIME = datetime(2026, 5, 4, 7, 0, 44, tzinfo=UTC)
ALWAYS = {
    *("schemaVersion", "requestId", "phase", "reason", "message", "restoreStarted", "vaultId"),
    *("source", "target", "requestedAt", "acceptedAt", "finishedAt", "recoveryTimeSeconds"),
    "attempts",
}
LATER = {
    *("recommendation", "itemCount", "recoveryPoint", "jobIds", "counts", "dataTransferredMB"),
    *("triggeredAt", "jobStartedAt", "recoveryPointAgeSeconds", "warnings", "error", "rule"),
    *("plan", "sourceEventId", "requestedBy", "labels", "traceparent"),
}
DECISION = Decision(
    item_id=ITEM,
    share="ledgers",
    account_id=ACCOUNT,
    point_id="1847001100220033445",
    point_time=POINT_TIME,
    why="the newest of 2",
    target_account_id=OTHER_ACCOUNT,
    target_share="drydock",
)
JOB = FollowedJob(
    id="job-1",
    end=JobEnd.COMPLETED_WITH_WARNINGS,
    start_time=NOW + timedelta(minutes=2),
    files=Tally(restored=4, skipped=0, failed=1),
    transferred_mb=141.0,
)
TRY = Try(
    client_request_id="c-1",
    intended_at=NOW + timedelta(minutes=1),
    state=TryState.TAKEN,
    operation_id="o-1",
)
DONE = End(event=Event.JOB_COMPLETED, reason=Reason.JOB_COMPLETED, message="All is back.")
REFUSED = End(event=Event.REFUSED_BY_US, reason=Reason.NOT_ALLOWED, message="No.")


def a_record(phase: Phase, *parts: Part, **changes: object) -> RestoreRecord:
    record = RestoreRecord.accept(
        request_of(**changes),
        message_id="m1",
        requested_at=NOW,
        now=NOW + timedelta(seconds=2),
    )
    return replace(record, phase=phase, parts=parts or (Part(),))


def event_of(record: RestoreRecord, end: End) -> Json:
    text = render_end(record, end, source="/here", finished_at=FINISHED)
    assert text.isascii()
    assert len(text) <= MAX_EVENT_BYTES
    event: Json = json.loads(text)
    return event


def data_of(record: RestoreRecord, end: End = DONE) -> Any:  # the JSON of an event
    return event_of(record, end)["data"]


def test_an_end_is_a_cloud_event() -> None:
    event = event_of(a_record(Phase.REFUSED), REFUSED)
    assert {name: held for name, held in event.items() if name != "data"} == {
        "specversion": "1.0",
        "type": "azurefilesrestore.Refused.v1",
        "source": "/here",
        "id": "refresh-1/Refused",
        "subject": "refresh-1",
        "time": "2026-05-04T08:12:03.450000Z",
        "datacontenttype": "application/json",
    }
    assert event["data"]["finishedAt"] == event["time"]


@pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.PLANNED, Phase.INDETERMINATE])
def test_type_and_id_name_the_phase(phase: Phase) -> None:
    event = event_of(a_record(phase), DONE)
    assert event["type"] == f"azurefilesrestore.{phase.value}.v1"
    assert event["id"] == f"refresh-1/{phase.value}"
    assert event["data"]["phase"] == phase.value


def test_what_is_not_known_is_absent() -> None:
    data = data_of(a_record(Phase.REFUSED), REFUSED)
    assert data == {
        "schemaVersion": "1.0",
        "requestId": "refresh-1",
        "phase": "Refused",
        "reason": "NotAllowed",
        "message": "No.",
        "restoreStarted": "no",
        "vaultId": VAULT,
        "source": {"storageAccountId": ACCOUNT, "fileShare": "ledgers"},
        "target": {
            "location": "alternate",
            "storageAccountId": OTHER_ACCOUNT,
            "fileShare": "drydock",
        },
        "requestedAt": "2026-05-04T08:00:00Z",
        "acceptedAt": "2026-05-04T08:00:02Z",
        "finishedAt": "2026-05-04T08:12:03.450000Z",
        "recoveryTimeSeconds": 723.45,
        "attempts": 0,
    }
    assert set(data) == ALWAYS


def test_everything_that_is_known_is_there() -> None:
    record = replace(
        a_record(
            Phase.COMPLETED_WITH_WARNINGS,
            Part(tries=(TRY,), jobs=(JOB,)),
            items=[{"path": "a", "type": "File"}, {"path": "b", "type": "File"}],
            requestedBy="pipeline 7",
            labels={"team": "harbour"},
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        decision=DECISION,
        warnings=("mind the tide",),
        source_event_id="event-9",
    )
    end = replace(
        DONE,
        recommendation="Look.",
        error=JobError(code="1073871825", message="It failed.", kind=ErrorClass.RETRYABLE),
        rule="rule-3",
        plan={"method": "POST"},
    )
    data = data_of(record, end)
    assert set(data) == ALWAYS | LATER
    assert {name: data[name] for name in LATER} == {
        "recommendation": "Look.",
        "itemCount": 2,
        "recoveryPoint": {"id": "1847001100220033445", "time": "2026-05-04T07:00:44Z"},
        "jobIds": ["job-1"],
        "counts": {"files": {"restored": 4, "skipped": 0, "failed": 1}},
        "dataTransferredMB": 141,
        "triggeredAt": "2026-05-04T08:01:00Z",
        "jobStartedAt": "2026-05-04T08:02:00Z",
        "recoveryPointAgeSeconds": 3556.0,
        "warnings": ["mind the tide"],
        "error": {"code": "1073871825", "message": "It failed.", "class": "Retryable"},
        "rule": "rule-3",
        "plan": {"method": "POST"},
        "sourceEventId": "event-9",
        "requestedBy": "pipeline 7",
        "labels": {"team": "harbour"},
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    assert data["attempts"] == 1
    assert data["source"] == {
        "storageAccountId": ACCOUNT,
        "fileShare": "ledgers",
        "protectedItemId": ITEM,
    }


def test_a_source_given_by_its_item_is_resolved_to_its_share() -> None:
    record = a_record(Phase.FAILED, source={"protectedItemId": ITEM})
    assert data_of(record)["source"] == {"protectedItemId": ITEM}
    assert data_of(replace(record, decision=DECISION))["source"] == {
        "storageAccountId": ACCOUNT,
        "fileShare": "ledgers",
        "protectedItemId": ITEM,
    }


def test_the_age_of_a_point_is_measured_from_the_time_that_was_aimed_at() -> None:
    record = a_record(
        Phase.FAILED,
        recoveryPoint={"select": "latestBefore", "time": "2026-05-04T07:10:44Z"},
    )
    assert data_of(replace(record, decision=DECISION))["recoveryPointAgeSeconds"] == 600.0


def test_a_point_without_a_time_has_no_age() -> None:
    record = replace(a_record(Phase.FAILED), decision=replace(DECISION, point_time=None))
    data = data_of(record)
    assert data["recoveryPoint"] == {"id": DECISION.point_id}
    assert "recoveryPointAgeSeconds" not in data


def test_counts_of_several_jobs_are_added_and_unknown_ones_are_left_out() -> None:
    second = replace(
        JOB,
        id="job-2",
        start_time=NOW + timedelta(minutes=1),
        files=Tally(restored=1),
        directories=Tally(failed=2),
        transferred_mb=0.5,
    )
    third = FollowedJob(id="job-3")
    record = a_record(Phase.FAILED, Part(jobs=(JOB,)), Part(jobs=(second, third)))
    data = data_of(record)
    assert data["jobIds"] == ["job-1", "job-2", "job-3"]
    assert data["counts"] == {
        "files": {"restored": 5, "skipped": 0, "failed": 1},
        "directories": {"failed": 2},
    }
    assert data["dataTransferredMB"] == 141.5
    assert data["jobStartedAt"] == "2026-05-04T08:01:00Z"
    nothing = data_of(a_record(Phase.FAILED, Part(jobs=(third,))))
    assert not {"counts", "dataTransferredMB", "jobStartedAt"} & set(nothing)


UNKNOWN_TRY = replace(TRY, state=TryState.UNKNOWN, operation_id=None)
STARTED: list[tuple[Phase, Part, str]] = [
    (Phase.REFUSED, Part(), "no"),
    (Phase.PLANNED, Part(), "no"),
    (Phase.FAILED, Part(), "no"),
    (Phase.FAILED, Part(tries=(replace(UNKNOWN_TRY, state=TryState.ABSENT),)), "no"),
    (Phase.FAILED, Part(tries=(UNKNOWN_TRY,)), "unknown"),
    (Phase.FAILED, Part(tries=(replace(UNKNOWN_TRY, state=TryState.OPEN),)), "unknown"),
    (Phase.INDETERMINATE, Part(tries=(replace(UNKNOWN_TRY, state=TryState.ABSENT),)), "unknown"),
    (Phase.INDETERMINATE, Part(tries=(TRY,)), "unknown"),
    (Phase.COMPLETED, Part(tries=(TRY,), jobs=(JOB,)), "yes"),
    (Phase.FAILED, Part(tries=(UNKNOWN_TRY,), jobs=(JOB,)), "yes"),
    (Phase.CANCELLED, Part(tries=(TRY,)), "unknown"),
]


@pytest.mark.parametrize(("phase", "part", "started"), STARTED)
def test_whether_a_restore_started(phase: Phase, part: Part, started: str) -> None:
    record = a_record(phase, part)
    assert restore_started(record) == started
    assert data_of(record)["restoreStarted"] == started


def test_an_end_is_rendered_the_same_every_time() -> None:
    record = replace(a_record(Phase.COMPLETED, Part(tries=(TRY,), jobs=(JOB,))), decision=DECISION)
    read_again = RestoreRecord.from_json(record.to_json())
    one, two = (
        render_end(each, DONE, source="/here", finished_at=FINISHED)
        for each in (record, read_again)
    )
    assert one == two


# --- the size


def names_and_times(data: Json) -> Json:
    """What must come through whole, whatever is cut."""
    kept = ("requestId", "phase", "reason", "restoreStarted", "vaultId", "jobIds", "requestedAt")
    return {
        **{name: data[name] for name in (*kept, "finishedAt", "triggeredAt", "traceparent")},
        "source": data["source"],
        "point": data["recoveryPoint"],
        "account": data["target"]["storageAccountId"],
    }


@pytest.mark.parametrize("characters", [1, 8, 16, 60, 125, 200, 250, 256])
@pytest.mark.parametrize("count", [1, 9, 16])
def test_labels_of_emoji_at_every_size_fit_and_leave_ids_and_times_whole(
    characters: int, count: int
) -> None:
    labels = {
        name.ljust(min(64, characters), "🎉"): "🎉" * characters
        for name in ("id", "reason", "time", *"abcdefghijklmnop")[:count]
    }
    record = replace(
        a_record(
            Phase.COMPLETED,
            Part(tries=(TRY,), jobs=(JOB,)),
            labels=labels,
            requestedBy="🎉" * 256,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        decision=DECISION,
        source_event_id="☃" * characters * 20,
        warnings=tuple("☃" * characters for _ in range(count)),
    )
    end = replace(DONE, message="☃" * characters * 200, recommendation="☃" * characters * 50)
    small = replace(record, source_event_id="x", warnings=("x",))
    whole = data_of(replace(small, request=request_of(traceparent=record.request.traceparent)))
    data = data_of(record, end)
    assert names_and_times(data) == names_and_times(whole)
    assert set(data["labels"]) == set(labels)
    for name, held in labels.items():
        shown = data["labels"][name]
        assert shown == held or (
            shown.endswith(CUT_MARK) and held.startswith(shown.removesuffix(CUT_MARK))
        )


def test_a_label_called_like_a_field_of_ours_is_cut_like_any_other() -> None:
    ours = ("id", "reason", "requestId", "phase", "vaultId", "time", "source", "messageId")
    labels = dict.fromkeys((*ours, *"abcdefgh"), "🎉" * 256)
    data = data_of(a_record(Phase.FAILED, labels=labels), replace(DONE, message="🎉" * 9000))
    assert all(shown.endswith(CUT_MARK) for shown in data["labels"].values())
    assert data["message"].endswith(CUT_MARK)


def test_what_fits_is_not_cut() -> None:
    record = a_record(Phase.FAILED, labels={"a": "x" * 256}, requestedBy="y" * 256)
    end = replace(DONE, message="z" * 4000)
    data = data_of(record, end)
    assert (data["labels"], data["requestedBy"], data["message"]) == (
        {"a": "x" * 256},
        "y" * 256,
        "z" * 4000,
    )


def test_a_plan_of_99_long_paths_fits_and_says_that_it_was_cut() -> None:
    specs = [{"path": f"{n:02}" + "🎉" * 500, "fileSpecType": "File"} for n in range(99)]
    plan = {"recoveryPoint": {"id": "1"}, "body": {"properties": {"restoreFileSpecs": specs}}}
    data = data_of(a_record(Phase.PLANNED), replace(DONE, plan=plan))
    shown = data["plan"]["body"]["properties"]["restoreFileSpecs"]
    assert data["plan"]["recoveryPoint"] == {"id": "1"}
    assert shown[0]["path"].endswith(CUT_MARK)
    assert shown[-1] == {"message": CUT_MARK}
    assert len(shown) < 99


def test_the_longest_ids_that_there_can_be_fit_beside_the_longest_labels() -> None:
    group = "\U0001d400" * 90
    item = ITEM.replace("vaults-rg", group).replace("0123456789abcdef" * 4, "🎉" * 250)
    item = item.replace(";files-rg;", f";{'🎉' * 150};")
    labels = {f"{n:02}" + "🎉" * 62: "🎉" * 256 for n in range(16)}
    record = a_record(
        Phase.PLANNED,
        vaultId=VAULT.replace("vaults-rg", group),
        source={"protectedItemId": item},
        labels=labels,
        requestedBy="🎉" * 256,
    )
    account = ACCOUNT.replace("files-rg", group)
    record = replace(record, decision=replace(DECISION, item_id=item, account_id=account))
    plan = {"protectedItemId": item, "url": "https://arm.example" + item * 4, "body": item * 9}
    data = data_of(record, replace(DONE, plan=plan))
    assert data["source"]["protectedItemId"] == item
    assert data["vaultId"] == VAULT.replace("vaults-rg", group)


@given(
    st.lists(st.text(max_size=300), max_size=30),
    st.text(max_size=20000),
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=256),
        max_size=16,
    ),
)
def test_any_texts_make_an_event_that_fits(
    warnings: list[str], message: str, labels: dict[str, str]
) -> None:
    record = replace(a_record(Phase.FAILED, labels=labels), warnings=tuple(warnings))
    error = JobError(code="1", message=message, kind=ErrorClass.UNKNOWN)
    data = data_of(record, replace(DONE, message=message, error=error))
    assert data["error"]["class"] == "Unknown"
    assert data["message"] == message or data["message"].endswith(CUT_MARK)


# --- rejections


def rejection(**changes: Any) -> Json:  # a function's arguments
    arguments: dict[str, Any] = {
        "message_id": "m1",
        "inserted_at": NOW,
        "request_id": "refresh-1",
        "reason": Rejection.INVALID,
        "message": "It is wrong.",
        "problems": [
            Problem(path="vaultID", message="is unknown", did_you_mean="vaultId"),
            Problem(path="$", message="is odd"),
        ],
        "source": "/here",
    }
    text = render_rejection(**(arguments | changes))
    assert text.isascii()
    assert len(text) <= MAX_EVENT_BYTES
    event: Json = json.loads(text)
    return event


def test_a_rejection_is_a_cloud_event_about_its_message() -> None:
    assert rejection() == {
        "specversion": "1.0",
        "type": "azurefilesrestore.MessageRejected.v1",
        "source": "/here",
        "id": "refresh-1/MessageRejected/m1",
        "subject": "m1",
        "time": "2026-05-04T08:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "schemaVersion": "1.0",
            "messageId": "m1",
            "requestId": "refresh-1",
            "reason": "Invalid",
            "message": "It is wrong.",
            "problems": [
                {"path": "vaultID", "message": "is unknown", "didYouMean": "vaultId"},
                {"path": "$", "message": "is odd"},
            ],
        },
    }


def test_a_rejection_of_a_message_without_a_time_has_none() -> None:
    whole = rejection()
    del whole["time"]
    assert rejection(inserted_at=None) == whole


def test_a_rejection_without_a_readable_request_id_has_a_dash() -> None:
    event = rejection(request_id=None, reason=Rejection.UNREADABLE)
    assert event["id"] == "-/MessageRejected/m1"
    assert "requestId" not in event["data"]
    assert event["data"]["reason"] == "Unreadable"


def test_a_rejection_with_nothing_to_list_has_an_empty_list() -> None:
    assert rejection(problems=[])["data"]["problems"] == []


def test_a_rejection_of_a_hundred_long_problems_fits_and_stays_a_list_of_problems() -> None:
    problems = [Problem(path="☃" * 3000, message="🎉" * 500) for _ in range(101)]
    data = rejection(problems=problems, message="🎉" * 60000)["data"]
    assert len(data["problems"]) >= 16
    assert all(isinstance(problem, dict) for problem in data["problems"])
    assert data["problems"][-1] == {"message": CUT_MARK}
    assert data["message"].endswith(CUT_MARK)
    assert data["messageId"] == "m1"
