from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.completions.events import MAX_EVENT_BYTES, render_rejection
from restore_core.errors import MessageInvalid, Problem
from restore_core.messages.parsing import read_request
from restore_core.messages.request import (
    AlternateTarget,
    CancelRequest,
    CopyOptions,
    ItemSource,
    LatestPoint,
    LatestPointBefore,
    OriginalTarget,
    PointById,
    Priority,
    RestoreRequest,
    ShareSource,
    SystemIdentity,
    UserIdentity,
    payload_hash,
)
from restore_core.vocabulary import Rejection
from tests.restore_core.given import (
    ACCOUNT,
    IDENTITY,
    ITEM,
    NOW,
    OTHER_ACCOUNT,
    VAULT,
    Json,
    json_values,
    problems_of,
    read_message,
    request_body,
    request_of,
)

OTHER_VAULT = VAULT.replace("harbour", "lighthouse")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SHARES = "a share's name has 3 to 63 lower-case letters, digits and single hyphens"
UNPROVEN = (
    "must be Overwrite or Skip: this one is not proven for Azure Files "
    "(RESTORE_UNPROVEN_COPY_OPTIONS)"
)
TIMES = "must be an RFC 3339 time with a zone, such as 2026-02-05T07:43:47Z"
DURATIONS = "must be an ISO 8601 duration of days, hours, minutes and seconds, such as P1DT12H"
EVERY_FIELD: Json = {
    "action": "restore",
    "recoveryPoint": {
        "select": "latestBefore",
        "time": "2026-05-04T07:00:00+02:00",
        "maxAge": "P1DT12H",
    },
    "target": {
        "location": "alternate",
        "storageAccountId": OTHER_ACCOUNT,
        "fileShare": "drydock",
        "folder": "back/2026",
    },
    "items": [
        {"path": "a/b.txt", "type": "File"},
        {"path": "a", "type": "Directory"},
    ],
    "copyOptions": "Skip",
    "identity": {"type": "userAssigned", "id": IDENTITY},
    "dryRun": True,
    "priority": "emergency",
    "startDeadline": "PT4H",
    "replyTo": "replies-7",
    "requestedBy": "pipeline 7",
    "reason": "🎉",
    "traceparent": TRACE,
    "labels": {"team": "harbour", "id": "Ab"},
}


def test_a_request_can_be_made_of_values_as_well_as_of_texts() -> None:
    wanted = {"select": "latestBefore", "time": NOW, "maxAge": timedelta(hours=1)}
    texts = {"select": "latestBefore", "time": "2026-05-04T08:00:00Z", "maxAge": "PT1H"}
    for value, text in ((NOW, "2026-05-04T08:00:00Z"), (timedelta(hours=4), "PT4H")):
        made = request_of(recoveryPoint=wanted, startDeadline=value)
        assert made == request_of(recoveryPoint=texts, startDeadline=text)
    source = ShareSource.model_validate({"storageAccountId": ACCOUNT, "fileShare": "ledgers"})
    kept = request_of(**EVERY_FIELD)
    assert request_of(source=source).source == source
    assert request_of(
        **EVERY_FIELD | {"recoveryPoint": kept.recovery_point, "identity": kept.identity}
    ) == request_of(**EVERY_FIELD | {"target": kept.target})


def test_the_smallest_request() -> None:
    request = request_of()
    assert request.request_id == "refresh-1"
    assert str(request.vault) == VAULT
    assert request.source == ShareSource.model_validate(
        {"storageAccountId": ACCOUNT, "fileShare": "ledgers"}
    )
    assert request.recovery_point == LatestPoint.model_validate({"select": "latest"})
    assert isinstance(request.target, AlternateTarget)
    assert request.target.folder is None
    assert request.items is None
    assert request.effective_copy_options is CopyOptions.OVERWRITE
    assert request.priority is Priority.NORMAL
    assert request.dry_run is False
    assert request.record_key == "refresh-1"
    assert request.given() == request_body()


def test_a_request_with_every_field() -> None:
    request = request_of(**EVERY_FIELD)
    point = request.recovery_point
    assert isinstance(point, LatestPointBefore)
    assert point.time == datetime(2026, 5, 4, 5, tzinfo=UTC)
    assert point.max_age == timedelta(hours=36)
    assert isinstance(request.target, AlternateTarget)
    assert request.target.folder == "back/2026"
    assert [(one.path, one.type) for one in request.items or ()] == [
        ("a/b.txt", "File"),
        ("a", "Directory"),
    ]
    assert request.effective_copy_options is CopyOptions.SKIP
    assert isinstance(request.identity, UserIdentity)
    assert request.identity.id == IDENTITY
    assert request.priority is Priority.EMERGENCY
    assert request.start_deadline == timedelta(hours=4)
    assert (request.requested_by, request.reason) == ("pipeline 7", "🎉")
    assert request.traceparent == TRACE
    assert request.labels == {"team": "harbour", "id": "Ab"}
    assert request.record_key == "plan~refresh-1"


