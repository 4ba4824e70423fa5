from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.arm_ids import StorageAccountId, VaultId
from restore_core.azure_backup.wire import (
    read_guard_requests,
    read_item,
    read_job,
    read_number,
    read_operation,
    read_point,
    read_time,
)
from restore_core.domain.vault import Job, JobEnd, OperationStatus, ServiceError, Tally, Tier
from tests.restore_core.given import ACCOUNT, SUBSCRIPTION, VAULT, Json, json_values, sample

HARBOUR = VaultId.parse(VAULT)
ID = "0a1b2c3d-0000-4000-8000-00000000000a"


def a_job(**changes: object) -> Job:
    """A job of 2026 with changed properties; `...` takes one away."""
    body = sample("2026_job_completed")
    properties = body["properties"] | changes
    body["properties"] = {name: held for name, held in properties.items() if held is not ...}
    job = read_job(body)
    assert job is not None
    return job


# --- times and numbers


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-11-10T21:42:05Z", datetime(2024, 11, 10, 21, 42, 5, tzinfo=UTC)),
        ("2024-11-10T21:42:05+00:00", datetime(2024, 11, 10, 21, 42, 5, tzinfo=UTC)),
        ("2024-11-10T22:42:05+01:00", datetime(2024, 11, 10, 21, 42, 5, tzinfo=UTC)),
        ("2024-11-10T21:42:05+0000", datetime(2024, 11, 10, 21, 42, 5, tzinfo=UTC)),
        ("2024-11-10 21:42:05 Z", datetime(2024, 11, 10, 21, 42, 5, tzinfo=UTC)),
        ("2024-11-10T21:42:05", datetime(2024, 11, 10, 21, 42, 5, tzinfo=UTC)),
        (" 2024-11-10T21:42:05z ", datetime(2024, 11, 10, 21, 42, 5, tzinfo=UTC)),
        *(
            (
                f"2024-11-10T21:42:05.{'1234567'[:digits]}Z",
                datetime(
                    *(2024, 11, 10, 21, 42, 5),
                    int("1234567"[:digits].ljust(6, "0")[:6]),
                    tzinfo=UTC,
                ),
            )
            for digits in range(1, 8)
        ),
    ],
)
def test_a_time_of_any_year_is_aware_utc(text: str, time: datetime) -> None:
    assert read_time(text) == time
    assert read_time(text).utcoffset() == timedelta(0)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "value",
    [
        *("0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "", "soon"),
        *("2024-13-10T21:42:05Z", "2024-11-10T25:42:05Z", "2024-11-10", "9/21/2026 7:00:49 AM"),
        *("9999-12-31T23:59:59-14:00", "2024-11-10T21:42:05+99:99", None, 0, 1.5, True, [], {}),
        "\u0662\u0660\u0662\u0664-11-10T21:42:05Z",
    ],
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert read_time(value) is None


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0", 0),
        ("4", 4),
        (" 4 ", 4),
        (4, 4),
        (4.0, 4),
        ("1,234", 1234),
        ("1,234,567", 1234567),
        ("1,234.5", 1234.5),
        ("141.25", 141.25),
        (141.5, 141.5),
        ("99999999999999999", 1e17),
    ],
)
def test_a_number_in_every_spelling(value: object, number: float) -> None:
    assert read_number(value) == number


@pytest.mark.parametrize(
    "value",
    [
        *("", "-1", "+1", "1,23", "1.", ".5", "1e3", "four", "NaN", "inf", "9" * 19, None, True),
        *(False, -1, -0.5, float("nan"), float("inf"), 10**400, -(10**400), 1e18, [], {}, ["4"]),
    ],
)
def test_what_is_no_number_is_none(value: object) -> None:
    assert read_number(value) is None


# --- items


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("2019_items", [("ledgers", "quayfiles"), ("charts", "quayfiles")]),
        ("2021_items", [("ledgers", "quayfiles")]),
        (
            "2024_items",
            [("ledgers", "quayfiles"), ("charts", "quayfiles"), ("ledgers", "pierfiles")],
        ),
    ],
)
def test_items_of_every_year(name: str, shares: list[tuple[str, str]]) -> None:
    items = [read_item(row, HARBOUR) for row in sample(name)["value"]]
    assert [(item.share, item.account_name) for item in items if item] == shares
    for item, row in zip(items, sample(name)["value"], strict=True):
        assert item is not None
        assert str(item.id) == row["id"].replace("/Subscriptions/", "/subscriptions/")
        assert item.account is not None
        assert item.account.key.endswith(f"/storageaccounts/{item.account_name}")
        assert item.protection_state == "Protected"
        assert item.soft_deleted is False


