"""Protected items, backups and jobs, as the strict Azure of the tests has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.acceptance.fake_parts import (
    ACCOUNT,
    BACKUP,
    ITEM,
    STORAGE_FILTER,
    VAULT,
    Done,
    Json,
    Route,
    error,
    location,
    route,
    status,
    stored,
)
from tests.acceptance.fake_world import World

if TYPE_CHECKING:
    from tests.acceptance.fake_azure import Call

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

ITEM_NAME = "AzureFileShare;" + "5f" * 32


def _protectable_items(world: World, call: Call, names: Mapping[str, str]) -> Done:
    container = world.container()
    found = []
    for key in world.resources if world.inquired and container else ():
        share = re.fullmatch(rf"{ACCOUNT}/fileservices/default/shares/(?P<share>[^/]+)", key)
        if share and share["account"].rpartition("/")[2] == str(container).rpartition(";")[2]:
            found.append(
                {
                    "id": f"{container}/protectableItems/{ITEM_NAME}",
                    "properties": {
                        "friendlyName": share["share"],
                        "parentContainerFriendlyName": share["account"].rpartition("/")[2],
                        "protectionState": "NotProtected",
                    },
                }
            )
    return 200, {"value": found}, {}


def _put_item(world: World, call: Call, names: Mapping[str, str]) -> Done:
    properties = call.body["properties"]
    if names["container"] not in world.resources or not world.inquired:
        return error(404, "BMSUserErrorDataSourceObjectNotFound")
    if properties["policyId"].lower() not in world.resources:
        return error(400, "BMSUserErrorPolicyNotFound")
    if call.path in world.busy:
        return error(409, "BMSUserErrorObjectLocked")
    job_id = world.begin_job("ConfigureBackup", lambda: None)
    share = "acceptance"
    container = names["container"].rpartition("/")[2]
    more = {
        "name": ITEM_NAME,
        "properties": {**properties, "friendlyName": share, "containerName": container},
    }
    operation = world.begin(call.path, stored(world, call, **more), job_id=job_id)
    return 202, None, {**location(call, operation), **status(call, operation)}


def _items(world: World, call: Call, _: Mapping[str, str]) -> Done:
    item = world.item()
    return 200, {"value": [item[1]] if item else []}, {}


def _delete_item(world: World, call: Call, _: Mapping[str, str]) -> Done:
    item = world.item()
    if item is None:
        return 204, None, {}
    if call.path in world.busy or any(j["status"] == "InProgress" for j in world.jobs.values()):
        return error(409, "BMSUserErrorConflictingProtectionOperation")

    def go() -> None:
        if world.soft_delete:
            item[1]["properties"]["isScheduledForDeferredDelete"] = True
            item[1]["properties"]["deferredDeleteTimeRemaining"] = "13.23:59:59"
        else:
            world.remove(call.path)

    operation = world.begin(call.path, go)
    return 202, None, status(call, operation)


def _points(world: World, call: Call, _: Mapping[str, str]) -> Done:
    return 200, {"value": world.points}, {}


def _back_up(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if names["item"] not in world.resources:
        return error(404, "BMSUserErrorDataSourceObjectNotFound")
    number = str(10**18 + len(world.jobs))

    def make_point() -> None:
        world.points.append(
            {
                "id": f"{world.resources[names['item']]['id']}/recoveryPoints/{number}",
                "name": number,
                "properties": {"recoveryPointTime": "2026-11-25T21:00:00Z"},
            }
        )

    job_id = world.begin_job("Backup", make_point)
    operation = world.begin(call.path, lambda: None, job_id=job_id)
    return 202, None, {**location(call, operation), **status(call, operation)}


def _jobs(world: World, call: Call, _: Mapping[str, str]) -> Done:
    found = re.search(r"operation eq '(\w+)'", call.query["$filter"])
    assert found is not None
    jobs = [_job_body(key, one) for key, one in world.jobs.items() if one["operation"] == found[1]]
    return 200, {"value": jobs}, {}


def _job(world: World, call: Call, names: Mapping[str, str]) -> Done:
    return 200, _job_body(names["job"], world.jobs[names["job"]]), {}


def _job_body(job_id: str, job: Json) -> Json:
    properties = {key: job[key] for key in ("operation", "status")}
    if job["status"] == "Failed":
        properties["errorDetails"] = [{"errorCode": 1073871825, "errorString": "it went wrong"}]
    return {"name": job_id, "properties": properties}


_ITEM_BODY = {
    "properties": {
        "protectedItemType": "AzureFileShareProtectedItem",
        "sourceResourceId": str,
        "policyId": str,
    }
}

_BACKUP_BODY = {
    "properties": {
        "objectType": "AzureFileShareBackupRequest",
        "recoveryPointExpiryTimeInUTC": _TIME,
    }
}

ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        f"{VAULT}/backupprotectableitems",
        BACKUP,
        _protectable_items,
        filter=f"{STORAGE_FILTER} and workloadType eq 'AzureFileShare'",
    ),
    route(
        "GET",
        f"{VAULT}/backupprotecteditems",
        BACKUP,
        _items,
        filter=f"{STORAGE_FILTER} and itemType eq 'AzureFileShare'",
    ),
    route("PUT", ITEM, BACKUP, _put_item, body=_ITEM_BODY),
    route("DELETE", ITEM, BACKUP, _delete_item),
    route("GET", f"{ITEM}/recoverypoints", BACKUP, _points),
    route("POST", f"{ITEM}/backup", BACKUP, _back_up, body=_BACKUP_BODY),
    route("GET", f"{VAULT}/backupjobs", BACKUP, _jobs),
    route("GET", rf"{VAULT}/backupjobs/(?P<job>[^/]+)", BACKUP, _job),
)