def test_the_shapes_of_source_point_target_and_identity() -> None:
    request = request_of(
        vaultId=...,
        source={"protectedItemId": ITEM},
        recoveryPoint={"id": "1847001100220033445"},
        target={"location": "original"},
        copyOptions="Overwrite",
        identity={"type": "systemAssigned"},
        startDeadline="2026-05-04T12:00:00Z",
    )
    assert request.source == ItemSource.model_validate({"protectedItemId": ITEM})
    assert str(request.vault) == VAULT
    assert request.recovery_point == PointById(id="1847001100220033445")
    assert request.target == OriginalTarget(location="original")
    assert request.identity == SystemIdentity(type="systemAssigned")
    assert request.start_deadline == datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_nothing_of_a_stranger_is_six_missing_fields_and_one_unknown() -> None:
    assert sorted(problems_of({"hello": 1})) == [
        "hello: is not a field of this message",
        *(
            f"{name}: is missing"
            for name in (
                *("recoveryPoint", "requestId", "schemaVersion", "source", "target", "vaultId"),
            )
        ),
    ]


WRONG: list[tuple[Json, list[str]]] = [
    # schemaVersion, action
    ({"schemaVersion": ...}, ["schemaVersion: is missing"]),
    ({"schemaVersion": "1.1"}, ["schemaVersion: must be '1.0'"]),
    ({"schemaVersion": 1.0}, ["schemaVersion: must be '1.0'"]),
    ({"action": "Restore"}, ["action: must be 'restore' or 'cancel'"]),
    ({"action": 1}, ["action: must be 'restore' or 'cancel'"]),
    ({"action": ["cancel"]}, ["action: must be 'restore' or 'cancel'"]),
    # requestId
    ({"requestId": ...}, ["requestId: is missing"]),
    ({"requestId": ""}, ["requestId: must be 1 to 128 of A-Z a-z 0-9 . _ -"]),
    ({"requestId": "a" * 129}, ["requestId: must be 1 to 128 of A-Z a-z 0-9 . _ -"]),
    ({"requestId": "a b"}, ["requestId: must be 1 to 128 of A-Z a-z 0-9 . _ -"]),
    ({"requestId": "plan~x"}, ["requestId: must be 1 to 128 of A-Z a-z 0-9 . _ -"]),
    ({"requestId": "a\n"}, ["requestId: must be 1 to 128 of A-Z a-z 0-9 . _ -"]),
    ({"requestId": "ä"}, ["requestId: must be 1 to 128 of A-Z a-z 0-9 . _ -"]),
    ({"requestId": 7}, ["requestId: must be a text"]),
    # vaultId, source
    ({"vaultId": ...}, ["vaultId: is missing"]),
    ({"vaultId": 7}, ["vaultId: must be a text"]),
    ({"vaultId": ""}, ["vaultId: must start with /subscriptions/"]),
    (
        {"vaultId": ACCOUNT},
        ["vaultId: is not the id of a Microsoft.RecoveryServices/vaults resource"],
    ),
    ({"source": ...}, ["source: is missing"]),
    ({"source": "ledgers"}, ["source: must be an object"]),
    ({"source": []}, ["source: must be an object"]),
    ({"source": {}}, ["source.storageAccountId: is missing", "source.fileShare: is missing"]),
    (
        {"source": {"storageAccountId": ACCOUNT, "fileShare": "Ledgers"}},
        [f"source.fileShare: 'Ledgers': {SHARES}"],
    ),
    (
        {"source": {"protectedItemId": ITEM, "fileShare": "ledgers"}},
        ["source.fileShare: is not a field of this message"],
    ),
    (
        {"source": {"protectedItemId": ITEM.replace("protectedItems", "protectableItems")}},
        ["source.protectedItemId: names a protectable item; give the id with /protectedItems/"],
    ),
    (
        {"vaultId": OTHER_VAULT, "source": {"protectedItemId": ITEM}},
        ["source.protectedItemId: is under another vault than vaultId"],
    ),
    # recoveryPoint
    ({"recoveryPoint": ...}, ["recoveryPoint: is missing"]),
    ({"recoveryPoint": "latest"}, ["recoveryPoint: must be an object"]),
    ({"recoveryPoint": {}}, ["recoveryPoint.id: is missing"]),
    ({"recoveryPoint": {"id": 932881138555802864}}, ["recoveryPoint.id: must be a text"]),
    (
        {"recoveryPoint": {"id": "9" * 20}},
        [
            f"recoveryPoint.id: '{'9' * 20}': a recovery point's id is a text of 1 to 19 digits",
        ],
    ),
    (
        {"recoveryPoint": {"id": "1", "maxAge": "P1D"}},
        ["recoveryPoint.maxAge: is not a field of this message"],
    ),
    (
        {"recoveryPoint": {"select": "newest"}},
        ["recoveryPoint: must be an object with id, or with select: latest or latestBefore"],
    ),
    (
        {"recoveryPoint": {"select": ["latest"]}},
        ["recoveryPoint: must be an object with id, or with select: latest or latestBefore"],
    ),
    ({"recoveryPoint": {"select": "latestBefore"}}, ["recoveryPoint.time: is missing"]),
    (
        {"recoveryPoint": {"select": "latestBefore", "time": "2026-05-04T07:00:00"}},
        [f"recoveryPoint.time: {TIMES}"],
    ),
    (
        {"recoveryPoint": {"select": "latestBefore", "time": 1770277427}},
        ["recoveryPoint.time: must be a text"],
    ),
    (
        {"recoveryPoint": {"select": "latest", "time": "2026-05-04T07:00:00Z"}},
        ["recoveryPoint.time: is not a field of this message"],
    ),
    (
        {"recoveryPoint": {"select": "latest", "maxAge": "1 day"}},
        [f"recoveryPoint.maxAge: {DURATIONS}"],
    ),
    (
        {"recoveryPoint": {"select": "latest", "maxAge": 3600}},
        ["recoveryPoint.maxAge: must be a text"],
    ),
    (
        {"recoveryPoint": {"select": "latest", "maxAge": "PT0S"}},
        ["recoveryPoint.maxAge: must be longer than nothing and at most 36500 days"],
    ),
    # target
    ({"target": ...}, ["target: is missing"]),
    ({"target": {}}, ["target: must be an object with location: original or alternate"]),
    ({"target": "original"}, ["target: must be an object with location: original or alternate"]),
    (
        {"target": {"location": "Original"}},
        ["target: must be an object with location: original or alternate"],
    ),
    (
        {"target": {"location": "alternate"}},
        ["target.storageAccountId: is missing", "target.fileShare: is missing"],
    ),
    (
        {"target": {"location": "original", "folder": "x"}, "copyOptions": "Skip"},
        ["target.folder: is not a field of this message"],
    ),
    # items
    ({"items": []}, ["items: must have 1 to 990 entries"]),
    (
        {"items": [{"path": f"{n}", "type": "File"} for n in range(991)]},
        ["items: must have 1 to 990 entries"],
    ),
    ({"items": "a.txt"}, ["items: must be a list"]),
    ({"items": {"path": "a", "type": "File"}}, ["items: must be a list"]),
    ({"items": ["a.txt"]}, ["items[0]: must be an object"]),
    ({"items": [{"path": "a"}]}, ["items[0].type: is missing"]),
    ({"items": [{"path": "a", "type": "file"}]}, ["items[0].type: must be 'File' or 'Directory'"]),
    (
        {"items": [{"path": "A/b", "type": "File"}, {"path": "a/B", "type": "File"}]},
        ["items[1].path: is listed twice"],
    ),
    # copyOptions
    (
        {"copyOptions": "overwrite"},
        ["copyOptions: must be 'Overwrite' or 'Skip' or 'CreateCopy' or 'FailOnConflict'"],
    ),
    (
        {"copyOptions": ["Skip"]},
        ["copyOptions: must be 'Overwrite' or 'Skip' or 'CreateCopy' or 'FailOnConflict'"],
    ),
    (
        {"target": {"location": "original"}},
        ["copyOptions: is missing: say Overwrite or Skip for the original location"],
    ),
    *(
        (
            {"copyOptions": unproven},
            [f"copyOptions: {UNPROVEN}"],
        )
        for unproven in ("CreateCopy", "FailOnConflict")
    ),
    # identity
    (
        {"identity": "systemAssigned"},
        ["identity: must be an object with type: systemAssigned or userAssigned"],
    ),
    ({"identity": {"type": "userAssigned"}}, ["identity.id: is missing"]),
    (
        {"identity": {"type": "userAssigned", "id": ACCOUNT}},
        ["identity.id: is not a Microsoft.ManagedIdentity/userAssignedIdentities resource"],
    ),
    (
        {"identity": {"type": "systemAssigned", "id": IDENTITY}},
        ["identity.id: is not a field of this message"],
    ),
    # the rest
    ({"dryRun": "true"}, ["dryRun: must be true or false"]),
    ({"dryRun": 1}, ["dryRun: must be true or false"]),
    ({"priority": "high"}, ["priority: must be 'normal' or 'emergency'"]),
    ({"priority": 1}, ["priority: must be 'normal' or 'emergency'"]),
    ({"startDeadline": "soon"}, [f"startDeadline: {DURATIONS}"]),
    ({"startDeadline": "2026-05-04"}, [f"startDeadline: {TIMES}"]),
    ({"startDeadline": ""}, [f"startDeadline: {DURATIONS}"]),
    ({"startDeadline": 60}, ["startDeadline: must be a text"]),
    ({"requestedBy": "x" * 257}, ["requestedBy: has more than 256 characters"]),
    ({"requestedBy": {}}, ["requestedBy: must be a text"]),
    ({"reason": "x" * 257}, ["reason: has more than 256 characters"]),
    ({"reason": 5}, ["reason: must be a text"]),
    *(
        (
            {"traceparent": bad},
            ["traceparent: must be a W3C trace context, 00-<32 hex>-<16 hex>-<2 hex>"],
        )
        for bad in (TRACE.upper(), TRACE[:-1], "ff" + TRACE[2:], f"00-{'0' * 32}-{'1' * 16}-00")
    ),
    ({"labels": []}, ["labels: must be an object"]),
    ({"labels": {str(n): "" for n in range(17)}}, ["labels: has more than 16 entries"]),
    ({"labels": {"": "x"}}, ["labels.: must not be empty"]),
    ({"labels": {"a": 1}}, ["labels.a: must be a text"]),
    ({"labels": {"a": "x" * 257}}, ["labels.a: has more than 256 characters"]),
    # in its own words for everything
    ({"Items": None}, ["Items: is not a field of this message"]),
]