def an_item(**changes: object) -> Json:
    row: Json = sample("2024_items")["value"][0]
    row["properties"] |= changes
    row["properties"] = {name: held for name, held in row["properties"].items() if held is not ...}
    return row


@pytest.mark.parametrize("source", [..., None, "", 7, "nonsense", VAULT])
def test_an_item_without_its_account_keeps_the_name_off_its_container(source: object) -> None:
    item = read_item(an_item(sourceResourceId=source), HARBOUR)
    assert item is not None
    assert (item.account, item.account_name) == (None, "quayfiles")


@pytest.mark.parametrize("name", [..., None, "", 7])
def test_an_item_without_a_friendly_name_has_its_own(name: object) -> None:
    row = sample("2019_items")["value"][1]
    row["properties"]["friendlyName"] = name
    item = read_item(row, HARBOUR)
    assert item is not None
    assert item.share == "charts"


def test_an_item_of_a_vault_in_odd_casing_is_ours_under_our_spelling() -> None:
    row = an_item()
    row["id"] = row["id"].replace("/harbour/", "/HARBOUR/").replace("vaults-rg", "Vaults-RG")
    item = read_item(row, HARBOUR)
    assert item is not None
    assert item.id.vault == HARBOUR
    assert item.account == StorageAccountId.parse(ACCOUNT)


@pytest.mark.parametrize(
    "row",
    [
        {},
        an_item(protectedItemType="Microsoft.Compute/virtualMachines"),
        an_item() | {"id": None},
        an_item() | {"id": VAULT},
        an_item() | {"id": an_item()["id"].replace("harbour", "lighthouse")},
        an_item() | {"id": an_item()["id"].replace(SUBSCRIPTION, SUBSCRIPTION.replace("1", "2"))},
    ],
)
def test_what_is_no_item_of_the_vault_is_left_out(row: Json) -> None:
    assert read_item(row, HARBOUR) is None


@pytest.mark.parametrize("kind", ["azurefileshareprotecteditem", ..., None])
def test_the_type_is_compared_without_case_and_may_be_absent(kind: object) -> None:
    assert read_item(an_item(protectedItemType=kind), HARBOUR) is not None


def test_a_soft_deleted_item_says_so() -> None:
    item = read_item(an_item(isScheduledForDeferredDelete=True), HARBOUR)
    assert item is not None
    assert item.soft_deleted is True


# --- recovery points


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("2019_points", ["42001100220033", "48001100220033", "51001100220033"]),
        ("2021_points", ["17001100220033"]),
        ("2024_points", ["72001100220033"]),
        ("2026_points", ["1847001100220033445", "1847001100220033446"]),
    ],
)
def test_points_of_every_year(name: str, ids: list[str]) -> None:
    points = [read_point(row) for row in sample(name)["value"]]
    assert [point.id for point in points if point] == ids
    for point in points:
        assert point is not None
        assert point.time is not None
        assert point.time.year == int(name[:4])
        assert point.soft_deleted is False


def test_tiers_and_threats_are_there_when_the_service_says_so() -> None:
    old, both, vaulted = (
        read_point(row)
        for row in (sample("2019_points")["value"][0], *sample("2026_points")["value"])
    )
    assert old is not None
    assert both is not None
    assert vaulted is not None
    assert (old.tiers, old.threat_status) == ((), "")
    assert both.tiers == (
        Tier(kind="InstantRP", status="Valid"),
        Tier(kind="HardenedRP", status="Valid"),
    )
    assert both.threat_status == "Healthy"
    assert vaulted.tiers == (Tier(kind="HardenedRP", status="Valid"),)


@pytest.mark.parametrize("name", [None, "", 932881138555802864, "a/b", "..", ".", "a b", "9" * 129])
def test_a_point_without_a_usable_name_is_left_out(name: object) -> None:
    assert read_point({"name": name, "properties": {}}) is None


def test_a_point_may_have_nothing_but_its_name() -> None:
    point = read_point({"name": "1"})
    assert point is not None
    assert (point.id, point.time, point.tiers) == ("1", None, ())


# --- Resource Guards

RESTORE = (
    "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems"
    "/recoveryPoints/restore/action"
)
GUARD = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/guards-rg"
    "/providers/Microsoft.DataProtection/resourceGuards/breakwater"
)


def a_proxy(*details: object) -> Json:
    """A Resource Guard proxy with these operations."""
    return {
        "id": f"{VAULT}/backupResourceGuardProxies/VaultProxy",
        "name": "VaultProxy",
        "properties": {
            "resourceGuardResourceId": GUARD,
            "resourceGuardOperationDetails": list(details),
        },
    }


