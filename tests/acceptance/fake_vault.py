"""The vault, its policies and registered accounts, as the strict Azure of the tests has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.acceptance.fake_parts import (
    ACCOUNT,
    BACKUP,
    CONTAINER,
    FABRIC,
    STORAGE_FILTER,
    TAGS,
    VAULT,
    VAULTS,
    Done,
    Json,
    Route,
    error,
    location,
    put_below,
    read,
    route,
    status,
    stored,
)
from tests.acceptance.fake_world import World

if TYPE_CHECKING:
    from tests.acceptance.fake_azure import Call

_RETENTION = {
    "retentionPolicyType": "LongTermRetentionPolicy",
    "dailySchedule": {
        "retentionTimes": list,
        "retentionDuration": {"count": int, "durationType": "Days"},
    },
}


def _put_vault(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if names["group"] not in world.resources:
        return error(404, "ResourceGroupNotFound")
    if call.path in world.busy:
        return error(409, "VaultIsBeingCreated")
    operation = world.begin(call.path, stored(world, call))
    return 201, {"id": call.spelled}, status(call, operation)


def _delete_vault(world: World, call: Call, _: Mapping[str, str]) -> Done:
    if call.path in world.busy:
        return error(409, "VaultIsBusy")
    if call.path not in world.resources:
        return 204, None, {}
    if world.container() is not None:
        return error(400, "ServiceResourceNotEmptyWithContainerDetails")
    operation = world.begin(call.path, lambda: world.remove(call.path))
    return 202, None, location(call, operation)


def _refresh(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if names["vault"] not in world.resources:
        return error(404, "ResourceNotFound")

    def discover() -> None:
        world.discovered = True

    return 202, None, location(call, world.begin(call.path, discover))


def _accounts(world: World) -> list[Json]:
    return [
        held
        for key, held in world.resources.items()
        if re.fullmatch(ACCOUNT, key) and "/fileservices/" not in key
    ]


def _container_name(account: Json) -> str:
    parts = str(account["id"]).split("/")
    return f"StorageContainer;Storage;{parts[4]};{parts[-1]}"


def _protectable_containers(world: World, call: Call, _: Mapping[str, str]) -> Done:
    found = [
        {
            "name": _container_name(one),
            "properties": {
                "friendlyName": str(one["id"]).rpartition("/")[2],
                "protectableContainerType": "StorageContainer",
                "containerId": one["id"],
            },
        }
        for one in (_accounts(world) if world.discovered else [])
    ]
    return 200, {"value": found}, {}


def _put_container(world: World, call: Call, _: Mapping[str, str]) -> Done:
    name = call.spelled.rpartition("/")[2]
    known = {_container_name(one): one for one in _accounts(world)}
    if not world.discovered or name not in known:
        return error(400, "BMSUserErrorContainerObjectNotFound")
    if known[name]["id"].lower() != call.body["properties"]["sourceResourceId"].lower():
        return error(400, "BMSUserErrorInvalidInput")
    if call.path in world.busy:
        return error(409, "BMSUserErrorObjectLocked")
    operation = world.begin(call.path, stored(world, call, name=name))
    return 202, None, location(call, operation)


def _containers(world: World, call: Call, _: Mapping[str, str]) -> Done:
    found = [
        {
            "name": held["name"],
            "properties": {
                **held["properties"],
                "friendlyName": held["name"].rpartition(";")[2],
                "registrationStatus": "Registered",
            },
        }
        for key, held in world.resources.items()
        if "/protectioncontainers/" in key and "/protecteditems/" not in key
    ]
    return 200, {"value": found}, {}


def _delete_container(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if call.path in world.busy:
        return error(409, "BMSUserErrorObjectLocked")
    if call.path not in world.resources:
        return 204, None, {}
    item = world.item()
    if item is not None:
        soft = item[1]["properties"].get("isScheduledForDeferredDelete")
        if not soft or world.keeps_container:
            return error(400, "BMSUserErrorContainerHasDatasources")
    operation = world.begin(call.path, lambda: world.remove(call.path))
    return 202, None, location(call, operation)


def _inquire(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if names["container"] not in world.resources:
        return error(404, "BMSUserErrorContainerObjectNotFound")

    def find() -> None:
        world.inquired = True

    return 202, None, location(call, world.begin(call.path, find))


def _operation(world: World, call: Call, names: Mapping[str, str]) -> Done:
    operation = world.operations[names["operation"]]
    body: Json = {"id": operation.id, "status": "InProgress"}
    if operation.done:
        body["status"] = "Succeeded"
        if operation.job_id:
            body["properties"] = {"jobId": operation.job_id}
    return 200, body, {}


def _result(world: World, call: Call, names: Mapping[str, str]) -> Done:
    operation = world.operations[names["operation"]]
    # An ended one has a Retry-After too.
    return (204 if operation.done else 202), None, {"Retry-After": "60"}


_VAULT_BODY = {
    "location": str,
    "tags": TAGS,
    "sku": {"name": "RS0", "tier": "Standard"},
    "properties": {
        "publicNetworkAccess": "Enabled",
        "redundancySettings": {
            "standardTierStorageRedundancy": "LocallyRedundant",
            "crossRegionRestore": "Disabled",
        },
    },
}

_POLICY_BODY = {
    "properties": {
        "backupManagementType": "AzureStorage",
        "workLoadType": "AzureFileShare",
        "timeZone": "UTC",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Daily",
            "scheduleRunTimes": list,
        },
        "retentionPolicy?": _RETENTION,
        "vaultRetentionPolicy?": {"snapshotRetentionInDays": int, "vaultRetention": _RETENTION},
    }
}

_CONTAINER_BODY = {
    "properties": {
        "containerType": "StorageContainer",
        "backupManagementType": "AzureStorage",
        "sourceResourceId": str,
        "acquireStorageAccountLock": "NotAcquire",
    }
}

ROUTES: tuple[Route, ...] = (
    route("GET", VAULT, VAULTS, read),
    route("PUT", VAULT, VAULTS, _put_vault, body=_VAULT_BODY),
    route("DELETE", VAULT, VAULTS, _delete_vault),
    route("GET", f"{VAULT}/backuppolicies/[^/]+", BACKUP, read),
    route("PUT", f"{VAULT}/backuppolicies/[^/]+", BACKUP, put_below("vault"), body=_POLICY_BODY),
    route("POST", f"{FABRIC}/refreshcontainers", BACKUP, _refresh, filter=STORAGE_FILTER),
    route(
        "GET",
        f"{FABRIC}/protectablecontainers",
        BACKUP,
        _protectable_containers,
        filter=STORAGE_FILTER,
    ),
    route("GET", f"{VAULT}/backupprotectioncontainers", BACKUP, _containers, filter=STORAGE_FILTER),
    route("PUT", CONTAINER, BACKUP, _put_container, body=_CONTAINER_BODY),
    route("DELETE", CONTAINER, BACKUP, _delete_container),
    route(
        "POST",
        f"{CONTAINER}/inquire",
        BACKUP,
        _inquire,
        filter="workloadType eq 'AzureFileShare'",
    ),
    route("GET", r"/operations/(?P<operation>[^/]+)", BACKUP, _operation),
    route("GET", r"/results/(?P<operation>[^/]+)", BACKUP, _result),
)