@pytest.mark.parametrize(("changes", "problems"), WRONG)
def test_a_wrong_field_is_its_problems_and_no_others(changes: Json, problems: list[str]) -> None:
    assert problems_of(request_body(**changes)) == problems


@pytest.mark.parametrize(
    "changes",
    [
        {"requestId": "a" * 128},
        {"requestId": "AZaz09._-"},
        {"vaultId": VAULT.upper(), "source": {"protectedItemId": ITEM}},
        {"items": [{"path": f"f{n}", "type": "File"} for n in range(990)]},
        {"requestedBy": "🎉" * 256, "reason": ""},
        {"labels": {"k" * 64: "🎉" * 256} | {str(n): "" for n in range(15)}},
        {"labels": {}},
        {"items": [{"path": "Gruß", "type": "File"}, {"path": "Gruss", "type": "File"}]},
        {"dryRun": False},
        {"copyOptions": "Skip", "target": {"location": "original"}},
        {"recoveryPoint": {"id": "0"}},
        {"startDeadline": "PT1S"},
    ],
)
def test_what_lies_on_a_bound_is_good(changes: Json) -> None:
    assert isinstance(read_request(request_body(**changes)), RestoreRequest)


@pytest.mark.parametrize("name", [*request_body(), *EVERY_FIELD])
def test_null_is_no_value_of_any_field(name: str) -> None:
    assert problems_of(request_body(**{name: None})) == [
        f"{name}: must not be null: leave the field out"
    ]


