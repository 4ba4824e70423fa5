"""The surprises of the service's wire, one test for each, named after the fact."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from local.vault import Job
from tests.local.vault.arm import CLIENT_ID, POINT, VERSION, Arm, Json, body
from tests.local.vault.conftest import Serve
from tests.patience import PATIENCE

ERAS = ["2019", "2021", "2024", "2026"]
ZERO = "00000000-0000-0000-0000-000000000000"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SLOW = {"operation_delay": 100_000.0, "job_duration": 100_000.0}


def _operation_id(url: str) -> str:
    return urlsplit(url).path.rsplit("/", 1)[1]


def _nulls(value: object) -> bool:
    if isinstance(value, dict):
        return any(_nulls(each) for each in value.values())
    return any(map(_nulls, value)) if isinstance(value, list) else value is None


def _operation(arm: Arm, job: Job) -> Json:
    document: Json = arm.get(f"backupOperations/{job.operation_id}").json()
    return document


def test_01_a_job_omits_what_it_has_not_and_never_says_null(arm: Arm) -> None:
    running = arm.get(f"backupJobs/{arm.held(body()).id}").json()
    assert not _nulls(running)
    assert not {"endTime", "errorDetails"} & running["properties"].keys()
    assert not {"resourceGroup", "tags", "location", "eTag"} & running.keys()
    job = arm.ended(body(alternate=True))
    assert not _nulls(arm.get(f"backupJobs/{job.id}").json())


@pytest.mark.parametrize(
    ("era", "actions"),
    [("2019", [1]), ("2021", [1]), ("2024", ["Cancellable"]), ("2026", ["Cancellable"])],
)
def test_02_actions_are_numbers_or_words_and_outlive_the_job(
    serve: Serve, era: str, actions: list[object]
) -> None:
    arm = serve(era=era)
    job = arm.started(body())
    assert arm.shown(job)["actionsInfo"] == actions
    arm.wait(job)
    assert arm.shown(job)["actionsInfo"] == actions


def test_03_times_have_up_to_seven_digits_and_no_trailing_zero(arm: Arm) -> None:
    arm.emulator.add_jobs(40)
    texts = [job["properties"]["startTime"] for job in arm.listed()]
    assert all(re.fullmatch(r"[\d-]{10}T[\d:]{8}(\.\d{0,6}[1-9])?Z", text) for text in texts)
    assert len({len(text) for text in texts}) > 1


def test_03_an_operation_in_progress_ends_in_the_year_one_without_zone(
    serve: Serve,
) -> None:
    arm = serve(**SLOW)
    document = _operation(arm, arm.started(body()))
    assert document["status"] == "InProgress"
    assert document["endTime"] == "0001-01-01T00:00:00"
    assert "properties" not in document


def test_04_durations_are_iso_8601_and_the_bag_has_american_times(arm: Arm) -> None:
    shown = arm.shown(arm.ended(body()))
    assert re.fullmatch(r"PT0\.\d{1,7}S", shown["duration"])
    bag = shown["extendedInfo"]["propertyBag"]
    assert bag["Recovery Point Time in UTC"] == "11/20/2026 8:01:36 AM"


def test_05_subscriptions_has_a_capital_in_the_old_ids_only(serve: Serve) -> None:
    arm = serve(era="2019")
    job = arm.started(body())
    assert arm.get(f"backupJobs/{job.id}").json()["id"].startswith("/Subscriptions/")
    item = arm.get("backupProtectedItems").json()["value"][0]
    assert item["id"].startswith("/Subscriptions/")
    assert "/providers/Microsoft.storage/" in item["properties"]["sourceResourceId"]
    assert arm.restore(body(alternate=True)).headers["Location"].count("/Subscriptions/") == 1


def test_05_newer_ids_are_small_and_any_casing_is_understood(arm: Arm) -> None:
    item = arm.get("backupProtectedItems").json()["value"][0]
    assert item["id"].startswith("/subscriptions/")
    for path in (item["id"].upper(), item["id"].lower(), item["id"].replace(";", "%3b")):
        answer = arm.session.get(
            f"{arm.emulator.url}{path}?API-VERSION={VERSION}", timeout=PATIENCE
        )
        assert answer.status_code == 200, path


def test_06_containers_and_items_spell_the_container_differently(arm: Arm) -> None:
    item = arm.get("backupProtectedItems").json()["value"][0]
    container = arm.get("backupProtectionContainers").json()["value"][0]
    assert item["properties"]["containerName"] == "StorageContainer;storage;stores;srcaccount"
    assert container["name"] == "StorageContainer;Storage;stores;srcaccount"


@pytest.mark.parametrize("era", ["2024", "2026"])
def test_07_urls_to_follow_are_signed_and_three_to_four_kilobytes_long(
    serve: Serve, era: str
) -> None:
    answer = serve(era=era).restore(body())
    for name in ("Location", "Azure-AsyncOperation"):
        url = answer.headers[name]
        assert 3000 < len(url) < 4096
        assert list(parse_qs(urlsplit(url).query)) == ["api-version", "t", "c", "s", "h"]


@pytest.mark.parametrize("era", ["2019", "2021"])
def test_07_urls_to_follow_were_plain_before(serve: Serve, era: str) -> None:
    location = serve(era=era).restore(body()).headers["Location"]
    assert urlsplit(location).query == f"api-version={VERSION}"


def test_07_a_cancel_is_followed_with_a_preview_version_of_its_own(serve: Serve) -> None:
    arm = serve(**SLOW)
    job = arm.started(body())
    answer = arm.post(f"backupJobs/{job.id}/cancel")
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["Retry-After"]
    for name, segment in (
        ("Location", "operationResults"),
        ("Azure-AsyncOperation", "operationsStatus"),
    ):
        url = answer.headers[name]
        assert f"/backupJobs/{job.id}/{segment}/" in url
        assert parse_qs(urlsplit(url).query)["api-version"] == ["2019-05-13-preview"]
        assert _operation_id(url) != job.operation_id


def test_08_the_end_of_an_operation_by_its_location_still_asks_to_retry(arm: Arm) -> None:
    first = arm.restore(body())
    arm.wait(arm.emulator.jobs()[0])
    answer = arm.get(first.headers["Location"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Retry-After"] == first.headers["Retry-After"]
    assert "Azure-AsyncOperation" in answer.headers


def test_09_request_ids_of_that_end_are_zero(arm: Arm) -> None:
    first = arm.restore(body())
    arm.wait(arm.emulator.jobs()[0])
    answer = arm.session.get(
        first.headers["Location"], headers={"x-ms-client-request-id": CLIENT_ID}, timeout=PATIENCE
    )
    assert answer.headers["x-ms-request-id"] == ZERO
    assert answer.headers["x-ms-client-request-id"] == ZERO
    assert GUID.fullmatch(answer.headers["x-ms-correlation-request-id"])
    assert answer.headers["x-ms-correlation-request-id"] != ZERO


@pytest.mark.parametrize(
    ("era", "echo"),
    [("2019", 2), ("2021", 2), ("2024", 1), ("2026", 1)],
)
def test_10_the_client_request_id_came_back_twice_until_2021(
    serve: Serve, era: str, echo: int
) -> None:
    answer = serve(era=era).restore(body())
    assert answer.headers["x-ms-client-request-id"] == ", ".join([CLIENT_ID] * echo)


def test_11_the_server_header_was_doubled_once(serve: Serve) -> None:
    answer = serve(era="2019").get("backupJobs")
    assert answer.headers["Server"] == "Microsoft-IIS/10.0, Microsoft-IIS/10.0"


def test_12_newer_answers_carry_new_headers(arm: Arm) -> None:
    headers = arm.get("backupJobs").headers
    assert headers["X-Cache"] == "CONFIG_NOCACHE"
    assert "X-MSEdge-Ref" in headers
    assert "tenantId=" in headers["x-ms-operation-identifier"]


def test_13_a_look_at_a_job_can_fail_once_with_an_internal_error(arm: Arm) -> None:
    fault = {
        "on": "job",
        "action": {"kind": "status", "status": 500, "code": "RestApiInternalError"},
    }
    arm.emulator.inject(fault)
    job = arm.started(body())
    failed = arm.get(f"backupJobs/{job.id}")
    assert failed.json()["error"]["code"] == "RestApiInternalError"
    assert failed.headers["Connection"] == "close"
    assert failed.headers["x-ms-request-id"]
    assert arm.get(f"backupJobs/{job.id}").status_code == 200


def test_14_an_operation_is_canceled_and_a_job_is_cancelled(serve: Serve) -> None:
    arm = serve(operation_delay=0.0)
    action = {"kind": "operation_error", "status": "Canceled", "code": "UserErrorX"}
    arm.emulator.inject({"on": "restore", "action": action})
    answer = arm.restore(body())
    operation = _operation_id(answer.headers["Location"])
    document = arm.get(f"backupOperations/{operation}").json()
    assert document["status"] == "Canceled"
    assert document["error"]["code"] == "UserErrorX"
    assert list(arm.listed()) == []
    job = arm.held(body())
    arm.post(f"backupJobs/{job.id}/cancel")
    assert arm.shown(arm.wait(job))["status"] == "Cancelled"


def test_15_an_operation_has_succeeded_long_before_the_restore(serve: Serve) -> None:
    arm = serve(operation_delay=0.0, job_duration=100_000.0)
    job = arm.started(body())
    document = _operation(arm, job)
    assert document["status"] == "Succeeded"
    assert document["startTime"] == document["endTime"] == arm.shown(job)["startTime"]
    assert document["properties"] == {
        "objectType": "OperationStatusJobExtendedInfo",
        "jobId": job.id,
    }
    assert arm.shown(job)["status"] == "InProgress"


def test_16_counts_stay_zero_until_the_end(serve: Serve) -> None:
    arm = serve(files=100)
    job = arm.started(body())
    seen = []
    while (shown := arm.shown(job))["status"] == "InProgress":
        seen.append(shown["extendedInfo"]["propertyBag"]["Number Of Restored Files"])
    assert set(seen) == {"0"}
    bag = shown["extendedInfo"]["propertyBag"]
    assert bag["Number Of Restored Files"] == "104"
    assert bag["Data Transferred (in MB)"] == "2"


def test_17_three_fields_carry_no_information(arm: Arm) -> None:
    shown = arm.shown(arm.started(body()))
    assert shown["isUserTriggered"] is False
    assert shown["storageAccountVersion"] == "ClassicCompute"
    assert shown["extendedInfo"]["tasksList"] == []


def test_23_not_every_id_is_an_arm_id(arm: Arm) -> None:
    item = arm.get("backupProtectedItems").json()["value"][0]
    assert item["properties"]["vaultId"].startswith("http://")
    document = _operation(arm, arm.started(body()))
    assert GUID.fullmatch(document["id"])
    assert document["id"] == document["name"]


def test_a_restore_is_answered_with_headers_alone(arm: Arm) -> None:
    answer = arm.restore(body())
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["Content-Length"] == "0"
    assert "Content-Type" not in answer.headers
    assert {"Date", "x-ms-request-id", "x-ms-correlation-request-id"} <= answer.headers.keys()
    assert answer.headers["x-ms-ratelimit-remaining-subscription-writes"] == "799"
    path = urlsplit(answer.headers["Location"]).path
    assert ";" in path
    assert "%3B" not in path


def test_a_restore_asks_to_come_back_after_a_minute(serve: Serve) -> None:
    assert serve(time_scale=1.0).restore(body()).headers["Retry-After"] == "60"


def test_a_shortened_wait_is_never_zero_seconds(serve: Serve) -> None:
    assert serve(time_scale=1000.0).restore(body()).headers["Retry-After"] == "1"


def test_an_operation_and_its_job_share_their_id_unless_told_otherwise(serve: Serve) -> None:
    job = serve().started(body())
    assert job.operation_id == job.id


def test_an_operation_can_have_an_id_of_its_own(serve: Serve) -> None:
    arm = serve(separate_operation_ids=True, operation_delay=0.0)
    job = arm.started(body())
    assert job.operation_id != job.id
    assert _operation(arm, job)["properties"]["jobId"] == job.id


def test_the_item_and_the_vault_tell_the_same_of_an_operation(arm: Arm) -> None:
    answer = arm.restore(body())
    job = arm.emulator.jobs()[0]
    arm.wait(job)
    assert arm.get(answer.headers["Azure-AsyncOperation"]).json() == _operation(arm, job)
    assert arm.get(f"backupOperationResults/{job.operation_id}").status_code == 204


def test_an_operation_in_progress_answers_202_by_its_location(serve: Serve) -> None:
    arm = serve(**SLOW)
    answer = arm.get(arm.restore(body()).headers["Location"])
    assert (answer.status_code, answer.content) == (202, b"")


def test_the_activity_id_is_the_client_request_id_and_lists_show_it(arm: Arm) -> None:
    job = arm.started(body())
    assert [each["properties"]["activityId"] for each in arm.listed()] == [CLIENT_ID]
    arm.post(f"backupJobs/{job.id}/cancel", x_ms_client_request_id=ZERO)
    assert arm.shown(job)["activityId"] == CLIENT_ID


def test_a_post_without_a_usable_client_request_id_gets_a_made_one(serve: Serve) -> None:
    arm = serve(busy="off")
    arm.post(f"{arm.item_id}/recoveryPoints/{POINT}/restore", body())
    arm.restore(body(), client_id="mine")
    made = {job.activity_id for job in arm.emulator.jobs()}
    assert len(made) == 2
    assert all(GUID.fullmatch(each) for each in made)


def test_lists_leave_extended_info_out_and_single_looks_have_it(arm: Arm) -> None:
    job = arm.started(body())
    (listed,) = arm.listed()
    assert "extendedInfo" not in listed["properties"]
    assert "extendedInfo" in arm.shown(job)
    assert "extendedInfo" not in arm.get("backupProtectedItems").json()["value"][0]["properties"]
    assert arm.get(arm.item_id).json()["properties"]["extendedInfo"]["recoveryPointCount"] == 2


def test_in_2019_the_bag_was_empty_at_first(serve: Serve) -> None:
    arm = serve(era="2019", operation_delay=100.0, job_duration=200.0)
    job = arm.started(body())
    first = arm.shown(job)
    assert first["extendedInfo"] == {"tasksList": [], "propertyBag": {}}
    assert first["storageAccountVersion"] == "Storage"
    assert "isUserTriggered" not in first
    last = arm.shown(arm.wait(job))
    assert last["extendedInfo"]["propertyBag"]["Number Of Restored Files"] == "4"
    assert last["storageAccountVersion"] == "ClassicCompute"


@pytest.mark.parametrize("era", ERAS)
def test_the_bag_names_the_point_late_and_counts_directories_since_2026(
    serve: Serve, era: str
) -> None:
    arm = serve(era=era, operation_delay=0.0)
    document = body(alternate=True, specs=[{"targetFolderPath": "folder1"}])
    running = arm.held(document)
    early = arm.shown(running)["extendedInfo"]["propertyBag"]
    arm.post(f"backupJobs/{running.id}/cancel")
    arm.wait(running)
    late = arm.shown(arm.ended(document))["extendedInfo"]["propertyBag"]
    assert early["Job Type"] == "Recover to an alternate file share"
    assert early["RestoreDestination"] == "dstaccount/target/folder1"
    assert early["Target File Share Name"] == "target"
    key = "Recovery Point Time in UTC" if era == "2026" else "RestoreRecoveryPointTime"
    assert key not in early
    assert late[key] == "11/20/2026 8:01:36 AM"
    assert ("Number Of Restored Directories" in late) == (era == "2026")
    assert all(isinstance(value, str) for value in late.values())


def test_a_restore_in_place_names_no_target(arm: Arm) -> None:
    bag = arm.shown(arm.started(body()))["extendedInfo"]["propertyBag"]
    assert bag["Job Type"] == "Recovering to the original file share"
    assert bag["RestoreDestination"] == "srcaccount/data/"
    assert not any(key.startswith("Target") for key in bag)


def test_a_failed_job_has_numbers_for_codes(arm: Arm) -> None:
    arm.emulator.inject({"on": "restore", "action": {"kind": "outcome", "status": "Failed"}})
    shown = arm.shown(arm.ended(body()))
    assert shown["status"] == "Failed"
    (error,) = shown["errorDetails"]
    assert error["errorCode"] == 1073871825
    assert error.keys() == {"errorCode", "errorString", "recommendations"}


def test_the_end_of_a_cancel_is_not_the_end_of_the_job(serve: Serve) -> None:
    arm = serve(cancel_duration=200.0)
    job = arm.held(body())
    answer = arm.post(f"backupJobs/{job.id}/cancel")
    assert arm.get(answer.headers["Location"]).status_code == 204
    assert arm.get(answer.headers["Azure-AsyncOperation"]).json()["status"] == "Succeeded"
    wrong_job = answer.headers["Location"].replace(job.id, "Azure", 1)
    assert arm.get(wrong_job).status_code == 204
    assert arm.shown(job)["status"] == "Cancelling"
    assert arm.shown(arm.wait(job))["status"] == "Cancelled"


def test_an_ended_job_cannot_be_cancelled(arm: Arm) -> None:
    job = arm.ended(body())
    assert arm.post(f"backupJobs/{job.id}/cancel").status_code == 400


def test_point_ids_are_strings_beyond_what_a_float_holds(arm: Arm) -> None:
    points = arm.get(f"{arm.item_id}/recoveryPoints").json()["value"]
    assert points[0]["name"] == POINT
    assert int(POINT) > 2**53
    properties = points[0]["properties"]
    assert properties["recoveryPointTime"] == "2026-11-20T08:01:35Z"
    assert properties["recoveryPointTierDetails"] == [{"type": "InstantRP", "status": "Valid"}]
    assert "recoveryPointSizeInGB" in properties
    single = arm.get(f"{arm.item_id}/recoveryPoints/{POINT}").json()
    assert single == points[0]


def test_the_date_header_is_the_time_of_day_however_short_the_waits(arm: Arm) -> None:
    started = arm.started(body())
    date = arm.get("backupJobs").headers["Date"]
    told = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT")  # noqa: DTZ007
    shown = datetime.fromisoformat(arm.shown(started)["startTime"]).replace(tzinfo=None)
    assert abs((told - shown).total_seconds()) < 3
