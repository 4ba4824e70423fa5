"""Lists: filters as every client writes them, pages, and who may look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from local.vault import EmulatorOptions, VaultEmulator
from local.vault.everything import (
    BOTH_POINT,
    DELETED_POINT,
    GUARD,
    GUARDED_VAULT,
    SNAPSHOT_POINT,
    THREAT_POINT,
    VAULT_POINT,
)
from tests.local.vault.arm import OLDER_POINT, POINT, VERSION, Arm, Json, body
from tests.local.vault.conftest import Serve

RESTORES = "operation eq 'Restore' and backupManagementType eq 'AzureStorage'"


def _ids(arm: Arm, condition: str) -> list[str]:
    return [job["name"] for job in arm.listed(f"&$filter={quote_plus(condition)}")]


def _clock(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %I:%M:%S %p")


@pytest.mark.parametrize(
    "query",
    [
        "$filter=operation eq 'Restore' and backupManagementType eq 'AzureStorage'",
        "$filter=operation%20eq%20%27Restore%27",
        "%24filter=operation+eq+%27Restore%27",
        "$filter=operation+eq+'restore'+and+status+eq+'InProgress'",
        "$filter=",
    ],
)
def test_a_filter_may_be_encoded_in_every_way(arm: Arm, query: str) -> None:
    job = arm.held(body())
    assert [each["name"] for each in arm.listed(f"&{query}")] == [job.id]


@pytest.mark.parametrize(
    "query",
    ["$filter=operation eq 'Backup'", "$filter=backupManagementType eq 'AzureIaasVM'"],
)
def test_there_are_no_jobs_but_restores_of_files(arm: Arm, query: str) -> None:
    arm.started(body())
    assert list(arm.listed(f"&{query}")) == []


@pytest.mark.parametrize(
    "condition",
    [
        "activityId eq 'x'",
        "operation ne 'Restore'",
        "operation eq 'Restore' or status eq 'Failed'",
        "operation eq 'Restore' and",
        "startTime eq '2026-11-20T08:00:00Z'",
        "startTime eq '2026-13-40 08:00:00 AM'",
    ],
)
def test_a_filter_that_cannot_be_read_is_invalid_input(arm: Arm, condition: str) -> None:
    answer = arm.get("backupJobs", f"api-version={VERSION}&$filter={quote_plus(condition)}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BMSUserErrorInvalidInput"


def test_jobs_are_filtered_by_status_id_and_start(arm: Arm) -> None:
    done = arm.ended(body())
    running = arm.started(body())
    assert _ids(arm, f"{RESTORES} and status eq 'Completed'") == [done.id]
    assert _ids(arm, f"jobId eq '{running.id}'") == [running.id]
    now = datetime.now(UTC)
    day = timedelta(days=1)
    window = "startTime eq '{}' and endTime eq '{}' and " + RESTORES
    assert _ids(arm, window.format(_clock(now - day), _clock(now + day))) == [running.id, done.id]
    assert _ids(arm, window.format(_clock(now + day), _clock(now + 2 * day))) == []
    assert _ids(arm, window.format(_clock(now - 2 * day), _clock(now - day))) == []
    assert len(_ids(arm, "startTime eq '2016-01-01 00:00:00 AM'")) == 2


def test_job_pages_join_to_the_whole_list_even_while_jobs_are_added(serve: Serve) -> None:
    arm = serve(page_size=7)
    before = {job.id for job in arm.emulator.add_jobs(30)}
    seen: list[str] = []
    for job in arm.listed(f"&$filter={quote_plus(RESTORES)}"):
        if len(seen) == 10:
            arm.emulator.add_jobs(3)
        seen.append(job["name"])
    assert before <= set(seen)
    assert len(seen) == len(set(seen))


def test_a_next_link_is_absolute_and_keeps_the_filter(serve: Serve) -> None:
    arm = serve(page_size=1)
    arm.emulator.add_jobs(2)
    query = f"api-version={VERSION}&$filter={quote_plus(RESTORES)}"
    link = arm.get("backupJobs", query).json()["nextLink"]
    assert link.startswith(f"{arm.emulator.url}/subscriptions/")
    assert "$skipToken=" in link
    assert "$filter=operation%20eq" in link
    assert "nextLink" not in arm.get(link).json()


def test_a_wrong_skip_token_is_invalid_input(arm: Arm) -> None:
    for path in ("backupJobs", "backupProtectedItems"):
        for token in ("%", "bm90IG91cnM="):
            query = f"api-version={VERSION}&$skipToken={token}"
            assert arm.get(path, query).status_code == 400


def test_five_thousand_running_jobs_are_listed_in_full_pages(arm: Arm) -> None:
    arm.emulator.add_jobs(5000)
    assert sum(1 for _ in arm.listed(f"&$filter={quote_plus(RESTORES)}")) == 5000
    assert sum(call.operation == "list_jobs" for call in arm.emulator.log) == 5000 / 200


def test_a_job_appears_in_lists_after_the_list_delay(serve: Serve) -> None:
    arm = serve(list_delay=100_000.0)
    job = arm.started(body())
    assert list(arm.listed()) == []
    assert arm.shown(job)["status"] == "InProgress"


def test_points_are_filtered_by_time_and_not_sorted(arm: Arm) -> None:
    def names(condition: str) -> list[str]:
        query = f"api-version={VERSION}&$filter={quote_plus(condition)}"
        answer = arm.get(f"{arm.item_id}/recoveryPoints", query)
        return [point["name"] for point in answer.json()["value"]]

    assert names("") == [POINT, OLDER_POINT]
    window = "startDate eq '{}' and endDate eq '{}'"
    assert names(window.format("2026-11-20 12:00:00 AM", "2026-11-21 12:00:00 AM")) == [POINT]
    assert names(window.format("2026-11-19 08:05:30 AM", "2026-11-20 08:01:34 AM")) == [OLDER_POINT]


def test_an_unknown_vault_is_arms_refusal_and_an_unknown_item_the_services(arm: Arm) -> None:
    missing = arm.get(f"{arm.vault.id}x/backupJobs")
    assert (missing.status_code, missing.headers["x-ms-failure-cause"]) == (404, "gateway")
    assert missing.json()["error"]["code"] == "ResourceNotFound"
    item = arm.get(f"{arm.item_id}0/recoveryPoints")
    assert (item.status_code, item.headers["x-ms-failure-cause"]) == (404, "service")
    assert item.json()["error"]["code"] == "BMSUserErrorDataSourceObjectNotFound"


@pytest.mark.parametrize("path", ["backupJobs/x", "backupOperations/x", "backupNothing"])
def test_what_is_not_there_is_not_found(arm: Arm, path: str) -> None:
    assert arm.get(path).status_code == 404


def test_an_unknown_point_is_not_found(arm: Arm) -> None:
    assert arm.get(f"{arm.item_id}/recoveryPoints/1").status_code == 404
    assert arm.restore(body(), point="1").status_code == 404


def test_every_call_needs_an_api_version(arm: Arm) -> None:
    answer = arm.get("backupJobs", "x=1")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "MissingApiVersionParameter"


def test_a_bearer_token_is_needed_when_asked_for(serve: Serve) -> None:
    arm = serve(require_auth=True)
    refused = arm.get("backupJobs")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
    arm.session.headers["Authorization"] = "Bearer made-up"
    assert arm.get("backupJobs").status_code == 200


def test_two_names_of_one_item_are_told_apart_by_the_account(tmp_path: Path) -> None:
    with VaultEmulator(tmp_path / "all", EmulatorOptions(), sample="everything") as emulator:
        arm = Arm(emulator)
        items: list[Json] = arm.get("backupProtectedItems").json()["value"]
        named = [item for item in items if item["properties"]["friendlyName"] == "azurefiles"]
        assert len({item["id"] for item in named}) == 2
        query = (
            f"api-version={VERSION}&$filter=backupManagementType eq 'AzureStorage' and "
            "itemType eq 'AzureFileShare' and friendlyName eq 'AzureFiles'"
        )
        assert arm.get("backupProtectedItems", query).json()["value"] == named
        by_name = {item["properties"]["friendlyName"]: item["properties"] for item in items}
        assert by_name["stopped"]["protectionState"] == "ProtectionStopped"
        assert by_name["deleted"]["isScheduledForDeferredDelete"] is True
        tiers = next(item for item in items if item["properties"]["friendlyName"] == "tiers")
        points = {
            point["name"]: point["properties"]
            for point in arm.get(f"{tiers['id']}/recoveryPoints").json()["value"]
        }
        kinds = {
            name: [tier["type"] for tier in point["recoveryPointTierDetails"]]
            for name, point in points.items()
        }
        assert kinds[SNAPSHOT_POINT] == ["InstantRP"]
        assert kinds[BOTH_POINT] == ["InstantRP", "HardenedRP"]
        assert kinds[VAULT_POINT] == ["HardenedRP"]
        assert "fileShareSnapshotUri" not in points[VAULT_POINT]
        assert points[THREAT_POINT]["threatStatus"] == "UnHealthy"
        assert DELETED_POINT not in points
        arm.close()


def test_a_guarded_vault_restores_with_its_guards_consent_only(tmp_path: Path) -> None:
    options = EmulatorOptions(time_scale=200)
    with VaultEmulator(tmp_path / "all", options, sample="everything") as emulator:
        vault = next(each for each in emulator.catalogue.vaults if each.name == GUARDED_VAULT)
        arm = Arm(emulator, vault)
        (proxy,) = arm.get("backupResourceGuardProxies").json()["value"]
        assert arm.get("backupResourceGuardProxies/VaultProxy").json() == proxy
        (detail,) = proxy["properties"]["resourceGuardOperationDetails"]
        assert detail["vaultCriticalOperation"].endswith("/recoveryPoints/restore/action")
        assert detail["defaultResourceRequest"].startswith(GUARD)
        document = body(source="guardedaccount")
        assert arm.restore(document, point="100").status_code == 403
        consent = [detail["defaultResourceRequest"]]
        document["properties"]["resourceGuardOperationRequests"] = consent
        assert arm.ended(document, point="100").status == "Completed"
        arm.close()


def test_an_unguarded_vault_has_no_proxies_and_a_missing_one_is_an_empty_object(
    arm: Arm,
) -> None:
    assert arm.get("backupResourceGuardProxies").json() == {"value": []}
    missing = arm.get("backupResourceGuardProxies/VaultProxy")
    assert (missing.status_code, missing.text) == (404, "{}")


@pytest.mark.parametrize(("answer", "status"), [("409", 409), ("400", 400)])
def test_a_second_restore_to_a_busy_target_is_refused(
    serve: Serve, answer: str, status: int
) -> None:
    arm = serve(busy=answer)
    first = arm.held(body())
    refused = arm.restore(body())
    assert refused.status_code == status
    code = refused.json()["error"]["code"]
    assert code == "UserErrorAnotherRestoreInProgressOnSameTarget"
    assert arm.restore(body(alternate=True)).status_code == 202
    arm.post(f"backupJobs/{first.id}/cancel")
    arm.wait(first)
    assert arm.restore(body()).status_code == 202


def test_a_second_restore_to_a_busy_target_can_fail_as_a_job_instead(serve: Serve) -> None:
    arm = serve(busy="job")
    first = arm.held(body())
    second = arm.ended(body())
    assert second.status == "Failed"
    assert "AnotherRestoreInProgress" in second.errors[0].text
    assert arm.shown(first)["status"] == "InProgress"