@pytest.mark.parametrize(
    ("part", "name"),
    [("source", "fileShare"), ("recoveryPoint", "maxAge"), ("target", "folder")],
)
def test_null_is_no_value_inside_either(part: str, name: str) -> None:
    body = request_body(**EVERY_FIELD)
    body[part][name] = None
    assert problems_of(body) == [f"{part}.{name}: must not be null: leave the field out"]


def test_unproven_copy_options_are_a_matter_of_a_setting() -> None:
    body = request_body(copyOptions="FailOnConflict")
    request = read_request(body, unproven_copy_options=True)
    assert isinstance(request, RestoreRequest)
    assert request.effective_copy_options is CopyOptions.FAIL_ON_CONFLICT


def test_all_problems_are_reported_at_once_across_fields_too() -> None:
    problems = problems_of(
        request_body(
            schemaVersion="2",
            vaultId=OTHER_VAULT,
            source={"protectedItemId": ITEM, "colour": "red"},
            target={"location": "original", "folder": "x"},
            items=[
                {"path": "a", "type": "File"},
                {"path": "A", "type": "Folder"},
                {"path": "../b", "type": "File"},
            ],
            dryRun="yes",
            surprise=1,
        )
    )
    assert sorted(problems) == [
        "copyOptions: is missing: say Overwrite or Skip for the original location",
        "dryRun: must be true or false",
        "items[1].path: is listed twice",
        "items[1].type: must be 'File' or 'Directory'",
        "items[2].path: has a segment that is empty, '.' or '..'",
        "schemaVersion: must be '1.0'",
        "source.colour: is not a field of this message",
        "source.protectedItemId: is under another vault than vaultId",
        "surprise: is not a field of this message",
        "target.folder: is not a field of this message",
    ]


def renamed(body: Json, path: str, name: str) -> Json:
    """Call a field something else."""
    body = copy.deepcopy(body)
    *parents, field = path.split(".")
    inside: Any = body
    for parent in parents:
        inside = inside[int(parent)] if parent.isdigit() else inside[parent]
    inside[name] = inside.pop(field)
    return body