def guarded(operation: object, request: object) -> Json:
    return {"vaultCriticalOperation": operation, "defaultResourceRequest": request}


def test_of_all_that_a_guard_protects_the_restore_alone_counts() -> None:
    proxy = a_proxy(
        guarded(f"{RESTORE[:-14]}/delete", f"{GUARD}/deleteProtectedItemRequests/default"),
        guarded(RESTORE, f"{GUARD}/restoreRequests/default"),
        guarded(f"{RESTORE}s", f"{GUARD}/otherRequests/default"),
    )
    assert read_guard_requests(proxy) == (f"{GUARD}/restoreRequests/default",)


@pytest.mark.parametrize("operation", [RESTORE.upper(), RESTORE.lower(), RESTORE.swapcase()])
def test_a_guarded_restore_is_known_in_any_case(operation: str) -> None:
    assert read_guard_requests(a_proxy(guarded(operation, GUARD))) == (GUARD,)


def test_several_requests_of_a_guard_are_kept_once_each_in_their_order() -> None:
    proxy = a_proxy(*(guarded(RESTORE, f"/{name}") for name in "baba"))
    assert read_guard_requests(proxy) == ("/b", "/a")


@pytest.mark.parametrize("request_id", ["/", "/a b~", f"/{'x' * 1023}"])
def test_an_id_of_a_guards_request_is_kept_as_it_is(request_id: str) -> None:
    assert read_guard_requests(a_proxy(guarded(RESTORE, request_id))) == (request_id,)


@pytest.mark.parametrize(
    "request_id",
    [
        *(None, 5, True, [], [GUARD], {}, "", GUARD[1:], f" {GUARD}", f"https://x{GUARD}"),
        *(f"{GUARD}\n", f"/\x00{GUARD}", f"{GUARD}\x7f", f"{GUARD}/ü", f"/{'x' * 1024}"),
    ],
)
def test_what_is_no_id_of_a_guards_request_is_left_out(request_id: object) -> None:
    proxy = a_proxy(guarded(RESTORE, request_id), guarded(RESTORE, GUARD))
    assert read_guard_requests(proxy) == (GUARD,)


@pytest.mark.parametrize(
    "row",
    [
        *({}, {"properties": None}, {"properties": []}, {"properties": {}}, a_proxy()),
        {"properties": {"resourceGuardOperationDetails": None}},
        {"properties": {"resourceGuardOperationDetails": guarded(RESTORE, GUARD)}},
        a_proxy(None, 5, "x", [], {}),
        a_proxy({"vaultCriticalOperation": RESTORE}, {"defaultResourceRequest": GUARD}),
        a_proxy(*(guarded(operation, GUARD) for operation in (None, 5, "", [RESTORE], "restore"))),
    ],
)
def test_a_guard_that_does_not_say_that_it_protects_restores_asks_for_nothing(row: Json) -> None:
    assert read_guard_requests(row) == ()


# --- operations


