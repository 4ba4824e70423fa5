"""What lies around the items: cloud, subscriptions, vault, policy, storage accounts, identity."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
from azure.identity import ManagedIdentityCredential

from local.vault.everything import OTHER_ACCOUNT, OTHER_GROUP, fill_everything
from local.vault.resource_bodies import TENANT
from local.vault.sample import RESOURCE_GROUP
from local.vault.shares import Layout
from tests.local.vault.arm import SUBSCRIPTION, Arm, Json
from tests.local.vault.conftest import Serve

HOME = f"/subscriptions/{SUBSCRIPTION}"
STORAGE = "providers/Microsoft.Storage/storageAccounts"
ERAS = ["2019", "2021", "2024", "2026"]


def _get(arm: Arm, path: str, version: str = "2022-09-01") -> Json:
    answer = arm.get(arm.emulator.url + path + f"?api-version={version}")
    assert answer.status_code == 200, answer.text
    document: Json = answer.json()
    return document


def _refused(arm: Arm, path: str) -> str:
    answer = arm.get(arm.emulator.url + path + "?api-version=2016-01-01")
    assert answer.status_code == 404, answer.text
    assert answer.headers["x-ms-failure-cause"] == "gateway"
    code: str = answer.json()["error"]["code"]
    return code


# --- the cloud and its subscriptions


def test_the_cloud_is_described_to_whoever_asks(serve: Serve) -> None:
    arm = serve(require_auth=True)
    cloud = _get(arm, "/metadata/endpoints")
    assert cloud["resourceManager"] == f"{arm.emulator.url}/"
    assert cloud["authentication"]["loginEndpoint"] == f"{arm.emulator.url}/"
    assert cloud["suffixes"]["storage"] == "core.windows.net"
    answer = arm.get(f"{arm.emulator.url}/metadata/endpoints?api-version=2019-05-01")
    assert answer.json() == [cloud]


def test_subscriptions_are_those_of_vaults_and_accounts(arm: Arm) -> None:
    listed = _get(arm, "/subscriptions")
    assert [one["subscriptionId"] for one in listed["value"]] == [SUBSCRIPTION]
    assert listed["count"] == {"type": "Total", "value": 1}
    assert _get(arm, HOME.upper()) == listed["value"][0]
    assert _refused(arm, "/subscriptions/other") == "SubscriptionNotFound"


def test_subscriptions_need_a_token(serve: Serve) -> None:
    arm = serve(require_auth=True)
    assert arm.get(f"{arm.emulator.url}/subscriptions?api-version=2022-12-01").status_code == 401


# --- the vault and its policy


@pytest.mark.parametrize("era", ERAS)
def test_a_vault_is_shown_and_listed(serve: Serve, era: str) -> None:
    arm = serve(era=era)
    shown = _get(arm, arm.vault.id)
    assert (shown["id"], shown["location"]) == (arm.vault.id, "westeurope")
    assert shown["properties"]["provisioningState"] == "Succeeded"
    vaults = "providers/microsoft.recoveryservices/vaults"
    assert _get(arm, f"{HOME}/{vaults}")["value"] == [shown]
    assert _get(arm, f"{HOME}/resourcegroups/VAULTS/{vaults}")["value"] == [shown]
    assert _get(arm, f"{HOME}/resourceGroups/others/{vaults}")["value"] == []


@pytest.mark.parametrize("era", ERAS)
def test_the_policy_that_an_item_names_is_there(serve: Serve, era: str) -> None:
    arm = serve(era=era)
    (item,) = arm.get("backupProtectedItems").json()["value"]
    policy = _get(arm, item["properties"]["policyId"])
    assert policy["id"] == item["properties"]["policyId"]
    assert policy["properties"]["protectedItemsCount"] == 1
    assert policy["properties"]["schedulePolicy"]["scheduleRunFrequency"] == "Daily"
    assert arm.get("backupPolicies").json()["value"] == [policy]


def test_policies_of_other_workloads_there_are_none(arm: Arm) -> None:
    query = "api-version=2026-07-01&$filter=backupManagementType%20eq%20'AzureIaasVM'"
    assert arm.get("backupPolicies", query).json() == {"value": []}


def test_a_missing_policy_is_an_empty_object(arm: Arm) -> None:
    answer = arm.get("backupPolicies/other")
    assert (answer.status_code, answer.json()) == (404, {})


# --- storage accounts


def test_an_account_is_found_in_its_own_group_only(arm: Arm) -> None:
    account = _get(arm, f"{HOME}/resourcegroups/STORES/{STORAGE}//SRCACCOUNT")
    assert account["id"] == f"{HOME}/resourceGroups/stores/{STORAGE}/srcaccount"
    assert account["location"] == "westeurope"
    assert _get(arm, f"{HOME}/resourceGroups/stores/{STORAGE}/srcaccount") == account
    path = f"{HOME}/resourceGroups/elsewhere/{STORAGE}/srcaccount"
    assert _refused(arm, path) == "ResourceNotFound"


def test_a_target_account_is_known_by_its_shares(arm: Arm) -> None:
    account = _get(arm, f"{HOME}/resourcegroups/any/{STORAGE}//dstaccount")
    assert account["id"].endswith(f"/resourceGroups/any/{STORAGE}/dstaccount")
    for name in ("nobody", "no.account", "..%2Faccounts"):
        assert _refused(arm, f"{HOME}/resourcegroups/any/{STORAGE}//{name}") == "ResourceNotFound"


def test_classic_accounts_are_gone_with_their_provider(arm: Arm) -> None:
    path = f"{HOME}/resourcegroups/stores/providers/Microsoft.ClassicStorage/storageAccounts//a"
    assert _refused(arm, path) == "InvalidResourceNamespace"


def test_an_account_may_lie_in_another_group_than_its_vault(serve: Serve, tmp_path: Path) -> None:
    fill_everything(Layout(root=tmp_path / "everything"))
    arm = serve(root=tmp_path / "everything")
    account = _get(arm, f"{HOME}/resourcegroups/{OTHER_GROUP}/{STORAGE}//{OTHER_ACCOUNT}")
    assert account["name"] == OTHER_ACCOUNT
    path = f"{HOME}/resourcegroups/{RESOURCE_GROUP}/{STORAGE}//{OTHER_ACCOUNT}"
    assert _refused(arm, path) == "ResourceNotFound"


# --- items and containers in the shape of 2026


def test_items_of_2026_say_more_of_their_share(arm: Arm) -> None:
    (listed,) = arm.get("backupProtectedItems").json()["value"]
    properties = listed["properties"]
    assert properties["fileShareProtocol"] == "SMB"
    assert properties["sourceLocation"] == "westeurope"
    assert properties["lastRecoveryPoint"] == "2026-11-20T08:01:35Z"
    assert "extendedInfo" not in properties
    extended = arm.get(arm.item_id).json()["properties"]["extendedInfo"]
    assert extended["resourceStateSyncTime"] == "2026-11-20T08:01:40Z"
    assert extended["oldestRecoveryPoint"] == "2026-11-19T08:05:30Z"


def test_points_of_2026_always_say_whether_they_are_soft_deleted(arm: Arm) -> None:
    points = arm.get(f"{arm.item_id}/recoveryPoints").json()["value"]
    held = [point["properties"]["recoveryPointProperties"] for point in points]
    assert held == [{"isSoftDeleted": False}] * 2


@pytest.mark.parametrize("era", ERAS[:-1])
def test_items_of_earlier_years_lack_the_fields_of_2026(serve: Serve, era: str) -> None:
    arm = serve(era=era)
    (item,) = arm.get("backupProtectedItems").json()["value"]
    new = {"fileShareProtocol", "sourceLocation", "lastRecoveryPoint", "sourceSideScanInfo"}
    assert not new & item["properties"].keys()
    extended = arm.get(arm.item_id).json()["properties"]["extendedInfo"]
    assert "resourceStateSyncTime" not in extended


@pytest.mark.parametrize("era", ERAS)
def test_containers_changed_their_fields_in_2026(serve: Serve, era: str) -> None:
    arm = serve(era=era)
    (container,) = arm.get("backupProtectionContainers").json()["value"]
    held = container["properties"].keys()
    old = {"storageAccountVersion", "resourceGroup"}
    new = {"acquireStorageAccountLock", "accessType", "protectableObjectType", "sourceLocation"}
    assert held >= (new if era == "2026" else old)
    assert not held & (old if era == "2026" else new)
    assert _get(arm, container["id"].lower()) == container


def test_an_unknown_container_is_not_found(arm: Arm) -> None:
    answer = arm.get("backupFabrics/Azure/protectionContainers/StorageContainer;Storage;a;b")
    assert answer.status_code == 404


def test_only_registered_containers_are_there(arm: Arm) -> None:
    query = "api-version=2026-07-01&$filter=status%20eq%20'{}'"
    registered = arm.get("backupProtectionContainers", query.format("registered")).json()
    deleted = arm.get("backupProtectionContainers", query.format("SoftDeleted")).json()
    assert (len(registered["value"]), deleted["value"]) == (1, [])


# --- the identity endpoint


def test_the_sdk_gets_a_token_that_the_emulator_takes(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = serve(require_auth=True)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{arm.emulator.url}/_emulator/identity")
    monkeypatch.setenv("IDENTITY_HEADER", "any")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ManagedIdentityCredential() as credential:
        token = credential.get_token("https://management.azure.com/.default")
    assert token.expires_on > time.time() + 3600
    claims = json.loads(base64.urlsafe_b64decode(token.token.split(".")[1] + "=="))
    assert (claims["aud"], claims["tid"]) == ("https://management.azure.com", TENANT)
    arm.session.headers["Authorization"] = f"Bearer {token.token}"
    assert arm.get("backupJobs").status_code == 200


@pytest.mark.parametrize(
    ("headers", "query", "said"),
    [
        ({}, "resource=a", "IDENTITY_HEADER"),
        ({"X-IDENTITY-HEADER": "any"}, "", "audience"),
    ],
)
def test_the_identity_endpoint_says_what_is_missing(
    arm: Arm, headers: dict[str, str], query: str, said: str
) -> None:
    url = f"{arm.emulator.url}/_emulator/identity?{query}"
    answer = arm.session.get(url, headers=headers, timeout=10)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