@pytest.mark.parametrize(
    ("field", "name"),
    [
        *(("vaultId", name) for name in ("vaultid", "VaultID", "vault_id", "valutId", "vaultIdd")),
        *(("requestId", name) for name in ("RequestId", "request_id", "requestID", "reqestId")),
        *(("schemaVersion", name) for name in ("schemaversion", "schema-version", "SchemaVer")),
        *(("source", name) for name in ("Source", "sources", "sorce")),
        *(("recoveryPoint", name) for name in ("RecoveryPoint", "recovery_point", "recoverypont")),
        *(("target", name) for name in ("Target", "traget", "targets")),
        *(("items", name) for name in ("Items", "item")),
        *(("copyOptions", name) for name in ("copyOption", "CopyOptions", "copy_options")),
        *(("dryRun", name) for name in ("dryrun", "dry_run", "DryRun")),
        *(("startDeadline", name) for name in ("deadlineStart", "start_deadline", "startDeadLine")),
        ("priority", "prioriy"),
        ("labels", "label"),
        ("traceparent", "traceParent"),
        ("requestedBy", "requested_by"),
        ("action", "Action"),
    ],
)
def test_a_misspelt_field_is_one_problem_that_names_the_right_one(field: str, name: str) -> None:
    body = renamed(request_body(**EVERY_FIELD), field, name)
    meant = None if name == "deadlineStart" else field
    with pytest.raises(MessageInvalid) as raised:
        read_request(body)
    assert [(one.path, one.did_you_mean) for one in raised.value.problems] == [(name, meant)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("source.storageAccountId", "storageAccountID"),
        ("source.storageAccountId", "storageAccount"),
        ("source.fileShare", "fileshare"),
        ("recoveryPoint.select", "Select"),
        ("recoveryPoint.time", "Time"),
        ("recoveryPoint.maxAge", "max_age"),
        ("target.location", "Location"),
        ("target.fileShare", "fileShares"),
        ("target.folder", "folders"),
        ("identity.type", "Type"),
        ("identity.id", "ID"),
        ("items.0.path", "Path"),
        ("items.1.type", "tpye"),
    ],
)
def test_a_misspelt_field_inside_is_one_problem_too(path: str, name: str) -> None:
    *_, field = path.split(".")
    with pytest.raises(MessageInvalid) as raised:
        read_request(renamed(request_body(**EVERY_FIELD), path, name))
    (problem,) = raised.value.problems
    assert problem.path.endswith("." + name)
    assert problem.did_you_mean == field


def test_a_misspelt_item_id_keeps_the_vault_from_being_missed() -> None:
    body = request_body(vaultId=..., source={"protectedItemID": ITEM})
    with pytest.raises(MessageInvalid) as raised:
        read_request(body)
    (problem,) = raised.value.problems
    assert (problem.path, problem.did_you_mean) == ("source.protectedItemID", "protectedItemId")


@pytest.mark.parametrize("name", ["x", "colour", "🎉", "", "\n", "\ud800", "[key]", "LatestPoint"])
def test_a_field_that_means_nothing_is_named_without_a_guess(name: str) -> None:
    with pytest.raises(MessageInvalid) as raised:
        read_request(request_body(**{name: 1}))
    (problem,) = raised.value.problems
    assert problem.did_you_mean is None
    assert problem.path.isascii()


def test_a_misspelt_field_beside_the_right_one_is_still_a_problem() -> None:
    assert problems_of(request_body(vaultID=OTHER_VAULT)) == [
        "vaultID: is not a field of this message"
    ]


PATHS: list[tuple[str, str]] = [
    ("/a", "must be relative to the share's root: leave out the leading slash"),
    ("", "has a segment that is empty, '.' or '..'"),
    ("a/", "has a segment that is empty, '.' or '..'"),
    ("a//b", "has a segment that is empty, '.' or '..'"),
    (".", "has a segment that is empty, '.' or '..'"),
    ("a/../b", "has a segment that is empty, '.' or '..'"),
    ("a/.../b", "has a segment that is empty, '.' or '..'"),
    ("a/ . /b", "has a segment that is empty, '.' or '..'"),
    (" ", "has a segment that is empty, '.' or '..'"),
    ("a\\b", "holds a backslash: separate folders with /"),
    ("a%2fb", "holds %2f, %5c or %2e: write the path unencoded"),
    ("a%5Cb", "holds %2f, %5c or %2e: write the path unencoded"),
    ("%2E%2e/b", "holds %2f, %5c or %2e: write the path unencoded"),
    ("a" * 256, "has a name of more than 255 characters"),
    ("ä/" * 683, "is longer than 2048 bytes of UTF-8"),
    *(
        (f"a{bad}b", f"holds {bad!a}, which no file or folder name may")
        for bad in '":|<>*?\x00\x1f\x7f\x85\ufffe\uffff'
    ),
]


@pytest.mark.parametrize(("path", "problem"), PATHS)
def test_paths_that_azure_files_or_a_careful_reader_refuses(path: str, problem: str) -> None:
    item = request_body(items=[{"path": path, "type": "File"}])
    assert problems_of(item) == [f"items[0].path: {problem}"]
    target = request_body()["target"] | {"folder": path}
    assert problems_of(request_body(target=target)) == [f"target.folder: {problem}"]


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a/b",
        ".hidden",
        "a.",
        "..a",
        "a b",
        "100% #1",
        "%41",
        "ü/日本/🎉",
        "a" * 255,
        "a'&+=;@~",
        "/".join(["a" * 255] * 8),
    ],
)
def test_paths_that_are_good(path: str) -> None:
    request = request_of(items=[{"path": path, "type": "File"}])
    assert request.items is not None
    assert request.items[0].path == path


# --- the cancel form


def cancel_body(**changes: object) -> Json:
    body: Json = {"schemaVersion": "1.0", "action": "cancel", "requestId": "refresh-1"} | changes
    return {name: value for name, value in body.items() if value is not ...}