@pytest.mark.parametrize(("name", "same"), [("2019_operation", False), ("2021_operation", True)])
def test_an_operation_names_its_job_whether_or_not_that_has_its_own_id(
    name: str, same: bool
) -> None:
    body = sample(name)
    operation = read_operation(body)
    assert operation.status is OperationStatus.SUCCEEDED
    assert operation.job_ids == (body["properties"]["jobId"],)
    assert (operation.job_ids[0] == body["id"]) is same
    assert operation.error is None


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Succeeded", OperationStatus.SUCCEEDED),
        ("SUCCEEDED", OperationStatus.SUCCEEDED),
        ("Failed", OperationStatus.FAILED),
        ("Canceled", OperationStatus.CANCELED),
        ("Cancelled", None),
        ("InProgress", None),
        ("Invalid", None),
        ("SomethingNew", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_an_operation_runs_until_it_says_otherwise_in_a_known_word(
    word: object, status: OperationStatus | None
) -> None:
    body = {"id": ID, "name": ID, "status": word, "endTime": "0001-01-01T00:00:00"}
    assert read_operation(body).status is status
    assert read_operation(body).job_ids == ()


@pytest.mark.parametrize(
    ("properties", "job_ids"),
    [
        ({"jobId": "A-1"}, ("A-1",)),
        ({"jobIds": ["a", "b", "a"]}, ("a", "b")),
        ({"jobId": "a", "jobIds": ["b"], "failedJobsError": {"c": "Code", "b": "x"}}, tuple("abc")),
        ({"jobId": "../../x"}, ()),
        ({"jobId": "a/b", "jobIds": ["a?b", "", None, 5, "..", "ok"]}, ("ok",)),
        ({"jobIds": "abc"}, ()),
        ({"failedJobsError": ["abc"]}, ()),
        (None, ()),
    ],
)
def test_an_operation_may_name_no_job_or_several(properties: object, job_ids: object) -> None:
    assert read_operation({"status": "Succeeded", "properties": properties}).job_ids == job_ids


def test_a_failed_operation_says_why() -> None:
    error = {"code": "UserErrorDTSDestLocked", "message": "Busy."}
    operation = read_operation({"status": "Failed", "error": error})
    assert operation.error == ServiceError(code="UserErrorDTSDestLocked", message="Busy.")


@pytest.mark.parametrize("forget", ["name", "id"])
@pytest.mark.parametrize("name", ["2019_job_started", "2021_job_running", "2024_job_failed"])
def test_a_job_in_place_of_its_operation_is_that_job(name: str, forget: str) -> None:
    body = sample(name)
    job_id = body["name"]
    del body[forget]
    operation = read_operation(body)
    assert operation.status is OperationStatus.SUCCEEDED
    assert operation.job_ids == (job_id,)


# --- jobs


def test_a_job_that_just_began_in_2019() -> None:
    job = read_job(sample("2019_job_started"))
    assert job is not None
    assert (job.status, job.end, job.end_time) == ("InProgress", None, None)
    assert job.start_time == datetime(2019, 5, 5, 9, 41, 28, 596928, tzinfo=UTC)
    assert job.files == job.directories == Tally()
    assert job.transferred_mb is None
    assert job.operation == "Restore"


ENDS = [
    ("2019_job_completed", JobEnd.COMPLETED, (4, 0, 0), None, 141),
    ("2021_job_completed", JobEnd.COMPLETED, (1, 0, 0), None, 0),
    ("2024_job_failed", JobEnd.FAILED, (0, 0, 0), None, 0),
    ("2025_job_completed", JobEnd.COMPLETED, (1, 0, 0), None, 0),
    ("2026_job_completed", JobEnd.COMPLETED, (0, 0, 0), (1, 0, 0), 0),
]


@pytest.mark.parametrize(("name", "end", "files", "directories", "megabytes"), ENDS)
def test_the_ends_of_jobs_of_every_year(
    name: str,
    end: JobEnd,
    files: tuple[int, int, int],
    directories: tuple[int, int, int] | None,
    megabytes: float,
) -> None:
    body = sample(name)
    job = read_job(body)
    assert job is not None
    assert job.id == body["name"]
    assert job.activity_id == body["properties"]["activityId"]
    assert job.end is end
    assert (job.files.restored, job.files.skipped, job.files.failed) == files
    found = (job.directories.restored, job.directories.skipped, job.directories.failed)
    assert found == (directories or (None, None, None))
    assert job.transferred_mb == megabytes
    assert job.start_time is not None
    assert job.end_time is not None
    assert job.start_time < job.end_time


def test_an_error_of_a_job_is_a_number_with_words_and_advice() -> None:
    job = read_job(sample("2024_job_failed"))
    assert job is not None
    assert job.errors == (
        ServiceError(
            code="1073871825",
            message="Backup met an internal error.",
            recommendations=("Wait for some minutes and try again.",),
        ),
    )


@pytest.mark.parametrize(
    ("details", "errors"),
    [
        (..., ()),
        (None, ()),
        ([], ()),
        ([None, 5, "x", {}], ()),
        ({"errorCode": 1}, ()),
        ([{"errorCode": 570035}], (ServiceError(code="570035", message=""),)),
        ([{"errorCode": "AFew"}], (ServiceError(code="AFew", message=""),)),
        ([{"errorString": "words"}], (ServiceError(code="", message="words"),)),
        ([{"errorCode": [[1]], "errorString": 5}], (ServiceError(code="", message=""),)),
        (
            [{"errorCode": 1, "recommendations": ["a", None, "", "b"]}, {"errorCode": 2}],
            (
                ServiceError(code="1", message="", recommendations=("a", "b")),
                ServiceError(code="2", message=""),
            ),
        ),
    ],
)
def test_errors_of_any_shape(details: object, errors: tuple[ServiceError, ...]) -> None:
    assert a_job(errorDetails=details).errors == errors


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("Completed", JobEnd.COMPLETED),
        ("completed", JobEnd.COMPLETED),
        ("CompletedWithWarnings", JobEnd.COMPLETED_WITH_WARNINGS),
        ("Failed", JobEnd.FAILED),
        ("Cancelled", JobEnd.CANCELLED),
        ("Canceled", None),
        ("InProgress", None),
        ("Cancelling", None),
        ("Invalid", None),
        ("CompletedSomehow", None),
        ("", None),
        (None, None),
        (True, None),
        (..., None),
    ],
)
def test_a_job_runs_until_it_says_otherwise_in_a_known_word(
    word: object, end: JobEnd | None
) -> None:
    job = a_job(status=word)
    assert job.end is end
    assert job.status == (word if isinstance(word, str) else "")


