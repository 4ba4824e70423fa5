"""The schema of the events fits every event that the program renders, and names all its fields."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from docs.make_schemas import schema
from restore_core.completions.events import CUT_MARK, render_end, render_rejection
from restore_core.domain.lifecycle import FINAL, Event, Phase
from restore_core.domain.record import (
    Decision,
    End,
    FollowedJob,
    JobError,
    Part,
    RestoreRecord,
    Try,
)
from restore_core.domain.vault import JobEnd, Tally
from restore_core.errors import ArmAnswer, MessageInvalid, Problem
from restore_core.policy.preflight import Outcome
from restore_core.vocabulary import ErrorClass, Reason, Rejection
from tests.restore_core.given import ACCOUNT, ITEM, NOW, OTHER_ACCOUNT, read_message, request_of
from tests.simulators.world import SHAPES, World, cancel, elsewhere, request
from tests.test_docs import DOCUMENTS, blocks

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads(schema("completion-event"))
DEFS = SCHEMA["$defs"]
NOTES = {"$schema", "$defs", "title", "description", "examples", "format", "default"}
"""What a schema says and does not ask for."""


def misfits(value: Any, wanted: Any = SCHEMA, place: str = "") -> Iterator[str]:
    """Say where a value is not what a schema asks for, for the words that our schemas use."""
    known = {"$ref", "anyOf", "const", "enum", "type", "properties", "required", "items"}
    known |= {"additionalProperties", "propertyNames", "maxItems", "maxProperties"}
    known |= {"minLength", "maxLength", "pattern"}
    assert set(wanted) <= known | NOTES, "a word that this function does not know"
    if "$ref" in wanted:
        yield from misfits(value, DEFS[wanted["$ref"].removeprefix("#/$defs/")], place)
    if "anyOf" in wanted:
        each = [list(misfits(value, one, place)) for one in wanted["anyOf"]]
        if all(each):
            yield from min(each, key=len)
    if "const" in wanted and value != wanted["const"]:
        yield f"{place} is not {wanted['const']}"
    if "enum" in wanted and value not in wanted["enum"]:
        yield f"{place} is none of the values"
    kinds: dict[str, Any] = {"string": str, "array": list, "object": dict, "integer": int}
    kind = kinds.get(wanted.get("type", ""), (int, float) if "type" in wanted else object)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not object):
        yield f"{place} is no {wanted['type']}"
        return
    if isinstance(value, str):
        if not wanted.get("minLength", 0) <= len(value) <= wanted.get("maxLength", len(value)):
            yield f"{place} has another length"
        if not re.search(wanted.get("pattern", ""), value):
            yield f"{place} has another pattern"
    if isinstance(value, list):
        if len(value) > wanted.get("maxItems", len(value)):
            yield f"{place} is too long"
        for one in value:
            yield from misfits(one, wanted.get("items", {}), f"{place}[]")
    if isinstance(value, dict):
        yield from _object_misfits(value, wanted, place)


def _object_misfits(value: dict[str, Any], wanted: Any, place: str) -> Iterator[str]:
    if len(value) > wanted.get("maxProperties", len(value)):
        yield f"{place} is too large"
    for name in wanted.get("required", ()):
        if name not in value:
            yield f"{place}.{name} is missing"
    for name, held in value.items():
        yield from misfits(name, wanted.get("propertyNames", {}), f"{place} a name")
        inner = wanted.get("properties", {}).get(name, wanted.get("additionalProperties", True))
        if inner is False:
            yield f"{place}.{name} is unknown"
        elif inner is not True:
            yield from misfits(held, inner, f"{place}.{name}")


DECISION = Decision(
    item_id=ITEM,
    share="ledgers",
    account_id=ACCOUNT,
    point_id="1847001100220033445",
    point_time=NOW - timedelta(hours=1),
    why="the newest of 2",
    target_account_id=OTHER_ACCOUNT,
    target_share="drydock",
)
FULL = replace(
    RestoreRecord.accept(
        request_of(
            items=[{"path": "a", "type": "File"}],
            requestedBy="pipeline 7",
            labels={"team": "harbour"},
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        message_id="m1",
        requested_at=NOW,
        now=NOW,
        source_event_id="event-9",
    ),
    parts=(
        Part(
            tries=(Try(client_request_id="c-1", intended_at=NOW),),
            jobs=(
                FollowedJob(
                    id="job-1",
                    end=JobEnd.FAILED,
                    start_time=NOW,
                    files=Tally(restored=4, skipped=0, failed=1),
                    directories=Tally(failed=2),
                    transferred_mb=0.5,
                ),
            ),
        ),
    ),
    decision=DECISION,
    warnings=("mind the tide",),
)
PLAN = {
    "recoveryPoint": {"id": "1", "why": "the newest of 2", "time": "2026-05-04T07:00:44Z"},
    "protectedItemId": ITEM,
    "source": "a",
    "target": "b",
    "checks": [{"name": "guards", "result": "passed", "message": "There are none."}],
    "method": "POST",
    "url": "https://arm.example",
    "body": {"properties": {"restoreFileSpecs": [{"path": "a"}]}},
}


def rendered(record: RestoreRecord, **changes: Any) -> Any:
    end = End(
        event=Event.JOB_FAILED,
        reason=Reason.JOB_FAILED,
        message="It failed.",
        recommendation="Look.",
        error=JobError(code="1", message="It failed.", kind=ErrorClass.RETRYABLE),
        rule="rule-3",
        plan=PLAN,
    )
    text = render_end(record, replace(end, **changes), source="/here", finished_at=NOW)
    return json.loads(text)


def rejected(body: bytes, reason: Rejection, problems: tuple[Problem, ...] = ()) -> Any:
    try:
        read_message(body)
    except MessageInvalid as error:
        problems = problems or tuple(error.problems)
    text = render_rejection(
        message_id="m1",
        inserted_at=NOW,
        request_id=None,
        reason=reason,
        message="It is wrong.",
        problems=problems,
        source="/here",
    )
    return json.loads(text)


@pytest.mark.parametrize("phase", sorted(FINAL))
def test_an_end_in_each_phase_fits_and_uses_every_field(phase: Phase) -> None:
    event = rendered(replace(FULL, phase=phase))
    assert list(misfits(event)) == []
    assert set(event["data"]) == set(DEFS["End"]["properties"])
    assert set(event) == set(DEFS["EndEvent"]["properties"])


@pytest.mark.parametrize("reason", list(Reason))
def test_an_end_of_each_reason_fits(reason: Reason) -> None:
    short = replace(FULL, phase=Phase.FAILED, decision=None, parts=(Part(),), warnings=())
    event = rendered(short, reason=reason, error=None, plan=None, rule=None, recommendation="")
    assert list(misfits(event)) == []


@pytest.mark.parametrize("kind", list(ErrorClass))
def test_an_error_of_each_class_fits(kind: ErrorClass) -> None:
    error = JobError(code="1", message="It failed.", kind=kind)
    assert list(misfits(rendered(replace(FULL, phase=Phase.FAILED), error=error))) == []


@pytest.mark.parametrize("reason", list(Rejection))
@pytest.mark.parametrize("body", [b"\xff", b"[]", b'{"vaultID": 1, "source": {}}'])
def test_a_rejection_for_each_reason_fits(reason: Rejection, body: bytes) -> None:
    event = rejected(body, reason)
    assert list(misfits(event)) == []
    assert event["data"]["problems"]


def test_events_that_were_cut_fit() -> None:
    specs = [{"path": f"{n:02}" + "🎉" * 500} for n in range(99)]
    large = PLAN | {"body": {"properties": {"restoreFileSpecs": specs}}}
    record = replace(FULL, phase=Phase.PLANNED, warnings=("☃" * 3000,) * 30)
    event = rendered(record, plan=large, message="☃" * 9000)
    assert event["data"]["message"].endswith(CUT_MARK)
    assert list(misfits(event)) == []
    problems = tuple(Problem(path=f"field{n}", message="☃" * 900) for n in range(2000))
    event = rejected(b"{}", Rejection.INVALID, problems)
    assert event["data"]["problems"][-1] == {"message": CUT_MARK}
    assert list(misfits(event)) == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("end", list(JobEnd))
def test_what_the_app_sends_fits(shape: str, end: JobEnd) -> None:
    world = World()
    world.vaults.next_end = end
    world.send(request("real", **SHAPES[shape]))
    world.send(request("planned", dryRun=True, **SHAPES[shape]))
    world.send(request("too-old", **{**SHAPES[shape], "startDeadline": "2020-01-01T00:00:00Z"}))
    world.send(request("real", priority="emergency"))
    world.send(request("nowhere", target=elsewhere(), vaultId=None))
    world.send(cancel("nobody"))
    world.send(b"\xff")
    world.sweep_until_quiet()
    world.send(cancel("real"))
    events = world.events()
    types = {event["type"].split(".")[1] for event in events}
    assert {"Planned", "Failed", "MessageRejected"} <= types
    assert [line for event in events for line in misfits(event)] == []


def test_a_refused_call_fits() -> None:
    world = World()
    refusal = ArmAnswer(status=400, code="UserErrorFileShareNotFound", message="There is none.")
    world.calls.fail = lambda _number, name: refusal if name.startswith("arm.post") else None
    world.send(request())
    world.sweep_until_quiet()
    assert world.end_of("r1")["error"]["code"] == refusal.code
    assert [line for event in world.events() for line in misfits(event)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_events_in_the_documents_fit(path: Path) -> None:
    for text in blocks(path, "json"):
        event = json.loads(text)
        if "specversion" in event:
            assert list(misfits(event)) == []


def test_what_is_no_event_does_not_fit() -> None:
    good = rendered(replace(FULL, phase=Phase.FAILED))
    for wrong in (
        good | {"surprise": 1},
        good | {"type": "azurefilesrestore.Accepted.v1"},
        good | {"data": good["data"] | {"phase": "Accepted"}},
        good | {"data": good["data"] | {"reason": "Other"}},
        good | {"data": good["data"] | {"surprise": 1}},
        good | {"data": good["data"] | {"attempts": "1"}},
        good | {"data": good["data"] | {"counts": {"files": {"restored": True}}}},
        good | {"data": {name: held for name, held in good["data"].items() if name != "phase"}},
        {name: held for name, held in good.items() if name != "id"},
    ):
        assert list(misfits(wrong)) != []


def written_names(function: str) -> list[set[str]]:
    """The constant keys of each dictionary that a function of events.py writes, outermost first."""
    tree = ast.parse((ROOT / "restore_core/completions/events.py").read_text(encoding="utf-8"))
    (found,) = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    dictionaries = [node for node in ast.walk(found) if isinstance(node, ast.Dict)]
    return [
        {str(key.value) for key in one.keys if isinstance(key, ast.Constant)}
        for one in dictionaries
    ]


@pytest.mark.parametrize(
    ("function", "models"),
    [
        ("render_end", ["EndEvent"]),
        ("_end_data", ["End", "ChosenPoint"]),
        ("_error", ["Error"]),
        ("render_rejection", ["RejectionEvent", "RejectedMessage", "Problem"]),
        ("_resolved", ["Source"]),
        ("_counts", ["Counts"]),
    ],
)
def test_every_field_that_the_code_may_write_is_in_the_schema_and_no_other(
    function: str, models: list[str]
) -> None:
    described = [set(DEFS[name]["properties"]) for name in models]
    written = [names for names in written_names(function) if names]
    assert sorted(map(sorted, written)) == sorted(map(sorted, described))


def test_the_plan_of_a_dry_run_has_the_fields_of_the_schema() -> None:
    world = World()
    world.send(request(dryRun=True))
    world.sweep_until_quiet()
    plan = world.end_of("r1")["plan"]
    assert set(plan) == set(DEFS["PlannedCall"]["properties"])
    assert set(plan["recoveryPoint"]) == set(DEFS["PlannedPoint"]["properties"])
    assert plan["method"] == DEFS["PlannedCall"]["properties"]["method"]["const"]
    assert [one.value for one in Outcome] == DEFS["Outcome"]["enum"]