@pytest.mark.parametrize("changes", [{}, {"reason": "wrong share", "requestedBy": "me"}])
def test_a_cancel(changes: Json) -> None:
    cancel = read_request(cancel_body(**changes))
    assert isinstance(cancel, CancelRequest)
    assert cancel.request_id == "refresh-1"
    assert (cancel.reason, cancel.requested_by) == (
        changes.get("reason"),
        changes.get("requestedBy"),
    )


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"requestId": ...}, ["requestId: is missing"]),
        ({"schemaVersion": ...}, ["schemaVersion: is missing"]),
        ({"requestId": "a/b"}, ["requestId: must be 1 to 128 of A-Z a-z 0-9 . _ -"]),
        ({"vaultId": VAULT}, ["vaultId: is not a field of this message"]),
        ({"reason": "x" * 257}, ["reason: has more than 256 characters"]),
        ({"reason": None}, ["reason: must not be null: leave the field out"]),
        ({"reasn": "x"}, ["reasn: is not a field of this message"]),
        ({"action": ..., "Action": "cancel"}, ["Action: is not a field of this message"]),
    ],
)
def test_a_wrong_cancel_is_not_told_what_a_restore_needs(
    changes: Json, problems: list[str]
) -> None:
    assert problems_of(cancel_body(**changes)) == problems


# --- a request that something wraps


def test_a_restore_without_an_id_takes_the_one_that_is_offered() -> None:
    request = read_request(request_body(requestId=...), default_id="evt-1")
    assert request == request_of(requestId="evt-1")
    assert read_request(request_body(), default_id="evt-1") == request_of()


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        (request_body(requestId=None), ["requestId: must not be null: leave the field out"]),
        (request_body(requestId="a/b"), ["requestId: must be 1 to 128 of A-Z a-z 0-9 . _ -"]),
        (cancel_body(requestId=...), ["requestId: is missing"]),
    ],
)
def test_an_id_that_is_offered_mends_no_other_and_cancels_nothing(
    body: Json, problems: list[str]
) -> None:
    with pytest.raises(MessageInvalid) as raised:
        read_request(body, default_id="evt-1")
    assert [f"{one.path}: {one.message}" for one in raised.value.problems] == problems
    assert raised.value.request_id is None


def test_problems_lie_where_the_sender_put_them() -> None:
    before = Problem(path="id", message="is missing")
    items = [{"path": "a//b", "type": "File"}]
    body = request_body(requestId=..., items=items, vaultId=..., hello=1)
    with pytest.raises(MessageInvalid) as raised:
        read_request(body, problems=[before], default_id="evt-1", inside="data")
    assert [one.path for one in raised.value.problems] == [
        *("id", "data.items[0].path", "data.hello", "data.vaultId"),
    ]
    assert raised.value.request_id == "evt-1"


# --- one spelling, and its hash