@pytest.mark.parametrize(
    "extended", [..., None, {}, [], {"propertyBag": None}, {"propertyBag": []}, {"propertyBag": {}}]
)
def test_a_bag_that_is_empty_or_no_bag_counts_nothing(extended: object) -> None:
    job = a_job(extendedInfo=extended)
    assert (job.files, job.directories, job.transferred_mb) == (Tally(), Tally(), None)


@pytest.mark.parametrize(
    ("bag", "restored", "megabytes"),
    [
        (
            {"Number Of Restored Files": "1,234", "Data Transferred (in MB)": "1,024.5"},
            1234,
            1024.5,
        ),
        ({"number of restored files": 7, "DATA TRANSFERRED (IN MB)": 1}, 7, 1),
        ({" Number  Of Restored\tFiles ": " 7 "}, 7, None),
        ({"Number Of Restored Files": "many", "Data Transferred (in MB)": None}, None, None),
        ({"Number Of Restored Files": True}, None, None),
        ({"Number Of Restored Files": "-1"}, None, None),
    ],
)
def test_counts_and_megabytes_in_every_spelling(
    bag: Json, restored: int | None, megabytes: float | None
) -> None:
    job = a_job(extendedInfo={"propertyBag": bag})
    assert job.files == Tally(restored=restored)
    assert job.transferred_mb == megabytes


def test_a_job_in_a_list_has_no_details_and_the_same_identity() -> None:
    listed = [read_job(row) for row in sample("2026_jobs")["value"]]
    whole = read_job(sample("2026_job_completed"))
    assert whole is not None
    assert [job.status for job in listed if job] == ["CompletedWithWarnings", "InProgress"]
    assert listed[1] is not None
    assert (listed[1].id, listed[1].activity_id) == (whole.id, whole.activity_id)
    assert listed[1].files == Tally()


def test_ids_in_odd_casing_are_found_by_their_activity() -> None:
    assert a_job(activityId=f" {ID.upper()} ").activity_id == ID


@pytest.mark.parametrize("activity", [..., None, 5, ""])
def test_a_job_without_an_activity_is_nobodys(activity: object) -> None:
    assert a_job(activityId=activity).activity_id == ""


@pytest.mark.parametrize(
    ("body", "job_id"),
    [
        ({"name": ID}, ID),
        ({"id": f"{VAULT}/backupJobs/{ID}"}, ID),
        ({"name": "a/b", "id": f"{VAULT}/backupJobs/{ID}"}, ID),
        ({"name": None}, None),
        ({"name": ".."}, None),
        ({"id": f"{VAULT}/backupJobs/.."}, None),
        ({"id": "x?y"}, None),
        ({}, None),
    ],
)
def test_a_jobs_name_is_one_that_may_stand_in_a_url(body: Json, job_id: str | None) -> None:
    job = read_job(body)
    assert (job.id if job else None) == job_id


# --- anything in place of anything

READERS: list[tuple[Callable[[Any], object], Json]] = [
    (lambda body: read_item(body, HARBOUR), sample("2024_items")["value"][0]),
    (read_point, sample("2026_points")["value"][0]),
    (read_guard_requests, a_proxy(guarded(RESTORE, GUARD))),
    (read_operation, sample("2019_operation")),
    (read_operation, sample("2021_job_running")),
    (read_job, sample("2024_job_failed")),
    (read_job, sample("2026_job_completed")),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside."""
    inside: Any = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    return [
        *([path] if path else []),
        *(place for key, inner in inside for place in places(inner, (*path, key))),
    ]


@given(data=st.data(), value=json_values)
def test_any_json_in_place_of_any_field_is_read_without_a_crash(
    data: st.DataObject, value: object
) -> None:
    read, good = data.draw(st.sampled_from(READERS))
    body = copy.deepcopy(good)
    *parents, field = data.draw(st.sampled_from(places(good)))
    inside: Any = body
    for parent in parents:
        inside = inside[parent]
    inside[field] = value
    read(body)


@given(st.dictionaries(st.sampled_from(["id", "name", "status", "properties"]), json_values))
def test_any_object_is_read_without_a_crash(body: Json) -> None:
    for read, _ in READERS:
        read(body)