def shuffled(value: Any) -> Any:
    """Turn the order of every object's keys around."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(one) for one in value] if isinstance(value, list) else value


SAME: list[Callable[[Json], Json]] = [
    shuffled,
    lambda body: body | {"vaultId": VAULT.upper()},
    lambda body: body | {"vaultId": VAULT.replace("/subscriptions", "/Subscriptions")},
    lambda body: (
        body | {"source": {"storageAccountId": ACCOUNT.swapcase(), "fileShare": "ledgers"}}
    ),
    lambda body: body | {"target": body["target"] | {"storageAccountId": OTHER_ACCOUNT.upper()}},
    lambda body: body | {"identity": {"type": "userAssigned", "id": IDENTITY.upper()}},
    lambda body: (
        body | {"recoveryPoint": body["recoveryPoint"] | {"time": "2026-05-04T05:00:00.000Z"}}
    ),
    lambda body: body | {"recoveryPoint": body["recoveryPoint"] | {"maxAge": "PT36H"}},
    lambda body: body | {"startDeadline": "PT240M"},
]


@pytest.mark.parametrize("respelled", SAME)
def test_another_spelling_of_the_same_has_the_same_hash(respelled: Callable[[Json], Json]) -> None:
    body = request_body(**EVERY_FIELD)
    other = respelled(copy.deepcopy(body))
    assert json.dumps(other) != json.dumps(body)
    one, two = read_request(body), read_request(other)
    assert isinstance(one, RestoreRequest)
    assert isinstance(two, RestoreRequest)
    assert payload_hash(one) == payload_hash(two)


DIFFERENT: list[Json] = [
    {"requestId": "refresh-2"},
    {"vaultId": OTHER_VAULT},
    {"source": {"storageAccountId": ACCOUNT, "fileShare": "charts"}},
    {"source": {"protectedItemId": ITEM}},
    {"recoveryPoint": {"id": "1"}},
    {"recoveryPoint": EVERY_FIELD["recoveryPoint"] | {"time": "2026-05-04T05:00:00.000001Z"}},
    {"target": EVERY_FIELD["target"] | {"folder": "Back/2026"}},
    {"items": EVERY_FIELD["items"][::-1]},
    {"items": [{"path": "A/b.txt", "type": "File"}, EVERY_FIELD["items"][1]]},
    {"copyOptions": "Overwrite"},
    {"identity": {"type": "systemAssigned"}},
    {"dryRun": False},
    {"priority": "normal"},
    {"startDeadline": "PT5H"},
    {"requestedBy": "Pipeline 7"},
    {"reason": ""},
    {"traceparent": TRACE[:-1] + "0"},
    {"labels": {"team": "Harbour", "id": "Ab"}},
    {"labels": {"team": "harbour", "id": "AB"}},
    *({name: ...} for name in EVERY_FIELD if name not in {"recoveryPoint", "target"}),
]


@pytest.mark.parametrize("changes", DIFFERENT)
def test_any_field_given_otherwise_or_not_given_changes_the_hash(changes: Json) -> None:
    body = request_body(**EVERY_FIELD)
    other = {name: held for name, held in (body | changes).items() if held is not ...}
    one, two = read_request(body), read_request(other)
    assert isinstance(one, RestoreRequest)
    assert isinstance(two, RestoreRequest)
    assert payload_hash(one) != payload_hash(two)


def test_the_hash_is_the_same_in_every_process() -> None:
    assert payload_hash(request_of()) == (
        "9bc63bb2a51a757b7c0d3514d17528b8dfac1a2325976bddece76f342f6951f8"
    )


good_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=256)
good_requests = st.fixed_dictionaries(
    {
        "requestId": st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True),
        "recoveryPoint": st.one_of(
            st.fixed_dictionaries({"id": st.from_regex(r"[0-9]{1,19}", fullmatch=True)}),
            st.fixed_dictionaries(
                {"select": st.just("latest")},
                optional={"maxAge": st.integers(1, 36500).map(lambda days: f"P{days}D")},
            ),
            st.fixed_dictionaries(
                {
                    "select": st.just("latestBefore"),
                    "time": st.datetimes(timezones=st.just(UTC))
                    .filter(lambda time: 1 < time.year < 9999)
                    .map(lambda time: time.isoformat()),
                },
                optional={"maxAge": st.integers(1, 10**9 - 1).map(lambda each: f"PT{each}S")},
            ),
        ),
    },
    optional={
        "items": st.lists(
            st.fixed_dictionaries(
                {
                    "path": st.from_regex(r"[a-zä0-9]{1,9}(/[a-zä0-9]{1,9}){0,3}", fullmatch=True),
                    "type": st.sampled_from(["File", "Directory"]),
                }
            ),
            min_size=1,
            max_size=5,
            unique_by=lambda item: item["path"],
        ),
        "copyOptions": st.sampled_from(["Overwrite", "Skip"]),
        "dryRun": st.booleans(),
        "priority": st.sampled_from(["normal", "emergency"]),
        "startDeadline": st.sampled_from(["PT4H", "P2D", "2026-05-04T09:00:00+02:00"]),
        "requestedBy": good_text,
        "reason": good_text,
        "labels": st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
            good_text,
            max_size=4,
        ),
    },
)


@given(good_requests)
def test_what_was_given_reads_as_the_same_request(changes: Json) -> None:
    request = request_of(**changes)
    again = read_request(request.given())
    assert again == request
    assert isinstance(again, RestoreRequest)
    assert again.given() == request.given()
    assert set(request.given()) == set(request_body(**changes))
    assert payload_hash(again) == payload_hash(request)
    # The store and the plan keep it as JSON, which a text of its own must survive.
    assert read_message(json.dumps(request.given()).encode()) == request


@pytest.mark.parametrize("model", [RestoreRequest, CancelRequest])
def test_the_models_describe_themselves_as_json_schema(
    model: type[RestoreRequest | CancelRequest],
) -> None:
    schema = model.model_json_schema()
    assert schema["additionalProperties"] is False
    assert {"schemaVersion", "requestId"} <= set(schema["required"])
    assert '"null"' not in json.dumps(schema)


def test_the_schema_names_every_field_of_the_message() -> None:
    schema = RestoreRequest.model_json_schema()
    assert set(schema["properties"]) == set(request_body(**EVERY_FIELD))
    assert schema["properties"]["items"]["maxItems"] == 990
    assert schema["properties"]["requestId"]["pattern"] == "^[A-Za-z0-9._-]{1,128}$"
    assert schema["properties"]["dryRun"]["default"] is False


# --- hostile messages


def judge(body: bytes) -> None:
    """Read what anybody may have sent: a request, or a rejection that can be announced."""
    try:
        message = read_message(body)
    except MessageInvalid as error:
        rejected = error
    else:
        assert isinstance(message, RestoreRequest | CancelRequest)
        return
    assert 1 <= len(rejected.problems) <= 101
    for problem in rejected.problems:
        assert problem.path.isascii()
        json.dumps([problem.path, problem.message, problem.did_you_mean]).encode("ascii")
        problem.message.encode()
    event = render_rejection(
        message_id="m1",
        inserted_at=NOW,
        request_id=rejected.request_id,
        reason=Rejection(rejected.reason),
        message=str(rejected),
        problems=rejected.problems,
        source="/test",
    )
    assert event.isascii()
    assert len(event) <= MAX_EVENT_BYTES
    data = json.loads(event)["data"]
    assert data["reason"] in {"Unreadable", "Invalid"}
    assert all("message" in problem for problem in data["problems"])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_rejection(body: bytes) -> None:
    judge(body)
    judge(base64.b64encode(body))


@given(json_values)
def test_any_json_is_a_request_or_a_rejection(value: object) -> None:
    judge(json.dumps(value).encode())


@given(
    st.dictionaries(
        st.sampled_from([*request_body(**EVERY_FIELD), "Action", "vaultid", "x"]),
        json_values,
        min_size=1,
        max_size=4,
    )
)
def test_any_json_in_any_field_gives_a_request_or_a_rejection(
    changes: Json,
) -> None:
    judge(json.dumps(request_body(**EVERY_FIELD) | changes).encode())


@given(st.data())
def test_a_good_message_with_changed_bytes_is_a_request_or_a_rejection(data: st.DataObject) -> None:
    body = bytearray(json.dumps(request_body(**EVERY_FIELD)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    judge(bytes(body))


@given(
    part=st.sampled_from(["source", "recoveryPoint", "target", "identity", "labels", "items"]),
    value=st.dictionaries(
        st.sampled_from(
            [
                *("id", "select", "time", "maxAge", "location", "storageAccountId", "fileShare"),
                *("folder", "type", "protectedItemId", "[key]", "\ud800", "ShareSource"),
            ]
        ),
        json_values | st.sampled_from(["latest", "original", "userAssigned", ITEM, ACCOUNT]),
    ),
)
def test_any_object_in_place_of_a_part_is_a_request_or_a_rejection(part: str, value: Json) -> None:
    judge(json.dumps(request_body(**{part: value})).encode())
    judge(json.dumps(request_body(**{part: [value, value]})).encode())


HOSTILE: dict[str, bytes] = {
    "nesting": b'{"a":' * 10000,
    "lists": b"[" * 60000,
    "one key many times": b"{" + b",".join([b'"requestId":1'] * 4500) + b"}",
    "many unknown fields": json.dumps({f"vault{n}Id": n for n in range(4000)}).encode(),
    "many long unknown fields": json.dumps({f"{n:03}" + "🎉" * 40: n for n in range(120)}).encode(),
    "many items": json.dumps(request_body(items=[{}] * 15000)).encode(),
    "many same items": json.dumps(
        request_body(items=[{"path": "🎉" * 60, "type": 5}] * 80)
    ).encode(),
    "deep long paths": json.dumps(
        {"a" * 80: {"b" * 80: {"c" * 80: {"🎉" * 80: [{"d": "\ud800"}] * 3000}}}}
    ).encode(),
    "a long request id": json.dumps(request_body(requestId="x" * 60000)).encode(),
    "a long label key": json.dumps(request_body(labels={"🎉" * 5000: 1})).encode(),
    "many digits": json.dumps(request_body()).encode()[:-1] + b',"n":' + b"9" * 5000 + b"}",
    "not a number": b'{"requestId": NaN, "dryRun": -Infinity}',
    "half a character": b'{"\\ud800": "\\udc00", "requestId": "\\ud800"}',
    "no character": '{"\ufffe": "\uffff"}'.encode(),
    "UTF-16": json.dumps(request_body()).encode("utf-16"),
    "UTF-32": json.dumps(request_body()).encode("utf-32"),
    "nothing": b"",
    "NUL": b"\x00" * 1000,
    "blanks": b"a" + b" " * 65000 + b"!",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_message_is_a_rejection_that_fits_the_queue(body: bytes) -> None:
    with pytest.raises(MessageInvalid):
        read_message(body)
    judge(body)


def test_a_lone_surrogate_is_one_problem_and_not_a_crash() -> None:
    body = json.dumps(request_body(reason="half \ud83c")).encode()
    with pytest.raises(MessageInvalid) as raised:
        read_message(body)
    (problem,) = raised.value.problems
    assert (problem.path, problem.message) == ("reason", "is not valid Unicode text")
    assert problems_of(request_body(reason="half \ud83c")) == ["reason: is not valid Unicode text"]


def test_a_message_full_of_problems_says_how_many_were_left_out() -> None:
    problems = problems_of(request_body(**{f"x{n}": n for n in range(250)}))
    assert len(problems) == 101
    assert problems[-1] == "$: has 150 more problems"


@pytest.mark.parametrize(
    ("request_id", "readable"),
    [("refresh-1", "refresh-1"), ("a/b", None), (5, None), (None, None), ("x" * 129, None)],
)
def test_the_request_id_is_kept_where_it_can_be_read(
    request_id: object, readable: str | None
) -> None:
    with pytest.raises(MessageInvalid) as raised:
        read_request({"requestId": request_id})
    assert raised.value.request_id == readable
